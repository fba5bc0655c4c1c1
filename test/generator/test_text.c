/* SPDX-License-Identifier: MIT
 *
 * test_text.c - what maps text to text: signatures to C functions, names to C names, bad manifests to errors,
 * docstrings to comments.
 */
#include "cases.h"
#include "pysig.h"
#include "headers.h"

#include "bindings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- signatures: the classes, aliases and type variables that they may use are in cases/world.json ---- */

static void emit(const char *folder, const char *json, struct sbg_report *report)
{
    struct sbg_text path = { 0 };
    sbg_addf(&path, "%s/manifest.json", folder);
    cases_write(path.ptr, json);
    const char *const manifests[] = { path.ptr };
    const struct sbg_emit_options options = { manifests, 1, folder, NULL };
    sbg_emit(&options, report);
    if (report->error) { /* the place is what counts, not the folder */
        char *at = strstr(report->error, path.ptr);
        if (at == report->error) {
            struct sbg_text shown = { 0 };
            sbg_addf(&shown, "FILE%s", report->error + path.len);
            free(report->error);
            report->error = shown.ptr;
        }
    }
    sbg_text_free(&path);
}

static char *read_in(const char *folder, const char *name)
{
    struct sbg_text path = { 0 };
    sbg_addf(&path, "%s/%s", folder, name);
    char *text = cases_read(path.ptr);
    sbg_text_free(&path);
    return text;
}

static void replace(char *text, const char *what, const char *with)
{
    for (char *p; (p = strstr(text, what));) {
        memmove(p + strlen(with), p + strlen(what), strlen(p + strlen(what)) + 1);
        memcpy(p, with, strlen(with));
    }
}

static void show_function(char *prototype, char *path, char *sig, void *user)
{
    replace(prototype, "static inline ", "");
    replace(prototype, "sb_session *py, ", "");
    replace(prototype, ", const sb_site *at_)", ")");
    replace(prototype, "const sb_site *at_)", "void)");
    sbg_addf(user, "%s\n    %s  %s\n", prototype, path, sig);
}

static void show_enums(const char *types, struct sbg_text *output)
{
    for (const char *p = types; (p = strstr(p, "typedef enum "));) {
        const char *end = strchr(p, '}');
        bool gap = false;
        for (p += 8; p < end; p++) {
            if (*p == '\n' || *p == ' ') {
                gap = true;
                continue;
            }
            if (gap)
                sbg_add_char(output, ' ');
            gap = false;
            sbg_add_char(output, *p);
        }
        sbg_add(output, " }\n");
    }
}

/* The C function types, the codes of their arguments, and where one may be passed. */
static void show_callbacks(const char *types, const char *header, struct sbg_text *output)
{
    static const char mark[] = "(*m_fn", codes[] = "sb_take_args(py, ";
    for (const char *p = types; (p = strstr(p, mark)); p++) {
        const char *line = p;
        while (line[-1] != '\n')
            line--;
        sbg_addf(output, "%.*s\n", (int)strcspn(line, "\n"), line);
        const char *take = strstr(p, codes);
        assert_non_null(take);
        take += sizeof codes - 1;
        sbg_addf(output, "    %.*s\n", (int)(strstr(take, ", args_") - take), take);
    }
    for (const char *p = header; (p = strstr(p, "SB_TAKE_FN_(")); p++)
        sbg_addf(output, "%.*s)\n", (int)strcspn(p, ")"), p);
    for (const char *p = header; (p = strstr(p, "; m_fn")); p++)
        sbg_addf(output, "option %.*s\n", (int)strcspn(p + 2, " "), p + 2);
}

/* world[table][key] = the text of `form` with `part` in it. */
static void put(json_t *world, const char *table, const char *key, const char *form,
                const char *part)
{
    struct sbg_text text = { 0 };
    json_error_t why;
    const char *hole = strstr(form, "%s");
    sbg_add_bytes(&text, form, (size_t)(hole - form));
    sbg_addf(&text, "%s%s", part, hole + 2);
    json_t *value = json_loads(text.ptr, 0, &why);
    if (!value)
        fail_msg("%s: %s", why.text, text.ptr);
    json_t *object = json_object_get(world, table);
    if (!object)
        json_object_set_new(world, table, object = json_object());
    json_object_set_new(object, key, value);
    sbg_text_free(&text);
}

static void run_signature(const char *input, size_t number, struct sbg_text *output)
{
    struct sbg_text sigs = { 0 }, symbol = { 0 };
    char *lines = strdup(input), *state, kind[32] = "function";
    (void)number;
    for (char *line = strtok_r(lines, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        char *paren = strchr(line, '('), *colon = strchr(line, ':'), *blank = strchr(line, ' ');
        if (blank && blank < (paren && paren < colon ? paren : colon ? colon : paren))
            snprintf(kind, sizeof kind, "%.*s", (int)(blank - line), line);
        if (strcmp(kind, "value") == 0 || strcmp(kind, "property") == 0 ||
            strcmp(kind, "settable") == 0) {
            assert_true(pysig_type(&sigs, colon + 1));
            break;
        }
        if (strncmp(paren, "(?)", 3) == 0)
            continue;
        sbg_add(&sigs, sigs.len ? ", " : "");
        if (!pysig_sig(&sigs, paren))
            fail_msg("cannot be read: %s", line);
    }
    free(lines);
    bool typed = strcmp(kind, "value") == 0 || strcmp(kind, "property") == 0 ||
                 strcmp(kind, "settable") == 0;
    const char *shown = strcmp(kind, "settable") == 0                                  ? "property"
                        : strcmp(kind, "async") == 0 || strcmp(kind, "streaming") == 0 ? "function"
                        : strcmp(kind, "dunder") == 0                                  ? "method"
                                                                                       : kind;
    if (typed)
        sbg_addf(&symbol, "{\"kind\": \"%s\", \"settable\": %s, \"type\": %s}", shown,
                 strcmp(kind, "settable") == 0 ? "true" : "false", sigs.ptr);
    else
        sbg_addf(&symbol, "{\"kind\": \"%s\", \"async\": %s, \"streaming\": %s, \"sigs\": [%s]}",
                 shown, strcmp(kind, "async") == 0 ? "true" : "false",
                 strcmp(kind, "streaming") == 0 ? "true" : "false", sigs.ptr ? sigs.ptr : "");

    json_t *world = json_load_file(SB_TEST_SOURCE "/cases/world.json", 0, NULL);
    assert_non_null(world);
    bool module = strcmp(shown, "function") == 0 || strcmp(shown, "callable") == 0 ||
                  strcmp(shown, "value") == 0;
    if (module) {
        put(world, "modules", "m", "{\"names\": {\"f\": %s}}", symbol.ptr);
    } else {
        put(world, "modules", "m", "{\"names\": {%s}}", "");
        static const char class[] = "{\"public\": \"m.C\", \"module\": \"m\", \"name\": \"C\", "
                                    "\"mro\": [\"m.C\"], ";
        struct sbg_text form = { 0 };
        bool constructor = strcmp(kind, "new") == 0;
        sbg_addf(&form, constructor ? "%s\"new\": [%%s]}" : "%s\"members\": {\"%s\": %%s}}", class,
                 strcmp(kind, "dunder") == 0 ? "__getitem__" : "f");
        put(world, "classes", "m.C", form.ptr, constructor ? sigs.ptr : symbol.ptr);
        sbg_text_free(&form);
    }
    char *json = json_dumps(world, 0);
    json_decref(world);

    struct sbg_report report;
    char *folder = cases_folder();
    emit(folder, json, &report);
    if (report.error)
        fail_msg("%s%s", input, report.error);
    char *header = read_in(folder, "py/m.h"), *types = read_in(folder, "py/m/_types.h");
    assert_true(headers_each(header, show_function, output) > 0);
    show_enums(types, output);
    const char *takes = strstr(header, "m_takes");
    if (takes)
        sbg_addf(output, "takes %.*s\n", (int)strcspn(takes, "("), takes);
    show_callbacks(types, header, output);
    for (const char *p = header; (p = strstr(p, "_iter(py, item")); p++) {
        const char *line = p;
        while (line[-1] != ' ')
            line--;
        const char *loop = strstr(p, "SB_FOR(py, ") + 11;
        sbg_addf(output, "%.*s: %.*s\n", (int)strcspn(line, "("), line, (int)strcspn(loop, ","),
                 loop);
    }
    free(header);
    free(types);
    cases_remove(folder);
    sbg_report_free(&report);
    sbg_text_free(&sigs);
    sbg_text_free(&symbol);
    free(json);
}

static void test_signatures(void **state)
{
    (void)state;
    cases_check(SB_TEST_SOURCE "/cases/signatures.txt", run_signature);
}

/* ---- names ---- */

static void show_name(char *prototype, char *path, char *sig, void *user)
{
    char *end = strchr(prototype, '('), *start = end;
    (void)sig;
    while (start[-1] != ' ' && start[-1] != '*')
        start--;
    for (char *p = path; *p; p++)
        *p = *p == ':' ? '.' : *p;
    sbg_addf(user, "%s: %.*s\n", path, (int)(end - start), start);
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_sorted(struct sbg_text *output, char *text)
{
    char *lines[256], *state;
    size_t n = 0;
    for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
        lines[n++] = line;
    qsort(lines, n, sizeof *lines, by_line);
    for (size_t i = 0; i < n; i++)
        sbg_addf(output, "%s\n", lines[i]);
}

/* Input: "library NAME [as PREFIX]", "def a.b.f [is a.g]", "class a.C [private]", "member a.C.x", "settable a.C.x",
 * in which a member's class is the last one. */
static void run_names(const char *input, size_t number, struct sbg_text *output)
{
    struct sbg_text modules[8] = { 0 }, classes = { 0 }, json = { 0 }, found = { 0 };
    char names[8][64], library[64] = "m", prefix[64] = "", *lines = strdup(input), *state;
    size_t count = 0;
    bool in_class = false, in_member = false;
    (void)number;
    sbg_add(&classes, "");
    for (char *line = strtok_r(lines, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        char word[32], path[128], more[32] = "", target[128] = "";
        int n = sscanf(line, "%31s %127s %31s %127s", word, path, more, target);
        assert_true(n >= 2);
        if (strcmp(word, "library") == 0) {
            snprintf(library, sizeof library, "%.63s", path);
            snprintf(prefix, sizeof prefix, "%.63s", target);
            continue;
        }
        char *dot = strrchr(path, '.');
        if (strcmp(word, "member") == 0 || strcmp(word, "settable") == 0) {
            sbg_addf(&classes, "%s\"%s\": {\"kind\": \"%s\", \"settable\": %s}",
                     in_member ? ", " : "", dot + 1, *word == 's' ? "property" : "method",
                     *word == 's' ? "true" : "false");
            in_member = true;
            continue;
        }
        size_t m = 0;
        while (m < count && (strlen(names[m]) != (size_t)(dot - path) ||
                             strncmp(names[m], path, (size_t)(dot - path)) != 0))
            m++;
        if (m == count)
            snprintf(names[count++], sizeof *names, "%.*s", (int)(dot - path), path);
        sbg_add(&modules[m], modules[m].len ? ", " : "");
        if (strcmp(word, "class") == 0) {
            if (in_class)
                sbg_add(&classes, "}}, ");
            const char *key = *target ? target : path;
            const char *last = strrchr(key, '.');
            bool private = strcmp(more, "private") == 0;
            sbg_addf(
                &classes,
                "\"%s\": {\"public\": %s%s%s, \"module\": \"%.*s\", \"name\": \"%s\", \"mro\": "
                "[\"%s\"], \"new\": [], \"members\": {",
                key, private ? "null" : "\"", private ? "" : path, private ? "" : "\"",
                (int)(last - key), key, last + 1, key);
            in_class = true;
            in_member = false;
            if (!private)
                sbg_addf(&modules[m], "\"%s\": {\"kind\": \"class\", \"class\": \"%s\"}", dot + 1,
                         key);
            else
                sbg_addf(&modules[m], "\"\": {\"kind\": \"module\", \"module\": \"x\"}");
        } else {
            sbg_addf(&modules[m], "\"%s\": {\"kind\": \"function\", \"sigs\": [], \"def\": \"%s\"}",
                     dot + 1, *target ? target : path);
        }
    }
    free(lines);
    if (in_class)
        sbg_add(&classes, "}}");
    bool standard = strcmp(library, "stdlib") == 0;
    sbg_addf(
        &json,
        "{\"format\": 1, \"library\": \"%s\", \"prefix\": \"%s\", \"options\": {\"as\": %s%s%s}, "
        "\"classes\": {%s}, \"modules\": {",
        library,
        *prefix    ? prefix
        : standard ? "py"
                   : library,
        *prefix ? "\"" : "null", prefix, *prefix ? "\"" : "", classes.ptr);
    for (size_t m = 0; m < count; m++) {
        sbg_addf(&json, "%s\"%s\": {\"names\": {%s}}", m ? ", " : "", names[m], modules[m].ptr);
        sbg_text_free(&modules[m]);
    }
    sbg_add(&json, "}}");

    struct sbg_report report;
    char *folder = cases_folder();
    emit(folder, json.ptr, &report);
    if (report.error)
        fail_msg("%s%s", input, report.error);
    sbg_add(&found, "");
    for (size_t i = 0; i < report.headers.count; i++) {
        char *text = read_in(folder, report.headers.text[i]);
        headers_each(text, show_name, &found);
        for (const char *p = text; (p = strstr(p, "/* ")); p++) /* other names of a thing */
            if (strstr(p, " is ") && strstr(p, " is ") < strchr(p, '\n'))
                sbg_addf(&found, "%.*s\n", (int)(strstr(p, " */") - p) - 3, p + 3);
        free(text);
    }
    add_sorted(output, found.ptr);
    for (size_t i = 0; i < report.renames.count; i++)
        sbg_addf(output, "rename %s\n", report.renames.text[i]);
    cases_remove(folder);
    sbg_report_free(&report);
    sbg_text_free(&classes);
    sbg_text_free(&json);
    sbg_text_free(&found);
}

static void test_names(void **state)
{
    (void)state;
    cases_check(SB_TEST_SOURCE "/cases/names.txt", run_names);
}

/* ---- manifests that are wrong ---- */

static void run_manifest(const char *input, size_t number, struct sbg_text *output)
{
    struct sbg_report report;
    char *folder = cases_folder();
    (void)number;
    emit(folder, input, &report);
    sbg_addf(output, "%s\n", report.error ? report.error : "no error");
    char *header = read_in(folder, "py/_project.h");
    assert_true((header == NULL) == (report.error != NULL)); /* all of it or nothing */
    free(header);
    cases_remove(folder);
    sbg_report_free(&report);
}

static void test_manifests(void **state)
{
    (void)state;
    cases_check(SB_TEST_SOURCE "/cases/manifests.txt", run_manifest);
}

static void test_deep_types(void **state)
{
    struct sbg_text json = { 0 }, error = { 0 };
    (void)state;
    sbg_add(
        &json,
        "{\"format\": 1, \"library\": \"m\", \"prefix\": \"m\", \"modules\": {\"m\": {\"names\": "
        "{\"x\": {\"kind\": \"value\", \"type\": ");
    for (int i = 0; i < 150; i++)
        sbg_add(&json, "{\"k\": \"type\", \"i\": ");
    sbg_add(&json, "{\"k\": \"none\"}");
    for (int i = 0; i < 150; i++)
        sbg_add(&json, "}");
    sbg_add(&json, "}}}}}");
    char *folder = cases_folder();
    struct sbg_report report;
    emit(folder, json.ptr, &report);
    assert_non_null(report.error);
    assert_non_null(strstr(report.error, "nested more than 100 deep"));
    sbg_report_free(&report);
    cases_remove(folder);
    sbg_text_free(&json);
    sbg_text_free(&error);
}

/* ---- text inside comments and literals ---- */

static void check_comment(const char *text, const char *margin, const char *expected)
{
    struct sbg_text out = { 0 };
    sbg_add(&out, "");
    sbg_add_comment(&out, text, strlen(text), margin, 60);
    assert_string_equal(out.ptr, expected);
    sbg_text_free(&out);
}

static void test_comments(void **state)
{
    (void)state;
    check_comment("plain text", NULL, "plain text");
    check_comment("ends */ here", NULL, "ends * / here");
    check_comment("opens /* here", NULL, "opens / * here");
    check_comment("**/*/", NULL, "** / * / ");
    check_comment("what?\?/ and ?\?\?\?", NULL, "what? ?/ and ? ? ? ?");
    check_comment("path\\\nnext", " * ", "path\\ .\n * next");
    check_comment("last\\", NULL, "last\\ ");
    check_comment("last*", NULL, "last* ");
    check_comment("a \n\n b", " *  ", "a\n *\n *   b");
    check_comment("a\n  b\tc", NULL, "a b c");
    check_comment("\xe2\x80\xae"
                  "evil\xe2\x81\xa6",
                  NULL, "<U+202E>evil<U+2066>");
    check_comment("bell\x07\x7f\xc2\x80", NULL, "bell<U+0007><U+007F><U+0080>");
    check_comment("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\x8d", NULL,
                  "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\x8d");
    check_comment("0123456789012345678901234567890123456789012345678901234567890123456789", NULL,
                  "012345678901234567890123456789012345678901234567890123456789 ...");
}

static void check_string(const char *text, const char *expected)
{
    struct sbg_text out = { 0 };
    sbg_add_c_string(&out, text);
    assert_string_equal(out.ptr, expected);
    sbg_text_free(&out);
}

static void test_strings(void **state)
{
    (void)state;
    check_string("plain", "\"plain\"");
    check_string("a\"b\\c\n", "\"a\\\"b\\\\c\\012\"");
    check_string("\xc3\xa9"
                 "1",
                 "\"\\303\\2511\"");
    check_string("?\?=", "\"?\\?=\"");
}

int main(int argc, char **argv)
{
    cases_update = argc > 1 && strcmp(argv[1], "--update") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures), cmocka_unit_test(test_names),
        cmocka_unit_test(test_manifests),  cmocka_unit_test(test_deep_types),
        cmocka_unit_test(test_comments),   cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
