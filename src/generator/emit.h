/* SPDX-License-Identifier: MIT
 *
 * emit.h - manifests in, C headers out: the whole interface of the emitter to the command. One run at a time may use
 * an output folder; different runs share nothing.
 */
#ifndef SBG_EMIT_H
#define SBG_EMIT_H

#include <stdbool.h>
#include <stddef.h>

/* What becomes the table of py/_project.h; see sb_project in snakebridge.h. Any field may be NULL. */
struct sbg_project_table {
    const char *python, *engine, *transport, *root, *libpython, *error_detail;
    const char *const *python_path; /* NULL-terminated */
};

struct sbg_emit_options {
    const char *const *manifests; /* paths of the files, in any order */
    size_t manifest_count;
    const char *output;                      /* the folder that holds, or will hold, py/ */
    const struct sbg_project_table *project; /* NULL: an empty table */
};

/* Lines of text, owned by the report. */
struct sbg_lines {
    char **text;
    size_t count, room;
};

struct sbg_report {
    struct sbg_lines headers; /* every header of this run, "py/numpy/linalg.h", sorted */
    struct sbg_lines renames; /* "pandas.DataFrame.new -> pandas_DataFrame_new_ (reason)" */
    struct sbg_lines dynamic; /* "numpy.mean: axis: a union": places that take or give any value */
    size_t written, removed;  /* files that were changed, files of an earlier run that are gone */
    size_t functions, classes, enums;
    char *error; /* the message if sbg_emit did not return 0: file, place, reason */
};

/* Writes the headers of all manifests. Returns 0, or -1 with report->error set and every file as it was. The report
 * need not be initialised; free it with sbg_report_free in either case. */
int sbg_emit(const struct sbg_emit_options *options, struct sbg_report *report);
void sbg_report_free(struct sbg_report *report);

#endif
