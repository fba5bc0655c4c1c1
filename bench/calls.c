/* SPDX-License-Identifier: MIT
 *
 * Calls through generated headers, and what they stand against: `calls GROUP`. The groups are scalar and keyword
 * (in-process, against the floors), worker and chain (in a worker), stream (in-process, against the floor) and
 * stream.worker. */
#include "floor.h"
#include "measure.h"
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <py/math.h>
#include <py/numpy.h>
#include <py/os.h>
#include <py/pandas.h>
#include <py/work.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static sb_session *py;

static void check(void)
{
    if (sb_failed(py)) {
        sb_print_error(py, stderr);
        exit(1);
    }
}

/* ---- what is measured ---- */

static pandas_DataFrame df;
static numpy_ndarray array;
static work_Thing thing;

static void call_sqrt(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        bench_sink = py_math_sqrt(py, 2.0);
}

static void call_head(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        SB_SCOPE(py);
        pandas_DataFrame_head(py, df, .n = 3);
    }
}

static void call_mean(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        SB_SCOPE(py);
        numpy_mean(py, array, .axis = SB(0));
    }
}

static void call_python(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        bench_sink = work_place(py, 1.5, 2.5, 3, .scale = 2.0, .offset = 4);
}

static void chain(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        SB_SCOPE(py);
        work_Thing x = thing;
        for (int k = 0; k < 10; k++)
            x = work_same(py, x);
        if (sb_failed(py)) /* waits for all of them */
            check();
    }
}

static void chain_waiting(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        SB_SCOPE(py);
        work_Thing x = thing;
        for (int k = 0; k < 10; k++)
            x = work_same_or_none(py, x);
        if (sb_failed(py))
            check();
    }
}

static void stream(unsigned n)
{
    SB_SCOPE(py);
    int64_t sum = 0;
    SB_FOR(py, int64_t, i, sb_call(py, "itertools.count")) {
        sum += i;
        if (i + 1 >= (int64_t)n)
            break;
    }
    bench_sink = (double)sum;
    check();
}

static sb_object key;

static sb_value negate(sb_session *session, const sb_value *args, size_t count, void *user)
{
    (void)user;
    if (count != 1 || args[0].kind != SB_INT_)
        sb_raise(session, "TypeError", "negate() takes an int");
    return SB(-args[0].as.i);
}

static void callback(unsigned n)
{
    for (unsigned some; n; n -= some) {
        some = n < 1000 ? n : 1000;
        SB_SCOPE(py);
        sb_call(py, "builtins.sorted", sb_call(py, "builtins.range", some), SB_KW("key", key));
    }
}

/* ---- two processes, each on a CPU of its own ---- */

static cpu_set_t allowed; /* CPUs, when the program started */
static int socket_end = -1;
static pid_t peer;

/* Puts a process's main thread (0: this thread) on the n-th CPU that this process may use; on the last one if there are
 * fewer. */
static void pin(pid_t pid, unsigned n)
{
    cpu_set_t one;
    size_t last = 0;
    CPU_ZERO(&one);
    for (size_t cpu = 0, found = 0; cpu < CPU_SETSIZE && found <= n; cpu++)
        if (CPU_ISSET(cpu, &allowed)) {
            last = cpu;
            found++;
        }
    CPU_SET(last, &one);
    if (sched_setaffinity(pid, sizeof one, &one) != 0)
        bench_die("cannot run on CPU %zu: %s", last, strerror(errno));
}

static void serve(int fd)
{
    double x;
    while (read(fd, &x, sizeof x) == sizeof x) {
        x = sqrt(x);
        if (write(fd, &x, sizeof x) != sizeof x)
            break;
    }
    _exit(0);
}

static void start_peer(void)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        bench_die("no socketpair: %s", strerror(errno));
    peer = fork();
    if (peer < 0)
        bench_die("fork: %s", strerror(errno));
    if (peer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(fds[0]);
        serve(fds[1]);
    }
    close(fds[1]);
    socket_end = fds[0];
    pin(peer, 1);
}

static void end_peer(void)
{
    close(socket_end);
    waitpid(peer, NULL, 0);
}

static void call_socket(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        double x = 2.0;
        if (write(socket_end, &x, sizeof x) != sizeof x ||
            read(socket_end, &x, sizeof x) != sizeof x)
            bench_die("the socket's peer is gone");
        bench_sink = x;
    }
}

/* ---- groups ---- */

static struct bench_floor floors;

static void open_session(const char *transport)
{
    py = sb_open(.transport = transport);
    py_math_sqrt(py, 2.0);
    check();
}

/* A session in a worker, which is on the second CPU; this thread is on the first. Returns the worker's process. */
static pid_t open_worker(void)
{
    open_session("worker");
    pid_t pid = (pid_t)py_os_getpid(py);
    check();
    pin(pid, 1);
    pin(0, 0);
    return pid;
}

static void open_floors(const char *module)
{
    open_session("inprocess");
    void *handle = dlopen(module, RTLD_NOW);
    const struct bench_floor *f = handle ? dlsym(handle, BENCH_FLOOR_SYMBOL) : NULL;
    if (!f)
        bench_die("%s", dlerror());
    floors = *f;
    if (floors.start() != 0)
        bench_die("the floors cannot start");
}

static void scalar(const char *module)
{
    open_floors(module);
    const struct bench_row rows[] = {
        { .name = "call.scalar.floor", .work = floors.sqrt },
        { .name = "call.scalar.inprocess", .work = call_sqrt },
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 20, 2);
}

static void keyword(const char *module)
{
    open_floors(module);
    df = pandas_DataFrame_from(py, SB(work_frame(py)));
    array = work_array(py);
    check();
    const struct bench_row rows[] = {
        { .name = "call.keyword.head.floor", .work = floors.head },
        { .name = "call.keyword.head", .work = call_head },
        { .name = "call.keyword.mean.floor", .work = floors.mean },
        { .name = "call.keyword.mean", .work = call_mean },
        { .name = "call.keyword.python.floor", .work = floors.python },
        { .name = "call.keyword.python", .work = call_python },
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 20, 2);
}

static void worker(const char *module)
{
    (void)module;
    start_peer();
    pid_t pid = open_worker();
    const struct bench_row rows[] = {
        { .name = "call.scalar.socketpair", .work = call_socket, .other = peer },
        { .name = "call.scalar.worker", .work = call_sqrt, .other = pid },
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 20, 2);
    end_peer();
}

static void chains(const char *module)
{
    (void)module;
    pid_t pid = open_worker();
    thing = work_thing(py);
    check();
    const struct bench_row rows[] = {
        { .name = "chain.ten.waiting", .work = chain_waiting, .other = pid },
        { .name = "chain.ten", .work = chain, .other = pid },
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 20, 2);
}

static void streams(const char *module)
{
    open_floors(module);
    stream(1000); /* the first one imports: a row would take that for its speed */
    const struct bench_row rows[] = {
        { .name = "stream.int.floor", .work = floors.count },
        { .name = "stream.int.inprocess", .work = stream },
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 20, 2);
}

static void streams_worker(const char *module)
{
    (void)module;
    pid_t pid = open_worker();
    stream(1000);
    const struct bench_row rows[] = {
        { .name = "stream.int.worker", .work = stream, .other = pid }
    };
    bench_rows(rows, 1, 20, 2);
}

static void callbacks(const char *module)
{
    open_floors(module);
    key = sb_function(py, negate, NULL, NULL);
    check();
    const struct bench_row rows[] = {
        { .name = "callback.floor", .work = floors.callback },
        { .name = "callback.inprocess", .work = callback },
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 20, 5);
}

static void callbacks_worker(const char *module)
{
    (void)module;
    pid_t pid = open_worker();
    key = sb_function(py, negate, NULL, NULL);
    check();
    const struct bench_row rows[] = {
        { .name = "callback.worker", .work = callback, .other = pid }
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 20, 5);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const char *module);
    } groups[] = { { "scalar", scalar },      { "keyword", keyword },
                   { "worker", worker },      { "chain", chains },
                   { "stream", streams },     { "stream.worker", streams_worker },
                   { "callback", callbacks }, { "callback.worker", callbacks_worker } };
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        bench_die("sched_getaffinity: %s", strerror(errno));
    if (argc != 3)
        bench_die("usage: calls GROUP FLOOR-MODULE");
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (!strcmp(groups[i].name, argv[1])) {
            groups[i].run(argv[2]);
            check();
            return sb_close(py);
        }
    bench_die("there is no group %s", argv[1]);
}
