/* SPDX-License-Identifier: MIT
 *
 * place.h - the project that a command works in, and its Python.
 */
#ifndef SB_CLI_PLACE_H
#define SB_CLI_PLACE_H

#include "parts.h"
#include "project.h"
#include "snakebridge.h"

typedef struct place {
    char *file; /* pyproject.toml, or NULL: no project */
    char *root, *folder, *venv;
    json_t *table;
    const char **paths;
    struct sbg_project_table found;
} place;

/* The project of `named`, or the nearest one upwards. Its interpreter and python-path are as the last `generate` left
 * them; before the first one, its .venv. Fields are NULL where there is no project. Returns -1 with the reason in `why` if
 * `named` is none. */
int place_find(place *at, const char *named, char *why, size_t size);
void place_free(place *at);

/* The run-time table that a program of the project would have. Views into both. */
sb_project place_table(const place *at, const parts *p);

#endif
