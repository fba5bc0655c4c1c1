/* SPDX-License-Identifier: MIT
 *
 * Special methods as their operators and built-in functions do them (op "x" of docs/wire.md). */
#ifndef SB_ENGINE_OPS_H
#define SB_ENGINE_OPS_H

#include "engine/python.h"

struct sb_special {
    const char *name;
    size_t least, most;                                /* arguments */
    PyObject *(*run)(PyObject *const *args, size_t n); /* NULL: calls the first argument */
};

/* NULL: none of the table; then it is a method like any other. */
const struct sb_special *sb__special_find(const char *name);

/* (plan.c) What plans have looked up in the module of that name, or in what is below it, is looked up anew. */
void sb__plans_forget(const char *module);

#endif
