/* SPDX-License-Identifier: MIT
 *
 * The rest of the language: context managers, built-in functions, lines of Python. */
#include "feature.h"

static bool built_in(sb_session *py)
{
    sb_value list = sb_call(py, "sbtest.ints", 5), thing = sb_call(py, "checks.Thing");
    bool right = RIGHT(py, sb_truth(py, list) && sb_contains(py, list, 3));
    right &= RIGHT(py, sb_hash(py, 5) == 5 && !strcmp(sb_repr(py, "x").ptr, "'x'"));
    right &= RIGHT(py, sb_callable(py, thing) && !sb_callable(py, 1));
    right &= RIGHT(py, sb_isinstance(py, thing, sb_import(py, "checks.Thing")));
    sb_set_attr(py, thing, "a", list);
    sb_del_attr(py, thing, "a");
    sb_del_item(py, list, 0);
    right &= RIGHT(py, sb_count(py, list) == 4);
    sb_hash(py, list);
    return due(py, SB_E_PYTHON, "TypeError") && right;
}

static bool lines(sb_session *py)
{
    sb_value v = sb_eval(py, "x + y", SB_KW("x", 1), SB_KW("y", 2));
    bool right = RIGHT(py, v.kind == SB_INT_ && v.as.i == 3);
    sb_exec(py, "def f(x):\n    return x\nz = f(x)\n", SB_KW("x", SB_LIST(py, 1)));
    sb_eval(py, "1 +");
    right = due(py, SB_E_PYTHON, "SyntaxError") && right;
    sb_eval(py, "1 / x", SB_KW("x", 0));
    return due(py, SB_E_PYTHON, "ZeroDivisionError") && right;
}

static bool with(sb_session *py)
{
    {
        SB_WITH(py, entered, sb_call(py, "checks.Manager", SB_FALSE));
        if (!RIGHT(py, sb_count(py, entered) == 2))
            return false;
    }
    sb_value ended = sb_call(py, "checks.ended");
    return RIGHT(py, ended.kind == SB_BOOL_ && ended.as.b);
}

static bool with_errors(sb_session *py)
{
    {
        SB_WITH(py, entered, sb_call(py, "checks.Manager", SB_TRUE));
        sb_call(py, "checks.raise_from");
    }
    bool right = RIGHT(py, true); /* suppressed */
    {
        SB_WITH(py, entered, sb_call(py, "checks.Manager", SB_FALSE));
        sb_call(py, "sbtest.boom");
    }
    return due(py, SB_E_PYTHON, "ValueError") && right;
}

static bool coroutines(sb_session *py)
{
    sb_value v = sb_call(py, "checks.coroutine", 5);
    return RIGHT(py, v.kind == SB_INT_ && v.as.i == 5);
}

const struct feature features_language[] = {
    { "built-in functions", built_in, 300 }, { "lines of Python", lines, 300 },
    { "context managers", with, 0 },         { "context managers and errors", with_errors, 300 },
    { "coroutines", coroutines, 300 },       { NULL, NULL, 0 },
};
