/* SPDX-License-Identifier: MIT
 *
 * Arrays by copy. In: a new ndarray (or, without NumPy, a memoryview) that owns its elements. Out:
 * by the buffer protocol, so that NumPy is never imported for it: whatever exports numbers is walked
 * by its strides into C order and this machine's byte order, which is the wire's. */
#include "engine/codec.h"
#include <stdio.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "typed arrays are little-endian");

struct dtype {
    uint64_t tag;
    size_t size;
    const char *format, *name; /* of struct and memoryview; of NumPy */
};
static const struct dtype dtypes[] = {
#define SB_DTYPE_ROW(id, tag, size, format, name) { tag, size, format, name },
    SB_DTYPES(SB_DTYPE_ROW)
#undef SB_DTYPE_ROW
};
#define DTYPES (sizeof dtypes / sizeof *dtypes)

static const struct dtype *by_tag(uint64_t tag)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (dtypes[i].tag == tag)
            return &dtypes[i];
    return NULL;
}
static const struct dtype *by_name(const char *name)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    return NULL;
}

bool sb__is_array_tag(uint64_t tag)
{
    return by_tag(tag);
}

/* ---- in -------------------------------------------------------------------------------------- */

static PyObject *numpy_empty, *numpy_dtypes[DTYPES];

/* 1: NumPy is there; 0: it is not; -1: it is, but broken. */
static int have_numpy(void)
{
    static bool missing;
    if (numpy_empty)
        return 1;
    if (missing)
        return 0;
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (!numpy) {
        if (!PyErr_ExceptionMatches(PyExc_ModuleNotFoundError))
            return -1;
        PyErr_Clear();
        missing = true;
        return 0;
    }
    PyObject *empty = PyObject_GetAttrString(numpy, "empty"), *all[DTYPES] = { NULL };
    bool ok = empty;
    for (size_t i = 0; ok && i < DTYPES; i++)
        ok = (all[i] = PyObject_CallMethod(numpy, "dtype", "s", dtypes[i].name));
    for (size_t i = 0; i < DTYPES; i++) {
        if (ok && !numpy_dtypes[i])
            numpy_dtypes[i] = all[i];
        else
            Py_XDECREF(all[i]);
    }
    if (ok && !numpy_empty)
        numpy_empty = empty;
    else
        Py_XDECREF(empty);
    Py_DECREF(numpy);
    return ok ? 1 : -1;
}

static PyObject *shape_tuple(const uint64_t *shape, size_t ndim)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)ndim);
    for (size_t i = 0; tuple && i < ndim; i++) {
        PyObject *n = PyLong_FromUnsignedLongLong(shape[i]);
        if (!n) {
            Py_DECREF(tuple);
            return NULL;
        }
        PyTuple_SetItem(tuple, (Py_ssize_t)i, n);
    }
    return tuple;
}

static void fill(char *to, const char *from, size_t n, const struct dtype *t)
{
    if (t->tag != SB_TAG_BOOL8) {
        memcpy(to, from, n);
        return;
    }
    for (size_t i = 0; i < n; i++) /* any other byte in a bool is undefined behaviour in NumPy */
        to[i] = from[i] != 0;
}

static PyObject *make_ndarray(PyObject *shape, const struct dtype *t, const char *p, size_t n)
{
    struct sb_buffer view;
    PyObject *args[2] = { shape, numpy_dtypes[t - dtypes] };
    PyObject *array = sb__py.vectorcall(numpy_empty, args, 2, NULL);
    if (!array || sb__py.get_buffer(array, &view, SB_BUFFER_RECORDS_RO) < 0)
        goto fail;
    if ((size_t)view.len == n)
        fill(view.buf, p, n, t);
    else
        PyErr_SetString(PyExc_SystemError, "numpy.empty made an array of another size");
    sb__py.release_buffer(&view);
    if (!PyErr_Occurred())
        return array;
fail:
    Py_XDECREF(array);
    return NULL;
}

static PyObject *make_memoryview(PyObject *shape, const struct dtype *t, const char *p, size_t n)
{
    PyObject *bytes = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)n), *view = NULL;
    if (!bytes)
        return NULL;
    fill(PyByteArray_AsString(bytes), p, n, t);
    PyObject *flat = PyMemoryView_FromObject(bytes);
    Py_DECREF(bytes);
    PyObject *format = flat ? PyUnicode_FromString(t->format) : NULL;
    if (format) {
        PyObject *args[3] = { flat, format, shape };
        view =
            sb__py.vectorcall_method(sb__py.str.cast, args, PyTuple_Size(shape) == 1 ? 2 : 3, NULL);
    }
    Py_XDECREF(format);
    Py_XDECREF(flat);
    return view;
}

PyObject *sb__decode_array(struct sb_engine_session *s, struct sb_reader *r, uint64_t tag,
                           const uint64_t *shape, size_t ndim)
{
    const struct dtype *t = by_tag(tag);
    const char *p;
    size_t n;
    (void)s;
    if (!sb__read_string(r, SB_MAJOR_BYTES, &p, &n))
        return NULL;
    uint64_t flat = n / t->size, count = 1;
    if (!shape)
        shape = &flat;
    bool fits = n % t->size == 0, empty = false;
    for (size_t i = 0; i < ndim; i++) {
        empty = empty || shape[i] == 0;
        fits = fits && shape[i] <= INT64_MAX;
    }
    for (size_t i = 0; fits && !empty && i < ndim; i++)
        fits = !__builtin_mul_overflow(count, shape[i], &count) && count <= flat;
    if (!fits || (empty ? 0 : count) != flat) {
        sb__read_fail(r, "an array whose elements do not fill its shape");
        return NULL;
    }
    int numpy = have_numpy();
    PyObject *lengths = numpy < 0 ? NULL : shape_tuple(shape, ndim);
    PyObject *array = !lengths ? NULL
                      : numpy  ? make_ndarray(lengths, t, p, n)
                               : make_memoryview(lengths, t, p, n);
    Py_XDECREF(lengths);
    return array;
}

/* ---- out: buffers ---------------------------------------------------------------------------- */

/* The type of a buffer's elements (PEP 3118, struct's notation), or NULL for records, objects, and
 * what else the wire cannot carry. */
static const struct dtype *by_format(const char *format, Py_ssize_t size, bool *swapped)
{
    const char *f = format ? format : "B";
    *swapped = (*f == '>' || *f == '!') && size > 1;
    if (*f && strchr("@=<>!", *f))
        f++;
    char kind = strlen(f) == 1 && strchr("bhilqn", *f)                ? 'i'
                : strlen(f) == 1 && strchr("BHILQN", *f)              ? 'u'
                : strlen(f) == 1 && strchr("efd", *f)                 ? 'f'
                : *f == 'Z' && (!strcmp(f, "Zf") || !strcmp(f, "Zd")) ? 'c'
                : !strcmp(f, "?")                                     ? '?'
                                                                      : 0;
    for (size_t i = 0; kind && i < DTYPES; i++) {
        const struct dtype *t = &dtypes[i];
        char its = *t->format == 'Z'            ? 'c'
                   : strchr("efd", *t->format)  ? 'f'
                   : strchr("bhiq", *t->format) ? 'i'
                   : strchr("BHIQ", *t->format) ? 'u'
                                                : '?';
        if (its == kind && (Py_ssize_t)t->size == size)
            return t;
    }
    return NULL;
}

static char *copy_swapped(char *to, const char *from, size_t size, size_t unit)
{
    for (size_t part = 0; part < size; part += unit)
        for (size_t i = 0; i < unit; i++)
            to[part + i] = from[part + unit - 1 - i];
    return to + size;
}

/* C order from any strides; ndim is bounded by the caller. Returns the end of what it wrote. */
static char *copy_strided(char *to, const char *from, const struct sb_buffer *v, int dim,
                          size_t unit)
{
    size_t size = (size_t)v->itemsize;
    if (dim == v->ndim) {
        if (unit)
            return copy_swapped(to, from, size, unit);
        memcpy(to, from, size);
        return to + size;
    }
    if (dim == v->ndim - 1 && v->strides[dim] == v->itemsize && !unit) {
        size_t n = (size_t)v->shape[dim] * size;
        memcpy(to, from, n);
        return to + n;
    }
    for (Py_ssize_t i = 0; i < v->shape[dim]; i++)
        to = copy_strided(to, from + i * v->strides[dim], v, dim + 1, unit);
    return to;
}

/* Heads of an array: its shape unless it has one dimension, its type, the size of its elements. */
static void put_heads(struct sb_buf *b, const struct dtype *t, const Py_ssize_t *shape, int ndim,
                      size_t bytes)
{
    if (ndim != 1) {
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_ARRAY);
        sb__put_head(b, SB_MAJOR_ARRAY, 2);
        sb__put_head(b, SB_MAJOR_ARRAY, (uint64_t)ndim);
        for (int i = 0; i < ndim; i++)
            sb__put_uint(b, (uint64_t)shape[i]);
    }
    sb__put_head(b, SB_MAJOR_TAG, t->tag);
    sb__put_head(b, SB_MAJOR_BYTES, bytes);
}

static int put_view(struct sb_engine_session *s, struct sb_buf *b, const struct sb_buffer *v)
{
    bool swapped;
    const struct dtype *t = by_format(v->format, v->itemsize, &swapped);
    if (!t || v->ndim < 0 || v->ndim > SB_MAX_NDIM || v->suboffsets)
        return 0;
    size_t bytes = (size_t)v->len;
    if (bytes > SB_FRAME_MAX)
        return sb__fault(s, SB_E_LIMIT, "an array of more than %u bytes", SB_FRAME_MAX);
    put_heads(b, t, v->shape, v->ndim, bytes);
    if (!sb__buf_room(b, bytes))
        return 1; /* b->failed tells */
    char *to = (char *)b->ptr + b->len;
    size_t unit = !swapped ? 0 : *t->format == 'Z' ? t->size / 2 : t->size;
    if (bytes && !v->strides && !unit)
        memcpy(to, v->buf, bytes);
    else if (bytes)
        copy_strided(to, v->buf, v, 0, unit);
    b->len += bytes;
    return 1;
}

/* 1, 0 if it exports none that the wire carries, -1. */
static int put_exporter(struct sb_engine_session *s, struct sb_buf *b, PyObject *o)
{
    struct sb_buffer view;
    if (sb__py.get_buffer(o, &view, SB_BUFFER_RECORDS_RO) < 0) {
        if (PyErr_ExceptionMatches(PyExc_MemoryError) || !PyErr_ExceptionMatches(PyExc_Exception))
            return -1;
        PyErr_Clear(); /* TypeError, BufferError; ValueError from NumPy for dates */
        return 0;
    }
    int rc = put_view(s, b, &view);
    sb__py.release_buffer(&view);
    return rc;
}

/* ---- out: lists of numbers ------------------------------------------------------------------- */

/* What a nested list holds: found by one walk, written by another. */
struct nest {
    Py_ssize_t shape[SB_MAX_NDIM];
    int ndim, leaf; /* leaf: the depth of the numbers, or -1 */
    bool floats, complexes, ints, bools, below_zero, beyond_int64;
    const struct dtype *type;
    char *to;
};

static Py_ssize_t sequence_size(PyObject *o)
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
    Py_ssize_t n = sequence_size(o);
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
        if (sequence_size(o) != nest->shape[depth]) {
            PyErr_SetString(PyExc_RuntimeError, "list changed size during iteration");
            return -1;
        }
        PyObject *item = sequence_item(o, i);
        rc = item ? write_nested(nest, item, depth + 1) : -1;
        Py_XDECREF(item);
    }
    return rc;
}

static int put_nested(struct sb_engine_session *s, struct sb_buf *b, PyObject *o)
{
    struct nest nest = { .leaf = -1 };
    int rc = survey(&nest, o, 0);
    if (rc <= 0)
        return rc;
    if (nest.beyond_int64 && (nest.below_zero || nest.floats || nest.complexes))
        return 0;
    bool numbers = nest.ints || nest.bools || nest.complexes;
    nest.type = by_name(nest.complexes            ? "complex128"
                        : nest.floats || !numbers ? "float64"
                        : nest.beyond_int64       ? "uint64"
                        : nest.ints               ? "int64"
                                                  : "bool");
    size_t count = 1, bytes;
    for (int i = 0; i < nest.ndim; i++)
        if (__builtin_mul_overflow(count, (size_t)nest.shape[i], &count))
            return 0;
    if (__builtin_mul_overflow(count, nest.type->size, &bytes) || bytes > SB_FRAME_MAX)
        return sb__fault(s, SB_E_LIMIT, "an array of more than %u bytes", SB_FRAME_MAX);
    put_heads(b, nest.type, nest.shape, nest.ndim, bytes);
    if (!sb__buf_room(b, bytes))
        return 1; /* b->failed tells */
    nest.to = (char *)b->ptr + b->len;
    if (bytes && write_nested(&nest, o, 0) < 0)
        return -1;
    b->len += bytes;
    return 1;
}

/* ---- out ------------------------------------------------------------------------------------- */

static void tell(PyObject *o, char *why, size_t cap)
{
    char name[200];
    sb__type_name((PyObject *)Py_TYPE(o), name, sizeof name);
    PyObject *dtype = PyObject_GetAttr(o, sb__py.str.dtype);
    PyObject *text = dtype ? PyObject_Str(dtype) : NULL;
    Py_ssize_t n;
    const char *p = text ? sb__py.utf8(text, &n) : NULL;
    if (p)
        sb__print(why, cap, "%s of dtype %s", name, p);
    else if (sequence_size(o) >= 0)
        sb__print(why, cap, "%s that is no array of numbers of 64 bits at most", name);
    else
        sb__print(why, cap, "%s", name);
    PyErr_Clear();
    Py_XDECREF(dtype);
    Py_XDECREF(text);
}

/* What has an __array__ method, or a list that holds arrays, by numpy.asarray. 1, 0, -1. */
static int put_as_array(struct sb_engine_session *s, struct sb_buf *b, PyObject *o, bool import)
{
    PyObject *asarray = sb__module_attribute("numpy", "asarray", import);
    if (!asarray)
        return 0;
    PyObject *args[1] = { o };
    PyObject *array = sb__py.vectorcall(asarray, args, 1, NULL);
    Py_DECREF(asarray);
    if (!array) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) /* unequal lengths */
            return -1;
        PyErr_Clear();
        return 0;
    }
    int rc = put_exporter(s, b, array);
    Py_DECREF(array);
    return rc;
}

int sb__encode_array(struct sb_engine_session *s, struct sb_buf *b, PyObject *o, bool convert,
                     char *why, size_t cap)
{
    size_t len = b->len;
    PyObject *plain = NULL;
    int rc = sb__numpy_scalar(o, &plain); /* a date exports its bytes: no array */
    Py_XDECREF(plain);
    if (rc < 0)
        return -1;
    convert = convert && rc != 2;
    rc = rc == 2 ? 0 : put_exporter(s, b, o);
    if (rc == 0 && convert) {
        b->len = len;
        PyObject *list = NULL;
        if (PyObject_TypeCheck(o, &PyRange_Type)) {
            list = PySequence_List(o);
            if (!list)
                return -1;
        }
        PyObject *sequence = list ? list : o;
        if (sequence_size(sequence) >= 0)
            rc = put_nested(s, b, sequence);
        Py_XDECREF(list);
    }
    if (rc == 0 && convert) {
        b->len = len;
        bool own = PyObject_HasAttrString((PyObject *)Py_TYPE(o), "__array__");
        if (own || sequence_size(o) >= 0)
            rc = put_as_array(s, b, o, own);
    }
    if (rc == 0) {
        b->len = len;
        if (why)
            tell(o, why, cap);
    }
    return rc;
}
