/* SPDX-License-Identifier: MIT
 *
 * The worker killed in the middle of everything: at each step of each kind of request that Python code takes part in
 * (py/kills.py), between frames, within frames, and while C functions run. The steps are one table. After each: the error
 * is SB_E_WORKER_DIED, the session goes on with a new worker, and no descriptor, mapping or process is left. Steps of the
 * protocol below Python's: ../process/fake_worker.h. */
#include "api.h"

struct step {
    const char *name;
    void (*run)(sb_session *py);
};

static sb_value deadly(sb_session *py, const char *where)
{
    return sb_call(py, "kills.deadly", where);
}

static pid_t worker_of(sb_session *py)
{
    return (pid_t)sb_as_int(py, sb_call(py, "kills.pid"));
}

/* ---- the steps ---- */

/* A step of one expression. */
#define STEP(name, ...)              \
    static void name(sb_session *py) \
    {                                \
        __VA_ARGS__;                 \
    }

static const sb_fn fn_i = { "kills:echo", "fv:x>i" }, fn_d = { "kills:echo", "fv:x>d" },
                   fn_s = { "kills:echo", "fv:x>s" }, fn_init = { "kills:Init", "f>o{kills:Init}" },
                   fn_value = { "kills:Property.value", "go:self>i" };
static sb_slot slot(const sb_value *v)
{
    return (sb_slot) { .v = v };
}

STEP(in_a_call, sb_call(py, "kills.die", 1, SB_KW("k", 2)))
STEP(in_a_typed_constructor, sb_run_o(py, &fn_init, SB_SITE_(""), NULL))
STEP(in_a_constructor, sb_call(py, "kills.Init"))
STEP(in_a_property, sb_value v = sb_call(py, "kills.Property");
     const sb_slot s = { .o = sb_as_object(py, v) }; sb_run_i(py, &fn_value, SB_SITE_(""), &s))
STEP(in_an_attribute, sb_attr(py, deadly(py, "__getattr__"), "any"))
STEP(in_setting_an_attribute, sb_set_attr(py, deadly(py, "__setattr__"), "any", 1))
STEP(in_an_item, sb_item(py, deadly(py, "__getitem__"), 1))
STEP(in_setting_an_item, sb_set_item(py, deadly(py, "__setitem__"), 1, 2))
STEP(in_a_call_of_an_object, sb_method(py, deadly(py, "__call__"), "__call__", 1))
STEP(in_len, sb_count(py, deadly(py, "__len__")))
STEP(in_str, sb_to_str(py, deadly(py, "__str__")))
STEP(in_print, sb_print(py, deadly(py, "__repr__")))
STEP(in_addition, sb_op(py, 1, "+", deadly(py, "__radd__")))
STEP(in_comparison, sb_op(py, deadly(py, "__lt__"), "<", 1))
STEP(in_equality, sb_op(py, deadly(py, "__eq__"), "==", 1))
STEP(in_contains, sb_op(py, 1, "in", deadly(py, "__contains__")))
STEP(in_hash_of_a_key, sb_call(py, "kills.echo", SB_DICT(py, deadly(py, "__hash__"), 1)))
STEP(in_hash_in_a_set, sb_call(py, "kills.echo", SB_SET(py, 1, deadly(py, "__hash__"))))
STEP(in_index_of_a_result, sb_value v = deadly(py, "__index__"); const sb_slot s = slot(&v);
     sb_run_i(py, &fn_i, SB_SITE_(""), &s))
STEP(in_float_of_a_result, sb_value v = deadly(py, "__float__"); const sb_slot s = slot(&v);
     sb_run_d(py, &fn_d, SB_SITE_(""), &s); sb_clear_error(py); sb_call(py, "math.sqrt", v))
STEP(in_a_result_of_another_type, sb_value v = deadly(py, "__str__"); const sb_slot s = slot(&v);
     sb_run_s(py, &fn_s, SB_SITE_(""), &s); sb_clear_error(py); sb_to_str(py, v))
STEP(in_fetching_items, sb_fetch(py, sb_call(py, "kills.Items")); sb_call(py, "kills.die"))
STEP(in_fetching_a_mapping, sb_fetch(py, sb_call(py, "kills.Mapping")); sb_call(py, "kills.die"))
STEP(in_array, sb_as_array(py, deadly(py, "__array__")); sb_clear_error(py);
     sb_call(py, "kills.die"))
STEP(in_an_exceptions_str, sb_call(py, "kills.raise_deadly"); sb_failed(py))
STEP(in_the_import_of_a_module,
     sb_import(py, sb_as_str(py, sb_call(py, "kills.deadly_module")).ptr))
STEP(in_print_of_python, sb_call(py, "kills.print_deadly"))
STEP(after_output, sb_call(py, "kills.say_and_die"))
STEP(in_much_output, sb_call(py, "kills.output", 2000))
STEP(in_del_of_a_release, sb_release(py, sb_as_object(py, deadly(py, "__del__")));
     py_math_sqrt(py, 4); sb_call(py, "kills.pid"))
static void in_del_at_the_end_of_a_scope(sb_session *py)
{
    {
        SB_SCOPE(py);
        deadly(py, "__del__");
    }
    sb_call(py, "kills.pid");
}
static void in_a_call_nobody_waits_for(sb_session *py)
{
    sbtest_Box b = sbtest_Box_new(py, 1);
    sb_run_o(py, &fn_init, SB_SITE_(""), NULL);
    for (int i = 0; i < 100; i++)
        b = sbtest_Box_add(py, b, 1);
    sbtest_Box_value(py, b);
}

/* ---- iteration ---- */

static void iterate(sb_session *py, sb_value over, bool lazy, int64_t leave_at)
{
    SB_FOR(py, sb_value, v, over, .lazy = lazy)
        if (v.kind == SB_INT_ && v.as.i == leave_at)
            break;
    sb_call(py, "kills.pid");
}
STEP(in_iter, iterate(py, deadly(py, "__iter__"), false, -1))
STEP(in_the_first_item, iterate(py, sb_call(py, "kills.numbers", 0), false, -1))
STEP(in_a_later_item, iterate(py, sb_call(py, "kills.numbers", 300), false, -1))
STEP(in_a_lazy_item, iterate(py, sb_call(py, "kills.numbers", 3), true, -1))
STEP(in_a_generators_finally, iterate(py, sb_call(py, "kills.with_finally"), false, 5))
STEP(in_enter, SB_WITH(py, x, sb_call(py, "kills.Enter")); (void)x)
STEP(in_exit, SB_WITH(py, x, sb_call(py, "kills.Exit")); (void)x)
STEP(in_exit_after_an_error, SB_WITH(py, x, sb_call(py, "kills.Exit")); (void)x;
     sb_call(py, "builtins.int", "x"))
STEP(in_a_coroutine, sb_call(py, "kills.later"))
STEP(in_source, sb_exec(py, "import kills\nkills.die()\n"))
STEP(in_a_step, sb_value v; sb_value g = sb_call(py, "kills.numbers", 1); sb_next(py, g, &v);
     sb_next(py, g, &v))

/* ---- C functions ---- */

static sb_value kills_it(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args, (void)count;
    kill((pid_t) * (int *)user, SIGKILL);
    nap(0.01);
    return py_math_sqrt(py, 4) > 0 ? SB_TRUE : SB_NONE;
}
static sb_value asks_it_to_die(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args, (void)count, (void)user;
    return sb_call(py, "kills.die");
}
static sb_value gives_what_kills(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args, (void)count, (void)user;
    return SB_DICT(py, deadly(py, "__hash__"), 1);
}
static sb_value nothing(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)py, (void)args, (void)count, (void)user;
    return SB_NONE;
}
static sb_value goes_deeper(sb_session *py, const sb_value *args, size_t count, void *user)
{
    if (count == 2 && args[0].kind == SB_INT_ && args[0].as.i > 0)
        return sb_call(py, "kills.call", args[1], args[0].as.i - 1, args[1]);
    return asks_it_to_die(py, args, count, user);
}
static int dropped;
static void count_drop(void *user)
{
    (void)user;
    dropped++;
}
STEP(from_a_callback, int pid = (int)worker_of(py);
     sb_call(py, "kills.call", sb_function(py, kills_it, &pid, count_drop)))
STEP(in_a_call_of_a_callback,
     sb_call(py, "kills.call", sb_function(py, asks_it_to_die, NULL, count_drop)))
STEP(in_a_callbacks_result,
     sb_call(py, "kills.call", sb_function(py, gives_what_kills, NULL, count_drop)))
STEP(after_a_callback,
     sb_call(py, "kills.call_then_die", sb_function(py, nothing, NULL, count_drop)))
STEP(in_a_nested_callback, sb_object f = sb_function(py, goes_deeper, NULL, count_drop);
     sb_call(py, "kills.call", f, 5, f))

/* ---- submitted calls ---- */

STEP(in_a_submitted_call, sb_wait(py, sb_submit(py, "kills.die"), -1))
STEP(before_a_submitted_call, sb_submit(py, "kills.die"); sb_object o = sb_submit(py, "kills.pid");
     sb_fetch(py, o))
STEP(a_submitted_call_is_cancelled, sb_object o = sb_submit(py, "kills.die"); sb_cancel(py, o);
     sb_wait(py, o, -1); sb_clear_error(py); sb_call(py, "kills.die"))
static void while_polled(sb_session *py)
{
    int fd = sb_fd(py);
    sb_object o = sb_submit(py, "kills.die");
    for (double end = seconds() + 5; fd >= 0 && !sb_wait(py, o, 0) && seconds() < end;)
        nap(0.001);
}

/* ---- between frames, and within them ---- */

struct killer {
    pid_t pid;
    double after;
};
static void *kill_later(void *arg)
{
    const struct killer *k = arg;
    nap(k->after);
    kill(k->pid, SIGKILL);
    return NULL;
}
/* Runs `traffic` while the worker is stopped, if it shall be, and killed a little later. */
static void killed_during(sb_session *py, bool stopped, double after, void (*traffic)(sb_session *))
{
    struct killer k = { worker_of(py), after };
    pthread_t t;
    if (sb_failed(py))
        return;
    if (stopped)
        kill(k.pid, SIGSTOP);
    assert_int_equal(pthread_create(&t, NULL, kill_later, &k), 0);
    traffic(py);
    assert_int_equal(pthread_join(t, NULL), 0);
    sb_call(py, "kills.pid");
}
STEP(one_call, py_math_sqrt(py, 4))
STEP(many_calls, sbtest_Box b = sbtest_Box_new(py, 1);
     for (int i = 0; i < 5000; i++) b = sbtest_Box_add(py, b, 1); /* more than a ring holds */
     sbtest_Box_value(py, b))
STEP(a_large_argument, static char text[4 << 20];
     sb_call(py, "builtins.len", ((sb_bytes) { (const unsigned char *)text, sizeof text })))
STEP(
    large_answers, for (int i = 0; i < 50 && !sb_failed(py); i++) {
        SB_SCOPE(py);
        sb_call(py, "kills.text", 4 << 20);
    })
STEP(small_calls, while (!sb_failed(py)) py_math_sqrt(py, 4))
STEP(
    a_stream, while (!sb_failed(py)) {
        SB_SCOPE(py);
        iterate(py, sb_call(py, "builtins.range", 1000), false, -1);
    })
STEP(callbacks, sb_object f = sb_function(py, nothing, NULL, NULL);
     while (!sb_failed(py)) sb_call(py, "kills.call", f))
STEP(
    releases, while (!sb_failed(py)) {
        SB_SCOPE(py);
        for (int i = 0; i < 50; i++)
            sbtest_Box_new(py, i);
    })
STEP(
    futures, while (!sb_failed(py)) {
        SB_SCOPE(py);
        for (int i = 0; i < 20; i++)
            sb_submit(py, "kills.text", 1000);
    })
static void array_calls(sb_session *py)
{
    while (!sb_failed(py)) {
        SB_SCOPE(py);
        sb_array a = sb_array_new(py, SB_FLOAT64, 1, (const int64_t[]) { 100000 });
        sb_as_array(py, sb_call(py, "kills.echo", &a));
    }
}
STEP(stopped_before_a_call, killed_during(py, true, 0.03, one_call))
STEP(stopped_before_many_calls, killed_during(py, true, 0.03, many_calls))
STEP(stopped_before_a_large_argument, killed_during(py, true, 0.03, a_large_argument))
static void at_moments(sb_session *py, void (*traffic)(sb_session *))
{
    for (int i = 0; i < 8; i++) {
        SB_SCOPE(py);
        killed_during(py, false, 0.0002 + 0.0013 * i, traffic);
        if (i < 7)
            sb_clear_error(py);
    }
}
STEP(in_a_large_argument, at_moments(py, a_large_argument))
STEP(in_large_answers, at_moments(py, large_answers))
STEP(in_small_calls, at_moments(py, small_calls))
STEP(in_a_stream, at_moments(py, a_stream))
STEP(in_callbacks, at_moments(py, callbacks))
STEP(in_releases, at_moments(py, releases))
STEP(in_futures, at_moments(py, futures))
STEP(in_array_calls, at_moments(py, array_calls))
static void idle(sb_session *py)
{
    kill(worker_of(py), SIGKILL);
    nap(0.05);
    py_math_sqrt(py, 4);
}

static const struct step steps[] = {
#define S(name)     \
    {               \
#name, name \
    }
    S(in_a_call),
    S(in_a_typed_constructor),
    S(in_a_constructor),
    S(in_a_property),
    S(in_an_attribute),
    S(in_setting_an_attribute),
    S(in_an_item),
    S(in_setting_an_item),
    S(in_a_call_of_an_object),
    S(in_len),
    S(in_str),
    S(in_print),
    S(in_addition),
    S(in_comparison),
    S(in_equality),
    S(in_contains),
    S(in_hash_of_a_key),
    S(in_hash_in_a_set),
    S(in_index_of_a_result),
    S(in_float_of_a_result),
    S(in_a_result_of_another_type),
    S(in_fetching_items),
    S(in_fetching_a_mapping),
    S(in_array),
    S(in_an_exceptions_str),
    S(in_the_import_of_a_module),
    S(in_print_of_python),
    S(after_output),
    S(in_much_output),
    S(in_del_of_a_release),
    S(in_del_at_the_end_of_a_scope),
    S(in_a_call_nobody_waits_for),
    S(in_iter),
    S(in_the_first_item),
    S(in_a_later_item),
    S(in_a_lazy_item),
    S(in_a_generators_finally),
    S(in_a_step),
    S(in_enter),
    S(in_exit),
    S(in_exit_after_an_error),
    S(in_a_coroutine),
    S(in_source),
    S(from_a_callback),
    S(in_a_call_of_a_callback),
    S(in_a_callbacks_result),
    S(after_a_callback),
    S(in_a_nested_callback),
    S(in_a_submitted_call),
    S(before_a_submitted_call),
    S(a_submitted_call_is_cancelled),
    S(while_polled),
    S(idle),
    S(stopped_before_a_call),
    S(stopped_before_many_calls),
    S(stopped_before_a_large_argument),
    S(in_a_large_argument),
    S(in_large_answers),
    S(in_small_calls),
    S(in_a_stream),
    S(in_callbacks),
    S(in_releases),
    S(in_futures),
    S(in_array_calls),
#undef S
};

/* ---- what holds after each ---- */

/* Shared memory that is mapped here. */
static int mappings(void)
{
    int n = 0;
    char line[512];
    FILE *f = fopen("/proc/self/maps", "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        n += strstr(line, "/memfd:") != NULL;
    fclose(f);
    return n;
}

/* What a process with one worker has, after a session of it has done everything that maps memory. */
static int settled_mappings(void)
{
    sb_session *py = sb_open(.quiet = true);
    sb_array a = sb_array_new(py, SB_FLOAT64, 1, (const int64_t[]) { 100000 });
    sb_as_array(py, sb_call(py, "kills.echo", &a));
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
    return mappings();
}

static void died(sb_session *py, const char *what)
{
    const sb_error *e = sb_get_error(py);
    if (!e || e->code != SB_E_WORKER_DIED)
        fail_msg("%s: expected SB_E_WORKER_DIED, got %s: %s", what, e ? e->type : "no error",
                 e ? e->message : "");
}

static void step(void **state)
{
    const struct step *s = *state;
    void *holdings;
    assert_int_equal(warm_up(&holdings), 0);
    const int maps = settled_mappings();
    sb_session *py = sb_open(.quiet = true), *other = sb_open(.quiet = true);
    pid_t before = worker_of(py);
    sb_object old = sbtest_Box_new(py, 1).object;
    sbtest_Box_new(other, 1);
    expect_fine(py);
    {
        SB_SCOPE(py);
        s->run(py);
        died(py, "the session");
    }
    sb_clear_error(py);
    assert_true(py_math_sqrt(py, 4) == 2 && worker_of(py) != before);
    expect_fine(py);
    sb_attr(py, old, "value");
    expect_error(py, SB_E_STALE, NULL, NULL);
    /* Another session of the same worker hears of it once. */
    py_math_sqrt(other, 4);
    died(other, "another session");
    sb_clear_error(other);
    assert_true(py_math_sqrt(other, 4) == 2);
    expect_fine(other);
    assert_int_equal(sb_close(other), 0);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(nothing_left(&holdings), 0);
    int now = settled_mappings();
    for (double end = seconds() + 2; now > maps && seconds() < end; nap(0.01))
        now = mappings();
    if (now > maps)
        fail_msg("%d mappings of shared memory, %d before", now, maps);
}

/* Closing a session whose worker dies of it. */
static void in_sb_close(void **state)
{
    (void)state;
    void *holdings;
    assert_int_equal(warm_up(&holdings), 0);
    sb_session *py = sb_open(.quiet = true);
    deadly(py, "__del__");
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(nothing_left(&holdings), 0);
}

static void drops(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    dropped = 0;
    sb_object f = sb_function(py, nothing, NULL, count_drop);
    sb_call(py, "kills.call_then_die", f);
    died(py, "the session");
    sb_clear_error(py);
    py_math_sqrt(py, 4);
    assert_int_equal(dropped, 1);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(dropped, 1);
}

int main(int argc, char **argv)
{
    enum { STEPS = sizeof steps / sizeof *steps };
    struct CMUnitTest tests[STEPS + 2] = { cmocka_unit_test(in_sb_close), cmocka_unit_test(drops) };
    for (size_t i = 0; i < STEPS; i++)
        tests[2 + i] =
            (struct CMUnitTest) { steps[i].name, step, NULL, NULL, (void *)(uintptr_t)&steps[i] };
    named(argc, argv);
    return _cmocka_run_group_tests("killed", tests, STEPS + 2, NULL, NULL);
}
