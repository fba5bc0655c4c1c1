/* SPDX-License-Identifier: MIT
 *
 * Events: what the library tells observers (sb_observe) of. Where something happens:
 *
 *   if (SB_UNLIKELY(sb__events_on(SB_EVENT_WORKER_EXIT)))
 *       sb__event(&(sb_event) { .kind = SB_EVENT_WORKER_EXIT, .worker = w->pid, .reason = text });
 *
 * so that nothing is computed when nobody listens. */
#ifndef SB_RUNTIME_EVENT_H
#define SB_RUNTIME_EVENT_H

#include "core/buf.h"
#include <snakebridge.h>
#include <stdatomic.h>

/* The kinds that somebody listens to. */
extern _Atomic uint32_t sb__events_wanted;

enum {
    SB_EVENTS_OF_CALLS = SB_EVENT_CALL_START | SB_EVENT_CALL_STOP | SB_EVENT_CALL_EXCEPTION,
    /* Told on the session's thread; the others by the dispatcher. */
    SB_EVENTS_OF_SESSIONS = SB_EVENTS_OF_CALLS | SB_EVENT_SESSION_OPEN | SB_EVENT_SESSION_CLOSE,
};

static inline bool sb__events_on(uint32_t kinds)
{
    return (atomic_load_explicit(&sb__events_wanted, memory_order_relaxed) & kinds) != 0;
}

/* Tells of an event that is none of a session's. Any thread, with any lock but this file's own (it takes no other): it is
 * copied to a bounded queue, and a thread of its own tells the observers. name and time are filled in, unless set; texts may
 * be NULL. */
void sb__event(const sb_event *event);

/* Tells of an event of the session `py`, now, on its thread, which is inside the session and holds no lock. `chosen`:
 * the observers, as sb__events_choose gave them, or SB_EVENT_EVERYBODY. */
#define SB_EVENT_EVERYBODY UINT32_MAX
void sb__event_now(sb_session *py, sb_event *event, uint32_t chosen, uint64_t chosen_at);
/* The observers that are told of one call: a bit each; *at is for sb__event_now. */
uint32_t sb__events_choose(uint64_t *at);

/* Whether the caller is an observer's function that is told of an event of the session. */
bool sb__event_in(const sb_session *py);

/* CLOCK_MONOTONIC ns as ns since 1970. */
int64_t sb__event_time(int64_t monotonic);

#endif
