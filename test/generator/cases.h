/* SPDX-License-Identifier: MIT
 *
 * cases.h - text cases: lines of input, a line "=>", lines of expected output, a blank line. Lines that begin with #
 * are comments. With --update the file is rewritten with what came out.
 */
#ifndef TEST_CASES_H
#define TEST_CASES_H

#include "memory.h"

typedef void cases_run(const char *input, size_t number, struct sbg_text *output);
/* Runs `run` for each case of the file; fails the test with a description of the first ones that differ. */
void cases_check(const char *path, cases_run *run);
extern bool cases_update;

/* A fresh folder, and its removal with what is in it. */
char *cases_folder(void);
void cases_remove(char *folder);
/* The bytes of a file, or NULL. */
char *cases_read(const char *path);
void cases_write(const char *path, const char *text);

#endif
