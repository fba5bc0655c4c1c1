/* SPDX-License-Identifier: MIT
 *
 * A heap of large blocks in a sealed memfd that two processes map: what lies where in it, and the
 * allocator of the side that owns it. A block is a run of whole pages; which runs are free is known
 * to the owner alone, in memory of its own, so that there is no lock between processes, and nothing
 * that the other side writes can confuse it. Freed blocks are kept with their pages, which are
 * expensive, and handed out again last in, first out; sb__heap_purge gives pages back.
 *
 * Any thread of the owner may enter; the lock is held for no call of anything else. */
#ifndef SB_CORE_HEAP_H
#define SB_CORE_HEAP_H

#include "core/buf.h"
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#define SB_HEAP_PAGE ((size_t)4096)
#define SB_HEAP_RESERVE ((size_t)1 << 40) /* of addresses; what lies there takes memory when used */
#define SB_HEAP_LEAST ((size_t)64 << 20)
#define SB_HEAP_THRESHOLD ((size_t)32 << 10) /* arrays of fewer bytes are copied */

/* The head of the program's heap: its blocks, written by the program. The head of a worker's: how
 * many references its Python holds to each of those, written by the worker. */
#define SB_HEAP_SLOTS 131072u
#define SB_HEAP_HEAD ((size_t)2 << 20)
struct sb_block {
    _Atomic uint64_t offset, size; /* in bytes; size 0: there is none */
};
static_assert(sizeof(struct sb_block) * SB_HEAP_SLOTS <= SB_HEAP_HEAD, "the table of blocks");
static_assert(sizeof(_Atomic uint32_t) == 4, "a counter a block");

struct sb_page;
enum { SB_HEAP_BINS = 1025, SB_HEAP_BUCKETS = 29, SB_HEAP_LEVELS = 5 };

struct sb_heap {
    uint8_t *base;
    size_t size;
    int fd; /* for sb__heap_purge; the caller's */
    pthread_mutex_t lock;
    struct sb_page *pages; /* of the owner alone, as is all that follows */
    size_t pages_size;
    uint64_t
        *starts[SB_HEAP_LEVELS]; /* a bit a page with which a live block begins, and summaries */
    uint32_t limit, bump;        /* pages; beyond bump nothing was ever used */
    uint32_t bins[SB_HEAP_BINS]; /* freed blocks of so many pages */
    uint32_t extents[2][SB_HEAP_BUCKETS]; /* larger ones, and clean ones, by the size's logarithm */
    size_t live, dirty, dirty_max;        /* bytes */
    bool commit; /* pages are asked for at once: the system does not overcommit */
    bool off;    /* in a child of fork(): nothing is handed out or taken back */
};

/* Makes a heap of [base, base + size), a mapping of `fd`, of which the head is left alone. 0, or
 * -errno: there are no addresses for the owner's own records, which take a 250th. */
int sb__heap_init(struct sb_heap *h, void *base, size_t size, int fd) SB_MUST_USE;
void sb__heap_end(struct sb_heap *h);

/* A block of `size` bytes at least, or NULL. *zero: its pages are zero; with `zero` set by the
 * caller a block that is zero is preferred. */
void *sb__heap_alloc(struct sb_heap *h, size_t size, bool *zero);
void sb__heap_free(struct sb_heap *h, void *block);
/* Bytes of the live block that begins at `block`. */
size_t sb__heap_size(const struct sb_heap *h, const void *block);

static inline bool sb__heap_has(const struct sb_heap *h, const void *p)
{
    return (uintptr_t)p - (uintptr_t)h->base < h->size;
}
/* The live block that `p` lies in, and its size; NULL: in none. */
void *sb__heap_find(struct sb_heap *h, const void *p, size_t *size);
/* A number that the owner gives to a live block; 0 at first. */
void sb__heap_set_mark(struct sb_heap *h, const void *block, uint32_t mark);
uint32_t sb__heap_mark(struct sb_heap *h, const void *block);

/* Gives pages of free blocks back until at most `keep` bytes of them are left, but no more than
 * `most` at once. Whether there are more. */
bool sb__heap_purge(struct sb_heap *h, size_t keep, size_t most);

/* Around fork(): the child gets the lock free, and a heap that is off. */
void sb__heap_fork_prepare(struct sb_heap *h);
void sb__heap_fork_parent(struct sb_heap *h);
void sb__heap_fork_child(struct sb_heap *h);
/* In the child: the live blocks as memory of its own, at the same addresses. 0 or -errno. */
int sb__heap_detach(struct sb_heap *h) SB_MUST_USE;
/* The same of one run of bytes in any shared mapping. */
int sb__heap_detach_run(void *p, size_t size) SB_MUST_USE;

#endif
