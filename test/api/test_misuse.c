/* SPDX-License-Identifier: MIT
 *
 * Calls that are not allowed: each has its clear error with its place, and leaves the session usable. Over each transport. */
#include "api.h"
#include <math.h>

/* The error is that of the line, which `EXPECT` is on or the line above. */
static void expect_at(sb_session *py, sb_code code, const char *type, const char *text, int line)
{
    const sb_error *e = sb_get_error(py);
    if (!e)
        fail_msg("line %d: no error; expected %s \"%s\"", line, sb_code_name(code),
                 text ? text : "");
    if (e->code != code || (type && strcmp(e->type, type) != 0) ||
        (text && !strstr(e->message, text)))
        fail_msg("line %d: expected %s %s \"%s\", got %s %s \"%s\"", line, sb_code_name(code),
                 type ? type : "", text ? text : "", sb_code_name(e->code), e->type, e->message);
    if (!strstr(e->file, "test_misuse.c") || e->line > line || e->line < line - 2)
        fail_msg("line %d: \"%s\" is at %s:%d", line, e->message, e->file, e->line);
    sb_clear_error(py);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0); /* it goes on */
}
#define EXPECT(code, text) expect_at(py, code, NULL, text, __LINE__)
#define EXPECT_PYTHON(type, text) expect_at(py, SB_E_PYTHON, type, text, __LINE__)

static void null_session(void **state)
{
    (void)state;
    sb_session *py = NULL;
    int64_t n = 7;
    const int64_t shape[] = { 2 };
    sb_array a = { 0 };
    sb_value list = { .kind = SB_LIST_ };
    assert_true(sb_failed(py));
    assert_int_equal(sb_get_error(py)->code, SB_E_MISUSE);
    assert_string_equal(sb_get_error(py)->type, "SB_E_MISUSE");
    assert_non_null(strstr(sb_get_error(py)->message, "NULL"));
    sb_clear_error(py);
    assert_true(sb_failed(py));
    assert_false(sb_catch(py, NULL));
    assert_null(sb_user(py));
    assert_int_equal(sb_as_bool(py, 1), 0);
    assert_int_equal(sb_as_int(py, 1), 0);
    assert_float_equal(sb_as_double(py, 1), 0, 0);
    assert_string_equal(sb_as_str(py, "x").ptr, "");
    assert_int_equal(sb_as_bytes(py, "x").len, 0);
    assert_non_null(sb_as_bytes(py, "x").ptr);
    assert_null(sb_as_array(py, &a).data);
    assert_int_equal(sb_as_object(py, 1).id, 0);
    assert_int_equal(sb_fetch(py, 1).kind, SB_FAILED_);
    assert_int_equal(sb_count(py, "abc"), 0);
    assert_int_equal(sb_nth(py, list, 0).kind, SB_FAILED_);
    assert_true(sb_is_unset(sb_get(py, list, 1)));
    assert_int_equal(SB_LIST(py, 1).kind, SB_FAILED_);
    assert_int_equal(sb_list_new(py, SB_LIST_, 1).kind, SB_FAILED_);
    sb_push(py, &list, 1);
    assert_int_equal(list.as.items.len, 0);
    assert_null(sb_array_new(py, SB_INT8, 1, shape).data);
    assert_null(SB_DATA(py, a, double, &n));
    assert_int_equal(n, 0);
    assert_int_equal(sb_call(py, "math.pi").kind, SB_FAILED_);
    assert_int_equal(sb_method(py, 1, "x").kind, SB_FAILED_);
    assert_int_equal(sb_import(py, "math").kind, SB_FAILED_);
    assert_int_equal(sb_attr(py, 1, "real").kind, SB_FAILED_);
    sb_set_attr(py, 1, "real", 2);
    assert_int_equal(sb_item(py, list, 0).kind, SB_FAILED_);
    sb_set_item(py, list, 0, 1);
    assert_int_equal(sb_op(py, 1, "+", 2).kind, SB_FAILED_);
    assert_false(sb_is(py, 1, 1));
    assert_string_equal(sb_to_str(py, 1).ptr, "");
    sb_print(py, "this is not printed");
    assert_int_equal(sb_keep(py, (sb_object) { 5 }).id, 5);
    assert_string_equal(sb_keep_str(py, (sb_str) { "x", 1 }).ptr, "");
    assert_int_equal(sb_keep_value(py, SB(1)).kind, SB_FAILED_);
    sb_release(py, (sb_object) { 5 });
    {
        SB_SCOPE(py);
        SB_USING(py, .timeout = 1);
    }
    assert_float_equal(py_math_sqrt(py, 4), 0, 0);
    assert_string_equal(sbtest_head(py, 1).ptr, "");
    assert_int_equal(sbtest_Box_new(py, 1).object.id, 0);
    assert_int_equal(sbtest_pair(py).item1, 0);
    assert_int_equal(sbtest_mixed(py).item2.kind, SB_FAILED_);
    assert_int_equal(sb_cast(py, SB_SITE_(""), "sbtest:Box", SB(1)).id, 0);
    assert_int_equal(sb_close(py), 1);
}

static void names(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_call(py, "");
    EXPECT(SB_E_MISUSE, NULL);
    sb_call(py, NULL);
    EXPECT(SB_E_MISUSE, NULL);
    sb_call(py, ".");
    EXPECT(SB_E_MISUSE, NULL);
    sb_call(py, "math.");
    EXPECT(SB_E_MISUSE, NULL);
    sb_call(py, "math..sqrt", 1);
    EXPECT(SB_E_MISUSE, NULL);
    sb_call(py, "math sqrt", 1);
    EXPECT_PYTHON("ModuleNotFoundError", "math sqrt");
    sb_call(py, "m\xff", 1);
    EXPECT(SB_E_TYPE, "UTF-8");
    sb_import(py, "no_such_module");
    EXPECT_PYTHON("ModuleNotFoundError", "no_such_module");
    sb_import(py, NULL);
    EXPECT(SB_E_MISUSE, NULL);
    sb_attr(py, 1, "nothing");
    EXPECT_PYTHON("AttributeError", "nothing");
    sb_attr(py, 1, NULL);
    EXPECT_PYTHON("TypeError", "attribute name must be string");
    sb_attr(py, 1, "\xff");
    EXPECT_PYTHON("UnicodeDecodeError", "invalid start byte");
    sb_method(py, "x", "", 1);
    EXPECT(SB_E_MISUSE, NULL);
    sb_method(py, "x", NULL, 1);
    EXPECT(SB_E_MISUSE, NULL);
    sb_op(py, 1, "<>", 2);
    EXPECT(SB_E_MISUSE, "there is no operator \"<>\"");
    sb_op(py, 1, NULL, 2);
    EXPECT(SB_E_MISUSE, "there is no operator");
    sb_op(py, 1, "+", "x");
    EXPECT_PYTHON("TypeError", "unsupported operand");
    sb_op(py, 1, "/", 0);
    EXPECT_PYTHON("ZeroDivisionError", "division by zero");
    assert_int_equal(sb_close(py), 0);
}

static void arguments(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_value unset = sb_of_kind_(SB_UNSET), failed = sb_of_kind_(SB_FAILED_);
    sb_call(py, "sbtest.echo", unset);
    EXPECT(SB_E_MISUSE, "nothing was passed");
    sb_call(py, "sbtest.echo", failed);
    EXPECT(SB_E_MISUSE, "failed");
    sb_call(py, "sbtest.echo", SB_LIST(py, 1, unset));
    EXPECT(SB_E_MISUSE, "nothing was passed");
    sb_call(py, "sbtest.keywords", SB_KW("k", unset));
    EXPECT(SB_E_MISUSE, "nothing was passed");
    sb_call(py, "sbtest.keywords", sb_keyword_("k"));
    EXPECT(SB_E_MISUSE, "keyword without a value");
    sb_call(py, "sbtest.keywords", SB_KW("k", 1), SB_KW("k", 2));
    EXPECT(SB_E_MISUSE, "k");
    sb_call(py, "sbtest.keywords", SB_KW("", 1));
    EXPECT(SB_E_MISUSE, NULL);
    sb_call(py, "sbtest.keywords", SB_KW(NULL, 1));
    EXPECT(SB_E_MISUSE, NULL);
    sb_call(py, "sbtest.echo");
    EXPECT_PYTHON("TypeError", "missing 1 required positional argument");
    sb_call(py, "sbtest.echo", 1, 2);
    EXPECT_PYTHON("TypeError", "takes 1 positional argument");
    sb_call(py, "sbtest.echo", 1, SB_KW("nope", 2));
    EXPECT_PYTHON("TypeError", "nope");
    sb_call(py, "sbtest.echo", "not \xff UTF-8");
    EXPECT_PYTHON("UnicodeDecodeError", "invalid start byte");
    sb_call(py, "sbtest.echo", "\xed\xa0\x80"); /* a lone surrogate */
    EXPECT_PYTHON("UnicodeDecodeError", "invalid continuation byte");
    sbtest_head(py, 1, .name = "\xff");
    EXPECT_PYTHON("UnicodeDecodeError", "invalid start byte");
    sbtest_head(py, 1, .of = unset);
    EXPECT(SB_E_MISUSE, ".of: nothing was passed as a value; a plain value is written with SB()");
    sbtest_head(py, 1, .of = SB_LIST(py, sb_from_digits("1x")));
    EXPECT(SB_E_TYPE, ".of: \"1x\" are no decimal digits");
    sb_call(py, "sbtest.echo", sb_from_digits("12x"));
    EXPECT(SB_E_TYPE, "\"12x\" are no decimal digits");
    sb_call(py, "sbtest.echo", sb_from_digits(""));
    EXPECT(SB_E_TYPE, "no decimal digits");
    sb_call(py, "sbtest.echo", sb_from_digits("-"));
    EXPECT(SB_E_TYPE, "no decimal digits");
    sb_call(py, "sbtest.echo", (sb_value) { .kind = (sb_kind)99 });
    EXPECT(SB_E_MISUSE, NULL);
    sb_call(py, "sbtest.echo", SB(((sb_object) { UINT64_C(0xdeadbeefdeadbeef) })));
    EXPECT(SB_E_SESSION, "another session");
    (void)SB_DICT(py, "key");
    EXPECT(SB_E_MISUSE, "a key without a value");
    (void)SB_LIST(py, SB_KW("k", 1));
    EXPECT(SB_E_MISUSE, "SB_KW");
    sb_call(py, "sbtest.echo", SB_DICT(py, SB_LIST(py, 1), 1));
    EXPECT_PYTHON("TypeError", "unhashable");
    sb_call(py, "sbtest.echo", SB_SET(py, SB_LIST(py, 1)));
    EXPECT_PYTHON("TypeError", "unhashable");
    assert_int_equal(sb_close(py), 0);
}

/* Options are read from the text of the call: what a macro hides, or what has no name, is not in it. */
#define HIDDEN(x) .n = x
static void options_without_names(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sbtest_head(py, 1, HIDDEN(3));
    EXPECT(SB_E_MISUSE, "options are written as .name = value in the call itself: HIDDEN(3)");
    sbtest_head(py, 1, .ascending = false, HIDDEN(3));
    EXPECT(SB_E_MISUSE, "HIDDEN(3)");
    sbtest_head_opts by_place = { .site = { "test_misuse.c", "3", __LINE__ + 1 }, .n = 3 };
    (sbtest_head)(py, 1, &by_place);
    EXPECT(SB_E_MISUSE, "in the call itself: 3");
    sbtest_head_opts unknown = { .site = { "test_misuse.c", ".m = 3", __LINE__ + 1 } };
    (sbtest_head)(py, 1, &unknown);
    EXPECT(SB_E_MISUSE, "has no option \"m\"");
    /* No options at all, and no place: as by a function pointer, or in a debugger. */
    assert_string_equal((sbtest_head)(py, 1, NULL).ptr,
                        "1.0 n=5 ascending=True alpha=1.5 name='none' of=None");
    assert_int_equal((sbtest_pair)(py, NULL).item1, 7);
    assert_int_equal((sbtest_Box_value)(py, (sbtest_Box_new)(py, 4, NULL), NULL), 4);
    assert_true(sb_cast(py, NULL, "sbtest:Box", SB(sbtest_Box_new(py, 1))).id != 0);
    expect_fine(py);
    assert_float_equal((py_math_sqrt)(py, -1, NULL), 0, 0);
    const sb_error *e = sb_get_error(py);
    assert_string_equal(e->type, "ValueError");
    assert_string_equal(e->file, "");
    /* A struct that is not filled is the zero of its members. */
    sbtest_mixed_result m;
    memset(&m, 0x55, sizeof m);
    m = sbtest_mixed(py);
    assert_string_equal(m.item0.ptr, "");
    assert_int_equal(m.item2.kind, SB_FAILED_);
    sb_clear_error(py);
    static const sb_fn wrong = { "sbtest:mixed", "f:nonsense>(s,o{sbtest:Box},v,b,d)" };
    struct {
        sb_str s;
        sb_object o;
        sb_value v;
        bool b;
        double d;
    } r;
    memset(&r, 0x55, sizeof r);
    sb_run_t(py, &wrong, SB_SITE_(""), NULL, &r);
    expect_at(py, SB_E_MISUSE, NULL, "cannot be read", __LINE__ - 1);
    assert_string_equal(r.s.ptr, "");
    assert_int_equal(r.v.kind, SB_FAILED_);
    assert_false(r.b);
    assert_float_equal(r.d, 0, 0);
    assert_int_equal(sb_close(py), 0);
}

static void containers(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_value number = SB(1), list = SB_LIST(py, 1);
    sb_push(py, &number, 1);
    EXPECT(SB_E_TYPE, "list, tuple or set was due, got int");
    sb_push(py, NULL, 1);
    EXPECT(SB_E_MISUSE, NULL);
    sb_put(py, &list, "k", 1);
    EXPECT(SB_E_TYPE, "dict was due");
    sb_list_new(py, SB_INT_, 1);
    EXPECT(SB_E_MISUSE, "no container");
    sb_list_new(py, SB_LIST_, SIZE_MAX);
    EXPECT(SB_E_MEMORY, "out of memory");
    sb_nth(py, list, 1);
    EXPECT_PYTHON("IndexError", "out of range");
    sb_nth(py, 5, 0);
    EXPECT_PYTHON("TypeError", "not subscriptable");
    sb_count(py, 5);
    EXPECT_PYTHON("TypeError", "len()");
    sb_item(py, list, "x");
    EXPECT_PYTHON("TypeError", "indices");
    sb_as_int(py, "5");
    EXPECT(SB_E_TYPE, "int was due, got str");
    sb_as_int(py, 2.5);
    EXPECT(SB_E_RANGE, "not an int");
    sb_as_int(py, UINT64_MAX);
    EXPECT(SB_E_RANGE, "64 bits");
    sb_as_double(py, INT64_MAX);
    EXPECT(SB_E_RANGE, "exactly");
    sb_as_str(py, 1);
    EXPECT(SB_E_TYPE, "str was due");
    sb_as_bytes(py, "x");
    EXPECT(SB_E_TYPE, "bytes was due");
    sb_as_bool(py, 1);
    EXPECT(SB_E_TYPE, "bool was due");
    assert_int_equal(sb_close(py), 0);
}

static void arrays(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    double d[4] = { 1, 2, 3, 4 };
    int64_t n = 7;
    const int64_t shape[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, minus[] = { -1 },
                  huge[] = { INT64_MAX, INT64_MAX };
    sb_array a = SB_ARRAY(d, 4);
    assert_null(SB_DATA(py, a, float, &n));
    EXPECT(SB_E_TYPE, "float64, not float32");
    assert_int_equal(n, 0);
    assert_null(SB_DATA(py, (sb_array) { 0 }, double, &n));
    EXPECT(SB_E_MISUSE, "no array");
    a.strides[0] = 16, a.shape[0] = 2;
    assert_null(SB_DATA(py, a, double, &n));
    EXPECT(SB_E_TYPE, "not in C order");
    sb_array_new(py, SB_FLOAT64, 9, shape);
    EXPECT(SB_E_RANGE, "dimensions");
    sb_array_new(py, SB_FLOAT64, 1, minus);
    EXPECT(SB_E_RANGE, "lengths");
    sb_array_new(py, SB_FLOAT64, 2, huge);
    EXPECT(SB_E_RANGE, NULL);
    sb_array_new(py, SB_FLOAT64, 1, NULL);
    EXPECT(SB_E_RANGE, "shape");
    sb_array_new(py, SB_DTYPE_NONE, 1, shape);
    EXPECT(SB_E_RANGE, NULL);
    sb_array_new(py, (sb_dtype)77, 1, shape);
    EXPECT(SB_E_RANGE, NULL);
    a = SB_ARRAY(d, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    sb_call(py, "sbtest.echo", &a);
    EXPECT(SB_E_RANGE, "9 dimensions (at most 8)");
    sb_as_array(py, &a);
    EXPECT(SB_E_RANGE, "9 dimensions (at most 8)");
    sb_keep_value(py, SB(&a));
    assert_null(SB_DATA(py, a, double, &n));
    EXPECT(SB_E_MISUSE, "no array");
    a = SB_ARRAY(d, -4);
    sb_call(py, "sbtest.echo", &a);
    EXPECT(SB_E_RANGE, NULL);
    a = SB_ARRAY((double *)NULL, 4);
    sb_call(py, "sbtest.echo", &a);
    EXPECT(SB_E_MISUSE, NULL);
    a = SB_ARRAY(d, 4);
    a.dtype = (sb_dtype)77;
    sb_call(py, "sbtest.echo", &a);
    EXPECT(SB_E_TYPE, "no type");
    sb_as_array(py, "text");
    EXPECT(SB_E_TYPE, NULL);
    sb_as_array(py, SB_LIST(py, 1, "two"));
    EXPECT(SB_E_TYPE, NULL);
    assert_int_equal(sb_close(py), 0);
}

/* Every way to use an object whose scope has ended. */
static void stale(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sbtest_Box b;
    sb_value list;
    {
        SB_SCOPE(py);
        b = sbtest_Box_new(py, 1);
        list = sb_call(py, "sbtest.nested", 3);
        assert_int_equal(sbtest_Box_value(py, b), 1);
    }
    sbtest_Box_value(py, b);
    EXPECT(SB_E_STALE, "self: an object was used whose scope has ended");
    sbtest_Box_add(py, b, 1);
    EXPECT(SB_E_STALE, NULL);
    sb_call(py, "sbtest.echo", b);
    EXPECT(SB_E_STALE, NULL);
    sb_call(py, "sbtest.keywords", 1, SB_KW("x", b));
    EXPECT(SB_E_STALE, NULL);
    sb_call(py, "sbtest.echo", SB_LIST(py, SB_DICT(py, "k", b)));
    EXPECT(SB_E_STALE, NULL);
    sbtest_head(py, 1, .of = SB(b));
    EXPECT(SB_E_STALE, NULL);
    sb_method(py, b, "get");
    EXPECT(SB_E_STALE, NULL);
    sb_attr(py, b, "value");
    EXPECT(SB_E_STALE, NULL);
    sb_item(py, list, 0);
    EXPECT(SB_E_STALE, NULL);
    sb_nth(py, list, 0);
    EXPECT(SB_E_STALE, NULL);
    sb_count(py, list);
    EXPECT(SB_E_STALE, NULL);
    sb_get(py, list, 0);
    EXPECT(SB_E_STALE, NULL);
    sb_fetch(py, list);
    EXPECT(SB_E_STALE, NULL);
    sb_to_str(py, b);
    EXPECT(SB_E_STALE, NULL);
    sb_as_object(py, b);
    EXPECT(SB_E_STALE, NULL);
    sb_op(py, 1, "==", b);
    EXPECT(SB_E_STALE, NULL);
    sb_cast(py, SB_SITE_(""), "sbtest:Box", SB(b));
    EXPECT(SB_E_STALE, NULL);
    assert_int_equal(sb_keep(py, b.object).id, b.object.id); /* does nothing */
    sb_release(py, b.object);
    sb_release(py, b.object);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void of_another_session(void **state)
{
    (void)state;
    sb_session *other = sb_open(.quiet = true), *py = sb_open(.quiet = true);
    sbtest_Box b = sbtest_Box_new(other, 1);
    sbtest_Box_value(py, b);
    EXPECT(SB_E_SESSION, "another session");
    sb_method(py, b, "get");
    EXPECT(SB_E_SESSION, NULL);
    sb_call(py, "sbtest.echo", SB_TUPLE(py, b));
    EXPECT(SB_E_SESSION, NULL);
    sb_keep(py, b.object);
    sb_release(py, b.object);
    assert_int_equal(sbtest_Box_value(other, b), 1); /* still there */
    sb_close(other);
    sbtest_Box_value(py, b); /* that session is gone */
    EXPECT(SB_E_SESSION, NULL);
    assert_int_equal(sb_close(py), 0);
}

static void text(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_call(py, "badly.surrogate");
    EXPECT_PYTHON("UnicodeEncodeError", "surrogates not allowed");
    sb_call(py, "badly.surrogates_inside");
    EXPECT_PYTHON("UnicodeEncodeError", "surrogates not allowed");
    sb_call(py, "badly.raise_surrogate");
    EXPECT_PYTHON("ValueError", "bad: \\ud800"); /* escaped: a message is valid UTF-8 */
    sb_fetch(py, sb_call(py, "badly.deep_dict", 1000));
    EXPECT(SB_E_LIMIT, "500");
    sb_value deep = sb_fetch(py, sb_call(py, "badly.deep_dict", 499));
    expect_fine(py);
    for (int i = 0; i < 499; i++)
        deep = sb_get(py, deep, "k");
    assert_int_equal(sb_count(py, deep), 0);
    expect_fine(py);
    sb_call(py, "badly.deep_recursion");
    EXPECT_PYTHON("RecursionError", "recursion");
    sb_call(py, "badly.system_exit");
    EXPECT_PYTHON("SystemExit", "3");
    sb_call(py, "badly.raise_unprintable");
    EXPECT_PYTHON("badly.Unprintable", NULL);
    sb_value mean = sb_call(py, "badly.mean");
    sb_to_str(py, mean);
    EXPECT_PYTHON("RuntimeError", "no str");
    sb_count(py, mean);
    EXPECT_PYTHON("ValueError", "__len__");
    sb_op(py, mean, "==", mean);
    EXPECT_PYTHON("RuntimeError", "no eq");
    sb_attr(py, mean, "x");
    EXPECT_PYTHON("RuntimeError", "no attribute x");
    assert_int_equal(sb_close(py), 0);
}

/* What sb_close says on stderr, and its result. */
static int close_and_hear(sb_session *py, char *said, size_t size)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stderr);
    int saved = dup(2);
    assert_true(saved >= 0 && dup2(fileno(file), 2) == 2);
    int rc = sb_close(py);
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    rewind(file);
    said[fread(said, 1, size - 1, file)] = 0;
    fclose(file);
    return rc;
}

static void closing(void **state)
{
    (void)state;
    char said[4000], place[200];
    sb_session *py = sb_open();
    sb_call(py, "sbtest.boom", "nobody looks");
    int line = __LINE__ - 1;
    snprintf(place, sizeof place, "%s:%d: sbtest.boom: ValueError: nobody looks\n", __FILE__, line);
    py_math_sqrt(py, 4);
    assert_int_equal(close_and_hear(py, said, sizeof said), 1);
    if (strncmp(said, place, strlen(place)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", said, place);
    assert_non_null(strstr(said, "(1 later call did nothing)"));
    assert_non_null(strstr(said, "Traceback (most recent call last):"));
    /* Pipelined, and nobody ever waited for it. */
    py = sb_open();
    sbtest_boom_box(py);
    assert_int_equal(close_and_hear(py, said, sizeof said), 1);
    assert_non_null(strstr(said, "ValueError: boom"));
    /* Looked at, or quiet: said no more. */
    py = sb_open();
    sb_call(py, "sbtest.boom");
    assert_non_null(sb_get_error(py));
    assert_int_equal(close_and_hear(py, said, sizeof said), 1);
    assert_string_equal(said, "");
    py = sb_open(.quiet = true);
    sb_call(py, "sbtest.boom");
    assert_int_equal(close_and_hear(py, said, sizeof said), 1);
    assert_string_equal(said, "");
    py = sb_open();
    sb_call(py, "sbtest.boom");
    assert_true(sb_catch(py, "ValueError"));
    assert_int_equal(close_and_hear(py, said, sizeof said), 0);
    assert_string_equal(said, "");
}

/* ---- two threads ---- */

static char logged[400];
static int logs;
static void log_text(int level, const char *line, void *user)
{
    (void)user;
    logs++;
    snprintf(logged, sizeof logged, "%d %s", level, line);
}

static void *long_call(void *py)
{
    static double result;
    result = sb_as_double(py, sb_call(py, "badly.wait", 0.5));
    return &result;
}

static void two_threads(void **state)
{
    (void)state;
    sb_session *py = sb_open();
    sb_value list = SB_LIST(py, 1);
    int64_t n;
    pthread_t t;
    void *result;
    py_math_sqrt(py, 4);
    logs = 0;
    sb_set_log(log_text, NULL);
    pthread_create(&t, NULL, long_call, py);
    nap(0.1);
    double start = seconds();
    assert_float_equal(py_math_sqrt(py, 4), 0, 0);
    assert_string_equal(sbtest_head(py, 1).ptr, "");
    assert_int_equal(sb_call(py, "sbtest.echo", 1).kind, SB_FAILED_);
    assert_string_equal(sb_to_str(py, 1).ptr, "");
    assert_int_equal(sb_count(py, list), 0);
    sb_push(py, &list, 2);
    assert_int_equal(list.as.items.len, 1);
    assert_null(SB_DATA(py, (sb_array) { 0 }, double, &n));
    assert_null(sb_get_error(py));
    sb_failed(py);
    assert_false(sb_catch(py, NULL));
    sb_clear_error(py);
    {
        SB_SCOPE(py);
        SB_USING(py, .timeout = 0.001);
    }
    assert_int_equal(sb_close(py), 1); /* refused */
    assert_true(seconds() - start < 0.2);
    pthread_join(t, &result);
    assert_float_equal(*(double *)result, 0.5, 0); /* the first one was left alone */
    assert_int_equal(logs, 1);
    assert_non_null(strstr(logged, "3 a second thread used a session"));
    sb_set_log(NULL, NULL);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);

    /* sb_close tells how many calls there were. */
    char said[1000];
    int rc = close_and_hear(py, said, sizeof said);
    assert_int_equal(rc, 1);
    assert_non_null(strstr(said, "calls of a second thread did nothing"));
}

/* ---- on_error ---- */

static char told[300];
static int calls_of_handler;
static void handler(sb_session *py, void *user)
{
    const sb_error *e = sb_get_error(py); /* may be looked at ... */
    calls_of_handler++;
    assert_non_null(e);
    snprintf(told, sizeof told, "%s %s %d", e->type, e->message, sb_failed(py));
    assert_ptr_equal(sb_user(py), user);
    assert_float_equal(py_math_sqrt(py, 4), 0, 0); /* ... and nothing else: the error is pending */
    assert_string_equal(sb_to_str(py, 1).ptr, "");
    sb_clear_error(py);
    assert_false(sb_catch(py, NULL));
    {
        SB_SCOPE(py);
        SB_USING(py, .timeout = 1);
    }
    assert_true(sb_failed(py));
}

static void in_on_error(void **state)
{
    (void)state;
    int user = 5;
    calls_of_handler = logs = 0;
    sb_set_log(log_text, NULL);
    sb_session *py = sb_open(.on_error = handler, .user = &user);
    sb_call(py, "sbtest.boom", "first");
    sb_call(py, "sbtest.boom", "second");
    assert_int_equal(calls_of_handler, 1);
    assert_string_equal(told, "ValueError first 1");
    assert_true(sb_catch(py, "ValueError"));
    sbtest_Box b = sbtest_boom_box(py); /* pipelined: told when somebody waits */
    assert_int_equal(calls_of_handler, 1);
    sbtest_Box_value(py, b);
    assert_int_equal(calls_of_handler, 2);
    assert_true(sb_catch(py, "ValueError"));
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    assert_int_equal(logs, 0); /* it is no second thread */
    sb_set_log(NULL, NULL);
    assert_int_equal(sb_close(py), 0);
}

/* ---- fork ---- */

static int child_of(sb_session *py, sbtest_Box b)
{
    if (!sb_failed(py))
        return 10;
    if (py_math_sqrt(py, 4) != 0 || sbtest_Box_value(py, b) != 0)
        return 11;
    const sb_error *e = sb_get_error(py);
    if (!e || e->code != SB_E_MISUSE || !strstr(e->message, "fork"))
        return 12;
    sb_clear_error(py);
    if (!sb_failed(py))
        return 13;
    if (sb_call(py, "sbtest.echo", 1).kind != SB_FAILED_ || *sb_to_str(py, 1).ptr)
        return 14;
    {
        SB_SCOPE(py);
        SB_USING(py, .timeout = 1);
        sb_release(py, b.object);
    }
    sb_session *another =
        sb_open(.quiet = true); /* Python's state cannot be used after fork either */
    if (!sb_failed(another) || py_math_sqrt(another, 4) != 0)
        return 15;
    if (sb_close(another) != 1)
        return 16;
    if (sb_close(py) != 1)
        return 17;
    return 0;
}

static void forked(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sbtest_Box b = sbtest_Box_new(py, 3);
    assert_int_equal(sbtest_Box_value(py, b), 3);
    int64_t worker = sb_as_int(py, sb_call(py, "badly.pid"));
    fflush(stdout);
    for (int by_exit = 0; by_exit < 2; by_exit++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            int rc = child_of(py, b);
            if (by_exit)
                exit(rc); /* with its atexit functions */
            _exit(rc);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        nap(0.05);
        assert_int_equal(sbtest_Box_value(py, b), 3); /* same worker, same object */
        assert_int_equal(sb_as_int(py, sb_call(py, "badly.pid")), worker);
    }
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

/* ---- options ---- */

static void options(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true, .transport = "pigeon");
    const sb_error *e = sb_get_error(py);
    assert_int_equal(e->code, SB_E_CONFIG);
    assert_non_null(strstr(e->message, "there is no transport \"pigeon\""));
    assert_non_null(strstr(e->file, "test_misuse.c"));
    assert_int_equal(e->line, __LINE__ - 5);
    assert_int_equal(sb_close(py), 1);
    py = sb_open(.quiet = true, .timeout = -1);
    assert_int_equal(sb_get_error(py)->code, SB_E_RANGE);
    sb_close(py);
    py = sb_open(.quiet = true, .timeout = (double)NAN);
    assert_int_equal(sb_get_error(py)->code, SB_E_RANGE);
    sb_close(py);
    py = sb_open(.quiet = true);
    {
        SB_USING(py, .timeout = -1);
        py_math_sqrt(py, 4);
        EXPECT(SB_E_RANGE, "timeout");
    }
    assert_int_equal(sb_close(py), 0);
    py = (sb_open)(NULL); /* no options: no project either, Python is the python3 on $PATH */
    assert_non_null(py);
    sb_close(py);
    py = (sb_open)(&(sb_options) { .quiet = true });
    assert_int_equal(sb_get_error(py)->code, SB_E_MISUSE);
    sb_clear_error(py);
    sb_close(py);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(null_session), TEST(names),   TEST(arguments),   TEST(options_without_names),
        TEST(containers),   TEST(arrays),  TEST(stale),       TEST(of_another_session),
        TEST(text),         TEST(closing), TEST(two_threads), TEST(in_on_error),
        TEST(forked),       TEST(options),
    };
    named(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
