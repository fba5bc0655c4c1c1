/* SPDX-License-Identifier: MIT
 *
 * See runner.h. Locks: runner->lock, under which no other is taken; it is never held while Python runs or is waited for. */
#include "runtime/runner.h"
#include "runtime/os_linux.h"
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

struct sb_queued {
    struct sb_queued *next;
    uint64_t seq;
    int64_t deadline; /* or 0 */
    bool cancelled;
    size_t size;
    _Alignas(8) uint8_t frame[];
};

void sb__runner_init(struct sb_runner *r, const struct sb_engine_api *api,
                     struct sb_engine_session *session)
{
    pthread_condattr_t attr;
    r->api = api;
    r->session = session;
    r->last = &r->first;
    r->fd = -1;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void sb__runner_free(struct sb_runner *r)
{
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}

/* Waits for a change. False: it is past `until`. With the lock. */
static bool wait_until(struct sb_runner *r, int64_t until)
{
    if (until == INT64_MAX) {
        pthread_cond_wait(&r->changed, &r->lock);
        return true;
    }
    struct timespec t = { .tv_sec = until / SB_SECOND, .tv_nsec = until % SB_SECOND };
    return pthread_cond_timedwait(&r->changed, &r->lock, &t) != ETIMEDOUT;
}

static int give(struct sb_link *link, int code, const char *text)
{
    link->message.len = 0;
    sb__buf_put(&link->message, text, strlen(text) + 1);
    return code;
}

/* ---- interrupting from a thread of its own, since it may wait for the GIL ---- */

struct poke {
    struct sb_runner *runner;
    uint64_t seq;
    bool cancel;
};

static void *do_poke(void *arg)
{
    struct poke p = *(struct poke *)arg;
    sb__free(arg);
    prctl(PR_SET_NAME, "sb-interrupt");
    if (p.cancel)
        p.runner->api->cancel(p.runner->session, p.seq);
    else
        p.runner->api->interrupt(p.runner->session, p.seq);
    pthread_mutex_lock(&p.runner->lock);
    p.runner->pokes--;
    pthread_cond_broadcast(&p.runner->changed);
    pthread_mutex_unlock(&p.runner->lock);
    return NULL;
}

/* With the lock. */
static void poke(struct sb_runner *r, uint64_t seq, bool cancel)
{
    if (r->pokes && r->poked == seq && r->poked_to_cancel == cancel)
        return; /* on its way */
    r->poked = seq;
    r->poked_to_cancel = cancel;
    struct poke *p = sb__calloc(sizeof *p);
    if (p)
        *p = (struct poke) { r, seq, cancel };
    if (p && sb__thread_start(do_poke, p, (size_t)512 * 1024, NULL) == 0) {
        r->pokes++;
        return;
    }
    sb__free(p);
    sb__log(4, "a call could not be %s: there is no memory for a thread",
            cancel ? "cancelled" : "interrupted");
}

static void interrupt(struct sb_alarm *alarm, uint64_t seq)
{
    struct sb_runner *r =
        (struct sb_runner *)(void *)((char *)alarm - offsetof(struct sb_runner, alarm));
    r->api->interrupt(r->session, seq);
}

/* ---- the thread ---- */

/* The time of what runs, and of all behind it. With the lock. */
static void arm(struct sb_runner *r, int64_t due)
{
    if (!due || (r->due && r->due <= due))
        return;
    r->due = due;
    sb__alarm_arm(&r->alarm, due, r->running);
}

/* With the lock, which it gives up meanwhile. */
static void run_one(struct sb_runner *r, struct sb_queued *q)
{
    const uint8_t *answer = NULL;
    size_t size = 0;
    r->running = q->seq;
    r->due = 0;
    arm(r, q->deadline);
    for (const struct sb_queued *next = r->first; next; next = next->next)
        arm(r, next->deadline);
    pthread_mutex_unlock(&r->lock);
    int rc = q->cancelled ? r->api->refuse(r->session, q->frame, q->size, SB_E_CANCELLED)
                          : r->api->request(r->session, q->frame, q->size, &answer, &size);
    pthread_mutex_lock(&r->lock);
    r->running = 0; /* from here on the alarm is not armed by others */
    bool armed = r->due != 0;
    pthread_mutex_unlock(&r->lock);
    if (armed)
        sb__alarm_disarm(&r->alarm);
    bool note = q->frame[offsetof(struct sb_frame, flags)] & SB_FLAG_NOTE;
    pthread_mutex_lock(&r->lock);
    if (rc && !r->failed) {
        r->failed = rc == -2 ? -SB_E_PROTOCOL : -SB_E_MEMORY;
        snprintf(r->why, sizeof r->why, "%s%.150s",
                 rc == -2 ? "the engine refused a frame: " : "out of memory for the answer",
                 rc == -2 && answer ? (const char *)answer : "");
    }
    if (note) {
        r->noted = q->seq;
        if (r->fd >= 0)
            sb__os_eventfd_add(r->fd);
    }
    pthread_cond_broadcast(&r->changed);
    sb__free(q);
}

static void drop_queue(struct sb_runner *r)
{
    while (r->first) {
        struct sb_queued *q = r->first;
        r->first = q->next;
        sb__free(q);
    }
    r->last = &r->first;
}

static void *run(void *arg)
{
    struct sb_runner *r = arg;
    prctl(PR_SET_NAME, "sb-runner");
    pthread_mutex_lock(&r->lock);
    for (;;) {
        if (r->alone)
            drop_queue(r);
        struct sb_queued *q = r->first;
        if (q) {
            r->first = q->next;
            if (!r->first)
                r->last = &r->first;
            run_one(r, q);
            continue;
        }
        if (r->stop)
            break;
        atomic_store_explicit(&r->busy, false, memory_order_release);
        pthread_cond_broadcast(&r->changed);
        pthread_cond_wait(&r->changed, &r->lock);
    }
    bool alone = r->alone;
    while (alone && r->pokes)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
    if (alone) {
        sb__alarm_remove(&r->alarm);
        r->finish(r);
    }
    return NULL;
}

static int start(struct sb_runner *r, struct sb_link *link)
{
    if (r->started)
        return 0;
    int rc = sb__monitor_start();
    if (rc == 0)
        rc = sb__thread_start(run, r, 0, &r->thread);
    if (rc)
        return give(link, -SB_E_SYSTEM, "the thread for submitted calls cannot be started");
    r->alarm.interrupt = interrupt;
    sb__alarm_add(&r->alarm);
    r->started = true;
    return 0;
}

/* ---- sending ---- */

/* For a request that is waited for. With the lock. */
static int wait_idle(struct sb_runner *r, struct sb_link *link, int64_t deadline)
{
    int64_t until = deadline ? deadline : INT64_MAX;
    int rung = 0;
    while (sb__runner_busy(r)) {
        if (wait_until(r, until))
            continue;
        if (rung == 2)
            return give(link, -SB_E_TIMEOUT,
                        "its time ran out behind a submitted call that went on in native code");
        if (r->running)
            poke(r, r->running, false);
        until += SB_SECOND / 2;
        rung++;
    }
    return 0;
}

int sb__runner_send(struct sb_runner *r, struct sb_link *link, const uint8_t *frame, size_t size,
                    bool *done)
{
    struct sb_frame head;
    memcpy(&head, frame, sizeof head);
    int64_t deadline = head.flags & SB_FLAG_DEADLINE ? link->deadline : 0;
    *done = !(head.flags & SB_FLAG_WAIT);
    if (!*done) {
        pthread_mutex_lock(&r->lock);
        int rc = wait_idle(r, link, deadline);
        if (rc == 0 && r->failed)
            rc = give(link, r->failed, r->why);
        pthread_mutex_unlock(&r->lock);
        return rc;
    }
    int rc = start(r, link);
    if (rc)
        return rc;
    struct sb_queued *q = sb__calloc(sizeof *q + size);
    if (!q)
        return give(link, -SB_E_MEMORY, "out of memory");
    q->seq = head.seq;
    q->deadline = deadline;
    q->size = size;
    memcpy(q->frame, frame, size);
    pthread_mutex_lock(&r->lock);
    *r->last = q;
    r->last = &q->next;
    if (r->running)
        arm(r, deadline);
    atomic_store_explicit(&r->busy, true, memory_order_relaxed);
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return 0;
}

/* ---- futures ---- */

int sb__runner_await(struct sb_runner *r, struct sb_link *link, uint64_t seq, int64_t until)
{
    int rc = 1;
    pthread_mutex_lock(&r->lock);
    while (r->noted < seq && sb__runner_busy(r) && !r->failed)
        if (!until || !wait_until(r, until)) {
            rc = r->noted >= seq;
            break;
        }
    if (r->failed)
        rc = give(link, r->failed, r->why);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

void sb__runner_notify(struct sb_runner *r, int fd)
{
    pthread_mutex_lock(&r->lock);
    r->fd = fd;
    pthread_mutex_unlock(&r->lock);
}

void sb__runner_cancel(struct sb_runner *r, uint64_t seq)
{
    pthread_mutex_lock(&r->lock);
    struct sb_queued *q = r->first;
    while (q && q->seq != seq)
        q = q->next;
    if (q)
        q->cancelled = true;
    else if (r->noted < seq)
        poke(r, seq, true);
    pthread_mutex_unlock(&r->lock);
}

bool sb__runner_ended(struct sb_runner *r, uint64_t seq)
{
    pthread_mutex_lock(&r->lock);
    bool ended = r->noted >= seq;
    pthread_mutex_unlock(&r->lock);
    return ended;
}

uint64_t sb__runner_running(struct sb_runner *r)
{
    pthread_mutex_lock(&r->lock);
    uint64_t seq = r->running;
    pthread_mutex_unlock(&r->lock);
    return seq;
}

/* ---- the end ---- */

void sb__runner_end(struct sb_runner *r, void (*finish)(struct sb_runner *runner))
{
    pthread_mutex_lock(&r->lock);
    r->finish = finish;
    r->stop = true;
    r->fd = -1;
    bool alone = r->alone = r->running != 0;
    if (!alone)
        drop_queue(r);
    pthread_cond_broadcast(&r->changed);
    while (!alone && r->pokes)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_t thread = r->thread;
    bool started = r->started;
    if (alone)
        pthread_detach(thread); /* with the lock: it is still there */
    pthread_mutex_unlock(&r->lock);
    if (alone)
        return;
    if (started) {
        pthread_join(thread, NULL);
        sb__alarm_remove(&r->alarm);
    }
    finish(r);
}
