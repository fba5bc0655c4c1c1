/* SPDX-License-Identifier: MIT
 *
 * The driver of the engine's tests: see driver.h. */
#include "driver.h"
#include <ctype.h>
#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

/* ---- notation to CBOR ------------------------------------------------------------------------ */

static const char *blanks(const char *p)
{
    while (*p == ' ' || *p == '\n' || *p == ',' || *p == ':')
        p++;
    return p;
}

static const char *put_one(struct sb_buf *b, const char *p);

static const char *put_items(struct sb_buf *b, const char *p, char end, enum sb_major major)
{
    struct sb_buf items = { 0 };
    size_t n = 0;
    for (p = blanks(p); *p != end; p = blanks(p), n++)
        p = put_one(&items, p);
    sb__put_head(b, major, major == SB_MAJOR_MAP ? n / 2 : n);
    sb__buf_put(b, items.ptr, items.len);
    sb__buf_reset(&items);
    return p + 1;
}

static const char *put_hex(struct sb_buf *b, const char *p)
{
    struct sb_buf bytes = { 0 };
    unsigned byte;
    for (; *p != '\''; p += 2) {
        assert_int_equal(sscanf(p, "%2x", &byte), 1);
        sb__put_byte(&bytes, (uint8_t)byte);
    }
    sb__put_string(b, SB_MAJOR_BYTES, bytes.ptr, bytes.len);
    sb__buf_reset(&bytes);
    return p + 1;
}

static const char *put_text(struct sb_buf *b, const char *p)
{
    struct sb_buf text = { 0 };
    for (; *p != '"'; p++) {
        if (*p == '\\')
            p++;
        sb__put_byte(&text, (uint8_t)*p);
    }
    sb__put_string(b, SB_MAJOR_TEXT, text.ptr, text.len);
    sb__buf_reset(&text);
    return p + 1;
}

static const char *put_number(struct sb_buf *b, const char *p)
{
    char *end;
    size_t n = strspn(p, "+-0123456789.eEx");
    if (memchr(p, '.', n)) {
        sb__put_float(b, strtod(p, &end));
        return end;
    }
    if (*p == '-') {
        sb__put_head(b, SB_MAJOR_NEGATIVE, strtoull(p + 1, &end, 10) - 1);
        return end;
    }
    uint64_t number = strtoull(p, &end, 10);
    if (end == p)
        fail_msg("bad notation: %s", p);
    if (*end == '(') { /* a tag */
        sb__put_head(b, SB_MAJOR_TAG, number);
        p = put_one(b, blanks(end + 1));
        p = blanks(p);
        assert_int_equal(*p, ')');
        return p + 1;
    }
    sb__put_uint(b, number);
    return end;
}

static const char *put_one(struct sb_buf *b, const char *p)
{
    static const struct {
        const char *word;
        uint8_t byte;
    } words[] = { { "true", SB_CBOR_TRUE },
                  { "false", SB_CBOR_FALSE },
                  { "null", SB_CBOR_NULL },
                  { "undefined", 0xf7 } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp(p, words[i].word, strlen(words[i].word)) == 0) {
            sb__put_byte(b, words[i].byte);
            return p + strlen(words[i].word);
        }
    if (strncmp(p, "NaN", 3) == 0)
        return sb__put_float(b, NAN), p + 3;
    if (strncmp(p, "Infinity", 8) == 0)
        return sb__put_float(b, INFINITY), p + 8;
    if (strncmp(p, "-Infinity", 9) == 0)
        return sb__put_float(b, -INFINITY), p + 9;
    if (*p == '[')
        return put_items(b, p + 1, ']', SB_MAJOR_ARRAY);
    if (*p == '{')
        return put_items(b, p + 1, '}', SB_MAJOR_MAP);
    if (*p == '"')
        return put_text(b, p + 1);
    if (p[0] == 'h' && p[1] == '\'')
        return put_hex(b, p + 2);
    return put_number(b, p);
}

void put_value(struct sb_buf *b, const char *notation)
{
    const char *end = blanks(put_one(b, blanks(notation)));
    if (*end)
        fail_msg("bad notation: %s", end);
    assert_false(b->failed);
}

/* ---- CBOR to notation ------------------------------------------------------------------------ */

struct text {
    char *p;
    size_t left;
};

static void say(struct text *t, const char *f, ...)
{
    va_list args;
    va_start(args, f);
    int n = vsnprintf(t->p, t->left, f, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < t->left);
    t->p += n;
    t->left -= (size_t)n;
}

static void say_string(struct text *t, const uint8_t *p, size_t n)
{
    say(t, "\"");
    for (size_t i = 0; i < n && i < 2000; i++)
        if (p[i] == '\n')
            say(t, "\\n");
        else if (p[i] < 32)
            say(t, "\\x%02x", p[i]);
        else
            say(t, p[i] == '"' || p[i] == '\\' ? "\\%c" : "%c", p[i]);
    say(t, n > 2000 ? "\"..." : "\"");
}

static void say_double(struct text *t, double d)
{
    char s[40];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(s, sizeof s, "%.*g", precision, d);
        if (strtod(s, NULL) == d)
            break;
    }
    if (isnan(d))
        snprintf(s, sizeof s, "NaN");
    else if (isinf(d))
        snprintf(s, sizeof s, d < 0 ? "-Infinity" : "Infinity");
    else if (!strpbrk(s, ".e"))
        strcat(s, ".0");
    say(t, "%s", s);
}

static void say_item(struct text *t, struct sb_reader *r)
{
    struct sb_head h;
    double d;
    assert_true(sb__read_head(r, &h));
    switch (h.major) {
    case SB_MAJOR_UINT:
        say(t, "%llu", (unsigned long long)h.n);
        break;
    case SB_MAJOR_NEGATIVE:
        if (h.n == UINT64_MAX)
            say(t, "-18446744073709551616");
        else
            say(t, "-%llu", (unsigned long long)h.n + 1);
        break;
    case SB_MAJOR_BYTES:
        say(t, "h'");
        for (uint64_t i = 0; i < h.n && i < 1000; i++)
            say(t, "%02x", r->p[i]);
        say(t, "'");
        r->p += h.n;
        break;
    case SB_MAJOR_TEXT:
        assert_true(sb__utf8_valid((const char *)r->p, h.n));
        say_string(t, r->p, h.n);
        r->p += h.n;
        break;
    case SB_MAJOR_ARRAY:
    case SB_MAJOR_MAP:
        say(t, h.major == SB_MAJOR_MAP ? "{" : "[");
        for (uint64_t i = 0; i < h.n; i++) {
            if (i)
                say(t, ", ");
            say_item(t, r);
            if (h.major == SB_MAJOR_MAP) {
                say(t, ": ");
                say_item(t, r);
            }
        }
        say(t, h.major == SB_MAJOR_MAP ? "}" : "]");
        break;
    case SB_MAJOR_TAG:
        say(t, "%llu(", (unsigned long long)h.n);
        say_item(t, r);
        say(t, ")");
        break;
    case SB_MAJOR_SIMPLE:
        if (sb__head_float(&h, &d))
            say_double(t, d);
        else
            say(t, h.info == 20   ? "false"
                   : h.info == 21 ? "true"
                   : h.info == 22 ? "null"
                                  : "undefined");
        break;
    }
}

static void say_error(struct text *t, struct sb_reader *r)
{
    uint64_t n = 0, code = 0, names = 0, id = 0, skipped = 0;
    const char *type = "", *message = "", *trace, *name;
    size_t type_n = 0, message_n = 0, trace_n, name_n;
    assert_true(sb__read_count(r, SB_MAJOR_ARRAY, &n) && n == 7);
    assert_true(sb__read_uint(r, &code));
    assert_true(sb__read_string(r, SB_MAJOR_TEXT, &type, &type_n));
    assert_true(sb__read_string(r, SB_MAJOR_TEXT, &message, &message_n));
    assert_true(sb__read_string(r, SB_MAJOR_TEXT, &trace, &trace_n));
    assert_true(sb__read_count(r, SB_MAJOR_ARRAY, &names));
    for (uint64_t i = 0; i < names; i++)
        assert_true(sb__read_string(r, SB_MAJOR_TEXT, &name, &name_n));
    assert_true(sb__read_uint(r, &id) && sb__read_uint(r, &skipped));
    say(t, "ERROR %d %.*s: %.*s (skipped %d)", (int)code, (int)type_n, type,
        (int)(message_n > 4000 ? 4000 : message_n), message, (int)skipped);
}

const char *describe_answers(struct client *c)
{
    struct text t = { c->text, sizeof c->text };
    *c->text = 0;
    for (size_t at = 0; at < c->answers.len;) {
        struct sb_frame h;
        assert_true(c->answers.len - at >= sizeof h);
        memcpy(&h, c->answers.ptr + at, sizeof h);
        assert_true(h.size >= sizeof h && h.size <= c->answers.len - at);
        assert_int_equal(h.session, c->tag);
        assert_int_equal(h.id, c->seq);
        assert_int_equal(h.segments, 0);
        struct sb_reader r = { .p = c->answers.ptr + at + sizeof h,
                               .end = c->answers.ptr + at + h.size };
        if (at)
            say(&t, "; ");
        if (h.kind == SB_FRAME_REPLY) {
            say(&t, "REPLY ");
            say_item(&t, &r);
        } else if (h.kind == SB_FRAME_ERROR) {
            say_error(&t, &r);
        } else {
            assert_int_equal(h.kind, SB_FRAME_OUTPUT);
            say(&t, "OUT ");
            say_item(&t, &r);
            say(&t, " ");
            say_item(&t, &r);
        }
        assert_null(r.error);
        assert_ptr_equal(r.p, r.end);
        at += h.size;
    }
    return c->text;
}

/* ---- requests -------------------------------------------------------------------------------- */

void begin_frame(struct client *c, uint8_t kind, uint8_t flags, uint64_t id)
{
    c->frame.len = 0;
    struct sb_frame h = { .kind = kind,
                          .flags = flags,
                          .session = c->tag,
                          .epoch = c->epoch,
                          .seq = ++c->seq,
                          .id = id };
    sb__buf_put(&c->frame, &h, sizeof h);
}

int send_frame(struct client *c)
{
    uint32_t size = (uint32_t)c->frame.len;
    memcpy(c->frame.ptr, &size, sizeof size);
    c->answers.len = 0;
    c->rc = c->exchange(c);
    return c->rc;
}

static char *plans[4096];
static uint32_t plan_count;

static uint32_t plan_number(const char *key)
{
    for (uint32_t i = 0; i < plan_count; i++)
        if (strcmp(plans[i], key) == 0)
            return i;
    assert_true(plan_count < sizeof plans / sizeof *plans);
    plans[plan_count] = strdup(key);
    return plan_count++;
}

uint64_t last_id(const struct client *c)
{
    return (uint64_t)c->tag << SB_ID_TAG_SHIFT | c->counter;
}

static void put_definition(struct sb_buf *b, const struct request *r)
{
    sb__put_head(b, SB_MAJOR_ARRAY, 5);
    sb__put_string(b, SB_MAJOR_TEXT, &r->op, 1);
    sb__put_text(b, r->name);
    size_t n = *r->keywords ? 1 : 0;
    for (const char *p = r->keywords; *p; p++)
        n += *p == ',';
    sb__put_head(b, SB_MAJOR_ARRAY, n);
    for (const char *p = r->keywords; n--; p += strcspn(p, ",") + 1)
        sb__put_string(b, SB_MAJOR_TEXT, p, strcspn(p, ","));
    sb__put_text(b, r->result);
    sb__put_bool(b, r->kwargs);
}

const char *request(struct client *c, struct request r)
{
    char key[2000];
    snprintf(key, sizeof key, "%c|%s|%s|%s|%d", r.op, r.name, r.keywords, r.result, r.kwargs);
    uint32_t number = plan_number(key);
    uint8_t flags = r.flags & NO_WAIT ? 0 : SB_FLAG_WAIT;
    flags |= r.flags & (SB_FLAG_ALWAYS | SB_FLAG_DEADLINE);
    bool define = !c->defined[number];
    c->defined[number] = true;
    if (define)
        flags |= SB_FLAG_DEFINE;
    uint64_t id = r.id;
    if (!id && strchr("ovV", *r.result))
        id = (uint64_t)c->tag << SB_ID_TAG_SHIFT | ++c->counter;
    begin_frame(c, SB_FRAME_CALL, flags, id);
    sb__put_uint(&c->frame, number);
    if (define)
        put_definition(&c->frame, &r);
    put_value(&c->frame, r.arguments);
    if (send_frame(c) == 0)
        return describe_answers(c);
    snprintf(c->text, sizeof c->text, "%s %.*s", c->rc == -2 ? "MALFORMED" : "FAILED",
             (int)c->answers.len, c->answers.ptr ? (const char *)c->answers.ptr : "");
    return c->text;
}

const char *run(struct client *c, char op, const char *name, const char *keywords,
                const char *result, const char *arguments)
{
    return request(c, (struct request) { op, name, keywords, result, arguments, .flags = 0 });
}

static void put_escaped(char *to, size_t cap, const char *from)
{
    size_t n = 0;
    for (; *from && n + 2 < cap; from++) {
        if (*from == '"' || *from == '\\')
            to[n++] = '\\';
        to[n++] = *from;
    }
    to[n] = 0;
}

uint64_t make(struct client *c, const char *expression)
{
    char text[4000], args[4200];
    put_escaped(text, sizeof text, expression);
    snprintf(args, sizeof args, "[\"%s\"]", text);
    same(run(c, 'f', "builtins:eval", "", "o", args), "REPLY null");
    return last_id(c);
}

void execute(struct client *c, const char *statements)
{
    char text[4000], args[4200];
    put_escaped(text, sizeof text, statements);
    snprintf(args, sizeof args, "[\"%s\", 39(%llu)]", text,
             (unsigned long long)make(c, "__import__('__main__').__dict__"));
    same(run(c, 'f', "builtins:exec", "", "n", args), "REPLY null");
}

const char *evaluate(struct client *c, const char *expression)
{
    char text[4000], args[4200];
    put_escaped(text, sizeof text, expression);
    snprintf(args, sizeof args, "[\"repr(%s)\", 39(%llu)]", text,
             (unsigned long long)make(c, "__import__('__main__').__dict__"));
    return run(c, 'f', "builtins:eval", "", "s", args);
}

void same_(const char *got, const char *want, const char *file, int line)
{
    if (strcmp(got, want) != 0) {
        print_error("got:  %s\nwant: %s\n", got, want);
        _fail(file, line);
    }
}

const char *format(const char *f, ...)
{
    static char text[8][8192];
    static unsigned next;
    char *p = text[next++ % 8];
    va_list args;
    va_start(args, f);
    int n = vsnprintf(p, sizeof *text, f, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof *text);
    return p;
}

/* ---- in-process ------------------------------------------------------------------------------ */

const char *python_path(void)
{
    const char *path = getenv("SB_TEST_PYTHON");
    return path && *path ? path : "/usr/bin/python3";
}

static char library[4096];
static int minor_version;

static void ask_python(void)
{
    char command[4096];
    snprintf(command, sizeof command,
             "'%s' -c 'import sysconfig as s, sys, os; v = s.get_config_var; "
             "print(os.path.join(v(\"LIBDIR\"), v(\"INSTSONAME\")), sys.version_info[1])'",
             python_path());
    FILE *p = popen(command, "r");
    assert_non_null(p);
    assert_int_equal(fscanf(p, "%4095s %d", library, &minor_version), 2);
    assert_int_equal(pclose(p), 0);
}

int python_minor(void)
{
    if (!minor_version)
        ask_python();
    return minor_version;
}

const struct sb_engine_api *engine(void)
{
    static const struct sb_engine_api *api;
    if (api)
        return api;
    python_minor();
    if (!dlopen(library, RTLD_NOW | RTLD_GLOBAL))
        fail_msg("%s", dlerror());
    void *module = dlopen(SB_TEST_ENGINE, RTLD_NOW);
    if (!module)
        fail_msg("%s", dlerror());
    void *symbol = dlsym(module, "sb_engine_api");
    const struct sb_engine_api *(*find)(uint32_t);
    memcpy(&find, &symbol, sizeof symbol);
    assert_null(find(SB_ENGINE_ABI + 1));
    const struct sb_engine_api *found = find(SB_ENGINE_ABI);
    assert_non_null(found);
    char error[300] = "";
    static const char *const path[] = { SB_TEST_FIXTURES, NULL };
    struct sb_engine_start how = { .program = python_path(), .python_path = path };
    if (found->start(&how, error, sizeof error) != 0)
        fail_msg("%s", error);
    return api = found;
}

static int inprocess_exchange(struct client *c)
{
    const uint8_t *answer;
    size_t size;
    /* A buffer of just this size, so that a sanitizer sees each byte beyond. */
    uint8_t *copy = malloc(c->frame.len ? c->frame.len : 1);
    memcpy(copy, c->frame.ptr, c->frame.len);
    int rc = engine()->request(c->session, copy, c->frame.len, &answer, &size);
    free(copy);
    c->answers.len = 0;
    if (rc != -1) {
        sb__buf_put(&c->answers, answer, size);
        sb__put_byte(&c->answers, 0); /* for a refusal, which is text */
        c->answers.len--;
    }
    return rc;
}

void inprocess_open(struct client *c, uint32_t tag)
{
    *c = (struct client) { .tag = tag, .exchange = inprocess_exchange };
    c->session = engine()->open(tag, NULL, NULL);
    assert_non_null(c->session);
    begin_frame(c, SB_FRAME_OPEN, SB_FLAG_WAIT, 0);
    sb__put_uint(&c->frame, 1);
    assert_int_equal(send_frame(c), 0);
    same(describe_answers(c), "REPLY null");
}

void client_close(struct client *c)
{
    if (c->session) {
        engine()->close(c->session);
    } else {
        begin_frame(c, SB_FRAME_CLOSE, SB_FLAG_WAIT, 0);
        assert_int_equal(send_frame(c), 0);
        same(describe_answers(c), "REPLY null");
    }
    sb__buf_reset(&c->frame);
    sb__buf_reset(&c->answers);
}

bool have_module(const char *name)
{
    struct client *c = calloc(1, sizeof *c);
    inprocess_open(c, 999);
    char args[200];
    snprintf(args, sizeof args, "[\"%s\"]", name);
    bool yes = strncmp(run(c, 'f', "importlib:import_module", "", "n", args), "REPLY", 5) == 0;
    client_close(c);
    free(c);
    return yes;
}
