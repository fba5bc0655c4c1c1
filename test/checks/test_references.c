/* SPDX-License-Identifier: MIT
 *
 * What a feature takes, it gives back: each row of the tables is run many times, in one session; then the interpreter has
 * as many references (sys.gettotalrefcount, of a debug build), blocks of memory and references to watched objects as
 * before, and the program's heap is no larger. Over each transport. */
#include "feature.h"
#include <fcntl.h>
#include <malloc.h>

/* What a count may differ by, whatever the number of turns: caches that are filled by chance. Blocks of memory are not
 * only what objects hold. */
enum { LOOPS = 1000, SLACK = 40, SLACK_BLOCKS = 150 };

/* Bytes that the program has taken from its allocator: in-process, the interpreter's are among them. */
static size_t heap(void)
{
    return mallinfo2().uordblks;
}

static bool turns(sb_session *py, const struct feature *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        SB_SCOPE(py);
        if (!f->run(py) || sb_failed(py)) {
            sb_print_error(py, stderr);
            print_error("turn %u of \"%s\" gives a wrong result\n", i, f->name);
            return false;
        }
    }
    return true;
}

static void row(void **state)
{
    const struct feature *f = *state;
    char grown[1000] = "";
    unsigned n = f->loops ? f->loops : LOOPS;
    sb_session *py = sb_open(.quiet = true);
    fflush(stdout);
    int out = dup(1), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(out >= 0 && null >= 0);
    dup2(null, 1); /* what the features print is not the test's */
    bool right = turns(py, f, n < 100 ? n : 100), small = false;
    /* What grew once does not count if it does not grow again: a dict that was resized, say. */
    for (int i = 0; right && i < 3; i++) {
        SB_SCOPE(py);
        sb_call(py, "checks.note");
        size_t before = heap();
        right = turns(py, f, n);
        size_t bytes = heap() > before ? heap() - before : 0;
        sb_str text =
            sb_as_str(py, sb_call(py, "checks.grown", n < 2 * SLACK ? n / 2 : SLACK, SLACK_BLOCKS));
        snprintf(grown, sizeof grown, "%s; the program's heap +%zu bytes", text.ptr, bytes);
        right = right && !sb_failed(py);
        small = !text.len && bytes < 64u * n;
        if (small)
            break;
    }
    fflush(stdout);
    dup2(out, 1);
    close(out);
    close(null);
    assert_true(right);
    if (!small)
        fail_msg("after %u turns: %s", n, grown);
    assert_int_equal(sb_close(py), 0);
}

/* The check itself finds what is kept. */
static bool keeps(sb_session *py)
{
    sb_call(py, "checks.keep", SB_LIST(py, 1, 2));
    return RIGHT(py, true);
}

static void finds_what_is_kept(void **state)
{
    (void)state;
    static const struct feature f = { "keeps", keeps, 0 };
    sb_session *py = sb_open(.quiet = true);
    bool counted = sb_as_bool(py, sb_call(py, "checks.counted"));
    sb_call(py, "checks.note");
    assert_true(turns(py, &f, LOOPS));
    sb_str text = sb_as_str(py, sb_call(py, "checks.grown", SLACK, SLACK_BLOCKS));
    assert_non_null(strstr(text.ptr, "blocks +"));
    assert_true(!counted || strstr(text.ptr, "references +"));
    print_message("          this Python %s all references\n",
                  counted ? "counts" : "does not count");
    sb_call(py, "checks.keep", SB_NONE);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

int main(int argc, char **argv)
{
    static const struct feature *const tables[] = FEATURES;
    struct CMUnitTest tests[200] = { TEST(finds_what_is_kept) };
    size_t n = 1;
    for (size_t t = 0; tables[t]; t++)
        for (const struct feature *f = tables[t]; f->name; f++) {
            assert_true(n < sizeof tests / sizeof *tests);
            tests[n++] = (struct CMUnitTest) { f->name, row, NULL, NULL, (void *)(uintptr_t)f };
        }
    named(argc, argv);
    return _cmocka_run_group_tests("references", tests, n, NULL, NULL);
}
