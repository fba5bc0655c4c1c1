/* SPDX-License-Identifier: MIT
 *
 * What Python writes to sys.stdout and sys.stderr: kept for the session whose request runs, else
 * written to the descriptor. With the GIL. */
#ifndef SB_ENGINE_OUTPUT_H
#define SB_ENGINE_OUTPUT_H

#include "engine/session.h"

/* The function write(number, text) for prelude.py; a new reference, or NULL with an exception. */
PyObject *sb__output_function(void);

/* From begin to end, output is the session's. In-process, several threads run at once, and end in
 * any order; a thread's own session is preferred. */
extern struct sb_engine_session *sb__running; /* the one that began last; a list by `outer` */
void sb__output_unlink(struct sb_engine_session *s);

static inline void sb__output_begin(struct sb_engine_session *s)
{
    s->outer = sb__running;
    sb__running = s;
}
static inline void sb__output_end(struct sb_engine_session *s)
{
    if (SB_LIKELY(sb__running == s))
        sb__running = s->outer;
    else
        sb__output_unlink(s);
}

/* Appends what is pending as OUTPUT frames to `to` and empties it; `id` is the seq of the request
 * that waits. */
void sb__output_take(struct sb_engine_session *s, struct sb_buf *to, uint64_t id);

/* Puts in a DROP for the program's function `number`: it is handed over in order with the text. */
void sb__output_drop(struct sb_engine_session *s, uint64_t number);

/* Writes what is pending to the descriptors: nobody will ask for it any more. */
void sb__output_dump(struct sb_engine_session *s);

#endif
