/* SPDX-License-Identifier: MIT
 *
 * CBOR (RFC 8949), the part that frames use: writing into a sb_buf, and a bounds-checked reader
 * over memory that nobody else writes. Inline, since this is the hot path. The reader's rule: look
 * at nothing beyond `end`, compare lengths with what remains (never add them to a pointer first),
 * and after a failure return the same failure for ever. */
#ifndef SB_CORE_CBOR_H
#define SB_CORE_CBOR_H

#include "core/buf.h"

enum sb_major {
    SB_MAJOR_UINT,
    SB_MAJOR_NEGATIVE,
    SB_MAJOR_BYTES,
    SB_MAJOR_TEXT,
    SB_MAJOR_ARRAY,
    SB_MAJOR_MAP,
    SB_MAJOR_TAG,
    SB_MAJOR_SIMPLE
};

#define SB_CBOR_FALSE 0xf4
#define SB_CBOR_TRUE 0xf5
#define SB_CBOR_NULL 0xf6
#define SB_CBOR_FLOAT64 0xfb
#define SB_CBOR_HEAD_MAX 9 /* bytes */

/* ---- writing ---- */

/* Writes a head at `p`, which has SB_CBOR_HEAD_MAX bytes of room; returns the end. */
static inline uint8_t *sb__cbor_head(uint8_t *p, enum sb_major major, uint64_t n)
{
    uint8_t m = (uint8_t)(major << 5);
    if (n < 24) {
        *p++ = (uint8_t)(m | n);
    } else if (n <= UINT8_MAX) {
        *p++ = m | 24;
        *p++ = (uint8_t)n;
    } else if (n <= UINT16_MAX) {
        uint16_t b = __builtin_bswap16((uint16_t)n);
        *p++ = m | 25;
        memcpy(p, &b, sizeof b);
        p += sizeof b;
    } else if (n <= UINT32_MAX) {
        uint32_t b = __builtin_bswap32((uint32_t)n);
        *p++ = m | 26;
        memcpy(p, &b, sizeof b);
        p += sizeof b;
    } else {
        uint64_t b = __builtin_bswap64(n);
        *p++ = m | 27;
        memcpy(p, &b, sizeof b);
        p += sizeof b;
    }
    return p;
}
static inline uint8_t *sb__cbor_float(uint8_t *p, double d)
{
    uint64_t b;
    memcpy(&b, &d, sizeof b);
    b = __builtin_bswap64(b);
    *p++ = SB_CBOR_FLOAT64;
    memcpy(p, &b, sizeof b);
    return p + sizeof b;
}

static inline uint8_t *sb__cbor_int(uint8_t *p, int64_t n)
{
    uint64_t sign = (uint64_t)(n >> 63); /* all ones below zero: -1 - n is ~n */
    return sb__cbor_head(p, sign ? SB_MAJOR_NEGATIVE : SB_MAJOR_UINT, (uint64_t)n ^ sign);
}

static inline void sb__put_head(struct sb_buf *b, enum sb_major major, uint64_t n)
{
    if (sb__buf_room(b, SB_CBOR_HEAD_MAX))
        b->len = (size_t)(sb__cbor_head(b->ptr + b->len, major, n) - b->ptr);
}
static inline void sb__put_byte(struct sb_buf *b, uint8_t byte)
{
    if (sb__buf_room(b, 1))
        b->ptr[b->len++] = byte;
}
static inline void sb__put_uint(struct sb_buf *b, uint64_t n)
{
    sb__put_head(b, SB_MAJOR_UINT, n);
}
static inline void sb__put_int(struct sb_buf *b, int64_t n)
{
    uint64_t sign = (uint64_t)(n >> 63); /* all ones below zero: -1 - n is ~n */
    sb__put_head(b, sign ? SB_MAJOR_NEGATIVE : SB_MAJOR_UINT, (uint64_t)n ^ sign);
}
static inline void sb__put_bool(struct sb_buf *b, bool x)
{
    sb__put_byte(b, x ? SB_CBOR_TRUE : SB_CBOR_FALSE);
}
static inline void sb__put_null(struct sb_buf *b)
{
    sb__put_byte(b, SB_CBOR_NULL);
}
static inline void sb__put_float(struct sb_buf *b, double d)
{
    if (sb__buf_room(b, SB_CBOR_HEAD_MAX))
        b->len = (size_t)(sb__cbor_float(b->ptr + b->len, d) - b->ptr);
}
/* Text (which the caller knows to be UTF-8) or bytes. */
static inline void sb__put_string(struct sb_buf *b, enum sb_major major, const void *p, size_t n)
{
    sb__put_head(b, major, n);
    sb__buf_put(b, p, n);
}
static inline void sb__put_text(struct sb_buf *b, const char *s)
{
    sb__put_string(b, SB_MAJOR_TEXT, s, strlen(s));
}

/* ---- reading ---- */

struct sb_reader {
    const uint8_t *p, *end;
    const char *error; /* what is wrong, or NULL */
};

struct sb_head {
    enum sb_major major;
    uint8_t info; /* the low five bits of the first byte */
    uint64_t n;   /* value, length, tag, or the bits of a float */
};

static inline size_t sb__left(const struct sb_reader *r)
{
    return (size_t)(r->end - r->p);
}

static inline bool sb__read_fail(struct sb_reader *r, const char *what)
{
    if (!r->error)
        r->error = what;
    r->p = r->end;
    return false;
}

/* Reads one head. Lengths of strings are checked against what remains; counts of arrays and maps
 * too, since an item takes a byte at least: so a short frame cannot ask for much memory. */
static inline bool sb__read_head(struct sb_reader *r, struct sb_head *h)
{
    if (SB_UNLIKELY(r->p >= r->end))
        return sb__read_fail(r, "the frame ends too early");
    uint8_t byte = *r->p++;
    h->major = (enum sb_major)(byte >> 5);
    h->info = byte & 31;
    if (h->info < 24) {
        h->n = h->info;
    } else {
        if (SB_UNLIKELY(h->info > 27))
            return sb__read_fail(r, "an indefinite length or a reserved head");
        size_t width = (size_t)1 << (h->info - 24);
        if (SB_UNLIKELY(sb__left(r) < width))
            return sb__read_fail(r, "the frame ends too early");
        uint64_t n = 0;
        switch (width) {
        case 1:
            n = *r->p;
            break;
        case 2: {
            uint16_t b;
            memcpy(&b, r->p, sizeof b);
            n = __builtin_bswap16(b);
            break;
        }
        case 4: {
            uint32_t b;
            memcpy(&b, r->p, sizeof b);
            n = __builtin_bswap32(b);
            break;
        }
        default: {
            uint64_t b;
            memcpy(&b, r->p, sizeof b);
            n = __builtin_bswap64(b);
            break;
        }
        }
        r->p += width;
        h->n = n;
    }
    if (h->major == SB_MAJOR_BYTES || h->major == SB_MAJOR_TEXT || h->major == SB_MAJOR_ARRAY) {
        if (SB_UNLIKELY(h->n > sb__left(r)))
            return sb__read_fail(r, "a length beyond the end of the frame");
    } else if (h->major == SB_MAJOR_MAP) {
        if (SB_UNLIKELY(h->n > sb__left(r) / 2))
            return sb__read_fail(r, "a length beyond the end of the frame");
    }
    return true;
}

static inline bool sb__read_uint(struct sb_reader *r, uint64_t *n)
{
    struct sb_head h;
    if (!sb__read_head(r, &h))
        return false;
    *n = h.n;
    return h.major == SB_MAJOR_UINT || sb__read_fail(r, "an unsigned integer was due");
}
/* A string of kind `major`; a view into the frame, not NUL-terminated. */
static inline bool sb__read_string(struct sb_reader *r, enum sb_major major, const char **s,
                                   size_t *n)
{
    struct sb_head h;
    if (!sb__read_head(r, &h))
        return false;
    if (h.major != major)
        return sb__read_fail(r,
                             major == SB_MAJOR_TEXT ? "a text was due" : "a byte string was due");
    *s = (const char *)r->p;
    *n = (size_t)h.n;
    r->p += h.n;
    return true;
}
static inline bool sb__read_count(struct sb_reader *r, enum sb_major major, uint64_t *n)
{
    struct sb_head h;
    if (!sb__read_head(r, &h))
        return false;
    *n = h.n;
    return h.major == major ||
           sb__read_fail(r, major == SB_MAJOR_ARRAY ? "an array was due" : "a map was due");
}
static inline double sb__float_bits(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}
/* The double that a head of major SIMPLE holds; false unless it is a float of 16, 32 or 64 bits
 * (RFC 8949, 3.3). */
bool sb__head_float(const struct sb_head *h, double *d);
/* Whether the bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool sb__utf8_valid(const char *s, size_t n);

#endif
