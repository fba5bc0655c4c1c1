/* SPDX-License-Identifier: MIT
 *
 * Lists of numbers, and lists of such lists, as arrays: one walk finds shape and type, another writes. */
#include "engine/arrays.h"

/* What a nested list holds: found by one walk, written by another. */
struct nest {
    Py_ssize_t shape[SB_MAX_NDIM];
    int ndim, leaf; /* leaf: the depth of the numbers, or -1 */
    bool floats, complexes, ints, bools, below_zero, beyond_int64;
    const struct dtype *type;
    char *to;
};

Py_ssize_t sb__sequence_size(PyObject *o)
{
    return PyList_Check(o) ? PyList_Size(o) : PyTuple_Check(o) ? PyTuple_Size(o) : -1;
}
static PyObject *sequence_item(PyObject *o, Py_ssize_t i) /* a new reference, or NULL */
{
    PyObject *item = PyList_Check(o) ? PyList_GetItem(o, i) : PyTuple_GetItem(o, i);
    Py_XINCREF(item);
    return item;
}

static int survey_int(struct nest *nest, PyObject *o)
{
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(o, &overflow);
    nest->ints = true;
    nest->below_zero = nest->below_zero || (!overflow && n < 0) || overflow < 0;
    nest->beyond_int64 = nest->beyond_int64 || overflow;
    if (overflow > 0) {
        unsigned long long big = PyLong_AsUnsignedLongLong(o);
        if (big == (unsigned long long)-1 && PyErr_Occurred()) {
            PyErr_Clear();
            return 0;
        }
    }
    return overflow >= 0;
}

static int survey_number(struct nest *nest, PyObject *o)
{
    PyObject *plain = o;
    int rc = sb__numpy_scalar(o, &plain);
    if (rc < 0 || rc == 2)
        return rc < 0 ? -1 : 0;
    if (Py_TYPE(plain) == &PyBool_Type)
        rc = nest->bools = true;
    else if (PyLong_Check(plain))
        rc = survey_int(nest, plain);
    else if (PyFloat_Check(plain))
        rc = nest->floats = true;
    else if (PyComplex_Check(plain))
        rc = nest->complexes = true;
    else
        rc = 0;
    if (plain != o)
        Py_DECREF(plain);
    return rc;
}

/* 1; 0 if this is no array of numbers; -1. */
static int survey(struct nest *nest, PyObject *o, int depth)
{
    Py_ssize_t n = sb__sequence_size(o);
    if (n < 0) {
        if (nest->leaf < 0)
            nest->leaf = depth;
        return nest->leaf != depth || depth != nest->ndim ? 0 : survey_number(nest, o);
    }
    if (depth == SB_MAX_NDIM || nest->leaf == depth)
        return 0;
    if (nest->ndim == depth)
        nest->shape[nest->ndim++] = n;
    if (nest->shape[depth] != n)
        return 0;
    int rc = 1;
    for (Py_ssize_t i = 0; rc > 0 && i < n; i++) {
        PyObject *item = sequence_item(o, i);
        rc = item ? survey(nest, item, depth + 1) : -1;
        Py_XDECREF(item);
    }
    return rc;
}

static int write_number(struct nest *nest, PyObject *o)
{
    PyObject *plain = o;
    if (sb__numpy_scalar(o, &plain) < 0)
        return -1;
    switch (nest->type->tag) {
    case SB_TAG_BOOL8:
        *nest->to = (char)PyObject_IsTrue(plain);
        break;
    case SB_TAG_COMPLEX128: {
        double part[2] = { PyComplex_RealAsDouble(plain), PyComplex_ImagAsDouble(plain) };
        memcpy(nest->to, part, sizeof part);
        break;
    }
    case 86: {
        double d = PyFloat_AsDouble(plain);
        memcpy(nest->to, &d, sizeof d);
        break;
    }
    case 71: {
        unsigned long long n = PyLong_AsUnsignedLongLong(plain);
        memcpy(nest->to, &n, sizeof n);
        break;
    }
    default: {
        long long n = PyLong_AsLongLong(plain);
        memcpy(nest->to, &n, sizeof n);
        break;
    }
    }
    if (plain != o)
        Py_DECREF(plain);
    nest->to += nest->type->size;
    return PyErr_Occurred() ? -1 : 0;
}

static int write_nested(struct nest *nest, PyObject *o, int depth)
{
    if (depth == nest->ndim)
        return write_number(nest, o);
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < nest->shape[depth]; i++) {
        if (sb__sequence_size(o) != nest->shape[depth]) {
            PyErr_SetString(PyExc_RuntimeError, "list changed size during iteration");
            return -1;
        }
        PyObject *item = sequence_item(o, i);
        rc = item ? write_nested(nest, item, depth + 1) : -1;
        Py_XDECREF(item);
    }
    return rc;
}

int sb__put_nested(struct sb_engine_session *s, struct sb_buf *b, PyObject *o)
{
    struct nest nest = { .leaf = -1 };
    int rc = survey(&nest, o, 0);
    if (rc <= 0)
        return rc;
    if (nest.beyond_int64 && (nest.below_zero || nest.floats || nest.complexes))
        return 0;
    bool numbers = nest.ints || nest.bools || nest.complexes;
    nest.type = sb__dtype_by_name(nest.complexes            ? "complex128"
                                  : nest.floats || !numbers ? "float64"
                                  : nest.beyond_int64       ? "uint64"
                                  : nest.ints               ? "int64"
                                                            : "bool");
    size_t count = 1, bytes;
    for (int i = 0; i < nest.ndim; i++)
        if (__builtin_mul_overflow(count, (size_t)nest.shape[i], &count))
            return 0;
    struct sb_room room;
    if (__builtin_mul_overflow(count, nest.type->size, &bytes))
        return 0;
    if (sb__room_make(s, b, nest.type, nest.shape, nest.ndim, bytes, &room) < 0)
        return -1;
    nest.to = room.to;
    return sb__room_end(s, b, &room, bytes, !nest.to || !bytes || write_nested(&nest, o, 0) == 0);
}
