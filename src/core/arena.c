/* SPDX-License-Identifier: MIT
 *
 * Arenas: see arena.h. A request beyond half a standard chunk gets a chunk of its own, placed behind the newest one, so
 * that the room left there is not lost. */
#include "core/arena.h"

#ifdef __has_feature /* of clang */
#define ASAN __has_feature(address_sanitizer)
#elif defined __SANITIZE_ADDRESS__
#define ASAN 1
#else
#define ASAN 0
#endif
#if ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum { STANDARD = 8192, CACHED = 16 };

struct sb_chunk {
    struct sb_chunk *next;
    size_t size; /* of data */
    _Alignas(16) uint8_t data[];
};

void *sb__arena_more(struct sb_arena *a, struct sb_chunk_cache *cache, size_t size, size_t align)
{
    const size_t room = STANDARD - sizeof(struct sb_chunk);
    bool own = size > room / 2;
    size_t need = size + align;
    if (need < size)
        return NULL;
    struct sb_chunk *c;
    if (!own && cache->free) {
        c = cache->free;
        UNPOISON(c->data, c->size);
        cache->free = c->next;
        cache->count--;
    } else {
        size_t bytes = own ? need : room;
        if (bytes > SIZE_MAX - sizeof *c || !(c = sb__resize(NULL, sizeof *c + bytes)))
            return NULL;
        c->size = bytes;
    }
    uint8_t *p = c->data + (-(uintptr_t)c->data & (align - 1));
    if (own && a->chunks) {
        c->next = a->chunks->next;
        a->chunks->next = c;
    } else {
        c->next = a->chunks;
        a->chunks = c;
        a->next = p + size;
        a->end = c->data + c->size;
    }
    return p;
}

void sb__arena_reset(struct sb_arena *a, struct sb_chunk_cache *cache)
{
    for (struct sb_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        if (c->size == STANDARD - sizeof *c && cache->count < CACHED) {
            POISON(c->data, c->size);
            c->next = cache->free;
            cache->free = c;
            cache->count++;
        } else {
            sb__free(c);
        }
    }
    *a = (struct sb_arena) { 0 };
}

bool sb__arena_has(const struct sb_arena *a, const void *p)
{
    for (const struct sb_chunk *c = a->chunks; c; c = c->next)
        if ((uintptr_t)p - (uintptr_t)c->data < c->size)
            return true;
    return false;
}

void sb__chunk_cache_reset(struct sb_chunk_cache *cache)
{
    for (struct sb_chunk *c = cache->free, *next; c; c = next) {
        next = c->next;
        UNPOISON(c->data, c->size);
        sb__free(c);
    }
    *cache = (struct sb_chunk_cache) { 0 };
}
