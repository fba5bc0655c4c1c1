/* SPDX-License-Identifier: MIT
 *
 * types.c - Python types to C types. A type is flattened to the plain types that it may be (flatten.c); each of these has
 * a code of the signature grammar, and the codes are joined. What has no exact join is dynamic: a C type is promised
 * only where every value of the Python type has it.
 */
#include "bindings.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CLASSES 12 /* of an acceptor, before subclasses are added */
#define MAX_MEMBERS 32 /* of a tuple as a struct */

/* ---- one part of a union ---- */

/* What a part is. Besides the codes of the grammar: I __index__, D __float__, l a literal, N None, u a class that is
 * not bound. */
struct part {
    char code;
    const struct sbg_class *cls;
};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_named(const char *name, const char *const *list)
{
    const char *dot = strrchr(name, '.');
    for (; *list; list++)
        if (strcmp(dot ? dot + 1 : name, *list) == 0)
            return true;
    return false;
}

bool sbg_is_abstract(const char *name)
{
    return begins(name, "typing.") || begins(name, "typing_extensions.") ||
           begins(name, "collections.abc.") || begins(name, "_typeshed.") ||
           begins(name, "_collections_abc.") || begins(name, "numbers.") ||
           begins(name, "contextlib.") || begins(name, "abc.");
}

static struct part class_part(struct sbg_bindings *b, const char *name, enum sbg_role role)
{
    static const struct {
        const char *name;
        char code;
    } plain[] = {
        { "builtins.int", 'i' },         { "builtins.float", 'd' },
        { "builtins.bool", 'b' },        { "builtins.str", 's' },
        { "builtins.bytes", 'y' },       { "builtins.complex", 'v' },
        { "builtins.object", 'v' },      { "builtins.list", 'v' },
        { "builtins.dict", 'v' },        { "builtins.set", 'v' },
        { "builtins.tuple", 'v' },       { "builtins.frozenset", 'v' },
        { "typing.LiteralString", 's' }, { "typing_extensions.LiteralString", 's' },
    };
    static const char *const stay[] = { "Iterator",
                                        "Generator",
                                        "AsyncIterator",
                                        "AsyncGenerator",
                                        "Coroutine",
                                        "Awaitable",
                                        "ContextManager",
                                        "AbstractContextManager",
                                        "AsyncContextManager",
                                        "AbstractAsyncContextManager",
                                        "IO",
                                        "TextIO",
                                        "BinaryIO",
                                        NULL };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(plain[i].name, name) == 0)
            return (struct part) { plain[i].code, NULL };
    if (role != SBG_AS_RESULT && strcmp(name, "typing.SupportsIndex") == 0)
        return (struct part) { 'I', NULL };
    if (role != SBG_AS_RESULT && strcmp(name, "typing.SupportsFloat") == 0)
        return (struct part) { 'D', NULL };
    const struct sbg_class *c = sbg_find_class(b, name);
    if (role == SBG_AS_RESULT && is_named(name, stay) && sbg_is_abstract(name))
        return (struct part) { 'u', NULL }; /* always an object, of a class of its own */
    if ((c && c->flags & (SBG_PROTOCOL | SBG_TYPEDDICT_CLASS)) || sbg_is_abstract(name))
        return (struct part) { 'v', NULL };
    if (!c || !c->c_name)
        return (struct part) { 'u', NULL };
    if (c->flags_int)
        return (struct part) { 'i', NULL }; /* an OR of flags is an int in C */
    if (c->flags & SBG_ENUM && sbg_is_int(b, c) && role != SBG_AS_RESULT)
        return (struct part) { 'v', NULL }; /* a member or its number */
    if (c->by_fields)
        return (struct part) { role == SBG_AS_RESULT ? 't' : 'v', c };
    if (c->plain)
        return (struct part) { 'v', NULL };
    return (struct part) { 'o', c };
}

static struct part part_of(struct sbg_bindings *b, const struct sbg_type *type, enum sbg_role role)
{
    switch (type->kind) {
    case SBG_INST:
        return class_part(b, type->name, role);
    case SBG_NONE:
        return (struct part) { 'N', NULL };
    case SBG_NEVER:
        return (struct part) { 'n', NULL };
    case SBG_LIT:
        if (!type->lit.kind) { /* of an enum: as its class; bytes: as bytes */
            return class_part(b, type->name, role);
        }
        return (struct part) { 'l', NULL };
    case SBG_TUPLE: {
        const struct sbg_class *c = type->name ? sbg_find_class(b, type->name) : NULL;
        if (role == SBG_AS_RESULT && c && c->c_name && c->by_fields)
            return (struct part) { 't', c };
        if (role == SBG_AS_RESULT && c && c->c_name && !c->plain)
            return (struct part) { 'o', c };
        if (role == SBG_AS_RESULT && type->item_count && type->item_count <= MAX_MEMBERS)
            return (struct part) { 't', NULL };
        return (struct part) { 'v', NULL };
    }
    case SBG_CALL:
    case SBG_TYPE:
        return (struct part) { role == SBG_AS_RESULT ? 'u' : 'v', NULL };
    case SBG_TYPEDDICT:
    case SBG_ANY:
    case SBG_UNION:
    case SBG_TVAR:
    case SBG_SELF:
    case SBG_ALIAS:
        break;
    }
    return (struct part) { 'v', NULL };
}

/* ---- acceptors ---- */

static int by_c_name(const void *a, const void *b)
{
    return strcmp((*(const struct sbg_class *const *)a)->c_name,
                  (*(const struct sbg_class *const *)b)->c_name);
}

static struct sbg_acceptor *acceptor_of(struct sbg_bindings *b, const struct sbg_class **classes,
                                        size_t count, const struct sbg_use *use)
{
    for (size_t i = 0; i < count; i++)
        if (!sbg_sees(use->library, classes[i]->library))
            return NULL;
    qsort(classes, count, sizeof *classes, by_c_name);
    struct sbg_text name = { 0 };
    sbg_addf(&name, "%s_takes", use->library->prefix);
    for (size_t i = 0; i < count; i++) {
        const char *tail = classes[i]->c_name;
        size_t len = strlen(classes[i]->library->prefix);
        sbg_addf(&name, "%s_%s", i ? "_or" : "", tail + len + 1);
    }
    sbg_add_char(&name, '_');
    struct sbg_acceptor *a = sbg_map_get(&b->acceptors, name.ptr);
    if (!a) {
        a = SBG_NEW(&b->arena, struct sbg_acceptor);
        a->c_name = sbg_claim(b, sbg_copy(&b->arena, name.ptr, name.len), use->python);
        a->library = use->library;
        size_t room = 0;
        for (size_t l = 0; l < b->library_count; l++)
            room += b->libraries[l].class_count;
        a->classes = SBG_ARRAY(&b->arena, const struct sbg_class *, room);
        for (size_t l = 0; l < b->library_count && sbg_sees(a->library, &b->libraries[l]); l++)
            for (size_t i = 0; i < b->libraries[l].class_count; i++) {
                const struct sbg_class *c = &b->libraries[l].classes[i];
                bool fits = false;
                for (size_t k = 0; k < count && c->c_name && !c->by_fields && !c->plain; k++)
                    fits = fits || sbg_is_subclass(c, classes[k]);
                if (fits)
                    a->classes[a->count++] = c;
            }
        qsort(a->classes, a->count, sizeof *a->classes, by_c_name);
        sbg_map_put(&b->acceptors, a->c_name, a);
        b->acceptor_list =
            sbg_resize(b->acceptor_list, (b->acceptor_count + 1) * sizeof(struct sbg_acceptor *));
        b->acceptor_list[b->acceptor_count++] = a;
    }
    sbg_text_free(&name);
    return a;
}

/* ---- joining ---- */

struct join {
    size_t i, d, b, s, y, v, I, D, l, t, n, N, u; /* how many parts have the code */
    size_t literal_s, literal_i, literal_b;
    const struct sbg_class *classes[SBG_MAX_PARTS];
    size_t class_count;
    const struct sbg_type *tuple;
    const struct sbg_class *tuple_class;
};

static void add_class(struct join *j, const struct sbg_class *c)
{
    for (size_t i = 0; i < j->class_count; i++) {
        if (sbg_is_subclass(c, j->classes[i]))
            return;
        if (sbg_is_subclass(j->classes[i], c))
            j->classes[i--] = j->classes[--j->class_count];
    }
    j->classes[j->class_count++] = c;
}

/* The class of a default that stands for "not given": nobody passes it. */
static bool is_sentinel(const struct sbg_type *type)
{
    static const char *const names[] = { "_NoValueType",   "_NoValue",  "NoDefault", "_NoDefault",
                                         "_NoDefaultType", "_Unset",    "UnsetType", "NotGiven",
                                         "_MISSING_TYPE",  "_Sentinel", "_NotGiven", NULL };
    return (type->kind == SBG_INST || (type->kind == SBG_LIT && !type->lit.kind)) &&
           is_named(type->name, names);
}

static void add_part(struct sbg_bindings *b, struct join *j, const struct sbg_type *type,
                     enum sbg_role role)
{
    struct part p = part_of(b, type, role);
    switch (p.code) {
    case 'o':
        add_class(j, p.cls);
        break;
    case 't':
        j->t++;
        j->tuple = type;
        j->tuple_class = p.cls;
        break;
    case 'l':
        j->l++;
        j->literal_s += type->lit.kind == 's';
        j->literal_i += type->lit.kind == 'i';
        j->literal_b += type->lit.kind == 'b';
        break;
#define COUNT(c, field) \
    case c:             \
        j->field++;     \
        break;
        COUNT('i', i)
        COUNT('d', d)
        COUNT('b', b)
        COUNT('s', s)
        COUNT('y', y)
        COUNT('I', I)
        COUNT('D', D)
        COUNT('n', n)
        COUNT('N', N)
        COUNT('u', u)
    default:
        j->v++;
    }
}

/* The one code that covers all parts but None, or 0. */
static char joined_code(const struct join *j, enum sbg_role role)
{
    bool o = j->class_count > 0;
    int kinds = (j->i || j->I || j->d || j->D) + (j->b > 0) + (j->s > 0) + (j->y > 0) + o +
                (j->t > 0) + (j->n > 0) + (j->u > 0);
    if (j->v || kinds > 1)
        return 0;
    if (j->l && kinds) { /* a literal beside its own class adds nothing */
        if (j->s && j->literal_s == j->l)
            return 's';
        if (j->b && j->literal_b == j->l)
            return 'b';
        if (j->i && !j->d && !j->D && j->literal_i == j->l)
            return 'i';
        return 0;
    }
    if (j->l && j->literal_b == j->l)
        return 'b';
    if (j->l && role == SBG_AS_RESULT) /* as text: a newer library may have more of them */
        return j->literal_s == j->l ? 's' : j->literal_i == j->l ? 'i' : 0;
    if (j->l)
        return 'e';
    if (j->i && (j->d || j->D))
        return 0; /* 3 and 3.0 are two things where both are named */
    if (j->d || j->D)
        return 'd';
    if (j->i || j->I)
        return 'i';
    if (j->t)
        return j->t == 1 ? 't' : 0;
    return j->b ? 'b' : j->s ? 's' : j->y ? 'y' : o ? 'o' : j->u ? 'u' : j->n ? 'n' : 0;
}

static struct sbg_ctype dynamic(struct sbg_bindings *b, const struct sbg_use *use, const char *why)
{
    sbg_line(&b->report->dynamic, "%s: %s", use->python, why);
    return (struct sbg_ctype) { .code = 'v' };
}

static struct sbg_ctype struct_of(struct sbg_bindings *b, const struct join *j,
                                  const struct sbg_use *use)
{
    const struct sbg_class *c = j->tuple_class;
    size_t n = c ? c->field_count : j->tuple->item_count;
    struct sbg_ctype result = { .code = 't', .cls = c, .item_count = n };
    result.items = SBG_ARRAY(&b->arena, struct sbg_ctype, n);
    const char **names = SBG_ARRAY(&b->arena, const char *, n);
    for (size_t i = 0; i < n; i++) {
        struct sbg_use member = *use;
        member.nested = true;
        bool given = j->tuple->kind == SBG_TUPLE && j->tuple->item_count == n;
        if (c) { /* one struct, whatever the arguments of its class */
            member.library = c->library;
            member.self = c;
            given = false;
        }
        names[i] = c ? c->fields[i].c_name : sbg_printf(&b->arena, "item%zu", i);
        member.python = sbg_printf(&b->arena, "%s.%s", c ? c->key : use->python, names[i]);
        member.enum_name = sbg_printf(&b->arena, "%s_%s", c ? c->c_name : use->enum_name, names[i]);
        const struct sbg_type *type = given || !c ? j->tuple->items[i] : c->fields[i].type;
        struct sbg_ctype one = sbg_map_type(b, type, &member);
        bool hidden = c && one.cls && !sbg_sees(c->library, one.cls->library);
        if (one.code == 'n')
            one = dynamic(b, &member, "always None");
        if (hidden)
            one.cls = NULL;
        result.items[i] = one;
    }
    result.names = names;
    return result;
}

static struct sbg_ctype typed(struct sbg_bindings *b, const struct sbg_type *type,
                              const struct sbg_type *const *parts, size_t count,
                              const struct join *j, const struct sbg_use *use)
{
    struct sbg_ctype result = { .code = joined_code(j, use->role) };
    bool default_none = use->role == SBG_AS_OPTION && use->value && strcmp(use->value, "None") == 0;
    switch (result.code) {
    case 0:
        return dynamic(b, use, count > 1 ? "a union" : "a type without a C form");
    case 'u':
        if (use->role != SBG_AS_RESULT)
            return dynamic(b, use, "a class that is not bound");
        result.code = 'o';
        result.none = j->N > 0;
        return result;
    case 'o':
        if (j->class_count > 1) {
            result = dynamic(b, use, "a union of classes");
            if (use->role == SBG_AS_PARAM && j->class_count <= MAX_CLASSES) {
                const struct sbg_class *classes[SBG_MAX_PARTS];
                memcpy(classes, j->classes, sizeof classes);
                result.accepts = acceptor_of(b, classes, j->class_count, use);
            }
            return result;
        }
        result.cls = j->classes[0];
        result.none = j->N > 0;
        return result;
    case 's':
    case 'y':
        if (use->role != SBG_AS_RESULT)
            result.none = j->N > 0; /* a NULL pointer is None */
        else if (j->N)
            return dynamic(b, use, "text or None");
        return result;
    default:
        if (result.code == 'e' && !(j->N && sbg_whole_alias(b, type) &&
                                    !sbg_says_none(b, sbg_whole_alias(b, type)) && !default_none)) {
            result.en = sbg_enum_of(b, type, parts, count, j->N && !default_none, use);
            return result;
        }
        /* An option that is None unless given needs no way to say None; all else does. */
        if (j->N && !default_none)
            return dynamic(b, use, "None or something else");
        if (result.code != 't')
            return result;
        return use->nested ? dynamic(b, use, "inside a tuple") : struct_of(b, j, use);
    }
}

struct sbg_ctype sbg_map_type(struct sbg_bindings *b, const struct sbg_type *type,
                              const struct sbg_use *use)
{
    const struct sbg_type *parts[SBG_MAX_PARTS];
    size_t count = sbg_flatten(b, type, use->self, parts, SBG_MAX_PARTS);
    if (!count)
        return dynamic(b, use, type->kind == SBG_ANY && type->name ? type->name : "anything");
    struct join j = { 0 };
    if (use->role == SBG_AS_OPTION && count > 1) {
        size_t kept = 0;
        for (size_t i = 0; i < count; i++)
            if (!is_sentinel(parts[i]))
                parts[kept++] = parts[i];
        count = kept ? kept : count;
    }
    for (size_t i = 0; i < count; i++)
        add_part(b, &j, parts[i], use->role);
    if (j.N == count) { /* nothing but None */
        if (use->role == SBG_AS_RESULT)
            return (struct sbg_ctype) { .code = 'n' };
        return dynamic(b, use, "None");
    }
    if (j.n && count > 1)
        j.n = 0;
    if (j.n && use->role != SBG_AS_RESULT)
        return dynamic(b, use, "Never");
    bool only;
    struct sbg_callback *calls =
        use->role == SBG_AS_RESULT ? NULL : sbg_callback_in(b, parts, count, use, &only);
    if (calls && only)
        return (struct sbg_ctype) { .code = 'v', .calls = calls, .calls_only = true };
    struct sbg_ctype result = typed(b, type, parts, count, &j, use);
    if (result.code == 'v' && !result.accepts)
        result.calls = calls;
    return result;
}

const char *sbg_c_type(struct sbg_bindings *b, const struct sbg_ctype *type, enum sbg_role role)
{
    (void)b;
    switch (type->code) {
    case 'i':
        return "int64_t ";
    case 'd':
        return "double ";
    case 'b':
        return "bool ";
    case 's':
        return role == SBG_AS_RESULT ? "sb_str " : "const char *";
    case 'y':
        return "sb_bytes ";
    case 'e':
        return sbg_printf(&b->arena, "%s ", type->en->c_name);
    case 'o':
        return type->cls ? sbg_printf(&b->arena, "%s ", type->cls->c_name) : "sb_object ";
    case 'a':
        return "sb_args ";
    case 'n':
        return "void ";
    default:
        return "sb_value ";
    }
}
