/* SPDX-License-Identifier: MIT
 *
 * A ring of a lane with both ends in one thread, and with a peer that lies. Around the ring lie bytes that nobody may
 * touch; the ring's memory is a block of its own, so that the sanitizers see who leaves it. */
#include "core/lane.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct pair {
    _Atomic uint64_t tail, head;
    struct sb_ring writer, reader;
    struct sb_incoming in;
};

static void start(struct pair *p, uint64_t pos)
{
    uint8_t *memory = malloc(SB_RING_SIZE);
    assert_non_null(memory);
    memset(memory, 0xee, SB_RING_SIZE);
    *p = (struct pair) { .writer = { memory, &p->tail, &p->head, pos, pos, false },
                         .reader = { memory, &p->head, &p->tail, pos, pos, false } };
    atomic_store(&p->tail, pos);
    atomic_store(&p->head, pos);
}

static void end(struct pair *p)
{
    free(p->writer.base);
    sb__buf_reset(&p->in.buf);
}

/* A frame of `size` bytes whose contents follow from its number. */
static uint8_t *frame(uint32_t size, uint32_t number)
{
    uint8_t *f = malloc(size + sizeof size);
    assert_non_null(f);
    memcpy(f, &size, sizeof size);
    for (uint32_t i = sizeof size; i < size; i++)
        f[i] = (uint8_t)(number * 31 + i * 7);
    return f;
}

static void check_frame(struct pair *p, uint32_t size, uint32_t number)
{
    uint8_t *f = frame(size, number);
    assert_int_equal(p->in.buf.len, size);
    assert_memory_equal(p->in.buf.ptr, f, size);
    free(f);
    sb__incoming_next(&p->in);
}

/* Writes all of it, reading on when the ring is full: what a large frame does. */
static void through(struct pair *p, uint32_t size, uint32_t number)
{
    uint8_t *f = frame(size, number);
    size_t done = 0;
    int got = 0;
    while (done < size) {
        size_t m = sb__ring_write(&p->writer, f + done, size - done, true);
        sb__ring_publish(&p->writer);
        assert_true(m > 0 && !p->writer.broken);
        done += m;
        got = sb__ring_read(&p->reader, &p->in);
        assert_int_equal(got, done == size);
        sb__ring_release(&p->reader);
    }
    free(f);
    check_frame(p, size, number);
    assert_int_equal(p->reader.pos & 7, 0);
    assert_int_equal(p->reader.pos, p->writer.pos);
}

static const uint64_t begins[] = { 0, SB_RING_SIZE - 8, (UINT64_C(1) << 32) - 64, UINT64_MAX - 7,
                                   UINT64_MAX - SB_RING_SIZE + 1 };
enum { BEGINS = sizeof begins / sizeof *begins };

/* A frame at each place of the ring, and past the end of the positions. */
static void wraps(void **state)
{
    (void)state;
    for (uint64_t pos = 0; pos < SB_RING_SIZE; pos += 8) {
        struct pair p;
        start(&p, pos);
        through(&p, (uint32_t)(32 + pos / 8 % 41), (uint32_t)pos);
        through(&p, pos % 3 ? 200 : 32, 7);
        end(&p);
    }
    for (int i = 0; i < BEGINS; i++) {
        struct pair p;
        start(&p, begins[i]);
        for (uint32_t n = 0; n < 3000; n++)
            through(&p, 32 + n * 13 % 300, n);
        end(&p);
    }
}

/* Many frames in the ring at once, until it is full; then all out again. */
static void fills(void **state)
{
    (void)state;
    for (int i = 0; i < BEGINS; i++)
        for (uint32_t size = 32; size < 20000; size = size * 3 / 2 + 5) {
            struct pair p;
            start(&p, begins[i]);
            for (int round = 0; round < 3; round++) {
                uint32_t n = 0, room = (size + 7) & ~7u;
                while (sb__ring_room(&p.writer, size + 7) >= size + 7) {
                    uint8_t *f = frame(size, n++);
                    assert_int_equal(sb__ring_write(&p.writer, f, size, true), size);
                    free(f);
                }
                assert_in_range(n, (SB_RING_SIZE - 7) / room, SB_RING_SIZE / room);
                assert_int_equal(sb__ring_read(&p.reader, &p.in), 0); /* not published */
                sb__ring_publish(&p.writer);
                for (uint32_t k = 0; k < n; k++) {
                    assert_int_equal(sb__ring_read(&p.reader, &p.in), 1);
                    check_frame(&p, size, k);
                }
                assert_int_equal(sb__ring_read(&p.reader, &p.in), 0);
                size_t left = SB_RING_SIZE - n * room;
                assert_int_equal(sb__ring_room(&p.writer, SB_RING_SIZE), left);
                sb__ring_release(&p.reader);
                assert_int_equal(sb__ring_room(&p.writer, SB_RING_SIZE), SB_RING_SIZE);
            }
            end(&p);
        }
}

static void larger_than_the_ring(void **state)
{
    (void)state;
    static const uint32_t sizes[] = { SB_RING_SIZE - 8, SB_RING_SIZE - 7,
                                      SB_RING_SIZE - 1, SB_RING_SIZE,
                                      SB_RING_SIZE + 1, 3 * SB_RING_SIZE + 5,
                                      (1u << 20) + 3,   32 };
    for (int i = 0; i < BEGINS; i++) {
        struct pair p;
        start(&p, begins[i]);
        for (uint32_t n = 0; n < 8; n++) {
            through(&p, sizes[n], n);
            assert_true(p.in.buf.cap <= 1u << 20); /* memory of a large frame is not kept */
        }
        end(&p);
    }
}

/* A frame that arrives byte by byte is seen when its last byte and the padding are there. */
static void trickles(void **state)
{
    (void)state;
    for (uint32_t size = 32; size < 80; size++) {
        struct pair p;
        start(&p, SB_RING_SIZE - 40);
        uint8_t *f = frame(size, 5);
        for (uint32_t i = 0; i < size; i++) {
            assert_int_equal(sb__ring_write(&p.writer, f + i, 1, i + 1 == size), 1);
            assert_int_equal(sb__ring_read(&p.reader, &p.in), 0);
            sb__ring_publish(&p.writer);
            assert_int_equal(sb__ring_read(&p.reader, &p.in), i + 1 == size);
            sb__ring_release(&p.reader);
            assert_int_equal(atomic_load(&p.head) & 7, 0);
        }
        free(f);
        check_frame(&p, size, 5);
        end(&p);
    }
}

/* ---- a hostile peer ---- */

static void hostile_tail(void **state)
{
    (void)state;
    static const uint64_t jumps[] = { SB_RING_SIZE + 1,       SB_RING_SIZE + 8, SB_RING_SIZE * 2,
                                      UINT64_MAX / 2,         UINT64_MAX,       UINT64_MAX - 7,
                                      -(uint64_t)SB_RING_SIZE };
    for (int i = 0; i < BEGINS; i++)
        for (size_t k = 0; k < sizeof jumps / sizeof *jumps; k++)
            for (uint64_t there = 0; there < 48;
                 there += 8) { /* none, or part of a header, or all of it */
                struct pair p;
                start(&p, begins[i]);
                uint32_t size = 64;
                memcpy(p.writer.base + (begins[i] & (SB_RING_SIZE - 1)), &size, sizeof size);
                atomic_store(&p.tail, begins[i] + there);
                int got = sb__ring_read(&p.reader, &p.in);
                assert_int_equal(got, 0);
                atomic_store(&p.tail, p.reader.pos + jumps[k]);
                got = sb__ring_read(&p.reader, &p.in);
                assert_int_equal(got, -1);
                assert_true(p.reader.broken);
                for (int again = 0; again < 5; again++)
                    assert_true(sb__ring_read(&p.reader, &p.in) <= 0);
                assert_true(sb__ring_ready(&p.reader) <= SB_RING_SIZE);
                end(&p);
            }
}

/* Published without the padding, so that the next frame's place is beyond the tail. */
static void no_padding(void **state)
{
    (void)state;
    for (int i = 0; i < BEGINS; i++) {
        struct pair p;
        start(&p, begins[i]);
        uint32_t size = 33;
        memcpy(p.writer.base + (begins[i] & (SB_RING_SIZE - 1)), &size, sizeof size);
        atomic_store(&p.tail, begins[i] + size);
        for (int again = 0; again < 3; again++) {
            assert_true(sb__ring_read(&p.reader, &p.in) <= 0);
            assert_true(p.reader.broken);
            assert_int_equal(sb__ring_ready(&p.reader), 0);
        }
        end(&p);
    }
}

static void hostile_sizes(void **state)
{
    (void)state;
    static const uint32_t sizes[] = { 0, 1, 31, SB_FRAME_MAX + 1, 0x80000000, UINT32_MAX };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct pair p;
        start(&p, 64);
        memcpy(p.writer.base + 64, &sizes[i], sizeof sizes[i]);
        atomic_store(&p.tail, 64 + 4096);
        assert_int_equal(sb__ring_read(&p.reader, &p.in), -1);
        assert_true(p.reader.broken);
        assert_null(p.in.buf.ptr);
        end(&p);
    }
}

/* The size in the ring changes while a frame is read in parts: what was checked counts, also in the copy. */
static void size_changes(void **state)
{
    (void)state;
    static const uint32_t later[] = { 0, 32, 40000, UINT32_MAX };
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        struct pair p;
        start(&p, 0);
        uint32_t size = 40;
        memcpy(p.writer.base, &size, sizeof size);
        atomic_store(&p.tail, 32);
        assert_int_equal(sb__ring_read(&p.reader, &p.in), 0);
        assert_int_equal(p.in.size, size);
        memcpy(p.writer.base, &later[i], sizeof later[i]);
        memcpy(p.in.buf.ptr, &later[i], sizeof later[i]); /* had it changed between the two looks */
        atomic_store(&p.tail, 40);
        assert_int_equal(sb__ring_read(&p.reader, &p.in), 1);
        assert_int_equal(p.in.buf.len, size);
        assert_memory_equal(p.in.buf.ptr, &size, sizeof size);
        end(&p);
    }
}

/* Heads that no reader of ours stores; the writer reports them and writes nothing outside the ring. */
static void hostile_head(void **state)
{
    (void)state;
    static const int64_t moves[] = {
        8, -8, 1, -1, 7, 100000, -(int64_t)SB_RING_SIZE - 8, INT64_MAX, INT64_MIN
    };
    uint8_t *large = frame(1 << 20, 1);
    for (int i = 0; i < BEGINS; i++)
        for (size_t k = 0; k < sizeof moves / sizeof *moves; k++) {
            struct pair p;
            start(&p, begins[i]);
            assert_int_equal(sb__ring_write(&p.writer, large, SB_RING_SIZE - 64, false),
                             SB_RING_SIZE - 64);
            sb__ring_publish(&p.writer);
            atomic_store(&p.head,
                         (k == 2 || k == 4 ? begins[i] : p.writer.pos) + (uint64_t)moves[k]);
            size_t m = sb__ring_write(&p.writer, large, 1 << 20, true);
            if (k == 1) { /* a head that is possible */
                assert_int_equal(m, SB_RING_SIZE - 8);
                assert_false(p.writer.broken);
            } else {
                assert_int_equal(m, 0);
                assert_true(p.writer.broken);
            }
            for (int again = 0; again < 5; again++) {
                assert_true(sb__ring_write(&p.writer, large, 1 << 20, true) <= SB_RING_SIZE);
                assert_true(sb__ring_room(&p.writer, SIZE_MAX) <= SB_RING_SIZE);
            }
            end(&p);
        }
    free(large);
}

/* The padding of the last frame passes no head, wherever that is. */
static void padding_at_the_end(void **state)
{
    (void)state;
    uint8_t *large = frame(SB_RING_SIZE, 1);
    for (uint64_t head = 0; head < 16; head++)
        for (uint32_t less = 0; less < 16; less++) {
            struct pair p;
            start(&p, 64);
            atomic_store(&p.head, 64 + head);
            atomic_store(&p.tail, 64 + 8);
            p.writer.pos = 64 + 8; /* the writer was ahead */
            p.writer.seen = p.writer.pos - SB_RING_SIZE;
            size_t m = sb__ring_write(&p.writer, large, SB_RING_SIZE - less, true);
            assert_true(m <= SB_RING_SIZE);
            assert_true(p.writer.broken || p.writer.pos - (64 + head) <= SB_RING_SIZE);
            m = sb__ring_write(&p.writer, large, SB_RING_SIZE, true);
            assert_true(m <= SB_RING_SIZE);
            end(&p);
        }
    free(large);
}

/* Ends of a lane in its file: which memory, which cursors; and begun at positions that the other side left. */
static void ends_of_a_lane(void **state)
{
    (void)state;
    static const uint32_t lanes[] = { 0, 1, 255, 256, SB_LANES - 1 };
    struct sb_control *c = (struct sb_control *)4096; /* addresses only */
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
        uint8_t *lane = (uint8_t *)sb__lane(c, lanes[i]);
        assert_ptr_equal(lane, (uint8_t *)c + SB_LANE_OFFSET + lanes[i] * 192);
        assert_true(lane + 192 <= (uint8_t *)c + SB_RINGS_OFFSET);
    }
    assert_int_equal(SB_RINGS_OFFSET % 4096, 0);
    assert_int_equal(SB_LANES_SIZE, SB_RINGS_OFFSET + 2ull * SB_LANES * 32768);

    size_t size = SB_RINGS_OFFSET + 4 * (size_t)SB_RING_SIZE; /* of lanes 0 and 1 */
    c = aligned_alloc(4096, size);
    assert_non_null(c);
    memset(c, 0, size);
    struct sb_lane *l = sb__lane(c, 1);
    atomic_store(&l->req_tail, 1003);
    atomic_store(&l->rep_tail, UINT64_MAX);
    atomic_store(&l->rep_head, UINT64_MAX - 3);
    atomic_store(&l->req_head, 24);
    struct sb_ring ends[] = { sb__ring(c, 1, false, true), sb__ring(c, 1, false, false),
                              sb__ring(c, 1, true, true), sb__ring(c, 1, true, false) };
    uint8_t *rings = (uint8_t *)c + SB_RINGS_OFFSET;
    assert_ptr_equal(ends[0].base, rings + 2 * SB_RING_SIZE);
    assert_ptr_equal(ends[1].base, ends[0].base);
    assert_ptr_equal(ends[2].base, rings + 3 * SB_RING_SIZE);
    assert_ptr_equal(ends[3].base, ends[2].base);
    assert_ptr_equal(ends[0].mine, &l->req_tail);
    assert_ptr_equal(ends[0].theirs, &l->req_head);
    assert_ptr_equal(ends[1].mine, &l->req_head);
    assert_ptr_equal(ends[1].theirs, &l->req_tail);
    assert_ptr_equal(ends[2].mine, &l->rep_tail);
    assert_ptr_equal(ends[2].theirs, &l->rep_head);
    assert_ptr_equal(ends[3].mine, &l->rep_head);
    assert_ptr_equal(ends[3].theirs, &l->rep_tail);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ends[i].pos & 7, 0);
        assert_int_equal(ends[i].pos, ends[i].seen);
    }
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wraps),
        cmocka_unit_test(fills),
        cmocka_unit_test(larger_than_the_ring),
        cmocka_unit_test(trickles),
        cmocka_unit_test(hostile_tail),
        cmocka_unit_test(no_padding),
        cmocka_unit_test(hostile_sizes),
        cmocka_unit_test(size_changes),
        cmocka_unit_test(hostile_head),
        cmocka_unit_test(padding_at_the_end),
        cmocka_unit_test(ends_of_a_lane),
    };
    return cmocka_run_group_tests_name("core.ring", tests, NULL, NULL);
}
