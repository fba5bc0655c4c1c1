/* SPDX-License-Identifier: MIT
 *
 * Iteration over anything, ahead and lazily, left early and by errors. */
#include "feature.h"

static bool typed(sb_session *py)
{
    int64_t sum = 0;
    size_t chars = 0;
    SB_FOR(py, int64_t, i, sb_call(py, "builtins.range", 600))
        sum += i;
    SB_FOR(py, sb_str, s, sb_method(py, "a bb ccc", "split"))
        chars += s.len;
    return RIGHT(py, sum == 600 * 599 / 2 && chars == 6);
}

static bool values(sb_session *py)
{
    int n = 0, objects = 0;
    SB_FOR(py, sb_value, v, SB_LIST(py, 1, "two", SB_LIST(py, 3)))
        n += v.kind != SB_FAILED_;
    SB_FOR(py, sb_object, o, sb_call(py, "checks.things", 20), .of = "checks:Thing")
        objects += o.id != 0;
    return RIGHT(py, n == 3 && objects == 20);
}

/* The generator's `finally` has run when the loop is left. */
static bool left_early(sb_session *py)
{
    SB_FOR(py, int64_t, i, sb_call(py, "checks.generator", 100))
        if (i == 3)
            break;
    sb_value ended = sb_call(py, "checks.ended");
    return RIGHT(py, ended.kind == SB_BOOL_ && ended.as.b);
}

static bool lazily(sb_session *py)
{
    int64_t n = 0;
    sb_value g = sb_call(py, "checks.generator", 10);
    SB_FOR(py, int64_t, i, g, .lazy = true)
        if (++n == 4)
            break;
    return RIGHT(py, n == 4);
}

static bool steps(sb_session *py)
{
    int n = 0;
    sb_value item = SB_NONE, g = sb_call(py, "checks.generator", 3);
    while (sb_next(py, g, &item))
        n++;
    return RIGHT(py, n == 3 && item.kind == SB_STR_ && !strcmp(item.as.str.ptr, "returned"));
}

static bool errors(sb_session *py)
{
    int n = 0;
    SB_FOR(py, int64_t, i, sb_call(py, "checks.raising_generator", 5))
        n++;
    bool right = due(py, SB_E_PYTHON, "ValueError") && n <= 5;
    SB_FOR(py, int64_t, i, SB_LIST(py, 1, "x"))
        n++;
    right = due(py, SB_E_TYPE, NULL) && right;
    SB_FOR(py, int64_t, i, 5)
        n++;
    return due(py, SB_E_PYTHON, "TypeError") && right;
}

const struct feature features_iteration[] = {
    { "typed iteration", typed, 300 },
    { "iteration of values", values, 300 },
    { "iteration left early", left_early, 0 },
    { "lazy iteration", lazily, 0 },
    { "steps of a generator", steps, 0 },
    { "errors of iteration", errors, 300 },
    { NULL, NULL, 0 },
};
