/* SPDX-License-Identifier: MIT
 *
 * See scalar.h. Texts: RFC 3339 (tag 0), RFC 8943 (tag 1004), the General Decimal Arithmetic specification's to-scientific-string
 * (tag 4). */
#include "core/scalar.h"
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS_MAX = 19 /* fit into 64 bits */, DECIMAL_MAX = 1 << 20 };
static const int64_t exponent_max = INT64_C(1000000000000000000);

/* ---- decimals ---- */

struct decimal {
    bool negative, finite, wide; /* wide: the coefficient has more digits than 64 bits */
    uint64_t coefficient;
    int64_t exponent;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether `word` begins here, whatever its case. */
static size_t word(const char *s, const char *end, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(end - s) < n)
        return 0;
    for (size_t i = 0; i < n; i++)
        if ((s[i] | 0x20) != word[i])
            return 0;
    return n;
}

static bool parse_special(const char *s, const char *end)
{
    size_t n = word(s, end, "infinity");
    if (!n)
        n = word(s, end, "inf");
    if (n)
        return s + n == end;
    n = word(s, end, "snan");
    if (!n && !(n = word(s, end, "nan")))
        return false;
    for (s += n; s < end; s++)
        if (!is_digit(*s))
            return false;
    return true;
}

static bool parse_decimal(const char *s, size_t n, struct decimal *d)
{
    const char *end = s + n;
    size_t digits = 0, used = 0, behind = 0;
    bool point = false;
    *d = (struct decimal) { .finite = true };
    if (n > DECIMAL_MAX)
        return false;
    if (s < end && (*s == '-' || *s == '+'))
        d->negative = *s++ == '-';
    for (; s < end && (is_digit(*s) || (*s == '.' && !point)); s++) {
        if (*s == '.') {
            point = true;
            continue;
        }
        digits++;
        behind += point;
        if (used || *s != '0')
            used++;
        if (used <= DIGITS_MAX)
            d->coefficient = d->coefficient * 10 + (uint64_t)(*s - '0');
    }
    d->wide = used > DIGITS_MAX;
    if (!digits) {
        d->finite = false;
        return !point && parse_special(s, end);
    }
    if (s < end && (*s == 'e' || *s == 'E')) {
        bool below = false;
        if (++s < end && (*s == '-' || *s == '+'))
            below = *s++ == '-';
        if (s == end)
            return false;
        const int64_t beyond = 3 * exponent_max;
        for (; s < end && is_digit(*s); s++)
            d->exponent = d->exponent > beyond / 10 ? beyond : d->exponent * 10 + (*s - '0');
        if (d->exponent > 2 * exponent_max)
            return false;
        if (below)
            d->exponent = -d->exponent;
    }
    d->exponent -= (int64_t)behind;
    return s == end;
}

/* Whether tag 4 is its form. */
static bool is_small(const struct decimal *d)
{
    return d->finite && !d->wide && (!d->negative || d->coefficient);
}

bool sb__is_decimal(const char *s, size_t n)
{
    struct decimal d;
    return parse_decimal(s, n, &d);
}

void sb__put_decimal(struct sb_buf *b, const char *s, size_t n)
{
    struct decimal d;
    if (!parse_decimal(s, n, &d) || !is_small(&d)) {
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_DECIMAL_TEXT);
        sb__put_string(b, SB_MAJOR_TEXT, s, n);
        return;
    }
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_DECIMAL);
    sb__put_head(b, SB_MAJOR_ARRAY, 2);
    sb__put_int(b, d.exponent);
    if (d.negative)
        sb__put_head(b, SB_MAJOR_NEGATIVE, d.coefficient - 1);
    else
        sb__put_uint(b, d.coefficient);
}

/* to-scientific-string */
static size_t decimal_text(char room[SB_DECIMAL_ROOM], bool negative, uint64_t coefficient,
                           int64_t exponent)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)coefficient), at = 0;
    int64_t left = exponent + n, point = exponent <= 0 && left > -6 ? left : 1;
    if (negative)
        room[at++] = '-';
    if (point <= 0)
        at += snprintf(room + at, SB_DECIMAL_ROOM - (size_t)at, "0.%.*s%s", (int)-point, "00000000",
                       digits);
    else if (point >= n)
        at += snprintf(room + at, SB_DECIMAL_ROOM - (size_t)at, "%s", digits);
    else
        at += snprintf(room + at, SB_DECIMAL_ROOM - (size_t)at, "%.*s.%s", (int)point, digits,
                       digits + point);
    if (left != point)
        at +=
            snprintf(room + at, SB_DECIMAL_ROOM - (size_t)at, "E%+lld", (long long)(left - point));
    return (size_t)at;
}

/* What tag 4 would have held has one text, however it was written. */
static bool read_decimal_text(struct sb_reader *r, char room[SB_DECIMAL_ROOM], const char **s,
                              size_t *n)
{
    struct decimal d;
    if (!sb__read_string(r, SB_MAJOR_TEXT, s, n))
        return false;
    if (!parse_decimal(*s, *n, &d))
        return sb__read_fail(r, "a decimal number that is none");
    if (is_small(&d)) {
        *n = decimal_text(room, d.negative, d.coefficient, d.exponent);
        *s = room;
    }
    return true;
}

bool sb__read_decimal(struct sb_reader *r, uint64_t tag, char room[SB_DECIMAL_ROOM], const char **s,
                      size_t *n)
{
    struct sb_head exponent, coefficient;
    uint64_t two;
    if (tag == SB_TAG_DECIMAL_TEXT)
        return read_decimal_text(r, room, s, n);
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &two))
        return false;
    if (two != 2 || !sb__read_head(r, &exponent) || exponent.major > SB_MAJOR_NEGATIVE ||
        exponent.n > (uint64_t)(2 * exponent_max) || !sb__read_head(r, &coefficient) ||
        coefficient.major > SB_MAJOR_NEGATIVE ||
        (coefficient.major == SB_MAJOR_NEGATIVE && coefficient.n == UINT64_MAX))
        return sb__read_fail(r, "a decimal number without exponent and coefficient");
    bool negative = coefficient.major == SB_MAJOR_NEGATIVE;
    int64_t e = (int64_t)exponent.n;
    *n = decimal_text(room, negative, coefficient.n + negative,
                      exponent.major == SB_MAJOR_NEGATIVE ? -1 - e : e);
    *s = room;
    return true;
}

/* ---- what is right ---- */

bool sb__is_date(sb_date d)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (d.year < 1 || d.year > 9999 || d.month < 1 || d.month > 12 || d.day < 1)
        return false;
    bool leap = d.year % 4 == 0 && (d.year % 100 || d.year % 400 == 0);
    return d.day <= days[d.month - 1] + (d.month == 2 && leap);
}

static bool is_offset(int32_t offset)
{
    return offset == SB_NAIVE || (offset > -86400 && offset < 86400);
}

bool sb__is_time(sb_time t)
{
    return t.hour < 24 && t.minute < 60 && t.second < 60 && t.microsecond < 1000000 &&
           t.fold <= 1 && is_offset(t.offset);
}

static sb_date date_of(const sb_datetime *d)
{
    return (sb_date) { d->year, d->month, d->day };
}
static sb_time time_of(const sb_datetime *d)
{
    return (sb_time) { d->hour, d->minute, d->second, d->fold, d->microsecond, d->offset };
}
static void join(sb_datetime *d, sb_date day, sb_time t)
{
    *d = (sb_datetime) { day.year, day.month, day.day,       t.hour,  t.minute,
                         t.second, t.fold,    t.microsecond, t.offset };
}

bool sb__is_datetime(const sb_datetime *d)
{
    return sb__is_date(date_of(d)) && sb__is_time(time_of(d));
}

/* Moves what does not fit into 0 to `base` - 1 over to *more. */
static int64_t carry(int64_t x, int64_t base, int64_t *more)
{
    int64_t over = x / base - (x % base < 0);
    *more += over;
    return x - over * base;
}

static bool make_timedelta(int64_t days, int64_t seconds, int64_t microseconds, sb_timedelta *d)
{
    d->microseconds = (int32_t)carry(microseconds, 1000000, &seconds);
    d->seconds = (int32_t)carry(seconds, 86400, &days);
    if (days < -999999999 || days > 999999999)
        return false;
    d->days = (int32_t)days;
    return true;
}

bool sb__timedelta_normal(sb_timedelta *d)
{
    return make_timedelta(d->days, d->seconds, d->microseconds, d);
}

bool sb__is_ticks(sb_ticks t, bool date)
{
    if ((unsigned)t.unit > SB_UNIT_AS || t.step < 1)
        return false;
    return t.unit != SB_UNIT_NONE || (t.step == 1 && (!date || t.count == SB_NAT));
}

/* ---- to CBOR ---- */

void sb__put_date(struct sb_buf *b, sb_date d)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%04d-%02u-%02u", d.year, d.month, d.day);
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_DATE);
    sb__put_string(b, SB_MAJOR_TEXT, text, (size_t)n);
}

static void put_offset(struct sb_buf *b, int32_t offset)
{
    if (offset == SB_NAIVE)
        sb__put_null(b);
    else
        sb__put_int(b, offset);
}

static void put_time_items(struct sb_buf *b, sb_time t)
{
    sb__put_uint(b, t.hour);
    sb__put_uint(b, t.minute);
    sb__put_uint(b, t.second);
    sb__put_uint(b, t.microsecond);
    sb__put_uint(b, t.fold);
    put_offset(b, t.offset);
}

void sb__put_time(struct sb_buf *b, sb_time t)
{
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_TIME);
    sb__put_head(b, SB_MAJOR_ARRAY, 6);
    put_time_items(b, t);
}

void sb__put_datetime(struct sb_buf *b, const sb_datetime *d)
{
    if (d->offset == SB_NAIVE || d->fold || d->offset % 60) { /* RFC 3339 has no place for it */
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_DATETIME);
        sb__put_head(b, SB_MAJOR_ARRAY, 9);
        sb__put_uint(b, (uint64_t)d->year);
        sb__put_uint(b, d->month);
        sb__put_uint(b, d->day);
        put_time_items(b, time_of(d));
        return;
    }
    char text[64];
    int n = snprintf(text, sizeof text, "%04d-%02u-%02uT%02u:%02u:%02u", d->year, d->month, d->day,
                     d->hour, d->minute, d->second);
    if (d->microsecond)
        n += snprintf(text + n, sizeof text - (size_t)n, ".%06u", d->microsecond);
    int minutes = abs(d->offset) / 60;
    if (minutes)
        n += snprintf(text + n, sizeof text - (size_t)n, "%c%02d:%02d", d->offset < 0 ? '-' : '+',
                      minutes / 60, minutes % 60);
    else
        text[n++] = 'Z';
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_DATETIME_TEXT);
    sb__put_string(b, SB_MAJOR_TEXT, text, (size_t)n);
}

void sb__put_timedelta(struct sb_buf *b, sb_timedelta d)
{
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_TIMEDELTA);
    sb__put_head(b, SB_MAJOR_ARRAY, 3);
    sb__put_int(b, d.days);
    sb__put_int(b, d.seconds);
    sb__put_int(b, d.microseconds);
}

void sb__put_uuid(struct sb_buf *b, const uint8_t bytes[16])
{
    sb__put_head(b, SB_MAJOR_TAG, SB_TAG_UUID);
    sb__put_string(b, SB_MAJOR_BYTES, bytes, 16);
}

void sb__put_ticks(struct sb_buf *b, sb_ticks t, bool date)
{
    sb__put_head(b, SB_MAJOR_TAG, date ? SB_TAG_DATETIME64 : SB_TAG_TIMEDELTA64);
    sb__put_head(b, SB_MAJOR_ARRAY, 3);
    sb__put_int(b, t.count);
    sb__put_uint(b, (uint64_t)t.step);
    sb__put_uint(b, (uint64_t)t.unit);
}

/* ---- from CBOR ---- */

/* `n` decimal digits, and the character behind them if it is not 0. */
static bool take(const char **p, const char *end, int n, char behind, unsigned *x)
{
    *x = 0;
    if (end - *p < n + (behind != 0))
        return false;
    for (; n; n--, (*p)++) {
        if (!is_digit(**p))
            return false;
        *x = *x * 10 + (unsigned)(**p - '0');
    }
    return !behind || *(*p)++ == behind;
}

static bool take_date(const char **p, const char *end, char behind, sb_date *d)
{
    unsigned year, month, day;
    if (!take(p, end, 4, '-', &year) || !take(p, end, 2, '-', &month) ||
        !take(p, end, 2, behind, &day))
        return false;
    *d = (sb_date) { (int16_t)year, (uint8_t)month, (uint8_t)day };
    return sb__is_date(*d);
}

bool sb__read_date(struct sb_reader *r, sb_date *d)
{
    const char *s;
    size_t n;
    if (!sb__read_string(r, SB_MAJOR_TEXT, &s, &n))
        return false;
    const char *end = s + n;
    return (take_date(&s, end, 0, d) && s == end) || sb__read_fail(r, "a date that does not exist");
}

static bool take_zone(const char **p, const char *end, int32_t *offset)
{
    unsigned hour, minute;
    *offset = 0;
    if (*p == end)
        return false;
    char sign = *(*p)++;
    if (sign == 'Z')
        return true;
    if ((sign != '+' && sign != '-') || !take(p, end, 2, ':', &hour) ||
        !take(p, end, 2, 0, &minute) || minute > 59)
        return false;
    *offset = (int32_t)(hour * 3600 + minute * 60);
    if (sign == '-')
        *offset = -*offset;
    return true;
}

static bool read_datetime_text(struct sb_reader *r, sb_datetime *d)
{
    const char *s;
    size_t n;
    if (!sb__read_string(r, SB_MAJOR_TEXT, &s, &n))
        return false;
    const char *end = s + n;
    sb_date day;
    unsigned hour, minute, second, part = 0;
    int32_t offset;
    bool ok = take_date(&s, end, 'T', &day) && take(&s, end, 2, ':', &hour) &&
              take(&s, end, 2, ':', &minute) && take(&s, end, 2, 0, &second);
    if (ok && s < end && *s == '.') {
        unsigned digit;
        int places = 0;
        for (s++; places < 6 && take(&s, end, 1, 0, &digit); places++)
            part = part * 10 + digit;
        ok = places;
        for (; places < 6; places++)
            part *= 10;
    }
    ok = ok && take_zone(&s, end, &offset) && s == end;
    if (ok)
        join(d, day,
             (sb_time) { (uint8_t)hour, (uint8_t)minute, (uint8_t)second, 0, part, offset });
    return (ok && sb__is_datetime(d)) || sb__read_fail(r, "a date and time that does not exist");
}

static bool read_small(struct sb_reader *r, uint64_t most, uint64_t *x)
{
    return sb__read_uint(r, x) &&
           (*x <= most || sb__read_fail(r, "a part of a date or time that is too large"));
}

static bool read_int(struct sb_reader *r, int64_t least, int64_t most, int64_t *x)
{
    struct sb_head h;
    if (!sb__read_head(r, &h))
        return false;
    if (h.major > SB_MAJOR_NEGATIVE || h.n > INT64_MAX)
        return sb__read_fail(r, "a part of a date or time that is no integer");
    *x = h.major == SB_MAJOR_NEGATIVE ? -1 - (int64_t)h.n : (int64_t)h.n;
    return (*x >= least && *x <= most) ||
           sb__read_fail(r, "a part of a date or time that is too large");
}

static bool read_time_items(struct sb_reader *r, sb_time *t)
{
    uint64_t hour, minute, second, microsecond, fold;
    int64_t offset = SB_NAIVE;
    if (!read_small(r, 23, &hour) || !read_small(r, 59, &minute) || !read_small(r, 59, &second) ||
        !read_small(r, 999999, &microsecond) || !read_small(r, 1, &fold))
        return false;
    if (r->p < r->end && *r->p == SB_CBOR_NULL)
        r->p++;
    else if (!read_int(r, -86399, 86399, &offset))
        return false;
    *t = (sb_time) { (uint8_t)hour, (uint8_t)minute,       (uint8_t)second,
                     (uint8_t)fold, (uint32_t)microsecond, (int32_t)offset };
    return true;
}

static bool read_counted(struct sb_reader *r, uint64_t due)
{
    uint64_t n;
    return sb__read_count(r, SB_MAJOR_ARRAY, &n) &&
           (n == due || sb__read_fail(r, "a date or time of other parts"));
}

bool sb__read_time(struct sb_reader *r, sb_time *t)
{
    return read_counted(r, 6) && read_time_items(r, t);
}

bool sb__read_datetime(struct sb_reader *r, uint64_t tag, sb_datetime *d)
{
    uint64_t year, month, day;
    sb_time t;
    if (tag == SB_TAG_DATETIME_TEXT)
        return read_datetime_text(r, d);
    if (!read_counted(r, 9) || !read_small(r, 9999, &year) || !read_small(r, 12, &month) ||
        !read_small(r, 31, &day) || !read_time_items(r, &t))
        return false;
    join(d, (sb_date) { (int16_t)year, (uint8_t)month, (uint8_t)day }, t);
    return sb__is_datetime(d) || sb__read_fail(r, "a date and time that does not exist");
}

bool sb__read_timedelta(struct sb_reader *r, sb_timedelta *d)
{
    int64_t days, seconds, microseconds;
    if (!read_counted(r, 3) || !read_int(r, -999999999, 999999999, &days) ||
        !read_int(r, 0, 86399, &seconds) || !read_int(r, 0, 999999, &microseconds))
        return false;
    *d = (sb_timedelta) { (int32_t)days, (int32_t)seconds, (int32_t)microseconds };
    return true;
}

bool sb__read_uuid(struct sb_reader *r, sb_uuid *u)
{
    const char *s;
    size_t n;
    if (!sb__read_string(r, SB_MAJOR_BYTES, &s, &n))
        return false;
    if (n != sizeof u->bytes)
        return sb__read_fail(r, "a UUID of other than 16 bytes");
    memcpy(u->bytes, s, n);
    return true;
}

bool sb__read_ticks(struct sb_reader *r, bool date, sb_ticks *t)
{
    int64_t count, step, unit;
    if (!read_counted(r, 3) || !read_int(r, INT64_MIN, INT64_MAX, &count) ||
        !read_int(r, 1, INT32_MAX, &step) || !read_int(r, 0, SB_UNIT_AS, &unit))
        return false;
    *t = (sb_ticks) { count, (int32_t)step, (sb_unit)unit };
    return sb__is_ticks(*t, date) || sb__read_fail(r, "a NumPy date without a unit");
}

/* ---- NumPy's units ---- */

static const char *const units[] = { "generic", "Y",  "M",  "W",  "D",  "h",  "m",
                                     "s",       "ms", "us", "ns", "ps", "fs", "as" };

const char *sb__unit_name(sb_unit unit)
{
    return (unsigned)unit <= SB_UNIT_AS ? units[unit] : "no unit";
}

bool sb__unit_of(const char *name, size_t n, sb_unit *unit)
{
    for (int i = 0; i <= SB_UNIT_AS; i++)
        if (strlen(units[i]) == n && !memcmp(units[i], name, n)) {
            *unit = (sb_unit)i;
            return true;
        }
    return false;
}

/* Whole units as days, seconds and microseconds. */
static bool split(sb_ticks t, int64_t *days, int64_t *seconds, int64_t *microseconds)
{
    int64_t n;
    *days = *seconds = *microseconds = 0;
    if (t.count == SB_NAT || __builtin_mul_overflow(t.count, (int64_t)t.step, &n))
        return false;
    switch (t.unit) {
    case SB_UNIT_WEEK:
        return !__builtin_mul_overflow(n, (int64_t)7, days);
    case SB_UNIT_DAY:
        *days = n;
        return true;
    case SB_UNIT_HOUR:
        *seconds = carry(n, 24, days) * 3600;
        return true;
    case SB_UNIT_MINUTE:
        *seconds = carry(n, 1440, days) * 60;
        return true;
    case SB_UNIT_SECOND:
        *seconds = carry(n, 86400, days);
        return true;
    case SB_UNIT_MS:
        *microseconds = carry(n, 1000, seconds) * 1000;
        break;
    case SB_UNIT_US:
        *microseconds = carry(n, 1000000, seconds);
        break;
    case SB_UNIT_NS:
    case SB_UNIT_PS:
    case SB_UNIT_FS:
    case SB_UNIT_AS: {
        int64_t unit = 1000;
        for (int i = (int)t.unit; i > SB_UNIT_NS; i--)
            unit *= 1000;
        if (n % unit)
            return false;
        *microseconds = carry(n / unit, 1000000, seconds);
        break;
    }
    case SB_UNIT_NONE:
    case SB_UNIT_YEAR:
    case SB_UNIT_MONTH:
    default:
        return false;
    }
    *seconds = carry(*seconds, 86400, days);
    return true;
}

bool sb__ticks_timedelta(sb_ticks t, sb_timedelta *d)
{
    int64_t days, seconds, microseconds;
    return split(t, &days, &seconds, &microseconds) &&
           make_timedelta(days, seconds, microseconds, d);
}

/* Days since 1970-01-01 as a date, years 1 to 9999; the calendar repeats after 146097 days, its years begin in March. */
static bool civil(int64_t days, sb_date *d)
{
    if (days < -719162 || days > 2932896)
        return false;
    int64_t z = days + 719468, era = z / 146097, of_era = z % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100),
            month = (5 * of_year + 2) / 153;
    d->day = (uint8_t)(of_year - (153 * month + 2) / 5 + 1);
    d->month = (uint8_t)(month < 10 ? month + 3 : month - 9);
    d->year = (int16_t)(year + era * 400 + (d->month <= 2));
    return true;
}

bool sb__ticks_datetime(sb_ticks t, sb_datetime *d)
{
    int64_t days = 0, seconds = 0, microseconds = 0, months;
    sb_date day = { .day = 1 };
    if (t.unit == SB_UNIT_YEAR || t.unit == SB_UNIT_MONTH) {
        if (t.count == SB_NAT ||
            __builtin_mul_overflow(t.count, (int64_t)t.step * (t.unit == SB_UNIT_YEAR ? 12 : 1),
                                   &months) ||
            months < -1969 * 12 || months >= 8030 * 12)
            return false;
        int64_t year = 1970;
        day.month = (uint8_t)(carry(months, 12, &year) + 1);
        day.year = (int16_t)year;
    } else if (!split(t, &days, &seconds, &microseconds) || !civil(days, &day)) {
        return false;
    }
    join(d, day,
         (sb_time) { (uint8_t)(seconds / 3600), (uint8_t)(seconds / 60 % 60),
                     (uint8_t)(seconds % 60), 0, (uint32_t)microseconds, SB_NAIVE });
    return true;
}
