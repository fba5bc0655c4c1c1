/* SPDX-License-Identifier: MIT
 *
 * How the programs here measure. Rows that stand against each other are measured in turns of a few milliseconds, so that
 * what else the machine does meets them alike; a turn runs a row's work often enough for the clock not to matter. Single
 * runs are timed apart, for the tail. What was measured is printed, one JSON object a line; bench/run.py judges it. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

struct bench_row {
    const char *name;
    void (*work)(unsigned n); /* does it n times */
    void (*begin)(void);      /* before a row's turn, outside of its time; or NULL */
    void (*end)(void);
    int other; /* a process that takes part, by its main thread; or 0 */
};

int64_t bench_now(void); /* CLOCK_MONOTONIC, ns */

/* Ends the program with what is wrong. */
void bench_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Measures the rows in `rounds` turns of `turn_ms` each, and prints a row's {"name", "rounds", "waited", "single"}: ns a run
 * in each turn; which part of the turn its threads were ready to run, but waited for a CPU (/proc/PID/schedstat, see the
 * kernel's Documentation/scheduler/sched-stats.rst); and {"p50", "p99", "runs"} of single runs, in ns. */
void bench_rows(const struct bench_row *rows, size_t count, unsigned rounds, double turn_ms);

/* What the compiler must not throw away. */
extern volatile double bench_sink;

#endif
