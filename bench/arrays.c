/* SPDX-License-Identifier: MIT
 *
 * Arrays: `arrays GROUP TRANSPORT`. The group "calls" has an array of the program's as an argument (in), and one of Python's
 * viewed and let go (out), of 64 KiB and of 100 MB, whose elements nobody looks at; "borrowed" a call with C's own 100 MB,
 * against memcpy into memory that is warm as well. */
#include "measure.h"
#include <snakebridge.h>
#include <py/os.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 8192, LARGE = 12500000 }; /* doubles */

static sb_session *py;
static sb_value ignore, theirs[2];
static sb_array ours[2], mine;
static double *warm;

static void check(void)
{
    if (sb_failed(py)) {
        sb_print_error(py, stderr);
        exit(1);
    }
}

static void in(unsigned n, const sb_array *a)
{
    for (unsigned i = 0; i < n; i++)
        bench_sink = (double)sb_method(py, ignore, "__call__", a).kind;
    check();
}
static void in_small(unsigned n)
{
    in(n, &ours[0]);
}
static void in_large(unsigned n)
{
    in(n, &ours[1]);
}
static void borrowed(unsigned n)
{
    in(n, &mine);
}

static void out(unsigned n, sb_value v)
{
    for (unsigned i = 0; i < n; i++) {
        SB_SCOPE(py);
        bench_sink = (double)sb_as_array(py, v).shape[0];
    }
    check();
}
static void out_small(unsigned n)
{
    out(n, theirs[0]);
}
static void out_large(unsigned n)
{
    out(n, theirs[1]);
}

static void copy(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(warm, mine.data, LARGE * sizeof *warm);
        bench_sink = warm[i % LARGE];
    }
}

#define NAMED(name, transport) \
    (!strcmp(transport, "worker") ? "array." name ".worker" : "array." name ".inprocess")

int main(int argc, char **argv)
{
    if (argc != 3)
        bench_die("usage: arrays calls|borrowed TRANSPORT");
    py = sb_open(.transport = argv[2]);
    const int other = strcmp(argv[2], "worker") ? 0 : (int)py_os_getpid(py);
    ignore = sb_import(py, "work.ignore");
    check();
    if (!strcmp(argv[1], "calls")) {
        for (int i = 0; i < 2; i++) {
            const int64_t shape[] = { i ? LARGE : SMALL };
            ours[i] = sb_array_new(py, SB_FLOAT64, 1, shape);
            theirs[i] = sb_call(py, "numpy.ones", shape[0]);
        }
        check();
        const struct bench_row rows[] = {
            { .name = NAMED("in.64k", argv[2]), .work = in_small, .other = other },
            { .name = NAMED("in", argv[2]), .work = in_large, .other = other },
            { .name = NAMED("out.64k", argv[2]), .work = out_small, .other = other },
            { .name = NAMED("out", argv[2]), .work = out_large, .other = other },
        };
        bench_rows(rows, sizeof rows / sizeof *rows, 20, 2);
    } else {
        warm = malloc(LARGE * sizeof *warm);
        double *from = malloc(LARGE * sizeof *from);
        if (!warm || !from)
            bench_die("out of memory");
        memset(warm, 1, LARGE * sizeof *warm);
        memset(from, 1, LARGE * sizeof *from);
        mine = SB_ARRAY(from, LARGE);
        in(2, &mine);
        const struct bench_row rows[] = {
            { .name = NAMED("memcpy", argv[2]), .work = copy },
            { .name = NAMED("borrowed", argv[2]), .work = borrowed, .other = other },
        };
        bench_rows(rows, sizeof rows / sizeof *rows, 12, 30);
        free(from);
        free(warm);
    }
    return sb_close(py);
}
