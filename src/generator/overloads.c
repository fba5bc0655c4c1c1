/* SPDX-License-Identifier: MIT
 *
 * overloads.c - several Python signatures as one list of parameters: by name, and by position where Python goes by
 * position. What a parameter may be is what any of the overloads allows.
 */
#include "overloads.h"

#include <stdlib.h>
#include <string.h>

bool sbg_is_named(const struct sbg_param *p)
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
        n += sbg_is_named(&sig->params[i]);
    return n;
}

static bool has_args(const struct sbg_sig *sig)
{
    for (size_t i = 0; i < sig->count; i++)
        if (sig->params[i].kind == SBG_VAR_POSITIONAL)
            return true;
    return false;
}

size_t sbg_required_count(const struct sbg_sig *sig)
{
    size_t n = 0;
    for (size_t i = 0; i < sig->count; i++)
        n += sbg_is_named(&sig->params[i]) && sig->params[i].required;
    return n;
}

static struct sbg_merged *find_merged(struct sbg_overloads *o, const struct sbg_param *p,
                                      size_t index)
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

static void merge_param(struct sbg_bindings *b, struct sbg_overloads *o, const struct sbg_param *p,
                        size_t index)
{
    struct sbg_merged *m = find_merged(o, p, index);
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
        m->index = SBG_NO_INDEX;
    m->positional_only = m->positional_only || p->kind == SBG_POSITIONAL_ONLY;
    m->keyword_only = m->keyword_only || p->kind == SBG_KEYWORD_ONLY;
    if (!p->required && p->value && (!m->value || strcmp(m->value, "...") == 0))
        m->value = p->value;
    for (size_t i = 0; i < m->type_count; i++)
        if (sbg_same_type(m->types[i], p->type))
            return;
    m->types[m->type_count++] = p->type;
}

static void merge_sig(struct sbg_bindings *b, struct sbg_overloads *o, const struct sbg_sig *sig)
{
    size_t index = 0;
    for (size_t i = 0; i < sig->count; i++) {
        const struct sbg_param *p = &sig->params[i];
        if (p->kind == SBG_VAR_POSITIONAL && !o->args)
            o->args = p->name;
        o->kwargs = o->kwargs || p->kind == SBG_VAR_KEYWORD;
        if (sbg_is_named(p))
            merge_param(b, o, p, is_positional(p) ? index++ : SBG_NO_INDEX);
    }
}

/* Positional ones first, by position; the others as they came. */
static int by_index(const void *a, const void *b)
{
    const struct sbg_merged *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

void sbg_merge(struct sbg_bindings *b, struct sbg_overloads *o)
{
    size_t room = 0, longest = 0;
    for (size_t i = 0; i < o->count; i++) {
        room += o->sig[i]->count;
        if (has_args(o->sig[i]) < has_args(o->sig[longest]) ||
            (has_args(o->sig[i]) == has_args(o->sig[longest]) &&
             named_count(o->sig[i]) > named_count(o->sig[longest])))
            longest = i;
    }
    o->params = SBG_ARRAY(&b->arena, struct sbg_merged, room);
    o->param_count = 0;
    o->args = NULL;
    o->kwargs = false;
    if (o->count)
        merge_sig(b, o, o->sig[longest]);
    for (size_t i = 0; i < o->count; i++)
        if (i != longest)
            merge_sig(b, o, o->sig[i]);
    struct sbg_merged *sorted = SBG_ARRAY(&b->arena, struct sbg_merged, o->param_count);
    size_t n = 0; /* a stable sort: qsort is none */
    for (size_t i = 0; i < o->param_count; i++)
        if (o->params[i].index != SBG_NO_INDEX)
            sorted[n++] = o->params[i];
    qsort(sorted, n, sizeof *sorted, by_index);
    for (size_t i = 0; i < o->param_count; i++)
        if (o->params[i].index == SBG_NO_INDEX)
            sorted[n++] = o->params[i];
    o->params = sorted;
}

const struct sbg_type *sbg_union_of(struct sbg_bindings *b, const struct sbg_merged *m)
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
bool sbg_is_fixed(struct sbg_bindings *b, const struct sbg_merged *m, const struct sbg_class *self)
{
    const struct sbg_type *parts[4];
    size_t n = sbg_flatten(b, sbg_union_of(b, m), self, parts, 4);
    return n == 1 && (parts[0]->kind == SBG_NONE || parts[0]->kind == SBG_LIT);
}

struct sbg_merged *sbg_merged_named(struct sbg_overloads *o, const char *name)
{
    for (size_t i = 0; i < o->param_count; i++)
        if (strcmp(o->params[i].name, name) == 0)
            return &o->params[i];
    return NULL;
}

/* A parameter's only value is what it is anyway. */
bool sbg_says_nothing(struct sbg_bindings *b, const struct sbg_merged *m, bool decides,
                      const struct sbg_class *self)
{
    const struct sbg_type *parts[4];
    size_t n = sbg_flatten(b, sbg_union_of(b, m), self, parts, 4);
    if (n != 1)
        return false;
    if (parts[0]->kind == SBG_NONE)
        return true;
    if (parts[0]->kind != SBG_LIT)
        return false;
    return decides || (parts[0]->lit.kind == 'b' && m->value &&
                       strcmp(m->value, *parts[0]->lit.text == '1' ? "True" : "False") == 0);
}

/* The overloads differ in how a parameter can be passed: no one call fits all of them. */
bool sbg_fits_no_call(const struct sbg_overloads *o)
{
    bool optional_before = false, keyword_before = false;
    for (size_t i = 0; i < o->param_count; i++) {
        const struct sbg_merged *m = &o->params[i];
        bool required = m->required == o->count;
        if (m->positional_only && (m->index == SBG_NO_INDEX || m->index != i || keyword_before ||
                                   (required && optional_before)))
            return true;
        optional_before = optional_before || !required;
        keyword_before = keyword_before || (!required && !m->positional_only) ||
                         m->index == SBG_NO_INDEX || m->keyword_only;
    }
    return false;
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
const struct sbg_sigs *sbg_possible(struct sbg_bindings *b, const struct sbg_source *s)
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
