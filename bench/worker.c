/* SPDX-License-Identifier: MIT
 *
 * One worker: `worker start` prints the ns from sb_open to the first result. `worker hold` prints the worker's process id
 * once it has given a result, and keeps it until standard input ends. */
#include "measure.h"
#include <py/math.h>
#include <py/os.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 2 || (strcmp(argv[1], "start") && strcmp(argv[1], "hold")))
        bench_die("usage: worker start | hold");
    int64_t begin = bench_now();
    sb_session *py = sb_open(.transport = "worker");
    bench_sink = py_math_sqrt(py, 2.0);
    int64_t took = bench_now() - begin;
    if (!sb_failed(py)) {
        bool hold = !strcmp(argv[1], "hold");
        printf("%lld\n", hold ? (long long)py_os_getpid(py) : (long long)took);
        fflush(stdout);
        while (hold && getchar() != EOF)
            ;
    }
    return sb_close(py);
}
