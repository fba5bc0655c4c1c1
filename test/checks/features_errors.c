/* SPDX-License-Identifier: MIT
 *
 * Errors: raised, caught, asked, kept, printed, left pending. */
#include "feature.h"

static bool raised(sb_session *py)
{
    sb_call(py, "sbtest.boom", "text");
    const sb_error *e = sb_get_error(py);
    bool right = e && (e->code == SB_E_MEMORY ||
                       (!strcmp(e->message, "text") && strstr(e->traceback, "in boom")));
    return due(py, SB_E_PYTHON, "ValueError") && right;
}

static bool caught_by_a_base(sb_session *py)
{
    sb_call(py, "sbtest.boom_special");
    bool other = sb_catch(py, "ValueError");
    return due(py, SB_E_PYTHON, "LookupError") && !other;
}

static bool with_a_cause(sb_session *py)
{
    sb_call(py, "checks.raise_from");
    return due(py, SB_E_PYTHON, "RuntimeError");
}

static bool kept_exceptions(sb_session *py)
{
    sb_object kept = { 0 };
    {
        SB_SCOPE(py);
        sb_call(py, "sbtest.boom", "kept");
        const sb_error *e = sb_get_error(py);
        kept = sb_keep(py, e ? e->exception : kept);
        if (!due(py, SB_E_PYTHON, NULL))
            return false;
    }
    sb_value args = sb_attr(py, kept, "args");
    return RIGHT(py, args.kind == SB_TUPLE_ && !strcmp(sb_to_str(py, kept).ptr, "kept"));
}

static bool skipped(sb_session *py)
{
    sbtest_Box b = sbtest_boom_box(py);
    sb_call(py, "sbtest.echo", b);
    for (int i = 0; i < 5; i++)
        sbtest_Box_add(py, b, 1);
    sb_failed(py);
    return due(py, SB_E_PYTHON, NULL);
}

static bool wrong_results(sb_session *py)
{
    sbtest_wrong(py);
    bool right = RIGHT(py, sb_failed(py)) && due(py, SB_E_TYPE, NULL);
    sbtest_wrong_double(py);
    return due(py, SB_E_TYPE, NULL) && right;
}

static bool unprintable(sb_session *py)
{
    sb_call(py, "badly.raise_unprintable");
    bool right = due(py, SB_E_PYTHON, NULL);
    sb_call(py, "badly.raise_surrogate");
    right = due(py, SB_E_PYTHON, "ValueError") && right;
    sb_call(py, "badly.deep_recursion");
    return due(py, SB_E_PYTHON, "RecursionError") && right;
}

static bool mean_objects(sb_session *py)
{
    sb_value mean = sb_call(py, "badly.mean");
    sb_to_str(py, mean);
    bool right = due(py, SB_E_PYTHON, "RuntimeError");
    sb_count(py, mean);
    right = due(py, SB_E_PYTHON, "ValueError") && right;
    sb_op(py, mean, "==", mean);
    right = due(py, SB_E_PYTHON, "RuntimeError") && right;
    sb_attr(py, mean, "any");
    return due(py, SB_E_PYTHON, "RuntimeError") && right;
}

static bool system_exit(sb_session *py)
{
    sb_call(py, "badly.system_exit");
    return due(py, SB_E_PYTHON, "SystemExit");
}

static bool printed(sb_session *py)
{
    FILE *null = fopen("/dev/null", "we");
    if (!null)
        return false;
    sb_call(py, "sbtest.boom_key");
    sb_print_error(py, null);
    fclose(null);
    return due(py, SB_E_PYTHON, "KeyError");
}

const struct feature features_errors[] = {
    { "raised", raised, 0 },
    { "caught by a base", caught_by_a_base, 0 },
    { "with a cause", with_a_cause, 0 },
    { "kept exceptions", kept_exceptions, 0 },
    { "skipped", skipped, 0 },
    { "wrong results", wrong_results, 0 },
    { "unprintable", unprintable, 20 },
    { "mean objects", mean_objects, 0 },
    { "system exit", system_exit, 0 },
    { "printed", printed, 0 },
    { NULL, NULL, 0 },
};
