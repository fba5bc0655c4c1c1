/* SPDX-License-Identifier: MIT
 *
 * Starts of a real Python, and of what only looks like one: what is wrong is said by name. */
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const python_path[] = { SB_TEST_PATH, NULL };
const sb_project sb_project_ = {
    .size = sizeof(sb_project),
    .python = SB_TEST_PYTHON,
    .engine = SB_TEST_ENGINE,
    .python_path = python_path,
};

static char folder[] = "/tmp/snakebridge-start-XXXXXX";

static const char *script(const char *name, const char *text)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

static void refused(const char *python, const char *engine, const char *part)
{
    const char *const none[] = { NULL };
    struct sb_place place = { .python = python, .engine = engine, .python_path = none };
    struct sb_link *link;
    char text[2000];
    int rc = try_open(&place, 1, &link, text, sizeof text);
    if (rc != -SB_E_CONFIG || !strstr(text, part))
        print_error("%d: %s\n", rc, text);
    assert_int_equal(rc, -SB_E_CONFIG);
    assert_non_null(strstr(text, part));
    print_message("          %s\n", text);
}

/* Runs worker.py in this Python after `change`. */
#define PYTHON_THAT(change)                                                           \
    "#!/bin/sh\n"                                                                     \
    "exec " SB_TEST_PYTHON " -c 'import sys, types\n" change                          \
    "\nsys.argv = sys.argv[1:]\nexec(compile(open(sys.argv[0]).read(), sys.argv[0], " \
    "\"exec\"))' \"$@\"\n"

static void not_the_right_python(void **state)
{
    (void)state;
    refused(script("old", PYTHON_THAT("sys.version_info = (3, 7, 9)")), SB_TEST_ENGINE,
            "CPython 3.8 or later is needed");
    refused(
        script("other", PYTHON_THAT("sys.implementation = types.SimpleNamespace(name=\"pypy\")")),
        SB_TEST_ENGINE, "is pypy 3.");
    refused(script("wrapper", "#!/bin/sh\n" SB_TEST_PYTHON " \"$@\"\n"), SB_TEST_ENGINE,
            "is the interpreter a script that starts Python without exec?");
    refused(script("shell", "#!/bin/sh\nexit 3\n"), SB_TEST_ENGINE,
            "exited with status 3 before it began to serve");
    refused(script("lost", "#!/no/such/interpreter\n"), SB_TEST_ENGINE,
            "there is no interpreter, as its first line");
    refused(script("text", "this is no program\n"), SB_TEST_ENGINE,
            "it is not a program of this machine");
}

static void not_an_engine(void **state)
{
    (void)state;
    char worker[300], to[300];
    snprintf(worker, sizeof worker, "%s", SB_TEST_ENGINE);
    *strrchr(worker, '/') = '\0';
    strcat(worker, "/worker.py");
    snprintf(to, sizeof to, "%s/worker.py", folder);
    const char *engine = script("engine.abi3.so", "no library\n");
    char kept[200];
    snprintf(kept, sizeof kept, "%s", engine);
    refused(SB_TEST_PYTHON, kept, "worker.py, which starts a worker, beside the engine");
    assert_int_equal(symlink(worker, to), 0);
    refused(SB_TEST_PYTHON, kept, "the engine cannot be loaded by");
}

static void first_result(void **state)
{
    (void)state;
    int64_t begin = sb__now();
    sb_session *py = sb_open(.transport = "worker", .quiet = true);
    assert_float_equal(sb_as_double(py, sb_call(py, "math.sqrt", 4.0)), 2.0, 0);
    print_message("          %g ms to the first result\n", (double)(sb__now() - begin) / 1e6);
    assert_int_equal(sb_close(py), 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, note_holdings, check_holdings)
    const struct CMUnitTest tests[] = {
        T(not_the_right_python),
        T(not_an_engine),
        T(first_result),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
