/* SPDX-License-Identifier: MIT
 *
 * The C codec against vectors.txt, and against every damaged form of it. */
#include "vectors.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct vectors all;

#define WHERE(v, what) print_error("vectors.txt:%d: %s\n", (v)->line, what)

/* Bytes of an arena's chunks: what a decoded value may take is bounded by the frame's size. */
static size_t allocated;
static void *count(void *ptr, size_t size, void *user)
{
    (void)user;
    allocated += size;
    if (size)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

static void decodes(void **state)
{
    (void)state;
    struct sb_arena arena = { 0 };
    struct sb_chunk_cache cache = { 0 };
    for (struct vector *v = all.list; v < all.list + all.count; v++) {
        sb_value got;
        if (v->mark == '>')
            continue;
        const char *error = decode_bytes(&arena, &cache, v->bytes, v->size, &got);
        if (v->mark == '!') {
            if (!error || strcmp(error, v->text))
                WHERE(v, error ? error : "not refused");
            assert_string_equal(error, v->text);
        } else {
            if (error || !same_value(&got, &v->value))
                WHERE(v, error ? error : "another value");
            assert_null(error);
            assert_true(same_value(&got, &v->value));
        }
        sb__arena_reset(&arena, &cache);
    }
    sb__chunk_cache_reset(&cache);
}

static void encodes(void **state)
{
    (void)state;
    for (struct vector *v = all.list; v < all.list + all.count; v++) {
        struct sb_buf b = { 0 };
        struct sb_trouble t = { 0 };
        if (v->mark == '<' || v->mark == '!')
            continue;
        bool ok = encode_value(&b, &v->value, &t);
        if (!ok || b.len != v->size || memcmp(b.ptr, v->bytes, b.len))
            WHERE(v, ok ? "other bytes" : t.text);
        assert_true(ok);
        assert_int_equal(b.len, v->size);
        assert_memory_equal(b.ptr, v->bytes, b.len);
        sb__buf_reset(&b);
    }
}

/* What is read in another form is written in ours, and then reads as the same. */
static void forms_meet(void **state)
{
    (void)state;
    struct sb_arena arena = { 0 };
    struct sb_chunk_cache cache = { 0 };
    for (struct vector *v = all.list; v < all.list + all.count; v++) {
        struct sb_buf b = { 0 };
        struct sb_trouble t = { 0 };
        sb_value got;
        if (v->mark != '<')
            continue;
        assert_true(encode_value(&b, &v->value, &t));
        assert_true(b.len != v->size || memcmp(b.ptr, v->bytes, b.len));
        assert_null(decode_bytes(&arena, &cache, b.ptr, b.len, &got));
        if (!same_value(&got, &v->value))
            WHERE(v, "another value");
        assert_true(same_value(&got, &v->value));
        sb__buf_reset(&b);
        sb__arena_reset(&arena, &cache);
    }
    sb__chunk_cache_reset(&cache);
}

/* `size` bytes in a block of just that size, so that a read beyond it is seen; returns whether they
 * decode. Whatever does, encodes again. */
static bool try_bytes(const uint8_t *bytes, size_t size)
{
    struct sb_arena arena = { 0 };
    struct sb_chunk_cache cache = { 0 };
    uint8_t *exact = malloc(size + !size);
    assert_non_null(exact);
    memcpy(exact, bytes, size);
    allocated = 0;
    sb_value v;
    const char *error = decode_bytes(&arena, &cache, exact, size, &v);
    /* The worst are empty arrays: 3 bytes each, with a sb_array, a sb_value and an alignment. */
    assert_in_range(allocated, 0, 20000 + 100 * size);
    if (!error) {
        struct sb_buf b = { 0 };
        struct sb_trouble t = { 0 };
        assert_true(encode_value(&b, &v, &t));
        sb__buf_reset(&b);
    }
    free(exact);
    sb__arena_reset(&arena, &cache);
    sb__chunk_cache_reset(&cache);
    return !error;
}

static void truncated(void **state)
{
    (void)state;
    for (struct vector *v = all.list; v < all.list + all.count; v++)
        for (size_t n = 0; n < v->size; n++)
            if (v->mark != '!')
                assert_false(try_bytes(v->bytes, n)); /* an item has no shorter item in front */
}

static void flipped(void **state)
{
    (void)state;
    size_t good = 0;
    for (struct vector *v = all.list; v < all.list + all.count; v++)
        for (size_t bit = 0; bit < v->size * 8; bit++) {
            v->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            good += try_bytes(v->bytes, v->size);
            v->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    assert_true(good > 1000); /* a flipped bit of a number or of data */
}

int main(void)
{
    sb__set_resize(count, NULL);
    vectors_read(&all, SB_TEST_SOURCE "/vectors.txt");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),   cmocka_unit_test(encodes), cmocka_unit_test(forms_meet),
        cmocka_unit_test(truncated), cmocka_unit_test(flipped),
    };
    int failed = cmocka_run_group_tests_name("core.vectors", tests, NULL, NULL);
    vectors_free(&all);
    return failed;
}
