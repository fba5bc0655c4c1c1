/* SPDX-License-Identifier: MIT
 *
 * Values: the limits of nesting, counts, digits, arrays that are wrong, what may not be passed. What is right is in
 * vectors.txt. */
#include "vectors.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#pragma GCC diagnostic ignored \
    "-Wmissing-field-initializers" /* arrays, of which none is readonly */

static struct sb_arena arena;
static struct sb_chunk_cache cache;

static const char *decode(const void *p, size_t n, sb_value *v)
{
    return decode_bytes(&arena, &cache, p, n, v);
}
static int forget(void **state)
{
    (void)state;
    sb__arena_reset(&arena, &cache);
    sb__chunk_cache_reset(&cache);
    return 0;
}

/* ---- nesting ---- */

/* `depth` containers around nothing, or around a number. */
static struct sb_buf nested(unsigned depth, sb_kind kind, bool number)
{
    struct sb_buf b = { 0 };
    for (unsigned i = 0; i < depth; i++) {
        if (kind == SB_TUPLE_)
            sb__put_head(&b, SB_MAJOR_TAG, SB_TAG_TUPLE);
        bool last = i + 1 == depth && !number;
        sb__put_head(&b, kind == SB_DICT_ ? SB_MAJOR_MAP : SB_MAJOR_ARRAY, !last);
        if (kind == SB_DICT_ && !last)
            sb__put_uint(&b, 1);
    }
    if (number)
        sb__put_uint(&b, 7);
    return b;
}

static void depth(void **state)
{
    (void)state;
    static const sb_kind kinds[] = { SB_LIST_, SB_TUPLE_, SB_DICT_ };
    for (int k = 0; k < 3; k++)
        for (unsigned more = 0; more < 4; more++) {
            unsigned depth = SB_MAX_DEPTH - 2 + more;
            bool number = more % 2; /* counts as one level */
            struct sb_buf b = nested(depth, kinds[k], number), again = { 0 };
            sb_value v;
            const char *error = decode(b.ptr, b.len, &v);
            struct sb_trouble t = { 0 };
            if (depth + number <= SB_MAX_DEPTH) {
                assert_null(error);
                assert_true(encode_value(&again, &v, &t));
                assert_int_equal(again.len, b.len);
                assert_memory_equal(again.ptr, b.ptr, b.len);
            } else {
                assert_string_equal(error, "a value nested too deep");
            }
            sb__buf_reset(&b);
            sb__buf_reset(&again);
        }
    struct sb_buf deep = nested(2000000, SB_LIST_, true); /* the stack is not at stake */
    sb_value v;
    assert_string_equal(decode(deep.ptr, deep.len, &v), "a value nested too deep");
    sb__buf_reset(&deep);
}

static void depth_of_arguments(void **state)
{
    (void)state;
    enum { DEEP = 1000 };
    static sb_value v[DEEP + 1];
    v[DEEP] = SB_NONE;
    for (int i = DEEP; i-- > 0;) {
        v[i] = sb_of_kind_(i % 2 ? SB_LIST_ : SB_TUPLE_);
        v[i].as.items.ptr = &v[i + 1];
        v[i].as.items.len = 1;
    }
    struct sb_buf b = { 0 };
    struct sb_trouble t = { 0 };
    assert_true(encode_value(&b, &v[DEEP + 1 - SB_MAX_DEPTH], &t));
    assert_false(encode_value(&b, &v[DEEP - SB_MAX_DEPTH], &t));
    assert_int_equal(t.code, SB_E_LIMIT);
    assert_string_equal(t.text, "a value nested more than 500 deep");
    t.code = SB_OK;
    assert_false(encode_value(&b, &v[0], &t));
    assert_int_equal(t.code, SB_E_LIMIT);
    sb__buf_reset(&b);
}

/* ---- counts ---- */

static void many_items(void **state)
{
    (void)state;
    enum { N = 1000000 };
    sb_value *items = malloc(N * sizeof *items), back;
    assert_non_null(items);
    for (int i = 0; i < N; i++)
        items[i] = i % 3 ? sb_from_int(i - N / 2) : sb_from_double(i / 7.0);
    sb_value v = sb_of_kind_(SB_LIST_);
    v.as.items.ptr = items;
    v.as.items.len = N;
    struct sb_buf b = { 0 };
    struct sb_trouble t = { 0 };
    assert_true(encode_value(&b, &v, &t));
    assert_null(decode(b.ptr, b.len, &back));
    assert_true(same_value(&v, &back));
    free(items);
    sb__buf_reset(&b);
}

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

/* Each count alone fits into what remains, all of them together do not. */
static void counts_that_promise_too_much(void **state)
{
    (void)state;
    static const enum sb_tag tags[] = { SB_TAG_TUPLE, SB_TAG_SET, SB_TAG_FROZENSET };
    for (int form = 0; form < 5; form++) {
        enum { SIZE = 1 << 20 };
        struct sb_buf b = { 0 };
        while (b.len < SIZE / 2) {
            if (form >= 2)
                sb__put_head(&b, SB_MAJOR_TAG, tags[form - 2]);
            sb__put_head(&b, form == 1 ? SB_MAJOR_MAP : SB_MAJOR_ARRAY, SIZE / 8);
            if (form == 1)
                sb__put_uint(&b, 1);
        }
        while (b.len < SIZE)
            sb__put_uint(&b, 1);
        sb_value v;
        allocated = 0;
        sb__set_resize(count, NULL);
        assert_string_equal(decode(b.ptr, b.len, &v), "more items than bytes");
        assert_in_range(allocated, 1, 32 * SIZE);
        forget(state);
        sb__set_resize(NULL, NULL);
        sb__buf_reset(&b);
    }
}

/* A reader gives nothing but the item: what is behind it is the caller's. */
static void one_item(void **state)
{
    (void)state;
    static const uint8_t two[] = { 0x01, 0x02 };
    sb_value v;
    assert_string_equal(decode(two, 2, &v), "bytes behind the value");
    assert_int_equal(v.as.i, 1);
}

static bool meet_odd(void *ctx, uint64_t id)
{
    *(uint64_t *)ctx += id;
    return id % 2;
}
static bool check_odd(void *ctx, sb_object o, struct sb_trouble *t)
{
    *(uint64_t *)ctx += o.id;
    if (o.id % 2 == 0 && o.id)
        sb__trouble(t, SB_E_STALE, "object %d is gone", (int)o.id);
    return o.id % 2 || !o.id;
}

static void objects(void **state)
{
    (void)state;
    sb_value list[] = { sb_from_object((sb_object) { 3 }), sb_from_object((sb_object) { 0 }),
                        sb_from_object((sb_object) { 5 }), sb_from_object((sb_object) { 4 }) };
    assert_int_equal(list[1].kind, SB_NONE_);
    list[1].kind = SB_OBJECT_; /* id 0 is None however it is written */
    sb_value v = sb_of_kind_(SB_LIST_), back;
    v.as.items.ptr = list;
    uint64_t sum = 0;
    for (size_t n = 3; n <= 4; n++) {
        struct sb_buf b = { 0 };
        struct sb_trouble t = { 0 };
        v.as.items.len = n;
        sum = 0;
        bool ok = sb__value_encode(&b, &v, check_odd, &sum, &t);
        assert_int_equal(ok, n == 3);
        assert_int_equal(sum, n == 3 ? 8 : 12);
        if (!ok) {
            assert_int_equal(t.code, SB_E_STALE);
            assert_string_equal(t.text, "object 4 is gone");
        } else {
            sum = 0;
            struct sb_decoder d = { .in = { b.ptr, b.ptr + b.len, NULL },
                                    .arena = &arena,
                                    .cache = &cache,
                                    .meet = meet_odd,
                                    .ctx = &sum };
            assert_true(sb__value_decode(&d, &back));
            assert_int_equal(sum, 8);
            assert_int_equal(back.as.items.ptr[1].kind, SB_NONE_);
        }
        sb__buf_reset(&b);
    }
    static const uint8_t even[] = { 0x82, 0xd8, 39, 1, 0xd8, 39, 2 };
    struct sb_decoder d = { .in = { even, even + sizeof even, NULL },
                            .arena = &arena,
                            .cache = &cache,
                            .meet = meet_odd,
                            .ctx = &sum };
    assert_false(sb__value_decode(&d, &back));
    assert_string_equal(d.in.error, "an object that is not this session's");
}

static void refused_kinds(void **state)
{
    (void)state;
    static const struct {
        sb_kind kind;
        const char *text;
    } cases[] = {
        { SB_UNSET, "nothing was passed as a value" },
        { SB_KEYWORD_, "keyword was passed as a value" },
        { SB_FAILED_, "the result of a call that failed was passed as a value" },
        { (sb_kind)99, "no kind of value was passed as a value" },
        { (sb_kind)-1, "no kind of value was passed as a value" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sb_buf b = { 0 };
        struct sb_trouble t = { 0 };
        sb_value v = sb_of_kind_(cases[i].kind), list = sb_of_kind_(SB_LIST_);
        list.as.items.ptr = &v;
        list.as.items.len = 1;
        assert_false(encode_value(&b, &v, &t));
        assert_int_equal(t.code, SB_E_MISUSE);
        assert_string_equal(t.text, cases[i].text);
        t.code = SB_OK;
        assert_false(encode_value(&b, &list, &t));
        assert_string_equal(t.text, cases[i].text);
        sb__buf_reset(&b);
    }
    for (sb_kind k = SB_UNSET; k <= SB_FAILED_; k++)
        assert_true(*sb__kind_name(k) != 0);
}

/* ---- digits ---- */

static const char *encoded_digits(const char *s, size_t n, struct sb_buf *b)
{
    struct sb_trouble t = { 0 };
    static char text[sizeof t.text];
    b->len = 0;
    if (sb__encode_digits(b, (sb_str) { s, n }, &t))
        return NULL;
    assert_int_equal(t.code, SB_E_TYPE);
    strcpy(text, t.text);
    return text;
}

static void digits_forms(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",    "-",    "+",   "--1",      "+-1",
        "1-",  "a",    "1a",  "1 ",       " 1",
        "1_0", "0x10", "1.0", "\xd9\xa1", "99999999999999999999999999999999999999999999999999x"
    };
    struct sb_buf b = { 0 };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *error = encoded_digits(wrong[i], strlen(wrong[i]), &b);
        assert_non_null(error);
        char due[100];
        snprintf(due, sizeof due, "\"%.40s\" are no decimal digits", wrong[i]);
        assert_string_equal(error, due);
    }
    assert_non_null(encoded_digits("1\0002", 3, &b));
    assert_non_null(encoded_digits(NULL, 0, &b));
    static const struct {
        const char *digits;
        int64_t n;
    } same[] = { { "0", 0 },
                 { "-0", 0 },
                 { "+0", 0 },
                 { "000", 0 },
                 { "-000", 0 },
                 { "+007", 7 },
                 { "-0012", -12 },
                 { "1234567890", 1234567890 },
                 { "-9223372036854775808", INT64_MIN },
                 { "000000000000000000000000000000000000000009223372036854775807", INT64_MAX } };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct sb_buf due = { 0 };
        sb__put_int(&due, same[i].n);
        assert_null(encoded_digits(same[i].digits, strlen(same[i].digits), &b));
        assert_int_equal(b.len, due.len);
        assert_memory_equal(b.ptr, due.ptr, b.len);
        sb__buf_reset(&due);
    }
    sb__buf_reset(&b);
}

/* 10^k - 1, 10^k, 10^k + 1 and their negatives, there and back. test_digits.py compares others with Python. */
static void digits_there_and_back(void **state)
{
    (void)state;
    struct sb_buf b = { 0 };
    for (size_t k = 1; k < 400; k++)
        for (int form = 0; form < 6; form++) {
            char digits[402];
            size_t n = form % 3 ? k + 1 : k, sign = form >= 3;
            *digits = '-';
            memset(digits + sign, form % 3 ? '0' : '9', n);
            if (form % 3)
                digits[sign] = '1';
            if (form % 3 == 2)
                digits[sign + n - 1]++;
            assert_null(encoded_digits(digits, sign + n, &b));
            sb_value v;
            assert_null(decode(b.ptr, b.len, &v));
            char got[402];
            size_t len;
            if (v.kind == SB_BIGINT_) {
                assert_int_equal(v.as.str.ptr[v.as.str.len], 0);
                len = v.as.str.len;
                memcpy(got, v.as.str.ptr, len);
            } else if (v.kind == SB_UINT_) {
                len = (size_t)snprintf(got, sizeof got, "%llu", (unsigned long long)v.as.u);
            } else {
                assert_int_equal(v.kind, SB_INT_);
                len = (size_t)snprintf(got, sizeof got, "%lld", (long long)v.as.i);
            }
            assert_int_equal(len, sign + n);
            assert_memory_equal(got, digits, len);
        }
    sb__buf_reset(&b);
}

/* The longest integer there and back, and the one behind it on either way. */
static void digits_limit(void **state)
{
    (void)state;
    struct sb_buf b = { 0 }, again = { 0 };
    struct sb_trouble t = { 0 };
    sb__put_head(&b, SB_MAJOR_TAG, SB_TAG_BIGNUM);
    sb__put_head(&b, SB_MAJOR_BYTES, SB_MAX_INT_BYTES);
    for (int i = 0; i < SB_MAX_INT_BYTES; i++)
        sb__put_byte(&b, 0xff);
    sb_value v;
    assert_null(decode(b.ptr, b.len, &v));
    assert_int_equal(v.as.str.len, SB_MAX_INT_DIGITS);
    assert_true(encode_value(&again, &v, &t));
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.ptr, b.ptr, b.len);

    char *more = malloc(v.as.str.len + 3);
    assert_non_null(more);
    snprintf(more, v.as.str.len + 3, "-0%s", v.as.str.ptr);
    char *last = &more[v.as.str.len + 1];
    assert_int_equal(*last, '5');
    *last = '6';
    again.len = 0; /* -1 - n: below zero there is one more */
    assert_true(sb__encode_digits(&again, (sb_str) { more, strlen(more) }, &t));
    b.ptr[0] |= 1;
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.ptr, b.ptr, b.len);
    assert_false(sb__encode_digits(&again, (sb_str) { more + 1, strlen(more + 1) }, &t));
    assert_int_equal(t.code, SB_E_LIMIT);
    assert_string_equal(t.text, "an integer of more than 65536 bytes (157827 digits)");
    t.code = SB_OK;
    more[0] = more[1] = '1';
    assert_false(sb__encode_digits(&again, (sb_str) { more, strlen(more) }, &t));
    assert_int_equal(t.code, SB_E_LIMIT);
    free(more);

    b.len = 0;
    sb__put_head(&b, SB_MAJOR_TAG, SB_TAG_BIGNUM);
    sb__put_head(&b, SB_MAJOR_BYTES, SB_MAX_INT_BYTES + 1);
    for (int i = 0; i <= SB_MAX_INT_BYTES; i++)
        sb__put_byte(&b, !i);
    assert_string_equal(decode(b.ptr, b.len, &v), "an integer of more than 65536 bytes");
    sb__buf_reset(&b);
    sb__buf_reset(&again);
}

/* ---- arrays ---- */

static void wrong_arrays(void **state)
{
    (void)state;
    double data[4] = { 0 };
    const int64_t huge = INT64_C(1) << 40;
    const struct {
        sb_array a;
        sb_code code;
    } cases[] = {
        { { data, SB_DTYPE_NONE, 1, { 4 }, { 0 } }, SB_E_TYPE },
        { { data, (sb_dtype)15, 1, { 4 }, { 0 } }, SB_E_TYPE },
        { { data, (sb_dtype)-1, 1, { 4 }, { 0 } }, SB_E_TYPE },
        { { data, SB_FLOAT64, -1, { 4 }, { 0 } }, SB_E_RANGE },
        { { data, SB_FLOAT64, SB_MAX_NDIM + 1, { 4 }, { 0 } }, SB_E_RANGE },
        { { data, SB_FLOAT64, 1, { -1 }, { 0 } }, SB_E_RANGE },
        { { data, SB_FLOAT64, 2, { -1, 0 }, { 0 } }, SB_E_RANGE },
        { { data, SB_FLOAT64, 1, { INT64_MAX }, { 0 } }, SB_E_LIMIT },
        { { data, SB_FLOAT64, 3, { huge, huge, 2 }, { 0 } }, SB_E_LIMIT },
        { { data, SB_FLOAT64, 3, { 0, huge, huge }, { 0 } }, SB_E_LIMIT },
        { { data, SB_FLOAT64, 3, { huge, huge, 0 }, { 0 } }, SB_E_LIMIT },
        { { data, SB_UINT8, 1, { (int64_t)SB_FRAME_MAX + 1 }, { 0 } }, SB_E_LIMIT },
        { { data, SB_COMPLEX128, 1, { (int64_t)SB_FRAME_MAX / 16 + 1 }, { 0 } }, SB_E_LIMIT },
        { { NULL, SB_FLOAT64, 1, { 4 }, { 0 } }, SB_E_MISUSE },
        { { NULL, SB_FLOAT64, 0, { 0 }, { 0 } }, SB_E_MISUSE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sb_buf b = { 0 };
        struct sb_trouble t = { 0 };
        sb_value v = sb_from_array(&cases[i].a);
        assert_false(encode_value(&b, &v, &t));
        assert_int_equal(t.code, cases[i].code);
        assert_int_equal(b.len, 0);
        sb__buf_reset(&b);
    }
    const sb_array empty[] = { { NULL, SB_FLOAT64, 1, { 0 }, { 0 } },
                               { NULL, SB_INT8, 3, { 4, 0, 5 }, { 1, 2, 3 } } };
    for (int i = 0; i < 2; i++) {
        struct sb_buf b = { 0 };
        struct sb_trouble t = { 0 };
        sb_value v = sb_from_array(&empty[i]), back;
        assert_true(encode_value(&b, &v, &t));
        assert_null(decode(b.ptr, b.len, &back));
        assert_int_equal(sb__array_count(back.as.array), 0);
        sb__buf_reset(&b);
    }
}

static void c_order(void **state)
{
    (void)state;
    static const struct {
        sb_array a;
        bool c;
    } cases[] = {
        { { NULL, SB_INT32, 0, { 0 }, { 0 } }, true },
        { { NULL, SB_INT32, 2, { 3, 4 }, { 0 } }, true }, /* all zero means C order */
        { { NULL, SB_INT32, 2, { 3, 4 }, { 16, 4 } }, true },
        { { NULL, SB_INT32, 2, { 3, 4 }, { 4, 12 } }, false },
        { { NULL, SB_INT32, 2, { 3, 4 }, { 0, 4 } }, false },
        { { NULL, SB_INT32, 2, { 1, 4 }, { 99, 4 } },
          true }, /* strides of one element say nothing */
        { { NULL, SB_INT32, 2, { 3, 1 }, { 4, -7 } }, true },
        { { NULL, SB_INT32, 2, { 0, 4 }, { 5, 4 } }, true },
        { { NULL, SB_INT32, 2, { 4, 0 }, { 5, 5 } }, true },
        { { NULL, SB_INT32, 1, { 4 }, { -4 } }, false },
        { { NULL, SB_INT32, 1, { 4 }, { 8 } }, false },
        { { NULL, SB_INT32, -1, { 4 }, { 4 } }, false },
        { { NULL, SB_INT32, SB_MAX_NDIM + 1, { 4 }, { 4 } }, false },
        { { NULL, SB_UINT8, 2, { INT64_C(1) << 62, INT64_C(1) << 62 }, { 0, 1 } }, false },
    };
    assert_int_equal(sb__array_count(&(sb_array) { .dtype = SB_INT8, .ndim = -1 }), -1);
    assert_int_equal(sb__array_count(&(sb_array) { .dtype = SB_INT8, .ndim = 9 }), -1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(sb__array_is_c(&cases[i].a), cases[i].c);
    assert_string_equal(sb__dtype_name(SB_COMPLEX64), "complex64");
    assert_string_equal(sb__dtype_name((sb_dtype)99), "no dtype");
    assert_int_equal(sb__dtype_size((sb_dtype)-1), 0);
}

/* Decoded arrays are aligned for vectors, have C strides, and do not share memory with the frame. */
static void decoded_arrays(void **state)
{
    (void)state;
    static const uint8_t bytes[] = { 0x82, 0xd8, 77,   0x44, 1,    0, 2, 0, 0xd8, 40, 0x82, 0x82,
                                     3,    2,    0xd8, 64,   0x46, 1, 2, 3, 4,    5,  6 };
    sb_value v;
    assert_null(decode(bytes, sizeof bytes, &v));
    const sb_array *a = v.as.items.ptr[0].as.array, *b = v.as.items.ptr[1].as.array;
    assert_int_equal((uintptr_t)a->data % 64, 0);
    assert_int_equal((uintptr_t)b->data % 64, 0);
    assert_int_equal(a->strides[0], 2);
    assert_int_equal(b->strides[0], 2);
    assert_int_equal(b->strides[1], 1);
    assert_true(sb__arena_has(&arena, a->data) && sb__arena_has(&arena, b->data));
    assert_true(sb__array_is_c(b));
}

/* Text and bytes end with a NUL, that `.ptr` prints. */
static void ends_with_nul(void **state)
{
    (void)state;
    static const uint8_t bytes[] = { 0x84, 0x62, 'h', 'i', 0x60, 0x42, 'h', 'i', 0x40 };
    sb_value v;
    assert_null(decode(bytes, sizeof bytes, &v));
    for (int i = 0; i < 4; i++)
        assert_string_equal(v.as.items.ptr[i].as.str.ptr, i % 2 ? "" : "hi");
}

/* The first trouble stays. */
static void trouble(void **state)
{
    (void)state;
    struct sb_trouble t = { 0 };
    sb__trouble(&t, SB_E_RANGE, "%0300d", 1);
    assert_int_equal(strlen(t.text), sizeof t.text - 1);
    sb__trouble(&t, SB_E_TYPE, "second");
    assert_int_equal(t.code, SB_E_RANGE);
}

#define TEST(f) cmocka_unit_test_teardown(f, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(depth),
        TEST(depth_of_arguments),
        TEST(many_items),
        TEST(counts_that_promise_too_much),
        TEST(one_item),
        TEST(objects),
        TEST(refused_kinds),
        TEST(digits_forms),
        TEST(digits_there_and_back),
        TEST(digits_limit),
        TEST(wrong_arrays),
        TEST(c_order),
        TEST(decoded_arrays),
        TEST(ends_with_nul),
        TEST(trouble),
    };
    return cmocka_run_group_tests_name("core.value", tests, NULL, NULL);
}
