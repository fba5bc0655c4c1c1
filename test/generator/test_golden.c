/* SPDX-License-Identifier: MIT
 *
 * test_golden.c - the headers of three small manifests that together have every feature, against golden/ (--update
 * accepts what came out), and what happens to files: nothing changes without need, all or nothing changes on failure.
 */
#include "cases.h"
#include "headers.h"

#include "emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOLDEN SB_TEST_SOURCE "/golden"
#define MANIFESTS SB_TEST_SOURCE "/manifests/"

static const char *const all[] = { MANIFESTS "alpha.json", MANIFESTS "demo.json",
                                   MANIFESTS "stdlib.json" };

static int emit(const char *folder, const char *const *manifests, size_t count,
                struct sbg_report *report)
{
    static const char *const path[] = { "/srv/app/lib", "C:\\odd\"path?\?/", NULL };
    const struct sbg_project_table project = {
        .python = "/srv/app/.venv/bin/python",
        .transport = "worker",
        .error_detail = "explained",
        .python_path = path,
        .root = "/srv/app",
    };
    const struct sbg_emit_options options = { manifests, count, folder, &project };
    return sbg_emit(&options, report);
}

static void emit_well(const char *folder, const char *const *manifests, size_t count,
                      struct sbg_report *report)
{
    if (emit(folder, manifests, count, report))
        fail_msg("%s", report->error);
    assert_null(report->error);
}

static char *path_in(const char *folder, const char *name)
{
    struct sbg_text path = { 0 };
    sbg_addf(&path, "%s/%s", folder, name);
    return path.ptr;
}

static void show_nothing(char *prototype, char *path, char *sig, void *user)
{
    (void)prototype, (void)path, (void)sig, (void)user;
}

static void test_golden(void **state)
{
    struct sbg_report report;
    char *folder = cases_folder();
    size_t functions = 0;
    (void)state;
    emit_well(cases_update ? GOLDEN : folder, all, 3, &report);
    assert_int_equal(report.headers.count, 12);
    for (size_t i = 0; i < report.headers.count; i++) {
        char *golden = path_in(GOLDEN, report.headers.text[i]);
        char *made = path_in(cases_update ? GOLDEN : folder, report.headers.text[i]);
        char *expected = cases_read(golden), *got = cases_read(made);
        assert_non_null(got);
        functions += headers_each(got, show_nothing, NULL);
        if (!expected || strcmp(expected, got) != 0) {
            size_t line = 1, at = 0;
            for (; expected && expected[at] && expected[at] == got[at]; at++)
                line += got[at] == '\n';
            fail_msg("%s differs in line %zu; test_generator_golden --update accepts", golden,
                     line);
        }
        free(golden);
        free(made);
        free(expected);
        free(got);
    }
    assert_true(functions > 80 && functions <= report.functions);
    assert_true(report.classes > 15 && report.enums >= 6 && report.dynamic.count > 20);
    sbg_report_free(&report);
    cases_remove(folder);
}

static int count_file(const char *path, const struct stat *s, int kind, struct FTW *walk);
static size_t file_count;
static struct timespec newest;

static int count_file(const char *path, const struct stat *s, int kind, struct FTW *walk)
{
    (void)path, (void)walk;
    if (kind == FTW_F) {
        file_count++;
        if (s->st_mtim.tv_sec > newest.tv_sec ||
            (s->st_mtim.tv_sec == newest.tv_sec && s->st_mtim.tv_nsec > newest.tv_nsec))
            newest = s->st_mtim;
    }
    return 0;
}

static size_t files_in(const char *folder)
{
    file_count = 0;
    newest = (struct timespec) { 0 };
    assert_int_equal(nftw(folder, count_file, 16, FTW_PHYS), 0);
    return file_count;
}

/* The order in which manifests are named does not matter, and what is there already is not written again. */
static void test_again(void **state)
{
    static const char *const reversed[] = { MANIFESTS "stdlib.json", MANIFESTS "demo.json",
                                            MANIFESTS "alpha.json" };
    struct sbg_report report;
    char *folder = cases_folder();
    (void)state;
    emit_well(folder, all, 3, &report);
    assert_int_equal(report.written, 12);
    sbg_report_free(&report);
    assert_int_equal(files_in(folder), 12);
    struct timespec before = newest;
    emit_well(folder, reversed, 3, &report);
    assert_int_equal(report.written, 0);
    assert_int_equal(report.removed, 0);
    sbg_report_free(&report);
    assert_int_equal(files_in(folder), 12);
    assert_memory_equal(&before, &newest, sizeof before);
    cases_remove(folder);
}

/* Headers of libraries that are gone go too; what we did not make stays. */
static void test_removal(void **state)
{
    struct sbg_report report;
    char *folder = cases_folder(), *mine = path_in(folder, "py/demo/mine.h");
    char *link = path_in(folder, "py/link.h"), *inner = path_in(folder, "py/os/path.h");
    char *outer = path_in(folder, "py/os"), *linked = path_in(folder, "elsewhere.h");
    (void)state;
    emit_well(folder, all, 3, &report);
    sbg_report_free(&report);
    cases_write(mine, "/* Mine. */\n");
    cases_write(linked, "/* Generated by snakebridge, but elsewhere. */\n");
    assert_int_equal(symlink(linked, link), 0);
    emit_well(folder, all, 1, &report); /* alpha alone */
    assert_int_equal(report.removed, 9);
    sbg_report_free(&report);
    assert_int_equal(access(mine, F_OK), 0);
    assert_int_equal(access(link, F_OK), 0);
    assert_int_equal(access(linked, F_OK), 0);
    assert_int_equal(access(inner, F_OK), -1);
    assert_int_equal(access(outer, F_OK), -1);
    assert_int_equal(files_in(folder), 5);
    free(mine);
    free(link);
    free(inner);
    free(outer);
    free(linked);
    cases_remove(folder);
}

static void expect_error(const char *folder, const char *const *manifests, size_t count,
                         const char *part)
{
    struct sbg_report report;
    assert_int_equal(emit(folder, manifests, count, &report), -1);
    assert_non_null(report.error);
    if (!strstr(report.error, part))
        fail_msg("\"%s\" is not in \"%s\"", part, report.error);
    assert_int_equal(report.headers.count, 0);
    sbg_report_free(&report);
}

static void test_errors(void **state)
{
    static const char *const missing[] = { MANIFESTS "nowhere.json" };
    static const char *const twice[] = { MANIFESTS "demo.json", MANIFESTS "demo.json" };
    static const char *const directory[] = { MANIFESTS };
    char *folder = cases_folder(), *file = path_in(folder, "file"), *below = path_in(file, "out");
    (void)state;
    expect_error(folder, missing, 1, "nowhere.json: No such file or directory");
    expect_error(folder, directory, 1, "Is a directory");
    expect_error(folder, twice, 2, "library: \"demo\" is in ");
    cases_write(file, "");
    expect_error(below, all, 3, "file/out: cannot make the folder: Not a directory");
    assert_int_equal(files_in(folder), 1);
    free(file);
    free(below);
    cases_remove(folder);
}

/* Runs `what` in a process of its own, whose limits and identity it may change. */
static void in_child(void what(const char *folder), const char *folder)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        what(folder);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void check_in_child(bool good)
{
    if (!good)
        _exit(1);
}

static void without_room(const char *folder)
{
    struct rlimit limit = { 4000, 4000 };
    struct sbg_report report;
    check_in_child(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &limit) == 0);
    check_in_child(emit(folder, all, 3, &report) == -1);
    check_in_child(strstr(report.error, folder) && strstr(report.error, "cannot be written") &&
                   strstr(report.error, strerror(EFBIG)));
    sbg_report_free(&report);
}

/* A disk that is full in the middle leaves the old headers and nothing else. */
static void test_full(void **state)
{
    struct sbg_report report;
    char *folder = cases_folder(), *old = path_in(folder, "py/alpha.h"), *before, *after;
    (void)state;
    emit_well(folder, all, 1, &report);
    sbg_report_free(&report);
    before = cases_read(old);
    assert_int_equal(files_in(folder), 3);
    in_child(without_room, folder);
    assert_int_equal(files_in(folder), 3);
    after = cases_read(old);
    assert_string_equal(before, after);
    free(before);
    free(after);
    free(old);
    cases_remove(folder);
}

/* Root keeps its name, which may be needed to read the sources, and loses its right to write everywhere. */
static void without_rights(const char *folder)
{
    struct sbg_report report;
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
    check_in_child(syscall(SYS_capset, &header, none) == 0);
    check_in_child(emit(folder, all, 3, &report) == -1);
    check_in_child(strstr(report.error, folder) && strstr(report.error, strerror(EACCES)));
    sbg_report_free(&report);
}

static void test_read_only(void **state)
{
    struct sbg_report report;
    char *folder = cases_folder(), *inner = path_in(folder, "py");
    (void)state;
    assert_int_equal(chmod(folder, 0555), 0);
    in_child(without_rights, folder);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(files_in(folder), 0);
    emit_well(folder, all, 1, &report);
    sbg_report_free(&report);
    assert_int_equal(chmod(inner, 0555), 0);
    in_child(without_rights, folder);
    assert_int_equal(chmod(inner, 0755), 0);
    assert_int_equal(files_in(folder), 3);
    free(inner);
    cases_remove(folder);
}

int main(int argc, char **argv)
{
    cases_update = argc > 1 && strcmp(argv[1], "--update") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),  cmocka_unit_test(test_again),
        cmocka_unit_test(test_removal), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_full),    cmocka_unit_test(test_read_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
