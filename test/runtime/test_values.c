/* SPDX-License-Identifier: MIT
 *
 * Values both ways, exactly, and the limits. Runs over each transport. */
#include "sbtest.h"
#include <math.h>
#include <stdio.h>

static const char *shown(sb_session *py, sb_value v)
{
    return sb_as_str(py, sb_call(py, "sbtest.show", v)).ptr;
}

static void to_python(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    double d[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
    uint8_t bytes[3] = { 1, 2, 255 };
    sb_array a = SB_ARRAY(&d[0][0], 2, 3), b = SB_ARRAY(bytes, 3);
    assert_string_equal(shown(py, SB_NONE), "NoneType None");
    assert_string_equal(shown(py, SB_TRUE), "bool True");
    assert_string_equal(shown(py, SB(-5)), "int -5");
    assert_string_equal(shown(py, SB(INT64_MIN)), "int -9223372036854775808");
    assert_string_equal(shown(py, SB(UINT64_MAX)), "int 18446744073709551615");
    assert_string_equal(shown(py, sb_from_digits("-123456789012345678901234567890")),
                        "int -123456789012345678901234567890");
    assert_string_equal(shown(py, SB(-0.0)), "float -0.0");
    assert_string_equal(shown(py, SB(NAN)), "float nan");
    assert_string_equal(shown(py, SB(-INFINITY)), "float -inf");
    assert_string_equal(shown(py, SB(0.1)), "float 0.1");
    assert_string_equal(shown(py, sb_from_complex(1, -2)), "complex (1-2j)");
    assert_string_equal(shown(py, SB("caf\xc3\xa9")), "str 'caf\xc3\xa9'");
    assert_string_equal(shown(py, SB(((sb_str) { "a\0b", 3 }))), "str 'a\\x00b'");
    assert_string_equal(shown(py, SB(((sb_bytes) { (const unsigned char *)"a\0\xff", 3 }))),
                        "bytes b'a\\x00\\xff'");
    assert_string_equal(shown(py, SB_LIST(py, 1, "two", SB_LIST(py))), "list [1, 'two', []]");
    assert_string_equal(shown(py, SB_TUPLE(py, 1)), "tuple (1,)");
    assert_string_equal(shown(py, SB_SET(py, 1)), "set {1}");
    assert_string_equal(shown(py, SB_DICT(py, "b", 1, "a", SB_DICT(py, 2, 3.5))),
                        "dict {'b': 1, 'a': {2: 3.5}}");
    sb_value list = sb_list_new(py, SB_LIST_, 0), dict = sb_list_new(py, SB_DICT_, 1);
    for (int i = 0; i < 20; i++) {
        SB_SCOPE(py); /* what grows stays where the container is */
        sb_push(py, &list, i);
        sb_put(py, &dict, i, i * i);
    }
    assert_int_equal(sb_count(py, list), 20);
    assert_string_equal(
        shown(py, list),
        "list [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]");
    assert_int_equal(sb_as_int(py, sb_get(py, dict, 7)), 49);
    assert_float_equal(
        sb_as_double(py, sb_call(py, "math.fsum",
                                 sb_method(py, sb_call(py, "sbtest.echo", &a), "tolist").kind
                                     ? SB_LIST(py, 1.5)
                                     : SB_NONE)),
        1.5, 0);
    assert_string_equal(sb_to_str(py, sb_call(py, "builtins.list", &b)).ptr[0] == '[' ? "list" : "",
                        "list");
    sb_call(py, "sbtest.echo", SB("\xff"));
    expect_error(py, SB_E_PYTHON, "UnicodeDecodeError", NULL);
    sb_call(py, "sbtest.echo", SB("\xed\xa0\x80"));
    expect_error(py, SB_E_PYTHON, "UnicodeDecodeError", NULL);
    sb_call(py, "sbtest.echo", sb_of_kind_(SB_UNSET));
    expect_error(py, SB_E_MISUSE, NULL, "nothing was passed");
    sb_call(py, "sbtest.echo", SB_DICT(py, SB_LIST(py), 1));
    expect_error(py, SB_E_PYTHON, "TypeError", "unhashable");
    assert_int_equal(sb_close(py), 0);
}

static void from_python(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_value v = sb_call(py, "sbtest.echo", SB_TUPLE(py, 1, "a", SB_NONE, 2.5, SB_LIST(py, 1)));
    assert_int_equal(v.kind, SB_TUPLE_);
    assert_int_equal(sb_count(py, v), 5);
    assert_int_equal(sb_as_int(py, sb_nth(py, v, 0)), 1);
    assert_string_equal(sb_as_str(py, sb_nth(py, v, 1)).ptr, "a");
    assert_true(sb_is_none(sb_nth(py, v, 2)));
    assert_int_equal(sb_nth(py, v, 4).kind, SB_OBJECT_); /* mutable: stays in Python */
    assert_int_equal(sb_as_int(py, sb_nth(py, sb_nth(py, v, 4), 0)), 1);
    sb_nth(py, v, 5);
    expect_error(py, SB_E_PYTHON, "IndexError", NULL);
    sb_value deep = sb_fetch(py, v);
    assert_int_equal(sb_nth(py, deep, 4).kind, SB_LIST_);
    sb_value big = sb_call(py, "sbtest.big", 200);
    assert_int_equal(big.kind, SB_BIGINT_);
    assert_string_equal(big.as.str.ptr,
                        "1606938044258990275541962092341162602522202993782792835301376");
    sb_as_int(py, big);
    expect_error(py, SB_E_RANGE, NULL, NULL);
    sb_value max = sb_call(py, "sbtest.echo", UINT64_MAX);
    assert_int_equal(max.kind, SB_UINT_);
    assert_true(max.as.u == UINT64_MAX);
    double z = sb_as_double(py, sb_call(py, "sbtest.echo", -0.0));
    assert_true(z == 0 && signbit(z));
    assert_true(isnan(sb_as_double(py, sb_call(py, "sbtest.echo", NAN))));
    sb_value dict = sb_call(py, "json.loads", "{\"port\": 8080, \"names\": [\"a\", \"b\"]}");
    assert_int_equal(dict.kind, SB_OBJECT_);
    assert_int_equal(sb_as_int(py, sb_get(py, dict, "port")), 8080);
    assert_true(sb_is_unset(sb_get(py, dict, "host")));
    assert_int_equal(sb_count(py, dict), 2);
    sb_value data = sb_fetch(py, dict);
    assert_int_equal(data.kind, SB_DICT_);
    assert_string_equal(sb_as_str(py, sb_nth(py, sb_get(py, data, "names"), 1)).ptr, "b");
    assert_true(sb_is_unset(sb_get(py, data, "host")));
    assert_float_equal(sb_as_double(py, SB(7)), 7, 0);
    sb_as_double(py, SB("7"));
    expect_error(py, SB_E_TYPE, NULL, "float was due, got str");
    sb_as_double(py, SB(INT64_MAX));
    expect_error(py, SB_E_RANGE, NULL, NULL);
    sb_call(py, "builtins.chr", 0xd800);
    expect_error(py, SB_E_PYTHON, "UnicodeEncodeError", NULL);
    assert_int_equal(sb_close(py), 0);
}

static void arrays(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_array made = sb_array_new(py, SB_FLOAT64, 2, (const int64_t[]) { 4, 3 });
    int64_t n;
    double *p = SB_DATA(py, made, double, &n);
    assert_int_equal(n, 12);
    for (int i = 0; i < 12; i++)
        p[i] = i;
    sb_value there = sb_call(py, "sbtest.echo", &made);
    sb_array back = sb_as_array(py, there);
    expect_fine(py);
    assert_int_equal(back.ndim, 2);
    assert_int_equal(back.shape[0], 4);
    double *q = SB_DATA(py, back, double, &n);
    assert_int_equal(n, 12);
    assert_memory_equal(p, q, 12 * sizeof *p);
    SB_DATA(py, back, float, &n);
    expect_error(py, SB_E_TYPE, NULL, "float64, not float32");
    sb_array list = sb_as_array(py, SB_LIST(py, 1, 2, 3));
    const int64_t *i64 = SB_DATA(py, list, int64_t, &n);
    expect_fine(py);
    assert_int_equal(n, 3);
    assert_int_equal(i64[2], 3);
    /* Strides: the transposed view arrives transposed. */
    sb_array t = made;
    t.shape[0] = 3;
    t.shape[1] = 4;
    t.strides[0] = 8;
    t.strides[1] = 24;
    sb_array u = sb_as_array(py, sb_call(py, "sbtest.echo", &t));
    q = SB_DATA(py, u, double, &n);
    assert_float_equal(q[1], 3, 0);
    sb_array_new(py, SB_FLOAT64, 9, (const int64_t[]) { 1, 1, 1, 1, 1, 1, 1, 1, 1 });
    expect_error(py, SB_E_RANGE, NULL, NULL);
    sb_array_new(py, SB_FLOAT64, 1, (const int64_t[]) { -1 });
    expect_error(py, SB_E_RANGE, NULL, NULL);
    sb_as_array(py, SB("text"));
    expect_error(py, SB_E_TYPE, NULL, NULL);
    assert_int_equal(sb_close(py), 0);
}

static void limits(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    {
        SB_SCOPE(py);
        const size_t size = 100u << 20;
        sb_str s = sb_as_str(py, sb_call(py, "sbtest.text", (int64_t)size));
        expect_fine(py);
        assert_int_equal(s.len, size);
        assert_true(s.ptr[0] == 'x' && s.ptr[size - 1] == 'x' && s.ptr[size] == 0);
        assert_int_equal(sb_as_int(py, sb_call(py, "builtins.len", s)), size);
        expect_fine(py);
    }
    {
        SB_SCOPE(py);
        const int64_t count = 10000000;
        sb_value list = sb_fetch(py, sb_call(py, "sbtest.ints", count));
        expect_fine(py);
        assert_int_equal(sb_count(py, list), count);
        assert_int_equal(sb_nth(py, list, (size_t)count - 1).as.i, count - 1);
        assert_int_equal(sb_as_int(py, sb_call(py, "builtins.len", list)), count);
        expect_fine(py);
    }
    sb_value nested = sb_fetch(py, sb_call(py, "sbtest.nested", 400));
    expect_fine(py);
    sb_call(py, "builtins.len", nested);
    expect_fine(py);
    sb_fetch(py, sb_call(py, "sbtest.nested", 1000));
    expect_error(py, SB_E_LIMIT, NULL, "500");
    sb_fetch(py, sb_call(py, "sbtest.cycle"));
    expect_error(py, SB_E_TYPE, NULL, "a value that contains itself: x[0] is x");
    sb_value deep = SB_LIST(py);
    for (int i = 0; i < 1000; i++)
        deep = SB_DICT(py, "k", deep);
    sb_call(py, "sbtest.echo", deep);
    expect_error(py, SB_E_LIMIT, NULL, "500 deep");
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    assert_int_equal(sb_close(py), 0);
}

static void output(void **state)
{
    (void)state;
    char text[4096] = "";
    char path[] = "/tmp/sbtest-output-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    fflush(stdout);
    FILE *saved = stdout;
    stdout = fdopen(fd, "w+"); /* glibc: stdout is a variable */
    sb_session *py = sb_open(.quiet = true);
    printf("one\n");
    sb_call(py, "sbtest.say", "two");
    printf("three\n");
    sb_print(py, SB_LIST(py, 4));
    int64_t n = sb_as_int(py, sb_call(py, "sbtest.say_and_count", "five"));
    printf("six %d\n", (int)n);
    sb_close(py);
    rewind(stdout);
    size_t got = fread(text, 1, sizeof text - 1, stdout);
    text[got] = 0;
    fclose(stdout);
    stdout = saved;
    remove(path);
    assert_string_equal(text, "one\ntwo\nthree\n[4]\nfive\nsix 4\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_python), cmocka_unit_test(from_python), cmocka_unit_test(arrays),
        cmocka_unit_test(limits),    cmocka_unit_test(output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
