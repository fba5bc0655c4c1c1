/* SPDX-License-Identifier: MIT
 *
 * sb_explain: finds the row of the table that knows the message, takes its fields out, fills in its texts. Messages are
 * hostile: nothing here takes more than a bounded time, whatever they hold. */
#include "runtime/explain.h"
#include "runtime/detail.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const kinds[] = {
#define KIND(name, number, text) [number] = text,
    SB_WHYS_(KIND)
#undef KIND
};

/* ---- texts and fields ---- */

char *sb__explain_copy(struct sb_explainer *x, const char *s, size_t n)
{
    char *to = x->alloc(x->ctx, n + 1);
    if (!to) {
        x->failed = true;
        return NULL;
    }
    if (n)
        memcpy(to, s, n);
    to[n] = 0;
    return to;
}

static const char *print(struct sb_explainer *x, const char *format, va_list ap)
{
    char text[1024];
    int n = vsnprintf(text, sizeof text, format, ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    while (len && !sb__utf8_valid(text, len)) /* cut within a character */
        len--;
    const char *s = sb__explain_copy(x, text, len);
    return s ? s : "";
}

const char *sb__explain_print(struct sb_explainer *x, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    const char *s = print(x, format, ap);
    va_end(ap);
    return s;
}

static const sb_error_field *field(const struct sb_explainer *x, const char *name, size_t n)
{
    for (size_t i = 0; i < x->fields_len; i++)
        if (strlen(x->fields[i].name) == n && !memcmp(x->fields[i].name, name, n))
            return &x->fields[i];
    return NULL;
}

const char *sb__explain_get(const struct sb_explainer *x, const char *name)
{
    const sb_error_field *f = field(x, name, strlen(name));
    return f ? f->text : "";
}

void sb__explain_put(struct sb_explainer *x, const char *name, const char *text)
{
    sb_error_field *f = (sb_error_field *)(void *)(uintptr_t)field(x, name, strlen(name));
    if (f)
        f->text = text;
    else if (x->fields_len < SB_EXPLAIN_FIELDS)
        x->fields[x->fields_len++] = (sb_error_field) { name, text };
}

void sb__explain_set(struct sb_explainer *x, const char *name, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    sb__explain_put(x, name, print(x, format, ap));
    va_end(ap);
}

void sb__explain_suggest(struct sb_explainer *x, const char *format, ...)
{
    if (x->suggestions_len == SB_EXPLAIN_SUGGESTIONS)
        return;
    va_list ap;
    va_start(ap, format);
    x->suggestions[x->suggestions_len++] = print(x, format, ap);
    va_end(ap);
}

/* A text of the table with its fields filled in; NULL if one is not there. */
static const char *fill(struct sb_explainer *x, const char *template)
{
    struct sb_buf b = { 0 };
    bool whole = true;
    for (const char *p = template; *p;) {
        size_t n = strcspn(p, "{");
        sb__buf_put(&b, p, n);
        p += n;
        if (!*p)
            break;
        size_t name = strcspn(p + 1, "}");
        const sb_error_field *f = field(x, p + 1, name);
        if (f)
            sb__buf_put(&b, f->text, strlen(f->text));
        else
            whole = false;
        p += name + 1 + (p[name + 1] == '}');
    }
    const char *s = whole && !b.failed ? sb__explain_copy(x, (const char *)b.ptr, b.len) : NULL;
    if (b.failed)
        x->failed = true;
    sb__buf_reset(&b);
    return s;
}

/* ---- what the engine knows ---- */

static const char *text_of(const sb_value *v)
{
    return v->kind == SB_STR_ ? v->as.str.ptr : "";
}

static bool read_operands(struct sb_explainer *x, const sb_value *v, struct sb_operand **out,
                          size_t *len)
{
    size_t n = v->kind == SB_TUPLE_ ? v->as.items.len : 0;
    *len = 0;
    *out = n ? x->alloc(x->ctx, n * sizeof **out) : NULL;
    for (size_t i = 0; *out && i < n; i++) {
        const sb_value *one = &v->as.items.ptr[i];
        if (one->kind != SB_TUPLE_ || one->as.items.len != 5)
            return false;
        const sb_value *p = one->as.items.ptr;
        (*out)[(*len)++] = (struct sb_operand) { text_of(&p[0]), text_of(&p[1]), text_of(&p[2]),
                                                 text_of(&p[3]), text_of(&p[4]) };
    }
    return true;
}

static bool ask_engine(struct sb_explainer *x)
{
    sb_value v;
    if (!sb__detail_ask(x->py, x->error->exception, "call", 0, &v) || v.kind != SB_TUPLE_ ||
        v.as.items.len != 3)
        return false;
    const sb_value *part = v.as.items.ptr;
    size_t n = part[0].kind == SB_TUPLE_ ? part[0].as.items.len : 0;
    x->parameters = n ? x->alloc(x->ctx, n * sizeof *x->parameters) : NULL;
    for (size_t i = 0; x->parameters && i < n; i++)
        x->parameters[x->parameters_len++] = text_of(&part[0].as.items.ptr[i]);
    return read_operands(x, &part[1], &x->operands, &x->operands_len) &&
           read_operands(x, &part[2], &x->near, &x->near_len);
}

bool sb__explain_ask(struct sb_explainer *x)
{
    if (!x->asked && x->ask) {
        x->asked = true;
        x->ask(x);
    }
    return x->operands_len || x->near_len || x->parameters_len;
}

/* ---- putting it together ---- */

static bool matches(struct sb_explainer *x, const struct sb_mistake *m,
                    bool (*is_a)(void *ctx, const char *name, size_t n), void *ctx)
{
    bool class_fits = !m->classes;
    for (const char *c = m->classes; c && !class_fits;) {
        size_t n = strcspn(c, "|");
        class_fits = is_a(ctx, c, n);
        c += n;
        c = *c ? c + 1 : NULL;
    }
    x->fields_len = 0;
    return class_fits && (!m->message || sb__explain_match(x, m->message));
}

/* All of it, for people. */
static const char *whole(struct sb_explainer *x, const char *kind)
{
    struct sb_buf b = { 0 };
    const char *const rows[][2] = { { "  found:    ", x->found }, { "  expected: ", x->expected } };
    sb__buf_put(&b, "explained: ", strlen("explained: "));
    sb__buf_put(&b, kind, strlen(kind));
    sb__buf_put(&b, ": ", 2);
    sb__buf_put(&b, x->summary, strlen(x->summary));
    sb__buf_put(&b, "\n", 1);
    for (size_t i = 0; i < 2; i++)
        if (*rows[i][1]) {
            sb__buf_put(&b, rows[i][0], strlen(rows[i][0]));
            sb__buf_put(&b, rows[i][1], strlen(rows[i][1]));
            sb__buf_put(&b, "\n", 1);
        }
    for (size_t i = 0; i < x->suggestions_len; i++) {
        char label[32];
        snprintf(label, sizeof label, i ? "            %zu. " : "  try:      %zu. ", i + 1);
        sb__buf_put(&b, label, strlen(label));
        sb__buf_put(&b, x->suggestions[i], strlen(x->suggestions[i]));
        sb__buf_put(&b, "\n", 1);
    }
    const char *s = b.failed ? NULL : sb__explain_copy(x, (const char *)b.ptr, b.len);
    x->failed = x->failed || b.failed;
    sb__buf_reset(&b);
    return s ? s : "";
}

static void *duplicate(struct sb_explainer *x, const void *from, size_t size)
{
    void *to = x->alloc(x->ctx, size ? size : 1);
    if (!to)
        x->failed = true;
    else if (size)
        memcpy(to, from, size);
    return to;
}

const sb_explanation *sb__explain_error(struct sb_explainer *x,
                                        bool (*is_a)(void *ctx, const char *name, size_t n),
                                        void *ctx)
{
    const struct sb_mistake *m = NULL;
    for (size_t i = 0; !m && i < sb__mistakes_len; i++)
        if (matches(x, &sb__mistakes[i], is_a, ctx))
            m = &sb__mistakes[i];
    if (!m || x->failed)
        return NULL;
    x->mistake = m;
    x->summary = x->found = x->expected = "";
    x->suggestions_len = 0;
    if (m->operation && !*sb__explain_get(x, "operation"))
        sb__explain_put(x, "operation", m->operation);
    if (m->work)
        m->work(x);
    const char *s;
    if (m->summary && !*x->summary && (s = fill(x, m->summary)))
        x->summary = s;
    if (m->found && !*x->found && (s = fill(x, m->found)))
        x->found = s;
    if (m->expected && !*x->expected && (s = fill(x, m->expected)))
        x->expected = s;
    for (size_t i = 0; i < sizeof m->suggestions / sizeof *m->suggestions; i++)
        if (m->suggestions[i] && x->suggestions_len < SB_EXPLAIN_SUGGESTIONS &&
            (s = fill(x, m->suggestions[i])))
            x->suggestions[x->suggestions_len++] = s;
    sb_explanation *e = x->alloc(x->ctx, sizeof *e);
    if (!e)
        return NULL;
    *e = (sb_explanation) {
        .why = m->why,
        .kind = kinds[m->why],
        .summary = x->summary,
        .found = x->found,
        .expected = x->expected,
        .suggestions = duplicate(x, x->suggestions, x->suggestions_len * sizeof *x->suggestions),
        .suggestion_count = x->suggestions_len,
        .fields = duplicate(x, x->fields, x->fields_len * sizeof *x->fields),
        .field_count = x->fields_len,
        .text = whole(x, kinds[m->why]),
        .error = x->error,
    };
    return x->failed ? NULL : e;
}

/* ---- the pending error ---- */

static void *alloc(void *ctx, size_t size)
{
    return sb__detail_alloc(ctx, size, _Alignof(max_align_t));
}

/* "ValueError" names it by its last component, as in sb_catch. */
static bool named(const char *class_name, const char *name, size_t n)
{
    const char *dot = strrchr(class_name, '.');
    const char *last = dot ? dot + 1 : class_name;
    return (strlen(class_name) == n && !memcmp(class_name, name, n)) ||
           (strlen(last) == n && !memcmp(last, name, n));
}

static bool pending_is_a(void *ctx, const char *name, size_t n)
{
    const sb_session *py = ctx;
    const char *c = (const char *)py->error_classes.ptr;
    if (named(py->error.type, name, n) || named(sb_code_name(py->error.code), name, n))
        return true;
    for (size_t i = 0; i < py->error_classes.len; i += strlen(c + i) + 1)
        if (named(c + i, name, n))
            return true;
    return false;
}

static bool node_is_a(void *ctx, const char *name, size_t n)
{
    const struct sb_node *node = ctx;
    for (size_t i = 0; i < node->classes.as.items.len; i++)
        if (named(node->classes.as.items.ptr[i].as.str.ptr, name, n))
            return true;
    return false;
}

static struct sb_explainer explainer(sb_session *py, const sb_error *e)
{
    return (struct sb_explainer) {
        .py = py,
        .alloc = alloc,
        .ctx = py,
        .error = e,
        .message = { e->message, strlen(e->message) },
        .ask = ask_engine,
    };
}

enum { CAUSES = 8 }; /* how far back an explanation is looked for */

const sb_explanation *sb__explain(sb_session *py)
{
    bool reporting = atomic_load_explicit(&py->reporter, memory_order_relaxed) != NULL;
    struct sb_detail *d = sb__detail(py);
    if (!d || d->explained)
        return d ? d->explanation : NULL;
    struct sb_explainer x = explainer(py, &py->error);
    const sb_explanation *r = sb__explain_error(&x, pending_is_a, py);
    bool failed = x.failed;
    /* Libraries wrap exceptions: one that says nothing may be raised from one that does. */
    size_t count, depth = 0;
    const struct sb_node *nodes =
        r || failed || py->error.code != SB_E_PYTHON ? NULL : sb__detail_nodes(py, &count);
    for (const struct sb_node *node = nodes; node && !r && depth < CAUSES; depth++) {
        int64_t next = node->cause >= 0 ? node->cause : node->context;
        if (next <= 0)
            break;
        node = &nodes[next];
        struct sb_explainer y = explainer(py, &node->error);
        r = sb__explain_error(&y, node_is_a, (void *)(uintptr_t)node);
        failed = failed || y.failed;
    }
    d->explanation = r;
    d->explained = !failed && !(reporting && !py->resting);
    return r;
}

const sb_explanation *sb_explain(sb_session *py)
{
    if (!sb__detail_enter(py))
        return NULL;
    const sb_explanation *x = sb__explain(py);
    sb__detail_leave(py);
    return x;
}

const char *sb_explanation_field(const sb_explanation *x, const char *name)
{
    for (size_t i = 0; x && name && i < x->field_count; i++)
        if (!strcmp(x->fields[i].name, name))
            return x->fields[i].text;
    return "";
}
