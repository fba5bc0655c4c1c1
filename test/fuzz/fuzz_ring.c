/* SPDX-License-Identifier: MIT
 *
 * A ring whose memory and cursors the peer changes at will, between any two steps of a reader and of a writer. The
 * ring is a block of its own, so that a step outside is seen. The input is a program: see the switch. */
#include "core/lane.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *bounded(void *ptr, size_t size, void *user) /* memory can run out, too */
{
    (void)user;
    if (size)
        return size > 1u << 18 ? NULL : realloc(ptr, size);
    free(ptr);
    return NULL;
}

static uint64_t number(const uint8_t **p, const uint8_t *end, size_t bytes)
{
    uint64_t n = 0;
    for (; bytes-- && *p < end; ++*p)
        n = n << 8 | **p;
    return n;
}

static void must(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *p = data, *end = data + size;
    static uint8_t source[3 * SB_RING_SIZE];
    sb__set_resize(bounded, NULL);
    _Atomic uint64_t tail = 0, head = 0;
    uint8_t *memory = calloc(1, SB_RING_SIZE);
    uint64_t pos = number(&p, end, 8) & ~UINT64_C(7);
    struct sb_ring reader = { memory, &head, &tail, pos, pos, false };
    struct sb_ring writer = { memory, &tail, &head, pos, pos, false };
    struct sb_incoming in = { 0 };
    while (memory && p < end) {
        uint8_t op = *p++;
        switch (op & 7) {
        case 0: /* the peer moves a cursor: to anywhere, or a little on from where ours is */
            atomic_store(op & 8 ? &tail : &head,
                         op & 16 ? number(&p, end, 8)
                                 : (op & 8 ? reader : writer).pos + number(&p, end, 2));
            break;
        case 1: { /* and writes into the ring */
            size_t at = number(&p, end, 2) & (SB_RING_SIZE - 1), n = op >> 3;
            n = n < (size_t)(end - p) ? n : (size_t)(end - p);
            n = n < SB_RING_SIZE - at ? n : SB_RING_SIZE - at;
            memcpy(memory + at, p, n);
            p += n;
            break;
        }
        case 2: { /* a frame's size where the reader looks next */
            uint32_t n = (uint32_t)number(&p, end, op & 8 ? 4 : 2);
            memcpy(memory + (reader.pos & (SB_RING_SIZE - 8)), &n, sizeof n);
            break;
        }
        case 3:
        case 4:
            if (sb__ring_read(&reader, &in) == 1) {
                uint32_t n;
                memcpy(&n, in.buf.ptr, sizeof n);
                must(in.buf.len == n && n >= sizeof(struct sb_frame) && !(reader.pos & 7));
                sb__incoming_next(&in);
            } else if (in.buf.failed) {
                sb__incoming_next(&in);
            }
            must(sb__ring_ready(&reader) <= SB_RING_SIZE && in.buf.len <= in.size);
            break;
        case 5:
            sb__ring_release(&reader);
            break;
        case 6: {
            size_t n = number(&p, end, 2) * 2 % sizeof source;
            must(sb__ring_write(&writer, source, n, op & 8) <= n);
            break;
        }
        default:
            must(sb__ring_room(&writer, number(&p, end, 2)) <= SB_RING_SIZE);
            if (op & 8)
                sb__ring_publish(&writer);
        }
    }
    sb__buf_reset(&in.buf);
    free(memory);
    return 0;
}
