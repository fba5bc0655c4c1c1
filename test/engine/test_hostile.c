/* SPDX-License-Identifier: MIT
 *
 * Frames that lie: valid ones cut short, with each bit turned over, with bytes of noise. The engine
 * may refuse or run them, but never crash, and nothing may be left behind. */
#include "driver.h"
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static struct client client, *c = &client;

static const char *const arguments[] = {
    "[1, -1, 23, 24, 300, 70000, 5000000000, -5000000000, 1.5, true, false, null]",
    "[\"text\", \"\xe2\x82\xac\", h'0001ff', [], {}, [1, [2, [3]]], {\"a\": 1, 2: [3]}]",
    "[2(h'010000000000000000'), 3(h'ff'), 43000([1.0, 2.0]), 61440([1, 2]), 61441([1]), 258([1])]",
    "[64(h'0102'), 77(h'01000200'), 86(h'0000000000000000'), 40([[1, 2], 64(h'0102')]), "
    "61442(h'01')]",
    "[39(0), 39(WATCHED), [39(WATCHED)], {39(WATCHED): 39(WATCHED)}]",
};
#define ARGUMENTS (sizeof arguments / sizeof *arguments)

static unsigned long tried, ran, answered;

/* The frame as it is, in memory of just its size; `patch`: with its real size in the header, an
 * epoch that makes it run although the last one failed, and an id that is free if it has one. */
static void try_frame(const uint8_t *p, size_t n, bool patch)
{
    struct sb_frame *header;
    c->frame.len = 0;
    sb__buf_put(&c->frame, p, n);
    if (patch && n >= sizeof *header) {
        header = (struct sb_frame *)(void *)c->frame.ptr;
        header->epoch = ++c->epoch;
        if (header->id >> SB_ID_TAG_SHIFT == c->tag)
            header->id = (uint64_t)c->tag << SB_ID_TAG_SHIFT | ++c->counter;
    }
    tried++;
    if (patch && n >= 4) {
        uint32_t size = (uint32_t)n;
        memcpy(c->frame.ptr, &size, sizeof size);
    }
    c->rc = c->exchange(c);
    assert_true(c->rc == 0 || c->rc == -2);
    if (c->rc == -2) {
        assert_true(c->answers.len > 0);
        return;
    }
    ran++;
    answered += c->answers.len > 0;
    for (size_t at = 0;
         at < c->answers.len;) { /* whole frames, whose bodies end where they should */
        struct sb_frame h;
        assert_true(c->answers.len - at >= sizeof h);
        memcpy(&h, c->answers.ptr + at, sizeof h);
        assert_true(h.size >= sizeof h && h.size <= c->answers.len - at);
        at += h.size;
    }
}

static void mutate(const uint8_t *frame, size_t n)
{
    uint8_t *copy = malloc(n);
    for (size_t cut = 0; cut < n; cut++) {
        try_frame(frame, cut, true);
        try_frame(frame, cut, false);
    }
    for (size_t bit = 0; bit < n * 8; bit++) {
        memcpy(copy, frame, n);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        try_frame(copy, n, bit >= 32);
    }
    for (size_t at = sizeof(struct sb_frame); at < n; at++) { /* heads that promise a lot */
        static const uint8_t heads[] = { 0x1b, 0x3b, 0x5b, 0x7b, 0x9b, 0xbb, 0xdb, 0xfb,
                                         0x9f, 0xff, 0x5a, 0x9a, 0xf6, 0x80, 0xa0, 0xc0 };
        for (size_t i = 0; i < sizeof heads; i++) {
            memcpy(copy, frame, n);
            copy[at] = heads[i];
            try_frame(copy, n, true);
        }
    }
    free(copy);
}

static const char *with_watched(const char *text, uint64_t id)
{
    static char out[2000];
    char *p = out;
    while (*text) {
        if (strncmp(text, "WATCHED", 7) == 0) {
            p += sprintf(p, "%lu", id);
            text += 7;
        } else {
            *p++ = *text++;
        }
    }
    *p = 0;
    return out;
}

/* All mutations of calls of one session. */
static void calls_pass(uint32_t tag)
{
    static const char *const results[] = { "V", "v", "o", "w", "n", "(v,o,i)", "s" };
    inprocess_open(c, tag);
    same(CALL(c, "__main__:Watched", "o", "[]"), "REPLY null");
    uint64_t watched = last_id(c);
    for (size_t a = 0; a < ARGUMENTS; a++) {
        const char *args = with_watched(arguments[a], watched);
        for (size_t r = 0; r < sizeof results / sizeof *results; r++) {
            if (a % 2 && r % 2)
                continue; /* half of them are enough */
            run(c, 'f', "__main__:echo", "", results[r], args);
            c->epoch++;
            run(c, 'f', "__main__:echo", "", results[r], args); /* without the definition */
            c->epoch++;
            size_t n = c->frame.len;
            uint8_t *frame = malloc(n);
            memcpy(frame, c->frame.ptr, n);
            mutate(frame, n);
            free(frame);
        }
    }
    c->epoch += 100;
    begin_frame(c, SB_FRAME_RELEASE, 0, 0);
    put_value(&c->frame, format("[%lu, 1, 2, 3]", watched + 5000000));
    mutate(c->frame.ptr, c->frame.len);
    begin_frame(c, SB_FRAME_SYNC, SB_FLAG_WAIT, 0);
    mutate(c->frame.ptr, c->frame.len);
    begin_frame(c, SB_FRAME_CLOSE, SB_FLAG_WAIT, 0);
    mutate(c->frame.ptr, c->frame.len);
    client_close(c);
}

static long ask(const char *expression)
{
    long n;
    inprocess_open(c, 90);
    const char *got = run(c, 'f', "builtins:eval", "", "i", format("[\"%s\"]", expression));
    assert_int_equal(sscanf(got, "REPLY %ld", &n), 1);
    client_close(c);
    return n;
}

static void test_calls(void **state)
{
    (void)state;
    inprocess_open(c, 90);
    execute(c, "import gc, sys, warnings\n"
               "warnings.simplefilter('ignore')\n"
               "alive = 0\n"
               "class Watched:\n"
               "    def __new__(cls, *a, **k):\n"
               "        global alive\n"
               "        alive += 1\n"
               "        return object.__new__(cls)\n"
               "    def __del__(self):\n"
               "        global alive\n"
               "        alive -= 1\n"
               "def echo(*a, **k): return a\n"
               "def blocks():\n"
               "    gc.collect()\n"
               "    return sys.getallocatedblocks()\n");
    client_close(c);
    calls_pass(91);
    assert_int_equal(ask("gc.collect() * 0 + alive"), 0);
    ask("blocks()");
    long before = ask("blocks()");
    calls_pass(91);
    assert_int_equal(ask("gc.collect() * 0 + alive"), 0);
    long after = ask("blocks()");
    print_message("%lu frames, %lu of them run, %lu answered\n", tried, ran, answered);
    assert_true(answered > tried / 10);
    if (after - before > 300)
        fail_msg("%ld blocks of memory are left behind", after - before);
}

/* Definitions, each with a plan number of its own, in five bytes so that they can be patched. */
static void test_definitions(void **state)
{
    (void)state;
    static uint32_t fresh = 100000;
    inprocess_open(c, 92);
    static const struct {
        char op;
        const char *name, *keywords, *result;
    } rows[] = {
        { 'f', "__main__:echo", "a,b", "(i,o{builtins:list},e{sx;i1;b0;n;s%41})" },
        { 'm', "a.b:C.d", "", "o?{x:Y}" },
        { 'x', "__getitem__", "", "V" },
        { 'c', "math.pi", "", "d" },
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct sb_buf b = { 0 };
        begin_frame(c, SB_FRAME_CALL, SB_FLAG_WAIT | SB_FLAG_DEFINE, 0);
        size_t number_at = c->frame.len + 1;
        sb__put_uint(&c->frame, fresh);
        sb__put_head(&c->frame, SB_MAJOR_ARRAY, 5);
        sb__put_string(&c->frame, SB_MAJOR_TEXT, &rows[row].op, 1);
        sb__put_text(&c->frame, rows[row].name);
        put_value(&c->frame, *rows[row].keywords ? "[\"a\", \"b\"]" : "[]");
        sb__put_text(&c->frame, rows[row].result);
        sb__put_bool(&c->frame, false);
        put_value(&c->frame, "[1, 2, 3]");
        sb__buf_put(&b, c->frame.ptr, c->frame.len);
        uint8_t *copy = malloc(b.len);
        for (size_t i = 0; i < b.len * 9; i++) {
            size_t n = i < b.len * 8 ? b.len : i - b.len * 8;
            memcpy(copy, b.ptr, b.len);
            if (i < b.len * 8)
                copy[i / 8] ^= (uint8_t)(1u << i % 8);
            if (i / 8 >= number_at + 4) {
                uint32_t number = __builtin_bswap32(++fresh);
                memcpy(copy + number_at, &number, sizeof number);
            }
            try_frame(copy, n, i >= 32);
            c->epoch++;
        }
        free(copy);
        sb__buf_reset(&b);
    }
    client_close(c);
}

/* Noise behind a header that is right. */
static void test_noise(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    inprocess_open(c, 93);
    for (int i = 0; i < 20000; i++) {
        static const uint8_t kinds[] = { SB_FRAME_OPEN,    SB_FRAME_CALL,  SB_FRAME_CALL,
                                         SB_FRAME_RELEASE, SB_FRAME_CLOSE, SB_FRAME_SYNC };
        begin_frame(c, kinds[i % 6], (uint8_t)(i / 6 % 16), i % 5 ? 0 : last_id(c) + 1);
        c->counter++;
        size_t n = (size_t)i % 90;
        for (size_t k = 0; k < n; k++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            sb__put_byte(&c->frame, (uint8_t)(k == 0 ? random % 8 : random));
        }
        uint8_t *copy = malloc(c->frame.len);
        size_t size = c->frame.len;
        memcpy(copy, c->frame.ptr, size);
        try_frame(copy, size, true);
        free(copy);
        c->epoch++;
    }
    same(CALL(c, "math:sqrt", "d", "[4.0]"), "REPLY 2.0");
    client_close(c);
}

static void test_headers(void **state)
{
    (void)state;
    inprocess_open(c, 94);
    static const struct {
        struct sb_frame h;
        const char *why;
    } rows[] = {
        { { .kind = 3, .session = 95, .seq = 1 }, "a frame whose header makes no sense" },
        { { .kind = 3, .session = 94, .seq = 0 }, "a frame whose header makes no sense" },
        { { .kind = 3, .session = 94, .seq = 1ul << 48 }, "a frame whose header makes no sense" },
        { { .kind = 3, .flags = 128, .session = 94, .seq = 9 },
          "a frame whose header makes no sense" },
        { { .kind = 3, .segments = 1, .session = 94, .seq = 9 },
          "a frame whose header makes no sense" },
        { { .kind = 9, .session = 94, .seq = 9 }, "a kind of frame that does not exist" },
        { { .kind = 16, .session = 94, .seq = 9 }, "a kind of frame that does not exist" },
        { { .kind = 4, .flags = 1, .session = 94, .seq = 9 }, "a RELEASE is never answered" },
        { { .kind = 3, .session = 94, .seq = 9 }, "the frame ends too early" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        try_frame((const uint8_t *)&rows[i].h, sizeof rows[i].h, true);
        assert_int_equal(c->rc, -2);
        assert_string_equal((char *)c->answers.ptr, rows[i].why);
    }
    /* Ids: taken, of another session, the engine's, none where one is due. */
    same(CALL(c, "builtins:list", "o", "[]"), "REPLY null");
    uint64_t bad[] = { last_id(c), 95ul << 48 | 7, 94ul << 48 | SB_ID_ENGINE | 7, 94ul << 48 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        same(request(c, (struct request) { 'f', "builtins:list", "", "o", "[]", .id = bad[i] }),
             "MALFORMED a result's id that is taken, of another session, or missing");
    begin_frame(c, SB_FRAME_CALL, SB_FLAG_WAIT, 0);
    sb__put_uint(&c->frame, 1u << 30);
    sb__put_head(&c->frame, SB_MAJOR_ARRAY, 0);
    send_frame(c);
    assert_string_equal((char *)c->answers.ptr, "a plan that was never defined");
    begin_frame(c, SB_FRAME_CALL, SB_FLAG_WAIT | SB_FLAG_DEFINE, 0);
    sb__put_uint(&c->frame, 1u << 30);
    put_value(&c->frame, "[\"f\", \"len\", [], \"i\", false]");
    put_value(&c->frame, "[[]]");
    assert_int_equal(send_frame(c), 0);
    same(describe_answers(c),
         "ERROR 10 SB_E_LIMIT: a process has at most 1048576 plans (skipped 0)");
    c->epoch++;
    same(CALL(c, "math:sqrt", "d", "[4.0]"), "REPLY 2.0");
    client_close(c);
}

static void test_bodies(void **state)
{
    (void)state;
    inprocess_open(c, 96);
    static const struct {
        const char *body, *why;
    } rows[] = {
        { "\x81\xf7", "a simple value that does not exist" },
        { "\x81\xd8\x63\x01", "a tag that does not exist" },
        { "\x81\xc2\x01", "a byte string was due" },
        { "\x81\xd9\xa7\xf8\x82\xf9\x01", "the frame ends too early" },
        { "\x81\xd9\xa7\xf8\x81\x01", "a complex number has two parts" },
        { "\x81\xd9\xa7\xf8\x82\x01\x01", "a part of a complex number is no float" },
        { "\x81\xd8\x28\x81\x01", "an array has a shape and elements" },
        { "\x81\xd8\x28\x82\x81\x05\xd8\x40\x41\x01",
          "an array whose elements do not fill its shape" },
        { "\x81\xd8\x28\x82\x81\x01\x01", "a typed array was due" },
        { "\x81\xd8\x45\x41\x01", "an array whose elements do not fill its shape" },
        { "\x81\x9f\x01\xff", "an indefinite length or a reserved head" },
        { "\x82\x01", "the frame ends too early" },
        { "\x81\x01\x01", "bytes behind the arguments" },
        { "\xa1\x01\x01", "an array was due" },
        { "\x81\xd8\x27\x20", "an unsigned integer was due" },
        { "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "a length beyond the end of the frame" },
        { "\x81\x7b\xff\xff\xff\xff\xff\xff\xff\xff", "a length beyond the end of the frame" },
        { "\x81\xbb\x80", "the frame ends too early" },
    };
    same(CALL(c, "builtins:repr", "s", "[1]"), "REPLY \"1\"");
    same(CALL(c, "builtins:repr", "s", "[1]"), "REPLY \"1\"");
    size_t head = c->frame.len - 2; /* header and plan's number */
    struct sb_buf frame = { 0 };
    sb__buf_put(&frame, c->frame.ptr, c->frame.len);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].body);
        frame.len = head;
        sb__buf_put(&frame, rows[i].body, n);
        try_frame(frame.ptr, frame.len, true);
        assert_int_equal(c->rc, -2);
        assert_string_equal((char *)c->answers.ptr, rows[i].why);
    }
    frame.len = head;
    sb__buf_put(&frame, "\x81\x62\xff\xfe", 4); /* no UTF-8: what Python says about it */
    try_frame(frame.ptr, frame.len, true);
    assert_int_equal(c->rc, 0);
    same(describe_answers(c), "ERROR 1 UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in "
                              "position 0: invalid start byte (skipped 0)");
    sb__buf_reset(&frame);
    client_close(c);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers), cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_calls),   cmocka_unit_test(test_definitions),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
