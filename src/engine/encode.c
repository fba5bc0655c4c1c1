/* SPDX-License-Identifier: MIT
 *
 * Python objects to CBOR, by the plan's result type. Numbers and text first: they are the hot path.
 * Containers may be changed by other threads while they are walked, so each walk checks that it met
 * as many items as it announced. Recursion is bounded by SB_MAX_DEPTH. */
#include "engine/codec.h"
#include <stdio.h>

/* ---- plain values ---------------------------------------------------------------------------- */

int sb__encode_int(struct sb_buf *b, PyObject *o)
{
    int overflow;
    long long small = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (!overflow) {
        if (small == -1 && PyErr_Occurred())
            return -1;
        sb__put_int(b, small);
        return 0;
    }
    int rc = -1;
    PyObject *magnitude = overflow < 0 ? PyNumber_Invert(o) : PyNumber_Long(o);
    PyObject *bits = NULL, *bytes = NULL, *size = NULL;
    if (!magnitude)
        return -1;
    unsigned long long n = PyLong_AsUnsignedLongLong(magnitude);
    if (n != (unsigned long long)-1 || !PyErr_Occurred()) {
        sb__put_head(b, overflow < 0 ? SB_MAJOR_NEGATIVE : SB_MAJOR_UINT, n);
        rc = 0;
        goto done;
    }
    PyErr_Clear();
    PyObject *args[3] = { magnitude, NULL, sb__py.str.big };
    bits = sb__py.vectorcall_method(sb__py.str.bit_length, args, 1, NULL);
    Py_ssize_t count = bits ? PyLong_AsSsize_t(bits) : -1;
    if (count > SB_MAX_INT_BYTES * 8) /* as Python itself refuses to make digits of large ones */
        PyErr_Format(PyExc_ValueError, "an integer of %zd bits (at most %d can be passed by value)",
                     count, SB_MAX_INT_BYTES * 8);
    if (count < 0 || PyErr_Occurred() || !(size = args[1] = PyLong_FromSsize_t((count + 7) / 8)))
        goto done;
    bytes = sb__py.vectorcall_method(sb__py.str.to_bytes, args, 3, NULL);
    if (!bytes)
        goto done;
    sb__put_head(b, SB_MAJOR_TAG, overflow < 0 ? SB_TAG_NEGATIVE_BIGNUM : SB_TAG_BIGNUM);
    sb__put_string(b, SB_MAJOR_BYTES, PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes));
    rc = 0;
done:
    Py_DECREF(magnitude);
    Py_XDECREF(bits);
    Py_XDECREF(size);
    Py_XDECREF(bytes);
    return rc;
}

static int put_str(struct sb_buf *b, PyObject *o)
{
    Py_ssize_t n;
    const char *p = sb__py.utf8(o, &n);
    if (!p)
        return -1;
    sb__put_string(b, SB_MAJOR_TEXT, p, (size_t)n);
    return 0;
}

static int put_bytes(struct sb_buf *b, PyObject *o)
{
    char *p;
    Py_ssize_t n;
    if (PyBytes_AsStringAndSize(o, &p, &n) < 0)
        return -1;
    sb__put_string(b, SB_MAJOR_BYTES, p, (size_t)n);
    return 0;
}

static void put_complex(struct sb_buf *b, PyObject *o)
{
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_COMPLEX);
    sb__put_head(b, SB_MAJOR_ARRAY, 2);
    sb__put_float(b, PyComplex_RealAsDouble(o));
    sb__put_float(b, PyComplex_ImagAsDouble(o));
}

static int put_object(struct sb_engine_session *s, struct sb_buf *b, PyObject *o, uint64_t id)
{
    int rc = id ? sb__session_keep(s, id, o) : sb__session_keep_new(s, o, &id);
    if (rc < 0)
        return -1;
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_IDENTIFIER);
    sb__put_uint(b, id);
    return 0;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* bytearray and memoryview as bytes: 1; 0 if it is neither; -1. */
static int put_buffer(struct sb_buf *b, PyObject *o)
{
    struct sb_buffer view;
    if (!PyObject_TypeCheck(o, &PyByteArray_Type) && !PyMemoryView_Check(o))
        return 0;
    if (sb__py.get_buffer(o, &view, SB_BUFFER_SIMPLE) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_BufferError))
            return -1;
        PyErr_Clear(); /* a memoryview with gaps */
        PyObject *bytes = PyObject_Bytes(o);
        int rc = bytes && put_bytes(b, bytes) == 0 ? 1 : -1;
        Py_XDECREF(bytes);
        return rc;
    }
    sb__put_string(b, SB_MAJOR_BYTES, view.buf, (size_t)view.len);
    sb__py.release_buffer(&view);
    return 1;
}

/* How a value is taken apart. */
struct walk {
    struct sb_engine_session *s;
    struct sb_buf *b;
    bool deep;   /* V: containers and arrays by value, subclasses, too */
    uint64_t id; /* for the outermost object, or 0 */
};

static int put_value(struct walk *w, PyObject *o, unsigned depth);

static int changed(const char *what)
{
    PyErr_Format(PyExc_RuntimeError, "%s changed size during iteration", what);
    return -1;
}

static int put_item(struct walk *w, PyObject *o, unsigned depth) /* borrowed: keeps it alive */
{
    Py_INCREF(o);
    int rc = put_value(w, o, depth);
    Py_DECREF(o);
    return rc;
}

static int put_tuple(struct walk *w, PyObject *o, unsigned depth)
{
    Py_ssize_t n = PyTuple_Size(o);
    sb__put_head(w->b, SB_MAJOR_TAG, SB_TAG_TUPLE);
    sb__put_head(w->b, SB_MAJOR_ARRAY, (uint64_t)n);
    for (Py_ssize_t i = 0; i < n; i++)
        if (put_item(w, PyTuple_GetItem(o, i), depth + 1) < 0)
            return -1;
    return 0;
}

static int put_list(struct walk *w, PyObject *o, unsigned depth)
{
    Py_ssize_t n = PyList_Size(o);
    sb__put_head(w->b, SB_MAJOR_ARRAY, (uint64_t)n);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (PyList_Size(o) != n)
            return changed("list");
        if (put_item(w, PyList_GetItem(o, i), depth + 1) < 0)
            return -1;
    }
    return 0;
}

static int put_set(struct walk *w, PyObject *o, unsigned depth, bool frozen)
{
    Py_ssize_t n = PySet_Size(o), met = 0;
    sb__put_head(w->b, SB_MAJOR_TAG, frozen ? SB_TAG_FROZENSET : SB_TAG_SET);
    sb__put_head(w->b, SB_MAJOR_ARRAY, (uint64_t)n);
    PyObject *iterator = PyObject_GetIter(o), *item;
    if (!iterator)
        return -1;
    int rc = 0;
    while (rc == 0 && (item = PyIter_Next(iterator))) {
        rc = put_value(w, item, depth + 1);
        Py_DECREF(item);
        met++;
    }
    Py_DECREF(iterator);
    if (rc == 0 && PyErr_Occurred())
        rc = -1;
    return rc == 0 && met != n ? changed("set") : rc;
}

static int put_dict(struct walk *w, PyObject *o, unsigned depth)
{
    Py_ssize_t n = PyDict_Size(o), met = 0, at = 0;
    PyObject *key, *value;
    sb__put_head(w->b, SB_MAJOR_MAP, (uint64_t)n);
    while (PyDict_Size(o) == n && PyDict_Next(o, &at, &key, &value)) {
        Py_INCREF(value);
        int rc = put_item(w, key, depth + 1);
        if (rc == 0)
            rc = put_value(w, value, depth + 1);
        Py_DECREF(value);
        if (rc < 0)
            return -1;
        if (++met > n)
            break;
    }
    return met != n ? changed("dictionary") : 0;
}

/* What is neither a plain value nor a container: a NumPy scalar, an array (deep), an object. */
static int put_other(struct walk *w, PyObject *o, unsigned depth, uint64_t id)
{
    PyObject *plain;
    int rc = sb__numpy_scalar(o, &plain);
    if (rc < 0)
        return -1;
    if (rc == 1) {
        rc = put_value(w, plain, depth);
        Py_DECREF(plain);
        return rc;
    }
    if (w->deep && rc == 0) {
        size_t len = w->b->len;
        if (PyObject_TypeCheck(o, &PyByteArray_Type))
            return put_buffer(w->b, o) < 0 ? -1 : 0;
        rc = sb__encode_array(w->s, w->b, o, false, NULL, 0);
        if (rc)
            return rc < 0 ? -1 : 0;
        w->b->len = len;
    }
    return put_object(w->s, w->b, o, id);
}

static int put_value(struct walk *w, PyObject *o, unsigned depth)
{
    uint64_t id = w->id;
    w->id = 0;
    PyTypeObject *type = Py_TYPE(o);
    struct sb_buf *b = w->b;
    if (type == &PyFloat_Type) {
        sb__put_float(b, PyFloat_AsDouble(o));
        return 0;
    }
    if (type == &PyLong_Type)
        return sb__encode_int(b, o);
    if (type == &PyUnicode_Type)
        return put_str(b, o);
    if (o == Py_None || type == &PyBool_Type) {
        sb__put_byte(b, o == Py_None ? SB_CBOR_NULL : o == Py_True ? SB_CBOR_TRUE : SB_CBOR_FALSE);
        return 0;
    }
    if (type == &PyBytes_Type)
        return put_bytes(b, o);
    if (type == &PyComplex_Type) {
        put_complex(b, o);
        return 0;
    }
    if (depth >= SB_MAX_DEPTH)
        return sb__fault(w->s, SB_E_LIMIT, "a result nested more than %d deep", SB_MAX_DEPTH);
    if (SB_UNLIKELY(b->len > SB_FRAME_MAX))
        return sb__fault(w->s, SB_E_LIMIT, "a result of more than %u bytes", SB_FRAME_MAX);
    if (type == &PyTuple_Type)
        return put_tuple(w, o, depth);
    if (type == &PyFrozenSet_Type)
        return put_set(w, o, depth, true);
    if (w->deep) {
        if (PyLong_Check(o))
            return sb__encode_int(b, o);
        if (PyUnicode_Check(o))
            return put_str(b, o);
        if (PyBytes_Check(o))
            return put_bytes(b, o);
        if (PyFloat_Check(o)) {
            sb__put_float(b, PyFloat_AsDouble(o));
            return 0;
        }
        if (PyComplex_Check(o)) {
            put_complex(b, o);
            return 0;
        }
        if (PyList_Check(o))
            return put_list(w, o, depth);
        if (PyDict_Check(o))
            return put_dict(w, o, depth);
        if (PyTuple_Check(o))
            return put_tuple(w, o, depth);
        if (PyObject_TypeCheck(o, &PyFrozenSet_Type))
            return put_set(w, o, depth, true);
        if (PyObject_TypeCheck(o, &PySet_Type))
            return put_set(w, o, depth, false);
    }
    return put_other(w, o, depth, id);
}

/* ---- declared types -------------------------------------------------------------------------- */

static void describe_spec(const struct sb_spec *spec, char *out, size_t cap)
{
    static const struct {
        char code;
        const char *name;
    } names[] = { { 'i', "int" },   { 'd', "float" },   { 'b', "bool" },   { 's', "str" },
                  { 'y', "bytes" }, { 'e', "one of " }, { 'o', "object" }, { 'w', "array" } };
    const char *name = "tuple";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == spec->code)
            name = names[i].name;
    char detail[200] = "";
    if (spec->code == 'e') {
        PyObject *repr = PyObject_Repr(spec->literals);
        Py_ssize_t n;
        const char *p = repr ? sb__py.utf8(repr, &n) : NULL;
        sb__print(detail, sizeof detail, "%s", p ? p : "its literals");
        PyErr_Clear();
        Py_XDECREF(repr);
    } else if (spec->code == '(') {
        sb__print(detail, sizeof detail, " of %zu", spec->count);
    } else if (spec->class_name) {
        name = "";
        if (spec->class)
            sb__type_name(spec->class, detail, sizeof detail);
        else
            sb__print(detail, sizeof detail, "%s", spec->class_name);
    }
    sb__print(out, cap, "%s%s%s", name, detail, spec->optional ? " or None" : "");
}

static int mismatch(struct sb_engine_session *s, const struct sb_target *plan,
                    const struct sb_spec *spec, PyObject *o)
{
    if (PyErr_Occurred())
        return -1;
    char declared[240], got[240];
    describe_spec(spec, declared, sizeof declared);
    sb__type_name((PyObject *)Py_TYPE(o), got, sizeof got);
    if (spec->code == 'e') { /* the value tells more than its type */
        PyObject *repr = PyObject_Repr(o);
        Py_ssize_t n;
        const char *p = repr ? sb__py.utf8(repr, &n) : NULL;
        if (p)
            sb__print(got, sizeof got, "%s", p);
        PyErr_Clear();
        Py_XDECREF(repr);
    } else if (spec->code == '(' && PyTuple_Check(o)) {
        sb__print(got, sizeof got, "tuple of %zd", PyTuple_Size(o));
    }
    return sb__fault(s, SB_E_TYPE, "%s: declared %s, got %s", plan->label, declared, got);
}

/* 1: done; 0: not of this type; -1. */
static int put_index(struct sb_buf *b, PyObject *o)
{
    if (!PyIndex_Check(o))
        return 0;
    PyObject *index = PyNumber_Index(o);
    if (!index && PyErr_ExceptionMatches(PyExc_TypeError)) { /* an array of several elements */
        PyErr_Clear();
        return 0;
    }
    int rc = !index || sb__encode_int(b, index) < 0 ? -1 : 1;
    Py_XDECREF(index);
    return rc;
}

static int put_double(struct sb_buf *b, PyObject *o)
{
    if (PyFloat_Check(o)) {
        sb__put_float(b, PyFloat_AsDouble(o));
        return 1;
    }
    if (!PyLong_Check(o) || Py_TYPE(o) == &PyBool_Type)
        return 0;
    double d = PyLong_AsDouble(o);
    if (d == -1.0 && PyErr_Occurred()) {
        PyErr_Clear(); /* OverflowError: too large for any double */
        return 0;
    }
    PyObject *back = PyLong_FromDouble(d);
    int same = back ? PyObject_RichCompareBool(back, o, Py_EQ) : -1;
    Py_XDECREF(back);
    if (same == 1)
        sb__put_float(b, d);
    return same;
}

static int put_literal(struct sb_buf *b, const struct sb_spec *spec, PyObject *o)
{
    Py_ssize_t n = PyTuple_Size(spec->literals);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *literal = PyTuple_GetItem(spec->literals, i);
        bool alike =
            Py_TYPE(o) == Py_TYPE(literal) || (PyUnicode_Check(literal) && PyUnicode_Check(o));
        int same = alike ? PyObject_RichCompareBool(literal, o, Py_EQ) : 0;
        if (same < 0)
            return -1;
        if (same) {
            sb__put_uint(b, (uint64_t)i + 1);
            return 1;
        }
    }
    return 0;
}

/* i d b s y e: 1, 0 or -1. */
static int put_scalar(struct sb_buf *b, const struct sb_spec *spec, PyObject *o)
{
    switch (spec->code) {
    case 'i':
        return !PyLong_Check(o) ? 0 : sb__encode_int(b, o) < 0 ? -1 : 1;
    case 'd':
        return put_double(b, o);
    case 'b':
        if (Py_TYPE(o) != &PyBool_Type)
            return 0;
        sb__put_bool(b, o == Py_True);
        return 1;
    case 's':
        return !PyUnicode_Check(o) ? 0 : put_str(b, o) < 0 ? -1 : 1;
    case 'y':
        return PyBytes_Check(o) ? (put_bytes(b, o) < 0 ? -1 : 1) : put_buffer(b, o);
    default:
        return put_literal(b, spec, o);
    }
}

/* 1, 0 if `o` is not of the class that the type names, -1. */
static int of_class(struct sb_spec *spec, PyObject *o)
{
    if (!spec->class_name)
        return 1;
    PyObject *class = sb__spec_class(spec);
    if (!class)
        return -1;
    return (PyObject *)Py_TYPE(o) == class ? 1 : PyObject_IsInstance(o, class);
}

/* One result that is no tuple. `member`: it stands in one, so an object is told by its id. */
static int put_result(struct sb_engine_session *s, struct sb_buf *b, struct sb_target *plan,
                      struct sb_spec *spec, PyObject *o, uint64_t id, bool member)
{
    if (spec->code == 'n' || (spec->optional && o == Py_None)) {
        sb__put_null(b);
        return 0;
    }
    int rc;
    switch (spec->code) {
    case 'v':
    case 'V': {
        struct walk w = { .s = s, .b = b, .deep = spec->code == 'V', .id = id };
        return put_value(&w, o, 0);
    }
    case 'w': {
        char why[300];
        rc = sb__encode_array(s, b, o, true, why, sizeof why);
        if (rc == 0)
            return sb__fault(s, SB_E_TYPE, "%s: declared array, got %s", plan->label, why);
        return rc < 0 ? -1 : 0;
    }
    case 'o':
        rc = of_class(spec, o);
        if (rc < 1)
            return rc < 0 ? -1 : mismatch(s, plan, spec, o);
        if (member)
            return put_object(s, b, o, 0);
        if (sb__session_keep(s, id, o) < 0)
            return -1;
        if (spec->optional)
            sb__put_bool(b, true);
        else
            sb__put_null(b);
        return 0;
    default:
        break;
    }
    rc = put_scalar(b, spec, o);
    if (rc == 0) {
        PyObject *plain;
        rc = sb__numpy_scalar(o, &plain);
        if (rc == 1) {
            rc = put_scalar(b, spec, plain);
            Py_DECREF(plain);
        } else if (rc == 0 && spec->code == 'i') {
            rc = put_index(b, o);
        } else if (rc == 2) {
            rc = 0;
        }
    }
    return rc == 0 ? mismatch(s, plan, spec, o) : rc < 0 ? -1 : 0;
}

static int put_struct(struct sb_engine_session *s, struct sb_buf *b, struct sb_target *plan,
                      PyObject *o)
{
    struct sb_spec *spec = &plan->result;
    if (!PyTuple_Check(o) && !PyList_Check(o))
        return mismatch(s, plan, spec, o);
    PyObject *items = PySequence_Tuple(o); /* a list may change */
    if (!items)
        return -1;
    int rc = 0;
    if ((size_t)PyTuple_Size(items) != spec->count) {
        rc = mismatch(s, plan, spec, items);
        goto done;
    }
    sb__put_head(b, SB_MAJOR_ARRAY, spec->count);
    for (size_t i = 0; rc == 0 && i < spec->count; i++)
        rc =
            put_result(s, b, plan, &spec->items[i], PyTuple_GetItem(items, (Py_ssize_t)i), 0, true);
done:
    Py_DECREF(items);
    return rc;
}

int sb__encode_any(struct sb_engine_session *s, struct sb_buf *b, struct sb_target *plan,
                   PyObject *o, uint64_t id)
{
    if (plan->result.code == '(')
        return put_struct(s, b, plan, o);
    return put_result(s, b, plan, &plan->result, o, id, false);
}
