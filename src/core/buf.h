/* SPDX-License-Identifier: MIT
 *
 * A growable byte buffer and the allocator behind everything that the library allocates.
 * `buf.failed` is sticky: code appends without looking and tests it once at the end. Not shared
 * between threads. */
#ifndef SB_CORE_BUF_H
#define SB_CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SB_MUST_USE __attribute__((warn_unused_result))
#define SB_LIKELY(x) __builtin_expect(!!(x), 1)
#define SB_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define SB_APART __attribute__((noinline)) /* keeps the frame of a hot path small */
#define SB_COLD __attribute__((cold)) SB_APART

/* realloc's contract; frees when size is 0. Set once by sb_set_allocator. */
void *sb__resize(void *ptr, size_t size) SB_MUST_USE;
void *sb__calloc(size_t size) SB_MUST_USE;
void sb__free(void *ptr);
char *sb__strdup(const char *s) SB_MUST_USE; /* NULL for NULL, or for want of memory */
void sb__set_resize(void *(*resize)(void *ptr, size_t size, void *user), void *user);

struct sb_buf {
    uint8_t *ptr;
    size_t len, cap;
    bool failed; /* memory ran out, or the limit was reached: contents are incomplete */
};

/* Makes room for `more` bytes behind len; false (and failed) if there is none. */
bool sb__buf_grow(struct sb_buf *b, size_t more);
void sb__buf_reset(struct sb_buf *b); /* frees */

static inline bool sb__buf_room(struct sb_buf *b, size_t more)
{
    return SB_LIKELY(b->cap - b->len >= more) || sb__buf_grow(b, more);
}
static inline void sb__buf_put(struct sb_buf *b, const void *p, size_t n)
{
    if (n && sb__buf_room(b, n)) {
        memcpy(b->ptr + b->len, p, n);
        b->len += n;
    }
}

#endif
