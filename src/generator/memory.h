/* SPDX-License-Identifier: MIT
 *
 * memory.h - what the emitter keeps its data in: one arena a run, growing text, and maps by name. A run is short and
 * writes nothing before it has everything, so want of memory ends the process with a message, as in any compiler.
 */
#ifndef SBG_MEMORY_H
#define SBG_MEMORY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define SBG_PRINTF(f, a) __attribute__((nonnull(f), format(printf, f, a)))

struct sbg_arena {
    struct sbg_block *blocks;
};
/* Zeroed memory that lives as long as the arena. */
void *sbg_alloc(struct sbg_arena *arena, size_t size);
#define SBG_NEW(arena, T) ((T *)sbg_alloc(arena, sizeof(T)))
#define SBG_ARRAY(arena, T, count) ((T *)sbg_alloc(arena, sizeof(T) * ((count) + 1)))
char *sbg_copy(struct sbg_arena *arena, const char *text, size_t len);
char *sbg_printf(struct sbg_arena *arena, const char *format, ...) SBG_PRINTF(2, 3);
void sbg_arena_free(struct sbg_arena *arena);

/* realloc, and malloc when `old` is NULL; never NULL. */
void *sbg_resize(void *old, size_t size);

/* Growing text, NUL-terminated once anything was added. */
struct sbg_text {
    char *ptr;
    size_t len, room;
};
void sbg_add(struct sbg_text *text, const char *more);
void sbg_add_bytes(struct sbg_text *text, const char *more, size_t len);
void sbg_add_char(struct sbg_text *text, char c);
void sbg_addf(struct sbg_text *text, const char *format, ...) SBG_PRINTF(2, 3);
void sbg_addv(struct sbg_text *text, const char *format, va_list args) SBG_PRINTF(2, 0);
void sbg_text_free(struct sbg_text *text);

/* Names to pointers. Keys are borrowed. */
struct sbg_map {
    struct sbg_map_slot {
        const char *key;
        void *value;
    } * slots;
    size_t count, room;
};
void *sbg_map_get(const struct sbg_map *map, const char *key);
void sbg_map_put(struct sbg_map *map, const char *key, void *value);
void sbg_map_free(struct sbg_map *map);

#endif
