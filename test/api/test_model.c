/* SPDX-License-Identifier: MIT
 *
 * Objects and scopes against a model: random steps (new, keep, release, scopes, errors), after each of which an object is
 * what the model says it is, and Python holds as many as the model does. Over each transport. */
#include "api.h"

enum { OBJECTS = 400, DEPTH = 12, STEPS = 20000 };

enum state { ALIVE, STALE, FAILED, GONE /* failed, and its scope has ended */ };
struct object {
    sbtest_Box box;
    int64_t value;
    int depth;
    enum state state;
};

static struct object objects[OBJECTS];
static int count;
static sb_scope scopes[DEPTH + 1];
static int depth;

static uint64_t seed;
static unsigned below(unsigned n) /* xorshift64 */
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % n;
}

static void add(sbtest_Box box, int64_t value, enum state state)
{
    objects[count++] = (struct object) { box, value, depth, state };
}

static int64_t model_alive(void)
{
    int64_t n = 0;
    for (int i = 0; i < count; i++)
        n += objects[i].state == ALIVE;
    return n;
}

static void use(sb_session *py, const struct object *o)
{
    int64_t v = sbtest_Box_value(py, o->box);
    const sb_error *e = sb_get_error(py);
    sb_code code = e ? e->code : SB_OK;
    static const sb_code expected[] = {
        [ALIVE] = SB_OK, [STALE] = SB_E_STALE, [FAILED] = SB_E_MISUSE, [GONE] = SB_E_STALE
    };
    if (code != expected[o->state] || (!e && v != o->value))
        fail_msg("object %llx: value %lld, %s; the model: value %lld, %s",
                 (unsigned long long)o->box.object.id, (long long)v, sb_code_name(code),
                 (long long)o->value, sb_code_name(expected[o->state]));
    sb_clear_error(py);
}

static void step(sb_session *py, int64_t n)
{
    struct object *o = count ? &objects[below((unsigned)count)] : NULL;
    switch (below(12)) {
    case 0:
        if (depth < DEPTH) {
            scopes[depth + 1] = sb_scope_open(py);
            depth++;
        }
        break;
    case 1:
        if (depth) {
            sb_scope_close(&scopes[depth]);
            for (int i = 0; i < count; i++)
                if (objects[i].depth == depth)
                    objects[i].state = objects[i].state == FAILED ? GONE : STALE;
            depth--;
        }
        break;
    case 2:
    case 3:
    case 4:
        if (count < OBJECTS)
            add(sbtest_Box_new(py, n), n, ALIVE);
        break;
    case 5:
        if (o && o->state == ALIVE) {
            sb_keep(py, o->box.object);
            if (o->depth == depth && depth > 0)
                o->depth--;
        }
        break;
    case 6:
    case 7:
        if (o && o->state == ALIVE) {
            sb_release(py, o->box.object);
            o->state = STALE;
        }
        break;
    case 8: { /* an error, and what was called after it */
        if (count > OBJECTS - 2)
            break;
        sbtest_Box boom = sbtest_boom_box(py), skipped = sbtest_Box_new(py, 1);
        assert_true(sb_catch(py, "ValueError"));
        add(boom, 0, FAILED);
        add(skipped, 0, FAILED);
        break;
    }
    default:
        if (o)
            use(py, o);
    }
}

static void objects_and_scopes(void **state)
{
    (void)state;
    for (uint64_t run = 1; run <= 3; run++) {
        sb_session *py = sb_open(.quiet = true);
        int64_t before = boxes_alive(py);
        seed = run * UINT64_C(0x9e3779b97f4a7c15);
        memset(objects, 0, sizeof objects);
        count = depth = 0;
        for (int64_t n = 0; n < STEPS; n++) {
            step(py, n);
            if (n % 500 == 0) {
                assert_int_equal(boxes_alive(py) - before, model_alive());
                /* Make room: forget what is of no use any more. */
                int to = 0;
                for (int i = 0; i < count; i++)
                    if (objects[i].state == ALIVE)
                        objects[to++] = objects[i];
                count = to;
            }
        }
        expect_fine(py);
        for (int i = 0; i < count; i++)
            use(py, &objects[i]);
        assert_int_equal(sb_close(py), 0);
        py = sb_open(.quiet = true);
        assert_int_equal(boxes_alive(py), before);
        sb_close(py);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { TEST(objects_and_scopes) };
    named(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
