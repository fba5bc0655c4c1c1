/* SPDX-License-Identifier: MIT
 *
 * test_mutations.c - manifests that are right by the letter and make no sense: types, parameters and names of the golden
 * manifests are moved about at random (a fixed seed; $SB_SEED and $SB_ROUNDS set others). The emitter must end, with
 * headers whose signatures follow the grammar or with an error, and leave nothing else behind.
 */
#include "cases.h"
#include "headers.h"

#include "emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t state;

static size_t below(size_t n) /* splitmix64 */
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return n ? (size_t)((z ^ z >> 31) % n) : 0;
}

/* The objects below `json` that have `key`. */
struct found {
    json_t *of[8192];
    size_t count;
};
static void find(json_t *json, const char *key, struct found *found)
{
    const char *name;
    json_t *value;
    size_t i;
    if (json_is_object(json)) {
        if (json_object_get(json, key) && found->count < 8192)
            found->of[found->count++] = json;
        json_object_foreach(json, name, value) find(value, key, found);
    } else if (json_is_array(json)) {
        json_array_foreach(json, i, value) find(value, key, found);
    }
}

static json_t *any_of(const struct found *found)
{
    return found->count ? found->of[below(found->count)] : NULL;
}

static void become(json_t *object, const json_t *other)
{
    json_t *copy = json_deep_copy(other);
    json_object_clear(object);
    json_object_update(object, copy);
    json_decref(copy);
}

static void add_name(json_t *names)
{
    static const char *const ends[] = { "_opts", "_result", "_new", "_from", "_by_args",
                                        "_set",  "é",       "_",    "__",    "_class" };
    size_t at = below(json_object_size(names)), i = 0;
    const char *name;
    json_t *value;
    char more[256];
    json_object_foreach(names, name, value) if (i++ == at)
    {
        snprintf(more, sizeof more, "%.200s%s", name, ends[below(sizeof ends / sizeof *ends)]);
        json_object_set_new(names, more, json_deep_copy(value));
        return;
    }
}

static void mutate(json_t *manifest)
{
    static const char *const names[] = { "sb_open", "SB",      "py",      "self",   "args",
                                         "kwargs",  "value",   "fn_",     "slots_", "class",
                                         "int",     "I",       "site",    "_X",     "__y",
                                         "é",       "result_", "default", "linux",  "data",
                                         "SB_NONE", "x" };
    static const char *const kinds[] = { "positional_only", "positional_or_keyword", "keyword_only",
                                         "var_positional", "var_keyword" };
    static struct found types, params, sigs, members, modules;
    types.count = params.count = sigs.count = members.count = modules.count = 0;
    find(manifest, "k", &types);
    find(manifest, "required", &params);
    find(manifest, "params", &sigs);
    find(manifest, "members", &members);
    find(manifest, "names", &modules);
    json_t *one, *other;
    switch (below(7)) {
    case 0:
    case 1:
    case 2:
        one = any_of(&types), other = any_of(&types);
        if (one && other)
            become(one, other);
        break;
    case 3:
        one = any_of(&sigs), other = any_of(&sigs);
        if (one && other && json_is_array(json_object_get(other, "params")))
            json_object_set_new(one, "params", json_deep_copy(json_object_get(other, "params")));
        break;
    case 4:
        if ((one = any_of(&params)))
            json_object_set_new(one, "name",
                                json_string(names[below(sizeof names / sizeof *names)]));
        break;
    case 5:
        if ((one = any_of(&params))) {
            json_object_set_new(one, "kind", json_string(kinds[below(5)]));
            json_object_set_new(one, "required", json_boolean((int)below(2)));
        }
        break;
    default:
        if ((one = any_of(below(2) ? &members : &modules))) {
            json_t *members_of = json_object_get(one, "members");
            json_t *names_of = json_object_get(one, "names");
            if (json_is_object(members_of) || json_is_object(names_of))
                add_name(json_is_object(members_of) ? members_of : names_of);
        }
    }
}

static void show_nothing(char *prototype, char *path, char *sig, void *user)
{
    (void)prototype, (void)path, (void)sig, (void)user;
}

static void one_round(const char *folder, json_t *const *manifests, size_t *good)
{
    struct sbg_report report;
    char paths[3][128];
    const char *given[3];
    for (size_t i = 0; i < 3; i++) {
        json_t *copy = json_deep_copy(manifests[i]);
        for (size_t n = below(12); n; n--)
            mutate(copy);
        snprintf(paths[i], sizeof paths[i], "%s/%zu.json", folder, i);
        assert_int_equal(json_dump_file(copy, paths[i], 0), 0);
        json_decref(copy);
        given[i] = paths[i];
    }
    const struct sbg_emit_options options = { given, 1 + below(3), folder, NULL };
    if (sbg_emit(&options, &report)) {
        assert_non_null(report.error);
    } else {
        ++*good;
        assert_null(report.error);
        for (size_t i = 0; i < report.headers.count; i++) {
            char path[256];
            snprintf(path, sizeof path, "%s/%s", folder, report.headers.text[i]);
            char *text = cases_read(path);
            assert_non_null(text);
            headers_each(text, show_nothing, NULL);
            free(text);
        }
    }
    sbg_report_free(&report);
}

static void test_mutations(void **unused)
{
    static const char *const names[] = { "stdlib", "demo", "alpha" };
    const char *seed = getenv("SB_SEED"), *rounds = getenv("SB_ROUNDS");
    json_t *manifests[3];
    size_t good = 0, count = rounds ? strtoul(rounds, NULL, 10) : 150;
    (void)unused;
    state = seed ? strtoul(seed, NULL, 10) : 20;
    for (size_t i = 0; i < 3; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/manifests/%s.json", SB_TEST_SOURCE, names[i]);
        manifests[i] = json_load_file(path, 0, NULL);
        assert_non_null(manifests[i]);
    }
    char *folder = cases_folder();
    for (size_t round = 0; round < count; round++) {
        uint64_t before = state;
        alarm(60); /* a round takes milliseconds: what hangs is ended, with its seed above it */
        if (round % 50 == 0)
            printf("round %zu: SB_SEED=%llu\n", round, (unsigned long long)before);
        one_round(folder, manifests, &good);
    }
    alarm(0);
    assert_true(good > count / 2);
    cases_remove(folder);
    for (size_t i = 0; i < 3; i++)
        json_decref(manifests[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_mutations) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
