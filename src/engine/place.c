/* SPDX-License-Identifier: MIT
 *
 * See place.h. */
#include "engine/place.h"
#include <stdio.h>

enum { INNERMOST = 60, KEY = 40 }; /* characters that stay when there are too many; of one key */

static void step(struct sb_place *p, const char *text)
{
    static const char dots[] = "...";
    size_t n = strlen(text);
    if (p->len + n + sizeof dots > sizeof p->text) {
        size_t keep = p->len < INNERMOST ? p->len : INNERMOST;
        const char *end = p->text + sizeof p->text, *from = end - keep;
        while (from < end && *from != '[' && *from != '.' && *from != '{')
            from++;
        p->len = (size_t)(end - from) + 3;
        memcpy(p->text + sizeof p->text - p->len, dots, 3);
        p->clipped = true;
    }
    if (p->len + n > sizeof p->text)
        return;
    p->len += n;
    memcpy(p->text + sizeof p->text - p->len, text, n);
}

void sb__place_part(struct sb_place *p, const char *what, Py_ssize_t i)
{
    char text[60];
    snprintf(text, sizeof text, "{%s %zd}", what, i);
    step(p, text);
}

void sb__place_index(struct sb_place *p, Py_ssize_t i)
{
    char text[32];
    snprintf(text, sizeof text, "[%zd]", i);
    step(p, text);
}

void sb__place_key(struct sb_place *p, PyObject *key)
{
    char text[KEY + 8], name[KEY];
    PyTypeObject *t = Py_TYPE(key), *type_of;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    type_of = t;
    bool plain = t == &PyUnicode_Type || t == &PyLong_Type || t == &PyFloat_Type ||
                 t == &PyBool_Type || key == Py_None;
    PyObject *repr = plain ? PyObject_Repr(key) : NULL; /* of others it might run anything */
    PyObject *bytes = repr ? PyUnicode_AsEncodedString(repr, "utf-8", "backslashreplace") : NULL;
    if (bytes) {
        sb__print(name, sizeof name, "%s", PyBytes_AsString(bytes));
        snprintf(text, sizeof text, "[%s]", name);
    } else {
        sb__type_name((PyObject *)type_of, name, sizeof name);
        snprintf(text, sizeof text, "[<%s>]", name);
    }
    Py_XDECREF(repr);
    Py_XDECREF(bytes);
    PyErr_Clear();
    PyErr_Restore(type, value, trace);
    step(p, text);
}

void sb__place_field(struct sb_place *p, PyObject *name)
{
    char text[KEY + 8];
    Py_ssize_t n;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    const char *s = PyUnicode_Check(name) ? sb__py.utf8(name, &n) : NULL;
    sb__print(text, KEY, ".%s", s ? s : "?");
    PyErr_Clear();
    PyErr_Restore(type, value, trace);
    step(p, text);
}

void sb__place_take(struct sb_place *p, char *out, size_t cap)
{
    const char *s = p->text + sizeof p->text - p->len;
    *out = 0;
    if (p->loops && !p->clipped)
        snprintf(out, cap, ": x%.*s is x%.*s", (int)p->len, s, (int)(p->len - p->cycle), s);
    else if (p->len)
        snprintf(out, cap, " (at x%.*s)", (int)p->len, s);
    p->len = p->cycle = 0;
    p->clipped = p->loops = false;
}
