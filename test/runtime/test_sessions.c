/* SPDX-License-Identifier: MIT
 *
 * Sessions by name and by owner, and their release from elsewhere. Runs over each transport. */
#include "sbtest.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static void nap(void)
{
    usleep(2000);
}

struct found {
    const char *name;
    int times, in_use;
};
static void look_for(const char *name, bool in_use, void *user)
{
    struct found *f = user;
    if (!f->name || !strcmp(name, f->name)) {
        f->times++;
        f->in_use += in_use;
    }
}
static struct found find_name(const char *name)
{
    struct found f = { name, 0, 0 };
    sb_session_names(look_for, &f);
    return f;
}
static size_t named(void)
{
    return sb_session_names(NULL, NULL);
}

/* ---- names ---- */

static sbtest_Box basket;

/* A web request: the session is closed while its scope is open. */
static void visit(int64_t add, int64_t want)
{
    sb_session *py = sb_open(.name = "cart-7", .quiet = true);
    SB_SCOPE(py);
    if (!basket.object.id) {
        basket = sbtest_Box_new(py, 0);
        sb_keep(py, basket.object);
    }
    sbtest_Box scratch = sbtest_Box_new(py, 1); /* goes with the scope */
    sbtest_Box_value_set(py, basket, sbtest_Box_value(py, basket) + add);
    assert_int_equal(sbtest_Box_value(py, basket), want);
    assert_int_equal(sbtest_Box_value(py, scratch), 1);
    assert_int_equal(boxes_alive(py), 2);
    expect_fine(py);
    assert_int_equal(find_name("cart-7").in_use, 1);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(find_name("cart-7").times, 1);
    assert_int_equal(find_name("cart-7").in_use, 0);
}

static void again_by_name(void **state)
{
    (void)state;
    visit(2, 2);
    visit(3, 5);
    visit(4, 9);
    /* Text and arrays outside of scopes live as long, too. */
    sb_session *py = sb_open(.name = "cart-7", .quiet = true);
    sb_str text = sb_to_str(py, 12345);
    assert_int_equal(sb_close(py), 0);
    py = sb_open(.name = "cart-7", .quiet = true);
    assert_string_equal(text.ptr, "12345");
    assert_int_equal(sb_close(py), 0);
    /* Another name is another session. */
    py = sb_open(.name = "cart-8", .quiet = true);
    sbtest_Box_value(py, basket);
    expect_error(py, SB_E_SESSION, NULL, "another session");
    assert_int_equal(boxes_alive(py), 1);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(named(), 2);
    assert_int_equal(sb_session_release("cart-7"), 1);
    assert_int_equal(sb_session_release("cart-7"), 0);
    assert_int_equal(sb_session_release("cart-8"), 1);
    assert_int_equal(named(), 0);
    /* A name that was released is free, and its objects are gone. */
    py = sb_open(.name = "cart-7", .quiet = true);
    sbtest_Box_value(py, basket);
    assert_true(sb_get_error(py)->code == SB_E_STALE || sb_get_error(py)->code == SB_E_SESSION);
    sb_clear_error(py);
    for (double until = now() + 30; boxes_alive(py) > 0 && now() < until;)
        nap();
    assert_int_equal(boxes_alive(py), 0);
    expect_fine(py);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(sb_session_release("cart-7"), 1);
    basket.object.id = 0;
}

/* What a holder leaves behind is not the next one's: errors, settings, blocks. */
static void left_behind(void **state)
{
    (void)state;
    sb_session *py = sb_open(.name = "a", .quiet = true, .timeout = 5);
    {
        SB_SCOPE(py);
        SB_USING(py, .timeout = 0.25);
        sb_call(py, "sbtest.boom", "left");
        assert_int_equal(sb_close(py), 1);
    }
    py = sb_open(.name = "a", .quiet = true);
    expect_fine(py);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    SB_FOR(py, int64_t, i, SB_RANGE(py, 0, 10, 1)) {
        if (i == 2) {
            assert_int_equal(sb_close(py), 0);
            break;
        }
    }
    py = sb_open(.name = "a", .quiet = true);
    {
        SB_WITH(py, m, sb_call(py, "sbtest.Counted"));
        assert_true(m.id != 0);
        assert_int_equal(sb_close(py), 0);
    }
    py = sb_open(.name = "a", .quiet = true, .user = &py);
    assert_ptr_equal(sb_user(py), &py);
    assert_float_equal(py_math_sqrt(py, 4), 2, 0);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(sb_session_release("a"), 1);
}

/* Submitted calls of a session that stays go on. */
static void submitted(void **state)
{
    (void)state;
    sb_session *py = sb_open(.name = "jobs", .quiet = true);
    sb_object job = sb_submit(py, "sbfuture.slow", 0.1, 5);
    assert_true(sb_fd(py) >= 0);
    int before = open_descriptors();
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(open_descriptors(), before - 1);
    py = sb_open(.name = "jobs", .quiet = true);
    assert_true(sb_wait(py, job, 60));
    assert_int_equal(sb_as_int(py, sb_fetch(py, job)), 5);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(sb_session_release("jobs"), 1);
}

/* ---- one at a time ---- */

struct visitor {
    pthread_t thread;
    int turns;
    double timeout;
    sb_code code;
};
static _Atomic int inside;
static sbtest_Box count;

static void *take_turns(void *arg)
{
    struct visitor *v = arg;
    for (int i = 0; i < v->turns; i++) {
        sb_session *py = sb_open(.name = "shared", .quiet = true);
        assert_int_equal(atomic_fetch_add(&inside, 1), 0);
        sbtest_Box_value_set(py, count, sbtest_Box_value(py, count) + 1);
        expect_fine(py);
        atomic_fetch_sub(&inside, 1);
        assert_int_equal(sb_close(py), 0);
    }
    return NULL;
}

static void turns(void **state)
{
    (void)state;
    sb_session *py = sb_open(.name = "shared", .quiet = true);
    count = sbtest_Box_new(py, 0);
    assert_int_equal(sb_close(py), 0);
    struct visitor all[6];
    for (size_t i = 0; i < 6; i++) {
        all[i] = (struct visitor) { .turns = 50 };
        assert_int_equal(pthread_create(&all[i].thread, NULL, take_turns, &all[i]), 0);
    }
    for (size_t i = 0; i < 6; i++)
        pthread_join(all[i].thread, NULL);
    py = sb_open(.name = "shared", .quiet = true);
    assert_int_equal(sbtest_Box_value(py, count), 300);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(sb_session_release("shared"), 1);
}

static void *come_late(void *arg)
{
    struct visitor *v = arg;
    sb_session *py = sb_open(.name = "held", .quiet = true, .timeout = v->timeout);
    const sb_error *e = sb_get_error(py);
    v->code = e ? e->code : SB_OK;
    if (e && v->code == SB_E_TIMEOUT)
        assert_non_null(strstr(e->message, "\"held\" was in use"));
    sb_clear_error(py);
    if (v->code) { /* it is no session */
        py_math_sqrt(py, 4);
        expect_error(py, SB_E_MISUSE, NULL, "could not be opened");
    }
    sb_close(py);
    return NULL;
}

static void in_use(void **state)
{
    (void)state;
    sb_session *py = sb_open(.name = "held", .quiet = true);
    py_math_sqrt(py, 4);
    sb_session *same = sb_open(.name = "held", .quiet = true);
    expect_error(same, SB_E_BUSY, NULL, "\"held\" is open already, in this thread");
    assert_int_equal(sb_close(same), 0);
    struct visitor v = { .timeout = 0.05 };
    pthread_create(&v.thread, NULL, come_late, &v);
    pthread_join(v.thread, NULL);
    assert_int_equal(v.code, SB_E_TIMEOUT);
    v.timeout = 60;
    pthread_create(&v.thread, NULL, come_late, &v);
    usleep(20000);
    assert_int_equal(sb_close(py), 0);
    pthread_join(v.thread, NULL);
    assert_int_equal(v.code, SB_OK);
    /* Released while one waits: that one gets a new session of the name. */
    py = sb_open(.name = "held", .quiet = true);
    pthread_create(&v.thread, NULL, come_late, &v);
    usleep(20000);
    assert_int_equal(sb_session_release("held"), 1);
    sb_close(py);
    pthread_join(v.thread, NULL);
    assert_int_equal(v.code, SB_OK);
    assert_int_equal(sb_session_release("held"), 1);
    sb_session *none = sb_open(.name = "", .quiet = true);
    expect_error(none, SB_E_RANGE, NULL, "name is empty");
    sb_close(none);
}

/* ---- released ---- */

static void released_while_open(void **state)
{
    (void)state;
    sb_session *py = sb_open(.name = "gone", .quiet = true);
    sbtest_Box box = sbtest_Box_new(py, 1);
    assert_int_equal(sbtest_Box_value(py, box), 1);
    assert_int_equal(sb_session_release("gone"), 1);
    assert_int_equal(find_name("gone").times, 0);
    assert_float_equal(py_math_sqrt(py, 4), 0, 0);
    expect_error(py, SB_E_STALE, NULL, "the session \"gone\" was released (sb_session_release)");
    sbtest_Box_value(py, box);
    expect_error(py, SB_E_STALE, NULL, "was released");
    sb_call(py, "math.sqrt", 4);
    expect_error(py, SB_E_STALE, NULL, "was released");
    /* Meanwhile the name is another session's. */
    sb_session *other = sb_open(.name = "gone", .quiet = true);
    assert_float_equal(py_math_sqrt(other, 4), 2, 0);
    expect_fine(other);
    assert_int_equal(sb_close(other), 0);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(find_name("gone").times, 1);
    assert_int_equal(sb_session_release("gone"), 1);
}

/* A thread that uses the session of a name while another one releases it. */
struct user {
    pthread_t thread;
    const char *name;
    _Atomic bool ready; /* it has made its first call */
};

static sb_session *use_begins(struct user *u)
{
    sb_session *py = sb_open(.name = u->name, .quiet = true);
    py_math_sqrt(py, 4);
    atomic_store(&u->ready, true);
    return py;
}

static void begin_use(struct user *u, const char *name, void *(*run)(void *))
{
    u->name = name;
    atomic_init(&u->ready, false);
    assert_int_equal(pthread_create(&u->thread, NULL, run, u), 0);
    while (!atomic_load(&u->ready))
        nap();
}

static void *call_on(void *arg)
{
    sb_session *py = use_begins(arg);
    while (!sb_failed(py)) { /* the short way, mostly */
        for (int i = 0; i < 100; i++)
            py_math_sqrt(py, 4);
    }
    expect_error(py, SB_E_STALE, NULL, "\"busy\" was released");
    py_math_sqrt(py, 4);
    expect_error(py, SB_E_STALE, NULL, "\"busy\" was released");
    sb_close(py);
    return NULL;
}

static void released_while_calling(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct user u;
        begin_use(&u, "busy", call_on);
        assert_int_equal(sb_session_release("busy"), 1);
        pthread_join(u.thread, NULL);
    }
    assert_int_equal(named(), 0);
}

static void *call_long(void *arg)
{
    sb_session *py = use_begins(arg);
    sb_call(py, "time.sleep", 0.2);
    expect_fine(py); /* the call that runs ends as it would */
    py_math_sqrt(py, 4);
    expect_error(py, SB_E_STALE, NULL, "\"long\" was released");
    sb_close(py);
    return NULL;
}

/* What C uses stays: a block's manager is left, an array can be seen. */
static void released_in_blocks(void **state)
{
    (void)state;
    struct user u;
    begin_use(&u, "long", call_long);
    usleep(20000);
    assert_int_equal(sb_session_release("long"), 1);
    pthread_join(u.thread, NULL);

    sb_session *other = sb_open(.quiet = true), *py = sb_open(.name = "blocks", .quiet = true);
    int64_t before = sb_as_int(other, sb_import(other, "sbtest.Counted.left"));
    {
        SB_WITH(py, m, sb_call(py, "sbtest.Counted"));
        assert_true(m.id != 0);
        assert_int_equal(sb_session_release("blocks"), 1);
        usleep(100000);
        py_math_sqrt(py, 4);
        expect_error(py, SB_E_STALE, NULL, "\"blocks\" was released");
    }
    assert_int_equal(sb_as_int(other, sb_import(other, "sbtest.Counted.left")), before + 1);
    assert_int_equal(sb_close(py), 0);
    assert_int_equal(sb_close(other), 0);
}

/* ---- owners ---- */

static void owners(void **state)
{
    (void)state;
    sb_session *owner = sb_open(.quiet = true);
    py_math_sqrt(owner, 4);
    sb_session *a = sb_open(.name = "a", .quiet = true, .owner = owner);
    py_math_sqrt(a, 4);
    sb_close(a);
    a = sb_open(.name = "a", .quiet = true);
    sb_session *b = sb_open(.name = "b", .quiet = true, .owner = a);
    sb_session *free = sb_open(.name = "free", .quiet = true, .owner = owner);
    sb_close(free);
    sb_session *plain = sb_open(.quiet = true, .owner = owner);
    py_math_sqrt(plain, 4);
    py_math_sqrt(b, 4);
    sb_close(a); /* lets go of it: no end */
    py_math_sqrt(b, 4);
    expect_fine(b);
    assert_int_equal(named(), 3);
    sb_close(owner);
    assert_int_equal(named(), 0);
    py_math_sqrt(b, 4);
    expect_error(b, SB_E_STALE, NULL, "\"b\" was released, because its owner has ended");
    py_math_sqrt(plain, 4);
    expect_error(plain, SB_E_STALE, NULL, "the session was released, because its owner has ended");
    sb_session *late = sb_open(.name = "late", .quiet = true, .owner = b);
    expect_error(late, SB_E_STALE, NULL, "the owner of the session has ended");
    sb_close(late);
    assert_int_equal(sb_close(b), 0);
    assert_int_equal(sb_close(plain), 0);
    assert_int_equal(named(), 0);
}

/* A list of them is as they were, whatever becomes of them meanwhile. */
static void release_each(const char *name, bool in_use, void *user)
{
    assert_false(in_use);
    *(size_t *)user += sb_session_release(name);
}

static void many(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "session-%d", i);
        sb_session *py = sb_open(.name = name, .quiet = true);
        if (i % 20 == 0)
            assert_float_equal(py_math_sqrt(py, 4), 2, 0);
        assert_int_equal(sb_close(py), 0);
    }
    assert_int_equal(named(), 2000);
    size_t released = 0;
    assert_int_equal(sb_session_names(release_each, &released), 2000);
    assert_int_equal(released, 2000);
    assert_int_equal(named(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(again_by_name),
        cmocka_unit_test(left_behind),
        cmocka_unit_test(submitted),
        cmocka_unit_test(turns),
        cmocka_unit_test(in_use),
        cmocka_unit_test(released_while_open),
        cmocka_unit_test(released_while_calling),
        cmocka_unit_test(released_in_blocks),
        cmocka_unit_test(owners),
        cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
