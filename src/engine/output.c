/* SPDX-License-Identifier: MIT
 *
 * Python's output on its way to the program: see output.h. The list of running sessions is the
 * process's, and guarded by the GIL. */
#include "engine/output.h"
#include "core/cbor.h"
#include <errno.h>
#include <unistd.h>

#define RECORD_HEAD 5           /* stream, length */
#define DROPS 0                 /* the stream of a record that holds numbers of functions */
#define RECORD_MAX (1u << 20)   /* bytes, from which on a record takes no more */
#define PENDING_MAX (64u << 20) /* beyond, text goes to the descriptor: nothing is lost */

struct sb_engine_session *sb__running;

static void write_all(int descriptor, const char *s, size_t n)
{
    while (n) {
        ssize_t m = write(descriptor, s, n);
        if (m < 0 && errno == EINTR)
            continue;
        if (m < 0)
            return; /* nobody is there to be told: the descriptor is closed, or full */
        s += m;
        n -= (size_t)m;
    }
}

static void append(struct sb_engine_session *s, uint8_t stream, const char *text, size_t n)
{
    struct sb_buf *b = &s->output;
    uint32_t len = 0;
    if (b->len && b->ptr[s->output_last] == stream) {
        memcpy(&len, b->ptr + s->output_last + 1, sizeof len);
        if (len >= RECORD_MAX)
            len = 0;
    }
    if (!sb__buf_room(b, n + RECORD_HEAD)) {
        b->failed = false; /* what was there is still whole */
        write_all(stream, text, n);
        return;
    }
    if (!len) {
        s->output_last = b->len;
        b->ptr[b->len] = stream;
        b->len += RECORD_HEAD;
    }
    memcpy(b->ptr + b->len, text, n);
    b->len += n;
    len += (uint32_t)n;
    memcpy(b->ptr + s->output_last + 1, &len, sizeof len);
}

void sb__output_drop(struct sb_engine_session *s, uint64_t number)
{
    if (sb__buf_room(&s->output, RECORD_HEAD + sizeof number))
        append(s, DROPS, (const char *)&number, sizeof number);
    else
        s->output.failed = false; /* the program lets go of it when it closes the session */
}

static struct sb_engine_session *listener(void)
{
    struct sb_engine_session *s = sb__running;
    if (s && s->outer) { /* several threads: is one of them this one? */
        unsigned long self = PyThread_get_thread_ident();
        for (struct sb_engine_session *i = sb__running; i; i = i->outer)
            if (i->thread == self)
                return i;
    }
    return s;
}

/* Text as UTF-8 in which lone surrogates are escaped. */
static PyObject *utf8_of(PyObject *text, const char **s, Py_ssize_t *n)
{
    *s = sb__py.utf8(text, n);
    if (*s) {
        Py_INCREF(text);
        return text;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return NULL;
    PyErr_Clear();
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    char *p;
    if (!bytes || PyBytes_AsStringAndSize(bytes, &p, n) < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    *s = p;
    return bytes;
}

static PyObject *write_text(PyObject *self, PyObject *args)
{
    (void)self;
    int stream;
    PyObject *text;
    const char *s;
    Py_ssize_t n;
    if (!PyArg_ParseTuple(args, "iU:write", &stream, &text))
        return NULL;
    if (stream != 1 && stream != 2)
        return PyErr_Format(PyExc_ValueError, "no such stream: %d", stream);
    PyObject *owner = utf8_of(text, &s, &n);
    if (!owner)
        return NULL;
    struct sb_engine_session *to = listener();
    if (to && to->output.len + (size_t)n <= PENDING_MAX) {
        if (n)
            append(to, (uint8_t)stream, s, (size_t)n);
        if (to->spill && (to->request->flags & SB_FLAG_WAIT))
            to->spill(to);
    } else {
        Py_BEGIN_ALLOW_THREADS write_all(stream, s, (size_t)n);
        Py_END_ALLOW_THREADS
    }
    Py_DECREF(owner);
    return PyLong_FromSsize_t(PyUnicode_GetLength(text));
}

PyObject *sb__output_function(void)
{
    static PyMethodDef method = { "write", write_text, METH_VARARGS, NULL };
    return PyCFunction_New(&method, NULL);
}

void sb__output_unlink(struct sb_engine_session *s)
{
    for (struct sb_engine_session *i = sb__running; i; i = i->outer)
        if (i->outer == s)
            i->outer = s->outer;
}

static uint32_t record(const struct sb_buf *b, size_t at)
{
    uint32_t n;
    memcpy(&n, b->ptr + at + 1, sizeof n);
    return n;
}

static void put_drops(struct sb_buf *to, const uint8_t *p, size_t n)
{
    uint64_t number;
    sb__put_head(to, SB_MAJOR_ARRAY, n / sizeof number);
    for (; n; n -= sizeof number, p += sizeof number) {
        memcpy(&number, p, sizeof number);
        sb__put_uint(to, number);
    }
}

void sb__output_take(struct sb_engine_session *s, struct sb_buf *to, uint64_t id)
{
    struct sb_buf *b = &s->output;
    for (size_t at = 0; at < b->len;) {
        uint32_t n = record(b, at);
        size_t begin = to->len;
        if (!sb__buf_room(to, sizeof(struct sb_frame) + 1 + SB_CBOR_HEAD_MAX + 2 * n))
            break;
        to->len += sizeof(struct sb_frame);
        bool drops = b->ptr[at] == DROPS;
        if (drops) {
            put_drops(to, b->ptr + at + RECORD_HEAD, n);
        } else {
            sb__put_uint(to, b->ptr[at]);
            sb__put_string(to, SB_MAJOR_TEXT, b->ptr + at + RECORD_HEAD, n);
        }
        struct sb_frame h = { .size = (uint32_t)(to->len - begin),
                              .kind = drops ? SB_FRAME_DROP : SB_FRAME_OUTPUT,
                              .session = s->tag,
                              .epoch = s->request->epoch,
                              .seq = s->request->seq,
                              .id = id };
        memcpy(to->ptr + begin, &h, sizeof h);
        at += RECORD_HEAD + n;
    }
    b->len = 0;
    if (b->cap > 1u << 16)
        sb__buf_reset(b);
}

void sb__output_dump(struct sb_engine_session *s)
{
    struct sb_buf *b = &s->output;
    for (size_t at = 0; at < b->len;) {
        uint32_t n = record(b, at);
        if (b->ptr[at] != DROPS)
            write_all(b->ptr[at], (const char *)b->ptr + at + RECORD_HEAD, n);
        at += RECORD_HEAD + n;
    }
    b->len = 0;
}
