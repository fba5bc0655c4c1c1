/* SPDX-License-Identifier: MIT
 *
 * Values: conversions, containers, arrays. What an object holds is asked of Python; plain data is converted here. */
#include "runtime/session.h"
#include <math.h>

static const sb_args none = { NULL, 0 };

/* Enters for a call that gives a value; false: nothing is to be done. */
static bool start(sb_session *py)
{
    if (!sb__enter(py))
        return false;
    if (!py->failed)
        return true;
    sb__skip(py);
    sb__leave(py);
    return false;
}

/* `v` as Python sees it, for conversions that only Python can do: the declared type is checked there. */
static bool ask(sb_session *py, const sb_site *at, const char *result, sb_value *v)
{
    sb_value x = *v;
    return sb__dynamic(py, at, '=', "", result, &x, none, 0, v);
}

static void fail_type(sb_session *py, const sb_site *at, const char *function, const char *wanted,
                      sb_value v)
{
    struct sb_trouble t = { 0 };
    if (v.kind == SB_UNSET || v.kind == SB_FAILED_)
        sb__trouble(&t, SB_E_MISUSE, "%s was passed as a value", sb__kind_name(v.kind));
    else
        sb__trouble(&t, SB_E_TYPE, "%s was due, got %s", wanted, sb__kind_name(v.kind));
    sb__fail_trouble(py, at, function, &t);
}

bool sb_as_bool_(sb_session *py, const sb_site *at, sb_value v)
{
    bool x = false;
    if (!start(py))
        return x;
    if (v.kind != SB_OBJECT_ || ask(py, at, "b", &v)) {
        if (v.kind == SB_BOOL_)
            x = v.as.b;
        else
            fail_type(py, at, "sb_as_bool", "bool", v);
    }
    sb__leave(py);
    return x;
}

static const double two63 = 9223372036854775808.0;

int64_t sb_as_int_(sb_session *py, const sb_site *at, sb_value v)
{
    int64_t x = 0;
    if (!start(py))
        return x;
    if (v.kind != SB_OBJECT_ || ask(py, at, "i", &v)) {
        if (v.kind == SB_INT_)
            x = v.as.i;
        else if (v.kind == SB_BOOL_)
            x = v.as.b;
        else if (v.kind == SB_FLOAT_ && v.as.f >= -two63 && v.as.f < two63 &&
                 v.as.f == trunc(v.as.f))
            x = (int64_t)v.as.f;
        else if (v.kind == SB_UINT_ || v.kind == SB_BIGINT_)
            sb__fail_trouble(
                py, at, "sb_as_int",
                &(struct sb_trouble) { SB_E_RANGE, "the int does not fit into 64 bits" });
        else if (v.kind == SB_FLOAT_)
            sb__fail_trouble(
                py, at, "sb_as_int",
                &(struct sb_trouble) { SB_E_RANGE, "the float is not an int of 64 bits" });
        else
            fail_type(py, at, "sb_as_int", "int", v);
    }
    sb__leave(py);
    return x;
}

double sb_as_double_(sb_session *py, const sb_site *at, sb_value v)
{
    double x = 0;
    if (!start(py))
        return x;
    if (v.kind != SB_OBJECT_ || ask(py, at, "d", &v)) {
        bool exact = true;
        if (v.kind == SB_FLOAT_)
            x = v.as.f;
        else if (v.kind == SB_BOOL_)
            x = v.as.b;
        else if (v.kind == SB_INT_)
            exact = (x = (double)v.as.i) < two63 && (int64_t)x == v.as.i;
        else if (v.kind == SB_UINT_)
            exact = (x = (double)v.as.u) < 2 * two63 && (uint64_t)x == v.as.u;
        else if (v.kind == SB_BIGINT_)
            exact = false;
        else
            fail_type(py, at, "sb_as_double", "float", v);
        if (!exact) {
            x = 0;
            sb__fail_trouble(py, at, "sb_as_double",
                             &(struct sb_trouble) { SB_E_RANGE, "the int is no double exactly" });
        }
    }
    sb__leave(py);
    return x;
}

sb_str sb_as_str_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_str x = { "", 0 };
    if (!start(py))
        return x;
    if (v.kind != SB_OBJECT_ || ask(py, at, "s", &v)) {
        if (v.kind == SB_STR_)
            x = v.as.str;
        else
            fail_type(py, at, "sb_as_str", "str", v);
    }
    sb__leave(py);
    return x;
}

sb_bytes sb_as_bytes_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_bytes x = { (const unsigned char *)"", 0 };
    if (!start(py))
        return x;
    if (v.kind != SB_OBJECT_ || ask(py, at, "y", &v)) {
        if (v.kind == SB_BYTES_)
            x = v.as.bytes;
        else
            fail_type(py, at, "sb_as_bytes", "bytes", v);
    }
    sb__leave(py);
    return x;
}

sb_array sb_as_array_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_array x = { 0 };
    if (!start(py))
        return x;
    if (v.kind == SB_UNSET || v.kind == SB_FAILED_)
        fail_type(py, at, "sb_as_array", "an array", v);
    else if ((v.kind == SB_ARRAY_ && sb__array_is_c(v.as.array)) || ask(py, at, "w", &v)) {
        if (v.kind == SB_ARRAY_)
            x = *v.as.array;
        else
            fail_type(py, at, "sb_as_array", "an array", v);
    }
    sb__leave(py);
    return x;
}

sb_object sb_as_object_(sb_session *py, const sb_site *at, sb_value v)
{
    if (!py)
        return (sb_object) { 0 };
    sb_object x = sb__failed_object(py);
    if (!start(py))
        return x;
    struct sb_trouble t = { 0 };
    if (v.kind == SB_NONE_) {
        x.id = 0;
    } else if (v.kind == SB_OBJECT_) {
        if (sb__handle_check(py, v.as.object, &t))
            x = v.as.object;
        else
            sb__fail_trouble(py, at, "sb_as_object", &t);
    } else if (ask(py, at, "o", &v)) {
        x = v.as.object;
    }
    sb__leave(py);
    return x;
}

sb_value sb_fetch_(sb_session *py, const sb_site *at, sb_value v)
{
    sb_value x = sb_of_kind_(SB_FAILED_);
    if (!start(py))
        return x;
    if (v.kind == SB_OBJECT_ || (v.kind >= SB_LIST_ && v.kind <= SB_DICT_)) {
        if (ask(py, at, "V", &v))
            x = v;
    } else if (v.kind == SB_UNSET || v.kind == SB_FAILED_) {
        fail_type(py, at, "sb_fetch", "a value", v);
    } else {
        x = v;
    }
    sb__leave(py);
    return x;
}

/* ---- containers ---- */

static void fail_python(sb_session *py, const sb_site *at, const char *function, const char *type,
                        const char *message, const char *classes, size_t classes_size)
{
    struct sb_failure f = {
        .code = SB_E_PYTHON,
        .type = { type, strlen(type) },
        .message = { message, strlen(message) },
        .function = function,
        .file = at->file,
        .line = at->line,
        .classes = classes,
        .classes_size = classes_size,
    };
    if (sb__settle(py))
        sb__fail_with(py, &f);
    else
        sb__skip(py);
}

/* Code points of valid UTF-8. */
static size_t text_length(sb_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

size_t sb_count_(sb_session *py, const sb_site *at, sb_value v)
{
    size_t n = 0;
    if (!start(py))
        return n;
    if (v.kind >= SB_LIST_ && v.kind <= SB_DICT_) {
        n = v.as.items.len;
    } else if (v.kind == SB_STR_) {
        n = text_length(v.as.str);
    } else if (v.kind == SB_BYTES_) {
        n = v.as.bytes.len;
    } else if (v.kind == SB_ARRAY_ && v.as.array->ndim > 0) {
        n = (size_t)v.as.array->shape[0];
    } else {
        sb_value x = v;
        if (sb__dynamic(py, at, 'x', "__len__", "i", &x, none, 0, &v) && v.kind == SB_INT_)
            n = (size_t)v.as.i;
    }
    sb__leave(py);
    return n;
}

sb_value sb_nth_(sb_session *py, const sb_site *at, sb_value v, size_t i)
{
    static const char classes[] = "builtins.IndexError\0builtins.LookupError\0builtins.Exception";
    sb_value x = sb_of_kind_(SB_FAILED_);
    if (!start(py))
        return x;
    if (v.kind == SB_LIST_ || v.kind == SB_TUPLE_) {
        if (i < v.as.items.len)
            x = v.as.items.ptr[i];
        else
            fail_python(py, at, "sb_nth", "IndexError", "index out of range", classes,
                        sizeof classes);
    } else {
        sb_value key = sb_from_uint(i);
        sb__dynamic(py, at, 'x', "__getitem__", "v", &v, (sb_args) { &key, 1 }, 0, &x);
    }
    sb__leave(py);
    return x;
}

/* Numbers that are equal are one key in Python: True, 1 and 1.0. */
static sb_value number_key(sb_value v)
{
    if (v.kind == SB_BOOL_)
        return sb_from_int(v.as.b);
    if (v.kind == SB_FLOAT_ && v.as.f >= -two63 && v.as.f < two63 && v.as.f == trunc(v.as.f))
        return sb_from_int((int64_t)v.as.f);
    if (v.kind == SB_FLOAT_ && v.as.f >= two63 && v.as.f < 2 * two63)
        return sb_from_uint((uint64_t)v.as.f);
    return v;
}

static bool same_key(const sb_value *left, const sb_value *right)
{
    const sb_value one = number_key(*left), other = number_key(*right);
    const sb_value *a = &one, *b = &other;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case SB_NONE_:
        return true;
    case SB_INT_:
    case SB_UINT_:
        return a->as.u == b->as.u;
    case SB_FLOAT_:
        return a->as.f == b->as.f;
    case SB_STR_:
    case SB_BIGINT_:
    case SB_BYTES_:
        return a->as.str.len == b->as.str.len &&
               (!a->as.str.len || !memcmp(a->as.str.ptr, b->as.str.ptr, a->as.str.len));
    case SB_OBJECT_:
        return a->as.object.id == b->as.object.id;
    case SB_TUPLE_:
        if (a->as.items.len != b->as.items.len)
            return false;
        for (size_t i = 0; i < a->as.items.len; i++)
            if (!same_key(&a->as.items.ptr[i], &b->as.items.ptr[i]))
                return false;
        return true;
    case SB_UNSET:
    case SB_BOOL_: /* an int by now */
    case SB_COMPLEX_:
    case SB_LIST_:
    case SB_SET_:
    case SB_FROZENSET_:
    case SB_DICT_:
    case SB_ARRAY_:
    case SB_KEYWORD_:
    case SB_FAILED_:
    default:
        return false;
    }
}

sb_value sb_get_(sb_session *py, const sb_site *at, sb_value v, sb_value key)
{
    sb_value x = sb_of_kind_(SB_UNSET);
    if (!start(py))
        return x;
    if (v.kind == SB_DICT_) {
        for (size_t i = 0; i < v.as.items.len; i++)
            if (same_key(&v.as.items.ptr[2 * i], &key)) {
                x = v.as.items.ptr[2 * i + 1];
                break;
            }
    } else {
        sb_value there;
        if (sb__dynamic(py, at, 'x', "__contains__", "b", &v, (sb_args) { &key, 1 }, 0, &there) &&
            there.kind == SB_BOOL_ && there.as.b)
            sb__dynamic(py, at, 'x', "__getitem__", "v", &v, (sb_args) { &key, 1 }, 0, &x);
        if (x.kind == SB_FAILED_)
            x = sb_of_kind_(SB_UNSET);
    }
    sb__leave(py);
    return x;
}

/* The room of a container lies in `reserved`, in places. */
static sb_value *places(sb_session *py, struct sb_arena *arena, size_t n)
{
    if (n > UINT32_MAX)
        return NULL;
    return sb__arena_alloc(arena, &py->chunks, (n ? n : 1) * sizeof(sb_value), _Alignof(sb_value));
}

static size_t width(sb_kind kind)
{
    return kind == SB_DICT_ ? 2 : 1;
}

sb_value sb_items_(sb_session *py, const sb_site *at, sb_kind kind, sb_args items)
{
    sb_value v = sb_of_kind_(SB_FAILED_);
    if (!start(py))
        return v;
    sb_value *p = NULL;
    bool keyword = false;
    for (size_t i = 0; i < items.len; i++)
        keyword = keyword || items.ptr[i].kind == SB_KEYWORD_;
    if (kind == SB_DICT_ && items.len % 2)
        sb__fail_trouble(
            py, at, "SB_DICT",
            &(struct sb_trouble) { SB_E_MISUSE, "a key without a value: SB_DICT takes pairs" });
    else if (keyword)
        sb__fail_trouble(py, at, "SB_LIST",
                         &(struct sb_trouble) {
                             SB_E_MISUSE, "SB_KW belongs into a call, not into a container" });
    else if (!(p = places(py, sb__arena(py), items.len)))
        sb__fail(py, at, "SB_LIST", SB_E_MEMORY, "out of memory");
    if (p) {
        if (items.len)
            memcpy(p, items.ptr, items.len * sizeof *p);
        v = sb_of_kind_(kind);
        v.reserved = (uint32_t)items.len;
        v.as.items.ptr = p;
        v.as.items.len = items.len / width(kind);
    }
    sb__leave(py);
    return v;
}

sb_value sb_list_new_(sb_session *py, const sb_site *at, sb_kind kind, size_t capacity)
{
    sb_value v = sb_of_kind_(SB_FAILED_);
    if (!start(py))
        return v;
    if (kind < SB_LIST_ || kind > SB_DICT_) {
        struct sb_trouble t = { 0 };
        sb__trouble(&t, SB_E_MISUSE, "%s is no container", sb__kind_name(kind));
        sb__fail_trouble(py, at, "sb_list_new", &t);
    } else {
        sb_value *p =
            capacity <= UINT32_MAX / 2 ? places(py, sb__arena(py), capacity * width(kind)) : NULL;
        if (p) {
            v = sb_of_kind_(kind);
            v.reserved = (uint32_t)(capacity * width(kind));
            v.as.items.ptr = p;
        } else {
            sb__fail(py, at, "sb_list_new", SB_E_MEMORY, "out of memory for %zu items", capacity);
        }
    }
    sb__leave(py);
    return v;
}

/* Makes room for `more` places, in the scope where the container already is. */
static sb_value *grow(sb_session *py, sb_value *list, size_t more)
{
    size_t used = list->as.items.len * width(list->kind);
    if (list->reserved - used >= more && list->reserved >= used)
        return (sb_value *)(uintptr_t)list->as.items.ptr + used;
    struct sb_arena *arena = sb__arena(py);
    for (uint32_t i = 0; i <= py->depth; i++)
        if (sb__arena_has(&py->scopes[i].arena, list->as.items.ptr))
            arena = &py->scopes[i].arena;
    size_t cap = used * 2 + 8;
    sb_value *p = places(py, arena, cap);
    if (!p)
        return NULL;
    if (used)
        memcpy(p, list->as.items.ptr, used * sizeof *p);
    list->as.items.ptr = p;
    list->reserved = (uint32_t)cap;
    return p + used;
}

void sb_push_(sb_session *py, const sb_site *at, sb_value *list, sb_value x)
{
    if (!start(py))
        return;
    sb_value *p = NULL;
    if (!list || list->kind < SB_LIST_ || list->kind >= SB_DICT_)
        fail_type(py, at, "sb_push", "list, tuple or set", list ? *list : sb_of_kind_(SB_UNSET));
    else if (!(p = grow(py, list, 1)))
        sb__fail(py, at, "sb_push", SB_E_MEMORY, "out of memory");
    if (p) {
        *p = x;
        list->as.items.len++;
    }
    sb__leave(py);
}

void sb_put_(sb_session *py, const sb_site *at, sb_value *dict, sb_value key, sb_value x)
{
    if (!start(py))
        return;
    sb_value *p = NULL;
    if (!dict || dict->kind != SB_DICT_)
        fail_type(py, at, "sb_put", "dict", dict ? *dict : sb_of_kind_(SB_UNSET));
    else if (!(p = grow(py, dict, 2)))
        sb__fail(py, at, "sb_put", SB_E_MEMORY, "out of memory");
    if (p) {
        p[0] = key;
        p[1] = x;
        dict->as.items.len++;
    }
    sb__leave(py);
}

/* ---- arrays ---- */

sb_array sb_array_view_(void *data, sb_dtype dtype, int ndim, const int64_t *shape)
{
    sb_array a = { .data = data, .dtype = dtype, .ndim = ndim };
    for (int i = 0; i < ndim && i < SB_MAX_NDIM; i++)
        a.shape[i] = shape[i];
    return a; /* more dimensions are refused where it is used */
}

sb_array sb_array_new_(sb_session *py, const sb_site *at, sb_dtype dtype, int ndim,
                       const int64_t *shape)
{
    sb_array a = { 0 };
    if (!start(py))
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
    } else {
        size_t bytes = (size_t)count * sb__dtype_size(dtype);
        made.data = sb__alloc(py, bytes, 64);
        if (made.data) {
            memset(made.data, 0, bytes);
            a = made;
        } else {
            sb__fail(py, at, "sb_array_new", SB_E_MEMORY, "out of memory for %zu bytes", bytes);
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
    if (!start(py))
        return NULL;
    struct sb_trouble t = { 0 };
    int64_t n = sb__dtype_size(a.dtype) ? sb__array_count(&a) : -1;
    if (n < 0)
        sb__trouble(&t, SB_E_MISUSE, "no array");
    else if (a.dtype != dtype)
        sb__trouble(&t, SB_E_TYPE, "the array holds %s, not %s", sb__dtype_name(a.dtype),
                    sb__dtype_name(dtype));
    else if (!sb__array_is_c(&a))
        sb__trouble(&t, SB_E_TYPE, "the array is not in C order");
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
