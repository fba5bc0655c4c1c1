/* SPDX-License-Identifier: MIT
 *
 * C functions that Python may call: the session's table of them, and the callbacks that run. A
 * callback interrupts a call that waits; while its function runs, the session is lent to the thread
 * that runs it, with no error, a scope and a buffer of its own; then the call goes on. */
#ifndef SB_RUNTIME_CALLBACK_H
#define SB_RUNTIME_CALLBACK_H

#include "runtime/session.h"
#include <snakebridge_gen.h>

struct sb_function {
    uint64_t number; /* serial << 20 | place in the table */
    void (*function)(void);
    sb_trampoline call;
    void *user;
    void (*drop)(void *user);
    const char *name;
    uint32_t running;         /* callbacks */
    bool dropped;             /* Python has let go of it */
    struct sb_function *next; /* of those that are to be dropped */
};

/* A callback, or a function's drop, that runs: what the session had before. */
struct sb_serving {
    struct sb_lent lent; /* first */
    struct sb_serving *outer;
    const void *thread; /* to which the session was lent before */
    uint64_t seq;       /* of the request that waits */
    uint64_t begun;     /* of the last one when the callback began */
    bool waits;         /* there is one: not for a drop */
    int64_t deadline;   /* of it, or 0 */
    uint64_t deadline_seq, floor;
    struct sb_sent sent;
    struct sb_buf out, text, classes;
    bool failed, looked, exception_kept;
    sb_error error;
    struct sb_detail *detail;
    uint32_t depth;
    struct sb_buf answer; /* the request's, if it came while the function ran */
    bool answered;
    const uint8_t *reply; /* RETURN or RAISE: in `out`, or `least` */
    size_t reply_size;
    _Alignas(8) uint8_t least[256];
    sb_code lost; /* the link is gone on which the request waits: its error's code, or SB_OK */
};

/* Runs the function of a CALLBACK frame, while the request `seq` waits. 0: RETURN or RAISE is at *answer, until the next callback of
 * this depth. -1: the frame makes no sense, *why says how, or the link is gone (*why is NULL). */
int sb__callback_serve(sb_session *py, uint64_t seq, const uint8_t *frame, size_t size,
                       const uint8_t **answer, size_t *n, const char **why);
/* A DROP frame's body. False: it makes no sense. */
bool sb__callback_take_drops(sb_session *py, struct sb_reader *r);
/* An answer to a request of an outer level: kept for it. False: to none. */
bool sb__callback_stash(sb_session *py, const uint8_t *frame, size_t size, uint64_t id);
/* The link is cut: those who wait on it will not get an answer, Python has let go of all functions. */
void sb__callback_lost(sb_session *py);
/* The end of a session: drops what is left, frees the memory. */
void sb__callback_end(sb_session *py);

#endif
