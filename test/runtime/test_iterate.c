/* SPDX-License-Identifier: MIT
 *
 * SB_FOR and sb_next, over values held in C and over objects. Runs over each transport. */
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
    int64_t alive = boxes_alive(py);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(alive, 0);
    return 0;
}

static bool is_worker(void)
{
    const char *transport = getenv("SNAKEBRIDGE_TRANSPORT");
    return !transport || strcmp(transport, "inprocess") != 0;
}

static void held(void **state)
{
    (void)state;
    int64_t sum = 0;
    int turns = 0;
    SB_SCOPE(py);
    SB_FOR(py, int64_t, i, SB_LIST(py, 1, 2, 3.0, SB_TRUE))
        sum += i;
    assert_int_equal(sum, 7);
    double total = 0;
    SB_FOR(py, double, x, SB_TUPLE(py, 1, 2.5))
        total += x;
    assert_float_equal(total, 3.5, 0);
    char text[32] = "";
    SB_FOR(py, sb_str, c, "a\xc3\xa9\xf0\x9f\x90\x8dz") { /* code points */
        strcat(text, c.ptr);
        strcat(text, "|");
        assert_int_equal(strlen(c.ptr), c.len);
    }
    assert_string_equal(text, "a|\xc3\xa9|\xf0\x9f\x90\x8d|z|");
    SB_FOR(py, sb_str, key, SB_DICT(py, "one", 1, "two", 2)) {
        assert_string_equal(key.ptr, turns ? "two" : "one");
        turns++;
    }
    SB_FOR(py, int64_t, byte, ((sb_bytes) { (const unsigned char *)"\0\xff", 2 }))
        sum += byte;
    assert_int_equal(sum, 262);
    SB_FOR(py, sb_value, x, SB_LIST(py, SB_LIST(py, 1, 2), SB_LIST(py, 3)))
        SB_FOR(py, int64_t, i, x)
            turns += (int)i;
    assert_int_equal(turns, 8);
    SB_FOR(py, sb_object, o, SB_LIST(py, 1, SB_NONE)) /* made in Python */
        turns += o.id != 0;
    assert_int_equal(turns, 9);
    SB_FOR(py, int64_t, i, sb_call(py, "builtins.range", 2, 6, 2))
        turns += (int)i - 3; /* 2 and 4: in Python, although the value is in C */
    SB_FOR(py, sb_value, x, SB_LIST(py))
        turns += x.kind != SB_UNSET;
    assert_int_equal(turns, 9);
    expect_fine(py);
    SB_FOR(py, int64_t, i, SB_LIST(py, 1, "two", 3))
        turns += (int)i;
    assert_int_equal(turns, 10);
    expect_error(py, SB_E_TYPE, NULL, "int was due, got str");
}

static void objects(void **state)
{
    (void)state;
    int64_t sum = 0, n = 0;
    SB_FOR(py, int64_t, i, sb_call(py, "builtins.range", 100000)) {
        assert_int_equal(i, n++);
        sum += i;
    }
    expect_fine(py);
    assert_int_equal(n, 100000);
    assert_true(sum == INT64_C(4999950000));
    double d = 0;
    SB_FOR(py, double, x,
           sb_call(py, "builtins.map", sb_import(py, "math.sqrt"), SB_LIST(py, 1, 4, 9)))
        d += x;
    assert_float_equal(d, 6, 0);
    n = 0;
    SB_FOR(py, bool, b,
           sb_call(py, "builtins.map", sb_import(py, "builtins.bool"), SB_LIST(py, 1, 0, 2)))
        n = n * 10 + b;
    assert_int_equal(n, 101);
    char text[64] = "";
    SB_FOR(py, sb_str, s, sb_call(py, "json.loads", "{\"a\": 1, \"b\": 2}"))
        strcat(text, s.ptr);
    assert_string_equal(text, "ab");
    SB_FOR(py, sb_bytes, y,
           sb_call(py, "sbtest.echo", SB_SET(py, ((sb_bytes) { (const unsigned char *)"\0z", 2 }))))
        assert_int_equal(y.len, 2);
    n = 0;
    SB_FOR(py, sb_value, row,
           sb_call(py, "builtins.zip", SB_LIST(py, 1, 2), SB_LIST(py, "a", "b"))) {
        assert_int_equal(row.kind, SB_TUPLE_);
        n += sb_as_int(py, sb_nth(py, row, 0));
    }
    assert_int_equal(n, 3);
    expect_fine(py);
}

static void handles(void **state)
{
    (void)state;
    int64_t sum = 0, most = 0;
    sbtest_Box last = { 0 };
    SB_SCOPE(py);
    SB_FOR(py, sbtest_Box, box, sb_call(py, "sbtest.boxes", 100), .of = "sbtest:Box") {
        sum += sbtest_Box_value(py, box);
        sbtest_Box next = sbtest_Box_add(py, box, 1); /* the turn's */
        if (sbtest_Box_value(py, next) == 100)
            sb_keep(py, box.object), last = box;
        int64_t alive = sb_as_int(py, sb_import(py, "sbtest.Box.alive"));
        most = alive > most ? alive : most;
    }
    expect_fine(py);
    assert_int_equal(sum, 4950);
    assert_true(most < 40); /* fetched ahead: a few */
    assert_int_equal(sbtest_Box_value(py, last), 99);
    sum = 0;
    SB_FOR(py, sb_object, o, sb_call(py, "sbtest.box_or_none", 4))
        sum = sum * 10 + (o.id != 0);
    assert_int_equal(sum, 101);
    SB_FOR(py, sbtest_Crate, crate, sb_call(py, "sbtest.boxes", 3), .of = "sbtest:Crate")
        sum += crate.object.id != 0;
    expect_error(py, SB_E_TYPE, NULL, "declared sbtest.Crate or None, got sbtest.Box");
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.boxes", 3), .of = "sbtest:Box")
        sum += i;
    expect_error(py, SB_E_MISUSE, NULL, ".of");
    SB_FOR(py, sb_object, o, sb_call(py, "sbtest.boxes", 300)) {
        sum += o.id != 0;
        if (sum == 104)
            break; /* those that were fetched ahead go, too */
    }
    assert_int_equal(sum, 104);
    expect_fine(py);
}

static void leave_early(sb_value log)
{
    SB_SCOPE(py);
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.count", 1000, log))
        if (i == 5)
            return;
}

static void broken_off(void **state)
{
    (void)state;
    SB_SCOPE(py);
    sb_value log = SB(sb_as_object(py, SB_LIST(py)));
    int turns = 0;
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.count", 1000, log)) {
        turns++;
        if (i < 3)
            continue;
        break;
    }
    assert_int_equal(turns, 4);
    assert_string_equal(sb_to_str(py, log).ptr, "['closed', 'finally']");
    leave_early(log);
    assert_int_equal(sb_count(py, log), 4);
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.count", 3, log))
        turns += i == 2;
    assert_int_equal(turns, 5);
    assert_int_equal(sb_count(py, log), 5); /* at its end: finally alone */
    for (int k = 0; k < 3; k++)
        SB_FOR(py, int64_t, i, sb_call(py, "sbtest.count", 1000, log)) {
            if (i == 1)
                goto out;
        }
out:
    assert_int_equal(sb_count(py, log), 7);
    expect_fine(py);
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.count", 1000, log)) {
        if (i == 3)
            sb_call(py, "sbtest.boom"); /* ends the loop; the generator is closed all the same */
        assert_true(i <= 3);
    }
    expect_error(py, SB_E_PYTHON, "ValueError", "boom");
    assert_int_equal(sb_count(py, log), 9);
    turns = 0;
    int line = __LINE__ + 1;
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.closes_badly")) {
        turns += (int)i;
        break;
    }
    assert_int_equal(turns, 1);
    const sb_error *e = sb_get_error(py);
    assert_non_null(e);
    assert_int_equal(e->line, line);
    assert_string_equal(e->function, "SB_FOR");
    expect_error(py, SB_E_PYTHON, "RuntimeError", "in finally");
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.closes_badly")) {
        sb_call(py, "sbtest.boom", "first");
        turns += (int)i;
    }
    assert_int_equal(sb_get_error(py)->skipped, 0);
    expect_error(py, SB_E_PYTHON, "ValueError", "first");
    sb_value countdown = sb_call(py, "sbtest.Countdown", 100);
    SB_FOR(py, int64_t, i, countdown)
        if (i == 90)
            break;
    assert_int_equal(sb_as_int(py, sb_attr(py, countdown, "closed")), 0);
}

static void errors(void **state)
{
    (void)state;
    int64_t sum = 0;
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.fails_after", 10))
        sum += i; /* all that came before */
    assert_int_equal(sum, 45);
    assert_non_null(strstr(sb_get_error(py)->traceback, "fails_after"));
    expect_error(py, SB_E_PYTHON, "ValueError", "after 10");
    sum = 0;
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.odd_one", 5))
        sum += i;
    assert_int_equal(sum, 10);
    expect_error(py, SB_E_TYPE, NULL, "SB_FOR: declared int, got str");
    SB_FOR(py, int64_t, i, 5)
        sum += i;
    expect_error(py, SB_E_PYTHON, "TypeError", "not iterable");
    SB_FOR(py, int64_t, i, SB_NONE)
        sum += i;
    expect_error(py, SB_E_PYTHON, "TypeError", "not iterable");
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.LyingIter"))
        sum += i;
    expect_error(py, SB_E_PYTHON, "TypeError", "non-iterator");
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.LyingNext"))
        sum += i;
    expect_error(py, SB_E_PYTHON, "AttributeError", "nothing");
    sb_value big = sb_call(py, "sbtest.big", 80);
    SB_FOR(py, int64_t, i, sb_call(py, "builtins.iter", SB_LIST(py, big)))
        sum += i;
    expect_error(py, SB_E_RANGE, NULL, "beyond 64 bits");
    SB_FOR(py, sb_value, i, sb_of_kind_(SB_UNSET))
        sum += i.kind != SB_UNSET;
    expect_error(py, SB_E_MISUSE, NULL, "nothing was passed");
    sb_call(py, "sbtest.boom");
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.count", 3))
        sum += i;
    assert_int_equal(sum, 10);
    assert_int_equal(sb_get_error(py)->skipped, 2);
    sb_clear_error(py);
    int64_t turns = 0;
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.grows", sb_as_object(py, SB_LIST(py, 1))))
        turns += i; /* an iterator that changes its list: as in Python */
    assert_int_equal(turns, 15);
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.count", 10)) { /* an error that is cleared */
        sb_call(py, "sbtest.boom");
        assert_true(sb_catch(py, "ValueError"));
        turns += i;
    }
    assert_int_equal(turns, 60);
    SB_FOR(NULL, int64_t, i, 5)
        turns += i;
    assert_int_equal(turns, 60);
}

static void windows(void **state)
{
    (void)state;
    sb_value steps = sb_call(py, "sbtest.Steps", 100000);
    int64_t ahead = 0;
    SB_FOR(py, int64_t, i, steps) {
        int64_t taken = sb_as_int(py, sb_attr(py, steps, "taken"));
        ahead = taken - i > ahead ? taken - i : ahead;
        if (i == 2000)
            break;
    }
    assert_true(ahead > 16 && ahead <= 257); /* a slow reader stops it */
    sb_set_attr(py, steps, "taken", 0);
    SB_FOR(py, int64_t, i, steps, .lazy = true) {
        assert_int_equal(sb_as_int(py, sb_attr(py, steps, "taken")), i + 1);
        if (i == 50)
            break;
    }
    double begin = now(), worst = 0, last = begin;
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.slowly", 6, 0.05)) {
        double t = now();
        worst = t - last > worst ? t - last : worst;
        last = t + 0 * (double)i;
    }
    assert_true(now() - begin > 0.24);
    assert_true(worst < 0.2); /* each as it comes */
    size_t bytes = 0;
    SB_FOR(py, sb_str, s,
           sb_call(py, "builtins.map", sb_import(py, "sbtest.text"),
                   sb_call(py, "builtins.range", 300)))
        bytes += s.len;
    assert_int_equal(bytes, 44850);
    SB_FOR(py, sb_str, s,
           sb_call(py, "builtins.map", sb_import(py, "sbtest.text"),
                   SB_LIST(py, 10, 3000000, 5, 100000)))
        bytes += s.len;
    assert_int_equal(bytes, 44850 + 3100015);
    expect_fine(py);
}

static void timeouts(void **state)
{
    (void)state;
    int turns = 0;
    {
        SB_USING(py, .timeout = 0.3);
        SB_FOR(py, int64_t, i, sb_call(py, "sbtest.slowly", 5, 0.02))
            turns += i >= 0; /* the time is that of a step */
        assert_int_equal(turns, 5);
        SB_FOR(py, int64_t, i, sb_call(py, "sbtest.slowly", 3, 1.0))
            turns += i >= 0;
    }
    assert_true(turns <= 6);
    expect_error(py, SB_E_TIMEOUT, NULL, NULL);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
}

static void steps(void **state)
{
    (void)state;
    sb_value v, g = sb_call(py, "sbtest.count", 2);
    assert_true(sb_next(py, g, &v));
    assert_int_equal(sb_as_int(py, v), 0);
    assert_true(sb_next(py, g, &v));
    assert_false(sb_next(py, g, &v));
    assert_string_equal(sb_as_str(py, v).ptr, "done"); /* its return value */
    assert_false(sb_next(py, g, &v));
    assert_true(sb_is_none(v));
    sb_value it = sb_call(py, "builtins.iter", sb_call(py, "builtins.range", 1));
    assert_true(sb_next(py, it, &v));
    assert_false(sb_next(py, it, &v));
    assert_true(sb_is_none(v));
    expect_fine(py);
    assert_false(sb_next(py, SB_LIST(py, 1), &v));
    expect_error(py, SB_E_PYTHON, "TypeError", "'list' object is not an iterator");
    assert_int_equal(v.kind, SB_FAILED_);
    assert_false(sb_next(py, sb_call(py, "sbtest.fails_after", 0), &v));
    expect_error(py, SB_E_PYTHON, "ValueError", "after 0");
    SB_FOR(py, sb_value, x, sb_call(py, "sbtest.boxes", 2)) /* objects stay, and have handles */
        assert_int_equal(x.kind, SB_OBJECT_);
    /* send, throw and close are methods. */
    g = sb_call(py, "sbtest.echoing");
    assert_true(sb_next(py, g, &v));
    assert_int_equal(sb_as_int(py, sb_method(py, g, "send", 5)), 5);
    assert_string_equal(
        sb_as_str(py, sb_method(py, g, "throw", sb_call(py, "builtins.KeyError", "k"))).ptr,
        "caught 'k'");
    sb_method(py, g, "send", "stop");
    sb_object e = sb_keep(py, sb_get_error(py)->exception);
    assert_true(sb_catch(py, "StopIteration"));
    assert_string_equal(sb_as_str(py, sb_attr(py, e, "value")).ptr, "returned");
    g = sb_call(py, "sbtest.echoing");
    sb_next(py, g, &v);
    sb_method(py, g, "close");
    assert_false(sb_next(py, g, &v));
    expect_fine(py);
}

static void deaths(void **state)
{
    (void)state;
    if (!is_worker())
        skip();
    for (int at = 0; at < 40; at += 13) {
        int turns = 0;
        SB_FOR(py, int64_t, i, sb_call(py, "sbtest.dies_at", at))
            turns += i >= 0;
        assert_true(turns <= at);
        expect_error(py, SB_E_WORKER_DIED, NULL, NULL);
    }
    int turns = 0;
    SB_FOR(py, sb_value, x, sb_call(py, "sbtest.boxes", 100)) { /* killed in a turn */
        turns += x.kind == SB_OBJECT_;
        if (turns == 5)
            sb_call(py, "sbtest.exit_process");
        if (turns == 5)
            assert_true(sb_catch(py, "SB_E_WORKER_DIED"));
    }
    assert_int_equal(turns, 5);
    expect_error(py, SB_E_STALE, NULL, NULL);
    SB_FOR(py, int64_t, i, sb_call(py, "sbtest.count", 100)) {
        if (i == 5)
            sb_call(py, "sbtest.exit_process");
    }
    expect_error(py, SB_E_WORKER_DIED, NULL, NULL);
}

static void closed_inside(void **state)
{
    (void)state;
    sb_session *own = sb_open(.quiet = true);
    int turns = 0, status = 1;
    SB_FOR(own, int64_t, i, sb_call(own, "sbtest.count", 100)) {
        turns += i >= 0;
        if (i == 3)
            status = sb_close(own);
    }
    assert_int_equal(turns, 4);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(held, open_session, close_session),
        cmocka_unit_test_setup_teardown(objects, open_session, close_session),
        cmocka_unit_test_setup_teardown(handles, open_session, close_session),
        cmocka_unit_test_setup_teardown(broken_off, open_session, close_session),
        cmocka_unit_test_setup_teardown(errors, open_session, close_session),
        cmocka_unit_test_setup_teardown(windows, open_session, close_session),
        cmocka_unit_test_setup_teardown(timeouts, open_session, close_session),
        cmocka_unit_test_setup_teardown(steps, open_session, close_session),
        cmocka_unit_test_setup_teardown(deaths, open_session, close_session),
        cmocka_unit_test(closed_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
