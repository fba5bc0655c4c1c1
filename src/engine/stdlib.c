/* SPDX-License-Identifier: MIT
 *
 * See stdlib.h. A class that was found once stays: what replaces it in its module later (freezegun does) is another one, whose
 * instances are objects. */
#include "engine/stdlib.h"

struct sb_stdlib sb__stdlib;

static const struct {
    const char *module, *name;
} rows[] = {
#define SB_CLASS(id, module, attribute) { module, attribute },
    SB_CLASSES(SB_CLASS)
#undef SB_CLASS
};

static int look_up(enum sb_class which, bool import)
{
    PyObject *module = import ? PyImport_ImportModule(rows[which].module)
                              : PyDict_GetItemString(sb__py.modules, rows[which].module);
    if (!module)
        return -1;
    if (!import)
        Py_INCREF(module);
    PyObject *class = PyObject_GetAttrString(module, rows[which].name);
    Py_DECREF(module);
    if (class && !PyType_Check(class)) {
        PyErr_Format(PyExc_TypeError, "%s.%s is not a class", rows[which].module, rows[which].name);
        Py_CLEAR(class);
    }
    if (!class)
        return -1;
    if (sb__stdlib
            .class[which]) /* another thread was faster: __getattr__ of a module lets others run */
        Py_DECREF(class);
    else
        sb__stdlib.class[which] = (PyTypeObject *)class;
    return 0;
}

static int look_up_times(void)
{
    const struct sb_datetime_api *times = PyCapsule_Import("datetime.datetime_CAPI", 0);
    if (times)
        sb__stdlib.times = times;
    return times ? 0 : -1;
}

void sb__stdlib_look(void)
{
    Py_ssize_t modules = PyDict_Size(sb__py.modules);
    if (SB_LIKELY(modules == sb__stdlib.modules))
        return;
    bool complete = true; /* a module that is being imported may have no class yet */
    for (enum sb_class i = 0; i < SB_CLASS_COUNT; i++)
        if (!sb__stdlib.class[i] && PyDict_GetItemString(sb__py.modules, rows[i].module))
            complete = look_up(i, false) == 0 && complete;
    if (!sb__stdlib.times && PyDict_GetItemString(sb__py.modules, "datetime"))
        complete = look_up_times() == 0 && complete;
    PyErr_Clear();
    sb__stdlib.modules = complete ? modules : -1;
}

PyTypeObject *sb__stdlib_class(enum sb_class which)
{
    if (!sb__stdlib.class[which] && look_up(which, true) < 0)
        return NULL;
    return sb__stdlib.class[which];
}

const struct sb_datetime_api *sb__stdlib_times(void)
{
    return sb__stdlib.times || look_up_times() == 0 ? sb__stdlib.times : NULL;
}

bool sb__is_deque(PyObject *o)
{
    sb__stdlib_look();
    PyTypeObject *deque = sb__stdlib.class[SB_CLASS_DEQUE];
    return deque && PyType_IsSubtype(Py_TYPE(o), deque);
}
