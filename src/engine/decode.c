/* SPDX-License-Identifier: MIT
 *
 * CBOR to Python objects. The frame is a private copy, but its bytes are hostile: heads are checked
 * by the reader, depth here, and what Python objects refuse (UTF-8, keys without a hash) is a Python
 * exception. Recursion is bounded by SB_MAX_DEPTH. Memory is bounded by the frame: while an item is
 * read, the frame ends for it where the items behind it begin, of which each takes a byte at least;
 * so nested counts cannot ask for more together than there are bytes. */
#include "engine/codec.h"

static PyObject *malformed(struct sb_reader *r, const char *what)
{
    sb__read_fail(r, what);
    return NULL;
}

static PyObject *negative(uint64_t n) /* -1 - n */
{
    if (n <= INT64_MAX)
        return PyLong_FromLongLong(-1 - (int64_t)n);
    PyObject *positive = PyLong_FromUnsignedLongLong(n);
    PyObject *value = positive ? PyNumber_Invert(positive) : NULL;
    Py_XDECREF(positive);
    return value;
}

static PyObject *bignum(struct sb_engine_session *s, struct sb_reader *r, bool below_zero)
{
    const char *p;
    size_t n;
    if (!sb__read_string(r, SB_MAJOR_BYTES, &p, &n))
        return NULL;
    if (n > SB_MAX_INT_BYTES) {
        sb__fault(s, SB_E_LIMIT, "an integer of more than %d bytes", SB_MAX_INT_BYTES);
        return NULL;
    }
    PyObject *args[3] = { (PyObject *)&PyLong_Type, PyBytes_FromStringAndSize(p, (Py_ssize_t)n),
                          sb__py.str.big };
    if (!args[1])
        return NULL;
    PyObject *value = sb__py.vectorcall_method(sb__py.str.from_bytes, args, 3, NULL);
    Py_DECREF(args[1]);
    if (value && below_zero) {
        PyObject *positive = value;
        value = PyNumber_Invert(positive);
        Py_DECREF(positive);
    }
    return value;
}

static PyObject *complex_number(struct sb_reader *r)
{
    uint64_t n;
    double part[2];
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &n))
        return NULL;
    if (n != 2)
        return malformed(r, "a complex number has two parts");
    for (int i = 0; i < 2; i++) {
        struct sb_head h;
        if (!sb__read_head(r, &h))
            return NULL;
        if (!sb__head_float(&h, &part[i]))
            return malformed(r, "a part of a complex number is no float");
    }
    return PyComplex_FromDoubles(part[0], part[1]);
}

static PyObject *list(struct sb_engine_session *s, struct sb_reader *r, uint64_t n, unsigned depth)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    const uint8_t *end = r->end;
    for (uint64_t i = 0; list && i < n; i++) {
        r->end = end - (n - 1 - i);
        PyObject *item = sb__decode(s, r, depth + 1);
        if (!item) {
            sb__place_index(&s->place, (Py_ssize_t)i);
            Py_DECREF(list);
            return NULL;
        }
        PyList_SetItem(list, (Py_ssize_t)i, item);
    }
    return list;
}

static PyObject *tuple(struct sb_engine_session *s, struct sb_reader *r, uint64_t n, unsigned depth)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);
    const uint8_t *end = r->end;
    for (uint64_t i = 0; tuple && i < n; i++) {
        r->end = end - (n - 1 - i);
        PyObject *item = sb__decode(s, r, depth + 1);
        if (!item) {
            sb__place_index(&s->place, (Py_ssize_t)i);
            Py_DECREF(tuple);
            return NULL;
        }
        PyTuple_SetItem(tuple, (Py_ssize_t)i, item);
    }
    return tuple;
}

/* A set, or a frozenset, which may be added to while nobody else has seen it. */
static PyObject *set(struct sb_engine_session *s, struct sb_reader *r, uint64_t n, unsigned depth,
                     bool frozen)
{
    PyObject *set = frozen ? PyFrozenSet_New(NULL) : PySet_New(NULL);
    if (set && frozen && n && Py_REFCNT(set) != 1) { /* before 3.10 there is one empty frozenset */
        PyObject *empty = set;
        PyObject *items = tuple(s, r, n, depth);
        Py_DECREF(empty);
        set = items ? PyFrozenSet_New(items) : NULL;
        Py_XDECREF(items);
        return set;
    }
    for (uint64_t i = 0; set && i < n; i++) {
        PyObject *item = sb__decode(s, r, depth + 1);
        if (!item || PySet_Add(set, item) < 0) {
            sb__place_part(&s->place, "item", (Py_ssize_t)i);
            Py_DECREF(set);
            set = NULL;
        }
        Py_XDECREF(item);
    }
    return set;
}

static PyObject *dict(struct sb_engine_session *s, struct sb_reader *r, uint64_t n, unsigned depth)
{
    PyObject *dict = PyDict_New();
    for (uint64_t i = 0; dict && i < n; i++) {
        PyObject *key = sb__decode(s, r, depth + 1);
        PyObject *value = key ? sb__decode(s, r, depth + 1) : NULL;
        if (!value || PyDict_SetItem(dict, key, value) < 0) {
            if (key && !value)
                sb__place_key(&s->place, key);
            else
                sb__place_part(&s->place, "key", (Py_ssize_t)i);
            Py_DECREF(dict);
            dict = NULL;
        }
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return dict;
}

/* Tag 40: shape, then a typed array. */
static PyObject *shaped(struct sb_engine_session *s, struct sb_reader *r)
{
    uint64_t n, ndim, shape[SB_MAX_NDIM];
    struct sb_head h;
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &n))
        return NULL;
    if (n != 2)
        return malformed(r, "an array has a shape and elements");
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &ndim))
        return NULL;
    if (ndim > SB_MAX_NDIM) {
        sb__fault(s, SB_E_LIMIT, "an array of more than %d dimensions", SB_MAX_NDIM);
        return NULL;
    }
    for (uint64_t i = 0; i < ndim; i++)
        if (!sb__read_uint(r, &shape[i]))
            return NULL;
    if (!sb__read_head(r, &h))
        return NULL;
    if (h.major != SB_MAJOR_TAG || !sb__is_array_tag(h.n))
        return malformed(r, "a typed array was due");
    return sb__decode_array(s, r, h.n, shape, (size_t)ndim);
}

static PyObject *tagged(struct sb_engine_session *s, struct sb_reader *r, uint64_t tag,
                        unsigned depth)
{
    uint64_t n;
    switch (tag) {
    case SB_TAG_BIGNUM:
    case SB_TAG_NEGATIVE_BIGNUM:
        return bignum(s, r, tag == SB_TAG_NEGATIVE_BIGNUM);
    case SB_TAG_IDENTIFIER: {
        if (!sb__read_uint(r, &n))
            return NULL;
        PyObject *o = sb__session_object(s, n);
        Py_XINCREF(o);
        return o;
    }
    case SB_TAG_ARRAY:
        return shaped(s, r);
    case SB_TAG_VIEW:
        return sb__decode_view(s, r);
    case SB_TAG_COMPLEX:
        return complex_number(r);
    case SB_TAG_SET:
    case SB_TAG_TUPLE:
    case SB_TAG_FROZENSET:
        if (!sb__read_count(r, SB_MAJOR_ARRAY, &n))
            return NULL;
        return tag == SB_TAG_TUPLE ? tuple(s, r, n, depth)
                                   : set(s, r, n, depth, tag == SB_TAG_FROZENSET);
    default:
        if (sb__is_array_tag(tag))
            return sb__decode_array(s, r, tag, NULL, 1);
        return sb__decode_known(s, r, tag, depth);
    }
}

PyObject *sb__decode(struct sb_engine_session *s, struct sb_reader *r, unsigned depth)
{
    struct sb_head h;
    if (SB_UNLIKELY(depth > SB_MAX_DEPTH)) {
        sb__fault(s, SB_E_LIMIT, "a value nested more than %d deep", SB_MAX_DEPTH);
        return NULL;
    }
    if (!sb__read_head(r, &h))
        return NULL;
    switch (h.major) {
    case SB_MAJOR_UINT:
        return h.n <= INT64_MAX ? PyLong_FromLongLong((long long)h.n)
                                : PyLong_FromUnsignedLongLong(h.n);
    case SB_MAJOR_NEGATIVE:
        return negative(h.n);
    case SB_MAJOR_BYTES:
    case SB_MAJOR_TEXT: {
        const char *p = (const char *)r->p;
        r->p += h.n;
        return h.major == SB_MAJOR_TEXT ? PyUnicode_FromStringAndSize(p, (Py_ssize_t)h.n)
                                        : PyBytes_FromStringAndSize(p, (Py_ssize_t)h.n);
    }
    case SB_MAJOR_ARRAY:
        return list(s, r, h.n, depth);
    case SB_MAJOR_MAP:
        return dict(s, r, h.n, depth);
    case SB_MAJOR_TAG:
        return tagged(s, r, h.n, depth);
    case SB_MAJOR_SIMPLE:
        break;
    }
    double d;
    if (sb__head_float(&h, &d))
        return PyFloat_FromDouble(d);
    PyObject *o = h.info == 20 ? Py_False : h.info == 21 ? Py_True : h.info == 22 ? Py_None : NULL;
    if (!o)
        return malformed(r, "a simple value that does not exist");
    Py_INCREF(o);
    return o;
}
