/* SPDX-License-Identifier: MIT
 *
 * The shared memory of arrays, as the program sees it: its own heap, one a process, whose blocks
 * (sb_array_new, and what is lent to calls) Python may keep; and the heaps of workers, mapped to be
 * read. A block is free when the program refers to it no more and no worker's counter does.
 *
 * Any thread. One lock guards blocks, counters' list and mappings; it is taken after the monitor's
 * lock, and held for no call of anything but the heap. */
#ifndef SB_RUNTIME_HEAP_H
#define SB_RUNTIME_HEAP_H

#include "core/heap.h"

/* Reads $SNAKEBRIDGE_HEAP: the largest heap in bytes (K, M, G, T; 0: none, arrays are copied). False:
 * it is no size. */
bool sb__heap_limit(size_t *limit);

/* ---- the program's heap ---- */

/* Its descriptor, to be handed to a worker; -1 if there is no heap. Made by the first call. */
int sb__program_heap(void);
uint8_t *sb__program_base(void); /* NULL: none */

/* A block with one reference; NULL: no heap, or no room in it. *slot is its number. */
void *sb__block_new(size_t size, bool zero, uint32_t *slot);
/* The block that [p, p + size) lies in, and one more reference to it; 0: in none. *end: of the block,
 * from the heap's start. */
uint32_t sb__block_find(const void *p, size_t size, uint64_t *end);
void sb__block_drop(uint32_t slot);

/* ---- workers' heaps ---- */

struct sb_mapping {
    const uint8_t *base; /* NULL: none (this process's own Python) */
    size_t size;
    const _Atomic uint32_t *column; /* references of the worker to the program's blocks */
    unsigned refs;
    struct sb_mapping *next;
};
/* A new heap for a worker, with one reference, and its descriptor, which is the caller's; NULL:
 * there can be none. */
struct sb_mapping *sb__mapping_new(int *fd);
/* The worker has ended: what it referred to is free. Drops a reference. */
void sb__mapping_gone(struct sb_mapping *m);
struct sb_mapping *sb__mapping_hold(struct sb_mapping *m); /* NULL: nothing */
void sb__mapping_drop(struct sb_mapping *m);

/* The counters of this process's own Python; NULL: there is no heap. */
_Atomic uint32_t *sb__heap_column(size_t *heap_size);

/* For tests: blocks that are live, bytes of live and of kept free pages, mappings of workers' heaps. */
struct sb_heap_state {
    unsigned blocks, mappings;
    size_t live, dirty;
};
struct sb_heap_state sb__heap_state(void);

#endif
