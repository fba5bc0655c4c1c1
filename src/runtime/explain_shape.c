/* SPDX-License-Identifier: MIT
 *
 * Shapes that do not fit: which axis, and what would make them fit. Shapes come from the message; where it has only lengths,
 * from the arguments of the call. */
#include "runtime/explain.h"
#include <stdio.h>
#include <stdlib.h>

enum { AXES = 16 };

struct shape {
    int n;
    int64_t at[AXES];
    int64_t size; /* elements; -1: more than there can be */
};

/* "(3, 4)", "(3,)", "[3, 4]", "torch.Size([3, 4])", "3x4", "()". False: something else. */
static bool read_shape(const char *s, struct shape *shape)
{
    *shape = (struct shape) { .size = 1 };
    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s >= '0' && *s <= '9') {
            char *end;
            long long v = strtoll(s, &end, 10);
            if (shape->n == AXES || end - s > 18)
                return false;
            shape->at[shape->n++] = v;
            if (__builtin_mul_overflow(shape->size, v, &shape->size))
                shape->size = -1;
            s = end - 1;
        } else if (*s == 'n') { /* newaxis */
            return false;
        }
    }
    return true;
}

/* "(3, 4)" into `text`. */
static const char *write_shape(const struct shape *s, char text[256])
{
    size_t at = 1;
    text[0] = '(';
    for (int i = 0; i < s->n && at < 200; i++)
        at += (size_t)snprintf(text + at, 256 - at, i ? ", %lld" : "%lld", (long long)s->at[i]);
    snprintf(text + at, 256 - at, s->n == 1 ? ",)" : ")");
    return text;
}

static struct shape turned(const struct shape *s)
{
    struct shape t = *s;
    for (int i = 0; i < s->n; i++)
        t.at[i] = s->at[s->n - 1 - i];
    return t;
}

static bool same(const struct shape *a, const struct shape *b)
{
    return a->n == b->n && !memcmp(a->at, b->at, (size_t)a->n * sizeof *a->at);
}

/* Fields "left" and "right" from the two arrays of the call, or near it, where the message has none. */
static bool find_operands(struct sb_explainer *x)
{
    if (*sb__explain_get(x, "left") && *sb__explain_get(x, "right"))
        return true;
    if (!sb__explain_ask(x))
        return false;
    const struct sb_operand *from[] = { x->operands, x->near }, *two[2] = { NULL, NULL };
    const size_t len[] = { x->operands_len, x->near_len };
    for (size_t k = 0; k < 2; k++) {
        size_t n = 0;
        for (size_t i = 0; i < len[k]; i++)
            if (*from[k][i].shape && n++ < 2)
                two[n - 1] = &from[k][i];
        if (n == 2) {
            for (size_t i = 0; i < 2; i++) {
                sb__explain_set(x, i ? "right" : "left", "%s", two[i]->shape);
                if (*two[i]->name)
                    sb__explain_set(x, i ? "right_name" : "left_name", "%s", two[i]->name);
                if (*two[i]->dtype)
                    sb__explain_set(x, i ? "right_dtype" : "left_dtype", "%s", two[i]->dtype);
            }
            return true;
        }
        if (n > 2) {
            struct sb_buf b = { 0 };
            for (size_t i = 0; i < len[k]; i++) {
                char one[300];
                if (!*from[k][i].shape)
                    continue;
                snprintf(one, sizeof one, "%s%s %s", b.len ? ", " : "", from[k][i].name,
                         from[k][i].shape);
                sb__buf_put(&b, one, strlen(one));
            }
            sb__buf_put(&b, "", 1);
            if (!b.failed)
                sb__explain_set(x, "arrays", "%s", (const char *)b.ptr);
            sb__buf_reset(&b);
            return false;
        }
    }
    return false;
}

/* The inner dimensions of a @ b: numpy.matmul, "Notes". */
static bool fits_matmul(const struct shape *a, const struct shape *b)
{
    if (!a->n || !b->n)
        return false;
    return a->at[a->n - 1] == b->at[b->n > 1 ? b->n - 2 : 0];
}

void sb__work_matmul(struct sb_explainer *x)
{
    struct shape a, b;
    char sa[256], sb[256], st[256];
    if (!find_operands(x) || !read_shape(sb__explain_get(x, "left"), &a) ||
        !read_shape(sb__explain_get(x, "right"), &b)) {
        x->summary = sb__explain_print(x, "the inner dimensions of the operands differ");
        if (*sb__explain_get(x, "arrays"))
            x->found = sb__explain_print(x, "arrays there: %s", sb__explain_get(x, "arrays"));
        else if (*sb__explain_get(x, "left"))
            x->found = sb__explain_print(x, "%s @ %s", sb__explain_get(x, "left"),
                                         sb__explain_get(x, "right"));
        sb__explain_suggest(
            x, "the last length of the left operand must be the last but one of the right one: "
               "print both shapes, transpose (.T) or reshape one");
        return;
    }
    sb__explain_set(x, "left", "%s", write_shape(&a, sa));
    sb__explain_set(x, "right", "%s", write_shape(&b, sb));
    if (!a.n || !b.n) {
        x->summary =
            sb__explain_print(x, "a matrix product needs operands of at least one dimension");
        x->found = sb__explain_print(x, "%s @ %s", sa, sb);
        sb__explain_suggest(x, "multiply by a number with *");
        return;
    }
    const int64_t inner = a.at[a.n - 1], other = b.at[b.n > 1 ? b.n - 2 : 0];
    x->summary = sb__explain_print(
        x, "the inner dimensions of a matrix product must be equal: %lld is not %lld",
        (long long)inner, (long long)other);
    x->found = sb__explain_print(x, "%s @ %s", sa, sb);
    x->expected = b.n > 1 ? sb__explain_print(x, "%s @ (%lld, n)", sa, (long long)inner)
                          : sb__explain_print(x, "%s @ (%lld,)", sa, (long long)inner);
    struct shape at = turned(&a), bt = turned(&b);
    if (b.n == 2 && fits_matmul(&a, &bt))
        sb__explain_suggest(x, "transpose the right operand: b.T is %s", write_shape(&bt, st));
    if (a.n == 2 && fits_matmul(&at, &b))
        sb__explain_suggest(x, "transpose the left operand: a.T is %s", write_shape(&at, st));
    if (a.n <= 2 && b.n <= 2 && a.n + b.n > 2 && fits_matmul(&b, &a))
        sb__explain_suggest(x, "swap the operands: %s @ %s", sb, sa);
    if (same(&a, &b))
        sb__explain_suggest(x, "for a product element by element, use * (multiply)");
    if (b.n == 1 && inner == 1)
        sb__explain_suggest(x, "make the right operand a row: b.reshape(1, -1) is (1, %lld)",
                            (long long)b.at[0]);
    if (!x->suggestions_len)
        sb__explain_suggest(
            x, "no transposition makes them fit: look where the length %lld comes from",
            (long long)other);
}

/* The first axis from the right in which neither is 1 and they differ; -1: there is none. */
static int clash(const struct shape *a, const struct shape *b)
{
    for (int i = 1; i <= a->n && i <= b->n; i++) {
        int64_t p = a->at[a->n - i], q = b->at[b->n - i];
        if (p != q && p != 1 && q != 1)
            return i;
    }
    return -1;
}

void sb__work_broadcast(struct sb_explainer *x)
{
    struct shape a, b;
    char sa[256], sb[256], st[256];
    if (!find_operands(x) || !read_shape(sb__explain_get(x, "left"), &a) ||
        !read_shape(sb__explain_get(x, "right"), &b)) {
        if (*sb__explain_get(x, "arrays"))
            x->found = sb__explain_print(x, "arrays there: %s", sb__explain_get(x, "arrays"));
        return;
    }
    sb__explain_set(x, "left", "%s", write_shape(&a, sa));
    sb__explain_set(x, "right", "%s", write_shape(&b, sb));
    x->found = sb__explain_print(x, "%s and %s", sa, sb);
    int axis = clash(&a, &b);
    if (axis > 0) {
        x->summary =
            sb__explain_print(x,
                              "read from the right, axis -%d has length %lld on one side and %lld "
                              "on the other, and neither is 1",
                              axis, (long long)a.at[a.n - axis], (long long)b.at[b.n - axis]);
        sb__explain_set(x, "axis", "-%d", axis);
        x->expected = sb__explain_print(x, "equal lengths, or 1, in each axis from the right");
    }
    struct shape at = turned(&a), bt = turned(&b);
    if (a.n == 2 && b.n == 2 && clash(&a, &bt) < 0)
        sb__explain_suggest(x, "transpose one: b.T is %s", write_shape(&bt, st));
    if (b.n == 1 && a.n == 2 && a.at[0] == b.at[0])
        sb__explain_suggest(x, "make the second a column: b.reshape(-1, 1) is (%lld, 1)",
                            (long long)b.at[0]);
    if (a.n == 1 && b.n == 2 && b.at[0] == a.at[0])
        sb__explain_suggest(x, "make the first a column: a.reshape(-1, 1) is (%lld, 1)",
                            (long long)a.at[0]);
    if (!same(&a, &b) && a.size == b.size && a.size >= 0 && !(a.n == 2 && same(&at, &b)))
        sb__explain_suggest(x, "they have as many elements: b.reshape(%.*s)",
                            (int)strlen(sa + 1) - (a.n != 1 || sa[strlen(sa) - 2] != ',' ? 1 : 2),
                            sa + 1);
    if (!x->suggestions_len)
        sb__explain_suggest(
            x, "make the lengths equal: slice the longer one, or select the same rows in both");
}

/* "cannot reshape array of size 12 into shape (5, 3)": fields size, shape. */
void sb__work_reshape(struct sb_explainer *x)
{
    struct shape to, best;
    char text[256];
    long long size = strtoll(sb__explain_get(x, "size"), NULL, 10);
    if (!read_shape(sb__explain_get(x, "shape"), &to) || !to.n)
        return;
    sb__explain_set(x, "shape", "%s", write_shape(&to, text));
    if (to.size >= 0)
        x->expected = sb__explain_print(x, "a shape with %lld elements; %s has %lld", size, text,
                                        (long long)to.size);
    x->found = sb__explain_print(x, "%lld elements", size);
    for (int i = 0, told = 0; i < to.n && told < 2; i++) {
        best = to;
        int64_t rest = 1;
        bool fits = true;
        for (int j = 0; j < to.n; j++)
            if (j != i && __builtin_mul_overflow(rest, to.at[j], &rest))
                fits = false;
        if (!fits || rest <= 0 || size % rest)
            continue;
        best.at[i] = size / rest;
        sb__explain_suggest(x, "%s fits: a length of -1 at place %d is worked out by itself",
                            write_shape(&best, text), i);
        told++;
    }
    sb__explain_suggest(x, "if there are more or fewer elements than you expect: look how the "
                           "array was made or filtered");
}

/* Fields left and right, two lengths. */
void sb__work_lengths(struct sb_explainer *x)
{
    long long a = strtoll(sb__explain_get(x, "left"), NULL, 10),
              b = strtoll(sb__explain_get(x, "right"), NULL, 10);
    if (a == b + 1 || b == a + 1)
        sb__explain_suggest(
            x,
            "they differ by one: look for a header, a dropped row, or an end that is counted in");
}
