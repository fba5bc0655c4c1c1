/* SPDX-License-Identifier: MIT
 *
 * Values taken apart (results v, V, X): walk.c has the containers, stdlib_out.c the immutable types of the standard library. */
#ifndef SB_ENGINE_WALK_H
#define SB_ENGINE_WALK_H

#include "engine/codec.h"

/* A container that is being walked: what contains itself is found among those around it. */
struct sb_level {
    struct sb_level *up;
    PyObject *object;
};

struct sb_walk {
    struct sb_engine_session *s;
    struct sb_buf *b;
    bool deep;              /* V: containers and arrays by value, subclasses, too */
    uint64_t id;            /* for the outermost object, or 0 */
    struct sb_level *level; /* deep only */
    struct sb_level *loop;  /* the container that was met again */
    PyObject *class,
        *path; /* the class that was looked for last, and where it was found: a str, or None */
};

/* Appends `o`. 0; -1 with a fault or an exception, and the session's place. */
int sb__walk(struct sb_walk *w, PyObject *o, unsigned depth) SB_MUST_USE;
/* Lets go of what the walk holds. Returns rc. */
int sb__walk_end(struct sb_walk *w, int rc);

/* Appends `o` if it is of the table of docs/values.md and no plain value or container. 1; 0 if not, and nothing was appended;
 * -1. */
int sb__put_known(struct sb_walk *w, PyObject *o, unsigned depth) SB_MUST_USE;
/* The same for what is like a date or time, subclasses and all time zones, converted to a fixed offset; never 0 for them. */
int sb__put_like(struct sb_walk *w, PyObject *o) SB_MUST_USE;

#endif
