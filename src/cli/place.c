/* SPDX-License-Identifier: MIT
 *
 * place.c - from a folder to a project to its Python, without starting one.
 */
#include "place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int place_find(place *at, const char *named, char *why, size_t size)
{
    memset(at, 0, sizeof *at);
    at->file = sbg_project_find(named, why, size);
    if (!at->file)
        return named ? -1 : 0;
    at->root = sbg_project_root(at->file);
    if (at->root && asprintf(&at->folder, "%s/.snakebridge", at->root) < 0)
        at->folder = NULL;
    at->table = at->folder ? sbg_project_load(at->folder) : NULL;
    if (at->table && sbg_project_table(at->table, &at->found, &at->paths) < 0)
        at->paths = NULL;
    if (!at->found.python && at->root) {
        if (asprintf(&at->venv, "%s/.venv/bin/python", at->root) < 0)
            at->venv = NULL;
        if (at->venv && access(at->venv, X_OK) == 0)
            at->found.python = at->venv;
    }
    return 0;
}

sb_project place_table(const place *at, const parts *p)
{
    return (sb_project) {
        .size = sizeof(sb_project),
        .python = at->found.python,
        .engine = p->engine,
        .transport = at->found.transport,
        .python_path = at->found.python_path,
        .root = at->root,
        .libpython = at->found.libpython,
        .error_detail = at->found.error_detail,
    };
}

void place_free(place *at)
{
    json_decref(at->table);
    free(at->file);
    free(at->root);
    free(at->folder);
    free(at->venv);
    free(at->paths);
    memset(at, 0, sizeof *at);
}
