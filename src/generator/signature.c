/* SPDX-License-Identifier: MIT
 *
 * signature.c - from a Python callable to its C functions. Overloads are merged (overloads.c); those that give another
 * class because of a parameter that they require become functions of their own, if that keeps the result of the main
 * one typed. What cannot be merged without being wrong for one of them takes any arguments.
 */
#include "overloads.h"

#include <stdlib.h>
#include <string.h>

/* The first parameter that `sig` requires, and that in `main` is not there or can say one thing only. */
static const char *deciding(struct sbg_bindings *b, const struct sbg_sig *sig,
                            struct sbg_overloads *main, const struct sbg_class *self)
{
    for (size_t i = 0; i < sig->count; i++) {
        const struct sbg_param *p = &sig->params[i];
        if (!sbg_is_named(p) || !p->required || p->kind == SBG_POSITIONAL_ONLY)
            continue;
        const struct sbg_merged *m = sbg_merged_named(main, p->name);
        if (!m || (m->required < m->present && sbg_is_fixed(b, m, self)))
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
    const struct sbg_use use = {
        .library = s->library,
        .self = s->scope,
        .role = SBG_AS_RESULT,
        .python = sbg_printf(&b->arena, "%s: result", s->python),
        .enum_name = sbg_printf(&b->arena, "%s_returns", s->enum_name),
    };
    return sbg_map_type(b, sbg_awaited(sig->returns), &use);
}

static struct sbg_ctype joined_result(const struct sbg_overloads *o, const struct sbg_sigs *all,
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

static const char *annotation(struct sbg_bindings *b, const struct sbg_merged *m)
{
    struct sbg_text text = { 0 }, clean = { 0 };
    sbg_add_type(&text, sbg_union_of(b, m));
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
                               const struct sbg_merged *m, bool option, struct names *names)
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
    arg.type = sbg_map_type(b, sbg_union_of(b, m), &use);
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

static void add_lines(struct sbg_bindings *b, const struct sbg_source *s,
                      const struct sbg_overloads *o, struct sbg_function *f)
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

static void end(struct sbg_bindings *b, const struct sbg_source *s, const struct sbg_overloads *o,
                struct sbg_function *f)
{
    if (strchr("fmx", f->op)) {
        f->c_submit = sbg_claim(b, sbg_printf(&b->arena, "%s_submit", f->c_name), f->python);
        if (sbg_iterates(b, s, o->sig, o->count, &f->item))
            f->c_iter = sbg_claim(b, sbg_printf(&b->arena, "%s_iter", f->c_name), f->python);
    }
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
                                      const struct sbg_overloads *o, struct sbg_ctype returns)
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
    end(b, s, o, f);
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
                         const struct sbg_overloads *o, struct sbg_function *f, struct names *names)
{
    bool in_order = true; /* what stands before is passed by position */
    for (size_t i = 0; i < o->param_count; i++) {
        const struct sbg_merged *m = &o->params[i];
        in_order = in_order && m->required == o->count && m->index == i;
        if (m->required != o->count)
            continue;
        struct sbg_arg arg = make_arg(b, s, m, false, names);
        arg.mark = in_order && !m->keyword_only ? 0 : '=';
        f->params[f->param_count++] = arg;
    }
}

static void add_optional(struct sbg_bindings *b, const struct sbg_source *s,
                         const struct sbg_overloads *o, struct sbg_function *f, struct names *names,
                         const char *const *deciders, size_t decider_count)
{
    for (size_t i = 0; i < o->param_count; i++) {
        const struct sbg_merged *m = &o->params[i];
        bool decides = mentions(deciders, decider_count, m->name);
        if (m->required == o->count || sbg_says_nothing(b, m, decides, s->scope) ||
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
static size_t build(struct sbg_bindings *b, const struct sbg_source *s, struct sbg_overloads *o,
                    struct sbg_ctype returns, const char *const *deciders, size_t decider_count,
                    const char *note, struct sbg_function **out)
{
    sbg_merge(b, o);
    size_t required = 0, keyword_only = 0, optional = 0;
    for (size_t i = 0; i < o->param_count; i++) {
        const struct sbg_merged *m = &o->params[i];
        required += m->required == o->count;
        keyword_only += m->required == o->count && (m->keyword_only || m->index == SBG_NO_INDEX);
        optional += m->required != o->count;
    }
    bool apart = o->args && required && optional && is_passed_on(o->args);
    if (!o->count || sbg_fits_no_call(o) || (o->args && !apart && keyword_only)) {
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
    end(b, s, o, f);
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

size_t sbg_make_functions(struct sbg_bindings *b, const struct sbg_source *source,
                          struct sbg_function ***out_list)
{
    struct sbg_source callable = *source;
    const struct sbg_source *s = &callable;
    callable.sigs = sbg_possible(b, source);
    size_t n = s->sigs->count;
    struct sbg_ctype *results = SBG_ARRAY(&b->arena, struct sbg_ctype, n);
    const char **decides = SBG_ARRAY(&b->arena, const char *, n); /* NULL: of the main function */
    const char **deciders = SBG_ARRAY(&b->arena, const char *, n);
    struct sbg_function **out = SBG_ARRAY(&b->arena, struct sbg_function *, 2 * n + 2);
    size_t decider_count = 0, out_count = 0, main_at = 0;
    struct sbg_overloads main = { .sig = SBG_ARRAY(&b->arena, const struct sbg_sig *, n) };
    *out_list = out;
    for (size_t i = 0; i < n; i++) {
        results[i] = result_of(b, s, &s->sigs->sig[i]);
        if (sbg_required_count(&s->sigs->sig[i]) < sbg_required_count(&s->sigs->sig[main_at]))
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
    sbg_merge(b, &main);
    for (size_t i = 0; i < n; i++)
        if (!same_result(&results[i], &results[main_at]) && results[i].code != 'v')
            decides[i] = deciding(b, &s->sigs->sig[i], &main, s->scope);
    main.count = 0;
    for (size_t i = 0; i < n; i++)
        if (!decides[i])
            main.sig[main.count++] = &s->sigs->sig[i];
    struct sbg_ctype returns = joined_result(&main, s->sigs, results);
    sbg_merge(b, &main);
    for (size_t i = 0; i < n; i++) {
        if (!decides[i])
            continue;
        const struct sbg_merged *m = sbg_merged_named(&main, decides[i]);
        if (returns.code != 'v' && m && !sbg_is_fixed(b, m, s->scope))
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
        struct sbg_overloads own = { .sig = SBG_ARRAY(&b->arena, const struct sbg_sig *, n) };
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
        struct sbg_merged value = { .name = "value", .types = &type, .type_count = 1 };
        struct sbg_arg arg = make_arg(b, s, &value, false, &names);
        if (s->any_value && (arg.type.code == 'o' || arg.type.accepts))
            arg.type = (struct sbg_ctype) { .code = 'v' };
        f->params[f->param_count++] = arg;
        f->returns.code = 'n';
    } else {
        const struct sbg_sig sig = { NULL, 0, type };
        f->returns = result_of(b, s, &sig);
        if (f->returns.code == 'n') /* an attribute that is None now need not stay so */
            f->returns.code = 'v';
    }
    const struct sbg_overloads none = { 0 };
    end(b, s, &none, f);
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
