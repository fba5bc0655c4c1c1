/* SPDX-License-Identifier: MIT */
#include "sigcheck.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static bool word(const char **p)
{
    const char *start = *p;
    while (isalnum((unsigned char)**p) || **p == '_' || (unsigned char)**p >= 0x80)
        ++*p;
    return *p > start && !isdigit((unsigned char)*start);
}

/* module:qualname */
static bool path(const char **p)
{
    bool colon = false;
    for (;;) {
        if (!word(p))
            return false;
        if (**p == '.') {
            ++*p;
        } else if (**p == ':' && !colon) {
            colon = true;
            ++*p;
        } else {
            return colon;
        }
    }
}

static bool literal(const char **p)
{
    char kind = *(*p)++;
    const char *start = *p;
    while (isalnum((unsigned char)**p) || (**p && strchr("_-.", **p)) ||
           (unsigned char)**p > 0x7f ||
           (**p == '%' && isxdigit((unsigned char)(*p)[1]) && isxdigit((unsigned char)(*p)[2])))
        *p += **p == '%' ? 3 : 1;
    size_t len = (size_t)(*p - start);
    switch (kind) {
    case 's':
        return true;
    case 'i':
        return len > 0;
    case 'b':
        return len == 1 && (*start == '0' || *start == '1');
    case 'n':
        return len == 0;
    default:
        return false;
    }
}

static bool type(const char **p, const char *codes, char *code)
{
    *code = *(*p)++;
    if (!*code || !strchr(codes, *code))
        return --*p, false;
    if (**p == '?') {
        if (!strchr("idbsyeo", *code))
            return false;
        ++*p;
    }
    if (*code == 'e' && **p != '{')
        return false;
    if (**p != '{')
        return true;
    ++*p;
    if (*code == 'o') {
        if (!path(p))
            return false;
    } else if (*code == 'e') {
        do {
            if (!literal(p))
                return false;
        } while (**p == ';' && ++*p);
    } else {
        return false;
    }
    return *(*p)++ == '}';
}

static bool params(const char **p, bool options, const char *codes)
{
    char code;
    for (bool first = true; **p && !strchr("|>", **p); first = false) {
        if (!first && *(*p)++ != ',')
            return --*p, false;
        if (**p == '=' || (options && **p == '/'))
            ++*p;
        if (!type(p, codes, &code) || *(*p)++ != ':' || !word(p))
            return false;
        if (options && **p == '@' && (++*p, !word(p)))
            return false;
    }
    return true;
}

bool sigcheck(const char *name, const char *sig, const char **why)
{
    char code;
    const char *p = name;
    *why = name;
    if (!path(&p) || *p) {
        *why = p;
        return false;
    }
    p = sig;
    bool good = *p && strchr("fmgscx", *p++) && params(&p, false, "idbsyeova");
    if (good && *p == '|')
        good = *++p != '>' && params(&p, true, "idbsyeovk");
    good = good && *p == '>' && *++p;
    if (good && *p == '(') {
        do {
            ++p;
            good = good && type(&p, "idbsyeov", &code);
        } while (good && *p == ',');
        good = good && *p++ == ')';
    } else {
        good = good && type(&p, "idbsyeovn", &code);
    }
    *why = p;
    return good && !*p;
}
