/* SPDX-License-Identifier: MIT
 *
 * For test_digits.py: reads decimal digits, a line each; writes what they are in CBOR, as hexadecimal digits, and what
 * that reads as again. */
#include "vectors.h"
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    for (ssize_t n; (n = getline(&line, &room, stdin)) > 0;) {
        struct sb_arena arena = { 0 };
        struct sb_chunk_cache cache = { 0 };
        struct sb_buf b = { 0 };
        struct sb_trouble t = { 0 };
        sb_value v;
        if (!sb__encode_digits(&b, (sb_str) { line, (size_t)n - 1 }, &t))
            return fprintf(stderr, "%s\n", t.text), 1;
        for (size_t i = 0; i < b.len; i++)
            printf("%02x", b.ptr[i]);
        const char *error = decode_bytes(&arena, &cache, b.ptr, b.len, &v);
        if (error)
            return fprintf(stderr, "%s\n", error), 1;
        if (v.kind == SB_INT_)
            printf(" int %lld\n", (long long)v.as.i);
        else if (v.kind == SB_UINT_)
            printf(" uint %llu\n", (unsigned long long)v.as.u);
        else
            printf(" digits %s\n", v.kind == SB_BIGINT_ ? v.as.str.ptr : "none");
        sb__buf_reset(&b);
        sb__arena_reset(&arena, &cache);
        sb__chunk_cache_reset(&cache);
    }
    free(line);
    return 0;
}
