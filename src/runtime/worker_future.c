/* SPDX-License-Identifier: MIT
 *
 * Requests with NOTE over a lane: waiting for their end, hearing of it by a descriptor, their deadlines while nobody waits,
 * cancelling. What is called by the monitor runs with its lock held. Atomics: `noted`, `revoked` and `notify` of a lane and
 * `running`, `revoke` of the control page, against engine/serve.c and engine/guard.h. */
#include "runtime/os_linux.h"
#include "runtime/worker.h"
#include "snakebridge.h"
#include <linux/futex.h>
#include <signal.h>

enum {
    GLANCES = 200, /* turns of a look that needs no sleep */
    RESENDS = 6,   /* of the signal: 1, 2, 4, ... ms apart */
};

static bool has_ended(struct sb_worker_link *l, uint64_t seq)
{
    return atomic_load(&l->shared->noted) >= seq;
}

/* ---- waiting ---- */

int sb__worker_await(struct sb_link *link, uint64_t seq, int64_t until)
{
    struct sb_worker_link *l = (struct sb_worker_link *)link;
    if (sb__forked())
        return l->failed ? l->failed : -SB_E_MISUSE;
    if (has_ended(l, seq))
        return 1;
    int rc = sb__worker_trouble(l);
    if (rc)
        return has_ended(l, seq) ? 1 : rc;
    if (until == 0)
        return 0;
    for (int i = 0; i < GLANCES; i++)
        if (has_ended(l, seq))
            return 1;
    _Atomic uint32_t *word = &l->shared->word.futex;
    const uint32_t asleep = l->tid | FUTEX_WAITERS;
    sb__worker_sleeps(1);
    for (;;) { /* the order: sleep_for in worker.c */
        atomic_store(word, asleep);
        atomic_thread_fence(memory_order_seq_cst);
        if (has_ended(l, seq)) {
            rc = 1;
            break;
        }
        if ((rc = sb__worker_trouble(l)) || sb__now() >= until)
            break;
        sb__os_futex_wait(word, asleep, until);
    }
    atomic_store_explicit(word, 0, memory_order_relaxed);
    sb__worker_sleeps(-1);
    return rc;
}

/* ---- the descriptor ---- */

void sb__worker_tell(struct sb_worker_link *l)
{
    if (l->notify_fd >= 0)
        sb__os_eventfd_add(l->notify_fd);
}

void sb__worker_notify(struct sb_link *link, int fd)
{
    struct sb_worker_link *l = (struct sb_worker_link *)link;
    if (sb__forked())
        return;
    pthread_mutex_lock(&sb__monitor_lock);
    l->notify_fd = fd;
    atomic_store(&l->shared->notify, 1); /* then `noted`: the caller looks; see note() in serve.c */
    l->told = atomic_load(&l->shared->noted);
    if (atomic_load(&l->worker->state) == SB_WORKER_DEAD)
        sb__worker_tell(l);
    pthread_mutex_unlock(&sb__monitor_lock);
}

void sb__worker_rung(struct sb_source *source)
{
    struct sb_worker *w =
        (struct sb_worker *)(void *)((char *)source - offsetof(struct sb_worker, bell));
    sb__os_eventfd_drain(source->fd);
    for (struct sb_worker_link *l = w->links; l; l = l->next) {
        if (l->notify_fd < 0)
            continue;
        uint64_t noted = atomic_load(&l->shared->noted);
        if (noted != l->told) {
            l->told = noted;
            sb__worker_tell(l);
        }
    }
}

/* ---- deadlines ---- */

static struct sb_due *oldest(struct sb_worker_link *l)
{
    while (l->due_count) {
        struct sb_due *d = &l->dues[l->first_due % SB_DUES];
        if (!has_ended(l, d->seq))
            return d;
        l->first_due++;
        l->due_count--;
    }
    return NULL;
}

static int64_t look_late(struct sb_watch *watch, int64_t now)
{
    struct sb_worker_link *l =
        (struct sb_worker_link *)(void *)((char *)watch -
                                          offsetof(struct sb_worker_link, late_watch));
    const struct sb_due *d = oldest(l);
    if (!d)
        return INT64_MAX;
    return d->due > now ? d->due : sb__deadline_late(l, d->seq, d->due, now);
}

/* ---- cancelling ---- */

static uint64_t running_of(const struct sb_worker_link *l)
{
    uint64_t key = atomic_load(&l->worker->control->running);
    return key != SB_RUNNING_KILL && key >> SB_ID_TAG_SHIFT == l->base.session
               ? key & SB_RUNNING_SEQ
               : 0;
}

/* What is to be done next about l->cancel_seq, which is running, or was not to be revoked. True: nothing. */
static bool cancel_now(struct sb_worker_link *l)
{
    struct sb_worker *w = l->worker;
    const uint64_t seq = l->cancel_seq, key = (uint64_t)l->base.session << SB_ID_TAG_SHIFT | seq;
    if (atomic_load(&w->state) == SB_WORKER_DEAD)
        return true;
    uint64_t running = running_of(l);
    if (running == seq) {
        if (l->cancel_step && atomic_load(&w->control->revoke) != key)
            return true; /* it has been raised */
        atomic_store(&w->control->revoke, key);
        sb__os_signal(w->source.fd, SIGRTMIN + 3);
        return l->cancel_step++ == RESENDS;
    }
    if (l->cancel_step || running > seq)
        return true; /* it has ended */
    /* Others' requests are before it; or it has ended: then the worker has read all. */
    return atomic_load(&l->shared->req_head) == atomic_load(&l->shared->req_tail);
}

static int64_t look_cancel(struct sb_watch *watch, int64_t now)
{
    struct sb_worker_link *l =
        (struct sb_worker_link *)(void *)((char *)watch -
                                          offsetof(struct sb_worker_link, cancel_watch));
    if (!l->cancel_seq)
        return INT64_MAX;
    if (cancel_now(l)) {
        l->cancel_seq = 0;
        return INT64_MAX;
    }
    return now + (SB_MILLISECOND << l->cancel_step);
}

/* The request fails instead of beginning, unless it has begun. One word for all: it holds the first of those that have not
 * begun, since what comes behind a call that fails is skipped. The order of revoked and running: guard.h. */
static void revoke_first(struct sb_worker_link *l, uint64_t seq)
{
    _Atomic uint64_t *word = &l->shared->revoked;
    uint64_t before = atomic_load(word), running = running_of(l);
    bool waits = before && !has_ended(l, before) && before != running;
    if (seq == running || (waits && before < seq))
        return;
    atomic_store(word, seq);
    if (waits && running_of(l) == seq)
        atomic_store(word, before);
}

static void add_watches(struct sb_worker_link *l)
{
    if (l->watches)
        return;
    l->watches = true;
    l->late_watch.look = look_late;
    l->cancel_watch.look = look_cancel;
    sb__monitor_add_watch(&l->late_watch);
    sb__monitor_add_watch(&l->cancel_watch);
}

void sb__worker_cancel(struct sb_link *link, uint64_t seq, bool noted)
{
    struct sb_worker_link *l = (struct sb_worker_link *)link;
    pthread_mutex_lock(&sb__monitor_lock);
    if (noted && !has_ended(l, seq))
        revoke_first(l, seq);
    /* Each call is interrupted once, however often this is asked for: signals queue up. */
    if (seq != l->cancelled && (!noted || running_of(l) == seq)) {
        l->cancelled = l->cancel_seq = seq;
        l->cancel_step = 0;
        if (cancel_now(l)) {
            l->cancel_seq = 0;
        } else {
            add_watches(l);
            sb__watch_arm(&l->cancel_watch, sb__now() + SB_MILLISECOND, seq);
        }
    }
    pthread_mutex_unlock(&sb__monitor_lock);
}

bool sb__worker_ended(struct sb_link *link, uint64_t seq)
{
    return has_ended((struct sb_worker_link *)link, seq);
}

uint64_t sb__worker_running(struct sb_link *link)
{
    return running_of((struct sb_worker_link *)link);
}

int sb__worker_due(struct sb_worker_link *l, uint64_t seq, int64_t due)
{
    int rc = 0;
    pthread_mutex_lock(&sb__monitor_lock);
    if (!l->dues)
        l->dues = sb__calloc(SB_DUES * sizeof *l->dues);
    struct sb_due *first = l->dues ? oldest(l) : NULL;
    if (!l->dues) {
        l->base.message.len = 0;
        sb__buf_print(&l->base.message, "out of memory");
        rc = l->failed = -SB_E_MEMORY;
    } else if (l->due_count < SB_DUES) { /* no more are in flight */
        l->dues[(l->first_due + l->due_count++) % SB_DUES] = (struct sb_due) { seq, due };
        if (!first) {
            add_watches(l);
            sb__watch_arm(&l->late_watch, due, seq);
        }
    }
    pthread_mutex_unlock(&sb__monitor_lock);
    return rc;
}

void sb__worker_forget(struct sb_worker_link *l)
{
    l->notify_fd = -1;
    l->cancel_seq = 0;
    if (l->watches) {
        sb__monitor_remove_watch(&l->late_watch);
        sb__monitor_remove_watch(&l->cancel_watch);
        l->watches = false;
    }
}
