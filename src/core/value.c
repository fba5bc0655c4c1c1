/* SPDX-License-Identifier: MIT
 *
 * What sb_values are, apart from their bytes: kinds, dtypes, shapes. */
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
        [SB_DECIMAL_] = "Decimal",
        [SB_FRACTION_] = "Fraction",
        [SB_DATETIME_] = "datetime",
        [SB_DATE_] = "date",
        [SB_TIME_] = "time",
        [SB_TIMEDELTA_] = "timedelta",
        [SB_UUID_] = "UUID",
        [SB_ENUM_] = "Enum",
        [SB_NAMEDTUPLE_] = "namedtuple",
        [SB_RANGE_] = "range",
        [SB_SLICE_] = "slice",
        [SB_ELLIPSIS_] = "Ellipsis",
        [SB_PATH_] = "Path",
        [SB_DATETIME64_] = "datetime64",
        [SB_TIMEDELTA64_] = "timedelta64",
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

uint64_t sb__dtype_tag(sb_dtype dtype)
{
    return dtypes[dtype].tag;
}
sb_dtype sb__dtype_of_tag(uint64_t tag)
{
    for (int i = 0; i < DTYPES; i++)
        if (dtypes[i].size && dtypes[i].tag == tag)
            return (sb_dtype)i;
    return SB_DTYPE_NONE;
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

bool sb__is_int(const sb_value *v)
{
    return v->kind >= SB_INT_ && v->kind <= SB_BIGINT_;
}

bool sb__items_fit(sb_kind kind, const sb_value *items, size_t places)
{
    switch ((int)kind) {
    case SB_ENUM_:
        return places == 3 && items[2].kind == SB_STR_ &&
               (items[1].kind == SB_STR_ || items[1].kind == SB_NONE_);
    case SB_RANGE_:
        return places == 3 && sb__is_int(&items[0]) && sb__is_int(&items[1]) &&
               sb__is_int(&items[2]);
    case SB_SLICE_:
        return places == 3;
    case SB_NAMEDTUPLE_:
        for (size_t i = places / 2; i < places; i++)
            if (items[i].kind != SB_STR_)
                return false;
        return places % 2;
    default:
        return true;
    }
}
