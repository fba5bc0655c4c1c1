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
        if (i == 3)
            break; /* closes the scope, and leaves the loop */
        sb_call(py, "math.sqrt", i == 2 ? -1 : i);
    }
    printf("turns %d\n", turns);
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
