/* SPDX-License-Identifier: MIT
 *
 * Plans: see plan.h. What they are made from, signature.c reads. */
#include "runtime/signature.h"

enum { MAX_PLANS = 1 << 20 };

static struct {
    pthread_mutex_t lock;
    struct sb_plan **buckets;
    size_t mask;
    uint32_t count;
} registry = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- which options are given ---- */

struct given {
    const struct sb_param *options;
    uint32_t count;
    bool *set;
    sb_str unknown;
};

static void mark_given(void *ctx, sb_str name)
{
    struct given *g = ctx;
    for (uint32_t i = 0; i < g->count; i++)
        if (g->options[i].field.len == name.len &&
            !memcmp(g->options[i].field.ptr, name.ptr, name.len)) {
            g->set[i] = true;
            return;
        }
    if (!g->unknown.len)
        g->unknown = name;
}

static bool field_set(const void *options, const struct sb_param *q)
{
    const unsigned char *p = (const unsigned char *)options + q->offset;
    for (uint32_t i = 0; i < q->size; i++)
        if (p[i])
            return true;
    return false;
}

/* ---- building ---- */

static void free_plan(struct sb_plan *plan)
{
    if (!plan)
        return;
    for (uint32_t i = 0; i < plan->count; i++) {
        for (uint32_t k = 0; k < plan->params[i].literal_count; k++)
            sb__buf_reset(&plan->params[i].literals[k]);
        sb__free(plan->params[i].literals);
    }
    sb__buf_reset(&plan->definition);
    sb__free(plan->params);
    sb__free(plan->result);
    sb__free(plan->function);
    sb__free(plan->library);
    sb__free(plan->name);
    sb__free(plan->sig);
    sb__free(plan->key);
    sb__free(plan);
}

/* "numpy:linalg.solve" reads numpy.linalg.solve in errors. */
static char *shown_name(const char *name)
{
    char *s = sb__strdup(name);
    for (char *p = s; p && *p; p++)
        if (*p == ':')
            *p = '.';
    return s;
}

static void define(struct sb_plan *plan, const sb_str *keywords, uint32_t n, const char *result,
                   bool kwargs)
{
    struct sb_buf *b = &plan->definition;
    sb__put_head(b, SB_MAJOR_ARRAY, 5);
    sb__put_string(b, SB_MAJOR_TEXT, &plan->op, 1);
    sb__put_text(b, plan->name);
    sb__put_head(b, SB_MAJOR_ARRAY, n);
    for (uint32_t i = 0; i < n; i++)
        sb__put_string(b, SB_MAJOR_TEXT, keywords[i].ptr, keywords[i].len);
    sb__put_text(b, result);
    sb__put_bool(b, kwargs);
}

/* Orders what is passed as the wire wants it: by position (required, options by place, *args), by keyword, **kwargs. */
static bool order_params(struct sb_plan *plan, const struct sb_signature *s, const bool *given,
                         struct sb_trouble *t)
{
    uint32_t n = s->count, total = n ? n : 1;
    plan->params = sb__calloc(total * sizeof *plan->params);
    sb_str *keywords = sb__calloc(total * sizeof *keywords);
    if (!plan->params || !keywords) {
        sb__free(keywords);
        sb__trouble(t, SB_E_MEMORY, "out of memory");
        return false;
    }
    uint32_t named = 0;
    bool kwargs = false;
    sb_str missing = { 0 };
    for (int pass = 0; pass < 5; pass++) {
        for (uint32_t i = 0; i < n; i++) {
            const struct sb_param *q = &s->params[i];
            bool option = i >= s->required;
            int turn = q->code == 'a' ? 2 : q->code == 'k' ? 4 : q->keyword ? 3 : option ? 1 : 0;
            if (turn != pass)
                continue;
            if (option && !given[i - s->required]) {
                if (q->by_place && !missing.len)
                    missing = q->name;
                continue;
            }
            if (q->by_place && missing.len) {
                sb__trouble(t, SB_E_MISUSE,
                            ".%.*s goes by position, so .%.*s must be given as well",
                            (int)q->field.len, q->field.ptr, (int)missing.len, missing.ptr);
                sb__free(keywords);
                return false;
            }
            plan->params[plan->count] = *q;
            plan->params[plan->count].option = option;
            plan->params[plan->count].slot = option ? 0 : i;
            plan->count++;
            plan->star = plan->star || q->code == 'a';
            kwargs = kwargs || q->code == 'k';
            if (turn == 3)
                keywords[named++] = q->name;
        }
    }
    plan->fixed = plan->count - plan->star;
    define(plan, keywords, named, strchr(plan->sig, '>') + 1, kwargs);
    sb__free(keywords);
    if (plan->definition.failed)
        sb__trouble(t, SB_E_MEMORY, "out of memory");
    return !plan->definition.failed;
}

/* Whether the short way of a call will do (typed.c). */
static void find_plain(struct sb_plan *plan)
{
    if (plan->object || plan->result_struct || plan->count > SB_PLAIN_MAX)
        return;
    uint32_t values = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct sb_param *q = &plan->params[i];
        values += q->code == 'v';
        if (!strchr("idbo", q->code) && (q->code != 'v' || q->option))
            return;
        plan->plain[i] =
            (struct sb_plain) { q->code, q->option,
                                q->option ? q->offset : q->slot * (uint32_t)sizeof(sb_slot) };
    }
    if (values && plan->count > SB_PLAIN_VALUES)
        return;
    plan->plain_count = (uint8_t)plan->count;
    plan->is_plain = true;
}

/* Under the registry's lock: gives `plan` its number and enters it. */
static bool enter(struct sb_plan *plan, struct sb_trouble *t)
{
    if (registry.count >= MAX_PLANS) {
        sb__trouble(t, SB_E_LIMIT, "more than %d different calls in one program", MAX_PLANS);
        return false;
    }
    if (registry.count >= registry.mask) {
        size_t size = registry.mask ? (registry.mask + 1) * 2 : 256;
        struct sb_plan **b = sb__calloc(size * sizeof(struct sb_plan *));
        if (!b) {
            sb__trouble(t, SB_E_MEMORY, "out of memory");
            return false;
        }
        for (size_t i = 0; registry.buckets && i <= registry.mask; i++)
            for (struct sb_plan *p = registry.buckets[i], *next; p; p = next) {
                next = p->next;
                p->next = b[p->hash & (size - 1)];
                b[p->hash & (size - 1)] = p;
            }
        sb__free(registry.buckets);
        registry.buckets = b;
        registry.mask = size - 1;
    }
    plan->number = ++registry.count;
    uint8_t *p = sb__cbor_head(plan->head, SB_MAJOR_UINT, plan->number);
    if (!plan->star)
        p = sb__cbor_head(p, SB_MAJOR_ARRAY, plan->fixed);
    plan->head_size = (uint8_t)(p - plan->head);
    plan->next = registry.buckets[plan->hash & registry.mask];
    registry.buckets[plan->hash & registry.mask] = plan;
    return true;
}

static uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
    for (const uint8_t *b = p; n--; b++)
        h = (h ^ *b) * UINT64_C(0x100000001b3);
    return h;
}
#define HASH_START UINT64_C(0xcbf29ce484222325)

static struct sb_plan *find(const char *key, size_t size, uint64_t hash)
{
    if (!registry.buckets)
        return NULL;
    for (struct sb_plan *p = registry.buckets[hash & registry.mask]; p; p = p->next)
        if (p->hash == hash && p->key_size == size && !memcmp(p->key, key, size))
            return p;
    return NULL;
}

/* Enters `plan` under `key`, or drops it if another thread was faster. Takes both. */
static const struct sb_plan *enter_take(struct sb_plan *plan, struct sb_buf *key,
                                        struct sb_trouble *t)
{
    plan->key = (char *)key->ptr;
    plan->key_size = key->len;
    *key = (struct sb_buf) { 0 };
    plan->hash = hash_bytes(HASH_START, plan->key, plan->key_size);
    pthread_mutex_lock(&registry.lock);
    const struct sb_plan *r = find(plan->key, plan->key_size, plan->hash);
    if (!r && enter(plan, t))
        r = plan;
    pthread_mutex_unlock(&registry.lock);
    if (r != plan)
        free_plan(plan);
    return r;
}

/* The package: "numpy" of "numpy.linalg:norm"; "" of a method that is called by name. */
static char *library_of(const char *name)
{
    size_t n = strcspn(name, ".:");
    char *library = sb__calloc(n + 1);
    if (library && name[n])
        memcpy(library, name, n);
    return library;
}

static struct sb_plan *new_plan(const char *name, const char *sig, struct sb_trouble *t)
{
    struct sb_plan *plan = sb__calloc(sizeof *plan);
    if (plan) {
        plan->name = sb__strdup(name);
        plan->sig = sb__strdup(sig);
        plan->function = shown_name(name);
        plan->library = library_of(name);
    }
    if (!plan || !plan->name || !plan->sig || !plan->function || !plan->library) {
        free_plan(plan);
        sb__trouble(t, SB_E_MEMORY, "out of memory");
        return NULL;
    }
    return plan;
}

static void drop_params(struct sb_signature *s, bool keep_given, const bool *given)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (keep_given && (i < s->required || (given && given[i - s->required])))
            continue;
        for (uint32_t k = 0; k < s->params[i].literal_count; k++)
            sb__buf_reset(&s->params[i].literals[k]);
        sb__free(s->params[i].literals);
        s->params[i].literals = NULL;
        s->params[i].literal_count = 0;
    }
}

static const struct sb_plan *make_site_plan(const sb_fn *fn, const char *given_text,
                                            const void *options, struct sb_trouble *t)
{
    struct sb_plan *plan = new_plan(fn->name, fn->sig, t);
    if (!plan)
        return NULL;
    struct sb_signature s = { .p = plan->sig, .plan = plan };
    struct sb_buf key = { 0 };
    bool *set = NULL;
    bool ok = sb__signature_read(&s);
    if (!ok) {
        if (s.no_memory)
            sb__trouble(t, SB_E_MEMORY, "out of memory");
        else
            sb__trouble(t, SB_E_MISUSE, "the signature \"%.80s\" cannot be read at byte %d",
                        fn->sig, (int)(s.p - plan->sig));
        goto done;
    }
    uint32_t n = s.count - s.required;
    set = sb__calloc(n + 1);
    if (!set) {
        sb__trouble(t, SB_E_MEMORY, "out of memory");
        ok = false;
        goto done;
    }
    struct given g = { .options = n ? s.params + s.required : NULL, .count = n, .set = set };
    if (given_text && !sb__read_given(given_text, mark_given, &g)) {
        /* By position, or in a macro, whose names are not in the text. */
        sb__trouble(t, SB_E_MISUSE,
                    "options are written as .name = value in the call itself: %.80s", given_text);
        ok = false;
        goto done;
    }
    if (!given_text && options)
        for (uint32_t i = 0; i < n; i++)
            set[i] = field_set(options, &s.params[s.required + i]);
    if (g.unknown.len) {
        sb__trouble(t, SB_E_MISUSE, "%s has no option \"%.*s\"", plan->function, (int)g.unknown.len,
                    g.unknown.ptr);
        ok = false;
        goto done;
    }
    sb__buf_put(&key, fn->name, strlen(fn->name) + 1);
    sb__buf_put(&key, fn->sig, strlen(fn->sig) + 1);
    sb__buf_put(&key, set, n);
    ok = !key.failed && order_params(plan, &s, set, t);
    if (key.failed)
        sb__trouble(t, SB_E_MEMORY, "out of memory");
    plan->object = !plan->result_struct && plan->result && plan->result[0].code == 'o';
    plan->waits = !plan->object || plan->result[0].optional;
    if (ok)
        find_plain(plan);
done:
    /* What is passed belongs to the plan now, with its literals. */
    if (ok) {
        drop_params(&s, true, set);
    } else {
        sb__free(plan->params);
        plan->params = NULL;
        plan->count = 0;
        drop_params(&s, false, NULL);
    }
    sb__free(s.params);
    sb__free(set);
    const struct sb_plan *r = NULL;
    if (ok)
        r = enter_take(plan, &key, t);
    else
        free_plan(plan);
    sb__buf_reset(&key);
    return r;
}

/* ---- the session's caches ---- */

enum { PROBES = 4, GROWTHS = 3 };

static struct sb_plan_entry *free_place(struct sb_plan_entry *sites, uint32_t mask, const void *fn,
                                        const void *given)
{
    for (uint32_t i = 0; i < PROBES; i++) {
        struct sb_plan_entry *e = &sites[(sb__site_hash(fn, given) + i) & mask];
        if (!e->plan || (e->fn == fn && e->given == given))
            return e;
    }
    return NULL;
}

static void remember_site(struct sb_plan_cache *c, const struct sb_plan_entry *site)
{
    struct sb_plan_entry *e = c->sites && c->used * 2 <= c->mask
                                  ? free_place(c->sites, c->mask, site->fn, site->given)
                                  : NULL;
    uint32_t size = c->sites ? (c->mask + 1) * 2 : 64;
    for (int i = 0; !e && i < GROWTHS; i++, size *= 2) {
        struct sb_plan_entry *more = sb__calloc(size * sizeof *more);
        if (!more)
            break;
        bool fits = true;
        for (uint32_t k = 0; c->sites && k <= c->mask && fits; k++) {
            const struct sb_plan_entry *old = &c->sites[k];
            struct sb_plan_entry *to =
                old->plan ? free_place(more, size - 1, old->fn, old->given) : NULL;
            if (to)
                *to = *old;
            fits = to || !old->plan;
        }
        e = fits ? free_place(more, size - 1, site->fn, site->given) : NULL;
        sb__free(e ? c->sites : more);
        if (e) {
            c->sites = more;
            c->mask = size - 1;
        }
    }
    if (!e) { /* no memory, or addresses that collide in tables of every size: another site is slow again */
        if (!c->sites)
            return;
        e = &c->sites[sb__site_hash(site->fn, site->given) & c->mask];
    }
    c->used += !e->plan;
    *e = *site;
}

const struct sb_plan *sb__plan_site_slow(struct sb_plan_cache *c, const sb_fn *fn,
                                         const char *given, const void *options,
                                         struct sb_trouble *t)
{
    for (uint32_t i = 1; i < PROBES && c->sites && given; i++) {
        const struct sb_plan_entry *e = &c->sites[(sb__site_hash(fn, given) + i) & c->mask];
        if (e->fn == fn && e->given == given && e->name == fn->name && e->sig == fn->sig)
            return e->plan;
    }
    const struct sb_plan *plan = make_site_plan(fn, given, options, t);
    if (plan && given)
        remember_site(c, &(struct sb_plan_entry) { fn, fn->name, fn->sig, given, plan, 0 });
    return plan;
}

void sb__plan_cache_reset(struct sb_plan_cache *c)
{
    sb__free(c->sites);
    sb__free(c->dynamic);
    *c = (struct sb_plan_cache) { 0 };
}

/* The key of a dynamic plan: op, name, result, keywords; each with its NUL. */
static bool same_dynamic(const struct sb_plan *p, char op, const char *name, const char *result,
                         sb_args args)
{
    const char *k = p->key, *end = k + p->key_size;
    if (*k++ != op || strcmp(k, name))
        return false;
    k += strlen(k) + 1;
    if (strcmp(k, result))
        return false;
    k += strlen(k) + 1;
    for (size_t i = 0; i < args.len; i++) {
        if (args.ptr[i].kind != SB_KEYWORD_)
            continue;
        sb_str s = args.ptr[i].as.str;
        if ((size_t)(end - k) <= s.len || memcmp(k, s.ptr, s.len) || k[s.len])
            return false;
        k += s.len + 1;
    }
    return k == end;
}

/* Names with a place for every part, keywords that differ: the engine takes others for nonsense of the protocol. */
static bool check_dynamic(char op, const char *name, sb_args args, struct sb_trouble *t)
{
    size_t n = strlen(name);
    if (!sb__utf8_valid(name, n)) {
        sb__trouble(t, SB_E_TYPE, "a name that is not UTF-8");
        return false;
    }
    if (strchr("fmce", op) && (!n || *name == '.' || name[n - 1] == '.' || strstr(name, ".."))) {
        sb__trouble(t, SB_E_MISUSE, "\"%s\" is no name of Python's", name);
        return false;
    }
    for (size_t i = 0; i < args.len; i++) {
        if (args.ptr[i].kind != SB_KEYWORD_)
            continue;
        sb_str key = args.ptr[i].as.str;
        if (!key.len || memchr(key.ptr, 0, key.len) || !sb__utf8_valid(key.ptr, key.len)) {
            sb__trouble(t, SB_E_MISUSE, "a keyword without a name, or with one that is no text");
            return false;
        }
        for (size_t j = 0; j < i; j++)
            if (args.ptr[j].kind == SB_KEYWORD_ && args.ptr[j].as.str.len == key.len &&
                !memcmp(args.ptr[j].as.str.ptr, key.ptr, key.len)) {
                sb__trouble(t, SB_E_MISUSE, "the keyword \"%s\" was given twice", key.ptr);
                return false;
            }
    }
    return true;
}

const struct sb_plan *sb__plan_dynamic(struct sb_plan_cache *c, char op, const char *name,
                                       const char *result, sb_args args, struct sb_trouble *t)
{
    uint64_t hash = hash_bytes(HASH_START, name, strlen(name));
    hash = hash_bytes(hash ^ (uint8_t)op, result, strlen(result));
    uint32_t named = 0;
    for (size_t i = 0; i < args.len; i++)
        if (args.ptr[i].kind == SB_KEYWORD_) {
            hash = hash_bytes(hash, args.ptr[i].as.str.ptr, args.ptr[i].as.str.len);
            named++;
        }
    if (c->dynamic) {
        const struct sb_plan *p = c->dynamic[hash & c->dynamic_mask];
        if (SB_LIKELY(p && same_dynamic(p, op, name, result, args)))
            return p;
    }
    if (!check_dynamic(op, name, args, t))
        return NULL;
    struct sb_plan *plan = new_plan(name, result, t);
    sb_str *keywords = sb__calloc((named + 1) * sizeof *keywords);
    struct sb_buf key = { 0 };
    const struct sb_plan *r = NULL;
    if (!plan || !keywords) {
        sb__trouble(t, SB_E_MEMORY, "out of memory");
        goto done;
    }
    plan->op = op;
    plan->star = true; /* the number of arguments is the call's */
    plan->waits = true;
    sb__put_byte(&key, (uint8_t)op);
    sb__buf_put(&key, name, strlen(name) + 1);
    sb__buf_put(&key, result, strlen(result) + 1);
    for (size_t i = 0, k = 0; i < args.len; i++)
        if (args.ptr[i].kind == SB_KEYWORD_) {
            keywords[k++] = args.ptr[i].as.str;
            sb__buf_put(&key, args.ptr[i].as.str.ptr, args.ptr[i].as.str.len);
            sb__put_byte(&key, 0);
        }
    define(plan, keywords, named, result, false);
    if (key.failed || plan->definition.failed) {
        sb__trouble(t, SB_E_MEMORY, "out of memory");
        goto done;
    }
    r = enter_take(plan, &key, t);
    plan = NULL;
    if (r && (!c->dynamic || c->dynamic_used * 2 > c->dynamic_mask)) {
        uint32_t size = c->dynamic ? (c->dynamic_mask + 1) * 2 : 64;
        const struct sb_plan **more = sb__calloc(size * sizeof(const struct sb_plan *));
        if (more) { /* starts afresh: plans are found in the registry again */
            sb__free(c->dynamic);
            c->dynamic = more;
            c->dynamic_mask = size - 1;
            c->dynamic_used = 0;
        }
    }
    if (r && c->dynamic) {
        c->dynamic_used += !c->dynamic[hash & c->dynamic_mask];
        c->dynamic[hash & c->dynamic_mask] = r;
    }
done:
    sb__free(keywords);
    sb__buf_reset(&key);
    free_plan(plan);
    return r;
}
