/* SPDX-License-Identifier: MIT
 *
 * json.h - Python values and JSON, both ways, for `snakebridge call`.
 */
#ifndef SB_CLI_JSON_H
#define SB_CLI_JSON_H

#include "snakebridge.h"

#include <jansson.h>
#include <stdio.h>

/* An argument of the command line: JSON where it is JSON, an integer of any size, else text. The value points
 * into the session's current scope, `text` and `*keep`, which is to be released after the call. */
sb_value json_argument(sb_session *py, const char *text, json_t **keep);

/* Writes `v` as one line of JSON. What JSON lacks is a string: bytes (as Python's text of them), NaN and infinities,
 * keys that are not text, dates and any object (its str). An Enum's
 * member is its value. Complex numbers are [re, im]. Returns -1 if `to` fails. */
int json_write(sb_session *py, FILE *to, sb_value v);

#endif
