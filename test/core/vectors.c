/* SPDX-License-Identifier: MIT
 *
 * The reader of vectors.txt: a recursive descent over the Python expressions that its first lines
 * list. */
#include "vectors.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct text {
    const char *p, *file;
    int line;
    struct vectors *to;
};

static _Noreturn void wrong(const struct text *s, const char *what)
{
    fprintf(stderr, "%s:%d: %s at \"%.40s\"\n", s->file, s->line, what, s->p);
    exit(1);
}

static void *get(struct vectors *v, size_t size)
{
    void *p = sb__arena_alloc(&v->arena, &v->cache, size, 16);
    if (!p)
        abort();
    return p;
}

static bool take(struct text *s, const char *word)
{
    size_t n = strlen(word);
    while (*s->p == ' ')
        s->p++;
    if (strncmp(s->p, word, n))
        return false;
    s->p += n;
    return true;
}
static void due(struct text *s, const char *word)
{
    if (!take(s, word))
        wrong(s, word);
}

static unsigned hex_digits(struct text *s, int n)
{
    unsigned x = 0;
    while (n--) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, *s->p);
        if (!*s->p || !d)
            wrong(s, "no hexadecimal digit");
        x = x << 4 | (unsigned)(d - digits);
        s->p++;
    }
    return x;
}

static uint8_t *hex_bytes(struct text *s, size_t *size)
{
    size_t n = strspn(s->p, "0123456789abcdef") / 2;
    uint8_t *bytes = get(s->to, n);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)hex_digits(s, 2);
    *size = n;
    return bytes;
}

static int64_t integer(struct text *s)
{
    char *end;
    while (*s->p == ' ')
        s->p++;
    errno = 0;
    int64_t n = strtoll(s->p, &end, 10);
    if (end == s->p || errno)
        wrong(s, "no integer");
    s->p = end;
    return n;
}

static int64_t tuple_of_integers(struct text *s, int64_t *to)
{
    int64_t n = 0;
    due(s, "(");
    while (!take(s, ")")) {
        if (n == SB_MAX_NDIM)
            wrong(s, "too many dimensions");
        to[n++] = integer(s);
        if (!take(s, ","))
            due(s, ")"), s->p--;
    }
    return n;
}

/* Behind the opening quote. */
static sb_str quoted(struct text *s, bool bytes)
{
    char *start = get(s->to, strlen(s->p) + 1), *to = start;
    while (*s->p != '"') {
        if (!*s->p)
            wrong(s, "a string without an end");
        if (*s->p != '\\') {
            *to++ = *s->p++;
            continue;
        }
        char what = s->p[1];
        s->p += 2;
        if (what == '"' || what == '\\') {
            *to++ = what;
            continue;
        }
        unsigned c = hex_digits(s, what == 'x' ? 2 : what == 'u' ? 4 : what == 'U' ? 8 : 0);
        if (bytes || c < 0x80) {
            *to++ = (char)c;
        } else if (c < 0x800) {
            *to++ = (char)(0xc0 | c >> 6);
            *to++ = (char)(0x80 | (c & 63));
        } else {
            if (c >= 0x10000) {
                *to++ = (char)(0xf0 | c >> 18);
                *to++ = (char)(0x80 | (c >> 12 & 63));
            } else {
                *to++ = (char)(0xe0 | c >> 12);
            }
            *to++ = (char)(0x80 | (c >> 6 & 63));
            *to++ = (char)(0x80 | (c & 63));
        }
    }
    s->p++;
    *to = 0;
    return (sb_str) { start, (size_t)(to - start) };
}

static sb_value value(struct text *s);

static sb_value items(struct text *s, sb_kind kind, const char *end)
{
    size_t room = 4, n = 0;
    sb_value *list = get(s->to, room * sizeof *list);
    while (!take(s, end)) {
        if (n + 2 > room) {
            sb_value *more = get(s->to, room * 2 * sizeof *list);
            memcpy(more, list, n * sizeof *list);
            list = more;
            room *= 2;
        }
        list[n++] = value(s);
        if (kind == SB_DICT_) {
            due(s, ":");
            list[n++] = value(s);
        }
        if (!take(s, ",")) {
            due(s, end);
            break;
        }
    }
    sb_value v = sb_of_kind_(kind);
    v.as.items.ptr = list;
    v.as.items.len = kind == SB_DICT_ ? n / 2 : n;
    return v;
}

static double number(struct text *s)
{
    char *end;
    while (*s->p == ' ')
        s->p++;
    double d = strtod(s->p, &end);
    if (end == s->p)
        wrong(s, "no number");
    s->p = end;
    return d;
}

static sb_value array(struct text *s, bool strided)
{
    sb_array *a = get(s->to, sizeof *a);
    memset(a, 0, sizeof *a);
    due(s, "\"");
    for (sb_dtype t = SB_BOOL8; sb__dtype_size(t); t++) {
        size_t n = strlen(sb__dtype_name(t));
        if (!strncmp(s->p, sb__dtype_name(t), n) && s->p[n] == '"')
            a->dtype = t;
    }
    if (!a->dtype)
        wrong(s, "no dtype");
    s->p += strlen(sb__dtype_name(a->dtype));
    due(s, "\",");
    a->ndim = (int32_t)tuple_of_integers(s, a->shape);
    int64_t offset = 0;
    if (strided) {
        due(s, ",");
        if (tuple_of_integers(s, a->strides) != a->ndim)
            wrong(s, "strides do not fit the shape");
        due(s, ",");
        offset = integer(s);
    }
    due(s, ",");
    due(s, "\"");
    size_t size;
    a->data = hex_bytes(s, &size) + offset;
    due(s, "\"");
    if (!strided && (size_t)sb__array_count(a) * sb__dtype_size(a->dtype) != size)
        wrong(s, "the bytes do not fit the shape");
    due(s, ")");
    return sb_from_array(a);
}

static sb_value plain_number(struct text *s)
{
    size_t n = strspn(s->p, "-0123456789");
    if (!n || strchr(".einf", s->p[n]))
        if (s->p[n])
            return sb_from_double(number(s));
    char *end;
    errno = 0;
    long long i = strtoll(s->p, &end, 10);
    sb_value v = sb_from_int(i);
    if (errno && *s->p != '-') {
        errno = 0;
        v = sb_from_uint(strtoull(s->p, &end, 10));
    }
    if (errno) {
        v = sb_of_kind_(SB_BIGINT_);
        v.as.str = (sb_str) { s->p, n };
    }
    s->p += n;
    return v;
}

static sb_value value(struct text *s);

/* Integers, with commas between; None is SB_NAIVE. */
static int64_t next(struct text *s, const char *behind)
{
    int64_t n = take(s, "None") ? SB_NAIVE : integer(s);
    due(s, behind);
    return n;
}

static sb_unit unit(struct text *s)
{
    sb_unit u;
    due(s, "\"");
    sb_str name = quoted(s, false);
    if (!sb__unit_of(name.ptr, name.len, &u))
        wrong(s, "no unit");
    return u;
}

/* The types of the standard library. */
static bool standard(struct text *s, sb_value *v)
{
    static const struct {
        const char *word;
        sb_kind kind;
    } words[] = { { "decimal(\"", SB_DECIMAL_ },
                  { "fraction(\"", SB_FRACTION_ },
                  { "path(\"", SB_PATH_ },
                  { "datetime(", SB_DATETIME_ },
                  { "date(", SB_DATE_ },
                  { "time(", SB_TIME_ },
                  { "timedelta(", SB_TIMEDELTA_ },
                  { "uuid(\"", SB_UUID_ },
                  { "enum(", SB_ENUM_ },
                  { "namedtuple(", SB_NAMEDTUPLE_ },
                  { "range(", SB_RANGE_ },
                  { "slice(", SB_SLICE_ },
                  { "Ellipsis", SB_ELLIPSIS_ },
                  { "datetime64(", SB_DATETIME64_ },
                  { "timedelta64(", SB_TIMEDELTA64_ } };
    size_t size, i = 0;
    while (i < sizeof words / sizeof *words && !take(s, words[i].word))
        i++;
    if (i == sizeof words / sizeof *words)
        return false;
    *v = sb_of_kind_(words[i].kind);
    switch ((int)v->kind) {
    case SB_DECIMAL_:
    case SB_FRACTION_:
    case SB_PATH_:
        v->as.str = quoted(s, false);
        due(s, ")");
        break;
    case SB_UUID_: {
        const uint8_t *bytes = hex_bytes(s, &size);
        memcpy(v->as.uuid.bytes, bytes, sizeof v->as.uuid.bytes);
        due(s, "\")");
        break;
    }
    case SB_DATE_:
    case SB_DATETIME_:
        v->as.datetime.year = (int16_t)next(s, ",");
        v->as.datetime.month = (uint8_t)next(s, ",");
        v->as.datetime.day = (uint8_t)next(s, v->kind == SB_DATE_ ? ")" : ",");
        if (v->kind == SB_DATE_)
            break;
        v->as.datetime.hour = (uint8_t)next(s, ",");
        v->as.datetime.minute = (uint8_t)next(s, ",");
        v->as.datetime.second = (uint8_t)next(s, ",");
        v->as.datetime.microsecond = (uint32_t)next(s, ",");
        v->as.datetime.fold = (uint8_t)next(s, ",");
        v->as.datetime.offset = (int32_t)next(s, ")");
        break;
    case SB_TIME_:
        v->as.time.hour = (uint8_t)next(s, ",");
        v->as.time.minute = (uint8_t)next(s, ",");
        v->as.time.second = (uint8_t)next(s, ",");
        v->as.time.microsecond = (uint32_t)next(s, ",");
        v->as.time.fold = (uint8_t)next(s, ",");
        v->as.time.offset = (int32_t)next(s, ")");
        break;
    case SB_TIMEDELTA_:
        v->as.timedelta.days = (int32_t)next(s, ",");
        v->as.timedelta.seconds = (int32_t)next(s, ",");
        v->as.timedelta.microseconds = (int32_t)next(s, ")");
        break;
    case SB_DATETIME64_:
    case SB_TIMEDELTA64_:
        v->as.ticks.count = integer(s);
        due(s, ",");
        v->as.ticks.step = (int32_t)next(s, ",");
        v->as.ticks.unit = unit(s);
        due(s, ")");
        break;
    case SB_ENUM_: /* the value, the name, the class */
    case SB_RANGE_:
    case SB_SLICE_:
    case SB_NAMEDTUPLE_: /* the values, the names, the class */
        *v = items(s, v->kind, ")");
        if (v->kind == SB_NAMEDTUPLE_)
            v->as.items.len /= 2;
        break;
    default:
        break;
    }
    return true;
}

static sb_value value(struct text *s)
{
    if (take(s, "None"))
        return SB_NONE;
    if (take(s, "True"))
        return SB_TRUE;
    if (take(s, "False"))
        return SB_FALSE;
    if (take(s, "\""))
        return sb_from_str(quoted(s, false));
    if (take(s, "b\"")) {
        sb_str b = quoted(s, true);
        return sb_from_bytes((sb_bytes) { (const unsigned char *)b.ptr, b.len });
    }
    if (take(s, "["))
        return items(s, SB_LIST_, "]");
    if (take(s, "("))
        return items(s, SB_TUPLE_, ")");
    if (take(s, "{"))
        return items(s, SB_DICT_, "}");
    bool frozen = take(s, "frozen");
    if (take(s, "set([")) {
        sb_value v = items(s, frozen ? SB_FROZENSET_ : SB_SET_, "]");
        due(s, ")");
        return v;
    }
    if (take(s, "complex(")) {
        double re = number(s);
        due(s, ",");
        double im = number(s);
        due(s, ")");
        return sb_from_complex(re, im);
    }
    if (take(s, "object(")) {
        char *end;
        sb_object o = { strtoull(s->p, &end, 10) };
        s->p = end;
        due(s, ")");
        return sb_from_object(o);
    }
    sb_value scalar = sb_of_kind_(SB_UNSET);
    if (standard(s, &scalar))
        return scalar;
    if (take(s, "array("))
        return array(s, false);
    if (take(s, "strided("))
        return array(s, true);
    return plain_number(s);
}

void vectors_read(struct vectors *v, const char *path)
{
    *v = (struct vectors) { 0 };
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0, most = 0;
    ssize_t got;
    struct text s = { .file = path, .to = v };
    while (f && (got = getline(&line, &room, f)) > 0) {
        s.line++;
        if (*line == '#' || *line == '\n')
            continue;
        if (line[got - 1] == '\n')
            line[got - 1] = 0;
        if (v->count == most) {
            struct vector *more = realloc(v->list, (most = most * 2 + 64) * sizeof *more);
            if (!more)
                abort();
            v->list = more;
        }
        char *kept = get(v, strlen(line) + 1);
        s.p = strcpy(kept, line);
        struct vector *w = &v->list[v->count++];
        *w = (struct vector) { .line = s.line, .mark = *s.p++ };
        if (!strchr("=<>!", w->mark) || *s.p++ != ' ')
            wrong(&s, "no mark");
        w->bytes = hex_bytes(&s, &w->size);
        if (*s.p++ != ' ')
            wrong(&s, "no hexadecimal digits");
        w->text = s.p;
        if (w->mark != '!') {
            w->value = value(&s);
            if (*s.p)
                wrong(&s, "more than a value");
        }
    }
    if (!f || ferror(f) || !v->count) {
        perror(path);
        exit(1);
    }
    fclose(f);
    free(line);
}

void vectors_free(struct vectors *v)
{
    free(v->list);
    sb__arena_reset(&v->arena, &v->cache);
    sb__chunk_cache_reset(&v->cache);
}

static bool same_float(double a, double b)
{
    return (isnan(a) && isnan(b)) || !memcmp(&a, &b, sizeof a);
}

static bool same_bytes(const void *a, size_t m, const void *b, size_t n)
{
    return m == n && (!n || !memcmp(a, b, n));
}

bool same_value(const sb_value *a, const sb_value *b)
{
    if (a->kind != b->kind)
        return false;
    switch ((int)a->kind) {
    case SB_BOOL_:
        return a->as.b == b->as.b;
    case SB_INT_:
    case SB_UINT_:
        return a->as.u == b->as.u;
    case SB_FLOAT_:
        return same_float(a->as.f, b->as.f);
    case SB_COMPLEX_:
        return same_float(a->as.complex_[0], b->as.complex_[0]) &&
               same_float(a->as.complex_[1], b->as.complex_[1]);
    case SB_BIGINT_:
    case SB_STR_:
    case SB_BYTES_:
    case SB_DECIMAL_:
    case SB_FRACTION_:
    case SB_PATH_:
        return same_bytes(a->as.str.ptr, a->as.str.len, b->as.str.ptr, b->as.str.len);
    case SB_LIST_:
    case SB_TUPLE_:
    case SB_SET_:
    case SB_FROZENSET_:
    case SB_ENUM_:
    case SB_NAMEDTUPLE_:
    case SB_RANGE_:
    case SB_SLICE_:
    case SB_DICT_: {
        size_t n = sb__places(a);
        if (n != sb__places(b))
            return false;
        for (size_t i = 0; i < n; i++)
            if (!same_value(&a->as.items.ptr[i], &b->as.items.ptr[i]))
                return false;
        return true;
    }
    case SB_ARRAY_: {
        const sb_array *x = a->as.array, *y = b->as.array;
        return x->dtype == y->dtype && x->ndim == y->ndim &&
               !memcmp(x->shape, y->shape, (size_t)x->ndim * sizeof *x->shape) &&
               !memcmp(x->data, y->data, (size_t)sb__array_count(x) * sb__dtype_size(x->dtype));
    }
    case SB_OBJECT_:
        return a->as.object.id == b->as.object.id;
    case SB_NONE_:
    case SB_ELLIPSIS_:
        return true;
    case SB_DATETIME_:
        return !memcmp(&a->as.datetime, &b->as.datetime, sizeof a->as.datetime);
    case SB_DATE_:
        return !memcmp(&a->as.date, &b->as.date, sizeof a->as.date);
    case SB_TIME_:
        return !memcmp(&a->as.time, &b->as.time, sizeof a->as.time);
    case SB_TIMEDELTA_:
        return !memcmp(&a->as.timedelta, &b->as.timedelta, sizeof a->as.timedelta);
    case SB_UUID_:
        return !memcmp(&a->as.uuid, &b->as.uuid, sizeof a->as.uuid);
    case SB_DATETIME64_:
    case SB_TIMEDELTA64_:
        return !memcmp(&a->as.ticks, &b->as.ticks, sizeof a->as.ticks);
    case SB_UNSET:
    case SB_KEYWORD_:
    case SB_FAILED_:
    default:
        return false;
    }
}

static bool meet_any(void *ctx, uint64_t id)
{
    (void)ctx;
    (void)id;
    return true;
}
static bool check_any(void *ctx, sb_object o, struct sb_trouble *t)
{
    (void)ctx;
    (void)o;
    (void)t;
    return true;
}

const char *decode_bytes(struct sb_arena *arena, struct sb_chunk_cache *cache, const void *bytes,
                         size_t size, sb_value *v)
{
    const uint8_t *p = bytes;
    struct sb_decoder d = {
        .in = { p, p + size, NULL }, .arena = arena, .cache = cache, .meet = meet_any
    };
    if (sb__value_decode(&d, v))
        return d.in.p == d.in.end ? NULL : "bytes behind the value";
    return d.in.error ? d.in.error : d.no_memory ? "out of memory" : "refused without a word";
}

bool encode_value(struct sb_buf *b, const sb_value *v, struct sb_trouble *t)
{
    return sb__value_encode(b, v, check_any, NULL, t);
}
