/* SPDX-License-Identifier: MIT
 *
 * C functions that Python calls: arguments, results, errors both ways, calls inside of calls, and the drop of `user`. */
#include "feature.h"

/* What functions have, each its own: freed by its drop, so that there is one. */
struct user {
    int calls;
};
static int given, dropped;

static struct user *new_user(void)
{
    given++;
    return calloc(1, sizeof(struct user));
}

static void drop(void *user)
{
    dropped++;
    free(user);
}

/* Each drop was run when a call of the session returns, unless there is an error: then later. */
static bool all_dropped(sb_session *py)
{
    py_math_sqrt(py, 4);
    return RIGHT(py, dropped == given);
}

static sb_value negate(sb_session *py, const sb_value *args, size_t count, void *user)
{
    ((struct user *)user)->calls++;
    if (count == 1 && args[0].kind == SB_INT_)
        return sb_from_int(-args[0].as.i);
    sb_raise(py, "TypeError", "one int, please");
    return SB_NONE;
}

static bool sorted(sb_session *py)
{
    {
        SB_SCOPE(py);
        struct user *user = new_user();
        sb_object key = sb_function(py, negate, user, drop);
        sb_value v = sb_call(py, "builtins.sorted", SB_LIST(py, 1, 3, 2), SB_KW("key", key));
        sb_value first = sb_nth(py, v, 0);
        if (!RIGHT(py, first.kind == SB_INT_ && first.as.i == 3 && user->calls == 3))
            return false;
    }
    return all_dropped(py);
}

static sb_value keywords_of(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)user;
    sb_value b = sb_keyword(args, count, "b");
    return SB_TUPLE(py, (int64_t)sb_positional(args, count), b, SB_LIST(py, args[0]));
}

static bool keywords(sb_session *py)
{
    sb_object f = sb_function(py, keywords_of, NULL, NULL);
    sb_value v = sb_call(py, "checks.call", f, sbtest_Box_new(py, 1), SB_KW("b", "text"));
    sb_value b = sb_nth(py, v, 1);
    return RIGHT(py, sb_as_int(py, sb_nth(py, v, 0)) == 1 && !strcmp(sb_as_str(py, b).ptr, "text"));
}

static sb_value raises(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args, (void)count, (void)user;
    sb_raise(py, "KeyError", "raised in %s", "C");
    return SB_NONE;
}

static sb_value fails(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args, (void)count, (void)user;
    return sb_call(py, "sbtest.boom", "inside");
}

static bool errors(sb_session *py)
{
    sb_call(py, "checks.call", sb_function(py, raises, NULL, NULL));
    bool right = due(py, SB_E_PYTHON, "KeyError");
    sb_call(py, "checks.call", sb_function(py, fails, NULL, NULL));
    right = due(py, SB_E_PYTHON, "ValueError") && right;
    sb_value text = sb_call(py, "checks.call_and_catch", sb_function(py, fails, NULL, NULL));
    return right && RIGHT(py, !strcmp(sb_as_str(py, text).ptr, "inside"));
}

/* Each call of the callback calls Python, which calls it again. */
static sb_value deeper(sb_session *py, const sb_value *args, size_t count, void *user)
{
    if (count != 2 || args[0].kind != SB_INT_ || !args[0].as.i)
        return sb_from_int(0);
    SB_SCOPE(py);
    sb_value v = sb_call(py, "checks.call", args[1], args[0].as.i - 1, args[1]);
    ++*(int *)user;
    return sb_from_int(sb_as_int(py, v) + 1);
}

static bool nested(sb_session *py)
{
    int turns = 0;
    sb_object f = sb_function(py, deeper, &turns, NULL);
    sb_value v = sb_call(py, "checks.call", f, 8, f);
    return RIGHT(py, sb_as_int(py, v) == 8 && turns == 8);
}

/* Python keeps the callable beyond the scope, until it is told. */
static bool kept(sb_session *py)
{
    struct user *user = new_user();
    {
        SB_SCOPE(py);
        sb_call(py, "checks.keep", sb_function(py, negate, user, drop));
    }
    sb_value v = sb_call(py, "checks.call_kept", 5);
    bool right = RIGHT(py, v.kind == SB_INT_ && v.as.i == -5 && user->calls == 1);
    sb_call(py, "checks.keep", SB_NONE);
    return right && all_dropped(py);
}

static bool refused(sb_session *py)
{
    sb_function(py, NULL, new_user(), drop);
    bool right = due(py, SB_E_MISUSE, NULL);
    sb_object f = sb_function(py, negate, new_user(), drop);
    sb_call(py, "checks.call", f, "text");
    right = due(py, SB_E_PYTHON, "TypeError") && right;
    sb_release(py, f);
    return right && all_dropped(py);
}

const struct feature features_callbacks[] = {
    { "sorted by a callback", sorted, 300 },
    { "keywords of a callback", keywords, 0 },
    { "errors of callbacks", errors, 300 },
    { "nested callbacks", nested, 300 },
    { "a kept callback", kept, 0 },
    { "callbacks refused", refused, 0 },
    { NULL, NULL, 0 },
};
