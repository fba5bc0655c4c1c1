/* SPDX-License-Identifier: MIT
 *
 * events.c - diagnostics of the Python side, as a compiler shows its own: place, level, message, then the fix.
 */
#include "events.h"
#include "cli.h"
#include "project.h"

#include <stdio.h>
#include <string.h>

static const char *field(const json_t *event, const char *name)
{
    const char *text = json_string_value(json_object_get(event, name));
    return text ? text : "";
}

void cli_show_event(const json_t *event, void *user)
{
    const bool quiet = *(const bool *)user;
    const char *level = field(event, "level"), *where = field(event, "where");
    bool error = strcmp(level, "error") == 0;
    if (quiet && !error)
        return;
    if (*where)
        fprintf(stderr, "%s: ", where);
    fprintf(stderr, "%s%s:%s %s\n", say_paint(2, error ? 'r' : 'y'), *level ? level : "note",
            say_paint(2, 0), field(event, "message"));
    if (*field(event, "fix"))
        say_fix("%s", field(event, "fix"));
}

int cli_begin(const char *named, parts *p, char **file)
{
    char why[1024];
    *file = NULL;
    if (parts_find(NULL, p, why, sizeof why) < 0) {
        say_error("%s", why);
        return CLI_SYSTEM;
    }
    *file = sbg_project_find(named, why, sizeof why);
    if (*file)
        return CLI_OK;
    say_error("%s", why);
    say_fix("snakebridge init");
    return CLI_FAILED;
}
