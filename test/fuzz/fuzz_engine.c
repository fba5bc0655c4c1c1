/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the requests of a session, run by the engine with a real Python: what is refused says why, what is
 * answered is whole frames of well-formed items. Calls are of plans that are known and harmless; definitions are read,
 * but their calls are skipped, since they may name anything. The input: control (1), length (2, big-endian), body. */
#include "core/cbor.h"
#include "core/frame.h"
#include "core/heap.h"
#include "engine/engine.h"
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

#define TAG 7
#define DEFINITIONS 5000 /* where the numbers of fuzzed definitions begin */

enum { NO_WAIT = 8, ALWAYS = 16, NEXT_EPOCH = 32, WITH_ID = 64, CALLBACKS = 128 };

static const struct sb_engine_api *api;
static uint32_t definitions = DEFINITIONS;

const char *__asan_default_options(void)
{
    /* what CPython holds at the end; list(range(1 << 60)) is a MemoryError */
    return "detect_leaks=0:allocator_may_return_null=1";
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
    { "i", "loop", NULL, "o", false },
    { "n", "loop", NULL, "(v)", false },
    { "n", "loop", NULL, "(i)", false },
    { "q", "loop", NULL, "n", false },
    { "w", "with", NULL, "(o?)", false },
    { "z", "with", NULL, "b", false },
    { "f", "__main__:generate", NULL, "o", false },
    { "f", "__main__:later", NULL, "v", false },
};
enum { USE = 100, FUNCTION = 101 }; /* plans for callbacks */

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
        while (h.kind == SB_FRAME_REPLY && r.p < r.end) /* a batch of a stream */
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
               "def use(f, *args):\n"
               "    try: return f(*args, k=1)\n"
               "    except Exception as e: return [str(e), f(e) if len(args) < 3 else None]\n"
               "def generate(*args):\n"
               "    for x in args: yield x\n"
               "async def later(*args): return args\n"
               "def falls(*args):\n"
               "    print(args)\n"
               "    raise KeyError(*args)\n");
    check(send_frame(s, &h, &body) == 0);
    static const struct plan use = { "f", "__main__:use", NULL, "V", false },
                             function = { "F", "function", NULL, "o", false };
    for (int i = 0; i < 2; i++) {
        body.len = 0;
        h.seq++;
        h.epoch++;
        h.id = i ? (uint64_t)TAG << SB_ID_TAG_SHIFT | h.seq : 0;
        sb__put_uint(&body, i ? FUNCTION : USE);
        put_definition(&body, i ? &function : &use);
        sb__put_head(&body, SB_MAJOR_ARRAY, 0);
        check(send_frame(s, &h, &body) == 0); /* which fails: no arguments */
    }
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

/* A heap with two blocks, and a table that lies about others. */
enum { HEAP_SIZE = 4 << 20 };
static void *make_heap(void)
{
    struct sb_block *table = aligned_alloc(SB_HEAP_PAGE, HEAP_SIZE);
    check(table);
    memset(table, 0, HEAP_SIZE);
    const uint64_t blocks[][2] = { { SB_HEAP_HEAD, 4096 }, { SB_HEAP_HEAD + 8192, 1 << 20 },
                                   { 4096, 4096 },         { HEAP_SIZE - 4096, 8192 },
                                   { UINT64_MAX, 4096 },   { SB_HEAP_HEAD, UINT64_MAX } };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        table[i + 1].offset = blocks[i][0];
        table[i + 1].size = blocks[i][1];
    }
    return table;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char error[300];
    static _Atomic uint32_t column[SB_HEAP_SLOTS];
    struct sb_engine_start how = {
        .program = NULL, .heap = make_heap(), .heap_size = HEAP_SIZE, .column = column
    };
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

/* ---- callbacks ---- */

static const uint8_t *input; /* what is left of it */
static size_t input_size;
static struct sb_engine_session *session;
static struct sb_frame last; /* the header of the last request */
static struct sb_buf answers[SB_CALLBACK_DEPTH + 1];
static unsigned depth;
static uint64_t objects;

static void next_request(void);

/* What the program says to a CALLBACK: the next frames of the input, until one is RETURN or RAISE. */
static int called(void *ctx, const uint8_t *frame, size_t size, const uint8_t **answer, size_t *n)
{
    (void)ctx;
    struct sb_frame h;
    for (;;) { /* OUTPUT may come first */
        check(size >= sizeof h);
        memcpy(&h, frame, sizeof h);
        check(h.size >= sizeof h && h.size <= size && h.session == TAG && !h.segments);
        if (h.kind == SB_FRAME_CALLBACK)
            break;
        frame += h.size;
        size -= h.size;
    }
    check(h.size == size && depth < SB_CALLBACK_DEPTH);
    struct sb_reader r = { frame + sizeof h, frame + size, NULL };
    for (int items = 3; items--;)
        check_item(&r, 0);
    check(r.p == r.end);
    depth++;
    while (input_size >= 3 && input[0] & 1)
        next_request();
    depth--;
    if (input_size < 3)
        return -1;
    size_t length = (size_t)input[1] << 8 | input[2];
    length = length < input_size - 3 ? length : input_size - 3;
    struct sb_buf *b = &answers[depth];
    h.kind = input[0] & 2 ? SB_FRAME_RETURN : SB_FRAME_RAISE;
    h.size = (uint32_t)(sizeof h + length);
    h.id += input[0] == 0xf0; /* no callback's */
    b->len = 0;
    sb__buf_put(b, &h, sizeof h);
    sb__buf_put(b, input + 3, length);
    input += 3 + length;
    input_size -= 3 + length;
    *answer = b->ptr;
    *n = b->len;
    return 0;
}

/* use(function, *arguments): a call that leads to callbacks. */
static void use_function(const uint8_t *arguments, size_t n)
{
    struct sb_buf body = { 0 };
    last.kind = SB_FRAME_CALL;
    last.flags = SB_FLAG_WAIT;
    last.seq++;
    last.epoch++;
    uint64_t id = last.id = (uint64_t)TAG << SB_ID_TAG_SHIFT | ++objects;
    sb__put_uint(&body, FUNCTION);
    sb__put_head(&body, SB_MAJOR_ARRAY, 3);
    sb__put_uint(&body, objects);
    sb__put_text(&body, "f");
    sb__put_text(&body, "(*args, **kwargs)");
    send_frame(session, &last, &body);
    last.seq++;
    last.id = 0;
    body.len = 0;
    sb__put_uint(&body, USE);
    sb__put_head(&body, SB_MAJOR_ARRAY, 1 + (n ? arguments[0] & 3 : 0));
    sb__put_head(&body, SB_MAJOR_TAG, SB_TAG_IDENTIFIER);
    sb__put_uint(&body, id);
    if (n)
        sb__buf_put(&body, arguments + 1, n - 1);
    if (send_frame(session, &last, &body) < 0)
        input_size = 0; /* a callback's result made no sense: the session is of no use any more */
    sb__buf_reset(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    session = api->open(TAG, called, NULL);
    check(session);
    input = data;
    input_size = size;
    last = (struct sb_frame) { .session = TAG };
    objects = depth = 0;
    while (input_size >= 3)
        next_request();
    api->close(session);
    return 0;
}

static void next_request(void)
{
    static const uint8_t kinds[] = {
        SB_FRAME_CALL,    SB_FRAME_CALL, SB_FRAME_CALL, SB_FRAME_CALL,
        SB_FRAME_RELEASE, SB_FRAME_SYNC, SB_FRAME_CALL, SB_FRAME_OPEN
    };
    struct sb_buf body = { 0 };
    struct sb_frame *h = &last;
    uint8_t control = input[0];
    size_t n = (size_t)input[1] << 8 | input[2];
    input += 3;
    input_size -= 3;
    n = n < input_size ? n : input_size;
    const uint8_t *data = input;
    input += n;
    input_size -= n;
    if (control & CALLBACKS) {
        use_function(data, n);
        return;
    }
    bool defines = (control & 7) == 6;
    h->seq++;
    h->epoch += (control & NEXT_EPOCH) != 0;
    if (defines) {
        fail_session(session, h);
        h->seq++;
    }
    h->kind = kinds[control & 7];
    h->id = control & WITH_ID ? (uint64_t)TAG << SB_ID_TAG_SHIFT | ++objects : 0;
    h->flags = control & NO_WAIT || h->kind == SB_FRAME_RELEASE ? 0 : SB_FLAG_WAIT;
    if (control & ALWAYS && !defines)
        h->flags |= SB_FLAG_ALWAYS;
    if (defines)
        h->flags |= SB_FLAG_DEFINE;
    if (defines)
        sb__put_uint(&body, definitions++);
    sb__buf_put(&body, data, n);
    /* Numbers of one byte are those of the plans above. */
    if (h->kind != SB_FRAME_CALL || defines || (n && *data < 24))
        send_frame(session, h, &body);
    sb__buf_reset(&body);
}
