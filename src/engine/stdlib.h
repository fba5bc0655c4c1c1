/* SPDX-License-Identifier: MIT
 *
 * The classes of the standard library and of NumPy whose instances are values. A module that nobody imported has no instances:
 * so what leaves Python is compared with classes of sys.modules, and only what comes from C imports. With the GIL. */
#ifndef SB_ENGINE_STDLIB_H
#define SB_ENGINE_STDLIB_H

#include "engine/python.h"

#define SB_CLASSES(X)                    \
    X(DECIMAL, "decimal", "Decimal")     \
    X(FRACTION, "fractions", "Fraction") \
    X(UUID, "uuid", "UUID")              \
    X(ENUM, "enum", "Enum")              \
    X(PATH, "pathlib", "PosixPath")      \
    X(DEQUE, "collections", "deque")     \
    X(DATETIME64, "numpy", "datetime64") \
    X(TIMEDELTA64, "numpy", "timedelta64")

enum sb_class {
#define SB_CLASS(name, module, attribute) SB_CLASS_##name,
    SB_CLASSES(SB_CLASS)
#undef SB_CLASS
        SB_CLASS_COUNT
};

/* PyDateTime_CAPI, the same since 3.7 (Include/datetime.h). */
struct sb_datetime_api {
    PyTypeObject *date, *datetime, *time, *timedelta, *tzinfo;
    PyObject *utc;
    PyObject *(*make_date)(int year, int month, int day, PyTypeObject *type);
    void *without_fold;
    void *time_without_fold;
    PyObject *(*make_timedelta)(int days, int seconds, int microseconds, int normalize,
                                PyTypeObject *type);
    PyObject *(*make_zone)(PyObject *offset, PyObject *name);
    void *from_timestamp, *date_from_timestamp;
    PyObject *(*make_datetime)(int year, int month, int day, int hour, int minute, int second,
                               int microsecond, PyObject *zone, int fold, PyTypeObject *type);
    PyObject *(*make_time)(int hour, int minute, int second, int microsecond, PyObject *zone,
                           int fold, PyTypeObject *type);
};

struct sb_stdlib {
    PyTypeObject *class[SB_CLASS_COUNT]; /* NULL: not imported yet */
    const struct sb_datetime_api *times; /* the same */
    Py_ssize_t modules;                  /* how many there were when that was looked up */
};
extern struct sb_stdlib sb__stdlib;

/* Looks for classes of modules that were imported since. */
void sb__stdlib_look(void);
/* The class, imported if need be: borrowed, or NULL with an exception. */
PyTypeObject *sb__stdlib_class(enum sb_class which);
const struct sb_datetime_api *sb__stdlib_times(void);

bool sb__is_deque(PyObject *o);

#endif
