/* SPDX-License-Identifier: MIT
 *
 * The floor of a call to a worker: a lane between two processes, each on a CPU of its own, that spin
 * and answer a frame of a scalar call's size, without Python. call.scalar.rings: the rings alone.
 * call.scalar.lane: with doorbell, ready bit and reply word, as docs/wire.md has it. */
#include "core/lane.h"
#include "measure.h"
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BODY = 16 };

static struct sb_control *control;
static struct sb_ring req, rep;
static struct sb_incoming in;

static inline void relax(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#endif
}

static void pin(size_t cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        bench_die("two CPUs are needed");
}

static void answer(uint32_t lane, bool protocol)
{
    struct sb_ring from = sb__ring(control, lane, false, false),
                   to = sb__ring(control, lane, true, true);
    struct sb_incoming frame = { 0 };
    struct sb_lane *l = sb__lane(control, lane);
    for (;;) {
        if (protocol) {
            while (!atomic_load_explicit(&control->doorbell, memory_order_relaxed))
                relax();
            atomic_exchange(&control->doorbell, 0);
            atomic_exchange(&control->ready[0], 0);
        }
        while (sb__ring_read(&from, &frame) <= 0)
            relax();
        sb__ring_write(&to, frame.buf.ptr, frame.buf.len, true);
        sb__incoming_next(&frame);
        sb__ring_publish(&to);
        sb__ring_release(&from);
        if (protocol) {
            atomic_thread_fence(memory_order_seq_cst);
            if (atomic_load_explicit(&l->word.futex, memory_order_relaxed))
                bench_die("nobody sleeps here");
        }
    }
}

static pid_t child;

static void begin(uint32_t lane, bool protocol)
{
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(1);
        answer(lane, protocol);
    }
    req = sb__ring(control, lane, false, true);
    rep = sb__ring(control, lane, true, false);
}
static void begin_rings(void)
{
    begin(0, false);
}
static void begin_protocol(void)
{
    begin(1, true);
}
static void end(void)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static inline void call(unsigned n, bool protocol)
{
    struct {
        struct sb_frame head;
        uint8_t body[BODY];
    } frame = { .head = { .size = sizeof frame, .kind = SB_FRAME_CALL, .flags = SB_FLAG_WAIT } };
    while (n--) {
        frame.head.seq++;
        sb__ring_write(&req, &frame, sizeof frame, true);
        sb__ring_publish(&req);
        if (protocol) {
            atomic_fetch_or(&control->ready[0], 2);
            atomic_fetch_or(&control->doorbell, 1);
        }
        while (sb__ring_read(&rep, &in) <= 0)
            relax();
        sb__incoming_next(&in);
        sb__ring_release(&rep);
    }
}
static void call_rings(unsigned n)
{
    call(n, false);
}
static void call_protocol(unsigned n)
{
    call(n, true);
}

int main(void)
{
    control = mmap(NULL, SB_LANES_SIZE, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (control == MAP_FAILED)
        bench_die("no memory");
    pin(0);
    static const struct bench_row rows[] = {
        { .name = "call.scalar.rings", .work = call_rings, .begin = begin_rings, .end = end },
        { .name = "call.scalar.lane", .work = call_protocol, .begin = begin_protocol, .end = end },
    };
    bench_rows(rows, 2, 20, 2);
    return 0;
}
