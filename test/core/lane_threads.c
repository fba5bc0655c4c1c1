/* SPDX-License-Identifier: MIT
 *
 * A lane between two threads of one process, for ThreadSanitizer and for order: one writes frames of
 * all sizes, the other answers each with its bytes, over many turns of the rings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/lane.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { FRAMES = 3000, LANE = 3 };

static struct sb_control *control;

static size_t size_of(uint64_t seq)
{
    uint64_t x = seq * UINT64_C(0x9e3779b97f4a7c15);
    size_t n = (size_t)(x >> 40);
    return sizeof(struct sb_frame) + (seq % 50 == 0  ? n % 200000
                                      : seq % 7 == 0 ? n % 20000
                                                     : n % 200);
}

static void fill(uint8_t *p, size_t size, uint64_t seq)
{
    struct sb_frame head = {
        .size = (uint32_t)size, .kind = SB_FRAME_CALL, .session = 1, .seq = seq
    };
    memcpy(p, &head, sizeof head);
    for (size_t i = sizeof head; i < size; i++)
        p[i] = (uint8_t)(i * 31 + seq);
}

static bool put(struct sb_ring *r, const uint8_t *p, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t n = sb__ring_write(r, p + done, size - done, true);
        done += n;
        if (n)
            sb__ring_publish(r);
        else if (r->broken)
            return false;
        else
            sched_yield();
    }
    return true;
}

static bool get(struct sb_ring *r, struct sb_incoming *in)
{
    int got;
    while (!(got = sb__ring_read(r, in))) {
        sb__ring_release(r);
        sched_yield();
    }
    sb__ring_release(r);
    return got > 0;
}

static void *answer_all(void *unused)
{
    (void)unused;
    struct sb_ring req = sb__ring(control, LANE, false, false),
                   rep = sb__ring(control, LANE, true, true);
    struct sb_incoming in = { 0 };
    for (int i = 0; i < FRAMES; i++) {
        if (!get(&req, &in) || !put(&rep, in.buf.ptr, in.buf.len))
            return NULL;
        sb__incoming_next(&in);
    }
    sb__buf_reset(&in.buf);
    return &control;
}

static void *ask_all(void *unused)
{
    (void)unused;
    struct sb_ring req = sb__ring(control, LANE, false, true);
    uint8_t *frame = malloc(300000);
    for (uint64_t seq = 1; frame && seq <= FRAMES; seq++) {
        fill(frame, size_of(seq), seq);
        if (!put(&req, frame, size_of(seq)))
            return NULL;
    }
    free(frame);
    return &control;
}

/* Three threads: the program's end is split, so that requests run ahead of the answers. */
static void two_threads(void **state)
{
    (void)state;
    pthread_t worker, asker;
    void *result;
    assert_int_equal(pthread_create(&worker, NULL, answer_all, NULL), 0);
    assert_int_equal(pthread_create(&asker, NULL, ask_all, NULL), 0);
    struct sb_ring rep = sb__ring(control, LANE, true, false);
    struct sb_incoming in = { 0 };
    uint8_t *expected = malloc(300000);
    assert_non_null(expected);
    for (uint64_t seq = 1; seq <= FRAMES; seq++) {
        assert_true(get(&rep, &in));
        assert_int_equal(in.buf.len, size_of(seq));
        fill(expected, size_of(seq), seq);
        assert_memory_equal(in.buf.ptr, expected, in.buf.len);
        sb__incoming_next(&in);
    }
    free(expected);
    sb__buf_reset(&in.buf);
    pthread_join(worker, &result);
    assert_non_null(result);
    pthread_join(asker, &result);
    assert_non_null(result);
}

/* ---- a hostile other side ---- */

static void hostile_cursors(void **state)
{
    (void)state;
    struct sb_lane *l = sb__lane(control, 7);
    static const uint64_t all[] = { SB_RING_SIZE + 1, SB_RING_SIZE + 8, UINT64_MAX, UINT64_MAX - 7,
                                    UINT64_C(1) << 63 };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct sb_incoming in = { 0 };
        struct sb_ring reader = sb__ring(control, 7, true, false);
        atomic_store(&l->rep_tail, all[i]);
        assert_int_equal(sb__ring_read(&reader, &in), -1);
        assert_true(reader.broken);
        atomic_store(&l->rep_tail, 0);
        sb__buf_reset(&in.buf);

        struct sb_ring writer = sb__ring(control, 7, false, true);
        uint8_t byte = 1;
        writer.seen -= SB_RING_SIZE;            /* full, as far as it knows: it looks */
        atomic_store(&l->req_head, 0 - all[i]); /* so much would be in the ring */
        assert_int_equal(sb__ring_write(&writer, &byte, 1, true), 0);
        assert_true(writer.broken);
        atomic_store(&l->req_head, 0);
    }
}

/* Any bytes in the ring: no crash, no endless loop, no frame beyond its size. */
static void hostile_bytes(void **state)
{
    (void)state;
    struct sb_lane *l = sb__lane(control, 8);
    uint64_t seed = 1;
    for (int turn = 0; turn < 2000; turn++) {
        struct sb_ring reader = sb__ring(control, 8, true, false);
        struct sb_incoming in = { 0 };
        size_t n = (size_t)(seed >> 33) % SB_RING_SIZE;
        for (size_t i = 0; i < 64; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            reader.base[i * 8 % SB_RING_SIZE] = (uint8_t)(seed >> 56);
            if (turn % 2) /* sizes that look like some */
                reader.base[i * 8 % SB_RING_SIZE + 2] = reader.base[i * 8 % SB_RING_SIZE + 3] = 0;
        }
        atomic_store(&l->rep_tail, n);
        int frames = 0;
        while (sb__ring_read(&reader, &in) > 0) {
            assert_true(in.buf.len >= sizeof(struct sb_frame) && in.buf.len <= SB_FRAME_MAX);
            sb__incoming_next(&in);
            assert_true(++frames <= (int)(SB_RING_SIZE / sizeof(struct sb_frame)));
        }
        sb__buf_reset(&in.buf);
        atomic_store(&l->rep_tail, 0);
    }
}

static int map(void **state)
{
    (void)state;
    void *p = mmap(NULL, SB_LANES_SIZE, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    control = p;
    return p == MAP_FAILED;
}

static int unmap(void **state)
{
    (void)state;
    return munmap(control, SB_LANES_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads),
        cmocka_unit_test(hostile_cursors),
        cmocka_unit_test(hostile_bytes),
    };
    return cmocka_run_group_tests(tests, map, unmap);
}
