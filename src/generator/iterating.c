/* SPDX-License-Identifier: MIT
 *
 * iterating.c - which functions get an iterating form, and what its loop variable is: those whose result is an iterator,
 * and those that pyproject.toml lists under `streaming`.
 */
#include "bindings.h"

#include <string.h>

const struct sbg_type *sbg_awaited(const struct sbg_type *returns)
{
    static const char *const names[] = { "typing.Coroutine", "collections.abc.Coroutine",
                                         "types.CoroutineType", NULL };
    bool coroutine = false;
    for (size_t i = 0; names[i] && returns->kind == SBG_INST; i++)
        coroutine = coroutine || strcmp(returns->name, names[i]) == 0;
    return coroutine && returns->item_count == 3 ? returns->items[2] : returns;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* What iterating `type` gives, or NULL; and is it made to be iterated? */
static const struct sbg_type *item_of(struct sbg_bindings *b, const struct sbg_type *type,
                                      bool *iterator)
{
    static const char *const iterators[] = {
        "Iterator",      "Generator",      "Iterable", "AsyncIterator",
        "AsyncIterable", "AsyncGenerator", NULL
    };
    static const char *const containers[] = { "builtins.list",      "builtins.set",
                                              "builtins.frozenset", "builtins.tuple",
                                              "builtins.dict",      NULL };
    *iterator = false;
    if (type->kind != SBG_INST)
        return NULL;
    const char *dot = strrchr(type->name, '.');
    bool abstract = sbg_is_abstract(type->name);
    *iterator = abstract && dot && is_one_of(dot + 1, iterators);
    if (*iterator || abstract || is_one_of(type->name, containers))
        return type->item_count ? type->items[0] : NULL;
    const struct sbg_class *c = sbg_find_class(b, type->name);
    if (!c)
        return NULL;
    *iterator = c->iterator;
    return c->item
               ? sbg_substitute(b, c->item, c->tvars, c->tvar_count, type->items, type->item_count)
               : NULL;
}

static bool same(const struct sbg_ctype *a, const struct sbg_ctype *b)
{
    return a->code == b->code && a->cls == b->cls;
}

/* One type is what all parts of it are: a union of a list and an iterator is iterated by no form of its own. */
static bool item_type(struct sbg_bindings *b, const struct sbg_type *returns,
                      const struct sbg_use *use, struct sbg_ctype *out)
{
    const struct sbg_type *parts[SBG_MAX_PARTS];
    size_t count = sbg_flatten(b, sbg_awaited(returns), use->self, parts, SBG_MAX_PARTS);
    bool all = count > 0;
    *out = (struct sbg_ctype) { .code = 'v' };
    for (size_t i = 0; i < count; i++) {
        bool iterator;
        const struct sbg_type *item = item_of(b, parts[i], &iterator);
        all = all && iterator;
        struct sbg_ctype one = { .code = 'v' };
        if (item)
            one = sbg_map_type(b, item, use);
        if (one.code == 't' || one.code == 'e' || one.code == 'n' || one.none)
            one = (struct sbg_ctype) { .code = 'v' }; /* a struct, None: what a value can tell */
        if (i && !same(&one, out))
            one = (struct sbg_ctype) { .code = 'v' };
        *out = one;
    }
    return all;
}

bool sbg_iterates(struct sbg_bindings *b, const struct sbg_source *s,
                  const struct sbg_sig *const *sigs, size_t count, struct sbg_ctype *item)
{
    const struct sbg_use use = {
        .library = s->library,
        .self = s->scope,
        .role = SBG_AS_RESULT,
        .python = sbg_printf(&b->arena, "%s: items", s->python),
        .enum_name = s->enum_name,
        .nested = true,
    };
    bool all = count > 0;
    *item = (struct sbg_ctype) { .code = 'v' };
    for (size_t i = 0; i < count && (all || s->streaming); i++) {
        struct sbg_ctype one;
        all = item_type(b, sigs[i]->returns, &use, &one) && all;
        if (i && !same(&one, item))
            one = (struct sbg_ctype) { .code = 'v' };
        *item = one;
    }
    return all || s->streaming;
}
