/* SPDX-License-Identifier: MIT
 *
 * Sessions that are to end as soon as nobody is inside: a look of the monitor now and then, while there are such. What the
 * look has taken is ended on a thread that lives for moments, since in-process that waits for Python. Locks:
 * sb__monitor_lock, then sb__sessions_lock. */
#include "runtime/monitor.h"
#include "runtime/os_linux.h"
#include "runtime/session.h"
#include <sys/prctl.h>

static const int64_t retry = 20 * SB_MILLISECOND;

/* With the lock of sessions.c. */
static struct sb_watch watch;
static uint64_t armed;     /* times */
static bool looks;         /* it is armed */
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
        sb__sessions_end(list, false);
        pthread_mutex_lock(&sb__sessions_lock);
    }
    helps = false;
    pthread_mutex_unlock(&sb__sessions_lock);
    return NULL;
}

/* On the monitor. */
static int64_t look(struct sb_watch *w, int64_t now)
{
    (void)w;
    pthread_mutex_lock(&sb__sessions_lock);
    looks = false;
    for (sb_session *py = sb__sessions, *behind; py; py = behind) {
        behind = py->member.next;
        if (atomic_load(&py->member.ending) && !py->member.cut)
            looks |= !sb__session_doom(py, &doomed);
    }
    if (doomed && !helps) {
        helps = sb__thread_start(help, NULL, (size_t)256 * 1024, NULL) == 0;
        looks |= !helps; /* they are taken, and wait for it */
    }
    const bool again = looks;
    pthread_mutex_unlock(&sb__sessions_lock);
    return again ? now + retry : INT64_MAX;
}

static void begin(void)
{
    watch.look = look;
    pthread_mutex_lock(&sb__monitor_lock);
    sb__monitor_add_watch(&watch);
    pthread_mutex_unlock(&sb__monitor_lock);
}

void sb__sweep_soon(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (sb__monitor_start())
        return; /* there is no thread for it: the session ends when its holder closes it */
    pthread_once(&once, begin);
    pthread_mutex_lock(&sb__sessions_lock);
    if (!looks) {
        looks = true;
        sb__watch_arm(&watch, sb__now() + retry, ++armed);
    }
    pthread_mutex_unlock(&sb__sessions_lock);
}
