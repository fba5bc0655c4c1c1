/* SPDX-License-Identifier: MIT
 *
 * Runs request frames: the one path from a frame to CPython and back. */
#ifndef SB_ENGINE_CALL_H
#define SB_ENGINE_CALL_H

#include "engine/session.h"

/* Runs one request with the GIL held. 0: the answer is in s->answer, which is empty unless the
 * request has WAIT. -1: memory ran out for the answer. -2: the frame is malformed, and s->answer is
 * text that says why. Nobody else may write to the frame. */
int sb__run(struct sb_engine_session *s, const uint8_t *frame, size_t size) SB_MUST_USE;

/* The request is not run, but fails with `code` (SB_E_TIMEOUT, SB_E_CANCELLED), as if it had begun. As sb__run. */
int sb__run_refused(struct sb_engine_session *s, const uint8_t *frame, size_t size,
                    sb_code code) SB_MUST_USE;

/* Of a request that is not to be run takes the plan's definition, since the next call relies on it.
 * Answers nothing. As sb__run. */
int sb__run_withdrawn(struct sb_engine_session *s, const uint8_t *frame, size_t size) SB_MUST_USE;

/* The request that sb__run has just done was interrupted by its deadline: makes SB_E_TIMEOUT of its
 * answer, whatever it was. Calls no Python code. As sb__run. */
int sb__run_late(struct sb_engine_session *s, sb_header *h) SB_MUST_USE;

#endif
