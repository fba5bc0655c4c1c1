/* SPDX-License-Identifier: MIT
 *
 * Streams. The program asks for items by the window; the engine takes as many from the iterator as the window, the bytes
 * and the time allow, so that a slow producer's item is not held back, and a slow reader stops it. Items are encoded as
 * they come, in the stream's own buffer: a generator may well run requests of the same session in between. What goes
 * wrong behind the first item waits for the next request: an exception as it is, an item that is not of the declared type
 * by being tried again. */
#include "engine/iterate.h"
#include "engine/answer.h"
#include "engine/async.h"
#include "engine/codec.h"
#include <time.h>

#define BATCH_BYTES 16384 /* a batch with more ends */
#define BATCH_NS 1000000  /* and one that took longer */
#define OBJECT_BYTES 1024 /* what an item that stays in Python counts for, at least */
#define BATCH_KEPT 65536  /* bytes of the buffer that outlive a batch */

enum state { MORE, END }; /* the first item of the answer */

struct stream {
    PyObject_HEAD                   /* its line's end is a semicolon of its own */
        PyObject *iterator;         /* NULL: it has ended */
    PyObject *held;                 /* an item that could not be encoded, or NULL */
    PyObject *type, *value, *trace; /* the exception that ended it, or NULL */
    bool ended, waits;              /* waits: an asynchronous iterator */
    struct sb_buf batch;
};

static PyTypeObject *stream_type;

/* ---- life ------------------------------------------------------------------------------------ */

static void forget(struct stream *st)
{
    PyObject *all[] = { st->iterator, st->held, st->type, st->value, st->trace };
    st->iterator = st->held = st->type = st->value = st->trace = NULL;
    st->ended = true;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        Py_XDECREF(all[i]);
}

static void dealloc(PyObject *self)
{
    struct stream *st = (struct stream *)(void *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject *error, *value, *trace;
    PyErr_Fetch(&error, &value, &trace); /* a generator's finally blocks may run now */
    forget(st);
    PyErr_Restore(error, value, trace);
    sb__buf_reset(&st->batch);
    PyObject_Free(self);
    Py_DECREF(type);
}

static bool make_type(void)
{
    static PyType_Slot slots[] = { { Py_tp_dealloc, NULL }, { 0, NULL } };
    void (*end)(PyObject *) = dealloc;
    static PyType_Spec spec = { .name = "snakebridge.Stream",
                                .basicsize = sizeof(struct stream),
                                .flags = Py_TPFLAGS_DEFAULT,
                                .slots = slots };
    memcpy(&slots[0].pfunc, &end, sizeof end);
    if (!stream_type)
        stream_type = (PyTypeObject *)(void *)PyType_FromSpec(&spec);
    return stream_type;
}

/* Takes `iterator`. */
static struct stream *new_stream(PyObject *iterator, bool waits)
{
    struct stream *st = NULL;
    if (iterator && make_type() && (st = PyObject_New(struct stream, stream_type))) {
        st->iterator = iterator;
        st->held = st->type = st->value = st->trace = NULL;
        st->ended = false;
        st->waits = waits;
        st->batch = (struct sb_buf) { 0 };
        return st;
    }
    Py_XDECREF(iterator);
    return NULL;
}

static struct stream *as_stream(const struct sb_target *plan, PyObject *o)
{
    if (Py_TYPE(o) == stream_type)
        return (struct stream *)(void *)o;
    char got[240];
    sb__type_name((PyObject *)Py_TYPE(o), got, sizeof got);
    PyErr_Format(PyExc_TypeError, "%s: a stream was due, got %s", plan->label, got);
    return NULL;
}

/* ---- items ----------------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Appends an item. 0; -1 with a fault or an exception: nothing of it is left. */
static int put(struct sb_engine_session *s, struct sb_target *plan, struct sb_spec *spec,
               struct sb_buf *b, PyObject *item)
{
    size_t len = b->len;
    uint64_t from = s->counter;
    int rc = sb__encode_item(s, b, plan, spec, item);
    if (SB_LIKELY(rc == 0 && !b->failed))
        return 0;
    sb__answer_unregister(s, 0, from);
    if (rc == 0)
        PyErr_NoMemory();
    if (b->failed) /* what was there before is still whole */
        b->failed = false;
    b->len = len;
    return -1;
}

/* The next item: a new reference. NULL: an exception, or none at the end. */
static PyObject *next_item(struct sb_engine_session *s, struct stream *st)
{
    PyObject *item = st->held;
    st->held = NULL;
    if (item)
        return item;
    if (st->type) {
        PyErr_Restore(st->type, st->value, st->trace);
        st->type = st->value = st->trace = NULL;
        return NULL;
    }
    if (!st->iterator)
        return NULL;
    if (SB_LIKELY(!st->waits))
        return PyIter_Next(st->iterator);
    item = sb__await(s, "step", st->iterator);
    if (!item && PyErr_ExceptionMatches(PyExc_StopAsyncIteration))
        PyErr_Clear();
    return item;
}

/* Takes up to `window` items. 0, or -1: the first one failed. */
static int take(struct sb_engine_session *s, struct sb_target *plan, struct stream *st,
                size_t window)
{
    struct sb_spec *spec = &plan->result.items[0];
    int64_t begin = window > 1 ? now_ns() : 0;
    uint64_t first = s->counter;
    for (size_t n = 0; n < window;) {
        PyObject *item = next_item(s, st);
        if (!item) {
            if (!PyErr_Occurred()) {
                forget(st);
            } else if (n) {
                PyErr_Fetch(&st->type, &st->value, &st->trace);
            } else {
                forget(st); /* a generator that raised is at its end */
                return -1;
            }
            break;
        }
        if (SB_UNLIKELY(put(s, plan, spec, &st->batch, item) < 0)) {
            if (!n) {
                Py_DECREF(item);
                return -1;
            }
            PyErr_Clear();
            sb__fault_clear(s);
            st->held = item;
            break;
        }
        Py_DECREF(item);
        if (++n == window || st->batch.len + (s->counter - first) * OBJECT_BYTES > BATCH_BYTES ||
            now_ns() - begin > BATCH_NS)
            break;
    }
    return 0;
}

/* One step of any iterator, for sb_next. The generator's return value follows its end. */
static int step(struct sb_engine_session *s, struct sb_target *plan, struct stream *st)
{
    PyObject *item = NULL, *args[1] = { st->iterator };
    if (st->waits) {
        item = sb__await(s, "step", st->iterator);
        if (!item && PyErr_ExceptionMatches(PyExc_StopAsyncIteration)) {
            PyErr_Clear();
            Py_INCREF(Py_None);
            item = Py_None;
            st->ended = true;
        }
    } else {
        PyObject *next = PyDict_GetItemString(sb__py.builtins, "next");
        item = next ? sb__py.vectorcall(next, args, 1, NULL) : NULL;
    }
    if (!item && PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        PyErr_NormalizeException(&type, &value, &trace);
        item = value ? PyObject_GetAttrString(value, "value") : NULL;
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
        st->ended = true;
    }
    if (!item)
        return -1;
    int rc = put(s, plan, &plan->result.items[0], &st->batch, item);
    Py_DECREF(item);
    return rc;
}

/* Whether the object's class has the special method. */
static bool has(PyObject *o, const char *name)
{
    return PyObject_HasAttrString((PyObject *)Py_TYPE(o), name);
}

static PyObject *next_batch(struct sb_engine_session *s, struct sb_target *plan, PyObject *o,
                            size_t window)
{
    struct stream *st;
    if (window) {
        st = as_stream(plan, o);
        Py_XINCREF(st);
    } else {
        Py_INCREF(o);
        st = new_stream(o, !has(o, "__next__") && has(o, "__anext__"));
    }
    if (!st)
        return NULL;
    st->batch.len = 0;
    sb__put_uint(&st->batch, MORE);
    int rc = st->batch.failed ? -1 : window ? take(s, plan, st, window) : step(s, plan, st);
    if (rc == 0) {
        st->batch.ptr[0] = st->ended ? END : MORE; /* small integers stand for themselves */
        return (PyObject *)(void *)st;
    }
    if (st->batch.failed) {
        sb__buf_reset(&st->batch);
        PyErr_NoMemory();
    }
    Py_DECREF((PyObject *)(void *)st);
    return NULL;
}

int sb__stream_encode(struct sb_buf *b, PyObject *batch)
{
    struct stream *st = (struct stream *)(void *)batch;
    sb__buf_put(b, st->batch.ptr, st->batch.len);
    st->batch.len = 0;
    if (st->batch.cap > BATCH_KEPT)
        sb__buf_reset(&st->batch);
    return 0;
}

/* ---- operations ------------------------------------------------------------------------------ */

/* 1: a generator, which can be closed; 0; -1. Files, sockets and the like have a close that means something else. */
static int is_generator(PyObject *o, bool waits)
{
    static PyObject *classes[2];
    PyObject **class = &classes[waits];
    if (!*class && !(*class = sb__module_attribute("collections.abc",
                                                   waits ? "AsyncGenerator" : "Generator", true)))
        return 0;
    return PyObject_IsInstance(o, *class);
}

static PyObject *close_stream(struct sb_engine_session *s, const struct sb_target *plan,
                              PyObject *o)
{
    struct stream *st = as_stream(plan, o);
    if (!st)
        return NULL;
    PyObject *iterator = st->iterator, *result = NULL;
    Py_XINCREF(iterator);
    forget(st);
    int generator = iterator ? is_generator(iterator, st->waits) : 0;
    if (generator == 0) {
        Py_INCREF(Py_None);
        result = Py_None;
    } else if (generator > 0) {
        result = PyObject_CallMethod(iterator, st->waits ? "aclose" : "close", NULL);
        if (result && st->waits) {
            PyObject *awaitable = result;
            result = sb__await(s, "run", awaitable);
            Py_DECREF(awaitable);
        }
    }
    Py_XDECREF(iterator);
    return result;
}

static struct stream *open_stream(PyObject *o)
{
    if (has(o, "__iter__") || !has(o, "__aiter__"))
        return new_stream(PyObject_GetIter(o), false);
    PyObject *iterator = PyObject_CallMethod(o, "__aiter__", NULL);
    if (iterator && !has(iterator, "__anext__")) {
        char got[240];
        sb__type_name((PyObject *)Py_TYPE(iterator), got, sizeof got);
        PyErr_Format(PyExc_TypeError, "__aiter__() returned non-async-iterator of type '%s'", got);
        Py_DECREF(iterator);
        return NULL;
    }
    return new_stream(iterator, true);
}

PyObject *sb__stream_perform(struct sb_engine_session *s, struct sb_target *plan,
                             const struct sb_arguments *a)
{
    size_t n = a->n, window = 0;
    if (plan->op == 'n' && n == 2) {
        window = PyLong_AsSize_t(a->at[1]);
        if (PyErr_Occurred())
            return NULL;
    }
    if (n < 1 || n > 2 || (plan->op != 'n' && n > 1) || (n == 2 && !window))
        return PyErr_Format(PyExc_TypeError, "%s: takes one argument, or two with a window",
                            plan->label);
    switch (plan->op) {
    case 'i':
        return (PyObject *)(void *)open_stream(a->at[0]);
    case 'n':
        return next_batch(s, plan, a->at[0], window);
    default: /* q */
        return close_stream(s, plan, a->at[0]);
    }
}
