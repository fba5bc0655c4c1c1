/* SPDX-License-Identifier: MIT
 *
 * CBOR to sb_value; see value.h. What arrives is hostile: the reader checks heads and lengths, here are kinds, depth, and counts
 * that promise too much together. Recursion is bounded by SB_MAX_DEPTH. */
#include "core/scalar.h"
#include "core/value.h"
#include "core/view.h"
#include <stdio.h>

static void *alloc(struct sb_decoder *d, size_t size, size_t align)
{
    void *p = sb__arena_alloc(d->arena, d->cache, size, align);
    if (!p) {
        d->no_memory = true;
        d->in.p = d->in.end;
    }
    return p;
}

bool sb__decode_text(struct sb_decoder *d, const char *s, size_t n, sb_str *out)
{
    if (!sb__utf8_valid(s, n))
        return sb__read_fail(&d->in, "a text that is not UTF-8");
    char *p = alloc(d, n + 1, 1);
    if (!p)
        return false;
    memcpy(p, s, n);
    p[n] = 0;
    *out = (sb_str) { p, n };
    return true;
}

/* n, or -1 - n. */
static bool decode_int(struct sb_decoder *d, bool negative, uint64_t n, sb_value *v)
{
    if (!negative) {
        *v = sb_from_uint(n);
        return true;
    }
    if (n <= INT64_MAX) {
        *v = sb_from_int((int64_t)~n);
        return true;
    }
    char *p = alloc(d, 24, 1);
    if (!p)
        return false;
    int len = n == UINT64_MAX ? snprintf(p, 24, "-18446744073709551616")
                              : snprintf(p, 24, "-%llu", (unsigned long long)n + 1);
    *v = sb_of_kind_(SB_BIGINT_);
    v->as.str = (sb_str) { p, (size_t)len };
    return true;
}

/* A bignum as decimal digits: base 2^32 to base 10^9, then to text. */
static bool decode_bignum(struct sb_decoder *d, bool negative, sb_value *v)
{
    const char *s;
    size_t n;
    if (!sb__read_string(&d->in, SB_MAJOR_BYTES, &s, &n))
        return false;
    while (n && !*s)
        s++, n--;
    if (n <= 8) { /* one that need not have been a bignum */
        uint64_t x = 0;
        for (size_t i = 0; i < n; i++)
            x = x << 8 | (uint8_t)s[i];
        return decode_int(d, negative, x, v);
    }
    if (n > SB_MAX_INT_BYTES)
        return sb__read_fail(&d->in, "an integer of more than 65536 bytes");
    size_t limbs = n * 8 / 29 + 2, used = 1; /* a limb holds 29.9 bits */
    uint32_t *w = sb__calloc(limbs * sizeof *w);
    if (!w)
        return d->no_memory = true, false;
    for (size_t i = 0; i < n;) {
        size_t take = (n - i) % 4 ? (n - i) % 4 : 4;
        uint64_t carry = 0, scale = UINT64_C(1) << (8 * take);
        for (size_t k = 0; k < take; k++)
            carry = carry << 8 | (uint8_t)s[i + k];
        i += take;
        if (negative && i == n) /* -1 - x is -(x + 1); at most 2^32 */
            carry++;
        for (size_t k = 0; k < used; k++) {
            carry += w[k] * scale;
            w[k] = (uint32_t)(carry % 1000000000);
            carry /= 1000000000;
        }
        for (; carry; carry /= 1000000000)
            w[used++] = (uint32_t)(carry % 1000000000);
    }
    char *p = alloc(d, used * 9 + 2, 1);
    if (p) {
        int len = snprintf(p, used * 9 + 2, "%s%u", negative ? "-" : "", w[used - 1]);
        for (size_t k = used - 1; k-- > 0; len += 9)
            snprintf(p + len, 10, "%09u", w[k]);
        *v = sb_of_kind_(SB_BIGINT_);
        v->as.str = (sb_str) { p, (size_t)len };
    }
    sb__free(w);
    return p != NULL;
}

static bool decode_array(struct sb_decoder *d, sb_dtype dtype, int32_t ndim, const int64_t *shape,
                         sb_value *v)
{
    const char *s;
    size_t n, size = sb__dtype_size(dtype);
    if (!sb__read_string(&d->in, SB_MAJOR_BYTES, &s, &n))
        return false;
    sb_array *a = alloc(d, sizeof *a, _Alignof(sb_array));
    if (!a)
        return false;
    memset(a, 0, sizeof *a);
    a->dtype = dtype;
    a->ndim = ndim < 0 ? 1 : ndim;
    if (ndim < 0)
        a->shape[0] = (int64_t)(n / size);
    else
        memcpy(a->shape, shape, (size_t)ndim * sizeof *shape);
    int64_t count = sb__array_count(a), stride = (int64_t)size;
    if (count < 0 || (uint64_t)count * size != n)
        return sb__read_fail(&d->in, "an array whose shape and length differ");
    for (int32_t i = a->ndim; i-- > 0;) {
        a->strides[i] = stride;
        stride *= a->shape[i];
    }
    if (!(a->data = alloc(d, n, 64)))
        return false;
    memcpy(a->data, s, n);
    *v = sb_from_array(a);
    return true;
}

static bool decode_shaped(struct sb_decoder *d, sb_value *v)
{
    uint64_t two, ndim;
    int64_t shape[SB_MAX_NDIM];
    if (!sb__read_count(&d->in, SB_MAJOR_ARRAY, &two) ||
        !sb__read_count(&d->in, SB_MAJOR_ARRAY, &ndim))
        return false;
    if (two != 2 || ndim > SB_MAX_NDIM)
        return sb__read_fail(&d->in, "an array with too many dimensions");
    for (uint64_t i = 0; i < ndim; i++) {
        uint64_t n;
        if (!sb__read_uint(&d->in, &n))
            return false;
        if (n > INT64_MAX)
            return sb__read_fail(&d->in, "an array with a length beyond 64 bits");
        shape[i] = (int64_t)n;
    }
    struct sb_head h;
    if (!sb__read_head(&d->in, &h))
        return false;
    sb_dtype dtype = h.major == SB_MAJOR_TAG ? sb__dtype_of_tag(h.n) : SB_DTYPE_NONE;
    if (dtype == SB_DTYPE_NONE)
        return sb__read_fail(&d->in, "an array of an unknown dtype");
    return decode_array(d, dtype, (int32_t)ndim, shape, v);
}

/* Who has heaps says whether the elements lie in one, and where that is. */
static bool decode_view(struct sb_decoder *d, sb_value *v)
{
    struct sb_view view;
    if (!sb__read_view(&d->in, &view))
        return false;
    if (!d->view)
        return sb__read_fail(&d->in, "an array by reference where there is no shared memory");
    sb_array *a = alloc(d, sizeof *a, _Alignof(sb_array));
    if (!a || !d->view(d, &view))
        return false;
    *a = view.array;
    *v = sb_from_array(a);
    return true;
}

static bool decode(struct sb_decoder *d, sb_value *v, unsigned depth);

static bool decode_items(struct sb_decoder *d, sb_kind kind, uint64_t n, unsigned depth,
                         sb_value *v)
{
    uint64_t places = kind == SB_DICT_ ? n * 2 : n; /* n is bounded by the frame's size */
    if (places > d->items) /* nested counts that each fit, but not together */
        return sb__read_fail(&d->in, "more items than bytes");
    d->items -= places;
    sb_value *items = alloc(d, (size_t)places * sizeof *items, _Alignof(sb_value));
    if (!items)
        return false;
    for (uint64_t i = 0; i < places; i++)
        if (!decode(d, &items[i], depth + 1))
            return false;
    if (!sb__items_fit(kind, items, (size_t)places))
        return sb__read_fail(&d->in, "a value with other parts than it has");
    *v = sb_of_kind_(kind);
    v->as.items.ptr = items;
    v->as.items.len = kind == SB_NAMEDTUPLE_ ? (size_t)n / 2 : (size_t)n;
    return true;
}

/* Digits of an integer, as text. */
static sb_str digits_of(const sb_value *v, char room[24])
{
    if (v->kind == SB_BIGINT_)
        return v->as.str;
    int n = v->kind == SB_UINT_ ? snprintf(room, 24, "%llu", (unsigned long long)v->as.u)
                                : snprintf(room, 24, "%lld", (long long)v->as.i);
    return (sb_str) { room, (size_t)n };
}

static bool decode_fraction(struct sb_decoder *d, unsigned depth, sb_value *v)
{
    uint64_t two;
    sb_value part[2];
    char room[2][24];
    if (!sb__read_count(&d->in, SB_MAJOR_ARRAY, &two))
        return false;
    if (two != 2)
        return sb__read_fail(&d->in, "a fraction without two parts");
    for (int i = 0; i < 2; i++)
        if (!decode(d, &part[i], depth + 1))
            return false;
        else if (!sb__is_int(&part[i]))
            return sb__read_fail(&d->in, "a part of a fraction that is no integer");
    sb_str above = digits_of(&part[0], room[0]), below = digits_of(&part[1], room[1]);
    if (*below.ptr == '-' || *below.ptr == '0')
        return sb__read_fail(&d->in, "a fraction whose denominator is not above 0");
    size_t n = above.len + 1 + below.len;
    char *p = alloc(d, n + 1, 1);
    if (!p)
        return false;
    memcpy(p, above.ptr, above.len);
    p[above.len] = '/';
    memcpy(p + above.len + 1, below.ptr, below.len);
    p[n] = 0;
    *v = sb_of_kind_(SB_FRACTION_);
    v->as.str = (sb_str) { p, n };
    return true;
}

static bool decode_scalar(struct sb_decoder *d, uint64_t tag, sb_value *v)
{
    const char *s;
    size_t n;
    char room[SB_DECIMAL_ROOM];
    switch (tag) {
    case SB_TAG_DECIMAL:
    case SB_TAG_DECIMAL_TEXT:
        *v = sb_of_kind_(SB_DECIMAL_);
        return sb__read_decimal(&d->in, tag, room, &s, &n) && sb__decode_text(d, s, n, &v->as.str);
    case SB_TAG_PATH:
        *v = sb_of_kind_(SB_PATH_);
        return sb__read_string(&d->in, SB_MAJOR_TEXT, &s, &n) &&
               sb__decode_text(d, s, n, &v->as.str);
    case SB_TAG_DATETIME:
    case SB_TAG_DATETIME_TEXT:
        *v = sb_of_kind_(SB_DATETIME_);
        return sb__read_datetime(&d->in, tag, &v->as.datetime);
    case SB_TAG_DATE:
        *v = sb_of_kind_(SB_DATE_);
        return sb__read_date(&d->in, &v->as.date);
    case SB_TAG_TIME:
        *v = sb_of_kind_(SB_TIME_);
        return sb__read_time(&d->in, &v->as.time);
    case SB_TAG_TIMEDELTA:
        *v = sb_of_kind_(SB_TIMEDELTA_);
        return sb__read_timedelta(&d->in, &v->as.timedelta);
    case SB_TAG_UUID:
        *v = sb_of_kind_(SB_UUID_);
        return sb__read_uuid(&d->in, &v->as.uuid);
    default: /* datetime64, timedelta64 */
        *v = sb_of_kind_(tag == SB_TAG_DATETIME64 ? SB_DATETIME64_ : SB_TIMEDELTA64_);
        return sb__read_ticks(&d->in, tag == SB_TAG_DATETIME64, &v->as.ticks);
    }
}

static bool decode_ellipsis(struct sb_decoder *d, sb_value *v)
{
    struct sb_head h;
    if (!sb__read_head(&d->in, &h))
        return false;
    *v = sb_of_kind_(SB_ELLIPSIS_);
    return (h.major == SB_MAJOR_SIMPLE && h.info == 22) ||
           sb__read_fail(&d->in, "an Ellipsis with something in it");
}

static sb_kind kind_of_tag(uint64_t tag)
{
    switch (tag) {
    case SB_TAG_TUPLE:
        return SB_TUPLE_;
    case SB_TAG_SET:
        return SB_SET_;
    case SB_TAG_FROZENSET:
        return SB_FROZENSET_;
    case SB_TAG_ENUM:
        return SB_ENUM_;
    case SB_TAG_NAMEDTUPLE:
        return SB_NAMEDTUPLE_;
    case SB_TAG_RANGE:
        return SB_RANGE_;
    default:
        return SB_SLICE_;
    }
}

static bool decode_tag(struct sb_decoder *d, uint64_t tag, unsigned depth, sb_value *v)
{
    uint64_t n;
    switch (tag) {
    case SB_TAG_IDENTIFIER:
        if (!sb__read_uint(&d->in, &n))
            return false;
        if (!d->meet(d->ctx, n))
            return sb__read_fail(&d->in, "an object that is not this session's");
        *v = sb_from_object((sb_object) { n });
        return true;
    case SB_TAG_BIGNUM:
    case SB_TAG_NEGATIVE_BIGNUM:
        return decode_bignum(d, tag == SB_TAG_NEGATIVE_BIGNUM, v);
    case SB_TAG_COMPLEX: {
        struct sb_head h;
        double part[2];
        if (!sb__read_count(&d->in, SB_MAJOR_ARRAY, &n))
            return false;
        for (int i = 0; i < 2; i++)
            if (n != 2 || !sb__read_head(&d->in, &h) || !sb__head_float(&h, &part[i]))
                return sb__read_fail(&d->in, "a complex number without two floats");
        *v = sb_from_complex(part[0], part[1]);
        return true;
    }
    case SB_TAG_ARRAY:
        return decode_shaped(d, v);
    case SB_TAG_VIEW:
        return decode_view(d, v);
    case SB_TAG_TUPLE:
    case SB_TAG_SET:
    case SB_TAG_FROZENSET:
    case SB_TAG_ENUM:
    case SB_TAG_NAMEDTUPLE:
    case SB_TAG_RANGE:
    case SB_TAG_SLICE:
        if (!sb__read_count(&d->in, SB_MAJOR_ARRAY, &n))
            return false;
        return decode_items(d, kind_of_tag(tag), n, depth, v);
    case SB_TAG_RATIONAL:
        return decode_fraction(d, depth, v);
    case SB_TAG_ELLIPSIS:
        return decode_ellipsis(d, v);
    case SB_TAG_DECIMAL:
    case SB_TAG_DECIMAL_TEXT:
    case SB_TAG_DATETIME:
    case SB_TAG_DATETIME_TEXT:
    case SB_TAG_DATE:
    case SB_TAG_TIME:
    case SB_TAG_TIMEDELTA:
    case SB_TAG_UUID:
    case SB_TAG_PATH:
    case SB_TAG_DATETIME64:
    case SB_TAG_TIMEDELTA64:
        return decode_scalar(d, tag, v);
    default:
        break;
    }
    sb_dtype dtype = sb__dtype_of_tag(tag);
    if (dtype == SB_DTYPE_NONE)
        return sb__read_fail(&d->in, "an unknown tag");
    return decode_array(d, dtype, -1, NULL, v);
}

static bool decode(struct sb_decoder *d, sb_value *v, unsigned depth)
{
    struct sb_head h;
    if (depth > SB_MAX_DEPTH)
        return sb__read_fail(&d->in, "a value nested too deep");
    if (!sb__read_head(&d->in, &h))
        return false;
    switch (h.major) {
    case SB_MAJOR_UINT:
    case SB_MAJOR_NEGATIVE:
        return decode_int(d, h.major == SB_MAJOR_NEGATIVE, h.n, v);
    case SB_MAJOR_BYTES: {
        unsigned char *p = alloc(d, (size_t)h.n + 1, 1);
        if (!p)
            return false;
        memcpy(p, d->in.p, (size_t)h.n);
        p[h.n] = 0;
        d->in.p += h.n;
        *v = sb_from_bytes((sb_bytes) { p, (size_t)h.n });
        return true;
    }
    case SB_MAJOR_TEXT: {
        sb_str s;
        const char *from = (const char *)d->in.p;
        if (!sb__decode_text(d, from, (size_t)h.n, &s))
            return false;
        d->in.p += h.n;
        *v = sb_from_str(s);
        return true;
    }
    case SB_MAJOR_ARRAY:
        return decode_items(d, SB_LIST_, h.n, depth, v);
    case SB_MAJOR_MAP:
        return decode_items(d, SB_DICT_, h.n, depth, v);
    case SB_MAJOR_TAG:
        return decode_tag(d, h.n, depth, v);
    case SB_MAJOR_SIMPLE:
    default:
        break;
    }
    double f;
    if (h.info == 20 || h.info == 21) {
        *v = sb_from_bool(h.info == 21);
    } else if (h.info == 22) {
        *v = SB_NONE;
    } else if (sb__head_float(&h, &f)) {
        *v = sb_from_double(f);
    } else {
        return sb__read_fail(&d->in, "an unknown simple value");
    }
    return true;
}

bool sb__value_decode(struct sb_decoder *d, sb_value *v)
{
    *v = sb_of_kind_(SB_UNSET);
    d->items = sb__left(&d->in);
    return decode(d, v, 1);
}
