/* SPDX-License-Identifier: MIT
 *
 * Requests with NOTE and a worker that dies, or lies, at every step of them: who waits, or sleeps on the descriptor, hears of
 * it soon. */
#include "support.h"
#include "fake_worker.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct sb_transport *const t = &sb__transport_worker;

static const char *const steps[] = {
#define STEP(name) #name,
    STEPS(STEP) "NONE", NOTE_STEPS(STEP)
#undef STEP
};

static int submit(struct sb_link *link, uint64_t seq, const char *body, int64_t ms)
{
    struct {
        struct sb_frame head;
        char body[64];
    } frame = { .head = { .size = (uint32_t)(sizeof frame.head + strlen(body)),
                          .kind = SB_FRAME_CALL,
                          .flags = SB_FLAG_NOTE,
                          .session = link->session,
                          .seq = seq } };
    if (ms)
        frame.head.flags |= SB_FLAG_DEADLINE;
    link->deadline = ms ? sb__now() + ms * SB_MILLISECOND : 0;
    link->deadline_seq = seq;
    memcpy(frame.body, body, strlen(body));
    return t->send(link, (const uint8_t *)&frame, frame.head.size);
}

static bool readable(int fd, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, ms) == 1;
}

/* A submitted call whose worker ends at this step: with somebody in await, or asleep on the descriptor. */
static void end_at(int step, bool asleep)
{
    char word[64], text[1000];
    snprintf(word, sizeof word, "kill:%s", steps[step]);
    struct sb_place place = FAKE(word);
    struct sb_link *link = NULL;
    int rc = try_open(&place, 1, &link, text, sizeof text);
    if (rc) {
        assert_in_range(step, STEP_STARTED, STEP_READY);
        return;
    }
    int fd = sb__os_eventfd();
    assert_true(fd >= 0);
    t->notify(link, fd);
    struct sb_frame open = { .size = sizeof open, .kind = SB_FRAME_OPEN, .session = 1 };
    int64_t begin = sb__now();
    rc = t->send(link, (const uint8_t *)&open, sizeof open);
    if (!rc)
        rc = submit(link, 1, "nap 5", 0);
    if (!rc && asleep && !readable(fd, 2000))
        fail_msg("%s: nothing was heard", steps[step]);
    if (!rc)
        rc = t->await(link, 1, sb__now() + 2 * SB_SECOND);
    if (step >= STEP_NOTE_STORED)
        assert_int_equal(rc, 1);
    if (rc == 1) { /* it has ended in time; the next one does not */
        rc = submit(link, 2, "nap 5", 0);
        if (!rc)
            rc = t->await(link, 2, sb__now() + 2 * SB_SECOND);
    }
    if (rc != -SB_E_WORKER_DIED)
        print_error("at %s: %d\n", steps[step], rc);
    assert_int_equal(rc, -SB_E_WORKER_DIED);
    assert_non_null(strstr((char *)link->message.ptr, "SIGKILL"));
    assert_true(sb__now() - begin < 400 * SB_MILLISECOND);
    assert_true(readable(fd, 1000));
    assert_int_equal(t->await(link, 9, INT64_MAX), -SB_E_WORKER_DIED); /* it stays */
    t->cancel(link, 2, true);
    t->cancel(link, 3, false);
    t->close(link);
    close(fd);
}

static void killed_at_every_step(void **state)
{
    (void)state;
    for (int step = 0; step < STEP_END; step++)
        if (step <= STEP_ENDED || step > STEP_NONE)
            for (int asleep = 0; asleep < 2; asleep++)
                end_at(step, asleep);
}

static void lies(void **state)
{
    (void)state;
    struct sb_place echo = ECHO;
    struct sb_link *link = must_open(&echo, 2);
    int fd = sb__os_eventfd();
    t->notify(link, fd);
    assert_int_equal(submit(link, 1, "lie noted", 0), 0);
    assert_true(readable(fd, 2000));
    assert_int_equal(t->await(link, 1, sb__now() + SB_SECOND), 1);
    assert_int_equal(t->await(link, 100, 0), 1); /* nobody relies on it for more than a look */
    t->cancel(link, 50, true);
    must_echo(link, 2, "echo");
    close_politely(link, 3);
    /* The next session of the lane begins anew. */
    link = must_open(&echo, 3);
    assert_false(t->ended(link, 1));
    assert_int_equal(submit(link, 1, "nap 20", 0), 0);
    assert_int_equal(t->await(link, 1, 0), 0);
    assert_int_equal(t->await(link, 1, INT64_MAX), 1);
    close_politely(link, 2);
    close(fd);
}

/* Nobody waits, and the call does not end: its time runs out all the same. */
static void deadlines(void **state)
{
    (void)state;
    struct sb_place echo = ECHO;
    sb__deadline_grace = 60 * SB_MILLISECOND;
    int fd = sb__os_eventfd();
    struct sb_link *link = must_open(&echo, 4);
    t->notify(link, fd);
    assert_int_equal(submit(link, 1, "sleep", 50), 0); /* can be interrupted */
    assert_true(readable(fd, 2000));
    assert_int_equal(t->await(link, 1, 0), 1);
    sb__os_eventfd_drain(fd);
    assert_int_equal(submit(link, 2, "nap 1", 50), 0); /* is done in time */
    assert_true(readable(fd, 2000));
    sb__os_eventfd_drain(fd);
    assert_false(readable(fd, 150));
    must_echo(link, 3, "echo");
    for (uint64_t seq = 4; seq < 400; seq++) { /* more than there are places */
        assert_int_equal(submit(link, seq, "nap 0", 10000), 0);
        if (seq % 100 == 0)
            assert_int_equal(t->await(link, seq, INT64_MAX), 1);
    }
    assert_int_equal(t->await(link, 399, INT64_MAX), 1);
    sb__os_eventfd_drain(fd);
    int64_t begin = sb__now();
    assert_int_equal(submit(link, 400, "deaf", 50), 0);
    while (!readable(fd, 2000) || t->await(link, 400, 0) == 0)
        assert_true(sb__now() - begin < 2 * SB_SECOND);
    assert_int_equal(t->await(link, 400, 0), -SB_E_TIMEOUT);
    t->close(link);
    close(fd);
    sb__deadline_grace = SB_SECOND;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_at_every_step, note_holdings, check_holdings),
        cmocka_unit_test_setup_teardown(lies, note_holdings, check_holdings),
        cmocka_unit_test_setup_teardown(deadlines, note_holdings, check_holdings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
