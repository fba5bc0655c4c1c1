/* SPDX-License-Identifier: MIT
 *
 * In-process with several threads: each its own session, output to the one whose call prints, threads
 * that come and go, and calls that are interrupted. */
#include "driver.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

#define THREADS 4

static struct client clients[THREADS + 1], *c = &clients[THREADS];
static int wrong[THREADS];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The driver's registry of plans is not for several threads: these requests are made beforehand. */
static void prepare(struct client *x, uint32_t tag, const char *name, const char *args)
{
    inprocess_open(x, tag);
    CALL(x, name, "V", args);
    CALL(x, name, "V", args);
}

static int repeat(struct client *x)
{
    struct sb_frame *h = (struct sb_frame *)(void *)x->frame.ptr;
    h->seq = ++x->seq;
    h->id++;
    return send_frame(x);
}

static void *print_many(void *arg)
{
    int i = *(int *)arg;
    struct client *x = &clients[i];
    for (int k = 0; k < 300; k++) {
        char want[200];
        snprintf(want, sizeof want, "OUT 1 \"begin %d\\nend %d\\n\"; REPLY %d", i, i, i);
        if (repeat(x) != 0 || strcmp(describe_answers(x), want) != 0)
            wrong[i]++;
    }
    return NULL;
}

static void test_output(void **state)
{
    (void)state;
    inprocess_open(c, 50);
    execute(c, "import time\n"
               "def talk(i):\n"
               "    print('begin', i)\n"
               "    time.sleep(0.0002)\n"
               "    print('end', i)\n"
               "    return i\n");
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        prepare(&clients[i], (uint32_t)(60 + i), "__main__:talk", format("[%d]", i));
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, print_many, &numbers[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(wrong[i], 0);
        client_close(&clients[i]);
    }
    client_close(c);
}

static void *come_and_go(void *arg)
{
    return repeat(arg) == 0 ? arg : NULL;
}

/* A thread's Python state goes with it. */
static void test_short_lives(void **state)
{
    (void)state;
    inprocess_open(c, 51);
    execute(c, "import sys\ndef states(): return len(sys._current_frames())");
    prepare(&clients[0], 70, "builtins:abs", "[-5]");
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        void *ok = NULL;
        assert_int_equal(pthread_create(&thread, NULL, come_and_go, &clients[0]), 0);
        pthread_join(thread, &ok);
        assert_non_null(ok);
        same(describe_answers(&clients[0]), "REPLY 5");
    }
    int n = 0;
    assert_int_equal(sscanf(CALL(c, "__main__:states", "i", "[]"), "REPLY %d", &n), 1);
    assert_true(n < 5);
    client_close(&clients[0]);
    client_close(c);
}

struct alarm {
    struct client *x;
    uint64_t seq;
    useconds_t after;
};

static void *ring(void *arg)
{
    struct alarm *a = arg;
    usleep(a->after);
    engine()->interrupt(a->x->session, a->seq);
    return NULL;
}

static const char *interrupted(const char *name, useconds_t after, uint64_t seq_shift)
{
    struct alarm a = { c, c->seq + 1 + seq_shift, after };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ring, &a), 0);
    const char *got = CALL(c, name, "n", "[]");
    pthread_join(thread, NULL);
    return got;
}

static void test_interrupt(void **state)
{
    (void)state;
    inprocess_open(c, 52);
    execute(c, "import time\n"
               "def loop():\n"
               "    print('going')\n"
               "    end = time.time() + 20\n"
               "    while time.time() < end: pass\n"
               "def swallow():\n"
               "    try: loop()\n"
               "    except BaseException: pass\n"
               "def blocked(): time.sleep(0.3)\n"
               "def other():\n"
               "    try: loop()\n"
               "    except BaseException as e: raise ValueError('other') from None\n"
               "def short(): time.sleep(0.05)\n");
    double begin = now();
    same(interrupted("__main__:loop", 50000, 0),
         "OUT 1 \"going\\n\"; ERROR 4 SB_E_TIMEOUT:  (skipped 0)");
    c->epoch++;
    same(interrupted("__main__:swallow", 50000, 0), "OUT 1 \"going\\n\"; ERROR 4 SB_E_TIMEOUT: the "
                                                    "call went on beyond its deadline (skipped 0)");
    c->epoch++;
    same(interrupted("__main__:other", 50000, 0), "OUT 1 \"going\\n\"; ERROR 4 SB_E_TIMEOUT: the "
                                                  "call went on beyond its deadline (skipped 0)");
    c->epoch++;
    assert_true(now() - begin < 10);
    /* Code outside the bytecode loop goes on, and the exception does not meet the next call. */
    assert_non_null(strstr(interrupted("__main__:blocked", 50000, 0), "SB_E_TIMEOUT"));
    c->epoch++;
    same(CALL(c, "__main__:short", "n", "[]"), "REPLY null");
    /* Too late, or for another request: nothing happens. */
    same(interrupted("__main__:short", 10000, 1), "REPLY null");
    same(interrupted("__main__:short", 200000, 0), "REPLY null");
    same(CALL(c, "__main__:short", "n", "[]"), "REPLY null");
    client_close(c);
}

static void test_second_start(void **state)
{
    (void)state;
    char error[300] = "";
    struct sb_engine_start how = { .program = python_path() };
    assert_int_equal(engine()->start(&how, error, sizeof error), -1);
    assert_non_null(strstr(error, "this process already runs Python 3."));
    assert_non_null(strstr(error, engine()->python_version()));
}

/* The interpreter is the environment's: its prefix, its paths. */
static void test_environment(void **state)
{
    (void)state;
    inprocess_open(c, 53);
    char command[4096], prefix[4096] = "";
    snprintf(command, sizeof command, "'%s' -c 'import sys; print(sys.prefix)'", python_path());
    FILE *p = popen(command, "r");
    assert_non_null(p);
    assert_int_equal(fscanf(p, "%4095s", prefix), 1);
    assert_int_equal(pclose(p), 0);
    same(run(c, 'c', "sys.prefix", "", "s", "[]"), format("REPLY \"%s\"", prefix));
    same(CALL(c, "eval", "s", "[\"__import__('sys').path[0]\"]"),
         format("REPLY \"%s\"", SB_TEST_FIXTURES));
    same(run(c, 'c', "sys.argv", "", "V", "[]"), "REPLY [\"\"]");
    /* No signal handler was taken, nor is one by what imports signal. (cmocka has taken some.) */
    same(CALL(c, "eval", "n", "[\"[__import__(n) for n in ('signal', 'subprocess')]\"]"),
         "REPLY null");
    for (int i = 1; i < 32; i++) {
        struct sigaction action;
        if (sigaction(i, NULL, &action) == 0)
            assert_true(action.sa_handler == SIG_DFL || i == SIGSEGV || i == SIGBUS ||
                        i == SIGABRT || i == SIGILL || i == SIGFPE || i == SIGSYS);
    }
    client_close(c);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output),      cmocka_unit_test(test_short_lives),
        cmocka_unit_test(test_interrupt),   cmocka_unit_test(test_second_start),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
