/* SPDX-License-Identifier: MIT
 *
 * Values of each kind there and back, what is copied deeply, arrays. */
#include "feature.h"

/* There and back as a value or, what is mutable, as an object. */
static bool echo(sb_session *py, sb_value v)
{
    sb_value back = sb_call(py, "sbtest.echo", v);
    bool same = sb_as_bool(py, sb_op(py, v, "==", back));
    return RIGHT(py, same);
}

static bool scalars(sb_session *py)
{
    bool right = RIGHT(py, sb_is_none(sb_call(py, "sbtest.echo", SB_NONE)));
    right &= echo(py, SB_TRUE) && echo(py, SB(-5)) && echo(py, SB(INT64_MIN));
    right &= echo(py, SB(UINT64_MAX)) && echo(py, SB(1e300)) && echo(py, sb_from_complex(1, -2));
    return right;
}

static bool large_integers(sb_session *py)
{
    sb_value v = sb_call(py, "sbtest.big", 4000);
    sb_as_int(py, v);
    bool right = due(py, SB_E_RANGE, NULL);
    return right && echo(py, sb_from_digits("-123456789012345678901234567890")) &&
           RIGHT(py, v.kind == SB_BIGINT_);
}

static bool texts(sb_session *py)
{
    sb_value text = sb_call(py, "sbtest.text", 100000);
    bool right = RIGHT(py, sb_as_str(py, text).len == 100000);
    right &= echo(py, SB("caf\xc3\xa9")) && echo(py, SB(((sb_str) { "a\0b", 3 }))) &&
             echo(py, SB(((sb_bytes) { (const unsigned char *)"a\0\xff", 3 })));
    sb_bytes bytes = sb_as_bytes(py, sb_call(py, "builtins.bytes", 3));
    return right && RIGHT(py, bytes.len == 3);
}

static bool containers(sb_session *py)
{
    sb_value list = sb_list_new(py, SB_LIST_, 0), dict = sb_list_new(py, SB_DICT_, 1);
    for (int i = 0; i < 40; i++) {
        SB_SCOPE(py);
        sb_push(py, &list, i);
        sb_put(py, &dict, i, "value");
    }
    return echo(py, list) && echo(py, dict) && echo(py, SB_TUPLE(py, 1, SB_TUPLE(py), "x")) &&
           echo(py, SB_SET(py, 1, 2.5, "x")) &&
           echo(py, SB_DICT(py, "a", SB_LIST(py, SB_NONE), SB_TUPLE(py, 1, 2), SB_DICT(py)));
}

static bool with_objects_inside(sb_session *py)
{
    sbtest_Box b = sbtest_Box_new(py, 3);
    sb_value back = sb_call(py, "sbtest.echo", SB_TUPLE(py, b, SB_LIST(py, b), b));
    bool same = sb_is(py, sb_nth(py, back, 0), b);
    return RIGHT(py, same && sb_count(py, back) == 3);
}

static bool fetch(sb_session *py)
{
    sbtest_Box b = sbtest_Box_new(py, 3);
    sb_value deep = sb_fetch(py, sb_call(py, "checks.everything", b));
    bool right = RIGHT(py, deep.kind == SB_DICT_ && sb_count(py, sb_get(py, deep, "list")) == 3);
    sb_value objects = sb_fetch(py, sb_call(py, "checks.things", 50));
    return right && RIGHT(py, sb_count(py, objects) == 50);
}

static bool fetch_refused(sb_session *py)
{
    sb_fetch(py, sb_call(py, "sbtest.cycle"));
    bool right = due(py, SB_E_TYPE, NULL);
    sb_fetch(py, sb_call(py, "sbtest.nested", 1000));
    right = due(py, SB_E_LIMIT, NULL) && right;
    sb_fetch(py, sb_call(py, "checks.surrogates"));
    return due(py, SB_E_PYTHON, "UnicodeEncodeError") && right;
}

static bool arguments_refused(sb_session *py)
{
    sb_call(py, "sbtest.echo", SB_LIST(py, "fine", SB("\xff")));
    bool right = due(py, SB_E_PYTHON, "UnicodeDecodeError");
    sb_call(py, "sbtest.echo", SB_DICT(py, "fine", 1, SB_LIST(py), 1));
    right = due(py, SB_E_PYTHON, "TypeError") && right;
    sb_call(py, "sbtest.echo", SB_LIST(py, "fine", sb_of_kind_(SB_UNSET)));
    right = due(py, SB_E_MISUSE, NULL) && right;
    sb_value deep = SB_LIST(py);
    for (int i = 0; i < 600; i++)
        deep = SB_LIST(py, deep);
    sb_call(py, "sbtest.echo", deep);
    return due(py, SB_E_LIMIT, NULL) && right;
}

static bool conversions(sb_session *py)
{
    sb_value number = sb_call(py, "checks.number", 7);
    bool right = RIGHT(py, sb_as_int(py, number) == 7);
    right &= RIGHT(py, sb_as_double(py, number) == 7);
    right &= RIGHT(py, sb_as_bool(py, SB_TRUE));
    right &= RIGHT(py, sb_as_str(py, sb_call(py, "checks.text", "x")).len == 1);
    sb_object list = sb_as_object(py, SB_LIST(py, 1, 2));
    right &= RIGHT(py, sb_count(py, list) == 2);
    sb_as_double(py, SB("7"));
    right = due(py, SB_E_TYPE, NULL) && right;
    sb_as_str(py, number);
    right = due(py, SB_E_TYPE, NULL) && right;
    sb_as_int(py, SB(1.5));
    return due(py, SB_E_RANGE, NULL) && right;
}

static bool arrays(sb_session *py)
{
    bool right = true;
    for (sb_dtype t = SB_BOOL8; t <= SB_COMPLEX128; t++) {
        SB_SCOPE(py);
        if (t == SB_FLOAT16 || t >= SB_COMPLEX64)
            continue; /* without NumPy, Python has no array of them */
        sb_array a = sb_array_new(py, t, 2, ((const int64_t[]) { 3, 4 }));
        sb_array back = sb_as_array(py, sb_call(py, "sbtest.echo", &a));
        right &= RIGHT(py, back.dtype == t && back.shape[1] == 4);
    }
    double c[6] = { 1, 2, 3, 4, 5, 6 };
    sb_array view = SB_ARRAY(c, 2, 3);
    int64_t n = 0;
    const double *data =
        SB_DATA(py, sb_as_array(py, sb_call(py, "sbtest.echo", &view)), double, &n);
    return right & RIGHT(py, data && n == 6 && data[5] == 6);
}

static bool arrays_of_buffers(sb_session *py)
{
    bool right = true;
    for (const char *code = "bBhHiIlLqQfd"; *code; code++) {
        SB_SCOPE(py);
        char name[2] = { *code, 0 };
        sb_array a = sb_as_array(py, sb_call(py, "array.array", name, SB_LIST(py, 1, 2, 3)));
        right &= RIGHT(py, a.ndim == 1 && a.shape[0] == 3);
    }
    sb_array list = sb_as_array(py, SB_LIST(py, 1, 2.5));
    right &= RIGHT(py, list.dtype == SB_FLOAT64);
    sb_array bytes = sb_as_array(py, sb_call(py, "builtins.bytearray", 100));
    return right & RIGHT(py, bytes.dtype == SB_UINT8 && bytes.shape[0] == 100);
}

static bool arrays_refused(sb_session *py)
{
    sb_as_array(py, SB("text"));
    bool right = due(py, SB_E_TYPE, NULL);
    sb_as_array(py, SB_LIST(py, 1, "x"));
    right = due(py, SB_E_TYPE, NULL) && right;
    sb_array_new(py, SB_FLOAT64, 1, (const int64_t[]) { -1 });
    right = due(py, SB_E_RANGE, NULL) && right;
    sb_array a = sb_array_new(py, SB_FLOAT64, 1, (const int64_t[]) { 3 });
    int64_t n;
    SB_DATA(py, a, float, &n);
    return due(py, SB_E_TYPE, NULL) && right;
}

const struct feature features_values[] = {
    { "scalars", scalars, 0 },
    { "large integers", large_integers, 300 },
    { "texts", texts, 300 },
    { "containers", containers, 300 },
    { "objects inside", with_objects_inside, 0 },
    { "fetch", fetch, 300 },
    { "fetch refused", fetch_refused, 300 },
    { "arguments refused", arguments_refused, 300 },
    { "conversions", conversions, 0 },
    { "arrays", arrays, 300 },
    { "arrays of buffers", arrays_of_buffers, 300 },
    { "arrays refused", arrays_refused, 0 },
    { NULL, NULL, 0 },
};
