/* SPDX-License-Identifier: MIT
 *
 * The engine against vectors.txt: each value goes through Python, as it is, and comes back as the C codec writes it;
 * what a decoder must refuse, the engine refuses. The engine is driven with frames, in this process. */
#include "vectors.h"
#include "driver.h"
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static struct vectors all;
static struct client client, *c = &client;

/* Calls "the argument itself, with a deep copy as result" with these bytes as its argument. The reply's body, or NULL. */
static const uint8_t *through_python(const uint8_t *bytes, size_t size, size_t *got)
{
    static bool defined;
    struct sb_buf *b = &c->frame;
    begin_frame(c, SB_FRAME_CALL, defined ? SB_FLAG_WAIT : SB_FLAG_WAIT | SB_FLAG_DEFINE, 0);
    sb__put_uint(b, 4000);
    if (!defined) {
        sb__put_head(b, SB_MAJOR_ARRAY, 5);
        sb__put_text(b, "=");
        sb__put_text(b, "");
        sb__put_head(b, SB_MAJOR_ARRAY, 0);
        sb__put_text(b, "V");
        sb__put_bool(b, false);
    }
    defined = true;
    sb__put_head(b, SB_MAJOR_ARRAY, 1);
    sb__buf_put(b, bytes, size);
    send_frame(c);
    struct sb_frame h;
    if (c->rc || c->answers.len < sizeof h)
        return NULL;
    memcpy(&h, c->answers.ptr, sizeof h);
    assert_int_equal(h.size, c->answers.len);
    *got = h.size - sizeof h;
    if (h.kind == SB_FRAME_REPLY)
        return c->answers.ptr + sizeof h;
    assert_int_equal(h.kind, SB_FRAME_ERROR);
    c->epoch++;
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    return *(const uint8_t *)a - *(const uint8_t *)b;
}

/* Sets have no order: of a value that holds one the bytes agree, but their order may not. */
static bool same_bytes(const struct vector *v, const uint8_t *body, size_t size)
{
    if (size != v->size)
        return false;
    if (!strstr(v->text, "set(["))
        return !memcmp(body, v->bytes, size);
    uint8_t *a = malloc(size), *b = malloc(size);
    assert_true(a && b);
    memcpy(a, body, size);
    memcpy(b, v->bytes, size);
    qsort(a, size, 1, by_value);
    qsort(b, size, 1, by_value);
    bool same = !memcmp(a, b, size);
    free(a);
    free(b);
    return same;
}

static void values(void **state)
{
    (void)state;
    struct sb_arena arena = { 0 };
    struct sb_chunk_cache cache = { 0 };
    int done = 0, bad = 0;
    bool numpy = have_module("numpy");
    for (struct vector *v = all.list; v < all.list + all.count; v++) {
        size_t size;
        if (v->mark == '!' || strstr(v->text, "object("))
            continue;
        const uint8_t *body = through_python(v->bytes, v->size, &size);
        sb_value back;
        const char *wrong =
            body ? decode_bytes(&arena, &cache, body, size, &back) : describe_answers(c);
        if (!wrong && v->mark == '<' && !same_value(&back, &v->value))
            wrong = "another value";
        if (!wrong && v->mark != '<' && !same_bytes(v, body, size))
            wrong = "other bytes";
        /* Without NumPy arrays are memoryviews, which know no halves, no complex numbers, no lengths of 0. */
        if (!body && !numpy && strstr(v->text, "(\"") &&
            (strstr(wrong, "Error: memoryview: ") ||
             strstr(wrong, " needs NumPy, which this Python")))
            continue;
        if (!body && !numpy && strstr(wrong, "No module named 'numpy'"))
            continue;
        if (wrong)
            print_error("vectors.txt:%d: %s: %s\n", v->line, v->text, wrong);
        bad += wrong != NULL;
        sb__arena_reset(&arena, &cache);
        done++;
    }
    sb__chunk_cache_reset(&cache);
    assert_int_equal(bad, 0);
    assert_true(done > 200);
}

static void refused(void **state)
{
    (void)state;
    for (struct vector *v = all.list; v < all.list + all.count; v++) {
        size_t size;
        if (v->mark != '!')
            continue;
        if (through_python(v->bytes, v->size, &size)) {
            print_error("vectors.txt:%d: %s\n", v->line, describe_answers(c));
            fail();
        }
    }
}

int main(void)
{
    vectors_read(&all, SB_TEST_SOURCE "/vectors.txt");
    inprocess_open(c, 7);
    const struct CMUnitTest tests[] = { cmocka_unit_test(values), cmocka_unit_test(refused) };
    int failed = cmocka_run_group_tests_name("core.engine", tests, NULL, NULL);
    client_close(c);
    vectors_free(&all);
    return failed;
}
