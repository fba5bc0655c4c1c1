/* SPDX-License-Identifier: MIT
 *
 * Where in a value something is wrong: "x['a'][3]". Built from the inside outwards, while the walk that failed goes back, so
 * that it costs nothing as long as nothing fails. Part of a session; with the GIL. */
#ifndef SB_ENGINE_PLACE_H
#define SB_ENGINE_PLACE_H

#include "engine/python.h"

struct sb_place {
    char text[240]; /* the steps so far, at its end */
    size_t len;
    bool clipped;
    bool loops; /* what is there is what the first `cycle` characters from the end begin at */
    size_t cycle;
};

/* Steps, innermost first: [3], ['a'], .name, {key 2}. A pending exception stays. */
void sb__place_index(struct sb_place *p, Py_ssize_t i);
void sb__place_key(struct sb_place *p, PyObject *key);
void sb__place_field(struct sb_place *p, PyObject *name);
void sb__place_part(struct sb_place *p, const char *what, Py_ssize_t i);

/* " (at x['a'][3])", ": x['a'][3] is x['a']", or nothing. Forgets it. */
void sb__place_take(struct sb_place *p, char *out, size_t cap);

#endif
