/* SPDX-License-Identifier: MIT
 *
 * The shared memory between a program and one of its workers, and the byte rings in it. Layout and
 * protocol: docs/wire.md. Atomics live here, in runtime/worker.c and in engine/serve.c only.
 *
 * Each ring has one writer thread and one reader thread. The writer copies bytes, then stores
 * `tail` (release; pairs with the reader's acquire load); the reader copies them out, then stores
 * `head` (release; pairs with the writer's acquire load before it reuses the room). The cursors of
 * the other side are hostile: a distance of more than the ring's size is reported, and no copy ever
 * leaves the ring. */
#ifndef SB_CORE_LANE_H
#define SB_CORE_LANE_H

#include "core/buf.h"
#include "core/frame.h"
#include <pthread.h>
#include <stdatomic.h>

#define SB_LANE_MAGIC 0x454e414c55424b53ull /* "SKBULANE" */
#define SB_LANES 10240                      /* a worker */
#define SB_LANE_GROUP 512                   /* lanes a doorbell bit stands for: at most 31 groups */
#define SB_LANES_ROBUST 256 /* lanes whose reply word the kernel marks when the worker dies */
#define SB_RING_SIZE 32768u /* bytes, a power of two */
#define SB_DOORBELL_SLEEPS 0x80000000u
static_assert(SB_LANES / SB_LANE_GROUP <= 31 && SB_LANES % SB_LANE_GROUP == 0, "doorbell bits");

/* A futex that may be held by the worker for the kernel's robust list: glibc's mutex has its lock
 * word at offset 0 (glibc, nptl: struct __pthread_mutex_s); the worker locks it once, so that it
 * stays in the list, and then both sides use the word alone. */
union sb_word {
    pthread_mutex_t mutex;
    _Atomic uint32_t futex;
    char line[64];
};
static_assert(sizeof(union sb_word) == 64, "one cache line");

struct sb_lane {
    _Alignas(64) union sb_word word;        /* what the program's thread sleeps on */
    _Alignas(64) _Atomic uint64_t req_tail; /* this line: written by the program */
    _Atomic uint64_t rep_head;
    _Atomic uint64_t withdrawn; /* seq: CALL and SYNC with a deadline up to it are not begun */
    _Atomic uint64_t revoked; /* seq of a request with NOTE that fails instead of beginning; or 0 */
    _Atomic uint32_t notify;  /* whether the bell is rung when the end of a request is noted */
    _Alignas(64) _Atomic uint64_t req_head; /* this line: written by the worker */
    _Atomic uint64_t rep_tail;
    _Atomic uint64_t noted; /* seq of the last request with NOTE that has ended */
};
static_assert(sizeof(struct sb_lane) == 192, "three cache lines");

enum sb_hello { SB_HELLO_STARTING, SB_HELLO_READY, SB_HELLO_FAILED };

struct sb_control {
    uint64_t magic;
    uint32_t version, version_min; /* of the program */
    uint32_t lanes, ring_size;
    _Atomic uint32_t
        hello; /* a futex; enum sb_hello. The next four are set by the worker before it */
    uint32_t worker_version, worker_version_min;
    int32_t worker_pid, worker_tid; /* as the worker sees them */
    int32_t bell; /* in the worker, an eventfd that tells the program of lanes with news; 0: none */
    uint64_t heap_reach; /* bytes of heap 0 that the worker has mapped; set before hello */
    _Alignas(64) _Atomic uint32_t doorbell;
    _Alignas(64) _Atomic uint64_t ready[SB_LANES / 64];
    _Alignas(64) union sb_word death; /* held by the worker until its end */
    /* Deadlines: written by the worker. */
    _Alignas(64) _Atomic uint64_t
        running;              /* session tag << 48 | seq; 0 between requests; SB_RUNNING_KILL */
    _Atomic uint32_t raised;  /* times that the interrupt raised its exception */
    _Atomic uint32_t dumped;  /* a futex: stack dumps written */
    _Atomic uint32_t crashed; /* the signal of a crash in progress, or 0 */
    /* Deadlines: written by the program. */
    _Alignas(64) _Atomic uint64_t cancel; /* the `running` that shall raise */
    _Atomic uint64_t revoke; /* the `running` that shall raise as cancelled; 0 once it has */
};
#define SB_RUNNING_KILL UINT64_MAX
#define SB_RUNNING_SEQ ((UINT64_C(1) << 48) - 1)

/* Where things are in the memfd. */
#define SB_LANE_OFFSET ((sizeof(struct sb_control) + 4095) & ~(size_t)4095)
#define SB_RINGS_OFFSET \
    (SB_LANE_OFFSET + ((SB_LANES * sizeof(struct sb_lane) + 4095) & ~(size_t)4095))
#define SB_LANES_SIZE (SB_RINGS_OFFSET + (size_t)SB_LANES * 2 * SB_RING_SIZE)

static inline struct sb_lane *sb__lane(struct sb_control *c, uint32_t i)
{
    return (struct sb_lane *)((char *)c + SB_LANE_OFFSET) + i;
}

/* One end of a ring, private to its side. */
struct sb_ring {
    uint8_t *base;
    _Atomic uint64_t *mine, *theirs; /* cursors in shared memory */
    uint64_t pos;                    /* how far this side is, published or not */
    uint64_t seen;                   /* the other side's cursor when last looked at */
    bool broken;                     /* the other side's cursor made no sense */
};

static inline struct sb_ring sb__ring(struct sb_control *c, uint32_t lane, bool reply, bool writer)
{
    struct sb_lane *l = sb__lane(c, lane);
    struct sb_ring r = {
        .base = (uint8_t *)c + SB_RINGS_OFFSET + ((size_t)lane * 2 + reply) * SB_RING_SIZE,
    };
    _Atomic uint64_t *tail = reply ? &l->rep_tail : &l->req_tail;
    _Atomic uint64_t *head = reply ? &l->rep_head : &l->req_head;
    r.mine = writer ? tail : head;
    r.theirs = writer ? head : tail;
    /* A frame starts at a multiple of 8, whatever the memory says. */
    r.pos = atomic_load_explicit(r.mine, memory_order_relaxed) & ~UINT64_C(7);
    r.seen = r.pos;
    return r;
}

/* Writer: bytes of room. Heads are multiples of 8, or the padding of a frame could pass them. */
static inline size_t sb__ring_room(struct sb_ring *r, size_t want)
{
    size_t used = (size_t)(r->pos - r->seen);
    if (SB_UNLIKELY(used > SB_RING_SIZE || SB_RING_SIZE - used < want)) {
        uint64_t seen = atomic_load_explicit(r->theirs, memory_order_acquire);
        if (SB_UNLIKELY(r->pos - seen > SB_RING_SIZE || (seen & 7))) {
            r->broken = true;
            r->seen = r->pos - SB_RING_SIZE;
            return 0;
        }
        r->seen = seen;
        used = (size_t)(r->pos - seen);
    }
    return SB_RING_SIZE - used;
}

/* Writer: copies as many of `n` bytes as there is room for, and returns how many. Not published
 * yet. `end`: these are a frame's last bytes, which are followed by padding to a multiple of 8. */
static inline size_t sb__ring_write(struct sb_ring *r, const void *p, size_t n, bool end)
{
    size_t room = sb__ring_room(r, n + 7);
    size_t m = n < room ? n : room;
    size_t at = (size_t)(r->pos & (SB_RING_SIZE - 1));
    size_t first = SB_RING_SIZE - at < m ? SB_RING_SIZE - at : m;
    memcpy(r->base + at, p, first);
    if (SB_UNLIKELY(first < m))
        memcpy(r->base, (const uint8_t *)p + first, m - first);
    r->pos += m;
    if (end && m == n &&
        n) /* fits: the ring's size and the reader's positions are multiples of 8 */
        r->pos = (r->pos + 7) & ~UINT64_C(7);
    return m;
}

/* Writer: what was written may be read. */
static inline void sb__ring_publish(struct sb_ring *r)
{
    atomic_store_explicit(r->mine, r->pos, memory_order_release);
}

/* Reader: what was read may be written over, in units of 8 bytes. */
static inline void sb__ring_release(struct sb_ring *r)
{
    atomic_store_explicit(r->mine, r->pos & ~UINT64_C(7), memory_order_release);
}

/* Reader: bytes there are to read. */
static inline size_t sb__ring_ready(struct sb_ring *r)
{
    if (r->seen == r->pos) {
        r->seen = atomic_load_explicit(r->theirs, memory_order_acquire);
        if (SB_UNLIKELY(r->seen - r->pos > SB_RING_SIZE)) {
            r->broken = true;
            r->seen = r->pos;
        }
    }
    return (size_t)(r->seen - r->pos);
}

/* A frame on its way in: copied out of the ring in as many parts as it takes. `buf.len` bytes are
 * there; 0: none begun. */
struct sb_incoming {
    struct sb_buf buf;
    size_t size;
};

/* Reader: goes on with `in`. 1: it is complete (buf holds it; sb__incoming_next before the
 * following one). 0: more must arrive. -1: the peer is broken, or memory ran out (in->buf.failed).
 * Publishes nothing. */
static inline int sb__ring_read(struct sb_ring *r, struct sb_incoming *in)
{
    for (;;) {
        size_t ready = sb__ring_ready(r);
        if (!ready)
            return r->broken ? -1 : 0;
        size_t at = (size_t)(r->pos & (SB_RING_SIZE - 1));
        if (!in->size) { /* a frame starts at a multiple of 8, so its size does not wrap */
            uint32_t size;
            if (ready < sizeof(struct sb_frame)) {
                uint64_t seen = atomic_load_explicit(r->theirs, memory_order_acquire);
                if (seen - r->pos > SB_RING_SIZE)
                    return r->broken = true, -1;
                r->seen = seen;
                ready = (size_t)(seen - r->pos);
                if (ready < sizeof(struct sb_frame))
                    return 0;
            }
            memcpy(&size, r->base + at, sizeof size);
            if (size < sizeof(struct sb_frame) || size > SB_FRAME_MAX)
                return r->broken = true, -1;
            if (!sb__buf_room(&in->buf, size))
                return -1;
            in->size = size;
        }
        size_t need = in->size - in->buf.len;
        size_t m = need < ready ? need : ready;
        size_t first = SB_RING_SIZE - at < m ? SB_RING_SIZE - at : m;
        memcpy(in->buf.ptr + in->buf.len, r->base + at, first);
        if (SB_UNLIKELY(first < m))
            memcpy(in->buf.ptr + in->buf.len + first, r->base, m - first);
        in->buf.len += m;
        r->pos += m;
        if (in->buf.len == in->size) {
            r->pos = (r->pos + 7) & ~UINT64_C(7);
            if (r->seen - r->pos > SB_RING_SIZE) { /* padding is always published with its frame */
                r->seen = r->pos;
                r->broken = true;
                return -1;
            }
            /* The size may have changed under us: what counts is what was copied and checked. */
            uint32_t size = (uint32_t)in->size;
            memcpy(in->buf.ptr, &size, sizeof size);
            return 1;
        }
    }
}

/* Ready for the next frame. Keeps the memory unless it is large. */
static inline void sb__incoming_next(struct sb_incoming *in)
{
    in->size = 0;
    in->buf.len = 0;
    if (SB_UNLIKELY(in->buf.cap > 1u << 20 || in->buf.failed))
        sb__buf_reset(&in->buf);
}

#endif
