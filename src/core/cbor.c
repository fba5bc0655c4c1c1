/* SPDX-License-Identifier: MIT
 *
 * The parts of the codec that are not on the hot path: floats of other widths, UTF-8. */
#include "core/cbor.h"
#include <math.h>

bool sb__head_float(const struct sb_head *h, double *d)
{
    if (h->major != SB_MAJOR_SIMPLE)
        return false;
    if (h->info == 27) {
        *d = sb__float_bits(h->n);
        return true;
    }
    if (h->info == 26) {
        uint32_t bits = (uint32_t)h->n;
        float f;
        memcpy(&f, &bits, sizeof f);
        *d = (double)f;
        return true;
    }
    if (h->info == 25) { /* RFC 8949, appendix D */
        unsigned exponent = (unsigned)(h->n >> 10) & 31, mantissa = (unsigned)h->n & 1023;
        double v = exponent == 0    ? ldexp(mantissa, -24)
                   : exponent == 31 ? (mantissa ? NAN : INFINITY)
                                    : ldexp(mantissa + 1024, (int)exponent - 25);
        *d = h->n & 0x8000 ? -v : v;
        return true;
    }
    return false;
}

bool sb__utf8_valid(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + n;
    while (p < end) {
        uint64_t word;
        while (end - p >= 8 && (memcpy(&word, p, 8), !(word & UINT64_C(0x8080808080808080))))
            p += 8;
        if (p == end)
            break;
        unsigned c = *p++;
        if (c < 0x80)
            continue;
        unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || (size_t)(end - p) < more)
            return false;
        unsigned low = 0x80, high = 0xbf; /* of the second byte: RFC 3629, section 4 */
        if (c == 0xe0)
            low = 0xa0;
        else if (c == 0xed)
            high = 0x9f;
        else if (c == 0xf0)
            low = 0x90;
        else if (c == 0xf4)
            high = 0x8f;
        if (*p < low || *p > high)
            return false;
        for (p++; --more; p++)
            if ((*p & 0xc0) != 0x80)
                return false;
    }
    return true;
}
