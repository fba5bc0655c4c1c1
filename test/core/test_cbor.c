/* SPDX-License-Identifier: MIT
 *
 * Heads, floats of 16 and 32 bits, UTF-8: every boundary, most of them against the rule written the long way. */
#include "core/cbor.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const uint64_t edges[] = {
    0,
    1,
    22,
    23,
    24,
    25,
    31,
    32,
    254,
    255,
    256,
    257,
    65534,
    65535,
    65536,
    65537,
    4294967294,
    4294967295,
    4294967296,
    4294967297,
    1ull << 62,
    1ull << 63,
    UINT64_MAX - 1,
    UINT64_MAX,
};
enum { EDGES = sizeof edges / sizeof *edges };

static struct sb_reader reader(const void *p, size_t n)
{
    const uint8_t *bytes = p;
    return (struct sb_reader) { bytes, bytes + n, NULL };
}

static void heads(void **state)
{
    (void)state;
    for (int major = 0; major < 7; major++)
        for (int i = 0; i < EDGES; i++) {
            uint64_t n = edges[i];
            uint8_t bytes[SB_CBOR_HEAD_MAX];
            size_t size = (size_t)(sb__cbor_head(bytes, (enum sb_major)major, n) - bytes);
            assert_int_equal(size, n < 24 ? 1 : n < 256 ? 2 : n < 65536 ? 3 : n >> 32 ? 9 : 5);
            assert_int_equal(bytes[0] >> 5, major);
            uint64_t got = 0; /* big-endian, RFC 8949, 3 */
            for (size_t k = 1; k < size; k++)
                got = got << 8 | bytes[k];
            assert_int_equal(size > 1 ? got : bytes[0] & 31u, n);
            /* All of it is needed, and lengths are checked against what is behind it. */
            for (size_t cut = 0; cut <= size; cut++) {
                uint8_t *exact = malloc(cut + !cut);
                assert_non_null(exact);
                memcpy(exact, bytes, cut);
                struct sb_reader r = reader(exact, cut);
                struct sb_head h;
                bool counts = major >= SB_MAJOR_BYTES && major <= SB_MAJOR_MAP && n;
                assert_int_equal(sb__read_head(&r, &h), cut == size && !counts);
                if (r.error) {
                    assert_ptr_equal(r.p, r.end);
                    const char *first = r.error;
                    assert_false(sb__read_head(&r, &h)); /* for ever, and the first reason stays */
                    assert_ptr_equal(r.error, first);
                } else {
                    assert_int_equal(h.major, major);
                    assert_int_equal(h.n, n);
                }
                free(exact);
            }
        }
}

/* Strings and containers of just the length that is there, and one more. */
static void lengths(void **state)
{
    (void)state;
    for (int major = SB_MAJOR_BYTES; major <= SB_MAJOR_MAP; major++)
        for (uint64_t n = 1; n < 70000; n = n * 2 + 1) {
            struct sb_buf b = { 0 };
            sb__put_head(&b, (enum sb_major)major, n);
            size_t size = b.len + (size_t)(major == SB_MAJOR_MAP ? 2 * n : n);
            assert_true(sb__buf_room(&b, size));
            memset(b.ptr + b.len, 0, size - b.len);
            struct sb_head h;
            struct sb_reader r = reader(b.ptr, size);
            assert_true(sb__read_head(&r, &h));
            assert_int_equal(h.n, n);
            r = reader(b.ptr, size - 1);
            assert_false(sb__read_head(&r, &h));
            assert_string_equal(r.error, "a length beyond the end of the frame");
            sb__buf_reset(&b);
        }
}

static void integers(void **state)
{
    (void)state;
    for (int i = 0; i < EDGES; i++)
        for (int sign = 0; sign < 2; sign++) {
            int64_t n = (int64_t)(sign ? ~edges[i] : edges[i]);
            struct sb_buf b = { 0 };
            sb__put_int(&b, n);
            struct sb_reader r = reader(b.ptr, b.len);
            struct sb_head h;
            assert_true(sb__read_head(&r, &h));
            assert_int_equal(h.major, n < 0 ? SB_MAJOR_NEGATIVE : SB_MAJOR_UINT);
            assert_int_equal(h.n, n < 0 ? ~(uint64_t)n : (uint64_t)n);
            sb__buf_reset(&b);
        }
}

/* What another kind of item is answered with. */
static void kinds(void **state)
{
    (void)state;
    static const uint8_t items[][2] = {
        { 0x05 }, { 0x25 }, { 0x41, 'a' }, { 0x61, 'a' }, { 0x81, 0 }, { 0xa0 }, { 0xc1 }, { 0xf6 },
    };
    for (int i = 0; i < 8; i++) {
        uint64_t n;
        const char *s = NULL;
        size_t len = 0;
        struct sb_reader r = reader(items[i], 2);
        assert_int_equal(sb__read_uint(&r, &n), i == 0);
        for (int major = SB_MAJOR_BYTES; major <= SB_MAJOR_TEXT; major++) {
            r = reader(items[i], 2);
            assert_int_equal(sb__read_string(&r, (enum sb_major)major, &s, &len), i == major);
            assert_true(i != major || (len == 1 && *s == 'a' && r.p == r.end));
        }
        for (int major = SB_MAJOR_ARRAY; major <= SB_MAJOR_MAP; major++) {
            r = reader(items[i], 2);
            assert_int_equal(sb__read_count(&r, (enum sb_major)major, &n), i == major);
        }
    }
}

/* RFC 8949, appendix D, in integers: value = mantissa * 2^exponent. */
static void halves(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        struct sb_head h = { SB_MAJOR_SIMPLE, 25, bits };
        double d, due;
        assert_true(sb__head_float(&h, &d));
        unsigned e = bits >> 10 & 31, m = bits & 1023;
        if (e == 31) {
            assert_true(m ? isnan(d) != 0 : isinf(d) != 0);
        } else {
            due = e ? 1 + m / 1024.0 : m / 1024.0;
            for (unsigned k = e ? e : 1; k < 15; k++)
                due /= 2;
            for (unsigned k = 15; k < e; k++)
                due *= 2;
            assert_true(fabs(d) == due);
        }
        assert_int_equal(!!signbit(d), isnan(d) ? !!signbit(d) : bits >> 15);
    }
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 65521) {
        struct sb_head h = { SB_MAJOR_SIMPLE, 26, bits };
        uint32_t word = (uint32_t)bits;
        float f;
        double d;
        memcpy(&f, &word, sizeof f);
        assert_true(sb__head_float(&h, &d));
        assert_true(isnan(f) ? isnan(d) : (double)f == d && !signbit(f) == !signbit(d));
    }
    for (uint8_t info = 0; info < 32; info++) {
        double d;
        struct sb_head h = { SB_MAJOR_SIMPLE, info, 0 };
        assert_int_equal(sb__head_float(&h, &d), info >= 25 && info <= 27);
        h.major = SB_MAJOR_TAG;
        assert_false(sb__head_float(&h, &d));
    }
}

/* RFC 3629 the long way: decodes one character, then asks whether this was its only form. */
static size_t one_character(const unsigned char *p, size_t n)
{
    unsigned size = p[0] < 0x80       ? 1
                    : p[0] >> 5 == 6  ? 2
                    : p[0] >> 4 == 14 ? 3
                    : p[0] >> 3 == 30 ? 4
                                      : 0;
    if (!size || size > n)
        return 0;
    uint32_t c = size == 1 ? p[0] : p[0] & (0x7fu >> size);
    for (unsigned i = 1; i < size; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        c = c << 6 | (p[i] & 63u);
    }
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    return c < least[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : size;
}
static bool valid(const unsigned char *p, size_t n)
{
    for (size_t size; n; p += size, n -= size)
        if (!(size = one_character(p, n)))
            return false;
    return true;
}

/* All of two bytes; all of three and four whose first bytes matter, with each edge of the others; at every place
 * relative to the words of 8 bytes that are looked at together; and cut short at the end of memory. */
static void utf8(void **state)
{
    (void)state;
    static const uint8_t edge[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90,
                                    0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xff };
    enum { E = sizeof edge };
    size_t good = 0, bad = 0;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (unsigned c = 0; c < E * E; c++) {
                if (c && a < 0xdf)
                    break;
                const uint8_t s[4] = { (uint8_t)a, (uint8_t)b, edge[c / E], edge[c % E] };
                for (size_t n = 1; n <= 4; n++) {
                    bool due = valid(s, n);
                    if (sb__utf8_valid((const char *)s, n) != due)
                        fail_msg("%02x %02x %02x %02x: %zu bytes", s[0], s[1], s[2], s[3], n);
                    good += due;
                    bad += !due;
                }
            }
    assert_true(good > 100000 && bad > 100000);
    static const char *const wrong[] = {
        "\x80",         "\xc3",     "\xe2\x82",         "\xf0\x9f\x98",
        "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\xff"
    };
    static const char *const right[] = { "a", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    for (size_t before = 0; before < 20; before++)
        for (size_t after = 0; after < 20; after++)
            for (size_t i = 0; i < 12; i++) {
                const char *s = i < 8 ? wrong[i] : right[i - 8];
                size_t n = before + strlen(s) + after;
                char *exact = malloc(n);
                assert_non_null(exact);
                memset(exact, 'x', n);
                memcpy(exact + before, s, strlen(s));
                assert_int_equal(sb__utf8_valid(exact, n), i >= 8);
                free(exact);
            }
    assert_true(sb__utf8_valid("", 0));
    assert_true(sb__utf8_valid("a\0b", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads), cmocka_unit_test(lengths), cmocka_unit_test(integers),
        cmocka_unit_test(kinds), cmocka_unit_test(halves),  cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests_name("core.cbor", tests, NULL, NULL);
}
