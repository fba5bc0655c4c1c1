/* SPDX-License-Identifier: MIT
 *
 * Calls that do not end by themselves: deadlines over each transport, and workers that are killed, stopped, or end inside a
 * call. The next call works, and old objects are told apart from new ones. */
#include "api.h"

/* The pending error, with the place of `line`. Not cleared. */
static const sb_error *expect(sb_session *py, sb_code code, const char *text, int line)
{
    const sb_error *e = sb_get_error(py);
    if (!e)
        fail_msg("line %d: no error; expected %s", line, sb_code_name(code));
    if (e->code != code || (text && !strstr(e->message, text)))
        fail_msg("line %d: expected %s \"%s\", got %s \"%s\"", line, sb_code_name(code),
                 text ? text : "", sb_code_name(e->code), e->message);
    if (!strstr(e->file, "test_ends.c") || e->line != line)
        fail_msg("line %d: the error is at %s:%d", line, e->file, e->line);
    return e;
}

static void goes_on(sb_session *py)
{
    sb_clear_error(py);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    sbtest_Box b = sbtest_Box_new(py, 6);
    assert_int_equal(sbtest_Box_value(py, b), 6);
    expect_fine(py);
}

static int64_t pid(sb_session *py)
{
    int64_t p = sb_as_int(py, sb_call(py, "badly.pid"));
    expect_fine(py);
    return p;
}

/* ---- deadlines ---- */

static void of_a_session(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true, .timeout = 0.3);
    sbtest_Box b = sbtest_Box_new(py, 5);
    int64_t before = pid(py);
    for (int i = 0; i < 2; i++) {
        double start = seconds();
        sb_call(py, "badly.wait", 30);
        const sb_error *e = expect(py, SB_E_TIMEOUT, "the call's time ran out", __LINE__ - 1);
        assert_true(seconds() - start < 2);
        assert_string_equal(e->type, "SB_E_TIMEOUT");
        if (!strstr(e->traceback, "in wait"))
            fail_msg("no stack: \"%s\"", e->traceback);
        sb_clear_error(py);
        /* Interrupted, not killed: what the session holds is still there. */
        assert_int_equal(sbtest_Box_value(py, b), 5);
        assert_int_equal(pid(py), before);
    }
    sb_call(py, "badly.wait", 0.01);
    expect_fine(py);
    goes_on(py);
    assert_int_equal(sb_close(py), 0);
}

static void of_a_block(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    {
        SB_USING(py, .timeout = 0.2);
        double start = seconds();
        /* Sleeping, not running: in-process, that cannot be interrupted. */
        sb_call(py, "badly.nap", in_process() ? 0.5 : 30);
        expect(py, SB_E_TIMEOUT, NULL, __LINE__ - 1);
        assert_true(seconds() - start < 2);
        sb_clear_error(py);
        {
            SB_USING(py, .timeout = 0); /* none, for a block in the block */
            assert_float_equal(sb_as_double(py, sb_call(py, "badly.wait", 0.4)), 0.4, 0);
            expect_fine(py);
        }
        sb_call(py, "badly.wait", 30);
        expect(py, SB_E_TIMEOUT, NULL, __LINE__ - 1);
        assert_true(sb_catch(py, "SB_E_TIMEOUT"));
    }
    assert_float_equal(sb_as_double(py, sb_call(py, "badly.wait", 0.4)), 0.4, 0);
    expect_fine(py);
    goes_on(py);
    assert_int_equal(sb_close(py), 0);
}

/* A call that nobody waits for has its deadline when somebody does. */
static void of_a_pipelined_call(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true, .timeout = 0.3);
    py_math_sqrt(py, 4);
    static const sb_fn wait = { "badly:wait", "fd:x>o{sbtest:Box}" };
    const sb_slot slots[] = { { .d = 30 } };
    double start = seconds();
    sbtest_Box b = { sb_run_o(py, &wait, SB_SITE_(""), slots) };
    int line = __LINE__ - 1;
    sbtest_Box_add(py, b, 1);
    sbtest_Box_value(py, b);
    expect(py, SB_E_TIMEOUT, NULL, line); /* the call whose time ran out, not the one that waits */
    assert_true(seconds() - start < 2);
    goes_on(py);
    assert_int_equal(sb_close(py), 0);
}

/* What swallows the interruption is killed with its worker; in-process it goes on, and is told when it ends. */
static void stubborn(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true, .timeout = 0.2);
    sbtest_Box b = sbtest_Box_new(py, 5);
    int64_t before = pid(py);
    double start = seconds(), limit = in_process() ? 1 : 30;
    sb_call(py, "badly.stubborn", limit);
    const sb_error *e = expect(py, SB_E_TIMEOUT, NULL, __LINE__ - 1);
    assert_true(seconds() - start < 8);
    if (!in_process() && !strstr(e->traceback, "stubborn"))
        fail_msg("no stack: \"%s\"", e->traceback);
    sb_clear_error(py);
    if (in_process()) {
        assert_int_equal(sbtest_Box_value(py, b), 5);
    } else {
        assert_true(pid(py) != before);
        sbtest_Box_value(py, b);
        expect(py, SB_E_STALE, NULL, __LINE__ - 1);
    }
    goes_on(py);
    assert_int_equal(sb_close(py), 0);
}

/* Outside of the bytecode loop: the stack still tells where. */
static void native(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true, .timeout = 0.2);
    pid(py);
    double start = seconds();
    sb_call(py, "badly.native", in_process() ? 14 : 30);
    double took = seconds() - start;
    if (sb_failed(py)) {
        const sb_error *e = expect(py, SB_E_TIMEOUT, NULL, __LINE__ - 3);
        if (!in_process() && !strstr(e->traceback, "native"))
            fail_msg("no stack: \"%s\"", e->traceback);
    } else {
        assert_true(in_process() && took < 0.3); /* this machine is fast */
    }
    assert_true(took < 20);
    goes_on(py);
    assert_int_equal(sb_close(py), 0);
}

/* An error that Python raises in time is that error. */
static void in_time(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true, .timeout = 5);
    sb_call(py, "sbtest.boom", "first");
    expect_error(py, SB_E_PYTHON, "ValueError", "first");
    for (int i = 0; i < 1000; i++)
        assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

/* ---- ends of a worker ---- */

static void ends(const char *function, sb_value argument, const char *obituary)
{
    sb_session *py = sb_open(.quiet = true), *other = sb_open(.quiet = true);
    sbtest_Box b = sbtest_Box_new(py, 5), c = sbtest_Box_new(other, 5);
    int64_t before = pid(py);
    assert_int_equal(pid(other), before); /* on the same worker */
    double start = seconds();
    if (sb_is_unset(argument))
        sb_call(py, function);
    else
        sb_call(py, function, argument);
    const sb_error *e = sb_get_error(py);
    assert_true(seconds() - start < 5);
    assert_non_null(e);
    assert_int_equal(e->code, SB_E_WORKER_DIED);
    if (!strstr(e->message, obituary))
        fail_msg("\"%s\" does not tell \"%s\"", e->message, obituary);
    assert_non_null(strstr(e->file, "test_ends.c"));
    assert_string_equal(e->function, function);
    sb_clear_error(py);
    /* The other session hears of it once. */
    sbtest_Box_value(other, c);
    int line = __LINE__ - 1;
    expect(other, SB_E_WORKER_DIED, NULL, line);
    sb_clear_error(other);
    sbtest_Box_value(other, c);
    expect(other, SB_E_STALE, NULL, __LINE__ - 1);
    goes_on(other);
    sbtest_Box_value(py, b);
    expect(py, SB_E_STALE, NULL, __LINE__ - 1);
    goes_on(py);
    assert_true(pid(py) != before);
    assert_int_equal(sb_close(other), 0);
    assert_int_equal(sb_close(py), 0);
}

static void ends_inside_a_call(void **state)
{
    (void)state;
    if (in_process())
        skip();
    ends("badly.kill", sb_of_kind_(SB_UNSET), "was killed by SIGKILL");
    ends("badly.leave", SB(3), "exited with status 3");
    ends("badly.leave", SB(0), "exited with status 0");
    ends("badly.crash", sb_of_kind_(SB_UNSET), "SIGSEGV");
}

static void *end_it(void *arg)
{
    int64_t *what = arg;
    nap(0.2);
    kill((pid_t)what[0], (int)what[1]);
    return NULL;
}

static void killed_from_outside(void **state)
{
    (void)state;
    if (in_process())
        skip();
    sb_session *py = sb_open(.quiet = true);
    int64_t what[] = { pid(py), SIGKILL };
    pthread_t t;
    pthread_create(&t, NULL, end_it, what);
    double start = seconds();
    sb_call(py, "badly.wait", 30);
    expect(py, SB_E_WORKER_DIED, "SIGKILL", __LINE__ - 1);
    assert_true(seconds() - start < 1);
    pthread_join(t, NULL);
    goes_on(py);
    /* While the session is idle. */
    what[0] = pid(py);
    kill((pid_t)what[0], SIGKILL);
    nap(0.3);
    py_math_sqrt(py, 4);
    expect(py, SB_E_WORKER_DIED, NULL, __LINE__ - 1);
    goes_on(py);
    /* Nobody looks: the session closes. */
    kill((pid_t)pid(py), SIGKILL);
    nap(0.1);
    assert_int_equal(sb_close(py), 0);
    /* Early deaths of many, one after the other. */
    for (int i = 0; i < 5; i++) {
        py = sb_open(.quiet = true);
        kill((pid_t)pid(py), SIGKILL);
        sb_call(py, "math.sqrt", 4);
        assert_true(sb_catch(py, "SB_E_WORKER_DIED"));
        goes_on(py);
        assert_int_equal(sb_close(py), 0);
    }
}

static void stopped(void **state)
{
    (void)state;
    if (in_process())
        skip();
    /* With a timeout: ended. */
    sb_session *py = sb_open(.quiet = true, .timeout = 0.3);
    int64_t before = pid(py);
    double start = seconds();
    sb_call(py, "badly.stop");
    expect(py, SB_E_TIMEOUT, NULL, __LINE__ - 1);
    assert_true(seconds() - start < 8);
    goes_on(py);
    assert_true(pid(py) != before);
    assert_true(kill((pid_t)before, 0) != 0);
    assert_int_equal(sb_close(py), 0);
    /* Without: a long call, that ends when the worker goes on. */
    py = sb_open(.quiet = true);
    int64_t what[] = { pid(py), SIGCONT };
    pthread_t t;
    pthread_create(&t, NULL, end_it, what);
    start = seconds();
    kill((pid_t)what[0], SIGSTOP);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    assert_true(seconds() - start > 0.1);
    pthread_join(t, NULL);
    goes_on(py);
    assert_int_equal(sb_close(py), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(of_a_session), TEST(of_a_block), TEST(of_a_pipelined_call), TEST(stubborn),
        TEST(native),       TEST(in_time),    TEST(ends_inside_a_call),  TEST(killed_from_outside),
        TEST(stopped),
    };
    named(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
