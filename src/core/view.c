/* SPDX-License-Identifier: MIT
 *
 * Arrays by reference: see view.h. */
#include "core/view.h"
#include "core/value.h"

void sb__array_strides(const sb_array *a, int64_t strides[SB_MAX_NDIM])
{
    bool any = false;
    for (int32_t i = 0; i < a->ndim; i++)
        any = any || a->strides[i];
    int64_t stride = (int64_t)sb__dtype_size(a->dtype);
    for (int32_t i = a->ndim; i-- > 0;) {
        strides[i] = any ? a->strides[i] : stride;
        /* Unsigned: what sb__array_count refuses overflows, and is refused by who reads it. */
        stride = (int64_t)((uint64_t)stride * (uint64_t)(a->shape[i] ? a->shape[i] : 1));
    }
}

bool sb__array_span(const sb_array *a, uint64_t *below, uint64_t *above)
{
    int64_t strides[SB_MAX_NDIM], low = 0, high = (int64_t)sb__dtype_size(a->dtype), far;
    *below = *above = 0;
    int64_t count = high ? sb__array_count(a) : -1;
    if (count <= 0)
        return count == 0;
    sb__array_strides(a, strides);
    for (int32_t i = 0; i < a->ndim; i++)
        if (__builtin_mul_overflow(a->shape[i] - 1, strides[i], &far) ||
            (far < 0 ? __builtin_add_overflow(low, far, &low)
                     : __builtin_add_overflow(high, far, &high)))
            return false;
    *below = (uint64_t)-low;
    *above = (uint64_t)high;
    return true;
}

void sb__put_view(struct sb_buf *b, const struct sb_view *v)
{
    const sb_array *a = &v->array;
    int64_t strides[SB_MAX_NDIM];
    sb__array_strides(a, strides);
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_VIEW);
    sb__put_head(b, SB_MAJOR_ARRAY, 7);
    sb__put_uint(b, v->heap);
    sb__put_uint(b, v->place);
    sb__put_uint(b, v->offset);
    sb__put_uint(b, sb__dtype_tag(a->dtype));
    sb__put_uint(b, v->readonly ? SB_VIEW_READONLY : 0);
    sb__put_head(b, SB_MAJOR_ARRAY, (uint64_t)a->ndim);
    for (int32_t i = 0; i < a->ndim; i++)
        sb__put_uint(b, (uint64_t)a->shape[i]);
    sb__put_head(b, SB_MAJOR_ARRAY, (uint64_t)a->ndim);
    for (int32_t i = 0; i < a->ndim; i++)
        sb__put_int(b, strides[i]);
}

static bool read_int(struct sb_reader *r, int64_t *n)
{
    struct sb_head h;
    if (!sb__read_head(r, &h))
        return false;
    if ((h.major != SB_MAJOR_UINT && h.major != SB_MAJOR_NEGATIVE) || h.n > INT64_MAX)
        return sb__read_fail(r, "a length or stride beyond 64 bits");
    *n = (int64_t)(h.major == SB_MAJOR_UINT ? h.n : ~h.n);
    return true;
}

bool sb__read_view(struct sb_reader *r, struct sb_view *v)
{
    uint64_t fields, tag, flags, ndim, again;
    sb_array *a = &v->array;
    memset(v, 0, sizeof *v);
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &fields))
        return false;
    if (fields != 7)
        return sb__read_fail(r, "an array by reference has seven fields");
    if (!sb__read_uint(r, &v->heap) || !sb__read_uint(r, &v->place) ||
        !sb__read_uint(r, &v->offset) || !sb__read_uint(r, &tag) || !sb__read_uint(r, &flags) ||
        !sb__read_count(r, SB_MAJOR_ARRAY, &ndim))
        return false;
    a->dtype = sb__dtype_of_tag(tag);
    if (a->dtype == SB_DTYPE_NONE || v->heap > SB_HEAP_PROCESS || flags > SB_VIEW_READONLY)
        return sb__read_fail(r, "an array by reference of an unknown dtype, heap or kind");
    if (ndim > SB_MAX_NDIM)
        return sb__read_fail(r, "an array with too many dimensions");
    v->readonly = flags & SB_VIEW_READONLY;
    a->readonly = v->readonly;
    a->ndim = (int32_t)ndim;
    for (uint64_t i = 0; i < ndim; i++)
        if (!read_int(r, &a->shape[i]))
            return false;
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &again))
        return false;
    for (uint64_t i = 0; i < ndim && i < again; i++)
        if (!read_int(r, &a->strides[i]))
            return false;
    if (again != ndim || sb__array_count(a) <= 0)
        return sb__read_fail(r, "an array by reference whose shape makes no sense");
    /* Strides of 0 alone would mean C order. */
    bool any = ndim == 0;
    for (uint64_t i = 0; i < ndim; i++)
        any = any || a->strides[i];
    if (!any)
        for (uint64_t i = 0; i < ndim; i++)
            if (a->shape[i] > 1) /* the one element, again and again */
                return sb__read_fail(r, "an array by reference without strides");
    if (!sb__array_span(a, &v->below, &v->above))
        return sb__read_fail(r, "an array by reference that spans more than there can be");
    return true;
}
