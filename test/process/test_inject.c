/* SPDX-License-Identifier: MIT
 *
 * Each system call of the start of a worker fails in turn: one clear error, nothing left behind, and
 * the next session works. And memory runs out in turn. */
#include "support.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sb_transport *const t = &sb__transport_worker;

static void fail_each(int error)
{
    struct sb_place place = ECHO;
    atomic_store(&sb__os_fail_errno, error);
    int failures = 0;
    for (int n = 1; n < 100; n++) {
        struct sb_link *link;
        char text[1000];
        atomic_store(&sb__os_fail_at, n);
        int rc = try_open(&place, 1, &link, text, sizeof text);
        bool reached = atomic_exchange(&sb__os_fail_at, 0) <= 0;
        if (rc == 0) {
            must_echo(link, 1, "echo");
            close_politely(link, 2);
            if (!reached) {
                print_message("          %d calls were made to fail\n", failures);
                assert_true(failures >= 8);
                return;
            }
        } else {
            assert_true(reached);
            assert_true(rc == -SB_E_SYSTEM || rc == -SB_E_MEMORY || rc == -SB_E_CONFIG);
            assert_true(strlen(text) > 10);
            assert_null(link);
            failures++;
        }
        sb__workers_end();
        struct sb_link *good = must_open(&place, 1);
        must_echo(good, 1, "echo");
        close_politely(good, 2);
        sb__workers_end();
    }
    fail();
}

/* The first of all: the monitor itself cannot start, then can. */
static void the_monitor(void **state)
{
    (void)state;
    struct sb_place place = ECHO;
    for (int n = 1; n <= 8; n++) {
        struct sb_link *link;
        char text[1000];
        atomic_store(&sb__os_fail_at, n);
        int rc = try_open(&place, 1, &link, text, sizeof text);
        atomic_store(&sb__os_fail_at, 0);
        assert_int_equal(rc, -SB_E_SYSTEM);
        if (!strstr(text, "the thread that watches workers could not be started"))
            return; /* it has started, and what comes behind it failed */
        assert_in_range(n, 1, 5);
    }
    fail();
}

static void too_many_files(void **state)
{
    (void)state;
    fail_each(EMFILE);
}

static void no_memory_in_the_kernel(void **state)
{
    (void)state;
    fail_each(ENOMEM);
}

/* ---- memory ---- */

static _Atomic int allocations;

static void *resize(void *ptr, size_t size, void *user)
{
    (void)user;
    if (!size) {
        free(ptr);
        return NULL;
    }
    if (atomic_load(&allocations) && atomic_fetch_sub(&allocations, 1) == 1)
        return NULL;
    return realloc(ptr, size);
}

static void no_memory(void **state)
{
    (void)state;
    struct sb_place place = FAKE("memory");
    bool reached = true;
    int failures = 0;
    for (int n = 1; reached; n++) {
        assert_true(n < 100);
        struct sb_link *link;
        char text[1000];
        atomic_store(&allocations, n);
        int rc = try_open(&place, 1, &link, text, sizeof text);
        if (rc == 0) {
            const uint8_t *body;
            size_t size;
            rc = ask(link, 1, "big 100000", 0);
            if (!rc)
                rc = hear(link, &body, &size);
            assert_true(rc == 0 || rc == -SB_E_MEMORY);
            assert_true(rc == 0 || strstr((char *)link->message.ptr, "out of memory"));
            t->close(link);
        }
        assert_true(rc == 0 || rc == -SB_E_MEMORY);
        reached = atomic_exchange(&allocations, 0) == 0;
        failures += rc != 0;
        struct sb_link *good = must_open(&place, 1);
        must_echo(good, 1, "echo");
        close_politely(good, 2);
        sb__workers_end();
    }
    print_message("          %d allocations failed\n", failures);
    assert_true(failures >= 4);
}

int main(void)
{
    sb__set_resize(resize, NULL);
#define T(test) cmocka_unit_test_setup_teardown(test, note_holdings, check_holdings)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_monitor),
        T(too_many_files),
        T(no_memory_in_the_kernel),
        T(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
