/* SPDX-License-Identifier: MIT
 *
 * Observers: what they are told of calls, sessions and workers, and what they may not do. Runs over each transport. */
#include "sbtest.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096, TEXT = 256 };

/* What an observer has been told, copied. */
struct seen {
    sb_event event;
    char library[TEXT], function[TEXT], operation[TEXT], type[TEXT], message[TEXT], reason[TEXT];
    char file[TEXT], session_name[TEXT];
};
struct record {
    pthread_mutex_t lock;
    unsigned count;
    struct seen seen[MOST];
};

static struct record *record_new(void)
{
    struct record *r = calloc(1, sizeof *r);
    assert_non_null(r);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

static void note(const sb_event *e, void *user)
{
    struct record *r = user;
    pthread_mutex_lock(&r->lock);
    if (r->count < MOST) {
        struct seen *s = &r->seen[r->count++];
        s->event = *e;
#define COPY(field)                                      \
    snprintf(s->field, sizeof s->field, "%s", e->field); \
    s->event.field = s->field;
        COPY(library)
        COPY(function)
        COPY(operation)
        COPY(type)
        COPY(message)
        COPY(reason)
        COPY(file)
        COPY(session_name)
#undef COPY
    }
    pthread_mutex_unlock(&r->lock);
}

static unsigned count_of(struct record *r, sb_event_kind kind)
{
    unsigned n = 0;
    pthread_mutex_lock(&r->lock);
    for (unsigned i = 0; i < r->count; i++)
        n += r->seen[i].event.kind == kind;
    pthread_mutex_unlock(&r->lock);
    return n;
}

static bool is_worker(void)
{
    const char *transport = getenv("SNAKEBRIDGE_TRANSPORT");
    return !transport || !strcmp(transport, "worker");
}

enum { CALLS = SB_EVENT_CALL_START | SB_EVENT_CALL_STOP | SB_EVENT_CALL_EXCEPTION };

/* ---- calls ---- */

static void calls_are_told_of(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    for (int i = 0; i < 3; i++) /* so that the next call would go the short way */
        assert_true(py_math_sqrt(py, 4) == 2);
    struct record *r = record_new();
    sb_observer *o = sb_observe(.event = note, .user = r, .kinds = CALLS);
    assert_non_null(o);
    const int line = __LINE__ + 1;
    assert_true(py_math_sqrt(py, 9) == 3);
    assert_int_equal(r->count, 2);
    const struct seen *start = &r->seen[0], *stop = &r->seen[1];
    assert_int_equal(start->event.kind, SB_EVENT_CALL_START);
    assert_int_equal(stop->event.kind, SB_EVENT_CALL_STOP);
    assert_string_equal(start->event.name, "call.start");
    assert_string_equal(stop->event.name, "call.stop");
    for (int i = 0; i < 2; i++) {
        const struct seen *s = &r->seen[i];
        assert_string_equal(s->library, "math");
        assert_string_equal(s->function, "math.sqrt");
        assert_string_equal(s->operation, "call");
        assert_non_null(strstr(s->file, "test_events.c"));
        assert_int_equal(s->event.line, line);
        assert_true(s->event.session > 0);
        assert_true(s->event.bytes_sent >= 32);
        assert_int_equal(s->event.size, sizeof(sb_event));
        assert_true(is_worker() ? s->event.worker > 0 : s->event.worker == 0);
        assert_true(llabs(s->event.time / 1000000000 - (int64_t)time(NULL)) < 600);
    }
    assert_true(stop->event.duration > 0);
    assert_true(stop->event.time >= start->event.time);
    assert_true(stop->event.bytes_received >= 32);
    assert_string_equal(start->type, "");
    r->count = 0;
    /* By name, of a method, of an attribute, an operator. */
    sb_value box = sb_call(py, "sbtest.Box", 5);
    sb_method(py, box, "add", 1);
    sb_attr(py, box, "value");
    sb_op(py, 1, "+", 2);
    expect_fine(py);
    const char *const expected[][3] = { { "sbtest", "sbtest.Box", "call" },
                                        { "", "add", "method" },
                                        { "", "getattr", "operator" },
                                        { "", "__add__", "operator" } };
    assert_int_equal(r->count, 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(r->seen[i].event.kind, i % 2 ? SB_EVENT_CALL_STOP : SB_EVENT_CALL_START);
        assert_string_equal(r->seen[i].library, expected[i / 2][0]);
        assert_string_equal(r->seen[i].function, expected[i / 2][1]);
        assert_string_equal(r->seen[i].operation, expected[i / 2][2]);
    }
    r->count = 0;
    assert_int_equal(sb_observe_end(o), SB_OK);
    assert_true(py_math_sqrt(py, 16) == 4);
    assert_int_equal(r->count, 0);
    sb_close(py);
    free(r);
}

/* Each start has one end, also of calls that nobody waits for, whose failure comes later. */
static void calls_in_flight(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sbtest_Box box = sbtest_Box_new(py, 1);
    expect_fine(py);
    struct record *r = record_new();
    sb_observer *o = sb_observe(.event = note, .user = r, .kinds = CALLS);
    sbtest_Box a = sbtest_Box_add(py, box, 1);
    sbtest_Box b = sbtest_Box_add(py, a, 1);
    assert_int_equal(count_of(r, SB_EVENT_CALL_START), 2);
    assert_int_equal(sbtest_Box_value(py, b), 3);
    assert_int_equal(count_of(r, SB_EVENT_CALL_START), 3);
    assert_int_equal(count_of(r, SB_EVENT_CALL_STOP), 3);
    r->count = 0;
    sbtest_Box_add(py, box, 2);
    sbtest_boom_box(py);
    sbtest_Box_add(py, box, 3);
    assert_true(sb_failed(py));
    assert_int_equal(r->count, 6);
    for (int i = 0; i < 3; i++)
        assert_int_equal(r->seen[i].event.kind, SB_EVENT_CALL_START);
    assert_int_equal(r->seen[3].event.kind, SB_EVENT_CALL_STOP);
    assert_int_equal(r->seen[4].event.kind, SB_EVENT_CALL_EXCEPTION);
    assert_string_equal(r->seen[4].function, "sbtest.boom");
    assert_string_equal(r->seen[4].reason, "");
    assert_int_equal(r->seen[4].event.code, SB_E_PYTHON);
    assert_int_equal(r->seen[5].event.kind, SB_EVENT_CALL_EXCEPTION);
    assert_string_equal(r->seen[5].reason, "skipped");
    assert_string_equal(r->seen[4].type, r->seen[5].type);
    /* What does nothing, since there is an error, is no call. */
    r->count = 0;
    py_math_sqrt(py, 4);
    sb_call(py, "math.sqrt", 4);
    assert_int_equal(r->count, 0);
    sb_clear_error(py);
    /* Errors of the call that is waited for, of the library's own, and of calls that were never sent. */
    py_math_sqrt(py, -1);
    assert_int_equal(r->count, 2);
    assert_int_equal(r->seen[1].event.kind, SB_EVENT_CALL_EXCEPTION);
    assert_string_equal(r->seen[1].type, "ValueError");
    assert_string_equal(r->seen[1].function, "math.sqrt");
    assert_true(r->seen[1].event.duration > 0);
    sb_clear_error(py);
    r->count = 0;
    sbtest_wrong_double(py);
    assert_int_equal(r->count, 2);
    assert_int_equal(r->seen[1].event.code, SB_E_TYPE);
    sb_clear_error(py);
    r->count = 0;
    sb_call(py, "math.sqrt", (sb_object) { 12345 });
    assert_int_equal(r->count, 1);
    assert_int_equal(r->seen[0].event.kind, SB_EVENT_CALL_EXCEPTION);
    assert_string_equal(r->seen[0].reason, "not sent");
    assert_string_equal(r->seen[0].function, "math.sqrt");
    sb_clear_error(py);
    /* Submitted, and ended by the end of the session. */
    r->count = 0;
    sb_submit(py, "math.sqrt", 4);
    sb_submit(py, "math.sqrt", 5);
    assert_int_equal(count_of(r, SB_EVENT_CALL_START), 2);
    sb_close(py);
    assert_int_equal(count_of(r, SB_EVENT_CALL_START), 2);
    assert_int_equal(count_of(r, SB_EVENT_CALL_STOP) + count_of(r, SB_EVENT_CALL_EXCEPTION), 2);
    sb_observe_end(o);
    free(r);
}

static sb_value nested(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    (void)user;
    return SB(sb_as_double(py, sb_call(py, "math.sqrt", 16.0)));
}

static void calls_in_callbacks(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    sb_object f = sb_function(py, nested, NULL, NULL);
    expect_fine(py);
    struct record *r = record_new();
    sb_observer *o = sb_observe(.event = note, .user = r, .kinds = CALLS);
    assert_true(sb_as_double(py, sb_apply(py, f)) == 4);
    sb_observe_end(o);
    assert_int_equal(r->count, 4);
    assert_string_equal(r->seen[0].function, "__call__");
    assert_string_equal(r->seen[1].function, "math.sqrt");
    assert_int_equal(r->seen[2].event.kind, SB_EVENT_CALL_STOP);
    assert_string_equal(r->seen[2].function, "math.sqrt");
    assert_int_equal(r->seen[3].event.kind, SB_EVENT_CALL_STOP);
    assert_string_equal(r->seen[3].function, "__call__");
    assert_true(r->seen[3].event.duration >= r->seen[2].event.duration);
    sb_close(py);
    free(r);
}

/* ---- who listens to what ---- */

static void kinds_and_samples(void **state)
{
    (void)state;
    sb_session *py = sb_open(.quiet = true);
    struct record *stops = record_new(), *some = record_new(), *sessions = record_new();
    sb_observer *a = sb_observe(.event = note, .user = stops, .kinds = SB_EVENT_CALL_STOP);
    sb_observer *b = sb_observe(.event = note, .user = some, .kinds = CALLS, .sample = 0.25);
    sb_observer *c = sb_observe(.event = note, .user = sessions,
                                .kinds = SB_EVENT_SESSION_OPEN | SB_EVENT_SESSION_CLOSE);
    assert_true(a && b && c);
    for (int i = 0; i < 1000; i++)
        py_math_sqrt(py, i);
    expect_fine(py);
    assert_int_equal(stops->count, 1000);
    assert_int_equal(count_of(stops, SB_EVENT_CALL_STOP), 1000);
    assert_true(some->count > 2 * 100 && some->count < 2 * 450);
    for (unsigned i = 0; i < some->count; i++) /* both of a call, or neither */
        assert_int_equal(some->seen[i].event.kind,
                         i % 2 ? SB_EVENT_CALL_STOP : SB_EVENT_CALL_START);
    assert_int_equal(sessions->count, 0);
    sb_session *other = sb_open(.quiet = true);
    sb_call(other, "math.sqrt", -1);
    sb_close(other);
    assert_int_equal(sessions->count, 2);
    assert_int_equal(sessions->seen[0].event.kind, SB_EVENT_SESSION_OPEN);
    assert_int_equal(sessions->seen[1].event.kind, SB_EVENT_SESSION_CLOSE);
    assert_int_equal(sessions->seen[0].event.session, sessions->seen[1].event.session);
    assert_string_equal(sessions->seen[1].reason, "closed");
    assert_int_equal(sessions->seen[1].event.code, SB_E_PYTHON);
    assert_true(sessions->seen[1].event.duration > 0);
    assert_true(sessions->seen[1].event.count > 0);
    assert_string_equal(sessions->seen[1].session_name, "");
    /* One that lives on under its name is not closed until it is released. */
    sb_close(sb_open(.name = "told", .quiet = true));
    assert_int_equal(sessions->count, 3);
    assert_int_equal(sb_session_release("told"), 1);
    assert_int_equal(sessions->count, 4);
    for (int i = 2; i < 4; i++)
        assert_string_equal(sessions->seen[i].session_name, "told");
    assert_int_equal(sessions->seen[3].event.kind, SB_EVENT_SESSION_CLOSE);
    assert_string_equal(sessions->seen[3].reason, "released");
    assert_int_equal(sb_observe_end(a), SB_OK);
    assert_int_equal(sb_observe_end(b), SB_OK);
    assert_int_equal(sb_observe_end(c), SB_OK);
    sb_close(py);
    free(stops);
    free(some);
    free(sessions);
}

static int logged;
static void count_log(int level, const char *text, void *user)
{
    (void)level;
    (void)user;
    logged += strstr(text, "sb_observe") != NULL;
}

static void what_is_refused(void **state)
{
    (void)state;
    sb_set_log(count_log, NULL);
    assert_null(sb_observe(.kinds = CALLS));
    assert_null(sb_observe(.event = note, .sample = 1.5));
    assert_null(sb_observe(.event = note, .sample = -1));
    assert_null(sb_observe(.event = note, .kinds = 1u << 31));
    assert_int_equal(logged, 4);
    sb_observer *all[SB_MAX_OBSERVERS];
    for (int i = 0; i < SB_MAX_OBSERVERS; i++)
        assert_non_null(all[i] = sb_observe(.event = note, .kinds = SB_EVENT_SESSION_OPEN));
    assert_null(sb_observe(.event = note));
    assert_int_equal(logged, 5);
    for (int i = 0; i < SB_MAX_OBSERVERS; i++)
        assert_int_equal(sb_observe_end(all[i]), SB_OK);
    assert_int_equal(sb_observe_end(all[0]), SB_E_MISUSE);
    assert_int_equal(sb_observe_end(NULL), SB_OK);
    sb_set_log(NULL, NULL);
}

/* ---- what an observer may not do ---- */

struct guest {
    sb_session *py, *other;
    sb_observer *self;
    sb_code ended;
    int told, useless;
    double got;
};

static void use_session(const sb_event *e, void *user)
{
    struct guest *g = user;
    (void)e;
    if (g->told++)
        return;
    g->useless = !sb_as_bool(g->py, sb_call(g->py, "builtins.bool", 1)) && sb_failed(g->py);
    g->got = g->other ? sb_as_double(g->other, sb_call(g->other, "math.sqrt", 36)) : 0;
    g->ended = sb_observe_end(g->self);
    assert_null(sb_observe(.event = note));
}

static void observers_use_sessions(void **state)
{
    (void)state;
    sb_set_log(count_log, NULL);
    struct guest g = { .py = sb_open(.quiet = true), .other = sb_open(.quiet = true) };
    py_math_sqrt(g.py, 4);
    for (int exceptions = 0; exceptions < 2; exceptions++) {
        g.told = 0;
        g.self = sb_observe(.event = use_session, .user = &g, .kinds = CALLS);
        double x = py_math_sqrt(g.py, 4);
        assert_true(x == 2); /* the call itself is not touched */
        assert_true(g.useless);
        assert_true(g.got == 6);
        assert_int_equal(g.ended, SB_E_MISUSE);
        assert_int_equal(g.told, 2); /* of the other session's calls, nobody was told */
        expect_error(g.py, SB_E_MISUSE, NULL, "observer");
        assert_int_equal(sb_observe_end(g.self), SB_OK);
    }
    assert_int_equal(sb_close(g.py), 0);
    assert_int_equal(sb_close(g.other), 0);
    sb_set_log(NULL, NULL);
}

/* ---- coming and going while others call ---- */

static _Atomic int alive, wrong, told;
static void live(const sb_event *e, void *user)
{
    (void)e;
    atomic_fetch_add(&told, 1);
    if (!atomic_load((_Atomic int *)user))
        atomic_fetch_add(&wrong, 1);
}

static _Atomic bool stop_calling;
static void *keep_calling(void *unused)
{
    (void)unused;
    sb_session *py = sb_open(.quiet = true);
    while (!atomic_load(&stop_calling))
        if (py_math_sqrt(py, 4) != 2)
            break;
    bool failed = sb_failed(py);
    sb_close(py);
    return failed ? py : NULL;
}

static void come_and_go(void **state)
{
    (void)state;
    pthread_t threads[3];
    atomic_store(&stop_calling, false);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_calling, NULL), 0);
    for (int i = 0; i < 200 || !atomic_load(&told); i++) {
        atomic_store(&alive, 1);
        sb_observer *o = sb_observe(.event = live, .user = &alive);
        assert_non_null(o);
        usleep(200);
        assert_int_equal(sb_observe_end(o), SB_OK);
        atomic_store(&alive, 0); /* from here on it must not run */
    }
    atomic_store(&stop_calling, true);
    for (int i = 0; i < 3; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(atomic_load(&wrong), 0);
}

/* ---- workers ---- */

static void workers_come_and_go(void **state)
{
    (void)state;
    if (!is_worker())
        skip();
    struct record *r = record_new();
    sb_observer *o =
        sb_observe(.event = note, .user = r, .kinds = SB_EVENT_WORKER_START | SB_EVENT_WORKER_EXIT);
    sb_session *py = sb_open(.quiet = true);
    pid_t pid = (pid_t)sb_as_int(py, sb_call(py, "os.getpid"));
    expect_fine(py);
    kill(pid, SIGKILL);
    sb_call(py, "time.sleep", 60);
    expect_error(py, SB_E_WORKER_DIED, NULL, NULL);
    pid_t next = (pid_t)sb_as_int(py, sb_call(py, "os.getpid"));
    expect_fine(py);
    for (int i = 0; i < 6000 && !count_of(r, SB_EVENT_WORKER_EXIT); i++)
        usleep(10000);
    assert_int_equal(sb_observe_end(o), SB_OK);
    bool exit_seen = false, start_seen = false;
    for (unsigned i = 0; i < r->count; i++) {
        const struct seen *s = &r->seen[i];
        if (s->event.kind == SB_EVENT_WORKER_EXIT && s->event.worker == pid) {
            exit_seen = true;
            assert_non_null(strstr(s->reason, "was killed by SIGKILL"));
            assert_true(s->event.duration > 0);
        }
        if (s->event.kind == SB_EVENT_WORKER_START && s->event.worker == next) {
            start_seen = true;
            assert_true(s->event.duration > 0);
        }
    }
    assert_true(exit_seen);
    assert_true(start_seen);
    sb_close(py);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_told_of),  cmocka_unit_test(calls_in_flight),
        cmocka_unit_test(calls_in_callbacks), cmocka_unit_test(kinds_and_samples),
        cmocka_unit_test(what_is_refused),    cmocka_unit_test(observers_use_sessions),
        cmocka_unit_test(come_and_go),        cmocka_unit_test(workers_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
