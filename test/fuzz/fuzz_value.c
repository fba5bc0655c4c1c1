/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a value: what decodes is encoded, and decodes to the same; all of it within bounded memory. */
#include "vectors.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sb_arena arena = { 0 };
    struct sb_chunk_cache cache = { 0 };
    struct sb_buf b = { 0 }, again = { 0 };
    struct sb_trouble t = { 0 };
    sb_value v, w;
    if (!decode_bytes(&arena, &cache, data, size, &v)) {
        if (!encode_value(&b, &v, &t) || decode_bytes(&arena, &cache, b.ptr, b.len, &w))
            abort(); /* what came can be sent back */
        if (!same_value(&v, &w) || !encode_value(&again, &w, &t))
            abort();
        if (again.len != b.len || memcmp(again.ptr, b.ptr, b.len))
            abort(); /* one value, one form */
    }
    sb__buf_reset(&b);
    sb__buf_reset(&again);
    sb__arena_reset(&arena, &cache);
    sb__chunk_cache_reset(&cache);
    return 0;
}
