/* SPDX-License-Identifier: MIT
 *
 * What the stable ABI of CPython 3.8 does not hold: found by dlsym, with replacements for the
 * versions that do not export it. Everything here runs with the GIL. */
#include "engine/python.h"
#include "engine/output.h"
#include "prelude.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

struct sb_python sb__py;

/* ---- vectorcall ------------------------------------------------------------------------------ */

/* What PyObject_Vectorcall reads, which is an inline function before 3.11:
 * PyTypeObject.tp_vectorcall_offset, the word behind tp_dealloc (Include/cpython/object.h of 3.8 and
 * later), and bit 11 of tp_flags (Py_TPFLAGS_HAVE_VECTORCALL). */
#define VECTORCALL_OFFSET_AT 56
#define HAVE_VECTORCALL (1ul << 11)

static sb_vectorcall *vectorcall_of(PyObject *callable)
{
    PyTypeObject *type = Py_TYPE(callable);
    if (!(PyType_GetFlags(type) & HAVE_VECTORCALL))
        return NULL;
    Py_ssize_t offset;
    memcpy(&offset, (const char *)type + VECTORCALL_OFFSET_AT, sizeof offset);
    return sb__slot(callable, (size_t)offset);
}

size_t sb__fixed_slot(PyObject *callable)
{
    PyTypeObject *type = Py_TYPE(callable);
    Py_ssize_t offset = 0;
    if ((PyType_GetFlags(type) & (HAVE_VECTORCALL | Py_TPFLAGS_HEAPTYPE)) == HAVE_VECTORCALL)
        memcpy(&offset, (const char *)type + VECTORCALL_OFFSET_AT, sizeof offset);
    return offset > 0 && sb__slot(callable, (size_t)offset) ? (size_t)offset : 0;
}

static PyObject *call_by_tuple(PyObject *callable, PyObject *const *args, size_t n,
                               PyObject *kwnames)
{
    PyObject *result = NULL, *keywords = NULL;
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);
    if (!tuple)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        Py_INCREF(args[i]);
        PyTuple_SetItem(tuple, (Py_ssize_t)i, args[i]);
    }
    Py_ssize_t named = kwnames ? PyTuple_Size(kwnames) : 0;
    if (named) {
        keywords = PyDict_New();
        if (!keywords)
            goto done;
        for (Py_ssize_t i = 0; i < named; i++)
            if (PyDict_SetItem(keywords, PyTuple_GetItem(kwnames, i), args[n + (size_t)i]) < 0)
                goto done;
    }
    result = PyObject_Call(callable, tuple, keywords);
done:
    Py_DECREF(tuple);
    Py_XDECREF(keywords);
    return result;
}

static PyObject *old_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf,
                                PyObject *kwnames)
{
    sb_vectorcall *f = vectorcall_of(callable);
    if (f)
        return f(callable, args, nargsf, kwnames);
    return call_by_tuple(callable, args, nargsf & ~SB_ARGUMENTS_OFFSET, kwnames);
}

/* ---- methods in 3.8 -------------------------------------------------------------------------- */

/* Objects/object.c: 1 and the function behind the method, to be called with the object in front; or
 * 0 and the attribute. */
static int (*get_method)(PyObject *o, PyObject *name, PyObject **method);

static PyObject *old_vectorcall_method(PyObject *name, PyObject *const *args, size_t nargsf,
                                       PyObject *kwnames)
{
    size_t n = nargsf & ~SB_ARGUMENTS_OFFSET;
    PyObject *method = NULL;
    int unbound = 0;
    if (get_method)
        unbound = get_method(args[0], name, &method);
    else
        method = PyObject_GetAttr(args[0], name);
    if (!method)
        return NULL;
    PyObject *result = unbound ? old_vectorcall(method, args, nargsf, kwnames)
                               : old_vectorcall(method, args + 1, n - 1, kwnames);
    Py_DECREF(method);
    return result;
}

/* ---- loading --------------------------------------------------------------------------------- */

static bool find(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &symbol, sizeof symbol); /* POSIX: dlsym, application usage */
    return symbol;
}

/* Runs a file that is compiled in, in `scope`. */
static int run_file(const char *name, PyObject *scope)
{
    const char *text = NULL;
    for (size_t i = 0; i < sizeof prelude_files / sizeof *prelude_files; i++)
        if (strcmp(prelude_files[i].path, name) == 0)
            text = prelude_files[i].text;
    PyObject *code = text ? Py_CompileString(text, "<snakebridge>", Py_file_input) : NULL;
    PyObject *done = code && PyDict_SetItemString(scope, "__builtins__", PyEval_GetBuiltins()) == 0
                         ? PyEval_EvalCode(code, scope, scope)
                         : NULL;
    if (!text)
        PyErr_Format(PyExc_SystemError, "the engine has no %s", name);
    Py_XDECREF(code);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

int sb__python_run(const char *name, PyMethodDef *methods, size_t n)
{
    PyObject *scope = PyDict_New();
    int rc = scope ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        PyObject *f = PyCFunction_NewEx(&methods[i], NULL, NULL);
        rc = f ? PyDict_SetItemString(scope, methods[i].ml_name, f) : -1;
        Py_XDECREF(f);
    }
    if (rc == 0)
        rc = run_file(name, scope);
    Py_XDECREF(scope);
    return rc;
}

static int run_prelude(void)
{
    int rc = -1;
    PyObject *stream = sb__output_function(), *scope = PyDict_New();
    if (!stream || !scope || PyDict_SetItemString(scope, "write", stream) < 0 ||
        run_file("prelude.py", scope) < 0 || run_file("language.py", scope) < 0)
        goto done;
    const struct {
        const char *name;
        PyObject **at;
    } names[] = { { "describe", &sb__py.describe },   { "TimeoutExceeded", &sb__py.timeout },
                  { "Cancelled", &sb__py.cancelled }, { "Error", &sb__py.error },
                  { "from_c", &sb__py.from_c },       { "Coroutine", &sb__py.coroutine },
                  { "Runner", &sb__py.runner },       { "enter", &sb__py.enter },
                  { "leave", &sb__py.leave },         { "evaluate", &sb__py.evaluate },
                  { "execute", &sb__py.execute },     { "reload", &sb__py.reload } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        PyObject *o = PyDict_GetItemString(scope, names[i].name);
        if (!o) {
            PyErr_SetString(PyExc_SystemError, "the engine's prelude is incomplete");
            goto done;
        }
        Py_INCREF(o);
        *names[i].at = o;
    }
    rc = 0;
done:
    Py_XDECREF(stream);
    Py_XDECREF(scope);
    return rc;
}

/* Debug builds with Py_TRACE_REFS and free-threaded ones have other heads of objects, and no stable
 * ABI of 3.8. */
static int check_layout(void)
{
    PyObject *o = PyFloat_FromDouble(-1.5e300);
    if (!o)
        return -1;
    bool good = sb__float_value(o) == -1.5e300 && Py_TYPE(o) == &PyFloat_Type;
    Py_DECREF(o);
    if (!good)
        PyErr_SetString(PyExc_RuntimeError,
                        "this build of Python has no stable ABI (is it free-threaded?)");
    return good ? 0 : -1;
}

static int check_lists(void)
{
    PyObject *list = PyList_New(2), *item = list ? PyLong_FromLong(INT32_MAX) : NULL;
    if (item) {
        Py_INCREF(item);
        Py_INCREF(Py_None);
        PyList_SetItem(list, 0, Py_None);
        PyList_SetItem(list, 1, item);
        sb__py.lists = true;
        PyObject *const *items = sb__list_items(list);
        sb__py.lists = items && items[0] == Py_None && items[1] == item;
        Py_DECREF(item);
    }
    Py_XDECREF(list);
    return item ? 0 : -1;
}

int sb__python_load(void)
{
    if (sb__py.version)
        return 0;
    const char *text = Py_GetVersion(); /* "3.11.2 (main, ...)" */
    size_t n = strcspn(text, " ");
    if (n >= sizeof sb__py.version_text)
        n = sizeof sb__py.version_text - 1;
    memcpy(sb__py.version_text, text, n);
    char *rest;
    long major = strtol(text, &rest, 10);
    long minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
    if (major != 3 || minor < 8) {
        PyErr_Format(PyExc_RuntimeError, "Python %s is too old: 3.8 or later is needed",
                     sb__py.version_text);
        return -1;
    }
    if (check_layout() < 0 || check_lists() < 0)
        return -1;
    if (!find("PyObject_Vectorcall", &sb__py.vectorcall))
        sb__py.vectorcall = old_vectorcall;
    if (!find("PyObject_VectorcallMethod", &sb__py.vectorcall_method)) {
        find("_PyObject_GetMethod", &get_method);
        sb__py.vectorcall_method = old_vectorcall_method;
    }
    if (!find("PyUnicode_AsUTF8AndSize", &sb__py.utf8) ||
        !find("PyObject_GetBuffer", &sb__py.get_buffer) ||
        !find("PyBuffer_Release", &sb__py.release_buffer)) {
        PyErr_Format(PyExc_RuntimeError, "Python %s does not export what the engine needs",
                     sb__py.version_text);
        return -1;
    }
#define SB_NAME(name)                                           \
    if (!(sb__py.str.name = PyUnicode_InternFromString(#name))) \
        return -1;
    SB_INTERNED(SB_NAME)
#undef SB_NAME
    PyObject *builtins = PyImport_ImportModule("builtins");
    if (!builtins)
        return -1;
    sb__py.builtins = PyModule_GetDict(builtins); /* borrowed from the module, which stays */
    sb__py.modules = PyImport_GetModuleDict();
    if (run_prelude() < 0)
        return -1;
    sb__py.version = (int)(major << 8 | minor);
    return 0;
}

/* ---- names and NumPy ------------------------------------------------------------------------- */

void sb__print_args(char *out, size_t cap, const char *format, va_list args)
{
    int n = vsnprintf(out, cap, format, args);
    if (n < 0)
        *out = 0;
    if (n < 0 || (size_t)n < cap)
        return;
    size_t end = cap - 1, begin = end;
    while (begin && ((unsigned char)out[begin - 1] & 0xc0) == 0x80)
        begin--;
    if (!begin)
        return;
    unsigned char first = (unsigned char)out[begin - 1];
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (begin - 1 + size > end)
        out[begin - 1] = 0;
}

void sb__print(char *out, size_t cap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sb__print_args(out, cap, format, args);
    va_end(args);
}

static bool text_attribute(PyObject *o, PyObject *name, char *out, size_t cap)
{
    PyObject *text = PyObject_GetAttr(o, name);
    Py_ssize_t n;
    const char *s = text && PyUnicode_Check(text) ? sb__py.utf8(text, &n) : NULL;
    if (s)
        sb__print(out, cap, "%s", s);
    PyErr_Clear();
    Py_XDECREF(text);
    return s;
}

void sb__type_name(PyObject *type, char *out, size_t cap)
{
    char module[160], name[160];
    if (!text_attribute(type, sb__py.str.__qualname__, name, sizeof name))
        sb__print(name, sizeof name, "?");
    if (text_attribute(type, sb__py.str.__module__, module, sizeof module) &&
        strcmp(module, "builtins") != 0)
        sb__print(out, cap, "%s.%s", module, name);
    else
        sb__print(out, cap, "%s", name);
}

PyObject *sb__module_attribute(const char *module, const char *name, bool import)
{
    PyObject *m = PyDict_GetItemString(sb__py.modules, module), *value = NULL;
    if (m)
        Py_INCREF(m);
    else if (import)
        m = PyImport_ImportModule(module);
    if (m) {
        value = PyObject_GetAttrString(m, name);
        Py_DECREF(m);
    }
    PyErr_Clear();
    return value;
}

int sb__numpy_scalar(PyObject *o, PyObject **plain)
{
    static PyObject *generic; /* numpy.generic: a process has one NumPy at most */
    if (!generic && !(generic = sb__module_attribute("numpy", "generic", false)))
        return 0;
    if (!PyType_Check(generic) || !PyType_IsSubtype(Py_TYPE(o), (PyTypeObject *)generic))
        return 0;
    PyObject *dtype = PyObject_GetAttr(o, sb__py.str.dtype);
    PyObject *kind = dtype ? PyObject_GetAttr(dtype, sb__py.str.kind) : NULL;
    Py_ssize_t n;
    const char *s = kind && PyUnicode_Check(kind) ? sb__py.utf8(kind, &n) : NULL;
    int rc = !s ? -1 : *s && strchr("biufcSU", *s) ? 1 : 2;
    Py_XDECREF(dtype);
    Py_XDECREF(kind);
    if (rc < 0 && !PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "a NumPy scalar without a kind");
    if (rc != 1)
        return rc;
    PyObject *args[1] = { o };
    *plain = sb__py.vectorcall_method(sb__py.str.item, args, 1, NULL);
    if (!*plain)
        return -1;
    PyTypeObject *type = Py_TYPE(*plain); /* a long double is its own item: no plain value */
    if (type == &PyFloat_Type || type == &PyLong_Type || type == &PyBool_Type ||
        type == &PyComplex_Type || type == &PyUnicode_Type || type == &PyBytes_Type)
        return 1;
    Py_DECREF(*plain);
    *plain = NULL;
    return 2;
}
