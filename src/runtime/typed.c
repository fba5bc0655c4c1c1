/* SPDX-License-Identifier: MIT
 *
 * Typed calls: what generated headers call. Arguments go from the C call straight into the frame, the reply straight into
 * the C result, by the plan. */
#include "runtime/request.h"

static const sb_site nowhere = { "", "", 0 }; /* for NULL: no place, and no option is given */

static const struct sb_type {
    const char *name;
} result_types[128] = {
    ['i'] = { "int" },   ['d'] = { "float" },   ['b'] = { "bool" },   ['s'] = { "str" },
    ['y'] = { "bytes" }, ['e'] = { "Literal" }, ['o'] = { "object" }, ['v'] = { "value" },
};

/* `p` points to the argument: a field of the options, or a slot, which is a union, so that plain C objects are at the same
 * address in both. What is larger than 8 bytes lies in the options, but behind a pointer in a slot. */
static bool put_argument_slow(sb_session *py, const struct sb_param *q, const void *p,
                              struct sb_trouble *t)
{
    struct sb_buf *b = &py->out;
    const void *large = q->option ? p : *(const void *const *)p;
    switch (q->code) {
    case 's': {
        const char *s = *(const char *const *)p;
        if (s)
            sb__put_text(b, s);
        else
            sb__put_null(b);
        return true;
    }
    case 'y': {
        const sb_bytes *y = large;
        if (y && (y->ptr || (!y->len && !q->optional)))
            sb__put_string(b, SB_MAJOR_BYTES, y->ptr, y->len);
        else
            sb__put_null(b);
        return true;
    }
    case 'e': {
        int e = *(const int *)p;
        if (e == 0 && q->optional) {
            sb__put_null(b);
            return true;
        }
        if (e < 1 || (uint32_t)e > q->literal_count) {
            sb__trouble(t, SB_E_RANGE, "%.*s: %d is none of its %u values", (int)q->name.len,
                        q->name.ptr, e, q->literal_count);
            return false;
        }
        sb__buf_put(b, q->literals[e - 1].ptr, q->literals[e - 1].len);
        return true;
    }
    case 'k':
        if (((const sb_value *)large)->kind != SB_DICT_) {
            sb__trouble(t, SB_E_TYPE, "%.*s: a dict was due (SB_DICT), got %s", (int)q->name.len,
                        q->name.ptr, sb__kind_name(((const sb_value *)large)->kind));
            return false;
        }
        return sb__value_encode(b, large, sb__handle_check, py, t);
    case 'a':
        for (size_t i = 0; i < ((const sb_args *)large)->len; i++)
            if (!sb__value_encode(b, &((const sb_args *)large)->ptr[i], sb__handle_check, py, t))
                return false;
        return true;
    case 'v':
    default:
        return sb__value_encode(b, large, sb__handle_check, py, t);
    }
}

static inline bool put_argument(sb_session *py, const struct sb_param *q, const void *p,
                                struct sb_trouble *t)
{
    struct sb_buf *b = &py->out;
    switch (q->code) {
    case 'i':
        sb__put_int(b, *(const int64_t *)p);
        return true;
    case 'd':
        sb__put_float(b, *(const double *)p);
        return true;
    case 'b':
        sb__put_bool(b, *(const bool *)p);
        return true;
    case 'o': {
        sb_object o = *(const sb_object *)p;
        if (SB_UNLIKELY(!sb__handle_check(py, o, t)))
            return false;
        if (o.id) {
            sb__put_head(b, SB_MAJOR_TAG, SB_TAG_IDENTIFIER);
            sb__put_uint(b, o.id);
        } else {
            sb__put_null(b);
        }
        return true;
    }
    default:
        return put_argument_slow(py, q, p, t);
    }
}

/* *args of a function with an unknown signature may hold SB_KW: those make a plan of their own. */
static bool has_keywords(const struct sb_plan *plan, const sb_slot *args)
{
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->params[i].code == 'a') {
            const sb_args *a = args[plan->params[i].slot].a;
            for (size_t k = 0; k < a->len; k++)
                if (a->ptr[k].kind == SB_KEYWORD_)
                    return true;
        }
    return false;
}

/* Says which argument it was. gcc only warns of `.axis = 0` where SB(0) is due, and leaves the field unset. */
static bool name_argument(const struct sb_param *q, struct sb_trouble *t)
{
    if (t->code == SB_OK || q->code == 'e' ||
        q->code == 'k') /* want of memory; they name themselves */
        return false;
    struct sb_trouble was = *t;
    bool unset = q->option && q->code == 'v' && was.code == SB_E_MISUSE;
    t->code = SB_OK; /* the first text would stay */
    sb__trouble(t, was.code, "%s%.*s: %.120s%s", q->option ? "." : "", (int)q->field.len,
                q->field.ptr, was.text,
                unset ? "; a plain value is written with SB() around it" : "");
    return false;
}

static inline bool put_arguments(sb_session *py, const struct sb_plan *plan, const sb_site *site,
                                 const sb_slot *args, struct sb_trouble *t)
{
    const struct sb_param *q = plan->params, *end = q + plan->count;
    if (SB_UNLIKELY(plan->star)) {
        uint64_t n = plan->fixed;
        for (const struct sb_param *s = q; s < end; s++)
            if (s->code == 'a')
                n += args[s->slot].a->len;
        sb__put_head(&py->out, SB_MAJOR_ARRAY, n);
    }
    for (; q < end; q++)
        if (!put_argument(py, q,
                          q->option ? (const char *)site + q->offset : (const void *)&args[q->slot],
                          t))
            return name_argument(q, t);
    return true;
}

/* A typed call whose *args hold keywords goes the way of calls by name: same function, same result. */
static bool run_with_keywords(sb_session *py, const struct sb_plan *plan, const sb_site *site,
                              const sb_slot *args, struct sb_request *q, struct sb_trouble *t)
{
    sb_value *all = NULL;
    size_t n = 0, room = 0;
    for (uint32_t i = 0; i < plan->count; i++)
        room += plan->params[i].code == 'a' ? args[plan->params[i].slot].a->len : 1;
    all = sb__alloc(py, (room + 1) * sizeof *all, _Alignof(sb_value));
    if (!all) {
        sb__trouble(t, SB_E_MEMORY, "out of memory");
        return false;
    }
    for (uint32_t i = 0; i < plan->count; i++) {
        const sb_slot *slot = &args[plan->params[i].slot];
        switch (plan->params[i].option ? 0 : plan->params[i].code) {
        case 'a':
            memcpy(all + n, slot->a->ptr, slot->a->len * sizeof *all);
            n += slot->a->len;
            break;
        case 'o':
            all[n++] = sb_from_object(slot->o);
            break;
        case 'v':
            all[n++] = *slot->v;
            break;
        default:
            sb__trouble(t, SB_E_MISUSE, "%s: SB_KW is not allowed among these arguments",
                        plan->function);
            return false;
        }
    }
    const char *result = strchr(plan->sig, '>') + 1;
    const struct sb_plan *named =
        sb__plan_dynamic(&py->plans, plan->op, plan->name, result, (sb_args) { all, n }, t);
    if (!named)
        return false;
    q->plan = named;
    if (!sb__request_begin(py, q))
        return false;
    size_t places = 0;
    for (size_t i = 0; i < n; i++)
        places += all[i].kind != SB_KEYWORD_;
    sb__put_head(&py->out, SB_MAJOR_ARRAY, places);
    for (int keywords = 0; keywords < 2; keywords++)
        for (size_t i = 0; i < n; i++) {
            bool named_one = all[i].kind == SB_KEYWORD_;
            if (named_one && i + 1 == n) {
                sb__trouble(t, SB_E_MISUSE, "a keyword without a value");
                return false;
            }
            if (named_one == keywords &&
                !sb__value_encode(&py->out, &all[i + named_one], sb__handle_check, py, t))
                return false;
            i += named_one;
        }
    (void)site;
    return true;
}

/* A call that cannot be made. Its function has no readable name yet: "json:loads" is json.loads. */
static void fail_plan(sb_session *py, const sb_fn *fn, const sb_site *site,
                      const struct sb_trouble *t)
{
    char name[256];
    snprintf(name, sizeof name, "%s", fn->name);
    for (char *p = name; *p; p++)
        if (*p == ':')
            *p = '.';
    sb__fail_trouble(py, site, name, t);
}

/* Blocks that this call and earlier ones name are free again when an answer has come; many are waited for. */
static __attribute__((noinline)) bool send_lent(sb_session *py, struct sb_request *q,
                                                struct sb_reader *answer)
{
    if (py->lent_bytes > SB_LENT_MOST)
        q->flags |= SB_FLAG_WAIT;
    bool ok = sb__request_send(py, q, answer);
    sb__lent_back(py);
    return ok;
}

/* The whole of a call, but for the result. True: *answer is at the reply, if the call waited; *plan tells the result's type. */
static inline __attribute__((always_inline)) bool run(sb_session *py, const sb_fn *fn,
                                                      const sb_site *site, const sb_slot *args,
                                                      uint64_t *id, const struct sb_plan **plan_out,
                                                      struct sb_reader *answer, uint8_t flags)
{
    struct sb_trouble t;
    t.code = SB_OK; /* not its text: that is long, and this is the hot path */
    const struct sb_plan *plan = sb__plan_site(&py->plans, fn, site->given, site, &t);
    if (SB_UNLIKELY(!plan)) {
        fail_plan(py, fn, site, &t);
        return false;
    }
    *plan_out = plan;
    /* A call may lead to callbacks, which only one who waits can serve. */
    struct sb_request q = { plan, site,
                            flags                                ? flags
                            : plan->waits || py->functions.alive ? SB_FLAG_WAIT
                                                                 : 0,
                            0 };
    answer->p = NULL;
    if (plan->object && !(q.id = sb__handle_new(py))) {
        sb__fail(py, site, plan->function, SB_E_MEMORY, "out of memory");
        return false;
    }
    bool ok;
    if (SB_UNLIKELY(plan->star && has_keywords(plan, args))) {
        ok = run_with_keywords(py, plan, site, args, &q, &t);
    } else {
        if (!sb__request_begin(py, &q)) {
            sb__handle_fail(py, q.id);
            return false;
        }
        ok = put_arguments(py, plan, site, args, &t);
    }
    if (SB_UNLIKELY(!ok)) {
        sb__handle_fail(py, q.id);
        if (t.code)
            sb__fail_trouble(py, site, plan->function, &t);
        return false;
    }
    *id = q.id;
    if (SB_UNLIKELY(py->lent != NULL))
        return send_lent(py, &q, answer);
    return sb__request_send(py, &q, answer);
}

static void fail_result(sb_session *py, const sb_site *site, const struct sb_plan *plan, char code,
                        struct sb_reader *r)
{
    char what[120];
    const char *name = result_types[(unsigned char)code & 127].name;
    snprintf(what, sizeof what, "a result declared as %s%s%s", name ? name : "None",
             r->error ? ": " : " is something else", r->error ? r->error : "");
    sb__fail_protocol(py, site, plan->function, what);
}

/* Reads one result of type `code` into *to, which is zero. False: the session has failed. */
static inline __attribute__((always_inline)) bool read_result(sb_session *py, const sb_site *site,
                                                              const struct sb_plan *plan, char code,
                                                              struct sb_reader *r, void *to)
{
    struct sb_head h;
    const char *s;
    size_t n;
    switch (code) {
    case 'd':
        if (SB_LIKELY(sb__left(r) >= 9 && *r->p == SB_CBOR_FLOAT64)) {
            uint64_t bits;
            memcpy(&bits, r->p + 1, sizeof bits);
            *(double *)to = sb__float_bits(__builtin_bswap64(bits));
            r->p += 9;
            return true;
        }
        if (!sb__read_head(r, &h))
            break;
        if (sb__head_float(&h, to))
            return true;
        break;
    case 'i':
        if (!sb__read_head(r, &h))
            break;
        if ((h.major == SB_MAJOR_UINT || h.major == SB_MAJOR_NEGATIVE) && h.n <= INT64_MAX) {
            *(int64_t *)to = (int64_t)(h.major == SB_MAJOR_UINT ? h.n : ~h.n);
            return true;
        }
        if (h.major == SB_MAJOR_UINT || h.major == SB_MAJOR_NEGATIVE ||
            (h.major == SB_MAJOR_TAG && (h.n == SB_TAG_BIGNUM || h.n == SB_TAG_NEGATIVE_BIGNUM))) {
            sb__fail(py, site, plan->function, SB_E_RANGE,
                     "the result is an int beyond 64 bits; call it by name (sb_call) to have its "
                     "digits");
            return false;
        }
        break;
    case 'b':
        if (!sb__read_head(r, &h) || h.major != SB_MAJOR_SIMPLE || (h.info != 20 && h.info != 21))
            break;
        *(bool *)to = h.info == 21;
        return true;
    case 'e':
        if (!sb__read_head(r, &h) || h.major != SB_MAJOR_UINT || h.n > INT32_MAX)
            break;
        *(int *)to = (int)h.n;
        return true;
    case 's':
    case 'y': {
        if (!sb__read_string(r, code == 's' ? SB_MAJOR_TEXT : SB_MAJOR_BYTES, &s, &n))
            break;
        if (code == 's' && !sb__utf8_valid(s, n)) {
            sb__read_fail(r, "a text that is not UTF-8");
            break;
        }
        char *copy = sb__alloc(py, n + 1, 1);
        if (!copy) {
            sb__fail(py, site, plan->function, SB_E_MEMORY, "out of memory for the result");
            return false;
        }
        memcpy(copy, s, n);
        copy[n] = 0;
        if (code == 's')
            *(sb_str *)to = (sb_str) { copy, n };
        else
            *(sb_bytes *)to = (sb_bytes) { (unsigned char *)copy, n };
        return true;
    }
    case 'o': /* a member of a struct: the engine chose the id */
        if (!sb__read_head(r, &h))
            break;
        if (h.major == SB_MAJOR_SIMPLE && h.info == 22) {
            ((sb_object *)to)->id = 0;
            return true;
        }
        if (h.major != SB_MAJOR_TAG || h.n != SB_TAG_IDENTIFIER || !sb__read_uint(r, &h.n) ||
            !sb__handle_meet(py, h.n))
            break;
        ((sb_object *)to)->id = h.n;
        return true;
    case 'v': {
        struct sb_decoder d = { .in = *r,
                                .arena = sb__arena(py),
                                .cache = &py->chunks,
                                .meet = sb__handle_meet,
                                .view = sb__meet_view,
                                .ctx = py };
        bool ok = sb__value_decode(&d, to);
        *r = d.in;
        if (ok)
            return true;
        *(sb_value *)to = sb_of_kind_(SB_FAILED_);
        if (d.no_memory) {
            sb__fail(py, site, plan->function, SB_E_MEMORY, "out of memory for the result");
            return false;
        }
        break;
    }
    default: /* n */
        if (sb__read_head(r, &h))
            return true;
        break;
    }
    fail_result(py, site, plan, code, r);
    return false;
}

bool sb__result_read(sb_session *py, const sb_site *at, const struct sb_plan *plan, char code,
                     struct sb_reader *r, void *to)
{
    return read_result(py, at, plan, code, r, to);
}

/* Calls, and reads a result of type `code`, which is what the signature says, into *to; it keeps its zero after an error. */
/* ---- calls that the macros X_submit make ----
 *
 * They are the function's own with a mark in front of the text of its options, which makes them call sites of their own:
 * no plan of theirs is ever in the table that the short way looks at. */

static _Thread_local sb_object submitted; /* by the call that returned last, for sb_submitted_ */

static inline bool is_later(const sb_site *site)
{
    return site && site->given && *site->given == *SB_LATER_;
}

static sb_object submit(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args)
{
    const struct sb_plan *plan;
    struct sb_reader r;
    uint64_t id;
    if (py->failed) {
        sb__skip(py);
    } else if ((fn = sb__submit_form(py, site, fn)) && sb__futures_room(py, site, fn->name) &&
               run(py, fn, site, args, &id, &plan, &r, SB_FLAG_NOTE)) {
        sb__futures_add(py, id);
        return (sb_object) { id };
    }
    return sb__failed_object(py);
}

sb_object sb_run_submit(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args)
{
    if (!py)
        return (sb_object) { 0 };
    if (!sb__enter(py))
        return sb__failed_object(py);
    sb_object o = submit(py, fn, site ? site : &nowhere, args);
    sb__leave(py);
    return o;
}

sb_object sb_submitted_(sb_session *py)
{
    sb_object o = submitted;
    submitted.id = 0; /* the next call may not come so far */
    return o.id || !py ? o : sb__failed_object(py);
}

static __attribute__((noinline)) void run_long(sb_session *py, const sb_fn *fn, const sb_site *site,
                                               const sb_slot *args, char code, void *to)
{
    const struct sb_plan *plan;
    struct sb_reader r;
    uint64_t id;
    if (SB_UNLIKELY(is_later(site))) {
        submitted = submit(py, fn, site, args);
    } else if (SB_UNLIKELY(py->failed)) {
        sb__skip(py);
    } else if (SB_LIKELY(run(py, fn, site, args, &id, &plan, &r, 0))) {
        if (plan->is_plain)
            sb__plan_site_sent(&py->plans, fn, site->given, plan, py->attached);
        if (SB_LIKELY(r.p != NULL))
            read_result(py, site, plan, code, &r, to);
    }
    sb__leave(py);
}

/* ---- the short way ----
 *
 * Most calls have a few arguments of fixed size, go over a link that knows their plan, and nothing special is the matter.
 * The session's word (sb__leave) and the call site's entry tell all of that. Then there is little left to do, and it is
 * done here, in registers; whatever else comes up goes the long way. */

static uint8_t *put_handle(sb_session *py, sb_object o, uint8_t *p)
{
    struct sb_trouble t;
    t.code = SB_OK; /* not its text: the long way will tell */
    if (SB_UNLIKELY(!o.id || !sb__handle_check(py, o, &t)))
        return NULL;
    p = sb__cbor_head(p, SB_MAJOR_TAG, SB_TAG_IDENTIFIER);
    return sb__cbor_head(p, SB_MAJOR_UINT, o.id);
}

static uint8_t *put_value(sb_session *py, const sb_value *v, uint8_t *p)
{
    switch ((int)v->kind) {
    case SB_NONE_:
        *p = SB_CBOR_NULL;
        return p + 1;
    case SB_BOOL_:
        *p = v->as.b ? SB_CBOR_TRUE : SB_CBOR_FALSE;
        return p + 1;
    case SB_INT_:
        return sb__cbor_int(p, v->as.i);
    case SB_FLOAT_:
        return sb__cbor_float(p, v->as.f);
    case SB_STR_:
        if (v->as.str.len > SB_PLAIN_TEXT)
            return NULL;
        p = sb__cbor_head(p, SB_MAJOR_TEXT, v->as.str.len);
        if (v->as.str.len)
            memcpy(p, v->as.str.ptr, v->as.str.len);
        return p + v->as.str.len;
    case SB_OBJECT_:
        return put_handle(py, v->as.object, p);
    default:
        return NULL;
    }
}

/* One that is no float. NULL: it cannot be passed, or is too large. */
static __attribute__((noinline)) uint8_t *put_other(sb_session *py, char code, const void *from,
                                                    uint8_t *p)
{
    if (code == 'v')
        return put_value(py, *(const sb_value *const *)from, p);
    if (code == 'i')
        return sb__cbor_int(p, *(const int64_t *)from);
    if (code == 'b') {
        *p = *(const bool *)from ? SB_CBOR_TRUE : SB_CBOR_FALSE;
        return p + 1;
    }
    return put_handle(py, *(const sb_object *)from, p);
}

/* The arguments behind `p`; NULL: one of them cannot be passed. */
static inline uint8_t *put_plain(sb_session *py, const struct sb_plan *plan, const sb_site *site,
                                 const sb_slot *args, uint8_t *p)
{
    const struct sb_plain *q = plan->plain;
    for (unsigned n = plan->plain_count; n; n--, q++) {
        const void *from = (q->option ? (const char *)site : (const char *)args) + q->offset;
        if (q->code == 'd')
            p = sb__cbor_float(p, *(const double *)from);
        else if (SB_UNLIKELY(!(p = put_other(py, q->code, from, p))))
            break;
    }
    return p;
}

/* What came back is no reply, or its result is not as it should be. */
static __attribute__((noinline)) void end_unusual(sb_session *py, uint64_t seq, const sb_site *site,
                                                  const struct sb_plan *plan, struct sb_answer a,
                                                  char code, void *to)
{
    struct sb_reader r;
    int rc = a.frame ? 0 : -(int)a.size;
    if (a.frame && py->transport->exchange)
        rc = py->transport->receive(py->link, &a.frame, &a.size);
    py->sent[seq % SB_IN_FLIGHT] = (struct sb_sent) { 0, site->file, plan->function, site->line };
    if (sb__request_wait(py, seq, site, plan->function, &r, rc, a.frame, a.size))
        read_result(py, site, plan, code, &r, to);
    sb__leave(py);
}

static inline __attribute__((always_inline)) void run_into(sb_session *py, const sb_fn *fn,
                                                           const sb_site *site, const sb_slot *args,
                                                           char code, void *to)
{
    if (SB_UNLIKELY(!py || !site || !sb__enter_calm(py))) {
        if (sb__enter(py))
            run_long(py, fn, site ? site : &nowhere, args, code, to);
        return;
    }
    if (SB_UNLIKELY(sb__forked())) {
        sb__enter_slow(py);
        return;
    }
    const struct sb_plan_entry *e =
        &py->plans.sites[sb__site_hash(fn, site->given) & py->plans.mask];
    const struct sb_plan *plan = e->plan;
    struct sb_frame *h = (struct sb_frame *)(void *)py->out.ptr;
    uint8_t *p = NULL;
    if (SB_LIKELY(sb__plan_entry_is(e, fn, site->given) && e->attached == py->attached &&
                  !sb__events_on(SB_EVENTS_OF_CALLS))) {
        p = (uint8_t *)(h + 1);
        memcpy(p, plan->head, sizeof plan->head);
        p = put_plain(py, plan, site, args, p + plan->head_size);
    }
    if (SB_UNLIKELY(!p)) {
        run_long(py, fn, site, args, code, to);
        return;
    }
    size_t size = (size_t)(p - (uint8_t *)h);
    uint64_t seq = sb__next_seq(py);
    sb__frame_head(h, size, SB_FLAG_WAIT, py, seq, 0);
    py->link->deadline = 0;
    /* sb_session_release, in another thread, puts a function there that refuses. */
    struct sb_answer a =
        __atomic_load_n(&py->exchange, __ATOMIC_RELAXED)(py->link, (const uint8_t *)h, size);
    if (SB_LIKELY(sb__is_reply(py, a.frame, a.size, seq))) { /* a failure is no size of a frame's */
        struct sb_reader r = { a.frame + sizeof *h, a.frame + a.size, NULL };
        py->answered = py->seq; /* with what callbacks have called */
        if (SB_LIKELY(read_result(py, site, plan, code, &r, to)))
            sb__leave_calm(py);
        else
            sb__leave(py);
        return;
    }
    end_unusual(py, seq, site, plan, a, code, to);
}

static const sb_str no_text = { "", 0 };
static const sb_bytes no_bytes = { (const unsigned char *)"", 0 };

#define RUN(letter, type, zero)                                                \
    type sb_run_##letter(sb_session *py, const sb_fn *fn, const sb_site *site, \
                         const sb_slot *args)                                  \
    {                                                                          \
        type x = zero;                                                         \
        run_into(py, fn, site, args, #letter[0], &x);                          \
        return x;                                                              \
    }
RUN(i, int64_t, 0)
RUN(d, double, 0)
RUN(b, bool, false)
RUN(s, sb_str, no_text)
RUN(y, sb_bytes, no_bytes)
RUN(e, int, 0)
RUN(v, sb_value, sb_of_kind_(SB_FAILED_))

void sb_run_n(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args)
{
    char nothing;
    run_into(py, fn, site, args, 'n', &nothing);
}

sb_object sb_run_o(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args)
{
    if (!py)
        return (sb_object) { 0 };
    if (SB_UNLIKELY(is_later(site)))
        return sb_run_submit(py, fn, site, args);
    sb_object o = sb__failed_object(py);
    if (SB_UNLIKELY(!site))
        site = &nowhere;
    if (SB_UNLIKELY(!sb__enter(py)))
        return o;
    if (SB_UNLIKELY(py->failed)) {
        sb__skip(py);
    } else {
        const struct sb_plan *plan;
        struct sb_reader r;
        uint64_t id;
        struct sb_head h;
        if (run(py, fn, site, args, &id, &plan, &r, 0)) {
            o.id = id;
            if (r.p && plan->result[0].optional) {
                if (!sb__read_head(&r, &h) || h.major != SB_MAJOR_SIMPLE ||
                    (h.info != 22 && h.info != 21)) {
                    fail_result(py, site, plan, 'o', &r);
                    o = sb__failed_object(py);
                } else if (h.info == 22) { /* None: the id was not taken */
                    sb__handle_fail(py, id);
                    sb__release(py, id);
                    o.id = 0;
                }
            }
        }
    }
    sb__leave(py);
    return o;
}

/* The zero of a result struct. From the signature: there may be no plan. */
static void zero_struct(const sb_fn *fn, sb_session *py, void *result)
{
    const char *sig = strchr(fn->sig, '>');
    uint32_t at = 0;
    struct sb_result_type m;
    for (sig += sig[1] == '(' ? 2 : 1; sb__result_member(&sig, &at, &m);) {
        void *to = (char *)result + m.offset;
        switch (m.code) {
        case 's':
            *(sb_str *)to = no_text;
            break;
        case 'y':
            *(sb_bytes *)to = no_bytes;
            break;
        case 'v':
            *(sb_value *)to = sb_of_kind_(SB_FAILED_);
            break;
        case 'o':
            *(sb_object *)to = py ? sb__failed_object(py) : (sb_object) { 0 };
            break;
        default:
            memset(to, 0, m.size);
        }
    }
}

void sb_run_t(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args,
              void *result)
{
    if (SB_UNLIKELY(is_later(site))) {
        zero_struct(fn, py, result);
        submitted = sb_run_submit(py, fn, site, args);
        return;
    }
    if (SB_UNLIKELY(!site))
        site = &nowhere;
    if (SB_UNLIKELY(!sb__enter(py))) {
        zero_struct(fn, py, result);
        return;
    }
    if (SB_UNLIKELY(py->failed)) {
        zero_struct(fn, py, result);
        sb__skip(py);
        sb__leave(py);
        return;
    }
    const struct sb_plan *plan;
    struct sb_reader r;
    uint64_t id, n;
    if (run(py, fn, site, args, &id, &plan, &r, 0)) {
        memset(result, 0, plan->result_size);
        bool ok = sb__read_count(&r, SB_MAJOR_ARRAY, &n) && n == plan->result_count;
        if (!ok)
            sb__fail_protocol(py, site, plan->function, "a struct with another number of members");
        for (uint32_t i = 0; ok && i < plan->result_count; i++)
            ok = read_result(py, site, plan, plan->result[i].code, &r,
                             (char *)result + plan->result[i].offset);
        if (!ok)
            zero_struct(fn, py, result);
    } else {
        zero_struct(fn, py, result);
    }
    sb__leave(py);
}

sb_object sb_cast(sb_session *py, const sb_site *site, const char *class_name, sb_value v)
{
    if (!py)
        return (sb_object) { 0 };
    sb_object o = sb__failed_object(py);
    if (!sb__start(py))
        return o;
    if (!site)
        site = &nowhere;
    sb_value made = v, checked;
    bool ok = true;
    if (v.kind != SB_OBJECT_)
        ok = sb__dynamic(py, site, '=', "", "o", &v, (sb_args) { NULL, 0 }, 0, &made);
    if (ok &&
        sb__dynamic(py, site, 'k', class_name, "n", &made, (sb_args) { NULL, 0 }, 0, &checked))
        o = made.as.object;
    sb__leave(py);
    return o;
}
