/* SPDX-License-Identifier: MIT
 *
 * Calls by name: sb_call and what is made of it (attributes, items, operators, text). They always wait. */
#include "runtime/request.h"

const struct sb_plan *sb__dynamic_plan(sb_session *py, const sb_site *at, char op, const char *name,
                                       const char *result, sb_args args)
{
    struct sb_trouble t = { 0 };
    const struct sb_plan *plan = sb__plan_dynamic(&py->plans, op, name, result, args, &t);
    if (!plan)
        sb__fail_trouble(py, at, name, &t);
    return plan;
}

bool sb__dynamic_send(sb_session *py, const sb_site *at, const struct sb_plan *plan,
                      const sb_value *first, sb_args args, uint8_t flags, uint64_t id,
                      struct sb_reader *answer)
{
    struct sb_trouble t = { 0 };
    struct sb_request q = { .plan = plan, .at = at, .flags = flags, .id = id };
    bool ok = sb__request_begin(py, &q);
    if (ok) {
        size_t places = first != NULL;
        for (size_t i = 0; i < args.len; i++)
            places += args.ptr[i].kind != SB_KEYWORD_;
        sb__put_head(&py->out, SB_MAJOR_ARRAY, places);
        if (first)
            ok = sb__value_encode(&py->out, first, sb__handle_check, py, &t);
        /* Positional arguments, then those with a keyword in the order of their names. */
        for (int named = 0; ok && named < 2; named++)
            for (size_t i = 0; ok && i < args.len; i++) {
                bool keyword = args.ptr[i].kind == SB_KEYWORD_;
                if (keyword && i + 1 == args.len) {
                    sb__trouble(&t, SB_E_MISUSE, "a keyword without a value");
                    ok = false;
                } else if (keyword == named) {
                    ok = sb__value_encode(&py->out, &args.ptr[i + keyword], sb__handle_check, py,
                                          &t);
                }
                i += keyword;
            }
        if (!ok)
            sb__fail_trouble(py, at, plan->function, &t);
    }
    ok = ok && sb__request_send(py, &q, answer);
    if (SB_UNLIKELY(py->lent != NULL))
        sb__lent_back(py);
    if (ok)
        return true;
    if (id)
        sb__handle_fail(py, id);
    return false;
}

bool sb__dynamic(sb_session *py, const sb_site *at, char op, const char *name, const char *result,
                 const sb_value *first, sb_args args, uint8_t flags, sb_value *v)
{
    *v = sb_of_kind_(SB_FAILED_);
    const struct sb_plan *plan = sb__dynamic_plan(py, at, op, name, result, args);
    if (!plan)
        return false;
    uint64_t id = 0;
    if (result[0] == 'o' && !(id = sb__handle_new(py))) {
        sb__fail(py, at, plan->function, SB_E_MEMORY, "out of memory");
        return false;
    }
    struct sb_reader answer;
    if (!(flags & SB_FLAG_NOTE))
        flags |= SB_FLAG_WAIT;
    if (!sb__dynamic_send(py, at, plan, first, args, flags, id, &answer))
        return false;
    if (id) {
        *v = sb_from_object((sb_object) { id });
        return true;
    }
    return sb__answer_value(py, at, plan->function, &answer, v);
}

/* Enters, skips after an error, calls, leaves. */
static sb_value perform(sb_session *py, const sb_site *at, char op, const char *name,
                        const char *result, const sb_value *first, sb_args args)
{
    sb_value v = sb_of_kind_(SB_FAILED_);
    if (!sb__start(py))
        return v;
    sb__dynamic(py, at, op, name, result, first, args, 0, &v);
    sb__leave(py);
    return v;
}

sb_value sb_call_(sb_session *py, const sb_site *at, const char *name, sb_args args)
{
    return perform(py, at, 'f', name ? name : "", "v", NULL, args);
}

sb_value sb_method_(sb_session *py, const sb_site *at, sb_value x, const char *name, sb_args args)
{
    return perform(py, at, 'm', name ? name : "", "v", &x, args);
}

sb_value sb_import_(sb_session *py, const sb_site *at, const char *name)
{
    return perform(py, at, 'c', name ? name : "", "v", NULL, (sb_args) { NULL, 0 });
}

sb_value sb_attr_(sb_session *py, const sb_site *at, sb_value x, const char *name)
{
    sb_value rest[] = { sb_from_cstr(name) };
    return perform(py, at, 'x', "getattr", "v", &x, (sb_args) { rest, 1 });
}

void sb_set_attr_(sb_session *py, const sb_site *at, sb_value x, const char *name, sb_value v)
{
    sb_value rest[] = { sb_from_cstr(name), v };
    perform(py, at, 'x', "setattr", "n", &x, (sb_args) { rest, 2 });
}

sb_value sb_item_(sb_session *py, const sb_site *at, sb_value x, sb_value key)
{
    return perform(py, at, 'x', "__getitem__", "v", &x, (sb_args) { &key, 1 });
}

void sb_set_item_(sb_session *py, const sb_site *at, sb_value x, sb_value key, sb_value v)
{
    sb_value rest[] = { key, v };
    perform(py, at, 'x', "__setitem__", "n", &x, (sb_args) { rest, 2 });
}

/* Python Language Reference, 3.3 and 6.10 */
static const struct {
    const char *op, *name;
} operators[] = {
    { "+", "__add__" },       { "-", "__sub__" }, { "*", "__mul__" },  { "/", "__truediv__" },
    { "//", "__floordiv__" }, { "%", "__mod__" }, { "**", "__pow__" }, { "@", "__matmul__" },
    { "&", "__and__" },       { "|", "__or__" },  { "^", "__xor__" },  { "<<", "__lshift__" },
    { ">>", "__rshift__" },   { "<", "__lt__" },  { "<=", "__le__" },  { "==", "__eq__" },
    { "!=", "__ne__" },       { ">", "__gt__" },  { ">=", "__ge__" },  { "in", "in" },
    { "not in", "not in" },   { "is", "is" },
};

sb_value sb_op_(sb_session *py, const sb_site *at, sb_value a, const char *op, sb_value b)
{
    for (size_t i = 0; op && i < sizeof operators / sizeof *operators; i++)
        if (!strcmp(operators[i].op, op))
            return perform(py, at, 'x', operators[i].name, "v", &a, (sb_args) { &b, 1 });
    if (sb__enter(py)) {
        struct sb_trouble t = { 0 };
        sb__trouble(&t, SB_E_MISUSE, "there is no operator \"%s\"", op ? op : "(null)");
        sb__fail_trouble(py, at, "sb_op", &t);
        sb__leave(py);
    }
    return sb_of_kind_(SB_FAILED_);
}

bool sb_is_(sb_session *py, const sb_site *at, sb_value a, sb_value b)
{
    sb_value v = perform(py, at, 'x', "is", "b", &a, (sb_args) { &b, 1 });
    return v.kind == SB_BOOL_ && v.as.b;
}

sb_str sb_to_str_(sb_session *py, const sb_site *at, sb_value x)
{
    sb_value v = perform(py, at, 'x', "__str__", "s", &x, (sb_args) { NULL, 0 });
    return v.kind == SB_STR_ ? v.as.str : (sb_str) { "", 0 };
}

void sb_print_(sb_session *py, const sb_site *at, sb_value x)
{
    perform(py, at, 'f', "builtins:print", "n", NULL, (sb_args) { &x, 1 });
}

/* ---- the rest of the language ---- */

void sb_del_attr_(sb_session *py, const sb_site *at, sb_value x, const char *name)
{
    sb_value key = sb_from_cstr(name);
    perform(py, at, 'x', "delattr", "n", &x, (sb_args) { &key, 1 });
}

void sb_del_item_(sb_session *py, const sb_site *at, sb_value x, sb_value key)
{
    perform(py, at, 'x', "__delitem__", "n", &x, (sb_args) { &key, 1 });
}

static bool ask(sb_session *py, const sb_site *at, char op, const char *name, sb_value x,
                sb_args args)
{
    sb_value v = perform(py, at, op, name, "b", &x, args);
    return v.kind == SB_BOOL_ && v.as.b;
}

bool sb_has_attr_(sb_session *py, const sb_site *at, sb_value x, const char *name)
{
    sb_value key = sb_from_cstr(name);
    return ask(py, at, 'x', "hasattr", x, (sb_args) { &key, 1 });
}

bool sb_contains_(sb_session *py, const sb_site *at, sb_value x, sb_value item)
{
    return ask(py, at, 'x', "__contains__", x, (sb_args) { &item, 1 });
}

bool sb_truth_(sb_session *py, const sb_site *at, sb_value x)
{
    return ask(py, at, 'x', "__bool__", x, (sb_args) { NULL, 0 });
}

bool sb_callable_(sb_session *py, const sb_site *at, sb_value x)
{
    return ask(py, at, 'x', "callable", x, (sb_args) { NULL, 0 });
}

bool sb_isinstance_(sb_session *py, const sb_site *at, sb_value x, sb_value type)
{
    if (type.kind == SB_STR_ && !memchr(type.as.str.ptr, 0, type.as.str.len))
        return ask(py, at, 'e', type.as.str.ptr, x, (sb_args) { NULL, 0 });
    return ask(py, at, 'x', "isinstance", x, (sb_args) { &type, 1 });
}

int64_t sb_hash_(sb_session *py, const sb_site *at, sb_value x)
{
    sb_value v = perform(py, at, 'x', "__hash__", "i", &x, (sb_args) { NULL, 0 });
    return v.kind == SB_INT_ ? v.as.i : 0;
}

sb_str sb_repr_(sb_session *py, const sb_site *at, sb_value x)
{
    sb_value v = perform(py, at, 'x', "__repr__", "s", &x, (sb_args) { NULL, 0 });
    return v.kind == SB_STR_ ? v.as.str : (sb_str) { "", 0 };
}

sb_value sb_apply_(sb_session *py, const sb_site *at, sb_value f, sb_args args)
{
    return perform(py, at, 'x', "__call__", "v", &f, args);
}

/* `name` is "eval" or "exec": with the variables as a dict. */
static sb_value run_source(sb_session *py, const sb_site *at, const char *name, const char *source,
                           sb_args variables)
{
    sb_value failed = sb_of_kind_(SB_FAILED_);
    struct sb_trouble t = { 0 };
    if (!sb__start(py))
        return failed;
    sb_value dict = sb_of_kind_(SB_DICT_);
    sb_value *places = sb__alloc(py, (variables.len + 1) * sizeof *places, _Alignof(sb_value));
    if (!places)
        sb__trouble(&t, SB_E_MEMORY, "out of memory");
    for (size_t i = 0; places && i < variables.len; i++) {
        bool key = i % 2 == 0;
        if (key != (variables.ptr[i].kind == SB_KEYWORD_) || (key && i + 1 == variables.len)) {
            sb__trouble(&t, SB_E_MISUSE, "the variables are SB_KW(\"name\", value)");
            break;
        }
        places[i] = variables.ptr[i];
        if (key)
            places[i].kind = SB_STR_;
    }
    dict.as.items.ptr = places;
    dict.as.items.len = variables.len / 2;
    sb_value text = sb_from_cstr(source ? source : "");
    if (t.code)
        sb__fail_trouble(py, at, name, &t);
    else
        sb__dynamic(py, at, 'x', name, "v", &text, (sb_args) { &dict, 1 }, 0, &failed);
    sb__leave(py);
    return failed;
}

sb_value sb_eval_(sb_session *py, const sb_site *at, const char *source, sb_args variables)
{
    return run_source(py, at, "eval", source, variables);
}

sb_value sb_exec_(sb_session *py, const sb_site *at, const char *source, sb_args variables)
{
    return run_source(py, at, "exec", source, variables);
}

sb_value sb_reload_(sb_session *py, const sb_site *at, sb_value module)
{
    return perform(py, at, 'x', "reload", "v", &module, (sb_args) { NULL, 0 });
}
