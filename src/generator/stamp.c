/* SPDX-License-Identifier: MIT
 *
 * stamp.c - the stamp is text, a line an entry:
 *
 *   snakebridge-stamp 1 <key>
 *   r <kind> <size> <mtime in ns> <hash> <path>     what was read; kind f (file), d (folder), - (not there)
 *   w <path>                                        what was written
 *
 * Size and time equal: unchanged. The time alone differs (a checkout, a touch): the hash decides. A folder's hash is of
 * the sorted names in it. A file that changes within the clock's granularity right after it was read, at equal size,
 * is the known gap of every such scheme; the recorded time is nanoseconds. The last line is "end", or "again" where
 * something could not be remembered: then it lists inputs and is never fresh.
 */
#include "stamp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t mix(uint64_t hash, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return hash;
}
static const uint64_t hash_start = UINT64_C(0xcbf29ce484222325);

static int hash_file(const char *path, uint64_t *hash)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    char bytes[65536];
    ssize_t got;
    *hash = hash_start;
    while ((got = read(fd, bytes, sizeof bytes)) > 0)
        *hash = mix(*hash, bytes, (size_t)got);
    close(fd);
    return got < 0 ? -1 : 0;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, "__pycache__") != 0;
}

static int hash_folder(const char *path, uint64_t *hash)
{
    struct dirent **names = NULL;
    int count = scandir(path, &names, visible, alphasort);
    if (count < 0)
        return -1;
    *hash = hash_start;
    for (int i = 0; i < count; i++) {
        *hash = mix(*hash, names[i]->d_name, strlen(names[i]->d_name) + 1);
        free(names[i]);
    }
    free(names);
    return 0;
}

typedef struct entry {
    char kind;
    int64_t size, mtime;
} entry;

static entry look(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return (entry) { .kind = '-' };
    if (S_ISDIR(st.st_mode))
        st.st_size = 0;
    return (entry) { .kind = S_ISDIR(st.st_mode) ? 'd' : 'f',
                     .size = st.st_size,
                     .mtime = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec };
}

static int hash_of(const char *path, char kind, uint64_t *hash)
{
    *hash = 0;
    return kind == 'f' ? hash_file(path, hash) : kind == 'd' ? hash_folder(path, hash) : 0;
}

/* Takes an "r" line apart, behind the "r ". Returns the path in it, or NULL. */
static const char *parse(const char *line, entry *e, uint64_t *hash)
{
    int path = 0;
    int count = sscanf(line, "%c %" SCNd64 " %" SCNd64 " %" SCNx64 " %n", &e->kind, &e->size,
                       &e->mtime, hash, &path);
    return count == 4 && path && line[path] ? line + path : NULL;
}

static bool unchanged(const char *line)
{
    entry e;
    uint64_t hash, hash_now;
    const char *path = parse(line, &e, &hash);
    if (!path)
        return false;
    entry now = look(path);
    if (now.kind != e.kind || now.size != e.size)
        return false;
    return now.mtime == e.mtime || (hash_of(path, e.kind, &hash_now) == 0 && hash_now == hash);
}

bool sbg_stamp_fresh(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char *line = NULL, *first = NULL;
    size_t room = 0;
    ssize_t len;
    bool fresh = asprintf(&first, "snakebridge-stamp 1 %s\n", key) >= 0 &&
                 getline(&line, &room, file) > 0 && strcmp(line, first) == 0;
    bool ended = false;
    while (fresh && (len = getline(&line, &room, file)) > 0) {
        if (line[len - 1] != '\n') {
            fresh = false;
            break;
        }
        line[len - 1] = '\0';
        if (strcmp(line, "end") == 0)
            ended = true;
        else if (strncmp(line, "r ", 2) == 0)
            fresh = unchanged(line + 2);
        else if (strncmp(line, "w ", 2) == 0)
            fresh = access(line + 2, F_OK) == 0;
        else
            fresh = false;
    }
    free(first);
    free(line);
    fclose(file);
    return fresh && ended;
}

int sbg_stamp_inputs(const char *path, void (*each)(const char *input, void *user), void *user)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    while ((len = getline(&line, &room, file)) > 0) {
        entry e;
        uint64_t hash;
        line[len - 1] = '\0';
        const char *input = strncmp(line, "r ", 2) == 0 ? parse(line + 2, &e, &hash) : NULL;
        if (input && e.kind != '-')
            each(input, user);
    }
    int rc = ferror(file) ? -1 : 0;
    free(line);
    fclose(file);
    return rc;
}

int sbg_stamp_begin(sbg_stamp *s, const char *key)
{
    memset(s, 0, sizeof *s);
    s->to = open_memstream(&s->text, &s->size);
    if (!s->to)
        return -1;
    fprintf(s->to, "snakebridge-stamp 1 %s\n", key);
    return 0;
}

void sbg_stamp_read(sbg_stamp *s, const char *path)
{
    uint64_t hash;
    entry e = look(path);
    if (e.kind == 'f' && s->since && e.mtime >= s->since)
        s->failed = true; /* the run may have seen what was there before */
    if (strchr(path, '\n') || hash_of(path, e.kind, &hash) < 0) {
        s->failed = true; /* cannot be remembered: the next run does its work again */
        return;
    }
    fprintf(s->to, "r %c %" PRId64 " %" PRId64 " %" PRIx64 " %s\n", e.kind, e.size, e.mtime, hash,
            path);
}

void sbg_stamp_wrote(sbg_stamp *s, const char *path)
{
    if (strchr(path, '\n'))
        s->failed = true;
    else
        fprintf(s->to, "w %s\n", path);
}

int sbg_stamp_end(sbg_stamp *s, const char *path)
{
    int rc = 0;
    fputs(s->failed ? "again\n" : "end\n", s->to);
    bool bad = ferror(s->to);
    if (fclose(s->to) != 0 || bad) {
        errno = ENOMEM;
        rc = -1;
    } else if (path) {
        rc = sbg_write_if_changed(path, s->text, s->size);
    }
    int saved = errno;
    free(s->text);
    errno = saved;
    return rc;
}

static bool same(const char *path, const char *bytes, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct stat st;
    bool equal = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == size;
    char chunk[65536];
    size_t done = 0;
    while (equal && done < size) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        equal =
            got > 0 && done + (size_t)got <= size && memcmp(chunk, bytes + done, (size_t)got) == 0;
        done += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    return equal;
}

int sbg_write_if_changed(const char *path, const char *bytes, size_t size)
{
    if (same(path, bytes, size))
        return 0;
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.%d.tmp", path, (int)getpid()) < 0)
        return -1;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int rc = fd < 0 ? -1 : 0;
    for (size_t done = 0; rc == 0 && done < size;) {
        ssize_t put = write(fd, bytes + done, size - done);
        if (put >= 0)
            done += (size_t)put;
        else if (errno != EINTR)
            rc = -1;
    }
    if (fd >= 0 && close(fd) < 0)
        rc = -1;
    if (rc == 0)
        rc = rename(temporary, path);
    if (rc < 0) {
        int saved = errno;
        if (fd >= 0)
            unlink(temporary);
        errno = saved;
    }
    free(temporary);
    return rc;
}

int sbg_make_folders(const char *path)
{
    char copy[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof copy) {
        errno = len ? ENAMETOOLONG : ENOENT;
        return -1;
    }
    memcpy(copy, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (copy[i] != '/' && copy[i] != '\0')
            continue;
        char saved = copy[i];
        copy[i] = '\0';
        if (mkdir(copy, 0777) < 0) {
            struct stat st;
            int why = errno;
            if (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode)) {
                errno = why == EEXIST ? ENOTDIR : why;
                return -1;
            }
        }
        copy[i] = saved;
    }
    return 0;
}
