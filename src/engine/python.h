/* SPDX-License-Identifier: MIT
 *
 * CPython as the engine sees it: the stable ABI of 3.8 from Python.h, and what lies beyond it, found
 * by name at run time and replaced where a version lacks it. Filled once by sb__python_load; read
 * with the GIL. */
#ifndef SB_ENGINE_PYTHON_H
#define SB_ENGINE_PYTHON_H

#include "core/buf.h"
#include <Python.h>
#include <stdarg.h>

/* The bit of nargsf that lends args[-1] to the callee (PEP 590). */
#define SB_ARGUMENTS_OFFSET ((size_t)1 << (8 * sizeof(size_t) - 1))

/* Py_buffer, which joined the stable ABI with 3.11; its layout is the same since 3.3
 * (Include/cpython/object.h, Include/pybuffer.h). */
struct sb_buffer {
    void *buf;
    PyObject *obj;
    Py_ssize_t len, itemsize;
    int readonly, ndim;
    char *format;
    Py_ssize_t *shape, *strides, *suboffsets;
    void *internal;
};
#define SB_BUFFER_RECORDS_RO 0x1c /* PyBUF_STRIDES | PyBUF_FORMAT; without suboffsets */
#define SB_BUFFER_SIMPLE 0

/* Names that are looked up often. */
#define SB_INTERNED(X)      \
    X(append)               \
    X(bit_length)           \
    X(from_bytes)           \
    X(to_bytes)             \
    X(big)                  \
    X(item)                 \
    X(dtype)                \
    X(kind)                 \
    X(cast)                 \
    X(__array__)            \
    X(__dlpack__)           \
    X(__module__)           \
    X(__qualname__)         \
    X(__name__)             \
    X(__dict__)             \
    X(__dataclass_fields__) \
    X(__getinitargs__)      \
    X(_fields)              \
    X(_make)                \
    X(_name_)               \
    X(_value_)              \
    X(bytes)                \
    X(day)                  \
    X(days)                 \
    X(denominator)          \
    X(fold)                 \
    X(hour)                 \
    X(i8)                   \
    X(is_nan)               \
    X(microsecond)          \
    X(microseconds)         \
    X(minute)               \
    X(month)                \
    X(name)                 \
    X(nanosecond)           \
    X(nanoseconds)          \
    X(numerator)            \
    X(second)               \
    X(seconds)              \
    X(start)                \
    X(step)                 \
    X(stop)                 \
    X(str)                  \
    X(tzinfo)               \
    X(utcoffset)            \
    X(value)                \
    X(view)                 \
    X(year)

typedef PyObject *sb_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf,
                                PyObject *kwnames);

struct sb_python {
    int version; /* 0x0308 is 3.8 */
    char version_text[32];
    sb_vectorcall *vectorcall, *vectorcall_method; /* the latter with the name first */
    const char *(*utf8)(PyObject *text, Py_ssize_t *size);
    int (*get_buffer)(PyObject *exporter, struct sb_buffer *view, int flags);
    void (*release_buffer)(struct sb_buffer *view);
    PyObject *timeout;   /* the class that deadlines raise: snakebridge.TimeoutExceeded */
    PyObject *cancelled; /* the class that sb_cancel raises: snakebridge.Cancelled */
    PyObject *describe;  /* prelude.py: an exception as text */
    PyObject *error;     /* the class of the library's own errors in Python: snakebridge.Error */
    PyObject *from_c;    /* prelude.py: the exception for an error of a C function */
    PyObject *coroutine; /* the class of what `async def` functions give */
    PyObject *runner;    /* language.py: the event loop of a session */
    PyObject *enter, *leave, *evaluate, *execute, *reload; /* language.py */
    PyObject *builtins;                                    /* the module's dict */
    PyObject *modules;                                     /* sys.modules */
    bool lists; /* lists have their items where sb__list_items looks */
    struct {
#define SB_NAME(name) PyObject *name;
        SB_INTERNED(SB_NAME)
#undef SB_NAME
    } str;
};
extern struct sb_python sb__py;

/* The value of a float, which is the word behind the object's head in every CPython up to now
 * (Include/cpython/floatobject.h); sb__python_load looks whether it is. */
static inline double sb__float_value(PyObject *o)
{
    double d;
    memcpy(&d, (const char *)o + sizeof(PyObject), sizeof d);
    return d;
}

/* The items of an exact list, in every CPython up to now behind the head with the size (Include/cpython/listobject.h), or NULL:
 * it is something else, or this build has it otherwise, as sb__python_load looks. They are valid until Python code runs. */
static inline PyObject *const *sb__list_items(PyObject *o)
{
    PyObject *const *items = NULL;
    if (SB_LIKELY(Py_TYPE(o) == &PyList_Type && sb__py.lists))
        memcpy(&items, (const char *)o + sizeof(PyVarObject), sizeof items);
    return items;
}

/* Where an object has its vectorcall function (PEP 590), if nothing can change that: its type is a
 * static one. Or 0. */
size_t sb__fixed_slot(PyObject *callable);
static inline sb_vectorcall *sb__slot(PyObject *callable, size_t offset)
{
    sb_vectorcall *f;
    memcpy(&f, (const char *)callable + offset, sizeof f);
    return f;
}

/* Finds the symbols, runs the prelude, which replaces sys.stdout and sys.stderr. Once, with the GIL;
 * further calls do nothing. 0, or -1 with an exception set. */
int sb__python_load(void) SB_MUST_USE;

/* Runs a file of the engine's Python part, with these functions in its globals. 0, or -1 with an exception. */
int sb__python_run(const char *name, PyMethodDef *methods, size_t n) SB_MUST_USE;

/* snprintf for UTF-8: what is clipped ends with a whole character. */
void sb__print(char *out, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sb__print_args(char *out, size_t cap, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* "int", "pandas.core.frame.DataFrame": a class's module and qualified name, without "builtins.";
 * written to `out`, clipped. Leaves no exception. */
void sb__type_name(PyObject *type, char *out, size_t cap);

/* The attribute of an imported module; NULL, without an exception, if the module is not imported
 * (nor asked to be, with `import`) or has no such attribute. A new reference. */
PyObject *sb__module_attribute(const char *module, const char *name, bool import);

/* 1 if `o` is a NumPy scalar that stands for a plain value; then *plain is that value, a new
 * reference. 2: a NumPy scalar that does not (a date, a time, a record). 0: no NumPy scalar. -1: an
 * exception. Never imports NumPy. */
int sb__numpy_scalar(PyObject *o, PyObject **plain) SB_MUST_USE;

#endif
