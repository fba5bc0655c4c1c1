/* SPDX-License-Identifier: MIT
 *
 * The floors: CPython's C API by hand, as fast as it goes, with the GIL taken and given back a call. A module that is
 * loaded once an in-process session has started Python, since only then are its symbols there. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

struct bench_floor {
    int (*start)(void); /* looks up what the calls need; 0, or -1 with Python's error printed */
    void (*sqrt)(unsigned n);     /* math.sqrt(2.0) */
    void (*head)(unsigned n);     /* df.head(n=3) */
    void (*mean)(unsigned n);     /* numpy.mean(a, axis=0) */
    void (*python)(unsigned n);   /* work.place(1.5, 2.5, 3, scale=2.0, offset=4) */
    void (*count)(unsigned n);    /* the first n items of itertools.count() */
    void (*callback)(unsigned n); /* n calls of a C function: sorted(range(1000), key=f) */
};

#define BENCH_FLOOR_SYMBOL "bench_floor"

#endif
