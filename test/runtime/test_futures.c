/* SPDX-License-Identifier: MIT
 *
 * Submitted calls: order, errors, waiting, the descriptor, cancelling, deadlines, the ends of workers and sessions. Runs over
 * each transport. */
#include "sbtest.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static bool in_worker(void)
{
    const char *name = getenv("SNAKEBRIDGE_TRANSPORT");
    return !name || strcmp(name, "inprocess") != 0;
}

static void nap(double seconds)
{
    struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
    nanosleep(&t, NULL);
}

static bool readable(int fd, double seconds)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, (int)(seconds * 1000)) == 1;
}

/* A session that has made its first call: Python runs. */
static sb_session *opened(void)
{
    sb_session *py = sb_open(.quiet = true);
    sb_call(py, "sbfuture.take_log");
    expect_fine(py);
    return py;
}

static void order(void **state)
{
    (void)state;
    sb_session *py = opened();
    sb_object last = { 0 };
    for (int i = 0; i < 20; i++)
        last = sb_submit(py, "sbfuture.note", i);
    assert_true(last.id != 0);
    assert_int_equal(sb_as_int(py, last), 19);
    sb_value log = sb_fetch(py, sb_call(py, "sbfuture.take_log"));
    assert_int_equal(sb_count(py, log), 20);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(sb_as_int(py, sb_nth(py, log, i)), i);
    /* Calls of other kinds keep their place among them. */
    sb_submit(py, "sbfuture.slow", 0.1, "a");
    sb_object list = sb_as_object(py, SB_LIST(py, 1, 2));
    sb_submit(py, "sbfuture.note", list);
    sb_call(py, "sbfuture.note", "b");
    log = sb_fetch(py, sb_call(py, "sbfuture.take_log"));
    assert_string_equal(sb_as_str(py, sb_nth(py, log, 0)).ptr, "a");
    assert_int_equal(sb_count(py, sb_nth(py, log, 1)), 2);
    assert_string_equal(sb_as_str(py, sb_nth(py, log, 2)).ptr, "b");
    /* Whatever it returns is an object. */
    sb_object none = sb_submit(py, "sbfuture.note", SB_NONE);
    sb_object text = sb_submit(py, "sbfuture.note", "text");
    assert_true(sb_wait(py, none, -1));
    assert_true(sb_is_none(sb_fetch(py, none)));
    assert_string_equal(sb_as_str(py, text).ptr, "text");
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void waiting(void **state)
{
    (void)state;
    sb_session *py = opened();
    double begin = now();
    sb_object o = sb_submit(py, "sbfuture.slow", 0.4, 7);
    assert_true(now() - begin < 0.2);
    assert_false(sb_wait(py, o, 0));
    assert_false(sb_wait(py, o, 0.05));
    assert_true(now() - begin >= 0.05);
    int turns = 0;
    while (!sb_wait(py, o, 0.02))
        turns++;
    assert_true(turns > 2);
    assert_true(now() - begin >= 0.4);
    assert_true(sb_wait(py, o, 0)); /* again */
    assert_int_equal(sb_as_int(py, o), 7);
    /* Only its own call is waited for. */
    sb_object first = sb_submit(py, "sbfuture.slow", 0.05, 1);
    sb_object second = sb_submit(py, "sbfuture.slow", 0.6, 2);
    begin = now();
    assert_true(sb_wait(py, first, 10));
    assert_true(now() - begin < 0.5);
    assert_false(sb_wait(py, second, 0));
    assert_true(sb_wait(py, second, -1));
    /* What needs no waiting. */
    assert_true(sb_wait(py, (sb_object) { 0 }, 0));
    sbtest_Box b = sbtest_Box_new(py, 1);
    assert_true(sb_wait(py, b.object, -1));
    assert_true(sb_wait(py, b.object, 0));
    sb_submit(py, "sbfuture.slow", 0.3, 2);
    b = sbtest_Box_add(py, b, 1); /* a pipelined call behind it */
    assert_false(sb_wait(py, b.object, 0));
    assert_false(sb_wait(py, b.object, 0.01));
    assert_true(sb_wait(py, b.object, 10));
    assert_int_equal(sbtest_Box_value(py, b), 2);
    expect_fine(py);
    sb_release(py, b.object);
    assert_true(sb_wait(py, b.object, 0));
    expect_error(py, SB_E_STALE, NULL, "scope");
    assert_true(sb_wait(py, first, 0.0 / (double)(turns - turns)));
    expect_error(py, SB_E_RANGE, NULL, "no number");
    assert_true(sb_wait(NULL, first, 0));
    assert_int_equal(sb_submit(NULL, "math.sqrt", 1).id, 0);
    assert_int_equal(sb_fd(NULL), -1);
    sb_cancel(NULL, first);
    assert_int_equal(sb_close(py), 0);
}

static void errors(void **state)
{
    (void)state;
    sb_session *py = opened();
    sb_object bad = sb_submit(py, "sbfuture.boom", "first");
    int line = __LINE__ - 1;
    sb_object later = sb_submit(py, "sbfuture.note", "skipped");
    assert_true(sb_wait(py, bad, -1));
    assert_true(sb_wait(py, later, -1));
    const sb_error *e = sb_get_error(py);
    assert_non_null(e);
    assert_string_equal(e->type, "ValueError");
    assert_string_equal(e->message, "first");
    assert_string_equal(e->function, "sbfuture.boom");
    assert_int_equal(e->line, line);
    assert_int_equal(e->skipped, 1);
    sb_clear_error(py);
    sb_as_int(py, later);
    expect_error(py, SB_E_MISUSE, NULL, "failed or was skipped");
    sb_submit(py, "sbfuture.nothing");
    sb_submit(py, "sbfuture.note", 1);
    expect_error(py, SB_E_PYTHON, "AttributeError", "nothing");
    sb_submit(py, "sbfuture.note", sb_of_kind_(SB_UNSET)); /* an argument that cannot be passed */
    expect_error(py, SB_E_MISUSE, NULL, NULL);
    sb_submit(py, "a..b");
    expect_error(py, SB_E_MISUSE, NULL, "no name");
    /* After an error nothing is submitted. */
    sb_call(py, "sbfuture.boom", "x");
    sb_object o = sb_submit(py, "sbfuture.note", 1);
    assert_true(sb_wait(py, o, -1));
    expect_error(py, SB_E_PYTHON, "ValueError", "x");
    assert_int_equal(sb_count(py, sb_call(py, "sbfuture.take_log")), 0);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void typed(void **state)
{
    (void)state;
    sb_session *py = opened();
    static const sb_fn sqrt_ = { "math:sqrt", "fd:x>d" };
    static const sb_fn thing = { "sbfuture:Thing", "fi:n>o{sbfuture:Thing}" };
    static const sb_fn wrong = { "sbfuture:note", "fi:n>o{sbfuture:Thing}" };
    static const sb_fn pair = { "sbtest:pair", "f>(d,i)" };
    const sb_slot nine[] = { { .d = 9 } }, four[] = { { .i = 4 } };
    sb_object o = sb_run_submit(py, &sqrt_, SB_SITE_(""), nine);
    assert_float_equal(sb_as_double(py, o), 3, 0);
    for (int i = 0; i < 3; i++) { /* the plan is known from the second one on */
        o = sb_run_submit(py, &thing, SB_SITE_(""), four);
        assert_true(sb_wait(py, o, -1));
        assert_int_equal(sb_as_int(py, sb_attr(py, o, "n")), 4);
    }
    o = sb_run_submit(py, &pair, SB_SITE_(""), NULL);
    assert_int_equal(sb_count(py, sb_fetch(py, o)), 2);
    expect_fine(py);
    sb_run_submit(py, &wrong, SB_SITE_(""), four);
    expect_error(py, SB_E_TYPE, NULL, "Thing");
    /* With options, as their text says. */
    static const sb_fn head = { "sbtest:head", "fd:x|i:n,b:ascending,d:alpha,s?:name,v:of>s" };
    const sb_slot one[] = { { .d = 1 } };
    o = sb_run_submit(py, &head, (const sb_site *)SB_OPTS_(sbtest_head_opts, ".n = 2", .n = 2),
                      one);
    assert_string_equal(sb_as_str(py, o).ptr,
                        "1.0 n=2 ascending=True alpha=1.5 name='none' of=None");
    /* Again and again, between others. */
    double sum = 0;
    for (int i = 0; i < 500; i++) {
        SB_SCOPE(py);
        sum +=
            sb_as_double(py, sb_run_submit(py, &sqrt_, SB_SITE_(""), nine)) + py_math_sqrt(py, 4);
    }
    assert_float_equal(sum, 2500, 0);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void many(void **state)
{
    (void)state;
    sb_session *py = opened();
    for (int i = 0; i < 2000; i++) {
        SB_SCOPE(py);
        sb_submit(py, "sbfuture.note", i);
    }
    sb_value log = sb_fetch(py, sb_call(py, "sbfuture.take_log"));
    assert_int_equal(sb_count(py, log), 2000);
    assert_int_equal(sb_as_int(py, sb_nth(py, log, 1999)), 1999);
    /* Arguments larger than a lane, behind a call that runs. */
    char *text = malloc(1 << 20);
    assert_non_null(text);
    memset(text, 'x', (1 << 20) - 1);
    text[(1 << 20) - 1] = 0;
    sb_submit(py, "sbfuture.slow", 0.05);
    sb_object o = sb_submit(py, "sbfuture.note", text);
    assert_int_equal(sb_count(py, sb_call(py, "builtins.list", o)), (1 << 20) - 1);
    free(text);
    sb_call(py, "sbfuture.take_log");
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

static void descriptor(void **state)
{
    (void)state;
    sb_session *py = opened();
    int fd = sb_fd(py);
    assert_true(fd >= 0);
    assert_int_equal(sb_fd(py), fd);
    assert_false(readable(fd, 0.1));
    sb_object o = sb_submit(py, "sbfuture.slow", 0.2, 1);
    assert_false(readable(fd, 0.02));
    assert_false(sb_wait(py, o, 0));
    assert_true(readable(fd, 5));
    assert_true(readable(fd, 0)); /* until somebody looks */
    assert_true(sb_wait(py, o, 0));
    assert_false(readable(fd, 0.1));
    /* It tells as long as there is one left. */
    sb_object a = sb_submit(py, "sbfuture.note", 1), b = sb_submit(py, "sbfuture.note", 2),
              c = sb_submit(py, "sbfuture.slow", 0.3, 3);
    assert_true(readable(fd, 5));
    assert_true(sb_wait(py, b, 5));
    assert_true(readable(fd, 5));
    assert_true(sb_wait(py, a, 0));
    assert_false(readable(fd, 0.1));
    assert_false(sb_wait(py, c, 0));
    assert_true(readable(fd, 5));
    assert_int_equal(sb_as_int(py, c), 3); /* a use has waited for it */
    assert_false(readable(fd, 0.1));
    /* One that is released is waited for by nobody. */
    o = sb_submit(py, "sbfuture.note", 1);
    assert_true(readable(fd, 5));
    sb_release(py, o);
    assert_false(readable(fd, 0.1));
    /* Calls that fail end, too. */
    o = sb_submit(py, "sbfuture.boom", "x");
    assert_true(readable(fd, 5));
    assert_true(sb_wait(py, o, 0));
    expect_error(py, SB_E_PYTHON, "ValueError", "x");
    assert_false(readable(fd, 0.1));
    /* Before the session's first call, and after a call has ended already. */
    sb_session *other = sb_open(.quiet = true);
    assert_true(sb_fd(other) >= 0);
    o = sb_submit(other, "sbfuture.note", 1);
    assert_true(readable(sb_fd(other), 60));
    assert_true(sb_wait(other, o, 0));
    assert_int_equal(sb_close(other), 0);
    other = opened();
    o = sb_submit(other, "sbfuture.note", 1);
    while (!sb_wait(other, o, 1))
        ;
    a = sb_submit(other, "sbfuture.note", 1);
    nap(0.1);
    assert_true(readable(sb_fd(other), 1));
    assert_int_equal(sb_close(other), 0);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

/* Several sessions, one thread, one poll. */
static void poll_all(void **state)
{
    (void)state;
    enum { N = 8 };
    sb_session *py[N];
    sb_object o[N];
    struct pollfd p[N];
    for (int i = 0; i < N; i++) {
        py[i] = sb_open(.quiet = true);
        p[i] = (struct pollfd) { .fd = sb_fd(py[i]), .events = POLLIN };
        o[i] = sb_submit(py[i], "sbfuture.slow", 0.01 * (N - i), i);
    }
    for (int left = N; left;) {
        assert_true(poll(p, N, 20000) > 0);
        for (int i = 0; i < N; i++)
            if (p[i].fd >= 0 && p[i].revents && sb_wait(py[i], o[i], 0)) {
                assert_int_equal(sb_as_int(py[i], o[i]), i);
                expect_fine(py[i]);
                p[i].fd = -1;
                left--;
            }
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(sb_close(py[i]), 0);
}

static void output(void **state)
{
    (void)state;
    sb_session *py = opened();
    fflush(stdout);
    int saved = dup(1);
    char path[] = "/tmp/sb-futures-XXXXXX", text[64] = "";
    int file = mkstemp(path);
    assert_true(saved >= 0 && file >= 0 && dup2(file, 1) == 1);
    sb_object o = sb_submit(py, "sbfuture.say", "hello");
    bool waited = sb_wait(py, o, -1);
    puts("after");
    fflush(stdout);
    dup2(saved, 1);
    close(saved);
    assert_true(waited);
    assert_int_equal(pread(file, text, sizeof text - 1, 0), 12);
    assert_string_equal(text, "hello\nafter\n");
    close(file);
    unlink(path);
    assert_int_equal(sb_close(py), 0);
}

/* ---- cancelling ---- */

static void cancel(void **state)
{
    (void)state;
    sb_session *py = opened();
    sb_object o = sb_submit(py, "sbfuture.slow", in_worker() ? 30.0 : 1.0, 1);
    int line = __LINE__ - 1;
    nap(0.05);
    double begin = now();
    sb_cancel(py, o);
    assert_true(sb_wait(py, o, 5)); /* in-process, sleep is native code, and ends first */
    if (in_worker())
        assert_true(now() - begin < 2);
    const sb_error *e = sb_get_error(py);
    assert_non_null(e);
    assert_int_equal(e->code, SB_E_CANCELLED);
    assert_string_equal(e->type, "SB_E_CANCELLED");
    assert_string_equal(e->message, "the call was cancelled");
    assert_int_equal(e->line, line);
    assert_true(sb_catch(py, "SB_E_CANCELLED"));
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    sb_call(py, "sbfuture.take_log");
    /* Bytecode. */
    o = sb_submit(py, "sbfuture.busy", 20.0);
    nap(0.05);
    begin = now();
    sb_cancel(py, o);
    assert_true(sb_wait(py, o, 10));
    assert_true(now() - begin < 2);
    expect_error(py, SB_E_CANCELLED, NULL, NULL);
    /* One that has not begun never does; others go on. */
    sb_object first = sb_submit(py, "sbfuture.slow", 0.2, 1);
    sb_object second = sb_submit(py, "sbfuture.note", 2);
    sb_object third = sb_submit(py, "sbfuture.note", 3);
    sb_cancel(py, second);
    assert_true(sb_wait(py, third, -1));
    expect_error(py, SB_E_CANCELLED, NULL, "before it began");
    assert_int_equal(sb_as_int(py, first), 1);
    sb_value log = sb_fetch(py, sb_call(py, "sbfuture.take_log"));
    assert_int_equal(sb_count(py, log), 1);
    /* Several, in both orders. */
    for (int turn = 0; turn < 2; turn++) {
        first = sb_submit(py, "sbfuture.slow", 0.1, 1);
        second = sb_submit(py, "sbfuture.note", 2);
        third = sb_submit(py, "sbfuture.note", 3);
        sb_cancel(py, turn ? third : second);
        sb_cancel(py, turn ? second : third);
        expect_error(py, SB_E_CANCELLED, NULL, "before it began");
        log = sb_fetch(py, sb_call(py, "sbfuture.take_log"));
        assert_int_equal(sb_count(py, log), 1);
    }
    /* Too late, twice, unknown, not submitted. */
    o = sb_submit(py, "sbfuture.note", 5);
    assert_int_equal(sb_as_int(py, o), 5);
    sb_cancel(py, o);
    sb_cancel(py, o);
    sb_cancel(py, (sb_object) { 12345 });
    sb_cancel(py, (sb_object) { 0 });
    assert_int_equal(sb_as_int(py, sb_call(py, "sbfuture.note", 6)), 6);
    assert_true(sb_as_int(py, sb_call(py, "sbfuture.busy", 0.1)) > 0);
    expect_fine(py);
    /* What swallows it goes on, and has its result. */
    o = sb_submit(py, "sbfuture.swallow", 0.5);
    nap(0.1);
    sb_cancel(py, o);
    assert_true(sb_wait(py, o, 5));
    assert_int_equal(sb_as_int(py, o), 1);
    /* Then the next one can be cancelled all the same. */
    o = sb_submit(py, "sbfuture.swallow", 0.3);
    second = sb_submit(py, "sbfuture.note", 2);
    nap(0.1);
    sb_cancel(py, o);
    sb_cancel(py, second);
    assert_true(sb_wait(py, second, 5));
    expect_error(py, SB_E_CANCELLED, NULL, "before it began");
    assert_int_equal(sb_as_int(py, o), 1);
    sb_call(py, "sbfuture.take_log");
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

struct other {
    sb_session *py;
    double after;
};
static void *cancel_running(void *arg)
{
    struct other *o = arg;
    nap(o->after);
    sb_cancel(o->py, (sb_object) { 0 });
    return NULL;
}

static void cancel_from_elsewhere(void **state)
{
    (void)state;
    sb_session *py = opened();
    pthread_t thread;
    struct other other = { py, 0.1 };
    assert_int_equal(pthread_create(&thread, NULL, cancel_running, &other), 0);
    double begin = now();
    sb_call(py, "sbfuture.busy", 20.0);
    assert_true(now() - begin < 5);
    pthread_join(thread, NULL);
    expect_error(py, SB_E_CANCELLED, NULL, NULL);
    assert_true(sb_as_int(py, sb_call(py, "sbfuture.busy", 0.2)) > 0);
    expect_fine(py);
    if (in_worker()) { /* behind another session's call: as soon as it begins */
        sb_session *two = opened();
        sb_object o = sb_submit(two, "sbfuture.slow", 0.5, 1);
        nap(0.05);
        assert_int_equal(pthread_create(&thread, NULL, cancel_running, &other), 0);
        begin = now();
        sb_call(py, "sbfuture.slow", 20.0);
        assert_true(now() - begin < 5 && now() - begin > 0.2);
        pthread_join(thread, NULL);
        expect_error(py, SB_E_CANCELLED, NULL, NULL);
        assert_int_equal(sb_as_int(two, o), 1);
        /* A submitted one does not begin. */
        o = sb_submit(two, "sbfuture.slow", 0.2, 1);
        sb_call(two, "sbfuture.take_log");
        o = sb_submit(two, "sbfuture.slow", 0.2, 1);
        nap(0.05);
        sb_object mine = sb_submit(py, "sbfuture.note", 2);
        sb_cancel(py, (sb_object) { 0 });
        assert_true(sb_wait(py, mine, 5));
        expect_error(py, SB_E_CANCELLED, NULL, "before it began");
        assert_int_equal(sb_count(two, sb_call(two, "sbfuture.take_log")), 1);
        assert_int_equal(sb_close(two), 0);
    }
    assert_int_equal(sb_close(py), 0);
}

struct storm {
    sb_session *py;
    _Atomic uint64_t target; /* id */
    _Atomic bool stop;
};
static void *cancel_all_the_time(void *arg)
{
    struct storm *s = arg;
    for (unsigned n = 0; !atomic_load(&s->stop); n++) {
        uint64_t id = atomic_load(&s->target);
        if (id)
            sb_cancel(s->py, (sb_object) { id });
        for (volatile unsigned i = 0; i < n % 97 * 40; i++)
            ;
    }
    return NULL;
}

/* A cancel hits the call that it names, or nothing. */
static void storm(void **state)
{
    (void)state;
    sb_session *py = opened();
    struct storm s = { .py = py };
    pthread_t thread[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, cancel_all_the_time, &s), 0);
    int cancelled = 0, done = 0;
    double end = now() + 4;
    for (int i = 0; i < 1500 && now() < end; i++) {
        SB_SCOPE(py);
        sb_object o = sb_submit(py, "sbfuture.busy", i % 3 ? 0.0003 : 0.0);
        atomic_store(&s.target, o.id);
        if (i % 5 == 0)
            nap(0.0002);
        atomic_store(&s.target, i % 2 ? 0 : o.id);
        sb_object next = sb_submit(py, "sbfuture.busy", 0.0001); /* is named by nobody */
        if (!sb_failed(py)) {
            done++;
        } else {
            if (!sb_catch(py, "SB_E_CANCELLED"))
                expect_fine(py);
            cancelled++;
        }
        (void)next;
        sb_as_int(py, sb_call(py, "sbfuture.busy", 0.0001));
        expect_fine(py);
    }
    atomic_store(&s.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert_true(cancelled > 0);
    assert_true(cancelled + done > 20);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

/* ---- time limits ---- */

static void deadlines(void **state)
{
    (void)state;
    sb_session *py = opened();
    int fd = sb_fd(py), line;
    {
        SB_USING(py, .timeout = 0.3);
        sb_submit(py, "sbfuture.note", 1);
        sb_submit(py, "sbfuture.busy", 20.0);
        line = __LINE__ - 1;
    }
    /* Nobody waits, and yet it ends. */
    sb_object o = sb_submit(py, "sbfuture.note", 2);
    double begin = now();
    while (!sb_wait(py, o, 0)) {
        assert_true(now() - begin < 5);
        nap(0.01);
    }
    assert_true(now() - begin >= 0.25);
    const sb_error *e = sb_get_error(py);
    assert_non_null(e);
    assert_int_equal(e->code, SB_E_TIMEOUT);
    assert_int_equal(e->line, line);
    sb_clear_error(py);
    sb_call(py, "sbfuture.take_log");
    expect_fine(py);
    /* A call that waits behind a submitted one may run out of time there. */
    sb_submit(py, "sbfuture.busy", 20.0);
    {
        SB_USING(py, .timeout = 0.2);
        begin = now();
        sb_call(py, "sbfuture.note", 1);
        assert_true(now() - begin < 5);
    }
    expect_error(py, SB_E_TIMEOUT, NULL, NULL);
    /* The limit of a submitted call counts what is before it. */
    o = sb_submit(py, "sbfuture.busy", 20.0);
    begin = now();
    {
        SB_USING(py, .timeout = 0.2);
        sb_submit(py, "sbfuture.note", 1);
    }
    assert_true(sb_wait(py, o, 5));
    assert_true(now() - begin < 5);
    expect_error(py, SB_E_TIMEOUT, NULL, NULL);
    /* In time: no harm comes later. */
    {
        SB_USING(py, .timeout = 0.2);
        o = sb_submit(py, "sbfuture.note", 1);
        assert_int_equal(sb_as_int(py, o), 1);
    }
    assert_true(sb_as_int(py, sb_call(py, "sbfuture.busy", 0.5)) > 0);
    expect_fine(py);
    if (in_worker()) {
        /* Code that swallows the interrupt: the worker is killed, and the descriptor tells. */
        {
            SB_USING(py, .timeout = 0.2);
            sb_submit(py, "sbfuture.note", 1);
            o = sb_submit(py, "sbfuture.swallow", 60.0);
            line = __LINE__ - 1;
        }
        assert_true(readable(fd, 5)); /* of the first */
        begin = now();
        while (!sb_wait(py, o, 0)) {
            assert_true(now() - begin < 5);
            nap(0.01);
        }
        e = sb_get_error(py);
        assert_non_null(e);
        assert_int_equal(e->code, SB_E_TIMEOUT);
        assert_int_equal(e->line, line);
        assert_non_null(strstr(e->message, "swallowed"));
        sb_clear_error(py);
        assert_float_equal(py_math_sqrt(py, 4), 2, 0); /* in another worker */
        expect_fine(py);
        /* Its time runs out behind another session's call. */
        sb_session *two = opened();
        sb_submit(two, "sbfuture.slow", 1.0, 1);
        nap(0.05);
        {
            SB_USING(py, .timeout = 0.2);
            o = sb_submit(py, "sbfuture.note", 1);
        }
        assert_true(readable(fd, 0.8));
        assert_true(sb_wait(py, o, 0));
        expect_error(py, SB_E_TIMEOUT, NULL, "queued behind another call");
        assert_int_equal(sb_close(two), 0);
        assert_float_equal(py_math_sqrt(py, 4), 2, 0);
        sb_call(py, "sbfuture.take_log");
    }
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

/* ---- C functions ---- */

static sb_value submits(sb_session *py, const sb_value *args, size_t count, void *user)
{
    (void)args;
    (void)count;
    *(sb_code *)user = SB_OK;
    sb_object o = sb_submit(py, "sbfuture.note", 1);
    const sb_error *e = sb_get_error(py);
    if (e)
        *(sb_code *)user = e->code;
    assert_true(sb_wait(py, o, -1));
    sb_clear_error(py);
    return sb_from_int(5);
}

/* A submitted call cannot call C functions, and they cannot submit: each says so. */
static void functions(void **state)
{
    (void)state;
    sb_session *py = opened();
    sb_code code = SB_E_PYTHON;
    sb_object f = sb_function(py, submits, &code, NULL);
    sb_object o = sb_submit(py, "sbfuture.apply", f);
    assert_true(sb_wait(py, o, -1));
    expect_error(py, SB_E_PYTHON, "RuntimeError", "only while its session is inside a call");
    assert_int_equal(sb_as_int(py, sb_call(py, "sbfuture.apply", f)), 5);
    assert_int_equal(code, SB_E_MISUSE);
    /* One that waits for a submitted call before it. */
    o = sb_submit(py, "sbfuture.slow", 0.1, 3);
    assert_int_equal(sb_as_int(py, sb_call(py, "sbfuture.apply", f)), 5);
    assert_true(sb_wait(py, o, 0));
    assert_int_equal(sb_as_int(py, o), 3);
    sb_call(py, "sbfuture.take_log");
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
}

/* ---- ends ---- */

static void worker_dies(void **state)
{
    (void)state;
    if (!in_worker())
        return;
    sb_session *py = opened();
    int fd = sb_fd(py);
    sb_object ok = sb_submit(py, "sbfuture.note", 1);
    sb_object o = sb_submit(py, "sbfuture.die", 0.1);
    int line = __LINE__ - 1;
    assert_true(sb_wait(py, ok, -1));
    assert_false(sb_wait(py, o, 0));
    assert_true(readable(fd, 5));
    assert_true(sb_wait(py, o, -1));
    const sb_error *e = sb_get_error(py);
    assert_non_null(e);
    assert_int_equal(e->code, SB_E_WORKER_DIED);
    assert_int_equal(e->line, line);
    sb_cancel(py, o);
    sb_clear_error(py);
    assert_false(readable(fd, 0.1));
    assert_true(sb_wait(py, o, 0));
    expect_error(py, SB_E_STALE, NULL, NULL);
    o = sb_submit(py, "sbfuture.note", 2); /* in the next one */
    assert_true(readable(fd, 60));
    assert_int_equal(sb_as_int(py, o), 2);
    /* While somebody sleeps in sb_wait, and while a use waits. */
    for (int i = 0; i < 3; i++) {
        o = sb_submit(py, "sbfuture.die", 0.05);
        sb_submit(py, "sbfuture.note", 2);
        if (i == 0)
            assert_true(sb_wait(py, o, 10));
        else if (i == 1)
            sb_as_int(py, o);
        else
            nap(0.3);
        expect_error(py, SB_E_WORKER_DIED, NULL, "SIGKILL");
    }
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    assert_int_equal(sb_close(py), 0);
}

static void close_with_calls(void **state)
{
    (void)state;
    double begin = now();
    sb_session *py = opened();
    sb_submit(py, "sbfuture.busy", 30.0);
    sb_submit(py, "sbfuture.note", "never");
    nap(0.05);
    assert_int_equal(sb_close(py), 0);
    assert_true(now() - begin < 5);
    py = opened();
    assert_int_equal(sb_count(py, sb_call(py, "sbfuture.take_log")), 0);
    /* An error of a call that nobody asked about is told, as always. */
    sb_submit(py, "sbfuture.boom", "x");
    sb_submit(py, "sbfuture.busy", 30.0);
    nap(0.05);
    assert_int_equal(sb_close(py), 1);
    /* What swallows the cancel is waited for, as long as it is reasonable. */
    py = opened();
    begin = now();
    sb_submit(py, "sbfuture.swallow", 0.5);
    nap(0.1);
    assert_int_equal(sb_close(py), 0);
    assert_true(now() - begin >= 0.4);
    /* But not for ever: it is ended, or left behind. */
    py = opened();
    begin = now();
    sb_submit(py, "sbfuture.swallow", in_worker() ? 60.0 : 8.0);
    nap(0.1);
    assert_int_equal(sb_close(py), 1);
    assert_true(now() - begin < 7.5);
    if (!in_worker())
        nap(3);
    /* Everything was waited for: nothing is cancelled. */
    py = opened();
    sb_submit(py, "sbfuture.slow", 0.1, 1);
    assert_false(sb_failed(py));
    assert_int_equal(sb_count(py, sb_call(py, "sbfuture.take_log")), 1);
    assert_int_equal(sb_close(py), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(waiting),
        cmocka_unit_test(errors),
        cmocka_unit_test(typed),
        cmocka_unit_test(many),
        cmocka_unit_test(descriptor),
        cmocka_unit_test(poll_all),
        cmocka_unit_test(output),
        cmocka_unit_test(cancel),
        cmocka_unit_test(cancel_from_elsewhere),
        cmocka_unit_test(storm),
        cmocka_unit_test(deadlines),
        cmocka_unit_test(functions),
        cmocka_unit_test(worker_dies),
        cmocka_unit_test(close_with_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
