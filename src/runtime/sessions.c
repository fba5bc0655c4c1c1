/* SPDX-License-Identifier: MIT
 *
 * Who is open: see sessions.h. */
#include "runtime/sessions.h"
#include "runtime/os_linux.h"
#include "runtime/pool.h"
#include "runtime/session.h"
#include <errno.h>
#include <time.h>

enum { BUCKETS = 4096 };

pthread_mutex_t sb__sessions_lock = PTHREAD_MUTEX_INITIALIZER;
sb_session *sb__sessions;
static sb_session *by_name[BUCKETS], *by_owner[BUCKETS];
static uint64_t serials;

/* A thread that waits for a session that somebody else has open. */
struct sb_opener {
    struct sb_opener *next;
    const void *self;
    sb_session *given;
    bool again; /* it is gone: look for the name again */
    pthread_cond_t told;
};

/* ---- taking ---- */

/* One that nobody is inside of. */
static bool take(sb_session *py)
{
    uint32_t was = SB_CALM;
    if (atomic_compare_exchange_strong(&py->busy, &was, SB_TAKEN))
        return true;
    return was == SB_UNUSUAL && atomic_compare_exchange_strong(&py->busy, &was, SB_TAKEN);
}

static void give_back(sb_session *py)
{
    _Atomic uint32_t *word = &py->busy;
    atomic_store(word, SB_UNUSUAL);
    sb__os_futex_wake(word); /* its thread may have freed it meanwhile: then this wakes nobody */
}

void sb__session_await(sb_session *py)
{
    while (atomic_load(&py->busy) == SB_TAKEN)
        sb__os_futex_wait(&py->busy, SB_TAKEN, INT64_MAX);
}

/* ---- the table ---- */

static sb_session **named(const char *name)
{
    uint32_t h = 2166136261u;
    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    return &by_name[(h ^ h >> 16) % BUCKETS];
}

static sb_session **owned(uint64_t serial)
{
    return &by_owner[serial % BUCKETS];
}

static void own(sb_session *py, const sb_session *owner)
{
    py->member.owner = owner->member.serial;
    sb_session **bucket = owned(py->member.owner);
    py->member.next_owned = *bucket;
    *bucket = py;
}

/* What pointed to `from` points to `to`, which may be what comes behind it. */
static void rename_named(const sb_session *from, sb_session *to)
{
    sb_session **at = named(from->member.name);
    while (*at != from)
        at = &(*at)->member.next_named;
    *at = to;
}
static void rename_owned(const sb_session *from, sb_session *to)
{
    sb_session **at = owned(from->member.owner);
    while (*at != from)
        at = &(*at)->member.next_owned;
    *at = to;
}

static void list(sb_session *py, const sb_session *owner)
{
    struct sb_membership *m = &py->member;
    m->prev = NULL;
    m->next = sb__sessions;
    if (m->next)
        m->next->member.prev = py;
    sb__sessions = py;
    m->among->count++;
    if (m->name) {
        m->next_named = *named(m->name);
        *named(m->name) = py;
    }
    if (owner)
        own(py, owner);
}

static void unlist(sb_session *py)
{
    struct sb_membership *m = &py->member;
    if (m->prev)
        m->prev->member.next = m->next;
    else
        sb__sessions = m->next;
    if (m->next)
        m->next->member.prev = m->prev;
    m->among->count--;
    if (m->name)
        rename_named(py, m->next_named);
    if (m->owner)
        rename_owned(py, m->next_owned);
    for (struct sb_opener *o; (o = m->openers);) {
        m->openers = o->next;
        o->again = true;
        pthread_cond_signal(&o->told);
    }
    m->among = NULL;
}

/* The session is at `to` now. */
static void relist(const sb_session *from, sb_session *to)
{
    struct sb_membership *m = &to->member;
    if (m->prev)
        m->prev->member.next = to;
    else
        sb__sessions = to;
    if (m->next)
        m->next->member.prev = to;
    rename_named(from, to);
    if (m->owner)
        rename_owned(from, to);
}

/* ---- names ---- */

static sb_session *find(const struct sb_sessions *among, const struct sb_transport *transport,
                        const char *name)
{
    sb_session *py = *named(name);
    while (py && !(py->member.among == among && py->transport == transport &&
                   !atomic_load(&py->member.ending) && !strcmp(py->member.name, name)))
        py = py->member.next_named;
    return py;
}

/* The session will refuse requests; nothing of it is anybody's. */
static sb_session *refuse(sb_session *py)
{
    py->place.python = NULL;
    return py;
}

/* Waits for a session that somebody has open, with the lock. It, or NULL: look again (*again), or its error is `py`'s. */
static sb_session *wait_for(sb_session *found, sb_session *py, const struct sb_joining *how,
                            bool *again)
{
    const int64_t due =
        py->timeout > 0 && py->timeout < 4e9 ? sb__now() + (int64_t)(py->timeout * 1e9) : INT64_MAX;
    struct sb_opener me = { .self = sb__self() }, **end = &found->member.openers;
    if (found->member.holder == me.self) {
        pthread_mutex_unlock(&sb__sessions_lock);
        sb__fail(py, how->at, "sb_open", SB_E_BUSY,
                 "the session \"%s\" is open already, in this thread", how->name);
        pthread_mutex_lock(&sb__sessions_lock);
        return NULL;
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&me.told, &attr);
    pthread_condattr_destroy(&attr);
    while (*end)
        end = &(*end)->next;
    *end = &me;
    const struct timespec until = { due / SB_SECOND, due % SB_SECOND };
    int e = 0;
    while (!me.given && !me.again && e != ETIMEDOUT)
        e = due == INT64_MAX ? pthread_cond_wait(&me.told, &sb__sessions_lock)
                             : pthread_cond_timedwait(&me.told, &sb__sessions_lock, &until);
    pthread_cond_destroy(&me.told);
    *again = me.again;
    if (me.given || me.again)
        return me.given;
    /* It may have moved: it is the one of that name whose list this is in. */
    for (sb_session *s = *named(how->name); s; s = s->member.next_named)
        for (struct sb_opener **at = &s->member.openers; *at; at = &(*at)->next)
            if (*at == &me) {
                *at = me.next;
                break;
            }
    pthread_mutex_unlock(&sb__sessions_lock);
    sb__fail(py, how->at, "sb_open", SB_E_TIMEOUT,
             "the session \"%s\" was in use for all of the time (%g s)", how->name, py->timeout);
    pthread_mutex_lock(&sb__sessions_lock);
    return NULL;
}

/* `found` is this thread's now, with the settings of `py`, whose memory is where it goes when it is closed. */
static sb_session *take_over(sb_session *found, sb_session *py)
{
    while (!sb__enter(found)) /* the sweep may be inside for a moment */
        ;
    sb__session_settings(found, py);
    sb__session_unmake(py);
    found->member.spare = py;
    return found; /* which sb_open leaves */
}

sb_session *sb__session_join(sb_session *py, struct sb_sessions *among,
                             const struct sb_joining *how)
{
    const char *name = how->name;
    char *copy = name ? sb__strdup(name) : NULL;
    sb_session *spare = name ? sb__resize(NULL, sizeof *spare) : NULL, *found;
    if (name && (!copy || !spare)) {
        sb__free(copy);
        sb__free(spare);
        sb__fail(py, how->at, "sb_open", SB_E_MEMORY, "out of memory");
        return refuse(py);
    }
    bool again = true;
    pthread_mutex_lock(&sb__sessions_lock);
    if (how->owner && (!how->owner->member.among || atomic_load(&how->owner->member.ending))) {
        pthread_mutex_unlock(&sb__sessions_lock);
        sb__fail(py, how->at, "sb_open", SB_E_STALE, "the owner of the session has ended");
        found = refuse(py);
        goto fail;
    }
    while (again && name && (found = find(among, py->transport, name))) {
        again = false;
        if (!found->member.holder)
            found->member.holder = sb__self();
        else
            found = wait_for(found, py, how, &again);
        if (again)
            continue;
        if (found && how->owner) {
            if (found->member.owner)
                rename_owned(found, found->member.next_owned);
            own(found, how->owner);
        }
        pthread_mutex_unlock(&sb__sessions_lock);
        found = found ? take_over(found, py) : refuse(py);
        goto fail;
    }
    const bool full = among->count >= SB_SESSIONS_MOST;
    if (!full) {
        struct sb_membership *m = &py->member;
        m->among = among;
        m->name = copy;
        m->spare = spare;
        m->holder = sb__self();
        m->serial = ++serials;
        list(py, how->owner);
    }
    pthread_mutex_unlock(&sb__sessions_lock);
    if (!full)
        return py;
    sb__fail(py, how->at, "sb_open", SB_E_LIMIT,
             "%d sessions are open, as many as one Python serves; close some, or release names",
             SB_SESSIONS_MOST);
    found = refuse(py);
fail:
    sb__free(copy);
    sb__free(spare);
    return found;
}

/* The session as it was at `from`, whose memory is nobody's then. */
static void move(sb_session *to, sb_session *from)
{
    memcpy((void *)to, (const void *)from, sizeof *to);
    pthread_mutex_destroy(&from->futures.lock);
    pthread_mutex_init(&to->futures.lock, NULL);
    to->functions.dropping_end = &to->functions.dropping;
    if (to->link)
        to->link->owner = to;
}

bool sb__session_let_go(sb_session *py)
{
    struct sb_membership *m = &py->member;
    sb_session *to = m->spare;
    if (!m->name || !m->among || atomic_load(&m->ending))
        return false;
    const uint32_t ends = py->depth + py->usings;
    sb__session_rest(py);
    pthread_mutex_lock(&sb__sessions_lock);
    if (atomic_load(&m->ending)) { /* since then */
        py->usings = ends;
        pthread_mutex_unlock(&sb__sessions_lock);
        return false;
    }
    m->spare = NULL;
    move(to, py);
    relist(py, to);
    m = &to->member;
    struct sb_opener *next = m->openers;
    m->holder = next ? next->self : NULL;
    if (next) {
        m->openers = next->next;
        next->given = to;
        pthread_cond_signal(&next->told);
    }
    atomic_store(&to->busy, SB_UNUSUAL);
    pthread_mutex_unlock(&sb__sessions_lock);
    memset((void *)py, 0, sizeof *py);
    atomic_store(&py->busy, SB_INSIDE); /* for ever: it is closed */
    sb__closed(py, ends);
    return true;
}

/* ---- ends ---- */

/* Refuses what a call's short way would send. */
static struct sb_answer refused(struct sb_link *link, const uint8_t *request, size_t size)
{
    (void)link;
    (void)request;
    (void)size;
    return (struct sb_answer) { NULL, SB_E_STALE };
}

bool sb__session_doom(sb_session *py, sb_session **taken)
{
    struct sb_membership *m = &py->member;
    if (!take(py))
        return false;
    if (m->holder && (py->pinned || py->serving)) { /* C uses what would go */
        give_back(py);
        return false;
    }
    m->cut = true;
    if (!m->holder)
        unlist(py);
    m->next_taken = *taken;
    *taken = py;
    return true;
}

/* With the lock. True: the sweep is to come back to it. */
static bool end_soon(sb_session *py, enum sb_ending why, sb_session **taken)
{
    uint32_t lives = SB_LIVES;
    atomic_compare_exchange_strong(&py->member.ending, &lives, why);
    if (py->member.cut || sb__session_doom(py, taken))
        return false;
    __atomic_store_n(&py->exchange, refused, __ATOMIC_RELAXED);
    return true;
}

/* With the lock. */
static bool end_owned(uint64_t serial, sb_session **taken)
{
    bool later = false;
    for (sb_session *s = *owned(serial), *next; s; s = next) {
        next = s->member.next_owned;
        if (s->member.owner == serial)
            later |= end_soon(s, SB_DISOWNED, taken);
    }
    return later;
}

void sb__sessions_end(sb_session *taken, bool later)
{
    for (sb_session *py; (py = taken);) {
        taken = py->member.next_taken;
        pthread_mutex_lock(&sb__sessions_lock);
        later |= end_owned(py->member.serial, &taken);
        const bool held = py->member.holder;
        pthread_mutex_unlock(&sb__sessions_lock);
        if (held) {
            sb__session_cut(py);
            give_back(py);
        } else {
            sb__session_finish(py);
        }
    }
    if (later)
        sb__sweep_soon();
}

void sb__session_part(sb_session *py)
{
    sb_session *taken = NULL;
    bool later = false;
    if (py->member.among) {
        pthread_mutex_lock(&sb__sessions_lock);
        unlist(py);
        later = end_owned(py->member.serial, &taken);
        pthread_mutex_unlock(&sb__sessions_lock);
    }
    sb__sessions_end(taken, later);
}

static const char *ended_text(const sb_session *py, char *text, size_t size)
{
    const char *name = py->member.name;
    snprintf(text, size, "the session%s%s%s was released%s", name ? " \"" : "", name ? name : "",
             name ? "\"" : "",
             atomic_load(&py->member.ending) == SB_RELEASED ? " (sb_session_release)"
                                                            : ", because its owner has ended");
    return text;
}

void sb__fail_ended(sb_session *py, const sb_site *at, const char *function)
{
    char text[400];
    sb__fail(py, at, function, SB_E_STALE, "%s", ended_text(py, text, sizeof text));
}

void sb__trouble_ended(const sb_session *py, struct sb_trouble *t)
{
    char text[sizeof t->text];
    sb__trouble(t, SB_E_STALE, "%s", ended_text(py, text, sizeof text));
}

/* ---- the public functions ---- */

bool sb__member_fits(const struct sb_membership *m, const sb_session_filter *filter)
{
    return !filter || filter->size < sizeof *filter || !filter->pool ||
           m->among == &filter->pool->sessions;
}

size_t(sb_session_release)(const char *name, const sb_session_filter *filter)
{
    sb_session *taken = NULL;
    size_t n = 0;
    bool later = false;
    if (!name || sb__forked())
        return 0;
    pthread_mutex_lock(&sb__sessions_lock);
    for (sb_session *s = *named(name), *next; s; s = next) {
        next = s->member.next_named;
        if (strcmp(s->member.name, name) != 0 || atomic_load(&s->member.ending) ||
            !sb__member_fits(&s->member, filter))
            continue;
        n++;
        later |= end_soon(s, SB_RELEASED, &taken);
    }
    pthread_mutex_unlock(&sb__sessions_lock);
    sb__sessions_end(taken, later);
    return n;
}

size_t(sb_session_names)(void (*each)(const char *name, bool in_use, void *user), void *user,
                         const sb_session_filter *filter)
{
    struct sb_buf all = { 0 };
    size_t n = 0;
    if (sb__forked())
        return 0;
    pthread_mutex_lock(&sb__sessions_lock);
    for (sb_session *s = sb__sessions; s; s = s->member.next) {
        const struct sb_membership *m = &s->member;
        if (!m->name || atomic_load(&m->ending) || !sb__member_fits(&s->member, filter))
            continue;
        n++;
        sb__put_byte(&all, m->holder != NULL);
        sb__buf_put(&all, m->name, strlen(m->name) + 1);
    }
    pthread_mutex_unlock(&sb__sessions_lock);
    const char *p = (const char *)all.ptr, *end = p + (all.failed ? 0 : all.len);
    for (; each && p < end; p += strlen(p + 1) + 2)
        each(p + 1, *p, user);
    n = all.failed ? 0 : n;
    sb__buf_reset(&all);
    return n;
}
