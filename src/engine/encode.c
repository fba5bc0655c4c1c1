/* SPDX-License-Identifier: MIT
 *
 * Python objects to CBOR, by the plan's result type: integers, and what the declared types are made of. Values that are taken
 * apart: walk.c. */
#include "engine/walk.h"
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
        return !PyUnicode_Check(o) ? 0 : sb__encode_str(b, o) < 0 ? -1 : 1;
    case 'y':
        return PyBytes_Check(o) ? (sb__encode_bytes(b, o) < 0 ? -1 : 1) : sb__encode_buffer(b, o);
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
    case 'V':
    case 'X': {
        struct sb_walk w = { .s = s, .b = b, .deep = spec->code == 'V', .id = id };
        rc = spec->code == 'X' ? sb__put_like(&w, o) : 0;
        return sb__walk_end(&w, rc ? rc > 0 ? 0 : -1 : sb__walk(&w, o, 0));
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
            return sb__encode_object(s, b, o, 0);
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

int sb__encode_item(struct sb_engine_session *s, struct sb_buf *b, struct sb_target *plan,
                    struct sb_spec *spec, PyObject *o)
{
    return put_result(s, b, plan, spec, o, 0, true);
}

int sb__encode_any(struct sb_engine_session *s, struct sb_buf *b, struct sb_target *plan,
                   PyObject *o, uint64_t id)
{
    if (plan->result.code == '(')
        return put_struct(s, b, plan, o);
    return put_result(s, b, plan, &plan->result, o, id, false);
}
