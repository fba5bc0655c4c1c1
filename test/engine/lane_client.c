/* SPDX-License-Identifier: MIT
 *
 * A small client of a worker: makes the lanes, spawns the interpreter, writes and reads one lane.
 * It sleeps on the reply word as docs/wire.md says, and gives up after a time. */
#include "core/lane.h"
#include "driver.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

struct worker {
    struct sb_control *control;
    int lifeline, dump;
    pid_t pid;
    struct sb_ring requests[16], replies[16];
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *wait)
{
    return syscall(SYS_futex, word, op, value, wait, NULL, 0);
}

static _Noreturn void become_worker(int lanes, int dump, int lifeline, const char *const *path)
{
    char a[3][12];
    const char *args[32] = { python_path(), SB_TEST_WORKER, SB_TEST_ENGINE };
    size_t n = 3;
    const int fds[] = { lanes, dump, lifeline };
    for (int i = 0; i < 3; i++) {
        fcntl(fds[i], F_SETFD, 0);
        snprintf(a[i], sizeof a[i], "%d", fds[i]);
        args[n++] = a[i];
    }
    args[n++] = "-1"; /* no shared memory for arrays */
    args[n++] = "-1";
    while (path && *path && n < 31)
        args[n++] = *path++;
    args[n] = NULL;
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    setsid();
    if (getenv("SB_TEST_PRELOAD"))
        setenv("LD_PRELOAD", getenv("SB_TEST_PRELOAD"), 1);
    execv(args[0], (char *const *)args);
    _exit(127);
}

struct worker *worker_start(const char *const *path)
{
    struct worker *w = calloc(1, sizeof *w);
    int lanes = memfd_create("lanes", MFD_CLOEXEC | MFD_ALLOW_SEALING), pair[2];
    w->dump = memfd_create("dump", MFD_CLOEXEC);
    assert_true(lanes >= 0 && w->dump >= 0);
    assert_int_equal(ftruncate(lanes, (off_t)SB_LANES_SIZE), 0);
    assert_int_equal(fcntl(lanes, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    w->control = mmap(NULL, SB_LANES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, lanes, 0);
    assert_true(w->control != MAP_FAILED);
    w->control->magic = SB_LANE_MAGIC;
    w->control->version = SB_PROTOCOL;
    w->control->version_min = SB_PROTOCOL_MIN;
    w->control->lanes = SB_LANES;
    w->control->ring_size = SB_RING_SIZE;
    w->lifeline = pair[0];
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (w->pid == 0)
        become_worker(lanes, w->dump, pair[1], path);
    close(pair[1]);
    close(lanes);
    double end = now() + 20;
    while (atomic_load(&w->control->hello) == SB_HELLO_STARTING && now() < end &&
           waitpid(w->pid, NULL, WNOHANG) == 0) {
        struct timespec wait = { .tv_nsec = 20000000 };
        futex(&w->control->hello, FUTEX_WAIT, SB_HELLO_STARTING, &wait);
    }
    if (atomic_load(&w->control->hello) != SB_HELLO_READY) {
        char why[2000] = "";
        ssize_t n = pread(w->dump, why, sizeof why - 1, 0);
        fail_msg("the worker does not start: %s", n > 0 ? why : "no reason given");
    }
    return w;
}

struct sb_control *worker_control(struct worker *w)
{
    return w->control;
}
int worker_pid(const struct worker *w)
{
    return w->pid;
}

void worker_end(struct worker *w)
{
    close(w->lifeline);
    double end = now() + 10;
    int status;
    while (waitpid(w->pid, &status, WNOHANG) == 0) {
        if (now() > end) {
            kill(w->pid, SIGKILL);
            waitpid(w->pid, &status, 0);
            fail_msg("the worker outlives its program");
        }
        usleep(1000);
    }
    munmap(w->control, SB_LANES_SIZE);
    close(w->dump);
    free(w);
}

void lane_ring(struct client *c)
{
    struct sb_control *control = c->worker->control;
    atomic_fetch_or(&control->ready[c->lane / 64], UINT64_C(1) << (c->lane % 64));
    uint32_t bit = 1u << (c->lane / SB_LANE_GROUP);
    if (atomic_fetch_or(&control->doorbell, bit) & SB_DOORBELL_SLEEPS)
        futex(&control->doorbell, FUTEX_WAKE, 1, NULL);
}

/* Waits until the worker moved a cursor, a little while at most. */
static void sleep_on_word(struct client *c, _Atomic uint64_t *cursor, uint64_t seen)
{
    struct sb_control *control = c->worker->control;
    _Atomic uint32_t *word = &sb__lane(control, c->lane)->word.futex;
    for (int spin = 0; spin < 2000; spin++)
        if (atomic_load(cursor) != seen)
            return;
    uint32_t mark = (uint32_t)control->worker_tid | FUTEX_WAITERS;
    atomic_store(word, mark);
    if (atomic_load(cursor) == seen) {
        struct timespec wait = { .tv_sec = 1 };
        futex(word, FUTEX_WAIT, mark, &wait);
    }
    atomic_compare_exchange_strong(word, &mark, 0);
}

void lane_write(struct client *c, const void *frame, size_t size)
{
    struct sb_ring *r = &c->worker->requests[c->lane % 16];
    const uint8_t *p = frame;
    double end = now() + 30;
    while (size) {
        size_t m = sb__ring_write(r, p, size, true);
        p += m;
        size -= m;
        sb__ring_publish(r);
        lane_ring(c);
        if (size) {
            assert_true(now() < end);
            sleep_on_word(c, r->theirs, r->seen);
        }
    }
}

int lane_read(struct client *c, double seconds)
{
    struct sb_ring *r = &c->worker->replies[c->lane % 16];
    struct sb_incoming in = { { 0 }, 0 };
    double end = now() + seconds;
    int rc = -1;
    while (now() < end) {
        int got = sb__ring_read(r, &in);
        assert_true(got >= 0);
        if (got == 0) {
            if (in.size) { /* its writer may wait for room */
                sb__ring_release(r);
                lane_ring(c);
            }
            if (!sb__ring_ready(r))
                sleep_on_word(c, r->theirs, r->seen);
            continue;
        }
        sb__ring_release(r);
        struct sb_frame h;
        memcpy(&h, in.buf.ptr, sizeof h);
        sb__buf_put(&c->answers, in.buf.ptr, in.buf.len);
        sb__incoming_next(&in);
        if (h.kind != SB_FRAME_OUTPUT) {
            rc = 0;
            break;
        }
    }
    sb__buf_reset(&in.buf);
    return rc;
}

static int lane_exchange(struct client *c)
{
    struct sb_frame h;
    lane_write(c, c->frame.ptr, c->frame.len);
    memcpy(&h, c->frame.ptr, sizeof h);
    return h.flags & SB_FLAG_WAIT ? lane_read(c, 60) : 0;
}

void worker_open(struct client *c, struct worker *w, uint32_t lane, uint32_t tag)
{
    *c = (struct client) { .tag = tag, .exchange = lane_exchange, .worker = w, .lane = lane };
    w->requests[lane % 16] = sb__ring(w->control, lane, false, true);
    w->replies[lane % 16] = sb__ring(w->control, lane, true, false);
    begin_frame(c, SB_FRAME_OPEN, SB_FLAG_WAIT, 0);
    sb__put_uint(&c->frame, 1);
    assert_int_equal(send_frame(c), 0);
    same(describe_answers(c), "REPLY null");
}
