/* SPDX-License-Identifier: MIT
 *
 * Buffers, the allocator, arenas. */
#include "core/arena.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static size_t live, calls, refuse_above = SIZE_MAX;
static void *count(void *ptr, size_t size, void *user)
{
    assert_ptr_equal(user, &live);
    calls++;
    live -= ptr != NULL && !size;
    if (!size) {
        free(ptr);
        return NULL;
    }
    if (size > refuse_above)
        return NULL;
    live += !ptr;
    return realloc(ptr, size);
}

static void allocator(void **state)
{
    (void)state;
    size_t before = calls;
    assert_null(sb__resize(NULL, 0));
    sb__free(NULL);
    char *s = sb__strdup("text");
    assert_string_equal(s, "text");
    uint8_t *z = sb__calloc(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(z[i], 0);
    assert_null(sb__strdup(NULL));
    assert_int_equal(calls, before + 3);
    sb__free(s);
    sb__free(z);
    assert_int_equal(live, 0);
}

static void grows(void **state)
{
    (void)state;
    struct sb_buf b = { 0 };
    sb__buf_put(&b, NULL, 0);
    assert_null(b.ptr);
    for (unsigned i = 0; i < 100000; i++) {
        uint8_t byte = (uint8_t)(i * 7);
        sb__buf_put(&b, &byte, 1);
    }
    assert_int_equal(b.len, 100000);
    assert_true(b.cap < 300000);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(b.ptr[i], (uint8_t)(i * 7));
    assert_true(sb__buf_room(&b, b.cap - b.len));
    assert_false(b.failed);
    sb__buf_reset(&b);
    assert_null(b.ptr);
    assert_int_equal(b.cap, 0);
    assert_int_equal(live, 0);
}

/* Sizes that no memory has: refused without a wrapped sum, and for ever. */
static void too_large(void **state)
{
    (void)state;
    static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 10, SIZE_MAX / 2 + 2, (size_t)1 << 62 };
    refuse_above = (size_t)1 << 40;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct sb_buf b = { 0 };
        sb__buf_put(&b, "0123456789ab", 12);
        assert_false(sb__buf_room(&b, sizes[i]));
        assert_true(b.failed);
        assert_false(sb__buf_grow(&b, 1));
        assert_memory_equal(b.ptr, "0123456789ab", 12);
        assert_int_equal(b.len, 12);
        sb__buf_reset(&b);
        assert_false(b.failed);

        struct sb_arena a = { 0 };
        struct sb_chunk_cache cache = { 0 };
        assert_null(sb__arena_alloc(&a, &cache, sizes[i], 64));
        assert_non_null(sb__arena_alloc(&a, &cache, 8, 8));
        assert_null(sb__arena_alloc(&a, &cache, sizes[i], 1));
        sb__arena_reset(&a, &cache);
        sb__chunk_cache_reset(&cache);
    }
    refuse_above = SIZE_MAX;
    assert_int_equal(live, 0);
}

/* Blocks of all sizes and alignments: aligned, apart from each other, writable to the last byte. */
static void arena_blocks(void **state)
{
    (void)state;
    enum { N = 3000 };
    static struct {
        uint8_t *p;
        size_t n;
    } block[N];
    struct sb_arena a = { 0 };
    struct sb_chunk_cache cache = { 0 };
    uint32_t seed = 1;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < N; i++) {
            seed = seed * 1664525 + 1013904223;
            size_t align = (size_t)1 << (seed >> 28) % 7;
            static const size_t sizes[] = { 0, 1, 3, 24, 100, 1000, 4000, 4080, 4090, 8190, 20000 };
            block[i].n = sizes[(seed >> 16) % (sizeof sizes / sizeof *sizes)];
            block[i].p = sb__arena_alloc(&a, &cache, block[i].n, align);
            assert_non_null(block[i].p);
            assert_int_equal((uintptr_t)block[i].p % align, 0);
            memset(block[i].p, i & 255, block[i].n);
            assert_true(!block[i].n || (sb__arena_has(&a, block[i].p) &&
                                        sb__arena_has(&a, block[i].p + block[i].n - 1)));
        }
        for (int i = 0; i < N; i++)
            for (size_t k = 0; k < block[i].n; k++)
                if (block[i].p[k] != (i & 255))
                    fail_msg("block %d was written over", i);
        assert_false(sb__arena_has(&a, &a));
        sb__arena_reset(&a, &cache);
        assert_false(sb__arena_has(&a, block[0].p));
        assert_null(a.chunks);
        assert_in_range(cache.count, 1, 16);
        assert_int_equal(live, cache.count);
    }
    sb__chunk_cache_reset(&cache);
    assert_int_equal(live, 0);
}

/* What a scope a turn costs: nothing, once there are chunks. A large block leaves the room in the newest one. */
static void arena_cache(void **state)
{
    (void)state;
    struct sb_arena a = { 0 };
    struct sb_chunk_cache cache = { 0 };
    for (int i = 0; i < 3; i++)
        assert_non_null(sb__arena_alloc(&a, &cache, 4000, 8));
    sb__arena_reset(&a, &cache);
    size_t before = calls;
    for (int turn = 0; turn < 100; turn++) {
        for (int i = 0; i < 3; i++)
            assert_non_null(sb__arena_alloc(&a, &cache, 4000, 8));
        sb__arena_reset(&a, &cache);
    }
    assert_int_equal(calls, before);
    uint8_t *p = sb__arena_alloc(&a, &cache, 16, 16);
    assert_non_null(sb__arena_alloc(&a, &cache, 100000, 16));
    assert_ptr_equal(sb__arena_alloc(&a, &cache, 16, 16), p + 16);
    sb__arena_reset(&a, &cache);
    sb__chunk_cache_reset(&cache);
    assert_int_equal(live, 0);
}

int main(void)
{
    sb__set_resize(count, &live);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocator),    cmocka_unit_test(grows),       cmocka_unit_test(too_large),
        cmocka_unit_test(arena_blocks), cmocka_unit_test(arena_cache),
    };
    return cmocka_run_group_tests_name("core.buf", tests, NULL, NULL);
}
