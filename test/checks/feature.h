/* SPDX-License-Identifier: MIT
 *
 * Everything that a program can do with Python, in small pieces: the tables that the checks walk. A new feature is a row
 * here, and is thereby run a thousand times with its references counted (test_references.c), and with each of its
 * allocations refused (test_allocations.c). */
#ifndef SB_TEST_FEATURE_H
#define SB_TEST_FEATURE_H

#include "api.h"

struct feature {
    const char *name; /* NULL ends a table */
    /* Does it once, in a scope of its own. No error is pending before; after it none is, but for one that it did not
     * expect. False: a result is wrong although no error is pending. */
    bool (*run)(sb_session *py);
    unsigned loops; /* how often the references are counted over; 0: 1,000 */
};

extern const struct feature features_calls[], features_values[], features_objects[],
    features_errors[], features_callbacks[];

/* The tables, NULL-terminated. */
#define FEATURES                                                                                \
    {                                                                                           \
        features_calls, features_values, features_objects, features_errors, features_callbacks, \
            NULL                                                                                \
    }

/* The error that is due is pending, and is cleared; or one for want of memory, which stays. */
static inline bool due(sb_session *py, sb_code code, const char *type)
{
    const sb_error *e = sb_get_error(py);
    if (e && e->code == SB_E_MEMORY)
        return true;
    if (!e || e->code != code)
        return false;
    if (sb_catch(py, type))
        return true;
    e = sb_get_error(py);
    return e && e->code == SB_E_MEMORY;
}

/* What a piece has found; true with an error pending, which is told apart. */
#define RIGHT(py, ...) ((__VA_ARGS__) || sb_failed(py))

#endif
