/* SPDX-License-Identifier: MIT
 *
 * doctor.c - `snakebridge doctor`: a line for each thing that SnakeBridge stands on, found by using it, and a fix for
 * each that is wrong.
 */
#include "cli.h"
#include "parts.h"
#include "place.h"
#include "snakebridge.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <gnu/libc-version.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char help[] = "usage: snakebridge doctor [--project PATH]\n\n"
                           "Says in one screen what was found: machine, tools, the project's "
                           "Python, both transports. What\n"
                           "is wrong is marked, with a fix; then the exit code is 1.\n\n"
                           "Example:\n"
                           "  snakebridge doctor\n";

static int wrong;

/* `state`: 'g' good, 'y' works with less, 'r' wrong. */
static void line(char state, const char *name, const char *pattern, ...)
    __attribute__((format(printf, 3, 4)));
static void line(char state, const char *name, const char *pattern, ...)
{
    va_list args;
    va_start(args, pattern);
    printf("%s%-5s%s %-13s ", say_paint(1, state),
           state == 'g'   ? "ok"
           : state == 'y' ? "note"
                          : "WRONG",
           say_paint(1, 0), name);
    vprintf(pattern, args);
    putchar('\n');
    va_end(args);
    wrong += state == 'r';
}

static void fix(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
static void fix(const char *pattern, ...)
{
    va_list args;
    va_start(args, pattern);
    fputs("      fix:          ", stdout);
    vprintf(pattern, args);
    putchar('\n');
    va_end(args);
}

/* The standard output of a command, without its last newline; stderr is dropped. False if it failed. */
static bool capture(char *const *argv, char *text, size_t size)
{
    int ends[2], status = 0;
    text[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, 0) < 0 || dup2(ends[1], 1) < 0 || dup2(null, 2) < 0)
            _exit(126);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    size_t len = 0;
    ssize_t got;
    while (child > 0 && len + 1 < size && (got = read(ends[0], text + len, size - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    close(ends[0]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && len > 0;
}

static void machine(void)
{
    struct utsname name;
    int major = 0, minor = 0;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (uname(&name) < 0 || sscanf(name.release, "%d.%d", &major, &minor) != 2)
        memset(&name, 0, sizeof name);
    bool old = major < 5 || (major == 5 && minor < 10);
    line(old ? 'r' : 'g', "machine", "%s %s %s, glibc %s, %ld CPU%s, %.1f GB", name.sysname,
         name.release, name.machine, gnu_get_libc_version(), cpus, cpus == 1 ? "" : "s",
         (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1e9);
    if (old)
        fix("Linux 5.10 or later is needed");
}

static void shared_memory(void)
{
    struct rlimit space;
    int fd = memfd_create("snakebridge-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *memory = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, 65536) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        line('r', "shared memory", "a sealed memfd cannot be made: %s", strerror(errno));
        fix("allow memfd_create and fcntl(F_ADD_SEALS) in this container's seccomp profile");
    } else if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
        line('y', "shared memory", "sealed memfds work; address space is limited to %.1f GB",
             (double)space.rlim_cur / 1e9);
        fix("ulimit -v unlimited");
    } else {
        line('g', "shared memory", "sealed memfds work, address space is not limited");
    }
    if (memory != MAP_FAILED)
        munmap(memory, 65536);
    if (fd >= 0)
        close(fd);
}

static void tools(const parts *p)
{
    char text[512], uv[256];
    char *facts[] = {
        p->python, "-I", "-c",
        "import sys, mypy.version as m\n"
        "print('Python %d.%d.%d, mypy %s' % (sys.version_info[:3] + (m.__version__,)))\n"
        "sys.exit(sys.version_info < (3, 11))",
        NULL
    };
    bool there = capture(facts, text, sizeof text);
    line(there ? 'g' : 'r', "tools", "%s: %s", p->python,
         there ? text : "not Python 3.11 or later with mypy");
    if (!there)
        fix(strcmp(p->layout, "wheel") == 0 ? "uv tool install --reinstall snakebridge"
                                            : "tools/setup, or set $SNAKEBRIDGE_TOOL_PYTHON");
    char *module[] = { p->python, "-I", "-m", "uv", "--version", NULL };
    char *command[] = { "uv", "--version", NULL };
    there = capture(module, uv, sizeof uv) || capture(command, uv, sizeof uv);
    line(there ? 'g' : 'r', "uv", "%s", there ? uv : "not found");
    if (!there)
        fix("python3 -m pip install uv");
}

/* Calls Python once, as a program does. */
static void transport(const char *name, const sb_project *table)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    bool worker = strcmp(name, "worker") == 0;
    const sb_options o = {
        .size = sizeof o, .project = table, .transport = name, .timeout = 20, .quiet = true
    };
    sb_session *py = (sb_open)(&o);
    sb_str version = sb_as_str(py, sb_call(py, "platform.python_version"));
    clock_gettime(CLOCK_MONOTONIC, &b);
    const sb_error *error = sb_get_error(py);
    if (error) {
        bool needed = worker || (table->transport && strcmp(table->transport, name) == 0);
        line(needed ? 'r' : 'y', name, "%s: %s", error->type, error->message);
        if (worker)
            fix("snakebridge setup, or name an interpreter in $SNAKEBRIDGE_PYTHON");
        else
            fix("apt-get install libpython3-dev, or stay with the worker transport");
    } else {
        line('g', name, "Python %s answered after %.0f ms", version.ptr,
             (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
    }
    sb_close(py);
}

static void python(const place *at, const char *name)
{
    char text[1024];
    char *facts[] = {
        (char *)name, "-c",
        "import sys, sysconfig\n"
        "print('%s, %s %d.%d.%d%s' % ((sys.executable, sys.implementation.name) + "
        "sys.version_info[:3] + (', free-threaded' if sysconfig.get_config_var('Py_GIL_DISABLED') "
        "else '',)))\n"
        "sys.exit(sys.version_info < (3, 8) or sys.implementation.name != 'cpython' or "
        "bool(sysconfig.get_config_var('Py_GIL_DISABLED')))",
        NULL
    };
    bool good = capture(facts, text, sizeof text);
    line(good ? 'g' : 'r', "python", "%s", *text ? text : name);
    if (!good)
        fix(*text      ? "CPython 3.8 or later is needed, not a free-threaded build"
            : at->root ? "snakebridge setup"
                       : "apt-get install python3");
}

static void note_event(const json_t *event, void *user)
{
    const char *message = json_string_value(json_object_get(event, "message"));
    const char *level = json_string_value(json_object_get(event, "level"));
    const char *how = json_string_value(json_object_get(event, "fix"));
    (void)user;
    line(level && strcmp(level, "error") == 0 ? 'r' : 'y', "environment", "%s",
         message ? message : "");
    if (how && *how)
        fix("%s", how);
}

static void environment(const parts *p, const place *at)
{
    const sbg_tool tool = { .python = p->python, .python_path = p->python_path, .quiet = true };
    const char *step[] = { "setup", at->file, "--check", NULL };
    json_t *done = NULL;
    int before = wrong, rc = sbg_tool_run(&tool, step, note_event, NULL, &done);
    if (rc == SBG_DONE)
        line('g', "environment", "all that pyproject.toml asks for is there");
    else if (wrong == before)
        line('r', "environment", "it could not be checked");
    json_decref(done);
}

int doctor_run(int argc, char **argv)
{
    static const struct option options[] = {
        { "project", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *project = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option != 'p')
            return cli_other(option, help, "doctor");
        project = optarg;
    }
    char why[1024];
    parts p;
    place at;
    if (parts_find(NULL, &p, why, sizeof why) < 0) {
        say_error("%s", why);
        parts_free(&p);
        return CLI_SYSTEM;
    }
    if (place_find(&at, project, why, sizeof why) < 0) {
        say_error("%s", why);
        parts_free(&p);
        return CLI_FAILED;
    }
    printf("%sSnakeBridge %s%s, %s\n\n", say_paint(1, 'b'), SB_VERSION, say_paint(1, 0), p.layout);
    machine();
    shared_memory();
    tools(&p);
    bool engine = access(p.engine, R_OK) == 0;
    line(engine ? 'g' : 'r', "engine", "%s%s", p.engine, engine ? "" : ": not there");
    if (!engine)
        fix("install SnakeBridge again");
    if (at.file)
        line('g', "project", "%s", at.file);
    else
        line('y', "project", "none in this folder or one above; snakebridge init starts one");
    const char *chosen = getenv("SNAKEBRIDGE_PYTHON");
    const char *name = chosen && *chosen ? chosen : at.found.python ? at.found.python : "python3";
    python(&at, name);
    if (at.file)
        environment(&p, &at);
    const sb_project table = place_table(&at, &p);
    transport("worker", &table);
    transport("inprocess", &table);
    place_free(&at);
    parts_free(&p);
    return fflush(stdout) != 0 ? CLI_SYSTEM : wrong ? CLI_FAILED : CLI_OK;
}
