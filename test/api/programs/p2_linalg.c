/* NumPy's linear algebra on arrays of C. */
#include <snakebridge.h>
#include "py/numpy.h"
#include "py/numpy/linalg.h"

int main(void)
{
    sb_session *py = sb_open();
    double m[3][3] = { { 4, 1, 0 }, { 1, 3, 1 }, { 0, 1, 2 } }, b[3] = { 1, 2, 3 };
    sb_array A = SB_ARRAY(&m[0][0], 3, 3), B = SB_ARRAY(b, 3);

    numpy_ndarray x = numpy_linalg_solve(py, &A, &B);
    int64_t n;
    const double *xs = SB_DATA(py, sb_as_array(py, x), double, &n);
    for (int64_t i = 0; i < n; i++)
        printf("x[%lld] = %.6f\n", (long long)i, xs[i]);

    numpy_EighResult e = numpy_linalg_eigh(py, &A, .UPLO = numpy_linalg_eigh_UPLO_U);
    double norm =
        sb_as_double(py, numpy_linalg_norm(py, e.eigenvalues, .ord = SB(2), .keepdims = false));
    sb_value one = sb_op(py, numpy_ndarray_T(py, e.eigenvectors), "@", e.eigenvectors);
    double mean = sb_as_double(py, numpy_mean(py, one));
    numpy_ndarray rows = numpy_ndarray_from(py, numpy_mean(py, &A, .axis = SB(0)));
    printf("%.6f %.6f %s\n", norm, mean, sb_to_str(py, rows).ptr);

    const int64_t shape[] = { 1000, 3 };
    sb_array mine = sb_array_new(py, SB_FLOAT64, 2, shape);
    double *p = SB_DATA(py, mine, double, &n);
    for (int64_t i = 0; i < n; i++)
        p[i] = (double)i;
    numpy_ndarray big = numpy_array(py, &mine, .copy = SB_FALSE, .order = numpy_OrderKACF_C);
    numpy_ndarray grid =
        numpy_ndarray_reshape(py, numpy_linspace(py, 0, 1, .num = 12, .endpoint = false), 3, 4);
    printf("%lld %lld %lld\n", (long long)numpy_ndarray_size(py, rows),
           (long long)numpy_ndarray_size(py, big), (long long)numpy_ndarray_size(py, grid));
    sb_value sums = sb_op(py, numpy_ndarray_T(py, big), "@", big);
    printf("%.0f\n", sb_as_double(py, sb_item(py, sums, SB_TUPLE(py, 0, 2))));

    /* What does not fit is an error with its place, and the zero of the type. */
    double two[2] = { 1, 2 };
    sb_array wrong = SB_ARRAY(two, 2);
    numpy_ndarray none = numpy_linalg_solve(py, &A, &wrong);
    xs = SB_DATA(py, sb_as_array(py, none), double, &n);
    printf("%d %lld %d\n", xs == NULL, (long long)n, sb_catch(py, "ValueError"));
    numpy_linalg_solve(py, SB_LIST(py, SB_LIST(py, 1, 1), SB_LIST(py, 1, 1)), SB_LIST(py, 1, 2));
    printf("%d\n", sb_catch(py, "numpy.linalg.LinAlgError"));
    return sb_close(py);
}
