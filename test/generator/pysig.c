/* SPDX-License-Identifier: MIT
 *
 * pysig.c - a reader by hand: types are read by precedence ("|" is the only operator), defaults up to the comma that
 * is outside of brackets and quotes.
 */
#include "pysig.h"

#include <ctype.h>
#include <string.h>

static void blanks(const char **p)
{
    while (**p == ' ')
        ++*p;
}

static bool take(const char **p, const char *word)
{
    blanks(p);
    size_t len = strlen(word);
    if (strncmp(*p, word, len) != 0)
        return false;
    *p += len;
    return true;
}

static size_t name_len(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_' || p[n] == '.' ||
           (unsigned char)p[n] >= 0x80)
        n++;
    return n;
}

static bool type(struct sbg_text *json, const char **p);

static bool items(struct sbg_text *json, const char **p, const char *key)
{
    sbg_addf(json, ", \"%s\": [", key);
    bool first = true;
    while (!take(p, "]")) {
        if (!first && (!take(p, ",") || !(sbg_add(json, ", "), true)))
            return false;
        first = false;
        if (take(p, "()"))
            continue;
        if (!type(json, p))
            return false;
    }
    sbg_add(json, "]");
    return true;
}

static bool literals(struct sbg_text *json, const char **p)
{
    bool several = false;
    size_t start = json->len;
    do {
        blanks(p);
        sbg_add(json, several ? ", " : "");
        if (take(p, "None")) {
            sbg_add(json, "{\"k\": \"none\"}");
        } else if (take(p, "True") || take(p, "False")) {
            sbg_addf(json, "{\"k\": \"lit\", \"of\": \"builtins.bool\", \"v\": %s}",
                     (*p)[-2] == 'u' ? "true" : "false");
        } else if (**p == '\'') {
            const char *end = strchr(*p + 1, '\'');
            if (!end)
                return false;
            sbg_addf(json, "{\"k\": \"lit\", \"of\": \"builtins.str\", \"v\": \"%.*s\"}",
                     (int)(end - *p - 1), *p + 1);
            *p = end + 1;
        } else {
            size_t n = strspn(*p, "-0123456789");
            size_t name = n ? 0 : name_len(*p);
            const char *dot = *p + name;
            while (name && *dot != '.')
                dot--;
            if (n)
                sbg_addf(json, "{\"k\": \"lit\", \"of\": \"builtins.int\", \"v\": %.*s}", (int)n,
                         *p);
            else if (name)
                sbg_addf(json, "{\"k\": \"lit\", \"of\": \"%.*s\", \"v\": \"%.*s\"}",
                         (int)(dot - *p), *p, (int)(*p + name - dot - 1), dot + 1);
            else
                return false;
            *p += n + name;
        }
        several = true;
    } while (take(p, ","));
    if (!take(p, "]"))
        return false;
    const char *all = json->ptr + start;
    if (strstr(all, "}, {")) {
        struct sbg_text copy = { 0 };
        sbg_addf(&copy, "{\"k\": \"union\", \"i\": [%s]}", all);
        json->len = start;
        sbg_add(json, copy.ptr);
        sbg_text_free(&copy);
    }
    return true;
}

static bool one_type(struct sbg_text *json, const char **p)
{
    static const char *const words[] = { "None", "none", "Self", "self", "Never", "never" };
    blanks(p);
    for (size_t i = 0; i < 6; i += 2)
        if (strncmp(*p, words[i], strlen(words[i])) == 0 && name_len(*p) == strlen(words[i])) {
            *p += strlen(words[i]);
            sbg_addf(json, "{\"k\": \"%s\"}", words[i + 1]);
            return true;
        }
    if (take(p, "Any")) {
        sbg_add(json, "{\"k\": \"any\", \"why\": \"explicit\"}");
        return true;
    }
    if (take(p, "Callable[[")) {
        sbg_add(json, "{\"k\": \"call\", \"s\": {\"params\": [");
        for (int n = 0; !take(p, "]"); n++) {
            if (n && (!take(p, ",") || !(sbg_add(json, ", "), true)))
                return false;
            sbg_addf(json,
                     "{\"name\": \"arg%d\", \"kind\": \"positional_only\", "
                     "\"required\": true, \"type\": ",
                     n);
            if (!type(json, p))
                return false;
            sbg_add(json, "}");
        }
        sbg_add(json, "], \"returns\": ");
        bool good = take(p, ",") && type(json, p) && take(p, "]");
        sbg_add(json, "}}");
        return good;
    }
    if (take(p, "Callable")) {
        sbg_add(json, "{\"k\": \"call\", \"s\": {\"params\": [{\"name\": \"args\", \"kind\": "
                      "\"var_positional\", \"type\": {\"k\": \"any\", \"why\": \"explicit\"}}], "
                      "\"returns\": {\"k\": \"none\"}}}");
        return true;
    }
    if (take(p, "Literal["))
        return literals(json, p);
    if (take(p, "type[")) {
        sbg_add(json, "{\"k\": \"type\", \"i\": ");
        bool good = type(json, p) && take(p, "]");
        sbg_add(json, "}");
        return good;
    }
    if (take(p, "tuple[")) {
        sbg_add(json, "{\"k\": \"tuple\"");
        bool good = items(json, p, "i");
        sbg_add(json, "}");
        return good;
    }
    const char *kind = take(p, "@") ? "alias" : take(p, "~") ? "tvar" : "inst";
    size_t n = name_len(*p);
    if (!n)
        return false;
    sbg_addf(json, "{\"k\": \"%s\", \"n\": \"%s%.*s\"", kind, memchr(*p, '.', n) ? "" : "builtins.",
             (int)n, *p);
    *p += n;
    bool good = !take(p, "[") || items(json, p, "a");
    sbg_add(json, "}");
    return good;
}

static bool type(struct sbg_text *json, const char **p)
{
    size_t start = json->len;
    if (!one_type(json, p))
        return false;
    if (!take(p, "|"))
        return true;
    struct sbg_text first = { 0 };
    sbg_add(&first, json->ptr + start);
    json->len = start;
    sbg_addf(json, "{\"k\": \"union\", \"i\": [%s", first.ptr);
    sbg_text_free(&first);
    do {
        sbg_add(json, ", ");
        if (!one_type(json, p))
            return false;
    } while (take(p, "|"));
    sbg_add(json, "]}");
    return true;
}

bool pysig_type(struct sbg_text *json, const char *text)
{
    const char *p = text;
    bool good = type(json, &p);
    blanks(&p);
    return good && !*p;
}

static size_t default_len(const char *p)
{
    size_t n = 0;
    int depth = 0;
    for (char quote = 0; p[n]; n++) {
        if (quote) {
            quote = p[n] == quote ? 0 : quote;
            continue;
        }
        if (p[n] == '\'')
            quote = p[n];
        else if (strchr("([{", p[n]))
            depth++;
        else if (strchr(")]}", p[n]) && depth-- == 0)
            break;
        else if (p[n] == ',' && depth == 0)
            break;
    }
    return n;
}

static bool param(struct sbg_text *json, const char **p, const char *kind)
{
    size_t n = name_len(*p);
    if (!n)
        return false;
    sbg_addf(json, "{\"name\": \"%.*s\", \"kind\": \"%s\", \"type\": ", (int)n, *p, kind);
    *p += n;
    if (take(p, ":")) {
        if (!type(json, p))
            return false;
    } else {
        sbg_add(json, "{\"k\": \"any\", \"why\": \"unannotated\"}");
    }
    bool optional = take(p, "=");
    if (optional) {
        blanks(p);
        n = default_len(*p);
        while (n && (*p)[n - 1] == ' ')
            n--;
        sbg_addf(json, ", \"default\": \"%.*s\"", (int)n, *p);
        *p += n;
    }
    sbg_addf(json, ", \"required\": %s}", optional || kind[0] == 'v' ? "false" : "true");
    return true;
}

bool pysig_sig(struct sbg_text *json, const char *text)
{
    const char *p = text, *slash = strstr(text, "/");
    bool keyword_only = false, first = true;
    sbg_add(json, "{\"params\": [");
    if (!take(&p, "("))
        return false;
    while (!take(&p, ")")) {
        if (!first && !take(&p, ","))
            return false;
        blanks(&p);
        bool more = json->ptr[json->len - 1] != '[';
        first = false;
        if (take(&p, "/"))
            continue;
        bool stars = take(&p, "**"), star = !stars && take(&p, "*");
        if (star)
            keyword_only = true;
        if (star && (*p == ',' || *p == ' '))
            continue;
        sbg_add(json, more ? ", " : "");
        if (!param(json, &p,
                   stars                ? "var_keyword"
                   : star               ? "var_positional"
                   : keyword_only       ? "keyword_only"
                   : slash && p < slash ? "positional_only"
                                        : "positional_or_keyword"))
            return false;
    }
    sbg_add(json, "], \"returns\": ");
    if (take(&p, "->")) {
        if (!type(json, &p))
            return false;
    } else {
        sbg_add(json, "{\"k\": \"any\", \"why\": \"unannotated\"}");
    }
    blanks(&p);
    sbg_add(json, "}");
    return !*p;
}
