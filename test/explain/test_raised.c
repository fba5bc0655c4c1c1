/* SPDX-License-Identifier: MIT
 *
 * Explanations of what NumPy and pandas raise, as they are installed. Runs over each transport. */
#include "../runtime/sbtest.h"

static const struct {
    const char *name;
    sb_why why;
    const char *field, *value, *says;
} mistakes[] = {
    { "matmul", SB_WHY_SHAPE, "left", "(3, 4)", "transpose the right operand: b.T is (4, 3)" },
    { "dot", SB_WHY_SHAPE, "right", "(3, 4)", "(3, 4) @ (3, 4)" },
    { "broadcast", SB_WHY_SHAPE, "right", "(3,)", "b.reshape(-1, 1) is (3, 1)" },
    { "concatenate", SB_WHY_SHAPE, "axis", "1", "np.concatenate(..., axis=1)" },
    { "reshape", SB_WHY_SHAPE, "size", "12", "(4, 3) fits" },
    { "mask", SB_WHY_SHAPE, "right", "2", "a mask of 2" },
    { "index", SB_WHY_INDEX, "size", "3", "index 5" },
    { "cast", SB_WHY_DTYPE, "expected", "int64", "x = x + y" },
    { "loop", SB_WHY_DTYPE, "operation", "add", "add is not defined" },
    { "memory", SB_WHY_MEMORY, "dtype", "float64", "8.00 PiB" },
    { "ambiguous", SB_WHY_DATA, "", "", "x.any()" },
    { "column", SB_WHY_KEY, "meant", "amount", "did you mean amount?" },
    { "length", SB_WHY_SHAPE, "right", "2", "2 values for 3 rows" },
    { "merge", SB_WHY_DTYPE, "key", "amount", "the key 'amount'" },
    { "keyword", SB_WHY_KEYWORD, "meant", "ascending", "did you mean ascending?" },
    { "integer", SB_WHY_DTYPE, "", "", "astype('Int64')" },
    { "labels", SB_WHY_DATA, "what", "Series", "reset_index" },
};

static void raised(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        char name[64];
        snprintf(name, sizeof name, "sbreal.%s", mistakes[i].name);
        sb_call(py, name);
        const sb_explanation *x = sb_explain(py);
        if (!x || x->why != mistakes[i].why ||
            strcmp(sb_explanation_field(x, mistakes[i].field), mistakes[i].value) ||
            !strstr(x->text, mistakes[i].says)) {
            sb_print_error(py, stderr);
            fail_msg("%s: %s", name, x ? x->text : "not explained");
        }
        sb_clear_error(py);
    }
    assert_int_equal(sb_close(py), 0);
}

/* Without a frame of Python's: the arguments of the failed call tell. */
static void direct(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_value shape = SB_TUPLE(py, 2, 3);
    sb_value a = sb_call(py, "numpy.ones", shape);
    sb_op(py, a, "@", a);
    const sb_explanation *x = sb_explain(py);
    assert_non_null(x);
    assert_string_equal(sb_explanation_field(x, "left"), "(2, 3)");
    assert_string_equal(sb_explanation_field(x, "right"), "(2, 3)");
    assert_string_equal(sb_explanation_field(x, "operation"), "matmul");
    assert_non_null(strstr(x->suggestions[0], "b.T is (3, 2)"));
    sb_clear_error(py);
    sb_value table = sb_import(py, "sbreal.TABLE");
    sb_item(py, table, "nmae");
    x = sb_explain(py);
    assert_non_null(x);
    assert_string_equal(sb_explanation_field(x, "meant"), "name");
    sb_clear_error(py);
    sb_method(py, table, "sort_values", "name", SB_KW("ascnding", false));
    x = sb_explain(py);
    assert_non_null(x);
    assert_string_equal(sb_explanation_field(x, "meant"), "ascending");
    sb_clear_error(py);
    assert_int_equal(sb_close(py), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(raised), cmocka_unit_test(direct) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
