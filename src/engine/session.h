/* SPDX-License-Identifier: MIT
 *
 * The engine's half of a session: its objects by id, its error and epoch, its output that waits to be
 * handed over, and the buffer of its answers. Entered with the GIL, by one thread at a time, but for
 * `interrupted` (sb_engine_api.interrupt) and the output (any Python thread), which hold the GIL as
 * well. */
#ifndef SB_ENGINE_SESSION_H
#define SB_ENGINE_SESSION_H

#include "core/buf.h"
#include "core/frame.h"
#include "engine/place.h"
#include "engine/python.h"
#include <snakebridge.h>

/* A header where it lies: frames may be anywhere. Fields are read one by one, as they were written,
 * since a wider load right behind narrower stores stalls the processor. */
typedef const struct sb_frame sb_header __attribute__((aligned(1)));

struct sb_target;

struct sb_entry {
    uint64_t id; /* 0: free */
    PyObject *object;
};

/* What the engine itself has to say against a request; Python's exceptions are kept by Python. */
struct sb_fault {
    sb_code code; /* SB_OK: none */
    char text[600];
};

struct sb_level;
struct sb_engine_function;

struct sb_engine_session {
    uint32_t tag;
    uint64_t counter; /* of the next engine-chosen id */
    struct sb_entry *entries;
    size_t mask, used; /* capacity - 1, a power of two less one; or both 0 */

    bool failed;
    uint32_t failed_epoch;
    uint64_t failed_seq, skipped;
    struct sb_buf error; /* the first error's array but for its last item, `skipped` */
    const struct sb_target *failed_plan; /* of the call that raised it: see explain.h */
    PyObject *failed_arguments, *failed_keywords;
    struct sb_fault fault;
    struct sb_place place; /* in the value that the fault or the exception is about */

    struct sb_buf answer;
    struct sb_buf output; /* records: stream (1), length (4), text */
    size_t output_last;   /* where the last record begins */
    sb_header *request;   /* the running one's header, while it runs */
    bool late;            /* its answer is SB_E_TIMEOUT already */
    uint64_t first_new;   /* engine-chosen ids from here on were given out by it */
    void (*spill)(struct sb_engine_session *s); /* worker: hands over output early, or NULL */
    void *owner;                                /* for spill */
    struct sb_engine_session *outer;            /* the session that ran when this one began */

    unsigned long thread; /* Python's identifier of the thread that runs the request */
    uint8_t interrupted;  /* enum sb_interruption; in-process */
    bool
        gone; /* by a callback: the program has let go of the session, or broken the protocol (behind
                  `interrupted`: sb__unusual) */
    sb_code refused; /* the request is not to be run, but to fail with this; or SB_OK */

    PyObject *runner; /* its event loop, or NULL: engine/async.h */

    /* Callbacks: engine/callback.h. */
    struct sb_level *level; /* the callback on top, or below the request that is */
    struct sb_level *base;  /* what it was when the running request began */
    struct sb_level *spare;
    struct sb_engine_function *functions; /* that Python may call */
    uint64_t callbacks;                   /* begun so far: the number of the last */
    uint32_t depth;
    const char *broken;                                                   /* then: how, or NULL */
    int (*converse)(struct sb_engine_session *s, struct sb_level *level); /* NULL: no callbacks */
    int (*call)(void *ctx, const uint8_t *frame, size_t size, const uint8_t **answer, size_t *n);
    void *ctx; /* in-process: of `call` */
};

/* What has come over the running request. */
enum sb_interruption {
    SB_INTERRUPTED = 1, /* by its deadline */
    SB_CANCELLED = 2,   /* by sb_cancel */
    SB_SETTLED = 4,     /* its failure is being described: it is not cancelled any more */
};
/* Whether it is interrupted, or gone: one look for both. */
static inline bool sb__unusual(const struct sb_engine_session *s)
{
    uint16_t both;
    static_assert(offsetof(struct sb_engine_session, gone) ==
                      offsetof(struct sb_engine_session, interrupted) + 1,
                  "one behind the other");
    memcpy(&both, &s->interrupted, sizeof both);
    return both != 0;
}

/* The current request cannot be done: code and text. The first one counts. Returns -1. */
int sb__fault(struct sb_engine_session *s, sb_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Forgets it, and the place. */
static inline void sb__fault_clear(struct sb_engine_session *s)
{
    s->fault.code = SB_OK;
    s->place.len = s->place.cycle = 0;
    s->place.clipped = s->place.loops = false;
}

struct sb_engine_session *sb__session_new(uint32_t tag);
/* Drops all objects and what is pending; with the GIL. */
void sb__session_clear(struct sb_engine_session *s);
void sb__session_free(struct sb_engine_session *s); /* clears first */

/* Keeps a reference to `o` under `id` (which must be free). 0, or -1 for want of memory with a
 * Python MemoryError set. */
int sb__session_keep(struct sb_engine_session *s, uint64_t id, PyObject *o) SB_MUST_USE;
/* The same with an id that the engine chooses, in *id. */
int sb__session_keep_new(struct sb_engine_session *s, PyObject *o, uint64_t *id) SB_MUST_USE;
/* The object (borrowed), or NULL. */
PyObject *sb__session_find(const struct sb_engine_session *s, uint64_t id);
/* As an argument: id 0 is None; NULL with a fault for a stale or foreign id. Borrowed. */
PyObject *sb__session_object(struct sb_engine_session *s, uint64_t id);
void sb__session_drop(struct sb_engine_session *s, uint64_t id);

/* Forgets the error: the program has cleared it. */
void sb__session_recover(struct sb_engine_session *s);

#endif
