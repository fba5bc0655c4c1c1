/* SPDX-License-Identifier: MIT
 *
 * Reads vectors.txt, whose first lines say what is in it, and compares values. One thread. */
#ifndef SB_TEST_VECTORS_H
#define SB_TEST_VECTORS_H

#include "core/scalar.h"
#include "core/value.h"

struct vector {
    int line;
    char mark; /* = < > ! */
    uint8_t *bytes;
    size_t size;
    const char *text; /* the value, or why the bytes are refused */
    sb_value value;   /* unless the mark is ! */
};

struct vectors {
    struct vector *list;
    size_t count;
    struct sb_arena arena;
    struct sb_chunk_cache cache;
};

/* Ends the test program where the file or one of its lines cannot be read. */
void vectors_read(struct vectors *v, const char *path);
void vectors_free(struct vectors *v);

/* Equal in kind and contents; floats bit by bit, but that all NaNs are alike; arrays in C order. */
bool same_value(const sb_value *a, const sb_value *b);

/* Decodes all of `bytes` into the arena. NULL: *v is set. Otherwise what is wrong. */
const char *decode_bytes(struct sb_arena *arena, struct sb_chunk_cache *cache, const void *bytes,
                         size_t size, sb_value *v);
/* Encodes; false if that failed. Objects may have any id. */
bool encode_value(struct sb_buf *b, const sb_value *v, struct sb_trouble *t);

#endif
