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

/* clang-format off */
#define FEATURE_TABLES(X) \
    X(calls) X(values) X(objects) X(errors) X(callbacks) X(iteration) X(futures) X(language)

#define TABLE(name) extern const struct feature features_##name[];
FEATURE_TABLES(TABLE)
#undef TABLE
#define TABLE(name) features_##name,
#define FEATURES { FEATURE_TABLES(TABLE) NULL } /* all tables, NULL-terminated */
/* clang-format on */

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
