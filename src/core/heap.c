/* SPDX-License-Identifier: MIT
 *
 * The heap: see heap.h. Pages have records in an address range of the owner's own, sparse as the
 * heap is. A run of pages (live, in a bin, or a free extent) has its length and state in the records
 * of its first and its last page, so that neighbours are found (boundary tags: Knuth, TAOCP 2.5);
 * lists are threaded through the records, so that freeing never needs memory. Page 0 is in the
 * head: 0 means none. */
#include "core/heap.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct sb_page {
    uint32_t run; /* state << 29 | pages of the run */
    uint32_t prev, next, mark;
};
enum state { NONE, LIVE, BINNED, CLEAN, DIRTY }; /* NONE: beyond bump */
#define PAGES(run) ((run)&0x1fffffffu)
#define STATE(run) ((enum state)((run) >> 29))

static uint32_t page_of(const struct sb_heap *h, const void *p)
{
    return (uint32_t)((size_t)((const uint8_t *)p - h->base) / SB_HEAP_PAGE);
}
static uint8_t *address(const struct sb_heap *h, uint32_t page)
{
    return h->base + (size_t)page * SB_HEAP_PAGE;
}
static size_t bytes(uint32_t pages)
{
    return (size_t)pages * SB_HEAP_PAGE;
}

/* ---- where live blocks begin ---- */

static void set_start(struct sb_heap *h, uint32_t i)
{
    for (int l = 0; l < SB_HEAP_LEVELS; l++, i >>= 6) {
        uint64_t was = h->starts[l][i >> 6];
        h->starts[l][i >> 6] = was | UINT64_C(1) << (i & 63);
        if (was)
            break;
    }
}
static void clear_start(struct sb_heap *h, uint32_t i)
{
    for (int l = 0; l < SB_HEAP_LEVELS; l++, i >>= 6)
        if (h->starts[l][i >> 6] &= ~(UINT64_C(1) << (i & 63)))
            break;
}
/* The last one at or before page i; 0: none. */
static uint32_t last_start(const struct sb_heap *h, uint32_t i)
{
    for (int l = 0; l < SB_HEAP_LEVELS; l++) {
        uint64_t word = h->starts[l][i >> 6] & (~UINT64_C(0) >> (63 - (i & 63)));
        if (word) {
            i = (i & ~63u) | (uint32_t)(63 - __builtin_clzll(word));
            while (l-- > 0)
                i = i << 6 | (uint32_t)(63 - __builtin_clzll(h->starts[l][i]));
            return i;
        }
        if (!(i >>= 6))
            break;
        i--;
    }
    return 0;
}

/* ---- runs ---- */

static void tag(struct sb_heap *h, uint32_t page, uint32_t n, enum state state)
{
    h->pages[page].run = h->pages[page + n - 1].run = (uint32_t)state << 29 | n;
}

static uint32_t *bucket(struct sb_heap *h, uint32_t n, enum state state)
{
    return &h->extents[state == DIRTY][31 - __builtin_clz(n)];
}

static void push(struct sb_heap *h, uint32_t page, uint32_t n, enum state state)
{
    uint32_t *first = bucket(h, n, state);
    tag(h, page, n, state);
    h->pages[page].prev = 0;
    h->pages[page].next = *first;
    if (*first)
        h->pages[*first].prev = page;
    *first = page;
}

static void pull(struct sb_heap *h, uint32_t page)
{
    const struct sb_page *p = &h->pages[page];
    if (p->prev)
        h->pages[p->prev].next = p->next;
    else
        *bucket(h, PAGES(p->run), STATE(p->run)) = p->next;
    if (p->next)
        h->pages[p->next].prev = p->prev;
}

/* A run becomes an extent, together with its neighbours of the same kind. */
static void give(struct sb_heap *h, uint32_t page, uint32_t n, enum state state)
{
    uint32_t before = h->pages[page - 1].run;
    if (STATE(before) == state) {
        page -= PAGES(before);
        n += PAGES(before);
        pull(h, page);
    }
    uint32_t behind = page + n < h->bump ? h->pages[page + n].run : 0;
    if (STATE(behind) == state) {
        pull(h, page + n);
        n += PAGES(behind);
    }
    if (state == CLEAN && page + n == h->bump)
        h->bump = page; /* as if it had never been used */
    else
        push(h, page, n, state);
}

/* Cuts n pages off an extent that fits well; 0: there is none. */
static uint32_t take(struct sb_heap *h, uint32_t n, enum state state)
{
    uint32_t *lists = h->extents[state == DIRTY], best = 0, tries = 64;
    int b = 31 - __builtin_clz(n);
    for (uint32_t p = lists[b]; p && tries--; p = h->pages[p].next) {
        uint32_t m = PAGES(h->pages[p].run);
        if (m >= n && (!best || m < PAGES(h->pages[best].run)))
            best = p;
        if (m == n)
            break;
    }
    while (!best && ++b < SB_HEAP_BUCKETS)
        best = lists[b];
    if (!best)
        return 0;
    uint32_t m = PAGES(h->pages[best].run);
    pull(h, best);
    if (m > n)
        push(h, best + n, m - n, state);
    if (state == DIRTY)
        h->dirty -= bytes(n);
    return best;
}

/* Blocks in bins become extents, which can be cut, joined and purged. */
static void empty_bins(struct sb_heap *h)
{
    for (uint32_t n = 1; n < SB_HEAP_BINS; n++)
        for (uint32_t page; (page = h->bins[n]);) {
            h->bins[n] = h->pages[page].next;
            give(h, page, n, DIRTY);
        }
}

/* See sb__heap_purge. */
static bool purge(struct sb_heap *h, size_t keep, size_t most)
{
    if (h->dirty <= keep)
        return false;
    empty_bins(h);
    for (int b = SB_HEAP_BUCKETS - 1; b >= 0 && most >= SB_HEAP_PAGE;) {
        uint32_t page = h->extents[1][b];
        if (!page || h->dirty <= keep) {
            b--;
            continue;
        }
        uint32_t n = PAGES(h->pages[page].run), m = n;
        if (bytes(m) > most)
            m = (uint32_t)(most / SB_HEAP_PAGE);
        if (fallocate(h->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)bytes(page),
                      (off_t)bytes(m)))
            return false;
        pull(h, page);
        if (n > m)
            push(h, page + m, n - m, DIRTY);
        tag(h, page, m, LIVE); /* for give(), which looks at neighbours alone */
        give(h, page, m, CLEAN);
        h->dirty -= bytes(m);
        most -= bytes(m);
    }
    return h->dirty > keep;
}

static uint32_t take_any(struct sb_heap *h, uint32_t n, bool zero, enum state *state)
{
    uint32_t page = 0;
    *state = CLEAN;
    if (zero && (page = take(h, n, CLEAN)))
        return page;
    if (!zero || h->limit - h->bump < n) {
        *state = DIRTY;
        if (n < SB_HEAP_BINS && (page = h->bins[n])) {
            h->bins[n] = h->pages[page].next;
            h->dirty -= bytes(n);
            return page;
        }
        if ((page = take(h, n, DIRTY)))
            return page;
        *state = CLEAN;
        if ((page = take(h, n, CLEAN)))
            return page;
    }
    if (h->limit - h->bump >= n) {
        page = h->bump;
        h->bump += n;
        return page;
    }
    empty_bins(h);
    *state = DIRTY;
    if ((page = take(h, n, DIRTY)))
        return page;
    purge(h, 0, SIZE_MAX); /* then used pages and others are alike, and joined */
    *state = CLEAN;
    if (!(page = take(h, n, CLEAN)) && h->limit - h->bump >= n) {
        page = h->bump;
        h->bump += n;
    }
    return page;
}

/* ---- blocks ---- */

void *sb__heap_alloc(struct sb_heap *h, size_t size, bool *zero)
{
    if (size > h->size)
        return NULL;
    uint32_t n = (uint32_t)((size + SB_HEAP_PAGE - 1) / SB_HEAP_PAGE);
    n += n == 0;
    enum state state = NONE;
    pthread_mutex_lock(&h->lock);
    uint32_t page = h->off ? 0 : take_any(h, n, *zero, &state);
    if (page && h->commit && state == CLEAN &&
        fallocate(h->fd, FALLOC_FL_KEEP_SIZE, (off_t)bytes(page), (off_t)bytes(n))) {
        give(h, page, n, CLEAN); /* what fallocate has got so far is zero, and stays */
        page = 0;
    }
    if (page) {
        tag(h, page, n, LIVE);
        h->pages[page].mark = 0;
        set_start(h, page);
        h->live += bytes(n);
    }
    pthread_mutex_unlock(&h->lock);
    *zero = state == CLEAN;
    return page ? address(h, page) : NULL;
}

void sb__heap_free(struct sb_heap *h, void *block)
{
    pthread_mutex_lock(&h->lock);
    if (!h->off) {
        uint32_t page = page_of(h, block), n = PAGES(h->pages[page].run);
        clear_start(h, page);
        h->live -= bytes(n);
        h->dirty += bytes(n);
        if (n < SB_HEAP_BINS) {
            tag(h, page, n, BINNED);
            h->pages[page].next = h->bins[n];
            h->bins[n] = page;
        } else {
            give(h, page, n, DIRTY);
        }
        if (h->dirty > h->dirty_max)
            purge(h, h->dirty_max / 2, SIZE_MAX);
    }
    pthread_mutex_unlock(&h->lock);
}

size_t sb__heap_size(const struct sb_heap *h, const void *block)
{
    return bytes(PAGES(h->pages[page_of(h, block)].run));
}

void *sb__heap_find(struct sb_heap *h, const void *p, size_t *size)
{
    void *block = NULL;
    if (!sb__heap_has(h, p))
        return NULL;
    pthread_mutex_lock(&h->lock);
    uint32_t page = page_of(h, p), first = last_start(h, page);
    if (first && page - first < PAGES(h->pages[first].run)) {
        block = address(h, first);
        *size = bytes(PAGES(h->pages[first].run));
    }
    pthread_mutex_unlock(&h->lock);
    return block;
}

void sb__heap_set_mark(struct sb_heap *h, const void *block, uint32_t mark)
{
    h->pages[page_of(h, block)].mark = mark;
}
uint32_t sb__heap_mark(struct sb_heap *h, const void *block)
{
    return h->pages[page_of(h, block)].mark;
}

bool sb__heap_purge(struct sb_heap *h, size_t keep, size_t most)
{
    pthread_mutex_lock(&h->lock);
    bool more = !h->off && purge(h, keep, most);
    pthread_mutex_unlock(&h->lock);
    return more;
}

/* ---- life ---- */

/* With vm.overcommit_memory = 2 a page that cannot be had is SIGBUS when it is touched. */
static bool never_overcommits(void)
{
    char c = '0';
    FILE *f = fopen("/proc/sys/vm/overcommit_memory", "re");
    if (f) {
        c = (char)fgetc(f);
        fclose(f);
    }
    return c == '2';
}

int sb__heap_init(struct sb_heap *h, void *base, size_t size, int fd)
{
    size_t n = size / SB_HEAP_PAGE, words[SB_HEAP_LEVELS], all = n * sizeof(struct sb_page);
    *h = (struct sb_heap) { .base = base, .size = size, .fd = fd };
    for (size_t l = 0, bits = n; l < SB_HEAP_LEVELS; l++, bits = words[l - 1]) {
        words[l] = (bits + 63) / 64;
        all += words[l] * sizeof(uint64_t);
    }
    void *p =
        mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return -errno;
    madvise(p, all, MADV_DONTDUMP);
    madvise(p, all, MADV_NOHUGEPAGE); /* it is used here and there */
    h->pages = p;
    h->pages_size = all;
    uint64_t *at = (uint64_t *)(void *)(h->pages + n);
    for (int l = 0; l < SB_HEAP_LEVELS; at += words[l++])
        h->starts[l] = at;
    h->bump = (uint32_t)(SB_HEAP_HEAD / SB_HEAP_PAGE);
    h->limit = (uint32_t)n;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t eighth = pages > 0 && page > 0 ? (size_t)pages / 8 * (size_t)page : SIZE_MAX;
    h->dirty_max = eighth < (size_t)512 << 20 ? eighth : (size_t)512 << 20;
    h->commit = never_overcommits();
    int e = pthread_mutex_init(&h->lock, NULL);
    if (e)
        munmap(p, all);
    return -e;
}

void sb__heap_end(struct sb_heap *h)
{
    munmap(h->pages, h->pages_size);
    pthread_mutex_destroy(&h->lock);
}

void sb__heap_fork_prepare(struct sb_heap *h)
{
    pthread_mutex_lock(&h->lock);
}
void sb__heap_fork_parent(struct sb_heap *h)
{
    pthread_mutex_unlock(&h->lock);
}
void sb__heap_fork_child(struct sb_heap *h)
{
    h->off = true;
    pthread_mutex_unlock(&h->lock); /* by the thread that took it, which is this one's original */
}

/* What has no pages yet is zero in both, and is not touched. */
static void copy_used(int fd, uint8_t *to, const uint8_t *from, off_t begin, off_t end)
{
    for (off_t at = begin, stop; at < end; at = stop) {
        at = lseek(fd, at, SEEK_DATA);
        if (at < 0 || at >= end)
            break;
        stop = lseek(fd, at, SEEK_HOLE);
        if (stop < 0 || stop > end)
            stop = end;
        memcpy(to + (at - begin), from + (at - begin), (size_t)(stop - at));
    }
}

int sb__heap_detach(struct sb_heap *h)
{
    uint32_t head = (uint32_t)(SB_HEAP_HEAD / SB_HEAP_PAGE), last = last_start(h, h->bump - 1);
    if (!last)
        return 0;
    size_t size = bytes(last + PAGES(h->pages[last].run) - head);
    uint8_t *copy = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (copy == MAP_FAILED)
        return -errno;
    for (uint32_t page = last; page; page = last_start(h, page - 1)) {
        uint32_t n = PAGES(h->pages[page].run);
        copy_used(h->fd, copy + bytes(page - head), address(h, page), (off_t)bytes(page),
                  (off_t)bytes(page + n));
    }
    if (mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, address(h, head)) == MAP_FAILED)
        return -errno;
    return 0;
}

int sb__heap_detach_run(void *p, size_t size)
{
    void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (copy == MAP_FAILED)
        return -errno;
    memcpy(copy, p, size);
    if (mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, p) == MAP_FAILED)
        return -errno;
    return 0;
}
