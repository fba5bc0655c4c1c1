/* SPDX-License-Identifier: MIT
 *
 * Plans: the text of calls, signatures, fields of options, the caches. The registry of plans is the process's; so that
 * tests do not meet, each function here has a name of its own. */
#include "vectors.h"
#include "runtime/plan.c" /* for the registry's own limit */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <cmocka.h>

/* ---- text cases ---- */

/* Reads a case: up to `most` lines in front of an empty one; "-" is an empty text. 0: the end. */
static int next_case(FILE *f, char line[][400], int most, int *at)
{
    int n = 0;
    while (fgets(line[n], 400, f)) {
        ++*at;
        line[n][strcspn(line[n], "\n")] = 0;
        if (*line[n] == '#' && !n)
            continue;
        if (*line[n] && n < most - 1) {
            if (!strcmp(line[n], "-"))
                *line[n] = 0;
            n++;
        } else if (n) {
            break;
        }
    }
    return n;
}

static void join(void *ctx, sb_str name)
{
    char *to = ctx;
    size_t n = strlen(to);
    snprintf(to + n, 400 - n, "%s%.*s", n ? " " : "", (int)name.len, name.ptr);
}

static void given_cases(void **state)
{
    (void)state;
    FILE *f = fopen(SB_TEST_SOURCE "/given.txt", "r");
    assert_non_null(f);
    char line[4][400], got[400];
    int at = 0, cases = 0;
    for (int n; (n = next_case(f, line, 4, &at)); cases++) {
        if (n == 1) { /* "-" alone: no text, no names */
            assert_string_equal(line[0], "");
            *line[1] = 0;
        }
        *got = 0;
        sb__read_given(line[0], join, got);
        if (strcmp(got, line[1]))
            print_error("given.txt:%d: %s\n", at, line[0]);
        assert_string_equal(got, line[1]);
    }
    assert_true(cases > 40);
    fclose(f);
}

#define TEXT(...) "" #__VA_ARGS__
#define SEMICOLON ";"

/* What the preprocessor makes of comments and line ends; what other writers of texts might leave. */
static void given_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *names;
    } cases[] = {
        { TEXT(), "" },
        { TEXT(.sep = SEMICOLON, /* .x = 1, */ .n = 1 // .y = 2,
               ,
               .m = (1, 2)),
          "sep n m" },
        { TEXT(.a = "\",.x = 1\\", .b = '"', .c = 1.5e-3f, .d.e[2] = 1), "a b c d" },
        { ".a = 1,\n.b = 2,\r\n\t.\n c\n=\n3", "a b c" },
        { "\n.a = 1\v,\f.b = 2", "a b" },
        { ".a = \"\n,.x = 1\", .b = 1", "a b" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[400] = "";
        sb__read_given(cases[i].text, join, got);
        assert_string_equal(got, cases[i].names);
    }
}

static void add(char *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(char *to, const char *format, ...)
{
    size_t n = strlen(to);
    va_list ap;
    va_start(ap, format);
    vsnprintf(to + n, 400 - n, format, ap);
    va_end(ap);
}

/* The plan in the words of signatures.txt; checks that definition and head agree with the rest. */
static void show(const struct sb_plan *p, const char *name, char *to)
{
    *to = 0;
    add(to, "%c %u%s %s", p->op, p->fixed, p->star ? "*" : "", p->waits ? "waits" : "sends");
    for (uint32_t i = 0; i < p->count; i++) {
        const struct sb_param *q = &p->params[i];
        add(to, " %.*s:%c%s%c%u", (int)q->name.len, q->name.ptr, q->code, q->optional ? "?" : "",
            q->option ? '@' : '#', q->option ? q->offset : q->slot);
    }
    struct sb_arena arena = { 0 };
    struct sb_chunk_cache cache = { 0 };
    sb_value d;
    assert_null(decode_bytes(&arena, &cache, p->definition.ptr, p->definition.len, &d));
    assert_int_equal(d.kind, SB_LIST_);
    assert_int_equal(d.as.items.len, 5);
    const sb_value *field = d.as.items.ptr;
    assert_int_equal(field[0].as.str.len, 1);
    assert_int_equal(*field[0].as.str.ptr, p->op);
    assert_string_equal(field[1].as.str.ptr, name);
    add(to, " (");
    for (size_t i = 0; i < field[2].as.items.len; i++)
        add(to, "%s%s", i ? " " : "", field[2].as.items.ptr[i].as.str.ptr);
    assert_string_equal(field[3].as.str.ptr, strchr(p->sig, '>') + 1);
    if (field[4].as.b)
        add(to, "%s**", field[2].as.items.len ? " " : "");
    add(to, ") >");
    sb__arena_reset(&arena, &cache);
    sb__chunk_cache_reset(&cache);
    for (uint32_t i = 0; i < p->result_count; i++) {
        add(to, " %c%s", p->result[i].code, p->result[i].optional ? "?" : "");
        if (p->result_struct)
            add(to, "@%u", p->result[i].offset);
    }
    if (p->result_struct)
        add(to, " =%u", p->result_size);
    struct sb_reader r = { p->head, p->head + p->head_size, NULL };
    uint64_t n;
    assert_true(sb__read_uint(&r, &n));
    assert_int_equal(n, p->number);
    if (!p->star) { /* the count is there without its items */
        struct sb_head h = { 0 };
        r.end = p->head + sizeof p->head;
        assert_true(p->fixed > 8 || sb__read_head(&r, &h));
        assert_true(p->fixed > 8 || (h.major == SB_MAJOR_ARRAY && h.n == p->fixed));
    }
}

static void signature_cases(void **state)
{
    (void)state;
    FILE *f = fopen(SB_TEST_SOURCE "/signatures.txt", "r");
    assert_non_null(f);
    char line[4][400], got[400];
    int at = 0, cases = 0;
    for (int n; (n = next_case(f, line, 4, &at)); cases++) {
        assert_int_equal(n, 3);
        sb_fn fn = { "numpy:f", line[0] };
        struct sb_plan_cache c = { 0 };
        struct sb_trouble t = { 0 };
        const struct sb_plan *p = sb__plan_site(&c, &fn, line[1], NULL, &t);
        if (p)
            show(p, fn.name, got);
        else
            snprintf(got, sizeof got, "%s", t.text);
        if (strcmp(got, line[2]))
            print_error("signatures.txt:%d: %s\n", at, line[0]);
        assert_string_equal(got, line[2]);
        assert_int_equal(t.code, p ? SB_OK : SB_E_MISUSE);
        assert_ptr_equal(p, p ? sb__plan_site(&c, &fn, line[1], NULL, &t) : NULL);
        sb__plan_cache_reset(&c);
    }
    assert_true(cases > 70);
    fclose(f);
}

/* Each signature of signatures.txt cut short, and with each byte replaced: a plan or an error. */
static void signatures_damaged(void **state)
{
    (void)state;
    static const char with[] = "\0>|,:=/?{}()@;%azio9";
    FILE *f = fopen(SB_TEST_SOURCE "/signatures.txt", "r");
    assert_non_null(f);
    char line[4][400];
    int at = 0, plans = 0, errors = 0;
    while (next_case(f, line, 4, &at)) {
        size_t n = strlen(line[0]);
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < sizeof with - 1; k++) {
                char *damaged = malloc(n + 1);
                assert_non_null(damaged);
                memcpy(damaged, line[0], n + 1);
                damaged[i] = with[k];
                sb_fn fn = { "numpy:damaged", damaged };
                struct sb_plan_cache c = { 0 };
                struct sb_trouble t = { 0 };
                const struct sb_plan *p = sb__plan_site(&c, &fn, line[1], NULL, &t);
                assert_true(p || (t.code == SB_E_MISUSE && *t.text));
                plans += p != NULL;
                errors += !p;
                sb__plan_cache_reset(&c);
                free(damaged);
            }
    }
    assert_true(plans > 100 && errors > 100);
    fclose(f);
}

static void literals(void **state)
{
    (void)state;
    static const sb_fn fn = {
        "numpy:literals",
        "fe{sleft;snull%3bvalue;s;s%7D%25%2c%7c%3E\xc3\xbc;i-5;i18446744073709551616;b0;b1;n}:a>n"
    };
    struct sb_plan_cache c = { 0 };
    struct sb_trouble t = { 0 };
    const struct sb_plan *p = sb__plan_site(&c, &fn, "", NULL, &t);
    assert_string_equal(t.text, "");
    assert_non_null(p);
    assert_int_equal(p->count, 1);
    assert_int_equal(p->params[0].literal_count, 9);
    static const char *const texts[] = { "left", "null;value", "", "}%,|>\xc3\xbc" };
    struct sb_arena arena = { 0 };
    struct sb_chunk_cache cache = { 0 };
    sb_value v;
    for (size_t i = 0; i < 9; i++) {
        const struct sb_buf *b = &p->params[0].literals[i];
        assert_null(decode_bytes(&arena, &cache, b->ptr, b->len, &v));
        sb_value due = i < 4    ? sb_from_cstr(texts[i])
                       : i == 4 ? sb_from_int(-5)
                       : i == 5 ? sb_from_digits("18446744073709551616")
                       : i == 8 ? SB_NONE
                                : sb_from_bool(i == 7);
        assert_true(same_value(&v, &due));
    }
    sb__arena_reset(&arena, &cache);
    sb__chunk_cache_reset(&cache);
    sb__plan_cache_reset(&c);
}

/* ---- options as structs ---- */

/* A field of each type behind a bool, so that each is aligned anew; as generated headers have it. */
struct fields {
    sb_site site;
    SB_GUARD_(only_by_name_)
    bool b1;
    int64_t i;
    bool b2;
    double d;
    bool b3;
    int e;
    bool b4;
    const char *s;
    bool b5;
    sb_bytes y;
    bool b6;
    sb_object o;
    bool b7;
    sb_value v;
    bool b8, b9;
    sb_value k;
};
static const sb_fn fields_fn = {
    "numpy:fields", "f|b:b1,i:i,b:b2,d:d,b:b3,e{sa;sb}:e,b:b4,s:s,b:b5,y:y,b:b6,o:o,b:b7,v:v,"
                    "b:b8,b:b9,k:k>n"
};
static const struct {
    const char *name;
    size_t offset, size;
} fields[] = {
#define FIELD(f)                                                        \
    {                                                                   \
#f, offsetof(struct fields, f), sizeof(((struct fields *)0)->f) \
    }
    FIELD(b1), FIELD(i), FIELD(b2), FIELD(d),  FIELD(b3), FIELD(e),
    FIELD(b4), FIELD(s), FIELD(b5), FIELD(y),  FIELD(b6), FIELD(o),
    FIELD(b7), FIELD(v), FIELD(b8), FIELD(b9), FIELD(k),
#undef FIELD
};
enum { FIELDS = sizeof fields / sizeof *fields };

static const struct sb_param *find_param(const struct sb_plan *p, const char *name)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (p->params[i].name.len == strlen(name) &&
            !memcmp(p->params[i].name.ptr, name, p->params[i].name.len))
            return &p->params[i];
    return NULL;
}

/* Options filled by hand, without a text: what is not zero is given, byte by byte. */
static void by_hand(void **state)
{
    (void)state;
    struct sb_plan_cache c = { 0 };
    struct sb_trouble t = { 0 };
    struct fields o = { 0 };
    const struct sb_plan *none = sb__plan_site(&c, &fields_fn, NULL, &o, &t);
    assert_non_null(none);
    assert_int_equal(none->count, 0);
    assert_ptr_equal(none, sb__plan_site(&c, &fields_fn, NULL, NULL, &t));
    assert_ptr_equal(none, sb__plan_site(&c, &fields_fn, "", &o, &t));
    for (size_t i = 0; i < FIELDS; i++)
        for (size_t at = 0; at<fields[i].size; at += fields[i].size> 1 ? fields[i].size - 1 : 1) {
            memset(&o, 0, sizeof o);
            ((char *)&o)[fields[i].offset + at] = 1;
            const struct sb_plan *p = sb__plan_site(&c, &fields_fn, NULL, &o, &t);
            assert_non_null(p);
            assert_int_equal(p->count, 1);
            const struct sb_param *q = find_param(p, fields[i].name);
            assert_non_null(q);
            assert_int_equal(q->offset, fields[i].offset);
            assert_int_equal(q->size, fields[i].size);
            char text[20];
            snprintf(text, sizeof text, ".%s = 1", fields[i].name);
            struct sb_plan_cache other = { 0 };
            assert_ptr_equal(p, sb__plan_site(&other, &fields_fn, text, NULL, &t));
            sb__plan_cache_reset(&other);
        }
    memset(&o, 1, sizeof o);
    const struct sb_plan *all = sb__plan_site(&c, &fields_fn, NULL, &o, &t);
    assert_non_null(all);
    assert_int_equal(all->count, FIELDS);
    for (size_t i = 0; i < FIELDS; i++)
        assert_int_equal(find_param(all, fields[i].name)->offset, fields[i].offset);
    assert_string_equal(t.text, "");
    sb__plan_cache_reset(&c);
}

static void struct_results(void **state)
{
    (void)state;
    struct result {
        bool b1;
        int64_t i;
        bool b2;
        double d;
        bool b3;
        int e;
        bool b4;
        sb_str s;
        bool b5;
        sb_bytes y;
        bool b6;
        sb_object o;
        bool b7;
        sb_value v;
        bool b8, b9;
    };
    static const size_t offsets[] = {
#define AT(f) offsetof(struct result, f)
        AT(b1), AT(i), AT(b2), AT(d), AT(b3), AT(e), AT(b4), AT(s),
        AT(b5), AT(y), AT(b6), AT(o), AT(b7), AT(v), AT(b8), AT(b9),
#undef AT
    };
    static const sb_fn fn = { "numpy:result", "f>(b,i,b,d,b,e{sa},b,s,b,y,b,o,b,v,b,b)" };
    struct sb_plan_cache c = { 0 };
    struct sb_trouble t = { 0 };
    const struct sb_plan *p = sb__plan_site(&c, &fn, "", NULL, &t);
    assert_non_null(p);
    assert_int_equal(p->result_count, sizeof offsets / sizeof *offsets);
    for (size_t i = 0; i < p->result_count; i++)
        assert_int_equal(p->result[i].offset, offsets[i]);
    assert_int_equal(p->result_size, sizeof(struct result));
    sb__plan_cache_reset(&c);
}

/* More parameters than the grammar allows are an error, as many as it allows are not. */
static void many_params(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct sb_buf sig = { 0 };
        sb__put_byte(&sig, 'f');
        for (int i = 0; i < 4096 + over; i++) {
            char p[20];
            sb__buf_put(&sig, p, (size_t)snprintf(p, sizeof p, "%si:p%d", i ? "," : "", i));
        }
        sb__buf_put(&sig, ">n", 3);
        struct sb_plan_cache c = { 0 };
        struct sb_trouble t = { 0 };
        const struct sb_plan *p =
            sb__plan_site(&c, &(sb_fn) { "numpy:many", (char *)sig.ptr }, "", NULL, &t);
        assert_int_equal(p ? p->count : 0, over ? 0 : 4096);
        assert_int_equal(t.code, over ? SB_E_MISUSE : SB_OK);
        sb__plan_cache_reset(&c);
        sb__buf_reset(&sig);
    }
}

/* ---- caches ---- */

static size_t allocations;
static void *count(void *ptr, size_t size, void *user)
{
    (void)user;
    __atomic_fetch_add(&allocations, size != 0, __ATOMIC_RELAXED);
    if (size)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

enum { SITES = 10000 };

static void many_sites(void **state)
{
    (void)state;
    static sb_fn fn[SITES];
    static char names[SITES][24];
    static const struct sb_plan *plans[SITES];
    struct sb_plan_cache c = { 0 };
    struct sb_trouble t = { 0 };
    for (int i = 0; i < SITES; i++) {
        snprintf(names[i], sizeof names[i], "numpy:site%d", i);
        fn[i] = (sb_fn) { names[i], "fi:a|i:n>i" };
        plans[i] = sb__plan_site(&c, &fn[i], i % 2 ? ".n = 1" : "", NULL, &t);
        assert_non_null(plans[i]);
        assert_string_equal(plans[i]->name, names[i]);
        assert_int_equal(plans[i]->count, 1 + i % 2);
        assert_true(!i || plans[i]->number == plans[i - 1]->number + 1);
    }
    size_t before = allocations;
    for (int i = 0; i < SITES; i++)
        assert_ptr_equal(plans[i], sb__plan_site(&c, &fn[i], i % 2 ? ".n = 1" : "", NULL, &t));
    assert_int_equal(allocations, before); /* each was found in the cache */
    assert_true(c.mask < SITES * 16);
    struct sb_plan_cache other = { 0 }; /* of another session: the same plans */
    for (int i = 0; i < SITES; i++)
        assert_ptr_equal(plans[i], sb__plan_site(&other, &fn[i], i % 2 ? ".n = 1" : "", NULL, &t));
    sb__plan_cache_reset(&other);
    sb__plan_cache_reset(&c);
}

/* Sites whose addresses have one hash, in a table of any size. */
static void colliding_sites(void **state)
{
    (void)state;
    enum { N = 8, STEP = 1 << 21 };
    static const char spaces[64] =
        "                                                               ";
    char *memory = mmap(NULL, (N + 8) * (size_t)STEP, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    char *base = memory + (-(uintptr_t)memory & (N * (uintptr_t)STEP - 1));
    const char *given = spaces + (-(uintptr_t)spaces & (N - 1));
    static char names[N][24];
    struct sb_plan_cache c = { 0 };
    struct sb_trouble t = { 0 };
    const struct sb_plan *plans[N] = { 0 };
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < N; i++) {
            sb_fn *fn = (sb_fn *)(void *)(base + i * (ptrdiff_t)STEP);
            snprintf(names[i], sizeof names[i], "numpy:collides%d", i);
            *fn = (sb_fn) { names[i], "f>i" };
            assert_int_equal(sb__site_hash(fn, given + i), sb__site_hash(base, given));
            const struct sb_plan *p = sb__plan_site(&c, fn, given + i, NULL, &t);
            assert_non_null(p);
            assert_string_equal(p->name, names[i]);
            assert_true(!plans[i] || plans[i] == p);
            plans[i] = p;
        }
    assert_true(c.mask < 4096);
    sb__plan_cache_reset(&c);
    munmap(memory, (N + 8) * (size_t)STEP);
}

/* Another library at the addresses of one that was unloaded. */
static void addresses_used_again(void **state)
{
    (void)state;
    sb_fn fn = { "numpy:before", "f>i" };
    struct sb_plan_cache c = { 0 };
    struct sb_trouble t = { 0 };
    assert_string_equal(sb__plan_site(&c, &fn, "", NULL, &t)->name, "numpy:before");
    fn.name = "numpy:after";
    assert_string_equal(sb__plan_site(&c, &fn, "", NULL, &t)->name, "numpy:after");
    fn.sig = "f>d";
    assert_int_equal(sb__plan_site(&c, &fn, "", NULL, &t)->result[0].code, 'd');
    assert_int_equal(c.used, 1);
    sb__plan_cache_reset(&c);
}

/* ---- calls by name ---- */

static const struct sb_plan *named(struct sb_plan_cache *c, const char *name, const char *result,
                                   sb_args args)
{
    struct sb_trouble t = { 0 };
    const struct sb_plan *p = sb__plan_dynamic(c, 'f', name, result, args, &t);
    assert_non_null(p);
    assert_int_equal(t.code, SB_OK);
    return p;
}

static void dynamic(void **state)
{
    (void)state;
    struct sb_plan_cache c = { 0 }, other = { 0 };
    const sb_value list[] = { SB(1), SB_KW("axis", 0), SB(2), SB_KW("keep", 1) };
    const sb_value swapped[] = { SB_KW("keep", 1), SB_KW("axis", 0) };
    const sb_value joined[] = { SB_KW("axisk", 1), SB_KW("eep", 0) };
    const char *name = "numpy.dynamic";
    sb_args all = { list, 6 };
    const struct sb_plan *p = named(&c, name, "v", all);
    assert_true(p->star && p->waits);
    struct sb_arena arena = { 0 };
    struct sb_chunk_cache cache = { 0 };
    sb_value d;
    assert_null(decode_bytes(&arena, &cache, p->definition.ptr, p->definition.len, &d));
    const sb_value *field = d.as.items.ptr;
    assert_string_equal(field[0].as.str.ptr, "f");
    assert_string_equal(field[1].as.str.ptr, name);
    assert_int_equal(field[2].as.items.len, 2);
    assert_string_equal(field[2].as.items.ptr[0].as.str.ptr, "axis");
    assert_string_equal(field[2].as.items.ptr[1].as.str.ptr, "keep");
    assert_string_equal(field[3].as.str.ptr, "v");
    assert_false(field[4].as.b);
    sb__arena_reset(&arena, &cache);
    sb__chunk_cache_reset(&cache);

    size_t before = allocations;
    assert_ptr_equal(p, named(&c, name, "v", all));
    assert_int_equal(allocations, before);
    assert_ptr_equal(p, named(&other, name, "v", all));
    /* Name, result, keywords, their order and their ends tell plans apart; values do not. */
    assert_ptr_equal(p, named(&c, name, "v", (sb_args) { list + 1, 5 }));
    assert_ptr_not_equal(p, named(&c, name, "V", all));
    assert_ptr_not_equal(p, named(&c, "numpy.dynamic2", "v", all));
    assert_ptr_not_equal(p, named(&c, name, "v", (sb_args) { list, 1 }));
    assert_ptr_not_equal(p, named(&c, name, "v", (sb_args) { list, 3 }));
    assert_ptr_not_equal(p, named(&c, name, "v", (sb_args) { swapped, 4 }));
    assert_ptr_not_equal(p, named(&c, name, "v", (sb_args) { joined, 4 }));
    sb__plan_cache_reset(&other);
    sb__plan_cache_reset(&c);
}

/* What the engine would take for nonsense is refused here, with its place. */
static void wrong_dynamic(void **state)
{
    (void)state;
    const char *latin = "m\xfcller";
    const sb_value twice[] = { SB_KW("n", 1), SB_KW("m", 1), SB_KW("n", 2) };
    const sb_value unnamed[] = { SB_KW("", 1) }, missing[] = { SB_KW(NULL, 1) };
    const sb_value no_text[] = { SB_KW(latin, 1) };
    const struct {
        char op;
        const char *name;
        sb_args args;
        sb_code code;
    } cases[] = {
        { 'f', "", { NULL, 0 }, SB_E_MISUSE },       { 'f', ".a", { NULL, 0 }, SB_E_MISUSE },
        { 'f', "a.", { NULL, 0 }, SB_E_MISUSE },     { 'c', "a..b", { NULL, 0 }, SB_E_MISUSE },
        { 'f', latin, { NULL, 0 }, SB_E_TYPE },      { 'f', "a.b", { twice, 6 }, SB_E_MISUSE },
        { 'f', "a.b", { unnamed, 2 }, SB_E_MISUSE }, { 'f', "a.b", { missing, 2 }, SB_E_MISUSE },
        { 'f', "a.b", { no_text, 2 }, SB_E_MISUSE },
    };
    struct sb_plan_cache c = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sb_trouble t = { 0 };
        assert_null(sb__plan_dynamic(&c, cases[i].op, cases[i].name, "v", cases[i].args, &t));
        assert_int_equal(t.code, cases[i].code);
        assert_true(*t.text != 0);
    }
    sb__plan_cache_reset(&c);
}

/* A program that makes names without end is told so; the plans that there are go on. */
static void too_many_plans(void **state)
{
    (void)state;
    static const sb_fn fn = { "numpy:one_too_many", "fi:a>i" }, old = { "numpy:old", "fi:a>i" };
    struct sb_plan_cache c = { 0 };
    struct sb_trouble t = { 0 };
    const struct sb_plan *p = sb__plan_site(&c, &old, "", NULL, &t);
    assert_non_null(p);
    sb__plan_cache_reset(&c);
    uint32_t count = registry.count;
    registry.count = MAX_PLANS;
    assert_null(sb__plan_site(&c, &fn, "", NULL, &t));
    assert_int_equal(t.code, SB_E_LIMIT);
    assert_string_equal(t.text, "more than 1048576 different calls in one program");
    assert_ptr_equal(sb__plan_site(&c, &old, "", NULL, &t), p);
    registry.count = count;
    t.code = SB_OK;
    assert_non_null(sb__plan_site(&c, &fn, "", NULL, &t));
    sb__plan_cache_reset(&c);
}

static void many_dynamic(void **state)
{
    (void)state;
    static const struct sb_plan *plans[SITES];
    struct sb_plan_cache c = { 0 };
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < SITES; i++) {
            char name[30], keyword[30];
            snprintf(name, sizeof name, "numpy.many%d", i / 2);
            snprintf(keyword, sizeof keyword, "k%d", i);
            sb_value args[] = { SB_KW(keyword, i) };
            const struct sb_plan *p = named(&c, name, "v", (sb_args) { args, i % 2 ? 2 : 0 });
            assert_string_equal(p->name, name);
            if (round)
                assert_ptr_equal(p, plans[i]);
            plans[i] = p;
        }
    assert_true(c.dynamic_mask < SITES * 8);
    sb__plan_cache_reset(&c);
}

/* ---- threads ---- */

enum { THREADS = 4, SHARED = 500 };
static sb_fn shared_fn[SHARED];
static char shared_names[SHARED][24];
struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    const struct sb_plan *site[SHARED], *named[SHARED];
};

static void *make_plans(void *arg)
{
    struct worker *w = arg;
    struct sb_plan_cache c = { 0 };
    struct sb_trouble t = { 0 };
    pthread_barrier_wait(w->start);
    for (int i = 0; i < SHARED; i++) {
        sb_value args[] = { SB_KW("n", 1) };
        w->site[i] = sb__plan_site(&c, &shared_fn[i], ".n = 1", NULL, &t);
        w->named[i] = sb__plan_dynamic(&c, 'f', shared_fn[i].name, "v", (sb_args) { args, 2 }, &t);
        if (!w->site[i] || w->site[i]->count != 1 || !w->named[i] || !w->named[i]->number)
            break; /* what is missing shows below */
    }
    sb__plan_cache_reset(&c);
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    static struct worker w[THREADS];
    pthread_barrier_t start;
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (int i = 0; i < SHARED; i++) {
        snprintf(shared_names[i], sizeof shared_names[i], "numpy:shared%d", i);
        shared_fn[i] = (sb_fn) { shared_names[i], "f|i:n>i" };
    }
    for (int i = 0; i < THREADS; i++) {
        w[i].start = &start;
        assert_int_equal(pthread_create(&w[i].thread, NULL, make_plans, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(w[i].thread, NULL);
    for (int k = 0; k < SHARED; k++) {
        assert_non_null(w[0].site[k]);
        assert_non_null(w[0].named[k]);
        for (int i = 1; i < THREADS; i++) {
            assert_ptr_equal(w[i].site[k], w[0].site[k]);
            assert_ptr_equal(w[i].named[k], w[0].named[k]);
        }
    }
    pthread_barrier_destroy(&start);
}

int main(void)
{
    sb__set_resize(count, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_cases),
        cmocka_unit_test(given_texts),
        cmocka_unit_test(signature_cases),
        cmocka_unit_test(signatures_damaged),
        cmocka_unit_test(literals),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(struct_results),
        cmocka_unit_test(many_params),
        cmocka_unit_test(many_sites),
        cmocka_unit_test(colliding_sites),
        cmocka_unit_test(addresses_used_again),
        cmocka_unit_test(dynamic),
        cmocka_unit_test(wrong_dynamic),
        cmocka_unit_test(many_dynamic),
        cmocka_unit_test(too_many_plans),
        cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests_name("core.plan", tests, NULL, NULL);
}
