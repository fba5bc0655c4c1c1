/* SPDX-License-Identifier: MIT
 *
 * The worker process's side of process control: mapping the lanes, ending with the program, raising
 * at deadlines, dumping stacks, reporting crashes, and what happens in a child of fork(). Process
 * state, entered by the main thread, which serves the requests; its handlers run on any thread.
 * Atomics: the control page's deadline words (pairs with runtime/monitor.c). Nothing here is active
 * in-process: there sb__guard.control is NULL and begin, end and forked do nothing. */
#ifndef SB_ENGINE_GUARD_H
#define SB_ENGINE_GUARD_H

#include "core/lane.h"

struct _object;

struct sb_guard {
    struct sb_control *control; /* NULL: not a worker */
    volatile unsigned char
        *parent;            /* a page that fork() zeroes: 1 in the worker, 0 in its children */
    uint32_t raised;        /* control->raised when the request began */
    volatile bool settling; /* the request's exception is being described: nothing is raised */
    unsigned long thread;   /* Python's identifier of the thread that runs the request on top, if it
                               is not the main thread; or 0 */
    unsigned long main;     /* that of the main thread */
    int bell;               /* an eventfd, or -1 */
};
extern struct sb_guard sb__guard;

/* Makes this process a worker of the program that holds the other ends of the three descriptors,
 * which become close-on-exec (`lanes` is closed): maps the lanes, checks layout and versions, arms
 * the lifeline, the crash hook, the deadline and dump signals, and holds the words of the robust
 * list. `timeout`: the class that a deadline raises (a BaseException); kept. Once, on the main
 * thread, with the GIL, before the first request. The process must lead its process group. The
 * control page, or NULL with a Python exception set. */
struct sb_control *sb__guard_attach(int lanes, int dump, int lifeline, struct _object *timeout);

/* Says hello: the program may send requests. Also fills in worker_version and worker_version_min,
 * so that the program can name them when they do not fit. */
void sb__guard_ready(void);

/* Instead: leaves `why` (one or more lines) for the program's error, says hello as failed, and ends
 * the process. Works before sb__guard_attach, too, with the dump descriptor. */
_Noreturn void sb__guard_fail(int dump, const char *why);

/* A request runs from begin to end: between them its deadline may raise. `key` is session tag << 48
 * | seq; `deadline`: a CALL or SYNC whose frame has SB_FLAG_DEADLINE. False: the program has
 * withdrawn it (its time ran out while another request was running): it is skipped, without an
 * answer. Call begin in the loop that serves, for every request (so that the program can tell a
 * worker that is busy from one that is stuck).
 *
 * Call settle before the exception is taken with PyErr_Fetch and described, in Python: from there on
 * the deadline raises nothing, but may still kill. Call end when the answer is complete. True if the
 * deadline raised in the meantime: the answer is then SB_E_TIMEOUT, also if the code swallowed the
 * exception and returned a value. If the program has decided to kill the worker, neither begin nor
 * end returns. */
_Noreturn void sb__guard_await_kill(void);
static inline bool sb__guard_begin(uint64_t key, bool deadline, struct sb_lane *lane)
{
    struct sb_control *c = sb__guard.control;
    if (!c)
        return true;
    sb__guard.raised = atomic_load_explicit(&c->raised, memory_order_relaxed);
    sb__guard.settling = false;
    if (!deadline) {
        atomic_store_explicit(&c->running, key, memory_order_release);
        return true;
    }
    /* running, then withdrawn; the program: withdrawn, then running. One of the two sees the other. */
    if (atomic_exchange(&c->running, key) == SB_RUNNING_KILL) {
        atomic_store(&c->running, SB_RUNNING_KILL);
        sb__guard_await_kill();
    }
    if (SB_LIKELY(atomic_load(&lane->withdrawn) < (key & SB_RUNNING_SEQ)))
        return true;
    if (!atomic_compare_exchange_strong(&c->running, &key, 0))
        sb__guard_await_kill();
    return false;
}
/* Whether the program has revoked the request, which has NOTE and has begun as far as `running` tells: running, then
 * revoked; the program: revoked, then running. */
static inline bool sb__guard_revoked(struct sb_lane *lane, uint64_t seq)
{
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load_explicit(&lane->revoked, memory_order_relaxed) == seq;
}
/* Tells the program's monitor that a lane has news for a session that is not inside a call. */
void sb__guard_ring(void);
static inline void sb__guard_settle(void)
{
    sb__guard.settling = true;
}
static inline bool sb__guard_end(uint64_t key, bool deadline)
{
    struct sb_control *c = sb__guard.control;
    if (!c)
        return false;
    if (!deadline)
        atomic_store_explicit(&c->running, 0, memory_order_release);
    else if (!atomic_compare_exchange_strong(&c->running, &key, 0))
        sb__guard_await_kill();
    return atomic_load_explicit(&c->raised, memory_order_relaxed) != sb__guard.raised;
}

/* Times that the deadline has raised in the running request. */
static inline uint32_t sb__guard_raised(void)
{
    struct sb_control *c = sb__guard.control;
    return c ? atomic_load_explicit(&c->raised, memory_order_relaxed) - sb__guard.raised : 0;
}
/* A nested request has ended, and the one below it goes on, in which the deadline has raised `raised`
 * times and which is `settling` or not: as they were before the nested one began. */
static inline void sb__guard_resume(uint64_t key, bool deadline, uint32_t raised, bool settling)
{
    struct sb_control *c = sb__guard.control;
    if (!c)
        return;
    if (!deadline) {
        atomic_store_explicit(&c->running, key, memory_order_release);
    } else if (atomic_exchange(&c->running, key) == SB_RUNNING_KILL) {
        atomic_store(&c->running, SB_RUNNING_KILL);
        sb__guard_await_kill();
    }
    sb__guard.raised = atomic_load_explicit(&c->raised, memory_order_relaxed) - raised;
    sb__guard.settling = settling;
}

/* True in a child of fork() of the worker: the lanes are not mapped there. Ask after each call into
 * Python, before the lane is touched; then sb__guard_child says so on stderr and ends the child. */
static inline bool sb__guard_forked(void)
{
    return sb__guard.parent && SB_UNLIKELY(!*sb__guard.parent);
}
_Noreturn void sb__guard_child(void);

/* Before the main thread sleeps for lack of requests: opens the guard's signals again, in case
 * Python code has blocked them. */
void sb__guard_idle(void);

#endif
