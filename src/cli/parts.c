/* SPDX-License-Identifier: MIT
 *
 * parts.c - finds the command's parts. Three layouts are known; each is told by one file:
 *
 *   build tree   <exe's folder>/snakebridge.parts              absolute paths, written by CMake, a "name=path" a line
 *   wheel        <exe>/../lib/python3.N/{site,dist}-packages/snakebridge/prefix/parts
 *   installed    <exe>/../lib/snakebridge/parts                cmake --install
 *
 * The last two have the same tree below their prefix (include, lib, lib/cmake/snakebridge, lib/pkgconfig); their file
 * "parts" holds what is not a matter of the layout: the interpreter of the tool environment, relative in a wheel.
 */
#include "parts.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *join(const char *folder, const char *rest)
{
    char *path = NULL;
    return asprintf(&path, "%s%s", folder, rest) < 0 ? NULL : path;
}

/* Reads "name=path" lines into `p`; unknown names are refused, so that two versions cannot be mixed. */
static int read_file(const char *path, parts *p)
{
    struct {
        const char *name;
        char **place;
    } known[] = {
        { "python", &p->python },       { "python_path", &p->python_path },
        { "include", &p->include },     { "lib", &p->lib },
        { "engine", &p->engine },       { "cmake", &p->cmake },
        { "pkgconfig", &p->pkgconfig },
    };
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    int rc = 0;
    while (rc == 0 && (len = getline(&line, &room, file)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *value = strchr(line, '=');
        if (!value) {
            rc = -1;
            break;
        }
        *value++ = '\0';
        rc = -1;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (strcmp(known[i].name, line) == 0) {
                free(*known[i].place);
                *known[i].place = strdup(value);
                rc = *known[i].place ? 0 : -1;
            }
        }
    }
    if (ferror(file))
        rc = -1;
    free(line);
    fclose(file);
    return rc;
}

static int fill_prefix(parts *p, const char *prefix)
{
    struct {
        char **place;
        const char *rest;
    } tree[] = {
        { &p->include, "/include" },           { &p->lib, "/lib" },
        { &p->engine, "/lib/engine.abi3.so" }, { &p->cmake, "/lib/cmake/snakebridge" },
        { &p->pkgconfig, "/lib/pkgconfig" },
    };
    for (size_t i = 0; i < sizeof tree / sizeof *tree; i++) {
        *tree[i].place = join(prefix, tree[i].rest);
        if (!*tree[i].place)
            return -1;
    }
    return 0;
}

/* The wheel lies in <prefix>/lib/python3.N/site-packages; its interpreter is <prefix>/bin/python in an environment of
 * its own, else the python3.N of $PATH. */
static int find_wheel(parts *p, const char *bin)
{
    int rc = -1;
    glob_t found;
    memset(&found, 0, sizeof found);
    static const char *const patterns[] = {
        "/../lib/python3.*/site-packages/snakebridge/prefix/include/snakebridge.h",
        "/../lib/python3.*/dist-packages/snakebridge/prefix/include/snakebridge.h",
    };
    for (size_t i = 0; i < 2 && found.gl_pathc == 0; i++) {
        char *pattern = join(bin, patterns[i]);
        if (!pattern)
            return -1;
        glob(pattern, 0, NULL, &found);
        free(pattern);
        if (found.gl_pathc == 0)
            globfree(&found);
    }
    if (found.gl_pathc == 0)
        return -1;
    char header[PATH_MAX];
    char *prefix = NULL, *interpreter = NULL;
    if (!realpath(found.gl_pathv[0], header))
        goto done;
    *strstr(header, "/include/snakebridge.h") = '\0';
    if (fill_prefix(p, header) < 0)
        goto done;
    prefix = strdup(header);
    if (!prefix)
        goto done;
    *strstr(prefix, "/snakebridge/prefix") = '\0'; /* site-packages */
    p->python_path = strdup(prefix);
    interpreter = join(bin, "/python");
    if (!p->python_path || !interpreter)
        goto done;
    if (access(interpreter, X_OK) == 0) {
        p->python = interpreter;
        interpreter = NULL;
    } else {
        char *version = strstr(prefix, "/lib/python3.") + strlen("/lib/");
        version[strcspn(version, "/")] = '\0';
        p->python = strdup(version);
    }
    rc = p->python ? 0 : -1;
done:
    globfree(&found);
    free(interpreter);
    free(prefix);
    return rc;
}

static int find_installed(parts *p, const char *bin)
{
    char prefix[PATH_MAX];
    char *up = join(bin, "/..");
    bool there = up && realpath(up, prefix);
    free(up);
    if (!there || fill_prefix(p, prefix) < 0)
        return -1;
    p->python_path = join(prefix, "/lib/snakebridge/python");
    char *file = join(prefix, "/lib/snakebridge/parts");
    int rc = p->python_path && file ? read_file(file, p) : -1;
    free(file);
    return rc;
}

int parts_find(const char *exe, parts *p, char *why, size_t size)
{
    char self[PATH_MAX], bin[PATH_MAX];
    memset(p, 0, sizeof *p);
    if (!realpath(exe ? exe : "/proc/self/exe", self)) {
        snprintf(why, size, "cannot tell where the command is: %s", strerror(errno));
        return -1;
    }
    strcpy(bin, self);
    *strrchr(bin, '/') = '\0';
    if (!*bin)
        strcpy(bin, "/");

    char *tree = join(bin, "/snakebridge.parts");
    if (tree && access(tree, R_OK) == 0) {
        p->layout = "build tree";
        if (read_file(tree, p) < 0) {
            snprintf(why, size, "%s cannot be read; build again", tree);
            free(tree);
            return -1;
        }
    } else if (find_wheel(p, bin) == 0) {
        p->layout = "wheel";
    } else {
        parts_free(p);
        p->layout = "installed";
        if (find_installed(p, bin) < 0) {
            snprintf(why, size,
                     "the parts that belong to %s are not where they were installed (looked for "
                     "%s/../lib/snakebridge/parts); install again",
                     self, bin);
            free(tree);
            return -1;
        }
    }
    free(tree);
    const char *chosen = getenv("SNAKEBRIDGE_TOOL_PYTHON");
    if (chosen && *chosen) {
        free(p->python);
        p->python = strdup(chosen);
    }
    const char *const all[] = { p->python, p->python_path, p->include,  p->lib,
                                p->engine, p->cmake,       p->pkgconfig };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!all[i]) {
            snprintf(why, size, "out of memory, or parts of %s are not named", self);
            return -1;
        }
    }
    return 0;
}

void parts_free(parts *p)
{
    free(p->python);
    free(p->python_path);
    free(p->include);
    free(p->lib);
    free(p->engine);
    free(p->cmake);
    free(p->pkgconfig);
    memset(p, 0, sizeof *p);
}
