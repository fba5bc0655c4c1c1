/* SPDX-License-Identifier: MIT
 *
 * stamp.h - remembers what a run read and wrote, so that the next one with nothing to do is a few calls of stat.
 */
#ifndef SBG_STAMP_H
#define SBG_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct sbg_stamp {
    char *text; /* the file as it will be written */
    size_t size;
    FILE *to;      /* appends to `text` */
    int64_t since; /* not 0: a file changed then or later (in ns) is not what the run saw */
    bool failed;   /* something cannot be remembered: the stamp is written, and never fresh */
} sbg_stamp;

/* True if the stamp at `path` was made with the same `key`, everything it read is as it was, and everything it wrote
 * is there. `key` is one line: version and options. */
bool sbg_stamp_fresh(const char *path, const char *key);

/* Calls `each` for every file and folder that the stamp at `path` says was read and there. 0, or -1 with errno. */
int sbg_stamp_inputs(const char *path, void (*each)(const char *input, void *user), void *user);

/* Collects a new stamp: begin, then read and wrote for each path, then end, which writes it (whole or not at all) or,
 * with `path` NULL, drops it. What is read may be a file, a folder (the names in it) or not there. What is known only at
 * the end of a run is to be told with `since`. Return 0, or -1 with errno. */
int sbg_stamp_begin(sbg_stamp *s, const char *key);
void sbg_stamp_read(sbg_stamp *s, const char *path);
void sbg_stamp_wrote(sbg_stamp *s, const char *path);
int sbg_stamp_end(sbg_stamp *s, const char *path);

/* Writes `size` bytes to `path`: to a temporary file beside it, renamed only if the bytes differ from what is there.
 * Returns 0, or -1 with errno. */
int sbg_write_if_changed(const char *path, const char *bytes, size_t size);
/* mkdir -p. Returns 0, or -1 with errno. */
int sbg_make_folders(const char *path);

#endif
