/* SPDX-License-Identifier: MIT
 *
 * tool.c - one child process at a time: its events are read line by line while it runs; what it is doing is shown on a
 * terminal once that has taken a second. The child ends with this process, however that ends.
 */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Isolated mode, so that neither $PYTHONPATH nor the user's site reaches the tools. */
static const char start[] =
    "import runpy, sys\n"
    "sys.path.insert(0, sys.argv.pop(1))\n"
    "runpy.run_module('snakebridge.tool', run_name='__main__', alter_sys=True)\n";

static pid_t spawn(const sbg_tool *tool, const char *const *step, int *out)
{
    size_t count = 0;
    while (step[count])
        count++;
    char **argv = calloc(count + 6, sizeof *argv);
    int ends[2] = { -1, -1 };
    if (!argv || pipe2(ends, O_CLOEXEC) < 0) {
        free(argv);
        return -1;
    }
    size_t n = 0;
    argv[n++] = (char *)tool->python;
    argv[n++] = "-I";
    argv[n++] = "-c";
    argv[n++] = (char *)start;
    argv[n++] = (char *)tool->python_path;
    for (size_t i = 0; i < count; i++)
        argv[n++] = (char *)step[i];
    fflush(NULL);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
            _exit(127);
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null < 0 || dup2(null, 0) < 0 || dup2(ends[1], 1) < 0)
            _exit(126);
        execvp(tool->python, argv);
        dprintf(2, "%s: %s\n", tool->python, strerror(errno));
        _exit(127);
    }
    free(argv);
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return -1;
    }
    *out = ends[0];
    return child;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

typedef struct reader {
    bool terminal, shown;
    double begun;
    char *doing; /* the latest progress text */
    void (*on_event)(const json_t *event, void *user);
    void *user;
    json_t *done;
} reader;

static void wipe(reader *r)
{
    if (r->shown)
        fputs("\r\033[K", stderr);
    r->shown = false;
}

static void show(reader *r)
{
    if (!r->terminal || !r->doing || now() - r->begun < 1)
        return;
    fprintf(stderr, "\r\033[K%.70s ... %.0f s", r->doing, now() - r->begun);
    fflush(stderr);
    r->shown = true;
}

/* One line. Returns -1 if it is not an event. */
static int take(reader *r, const char *line, size_t len)
{
    json_t *event = json_loadb(line, len, JSON_DECODE_ANY, NULL);
    const char *kind = json_string_value(json_object_get(event, "event"));
    if (!kind) {
        json_decref(event);
        return -1;
    }
    if (strcmp(kind, "progress") == 0) {
        const char *text = json_string_value(json_object_get(event, "message"));
        free(r->doing);
        r->doing = text ? strdup(text) : NULL;
    } else if (strcmp(kind, "done") == 0) {
        json_decref(r->done);
        r->done = json_incref(event);
    } else {
        wipe(r);
        r->on_event(event, r->user);
    }
    json_decref(event);
    return 0;
}

int sbg_tool_run(const sbg_tool *tool, const char *const *argv,
                 void (*on_event)(const json_t *event, void *user), void *user, json_t **done)
{
    int out = -1, rc = SBG_BROKEN, status = 0;
    size_t len = 0, room = 0;
    char *text = NULL;
    bool lost = false;
    reader r = { .terminal = !tool->quiet && isatty(2), .begun = now(), .on_event = on_event };
    r.user = user;
    *done = NULL;
    pid_t child = spawn(tool, argv, &out);
    if (child < 0) {
        fprintf(stderr, "error: %s cannot be started: %s\n", tool->python, strerror(errno));
        return SBG_BROKEN;
    }
    for (;;) {
        struct pollfd poller = { .fd = out, .events = POLLIN };
        if (poll(&poller, 1, 200) == 0) {
            show(&r);
            continue;
        }
        if (room - len < 4096) {
            char *more = realloc(text, room + 65536);
            if (!more)
                break;
            text = more;
            room += 65536;
        }
        ssize_t got = read(out, text + len, room - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        len += (size_t)got;
        char *begin = text, *end;
        while ((end = memchr(begin, '\n', len - (size_t)(begin - text)))) {
            if (take(&r, begin, (size_t)(end - begin)) < 0) {
                lost = true;
                wipe(&r);
                fprintf(stderr, "error: snakebridge.tool wrote \"%.*s\"\n", (int)(end - begin),
                        begin);
            }
            begin = end + 1;
        }
        len -= (size_t)(begin - text);
        memmove(text, begin, len);
        show(&r);
    }
    wipe(&r);
    close(out);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && r.done && !lost)
        rc = SBG_DONE;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && !lost)
        rc = SBG_WRONG;
    else if (WIFSIGNALED(status))
        fprintf(stderr, "error: snakebridge.tool %s ended by signal %d (%s)\n", argv[0],
                WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "error: snakebridge.tool %s ended with exit code %d%s\n", argv[0],
                WEXITSTATUS(status), r.done ? "" : " before it was done");
    free(text);
    free(r.doing);
    *done = r.done;
    return rc;
}
