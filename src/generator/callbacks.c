/* SPDX-License-Identifier: MIT
 *
 * callbacks.c - a Callable that Python calls with a fixed number of arguments, as a C function type: what a parameter
 * of it is in C, how it is named, and its text in a header of types. A library has one for each distinct C signature.
 */
#include "bindings.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ARGS \
    12 /* of a function that is worth a type; more are taken one by one from the values */

/* The type of a parameter or of the result. Both are mapped as results are: there, None and unions are values, text has
 * its length, and a class that this library's types cannot name is an object. */
static struct sbg_ctype part_of(struct sbg_bindings *b, const struct sbg_type *type,
                                const struct sbg_use *use, bool result)
{
    struct sbg_use inner = *use;
    inner.role = SBG_AS_RESULT;
    inner.value = NULL;
    inner.nested = true;
    inner.python = sbg_printf(&b->arena, "%s: %s of its function", use->python,
                              result ? "the result" : "an argument");
    struct sbg_ctype c = sbg_map_type(b, type, &inner);
    if (c.cls && !sbg_sees(use->library, c.cls->library))
        c.cls = NULL;
    if (c.code == 't' || c.code == 'e' || (c.code == 'n' && !result))
        return (struct sbg_ctype) { .code = 'v' };
    if (c.code == 'o' && !c.cls)
        c.none = true;
    return c;
}

static void add_word(struct sbg_text *to, const struct sbg_ctype *type)
{
    switch (type->code) {
    case 'i':
        sbg_add(to, "_int");
        break;
    case 'd':
        sbg_add(to, "_float");
        break;
    case 'b':
        sbg_add(to, "_bool");
        break;
    case 's':
        sbg_add(to, "_str");
        break;
    case 'y':
        sbg_add(to, "_bytes");
        break;
    case 'n':
        sbg_add(to, "_None");
        break;
    case 'o':
        if (type->cls)
            sbg_addf(to, "_%s%s", type->cls->c_name + strlen(type->cls->library->prefix) + 1,
                     type->none ? "_or_None" : "");
        else
            sbg_add(to, "_object");
        break;
    default:
        sbg_add(to, "_value");
    }
}

static struct sbg_callback *callback_of(struct sbg_bindings *b, const struct sbg_type *call,
                                        const struct sbg_use *use)
{
    size_t n = call->item_count - 1;
    struct sbg_ctype *args = SBG_ARRAY(&b->arena, struct sbg_ctype, n);
    struct sbg_text name = { 0 };
    sbg_addf(&name, "%s_fn", use->library->prefix);
    for (size_t i = 0; i < n; i++) {
        args[i] = part_of(b, call->items[i], use, false);
        add_word(&name, &args[i]);
    }
    struct sbg_ctype *returns = SBG_NEW(&b->arena, struct sbg_ctype);
    *returns = part_of(b, call->items[n], use, true);
    sbg_add(&name, "_to");
    add_word(&name, returns);
    struct sbg_callback *c = sbg_map_get(&b->callbacks, name.ptr);
    if (!c) {
        c = SBG_NEW(&b->arena, struct sbg_callback);
        const char *key = sbg_copy(&b->arena, name.ptr, name.len);
        c->c_name = sbg_claim(b, key, use->python);
        c->c_new = sbg_claim(b, sbg_printf(&b->arena, "%s_new", c->c_name), use->python);
        c->c_call = sbg_claim(b, sbg_printf(&b->arena, "%s_call_", c->c_name), use->python);
        c->args = args;
        c->count = n;
        c->returns = returns;
        c->library = use->library;
        struct sbg_text text = { 0 }, clean = { 0 };
        sbg_add_type(&text, call);
        sbg_add_comment(&clean, text.ptr, text.len, NULL, 200);
        c->comment = sbg_copy(&b->arena, clean.ptr, clean.len);
        sbg_text_free(&text);
        sbg_text_free(&clean);
        sbg_map_put(&b->callbacks, key, c);
        b->callback_list =
            sbg_resize(b->callback_list, (b->callback_count + 1) * sizeof(struct sbg_callback *));
        b->callback_list[b->callback_count++] = c;
    }
    sbg_text_free(&name);
    return c;
}

/* `type` as a Callable with its parameters: one itself, or a protocol that is nothing but a `__call__`. */
static const struct sbg_type *call_in(struct sbg_bindings *b, const struct sbg_type *type)
{
    if (type->kind == SBG_CALL)
        return type->item_count && type->item_count <= MAX_ARGS + 1 ? type : NULL;
    const struct sbg_class *c = type->kind == SBG_INST ? sbg_find_class(b, type->name) : NULL;
    if (!c || !(c->flags & SBG_PROTOCOL) || c->member_count != 1 ||
        strcmp(c->members[0].name, "__call__") != 0 || c->members[0].kind != SBG_METHOD ||
        c->members[0].async || c->members[0].sigs.count != 1)
        return NULL;
    const struct sbg_sig *sig = &c->members[0].sigs.sig[0];
    if (sig->count > MAX_ARGS)
        return NULL;
    struct sbg_type *call = SBG_NEW(&b->arena, struct sbg_type);
    call->kind = SBG_CALL;
    call->items = SBG_ARRAY(&b->arena, const struct sbg_type *, sig->count + 1);
    for (size_t i = 0; i < sig->count; i++) {
        const struct sbg_param *p = &sig->params[i];
        if (!p->required ||
            (p->kind != SBG_POSITIONAL_ONLY && p->kind != SBG_POSITIONAL_OR_KEYWORD))
            return NULL;
        call->items[call->item_count++] = p->type;
    }
    call->items[call->item_count++] = sig->returns;
    return call;
}

struct sbg_callback *sbg_callback_in(struct sbg_bindings *b, const struct sbg_type *const *parts,
                                     size_t count, const struct sbg_use *use, bool *only)
{
    struct sbg_callback *found = NULL;
    size_t others = 0;
    for (size_t i = 0; i < count; i++) {
        const struct sbg_type *call = call_in(b, parts[i]);
        struct sbg_callback *one = call ? callback_of(b, call, use) : NULL;
        if (one && found && one != found)
            return NULL; /* which of them, no C function could know */
        if (one)
            found = one;
        else
            others += parts[i]->kind != SBG_NONE;
    }
    *only = found && !others;
    return found;
}

/* ---- the text ---- */

static void add_codes(struct sbg_text *to, const struct sbg_callback *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct sbg_ctype *a = &c->args[i];
        sbg_addf(to, "%s%c%s", i ? "," : "", a->code, a->none ? "?" : "");
        if (a->code == 'o' && a->cls)
            sbg_addf(to, "{%s}", a->cls->path);
    }
}

/* What the C function is given, from the union that sb_take_args fills. */
static void add_taken(struct sbg_text *to, const struct sbg_ctype *type, size_t i)
{
    if (type->code == 'o' && type->cls)
        sbg_addf(to, ", a%zu_", i);
    else
        sbg_addf(to, ", taken_[%zu].%c", i, type->code);
}

static const char *returned(const struct sbg_ctype *type)
{
    switch (type->code) {
    case 'i':
        return "sb_from_int(";
    case 'd':
        return "sb_from_double(";
    case 'b':
        return "sb_from_bool(";
    case 's':
        return "sb_from_cstr(";
    case 'y':
        return "sb_from_bytes(";
    case 'o':
        return "sb_from_object(";
    default:
        return "(";
    }
}

/* The call from Python: the arguments taken, the function called, its result as a value. */
static void add_call(struct sbg_header *h, const struct sbg_callback *c)
{
    struct sbg_text *to = &h->body;
    struct sbg_text codes = { 0 };
    sbg_add(&codes, "");
    add_codes(&codes, c);
    sbg_addf(to,
             "static inline sb_value %s(sb_session *py, const sb_value *args_, size_t count_,\n"
             "    void (*f_)(void), void *user_)\n{\n    sb_taken taken_[%zu];\n"
             "    if (!sb_take_args(py, \"%s\", ",
             c->c_call, c->count ? c->count : 1, c->c_name);
    sbg_add_c_string(to, codes.ptr);
    sbg_addf(to, ", args_, count_, taken_))\n        return SB_NONE;\n");
    sbg_text_free(&codes);
    for (size_t i = 0; i < c->count; i++)
        if (c->args[i].code == 'o' && c->args[i].cls)
            sbg_addf(to, "    const %sa%zu_ = { taken_[%zu].o };\n",
                     sbg_c_type(h->b, &c->args[i], SBG_AS_RESULT), i, i);
    const char *before = c->returns->code == 'n' ? "" : returned(c->returns);
    sbg_addf(to, "    %s%s((%s)f_)(py", c->returns->code == 'n' ? "" : "return ", before,
             c->c_name);
    for (size_t i = 0; i < c->count; i++)
        add_taken(to, &c->args[i], i);
    sbg_add(to, ", user_)");
    if (c->returns->code == 'n')
        sbg_add(to, ";\n    return SB_NONE;\n}\n");
    else
        sbg_addf(to, "%s);\n}\n", c->returns->code == 'o' && c->returns->cls ? ".object" : "");
}

static void add_type(struct sbg_header *h, const struct sbg_callback *c)
{
    struct sbg_text *to = &h->body;
    const char *result =
        c->returns->code == 's' ? "const char *" : sbg_c_type(h->b, c->returns, SBG_AS_RESULT);
    sbg_addf(to, "/** Python: %s */\ntypedef %s(*%s)(sb_session *py", c->comment, result,
             c->c_name);
    for (size_t i = 0; i < c->count; i++)
        sbg_addf(to, ", %sarg%zu", sbg_c_type(h->b, &c->args[i], SBG_AS_RESULT), i + 1);
    sbg_add(to, ", void *user);\n");
}

static void emit_callback(struct sbg_header *h, const struct sbg_callback *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->args[i].cls)
            sbg_need_library(h, c->args[i].cls->library);
    if (c->returns->cls)
        sbg_need_library(h, c->returns->cls->library);
    add_type(h, c);
    add_call(h, c);
    struct sbg_text shown = { 0 }; /* how Python shows its parameters */
    sbg_add_char(&shown, '(');
    for (size_t i = 0; i < c->count; i++)
        sbg_addf(&shown, "arg%zu, ", i + 1);
    sbg_add(&shown, c->count ? "/)" : ")");
    sbg_addf(&h->body,
             "/** A Python callable that calls `f` with `user`; `drop` as in sb_function. */\n"
             "static inline sb_object %s(sb_session *py, %s f, void *user, void (*drop)(void *), "
             "const sb_site *at_)\n{\n"
             "    return sb_typed_function(py, at_, \"%s\", \"%s\", (void (*)(void))f, %s, user, "
             "drop);\n}\n"
             "#define %s(py, f, user, drop) (%s)(py, f, user, drop, SB_SITE_(\"\"))\n\n",
             c->c_new, c->c_name, c->c_name, shown.ptr, c->c_call, c->c_new, c->c_new);
    sbg_text_free(&shown);
}

static int by_c_name(const void *a, const void *b)
{
    return strcmp((*(struct sbg_callback *const *)a)->c_name,
                  (*(struct sbg_callback *const *)b)->c_name);
}

void sbg_emit_callbacks(struct sbg_header *h)
{
    struct sbg_bindings *b = h->b;
    if (b->callback_count)
        qsort(b->callback_list, b->callback_count, sizeof *b->callback_list, by_c_name);
    for (size_t i = 0; i < b->callback_count; i++)
        if (b->callback_list[i]->library == h->library)
            emit_callback(h, b->callback_list[i]);
}
