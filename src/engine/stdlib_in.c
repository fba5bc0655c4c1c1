/* SPDX-License-Identifier: MIT
 *
 * Values of the standard library and NumPy's dates from CBOR. What the bytes say was checked in core/scalar.c; what a class
 * refuses is its exception. */
#include "core/scalar.h"
#include "engine/codec.h"
#include "engine/stdlib.h"
#include <stdio.h>

static PyObject *call_class(PyTypeObject *class, PyObject *one,
                            PyObject *two) /* steals the arguments; two may be NULL */
{
    PyObject *args[2] = { one, two };
    PyObject *o =
        class && one ? sb__py.vectorcall((PyObject *)class, args, two ? 2 : 1, NULL) : NULL;
    Py_XDECREF(one);
    Py_XDECREF(two);
    return o;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static PyObject *decimal(struct sb_reader *r, uint64_t tag)
{
    char room[SB_DECIMAL_ROOM];
    const char *s;
    size_t n;
    if (!sb__read_decimal(r, tag, room, &s, &n))
        return NULL;
    PyObject *d = call_class(sb__stdlib_class(SB_CLASS_DECIMAL),
                             PyUnicode_FromStringAndSize(s, (Py_ssize_t)n), NULL);
    if (!d || n <= 18)
        return d;
    /* An exponent that is too large is NaN where the thread's context traps nothing. */
    PyObject *args[1] = { d };
    PyObject *nan = sb__py.vectorcall_method(sb__py.str.is_nan, args, 1, NULL);
    if (nan == Py_True && memchr(s, 'n', n) == NULL && memchr(s, 'N', n) == NULL) {
        PyErr_Format(PyExc_OverflowError, "a decimal number whose exponent is too large");
        Py_CLEAR(d);
    } else if (!nan) {
        Py_CLEAR(d);
    }
    Py_XDECREF(nan);
    return d;
}

/* The parts of a tag's array, each an int: new references. False: nothing is to be released. */
static bool read_ints(struct sb_engine_session *s, struct sb_reader *r, PyObject **to, uint64_t due,
                      unsigned depth)
{
    uint64_t n;
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &n))
        return false;
    if (n != due)
        return sb__read_fail(r, "a value with other parts than it has");
    for (uint64_t i = 0; i < due; i++) {
        to[i] = sb__decode(s, r, depth + 1);
        if (to[i] && Py_TYPE(to[i]) == &PyLong_Type)
            continue;
        if (to[i])
            sb__read_fail(r, "a part that is no integer");
        for (uint64_t k = 0; k <= i; k++)
            Py_XDECREF(to[k]);
        return false;
    }
    return true;
}

static PyObject *fraction(struct sb_engine_session *s, struct sb_reader *r, unsigned depth)
{
    PyObject *part[2];
    if (!read_ints(s, r, part, 2, depth))
        return NULL;
    int overflow;
    long long below = PyLong_AsLongLongAndOverflow(part[1], &overflow);
    if (overflow < 0 || (!overflow && below <= 0)) {
        sb__read_fail(r, "a fraction whose denominator is not above 0");
        Py_DECREF(part[0]);
        Py_DECREF(part[1]);
        return NULL;
    }
    return call_class(sb__stdlib_class(SB_CLASS_FRACTION), part[0], part[1]);
}

static PyObject *range(struct sb_engine_session *s, struct sb_reader *r, unsigned depth)
{
    PyObject *part[3], *o;
    if (!read_ints(s, r, part, 3, depth))
        return NULL;
    o = sb__py.vectorcall((PyObject *)&PyRange_Type, part, 3, NULL);
    for (int i = 0; i < 3; i++)
        Py_DECREF(part[i]);
    return o;
}

static PyObject *slice(struct sb_engine_session *s, struct sb_reader *r, unsigned depth)
{
    PyObject *part[3] = { NULL }, *o = NULL;
    uint64_t n;
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &n))
        return NULL;
    if (n != 3) {
        sb__read_fail(r, "a slice has three parts");
        return NULL;
    }
    for (int i = 0; i < 3 && (i == 0 || part[i - 1]); i++)
        part[i] = sb__decode(s, r, depth + 1);
    if (part[2])
        o = PySlice_New(part[0], part[1], part[2]);
    for (int i = 0; i < 3; i++)
        Py_XDECREF(part[i]);
    return o;
}

/* ---- dates and times ------------------------------------------------------------------------- */

static PyObject *zone(const struct sb_datetime_api *times, int32_t offset)
{
    PyObject *o = offset == SB_NAIVE ? Py_None : times->utc;
    if (offset == SB_NAIVE || offset == 0) {
        Py_INCREF(o);
        return o;
    }
    PyObject *delta = times->make_timedelta(0, offset, 0, 1, times->timedelta);
    o = delta ? times->make_zone(delta, NULL) : NULL;
    Py_XDECREF(delta);
    return o;
}

static PyObject *moment(struct sb_reader *r, uint64_t tag)
{
    sb_datetime d;
    sb_date day;
    sb_time t;
    sb_timedelta delta;
    PyObject *o = NULL, *z = NULL;
    const struct sb_datetime_api *times = sb__stdlib_times();
    if (!times)
        return NULL;
    switch (tag) {
    case SB_TAG_DATE:
        return sb__read_date(r, &day) ? times->make_date(day.year, day.month, day.day, times->date)
                                      : NULL;
    case SB_TAG_TIMEDELTA:
        return sb__read_timedelta(r, &delta)
                   ? times->make_timedelta(delta.days, delta.seconds, delta.microseconds, 1,
                                           times->timedelta)
                   : NULL;
    case SB_TAG_TIME:
        if (sb__read_time(r, &t) && (z = zone(times, t.offset)))
            o = times->make_time(t.hour, t.minute, t.second, (int)t.microsecond, z, t.fold,
                                 times->time);
        break;
    default:
        if (sb__read_datetime(r, tag, &d) && (z = zone(times, d.offset)))
            o = times->make_datetime(d.year, d.month, d.day, d.hour, d.minute, d.second,
                                     (int)d.microsecond, z, d.fold, times->datetime);
        break;
    }
    Py_XDECREF(z);
    return o;
}

static PyObject *ticks(struct sb_reader *r, bool date)
{
    sb_ticks t;
    if (!sb__read_ticks(r, date, &t))
        return NULL;
    PyTypeObject *class = sb__stdlib_class(date ? SB_CLASS_DATETIME64 : SB_CLASS_TIMEDELTA64);
    if (!class)
        return NULL;
    PyObject *count =
                 t.count == SB_NAT ? PyUnicode_FromString("NaT") : PyLong_FromLongLong(t.count),
             *unit = NULL;
    if (count && t.unit != SB_UNIT_NONE &&
        !(unit = PyUnicode_FromFormat("%d%s", (int)t.step, sb__unit_name(t.unit))))
        Py_CLEAR(count);
    return call_class(class, count, unit);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static PyObject *uuid(struct sb_reader *r)
{
    sb_uuid u;
    if (!sb__read_uuid(r, &u))
        return NULL;
    PyObject *bytes =
        PyBytes_FromStringAndSize((const char *)u.bytes, sizeof u.bytes); /* UUID(None, bytes) */
    if (!bytes)
        return NULL;
    Py_INCREF(Py_None);
    return call_class(sb__stdlib_class(SB_CLASS_UUID), Py_None, bytes);
}

static PyObject *path(struct sb_reader *r)
{
    const char *s;
    size_t n;
    if (!sb__read_string(r, SB_MAJOR_TEXT, &s, &n))
        return NULL;
    return call_class(sb__stdlib_class(SB_CLASS_PATH),
                      PyUnicode_FromStringAndSize(s, (Py_ssize_t)n), NULL);
}

static PyObject *ellipsis(struct sb_reader *r)
{
    struct sb_head h;
    if (!sb__read_head(r, &h))
        return NULL;
    if (h.major != SB_MAJOR_SIMPLE || h.info != 22) {
        sb__read_fail(r, "an Ellipsis with something in it");
        return NULL;
    }
    Py_INCREF(Py_Ellipsis);
    return Py_Ellipsis;
}

/* The class "module:Class", or with an exception NULL. */
static PyObject *find_class(PyObject *path)
{
    Py_ssize_t n;
    const char *s = sb__py.utf8(path, &n);
    if (!s)
        return NULL;
    if (!n || strlen(s) != (size_t)n)
        return PyErr_Format(PyExc_ValueError, "%R names no class", path);
    PyObject *class = sb__resolve(s);
    if (class && !PyType_Check(class)) {
        PyErr_Format(PyExc_TypeError, "%U is not a class", path);
        Py_CLEAR(class);
    }
    return class;
}

static PyObject *make_member(PyObject *value, PyObject *name, PyObject *path)
{
    PyObject *class = find_class(path), *o = NULL;
    PyTypeObject *enums = class ? sb__stdlib_class(SB_CLASS_ENUM) : NULL;
    if (enums && !PyType_IsSubtype((PyTypeObject *)class, enums)) {
        PyErr_Format(PyExc_TypeError, "%U is no Enum", path);
    } else if (enums) {
        if (PyUnicode_Check(name))
            o = PyObject_GetItem(class, name);
        if (!o && value != Py_None) { /* flags together have no name of their own */
            PyErr_Clear();
            PyObject *args[1] = { value };
            o = sb__py.vectorcall(class, args, 1, NULL);
        } else if (!o && !PyErr_Occurred()) {
            PyErr_Format(PyExc_ValueError, "a member of %U without a name", path);
        }
    }
    Py_XDECREF(class);
    return o;
}

static PyObject *make_namedtuple(PyObject *items)
{
    Py_ssize_t n = PyTuple_Size(items) / 2;
    PyObject *path = PyTuple_GetItem(items, 2 * n), *class = find_class(path), *o = NULL;
    PyObject *values = PyTuple_GetSlice(items, 0, n), *names = PyTuple_GetSlice(items, n, 2 * n),
             *fields = NULL;
    if (class && values && names) {
        fields = PyObject_GetAttr(class, sb__py.str._fields);
        int same = fields ? PyObject_RichCompareBool(fields, names, Py_EQ) : -1;
        PyObject *args[2] = { class, values };
        if (same == 0 || (same > 0 && !PyType_IsSubtype((PyTypeObject *)class, &PyTuple_Type)))
            PyErr_Format(PyExc_TypeError, "%U has the fields %R, not %R", path, fields, names);
        else if (same > 0)
            o = sb__py.vectorcall_method(sb__py.str._make, args, 2, NULL);
    }
    Py_XDECREF(class);
    Py_XDECREF(values);
    Py_XDECREF(names);
    Py_XDECREF(fields);
    return o;
}

/* An Enum's member, a namedtuple: of classes of the user, found by their paths. */
static PyObject *of_class(struct sb_engine_session *s, struct sb_reader *r, bool member,
                          unsigned depth)
{
    uint64_t n;
    const uint8_t *end = r->end;
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &n))
        return NULL;
    if (n % 2 == 0 || (member && n != 3)) {
        sb__read_fail(r, "a value with other parts than it has");
        return NULL;
    }
    PyObject *items = PyTuple_New((Py_ssize_t)n), *o = NULL;
    for (uint64_t i = 0; items && i < n; i++) {
        r->end = end - (n - 1 - i);
        PyObject *item = sb__decode(s, r, depth + 1);
        bool name = member ? i == 2 || (i == 1 && item != Py_None) : i >= n / 2;
        if (item && name && Py_TYPE(item) != &PyUnicode_Type) {
            Py_CLEAR(item);
            sb__read_fail(r, "a name that is no text");
        }
        if (item)
            PyTuple_SetItem(items, (Py_ssize_t)i, item);
        else
            Py_CLEAR(items);
    }
    if (items && member)
        o = make_member(PyTuple_GetItem(items, 0), PyTuple_GetItem(items, 1),
                        PyTuple_GetItem(items, 2));
    else if (items)
        o = make_namedtuple(items);
    Py_XDECREF(items);
    return o;
}

PyObject *sb__decode_known(struct sb_engine_session *s, struct sb_reader *r, uint64_t tag,
                           unsigned depth)
{
    switch (tag) {
    case SB_TAG_DECIMAL:
    case SB_TAG_DECIMAL_TEXT:
        return decimal(r, tag);
    case SB_TAG_RATIONAL:
        return fraction(s, r, depth);
    case SB_TAG_DATETIME:
    case SB_TAG_DATETIME_TEXT:
    case SB_TAG_DATE:
    case SB_TAG_TIME:
    case SB_TAG_TIMEDELTA:
        return moment(r, tag);
    case SB_TAG_UUID:
        return uuid(r);
    case SB_TAG_ENUM:
    case SB_TAG_NAMEDTUPLE:
        return of_class(s, r, tag == SB_TAG_ENUM, depth);
    case SB_TAG_RANGE:
        return range(s, r, depth);
    case SB_TAG_SLICE:
        return slice(s, r, depth);
    case SB_TAG_ELLIPSIS:
        return ellipsis(r);
    case SB_TAG_PATH:
        return path(r);
    case SB_TAG_DATETIME64:
    case SB_TAG_TIMEDELTA64:
        return ticks(r, tag == SB_TAG_DATETIME64);
    default:
        sb__read_fail(r, "a tag that does not exist");
        return NULL;
    }
}
