/* SPDX-License-Identifier: MIT
 *
 * The way of arrays to CBOR by a copy. By reference: view.c. */
#include "core/value.h"

/* Copies the elements in C order; recursion over at most SB_MAX_NDIM dimensions. */
static uint8_t *copy_strided(const sb_array *a, int32_t dim, const uint8_t *from, uint8_t *to)
{
    size_t size = sb__dtype_size(a->dtype);
    if (dim == a->ndim) {
        memcpy(to, from, size);
        return to + size;
    }
    for (int64_t i = 0; i < a->shape[dim]; i++, from += a->strides[dim])
        to = copy_strided(a, dim + 1, from, to);
    return to;
}

void sb__array_copy(const sb_array *a, void *to)
{
    if (sb__array_is_c(a))
        memcpy(to, a->data, (size_t)sb__array_count(a) * sb__dtype_size(a->dtype));
    else
        copy_strided(a, 0, a->data, to);
}

bool sb__array_check(const sb_array *a, struct sb_trouble *t)
{
    if (!sb__dtype_size(a->dtype)) {
        sb__trouble(t, SB_E_TYPE, "an array of elements that have no type");
        return false;
    }
    if (a->ndim < 0 || a->ndim > SB_MAX_NDIM) {
        sb__trouble(t, SB_E_RANGE, "an array with %d dimensions (at most %d)", (int)a->ndim,
                    SB_MAX_NDIM);
        return false;
    }
    for (int32_t i = 0; i < a->ndim; i++)
        if (a->shape[i] < 0) {
            sb__trouble(t, SB_E_RANGE, "an array with a length below 0");
            return false;
        }
    if (sb__array_count(a) > 0 && !a->data) {
        sb__trouble(t, SB_E_MISUSE, "an array without data");
        return false;
    }
    return true;
}

bool sb__put_array(struct sb_buf *b, const sb_array *a, struct sb_trouble *t)
{
    size_t size = sb__dtype_size(a->dtype);
    if (!sb__array_check(a, t))
        return false;
    int64_t count = sb__array_count(a);
    if (count < 0 || (uint64_t)count > SB_FRAME_MAX / size) {
        sb__trouble(t, SB_E_LIMIT, "an array of more than %u bytes cannot be copied into a call",
                    SB_FRAME_MAX);
        return false;
    }
    if (a->ndim != 1) {
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_ARRAY);
        sb__put_head(b, SB_MAJOR_ARRAY, 2);
        sb__put_head(b, SB_MAJOR_ARRAY, (uint64_t)a->ndim);
        for (int32_t i = 0; i < a->ndim; i++)
            sb__put_uint(b, (uint64_t)a->shape[i]);
    }
    size_t bytes = (size_t)count * size;
    sb__put_head(b, SB_MAJOR_TAG, sb__dtype_tag(a->dtype));
    sb__put_head(b, SB_MAJOR_BYTES, bytes);
    if (bytes && sb__buf_room(b, bytes)) {
        sb__array_copy(a, b->ptr + b->len);
        b->len += bytes;
    }
    return true;
}
