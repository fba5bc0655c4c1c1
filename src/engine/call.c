/* SPDX-License-Identifier: MIT
 *
 * One request from its bytes to its answer: header, error epoch, plan, arguments, call, result. The
 * scalar path allocates nothing of its own: arguments lie on the stack, with a free place in front
 * for vectorcall, and the answer's buffer is the session's. */
#include "engine/call.h"
#include "engine/answer.h"
#include "engine/callback.h"
#include "engine/codec.h"
#include "engine/error.h"
#include "engine/explain.h"
#include "engine/output.h"
#include "engine/async.h"
#include "engine/iterate.h"
#include "engine/with.h"
#include "engine/perform.h"

#define ANSWER_KEPT (1u << 20) /* bytes of the answer's buffer that outlive it */
#define FLAGS_ALL (SB_FLAG_WAIT | SB_FLAG_DEFINE | SB_FLAG_ALWAYS | SB_FLAG_DEADLINE | SB_FLAG_NOTE)

/* ---- arguments ------------------------------------------------------------------------------- */

/* Floats that were arguments and that nobody else has kept: the next ones, without an allocation.
 * Whoever has a new reference to one has the only one, so that its value may be set. */
static PyObject *spare[4];
static size_t spares;

static inline PyObject *new_float(uint64_t bits)
{
    if (SB_UNLIKELY(!spares))
        return PyFloat_FromDouble(sb__float_bits(bits));
    PyObject *o = spare[--spares];
    memcpy((char *)o + sizeof(PyObject), &bits, sizeof bits); /* as sb__float_value reads it */
    return o;
}

static inline void drop_argument(PyObject *o)
{
    if (SB_LIKELY(Py_TYPE(o) == &PyFloat_Type && Py_REFCNT(o) == 1 &&
                  spares < sizeof spare / sizeof *spare))
        spare[spares++] = o;
    else
        Py_DECREF(o);
}

static void drop(struct sb_arguments *a)
{
    PyObject **at = a->at;
    for (size_t i = 0, n = a->n; i < n; i++)
        drop_argument(at[i]);
    if (SB_UNLIKELY(a->merged != NULL))
        Py_DECREF(a->merged);
    if (SB_UNLIKELY(a->heap != NULL))
        sb__free(a->heap);
}

static SB_COLD int reserve(struct sb_arguments *a, size_t n)
{
    a->heap = sb__resize(NULL, (n + 1) * sizeof *a->heap);
    if (!a->heap) {
        PyErr_NoMemory();
        return -1;
    }
    a->at = a->heap + 1;
    return 0;
}

/* Takes the map that is the last argument apart into keywords. */
static SB_COLD int merge(struct sb_target *plan, struct sb_arguments *a)
{
    PyObject *map = a->at[--a->n];
    int rc = -1;
    if (map == Py_None) {
        Py_DECREF(map);
        return 0;
    }
    Py_ssize_t more = PyDict_Check(map) ? PyDict_Size(map) : -1, at = 0;
    PyObject *key, *value;
    if (more < 0) {
        PyErr_Format(PyExc_TypeError, "%s: argument after ** must be a mapping", plan->label);
        goto done;
    }
    PyObject **all = sb__resize(NULL, (a->n + (size_t)more + 1) * sizeof *all);
    if (!all) {
        PyErr_NoMemory();
        goto done;
    }
    memcpy(all + 1, a->at, a->n * sizeof *all);
    sb__free(a->heap);
    a->heap = all;
    a->at = all + 1;
    a->merged = PyTuple_New((Py_ssize_t)plan->keywords + more);
    if (!a->merged)
        goto done;
    for (size_t i = 0; i < plan->keywords; i++) {
        key = PyTuple_GetItem(plan->kwnames, (Py_ssize_t)i);
        Py_INCREF(key);
        PyTuple_SetItem(a->merged, (Py_ssize_t)i, key);
    }
    const Py_ssize_t end = (Py_ssize_t)plan->keywords + more;
    Py_ssize_t i = (Py_ssize_t)plan->keywords;
    for (; i < end && PyDict_Next(map, &at, &key, &value); i++) {
        if (!PyUnicode_Check(key)) {
            PyErr_Format(PyExc_TypeError, "%s: keywords must be strings", plan->label);
            goto done;
        }
        int twice = plan->kwnames ? PySequence_Contains(plan->kwnames, key) : 0;
        if (twice > 0)
            PyErr_Format(PyExc_TypeError, "%s: got multiple values for keyword argument '%U'",
                         plan->label, key);
        if (twice)
            goto done;
        Py_INCREF(key);
        PyTuple_SetItem(a->merged, i, key);
        Py_INCREF(value);
        a->at[a->n++] = value;
        a->keywords++;
    }
    if (i < end || PyDict_Size(map) != more) { /* a key's __eq__ can do that */
        PyErr_Format(PyExc_RuntimeError, "%s: the mapping changed while it was read", plan->label);
        goto done;
    }
    a->kwnames = a->merged;
    rc = 0;
done:
    Py_DECREF(map);
    return rc;
}

/* A head of one byte; false: nothing was read. */
static inline bool read_small(struct sb_reader *r, enum sb_major major, uint64_t *n)
{
    if (SB_UNLIKELY(r->p >= r->end || (*r->p ^ (unsigned)major << 5) >= 24))
        return false;
    *n = *r->p++ & 31;
    return true;
}

/* 0; -1 with r->error, a fault or an exception: what was read is in `a` all the same. */
static inline int read_arguments(struct sb_engine_session *s, struct sb_target *plan,
                                 struct sb_reader *r, struct sb_arguments *a)
{
    uint64_t n;
    if (SB_UNLIKELY(!read_small(r, SB_MAJOR_ARRAY, &n) && !sb__read_count(r, SB_MAJOR_ARRAY, &n)))
        return -1;
    if (SB_UNLIKELY(n > SB_SMALL_ARGUMENTS) && reserve(a, (size_t)n) < 0)
        return -1;
    if (SB_UNLIKELY(n < plan->keywords + plan->kwargs)) {
        sb__read_fail(r, "fewer arguments than the plan has keywords");
        return -1;
    }
    /* Floats and small integers here, with the cursor in a register. */
    const uint8_t *p = r->p, *const end = r->end;
    PyObject **at = a->at;
    for (size_t i = 0; i < n; i++) {
        PyObject *o;
        if (SB_LIKELY((size_t)(end - p) >= SB_CBOR_HEAD_MAX && *p == SB_CBOR_FLOAT64)) {
            uint64_t bits;
            memcpy(&bits, p + 1, sizeof bits);
            p += SB_CBOR_HEAD_MAX;
            o = new_float(__builtin_bswap64(bits));
        } else if (p < end && *p < 24) {
            o = PyLong_FromLong(*p++);
        } else {
            r->p = p;
            o = sb__decode(s, r, 0);
            p = r->p;
        }
        if (SB_UNLIKELY(!o)) {
            a->n = i;
            return -1;
        }
        at[i] = o;
    }
    a->n = (size_t)n;
    r->p = p;
    if (SB_UNLIKELY(p != end)) {
        sb__read_fail(r, "bytes behind the arguments");
        return -1;
    }
    a->keywords = plan->keywords;
    a->kwnames = plan->kwnames;
    return SB_UNLIKELY(plan->kwargs) ? merge(plan, a) : 0;
}

static inline PyObject *perform(struct sb_engine_session *s, struct sb_target *plan,
                                const struct sb_arguments *a)
{
    size_t n = a->n - a->keywords;
    if (SB_LIKELY(plan->op == 'f' && plan->object))
        return sb__py.vectorcall(plan->object, a->at, n | SB_ARGUMENTS_OFFSET, a->kwnames);
    if (SB_LIKELY(plan->op == 'm' && n > 0))
        return sb__py.vectorcall_method(plan->member, a->at, n | SB_ARGUMENTS_OFFSET, a->kwnames);
    return sb__perform(s, plan, a);
}

static bool id_is_free(const struct sb_engine_session *s, uint64_t id)
{
    return id >> SB_ID_TAG_SHIFT == s->tag && !(id & SB_ID_ENGINE) && (id & SB_ID_COUNTER) &&
           !sb__session_find(s, id);
}

/* Takes `result`. */
static SB_APART int answer_result(struct sb_engine_session *s, sb_header *h, struct sb_target *plan,
                                  PyObject *result)
{
    if (SB_UNLIKELY(sb__is_coroutine(result)) && !(result = sb__await_take(s, result)))
        return sb__answer_fail(s, h);
    if (SB_LIKELY(plan->op != 'n')) /* a batch has its ids already */
        s->first_new = s->counter;
    sb__answer_begin(s);
    int rc = SB_UNLIKELY(plan->op == 'n')   ? sb__stream_encode(&s->answer, result)
             : SB_UNLIKELY(plan->op == 'w') ? sb__with_encode(s, &s->answer, plan, result, h->id)
                                            : sb__encode(s, &s->answer, plan, result, h->id);
    Py_DECREF(result);
    if (SB_LIKELY(rc == 0) && SB_UNLIKELY(s->answer.len > SB_FRAME_MAX))
        rc = sb__fault(s, SB_E_LIMIT, "%s: a result of more than %u bytes", plan->label,
                       SB_FRAME_MAX);
    if (SB_UNLIKELY(rc < 0 || s->answer.failed)) {
        sb__answer_unregister(s, h->id, s->first_new);
        if (rc == 0)
            PyErr_NoMemory();
        sb__buf_reset(&s->answer);
        return sb__answer_fail(s, h);
    }
    if (SB_LIKELY(h->flags & SB_FLAG_WAIT))
        return sb__answer_end(s, h, SB_FRAME_REPLY, h->seq);
    /* Nobody will learn the ids that the engine chose. */
    if (SB_UNLIKELY(s->counter != s->first_new))
        sb__answer_unregister(s, 0, s->first_new);
    s->answer.len = 0;
    return 0;
}

static int call(struct sb_engine_session *s, sb_header *h, struct sb_reader *r)
{
    uint64_t number;
    struct sb_target *plan;
    if (SB_UNLIKELY(!read_small(r, SB_MAJOR_UINT, &number) && !sb__read_uint(r, &number)))
        return sb__answer_malformed(s, r->error);
    if (SB_UNLIKELY(h->flags & SB_FLAG_DEFINE)) {
        plan = sb__plan_define(s, number, r);
        if (!plan)
            return r->error ? sb__answer_malformed(s, r->error) : sb__answer_fail(s, h);
    } else {
        plan = sb__plan_find(number);
        if (SB_UNLIKELY(!plan))
            return sb__answer_malformed(s, "a plan that was never defined");
    }
    if (SB_UNLIKELY(s->failed) && !(h->flags & SB_FLAG_ALWAYS)) {
        s->skipped++;
        return sb__answer_error(s, h, &s->error, s->failed_seq);
    }
    if (SB_UNLIKELY(s->refused != SB_OK)) {
        sb__fault(
            s, s->refused,
            s->refused == SB_E_TIMEOUT
                ? "its time ran out while it was queued behind another call in the same worker"
                : "the call was cancelled before it began");
        return sb__answer_fail(s, h);
    }
    if (SB_UNLIKELY(h->id ? !id_is_free(s, h->id) : plan->result.code == 'o'))
        return sb__answer_malformed(s,
                                    "a result's id that is taken, of another session, or missing");

    struct sb_arguments a;
    a.n = a.keywords = 0;
    a.merged = NULL;
    a.heap = NULL;
    a.at = a.small + 1;
    PyObject *result = NULL;
    if (SB_LIKELY(read_arguments(s, plan, r, &a) == 0))
        result = perform(s, plan, &a);
    if (SB_UNLIKELY(!result) && !r->error && PyErr_Occurred())
        sb__explain_remember(s, plan, a.at, a.n, a.keywords, a.kwnames);
    drop(&a);
    if (SB_UNLIKELY(!result))
        return r->error ? sb__answer_malformed(s, r->error) : sb__answer_fail(s, h);

    return answer_result(s, h, plan, result);
}

/* ---- the short way ----
 *
 * Most requests call what was called before, with few arguments, and wait for a value. What there is to do for them is
 * done here, in registers; anything else, and whatever goes wrong before the call, is left to the long way above. */

enum { LONG = 1 };

/* What PyObject_Vectorcall looks at after a call: a result, or an exception. Leaves an exception. */
static SB_COLD void check_result(const struct sb_target *plan, PyObject *result)
{
    if (!result && !PyErr_Occurred())
        PyErr_Format(PyExc_SystemError, "%s returned NULL without setting an exception",
                     plan->label);
    if (!result)
        return;
    Py_DECREF(result);
    PyErr_Format(PyExc_SystemError, "%s returned a result with an exception set", plan->label);
}

static SB_APART PyObject *decode_other(struct sb_engine_session *s, const uint8_t **p,
                                       const uint8_t *end)
{
    struct sb_reader r = { *p, end, NULL };
    PyObject *o = sb__decode(s, &r, 0);
    *p = r.p;
    return o;
}

static inline int run_direct(struct sb_engine_session *s, sb_header *h, size_t size)
{
    const uint8_t *p = (const uint8_t *)h + sizeof *h, *const end = (const uint8_t *)h + size;
    uint64_t number = *p++; /* there are two bytes at least */
    if (SB_UNLIKELY(number >= 24)) {
        if (number == 24 && end - p > 1) {
            number = *p++;
        } else if (number == 25 && end - p > 2) {
            number = (uint64_t)p[0] << 8 | p[1];
            p += 2;
        } else {
            return LONG;
        }
    }
    struct sb_target *plan = sb__plan_find(number);
    size_t n = *p++ ^ (size_t)SB_MAJOR_ARRAY << 5;
    if (SB_UNLIKELY(!plan || !plan->direct || n > SB_SMALL_ARGUMENTS || n < plan->keywords))
        return LONG;
    PyObject *at[1 + SB_SMALL_ARGUMENTS];
    at[0] = at[1] = NULL; /* the first is the callee's to use */
    size_t i = 0;
    for (; i < n; i++) {
        PyObject *o;
        if (SB_LIKELY(end - p >= SB_CBOR_HEAD_MAX && *p == SB_CBOR_FLOAT64)) {
            uint64_t bits;
            memcpy(&bits, p + 1, sizeof bits);
            p += SB_CBOR_HEAD_MAX;
            o = new_float(__builtin_bswap64(bits));
        } else if (p < end && *p < 24) {
            o = PyLong_FromLong(*p++);
        } else {
            const uint8_t *at_other = p;
            o = decode_other(s, &at_other, end);
            p = at_other;
        }
        if (SB_UNLIKELY(!o))
            break;
        at[1 + i] = o;
    }
    if (SB_UNLIKELY(i < n || p != end)) {
        while (i)
            drop_argument(at[i--]);
        PyErr_Clear();
        sb__fault_clear(s);
        return LONG;
    }
    sb_vectorcall *f = plan->slot ? sb__slot(plan->object, plan->slot) : sb__py.vectorcall;
    PyObject *result;
    if (SB_LIKELY(plan->direct == SB_DIRECT_FUNCTION))
        result = f(plan->object, at + 1, (n - plan->keywords) | SB_ARGUMENTS_OFFSET, plan->kwnames);
    else
        result = sb__special_direct(plan, at + 1, n);
    if (SB_UNLIKELY(!result || PyErr_Occurred())) {
        check_result(plan, result);
        sb__explain_remember(s, plan, at + 1, n, plan->keywords, plan->kwnames);
        while (i)
            drop_argument(at[i--]);
        return sb__answer_fail(s, h);
    }
    while (i)
        drop_argument(at[i--]);
    if (SB_UNLIKELY(plan->result.code != 'd' || Py_TYPE(result) != &PyFloat_Type ||
                    s->answer.cap < 128 || s->output.len))
        return answer_result(s, h, plan, result);
    uint8_t *answer = s->answer.ptr;
    size_t length = (size_t)(sb__cbor_float(answer + sizeof *h, sb__float_value(result)) - answer);
    uint64_t word = (uint64_t)SB_FRAME_REPLY << 32 | length, about, seq = h->seq;
    memcpy(&about, &h->session, sizeof about); /* and the epoch */
    memcpy(answer, &word, sizeof word);
    memcpy(answer + offsetof(struct sb_frame, session), &about, sizeof about);
    memcpy(answer + offsetof(struct sb_frame, seq), &seq, sizeof seq);
    memcpy(answer + offsetof(struct sb_frame, id), &seq, sizeof seq);
    s->answer.len = length;
    Py_DECREF(result);
    return 0;
}

/* ---- the other kinds ------------------------------------------------------------------------- */

static int open_session(struct sb_engine_session *s, sb_header *h, struct sb_reader *r)
{
    uint64_t counter;
    if (!sb__read_uint(r, &counter))
        return sb__answer_malformed(s, r->error);
    if (r->p != r->end || !counter || counter > SB_ID_COUNTER / 2)
        return sb__answer_malformed(s, "an OPEN whose counter makes no sense");
    sb__session_clear(s);
    s->counter = counter;
    return sb__answer_null(s, h);
}

static int release(struct sb_engine_session *s, struct sb_reader *r)
{
    uint64_t n, id;
    struct sb_reader check = *r;
    if (!sb__read_count(&check, SB_MAJOR_ARRAY, &n))
        return sb__answer_malformed(s, check.error);
    struct sb_reader ids = check;
    for (uint64_t i = 0; i < n; i++) /* all or nothing */
        if (!sb__read_uint(&check, &id))
            return sb__answer_malformed(s, check.error);
    if (check.p != check.end)
        return sb__answer_malformed(s, "bytes behind the ids");
    for (uint64_t i = 0; i < n && sb__read_uint(&ids, &id); i++)
        sb__session_drop(s, id);
    return 0;
}

static int answer_sync(struct sb_engine_session *s, sb_header *h)
{
    if (s->failed)
        return sb__answer_error(s, h, &s->error, s->failed_seq);
    return sb__answer_null(s, h);
}

static int dispatch(struct sb_engine_session *s, sb_header *h, struct sb_reader *r)
{
    if (SB_LIKELY(h->kind == SB_FRAME_CALL))
        return call(s, h, r);
    if (h->flags & SB_FLAG_DEFINE)
        return sb__answer_malformed(s, "a definition in a frame that is no call");
    if ((h->kind == SB_FRAME_CLOSE || h->kind == SB_FRAME_SYNC) && r->p != r->end)
        return sb__answer_malformed(s, "a body where there is none");
    if (s->base && (h->kind == SB_FRAME_OPEN || h->kind == SB_FRAME_CLOSE))
        return sb__answer_malformed(s, "a session that begins or ends in a callback");
    switch (h->kind) {
    case SB_FRAME_OPEN:
        return open_session(s, h, r);
    case SB_FRAME_CLOSE:
        sb__session_clear(s);
        return sb__answer_null(s, h);
    case SB_FRAME_RELEASE:
        if (h->flags & SB_FLAG_WAIT)
            return sb__answer_malformed(s, "a RELEASE is never answered");
        return release(s, r);
    case SB_FRAME_SYNC:
        return answer_sync(s, h);
    case SB_FRAME_RETURN: /* of a callback whose request ended meanwhile: its time had run out */
    case SB_FRAME_RAISE:
        if (h->flags || !h->id || h->id > s->callbacks)
            return sb__answer_malformed(s, "the result of a callback that never was");
        return 0;
    default:
        return sb__answer_malformed(s, "a kind of frame that does not exist");
    }
}

static inline void begin(struct sb_engine_session *s, sb_header *h)
{
    s->request = h;
    s->late = false;
    s->first_new = s->counter;
    sb__output_begin(s);
}

static inline void end(struct sb_engine_session *s)
{
    if (SB_UNLIKELY(s->level != NULL))
        sb__callback_drain(s);
    s->request = NULL; /* nothing is left to interrupt */
    sb__output_end(s);
}

static SB_APART int run_long(struct sb_engine_session *s, const uint8_t *frame, size_t size)
{
    sb_header *h = (sb_header *)frame;
    if (SB_UNLIKELY(size < sizeof *h))
        return sb__answer_malformed(s, "a frame that is shorter than its header");
    if (SB_UNLIKELY(h->size != size || (h->flags & ~FLAGS_ALL) || h->segments ||
                    h->session != s->tag || h->seq >> SB_ID_TAG_SHIFT || !h->seq))
        return sb__answer_malformed(s, "a frame whose header makes no sense");
    struct sb_reader r = { .p = frame + sizeof *h, .end = frame + size };
    if (SB_UNLIKELY(s->answer.cap > ANSWER_KEPT))
        sb__buf_reset(&s->answer);
    s->answer.len = 0;
    begin(s, h);
    if (SB_UNLIKELY(s->failed) && (int32_t)(h->epoch - s->failed_epoch) > 0) {
        sb__session_recover(s);
        sb__explain_forget(s); /* which may run destructors */
    }
    int rc = dispatch(s, h, &r);
    end(s);
    return rc;
}

int sb__run(struct sb_engine_session *s, const uint8_t *frame, size_t size)
{
    sb_header *h = (sb_header *)frame;
    if (SB_UNLIKELY(size < sizeof *h + 2 || s->failed || s->answer.cap > ANSWER_KEPT))
        return run_long(s, frame, size);
    uint64_t word; /* size, kind, flags, segments */
    memcpy(&word, frame, sizeof word);
    word &= ~((uint64_t)SB_FLAG_DEADLINE << 40);
    if (SB_UNLIKELY(word != ((uint64_t)SB_FLAG_WAIT << 40 | (uint64_t)SB_FRAME_CALL << 32 | size) ||
                    h->session != s->tag || h->id ||
                    h->seq - 1 >= (UINT64_C(1) << SB_ID_TAG_SHIFT) - 1))
        return run_long(s, frame, size);
    begin(s, h);
    int rc = run_direct(s, h, size);
    end(s);
    return SB_UNLIKELY(rc == LONG) ? run_long(s, frame, size) : rc;
}

int sb__run_refused(struct sb_engine_session *s, const uint8_t *frame, size_t size, sb_code code)
{
    s->refused = code;
    int rc = run_long(s, frame, size);
    s->refused = SB_OK;
    return rc;
}

int sb__run_withdrawn(struct sb_engine_session *s, const uint8_t *frame, size_t size)
{
    sb_header *h = (sb_header *)frame;
    uint64_t number;
    s->answer.len = 0;
    if (size < sizeof *h)
        return sb__answer_malformed(s, "a frame that is shorter than its header");
    if (h->kind != SB_FRAME_CALL || !(h->flags & SB_FLAG_DEFINE))
        return 0;
    struct sb_reader r = { .p = frame + sizeof *h, .end = frame + size };
    if (sb__read_uint(&r, &number) && sb__plan_define(s, number, &r))
        return 0;
    if (r.error)
        return sb__answer_malformed(s, r.error);
    PyErr_Clear(); /* want of memory: the call that relies on the plan will be refused */
    sb__fault_clear(s);
    return 0;
}
