/* SPDX-License-Identifier: MIT
 *
 * Sessions and threads: each thread its own session, a session that goes from thread to thread, errors and deadlines that
 * stay where they belong. Over each transport. */
#include "api.h"
#include <stdatomic.h>

enum { THREADS = 8, TURNS = 200 };

struct work {
    int number;
    const char *wrong;
};

static void *many_calls(void *arg)
{
    struct work *w = arg;
    sb_session *py = sb_open(.quiet = true);
    for (int i = 0; i < TURNS && !w->wrong; i++) {
        SB_SCOPE(py);
        sbtest_Box b = sbtest_Box_new(py, w->number * 1000 + i);
        if (sbtest_Box_value(py, sbtest_Box_add(py, b, 1)) != w->number * 1000 + i + 1)
            w->wrong = "a value of another session";
        if (i % 7 == w->number % 7) {
            sb_call(py, "sbtest.boom", w->number);
            if (!sb_catch(py, "ValueError"))
                w->wrong = "the error is not this session's";
        }
        char text[64];
        snprintf(text, sizeof text, "%d %d", w->number, i);
        if (strcmp(sb_as_str(py, sb_call(py, "sbtest.echo", text)).ptr, text) != 0)
            w->wrong = "a text of another session";
    }
    if (sb_failed(py))
        w->wrong = "an error that nobody made";
    if (sb_close(py))
        w->wrong = "sb_close";
    return NULL;
}

static void each_its_own(void **state)
{
    (void)state;
    pthread_t t[THREADS];
    struct work work[THREADS] = { { 0 } };
    for (int i = 0; i < THREADS; i++) {
        work[i].number = i;
        assert_int_equal(pthread_create(&t[i], NULL, many_calls, &work[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        if (work[i].wrong)
            fail_msg("thread %d: %s", i, work[i].wrong);
    }
}

/* One at a time: any thread may go on with a session, and close it. */
static void *next_turn(void *arg)
{
    void **p = arg;
    sb_session *py = p[0];
    sbtest_Box *b = p[1];
    *b = sbtest_Box_add(py, *b, 1);
    sb_keep(py, b->object);
    return NULL;
}

static void *close_it(void *py)
{
    return sb_close(py) ? py : NULL;
}

static void from_thread_to_thread(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sbtest_Box b = sbtest_Box_new(py, 0);
    void *arg[] = { py, &b }, *rc;
    pthread_t t;
    for (int i = 0; i < 20; i++) {
        pthread_create(&t, NULL, next_turn, arg);
        pthread_join(t, NULL);
    }
    assert_int_equal(sbtest_Box_value(py, b), 20);
    expect_fine(py);
    pthread_create(&t, NULL, close_it, py);
    pthread_join(t, &rc);
    assert_null(rc);
}

/* A deadline ends the call of its session alone. */
static _Atomic bool stop;
static void *undisturbed(void *arg)
{
    struct work *w = arg;
    sb_session *py = sb_open(.quiet = true);
    while (!stop && !w->wrong) {
        if (py_math_sqrt(py, 9) != 3)
            w->wrong = sb_failed(py) ? sb_get_error(py)->type : "a wrong result";
    }
    sb_close(py);
    return NULL;
}

static void deadlines(void **state)
{
    (void)state;
    pthread_t t;
    struct work work = { 0 };
    stop = false;
    pthread_create(&t, NULL, undisturbed, &work);
    sb_session *py = sb_open(.quiet = true, .timeout = 0.1);
    for (int i = 0; i < 5; i++) {
        /* In a worker, calls of its sessions wait for each other: a short one. */
        sb_call(py, "badly.wait", 0.4);
        if (!sb_catch(py, "SB_E_TIMEOUT"))
            fail_msg("no timeout: %s", sb_failed(py) ? sb_get_error(py)->message : "no error");
        assert_float_equal(py_math_sqrt(py, 4), 2, 0);
        expect_fine(py);
    }
    stop = true;
    pthread_join(t, NULL);
    if (work.wrong)
        fail_msg("the other session: %s", work.wrong);
    assert_int_equal(sb_close(py), 0);
}

/* Many sessions in one thread, closed in another order. */
static void many_sessions(void **state)
{
    (void)state;
    sb_session *py[50];
    for (int i = 0; i < 50; i++) {
        py[i] = sb_open(.quiet = true);
        assert_float_equal(py_math_sqrt(py[i], 4), 2, 0);
    }
    for (int i = 0; i < 50; i += 2)
        assert_int_equal(sb_close(py[i]), 0);
    for (int i = 49; i > 0; i -= 2) {
        assert_float_equal(py_math_sqrt(py[i], 4), 2, 0);
        assert_int_equal(sb_close(py[i]), 0);
    }
    for (int i = 0; i < 300; i++) { /* lanes and tags are used again */
        sb_session *one = sb_open(.quiet = true);
        assert_float_equal(py_math_sqrt(one, 4), 2, 0);
        assert_int_equal(sb_close(one), 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(each_its_own),
        TEST(from_thread_to_thread),
        TEST(deadlines),
        TEST(many_sessions),
    };
    named(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
