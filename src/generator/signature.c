/* SPDX-License-Identifier: MIT
 *
 * signature.c - from a Python callable to its C functions. Overloads are merged by parameter; those that give another
 * class because of a parameter that they require become functions of their own, if that keeps the result of the main
 * one typed. What cannot be merged without being wrong for one of them takes any arguments.
 */
#include "bindings.h"

#include <stdlib.h>
#include <string.h>

/* A parameter as the overloads together have it. */
struct merged {
    const char *name;
    const struct sbg_type **types;
    size_t type_count;
    const char *value;
    size_t present;  /* in how many overloads */
    size_t required; /* in how many of them */
    size_t index;    /* its position, NO_INDEX if it is keyword-only or differs */
    bool positional_only, keyword_only;
};
#define NO_INDEX ((size_t)-1)

struct overloads {
    const struct sbg_sig **sig;
    size_t count;
    struct merged *params;
    size_t param_count;
    const char *args; /* the name of *args, or NULL */
    bool kwargs;
};

/* ---- merging ---- */

static bool is_named(const struct sbg_param *p)
{
    return p->kind != SBG_VAR_POSITIONAL && p->kind != SBG_VAR_KEYWORD;
}

static bool is_positional(const struct sbg_param *p)
{
    return p->kind == SBG_POSITIONAL_ONLY || p->kind == SBG_POSITIONAL_OR_KEYWORD;
}

static size_t named_count(const struct sbg_sig *sig)
{
    size_t n = 0;
    for (size_t i = 0; i < sig->count; i++)
        n += is_named(&sig->params[i]);
    return n;
}

static bool has_args(const struct sbg_sig *sig)
{
    for (size_t i = 0; i < sig->count; i++)
        if (sig->params[i].kind == SBG_VAR_POSITIONAL)
            return true;
    return false;
}

static size_t required_count(const struct sbg_sig *sig)
{
    size_t n = 0;
    for (size_t i = 0; i < sig->count; i++)
        n += is_named(&sig->params[i]) && sig->params[i].required;
    return n;
}

static struct merged *find_merged(struct overloads *o, const struct sbg_param *p, size_t index)
{
    for (size_t i = 0; i < o->param_count; i++)
        if (p->kind != SBG_POSITIONAL_ONLY && !o->params[i].positional_only &&
            strcmp(o->params[i].name, p->name) == 0)
            return &o->params[i];
    for (size_t i = 0; i < o->param_count && is_positional(p); i++)
        if (o->params[i].index == index &&
            (p->kind == SBG_POSITIONAL_ONLY || o->params[i].positional_only))
            return &o->params[i];
    return NULL;
}

static void merge_param(struct sbg_bindings *b, struct overloads *o, const struct sbg_param *p,
                        size_t index)
{
    struct merged *m = find_merged(o, p, index);
    if (!m) {
        m = &o->params[o->param_count++];
        m->name = p->name;
        m->index = index;
        m->types = SBG_ARRAY(&b->arena, const struct sbg_type *, o->count);
        m->value = p->value;
    }
    m->present++;
    m->required += p->required;
    if (m->index != index)
        m->index = NO_INDEX;
    m->positional_only = m->positional_only || p->kind == SBG_POSITIONAL_ONLY;
    m->keyword_only = m->keyword_only || p->kind == SBG_KEYWORD_ONLY;
    if (!p->required && p->value && (!m->value || strcmp(m->value, "...") == 0))
        m->value = p->value;
    for (size_t i = 0; i < m->type_count; i++)
        if (sbg_same_type(m->types[i], p->type))
            return;
    m->types[m->type_count++] = p->type;
}

static void merge_sig(struct sbg_bindings *b, struct overloads *o, const struct sbg_sig *sig)
{
    size_t index = 0;
    for (size_t i = 0; i < sig->count; i++) {
        const struct sbg_param *p = &sig->params[i];
        if (p->kind == SBG_VAR_POSITIONAL && !o->args)
            o->args = p->name;
        o->kwargs = o->kwargs || p->kind == SBG_VAR_KEYWORD;
        if (is_named(p))
            merge_param(b, o, p, is_positional(p) ? index++ : NO_INDEX);
    }
}

/* Positional ones first, by position; the others as they came. */
static int by_index(const void *a, const void *b)
{
    const struct merged *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void merge(struct sbg_bindings *b, struct overloads *o)
{
    size_t room = 0, longest = 0;
    for (size_t i = 0; i < o->count; i++) {
        room += o->sig[i]->count;
        if (has_args(o->sig[i]) < has_args(o->sig[longest]) ||
            (has_args(o->sig[i]) == has_args(o->sig[longest]) &&
             named_count(o->sig[i]) > named_count(o->sig[longest])))
            longest = i;
    }
    o->params = SBG_ARRAY(&b->arena, struct merged, room);
    o->param_count = 0;
    o->args = NULL;
    o->kwargs = false;
    if (o->count)
        merge_sig(b, o, o->sig[longest]);
    for (size_t i = 0; i < o->count; i++)
        if (i != longest)
            merge_sig(b, o, o->sig[i]);
    struct merged *sorted = SBG_ARRAY(&b->arena, struct merged, o->param_count);
    size_t n = 0; /* a stable sort: qsort is none */
    for (size_t i = 0; i < o->param_count; i++)
        if (o->params[i].index != NO_INDEX)
            sorted[n++] = o->params[i];
    qsort(sorted, n, sizeof *sorted, by_index);
    for (size_t i = 0; i < o->param_count; i++)
        if (o->params[i].index == NO_INDEX)
            sorted[n++] = o->params[i];
    o->params = sorted;
}

static const struct sbg_type *union_of(struct sbg_bindings *b, const struct merged *m)
{
    if (m->type_count == 1)
        return m->types[0];
    struct sbg_type *type = SBG_NEW(&b->arena, struct sbg_type);
    type->kind = SBG_UNION;
    type->items = m->types;
    type->item_count = m->type_count;
    return type;
}

/* ---- which overloads get a function of their own ---- */

/* The parameter can say one thing only: None, or one literal. */
static bool is_fixed(struct sbg_bindings *b, const struct merged *m, const struct sbg_class *self)
{
    const struct sbg_type *parts[4];
    size_t n = sbg_flatten(b, union_of(b, m), self, parts, 4);
    return n == 1 && (parts[0]->kind == SBG_NONE || parts[0]->kind == SBG_LIT);
}

static struct merged *merged_named(struct overloads *o, const char *name)
{
    for (size_t i = 0; i < o->param_count; i++)
        if (strcmp(o->params[i].name, name) == 0)
            return &o->params[i];
    return NULL;
}

/* The first parameter that `sig` requires, and that in `main` is not there or can say one thing only. */
static const char *deciding(struct sbg_bindings *b, const struct sbg_sig *sig,
                            struct overloads *main, const struct sbg_class *self)
{
    for (size_t i = 0; i < sig->count; i++) {
        const struct sbg_param *p = &sig->params[i];
        if (!is_named(p) || !p->required || p->kind == SBG_POSITIONAL_ONLY)
            continue;
        const struct merged *m = merged_named(main, p->name);
        if (!m || (m->required < m->present && is_fixed(b, m, self)))
            return p->name;
    }
    return NULL;
}

static bool same_result(const struct sbg_ctype *a, const struct sbg_ctype *b)
{
    if (a->code != b->code || a->none != b->none || a->cls != b->cls || a->en != b->en ||
        a->item_count != b->item_count)
        return false;
    for (size_t i = 0; i < a->item_count; i++)
        if (!same_result(&a->items[i], &b->items[i]))
            return false;
    return true;
}

static struct sbg_ctype join_results(struct sbg_ctype a, struct sbg_ctype b)
{
    if (same_result(&a, &b))
        return a;
    if (a.code == 'o' && b.code == 'n') {
        a.none = true;
        return a;
    }
    if (a.code == 'n' && b.code == 'o') {
        b.none = true;
        return b;
    }
    if (a.code == 'o' && b.code == 'o' && a.cls == b.cls) {
        a.none = true;
        return a;
    }
    return (struct sbg_ctype) { .code = 'v' };
}

static struct sbg_ctype result_of(struct sbg_bindings *b, const struct sbg_source *s,
                                  const struct sbg_sig *sig)
{
    if (s->constructs) {
        const struct sbg_class *c = s->scope;
        if (c->plain && c->plain != 'v')
            return (struct sbg_ctype) { .code = c->plain };
        return (struct sbg_ctype) { .code = 'o', .cls = c };
    }
    if (s->async)
        return (struct sbg_ctype) { .code = 'o' };
    const struct sbg_use use = {
        .library = s->library,
        .self = s->scope,
        .role = SBG_AS_RESULT,
        .python = sbg_printf(&b->arena, "%s: result", s->python),
        .enum_name = sbg_printf(&b->arena, "%s_returns", s->enum_name),
    };
    return sbg_map_type(b, sig->returns, &use);
}

static struct sbg_ctype joined_result(const struct overloads *o, const struct sbg_sigs *all,
                                      const struct sbg_ctype *results)
{
    struct sbg_ctype joined = { 0 };
    for (size_t i = 0; i < o->count; i++) {
        const struct sbg_ctype *one = &results[o->sig[i] - all->sig];
        joined = i ? join_results(joined, *one) : *one;
    }
    return joined;
}

/* ---- building ---- */

static const char *annotation(struct sbg_bindings *b, const struct merged *m)
{
    struct sbg_text text = { 0 }, clean = { 0 };
    sbg_add_type(&text, union_of(b, m));
    sbg_add_comment(&clean, text.ptr, text.len, NULL, 70);
    const char *copy = sbg_copy(&b->arena, clean.ptr ? clean.ptr : "", clean.len);
    sbg_text_free(&text);
    sbg_text_free(&clean);
    return copy;
}

struct names {
    const char **taken;
    size_t count;
};

static struct sbg_arg make_arg(struct sbg_bindings *b, const struct sbg_source *s,
                               const struct merged *m, bool option, struct names *names)
{
    struct sbg_arg arg = { .name = m->name, .value = option ? m->value : NULL };
    arg.c_name = sbg_local_name(b, m->name, names->taken, names->count);
    names->taken[names->count++] = arg.c_name;
    const struct sbg_use use = {
        .library = s->library,
        .self = s->scope,
        .role = option ? SBG_AS_OPTION : SBG_AS_PARAM,
        .value = arg.value,
        .python = sbg_printf(&b->arena, "%s: %s", s->python, m->name),
        .enum_name = sbg_printf(&b->arena, "%s_%s", s->enum_name, sbg_word(&b->arena, m->name)),
    };
    arg.type = sbg_map_type(b, union_of(b, m), &use);
    arg.annotation = annotation(b, m);
    return arg;
}

static void add_self(const struct sbg_source *s, struct sbg_function *f, struct names *names)
{
    if (!s->self)
        return;
    struct sbg_arg *self = &f->params[f->param_count++];
    self->name = self->c_name = "self";
    self->type.code = s->self->plain ? s->self->plain : 'o';
    if (self->type.code == 'o')
        self->type.cls = s->self;
    names->taken[names->count++] = "self";
}

static void add_variable(struct sbg_bindings *b, struct sbg_function *f, struct names *names,
                         const char *name, char code)
{
    struct sbg_arg *arg =
        code == 'k' ? &f->options[f->option_count++] : &f->params[f->param_count++];
    arg->name = name;
    arg->c_name = sbg_local_name(b, name, names->taken, names->count);
    arg->type.code = code;
    names->taken[names->count++] = arg->c_name;
}

/* The overloads differ in how a parameter can be passed: no one call fits all of them. */
static bool fits_no_call(const struct overloads *o)
{
    bool optional_before = false, keyword_before = false;
    for (size_t i = 0; i < o->param_count; i++) {
        const struct merged *m = &o->params[i];
        bool required = m->required == o->count;
        if (m->positional_only && (m->index == NO_INDEX || m->index != i || keyword_before ||
                                   (required && optional_before)))
            return true;
        optional_before = optional_before || !required;
        keyword_before = keyword_before || (!required && !m->positional_only) ||
                         m->index == NO_INDEX || m->keyword_only;
    }
    return false;
}

/* A parameter's only value is what it is anyway. */
static bool says_nothing(struct sbg_bindings *b, const struct merged *m, bool decides,
                         const struct sbg_class *self)
{
    const struct sbg_type *parts[4];
    size_t n = sbg_flatten(b, union_of(b, m), self, parts, 4);
    if (n != 1)
        return false;
    if (parts[0]->kind == SBG_NONE)
        return true;
    if (parts[0]->kind != SBG_LIT)
        return false;
    return decides || (parts[0]->lit.kind == 'b' && m->value &&
                       strcmp(m->value, *parts[0]->lit.text == '1' ? "True" : "False") == 0);
}

static void add_lines(struct sbg_bindings *b, const struct sbg_source *s, const struct overloads *o,
                      struct sbg_function *f)
{
    size_t shown = o->count > 3 ? 3 : o->count;
    f->lines = SBG_ARRAY(&b->arena, const char *, shown + 1);
    for (size_t i = 0; i < shown; i++) {
        struct sbg_text text = { 0 }, clean = { 0 };
        sbg_add_signature(&text, s->python, o->sig[i]);
        sbg_add_comment(&clean, text.ptr, text.len, NULL, 300);
        f->lines[f->line_count++] = sbg_copy(&b->arena, clean.ptr, clean.len);
        sbg_text_free(&text);
        sbg_text_free(&clean);
    }
    if (o->count > shown)
        f->lines[f->line_count++] =
            sbg_printf(&b->arena, "... %zu overloads more", o->count - shown);
}

static struct sbg_function *begin(struct sbg_bindings *b, const struct sbg_source *s,
                                  size_t param_count, struct names *names)
{
    struct sbg_function *f = SBG_NEW(&b->arena, struct sbg_function);
    f->op = s->op;
    f->python = s->python;
    f->path = s->path;
    f->c_name = s->c_name;
    f->doc = s->doc;
    f->params = SBG_ARRAY(&b->arena, struct sbg_arg, param_count + 2);
    f->options = SBG_ARRAY(&b->arena, struct sbg_arg, param_count + 1);
    names->taken = SBG_ARRAY(&b->arena, const char *, param_count + 4);
    b->report->functions++;
    add_self(s, f, names);
    return f;
}

static void end(struct sbg_bindings *b, struct sbg_function *f)
{
    if (f->option_count)
        f->opts = sbg_claim(b, sbg_printf(&b->arena, "%s_opts", f->c_name), f->python);
    if (f->returns.code == 't' && !f->returns.cls)
        f->result = sbg_claim(b, sbg_printf(&b->arena, "%s_result", f->c_name), f->python);
}

/* What goes through "..." may hold keywords, so what stands before it has to be a value or an object. */
static void loosen(struct sbg_arg *arg)
{
    if (arg->type.code != 'o' && arg->type.code != 'v')
        arg->type = (struct sbg_ctype) { .code = 'v' };
}

/* Takes what it is given: any arguments, keywords by SB_KW. */
static struct sbg_function *make_open(struct sbg_bindings *b, const struct sbg_source *s,
                                      const struct overloads *o, struct sbg_ctype returns)
{
    struct names names = { 0 };
    struct sbg_function *f = begin(b, s, 0, &names);
    if (f->param_count)
        loosen(&f->params[0]);
    add_variable(b, f, &names, "args", 'a');
    f->variadic = true;
    f->returns = returns;
    f->note = o->count
                  ? "The overloads are called differently: arguments as in Python, keywords by "
                    "SB_KW."
                  : "No signature is known: arguments as in Python, keywords by SB_KW.";
    add_lines(b, s, o, f);
    end(b, f);
    return f;
}

static bool mentions(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static void add_required(struct sbg_bindings *b, const struct sbg_source *s,
                         const struct overloads *o, struct sbg_function *f, struct names *names)
{
    bool in_order = true; /* what stands before is passed by position */
    for (size_t i = 0; i < o->param_count; i++) {
        const struct merged *m = &o->params[i];
        in_order = in_order && m->required == o->count && m->index == i;
        if (m->required != o->count)
            continue;
        struct sbg_arg arg = make_arg(b, s, m, false, names);
        arg.mark = in_order && !m->keyword_only ? 0 : '=';
        f->params[f->param_count++] = arg;
    }
}

static void add_optional(struct sbg_bindings *b, const struct sbg_source *s,
                         const struct overloads *o, struct sbg_function *f, struct names *names,
                         const char *const *deciders, size_t decider_count)
{
    for (size_t i = 0; i < o->param_count; i++) {
        const struct merged *m = &o->params[i];
        bool decides = mentions(deciders, decider_count, m->name);
        if (m->required == o->count || says_nothing(b, m, decides, s->scope) ||
            (o->args && m->positional_only))
            continue;
        struct sbg_arg arg = make_arg(b, s, m, true, names);
        arg.mark = m->positional_only ? '/' : 0;
        f->options[f->option_count++] = arg;
    }
}

static bool is_passed_on(const char *name)
{
    return strcmp(name + strspn(name, "_"), "args") == 0;
}

/* Adds to `out` the function of some overloads. *args with options beside them: behind required parameters, *args that
 * are called just so are handed on to something, which few calls use, and get a function of their own; else they are
 * what the call is about (*operands, *shape), and the options are keywords by SB_KW. */
static size_t build(struct sbg_bindings *b, const struct sbg_source *s, struct overloads *o,
                    struct sbg_ctype returns, const char *const *deciders, size_t decider_count,
                    const char *note, struct sbg_function **out)
{
    merge(b, o);
    size_t required = 0, keyword_only = 0, optional = 0;
    for (size_t i = 0; i < o->param_count; i++) {
        const struct merged *m = &o->params[i];
        required += m->required == o->count;
        keyword_only += m->required == o->count && (m->keyword_only || m->index == NO_INDEX);
        optional += m->required != o->count;
    }
    bool apart = o->args && required && optional && is_passed_on(o->args);
    if (!o->count || fits_no_call(o) || (o->args && !apart && keyword_only)) {
        out[0] = make_open(b, s, o, returns);
        return 1;
    }
    struct names names = { 0 };
    struct sbg_function *f = begin(b, s, o->param_count, &names);
    f->note = note;
    add_required(b, s, o, f, &names);
    f->variadic = o->args && !apart;
    if (f->variadic) {
        for (size_t i = 0; i < f->param_count && (optional || o->kwargs); i++)
            loosen(&f->params[i]);
        add_variable(b, f, &names, "args", 'a');
        if (optional || o->kwargs)
            f->note = "Keywords by SB_KW.";
    } else {
        add_optional(b, s, o, f, &names, deciders, decider_count);
        if (o->kwargs)
            add_variable(b, f, &names, "kwargs", 'k');
    }
    f->returns = returns;
    add_lines(b, s, o, f);
    end(b, f);
    out[0] = f;
    if (!apart)
        return 1;
    struct sbg_source open = *s;
    open.c_name = sbg_claim(b, sbg_printf(&b->arena, "%s_by_args", s->c_name), s->python);
    open.doc = "";
    out[1] = make_open(b, &open, o, returns);
    out[1]->note = sbg_printf(&b->arena, "%s with *%s: arguments as in Python, keywords by SB_KW.",
                              s->python, o->args);
    return 2;
}

/* A stub says of a call that it fails: by a parameter or a result that is Never. */
static bool cannot_be(const struct sbg_sig *sig)
{
    for (size_t i = 0; i < sig->count; i++)
        if (sig->params[i].type->kind == SBG_NEVER)
            return true;
    return sig->returns->kind == SBG_NEVER;
}

/* The one literal that the parameter takes is not its default: who means this overload has to give it. */
static bool must_be_given(struct sbg_bindings *b, const struct sbg_param *p,
                          const struct sbg_class *self)
{
    const struct sbg_type *parts[2];
    if (p->required || !p->value || sbg_flatten(b, p->type, self, parts, 2) != 1 ||
        parts[0]->kind != SBG_LIT || parts[0]->lit.kind != 'b')
        return false;
    bool yes = strcmp(p->value, "True") == 0, no = strcmp(p->value, "False") == 0;
    return (yes || no) && yes != (*parts[0]->lit.text == '1');
}

/* The overloads that can be called, all of them if none can, with what each of them requires. */
static const struct sbg_sigs *possible(struct sbg_bindings *b, const struct sbg_source *s)
{
    const struct sbg_sigs *all = s->sigs;
    struct sbg_sigs *some = SBG_NEW(&b->arena, struct sbg_sigs);
    some->sig = SBG_ARRAY(&b->arena, struct sbg_sig, all->count);
    for (int strict = 1; strict >= 0 && !some->count; strict--)
        for (size_t i = 0; i < all->count; i++)
            if (!strict || !cannot_be(&all->sig[i]))
                some->sig[some->count++] = all->sig[i];
    for (size_t i = 0; i < some->count; i++) {
        struct sbg_sig *sig = &some->sig[i];
        struct sbg_param *params = SBG_ARRAY(&b->arena, struct sbg_param, sig->count);
        size_t kept = 0;
        for (size_t p = 0; p < sig->count; p++) {
            if (s->self && strcmp(sig->params[p].name, "self") == 0)
                continue; /* a stub's parameters in another order than the code's: it is there already */
            params[kept] = sig->params[p];
            params[kept].required = params[kept].required ||
                                    (some->count > 1 && must_be_given(b, &params[kept], s->scope));
            kept++;
        }
        sig->params = params;
        sig->count = kept;
    }
    return some;
}

size_t sbg_make_functions(struct sbg_bindings *b, const struct sbg_source *source,
                          struct sbg_function ***out_list)
{
    struct sbg_source callable = *source;
    const struct sbg_source *s = &callable;
    callable.sigs = possible(b, source);
    size_t n = s->sigs->count;
    struct sbg_ctype *results = SBG_ARRAY(&b->arena, struct sbg_ctype, n);
    const char **decides = SBG_ARRAY(&b->arena, const char *, n); /* NULL: of the main function */
    const char **deciders = SBG_ARRAY(&b->arena, const char *, n);
    struct sbg_function **out = SBG_ARRAY(&b->arena, struct sbg_function *, 2 * n + 2);
    size_t decider_count = 0, out_count = 0, main_at = 0;
    struct overloads main = { .sig = SBG_ARRAY(&b->arena, const struct sbg_sig *, n) };
    *out_list = out;
    for (size_t i = 0; i < n; i++) {
        results[i] = result_of(b, s, &s->sigs->sig[i]);
        if (required_count(&s->sigs->sig[i]) < required_count(&s->sigs->sig[main_at]))
            main_at = i;
    }
    if (!n) {
        struct sbg_ctype any = { .code = 'v' };
        if (s->constructs)
            any = result_of(b, s, NULL);
        return build(b, s, &main, any, NULL, 0, NULL, out);
    }
    for (size_t i = 0; i < n; i++)
        if (same_result(&results[i], &results[main_at]))
            main.sig[main.count++] = &s->sigs->sig[i];
    merge(b, &main);
    for (size_t i = 0; i < n; i++)
        if (!same_result(&results[i], &results[main_at]) && results[i].code != 'v')
            decides[i] = deciding(b, &s->sigs->sig[i], &main, s->scope);
    main.count = 0;
    for (size_t i = 0; i < n; i++)
        if (!decides[i])
            main.sig[main.count++] = &s->sigs->sig[i];
    struct sbg_ctype returns = joined_result(&main, s->sigs, results);
    merge(b, &main);
    for (size_t i = 0; i < n; i++) {
        if (!decides[i])
            continue;
        const struct merged *m = merged_named(&main, decides[i]);
        if (returns.code != 'v' && m && !is_fixed(b, m, s->scope))
            returns = join_results(returns, results[i]); /* it may be given to the main one too */
        if (!mentions(deciders, decider_count, decides[i]))
            deciders[decider_count++] = decides[i];
    }
    if (returns.code == 'v') { /* nothing is gained by splitting */
        main.count = decider_count = 0;
        for (size_t i = 0; i < n; i++)
            main.sig[main.count++] = &s->sigs->sig[i];
        returns = joined_result(&main, s->sigs, results);
    }
    out_count = build(b, s, &main, returns, deciders, decider_count, NULL, out);
    for (size_t d = 0; d < decider_count; d++) {
        struct overloads own = { .sig = SBG_ARRAY(&b->arena, const struct sbg_sig *, n) };
        for (size_t i = 0; i < n; i++)
            if (decides[i] && strcmp(decides[i], deciders[d]) == 0)
                own.sig[own.count++] = &s->sigs->sig[i];
        struct sbg_source by = *s;
        const char *suffix = sbg_word(&b->arena, deciders[d]);
        by.c_name = sbg_claim(b, sbg_printf(&b->arena, "%s_by_%s", s->c_name, suffix), s->python);
        by.enum_name = sbg_printf(&b->arena, "%s_by_%s", s->enum_name, suffix);
        by.doc = "";
        struct sbg_ctype own_result = joined_result(&own, s->sigs, results);
        const char *note = sbg_printf(&b->arena, "%s with %s.", s->python, deciders[d]);
        out_count += build(b, &by, &own, own_result, NULL, 0, note, out + out_count);
    }
    return out_count;
}

struct sbg_function *sbg_make_access(struct sbg_bindings *b, const struct sbg_source *s,
                                     const struct sbg_type *type)
{
    struct names names = { 0 };
    struct sbg_function *f = begin(b, s, 1, &names);
    struct sbg_text text = { 0 }, clean = { 0 };
    sbg_addf(&text, "%s: ", s->python);
    sbg_add_type(&text, type);
    sbg_add_comment(&clean, text.ptr, text.len, NULL, 300);
    f->lines = SBG_ARRAY(&b->arena, const char *, 1);
    f->lines[f->line_count++] = sbg_copy(&b->arena, clean.ptr, clean.len);
    sbg_text_free(&text);
    sbg_text_free(&clean);
    if (s->op == 's') {
        struct merged value = { .name = "value", .types = &type, .type_count = 1 };
        f->params[f->param_count++] = make_arg(b, s, &value, false, &names);
        f->returns.code = 'n';
    } else {
        const struct sbg_sig sig = { NULL, 0, type };
        f->returns = result_of(b, s, &sig);
        if (f->returns.code == 'n') /* an attribute that is None now need not stay so */
            f->returns.code = 'v';
    }
    end(b, f);
    return f;
}

/* ---- the signature's text ---- */

static void add_code(struct sbg_text *to, const struct sbg_ctype *type)
{
    if (type->code == 't') {
        sbg_add_char(to, '(');
        for (size_t i = 0; i < type->item_count; i++) {
            if (i)
                sbg_add_char(to, ',');
            add_code(to, &type->items[i]);
        }
        sbg_add_char(to, ')');
        return;
    }
    sbg_add_char(to, type->code);
    if (type->none)
        sbg_add_char(to, '?');
    if (type->code == 'o' && type->cls)
        sbg_addf(to, "{%s}", type->cls->path);
    else if (type->code == 'e')
        sbg_addf(to, "{%s}", type->en->detail);
}

const char *sbg_signature_text(struct sbg_bindings *b, const struct sbg_function *f)
{
    struct sbg_text text = { 0 };
    sbg_add_char(&text, f->op);
    for (size_t i = 0; i < f->param_count; i++) {
        const struct sbg_arg *p = &f->params[i];
        sbg_add(&text, i ? "," : "");
        sbg_addf(&text, "%s", p->mark == '=' ? "=" : "");
        add_code(&text, &p->type);
        sbg_addf(&text, ":%s", p->name);
    }
    for (size_t i = 0; i < f->option_count; i++) {
        const struct sbg_arg *p = &f->options[i];
        sbg_add(&text, i ? "," : "|");
        sbg_addf(&text, "%s", p->mark == '/' ? "/" : "");
        add_code(&text, &p->type);
        sbg_addf(&text, ":%s", p->name);
        if (strcmp(p->name, p->c_name) != 0)
            sbg_addf(&text, "@%s", p->c_name);
    }
    sbg_add_char(&text, '>');
    add_code(&text, &f->returns);
    const char *copy = sbg_copy(&b->arena, text.ptr, text.len);
    sbg_text_free(&text);
    return copy;
}
