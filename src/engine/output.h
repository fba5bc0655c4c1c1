/* SPDX-License-Identifier: MIT
 *
 * What Python writes to sys.stdout and sys.stderr: kept for the session whose request runs, else
 * written to the descriptor. With the GIL. */
#ifndef SB_ENGINE_OUTPUT_H
#define SB_ENGINE_OUTPUT_H

#include "engine/session.h"

/* The function write(number, text) for prelude.py; a new reference, or NULL with an exception. */
PyObject *sb__output_function(void);

/* From begin to end, output is the session's. Calls nest (in-process, several threads run at once;
 * a thread's own session is preferred). */
void sb__output_begin(struct sb_engine_session *s);
void sb__output_end(struct sb_engine_session *s);

/* Appends what is pending as OUTPUT frames to `to` and empties it; `id` is the seq of the request
 * that waits. */
void sb__output_take(struct sb_engine_session *s, struct sb_buf *to, uint64_t id);

/* Writes what is pending to the descriptors: nobody will ask for it any more. */
void sb__output_dump(struct sb_engine_session *s);

#endif
