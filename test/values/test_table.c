/* SPDX-License-Identifier: MIT
 *
 * docs/values.md, cell by cell: what arrives in C of each value of values_table.py, what sb_fetch makes of it, and what Python
 * gets when either is passed back. Over each transport. */
#include "sbtest.h"
#include <math.h>
#include <stdio.h>

struct text {
    char buf[4096];
    size_t len;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->buf + t->len, sizeof t->buf - t->len, format, args);
    va_end(args);
    t->len += n < 0 || (size_t)n >= sizeof t->buf - t->len ? 0 : (size_t)n;
}

static void add_float(struct text *t, double x)
{
    char s[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, x);
        if (strtod(s, NULL) == x || digits == 15)
            break;
    }
    add(t, "%s", s);
}

/* `bytes`: what is no ASCII is escaped, too. */
static void add_text(struct text *t, const char *p, size_t n, bool bytes)
{
    assert_int_equal(p[n], 0);
    add(t, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        add(t, c < 32 || (bytes && c > 126) ? "\\x%02x" : "%c", c);
    }
    add(t, "\"");
}

static void add_clock(struct text *t, sb_time x)
{
    add(t, "%02d:%02d:%02d.%06u", x.hour, x.minute, x.second, x.microsecond);
    if (x.offset == SB_NAIVE)
        add(t, " naive");
    else
        add(t, " %+d", x.offset);
    add(t, x.fold ? " fold" : "");
}

static void add_ticks(struct text *t, sb_ticks x)
{
    static const char *const units[] = { "generic", "Y",  "M",  "W",  "D",  "h",  "m",
                                         "s",       "ms", "us", "ns", "ps", "fs", "as" };
    if (x.count == SB_NAT)
        add(t, "NaT %d %s", x.step, units[x.unit]);
    else
        add(t, "%lld %d %s", (long long)x.count, x.step, units[x.unit]);
}

static void add_array(struct text *t, const sb_array *a)
{
    static const char *const names[] = { "?",       "bool",    "int8",   "int16",  "int32",
                                         "int64",   "uint8",   "uint16", "uint32", "uint64",
                                         "float16", "float32", "float64" };
    static const int sizes[] = { 0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8 };
    assert_int_equal(a->ndim, 1);
    add(t, "%s[%lld] ", names[a->dtype], (long long)a->shape[0]);
    for (int64_t i = 0; i < a->shape[0] * sizes[a->dtype]; i++)
        add(t, "%02x", ((const unsigned char *)a->data)[i]);
}

static void dump(struct text *t, sb_value v);

static void add_items(struct text *t, sb_value v)
{
    size_t n = v.as.items.len, places = n;
    if (v.kind == SB_DICT_)
        places = 2 * n;
    else if (v.kind == SB_NAMEDTUPLE_)
        places = 2 * n + 1;
    add(t, "[");
    for (size_t i = 0; i < places; i++) {
        bool value = v.kind == SB_DICT_ && i % 2;
        add(t, "%s", i == 0 ? "" : value ? ": " : v.kind == SB_NAMEDTUPLE_ && i == n ? "; " : ", ");
        dump(t, v.as.items.ptr[i]);
    }
    add(t, "]");
}

static void dump(struct text *t, sb_value v)
{
    static const char *const names[] = {
        "SB_UNSET",     "SB_NONE_",     "SB_BOOL_",       "SB_INT_",        "SB_UINT_",
        "SB_BIGINT_",   "SB_FLOAT_",    "SB_COMPLEX_",    "SB_STR_",        "SB_BYTES_",
        "SB_LIST_",     "SB_TUPLE_",    "SB_SET_",        "SB_FROZENSET_",  "SB_DICT_",
        "SB_ARRAY_",    "SB_OBJECT_",   "SB_KEYWORD_",    "SB_FAILED_",     "SB_DECIMAL_",
        "SB_FRACTION_", "SB_DATETIME_", "SB_DATE_",       "SB_TIME_",       "SB_TIMEDELTA_",
        "SB_UUID_",     "SB_ENUM_",     "SB_NAMEDTUPLE_", "SB_RANGE_",      "SB_SLICE_",
        "SB_ELLIPSIS_", "SB_PATH_",     "SB_DATETIME64_", "SB_TIMEDELTA64_"
    };
    const sb_datetime *d = &v.as.datetime;
    bool alone = v.kind == SB_NONE_ || v.kind == SB_OBJECT_ || v.kind == SB_ELLIPSIS_;
    add(t, "%s%s", names[v.kind], alone ? "" : " ");
    switch ((int)v.kind) {
    case SB_BOOL_:
        add(t, v.as.b ? "true" : "false");
        break;
    case SB_INT_:
        add(t, "%lld", (long long)v.as.i);
        break;
    case SB_UINT_:
        add(t, "%llu", (unsigned long long)v.as.u);
        break;
    case SB_BIGINT_:
        add(t, "%s", v.as.str.ptr);
        break;
    case SB_FLOAT_:
        add_float(t, v.as.f);
        break;
    case SB_COMPLEX_:
        add_float(t, v.as.complex_[0]);
        add(t, " ");
        add_float(t, v.as.complex_[1]);
        break;
    case SB_STR_:
    case SB_DECIMAL_:
    case SB_FRACTION_:
    case SB_PATH_:
    case SB_BYTES_:
        add_text(t, v.as.str.ptr, v.as.str.len, v.kind == SB_BYTES_);
        break;
    case SB_DATETIME_:
        add(t, "%04d-%02d-%02d ", d->year, d->month, d->day);
        add_clock(t,
                  (sb_time) { d->hour, d->minute, d->second, d->fold, d->microsecond, d->offset });
        break;
    case SB_DATE_:
        add(t, "%04d-%02d-%02d", v.as.date.year, v.as.date.month, v.as.date.day);
        break;
    case SB_TIME_:
        add_clock(t, v.as.time);
        break;
    case SB_TIMEDELTA_:
        add(t, "%d %d %d", v.as.timedelta.days, v.as.timedelta.seconds,
            v.as.timedelta.microseconds);
        break;
    case SB_UUID_:
        for (int i = 0; i < 16; i++)
            add(t, "%02x", v.as.uuid.bytes[i]);
        break;
    case SB_DATETIME64_:
    case SB_TIMEDELTA64_:
        add_ticks(t, v.as.ticks);
        break;
    case SB_ARRAY_:
        add_array(t, v.as.array);
        break;
    case SB_NONE_:
    case SB_OBJECT_:
    case SB_ELLIPSIS_:
        break;
    default:
        add_items(t, v);
        break;
    }
}

/* Whether the dump is what the table says; a * there stands for anything up to the next comma. */
static bool matches(const char *due, const char *got)
{
    for (; *due && (*due == *got || *due == '*'); due++) {
        if (*due == '*')
            got += strcspn(got, ",");
        else
            got++;
    }
    return !*due && !*got;
}

static int wrong;

static void compare(sb_session *py, int64_t i, const char *what, sb_value due, sb_value v)
{
    struct text t = { .len = 0 };
    dump(&t, v);
    sb_str expression = sb_as_str(py, sb_call(py, "values_table.expression", i));
    if (!sb_failed(py) && matches(sb_as_str(py, due).ptr, t.buf))
        return;
    print_error("%s: %s is\n  %s, not\n  %s\n", expression.ptr, what, t.buf,
                sb_as_str(py, due).ptr);
    sb_print_error(py, stderr);
    sb_clear_error(py);
    wrong++;
}

static void expect_back(sb_session *py, int64_t i, sb_value v, bool fetched)
{
    sb_value said = sb_call(py, "values_table.sent_back", i, v, fetched ? SB_TRUE : SB_FALSE);
    if (!sb_failed(py) && sb_as_str(py, said).len == 0)
        return;
    sb_print_error(py, stderr);
    sb_clear_error(py);
    print_error("row %d%s: %s\n", (int)i, fetched ? ", fetched" : "", sb_as_str(py, said).ptr);
    sb_clear_error(py);
    wrong++;
}

static void table(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    int64_t n = sb_as_int(py, sb_call(py, "values_table.count"));
    expect_fine(py);
    assert_true(n > 90);
    wrong = 0;
    for (int64_t i = 0; i < n; i++) {
        SB_SCOPE(py);
        sb_value v = sb_call(py, "values_table.make", i), kept;
        compare(py, i, "the result", sb_call(py, "values_table.arrives", i), v);
        expect_back(py, i, v, false);
        sb_value fetched = sb_fetch(py, v);
        compare(py, i, "the copy", sb_call(py, "values_table.is_fetched", i), fetched);
        expect_back(py, i, fetched, true);
        {
            SB_SCOPE(py);
            sb_value again = sb_fetch(py, sb_call(py, "values_table.make", i));
            kept = sb_keep_value(py, again);
            if (again.kind == SB_OBJECT_)
                assert_int_equal(kept.as.object.id, again.as.object.id);
        }
        compare(py, i, "the kept copy", sb_call(py, "values_table.is_fetched", i), kept);
        expect_back(py, i, kept, true);
    }
    sb_call(py, "values_table.forget");
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(table) };
    return cmocka_run_group_tests_name("values.table", tests, NULL, NULL);
}
