/* SPDX-License-Identifier: MIT
 *
 * events.h - how an event of the generator's Python side looks on stderr.
 */
#ifndef SB_CLI_EVENTS_H
#define SB_CLI_EVENTS_H

#include <jansson.h>

/* "pyproject.toml:3: error: ..." and its fix. `user` points to a bool: quiet, errors alone. */
void cli_show_event(const json_t *event, void *user);

#endif
