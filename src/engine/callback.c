/* SPDX-License-Identifier: MIT
 *
 * C functions of the program as Python callables: see callback.h. A callable is a built-in function
 * whose `self` is a capsule; the capsule's end tells the program to drop its function. Atomics: the
 * word `turn`, on which threads sleep that wait for their turn. */
#include "engine/callback.h"
#include "engine/answer.h"
#include "engine/codec.h"
#include "engine/error.h"
#include "engine/explain.h"
#include "engine/guard.h"
#include "engine/output.h"
#include "engine/serve.h"
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CAPSULE NULL /* a name would be compared with each call; nobody can put another one here */
#define FASTCALL 0x0080 /* METH_FASTCALL: of the stable ABI since 3.10, the same since 3.7 */
#define KEPT (1u << 20) /* bytes of a buffer that outlive a callback */
#define NAME_MAX_ 100
#define SLICE 20000000 /* ns of a sleep after which a thread looks again, whoever woke it */

struct sb_engine_function {
    struct sb_engine_session *session; /* NULL: closed */
    struct sb_engine_function *prev, *next;
    uint64_t number;
    PyMethodDef method;
    char name[NAME_MAX_], doc[3 * NAME_MAX_];
};

/* ---- waiting for one's turn ------------------------------------------------------------------ */

static _Atomic uint32_t turn;
static uint32_t waiting; /* threads */

void sb__callback_turn(void)
{
    if (SB_LIKELY(!waiting))
        return;
    atomic_fetch_add(&turn, 1);
    syscall(SYS_futex, &turn, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Sleeps until the stack of some session has changed, without the GIL. 0, or -1 with an exception of
 * a signal's handler. */
static int wait_turn(void)
{
    const struct timespec slice = { .tv_nsec = SLICE };
    uint32_t seen = atomic_load(&turn);
    waiting++;
    PyThreadState *state = PyEval_SaveThread();
    syscall(SYS_futex, &turn, FUTEX_WAIT, seen, &slice, NULL, 0);
    PyEval_RestoreThread(state);
    waiting--;
    return PyErr_CheckSignals();
}

static inline bool is_top(const struct sb_engine_session *s) /* a request, not a callback */
{
    return s->request && (!s->level || s->level->nested);
}

/* ---- levels ---------------------------------------------------------------------------------- */

static struct sb_level *take_level(struct sb_engine_session *s)
{
    struct sb_level *v = s->spare;
    if (SB_LIKELY(v != NULL)) {
        s->spare = v->outer;
        return v;
    }
    v = sb__calloc(sizeof *v);
    if (!v)
        PyErr_NoMemory();
    return v;
}

static void trim(struct sb_buf *b)
{
    if (SB_UNLIKELY(b->failed || b->cap > KEPT))
        sb__buf_reset(b);
    b->len = 0;
}

static void free_level(struct sb_level *v)
{
    sb__buf_reset(&v->frame);
    sb__buf_reset(&v->in.buf);
    sb__buf_reset(&v->answer);
    sb__buf_reset(&v->error);
    sb__free(v);
}

static void give_level(struct sb_engine_session *s, struct sb_level *v)
{
    trim(&v->frame);
    trim(&v->answer);
    sb__incoming_next(&v->in);
    v->outer = s->spare;
    s->spare = v;
}

void sb__callback_free(struct sb_engine_session *s)
{
    while (s->spare) {
        struct sb_level *v = s->spare;
        s->spare = v->outer;
        free_level(v);
    }
}

/* The request on top is interrupted by a callback. */
static void push(struct sb_engine_session *s, struct sb_level *v)
{
    v->outer = s->level;
    v->number = ++s->callbacks;
    v->nested = v->abandoned = false;
    v->request = s->request;
    v->base = s->base;
    v->late = s->late;
    v->thread = s->thread;
    v->failed = s->failed;
    if (SB_UNLIKELY(s->failed)) {
        struct sb_buf error = v->error;
        v->error = s->error;
        s->error = error;
        v->failed_epoch = s->failed_epoch;
        v->failed_seq = s->failed_seq;
        v->skipped = s->skipped;
        sb__session_recover(s);
    }
    struct sb_buf answer = v->answer; /* it may be half written */
    v->answer = s->answer;
    s->answer = answer;
    s->level = v;
    s->depth++;
    sb__explain_forget(s);
}

/* Back to the request below `v`, which becomes the top. */
static void pop(struct sb_engine_session *s, struct sb_level *v)
{
    s->level = v->outer;
    s->depth--;
    s->request = v->request;
    s->base = v->base;
    s->late = v->late;
    s->thread = v->thread;
    s->first_new = s->counter; /* ids before belong to nested requests */
    if (SB_UNLIKELY(s->failed))
        sb__session_recover(s);
    if (SB_UNLIKELY(v->failed)) {
        struct sb_buf error = s->error;
        s->error = v->error;
        v->error = error;
        s->failed = true;
        s->failed_epoch = v->failed_epoch;
        s->failed_seq = v->failed_seq;
        s->skipped = v->skipped;
    }
    struct sb_buf answer = s->answer;
    s->answer = v->answer;
    v->answer = answer;
    sb__callback_turn();
    sb__explain_forget(s);
}

void sb__callback_nest(struct sb_engine_session *s, struct sb_level *v)
{
    v->interrupted = s->interrupted;
    v->raised = sb__guard_raised();
    v->settling = sb__guard.settling;
    v->guard_thread = sb__guard.thread;
    s->interrupted = 0;
    v->nested = true;
    s->base = v;
    s->thread = PyThread_get_thread_ident();
    sb__guard.thread = s->thread == sb__guard.main ? 0 : s->thread;
    sb__output_end(s);
    sb__callback_turn();
}

void sb__callback_unnest(struct sb_engine_session *s, struct sb_level *v)
{
    sb__output_begin(s);
    v->nested = false;
    s->request = v->request;
    s->base = v->base;
    s->thread = v->thread;
    s->interrupted = v->interrupted;
    sb__guard.thread = v->guard_thread;
    sb_header *h = v->request;
    bool deadline =
        (h->flags & SB_FLAG_DEADLINE) && (h->kind == SB_FRAME_CALL || h->kind == SB_FRAME_SYNC);
    sb__guard_resume((uint64_t)s->tag << SB_ID_TAG_SHIFT | (h->seq & SB_RUNNING_SEQ), deadline,
                     v->raised, v->settling);
}

void sb__callback_drain(struct sb_engine_session *s)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    while (s->level != s->base) {
        if (wait_turn() < 0)
            PyErr_Clear(); /* the deadline, as a rule: it is noted in the guard's words */
        /* What runs in this process cannot be given up; a nested request has a deadline of its own. */
        if (s->level == s->base || s->level->nested || sb__serve_writing || !sb__guard_raised())
            continue;
        while (s->level != s->base) {
            struct sb_level *v = s->level;
            v->abandoned = true;
            pop(s, v); /* its thread frees it */
        }
        sb__serve_wake();
    }
    PyErr_Restore(type, value, trace);
}

/* ---- calling --------------------------------------------------------------------------------- */

void sb__raise_fault(struct sb_engine_session *s)
{
    PyObject *args[4] = { PyLong_FromLong((long)s->fault.code),
                          PyUnicode_FromString(sb__code_name(s->fault.code)),
                          PyUnicode_FromString(s->fault.text), NULL };
    s->fault.code = SB_OK;
    PyErr_Clear();
    if (args[0] && args[1] && args[2])
        args[3] = sb__py.vectorcall(sb__py.error, args, 3, NULL);
    if (args[3])
        PyErr_SetObject((PyObject *)Py_TYPE(args[3]), args[3]);
    for (size_t i = 0; i < 4; i++)
        Py_XDECREF(args[i]);
    if (!PyErr_Occurred())
        PyErr_NoMemory();
}

/* Numbers come most often. */
static inline int put_value(struct sb_engine_session *s, struct sb_buf *b, struct sb_target *plan,
                            PyObject *o)
{
    return SB_LIKELY(Py_TYPE(o) == &PyLong_Type) ? sb__encode_int(b, o)
                                                 : sb__encode(s, b, plan, o, 0);
}

static int put_arguments(struct sb_engine_session *s, struct sb_buf *b, uint64_t number,
                         PyObject *const *args, size_t n, PyObject *kwnames)
{
    static struct sb_target by_value = {
        .op = 'f', .name = "callback", .label = "callback", .result = { .code = 'v' }
    };
    size_t keywords = kwnames ? (size_t)PyTuple_Size(kwnames) : 0;
    if (!sb__buf_room(b, 256))
        return 0;
    size_t begin = b->len;
    b->len += sizeof(struct sb_frame);
    sb__put_uint(b, number);
    sb__put_head(b, SB_MAJOR_ARRAY, n);
    for (size_t i = 0; i < n; i++)
        if (put_value(s, b, &by_value, args[i]) < 0)
            return -1;
    sb__put_head(b, SB_MAJOR_MAP, keywords);
    for (size_t i = 0; i < keywords; i++) {
        PyObject *name = PyTuple_GetItem(kwnames, (Py_ssize_t)i);
        if (sb__encode(s, b, &by_value, name, 0) < 0 ||
            sb__encode(s, b, &by_value, args[n + i], 0) < 0)
            return -1;
    }
    if (b->len - begin > SB_FRAME_MAX)
        return sb__fault(s, SB_E_LIMIT, "a callback's arguments take more than %u bytes",
                         SB_FRAME_MAX);
    return 0;
}

/* The header, once the callback's number is known, and in front what was printed before. */
static bool finish_frame(struct sb_engine_session *s, struct sb_level *v)
{
    struct sb_frame h = { .size = (uint32_t)v->frame.len,
                          .kind = SB_FRAME_CALLBACK,
                          .session = s->tag,
                          .epoch = s->request->epoch,
                          .seq = s->request->seq,
                          .id = v->number };
    memcpy(v->frame.ptr, &h, sizeof h);
    if (SB_LIKELY(!s->output.len))
        return true;
    struct sb_buf all = { 0 };
    sb__output_take(s, &all, s->request->seq);
    sb__buf_put(&all, v->frame.ptr, v->frame.len);
    bool ok = !all.failed;
    if (ok) {
        sb__buf_reset(&v->frame);
        v->frame = all;
    } else {
        sb__buf_reset(&all);
    }
    return ok;
}

static PyObject *misuse(const char *what)
{
    PyErr_SetString(PyExc_RuntimeError, what);
    return NULL;
}

/* The pointer of a capsule is the word behind the object's head (Objects/capsule.c): that is looked at
 * when the capsule is made, since to ask for it takes a while. */
static inline void *in_capsule(PyObject *capsule)
{
    void *pointer;
    memcpy(&pointer, (const char *)capsule + sizeof(PyObject), sizeof pointer);
    return pointer;
}

/* Waits until a request of the session is on top. NULL, with an exception: it cannot be called. */
static struct sb_engine_session *await_turn(const struct sb_engine_function *f)
{
    for (;;) {
        struct sb_engine_session *s = f->session;
        if (SB_UNLIKELY(!s)) {
            misuse("the session of this C function is closed");
            return NULL;
        }
        if (SB_LIKELY(is_top(s))) {
            if (SB_LIKELY(s->request->flags & SB_FLAG_WAIT && !s->gone))
                return s;
            break;
        }
        if (!s->level)
            break;
        if (wait_turn() < 0)
            return NULL;
        s = f->session;
        if (s && s->interrupted & (SB_INTERRUPTED | SB_CANCELLED) &&
            s->thread == PyThread_get_thread_ident()) {
            PyErr_SetNone(s->interrupted & SB_INTERRUPTED ? sb__py.timeout : sb__py.cancelled);
            return NULL;
        }
    }
    misuse("a C function can be called only while its session is inside a call");
    return NULL;
}

/* An exception from the array of a RAISE. NULL with an exception: also if it makes no sense, which
 * *malformed tells. */
static PyObject *read_error(struct sb_engine_session *s, struct sb_reader *r, bool *malformed)
{
    uint64_t fields, code, id, line;
    const char *texts[4];
    size_t sizes[4];
    *malformed = true;
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &fields) || fields != 7 || !sb__read_uint(r, &code) ||
        !sb__read_string(r, SB_MAJOR_TEXT, &texts[0], &sizes[0]) ||
        !sb__read_string(r, SB_MAJOR_TEXT, &texts[1], &sizes[1]) || !sb__read_uint(r, &id) ||
        !sb__read_string(r, SB_MAJOR_TEXT, &texts[2], &sizes[2]) ||
        !sb__read_string(r, SB_MAJOR_TEXT, &texts[3], &sizes[3]) || !sb__read_uint(r, &line) ||
        r->p != r->end || code == SB_OK || !sb__code_name((sb_code)code) || line > INT_MAX)
        return NULL;
    *malformed = false;
    PyObject *cause = id ? sb__session_find(s, id) : NULL;
    PyObject *args[8] = { PyLong_FromUnsignedLongLong(code) };
    for (size_t i = 0; i < 4; i++)
        args[1 + i] = PyUnicode_DecodeUTF8(texts[i], (Py_ssize_t)sizes[i], "replace");
    args[5] = PyLong_FromUnsignedLongLong(line);
    args[6] = cause ? cause : Py_None;
    args[7] = NULL;
    Py_INCREF(args[6]);
    if (code == SB_E_PYTHON && !cause && sizes[0] < 500) { /* the class by its name */
        char name[500];
        memcpy(name, texts[0], sizes[0]);
        name[sizes[0]] = 0;
        args[7] = *name ? sb__resolve(name) : NULL;
        PyErr_Clear();
    }
    if (!args[7]) {
        args[7] = Py_None;
        Py_INCREF(Py_None);
    }
    PyObject *error = NULL;
    bool ok = true;
    for (size_t i = 0; i < 8; i++)
        ok = ok && args[i];
    if (ok)
        error = sb__py.vectorcall(sb__py.from_c, args, 8, NULL);
    for (size_t i = 0; i < 8; i++)
        Py_XDECREF(args[i]);
    if (error && !PyExceptionInstance_Check(error)) {
        Py_DECREF(error);
        error = NULL;
    }
    if (!error && !PyErr_Occurred())
        PyErr_NoMemory();
    return error;
}

/* What RETURN or RAISE says: a new reference, or NULL with an exception. */
static PyObject *take_answer(struct sb_engine_session *s, struct sb_level *v)
{
    sb_header *h = (sb_header *)v->in.buf.ptr;
    struct sb_reader r = { v->in.buf.ptr + sizeof *h, v->in.buf.ptr + v->in.buf.len, NULL };
    PyObject *o = NULL;
    bool malformed = false;
    if (SB_LIKELY(h->kind == SB_FRAME_RETURN)) {
        o = sb__decode(s, &r, 0);
        if (SB_LIKELY(o && r.p == r.end))
            return o;
        Py_XDECREF(o);
        malformed = o || r.error;
        if (s->fault.code != SB_OK && !malformed) {
            sb__raise_fault(s);
            return NULL;
        }
    } else {
        PyObject *error = read_error(s, &r, &malformed);
        if (error) {
            PyErr_SetObject((PyObject *)Py_TYPE(error), error);
            Py_DECREF(error);
        }
    }
    if (malformed) {
        s->fault.code = SB_OK;
        s->gone = true;
        s->broken = "a callback's result that makes no sense";
        PyErr_Clear();
        return misuse("the result of a C function makes no sense");
    }
    return NULL;
}

static PyObject *invoke(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    struct sb_engine_function *f = in_capsule(self);
    if (sb__guard_forked())
        return misuse("a C function cannot be called in a child of fork()");
    struct sb_engine_session *s = await_turn(f);
    if (!s)
        return NULL;
    struct sb_level *v = take_level(s);
    if (!v)
        return NULL;
    v->fault.code = SB_OK;
    if (SB_UNLIKELY(s->fault.code != SB_OK)) {
        v->fault = s->fault;
        s->fault.code = SB_OK;
    }
    PyObject *result = NULL;
    uint64_t from = s->counter;
    int rc = put_arguments(s, &v->frame, f->number, args, (size_t)n, kwnames);
    /* To encode them may have run Python code: other threads', too. */
    if (SB_LIKELY(rc == 0) && !v->frame.failed && SB_UNLIKELY(f->session != s || !is_top(s))) {
        if (await_turn(f) != s)
            rc = -2;
    }
    if (rc == -2 && f->session != s) {
        free_level(v);
        return NULL;
    }
    if (SB_UNLIKELY(rc == 0 && s->depth >= SB_CALLBACK_DEPTH))
        rc = sb__fault(s, SB_E_LIMIT, "C functions that are called by Python are nested %d deep",
                       SB_CALLBACK_DEPTH);
    if (SB_LIKELY(rc == 0 && !v->frame.failed)) {
        push(s, v);
        if (finish_frame(s, v)) {
            rc = s->converse(s, v);
        } else {
            PyErr_NoMemory();
            rc = -1;
        }
        if (SB_UNLIKELY(v->abandoned)) {
            free_level(v);
            return PyErr_Occurred() ? NULL : misuse("the call that this callback ran in has ended");
        }
        pop(s, v);
        if (SB_LIKELY(rc == 0))
            result = take_answer(s, v);
    } else {
        sb__answer_unregister(s, 0, from);
        if (v->frame.failed)
            PyErr_NoMemory();
        else if (s->fault.code != SB_OK)
            sb__raise_fault(s);
    }
    if (SB_UNLIKELY(v->fault.code != SB_OK))
        s->fault = v->fault;
    give_level(s, v);
    return result;
}

/* ---- the callable ---------------------------------------------------------------------------- */

static void unlink_function(struct sb_engine_function *f)
{
    if (f->prev)
        f->prev->next = f->next;
    else
        f->session->functions = f->next;
    if (f->next)
        f->next->prev = f->prev;
    f->session = NULL;
}

static void end_function(PyObject *capsule)
{
    struct sb_engine_function *f = PyCapsule_GetPointer(capsule, CAPSULE);
    if (!f)
        return;
    if (f->session) {
        sb__output_drop(f->session, f->number);
        unlink_function(f);
    }
    /* 3.9.0 looks at the method once more after its self is gone (bpo-42015): leaked there. */
    if (strcmp(sb__py.version_text, "3.9.0") != 0)
        sb__free(f);
}

void sb__callback_close(struct sb_engine_session *s)
{
    while (s->functions)
        unlink_function(s->functions);
    sb__callback_turn();
}

PyObject *sb__callback_new(struct sb_engine_session *s, uint64_t number, const char *name,
                           const char *signature)
{
    if (!s->converse) {
        sb__fault(s, SB_E_MISUSE, "this program takes no callbacks");
        return NULL;
    }
    struct sb_engine_function *f = sb__calloc(sizeof *f);
    if (!f)
        return PyErr_NoMemory();
    sb__print(f->name, sizeof f->name, "%s", name);
    sb__print(f->doc, sizeof f->doc, "%s%s\n--\n\nA C function.", f->name, signature);
    f->method = (PyMethodDef) { f->name, NULL, FASTCALL | METH_KEYWORDS, f->doc };
    PyObject *(*function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *) = invoke;
    memcpy(&f->method.ml_meth, &function, sizeof function); /* as its flags say */
    f->number = number;
    PyObject *capsule = PyCapsule_New(f, CAPSULE, end_function);
    if (!capsule) {
        sb__free(f);
        return NULL;
    }
    if (in_capsule(capsule) != f) {
        Py_DECREF(capsule); /* frees it */
        sb__fault(s, SB_E_MISUSE, "this build of Python has no stable ABI");
        return NULL;
    }
    f->session = s;
    f->next = s->functions;
    if (f->next)
        f->next->prev = f;
    s->functions = f;
    PyObject *callable = PyCFunction_NewEx(&f->method, capsule, NULL);
    Py_DECREF(capsule);
    return callable;
}
