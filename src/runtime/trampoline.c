/* SPDX-License-Identifier: MIT
 *
 * trampoline.c - the arguments of a call from Python for a C function whose parameters are typed: taken one by one, as
 * the results of calls are, and what does not fit is Python's own kind of error with the argument's number.
 */
#include "session.h"

#include "snakebridge_gen.h"

#include <stdio.h>
#include <string.h>

/* One argument's type: code [ "?" ] [ "{" class "}" ]. */
struct expected {
    char code;
    bool optional;
    char class[256];
};

/* Takes a type from the front of `types`, and the comma behind it. */
static bool read_expected(const char **types, struct expected *e)
{
    const char *p = *types;
    memset(e, 0, sizeof *e);
    e->code = *p++;
    e->optional = *p == '?';
    p += e->optional;
    if (*p == '{') {
        size_t len = strcspn(++p, "}");
        if (len >= sizeof e->class)
            return false;
        memcpy(e->class, p, len);
        p += len + (p[len] == '}');
    }
    *types = p + (*p == ',');
    return true;
}

static size_t count_expected(const char *types)
{
    size_t n = *types != 0;
    for (bool inside = false; *types; types++) {
        inside = *types == '{' || (inside && *types != '}');
        n += *types == ',' && !inside;
    }
    return n;
}

/* What is of the declared type as it is; false: Python has to be asked, or it does not fit. */
static bool take_plain(const struct expected *e, sb_value v, sb_taken *taken)
{
    switch (e->code) {
    case 'd':
        taken->d = v.as.f;
        return v.kind == SB_FLOAT_;
    case 'i':
        taken->i = v.as.i;
        return v.kind == SB_INT_;
    case 'b':
        taken->b = v.as.b;
        return v.kind == SB_BOOL_;
    case 's':
        taken->s = v.as.str;
        return v.kind == SB_STR_;
    case 'y':
        taken->y = v.as.bytes;
        return v.kind == SB_BYTES_;
    case 'o':
        taken->o.id = 0;
        return e->optional && v.kind == SB_NONE_;
    default:
        taken->v = v;
        return true;
    }
}

static void take_other(sb_session *py, const sb_site *at, const struct expected *e, sb_value v,
                       sb_taken *taken)
{
    switch (e->code) {
    case 'd':
        taken->d = sb_as_double_(py, at, v);
        break;
    case 'i':
        taken->i = sb_as_int_(py, at, v);
        break;
    case 'b':
        taken->b = sb_as_bool_(py, at, v);
        break;
    case 's':
        taken->s = sb_as_str_(py, at, v);
        break;
    case 'y':
        taken->y = sb_as_bytes_(py, at, v);
        break;
    default:
        taken->o = *e->class ? sb_cast(py, at, e->class, v) : sb_as_object_(py, at, v);
    }
}

/* The error that a conversion left, as the exception that a Python function would raise. */
static void raise_misfit(sb_session *py, const char *name, size_t number)
{
    const sb_error *e = sb_get_error(py);
    if (e->code != SB_E_TYPE && e->code != SB_E_RANGE)
        return;
    const char *type = e->code == SB_E_RANGE ? "OverflowError" : "TypeError";
    char text[512];
    snprintf(text, sizeof text, "%s", e->message);
    sb_clear_error(py);
    sb_raise_(py, NULL, type, "%s: argument %zu: %s", name, number, text);
}

bool sb_take_args(sb_session *py, const char *name, const char *types, const sb_value *args,
                  size_t count, sb_taken *taken)
{
    const sb_site at = { name, "", 0 };
    size_t expected = count_expected(types);
    for (size_t i = 0; i < count; i++)
        if (args[i].kind == SB_KEYWORD_) {
            sb_raise_(py, NULL, "TypeError", "%s takes no keyword arguments, %s was given", name,
                      args[i].as.str.ptr);
            return false;
        }
    if (count != expected) {
        sb_raise_(py, NULL, "TypeError", "%s takes %zu argument%s, %zu were given", name, expected,
                  expected == 1 ? "" : "s", count);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct expected e;
        if (!read_expected(&types, &e)) {
            sb_raise_(py, NULL, "RuntimeError", "%s: the name of a class is too long", name);
            return false;
        }
        if (take_plain(&e, args[i], &taken[i]))
            continue;
        take_other(py, &at, &e, args[i], &taken[i]);
        if (sb_failed(py)) {
            raise_misfit(py, name, i + 1);
            return false;
        }
    }
    return true;
}
