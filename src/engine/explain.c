/* SPDX-License-Identifier: MIT
 *
 * What is behind a session's error: explain.py does the telling; it is compiled when it is first asked. The failed call's
 * arguments are kept by reference alone, so that an error costs next to nothing as long as nobody asks. */
#include "engine/explain.h"
#include "explain_py.h"

static PyObject *explain; /* its function */

static PyObject *load(void)
{
    if (explain)
        return explain;
    PyObject *code = Py_CompileString(explain_files[0].text, "<snakebridge>", Py_file_input);
    PyObject *scope = PyDict_New(), *done = NULL;
    if (code && scope && PyDict_SetItemString(scope, "__builtins__", PyEval_GetBuiltins()) == 0)
        done = PyEval_EvalCode(code, scope, scope);
    if (done) {
        explain = PyDict_GetItemString(scope, "explain");
        if (explain)
            Py_INCREF(explain);
        else
            PyErr_SetString(PyExc_SystemError, "the engine's explanations are incomplete");
    }
    Py_XDECREF(done);
    Py_XDECREF(scope);
    Py_XDECREF(code);
    return explain;
}

void sb__explain_remember(struct sb_engine_session *s, const struct sb_target *plan,
                          PyObject *const *at, size_t n, size_t keywords, PyObject *kwnames)
{
    if (s->failed || s->fault.code != SB_OK || s->failed_arguments)
        return;
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyObject *arguments = PyTuple_New((Py_ssize_t)n);
    for (size_t i = 0; arguments && i < n; i++) {
        Py_INCREF(at[i]);
        PyTuple_SetItem(arguments, (Py_ssize_t)i, at[i]);
    }
    if (arguments) {
        s->failed_arguments = arguments;
        s->failed_plan = plan;
        s->failed_keywords = keywords ? kwnames : NULL;
        Py_XINCREF(s->failed_keywords);
    } else {
        PyErr_Clear(); /* the error is told without them */
    }
    PyErr_Restore(type, error, trace);
}

void sb__explain_drop(struct sb_engine_session *s)
{
    PyObject *arguments = s->failed_arguments, *keywords = s->failed_keywords;
    s->failed_arguments = s->failed_keywords = NULL;
    s->failed_plan = NULL;
    Py_DECREF(arguments);
    Py_XDECREF(keywords);
}

/* (op, function or None, member or None, arguments, keywords), or None. */
static PyObject *failed_call(const struct sb_engine_session *s)
{
    const struct sb_target *plan = s->failed_plan;
    if (!s->failed_arguments) {
        Py_INCREF(Py_None);
        return Py_None;
    }
    const char op[] = { plan->op, 0 };
    PyObject *none = PyTuple_New(0);
    PyObject *call = !none
                         ? NULL
                         : Py_BuildValue("(sOOOO)", op, plan->object ? plan->object : Py_None,
                                         plan->member ? plan->member : Py_None, s->failed_arguments,
                                         s->failed_keywords ? s->failed_keywords : none);
    Py_XDECREF(none);
    return call;
}

PyObject *sb__explain(struct sb_engine_session *s, const struct sb_target *plan,
                      PyObject *const *at, size_t n)
{
    if (n < 1 || n > 2) {
        PyErr_Format(PyExc_TypeError, "%s: takes 1 to 2 arguments, got %zu", plan->label, n);
        return NULL;
    }
    PyObject *f = load(), *zero = f ? PyLong_FromLong(0) : NULL;
    PyObject *call = zero ? failed_call(s) : NULL;
    PyObject *result = NULL;
    if (call) {
        PyObject *args[5] = { NULL, at[0], plan->member, n > 1 ? at[1] : zero, call };
        result = sb__py.vectorcall(f, args + 1, 4 | SB_ARGUMENTS_OFFSET, NULL);
    }
    Py_XDECREF(call);
    Py_XDECREF(zero);
    return result;
}
