/* SPDX-License-Identifier: MIT
 *
 * Objects and scopes of a session. Ids that the session may use are in an open hash table; `owned` lists them in the order
 * of their scopes, so that a scope's end walks its own only. A kept id stays in the list and belongs to a lower depth. */
#include "runtime/callback.h"
#include "runtime/detail.h"
#include <math.h>

/* ---- the table ---- */

static uint32_t place_of(uint64_t id) /* ids rise, so neighbours lie side by side */
{
    return (uint32_t)(id << 1) | (uint32_t)(id >> 47 & 1);
}

static struct sb_handle *find(const struct sb_handles *h, uint64_t id)
{
    if (!h->places)
        return NULL;
    for (uint32_t i = place_of(id) & h->mask;; i = (i + 1) & h->mask) {
        if (h->places[i].id == id)
            return &h->places[i];
        if (!h->places[i].id)
            return NULL;
    }
}

static void put(struct sb_handle *places, uint32_t mask, struct sb_handle x)
{
    uint32_t i = place_of(x.id) & mask;
    while (places[i].id)
        i = (i + 1) & mask;
    places[i] = x;
}

static bool add(struct sb_handles *h, struct sb_handle x)
{
    if (!h->places || h->used * 2 > h->mask) {
        uint32_t size = h->places ? (h->mask + 1) * 2 : 64;
        struct sb_handle *more = sb__calloc(size * sizeof *more);
        if (!more)
            return false;
        for (uint32_t i = 0; h->places && i <= h->mask; i++)
            if (h->places[i].id)
                put(more, size - 1, h->places[i]);
        sb__free(h->places);
        h->places = more;
        h->mask = size - 1;
    }
    put(h->places, h->mask, x);
    h->used++;
    return true;
}

/* Deletion that moves later entries of the run back (Knuth, TAOCP 6.4, algorithm R): no tombstones. */
static void drop(struct sb_handles *h, struct sb_handle *x)
{
    uint32_t hole = (uint32_t)(x - h->places);
    for (uint32_t i = (hole + 1) & h->mask; h->places[i].id; i = (i + 1) & h->mask) {
        uint32_t home = place_of(h->places[i].id) & h->mask;
        if (((i - home) & h->mask) >= ((i - hole) & h->mask)) {
            h->places[hole] = h->places[i];
            hole = i;
        }
    }
    h->places[hole].id = 0;
    h->used--;
}

/* ---- ids ---- */

/* Released ids leave holes in the list; it is compacted when they are the larger part. */
static void compact(sb_session *py)
{
    size_t to = 0;
    uint32_t scope = 1;
    for (size_t i = 0; i < py->owned_len; i++) {
        for (; scope <= py->depth && py->scopes[scope].owned == i; scope++)
            py->scopes[scope].owned = to;
        if (find(&py->handles, py->owned[i]))
            py->owned[to++] = py->owned[i];
    }
    for (; scope <= py->depth; scope++)
        py->scopes[scope].owned = to;
    py->owned_len = to;
}

static bool own(sb_session *py, uint64_t id)
{
    if (py->owned_len == py->owned_cap) {
        if (py->owned_cap && py->owned_len > 2 * (size_t)py->handles.used + 64)
            compact(py);
        if (py->owned_len == py->owned_cap) {
            size_t cap = py->owned_cap ? py->owned_cap * 2 : 64;
            uint64_t *more = sb__resize(py->owned, cap * sizeof *more);
            if (!more)
                return false;
            py->owned = more;
            py->owned_cap = cap;
        }
    }
    if (!add(&py->handles, (struct sb_handle) { .id = id, .depth = py->depth }))
        return false;
    py->owned[py->owned_len++] = id;
    if (py->depth == 0 && !py->noted && py->owned_len >= SB_OBJECTS_NOTE) {
        py->noted = true;
        sb__log(4, "a session holds %d objects outside of any SB_SCOPE; they live until it closes",
                SB_OBJECTS_NOTE);
    }
    return true;
}

uint64_t sb__handle_new(sb_session *py)
{
    uint64_t id = (uint64_t)py->tag << SB_ID_TAG_SHIFT | py->counter;
    if (!own(py, id))
        return 0;
    py->counter++;
    return id;
}

bool sb__handle_meet(void *session, uint64_t id)
{
    sb_session *py = session;
    if (id >> SB_ID_TAG_SHIFT != py->tag || !(id & SB_ID_ENGINE))
        return find(&py->handles, id) != NULL; /* one of ours, given back */
    if ((id & SB_ID_COUNTER) > SB_ID_COUNTER / 2)
        return false; /* the engine refuses to go on there */
    if ((id & SB_ID_COUNTER) >= py->engine_counter)
        py->engine_counter = (id & SB_ID_COUNTER) + 1;
    if (find(&py->handles, id) || own(py, id))
        return true;
    py->no_memory = true;
    if (py->released_len < py->released_cap) /* the engine need not keep what nobody can name */
        py->released[py->released_len++] = id;
    return false;
}

bool sb__handle_meet_exception(sb_session *py, uint64_t id)
{
    bool ok = sb__handle_meet(py, id);
    struct sb_handle *h = ok ? find(&py->handles, id) : NULL;
    if (h)
        h->depth = 0; /* it outlives the scopes, until the error is cleared */
    return h != NULL;
}

bool sb__handle_check(void *session, sb_object o, struct sb_trouble *t)
{
    sb_session *py = session;
    if (!o.id)
        return true;
    const struct sb_handle *h = find(&py->handles, o.id);
    if (SB_LIKELY(h && !h->failed))
        return true;
    if (o.id >> SB_ID_TAG_SHIFT != py->tag)
        sb__trouble(t, SB_E_SESSION, "an object of another session was used");
    else if (h || !(o.id & (SB_ID_ENGINE | SB_ID_COUNTER)))
        sb__trouble(t, SB_E_MISUSE, "an object was used whose call failed or was skipped");
    else if (atomic_load_explicit(&py->member.ending, memory_order_relaxed))
        sb__trouble_ended(py, t);
    else
        sb__trouble(t, SB_E_STALE,
                    "an object was used whose scope has ended or whose worker is gone");
    return false;
}

void sb__pin(sb_session *py, uint64_t id)
{
    struct sb_handle *h = find(&py->handles, id);
    if (h && !h->pinned) {
        h->pinned = true;
        py->pinned++;
    }
}

void sb__handle_fail(sb_session *py, uint64_t id)
{
    struct sb_handle *h = find(&py->handles, id);
    if (h)
        h->failed = true;
}

void sb__handles_lost(sb_session *py)
{
    if (py->handles.places)
        memset(py->handles.places, 0, ((size_t)py->handles.mask + 1) * sizeof *py->handles.places);
    py->handles.used = 0;
    py->pinned = 0;
    py->owned_len = 0;
    py->released_len = 0;
    for (uint32_t i = 0; i <= py->depth; i++)
        py->scopes[i].owned = 0;
}

void sb__flush_releases(sb_session *py)
{
    if (!py->released_len || !py->link)
        return;
    struct sb_buf *b = &py->out;
    struct sb_frame head = {
        .kind = SB_FRAME_RELEASE, .session = py->tag, .epoch = py->epoch, .seq = py->seq
    };
    if (py->answered == py->seq) /* that of an earlier call, which has been answered */
        py->link->deadline = 0;
    b->len = 0;
    sb__buf_put(b, &head, sizeof head);
    sb__put_head(b, SB_MAJOR_ARRAY, py->released_len);
    for (size_t i = 0; i < py->released_len; i++)
        sb__put_uint(b, py->released[i]);
    if (b->failed)
        return; /* they wait for the next request */
    head.size = (uint32_t)b->len;
    memcpy(b->ptr, &head.size, sizeof head.size);
    /* A dead worker has let go of everything; the next call finds out. */
    if (py->transport->send(py->link, b->ptr, b->len) != -SB_E_BUSY)
        py->released_len = 0;
}

static void grow_released(sb_session *py)
{
    uint64_t *more = sb__resize(py->released, 2 * py->released_cap * sizeof *more);
    if (!more)
        return; /* the engine keeps the object until the session ends */
    py->released = more;
    py->released_cap *= 2;
}

static void release_handle(sb_session *py, struct sb_handle *h)
{
    uint64_t id = h->id;
    bool failed = h->failed;
    if (SB_UNLIKELY(h->pinned))
        py->pinned--;
    drop(&py->handles, h);
    if (failed || !py->link)
        return; /* the engine never had it */
    if (SB_UNLIKELY(py->released_len == py->released_cap)) {
        if (py->holds)
            grow_released(py);
        else
            sb__flush_releases(py);
    }
    if (py->released_len < py->released_cap)
        py->released[py->released_len++] = id;
}

void sb__release(sb_session *py, uint64_t id)
{
    struct sb_handle *h = find(&py->handles, id);
    if (!h)
        return;
    release_handle(py, h);
    while (py->owned_len > py->scopes[py->depth].owned &&
           !find(&py->handles, py->owned[py->owned_len - 1]))
        py->owned_len--;
    if (py->owned_len > 64 && py->owned_len > 4 * ((size_t)py->handles.used + 16))
        compact(py);
}

/* ---- scopes ---- */

sb_scope sb_scope_open(sb_session *py)
{
    sb_scope scope = { NULL, 0 };
    if (!sb__enter(py))
        return scope;
    if (py->depth + 1 == py->scopes_cap) {
        uint32_t cap = py->scopes_cap * 2;
        struct sb_scope_state *more = sb__resize(py->scopes, cap * sizeof *more);
        if (!more) {
            sb__fail(py, NULL, "SB_SCOPE", SB_E_MEMORY, "out of memory");
            sb__leave(py);
            return scope;
        }
        py->scopes = more;
        py->scopes_cap = cap;
    }
    py->scopes[++py->depth] = (struct sb_scope_state) { .owned = py->owned_len };
    scope = (sb_scope) { py, py->depth };
    sb__leave(py);
    return scope;
}

static void close_scope(sb_session *py)
{
    struct sb_scope_state *s = &py->scopes[py->depth];
    size_t to = s->owned;
    for (size_t i = s->owned; i < py->owned_len; i++) {
        struct sb_handle *h = find(&py->handles, py->owned[i]);
        if (!h)
            continue;
        if (h->depth >= py->depth)
            release_handle(py, h);
        else
            py->owned[to++] = py->owned[i]; /* kept: the scope around it owns it now */
    }
    py->owned_len = to;
    if (SB_UNLIKELY(s->holds != NULL))
        sb__holds_drop(&s->holds);
    if (s->arena.chunks)
        sb__arena_reset(&s->arena, &py->chunks);
    py->depth--;
}

void sb__scopes_close(sb_session *py, uint32_t depth)
{
    while (py->depth > depth)
        close_scope(py);
}

void sb__scope_end(sb_session *py, uint32_t depth)
{
    /* A callback's own scope, and those around it, stay. */
    const uint32_t least = py->serving ? py->serving->depth + 1 : 0;
    while (py->depth >= depth && py->depth > least)
        close_scope(py);
}

void sb__scope_renew(sb_session *py, uint32_t depth)
{
    sb__scope_end(py, depth);
    if (py->depth + 1 == depth) /* else the scope around it is closed already */
        py->scopes[++py->depth] = (struct sb_scope_state) { .owned = py->owned_len };
}

void sb_scope_close(sb_scope *scope)
{
    sb_session *py = scope->py;
    scope->py = NULL;
    if (!py || sb__ended(py) || !sb__enter(py))
        return;
    sb__scope_end(py, scope->depth);
    if (py->depth == 0)
        sb__flush_releases(py);
    sb__leave(py);
}

/* An object of the innermost scope goes to the one around it. */
void sb__keep(sb_session *py, uint64_t id)
{
    struct sb_handle *h = find(&py->handles, id);
    if (h && h->depth == py->depth && h->depth > 0)
        h->depth--;
}

sb_object sb_keep(sb_session *py, sb_object o)
{
    if (!sb__enter(py))
        return o;
    struct sb_handle *h = find(&py->handles, o.id);
    if (h && py->failed && o.id == py->error.exception.id && !py->exception_kept) {
        py->exception_kept = true;
        h->depth = py->depth ? py->depth - 1 : 0;
    } else if (h && sb__detail_keep(py, o.id)) {
        h->depth = py->depth ? py->depth - 1 : 0;
    } else if (h && h->depth == py->depth && h->depth > 0) {
        h->depth--;
    }
    sb__leave(py);
    return o;
}

/* The arena of the scope around the innermost one. */
static struct sb_arena *outer_arena(sb_session *py)
{
    return &py->scopes[py->depth ? py->depth - 1 : 0].arena;
}

static void *keep_bytes(sb_session *py, const void *p, size_t n, bool *ok)
{
    char *to = sb__arena_alloc(outer_arena(py), &py->chunks, n + 1, 16);
    if (!to) {
        *ok = false;
        return NULL;
    }
    if (n)
        memcpy(to, p, n);
    to[n] = 0;
    return to;
}

sb_str sb_keep_str_(sb_session *py, const sb_site *at, sb_str s)
{
    bool ok = true;
    if (!sb__enter(py))
        return (sb_str) { "", 0 };
    char *p = keep_bytes(py, s.ptr, s.len, &ok);
    if (!ok)
        sb__fail(py, at, "sb_keep_str", SB_E_MEMORY, "out of memory");
    sb__leave(py);
    return ok ? (sb_str) { p, s.len } : (sb_str) { "", 0 };
}

static sb_code keep_value(sb_session *py, sb_value *v, unsigned depth);

static sb_code keep_items(sb_session *py, sb_value *v, unsigned depth)
{
    bool ok = true;
    size_t n = sb__places(v);
    if (depth > SB_MAX_DEPTH)
        return SB_E_LIMIT;
    sb_value *items = keep_bytes(py, v->as.items.ptr, n * sizeof *items, &ok);
    if (!items)
        return SB_E_MEMORY;
    v->as.items.ptr = items;
    v->reserved = 0; /* there is no room behind them */
    for (size_t i = 0; i < n; i++) {
        sb_code code = keep_value(py, &items[i], depth + 1);
        if (code)
            return code;
    }
    return SB_OK;
}

static sb_code keep_array(sb_session *py, sb_array *a)
{
    int64_t count = sb__array_count(a);
    if (sb__hold_keep(py, a) || !sb__array_is_c(a) || count < 0)
        return SB_OK; /* or a view of the caller's own memory */
    size_t bytes = (size_t)count * sb__dtype_size(a->dtype);
    void *to = sb__arena_alloc(outer_arena(py), &py->chunks, bytes, 64);
    if (!to)
        return SB_E_MEMORY;
    if (bytes && a->data)
        memcpy(to, a->data, bytes);
    a->data = to;
    return SB_OK;
}

sb_array sb_keep_array_(sb_session *py, const sb_site *at, sb_array a)
{
    if (!sb__enter(py))
        return (sb_array) { 0 };
    sb_code code = keep_array(py, &a);
    if (code)
        sb__fail(py, at, "sb_keep_array", code, "out of memory");
    sb__leave(py);
    return code ? (sb_array) { 0 } : a;
}

static sb_code keep_value(sb_session *py, sb_value *v, unsigned depth)
{
    bool ok = true;
    switch ((int)v->kind) {
    case SB_STR_:
    case SB_BIGINT_:
    case SB_KEYWORD_:
    case SB_DECIMAL_:
    case SB_FRACTION_:
    case SB_PATH_:
        v->as.str.ptr = keep_bytes(py, v->as.str.ptr, v->as.str.len, &ok);
        return ok ? SB_OK : SB_E_MEMORY;
    case SB_BYTES_:
        v->as.bytes.ptr = keep_bytes(py, v->as.bytes.ptr, v->as.bytes.len, &ok);
        return ok ? SB_OK : SB_E_MEMORY;
    case SB_ARRAY_: {
        sb_array *a = keep_bytes(py, v->as.array, sizeof *a, &ok);
        v->as.array = a;
        return a ? keep_array(py, a) : SB_E_MEMORY;
    }
    case SB_OBJECT_:
        sb__keep(py, v->as.object.id);
        return SB_OK;
    default:
        return sb__has_items(v->kind) ? keep_items(py, v, depth) : SB_OK;
    }
}

sb_value sb_keep_value_(sb_session *py, const sb_site *at, sb_value v)
{
    if (!sb__enter(py))
        return sb_of_kind_(SB_FAILED_);
    sb_code code = keep_value(py, &v, 1);
    if (code == SB_E_LIMIT)
        sb__fail(py, at, "sb_keep_value", code, "a value nested more than %d deep", SB_MAX_DEPTH);
    else if (code)
        sb__fail(py, at, "sb_keep_value", code, "out of memory");
    sb__leave(py);
    return code ? sb_of_kind_(SB_FAILED_) : v;
}

void sb_release(sb_session *py, sb_object o)
{
    if (!sb__enter(py))
        return;
    sb__release(py, o.id);
    sb__flush_releases(py);
    sb__leave(py);
}

sb_used sb_using_begin_(sb_session *py, const sb_using *u)
{
    sb_used used = { NULL, 0 };
    if (!sb__enter(py))
        return used;
    used = (sb_used) { py, py->timeout };
    py->usings++;
    if (u->timeout >= 0 && !isinf(u->timeout))
        py->timeout = u->timeout;
    else
        sb__fail_trouble(
            py, u->site.file ? &u->site : NULL, "SB_USING",
            &(struct sb_trouble) { SB_E_RANGE, "a timeout is a number of seconds >= 0" });
    sb__leave(py);
    return used;
}

void sb_using_end_(sb_used *used)
{
    if (!used->py || sb__ended(used->py) || !sb__enter(used->py))
        return;
    used->py->usings--;
    used->py->timeout = used->timeout;
    sb__leave(used->py);
}
