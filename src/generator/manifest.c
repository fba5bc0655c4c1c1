/* SPDX-License-Identifier: MIT
 *
 * manifest.c - JSON to the structures of model.h. Every value is checked on the way: what has another type, a word that
 * docs/manifest.md does not list, or names that could break out of the C text is refused with its place. Keys that are
 * not known are skipped, so that a manifest may grow.
 */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT 1
#define MAX_TYPE_DEPTH 100

/* Where in the file a value is: a chain on the C stack, written out only for an error. */
struct place {
    const struct place *up;
    const char *key; /* NULL: an item of an array */
    size_t index;
    const json_t *json;
};

struct reader {
    struct sbg_arena *arena;
    const char *file;
    struct sbg_text *error;
    bool failed;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void write_place(struct sbg_text *to, const struct place *at)
{
    if (!at->up)
        return;
    write_place(to, at->up);
    if (!at->key) {
        sbg_addf(to, "[%zu]", at->index);
    } else if (strspn(at->key, "abcdefghijklmnopqrstuvwxyz_") == strlen(at->key) && *at->key) {
        sbg_addf(to, "%s%s", to->ptr[to->len - 1] == ' ' ? "" : ".", at->key);
    } else {
        sbg_addf(to, "[\"%s\"]", at->key);
    }
}

static void SBG_PRINTF(3, 4)
    refuse(struct reader *r, const struct place *at, const char *format, ...)
{
    if (r->failed)
        return; /* the first error is the cause */
    r->failed = true;
    sbg_addf(r->error, "%s: ", r->file);
    size_t before = r->error->len;
    write_place(r->error, at);
    if (r->error->len > before)
        sbg_add(r->error, ": ");
    va_list args;
    va_start(args, format);
    sbg_addv(r->error, format, args);
    va_end(args);
}

static struct place item(const struct place *up, size_t index)
{
    return (struct place) { up, NULL, index, json_array_get(up->json, index) };
}

/* The value of `key`, which must have the JSON type if it is there; JSON null counts as not there. */
static struct place get(struct reader *r, const struct place *up, const char *key, json_type type,
                        bool required)
{
    static const char *const words[] = { "an object", "an array", "text", "an integer",
                                         "a number",  "true",     "false" };
    struct place at = { up, key, 0, json_object_get(up->json, key) };
    if (json_is_null(at.json))
        at.json = NULL;
    if (!at.json && required)
        refuse(r, up, "\"%s\" is missing", key);
    if (at.json && json_typeof(at.json) != type) {
        refuse(r, &at, "expected %s", words[type]);
        at.json = NULL;
    }
    return at;
}

static bool is_object(struct reader *r, const struct place *at)
{
    if (!json_is_object(at->json))
        refuse(r, at, "expected an object");
    return json_is_object(at->json);
}

static const char *copy_text(struct reader *r, const struct place *at)
{
    if (!json_is_string(at->json)) {
        refuse(r, at, "expected text");
        return "";
    }
    return sbg_copy(r->arena, json_string_value(at->json), json_string_length(at->json));
}

static const char *text_of(struct reader *r, const struct place *up, const char *key, bool required)
{
    struct place at = get(r, up, key, JSON_STRING, required);
    return at.json ? copy_text(r, &at) : required ? "" : NULL;
}

static bool bool_of(struct reader *r, const struct place *up, const char *key, bool otherwise)
{
    struct place at = { up, key, 0, json_object_get(up->json, key) };
    if (!at.json)
        return otherwise;
    if (!json_is_boolean(at.json))
        refuse(r, &at, "expected true or false");
    return json_is_true(at.json);
}

/* A Python identifier, or with `dots` a path of them. These become part of C code and of signatures. */
static bool is_name(const char *name, bool dots)
{
    bool start = true;
    for (const char *p = name; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        if (letter || c == '_' || c >= 0x80 || (c >= '0' && c <= '9' && !start))
            start = false;
        else if (c == '.' && dots && !start)
            start = true;
        else
            return false;
    }
    return !start;
}

static const char *name_of(struct reader *r, const struct place *up, const char *key, bool dots)
{
    const char *name = text_of(r, up, key, true);
    struct place at = { up, key, 0, NULL };
    if (!is_name(name, dots))
        refuse(r, &at, "\"%s\" is not a Python name", name);
    return name;
}

static int word_of(struct reader *r, const struct place *up, const char *key,
                   const char *const *words)
{
    const char *word = text_of(r, up, key, true);
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    struct place at = { up, key, 0, NULL };
    refuse(r, &at, "\"%s\" is not known here", word);
    return 0;
}

/* The keys of an object in the order of their bytes, whatever the file's; only Python names if `names`. */
static const char **sorted_keys(struct reader *r, const struct place *at, bool names, size_t *count)
{
    *count = 0;
    if (!at->json)
        return NULL;
    const char **keys = SBG_ARRAY(r->arena, const char *, json_object_size(at->json));
    json_t *object = (json_t *)(uintptr_t)at->json;
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
        const char *key = json_object_iter_key(it);
        if (!names || is_name(key, false))
            keys[(*count)++] = sbg_copy(r->arena, key, strlen(key));
    }
    qsort(keys, *count, sizeof *keys, by_text);
    return keys;
}

static const char **read_texts(struct reader *r, const struct place *up, const char *key,
                               size_t *count)
{
    struct place at = get(r, up, key, JSON_ARRAY, false);
    *count = json_array_size(at.json);
    const char **texts = SBG_ARRAY(r->arena, const char *, *count);
    for (size_t i = 0; i < *count; i++) {
        struct place one = item(&at, i);
        texts[i] = copy_text(r, &one);
    }
    return texts;
}

/* ---- types ---- */

static const struct sbg_type *read_type(struct reader *r, const struct place *at, int depth);
static void read_param(struct reader *r, const struct place *at, int depth,
                       struct sbg_param *param);

static const struct sbg_type *type_of(struct reader *r, const struct place *up, const char *key,
                                      int depth)
{
    struct place at = { up, key, 0, json_object_get(up->json, key) };
    static const struct sbg_type unknown = { .kind = SBG_ANY, .name = "unannotated" };
    if (!at.json || json_is_null(at.json))
        return &unknown;
    return read_type(r, &at, depth);
}

static void read_items(struct reader *r, const struct place *up, const char *key, int depth,
                       struct sbg_type *type)
{
    struct place at = get(r, up, key, JSON_ARRAY, false);
    size_t n = json_array_size(at.json);
    type->items = SBG_ARRAY(r->arena, const struct sbg_type *, n);
    for (size_t i = 0; i < n; i++) {
        struct place one = item(&at, i);
        type->items[type->item_count++] = read_type(r, &one, depth + 1);
    }
}

static void read_literal(struct reader *r, const struct place *at, struct sbg_literal *lit)
{
    const char *of = text_of(r, at, "of", true);
    struct place v = { at, "v", 0, json_object_get(at->json, "v") };
    if (json_is_boolean(v.json)) {
        *lit = (struct sbg_literal) { 'b', json_is_true(v.json) ? "1" : "0" };
    } else if (json_is_integer(v.json)) {
        *lit = (struct sbg_literal) { 'i', sbg_printf(r->arena, "%" PRId64,
                                                      (int64_t)json_integer_value(v.json)) };
    } else {
        char kind =
            strcmp(of, "builtins.str") == 0 ? 's' : 0; /* 0: bytes, or a member of an enum */
        *lit = (struct sbg_literal) { kind, copy_text(r, &v) };
    }
}

/* What is called with a fixed number of arguments by position has them as items, and its result as the last. */
static void read_call(struct reader *r, const struct place *up, int depth, struct sbg_type *type)
{
    struct place sig = { up, "s", 0, json_object_get(up->json, "s") };
    if (!json_is_object(sig.json)) {
        if (sig.json && !json_is_array(sig.json)) /* an array: of overloads */
            refuse(r, &sig, "a signature should stand here");
        return;
    }
    struct place params = get(r, &sig, "params", JSON_ARRAY, true);
    size_t n = json_array_size(params.json);
    type->items = SBG_ARRAY(r->arena, const struct sbg_type *, n + 1);
    bool plain = true;
    for (size_t i = 0; i < n; i++) {
        struct sbg_param param = { 0 };
        struct place one = item(&params, i);
        read_param(r, &one, depth + 1, &param);
        if (r->failed)
            return;
        plain = plain && param.required &&
                (param.kind == SBG_POSITIONAL_ONLY || param.kind == SBG_POSITIONAL_OR_KEYWORD);
        type->items[i] = param.type;
    }
    type->items[n] = type_of(r, &sig, "returns", depth + 1);
    type->item_count = plain ? n + 1 : 0;
}

static const struct sbg_type *read_type(struct reader *r, const struct place *at, int depth)
{
    static const char *const words[] = { "inst",  "none",      "any",   "never",   "union",  "lit",
                                         "tuple", "typeddict", "call",  "type",    "tvar",   "self",
                                         "alias", "overload",  "pspec", "tvtuple", "unpack", NULL };
    struct sbg_type *type = SBG_NEW(r->arena, struct sbg_type);
    type->kind = SBG_ANY;
    type->name = "not read";
    if (depth > MAX_TYPE_DEPTH)
        refuse(r, at, "a type nested more than %d deep", MAX_TYPE_DEPTH);
    if (r->failed || !is_object(r, at))
        return type;
    int word = word_of(r, at, "k", words);
    if (word <= SBG_ALIAS) {
        type->kind = (enum sbg_kind)word;
        type->name = NULL;
    } else if (strcmp(words[word], "overload") == 0) {
        type->kind = SBG_CALL;
        type->name = NULL;
    } else {
        type->name = words[word];
    }
    switch (type->kind) {
    case SBG_INST:
        type->name = text_of(r, at, "n", true);
        read_items(r, at, "a", depth, type);
        break;
    case SBG_ANY:
        if (!type->name)
            type->name = text_of(r, at, "why", false);
        break;
    case SBG_UNION:
        read_items(r, at, "i", depth, type);
        break;
    case SBG_LIT:
        type->name = text_of(r, at, "of", true);
        read_literal(r, at, &type->lit);
        break;
    case SBG_TUPLE:
        type->name = text_of(r, at, "n", false);
        read_items(r, at, "i", depth, type);
        break;
    case SBG_TYPE: {
        struct place i = { at, "i", 0, json_object_get(at->json, "i") };
        if (i.json) {
            type->items = SBG_ARRAY(r->arena, const struct sbg_type *, 1);
            type->items[type->item_count++] = read_type(r, &i, depth + 1);
        }
        break;
    }
    case SBG_TVAR:
    case SBG_TYPEDDICT:
        type->name = text_of(r, at, "n", true);
        break;
    case SBG_ALIAS:
        type->name = text_of(r, at, "n", true);
        read_items(r, at, "a", depth, type);
        break;
    case SBG_NONE:
    case SBG_NEVER:
    case SBG_SELF:
        break;
    case SBG_CALL:
        read_call(r, at, depth, type);
        break;
    }
    return type;
}

/* ---- signatures ---- */

static void read_param(struct reader *r, const struct place *at, int depth, struct sbg_param *param)
{
    static const char *const kinds[] = { "positional_only", "positional_or_keyword",
                                         "var_positional",  "keyword_only",
                                         "var_keyword",     NULL };
    if (!is_object(r, at))
        return;
    param->name = name_of(r, at, "name", false);
    param->kind = (enum sbg_param_kind)word_of(r, at, "kind", kinds);
    param->required = bool_of(r, at, "required", false);
    param->value = text_of(r, at, "default", false);
    param->type = type_of(r, at, "type", depth);
}

static void read_sigs(struct reader *r, const struct place *up, const char *key,
                      struct sbg_sigs *sigs)
{
    struct place at = get(r, up, key, JSON_ARRAY, false);
    sigs->sig = SBG_ARRAY(r->arena, struct sbg_sig, json_array_size(at.json));
    for (size_t i = 0; i < json_array_size(at.json); i++) {
        struct place one = item(&at, i);
        if (!is_object(r, &one))
            return;
        struct sbg_sig *sig = &sigs->sig[sigs->count++];
        struct place params = get(r, &one, "params", JSON_ARRAY, true);
        sig->params = SBG_ARRAY(r->arena, struct sbg_param, json_array_size(params.json));
        for (size_t p = 0; p < json_array_size(params.json); p++) {
            struct place param = item(&params, p);
            read_param(r, &param, 0, &sig->params[sig->count++]);
        }
        sig->returns = type_of(r, &one, "returns", 0);
        if (r->failed)
            return;
    }
}

/* ---- classes and modules ---- */

static const char *doc_of(struct reader *r, const struct place *at)
{
    const char *doc = text_of(r, at, "doc", false);
    return doc ? doc : "";
}

static void read_member(struct reader *r, const struct place *at, struct sbg_member *member)
{
    static const char *const kinds[] = { "method",   "classmethod", "staticmethod",
                                         "property", "attribute",   NULL };
    if (!is_object(r, at))
        return;
    member->name = at->key;
    member->kind = (enum sbg_member_kind)word_of(r, at, "kind", kinds);
    member->doc = doc_of(r, at);
    member->from = text_of(r, at, "from", false);
    member->settable = bool_of(r, at, "settable", false);
    member->async = bool_of(r, at, "async", false);
    member->streaming = bool_of(r, at, "streaming", false);
    member->type = type_of(r, at, "type", 0);
    read_sigs(r, at, "sigs", &member->sigs);
}

/* [[name, TYPE]] or, of an enum, [[name, literal]]. */
static struct sbg_field *read_fields(struct reader *r, const struct place *at, bool types,
                                     size_t *count)
{
    struct sbg_field *fields = SBG_ARRAY(r->arena, struct sbg_field, json_array_size(at->json));
    for (size_t i = 0; i < json_array_size(at->json) && !r->failed; i++) {
        struct place pair = item(at, i);
        if (!json_is_array(pair.json) || json_array_size(pair.json) != 2) {
            refuse(r, &pair, "expected a pair");
            break;
        }
        struct place name = item(&pair, 0), second = item(&pair, 1);
        struct sbg_field *field = &fields[*count];
        field->name = copy_text(r, &name);
        if (types)
            field->type = read_type(r, &second, 0);
        else
            field->text = copy_text(r, &second);
        if (is_name(field->name, false))
            ++*count;
        else if (types)
            refuse(r, &name, "\"%s\" is not a Python name", field->name);
    }
    return fields;
}

static void read_flags(struct reader *r, const struct place *up, struct sbg_class *c)
{
    static const struct {
        const char *word;
        enum sbg_flag flag;
    } flags[] = { { "abstract", SBG_ABSTRACT },
                  { "enum", SBG_ENUM },
                  { "flag", SBG_FLAG },
                  { "protocol", SBG_PROTOCOL },
                  { "namedtuple", SBG_NAMEDTUPLE },
                  { "typeddict", SBG_TYPEDDICT_CLASS } };
    size_t count;
    const char **words = read_texts(r, up, "flags", &count);
    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < sizeof flags / sizeof *flags; f++)
            if (strcmp(words[i], flags[f].word) == 0)
                c->flags |= flags[f].flag;
}

static void read_class(struct reader *r, const struct place *at, struct sbg_class *c)
{
    if (!is_object(r, at))
        return;
    c->key = at->key;
    c->public = text_of(r, at, "public", false);
    c->module = text_of(r, at, "module", true);
    c->name = text_of(r, at, "name", true);
    c->doc = doc_of(r, at);
    c->mro = read_texts(r, at, "mro", &c->mro_count);
    c->bases = read_texts(r, at, "bases", &c->base_count);
    read_flags(r, at, c);
    c->tvars = read_texts(r, at, "tvars", &c->tvar_count);
    struct place item_at = { at, "item", 0, json_object_get(at->json, "item") };
    c->item = item_at.json ? read_type(r, &item_at, 0) : NULL;
    c->iterator = bool_of(r, at, "iterator", false);
    c->streaming = bool_of(r, at, "streaming", false);
    c->has_new = json_is_array(json_object_get(at->json, "new"));
    read_sigs(r, at, "new", &c->sigs);
    struct place fields = get(r, at, "fields", JSON_ARRAY, false);
    c->has_fields = fields.json != NULL;
    c->fields = read_fields(r, &fields, true, &c->field_count);
    struct place enumerators = get(r, at, "enum", JSON_ARRAY, false);
    c->enumerators = read_fields(r, &enumerators, false, &c->enumerator_count);
    struct place members = get(r, at, "members", JSON_OBJECT, false);
    size_t count;
    const char **keys = sorted_keys(r, &members, true, &count);
    c->members = SBG_ARRAY(r->arena, struct sbg_member, count);
    for (size_t i = 0; i < count && !r->failed; i++) {
        struct place one = { &members, keys[i], 0, json_object_get(members.json, keys[i]) };
        read_member(r, &one, &c->members[c->member_count++]);
    }
}

static void read_symbol(struct reader *r, const struct place *at, struct sbg_symbol *s)
{
    static const char *const kinds[] = { "function", "callable", "class", "value", "module", NULL };
    if (!is_object(r, at))
        return;
    s->name = at->key;
    s->kind = (enum sbg_symbol_kind)word_of(r, at, "kind", kinds);
    s->doc = doc_of(r, at);
    s->async = bool_of(r, at, "async", false);
    s->streaming = bool_of(r, at, "streaming", false);
    switch (s->kind) {
    case SBG_FUNCTION:
    case SBG_CALLABLE:
        s->def = text_of(r, at, "def", false);
        read_sigs(r, at, "sigs", &s->sigs);
        break;
    case SBG_CLASS:
        s->refer = text_of(r, at, "class", true);
        break;
    case SBG_VALUE:
        s->type = type_of(r, at, "type", 0);
        s->literal = text_of(r, at, "literal", false);
        break;
    case SBG_MODULE:
        s->refer = text_of(r, at, "module", true);
        break;
    }
}

static void read_module(struct reader *r, const struct place *at, struct sbg_module *module)
{
    if (!is_object(r, at))
        return;
    if (!is_name(at->key, true))
        refuse(r, at, "\"%s\" is not a module's name", at->key);
    module->name = at->key;
    module->doc = doc_of(r, at);
    module->public = bool_of(r, at, "public", true);
    struct place names = get(r, at, "names", JSON_OBJECT, true);
    size_t count;
    const char **keys = sorted_keys(r, &names, true, &count);
    module->symbols = SBG_ARRAY(r->arena, struct sbg_symbol, count);
    for (size_t i = 0; i < count && !r->failed; i++) {
        struct place one = { &names, keys[i], 0, json_object_get(names.json, keys[i]) };
        struct sbg_symbol *s = &module->symbols[module->symbol_count++];
        s->module = module;
        read_symbol(r, &one, s);
    }
}

static void read_alias(struct reader *r, const struct place *at, struct sbg_alias *alias)
{
    if (!is_object(r, at))
        return;
    alias->name = at->key;
    alias->params = read_texts(r, at, "params", &alias->param_count);
    alias->target = type_of(r, at, "target", 0);
}

static void read_typevar(struct reader *r, const struct place *at, struct sbg_typevar *tvar)
{
    if (!is_object(r, at))
        return;
    tvar->name = at->key;
    struct sbg_type values = { 0 };
    read_items(r, at, "values", 0, &values);
    tvar->values = values.items;
    tvar->value_count = values.item_count;
    if (json_is_object(json_object_get(at->json, "bound")))
        tvar->bound = type_of(r, at, "bound", 0);
    if (json_is_object(json_object_get(at->json, "default")))
        tvar->fallback = type_of(r, at, "default", 0);
}

static void read_library(struct reader *r, const struct place *root, struct sbg_library *library)
{
    library->name = name_of(r, root, "library", true);
    library->prefix = name_of(r, root, "prefix", false);
    library->standard = strcmp(library->name, "stdlib") == 0;
    struct place distribution = get(r, root, "distribution", JSON_OBJECT, false);
    if (distribution.json) {
        library->distribution = text_of(r, &distribution, "name", true);
        library->version = text_of(r, &distribution, "version", false);
    }
    struct place target = get(r, root, "target", JSON_OBJECT, false);
    if (target.json)
        library->python = text_of(r, &target, "python", false);
    struct place options = get(r, root, "options", JSON_OBJECT, false);
    if (options.json)
        library->prefix_chosen = text_of(r, &options, "as", false) != NULL;

#define TABLE(field, n, T, read, names)                                                      \
    {                                                                                        \
        struct place table = get(r, root, #field, JSON_OBJECT, false);                       \
        size_t count;                                                                        \
        const char **keys = sorted_keys(r, &table, names, &count);                           \
        library->field = SBG_ARRAY(r->arena, struct T, count);                               \
        for (size_t i = 0; i < count && !r->failed; i++) {                                   \
            struct place one = { &table, keys[i], 0, json_object_get(table.json, keys[i]) }; \
            library->field[library->n].library = library;                                    \
            read(r, &one, &library->field[library->n++]);                                    \
        }                                                                                    \
    }
    TABLE(modules, module_count, sbg_module, read_module, false)
    TABLE(classes, class_count, sbg_class, read_class, false)
    TABLE(aliases, alias_count, sbg_alias, read_alias, false)
    TABLE(typevars, typevar_count, sbg_typevar, read_typevar, false)
#undef TABLE
}

static int read_file(const char *path, struct sbg_text *bytes)
{
    char part[65536];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while ((n = read(fd, part, sizeof part)) > 0)
        sbg_add_bytes(bytes, part, (size_t)n);
    int why = errno;
    close(fd);
    errno = why;
    return n < 0 ? -1 : 0;
}

int sbg_read_manifest(struct sbg_arena *arena, const char *file, struct sbg_library *library,
                      struct sbg_text *error)
{
    struct reader r = { arena, file, error, false };
    struct sbg_text bytes = { 0 };
    json_error_t why;
    if (read_file(file, &bytes)) {
        sbg_addf(error, "%s: %s", file, strerror(errno));
        return -1;
    }
    json_t *json = json_loadb(bytes.ptr ? bytes.ptr : "", bytes.len, JSON_REJECT_DUPLICATES, &why);
    sbg_text_free(&bytes);
    if (!json) {
        sbg_addf(error, "%s:%d:%d: %s", file, why.line, why.column, why.text);
        return -1;
    }
    struct place root = { NULL, NULL, 0, json };
    library->file = file;
    struct place format = { &root, "format", 0, json_object_get(json, "format") };
    if (is_object(&r, &root)) {
        if (!json_is_integer(format.json) || json_integer_value(format.json) != FORMAT) {
            refuse(&r, &format, "this snakebridge reads manifests of format %d", FORMAT);
        } else {
            read_library(&r, &root, library);
        }
    }
    json_decref(json);
    return r.failed ? -1 : 0;
}
