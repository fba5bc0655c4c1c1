/* SPDX-License-Identifier: MIT
 *
 * Ends of sessions that come with time: a look of the monitor, as often as the nearest may be due, at all sessions whose pool
 * has limits of time, and at those that are to end as soon as nobody is inside. It counts on nothing that a call would have to
 * do: the number of the last request tells whether there was one. What the look has taken is ended on a thread that lives for
 * moments, since in-process that waits for Python. Locks: sb__monitor_lock, then sb__sessions_lock. */
#include "runtime/monitor.h"
#include "runtime/os_linux.h"
#include "runtime/session.h"
#include <sys/prctl.h>

static struct sb_watch watch; /* armed with the lock of sessions.c */
static uint64_t armed;        /* times */
static int64_t next_look = INT64_MAX;
static sb_session *doomed; /* for the thread */
static bool helps;         /* it runs */

static void *help(void *unused)
{
    (void)unused;
    prctl(PR_SET_NAME, "sb-sweep");
    pthread_mutex_lock(&sb__sessions_lock);
    while (doomed) {
        sb_session *list = doomed;
        doomed = NULL;
        pthread_mutex_unlock(&sb__sessions_lock);
        sb__sessions_end(list);
        pthread_mutex_lock(&sb__sessions_lock);
    }
    helps = false;
    pthread_mutex_unlock(&sb__sessions_lock);
    return NULL;
}

/* Whether nothing of it runs or is about to; it is taken. */
static bool is_still(const sb_session *py)
{
    if (!py->link || py->transport->dead(py->link))
        return true;
    for (uint32_t i = 0; i < py->futures.count; i++)
        if (py->futures.places[i].seq > py->answered &&
            !py->transport->ended(py->link, py->futures.places[i].seq))
            return false;
    return !py->transport->running(py->link);
}

/* When it is to be looked at again. */
static int64_t look_at(sb_session *py, int64_t now)
{
    struct sb_membership *m = &py->member;
    const int64_t idle = py->limits.session_idle;
    if (m->cut)
        return INT64_MAX;
    if (atomic_load(&m->ending)) /* somebody was inside */
        return sb__session_take(py) && sb__session_doom(py, SB_RELEASED, &doomed)
                   ? INT64_MAX
                   : now + 20 * SB_MILLISECOND;
    if (!idle)
        return INT64_MAX;
    const uint64_t seq = __atomic_load_n(&py->seq, __ATOMIC_RELAXED);
    if (seq != m->seen_seq) {
        m->seen_seq = seq;
        m->seen_at = now;
    }
    if (now - m->seen_at < idle)
        return m->seen_at + idle;
    if (!sb__session_take(py)) { /* a call runs */
        m->seen_at = now;
    } else if (!is_still(py)) {
        m->seen_at = now;
        sb__session_give_back(py);
    } else if (sb__session_doom(py, SB_IDLE, &doomed)) {
        return INT64_MAX;
    }
    return now + idle / 8;
}

/* On the monitor. */
static int64_t look(struct sb_watch *w, int64_t now)
{
    (void)w;
    int64_t next = INT64_MAX;
    pthread_mutex_lock(&sb__sessions_lock);
    for (sb_session *py = sb__sessions, *behind; py; py = behind) {
        behind = py->member.next;
        int64_t due = look_at(py, now);
        if (due < next)
            next = due;
    }
    if (next < now + SB_MILLISECOND)
        next = now + SB_MILLISECOND;
    if (doomed && !helps) {
        helps = sb__thread_start(help, NULL, (size_t)256 * 1024, NULL) == 0;
        if (!helps) /* they are taken, and wait for it */
            next = now + 20 * SB_MILLISECOND;
    }
    next_look = next;
    pthread_mutex_unlock(&sb__sessions_lock);
    return next;
}

static void begin(void)
{
    watch.look = look;
    pthread_mutex_lock(&sb__monitor_lock);
    sb__monitor_add_watch(&watch);
    pthread_mutex_unlock(&sb__monitor_lock);
}

void sb__sweep_in(int64_t ns)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (sb__monitor_start())
        return; /* there is no thread for it, nor for workers: the limits of time do not hold */
    pthread_once(&once, begin);
    const int64_t due = sb__now() + ns;
    pthread_mutex_lock(&sb__sessions_lock);
    if (due < next_look) {
        next_look = due;
        sb__watch_arm(&watch, due, ++armed);
    }
    pthread_mutex_unlock(&sb__sessions_lock);
}
