/* SPDX-License-Identifier: MIT
 *
 * The allocator and the growable buffer. The allocator is process state, set before the first
 * session opens. */
#include "core/buf.h"
#include "core/frame.h"
#include <stdlib.h>

static void *(*custom)(void *ptr, size_t size, void *user);
static void *custom_user;

void sb__set_resize(void *(*resize)(void *ptr, size_t size, void *user), void *user)
{
    custom = resize;
    custom_user = user;
}

void *sb__resize(void *ptr, size_t size)
{
    if (custom)
        return custom(ptr, size, custom_user);
    if (size)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

void *sb__calloc(size_t size)
{
    void *p = sb__resize(NULL, size);
    if (p)
        memset(p, 0, size);
    return p;
}

void sb__free(void *ptr)
{
    if (ptr) {
        void *none = sb__resize(ptr, 0);
        (void)none;
    }
}

char *sb__strdup(const char *s)
{
    if (!s)
        return NULL;
    size_t n = strlen(s) + 1;
    char *p = sb__resize(NULL, n);
    if (p)
        memcpy(p, s, n);
    return p;
}

bool sb__buf_grow(struct sb_buf *b, size_t more)
{
    if (b->failed)
        return false;
    size_t need = b->len + more, cap = b->cap ? b->cap : 256;
    while (cap < need && cap <= SIZE_MAX / 2)
        cap *= 2;
    uint8_t *p = need < b->len || cap < need ? NULL : sb__resize(b->ptr, cap);
    if (!p) {
        b->failed = true;
        return false;
    }
    b->ptr = p;
    b->cap = cap;
    return true;
}

void sb__buf_reset(struct sb_buf *b)
{
    sb__free(b->ptr);
    *b = (struct sb_buf) { 0 };
}
