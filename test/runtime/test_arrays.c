/* SPDX-License-Identifier: MIT
 *
 * Arrays by reference: each dtype and layout both ways, who keeps what how long, death, fork, limits. Runs over each
 * transport, with NumPy and without. `test_arrays limits` is what the tests of limits start. */
#include "sbtest.h"
#include "runtime/heap.h"
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LARGE = 20000 }; /* doubles: beyond the threshold */
static const int64_t large[] = { LARGE };
static bool numpy, worker;

static sb_session *open_session(void)
{
    sb_session *py = sb_open(.quiet = true);
    numpy = sb_as_bool(py, sb_call(py, "sbarrays.have_numpy"));
    expect_fine(py);
    return py;
}
static void close_session(sb_session *py)
{
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}
static double *doubles(sb_session *py, sb_array a)
{
    int64_t n;
    double *p = SB_DATA(py, a, double, &n);
    expect_fine(py);
    return p;
}
static const char *text(sb_session *py, sb_value v)
{
    const char *s = sb_as_str(py, v).ptr;
    expect_fine(py);
    return s;
}

static sb_array numbers(sb_session *py)
{
    sb_array a = sb_array_new(py, SB_FLOAT64, 1, large);
    double *p = doubles(py, a);
    for (int i = 0; i < LARGE; i++) {
        assert_true(p[i] == 0);
        p[i] = i;
    }
    return a;
}

static void shared(void **state)
{
    (void)state;
    sb_session *py = open_session();
    SB_SCOPE(py);
    sb_array a = numbers(py);
    double *p = doubles(py, a);
    assert_float_equal(sb_as_double(py, sb_call(py, "sbarrays.total", &a)),
                       LARGE / 2.0 * (LARGE - 1), 0);
    sb_call(py, "sbarrays.add_one", &a);
    expect_fine(py);
    assert_true(p[0] == 1 && p[1] == 1 && p[1000] == 1001);
    /* Views inside: a part, however small; backwards; every third. */
    sb_array part = a;
    part.data = p + 5;
    part.shape[0] = 3;
    sb_call(py, "sbarrays.add_one", &part);
    assert_true(p[5] == 6);
    if (numpy) {
        sb_array back = a;
        back.data = p + LARGE - 1;
        back.strides[0] = -8;
        assert_string_equal(text(py, sb_call(py, "sbarrays.describe", &back)),
                            "float64 (20000,) (-8,)");
        sb_call(py, "sbarrays.add_one", &back);
        assert_true(p[LARGE - 1] == LARGE);
        sb_array third = a;
        third.ndim = 2;
        third.shape[0] = 100, third.shape[1] = 3;
        third.strides[0] = 8, third.strides[1] = 2400;
        assert_string_equal(text(py, sb_call(py, "sbarrays.describe", &third)),
                            "float64 (100, 3) (8, 2400)");
        /* It comes back as what it is. */
        sb_array r = sb_as_array(py, sb_call(py, "sbtest.echo", &back));
        expect_fine(py);
        assert_ptr_equal((double *)r.data, p + LARGE - 1);
        assert_int_equal(r.strides[0], -8);
        assert_true(r.readonly);
    }
    sb_array wild = a;
    wild.strides[0] = INT64_MAX / 2;
    sb_call(py, "sbarrays.total", &wild);
    expect_error(py, SB_E_RANGE, NULL, "strides lead out of memory");
    close_session(py);
}

static void borrowed(void **state)
{
    (void)state;
    sb_session *py = open_session();
    static double mine[LARGE];
    for (int i = 0; i < LARGE; i++)
        mine[i] = 1;
    sb_array a = SB_ARRAY(mine, LARGE);
    sb_call(py, "sbarrays.keep", &a);
    sb_call(py, "sbarrays.add_one", &a);
    expect_fine(py);
    mine[10] = 99;
    assert_true(mine[0] == 1);
    assert_string_equal(text(py, sb_call(py, "sbarrays.kept_values")), "1,1,1,1,1,1,1,1,1,1");
    a.shape[0] = 100, a.strides[0] = 800;
    assert_float_equal(sb_as_double(py, sb_call(py, "sbarrays.total", &a)), 100, 0);
    sb_call(py, "sbarrays.drop");
    close_session(py);
    assert_int_equal(sb__heap_state().blocks, 0);
}

/* Out and in again, each dtype in each layout: the view, and a copy of it. */
static void layouts(void **state)
{
    (void)state;
    sb_session *py = open_session();
    if (!numpy) {
        close_session(py);
        skip();
    }
    sb_value dtypes = sb_fetch(py, sb_import(py, "sbarrays.DTYPES"));
    sb_value kinds = sb_fetch(py, sb_import(py, "sbarrays.LAYOUTS"));
    for (size_t i = 0; i < 2 * sb_count(py, dtypes) * sb_count(py, kinds); i++) {
        SB_SCOPE(py);
        sb_value dtype = sb_nth(py, dtypes, i / 2 % sb_count(py, dtypes));
        sb_value kind = sb_nth(py, kinds, i / 2 / sb_count(py, dtypes));
        sb_value o = sb_call(py, "sbarrays.make", dtype, kind, (bool)(i % 2));
        sb_array view = sb_as_array(py, o), copy = sb_array_copy(py, view);
        expect_fine(py);
        assert_true(view.readonly && !copy.readonly);
        const char *told = text(py, sb_call(py, "sbarrays.same", &view, o));
        const char *again = text(py, sb_call(py, "sbarrays.same", &copy, o));
        if (strcmp(told, "same") || strcmp(again, "same"))
            fail_msg("%s %s: %s, copied: %s", text(py, dtype), text(py, kind), told, again);
    }
    close_session(py);
}

/* Python keeps a part of what C lets go. */
static void kept_by_python(void **state)
{
    (void)state;
    sb_session *py = open_session();
    {
        SB_SCOPE(py);
        sb_array a = numbers(py);
        sb_call(py, "sbarrays.keep", &a);
        expect_fine(py);
    }
    assert_int_equal(sb__heap_state().blocks, 1);
    for (int i = 0; i < 10; i++) {
        SB_SCOPE(py);
        sb_array b = sb_array_new(py, SB_FLOAT64, 1, large);
        memset(b.data, 255, LARGE * sizeof(double));
    }
    assert_string_equal(text(py, sb_call(py, "sbarrays.kept_values")),
                        "10,11,12,13,14,15,16,17,18,19");
    sb_call(py, "sbarrays.drop");
    expect_fine(py);
    assert_int_equal(sb__heap_state().blocks, 0);
    assert_true(sb__heap_state().live == 0);
    close_session(py);
}

/* C keeps what Python lets go. */
static void kept_by_c(void **state)
{
    (void)state;
    sb_session *py = open_session();
    {
        SB_SCOPE(py);
        sb_array kept = { 0 };
        {
            SB_SCOPE(py);
            sb_value o = sb_call(py, "sbarrays.tracked", LARGE);
            sb_array a = sb_as_array(py, o);
            kept = sb_keep_array(py, a);
            expect_fine(py);
            assert_ptr_equal(kept.data, a.data); /* not copied */
        }
        sb_call(py, "sbarrays.churn", LARGE);
        const bool viewed = numpy || !worker; /* else copied: the owner is another */
        assert_int_equal(sb_as_int(py, sb_call(py, "sbarrays.alive")), viewed);
        for (int i = 0; i < LARGE; i++)
            assert_true(((double *)kept.data)[i] == i);
        sb_value list, made;
        {
            SB_SCOPE(py);
            sb_array b = sb_as_array(py, sb_call(py, "sbarrays.tracked", LARGE));
            sb_array c = numbers(py);
            list = sb_keep_value(py, SB_LIST(py, 1, &b));
            made = sb_keep_value(py, SB(&c));
        }
        sb_call(py, "sbarrays.churn", LARGE);
        assert_int_equal(sb_as_int(py, sb_call(py, "sbarrays.alive")), 2 * viewed);
        sb_value b = sb_nth(py, list, 1);
        assert_true(((double *)b.as.array->data)[77] == 77);
        assert_true(((double *)made.as.array->data)[77] == 77);
    }
    assert_int_equal(sb_as_int(py, sb_call(py, "sbarrays.alive")), 0);
    assert_int_equal(sb__heap_state().blocks, 0);
    close_session(py);
}

/* A fetched array is a copy; a viewed one is not. */
static void snapshots(void **state)
{
    (void)state;
    sb_session *py = open_session();
    sb_value o = sb_call(py, "sbarrays.flat", LARGE);
    sb_value copy = sb_fetch(py, o);
    sb_array view = sb_as_array(py, o);
    expect_fine(py);
    assert_int_equal(copy.kind, SB_ARRAY_);
    sb_call(py, "sbarrays.add_one", o);
    expect_fine(py);
    assert_true(((double *)copy.as.array->data)[1000] == 1000);
    if (numpy || !worker)
        assert_true(((double *)view.data)[1000] == 1001);
    close_session(py);
}

static void sources(void **state)
{
    (void)state;
    sb_session *py = open_session();
    SB_SCOPE(py);
    sb_value bytes = sb_call(py, "builtins.bytearray", 100000);
    sb_array a = sb_as_array(py, bytes);
    expect_fine(py);
    assert_true(a.dtype == SB_UINT8 && a.shape[0] == 100000 && a.readonly);
    sb_method(py, bytes, "append", 1); /* Python's rule: not while somebody looks at it */
    if (worker)                        /* where it was copied */
        expect_fine(py);
    else
        expect_error(py, SB_E_PYTHON, "BufferError", NULL);
    sb_array list =
        sb_as_array(py, sb_call(py, "builtins.list", sb_call(py, "builtins.range", 50000)));
    expect_fine(py);
    int64_t n, *p = SB_DATA(py, list, int64_t, &n);
    assert_true(n == 50000 && p[49999] == 49999);
    if (numpy) {
        sb_array by = sb_as_array(py, sb_call(py, "sbarrays.bypassing", LARGE));
        sb_array dl = sb_as_array(py, sb_call(py, "sbarrays.Dlpack", LARGE));
        expect_fine(py);
        assert_true(((double *)by.data)[LARGE - 1] == 0 && ((double *)dl.data)[7] == 7);
        static const char *const texts[][2] = { { "object", "dtype object; .astype" },
                                                { "record", "its fields are arrays" },
                                                { "date", ".view(\"int64\")" },
                                                { "text", "dtype <U1" },
                                                { "dimensions", "got numpy.ndarray" } };
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            sb_as_array(py, sb_call(py, "sbarrays.refused", texts[i][0]));
            expect_error(py, SB_E_TYPE, NULL, texts[i][1]);
        }
    } else {
        sb_array c = sb_array_new(py, SB_COMPLEX128, 1, large);
        sb_call(py, "sbtest.echo", &c);
        expect_error(py, SB_E_PYTHON, "TypeError", "complex128 needs NumPy");
    }
    close_session(py);
}

typedef union holder {
    sb_object object;
} holder;
static sb_object holder_new(sb_session *py, sb_value x)
{
    static const sb_fn fn = { "sbarrays:Holder", "fv:x>o{sbarrays:Holder}" };
    const sb_slot a[] = { { .v = &x } };
    return sb_run_o(py, &fn, SB_SITE_(""), a);
}

/* Calls that nobody waits for have their arrays until they have run. */
static void pipelined(void **state)
{
    (void)state;
    sb_session *py = open_session();
    static double mine[LARGE];
    sb_object h[400];
    for (int i = 0; i < 400; i++) {
        {
            SB_SCOPE(py);
            sb_array a = i % 2 ? sb_array_new(py, SB_FLOAT64, 1, large) : SB_ARRAY(mine, LARGE);
            *(double *)a.data = i;
            h[i] = sb_keep(py, holder_new(py, SB(&a)));
        }
    }
    for (int i = 0; i < 400; i++)
        assert_float_equal(sb_as_double(py, sb_method(py, h[i], "total")), i, 0);
    expect_fine(py);
    assert_int_equal(sb__heap_state().blocks, 400);
    for (int i = 0; i < 400; i++)
        sb_release(py, h[i]);
    sb_call(py, "sbarrays.drop");
    expect_fine(py);
    assert_int_equal(sb__heap_state().blocks, 0);
    close_session(py);
}

/* The worker ends in the middle: what C has stays readable, what it had is free. */
static void killed(void **state)
{
    (void)state;
    if (!worker)
        skip();
    sb_session *py = open_session();
    const unsigned before = sb__heap_state().mappings;
    assert_int_equal(sb__heap_state().blocks, 0);
    {
        SB_SCOPE(py);
        sb_array mine = numbers(py);
        sb_call(py, "sbarrays.keep_all", &mine);
        sb_array theirs = sb_as_array(py, sb_call(py, "sbarrays.flat", LARGE));
        expect_fine(py);
        sb_call(py, "sbarrays.die");
        expect_error(py, SB_E_WORKER_DIED, NULL, NULL);
        sb_call(py, "sbtest.echo", 1); /* another worker */
        expect_fine(py);
        for (int i = 0; i < LARGE; i++)
            assert_true(((double *)theirs.data)[i] == i && ((double *)mine.data)[i] == i);
        assert_float_equal(sb_as_double(py, sb_call(py, "sbarrays.total", &mine)),
                           LARGE / 2.0 * (LARGE - 1), 0);
        assert_float_equal(sb_as_double(py, sb_call(py, "sbarrays.total", &theirs)),
                           LARGE / 2.0 * (LARGE - 1), 0);
        assert_int_equal(sb__heap_state().blocks, 1);
        for (int i = 0; i < 500 && sb__heap_state().mappings > before + 1; i++)
            usleep(10000);
        assert_int_equal(sb__heap_state().mappings, before + 1);
    }
    expect_fine(py);
    for (int i = 0; i < 500 && sb__heap_state().mappings > before; i++)
        usleep(10000);
    assert_int_equal(sb__heap_state().mappings, before);
    assert_int_equal(sb__heap_state().blocks, 0);
    close_session(py);
}

static void forks(void **state)
{
    (void)state;
    sb_session *py = open_session();
    if (!worker || !numpy) {
        close_session(py);
        skip();
    }
    SB_SCOPE(py);
    sb_array a = numbers(py);
    *(double *)a.data = 2;
    assert_string_equal(text(py, sb_call(py, "sbarrays.forked", &a)),
                        "child 2.0 1.0 100000.0 5.0, exit 0, parent 5.0 5.0 0.0");
    assert_true(((double *)a.data)[0] == 5);
    assert_float_equal(sb_as_double(py, sb_call(py, "sbarrays.pool", LARGE)), 14.0 * LARGE, 0);
    sb_call(py, "sbtest.echo", 1);
    close_session(py);
}

/* ---- limits: in processes of their own, since a process has one heap ---- */

static int limited(const char *how)
{
    if (!strcmp(how, "address")) {
        struct rlimit limit = { (rlim_t)6 << 30, (rlim_t)6 << 30 };
        setrlimit(RLIMIT_AS, &limit);
    } else {
        setenv("SNAKEBRIDGE_HEAP", how, 1);
    }
    sb_session *py = sb_open(.quiet = true);
    static double mine[LARGE];
    double sum = 0;
    for (int i = 0; i < 200 && !sb_failed(py); i++) {
        SB_SCOPE(py);
        sb_array a = sb_array_new(py, SB_FLOAT64, 1, (const int64_t[]) { 200000 });
        sb_array b = SB_ARRAY(mine, LARGE);
        *(double *)a.data = 1;
        mine[1] = i;
        sum += sb_as_double(py, sb_call(py, "sbarrays.total", &a));
        sum += sb_as_double(py, sb_call(py, "sbarrays.total", &b));
        sb_array c = sb_as_array(py, sb_call(py, "sbarrays.flat", 200000));
        sum += c.data ? ((double *)c.data)[1] : 0;
        sb_call(py, "sbarrays.keep_all", &a); /* until the heap is full */
    }
    if (sb_failed(py))
        printf("%s\n", sb_get_error(py)->message);
    else
        printf("%g\n", sum);
    sb_close(py);
    return 0;
}

static const char *run_limited(const char *how)
{
    static char out[1000];
    char self[500], command[700];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n < 0 ? 0 : n] = 0;
    snprintf(command, sizeof command, "'%s' limits %s", self, how);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    size_t size = fread(out, 1, sizeof out - 1, p);
    out[size] = 0;
    assert_int_equal(pclose(p), 0);
    return out;
}

static void limits(void **state)
{
    (void)state;
    /* 200 times 1, 0 + ... + 199, 200 times 1 */
    assert_string_equal(run_limited("0"), "20300\n");
    assert_string_equal(run_limited("64M"), "20300\n");
    assert_string_equal(run_limited("1T"), "20300\n");
    assert_string_equal(run_limited("63M"), "20300\n");
    assert_non_null(strstr(run_limited("much"), "SNAKEBRIDGE_HEAP is no number of bytes: much"));
    assert_non_null(strstr(run_limited("-1"), "is no number of bytes"));
#ifndef __SANITIZE_ADDRESS__ /* which reserves more than the limit */
#ifndef __SANITIZE_THREAD__
    assert_string_equal(run_limited("address"), "20300\n");
#endif
#endif
}

static int descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* Descriptors and memory of many sessions. */
static void nothing_is_left(void **state)
{
    (void)state;
    int fds = 0;
    for (int i = 0; i < 20; i++) {
        sb_session *py = open_session();
        for (int k = 0; k < 5; k++) {
            SB_SCOPE(py);
            sb_array a = numbers(py);
            sb_array r = sb_as_array(py, sb_call(py, "sbtest.echo", &a));
            expect_fine(py);
            assert_true(((double *)r.data)[3] == 3);
        }
        close_session(py);
        struct sb_heap_state s = sb__heap_state();
        assert_true(!s.blocks && !s.live);
        if (i == 1)
            fds = descriptors();
    }
    assert_int_equal(descriptors(), fds);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "limits"))
        return limited(argv[2]);
    const char *transport = getenv("SNAKEBRIDGE_TRANSPORT");
    worker = !transport || !strcmp(transport, "worker");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared),    cmocka_unit_test(borrowed),
        cmocka_unit_test(layouts),   cmocka_unit_test(kept_by_python),
        cmocka_unit_test(kept_by_c), cmocka_unit_test(snapshots),
        cmocka_unit_test(sources),   cmocka_unit_test(pipelined),
        cmocka_unit_test(forks),     cmocka_unit_test(killed),
        cmocka_unit_test(limits),    cmocka_unit_test(nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
