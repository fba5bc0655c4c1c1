/* SPDX-License-Identifier: MIT
 *
 * Errors that stick, scopes, handles, keywords: what every program relies on. Runs over each transport. */
#include "sbtest.h"
#include <pthread.h>

static void calls(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    assert_float_equal(py_math_sqrt(py, 2.0), 1.41421356237, 1e-9);
    assert_float_equal(sb_as_double(py, sb_call(py, "math.hypot", 3, 4)), 5.0, 0);
    assert_string_equal(
        sb_to_str(py, sb_call(py, "sbtest.keywords", 1, "a", SB_KW("k", 2.5), SB_KW("b", SB_NONE)))
            .ptr,
        "(1, 'a') [('b', None), ('k', 2.5)]");
    assert_float_equal(sb_as_double(py, sb_import(py, "math.pi")), 3.14159265, 1e-8);
    sb_value os_path = sb_import(py, "os.path");
    assert_string_equal(sb_as_str(py, sb_method(py, os_path, "join", "a", "b")).ptr, "a/b");
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void keywords(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    assert_string_equal(sbtest_head(py, 1).ptr,
                        "1.0 n=5 ascending=True alpha=1.5 name='none' of=None");
    assert_string_equal(sbtest_head(py, 1, .n = 0, .ascending = false, .alpha = 0.0).ptr,
                        "1.0 n=0 ascending=False alpha=0.0 name='none' of=None");
    assert_string_equal(sbtest_head(py, 1, .name = "a, .n = 7", .of = SB_LIST(py, 1, "two")).ptr,
                        "1.0 n=5 ascending=True alpha=1.5 name='a, .n = 7' of=[1, 'two']");
    assert_string_equal(sbtest_head(py, 1, .name = NULL).ptr,
                        "1.0 n=5 ascending=True alpha=1.5 name=None of=None");
    sbtest_head_opts by_hand = { .n = 3, .alpha = 2 };
    assert_string_equal((sbtest_head)(py, 1, &by_hand).ptr,
                        "1.0 n=3 ascending=True alpha=2.0 name='none' of=None");
    assert_string_equal(sbtest_place(py, 1).ptr, "1 1 2");
    assert_string_equal(sbtest_place(py, 1, .b = 0).ptr, "1 0 2");
    assert_string_equal(sbtest_place(py, 1, .b = 0, .c = 0).ptr, "1 0 0");
    expect_fine(py);
    sbtest_place(py, 1, .c = 3);
    expect_error(py, SB_E_MISUSE, NULL, ".c goes by position, so .b must be given as well");
    assert_int_equal(sb_close(py), 0);
}

static void sticky(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_call(py, "sbtest.boom", "first");
    int line = __LINE__ - 1;
    assert_float_equal(py_math_sqrt(py, 2), 0, 0);
    assert_string_equal(sbtest_head(py, 1).ptr, "");
    const sb_error *e = sb_get_error(py);
    assert_int_equal(e->code, SB_E_PYTHON);
    assert_string_equal(e->type, "ValueError");
    assert_string_equal(e->message, "first");
    assert_string_equal(e->function, "sbtest.boom");
    assert_non_null(strstr(e->file, "test_session.c"));
    assert_int_equal(e->line, line);
    assert_int_equal(e->skipped, 2);
    assert_non_null(strstr(e->traceback, "raise ValueError(text)"));
    assert_true(e->exception.id != 0);
    sb_clear_error(py);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    sb_call(py, "no.such", 1);
    expect_error(py, SB_E_PYTHON, "ModuleNotFoundError", "No module named 'no'");
    sb_call(py, "math.nothing", 1);
    expect_error(py, SB_E_PYTHON, "AttributeError", "nothing");
    assert_int_equal(sb_close(py), 0);
}

static void catching(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_call(py, "sbtest.boom_special");
    assert_false(sb_catch(py, "ValueError"));
    assert_true(sb_failed(py));
    assert_true(sb_catch(py, "KeyError"));
    assert_false(sb_failed(py));
    sb_call(py, "sbtest.boom_special");
    assert_true(sb_catch(py, "sbtest.Special"));
    sb_call(py, "sbtest.boom_special");
    assert_true(sb_catch(py, "LookupError"));
    sb_call(py, "json.loads", "{");
    assert_false(sb_catch(py, "sbtest.Special"));
    assert_true(sb_catch(py, "json.JSONDecodeError"));
    sb_call(py, "json.loads", "{");
    assert_true(sb_catch(py, NULL));
    assert_false(sb_catch(py, NULL));
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void pipelined(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sbtest_Box b = sbtest_Box_new(py, 1);
    for (int i = 0; i < 1000; i++)
        b = sbtest_Box_add(py, b, 1);
    assert_int_equal(sbtest_Box_value(py, b), 1001);
    expect_fine(py);
    /* The failure of a call that nobody waited for is that call's. */
    sbtest_Box c = sbtest_boom_box(py);
    int line = __LINE__ - 1;
    c = sbtest_Box_add(py, c, 1);
    c = sbtest_Box_add(py, c, 1);
    assert_int_equal(sbtest_Box_value(py, c), 0);
    const sb_error *e = sb_get_error(py);
    assert_string_equal(e->type, "ValueError");
    assert_int_equal(e->line, line);
    assert_int_equal(e->skipped, 3);
    sb_clear_error(py);
    /* Its handle, and those that came after, are refused. */
    sbtest_Box_value(py, c);
    expect_error(py, SB_E_MISUSE, NULL, "failed or was skipped");
    /* A pipelined call that gives something else than its class. */
    sbtest_Box w = sbtest_wrong(py);
    sbtest_Box_value(py, w);
    expect_error(py, SB_E_TYPE, NULL, "Box");
    /* A reserved id is refused, too. */
    sb_call(py, "sbtest.boom");
    sbtest_Box r = sbtest_Box_new(py, 1);
    sb_clear_error(py);
    sbtest_Box_value(py, r);
    expect_error(py, SB_E_MISUSE, NULL, "failed or was skipped");
    assert_int_equal(sbtest_Box_value(py, b), 1001);
    assert_int_equal(sb_close(py), 0);
}

static void results(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    assert_int_equal(sbtest_none_or_box(py, false).object.id, 0);
    assert_true(sbtest_none_or_box(py, true).object.id != 0);
    sbtest_pair_result p = sbtest_pair(py);
    assert_float_equal(p.item0, 1.5, 0);
    assert_int_equal(p.item1, 7);
    sbtest_mixed_result m = sbtest_mixed(py);
    assert_string_equal(m.item0.ptr, "text");
    assert_int_equal(sbtest_Box_value(py, m.item1), 9);
    assert_int_equal(m.item2.kind, SB_OBJECT_);
    assert_int_equal(sb_count(py, m.item2), 2);
    assert_int_equal(m.item3.kind, SB_NONE_);
    expect_fine(py);
    assert_float_equal(sbtest_wrong_double(py), 0, 0);
    expect_error(py, SB_E_TYPE, NULL, "str");
    sbtest_Box b = sbtest_Box_new(py, 4);
    sbtest_Box_value_set(py, b, 12);
    assert_int_equal(sbtest_Box_value(py, b), 12);
    assert_int_equal(sb_count(py, b), 3);
    assert_true(sb_is(py, b, b));
    assert_false(sb_is(py, b, sbtest_Box_new(py, 12)));
    assert_true(sb_as_bool(py, sb_op(py, b, "==", sbtest_Box_new(py, 12))));
    sbtest_Crate crate = sbtest_Crate_new(py, 5);
    assert_int_equal(sbtest_Box_value(py, crate.as_Box), 5);
    sb_cast(py, SB_SITE_(""), "sbtest:Box", SB(crate));
    expect_fine(py);
    sb_cast(py, SB_SITE_(""), "sbtest:Crate", SB(b));
    expect_error(py, SB_E_TYPE, NULL, "Crate");
    assert_int_equal(sb_close(py), 0);
}

static void scopes(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    int64_t before = boxes_alive(py);
    sbtest_Box kept, stale;
    sb_str text;
    {
        SB_SCOPE(py);
        kept = sbtest_Box_new(py, 1);
        stale = sbtest_Box_new(py, 2);
        text = sb_keep_str(py, sb_to_str(py, 12345));
        sb_keep(py, kept.object);
        {
            SB_SCOPE(py);
            for (int i = 0; i < 100; i++)
                sbtest_Box_new(py, i);
            assert_int_equal(boxes_alive(py), before + 102);
        }
        assert_int_equal(boxes_alive(py), before + 2);
    }
    assert_int_equal(boxes_alive(py), before + 1);
    assert_string_equal(text.ptr, "12345");
    assert_int_equal(sbtest_Box_value(py, kept), 1);
    sbtest_Box_value(py, stale);
    expect_error(py, SB_E_STALE, NULL, "scope has ended");
    sb_release(py, kept.object);
    assert_int_equal(boxes_alive(py), before);
    sbtest_Box_value(py, kept);
    expect_error(py, SB_E_STALE, NULL, NULL);
    /* break and goto close scopes as well */
    for (int i = 0; i < 5; i++) {
        SB_SCOPE(py);
        sbtest_Box_new(py, i);
        if (i == 1)
            break;
    }
    assert_int_equal(boxes_alive(py), before);
    /* Early releases leave nothing behind. */
    for (int i = 0; i < 10000; i++)
        sb_release(py, sbtest_Box_new(py, i).object);
    assert_int_equal(boxes_alive(py), before);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
    py = sb_open();
    assert_int_equal(boxes_alive(py), before);
    assert_int_equal(sb_close(py), 0);
}

static void other_session(void **state)
{
    (void)state;
    sb_session *a = sb_open(.quiet = true), *b = sb_open(.quiet = true);
    sbtest_Box x = sbtest_Box_new(a, 1);
    sbtest_Box_value(b, x);
    expect_error(b, SB_E_SESSION, NULL, "another session");
    sb_call(b, "sbtest.echo", SB_LIST(b, 1, x));
    expect_error(b, SB_E_SESSION, NULL, NULL);
    assert_int_equal(sbtest_Box_value(a, x), 1);
    sb_call(a, "sbtest.boom");
    assert_float_equal(py_math_sqrt(b, 4), 2, 0); /* errors are a session's own */
    sb_clear_error(a);
    assert_int_equal(sb_close(a), 0);
    /* Its tag may be used again, its ids are not. */
    sb_session *c = sb_open(.quiet = true);
    sbtest_Box y = sbtest_Box_new(c, 2);
    assert_true(y.object.id != x.object.id);
    sb_close(c);
    assert_int_equal(sb_close(b), 0);
}

static void null_session(void **state)
{
    (void)state;
    assert_true(sb_failed(NULL));
    assert_int_equal(sb_get_error(NULL)->code, SB_E_MISUSE);
    assert_float_equal(py_math_sqrt(NULL, 4), 0, 0);
    assert_string_equal(sbtest_head(NULL, 1).ptr, "");
    assert_int_equal(sbtest_pair(NULL).item1, 0);
    assert_string_equal(sb_to_str(NULL, 1).ptr, "");
    assert_int_equal(sb_count(NULL, 1), 0);
    sb_clear_error(NULL);
    assert_false(sb_catch(NULL, "X"));
    sb_release(NULL, (sb_object) { 1 });
    {
        SB_SCOPE(NULL);
        SB_USING(NULL, .timeout = 1);
    }
    assert_int_equal(sb_close(NULL), 1);
}

static char logged[200];
static void log_text(int level, const char *text, void *user)
{
    (void)user;
    snprintf(logged, sizeof logged, "%d %s", level, text);
}

static void *use_meanwhile(void *arg)
{
    double *x = arg;
    x[0] = py_math_sqrt(*(sb_session **)(void *)(x + 1), 4);
    return NULL;
}

static void two_threads(void **state)
{
    (void)state;
    struct {
        double x;
        sb_session *py;
    } shared = { -1, sb_open(.quiet = true) };
    pthread_t t;
    py_math_sqrt(shared.py, 4);
    sb_set_log(log_text, NULL);
    /* on_error runs inside a call */
    pthread_create(&t, NULL, use_meanwhile, &shared);
    pthread_join(t, NULL);
    assert_float_equal(shared.x, 2, 0); /* one after the other is fine */
    sb_set_log(NULL, NULL);
    assert_int_equal(sb_close(shared.py), 0);
}

struct inside {
    double x;
    sb_session *py;
};

static void during_error(sb_session *py, void *user)
{
    (void)py;
    pthread_t t;
    pthread_create(&t, NULL, use_meanwhile, user);
    pthread_join(t, NULL);
}

static void second_thread(void **state)
{
    (void)state;
    struct inside in = { .x = -1 };
    in.py = sb_open(.quiet = true, .on_error = during_error, .user = &in);
    sb_set_log(log_text, NULL);
    sb_call(in.py, "sbtest.boom");
    sb_set_log(NULL, NULL);
    assert_float_equal(in.x, 0, 0); /* turned away with a zero */
    assert_non_null(strstr(logged, "second thread"));
    expect_error(in.py, SB_E_PYTHON, "ValueError", "boom");
    assert_float_equal(py_math_sqrt(in.py, 9), 3, 0);
    assert_int_equal(sb_close(in.py), 1); /* reported */
}

static int errors_seen;
static void count_error(sb_session *py, void *user)
{
    (void)py;
    errors_seen += *(int *)user;
}

static void options(void **state)
{
    (void)state;
    int step = 1;
    sb_session *py = sb_open(.quiet = true, .on_error = count_error, .user = &step);
    assert_ptr_equal(sb_user(py), &step);
    sb_call(py, "sbtest.boom");
    sb_call(py, "sbtest.boom");
    assert_int_equal(errors_seen, 1);
    assert_int_equal(sb_close(py), 1); /* pending */
    py = sb_open(.quiet = true, .transport = "pigeon");
    expect_error(py, SB_E_CONFIG, NULL, "pigeon");
    py_math_sqrt(py, 2);
    expect_error(py, SB_E_MISUSE, NULL, NULL);
    sb_close(py);
    py = sb_open(.quiet = true, .timeout = -1);
    expect_error(py, SB_E_RANGE, NULL, "timeout");
    sb_close(py);
    assert_string_equal(sb_version(), SB_VERSION);
    assert_int_equal(sb_set_allocator(NULL, NULL), SB_E_MISUSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),         cmocka_unit_test(keywords),
        cmocka_unit_test(sticky),        cmocka_unit_test(catching),
        cmocka_unit_test(pipelined),     cmocka_unit_test(results),
        cmocka_unit_test(scopes),        cmocka_unit_test(other_session),
        cmocka_unit_test(null_session),  cmocka_unit_test(two_threads),
        cmocka_unit_test(second_thread), cmocka_unit_test(options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
