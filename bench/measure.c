/* SPDX-License-Identifier: MIT
 *
 * Turns, medians and tails. */
#include "measure.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SINGLE_RUNS_A_ROUND = 400, ROUNDS_MAX = 1000 };

volatile double bench_sink;

int64_t bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void bench_die(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value below which `part` of them lie; sorts. */
static double quantile(double *v, size_t n, double part)
{
    qsort(v, n, sizeof *v, by_value);
    return v[(size_t)(part * (double)(n - 1) + 0.5)];
}

/* What two looks at the clock cost. */
static double clock_cost(void)
{
    double d[1001];
    for (size_t i = 0; i < sizeof d / sizeof *d; i++) {
        int64_t t = bench_now();
        d[i] = (double)(bench_now() - t);
    }
    return quantile(d, sizeof d / sizeof *d, 0.5);
}

/* ns that the main thread of a process was ready and waited for a CPU. 0 where the kernel does not count it. */
static double cpu_wait(int pid)
{
    char path[64];
    unsigned long long ran = 0, waited = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    if (fscanf(f, "%llu %llu", &ran, &waited) != 2)
        waited = 0;
    fclose(f);
    return (double)waited;
}

static double waits(const struct bench_row *row)
{
    return cpu_wait(getpid()) + (row->other ? cpu_wait(row->other) : 0);
}

static double timed(const struct bench_row *row, unsigned n)
{
    int64_t t = bench_now();
    row->work(n);
    return (double)(bench_now() - t);
}

/* How many runs take about that long. Warms the row up, too. */
static unsigned runs_for(const struct bench_row *row, double ns)
{
    unsigned n = 1;
    for (;;) {
        double took = timed(row, n);
        for (int i = 0; i < 3 && took >= ns / 2; i++) { /* by itself, or was it disturbed? */
            double again = timed(row, n);
            took = again < took ? again : took;
        }
        if (took >= ns / 2 || n > 1u << 28) {
            double want = (double)n * ns / (took > 1 ? took : 1);
            return want < 1 ? 1 : (unsigned)want;
        }
        n *= 2;
    }
}

static void print_numbers(const char *name, const double *v, unsigned count, int digits)
{
    printf("\"%s\": [", name);
    for (unsigned i = 0; i < count; i++)
        printf("%s%.*f", i ? ", " : "", digits, v[i]);
    printf("], ");
}

static void print_row(const char *name, const double *rounds, const double *waited, unsigned count,
                      double *single, size_t singles, double cost)
{
    printf("{\"name\": \"%s\", ", name);
    print_numbers("rounds", rounds, count, 2);
    print_numbers("waited", waited, count, 4);
    double p50 = quantile(single, singles, 0.5) - cost,
           p99 = quantile(single, singles, 0.99) - cost;
    printf("\"single\": {\"p50\": %.1f, \"p99\": %.1f, \"runs\": %zu}}\n", p50 > 0 ? p50 : 0,
           p99 > 0 ? p99 : 0, singles);
    fflush(stdout);
}

/* Single runs a round: as many as take no longer than some turns. */
static size_t single_runs(unsigned n)
{
    size_t most = (size_t)n * 4;
    return most < SINGLE_RUNS_A_ROUND ? most : SINGLE_RUNS_A_ROUND;
}

void bench_rows(const struct bench_row *rows, size_t count, unsigned rounds, double turn_ms)
{
    double cost = clock_cost();
    if (rounds > ROUNDS_MAX)
        rounds = ROUNDS_MAX;
    size_t singles = (size_t)rounds * SINGLE_RUNS_A_ROUND;
    unsigned *n = calloc(count, sizeof *n);
    double *round = calloc(count * rounds, sizeof *round);
    double *waited = calloc(count * rounds, sizeof *waited);
    double *single = calloc(count * singles, sizeof *single);
    if (!n || !round || !waited || !single)
        bench_die("out of memory");
    for (size_t i = 0; i < count; i++) {
        if (rows[i].begin)
            rows[i].begin();
        n[i] = runs_for(&rows[i], turn_ms * 1e6);
        if (rows[i].end)
            rows[i].end();
    }
    for (unsigned r = 0; r < rounds; r++)
        for (size_t k = 0; k < count; k++) {
            size_t i = (k + r) % count; /* none is always the first after another */
            const struct bench_row *row = &rows[i];
            if (row->begin)
                row->begin();
            row->work(n[i] / 20 + 1); /* caches and predictors come from another row */
            double before = waits(row);
            double took = timed(row, n[i]);
            round[i * rounds + r] = took / n[i];
            waited[i * rounds + r] = (waits(row) - before) / took;
            double *s = single + i * singles + r * single_runs(n[i]);
            for (size_t j = 0; j < single_runs(n[i]); j++)
                s[j] = timed(row, 1);
            if (row->end)
                row->end();
        }
    for (size_t i = 0; i < count; i++)
        print_row(rows[i].name, round + i * rounds, waited + i * rounds, rounds,
                  single + i * singles, rounds * single_runs(n[i]), cost);
    free(n);
    free(round);
    free(waited);
    free(single);
}
