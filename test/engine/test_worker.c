/* SPDX-License-Identifier: MIT
 *
 * The worker's loop: lanes side by side, frames larger than a ring, output while a call runs, lanes
 * that break, what goes on while nothing is asked, and how a worker begins. */
#include "core/lane.h"
#include "driver.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

static struct worker *w;
static struct client clients[8], *c = &clients[0];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int start(void **state)
{
    (void)state;
    static const char *const path[] = { "/first folder", "/second", NULL };
    w = worker_start(path);
    worker_open(c, w, 0, 10);
    return 0;
}
static int stop(void **state)
{
    (void)state;
    client_close(c);
    worker_end(w);
    return 0;
}

static void test_begin(void **state)
{
    (void)state;
    same(run(c, 'c', "sys.argv", "", "V", "[]"), "REPLY [\"\"]");
    same(CALL(c, "eval", "V", "[\"__import__('sys').path[:2]\"]"),
         "REPLY [\"/first folder\", \"/second\"]");
    same(CALL(c, "eval", "b",
              "[\"any(p.endswith('snakebridge') for p in __import__('sys').path)\"]"),
         "REPLY false");
    same(CALL(c, "eval", "b",
              "[\"__import__('threading').main_thread() is "
              "__import__('threading').current_thread()\"]"),
         "REPLY true");
    same(CALL(c, "eval", "V", "[\"sorted(k for k in globals() if k[0] != '_')\"]"), "REPLY []");
    same(CALL(c, "eval", "s", "[\"__import__('sys').stdin.read()\"]"), "REPLY \"\"");
}

/* Frames of many times the ring's size, both ways. */
static void test_large(void **state)
{
    (void)state;
    size_t n = 20u << 20;
    char *text = malloc(n);
    for (size_t i = 0; i < n; i++)
        text[i] = (char)('a' + i * 7 % 26);
    run(c, 'm', "builtins:str.swapcase", "", "s", "[\"x\"]");
    run(c, 'm', "builtins:str.swapcase", "", "s", "[\"x\"]");
    size_t head = c->frame.len - 3; /* header and plan's number; behind it [ "x" ] */
    c->frame.len = head;
    ((struct sb_frame *)(void *)c->frame.ptr)->seq = ++c->seq;
    sb__put_head(&c->frame, SB_MAJOR_ARRAY, 1);
    sb__put_string(&c->frame, SB_MAJOR_TEXT, text, n);
    assert_int_equal(send_frame(c), 0);
    struct sb_reader a = { .p = c->answers.ptr + sizeof(struct sb_frame),
                           .end = c->answers.ptr + c->answers.len };
    const char *got = "";
    size_t got_n = 0;
    assert_true(sb__read_string(&a, SB_MAJOR_TEXT, &got, &got_n));
    assert_int_equal(got_n, n);
    for (size_t k = 0; k < n; k++)
        if (got[k] != text[k] - 32)
            fail_msg("byte %zu of the answer is wrong", k);
    free(text);
}

/* Requests of several lanes, written before any is answered. */
static void test_lanes(void **state)
{
    (void)state;
    static const uint32_t lanes[] = { 1, 2, 515, 5004, 10239 }; /* modulo 16: 1 2 3 12 15 */
    for (uint32_t i = 0; i < 5; i++)
        worker_open(&clients[i + 1], w, lanes[i], 20 + i);
    for (uint32_t i = 0; i < 5; i++)
        same(CALL(&clients[i + 1], "builtins:abs", "i", "[-1]"), "REPLY 1");
    for (int turn = 0; turn < 50; turn++) {
        for (uint32_t i = 0; i < 5; i++) {
            struct request r = { 'f', "builtins:abs",           "",
                                 "i", format("[-%u]", i + 100), .flags = NO_WAIT };
            for (int k = 0; k < 20; k++)
                same(request(&clients[i + 1], r), "");
            /* Written, not read: lane_exchange would wait. */
            struct client *x = &clients[i + 1];
            begin_frame(x, SB_FRAME_SYNC, SB_FLAG_WAIT, 0);
            uint32_t size = (uint32_t)x->frame.len;
            memcpy(x->frame.ptr, &size, sizeof size);
            x->answers.len = 0;
            lane_write(x, x->frame.ptr, x->frame.len);
        }
        for (uint32_t i = 5; i--;) {
            assert_int_equal(lane_read(&clients[i + 1], 20), 0);
            same(describe_answers(&clients[i + 1]), "REPLY null");
        }
    }
    /* Objects and errors of one session are not another's. */
    same(CALL(&clients[1], "builtins:list", "o", "[]"), "REPLY null");
    same(CALL(&clients[2], "len", "i", format("[39(%lu)]", last_id(&clients[1]))),
         "ERROR 7 SB_E_SESSION: an object of another session (skipped 0)");
    same(CALL(&clients[1], "len", "i", format("[39(%lu)]", last_id(&clients[1]))), "REPLY 0");
    for (uint32_t i = 0; i < 5; i++)
        client_close(&clients[i + 1]);
    /* A lane serves again, another session. */
    worker_open(&clients[1], w, 1, 30);
    same(CALL(&clients[1], "builtins:abs", "i", "[-1]"), "REPLY 1");
    client_close(&clients[1]);
}

static void test_early_output(void **state)
{
    (void)state;
    execute(c, "import time\n"
               "def slow():\n"
               "    print('first')\n"
               "    time.sleep(0.6)\n"
               "    print('second')\n"
               "def much():\n"
               "    for i in range(3000): print('line %d of many' % i)\n");
    usleep(100000);
    double begin = now();
    struct request r = { 'f', "__main__:slow", "", "n", "[]", .flags = 0 };
    struct sb_lane *lane = sb__lane(worker_control(w), 0);
    uint64_t tail = atomic_load(&lane->rep_tail);
    pid_t child = fork();
    if (child == 0) { /* looks at the lane while the call runs */
        while (atomic_load(&lane->rep_tail) == tail && now() - begin < 5)
            usleep(1000);
        _exit(now() - begin < 0.5 ? 0 : 1);
    }
    same(request(c, r), "OUT 1 \"first\\n\"; OUT 1 \"second\\n\"; REPLY null");
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(run(c, 'f', "__main__:much", "", "n", "[]"), "REPLY null"));
    size_t bytes = 0;
    for (size_t at = 0; at < c->answers.len;) {
        struct sb_frame h;
        memcpy(&h, c->answers.ptr + at, sizeof h);
        struct sb_reader body = { .p = c->answers.ptr + at + sizeof h,
                                  .end = c->answers.ptr + at + h.size };
        uint64_t stream;
        const char *text;
        size_t n = 0;
        if (h.kind == SB_FRAME_OUTPUT) {
            assert_true(sb__read_uint(&body, &stream) &&
                        sb__read_string(&body, SB_MAJOR_TEXT, &text, &n));
            bytes += n;
        }
        at += h.size;
    }
    assert_int_equal(bytes, 3000 * strlen("line 0 of many\n") + 90 + 900 * 2 + 2000 * 3);
}

static void test_fork(void **state)
{
    (void)state;
    if (python_minor() >= 12)
        same(CALL(c, "warnings:simplefilter", "n", "[\"ignore\"]"), "REPLY null");
    execute(c, "import os\n"
               "def forks():\n"
               "    pid = os.fork()\n"
               "    if pid == 0: return 0\n"
               "    return os.waitpid(pid, 0)[1]\n");
    same(CALL(c, "__main__:forks", "i", "[]"), format("REPLY %d", 70 << 8));
    same(CALL(c, "math:sqrt", "d", "[4.0]"), "REPLY 2.0");
}

static void test_malformed(void **state)
{
    (void)state;
    struct client *x = &clients[1];
    worker_open(x, w, 7, 40);
    same(CALL(x, "builtins:list", "o", "[]"), "REPLY null");
    begin_frame(x, 99, SB_FLAG_WAIT, 0);
    assert_int_equal(send_frame(x), 0);
    same(describe_answers(x),
         "ERROR 11 SB_E_PROTOCOL: a kind of frame that does not exist (skipped 0)");
    same(CALL(x, "builtins:list", "o", "[]"),
         "ERROR 11 SB_E_PROTOCOL: a request without a session (skipped 0)");
    begin_frame(x, SB_FRAME_OPEN, SB_FLAG_WAIT, 0);
    sb__put_uint(&x->frame, 1);
    assert_int_equal(send_frame(x), 0);
    same(describe_answers(x), "REPLY null");
    same(CALL(x, "builtins:list", "o", "[]"), "REPLY null");
    /* A size that no frame has: the lane is given up, the others go on. */
    uint8_t nonsense[64] = { 5 };
    lane_write(x, nonsense, sizeof nonsense);
    same(CALL(c, "math:sqrt", "d", "[4.0]"), "REPLY 2.0");
    x->answers.len = 0;
    assert_int_equal(lane_read(x, 0.1), -1);
    /* A cursor that no writer has. */
    worker_open(x, w, 9, 41);
    atomic_store(&sb__lane(worker_control(w), 9)->req_tail, UINT64_C(1) << 60);
    lane_ring(x);
    x->answers.len = 0;
    assert_int_equal(lane_read(x, 0.1), -1);
    same(CALL(c, "math:sqrt", "d", "[4.0]"), "REPLY 2.0");
}

static long cpu_ticks(int pid)
{
    char path[64], text[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int f = open(path, O_RDONLY);
    ssize_t n = read(f, text, sizeof text - 1);
    close(f);
    assert_true(n > 0);
    unsigned long user, system;
    assert_int_equal(sscanf(strrchr(text, ')'),
                            ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                            &system),
                     2);
    return (long)(user + system);
}

static void test_idle(void **state)
{
    (void)state;
    same(CALL(c, "math:sqrt", "d", "[4.0]"), "REPLY 2.0");
    usleep(20000);
    long before = cpu_ticks(worker_pid(w));
    usleep(400000);
    assert_true(cpu_ticks(worker_pid(w)) - before <= 1);
    assert_true(atomic_load(&worker_control(w)->doorbell) & SB_DOORBELL_SLEEPS);
}

/* Python's own threads run while nothing is asked, and while much is. */
static void test_threads(void **state)
{
    (void)state;
    execute(c, "import threading, time\n"
               "ticks = 0\n"
               "going = True\n"
               "def tick():\n"
               "    global ticks\n"
               "    while going:\n"
               "        ticks += 1\n"
               "        time.sleep(0.001)\n"
               "thread = threading.Thread(target=tick)\n"
               "thread.start()\n");
    usleep(200000);
    long ticks = 0;
    assert_int_equal(sscanf(run(c, 'c', "__main__:ticks", "", "i", "[]"), "REPLY %ld", &ticks), 1);
    assert_true(ticks > 10);
    double end = now() + 0.3;
    while (now() < end)
        same(CALL(c, "math:sqrt", "d", "[4.0]"), "REPLY 2.0");
    long more = 0;
    assert_int_equal(sscanf(run(c, 'c', "__main__:ticks", "", "i", "[]"), "REPLY %ld", &more), 1);
    assert_true(more - ticks > 10);
    execute(c, "going = False\nthread.join()");
}

/* A signal's handler of the user runs although nothing is asked. */
static void test_signal(void **state)
{
    (void)state;
    execute(c, "import signal\n"
               "caught = []\n"
               "h = signal.signal(signal.SIGUSR1, lambda *a: caught.append(1))\n"
               "def fails(*a): raise ValueError('in a handler')\n"
               "h = signal.signal(signal.SIGUSR2, fails)\n");
    usleep(20000);
    kill(worker_pid(w), SIGUSR1);
    usleep(50000);
    same(run(c, 'c', "__main__:caught", "", "V", "[]"), "REPLY [1]");
    kill(worker_pid(w), SIGUSR2); /* what it raises has nobody to go to, and ends nothing */
    usleep(50000);
    same(CALL(c, "math:sqrt", "d", "[4.0]"), "REPLY 2.0");
}

/* Answers come back while the client sleeps, again and again: no wake is lost. */
static void test_sleepers(void **state)
{
    (void)state;
    execute(c, "import time\ndef nap(t): time.sleep(t); return t");
    for (int i = 0; i < 200; i++)
        same(CALL(c, "__main__:nap", "d", "[0.0003]"), "REPLY 0.0003");
    for (int i = 0; i < 50; i++) {
        usleep(300);
        same(CALL(c, "math:sqrt", "d", "[4.0]"), "REPLY 2.0");
    }
}

static void refused(const char *const args[], const char *text)
{
    char why[2000] = "", command[3000];
    int n = snprintf(command, sizeof command, "'%s' '%s'", python_path(), SB_TEST_WORKER);
    for (int i = 0; args[i]; i++)
        n += snprintf(command + n, sizeof command - (size_t)n, " '%s'", args[i]);
    snprintf(command + n, sizeof command - (size_t)n, " 2>&1");
    FILE *p = popen(command, "r");
    assert_non_null(p);
    size_t size = fread(why, 1, sizeof why - 1, p);
    assert_true(size > 0);
    assert_int_not_equal(pclose(p), 0);
    if (!strstr(why, text))
        fail_msg("%s is not in: %s", text, why);
}

static void test_refusals(void **state)
{
    (void)state;
    refused((const char *const[]) { "/nowhere/engine.so", "0", "1", "2", "-1", "-1", NULL },
            "the engine cannot be loaded by");
    refused((const char *const[]) { SB_TEST_WORKER, "0", "1", "2", "-1", "-1", NULL },
            "the engine cannot be loaded by");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begin),    cmocka_unit_test(test_large),
        cmocka_unit_test(test_lanes),    cmocka_unit_test(test_early_output),
        cmocka_unit_test(test_fork),     cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_idle),     cmocka_unit_test(test_threads),
        cmocka_unit_test(test_signal),   cmocka_unit_test(test_sleepers),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
