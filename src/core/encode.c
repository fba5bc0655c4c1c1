/* SPDX-License-Identifier: MIT
 *
 * sb_value to CBOR; see value.h. Recursion is bounded by SB_MAX_DEPTH. */
#include "core/scalar.h"
#include "core/value.h"

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

static bool encode_fraction(struct sb_buf *b, sb_str s, struct sb_trouble *t)
{
    const char *p = s.ptr ? s.ptr : "", *slash = memchr(p, '/', s.len);
    sb_str above = { p, slash ? (size_t)(slash - p) : s.len }, below = { "1", 1 };
    if (slash)
        below = (sb_str) { slash + 1, s.len - above.len - 1 };
    bool zero = true;
    for (size_t i = 0; i < below.len; i++)
        zero = zero && (below.ptr[i] == '0' || below.ptr[i] == '+');
    if (zero || *below.ptr == '-') {
        sb__trouble(t, SB_E_TYPE, "\"%.*s\" is no fraction: its denominator is not above 0",
                    (int)(s.len < 40 ? s.len : 40), p);
        return false;
    }
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_RATIONAL);
    sb__put_head(b, SB_MAJOR_ARRAY, 2);
    return sb__encode_digits(b, above, t) && sb__encode_digits(b, below, t);
}

static bool refuse(struct sb_trouble *t, sb_code code, const char *what)
{
    sb__trouble(t, code, "%s", what);
    return false;
}

/* The kinds behind SB_FAILED_ but for those with items. */
static bool encode_scalar(struct sb_buf *b, const sb_value *v, struct sb_trouble *t)
{
    sb_timedelta delta;
    switch ((int)v->kind) {
    case SB_DECIMAL_:
        if (!v->as.str.ptr || !sb__is_decimal(v->as.str.ptr, v->as.str.len)) {
            sb__trouble(t, SB_E_TYPE, "\"%.*s\" is no decimal number",
                        (int)(v->as.str.len < 40 ? v->as.str.len : 40),
                        v->as.str.ptr ? v->as.str.ptr : "");
            return false;
        }
        sb__put_decimal(b, v->as.str.ptr, v->as.str.len);
        return true;
    case SB_FRACTION_:
        return encode_fraction(b, v->as.str, t);
    case SB_DATETIME_:
        if (!sb__is_datetime(&v->as.datetime))
            return refuse(t, SB_E_RANGE, "a datetime that does not exist");
        sb__put_datetime(b, &v->as.datetime);
        return true;
    case SB_DATE_:
        if (!sb__is_date(v->as.date))
            return refuse(t, SB_E_RANGE, "a date that does not exist");
        sb__put_date(b, v->as.date);
        return true;
    case SB_TIME_:
        if (!sb__is_time(v->as.time))
            return refuse(t, SB_E_RANGE, "a time that does not exist");
        sb__put_time(b, v->as.time);
        return true;
    case SB_TIMEDELTA_:
        delta = v->as.timedelta;
        if (!sb__timedelta_normal(&delta))
            return refuse(t, SB_E_RANGE, "a timedelta of more than 999999999 days");
        sb__put_timedelta(b, delta);
        return true;
    case SB_UUID_:
        sb__put_uuid(b, v->as.uuid.bytes);
        return true;
    case SB_ELLIPSIS_:
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_ELLIPSIS);
        sb__put_null(b);
        return true;
    case SB_PATH_:
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_PATH);
        sb__put_string(b, SB_MAJOR_TEXT, v->as.str.ptr, v->as.str.len);
        return true;
    default: /* datetime64, timedelta64 */
        if (!sb__is_ticks(v->as.ticks, v->kind == SB_DATETIME64_))
            return refuse(t, SB_E_RANGE, "a NumPy date or time whose unit or step does not exist");
        sb__put_ticks(b, v->as.ticks, v->kind == SB_DATETIME64_);
        return true;
    }
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
    case SB_ENUM_:
    case SB_NAMEDTUPLE_:
    case SB_RANGE_:
    case SB_SLICE_:
        if (!sb__items_fit(v->kind, v->as.items.ptr, sb__places(v))) {
            sb__trouble(t, SB_E_MISUSE, "a %s with other parts than it has",
                        sb__kind_name(v->kind));
            return false;
        }
        sb__put_head(b, SB_MAJOR_TAG,
                     v->kind == SB_ENUM_         ? SB_TAG_ENUM
                     : v->kind == SB_NAMEDTUPLE_ ? SB_TAG_NAMEDTUPLE
                     : v->kind == SB_RANGE_      ? SB_TAG_RANGE
                                                 : SB_TAG_SLICE);
        break;
    case SB_DECIMAL_:
    case SB_FRACTION_:
    case SB_DATETIME_:
    case SB_DATE_:
    case SB_TIME_:
    case SB_TIMEDELTA_:
    case SB_UUID_:
    case SB_ELLIPSIS_:
    case SB_PATH_:
    case SB_DATETIME64_:
    case SB_TIMEDELTA64_:
        return encode_scalar(b, v, t);
    case SB_ARRAY_:
        return sb__share_array ? sb__share_array(ctx, b, v->as.array, t)
                               : sb__put_array(b, v->as.array, t);
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
    size_t places = sb__places(v);
    sb__put_head(b, v->kind == SB_DICT_ ? SB_MAJOR_MAP : SB_MAJOR_ARRAY,
                 v->kind == SB_DICT_ ? v->as.items.len : places);
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
