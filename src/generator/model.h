/* SPDX-License-Identifier: MIT
 *
 * model.h - a manifest as C structures, as manifest.c reads it, with the C names that names.c adds. All of it lives in
 * the run's arena. Arrays are sorted by Python name.
 */
#ifndef SBG_MODEL_H
#define SBG_MODEL_H

#include "memory.h"

#include <stdint.h>

enum sbg_kind {
    SBG_INST,      /* an instance of class `name` */
    SBG_NONE,      /* None */
    SBG_ANY,       /* anything; `name` says why */
    SBG_NEVER,     /* does not return */
    SBG_UNION,     /* one of `items` */
    SBG_LIT,       /* the literal `lit` */
    SBG_TUPLE,     /* a tuple of exactly `items`; `name`: of this NamedTuple class */
    SBG_TYPEDDICT, /* a dict; `name` */
    SBG_CALL, /* a callable; items: its parameters, then its result; none: not by position alone */
    SBG_TYPE, /* a class object; items[0]: of what */
    SBG_TVAR, /* the type variable `name` */
    SBG_SELF, /* the class at hand */
    SBG_ALIAS /* the alias `name` with the arguments `items` */
};

struct sbg_literal {
    char kind; /* s, i, b, or 0: of an enum class */
    const char *text;
};

struct sbg_type {
    enum sbg_kind kind;
    const char *name;
    const struct sbg_type **items;
    size_t item_count;
    struct sbg_literal lit;
};

enum sbg_param_kind {
    SBG_POSITIONAL_ONLY,
    SBG_POSITIONAL_OR_KEYWORD,
    SBG_VAR_POSITIONAL,
    SBG_KEYWORD_ONLY,
    SBG_VAR_KEYWORD
};

struct sbg_param {
    const char *name;
    enum sbg_param_kind kind;
    bool required;
    const char *value; /* the default's source text, or NULL */
    const struct sbg_type *type;
};

struct sbg_sig {
    struct sbg_param *params;
    size_t count;
    const struct sbg_type *returns;
};

struct sbg_sigs {
    struct sbg_sig *sig; /* none: no signature is known */
    size_t count;
};

enum sbg_member_kind { SBG_METHOD, SBG_CLASSMETHOD, SBG_STATICMETHOD, SBG_PROPERTY, SBG_ATTRIBUTE };

struct sbg_member {
    const char *name, *doc, *from;
    enum sbg_member_kind kind;
    struct sbg_sigs sigs;        /* of the three kinds of method */
    const struct sbg_type *type; /* of the other two */
    bool settable, async;
    bool streaming;                  /* pyproject.toml asks for its iterating form */
    const char *c_name;              /* NULL: not emitted */
    struct sbg_function **functions; /* what was emitted for it: derived classes forward to these */
    size_t function_count;
};

enum sbg_flag {
    SBG_ABSTRACT = 1,
    SBG_ENUM = 2,
    SBG_FLAG = 4,
    SBG_PROTOCOL = 8,
    SBG_NAMEDTUPLE = 16,
    SBG_TYPEDDICT_CLASS = 32
};

struct sbg_field {
    const char *name;
    const char *text;            /* of an enum member: its literal */
    const struct sbg_type *type; /* of a field */
    const char *c_name;
};

struct sbg_class {
    const char *key;    /* the run-time identity, "pandas.core.frame.DataFrame" */
    const char *public; /* the shortest public path, or NULL */
    const char *module, *name, *doc;
    const char **mro, **bases;
    size_t mro_count, base_count;
    unsigned flags;
    bool has_new, has_fields;
    struct sbg_sigs sigs; /* of the constructor */
    struct sbg_member *members;
    size_t member_count;
    struct sbg_field *fields;
    size_t field_count;
    struct sbg_field *enumerators;
    size_t enumerator_count;
    const char **tvars; /* names of its type variables */
    size_t tvar_count;
    const struct sbg_type *item; /* what iterating an instance gives, or NULL */
    bool iterator;               /* it is its own iterator */
    bool streaming;              /* its constructor: pyproject.toml asks for the iterating form */

    struct sbg_library *library;
    struct sbg_module *home; /* the module whose header has its functions */
    const char *path;        /* "pandas:DataFrame" */
    const char *c_name;      /* NULL: it has no C type of its own */
    const char *c_new, *c_from;
    bool by_fields; /* a NamedTuple: a struct of its fields, by value */
    char plain;     /* a class whose instances are plain C values as arguments: i d b s y v; or 0 */
    bool flags_int; /* an IntFlag: its members are C integers */
    bool placed,
        written; /* emit_types.c, emit_functions.c: its definition, its functions are there */
};

enum sbg_symbol_kind { SBG_FUNCTION, SBG_CALLABLE, SBG_CLASS, SBG_VALUE, SBG_MODULE };

struct sbg_symbol {
    const char *name, *doc;
    enum sbg_symbol_kind kind;
    const char *def;   /* a function: where it is defined */
    const char *refer; /* a class's key, a module's name */
    struct sbg_sigs sigs;
    const struct sbg_type *type;
    const char *literal;
    bool async;
    bool streaming; /* pyproject.toml asks for its iterating form */

    struct sbg_module *module;
    const char *c_name;              /* NULL: not emitted */
    const struct sbg_symbol *origin; /* a function: the canonical symbol, which may be itself */
    struct sbg_function **functions; /* of the origin: its C functions */
    size_t function_count;
};

struct sbg_module {
    const char *name, *doc;
    bool public;
    struct sbg_symbol *symbols;
    size_t symbol_count;
    struct sbg_library *library;
    const char *header; /* "py/numpy/linalg.h" */
};

struct sbg_alias {
    const char *name;
    const char **params;
    size_t param_count;
    const struct sbg_type *target;
    struct sbg_library *library;
};

struct sbg_typevar {
    const char *name;
    const struct sbg_type *bound, *fallback;
    const struct sbg_type **values;
    size_t value_count;
    struct sbg_library *library;
};

struct sbg_library {
    const char *file; /* of the manifest */
    const char *name, *prefix, *distribution, *version, *python;
    bool standard;
    bool prefix_chosen; /* by the `as` option */
    struct sbg_module *modules;
    size_t module_count;
    struct sbg_class *classes;
    size_t class_count;
    struct sbg_alias *aliases;
    size_t alias_count;
    struct sbg_typevar *typevars;
    size_t typevar_count;

    const char *types_header; /* "py/numpy/_types.h" */
};

/* Reads one manifest. Returns 0, or -1 with `error` set to "file: place: reason". */
int sbg_read_manifest(struct sbg_arena *arena, const char *file, struct sbg_library *library,
                      struct sbg_text *error);

#endif
