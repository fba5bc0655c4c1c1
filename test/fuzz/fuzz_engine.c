/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the requests of a session, run by the engine with a real Python: what is refused says why, what is
 * answered is whole frames of well-formed items. Calls are of plans that are known and harmless; definitions are read,
 * but their calls are skipped, since they may name anything. The input: control (1), length (2, big-endian), body. */
#include "core/cbor.h"
#include "core/frame.h"
#include "engine/engine.h"
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

#define TAG 7
#define DEFINITIONS 5000 /* where the numbers of fuzzed definitions begin */

enum { NO_WAIT = 8, ALWAYS = 16, NEXT_EPOCH = 32, WITH_ID = 64 };

static const struct sb_engine_api *api;
static uint32_t definitions = DEFINITIONS;

const char *__asan_default_options(void)
{
    return "detect_leaks=0"; /* what CPython holds at the end */
}

static const struct plan {
    const char *op, *name, *keyword, *result;
    bool kwargs;
} plans[] = {
    { "f", "__main__:echo", NULL, "V", false },
    { "f", "__main__:echo", NULL, "v", false },
    { "f", "__main__:first", NULL, "o", false },
    { "f", "__main__:first", NULL, "w", false },
    { "f", "__main__:echo", "key", "V", true },
    { "f", "__main__:echo", NULL, "(v,o?,i,d?,s)", false },
    { "f", "__main__:first", NULL, "i", false },
    { "f", "__main__:first", NULL, "d", false },
    { "f", "__main__:first", NULL, "b", false },
    { "f", "__main__:first", NULL, "s", false },
    { "f", "__main__:first", NULL, "y", false },
    { "f", "__main__:first", NULL, "e{sleft;i1;b0;n}", false },
    { "f", "__main__:first", NULL, "o?{builtins:list}", false },
    { "m", "builtins:list.append", NULL, "n", false },
    { "g", "x:T.__class__", NULL, "o", false },
    { "x", "__getitem__", NULL, "v", false },
    { "x", "__setitem__", NULL, "n", false },
    { "x", "__len__", NULL, "i", false },
    { "x", "__add__", NULL, "V", false },
    { "x", "__eq__", NULL, "b", false },
    { "k", "builtins:dict", NULL, "o", false },
    { "e", "KeyError", NULL, "b", false },
    { "=", "", NULL, "V", false },
    { "f", "__main__:falls", NULL, "n", false },
};

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_item(struct sb_reader *r, unsigned depth)
{
    struct sb_head h;
    check(depth < 2 * SB_MAX_DEPTH && sb__read_head(r, &h));
    uint64_t items = h.major == SB_MAJOR_ARRAY ? h.n
                     : h.major == SB_MAJOR_MAP ? 2 * h.n
                                               : h.major == SB_MAJOR_TAG;
    if (h.major == SB_MAJOR_BYTES || h.major == SB_MAJOR_TEXT) {
        check(h.major == SB_MAJOR_BYTES || sb__utf8_valid((const char *)r->p, (size_t)h.n));
        r->p += h.n;
    }
    while (items--)
        check_item(r, depth + 1);
}

static void check_answers(const uint8_t *p, size_t left, bool waits)
{
    uint8_t last = 0;
    while (left) {
        struct sb_frame h;
        check(left >= sizeof h);
        memcpy(&h, p, sizeof h);
        check(h.size >= sizeof h && h.size <= left && h.session == TAG && !h.segments);
        check(last != SB_FRAME_REPLY && last != SB_FRAME_ERROR);
        struct sb_reader r = { .p = p + sizeof h, .end = p + h.size };
        for (int items = h.kind == SB_FRAME_OUTPUT ? 2 : 1; items--;)
            check_item(&r, 0);
        check(r.p == r.end);
        last = h.kind;
        p += h.size;
        left -= h.size;
    }
    check((last == SB_FRAME_REPLY || last == SB_FRAME_ERROR) == waits);
}

/* 0, or -2: refused. The frame is handed over in memory of just its size. */
static int send_frame(struct sb_engine_session *s, const struct sb_frame *header,
                      const struct sb_buf *body)
{
    const uint8_t *answer;
    size_t size;
    struct sb_frame h = *header;
    h.size = (uint32_t)(sizeof h + body->len);
    uint8_t *frame = malloc(h.size);
    check(frame);
    memcpy(frame, &h, sizeof h);
    if (body->len)
        memcpy(frame + sizeof h, body->ptr, body->len);
    int rc = api->request(s, frame, h.size, &answer, &size);
    free(frame);
    if (rc == 0)
        check_answers(answer, size, h.flags & SB_FLAG_WAIT);
    else
        check(rc == -2 && size > 0);
    return rc;
}

static void put_definition(struct sb_buf *b, const struct plan *p)
{
    sb__put_head(b, SB_MAJOR_ARRAY, 5);
    sb__put_text(b, p->op);
    sb__put_text(b, p->name);
    sb__put_head(b, SB_MAJOR_ARRAY, p->keyword != NULL);
    if (p->keyword)
        sb__put_text(b, p->keyword);
    sb__put_text(b, p->result);
    sb__put_bool(b, p->kwargs);
}

static void prepare(struct sb_engine_session *s)
{
    static const struct plan exec = { "f", "builtins:exec", NULL, "n", false };
    struct sb_buf body = { 0 };
    struct sb_frame h = { .kind = SB_FRAME_CALL,
                          .flags = SB_FLAG_WAIT | SB_FLAG_DEFINE,
                          .session = TAG };
    h.seq = 1;
    sb__put_uint(&body, DEFINITIONS - 1);
    put_definition(&body, &exec);
    sb__put_head(&body, SB_MAJOR_ARRAY, 1);
    sb__put_text(
        &body, "import sys, warnings\n"
               "warnings.simplefilter('ignore')\n"
               "sys.set_int_max_str_digits(0) if hasattr(sys, 'set_int_max_str_digits') else None\n"
               "def echo(*args, **keywords): return args + tuple(keywords.values())\n"
               "def first(*args): return args[0]\n"
               "def falls(*args):\n"
               "    print(args)\n"
               "    raise KeyError(*args)\n");
    check(send_frame(s, &h, &body) == 0);
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        body.len = 0;
        h.seq++;
        h.epoch++;
        h.id = 0;
        if (strchr("ov", *plans[i].result))
            h.id = (uint64_t)TAG << SB_ID_TAG_SHIFT | h.seq;
        sb__put_uint(&body, i);
        put_definition(&body, &plans[i]);
        sb__put_head(&body, SB_MAJOR_ARRAY, plans[i].kwargs ? 2 : 1);
        sb__put_uint(&body, 1);
        if (plans[i].kwargs)
            sb__put_head(&body, SB_MAJOR_MAP, 0);
        check(send_frame(s, &h, &body) == 0);
    }
    sb__buf_reset(&body);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char error[300];
    struct sb_engine_start how = { .program = NULL };
    (void)argc;
    (void)argv;
    setenv("PYTHONMALLOC", "malloc",
           1); /* so that the sanitizer sees the ends of Python's objects */
    api = sb_engine_api(SB_ENGINE_ABI);
    check(api && api->start(&how, error, sizeof error) == 0);
    struct sb_engine_session *s = api->open(TAG, NULL, NULL);
    check(s);
    prepare(s);
    api->close(s);
    return 0;
}

/* The first failure of a session, so that what follows is skipped. */
static void fail_session(struct sb_engine_session *s, struct sb_frame *h)
{
    struct sb_buf body = { 0 };
    h->kind = SB_FRAME_CALL;
    h->flags = 0;
    h->id = 0;
    sb__put_uint(&body, 17); /* len(5) */
    sb__put_head(&body, SB_MAJOR_ARRAY, 1);
    sb__put_uint(&body, 5);
    check(send_frame(s, h, &body) == 0);
    sb__buf_reset(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t kinds[] = {
        SB_FRAME_CALL,    SB_FRAME_CALL, SB_FRAME_CALL, SB_FRAME_CALL,
        SB_FRAME_RELEASE, SB_FRAME_SYNC, SB_FRAME_CALL, SB_FRAME_OPEN
    };
    struct sb_engine_session *s = api->open(TAG, NULL, NULL);
    struct sb_frame h = { .session = TAG };
    struct sb_buf body = { 0 };
    uint64_t counter = 0;
    check(s);
    while (size >= 3) {
        uint8_t control = data[0];
        size_t n = (size_t)data[1] << 8 | data[2];
        data += 3;
        size -= 3;
        n = n < size ? n : size;
        bool defines = (control & 7) == 6;
        h.seq++;
        h.epoch += (control & NEXT_EPOCH) != 0;
        if (defines) {
            fail_session(s, &h);
            h.seq++;
        }
        h.kind = kinds[control & 7];
        h.id = control & WITH_ID ? (uint64_t)TAG << SB_ID_TAG_SHIFT | ++counter : 0;
        h.flags = control & NO_WAIT || h.kind == SB_FRAME_RELEASE ? 0 : SB_FLAG_WAIT;
        if (control & ALWAYS && !defines)
            h.flags |= SB_FLAG_ALWAYS;
        if (defines)
            h.flags |= SB_FLAG_DEFINE;
        body.len = 0;
        if (defines)
            sb__put_uint(&body, definitions++);
        sb__buf_put(&body, data, n);
        /* Numbers of one byte are those of the plans above. */
        if (h.kind != SB_FRAME_CALL || defines || (n && *data < 24))
            send_frame(s, &h, &body);
        data += n;
        size -= n;
    }
    sb__buf_reset(&body);
    api->close(s);
    return 0;
}
