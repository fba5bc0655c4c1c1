/* SPDX-License-Identifier: MIT
 *
 * Calls: typed and by name, with keywords, and what they print. */
#include "feature.h"

static bool scalar(sb_session *py)
{
    double x = py_math_sqrt(py, 4);
    return RIGHT(py, x == 2);
}

static bool keywords(sb_session *py)
{
    bool right = RIGHT(py, strstr(sbtest_head(py, 1, .n = 0, .name = NULL).ptr, "n=0"));
    right &= RIGHT(py, strstr(sbtest_head(py, 1, .alpha = 2.5, .of = SB(3)).ptr, "of=3"));
    right &= RIGHT(py, !strcmp(sbtest_place(py, 1, .b = 5, .c = 6).ptr, "1 5 6"));
    return right;
}

static bool by_name(sb_session *py)
{
    sb_value v = sb_call(py, "sbtest.keywords", 1, "two", SB_KW("k", 2.5), SB_KW("b", SB_LIST(py)));
    sb_value n = sb_call(py, "builtins.len", "text");
    return RIGHT(py, sb_as_int(py, n) == 4 && strstr(sb_as_str(py, v).ptr, "two"));
}

static bool tuples(sb_session *py)
{
    sbtest_pair_result p = sbtest_pair(py);
    sbtest_mixed_result m = sbtest_mixed(py);
    return RIGHT(py, p.item1 == 7 && sbtest_Box_value(py, m.item1) == 9 && sb_is_none(m.item3));
}

static bool many_arguments(sb_session *py)
{
    sb_value v[300];
    for (size_t i = 0; i < 300; i++)
        v[i] = i % 2 ? sb_from_int((int64_t)i) : sb_from_cstr("text");
    sb_value all = sb_call_(py, SB_SITE_(""), "checks.count", (sb_args) { v, 300 });
    return RIGHT(py, sb_as_int(py, all) == 300);
}

/* The arguments of a call that nobody waits for are gone when the next one that waits has its answer. */
static bool not_waited_for(sb_session *py)
{
    sbtest_Box b = sbtest_Box_new(py, 1);
    for (int i = 0; i < 20; i++)
        b = sbtest_Box_add(py, b, 1);
    sbtest_Box_value_set(py, b, 5);
    return RIGHT(py, sbtest_Box_value(py, b) == 5);
}

static bool output(sb_session *py)
{
    sb_print(py, "printed");
    sb_call(py, "sbtest.say", "said");
    sb_call(py, "sbtest.say", "", SB_KW("error", SB_TRUE));
    return RIGHT(py, sb_as_int(py, sb_call(py, "sbtest.say_and_count", "four")) == 4);
}

static bool in_blocks(sb_session *py)
{
    SB_USING(py, .timeout = 30);
    SB_SCOPE(py);
    sb_value list = sb_call(py, "sbtest.ints", 10);
    {
        SB_SCOPE(py);
        SB_USING(py, .timeout = 20);
        list = sb_keep_value(py, sb_method(py, list, "copy"));
    }
    return RIGHT(py, sb_count(py, list) == 10);
}

static bool deadlines(sb_session *py)
{
    SB_USING(py, .timeout = 0.01);
    sb_call(py, "sbtest.spin", 30);
    return due(py, SB_E_TIMEOUT, NULL);
}

static bool sessions(sb_session *py)
{
    (void)py;
    sb_session *other = sb_open(.quiet = true, .user = &other);
    if (!other)
        return true;
    bool right = RIGHT(other, sb_user(other) == &other);
    sbtest_Box b = sbtest_Box_new(other, 5);
    right &= RIGHT(other, sbtest_Box_value(other, b) == 5);
    sb_call(other, "sbtest.boom");
    const sb_error *e = sb_get_error(other);
    right &= e && (e->code == SB_E_PYTHON || e->code == SB_E_MEMORY);
    sb_close(other); /* with an error, and an object */
    return right;
}

const struct feature features_calls[] = {
    { "scalar", scalar, 0 },
    { "keywords", keywords, 0 },
    { "by name", by_name, 0 },
    { "tuples", tuples, 0 },
    { "many arguments", many_arguments, 0 },
    { "not waited for", not_waited_for, 0 },
    { "output", output, 0 },
    { "in blocks", in_blocks, 0 },
    { "deadlines", deadlines, 30 },
    { "sessions", sessions, 0 },
    { NULL, NULL, 0 },
};
