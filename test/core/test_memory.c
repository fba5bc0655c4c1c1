/* SPDX-License-Identifier: MIT
 *
 * What happens when the n-th allocation fails, for n = 1, 2, ... until an operation needs no more: the failure is
 * SB_E_MEMORY, nothing is lost, and the same operation succeeds afterwards. Each n twice: with that one allocation
 * refused, and with all from it on. */
#include "vectors.h"
#include "core/lane.h"
#include "runtime/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static long live, allocations, fail_at;
static bool fail_on, failed;

static void *failing(void *ptr, size_t size, void *user)
{
    (void)user;
    if (!size) {
        live -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    allocations++;
    if (fail_at && (allocations == fail_at || (fail_on && allocations > fail_at))) {
        failed = true;
        return NULL;
    }
    void *p = realloc(ptr, size);
    live += !ptr && p;
    return p;
}

/* True: go on with the next refused allocation. The operation before this one has given back what it took. */
static bool next_failure(long *before)
{
    if (!*before) { /* the first time */
        *before = live + 1;
        fail_at = 0;
        fail_on = false;
    } else if (fail_at && !failed) {
        assert_true(fail_at > 1); /* an operation that allocates */
        if (fail_on) {
            fail_at = 0;
            return false;
        }
        fail_on = true;
        fail_at = 0;
    }
    fail_at++;
    allocations = 0;
    failed = false;
    return true;
}
#define EACH_FAILURE for (long before_ = 0; next_failure(&before_);)

static struct vectors all;

static void encoding(void **state)
{
    (void)state;
    for (struct vector *v = all.list; v < all.list + all.count; v++) {
        if (v->mark == '<' || v->mark == '!')
            continue;
        long before = live;
        EACH_FAILURE
        {
            struct sb_buf b = { 0 };
            struct sb_trouble t = { 0 };
            bool ok = encode_value(&b, &v->value, &t);
            assert_int_equal(ok, !failed);
            assert_int_equal(t.code, failed ? SB_E_MEMORY : SB_OK);
            if (ok)
                assert_memory_equal(b.ptr, v->bytes, v->size);
            sb__buf_reset(&b);
            assert_int_equal(live, before);
        }
    }
}

static void encoding_much(void **state)
{
    (void)state;
    sb_value items[5000], v = sb_of_kind_(SB_LIST_);
    for (int i = 0; i < 5000; i++)
        items[i] = i % 100 ? sb_from_double(i) : sb_from_digits("-123456789012345678901234567890");
    v.as.items.ptr = items;
    v.as.items.len = 5000;
    EACH_FAILURE
    {
        struct sb_buf b = { 0 };
        struct sb_trouble t = { 0 };
        bool ok = encode_value(&b, &v, &t);
        assert_int_equal(ok, !failed);
        assert_int_equal(t.code, failed ? SB_E_MEMORY : SB_OK);
        sb__buf_reset(&b);
    }
}

static bool meet_any(void *ctx, uint64_t id)
{
    (void)ctx;
    return id != 0;
}

static void decoding(void **state)
{
    (void)state;
    for (struct vector *v = all.list; v < all.list + all.count; v++) {
        if (v->mark == '>' || v->mark == '!')
            continue;
        long before = live;
        /* Numbers need no memory: an array of two, then. */
        uint8_t *bytes = malloc(v->size * 2 + 1);
        assert_non_null(bytes);
        bytes[0] = 0x82;
        memcpy(bytes + 1, v->bytes, v->size);
        memcpy(bytes + 1 + v->size, v->bytes, v->size);
        EACH_FAILURE
        {
            struct sb_arena arena = { 0 };
            struct sb_chunk_cache cache = { 0 };
            struct sb_decoder d = { .in = { bytes, bytes + v->size * 2 + 1, NULL },
                                    .arena = &arena,
                                    .cache = &cache,
                                    .meet = meet_any };
            sb_value got;
            bool ok = sb__value_decode(&d, &got);
            assert_int_equal(ok, !failed);
            assert_int_equal(d.no_memory, failed);
            assert_null(d.in.error);
            if (ok)
                assert_true(same_value(&got.as.items.ptr[1], &v->value));
            sb__arena_reset(&arena, &cache);
            sb__chunk_cache_reset(&cache);
            assert_int_equal(live, before);
        }
        free(bytes);
    }
}

/* Everything that takes memory, often enough to meet the end of a chunk, and larger than one. */
static void decoding_much(void **state)
{
    (void)state;
    static char text[20000];
    memset(text, '7', sizeof text - 1);
    sb_array a = { text, SB_UINT8, 1, { 3 }, { 0 }, false },
             large = { text, SB_UINT8, 2, { 5, 3000 }, { 0 }, false };
    enum { SMALL = 1200 };
    sb_value items[SMALL + 4], v = sb_of_kind_(SB_LIST_);
    for (int i = 0; i < SMALL; i++)
        items[i] = i % 4 == 0   ? sb_from_digits("-18446744073709551616")
                   : i % 4 == 1 ? sb_from_digits("123456789012345678901234567890")
                   : i % 4 == 2 ? sb_from_array(&a)
                                : sb_from_bytes((sb_bytes) { (unsigned char *)text, 77 });
    items[SMALL] = sb_from_cstr(text);
    items[SMALL + 1] = sb_from_digits(text);
    items[SMALL + 2] = sb_from_array(&large);
    items[SMALL + 3] = sb_from_bytes((sb_bytes) { (unsigned char *)text, sizeof text });
    v.as.items.ptr = items;
    v.as.items.len = SMALL + 4;
    struct sb_buf b = { 0 };
    struct sb_trouble t = { 0 };
    fail_at = 0;
    assert_true(encode_value(&b, &v, &t));
    long before = live;
    EACH_FAILURE
    {
        struct sb_arena arena = { 0 };
        struct sb_chunk_cache cache = { 0 };
        sb_value got;
        const char *error = decode_bytes(&arena, &cache, b.ptr, b.len, &got);
        if (failed)
            assert_string_equal(error, "out of memory");
        else
            assert_true(same_value(&got, &v));
        sb__arena_reset(&arena, &cache);
        sb__chunk_cache_reset(&cache);
        assert_int_equal(live, before);
    }
    sb__buf_reset(&b);
}

static void plans(void **state)
{
    (void)state;
    static const struct {
        sb_fn fn;
        const char *given;
    } cases[] = {
        { { "numpy:m1", "f>n" }, "" },
        { { "numpy:m2", "fi:a,d:b|i:n,s:s,v:v>s" }, ".v = x, .s = y" },
        { { "numpy:m3", "fe{sleft;sright;i123456789012345678901234567890;b1;n}:a|e{sa;s%3b}:e,e{sx;"
                        "n}:f>e{sa;sb}" },
          ".f = 1" },
        { { "numpy:m4", "mo{numpy:ndarray}:self,a:args|k:kwargs>(i,d,s,y,e{sa;sb},v)" },
          ".kwargs = k" },
        { { "numpy:m5", "fi:a|e{sa}:e>n" }, NULL },
    };
    struct {
        sb_site site;
        int e;
    } options = { .e = 1 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long before = live;
        const struct sb_plan *made = NULL;
        EACH_FAILURE
        {
            struct sb_plan_cache c = { 0 };
            struct sb_trouble t = { 0 };
            const struct sb_plan *p = sb__plan_site(&c, &cases[i].fn, cases[i].given, &options, &t);
            assert_true(p || failed);
            assert_int_equal(t.code, p ? SB_OK : SB_E_MEMORY);
            assert_true(!made || !p || p == made);
            sb__plan_cache_reset(&c);
            if (p && !made) { /* without a cache entry, perhaps; the registry keeps it */
                made = p;
                before = live;
            }
            assert_int_equal(live, before);
        }
        assert_non_null(made);
    }
}

/* Malformed signatures stay malformed, whatever memory there is. */
static void wrong_plans(void **state)
{
    (void)state;
    static const char *const sigs[] = { "f", "fi:a|e{sa;sb;z}:e>i", "fe{sa;sb}:e>(i,e{sa;q})",
                                        "fi:a,d:b,q:c>i" };
    for (size_t i = 0; i < 4; i++) {
        sb_fn fn = { "numpy:wrong", sigs[i] };
        long before = live;
        EACH_FAILURE
        {
            struct sb_plan_cache c = { 0 };
            struct sb_trouble t = { 0 };
            assert_null(sb__plan_site(&c, &fn, "", NULL, &t));
            assert_int_equal(t.code, failed ? SB_E_MEMORY : SB_E_MISUSE);
            sb__plan_cache_reset(&c);
            assert_int_equal(live, before);
        }
    }
    const sb_fn unknown = { "numpy:unknown", "f|i:n,e{sa}:e>n" };
    const sb_fn place = { "numpy:place", "f|/i:n,/e{sa}:e>n" };
    for (int i = 0; i < 2; i++) {
        long before = live;
        EACH_FAILURE
        {
            struct sb_plan_cache c = { 0 };
            struct sb_trouble t = { 0 };
            assert_null(sb__plan_site(&c, i ? &place : &unknown, i ? ".e = 1" : ".n = 1, .x = 2",
                                      NULL, &t));
            assert_int_equal(t.code, failed ? SB_E_MEMORY : SB_E_MISUSE);
            sb__plan_cache_reset(&c);
            assert_int_equal(live, before);
        }
    }
}

static void dynamic_plans(void **state)
{
    (void)state;
    const sb_value list[] = { SB(1), SB_KW("axis", 0), SB_KW("keep", 1) };
    for (size_t n = 0; n < 2; n++) {
        long before = live;
        const struct sb_plan *made = NULL;
        EACH_FAILURE
        {
            struct sb_plan_cache c = { 0 };
            struct sb_trouble t = { 0 };
            const struct sb_plan *p =
                sb__plan_dynamic(&c, 'f', "numpy.memory", "v", (sb_args) { list, n ? 5 : 0 }, &t);
            assert_true(p || failed);
            assert_int_equal(t.code, p ? SB_OK : SB_E_MEMORY);
            assert_true(!made || !p || p == made);
            sb__plan_cache_reset(&c);
            if (p && !made) {
                made = p;
                before = live;
            }
            assert_int_equal(live, before);
        }
        assert_non_null(made);
    }
}

/* A session's caches while they grow: a plan without a place there is found again in the registry. */
static void growing_caches(void **state)
{
    (void)state;
    static sb_fn fn[200];
    static char names[200][24];
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof names[i], "numpy:grow%d", i);
        fn[i] = (sb_fn) { names[i], "fi:a>i" };
    }
    for (int every = 2; every < 40; every++) {
        struct sb_plan_cache c = { 0 };
        for (int round = 0; round < 2; round++)
            for (int i = 0; i < 200; i++) {
                struct sb_trouble t = { 0 };
                allocations = 0;
                fail_on = false;
                fail_at = i % 3 ? every : 0;
                failed = false;
                const struct sb_plan *p = sb__plan_site(&c, &fn[i], "", NULL, &t);
                const struct sb_plan *q =
                    sb__plan_dynamic(&c, 'f', names[i], "v", (sb_args) { NULL, 0 }, &t);
                assert_true((p && q) || failed);
                assert_int_equal(t.code, p && q ? SB_OK : SB_E_MEMORY);
                if (p)
                    assert_string_equal(p->name, names[i]);
                if (q)
                    assert_string_equal(q->name, names[i]);
            }
        fail_at = 0;
        sb__plan_cache_reset(&c);
    }
}

static void arenas(void **state)
{
    (void)state;
    long before = live;
    EACH_FAILURE
    {
        struct sb_arena a = { 0 };
        struct sb_chunk_cache cache = { 0 };
        int missing = 0;
        for (int i = 0; i < 50; i++) {
            char *p = sb__arena_alloc(&a, &cache, i % 7 ? 1000 : 30000, 16);
            missing += !p;
            if (p)
                memset(p, i, i % 7 ? 1000 : 30000);
        }
        assert_int_equal(missing > 0, failed);
        sb__arena_reset(&a, &cache);
        sb__chunk_cache_reset(&cache);
        assert_int_equal(live, before);
    }
}

/* A frame that no memory is there for is no reason to distrust the peer. */
static void incoming_frames(void **state)
{
    (void)state;
    static uint8_t memory[SB_RING_SIZE];
    long before = live;
    EACH_FAILURE
    {
        _Atomic uint64_t tail = 0, head = 0;
        struct sb_ring r = { memory, &head, &tail, 0, 0, false };
        struct sb_incoming in = { 0 };
        for (int i = 0; i < 2; i++) {
            uint32_t size = i ? 20000 : 64;
            memcpy(memory + r.pos, &size, sizeof size);
            atomic_store(&tail, r.pos + size);
            int got = sb__ring_read(&r, &in);
            if (got < 0) {
                assert_true(failed && in.buf.failed && !r.broken);
                assert_int_equal(sb__ring_read(&r, &in), -1);
                break;
            }
            assert_int_equal(got, 1);
            assert_int_equal(in.buf.len, size);
            sb__incoming_next(&in);
        }
        sb__buf_reset(&in.buf);
        assert_int_equal(live, before);
    }
}

int main(void)
{
    vectors_read(&all, SB_TEST_SOURCE "/vectors.txt");
    sb__set_resize(failing, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding),      cmocka_unit_test(encoding_much),
        cmocka_unit_test(decoding),      cmocka_unit_test(decoding_much),
        cmocka_unit_test(plans),         cmocka_unit_test(wrong_plans),
        cmocka_unit_test(dynamic_plans), cmocka_unit_test(growing_caches),
        cmocka_unit_test(arenas),        cmocka_unit_test(incoming_frames),
    };
    int wrong = cmocka_run_group_tests_name("core.memory", tests, NULL, NULL);
    sb__set_resize(NULL, NULL);
    vectors_free(&all);
    return wrong;
}
