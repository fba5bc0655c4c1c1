/* SPDX-License-Identifier: MIT
 *
 * What else the language has: items, attributes, questions, eval and exec, reload. Runs over each transport. */
#include "sbtest.h"
#include <stdio.h>
#include <unistd.h>

static sb_session *py;

static int open_session(void **state)
{
    (void)state;
    py = sb_open(.quiet = true);
    return 0;
}

static int close_session(void **state)
{
    (void)state;
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
    return 0;
}

static void questions(void **state)
{
    (void)state;
    sb_value list = SB(sb_as_object(py, SB_LIST(py, 1, "two", 3.5)));
    assert_true(sb_truth(py, list));
    assert_false(sb_truth(py, SB_LIST(py)));
    assert_false(sb_truth(py, ""));
    assert_true(sb_truth(py, 2.5));
    assert_true(sb_contains(py, list, "two"));
    assert_false(sb_contains(py, list, "three"));
    assert_true(sb_contains(py, "text", "ex"));
    assert_true(sb_hash(py, SB_TUPLE(py, 1, 2)) == sb_hash(py, SB_TUPLE(py, 1, 2)));
    assert_int_equal(sb_hash(py, 7), 7);
    assert_string_equal(sb_repr(py, list).ptr, "[1, 'two', 3.5]");
    assert_true(sb_callable(py, sb_import(py, "math.sqrt")));
    assert_false(sb_callable(py, 5));
    assert_true(sb_isinstance(py, list, "list"));
    assert_true(sb_isinstance(py, SB_TRUE, "int"));
    assert_false(sb_isinstance(py, 5, "collections.abc.Sized"));
    assert_true(sb_isinstance(py, list, "collections.abc.Sized"));
    assert_true(sb_isinstance(
        py, 5, SB_TUPLE(py, sb_import(py, "builtins.str"), sb_import(py, "builtins.int"))));
    assert_true(sb_isinstance(py, 5, sb_import(py, "builtins.int")));
    assert_false(sb_isinstance(py, 5, sb_import(py, "builtins.str")));
    assert_int_equal(sb_as_int(py, sb_apply(py, sb_import(py, "builtins.max"), 1, 5, 2)), 5);
    assert_string_equal(
        sb_as_str(py, sb_apply(py, sb_import(py, "sbtest.keywords"), 1, SB_KW("k", 2))).ptr,
        "(1,) [('k', 2)]");
    expect_fine(py);
    sb_hash(py, list);
    expect_error(py, SB_E_PYTHON, "TypeError", "unhashable");
    sb_isinstance(py, 5, "no.such");
    expect_error(py, SB_E_PYTHON, "ModuleNotFoundError", NULL);
    sb_isinstance(py, 5, "math.pi");
    expect_error(py, SB_E_PYTHON, "TypeError", "isinstance");
    sb_isinstance(py, 5, "a..b");
    expect_error(py, SB_E_MISUSE, NULL, "no name");
    sb_contains(py, 5, 5);
    expect_error(py, SB_E_PYTHON, "TypeError", "iterable");
    sb_apply(py, 5);
    expect_error(py, SB_E_PYTHON, "TypeError", "not callable");
}

static void items(void **state)
{
    (void)state;
    sb_value list =
        SB(sb_as_object(py, sb_call(py, "builtins.list", sb_call(py, "builtins.range", 10))));
    assert_int_equal(sb_as_int(py, sb_item(py, list, -1)), 9);
    assert_string_equal(sb_repr(py, sb_item(py, list, SB_SLICE(py, 1, 8, 3))).ptr, "[1, 4, 7]");
    sb_set_item(py, list, SB_SLICE(py, 2, SB_NONE, SB_NONE), SB_LIST(py, 20, 30));
    assert_string_equal(sb_repr(py, list).ptr, "[0, 1, 20, 30]");
    sb_del_item(py, list, SB_SLICE(py, SB_NONE, 2, SB_NONE));
    sb_del_item(py, list, 0);
    assert_string_equal(sb_repr(py, list).ptr, "[30]");
    sb_set_item(py, list, 0, "new");
    assert_string_equal(sb_as_str(py, sb_item(py, list, 0)).ptr, "new");
    sb_value dict = SB(sb_as_object(py, SB_DICT(py, 1, "int", 2.5, "float")));
    sb_value held = SB_DICT(py, 1, "int", 2.5, "float");
    const sb_value keys[] = { SB(1), SB_TRUE, SB(1.0), SB(2.5) };
    for (size_t i = 0; i < 4; i++) { /* equal numbers are one key, here and there */
        const char *want = i < 3 ? "int" : "float";
        assert_string_equal(sb_as_str(py, sb_get(py, dict, keys[i])).ptr, want);
        assert_string_equal(sb_as_str(py, sb_get(py, held, keys[i])).ptr, want);
        assert_string_equal(sb_as_str(py, sb_item(py, dict, keys[i])).ptr, want);
    }
    assert_true(sb_is_unset(sb_get(py, dict, 2)) && sb_is_unset(sb_get(py, held, 2)));
    sb_del_item(py, dict, SB_TRUE);
    assert_int_equal(sb_count(py, dict), 1);
    expect_fine(py);
    sb_del_item(py, dict, "none");
    expect_error(py, SB_E_PYTHON, "KeyError", "none");
    sb_item(py, list, 7);
    expect_error(py, SB_E_PYTHON, "IndexError", NULL);
    sb_set_item(py, "text", 0, "x");
    expect_error(py, SB_E_PYTHON, "TypeError", "item assignment");
    sb_value box = sb_call(py, "sbtest.Box", 4);
    assert_true(sb_has_attr(py, box, "value"));
    sb_set_attr(py, box, "note", "here");
    assert_string_equal(sb_as_str(py, sb_attr(py, box, "note")).ptr, "here");
    sb_del_attr(py, box, "note");
    assert_false(sb_has_attr(py, box, "note"));
    sb_del_attr(py, box, "note");
    expect_error(py, SB_E_PYTHON, "AttributeError", "note");
    sb_value other = sb_call(py, "sbtest.Box", 4);
    assert_true(sb_as_bool(py, sb_op(py, box, "==", other)));
    assert_false(sb_is(py, box, other));
    assert_true(sb_as_bool(py, sb_op(py, 1, "<", 2)) && sb_as_bool(py, sb_op(py, "a", ">=", "A")));
}

static void source(void **state)
{
    (void)state;
    assert_int_equal(sb_as_int(py, sb_eval(py, "a + b", SB_KW("a", 1), SB_KW("b", 2))), 3);
    assert_int_equal(sb_as_int(py, sb_eval(py, "6 * 7")), 42);
    sb_value made = sb_exec(py,
                            "import math\n"
                            "def double(x):\n"
                            "    return factor * x\n"
                            "area = math.pi * r ** 2\n",
                            SB_KW("r", 2.0), SB_KW("factor", 2));
    assert_float_equal(sb_as_double(py, sb_get(py, made, "area")), 12.566370614, 1e-6);
    assert_int_equal(sb_as_int(py, sb_apply(py, sb_get(py, made, "double"), 21)), 42);
    assert_true(sb_is_unset(sb_get(py, made, "__builtins__")));
    expect_fine(py);
    sb_eval(py, "area"); /* a namespace of its own */
    expect_error(py, SB_E_PYTHON, "NameError", "area");
    sb_exec(py, "x = 1\ny = 1 / 0\n");
    const sb_error *e = sb_get_error(py);
    assert_non_null(e);
    assert_non_null(strstr(e->traceback, "line 2"));
    assert_non_null(strstr(e->traceback, "y = 1 / 0")); /* its line */
    assert_null(strstr(e->traceback, "<snakebridge>"));
    expect_error(py, SB_E_PYTHON, "ZeroDivisionError", NULL);
    sb_eval(py, "1 +");
    expect_error(py, SB_E_PYTHON, "SyntaxError", NULL);
    sb_eval(py, NULL);
    expect_error(py, SB_E_PYTHON, "SyntaxError", NULL);
    sb_eval(py, "a", 1, 2);
    expect_error(py, SB_E_MISUSE, NULL, "SB_KW");
    for (int i = 0; i < 300; i++) { /* more than are kept */
        char text[32];
        snprintf(text, sizeof text, "x + %d", i);
        SB_SCOPE(py);
        assert_int_equal(sb_as_int(py, sb_eval(py, text, SB_KW("x", 1))), i + 1);
    }
    assert_int_equal(sb_as_int(py, sb_eval(py, "a + b", SB_KW("a", 1), SB_KW("b", 2))), 3);
    assert_int_equal(sb_as_int(py, sb_eval(py, "sum([f(x) for x in xs])",
                                           SB_KW("f", sb_import(py, "builtins.abs")),
                                           SB_KW("xs", SB_LIST(py, -1, -2)))),
                     3);
}

static void write_module(const char *folder, int version)
{
    char path[300];
    snprintf(path, sizeof path, "%s/sbreloaded.py", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "# %*s\ndef version():\n    return %d\n\nclass Thing:\n    VERSION = %d\n",
            version * 7, "", version, version);
    fclose(f);
}

static void reloads(void **state)
{
    (void)state;
    char folder[] = "/tmp/sbtest_reload_XXXXXX";
    assert_non_null(mkdtemp(folder));
    sb_method(py, sb_import(py, "sys.path"), "append", folder);
    sb_set_attr(py, sb_import(py, "sys"), "dont_write_bytecode", SB_TRUE);
    write_module(folder, 1);
    assert_int_equal(sb_as_int(py, sb_call(py, "sbreloaded.version")), 1);
    assert_int_equal(sb_as_int(py, sb_import(py, "sbreloaded.Thing.VERSION")), 1);
    write_module(folder, 2);
    assert_int_equal(sb_as_int(py, sb_call(py, "sbreloaded.version")), 1);
    sb_value module = sb_reload(py, "sbreloaded");
    assert_int_equal(sb_as_int(py, sb_call(py, "sbreloaded.version")), 2);
    assert_int_equal(sb_as_int(py, sb_import(py, "sbreloaded.Thing.VERSION")), 2);
    write_module(folder, 3);
    sb_reload(py, module);
    assert_int_equal(sb_as_int(py, sb_call(py, "sbreloaded.version")), 3);
    expect_fine(py);
    sb_reload(py, "no_such_module");
    expect_error(py, SB_E_PYTHON, "ModuleNotFoundError", NULL);
    sb_reload(py, 5);
    expect_error(py, SB_E_PYTHON, "TypeError", NULL);
    sb_method(py, sb_import(py, "sys.path"), "remove", folder);
    sb_call(py, "shutil.rmtree", folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(questions, open_session, close_session),
        cmocka_unit_test_setup_teardown(items, open_session, close_session),
        cmocka_unit_test_setup_teardown(source, open_session, close_session),
        cmocka_unit_test_setup_teardown(reloads, open_session, close_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
