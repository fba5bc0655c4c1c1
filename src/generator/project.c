/* SPDX-License-Identifier: MIT
 *
 * project.c - where a project is. Its TOML is read by the Python side alone.
 */
#include "project.h"
#include "stamp.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char file_name[] = "pyproject.toml";

char *sbg_project_root(const char *file)
{
    const char *slash = strrchr(file, '/');
    if (!slash)
        return strdup(".");
    return slash == file ? strdup("/") : strndup(file, (size_t)(slash - file));
}

static char *find_named(const char *named, char *why, size_t size)
{
    char *path = NULL;
    struct stat st;
    if (stat(named, &st) < 0) {
        snprintf(why, size, "%s: %s", named, strerror(errno));
        return NULL;
    }
    if (asprintf(&path, S_ISDIR(st.st_mode) ? "%s/%s" : "%s", named, file_name) < 0)
        path = NULL;
    char *real = path ? realpath(path, NULL) : NULL;
    if (!real)
        snprintf(why, size, "%s: %s", path ? path : named, strerror(errno));
    free(path);
    return real;
}

char *sbg_project_find(const char *named, char *why, size_t size)
{
    if (named)
        return find_named(named, why, size);
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) {
        snprintf(why, size, "this folder: %s", strerror(errno));
        return NULL;
    }
    for (char *folder = here;;) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s", folder, file_name) < 0)
            break;
        if (access(path, F_OK) == 0)
            return path;
        free(path);
        char *slash = strrchr(folder, '/');
        if (!slash || !*folder)
            break;
        *slash = '\0';
    }
    snprintf(why, size, "there is no pyproject.toml in this folder or one above");
    return NULL;
}

char *sbg_project_folder(const char *root)
{
    char *folder = NULL, *ignore = NULL;
    if (asprintf(&folder, "%s/.snakebridge", root) < 0)
        return NULL;
    if (sbg_make_folders(folder) < 0 || asprintf(&ignore, "%s/.gitignore", folder) < 0) {
        int saved = errno;
        free(folder);
        errno = saved;
        return NULL;
    }
    if (access(ignore, F_OK) < 0 && sbg_write_if_changed(ignore, "*\n", 2) < 0) {
        int saved = errno;
        free(folder);
        folder = NULL;
        errno = saved;
    }
    free(ignore);
    return folder;
}

int sbg_project_table(const json_t *done, struct sbg_project_table *table, const char ***paths)
{
    const json_t *list = json_object_get(done, "python_path");
    size_t count = json_array_size(list);
    *paths = calloc(count + 1, sizeof **paths);
    if (!*paths)
        return -1;
    for (size_t i = 0; i < count; i++)
        (*paths)[i] = json_string_value(json_array_get(list, i));
    table->python = json_string_value(json_object_get(done, "python"));
    table->libpython = json_string_value(json_object_get(done, "libpython"));
    table->transport = json_string_value(json_object_get(done, "transport"));
    table->error_detail = json_string_value(json_object_get(done, "error_detail"));
    table->python_path = count ? *paths : NULL;
    return 0;
}

int sbg_project_save(const char *folder, const json_t *done)
{
    static const char *const kept[] = { "error_detail", "libpython", "python", "python_path",
                                        "transport" };
    char *path = NULL, *text = NULL;
    int rc = -1;
    json_t *table = json_object();
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        json_t *value = json_object_get(done, kept[i]);
        if (value)
            json_object_set(table, kept[i], value);
    }
    text = json_dumps(table, JSON_INDENT(2) | JSON_SORT_KEYS);
    if (!text || asprintf(&path, "%s/project.json", folder) < 0)
        errno = ENOMEM;
    else
        rc = sbg_write_if_changed(path, text, strlen(text));
    int saved = errno;
    json_decref(table);
    free(text);
    free(path);
    errno = saved;
    return rc;
}

json_t *sbg_project_load(const char *folder)
{
    char *path = NULL;
    if (asprintf(&path, "%s/project.json", folder) < 0)
        return NULL;
    json_t *table = json_load_file(path, 0, NULL);
    free(path);
    return table;
}
