/* SPDX-License-Identifier: MIT
 *
 * sb_value to CBOR and back; see value.h. Recursion is bounded by SB_MAX_DEPTH on both ways. */
#include "core/value.h"
#include <stdarg.h>
#include <stdio.h>

void sb__trouble(struct sb_trouble *t, sb_code code, const char *format, ...)
{
    if (t->code != SB_OK)
        return;
    t->code = code;
    va_list ap;
    va_start(ap, format);
    vsnprintf(t->text, sizeof t->text, format, ap);
    va_end(ap);
}

const char *sb__kind_name(sb_kind kind)
{
    static const char *const names[] = {
        [SB_UNSET] = "nothing",
        [SB_NONE_] = "None",
        [SB_BOOL_] = "bool",
        [SB_INT_] = "int",
        [SB_UINT_] = "int",
        [SB_BIGINT_] = "int",
        [SB_FLOAT_] = "float",
        [SB_COMPLEX_] = "complex",
        [SB_STR_] = "str",
        [SB_BYTES_] = "bytes",
        [SB_LIST_] = "list",
        [SB_TUPLE_] = "tuple",
        [SB_SET_] = "set",
        [SB_FROZENSET_] = "frozenset",
        [SB_DICT_] = "dict",
        [SB_ARRAY_] = "array",
        [SB_OBJECT_] = "object",
        [SB_KEYWORD_] = "keyword",
        [SB_FAILED_] = "the result of a call that failed",
    };
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "no kind of value";
}

static const struct {
    enum sb_tag tag;
    uint8_t size;
    const char *name;
} dtypes[] = {
#define DTYPE(dtype, tag, size, format, name) [SB_##dtype] = { (enum sb_tag)(tag), size, name },
    SB_DTYPES(DTYPE)
#undef DTYPE
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

size_t sb__dtype_size(sb_dtype dtype)
{
    return (unsigned)dtype < DTYPES ? dtypes[dtype].size : 0;
}
const char *sb__dtype_name(sb_dtype dtype)
{
    return sb__dtype_size(dtype) ? dtypes[dtype].name : "no dtype";
}

int64_t sb__array_count(const sb_array *a)
{
    /* A length of 0 hides no others: strides are products of them (NumPy refuses such shapes, too). */
    size_t size = sb__dtype_size(a->dtype);
    int64_t bytes = size ? (int64_t)size : 1, n = 1;
    if (a->ndim < 0 || a->ndim > SB_MAX_NDIM)
        return -1;
    for (int32_t i = 0; i < a->ndim; i++) {
        if (a->shape[i] < 0 || (a->shape[i] && __builtin_mul_overflow(bytes, a->shape[i], &bytes)))
            return -1;
        n = a->shape[i] && n ? n * a->shape[i] : 0;
    }
    return n;
}

bool sb__array_is_c(const sb_array *a)
{
    int64_t stride = (int64_t)sb__dtype_size(a->dtype);
    if (a->ndim < 0 || a->ndim > SB_MAX_NDIM)
        return false;
    bool any = false;
    for (int32_t i = 0; i < a->ndim; i++)
        any = any || a->strides[i];
    if (!any)
        return true;
    for (int32_t i = a->ndim; i-- > 0;) {
        if (a->shape[i] == 0)
            return true;
        if (a->shape[i] != 1 && a->strides[i] != stride)
            return false;
        if (__builtin_mul_overflow(stride, a->shape[i], &stride))
            return false;
    }
    return true;
}

/* ---- to CBOR ---- */

static bool too_long(struct sb_trouble *t)
{
    sb__trouble(t, SB_E_LIMIT, "an integer of more than %d bytes (%d digits)", SB_MAX_INT_BYTES,
                SB_MAX_INT_DIGITS);
    return false;
}

bool sb__encode_digits(struct sb_buf *b, sb_str digits, struct sb_trouble *t)
{
    const char *s = digits.ptr ? digits.ptr : "", *end = s + digits.len;
    bool negative = s < end && *s == '-';
    if (s < end && (*s == '-' || *s == '+'))
        s++;
    while (s < end && *s == '0' && end - s > 1)
        s++;
    size_t n = (size_t)(end - s);
    for (const char *p = s; p < end; p++)
        if (*p < '0' || *p > '9')
            n = 0;
    if (!n) {
        sb__trouble(t, SB_E_TYPE, "\"%.*s\" are no decimal digits",
                    (int)(digits.len < 40 ? digits.len : 40), digits.ptr ? digits.ptr : "");
        return false;
    }
    if (n > SB_MAX_INT_DIGITS)
        return too_long(t);
    /* Base 2^32, most significant last; 9 digits at a time. A digit takes less than 3.33 bits. */
    size_t words = n / 9 + 2, used = 0;
    uint32_t *w = sb__calloc(words * sizeof *w);
    if (!w) {
        sb__trouble(t, SB_E_MEMORY, "out of memory");
        return false;
    }
    for (size_t i = 0; i < n;) {
        size_t take = (n - i) % 9 ? (n - i) % 9 : 9;
        uint64_t carry = 0, scale = 1;
        for (size_t k = 0; k < take; k++, scale *= 10)
            carry = carry * 10 + (uint64_t)(s[i + k] - '0');
        i += take;
        for (size_t k = 0; k < used; k++) {
            carry += w[k] * scale;
            w[k] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry)
            w[used++] = (uint32_t)carry;
    }
    if (negative) { /* CBOR holds -1 - n */
        size_t k = 0;
        while (k < used && !w[k])
            w[k++] = UINT32_MAX;
        if (k < used)
            w[k]--;
        else
            negative = false, used = 0; /* -0 */
        while (used && !w[used - 1])
            used--;
    }
    if (used <= 2) {
        uint64_t x = (used > 1 ? (uint64_t)w[1] << 32 : 0) | (used ? w[0] : 0);
        sb__put_head(b, negative ? SB_MAJOR_NEGATIVE : SB_MAJOR_UINT, x);
    } else {
        size_t bytes = used * 4;
        while (!(w[(bytes - 1) / 4] >> (8 * ((bytes - 1) % 4)) & 255))
            bytes--;
        if (bytes > SB_MAX_INT_BYTES) {
            sb__free(w);
            return too_long(t);
        }
        sb__put_head(b, SB_MAJOR_TAG, negative ? SB_TAG_NEGATIVE_BIGNUM : SB_TAG_BIGNUM);
        sb__put_head(b, SB_MAJOR_BYTES, bytes);
        for (size_t k = bytes; k-- > 0;)
            sb__put_byte(b, (uint8_t)(w[k / 4] >> (8 * (k % 4))));
    }
    sb__free(w);
    return true;
}

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

bool sb__encode_array(struct sb_buf *b, const sb_array *a, struct sb_trouble *t)
{
    size_t size = sb__dtype_size(a->dtype);
    if (!size) {
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
    int64_t count = sb__array_count(a);
    if (count < 0 || (uint64_t)count > SB_FRAME_MAX / size) {
        sb__trouble(t, SB_E_LIMIT, "an array of more than %u bytes cannot be copied into a call",
                    SB_FRAME_MAX);
        return false;
    }
    if (count && !a->data) {
        sb__trouble(t, SB_E_MISUSE, "an array without data");
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
    sb__put_head(b, SB_MAJOR_TAG, dtypes[a->dtype].tag);
    sb__put_head(b, SB_MAJOR_BYTES, bytes);
    if (bytes && sb__buf_room(b, bytes)) {
        if (sb__array_is_c(a))
            memcpy(b->ptr + b->len, a->data, bytes);
        else
            copy_strided(a, 0, a->data, b->ptr + b->len);
        b->len += bytes;
    }
    return true;
}

static bool encode(struct sb_buf *b, const sb_value *v, unsigned depth, sb_check_object *check,
                   void *ctx, struct sb_trouble *t)
{
    if (depth > SB_MAX_DEPTH) {
        sb__trouble(t, SB_E_LIMIT, "a value nested more than %d deep", SB_MAX_DEPTH);
        return false;
    }
    switch (v->kind) {
    case SB_NONE_:
        sb__put_null(b);
        return true;
    case SB_BOOL_:
        sb__put_bool(b, v->as.b);
        return true;
    case SB_INT_:
        sb__put_int(b, v->as.i);
        return true;
    case SB_UINT_:
        sb__put_uint(b, v->as.u);
        return true;
    case SB_BIGINT_:
        return sb__encode_digits(b, v->as.str, t);
    case SB_FLOAT_:
        sb__put_float(b, v->as.f);
        return true;
    case SB_COMPLEX_:
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_COMPLEX);
        sb__put_head(b, SB_MAJOR_ARRAY, 2);
        sb__put_float(b, v->as.complex_[0]);
        sb__put_float(b, v->as.complex_[1]);
        return true;
    case SB_STR_:
        sb__put_string(b, SB_MAJOR_TEXT, v->as.str.ptr, v->as.str.len);
        return true;
    case SB_BYTES_:
        sb__put_string(b, SB_MAJOR_BYTES, v->as.bytes.ptr, v->as.bytes.len);
        return true;
    case SB_TUPLE_:
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_TUPLE);
        break;
    case SB_FROZENSET_:
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_FROZENSET);
        break;
    case SB_SET_:
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_SET);
        break;
    case SB_LIST_:
    case SB_DICT_:
        break;
    case SB_ARRAY_:
        return sb__encode_array(b, v->as.array, t);
    case SB_OBJECT_:
        if (!check(ctx, v->as.object, t))
            return false;
        if (!v->as.object.id) {
            sb__put_null(b);
            return true;
        }
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_IDENTIFIER);
        sb__put_uint(b, v->as.object.id);
        return true;
    case SB_UNSET:
    case SB_KEYWORD_:
    case SB_FAILED_:
    default:
        sb__trouble(t, SB_E_MISUSE, "%s was passed as a value", sb__kind_name(v->kind));
        return false;
    }
    size_t n = v->as.items.len, places = v->kind == SB_DICT_ ? n * 2 : n;
    sb__put_head(b, v->kind == SB_DICT_ ? SB_MAJOR_MAP : SB_MAJOR_ARRAY, n);
    for (size_t i = 0; i < places; i++)
        if (!encode(b, &v->as.items.ptr[i], depth + 1, check, ctx, t))
            return false;
    return true;
}

bool sb__value_encode(struct sb_buf *b, const sb_value *v, sb_check_object *check, void *ctx,
                      struct sb_trouble *t)
{
    bool ok = encode(b, v, 1, check, ctx, t);
    if (ok && SB_UNLIKELY(b->failed))
        sb__trouble(t, SB_E_MEMORY, "out of memory");
    return ok && !b->failed;
}

/* ---- from CBOR ---- */

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

static sb_dtype dtype_of_tag(uint64_t tag)
{
    for (int i = 0; i < DTYPES; i++)
        if (dtypes[i].size && dtypes[i].tag == tag)
            return (sb_dtype)i;
    return SB_DTYPE_NONE;
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
    sb_dtype dtype = h.major == SB_MAJOR_TAG ? dtype_of_tag(h.n) : SB_DTYPE_NONE;
    if (dtype == SB_DTYPE_NONE)
        return sb__read_fail(&d->in, "an array of an unknown dtype");
    return decode_array(d, dtype, (int32_t)ndim, shape, v);
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
    *v = sb_of_kind_(kind);
    v->as.items.ptr = items;
    v->as.items.len = (size_t)n;
    return true;
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
    case SB_TAG_TUPLE:
    case SB_TAG_SET:
    case SB_TAG_FROZENSET:
        if (!sb__read_count(&d->in, SB_MAJOR_ARRAY, &n))
            return false;
        return decode_items(d,
                            tag == SB_TAG_TUPLE ? SB_TUPLE_
                            : tag == SB_TAG_SET ? SB_SET_
                                                : SB_FROZENSET_,
                            n, depth, v);
    default:
        break;
    }
    sb_dtype dtype = dtype_of_tag(tag);
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
