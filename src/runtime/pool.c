/* SPDX-License-Identifier: MIT
 *
 * The workers of a place: who gets which, and their end. See pool.h; spawn.c starts them. What this
 * file calls "on the monitor" runs there with the lock held. */
#include "runtime/pool.h"
#include "core/cbor.h"
#include "core/frame.h"
#include "runtime/event.h"
#include "runtime/heap.h"
#include "runtime/os_linux.h"
#include "runtime/worker.h"
#include "snakebridge.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DUMP_MAX = 64 * 1024 }; /* bytes of stacks that are handed on */

static struct sb_pool *pools;
static struct sb_worker *discarded;
static unsigned alive;

/* ---- texts ---- */

void sb__buf_print(struct sb_buf *b, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char small[256];
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, format, ap);
    if (n >= 0 && sb__buf_room(b, (size_t)n + 1)) {
        vsnprintf((char *)b->ptr + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(ap);
}

/* The dump as text: control characters, and what is not UTF-8, become "?". */
static void dump_text(struct sb_worker *w, struct sb_buf *text)
{
    size_t at = text->len;
    if (w->dump < 0 || !sb__buf_room(text, DUMP_MAX + 1))
        return;
    ssize_t n = sb__os_read_start(w->dump, text->ptr + at, DUMP_MAX);
    if (n < 0)
        n = 0;
    uint8_t last = sb__utf8_valid((char *)text->ptr + at, (size_t)n) ? 255 : 126;
    for (uint8_t *p = text->ptr + at, *end = p + n; p < end; p++)
        if ((*p < 32 && *p != '\n' && *p != '\t') || *p == 127 || *p > last)
            *p = '?';
    text->len = at + (size_t)n;
    while (text->len > at && text->ptr[text->len - 1] == '\n')
        text->len--;
    text->ptr[text->len] = '\0';
}

void sb__worker_stack(struct sb_worker *w, struct sb_buf *text)
{
    dump_text(w, text);
}

static const char *signal_name(int number, char *unknown, size_t cap)
{
    const char *name = sigabbrev_np(number);
    if (name)
        snprintf(unknown, cap, "SIG%s", name);
    else
        snprintf(unknown, cap, "signal %d", number);
    return unknown;
}

void sb__worker_obituary(struct sb_worker *w, int status, struct sb_buf *text)
{
    char name[32];
    uint32_t crashed = w->control ? atomic_load(&w->control->crashed) : 0;
    sb__buf_print(text, "the worker (%s, process %d) ", w->pool->place.python, (int)w->pid);
    if (w->rejected)
        sb__buf_print(text, "was ended because it broke the protocol");
    else if (status == SB_UNKNOWN && crashed > 0 && crashed < 65)
        sb__buf_print(text, "crashed with %s", signal_name((int)crashed, name, sizeof name));
    else if (status == SB_UNKNOWN)
        sb__buf_print(text, "ended");
    else if (WIFEXITED(status))
        sb__buf_print(text, "exited with status %d", WEXITSTATUS(status));
    else if (crashed)
        sb__buf_print(text, "crashed with %s", signal_name(WTERMSIG(status), name, sizeof name));
    else
        sb__buf_print(text, "was killed by %s", signal_name(WTERMSIG(status), name, sizeof name));
    if (status != SB_UNKNOWN && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
        !atomic_load(&w->killed) && !w->rejected && sb__os_oom_kills() > w->oom_kills)
        sb__buf_print(text, ", probably by the kernel: memory ran out");
}

/* ---- the end of a worker ---- */

static void unlist(struct sb_worker *w)
{
    struct sb_worker **p = w->discarded ? &discarded : &w->pool->workers;
    for (; *p; p = &(*p)->next)
        if (*p == w) {
            *p = w->next;
            break;
        }
}

/* New sessions do not get it any more. */
void sb__worker_discard(struct sb_worker *w)
{
    if (w->discarded)
        return;
    unlist(w);
    w->discarded = true;
    w->next = discarded;
    discarded = w;
}

static void free_worker(struct sb_worker *w)
{
    unlist(w);
    if (w->control)
        sb__os_unmap(w->control, SB_LANES_SIZE);
    sb__os_close(&w->dump);
    sb__buf_reset(&w->why);
    sb__free(w);
}

void sb__worker_unref(struct sb_worker *w)
{
    if (--w->refs == 0 && atomic_load(&w->state) == SB_WORKER_DEAD)
        free_worker(w);
}

void sb__worker_bury(struct sb_worker *w)
{
    sb__worker_discard(w);
    sb__monitor_remove_watch(&w->start);
    sb__mapping_gone(w->heap);
    w->heap = NULL;
    w->refs++;
    atomic_store(&w->state, SB_WORKER_DEAD); /* before the words: see sleep_for in worker.c */
    if (w->control) {
        atomic_store(&w->control->hello, SB_HELLO_FAILED);
        sb__os_futex_wake(&w->control->hello);
        sb__links_died(w);
    }
    sb__os_futex_wake(&w->state);
    sb__worker_unref(w);
}

void sb__worker_kill(struct sb_worker *w)
{
    sb__worker_discard(w);
    if (w->pid > 0 && w->source.fd >= 0) {
        sb__os_signal(w->source.fd, SIGKILL);
        sb__os_kill_group(w->pid);
    }
}

/* What openers get to read of a worker that has never served. */
static void explain_failed_start(struct sb_worker *w)
{
    w->code = SB_E_CONFIG;
    dump_text(w, &w->why); /* what it said about itself */
    bool said = w->why.len;
    if (said && !w->never_ready && w->status != SB_UNKNOWN && WIFEXITED(w->status))
        return; /* it has said all, and left */
    if (said)
        sb__buf_print(&w->why, "\n");
    if (w->never_ready) {
        sb__buf_print(&w->why, "%s did not begin to serve within %g s; its process was ended",
                      w->pool->place.python, (double)sb__worker_start_limit / 1e9);
    } else {
        sb__worker_obituary(w, w->status, &w->why);
        sb__buf_print(&w->why, " before it began to serve");
    }
}

void sb__worker_born(struct sb_worker *w)
{
    (void)w;
    alive++;
}

/* On the monitor: its pidfd can be read, it is gone. */
static void gone(struct sb_source *source)
{
    struct sb_worker *w = (struct sb_worker *)source;
    sb__os_kill_group(w->pid); /* its children; its number is not free until it is reaped */
    w->status = sb__os_reap(w->source.fd);
    sb__monitor_remove_source(&w->source);
    sb__monitor_remove_source(&w->bell);
    sb__os_close(&w->source.fd);
    sb__os_close(&w->bell.fd);
    sb__os_close(&w->lifeline);
    alive--;
    w->why.len = 0;
    if (atomic_load(&w->state) == SB_WORKER_READY)
        sb__worker_obituary(w, w->status, &w->why);
    else
        explain_failed_start(w);
    if (SB_UNLIKELY(sb__events_on(SB_EVENT_WORKER_EXIT)))
        sb__event(&(sb_event) { .kind = SB_EVENT_WORKER_EXIT,
                                .worker = (int32_t)w->pid,
                                .duration = sb__now() - w->spawned,
                                .reason = w->why.failed ? NULL : (const char *)w->why.ptr });
    sb__worker_bury(w);
}

/* ---- pools ---- */

static bool same_path(const char *const *a, const char *const *b)
{
    for (; a && *a && b && *b; a++, b++)
        if (strcmp(*a, *b))
            return false;
    return !(a && *a) && !(b && *b);
}

static struct sb_pool *pool_of(const struct sb_place *place)
{
    struct sb_pool *p = pools;
    while (p &&
           !(!strcmp(p->place.python, place->python) && !strcmp(p->place.engine, place->engine) &&
             same_path(p->place.python_path, place->python_path)))
        p = p->next;
    if (!p && (p = sb__calloc(sizeof *p))) {
        p->place = *place;
        p->next = pools;
        pools = p;
    }
    return p;
}

struct sb_pool *sb__pool_of(const struct sb_place *place)
{
    pthread_mutex_lock(&sb__monitor_lock);
    struct sb_pool *p = pool_of(place);
    pthread_mutex_unlock(&sb__monitor_lock);
    return p;
}

/* Its worker, or one that is about to be spawned. */
static struct sb_worker *worker_of(struct sb_pool *pool)
{
    if (pool->workers) {
        uint32_t hello = pool->workers->control ? atomic_load(&pool->workers->control->hello)
                                                : SB_HELLO_STARTING;
        if (hello != SB_HELLO_FAILED)
            return pool->workers;
        sb__worker_discard(pool->workers);
    }
    struct sb_worker *w = sb__calloc(sizeof *w);
    if (!w)
        return NULL;
    w->pool = pool;
    w->dump = w->lifeline = w->source.fd = w->bell.fd = -1;
    w->status = SB_UNKNOWN;
    w->source.ready = gone;
    w->bell.ready = sb__worker_rung;
    w->next = pool->workers;
    pool->workers = w;
    sb__worker_spawn(w);
    return w;
}

/* A child of fork() of the program keeps no worker alive: it closes the lifelines that it inherits.
 * With the lock across fork(), the lists are whole in it. */
static void fork_prepare(void)
{
    pthread_mutex_lock(&sb__monitor_lock);
}
static void fork_parent(void)
{
    pthread_mutex_unlock(&sb__monitor_lock);
}
static void fork_child(void)
{
    for (struct sb_pool *p = pools; p; p = p->next)
        for (struct sb_worker *w = p->workers; w; w = w->next)
            sb__os_close(&w->lifeline);
    for (struct sb_worker *w = discarded; w; w = w->next)
        sb__os_close(&w->lifeline);
    pthread_mutex_unlock(&sb__monitor_lock);
}
static void watch_forks(void)
{
    pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* The worker has said hello; checks what it says of itself. With the lock. */
static int meet(struct sb_worker *w, struct sb_buf *why)
{
    if (atomic_load(&w->state) == SB_WORKER_STARTING) {
        uint32_t version = w->control->worker_version, min = w->control->worker_version_min;
        if (version < SB_PROTOCOL_MIN || min > SB_PROTOCOL) {
            sb__buf_print(why,
                          "the engine %s speaks protocol version %u (oldest %u), this library %d "
                          "(oldest %d)",
                          w->pool->place.engine, version, min, SB_PROTOCOL, SB_PROTOCOL_MIN);
            sb__worker_kill(w);
            return -SB_E_CONFIG;
        }
        w->tid = (uint32_t)w->control->worker_tid & FUTEX_TID_MASK;
        atomic_store(&w->state, SB_WORKER_READY);
        sb__watch_disarm(&w->start);
        if (SB_UNLIKELY(sb__events_on(SB_EVENT_WORKER_START)))
            sb__event(&(sb_event) { .kind = SB_EVENT_WORKER_START,
                                    .worker = (int32_t)w->pid,
                                    .duration = sb__now() - w->spawned,
                                    .reason = "started" });
    }
    return 0;
}

int sb__worker_acquire(const struct sb_place *place, struct sb_worker **worker, struct sb_buf *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int e = sb__monitor_start();
    pthread_once(&once, watch_forks);
    if (e) {
        sb__buf_print(why, "the thread that watches workers could not be started: %s",
                      strerror(-e));
        return -SB_E_SYSTEM;
    }
    if (!sb__os_readable(place->engine)) {
        sb__buf_print(why, "there is no engine %s", place->engine);
        return -SB_E_CONFIG;
    }
    pthread_mutex_lock(&sb__monitor_lock);
    struct sb_pool *pool = pool_of(place);
    struct sb_worker *w = pool ? worker_of(pool) : NULL;
    if (w)
        w->refs++;
    pthread_mutex_unlock(&sb__monitor_lock);
    if (!w)
        return -SB_E_MEMORY;

    /* Two words, one sleep: `state` until the worker is spawned or cannot be, then its hello, which
     * bury() sets, too. The time limit of a sleep is for a worker that writes nonsense there. */
    uint32_t state, hello = SB_HELLO_STARTING;
    while ((state = atomic_load(&w->state)) != SB_WORKER_DEAD) {
        pthread_mutex_lock(&sb__monitor_lock);
        struct sb_control *control = w->control;
        pthread_mutex_unlock(&sb__monitor_lock);
        hello = control ? atomic_load_explicit(&control->hello, memory_order_acquire)
                        : SB_HELLO_STARTING;
        if (hello == SB_HELLO_READY)
            break;
        int64_t until = sb__now() + (control ? 100 : 1) * SB_MILLISECOND;
        if (control && hello == SB_HELLO_STARTING)
            sb__os_futex_wait(&control->hello, SB_HELLO_STARTING, until);
        else
            sb__os_futex_wait(&w->state, state, until);
    }

    pthread_mutex_lock(&sb__monitor_lock);
    int rc = 0;
    if (atomic_load(&w->state) == SB_WORKER_DEAD) {
        rc = -(w->code ? w->code : SB_E_WORKER_DIED);
        sb__buf_put(why, w->why.ptr, w->why.len);
        sb__buf_print(why, "%s", "");
    } else {
        rc = meet(w, why);
    }
    if (rc)
        sb__worker_unref(w);
    pthread_mutex_unlock(&sb__monitor_lock);
    *worker = rc ? NULL : w;
    return rc;
}

/* ---- lanes ---- */

int sb__worker_take_lane(struct sb_worker *w)
{
    for (uint32_t i = 0; i < SB_LANES / 64; i++)
        if (~w->used[i]) {
            int bit = __builtin_ctzll(~w->used[i]);
            w->used[i] |= UINT64_C(1) << bit;
            return (int)(i * 64) + bit;
        }
    return -SB_E_LIMIT;
}

void sb__worker_give_lane(struct sb_worker *w, uint32_t lane)
{
    w->used[lane / 64] &= ~(UINT64_C(1) << lane % 64);
}

/* ---- all of them ---- */

unsigned sb__workers_alive(void)
{
    pthread_mutex_lock(&sb__monitor_lock);
    unsigned n = alive;
    pthread_mutex_unlock(&sb__monitor_lock);
    return n;
}

void sb__workers_end(void)
{
    pthread_mutex_lock(&sb__monitor_lock);
    for (struct sb_pool *p = pools; p; p = p->next)
        while (p->workers)
            sb__worker_kill(p->workers); /* discards it */
    struct sb_worker *w = NULL;
    for (;;) {
        for (w = discarded; w && atomic_load(&w->state) == SB_WORKER_DEAD; w = w->next)
            ;
        if (!w)
            break;
        w->refs++;
        uint32_t state = atomic_load(&w->state);
        pthread_mutex_unlock(&sb__monitor_lock);
        sb__os_futex_wait(&w->state, state, sb__now() + SB_SECOND);
        pthread_mutex_lock(&sb__monitor_lock);
        sb__worker_unref(w);
    }
    pthread_mutex_unlock(&sb__monitor_lock);
}
