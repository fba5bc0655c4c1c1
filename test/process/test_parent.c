/* SPDX-License-Identifier: MIT
 *
 * The program is killed: its worker ends, whatever it is doing, and what the worker has started. The
 * program is a child of this test, which uses the library only there. */
#include "support.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const python_path[] = { SB_TEST_PATH, NULL };
const sb_project sb_project_ = {
    .size = sizeof(sb_project),
    .python = SB_TEST_PYTHON,
    .engine = SB_TEST_ENGINE,
    .python_path = python_path,
};

struct started {
    int64_t worker, other; /* processes; 0: none */
    int64_t stays;         /* a process that is not to end, but by the test */
};

static void tell(int fd, struct started s)
{
    if (write(fd, &s, sizeof s) != sizeof s)
        _exit(1);
}

static int64_t call_pid(sb_session *py, const char *function)
{
    int64_t pid = sb_as_int(py, sb_call(py, function));
    if (sb_failed(py)) {
        sb_print_error(py, stderr);
        _exit(2);
    }
    return pid;
}

/* ---- programs ---- */

static void idle(int fd)
{
    sb_session *py = sb_open();
    tell(fd, (struct started) { call_pid(py, "sbladder.pid"), 0, 0 });
    pause();
}

static void with_a_child(int fd)
{
    sb_session *py = sb_open();
    int64_t child = call_pid(py, "sbladder.grandchild");
    tell(fd, (struct started) { call_pid(py, "sbladder.pid"), child, 0 });
    pause();
}

static void in_call(int fd, const char *function)
{
    sb_session *py = sb_open();
    int64_t child = call_pid(py, "sbladder.grandchild");
    tell(fd, (struct started) { call_pid(py, "sbladder.pid"), child, 0 });
    sb_call(py, function);
    _exit(3);
}

static void spinning(int fd)
{
    in_call(fd, "sbladder.spin");
}

static void in_native_code(int fd)
{
    in_call(fd, "sbladder.native");
}

static void with_signals_blocked(int fd)
{
    in_call(fd, "sbladder.blocked");
}

static void stopped(int fd)
{
    in_call(fd, "sbladder.stop");
}

static void with_a_forked_program(int fd)
{
    sb_session *py = sb_open();
    int64_t child = call_pid(py, "sbladder.grandchild"), worker = call_pid(py, "sbladder.pid");
    pid_t copy = fork(); /* holds copies of all descriptors */
    if (copy == 0) {
        alarm(60);
        for (;;)
            pause();
    }
    tell(fd, (struct started) { worker, child, copy });
    pause();
}

static void ends_by_itself(int fd)
{
    sb_session *py = sb_open();
    tell(fd, (struct started) { call_pid(py, "sbladder.pid"), 0, 0 });
    exit(0);
}

static void becomes_another(int fd)
{
    sb_session *py = sb_open();
    tell(fd, (struct started) { call_pid(py, "sbladder.pid"), 0, 0 });
    execlp("sleep", "sleep", "10", (char *)NULL);
}

static void *first_call(void *py)
{
    (void)call_pid(py, "sbladder.pid");
    return NULL;
}

/* ---- the tests ---- */

static void expect_gone(void (*program)(int fd), bool kill_it)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        program(fds[1]);
        _exit(4);
    }
    close(fds[1]);
    struct started s;
    assert_int_equal(read(fds[0], &s, sizeof s), sizeof s);
    close(fds[0]);
    if (kill_it) {
        usleep(50000); /* let it begin */
        assert_true(alive((pid_t)s.worker));
        assert_true(!s.other || alive((pid_t)s.other));
        kill(child, SIGKILL);
    }
    int64_t begin = sb__now();
    assert_true(gone_within((pid_t)s.worker, 2000));
    assert_true(!s.other || gone_within((pid_t)s.other, 2000));
    print_message("          gone after %g ms\n", (double)(sb__now() - begin) / 1e6);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (s.stays) {
        assert_true(alive((pid_t)s.stays));
        kill((pid_t)s.stays, SIGKILL);
    }
}

#define KILLED(program)                      \
    static void program##_test(void **state) \
    {                                        \
        (void)state;                         \
        expect_gone(program, true);          \
    }
KILLED(idle)
KILLED(with_a_child)
KILLED(spinning)
KILLED(in_native_code)
KILLED(with_signals_blocked)
KILLED(stopped)
KILLED(with_a_forked_program)

static void ends_by_itself_test(void **state)
{
    (void)state;
    expect_gone(ends_by_itself, false);
}

static void becomes_another_test(void **state)
{
    (void)state;
    expect_gone(becomes_another, false);
}

/* PDEATHSIG is bound to a thread: to the monitor's, which stays. */
static void the_thread_of_the_first_call_ends(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        sb_session *py = sb_open();
        pthread_t thread;
        if (pthread_create(&thread, NULL, first_call, py))
            _exit(1);
        pthread_join(thread, NULL);
        usleep(50000);
        (void)call_pid(py, "sbladder.pid");
        _exit(sb_close(py));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    setenv("SNAKEBRIDGE_TRANSPORT", "worker", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_test),
        cmocka_unit_test(with_a_child_test),
        cmocka_unit_test(spinning_test),
        cmocka_unit_test(in_native_code_test),
        cmocka_unit_test(with_signals_blocked_test),
        cmocka_unit_test(stopped_test),
        cmocka_unit_test(with_a_forked_program_test),
        cmocka_unit_test(ends_by_itself_test),
        cmocka_unit_test(becomes_another_test),
        cmocka_unit_test(the_thread_of_the_first_call_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
