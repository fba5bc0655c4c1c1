/* SPDX-License-Identifier: MIT
 *
 * Shared memory for arrays: see heap.h. Atomics: the table of blocks, which workers read, and their
 * counters, which they write. A worker counts a block while it runs the call that names it, during
 * which the program holds a reference of its own: so a block without references and counts stays
 * without. Free blocks are given back to the system when nothing happened for a while, by the
 * monitor. */
#include "runtime/heap.h"
#include "runtime/monitor.h"
#include "runtime/os_linux.h"
#include "runtime/transport.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { REAPED_AT_ONCE = 32, PURGED_AT_ONCE = 32 << 20 };
#define IDLE SB_SECOND

struct slot {
    uint32_t refs;
    uint32_t next; /* of the free ones, or of those that only Python has */
};

static struct {
    pthread_mutex_t lock;
    bool tried;
    int fd; /* -1: there is no heap */
    struct sb_heap heap;
    struct sb_block *table;
    struct slot *slots;      /* 0 is none */
    uint32_t fresh, unused;  /* slots from `fresh` on were never used; a list of others */
    uint32_t kept, kept_end; /* a queue: released by the program, not by Python */
    unsigned kept_count;
    unsigned used, seen; /* counts uses; what the monitor has seen of that */
    unsigned blocks;     /* that are live */
    struct sb_mapping *mappings;
    unsigned mapped;
    struct sb_mapping self; /* this process's own Python */
    struct sb_watch idle;
    bool watched;
} program = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

bool sb__heap_limit(size_t *limit)
{
    const char *s = getenv("SNAKEBRIDGE_HEAP"), *units = "KMGT";
    char *end;
    *limit = SB_HEAP_RESERVE;
    if (!s || !*s)
        return true;
    errno = 0;
    unsigned long long n = strtoull(s, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (end == s || *s == '-' || errno || (*end && (!unit || end[1])))
        return false;
    unsigned shift = unit ? 10u * (unsigned)(unit - units + 1) : 0;
    if (n > SB_HEAP_RESERVE >> shift)
        n = SB_HEAP_RESERVE >> shift;
    *limit = (size_t)n << shift;
    return true;
}

/* ---- blocks; with the lock ---- */

static bool counted(uint32_t slot)
{
    for (const struct sb_mapping *m = program.mappings; m; m = m->next)
        if (atomic_load_explicit(&m->column[slot], memory_order_acquire))
            return true; /* pairs with the release of the worker's last use */
    return false;
}

static void free_block(uint32_t slot)
{
    struct sb_block *b = &program.table[slot];
    uint64_t offset = atomic_load_explicit(&b->offset, memory_order_relaxed);
    atomic_store_explicit(&b->size, 0, memory_order_relaxed);
    sb__heap_free(&program.heap, program.heap.base + offset);
    program.slots[slot].next = program.unused;
    program.unused = slot;
    program.blocks--;
}

static void keep(uint32_t slot)
{
    program.slots[slot].next = 0;
    if (program.kept)
        program.slots[program.kept_end].next = slot;
    else
        program.kept = slot;
    program.kept_end = slot;
    program.kept_count++;
}

/* Looks at some of the blocks that Python had kept; those that it still has go to the end. */
static void reap(unsigned most)
{
    for (unsigned n = program.kept_count < most ? program.kept_count : most; n; n--) {
        uint32_t slot = program.kept;
        program.kept = program.slots[slot].next;
        program.kept_count--;
        if (counted(slot))
            keep(slot);
        else
            free_block(slot);
    }
}

/* On the monitor, some time after a block was freed. */
static int64_t look(struct sb_watch *watch, int64_t now)
{
    int64_t again = now + IDLE;
    pthread_mutex_lock(&program.lock);
    reap(UINT32_MAX);
    if (program.used != program.seen) {
        program.seen = program.used; /* not idle */
    } else if (sb__heap_purge(&program.heap, 0, PURGED_AT_ONCE)) {
        again = now + 10 * SB_MILLISECOND;
    } else if (program.kept) {
        again = now + 10 * IDLE;
    } else {
        sb__watch_disarm(watch);
    }
    pthread_mutex_unlock(&program.lock);
    return again;
}

static void arm(void)
{
    if (program.watched && !atomic_load_explicit(&program.idle.due, memory_order_relaxed))
        sb__watch_arm(&program.idle, sb__now() + IDLE, 0);
}

/* Without the lock; the monitor's lock comes first. */
static void watch(void)
{
    if (sb__monitor_start() < 0)
        return; /* pages are given back beyond a limit alone */
    pthread_mutex_lock(&sb__monitor_lock);
    pthread_mutex_lock(&program.lock);
    if (!program.watched) {
        program.idle.look = look;
        sb__monitor_add_watch(&program.idle);
        program.watched = true;
        arm();
    }
    pthread_mutex_unlock(&program.lock);
    pthread_mutex_unlock(&sb__monitor_lock);
}

static void make_heap(void)
{
    size_t most, size;
    void *base;
    program.tried = true;
    if (!sb__heap_limit(&most))
        return;
    int fd = sb__os_reserve("snakebridge-heap", most, SB_HEAP_LEAST, true, &base, &size);
    if (fd < 0) {
        program.tried = fd != -EMFILE && fd != -ENFILE; /* which passes */
        return;
    }
    void *slots = mmap(NULL, SB_HEAP_SLOTS * sizeof *program.slots, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slots == MAP_FAILED || sb__heap_init(&program.heap, base, size, fd)) {
        if (slots != MAP_FAILED)
            munmap(slots, SB_HEAP_SLOTS * sizeof *program.slots);
        sb__os_unmap(base, size);
        sb__os_close(&fd);
        return;
    }
    program.slots = slots;
    program.table = base;
    program.fresh = 1;
    program.fd = fd;
}

/* ---- the program's heap ---- */

int sb__program_heap(void)
{
    pthread_mutex_lock(&program.lock);
    if (!program.tried)
        make_heap();
    int fd = program.fd;
    pthread_mutex_unlock(&program.lock);
    return fd;
}

uint8_t *sb__program_base(void)
{
    return sb__program_heap() < 0 ? NULL : program.heap.base;
}

void *sb__block_new(size_t size, bool zero, uint32_t *slot)
{
    uint8_t *p = NULL;
    bool clean = zero;
    *slot = 0;
    if (sb__program_heap() < 0)
        return NULL;
    pthread_mutex_lock(&program.lock);
    program.used++;
    reap(REAPED_AT_ONCE);
    uint32_t next = program.unused                  ? program.unused
                    : program.fresh < SB_HEAP_SLOTS ? program.fresh
                                                    : 0;
    if (next && !(p = sb__heap_alloc(&program.heap, size, &clean)) && program.kept) {
        reap(UINT32_MAX);
        clean = zero;
        p = sb__heap_alloc(&program.heap, size, &clean);
    }
    if (p) {
        if (next == program.fresh)
            program.fresh++;
        else
            program.unused = program.slots[next].next;
        struct sb_block *b = &program.table[next];
        atomic_store_explicit(&b->offset, (uint64_t)(p - program.heap.base), memory_order_relaxed);
        atomic_store_explicit(&b->size, sb__heap_size(&program.heap, p), memory_order_relaxed);
        sb__heap_set_mark(&program.heap, p, next);
        program.slots[next] = (struct slot) { .refs = 1 };
        program.blocks++;
        *slot = next;
    }
    pthread_mutex_unlock(&program.lock);
    if (p && zero && !clean)
        memset(p, 0, size);
    return p;
}

uint32_t sb__block_find(const void *p, size_t size, uint64_t *end)
{
    uint32_t slot = 0;
    size_t whole = 0;
    pthread_mutex_lock(&program.lock);
    uint8_t *block = program.fd >= 0 ? sb__heap_find(&program.heap, p, &whole) : NULL;
    if (block && size <= whole - (size_t)((const uint8_t *)p - block)) {
        slot = sb__heap_mark(&program.heap, block);
        if (program.slots[slot].refs)
            program.slots[slot].refs++;
        else
            slot = 0; /* Python's alone by now */
        *end = (uint64_t)(block - program.heap.base) + whole;
    }
    pthread_mutex_unlock(&program.lock);
    return slot;
}

void sb__block_drop(uint32_t slot)
{
    if (!slot)
        return;
    pthread_mutex_lock(&program.lock);
    if (--program.slots[slot].refs == 0) {
        if (counted(slot))
            keep(slot);
        else
            free_block(slot);
        program.used++;
        reap(REAPED_AT_ONCE);
        arm();
    }
    bool watched = program.watched;
    pthread_mutex_unlock(&program.lock);
    if (SB_UNLIKELY(!watched))
        watch();
}

/* ---- workers' heaps ---- */

static void list(struct sb_mapping *m)
{
    m->next = program.mappings;
    program.mappings = m;
}

struct sb_mapping *sb__mapping_new(int *fd)
{
    size_t most, size;
    void *base;
    *fd = -1;
    if (sb__program_heap() < 0 || !sb__heap_limit(&most))
        return NULL;
    struct sb_mapping *m = sb__calloc(sizeof *m);
    if (!m)
        return NULL;
    *fd = sb__os_reserve("snakebridge-worker-heap", most, SB_HEAP_LEAST, false, &base, &size);
    if (*fd < 0) {
        *fd = -1;
        sb__free(m);
        return NULL;
    }
    *m = (struct sb_mapping) { .base = base, .size = size, .column = base, .refs = 1 };
    pthread_mutex_lock(&program.lock);
    list(m);
    program.mapped++;
    pthread_mutex_unlock(&program.lock);
    return m;
}

struct sb_mapping *sb__mapping_hold(struct sb_mapping *m)
{
    if (m) {
        pthread_mutex_lock(&program.lock);
        m->refs++;
        pthread_mutex_unlock(&program.lock);
    }
    return m;
}

void sb__mapping_drop(struct sb_mapping *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&program.lock);
    bool last = --m->refs == 0;
    program.mapped -= last;
    pthread_mutex_unlock(&program.lock);
    if (last) {
        sb__os_unmap((void *)(uintptr_t)m->base, m->size);
        sb__free(m);
    }
}

void sb__mapping_gone(struct sb_mapping *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&program.lock);
    for (struct sb_mapping **p = &program.mappings; *p; p = &(*p)->next)
        if (*p == m) {
            *p = m->next;
            break;
        }
    reap(UINT32_MAX);
    arm();
    pthread_mutex_unlock(&program.lock);
    sb__mapping_drop(m);
}

_Atomic uint32_t *sb__heap_column(size_t *heap_size)
{
    if (sb__program_heap() < 0)
        return NULL;
    pthread_mutex_lock(&program.lock);
    if (!program.self.column) {
        void *p = mmap(NULL, SB_HEAP_SLOTS * sizeof(uint32_t), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p != MAP_FAILED) {
            program.self.column = p;
            list(&program.self);
        }
    }
    *heap_size = program.heap.size;
    const _Atomic uint32_t *column = program.self.column;
    pthread_mutex_unlock(&program.lock);
    return (_Atomic uint32_t *)(uintptr_t)column;
}

struct sb_heap_state sb__heap_state(void)
{
    pthread_mutex_lock(&program.lock);
    reap(UINT32_MAX);
    struct sb_heap_state state = { program.blocks, program.mapped, 0, 0 };
    if (program.fd >= 0) {
        state.live = program.heap.live;
        state.dirty = program.heap.dirty;
    }
    pthread_mutex_unlock(&program.lock);
    return state;
}
