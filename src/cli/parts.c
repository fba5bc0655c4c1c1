/* SPDX-License-Identifier: MIT
 *
 * parts.c - finds the command's parts. Two layouts are known; each has one tree below a prefix:
 *
 *   wheel      <exe>/../lib/python3.N/{site,dist}-packages/snakebridge/prefix
 *   installed  <exe>/..   by cmake --install, and the build folder
 *
 * The second has a file lib/snakebridge/parts, which names the interpreter of the tool environment, and the package
 * "snakebridge" in lib/snakebridge/python.
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

/* The one line of the file: "python=PATH". */
static char *read_python(const char *path)
{
    static const char name[] = "python=";
    char line[PATH_MAX + 16], *python = NULL;
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    if (fgets(line, sizeof line, file) && strncmp(line, name, strlen(name)) == 0) {
        line[strcspn(line, "\n")] = '\0';
        python = strdup(line + strlen(name));
    }
    fclose(file);
    return python;
}

static int fill_prefix(parts *p, const char *prefix)
{
    struct {
        char **place;
        const char *rest;
    } tree[] = {
        { &p->include, "/include" },
        { &p->lib, "/lib" },
        { &p->engine, "/lib/snakebridge/engine.abi3.so" },
        { &p->cmake, "/lib/cmake/snakebridge" },
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
    p->python = file ? read_python(file) : NULL;
    free(file);
    return p->python && p->python_path ? 0 : -1;
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

    if (find_wheel(p, bin) == 0) {
        p->layout = "wheel";
    } else {
        parts_free(p);
        p->layout = "installed";
        if (find_installed(p, bin) < 0) {
            snprintf(why, size,
                     "the parts that belong to %s are not where they were installed (looked for "
                     "%s/../lib/snakebridge/parts); install again",
                     self, bin);
            return -1;
        }
    }
    const char *chosen = getenv("SNAKEBRIDGE_TOOL_PYTHON");
    if (chosen && *chosen) {
        free(p->python);
        p->python = strdup(chosen);
    }
    if (!p->python) {
        snprintf(why, size, "out of memory");
        return -1;
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
