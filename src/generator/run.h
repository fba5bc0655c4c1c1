/* SPDX-License-Identifier: MIT
 *
 * run.h - one run of `snakebridge generate`.
 */
#ifndef SBG_RUN_H
#define SBG_RUN_H

#include "project.h"
#include "tool.h"

typedef struct sbg_request {
    sbg_tool tool;
    const char *version; /* of the generator */
    const char *engine;  /* for the run-time table */
    const char *project; /* absolute path of pyproject.toml */
    const char *output;  /* folder for the headers, or NULL: the project's option */
    const char *depfile; /* make rules of what was read, or NULL */
    const char *touch;   /* a file that is touched at the end, the target of the depfile; or NULL */
    const char
        *changed; /* a file that is touched only if a header changed or it is not there; or NULL */
    bool verbose;
    void (*on_event)(const json_t *event, void *user); /* diagnostics */
    void *user;
} sbg_request;

typedef struct sbg_outcome {
    bool fresh; /* there was nothing to do */
    char *output;
    struct sbg_report report;
    char error[1024]; /* what stopped the run, where the events did not say it; "" */
} sbg_outcome;

/* Returns SBG_DONE, SBG_WRONG (also where a library failed and the others were bound) or SBG_BROKEN. */
int sbg_generate(const sbg_request *request, sbg_outcome *outcome);
void sbg_outcome_free(sbg_outcome *outcome);

#endif
