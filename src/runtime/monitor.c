/* SPDX-License-Identifier: MIT
 *
 * The monitor's thread: a loop around epoll. See monitor.h. The thread ends with the process; its
 * state is never freed. */
#include "runtime/monitor.h"
#include "runtime/os_linux.h"
#include "runtime/transport.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>

pthread_mutex_t sb__monitor_lock = PTHREAD_MUTEX_INITIALIZER;
_Atomic int64_t sb__monitor_next = INT64_MAX;

static int epoll = -1;
static struct sb_source bell = { .fd = -1 }; /* an eventfd */
static void *heard[16]; /* what epoll has told, from the last sleep on; with the lock */
static int heard_count;
static bool running;
static struct sb_job *jobs, **jobs_end = &jobs;
static struct sb_watch *watches;
static struct sb_alarm *ringing, **ringing_end = &ringing; /* for the helper thread */
static bool helping;                                       /* that thread runs */

void sb__monitor_wake(void)
{
    sb__os_eventfd_add(bell.fd);
}

void sb__monitor_run(struct sb_job *job)
{
    job->next = NULL;
    *jobs_end = job;
    jobs_end = &job->next;
    sb__monitor_wake();
}

int sb__monitor_add_source(struct sb_source *source)
{
    return sb__os_epoll_add(epoll, source->fd, source);
}

void sb__monitor_remove_source(struct sb_source *source)
{
    sb__os_epoll_remove(epoll, source->fd);
    for (int i = 0; i < heard_count; i++) /* it may be freed before its turn */
        if (heard[i] == source)
            heard[i] = NULL;
}

void sb__monitor_add_watch(struct sb_watch *w)
{
    w->prev = NULL;
    w->next = watches;
    if (watches)
        watches->prev = w;
    watches = w;
}

void sb__monitor_remove_watch(struct sb_watch *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else if (watches == w)
        watches = w->next;
    if (w->next)
        w->next->prev = w->prev;
    w->prev = w->next = NULL;
}

/* Looks at what is due; returns when the next is. */
static int64_t look_at_watches(void)
{
    int64_t next = INT64_MAX, now = sb__now();
    for (struct sb_watch *w = watches; w; w = w->next) {
        int64_t due = atomic_load(&w->due);
        uint64_t seq = atomic_load_explicit(&w->seq, memory_order_relaxed);
        if (!due) {
            w->seen_due = 0;
            continue;
        }
        if (due != w->seen_due || seq != w->seen_seq) {
            w->seen_due = w->again = due;
            w->seen_seq = seq;
        }
        if (w->again <= now)
            w->again = w->look(w, now);
        if (w->again < next)
            next = w->again;
    }
    return next;
}

static void *monitor(void *unused)
{
    (void)unused;
    prctl(PR_SET_NAME, "sb-monitor");
    pthread_mutex_lock(&sb__monitor_lock);
    for (;;) {
        while (jobs) {
            struct sb_job *job = jobs;
            jobs = job->next;
            if (!jobs)
                jobs_end = &jobs;
            job->run(job);
        }
        atomic_store(&sb__monitor_next, INT64_MAX); /* see sb__watch_arm */
        int64_t next = look_at_watches();
        atomic_store(&sb__monitor_next, next);
        pthread_mutex_unlock(&sb__monitor_lock);

        void *ready[16] = { NULL };
        int n = sb__os_epoll_wait(epoll, ready, 16, next);

        pthread_mutex_lock(&sb__monitor_lock);
        memcpy(heard, ready, sizeof heard);
        heard_count = n;
        for (int i = 0; i < heard_count; i++) {
            struct sb_source *source = heard[i];
            if (source)
                source->ready(source);
        }
        heard_count = 0;
    }
    return NULL;
}

int sb__thread_start(void *(*run)(void *), void *arg, size_t stack, pthread_t *joinable)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    int e = pthread_attr_init(&attr);
    if (e)
        return -e;
    if (!joinable)
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (stack)
        pthread_attr_setstacksize(&attr, stack);
    e = pthread_create(joinable ? joinable : &thread, &attr, run, arg);
    if (e == EINVAL &&
        stack) { /* the program's thread-local variables take more: they are on the stack */
        pthread_attr_setstacksize(&attr, stack + (size_t)8 * 1024 * 1024);
        e = pthread_create(joinable ? joinable : &thread, &attr, run, arg);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return -e;
}

static void drain(struct sb_source *source)
{
    sb__os_eventfd_drain(source->fd);
}

int sb__monitor_start(void)
{
    if (sb__forked()) /* which also sets the fork guard up */
        return -EPERM;
    pthread_mutex_lock(&sb__monitor_lock);
    int e = 0;
    if (!running) {
        epoll = sb__os_epoll();
        bell = (struct sb_source) { sb__os_eventfd(), drain };
        e = epoll < 0 ? epoll : bell.fd < 0 ? bell.fd : sb__os_epoll_add(epoll, bell.fd, &bell);
        if (!e)
            e = sb__thread_start(monitor, NULL, (size_t)128 * 1024, NULL);
        running = !e;
        if (e) {
            sb__os_close(&epoll);
            sb__os_close(&bell.fd);
        }
    }
    pthread_mutex_unlock(&sb__monitor_lock);
    return e;
}

/* ---- alarms ---- */

/* Rings what is queued, then ends: it lives for moments, and only where deadlines pass. */
static void *help(void *unused)
{
    (void)unused;
    prctl(PR_SET_NAME, "sb-interrupt");
    pthread_mutex_lock(&sb__monitor_lock);
    while (ringing) {
        struct sb_alarm *alarm = ringing;
        ringing = alarm->next;
        if (!ringing)
            ringing_end = &ringing;
        alarm->queued = false;
        int64_t due = alarm->watch.seen_due;
        uint64_t seq = alarm->watch.seen_seq;
        atomic_store(&alarm->busy, 1); /* pairs with sb__alarm_disarm: due, then busy */
        /* It may have been armed anew since it was queued. */
        if (due && due <= sb__now() && atomic_load(&alarm->watch.due) == due) {
            pthread_mutex_unlock(&sb__monitor_lock);
            alarm->interrupt(alarm, seq);
            pthread_mutex_lock(&sb__monitor_lock);
        }
        atomic_store(&alarm->busy, 0);
        sb__os_futex_wake(&alarm->busy);
    }
    helping = false;
    pthread_mutex_unlock(&sb__monitor_lock);
    return NULL;
}

static int64_t ring(struct sb_watch *w, int64_t now)
{
    struct sb_alarm *alarm = (struct sb_alarm *)w;
    if (!alarm->queued) {
        alarm->queued = true;
        alarm->next = NULL;
        *ringing_end = alarm;
        ringing_end = &alarm->next;
    }
    if (!helping && sb__thread_start(help, NULL, (size_t)512 * 1024, NULL))
        return now + 10 * SB_MILLISECOND;
    helping = true;
    return now + SB_SECOND / 2;
}

void sb__alarm_add(struct sb_alarm *alarm)
{
    alarm->watch.look = ring;
    pthread_mutex_lock(&sb__monitor_lock);
    sb__monitor_add_watch(&alarm->watch);
    pthread_mutex_unlock(&sb__monitor_lock);
}

void sb__alarm_settle(struct sb_alarm *alarm)
{
    while (atomic_load(&alarm->busy))
        sb__os_futex_wait(&alarm->busy, 1, INT64_MAX);
}

void sb__alarm_remove(struct sb_alarm *alarm)
{
    sb__alarm_disarm(alarm);
    pthread_mutex_lock(&sb__monitor_lock);
    sb__monitor_remove_watch(&alarm->watch);
    for (struct sb_alarm **p = &ringing; *p; p = &(*p)->next)
        if (*p == alarm) {
            *p = alarm->next;
            if (ringing_end == &alarm->next)
                ringing_end = p;
            break;
        }
    pthread_mutex_unlock(&sb__monitor_lock);
    sb__alarm_settle(alarm);
}
