/* SPDX-License-Identifier: MIT
 *
 * The table of special methods. Each does what the Python language does for it, reflected operands,
 * defaults and all; so `__add__` is `a + b` and never a.__add__(b). */
#include "engine/ops.h"

#define UNARY(name, call)                                    \
    static PyObject *op_##name(PyObject *const *a, size_t n) \
    {                                                        \
        (void)n;                                             \
        return call(a[0]);                                   \
    }
#define BINARY(name, call)                                   \
    static PyObject *op_##name(PyObject *const *a, size_t n) \
    {                                                        \
        (void)n;                                             \
        return call(a[0], a[1]);                             \
    }
#define REFLECTED(name, call)                                \
    static PyObject *op_##name(PyObject *const *a, size_t n) \
    {                                                        \
        (void)n;                                             \
        return call(a[1], a[0]);                             \
    }
#define COMPARE(name, how)                                   \
    static PyObject *op_##name(PyObject *const *a, size_t n) \
    {                                                        \
        (void)n;                                             \
        return PyObject_RichCompare(a[0], a[1], how);        \
    }
#define BUILTIN(name, builtin)                               \
    static PyObject *op_##name(PyObject *const *a, size_t n) \
    {                                                        \
        return call_builtin(builtin, a, n);                  \
    }

static PyObject *call_builtin(const char *name, PyObject *const *a, size_t n)
{
    PyObject *f = PyDict_GetItemString(sb__py.builtins, name);
    if (!f)
        return PyErr_Format(PyExc_NameError, "name '%s' is not defined", name);
    Py_INCREF(f);
    PyObject *result = sb__py.vectorcall(f, a, n, NULL);
    Py_DECREF(f);
    return result;
}

static PyObject *none_if(int rc)
{
    if (rc < 0)
        return NULL;
    Py_INCREF(Py_None);
    return Py_None;
}
static PyObject *bool_if(int rc)
{
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

static PyObject *op_len(PyObject *const *a, size_t n)
{
    (void)n;
    Py_ssize_t size = PyObject_Size(a[0]);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}
static PyObject *op_setitem(PyObject *const *a, size_t n)
{
    (void)n;
    return none_if(PyObject_SetItem(a[0], a[1], a[2]));
}
static PyObject *op_delitem(PyObject *const *a, size_t n)
{
    (void)n;
    return none_if(PyObject_DelItem(a[0], a[1]));
}
static PyObject *op_contains(PyObject *const *a, size_t n)
{
    (void)n;
    return bool_if(PySequence_Contains(a[0], a[1]));
}
static PyObject *op_in(PyObject *const *a, size_t n)
{
    (void)n;
    return bool_if(PySequence_Contains(a[1], a[0]));
}
static PyObject *op_not_in(PyObject *const *a, size_t n)
{
    (void)n;
    int rc = PySequence_Contains(a[1], a[0]);
    return bool_if(rc < 0 ? rc : !rc);
}
static PyObject *op_is(PyObject *const *a, size_t n)
{
    (void)n;
    return PyBool_FromLong(a[0] == a[1]);
}
static PyObject *op_is_not(PyObject *const *a, size_t n)
{
    (void)n;
    return PyBool_FromLong(a[0] != a[1]);
}
static PyObject *op_not(PyObject *const *a, size_t n)
{
    (void)n;
    return bool_if(PyObject_Not(a[0]));
}
static PyObject *op_bool(PyObject *const *a, size_t n)
{
    (void)n;
    return bool_if(PyObject_IsTrue(a[0]));
}
static PyObject *op_getattr(PyObject *const *a, size_t n)
{
    PyObject *value = PyObject_GetAttr(a[0], a[1]);
    if (value || n < 3 || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return value;
    PyErr_Clear();
    Py_INCREF(a[2]);
    return a[2];
}
static PyObject *op_setattr(PyObject *const *a, size_t n)
{
    (void)n;
    return none_if(PyObject_SetAttr(a[0], a[1], a[2]));
}
static PyObject *op_delattr(PyObject *const *a, size_t n)
{
    (void)n;
    return none_if(PyObject_SetAttr(a[0], a[1], NULL));
}
static PyObject *op_hash(PyObject *const *a, size_t n)
{
    (void)n;
    Py_hash_t h = PyObject_Hash(a[0]);
    return h == -1 ? NULL : PyLong_FromSsize_t(h);
}
static PyObject *op_pow(PyObject *const *a, size_t n)
{
    return PyNumber_Power(a[0], a[1], n > 2 ? a[2] : Py_None);
}
static PyObject *op_rpow(PyObject *const *a, size_t n)
{
    (void)n;
    return PyNumber_Power(a[1], a[0], Py_None);
}
static PyObject *op_ipow(PyObject *const *a, size_t n)
{
    (void)n;
    return PyNumber_InPlacePower(a[0], a[1], Py_None);
}

static PyObject *op_evaluate(PyObject *const *a, size_t n)
{
    return sb__py.vectorcall(sb__py.evaluate, a, n, NULL);
}
static PyObject *op_execute(PyObject *const *a, size_t n)
{
    return sb__py.vectorcall(sb__py.execute, a, n, NULL);
}
static PyObject *op_reload(PyObject *const *a, size_t n)
{
    PyObject *module = sb__py.vectorcall(sb__py.reload, a, n, NULL);
    const char *name = module && PyModule_Check(module) ? PyModule_GetName(module) : NULL;
    if (name)
        sb__plans_forget(name);
    else if (module)
        PyErr_Clear();
    return module;
}

UNARY(iter, PyObject_GetIter)
UNARY(str, PyObject_Str)
UNARY(repr, PyObject_Repr)
UNARY(bytes, PyObject_Bytes)
UNARY(dir, PyObject_Dir)
UNARY(int, PyNumber_Long)
UNARY(float, PyNumber_Float)
UNARY(index, PyNumber_Index)
UNARY(neg, PyNumber_Negative)
UNARY(pos, PyNumber_Positive)
UNARY(abs, PyNumber_Absolute)
UNARY(invert, PyNumber_Invert)
BUILTIN(next, "next")
BUILTIN(complex, "complex")
BUILTIN(round, "round")
BUILTIN(reversed, "reversed")
BUILTIN(format, "format")
BUILTIN(isinstance, "isinstance")
BUILTIN(issubclass, "issubclass")
BUILTIN(callable, "callable")
BUILTIN(hasattr, "hasattr")
BINARY(getitem, PyObject_GetItem)
BINARY(add, PyNumber_Add)
BINARY(sub, PyNumber_Subtract)
BINARY(mul, PyNumber_Multiply)
BINARY(matmul, PyNumber_MatrixMultiply)
BINARY(truediv, PyNumber_TrueDivide)
BINARY(floordiv, PyNumber_FloorDivide)
BINARY(mod, PyNumber_Remainder)
BINARY(divmod, PyNumber_Divmod)
BINARY(lshift, PyNumber_Lshift)
BINARY(rshift, PyNumber_Rshift)
BINARY(and, PyNumber_And)
BINARY(or, PyNumber_Or)
BINARY(xor, PyNumber_Xor)
REFLECTED(radd, PyNumber_Add)
REFLECTED(rsub, PyNumber_Subtract)
REFLECTED(rmul, PyNumber_Multiply)
REFLECTED(rmatmul, PyNumber_MatrixMultiply)
REFLECTED(rtruediv, PyNumber_TrueDivide)
REFLECTED(rfloordiv, PyNumber_FloorDivide)
REFLECTED(rmod, PyNumber_Remainder)
REFLECTED(rdivmod, PyNumber_Divmod)
REFLECTED(rlshift, PyNumber_Lshift)
REFLECTED(rrshift, PyNumber_Rshift)
REFLECTED(rand, PyNumber_And)
REFLECTED(ror, PyNumber_Or)
REFLECTED(rxor, PyNumber_Xor)
BINARY(iadd, PyNumber_InPlaceAdd)
BINARY(isub, PyNumber_InPlaceSubtract)
BINARY(imul, PyNumber_InPlaceMultiply)
BINARY(imatmul, PyNumber_InPlaceMatrixMultiply)
BINARY(itruediv, PyNumber_InPlaceTrueDivide)
BINARY(ifloordiv, PyNumber_InPlaceFloorDivide)
BINARY(imod, PyNumber_InPlaceRemainder)
BINARY(ilshift, PyNumber_InPlaceLshift)
BINARY(irshift, PyNumber_InPlaceRshift)
BINARY(iand, PyNumber_InPlaceAnd)
BINARY(ior, PyNumber_InPlaceOr)
BINARY(ixor, PyNumber_InPlaceXor)
COMPARE(lt, Py_LT)
COMPARE(le, Py_LE)
COMPARE(eq, Py_EQ)
COMPARE(ne, Py_NE)
COMPARE(gt, Py_GT)
COMPARE(ge, Py_GE)

#define SPECIAL_BINARY(name)             \
    {                                    \
        "__" #name "__", 2, 2, op_##name \
    }
#define SPECIAL_UNARY(name)              \
    {                                    \
        "__" #name "__", 1, 1, op_##name \
    }
static const struct sb_special specials[] = {
    { "__call__", 1, SIZE_MAX, NULL },
    SPECIAL_UNARY(len),
    SPECIAL_BINARY(getitem),
    { "__setitem__", 3, 3, op_setitem },
    SPECIAL_BINARY(delitem),
    SPECIAL_BINARY(contains),
    SPECIAL_UNARY(iter),
    { "__next__", 1, 2, op_next },
    SPECIAL_UNARY(reversed),
    SPECIAL_UNARY(str),
    SPECIAL_UNARY(repr),
    SPECIAL_UNARY(bytes),
    { "__format__", 1, 2, op_format },
    SPECIAL_UNARY(dir),
    SPECIAL_UNARY(hash),
    SPECIAL_UNARY(bool),
    SPECIAL_UNARY(int),
    SPECIAL_UNARY(float),
    SPECIAL_UNARY(complex),
    SPECIAL_UNARY(index),
    { "__round__", 1, 2, op_round },
    SPECIAL_UNARY(neg),
    SPECIAL_UNARY(pos),
    SPECIAL_UNARY(abs),
    SPECIAL_UNARY(invert),
    SPECIAL_BINARY(add),
    SPECIAL_BINARY(sub),
    SPECIAL_BINARY(mul),
    SPECIAL_BINARY(matmul),
    SPECIAL_BINARY(truediv),
    SPECIAL_BINARY(floordiv),
    SPECIAL_BINARY(mod),
    SPECIAL_BINARY(divmod),
    { "__pow__", 2, 3, op_pow },
    SPECIAL_BINARY(lshift),
    SPECIAL_BINARY(rshift),
    SPECIAL_BINARY(and),
    SPECIAL_BINARY(or),
    SPECIAL_BINARY(xor),
    SPECIAL_BINARY(radd),
    SPECIAL_BINARY(rsub),
    SPECIAL_BINARY(rmul),
    SPECIAL_BINARY(rmatmul),
    SPECIAL_BINARY(rtruediv),
    SPECIAL_BINARY(rfloordiv),
    SPECIAL_BINARY(rmod),
    SPECIAL_BINARY(rdivmod),
    SPECIAL_BINARY(rpow),
    SPECIAL_BINARY(rlshift),
    SPECIAL_BINARY(rrshift),
    SPECIAL_BINARY(rand),
    SPECIAL_BINARY(ror),
    SPECIAL_BINARY(rxor),
    SPECIAL_BINARY(iadd),
    SPECIAL_BINARY(isub),
    SPECIAL_BINARY(imul),
    SPECIAL_BINARY(imatmul),
    SPECIAL_BINARY(itruediv),
    SPECIAL_BINARY(ifloordiv),
    SPECIAL_BINARY(imod),
    SPECIAL_BINARY(ipow),
    SPECIAL_BINARY(ilshift),
    SPECIAL_BINARY(irshift),
    SPECIAL_BINARY(iand),
    SPECIAL_BINARY(ior),
    SPECIAL_BINARY(ixor),
    SPECIAL_BINARY(lt),
    SPECIAL_BINARY(le),
    SPECIAL_BINARY(eq),
    SPECIAL_BINARY(ne),
    SPECIAL_BINARY(gt),
    SPECIAL_BINARY(ge),
    { "is", 2, 2, op_is },
    { "is not", 2, 2, op_is_not },
    { "in", 2, 2, op_in },
    { "not in", 2, 2, op_not_in },
    { "not", 1, 1, op_not },
    { "getattr", 2, 3, op_getattr },
    { "setattr", 3, 3, op_setattr },
    { "delattr", 2, 2, op_delattr },
    { "isinstance", 2, 2, op_isinstance },
    { "issubclass", 2, 2, op_issubclass },
    { "callable", 1, 1, op_callable },
    { "hasattr", 2, 2, op_hasattr },
    { "eval", 2, 2, op_evaluate },
    { "exec", 2, 2, op_execute },
    { "reload", 1, 1, op_reload },
};

const struct sb_special *sb__special_find(const char *name)
{
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (strcmp(specials[i].name, name) == 0)
            return &specials[i];
    return NULL;
}
