/* SPDX-License-Identifier: MIT
 *
 * init.c - `snakebridge init`: the files of a new project, from src/cli/init. A file that is there stays as it is.
 */
#include "cli.h"
#include "init_files.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "usage: snakebridge init [--make] [FOLDER]\n\n"
    "Writes pyproject.toml, CMakeLists.txt, main.c and .gitignore into FOLDER (default: this "
    "one).\n"
    "What is there already stays as it is.\n"
    "  --make  a Makefile in place of CMakeLists.txt\n\n"
    "Example:\n"
    "  snakebridge init && uv add numpy && cmake -B build && cmake --build build && build/main\n";

/* The folder's name as a project name: letters, digits and single dashes (PEP 508), never empty. */
static void project_name(char *name, size_t size)
{
    char path[PATH_MAX];
    const char *base = getcwd(path, sizeof path) ? strrchr(path, '/') + 1 : "";
    size_t n = 0;
    for (const char *p = base; *p && n + 1 < size; p++) {
        if (isalnum((unsigned char)*p))
            name[n++] = (char)tolower((unsigned char)*p);
        else if (n && name[n - 1] != '-')
            name[n++] = '-';
    }
    while (n && name[n - 1] == '-')
        n--;
    name[n] = '\0';
    if (!n || !isalpha((unsigned char)name[0]))
        snprintf(name, size, "app");
}

/* Writes one file whole or not at all. Returns 1 if it was there, 0 if it was written, -1 with errno. */
static int write_new(const struct embedded *file, const char *name)
{
    int fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno == EEXIST ? 1 : -1;
    FILE *out = fdopen(fd, "w");
    if (!out) {
        close(fd);
        return -1;
    }
    for (const char *p = file->text; *p;) {
        const char *mark = strstr(p, "@NAME@");
        size_t len = mark ? (size_t)(mark - p) : strlen(p);
        fwrite(p, 1, len, out);
        if (mark)
            fputs(name, out);
        p += len + (mark ? strlen("@NAME@") : 0);
    }
    bool bad = ferror(out);
    if (fclose(out) != 0 || bad) {
        int saved = errno;
        unlink(file->path);
        errno = saved;
        return -1;
    }
    return 0;
}

int init_run(int argc, char **argv)
{
    static const struct option options[] = {
        { "make", no_argument, NULL, 'm' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    bool make = false;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option != 'm')
            return cli_other(option, help, "init");
        make = true;
    }
    if (argc - optind > 1) {
        say_error("init takes one folder at most");
        return cli_other('?', help, "init");
    }
    if (optind < argc) {
        const char *folder = argv[optind];
        if ((mkdir(folder, 0777) < 0 && errno != EEXIST) || chdir(folder) < 0) {
            say_error("%s: %s", folder, strerror(errno));
            return CLI_SYSTEM;
        }
    }
    char name[128];
    project_name(name, sizeof name);
    for (size_t i = 0; i < sizeof init_files / sizeof *init_files; i++) {
        if (strcmp(init_files[i].path, make ? "CMakeLists.txt" : "Makefile") == 0)
            continue;
        int rc = write_new(&init_files[i], name);
        if (rc < 0) {
            say_error("%s: %s", init_files[i].path, strerror(errno));
            return CLI_SYSTEM;
        }
        printf("%s %s\n", rc ? "kept   " : "written", init_files[i].path);
    }
    return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
}
