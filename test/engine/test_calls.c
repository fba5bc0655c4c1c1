/* SPDX-License-Identifier: MIT
 *
 * Every operation, result and value, in-process and in a worker: the same lines over both. */
#include "driver.h"
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static struct client client, *c = &client;

static void test_functions(void **state)
{
    (void)state;
    same(CALL(c, "math:sqrt", "d", "[2.0]"), "REPLY 1.4142135623730951");
    same(CALL(c, "math.sqrt", "d", "[16]"), "REPLY 4.0");
    same(CALL(c, "math:floor", "i", "[2.5]"), "REPLY 2");
    same(CALL(c, "os.path.join", "s", "[\"a\", \"b\"]"), "REPLY \"a/b\"");
    same(CALL(c, "len", "i", "[[1, 2, 3]]"), "REPLY 3");
    same(run(c, 'f', "builtins:int", "base", "i", "[\"ff\", 16]"), "REPLY 255");
    same(run(c, 'f', "builtins:dict", "a,b", "V", "[1, 2]"), "REPLY {\"a\": 1, \"b\": 2}");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_functions),
};

int main(void)
{
    inprocess_open(c, 7);
    int failed = cmocka_run_group_tests_name("in-process", tests, NULL, NULL);
    client_close(c);
    struct worker *w = worker_start(NULL);
    worker_open(c, w, 3, 8);
    failed += cmocka_run_group_tests_name("worker", tests, NULL, NULL);
    client_close(c);
    worker_end(w);
    return failed;
}
