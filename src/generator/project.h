/* SPDX-License-Identifier: MIT
 *
 * project.h - a project's folders, and what the last `generate` learnt of its Python.
 */
#ifndef SBG_PROJECT_H
#define SBG_PROJECT_H

#include "emit.h"

#include <jansson.h>
#include <stddef.h>

/* The project that `named` (a folder or a pyproject.toml) is, or, if NULL, the nearest pyproject.toml in this folder or
 * one above. The absolute path of the file, to be freed, or NULL with a message in `why`. */
char *sbg_project_find(const char *named, char *why, size_t size);

/* The folder that holds `file`. To be freed; NULL for want of memory. */
char *sbg_project_root(const char *file);
/* Its folder .snakebridge, made if need be, with a .gitignore in it. To be freed; NULL with errno. */
char *sbg_project_folder(const char *root);

/* The run-time table of a "done" event: python, libpython, transport, error_detail, python_path. What it holds are views into `done`, apart from
 * `paths`, which is to be freed. Returns 0, or -1 for want of memory. */
int sbg_project_table(const json_t *done, struct sbg_project_table *table, const char ***paths);

/* Keeps the table of `done` in `folder` (.snakebridge), for the commands that run Python later. 0, or -1 with errno. */
int sbg_project_save(const char *folder, const json_t *done);
/* What was kept, or NULL. A reference of the caller's. */
json_t *sbg_project_load(const char *folder);

#endif
