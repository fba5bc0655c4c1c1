/* SPDX-License-Identifier: MIT
 *
 * Values that C makes, looks into, converts and keeps; and what is refused, with its place. Over each transport. */
#include "sbtest.h"
#include <stdio.h>

static void expect_made(sb_session *py, const char *expression, sb_value v)
{
    sb_str wrong = sb_as_str(py, sb_call(py, "values_more.equal", expression, v));
    expect_fine(py);
    if (wrong.len)
        fail_msg("%s", wrong.ptr);
}

static sb_value made(sb_session *py, const char *expression)
{
    return sb_call(py, "values_more.evaluate", expression);
}

static void constructors(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    expect_made(py, "decimal.Decimal('1.50')", sb_from_decimal("1.50"));
    expect_made(py, "decimal.Decimal('1.5E+7')", sb_from_decimal("+15e6"));
    expect_made(py, "decimal.Decimal('0.5')", sb_from_decimal(".5"));
    expect_made(py, "decimal.Decimal('-Infinity')", sb_from_decimal("-inf"));
    expect_made(py, "fractions.Fraction(22, 7)", sb_from_fraction("44/14"));
    expect_made(py, "fractions.Fraction(3)", sb_from_fraction("3"));
    expect_made(py, "pathlib.Path('a/b')", sb_from_path("a//b/"));
    expect_made(py, "None", sb_from_path(NULL));
    expect_made(py, "...", SB_ELLIPSIS);
    const sb_datetime at = { 2024, 2, 29, 23, 59, 58, 0, 1, 3600 };
    expect_made(py,
                "datetime.datetime(2024, 2, 29, 23, 59, 58, 1, "
                "datetime.timezone(datetime.timedelta(hours=1)))",
                sb_from_datetime(at));
    expect_made(py, "datetime.date(2000, 2, 29)", sb_from_date((sb_date) { 2000, 2, 29 }));
    expect_made(py, "datetime.time(1, 2, 3, 4)",
                sb_from_time((sb_time) { 1, 2, 3, 0, 4, SB_NAIVE }));
    expect_made(py, "datetime.timedelta(seconds=-90)",
                sb_from_timedelta((sb_timedelta) { 0, -90, 0 }));
    expect_made(py, "datetime.timedelta(days=1, seconds=1)",
                sb_from_timedelta((sb_timedelta) { 0, 86399, 2000000 }));
    sb_uuid id = { { 1, 2, 3 } };
    expect_made(py, "uuid.UUID(bytes=bytes([1, 2, 3] + 13 * [0]))", sb_from_uuid(id));
    expect_made(py, "range(1, 10, 2)", SB_RANGE(py, 1, 10, 2));
    expect_made(py, "slice(None, 5, None)", SB_SLICE(py, SB_NONE, 5, SB_NONE));
    expect_made(py, "frozenset([1])", SB_FROZENSET(py, 1));
    expect_made(py, "Color.RED", SB_ENUM(py, "values_table:Color", "RED"));
    expect_made(py, "Color.RED", SB_ENUM(py, "values_table.Color", "RED"));
    expect_made(py, "Point(1, 'b')", SB_NAMEDTUPLE(py, "values_table:Point", "x", 1, "y", "b"));
    expect_made(py, "[2, 3]",
                sb_fetch(py, sb_item(py, SB_LIST(py, 1, 2, 3), SB_SLICE(py, 1, SB_NONE, SB_NONE))));
    assert_int_equal(sb_close(py), 0);
}

static void refused(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    const struct {
        sb_value v;
        sb_code code;
        const char *type, *message;
    } cases[] = {
        { sb_from_decimal("1,5"), SB_E_TYPE, NULL, "\"1,5\" is no decimal number" },
        { sb_from_decimal(""), SB_E_TYPE, NULL, "is no decimal number" },
        { sb_from_decimal("1E+1000000000000000000"), SB_E_PYTHON, "decimal.InvalidOperation",
          NULL },
        { sb_from_fraction("1/0"), SB_E_TYPE, NULL, "its denominator is not above 0" },
        { sb_from_fraction("1/-2"), SB_E_TYPE, NULL, "its denominator is not above 0" },
        { sb_from_fraction("a"), SB_E_TYPE, NULL, "are no decimal digits" },
        { sb_from_date((sb_date) { 2023, 2, 29 }), SB_E_RANGE, NULL, "a date that does not exist" },
        { sb_from_date((sb_date) { 0 }), SB_E_RANGE, NULL, "a date that does not exist" },
        { sb_from_datetime((sb_datetime) { 2024, 1, 1, 24, 0, 0, 0, 0, SB_NAIVE }), SB_E_RANGE,
          NULL, "a datetime that does not exist" },
        { sb_from_datetime((sb_datetime) { 2024, 1, 1, 0, 0, 0, 0, 0, 86400 }), SB_E_RANGE, NULL,
          "a datetime that does not exist" },
        { sb_from_time((sb_time) { 0, 60, 0, 0, 0, 0 }), SB_E_RANGE, NULL,
          "a time that does not exist" },
        { sb_from_timedelta((sb_timedelta) { 1000000000, 0, 0 }), SB_E_RANGE, NULL,
          "999999999 days" },
        { sb_from_datetime64((sb_ticks) { 1, 1, SB_UNIT_NONE }), SB_E_RANGE, NULL, "unit" },
        { sb_from_timedelta64((sb_ticks) { 1, 0, SB_UNIT_DAY }), SB_E_RANGE, NULL, "step" },
        { SB_RANGE(py, 1, 2.5, 1), SB_E_MISUSE, NULL, "a range with other parts" },
        { SB_RANGE(py, 1, 2, 0), SB_E_PYTHON, "ValueError", "must not be zero" },
        { SB_ENUM(py, "values_table:Color", "PINK"), SB_E_PYTHON, "KeyError", "PINK" },
        { SB_ENUM(py, "values_table:Point", "x"), SB_E_PYTHON, "TypeError", "is no Enum" },
        { SB_ENUM(py, "values_table:nothing", "x"), SB_E_PYTHON, "AttributeError", "nothing" },
        { SB_ENUM(py, "values_table:count", "x"), SB_E_PYTHON, "TypeError", "is not a class" },
        { SB_ENUM(py, "", "x"), SB_E_PYTHON, "ValueError", "names no class" },
        { SB_ENUM(py, 5, "x"), SB_E_MISUSE, NULL, "with other parts" },
        { SB_NAMEDTUPLE(py, "values_table:Point", "x", 1), SB_E_PYTHON, "TypeError",
          "has the fields" },
        { SB_NAMEDTUPLE(py, "values_table:Point", "y", 1, "x", 2), SB_E_PYTHON, "TypeError",
          "has the fields" },
        { SB_NAMEDTUPLE(py, "values_table:Color", "x", 1), SB_E_PYTHON, "AttributeError",
          "_fields" },
        { SB_LIST(py, 1, SB_DICT(py, "a", SB_SET(py, 1, SB_LIST(py)))), SB_E_PYTHON, "TypeError",
          "unhashable type: 'list' (at x[1]['a']{item 1})" },
        { SB_DICT(py, "a", SB_TUPLE(py, SB_DICT(py, SB_DICT(py), 1))), SB_E_PYTHON, "TypeError",
          "unhashable type: 'dict' (at x['a'][0]{key 0})" },
        { SB_LIST(py, SB_ENUM(py, "values_table:Color", "PINK")), SB_E_PYTHON, "KeyError",
          "(at x[0])" },
    };
    expect_fine(py);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sb_call(py, "sbtest.echo", cases[i].v);
        expect_error(py, cases[i].code, cases[i].type, cases[i].message);
    }
    (void)SB_NAMEDTUPLE(py, "values_table:Point", "x");
    expect_error(py, SB_E_MISUSE, NULL, "a name without a value");
    assert_int_equal(sb_close(py), 0);
}

static void results_refused(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_fetch(py, sb_call(py, "values_more.cycle", "dict"));
    expect_error(py, SB_E_TYPE, NULL, "a value that contains itself: x['a'][2]['b'] is x['a']");
    sb_fetch(py, sb_call(py, "values_more.cycle", "shop"));
    expect_error(py, SB_E_TYPE, NULL, "a value that contains itself: x.stock[0][1] is x");
    sb_fetch(py, sb_call(py, "values_more.cycle", "deque"));
    expect_error(py, SB_E_TYPE, NULL, "a value that contains itself: x[1][0] is x");
    sb_fetch(py, sb_call(py, "values_more.not_text"));
    expect_error(py, SB_E_PYTHON, "UnicodeEncodeError", "surrogates not allowed (at x['a'][1][1])");
    sb_fetch(py, sb_call(py, "values_more.large"));
    expect_error(py, SB_E_PYTHON, "ValueError", "(at x['a'][0])");
    sb_fetch(py, sb_call(py, "sbtest.nested", 1000));
    expect_error(py, SB_E_LIMIT, NULL, "nested more than 500 deep (at x[");
    sb_call(py, "sbtest.echo", 1); /* and nothing of the place is left */
    sb_call(py, "builtins.int", "x");
    expect_error(py, SB_E_PYTHON, "ValueError", "'x'");
    assert_int_equal(sb_close(py), 0);
}

static void dates(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_datetime d = sb_as_datetime(py, made(py, "Moment(2024, 2, 29, 1, 2, 3, 4)"));
    assert_true(d.year == 2024 && d.month == 2 && d.day == 29 && d.hour == 1 && d.minute == 2 &&
                d.second == 3);
    assert_true(d.microsecond == 4 && d.offset == SB_NAIVE && d.fold == 0);
    sb_value berlin = sb_call(py, "values_more.berlin");
    if (!sb_is_none(berlin)) {
        assert_int_equal(berlin.kind, SB_OBJECT_);
        d = sb_as_datetime(py, berlin);
        assert_true(d.hour == 12 && d.offset == 7200);
    }
    d = sb_as_datetime(py, made(py, "datetime.datetime(2024, 1, 1, tzinfo=Later())"));
    assert_int_equal(d.offset, 3600);
    sb_as_datetime(py, sb_call(py, "values_more.stamp"));
    expect_error(py, SB_E_RANGE, NULL, "with nanoseconds");
    sb_as_datetime(py, sb_call(py, "values_more.half_second"));
    expect_error(py, SB_E_RANGE, NULL, "no whole number of seconds");
    sb_as_time(py, made(py, "datetime.time(1, tzinfo=type('Z', (datetime.tzinfo,), {'utcoffset': "
                            "lambda s, d: None})())"));
    expect_error(py, SB_E_RANGE, NULL, "no offset without a date");
    sb_as_datetime(py, sb_from_date((sb_date) { 2024, 1, 1 }));
    expect_error(py, SB_E_TYPE, NULL, "datetime was due, got date");
    sb_as_date(py, made(py, "datetime.datetime(2024, 1, 1)"));
    expect_error(py, SB_E_TYPE, NULL, "date was due, got datetime");
    sb_as_timedelta(py, made(py, "object()"));
    expect_error(py, SB_E_TYPE, NULL, "timedelta was due, got object");
    expect_fine(py);
    const struct {
        sb_ticks t;
        int year, month, day, hour, microsecond; /* year 0: no datetime */
    } ticks[] = {
        { { 0, 1, SB_UNIT_DAY }, 1970, 1, 1, 0, 0 },
        { { -1, 1, SB_UNIT_YEAR }, 1969, 1, 1, 0, 0 },
        { { -1969, 1, SB_UNIT_YEAR }, 1, 1, 1, 0, 0 },
        { { -1970, 1, SB_UNIT_YEAR }, 0, 0, 0, 0, 0 },
        { { 8029, 1, SB_UNIT_YEAR }, 9999, 1, 1, 0, 0 },
        { { 8030, 1, SB_UNIT_YEAR }, 0, 0, 0, 0, 0 },
        { { 649, 1, SB_UNIT_MONTH }, 2024, 2, 1, 0, 0 },
        { { 19782, 1, SB_UNIT_DAY }, 2024, 2, 29, 0, 0 },
        { { -719162, 1, SB_UNIT_DAY }, 1, 1, 1, 0, 0 },
        { { -719163, 1, SB_UNIT_DAY }, 0, 0, 0, 0, 0 },
        { { 2932896, 1, SB_UNIT_DAY }, 9999, 12, 31, 0, 0 },
        { { 2932897, 1, SB_UNIT_DAY }, 0, 0, 0, 0, 0 },
        { { -1, 1, SB_UNIT_HOUR }, 1969, 12, 31, 23, 0 },
        { { -1, 1000, SB_UNIT_NS }, 1969, 12, 31, 23, 999999 },
        { { 1, 1, SB_UNIT_NS }, 0, 0, 0, 0, 0 },
        { { INT64_MAX, 2, SB_UNIT_SECOND }, 0, 0, 0, 0, 0 },
        { { INT64_MAX, 1, SB_UNIT_WEEK }, 0, 0, 0, 0, 0 },
        { { SB_NAT, 1, SB_UNIT_DAY }, 0, 0, 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
        d = sb_as_datetime(py, sb_from_datetime64(ticks[i].t));
        if (!ticks[i].year)
            expect_error(py, SB_E_RANGE, NULL, "is not exactly a datetime");
        expect_fine(py);
        if (d.year != ticks[i].year || d.month != ticks[i].month || d.day != ticks[i].day ||
            d.hour != ticks[i].hour || d.microsecond != (uint32_t)ticks[i].microsecond)
            fail_msg("ticks %d: %d-%d-%d %d %u", (int)i, d.year, d.month, d.day, d.hour,
                     d.microsecond);
    }
    sb_as_date(py, sb_from_datetime64((sb_ticks) { 1, 1, SB_UNIT_HOUR }));
    expect_error(py, SB_E_RANGE, NULL, "is not exactly a date");
    sb_timedelta delta = sb_as_timedelta(py, sb_from_timedelta64((sb_ticks) { -1, 1, SB_UNIT_MS }));
    assert_true(delta.days == -1 && delta.seconds == 86399 && delta.microseconds == 999000);
    sb_as_timedelta(py, sb_from_timedelta64((sb_ticks) { 1, 1, SB_UNIT_MONTH }));
    expect_error(py, SB_E_RANGE, NULL, "is not exactly a timedelta");
    assert_int_equal(sb_as_time(py, made(py, "datetime.time(5)")).hour, 5);
    assert_int_equal(sb_as_date(py, made(py, "datetime.date(2024, 1, 5)")).day, 5);
    assert_int_equal(sb_close(py), 0);
}

static void looking(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_value p = sb_fetch(py, made(py, "Point(1, [2])"));
    assert_int_equal(sb_count(py, p), 2);
    assert_int_equal(sb_as_int(py, sb_get(py, p, "x")), 1);
    assert_int_equal(sb_nth(py, p, 1).kind, SB_LIST_);
    assert_true(sb_is_unset(sb_get(py, p, "z")));
    sb_nth(py, p, 2);
    expect_error(py, SB_E_PYTHON, "IndexError", NULL);
    assert_int_equal(sb_as_int(py, made(py, "Level.HIGH")), 2);
    assert_int_equal(sb_as_int(py, made(py, "Color.RED")), 1);
    assert_string_equal(sb_as_str(py, made(py, "Color.GREEN")).ptr, "g");
    sb_as_int(py, made(py, "Color.BLUE"));
    expect_error(py, SB_E_TYPE, NULL, "int was due, got tuple");
    const struct {
        int64_t start, stop, step;
        size_t n;
        int64_t last;
    } ranges[] = { { 0, 10, 3, 4, 9 },   { 10, 0, -3, 4, 1 },
                   { 0, 0, 1, 0, 0 },    { 5, 0, 1, 0, 0 },
                   { 0, 5, -1, 0, 0 },   { INT64_MIN, INT64_MAX, INT64_MAX, 3, INT64_MAX - 1 },
                   { -1, 1, 100, 1, -1 } };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        sb_value r = SB_RANGE(py, ranges[i].start, ranges[i].stop, ranges[i].step);
        assert_int_equal(sb_count(py, r), ranges[i].n);
        assert_int_equal(sb_as_int(py, sb_call(py, "builtins.len", r)), ranges[i].n);
        if (ranges[i].n)
            assert_int_equal(sb_as_int(py, sb_nth(py, r, ranges[i].n - 1)), ranges[i].last);
        sb_nth(py, r, ranges[i].n);
        expect_error(py, SB_E_PYTHON, "IndexError", NULL);
    }
    sb_value big = made(py, "range(2**64, 2**64 + 5)");
    assert_int_equal(sb_count(py, big), 5);
    assert_int_equal(sb_nth(py, big, 4).kind, SB_BIGINT_);
    sb_value d = sb_fetch(py, sb_call(py, "values_more.keys"));
    assert_int_equal(d.kind, SB_DICT_);
    assert_string_equal(sb_as_str(py, sb_get(py, d, sb_from_decimal("1.0"))).ptr, "one");
    assert_string_equal(sb_as_str(py, sb_get(py, d, 1)).ptr, "one");
    assert_string_equal(sb_as_str(py, sb_get(py, d, sb_from_date((sb_date) { 2024, 1, 1 }))).ptr,
                        "day");
    assert_string_equal(sb_as_str(py, sb_get(py, d, 2)).ptr, "high");
    assert_string_equal(sb_as_str(py, sb_get(py, d, sb_from_fraction("5/2"))).ptr, "float");
    assert_string_equal(
        sb_as_str(py, sb_get(py, d, SB_TUPLE(py, 1.0, sb_from_date((sb_date) { 2024, 1, 1 })))).ptr,
        "pair");
    assert_true(sb_is_unset(sb_get(py, d, sb_from_decimal("3"))));
    assert_true(sb_is_unset(sb_get(py, d, "one")));
    expect_fine(py);
    sb_value liars = sb_fetch(py, sb_call(py, "values_more.liars"));
    assert_true(sb_is_unset(sb_get(py, liars, 5)));
    expect_error(py, SB_E_PYTHON, "RuntimeError", "no comparison");
    assert_int_equal(sb_close(py), 0);
}

static void growing(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_value a = sb_list_new(py, SB_LIST_, 8);
    sb_push(py, &a, 1);
    sb_value b = a; /* as any sb_value is copied */
    sb_push(py, &a, 2);
    sb_push(py, &b, 3);
    sb_push(py, &a, 4);
    expect_made(py, "[1, 2, 4]", a);
    expect_made(py, "[1, 3]", b);
    sb_value d = SB_DICT(py, "a", 1), e = d;
    sb_put(py, &d, "b", 2);
    sb_put(py, &e, "c", 3);
    expect_made(py, "{'a': 1, 'b': 2}", d);
    expect_made(py, "{'a': 1, 'c': 3}", e);
    sb_value kept;
    {
        SB_SCOPE(py);
        sb_value inner = sb_list_new(py, SB_LIST_, 100);
        sb_push(py, &inner, 1);
        kept = sb_keep_value(py, inner);
    }
    for (int i = 2; i < 50; i++)
        sb_push(py, &kept, i);
    expect_made(py, "list(range(1, 50))", kept);
    sb_value deep = SB_LIST(py);
    for (int i = 0; i < 600; i++)
        deep = SB_LIST(py, deep);
    sb_keep_value(py, deep);
    expect_error(py, SB_E_LIMIT, NULL, "a value nested more than 500 deep");
    assert_int_equal(sb_close(py), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constructors),    cmocka_unit_test(refused),
        cmocka_unit_test(results_refused), cmocka_unit_test(dates),
        cmocka_unit_test(looking),         cmocka_unit_test(growing),
    };
    return cmocka_run_group_tests_name("values.made", tests, NULL, NULL);
}
