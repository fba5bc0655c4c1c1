/* SPDX-License-Identifier: MIT
 *
 * sb_value to CBOR and back. Nothing here knows a session: handles are looked at by a function that the caller gives. */
#ifndef SB_CORE_VALUE_H
#define SB_CORE_VALUE_H

#include "core/arena.h"
#include "core/cbor.h"
#include "core/frame.h"
#include <snakebridge.h>

/* What goes wrong with a value: a code and a text, set once. */
struct sb_trouble {
    sb_code code;
    char text[200];
};
void sb__trouble(struct sb_trouble *t, sb_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Called for each object in a value. False: *t says why it may not be used. */
typedef bool sb_check_object(void *ctx, sb_object o, struct sb_trouble *t);

/* Appends `v`. False: *t is set (want of memory shows in b->failed as well). */
bool sb__value_encode(struct sb_buf *b, const sb_value *v, sb_check_object *check, void *ctx,
                      struct sb_trouble *t);
/* Appends an integer given as decimal digits with an optional sign. */
bool sb__encode_digits(struct sb_buf *b, sb_str digits, struct sb_trouble *t);
bool sb__put_array(struct sb_buf *b, const sb_array *a, struct sb_trouble *t); /* copies it */
/* Whether it is one at all: a dtype, dimensions, lengths, data. */
bool sb__array_check(const sb_array *a, struct sb_trouble *t);
/* The elements in C order. */
void sb__array_copy(const sb_array *a, void *to);
/* How the arrays of a session (ctx) are appended: runtime/array.c. Where that is not linked, they are copied. */
bool sb__share_array(void *ctx, struct sb_buf *b, const sb_array *a, struct sb_trouble *t)
    __attribute__((weak));

/* Called for each object that arrives. */
typedef bool sb_meet_object(void *ctx, uint64_t id);
struct sb_view;
struct sb_decoder;
/* Called for each array by reference: sets its `data`. False: d->in.error or no_memory is set. */
typedef bool sb_meet_view(struct sb_decoder *d, struct sb_view *view);

struct sb_decoder {
    struct sb_reader in;
    struct sb_arena *arena;
    struct sb_chunk_cache *cache;
    sb_meet_object *meet;
    sb_meet_view *view; /* NULL: there is no shared memory */
    void *ctx;
    uint64_t items; /* that the rest of the value can hold: an item takes a byte at least */
    bool no_memory;
};
/* Reads one item; text, bytes, containers and arrays are copied into the arena. False: d->in.error, or no_memory. */
bool sb__value_decode(struct sb_decoder *d, sb_value *v);
bool sb__decode_text(struct sb_decoder *d, const char *s, size_t n, sb_str *out); /* copies */

size_t sb__dtype_size(sb_dtype dtype); /* 0 for what is no dtype */
const char *sb__dtype_name(sb_dtype dtype);
uint64_t sb__dtype_tag(sb_dtype dtype);  /* of a dtype */
sb_dtype sb__dtype_of_tag(uint64_t tag); /* or SB_DTYPE_NONE */
/* Elements, or -1 if a length is negative or the bytes do not fit in memory. */
int64_t sb__array_count(const sb_array *a);
bool sb__array_is_c(const sb_array *a);
/* "int", "str", ... as Python names it. */
const char *sb__kind_name(sb_kind kind);

/* Whether `as.items` counts, and how many values lie behind its pointer. */
static inline bool sb__has_items(sb_kind kind)
{
    return (kind >= SB_LIST_ && kind <= SB_DICT_) || (kind >= SB_ENUM_ && kind <= SB_SLICE_);
}
bool sb__is_int(const sb_value *v);
/* Whether the items are such as the kind has: what arrives, and what is sent. */
bool sb__items_fit(sb_kind kind, const sb_value *items, size_t places);
static inline size_t sb__places(const sb_value *v)
{
    size_t n = v->as.items.len;
    return v->kind == SB_DICT_ ? n * 2 : v->kind == SB_NAMEDTUPLE_ ? n * 2 + 1 : n;
}

#endif
