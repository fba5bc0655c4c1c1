/* SPDX-License-Identifier: MIT
 *
 * Exceptions and faults as data. describe() of prelude.py does the wording; where even that fails
 * (memory, a broken __str__ that raises no Exception), the type's name remains. */
#include "engine/error.h"
#include "core/cbor.h"
#include "engine/guard.h"
#include <limits.h>

#define ERROR_ITEMS 7
#define TEXT_MAX (1 << 20) /* of a message, of a traceback: beyond, they are clipped */

const char *sb__code_name(sb_code code)
{
    static const struct {
        sb_code code;
        const char *name;
    } names[] = {
#define SB_CODE_NAME(name, number, text) { SB_##name, "SB_" #name },
        SB_CODES_(SB_CODE_NAME)
#undef SB_CODE_NAME
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            return names[i].name;
    return NULL;
}

void sb__error_put(struct sb_buf *b, sb_code code, const char *text)
{
    sb__put_head(b, SB_MAJOR_ARRAY, ERROR_ITEMS);
    sb__put_uint(b, (uint64_t)code);
    sb__put_text(b, sb__code_name(code));
    sb__put_text(b, sb__utf8_valid(text, strlen(text)) ? text : sb__code_name(code));
    sb__put_text(b, "");
    sb__put_head(b, SB_MAJOR_ARRAY, 0);
    sb__put_uint(b, 0);
}

/* Any str; lone surrogates become escapes. */
static void put_text(struct sb_buf *b, PyObject *text)
{
    PyObject *bytes = text && PyUnicode_Check(text)
                          ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace")
                          : NULL;
    if (!bytes) {
        PyErr_Clear();
        sb__put_text(b, "");
        return;
    }
    const char *p = PyBytes_AsString(bytes);
    size_t n = (size_t)PyBytes_Size(bytes);
    if (n > TEXT_MAX) {
        n = TEXT_MAX;
        while (n && ((unsigned char)p[n] & 0xc0) == 0x80)
            n--;
    }
    sb__put_string(b, SB_MAJOR_TEXT, p, n);
    Py_DECREF(bytes);
}

/* (type, message, traceback, names) of an exception, or NULL. */
static PyObject *describe(PyObject *error)
{
    PyObject *args[1] = { error };
    PyObject *d = sb__py.vectorcall(sb__py.describe, args, 1, NULL);
    if (d && (!PyTuple_Check(d) || PyTuple_Size(d) != 4 || !PyList_Check(PyTuple_GetItem(d, 3)))) {
        Py_DECREF(d);
        d = NULL;
    }
    PyErr_Clear();
    return d;
}

/* The code of an exception that stands for an error of the library (snakebridge.Error), which then
 * is that error again. */
static sb_code code_of(PyObject *error)
{
    long n = SB_E_PYTHON;
    if (PyErr_GivenExceptionMatches((PyObject *)Py_TYPE(error), sb__py.error)) {
        PyObject *code = PyObject_GetAttrString(error, "code");
        n = code && PyLong_Check(code) ? PyLong_AsLong(code) : SB_E_PYTHON;
        PyErr_Clear();
        Py_XDECREF(code);
    }
    return n > SB_OK && n < INT_MAX && sb__code_name((sb_code)n) ? (sb_code)n : SB_E_PYTHON;
}

static void put_described(struct sb_buf *b, PyObject *d, sb_code code, const char *place)
{
    if (code != SB_E_PYTHON)
        sb__put_text(b, sb__code_name(code));
    else
        put_text(b, PyTuple_GetItem(d, 0));
    PyObject *message = *place ? PyUnicode_FromFormat("%S%s", PyTuple_GetItem(d, 1), place) : NULL;
    put_text(b, message ? message : PyTuple_GetItem(d, 1));
    Py_XDECREF(message);
    put_text(b, PyTuple_GetItem(d, 2));
    PyObject *names = PyTuple_GetItem(d, 3);
    Py_ssize_t n = PyList_Size(names);
    sb__put_head(b, SB_MAJOR_ARRAY, (uint64_t)n);
    for (Py_ssize_t i = 0; i < n; i++)
        put_text(b, PyList_GetItem(names, i));
}

void sb__error_take(struct sb_engine_session *s, struct sb_buf *b, bool *late)
{
    char place[sizeof s->place.text * 2 + 32];
    *late = false;
    sb__guard_settle();
    sb__place_take(&s->place, place, sizeof place);
    if (!sb__guard.control) /* in-process: as settle does, for sb_cancel */
        s->interrupted |= SB_SETTLED;
    if (s->fault.code != SB_OK) {
        PyErr_Clear();
        size_t n = strlen(s->fault.text);
        sb__print(s->fault.text + n, sizeof s->fault.text - n, "%s", place);
        sb__error_put(b, s->fault.code, s->fault.text);
        s->fault.code = SB_OK;
        return;
    }
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    if (!error) {
        sb__error_put(b, SB_E_PYTHON, "a call failed without an exception");
        goto done;
    }
    if (trace)
        PyException_SetTraceback(error, trace);
    *late = PyErr_GivenExceptionMatches(type, sb__py.timeout);
    PyObject *d = describe(error);
    sb__put_head(b, SB_MAJOR_ARRAY, ERROR_ITEMS);
    sb_code code = *late                                                 ? SB_E_TIMEOUT
                   : PyErr_GivenExceptionMatches(type, sb__py.cancelled) ? SB_E_CANCELLED
                                                                         : code_of(error);
    sb__put_uint(b, (uint64_t)code);
    if (d) {
        put_described(b, d, code, place);
    } else {
        char name[300];
        sb__type_name(type, name, sizeof name);
        sb__put_text(b, name);
        sb__put_text(b, "");
        sb__put_text(b, "");
        sb__put_head(b, SB_MAJOR_ARRAY, 0);
    }
    Py_XDECREF(d);
    uint64_t id;
    if (sb__session_keep_new(s, error, &id) < 0) {
        PyErr_Clear();
        s->fault.code = SB_OK;
        id = 0;
    }
    sb__put_uint(b, id);
done:
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(trace);
}
