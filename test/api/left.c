/* SPDX-License-Identifier: MIT
 *
 * left COMMAND...: runs a program and looks for what it leaves behind: processes (all descendants come to this one when
 * their parent ends, PR_SET_CHILD_SUBREAPER), files in its temporary folder. Its exit code, or 99 with the list. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int entries(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            fprintf(stderr, "left: %s/%s\n", folder, e->d_name);
            n++;
        }
    if (d)
        closedir(d);
    return n;
}

/* Names and ends the children that are still there. */
static int children(void)
{
    char path[64], line[256];
    int n = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "re");
    for (int pid; f && fscanf(f, "%d", &pid) == 1; n++) {
        snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
        FILE *c = fopen(path, "re");
        size_t len = c ? fread(line, 1, sizeof line - 1, c) : 0;
        for (size_t i = 0; i < len; i++)
            line[i] = line[i] ? line[i] : ' ';
        line[len] = 0;
        if (c)
            fclose(c);
        fprintf(stderr, "left: process %d: %s\n", pid, line);
        kill(pid, SIGKILL);
    }
    if (f)
        fclose(f);
    return n;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/left.XXXXXX";
    if (argc < 2 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || !mkdtemp(folder)) {
        fprintf(stderr, "usage: left COMMAND...\n");
        return 98;
    }
    setenv("TMPDIR", folder, 1);
    pid_t program = fork();
    if (program == 0) {
        execv(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    int status = 0, rc = 98, s;
    for (pid_t pid; (pid = wait(&s)) != program || WIFSTOPPED(s);)
        if (pid < 0 && errno != EINTR)
            break;
    status = s;
    rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

    /* Workers see their lifeline's end: they have two seconds. */
    bool gone = false;
    for (int i = 0; i < 200 && !gone; i++) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        gone = pid < 0 && errno == ECHILD;
        if (!gone)
            nanosleep(&(struct timespec) { .tv_nsec = 10000000 }, NULL);
    }
    int left = gone ? 0 : children();
    left += entries(folder);
    char remove[128];
    unsetenv("LD_PRELOAD"); /* a sanitizer's run time is for the program, not for rm */
    snprintf(remove, sizeof remove, "rm -rf %s", folder);
    if (system(remove) != 0)
        fprintf(stderr, "left: cannot remove %s\n", folder);
    return rc ? rc : left ? 99 : 0;
}
