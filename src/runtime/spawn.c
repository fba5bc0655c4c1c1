/* SPDX-License-Identifier: MIT
 *
 * The start of a worker's process: its shared memory, its descriptors, its arguments, and the limit
 * for its hello. See pool.h. What this file calls "on the monitor" runs there with the lock held. */
#include "core/frame.h"
#include "runtime/heap.h"
#include "runtime/os_linux.h"
#include "runtime/pool.h"
#include "snakebridge.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>

int64_t sb__worker_start_limit = 60 * SB_SECOND;

/* On the monitor: the hello is late. */
static int64_t late(struct sb_watch *watch, int64_t now)
{
    (void)now;
    struct sb_worker *w =
        (struct sb_worker *)(void *)((char *)watch - offsetof(struct sb_worker, start));
    if (atomic_load(&w->state) == SB_WORKER_STARTING &&
        atomic_load(&w->control->hello) != SB_HELLO_READY) {
        w->never_ready = true;
        sb__worker_kill(w);
    }
    return INT64_MAX;
}

static void init_control(struct sb_control *c)
{
    c->magic = SB_LANE_MAGIC;
    c->version = SB_PROTOCOL;
    c->version_min = SB_PROTOCOL_MIN;
    c->lanes = SB_LANES;
    c->ring_size = SB_RING_SIZE;
}

/* 0, or -errno with *what, the thing that failed. */
static int start(struct sb_worker *w, const char **what)
{
    const struct sb_place *place = &w->pool->place;
    int lanes = -1, heap = -1, life[2] = { -1, -1 }, e;
    size_t n = 0;
    char **argv = NULL, python[PATH_MAX], script[PATH_MAX];

    *what = place->python;
    if ((e = sb__os_find(place->python, python, sizeof python)))
        goto done;
    const char *slash = strrchr(place->engine, '/');
    snprintf(script, sizeof script, "%.*sworker.py", slash ? (int)(slash - place->engine) + 1 : 0,
             place->engine);
    *what = script;
    if (!sb__os_readable(script)) {
        e = -ENOENT;
        sb__buf_print(&w->why, "there is no %s, which starts a worker, beside the engine", script);
        goto done;
    }

    *what = "the shared memory";
    if ((e = lanes = sb__os_memfd("snakebridge-lanes", SB_LANES_SIZE)) < 0 ||
        (e = w->dump = sb__os_memfd("snakebridge-dump", 0)) < 0)
        goto done;
    void *map;
    if ((e = sb__os_map(lanes, SB_LANES_SIZE, &map)))
        goto done;
    w->control = map;
    init_control(w->control);
    *what = "a socket pair";
    if ((e = sb__os_socketpair(life)))
        goto done;

    *what = "an eventfd";
    if ((e = w->bell.fd = sb__os_eventfd()) < 0 || (e = sb__monitor_add_source(&w->bell)))
        goto done;
    w->control->bell = 6; /* as sb__os_spawn hands it on */

    const int ours = sb__program_heap(); /* without heaps arrays are copied */
    w->heap = sb__mapping_new(&heap);
    *what = "memory";
    while (place->python_path && place->python_path[n])
        n++;
    e = -ENOMEM;
    argv = sb__calloc((n + 9) * sizeof *argv);
    if (!argv)
        goto done;
    const char *fixed[] = { python, script, place->engine,        "3",
                            "4",    "5",    w->heap ? "7" : "-1", w->heap ? "8" : "-1" };
    size_t count = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        argv[count++] = (char *)(uintptr_t)fixed[i]; /* execve writes to none */
    for (size_t i = 0; i < n; i++)
        argv[count++] = (char *)(uintptr_t)place->python_path[i];

    *what = "a process";
    w->oom_kills = sb__os_oom_kills();
    const int fds[] = { lanes, w->dump, life[1], w->bell.fd, ours, heap };
    pid_t pid;
    if ((e = sb__os_spawn(argv, fds, w->heap ? 6 : 4, &pid))) {
        if (e == -ENOENT || e == -ENOEXEC || e == -EACCES) /* though it is an executable file */
            sb__buf_print(&w->why, "%s cannot be run: %s", python,
                          e == -ENOEXEC ? "it is not a program of this machine"
                                        : "there is no interpreter, as its first line or its ELF "
                                          "header names it");
        goto done;
    }
    w->pid = pid;
    w->spawned = sb__now();
    w->lifeline = life[0];
    life[0] = -1;
    *what = "a descriptor for the worker process";
    if ((e = w->source.fd = sb__os_pidfd(pid)) < 0 || (e = sb__monitor_add_source(&w->source))) {
        sb__os_kill_group(pid); /* our child, unless SIGCHLD is ignored: then it may be gone */
        if (w->source.fd >= 0)
            sb__os_reap(w->source.fd);
        else
            waitpid(pid, NULL, 0);
        sb__os_close(&w->source.fd);
        goto done;
    }
    sb__worker_born(w);
    e = 0;

done:
    sb__free(argv);
    sb__os_close(&lanes);
    sb__os_close(&heap);
    sb__os_close(&life[0]);
    sb__os_close(&life[1]);
    if (e) {
        sb__os_close(&w->lifeline);
        if (w->bell.fd >= 0)
            sb__monitor_remove_source(&w->bell);
        sb__os_close(&w->bell.fd);
    }
    return e < 0 ? e : 0;
}

static void explain_start(struct sb_worker *w, int e, const char *what)
{
    const char *python = w->pool->place.python;
    bool path = strchr(python, '/');
    w->code = SB_E_CONFIG;
    if (w->why.len)
        return;
    if (e == -ENOENT && path)
        sb__buf_print(&w->why, "there is no Python interpreter %s", python);
    else if (e == -ENOENT)
        sb__buf_print(&w->why, "there is no Python interpreter %s on $PATH", python);
    else if (e == -EACCES)
        sb__buf_print(&w->why, "the Python interpreter %s is not an executable file", python);
    else {
        w->code = e == -ENOMEM ? SB_E_MEMORY : SB_E_SYSTEM;
        sb__buf_print(&w->why, "no worker could be started: %s: %s", what, strerror(-e));
    }
}

/* On the monitor. */
static void spawn(struct sb_job *job)
{
    struct sb_worker *w =
        (struct sb_worker *)(void *)((char *)job - offsetof(struct sb_worker, spawn));
    const char *what = "it was ended before it began";
    int e = w->discarded ? -ECANCELED : start(w, &what);
    if (e) {
        explain_start(w, e, what);
        sb__worker_bury(w);
        return;
    }
    sb__watch_arm(&w->start, sb__now() + sb__worker_start_limit, 0);
    sb__os_futex_wake(&w->state); /* who waits looks for the hello from now on */
}

void sb__worker_spawn(struct sb_worker *w)
{
    w->spawn.run = spawn;
    w->start.look = late;
    sb__monitor_add_watch(&w->start);
    sb__monitor_run(&w->spawn);
}
