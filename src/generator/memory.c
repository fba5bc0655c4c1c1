/* SPDX-License-Identifier: MIT
 *
 * memory.c - an arena of blocks, text that doubles, and open addressing at half load.
 */
#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sbg_block {
    struct sbg_block *next;
    size_t used, room;
    max_align_t data[];
};

static _Noreturn void out_of_memory(void)
{
    fputs("snakebridge: out of memory\n", stderr);
    exit(1);
}

void *sbg_resize(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *sbg_alloc(struct sbg_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        out_of_memory();
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    struct sbg_block *b = arena->blocks;
    if (!b || b->room - b->used < size) {
        size_t room = size > 65536 ? size : 65536;
        b = sbg_resize(NULL, sizeof *b + room);
        b->next = arena->blocks;
        b->used = 0;
        b->room = room;
        arena->blocks = b;
    }
    void *p = (char *)b->data + b->used;
    b->used += size;
    return memset(p, 0, size);
}

char *sbg_copy(struct sbg_arena *arena, const char *text, size_t len)
{
    char *p = sbg_alloc(arena, len + 1);
    memcpy(p, text, len);
    return p;
}

char *sbg_printf(struct sbg_arena *arena, const char *format, ...)
{
    va_list args;
    struct sbg_text text = { 0 };
    va_start(args, format);
    sbg_addv(&text, format, args);
    va_end(args);
    char *p = sbg_copy(arena, text.ptr, text.len);
    sbg_text_free(&text);
    return p;
}

void sbg_arena_free(struct sbg_arena *arena)
{
    while (arena->blocks) {
        struct sbg_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}

static char *grow(struct sbg_text *text, size_t more)
{
    if (more > SIZE_MAX / 4 - text->len)
        out_of_memory();
    if (text->room - text->len <= more) {
        text->room = (text->len + more + 64) * 2;
        text->ptr = sbg_resize(text->ptr, text->room);
    }
    return text->ptr + text->len;
}

void sbg_add_bytes(struct sbg_text *text, const char *more, size_t len)
{
    char *p = grow(text, len);
    memcpy(p, more, len);
    p[len] = 0;
    text->len += len;
}

void sbg_add(struct sbg_text *text, const char *more)
{
    sbg_add_bytes(text, more, strlen(more));
}

void sbg_add_char(struct sbg_text *text, char c)
{
    sbg_add_bytes(text, &c, 1);
}

void sbg_addv(struct sbg_text *text, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char probe[1];
    int len = vsnprintf(probe, sizeof probe, format, args);
    if (len < 0)
        out_of_memory();
    char *p = grow(text, (size_t)len);
    vsnprintf(p, (size_t)len + 1, format, again);
    va_end(again);
    text->len += (size_t)len;
}

void sbg_addf(struct sbg_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sbg_addv(text, format, args);
    va_end(args);
}

void sbg_text_free(struct sbg_text *text)
{
    free(text->ptr);
    memset(text, 0, sizeof *text);
}

static struct sbg_map_slot *find(const struct sbg_map *map, const char *key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (const char *p = key; *p; p++)
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    size_t at = (size_t)(hash ^ hash >> 32) & (map->room - 1);
    while (map->slots[at].key && strcmp(map->slots[at].key, key) != 0)
        at = (at + 1) & (map->room - 1);
    return &map->slots[at];
}

void *sbg_map_get(const struct sbg_map *map, const char *key)
{
    return map->room ? find(map, key)->value : NULL;
}

void sbg_map_put(struct sbg_map *map, const char *key, void *value)
{
    if (map->count * 2 >= map->room) {
        struct sbg_map larger = { .room = map->room ? map->room * 2 : 64 };
        larger.slots = sbg_resize(NULL, larger.room * sizeof *larger.slots);
        memset(larger.slots, 0, larger.room * sizeof *larger.slots);
        for (size_t i = 0; i < map->room; i++)
            if (map->slots[i].key)
                *find(&larger, map->slots[i].key) = map->slots[i];
        larger.count = map->count;
        free(map->slots);
        *map = larger;
    }
    struct sbg_map_slot *slot = find(map, key);
    if (!slot->key)
        map->count++;
    slot->key = key;
    slot->value = value;
}

void sbg_map_free(struct sbg_map *map)
{
    free(map->slots);
    memset(map, 0, sizeof *map);
}
