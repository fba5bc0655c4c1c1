/* SPDX-License-Identifier: MIT */
#include "headers.h"
#include "sigcheck.h"

#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* The text between the quotes at `p`, which the emitter escaped. */
static char *unquoted(const char **p)
{
    struct sbg_text text = { 0 };
    sbg_add(&text, "");
    for (++*p; **p != '"'; ++*p)
        if (**p != '\\')
            sbg_add_char(&text, **p);
        else if ((*p)[1] >= '0' && (*p)[1] <= '7')
            sbg_add_char(&text, (char)strtol((char[]) { (*p)[1], (*p)[2], (*p)[3], 0 }, NULL, 8)),
                *p += 3;
        else
            sbg_add_char(&text, *++*p);
    ++*p;
    return text.ptr;
}

/* Calls `each` with prototype, path and signature of every function of a header, and checks the latter two. */
size_t headers_each(const char *header, void each(char *, char *, char *, void *), void *user)
{
    size_t n = 0;
    static const char mark[] = "static const sb_fn fn_ = { ";
    for (const char *p = header; (p = strstr(p, mark)); n++) {
        const char *line = p;
        for (int lines = 0; lines < 3; line--)
            lines += line[-1] == '\n';
        line++;
        p += sizeof mark - 1;
        char *path = unquoted(&p);
        p = strchr(p, '"');
        char *sig = unquoted(&p);
        char *prototype = strndup(line, strcspn(line, "\n"));
        const char *why;
        if (!sigcheck(path, sig, &why))
            fail_msg("%s: %s: not a signature at \"%s\"", path, sig, why);
        each(prototype, path, sig, user);
        free(path);
        free(sig);
        free(prototype);
    }
    return n;
}
