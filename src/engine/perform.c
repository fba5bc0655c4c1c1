/* SPDX-License-Identifier: MIT
 *
 * Operations: see perform.h. */
#include "engine/perform.h"
#include "engine/callback.h"
#include "engine/iterate.h"
#include "engine/with.h"
#include "engine/explain.h"

static PyObject *wrong_count(const struct sb_target *plan, size_t least, size_t most, size_t n)
{
    if (least == most)
        PyErr_Format(PyExc_TypeError, "%s: takes %zu arguments, got %zu", plan->label, least, n);
    else
        PyErr_Format(PyExc_TypeError, "%s: takes %zu to %zu arguments, got %zu", plan->label, least,
                     most, n);
    return NULL;
}

static __attribute__((noinline)) PyObject *call_special(struct sb_target *plan,
                                                        const struct sb_arguments *a)
{
    const struct sb_special *special = plan->special;
    size_t n = a->n - a->keywords;
    if (!special) {
        if (n < 1)
            return wrong_count(plan, 1, 1, n);
        return sb__py.vectorcall_method(plan->member, a->at, n | SB_ARGUMENTS_OFFSET, a->kwnames);
    }
    if (n < special->least || n > special->most)
        return wrong_count(plan, special->least, special->most, n);
    if (special->run)
        return special->run(a->at, n);
    return sb__py.vectorcall(a->at[0], a->at + 1, (n - 1) | SB_ARGUMENTS_OFFSET, a->kwnames);
}

PyObject *sb__special_direct(const struct sb_target *plan, PyObject *const *at, size_t n)
{
    const struct sb_special *special = plan->special;
    if (SB_UNLIKELY(n < special->least || n > special->most))
        return wrong_count(plan, special->least, special->most, n);
    return special->run(at, n);
}

static SB_COLD PyObject *check_class(struct sb_engine_session *s, struct sb_target *plan,
                                     PyObject *o)
{
    PyObject *class = sb__plan_object(plan);
    int yes = class ? PyObject_IsInstance(o, class) : -1;
    if (yes > 0) {
        Py_INCREF(o);
        return o;
    }
    if (yes == 0) {
        char got[240];
        sb__type_name((PyObject *)Py_TYPE(o), got, sizeof got);
        sb__fault(s, SB_E_TYPE, "expected %s, got %s", plan->label, got);
    }
    return NULL;
}

static PyObject *is_caught(struct sb_target *plan, PyObject *o)
{
    PyObject *class = sb__plan_object(plan);
    int yes = class ? PyObject_IsInstance(o, class) : -1;
    return yes < 0 ? NULL : PyBool_FromLong(yes);
}

static PyObject *read_name(struct sb_target *plan)
{
    PyObject *o = sb__plan_object(plan);
    if (!o)
        return NULL;
    if (plan->member)
        o = PyObject_GetAttr(o, plan->member);
    else
        Py_INCREF(o);
    return o;
}

/* "a.b.c" may name a submodule that nobody has imported yet. */
static PyObject *read_fresh(struct sb_target *plan)
{
    PyObject *o = read_name(plan);
    if (o || !plan->member || strchr(plan->name, ':') ||
        !PyErr_ExceptionMatches(PyExc_AttributeError))
        return o;
    PyErr_Clear();
    return sb__resolve(plan->name);
}

/* eval(source) and exec(source) look for globals in the caller's frame: in-process there is none, in
 * a worker it is the engine's. So they get those of __main__. */
static PyObject *evaluate(struct sb_target *plan, const struct sb_arguments *a)
{
    size_t n = a->n - a->keywords;
    if (n != 1 || a->keywords)
        return sb__py.vectorcall(plan->object, a->at, n | SB_ARGUMENTS_OFFSET, a->kwnames);
    PyObject *module = PyImport_AddModule("__main__");
    if (!module)
        return NULL;
    PyObject *args[2] = { a->at[0], PyModule_GetDict(module) };
    Py_INCREF(args[1]);
    PyObject *result = sb__py.vectorcall(plan->object, args, 2, NULL);
    Py_DECREF(args[1]);
    return result;
}

/* (number, name, signature) */
static PyObject *make_function(struct sb_engine_session *s, PyObject *const *a)
{
    Py_ssize_t n;
    const char *name = PyUnicode_Check(a[1]) ? sb__py.utf8(a[1], &n) : NULL;
    const char *signature = name && PyUnicode_Check(a[2]) ? sb__py.utf8(a[2], &n) : NULL;
    unsigned long long number = PyLong_Check(a[0]) ? PyLong_AsUnsignedLongLong(a[0]) : 0;
    if (signature && number && !PyErr_Occurred())
        return sb__callback_new(s, number, name, signature);
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "a function is a number, a name and a signature");
    return NULL;
}

PyObject *sb__perform(struct sb_engine_session *s, struct sb_target *plan,
                      const struct sb_arguments *a)
{
    static const struct {
        char op;
        size_t n;
    } counts[] = { { 'm', 1 }, { 'g', 1 }, { 's', 2 }, { 'c', 0 },
                   { 'k', 1 }, { 'e', 1 }, { '=', 1 }, { 'F', 3 } };
    PyObject *o;
    size_t n = a->n - a->keywords;
    if (plan->op == 'x')
        return call_special(plan, a);
    if (sb__is_iteration(plan))
        return sb__stream_perform(s, plan, a);
    if (plan->op == 'w' || plan->op == 'z')
        return sb__with_perform(s, plan, a);
    if (plan->op == '?')
        return sb__explain(s, plan, a->at, n);
    if (plan->op == 'f' && !sb__plan_object(plan))
        return NULL;
    if (plan->op == 'E') /* just now, perhaps */
        return evaluate(plan, a);
    if (plan->op == 'f')
        return sb__py.vectorcall(plan->object, a->at, n | SB_ARGUMENTS_OFFSET, a->kwnames);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].op == plan->op && counts[i].n != n)
            return wrong_count(plan, counts[i].n, counts[i].n, n);
    switch (plan->op) {
    case 'g':
        return PyObject_GetAttr(a->at[0], plan->member);
    case 's':
        if (PyObject_SetAttr(a->at[0], plan->member, a->at[1]) < 0)
            return NULL;
        o = Py_None;
        break;
    case 'c':
        return read_fresh(plan);
    case 'k':
        return check_class(s, plan, a->at[0]);
    case 'e':
        return is_caught(plan, a->at[0]);
    case 'F':
        return make_function(s, a->at);
    default: /* '=' */
        o = a->at[0];
        break;
    }
    Py_INCREF(o);
    return o;
}
