/* SPDX-License-Identifier: MIT
 *
 * What the operations of plans do with their arguments. With the GIL. */
#ifndef SB_ENGINE_PERFORM_H
#define SB_ENGINE_PERFORM_H

#include "engine/plan.h"

#define SB_SMALL_ARGUMENTS 14

/* The arguments of one call. */
struct sb_arguments {
    PyObject **at;   /* the first; at[-1] is free */
    size_t n;        /* with keywords */
    size_t keywords; /* the last so many */
    PyObject *kwnames;
    PyObject *merged; /* kwnames of this call alone, owned */
    PyObject **heap;
    PyObject *small[1 + SB_SMALL_ARGUMENTS];
};

/* Does what the plan says. A new reference; NULL with a fault or an exception. (The common cases are
 * inline, in call.c.) */
PyObject *sb__perform(struct sb_engine_session *s, struct sb_target *plan,
                      const struct sb_arguments *a) SB_MUST_USE;

/* The same of an 'x' that is SB_DIRECT_SPECIAL. */
PyObject *sb__special_direct(const struct sb_target *plan, PyObject *const *at,
                             size_t n) SB_MUST_USE;

#endif
