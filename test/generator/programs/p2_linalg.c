/* NumPy linear algebra on a C buffer: arrays in and out, a named tuple, an enum, dynamic results. Valid C11 and C++20. */
#include <snakebridge.h>
#include "py/numpy.h"
#include "py/numpy/linalg.h"

int main(void)
{
    sb_session *py = sb_open();
    double m[3][3] = { { 4, 1, 0 }, { 1, 3, 1 }, { 0, 1, 2 } }, b[3] = { 1, 2, 3 };
    sb_array A = SB_ARRAY(&m[0][0], 3, 3), B = SB_ARRAY(b, 3);

    numpy_ndarray x = numpy_linalg_solve(py, &A, &B);
    int64_t n = 0;
    const double *xs = SB_DATA(py, sb_as_array(py, x), double, &n);
    for (int64_t i = 0; i < n; i++)
        printf("x[%lld] = %g\n", (long long)i, xs[i]);

    numpy_EighResult e = numpy_linalg_eigh(py, &A, .UPLO = numpy_linalg_eigh_UPLO_U);
    double norm = sb_as_double(py, numpy_linalg_norm(py, e.eigenvalues, .ord = SB(2), .keepdims = false));
    double mean = sb_as_double(py, numpy_mean(py, numpy_ndarray_T(py, e.eigenvectors)));
    numpy_ndarray rows = numpy_ndarray_from(py, numpy_mean(py, &A, .axis = SB(0)));

    const int64_t thousand[2] = { 1000, 3 };
    sb_array shared = sb_array_new(py, SB_FLOAT64, 2, thousand);
    double *p = SB_DATA(py, shared, double, &n);
    for (int64_t i = 0; i < n; i++)
        p[i] = (double)i;
    numpy_ndarray big = numpy_array(py, &shared, .copy = SB_TRUE, .order = numpy_OrderKACF_C);
    numpy_ndarray grid = numpy_ndarray_reshape(
        py, numpy_linspace(py, 0, 1, .num = 12, .endpoint = false), SB_LIST(py, 3, 4));
    printf("%g %g %lld %lld %lld\n", norm, mean, (long long)numpy_ndarray_size(py, rows),
           (long long)numpy_ndarray_size(py, big), (long long)numpy_ndarray_size(py, grid));
    return sb_close(py);
}
