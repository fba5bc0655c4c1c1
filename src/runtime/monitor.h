/* SPDX-License-Identifier: MIT
 *
 * The monitor: the library's one permanent thread. It runs jobs (spawning workers: their
 * PDEATHSIG is bound to the thread that spawned them), hears of descriptors (the end of a worker),
 * and looks at what is due (deadlines). All of it happens with sb__monitor_lock held, the one lock
 * of the process side, which nobody holds while waiting for Python. Atomics: the words of watches
 * and alarms, which threads that wait for a worker write without the lock. */
#ifndef SB_RUNTIME_MONITOR_H
#define SB_RUNTIME_MONITOR_H

#include "core/buf.h"
#include <pthread.h>
#include <stdatomic.h>

/* Starts the thread unless it runs. 0 or -errno. With or without the lock: without. */
SB_MUST_USE int sb__monitor_start(void);

extern pthread_mutex_t sb__monitor_lock;

/* Starts a thread with all signals blocked: the program's handlers run on the program's threads. `stack`: bytes, 0: as
 * usual. *joinable: the thread, to be joined; NULL: it is detached. 0 or -errno. */
SB_MUST_USE int sb__thread_start(void *(*run)(void *), void *arg, size_t stack,
                                 pthread_t *joinable);

/* Something to be done on the monitor's thread. */
struct sb_job {
    struct sb_job *next;
    void (*run)(struct sb_job *job);
};
void sb__monitor_run(struct sb_job *job); /* with the lock */

/* A descriptor; `ready` is called when it can be read. */
struct sb_source {
    int fd;
    void (*ready)(struct sb_source *source);
};
SB_MUST_USE int sb__monitor_add_source(struct sb_source *source); /* with the lock; 0 or -errno */
void sb__monitor_remove_source(struct sb_source *source);

/* Something that may fall due. Added and removed with the lock; armed and disarmed without it, by
 * one thread. */
struct sb_watch {
    struct sb_watch *prev, *next;
    _Atomic int64_t due; /* when, CLOCK_MONOTONIC ns; 0: disarmed */
    _Atomic uint64_t seq;
    /* Called at `due`; returns when it wants to be called again, as long as the watch stays armed
     * as it is, or INT64_MAX. Adds and removes no watch. */
    int64_t (*look)(struct sb_watch *watch, int64_t now);
    /* The monitor's: */
    int64_t seen_due, again;
    uint64_t seen_seq;
};
void sb__monitor_add_watch(struct sb_watch *watch);
void sb__monitor_remove_watch(struct sb_watch *watch);

extern _Atomic int64_t
    sb__monitor_next; /* until when the monitor sleeps; INT64_MAX: it must be told */
void sb__monitor_wake(void);

/* Arming is one store and one load, unless the monitor would sleep too long. The order (due, then
 * sb__monitor_next; the monitor: sb__monitor_next = INT64_MAX, then all dues) is that of
 * sequential consistency: either this thread wakes the monitor, or the monitor sees `due`. */
static inline void sb__watch_arm(struct sb_watch *watch, int64_t due, uint64_t seq)
{
    atomic_store_explicit(&watch->seq, seq, memory_order_relaxed);
    atomic_store(&watch->due, due);
    if (SB_UNLIKELY(due < atomic_load(&sb__monitor_next)))
        sb__monitor_wake();
}
static inline void sb__watch_disarm(struct sb_watch *watch)
{
    atomic_store_explicit(&watch->due, 0, memory_order_release);
}

/* Deadlines of calls that run in this process: calls `interrupt` on a thread of its own (which may
 * wait for the GIL) when the deadline has passed, and again half a second later, until disarmed.
 * After disarm has returned it does not run. */
struct sb_alarm {
    struct sb_watch watch; /* first */
    void (*interrupt)(struct sb_alarm *alarm, uint64_t seq);
    struct sb_alarm *next;
    _Atomic uint32_t busy; /* a futex: interrupt is being called */
    bool queued;
};
/* Sets up: `interrupt` is set by the caller, the rest is zero. The monitor runs. Takes the lock. */
void sb__alarm_add(struct sb_alarm *alarm);
void sb__alarm_remove(struct sb_alarm *alarm); /* disarmed; takes the lock */
static inline void sb__alarm_arm(struct sb_alarm *alarm, int64_t due, uint64_t seq)
{
    sb__watch_arm(&alarm->watch, due, seq);
}
void sb__alarm_settle(struct sb_alarm *alarm);
static inline void sb__alarm_disarm(struct sb_alarm *alarm)
{
    atomic_store(&alarm->watch.due, 0); /* pairs with busy, then due, of the helper */
    if (SB_UNLIKELY(atomic_load(&alarm->busy)))
        sb__alarm_settle(alarm);
}

#endif
