/* SPDX-License-Identifier: MIT
 *
 * The monitor's watches and alarms: on time, again, and never after they were disarmed. */
#include "support.h"
#include <pthread.h>
#include <unistd.h>

struct bell {
    struct sb_alarm alarm; /* first */
    _Atomic uint64_t seq;
    _Atomic int rung, inside;
    int64_t _Atomic at;
    int64_t hold; /* us that the interrupt takes */
};

static void interrupt(struct sb_alarm *alarm, uint64_t seq)
{
    struct bell *b = (struct bell *)alarm;
    atomic_store(&b->inside, 1);
    atomic_store(&b->seq, seq);
    atomic_store(&b->at, sb__now());
    atomic_fetch_add(&b->rung, 1);
    if (b->hold)
        usleep((useconds_t)b->hold);
    atomic_store(&b->inside, 0);
}

static void rings_on_time(void **state)
{
    (void)state;
    struct bell b = { .alarm.interrupt = interrupt };
    sb__alarm_add(&b.alarm);
    for (uint64_t i = 1; i <= 20; i++) {
        int64_t due = sb__now() + 5 * SB_MILLISECOND;
        sb__alarm_arm(&b.alarm, due, i);
        while (atomic_load(&b.seq) != i && sb__now() < due + SB_SECOND)
            usleep(200);
        assert_int_equal(atomic_load(&b.seq), i);
        assert_true(atomic_load(&b.at) >= due);
        assert_true(atomic_load(&b.at) < due + 200 * SB_MILLISECOND);
        sb__alarm_disarm(&b.alarm);
    }
    assert_int_equal(atomic_load(&b.rung), 20);
    sb__alarm_remove(&b.alarm);
}

static void rings_again(void **state)
{
    (void)state;
    struct bell b = { .alarm.interrupt = interrupt };
    sb__alarm_add(&b.alarm);
    sb__alarm_arm(&b.alarm, sb__now() + SB_MILLISECOND, 1);
    usleep(800000);
    sb__alarm_disarm(&b.alarm);
    assert_int_equal(atomic_load(&b.rung), 2);
    usleep(600000);
    assert_int_equal(atomic_load(&b.rung), 2);
    sb__alarm_remove(&b.alarm);
}

static void waits_for_one_that_rings(void **state)
{
    (void)state;
    struct bell b = { .alarm.interrupt = interrupt, .hold = 50000 };
    sb__alarm_add(&b.alarm);
    for (uint64_t i = 1; i <= 5; i++) {
        sb__alarm_arm(&b.alarm, sb__now() + SB_MILLISECOND, i);
        while (!atomic_load(&b.inside))
            usleep(100);
        sb__alarm_disarm(&b.alarm);
        assert_int_equal(atomic_load(&b.inside), 0);
        assert_int_equal(atomic_load(&b.seq), i);
    }
    sb__alarm_remove(&b.alarm);
}

static void *arm_and_disarm(void *arg)
{
    struct bell b = { .alarm.interrupt = interrupt };
    sb__alarm_add(&b.alarm);
    uint64_t seed = (uint64_t)sb__now();
    for (uint64_t i = 1; i <= 2000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sb__alarm_arm(&b.alarm, sb__now() + (int64_t)(seed >> 48), i); /* up to 65 us */
        if (i % 3)
            usleep((useconds_t)(seed >> 40 & 127));
        sb__alarm_disarm(&b.alarm);
        int rung = atomic_load(&b.rung);
        bool wrong = atomic_load(&b.inside);
        if (i % 50 == 0) {
            usleep(200);
            wrong |= atomic_load(&b.rung) != rung; /* never after */
        }
        if (wrong)
            return arg; /* cmocka's assertions are for the main thread */
    }
    sb__alarm_remove(&b.alarm);
    return NULL;
}

static void never_after(void **state)
{
    (void)state;
    pthread_t all[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&all[i], NULL, arm_and_disarm, all), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(all[i], &wrong);
        assert_null(wrong);
    }
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, note_holdings, check_holdings)
    const struct CMUnitTest tests[] = {
        T(rings_on_time),
        T(rings_again),
        T(waits_for_one_that_rings),
        T(never_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
