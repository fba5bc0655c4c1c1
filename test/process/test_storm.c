/* SPDX-License-Identifier: MIT
 *
 * Many threads that share a worker, which all the while dies, lies, stops and runs beyond deadlines:
 * each call ends, soon, in one of the ways that it may, and nothing is left. */
#include "support.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 6, SECONDS = 4 };

static const struct sb_transport *const t = &sb__transport_worker;
static _Atomic uint64_t calls, deaths, timeouts, lies, answers;
static _Atomic int64_t worst;
static int64_t end;

struct rng {
    uint64_t state;
};
static unsigned pick(struct rng *r, unsigned n)
{
    r->state = r->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(r->state >> 33) % n;
}

static int send_call(struct sb_link *link, uint64_t seq, const char *body, int64_t ms)
{
    uint8_t frame[200];
    struct sb_frame head = { .size = (uint32_t)(sizeof head + strlen(body)),
                             .kind = SB_FRAME_CALL,
                             .flags = SB_FLAG_WAIT | (ms ? SB_FLAG_DEADLINE : 0),
                             .session = link->session,
                             .seq = seq };
    memcpy(frame, &head, sizeof head);
    memcpy(frame + sizeof head, body, strlen(body));
    link->deadline = ms ? sb__now() + ms * SB_MILLISECOND : 0;
    link->deadline_seq = seq;
    return t->send(link, frame, head.size);
}

/* What went wrong, or NULL. cmocka's assertions are for the main thread. */
static const char *session(struct rng *r, uint32_t tag)
{
    static const char *const harmless[] = { "echo", "nap 1", "big 50000", "pid", "output 3 20000" };
    static const char *const harmful[] = { "kill",     "exit 3",   "crash",    "deaf",
                                           "sleep",    "spin",     "stop",     "mute",
                                           "lie kind", "lie size", "lie part", "lie running" };
    struct sb_place place = ECHO;
    struct sb_buf why = { 0 };
    struct sb_link *link;
    int rc = t->open(&place, tag, &link, &why);
    sb__buf_reset(&why);
    if (rc) /* a worker that dies between its hello and our look at it */
        return rc == -SB_E_CONFIG || rc == -SB_E_WORKER_DIED || rc == -SB_E_SYSTEM ? NULL : "open";
    uint64_t seq = 0;
    const char *wrong = NULL;
    for (unsigned n = pick(r, 60); n && !wrong && !rc; n--) {
        bool harm = pick(r, 40) == 0;
        const char *body = harm ? harmful[pick(r, 12)] : harmless[pick(r, 5)];
        int64_t ms = harm || pick(r, 2) ? 5 + pick(r, 60) : 0, begin = sb__now();
        const uint8_t *frame;
        size_t size;
        struct sb_frame head = { 0 };
        atomic_fetch_add(&calls, 1);
        rc = send_call(link, ++seq, body, ms);
        while (!rc && head.kind != SB_FRAME_REPLY) {
            rc = t->receive(link, &frame, &size);
            if (!rc)
                memcpy(&head, frame, sizeof head);
        }
        int64_t took = sb__now() - begin;
        if (ms && took > atomic_load(&worst))
            atomic_store(&worst, took);
        if (rc == 0)
            atomic_fetch_add(&answers, 1);
        else if (rc == -SB_E_WORKER_DIED)
            atomic_fetch_add(&deaths, 1);
        else if (rc == -SB_E_TIMEOUT && ms)
            atomic_fetch_add(&timeouts, 1);
        else if (rc == -SB_E_PROTOCOL)
            atomic_fetch_add(&lies, 1);
        else
            wrong = "a call ended in another way";
        if (rc && (!link->message.ptr || !*link->message.ptr))
            wrong = "a failure without a message";
    }
    t->close(link);
    return wrong;
}

static void *run(void *arg)
{
    struct rng r = { (uint64_t)(uintptr_t)arg * UINT64_C(0x9e3779b97f4a7c15) };
    for (uint32_t i = 0; sb__now() < end; i++) {
        const char *wrong = session(&r, (uint32_t)(uintptr_t)arg * 1000 + i % 1000 + 1);
        if (wrong)
            return (void *)(uintptr_t)wrong;
    }
    return NULL;
}

static void storm(void **state)
{
    (void)state;
    sb__deadline_grace = 40 * SB_MILLISECOND;
    end = sb__now() + SECONDS * SB_SECOND;
    pthread_t all[THREADS];
    (void)ECHO; /* places are made by one thread */
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&all[i], NULL, run, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(all[i], &wrong);
        if (wrong)
            print_error("%s\n", (const char *)wrong);
        assert_null(wrong);
    }
    print_message(
        "          %llu calls: %llu answers, %llu deaths, %llu timeouts, %llu lies; worst "
        "%g ms\n",
        (unsigned long long)calls, (unsigned long long)answers, (unsigned long long)deaths,
        (unsigned long long)timeouts, (unsigned long long)lies, (double)worst / 1e6);
    assert_true(answers && deaths && timeouts && lies);
    assert_true(worst < 3 * SB_SECOND); /* 65 + 40 + 150 ms on a machine that has the time */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(storm, note_holdings, check_holdings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
