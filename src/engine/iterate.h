/* SPDX-License-Identifier: MIT
 *
 * Iteration (operations i, n, q of docs/wire.md): a stream is an iterator of the program's, with what was taken from it
 * and not yet handed over. With the GIL. */
#ifndef SB_ENGINE_ITERATE_H
#define SB_ENGINE_ITERATE_H

#include "engine/perform.h"

/* Whether the plan's operation is one of these. */
static inline bool sb__is_iteration(const struct sb_target *plan)
{
    return plan->op == 'i' || plan->op == 'n' || plan->op == 'q';
}

/* Does it: as sb__perform. The result of "n" is a batch, for sb__stream_encode. */
PyObject *sb__stream_perform(struct sb_engine_session *s, struct sb_target *plan,
                             const struct sb_arguments *a) SB_MUST_USE;

/* Appends the batch that "n" gave, and forgets it. Runs no Python code. 0. */
int sb__stream_encode(struct sb_buf *b, PyObject *batch);

#endif
