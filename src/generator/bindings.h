/* SPDX-License-Identifier: MIT
 *
 * bindings.h - all libraries of a run, the tables over them, and what the passes add: C names (names.c), C types with
 * their enums and acceptors (types.c), and functions (signature.c). emit_*.c only write down what is here.
 */
#ifndef SBG_BINDINGS_H
#define SBG_BINDINGS_H

#include "emit.h"
#include "model.h"

/* A Literal as a C enum, counted from 1. */
struct sbg_enum {
    const char *c_name, *comment;
    const char *detail; /* "sleft;sright", as a signature has it */
    const char **enumerators;
    size_t count;
    struct sbg_library *library; /* whose _types.h has it */
};

/* A parameter that takes one of some classes: a macro in C, overloads in C++. */
struct sbg_acceptor {
    const char *c_name;
    const struct sbg_class **classes;
    size_t count;
    struct sbg_library *library;
};

/* A Callable as a C function type, with the function that Python's call goes through. */
struct sbg_callback {
    const char *c_name, *c_new, *c_call, *comment;
    struct sbg_ctype *args;
    size_t count;
    struct sbg_ctype *returns;
    struct sbg_library *library; /* whose _types.h has it */
};

struct sbg_ctype {
    char code;                    /* of the signature grammar; t: a struct of `items` */
    bool none;                    /* "?" */
    const struct sbg_class *cls;  /* o: the class or NULL; t: the NamedTuple class or NULL */
    struct sbg_enum *en;          /* e */
    struct sbg_acceptor *accepts; /* v */
    struct sbg_callback *calls;   /* v: a C function of this type may be passed */
    bool calls_only;              /* and nothing else but a Python callable */
    struct sbg_ctype *items;      /* t */
    const char *const *names;     /* t: of the members */
    size_t item_count;
};

struct sbg_arg {
    const char *name, *c_name;
    char mark; /* '=', '/' or 0 */
    struct sbg_ctype type;
    const char *value; /* the default's text, or NULL */
    const char *annotation;
};

/* A C function, ready to be written. */
struct sbg_function {
    char op;
    const char *python;                 /* "pandas.DataFrame.head" */
    const char *path;                   /* "pandas:DataFrame.head" */
    const char *c_name, *opts, *result; /* names of the function and of its two structs */
    struct sbg_arg *params, *options;
    size_t param_count, option_count;
    bool variadic;         /* the last parameter, *args, is the macro's "..." */
    const char *c_submit;  /* the macro that does not wait, or NULL */
    const char *c_iter;    /* the loop over its result, or NULL */
    struct sbg_ctype item; /* of the loop's variable */
    struct sbg_ctype returns;
    const char *doc;
    const char **lines; /* the Python signatures */
    size_t line_count;
    const char *note; /* a sentence about this C form, or NULL */
};

struct sbg_bindings {
    struct sbg_arena arena;
    struct sbg_library *libraries; /* the standard library first, then in the order of dependency */
    size_t library_count;
    struct sbg_map classes, aliases, typevars; /* by Python name */
    struct sbg_map claimed;                    /* every C identifier at file scope */
    struct sbg_map reserved;                   /* words that no parameter or field may have */
    struct sbg_map enums, acceptors, callbacks;
    struct sbg_enum **enum_list;
    struct sbg_acceptor **acceptor_list;
    struct sbg_callback **callback_list;
    size_t enum_count, acceptor_count, callback_count;
    struct sbg_report *report;
};

void sbg_line(struct sbg_lines *lines, const char *format, ...) SBG_PRINTF(2, 3);

/* names.c */
/* Gives every class, member and symbol its C name. */
void sbg_assign_names(struct sbg_bindings *b);
/* `wanted`, or with as many `_` behind it as make it unique among the C identifiers of the run. */
const char *sbg_claim(struct sbg_bindings *b, const char *wanted, const char *python);
/* `python` as part of an identifier: what is not ASCII becomes u and its number. */
const char *sbg_word(struct sbg_arena *arena, const char *python);
/* The name of a parameter or field: not reserved, not claimed, and not among `taken`. */
const char *sbg_local_name(struct sbg_bindings *b, const char *python, const char *const *taken,
                           size_t taken_count);
/* "len" for "__len__"; NULL for a special method that has no C form. */
const char *sbg_dunder(const char *name);
/* The class, from whichever library owns it; NULL if it is not bound. */
struct sbg_class *sbg_find_class(const struct sbg_bindings *b, const char *key);
/* May the types header of `a` use types of `of`? */
bool sbg_sees(const struct sbg_library *a, const struct sbg_library *of);
/* Is `c` a subclass of `base`, or the same? */
bool sbg_is_subclass(const struct sbg_class *c, const struct sbg_class *base);
bool sbg_has_base(const struct sbg_class *c, const char *key);
bool sbg_is_int(const struct sbg_bindings *b, const struct sbg_class *c);
bool sbg_same_sigs(const struct sbg_sigs *a, const struct sbg_sigs *b);
bool sbg_same_params(const struct sbg_sigs *a, const struct sbg_sigs *b);

#define SBG_MAX_PARTS 128 /* of a union; more is dynamic */

/* types.c */
enum sbg_role { SBG_AS_PARAM, SBG_AS_OPTION, SBG_AS_RESULT };
struct sbg_use {
    struct sbg_library *library;
    const struct sbg_class *self; /* Self, or NULL */
    enum sbg_role role;
    const char *value;     /* an option's default, or NULL */
    const char *python;    /* for the report: "numpy.mean: axis" */
    const char *enum_name; /* what an enum of an inline Literal would be called */
    bool nested;           /* a member of a struct, which holds no struct itself */
};
/* Is it a class of typing, collections.abc and their like, which stands for kinds of objects? */
bool sbg_is_abstract(const char *name);
struct sbg_ctype sbg_map_type(struct sbg_bindings *b, const struct sbg_type *type,
                              const struct sbg_use *use);
/* "const char *", "numpy_ndarray", ...: the C type of a parameter, option field or result with this type. */
const char *sbg_c_type(struct sbg_bindings *b, const struct sbg_ctype *type, enum sbg_role role);

/* flatten.c */
bool sbg_same_type(const struct sbg_type *a, const struct sbg_type *b);
/* `type` with the type variables `names` replaced by `types`, as far as both go. */
const struct sbg_type *sbg_substitute(struct sbg_bindings *b, const struct sbg_type *type,
                                      const char *const *names, size_t name_count,
                                      const struct sbg_type *const *types, size_t type_count);
/* The types a type may be: unions flattened, aliases and type variables replaced. At most `room`; returns the count,
 * or 0 if it could be anything. */
size_t sbg_flatten(struct sbg_bindings *b, const struct sbg_type *type,
                   const struct sbg_class *self, const struct sbg_type **out, size_t room);

/* callbacks.c */
/* The C function type of the one Callable among `parts`, or NULL; `only`: besides it there is at most None. */
struct sbg_callback *sbg_callback_in(struct sbg_bindings *b, const struct sbg_type *const *parts,
                                     size_t count, const struct sbg_use *use, bool *only);

/* iterating.c */
struct sbg_source;
/* What a call gives whose result is declared as `returns`: a coroutine is awaited, so it is the coroutine's result. */
const struct sbg_type *sbg_awaited(const struct sbg_type *returns);
/* Is there an iterating form of the function with these signatures, and of what type are its items? */
bool sbg_iterates(struct sbg_bindings *b, const struct sbg_source *s,
                  const struct sbg_sig *const *sigs, size_t count, struct sbg_ctype *item);

/* enums.c */
/* The enum of the literals among `parts`, with a member for None where `none` or the alias says so. */
struct sbg_enum *sbg_enum_of(struct sbg_bindings *b, const struct sbg_type *type,
                             const struct sbg_type *const *parts, size_t count, bool none,
                             const struct sbg_use *use);
/* The alias that is all of `type`, None aside, or NULL; and does it say None itself? */
const struct sbg_alias *sbg_whole_alias(struct sbg_bindings *b, const struct sbg_type *type);
bool sbg_says_none(struct sbg_bindings *b, const struct sbg_alias *alias);

/* signature.c */
struct sbg_source {
    struct sbg_library *library;
    const char *python, *path, *c_name, *doc;
    const char *enum_name; /* the c_name of the inherited function, whose enums are shared */
    char op;
    const struct sbg_class *self;  /* of a method */
    const struct sbg_class *scope; /* the class a method or constructor belongs to */
    const struct sbg_sigs *sigs;
    bool constructs, async;
    bool any_value; /* a setter that may take more than the getter gives */
    bool streaming; /* it has an iterating form, whatever its result */
};
/* The C functions of one Python callable: one, and one more for each overload that gets its own. */
size_t sbg_make_functions(struct sbg_bindings *b, const struct sbg_source *source,
                          struct sbg_function ***out);
/* An attribute or module variable: its getter (op c or g), or its setter (op s). */
struct sbg_function *sbg_make_access(struct sbg_bindings *b, const struct sbg_source *source,
                                     const struct sbg_type *type);
/* "fv:a|v:axis>v" */
const char *sbg_signature_text(struct sbg_bindings *b, const struct sbg_function *f);

/* pytext.c: Python as people read it, and text that is safe inside a C comment or literal */
void sbg_add_type(struct sbg_text *to, const struct sbg_type *type);
void sbg_add_signature(struct sbg_text *to, const char *name, const struct sbg_sig *sig);
/* `text` up to `max` bytes, on lines that begin with `margin` (NULL: one line, blanks joined). */
void sbg_add_comment(struct sbg_text *to, const char *text, size_t len, const char *margin,
                     size_t max);
void sbg_add_c_string(struct sbg_text *to, const char *text);

/* emit_types.c, emit_functions.c: parts of headers */
struct sbg_header {
    struct sbg_bindings *b;
    struct sbg_library *library;
    const char *name;
    struct sbg_text body;
    struct sbg_map includes; /* headers this one needs */
};
void sbg_need_library(struct sbg_header *h, const struct sbg_library *library);
/* Makes the types of all named tuples, before any header of types is written: they may bring enums. */
void sbg_map_fields(struct sbg_bindings *b);
void sbg_emit_types(struct sbg_header *h);
void sbg_emit_callbacks(struct sbg_header *h);
/* Is there a union for the class, and what is its member for a base? */
bool sbg_has_handle(const struct sbg_class *c);
const char *sbg_upcast_name(struct sbg_bindings *b, const struct sbg_class *c,
                            const struct sbg_class *base);
void sbg_emit_function(struct sbg_header *h, const struct sbg_function *f);
/* Everything of a module: its classes' functions, its functions and variables, the names it re-exports. */
void sbg_emit_module(struct sbg_header *h, struct sbg_module *module);

/* output.c */
struct sbg_file {
    const char *name; /* "py/math.h" */
    const char *text;
    size_t len;
};
/* Makes `folder` hold exactly these generated headers: all or none of them. Returns 0 or -1. */
int sbg_write_files(const char *folder, const struct sbg_file *files, size_t count,
                    struct sbg_report *report, struct sbg_text *error);
#define SBG_MARK "/* Generated by snakebridge"

#endif
