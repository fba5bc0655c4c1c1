/* SPDX-License-Identifier: MIT
 *
 * output.c - headers onto the disk. What has the same bytes is not touched. What differs is written to a file beside
 * it and renamed when all of them are complete, so that a full disk or an interruption leaves the old ones. Headers of
 * an earlier run that are no longer made are removed, if they begin with our mark.
 */
#include "bindings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct sbg_text *error, const char *path, const char *what)
{
    sbg_addf(error, "%s: %s: %s", path, what, strerror(errno));
    return -1;
}

static int make_folders(struct sbg_arena *arena, const char *path, struct sbg_text *error)
{
    char *folder = sbg_printf(arena, "%s", path);
    for (char *p = folder + 1; *p; p++)
        if (*p == '/') {
            *p = 0;
            if (mkdir(folder, 0777) && errno != EEXIST)
                return fail(error, folder, "cannot make the folder");
            *p = '/';
        }
    return 0;
}

static bool has_bytes(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    char bytes[65536];
    size_t at = 0;
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0 && (size_t)n <= len - at &&
           memcmp(bytes, text + at, (size_t)n) == 0)
        at += (size_t)n;
    close(fd);
    return n == 0 && at == len;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_temporary(const char *path, const struct sbg_file *file, struct sbg_text *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return fail(error, path, "cannot be created");
    int failed = write_all(fd, file->text, file->len) ? errno : 0;
    if (close(fd) && !failed)
        failed = errno;
    errno = failed;
    return failed ? fail(error, path, "cannot be written") : 0;
}

/* All files are written before the first is waited for: the disk then takes them together. */
static int wait_for(const char *path, struct sbg_text *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int failed = fd < 0 || fsync(fd) ? errno : 0;
    if (fd >= 0 && close(fd) && !failed)
        failed = errno;
    errno = failed;
    return failed ? fail(error, path, "cannot be written") : 0;
}

static bool is_marked(const char *path)
{
    char bytes[sizeof SBG_MARK - 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool marked = read(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes &&
                  memcmp(bytes, SBG_MARK, sizeof bytes) == 0;
    close(fd);
    return marked;
}

/* Removes our headers below `path` that are not in `kept`, then folders that are empty. Symlinks are not followed. */
static int sweep(struct sbg_arena *arena, const char *path, const struct sbg_map *kept,
                 struct sbg_report *report, struct sbg_text *error)
{
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, alphasort);
    if (n < 0)
        return errno == ENOENT ? 0 : fail(error, path, "cannot be read");
    int status = 0;
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        const char *full = sbg_printf(arena, "%s/%s", path, name);
        size_t len = strlen(name);
        struct stat s;
        if (status || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || lstat(full, &s)) {
            continue;
        } else if (S_ISDIR(s.st_mode)) {
            status = sweep(arena, full, kept, report, error);
            if (!status)
                rmdir(full); /* fails, as it should, if anything is left in it */
        } else if (S_ISREG(s.st_mode) && len > 2 && strcmp(name + len - 2, ".h") == 0 &&
                   !sbg_map_get(kept, full) && is_marked(full)) {
            if (unlink(full))
                status = fail(error, full, "cannot be removed");
            else
                report->removed++;
        }
    }
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return status;
}

int sbg_write_files(const char *folder, const struct sbg_file *files, size_t count,
                    struct sbg_report *report, struct sbg_text *error)
{
    struct sbg_arena arena = { 0 };
    struct sbg_map kept = { 0 };
    const char **temporary = SBG_ARRAY(&arena, const char *, count);
    const char **path = SBG_ARRAY(&arena, const char *, count);
    int status = 0;
    for (size_t i = 0; i < count && !status; i++) {
        path[i] = sbg_printf(&arena, "%s/%s", folder, files[i].name);
        sbg_map_put(&kept, path[i], (void *)(size_t)1);
        if (has_bytes(path[i], files[i].text, files[i].len))
            continue;
        status = make_folders(&arena, path[i], error);
        if (status)
            break;
        temporary[i] = sbg_printf(&arena, "%s.%ld.tmp", path[i], (long)getpid());
        status = write_temporary(temporary[i], &files[i], error);
    }
    for (size_t i = 0; i < count && !status; i++)
        if (temporary[i])
            status = wait_for(temporary[i], error);
    for (size_t i = 0; i < count && !status; i++) {
        if (!temporary[i])
            continue;
        if (rename(temporary[i], path[i])) {
            status = fail(error, path[i], "cannot be replaced");
        } else {
            temporary[i] = NULL;
            report->written++;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (temporary[i])
            unlink(temporary[i]);
    if (!status)
        status = sweep(&arena, sbg_printf(&arena, "%s/py", folder), &kept, report, error);
    sbg_map_free(&kept);
    sbg_arena_free(&arena);
    return status;
}
