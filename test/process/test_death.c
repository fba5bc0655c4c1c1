/* SPDX-License-Identifier: MIT
 *
 * Workers that die, stop or lie, at every step of the protocol: the program gets one clear error,
 * soon, and goes on with another worker. */
#include "support.h"
#include "fake_worker.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct sb_transport *const t = &sb__transport_worker;

static const char *const steps[] = {
#define STEP(name) #name,
    STEPS(STEP)
#undef STEP
};

static struct sb_place at_step(const char *how, const char *step)
{
    char word[64];
    snprintf(word, sizeof word, "%s:%s", how, step);
    return FAKE(word);
}

/* Ends a worker at a step of its first CALL; what the program must see. */
static void end_at(const char *how, int step, const char *obituary)
{
    struct sb_place place = at_step(how, steps[step]);
    struct sb_link *link = NULL;
    char text[1000];
    int64_t begin = sb__now();
    int rc = try_open(&place, 1, &link, text, sizeof text);
    if (rc) {
        assert_in_range(step, STEP_STARTED, STEP_READY);
        assert_true(rc == -SB_E_CONFIG || rc == -SB_E_WORKER_DIED);
        assert_non_null(strstr(text, obituary));
        return;
    }
    assert_true(step >= STEP_HELLO_STORED); /* the hello may be seen before the end is */
    struct sb_frame open = { .size = sizeof open, .kind = SB_FRAME_OPEN, .session = 1 };
    const uint8_t *body;
    size_t size;
    rc = t->send(link, (const uint8_t *)&open, sizeof open);
    if (!rc)
        rc = ask(link, 1, "nap 5", 0);
    if (!rc)
        rc = hear(link, &body, &size);
    if (step >= STEP_REPLY_STORED && rc == 0) { /* the answer counts; the next call sees it */
        rc = ask(link, 2, "nap 5", 0);
        if (!rc)
            rc = hear(link, &body, &size);
    }
    if (rc != -SB_E_WORKER_DIED)
        print_error("%s at %s: %d\n", how, steps[step], rc);
    assert_int_equal(rc, -SB_E_WORKER_DIED);
    if (!strstr((char *)link->message.ptr, obituary))
        print_error("%s at %s: %s\n", how, steps[step], (char *)link->message.ptr);
    assert_non_null(strstr((char *)link->message.ptr, obituary));
    assert_true(t->dead(link));
    /* Each within 200 ms of its end; starting it is counted here, too. */
    assert_true(sb__now() - begin < 400 * SB_MILLISECOND);
    /* The failure stays. */
    assert_int_equal(t->receive(link, &body, &size), rc);
    t->close(link);
}

static void killed_at_every_step(void **state)
{
    (void)state;
    for (int step = 0; step < STEP_NONE; step++)
        for (int i = 0; i < 3; i++)
            end_at("kill", step, "was killed by SIGKILL");
}

static void exits_at_every_step(void **state)
{
    (void)state;
    for (int step = 0; step < STEP_NONE; step++)
        for (int i = 0; i < 3; i++)
            end_at("exit", step, "exited with status 9");
}

/* A stopped worker is alive: only a deadline ends it. */
static void stopped_at_every_step(void **state)
{
    (void)state;
    sb__deadline_grace = 60 * SB_MILLISECOND;
    sb__worker_start_limit = 150 * SB_MILLISECOND;
    for (int step = 0; step < STEP_NONE; step++) {
        struct sb_place place = at_step("stop", steps[step]);
        struct sb_link *link = NULL;
        char text[1000];
        int rc = try_open(&place, 1, &link, text, sizeof text);
        if (rc) {
            assert_true(step <= STEP_HELLO_STORED);
            assert_int_equal(rc, -SB_E_CONFIG);
            assert_non_null(strstr(text, "did not begin to serve within 0.15 s"));
            continue;
        }
        const uint8_t *body;
        size_t size;
        int64_t begin = sb__now();
        rc = ask(link, 1, "nap 5", 50);
        if (!rc)
            rc = hear(link, &body, &size);
        if (step >= STEP_REPLY_STORED && rc == 0) {
            begin = sb__now();
            rc = ask(link, 2, "nap 5", 50);
            if (!rc)
                rc = hear(link, &body, &size);
        }
        int64_t took = (sb__now() - begin) / SB_MILLISECOND;
        if (rc != -SB_E_TIMEOUT)
            print_error("stopped at %s: %d %s\n", steps[step], rc, (char *)link->message.ptr);
        assert_int_equal(rc, -SB_E_TIMEOUT);
        assert_non_null(strstr((char *)link->message.ptr, "stopped"));
        assert_in_range(took, 50, 50 + 60 + 150);
        t->close(link);
    }
    sb__deadline_grace = SB_SECOND;
    sb__worker_start_limit = 60 * SB_SECOND;
}

/* ---- kill -9 from outside ---- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

struct killer {
    pid_t pid;
    _Atomic int64_t at;
};

static void *kill_later(void *arg)
{
    struct killer *k = arg;
    usleep(2000 + (useconds_t)(sb__now() % 3000));
    atomic_store(&k->at, sb__now());
    kill(k->pid, SIGKILL);
    return NULL;
}

static void hundred_deaths(const struct sb_place *place)
{
    enum { N = 100 };
    int64_t took[N];
    for (int i = 0; i < N; i++) {
        struct sb_link *link = must_open(place, 1);
        const uint8_t *body;
        size_t size;
        struct killer k = { .pid = (pid_t)ask_number(link, 1, "pid") };
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, kill_later, &k), 0);
        assert_int_equal(ask(link, 2, i % 2 ? "deaf" : "mute", 0), 0);
        assert_int_equal(hear(link, &body, &size), -SB_E_WORKER_DIED);
        took[i] = sb__now() - atomic_load(&k.at);
        pthread_join(thread, NULL);
        assert_non_null(strstr((char *)link->message.ptr, "was killed by SIGKILL"));
        t->close(link);
    }
    qsort(took, N, sizeof *took, by_size);
    print_message("          median %g us, worst %g us\n", (double)took[N / 2] / 1e3,
                  (double)took[N - 1] / 1e3);
    assert_true(took[N / 2] < 10 * SB_MILLISECOND); /* less than 1 where the machine has the time */
    assert_true(took[N - 1] < 200 * SB_MILLISECOND);
}

static void death_is_seen_at_once(void **state)
{
    (void)state;
    struct sb_place place = ECHO;
    hundred_deaths(&place);
}

static void death_is_seen_without_robust_words(void **state)
{
    (void)state;
    struct sb_place place = FAKE("nowords");
    hundred_deaths(&place);
}

static void every_session_hears_of_it(void **state)
{
    (void)state;
    struct sb_place place = ECHO;
    struct sb_link *idle = must_open(&place, 1), *link = must_open(&place, 2);
    must_echo(idle, 1, "echo");
    const uint8_t *body;
    size_t size;
    assert_false(t->dead(idle));
    assert_int_equal(ask(link, 1, "kill", 0), 0);
    assert_int_equal(hear(link, &body, &size), -SB_E_WORKER_DIED);
    assert_true(t->dead(idle));
    assert_int_equal(ask(idle, 2, "echo", 0), 0);
    assert_int_equal(hear(idle, &body, &size), -SB_E_WORKER_DIED);
    struct sb_link *next = must_open(&place, 3); /* another worker */
    must_echo(next, 1, "echo");
    t->close(idle);
    t->close(link);
    close_politely(next, 2);
}

static void crash_and_exec(void **state)
{
    (void)state;
    static const struct {
        const char *body, *text;
    } all[] = { { "crash", "was killed by SIGABRT" },
                { "exit 0", "exited with status 0" },
                { "exit 3", "exited with status 3" },
                { "exec", "the worker" } };
    struct sb_place place = ECHO;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct sb_link *link = must_open(&place, 1);
        const uint8_t *body;
        size_t size;
        pid_t pid = (pid_t)ask_number(link, 1, "pid");
        assert_int_equal(ask(link, 2, all[i].body, 0), 0);
        assert_int_equal(hear(link, &body, &size), -SB_E_WORKER_DIED);
        if (!strstr((char *)link->message.ptr, all[i].text))
            print_error("%s: %s\n", all[i].body, (char *)link->message.ptr);
        assert_non_null(strstr((char *)link->message.ptr, all[i].text));
        assert_true(gone_within(pid, 1000)); /* what it turned into, too */
        t->close(link);
    }
}

static void its_children_end_with_it(void **state)
{
    (void)state;
    struct sb_place place = FAKE("child");
    struct sb_link *link = must_open(&place, 1);
    pid_t pid = (pid_t)ask_number(link, 1, "pid");
    char path[64];
    int child = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &child), 1);
    fclose(f);
    kill(pid, SIGKILL);
    assert_true(gone_within(pid, 1000));
    assert_true(gone_within(child, 1000));
    t->close(link);
}

static void while_a_large_request_is_sent(void **state)
{
    (void)state;
    struct sb_place place = at_step("kill", "REQUEST_SEEN");
    struct sb_link *link = must_open(&place, 1);
    char *data = calloc(1, 10000000);
    assert_non_null(data);
    assert_int_equal(ask_bytes(link, 1, data, 10000000, 0), -SB_E_WORKER_DIED);
    free(data);
    t->close(link);
}

/* ---- lies ---- */

static void lies(void **state)
{
    (void)state;
    static const char *const all[] = { "lie cursor", "lie head",    "lie size",    "lie short",
                                       "lie kind",   "lie session", "lie segments" };
    struct sb_place place = ECHO;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct sb_link *link = must_open(&place, 1);
        pid_t pid = (pid_t)ask_number(link, 1, "pid");
        const uint8_t *body;
        size_t size;
        assert_int_equal(ask(link, 2, all[i], 0), 0);
        int rc = hear(link, &body, &size);
        if (!rc) { /* its request cursor is looked at when there is need of room */
            char *data = calloc(1, 40000);
            assert_non_null(data);
            rc = ask_bytes(link, 3, data, 40000, 0);
            free(data);
        }
        if (rc != -SB_E_PROTOCOL)
            print_error("%s: %d %s\n", all[i], rc, (char *)link->message.ptr);
        assert_int_equal(rc, -SB_E_PROTOCOL);
        assert_non_null(strstr((char *)link->message.ptr, "broke the protocol"));
        assert_true(gone_within(pid, 1000));
        t->close(link);
    }
}

static void lies_that_need_a_deadline(void **state)
{
    (void)state;
    static const char *const all[] = { "lie part", "lie word", "lie running", "mute" };
    sb__deadline_grace = 60 * SB_MILLISECOND;
    struct sb_place place = ECHO;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct sb_link *link = must_open(&place, 1);
        const uint8_t *body;
        size_t size;
        int64_t begin = sb__now();
        assert_int_equal(ask(link, 1, all[i], 40), 0);
        int rc = hear(link, &body, &size);
        if (rc != -SB_E_TIMEOUT)
            print_error("%s: %d %s\n", all[i], rc, (char *)link->message.ptr);
        assert_int_equal(rc, -SB_E_TIMEOUT);
        assert_true(sb__now() - begin < (40 + 60 + 150) * SB_MILLISECOND);
        t->close(link);
        sb__workers_end();
    }
    sb__deadline_grace = SB_SECOND;
}

static void plays_dead(void **state)
{
    (void)state;
    struct sb_place place = ECHO;
    struct sb_link *link = must_open(&place, 1);
    pid_t pid = (pid_t)ask_number(link, 1, "pid");
    const uint8_t *body;
    size_t size;
    assert_int_equal(ask(link, 2, "lie dead", 0), 0);
    assert_int_equal(hear(link, &body, &size), -SB_E_WORKER_DIED);
    assert_true(gone_within(pid, 1000));
    t->close(link);
}

static void rejected(void **state)
{
    (void)state;
    struct sb_place place = ECHO;
    struct sb_link *link = must_open(&place, 1), *other = must_open(&place, 2);
    const uint8_t *body;
    size_t size;
    pid_t pid = (pid_t)ask_number(link, 1, "pid");
    assert_int_equal(ask(other, 1, "mute", 0), 0);
    t->reject(link);
    t->close(link);
    assert_true(gone_within(pid, 1000));
    assert_int_equal(hear(other, &body, &size), -SB_E_WORKER_DIED);
    assert_non_null(strstr((char *)other->message.ptr, "broke the protocol"));
    t->close(other);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, note_holdings, check_holdings)
    const struct CMUnitTest tests[] = {
        T(killed_at_every_step),
        T(exits_at_every_step),
        T(stopped_at_every_step),
        T(death_is_seen_at_once),
        T(death_is_seen_without_robust_words),
        T(every_session_hears_of_it),
        T(crash_and_exec),
        T(its_children_end_with_it),
        T(while_a_large_request_is_sent),
        T(lies),
        T(lies_that_need_a_deadline),
        T(plays_dead),
        T(rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
