/* SPDX-License-Identifier: MIT
 *
 * cli.h - what the subcommands share: their table, what they say, how they exit.
 */
#ifndef SB_CLI_CLI_H
#define SB_CLI_CLI_H

#include <stdbool.h>

/* Exit codes, the same for every subcommand. */
enum {
    CLI_OK = 0,
    CLI_FAILED = 1, /* the project or the Python code is wrong; said on stderr */
    CLI_USAGE = 2,  /* the command line is wrong */
    CLI_SYSTEM = 3, /* the machine or the installation is: no memory, no parts, no room */
};
#define CLI_EXIT_CODES                                                                           \
    "\nExit codes: 0 done; 1 the project or the Python code is wrong; 2 the command line is; 3 " \
    "the\n"                                                                                      \
    "machine or the installation is.\n"

int init_run(int argc, char **argv);
int setup_run(int argc, char **argv);
int generate_run(int argc, char **argv);
int call_run(int argc, char **argv);
int config_run(int argc, char **argv);
int doctor_run(int argc, char **argv);

/* Called by a subcommand with what getopt_long returned for anything that is not one of its options: prints `help` for
 * 'h' and a hint for '?'. Returns the exit code. */
int cli_other(int option, const char *help, const char *name);

/* "error: ..." on stderr, in colour on a terminal unless NO_COLOR is set. */
void say_error(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
/* "fix: ..." below an error. */
void say_fix(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
/* `text` between the codes of a colour ('r' red, 'g' green, 'y' yellow, 'b' bold) where `fd` shows colours. */
const char *say_paint(int fd, char colour);
bool say_colours(int fd);

#endif
