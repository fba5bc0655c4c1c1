/* CSV analytics with pandas: options of each kind, inherited methods, upcasts, properties, checked downcasts. Valid C11
 * and C++20. */
#include <snakebridge.h>
#include "py/numpy.h"
#include "py/pandas.h"
#include "py/pandas/api/typing.h"

int main(void)
{
    sb_session *py = sb_open();
    pandas_DataFrame sales = pandas_read_csv(py, "sales.csv", .sep = ";", .header = SB(0),
                                             .parse_dates = SB_LIST(py, "day"), .low_memory = false);
    pandas_DataFrame shops = pandas_read_csv(py, "shops.csv");
    pandas_DataFrame both = pandas_DataFrame_merge(py, sales, shops, .how = pandas_MergeHow_left,
                                                   .on = SB("shop"));
    pandas_DataFrame by_city = pandas_api_typing_DataFrameGroupBy_mean(
        py, pandas_DataFrame_groupby(py, both, .by = SB("city"), .sort = false), .numeric_only = true);
    pandas_DataFrame top = pandas_DataFrame_head(
        py, pandas_DataFrame_sort_values(py, by_city, "amount", .ascending = SB_FALSE), .n = 0);
    pandas_DataFrame_shape_result shape = pandas_DataFrame_shape(py, top);
    printf("%lld x %lld\n%s\n", (long long)shape.item0, (long long)shape.item1,
           sb_to_str(py, top).ptr);

    pandas_Series amount = pandas_Series_from(py, pandas_DataFrame_getitem(py, sales, "amount"));
    double total = sb_as_double(py, pandas_Series_sum(py, amount));
    pandas_NDFrame base = top.as_NDFrame;
    pandas_DataFrame_assign(py, top, .kwargs = SB_DICT(py, "total", total));
    printf("%g %d\n", total, sb_is(py, base, top));
    return sb_close(py);
}
