/* SPDX-License-Identifier: MIT
 *
 * Requests and answers: the one path of every call. A request is built in py->out and handed to the transport; calls that
 * need no value are not waited for, and leave their place in py->sent in case they fail. The part that runs when nothing
 * special is the matter is inline, in request.h. */
#include "runtime/callback.h"
#include "runtime/request.h"
#include <limits.h>

static struct sb_sent *sent_slot(sb_session *py, uint64_t seq)
{
    return &py->sent[seq % SB_IN_FLIGHT];
}

bool sb__request_begin_slow(sb_session *py, struct sb_request *q)
{
    if (SB_UNLIKELY(sb__events_on(SB_EVENTS_OF_CALLS)))
        sb__observe_begin(py);
    const bool leaves = q->plan->op == 'z' || q->plan->op == 'q'; /* a block that is open yet */
    if (SB_UNLIKELY(atomic_load_explicit(&py->member.ending, memory_order_relaxed)) && !leaves) {
        sb__fail_ended(py, q->at, q->plan->function);
        return false;
    }
    if (SB_UNLIKELY(!py->link) && !sb__attach(py, q->at, q->plan->function))
        return false;
    if (SB_UNLIKELY(py->released_len))
        sb__flush_releases(py);
    const struct sb_plan *plan = q->plan;
    uint32_t word = plan->number / 64;
    if (SB_UNLIKELY(word >= py->defined_words)) {
        uint32_t words = word * 2 + 4;
        uint64_t *more = sb__resize(py->defined, words * sizeof *more);
        if (!more) {
            sb__fail(py, q->at, plan->function, SB_E_MEMORY, "out of memory");
            return false;
        }
        memset(more + py->defined_words, 0, (words - py->defined_words) * sizeof *more);
        py->defined = more;
        py->defined_words = words;
    }
    uint64_t bit = UINT64_C(1) << (plan->number % 64);
    if (SB_UNLIKELY(!(py->defined[word] & bit)))
        q->flags |= SB_FLAG_DEFINE;
    struct sb_buf *b = &py->out;
    b->len = 0;
    if (SB_UNLIKELY(b->failed || b->cap > SB_OUT_MOST))
        sb__buf_reset(b);
    if (!sb__buf_room(b, SB_OUT_LEAST)) {
        sb__fail(py, q->at, plan->function, SB_E_MEMORY, "out of memory");
        return false;
    }
    b->len = sizeof(struct sb_frame);
    if (SB_UNLIKELY(q->flags & SB_FLAG_DEFINE)) {
        sb__put_uint(b, plan->number);
        sb__buf_put(b, plan->definition.ptr, plan->definition.len);
        if (!plan->star)
            sb__put_head(b, SB_MAJOR_ARRAY, plan->fixed);
    } else {
        memcpy(b->ptr + b->len, plan->head, sizeof plan->head);
        b->len += plan->head_size;
    }
    return true;
}

/* ---- failures ---- */

void sb__cut(sb_session *py)
{
    sb__futures_unreach(py);
    struct sb_link *link = py->link;
    py->link = NULL;
    if (link)
        sb__link_close(py, link);
    sb__handles_lost(py);
    sb__callback_lost(py);
    py->answered = py->seq;
    sb__lent_back(py);
}

/* A transport's failure, with the place of the oldest call that it took along. */
static void fail_transport(sb_session *py, uint64_t seq, int rc)
{
    uint64_t first = py->answered < seq ? py->answered + 1 : seq,
             about = py->link ? py->link->about : 0;
    const struct sb_sent *s = sent_slot(py, about > first && about <= seq ? about : first);
    const sb_site at = { s->file, "", s->line };
    if (rc == -SB_E_STALE && atomic_load(&py->member.ending)) { /* it was not sent */
        s = sent_slot(py, seq);
        py->answered = py->seq;
        sb__fail_ended(py, &(const sb_site) { s->file, "", s->line }, s->function);
        return;
    }
    if (rc == -SB_E_BUSY) { /* nothing was sent, and nothing is lost */
        py->answered = py->seq;
        sb__fail(py, &at, s->function, SB_E_BUSY, "%s", py->link->message.ptr);
        return;
    }
    if (py->lost) { /* the link was cut in a callback: what there is now is another one, or none */
        sb_code code = py->lost;
        py->lost = SB_OK;
        py->answered = py->seq;
        sb__fail(py, &at, s->function, code,
                 code == SB_E_TIMEOUT
                     ? "the call's time ran out in a callback, and its worker was ended"
                     : "the session lost its worker in a callback of this call");
        return;
    }
    struct sb_buf text = { 0 }, stack = { 0 };
    if (py->link->message.len && !py->link->message.failed)
        sb__buf_put(&text, py->link->message.ptr,
                    strnlen((char *)py->link->message.ptr, py->link->message.len));
    if (py->link->stack.len && !py->link->stack.failed)
        sb__buf_put(&stack, py->link->stack.ptr,
                    strnlen((char *)py->link->stack.ptr, py->link->stack.len));
    const char *type = sb_code_name((sb_code)-rc);
    struct sb_failure f = {
        .code = (sb_code)-rc,
        .type = { type, strlen(type) },
        .message = { (char *)text.ptr, text.len },
        .traceback = { (char *)stack.ptr, stack.len },
        .function = s->function,
        .file = s->file,
        .line = s->line,
    };
    uint64_t failed = about > first && about <= seq ? about : first;
    sb__cut(py);
    py->observed.error_seq = failed;
    sb__fail_with(py, &f);
    sb__buf_reset(&text);
    sb__buf_reset(&stack);
}

void sb__fail_protocol(sb_session *py, const sb_site *at, const char *function, const char *what)
{
    if (py->no_memory) {
        py->no_memory = false;
        sb__fail(py, at, function, SB_E_MEMORY, "out of memory for the result");
        return;
    }
    if (py->link && py->transport->reject)
        py->transport->reject(py->link);
    sb__cut(py);
    sb__fail(py, at, function, SB_E_PROTOCOL, "the worker's answer makes no sense: %s", what);
}

void sb__fail_trouble(sb_session *py, const sb_site *at, const char *function,
                      const struct sb_trouble *t)
{
    if (py->failed || !sb__settle(py)) /* an earlier call's failure comes first */
        py->error.skipped++;
    else
        sb__fail(py, at, function, t->code, "%s", t->text);
}

static const char no_memory[] = "out of memory while an error was being reported";

/* An ERROR frame becomes the session's error. False: it makes no sense. */
static bool take_error(sb_session *py, const struct sb_frame *head, struct sb_reader *r)
{
    uint64_t code, classes, exception, skipped, fields;
    struct sb_failure f = { 0 };
    struct sb_buf names = { 0 };
    const char *s;
    size_t n;
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &fields) || fields != 7 || !sb__read_uint(r, &code) ||
        !sb__read_string(r, SB_MAJOR_TEXT, &f.type.ptr, &f.type.len) ||
        !sb__read_string(r, SB_MAJOR_TEXT, &f.message.ptr, &f.message.len) ||
        !sb__read_string(r, SB_MAJOR_TEXT, &f.traceback.ptr, &f.traceback.len) ||
        !sb__read_count(r, SB_MAJOR_ARRAY, &classes))
        return false;
    if (!sb__utf8_valid(f.type.ptr, f.type.len) || !sb__utf8_valid(f.message.ptr, f.message.len) ||
        !sb__utf8_valid(f.traceback.ptr, f.traceback.len))
        return sb__read_fail(r, "a text that is not UTF-8");
    while (classes--) {
        if (!sb__read_string(r, SB_MAJOR_TEXT, &s, &n)) {
            sb__buf_reset(&names);
            return false;
        }
        sb__buf_put(&names, s, strnlen(s, n));
        sb__put_byte(&names, 0);
    }
    bool ok = sb__read_uint(r, &exception) && sb__read_uint(r, &skipped);
    if (ok && (code == SB_OK || code > INT_MAX || !strcmp(sb_code_name((sb_code)code), "SB_?") ||
               head->seq > py->seq ||
               (exception && !sb__handle_meet_exception(py, exception) && !py->no_memory)))
        ok = sb__read_fail(r, "an error with fields out of range");
    if (ok && (names.failed || py->no_memory)) {
        /* It could not be caught by its class. */
        if (py->no_memory)
            exception = 0;
        py->no_memory = false;
        code = SB_E_MEMORY;
        f.type = (sb_str) { "SB_E_MEMORY", strlen("SB_E_MEMORY") };
        f.message = (sb_str) { no_memory, strlen(no_memory) };
        f.traceback = (sb_str) { "", 0 };
    }
    if (ok) {
        const struct sb_sent *sent = sent_slot(py, head->seq);
        /* Everything from the failed call on did not happen: its handles name nothing. */
        uint64_t first = head->seq > py->answered ? head->seq : py->answered + 1;
        for (uint64_t seq = first; seq <= py->seq; seq++)
            if (sent_slot(py, seq)->id)
                sb__handle_fail(py, sent_slot(py, seq)->id);
        f.code = (sb_code)code;
        if (f.code == SB_E_TIMEOUT && !f.message.len) /* the class alone was raised, in-process */
            f.message = (sb_str) { "the call's time ran out", strlen("the call's time ran out") };
        if (f.code == SB_E_CANCELLED && !f.message.len)
            f.message = (sb_str) { "the call was cancelled", strlen("the call was cancelled") };
        f.function = sent->function;
        f.file = sent->file;
        f.line = sent->line;
        f.skipped = skipped;
        f.exception = exception;
        f.classes = (char *)names.ptr;
        f.classes_size = names.failed ? 0 : names.len;
        py->answered = py->seq;
        py->observed.error_seq = head->seq;
        py->resting = true;
        sb__fail_with(py, &f);
        py->resting = false;
    }
    sb__buf_reset(&names);
    return ok;
}

/* ---- answers ---- */

bool sb__take_output(struct sb_reader *r)
{
    uint64_t stream;
    const char *s;
    size_t n;
    if (!sb__read_uint(r, &stream) || !sb__read_string(r, SB_MAJOR_TEXT, &s, &n))
        return false;
    if (stream != 1 && stream != 2)
        return sb__read_fail(r, "output for an unknown stream");
    fwrite(s, 1, n, stream == 1 ? stdout : stderr);
    return true;
}

/* The engine asks for a function of the program's. 0, or as receive. */
static int serve(sb_session *py, uint64_t seq, const uint8_t *frame, size_t size, const char **why)
{
    const uint8_t *answer;
    size_t n;
    struct sb_link *link = py->link;
    const uint32_t attached = py->attached;
    int rc = sb__callback_serve(py, seq, frame, size, &answer, &n, why);
    if (SB_UNLIKELY(py->lost || py->link != link || py->attached != attached))
        return -SB_E_WORKER_DIED;
    return SB_LIKELY(rc == 0) ? py->transport->send(link, answer, n) : 0;
}

/* The answer that came while a callback ran. */
static void unstash(sb_session *py, const uint8_t **frame, size_t *size)
{
    py->stashed = false;
    *frame = py->stash.ptr;
    *size = py->stash.failed ? 0 : py->stash.len;
}

bool sb__request_wait(sb_session *py, uint64_t seq, const sb_site *at, const char *function,
                      struct sb_reader *answer, int rc, const uint8_t *frame, size_t size)
{
    for (;; rc = py->transport->receive(py->link, &frame, &size)) {
    again:
        if (SB_UNLIKELY(rc)) {
            fail_transport(py, seq, rc);
            return false;
        }
        struct sb_frame head;
        if (SB_UNLIKELY(size < sizeof head)) {
            sb__fail_protocol(py, at, function, "a frame without a header");
            return false;
        }
        memcpy(&head, frame, sizeof head);
        struct sb_reader r = { frame + sizeof head, frame + size, NULL };
        if (SB_UNLIKELY(head.size != size || head.segments || head.session != py->tag)) {
            sb__fail_protocol(py, at, function, "a header that fits neither frame nor session");
            return false;
        }
        if (SB_LIKELY(head.kind == SB_FRAME_CALLBACK)) {
            const char *why = NULL;
            rc = serve(py, seq, frame, size, &why);
            if (SB_UNLIKELY(why)) {
                sb__fail_protocol(py, at, function, why);
                return false;
            }
            if (SB_UNLIKELY(py->stashed)) {
                unstash(py, &frame, &size);
                rc = 0;
                goto again;
            }
            if (SB_UNLIKELY(rc))
                goto again;
            continue;
        }
        if (head.kind == SB_FRAME_REPLY && head.id == seq) {
            py->answered = py->seq;
            py->observed.received = size;
            *answer = r;
            return true;
        }
        bool ok = false;
        if (head.kind == SB_FRAME_OUTPUT)
            ok = sb__take_output(&r);
        else if (head.kind == SB_FRAME_DROP)
            ok = sb__callback_take_drops(py, &r);
        else if (head.kind == SB_FRAME_ERROR && head.id == seq && take_error(py, &head, &r))
            return false;
        else if (head.kind == SB_FRAME_REPLY || head.kind == SB_FRAME_ERROR)
            ok = sb__callback_stash(py, frame, size, head.id);
        if (!ok) {
            sb__fail_protocol(py, at, function, r.error ? r.error : "an answer to no question");
            return false;
        }
    }
}

/* Waits for the answer to the last request. */
static bool wait_answer(sb_session *py, uint64_t seq, const sb_site *at, const char *function,
                        struct sb_reader *answer)
{
    const uint8_t *frame = NULL;
    size_t size = 0;
    int rc = py->transport->receive(py->link, &frame, &size);
    return sb__request_wait(py, seq, at, function, answer, rc, frame, size);
}

/* Fills in the header of the frame in py->out and sends it. In place, field by field: a header that is built elsewhere
 * and copied makes the copy wait until its parts have left the CPU's store buffer. */
static bool send_frame(sb_session *py, enum sb_frame_kind kind, uint8_t flags, uint64_t id,
                       const sb_site *at, const char *function, uint64_t *number)
{
    struct sb_buf *b = &py->out;
    if (SB_UNLIKELY(b->failed || b->len > SB_FRAME_MAX)) {
        struct sb_trouble t = { 0 };
        if (b->failed)
            sb__trouble(&t, SB_E_MEMORY, "out of memory for the arguments");
        else
            sb__trouble(&t, SB_E_LIMIT, "the arguments take more than %u bytes", SB_FRAME_MAX);
        sb__buf_reset(b);
        sb__fail_trouble(py, at, function, &t);
        return false;
    }
    int64_t due = 0, around = py->serving ? py->serving->deadline : 0;
    if (SB_UNLIKELY(py->timeout > 0)) {
        double ns = py->timeout * 1e9;
        flags |= SB_FLAG_DEADLINE;
        due = ns < 4e18 ? sb__now() + (int64_t)ns : 0;
    }
    if (SB_UNLIKELY(around)) { /* no longer than the call whose callback this is */
        if (sb__now() >= around) {
            sb__fail(py, at, function, SB_E_TIMEOUT,
                     "the time of the call ran out whose callback this is");
            return false;
        }
        flags |= SB_FLAG_DEADLINE;
        due = due && due < around ? due : around;
    }
    py->link->deadline = due;
    py->link->deadline_seq = py->seq + 1;
    uint64_t seq = *number = sb__next_seq(py);
    struct sb_frame *head = (struct sb_frame *)(void *)b->ptr;
    head->size = (uint32_t)b->len;
    head->kind = (uint8_t)kind;
    head->flags = flags;
    head->segments = 0;
    head->session = py->tag;
    head->epoch = py->epoch;
    head->seq = seq;
    head->id = id;
    struct sb_sent *sent = sent_slot(py, seq);
    sent->id = id;
    sent->file = at->file;
    sent->function = function;
    sent->line = at->line;
    int rc = py->transport->send(py->link, b->ptr, b->len);
    if (SB_UNLIKELY(rc)) {
        fail_transport(py, seq, rc);
        return false;
    }
    return true;
}

bool sb__settle(sb_session *py)
{
    if (py->answered == py->seq || !py->link)
        return !py->failed;
    struct sb_reader answer;
    const struct sb_sent last = *sent_slot(py, py->seq);
    const sb_site at = { last.file, "", last.line };
    py->out.len = 0;
    if (sb__buf_room(&py->out, sizeof(struct sb_frame)))
        py->out.len = sizeof(struct sb_frame);
    uint64_t seq;
    bool ok = send_frame(py, SB_FRAME_SYNC, SB_FLAG_WAIT, 0, &at, last.function, &seq) &&
              wait_answer(py, seq, &at, last.function, &answer);
    sb__lent_back(py);
    return ok;
}

bool sb__sync_noted(sb_session *py, const sb_site *at)
{
    if (py->serving || py->seq - py->answered >= SB_IN_FLIGHT - 4) {
        sb__settle(py);
        return false;
    }
    py->out.len = 0;
    if (sb__buf_room(&py->out, sizeof(struct sb_frame)))
        py->out.len = sizeof(struct sb_frame);
    uint64_t seq;
    if (!send_frame(py, SB_FRAME_SYNC, SB_FLAG_NOTE, 0, at, "sb_wait", &seq))
        return false;
    py->futures.synced = seq;
    return true;
}

bool sb__request_send_slow(sb_session *py, struct sb_request *q, struct sb_reader *answer)
{
    /* When the places of earlier calls are needed, this one waits, and so answers for them all. */
    if (SB_UNLIKELY(py->seq - py->answered >= SB_IN_FLIGHT - 2))
        q->flags |= SB_FLAG_WAIT;
    if (SB_UNLIKELY(sb__events_on(SB_EVENTS_OF_CALLS)))
        sb__observe_start(py, q->plan, q->at, py->seq + 1, py->out.len);
    uint64_t seq;
    if (!send_frame(py, SB_FRAME_CALL, q->flags, q->id, q->at, q->plan->function, &seq))
        return false;
    py->defined[q->plan->number / 64] |= UINT64_C(1) << (q->plan->number % 64);
    return !(q->flags & SB_FLAG_WAIT) || wait_answer(py, seq, q->at, q->plan->function, answer);
}

bool sb__answer_value(sb_session *py, const sb_site *at, const char *function,
                      struct sb_reader *answer, sb_value *v)
{
    struct sb_decoder d = {
        .in = *answer,
        .arena = sb__arena(py),
        .cache = &py->chunks,
        .meet = sb__handle_meet,
        .view = sb__meet_view,
        .ctx = py,
    };
    if (SB_LIKELY(sb__value_decode(&d, v) && d.in.p == d.in.end))
        return true;
    *v = sb_of_kind_(SB_FAILED_);
    if (d.no_memory)
        sb__fail(py, at, function, SB_E_MEMORY, "out of memory for the result");
    else
        sb__fail_protocol(py, at, function, d.in.error ? d.in.error : "bytes behind the answer");
    return false;
}
