/* SPDX-License-Identifier: MIT
 *
 * Memory of a program and its worker that neither shares with others, and does not map from files: `memory handle` prints
 * the bytes that a handle takes on each side, `memory growth` the KB by which each side grows over ten million calls of
 * one session. One JSON object a line. */
#include "measure.h"
#include <py/math.h>
#include <py/os.h>
#include <py/work.h>
#include <stdio.h>
#include <string.h>

enum { HANDLES = 1000000, CALLS = 10000000, WARM = 200000 };

static sb_session *py;
static int worker;

/* Pss_Anon and Pss_Shmem of a process, in KB: what libraries take of the page cache changes with who else has them. */
static long long kilobytes(int pid)
{
    char path[64], line[256];
    long long sum = 0, n;
    int found = 0;
    snprintf(path, sizeof path, pid ? "/proc/%d/smaps_rollup" : "/proc/self/smaps_rollup", pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Pss_Anon: %lld", &n) == 1 || sscanf(line, "Pss_Shmem: %lld", &n) == 1) {
            sum += n;
            found++;
        }
    if (f)
        fclose(f);
    if (found != 2)
        bench_die("%s does not tell how much memory the process has", path);
    return sum;
}

static void check(void)
{
    if (!sb_failed(py)) /* waits for all calls */
        return;
    sb_print_error(py, stderr);
    bench_die("a call has failed");
}

static void print(const char *name, double program, double engine)
{
    printf("{\"name\": \"memory.%s.program\", \"value\": %.1f}\n", name, program);
    printf("{\"name\": \"memory.%s.worker\", \"value\": %.1f}\n", name, engine);
}

/* Handles of one object, so that it is the handles that count. */
static void handles(void)
{
    work_Thing thing = work_thing(py);
    check();
    long long here = kilobytes(0), there = kilobytes(worker);
    for (int i = 0; i < HANDLES; i++)
        work_same(py, thing);
    check();
    here = kilobytes(0) - here;
    there = kilobytes(worker) - there;
    print("handle", (double)here * 1024 / HANDLES, (double)there * 1024 / HANDLES);
}

/* Of each twenty calls, sixteen give an object and are not waited for, three a number; one has keywords. */
static void calls(long n, work_Thing thing)
{
    for (long i = 0; i < n; i += 20) {
        SB_SCOPE(py);
        for (int k = 0; k < 16; k++)
            work_same(py, thing);
        for (int k = 0; k < 3; k++)
            bench_sink = py_math_sqrt(py, 2.0);
        bench_sink = work_place(py, 1.5, 2.5, 3, .scale = 2.0, .offset = 4);
    }
    check();
}

static void growth(void)
{
    work_Thing thing = work_thing(py);
    calls(WARM, thing);
    long long here = kilobytes(0), there = kilobytes(worker);
    calls(CALLS, thing);
    print("growth", (double)(kilobytes(0) - here), (double)(kilobytes(worker) - there));
}

int main(int argc, char **argv)
{
    bool growing = argc == 2 && !strcmp(argv[1], "growth");
    if (argc != 2 || (!growing && strcmp(argv[1], "handle")))
        bench_die("usage: memory handle | growth");
    py = sb_open(.transport = "worker");
    worker = (int)py_os_getpid(py);
    check();
    kilobytes(0); /* what stdio takes */
    if (growing)
        growth();
    else
        handles();
    return sb_close(py);
}
