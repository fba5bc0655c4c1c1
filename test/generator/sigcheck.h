/* SPDX-License-Identifier: MIT
 *
 * sigcheck.h - does a text follow the grammar of signatures in snakebridge_gen.h? Written from the grammar alone, so
 * that emitter and run time are held against a third reader.
 */
#ifndef TEST_SIGCHECK_H
#define TEST_SIGCHECK_H

#include <stdbool.h>

/* True, or false with *why at what is wrong. */
bool sigcheck(const char *name, const char *sig, const char **why);

#endif
