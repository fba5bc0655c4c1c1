/* SPDX-License-Identifier: MIT
 *
 * The worker's loop, on the main thread: takes requests from all lanes in turn, one each, runs them,
 * and writes the answers. Atomics: doorbell, ready bits and reply words, as docs/wire.md has them;
 * they pair with runtime/worker.c.
 *
 * The GIL is held while requests run and for the first moments of a wait, since a client that is
 * awake answers sooner than the GIL can be given back and taken again; a long wait gives it up, and
 * so does every BUSY_MAX of work without one. */
#include "engine/serve.h"
#include "engine/served.h"
#include "core/cbor.h"
#include "core/lane.h"
#include "engine/call.h"
#include "engine/error.h"
#include "engine/guard.h"
#include "engine/heap.h"
#include "engine/output.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_HOT 20000        /* for which the last lane alone is looked at */
#define NS_HUSH 300         /* of a wait before the bell is looked at, too */
#define NS_HOLD 1500        /* of a wait with the GIL */
#define NS_SPIN_MAX 50000   /* of a wait before the futex */
#define NS_SPIN_MIN 2000    /* never less, or it could not grow again */
#define NS_BUSY_MAX 4000000 /* of work without giving up the GIL */
#define NS_SPILL 50000000   /* between two pieces of output that are handed over early */
#define SPILL_SIZE 4096     /* bytes of output that are handed over without a line's end */

static struct {
    struct sb_control *control;
    struct sb_served *lanes[SB_LANES];
    uint32_t queue[SB_LANES]; /* lanes that may have requests: a ring */
    uint32_t queue_first, queue_count;
    bool spins; /* more than one CPU */
    double ticks_per_ns;
    uint64_t born_ticks, released, spilled, collected; /* ticks */
    struct sb_served *hot;                             /* had the last turn, or NULL */
    int64_t born_ns;
    uint64_t budget; /* of a spin, in ticks */
} server;

bool sb__serve_writing; /* an answer is half written: no output may come between */

/* ---- time ------------------------------------------------------------------------------------ */

/* A clock of a few nanoseconds a look; what it counts is found out along the way. */
static inline uint64_t ticks(void)
{
#if defined __x86_64__
    return __builtin_ia32_rdtsc();
#else
    uint64_t t;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
    return t;
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t ns(uint64_t n)
{
    return (uint64_t)((double)n * server.ticks_per_ns);
}

static void clock_begin(void)
{
    server.born_ticks = ticks();
    server.born_ns = now_ns();
    server.ticks_per_ns = 2.5;
#if defined __aarch64__
    uint64_t hz;
    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    server.ticks_per_ns = (double)hz / 1e9;
#endif
}

/* x86-64 does not tell how fast its counter runs: once a millisecond has passed, we know. */
static void clock_learn(void)
{
    int64_t passed = now_ns() - server.born_ns;
    if (passed < 1000000)
        return;
    server.ticks_per_ns = (double)(ticks() - server.born_ticks) / (double)passed;
    server.born_ns = INT64_MAX; /* never again */
}

static inline void relax(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#else
    __asm__ volatile("yield");
#endif
}

/* ---- the doorbell ---------------------------------------------------------------------------- */

static void enqueue(uint32_t lane)
{
    struct sb_served *l = server.lanes[lane];
    if (!l) {
        l = sb__calloc(sizeof *l);
        if (!l)
            return; /* its client waits; the next ring of the bell tries again */
        l->index = lane;
        l->shared = sb__lane(server.control, lane);
        l->requests = sb__ring(server.control, lane, false, false);
        l->told = l->requests.pos;
        l->replies = sb__ring(server.control, lane, true, true);
        server.lanes[lane] = l;
    }
    if (l->queued || l->broken)
        return;
    l->queued = true;
    server.queue[(server.queue_first + server.queue_count++) % SB_LANES] = lane;
}

static struct sb_served *dequeue(void)
{
    struct sb_served *l = server.lanes[server.queue[server.queue_first]];
    server.queue_first = (server.queue_first + 1) % SB_LANES;
    server.queue_count--;
    l->queued = false;
    return l;
}

static inline bool rung(void)
{
    return atomic_load_explicit(&server.control->doorbell, memory_order_relaxed) != 0;
}

static inline bool moved(_Atomic uint64_t *cursor, uint64_t seen)
{
    return atomic_load_explicit(cursor, memory_order_relaxed) != seen;
}

/* Whether the client that was answered last has asked again. It is the likeliest to ask next; to
 * look at its cursor alone saves both sides from sending the lines of bell and bits to and fro. */
static inline bool asked(void)
{
    struct sb_served *l = server.hot;
    return l && moved(l->requests.theirs, l->requests.pos);
}

/* Moves the lanes that have news to the queue. */
static void collect(void)
{
    if (!rung())
        return;
    /* Acquire, here and below: pairs with the client's release of the bits after req_tail. */
    uint32_t groups = atomic_exchange(&server.control->doorbell, 0) & ~SB_DOORBELL_SLEEPS;
    while (groups) {
        uint32_t group = (uint32_t)__builtin_ctz(groups);
        groups &= groups - 1;
        if (group >= SB_LANES / SB_LANE_GROUP)
            break;
        for (uint32_t word = 0; word < SB_LANE_GROUP / 64; word++) {
            _Atomic uint64_t *ready = &server.control->ready[group * (SB_LANE_GROUP / 64) + word];
            if (!atomic_load_explicit(ready, memory_order_relaxed))
                continue;
            uint64_t bits = atomic_exchange(ready, 0);
            for (; bits; bits &= bits - 1)
                enqueue(group * SB_LANE_GROUP + word * 64 + (uint32_t)__builtin_ctzll(bits));
        }
    }
}

static long futex(_Atomic uint32_t *word, int op, uint32_t value)
{
    return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/* Sleeps until the bell rings. What NumPy has freed is given back to the system after a while. */
static void fall_asleep(void)
{
    static const struct timespec a_second = { .tv_sec = 1 };
    _Atomic uint32_t *bell = &server.control->doorbell;
    if (!sb__heaps.own.dirty) {
        futex(bell, FUTEX_WAIT, SB_DOORBELL_SLEEPS);
    } else if (syscall(SYS_futex, bell, FUTEX_WAIT, SB_DOORBELL_SLEEPS, &a_second, NULL, 0) < 0 &&
               errno == ETIMEDOUT) {
        while (sb__heaps_idle() && atomic_load(bell) == SB_DOORBELL_SLEEPS)
            ;
    }
}

/* Waits until the bell rings or `cursor` is no longer at `seen`; with the GIL, which it gives up and
 * takes again unless the wait is short. 0, or -1 with an exception of a signal's handler. */
static int wait_for_news(_Atomic uint64_t *cursor, uint64_t seen)
{
    uint64_t begin = ticks(), passed = 0;
    if (server.spins)
        for (; passed < ns(NS_HOLD); passed = ticks() - begin, relax())
            if (moved(cursor, seen) || (passed > ns(NS_HUSH) && rung()))
                return 0;
    PyThreadState *state = PyEval_SaveThread();
    bool found = false;
    if (server.spins)
        for (; passed < server.budget && !(found = moved(cursor, seen) || rung());
             passed = ticks() - begin)
            relax();
    if (found) {
        server.budget += server.budget / 4;
    } else {
        uint32_t quiet = 0;
        clock_learn();
        sb__guard_idle();
        uint64_t asleep = ticks();
        if (atomic_compare_exchange_strong(&server.control->doorbell, &quiet, SB_DOORBELL_SLEEPS))
            fall_asleep();
        if (ticks() - asleep < ns(NS_SPIN_MAX))
            server.budget *= 2; /* a longer spin would have met it */
        else
            server.budget -= server.budget / 4;
    }
    if (server.budget > ns(NS_SPIN_MAX))
        server.budget = ns(NS_SPIN_MAX);
    if (server.budget < ns(NS_SPIN_MIN))
        server.budget = ns(NS_SPIN_MIN);
    PyEval_RestoreThread(state);
    server.released = ticks();
    return PyErr_CheckSignals();
}

/* A handler of a signal raised between requests: what means the end ends the worker, anything else
 * has nobody to go to. */
static int handler_raised(void)
{
    if (PyErr_ExceptionMatches(PyExc_SystemExit) || PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
        return -1;
    PyErr_WriteUnraisable(NULL);
    return 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void publish(struct sb_served *l)
{
    sb__ring_publish(&l->replies);
    sb__ring_release(&l->requests);
    l->told = l->requests.pos;
    /* Pairs with the client: it stores the word, then looks at the cursors. */
    atomic_thread_fence(memory_order_seq_cst);
    if (SB_UNLIKELY(atomic_load_explicit(&l->shared->word.futex, memory_order_relaxed)) &&
        atomic_exchange(&l->shared->word.futex, 0))
        futex(&l->shared->word.futex, FUTEX_WAKE, 1);
}

static void wait_apart(_Atomic uint64_t *cursor, uint64_t seen);

static int wait_for_room(struct sb_served *l)
{
    if (SB_LIKELY(PyThread_get_thread_ident() == sb__guard.main))
        return wait_for_news(l->replies.theirs, l->replies.seen);
    wait_apart(l->replies.theirs, l->replies.seen);
    return 0;
}

/* The request, which has NOTE, has ended. Pairs with the program, whose thread stores the word, then looks at `noted`,
 * and which sets `notify`, then looks at `noted`: the fence is publish's. */
static SB_COLD void note(struct sb_served *l, uint64_t seq)
{
    atomic_store_explicit(&l->shared->noted, seq, memory_order_release);
    publish(l);
    if (atomic_load_explicit(&l->shared->notify, memory_order_relaxed))
        sb__guard_ring();
}

/* Writes whole frames; waits for room if there is none. 0; -1: the client's cursor makes no sense,
 * or a handler's exception is pending. */
static int write_frames(struct sb_served *l, const uint8_t *p, size_t size)
{
    sb__serve_writing = true;
    int rc = 0;
    while (size) {
        uint32_t left;
        memcpy(&left, p, sizeof left); /* our own frames */
        size -= left;
        while (left && rc == 0) {
            size_t m = sb__ring_write(&l->replies, p, left, true);
            p += m;
            left -= (uint32_t)m;
            if (!left)
                break;
            publish(l);
            if (l->replies.broken)
                rc = -1;
            else if (!m && wait_for_room(l) < 0)
                rc = handler_raised();
            collect(); /* the bell rang for room, or for others: they are not lost */
        }
        if (rc < 0)
            break;
    }
    publish(l);
    sb__serve_writing = false;
    return rc;
}

/* Hands over output while the call that prints it still runs: whole lines now and then, if there is
 * room for them at once. Any Python thread, with the GIL. */
static void spill(struct sb_engine_session *s)
{
    struct sb_served *l = s->owner;
    struct sb_buf *out = &s->output;
    if (sb__serve_writing || !out->len || sb__guard_forked())
        return;
    if (out->len < SPILL_SIZE &&
        (out->ptr[out->len - 1] != '\n' || ticks() - server.spilled < ns(NS_SPILL)))
        return;
    struct sb_buf frames = { 0 };
    size_t need = out->len * 12; /* an empty record is 5 bytes; its frame 45, and padding */
    if (need > SB_RING_SIZE || sb__ring_room(&l->replies, need) < need)
        return;
    sb__output_take(s, &frames, s->request->seq);
    const uint8_t *p = frames.ptr;
    for (size_t left = frames.len; left && !frames.failed;) {
        uint32_t size;
        memcpy(&size, p, sizeof size);
        sb__ring_write(&l->replies, p, size, true);
        p += size;
        left -= size;
    }
    sb__buf_reset(&frames);
    sb__ring_publish(&l->replies);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_exchange(&l->shared->word.futex, 0))
        futex(&l->shared->word.futex, FUTEX_WAKE, 1);
    server.spilled = ticks();
}

/* ---- requests -------------------------------------------------------------------------------- */

static void unbind(struct sb_served *l)
{
    if (!l->session)
        return;
    sb__output_dump(l->session);
    sb__session_free(l->session);
    l->session = NULL;
}

/* The request cannot be answered as it should: says so, if somebody waits, and drops the session. */
static int refuse(struct sb_served *l, sb_header *h, sb_code code, const char *why)
{
    struct sb_buf frame = { 0 };
    int rc = 0;
    if ((h->flags & SB_FLAG_WAIT) && sb__buf_room(&frame, sizeof *h)) {
        frame.len = sizeof *h;
        sb__error_put(&frame, code, why);
        sb__put_uint(&frame, 0);
        struct sb_frame answer = { .size = (uint32_t)frame.len,
                                   .kind = SB_FRAME_ERROR,
                                   .session = h->session,
                                   .epoch = h->epoch,
                                   .seq = h->seq,
                                   .id = h->seq };
        if (!frame.failed) {
            memcpy(frame.ptr, &answer, sizeof answer);
            rc = write_frames(l, frame.ptr, frame.len);
        }
    }
    sb__buf_reset(&frame);
    unbind(l); /* last: `why` may lie in it */
    if (h->flags & SB_FLAG_NOTE)
        note(l, h->seq);
    else
        publish(l);
    return rc;
}

static bool bind_session(struct sb_served *l, uint32_t tag)
{
    unbind(l); /* a client that never said CLOSE */
    l->session = sb__session_new(tag);
    if (!l->session)
        return false;
    l->session->owner = l;
    l->session->spill = spill;
    l->session->converse = sb__serve_callback;
    l->session->thread = PyThread_get_thread_ident();
    return true;
}

/* ---- callbacks: see engine/nested.c ---- */

int sb__served_write(struct sb_served *l, const uint8_t *p, size_t size)
{
    return write_frames(l, p, size);
}

void sb__served_tell(struct sb_served *l, bool now)
{
    if (l->requests.pos - l->told > SB_RING_SIZE / 4 || now)
        publish(l);
}

void sb__serve_wake(void)
{
    futex(&server.control->doorbell, FUTEX_WAKE, INT_MAX);
}

/* The bell is the main thread's: another one looks at its cursor, and again after a while. */
static void wait_apart(_Atomic uint64_t *cursor, uint64_t seen)
{
    const struct timespec slice = { .tv_nsec = 10000000 };
    uint64_t begin = ticks();
    for (uint64_t passed = 0; server.spins && passed < ns(NS_HOLD); passed = ticks() - begin)
        if (moved(cursor, seen))
            return;
    PyThreadState *state = PyEval_SaveThread();
    while (server.spins && ticks() - begin < ns(NS_SPIN_MAX / 2) && !moved(cursor, seen))
        relax();
    uint32_t word = atomic_fetch_or(&server.control->doorbell, SB_DOORBELL_SLEEPS);
    if (!moved(cursor, seen)) /* a bell that rings changes the word, or comes with the next slice */
        syscall(SYS_futex, &server.control->doorbell, FUTEX_WAIT, word | SB_DOORBELL_SLEEPS, &slice,
                NULL, 0);
    PyEval_RestoreThread(state);
}

int sb__served_wait(struct sb_served *l)
{
    if (PyThread_get_thread_ident() != sb__guard.main) {
        wait_apart(l->requests.theirs, l->requests.pos);
        return 0;
    }
    int rc = wait_for_news(l->requests.theirs, l->requests.pos);
    collect(); /* so that others' requests are not lost, and the bell is quiet again */
    return rc;
}

/* In a callback the program has let go of the session, or broken the protocol: nobody reads answers. */
static int end_gone(struct sb_served *l, sb_header *h)
{
    if (l->session->broken)
        return refuse(l, h, SB_E_PROTOCOL, l->session->broken);
    unbind(l);
    publish(l);
    return l->failed ? -1 : 0;
}

/* One whose end is noted, as sb_submit sends it: unlike others it may be revoked before it begins, and then fails. */
static SB_COLD int run_noted(struct sb_served *l, sb_header *h, uint64_t key, bool deadline)
{
    struct sb_engine_session *s = l->session;
    bool begun = sb__guard_begin(key, deadline, l->shared);
    sb_code refused = !begun                                 ? SB_E_TIMEOUT
                      : sb__guard_revoked(l->shared, h->seq) ? SB_E_CANCELLED
                                                             : SB_OK;
    int rc = refused == SB_OK ? sb__run(s, l->in.buf.ptr, l->in.buf.len)
                              : sb__run_refused(s, l->in.buf.ptr, l->in.buf.len, refused);
    if (sb__guard_forked())
        sb__guard_child();
    if (begun && sb__guard_end(key, deadline) && rc == 0 && refused == SB_OK)
        rc = sb__run_late(s, h);
    if (rc < 0)
        return refuse(l, h, rc == -2 ? SB_E_PROTOCOL : SB_E_MEMORY,
                      rc == -2 ? (const char *)s->answer.ptr : "out of memory for the answer");
    if (s->answer.len)
        rc = write_frames(l, s->answer.ptr, s->answer.len);
    note(l, h->seq);
    return rc;
}

/* Runs the frame in l->in. 0, or -1: as write_frames. */
static int run(struct sb_served *l)
{
    sb_header *h = (sb_header *)l->in.buf.ptr;
    if (h->kind == SB_FRAME_OPEN) {
        if (!h->session || h->session >> (64 - SB_ID_TAG_SHIFT))
            return refuse(l, h, SB_E_PROTOCOL, "a session's tag has 16 bits");
        if (!bind_session(l, h->session))
            return refuse(l, h, SB_E_MEMORY, "out of memory");
    }
    struct sb_engine_session *s = l->session;
    if (!s)
        return refuse(l, h, SB_E_PROTOCOL, "a request without a session");
    bool deadline =
        (h->flags & SB_FLAG_DEADLINE) && (h->kind == SB_FRAME_CALL || h->kind == SB_FRAME_SYNC);
    uint64_t key = (uint64_t)s->tag << SB_ID_TAG_SHIFT | (h->seq & SB_RUNNING_SEQ);
    if (SB_UNLIKELY(h->flags & SB_FLAG_NOTE))
        return run_noted(l, h, key, deadline);
    bool begun = sb__guard_begin(key, deadline, l->shared);
    int rc = begun ? sb__run(s, l->in.buf.ptr, l->in.buf.len)
                   : sb__run_withdrawn(s, l->in.buf.ptr, l->in.buf.len);
    if (SB_UNLIKELY(sb__guard_forked()))
        sb__guard_child();
    if (SB_UNLIKELY(s->gone)) {
        if (begun)
            (void)sb__guard_end(key, deadline);
        return end_gone(l, h);
    }
    if (begun && SB_UNLIKELY(sb__guard_end(key, deadline)) && rc == 0)
        rc = sb__run_late(s, h);
    if (SB_UNLIKELY(rc == -2))
        return refuse(l, h, SB_E_PROTOCOL, (const char *)s->answer.ptr);
    if (SB_UNLIKELY(rc < 0))
        return refuse(l, h, SB_E_MEMORY, "out of memory for the answer");
    if (SB_LIKELY(s->answer.len))
        rc = write_frames(l, s->answer.ptr, s->answer.len);
    else if (l->requests.pos - l->told > SB_RING_SIZE / 4 || !sb__ring_ready(&l->requests))
        publish(l); /* else later: each time takes the line from a client that looks at it */
    if (SB_UNLIKELY(s->answer.cap > 1u << 20))
        sb__buf_reset(&s->answer);
    if (h->kind == SB_FRAME_CLOSE)
        unbind(l);
    return rc;
}

/* One request of a lane. -1: a handler's exception that ends the worker. */
static int turn(struct sb_served *l)
{
    int rc = sb__ring_read(&l->requests, &l->in);
    if (rc == 0) {
        if (l->in.size)
            publish(l); /* room for the frame's next part */
        return 0;
    }
    if (rc > 0) {
        rc = run(l);
        sb__incoming_next(&l->in);
    }
    if (SB_UNLIKELY(rc < 0)) {
        if (PyErr_Occurred())
            return -1;
        unbind(l);
        l->broken = true;
        server.hot = NULL;
        sb__buf_reset(&l->in.buf);
        return 0;
    }
    if (sb__ring_ready(&l->requests) || l->requests.broken)
        enqueue(l->index);
    return 0;
}

static int loop(void)
{
    static _Atomic uint64_t nothing;
    for (;;) {
        uint64_t now = ticks();
        struct sb_served *l = server.hot;
        if (server.queue_count || !asked() || now - server.collected > ns(NS_HOT)) {
            collect();
            server.collected = now;
            if (server.queue_count) {
                l = dequeue();
            } else if (!asked()) {
                _Atomic uint64_t *cursor = l ? l->requests.theirs : &nothing;
                if (wait_for_news(cursor, l ? l->requests.pos : 0) < 0 && handler_raised() < 0)
                    return -1;
                continue;
            }
        }
        server.hot = l;
        if (turn(l) < 0)
            return -1;
        if (SB_UNLIKELY(now - server.released > ns(NS_BUSY_MAX))) {
            PyEval_RestoreThread(PyEval_SaveThread());
            server.released = ticks();
            if (PyErr_CheckSignals() < 0 && handler_raised() < 0)
                return -1;
        }
    }
}

/* ---- the module's functions ------------------------------------------------------------------ */

static void check_versions(const struct sb_control *c, int dump)
{
    if (c->version >= SB_PROTOCOL_MIN && c->version_min <= SB_PROTOCOL)
        return;
    char why[200];
    snprintf(why, sizeof why,
             "the engine's protocol is version %d and reaches back to %d, the program's is version "
             "%u and reaches back to %u",
             SB_PROTOCOL, SB_PROTOCOL_MIN, c->version, c->version_min);
    sb__guard_fail(dump, why);
}

PyObject *sb__serve(PyObject *module, PyObject *args)
{
    (void)module;
    int lanes, dump, lifeline, heap, own;
    if (!PyArg_ParseTuple(args, "iiiii:serve", &lanes, &dump, &lifeline, &heap, &own))
        return NULL;
    if (server.control) {
        PyErr_SetString(PyExc_RuntimeError, "this process serves already");
        return NULL;
    }
    if (sb__python_load() < 0)
        return NULL;
    struct sb_control *control = sb__guard_attach(lanes, dump, lifeline, sb__py.timeout);
    if (!control)
        return NULL;
    check_versions(control, dump);
    control->heap_reach = sb__heaps_attach(heap, own);
    if (sb__heaps_hook() < 0)
        return NULL;
    server.control = control;
    cpu_set_t cpus;
    server.spins = sched_getaffinity(0, sizeof cpus, &cpus) != 0 || CPU_COUNT(&cpus) > 1;
    clock_begin();
    server.budget = ns(NS_SPIN_MAX / 2);
    server.released = server.born_ticks;
    sb__guard_ready();
    loop();
    return NULL;
}

PyObject *sb__serve_fail(PyObject *module, PyObject *args)
{
    (void)module;
    int dump;
    const char *why;
    if (!PyArg_ParseTuple(args, "is:fail", &dump, &why))
        return NULL;
    sb__guard_fail(dump, why);
}
