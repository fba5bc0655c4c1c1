/* SPDX-License-Identifier: MIT
 *
 * Immutable values of the standard library and NumPy's dates to CBOR. What their C form cannot hold exactly is left to be an
 * object: a time zone with a name or a calendar, a class that is not found again by its path, a path that is no UTF-8. */
#include "core/scalar.h"
#include "engine/stdlib.h"
#include "engine/walk.h"
#include <limits.h>

/* The attribute as an int; `any` where it is none or does not fit, with no exception. */
static long part(PyObject *o, PyObject *name, long any)
{
    PyObject *x = PyObject_GetAttr(o, name);
    int overflow = 0;
    long long n = x && PyLong_Check(x) ? PyLong_AsLongLongAndOverflow(x, &overflow) : any;
    Py_XDECREF(x);
    PyErr_Clear();
    return overflow || n < INT_MIN || n > INT_MAX ? any : (long)n;
}
#define PART(o, name) part(o, sb__py.str.name, -1)

/* ---- dates and times ------------------------------------------------------------------------- */

static bool whole_seconds(PyObject *delta, int32_t *seconds)
{
    if (PART(delta, microseconds) != 0)
        return false;
    long n = part(delta, sb__py.str.days, 9) * 86400 + part(delta, sb__py.str.seconds, -1);
    *seconds = (int32_t)n;
    return n > -86400 && n < 86400;
}

/* The offset of a plain datetime.timezone without a name of its own. 1, 0, -1. */
static int plain_zone(PyObject *o, int32_t *offset)
{
    const struct sb_datetime_api *times = sb__stdlib.times;
    PyObject *zone = PyObject_GetAttr(o, sb__py.str.tzinfo);
    int rc = zone ? 1 : -1;
    *offset = SB_NAIVE;
    if (zone == times->utc) {
        *offset = 0;
    } else if (zone && zone != Py_None) {
        PyObject *args[1] = { zone }, *pickled = NULL; /* (offset,) or (offset, name) */
        if (Py_TYPE(zone) == Py_TYPE(times->utc))
            pickled = sb__py.vectorcall_method(sb__py.str.__getinitargs__, args, 1, NULL);
        rc = pickled && PyTuple_Check(pickled) && PyTuple_Size(pickled) == 1 &&
             whole_seconds(PyTuple_GetItem(pickled, 0), offset);
        Py_XDECREF(pickled);
        PyErr_Clear();
    }
    Py_XDECREF(zone);
    return rc;
}

static sb_date date_parts(PyObject *o)
{
    return (sb_date) { (int16_t)PART(o, year), (uint8_t)PART(o, month), (uint8_t)PART(o, day) };
}
static sb_time time_parts(PyObject *o, int32_t offset)
{
    return (sb_time) { (uint8_t)PART(o, hour),         (uint8_t)PART(o, minute),
                       (uint8_t)PART(o, second),       (uint8_t)PART(o, fold),
                       (uint32_t)PART(o, microsecond), offset };
}
static bool put_datetime(struct sb_buf *b, PyObject *o, int32_t offset)
{
    sb_date d = date_parts(o);
    sb_time t = time_parts(o, offset);
    sb_datetime both = { d.year,   d.month, d.day,         t.hour,  t.minute,
                         t.second, t.fold,  t.microsecond, t.offset };
    if (!sb__is_datetime(&both))
        return false;
    sb__put_datetime(b, &both);
    return true;
}
static bool put_time(struct sb_buf *b, PyObject *o, int32_t offset)
{
    sb_time t = time_parts(o, offset);
    if (!sb__is_time(t))
        return false;
    sb__put_time(b, t);
    return true;
}
static bool put_date(struct sb_buf *b, PyObject *o)
{
    sb_date d = date_parts(o);
    if (!sb__is_date(d))
        return false;
    sb__put_date(b, d);
    return true;
}
static bool put_timedelta(struct sb_buf *b, PyObject *o)
{
    sb_timedelta d = { (int32_t)part(o, sb__py.str.days, INT_MAX), (int32_t)PART(o, seconds),
                       (int32_t)PART(o, microseconds) };
    if (d.seconds < 0 || d.microseconds < 0 || !sb__timedelta_normal(&d))
        return false;
    sb__put_timedelta(b, d);
    return true;
}

/* Exact types. 1, 0, -1. */
static int put_exact_time(struct sb_walk *w, PyObject *o)
{
    const struct sb_datetime_api *times = sb__stdlib.times;
    PyTypeObject *type = Py_TYPE(o);
    int32_t offset;
    if (type == times->date)
        return put_date(w->b, o);
    if (type == times->timedelta)
        return put_timedelta(w->b, o);
    int rc = plain_zone(o, &offset);
    if (rc <= 0)
        return rc;
    return type == times->datetime ? put_datetime(w->b, o, offset) : put_time(w->b, o, offset);
}

static int does_not_fit(struct sb_walk *w, PyObject *o, const char *what)
{
    char name[200];
    sb__type_name((PyObject *)Py_TYPE(o), name, sizeof name);
    PyErr_Clear();
    return sb__fault(w->s, SB_E_RANGE, "a %s %s", name, what);
}

/* utcoffset(), whatever the time zone is. 0, -1. */
static int any_zone(struct sb_walk *w, PyObject *o, bool date, int32_t *offset)
{
    PyObject *args[1] = { o };
    PyObject *zone = PyObject_GetAttr(o, sb__py.str.tzinfo);
    PyObject *delta = zone ? sb__py.vectorcall_method(sb__py.str.utcoffset, args, 1, NULL) : NULL;
    int rc = delta ? 0 : -1;
    *offset = SB_NAIVE;
    if (rc == 0 && delta == Py_None)
        rc = zone == Py_None || date
                 ? 0
                 : does_not_fit(w, o, "whose time zone has no offset without a date");
    else if (rc == 0 && !whole_seconds(delta, offset))
        rc = does_not_fit(w, o, "whose offset is no whole number of seconds below a day");
    Py_XDECREF(zone);
    Py_XDECREF(delta);
    return rc;
}

int sb__put_like(struct sb_walk *w, PyObject *o)
{
    sb__stdlib_look();
    const struct sb_datetime_api *times = sb__stdlib.times;
    PyTypeObject *type = Py_TYPE(o);
    int32_t offset;
    if (!times)
        return 0;
    if (PyType_IsSubtype(type, times->timedelta)) { /* pandas.Timedelta has nanoseconds */
        if (part(o, sb__py.str.nanoseconds, 0))
            return does_not_fit(w, o, "with nanoseconds");
        return put_timedelta(w->b, o) ? 1 : does_not_fit(w, o, "that is no timedelta");
    }
    if (PyType_IsSubtype(type, times->datetime)) {
        if (part(o, sb__py.str.nanosecond, 0))
            return does_not_fit(w, o, "with nanoseconds");
        if (part(o, sb__py.str.year, -1) < 0)
            return does_not_fit(w, o, "that is no date");
        if (any_zone(w, o, true, &offset) < 0)
            return -1;
        return put_datetime(w->b, o, offset) ? 1 : does_not_fit(w, o, "that is no date");
    }
    if (PyType_IsSubtype(type, times->date))
        return put_date(w->b, o) ? 1 : does_not_fit(w, o, "that is no date");
    if (PyType_IsSubtype(type, times->time)) {
        if (any_zone(w, o, false, &offset) < 0)
            return -1;
        return put_time(w->b, o, offset) ? 1 : does_not_fit(w, o, "that is no time");
    }
    return 0;
}

/* ---- numbers, UUIDs, paths ------------------------------------------------------------------- */

static int put_decimal(struct sb_walk *w, PyObject *o)
{
    Py_ssize_t n;
    PyObject *text = PyObject_Str(o);
    const char *s = text ? sb__py.utf8(text, &n) : NULL;
    int rc = !s ? -1 : sb__is_decimal(s, (size_t)n); /* 0: a million digits */
    if (rc == 1)
        sb__put_decimal(w->b, s, (size_t)n);
    Py_XDECREF(text);
    return rc;
}

static int put_int_attribute(struct sb_buf *b, PyObject *o, PyObject *name)
{
    PyObject *x = PyObject_GetAttr(o, name);
    int rc = x && PyLong_Check(x) ? sb__encode_int(b, x) : -1;
    if (x && rc < 0 && !PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "a part of a number that is no int");
    Py_XDECREF(x);
    return rc;
}

static int put_fraction(struct sb_walk *w, PyObject *o)
{
    sb__put_head(w->b, SB_MAJOR_TAG, SB_TAG_RATIONAL);
    sb__put_head(w->b, SB_MAJOR_ARRAY, 2);
    int rc = put_int_attribute(w->b, o, sb__py.str.numerator);
    return rc < 0 || put_int_attribute(w->b, o, sb__py.str.denominator) < 0 ? -1 : 1;
}

static int put_range(struct sb_walk *w, PyObject *o)
{
    PyObject *names[] = { sb__py.str.start, sb__py.str.stop, sb__py.str.step };
    sb__put_head(w->b, SB_MAJOR_TAG, SB_TAG_RANGE);
    sb__put_head(w->b, SB_MAJOR_ARRAY, 3);
    for (int i = 0; i < 3; i++)
        if (put_int_attribute(w->b, o, names[i]) < 0)
            return -1;
    return 1;
}

static int put_slice(struct sb_walk *w, PyObject *o, unsigned depth)
{
    PyObject *names[] = { sb__py.str.start, sb__py.str.stop, sb__py.str.step };
    sb__put_head(w->b, SB_MAJOR_TAG, SB_TAG_SLICE);
    sb__put_head(w->b, SB_MAJOR_ARRAY, 3);
    for (int i = 0; i < 3; i++) {
        PyObject *x = PyObject_GetAttr(o, names[i]);
        int rc = x ? sb__walk(w, x, depth + 1) : -1;
        Py_XDECREF(x);
        if (rc < 0) {
            sb__place_field(&w->s->place, names[i]);
            return -1;
        }
    }
    return 1;
}

static int put_uuid(struct sb_walk *w, PyObject *o)
{
    PyObject *bytes = PyObject_GetAttr(o, sb__py.str.bytes);
    int rc = !bytes ? -1 : PyBytes_Check(bytes) && PyBytes_Size(bytes) == 16;
    if (rc == 1)
        sb__put_uuid(w->b, (const uint8_t *)PyBytes_AsString(bytes));
    Py_XDECREF(bytes);
    return rc;
}

static int put_path(struct sb_walk *w, PyObject *o)
{
    Py_ssize_t n;
    PyObject *text = PyObject_Str(o);
    const char *s = text ? sb__py.utf8(text, &n) : NULL;
    int rc = text ? s != NULL : -1;
    if (rc == 0)
        PyErr_Clear(); /* surrogates: a name that is no UTF-8 */
    if (rc == 1) {
        sb__put_head(w->b, SB_MAJOR_TAG, SB_TAG_PATH);
        sb__put_string(w->b, SB_MAJOR_TEXT, s, (size_t)n);
    }
    Py_XDECREF(text);
    return rc;
}

/* dtype.str: "<M8[ns]", "<m8[25us]", "<m8". */
static bool read_unit(const char *s, size_t n, sb_ticks *t)
{
    if (n < 3 || *s == '>')
        return false;
    t->step = 1;
    t->unit = SB_UNIT_NONE;
    if (n == 3)
        return true;
    if (n < 6 || s[3] != '[' || s[n - 1] != ']')
        return false;
    const char *p = s + 4, *end = s + n - 1;
    int64_t step = *p >= '0' && *p <= '9' ? 0 : 1;
    for (; p < end && *p >= '0' && *p <= '9' && step <= INT32_MAX; p++)
        step = step * 10 + (*p - '0');
    t->step = (int32_t)step;
    return step <= INT32_MAX && sb__unit_of(p, (size_t)(end - p), &t->unit);
}

static int put_ticks(struct sb_walk *w, PyObject *o, bool date)
{
    sb_ticks t = { 0 };
    Py_ssize_t n;
    int rc = -1;
    PyObject *dtype = PyObject_GetAttr(o, sb__py.str.dtype),
             *text = dtype ? PyObject_GetAttr(dtype, sb__py.str.str) : NULL;
    const char *s = text && PyUnicode_Check(text) ? sb__py.utf8(text, &n) : NULL;
    PyObject *args[2] = { o, sb__py.str.i8 };
    PyObject *count = s ? sb__py.vectorcall_method(sb__py.str.view, args, 2, NULL) : NULL;
    PyObject *plain = count ? PyNumber_Index(count) : NULL;
    if (plain) {
        t.count = PyLong_AsLongLong(plain);
        rc = t.count == -1 && PyErr_Occurred()
                 ? -1
                 : read_unit(s, (size_t)n, &t) && sb__is_ticks(t, date);
    }
    if (rc == 1)
        sb__put_ticks(w->b, t, date);
    Py_XDECREF(dtype);
    Py_XDECREF(text);
    Py_XDECREF(count);
    Py_XDECREF(plain);
    if (rc < 0 && !PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "a NumPy date without a dtype");
    return rc;
}

/* ---- classes of the user --------------------------------------------------------------------- */

/* "module:Class" as a new reference, if that leads to just this class again without an import; else None. */
static PyObject *find_path(PyObject *class)
{
    PyObject *module = PyObject_GetAttr(class, sb__py.str.__module__),
             *name = PyObject_GetAttr(class, sb__py.str.__qualname__);
    PyObject *path = NULL, *found = NULL;
    bool texts = module && name && PyUnicode_Check(module) && PyUnicode_Check(name);
    found = texts ? PyDict_GetItem(sb__py.modules, module) : NULL;
    Py_XINCREF(found);
    Py_ssize_t n;
    const char *p = found ? sb__py.utf8(name, &n) : NULL;
    if (p && strlen(p) != (size_t)n)
        p = NULL;
    while (p && found && *p) {
        size_t dot = strcspn(p, ".");
        PyObject *attribute = PyUnicode_FromStringAndSize(p, (Py_ssize_t)dot);
        PyObject *next = attribute ? PyObject_GetAttr(found, attribute) : NULL;
        Py_XDECREF(attribute);
        Py_DECREF(found);
        found = next;
        p += dot + (p[dot] == '.');
    }
    if (p && found == class &&
        PyUnicode_FindChar(module, ':', 0, PyUnicode_GetLength(module), 1) < 0)
        path = PyUnicode_FromFormat("%U:%U", module, name);
    Py_XDECREF(module);
    Py_XDECREF(name);
    Py_XDECREF(found);
    PyErr_Clear();
    const char *whole = path ? sb__py.utf8(path, &n) : NULL;
    if (whole && strlen(whole) == (size_t)n)
        return path;
    PyErr_Clear();
    Py_XDECREF(path);
    Py_INCREF(Py_None);
    return Py_None;
}

/* Borrowed from the walk; NULL if there is none. */
static PyObject *class_path(struct sb_walk *w, PyObject *class)
{
    if (w->class != class) {
        PyObject *path = find_path(class), *old = w->class, *old_path = w->path;
        Py_INCREF(class);
        w->class = class;
        w->path = path;
        Py_XDECREF(old);
        Py_XDECREF(old_path);
    }
    return w->path == Py_None ? NULL : w->path;
}

/* Whether the class gives just this member again, by its name or by its value. */
static bool is_member(PyObject *class, PyObject *o, PyObject *name, PyObject *value)
{
    PyObject *again = PyUnicode_Check(name) ? PyObject_GetItem(class, name) : NULL;
    if (again != o) {
        PyErr_Clear();
        Py_XDECREF(again);
        PyObject *args[1] = { value };
        again = sb__py.vectorcall(class, args, 1, NULL);
    }
    PyErr_Clear();
    Py_XDECREF(again);
    return again == o;
}

static int put_enum(struct sb_walk *w, PyObject *o, unsigned depth)
{
    PyObject *class = (PyObject *)Py_TYPE(o);
    PyObject *path = class_path(w, class);
    if (!path)
        return 0;
    Py_INCREF(path);
    PyObject *name = PyObject_GetAttr(o, sb__py.str._name_),
             *value = name ? PyObject_GetAttr(o, sb__py.str._value_) : NULL;
    int rc =
        value && (PyUnicode_Check(name) || name == Py_None) && is_member(class, o, name, value);
    if (rc) {
        sb__put_head(w->b, SB_MAJOR_TAG, SB_TAG_ENUM);
        sb__put_head(w->b, SB_MAJOR_ARRAY, 3);
        rc = sb__walk(w, value, depth + 1);
        if (rc < 0)
            sb__place_field(&w->s->place, sb__py.str.value);
        if (rc == 0 && (name == Py_None ? (sb__put_null(w->b), 0) : sb__encode_str(w->b, name)) < 0)
            rc = -1;
        rc = rc < 0 || sb__encode_str(w->b, path) < 0 ? -1 : 1;
    } else {
        PyErr_Clear();
    }
    Py_XDECREF(name);
    Py_XDECREF(value);
    Py_DECREF(path);
    return rc;
}

/* Nothing but its items: a subclass of a namedtuple may have attributes. */
static bool has_no_more(PyObject *o)
{
    PyObject *dict = PyObject_GetAttr(o, sb__py.str.__dict__);
    bool none = !dict || !PyDict_Check(dict) || PyDict_Size(dict) == 0;
    PyErr_Clear();
    Py_XDECREF(dict);
    return none;
}

static int put_namedtuple(struct sb_walk *w, PyObject *o, unsigned depth)
{
    PyObject *class = (PyObject *)Py_TYPE(o), *fields = PyObject_GetAttr(class, sb__py.str._fields);
    if (!fields) {
        PyErr_Clear();
        return 0;
    }
    Py_ssize_t n = PyTuple_Size(o);
    bool named = PyTuple_Check(fields) && PyTuple_Size(fields) == n && has_no_more(o);
    for (Py_ssize_t i = 0; named && i < n; i++)
        named = PyUnicode_Check(PyTuple_GetItem(fields, i));
    PyObject *path = named ? class_path(w, class) : NULL;
    if (!path) {
        Py_DECREF(fields);
        return 0;
    }
    Py_INCREF(path);
    int rc = 1;
    sb__put_head(w->b, SB_MAJOR_TAG, SB_TAG_NAMEDTUPLE);
    sb__put_head(w->b, SB_MAJOR_ARRAY, (uint64_t)n * 2 + 1);
    for (Py_ssize_t i = 0; rc > 0 && i < n; i++)
        if (sb__walk(w, PyTuple_GetItem(o, i), depth + 1) < 0) {
            sb__place_field(&w->s->place, PyTuple_GetItem(fields, i));
            rc = -1;
        }
    for (Py_ssize_t i = 0; rc > 0 && i < n; i++)
        rc = sb__encode_str(w->b, PyTuple_GetItem(fields, i)) < 0 ? -1 : 1;
    if (rc > 0)
        rc = sb__encode_str(w->b, path) < 0 ? -1 : 1;
    Py_DECREF(path);
    Py_DECREF(fields);
    return rc;
}

int sb__put_known(struct sb_walk *w, PyObject *o, unsigned depth)
{
    PyTypeObject *type = Py_TYPE(o);
    if (type == &PySlice_Type)
        return put_slice(w, o, depth);
    if (type == &PyRange_Type)
        return put_range(w, o);
    if (o == Py_Ellipsis) {
        sb__put_head(w->b, SB_MAJOR_TAG, SB_TAG_ELLIPSIS);
        sb__put_null(w->b);
        return 1;
    }
    sb__stdlib_look();
    PyTypeObject *const *class = sb__stdlib.class;
    const struct sb_datetime_api *times = sb__stdlib.times;
    if (times && (type == times->datetime || type == times->date || type == times->time ||
                  type == times->timedelta))
        return put_exact_time(w, o);
    if (type == class[SB_CLASS_DECIMAL])
        return put_decimal(w, o);
    if (type == class[SB_CLASS_FRACTION])
        return put_fraction(w, o);
    if (type == class[SB_CLASS_UUID])
        return put_uuid(w, o);
    if (type == class[SB_CLASS_PATH])
        return put_path(w, o);
    if (type == class[SB_CLASS_DATETIME64] || type == class[SB_CLASS_TIMEDELTA64])
        return put_ticks(w, o, type == class[SB_CLASS_DATETIME64]);
    if (class[SB_CLASS_ENUM] && PyType_IsSubtype(type, class[SB_CLASS_ENUM]))
        return put_enum(w, o, depth);
    return PyTuple_Check(o) ? put_namedtuple(w, o, depth) : 0;
}
