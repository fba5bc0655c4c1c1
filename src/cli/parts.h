/* SPDX-License-Identifier: MIT
 *
 * parts.h - where the files are that the command works with, told from the command's own place.
 */
#ifndef SB_CLI_PARTS_H
#define SB_CLI_PARTS_H

#include <stddef.h>

typedef struct parts {
    const char *layout; /* "wheel" or "installed" */
    char *python;       /* the tool environment's interpreter; a bare name is looked up in $PATH */
    char *python_path;  /* the folder that holds the package "snakebridge" */
    char *include;      /* the folder of snakebridge.h */
    char *lib;          /* the folder of libsnakebridge.so and .a */
    char *engine;       /* engine.abi3.so */
    char *cmake;        /* the folder of snakebridgeConfig.cmake */
    char *pkgconfig;    /* the folder of snakebridge.pc */
} parts;

/* Fills `p` for the command at `exe` (NULL: this process's own, from /proc/self/exe). Returns 0, or -1 with the reason
 * in `why`. Either way parts_free releases it. $SNAKEBRIDGE_TOOL_PYTHON replaces `python`. */
int parts_find(const char *exe, parts *p, char *why, size_t size);
void parts_free(parts *p);

#endif
