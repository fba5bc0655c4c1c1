/* SPDX-License-Identifier: MIT
 *
 * Arrays. Whose memory an array's elements are in: the scope's arena (copies of small ones), a block of the
 * program's heap (sb_array_new; Python may have it, too), a worker's heap, or this process's own
 * Python. For all but the first the scope has a hold, which ends with it. A request that names a
 * block has a hold as well, until an answer shows that the engine has looked at it. */
#include "runtime/session.h"
#include "core/view.h"
#include "runtime/heap.h"

struct sb_hold {
    struct sb_hold *next;
    uintptr_t begin, end;       /* the memory */
    uint32_t slot;              /* of a block, or 0 */
    uint64_t id;                /* of the Python object that owns it, or 0 */
    struct sb_mapping *mapping; /* that it lies in, or NULL */
    size_t copied;              /* bytes that were copied for a request */
};

/* ---- holds ---- */

static struct sb_hold *add_hold(struct sb_hold **list, const void *begin, size_t size,
                                uint32_t slot)
{
    struct sb_hold *h = sb__resize(NULL, sizeof *h);
    if (!h)
        return NULL;
    *h = (struct sb_hold) {
        .next = *list, .begin = (uintptr_t)begin, .end = (uintptr_t)begin + size, .slot = slot
    };
    return *list = h;
}

void sb__holds_drop(struct sb_hold **list)
{
    for (struct sb_hold *h; (h = *list);) {
        *list = h->next;
        sb__block_drop(h->slot);
        sb__mapping_drop(h->mapping);
        sb__free(h);
    }
}

void sb__lent_back(sb_session *py)
{
    if (py->answered != py->seq)
        return;
    sb__holds_drop(&py->lent);
    py->lent_bytes = 0;
}

bool sb__hold_keep(sb_session *py, const sb_array *a)
{
    uintptr_t p = (uintptr_t)a->data;
    bool found = false;
    for (uint32_t depth = py->depth + 1; depth-- > 0;)
        for (struct sb_hold **at = &py->scopes[depth].holds, *h; (h = *at);) {
            if (!p || p < h->begin || p >= h->end) {
                at = &h->next;
                continue;
            }
            found = true;
            if (depth < py->depth || !depth)
                return true;
            if (h->id)
                sb__keep(py, h->id);
            *at = h->next;
            h->next = py->scopes[depth - 1].holds;
            py->scopes[depth - 1].holds = h;
        }
    return found;
}

void sb__link_close(sb_session *py, struct sb_link *link)
{
    bool lent = false;
    for (uint32_t i = 0; link->addresses && i <= py->depth; i++)
        lent = lent || py->scopes[i].holds;
    if (lent) { /* it ends with the session */
        link->next = py->stale;
        py->stale = link;
    } else {
        link->transport->close(link);
    }
}

/* ---- to Python ---- */

static bool lend(sb_session *py, struct sb_buf *b, const struct sb_view *view, size_t copied,
                 struct sb_trouble *t)
{
    struct sb_hold *h = add_hold(&py->lent, NULL, 0, (uint32_t)view->place);
    if (!h) {
        sb__block_drop((uint32_t)view->place);
        sb__trouble(t, SB_E_MEMORY, "out of memory");
        return false;
    }
    py->lent_bytes += copied;
    sb__put_view(b, view);
    return true;
}

bool sb__share_array(void *session, struct sb_buf *b, const sb_array *a, struct sb_trouble *t)
{
    sb_session *py = session;
    struct sb_view view = { .heap = SB_HEAP_PROGRAM, .array = *a, .readonly = a->readonly };
    if (!sb__array_check(a, t))
        return false;
    int64_t count = sb__array_count(a);
    const uint64_t reach = py->link ? py->link->reach : 0;
    if (count <= 0 || !reach)
        return sb__put_array(b, a, t);
    if (!sb__array_span(a, &view.below, &view.above)) {
        sb__trouble(t, SB_E_RANGE, "an array whose strides lead out of memory");
        return false;
    }
    uint64_t end = 0;
    uint32_t slot;
    const uint8_t *base = sb__program_base(), *first = (const uint8_t *)a->data - view.below;
    if ((slot = sb__block_find(first, (size_t)(view.below + view.above), &end))) {
        if (end <= reach) {
            view.place = slot;
            view.offset = (uint64_t)((const uint8_t *)a->data - base);
            return lend(py, b, &view, 0, t);
        }
        sb__block_drop(slot);
    }
    /* C's own memory, which Python may neither keep nor change: one copy. */
    size_t bytes = (size_t)count * sb__dtype_size(a->dtype);
    uint8_t *block = bytes < SB_HEAP_THRESHOLD ? NULL : sb__block_new(bytes, false, &slot);
    if (!block)
        return sb__put_array(b, a, t);
    view.place = slot;
    view.offset = (uint64_t)(block - base);
    if (view.offset + bytes > reach) {
        sb__block_drop(slot);
        return sb__put_array(b, a, t);
    }
    sb__array_copy(a, block);
    memset(view.array.strides, 0, sizeof view.array.strides);
    view.readonly = false;
    return lend(py, b, &view, bytes, t);
}

/* ---- from Python ---- */

bool sb__meet_view(struct sb_decoder *d, struct sb_view *v)
{
    sb_session *py = d->ctx;
    const struct sb_link *link = py->link;
    const uint8_t *base = NULL;
    uint32_t slot = 0;
    uint64_t end;
    if (link && v->heap == SB_HEAP_PROGRAM && (base = sb__program_base()) &&
        sb__view_within(v, SB_HEAP_HEAD, link->reach))
        slot = sb__block_find(base + v->offset - v->below, (size_t)(v->below + v->above), &end);
    bool there = link && (v->heap == SB_HEAP_PROGRAM ? slot != 0
                          : v->heap == SB_HEAP_PROCESS
                              ? link->addresses && v->offset
                              : link->heap && sb__view_within(v, SB_HEAP_HEAD, link->heap->size));
    if (!there)
        return sb__read_fail(&d->in, "an array that lies outside of the memory that is shared");
    if (v->heap == SB_HEAP_WORKER)
        base = link->heap->base;
    /* Unsigned: in this process an address takes the place of base and offset. */
    v->array.data = (void *)((uintptr_t)base + (uintptr_t)v->offset);
    if (!d->meet(d->ctx, v->place)) {
        sb__block_drop(slot);
        return sb__read_fail(&d->in, "an array of an object that is not this session's");
    }
    struct sb_hold *h = add_hold(&py->scopes[py->depth].holds, (uint8_t *)v->array.data - v->below,
                                 (size_t)(v->below + v->above), slot);
    if (!h) {
        sb__block_drop(slot);
        d->no_memory = true;
        return false;
    }
    h->id = v->place;
    sb__pin(py, v->place);
    if (v->heap == SB_HEAP_WORKER)
        h->mapping = sb__mapping_hold(link->heap);
    return true;
}

static void fail_type(sb_session *py, const sb_site *at, sb_value v)
{
    struct sb_trouble t = { 0 };
    if (v.kind == SB_UNSET || v.kind == SB_FAILED_)
        sb__trouble(&t, SB_E_MISUSE, "%s was passed as a value", sb__kind_name(v.kind));
    else
        sb__trouble(&t, SB_E_TYPE, "an array was due, got %s", sb__kind_name(v.kind));
    sb__fail_trouble(py, at, "sb_as_array", &t);
}

sb_array sb_as_array_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_array x = { 0 };
    struct sb_trouble t = { 0 };
    const sb_value asked = v;
    if (!sb__start(py))
        return x;
    if (v.kind == SB_UNSET || v.kind == SB_FAILED_) {
        fail_type(py, at, v);
    } else if (v.kind == SB_ARRAY_) {
        if (sb__array_check(v.as.array, &t) && sb__array_count(v.as.array) >= 0)
            x = *v.as.array;
        else
            sb__trouble(&t, SB_E_RANGE, "an array that is larger than memory");
    } else if (sb__dynamic(py, at, '=', "", "w", &asked, (sb_args) { NULL, 0 }, 0, &v)) {
        if (v.kind == SB_ARRAY_) {
            x = *v.as.array;
            x.readonly = true; /* also what was copied: what C writes there is not Python's */
        } else {
            fail_type(py, at, v);
        }
    }
    if (t.code)
        sb__fail_trouble(py, at, "sb_as_array", &t);
    sb__leave(py);
    return x;
}

/* ---- C's own ---- */

sb_array sb_array_view_(void *data, sb_dtype dtype, int ndim, const int64_t *shape)
{
    sb_array a = { .data = data, .dtype = dtype, .ndim = ndim };
    for (int i = 0; i < ndim && i < SB_MAX_NDIM; i++)
        a.shape[i] = shape[i];
    return a; /* more dimensions are refused where it is used */
}

/* Memory of the current scope; NULL: the session has failed. */
static void *make(sb_session *py, const sb_site *at, const char *function, size_t bytes, bool zero)
{
    uint32_t slot = 0;
    void *p = bytes ? sb__block_new(bytes, zero, &slot) : NULL;
    if (p) {
        if (add_hold(&py->scopes[py->depth].holds, p, bytes, slot))
            return p;
        sb__block_drop(slot);
        p = NULL;
    } else if ((p = sb__alloc(py, bytes, 64)) && zero) {
        memset(p, 0, bytes);
    }
    if (!p)
        sb__fail(py, at, function, SB_E_MEMORY, "out of memory for %zu bytes", bytes);
    return p;
}

sb_array sb_array_new_(sb_session *py, const sb_site *at, sb_dtype dtype, int ndim,
                       const int64_t *shape)
{
    sb_array a = { 0 };
    if (!sb__start(py))
        return a;
    sb_array made = { 0 };
    int64_t count = -1;
    if (sb__dtype_size(dtype) && ndim >= 0 && ndim <= SB_MAX_NDIM && (shape || !ndim)) {
        made = sb_array_view_(NULL, dtype, ndim, shape);
        count = sb__array_count(&made);
    }
    if (count < 0) {
        struct sb_trouble t = { 0 };
        sb__trouble(&t, SB_E_RANGE, "an array of %s with %d dimensions (0 to %d) of lengths >= 0%s",
                    sb__dtype_name(dtype), ndim, SB_MAX_NDIM,
                    shape || !ndim ? "" : ": there is no shape");
        sb__fail_trouble(py, at, "sb_array_new", &t);
    } else if ((made.data =
                    make(py, at, "sb_array_new", (size_t)count * sb__dtype_size(dtype), true))) {
        a = made;
    }
    sb__leave(py);
    return a;
}

sb_array sb_array_copy_(sb_session *py, const sb_site *at, sb_array from)
{
    sb_array a = { 0 };
    struct sb_trouble t = { 0 };
    if (!sb__start(py))
        return a;
    int64_t count = sb__array_check(&from, &t) ? sb__array_count(&from) : -1;
    if (count < 0) {
        sb__trouble(&t, SB_E_RANGE, "an array that is larger than memory");
        sb__fail_trouble(py, at, "sb_array_copy", &t);
    } else {
        size_t bytes = (size_t)count * sb__dtype_size(from.dtype);
        void *p = make(py, at, "sb_array_copy", bytes, false);
        if (p && bytes)
            sb__array_copy(&from, p);
        if (p) {
            a = sb_array_view_(p, from.dtype, from.ndim, from.shape);
        }
    }
    sb__leave(py);
    return a;
}

void *sb_array_data_(sb_session *py, const sb_site *at, sb_array a, sb_dtype dtype, int64_t *count)
{
    void *data = NULL;
    if (count)
        *count = 0;
    if (!sb__start(py))
        return NULL;
    struct sb_trouble t = { 0 };
    int64_t n = sb__dtype_size(a.dtype) ? sb__array_count(&a) : -1;
    if (n < 0)
        sb__trouble(&t, SB_E_MISUSE, "no array");
    else if (a.dtype != dtype)
        sb__trouble(&t, SB_E_TYPE, "the array holds %s, not %s", sb__dtype_name(a.dtype),
                    sb__dtype_name(dtype));
    else if (!sb__array_is_c(&a))
        sb__trouble(&t, SB_E_TYPE, "the array is not in C order; sb_array_copy makes one that is");
    if (t.code) {
        sb__fail_trouble(py, at, "SB_DATA", &t);
    } else {
        data = a.data;
        if (count)
            *count = n;
    }
    sb__leave(py);
    return data;
}
