/* SPDX-License-Identifier: MIT
 *
 * Deadlines of calls of a real Python in a worker: which rung of the ladder ends what, and that the
 * session goes on. */
#include "support.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIMIT = 150, GRACE = 400 }; /* ms */

static const char *const python_path[] = { SB_TEST_PATH, NULL };
const sb_project sb_project_ = {
    .size = sizeof(sb_project),
    .python = SB_TEST_PYTHON,
    .engine = SB_TEST_ENGINE,
    .python_path = python_path,
};

static int begin(void **state)
{
    sb__deadline_grace = GRACE * SB_MILLISECOND;
    return note_holdings(state);
}

static int64_t pid_of(sb_session *py)
{
    int64_t pid = sb_as_int(py, sb_call(py, "sbladder.pid"));
    if (sb_failed(py))
        sb_print_error(py, stderr);
    assert_false(sb_failed(py));
    return pid;
}

struct row {
    const char *function;
    bool killed;
    int after; /* ms after the deadline at which it ends */
    const char *message, *trace;
};

static const struct row rows[] = {
    { "sbladder.spin", false, 0, "time", "in spin" },
    { "sbladder.sleep", false, 0, "time", "in sleep" },
    { "sbladder.lock", false, 0, "time", "in lock" },
    { "sbladder.backtrack", false, 0, "time", "in backtrack" },
    { "sbladder.child", false, 0, "time", "in child" },
    { "sbladder.join", false, 0, "time", "in join" },
    { "sbladder.swallow_and_return", false, 0, "deadline", "" },
    { "sbladder.swallow_once", false, GRACE / 2, "time", "in swallow_once" },
    { "sbladder.swallow_always", true, GRACE, "swallowed the interrupt again",
      "in swallow_always" },
    { "sbladder.native", true, GRACE, "running native code", "in native" },
    { "sbladder.native", true, GRACE, "the worker was killed", "C frames" },
    { "sbladder.blocked", true, GRACE, "waiting in native code", "" },
    { "sbladder.stop", true, GRACE, "its process was stopped", "" },
};

static void every_rung(void **state)
{
    (void)state;
    sb_session *py = sb_open(.transport = "worker", .quiet = true);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        int64_t pid = pid_of(py);
        sb_value kept = sb_call(py, "collections.OrderedDict");
        assert_false(sb_failed(py));
        int64_t start = sb__now();
        {
            SB_USING(py, .timeout = LIMIT / 1e3);
            sb_call(py, r->function);
            assert_true(sb_failed(py));
        }
        int64_t ms = (sb__now() - start) / SB_MILLISECOND - LIMIT;
        const sb_error *e = sb_get_error(py);
        assert_non_null(e);
        print_message("          %-28s %4d ms after: %s\n", r->function, (int)ms, e->message);
        if (e->code != SB_E_TIMEOUT || !strstr(e->message, r->message) ||
            !strstr(e->traceback, r->trace))
            sb_print_error(py, stderr);
        assert_int_equal(e->code, SB_E_TIMEOUT);
        assert_string_equal(e->function, r->function);
        assert_non_null(strstr(e->message, r->message));
        assert_non_null(strstr(e->traceback, r->trace));
        assert_in_range(ms, r->after, r->after + 150);
        assert_true(sb_catch(py, "SB_E_TIMEOUT"));
        /* The session goes on, with its worker or with another. */
        assert_int_equal(pid_of(py) != pid, r->killed);
        sb_count(py, kept);
        if (r->killed) {
            assert_int_equal(sb_get_error(py)->code, SB_E_STALE);
            assert_true(gone_within((pid_t)pid, 1000));
        }
        sb_clear_error(py);
    }
    assert_int_equal(sb_close(py), 0);
}

static void in_time(void **state)
{
    (void)state;
    sb_session *py = sb_open(.transport = "worker", .quiet = true, .timeout = 0.2);
    int64_t pid = pid_of(py);
    for (int i = 0; i < 20; i++) {
        assert_string_equal(sb_as_str(py, sb_call(py, "sbladder.nap", 0.03)).ptr, "rested");
        assert_false(sb_failed(py));
    }
    assert_int_equal(pid_of(py), pid);
    assert_int_equal(sb_close(py), 0);
}

/* Deadlines just about the call's own time: each is either answered or ended, never both, and never
 * the next call. */
static void races(void **state)
{
    (void)state;
    sb__deadline_grace = 5 * SB_SECOND; /* the machine may be busy */
    sb_session *py = sb_open(.transport = "worker", .quiet = true);
    int answered = 0, ended = 0;
    for (int i = 0; i < 200; i++) {
        int64_t pid = pid_of(py);
        bool in_time;
        {
            SB_USING(py, .timeout = 0.0030 + (i % 20) * 0.0001);
            in_time = !strcmp(sb_as_str(py, sb_call(py, "sbladder.nap", 0.0035)).ptr, "rested");
        }
        if (in_time) {
            assert_false(sb_failed(py));
            answered++;
        } else {
            assert_true(sb_failed(py));
            assert_int_equal(sb_get_error(py)->code, SB_E_TIMEOUT);
            sb_clear_error(py);
            ended++;
        }
        for (int k = 0; k < 3; k++)
            assert_int_equal(pid_of(py), pid); /* an interrupt that is late hits nothing */
    }
    print_message("          %d answered, %d ended\n", answered, ended);
    assert_true(answered && ended);
    assert_int_equal(sb_close(py), 0);
}

/* The same for the kill: a call that cannot be interrupted ends just about the end of the grace. */
static void races_with_the_kill(void **state)
{
    (void)state;
    sb__deadline_grace = 6 * SB_MILLISECOND;
    sb_session *py = sb_open(.transport = "worker", .quiet = true);
    int answered = 0, killed = 0;
    for (int i = 0; i < 60; i++) {
        int64_t pid = pid_of(py);
        bool in_time;
        {
            SB_USING(py, .timeout = 0.004);
            in_time = !strcmp(
                sb_as_str(py, sb_call(py, "sbladder.deaf_nap", 0.0085 + (i % 20) * 0.0001)).ptr,
                "rested");
        }
        if (in_time) {
            assert_false(sb_failed(py));
            answered++;
        } else {
            assert_int_equal(sb_get_error(py)->code, SB_E_TIMEOUT);
            sb_clear_error(py);
            killed++;
        }
        assert_int_equal(pid_of(py) == pid, in_time);
    }
    print_message("          %d answered, %d killed\n", answered, killed);
    assert_true(killed);
    assert_int_equal(sb_close(py), 0);
}

static void *nap(void *arg)
{
    sb_session *py = arg;
    return sb_as_str(py, sb_call(py, "sbladder.nap", 0.6)).len ? py : NULL;
}

/* A call that waits behind another session's ends alone, and is never run. */
static void queued(void **state)
{
    (void)state;
    sb_session *busy = sb_open(.transport = "worker", .quiet = true),
               *py = sb_open(.transport = "worker", .quiet = true);
    int64_t pid = pid_of(py);
    assert_int_equal(pid_of(busy), pid);
    pthread_t thread;
    void *rested;
    assert_int_equal(pthread_create(&thread, NULL, nap, busy), 0);
    usleep(100000);
    int64_t start = sb__now();
    {
        SB_USING(py, .timeout = 0.1);
        sb_call(py, "sbladder.leave", 1); /* would end the worker */
        assert_true(sb_failed(py));
    }
    assert_in_range((sb__now() - start) / SB_MILLISECOND, 100, 200);
    assert_int_equal(sb_get_error(py)->code, SB_E_TIMEOUT);
    assert_non_null(strstr(sb_get_error(py)->message, "queued behind another call"));
    sb_clear_error(py);
    assert_int_equal(pid_of(py), pid);
    pthread_join(thread, &rested);
    assert_ptr_equal(rested, busy);
    assert_int_equal(pid_of(busy), pid);
    assert_int_equal(sb_close(busy), 0);
    assert_int_equal(sb_close(py), 0);
}

/* ---- deaths of a real Python ---- */

static void deaths(void **state)
{
    (void)state;
    static const struct {
        const char *function, *message, *trace;
    } all[] = {
        { "sbladder.crash", "crashed with SIGSEGV", "in crash" },
        { "sbladder.abort", "crashed with SIGABRT", "in abort" },
        { "sbladder.abort", "crashed with SIGABRT", "C frames" },
        { "sbladder.become", "the worker", "" },
    };
    sb_session *py = sb_open(.transport = "worker", .quiet = true);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t pid = pid_of(py);
        sb_call(py, all[i].function);
        assert_true(sb_failed(py));
        const sb_error *e = sb_get_error(py);
        if (e->code != SB_E_WORKER_DIED || !strstr(e->message, all[i].message) ||
            !strstr(e->traceback, all[i].trace))
            sb_print_error(py, stderr);
        assert_int_equal(e->code, SB_E_WORKER_DIED);
        assert_non_null(strstr(e->message, all[i].message));
        assert_non_null(strstr(e->traceback, all[i].trace));
        sb_clear_error(py);
        assert_true(pid_of(py) != pid);
        assert_true(gone_within((pid_t)pid, 1000));
    }
    sb_call(py, "sbladder.leave", 7);
    assert_true(sb_failed(py));
    assert_non_null(strstr(sb_get_error(py)->message, "exited with status 7"));
    sb_clear_error(py);
    assert_int_equal(sb_close(py), 0);
}

struct blow {
    pid_t pid;
    _Atomic int64_t at;
};

static void *strike(void *arg)
{
    struct blow *b = arg;
    usleep(20000);
    atomic_store(&b->at, sb__now());
    kill(b->pid, SIGKILL);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void killed_from_outside(void **state)
{
    (void)state;
    enum { N = 30 };
    int64_t took[N];
    sb_session *py = sb_open(.transport = "worker", .quiet = true);
    for (int i = 0; i < N; i++) {
        struct blow b = { .pid = (pid_t)pid_of(py) };
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, strike, &b), 0);
        sb_call(py, i % 2 ? "sbladder.sleep" : "sbladder.spin");
        assert_true(sb_failed(py));
        took[i] = sb__now() - atomic_load(&b.at);
        pthread_join(thread, NULL);
        assert_int_equal(sb_get_error(py)->code, SB_E_WORKER_DIED);
        assert_non_null(strstr(sb_get_error(py)->message, "was killed by SIGKILL"));
        sb_clear_error(py);
    }
    qsort(took, N, sizeof *took, by_size);
    print_message("          median %g us, worst %g us\n", (double)took[N / 2] / 1e3,
                  (double)took[N - 1] / 1e3);
    assert_true(took[N - 1] < 200 * SB_MILLISECOND);
    assert_int_equal(sb_close(py), 0);
}

/* ---- what takes a control group of version 1, and leave to make one ---- */

static bool write_text(const char *folder, const char *file, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    bool put = fputs(text, f) >= 0;
    return fclose(f) == 0 && put;
}

static bool make_group(char *folder, size_t cap, const char *controller, int64_t pid)
{
    char text[32];
    snprintf(folder, cap, "/sys/fs/cgroup/%s/snakebridge-test-%d", controller, (int)getpid());
    if (mkdir(folder, 0755))
        return false;
    snprintf(text, sizeof text, "%d", (int)pid);
    if (write_text(folder, "cgroup.procs", text))
        return true;
    rmdir(folder);
    return false;
}

static void remove_group(const char *folder)
{
    for (int i = 0; i < 100 && rmdir(folder); i++)
        usleep(10000);
}

/* SIGKILL does not take effect in a frozen process: the caller returns all the same. */
static void frozen(void **state)
{
    (void)state;
    sb_session *py = sb_open(.transport = "worker", .quiet = true);
    int64_t pid = pid_of(py);
    char group[100];
    if (!make_group(group, sizeof group, "freezer", pid)) {
        sb_close(py);
        skip();
    }
    assert_true(write_text(group, "freezer.state", "FROZEN"));
    int64_t start = sb__now();
    {
        SB_USING(py, .timeout = LIMIT / 1e3);
        sb_call(py, "sbladder.pid");
        assert_true(sb_failed(py));
    }
    int64_t ms = (sb__now() - start) / SB_MILLISECOND;
    bool was_alive = alive((pid_t)pid);
    print_message("          after %d ms: %s\n", (int)ms, sb_get_error(py)->message);
    sb_code code = sb_get_error(py)->code;
    bool said = strstr(sb_get_error(py)->message, "has not ended yet");
    sb_clear_error(py);
    int64_t next = pid_of(py); /* another worker, meanwhile */
    write_text(group, "freezer.state", "THAWED");
    bool ended = gone_within((pid_t)pid, 2000);
    remove_group(group);
    assert_int_equal(code, SB_E_TIMEOUT);
    assert_in_range(ms, LIMIT + GRACE, LIMIT + GRACE + 150);
    assert_true(was_alive && said && next != pid && ended);
    assert_int_equal(sb_close(py), 0);
}

static void out_of_memory(void **state)
{
    (void)state;
    sb_session *py = sb_open(.transport = "worker", .quiet = true);
    int64_t pid = pid_of(py);
    char group[100];
    if (!make_group(group, sizeof group, "memory", pid)) {
        sb_close(py);
        skip();
    }
    bool limited = write_text(group, "memory.limit_in_bytes", "60000000");
    sb_call(py, "sbladder.eat", 300000000);
    bool failed = sb_failed(py);
    print_message("          %s\n", failed ? sb_get_error(py)->message : "");
    bool said = failed && sb_get_error(py)->code == SB_E_WORKER_DIED &&
                strstr(sb_get_error(py)->message, "memory ran out");
    sb_clear_error(py);
    gone_within((pid_t)pid, 2000);
    remove_group(group);
    assert_true(limited && said);
    assert_int_equal(sb_close(py), 0);
}

static void children_of_the_worker(void **state)
{
    (void)state;
    sb_session *py = sb_open(.transport = "worker", .quiet = true);
    int64_t pid = pid_of(py);
    assert_int_equal(sb_as_int(py, sb_call(py, "sbladder.pool")), 6);
    assert_int_equal(sb_as_int(py, sb_call(py, "sbladder.fork_and_return")), 70);
    assert_int_equal(pid_of(py), pid);
    int64_t grandchild = sb_as_int(py, sb_call(py, "sbladder.grandchild"));
    assert_true(alive((pid_t)grandchild));
    kill((pid_t)pid, SIGKILL);
    assert_true(gone_within((pid_t)grandchild, 1000));
    sb_call(py, "sbladder.pid");
    assert_true(sb_failed(py));
    assert_int_equal(sb_get_error(py)->code, SB_E_WORKER_DIED);
    sb_clear_error(py);
    assert_int_equal(sb_close(py), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, begin, check_holdings)
    const struct CMUnitTest tests[] = {
        T(every_rung),
        T(in_time),
        T(races),
        T(races_with_the_kill),
        T(queued),
        T(deaths),
        T(killed_from_outside),
        T(frozen),
        T(out_of_memory),
        T(children_of_the_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
