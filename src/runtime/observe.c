/* SPDX-License-Identifier: MIT
 *
 * A session's events: its calls, its opening and its end. A call that an observer is to be told of is noted when it is sent;
 * what became of it is told when the session is left and knows: at once if the call waits, else with the next answer. So each
 * start has one stop or exception, in the order of the calls. All of it on the session's thread, inside the session. */
#include "runtime/callback.h"

static const char *operation_of(char op)
{
    switch (op) {
    case 'f':
        return "call";
    case 'm':
        return "method";
    case 'g':
        return "get";
    case 's':
        return "set";
    case 'c':
        return "read";
    case 'k':
    case 'e':
        return "isinstance";
    case '=':
        return "value";
    case 'F':
        return "function";
    case 'i':
    case 'n':
    case 'q':
        return "iterate";
    case 'w':
    case 'z':
        return "with";
    default:
        return "operator";
    }
}

/* What the library asks for by itself. */
static bool is_internal(const struct sb_plan *plan)
{
    return plan->op == '?' || plan->op == 'l';
}

static sb_event event_of(const sb_session *py, sb_event_kind kind)
{
    return (sb_event) { .kind = kind,
                        .session = py->tag,
                        .session_name = py->member.name,
                        .worker = py->link ? (int32_t)py->link->worker : 0 };
}

static sb_event event_of_call(const sb_session *py, sb_event_kind kind,
                              const struct sb_observed_call *c)
{
    sb_event e = event_of(py, kind);
    e.library = c->plan->library;
    e.function = c->plan->function;
    e.operation = operation_of(c->plan->op);
    e.file = c->file;
    e.line = c->line;
    e.bytes_sent = c->bytes;
    return e;
}

void sb__observe_begin(sb_session *py)
{
    py->observed.begun = sb__now();
}

void sb__observe_start(sb_session *py, const struct sb_plan *plan, const sb_site *at, uint64_t seq,
                       size_t bytes)
{
    struct sb_observed *o = &py->observed;
    uint64_t chosen_at;
    uint32_t chosen = is_internal(plan) ? 0 : sb__events_choose(&chosen_at);
    if (!chosen)
        return;
    if (o->count == o->cap) {
        uint32_t cap = o->cap ? o->cap * 2 : 16;
        struct sb_observed_call *more = sb__resize(o->calls, cap * sizeof *more);
        if (!more)
            return; /* it is told of neither its start nor its end */
        o->calls = more;
        o->cap = cap;
    }
    struct sb_observed_call *c = &o->calls[o->count];
    *c = (struct sb_observed_call) { .plan = plan,
                                     .file = at->file,
                                     .line = at->line,
                                     .chosen = chosen,
                                     .chosen_at = chosen_at,
                                     .seq = seq,
                                     .bytes = bytes,
                                     .begun = o->begun };
    o->received = 0;
    if (sb__events_on(SB_EVENT_CALL_START)) {
        sb_event e = event_of_call(py, SB_EVENT_CALL_START, c);
        e.time = sb__event_time(c->begun);
        sb__event_now(py, &e, chosen, chosen_at);
    }
    o->count++;
    o->pending |= SB_OBSERVED_CALLS;
}

static void put_error(sb_event *e, const sb_session *py)
{
    e->code = py->error.code;
    e->type = py->error.type;
    e->message = py->error.message;
}

/* Whether the pending error is that of this call, which was the last one. */
static bool is_failed_call(const sb_session *py, const struct sb_observed_call *c)
{
    return c->line == py->error.line && c->seq == py->seq &&
           !strcmp(c->plan->function, py->error.function);
}

/* How a call ended: of those that were in flight when one failed, earlier ones had ended well, and later ones never ran. */
enum outcome { WELL, FAILED, SKIPPED };
static enum outcome outcome_of(const sb_session *py, const struct sb_observed_call *c, bool error)
{
    const uint64_t failed = py->observed.error_seq;
    if (!error)
        return WELL;
    if (!failed)
        return is_failed_call(py, c) ? FAILED : WELL;
    return c->seq < failed ? WELL : c->seq == failed ? FAILED : SKIPPED;
}

static void tell_end(sb_session *py, const struct sb_observed_call *c, enum outcome outcome,
                     int64_t now)
{
    sb_event e =
        event_of_call(py, outcome == WELL ? SB_EVENT_CALL_STOP : SB_EVENT_CALL_EXCEPTION, c);
    e.time = sb__event_time(now);
    e.duration = now - c->begun;
    if (c->seq == py->seq)
        e.bytes_received = py->observed.received;
    if (outcome != WELL)
        put_error(&e, py);
    if (outcome == SKIPPED)
        e.reason = "skipped";
    sb__event_now(py, &e, c->chosen, c->chosen_at);
}

/* An error of no call that was sent: an argument that cannot be passed, a worker that cannot be started, a result that does
 * not fit. */
static void tell_error(sb_session *py, int64_t now)
{
    uint64_t chosen_at;
    uint32_t chosen = sb__events_choose(&chosen_at);
    if (!chosen)
        return;
    sb_event e = event_of(py, SB_EVENT_CALL_EXCEPTION);
    put_error(&e, py);
    e.function = py->error.function;
    e.file = py->error.file;
    e.line = py->error.line;
    e.time = sb__event_time(now);
    e.reason = "not sent";
    sb__event_now(py, &e, chosen, chosen_at);
}

void sb__observed_look(sb_session *py)
{
    struct sb_observed *o = &py->observed;
    const bool error = o->pending & SB_OBSERVED_ERROR && py->failed;
    uint64_t floor = 0; /* requests up to it wait while a callback runs */
    for (const struct sb_serving *v = py->serving; v && !floor; v = v->outer)
        floor = v->waits ? v->seq : 0;
    const int64_t now = sb__now();
    uint32_t kept = 0, count = o->count;
    bool told = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct sb_observed_call c = o->calls[i];
        if (c.seq <= floor || (c.seq > py->answered && py->link)) {
            o->calls[kept++] = c;
            continue;
        }
        enum outcome outcome = outcome_of(py, &c, error);
        told = told || outcome == FAILED;
        tell_end(py, &c, outcome, now);
    }
    o->count = kept;
    if (error && !told)
        tell_error(py, now);
    const bool misused = o->pending & SB_OBSERVED_MISUSE;
    o->pending = kept ? SB_OBSERVED_CALLS : 0;
    if (misused) {
        sb__fail(py, NULL, "sb_observe", SB_E_MISUSE,
                 "an observer has used the session that it was told of, whose call that was");
        o->pending &=
            ~(uint32_t)SB_OBSERVED_ERROR; /* else one that always does makes itself work */
    }
}

void sb__observe_opened(sb_session *py)
{
    py->observed.opened = sb__now();
    if (!sb__events_on(SB_EVENT_SESSION_OPEN))
        return;
    sb_event e = event_of(py, SB_EVENT_SESSION_OPEN);
    e.reason = "opened";
    if (py->failed)
        put_error(&e, py);
    sb__event_now(py, &e, SB_EVENT_EVERYBODY, 0);
}

void sb__observe_closed(sb_session *py, const char *reason)
{
    py->answered = py->seq;
    sb__observed_look(py);
    sb_event e = event_of(py, SB_EVENT_SESSION_CLOSE);
    if (py->observed.opened)
        e.duration = sb__now() - py->observed.opened;
    e.count = py->seq;
    e.reason = reason;
    if (py->failed)
        put_error(&e, py);
    sb__event_now(py, &e, SB_EVENT_EVERYBODY, 0);
}
