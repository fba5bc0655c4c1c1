/* Seattle's year, from four years of weather: pandas reads, groups and sorts it, NumPy fits a curve to a C array. */
#include <snakebridge.h>

#include "py/json.h"
#include "py/math.h"
#include "py/numpy/linalg.h"
#include "py/pandas.h"
#include "py/pandas/api/typing.h"
#include "py/pathlib.h"

enum { MONTHS = 12 };

int main(void)
{
    sb_session *py = sb_open();

    /* The data set is a file of the package vega_datasets. */
    sb_value package = sb_attr(py, sb_import(py, "vega_datasets"), "__file__");
    py_pathlib_Path folder = py_pathlib_Path_parent(py, py_pathlib_Path_new(py, package));
    py_pathlib_Path file = py_pathlib_Path_joinpath(py, folder, "_data", "seattle-weather.csv");

    pandas_DataFrame days =
        pandas_read_csv(py, file, .index_col = SB("date"), .parse_dates = SB_LIST(py, "date"));
    sb_value month = sb_attr(py, pandas_DataFrame_index(py, days), "month");
    pandas_DataFrame year = pandas_api_typing_DataFrameGroupBy_mean(
        py, pandas_DataFrame_groupby(py, days, .by = month), .numeric_only = true);

    /* The warmest hour of a month: c0 + c1 cos t + c2 sin t, by least squares. */
    double wave[MONTHS][3], fit[MONTHS] = { 0 };
    for (int m = 0; m < MONTHS; m++) {
        double t = 2 * py_math_pi(py) * m / MONTHS;
        wave[m][0] = 1, wave[m][1] = py_math_cos(py, t), wave[m][2] = py_math_sin(py, t);
    }
    sb_array waves = SB_ARRAY(&wave[0][0], MONTHS, 3), fits = SB_ARRAY(fit, MONTHS);
    numpy_linalg_lstsq_result solved =
        numpy_linalg_lstsq(py, &waves, pandas_DataFrame_getitem(py, year, "temp_max"));
    int64_t count;
    const double *c = SB_DATA(py, sb_as_array(py, solved.item0), double, &count);
    for (int m = 0; m < MONTHS && count == 3; m++)
        fit[m] = c[0] * wave[m][0] + c[1] * wave[m][1] + c[2] * wave[m][2];

    year = pandas_DataFrame_assign(py, year, .kwargs = SB_DICT(py, "fit", &fits));
    year = pandas_DataFrame_sort_values(py, year, "temp_max", .ascending = SB_FALSE);
    sb_value shown = SB_LIST(py, "date", "temp_max", "fit", "precipitation", "wind");
    const double *row =
        SB_DATA(py,
                sb_as_array(py, pandas_DataFrame_getitem(py, pandas_DataFrame_reset_index(py, year),
                                                         shown)),
                double, &count);

    if (!sb_failed(py)) {
        double swing = py_math_sqrt(py, c[1] * c[1] + c[2] * c[2]);
        puts(py_json_dumps(py, SB_DICT(py, "mean", c[0], "swing", swing)).ptr);
        puts("month   high    fit  rain mm  wind m/s");
        for (; count > 0; count -= 5, row += 5)
            printf("%-5.3s %6.1f %6.1f %8.1f %9.1f\n",
                   &"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * (int)row[0] - 3], row[1], row[2],
                   row[3], row[4]);
    }
    return sb_close(py); /* 1, and where and why on stderr, if a call failed */
}
