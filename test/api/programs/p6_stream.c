/* Streams: a typed stream of chunks, an endless generator with break, nested loops. */
#include <snakebridge.h>
#include "py/app.h"
#include "py/itertools.h"
#include "py/pandas.h"

int main(void)
{
    sb_session *py = sb_open();
    double sum = 0;
    int chunks = 0;
    pandas_read_csv_by_chunksize_iter(py, chunk, "big.tsv", 1000, .sep = "\t") {
        pandas_Series x = pandas_Series_from(py, pandas_DataFrame_getitem(py, chunk, "x"));
        sum += pandas_Series_sum(py, x, .skipna = SB_FALSE);
        chunks++;
    }
    printf("sum %g of %d chunks\n", sum, chunks);

    int64_t last = 0;
    SB_FOR(py, int64_t, i, py_itertools_count_new(py, .start = SB(0), .step = SB(2))) {
        if (i > 6)
            break;
        last = i;
    }
    printf("last %lld\n", (long long)last);

    SB_FOR(py, sb_value, row, app_rows(py)) {
        SB_FOR(py, sb_str, cell, row)
            printf("%s ", cell.ptr);
        puts("|");
    }
    app_rows_iter(py, row, .n = 100) { /* left early: the generator ends with its finally */
        printf("%s\n", sb_as_str(py, sb_nth(py, row, 1)).ptr);
        break;
    }
    int64_t length = 0;
    pandas_read_csv_iter(py, name, "big.tsv", .sep = "\t") /* `streaming` lists it: its columns */
        length += (int64_t)sb_as_str(py, name).len;
    printf("%lld\n", (long long)length);
    return sb_close(py);
}
