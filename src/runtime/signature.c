/* SPDX-License-Identifier: MIT
 *
 * What plans are made from: the text of a call, and the signature's grammar (snakebridge_gen.h). See signature.h. */
#include "runtime/signature.h"

enum { MAX_PARAMS = 4096 };

/* ---- the text of a call ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           (unsigned char)c >= 0x80;
}
static const char *skip_space(const char *p)
{
    while (*p == ' ' || (*p >= '\t' && *p <= '\r'))
        p++;
    return p;
}

static const char *skip_quoted(const char *p)
{
    char quote = *p++;
    while (*p && *p != quote)
        p += *p == '\\' && p[1] ? 2 : 1;
    return *p ? p + 1 : p;
}

/* A raw string of C++, R"x(...)x", from its quote on: nothing in it is what it seems. */
static const char *skip_raw(const char *p)
{
    const char *open = strchr(p, '(');
    size_t n = open ? (size_t)(open - p) - 1 : 0;
    for (const char *q = open; q && (q = strchr(q, ')')); q++)
        if (!strncmp(q + 1, p + 1, n) && q[n + 1] == '"')
            return q + n + 2;
    return p + strlen(p);
}

/* A name or a number, which may hold points, signs (1e-5) and, since C++14 and C23, quotes (1'000). */
static const char *skip_word(const char *p)
{
    const char *word = p;
    bool number = is_digit(*p);
    while (is_name(*p) || (number && (*p == '.' || (*p == '\'' && is_name(p[1])) ||
                                      ((*p == '+' || *p == '-') && strchr("eEpP", p[-1])))))
        p++;
    if (*p == '"' && !number && p[-1] == 'R' && (p - word == 1 || strchr("uUL8", p[-2])))
        return skip_raw(p);
    return p;
}

bool sb__read_given(const char *text, void (*found)(void *ctx, sb_str name), void *ctx)
{
    int depth = 0;
    bool start = true; /* of an initialiser */
    bool named = true; /* all of them */
    if (*text == *SB_LATER_)
        text++;
    for (const char *p = skip_space(text); *p; p = skip_space(p)) {
        bool designator = *p == '.' && start && depth == 0;
        named = named && (!start || *p == '.' || *p == ',');
        start = *p == ',' && depth == 0;
        if (designator) {
            const char *name = skip_space(p + 1);
            p = is_digit(*name) ? name : skip_word(name);
            sb_str s = { name, (size_t)(p - name) };
            p = skip_space(p);
            if (s.len && (*p == '=' || *p == '.' || *p == '[')) /* .a.b = 1 sets .a, too */
                found(ctx, s);
        } else if (*p == '"' || *p == '\'') {
            p = skip_quoted(p);
        } else if (is_name(*p)) {
            p = skip_word(p);
        } else {
            depth += (*p == '(' || *p == '[' || *p == '{') - (*p == ')' || *p == ']' || *p == '}');
            p++;
        }
    }
    return named;
}

/* ---- the signature ---- */

static bool bad(struct sb_signature *s)
{
    s->failed = true;
    return false;
}

static int hex_digit(char c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Appends `n` bytes of percent-encoded text, decoded. */
static bool unescape(struct sb_buf *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '%') {
            sb__put_byte(out, (uint8_t)p[i]);
            continue;
        }
        if (n - i < 3 || hex_digit(p[i + 1]) < 0 || hex_digit(p[i + 2]) < 0)
            return false;
        sb__put_byte(out, (uint8_t)(hex_digit(p[i + 1]) << 4 | hex_digit(p[i + 2])));
        i += 2;
    }
    return true;
}

static bool parse_literal(struct sb_signature *s, struct sb_buf *out, const char *p, size_t n)
{
    struct sb_buf text = { 0 };
    struct sb_trouble t = { 0 };
    bool ok = n && unescape(&text, p + 1, n - 1);
    s->no_memory = s->no_memory || text.failed;
    const char *bytes = text.len ? (const char *)text.ptr : "";
    switch (ok && !text.failed ? *p : 0) {
    case 's':
        ok = sb__utf8_valid(bytes, text.len);
        sb__put_string(out, SB_MAJOR_TEXT, bytes, text.len);
        break;
    case 'i':
        ok = sb__encode_digits(out, (sb_str) { bytes, text.len }, &t);
        s->no_memory = s->no_memory || t.code == SB_E_MEMORY;
        break;
    case 'b':
        ok = text.len == 1 && (*bytes == '0' || *bytes == '1');
        sb__put_bool(out, *bytes == '1');
        break;
    case 'n':
        ok = !text.len;
        sb__put_null(out);
        break;
    default:
        ok = false;
    }
    sb__buf_reset(&text);
    s->no_memory = s->no_memory || out->failed;
    return (ok && !s->no_memory) || bad(s);
}

static bool parse_literals(struct sb_signature *s, struct sb_param *q, const char *p,
                           const char *end)
{
    uint32_t n = 1;
    for (const char *c = p; c < end; c++)
        n += *c == ';';
    q->literals = sb__calloc(n * sizeof *q->literals);
    if (!q->literals)
        return s->no_memory = true, bad(s);
    while (q->literal_count < n) {
        const char *stop = memchr(p, ';', (size_t)(end - p));
        if (!stop)
            stop = end;
        if (!parse_literal(s, &q->literals[q->literal_count++], p, (size_t)(stop - p)))
            return false;
        p = stop + (stop < end);
    }
    return true;
}

/* code [ "?" ] [ "{" detail "}" ] */
static bool parse_type(struct sb_signature *s, struct sb_param *q)
{
    static const char codes[] = "idbsyeovakn";
    q->code = *s->p;
    if (!*s->p || !strchr(codes, *s->p))
        return bad(s);
    s->p++;
    if (*s->p == '?') {
        q->optional = true;
        s->p++;
    }
    if (*s->p == '{') {
        const char *detail = ++s->p, *end = strchr(detail, '}');
        if (!end)
            return bad(s);
        s->p = end + 1;
        if (q->code == 'e')
            return parse_literals(s, q, detail, end);
    }
    return q->code != 'e' || bad(s); /* an enum of nothing */
}

static uint32_t code_size(char code)
{
    switch (code) {
    case 'b':
        return sizeof(bool);
    case 'e':
        return sizeof(int);
    case 's':
        return sizeof(const char *);
    case 'y':
        return sizeof(sb_bytes);
    case 'v':
    case 'k':
        return sizeof(sb_value);
    case 'n':
        return 0;
    default:
        return 8;
    }
}
static uint32_t code_align(char code)
{
    return code == 'b' ? _Alignof(bool) : code == 'e' ? _Alignof(int) : 8;
}
static uint32_t place_field(uint32_t *at, uint32_t size, uint32_t align)
{
    uint32_t offset = (*at + align - 1) & ~(align - 1);
    *at = offset + size;
    return offset;
}

static sb_str parse_name(struct sb_signature *s)
{
    const char *p = s->p;
    while (is_name(*s->p))
        s->p++;
    return (sb_str) { p, (size_t)(s->p - p) };
}

static bool parse_params(struct sb_signature *s, bool options)
{
    uint32_t offset = sizeof(sb_site);
    for (bool first = true; *s->p && *s->p != '>' && *s->p != '|'; first = false) {
        if (!first && *s->p++ != ',')
            return bad(s);
        if (s->count == MAX_PARAMS)
            return bad(s);
        struct sb_param *more = sb__resize(s->params, (s->count + 1) * sizeof *more);
        if (!more)
            return s->no_memory = true, bad(s);
        s->params = more;
        struct sb_param *q = &more[s->count++];
        *q = (struct sb_param) { .keyword = options };
        if (*s->p == '=') {
            q->keyword = true;
            s->p++;
        } else if (*s->p == '/' && options) {
            q->keyword = false;
            q->by_place = true;
            s->p++;
        }
        if (!parse_type(s, q) || *s->p++ != ':')
            return bad(s);
        q->name = q->field = parse_name(s);
        if (*s->p == '@') {
            s->p++;
            q->field = parse_name(s);
        }
        if (!q->name.len || !q->field.len || q->code == 'n' || q->code == (options ? 'a' : 'k'))
            return bad(s);
        for (uint32_t i = 0; i + 1 < s->count; i++) /* one *args, one **kwargs */
            if ((q->code == 'a' || q->code == 'k') && more[i].code == q->code)
                return bad(s);
        q->size = code_size(q->code);
        if (options)
            q->offset = place_field(&offset, q->size, code_align(q->code));
        if (q->code == 'k' || q->code == 'a')
            q->keyword = false;
    }
    return true;
}

static bool parse_result(struct sb_signature *s)
{
    struct sb_plan *plan = s->plan;
    plan->result_struct = *s->p == '(';
    uint32_t at = 0, align = 1;
    s->p += plan->result_struct;
    do {
        struct sb_param q = { 0 };
        bool ok = parse_type(s, &q);
        for (uint32_t i = 0; i < q.literal_count; i++)
            sb__buf_reset(&q.literals[i]);
        sb__free(q.literals);
        if (!ok)
            return false;
        if (q.code == 'a' || q.code == 'k' || (q.code == 'n' && plan->result_struct))
            return bad(s);
        struct sb_result_type *more =
            sb__resize(plan->result, (plan->result_count + 1) * sizeof *more);
        if (!more)
            return s->no_memory = true, bad(s);
        plan->result = more;
        uint32_t size = q.code == 's' ? (uint32_t)sizeof(sb_str) : code_size(q.code);
        if (code_align(q.code) > align)
            align = code_align(q.code);
        more[plan->result_count++] = (struct sb_result_type) {
            .code = q.code,
            .optional = q.optional,
            .size = size,
            .offset = place_field(&at, size, code_align(q.code)),
        };
    } while (plan->result_struct && *s->p == ',' && s->p++);
    if (plan->result_struct && *s->p++ != ')')
        return bad(s);
    plan->result_size = (at + align - 1) & ~(align - 1);
    return !*s->p || bad(s);
}

bool sb__result_member(const char **sig, uint32_t *at, struct sb_result_type *member)
{
    const char *p = *sig;
    char code = *p;
    if (!code || code == ')')
        return false;
    p += 1 + (p[1] == '?');
    if (*p == '{') /* no brace in it: that would be percent-encoded */
        p += strcspn(p, "}") + 1;
    *sig = p + (*p == ',');
    uint32_t size = code == 's' ? (uint32_t)sizeof(sb_str) : code_size(code);
    *member = (struct sb_result_type) { .code = code,
                                        .size = size,
                                        .offset = place_field(at, size, code_align(code)) };
    return true;
}

bool sb__signature_read(struct sb_signature *s)
{
    struct sb_plan *plan = s->plan;
    if (!*s->p || !strchr("fmgscx", *s->p))
        return false;
    plan->op = *s->p++;
    bool ok = parse_params(s, false);
    s->required = s->count;
    if (s->count < (plan->op == 's' ? 2u : plan->op != 'f' && plan->op != 'c'))
        ok = false;
    if (ok && *s->p == '|') {
        s->p++;
        ok = parse_params(s, true);
    }
    return ok && *s->p == '>' && s->p++ && parse_result(s);
}
