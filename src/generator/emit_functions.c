/* SPDX-License-Identifier: MIT
 *
 * emit_functions.c - functions as C text: the options struct, an inline function around its table, and the macro that
 * adds the place of the call. Nothing here decides anything; see signature.c and types.c.
 */
#include "bindings.h"

#include <string.h>

void sbg_need_library(struct sbg_header *h, const struct sbg_library *library)
{
    sbg_map_put(&h->includes, library->types_header, (void *)(size_t)1);
}

static void need_type(struct sbg_header *h, const struct sbg_ctype *type)
{
    if (type->cls)
        sbg_need_library(h, type->cls->library);
    if (type->en)
        sbg_need_library(h, type->en->library);
    if (type->accepts)
        sbg_need_library(h, type->accepts->library);
    for (size_t i = 0; i < type->item_count; i++)
        need_type(h, &type->items[i]);
    if (type->calls)
        sbg_need_library(h, type->calls->library);
}

static size_t first_paragraph(const char *doc)
{
    const char *end = strstr(doc, "\n\n");
    return end ? (size_t)(end - doc) : strlen(doc);
}

static void add_doc(struct sbg_text *to, const struct sbg_function *f)
{
    size_t len = first_paragraph(f->doc);
    sbg_add(to, "/** ");
    if (len) {
        sbg_add_comment(to, f->doc, len, " *  ", 500);
        sbg_add(to, "\n *  ");
    }
    if (f->note)
        sbg_addf(to, "%s\n *  ", f->note);
    sbg_add(to, "Python: ");
    for (size_t i = 0; i < f->line_count; i++)
        sbg_addf(to, "%s%s", i ? "\n *          " : "", f->lines[i]);
    if (!f->line_count)
        sbg_addf(to, "%s(...)", f->python);
    sbg_add(to, " */\n");
}

static void add_options(struct sbg_header *h, const struct sbg_function *f)
{
    struct sbg_text *to = &h->body;
    sbg_addf(to, "typedef struct %s {\n    sb_site site;\n    SB_GUARD_(only_by_name_)\n", f->opts);
    for (size_t i = 0; i < f->option_count; i++) {
        const struct sbg_arg *o = &f->options[i];
        sbg_addf(to, "    %s%s; /* ", sbg_c_type(h->b, &o->type, SBG_AS_OPTION), o->c_name);
        if (o->type.code == 'k') {
            sbg_add(to, "SB_DICT(py, ...)");
        } else {
            if (o->type.code == 'v' && o->annotation && *o->annotation)
                sbg_addf(to, "%s ", o->annotation);
            sbg_add(to, "= ");
            const char *value = o->value ? o->value : "...";
            sbg_add_comment(to, value, strlen(value), NULL, 60);
            if (o->type.calls)
                sbg_addf(to, "; %s", o->type.calls->c_new);
        }
        sbg_add(to, " */\n");
        need_type(h, &o->type);
    }
    sbg_addf(to, "} %s;\n", f->opts);
}

static void add_result(struct sbg_header *h, const struct sbg_function *f)
{
    sbg_addf(&h->body, "typedef struct %s {\n", f->result);
    for (size_t i = 0; i < f->returns.item_count; i++)
        sbg_addf(&h->body, "    %s%s;\n", sbg_c_type(h->b, &f->returns.items[i], SBG_AS_RESULT),
                 f->returns.names[i]);
    sbg_addf(&h->body, "} %s;\n", f->result);
}

/* The C type of the result, ready for a name behind it. */
static const char *result_type(struct sbg_bindings *b, const struct sbg_function *f)
{
    if (f->returns.code != 't')
        return sbg_c_type(b, &f->returns, SBG_AS_RESULT);
    return sbg_printf(&b->arena, "%s ", f->result ? f->result : f->returns.cls->c_name);
}

static void add_slot(struct sbg_text *to, const struct sbg_arg *p)
{
    switch (p->type.code) {
    case 'o':
        sbg_addf(to, "{ .o = %s%s }", p->c_name, p->type.cls ? ".object" : "");
        break;
    case 'e':
        sbg_addf(to, "{ .e = (int)%s }", p->c_name);
        break;
    case 'i':
    case 'd':
    case 'b':
    case 's':
        sbg_addf(to, "{ .%c = %s }", p->type.code, p->c_name);
        break;
    default: /* y v a: by address */
        sbg_addf(to, "{ .%c = &%s }", p->type.code, p->c_name);
    }
}

static void add_body(struct sbg_header *h, const struct sbg_function *f)
{
    struct sbg_text *to = &h->body;
    sbg_add(to, "{\n    static const sb_fn fn_ = { ");
    sbg_add_c_string(to, f->path);
    sbg_add(to, ", ");
    sbg_add_c_string(to, sbg_signature_text(h->b, f));
    sbg_add(to, " };\n");
    if (f->param_count) {
        sbg_add(to, "    const sb_slot slots_[] = { ");
        for (size_t i = 0; i < f->param_count; i++) {
            sbg_add(to, i ? ", " : "");
            add_slot(to, &f->params[i]);
        }
        sbg_add(to, " };\n");
    }
    char code = f->returns.code;
    const char *call =
        sbg_printf(&h->b->arena, "sb_run_%c(py, &fn_, %s, %s", code,
                   f->opts ? "(const sb_site *)opts_" : "at_", f->param_count ? "slots_" : "NULL");
    const char *type = result_type(h->b, f);
    if (code == 'n')
        sbg_addf(to, "    %s);\n", call);
    else if (code == 't')
        sbg_addf(to, "    %sresult_;\n    %s, &result_);\n    return result_;\n", type, call);
    else if (code == 'o' && f->returns.cls)
        sbg_addf(to, "    const %sresult_ = { %s) };\n    return result_;\n", type, call);
    else if (code == 'e')
        sbg_addf(to, "    return (%.*s)%s);\n", (int)strlen(type) - 1, type, call);
    else
        sbg_addf(to, "    return %s);\n", call);
    sbg_add(to, "}\n");
}

/* The macro `name`, which calls the function with its arguments wrapped; `site`: in front of the place's text, what
 * makes it another kind of call. */
static void add_call_macro(struct sbg_header *h, const struct sbg_function *f, const char *name,
                           const char *before, const char *site, const char *after)
{
    struct sbg_text *to = &h->body;
    sbg_addf(to, "#define %s(py", name);
    for (size_t i = 0; i < f->param_count; i++)
        if (f->variadic && i == f->param_count - 1)
            break;
        else
            sbg_addf(to, ", %s", f->params[i].c_name);
    sbg_addf(to, "%s) \\\n    %s(%s)(py, ", f->variadic || f->opts ? ", ..." : "", before,
             f->c_name);
    for (size_t i = 0; i < f->param_count; i++) {
        const struct sbg_arg *p = &f->params[i];
        if (f->variadic && i == f->param_count - 1)
            sbg_add(to, "SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__), ");
        else if (p->type.calls_only)
            sbg_addf(to, "SB_TAKE_FN_(py, %s, %s, %s), ", p->c_name, p->type.calls->c_name,
                     p->type.calls->c_new);
        else if (p->type.code == 'v')
            sbg_addf(to, "%s(%s), ", p->type.accepts ? p->type.accepts->c_name : "SB", p->c_name);
        else
            sbg_addf(to, "%s, ", p->c_name);
    }
    if (f->opts)
        sbg_addf(to, "SB_OPTS_(%s, %s #__VA_ARGS__, __VA_ARGS__))%s\n", f->opts, site, after);
    else
        sbg_addf(to, "SB_SITE_(%s))%s\n", site, after);
}

/* The loop over the result: what follows the macro is its body. */
static void add_iter_macro(struct sbg_header *h, const struct sbg_function *f)
{
    const char *type = sbg_c_type(h->b, &f->item, SBG_AS_RESULT);
    sbg_addf(&h->body,
             "#define %s(py, item, ...) \\\n"
             "    SB_FOR(py, %.*s, item, %s(py __VA_OPT__(, ) __VA_ARGS__)",
             f->c_iter, (int)strcspn(type, " "), type, f->c_name);
    if (f->item.cls) {
        sbg_add(&h->body, ", .of = ");
        sbg_add_c_string(&h->body, f->item.cls->path);
    }
    sbg_add(&h->body, ")\n");
}

static void add_macro(struct sbg_header *h, const struct sbg_function *f)
{
    struct sbg_text *to = &h->body;
    if (f->line_count)
        sbg_addf(to, "/* %s */\n", f->lines[0]);
    add_call_macro(h, f, f->c_name, "", "\"\"", "");
    if (f->c_submit && f->returns.code == 'o') /* its id is the call's own */
        add_call_macro(h, f, f->c_submit, "", "SB_LATER_", "");
    else if (f->c_submit)
        add_call_macro(h, f, f->c_submit, "SB_SUBMITTED_(py, ", "SB_LATER_", ")");
    if (f->c_iter)
        add_iter_macro(h, f);
    sbg_add_char(to, '\n');
}

static void add_prototype(struct sbg_header *h, const struct sbg_function *f)
{
    struct sbg_text *to = &h->body;
    sbg_addf(to, "static inline %s%s(sb_session *py", result_type(h->b, f), f->c_name);
    for (size_t i = 0; i < f->param_count; i++)
        sbg_addf(to, ", %s%s", sbg_c_type(h->b, &f->params[i].type, SBG_AS_PARAM),
                 f->params[i].c_name);
    if (f->opts)
        sbg_addf(to, ", const %s *opts_)\n", f->opts);
    else
        sbg_add(to, ", const sb_site *at_)\n");
}

static void need_types(struct sbg_header *h, const struct sbg_function *f)
{
    for (size_t i = 0; i < f->param_count; i++)
        need_type(h, &f->params[i].type);
    need_type(h, &f->returns);
    need_type(h, &f->item);
}

void sbg_emit_function(struct sbg_header *h, const struct sbg_function *f)
{
    need_types(h, f);
    add_doc(&h->body, f);
    if (f->opts)
        add_options(h, f);
    if (f->result)
        add_result(h, f);
    add_prototype(h, f);
    add_body(h, f);
    add_macro(h, f);
}

/* A method that class `c` has from `base`, and with the same types: calls the base's. */
static void emit_inherited(struct sbg_header *h, const struct sbg_class *c,
                           const struct sbg_class *base, const struct sbg_function *from,
                           const char *c_name)
{
    struct sbg_bindings *b = h->b;
    struct sbg_text *to = &h->body;
    struct sbg_function f = *from;
    f.c_name = c_name;
    f.params = SBG_ARRAY(&b->arena, struct sbg_arg, f.param_count);
    memcpy(f.params, from->params, f.param_count * sizeof *f.params);
    f.params[0].type.cls = c;
    if (f.c_submit)
        f.c_submit = sbg_claim(b, sbg_printf(&b->arena, "%s_submit", c_name), f.python);
    if (f.c_iter)
        f.c_iter = sbg_claim(b, sbg_printf(&b->arena, "%s_iter", c_name), f.python);
    b->report->functions++;
    need_types(h, &f);
    sbg_addf(to, "/** As %s. */\n", from->c_name);
    if (f.opts) {
        f.opts = sbg_claim(b, sbg_printf(&b->arena, "%s_opts", c_name), f.python);
        sbg_addf(to, "typedef %s %s;\n", from->opts, f.opts);
    }
    if (f.result) {
        f.result = sbg_claim(b, sbg_printf(&b->arena, "%s_result", c_name), f.python);
        sbg_addf(to, "typedef %s %s;\n", from->result, f.result);
    }
    add_prototype(h, &f);
    sbg_addf(to, "{\n    %s(%s)(py, self.%s", f.returns.code == 'n' ? "" : "return ", from->c_name,
             sbg_upcast_name(b, c, base));
    for (size_t i = 1; i < f.param_count; i++)
        sbg_addf(to, ", %s", f.params[i].c_name);
    sbg_addf(to, ", %s);\n}\n", f.opts ? "opts_" : "at_");
    add_macro(h, &f);
}

/* ---- classes ---- */

static const struct sbg_member *find_member(const struct sbg_class *c, const char *name)
{
    size_t low = 0, high = c->member_count; /* sorted by name */
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(c->members[middle].name, name);
        if (order == 0)
            return &c->members[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* An inherited function shares the enums of the class that defines it, if it takes the same there. */
static const char *enum_base(struct sbg_bindings *b, const struct sbg_class *c,
                             const struct sbg_member *m)
{
    const struct sbg_class *from = m->from ? sbg_find_class(b, m->from) : NULL;
    if (!from || from == c || !from->c_name || from->library != c->library)
        return m->c_name;
    const struct sbg_member *same = find_member(from, m->name);
    if (same && same->c_name && sbg_same_params(&same->sigs, &m->sigs))
        return same->c_name;
    return m->c_name;
}

/* The member of a base, in the same header, that an inherited one is no different from; NULL if there is none. The
 * call is the same for both: which method runs, Python decides by the object. */
static const struct sbg_member *same_in_base(struct sbg_bindings *b, const struct sbg_class *c,
                                             const struct sbg_member *m,
                                             const struct sbg_class **base)
{
    if (!m->from || strcmp(m->from, c->key) == 0 || c->plain)
        return NULL;
    for (size_t i = 1; i < c->mro_count; i++) {
        const struct sbg_class *from = sbg_find_class(b, c->mro[i]);
        if (!from || from->home != c->home || !from->written || !sbg_has_handle(from) ||
            from->plain)
            continue;
        const struct sbg_member *f = find_member(from, m->name);
        if (f && f->function_count && f->kind == m->kind && f->settable == m->settable &&
            f->async == m->async && f->streaming == m->streaming &&
            sbg_same_sigs(&f->sigs, &m->sigs) && sbg_same_type(f->type, m->type)) {
            *base = from;
            return f;
        }
    }
    return NULL;
}

static void keep(struct sbg_bindings *b, struct sbg_member *m, struct sbg_function *f)
{
    struct sbg_function **more = SBG_ARRAY(&b->arena, struct sbg_function *, m->function_count + 1);
    if (m->function_count)
        memcpy(more, m->functions, m->function_count * sizeof(struct sbg_function *));
    more[m->function_count++] = f;
    m->functions = more;
}

static void make_member(struct sbg_bindings *b, const struct sbg_class *c, struct sbg_member *m)
{
    const char *shown = c->public ? c->public : c->key;
    bool own = !m->from || strcmp(m->from, c->key) == 0;
    struct sbg_source s = {
        .library = c->library,
        .python = sbg_printf(&b->arena, "%s.%s", shown, m->name),
        .path = sbg_printf(&b->arena, "%s.%s", c->path, m->name),
        .c_name = m->c_name,
        .doc = own ? m->doc : "",
        .enum_name = enum_base(b, c, m),
        .scope = c,
        .sigs = &m->sigs,
        .async = m->async,
        .streaming = m->streaming,
    };
    switch (m->kind) {
    case SBG_METHOD:
        s.op = m->name[0] == '_' ? 'x' : 'm';
        s.self = c;
        m->function_count = sbg_make_functions(b, &s, &m->functions);
        break;
    case SBG_CLASSMETHOD:
    case SBG_STATICMETHOD:
        s.op = 'f';
        m->function_count = sbg_make_functions(b, &s, &m->functions);
        break;
    case SBG_PROPERTY:
    case SBG_ATTRIBUTE:
        s.op = 'g';
        s.self = c;
        keep(b, m, sbg_make_access(b, &s, m->type));
        if (m->settable) {
            s.op = 's';
            s.doc = "";
            s.any_value = m->kind == SBG_PROPERTY; /* df.columns is an Index, and set to a list */
            s.c_name = sbg_claim(b, sbg_printf(&b->arena, "%s_set", m->c_name), s.python);
            keep(b, m, sbg_make_access(b, &s, m->type));
        }
        break;
    }
}

static void emit_member(struct sbg_header *h, const struct sbg_class *c, struct sbg_member *m)
{
    struct sbg_bindings *b = h->b;
    const struct sbg_class *base;
    const struct sbg_member *same = same_in_base(b, c, m, &base);
    bool has_self = m->kind != SBG_CLASSMETHOD && m->kind != SBG_STATICMETHOD;
    if (!same || !has_self) {
        make_member(b, c, m);
        for (size_t i = 0; i < m->function_count; i++)
            sbg_emit_function(h, m->functions[i]);
        return;
    }
    size_t len = strlen(same->c_name);
    for (size_t i = 0; i < same->function_count; i++) {
        const struct sbg_function *f = same->functions[i];
        const char *c_name = m->c_name;
        if (f->c_name[len])
            c_name =
                sbg_claim(b, sbg_printf(&b->arena, "%s%s", c_name, f->c_name + len), f->python);
        emit_inherited(h, c, base, f, c_name);
    }
}

static void emit_enumerators(struct sbg_header *h, const struct sbg_class *c)
{
    struct sbg_bindings *b = h->b;
    const struct sbg_type type = { .kind = SBG_INST, .name = c->key };
    for (size_t i = 0; i < c->enumerator_count && !c->flags_int; i++) {
        const struct sbg_field *e = &c->enumerators[i];
        const struct sbg_source s = {
            .library = c->library,
            .python = sbg_printf(&b->arena, "%s.%s", c->public ? c->public : c->key, e->name),
            .path = sbg_printf(&b->arena, "%s.%s", c->path, e->name),
            .c_name = e->c_name,
            .doc = "",
            .enum_name = e->c_name,
            .op = 'c',
        };
        sbg_emit_function(h, sbg_make_access(b, &s, &type));
    }
}

static void emit_constructor(struct sbg_header *h, const struct sbg_class *c)
{
    struct sbg_bindings *b = h->b;
    struct sbg_function **functions;
    const struct sbg_source s = {
        .library = c->library,
        .python = c->public ? c->public : c->key,
        .path = c->path,
        .c_name = c->c_new,
        .doc = "",
        .enum_name = c->c_new,
        .op = 'f',
        .scope = c,
        .sigs = &c->sigs,
        .constructs = true,
        .streaming = c->streaming,
    };
    size_t n = sbg_make_functions(b, &s, &functions);
    for (size_t i = 0; i < n; i++)
        sbg_emit_function(h, functions[i]);
}

/* Bases of the same header come first: a derived class forwards to them. */
static void emit_class(struct sbg_header *h, struct sbg_class *c)
{
    if (c->written)
        return;
    c->written = true;
    for (size_t i = 1; i < c->mro_count; i++) {
        struct sbg_class *base = sbg_find_class(h->b, c->mro[i]);
        if (base && base->c_name && base->home == c->home && base->library == c->library)
            emit_class(h, base);
    }
    h->b->report->classes++;
    if (c->by_fields)
        return;
    sbg_need_library(h, c->library);
    if (c->has_new && !(c->flags & SBG_ABSTRACT) && !c->flags_int)
        emit_constructor(h, c);
    for (size_t i = 0; i < c->member_count; i++)
        if (c->members[i].c_name)
            emit_member(h, c, &c->members[i]);
    emit_enumerators(h, c);
}

/* ---- modules ---- */

static void emit_value(struct sbg_header *h, const struct sbg_symbol *s, const char *python)
{
    struct sbg_bindings *b = h->b;
    const struct sbg_class *c = s->type->kind == SBG_INST || s->type->kind == SBG_LIT
                                    ? sbg_find_class(b, s->type->name)
                                    : NULL;
    if (c && c->c_name && c->flags_int && s->literal) {
        const char *dot = strrchr(s->literal, '.');
        for (size_t i = 0; i < c->enumerator_count && dot; i++)
            if (strcmp(c->enumerators[i].name, dot + 1) == 0) {
                sbg_need_library(h, c->library);
                sbg_addf(&h->body, "#define %s %s /* %s */\n\n", s->c_name,
                         c->enumerators[i].c_name, python);
                return;
            }
    }
    const struct sbg_source source = {
        .library = h->library,
        .python = python,
        .path = sbg_printf(&b->arena, "%s:%s", s->module->name, s->name),
        .c_name = s->c_name,
        .doc = s->doc,
        .enum_name = s->c_name,
        .op = 'c',
    };
    sbg_emit_function(h, sbg_make_access(b, &source, s->type));
}

static void define(struct sbg_header *h, const char *name, const char *as)
{
    sbg_addf(&h->body, "#define %s %s\n", name, as);
}

/* Another name of a function: of each of its C functions and their structs. */
static void emit_other_name(struct sbg_header *h, const struct sbg_symbol *s, const char *python)
{
    struct sbg_bindings *b = h->b;
    const struct sbg_symbol *origin = s->origin;
    sbg_addf(&h->body, "/* %s is %s.%s */\n", python, origin->module->name, origin->name);
    size_t len = strlen(origin->c_name);
    for (size_t i = 0; i < origin->function_count; i++) {
        const struct sbg_function *f = origin->functions[i];
        const char *name = s->c_name;
        if (f->c_name[len]) /* one of the _by_ functions */
            name = sbg_claim(b, sbg_printf(&b->arena, "%s%s", s->c_name, f->c_name + len), python);
        define(h, name, f->c_name);
        if (f->opts)
            define(h, sbg_claim(b, sbg_printf(&b->arena, "%s_opts", name), python), f->opts);
        if (f->result)
            define(h, sbg_claim(b, sbg_printf(&b->arena, "%s_result", name), python), f->result);
        if (f->c_submit)
            define(h, sbg_claim(b, sbg_printf(&b->arena, "%s_submit", name), python), f->c_submit);
        if (f->c_iter)
            define(h, sbg_claim(b, sbg_printf(&b->arena, "%s_iter", name), python), f->c_iter);
    }
    sbg_add_char(&h->body, '\n');
    sbg_map_put(&h->includes, origin->module->header, (void *)(size_t)1);
}

static void emit_other_class(struct sbg_header *h, const struct sbg_symbol *s, const char *python)
{
    const struct sbg_class *c = sbg_find_class(h->b, s->refer);
    if (!c || !c->c_name || c->flags_int)
        return;
    sbg_addf(&h->body, "/* %s is %s */\n", python, c->public ? c->public : c->key);
    sbg_need_library(h, c->library);
    if (!c->plain || c->plain == 'v')
        sbg_addf(&h->body, "typedef %s %s;\n", c->c_name, s->c_name);
    if (!c->by_fields && (!c->plain || c->plain == 'v'))
        define(h, sbg_claim(h->b, sbg_printf(&h->b->arena, "%s_from", s->c_name), python),
               c->c_from);
    if (!c->by_fields && c->library == h->library) {
        define(h, sbg_claim(h->b, sbg_printf(&h->b->arena, "%s_new", s->c_name), python), c->c_new);
        sbg_map_put(&h->includes, c->home->header, (void *)(size_t)1);
    }
    sbg_add_char(&h->body, '\n');
}

static void emit_symbol(struct sbg_header *h, struct sbg_symbol *s)
{
    const char *python = sbg_printf(&h->b->arena, "%s.%s", s->module->name, s->name);
    switch (s->kind) {
    case SBG_FUNCTION:
    case SBG_CALLABLE:
        if (s->origin == s)
            for (size_t i = 0; i < s->function_count; i++)
                sbg_emit_function(h, s->functions[i]);
        else
            emit_other_name(h, s, python);
        break;
    case SBG_CLASS:
        emit_other_class(h, s, python);
        break;
    case SBG_VALUE:
        emit_value(h, s, python);
        break;
    case SBG_MODULE:
        break;
    }
}

void sbg_emit_module(struct sbg_header *h, struct sbg_module *module)
{
    for (size_t i = 0; i < h->library->class_count; i++)
        if (h->library->classes[i].c_name && h->library->classes[i].home == module)
            emit_class(h, &h->library->classes[i]);
    for (size_t i = 0; i < module->symbol_count; i++)
        if (module->symbols[i].c_name)
            emit_symbol(h, &module->symbols[i]);
}
