/* SPDX-License-Identifier: MIT
 *
 * names.c - what everything is called in C. The rules are those of docs: py_ for the standard library, else the import
 * name; module paths joined by _; a class by its shortest public path; our own suffixes (_new, _opts, ...) are not
 * given away. Names are claimed in a fixed order, so that the same manifests give the same names; a name that had to
 * differ is in the report.
 */
#include "bindings.h"
#include "reserved.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *python, *c;
} dunders[] = {
    { "__abs__", "abs" },
    { "__add__", "add" },
    { "__and__", "and" },
    { "__bool__", "bool" },
    { "__call__", "call" },
    { "__complex__", "complex" },
    { "__contains__", "contains" },
    { "__delitem__", "delitem" },
    { "__divmod__", "divmod" },
    { "__eq__", "eq" },
    { "__float__", "float" },
    { "__floordiv__", "floordiv" },
    { "__ge__", "ge" },
    { "__getitem__", "getitem" },
    { "__gt__", "gt" },
    { "__index__", "index" },
    { "__int__", "int" },
    { "__invert__", "invert" },
    { "__le__", "le" },
    { "__len__", "len" },
    { "__lshift__", "lshift" },
    { "__lt__", "lt" },
    { "__matmul__", "matmul" },
    { "__mod__", "mod" },
    { "__mul__", "mul" },
    { "__ne__", "ne" },
    { "__neg__", "neg" },
    { "__or__", "or" },
    { "__pos__", "pos" },
    { "__pow__", "pow" },
    { "__rshift__", "rshift" },
    { "__setitem__", "setitem" },
    { "__sub__", "sub" },
    { "__truediv__", "truediv" },
    { "__xor__", "xor" },
};

const char *sbg_dunder(const char *name)
{
    for (size_t i = 0; i < sizeof dunders / sizeof *dunders; i++)
        if (strcmp(dunders[i].python, name) == 0)
            return dunders[i].c;
    return NULL;
}

static bool is_in(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], word) == 0)
            return true;
    return false;
}
#define IS_IN(word, list) is_in(word, list, sizeof(list) / sizeof *(list))

/* ---- words ---- */

/* The next code point of valid UTF-8 (jansson checked it). */
static unsigned long next_code(const char **p)
{
    const unsigned char *s = (const unsigned char *)*p;
    size_t n = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
    unsigned long code = n == 1 ? *s : *s & (0x7fU >> n);
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (s[i] & 0x3fU);
    *p += n;
    return code;
}

const char *sbg_word(struct sbg_arena *arena, const char *python)
{
    struct sbg_text text = { 0 };
    for (const char *p = python; *p;) {
        unsigned long code = next_code(&p);
        if (code >= 0x80)
            sbg_addf(&text, "u%04lx", code);
        else
            sbg_add_char(&text, code == '.' ? '_' : (char)code);
    }
    const char *word = sbg_copy(arena, text.ptr ? text.ptr : "", text.len);
    sbg_text_free(&text);
    return word;
}

const char *sbg_claim(struct sbg_bindings *b, const char *wanted, const char *python)
{
    const char *name = wanted;
    while (sbg_map_get(&b->claimed, name))
        name = sbg_printf(&b->arena, "%s_", name);
    if (name != wanted)
        sbg_line(&b->report->renames, "%s -> %s (%s is taken)", python, name, wanted);
    sbg_map_put(&b->claimed, name, (void *)(size_t)1);
    return name;
}

static void reserve(struct sbg_bindings *b, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sbg_map_put(&b->reserved, words[i], (void *)(size_t)1);
}

static void reserve_words(struct sbg_bindings *b)
{
    static const char *const ours[] = { "py",      "fn_",  "slots_",        "at_",     "opts_",
                                        "result_", "site", "only_by_name_", "int64_t", "size_t" };
    reserve(b, keywords, sizeof keywords / sizeof *keywords);
    reserve(b, macros, sizeof macros / sizeof *macros);
    reserve(b, ours, sizeof ours / sizeof *ours);
}

const char *sbg_local_name(struct sbg_bindings *b, const char *python, const char *const *taken,
                           size_t taken_count)
{
    const char *name = sbg_word(&b->arena, python);
    if (strncmp(name, "sb_", 3) == 0 || strncmp(name, "SB", 2) == 0 ||
        strncmp(name, "__", 2) == 0 || (name[0] == '_' && name[1] >= 'A' && name[1] <= 'Z'))
        name = sbg_printf(&b->arena, "p%s%s", name[0] == '_' ? "" : "_", name);
    while (sbg_map_get(&b->reserved, name) || sbg_map_get(&b->claimed, name) ||
           is_in(name, taken, taken_count))
        name = sbg_printf(&b->arena, "%s_", name);
    return name;
}

/* ---- classes ---- */

struct sbg_class *sbg_find_class(const struct sbg_bindings *b, const char *key)
{
    return sbg_map_get(&b->classes, key);
}

bool sbg_has_base(const struct sbg_class *c, const char *key)
{
    for (size_t i = 0; i < c->mro_count; i++)
        if (strcmp(c->mro[i], key) == 0)
            return true;
    return false;
}

/* The MRO may end where the library does; the bases then still say IntFlag. */
bool sbg_is_int(const struct sbg_bindings *b, const struct sbg_class *c)
{
    static const char *const ints[] = { "builtins.int", "enum.IntEnum", "enum.IntFlag" };
    for (size_t i = 0; i < c->mro_count; i++) {
        const struct sbg_class *base = sbg_find_class(b, c->mro[i]);
        for (size_t k = 0; base && k < base->base_count; k++)
            if (IS_IN(base->bases[k], ints))
                return true;
        if (IS_IN(c->mro[i], ints))
            return true;
    }
    return false;
}

bool sbg_is_subclass(const struct sbg_class *c, const struct sbg_class *base)
{
    return c == base || sbg_has_base(c, base->key);
}

bool sbg_sees(const struct sbg_library *a, const struct sbg_library *of)
{
    return of <= a; /* they lie in one array, in the order of dependency */
}

/* As arguments these are plain C values; v: what is not one C type. */
static char plain_code(const char *key)
{
    static const struct {
        const char *key;
        char code;
    } plain[] = { { "builtins.bool", 'b' },    { "builtins.bytes", 'y' },
                  { "builtins.complex", 'v' }, { "builtins.dict", 'v' },
                  { "builtins.float", 'd' },   { "builtins.frozenset", 'v' },
                  { "builtins.int", 'i' },     { "builtins.list", 'v' },
                  { "builtins.object", 'v' },  { "builtins.set", 'v' },
                  { "builtins.str", 's' },     { "builtins.tuple", 'v' } };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(plain[i].key, key) == 0)
            return plain[i].code;
    return 0;
}

/* The longest module of the library whose name begins `path`; *rest is what follows it. */
static struct sbg_module *module_of(struct sbg_library *library, const char *path,
                                    const char **rest)
{
    struct sbg_module *best = NULL;
    size_t best_len = 0;
    for (size_t i = 0; i < library->module_count; i++) {
        struct sbg_module *m = &library->modules[i];
        size_t len = strlen(m->name);
        if (m->public && len > best_len && strncmp(m->name, path, len) == 0 && path[len] == '.') {
            best = m;
            best_len = len;
        }
    }
    if (best)
        *rest = path + best_len + 1;
    return best;
}

/* Where the functions of a class without a public path go: its own module if that has a header, else the package's
 * nearest one, else the library's first. */
static struct sbg_module *module_for(struct sbg_library *library, const struct sbg_class *c)
{
    const char *rest;
    struct sbg_module *m = module_of(library, c->key, &rest);
    for (size_t i = 0; i < library->module_count && !m; i++)
        if (library->modules[i].public)
            m = &library->modules[i];
    return m;
}

static bool is_plain_name(const char *name)
{
    for (const char *p = name; *p; p++)
        if (strchr("<>:,|{}\"\\ ", *p))
            return false;
    return *name != 0;
}

/* "numpy.linalg" -> "numpy_linalg" or, of the standard library, "py_os_path"; builtins just "py". */
static const char *module_prefix(struct sbg_bindings *b, const struct sbg_module *m)
{
    const struct sbg_library *l = m->library;
    const char *word = sbg_word(&b->arena, m->name);
    if (l->standard)
        return strcmp(m->name, "builtins") == 0 ? l->prefix
                                                : sbg_printf(&b->arena, "%s_%s", l->prefix, word);
    size_t len = strlen(l->name);
    if (strncmp(m->name, l->name, len) == 0 && (m->name[len] == '.' || !m->name[len]))
        return sbg_printf(&b->arena, "%s%s", l->prefix,
                          word + strlen(sbg_word(&b->arena, l->name)));
    return sbg_printf(&b->arena, "%s_%s", l->prefix, word);
}

/* "a._B._C" -> "B_C" of the last parts that are in `name`. */
static const char *bare_name(struct sbg_bindings *b, const char *name)
{
    struct sbg_text text = { 0 };
    for (const char *p = name; *p;) {
        size_t len = strcspn(p, "."), skip = strspn(p, "_");
        if (skip < len) {
            if (text.len)
                sbg_add_char(&text, '_');
            sbg_add_bytes(&text, p + skip, len - skip);
        }
        p += len;
        p += *p == '.';
    }
    const char *word = sbg_word(&b->arena, text.ptr ? text.ptr : "x");
    sbg_text_free(&text);
    return word;
}

/* Is the class at a public place of the standard library, whose module is just not bound: queue.Queue? Its name will be
 * the same when it is. */
static bool is_at_home(const struct sbg_library *library, const struct sbg_class *c)
{
    return library->standard && c->key[0] != '_' && !strstr(c->key, "._");
}

static void name_class(struct sbg_bindings *b, struct sbg_library *library, struct sbg_class *c)
{
    const char *rest = NULL;
    if (sbg_find_class(b, c->key) != c || c->flags & (SBG_PROTOCOL | SBG_TYPEDDICT_CLASS) ||
        !is_plain_name(c->name) || !is_plain_name(c->module) ||
        (!c->public && strcmp(c->module, "builtins") == 0))
        return; /* another library's, no run-time type of its own, or out of reach (<locals>, ellipsis) */
    struct sbg_module *home = c->public ? module_of(library, c->public, &rest) : NULL;
    c->home = home ? home : module_for(library, c);
    if (!c->home)
        return;
    const char *wanted;
    if (home)
        wanted = sbg_printf(&b->arena, "%s_%s", module_prefix(b, home), sbg_word(&b->arena, rest));
    else if (is_at_home(library, c))
        wanted = sbg_printf(&b->arena, "%s_%s", library->prefix, sbg_word(&b->arena, c->key));
    else
        wanted = sbg_printf(&b->arena, "%s_%s", library->prefix, bare_name(b, c->name));
    c->path = home ? sbg_printf(&b->arena, "%s:%s", home->name, rest)
                   : sbg_printf(&b->arena, "%s:%s", c->module, c->name);
    const char *python = c->public ? c->public : c->key;
    c->c_name = sbg_claim(b, wanted, python);
    c->c_from = sbg_claim(b, sbg_printf(&b->arena, "%s_from", c->c_name), python);
    c->c_new = sbg_claim(b, sbg_printf(&b->arena, "%s_new", c->c_name), python);
    c->plain = plain_code(c->key);
    c->flags_int = c->flags & SBG_FLAG && sbg_is_int(b, c);
    c->by_fields =
        c->flags & SBG_NAMEDTUPLE && c->has_fields && c->field_count > 0 && c->field_count <= 32;
    const char **taken = SBG_ARRAY(&b->arena, const char *, c->field_count);
    for (size_t i = 0; i < c->field_count; i++) {
        c->fields[i].c_name = sbg_local_name(b, c->fields[i].name, taken, i);
        taken[i] = c->fields[i].c_name;
    }
}

/* ---- functions ---- */

/* What a name of a scope can have behind its C name. */
enum tail { TAIL_FUNCTION = 1, TAIL_CLASS = 2, TAIL_SETTABLE = 4 };

/* `name` ends in a suffix of ours behind another name of its scope: foo_opts beside foo(). */
static bool is_ours(const struct sbg_map *scope, const char *name)
{
    static const struct {
        const char *suffix;
        enum tail tail;
    } tails[] = { { "_set", TAIL_SETTABLE },    { "_opts", TAIL_FUNCTION },
                  { "_result", TAIL_FUNCTION }, { "_submit", TAIL_FUNCTION },
                  { "_iter", TAIL_FUNCTION },   { "_new", TAIL_CLASS },
                  { "_from", TAIL_CLASS } };
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        size_t len = strlen(name), end = strlen(tails[i].suffix);
        char stem[256];
        if (len <= end || len - end >= sizeof stem ||
            strcmp(name + len - end, tails[i].suffix) != 0)
            continue;
        memcpy(stem, name, len - end);
        stem[len - end] = 0;
        if ((size_t)sbg_map_get(scope, stem) & tails[i].tail)
            return true;
    }
    return false;
}

static const char *claim_in(struct sbg_bindings *b, const struct sbg_map *scope, const char *prefix,
                            const char *name, const char *word, const char *python)
{
    bool ours = is_ours(scope, name);
    const char *wanted = sbg_printf(&b->arena, "%s_%s%s", prefix, word, ours ? "_" : "");
    const char *claimed = sbg_claim(b, wanted, python);
    if (ours && claimed == wanted)
        sbg_line(&b->report->renames, "%s -> %s (the suffix is ours)", python, claimed);
    else if (strcmp(word, name) != 0 && name[0] != '_' && claimed == wanted)
        sbg_line(&b->report->renames, "%s -> %s (ASCII only)", python, claimed);
    return claimed;
}

static bool is_enumerator(const struct sbg_class *c, const char *name)
{
    for (size_t i = 0; i < c->enumerator_count; i++)
        if (strcmp(c->enumerators[i].name, name) == 0)
            return true;
    return false;
}

static void name_members(struct sbg_bindings *b, struct sbg_class *c)
{
    if (!c->c_name || c->by_fields || c->flags_int)
        return;
    struct sbg_map scope = { 0 };
    const char *shown = c->public ? c->public : c->key;
    for (size_t i = 0; i < c->member_count; i++)
        sbg_map_put(&scope, c->members[i].name,
                    (void *)(size_t)(c->members[i].settable ? TAIL_SETTABLE : TAIL_FUNCTION));
    for (int special = 0; special < 2; special++) /* a method add() goes before __add__ */
        for (size_t i = 0; i < c->member_count; i++) {
            struct sbg_member *m = &c->members[i];
            const char *word =
                m->name[0] == '_' ? sbg_dunder(m->name) : sbg_word(&b->arena, m->name);
            if (!word || (m->name[0] == '_') != special || is_enumerator(c, m->name))
                continue;
            if (special && m->kind != SBG_METHOD)
                continue; /* __hash__ = None and its like */
            const char *python = sbg_printf(&b->arena, "%s.%s", shown, m->name);
            m->c_name = claim_in(b, &scope, c->c_name, m->name, word, python);
        }
    sbg_map_free(&scope);
}

static void name_enumerators(struct sbg_bindings *b, struct sbg_class *c)
{
    for (size_t i = 0; i < c->enumerator_count && c->c_name; i++) {
        struct sbg_field *e = &c->enumerators[i];
        const char *wanted =
            sbg_printf(&b->arena, "%s_%s", c->c_name, sbg_word(&b->arena, e->name));
        e->c_name = sbg_claim(b, wanted, sbg_printf(&b->arena, "%s.%s", c->key, e->name));
    }
}

static size_t dots(const char *name)
{
    size_t n = 0;
    for (const char *p = name; *p; p++)
        n += *p == '.';
    return n;
}

bool sbg_same_params(const struct sbg_sigs *a, const struct sbg_sigs *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct sbg_sig *x = &a->sig[i], *y = &b->sig[i];
        if (x->count != y->count)
            return false;
        for (size_t p = 0; p < x->count; p++)
            if (strcmp(x->params[p].name, y->params[p].name) != 0 ||
                x->params[p].kind != y->params[p].kind ||
                x->params[p].required != y->params[p].required ||
                !sbg_same_type(x->params[p].type, y->params[p].type))
                return false;
    }
    return true;
}

bool sbg_same_sigs(const struct sbg_sigs *a, const struct sbg_sigs *b)
{
    if (!sbg_same_params(a, b))
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!sbg_same_type(a->sig[i].returns, b->sig[i].returns))
            return false;
    return true;
}

/* Is `a` the better name of a function that both name: fewer dots, the name it was defined by, shorter, first? */
static bool is_better(const struct sbg_symbol *a, const struct sbg_symbol *b)
{
    size_t da = dots(a->module->name), db = dots(b->module->name);
    if (da != db)
        return da < db;
    const char *dot = strrchr(a->def, '.'), *last = dot ? dot + 1 : a->def;
    bool na = strcmp(a->name, last) == 0, nb = strcmp(b->name, last) == 0;
    if (na != nb)
        return na;
    size_t la = strlen(a->module->name) + strlen(a->name);
    size_t lb = strlen(b->module->name) + strlen(b->name);
    if (la != lb)
        return la < lb;
    int order = strcmp(a->module->name, b->module->name);
    return order < 0 || (order == 0 && strcmp(a->name, b->name) < 0);
}

/* Finds the symbols that are one function under several names. */
static void find_origins(struct sbg_library *library)
{
    struct sbg_map by_def = { 0 };
    for (int pass = 0; pass < 2; pass++)
        for (size_t m = 0; m < library->module_count; m++)
            for (size_t i = 0; i < library->modules[m].symbol_count; i++) {
                struct sbg_symbol *s = &library->modules[m].symbols[i];
                if (s->kind != SBG_FUNCTION && s->kind != SBG_CALLABLE)
                    continue;
                struct sbg_symbol *best = s->def ? sbg_map_get(&by_def, s->def) : NULL;
                if (pass == 0 && s->def && library->modules[m].public &&
                    (!best || is_better(s, best)))
                    sbg_map_put(&by_def, s->def, s);
                if (pass == 1)
                    s->origin = best && best->kind == s->kind && best->async == s->async &&
                                        sbg_same_sigs(&best->sigs, &s->sigs)
                                    ? best
                                    : s;
            }
    sbg_map_free(&by_def);
}

static void name_symbols(struct sbg_bindings *b, struct sbg_module *m)
{
    if (!m->public)
        return;
    struct sbg_map scope = { 0 };
    for (size_t i = 0; i < m->symbol_count; i++)
        sbg_map_put(&scope, m->symbols[i].name,
                    (void *)(size_t)(m->symbols[i].kind == SBG_CLASS ? TAIL_CLASS : TAIL_FUNCTION));
    const char *prefix = module_prefix(b, m);
    for (size_t i = 0; i < m->symbol_count; i++) {
        struct sbg_symbol *s = &m->symbols[i];
        const char *python = sbg_printf(&b->arena, "%s.%s", m->name, s->name);
        if (s->kind == SBG_MODULE)
            continue;
        if (s->kind == SBG_CLASS) {
            const struct sbg_class *c = sbg_find_class(b, s->refer);
            if (!c || (c->public && strcmp(c->public, python) == 0))
                continue; /* unknown, or named already */
        }
        s->c_name = claim_in(b, &scope, prefix, s->name, sbg_word(&b->arena, s->name), python);
    }
    sbg_map_free(&scope);
}

/* Of the public paths of a class that are as short, the one with its own name: numpy.float64, not numpy.double. */
static void choose_paths(struct sbg_bindings *b, struct sbg_library *library)
{
    for (size_t m = 0; m < library->module_count; m++)
        for (size_t i = 0; i < library->modules[m].symbol_count; i++) {
            const struct sbg_symbol *s = &library->modules[m].symbols[i];
            struct sbg_class *c = s->kind == SBG_CLASS ? sbg_find_class(b, s->refer) : NULL;
            if (!c || c->library != library || !c->public || !library->modules[m].public ||
                strcmp(s->name, c->name) != 0)
                continue;
            const char *dot = strrchr(c->public, '.');
            const char *path = sbg_printf(&b->arena, "%s.%s", s->module->name, s->name);
            if (dots(path) < dots(c->public) ||
                (dots(path) == dots(c->public) && strcmp(dot ? dot + 1 : c->public, c->name) != 0))
                c->public = path;
        }
}

/* "numpy.linalg" -> "py/numpy/linalg.h", which may be one of our own names. */
static const char *header_of(struct sbg_bindings *b, struct sbg_map *taken, const char *module)
{
    char *path = sbg_printf(&b->arena, "py/%s", module);
    for (char *p = path + 3; *p; p++)
        if (*p == '.')
            *p = '/';
    const char *header = sbg_printf(&b->arena, "%s.h", path);
    if (sbg_map_get(taken, header)) {
        header = sbg_printf(&b->arena, "%s_.h", path);
        sbg_line(&b->report->renames, "%s -> %s (%s.h is ours)", module, header, path);
    }
    sbg_map_put(taken, header, (void *)(size_t)1);
    return header;
}

void sbg_assign_names(struct sbg_bindings *b)
{
    struct sbg_map headers = { 0 };
    sbg_map_put(&headers, "py/_project.h", (void *)(size_t)1);
    reserve_words(b);
    for (size_t l = 0; l < b->library_count; l++) {
        struct sbg_library *library = &b->libraries[l];
        library->types_header = library->standard
                                    ? "py/_types.h"
                                    : sbg_printf(&b->arena, "py/%s/_types.h", library->name);
        library->prefix = sbg_word(&b->arena, library->prefix);
        if (!library->standard && !library->prefix_chosen && IS_IN(library->prefix, c_libraries)) {
            const char *longer = sbg_printf(&b->arena, "py_%s", library->prefix);
            sbg_line(&b->report->renames, "%s -> %s (a C library is called so)", library->name,
                     longer);
            library->prefix = longer;
        }
        sbg_map_put(&headers, library->types_header, (void *)(size_t)1);
    }
    for (size_t l = 0; l < b->library_count; l++)
        for (size_t m = 0; m < b->libraries[l].module_count; m++) {
            struct sbg_module *module = &b->libraries[l].modules[m];
            module->header = header_of(b, &headers, module->name);
        }
    sbg_map_free(&headers);
    for (size_t l = 0; l < b->library_count; l++) {
        struct sbg_library *library = &b->libraries[l];
        choose_paths(b, library);
        find_origins(library);
        for (int private = 0; private < 2; private ++) { /* what is public has the first choice */
            for (size_t c = 0; c < library->class_count; c++)
                if ((library->classes[c].public == NULL) == private)
                    name_class(b, library, &library->classes[c]);
            for (size_t m = 0; m < library->module_count && !private; m++)
                name_symbols(b, &library->modules[m]);
            for (size_t c = 0; c < library->class_count; c++)
                if ((library->classes[c].public == NULL) == private) {
                    name_members(b, &library->classes[c]);
                    name_enumerators(b, &library->classes[c]);
                }
        }
    }
}
