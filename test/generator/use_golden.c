/* Uses the golden headers as programs do: each way to pass arguments and to take results. Valid C11 and C++20, compiled
 * without a diagnostic. */
#include <snakebridge.h>
#include "py/alpha.h"
#include "py/builtins.h"
#include "py/demo.h"
#include "py/demo/sub.h"
#include "py/math.h"
#include "py/os.h"
#include "py/os/path.h"
#include "py/re.h"

static double plain(sb_session *py)
{
    py_math_frexp_result parts = py_math_frexp(py, 8.0);
    return py_math_sqrt(py, 2) + py_math_pi(py) + parts.item0 + (double)parts.item1 +
           (double)py_math_gcd(py, 12, 18) + (double)py_math_gcd(py);
}

static void text(sb_session *py)
{
    sb_str upper = py_str_upper(py, "abc");
    puts(upper.ptr);
    sb_value joined = sb_from_str(py_os_path_join(py, "a", "b", upper));
    puts(sb_to_str(py, joined).ptr);
    puts(py_str_format(py, "{} {x}", 1, SB_KW("x", 2.5)).ptr);
    py_print(py);
    py_print(py, "a", 1, SB_KW("sep", ", "));
}

static demo_Frame options(sb_session *py, const char *path)
{
    demo_Frame f = demo_read(py, path, .sep = ";");
    demo_sub_TimeSeries chunks =
        demo_read_by_chunksize(py, path, 100, .sep = ";", .iterator = true);
    demo_Base_how(py, chunks.as_Base, .how = demo_Base_how_how_right, .mode = demo_Mode_w_plus);
    demo_Frame_how(py, f);
    demo_linux(py, 1, 2.0, .unix_ = true, .site_ = 2, .union_ = "x");
    sb_array numbers = sb_array_new(py, SB_FLOAT64, 0, NULL);
    demo_Result r = demo_eig(py, &numbers);
    f = demo_concat(py, SB_LIST(py, f, r.values, r.class_), .axis = 1,
                    .order = demo_concat_order_None);
    return demo_sub_concat(py, SB_LIST(py, f));
}

static void objects(sb_session *py, demo_Frame f)
{
    demo_Series s = demo_Frame_getitem(py, f, "x");
    f = demo_Frame_add(py, f, s, .axis = demo_Frame_add_axis_rows);
    f = demo_Frame_add(py, f, f);
    f = demo_Frame_add_(py, f, 2.5);
    demo_Frame_index_set(py, f, s);
    demo_Frame_name_set(py, f, NULL);
    demo_Base_where(py, f.as_Base, s);
    demo_Frame_where_by_inplace(py, f, s, true);
    demo_Frame_pipe(py, f, "f", .verbose = true, .kwargs = SB_DICT(py, "a", 1));
    demo_Frame_pipe_by_args(py, f, "f", 1, 2, SB_KW("verbose", SB_TRUE));
    demo_Frame_shape_result shape = demo_Frame_shape(py, demo_Frame_head(py, f, .n = 0));
    printf("%lld %lld %lld\n", (long long)shape.item0, (long long)demo_Frame_len(py, f),
           (long long)demo_Series_size(py, s));
    demo_sub_only(py, demo_sub_TimeSeries_new(py).as_Series);
    demo_sub_only(py, demo_Series_from(py, s));
    demo_Color red = demo_pick(py, demo_Color_RED(py), f.as_Base);
    puts(demo_Color_label(py, red).ptr);
    demo_Frame table = demo_Frame_from_dict(py, SB_DICT(py, "a", SB_LIST(py, 1, 2)));
    demo_sub_Table same = demo_sub_Table_from(py, table);
    demo_unknown(py, same, SB_KW("x", 1));
    demo_sub_Both both = demo_sub_Both_from(py, SB_NONE);
    demo_Base_len(py, both.as_demo_Base);
    demo_abs(py, 1, .where = false);
}

static void across_libraries(sb_session *py)
{
    al_GeoFrame g =
        al_load(py, demo_Frame_new(py, .data = SB(1.0), .class_ = 3), .mode = demo_Mode_r);
    demo_Frame f = g.as_Frame;
    al_load(py, g.as_Frame);
    al_both(py, g);
    al_both(py, demo_Frame_getitem(py, f, "x"));
    al_GeoFrame_head(py, g, .n = 1);
}

static void matching(sb_session *py)
{
    py_re_Match m = py_re_match(py, "a", "b", .flags = py_re_IGNORECASE | py_re_RegexFlag_DEBUG);
    if (m.object.id)
        py_re_Match_group(py, m, 1);
    py_list l = py_list_new(py);
    py_list_append(py, l, "x");
    py_list_setitem(py, l, 0, 1.5);
    py_max(py, l, .key = SB(l));
    py_max_by_args(py, 1, 2, 3);
    sb_bytes b = { NULL, 0 };
    demo_blob(py, demo_blob(py, b), .more = b);
}

struct total {
    double sum;
};

static double weigh(sb_session *py, double x, void *user)
{
    (void)py;
    ((struct total *)user)->sum += x;
    return x;
}

static double plus_one(sb_session *py, double x, void *user)
{
    (void)py, (void)user;
    return x + 1;
}

static void seen(sb_session *py, demo_Frame f, sb_str text, void *user)
{
    (void)user;
    demo_Frame_len(py, f);
    puts(text.ptr);
}

static void functions(sb_session *py)
{
    struct total t = { 0 };
    demo_fn_float_to_float f = plus_one;
    double x = demo_integrate(py, plus_one, 0, 1) + demo_integrate(py, f, 0, 1) +
               demo_integrate(py, demo_fn_float_to_float_new(py, weigh, &t, NULL), 0, 1) +
               demo_integrate(py, sb_import(py, "math.sqrt"), 0, 1);
    demo_integrate(py, &plus_one, x, 1,
                   .each = SB(demo_fn_Frame_str_to_None_new(py, seen, NULL, NULL)));
}

static double loops(sb_session *py)
{
    double n = 0;
    demo_rows_iter(py, row, "x.csv", .limit = 3)
    {
        if (demo_Frame_len(py, row) == 0)
            continue;
        demo_lengths_iter(py, length, row) n += (double)length;
    }
    return n;
}

static void submitted(sb_session *py)
{
    demo_Frame f = demo_read_submit(py, "x.csv", .sep = ";");
    sb_object n = demo_Frame_len_submit(py, f);
    sb_object x = demo_integrate_submit(py, plus_one, 0, 1);
    py_print_submit(py, n, x, SB_KW("sep", " "));
}

int main(void)
{
    sb_session *py = sb_open();
    double (*root)(sb_session *, double, const sb_site *) = py_math_sqrt;
    sb_str (*cwd)(sb_session *, const sb_site *) =
        py_os_path_getcwd; /* another name of a function */
    double x = plain(py) + root(py, 2, NULL);
    puts(cwd(py, NULL).ptr);
    text(py);
    objects(py, options(py, "x.csv"));
    across_libraries(py);
    matching(py);
    functions(py);
    x += loops(py);
    submitted(py);
    printf("%g\n", x);
    return sb_close(py);
}
