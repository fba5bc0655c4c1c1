/* SPDX-License-Identifier: MIT
 *
 * libFuzzer: what a hostile worker answers. The input is a list of frames (kind, two bytes of length, body), which a
 * transport hands to a session as the answers to its calls; every fourth kind leaves the header as the fuzzer wrote it. */
#include "runtime/heap.h"
#include "runtime/os_linux.h"
#include "runtime/session.h"
#include <snakebridge_gen.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t *input;
static size_t left;
static uint64_t seq, callbacks;
static uint32_t tag;
static uint8_t frame[32 + 65536];

static struct sb_mapping *mapping; /* of a worker's heap: all zeros */
static const struct sb_transport transport;
static int fuzz_open(const struct sb_place *place, uint32_t session, struct sb_link **link,
                     struct sb_buf *why)
{
    (void)place, (void)why;
    tag = session;
    *link = sb__calloc(sizeof **link);
    if (*link) {
        (*link)->transport = &transport;
        (*link)->heap = sb__mapping_hold(mapping);
        (*link)->reach = mapping ? mapping->size : 0;
    }
    return *link ? 0 : -SB_E_MEMORY;
}
static int fuzz_send(struct sb_link *link, const uint8_t *bytes, size_t size)
{
    (void)link;
    struct sb_frame head;
    if (size < sizeof head)
        abort();
    memcpy(&head, bytes, sizeof head);
    if (head.size != size)
        abort();
    seq = head.seq;
    return 0;
}
static int fuzz_receive(struct sb_link *link, const uint8_t **bytes, size_t *size)
{
    (void)link;
    if (left < 3)
        return -SB_E_WORKER_DIED;
    uint8_t kind = input[0];
    size_t n = (size_t)input[1] << 8 | input[2];
    input += 3;
    left -= 3;
    n = n < left ? n : left;
    struct sb_frame head = { .size = (uint32_t)(sizeof head + n),
                             .kind = kind % 4 == 0   ? SB_FRAME_REPLY
                                     : kind % 4 == 1 ? SB_FRAME_ERROR
                                                     : SB_FRAME_OUTPUT,
                             .session = tag,
                             .seq = seq,
                             .id = seq };
    if (kind >> 2 == 1) { /* of a callback, or an answer to who does not wait */
        head.kind = kind % 4 == 0   ? SB_FRAME_CALLBACK
                    : kind % 4 == 1 ? SB_FRAME_DROP
                    : kind % 4 == 2 ? SB_FRAME_REPLY
                                    : SB_FRAME_CALLBACK;
        head.id = kind % 4 == 2 ? seq - 1 : ++callbacks;
        kind = 0;
    }
    memcpy(frame, &head, sizeof head);
    if (n)
        memcpy(frame + sizeof head, input, n);
    input += n;
    left -= n;
    *bytes = kind % 4 == 3 ? frame + sizeof head : frame;
    *size = kind % 4 == 3 ? n : sizeof head + n;
    return 0;
}
static void fuzz_close(struct sb_link *link)
{
    sb__buf_reset(&link->message);
    sb__buf_reset(&link->stack);
    sb__mapping_drop(link->heap);
    sb__free(link);
}
static bool fuzz_dead(struct sb_link *link)
{
    return link == NULL;
}
static const struct sb_transport transport = { .name = "fuzz",
                                               .open = fuzz_open,
                                               .send = fuzz_send,
                                               .receive = fuzz_receive,
                                               .dead = fuzz_dead,
                                               .close = fuzz_close };

/* A function that calls on, keeps, fails, and gives back what it got. */
static sb_value called(sb_session *py, const sb_value *args, size_t count, void *user)
{
    static const sb_fn any = { "m:f", "f>v" };
    static const sb_site at = { "fuzz.c", "", 1 };
    sb_value v = sb_run_v(py, &any, &at, NULL);
    ++*(int *)user;
    for (size_t i = 0; i < count; i++)
        if (args[i].kind == SB_STR_ || args[i].kind == SB_KEYWORD_)
            v.reserved += (uint32_t)args[i].as.str.ptr[args[i].as.str.len];
    v.reserved = 0;
    if (count && args[0].kind == SB_OBJECT_)
        sb_keep(py, args[0].as.object);
    if (count == 2)
        sb_raise(py, "ValueError", "two");
    if (count == 3)
        sb_clear_error(py);
    return count ? args[count - 1] : v;
}
static int dropped;
static void drop(void *user)
{
    ++dropped;
    --*(int *)user;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const sb_fn number = { "m:f", "f>d" }, integer = { "m:f", "f>i" },
                       text = { "m:f", "f>s" }, bytes = { "m:f", "f>y" }, truth = { "m:f", "f>b" },
                       place = { "m:f", "f>e{sa;sb}" }, object = { "m:f", "f>o?" },
                       several = { "m:f", "f>(s,o,v,d)" };
    static const sb_site at = { "fuzz.c", "", 1 };
    struct {
        sb_str s;
        sb_object o;
        sb_value v;
        double d;
    } r;
    static FILE *nowhere;
    if (!nowhere) {
        nowhere = fopen("/dev/null", "w");
        stdout = stderr = nowhere; /* OUTPUT frames; glibc: they are variables */
        int fd;
        setenv("SNAKEBRIDGE_HEAP", "64M", 1);
        mapping = sb__mapping_new(&fd);
        sb__os_close(&fd);
    }
    input = data;
    left = size;
    sb_session *py = sb_open(.quiet = true);
    if (!py)
        return 0;
    py->transport = &transport;
    int calls = 0, functions = 0;
    callbacks = 0;
    dropped = 0;
    while (left >= 3) {
        if (functions < 3) {
            sb_function(py, called, &calls, drop);
            functions++;
        }
        SB_SCOPE(py);
        sb_run_d(py, &number, &at, NULL);
        sb_clear_error(py);
        sb_run_i(py, &integer, &at, NULL);
        sb_catch(py, "KeyError");
        sb_run_s(py, &text, &at, NULL);
        sb_run_y(py, &bytes, &at, NULL);
        sb_clear_error(py);
        sb_run_b(py, &truth, &at, NULL);
        sb_run_e(py, &place, &at, NULL);
        sb_run_o(py, &object, &at, NULL);
        sb_catch(py, "json.JSONDecodeError");
        sb_run_t(py, &several, &at, NULL, &r);
        sb_clear_error(py);
        sb_value v = sb_fetch(py, sb_call(py, "m.f", 1));
        sb_array a = sb_as_array(py, v);
        if (sb__array_count(&a) > 0 && sb__array_count(&a) < 1 << 16)
            sb_array_copy(py, a); /* each element can be read */
        sb_clear_error(py);
        sb_keep_array(py, a);
        sb_keep_value(py, v);
        sb_as_datetime(py, v);
        sb_clear_error(py);
        sb_as_timedelta(py, v);
        sb_as_int(py, v);
        sb_count(py, v);
        sb_clear_error(py);
        sb_nth(py, v, 1);
        sb_get(py, v, "k");
        sb_clear_error(py);
    }
    sb_close(py);
    if (dropped != functions)
        abort();
    return 0;
}
