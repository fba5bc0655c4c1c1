/* SPDX-License-Identifier: MIT
 *
 * Reading what plans are made from: a signature, and the text of a call. */
#ifndef SB_RUNTIME_SIGNATURE_H
#define SB_RUNTIME_SIGNATURE_H

#include "runtime/plan.h"

/* A signature being read. `p` and `plan` are set by the caller; operation and result go into the plan. */
struct sb_signature {
    const char *p;
    struct sb_plan *plan;
    struct sb_param *
        params; /* required ones, then options; the caller's, with their literals, also after a failure */
    uint32_t count, required;
    bool failed, no_memory;
};

/* False: `p` is where it cannot be read, or no_memory. */
bool sb__signature_read(struct sb_signature *s);

/* The names written at depth 0 of a call's text: calls `found` for each. False: there is a value without a name. */
bool sb__read_given(const char *text, void (*found)(void *ctx, sb_str name), void *ctx);

#endif
