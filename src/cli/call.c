/* SPDX-License-Identifier: MIT
 *
 * call.c - `snakebridge call NAME [ARGUMENT...]`: one call of Python from the shell, in the project's environment.
 */
#include "cli.h"
#include "json.h"
#include "parts.h"
#include "place.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: snakebridge call [OPTION...] NAME [ARGUMENT | --KEYWORD=ARGUMENT]... [-- "
    "ARGUMENT...]\n\n"
    "Calls a Python function and prints its result as JSON; of what cannot be called, the value.\n"
    "An argument is JSON where it can be read as JSON, else text. What JSON lacks is printed as "
    "text.\n"
    "Options stand in front of NAME:\n"
    "  --python PATH     interpreter (default: the project's, else python3)\n"
    "  --transport NAME  worker or inprocess\n"
    "  --timeout SECS    ends the call when it takes longer\n"
    "  --project PATH    a folder or a pyproject.toml (default: the nearest one upwards)\n\n"
    "Example:\n"
    "  snakebridge call math.hypot 3 4\n"
    "  snakebridge call json.dumps '{\"a\": [1, 2]}' --indent=2\n";

/* "--name=value" with a Python identifier for a name: splits it in place. */
static bool is_keyword(char *text, char **value)
{
    if (strncmp(text, "--", 2) != 0)
        return false;
    size_t len =
        strspn(text + 2, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (!len || text[2 + len] != '=')
        return false;
    text[2 + len] = '\0';
    *value = text + 2 + len + 1;
    return true;
}

/* Without the frames of the import machinery, which say nothing about the code that was called. */
static void print_traceback(const char *text)
{
    static const char frame[] = "  File \"";
    if (strncmp(text, "Traceback", strlen("Traceback")) != 0)
        return; /* its one line is what the next one says */
    char *kept = NULL;
    size_t size = 0, frames = 0;
    FILE *to = open_memstream(&kept, &size);
    if (!to)
        return;
    bool skip = false;
    for (const char *line = text, *end; *line; line = end) {
        size_t len = strcspn(line, "\n");
        end = line + len + (line[len] == '\n');
        bool opens = strncmp(line, frame, sizeof frame - 1) == 0;
        if (opens) {
            const char *file = line + sizeof frame - 1, *quote = strchr(file, '"');
            static const char module[] = "/importlib/__init__.py";
            skip = strncmp(file, "<frozen importlib.", strlen("<frozen importlib.")) == 0 ||
                   (quote && quote - file >= (ptrdiff_t)sizeof module - 1 &&
                    strncmp(quote - sizeof module + 1, module, sizeof module - 1) == 0);
            frames += !skip;
        } else if (strncmp(line, "    ", 4) != 0) { /* a source line belongs to its frame */
            skip = false;
        }
        if (!skip)
            fwrite(line, 1, (size_t)(end - line), to);
    }
    if (fclose(to) == 0 && frames)
        fputs(kept, stderr);
    free(kept);
}

/* What `name` names, where it is not called: no arguments are given, and it is not callable. */
static bool is_value(sb_session *py, const sb_site *here, const char *name, sb_value *value)
{
    *value = sb_import_(py, here, name);
    if (sb_failed(py) || value->kind != SB_OBJECT_)
        return true;
    return !sb_as_bool(py, sb_call_(py, here, "builtins.callable", (sb_args) { value, 1 }));
}

static int call(const sb_options *options, const char *name, char **given, size_t count)
{
    sb_session *py = (sb_open)(options);
    sb_value *values = calloc(2 * count + 1, sizeof *values);
    json_t **kept = calloc(count + 1, sizeof *kept);
    int rc = CLI_SYSTEM;
    if (!py || !values || !kept) {
        say_error("out of memory");
        goto end;
    }
    size_t n = 0;
    bool plain = false;
    for (size_t i = 0; i < count; i++) {
        char *value = given[i];
        if (!plain && strcmp(value, "--") == 0) {
            plain = true;
            continue;
        }
        if (!plain && is_keyword(given[i], &value))
            values[n++] = sb_keyword_(given[i] + 2);
        values[n++] = json_argument(py, value, &kept[i]);
    }
    const sb_site here = { .file = "snakebridge call", .given = "" };
    sb_value result;
    if (n || !is_value(py, &here, name, &result))
        result = sb_call_(py, &here, name, (sb_args) { values, n });
    result = sb_fetch(py, result);
    /* Whole or not at all: an object's str may still fail. */
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    bool written = to && json_write(py, to, result) == 0;
    written = to && fclose(to) == 0 && written;
    const sb_error *error = sb_get_error(py);
    if (error) {
        print_traceback(error->traceback);
        say_error("%s: %s: %s", name, error->type, error->message);
        rc = error->code == SB_E_CONFIG || error->code == SB_E_SYSTEM || error->code == SB_E_MEMORY
                 ? CLI_SYSTEM
                 : CLI_FAILED;
    } else if (written && fwrite(text, 1, size, stdout) == size && fflush(stdout) == 0) {
        rc = CLI_OK;
    } else {
        say_error("the result could not be written");
    }
    free(text);
end:
    sb_close(py);
    for (size_t i = 0; kept && i < count; i++)
        json_decref(kept[i]);
    free(kept);
    free(values);
    return rc;
}

int call_run(int argc, char **argv)
{
    static const struct option options[] = {
        { "python", required_argument, NULL, 'y' },  { "transport", required_argument, NULL, 'r' },
        { "timeout", required_argument, NULL, 't' }, { "project", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
    };
    const char *project = NULL;
    sb_options o = { .size = sizeof o, .quiet = true };
    int option;
    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        char *end = "";
        switch (option) {
        case 'y':
            o.python = optarg;
            break;
        case 'r':
            o.transport = optarg;
            break;
        case 't':
            o.timeout = strtod(optarg, &end);
            if (*end || !(o.timeout > 0) || isinf(o.timeout)) {
                say_error("--timeout takes a number of seconds above 0, not \"%s\"", optarg);
                return cli_other('?', help, "call");
            }
            break;
        case 'p':
            project = optarg;
            break;
        default:
            return cli_other(option, help, "call");
        }
    }
    if (optind >= argc) {
        say_error("call needs the name of a function, as \"math.hypot\"");
        return cli_other('?', help, "call");
    }
    char why[1024];
    parts p;
    if (parts_find(NULL, &p, why, sizeof why) < 0) {
        say_error("%s", why);
        parts_free(&p);
        return CLI_SYSTEM;
    }
    place at;
    if (place_find(&at, project, why, sizeof why) < 0) {
        say_error("%s", why);
        parts_free(&p);
        return CLI_FAILED;
    }
    const sb_project table = place_table(&at, &p);
    o.project = &table;
    int rc = call(&o, argv[optind], argv + optind + 1, (size_t)(argc - optind - 1));
    place_free(&at);
    parts_free(&p);
    return rc;
}
