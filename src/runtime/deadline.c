/* SPDX-License-Identifier: MIT
 *
 * Deadlines of calls in workers: the ladder from interrupting the call to killing its worker. Runs
 * on the monitor's thread with the lock held. Atomics: the control page's `running` (against
 * engine/guard.h), `cancel`, `raised`, `dumped`, and `withdrawn` of a lane.
 *
 *   deadline              the signal whose handler raises in Python, sent again until it has raised
 *   + half the grace      once more, for code that swallowed the first
 *   + grace - 120 ms      the signal that dumps the stacks
 *   + grace               `running` -> KILL, so that no answer can come, then SIGKILL to the group
 *   + grace + 100 ms      the caller returns, whatever the kernel does with the process
 *
 * If another session's request runs at the deadline, ours is withdrawn and the other one goes on. */
#include "runtime/os_linux.h"
#include "runtime/worker.h"
#include <signal.h>

enum { RESENDS = 5 };                       /* 1, 2, 4, 8, 16 ms apart */
#define DUMP_TIME (120 * SB_MILLISECOND)    /* before the end of the grace */
#define IDLE_TIME (100 * SB_MILLISECOND)    /* without a sign of life between requests: stuck */
#define ANSWER_TIME (5 * SB_SECOND)         /* for a large answer to arrive, beyond the grace */
#define RELEASE_TIME (100 * SB_MILLISECOND) /* after the kill */
int64_t sb__deadline_grace = SB_SECOND;

/* What the worker writes is copied once, and then looked at. */
static uint64_t running_of(struct sb_worker *w)
{
    return atomic_load(&w->control->running);
}

static bool is_ours(const struct sb_worker_link *l, const struct sb_ladder *d, uint64_t key)
{
    return key != SB_RUNNING_KILL && key >> SB_ID_TAG_SHIFT == l->base.session &&
           (key & SB_RUNNING_SEQ) > (d == &l->ladder ? atomic_load(&l->floor) : 0) &&
           (key & SB_RUNNING_SEQ) <= d->seq;
}

static void decide(struct sb_worker_link *l, const struct sb_ladder *d, enum sb_verdict verdict)
{
    atomic_store(d == &l->ladder ? &l->verdict : &l->late, d->seq << 2 | verdict);
    sb__lane_wake(l);
    sb__worker_tell(l);
}

/* Kills the worker if `running` still is `key`; false: the call has ended in the last moment. */
static bool kill_at(struct sb_worker_link *l, struct sb_ladder *d, uint64_t key, int64_t now)
{
    struct sb_worker *w = l->worker;
    if (!atomic_compare_exchange_strong(&w->control->running, &key, SB_RUNNING_KILL))
        return false;
    int status;
    if (!d->state)
        d->state = sb__os_process_state(w->pid, &status);
    atomic_store(&w->killed, l->base.session);
    d->killed_at = now;
    sb__worker_kill(w);
    return true;
}

/* Our session's request is running, beyond its time. */
static int64_t interrupt(struct sb_worker_link *l, struct sb_ladder *d, int64_t due, uint64_t key,
                         int64_t now)
{
    struct sb_worker *w = l->worker;
    struct sb_control *c = w->control;
    int64_t half = due + sb__deadline_grace / 2, end = due + sb__deadline_grace;
    int64_t dump_at =
        end - (DUMP_TIME < sb__deadline_grace / 4 ? DUMP_TIME : sb__deadline_grace / 4);
    uint32_t raised = atomic_load(&c->raised);

    if (now >= end) /* if it has ended in the last moment, the answer is on its way */
        return now + (kill_at(l, d, key, now) ? RELEASE_TIME : SB_MILLISECOND);

    if (d->key != key) { /* a session's requests in flight may end one after the other */
        d->key = key;
        d->step = 0;
        d->raised = raised;
        d->second = d->second && now >= half;
    }
    if (raised != d->raised) {
        d->raises += raised - d->raised;
        d->raised = raised;
        d->step = RESENDS + 1; /* it has arrived */
    }
    if (now >= dump_at) {
        int status;
        if (!d->dumping) {
            d->dumping = true;
            d->state = sb__os_process_state(w->pid, &status);
            d->dumped = atomic_load(&c->dumped);
            sb__os_empty(w->dump);
            if (d->state != 'T') /* a stopped process runs no handler */
                sb__os_signal(w->source.fd, SIGRTMIN + 4);
        }
        return end;
    }
    if (now >= half && !d->second) {
        d->second = true;
        d->step = 0;
    }
    if (d->step <= RESENDS) {
        atomic_store(&c->cancel, key);
        sb__os_signal(w->source.fd, SIGRTMIN + 3);
        int64_t again = now + (SB_MILLISECOND << d->step++);
        if (d->step <= RESENDS)
            return again;
    }
    return now < half ? half : dump_at;
}

/* None of our session's requests runs: ours is about to begin, or its answer is on the way, or the
 * worker is stuck between requests (stopped, for instance), or lies. */
static int64_t await_answer(struct sb_worker_link *l, struct sb_ladder *d, int64_t due,
                            uint64_t key, int64_t now)
{
    int64_t end = due + sb__deadline_grace;
    uint64_t tail = atomic_load(l->rep.theirs);
    if (!d->idle_since || tail != d->rep_tail) { /* something moves */
        d->idle_since = now;
        d->rep_tail = tail;
    }
    if (atomic_load(&l->lent) && tail != atomic_load(l->rep.mine))
        return now + 50 * SB_MILLISECOND; /* the program's function keeps it from reading */
    sb__lane_wake(l);                     /* in case a worker that was stopped has not */
    int64_t stuck = d->idle_since + IDLE_TIME;
    if (stuck > end + ANSWER_TIME)
        stuck = end + ANSWER_TIME;
    if (stuck < end)
        stuck = end;
    if (now >= stuck) {
        if (key == 0 && kill_at(l, d, 0, now))
            return now + RELEASE_TIME;
        if (key != 0) { /* another session's runs, or the worker is being killed for one */
            decide(l, d, SB_VERDICT_QUEUED);
            return INT64_MAX;
        }
    }
    return now + 5 * SB_MILLISECOND < stuck ? now + 5 * SB_MILLISECOND : stuck + SB_MILLISECOND;
}

static int64_t climb(struct sb_worker_link *l, struct sb_ladder *d, uint64_t seq, int64_t due,
                     int64_t now)
{
    struct sb_worker *w = l->worker;
    if (atomic_load(&w->state) == SB_WORKER_DEAD)
        return INT64_MAX;
    if (d->seq != seq)
        *d = (struct sb_ladder) { .seq = seq };
    if (d->killed_at) {
        decide(l, d, SB_VERDICT_KILLED);
        return INT64_MAX;
    }

    uint64_t key = running_of(w);
    if (!is_ours(l, d, key) && key && key != SB_RUNNING_KILL && !d->began) {
        /* Behind another session's request. The order of the two words: guard.h. */
        atomic_store(&l->shared->withdrawn, d->seq);
        key = running_of(w);
        if (!is_ours(l, d, key)) {
            decide(l, d, SB_VERDICT_QUEUED);
            return INT64_MAX;
        }
    }
    if (is_ours(l, d, key)) {
        d->began = true;
        d->idle_since = 0;
        return interrupt(l, d, due, key, now);
    }
    return await_answer(l, d, due, key, now);
}

int64_t sb__deadline_look(struct sb_watch *watch, int64_t now)
{
    struct sb_worker_link *l =
        (struct sb_worker_link *)(void *)((char *)watch - offsetof(struct sb_worker_link, watch));
    return climb(l, &l->ladder, watch->seen_seq, watch->seen_due, now);
}

int64_t sb__deadline_late(struct sb_worker_link *l, uint64_t seq, int64_t due, int64_t now)
{
    return climb(l, &l->late_ladder, seq, due, now);
}

void sb__deadline_explain(const struct sb_ladder *d, struct sb_buf *text)
{
    if (!d->began) {
        sb__buf_print(text, "the worker did not begin the call%s; it was killed",
                      d->state == 'T' ? " (it was stopped)" : "");
        return;
    }
    sb__buf_print(text, "the call went on after its time ran out");
    if (d->raises)
        sb__buf_print(text, ": its code swallowed the interrupt%s",
                      d->raises > 1 ? " again and again" : "");
    else
        switch (d->state) {
        case 'R':
            sb__buf_print(text, ": it was running native code");
            break;
        case 'S':
            sb__buf_print(text, ": it was waiting in native code");
            break;
        case 'D':
            sb__buf_print(text, ": it was waiting in the kernel, uninterruptibly");
            break;
        case 'T':
            sb__buf_print(text, ": its process was stopped");
            break;
        default:
            break;
        }
    sb__buf_print(text, "; the worker was killed");
}
