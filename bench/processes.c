/* SPDX-License-Identifier: MIT
 *
 * `processes COMMAND...` runs a command and prints how many processes it started, itself not counted; threads are none.
 * Exits as the command does. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "processes: %s: %s\n", what, strerror(errno));
    return 125;
}

/* Whether `tid` is a thread of another process's. */
static int is_thread(unsigned long tid)
{
    char path[64], line[128];
    unsigned long group = tid;
    snprintf(path, sizeof path, "/proc/%lu/status", tid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Tgid: %lu", &group) == 1)
            break;
    if (f)
        fclose(f);
    return group != tid;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: processes COMMAND...\n");
        return 125;
    }
    pid_t first = fork();
    if (first < 0)
        return fail("fork");
    if (first == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        execvp(argv[1], argv + 1);
        _exit(fail(argv[1]));
    }
    int status, code = 125;
    unsigned started = 0;
    if (waitpid(first, &status, 0) != first || !WIFSTOPPED(status))
        return fail("waitpid");
    if (ptrace(PTRACE_SETOPTIONS, first, NULL,
               (void *)(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                        PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) != 0)
        return fail("ptrace");
    ptrace(PTRACE_CONT, first, NULL, NULL);
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
        if (!WIFSTOPPED(status)) {
            if (pid == first)
                code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        unsigned long child = 0;
        int event = status >> 16, signal = WSTOPSIG(status);
        if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
            event == PTRACE_EVENT_CLONE) {
            ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child);
            started += event != PTRACE_EVENT_CLONE || !is_thread(child);
        }
        /* A new child begins with a SIGSTOP, and exec with a SIGTRAP, which are ours. */
        if (event || signal == SIGTRAP || signal == SIGSTOP)
            signal = 0;
        ptrace(PTRACE_CONT, pid, NULL, (void *)(long)signal);
    }
    printf("%u\n", started);
    return code;
}
