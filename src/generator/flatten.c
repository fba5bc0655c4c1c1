/* SPDX-License-Identifier: MIT
 *
 * flatten.c - a Python type as the plain types that it may be: unions opened, aliases and type variables replaced. Types
 * may come back to themselves through an alias, so depth and steps are bounded; what is beyond them could be anything.
 */
#include "bindings.h"

#include <string.h>

#define MAX_DEPTH 40   /* of aliases and type variables inside each other */
#define MAX_STEPS 5000 /* to flatten one type */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool sbg_same_type(const struct sbg_type *a, const struct sbg_type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->item_count != b->item_count || !same_text(a->name, b->name) ||
        a->lit.kind != b->lit.kind || !same_text(a->lit.text, b->lit.text))
        return false;
    for (size_t i = 0; i < a->item_count; i++)
        if (!sbg_same_type(a->items[i], b->items[i]))
            return false;
    return true;
}

struct flat {
    struct sbg_bindings *b;
    const struct sbg_class *self;
    const struct sbg_type **out;
    size_t count, room;
    size_t steps; /* a recursive alias can double at each turn */
};

/* Type variables by name, with what stands for them. */
struct given {
    const char *const *names;
    const struct sbg_type *const *types;
    size_t count;
};

/* `type` with its type variables replaced; `steps` bounds the work. */
static const struct sbg_type *substitute(struct sbg_bindings *b, const struct sbg_type *type,
                                         const struct given *given, size_t *steps)
{
    if ((*steps)++ > MAX_STEPS)
        return type;
    if (type->kind == SBG_TVAR) {
        for (size_t i = 0; i < given->count; i++)
            if (strcmp(given->names[i], type->name) == 0)
                return given->types[i];
        return type;
    }
    struct sbg_type *copy = NULL;
    for (size_t i = 0; i < type->item_count; i++) {
        const struct sbg_type *item = substitute(b, type->items[i], given, steps);
        if (item == type->items[i])
            continue;
        if (!copy) {
            copy = SBG_NEW(&b->arena, struct sbg_type);
            *copy = *type;
            copy->items = SBG_ARRAY(&b->arena, const struct sbg_type *, type->item_count);
            memcpy(copy->items, type->items, type->item_count * sizeof *type->items);
        }
        copy->items[i] = item;
    }
    return copy ? copy : type;
}

/* False: it could be anything. */
static bool flatten(struct flat *f, const struct sbg_type *type, int depth)
{
    if (depth > MAX_DEPTH || f->steps++ > MAX_STEPS)
        return false;
    switch (type->kind) {
    case SBG_ANY:
        return false;
    case SBG_UNION:
        for (size_t i = 0; i < type->item_count; i++)
            if (!flatten(f, type->items[i], depth + 1))
                return false;
        return true;
    case SBG_ALIAS: {
        const struct sbg_alias *alias = sbg_map_get(&f->b->aliases, type->name);
        if (!alias)
            return false;
        const struct sbg_type *target = alias->target;
        const struct given given = { alias->params, type->items,
                                     alias->param_count < type->item_count ? alias->param_count
                                                                           : type->item_count };
        if (alias->param_count)
            target = substitute(f->b, target, &given, &f->steps);
        return flatten(f, target, depth + 1);
    }
    case SBG_TVAR: {
        const struct sbg_typevar *t = sbg_map_get(&f->b->typevars, type->name);
        if (!t)
            return false;
        for (size_t i = 0; i < t->value_count; i++)
            if (!flatten(f, t->values[i], depth + 1))
                return false;
        if (t->value_count)
            return true;
        const struct sbg_type *instead = t->bound ? t->bound : t->fallback;
        return instead && flatten(f, instead, depth + 1);
    }
    case SBG_NEVER:
        if (depth > 0)
            return true; /* adds nothing to a union */
        break;
    case SBG_INST:
    case SBG_NONE:
    case SBG_LIT:
    case SBG_TUPLE:
    case SBG_TYPEDDICT:
    case SBG_CALL:
    case SBG_TYPE:
    case SBG_SELF:
        break;
    }
    const struct sbg_type *part = type;
    if (type->kind == SBG_SELF) {
        if (!f->self)
            return false;
        struct sbg_type *inst = SBG_NEW(&f->b->arena, struct sbg_type);
        inst->kind = SBG_INST;
        inst->name = f->self->key;
        part = inst;
    }
    for (size_t i = 0; i < f->count; i++)
        if (sbg_same_type(f->out[i], part))
            return true;
    if (f->count == f->room)
        return false;
    f->out[f->count++] = part;
    return true;
}

size_t sbg_flatten(struct sbg_bindings *b, const struct sbg_type *type,
                   const struct sbg_class *self, const struct sbg_type **out, size_t room)
{
    struct flat f = { b, self, out, 0, room, 0 };
    return flatten(&f, type, 0) ? f.count : 0;
}

const struct sbg_type *sbg_substitute(struct sbg_bindings *b, const struct sbg_type *type,
                                      const char *const *names, size_t name_count,
                                      const struct sbg_type *const *types, size_t type_count)
{
    const struct given given = { names, types, name_count < type_count ? name_count : type_count };
    size_t steps = 0;
    return substitute(b, type, &given, &steps);
}
