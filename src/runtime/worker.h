/* SPDX-License-Identifier: MIT
 *
 * A session's link to a worker process, as the transport (worker.c), the deadlines (deadline.c) and
 * the pools (pool.c) see it. Fields belong to the session's thread, but for those under "lock". */
#ifndef SB_RUNTIME_WORKER_H
#define SB_RUNTIME_WORKER_H

#include "runtime/pool.h"

/* What the monitor tells the thread that waits for an answer. */
enum sb_verdict {
    SB_VERDICT_NONE,
    SB_VERDICT_QUEUED, /* withdrawn: another request was running when its time ran out */
    SB_VERDICT_KILLED, /* its worker was killed, though it may not be gone yet */
};

/* How far the monitor is with a request whose time has run out (deadline.c). Lock. */
struct sb_ladder {
    uint64_t seq;            /* the waiting request that it is about; 0: none yet */
    uint64_t key;            /* `running` of the request that it interrupts */
    uint32_t raised, dumped; /* the control page's counters when last noted */
    int step;                /* signals sent since `raised` was noted */
    uint32_t raises;         /* times that the exception was raised */
    bool began;              /* the session's request was seen running */
    bool second, dumping;    /* rungs that were entered */
    int64_t idle_since;      /* nothing runs, and the answer does not grow; or 0 */
    uint64_t rep_tail;
    int64_t killed_at; /* or 0 */
    char state;        /* of the process before it was killed, as ps shows it */
};

/* A request with NOTE whose time may run out while nobody waits. */
struct sb_due {
    uint64_t seq;
    int64_t due;
};

struct sb_worker_link {
    struct sb_link base; /* first */
    struct sb_worker *worker;
    struct sb_lane *shared;
    uint32_t lane;
    uint32_t tid;
    struct sb_ring req, rep;
    struct sb_incoming in;
    bool taken;               /* `in` holds a frame that the session has seen */
    bool partial;             /* a request is in the ring in part */
    int failed;               /* what send and receive return from now on, or 0 */
    unsigned spin;            /* turns worth spinning, lately */
    uint64_t close_seq;       /* of the CLOSE that was sent, or 0 */
    bool close_waits;         /* it is answered */
    bool let_go;              /* and was: the worker will not touch the lane again */
    _Atomic uint64_t verdict; /* seq << 2 | enum sb_verdict */
    _Atomic uint64_t floor;   /* requests up to it are not meant by the watch: sb_link.floor */
    _Atomic bool lent;        /* a callback runs: nobody waits for the answer meanwhile */
    int64_t lent_due;         /* the deadline of the call whose callback runs, or 0 */
    uint64_t lent_seq, lent_floor;
    _Atomic uint64_t late; /* the same about a request that nobody may be waiting for */

    /* Lock. */
    struct sb_worker_link *prev, *next; /* of the worker */
    struct sb_watch watch;
    struct sb_ladder ladder;
    bool parked; /* closed, but the worker has not let go of the lane yet */

    /* Lock; worker_future.c. */
    int notify_fd;       /* of the session, or -1 */
    uint64_t told;       /* `noted` as notify_fd was last told */
    struct sb_due *dues; /* SB_DUES places, or NULL: oldest first, from `first_due` on */
    uint32_t first_due, due_count;
    struct sb_watch late_watch; /* for the oldest */
    struct sb_ladder late_ladder;
    struct sb_watch cancel_watch;
    uint64_t cancel_seq; /* the request that is being interrupted; 0: none */
    uint64_t cancelled;  /* the last one */
    int cancel_step;     /* signals sent */
    bool watches;        /* these two are the monitor's */
};
enum { SB_DUES = 256 };

/* ---- worker_future.c: requests with NOTE ---- */

int sb__worker_await(struct sb_link *link, uint64_t seq, int64_t until);
void sb__worker_notify(struct sb_link *link, int fd);
void sb__worker_cancel(struct sb_link *link, uint64_t seq, bool noted);
bool sb__worker_ended(struct sb_link *link, uint64_t seq);
uint64_t sb__worker_running(struct sb_link *link);
/* A request with NOTE and a deadline is about to be sent. 0, or -SB_E_MEMORY. */
int sb__worker_due(struct sb_worker_link *link, uint64_t seq, int64_t due);
/* Tells the session that sleeps on its descriptor. With the lock. */
void sb__worker_tell(struct sb_worker_link *link);
/* The link is being closed: with the lock. */
void sb__worker_forget(struct sb_worker_link *link);
/* sb_source's `ready` of a worker's bell. */
void sb__worker_rung(struct sb_source *source);

/* ---- worker.c, for it ---- */

/* The failure of a link whose worker is gone or that the monitor has decided about, or 0. */
int sb__worker_trouble(struct sb_worker_link *link);
void sb__worker_sleeps(int change); /* threads that sleep in a lane */

/* The worker is gone: wakes its links' threads, and frees what is parked. With the lock. */
void sb__links_died(struct sb_worker *worker);
/* Wakes the thread that waits in the lane, if any. */
void sb__lane_wake(struct sb_worker_link *link);

/* sb_watch's look for a link. */
int64_t sb__deadline_look(struct sb_watch *watch, int64_t now);
/* The same for the oldest request with NOTE and a deadline, if it is still to end: its time runs out at `due`. */
int64_t sb__deadline_late(struct sb_worker_link *link, uint64_t seq, int64_t due, int64_t now);
/* What the ladder did, for the error's text. With the lock. */
void sb__deadline_explain(const struct sb_ladder *ladder, struct sb_buf *text);

extern int64_t sb__deadline_grace; /* ns from the deadline to the kill; tests shorten it */

#endif
