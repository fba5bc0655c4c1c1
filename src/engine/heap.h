/* SPDX-License-Identifier: MIT
 *
 * Shared memory of arrays in the engine: the program's heap, whose blocks Python may keep, and, in a
 * worker, the heap that NumPy allocates in. Python's objects that own such memory are here, too.
 * With the GIL, but for NumPy's allocator, which is called without it now and then, and calls
 * nothing of Python. */
#ifndef SB_ENGINE_HEAP_H
#define SB_ENGINE_HEAP_H

#include "core/heap.h"
#include "engine/python.h"

struct sb_heaps {
    uint8_t *program; /* NULL: arrays are copied */
    size_t program_size;
    struct sb_block *blocks;
    _Atomic uint32_t *column; /* ours, a counter a block */
    struct sb_heap own;       /* of a worker */
    bool has_own;
    bool addresses;       /* in the program's process: results are told by their addresses */
    volatile bool forked; /* in a child of fork(): counters are the parent's */
};
extern struct sb_heaps sb__heaps;

/* Maps both heaps of a worker, as much of them as can be. Returns how much of the program's it has;
 * 0: none, arrays are copied. Takes the descriptors, which may be -1. */
uint64_t sb__heaps_attach(int program, int own);
/* In a worker, once Python runs: NumPy allocates in the heap as soon as it is imported, and children of
 * fork() get copies. 0, or -1 with an exception. */
int sb__heaps_hook(void) SB_MUST_USE;
/* In a program. */
void sb__heaps_share(void *program, size_t size, _Atomic uint32_t *column);
/* Gives some pages back; whether there are more. Without the GIL. */
bool sb__heaps_idle(void);

/* ---- memory that Python owns; new references, or NULL with an exception ---- */

/* Over [p, p + size) of the program's block `slot`, which stays until the object is gone. */
PyObject *sb__memory_of_block(void *p, size_t size, uint32_t slot, bool readonly);
/* New memory: of the own heap, or of malloc. */
PyObject *sb__memory_new(size_t size, void **p);
/* Keeps the exported buffer, which the object takes over, and so its exporter. */
PyObject *sb__memory_of_buffer(struct sb_buffer *view);
/* In a child of fork(): the program's blocks that Python has become memory of the child's own. 0 or
 * -errno. */
int sb__memory_detach(void);

#endif
