/* SPDX-License-Identifier: MIT
 *
 * SB_WITH: entering, leaving, and what becomes of errors. Runs over each transport. */
#include "sbtest.h"
#include <stdio.h>
#include <unistd.h>

static sb_session *py;
static sb_value log_; /* what the managers note */

static int open_session(void **state)
{
    (void)state;
    py = sb_open(.quiet = true);
    log_ = SB(sb_as_object(py, SB_LIST(py)));
    return 0;
}

static int close_session(void **state)
{
    (void)state;
    int64_t alive = boxes_alive(py);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(alive, 0);
    return 0;
}

/* What has been noted since the last time. */
static void expect_log(const char *text)
{
    SB_SCOPE(py);
    assert_string_equal(sb_as_str(py, sb_method(py, SB("|"), "join", log_)).ptr, text);
    sb_method(py, log_, "clear");
    expect_fine(py);
}

static void enters_and_leaves(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        SB_SCOPE(py);
        SB_WITH(py, box, sb_call(py, "sbtest.Manager", log_));
        assert_int_equal(sb_as_int(py, sb_method(py, box, "get")), 5);
        if (i == 1)
            break;
    }
    expect_log("enter|exit None None None|enter|exit None None None");
    {
        SB_SCOPE(py);
        SB_WITH(py, a, sb_call(py, "sbtest.Manager", log_));
        SB_WITH(py, b, sb_call(py, "sbtest.Manager", log_));
        goto out;
    }
out:
    expect_log("enter|enter|exit None None None|exit None None None");
    char path[] = "/tmp/sbtest_with_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    sb_value kept;
    {
        SB_WITH(py, file, sb_call(py, "builtins.open", path, "w"));
        sb_method(py, file, "write", "text");
        kept = SB(file);
        assert_false(sb_as_bool(py, sb_attr(py, kept, "closed")));
    }
    assert_true(sb_as_bool(py, sb_attr(py, kept, "closed")));
    assert_int_equal(lseek(fd, 0, SEEK_END), 4);
    close(fd);
    unlink(path);
}

static void errors(void **state)
{
    (void)state;
    SB_SCOPE(py);
    {
        SB_WITH(py, box, sb_call(py, "sbtest.Manager", log_));
        sb_call(py, "sbtest.boom", "in the block");
    }
    sb_call(py, "sbtest.echo", 1);
    assert_int_equal(sb_get_error(py)->skipped, 1);
    assert_non_null(strstr(sb_get_error(py)->traceback, "raise ValueError(text)"));
    expect_error(py, SB_E_PYTHON, "ValueError", "in the block");
    expect_log("enter|exit ValueError in the block None");
    {
        SB_WITH(py, box, sb_call(py, "sbtest.Manager", log_, SB_KW("suppress", SB_TRUE)));
        sb_call(py, "sbtest.boom", "in the block");
        sb_call(py, "sbtest.echo", 1);
    }
    expect_fine(py);
    expect_log("enter|exit ValueError in the block None");
    {
        SB_WITH(py, box, sb_call(py, "sbtest.Manager", log_, SB_KW("fail", "in exit")));
        sb_call(py, "sbtest.boom", "in the block");
    }
    const sb_error *e = sb_get_error(py);
    assert_non_null(e);
    assert_non_null(strstr(e->traceback, "in the block")); /* its __context__ */
    assert_string_equal(e->function, "SB_WITH");
    expect_error(py, SB_E_PYTHON, "RuntimeError", "in exit");
    {
        SB_WITH(py, box, sb_call(py, "sbtest.Manager", log_, SB_KW("fail", "in exit")));
    }
    expect_error(py, SB_E_PYTHON, "RuntimeError", "in exit");
    sb_method(py, log_, "clear");
    { /* an error that is not Python's */
        SB_WITH(py, box, sb_call(py, "sbtest.Manager", log_, SB_KW("suppress", SB_TRUE)));
        sb_as_int(py, SB("seven"));
    }
    expect_fine(py);
    expect_log("enter|exit Error int was due, got str 2");
    {
        SB_WITH(py, box, sb_call(py, "sbtest.Manager", log_));
        sb_as_int(py, SB("seven"));
    }
    expect_error(py, SB_E_TYPE, NULL, "int was due, got str");
    sb_method(py, log_, "clear");
    { /* a failure that nobody has waited for */
        SB_WITH(py, box, sb_call(py, "sbtest.Manager", log_, SB_KW("suppress", SB_TRUE)));
        sbtest_boom_box(py);
    }
    expect_fine(py);
    expect_log("enter|exit ValueError boom None");
    { /* two of them: the inner one suppresses */
        SB_WITH(py, a, sb_call(py, "sbtest.Manager", log_));
        SB_WITH(py, b, sb_call(py, "sbtest.Manager", log_, SB_KW("suppress", SB_TRUE)));
        sb_call(py, "sbtest.boom");
    }
    expect_log("enter|enter|exit ValueError boom None|exit None None None");
    {
        SB_WITH(py, box, sb_call(py, "contextlib.suppress", sb_import(py, "builtins.KeyError")));
        assert_int_equal(sb_import(py, "math").kind, SB_OBJECT_);
        sb_call(py, "sbtest.boom_key");
    }
    expect_fine(py);
}

static void not_entered(void **state)
{
    (void)state;
    SB_SCOPE(py);
    {
        SB_WITH(py, box, sb_call(py, "sbtest.Manager", log_, SB_KW("fail_enter", SB_TRUE)));
        sb_method(py, box, "get");
    }
    assert_int_equal(sb_get_error(py)->skipped, 1);
    expect_error(py, SB_E_PYTHON, "ValueError", "not entered");
    expect_log("enter");
    {
        SB_WITH(py, x, SB_LIST(py, 1));
        (void)x;
    }
    expect_error(py, SB_E_PYTHON, "TypeError",
                 "'list' object does not support the context manager");
    sb_call(py, "sbtest.boom");
    {
        SB_WITH(py, box, sb_call(py, "sbtest.Manager", log_));
    }
    expect_error(py, SB_E_PYTHON, "ValueError", "boom");
    expect_log("");
    {
        SB_WITH(NULL, x, 5);
        (void)x;
    }
}

static void awaited(void **state)
{
    (void)state;
    SB_SCOPE(py);
    {
        SB_WITH(py, box, sb_call(py, "sbtest.Awaited", sb_call(py, "sbtest.Manager", log_)));
        assert_int_equal(sb_as_int(py, sb_method(py, box, "get")), 5);
    }
    expect_log("enter|exit None None None");
    {
        SB_WITH(py, box,
                sb_call(py, "sbtest.Awaited",
                        sb_call(py, "sbtest.Manager", log_, SB_KW("suppress", SB_TRUE))));
        sb_call(py, "sbtest.boom");
    }
    expect_fine(py);
    expect_log("enter|exit ValueError boom None");
}

static void ends_of_sessions(void **state)
{
    (void)state;
    sb_session *own = sb_open(.quiet = true);
    int status = 1;
    {
        SB_WITH(own, lock, sb_call(own, "threading.Lock"));
        (void)lock;
        status = sb_close(own);
    }
    assert_int_equal(status, 0);
    const char *transport = getenv("SNAKEBRIDGE_TRANSPORT");
    if (transport && !strcmp(transport, "inprocess"))
        return;
    {
        SB_WITH(py, box, sb_call(py, "sbtest.Manager", log_));
        sb_call(py, "sbtest.exit_process");
    }
    expect_error(py, SB_E_WORKER_DIED, NULL, NULL);
    {
        SB_WITH(py, box, sb_call(py, "threading.Lock"));
        sb_call(py, "sbtest.exit_process");
        assert_true(sb_catch(py, "SB_E_WORKER_DIED"));
        sb_call(py, "sbtest.echo", 1); /* another worker: there is nothing to leave */
    }
    expect_fine(py);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(enters_and_leaves, open_session, close_session),
        cmocka_unit_test_setup_teardown(errors, open_session, close_session),
        cmocka_unit_test_setup_teardown(not_entered, open_session, close_session),
        cmocka_unit_test_setup_teardown(awaited, open_session, close_session),
        cmocka_unit_test_setup_teardown(ends_of_sessions, open_session, close_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
