/* Errors: sticking, catching, cleaning up, and what a loop has to watch. */
#include <snakebridge.h>
#include "py/builtins.h"
#include "py/math.h"
#include "py/pandas.h"
#include <string.h>

static pandas_DataFrame load(sb_session *py, const char *path)
{
    SB_SCOPE(py);
    pandas_DataFrame df = pandas_read_csv(py, path, .nrows = 10);
    if (sb_catch(py, "FileNotFoundError"))
        df = pandas_DataFrame_new(py, .columns = SB_LIST(py, "a", "b"));
    sb_keep(py, df.object);
    return df;
}

int main(void)
{
    sb_session *py = sb_open(.quiet = true);
    pandas_DataFrame df = load(py, "missing.csv");
    printf("fell back: %d, failed: %d, columns: %s\n", df.object.id != 0, sb_failed(py),
           sb_to_str(py, sb_method(py, pandas_DataFrame_columns(py, df), "tolist")).ptr);
    int turns = 0;
    for (int i = 0; i < 5 && !sb_failed(py); i++, turns++) {
        SB_SCOPE(py);
        SB_WITH(py, log, py_open(py, "log.txt", .mode = "a"));
        sb_method(py, log, "write", "line\n");
        if (i == 1)
            break; /* closes the file, then the scope, and leaves the loop */
    }
    printf("turns %d: %s", turns, sb_as_str(py, sb_method(py, py_open(py, "log.txt"), "read")).ptr);
    sb_call(py, "os.remove", "log.txt");

    /* The block's end is told of the error; this manager takes it away. */
    for (int i = 0; i < 2; i++) {
        SB_WITH(py, quiet, sb_call(py, "contextlib.suppress", sb_import(py, "builtins.ValueError")));
        sb_call(py, i ? "math.sqrt" : "math.nothing", -1);
    }
    printf("%d\n", sb_catch(py, "AttributeError"));
    for (int i = 2; i >= 0 && !sb_failed(py); i--) {
        SB_SCOPE(py);
        sb_call(py, "math.sqrt", i == 1 ? -1 : i);
    }
    const sb_error *e = sb_get_error(py);
    printf("%s: %s, in %s\n", e->type, e->message, e->function);
    sb_clear_error(py);

    sb_call(py, "no.such", 1);
    double z = py_math_sqrt(py, 2);
    bool close = py_math_isclose(py, 1, 1.1, .rel_tol = 0.0, .abs_tol = 0.2);
    e = sb_get_error(py);
    printf("%s: %s, in %s; %llu skipped; z = %g, %d\n", e->type, e->message, e->function,
           (unsigned long long)e->skipped, z, close);
    printf("%s\n", strstr(e->file, "p7_errors.c") ? "in this file" : e->file);
    sb_clear_error(py);
    printf("%d\n", py_math_isclose(py, 1, 1.1, .rel_tol = 0.0, .abs_tol = 0.2));

    df = pandas_read_csv(py, "sales.csv", .sep = ";");
    sb_value column = pandas_DataFrame_getitem(py, df, "price");
    sb_to_str(py, column);
    printf("%d", sb_catch(py, "ValueError"));
    printf("%d\n", sb_catch(py, "LookupError")); /* a KeyError is one */
    printf("%lld\n", (long long)py_len(py, df));
    return sb_close(py);
}
