/* SPDX-License-Identifier: MIT
 *
 * Observers, and how events get to them: at once, on the thread of a session, or through a queue and a thread that exists
 * while somebody listens to what comes that way. An observer has a place of the process's, so that whoever tells it of
 * something needs no lock: it counts itself in, looks whether the observer is still there, tells, counts itself out;
 * sb_observe_end takes the observer away, then waits until nobody is in (both sequentially consistent). Locks: `changing`
 * around joining and leaving, then `queue.lock`, which is a leaf: sb__event is called with all kinds of locks held. */
#include "runtime/event.h"
#include "runtime/monitor.h"
#include "runtime/os_linux.h"
#include "runtime/session.h"
#include <errno.h>
#include <math.h>
#include <sys/prctl.h>
#include <time.h>

enum {
    STRIPES = 8,       /* counters of an observer, so that threads do not share one */
    QUEUED_MOST = 256, /* events that wait for the dispatcher */
    TEXT_MOST = 1536,  /* bytes of the texts of one of them */
};

struct stripe {
    _Alignas(64) _Atomic uint32_t inside;
};

struct sb_observer {
    _Atomic uint64_t since;  /* the number of the change that it came with; 0: the place is free */
    _Atomic uint32_t ending; /* a futex: sb_observe_end waits */
    void (*event)(const sb_event *event, void *user);
    void *user;
    _Atomic uint32_t kinds;
    _Atomic uint64_t threshold; /* of a random number: sample * 2^64, UINT64_MAX: all */
    uint64_t queue_dropped;     /* by others, before it came */
    struct stripe stripes[STRIPES];
};

static struct sb_observer observers[SB_MAX_OBSERVERS];
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t changes; /* observers that have come so far */
static _Atomic uint32_t places;  /* a bit an observer */
_Atomic uint32_t sb__events_wanted;

struct queued {
    sb_event event;
    char text[TEXT_MOST];
};
static struct {
    pthread_mutex_t lock;
    pthread_cond_t more, told;
    struct queued *ring;      /* NULL: nobody listens */
    uint64_t head, tail;      /* told so far, queued so far */
    uint64_t dropped, missed; /* in all; since the last one that found room */
    bool stop;
    pthread_t thread;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER,
            .more = PTHREAD_COND_INITIALIZER,
            .told = PTHREAD_COND_INITIALIZER };

/* What this thread is telling, innermost first. */
struct telling {
    struct telling *around;
    const sb_session *py; /* NULL: no session's */
};
static __thread struct telling *telling __attribute__((tls_model("initial-exec")));

bool sb__event_in(const sb_session *py)
{
    for (const struct telling *t = telling; t; t = t->around)
        if (t->py == py)
            return true;
    return false;
}

/* ---- time and chance ---- */

int64_t sb__event_time(int64_t monotonic)
{
    static _Atomic int64_t offset, measured; /* which are looked at again every second */
    int64_t last = atomic_load_explicit(&measured, memory_order_acquire);
    if (!last || monotonic - last > SB_SECOND || last - monotonic > SB_SECOND) {
        struct timespec t;
        int64_t now = sb__now();
        clock_gettime(CLOCK_REALTIME, &t);
        atomic_store_explicit(&offset, (int64_t)t.tv_sec * SB_SECOND + t.tv_nsec - now,
                              memory_order_relaxed);
        atomic_store_explicit(&measured, now, memory_order_release);
    }
    return monotonic + atomic_load_explicit(&offset, memory_order_relaxed);
}

/* xorshift64* of this thread's: which calls are told of need not be unpredictable. */
static uint64_t chance(void)
{
    static __thread uint64_t state __attribute__((tls_model("initial-exec")));
    if (!state)
        state = ((uint64_t)sb__now() ^ (uint64_t)(uintptr_t)&state) | 1;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(0x2545f4914f6cdd1d);
}

uint32_t sb__events_choose(uint64_t *at)
{
    uint32_t chosen = 0;
    *at = atomic_load(&changes);
    for (uint32_t left = atomic_load(&places); left; left &= left - 1) {
        const struct sb_observer *o = &observers[__builtin_ctz(left)];
        uint64_t threshold = atomic_load_explicit(&o->threshold, memory_order_relaxed);
        if (atomic_load_explicit(&o->kinds, memory_order_relaxed) & SB_EVENTS_OF_CALLS &&
            (threshold == UINT64_MAX || chance() < threshold))
            chosen |= left & -left;
    }
    return chosen;
}

/* ---- telling ---- */

static const char *kind_name(sb_event_kind kind)
{
    switch (kind) {
#define KIND(name, bit, text) \
    case SB_EVENT_##name:     \
        return text;
        SB_EVENTS_(KIND)
#undef KIND
    default:
        return "";
    }
}

#define TEXTS(X) \
    X(library)   \
    X(function) X(operation) X(pool) X(session_name) X(file) X(type) X(message) X(reason)

static void complete(sb_event *e)
{
    e->size = sizeof *e;
    if (!e->name)
        e->name = kind_name(e->kind);
    if (!e->time)
        e->time = sb__event_time(sb__now());
#define FILL(field) \
    if (!e->field)  \
        e->field = "";
    TEXTS(FILL)
#undef FILL
}

static void tell(struct sb_observer *o, uint64_t until, const sb_event *e)
{
    const uintptr_t self = (uintptr_t)sb__self();
    _Atomic uint32_t *inside = &o->stripes[(self >> 12 ^ self >> 18) % STRIPES].inside;
    atomic_fetch_add(inside, 1);
    uint64_t since = atomic_load(&o->since);
    if (SB_LIKELY(since && since <= until && o->kinds & (uint32_t)e->kind))
        o->event(e, o->user);
    atomic_fetch_sub(inside, 1);
    if (SB_UNLIKELY(atomic_load(&o->ending)))
        sb__os_futex_wake(&o->ending);
}

static void tell_all(const sb_session *py, const sb_event *e, uint32_t chosen, uint64_t until)
{
    struct telling here = { telling, py };
    telling = &here;
    for (uint32_t left = atomic_load(&places) & chosen; left; left &= left - 1)
        tell(&observers[__builtin_ctz(left)], until, e);
    telling = here.around;
}

void sb__event_now(sb_session *py, sb_event *e, uint32_t chosen, uint64_t chosen_at)
{
    if (telling) /* what an observer does is told to nobody: it would never end */
        return;
    complete(e);
    tell_all(py, e, chosen, chosen == SB_EVENT_EVERYBODY ? UINT64_MAX : chosen_at);
}

/* ---- the queue ---- */

/* As much of it as there is room for, in whole characters; *to goes behind it. */
static const char *copy_text(const char *s, char **to, const char *end)
{
    size_t room = (size_t)(end - *to), n = strnlen(s, room);
    if (room < 1)
        return "";
    if (n == room) {
        n--;
        while (n && ((unsigned char)s[n] & 0xc0) == 0x80)
            n--;
    }
    char *at = *to;
    memcpy(at, s, n);
    at[n] = '\0';
    *to = at + n + 1;
    return at;
}

void sb__event(const sb_event *event)
{
    if (!sb__events_on((uint32_t)event->kind))
        return;
    int64_t now = sb__event_time(sb__now());
    pthread_mutex_lock(&queue.lock);
    if (!queue.ring || queue.stop) {
        /* the last one that listened has just gone */
    } else if (queue.tail - queue.head == QUEUED_MOST) {
        queue.dropped++;
        queue.missed++;
    } else {
        struct queued *q = &queue.ring[queue.tail++ % QUEUED_MOST];
        char *to = q->text;
        q->event = *event;
        if (!q->event.time)
            q->event.time = now;
        complete(&q->event);
        q->event.dropped = queue.missed;
        queue.missed = 0;
#define COPY(field) q->event.field = copy_text(q->event.field, &to, q->text + TEXT_MOST);
        TEXTS(COPY)
#undef COPY
        pthread_cond_signal(&queue.more);
    }
    pthread_mutex_unlock(&queue.lock);
}

static void *dispatch(void *unused)
{
    (void)unused;
    prctl(PR_SET_NAME, "sb-events");
    pthread_mutex_lock(&queue.lock);
    for (;;) {
        while (queue.head == queue.tail && !queue.stop)
            pthread_cond_wait(&queue.more, &queue.lock);
        if (queue.head == queue.tail)
            break;
        const struct queued *q = &queue.ring[queue.head % QUEUED_MOST]; /* until head goes on */
        pthread_mutex_unlock(&queue.lock);
        tell_all(NULL, &q->event, SB_EVENT_EVERYBODY, UINT64_MAX);
        pthread_mutex_lock(&queue.lock);
        queue.head++;
        pthread_cond_broadcast(&queue.told);
    }
    pthread_mutex_unlock(&queue.lock);
    return NULL;
}

/* With `changing`. 0, or -errno. */
static int start_dispatcher(void)
{
    if (queue.ring)
        return 0;
    struct queued *ring = sb__calloc(QUEUED_MOST * sizeof *ring);
    if (!ring)
        return -ENOMEM;
    pthread_mutex_lock(&queue.lock);
    queue.ring = ring;
    queue.head = queue.tail = queue.missed = 0;
    queue.stop = false;
    pthread_mutex_unlock(&queue.lock);
    int e = sb__thread_start(dispatch, NULL, 0, &queue.thread);
    if (e) {
        pthread_mutex_lock(&queue.lock);
        queue.ring = NULL;
        pthread_mutex_unlock(&queue.lock);
        sb__free(ring);
    }
    return e;
}

static void stop_dispatcher(void)
{
    pthread_mutex_lock(&queue.lock);
    queue.stop = true;
    pthread_cond_signal(&queue.more);
    pthread_mutex_unlock(&queue.lock);
    pthread_join(queue.thread, NULL);
    pthread_mutex_lock(&queue.lock);
    struct queued *ring = queue.ring;
    queue.ring = NULL;
    pthread_mutex_unlock(&queue.lock);
    sb__free(ring);
}

/* Waits until what is in the queue has been told. */
static void flush(void)
{
    pthread_mutex_lock(&queue.lock);
    for (uint64_t until = queue.tail; queue.ring && queue.head < until;)
        pthread_cond_wait(&queue.told, &queue.lock);
    pthread_mutex_unlock(&queue.lock);
}

/* ---- coming and going ---- */

static bool is_queued(uint32_t kinds)
{
    return kinds & ~(uint32_t)SB_EVENTS_OF_SESSIONS;
}

/* With `changing`: who listens to what. */
static void count_up(void)
{
    uint32_t wanted = 0;
    for (uint32_t left = atomic_load(&places); left; left &= left - 1)
        wanted |= observers[__builtin_ctz(left)].kinds;
    atomic_store(&sb__events_wanted, wanted);
}

static uint64_t queue_dropped(void)
{
    pthread_mutex_lock(&queue.lock);
    uint64_t n = queue.dropped;
    pthread_mutex_unlock(&queue.lock);
    return n;
}

/* With `changing`. NULL: *why says it. */
static sb_observer *join(const sb_observe_options *options, const char **why)
{
    const uint32_t all = (2u << __builtin_ctz(SB_EVENT_WORKER_EXIT)) - 1;
    uint32_t kinds = options->kinds ? options->kinds : all, taken = atomic_load(&places);
    *why = kinds & ~all                            ? "there is no such kind of events"
           : taken == (1u << SB_MAX_OBSERVERS) - 1 ? "there are too many observers"
           : is_queued(kinds) && start_dispatcher()
               ? "there is no thread, or no memory, for the events"
               : NULL;
    if (*why)
        return NULL;
    const int place = __builtin_ctz(~taken);
    struct sb_observer *o = &observers[place];
    o->event = options->event;
    o->user = options->user;
    o->kinds = kinds;
    o->threshold = options->sample > 0 && options->sample < 1 ? (uint64_t)ldexp(options->sample, 64)
                                                              : UINT64_MAX;
    o->queue_dropped = queue_dropped();
    atomic_store(&o->since, atomic_fetch_add(&changes, 1) + 1);
    atomic_fetch_or(&places, 1u << place);
    count_up();
    return o;
}

sb_observer *(sb_observe)(const sb_observe_options *options)
{
    const char *why = NULL;
    sb_observer *o = NULL;
    if (sb__forked())
        return NULL;
    if (telling) { /* an end may be waiting for this one, and its lock be held */
        why = "not in an observer's function";
    } else if (!options || options->size < sizeof *options || !options->event) {
        why = "there is no function to be told";
    } else if (!(options->sample >= 0 && options->sample <= 1)) {
        why = "a sample is a part of the calls, from 0 to 1";
    } else {
        pthread_mutex_lock(&changing);
        o = join(options, &why);
        pthread_mutex_unlock(&changing);
    }
    if (why)
        sb__log(3, "sb_observe: %s", why);
    return o;
}

static bool is_inside(struct sb_observer *o)
{
    for (int i = 0; i < STRIPES; i++)
        if (atomic_load(&o->stripes[i].inside))
            return true;
    return false;
}

sb_code sb_observe_end(sb_observer *o)
{
    if (!o)
        return SB_OK;
    if (telling || sb__forked())
        return SB_E_MISUSE;
    const ptrdiff_t place = o - observers;
    if (place < 0 || place >= SB_MAX_OBSERVERS)
        return SB_E_MISUSE;
    pthread_mutex_lock(&changing);
    if (!atomic_load(&o->since)) {
        pthread_mutex_unlock(&changing);
        return SB_E_MISUSE;
    }
    if (is_queued(o->kinds))
        flush();
    atomic_store(&o->ending, 1);
    atomic_store(&o->since, 0);
    while (is_inside(
        o)) /* who leaves looks at `ending` afterwards; a look now and then costs little */
        sb__os_futex_wait(&o->ending, 1, sb__now() + 10 * SB_MILLISECOND);
    atomic_store(&o->ending, 0);
    atomic_fetch_and(&places, ~(1u << place));
    count_up();
    if (is_queued(o->kinds) && !is_queued(atomic_load(&sb__events_wanted)))
        stop_dispatcher();
    pthread_mutex_unlock(&changing);
    return SB_OK;
}

uint64_t sb_observe_dropped(const sb_observer *o)
{
    uint64_t n = 0;
    if (o && is_queued(o->kinds))
        n += queue_dropped() - o->queue_dropped;
    return n;
}
