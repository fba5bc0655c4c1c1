/* C functions as Python callables: a key with state and Python calls of its own, typed functions, errors both ways. */
#include <snakebridge.h>
#include "py/app.h"
#include "py/builtins.h"
#include "py/json.h"
#include "py/math.h"

struct tally {
    int calls;
};

/* The key of sorted(): the distance of a point from the origin. */
static sb_value distance(sb_session *py, const sb_value *args, size_t n, void *user)
{
    struct tally *t = (struct tally *)user;
    t->calls++;
    if (n != 1) {
        sb_raise(py, "TypeError", "distance() takes 1 argument, got %zu", n);
        return SB_NONE;
    }
    double x = sb_as_double(py, sb_nth(py, args[0], 0)), y = sb_as_double(py, sb_nth(py, args[0], 1));
    return SB(py_math_sqrt(py, x * x + y * y)); /* a call back into Python, from the callback */
}

static void done(void *user)
{
    printf("called %d times\n", ((struct tally *)user)->calls);
}

/* Callable[[float], float]: a C function of that type. */
static double square(sb_session *py, double x, void *user)
{
    (void)py, (void)user;
    return x * x;
}

static double scaled(sb_session *py, double x, void *user)
{
    (void)py;
    return *(const double *)user * x;
}

static double root(sb_session *py, double x, void *user)
{
    (void)user;
    return py_math_sqrt(py, x); /* fails below 0 */
}

/* Callable[[str], int] */
static int64_t count_a(sb_session *py, sb_str word, void *user)
{
    int64_t n = 0;
    (void)py, (void)user;
    for (size_t i = 0; i < word.len; i++)
        n += word.ptr[i] == 'a';
    return n;
}

/* Callable[[dict], Any] */
static sb_value hook(sb_session *py, sb_value object, void *user)
{
    (void)user;
    return SB_LIST(py, sb_as_int(py, sb_get(py, object, "a")) + 1);
}

int main(void)
{
    sb_session *py = sb_open();
    struct tally t = { 0 };
    sb_object f = sb_function(py, distance, &t, done);
    sb_value points = sb_list_new(py, SB_LIST_, 3);
    for (int i = 0; i < 3; i++)
        sb_push(py, &points, SB_LIST(py, i, 2 * i));
    sb_print(py, py_sorted(py, points, .key = SB(f), .reverse = true));
    sb_print(py, sb_call(py, "builtins.sorted", points, SB_KW("key", f)));

    double three = 3;
    printf("%.4f\n", app_integrate(py, square, 0, 3));
    printf("%.4f\n", app_integrate(py, app_fn_float_to_float_new(py, scaled, &three, NULL), 0, 2,
                                   .steps = 10));
    printf("%.4f\n", app_integrate(py, sb_import(py, "math.sqrt"), 0, 1));
    sb_value words = SB_LIST(py, "bananas", "strawberries", "plum");
    puts(app_longest(py, words).ptr);
    puts(app_longest(py, words, .size = SB(app_fn_str_to_int_new(py, count_a, NULL, NULL))).ptr);
    sb_value parsed = py_json_loads(py, "[{\"a\": 1}, {\"a\": 41}]",
                                    .object_hook = SB(py_fn_value_to_value_new(py, hook, NULL, NULL)));
    sb_print(py, parsed);

    /* An error in a callback is Python's, goes through Python, and comes out at the call that began it. */
    app_integrate(py, root, -1, 0);
    printf("%s\n", sb_get_error(py)->type);
    printf("%d\n", sb_catch(py, "ValueError"));
    sb_method(py, f, "__call__", 1, 2);
    printf("%s\n", sb_get_error(py)->message);
    printf("%d\n", sb_catch(py, "TypeError"));
    app_integrate(py, sb_import(py, "builtins.str"), 0, 1, .steps = 1);
    printf("%d\n", sb_catch(py, "TypeError"));
    return sb_close(py);
}
