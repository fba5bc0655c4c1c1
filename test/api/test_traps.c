/* SPDX-License-Identifier: MIT
 *
 * docs/manual.md, "Traps": each row that compiles, as it runs, and what to write in its place. The rows that compilers
 * refuse or warn of are in diagnostics.txt. Over each transport. */
#include "api.h"
#include <setjmp.h>

static const char *seen(sb_session *py, sb_value v)
{
    return sb_as_str(py, sb_call(py, "builtins.repr", v)).ptr;
}

/* In C before C23, true and a == b are ints. */
static void truth(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    int a = 3, b = 3;
    assert_string_equal(seen(py, SB(true)), "1");
    assert_string_equal(seen(py, SB(a == b)), "1");
    assert_string_equal(seen(py, SB_TRUE), "True");
    assert_string_equal(seen(py, SB((bool)(a == b))), "True");
    bool variable = a == b;
    assert_string_equal(seen(py, SB(variable)), "True");
    assert_int_equal(sb_close(py), 0);
}

/* 'x' is an int in C. */
static void characters(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    assert_string_equal(seen(py, SB('x')), "120");
    assert_string_equal(seen(py, SB("x")), "'x'");
    assert_int_equal(sb_close(py), 0);
}

/* An enumerator is its number, where no enum is due. */
static void enumerators(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    enum how { how_left = 1, how_right };
    assert_string_equal(seen(py, SB(how_right)), "2");
    assert_string_equal(seen(py, SB("right")), "'right'");
    assert_int_equal(sb_close(py), 0);
}

/* Any pointer is true. */
static void text_for_a_bool(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    assert_non_null(strstr(sbtest_head(py, 1, .ascending = "no").ptr, "ascending=True"));
    assert_non_null(strstr(sbtest_head(py, 1, .ascending = false).ptr, "ascending=False"));
    assert_int_equal(sb_close(py), 0);
}

/* `.of = 0` where the field is dynamic: gcc warns, and leaves it unset. */
static void plain_for_dynamic(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sbtest_head_opts as_gcc_makes_it = { .site = { __FILE__, ".of = 0", __LINE__ } };
    assert_string_equal((sbtest_head)(py, 1, &as_gcc_makes_it).ptr, "");
    expect_error(py, SB_E_MISUSE, NULL, "nothing was passed as a value");
    assert_non_null(strstr(sbtest_head(py, 1, .of = SB(0)).ptr, "of=0"));
    assert_int_equal(sb_close(py), 0);
}

/* longjmp runs no cleanup: the scope stays open until one around it ends. */
static jmp_buf out;
static void leave(sb_session *py)
{
    SB_SCOPE(py);
    sbtest_Box_new(py, 1);
    longjmp(out, 1);
}

static void jumps(void **state)
{
    (void)state;
    sb_session *volatile py = sb_open(.quiet = true);
    int64_t before = boxes_alive(py);
    {
        SB_SCOPE(py);
        if (!setjmp(out))
            leave(py);
        assert_int_equal(boxes_alive(py), before + 1);
    }
    assert_int_equal(boxes_alive(py), before);
    if (!setjmp(out))
        leave(py);
    assert_int_equal(boxes_alive(py), before + 1); /* until the session closes */
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
    py = sb_open(.quiet = true);
    assert_int_equal(boxes_alive(py), before);
    assert_int_equal(sb_close(py), 0);
}

/* Nor does pthread_exit, in C: glibc's cleanup of it is that of C++ exceptions, for which C code is not compiled. */
static void *thread_that_exits(void *py)
{
    SB_SCOPE((sb_session *)py);
    sbtest_Box_new((sb_session *)py, 1);
    pthread_exit(NULL);
}

static void thread_exits(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    int64_t before = boxes_alive(py);
    pthread_t t;
    pthread_create(&t, NULL, thread_that_exits, py);
    pthread_join(t, NULL);
    assert_int_equal(boxes_alive(py), before + 1);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void text_with_nuls(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    assert_string_equal(seen(py, SB("a\0b")), "'a'");
    assert_string_equal(seen(py, SB(((sb_str) { "a\0b", 3 }))), "'a\\x00b'");
    sb_str back = sb_as_str(py, sb_call(py, "sbtest.echo", SB(((sb_str) { "a\0b", 3 }))));
    assert_int_equal(back.len, 3);
    assert_memory_equal(back.ptr, "a\0b", 4);
    assert_int_equal(sb_close(py), 0);
}

/* Python has a copy of an array: what C does to its own afterwards is not seen. */
static void arrays_are_copied(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    double cells[] = { 1, 2, 3 };
    sb_array a = SB_ARRAY(cells, 3);
    sb_value kept = SB(sb_as_object(py, &a));
    cells[0] = 99;
    assert_string_equal(sb_to_str(py, sb_method(py, kept, "tolist")).ptr, "[1.0, 2.0, 3.0]");
    assert_int_equal(sb_close(py), 0);
}

/* What fails is shown by sb_failed, never by an id: that of a failed call is not 0. */
static void ids_do_not_tell(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sbtest_Box b = sbtest_boom_box(py);
    assert_true(b.object.id != 0);
    assert_true(sb_failed(py));
    b = sbtest_Box_new(py, 1); /* skipped */
    assert_true(b.object.id != 0);
    sb_clear_error(py);
    assert_int_equal(sbtest_none_or_box(py, false).object.id, 0);
    assert_false(sb_failed(py));
    assert_int_equal(sb_close(py), 0);
}

/* A loop whose end depends on Python must look for errors. */
static void endless_loops(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_call(py, "sbtest.boom");
    int turns = 0;
    while (!sb_as_bool(py, sb_call(py, "builtins.bool", 1))) /* false for ever */
        if (++turns == 1000)
            break;
    assert_int_equal(turns, 1000);
    for (turns = 0; !sb_failed(py) && !sb_as_bool(py, sb_call(py, "builtins.bool", 1));)
        turns++;
    assert_int_equal(turns, 0);
    sb_clear_error(py);
    assert_int_equal(sb_close(py), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(truth),           TEST(characters),        TEST(enumerators),
        TEST(text_for_a_bool), TEST(plain_for_dynamic), TEST(jumps),
        TEST(text_with_nuls),  TEST(arrays_are_copied), TEST(ids_do_not_tell),
        TEST(endless_loops),   TEST(thread_exits),
    };
    named(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
