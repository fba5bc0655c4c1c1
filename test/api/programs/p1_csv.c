/* CSV analytics with pandas: read, join, group, sort; the zeros among the keywords arrive. */
#include <snakebridge.h>
#include "py/pandas.h"
#include "py/pandas/api/typing.h"

int main(void)
{
    sb_session *py = sb_open();
    pandas_DataFrame sales =
        pandas_read_csv(py, "sales.csv", .sep = ";", .header = SB(0),
                        .parse_dates = SB_LIST(py, "day"), .low_memory = false);
    pandas_DataFrame shops = pandas_read_csv(py, "shops.csv");
    pandas_DataFrame both =
        pandas_DataFrame_merge(py, sales, shops, .how = pandas_MergeHow_left, .on = SB("shop"));
    pandas_DataFrame by_city = pandas_api_typing_DataFrameGroupBy_mean(
        py, pandas_DataFrame_groupby(py, both, .by = SB("city"), .sort = false),
        .numeric_only = true);
    pandas_DataFrame sorted =
        pandas_DataFrame_sort_values(py, by_city, "amount", .ascending = SB_FALSE);
    printf("%s\n", sb_to_str(py, sorted).ptr);

    /* .n = 0 is no default: no row is left. */
    pandas_DataFrame none = pandas_DataFrame_head(py, sorted, .n = 0);
    pandas_DataFrame_shape_result shape = pandas_DataFrame_shape(py, none);
    printf("%lld x %lld\n", (long long)shape.item0, (long long)shape.item1);

    pandas_Series amounts = pandas_Series_from(py, pandas_DataFrame_getitem(py, sales, "amount"));
    double total = pandas_Series_sum(py, amounts);
    sb_value base = pandas_NDFrame_head(py, sorted.as_NDFrame, .n = SB(1));
    pandas_DataFrame more = pandas_DataFrame_assign(
        py, pandas_DataFrame_from(py, base), .kwargs = SB_DICT(py, "share", total / 1000, "n", 2));
    printf("%g\n%s\n", total, sb_to_str(py, more).ptr);
    printf("%s\n", sb_to_str(py, pandas_DataFrame_getitem(py, sales, "day")).ptr);
    return sb_close(py);
}
