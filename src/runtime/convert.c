/* SPDX-License-Identifier: MIT
 *
 * Values: conversions. What an object holds is asked of Python; plain data is converted here. Containers:
 * container.c. */
#include "core/scalar.h"
#include "runtime/session.h"
#include <math.h>

static const sb_args none = { NULL, 0 };
static const double two63 = 9223372036854775808.0;

/* An Enum's member stands for its value where one is asked for. */
static sb_value plain(sb_value v)
{
    while (v.kind == SB_ENUM_ && v.as.items.len == 3)
        v = v.as.items.ptr[0];
    return v;
}

/* `v` as Python sees it, for conversions that only Python can do: the declared type is checked there. */
static bool ask(sb_session *py, const sb_site *at, const char *result, sb_value *v)
{
    sb_value x = *v;
    return sb__dynamic(py, at, '=', "", result, &x, none, 0, v);
}

static void fail_type(sb_session *py, const sb_site *at, const char *function, const char *wanted,
                      sb_value v)
{
    struct sb_trouble t = { 0 };
    if (v.kind == SB_UNSET || v.kind == SB_FAILED_)
        sb__trouble(&t, SB_E_MISUSE, "%s was passed as a value", sb__kind_name(v.kind));
    else
        sb__trouble(&t, SB_E_TYPE, "%s was due, got %s", wanted, sb__kind_name(v.kind));
    sb__fail_trouble(py, at, function, &t);
}

bool sb_as_bool_(sb_session *py, const sb_site *at, sb_value v)
{
    bool x = false;
    if (!sb__start(py))
        return x;
    v = plain(v);
    if (v.kind != SB_OBJECT_ || ask(py, at, "b", &v)) {
        if (v.kind == SB_BOOL_)
            x = v.as.b;
        else
            fail_type(py, at, "sb_as_bool", "bool", v);
    }
    sb__leave(py);
    return x;
}

int64_t sb_as_int_(sb_session *py, const sb_site *at, sb_value v)
{
    int64_t x = 0;
    if (!sb__start(py))
        return x;
    v = plain(v);
    if (v.kind != SB_OBJECT_ || ask(py, at, "i", &v)) {
        if (v.kind == SB_INT_)
            x = v.as.i;
        else if (v.kind == SB_BOOL_)
            x = v.as.b;
        else if (v.kind == SB_FLOAT_ && v.as.f >= -two63 && v.as.f < two63 &&
                 v.as.f == trunc(v.as.f))
            x = (int64_t)v.as.f;
        else if (v.kind == SB_UINT_ || v.kind == SB_BIGINT_)
            sb__fail_trouble(
                py, at, "sb_as_int",
                &(struct sb_trouble) { SB_E_RANGE, "the int does not fit into 64 bits" });
        else if (v.kind == SB_FLOAT_)
            sb__fail_trouble(
                py, at, "sb_as_int",
                &(struct sb_trouble) { SB_E_RANGE, "the float is not an int of 64 bits" });
        else
            fail_type(py, at, "sb_as_int", "int", v);
    }
    sb__leave(py);
    return x;
}

double sb_as_double_(sb_session *py, const sb_site *at, sb_value v)
{
    double x = 0;
    if (!sb__start(py))
        return x;
    v = plain(v);
    if (v.kind != SB_OBJECT_ || ask(py, at, "d", &v)) {
        bool exact = true;
        if (v.kind == SB_FLOAT_)
            x = v.as.f;
        else if (v.kind == SB_BOOL_)
            x = v.as.b;
        else if (v.kind == SB_INT_)
            exact = (x = (double)v.as.i) < two63 && (int64_t)x == v.as.i;
        else if (v.kind == SB_UINT_)
            exact = (x = (double)v.as.u) < 2 * two63 && (uint64_t)x == v.as.u;
        else if (v.kind == SB_BIGINT_)
            exact = false;
        else
            fail_type(py, at, "sb_as_double", "float", v);
        if (!exact) {
            x = 0;
            sb__fail_trouble(py, at, "sb_as_double",
                             &(struct sb_trouble) { SB_E_RANGE, "the int is no double exactly" });
        }
    }
    sb__leave(py);
    return x;
}

sb_str sb_as_str_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_str x = { "", 0 };
    if (!sb__start(py))
        return x;
    v = plain(v);
    if (v.kind != SB_OBJECT_ || ask(py, at, "s", &v)) {
        if (v.kind == SB_STR_)
            x = v.as.str;
        else
            fail_type(py, at, "sb_as_str", "str", v);
    }
    sb__leave(py);
    return x;
}

sb_bytes sb_as_bytes_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_bytes x = { (const unsigned char *)"", 0 };
    if (!sb__start(py))
        return x;
    v = plain(v);
    if (v.kind != SB_OBJECT_ || ask(py, at, "y", &v)) {
        if (v.kind == SB_BYTES_)
            x = v.as.bytes;
        else
            fail_type(py, at, "sb_as_bytes", "bytes", v);
    }
    sb__leave(py);
    return x;
}

/* ---- dates and times ---- */

/* `v` as one of the two kinds; an object is asked for what it is like. False: it failed. */
static bool ask_time(sb_session *py, const sb_site *at, const char *function, sb_kind kind,
                     sb_kind ticks, const char *wanted, sb_value *v)
{
    *v = plain(*v);
    if (v->kind == SB_OBJECT_ && !ask(py, at, "X", v))
        return false;
    *v = plain(*v);
    if (v->kind == kind || v->kind == ticks)
        return true;
    fail_type(py, at, function, wanted, *v);
    return false;
}

static void fail_ticks(sb_session *py, const sb_site *at, const char *function, const char *wanted,
                       sb_ticks ticks)
{
    struct sb_trouble t = { 0 };
    sb__trouble(&t, SB_E_RANGE, "%s is not exactly a %s", ticks.count == SB_NAT ? "NaT" : "it",
                wanted);
    sb__fail_trouble(py, at, function, &t);
}

sb_datetime sb_as_datetime_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_datetime x = { 0 };
    if (!sb__start(py))
        return x;
    if (ask_time(py, at, "sb_as_datetime", SB_DATETIME_, SB_DATETIME64_, "datetime", &v)) {
        if (v.kind == SB_DATETIME_)
            x = v.as.datetime;
        else if (!sb__ticks_datetime(v.as.ticks, &x))
            fail_ticks(py, at, "sb_as_datetime", "datetime", v.as.ticks);
    }
    sb__leave(py);
    return x;
}

sb_date sb_as_date_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_date x = { 0 };
    sb_datetime d;
    if (!sb__start(py))
        return x;
    if (ask_time(py, at, "sb_as_date", SB_DATE_, SB_DATETIME64_, "date", &v)) {
        if (v.kind == SB_DATE_)
            x = v.as.date;
        else if (sb__ticks_datetime(v.as.ticks, &d) && !d.hour && !d.minute && !d.second &&
                 !d.microsecond)
            x = (sb_date) { d.year, d.month, d.day };
        else
            fail_ticks(py, at, "sb_as_date", "date", v.as.ticks);
    }
    sb__leave(py);
    return x;
}

sb_time sb_as_time_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_time x = { 0 };
    if (!sb__start(py))
        return x;
    if (ask_time(py, at, "sb_as_time", SB_TIME_, SB_TIME_, "time", &v))
        x = v.as.time;
    sb__leave(py);
    return x;
}

sb_timedelta sb_as_timedelta_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_timedelta x = { 0 };
    if (!sb__start(py))
        return x;
    if (ask_time(py, at, "sb_as_timedelta", SB_TIMEDELTA_, SB_TIMEDELTA64_, "timedelta", &v)) {
        sb_timedelta made = v.as.timedelta;
        if (v.kind == SB_TIMEDELTA_ ? sb__timedelta_normal(&made)
                                    : sb__ticks_timedelta(v.as.ticks, &made))
            x = made;
        else
            fail_ticks(py, at, "sb_as_timedelta", "timedelta",
                       v.kind == SB_TIMEDELTA_ ? (sb_ticks) { 0 } : v.as.ticks);
    }
    sb__leave(py);
    return x;
}

/* ---- objects ---- */

sb_object sb_as_object_(sb_session *py, const sb_site *at, sb_value v)
{
    if (!py)
        return (sb_object) { 0 };
    sb_object x = sb__failed_object(py);
    if (!sb__start(py))
        return x;
    struct sb_trouble t = { 0 };
    if (v.kind == SB_NONE_) {
        x.id = 0;
    } else if (v.kind == SB_OBJECT_) {
        if (sb__handle_check(py, v.as.object, &t))
            x = v.as.object;
        else
            sb__fail_trouble(py, at, "sb_as_object", &t);
    } else if (ask(py, at, "o", &v)) {
        x = v.as.object;
    }
    sb__leave(py);
    return x;
}

sb_value sb_fetch_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_value x = sb_of_kind_(SB_FAILED_);
    if (!sb__start(py))
        return x;
    if (v.kind == SB_OBJECT_ || sb__has_items(v.kind)) {
        if (ask(py, at, "V", &v))
            x = v;
    } else if (v.kind == SB_UNSET || v.kind == SB_FAILED_) {
        fail_type(py, at, "sb_fetch", "a value", v);
    } else {
        x = v;
    }
    sb__leave(py);
    return x;
}
