/* SPDX-License-Identifier: MIT
 *
 * The floors: what somebody writes who knows CPython well and wants nothing but speed: vectorcall, interned names, a
 * ready tuple of keyword names, no bound-method object, macros instead of functions where the full API has them. Errors
 * are looked at, as a program must. */
#include "floor.h"
#include "measure.h"
#include <Python.h>

static PyThreadState *self; /* of the one thread that measures */
static PyObject *f_sqrt, *f_mean, *f_place, *f_count, *df, *array, *zero_names, *head_names,
    *place_names, *head, *f_sorted, *f_range, *key, *key_names;

static PyObject *negate(PyObject *module, PyObject *x)
{
    (void)module;
    long n = PyLong_AsLong(x);
    return n == -1 && PyErr_Occurred() ? NULL : PyLong_FromLong(-n);
}
static PyMethodDef negate_method = { "negate", negate, METH_O, NULL };

static PyObject *names(const char *first, const char *second)
{
    PyObject *tuple = PyTuple_New(second ? 2 : 1);
    if (!tuple)
        return NULL;
    PyTuple_SET_ITEM(tuple, 0, PyUnicode_InternFromString(first));
    if (second)
        PyTuple_SET_ITEM(tuple, 1, PyUnicode_InternFromString(second));
    return tuple;
}

static PyObject *member(const char *module, const char *name)
{
    PyObject *m = PyImport_ImportModule(module);
    PyObject *o = m ? PyObject_GetAttrString(m, name) : NULL;
    Py_XDECREF(m);
    return o;
}

static PyObject *made(const char *name)
{
    PyObject *f = member("work", name);
    PyObject *o = f ? PyObject_CallNoArgs(f) : NULL;
    Py_XDECREF(f);
    return o;
}

static int start(void)
{
    PyGILState_STATE level = PyGILState_Ensure();
    self = PyThreadState_Get();
    f_sqrt = member("math", "sqrt");
    f_mean = member("numpy", "mean");
    f_place = member("work", "place");
    f_count = member("itertools", "count");
    df = made("frame");
    array = made("array");
    head = PyUnicode_InternFromString("head");
    head_names = names("n", NULL);
    zero_names = names("axis", NULL);
    place_names = names("scale", "offset");
    f_sorted = member("builtins", "sorted");
    f_range = member("builtins", "range");
    key = PyCFunction_New(&negate_method, NULL);
    key_names = names("key", NULL);
    int ok = f_sqrt && f_mean && f_place && f_count && df && array && head && head_names &&
             zero_names && place_names && f_sorted && f_range && key && key_names;
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

static void call_sqrt(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        PyEval_RestoreThread(self);
        PyObject *args[2] = { NULL, PyFloat_FromDouble(2.0) };
        if (!args[1])
            failed();
        PyObject *r =
            PyObject_Vectorcall(f_sqrt, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(args[1]);
        if (!r || !PyFloat_Check(r))
            failed();
        bench_sink = PyFloat_AS_DOUBLE(r);
        Py_DECREF(r);
        PyEval_SaveThread();
    }
}

static void call_head(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        PyEval_RestoreThread(self);
        PyObject *args[3] = { NULL, df, PyLong_FromLong(3) };
        if (!args[2])
            failed();
        PyObject *r = PyObject_VectorcallMethod(head, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                                head_names);
        Py_DECREF(args[2]);
        if (!r)
            failed();
        Py_DECREF(r);
        PyEval_SaveThread();
    }
}

static void call_mean(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        PyEval_RestoreThread(self);
        PyObject *args[3] = { NULL, array, PyLong_FromLong(0) };
        if (!args[2])
            failed();
        PyObject *r =
            PyObject_Vectorcall(f_mean, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, zero_names);
        Py_DECREF(args[2]);
        if (!r)
            failed();
        Py_DECREF(r);
        PyEval_SaveThread();
    }
}

static void call_python(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        PyEval_RestoreThread(self);
        PyObject *args[6] = { NULL,
                              PyFloat_FromDouble(1.5),
                              PyFloat_FromDouble(2.5),
                              PyLong_FromLong(3),
                              PyFloat_FromDouble(2.0),
                              PyLong_FromLong(4) };
        if (!args[1] || !args[2] || !args[3] || !args[4] || !args[5])
            failed();
        PyObject *r =
            PyObject_Vectorcall(f_place, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, place_names);
        for (int k = 1; k < 6; k++)
            Py_DECREF(args[k]);
        if (!r || !PyFloat_Check(r))
            failed();
        bench_sink = PyFloat_AS_DOUBLE(r);
        Py_DECREF(r);
        PyEval_SaveThread();
    }
}

static void iterate_count(unsigned n)
{
    PyEval_RestoreThread(self);
    PyObject *made = PyObject_CallNoArgs(f_count), *iterator = made ? PyObject_GetIter(made) : NULL;
    if (!iterator)
        failed();
    int64_t sum = 0;
    for (PyObject *item; n && (item = PyIter_Next(iterator)); n--) {
        sum += PyLong_AsLongLong(item);
        Py_DECREF(item);
    }
    if (n || PyErr_Occurred())
        failed();
    bench_sink = (double)sum;
    Py_DECREF(iterator);
    Py_DECREF(made);
    PyEval_SaveThread();
}

static void call_callback(unsigned n)
{
    for (unsigned some; n; n -= some) {
        some = n < 1000 ? n : 1000;
        PyEval_RestoreThread(self);
        PyObject *range = PyObject_CallFunction(f_range, "I", some);
        PyObject *args[3] = { NULL, range, key };
        PyObject *r = range ? PyObject_Vectorcall(f_sorted, args + 1,
                                                  1 | PY_VECTORCALL_ARGUMENTS_OFFSET, key_names)
                            : NULL;
        if (!r)
            failed();
        Py_DECREF(r);
        Py_DECREF(range);
        PyEval_SaveThread();
    }
}

__attribute__((visibility("default"))) extern const struct bench_floor bench_floor;
const struct bench_floor bench_floor = { start,       call_sqrt,     call_head,    call_mean,
                                         call_python, iterate_count, call_callback };
