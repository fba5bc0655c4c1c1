/* SPDX-License-Identifier: MIT
 *
 * Values: `values GROUP FLOOR-MODULE`. The groups are inprocess (against the floors), worker. */
#include "measure.h"
#include "values_floor.h"
#include <dlfcn.h>
#include <py/builtins.h>
#include <py/os.h>
#include <py/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sb_session *py;
static sb_value floats;

static void check(void)
{
    if (sb_failed(py)) {
        sb_print_error(py, stderr);
        exit(1);
    }
}

static void list_floats(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        SB_SCOPE(py);
        int64_t count;
        const double *x = SB_DATA(py, sb_as_array(py, floats), double, &count);
        bench_sink = count ? x[count - 1] : 0;
    }
    check();
}

static void fetch_document(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        SB_SCOPE(py);
        sb_value v = sb_fetch(py, sb_call(py, "work.document"));
        bench_sink = (double)v.as.items.len;
    }
    check();
}

static void fill_dict(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        SB_SCOPE(py);
        sb_value dict = sb_call(py, "dict");
        for (int k = 0; k < 1000; k++) {
            char digits[12];
            double x = py_random_random(py);
            snprintf(digits, sizeof digits, "%d", k);
            py_dict_setitem(py, dict, digits, k + x);
        }
    }
    check();
}

static void open_session(const char *transport)
{
    py = sb_open(.transport = transport);
    floats = sb_call(py, "work.floats");
    check();
}

static void inprocess(const char *module)
{
    open_session("inprocess");
    void *handle = dlopen(module, RTLD_NOW);
    const struct values_floor *floor = handle ? dlsym(handle, VALUES_FLOOR_SYMBOL) : NULL;
    if (!floor)
        bench_die("%s", dlerror());
    if (floor->start() != 0)
        bench_die("the floors cannot start");
    const struct bench_row rows[] = {
        { .name = "list.floats.floor", .work = floor->floats },
        { .name = "list.floats.inprocess", .work = list_floats },
        { .name = "json.document.floor", .work = floor->document },
        { .name = "json.document.inprocess", .work = fetch_document },
        { .name = "dict.fill.floor", .work = floor->dict },
        { .name = "dict.fill.inprocess", .work = fill_dict },
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 12, 20);
}

static void worker(const char *module)
{
    (void)module;
    open_session("worker");
    pid_t pid = (pid_t)py_os_getpid(py);
    check();
    const struct bench_row rows[] = {
        { .name = "list.floats.worker", .work = list_floats, .other = pid },
        { .name = "json.document.worker", .work = fetch_document, .other = pid },
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 12, 20);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        bench_die("usage: values GROUP FLOOR-MODULE");
    if (!strcmp(argv[1], "inprocess"))
        inprocess(argv[2]);
    else if (!strcmp(argv[1], "worker"))
        worker(argv[2]);
    else
        bench_die("there is no group %s", argv[1]);
    return sb_close(py);
}
