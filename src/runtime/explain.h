/* SPDX-License-Identifier: MIT
 *
 * Explanations in the making: a message is matched against the table of known mistakes (explain_table.c); what it tells are
 * fields by name; what a pattern cannot work out, a function of the row does (explain_shape.c and the end of explain.c). */
#ifndef SB_RUNTIME_EXPLAIN_H
#define SB_RUNTIME_EXPLAIN_H

#include "runtime/session.h"

enum {
    SB_EXPLAIN_FIELDS = 24,
    SB_EXPLAIN_SUGGESTIONS = 6,
    SB_EXPLAIN_TEXT = 4096,   /* bytes of a message that are looked at */
    SB_EXPLAIN_CAPTURE = 200, /* bytes of a field at most */
};

/* An argument of the call that failed, or a local variable near it, as explain.py tells. */
struct sb_operand {
    const char *name, *type, *shape, *dtype, *device;
};

struct sb_explainer {
    sb_session *py; /* NULL: nobody can be asked */
    void *(*alloc)(void *ctx, size_t size);
    void *ctx;
    bool failed; /* no memory */
    const sb_error *error;
    sb_str message;
    const struct sb_mistake *mistake;
    sb_error_field fields[SB_EXPLAIN_FIELDS];
    size_t fields_len;
    const char *suggestions[SB_EXPLAIN_SUGGESTIONS];
    size_t suggestions_len;
    const char *summary, *found, *expected;

    /* What the engine knows of the call: filled in by sb__explain_ask. */
    bool (*ask)(struct sb_explainer *x);
    bool asked;
    const char **parameters;
    size_t parameters_len;
    struct sb_operand *operands, *near;
    size_t operands_len, near_len;
};

/* One row of the table. */
struct sb_mistake {
    sb_why why;
    const char *
        classes; /* names of the exception's class or a base: "ValueError|TypeError"; ours: "SB_E_STALE" */
    /* Literal text with {name}s, found anywhere in the message ("^": at its begin, "$": up to its end). {name}: the shortest
     * text up to the literal behind it; {name:int}, {name:word}, {name:shape}: no more than that. */
    const char *message;
    const char *operation; /* the field "operation", unless the message has it */
    /* Texts with {name}s; a suggestion that names a field that is not there is left out. NULL: none. */
    const char *summary, *found, *expected, *suggestions[4];
    void (*work)(struct sb_explainer *x); /* works out the rest, or NULL */
};
extern const struct sb_mistake sb__mistakes[];
extern const size_t sb__mistakes_len;

/* The distribution that brings a module, where it is called otherwise: "opencv-python" for "cv2"; else NULL. */
struct sb_distribution {
    const char *module, *distribution;
};
extern const struct sb_distribution sb__distributions[]; /* sorted */
extern const size_t sb__distributions_len;
const char *sb__distribution_of(const char *module, size_t n);

/* Matches a pattern of the table; fields are added to *x. In time that is bounded by its length times SB_EXPLAIN_TEXT times a
 * small constant. */
bool sb__explain_match(struct sb_explainer *x, const char *pattern);
/* A copy in x's memory; NULL (and x->failed) for want of it. */
char *sb__explain_copy(struct sb_explainer *x, const char *s, size_t n);
/* Both texts stay where they are. */
void sb__explain_put(struct sb_explainer *x, const char *name, const char *text);
/* A field's text, or "". */
const char *sb__explain_get(const struct sb_explainer *x, const char *name);
void sb__explain_set(struct sb_explainer *x, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sb__explain_suggest(struct sb_explainer *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *sb__explain_print(struct sb_explainer *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* True: operands, parameters and so on are filled in. */
bool sb__explain_ask(struct sb_explainer *x);

/* The whole of it: error, message, `is_a` (whether the error is of a class) -> an explanation in x's memory, or NULL. */
const sb_explanation *sb__explain_error(struct sb_explainer *x,
                                        bool (*is_a)(void *ctx, const char *name, size_t n),
                                        void *ctx);
/* Of the pending error, kept until it is cleared; the session is entered. */
const sb_explanation *sb__explain(sb_session *py);

/* ---- works of rows: explain_shape.c ---- */
void sb__work_matmul(struct sb_explainer *x);
void sb__work_broadcast(struct sb_explainer *x);
void sb__work_reshape(struct sb_explainer *x);
void sb__work_lengths(struct sb_explainer *x);
/* ---- explain_names.c ---- */
void sb__work_module(struct sb_explainer *x);
void sb__work_keyword(struct sb_explainer *x);
void sb__work_key(struct sb_explainer *x);
void sb__work_attribute(struct sb_explainer *x);

#endif
