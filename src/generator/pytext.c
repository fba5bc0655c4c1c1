/* SPDX-License-Identifier: MIT
 *
 * pytext.c - Python's text inside C's: types and signatures as people read them, and the escapes without which a
 * docstring could end a comment, hide code from a reader (bidirectional controls), or change meaning (trigraphs).
 */
#include "bindings.h"

#include <string.h>

/* "pandas.core.frame.DataFrame" -> "DataFrame" */
static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static void add_list(struct sbg_text *to, const struct sbg_type *type)
{
    for (size_t i = 0; i < type->item_count; i++) {
        if (i)
            sbg_add(to, ", ");
        sbg_add_type(to, type->items[i]);
    }
}

/* What stands between the brackets of Literal[...]. */
static void add_literal(struct sbg_text *to, const struct sbg_type *type)
{
    if (type->lit.kind == 's')
        sbg_addf(to, "'%s'", type->lit.text);
    else if (type->lit.kind == 'b')
        sbg_add(to, *type->lit.text == '1' ? "True" : "False");
    else if (type->lit.kind == 'i')
        sbg_add(to, type->lit.text);
    else
        sbg_addf(to, "%s.%s", last_part(type->name), type->lit.text);
}

static bool has_part(const char *parts, const char *part)
{
    size_t len = strlen(part);
    for (const char *p = parts; (p = strstr(p, part)); p++)
        if ((p == parts || p[-1] == '\n') && p[len] == '\n')
            return true;
    return false;
}

/* Each part once, as different types may read alike, and the literals together. */
static void add_union(struct sbg_text *to, const struct sbg_type *type)
{
    struct sbg_text parts = { 0 }; /* each with a newline behind it */
    sbg_add(&parts, "");
    bool literals = false;
    for (size_t i = 0; i < type->item_count; i++) {
        struct sbg_text part = { 0 };
        sbg_add(&part, "");
        bool literal = type->items[i]->kind == SBG_LIT;
        for (size_t k = i; literal && !literals && k < type->item_count; k++)
            if (type->items[k]->kind == SBG_LIT) {
                sbg_add(&part, part.len ? ", " : "Literal[");
                add_literal(&part, type->items[k]);
            }
        if (literal && !literals)
            sbg_add_char(&part, ']');
        else if (!literal)
            sbg_add_type(&part, type->items[i]);
        literals = literals || literal;
        if (part.len && !has_part(parts.ptr, part.ptr)) {
            sbg_addf(to, "%s%s", parts.len ? " | " : "", part.ptr);
            sbg_addf(&parts, "%s\n", part.ptr);
        }
        sbg_text_free(&part);
    }
    sbg_text_free(&parts);
}

void sbg_add_type(struct sbg_text *to, const struct sbg_type *type)
{
    switch (type->kind) {
    case SBG_INST:
    case SBG_ALIAS:
        sbg_add(to, last_part(type->name));
        if (type->item_count) {
            sbg_add_char(to, '[');
            add_list(to, type);
            sbg_add_char(to, ']');
        }
        break;
    case SBG_NONE:
        sbg_add(to, "None");
        break;
    case SBG_ANY:
        sbg_add(to, "Any");
        break;
    case SBG_NEVER:
        sbg_add(to, "Never");
        break;
    case SBG_UNION:
        add_union(to, type);
        break;
    case SBG_LIT:
        sbg_add(to, "Literal[");
        add_literal(to, type);
        sbg_add_char(to, ']');
        break;
    case SBG_TUPLE:
        if (type->name) {
            sbg_add(to, last_part(type->name));
        } else {
            sbg_add(to, "tuple[");
            add_list(to, type);
            sbg_add(to, type->item_count ? "]" : "()]");
        }
        break;
    case SBG_TYPEDDICT:
    case SBG_TVAR:
        sbg_add(to, last_part(type->name));
        break;
    case SBG_CALL:
        sbg_add(to, "Callable");
        if (type->item_count) {
            sbg_add(to, "[[");
            for (size_t i = 0; i + 1 < type->item_count; i++) {
                sbg_add(to, i ? ", " : "");
                sbg_add_type(to, type->items[i]);
            }
            sbg_add(to, "], ");
            sbg_add_type(to, type->items[type->item_count - 1]);
            sbg_add_char(to, ']');
        }
        break;
    case SBG_TYPE:
        sbg_add(to, "type");
        if (type->item_count) {
            sbg_add_char(to, '[');
            add_list(to, type);
            sbg_add_char(to, ']');
        }
        break;
    case SBG_SELF:
        sbg_add(to, "Self");
        break;
    }
}

/* Is the type worth a word? What is not annotated is left out, as in Python. */
static bool is_known(const struct sbg_type *type)
{
    return type->kind != SBG_ANY || (type->name && strcmp(type->name, "explicit") == 0);
}

void sbg_add_signature(struct sbg_text *to, const char *name, const struct sbg_sig *sig)
{
    sbg_addf(to, "%s(", name);
    bool slash = false, star = false;
    for (size_t i = 0; i < sig->count; i++) {
        const struct sbg_param *p = &sig->params[i];
        if (i)
            sbg_add(to, ", ");
        if (slash && p->kind != SBG_POSITIONAL_ONLY) {
            sbg_add(to, "/, ");
            slash = false;
        }
        if (p->kind == SBG_KEYWORD_ONLY && !star) {
            sbg_add(to, "*, ");
            star = true;
        }
        slash = slash || p->kind == SBG_POSITIONAL_ONLY;
        star = star || p->kind == SBG_VAR_POSITIONAL;
        sbg_add(to, p->kind == SBG_VAR_POSITIONAL ? "*" : p->kind == SBG_VAR_KEYWORD ? "**" : "");
        sbg_add(to, p->name);
        if (is_known(p->type)) {
            sbg_add(to, ": ");
            sbg_add_type(to, p->type);
        }
        bool variable = p->kind == SBG_VAR_POSITIONAL || p->kind == SBG_VAR_KEYWORD;
        if (!p->required && !variable)
            sbg_addf(to, is_known(p->type) ? " = %s" : "=%s", p->value ? p->value : "...");
    }
    sbg_add(to, slash ? ", /)" : ")");
    if (is_known(sig->returns)) {
        sbg_add(to, " -> ");
        sbg_add_type(to, sig->returns);
    }
}

/* Controls, and what turns the direction of text or takes no room: shown by number. */
static bool is_hidden(unsigned long c)
{
    return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0xad ||
           c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe0fff);
}

static size_t code_at(const unsigned char *s, size_t len, unsigned long *code)
{
    size_t n = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
    *code = n == 1 ? *s : *s & (0x7fU >> n);
    for (size_t i = 1; i < n && i < len; i++)
        *code = *code << 6 | (s[i] & 0x3fU);
    return n > len ? len : n;
}

static void trim(struct sbg_text *to, size_t begin)
{
    while (to->len > begin && (to->ptr[to->len - 1] == ' ' || to->ptr[to->len - 1] == '\t'))
        to->ptr[--to->len] = 0;
}

/* A backslash at the end of a line would join it with the next. */
static void end_line(struct sbg_text *to, size_t begin, const char *margin)
{
    trim(to, begin);
    if (to->len > begin && to->ptr[to->len - 1] == '\\')
        sbg_add(to, " .");
    sbg_addf(to, "\n%s", margin);
}

void sbg_add_comment(struct sbg_text *to, const char *text, size_t len, const char *margin,
                     size_t max)
{
    size_t begin = to->len;
    for (size_t i = 0; i < len;) {
        if (to->len - begin >= max) {
            trim(to, begin);
            sbg_add(to, " ...");
            break;
        }
        unsigned long code;
        size_t n = code_at((const unsigned char *)text + i, len - i, &code);
        char last = to->len > begin ? to->ptr[to->len - 1] : ' ';
        if (code == '\n' && margin) {
            end_line(to, begin, margin);
        } else if (code == '\n' || code == '\t' || code == '\r' || (code == ' ' && !margin)) {
            if (last != ' ')
                sbg_add_char(to, ' ');
        } else if (is_hidden(code)) {
            sbg_addf(to, "<U+%04lX>", code);
        } else {
            if ((code == '/' && last == '*') || (code == '*' && last == '/') ||
                (code == '?' && last == '?'))
                sbg_add_char(to, ' ');
            sbg_add_bytes(to, text + i, n);
        }
        i += n;
    }
    trim(to, begin);
    if (to->len > begin && (to->ptr[to->len - 1] == '\\' || to->ptr[to->len - 1] == '*' ||
                            to->ptr[to->len - 1] == '/'))
        sbg_add_char(to, ' ');
}

void sbg_add_c_string(struct sbg_text *to, const char *text)
{
    sbg_add_char(to, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            sbg_addf(to, "\\%c", *p);
        else if (*p == '?' && p > (const unsigned char *)text && p[-1] == '?')
            sbg_add(to, "\\?");
        else if (*p < 0x20 || *p >= 0x7f)
            sbg_addf(to, "\\%03o", *p);
        else
            sbg_add_char(to, (char)*p);
    }
    sbg_add_char(to, '"');
}
