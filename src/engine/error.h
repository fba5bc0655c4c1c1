/* SPDX-License-Identifier: MIT
 *
 * Failures as the array of an ERROR frame. With the GIL. */
#ifndef SB_ENGINE_ERROR_H
#define SB_ENGINE_ERROR_H

#include "engine/session.h"

/* Takes the session's fault or, if there is none, the pending exception, and appends the array of an
 * ERROR frame to `b` but for its last item. The exception is kept as an object of the session.
 * Memory's want shows in b->failed. *late: it was the deadline's exception. */
void sb__error_take(struct sb_engine_session *s, struct sb_buf *b, bool *late);

/* The same from words, without Python. */
void sb__error_put(struct sb_buf *b, sb_code code, const char *text);

/* "SB_E_TYPE", or NULL: there is no such code. */
const char *sb__code_name(sb_code code);

/* "SB_E_TYPE", or NULL: there is no such code. */
const char *sb__code_name(sb_code code);

#endif
