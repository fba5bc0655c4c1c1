/* SPDX-License-Identifier: MIT
 *
 * An array by reference (tag 61461 of docs/wire.md): where its elements lie, instead of the elements.
 * Both sides read and write it; what arrives is hostile, so the reader checks shape, strides and the
 * bytes that they span, and the receiver that those lie in memory that is there. */
#ifndef SB_CORE_VIEW_H
#define SB_CORE_VIEW_H

#include "core/cbor.h"
#include "core/heap.h"
#include <snakebridge.h>

enum sb_view_heap {
    SB_HEAP_PROGRAM, /* the heap of sb_array_new */
    SB_HEAP_WORKER,  /* the worker's */
    SB_HEAP_PROCESS, /* anywhere in this process: `offset` is an address. Never over a lane */
};
enum { SB_VIEW_READONLY = 1 };

struct sb_view {
    uint64_t heap;
    uint64_t place;  /* program -> engine: the block's slot. Else: id of the object that owns it */
    uint64_t offset; /* of the first element, from the heap's start */
    bool readonly;
    uint64_t below, above; /* bytes that the elements span before and behind `offset` */
    sb_array array;        /* but for `data` */
};

/* Bytes before and behind the first element. False: they are more than there can be. */
bool sb__array_span(const sb_array *a, uint64_t *below, uint64_t *above);
/* The strides, which are 0 in an array that is in C order. */
void sb__array_strides(const sb_array *a, int64_t strides[SB_MAX_NDIM]);

void sb__put_view(struct sb_buf *b, const struct sb_view *v);
/* Reads what stands behind the tag. */
bool sb__read_view(struct sb_reader *r, struct sb_view *v);
/* Whether all elements lie in [begin, end) of the heap. */
static inline bool sb__view_within(const struct sb_view *v, uint64_t begin, uint64_t end)
{
    return v->offset >= begin && v->offset <= end && v->below <= v->offset - begin &&
           v->above <= end - v->offset;
}

#endif
