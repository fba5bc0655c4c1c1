/* SPDX-License-Identifier: MIT
 *
 * Memory that is freed in one batch: a list of chunks, one arena a scope. Small chunks go back to a cache that the arenas
 * of one session share. Not for two threads at once. */
#ifndef SB_CORE_ARENA_H
#define SB_CORE_ARENA_H

#include "core/buf.h"

struct sb_chunk;

struct sb_chunk_cache {
    struct sb_chunk *free; /* of the standard size */
    unsigned count;
};

struct sb_arena {
    struct sb_chunk *chunks; /* newest first */
    uint8_t *next, *end;     /* room in the newest */
};

void *sb__arena_more(struct sb_arena *a, struct sb_chunk_cache *cache, size_t size, size_t align);
/* Frees everything; the arena is empty again. */
void sb__arena_reset(struct sb_arena *a, struct sb_chunk_cache *cache);
/* Whether `p` lies in the arena. */
bool sb__arena_has(const struct sb_arena *a, const void *p);
void sb__chunk_cache_reset(struct sb_chunk_cache *cache);

/* `size` bytes (0 is legal), aligned to `align`, a power of two up to 64; NULL for want of memory. */
static inline void *sb__arena_alloc(struct sb_arena *a, struct sb_chunk_cache *cache, size_t size,
                                    size_t align)
{
    if (a->next) {
        uint8_t *p = a->next + (-(uintptr_t)a->next & (align - 1));
        if (SB_LIKELY(p <= a->end && (size_t)(a->end - p) >= size)) {
            a->next = p + size;
            return p;
        }
    }
    return sb__arena_more(a, cache, size, align);
}

#endif
