/* SPDX-License-Identifier: MIT
 *
 * Plans: what a plan number stands for. Known to all sessions of the process, made once and never
 * freed; with the GIL. */
#ifndef SB_ENGINE_PLAN_H
#define SB_ENGINE_PLAN_H

#include "core/cbor.h"
#include "engine/ops.h"
#include "engine/session.h"

#define SB_PLANS_MAX (1u << 20)

/* A result type: the grammar is in snakebridge_gen.h. */
struct sb_spec {
    char code; /* n i d b s y e o v V w X, or ( */
    bool optional;
    char *class_name;      /* o: "pandas:DataFrame", or NULL */
    PyObject *class;       /* what it names, once it was looked up */
    PyObject *literals;    /* e: a tuple */
    struct sb_spec *items; /* ( */
    size_t count;
};

enum { SB_DIRECT_FUNCTION = 1, SB_DIRECT_SPECIAL };

struct sb_target {
    char op;     /* as in docs/wire.md; 'E': an 'f' that names eval or exec */
    bool kwargs; /* the last argument is a map to be merged into the keywords */
    uint8_t
        direct;  /* the short way will do (call.c), since this gives a value: an 'f' that was looked
                       up (SB_DIRECT_FUNCTION), an 'x' of the table (SB_DIRECT_SPECIAL); else 0 */
    char *name;  /* as it came */
    char *label; /* for messages: "math.floor" */
    PyObject
        *object; /* f k e: what is named; c: what holds it, or it itself; NULL: not looked up */
    PyObject *member; /* m g s and c, x without an entry: the last component, interned */
    const struct sb_special *special; /* x */
    size_t slot; /* direct: where the object has its vectorcall function; 0: ask Python */
    size_t keywords;
    PyObject *kwnames; /* NULL if there are none */
    struct sb_spec result;
    uint8_t *definition;
    size_t definition_size;
};

extern struct sb_target **sb__plans;
extern size_t sb__plans_cap;

/* The plan of that number, or NULL. */
static inline struct sb_target *sb__plan_find(uint64_t number)
{
    return SB_LIKELY(number < sb__plans_cap) ? sb__plans[number] : NULL;
}
/* Reads a definition and makes it the plan `number`. NULL: r->error says what is malformed, or a
 * fault or an exception is set. */
struct sb_target *sb__plan_define(struct sb_engine_session *s, uint64_t number,
                                  struct sb_reader *r);
/* What the plan names, a borrowed reference that stays; NULL with an exception. */
PyObject *sb__plan_look_up(struct sb_target *plan);
/* (The name is looked up by the first call, so that what fails then may be mended.) */
static inline PyObject *sb__plan_object(struct sb_target *plan)
{
    return SB_LIKELY(plan->object != NULL) ? plan->object : sb__plan_look_up(plan);
}
/* The class of an `o`, borrowed; NULL with an exception. */
PyObject *sb__spec_class(struct sb_spec *spec);

/* Follows "module:a.b", or "a.b.c" by attribute, then by import of a submodule, then in builtins. A
 * new reference, or NULL with an exception. */
PyObject *sb__resolve(const char *name);

#endif
