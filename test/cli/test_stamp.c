/* SPDX-License-Identifier: MIT
 *
 * When a stamp is fresh and when it is not; files that are written only if they change.
 */
#include "stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void age(const char *path, long seconds)
{
    struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static int begin(void **state)
{
    char *folder = strdup("/tmp/sb-stamp-XXXXXX");
    *state = folder;
    return folder && mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int end(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    free(*state);
    return chdir("/") || system(command);
}

static void make(const char *key)
{
    sbg_stamp s;
    assert_int_equal(sbg_stamp_begin(&s, key), 0);
    sbg_stamp_read(&s, "in");
    sbg_stamp_read(&s, "folder");
    sbg_stamp_read(&s, "absent");
    sbg_stamp_wrote(&s, "out");
    assert_int_equal(sbg_stamp_end(&s, "stamp"), 0);
}

static void fresh(void **state)
{
    (void)state;
    assert_false(sbg_stamp_fresh("stamp", "k"));
    put("in", "one");
    put("out", "");
    assert_int_equal(mkdir("folder", 0777), 0);
    put("folder/a", "");
    make("k");
    assert_true(sbg_stamp_fresh("stamp", "k"));
    assert_false(sbg_stamp_fresh("stamp", "other"));

    age("in", 1000000000); /* another time, the same bytes */
    assert_true(sbg_stamp_fresh("stamp", "k"));
    put("in", "two");
    age("in", 1000000001);
    assert_false(sbg_stamp_fresh("stamp", "k"));
    make("k");
    put("in", "three"); /* another size */
    assert_false(sbg_stamp_fresh("stamp", "k"));
    make("k");

    put("folder/.hidden", ""); /* an editor's file, and Python's cache, do not count */
    assert_int_equal(mkdir("folder/__pycache__", 0777), 0);
    assert_true(sbg_stamp_fresh("stamp", "k"));
    put("folder/b", "");
    assert_false(sbg_stamp_fresh("stamp", "k"));
    make("k");

    put("absent", "");
    assert_false(sbg_stamp_fresh("stamp", "k"));
    assert_int_equal(unlink("absent"), 0);
    assert_true(sbg_stamp_fresh("stamp", "k"));
    assert_int_equal(unlink("out"), 0);
    assert_false(sbg_stamp_fresh("stamp", "k"));
}

/* Whatever stands in the file, it is not taken for fresh unless it is whole. */
static void damaged(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "snakebridge-stamp 1 k",
        "snakebridge-stamp 1 k\n",
        "snakebridge-stamp 1 k\nend",
        "snakebridge-stamp 1 k\nw /\n",
        "snakebridge-stamp 1 k\nr f\nend\n",
        "snakebridge-stamp 1 k\nr f 1 1 zz /\nend\n",
        "snakebridge-stamp 1 k\nq\nend\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put("stamp", texts[i]);
        assert_false(sbg_stamp_fresh("stamp", "k"));
    }
    put("stamp", "snakebridge-stamp 1 k\nw /\nend\n");
    assert_true(sbg_stamp_fresh("stamp", "k"));
}

static void collect(const char *input, void *user)
{
    strcat(user, input);
    strcat(user, " ");
}

/* What cannot be remembered is never fresh, and what was read is told all the same. */
static void again(void **state)
{
    (void)state;
    sbg_stamp s;
    char inputs[64] = "";
    put("in", "one");
    assert_int_equal(sbg_stamp_begin(&s, "k"), 0);
    sbg_stamp_read(&s, "in");
    sbg_stamp_read(&s, "with a\nline");
    assert_int_equal(sbg_stamp_end(&s, "stamp"), 0);
    assert_false(sbg_stamp_fresh("stamp", "k"));
    assert_int_equal(sbg_stamp_inputs("stamp", collect, inputs), 0);
    assert_string_equal(inputs, "in ");
}

/* A file that changed after the run had begun to read may not be what the run saw; folders change by Python's cache. */
static void changed_meanwhile(void **state)
{
    (void)state;
    put("in", "one");
    assert_int_equal(mkdir("folder", 0777), 0);
    age("in", 1000);
    for (int64_t late = 0; late < 2; late++) {
        sbg_stamp s;
        assert_int_equal(sbg_stamp_begin(&s, "k"), 0);
        s.since = 1000 * INT64_C(1000000000) + 1 - late;
        sbg_stamp_read(&s, "in");
        sbg_stamp_read(&s, "folder");
        assert_int_equal(sbg_stamp_end(&s, "stamp"), 0);
        assert_int_equal(sbg_stamp_fresh("stamp", "k"), !late);
    }
}

static void written_if_changed(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(sbg_write_if_changed("file", "text", 4), 0);
    age("file", 1000000000);
    assert_int_equal(sbg_write_if_changed("file", "text", 4), 0);
    assert_int_equal(stat("file", &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, 1000000000);
    assert_int_equal(sbg_write_if_changed("file", "texts", 5), 0);
    assert_int_equal(stat("file", &st), 0);
    assert_int_equal(st.st_size, 5);
    assert_true(st.st_mtim.tv_sec != 1000000000);
    assert_int_equal(sbg_write_if_changed("no/file", "", 0), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(sbg_make_folders("a/b/c"), 0);
    assert_int_equal(sbg_make_folders("a/b/c"), 0);
    assert_int_equal(sbg_make_folders("file/b"), -1);
    assert_int_equal(errno, ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fresh, begin, end),
        cmocka_unit_test_setup_teardown(damaged, begin, end),
        cmocka_unit_test_setup_teardown(again, begin, end),
        cmocka_unit_test_setup_teardown(changed_meanwhile, begin, end),
        cmocka_unit_test_setup_teardown(written_if_changed, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
