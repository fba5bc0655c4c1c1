/* SPDX-License-Identifier: MIT
 *
 * Every macro of snakebridge.h in use, as C and as C++: values of every type, options in every spelling, scopes left in
 * every way. Compiled by all compilers with all warnings, and run. Prints "ok" and how many checks there were. */
#include <snakebridge.h>
#include "py/app.h"
#include "py/builtins.h"
#include "py/counted.h"
#include "py/math.h"
#include "py/numpy.h"
#include "py/pandas.h"
#include "py/pathlib.h"
#include "py/re.h"
#include <stdlib.h>
#include <string.h>

static int checks;
static void check(sb_session *py, bool right, const char *what, int line)
{
    checks++;
    if (sb_failed(py)) {
        sb_print_error(py, stderr);
        exit(1);
    }
    if (!right) {
        fprintf(stderr, "macros.c:%d: %s\n", line, what);
        exit(1);
    }
}
#define CHECK(x) check(py, (x), #x, __LINE__)
#define SAME(x, text) check(py, !strcmp(x, text), "not " text, __LINE__)

/* How Python sees a value. */
static const char *seen(sb_session *py, sb_value v)
{
    return sb_as_str(py, sb_call(py, "builtins.repr", v)).ptr;
}
#define SEEN(x, text) SAME(seen(py, SB(x)), text)

static void values(sb_session *py)
{
    SB_SCOPE(py);
    const signed char sc = -1;
    const unsigned char uc = 200;
    const short s = -2;
    const unsigned short us = 60000;
    const long l = -3;
    const long long ll = -4;
    const unsigned long long ull = 18446744073709551615u;
    const unsigned long ul = 18446744073709551615u;
    const float f = 0.5f;
    char buffer[] = "buffer";
    char *p = buffer;
    const char *cp = "pointer", *null = NULL;
    bool b = true;
    sb_str str = { "a\0b", 3 };
    sb_bytes bytes = { (const unsigned char *)"\0\377", 2 };
    double numbers[] = { 1, 2, 3 };
    sb_array array = SB_ARRAY(numbers, 3);
    const sb_array *view = &array;
    sb_object none = { 0 };
    SEEN(sc, "-1");
    SEEN(uc, "200");
    SEEN(s, "-2");
    SEEN(us, "60000");
    SEEN(5, "5");
    SEEN(5u, "5");
    SEEN(l, "-3");
    SEEN(ll, "-4");
    SEEN(ul, "18446744073709551615");
    SEEN(ull, "18446744073709551615");
    SEEN(f, "0.5");
    SEEN(2.5, "2.5");
    SEEN(p, "'buffer'");
    SEEN(buffer, "'buffer'");
    SEEN(cp, "'pointer'");
    SEEN("literal", "'literal'");
    SEEN(null, "None");
    SEEN(b, "True");
    SEEN((bool)(l == -3), "True");
    SEEN(SB_TRUE, "True");
    SEEN(SB_FALSE, "False");
    SEEN(SB_NONE, "None");
    SEEN(str, "'a\\x00b'");
    SEEN(bytes, "b'\\x00\\xff'");
    SEEN(none, "None");
    SEEN(sb_from_complex(1, -2), "(1-2j)");
    SEEN(sb_from_digits("123456789012345678901234567890"), "123456789012345678901234567890");
    SEEN(SB(SB(7)), "7");
    SEEN(view, "array([1., 2., 3.])");
    SEEN(&array, "array([1., 2., 3.])");
    pandas_DataFrame df = pandas_DataFrame_new(py);
    CHECK(sb_is(py, df, df.object));
    CHECK(sb_is(py, df, df.as_NDFrame));
    /* An argument is evaluated once. */
    int n = 0;
    CHECK(sb_as_int(py, sb_call(py, "builtins.abs", n++)) == 0 && n == 1);
    CHECK(sb_as_int(py, n++) == 1 && n == 2);
    sb_value list = SB_LIST(py, n++, n);
    CHECK(n == 3 && sb_count(py, list) == 2);
}

static void containers(sb_session *py)
{
    SB_SCOPE(py);
    SEEN(SB_LIST(py), "[]");
    SEEN(SB_LIST(py, 1), "[1]");
    SEEN(SB_LIST(py, 1, "two", 3.5, SB_NONE, SB_LIST(py, SB_LIST(py))),
         "[1, 'two', 3.5, None, [[]]]");
    SEEN(SB_TUPLE(py), "()");
    SEEN(SB_TUPLE(py, 1, SB_TUPLE(py, 2)), "(1, (2,))");
    SEEN(SB_SET(py, 1), "{1}");
    SEEN(SB_DICT(py), "{}");
    SEEN(SB_DICT(py, "a", 1, 2, SB_DICT(py, "b", SB_LIST(py, 1))), "{'a': 1, 2: {'b': [1]}}");
    sb_value all =
        SB_LIST(py, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
                43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63);
    CHECK(sb_count(py, all) == 64 && sb_as_int(py, sb_nth(py, all, 63)) == 63);
    /* Eight deep, in one expression. */
    sb_value deep = SB_LIST(
        py,
        SB_DICT(py, "k",
                SB_LIST(py, SB_TUPLE(py, SB_LIST(py, SB_LIST(py, SB_LIST(py, SB_LIST(py, 8))))))));
    SEEN(deep, "[{'k': [([[[[8]]]],)]}]");
    CHECK(py_math_sqrt(
              py,
              py_math_sqrt(
                  py, py_math_sqrt(
                          py, py_math_sqrt(
                                  py, py_math_sqrt(
                                          py, py_math_sqrt(
                                                  py, py_math_sqrt(py, py_math_sqrt(py, 1)))))))) ==
          1);
    CHECK(
        sb_as_int(
            py, sb_call(py, "builtins.abs",
                        sb_call(py, "builtins.abs",
                                sb_call(py, "builtins.abs",
                                        sb_call(py, "builtins.abs",
                                                sb_call(py, "builtins.abs",
                                                        sb_call(py, "builtins.abs",
                                                                sb_call(py, "builtins.abs",
                                                                        sb_call(py, "builtins.abs",
                                                                                -8))))))))) == 8);
}

#define ROWS 2
#define ZERO 0
#define FRACTION 0.25
#define SEPARATOR ", .n = 7, )("
#define PAIR 1, 2
#define MAXIMUM(a, b) ((a) > (b) ? (a) : (b))
struct point {
    int64_t x, y;
};
#ifdef __cplusplus
#define POINT(...)  \
    point           \
    {               \
        __VA_ARGS__ \
    }
#else
#define POINT(...)  \
    (struct point)  \
    {               \
        __VA_ARGS__ \
    }
#endif
static int64_t sum(struct point p)
{
    return p.x + p.y;
}

static void options(sb_session *py)
{
    SB_SCOPE(py);
#define SHOW(text, ...) SAME(counted_show(py, "t", __VA_ARGS__).ptr, text)
    SAME(counted_show(py, "t").ptr, "t , 5 True 0.5 None");
    SHOW("t , 0 False 0.0 None", .n = 0, .flag = false, .alpha = 0.0);
    SHOW("t , 0 True 0.25 None", .n = ZERO, .alpha = FRACTION);
    SHOW("t , 2 True 0.5 None", .n = MAXIMUM(ROWS, 1));
    SHOW("t , 3 True 0.5 None", .n = sum(POINT(1, 2))); /* commas in braces */
    SHOW("t , 3 True 0.5 [1, 2]", .n = sum(POINT(.x = 1, .y = 2)), .other = SB_LIST(py, PAIR));
    SHOW("t , .n = 7, )( 5 True 0.5 None", .sep = ", .n = 7, )(");
    SHOW("t , .n = 7, )( 0 True 0.5 None", .sep = SEPARATOR, .n = 0);
    SHOW("t \\\", .n = 9 5 True 0.5 None", .sep = "\\\", .n = 9");
    SHOW("t , 39 True 0.5 None", .n = '\'');
    SHOW("t , 5 True 0.5 t , 0 False 0.5 1",
         .other = SB(counted_show(py, "t", .n = 0, .flag = false, .other = SB(1))));
    /* clang-format off */
    SAME(counted_show(py, "t", /* .n = 3 */ .alpha
                      =
                      0).ptr,
         "t , 5 True 0.0 None");
    /* clang-format on */
    SAME(counted_show(py, counted_show(py, "u", .n = 0).ptr, .flag = false).ptr,
         "u , 0 True 0.5 None , 5 False 0.5 None");
    pandas_DataFrame df = pandas_DataFrame_new(py, .data = SB_DICT(py, "x", SB_LIST(py, 3, 1, 2)));
#define LENGTH(frame) py_len(py, frame)
    CHECK(LENGTH(pandas_DataFrame_head(py, df, .n = 0)) == 0);
    CHECK(LENGTH(pandas_DataFrame_head(py, pandas_DataFrame_head(py, df, .n = 2), .n = 1)) == 1);
    /* By hand: what is not zero counts as given; NULL: nothing is. */
    static pandas_DataFrame_head_opts by_hand;
    by_hand.n = 2;
    CHECK(LENGTH((pandas_DataFrame_head)(py, df, &by_hand)) == 2);
    CHECK(LENGTH((pandas_DataFrame_head)(py, df, NULL)) == 3);
    pandas_DataFrame (*function)(sb_session *, pandas_DataFrame,
                                 const pandas_DataFrame_head_opts *) = &pandas_DataFrame_head;
    CHECK(LENGTH(function(py, df, &by_hand)) == 2);
    /* *args with and without options. */
    SAME(sb_to_str(py, py_pathlib_Path_new(py)).ptr, ".");
    SAME(sb_to_str(py, py_pathlib_Path_new(py, "a", "b", "c")).ptr, "a/b/c");
    CHECK(py_math_hypot(py, 3, 4) == 5);
    CHECK(py_math_hypot(py) == 0);
    CHECK(py_math_isclose(py, 1, 1 + 1e-10));
    CHECK(!py_math_isclose(py, 1, 1 + 1e-10, .rel_tol = 0.0));
    CHECK(py_math_isclose(py, 1, 1.25, .rel_tol = FRACTION));
    {
        SB_USING(py, .timeout = 20);
        SB_USING(py, .timeout = 30);
        CHECK(py_math_sqrt(py, 4) == 2);
    }
}

/* ---- scopes ---- */

/* Objects that Python still has of this session, by the one that a scope's end lets go. */
static int64_t alive(sb_session *py)
{
    return counted_alive(py);
}

static sb_object counted(sb_session *py)
{
    return counted_Counted_new(py).object;
}

static int by_return(sb_session *py)
{
    SB_SCOPE(py);
    counted(py);
    for (;;) {
        SB_SCOPE(py);
        counted(py);
        return 5;
    }
}

static void scopes(sb_session *py)
{
    CHECK(alive(py) == 0);
    /* clang-format off */
    { SB_SCOPE(py); SB_SCOPE(py); counted(py); CHECK(alive(py) == 1); } /* two on a line */
    /* clang-format on */
    CHECK(alive(py) == 0);
    int turns = 0;
    for (int i = 0; i < 5; i++) {
        SB_SCOPE(py);
        counted(py);
        turns++;
        if (i == 1)
            continue;
        if (i == 2)
            break;
    }
    CHECK(turns == 3 && alive(py) == 0);
    CHECK(by_return(py) == 5 && alive(py) == 0);
    {
        SB_SCOPE(py);
        counted(py);
        goto out; /* backwards or out: fine; forward over one is refused */
    }
out:
    CHECK(alive(py) == 0);
    switch (turns) {
    case 3: {
        SB_SCOPE(py);
        counted(py);
        break;
    }
    default:
        break;
    }
    CHECK(alive(py) == 0);
    sb_object kept;
    {
        SB_SCOPE(py);
        kept = sb_keep(py, counted(py));
        sb_value v = sb_keep_value(py, sb_call(py, "counted.Counted"));
        CHECK(v.kind == SB_OBJECT_);
        counted(py);
    }
    CHECK(alive(py) == 2);
    sb_release(py, kept);
    CHECK(alive(py) == 1);
    if (turns == 3) {
        SB_SCOPE(py);
    } else {
        SB_SCOPE(py);
    }
#ifdef __cplusplus
    try {
        SB_SCOPE(py);
        SB_USING(py, .timeout = 5);
        counted(py);
        throw 3;
    } catch (int thrown) {
        CHECK(thrown == 3);
    }
    CHECK(alive(py) == 1);
#endif
}

static void rest(sb_session *py)
{
    SB_SCOPE(py);
    double cells[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
    sb_array a = SB_ARRAY(&cells[0][0], 2, 3);
    int64_t n;
    double *p = SB_DATA(py, a, double, &n);
    CHECK(p == &cells[0][0] && n == 6);
    const int32_t whole[] = { 1, 2 };
    sb_array b = SB_ARRAY(whole, 2);
    CHECK(b.dtype == SB_INT32);
    sb_array copied = sb_keep_array(py, sb_array_copy(py, a));
    CHECK(copied.data != a.data && SB_DATA(py, copied, double, &n)[5] == 6 && !copied.readonly);
    SB_DATA(py, b, int32_t, NULL);
    const float fs[] = { 1 };
    const uint8_t us[] = { 1 };
    const int16_t is[] = { 1 };
    const bool bs[] = { true };
    CHECK(SB_ARRAY(fs, 1).dtype == SB_FLOAT32 && SB_ARRAY(us, 1).dtype == SB_UINT8);
    CHECK(SB_ARRAY(is, 1).dtype == SB_INT16 && SB_ARRAY(bs, 1).dtype == SB_BOOL8);
    SEEN(sb_op(py, 2, "**", 10), "1024");
    SEEN(sb_attr(py, 3, "real"), "3");
    sb_value dict = sb_call(py, "builtins.dict", SB_KW("a", 1), SB_KW("b", SB_LIST(py, 1, 2)));
    SEEN(sb_item(py, dict, "b"), "[1, 2]");
    sb_set_item(py, dict, "c", 3);
    SEEN(dict, "{'a': 1, 'b': [1, 2], 'c': 3}");
    sb_value holder = sb_call(py, "counted.Counted");
    sb_set_attr(py, holder, "x", "y");
    SEEN(sb_attr(py, holder, "x"), "'y'");
    SEEN(sb_method(py, "a,b", "split", ","), "['a', 'b']");
    SEEN(sb_method(py, "a,b", "split", SB_KW("sep", ","), SB_KW("maxsplit", 0)), "['a,b']");
    sb_value list = sb_list_new(py, SB_LIST_, 0);
    sb_push(py, &list, 1);
    sb_push(py, &list, "two");
    SEEN(list, "[1, 'two']");
    sb_value pairs = sb_list_new(py, SB_DICT_, 2);
    sb_put(py, &pairs, "k", SB_TUPLE(py, 1, 2));
    SEEN(pairs, "{'k': (1, 2)}");
    CHECK(sb_is_unset(sb_get(py, pairs, "none")) && sb_is_none(SB_NONE));
    CHECK(sb_is(py, sb_import(py, "math"), sb_import(py, "math")));
}

static double half(sb_session *py, double x, void *user)
{
    (void)py;
    return x / (user ? *(const double *)user : 2);
}

static int64_t last_letter(sb_session *py, sb_str word, void *user)
{
    (void)py, (void)user;
    return word.len ? word.ptr[word.len - 1] : 0;
}

/* Typed functions, loops, submitted calls: what generated headers add. */
static void forms(sb_session *py)
{
    SB_SCOPE(py);
    double four = 4;
    app_fn_float_to_float f = half;
    CHECK(app_integrate(py, half, 0, 2, .steps = 1) == 1);
    CHECK(app_integrate(py, &half, 0, 2, .steps = 1) == app_integrate(py, f, 0, 2, .steps = 1));
    CHECK(app_integrate(py, app_fn_float_to_float_new(py, half, &four, NULL), 0, 2, .steps = 1) ==
          0.5);
    CHECK(app_integrate(py, sb_import(py, "math.sqrt"), 0, 2, .steps = 1) == 2);
    CHECK(app_integrate(py, sb_as_object(py, sb_import(py, "math.sqrt")), 0, 2, .steps = 1) == 2);
    sb_value words = SB_LIST(py, "z", "abc", "az");
    SAME(app_longest(py, words, .size = SB_NONE).ptr, "abc");
    SAME(app_longest(py, words, .size = SB(app_fn_str_to_int_new(py, last_letter, NULL, NULL))).ptr,
         "z");
    int64_t rows = 0;
    app_rows_iter(py, row, .n = 4) rows += (int64_t)sb_count(py, row);
    CHECK(rows == 8);
    app_rows_iter(py, row)
    {
        if (rows++ == 8)
            continue;
        break;
    }
    CHECK(rows == 10);
    sb_object later = app_integrate_submit(py, sb_import(py, "math.sqrt"), 0, 2, .steps = 1);
    CHECK(sb_wait(py, later, -1) && sb_as_double(py, SB(later)) == 2);
    pandas_DataFrame df =
        pandas_DataFrame_new_submit(py, .data = SB_DICT(py, "a", SB_LIST(py, 1, 2)));
    CHECK(py_len(py, df) == 2);
}

typedef union any_class {
    sb_object object;
} any_class;

static void language(sb_session *py)
{
    SB_SCOPE(py);
    int64_t n = 0;
    if (n == 0)
        SB_FOR(py, int64_t, i, sb_call(py, "builtins.range", 3))
            n += i;
    SB_FOR(py, double, d, SB_LIST(py, 1, 2)) {
        SB_FOR(py, sb_str, s, "ab", .lazy = true)
            n += (int64_t)s.len;
        if (d > 1)
            break;
        continue;
    }
    SB_FOR(py, bool, b, SB_LIST(py, SB_TRUE))
        n += b;
    const sb_bytes bytes = { (const unsigned char *)"ab", 2 };
    SB_FOR(py, sb_bytes, b, SB_LIST(py, bytes))
        n += (int64_t)b.len;
    SB_FOR(py, sb_value, v, SB_TUPLE(py, SB_NONE))
        n += sb_is_none(v);
    SB_FOR(py, sb_object, o, SB_LIST(py, SB_NONE))
        n += o.id != 0;
    SB_FOR(py, any_class, c, sb_call(py, "builtins.iter", SB_LIST(py, 5)), .lazy = true,
           .of = "builtins:int")
        n += c.object.id != 0;
    SB_FOR(py, long long, i, SB_LIST(py, 5))
        n += i;
    CHECK(n == 17);
    {
        SB_WITH(py, lock, sb_call(py, "threading.Lock"));
        SB_WITH(py, list, sb_call(py, "contextlib.nullcontext", SB_LIST(py, 1)));
        CHECK(sb_truth(py, list) && sb_contains(py, list, 1) && sb_is(py, lock, SB_TRUE));
    }
    CHECK(sb_callable(py, sb_import(py, "math.sqrt")) && !sb_has_attr(py, 1, "none"));
    CHECK(sb_as_int(py, sb_eval(py, "a + 1", SB_KW("a", 1))) == 2 &&
          sb_as_int(py, sb_get(py, sb_exec(py, "a = 1"), "a")) == 1);
    CHECK(sb_as_int(py, sb_apply(py, sb_import(py, "builtins.abs"), -1)) == 1);
    CHECK(sb_isinstance(py, 1, "int") && sb_isinstance(py, 1, sb_import(py, "builtins.int")));
    CHECK(sb_hash(py, 1) == 1);
    SAME(sb_repr(py, "a").ptr, "'a'");
    sb_value list = SB(sb_as_object(py, SB_LIST(py, 1, 2))), item;
    sb_del_item(py, list, 0);
    CHECK(sb_count(py, list) == 1);
    sb_value it = sb_call(py, "builtins.iter", list);
    CHECK(sb_next(py, it, &item) && sb_as_int(py, item) == 2 && !sb_next(py, it, &item));
    sb_value space = sb_call(py, "types.SimpleNamespace", SB_KW("a", 1));
    sb_del_attr(py, space, "a");
    CHECK(!sb_has_attr(py, space, "a"));
    CHECK(sb_is(py, sb_reload(py, "colorsys"), sb_import(py, "colorsys")));
}

static void futures(sb_session *py)
{
    SB_SCOPE(py);
    sb_object job = sb_submit(py, "math.hypot", 3, 4.0);
    CHECK(sb_wait(py, job, -1));
    CHECK(sb_as_double(py, job) == 5);
    job = sb_submit(py, "builtins.dict", SB_KW("a", 1));
    while (!sb_wait(py, job, 0.5))
        ;
    SEEN(job, "{'a': 1}");
    CHECK(sb_fd(py) >= 0);
    sb_cancel(py, job);
    sb_submit(py, "builtins.list");
}

int main(void)
{
    sb_session *py = sb_open(.timeout = 60);
    values(py);
    containers(py);
    options(py);
    scopes(py);
    rest(py);
    forms(py);
    language(py);
    futures(py);
    if (sb_close(py))
        return 1;
    printf("ok %d\n", checks);
    return 0;
}
