/* SPDX-License-Identifier: MIT
 *
 * Values to CBOR. Numbers and text first: they are the hot path. Containers may be changed by other threads while they are
 * walked, so each walk checks that it met as many items as it announced. Recursion is bounded by SB_MAX_DEPTH. */
#include "engine/stdlib.h"
#include "engine/walk.h"
#include <stdio.h>

/* ---- plain values ---------------------------------------------------------------------------- */

int sb__encode_bytes(struct sb_buf *b, PyObject *o)
{
    char *p;
    Py_ssize_t n;
    if (PyBytes_AsStringAndSize(o, &p, &n) < 0)
        return -1;
    sb__put_string(b, SB_MAJOR_BYTES, p, (size_t)n);
    return 0;
}

int sb__encode_buffer(struct sb_buf *b, PyObject *o)
{
    struct sb_buffer view;
    if (!PyObject_TypeCheck(o, &PyByteArray_Type) && !PyMemoryView_Check(o))
        return 0;
    if (sb__py.get_buffer(o, &view, SB_BUFFER_SIMPLE) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_BufferError))
            return -1;
        PyErr_Clear(); /* a memoryview with gaps */
        PyObject *bytes = PyObject_Bytes(o);
        int rc = bytes && sb__encode_bytes(b, bytes) == 0 ? 1 : -1;
        Py_XDECREF(bytes);
        return rc;
    }
    sb__put_string(b, SB_MAJOR_BYTES, view.buf, (size_t)view.len);
    sb__py.release_buffer(&view);
    return 1;
}

static void put_complex(struct sb_buf *b, PyObject *o)
{
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_COMPLEX);
    sb__put_head(b, SB_MAJOR_ARRAY, 2);
    sb__put_float(b, PyComplex_RealAsDouble(o));
    sb__put_float(b, PyComplex_ImagAsDouble(o));
}

int sb__encode_object(struct sb_engine_session *s, struct sb_buf *b, PyObject *o, uint64_t id)
{
    int rc = id ? sb__session_keep(s, id, o) : sb__session_keep_new(s, o, &id);
    if (rc < 0)
        return -1;
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_IDENTIFIER);
    sb__put_uint(b, id);
    return 0;
}

/* ---- containers ------------------------------------------------------------------------------ */

static int changed(const char *what)
{
    PyErr_Format(PyExc_RuntimeError, "%s changed size during iteration", what);
    return -1;
}

typedef int put_items(struct sb_walk *w, PyObject *o, unsigned depth);

/* Walks a container. A deep walk refuses one that is among those around it. */
static int enter(struct sb_walk *w, PyObject *o, unsigned depth, put_items *put)
{
    struct sb_level l = { w->level, o };
    if (!w->deep)
        return put(w, o, depth);
    for (struct sb_level *up = w->level; up; up = up->up)
        if (SB_UNLIKELY(up->object == o)) {
            w->loop = up;
            w->s->place.loops = true;
            return sb__fault(w->s, SB_E_TYPE, "a value that contains itself");
        }
    w->level = &l;
    int rc = put(w, o, depth);
    w->level = l.up;
    if (SB_UNLIKELY(rc < 0 && w->loop == &l))
        w->s->place.cycle = w->s->place.len;
    return rc;
}

static int walk_borrowed(struct sb_walk *w, PyObject *o, unsigned depth)
{
    Py_INCREF(o);
    int rc = sb__walk(w, o, depth);
    Py_DECREF(o);
    return rc;
}

static int put_tuple(struct sb_walk *w, PyObject *o, unsigned depth)
{
    Py_ssize_t n = PyTuple_Size(o);
    int rc = 0;
    sb__put_head(w->b, SB_MAJOR_TAG, SB_TAG_TUPLE);
    sb__put_head(w->b, SB_MAJOR_ARRAY, (uint64_t)n);
    for (Py_ssize_t i = 0; rc == 0 && i < n; i++) {
        rc = walk_borrowed(w, PyTuple_GetItem(o, i), depth + 1);
        if (SB_UNLIKELY(rc < 0))
            sb__place_index(&w->s->place, i);
    }
    return rc;
}

static int put_list(struct sb_walk *w, PyObject *o, unsigned depth)
{
    Py_ssize_t n = PyList_Size(o);
    int rc = 0;
    sb__put_head(w->b, SB_MAJOR_ARRAY, (uint64_t)n);
    for (Py_ssize_t i = 0; rc == 0 && i < n; i++) {
        if (SB_UNLIKELY(PyList_Size(o) != n)) {
            rc = changed("list");
            break;
        }
        rc = walk_borrowed(w, PyList_GetItem(o, i), depth + 1);
        if (SB_UNLIKELY(rc < 0))
            sb__place_index(&w->s->place, i);
    }
    return rc;
}

/* What is a sequence of other kind: a deque, the views of a dict. */
static int put_as_list(struct sb_walk *w, PyObject *o, unsigned depth)
{
    PyObject *list = PySequence_List(o);
    int rc = list ? put_list(w, list, depth) : -1;
    Py_XDECREF(list);
    return rc;
}

static int put_set(struct sb_walk *w, PyObject *o, unsigned depth)
{
    bool frozen = PyObject_TypeCheck(o, &PyFrozenSet_Type);
    Py_ssize_t n = PySet_Size(o), met = 0;
    PyObject *iterator = PyObject_GetIter(o), *item;
    if (!iterator)
        return -1;
    sb__put_head(w->b, SB_MAJOR_TAG, frozen ? SB_TAG_FROZENSET : SB_TAG_SET);
    sb__put_head(w->b, SB_MAJOR_ARRAY, (uint64_t)n);
    int rc = 0;
    while (rc == 0 && (item = PyIter_Next(iterator))) {
        rc = sb__walk(w, item, depth + 1);
        if (SB_UNLIKELY(rc < 0))
            sb__place_part(&w->s->place, "item", met);
        Py_DECREF(item);
        met++;
    }
    Py_DECREF(iterator);
    if (rc == 0 && PyErr_Occurred())
        rc = -1;
    return rc == 0 && met != n ? changed("set") : rc;
}

static int put_dict(struct sb_walk *w, PyObject *o, unsigned depth)
{
    Py_ssize_t n = PyDict_Size(o), met = 0, at = 0;
    PyObject *key, *value;
    int rc = 0;
    sb__put_head(w->b, SB_MAJOR_MAP, (uint64_t)n);
    while (rc == 0 && PyDict_Size(o) == n && PyDict_Next(o, &at, &key, &value)) {
        Py_INCREF(key);
        Py_INCREF(value);
        rc = sb__walk(w, key, depth + 1);
        if (SB_UNLIKELY(rc < 0)) {
            sb__place_part(&w->s->place, "key", met);
        } else {
            rc = sb__walk(w, value, depth + 1);
            if (SB_UNLIKELY(rc < 0))
                sb__place_key(&w->s->place, key);
        }
        Py_DECREF(key);
        Py_DECREF(value);
        if (++met > n)
            break;
    }
    return rc == 0 && met != n ? changed("dictionary") : rc;
}

/* ---- deep copies of other things ------------------------------------------------------------- */

/* The fields of a dataclass by their names. */
static int put_fields(struct sb_walk *w, PyObject *o, unsigned depth)
{
    PyObject *args[1] = { o };
    PyObject *get = sb__module_attribute("dataclasses", "fields", true);
    PyObject *fields = get ? sb__py.vectorcall(get, args, 1, NULL) : NULL;
    Py_ssize_t n = fields ? PyTuple_Size(fields) : -1;
    int rc = n < 0 ? -1 : 0;
    if (rc == 0)
        sb__put_head(w->b, SB_MAJOR_MAP, (uint64_t)n);
    for (Py_ssize_t i = 0; rc == 0 && i < n; i++) {
        PyObject *name = PyObject_GetAttr(PyTuple_GetItem(fields, i), sb__py.str.name);
        PyObject *value = name ? PyObject_GetAttr(o, name) : NULL;
        rc = value && sb__walk(w, name, depth + 1) == 0 ? sb__walk(w, value, depth + 1) : -1;
        if (rc < 0 && name)
            sb__place_field(&w->s->place, name);
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    Py_XDECREF(get);
    Py_XDECREF(fields);
    if (rc < 0 && !PyErr_Occurred() && w->s->fault.code == SB_OK)
        PyErr_SetString(PyExc_TypeError, "a dataclass without fields");
    return rc;
}

/* 1, 0, or -1 with an exception. */
static int is_dataclass(PyObject *o)
{
    PyObject *type = (PyObject *)Py_TYPE(o);
    PyObject *marked = PyObject_GetAttr(type, sb__py.str.__dataclass_fields__);
    if (!marked && !PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    Py_XDECREF(marked);
    return marked != NULL;
}

/* Subclasses of plain values and containers. 1, 0, -1. */
static int put_subclass(struct sb_walk *w, PyObject *o, unsigned depth)
{
    struct sb_buf *b = w->b;
    int rc;
    if (PyLong_Check(o))
        rc = sb__encode_int(b, o);
    else if (PyUnicode_Check(o))
        rc = sb__encode_str(b, o);
    else if (PyBytes_Check(o))
        rc = sb__encode_bytes(b, o);
    else if (PyList_Check(o))
        rc = enter(w, o, depth, put_list);
    else if (PyDict_Check(o))
        rc = enter(w, o, depth, put_dict);
    else if (PyTuple_Check(o))
        rc = enter(w, o, depth, put_tuple);
    else if (PyFloat_Check(o))
        rc = (sb__put_float(b, PyFloat_AsDouble(o)), 0);
    else if (PyComplex_Check(o))
        rc = (put_complex(b, o), 0);
    else if (PyObject_TypeCheck(o, &PyFrozenSet_Type))
        rc = enter(w, o, depth, put_set);
    else if (PyObject_TypeCheck(o, &PySet_Type))
        rc = enter(w, o, depth, put_set);
    else if (Py_TYPE(o) == &PyDictKeys_Type || Py_TYPE(o) == &PyDictValues_Type ||
             Py_TYPE(o) == &PyDictItems_Type || sb__is_deque(o))
        rc = enter(w, o, depth, put_as_list);
    else if ((rc = is_dataclass(o)) > 0)
        rc = enter(w, o, depth, put_fields);
    else
        return rc;
    return rc < 0 ? -1 : 1;
}

/* What is neither a plain value nor a container: a NumPy scalar, an array (deep), an object. */
static int put_other(struct sb_walk *w, PyObject *o, unsigned depth, uint64_t id)
{
    PyObject *plain;
    int rc = sb__put_known(w, o, depth);
    if (rc)
        return rc < 0 ? -1 : 0;
    rc = sb__numpy_scalar(o, &plain); /* before subclasses: a float64 is a float */
    if (rc < 0)
        return -1;
    if (rc == 1) {
        rc = sb__walk(w, plain, depth);
        Py_DECREF(plain);
        return rc;
    }
    if (w->deep && rc == 0) {
        size_t len = w->b->len;
        rc = PyObject_TypeCheck(o, &PyByteArray_Type) ? sb__encode_buffer(w->b, o)
                                                      : put_subclass(w, o, depth);
        if (rc == 0) {
            w->b->len = len;
            rc = sb__encode_array(w->s, w->b, o, false, NULL, 0);
        }
        if (rc == 0) {
            w->b->len = len;
            rc = sb__encode_buffer(w->b, o); /* a memoryview of a type that arrays have not */
        }
        if (rc)
            return rc < 0 ? -1 : 0;
        w->b->len = len;
    }
    return sb__encode_object(w->s, w->b, o, id);
}

int sb__walk(struct sb_walk *w, PyObject *o, unsigned depth)
{
    uint64_t id = w->id;
    w->id = 0;
    PyTypeObject *type = Py_TYPE(o);
    struct sb_buf *b = w->b;
    if (type == &PyUnicode_Type)
        return sb__encode_str(b, o);
    if (type == &PyFloat_Type) {
        sb__put_float(b, sb__float_value(o));
        return 0;
    }
    if (type == &PyLong_Type)
        return sb__encode_int(b, o);
    if (o == Py_None || type == &PyBool_Type) {
        sb__put_byte(b, o == Py_None ? SB_CBOR_NULL : o == Py_True ? SB_CBOR_TRUE : SB_CBOR_FALSE);
        return 0;
    }
    if (type == &PyBytes_Type)
        return sb__encode_bytes(b, o);
    if (type == &PyComplex_Type) {
        put_complex(b, o);
        return 0;
    }
    if (SB_UNLIKELY(depth >= SB_MAX_DEPTH))
        return sb__fault(w->s, SB_E_LIMIT, "a result nested more than %d deep", SB_MAX_DEPTH);
    if (SB_UNLIKELY(b->len > SB_FRAME_MAX))
        return sb__fault(w->s, SB_E_LIMIT, "a result of more than %u bytes", SB_FRAME_MAX);
    if (w->deep) {
        if (type == &PyDict_Type)
            return enter(w, o, depth, put_dict);
        if (type == &PyList_Type)
            return enter(w, o, depth, put_list);
        if (type == &PySet_Type)
            return enter(w, o, depth, put_set);
    }
    if (type == &PyTuple_Type)
        return enter(w, o, depth, put_tuple);
    if (type == &PyFrozenSet_Type)
        return enter(w, o, depth, put_set);
    return put_other(w, o, depth, id);
}

int sb__walk_end(struct sb_walk *w, int rc)
{
    Py_CLEAR(w->class);
    Py_CLEAR(w->path);
    return rc;
}
