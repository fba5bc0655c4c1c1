/* SPDX-License-Identifier: MIT
 *
 * Lists of numbers of one type as arrays, the usual case of arrays.c: one pass over the items, in which no Python code runs, so
 * that nobody changes the list meanwhile. */
#include "engine/codec.h"

enum { FLOAT64_TAG = 86, INT64_TAG = 79 };

static int put_floats(struct sb_buf *b, PyObject *const *items, Py_ssize_t n)
{
    uint8_t *to = b->ptr + b->len;
    for (Py_ssize_t i = 0; i < n; i++, to += sizeof(double)) {
        if (SB_UNLIKELY(Py_TYPE(items[i]) != &PyFloat_Type))
            return 0;
        double x = sb__float_value(items[i]);
        memcpy(to, &x, sizeof x);
    }
    return 1;
}

static int put_ints(struct sb_buf *b, PyObject *const *items, Py_ssize_t n)
{
    uint8_t *to = b->ptr + b->len;
    for (Py_ssize_t i = 0; i < n; i++, to += sizeof(long long)) {
        int overflow;
        if (SB_UNLIKELY(Py_TYPE(items[i]) != &PyLong_Type))
            return 0;
        long long x = PyLong_AsLongLongAndOverflow(items[i], &overflow);
        if (SB_UNLIKELY(overflow))
            return 0;
        memcpy(to, &x, sizeof x);
    }
    return 1;
}

int sb__put_flat(struct sb_buf *b, PyObject *o)
{
    PyObject *const *items = sb__list_items(o);
    Py_ssize_t n = items ? PyList_Size(o) : 0;
    if (n < 1 || (size_t)n > SB_FRAME_MAX / sizeof(double))
        return 0;
    bool floats = Py_TYPE(items[0]) == &PyFloat_Type;
    if (!floats && Py_TYPE(items[0]) != &PyLong_Type)
        return 0;
    size_t len = b->len, bytes = (size_t)n * sizeof(double);
    sb__put_head(b, SB_MAJOR_TAG, floats ? FLOAT64_TAG : INT64_TAG);
    sb__put_head(b, SB_MAJOR_BYTES, bytes);
    if (!sb__buf_room(b, bytes))
        return 1; /* b->failed tells */
    int rc = floats ? put_floats(b, items, n) : put_ints(b, items, n);
    b->len = rc ? b->len + bytes : len;
    return rc;
}
