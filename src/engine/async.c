/* SPDX-License-Identifier: MIT
 *
 * The event loop of a session: class Runner of language.py does the work. */
#include "engine/async.h"

PyObject *sb__await(struct sb_engine_session *s, const char *method, PyObject *o)
{
    if (!s->runner && !(s->runner = sb__py.vectorcall(sb__py.runner, NULL, 0, NULL)))
        return NULL;
    PyObject *runner = s->runner; /* the session may be cleared meanwhile */
    Py_INCREF(runner);
    PyObject *result = PyObject_CallMethod(runner, method, "(O)", o);
    Py_DECREF(runner);
    return result;
}

PyObject *sb__await_take(struct sb_engine_session *s, PyObject *coroutine)
{
    PyObject *result = sb__await(s, "run", coroutine);
    Py_DECREF(coroutine);
    return result;
}

void sb__async_stop(struct sb_engine_session *s, PyObject *why)
{
    if (!s->runner)
        return;
    PyObject *done = PyObject_CallMethod(s->runner, "stop", "(O)", why);
    if (!done)
        PyErr_Clear();
    Py_XDECREF(done);
}

void sb__async_close(struct sb_engine_session *s)
{
    PyObject *runner = s->runner;
    if (!runner)
        return;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    s->runner = NULL;
    PyObject *done = PyObject_CallMethod(runner, "close", NULL);
    if (!done)
        PyErr_Clear(); /* a BaseException of what was cancelled: there is nobody to tell */
    Py_XDECREF(done);
    Py_DECREF(runner);
    PyErr_Restore(type, value, trace);
}
