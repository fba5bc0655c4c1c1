/* SPDX-License-Identifier: MIT
 *
 * setup.c - `snakebridge setup`: makes the project's environment. The Python side does it, with uv.
 */
#include "cli.h"
#include "events.h"
#include "parts.h"
#include "tool.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: snakebridge setup [--check] [--quiet] [--project PATH]\n\n"
    "Makes the project's Python environment (.venv, uv.lock) with uv, as `uv sync` does.\n"
    "  --check         change nothing; exit with 1 and say what is missing\n"
    "  --project PATH  a folder or a pyproject.toml (default: the nearest one upwards)\n"
    "  --quiet         errors alone\n\n"
    "Example:\n"
    "  snakebridge setup --check || snakebridge setup\n";

int setup_run(int argc, char **argv)
{
    static const struct option options[] = {
        { "check", no_argument, NULL, 'c' },
        { "project", required_argument, NULL, 'p' },
        { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    bool check = false, quiet = false;
    const char *project = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "hq", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            check = true;
            break;
        case 'p':
            project = optarg;
            break;
        case 'q':
            quiet = true;
            break;
        default:
            return cli_other(option, help, "setup");
        }
    }
    if (optind < argc) {
        say_error("setup takes options only, not \"%s\"", argv[optind]);
        return cli_other('?', help, "setup");
    }
    char *file;
    parts p;
    json_t *done = NULL;
    int rc = cli_begin(project, &p, &file);
    if (rc != CLI_OK)
        goto end;
    const sbg_tool tool = { .python = p.python, .python_path = p.python_path, .quiet = quiet };
    const char *step[] = { "setup", file, check ? "--check" : NULL, NULL };
    rc = sbg_tool_run(&tool, step, cli_show_event, &quiet, &done);
end:
    json_decref(done);
    free(file);
    parts_free(&p);
    return rc;
}
