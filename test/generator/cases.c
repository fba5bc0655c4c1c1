/* SPDX-License-Identifier: MIT */
#include "cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool cases_update;

char *cases_folder(void)
{
    char path[] = "/tmp/sb-generator-XXXXXX";
    assert_non_null(mkdtemp(path));
    return strdup(path);
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *walk)
{
    (void)s, (void)kind, (void)walk;
    return remove(path);
}

void cases_remove(char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

char *cases_read(const char *path)
{
    struct sbg_text text = { 0 };
    FILE *in = fopen(path, "rbe");
    if (!in)
        return NULL;
    char part[65536];
    size_t n;
    sbg_add(&text, "");
    while ((n = fread(part, 1, sizeof part, in)) > 0)
        sbg_add_bytes(&text, part, n);
    fclose(in);
    return text.ptr;
}

void cases_write(const char *path, const char *text)
{
    FILE *out = fopen(path, "wbe");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

void cases_check(const char *path, cases_run *run)
{
    char *file = cases_read(path);
    if (!file)
        fail_msg("%s cannot be read", path);
    struct sbg_text all = { 0 };
    size_t number = 0, wrong = 0;
    for (char *p = file; *p;) {
        if (*p == '\n' || *p == '#') {
            size_t n = strcspn(p, "\n");
            sbg_add_bytes(&all, p, n + (p[n] == '\n'));
            p += n + (p[n] == '\n');
            continue;
        }
        char *middle = strstr(p, "=>\n");
        if (!middle)
            fail_msg("%s: a case without =>", path);
        char *end = strstr(middle, "\n\n");
        size_t length = end ? (size_t)(end - middle) + 1 : strlen(middle);
        char *input = strndup(p, (size_t)(middle - p));
        char *expected = strndup(middle + 3, length > 3 ? length - 3 : 0);
        struct sbg_text output = { 0 };
        sbg_add(&output, "");
        run(input, ++number, &output);
        sbg_addf(&all, "%s=>\n%s", input, output.ptr);
        if (strcmp(expected, output.ptr) != 0 && !cases_update && wrong++ < 10)
            print_error("%s:\n%sexpected\n%sgot\n%s\n", path, input, expected, output.ptr);
        sbg_text_free(&output);
        free(input);
        free(expected);
        p = middle + length;
    }
    if (cases_update && strcmp(all.ptr, file) != 0)
        cases_write(path, all.ptr);
    sbg_text_free(&all);
    free(file);
    assert_true(number > 0);
    assert_int_equal(wrong, 0);
}
