/* SPDX-License-Identifier: MIT
 *
 * Objects: their classes, attributes, items and operators, and how long they live. */
#include "feature.h"

static bool typed(sb_session *py)
{
    sbtest_Crate c = sbtest_Crate_new(py, 3);
    bool right = RIGHT(py, sbtest_Box_value(py, c.as_Box) == 3);
    sbtest_Box none = sbtest_none_or_box(py, false), some = sbtest_none_or_box(py, true);
    right &= RIGHT(py, !none.object.id && some.object.id);
    sb_object back = sb_cast(py, SB_SITE_(""), "sbtest:Crate", SB(c.as_Box));
    right &= RIGHT(py, sb_is(py, back, c));
    sb_cast(py, SB_SITE_(""), "sbtest:Crate", SB(some));
    return due(py, SB_E_TYPE, NULL) && right;
}

static bool scopes(sb_session *py)
{
    sb_object kept;
    sb_str text;
    {
        SB_SCOPE(py);
        kept = sb_keep(py, sbtest_Box_new(py, 1).object);
        text = sb_keep_str(py, sb_to_str(py, 12345));
        for (int i = 0; i < 10; i++) {
            SB_SCOPE(py);
            sbtest_Box_new(py, i);
            sb_release(py, sbtest_Box_new(py, i).object);
        }
    }
    bool right = RIGHT(py, !strcmp(text.ptr, "12345"));
    right &= RIGHT(py, sb_as_int(py, sb_attr(py, kept, "value")) == 1);
    sb_release(py, kept);
    sb_attr(py, kept, "value");
    return due(py, SB_E_STALE, NULL) && right;
}

static bool kept_values(sb_session *py)
{
    sb_value kept;
    {
        SB_SCOPE(py);
        kept = sb_keep_value(
            py, sb_fetch(py, SB_LIST(py, 1, "two", SB_TUPLE(py, 3.0, sbtest_Box_new(py, 4)))));
    }
    sb_value box = sb_nth(py, sb_nth(py, kept, 2), 1);
    return RIGHT(py, sb_as_int(py, sb_attr(py, box, "value")) == 4);
}

static bool attributes_and_items(sb_session *py)
{
    sb_value thing = sb_call(py, "checks.Thing"), dict = sb_call(py, "builtins.dict");
    sb_set_attr(py, thing, "other", sbtest_Box_new(py, 1));
    sb_set_item(py, dict, "key", thing);
    sb_set_item(py, dict, SB_TUPLE(py, 1, 2), SB_LIST(py, 1));
    bool right = RIGHT(py, sb_is(py, sb_item(py, dict, "key"), thing));
    right &= RIGHT(py, sb_is_unset(sb_get(py, dict, "no key")));
    right &= RIGHT(py, sb_count(py, sb_get(py, dict, SB_TUPLE(py, 1, 2))) == 1);
    right &= RIGHT(py, sb_as_int(py, sb_nth(py, sb_item(py, dict, SB_TUPLE(py, 1, 2)), 0)) == 1);
    sb_item(py, dict, "no key");
    right = due(py, SB_E_PYTHON, "KeyError") && right;
    sb_attr(py, thing, "no_attribute");
    return due(py, SB_E_PYTHON, "AttributeError") && right;
}

static bool operators(sb_session *py)
{
    static const char *const ops[] = { "+",  "-",  "*", "/",  "//", "%",  "**", "&",  "|", "^",
                                       "<<", ">>", "<", "<=", "==", "!=", ">",  ">=", "is" };
    bool right = true;
    sb_value a = sb_call(py, "checks.number", 6), b = sb_call(py, "checks.number", 3);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        SB_SCOPE(py);
        sb_value v = sb_op(py, a, ops[i], b);
        right &= RIGHT(py, v.kind == SB_INT_ || v.kind == SB_BOOL_ || v.kind == SB_FLOAT_);
    }
    right &= RIGHT(py, sb_as_bool(py, sb_op(py, 1, "in", SB_LIST(py, 1, 2))));
    sb_op(py, a, "@", b);
    right = due(py, SB_E_PYTHON, "TypeError") && right;
    sb_op(py, 1, "/", 0);
    return due(py, SB_E_PYTHON, "ZeroDivisionError") && right;
}

static bool special_methods(sb_session *py)
{
    static const sb_fn len = { "sbtest:Box.__len__", "xo:self>i" },
                       hash = { "sbtest:Box.__hash__", "xo:self>i" },
                       equal = { "sbtest:Box.__eq__", "xo:self,v:other>b" },
                       repr = { "sbtest:Box.__repr__", "xo:self>s" };
    sbtest_Box b = sbtest_Box_new(py, 4);
    sb_value other = SB(b);
    const sb_slot self[] = { { .o = b.object }, { .v = &other } };
    bool right = RIGHT(py, sb_run_i(py, &len, SB_SITE_(""), self) == 3);
    right &= RIGHT(py, sb_run_i(py, &hash, SB_SITE_(""), self) == 4);
    right &= RIGHT(py, sb_run_b(py, &equal, SB_SITE_(""), self));
    right &= RIGHT(py, strstr(sb_run_s(py, &repr, SB_SITE_(""), self).ptr, "Box"));
    sb_value thing = sb_call(py, "checks.Thing");
    right &= RIGHT(py, sb_as_int(py, sb_method(py, thing, "__call__", 5)) == 5);
    right &= RIGHT(py, sb_count(py, thing) == 2);
    right &= RIGHT(py, !strcmp(sb_to_str(py, thing).ptr, "a thing"));
    return right;
}

static bool modules(sb_session *py)
{
    sb_value module = sb_import(py, "os.path");
    bool right = RIGHT(py, sb_as_bool(py, sb_method(py, module, "isabs", "/x")));
    right &= RIGHT(py, sb_as_double(py, sb_import(py, "math.pi")) > 3);
    right &= RIGHT(py, sb_import(py, "collections.OrderedDict").kind == SB_OBJECT_);
    sb_import(py, "no_such_module_at_all");
    right = due(py, SB_E_PYTHON, "ImportError") && right;
    sb_call(py, "math.no_such_function", 1);
    return due(py, SB_E_PYTHON, "AttributeError") && right;
}

const struct feature features_objects[] = {
    { "typed", typed, 0 },
    { "scopes", scopes, 0 },
    { "kept values", kept_values, 0 },
    { "attributes and items", attributes_and_items, 0 },
    { "operators", operators, 300 },
    { "special methods", special_methods, 0 },
    { "modules", modules, 0 },
    { NULL, NULL, 0 },
};
