/* SPDX-License-Identifier: MIT
 *
 * events.h - what the commands share that run the generator's Python side: how they begin, how its events look.
 */
#ifndef SB_CLI_EVENTS_H
#define SB_CLI_EVENTS_H

#include "parts.h"

#include <jansson.h>

/* "pyproject.toml:3: error: ..." and its fix. `user` points to a bool: quiet, errors alone. */
void cli_show_event(const json_t *event, void *user);

/* Finds the command's parts and the project file of `named` (NULL: the nearest one upwards). Returns CLI_OK, or the exit
 * code once it has said what is missing. Either way parts_free(p) and free(*file). */
int cli_begin(const char *named, parts *p, char **file);

#endif
