/* SPDX-License-Identifier: MIT
 *
 * What is behind a session's error, told on demand. With the GIL. */
#ifndef SB_ENGINE_EXPLAIN_H
#define SB_ENGINE_EXPLAIN_H

#include "engine/perform.h"

/* Keeps the arguments of a call that has just raised, until the error is forgotten: they tell which shapes did not fit.
 * The exception stays set. After the first error of a session, or with a fault: nothing. */
void sb__explain_remember(struct sb_engine_session *s, const struct sb_target *plan,
                          PyObject *const *at, size_t n, size_t keywords, PyObject *kwnames);
void sb__explain_drop(struct sb_engine_session *s);
static inline void sb__explain_forget(struct sb_engine_session *s)
{
    if (SB_UNLIKELY(s->failed_arguments != NULL))
        sb__explain_drop(s); /* may run Python code */
}

/* The operation '?': "chain", "locals" or "call" of the exception that is the first argument. A new reference; NULL with
 * an exception or a fault. */
PyObject *sb__explain(struct sb_engine_session *s, const struct sb_target *plan,
                      PyObject *const *at, size_t n) SB_MUST_USE;

#endif
