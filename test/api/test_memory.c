/* SPDX-License-Identifier: MIT
 *
 * Want of memory: a small program in which the n-th allocation fails, for every n; and in which all fail from the n-th on.
 * Each run ends as it should or with SB_E_MEMORY; the session goes on after it; no block is left. Over each transport. */
#include "api.h"
#include <stdatomic.h>

static _Atomic long calls, live;
static _Atomic long fail_at; /* 0: never */
static _Atomic bool fail_on; /* all from there on */
static _Atomic bool failed;

static void *resize(void *ptr, size_t size, void *user)
{
    assert_ptr_equal(user, &calls);
    if (!size) {
        live -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    long n = ++calls, at = fail_at;
    if (at && (n == at || (fail_on && n > at))) {
        failed = true;
        return NULL;
    }
    void *p = realloc(ptr, size);
    live += p && !ptr;
    return p;
}

static void arm(long n, bool on)
{
    fail_on = on;
    failed = false;
    calls = 0;
    fail_at = n;
}

/* Something of everything that allocates. False: a result is wrong although no error is pending. */
static bool program(sb_session *py)
{
    bool right = true;
    SB_SCOPE(py);
    right = right && py_math_sqrt(py, 4) == 2;
    sbtest_Box b = sbtest_Box_new(py, 1);
    for (int i = 0; i < 100; i++)
        b = sbtest_Box_add(py, b, 1);
    right = right && sbtest_Box_value(py, b) == 101;
    sb_value list = sb_list_new(py, SB_LIST_, 0);
    for (int i = 0; i < 100; i++)
        sb_push(py, &list, i);
    sb_value dict = SB_DICT(py, "list", list, "text", "a text", "box", b);
    sb_value back = sb_fetch(py, sb_call(py, "sbtest.echo", dict));
    right = right && sb_count(py, sb_get(py, back, "list")) == 100;
    sb_value text = sb_call(py, "sbtest.text", 100000);
    right = right && sb_as_str(py, text).len == 100000;
    right = right && sbtest_head(py, 1, .n = 0, .name = "x").len > 10;
    sbtest_mixed_result m = sbtest_mixed(py);
    right = right && sbtest_Box_value(py, m.item1) == 9;
    const int64_t shape[] = { 100, 10 };
    sb_array a = sb_array_new(py, SB_FLOAT64, 2, shape);
    int64_t n;
    double *p = SB_DATA(py, a, double, &n);
    right = right && (p || !n);
    right = right && sb_count(py, &a) == (p ? 100 : 0);
    sb_value digits = sb_call(py, "sbtest.big", 200);
    right = right && digits.kind == SB_BIGINT_;
    sb_call(py, "sbtest.echo", digits);
    sb_value kept;
    sb_str kept_text;
    {
        SB_SCOPE(py);
        kept = sb_keep_value(py, sb_fetch(py, SB_LIST(py, 1, "two", SB_TUPLE(py, 3.0, SB_NONE))));
        kept_text = sb_keep_str(py, sb_to_str(py, 12345));
    }
    right = right && sb_count(py, kept) == 3 && !strcmp(kept_text.ptr, "12345");
    sb_value objects = sb_fetch(py, sb_call(py, "badly.objects", 200)); /* ids of the engine's */
    right = right && sb_count(py, objects) == 200;
    sb_call(py, "sbtest.keywords", 1, SB_KW("k", 2.5), SB_KW("b", b));
    if (sb_failed(py))
        return true;
    /* An error with all that belongs to it. */
    sb_call(py, "sbtest.boom_special");
    right = right && (sb_catch(py, "KeyError") || sb_get_error(py)->code == SB_E_MEMORY);
    return right;
}

/* What a run in which an allocation failed must leave: SB_E_MEMORY, or nothing wrong. */
static void check(sb_session *py, bool right, long n, bool reached)
{
    const sb_error *e = sb_get_error(py);
    if (e && (e->code != SB_E_MEMORY || !reached))
        fail_msg("allocation %ld: %s: %s", n, e->type, e->message);
    if (!e && !right)
        fail_msg("allocation %ld: a wrong result without an error", n);
}

/* As many blocks as before. The lane that a broken session left is taken back by the next that opens. */
static void all_freed(long before, long n)
{
    for (double end = seconds() + 2; live != before && seconds() < end; nap(0.001)) {
        sb_session *py = sb_open(.quiet = true);
        py_math_sqrt(py, 4);
        sb_close(py);
    }
    if (live != before)
        fail_msg("allocation %ld: %ld blocks are left", n, live - before);
}

static void each_fails(bool on)
{
    for (int i = 0; i < 2; i++) { /* fills the caches of the process */
        sb_session *py = sb_open(.quiet = true);
        assert_true(program(py));
        expect_fine(py);
        sb_close(py);
    }
    long closed = live;
    bool reached = true;
    for (long n = 1; reached; n++) {
        sb_session *py = sb_open(.quiet = true);
        arm(n, on);
        bool right = program(py);
        reached = failed;
        arm(0, false);
        check(py, right, n, reached);
        sb_clear_error(py);
        /* With memory again, everything works in the same session. */
        if (!program(py) || sb_failed(py)) {
            sb_print_error(py, stderr);
            fail_msg("allocation %ld: the session did not recover", n);
        }
        sb_close(py);
        all_freed(closed, n);
        assert_true(n > 10 || reached);
    }
}

static void one_fails(void **state)
{
    (void)state;
    each_fails(false);
}

static void all_fail_from_there_on(void **state)
{
    (void)state;
    each_fails(true);
}

/* Opening and closing. */
static void open_fails(void **state)
{
    (void)state;
    int nulls = 0;
    for (long n = 1; n < 100; n++) {
        long closed = live;
        arm(n, false);
        sb_session *py = sb_open(.quiet = true);
        bool reached = failed;
        if (py)
            py_math_sqrt(py, 4);
        bool later = failed;
        arm(0, false);
        nulls += !py;
        if (py && sb_failed(py))
            assert_int_equal(sb_get_error(py)->code, SB_E_MEMORY);
        sb_close(py);
        all_freed(closed, n);
        if (!reached && !later)
            break;
    }
    assert_true(nulls > 0);
}

static int set_allocator(void **state)
{
    (void)state;
    return sb_set_allocator(resize, &calls) != SB_OK;
}

/* The first call of a process, which starts Python: the n-th allocation fails. One process a number. */
static int cold(long n)
{
    set_allocator(NULL);
    arm(n, false);
    sb_session *py = sb_open(.quiet = true);
    bool opened = !failed;
    double x = py ? py_math_sqrt(py, 4) : 0;
    bool reached = failed;
    arm(0, false);
    if (py && sb_failed(py)) {
        const sb_error *e = sb_get_error(py);
        if (e->code != SB_E_MEMORY) {
            fprintf(stderr, "allocation %ld: %s: %s\n", n, e->type, e->message);
            return 1;
        }
        sb_clear_error(py);
        py_math_sqrt(py, 4);
        const sb_error *again = sb_get_error(py);
        if (opened ? again != NULL : !again || again->code != SB_E_MISUSE) {
            fprintf(stderr, "allocation %ld: then %s\n", n, again ? again->message : "no error");
            return 2;
        }
        sb_clear_error(py);
    } else if (py && x != 2) {
        fprintf(stderr, "allocation %ld: %g\n", n, x);
        return 3;
    }
    sb_close(py);
    return reached ? 0 : 100;
}

int main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], "cold"))
        return cold(atol(argv[2]));
    if (argc > 1) { /* all of them, until one is not reached */
        for (int n = 1; n < 200; n++) {
            char number[16];
            snprintf(number, sizeof number, "%d", n);
            pid_t pid = fork();
            if (pid == 0) {
                execl(argv[0], argv[0], "cold", number, (char *)NULL);
                _exit(127);
            }
            int status;
            if (pid < 0 || waitpid(pid, &status, 0) != pid)
                return 1;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 100) {
                printf("%d allocations\n", n - 1);
                return n < 5;
            }
            if (status) {
                fprintf(stderr, "allocation %d: status 0x%x\n", n, status);
                return 1;
            }
        }
        return 1;
    }
    const struct CMUnitTest tests[] = {
        TEST(one_fails),
        TEST(all_fail_from_there_on),
        TEST(open_fails),
    };
    return cmocka_run_group_tests(tests, set_allocator, NULL);
}
