/* SPDX-License-Identifier: MIT
 *
 * run.c - `generate` from start to end: stamp, lock, the Python side (which writes manifests), the emitter, the new
 * stamp. Two runs in one project wait for each other (flock); the second one then finds its work done. A run that
 * failed leaves no stamp, so that the next one tries again.
 */
#include "run.h"
#include "stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAIL(...) snprintf(outcome->error, sizeof outcome->error, __VA_ARGS__)

/* What makes a stamp another one: version and options, on one line. */
static char *make_key(const sbg_request *q)
{
    char *key = NULL;
    const char *python = getenv("SNAKEBRIDGE_PYTHON"), *folder = getenv("UV_PROJECT_ENVIRONMENT");
    int rc = asprintf(&key, "%s project=%s output=%s engine=%s tool=%s python=%s:%s", q->version,
                      q->project, q->output ? q->output : "", q->engine, q->tool.python,
                      python ? python : "", folder ? folder : "");
    if (rc < 0)
        return NULL;
    for (char *p = key; *p; p++) {
        if (*p == '\n')
            *p = ' ';
    }
    return key;
}

/* Runs with different output folders have stamps of their own. */
static char *stamp_path(const char *folder, const char *output)
{
    char *path = NULL;
    unsigned long hash = 5381;
    for (const char *p = output ? output : ""; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    return asprintf(&path, "%s/stamp-%lx", folder, hash) < 0 ? NULL : path;
}

static int lock(const char *folder)
{
    char *path = NULL;
    if (asprintf(&path, "%s/lock", folder) < 0)
        return -1;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    free(path);
    while (fd >= 0 && flock(fd, LOCK_EX) < 0) {
        if (errno != EINTR) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

/* The generator is an input itself: the command and its Python modules. */
static void read_generator(sbg_stamp *s, const char *python_path)
{
    sbg_stamp_read(s, "/proc/self/exe");
    char *pattern = NULL;
    glob_t found;
    if (asprintf(&pattern, "%s/snakebridge/*.py", python_path) < 0)
        return;
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            sbg_stamp_read(s, found.gl_pathv[i]);
        globfree(&found);
    }
    free(pattern);
}

static char *absolute(const char *root, const char *path)
{
    char *full = NULL;
    if (*path == '/')
        return strdup(path);
    return asprintf(&full, "%s/%s", root, path) < 0 ? NULL : full;
}

/* A path as a make rule holds it. */
static void put_dependency(FILE *to, const char *path)
{
    for (; *path; path++) {
        if (*path == ' ' || *path == '#' || *path == '\\')
            fputc('\\', to);
        else if (*path == '$')
            fputc('$', to);
        fputc(*path, to);
    }
}

typedef struct rules {
    FILE *to;
    bool heads; /* the second pass: an empty rule each */
} rules;

/* Folders count by the names in them, which build tools cannot see; their time changes for less than that in the
 * environment's own, where Python keeps its cache. */
static void put_rule(const char *path, void *user)
{
    rules *r = user;
    struct stat st;
    if (strncmp(path, "/proc/", 6) == 0 || stat(path, &st) < 0 ||
        (S_ISDIR(st.st_mode) && strstr(path, "-packages")))
        return;
    fputs(r->heads ? "" : " \\\n  ", r->to);
    put_dependency(r->to, path);
    fputs(r->heads ? ":\n" : "", r->to);
}

/* "target: input ..." and an empty rule for each input, so that make does not stop when one is gone. What was read is
 * told by the stamp, so that it is known too where there was nothing to do. */
static int write_depfile(const sbg_request *q, const char *stamp)
{
    char *text = NULL, *folder = sbg_project_root(q->depfile);
    size_t size = 0;
    rules r = { .to = open_memstream(&text, &size) };
    int rc = -1;
    if (!r.to || !folder)
        goto end;
    put_dependency(r.to, q->touch ? q->touch : q->depfile);
    fputc(':', r.to);
    if (sbg_stamp_inputs(stamp, put_rule, &r) < 0)
        goto end;
    fputc('\n', r.to);
    r.heads = true;
    if (sbg_stamp_inputs(stamp, put_rule, &r) < 0)
        goto end;
    bool bad = ferror(r.to);
    if (fclose(r.to) != 0 || bad)
        errno = ENOMEM;
    else if (sbg_make_folders(folder) == 0)
        rc = sbg_write_if_changed(q->depfile, text, size);
    r.to = NULL;
end:;
    int saved = errno;
    if (r.to)
        fclose(r.to);
    free(text);
    free(folder);
    errno = saved;
    return rc;
}

/* Newer than what was read, so that make and ninja are at rest. */
static int touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return -1;
    int rc = futimens(fd, NULL);
    close(fd);
    return rc;
}

static int finish(const sbg_request *q, const char *stamp, sbg_outcome *outcome)
{
    if (q->depfile && write_depfile(q, stamp) < 0) {
        FAIL("%s: %s", q->depfile, strerror(errno));
        return SBG_BROKEN;
    }
    const struct sbg_report *r = &outcome->report;
    bool changed = q->changed && (r->written + r->removed > 0 || access(q->changed, F_OK) < 0);
    const char *paths[] = { q->depfile, changed ? q->changed : NULL, q->touch };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (paths[i] && touch(paths[i]) < 0) {
            FAIL("%s: %s", paths[i], strerror(errno));
            return SBG_BROKEN;
        }
    }
    return SBG_DONE;
}

static int emit(const sbg_request *q, const char *root, const json_t *done, sbg_outcome *outcome)
{
    const json_t *libraries = json_object_get(done, "libraries");
    size_t count = json_array_size(libraries);
    const char **paths = NULL, **manifests = calloc(count + 1, sizeof *manifests);
    struct sbg_project_table table = { .engine = q->engine, .root = root };
    int rc = SBG_BROKEN;
    if (!manifests || sbg_project_table(done, &table, &paths) < 0) {
        FAIL("out of memory");
        goto end;
    }
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *library = json_array_get(libraries, i);
        const char *path = json_string_value(json_object_get(library, "manifest"));
        if (path)
            manifests[n++] = path;
    }
    struct sbg_emit_options options = {
        .manifests = manifests,
        .manifest_count = n,
        .output = outcome->output,
        .project = &table,
    };
    if (sbg_emit(&options, &outcome->report) == 0)
        rc = SBG_DONE;
    else
        FAIL("%s", outcome->report.error ? outcome->report.error : "out of memory");
end:
    free(manifests);
    free(paths);
    return rc;
}

/* What the run read (by `done`) and wrote, apart from the generator itself. */
static void fill_stamp(sbg_stamp *s, const char *root, const json_t *done, const sbg_request *q,
                       const sbg_outcome *outcome)
{
    const json_t *inputs = json_object_get(done, "inputs");
    s->since = json_integer_value(json_object_get(done, "since"));
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        const char *name = json_string_value(json_array_get(inputs, i));
        char *path = name ? absolute(root, name) : NULL;
        if (path && strcmp(path, q->project) != 0)
            sbg_stamp_read(s, path);
        else if (!path)
            s->failed = true;
        free(path);
    }
    for (size_t i = 0; i < outcome->report.headers.count; i++) {
        char *path = absolute(outcome->output, outcome->report.headers.text[i]);
        if (path)
            sbg_stamp_wrote(s, path);
        else
            s->failed = true;
        free(path);
    }
}

/* With the lock held. */
static int run(const sbg_request *q, const char *root, const char *folder, const char *key,
               const char *stamp, sbg_outcome *outcome)
{
    json_t *done = NULL;
    char *manifests = NULL;
    int rc = SBG_BROKEN;
    bool begun = false;
    sbg_stamp s;
    unlink(stamp);
    if (asprintf(&manifests, "%s/manifest", folder) < 0 || sbg_stamp_begin(&s, key) < 0) {
        FAIL("out of memory");
        goto end;
    }
    begun = true;
    read_generator(&s, q->tool.python_path);
    sbg_stamp_read(&s, q->project); /* before it is read: what is changed meanwhile is seen */
    if (sbg_make_folders(manifests) < 0) {
        FAIL("%s: %s", manifests, strerror(errno));
        goto end;
    }
    const char *step[] = { "bind", q->project, "--manifests", manifests, NULL };
    rc = sbg_tool_run(&q->tool, step, q->on_event, q->user, &done);
    if (rc == SBG_BROKEN || !done)
        goto end;
    const char *option = json_string_value(json_object_get(done, "output"));
    outcome->output = absolute(root, q->output ? q->output : option ? option : "build/snakebridge");
    if (!outcome->output || sbg_make_folders(outcome->output) < 0) {
        FAIL("%s: %s", outcome->output ? outcome->output : "output", strerror(errno));
        rc = SBG_BROKEN;
        goto end;
    }
    if (sbg_project_save(folder, done) < 0) {
        FAIL("%s/project.json: %s", folder, strerror(errno));
        rc = SBG_BROKEN;
        goto end;
    }
    int emitted = emit(q, root, done, outcome);
    if (emitted != SBG_DONE || rc != SBG_DONE) {
        rc = emitted == SBG_DONE ? rc : emitted;
        goto end;
    }
    fill_stamp(&s, root, done, q, outcome);
    begun = false;
    if (sbg_stamp_end(&s, stamp) < 0) {
        FAIL("%s: %s", stamp, strerror(errno));
        rc = SBG_BROKEN;
        goto end;
    }
    rc = finish(q, stamp, outcome);
end:
    if (begun)
        sbg_stamp_end(&s, NULL);
    json_decref(done);
    free(manifests);
    return rc;
}

int sbg_generate(const sbg_request *q, sbg_outcome *outcome)
{
    memset(outcome, 0, sizeof *outcome);
    int rc = SBG_BROKEN, held = -1;
    char *key = make_key(q), *root = sbg_project_root(q->project), *folder = NULL, *stamp = NULL;
    if (!key || !root) {
        FAIL("out of memory");
        goto end;
    }
    folder = sbg_project_folder(root);
    if (!folder) {
        FAIL("%s/.snakebridge: %s", root, strerror(errno));
        goto end;
    }
    stamp = stamp_path(folder, q->output);
    held = stamp ? lock(folder) : -1;
    if (held < 0) {
        FAIL("%s/lock: %s", folder, strerror(errno));
        goto end;
    }
    outcome->fresh = sbg_stamp_fresh(stamp, key);
    rc = outcome->fresh ? finish(q, stamp, outcome) : run(q, root, folder, key, stamp, outcome);
end:
    if (held >= 0)
        close(held);
    free(key);
    free(root);
    free(folder);
    free(stamp);
    return rc;
}

void sbg_outcome_free(sbg_outcome *outcome)
{
    free(outcome->output);
    sbg_report_free(&outcome->report);
}
