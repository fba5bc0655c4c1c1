/* SPDX-License-Identifier: MIT
 *
 * What the tests of the C interface share, over sbtest.h: descriptors are counted around each test. */
#ifndef SB_TEST_API_H
#define SB_TEST_API_H

#include "sbtest.h"
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline bool in_process(void)
{
    const char *t = getenv("SNAKEBRIDGE_TRANSPORT");
    return t && !strcmp(t, "inprocess");
}

static inline double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void nap(double s)
{
    struct timespec t = { (time_t)s, (long)((s - (double)(time_t)s) * 1e9) };
    nanosleep(&t, NULL);
}

/* The descriptors of this process, each with what it is open on. */
static inline int descriptors(char *list, size_t size)
{
    int n = 0;
    size_t at = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d))
            continue;
        char to[128];
        ssize_t len = readlinkat(dirfd(d), e->d_name, to, sizeof to - 1);
        to[len < 0 ? 0 : len] = 0;
        if (at < size)
            at += (size_t)snprintf(list + at, size - at, "%s:%s ", e->d_name, to);
        n++;
    }
    closedir(d);
    return n;
}

/* The first session of a process starts what stays: monitor, worker, interpreter. */
static inline int warm_up(void **state)
{
    static int before;
    char list[4096];
    sb_session *py = sb_open();
    sb_call(py, "sbtest.echo", 1);
    bool failed = sb_failed(py);
    sb_close(py);
    before = descriptors(list, sizeof list);
    *state = &before;
    return failed;
}

/* After each test: as many descriptors as after the first session. A worker that died takes a moment. */
static inline int nothing_left(void **state)
{
    int n = 0, *before = *state;
    char list[4096] = "";
    sb_session *py = sb_open(.quiet = true); /* there is a worker again */
    sb_call(py, "sbtest.echo", 1);
    sb_close(py);
    for (double end = seconds() + 2; seconds() < end; nap(0.005))
        if ((n = descriptors(list, sizeof list)) <= *before)
            return 0;
    print_error("descriptors: %d, now %d: %s\n", *before, n, list);
    return 1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, warm_up, nothing_left)

/* Runs the tests, or the one that the command line names: those that start Python wrongly need a process each. */
static inline int named(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return 0;
}

#endif
