/* SPDX-License-Identifier: MIT
 *
 * use_mine.c - calls everything in mine.py through its bindings and looks at what arrives. Valid C11 and C++20. Prints
 * what is wrong, and returns how much of it.
 */
#include <snakebridge.h>
#include "py/builtins.h"
#include "py/mine.h"
#include <string.h>

static int good, bad;

static void check(sb_session *py, bool right, int line, const char *what)
{
    if (right && !sb_failed(py)) {
        good++;
        return;
    }
    bad++;
    printf("line %d: %s\n", line, what);
    sb_print_error(py, stdout);
    sb_clear_error(py);
}
#define CHECK(py, x) check(py, x, __LINE__, #x)

static bool is(sb_str text, const char *expected)
{
    bool same = strcmp(text.ptr, expected) == 0;
    if (!same)
        printf("\"%s\" is due, there is \"%s\"\n", expected, text.ptr);
    return same;
}

static void arguments(sb_session *py)
{
    static const unsigned char raw[] = { 'x', 0, 'y' };
    sb_bytes e = { raw, 3 };
    mine_required_result r = mine_required(py, 1, 2.5, true, "d\xc3\xa9", e);
    CHECK(py, r.item0 == 1 && r.item1 == 2.5 && r.item2 && !strcmp(r.item3.ptr, "d\xc3\xa9") &&
                  r.item4.len == 3 && !memcmp(r.item4.ptr, raw, 3));
    CHECK(py, is(mine_options(py), "(1, 2.0, True, None, b'', None)"));
    CHECK(py, is(mine_options(py, .a = 0, .b = 0, .c = false, .d = NULL, .e = e, .default_ = SB(5)),
                 "(0, 0.0, False, None, b'x\\x00y', 5)"));
    CHECK(py, is(mine_options(py, .d = "t"), "(1, 2.0, True, 't', b'', None)"));
    CHECK(py, mine_posopt(py, 1) == 156);
    CHECK(py, mine_posopt(py, 1, .b = 0) == 106);
    CHECK(py, mine_posopt(py, 1, .b = 2, .c = 3) == 123);
    mine_posopt(py, 1, .c = 3);
    CHECK(py, sb_catch(py, "SB_E_MISUSE"));
    CHECK(py, is(mine_kwonly(py, 1, "c", 2), "1c2"));
    CHECK(py, mine_star(py) == 0 && mine_star(py, 1, 2, 3) == 6);
    CHECK(py, is(mine_starkw(py, 1, "a", SB_KW("k", 2.5)), "((1, 'a'), [('k', 2.5)])"));
    CHECK(py, is(mine_kwargs(py, 1, .kwargs = SB_DICT(py, "b", 2, "class", 3)),
                 "(1, [('b', 2), ('class', 3)])"));
    CHECK(py, is(mine_kwargs(py, 1), "(1, [])"));
    CHECK(py, is(mine_passon(py, "f", .engine = "e", .kwargs = SB_DICT(py, "z", 1)),
                 "('f', (), 'e', [('z', 1)])"));
    CHECK(py, is(mine_passon_by_args(py, "f", 1, 2, SB_KW("engine", "q"), SB_KW("z", 1)),
                 "('f', (1, 2), 'q', [('z', 1)])"));
    CHECK(py,
          is(mine_operands(py, "ij", 1, 2, SB_KW("optimize", SB_TRUE)), "('ij', (1, 2), True)"));
    CHECK(py, is(mine_lit(py), "'left'"));
    CHECK(py, is(mine_lit(py, .how = mine_lit_how_right__x), "'right; x'"));
    CHECK(py, is(mine_lit(py, .how = mine_lit_how_3), "3"));
    CHECK(py, is(mine_lit(py, .how = mine_lit_how_True), "True"));
    CHECK(py, is(mine_lit(py, .how = mine_lit_how_None), "None"));
}

static void enums_and_tuples(sb_session *py)
{
    mine_Color red = mine_Color_RED(py);
    CHECK(py, is(mine_Color_name(py, mine_color(py, red)), "RED"));
    CHECK(py,
          is(mine_Color_name(py, mine_color(py, red, .f = mine_Flags_A | mine_Flags_B)), "GREEN"));
    CHECK(py, is(mine_Color_name(py, mine_Color_new(py, "green")), "GREEN"));
    mine_Point p = mine_point(py);
    CHECK(py, p.x == 1.5 && p.y == 2);
    p = mine_point(py, .p = SB(sb_call(py, "mine.Point", 3.5, 4)));
    CHECK(py, p.x == 3.5 && p.y == 4);
    CHECK(py, mine_maybe(py, false).object.id == 0 && mine_maybe(py, true).object.id != 0);
}

static void objects(sb_session *py)
{
    mine_Base b = mine_Base_new(py, "n", .size = 0);
    CHECK(py, mine_Base_size(py, b) == 0);
    mine_Base_size_set(py, b, 4);
    CHECK(py, mine_Base_size(py, b) == 4 && mine_Base_len(py, b) == 4 && mine_Base_bool(py, b));
    CHECK(py, is(mine_Base_getitem(py, b, "k"), "nk"));
    mine_Base_setitem(py, b, "k", "v");
    CHECK(py, is(mine_Base_name(py, b), "kv"));
    CHECK(py, mine_Base_contains(py, b, "v") && !mine_Base_contains(py, b, "q"));
    CHECK(py, mine_Base_call(py, b, 5) == 10 && mine_Base_call(py, b, 5, .b = 0) == 0);
    CHECK(py, is(mine_Base_name(py, mine_Base_add(py, b, b)), "kvkv"));
    CHECK(py, mine_Base_eq(py, b, mine_Base_me(py, b)) && !mine_Base_eq(py, b, 1));
    CHECK(py, mine_Base_float(py, b) == 1.5 && mine_Base_int(py, b) == 7);
    CHECK(py, is(mine_Base_name(py, mine_Base_make(py)), "made") && mine_Base_twice(py, 2) == 4);
    CHECK(py, sb_is_none(mine_Base_label(py, b)));
    mine_Base_label_set(py, b, "L");
    CHECK(py, is(sb_as_str(py, mine_Base_label(py, b)), "L"));
    mine_Base_label_set(py, b, NULL);
    CHECK(py, sb_is_none(mine_Base_label(py, b)));
    mine_Derived d = mine_Derived_make(py, .name = "d");
    CHECK(py, is(mine_Derived_name(py, mine_Derived_me(py, d)), "d") &&
                  is(mine_Derived_only(py, d, .mode = mine_Derived_only_mode_b_c), "b-c"));
    CHECK(py, mine_Derived_call(py, d, 3, .b = 3) == 9);
}

static void unions_and_overloads(sb_session *py)
{
    mine_Derived d = mine_Derived_make(py);
    mine_Color red = mine_Color_RED(py);
    CHECK(py, is(mine_union(py, d), "Derived") && is(mine_union(py, red), "Color"));
    CHECK(py,
          sb_as_int(py, mine_either(py, 3)) == 3 && is(sb_as_str(py, mine_either(py, "x")), "x"));
    CHECK(py, mine_Derived_len(py, mine_over_by_chunk(py, "p", 9)) == 9 &&
                  mine_Base_len(py, mine_over(py, "p")) == 3);
    mine_nothing(py, d.as_Base);
    CHECK(py, is(mine_Derived_name(py, d), "touched"));
    CHECK(py, sb_as_int(py, sb_call(py, "builtins.sum", mine_gen(py))) == 3);
    CHECK(py, sb_count(py, mine_untyped(py, 1, .b = SB(7))) == 4);
    CHECK(py, mine_CONST(py) == 42 && is(mine_TEXT(py), "text") && mine_UNIT(py, 4) == 8);
    mine_Derived_from(py, mine_Base_new(py, "b"));
    CHECK(py, sb_catch(py, "SB_E_TYPE"));
}

static void builtins(sb_session *py)
{
    CHECK(py, is(py_str_upper(py, "abc"), "ABC") && py_len(py, "abc") == 3);
    CHECK(py, is(py_str_format(py, "{} {x}", 1, SB_KW("x", 2)), "1 2"));
    py_list l = py_list_new(py);
    py_list_append(py, l, 5);
    py_list_append(py, l, "x");
    CHECK(py, py_list_len(py, l) == 2 && sb_as_int(py, py_list_getitem(py, l, 0)) == 5);
    py_list_delitem(py, l, 0);
    CHECK(py, py_list_len(py, l) == 1 && py_list_contains(py, l, "x"));
    CHECK(py, py_int_new(py, .arg0 = SB("ff"), .base = 16) == 255);
    CHECK(py, sb_as_int(py, py_max(py, SB_LIST(py, 3, 9, 2))) == 9 &&
                  sb_as_int(py, py_max_by_args(py, 4, 2)) == 4);
    py_print(py, "printed", 1, SB_KW("sep", "-"));
}

struct state {
    double factor;
    int calls, drops;
};

static double times(sb_session *py, double x, void *user)
{
    struct state *s = (struct state *)user;
    (void)py;
    s->calls++;
    return s->factor * x;
}

static void dropped(void *user)
{
    ((struct state *)user)->drops++;
}

static double identity(sb_session *py, double x, void *user)
{
    (void)py;
    return user ? -1 : x;
}

static int64_t next(sb_session *py, int64_t x, void *user)
{
    (void)py, (void)user;
    return x + 1;
}

static const char *look(sb_session *py, mine_Base b, mine_Base none, int64_t i, sb_str s,
                        sb_bytes y, bool yes, sb_value any, void *user)
{
    CHECK(py, user == NULL && none.object.id == 0 && i == 7 && yes);
    CHECK(py, s.len == 5 && memcmp(s.ptr, "t\0ext", 5) == 0 && y.len == 2 && y.ptr[1] == 'y');
    CHECK(py, sb_count(py, any) == 2);
    return mine_Base_getitem(py, b, "!").ptr;
}

static const char *double_it(sb_session *py, sb_str s, void *user)
{
    (void)user;
    return sb_to_str(py, sb_op(py, SB(s), "*", 2)).ptr;
}

static void functions(sb_session *py)
{
    struct state s = { 3, 0, 0 };
    CHECK(py, mine_integrate(py, identity, 0, 2) == 2);
    CHECK(py, mine_integrate(py, &identity, 0, 4) == 8);
    CHECK(py, mine_integrate(py, sb_import(py, "builtins.abs"), -1, 1) == 2);
    {
        SB_SCOPE(py);
        sb_object f = mine_fn_float_to_float_new(py, times, &s, dropped);
        CHECK(py, mine_integrate(py, f, 0, 2) == 6 && s.calls == 2);
        CHECK(py, mine_scaled(py, f, 5) == 15 && s.calls == 3);
        CHECK(py, sb_as_double(py, sb_method(py, f, "__call__", 2)) == 6);
    }
    CHECK(py, is(mine_visit(py, look), "b!"));
    CHECK(py, mine_each(py, 3) == 3);
    CHECK(py, is(mine_either_or(py, "text"), "text"));
    CHECK(py, is(mine_either_or(py, mine_fn_str_to_str_new(py, double_it, NULL, NULL)), "xx"));
    static const char *const wrong[] = {
        "TypeError: mine_fn_int_to_int takes 1 argument, 0 were given",
        "TypeError: mine_fn_int_to_int takes 1 argument, 2 were given",
        "TypeError: mine_fn_int_to_int takes no keyword arguments, x was given",
        "TypeError: mine_fn_int_to_int: argument 1: int was due, got str",
        "OverflowError: mine_fn_int_to_int: argument 1: ",
    };
    for (int i = 0; i < 5; i++) {
        sb_str text = mine_wrong(py, next, i);
        CHECK(py, strncmp(text.ptr, wrong[i], strlen(wrong[i])) == 0);
        if (strncmp(text.ptr, wrong[i], strlen(wrong[i])) != 0)
            puts(text.ptr);
    }
    CHECK(py, s.drops == 1);
}

static void loops(sb_session *py)
{
    int64_t sum = 0;
    mine_gen_iter(py, i) sum += i;
    CHECK(py, sum == 3);
    mine_bases_iter(py, b, 4)
    {
        if (mine_Base_len(py, b) == 1)
            continue;
        sum += mine_Base_len(py, b);
        if (mine_Base_len(py, b) == 2)
            break;
    }
    CHECK(py, sum == 5);
    size_t length = 0;
    mine_words_iter(py, word) length += word.len;
    CHECK(py, mine_coro(py) == 1);
    mine_texts_iter(py, text, 3) length += text.len - 1;
    CHECK(py, length == 3);
    double half = 0;
    mine_Rows_new_iter(py, x, 3) half += x;
    CHECK(py, half == 1.5);
    mine_Rows rows = mine_Rows_new(py, 1);
    mine_Rows_pairs_iter(py, pair, rows) sum += sb_as_int(py, sb_nth(py, pair, 0));
    CHECK(py, sum == 8);
}

static void submitted(sb_session *py)
{
    mine_Base made = mine_Base_new_submit(py, "late", .size = 9);
    sb_object size = mine_Base_len_submit(py, made);
    sb_object text = mine_options_submit(py, .a = 0, .d = "t");
    CHECK(py, sb_as_int(py, SB(size)) == 9);
    CHECK(py, is(sb_as_str(py, SB(text)), "(0, 2.0, True, 't', b'', None)"));
    sb_object five = mine_either_submit(py, 5);
    CHECK(py, sb_wait(py, five, -1) && sb_as_int(py, SB(five)) == 5);
    sb_object point = mine_point_submit(py);
    CHECK(py, sb_as_int(py, sb_item(py, point, 1)) == 2);
    sb_object nothing = mine_nothing_submit(py, made);
    CHECK(py, sb_wait(py, nothing, -1) && is(mine_Base_name(py, made), "touched"));
    sb_object wrong = mine_integrate_submit(py, sb_import(py, "builtins.len"), 0, 1);
    CHECK(py, sb_wait(py, wrong, -1) && sb_catch(py, "TypeError"));
}

int main(void)
{
    sb_session *py = sb_open();
    arguments(py);
    enums_and_tuples(py);
    objects(py);
    unions_and_overloads(py);
    builtins(py);
    functions(py);
    loops(py);
    submitted(py);
    printf("%d good, %d bad\n", good, bad);
    return sb_close(py) + bad + (good < 50);
}
