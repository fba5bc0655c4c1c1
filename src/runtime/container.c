/* SPDX-License-Identifier: MIT
 *
 * Containers in C: made, looked into, grown. What an object contains is asked of Python. */
#include "runtime/session.h"
#include <math.h>

static const sb_args none = { NULL, 0 };
static const double two63 = 9223372036854775808.0;

static void fail_kind(sb_session *py, const sb_site *at, const char *function, const char *wanted,
                      const sb_value *v)
{
    struct sb_trouble t = { 0 };
    if (!v || v->kind == SB_UNSET || v->kind == SB_FAILED_)
        sb__trouble(&t, SB_E_MISUSE, "%s was passed as a value",
                    sb__kind_name(v ? v->kind : SB_UNSET));
    else
        sb__trouble(&t, SB_E_TYPE, "%s was due, got %s", wanted, sb__kind_name(v->kind));
    sb__fail_trouble(py, at, function, &t);
}

/* ---- looking into them ---- */

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

/* How many numbers a range has; false: beyond 64 bits, so that Python has to tell. */
static bool range_length(const sb_value *v, uint64_t *n)
{
    const sb_value *part = v->as.items.ptr;
    for (int i = 0; i < 3; i++)
        if (v->as.items.len != 3 || part[i].kind != SB_INT_)
            return false;
    int64_t start = part[0].as.i, stop = part[1].as.i, step = part[2].as.i;
    uint64_t span = step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
    bool some = step > 0 ? start < stop : start > stop;
    uint64_t by = step > 0 ? (uint64_t)step : -(uint64_t)step;
    if (!step)
        return false;
    *n = some ? (span - 1) / by + 1 : 0;
    return true;
}

size_t sb_count_(sb_session *py, const sb_site *at, sb_value v)
{
    size_t n = 0;
    if (!sb__start(py))
        return n;
    uint64_t length;
    if ((v.kind >= SB_LIST_ && v.kind <= SB_DICT_) || v.kind == SB_NAMEDTUPLE_) {
        n = v.as.items.len;
    } else if (v.kind == SB_RANGE_ && range_length(&v, &length)) {
        n = (size_t)length;
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
    uint64_t length = 0;
    if (!sb__start(py))
        return x;
    if (v.kind == SB_RANGE_ && range_length(&v, &length) && i < length) {
        const sb_value *part = v.as.items.ptr;
        x = sb_from_int((int64_t)((uint64_t)part[0].as.i + (uint64_t)part[2].as.i * i));
    } else if (v.kind == SB_LIST_ || v.kind == SB_TUPLE_ || v.kind == SB_NAMEDTUPLE_) {
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

static bool same_text(const sb_value *a, const sb_value *b)
{
    return a->as.str.len == b->as.str.len &&
           (!a->as.str.len || !memcmp(a->as.str.ptr, b->as.str.ptr, a->as.str.len));
}

enum same { DIFFERENT, SAME, UNKNOWN /* Decimal(1) is 1 and 1.0, too: Python has to tell */ };

static enum same same_key(const sb_value *left, const sb_value *right)
{
    const sb_value one = number_key(*left), other = number_key(*right);
    const sb_value *a = &one, *b = &other;
    enum same all = SAME;
    if (a->kind > SB_FAILED_ || b->kind > SB_FAILED_ || a->kind == SB_COMPLEX_ ||
        b->kind == SB_COMPLEX_ || a->kind == SB_FROZENSET_ || b->kind == SB_FROZENSET_)
        return a->kind == SB_STR_ || b->kind == SB_STR_ || a->kind == SB_NONE_ ||
                       b->kind == SB_NONE_
                   ? (a->kind == SB_ENUM_ || b->kind == SB_ENUM_ ? UNKNOWN : DIFFERENT)
                   : UNKNOWN;
    if (a->kind != b->kind)
        return a->kind == SB_OBJECT_ || b->kind == SB_OBJECT_ ? UNKNOWN : DIFFERENT;
    switch ((int)a->kind) {
    case SB_NONE_:
        return SAME;
    case SB_INT_:
    case SB_UINT_:
        return a->as.u == b->as.u ? SAME : DIFFERENT;
    case SB_FLOAT_:
        return a->as.f == b->as.f ? SAME : DIFFERENT;
    case SB_STR_:
    case SB_BIGINT_:
    case SB_BYTES_:
        return same_text(a, b) ? SAME : DIFFERENT;
    case SB_OBJECT_:
        return a->as.object.id == b->as.object.id ? SAME : UNKNOWN;
    case SB_TUPLE_:
        if (a->as.items.len != b->as.items.len)
            return DIFFERENT;
        for (size_t i = 0; i < a->as.items.len && all != DIFFERENT; i++) {
            enum same part = same_key(&a->as.items.ptr[i], &b->as.items.ptr[i]);
            all = part == SAME ? all : part;
        }
        return all;
    default: /* no key */
        return DIFFERENT;
    }
}

/* Whether the two are one key. False, too, after a failure. */
static bool is_key(sb_session *py, const sb_site *at, const sb_value *there, const sb_value *key)
{
    enum same same = same_key(there, key);
    sb_value v;
    if (same != UNKNOWN)
        return same;
    return sb__dynamic(py, at, 'x', "__eq__", "v", there, (sb_args) { key, 1 }, 0, &v) &&
           v.kind == SB_BOOL_ && v.as.b;
}

sb_value sb_get_(sb_session *py, const sb_site *at, sb_value v, sb_value key)
{
    sb_value x = sb_of_kind_(SB_UNSET);
    if (!sb__start(py))
        return x;
    if (v.kind == SB_DICT_) {
        for (size_t i = 0; i < v.as.items.len && !py->failed; i++)
            if (is_key(py, at, &v.as.items.ptr[2 * i], &key)) {
                x = v.as.items.ptr[2 * i + 1];
                break;
            }
    } else if (v.kind == SB_NAMEDTUPLE_ && key.kind == SB_STR_) {
        size_t n = v.as.items.len;
        for (size_t i = 0; i < n; i++)
            if (same_text(&v.as.items.ptr[n + i], &key))
                x = v.as.items.ptr[i];
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

/* ---- making and growing them ---- */

/* What lies in front of items that may grow: a value may have been copied, and only the copy that ends where the room is free
 * may go on in it. The room's size, in places, is in the value's `reserved`; 0: there is none. */
struct room {
    size_t used;
    size_t padding;
};
static_assert(sizeof(struct room) % _Alignof(sb_value) == 0, "items behind it");

static struct room *room_of(const sb_value *v)
{
    return (struct room *)(uintptr_t)v->as.items.ptr - 1;
}

static bool make_room(sb_session *py, struct sb_arena *arena, sb_value *v, size_t places)
{
    if (places > UINT32_MAX)
        return false;
    struct room *r = sb__arena_alloc(
        arena, &py->chunks, sizeof *r + places * sizeof(sb_value),
        _Alignof(sb_value) > _Alignof(struct room) ? _Alignof(sb_value) : _Alignof(struct room));
    if (!r)
        return false;
    r->used = 0;
    v->reserved = (uint32_t)places;
    v->as.items.ptr = (const sb_value *)(const void *)(r + 1);
    return true;
}

static size_t width(sb_kind kind)
{
    return kind == SB_DICT_ ? 2 : 1;
}

/* Class, then name and value by turns, as values, names, class. */
static void order_fields(sb_value *to, const sb_value *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = from[2 * i + 2];
        to[n + i] = from[2 * i + 1];
    }
    to[2 * n] = from[0];
}

sb_value sb_items_(sb_session *py, const sb_site *at, sb_kind kind, sb_args items)
{
    sb_value v = sb_of_kind_(SB_FAILED_), made = sb_of_kind_(kind);
    if (!sb__start(py))
        return v;
    bool keyword = false, pairs = kind == SB_DICT_ ? items.len % 2 == 0 : true;
    if (kind == SB_NAMEDTUPLE_)
        pairs = items.len % 2 == 1;
    for (size_t i = 0; i < items.len; i++)
        keyword = keyword || items.ptr[i].kind == SB_KEYWORD_;
    if (!pairs) {
        struct sb_trouble t = { 0 };
        sb__trouble(&t, SB_E_MISUSE, "%s",
                    kind == SB_DICT_ ? "a key without a value: SB_DICT takes pairs"
                                     : "a name without a value: behind the class SB_NAMEDTUPLE "
                                       "takes pairs");
        sb__fail_trouble(py, at, kind == SB_DICT_ ? "SB_DICT" : "SB_NAMEDTUPLE", &t);
    } else if (keyword)
        sb__fail_trouble(py, at, "SB_LIST",
                         &(struct sb_trouble) {
                             SB_E_MISUSE, "SB_KW belongs into a call, not into a container" });
    else if (!make_room(py, sb__arena(py), &made, items.len))
        sb__fail(py, at, "SB_LIST", SB_E_MEMORY, "out of memory");
    else
        v = made;
    if (v.kind != SB_FAILED_) {
        sb_value *to = (sb_value *)(uintptr_t)v.as.items.ptr;
        if (kind == SB_NAMEDTUPLE_)
            order_fields(to, items.ptr, items.len / 2);
        else if (items.len)
            memcpy(to, items.ptr, items.len * sizeof *to);
        room_of(&v)->used = items.len;
        v.as.items.len = kind == SB_NAMEDTUPLE_ ? items.len / 2 : items.len / width(kind);
    }
    sb__leave(py);
    return v;
}

sb_value sb_list_new_(sb_session *py, const sb_site *at, sb_kind kind, size_t capacity)
{
    sb_value v = sb_of_kind_(SB_FAILED_), made = sb_of_kind_(kind);
    if (!sb__start(py))
        return v;
    if (kind < SB_LIST_ || kind > SB_DICT_) {
        struct sb_trouble t = { 0 };
        sb__trouble(&t, SB_E_MISUSE, "%s is no container", sb__kind_name(kind));
        sb__fail_trouble(py, at, "sb_list_new", &t);
    } else if (capacity > UINT32_MAX / 2 ||
               !make_room(py, sb__arena(py), &made, capacity * width(kind))) {
        sb__fail(py, at, "sb_list_new", SB_E_MEMORY, "out of memory for %zu items", capacity);
    } else {
        v = made;
    }
    sb__leave(py);
    return v;
}

/* Makes room for `more` places, in the scope where the container already is. */
static sb_value *grow(sb_session *py, sb_value *list, size_t more)
{
    size_t used = list->as.items.len * width(list->kind);
    if (list->reserved < used + more || room_of(list)->used != used) {
        struct sb_arena *arena = sb__arena(py);
        for (uint32_t i = 0; i <= py->depth; i++)
            if (sb__arena_has(&py->scopes[i].arena, list->as.items.ptr))
                arena = &py->scopes[i].arena;
        sb_value bigger = *list;
        if (!make_room(py, arena, &bigger, used * 2 + 8))
            return NULL;
        if (used)
            memcpy((sb_value *)(uintptr_t)bigger.as.items.ptr, list->as.items.ptr,
                   used * sizeof *list->as.items.ptr);
        *list = bigger;
    }
    room_of(list)->used = used + more;
    return (sb_value *)(uintptr_t)list->as.items.ptr + used;
}

void sb_push_(sb_session *py, const sb_site *at, sb_value *list, sb_value x)
{
    if (!sb__start(py))
        return;
    sb_value *p = NULL;
    if (!list || list->kind < SB_LIST_ || list->kind >= SB_DICT_)
        fail_kind(py, at, "sb_push", "list, tuple or set", list);
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
    if (!sb__start(py))
        return;
    sb_value *p = NULL;
    if (!dict || dict->kind != SB_DICT_)
        fail_kind(py, at, "sb_put", "dict", dict);
    else if (!(p = grow(py, dict, 2)))
        sb__fail(py, at, "sb_put", SB_E_MEMORY, "out of memory");
    if (p) {
        p[0] = key;
        p[1] = x;
        dict->as.items.len++;
    }
    sb__leave(py);
}
