/* SPDX-License-Identifier: MIT
 *
 * A lane as the worker serves it: what serve.c shares with the callbacks of nested.c. With the GIL. */
#ifndef SB_ENGINE_SERVED_H
#define SB_ENGINE_SERVED_H

#include "core/lane.h"
#include "engine/session.h"

struct sb_served {
    struct sb_lane *shared;
    struct sb_ring requests, replies;
    struct sb_incoming in;
    struct sb_engine_session *session;
    uint64_t told; /* how far the client knows that its requests were read */
    uint32_t index;
    bool queued, broken;
    bool failed; /* in a callback, a cursor of the client made no sense */
};

/* Writes whole frames; waits for room if there is none. 0; -1: the client's cursor makes no sense, or
 * a handler's exception is pending. */
int sb__served_write(struct sb_served *l, const uint8_t *p, size_t size);
/* Tells the client that its requests were read: now, or (unless they are many) with what is written
 * next. */
void sb__served_tell(struct sb_served *l, bool now);
/* Waits until something happens, a new request of the lane perhaps. 0, or -1 with an exception of a
 * signal's handler. */
int sb__served_wait(struct sb_served *l);

#endif
