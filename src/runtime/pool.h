/* SPDX-License-Identifier: MIT
 *
 * Worker processes, and who shares them: a pool is the workers of one place (interpreter, engine,
 * folders), started by the first session that needs one, kept for later ones. A worker's record is
 * guarded by sb__monitor_lock, but for what is marked; it is freed when the process is gone and
 * nobody refers to it. Atomics: `state` and `killed`, and marking words in the lanes of the dead. */
#ifndef SB_RUNTIME_POOL_H
#define SB_RUNTIME_POOL_H

#include "core/lane.h"
#include "runtime/monitor.h"
#include "runtime/sessions.h"
#include "runtime/transport.h"

enum sb_worker_state {
    SB_WORKER_STARTING, /* no hello yet */
    SB_WORKER_READY,
    SB_WORKER_DEAD, /* never started, or gone and reaped: `why` says how */
};

struct sb_worker_link;

struct sb_pool { /* guarded as a worker's record is */
    struct sb_pool *next;
    struct sb_place place;
    struct sb_worker *workers;
    struct sb_sessions sessions; /* with a lock of their own */
};

/* The pool of a place for sessions that name none; NULL for want of memory. Takes the lock. */
struct sb_pool *sb__pool_of(const struct sb_place *place);

struct sb_worker {
    struct sb_source source; /* its pidfd; first */
    struct sb_job spawn;
    struct sb_watch start; /* the limit for its hello */
    struct sb_pool *pool;
    struct sb_worker *next; /* of the pool; or of the discarded, which end soon */
    bool discarded;         /* new sessions get another one */
    unsigned refs;          /* links, and threads that wait for the hello */
    struct sb_worker_link *links;
    uint64_t used[SB_LANES / 64];

    struct sb_mapping *heap;    /* or NULL; until the process is gone */
    struct sb_control *control; /* mapped until the record is freed; NULL: never started */
    int dump, lifeline;
    struct sb_source
        bell; /* an eventfd: a lane has news for a session that sleeps on its descriptor */
    pid_t pid;
    int64_t spawned;        /* CLOCK_MONOTONIC ns */
    _Atomic uint32_t state; /* read without the lock; a futex */
    _Atomic uint32_t
        killed;         /* session tag of the call that it was killed for; read without the lock */
    uint32_t tid;       /* the worker's, as it says; set before READY */
    uint64_t oom_kills; /* of the machine, when it started */
    int status;         /* how it ended, or SB_UNKNOWN */
    bool never_ready;   /* ended by the limit for its hello */
    bool rejected;      /* killed for breaking the protocol */
    int code;           /* SB_E_...: why it never was ready */
    struct sb_buf why;  /* text, for links and openers */
};

/* A ready worker for `place`, with a reference, or -SB_E_... and the text in *why. Waits for its
 * start. */
SB_MUST_USE int sb__worker_acquire(const struct sb_place *place, struct sb_worker **worker,
                                   struct sb_buf *why);
void sb__worker_unref(struct sb_worker *worker); /* with the lock */

/* A free lane, the lowest; -SB_E_LIMIT if there is none. With the lock. */
SB_MUST_USE int sb__worker_take_lane(struct sb_worker *worker);
void sb__worker_give_lane(struct sb_worker *worker, uint32_t lane);

/* New sessions get another one. With the lock. */
void sb__worker_discard(struct sb_worker *worker);
/* Discards it, and kills its process group now. With the lock. */
void sb__worker_kill(struct sb_worker *worker);

/* How it ended, for users: "the worker (/usr/bin/python3, process 12) was killed by SIGKILL".
 * `status`: as waitpid(2), or SB_UNKNOWN. With the lock. */
void sb__worker_obituary(struct sb_worker *worker, int status, struct sb_buf *text);
/* The stacks in the dump, if a crash or a deadline left any. */
void sb__worker_stack(struct sb_worker *worker, struct sb_buf *text);

/* Formatted text at the end of a buffer; a NUL behind it that does not count. */
void sb__buf_print(struct sb_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Has the monitor start its process (spawn.c): then `pid`, `source` and `lifeline` are set, or it is
 * buried with `code` and `why`. With the lock. */
void sb__worker_spawn(struct sb_worker *worker);
/* Its process is there: counted until it is reaped. On the monitor. */
void sb__worker_born(struct sb_worker *worker);
/* It is dead, or was never alive: everybody who waits hears of it. Frees it, if nobody does. On the
 * monitor. */
void sb__worker_bury(struct sb_worker *worker);

extern int64_t sb__worker_start_limit; /* ns until the hello; tests shorten it */
/* Ends all workers and waits until they are gone: for tests, and for a program that has closed its
 * sessions and wants nothing left. */
void sb__workers_end(void);
unsigned sb__workers_alive(void); /* workers that are not yet reaped */

#endif
