/* SPDX-License-Identifier: MIT
 *
 * say.c - how the command talks: errors on stderr, colours only on a terminal and never with NO_COLOR.
 */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool say_colours(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no && *no) && isatty(fd) && term && strcmp(term, "dumb") != 0;
}

const char *say_paint(int fd, char colour)
{
    if (!say_colours(fd))
        return "";
    switch (colour) {
    case 'r':
        return "\033[1;31m";
    case 'g':
        return "\033[32m";
    case 'y':
        return "\033[33m";
    case 'b':
        return "\033[1m";
    default:
        return "\033[0m";
    }
}

void say_error(const char *pattern, ...)
{
    va_list args;
    va_start(args, pattern);
    fprintf(stderr, "%serror:%s ", say_paint(2, 'r'), say_paint(2, 0));
    vfprintf(stderr, pattern, args);
    fputc('\n', stderr);
    va_end(args);
}

void say_fix(const char *pattern, ...)
{
    va_list args;
    va_start(args, pattern);
    fputs("  fix: ", stderr);
    vfprintf(stderr, pattern, args);
    fputc('\n', stderr);
    va_end(args);
}

int cli_other(int option, const char *help, const char *name)
{
    if (option == 'h') {
        fputs(help, stdout);
        fputs(CLI_EXIT_CODES, stdout);
        return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
    }
    fprintf(stderr, "Try: snakebridge %s --help\n", name);
    return CLI_USAGE;
}
