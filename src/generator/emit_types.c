/* SPDX-License-Identifier: MIT
 *
 * emit_types.c - the _types.h of a library: handles of its classes, its enums, flags, named tuples, and the unions of
 * classes that its parameters take. Bases come before what derives from them, so that upcasts are members.
 */
#include "bindings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool sbg_has_handle(const struct sbg_class *c)
{
    return c && c->c_name && !c->by_fields && !c->flags_int && (!c->plain || c->plain == 'v');
}

/* "as_NDFrame", or with the whole C name where two bases share the short one. */
const char *sbg_upcast_name(struct sbg_bindings *b, const struct sbg_class *c,
                            const struct sbg_class *base)
{
    const char *word = sbg_word(&b->arena, base->name + strspn(base->name, "_"));
    for (size_t i = 1; i < c->mro_count; i++) {
        const struct sbg_class *other = sbg_find_class(b, c->mro[i]);
        if (other != base && sbg_has_handle(other) &&
            strcmp(sbg_word(&b->arena, other->name + strspn(other->name, "_")), word) == 0)
            return sbg_printf(&b->arena, "as_%s", base->c_name);
    }
    return sbg_printf(&b->arena, "as_%s", word);
}

static void emit_handle(struct sbg_header *h, struct sbg_class *c)
{
    if (c->placed)
        return;
    c->placed = true;
    struct sbg_bindings *b = h->b;
    for (size_t i = 1; i < c->mro_count; i++) {
        struct sbg_class *base = sbg_find_class(b, c->mro[i]);
        if (sbg_has_handle(base) && base->library == h->library)
            emit_handle(h, base);
    }
    struct sbg_text *to = &h->body;
    const char *end = strstr(c->doc, "\n\n");
    sbg_add(to, "/** ");
    size_t before = to->len;
    sbg_add_comment(to, c->doc, end ? (size_t)(end - c->doc) : strlen(c->doc), " *  ", 500);
    sbg_addf(to, "%sPython: %s */\n", to->len > before ? "\n *  " : "", c->key);
    sbg_addf(to, "typedef union %s {\n    sb_object object;\n", c->c_name);
    for (size_t i = 1; i < c->mro_count; i++) {
        const struct sbg_class *base = sbg_find_class(b, c->mro[i]);
        if (!sbg_has_handle(base) || base == c || !sbg_sees(h->library, base->library))
            continue;
        sbg_need_library(h, base->library);
        sbg_addf(to, "    %s %s;\n", base->c_name, sbg_upcast_name(b, c, base));
    }
    sbg_addf(to, "} %s;\n", c->c_name);
    sbg_addf(to,
             "static inline %s %s(sb_session *py, sb_value value, const sb_site *at_)\n"
             "{\n    const %s result_ = { sb_cast(py, at_, ",
             c->c_name, c->c_from, c->c_name);
    sbg_add_c_string(to, c->path);
    sbg_addf(to,
             ", value) };\n    return result_;\n}\n"
             "#define %s(py, value) (%s)(py, SB(value), SB_SITE_(\"\"))\n\n",
             c->c_from, c->c_from);
}

static void emit_flags(struct sbg_header *h, const struct sbg_class *c)
{
    for (size_t i = 0; i < c->enumerator_count; i++) {
        const struct sbg_field *e = &c->enumerators[i];
        char *end;
        errno = 0;
        long long value = strtoll(e->text, &end, 0);
        if (errno || *end || end == e->text || value == INT64_MIN)
            continue;
        sbg_addf(&h->body, "#define %s ((int64_t)%lld)\n", e->c_name, value);
    }
    sbg_add_char(&h->body, '\n');
}

static void emit_enum(struct sbg_header *h, const struct sbg_enum *e)
{
    sbg_add(&h->body, "/** ");
    sbg_add_comment(&h->body, e->comment, strlen(e->comment), NULL, 200);
    sbg_addf(&h->body, " */\ntypedef enum %s {\n", e->c_name);
    for (size_t i = 0; i < e->count; i++)
        sbg_addf(&h->body, "    %s%s%s\n", e->enumerators[i], i ? "" : " = 1",
                 i + 1 < e->count ? "," : "");
    sbg_addf(&h->body, "} %s;\n\n", e->c_name);
}

static struct sbg_ctype fields_of(struct sbg_bindings *b, const struct sbg_class *c)
{
    const struct sbg_type type = { .kind = SBG_INST, .name = c->key };
    const struct sbg_use use = {
        .library = c->library,
        .role = SBG_AS_RESULT,
        .python = c->key,
        .enum_name = c->c_name,
    };
    return sbg_map_type(b, &type, &use);
}

void sbg_map_fields(struct sbg_bindings *b)
{
    for (size_t l = 0; l < b->library_count; l++)
        for (size_t i = 0; i < b->libraries[l].class_count; i++)
            if (b->libraries[l].classes[i].c_name && b->libraries[l].classes[i].by_fields)
                fields_of(b, &b->libraries[l].classes[i]);
}

static void emit_fields(struct sbg_header *h, const struct sbg_class *c,
                        const struct sbg_ctype *type)
{
    sbg_addf(&h->body, "/** Python: %s */\ntypedef struct %s {\n", c->key, c->c_name);
    for (size_t i = 0; i < type->item_count; i++) {
        const struct sbg_ctype *item = &type->items[i];
        if (item->cls)
            sbg_need_library(h, item->cls->library);
        sbg_addf(&h->body, "    %s%s;\n", sbg_c_type(h->b, item, SBG_AS_RESULT), type->names[i]);
    }
    sbg_addf(&h->body, "} %s;\n\n", c->c_name);
}

static void emit_acceptor_c(struct sbg_header *h, const struct sbg_acceptor *a)
{
    sbg_addf(&h->body, "#define %s(x) \\\n    SB_TAKE_(x, sb_value: 'v', sb_object: 'o'",
             a->c_name);
    for (size_t i = 0; i < a->count; i++) {
        sbg_need_library(h, a->classes[i]->library);
        sbg_addf(&h->body, ", %s: 'o'", a->classes[i]->c_name);
    }
    sbg_add(&h->body, ")\n");
}

static void emit_acceptor_cxx(struct sbg_header *h, const struct sbg_acceptor *a)
{
    static const char form[] = "inline sb_value %s(%s x) { return %s; }\n";
    sbg_addf(&h->body, form, a->c_name, "sb_value", "x");
    sbg_addf(&h->body, form, a->c_name, "sb_object", "sb_from_object(x)");
    for (size_t i = 0; i < a->count; i++)
        sbg_addf(&h->body, form, a->c_name, a->classes[i]->c_name, "sb_from_object(x.object)");
}

static int by_enum_name(const void *a, const void *b)
{
    return strcmp((*(struct sbg_enum *const *)a)->c_name, (*(struct sbg_enum *const *)b)->c_name);
}

static int by_acceptor_name(const void *a, const void *b)
{
    return strcmp((*(struct sbg_acceptor *const *)a)->c_name,
                  (*(struct sbg_acceptor *const *)b)->c_name);
}

void sbg_emit_types(struct sbg_header *h)
{
    struct sbg_bindings *b = h->b;
    struct sbg_library *library = h->library;
    for (size_t i = 0; i < library->class_count; i++) {
        struct sbg_class *c = &library->classes[i];
        if (sbg_has_handle(c))
            emit_handle(h, c);
        else if (c->c_name && c->flags_int)
            emit_flags(h, c);
    }
    if (b->enum_count)
        qsort(b->enum_list, b->enum_count, sizeof *b->enum_list, by_enum_name);
    for (size_t i = 0; i < b->enum_count; i++)
        if (b->enum_list[i]->library == library)
            emit_enum(h, b->enum_list[i]);
    for (size_t i = 0; i < library->class_count; i++)
        if (library->classes[i].c_name && library->classes[i].by_fields) {
            const struct sbg_ctype type = fields_of(b, &library->classes[i]);
            emit_fields(h, &library->classes[i], &type);
        }
    if (b->acceptor_count)
        qsort(b->acceptor_list, b->acceptor_count, sizeof *b->acceptor_list, by_acceptor_name);
    for (int cxx = 0; cxx < 2; cxx++) {
        size_t n = 0;
        for (size_t i = 0; i < b->acceptor_count; i++) {
            if (b->acceptor_list[i]->library != library)
                continue;
            if (!n++)
                sbg_add(&h->body, cxx ? "#else\n} /* extern \"C\" */\n" : "#ifndef __cplusplus\n");
            (cxx ? emit_acceptor_cxx : emit_acceptor_c)(h, b->acceptor_list[i]);
        }
        if (n && cxx)
            sbg_add(&h->body, "extern \"C\" {\n#endif\n\n");
    }
    sbg_emit_callbacks(h);
}
