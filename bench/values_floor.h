/* SPDX-License-Identifier: MIT
 *
 * The floors of values.c, in a module that is loaded once an in-process session has started Python. */
#ifndef BENCH_VALUES_FLOOR_H
#define BENCH_VALUES_FLOOR_H

struct values_floor {
    int (*start)(void);           /* 0, or -1 with Python's error printed */
    void (*floats)(unsigned n);   /* 1,000,000 floats of a list to an array */
    void (*document)(unsigned n); /* json.loads of a document of megabytes */
    void (*dict)(unsigned n);     /* 1,000 items str(i): i + random() into a new dict */
};

#define VALUES_FLOOR_SYMBOL "values_floor"

#endif
