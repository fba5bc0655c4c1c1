/* SPDX-License-Identifier: MIT
 *
 * Coroutines and asynchronous generators are awaited. Runs over each transport. */
#include "sbtest.h"
#include <stdio.h>

static sb_session *py;

static int open_session(void **state)
{
    (void)state;
    py = sb_open(.quiet = true);
    return 0;
}

static int close_session(void **state)
{
    (void)state;
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
    return 0;
}

static void coroutines(void **state)
{
    (void)state;
    assert_int_equal(sb_as_int(py, sb_call(py, "sbtest.add_later", 1, 2)), 3);
    assert_int_equal(sb_as_int(py, sb_call(py, "sbtest.add_later", 3, 4, 0.01)), 7);
    sb_call(py, "sbtest.fail_later");
    const sb_error *e = sb_get_error(py);
    assert_non_null(e);
    assert_non_null(strstr(e->traceback, "raise ValueError(\"later\")"));
    assert_null(strstr(e->traceback, "<snakebridge>"));
    expect_error(py, SB_E_PYTHON, "ValueError", "later");
    sb_call(py, "asyncio.sleep", 0);
    assert_int_equal(
        sb_as_int(py, sb_eval(py, "sum(await asyncio.gather(f(1, 2, 0.05), f(3, 4, 0.05)))",
                              SB_KW("asyncio", sb_import(py, "asyncio")),
                              SB_KW("f", sb_import(py, "sbtest.add_later")))),
        10);
    sb_value made = sb_exec(py, "import asyncio\nawait asyncio.sleep(0)\nx = await f(1, 2)\n",
                            SB_KW("f", sb_import(py, "sbtest.add_later")));
    assert_int_equal(sb_as_int(py, sb_get(py, made, "x")), 3);
    expect_fine(py);
}

static void tasks(void **state)
{
    (void)state;
    sb_value log = SB(sb_as_object(py, SB_LIST(py)));
    sb_value task = sb_call(py, "sbtest.ticks", log, 5);
    assert_int_equal(task.kind, SB_OBJECT_);
    assert_true(sb_count(py, log) <= 1);
    sb_call(py, "asyncio.sleep", 0.03); /* it advances while a call runs on the loop */
    assert_true(sb_count(py, log) >= 2);
    sb_eval(py, "await t", SB_KW("t", task));
    assert_int_equal(sb_count(py, log), 5);
    expect_fine(py);
    sb_value more = SB(sb_as_object(py, SB_LIST(py)));
    sb_call(py, "sbtest.ticks", more, 1000, 10);
    sb_call(py, "asyncio.sleep", 0);
    assert_int_equal(sb_count(py, more), 1); /* it is cancelled when the session closes */
}

static void generators(void **state)
{
    (void)state;
    int64_t sum = 0;
    sb_value v, log = SB(sb_as_object(py, SB_LIST(py)));
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.async_count", 100, log))
        sum += i;
    assert_int_equal(sum, 4950);
    assert_int_equal(sb_count(py, log), 1);
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.async_count", 100, log)) {
        if (i == 5)
            break;
    }
    assert_int_equal(sb_count(py, log), 2); /* closed at once */
    sum = 0;
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.async_fails", 5))
        sum += i;
    assert_int_equal(sum, 10);
    expect_error(py, SB_E_PYTHON, "ValueError", "async after 5");
    sb_value g = sb_call(py, "sbtest.async_count", 1);
    assert_true(sb_next(py, g, &v));
    assert_int_equal(sb_as_int(py, v), 0);
    assert_false(sb_next(py, g, &v));
    assert_true(sb_is_none(v));
    g = sb_call(py, "sbtest.async_count", 5);
    assert_int_equal(sb_as_int(py, sb_eval(py, "await g.asend(None)", SB_KW("g", g))), 0);
    expect_fine(py);
}

static void deadlines(void **state)
{
    (void)state;
    sb_call(py, "sbtest.add_later", 1, 2);
    double begin = now();
    {
        SB_USING(py, .timeout = 0.2);
        sb_call(py, "sbtest.add_later", 1, 2, 20.0);
    }
    expect_error(py, SB_E_TIMEOUT, NULL, NULL);
    assert_true(now() - begin < 3);
    assert_int_equal(sb_as_int(py, sb_call(py, "sbtest.add_later", 1, 2)),
                     3); /* the loop goes on */
    begin = now();
    {
        SB_USING(py, .timeout = 0.2);
        SB_FOR(py, int64_t, i, sb_call(py, "sbtest.async_count", 3)) {
            assert_true(i < 3);
            sb_call(py, "asyncio.sleep", 20);
        }
    }
    expect_error(py, SB_E_TIMEOUT, NULL, NULL);
    assert_true(now() - begin < 3);
}

static sb_value ask_again(sb_session *own, const sb_value *args, size_t count, void *user)
{
    (void)args, (void)count, (void)user;
    return sb_call(own, "sbtest.add_later", 1, 2);
}

static void nested(void **state)
{
    (void)state;
    sb_object f = sb_function(py, ask_again, NULL, NULL);
    sb_call(py, "sbtest.call_back", f);
    expect_error(py, SB_E_PYTHON, "RuntimeError", "await it in Python instead");
    assert_int_equal(sb_as_int(py, sb_call(py, "sbtest.add_later", 1, 2)), 3);
    assert_int_equal(sb_as_int(py, sb_call(py, "sbtest.apply", f)), 3); /* from a plain function */
}

static void closing(void **state)
{
    (void)state;
    int before = open_descriptors();
    for (int i = 0; i < 2; i++) {
        sb_session *own = sb_open(.quiet = true);
        sb_value log = SB(sb_as_object(own, SB_LIST(own)));
        sb_call(own, "sbtest.ticks", log, 1000, 10);
        sb_call(own, "asyncio.sleep", 0);
        {
            SB_USING(own, .timeout = 0.1);
            sb_call(own, "sbtest.nothing_to_cancel");
        }
        assert_true(sb_catch(own, "SB_E_TIMEOUT"));
        double begin = now();
        assert_int_equal(sb_close(own), 0);
        assert_true(now() - begin < 4);
        if (i == 0)
            before = open_descriptors();
    }
    const char *transport = getenv("SNAKEBRIDGE_TRANSPORT");
    if (transport && !strcmp(transport, "inprocess")) /* else the loop is elsewhere */
        assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(coroutines, open_session, close_session),
        cmocka_unit_test_setup_teardown(tasks, open_session, close_session),
        cmocka_unit_test_setup_teardown(generators, open_session, close_session),
        cmocka_unit_test_setup_teardown(deadlines, open_session, close_session),
        cmocka_unit_test_setup_teardown(nested, open_session, close_session),
        cmocka_unit_test(closing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
