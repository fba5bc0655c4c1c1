/* SPDX-License-Identifier: MIT
 *
 * headers.h - reads what the emitter wrote.
 */
#ifndef TEST_HEADERS_H
#define TEST_HEADERS_H

#include <stddef.h>

/* Calls `each` with prototype, path and signature of every function that has a table of its own; fails the test if the
 * latter two do not follow the grammar. Returns their number. */
size_t headers_each(const char *header, void each(char *, char *, char *, void *), void *user);

#endif
