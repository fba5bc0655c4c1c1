/* SPDX-License-Identifier: MIT
 *
 * enums.c - Literals as C enums, counted from 1: by the name of their alias, else by function and parameter. What the
 * values are is in the signature; here they get names.
 */
#include "bindings.h"

#include <stdlib.h>
#include <string.h>

/* What a character is called in an identifier; NULL: a blank, as most punctuation is. */
static const char *spelled(char c, bool alone)
{
    static const struct {
        char c;
        const char *word;
    } words[] = { { '<', "less" },  { '>', "greater" },  { '=', "equal" }, { '|', "bar" },
                  { '+', "plus" },  { '!', "not" },      { '*', "star" },  { '%', "percent" },
                  { '&', "and" },   { '^', "caret" },    { '~', "tilde" }, { '@', "at" },
                  { '#', "hash" },  { '$', "dollar" },   { '?', "mark" },  { '-', "minus" },
                  { '.', "dot" },   { ',', "comma" },    { '/', "slash" }, { ':', "colon" },
                  { ' ', "space" }, { ';', "semicolon" } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].c == c)
            return alone || i < 13 ? words[i].word : NULL;
    return NULL;
}

static bool is_word_char(char c)
{
    return (c >= '0' && c <= '9') || ((unsigned char)c | 32U) - 'a' < 26U;
}

static void add_enumerator(struct sbg_bindings *b, struct sbg_enum *e, const char *value)
{
    struct sbg_text word = { 0 };
    const char *ascii = sbg_word(&b->arena, value);
    bool alone = true;
    for (const char *p = ascii; *p; p++)
        alone = alone && !is_word_char(*p);
    if (ascii[0] == '-' && !alone) {
        sbg_add(&word, "minus_");
        ascii++;
    }
    for (const char *p = ascii; *p; p++) {
        const char *spell = is_word_char(*p) ? NULL : spelled(*p, alone);
        if (spell)
            sbg_addf(&word, "%s%s%s", word.len && word.ptr[word.len - 1] != '_' ? "_" : "", spell,
                     p[1] && !alone ? "_" : "");
        else
            sbg_add_char(&word, is_word_char(*p) ? *p : '_');
    }
    const char *name = sbg_printf(&b->arena, "%s_%s", e->c_name, word.len ? word.ptr : "empty");
    sbg_text_free(&word);
    e->enumerators[e->count++] =
        sbg_claim(b, name, sbg_printf(&b->arena, "%s of %s", value, e->c_name));
}

static void add_detail(struct sbg_text *to, const struct sbg_literal *lit)
{
    sbg_add_char(to, lit->kind);
    for (const unsigned char *p = (const unsigned char *)lit->text; *p; p++) {
        bool plain = (*p >= '0' && *p <= '9') || ((*p | 32U) - 'a') < 26U || *p > 0x7f ||
                     *p == '_' || *p == '-' || *p == '.';
        if (plain)
            sbg_add_char(to, (char)*p);
        else
            sbg_addf(to, "%%%02X", *p);
    }
}

/* The alias that is all of `type`, None aside: it names the enum. */
const struct sbg_alias *sbg_whole_alias(struct sbg_bindings *b, const struct sbg_type *type)
{
    const struct sbg_alias *found = NULL;
    if (type->kind == SBG_ALIAS && type->item_count == 0) {
        found = sbg_map_get(&b->aliases, type->name);
    } else if (type->kind == SBG_UNION) {
        for (size_t i = 0; i < type->item_count; i++) {
            if (type->items[i]->kind == SBG_NONE)
                continue;
            if (found || type->items[i]->kind != SBG_ALIAS)
                return NULL;
            found = sbg_whole_alias(b, type->items[i]);
            if (!found)
                return NULL;
        }
    }
    return found;
}

/* Does the alias itself say None? Then the enum has a member for it. */
bool sbg_says_none(struct sbg_bindings *b, const struct sbg_alias *alias)
{
    const struct sbg_type *parts[SBG_MAX_PARTS];
    size_t n = alias ? sbg_flatten(b, alias->target, NULL, parts, SBG_MAX_PARTS) : 0;
    for (size_t i = 0; i < n; i++)
        if (parts[i]->kind == SBG_NONE)
            return true;
    return false;
}

struct sbg_enum *sbg_enum_of(struct sbg_bindings *b, const struct sbg_type *type,
                             const struct sbg_type *const *parts, size_t count, bool none,
                             const struct sbg_use *use)
{
    struct sbg_text detail = { 0 };
    size_t values = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i]->kind != SBG_LIT)
            continue;
        if (values++)
            sbg_add_char(&detail, ';');
        add_detail(&detail, &parts[i]->lit);
    }
    const struct sbg_alias *alias = sbg_whole_alias(b, type);
    none = alias ? sbg_says_none(b, alias) : none;
    if (none)
        sbg_add(&detail, ";n");
    const char *base;
    if (alias) {
        const char *dot = strrchr(alias->name, '.'), *last = dot ? dot + 1 : alias->name;
        last += strspn(last, "_");
        base = sbg_printf(&b->arena, "%s_%s", alias->library->prefix, sbg_word(&b->arena, last));
    } else {
        base = use->enum_name;
    }
    const char *owner = alias ? alias->name : base;
    const char *key = sbg_printf(&b->arena, "%s=%s", owner, detail.ptr);
    struct sbg_enum *e = sbg_map_get(&b->enums, key);
    if (!e) {
        e = SBG_NEW(&b->arena, struct sbg_enum);
        e->detail = sbg_copy(&b->arena, detail.ptr, detail.len);
        e->library = alias ? alias->library : use->library;
        e->c_name = sbg_claim(b, base, owner);
        e->enumerators = SBG_ARRAY(&b->arena, const char *, values + 1);
        for (size_t i = 0; i < count; i++)
            if (parts[i]->kind == SBG_LIT)
                add_enumerator(b, e,
                               parts[i]->lit.kind != 'b'    ? parts[i]->lit.text
                               : *parts[i]->lit.text == '1' ? "True"
                                                            : "False");
        if (none)
            add_enumerator(b, e, "None");
        e->comment = alias ? alias->name : use->python;
        sbg_map_put(&b->enums, key, e);
        b->enum_list = sbg_resize(b->enum_list, (b->enum_count + 1) * sizeof(struct sbg_enum *));
        b->enum_list[b->enum_count++] = e;
        b->report->enums++;
    }
    sbg_text_free(&detail);
    return e;
}
