/* SPDX-License-Identifier: MIT
 *
 * Plans: definitions are read here, once, into what a call needs: resolved names, interned members,
 * the tuple of keyword names, the tree of the result type. The table grows with the GIL held; plans
 * themselves never move. */
#include "engine/plan.h"
#include <stdio.h>
#include <stdlib.h>

#define KEYWORDS_MAX 1024 /* named by one plan */

struct sb_target **sb__plans;
size_t sb__plans_cap;

/* ---- names ----------------------------------------------------------------------------------- */

static PyObject *attribute_path(PyObject *o, const char *path) /* steals `o` */
{
    while (o && *path) {
        size_t n = strcspn(path, ".");
        PyObject *name = PyUnicode_FromStringAndSize(path, (Py_ssize_t)n);
        PyObject *next = name ? PyObject_GetAttr(o, name) : NULL;
        Py_XDECREF(name);
        Py_DECREF(o);
        o = next;
        path += n + (path[n] == '.');
    }
    return o;
}

/* Whether the pending exception says that just this module is missing. */
static bool is_missing(const char *module)
{
    if (!PyErr_ExceptionMatches(PyExc_ModuleNotFoundError))
        return false;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    PyObject *name = value ? PyObject_GetAttrString(value, "name") : NULL;
    bool yes = name && PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, module) == 0;
    Py_XDECREF(name);
    PyErr_Clear();
    PyErr_Restore(type, value, trace);
    return yes;
}

static PyObject *dotted(const char *path)
{
    PyObject *o = NULL;
    char *name = sb__strdup(path);
    if (!name)
        return PyErr_NoMemory();
    for (char *end = name; *end; end++) {
        char *begin = end;
        end += strcspn(end, ".");
        char saved = *end;
        *end = 0;
        PyObject *next;
        if (!o) {
            next = PyImport_ImportModule(name);
            if (!next && is_missing(name)) {
                PyObject *builtin = PyDict_GetItemString(sb__py.builtins, name);
                if (builtin) {
                    PyErr_Clear();
                    Py_INCREF(builtin);
                    next = builtin;
                }
            }
        } else {
            next = PyObject_GetAttrString(o, begin);
            if (!next && PyErr_ExceptionMatches(PyExc_AttributeError) && PyModule_Check(o)) {
                PyObject *type, *value, *trace;
                PyErr_Fetch(&type, &value, &trace);
                next = PyImport_ImportModule(name);
                if (!next && is_missing(name)) { /* the AttributeError says it better */
                    PyErr_Clear();
                    PyErr_Restore(type, value, trace);
                } else {
                    Py_XDECREF(type);
                    Py_XDECREF(value);
                    Py_XDECREF(trace);
                }
            }
            Py_DECREF(o);
        }
        o = next;
        *end = saved;
        if (!o || !saved)
            break;
    }
    sb__free(name);
    return o;
}

PyObject *sb__resolve(const char *name)
{
    const char *colon = strchr(name, ':');
    if (!colon)
        return dotted(name);
    char *module = sb__strdup(name);
    if (!module)
        return PyErr_NoMemory();
    module[colon - name] = 0;
    PyObject *o = PyImport_ImportModule(module);
    sb__free(module);
    return attribute_path(o, colon + 1);
}

/* Where the last component of a name begins; `name` itself if it has but one. */
static const char *last_component(const char *name)
{
    const char *colon = strchr(name, ':');
    const char *path = colon ? colon + 1 : name, *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

static PyObject *look_up(const struct sb_target *plan)
{
    const char *last = last_component(plan->name);
    if (plan->op != 'c' || last == plan->name)
        return sb__resolve(plan->name);
    /* A variable is read anew by each call: what is kept is what holds it. */
    char *holder = sb__strdup(plan->name);
    if (!holder)
        return PyErr_NoMemory();
    holder[last - plan->name - 1] = 0;
    PyObject *o = sb__resolve(holder);
    sb__free(holder);
    return o;
}

PyObject *sb__plan_look_up(struct sb_target *plan)
{
    PyObject *o = look_up(plan);
    if (plan->object) /* another thread was faster: an import lets others run */
        Py_XDECREF(o);
    else
        plan->object = o;
    if (plan->op == 'f' && o &&
        (o == PyDict_GetItemString(sb__py.builtins, "eval") ||
         o == PyDict_GetItemString(sb__py.builtins, "exec")))
        plan->op = 'E';
    plan->direct = plan->op == 'f' && plan->object && !plan->kwargs && plan->result.code != 'o';
    if (plan->direct)
        plan->slot = sb__fixed_slot(plan->object);
    return plan->object;
}

/* What plans held before a module was reloaded. Calls further out may still be using it, so it stays. */
static PyObject *retired;

static void retire(PyObject **o)
{
    if (*o && (retired || (retired = PyList_New(0))) && PyList_Append(retired, *o) == 0)
        Py_DECREF(*o); /* the list has a reference of its own */
    PyErr_Clear();
    *o = NULL;
}

/* "a.b" and "a:b" lie in a. */
static bool lies_in(const char *name, const char *module)
{
    size_t n = strlen(module);
    return name && strncmp(name, module, n) == 0 && (!name[n] || name[n] == '.' || name[n] == ':');
}

static void forget_classes(struct sb_spec *spec, const char *module)
{
    if (lies_in(spec->class_name, module))
        retire(&spec->class);
    for (size_t i = 0; i < spec->count; i++)
        forget_classes(&spec->items[i], module);
}

void sb__plans_forget(const char *module)
{
    for (size_t i = 0; i < sb__plans_cap; i++) {
        struct sb_target *plan = sb__plans[i];
        if (!plan)
            continue;
        forget_classes(&plan->result, module);
        if (!lies_in(plan->name, module))
            continue;
        plan->direct = false;
        plan->slot = 0;
        retire(&plan->object);
    }
}

PyObject *sb__spec_class(struct sb_spec *spec)
{
    if (SB_LIKELY(spec->class != NULL))
        return spec->class;
    PyObject *class = sb__resolve(spec->class_name);
    if (class && !PyType_Check(class)) {
        Py_DECREF(class);
        PyErr_Format(PyExc_TypeError, "%s is not a class", spec->class_name);
        return NULL;
    }
    if (spec->class)
        Py_XDECREF(class);
    else
        spec->class = class;
    return spec->class;
}

/* ---- result types ---------------------------------------------------------------------------- */

static void spec_free(struct sb_spec *spec)
{
    for (size_t i = 0; i < spec->count; i++)
        spec_free(&spec->items[i]);
    sb__free(spec->items);
    sb__free(spec->class_name);
    Py_XDECREF(spec->class);
    Py_XDECREF(spec->literals);
    *spec = (struct sb_spec) { 0 };
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One literal, "sleft", "i3", "b1", "n": its Python value; NULL with an exception or none. */
static PyObject *read_literal(const char *p, size_t n)
{
    if (!n)
        return NULL;
    char *text = sb__resize(NULL, n);
    size_t len = 0;
    if (!text)
        return PyErr_NoMemory();
    PyObject *value = NULL;
    for (size_t i = 1; i < n; i++) {
        if (p[i] != '%') {
            text[len++] = p[i];
        } else if (n - i > 2 && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0) {
            text[len++] = (char)(hex(p[i + 1]) * 16 + hex(p[i + 2]));
            i += 2;
        } else {
            goto done;
        }
    }
    text[len] = 0;
    if (*p == 's') {
        value = PyUnicode_FromStringAndSize(text, (Py_ssize_t)len);
    } else if (*p == 'i' && len) {
        value = PyLong_FromString(text, NULL, 10);
    } else if (*p == 'b' && len == 1 && (*text == '0' || *text == '1')) {
        value = *text == '1' ? Py_True : Py_False;
        Py_INCREF(value);
    } else if (*p == 'n' && !len) {
        value = Py_None;
        Py_INCREF(value);
    }
done:
    sb__free(text);
    return value;
}

static bool read_literals(struct sb_spec *spec, const char *p, size_t n)
{
    size_t count = 1;
    for (size_t i = 0; i < n; i++)
        count += p[i] == ';';
    spec->literals = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; spec->literals && i < count; i++) {
        const char *semicolon = memchr(p, ';', n);
        size_t len = semicolon ? (size_t)(semicolon - p) : n;
        PyObject *value = read_literal(p, len);
        if (!value)
            return false;
        PyTuple_SetItem(spec->literals, (Py_ssize_t)i, value);
        p += len + 1;
        n -= semicolon ? len + 1 : len;
    }
    return spec->literals;
}

static bool read_type(struct sb_spec *spec, const char **p, const char *end)
{
    if (*p == end || !strchr("nidbsyeovVwX", **p))
        return false;
    spec->code = *(*p)++;
    if (*p < end && **p == '?') {
        spec->optional = true;
        (*p)++;
    }
    if (*p < end && **p == '{') {
        const char *close = memchr(*p, '}', (size_t)(end - *p));
        if (!close)
            return false;
        size_t n = (size_t)(close - *p - 1);
        if (spec->code == 'e') {
            if (!read_literals(spec, *p + 1, n))
                return false;
        } else if (spec->code == 'o' && n) {
            spec->class_name = sb__resize(NULL, n + 1);
            if (!spec->class_name)
                return PyErr_NoMemory(), false;
            memcpy(spec->class_name, *p + 1, n);
            spec->class_name[n] = 0;
        }
        *p = close + 1;
    }
    return spec->code != 'e' || spec->literals;
}

/* False: malformed, or an exception. */
static bool read_result(struct sb_spec *spec, const char *p, size_t n)
{
    const char *end = p + n;
    if (!n || *p != '(')
        return read_type(spec, &p, end) && p == end;
    spec->code = '(';
    size_t commas = 0;
    for (const char *i = p; i < end; i++)
        commas += *i == ','; /* at least as many as items are divided by */
    spec->items = sb__calloc((commas + 1) * sizeof *spec->items);
    if (!spec->items)
        return PyErr_NoMemory(), false;
    do {
        p++;
        if (!read_type(&spec->items[spec->count++], &p, end))
            return false;
    } while (p < end && *p == ',');
    return end - p == 1 && *p == ')';
}

/* ---- definitions ----------------------------------------------------------------------------- */

static void target_free(struct sb_target *plan)
{
    if (!plan)
        return;
    spec_free(&plan->result);
    Py_XDECREF(plan->member);
    Py_XDECREF(plan->kwnames);
    sb__free(plan->name);
    sb__free(plan->label);
    sb__free(plan->definition);
    sb__free(plan);
}

static bool reserve(size_t number)
{
    if (number < sb__plans_cap)
        return true;
    size_t cap = sb__plans_cap ? sb__plans_cap : 256;
    while (cap <= number)
        cap *= 2;
    struct sb_target **p = sb__resize(sb__plans, cap * sizeof(struct sb_target *));
    if (!p)
        return false;
    for (size_t i = sb__plans_cap; i < cap; i++)
        p[i] = NULL;
    sb__plans = p;
    sb__plans_cap = cap;
    return true;
}

/* A NUL-terminated copy, or NULL with a failed reader or a MemoryError. */
static char *read_text(struct sb_reader *r)
{
    const char *p;
    size_t n;
    if (!sb__read_string(r, SB_MAJOR_TEXT, &p, &n))
        return NULL;
    if (!sb__utf8_valid(p, n) || memchr(p, 0, n)) {
        sb__read_fail(r, "a name that is not text");
        return NULL;
    }
    char *s = sb__resize(NULL, n + 1);
    if (!s) {
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(s, p, n);
    s[n] = 0;
    return s;
}

static bool read_keywords(struct sb_target *plan, struct sb_reader *r)
{
    uint64_t n;
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &n))
        return false;
    if (n > KEYWORDS_MAX)
        return sb__read_fail(r, "more than 1,024 keywords");
    plan->keywords = (size_t)n;
    if (!n)
        return true;
    plan->kwnames = PyTuple_New((Py_ssize_t)n);
    for (uint64_t i = 0; plan->kwnames && i < n; i++) {
        char *text = read_text(r);
        if (!text)
            return false;
        PyObject *name = PyUnicode_InternFromString(text);
        sb__free(text);
        if (!name)
            return false;
        PyTuple_SetItem(plan->kwnames, (Py_ssize_t)i, name);
        for (uint64_t j = 0; j < i; j++)
            if (PyTuple_GetItem(plan->kwnames, (Py_ssize_t)j) == name)
                return sb__read_fail(r, "a keyword that is named twice");
    }
    return plan->kwnames;
}

/* Which member, which special method, which keywords an operation may have. */
static bool read_operation(struct sb_target *plan, struct sb_reader *r)
{
    const char *last = last_component(plan->name);
    bool named = plan->op == '=' || *last;
    if (!named || !strchr("fmgscxke=Finqwz?", plan->op))
        return sb__read_fail(r, "a plan with an operation that does not exist, or without a name");
    if ((plan->op == 'n' || plan->op == 'w') &&
        (plan->result.code != '(' || plan->result.count != 1))
        return sb__read_fail(r, "an operation whose result is a type in parentheses");
    if (strchr("mgs?", plan->op) || (plan->op == 'c' && last != plan->name)) {
        if (!(plan->member = PyUnicode_InternFromString(last)))
            return false;
    } else if (plan->op == 'x') {
        plan->special = sb__special_find(last);
        if (!plan->special && !(plan->member = PyUnicode_InternFromString(last)))
            return false;
        if (plan->special && plan->special->run && !plan->keywords && !plan->kwargs &&
            plan->result.code != 'o')
            plan->direct = SB_DIRECT_SPECIAL;
    }
    bool calls = plan->op == 'f' || plan->op == 'm' ||
                 (plan->op == 'x' && (!plan->special || !plan->special->run));
    if (!calls && (plan->keywords || plan->kwargs))
        return sb__read_fail(r, "keywords where nothing is called");
    return true;
}

static char *make_label(const char *name)
{
    char *label = sb__strdup(name);
    for (char *p = label; p && *p; p++)
        if (*p == ':')
            *p = '.';
    return label;
}

static bool read_definition(struct sb_target *plan, struct sb_reader *r)
{
    uint64_t n;
    const char *op, *result;
    size_t op_size, result_size;
    struct sb_head h;
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &n))
        return false;
    if (n != 5)
        return sb__read_fail(r, "a plan's definition has five parts");
    if (!sb__read_string(r, SB_MAJOR_TEXT, &op, &op_size))
        return false;
    if (op_size != 1 || !*op)
        return sb__read_fail(r, "a plan's operation is one character");
    plan->op = *op;
    if (!(plan->name = read_text(r)) || !read_keywords(plan, r) ||
        !sb__read_string(r, SB_MAJOR_TEXT, &result, &result_size) || !sb__read_head(r, &h))
        return false;
    if (h.major != SB_MAJOR_SIMPLE || (h.info != 20 && h.info != 21))
        return sb__read_fail(r, "a bool was due");
    plan->kwargs = h.info == 21;
    if (!(plan->label = make_label(plan->name))) {
        PyErr_NoMemory();
        return false;
    }
    if (!read_result(&plan->result, result, result_size)) {
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_MemoryError))
            PyErr_Clear();
        return PyErr_Occurred() ? false : sb__read_fail(r, "a result type that does not exist");
    }
    return read_operation(plan, r);
}

struct sb_target *sb__plan_define(struct sb_engine_session *s, uint64_t number, struct sb_reader *r)
{
    const uint8_t *begin = r->p;
    struct sb_target *known = sb__plan_find(number);
    if (known) {
        if (sb__left(r) < known->definition_size ||
            memcmp(begin, known->definition, known->definition_size) != 0) {
            sb__read_fail(r, "a second, different definition of a plan");
            return NULL;
        }
        r->p += known->definition_size;
        return known;
    }
    if (number > SB_PLANS_MAX) {
        sb__fault(s, SB_E_LIMIT, "a process has at most %u plans", SB_PLANS_MAX);
        return NULL;
    }
    struct sb_target *plan = sb__calloc(sizeof *plan);
    if (!plan) {
        PyErr_NoMemory();
        return NULL;
    }
    if (!read_definition(plan, r)) {
        target_free(plan);
        return NULL;
    }
    plan->definition_size = (size_t)(r->p - begin);
    plan->definition = sb__resize(NULL, plan->definition_size);
    if (!plan->definition || !reserve((size_t)number)) {
        target_free(plan);
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(plan->definition, begin, plan->definition_size);
    sb__plans[number] = plan;
    return plan;
}
