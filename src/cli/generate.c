/* SPDX-License-Identifier: MIT
 *
 * generate.c - `snakebridge generate`: the command line around sbg_generate, and how its diagnostics look.
 */
#include "cli.h"
#include "events.h"
#include "parts.h"
#include "run.h"
#include "snakebridge.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: snakebridge generate [OPTION...]\n\n"
    "Writes the C headers of the project's libraries, py/*.h, into build/snakebridge (or the "
    "option\n"
    "`output` in pyproject.toml). Says nothing and starts nothing where nothing changed.\n"
    "  --project PATH  a folder or a pyproject.toml (default: the nearest one upwards)\n"
    "  --output DIR    where the headers go\n"
    "  --depfile FILE  write a make rule of what was read\n"
    "  --touch FILE    touch FILE at the end, and let it be the rule's target\n"
    "  --changed FILE  touch FILE if a header changed\n"
    "  --verbose       list the headers, the renamed symbols and the untyped places\n"
    "  --quiet         errors alone: no progress, no warnings, no summary\n\n"
    "Example:\n"
    "  snakebridge generate --verbose && cc -Ibuild/snakebridge main.c \\\n"
    "      $(snakebridge config --cflags --libs) -o main\n";

static void list(const char *title, const struct sbg_lines *lines)
{
    printf("%s (%zu):\n", title, lines->count);
    for (size_t i = 0; i < lines->count; i++)
        printf("  %s\n", lines->text[i]);
}

int generate_run(int argc, char **argv)
{
    static const struct option options[] = {
        { "project", required_argument, NULL, 'p' },
        { "output", required_argument, NULL, 'o' },
        { "depfile", required_argument, NULL, 'd' },
        { "touch", required_argument, NULL, 't' },
        { "changed", required_argument, NULL, 'c' },
        { "verbose", no_argument, NULL, 'v' },
        { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    sbg_request q = { .version = SB_VERSION, .on_event = cli_show_event };
    const char *project = NULL;
    bool quiet = false;
    int option;
    while ((option = getopt_long(argc, argv, "hvqo:", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            project = optarg;
            break;
        case 'o':
            q.output = optarg;
            break;
        case 'd':
            q.depfile = optarg;
            break;
        case 't':
            q.touch = optarg;
            break;
        case 'c':
            q.changed = optarg;
            break;
        case 'v':
            q.verbose = true;
            break;
        case 'q':
            quiet = true;
            break;
        default:
            return cli_other(option, help, "generate");
        }
    }
    if (optind < argc) {
        say_error("generate takes options only, not \"%s\"", argv[optind]);
        return cli_other('?', help, "generate");
    }
    char *file, *output = NULL;
    parts p;
    sbg_outcome outcome = { 0 };
    int rc = cli_begin(project, &p, &file);
    if (rc != CLI_OK)
        goto end;
    rc = CLI_SYSTEM;
    if (q.output && *q.output != '/') { /* of the command line: relative to where one stands */
        char *here = realpath(".", NULL);
        if (!here || asprintf(&output, "%s/%s", here, q.output) < 0)
            output = NULL;
        free(here);
        if (!output) {
            say_error("out of memory");
            goto end;
        }
        q.output = output;
    }
    q.tool = (sbg_tool) { .python = p.python, .python_path = p.python_path, .quiet = quiet };
    q.engine = p.engine;
    q.project = file;
    q.user = &quiet;
    rc = sbg_generate(&q, &outcome);
    if (*outcome.error)
        say_error("%s", outcome.error);
    const struct sbg_report *r = &outcome.report;
    if (q.verbose && !outcome.fresh && r->headers.count) {
        list("headers", &r->headers);
        list("renamed", &r->renames);
        list("untyped places", &r->dynamic);
    }
    if (!quiet && !outcome.fresh && rc == SBG_DONE)
        printf("%zu headers in %s (%zu changed): %zu functions, %zu classes, %zu enums\n",
               r->headers.count, outcome.output, r->written + r->removed, r->functions, r->classes,
               r->enums);
    if (fflush(stdout) != 0 && rc == SBG_DONE)
        rc = CLI_SYSTEM;
end:
    sbg_outcome_free(&outcome);
    free(output);
    free(file);
    parts_free(&p);
    return rc;
}
