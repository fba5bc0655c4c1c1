/* SPDX-License-Identifier: MIT
 *
 * The two layouts that the command may be found in, each laid out in a temporary folder.
 */
#include "parts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stamp.h"

static char root[64];

static char *at(const char *rest)
{
    static char paths[8][512];
    static size_t turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", root, rest);
    return path;
}

static void lay(const char *rest, const char *text)
{
    char *path = at(rest), *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(sbg_make_folders(path), 0);
    *slash = '/';
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int begin(void **state)
{
    (void)state;
    strcpy(root, "/tmp/sb-parts-XXXXXX");
    unsetenv("SNAKEBRIDGE_TOOL_PYTHON");
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static void wheel(void **state)
{
    (void)state;
    parts p;
    char why[512];
    lay("venv/bin/snakebridge", "");
    lay("venv/lib/python3.12/site-packages/snakebridge/prefix/include/snakebridge.h", "");
    assert_int_equal(symlink(at("venv/bin/snakebridge"), at("link")), 0);
    assert_int_equal(parts_find(at("link"), &p, why, sizeof why), 0);
    assert_string_equal(p.layout, "wheel");
    assert_string_equal(p.python, "python3.12");
    assert_string_equal(p.python_path, at("venv/lib/python3.12/site-packages"));
    assert_string_equal(p.lib, at("venv/lib/python3.12/site-packages/snakebridge/prefix/lib"));
    parts_free(&p);
    lay("venv/bin/python", "");
    assert_int_equal(chmod(at("venv/bin/python"), 0755), 0);
    assert_int_equal(parts_find(at("link"), &p, why, sizeof why), 0);
    assert_string_equal(p.python, at("venv/bin/python"));
    parts_free(&p);
}

static void installed(void **state)
{
    (void)state;
    parts p;
    char why[512];
    lay("usr/bin/snakebridge", "");
    assert_int_equal(parts_find(at("usr/bin/snakebridge"), &p, why, sizeof why), -1);
    assert_non_null(strstr(why, "usr/bin/../lib/snakebridge/parts"));
    parts_free(&p);
    lay("usr/lib/snakebridge/parts", "engine=/t/python\n");
    assert_int_equal(parts_find(at("usr/bin/snakebridge"), &p, why, sizeof why), -1);
    parts_free(&p);
    lay("usr/lib/snakebridge/parts", "python=/t/python\n");
    assert_int_equal(parts_find(at("usr/bin/snakebridge"), &p, why, sizeof why), 0);
    assert_string_equal(p.layout, "installed");
    assert_string_equal(p.include, at("usr/include"));
    assert_string_equal(p.python_path, at("usr/lib/snakebridge/python"));
    parts_free(&p);
    setenv("SNAKEBRIDGE_TOOL_PYTHON", "/o/python", 1);
    assert_int_equal(parts_find(at("usr/bin/snakebridge"), &p, why, sizeof why), 0);
    assert_string_equal(p.python, "/o/python");
    parts_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wheel, begin, end),
        cmocka_unit_test_setup_teardown(installed, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
