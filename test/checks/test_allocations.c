/* SPDX-License-Identifier: MIT
 *
 * Want of memory: each row of the tables, with its n-th allocation refused, for every n; then with all refused from the
 * n-th on. Each turn ends as it should or with SB_E_MEMORY, the same session does it again with memory, and no block is
 * left. Over each transport. */
#include "feature.h"
#include <stdatomic.h>

static _Atomic long calls, live;
static _Atomic long fail_at; /* 0: never */
static _Atomic bool fail_on; /* all from there on */
static _Atomic bool failed;

static void *resize(void *ptr, size_t size, void *user)
{
    (void)user;
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

static bool turn(sb_session *py, const struct feature *f)
{
    SB_SCOPE(py);
    return f->run(py);
}

/* As many blocks as before? The lane that a broken session left is taken back by the next that opens. */
static bool all_freed(long before)
{
    for (double end = seconds() + 2; live != before && seconds() < end; nap(0.001)) {
        sb_session *py = sb_open(.quiet = true);
        py_math_sqrt(py, 4);
        sb_close(py);
    }
    return live == before;
}

/* One session, in which the n-th allocation of this row fails. False: there are fewer. */
static bool nth_fails(const struct feature *f, long n, bool on)
{
    sb_session *py = sb_open(.quiet = true);
    assert_false(sb_failed(py));
    arm(n, on);
    bool right = turn(py, f), reached = failed;
    arm(0, false);
    const sb_error *e = sb_get_error(py);
    if (e && (e->code != SB_E_MEMORY || !reached))
        fail_msg("allocation %ld: %s: %s", n, e->type, e->message);
    if (!e && !right)
        fail_msg("allocation %ld: a wrong result without an error", n);
    sb_clear_error(py);
    if (!turn(py, f) || sb_failed(py)) {
        sb_print_error(py, stderr);
        fail_msg("allocation %ld: the session did not recover", n);
    }
    sb_close(py);
    return reached;
}

static void row(void **state)
{
    const struct feature *f = *state;
    void *holdings;
    assert_int_equal(warm_up(&holdings), 0);
    for (int i = 0; i < 2; i++) { /* fills the caches of the process */
        sb_session *py = sb_open(.quiet = true);
        assert_true(turn(py, f));
        py_math_sqrt(py, 4);
        expect_fine(py);
        sb_close(py);
    }
    long before = live, refused = 0;
    for (int on = 0; on < 2; on++)
        for (long n = 1; nth_fails(f, n, on); n++, refused++)
            if (!all_freed(
                    before)) { /* what the process learns once is no leak: not so a second time */
                before = live;
                nth_fails(f, n, on);
                if (!all_freed(before))
                    fail_msg("allocation %ld: %ld blocks are left", n, live - before);
            }
    assert_true(all_freed(before));
    assert_true(refused > 0);
    assert_int_equal(nothing_left(&holdings), 0);
}

static int set_allocator(void **state)
{
    (void)state;
    return sb_set_allocator(resize, NULL) != SB_OK;
}

int main(int argc, char **argv)
{
    static const struct feature *const tables[] = FEATURES;
    struct CMUnitTest tests[200];
    size_t n = 0;
    for (size_t t = 0; tables[t]; t++)
        for (const struct feature *f = tables[t]; f->name; f++) {
            assert_true(n < sizeof tests / sizeof *tests);
            tests[n++] = (struct CMUnitTest) { f->name, row, NULL, NULL, (void *)(uintptr_t)f };
        }
    named(argc, argv);
    return _cmocka_run_group_tests("allocations", tests, n, set_allocator, NULL);
}
