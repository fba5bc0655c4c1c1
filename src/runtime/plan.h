/* SPDX-License-Identifier: MIT
 *
 * A plan: how one function is called with one set of keywords. Made once a process from a signature (the grammar is in
 * snakebridge_gen.h) and the text of a call, or from the name and keywords of a dynamic call; never freed or changed
 * afterwards, so that sessions read plans without a lock. The registry has a mutex of its own, held for no call of
 * anything else. */
#ifndef SB_RUNTIME_PLAN_H
#define SB_RUNTIME_PLAN_H

#include "core/value.h"
#include <pthread.h>
#include <snakebridge_gen.h>

/* One parameter or option, in C order. */
struct sb_param {
    char code;               /* i d b s y e o v a k */
    bool optional;           /* None may stand here */
    bool keyword;            /* passed by name */
    bool by_place;           /* an option that Python takes by position only */
    bool option;             /* from the options, not from a slot */
    uint32_t slot;           /* a required parameter: which */
    uint32_t offset;         /* an option: of the field in the options struct */
    uint32_t size;           /* of the field */
    sb_str name;             /* Python's */
    sb_str field;            /* C's */
    struct sb_buf *literals; /* e: each as CBOR; an enumerator of 1 is literals[0] */
    uint32_t literal_count;
};

/* A member of a struct result, or the one result. */
struct sb_result_type {
    char code;
    bool optional;
    uint32_t offset, size;
};

/* An argument of a plain plan: where it is. */
struct sb_plain {
    char code;       /* i d b o, and v from a slot */
    bool option;     /* from the options, not from a slot */
    uint32_t offset; /* bytes */
};
/* Arguments, values among them, and bytes of a value's text: all together fit into SB_OUT_LEAST. */
enum { SB_PLAIN_MAX = 16, SB_PLAIN_VALUES = 6, SB_PLAIN_TEXT = 24 };

struct sb_plan {
    /* First, and together, what the short way of a call needs. */
    uint8_t head[16]; /* number and, unless star, the array's head: at most 5 bytes each */
    uint8_t head_size;
    uint8_t plain_count;
    bool is_plain; /* waits for one result, and has few arguments, all of a small size: `plain` */
    struct sb_plain plain[SB_PLAIN_MAX];

    uint32_t number;
    char op;
    bool waits;              /* the caller needs the reply */
    bool object;             /* the result is an object, whose id the caller chooses */
    bool star;               /* has *args: the number of arguments varies */
    uint32_t count;          /* of params */
    struct sb_param *params; /* what is passed, in the order of the wire */
    uint32_t fixed;          /* arguments without *args */
    bool result_struct;
    uint32_t result_count, result_size;
    struct sb_result_type *result; /* of a struct: its members */
    char *function;                /* "pandas.read_csv": for errors */
    char *library;                 /* "pandas"; "" if the name does not tell: for events */
    char *name, *sig;              /* as they came */
    struct sb_buf definition;      /* CBOR */
    uint64_t hash;
    struct sb_plan *next; /* in the registry */
    char *key;
    size_t key_size;
};

/* A session's own view of the registry: finds a call site's plan without a lock. */
struct sb_plan_entry {
    const sb_fn *fn;
    const char *name, *sig, *given;
    const struct sb_plan *plan;
    uint32_t
        attached; /* sb_session.attached of the link over which a plain plan's definition went; or 0 */
};
struct sb_plan_cache {
    struct sb_plan_entry *sites;
    uint32_t mask, used;
    const struct sb_plan **dynamic; /* by hash */
    uint32_t dynamic_mask, dynamic_used;
};
void sb__plan_cache_reset(struct sb_plan_cache *c);

/* The plan of a typed call. NULL: *t says why (a signature that the library cannot read, a keyword that the function does
 * not have, a limit). `options` may be NULL; it is looked at only when given is NULL: options filled by hand. */
const struct sb_plan *sb__plan_site_slow(struct sb_plan_cache *c, const sb_fn *fn,
                                         const char *given, const void *options,
                                         struct sb_trouble *t);

static inline uint32_t sb__site_hash(const void *fn, const void *given)
{
    uint64_t h = ((uintptr_t)fn ^ ((uintptr_t)given << 21)) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}
/* The name's and signature's addresses are compared, too: a plugin that was unloaded leaves addresses to be used again. */
static inline bool sb__plan_entry_is(const struct sb_plan_entry *e, const sb_fn *fn,
                                     const char *given)
{
    return e->fn == fn && e->given == given && e->name == fn->name && e->sig == fn->sig;
}
static inline const struct sb_plan *sb__plan_site(struct sb_plan_cache *c, const sb_fn *fn,
                                                  const char *given, const void *options,
                                                  struct sb_trouble *t)
{
    if (SB_LIKELY(c->sites && given)) {
        const struct sb_plan_entry *e = &c->sites[sb__site_hash(fn, given) & c->mask];
        if (SB_LIKELY(sb__plan_entry_is(e, fn, given)))
            return e->plan;
    }
    return sb__plan_site_slow(c, fn, given, options, t);
}

/* Notes that the definition of a plain plan went over the link. */
static inline void sb__plan_site_sent(struct sb_plan_cache *c, const sb_fn *fn, const char *given,
                                      const struct sb_plan *plan, uint32_t attached)
{
    struct sb_plan_entry *e = c->sites ? &c->sites[sb__site_hash(fn, given) & c->mask] : NULL;
    if (e && e->plan == plan && sb__plan_entry_is(e, fn, given))
        e->attached = attached;
}

/* The plan of a call by name; keywords are taken from SB_KEYWORD_ values among `args`. */
const struct sb_plan *sb__plan_dynamic(struct sb_plan_cache *c, char op, const char *name,
                                       const char *result, sb_args args, struct sb_trouble *t);

/* The next member of a result struct, straight from the signature: *sig is behind its "(", *at is 0 at first. */
bool sb__result_member(const char **sig, uint32_t *at, struct sb_result_type *member);

#endif
