/* SPDX-License-Identifier: MIT
 *
 * What is behind an error, from C: causes, groups, notes, frames, locals; with exceptions that misbehave. Runs over each
 * transport. */
#include "../runtime/sbtest.h"
#include <unistd.h>

static const char *local(sb_session *py, sb_value locals, const char *name)
{
    (void)py;
    for (size_t i = 0; i < locals.as.items.len; i++)
        if (!strcmp(locals.as.items.ptr[2 * i].as.str.ptr, name))
            return locals.as.items.ptr[2 * i + 1].as.str.ptr;
    return NULL;
}

static bool worker(void)
{
    return !strcmp(getenv("SNAKEBRIDGE_TRANSPORT"), "worker");
}

static void chain(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    assert_null(sb_error_cause(py, NULL));
    sb_call(py, "sbwrong.chained");
    const sb_error *e = sb_get_error(py);
    assert_string_equal(e->message, "outer 7");
    assert_null(sb_error_cause(py, e));
    const sb_error *middle = sb_error_context(py, e);
    assert_non_null(middle);
    assert_string_equal(middle->type, "ValueError");
    assert_string_equal(middle->message, "middle");
    assert_int_equal(middle->line, e->line);
    assert_non_null(strstr(middle->traceback, "ValueError: middle"));
    assert_null(strstr(middle->traceback, "KeyError"));
    const sb_error *inner = sb_error_cause(py, middle);
    assert_string_equal(inner->type, "KeyError");
    assert_ptr_equal(inner, sb_error_context(py, middle));
    assert_null(sb_error_cause(py, inner));
    assert_ptr_equal(sb_error_context(py, NULL), middle);
    assert_int_equal(sb_error_count(py, e), 0);
    assert_null(sb_error_nth(py, e, 0));
    /* frames, locals */
    sb_error_frames frames = sb_error_frames_of(py, e);
    assert_int_equal(frames.len, 1);
    assert_string_equal(frames.ptr[0].function, "chained");
    assert_non_null(strstr(frames.ptr[0].file, "sbwrong.py"));
    assert_string_equal(
        frames.ptr[0].text,
        "raise RuntimeError(\"outer %d\" % order[\"id\"])  # noqa: B904 (it has a context alone)");
    sb_value locals = sb_error_locals(py, e, 0);
    assert_int_equal(locals.kind, SB_DICT_);
    assert_string_equal(local(py, locals, "order"), "{'id': 7, 'lines': [1, 2, 3]}");
    assert_int_equal(sb_error_locals(py, e, 1).as.items.len, 0);
    assert_int_equal(e->skipped, 0);
    /* an exception of the chain outlives the error, if it is kept */
    sb_object kept = sb_keep(py, inner->exception);
    sb_clear_error(py);
    assert_null(sb_error_context(py, NULL));
    assert_string_equal(sb_to_str(py, kept).ptr, "'inner'");
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void raised_from(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_call(py, "sbwrong.hidden");
    const sb_error *e = sb_get_error(py);
    assert_null(strstr(e->traceback, "ZeroDivisionError"));
    assert_null(sb_error_cause(py, e));
    assert_string_equal(sb_error_context(py, e)->type, "ZeroDivisionError");
    sb_clear_error(py);
    sb_call(py, "sbwrong.circle");
    e = sb_get_error(py);
    const sb_error *b = sb_error_cause(py, e);
    assert_string_equal(b->message, "b");
    assert_ptr_equal(sb_error_cause(py, b), e);
    sb_clear_error(py);
    sb_call(py, "sbwrong.long_chain", 1000);
    size_t n = 0;
    for (e = sb_get_error(py); e; e = sb_error_cause(py, e))
        n++;
    assert_int_equal(n, 256);
    sb_clear_error(py);
    sb_call(py, "sbwrong.deep", 900);
    sb_error_frames frames = sb_error_frames_of(py, NULL);
    assert_int_equal(frames.len, 200);
    assert_string_equal(frames.ptr[199].text, "raise ValueError(\"at the bottom\")");
    assert_string_equal(local(py, sb_error_locals(py, NULL, 199), "n"), "0");
    assert_string_equal(local(py, sb_error_locals(py, NULL, 0), "n"), "900");
    sb_clear_error(py);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void groups_and_notes(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_call(py, "sbwrong.noted");
    sb_value notes = sb_error_notes(py, NULL);
    assert_int_equal(notes.kind, SB_LIST_);
    assert_int_equal(notes.as.items.len, 3);
    assert_string_equal(notes.as.items.ptr[0].as.str.ptr, "first");
    assert_string_equal(notes.as.items.ptr[1].as.str.ptr, "second \\udc80");
    assert_string_equal(notes.as.items.ptr[2].as.str.ptr, "3");
    sb_clear_error(py);
    sb_call(py, "sbwrong.group");
    const sb_error *e = sb_get_error(py);
    if (!sb_error_count(py, e)) { /* before 3.11, without the package */
        assert_true(sb_catch(py, "ImportError"));
        assert_int_equal(sb_close(py), 0);
        return;
    }
    assert_string_equal(e->message, "many (2 sub-exceptions)");
    assert_non_null(strstr(e->traceback, "KeyError: 'two'"));
    assert_int_equal(sb_error_count(py, e), 2);
    assert_string_equal(sb_error_nth(py, e, 0)->message, "one");
    const sb_error *inner = sb_error_nth(py, e, 1);
    assert_int_equal(sb_error_count(py, inner), 2);
    assert_string_equal(sb_error_nth(py, inner, 0)->type, "KeyError");
    assert_string_equal(sb_error_nth(py, inner, 1)->message, "three");
    assert_null(sb_error_nth(py, e, 2));
    sb_clear_error(py);
    sb_call(py, "sbwrong.wide_group", 1000);
    assert_int_equal(sb_error_count(py, NULL), 255);
    sb_clear_error(py);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void hostile(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_call(py, "sbwrong.hostile", 42);
    const sb_error *e = sb_get_error(py);
    assert_string_equal(e->type, "sbwrong.Hostile");
    assert_int_equal(sb_error_notes(py, e).as.items.len, 0);
    sb_value locals = sb_error_locals(py, e, 0);
    assert_string_equal(local(py, locals, "number"), "42");
    assert_non_null(strstr(local(py, locals, "shy"), "Shy"));
    assert_true(strlen(local(py, locals, "loud")) <= 1100);
    assert_true(strlen(local(py, locals, "many")) <= 1100);
    assert_non_null(local(py, locals, "deep"));
    assert_non_null(local(py, locals, "surrogate"));
    assert_string_equal(sb_get_error(py)->type, "sbwrong.Hostile");
    /* of another session, of nobody */
    sb_session *other = sb_open(.quiet = true);
    sb_call(other, "sbwrong.chained");
    assert_null(sb_error_cause(other, e));
    sb_clear_error(other);
    assert_int_equal(sb_close(other), 0);
    assert_null(sb_error_context(NULL, e));
    assert_int_equal(sb_error_count(NULL, e), 0);
    assert_int_equal(sb_error_frames_of(NULL, e).len, 0);
    assert_int_equal(sb_error_notes(NULL, e).as.items.len, 0);
    assert_null(sb_explain(NULL));
    sb_clear_error(py);
    expect_fine(py);
    /* not of Python's */
    sb_as_int(py, SB("text"));
    e = sb_get_error(py);
    assert_int_equal(e->code, SB_E_TYPE);
    assert_null(sb_error_context(py, e));
    assert_int_equal(sb_error_frames_of(py, e).len, 0);
    sb_clear_error(py);
    assert_int_equal(sb_close(py), 0);
}

/* Looking takes too long, or the worker's life: the error stays. */
static void dangerous(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true, .timeout = 0.5);
    sb_call(py, "sbwrong.slow");
    assert_int_equal(sb_error_frames_of(py, NULL).len, 1);
    sb_value locals = sb_error_locals(py, NULL, 0);
    assert_int_equal(locals.kind, SB_DICT_);
    assert_int_equal(locals.as.items.len, 0);
    assert_string_equal(sb_get_error(py)->message, sb_get_error(py)->message);
    assert_string_equal(sb_get_error(py)->type, "ValueError");
    assert_int_equal(sb_get_error(py)->skipped, 0);
    sb_clear_error(py);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    expect_fine(py);
    if (worker()) {
        sb_call(py, "sbwrong.killer");
        assert_int_equal(sb_error_frames_of(py, NULL).len, 1);
        assert_int_equal(sb_error_locals(py, NULL, 0).as.items.len, 0);
        assert_int_equal(sb_error_frames_of(py, NULL).len, 1); /* was asked before */
        assert_null(sb_error_context(py, NULL));
        assert_string_equal(sb_get_error(py)->type, "ValueError");
        sb_clear_error(py);
        assert_float_equal(py_math_sqrt(py, 4), 2, 0);
        expect_fine(py);
    }
    assert_int_equal(sb_close(py), 0);
}

static int seen;
static char saw[4096];
static void look(sb_session *py, void *user)
{
    (void)user;
    seen++;
    const sb_error *context = sb_error_context(py, NULL);
    const sb_explanation *x = sb_explain(py);
    snprintf(saw, sizeof saw, "%s|%s", context ? context->message : "",
             x ? sb_explanation_field(x, "meant") : "");
}

static void on_error(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true, .on_error = look);
    seen = 0;
    sb_call(py, "sbwrong.chained");
    assert_int_equal(seen, 1);
    assert_string_equal(saw, "middle|");
    sb_clear_error(py);
    sb_call(py, "sbwrong.takes", 1, SB_KW("ascendign", false));
    assert_int_equal(seen, 2);
    assert_string_equal(saw, "|ascending");
    sb_clear_error(py);
    sb_as_int(py, SB("text")); /* where nothing can be asked */
    assert_int_equal(seen, 3);
    sb_clear_error(py);
    /* a call that nobody waited for */
    sbtest_Box b = sbtest_boom_box(py);
    assert_int_equal(sbtest_Box_value(py, b), 0);
    assert_int_equal(seen, 4);
    sb_clear_error(py);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

/* The arguments of a failed call are let go with its error. */
static void references(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    int64_t before = sb_as_int(py, sb_call(py, "sbwrong.watch"));
    for (int i = 0; i < 100; i++) {
        SB_SCOPE(py);
        sb_value w = sb_call(py, "sbwrong.watched");
        sb_method(py, w, "fail", 1);
        assert_true(sb_failed(py));
        if (i % 2)
            sb_error_frames_of(py, NULL);
        sb_clear_error(py);
        sb_call(py, "operator.add", w, w);
        assert_true(sb_failed(py));
        sb_explain(py);
        sb_clear_error(py);
    }
    assert_int_equal(sb_as_int(py, sb_call(py, "sbwrong.watch")), before);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void printed(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true, .error_detail = "explained");
    sb_call(py, "sbwrong.inside");
    char text[4096] = "";
    FILE *f = fmemopen(text, sizeof text, "w");
    sb_print_error(py, f);
    fclose(f);
    assert_non_null(strstr(text, "takes() got an unexpected keyword argument 'ascendign'"));
    assert_non_null(strstr(text, "\nexplained: a wrong keyword: takes has no keyword ascendign\n"));
    assert_non_null(strstr(text, "  expected: one of alpha, beta, ascending\n"));
    assert_non_null(strstr(text, "  try:      1. did you mean ascending?\n"));
    sb_clear_error(py);
    assert_int_equal(sb_close(py), 0);
    py = sb_open(.quiet = true);
    sb_call(py, "sbwrong.inside");
    f = fmemopen(text, sizeof text, "w");
    sb_print_error(py, f);
    fclose(f);
    assert_null(strstr(text, "explained:"));
    assert_int_equal(sb_close(py), 1);
    py = sb_open(.quiet = true, .error_detail = "loud");
    expect_error(py, SB_E_CONFIG, NULL, "there is no error-detail \"loud\"");
    assert_int_equal(sb_close(py), 0);
}

static void expect_why(sb_session *py, sb_why why, const char *field, const char *value)
{
    const sb_explanation *x = sb_explain(py);
    if (!x) {
        sb_print_error(py, stderr);
        fail_msg("not explained");
    }
    assert_string_equal(x->error ? x->kind : "", x->kind);
    if (x->why != why || strcmp(sb_explanation_field(x, field), value))
        fail_msg("%s is \"%s\" of:\n%s", field, sb_explanation_field(x, field), x->text);
    assert_ptr_equal(sb_explain(py), x);
    sb_clear_error(py);
}

static void explained(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    assert_null(sb_explain(py));
    sb_call(py, "sbwrong.deep", 1);
    assert_null(sb_explain(py));
    sb_clear_error(py);
    sb_call(py, "sbwrong.takes", 1, SB_KW("ascendig", true));
    expect_why(py, SB_WHY_KEYWORD, "meant", "ascending");
    sb_value shop = sb_call(py, "sbwrong.Shop");
    sb_method(py, shop, "price", 1, SB_KW("curency", "EUR"));
    expect_why(py, SB_WHY_KEYWORD, "meant", "currency");
    sb_call(py, "sbwrong.Shop.price", shop, 1, SB_KW("curency", "EUR"));
    expect_why(py, SB_WHY_KEYWORD, "meant", "currency");
    sb_call(py, "sbwrong.takes", 1, SB_KW("zzzzzz", true));
    expect_why(py, SB_WHY_KEYWORD, "meant", "");
    sb_call(py, "sbwrong.takes");
    expect_why(py, SB_WHY_ARGUMENTS, "argument", "'alpha'");
    sb_import(py, "cv2");
    expect_why(py, SB_WHY_MODULE, "command", "uv add opencv-python");
    sb_import(py, "no_such_module_at_all");
    expect_why(py, SB_WHY_MODULE, "command", "uv add no_such_module_at_all");
    sb_call(py, "sbwrong.wrapped");
    const sb_explanation *x = sb_explain(py);
    assert_non_null(x);
    assert_string_equal(x->error->type, "ModuleNotFoundError");
    expect_why(py, SB_WHY_MODULE, "module", "no_such_module_at_all");
    sb_call(py, "operator.add", 1, "a");
    expect_why(py, SB_WHY_DTYPE, "left", "int");
    sb_call(py, "sbtest.boom_key");
    expect_why(py, SB_WHY_KEY, "key", "missing");
    sb_as_str(py, SB("\xed\xb2\x80"));
    sb_clear_error(py);
    /* of our own */
    sb_object gone = { 0 };
    {
        SB_SCOPE(py);
        gone = sb_call(py, "sbwrong.Shop").as.object;
    }
    sb_method(py, gone, "price", 1);
    expect_why(py, SB_WHY_STALE, "", "");
    sb_session *other = sb_open(.quiet = true);
    sb_method(other, shop, "price", 1);
    expect_why(other, SB_WHY_SESSION, "", "");
    assert_int_equal(sb_close(other), 0);
    sbtest_Box failed = sbtest_boom_box(py);
    sb_clear_error(py);
    sbtest_Box_value(py, failed);
    expect_why(py, SB_WHY_HANDLE, "", "");
    sbtest_wrong_double(py);
    expect_why(py, SB_WHY_VALUE, "expected", "float");
    sb_as_int(py, SB("text"));
    expect_why(py, SB_WHY_VALUE, "found", "str");
    if (worker()) {
        sb_call(py, "os._exit", 3);
        expect_why(py, SB_WHY_WORKER, "", "");
        SB_USING(py, .timeout = 0.2);
        sb_call(py, "time.sleep", 10);
        expect_why(py, SB_WHY_TIME, "", "");
    }
    sb_clear_error(py);
    assert_int_equal(sb_close(py), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain),
        cmocka_unit_test(raised_from),
        cmocka_unit_test(groups_and_notes),
        cmocka_unit_test(hostile),
        cmocka_unit_test(dangerous),
        cmocka_unit_test(on_error),
        cmocka_unit_test(references),
        cmocka_unit_test(printed),
        cmocka_unit_test(explained),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
