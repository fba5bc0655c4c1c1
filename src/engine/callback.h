/* SPDX-License-Identifier: MIT
 *
 * C functions of the program as Python callables. While the program waits for a request, the engine
 * may ask it to run one of them (CALLBACK), and goes on when it has the result; meanwhile the
 * program's function may make requests of its own. So a session has a stack of requests and
 * callbacks in turn, and who owns its top acts: a Python thread begins a callback only when a request
 * that the program waits for is on top, and waits for that if need be; a request ends only when it is
 * on top again. With the GIL, but for the wait. */
#ifndef SB_ENGINE_CALLBACK_H
#define SB_ENGINE_CALLBACK_H

#include "core/lane.h"
#include "engine/plan.h"
#include "engine/session.h"

/* A callback: what it needs, and what the request that it interrupts had in the session. */
struct sb_level {
    struct sb_level *outer;
    uint64_t number;
    bool nested;         /* a request runs on top of it */
    bool abandoned;      /* the request below it has ended: nothing in the session is this one's */
    struct sb_buf frame; /* OUTPUT, if there is any, and CALLBACK */
    struct sb_incoming in; /* what the program sends, RETURN or RAISE at last */

    sb_header *request;
    struct sb_level *base;
    struct sb_buf
        answer; /* the request's, while the nested ones have the session's; and vice versa */
    bool late, failed, settling;
    uint8_t interrupted;
    uint32_t failed_epoch, raised;
    uint64_t failed_seq, skipped;
    struct sb_buf error;
    struct sb_fault fault;
    unsigned long thread, guard_thread;
};

/* The callable for the program's function `number`: `name` is its __name__, `signature` what
 * inspect.signature reads, "(x, y, /)". A new reference, or NULL with a fault or an exception. */
PyObject *sb__callback_new(struct sb_engine_session *s, uint64_t number, const char *name,
                           const char *signature);
/* Its functions can be called no more: the session is about to end. */
void sb__callback_close(struct sb_engine_session *s);
void sb__callback_free(struct sb_engine_session *s); /* the memory of levels */

/* What s->converse does: sends level->frame and runs what the program asks for, until RETURN or RAISE
 * of this callback is in level->in. 0, or -1 with an exception. After each moment without the GIL,
 * level->abandoned must be looked at: if it is set, nothing of the session may be touched (returns
 * -1, exception or not). */

/* A request that the program's function makes runs between them. */
void sb__callback_nest(struct sb_engine_session *s, struct sb_level *level);
void sb__callback_unnest(struct sb_engine_session *s, struct sb_level *level);

/* The running request is done, but callbacks of other threads are on top of it: waits for their end;
 * in a worker, gives them up once the request's time has run out. */
void sb__callback_drain(struct sb_engine_session *s);
/* Those who wait for their turn look again. */
void sb__callback_turn(void);

/* Raises the session's fault, which it takes, as an exception. */
void sb__raise_fault(struct sb_engine_session *s);

#endif
