/* SPDX-License-Identifier: MIT
 *
 * C functions as Python callables. Runs over each transport. */
#include "sbtest.h"
#include <stdarg.h>

static sb_value python(sb_session *py, const char *expression)
{
    return sb_call(py, "builtins.eval", expression);
}
#define CALL(py, expression, ...) sb_method(py, python(py, expression), "__call__", __VA_ARGS__)

static sb_value add(sb_session *py, const sb_value *args, size_t count, void *user)
{
    double sum = 0;
    size_t n = sb_positional(args, count);
    for (size_t i = 0; i < n; i++)
        sum += sb_as_double(py, args[i]);
    sb_value k = sb_keyword(args, count, "k");
    if (!sb_is_unset(k))
        sum *= sb_as_double(py, k);
    ++*(int *)user;
    return SB(sum);
}

static void calls(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    int count = 0;
    sb_object f = sb_function(py, add, &count, NULL);
    expect_fine(py);
    assert_float_equal(sb_as_double(py, CALL(py, "lambda f: f(1, 2.5)", f)), 3.5, 0);
    assert_float_equal(sb_as_double(py, CALL(py, "lambda f: f(1, 2, k=10)", f)), 30, 0);
    assert_float_equal(sb_as_double(py, CALL(py, "lambda f: f()", f)), 0, 0);
    assert_float_equal(sb_as_double(py, CALL(py, "lambda f: sum(f(i) for i in range(1000))", f)),
                       499500, 0);
    expect_fine(py);
    assert_int_equal(count, 1003);
    assert_string_equal(sb_as_str(py, sb_attr(py, f, "__name__")).ptr, "add");
    assert_string_equal(sb_to_str(py, sb_call(py, "inspect.signature", f)).ptr,
                        "(*args, **kwargs)");
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static sb_value hypot_(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)user;
    if (count != 2) {
        sb_raise(py, "TypeError", "hypot takes 2 arguments, got %zu", count);
        return SB_NONE;
    }
    double x = sb_as_double(py, args[0]), y = sb_as_double(py, args[1]);
    return SB(py_math_sqrt(py, x * x + y * y));
}

static void nested_calls(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_object f = sb_function(py, hypot_, NULL, NULL);
    assert_float_equal(sb_as_double(py, CALL(py, "lambda f: f(3, 4)", f)), 5, 0);
    assert_float_equal(sb_as_double(py, CALL(py, "lambda f: f(3, 4) + f(6, 8)", f)), 15, 0);
    expect_fine(py);
    CALL(py, "lambda f: f(3)", f);
    expect_error(py, SB_E_PYTHON, "TypeError", "hypot takes 2 arguments, got 1");
    CALL(py, "lambda f: f('x', 1)", f);
    expect_error(py, SB_E_TYPE, "SB_E_TYPE", NULL);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    assert_int_equal(sb_close(py), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),
        cmocka_unit_test(nested_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
