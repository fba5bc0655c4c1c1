/* SPDX-License-Identifier: MIT
 *
 * What the process has once: the tags of sessions and where their ids go on, closed sessions, interned strings, the log,
 * the allocator's switch. One lock guards it, held for nothing else; no other lock is taken under it. Any thread may
 * enter. */
#include "runtime/session.h"
#include <stdarg.h>
#include <stdio.h>

static struct {
    pthread_mutex_t lock;
    uint64_t *counters; /* a tag: where its ids go on, so that none is used again in the process */
    uint64_t *taken;    /* a bit a tag */
    uint32_t next_tag;
    bool opened;        /* a session was opened: the allocator stays */
    sb_session *closed; /* by sb_session.next */
    void (*log)(int level, const char *text, void *user);
    void *log_user;
} process = { .lock = PTHREAD_MUTEX_INITIALIZER, .next_tag = 1 };

void sb__log(int level, const char *format, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    pthread_mutex_lock(&process.lock);
    void (*log)(int, const char *, void *) = process.log;
    void *user = process.log_user;
    pthread_mutex_unlock(&process.lock);
    if (log)
        log(level, text, user);
    else if (level <= 4)
        fprintf(stderr, "snakebridge: %s\n", text);
}

void sb_set_log(void (*log)(int level, const char *text, void *user), void *user)
{
    pthread_mutex_lock(&process.lock);
    process.log = log;
    process.log_user = user;
    pthread_mutex_unlock(&process.lock);
}

sb_code sb_set_allocator(void *(*resize)(void *ptr, size_t size, void *user), void *user)
{
    pthread_mutex_lock(&process.lock);
    bool late = process.opened;
    if (!late)
        sb__set_resize(resize, user);
    pthread_mutex_unlock(&process.lock);
    return late ? SB_E_MISUSE : SB_OK;
}

const char *sb_version(void)
{
    return SB_VERSION;
}

static uint32_t take_tag(uint64_t *counter, sb_code *code)
{
    if (!process.counters) {
        process.counters = sb__calloc(SB_TAGS * sizeof *process.counters);
        process.taken = sb__calloc(SB_TAGS / 8);
        if (!process.counters || !process.taken) {
            sb__free(process.counters);
            sb__free(process.taken);
            process.counters = process.taken = NULL;
            *code = SB_E_MEMORY;
            return 0;
        }
    }
    for (uint32_t i = 0; i < SB_TAGS; i++) {
        uint32_t tag = (process.next_tag + i) % SB_TAGS;
        if (!tag || process.taken[tag / 64] >> (tag % 64) & 1)
            continue;
        process.taken[tag / 64] |= UINT64_C(1) << (tag % 64);
        process.next_tag = tag + 1;
        *counter = process.counters[tag] ? process.counters[tag] : 1;
        return tag;
    }
    *code = SB_E_LIMIT;
    return 0;
}

void sb__tag_give(uint32_t tag, uint64_t counter)
{
    pthread_mutex_lock(&process.lock);
    process.counters[tag] = counter;
    process.taken[tag / 64] &= ~(UINT64_C(1) << (tag % 64));
    pthread_mutex_unlock(&process.lock);
}

void sb__closed_add(sb_session *py)
{
    pthread_mutex_lock(&process.lock);
    py->next = process.closed;
    process.closed = py;
    pthread_mutex_unlock(&process.lock);
}

void sb__closed_remove(sb_session *py)
{
    pthread_mutex_lock(&process.lock);
    sb_session **at = &process.closed;
    while (*at != py)
        at = &(*at)->next;
    *at = py->next;
    pthread_mutex_unlock(&process.lock);
}

const char *sb__intern(const char *s)
{
    static struct interned {
        struct interned *next;
        char text[];
    } * all;
    pthread_mutex_lock(&process.lock);
    struct interned *i = all;
    while (i && strcmp(i->text, s))
        i = i->next;
    if (!i && (i = sb__resize(NULL, sizeof *i + strlen(s) + 1))) {
        strcpy(i->text, s);
        i->next = all;
        all = i;
    }
    pthread_mutex_unlock(&process.lock);
    return i ? i->text : NULL;
}

const char *const *sb__intern_list(const char *const *list)
{
    static struct interned_list {
        struct interned_list *next;
        size_t n;
        const char *text[];
    } * all;
    size_t n = 0;
    while (list && list[n])
        n++;
    struct interned_list *made = sb__calloc(sizeof *made + (n + 1) * sizeof *made->text);
    if (!made)
        return NULL;
    made->n = n;
    for (size_t i = 0; i < n; i++)
        if (!(made->text[i] = sb__intern(list[i]))) {
            sb__free(made);
            return NULL;
        }
    pthread_mutex_lock(&process.lock);
    struct interned_list *l = all;
    while (l && (l->n != n || memcmp(l->text, made->text, n * sizeof *l->text)))
        l = l->next;
    if (!l) {
        made->next = all;
        l = all = made;
        made = NULL;
    }
    pthread_mutex_unlock(&process.lock);
    sb__free(made);
    return l->text;
}

uint32_t sb__tag_take(uint64_t *counter, sb_code *code)
{
    pthread_mutex_lock(&process.lock);
    process.opened = true;
    uint32_t tag = take_tag(counter, code);
    pthread_mutex_unlock(&process.lock);
    return tag;
}
