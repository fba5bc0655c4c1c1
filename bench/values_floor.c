/* SPDX-License-Identifier: MIT
 *
 * The floors of values.c: what somebody writes by hand who knows CPython well. The GIL is taken and given back a call, as it
 * must be by a program that does something else between them. */
#include "values_floor.h"
#include "measure.h"
#include <Python.h>

static PyThreadState *self; /* of the one thread that measures */
static PyObject *floats, *random_float, *document;

static PyObject *member(const char *module, const char *name)
{
    PyObject *m = PyImport_ImportModule(module);
    PyObject *o = m ? PyObject_GetAttrString(m, name) : NULL;
    Py_XDECREF(m);
    return o;
}

static int start(void)
{
    PyGILState_STATE level = PyGILState_Ensure();
    self = PyThreadState_Get();
    PyObject *make = member("work", "floats");
    floats = make ? PyObject_CallNoArgs(make) : NULL;
    random_float = member("random", "random");
    document = member("work", "document");
    int ok = floats && random_float && document;
    if (!ok)
        PyErr_Print();
    PyGILState_Release(level);
    return ok ? 0 : -1;
}

static void failed(void)
{
    PyErr_Print();
    bench_die("a floor's call failed");
}

/* A list of floats as an array of doubles. */
static void list_floats(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        PyEval_RestoreThread(self);
        Py_ssize_t count = PyList_GET_SIZE(floats);
        double *to = malloc((size_t)count * sizeof *to);
        if (!to)
            bench_die("no memory");
        for (Py_ssize_t k = 0; k < count; k++) {
            PyObject *item = PyList_GET_ITEM(floats, k);
            if (!PyFloat_Check(item))
                failed();
            to[k] = PyFloat_AS_DOUBLE(item);
        }
        PyEval_SaveThread();
        bench_sink = to[count - 1];
        free(to);
    }
}

static void load_document(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        PyEval_RestoreThread(self);
        PyObject *r = PyObject_CallNoArgs(document);
        if (!r)
            failed();
        Py_DECREF(r);
        PyEval_SaveThread();
    }
}

static void fill_dict(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        PyEval_RestoreThread(self);
        PyObject *dict = PyDict_New();
        PyEval_SaveThread();
        for (int k = 0; k < 1000; k++) {
            char digits[12];
            PyEval_RestoreThread(self);
            PyObject *r = PyObject_CallNoArgs(random_float);
            if (!r || !PyFloat_Check(r))
                failed();
            double x = PyFloat_AS_DOUBLE(r);
            Py_DECREF(r);
            PyEval_SaveThread();
            snprintf(digits, sizeof digits, "%d", k);
            PyEval_RestoreThread(self);
            PyObject *key = PyUnicode_FromString(digits), *value = PyFloat_FromDouble(k + x);
            if (!key || !value || PyDict_SetItem(dict, key, value) < 0)
                failed();
            Py_DECREF(key);
            Py_DECREF(value);
            PyEval_SaveThread();
        }
        PyEval_RestoreThread(self);
        Py_DECREF(dict);
        PyEval_SaveThread();
    }
}

__attribute__((visibility("default"))) extern const struct values_floor values_floor;
const struct values_floor values_floor = { start, list_floats, load_document, fill_dict };
