/* SPDX-License-Identifier: MIT
 *
 * overloads.h - see overloads.c; for signature.c alone.
 */
#ifndef SBG_OVERLOADS_H
#define SBG_OVERLOADS_H

#include "bindings.h"

/* A parameter as the overloads together have it. */
struct sbg_merged {
    const char *name;
    const struct sbg_type **types;
    size_t type_count;
    const char *value;
    size_t present;  /* in how many overloads */
    size_t required; /* in how many of them */
    size_t index;    /* its position, SBG_NO_INDEX if it is keyword-only or differs */
    bool positional_only, keyword_only;
};
#define SBG_NO_INDEX ((size_t)-1)

struct sbg_overloads {
    const struct sbg_sig **sig;
    size_t count;
    struct sbg_merged *params;
    size_t param_count;
    const char *args; /* the name of *args, or NULL */
    bool kwargs;
};

/* Is it neither *args nor **kwargs? */
bool sbg_is_named(const struct sbg_param *p);
size_t sbg_required_count(const struct sbg_sig *sig);
/* Fills in `params` and what follows from `sig`, positional ones first. */
void sbg_merge(struct sbg_bindings *b, struct sbg_overloads *o);
struct sbg_merged *sbg_merged_named(struct sbg_overloads *o, const char *name);
const struct sbg_type *sbg_union_of(struct sbg_bindings *b, const struct sbg_merged *m);
/* Can the parameter say one thing only, None or one literal? */
bool sbg_is_fixed(struct sbg_bindings *b, const struct sbg_merged *m, const struct sbg_class *self);
/* Is its only value what it is anyway? `decides`: what it is was decided by which function is called. */
bool sbg_says_nothing(struct sbg_bindings *b, const struct sbg_merged *m, bool decides,
                      const struct sbg_class *self);
/* Do the overloads differ so much in how a parameter is passed that no one call fits all of them? */
bool sbg_fits_no_call(const struct sbg_overloads *o);
/* The overloads of a source that can be called, all of them if none can, with what each of them requires. */
const struct sbg_sigs *sbg_possible(struct sbg_bindings *b, const struct sbg_source *s);

#endif
