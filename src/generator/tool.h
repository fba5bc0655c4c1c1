/* SPDX-License-Identifier: MIT
 *
 * tool.h - runs a step of the generator's Python side (python -m snakebridge.tool STEP ...) in the tool environment.
 * A step writes one JSON object a line on its standard output, its events; the last one is {"event": "done", ...}.
 */
#ifndef SBG_TOOL_H
#define SBG_TOOL_H

#include <jansson.h>
#include <stdbool.h>

typedef struct sbg_tool {
    const char *python;      /* interpreter; a bare name is looked up in $PATH */
    const char *python_path; /* the folder that holds the package "snakebridge" */
    bool quiet;              /* no progress, even on a terminal */
} sbg_tool;

/* How a step ended. */
enum {
    SBG_DONE = 0,
    SBG_WRONG = 1,  /* the project is wrong; the events said what */
    SBG_BROKEN = 3, /* the step could not run, or broke; already said on stderr */
};

/* Runs the step `argv` (NULL-terminated: "bind", "pyproject.toml", ...). `on_event` gets every event but "progress" and
 * "done". `*done` is the last event, a reference of the caller's, or NULL. */
int sbg_tool_run(const sbg_tool *tool, const char *const *argv,
                 void (*on_event)(const json_t *event, void *user), void *user, json_t **done);

#endif
