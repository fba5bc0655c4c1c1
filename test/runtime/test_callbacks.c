/* SPDX-License-Identifier: MIT
 *
 * C functions as Python callables. Runs over each transport. */
#include "sbtest.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static bool in_worker(void)
{
    return !strcmp(getenv("SNAKEBRIDGE_TRANSPORT"), "worker");
}

static void nap(double seconds)
{
    struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
    while (nanosleep(&t, &t) < 0)
        ;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void drop_counts(void *user)
{
    ++*(int *)user;
}

#define CALL(py, ...) sb_call(py, "callbacks.call", __VA_ARGS__)

/* ---- arguments and results ---- */

static sb_value add(sb_session *py, const sb_value *args, size_t count, void *user)
{
    double sum = 0;
    size_t n = sb_positional(args, count);
    for (size_t i = 0; i < n; i++)
        sum += sb_as_double(py, args[i]);
    sb_value k = sb_keyword(args, count, "k");
    if (!sb_is_unset(k))
        sum *= sb_as_double(py, k);
    if (user)
        ++*(int *)user;
    return SB(sum);
}

static void calls(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    int count = 0;
    sb_object f = sb_function(py, add, &count, NULL);
    expect_fine(py);
    assert_float_equal(sb_as_double(py, CALL(py, f, 1, 2.5)), 3.5, 0);
    assert_float_equal(sb_as_double(py, CALL(py, f, 1, 2, SB_KW("k", 10))), 30, 0);
    assert_float_equal(sb_as_double(py, CALL(py, f, SB_KW("j", 2), SB_KW("k", 10))), 0, 0);
    assert_float_equal(sb_as_double(py, CALL(py, f)), 0, 0);
    sb_value many = sb_call(py, "builtins.eval",
                            "lambda f: f(*range(1000), **{'k%d' % i: i for i in range(100)}, k=2)");
    assert_float_equal(sb_as_double(py, sb_method(py, many, "__call__", f)), 999000, 0);
    sb_value sum = sb_call(py, "builtins.sum",
                           sb_call(py, "builtins.map", f, sb_call(py, "builtins.range", 1000)));
    assert_float_equal(sb_as_double(py, sum), 499500, 0);
    assert_int_equal(count, 1005);
    assert_string_equal(sb_as_str(py, sb_attr(py, f, "__name__")).ptr, "add");
    assert_string_equal(sb_to_str(py, sb_call(py, "inspect.signature", f)).ptr,
                        "(*args, **kwargs)");
    assert_true(sb_as_bool(py, sb_call(py, "builtins.callable", f)));
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static sb_value kinds(sb_session *py, const sb_value *args, size_t count, void *user)
{
    char *text = user;
    *text = 0;
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), 20, "%d ", args[i].kind);
    return SB_LIST(py, 1, "two", SB_TUPLE(py, 3.5, SB_NONE), SB_DICT(py, "k", args[count - 1]));
}

static sb_value identity(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)py;
    (void)count;
    (void)user;
    return args[0];
}

static void values(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    char text[200], want[200];
    int64_t alive = boxes_alive(py);
    {
        SB_SCOPE(py);
        sb_object f = sb_function(py, kinds, text, NULL);
        sbtest_Box box = sbtest_Box_new(py, 7);
        sb_value r =
            CALL(py, f, SB_NONE, SB_TRUE, 5, sb_from_digits("123456789012345678901234567890"), 2.5,
                 "text", SB_LIST(py, 1), SB_TUPLE(py, 1, 2), box);
        snprintf(want, sizeof want, "%d %d %d %d %d %d %d %d %d ", SB_NONE_, SB_BOOL_, SB_INT_,
                 SB_BIGINT_, SB_FLOAT_, SB_STR_, SB_OBJECT_, SB_TUPLE_, SB_OBJECT_);
        assert_string_equal(text, want);
        assert_string_equal(sb_to_str(py, sb_call(py, "sbtest.echo", sb_item(py, r, 2))).ptr,
                            "(3.5, None)");
        assert_int_equal(sb_as_int(py, sb_attr(py, sb_item(py, sb_item(py, r, 3), "k"), "value")),
                         7);
        sb_object same = sb_function(py, identity, NULL, NULL);
        assert_true(sb_is(py, CALL(py, same, box), box));
        expect_fine(py);
        /* Larger than the ring, both ways. */
        sb_value large = sb_call(py, "sbtest.text", 3000000);
        assert_int_equal(sb_as_str(py, CALL(py, same, large)).len, 3000000);
        sb_value bytes = sb_call(py, "builtins.bytes", 100000);
        assert_int_equal(sb_as_bytes(py, CALL(py, same, bytes)).len, 100000);
        expect_fine(py);
    }
    assert_int_equal(boxes_alive(py), alive);
    assert_int_equal(sb_close(py), 0);
}

/* Arguments live until it returns, unless one is kept; what it makes is its own, too. */
static sb_value keeps(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)count;
    for (int i = 0; i < 700; i++) /* more than the list of releases holds */
        sbtest_Box_new(py, i);
    if (args[0].kind == SB_OBJECT_ && user)
        *(sb_object *)user = sb_keep(py, args[0].as.object);
    SB_SCOPE(py);
    return sb_from_object(sb_keep(py, sbtest_Box_new(py, 11).object));
}

static void scopes(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    int64_t alive = boxes_alive(py);
    {
        SB_SCOPE(py);
        sb_object kept = { 0 }, f = sb_function(py, keeps, &kept, NULL),
                  g = sb_function(py, keeps, NULL, NULL);
        sb_value make = sb_call(
            py, "builtins.eval",
            "lambda f, g: [f(__import__('sbtest').Box(5)), g(__import__('sbtest').Box(6))]");
        sb_value boxes = sb_method(py, make, "__call__", f, g);
        assert_int_equal(sb_as_int(py, sb_attr(py, sb_item(py, boxes, 0), "value")), 11);
        assert_int_equal(sb_as_int(py, sb_attr(py, kept, "value")), 5);
        expect_fine(py);
        /* The results, and the one that was kept: the argument of g is gone. */
        assert_int_equal(boxes_alive(py), alive + 3);
    }
    assert_int_equal(boxes_alive(py), alive);
    assert_int_equal(sb_close(py), 0);
}

static sb_value nothing(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)py;
    (void)args;
    (void)count;
    (void)user;
    return sb_of_kind_(SB_UNSET);
}

static sb_value stale(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    sb_object o = *(sb_object *)user;
    return o.id ? SB(o) : sb_from_object((sb_object) { sb_import(py, "sys").as.object.id + 1000 });
}

static void bad_results(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true), *other = sb_open(.quiet = true);
    CALL(py, sb_function(py, nothing, NULL, NULL));
    expect_error(py, SB_E_MISUSE, NULL, "the result of nothing");
    sb_object foreign = { 0 };
    CALL(py, sb_function(py, stale, &foreign, NULL));
    expect_error(py, SB_E_STALE, NULL, "the result of stale");
    if (in_worker()) {
        foreign = sb_import(other, "sys").as.object;
        CALL(py, sb_function(py, stale, &foreign, NULL));
        expect_error(py, SB_E_SESSION, NULL, "the result of stale");
    }
    sb_call(py, "callbacks.call", sb_function(py, NULL, NULL, NULL));
    expect_error(py, SB_E_MISUSE, NULL, "a function is due");
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(sb_close(other), 0);
}

/* ---- errors ---- */

static sb_value raises(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)user;
    sb_raise(py, sb_as_str(py, args[0]).ptr, "text %zu", count);
    sb_raise(py, "KeyError", "a second one changes nothing");
    return SB(1);
}

static void raising(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_object f = sb_function(py, raises, NULL, NULL);
    CALL(py, f, "ValueError");
    expect_error(py, SB_E_PYTHON, "ValueError", "text 1");
    CALL(py, f, "concurrent.futures.CancelledError");
    assert_true(sb_catch(py, "concurrent.futures._base.Error"));
    CALL(py, f, "callbacks.Mark");
    expect_error(py, SB_E_PYTHON, "callbacks.Mark", "text 1");
    CALL(py, f, "KeyboardInterrupt");
    expect_error(py, SB_E_PYTHON, "KeyboardInterrupt", "text 1");
    CALL(py, f, "NoSuchError");
    expect_error(py, SB_E_PYTHON, "RuntimeError",
                 "NoSuchError, which is not the name of an exception class: text 1");
    CALL(py, f, "math.pi");
    expect_error(py, SB_E_PYTHON, "RuntimeError",
                 "math.pi, which is not the name of an exception class");
    CALL(py, f, "json.JSONDecodeError");
    expect_error(py, SB_E_PYTHON, "RuntimeError",
                 "json.JSONDecodeError, which is not made from a text alone");
    assert_string_equal(sb_as_str(py, sb_call(py, "callbacks.catch", f, "LookupError")).ptr,
                        "LookupError: text 1");
    sb_raise(py, "ValueError", "outside of a callback: %d", 5);
    int line = __LINE__ - 1;
    assert_int_equal(sb_get_error(py)->line, line);
    expect_error(py, SB_E_PYTHON, "ValueError", "outside of a callback: 5");
    assert_int_equal(sb_close(py), 0);
}

static sb_value calls_on(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)user;
    return sb_call(py, sb_as_str(py, args[0]).ptr, count > 1 ? args[1] : SB(0));
}
static sb_value calls_plain(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    return sb_call(py, user);
}
static sb_value catches(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    sb_call(py, "sbtest.boom_special");
    if (!sb_catch(py, user))
        return SB("not caught");
    sb_call(py, "sbtest.boom_key");
    sb_clear_error(py);
    return SB(py_math_sqrt(py, 16));
}
static sb_value wants_int(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)count;
    (void)user;
    return SB(sb_as_int(py, args[0]));
}

static void errors(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_object on = sb_function(py, calls_on, NULL, NULL);
    /* Python's own exceptions are themselves, through any number of functions. */
    sb_object through = sb_function(py, calls_plain, (void *)"callbacks.raise_mark", NULL);
    assert_true(sb_as_bool(py, sb_call(py, "callbacks.same", through)));
    CALL(py, on, "builtins.int", "x");
    expect_error(py, SB_E_PYTHON, "ValueError", "invalid literal for int()");
    static const char *const ends[] = { "KeyboardInterrupt", "SystemExit", "GeneratorExit" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        CALL(py, on, "callbacks.raise_it", ends[i]);
        expect_error(py, SB_E_PYTHON, ends[i], ends[i]);
    }
    /* The library's are those again, whether Python looks at them or not. */
    sb_object wants = sb_function(py, wants_int, NULL, NULL);
    CALL(py, wants, "text");
    expect_error(py, SB_E_TYPE, "SB_E_TYPE", "int");
    CALL(py, wants, sb_from_digits("123456789012345678901234567890"));
    expect_error(py, SB_E_RANGE, "SB_E_RANGE", NULL);
    sb_object odd = sb_function(py, nothing, NULL, NULL);
    assert_non_null(strstr(sb_as_str(py, sb_call(py, "callbacks.code_of", odd)).ptr,
                           "snakebridge 12 SB_E_MISUSE: the result of nothing"));
    /* What is caught in a function is gone. */
    assert_float_equal(
        sb_as_double(py, CALL(py, sb_function(py, catches, (void *)"KeyError", NULL))), 4, 0);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void tracebacks(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_object f = sb_function(py, raises, NULL, NULL);
    sb_value names = sb_fetch(py, sb_call(py, "callbacks.names", f, "ValueError"));
    assert_int_equal(sb_count(py, names), 2);
    sb_value last = sb_nth(py, names, 1);
    assert_string_equal(sb_as_str(py, sb_nth(py, last, 0)).ptr, "raises");
    assert_string_equal(sb_as_str(py, sb_nth(py, last, 1)).ptr, "test_callbacks.c");
    assert_true(sb_as_int(py, sb_nth(py, last, 2)) > 200);
    CALL(py, f, "ValueError");
    const sb_error *e = sb_get_error(py);
    assert_non_null(e);
    assert_non_null(strstr(e->traceback, "in call"));
    assert_non_null(strstr(e->traceback, "in raises"));
    assert_string_equal(e->function, "callbacks.call");
    sb_clear_error(py);
    assert_int_equal(sb_close(py), 0);
}

static int reported;
static void on_error(sb_session *py, void *user)
{
    (void)py;
    (void)user;
    reported++;
}

static void reports(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true, .on_error = on_error);
    reported = 0;
    sb_object f = sb_function(py, raises, NULL, NULL);
    assert_string_equal(sb_as_str(py, sb_call(py, "callbacks.catch", f, "ValueError")).ptr,
                        "ValueError: text 1");
    assert_int_equal(reported, 0);
    CALL(py, f, "ValueError");
    assert_int_equal(reported, 1);
    sb_clear_error(py);
    assert_int_equal(sb_close(py), 0);
}

/* An error that is pending, and asks a function of the program whether it is caught. */
static void while_failed(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_object f = sb_function(py, catches, (void *)"KeyError", NULL);
    sb_call(py, "builtins.exec",
            "import callbacks\n"
            "class Meta(type):\n"
            "    def __instancecheck__(cls, x): return callbacks.kept() == 4\n"
            "callbacks.Asks = Meta('Asks', (Exception,), {})\n");
    sb_call(py, "callbacks.keep", f);
    expect_fine(py);
    sb_call(py, "sbtest.boom", "outer");
    assert_false(sb_catch(py, "callbacks.Mark"));
    assert_true(sb_catch(py, "callbacks.Asks"));
    sb_call(py, "callbacks.keep", SB_NONE);
    sb_call(py, "sbtest.boom", "outer");
    assert_false(sb_catch(py, "callbacks.Asks")); /* None() is a TypeError */
    expect_error(py, SB_E_PYTHON, "ValueError", "outer");
    assert_int_equal(sb_close(py), 0);
}

/* ---- depth ---- */

static sb_value deeper(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)count;
    int64_t n = sb_as_int(py, args[0]);
    if (n == 0)
        return SB(0);
    return SB(1 + sb_as_int(py, sb_call(py, "callbacks.call", *(sb_object *)user, n - 1)));
}

static void depth(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_object f = { 0 };
    f = sb_function(py, deeper, &f, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sb_as_int(py, CALL(py, f, SB_MAX_CALLBACKS - 1)), SB_MAX_CALLBACKS - 1);
        expect_fine(py);
        CALL(py, f, SB_MAX_CALLBACKS);
        expect_error(py, SB_E_LIMIT, "SB_E_LIMIT", "nested 100 deep");
    }
    assert_int_equal(sb_as_int(py, CALL(py, f, 5)), 5);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

/* ---- threads of Python's ---- */

static sb_value root(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)count;
    (void)user;
    return SB(py_math_sqrt(py, sb_as_double(py, args[0]) * sb_as_double(py, args[0])));
}

static void threads(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_object f = sb_function(py, root, NULL, NULL);
    assert_float_equal(sb_as_double(py, sb_call(py, "callbacks.in_thread", f, 5)), 5, 0);
    assert_float_equal(sb_as_double(py, sb_call(py, "callbacks.pool", f, 4, 400)), 79800, 0);
    assert_float_equal(sb_as_double(py, sb_call(py, "callbacks.both", f, 3, 300)), 89700, 0);
    expect_fine(py);
    sb_object g = sb_function(py, raises, NULL, NULL);
    assert_string_equal(sb_as_str(py, sb_call(py, "callbacks.in_thread", g, "ValueError")).ptr,
                        "ValueError: text 1");
    expect_fine(py);
    /* When no call of the session waits, there is nobody to serve it. */
    sb_call(py, "callbacks.leave_running", f, 0.05);
    expect_fine(py);
    nap(0.2);
    assert_string_equal(
        sb_as_str(py, sb_call(py, "callbacks.late_result")).ptr,
        "RuntimeError: a C function can be called only while its session is inside a call");
    /* While the function runs, its session is its thread's. */
    assert_int_equal(sb_close(py), 0);
}

static _Atomic int step;
static sb_value waits(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    (void)user;
    step = 1;
    while (step == 1)
        nap(0.001);
    return SB(py_math_sqrt(py, 9));
}
static void *intrudes(void *session)
{
    sb_session *py = session;
    while (step != 1)
        nap(0.001);
    double x = py_math_sqrt(py, 4);
    bool failed = sb_failed(py);
    step = 2;
    return x == 0 && failed ? session : NULL;
}
static int logged;
static void log_counts(int level, const char *text, void *user)
{
    (void)level;
    (void)user;
    logged++;
    (void)text;
}

static void wrong_thread(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    pthread_t t;
    void *right;
    sb_set_log(log_counts, NULL);
    step = logged = 0;
    pthread_create(&t, NULL, intrudes, py);
    assert_float_equal(sb_as_double(py, CALL(py, sb_function(py, waits, NULL, NULL))), 3, 0);
    pthread_join(t, &right);
    assert_ptr_equal(right, py);
    assert_int_equal(logged, 1);
    expect_fine(py);
    sb_set_log(NULL, NULL);
    assert_int_equal(sb_close(py), 1); /* which tells of the call that did nothing */
}

/* ---- other sessions, and the end of this one ---- */

static sb_value uses_other(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    sb_session *other = user, *fresh = sb_open(.quiet = true);
    double x = py_math_sqrt(other, 4), y = py_math_sqrt(fresh, 4);
    if (in_worker()) {
        expect_error(other, SB_E_BUSY, "SB_E_BUSY", "the worker is busy");
        expect_error(fresh, SB_E_BUSY, "SB_E_BUSY", "the worker is busy");
        assert_true(x == 0 && y == 0);
    } else {
        assert_true(x == 2 && y == 2);
    }
    assert_int_equal(sb_close(fresh), 0);
    return SB(py_math_sqrt(py, 25));
}

static void other_session(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true), *other = sb_open(.quiet = true);
    int64_t alive = boxes_alive(other);
    sbtest_Box box = sbtest_Box_new(other, 3);
    assert_float_equal(py_math_sqrt(other, 4), 2, 0);
    sb_object f = sb_function(py, uses_other, other, NULL);
    double begin = seconds();
    assert_float_equal(sb_as_double(py, CALL(py, f)), 5, 0);
    assert_true(seconds() - begin < 4);
    expect_fine(py);
    /* Nothing of the other one is lost. */
    assert_int_equal(sbtest_Box_value(other, box), 3);
    sb_release(other, box.object);
    assert_int_equal(boxes_alive(other), alive);
    expect_fine(other);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(sb_close(other), 0);
}

static sb_value closes(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    (void)user;
    int rc = sb_close(py);
    assert_int_equal(rc, 1);
    bool misuse = sb_catch(py, "SB_E_MISUSE");
    return SB(misuse ? py_math_sqrt(py, 36) : 0);
}

static void closing(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true), *other = sb_open(.quiet = true);
    sb_set_log(log_counts, NULL);
    logged = 0;
    assert_float_equal(sb_as_double(py, CALL(py, sb_function(py, closes, NULL, NULL))), 6, 0);
    assert_int_equal(logged, 1);
    sb_set_log(NULL, NULL);
    /* A function that outlives its session in Python. */
    sb_call(py, "callbacks.keep", sb_function(py, root, NULL, NULL));
    expect_fine(py);
    sb_call(other, "callbacks.call_kept", 1);
    expect_error(other, SB_E_PYTHON, "RuntimeError", "only while its session is inside a call");
    assert_int_equal(sb_close(py), 0);
    sb_call(other, "callbacks.call_kept", 1);
    expect_error(other, SB_E_PYTHON, "RuntimeError", "the session of this C function is closed");
    sb_call(other, "callbacks.keep", SB_NONE);
    assert_int_equal(sb_close(other), 0);
}

/* ---- drop ---- */

struct dropped {
    sb_session *py;
    int count;
    double root;
};
static void drop_calls(void *user)
{
    struct dropped *d = user;
    d->count++;
    d->root = py_math_sqrt(d->py, 49);
    assert_false(sb_failed(d->py));
}
static void drop_fails(void *user)
{
    struct dropped *d = user;
    d->count++;
    sb_call(d->py, "sbtest.boom", "in drop");
}
static sb_value drops_itself(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    sb_call(py, "callbacks.keep", SB_NONE);
    py_math_sqrt(py, 1);
    py_math_sqrt(py, 4);
    int before = *(int *)user;
    return SB(before);
}

static void drops(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    int n = 0;
    {
        SB_SCOPE(py);
        for (int i = 0; i < 50; i++)
            CALL(py, sb_function(py, add, NULL, i % 2 ? NULL : NULL), 1);
        sb_function(py, add, &n, drop_counts);
        CALL(py, sb_function(py, add, &n, drop_counts), 1);
        n = 0;
    }
    py_math_sqrt(py, 1);
    py_math_sqrt(py, 1);
    assert_int_equal(n, 2);
    struct dropped d = { .py = py };
    sb_release(py, sb_function(py, add, &d, drop_calls));
    sb_call(py, "math.sqrt", 4);
    assert_int_equal(d.count, 1);
    assert_float_equal(d.root, 7, 0);
    expect_fine(py);
    /* An error in it is nobody's, and changes none that is pending. */
    sb_set_log(log_counts, NULL);
    logged = 0;
    sb_release(py, sb_function(py, add, &d, drop_fails));
    sb_call(py, "sbtest.boom", "first");
    assert_int_equal(d.count, 2);
    assert_int_equal(logged, 1);
    expect_error(py, SB_E_PYTHON, "ValueError", "first");
    sb_set_log(NULL, NULL);
    /* One that is let go of while it runs is dropped behind that. */
    n = 0;
    sb_object f = sb_function(py, drops_itself, &n, drop_counts);
    sb_call(py, "callbacks.keep", f);
    sb_release(py, f);
    assert_int_equal(sb_as_int(py, sb_call(py, "callbacks.call_kept")), 0);
    sb_call(py, "math.sqrt", 4);
    assert_int_equal(n, 1);
    /* In sb_close at the latest; those that could not be made, at once. */
    sb_function(py, add, &n, drop_counts);
    sb_function(py, add, &d, drop_fails);
    sb_call(py, "sbtest.boom", "first");
    sb_function(py, add, &n, drop_counts);
    assert_int_equal(n, 2);
    sb_function(NULL, add, &n, drop_counts);
    assert_int_equal(n, 3);
    sb_set_log(log_counts, NULL);
    assert_int_equal(sb_close(py), 1);
    sb_set_log(NULL, NULL);
    assert_int_equal(n, 4);
    assert_int_equal(d.count, 3);
}

static void destructors(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_object f = sb_function(py, add, NULL, NULL);
    /* Within a call it can be called; an object that is released ends in none. */
    sb_call(py, "builtins.exec",
            "import callbacks\ndef use(f):\n    callbacks.Calls(f)\n    return "
            "callbacks.at_end\ncallbacks.use = use\n");
    assert_float_equal(sb_as_double(py, sb_call(py, "callbacks.use", f)), 1, 0);
    sb_value o = sb_call(py, "callbacks.Calls", f);
    sb_release(py, o.as.object);
    assert_string_equal(
        sb_as_str(py, sb_import(py, "callbacks.at_end")).ptr,
        "RuntimeError: a C function can be called only while its session is inside a call");
    sb_call(py, "callbacks.Calls", f); /* ends with the session */
    assert_int_equal(sb_close(py), 0);
}

static sb_value says(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)user;
    (void)count;
    return sb_method(py, "<{}>", "format", args[0]);
}
static sb_value text_of(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    (void)user;
    return SB(sb_to_str(py, 5));
}

/* Functions that are called while a result is being made, and while an exception is described. */
static void within(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_object f = sb_function(py, text_of, NULL, NULL), g = sb_function(py, says, NULL, NULL);
    assert_string_equal(sb_to_str(py, sb_call(py, "callbacks.Show", f)).ptr, "5");
    assert_string_equal(sb_as_str(py, CALL(py, g, sb_call(py, "callbacks.Show", f))).ptr, "<5>");
    sb_call(py, "builtins.exec",
            "import callbacks\n"
            "class Loud(Exception):\n"
            "    def __str__(self): return callbacks.kept()\n"
            "def loud(): raise Loud()\n"
            "callbacks.loud = loud\n"
            "class Index:\n"
            "    def __index__(self): return len(callbacks.kept()) + 4\n"
            "callbacks.Index = Index\n");
    sb_call(py, "callbacks.keep", f);
    sb_call(py, "callbacks.loud");
    expect_error(py, SB_E_PYTHON, NULL, "5");
    assert_int_equal(sb_as_int(py, sb_call(py, "callbacks.Index")), 5);
    assert_int_equal(sb_count(py, sb_call(py, "builtins.range", sb_call(py, "callbacks.Index"))),
                     5);
    sb_call(py, "callbacks.keep", SB_NONE);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

/* A call that gives an object does not wait for it, as a rule. */
static void pipelined(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    static const sb_fn apply = { "builtins:map", "fv:f,v:i>o{builtins:map}" },
                       list = { "builtins:list", "fo:i>o{builtins:list}" };
    int count = 0;
    sb_value f = SB(sb_function(py, add, &count, NULL)), items = SB_LIST(py, 1, 2, 3);
    const sb_slot a[] = { { .v = &f }, { .v = &items } };
    const sb_slot b[] = { { .o = sb_run_o(py, &apply, SB_SITE_(""), a) } };
    sb_object made = sb_run_o(py, &list, SB_SITE_(""), b);
    assert_int_equal(sb_count(py, made), 3);
    assert_int_equal(count, 3);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static sb_value prints(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    printf("c%s\n", (char *)user);
    sb_call(py, "builtins.print", "nested");
    return SB_NONE;
}

static void output(void **state)
{
    (void)state;
    char text[200] = "";
    FILE *file = tmpfile();
    int saved = dup(1);
    fflush(stdout);
    dup2(fileno(file), 1);
    sb_session *py = sb_open(.quiet = true);
    sb_call(py, "builtins.exec",
            "import callbacks\ndef speak(f):\n    print('before')\n    f()\n    print('after')\n   "
            " f()\ncallbacks.speak = speak\n");
    sb_call(py, "callbacks.speak", sb_function(py, prints, (void *)"!", NULL));
    fflush(stdout);
    dup2(saved, 1);
    close(saved);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
    assert_string_equal(text, "before\nc!\nnested\nafter\nc!\nnested\n");
}

/* ---- deadlines, and the end of the worker ---- */

static sb_value sleeps(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    nap(*(double *)user);
    double x = py_math_sqrt(py, 4);
    assert_true(x == 0 || x == 2);
    return SB(x);
}
static void *goes_on(void *user)
{
    sb_session *py = sb_open(.quiet = true);
    double *took = user;
    nap(0.15); /* behind the call whose callback sleeps */
    double begin = seconds();
    double x = py_math_sqrt(py, 4);
    *took = seconds() - begin;
    sb_close(py);
    return x == 2 ? user : NULL;
}

static void deadline(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    double sleep = 1.5, took = 0;
    sb_object f = sb_function(py, sleeps, &sleep, NULL);
    pthread_t t;
    void *right;
    expect_fine(py);
    pthread_create(&t, NULL, goes_on, &took);
    {
        SB_USING(py, .timeout = 0.3);
        CALL(py, f);
        expect_error(py, SB_E_TIMEOUT, "SB_E_TIMEOUT", NULL);
    }
    pthread_join(t, &right);
    assert_ptr_equal(right, &took);
    assert_true(took <
                1.0); /* the worker went on at the deadline; this process is not held up at all */
    /* The worker lives, and so do the session's objects. */
    assert_true(sb_as_bool(py, sb_call(py, "builtins.callable", f)));
    sleep = 0;
    assert_float_equal(sb_as_double(py, CALL(py, f)), 2, 0);
    expect_fine(py);
    {
        SB_USING(py, .timeout = 5);
        assert_float_equal(sb_as_double(py, CALL(py, f)), 2, 0);
    }
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

/* A deadline of its own in a callback ends that call only. */
static sb_value hurries(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    bool late;
    {
        SB_USING(py, .timeout = 0.1);
        sb_call(py, user, 10);
        late = sb_catch(py, "SB_E_TIMEOUT");
    }
    return SB(late ? py_math_sqrt(py, 16) : 0);
}
static sb_value too_late(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    sb_call(py, user, 10); /* runs until the outer call's deadline */
    bool late = sb_catch(py, "SB_E_TIMEOUT");
    py_math_sqrt(py, 4);
    late = late && sb_catch(py, "SB_E_TIMEOUT");
    return SB(late);
}

static void nested_deadline(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_object f = sb_function(py, hurries, (void *)"sbtest.spin", NULL);
    assert_float_equal(sb_as_double(py, CALL(py, f)), 4, 0);
    expect_fine(py);
    {
        SB_USING(py, .timeout = 5);
        assert_float_equal(sb_as_double(py, CALL(py, f)), 4, 0);
        assert_float_equal(sb_as_double(py, sb_call(py, "callbacks.in_thread", f)), 4, 0);
        expect_fine(py);
    }
    sb_object g = sb_function(py, too_late, (void *)"sbtest.spin", NULL);
    {
        SB_USING(py, .timeout = 0.2);
        CALL(py, g);
        expect_error(py, SB_E_TIMEOUT, "SB_E_TIMEOUT", NULL);
    }
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static sb_value kills(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    sb_call(py, "os._exit", 3);
    assert_true(sb_catch(py, "SB_E_WORKER_DIED"));
    if (user) /* a new worker, while the call waits for the old one */
        assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    return SB(1);
}

static void death(void **state)
{
    (void)state;
    if (!in_worker())
        return;
    for (int again = 0; again < 2; again++) {
        sb_session *py = sb_open(.quiet = true);
        int n = 0, sum = 0;
        sb_function(py, add, &sum, drop_counts);
        CALL(py, sb_function(py, kills, again ? &n : NULL, again ? drop_counts : NULL));
        expect_error(py, SB_E_WORKER_DIED, NULL, "in a callback");
        assert_int_equal(sum, 1);
        assert_int_equal(n, again ? 1 : 0);
        assert_float_equal(py_math_sqrt(py, 4), 2, 0);
        assert_float_equal(sb_as_double(py, CALL(py, sb_function(py, add, NULL, NULL), 1)), 1, 0);
        expect_fine(py);
        assert_int_equal(sb_close(py), 0);
        assert_int_equal(sum, 1);
        assert_int_equal(n, again ? 1 : 0);
    }
}

/* ---- typed functions ---- */

static double weighted(sb_session *py, double x, double y, void *user)
{
    return x + py_math_sqrt(py, y) * *(double *)user;
}
static sb_value call_weighted(sb_session *py, const sb_value *a, size_t n, void (*f)(void),
                              void *user)
{
    if (!sb_takes(py, a, n, 2))
        return SB_NONE;
    double x = sb_as_double(py, a[0]), y = sb_as_double(py, a[1]);
    if (sb_failed(py))
        return SB_NONE;
    return SB(((double (*)(sb_session *, double, double, void *))f)(py, x, y, user));
}

static void typed(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    double w = 10;
    sb_object f = sb_typed_function(py, SB_SITE_(""), "weighted", "(x, y, /)",
                                    (void (*)(void))weighted, call_weighted, &w, NULL);
    assert_float_equal(sb_as_double(py, CALL(py, f, 1, 4)), 21, 0);
    assert_string_equal(sb_to_str(py, sb_call(py, "inspect.signature", f)).ptr, "(x, y, /)");
    CALL(py, f, 1);
    expect_error(py, SB_E_PYTHON, "TypeError", "takes 2 arguments (1 given)");
    CALL(py, f, 1, 2, SB_KW("k", 1));
    expect_error(py, SB_E_PYTHON, "TypeError", "no keyword arguments");
    CALL(py, f, 1, "x");
    expect_error(py, SB_E_TYPE, NULL, NULL);
    assert_int_equal(sb_close(py), 0);
}

/* ---- want of memory ---- */

static _Atomic long allocations, fail_at;
static _Atomic bool armed, hit;
static void *resize(void *p, size_t size, void *user)
{
    (void)user;
    if (!size) {
        free(p);
        return NULL;
    }
    if (armed && ++allocations == fail_at) {
        hit = true;
        return NULL;
    }
    return realloc(p, size);
}

struct counts {
    int calls, dropped;
};
static void drop_also_counts(void *user)
{
    ((struct counts *)user)->dropped++;
}

static void memory(void **state)
{
    (void)state;
    bool reached = true;
    for (long n = 1; reached; n++) {
        struct counts count = { 0 };
        sb_session *py = sb_open(.quiet = true);
        py_math_sqrt(py, 1);
        allocations = 0;
        fail_at = n;
        hit = false;
        armed = true;
        sb_object g = sb_function(py, add, &count, drop_also_counts);
        sb_value r =
            CALL(py, g, 1, 2, SB_KW("k", 3), SB_KW("other", "a text that is not short at all"));
        double x = r.kind == SB_FLOAT_ ? r.as.f : 0;
        armed = false;
        reached = hit;
        if (sb_failed(py)) {
            if (!sb_catch(py, "SB_E_MEMORY") && !sb_catch(py, "MemoryError")) {
                sb_print_error(py, stderr);
                fail_msg("allocation %ld", n);
            }
        } else {
            assert_float_equal(x, 9, 0);
        }
        assert_float_equal(sb_as_double(py, CALL(py, sb_function(py, add, NULL, NULL), 3)), 3, 0);
        expect_fine(py);
        sb_close(py);
        assert_int_equal(count.dropped, 1);
    }
}

int main(void)
{
    sb_set_allocator(resize, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),           cmocka_unit_test(values),
        cmocka_unit_test(scopes),          cmocka_unit_test(bad_results),
        cmocka_unit_test(raising),         cmocka_unit_test(errors),
        cmocka_unit_test(tracebacks),      cmocka_unit_test(reports),
        cmocka_unit_test(while_failed),    cmocka_unit_test(depth),
        cmocka_unit_test(threads),         cmocka_unit_test(wrong_thread),
        cmocka_unit_test(other_session),   cmocka_unit_test(closing),
        cmocka_unit_test(drops),           cmocka_unit_test(destructors),
        cmocka_unit_test(within),          cmocka_unit_test(pipelined),
        cmocka_unit_test(output),          cmocka_unit_test(deadline),
        cmocka_unit_test(nested_deadline), cmocka_unit_test(death),
        cmocka_unit_test(typed),           cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
