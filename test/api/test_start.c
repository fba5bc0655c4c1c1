/* SPDX-License-Identifier: MIT
 *
 * Pythons that cannot be started, over each transport. The command line names the case: a process that once tried to start
 * Python in-process is no fresh one. Exit code 77: what the case needs is not on this machine. */
#include "api.h"
#include <sys/stat.h>

enum { SKIPPED = 77 };
static const char *parts[3]; /* what the message must contain; NULL: the rest is not looked at */

/* Fails three times, with the same error and the place of the call; no descriptor is left by any. */
static int refuses(sb_code code, const char *python)
{
    char list[4096];
    int after_first = 0;
    for (int i = 0; i < 3; i++) {
        double start = seconds();
        sb_session *py = sb_open(.quiet = true, .python = python);
        sb_call(py, "math.sqrt", 4);
        int line = __LINE__ - 1;
        const sb_error *e = sb_get_error(py);
        if (!e) {
            fprintf(stderr, "no error\n");
            return 1;
        }
        bool fits = e->code == code && e->line == line && strstr(e->file, "test_start.c") &&
                    seconds() - start < 20;
        for (int k = 0; k < 3; k++)
            fits = fits && (!parts[k] || strstr(e->message, parts[k]));
        fprintf(stderr, "%s:%d: %s: %s\n", e->file, e->line, e->type, e->message);
        if (!fits) {
            fprintf(stderr, "that is not %s with \"%s\", \"%s\", \"%s\"\n", sb_code_name(code),
                    parts[0] ? parts[0] : "", parts[1] ? parts[1] : "", parts[2] ? parts[2] : "");
            return 1;
        }
        /* Cleared, the next call tries again; the session stays usable for that. */
        sb_clear_error(py);
        if (sb_failed(py) || sb_as_double(py, sb_call(py, "math.sqrt", 4)) != 0 || !sb_failed(py)) {
            fprintf(stderr, "after the error was cleared, the next call did not fail\n");
            return 1;
        }
        if (sb_close(py) != 1)
            return 1;
        int n = 0;
        for (double end = seconds() + 2; seconds() < end; nap(0.01))
            if ((n = descriptors(list, sizeof list)) <= after_first || i == 0)
                break;
        if (i == 0)
            after_first = n;
        else if (n > after_first) {
            fprintf(stderr, "descriptors: %d, then %d: %s\n", after_first, n, list);
            return 1;
        }
    }
    return 0;
}

/* The interpreter of a version that pyenv has built, if it has. */
static const char *pyenv(const char *version)
{
    static char path[512];
    const char *root = getenv("PYENV_ROOT"), *home = getenv("HOME");
    snprintf(path, sizeof path, "%s%s/versions/%s/bin/python",
             root   ? root
             : home ? home
                    : "",
             root ? "" : "/.pyenv", version);
    return access(path, X_OK) == 0 ? path : NULL;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "missing")) {
        parts[0] = "/no/such/python";
        return refuses(SB_E_CONFIG, "/no/such/python");
    }
    if (!strcmp(name, "not_on_path")) {
        parts[0] = "no-such-python-1.2";
        return refuses(SB_E_CONFIG, "no-such-python-1.2");
    }
    if (!strcmp(name, "not_executable")) {
        parts[0] = "/etc/passwd";
        return refuses(SB_E_CONFIG, "/etc/passwd");
    }
    if (!strcmp(name, "folder")) {
        parts[0] = "/etc";
        return refuses(SB_E_CONFIG, "/etc");
    }
    if (!strcmp(name, "not_python")) {
        parts[0] = "/bin/true";
        parts[1] = "status 0";
        return refuses(SB_E_CONFIG, "/bin/true");
    }
    if (!strcmp(name, "other_program")) {
        parts[0] = "/bin/cat";
        parts[1] = "status 1";
        return refuses(SB_E_CONFIG, "/bin/cat");
    }
    if (!strcmp(name, "no_engine")) {
        setenv("SNAKEBRIDGE_ENGINE", "/no/such/engine.abi3.so", 1);
        parts[0] = "/no/such/engine.abi3.so";
        return refuses(SB_E_CONFIG, NULL);
    }
    if (!strcmp(name, "not_an_engine")) {
        setenv("SNAKEBRIDGE_ENGINE", "/etc/hostname", 1);
        parts[0] = "/etc/";
        return refuses(SB_E_CONFIG, NULL);
    }
    if (!strcmp(name, "transport")) {
        setenv("SNAKEBRIDGE_TRANSPORT", "pigeon", 1);
        sb_session *py = sb_open(.quiet = true);
        const sb_error *e = sb_get_error(py);
        return !e || e->code != SB_E_CONFIG || !strstr(e->message, "pigeon") || sb_close(py) != 1;
    }
    if (!strcmp(name, "environment")) { /* the environment wins over the project's table */
        setenv("SNAKEBRIDGE_PYTHON", "/no/such/environment", 1);
        parts[0] = "/no/such/environment";
        return refuses(SB_E_CONFIG, NULL);
    }
    if (!strncmp(name, "python-", 7)) {
        parts[0] = pyenv(name + 7);
        parts[1] = "CPython 3.8 or later is needed";
        return parts[0] ? refuses(SB_E_CONFIG, parts[0]) : SKIPPED;
    }
    if (!strcmp(name, "no_libpython")) {
        /* An interpreter that says so: those of this machine may all have theirs. */
        const char *folder = getenv("TMPDIR");
        char path[512];
        snprintf(path, sizeof path, "%s/python-without-a-library", folder ? folder : "/tmp");
        FILE *f = fopen(path, "we");
        if (!f || fputs("#!/bin/sh\nprintf 'snakebridge cpython 3.11 '\n", f) < 0 || fclose(f) ||
            chmod(path, 0755))
            return 1;
        parts[0] = path;
        parts[1] = "has no shared libpython";
        int rc = refuses(SB_E_CONFIG, path);
        return unlink(path) ? 1 : rc;
    }
    fprintf(stderr, "usage: test_api_start CASE\n");
    return 2;
}
