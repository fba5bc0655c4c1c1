/* SPDX-License-Identifier: MIT
 *
 * main.c - the command `snakebridge`: a table of subcommands, each in a file of its own.
 */
#include "cli.h"
#include "snakebridge.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "init", "start a C project with Python in it, in this folder", init_run },
    { "setup", "make the project's Python environment with uv", setup_run },
    { "generate", "write the C headers of the project's Python libraries", generate_run },
    { "call", "call a Python function and print its result as JSON", call_run },
    { "config", "print what build tools need to know", config_run },
    { "doctor", "say what was found on this machine, and what is wrong", doctor_run },
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void help(FILE *to)
{
    fputs("usage: snakebridge COMMAND [OPTION...]\n\n"
          "Turns Python libraries into typed C libraries.\n\nCommands:\n",
          to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\n  --version  print the version\n  --help     print this; also after a command\n\n"
          "Example:\n"
          "  snakebridge init && cmake -B build && cmake --build build && "
          "build/main\n" CLI_EXIT_CODES,
          to);
}

/* The number of edits between two short words, to guess what was meant. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], n = strlen(b);
    if (n >= sizeof row / sizeof *row)
        return n;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[n];
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("snakebridge %s\n", SB_VERSION);
        return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        help(stdout);
        return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
    }
    if (!*name) {
        help(stderr);
        return CLI_USAGE;
    }
    const char *near = NULL;
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
        if (distance(name, commands[i].name) <= 2)
            near = commands[i].name;
    }
    say_error("there is no command \"%s\"", name);
    if (near)
        fprintf(stderr, "  did you mean \"%s\"?\n", near);
    else
        fputs("Try: snakebridge --help\n", stderr);
    return CLI_USAGE;
}
