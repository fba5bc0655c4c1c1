/* SPDX-License-Identifier: MIT
 *
 * Every operation, result and value, in-process and in a worker: the same lines over both. */
#include "driver.h"
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static struct client client, *c = &client;

/* ---- operations ------------------------------------------------------------------------------ */

static void test_functions(void **state)
{
    (void)state;
    same(CALL(c, "math:sqrt", "d", "[2.0]"), "REPLY 1.4142135623730951");
    same(CALL(c, "math.sqrt", "d", "[16]"), "REPLY 4.0");
    same(CALL(c, "math:floor", "i", "[2.5]"), "REPLY 2");
    same(CALL(c, "os.path.join", "s", "[\"a\", \"b\"]"), "REPLY \"a/b\"");
    same(CALL(c, "xml.dom.minidom.Node.__name__", "n", "[]"),
         "ERROR 1 TypeError: 'str' object is not callable (skipped 0)");
    c->epoch++;
    same(CALL(c, "len", "i", "[[1, 2, 3]]"), "REPLY 3");
    same(run(c, 'f', "builtins:int", "base", "i", "[\"ff\", 16]"), "REPLY 255");
    same(run(c, 'f', "builtins:dict", "a,b", "V", "[1, 2]"), "REPLY {\"a\": 1, \"b\": 2}");
    same(CALL(c, "builtins:max", "i", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 99]"),
         "REPLY 99");
    execute(c, "def pack(*a, **k): return (a, k)");
    same(run(c, 'f', "__main__:pack", "x,y", "V", "[1, \"two\", 3, 4]"),
         "REPLY 61440([61440([1, \"two\"]), {\"x\": 3, \"y\": 4}])");
}

static void test_kwargs(void **state)
{
    (void)state;
    execute(c, "def pack(*a, **k): return (a, k)");
    struct request r = { 'f',           "__main__:pack", "x", "V", "[1, 2, {\"y\": 3, \"z\": 4}]",
                         .kwargs = true };
    same(request(c, r), "REPLY 61440([61440([1]), {\"x\": 2, \"y\": 3, \"z\": 4}])");
    r.arguments = "[2, {}]";
    same(request(c, r), "REPLY 61440([61440([]), {\"x\": 2}])");
    r.arguments = "[2, null]";
    same(request(c, r), "REPLY 61440([61440([]), {\"x\": 2}])");
    r.arguments = "[2, {\"x\": 3}]";
    same(request(c, r), "ERROR 1 TypeError: __main__.pack: got multiple values for keyword "
                        "argument 'x' (skipped 0)");
    c->epoch++;
    r.arguments = "[2, {5: 3}]";
    same(request(c, r), "ERROR 1 TypeError: __main__.pack: keywords must be strings (skipped 0)");
    c->epoch++;
    r.arguments = "[2, [5]]";
    same(request(c, r),
         "ERROR 1 TypeError: __main__.pack: argument after ** must be a mapping (skipped 0)");
    c->epoch++;
    r.arguments = "[{}]";
    if (c->session) {
        same(request(c, r), "MALFORMED fewer arguments than the plan has keywords");
        same(CALL(c, "len", "i", "[[]]"), "REPLY 0");
    }
    /* More than fit on the stack. */
    r.arguments = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18, {\"y\": 3}]";
    same(request(c, r), "REPLY 61440([61440([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, "
                        "16, 17]), {\"x\": 18, \"y\": 3}])");
}

static void test_methods_and_attributes(void **state)
{
    (void)state;
    uint64_t list = make(c, "[3, 1, 2]");
    same(run(c, 'm', "builtins:list.append", "", "n", format("[39(%lu), 9]", list)), "REPLY null");
    same(run(c, 'm', "builtins:list.sort", "reverse", "n", format("[39(%lu), true]", list)),
         "REPLY null");
    same(run(c, '=', "", "", "V", format("[39(%lu)]", list)), "REPLY [9, 3, 2, 1]");
    same(run(c, 'm', "builtins:str.upper", "", "s", "[\"abc\"]"), "REPLY \"ABC\"");
    same(run(c, 'm', "builtins:str.upper", "", "s", "[]"),
         "ERROR 1 TypeError: builtins.str.upper: takes 1 arguments, got 0 (skipped 0)");
    c->epoch++;
    same(run(c, 'm', "builtins:list.nothing", "", "n", format("[39(%lu)]", list)),
         "ERROR 1 AttributeError: 'list' object has no attribute 'nothing' (skipped 0)");
    c->epoch++;
    uint64_t o = make(c, "type('T', (), {'a': 1})()");
    same(run(c, 'g', "x:T.a", "", "i", format("[39(%lu)]", o)), "REPLY 1");
    same(run(c, 's', "x:T.a", "", "n", format("[39(%lu), 5]", o)), "REPLY null");
    same(run(c, 'g', "x:T.a", "", "i", format("[39(%lu)]", o)), "REPLY 5");
    same(run(c, 'g', "x:T.a", "", "i", format("[39(%lu), 3]", o)),
         "ERROR 1 TypeError: x.T.a: takes 1 arguments, got 2 (skipped 0)");
    c->epoch++;
    same(run(c, 'c', "math:pi", "", "d", "[]"), "REPLY 3.141592653589793");
    same(run(c, 'c', "math.pi", "", "d", "[]"), "REPLY 3.141592653589793");
    same(run(c, 'c', "json.decoder.JSONDecoder", "", "o", "[]"), "REPLY null");
    same(run(c, 'c', "os.path", "", "o", "[]"), "REPLY null");
    same(run(c, 'c', "logging.handlers", "", "o", "[]"), "REPLY null");
    same(run(c, 'c', "json", "", "o", "[]"), "REPLY null");
    same(run(c, 'c', "wsgiref.nothing", "", "o", "[]"),
         "ERROR 1 AttributeError: module 'wsgiref' has no attribute 'nothing' (skipped 0)");
    c->epoch++;
    same(run(c, 'c', "no_such_module", "", "o", "[]"),
         "ERROR 1 ModuleNotFoundError: No module named 'no_such_module' (skipped 0)");
    c->epoch++;
    /* A variable is read anew each time. */
    execute(c, "level = 1");
    same(run(c, 'c', "__main__:level", "", "i", "[]"), "REPLY 1");
    execute(c, "level = 2");
    same(run(c, 'c', "__main__:level", "", "i", "[]"), "REPLY 2");
    same(run(c, 'c', "builtins:str.__name__", "", "s", "[]"), "REPLY \"str\"");
}

static void test_special(void **state)
{
    (void)state;
    static const struct {
        const char *name, *args, *result, *reply;
    } rows[] = {
        { "x:T.__len__", "[[1, 2]]", "i", "2" },
        { "__getitem__", "[{\"a\": 5}, \"a\"]", "i", "5" },
        { "__contains__", "[[1, 2], 2]", "b", "true" },
        { "in", "[2, [1, 2]]", "b", "true" },
        { "not in", "[2, [1, 2]]", "b", "false" },
        { "is", "[null, null]", "b", "true" },
        { "is not", "[null, null]", "b", "false" },
        { "not", "[0]", "b", "true" },
        { "__add__", "[1, 2]", "i", "3" },
        { "__radd__", "[\"a\", \"b\"]", "s", "\"ba\"" },
        { "__iadd__", "[1, 2]", "i", "3" },
        { "__sub__", "[1, 2]", "i", "-1" },
        { "__rsub__", "[1, 2]", "i", "1" },
        { "__mul__", "[\"ab\", 2]", "s", "\"abab\"" },
        { "__truediv__", "[1, 2]", "d", "0.5" },
        { "__floordiv__", "[7, 2]", "i", "3" },
        { "__mod__", "[7, 4]", "i", "3" },
        { "__divmod__", "[7, 2]", "(i,i)", "[3, 1]" },
        { "__pow__", "[2, 10]", "i", "1024" },
        { "__pow__", "[2, 10, 1000]", "i", "24" },
        { "__rpow__", "[2, 10]", "i", "100" },
        { "__lshift__", "[1, 4]", "i", "16" },
        { "__rshift__", "[16, 4]", "i", "1" },
        { "__and__", "[6, 3]", "i", "2" },
        { "__or__", "[6, 3]", "i", "7" },
        { "__xor__", "[6, 3]", "i", "5" },
        { "__neg__", "[6]", "i", "-6" },
        { "__pos__", "[6]", "i", "6" },
        { "__abs__", "[-6]", "i", "6" },
        { "__invert__", "[6]", "i", "-7" },
        { "__eq__", "[1, 1.0]", "b", "true" },
        { "__ne__", "[1, 1.0]", "b", "false" },
        { "__lt__", "[1, 2]", "b", "true" },
        { "__le__", "[1, 2]", "b", "true" },
        { "__gt__", "[1, 2]", "b", "false" },
        { "__ge__", "[1, 2]", "b", "false" },
        { "__str__", "[1.5]", "s", "\"1.5\"" },
        { "__repr__", "[\"a\"]", "s", "\"'a'\"" },
        { "__bytes__", "[[1, 2]]", "y", "h'0102'" },
        { "__format__", "[3.14159, \".2f\"]", "s", "\"3.14\"" },
        { "__hash__", "[5]", "i", "5" },
        { "__bool__", "[[]]", "b", "false" },
        { "__int__", "[2.9]", "i", "2" },
        { "__float__", "[\"2.5\"]", "d", "2.5" },
        { "__complex__", "[2]", "v", "43000([2.0, 0.0])" },
        { "__index__", "[7]", "i", "7" },
        { "__round__", "[2.567, 1]", "d", "2.6" },
        { "__round__", "[2.567]", "i", "3" },
        { "getattr", "[\"abc\", \"__doc__\", 3]", "n", "null" },
        { "getattr", "[\"abc\", \"nothing\", 3]", "i", "3" },
        { "__sizeof__", "[0]", "i", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = run(c, 'x', rows[i].name, "", rows[i].result, rows[i].args);
        if (rows[i].reply)
            same(got, format("REPLY %s", rows[i].reply));
        else
            assert_int_equal(strncmp(got, "REPLY ", 6), 0);
    }
    uint64_t dict = make(c, "{}");
    same(run(c, 'x', "__setitem__", "", "n", format("[39(%lu), \"k\", 1]", dict)), "REPLY null");
    same(run(c, 'x', "__len__", "", "i", format("[39(%lu)]", dict)), "REPLY 1");
    same(run(c, 'x', "__delitem__", "", "n", format("[39(%lu), \"k\"]", dict)), "REPLY null");
    same(run(c, 'x', "__getitem__", "", "v", format("[39(%lu), \"k\"]", dict)),
         "ERROR 1 KeyError: 'k' (skipped 0)");
    c->epoch++;
    uint64_t iterator = make(c, "iter([1])");
    same(run(c, 'x', "__next__", "", "i", format("[39(%lu)]", iterator)), "REPLY 1");
    same(run(c, 'x', "__next__", "", "i", format("[39(%lu)]", iterator)),
         "ERROR 1 StopIteration:  (skipped 0)");
    c->epoch++;
    uint64_t f = make(c, "lambda a, b=2: a * 10 + b");
    same(run(c, 'x', "x:T.__call__", "b", "i", format("[39(%lu), 3, 4]", f)), "REPLY 34");
    uint64_t o = make(c, "type('T', (), {})()");
    same(run(c, 'x', "setattr", "", "n", format("[39(%lu), \"q\", 4]", o)), "REPLY null");
    same(run(c, 'x', "getattr", "", "i", format("[39(%lu), \"q\"]", o)), "REPLY 4");
    same(run(c, 'x', "delattr", "", "n", format("[39(%lu), \"q\"]", o)), "REPLY null");
    same(run(c, 'x', "__len__", "", "i", "[1, 2]"),
         "ERROR 1 TypeError: __len__: takes 1 arguments, got 2 (skipped 0)");
    c->epoch++;
}

static void test_casts(void **state)
{
    (void)state;
    uint64_t o = make(c, "__import__('collections').OrderedDict()");
    same(run(c, 'k', "builtins:dict", "", "o", format("[39(%lu)]", o)), "REPLY null");
    same(run(c, 'k', "collections.OrderedDict", "", "o", format("[39(%lu)]", last_id(c))),
         "REPLY null");
    same(run(c, 'k', "builtins:list", "", "o", format("[39(%lu)]", o)),
         "ERROR 2 SB_E_TYPE: expected builtins.list, got collections.OrderedDict (skipped 0)");
    c->epoch++;
    uint64_t e = make(c, "KeyError('x')");
    same(run(c, 'e', "LookupError", "", "b", format("[39(%lu)]", e)), "REPLY true");
    same(run(c, 'e', "json.JSONDecodeError", "", "b", format("[39(%lu)]", e)), "REPLY false");
}

/* ---- results --------------------------------------------------------------------------------- */

static const char *result(const char *declared, const char *expression)
{
    return run(c, 'f', "builtins:eval", "", declared, format("[\"%s\"]", expression));
}

/* An object under the id that the caller has chosen. */
static void is_object(const char *got)
{
    same(got, format("REPLY 39(%lu)", last_id(c)));
}

static void declined(const char *declared, const char *expression, const char *text)
{
    same(result(declared, expression),
         format("ERROR 2 SB_E_TYPE: builtins.eval: declared %s (skipped 0)", text));
    c->epoch++;
}

static void test_results(void **state)
{
    (void)state;
    same(result("n", "5"), "REPLY null");
    same(result("i", "5"), "REPLY 5");
    same(result("i", "True"), "REPLY 1");
    same(result("i", "-2**63"), "REPLY -9223372036854775808");
    same(result("i", "2**64-1"), "REPLY 18446744073709551615");
    same(result("i", "-2**64"), "REPLY -18446744073709551616");
    same(result("i", "2**64"), "REPLY 2(h'010000000000000000')");
    same(result("i", "-2**64-1"), "REPLY 3(h'010000000000000000')");
}

static void test_declared(void **state)
{
    (void)state;
    declined("i", "1.5", "int, got float");
    declined("i", "None", "int, got NoneType");
    same(result("i?", "None"), "REPLY null");
    same(result("d", "1.5"), "REPLY 1.5");
    same(result("d", "3"), "REPLY 3.0");
    same(result("d", "2**53"), "REPLY 9007199254740992.0");
    declined("d", "2**53+1", "float, got int");
    declined("d", "10**400", "float, got int");
    declined("d", "True", "float, got bool");
    declined("d", "'1'", "float, got str");
    same(result("d", "float('nan')"), "REPLY NaN");
    same(result("d", "-0.0"), "REPLY -0.0");
    same(result("d", "type('F', (float,), {})(2)"), "REPLY 2.0");
    same(result("b", "1 == 1"), "REPLY true");
    declined("b", "1", "bool, got int");
    same(result("s", "'a\\\\0b\\\\u20ac'"), "REPLY \"a\\x00b€\"");
    same(result("s", "type('S', (str,), {})('x')"), "REPLY \"x\"");
    declined("s", "b'x'", "str, got bytes");
    same(result("s", "'\\\\ud800'"), "ERROR 1 UnicodeEncodeError: 'utf-8' codec can't encode "
                                     "character '\\ud800' in position 0: surrogates not "
                                     "allowed (skipped 0)");
    c->epoch++;
}

static void test_more_declared(void **state)
{
    (void)state;
    same(result("y", "b'ab'"), "REPLY h'6162'");
    same(result("y", "bytearray(b'ab')"), "REPLY h'6162'");
    same(result("y", "memoryview(b'abcd')[::2]"), "REPLY h'6163'");
    declined("y", "'ab'", "bytes, got str");
    same(result("e{sleft;sright;i3;b1;n}", "'right'"), "REPLY 2");
    same(result("e{sleft;sright;i3;b1;n}", "3"), "REPLY 3");
    same(result("e{sleft;sright;i3;b1;n}", "True"), "REPLY 4");
    same(result("e{sleft;sright;i3;b1;n}", "None"), "REPLY 5");
    same(result("e{snull%3bvalue}", "'null;value'"), "REPLY 1");
    declined("e{sleft;sright}", "'up'", "one of ('left', 'right'), got 'up'");
    same(result("o", "[1]"), "REPLY null");
    same(result("o?", "None"), "REPLY null");
    same(result("o?", "[1]"), "REPLY true");
    same(result("o{builtins:list}", "[1]"), "REPLY null");
    declined("o{builtins:dict}", "[1]", "dict, got list");
    declined("o?{collections:OrderedDict}", "[1]", "collections.OrderedDict or None, got list");
    declined("o{builtins:list}", "None", "list, got NoneType");
    same(result("o{no_module:list}", "[1]"),
         "ERROR 1 ModuleNotFoundError: No module named 'no_module' (skipped 0)");
    c->epoch++;
    same(result("(i,s,d?)", "(1, 'a', None)"), "REPLY [1, \"a\", null]");
    same(result("(i,s)", "[1, 'a']"), "REPLY [1, \"a\"]");
    declined("(i,s)", "(1, 2)", "str, got int");
    declined("(i,s)", "(1, 'a', 3)", "tuple of 2, got tuple of 3");
    declined("(i,s)", "5", "tuple of 2, got int");
    /* An object in a tuple is told by its id, which serves as an argument. */
    uint64_t id;
    const char *got = result("(i,o{builtins:list},o?)", "(1, [7], None)");
    assert_int_equal(sscanf(got, "REPLY [1, 39(%lu), null]", &id), 1);
    assert_true(id & SB_ID_ENGINE);
    same(CALL(c, "len", "i", format("[39(%lu)]", id)), "REPLY 1");
}

/* Names are clipped between characters. */
static void test_long_names(void **state)
{
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        const char *got =
            result("i", format("type('%.*s' + chr(0x20ac) * 400 + chr(0x1f600) * 400, (), {})()",
                               shift, "aaa"));
        assert_non_null(strstr(got, "ERROR 2 SB_E_TYPE: builtins.eval: declared int, got "));
        assert_non_null(strstr(got, "\xe2\x82\xac\xe2\x82\xac (skipped 0)"));
        c->epoch++;
        got = result("i", format("type('%.*s' + chr(0x1f600) * 400, (), {})()", shift, "aaa"));
        assert_non_null(strstr(got, "\xf0\x9f\x98\x80 (skipped 0)"));
        c->epoch++;
    }
}

static void test_values_out(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *v, *deep;
    } rows[] = {
        { "None", "null", NULL },
        { "True", "true", NULL },
        { "12", "12", NULL },
        { "1.5", "1.5", NULL },
        { "float('-inf')", "-Infinity", NULL },
        { "1+2j", "43000([1.0, 2.0])", NULL },
        { "'x'", "\"x\"", NULL },
        { "b'x'", "h'78'", NULL },
        { "(1, ('a', None))", "61440([1, 61440([\"a\", null])])", NULL },
        { "()", "61440([])", NULL },
        { "frozenset([1])", "61441([1])", NULL },
        { "[1, [2]]", NULL, "[1, [2]]" },
        { "{'a': [1], 2: None}", NULL, "{\"a\": [1], 2: null}" },
        { "{5}", NULL, "258([5])" },
        { "__import__('collections').OrderedDict(a=1)", NULL, "{\"a\": 1}" },
        { "__import__('collections').namedtuple('P', 'x y')(1, 2)", NULL, "61440([1, 2])" },
        { "__import__('array').array('h', [1, -1])", NULL, "77(h'0100ffff')" },
        { "memoryview(bytes(6)).cast('B', [2, 3])", NULL, "40([[2, 3], 64(h'000000000000')])" },
        { "bytearray(b'ab')", NULL, "h'6162'" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *v = rows[i].v;
        const char *got = result("v", rows[i].expression);
        same(got, format("REPLY %s", v ? v : format("39(%lu)", last_id(c))));
        same(result("V", rows[i].expression), format("REPLY %s", v ? v : rows[i].deep));
    }
    /* Objects in a value get the engine's ids; the outermost one has the caller's. */
    is_object(result("V", "object()"));
    uint64_t id[2];
    assert_int_equal(sscanf(result("V", "[object(), {1: object}]"), "REPLY [39(%lu), {1: 39(%lu)}]",
                            &id[0], &id[1]),
                     2);
    assert_true((id[0] & SB_ID_ENGINE) && id[1] == id[0] + 1);
    assert_int_equal(sscanf(result("v", "(1, [2])"), "REPLY 61440([1, 39(%lu)])", &id[0]), 1);
    assert_true(id[0] & SB_ID_ENGINE);
    /* A subclass stays an object in v. */
    is_object(result("v", "type('I', (int,), {})(3)"));
}

static void test_values_in(void **state)
{
    (void)state;
    static const struct {
        const char *notation, *repr;
    } rows[] = {
        { "null", "None" },
        { "true", "True" },
        { "false", "False" },
        { "0", "0" },
        { "23", "23" },
        { "24", "24" },
        { "256", "256" },
        { "65536", "65536" },
        { "4294967296", "4294967296" },
        { "18446744073709551615", "18446744073709551615" },
        { "-1", "-1" },
        { "-9223372036854775808", "-9223372036854775808" },
        { "-18446744073709551615", "-18446744073709551615" },
        { "2(h'010000000000000000')", "18446744073709551616" },
        { "3(h'010000000000000000')", "-18446744073709551617" },
        { "2(h'')", "0" },
        { "1.5", "1.5" },
        { "NaN", "nan" },
        { "-Infinity", "-inf" },
        { "-0.0", "-0.0" },
        { "43000([1.0, 2.0])", "(1+2j)" },
        { "\"\"", "''" },
        { "\"a€\"", "'a€'" },
        { "h'00ff'", "b'\\x00\\xff'" },
        { "[]", "[]" },
        { "[1, [\"a\"]]", "[1, ['a']]" },
        { "{}", "{}" },
        { "{1: 2, \"a\": null}", "{1: 2, 'a': None}" },
        { "{1: 2, 1.0: 3}", "{1: 3}" },
        { "61440([1, 2])", "(1, 2)" },
        { "61440([])", "()" },
        { "61441([1])", "frozenset({1})" },
        { "61441([])", "frozenset()" },
        { "258([1])", "{1}" },
        { "258([])", "set()" },
        { "39(0)", "None" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = CALL(c, "builtins:repr", "s", format("[%s]", rows[i].notation));
        char want[200], *p = want;
        for (const char *r = rows[i].repr; *r; r++) {
            if (*r == '\\')
                *p++ = '\\';
            *p++ = *r;
        }
        *p = 0;
        same(got, format("REPLY \"%s\"", want));
    }
    same(CALL(c, "repr", "s", "[258([[1]])]"),
         "ERROR 1 TypeError: unhashable type: 'list' (at x{item 0}) (skipped 0)");
    c->epoch++;
    same(CALL(c, "repr", "s", "[{[1]: 2}]"),
         "ERROR 1 TypeError: unhashable type: 'list' (at x{key 0}) (skipped 0)");
    c->epoch++;
    same(CALL(c, "repr", "s", "[{\"a\": [1, {1: [258([{}])]}]}]"),
         "ERROR 1 TypeError: unhashable type: 'dict' (at x['a'][1][1][0]{item 0}) (skipped 0)");
    c->epoch++;
}

static void nested(struct sb_buf *b, unsigned depth)
{
    b->len = 0;
    for (unsigned i = 0; i <= depth; i++)
        sb__put_byte(b, '[');
    sb__put_byte(b, '1');
    for (unsigned i = 0; i <= depth; i++)
        sb__put_byte(b, ']');
    sb__put_byte(b, 0);
}

static void begins(const char *got, const char *due)
{
    if (strncmp(got, due, strlen(due)) != 0)
        same(got, due);
}

static void test_depth(void **state)
{
    (void)state;
    struct sb_buf b = { 0 };
    nested(&b, SB_MAX_DEPTH);
    same(CALL(c, "len", "i", (char *)b.ptr), "REPLY 1");
    nested(&b, SB_MAX_DEPTH + 1);
    begins(CALL(c, "len", "i", (char *)b.ptr),
           "ERROR 10 SB_E_LIMIT: a value nested more than 500 deep (at x[0][0][0]");
    c->epoch++;
    sb__buf_reset(&b);
    execute(c, "def nest(n):\n a = 1\n for i in range(n): a = [a]\n return a");
    assert_int_equal(strncmp(CALL(c, "__main__:nest", "V", "[500]"), "REPLY [[[", 9), 0);
    begins(CALL(c, "__main__:nest", "V", "[501]"),
           "ERROR 10 SB_E_LIMIT: a result nested more than 500 deep (at x[0][0][0]");
    c->epoch++;
    begins(CALL(c, "__main__:nest", "V", "[100000]"),
           "ERROR 10 SB_E_LIMIT: a result nested more than 500 deep (at x[0][0][0]");
    c->epoch++;
    execute(c, "loop = []\nloop.append(loop)");
    same(run(c, 'c', "__main__:loop", "", "V", "[]"),
         "ERROR 2 SB_E_TYPE: a value that contains itself: x[0] is x (skipped 0)");
    c->epoch++;
    execute(c, "loop = {'a': (1, [{'b': []}])}\nloop['a'][1][0]['b'].append(loop['a'][1])");
    same(run(c, 'c', "__main__:loop", "", "V", "[]"),
         "ERROR 2 SB_E_TYPE: a value that contains itself: x['a'][1][0]['b'][0] is x['a'][1] "
         "(skipped 0)");
    c->epoch++;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void test_epochs(void **state)
{
    (void)state;
    struct request boom = { 'x', "__truediv__", "", "d", "[1, 0]", .flags = NO_WAIT };
    struct request one = { 'f', "math:sqrt", "", "d", "[1.0]", .flags = NO_WAIT };
    same(request(c, boom), "");
    same(request(c, one), "");
    same(request(c, one), "");
    one.flags = 0;
    same(request(c, one), "ERROR 1 ZeroDivisionError: division by zero (skipped 3)");
    struct sb_frame h;
    memcpy(&h, c->answers.ptr, sizeof h);
    assert_int_equal(h.seq, c->seq - 3); /* the request that failed */
    begin_frame(c, SB_FRAME_SYNC, SB_FLAG_WAIT, 0);
    send_frame(c);
    same(describe_answers(c), "ERROR 1 ZeroDivisionError: division by zero (skipped 3)");
    one.flags = SB_FLAG_ALWAYS;
    same(request(c, one), "REPLY 1.0");
    /* A failure of a call that runs after the error is answered, and forgotten. */
    boom = (struct request) { 'f', "builtins:int", "", "i", "[\"x\"]", .flags = SB_FLAG_ALWAYS };
    same(request(c, boom), "ERROR 1 ValueError: invalid literal for int() with base 10: 'x' "
                           "(skipped 3)");
    boom.flags |= NO_WAIT;
    same(request(c, boom), "");
    one.flags = 0;
    same(request(c, one), "ERROR 1 ZeroDivisionError: division by zero (skipped 4)");
    c->epoch++;
    same(request(c, one), "REPLY 1.0");
    begin_frame(c, SB_FRAME_SYNC, SB_FLAG_WAIT, 0);
    send_frame(c);
    same(describe_answers(c), "REPLY null");
    /* An older epoch is no newer one, across the wrap as well. */
    c->epoch = UINT32_MAX;
    boom.flags = 0;
    request(c, boom);
    c->epoch--;
    assert_int_equal(strncmp(request(c, one), "ERROR", 5), 0);
    c->epoch = 0;
    same(request(c, one), "REPLY 1.0");
    c->epoch = 1000;
    /* The definition in a skipped call counts. */
    boom.op = 'x', boom.name = "__getitem__", boom.arguments = "[[], 0]", boom.flags = NO_WAIT;
    same(request(c, boom), "");
    static int fresh;
    char *name = strdup(format("math:%s", fresh++ ? "asin" : "acos"));
    struct request defines = { 'f', name, "", "d", "[0.0]", .flags = NO_WAIT };
    same(request(c, defines), "");
    c->epoch++;
    defines.flags = 0;
    assert_int_equal(strncmp(request(c, defines), "REPLY", 5), 0);
    free(name);
}

static void test_error_frame(void **state)
{
    (void)state;
    execute(c, "import traceback\n"
               "class Odd(Exception):\n"
               "    def __str__(self): raise ValueError('no text')\n"
               "def odd(): raise Odd\n"
               "def inner(): raise KeyError('k')\n"
               "def outer():\n"
               "    try: inner()\n"
               "    except KeyError as e: raise RuntimeError('outer failed') from e\n");
    same(CALL(c, "__main__:outer", "n", "[]"), "ERROR 1 RuntimeError: outer failed (skipped 0)");
    struct sb_reader r = { .p = c->answers.ptr + sizeof(struct sb_frame),
                           .end = c->answers.ptr + c->answers.len };
    uint64_t n = 0, code = 0, id = 0;
    const char *s = "";
    size_t len = 0;
    assert_true(sb__read_count(&r, SB_MAJOR_ARRAY, &n) && sb__read_uint(&r, &code));
    assert_true(sb__read_string(&r, SB_MAJOR_TEXT, &s, &len));
    assert_true(sb__read_string(&r, SB_MAJOR_TEXT, &s, &len));
    assert_true(sb__read_string(&r, SB_MAJOR_TEXT, &s, &len));
    char *trace = strndup(s, len);
    assert_non_null(strstr(trace, "Traceback (most recent call last):\n"));
    assert_non_null(strstr(trace, "KeyError: 'k'\n"));
    assert_non_null(strstr(trace, "The above exception was the direct cause"));
    assert_non_null(strstr(trace, "in outer\n"));
    assert_null(strstr(trace, "<snakebridge>"));
    free(trace);
    assert_true(sb__read_count(&r, SB_MAJOR_ARRAY, &n) && n == 4);
    static const char *const mro[] = { "builtins.RuntimeError", "builtins.Exception",
                                       "builtins.BaseException", "builtins.object" };
    for (int i = 0; i < 4; i++) {
        assert_true(sb__read_string(&r, SB_MAJOR_TEXT, &s, &len));
        assert_true(len == strlen(mro[i]) && memcmp(s, mro[i], len) == 0);
    }
    assert_true(sb__read_uint(&r, &id) && (id & SB_ID_ENGINE));
    c->epoch++;
    same(run(c, 'e', "RuntimeError", "", "b", format("[39(%lu)]", id)), "REPLY true");
    begin_frame(c, SB_FRAME_RELEASE, 0, 0);
    put_value(&c->frame, format("[%lu, 5]", id));
    send_frame(c);
    same(run(c, 'e', "RuntimeError", "", "b", format("[39(%lu)]", id)),
         "ERROR 6 SB_E_STALE: an object whose scope or worker is gone (skipped 0)");
    c->epoch++;
    same(CALL(c, "__main__:odd", "n", "[]"),
         "ERROR 1 __main__.Odd: <exception str() failed> (skipped 0)");
    c->epoch++;
    same(CALL(c, "sys:exit", "n", "[3]"), "ERROR 1 SystemExit: 3 (skipped 0)");
    c->epoch++;
    same(result("n", "(_ for _ in ()).throw(KeyboardInterrupt)"),
         "ERROR 1 KeyboardInterrupt:  (skipped 0)");
    c->epoch++;
    same(result("n", "(_ for _ in ()).throw(MemoryError)"), "ERROR 1 MemoryError:  (skipped 0)");
    c->epoch++;
    execute(c, "def deep(): deep()");
    assert_non_null(strstr(CALL(c, "__main__:deep", "n", "[]"), "RecursionError"));
    c->epoch++;
    same(CALL(c, "json.loads", "v", "[\"{\"]"),
         "ERROR 1 json.decoder.JSONDecodeError: Expecting property name enclosed in double "
         "quotes: line 1 column 2 (char 1) (skipped 0)");
    c->epoch++;
    same(result("n", "(_ for _ in ()).throw(ValueError(chr(0xd800)))"),
         "ERROR 1 ValueError: \\ud800 (skipped 0)");
    c->epoch++;
}

/* The text of a traceback is Python's own, also where no frame takes part. */
static void test_traceback_text(void **state)
{
    (void)state;
    static const char *const names[] = {
        "KeyError('k')",         "StopIteration()",
        "ValueError('a\\\\nb')", "OSError(2, 'gone', 'file')",
        "MemoryError()",         "AttributeError('x')",
        "SyntaxError('bad')",    "type('Own', (Exception,), {})('x')"
    };
    execute(c, "import traceback\n"
               "thrown = None\n"
               "def expected(): return ''.join(traceback.format_exception(type(thrown), thrown, "
               "thrown.__traceback__))\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        /* Raised by C: what throw() of a generator that has ended raises has no frame. */
        execute(c, format("thrown = %s", names[i]));
        uint64_t over = make(c, "(lambda g: (list(g), g)[1])(x for x in ())");
        run(c, 'm', "x:generator.throw", "", "n",
            format("[39(%lu), 39(%lu)]", over,
                   (run(c, 'c', "__main__:thrown", "", "o", "[]"), last_id(c))));
        struct sb_reader r = { .p = c->answers.ptr + sizeof(struct sb_frame),
                               .end = c->answers.ptr + c->answers.len };
        uint64_t n = 0, code = 0;
        const char *s = "";
        size_t len = 0;
        assert_true(sb__read_count(&r, SB_MAJOR_ARRAY, &n) && n == 7 && sb__read_uint(&r, &code));
        for (int k = 0; k < 3; k++)
            assert_true(sb__read_string(&r, SB_MAJOR_TEXT, &s, &len));
        char *trace = strndup(s, len);
        c->epoch++;
        assert_int_equal(strncmp(CALL(c, "__main__:expected", "s", "[]"), "REPLY", 5), 0);
        struct sb_reader a = { .p = c->answers.ptr + sizeof(struct sb_frame),
                               .end = c->answers.ptr + c->answers.len };
        assert_true(sb__read_string(&a, SB_MAJOR_TEXT, &s, &len));
        char *want = strndup(s, len);
        assert_string_equal(trace, want);
        free(trace);
        free(want);
    }
}

/* ---- objects --------------------------------------------------------------------------------- */

static void test_objects(void **state)
{
    (void)state;
    execute(c, "import gc\n"
               "alive = 0\n"
               "class W:\n"
               "    def __init__(self):\n"
               "        global alive\n"
               "        alive += 1\n"
               "    def __del__(self):\n"
               "        global alive\n"
               "        alive -= 1\n"
               "def pair(): return [W(), W()]\n"
               "def take(*a, **k): pass\n"
               "def fails(*a): raise ValueError\n"
               "def bad(): return (W(), 5)\n");
    same(CALL(c, "__main__:W", "o", "[]"), "REPLY null");
    uint64_t w = last_id(c);
    same(run(c, 'c', "__main__:alive", "", "i", "[]"), "REPLY 1");
    same(run(c, 'f', "__main__:take", "k", "n", format("[39(%lu), [39(%lu)], 39(%lu)]", w, w, w)),
         "REPLY null");
    CALL(c, "__main__:fails", "n", format("[39(%lu)]", w));
    c->epoch++;
    begin_frame(c, SB_FRAME_RELEASE, 0, 0); /* the exceptions of these tests hold frames */
    put_value(&c->frame, format("[%lu]", w));
    send_frame(c);
    /* What a failed result registered is gone: the caller never learnt its ids. */
    assert_non_null(strstr(CALL(c, "__main__:bad", "(o,s)", "[]"), "declared str, got int"));
    c->epoch++;
    /* Nobody learns the ids in the result of a call that nobody waits for. */
    struct request r = { 'f', "__main__:pair", "", "V", "[]", .flags = NO_WAIT };
    same(request(c, r), "");
    CALL(c, "gc:collect", "n", "[]");
    uint64_t ids[2];
    assert_int_equal(
        sscanf(CALL(c, "__main__:pair", "V", "[]"), "REPLY [39(%lu), 39(%lu)]", &ids[0], &ids[1]),
        2);
    same(CALL(c, "__main__:take", "n", format("[39(%lu)]", w)),
         "ERROR 6 SB_E_STALE: an object whose scope or worker is gone (skipped 0)");
    c->epoch++;
    same(CALL(c, "__main__:take", "n", format("[39(%lu)]", w + (1ul << 48))),
         "ERROR 7 SB_E_SESSION: an object of another session (skipped 0)");
    c->epoch++;
    /* Released twice, unknown, foreign: ignored. */
    begin_frame(c, SB_FRAME_RELEASE, 0, 0);
    put_value(&c->frame,
              format("[%lu, %lu, %lu, 0, 12345678901234567890]", ids[0], ids[1], ids[1]));
    assert_int_equal(send_frame(c), 0);
    /* 1: the argument of `fails` is held by the exception of its ERROR until the session ends. */
    same(run(c, 'c', "__main__:alive", "", "i", "[]"), "REPLY 1");
    /* Many, dropped in an order that is not theirs. */
    uint64_t many[300];
    for (int i = 0; i < 300; i++) {
        same(CALL(c, "__main__:W", "o", "[]"), "REPLY null");
        many[i] = last_id(c);
    }
    same(run(c, 'c', "__main__:alive", "", "i", "[]"), "REPLY 301");
    for (int i = 0; i < 300; i++) {
        begin_frame(c, SB_FRAME_RELEASE, 0, 0);
        put_value(&c->frame, format("[%lu]", many[i * 7 % 300]));
        send_frame(c);
        if (i == 200)
            same(run(c, '=', "", "", "o", format("[39(%lu)]", many[299 * 7 % 300])), "REPLY null");
    }
    same(run(c, 'c', "__main__:alive", "", "i", "[]"), "REPLY 2");
}

/* Opening again drops everything and starts anew. */
static void test_open(void **state)
{
    (void)state;
    same(CALL(c, "builtins:list", "o", "[]"), "REPLY null");
    uint64_t list = last_id(c);
    begin_frame(c, SB_FRAME_OPEN, SB_FLAG_WAIT, 0);
    sb__put_uint(&c->frame, 5000);
    send_frame(c);
    same(describe_answers(c), "REPLY null");
    same(CALL(c, "len", "i", format("[39(%lu)]", list)),
         "ERROR 6 SB_E_STALE: an object whose scope or worker is gone (skipped 0)");
    c->epoch++;
    assert_string_equal(
        result("V", "[object()]"),
        format("REPLY [39(%lu)]", (uint64_t)c->tag << SB_ID_TAG_SHIFT | SB_ID_ENGINE | 5000));
    same(run(c, 'c', "gc:garbage", "", "V", "[]"), "REPLY []");
    execute(c, "gc = __import__('gc'); gc.collect()");
    same(run(c, 'c', "__main__:alive", "", "i", "[]"), "REPLY 0");
}

/* ---- output ---------------------------------------------------------------------------------- */

static void test_output(void **state)
{
    (void)state;
    same(CALL(c, "print", "n", "[\"hello\", 5]"), "OUT 1 \"hello 5\\n\"; REPLY null");
    execute(c, "import sys, threading\n"
               "def both():\n"
               "    print('a'); print('b', file=sys.stderr); sys.stdout.write('c')\n"
               "    sys.stdout.buffer.write('\\u20ac'.encode()); sys.stderr.flush()\n"
               "    return sys.stdout.fileno(), sys.stdout.encoding, sys.stdout.writable()\n"
               "def threaded():\n"
               "    t = threading.Thread(target=print, args=('from a thread',))\n"
               "    t.start(); t.join()\n"
               "def falls():\n"
               "    print('before'); raise ValueError('x')\n"
               "def numeric(): sys.stdout.write(5)\n"
               "def surrogate(): print('\\ud800')\n");
    same(CALL(c, "__main__:both", "V", "[]"),
         "OUT 1 \"a\\n\"; OUT 2 \"b\\n\"; OUT 1 \"c€\"; REPLY 61440([1, \"utf-8\", true])");
    same(CALL(c, "__main__:threaded", "n", "[]"), "OUT 1 \"from a thread\\n\"; REPLY null");
    struct request r = { 'f', "print", "", "n", "[\"kept\"]", .flags = NO_WAIT };
    same(request(c, r), "");
    same(CALL(c, "__main__:falls", "n", "[]"),
         "OUT 1 \"kept\\nbefore\\n\"; ERROR 1 ValueError: x (skipped 0)");
    c->epoch++;
    same(CALL(c, "__main__:numeric", "n", "[]"),
         "ERROR 1 TypeError: write() argument must be str, not int (skipped 0)");
    c->epoch++;
    same(CALL(c, "__main__:surrogate", "n", "[]"), "OUT 1 \"\\\\ud800\\n\"; REPLY null");
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static void test_lists_as_arrays(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *array;
    } rows[] = {
        { "[1, 2]", "79(h'01000000000000000200000000000000')" },
        { "(1, 2.5)", "86(h'000000000000f03f0000000000000440')" },
        { "[True, False]", "61442(h'0100')" },
        { "[[1, 2], [3, True]]",
          "40([[2, 2], 79(h'0100000000000000020000000000000003000000000000000100000000000000')])" },
        { "[1j]", "61444(h'0000000000000000000000000000f03f')" },
        { "[2**64-1]", "71(h'ffffffffffffffff')" },
        { "[-2**63]", "79(h'0000000000000080')" },
        { "[]", "86(h'')" },
        { "[[], []]", "40([[2, 0], 86(h'')])" },
        { "range(2)", "79(h'00000000000000000100000000000000')" },
        { "b'ab'", "64(h'6162')" },
        { "__import__('array').array('f', [1])", "85(h'0000803f')" },
        { "memoryview(b'abcdef')[::-2]", "64(h'666462')" },
        { "memoryview(b'').cast('B')", "64(h'')" },
        { "__import__('ctypes').c_int16(5)", "40([[], 77(h'0500')])" },
        { "(__import__('ctypes').c_double * 2 * 1)()",
          "40([[1, 2], 86(h'00000000000000000000000000000000')])" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        same(result("w", rows[i].expression), format("REPLY %s", rows[i].array));
    static const char *const bad[] = { "[1, 'a']", "[[1], 2]",    "[[1], [1, 2]]",
                                       "[2**64]",  "[-1, 2**63]", "[None]" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        declined("w", bad[i], "array, got list that is no array of numbers of 64 bits at most");
    declined("w", "'text'", "array, got str");
    declined("w", "5", "array, got int");
    declined("w", "[[[[[[[[[1]]]]]]]]]",
             "array, got list that is no array of numbers of 64 bits at most");
}

static void test_arrays_in(void **state)
{
    (void)state;
    bool numpy = have_module("numpy");
    const char *type = numpy ? "ndarray" : "memoryview";
    execute(c,
            "def look(a):\n"
            "    m = memoryview(a)\n"
            "    return '%s %s %s %s' % (type(a).__name__, m.format, m.shape, m.tobytes().hex())\n"
            "def fill(a):\n"
            "    a[0] = 7\n"
            "    return a[0]\n");
    same(CALL(c, "__main__:look", "s", "[86(h'000000000000f03f')]"),
         format("REPLY \"%s d (1,) 000000000000f03f\"", type));
    same(CALL(c, "__main__:look", "s", "[40([[2, 2], 77(h'0100020003000400')])]"),
         format("REPLY \"%s h (2, 2) 0100020003000400\"", type));
    same(CALL(c, "__main__:look", "s", "[64(h'')]"), format("REPLY \"%s B (0,) \"", type));
    same(CALL(c, "__main__:look", "s", "[61442(h'0002ff')]"),
         format("REPLY \"%s ? (3,) 000101\"", type));
    same(CALL(c, "__main__:fill", "i", "[79(h'0000000000000000')]"), "REPLY 7");
    same(run(c, '=', "", "", "w", "[40([[2, 1], 78(h'0100000002000000')])]"),
         "REPLY 40([[2, 1], 78(h'0100000002000000')])");
    if (numpy) {
        same(CALL(c, "__main__:look", "s", "[40([[], 86(h'000000000000f03f')])]"),
             "REPLY \"ndarray d () 000000000000f03f\"");
        same(CALL(c, "__main__:look", "s", "[40([[2, 0, 3], 86(h'')])]"),
             "REPLY \"ndarray d (2, 0, 3) \"");
        same(CALL(c, "__main__:look", "s", "[61443(h'0000803f00000040')]"),
             "REPLY \"ndarray Zf (1,) 0000803f00000040\"");
    }
    same(run(c, '=', "", "", "w", "[40([[1,1,1,1,1,1,1,1,1], 64(h'00')])]"),
         "ERROR 10 SB_E_LIMIT: an array of more than 8 dimensions (skipped 0)");
    c->epoch++;
}

static void test_numpy(void **state)
{
    (void)state;
    if (!have_module("numpy")) {
        print_message("no numpy for %s\n", python_path());
        skip();
    }
    execute(c, "import numpy as np, sys\nsys.modules['builtins'].np = np");
    static const struct {
        const char *declared, *expression, *reply;
    } rows[] = {
        { "d", "np.float64(1.5)", "1.5" },
        { "d", "np.float32(1.5)", "1.5" },
        { "d", "np.int64(3)", "3.0" },
        { "i", "np.uint8(3)", "3" },
        { "i", "np.bool_(True)", "1" },
        { "b", "np.bool_(True)", "true" },
        { "s", "np.str_('x')", "\"x\"" },
        { "y", "np.bytes_(b'x')", "h'78'" },
        { "v", "np.float64(1.5)", "1.5" },
        { "v", "np.float32(0.5)", "0.5" },
        { "v", "np.int16(-3)", "-3" },
        { "v", "np.uint64(2**64-1)", "18446744073709551615" },
        { "v", "np.bool_(False)", "false" },
        { "v", "np.complex64(1+2j)", "43000([1.0, 2.0])" },
        { "v", "np.str_('x')", "\"x\"" },
        { "v", "(np.int8(1), 2)", "61440([1, 2])" },
        { "V", "[np.int8(1), np.arange(2, dtype='i1')]", "[1, 72(h'0001')]" },
        { "w", "np.arange(3, dtype='u2')", "69(h'000001000200')" },
        { "w", "np.arange(6, dtype='u1').reshape(2, 3).T", "40([[3, 2], 64(h'000301040205')])" },
        { "w", "np.arange(6, dtype='u1')[::-2]", "64(h'050301')" },
        { "w", "np.arange(2, dtype='>i4')", "78(h'0000000001000000')" },
        { "w", "np.array([1+2j], dtype='>c8')", "61443(h'0000803f00000040')" },
        { "w", "np.array(5.0)", "40([[], 86(h'0000000000001440')])" },
        { "w", "np.zeros((2, 0))", "40([[2, 0], 86(h'')])" },
        { "w", "np.broadcast_to(np.int8(3), (2, 2))", "40([[2, 2], 72(h'03030303')])" },
        { "w", "np.array([True])", "61442(h'01')" },
        { "w", "np.array([1], dtype='e')", "84(h'003c')" },
        { "w", "[np.int8(1), 2]", "79(h'01000000000000000200000000000000')" },
        { "w", "[np.zeros(1), np.ones(1)]",
          "40([[2, 1], 86(h'0000000000000000000000000000f03f')])" },
        { "w", "type('A', (), {'__array__': lambda self, *a, **k: np.ones(1, 'i1')})()",
          "72(h'01')" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        same(result(rows[i].declared, rows[i].expression), format("REPLY %s", rows[i].reply));
    declined("w", "np.array([None])",
             "array, got numpy.ndarray of dtype object; .astype(\"float64\"), or another dtype, "
             "makes numbers of it");
    declined("w", "np.array(['2020'], 'M8[Y]')",
             "array, got numpy.ndarray of dtype datetime64[Y]; .view(\"int64\") has the numbers");
    declined("w", "np.zeros(1, 'i4,f4')",
             "array, got numpy.ndarray of dtype [('f0', '<i4'), ('f1', '<f4')]; its fields are "
             "arrays, each by its name");
    declined("w", "np.array(['a'])", "array, got numpy.ndarray of dtype <U1");
    declined(
        "w", "np.datetime64('2020')",
        "array, got numpy.datetime64 of dtype datetime64[Y]; .view(\"int64\") has the numbers");
    declined("b", "np.int64(1)", "bool, got numpy.int64");
    declined("i", "np.float64(1)", "int, got numpy.float64");
    declined("i", "np.arange(3)", "int, got numpy.ndarray");
    static const char *const objects[] = { "np.longdouble(1)", "np.arange(3)",
                                           "np.zeros(1, 'i4,f4')[0]" };
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
        is_object(result("v", objects[i]));
    is_object(result("V", "np.array([None])"));
    same(result("V", "np.datetime64('2020')"), "REPLY 61455([50, 1, 1])");
    same(result("v", "np.datetime64('2020-01-01', 'D')"), "REPLY 61455([18262, 1, 4])");
    same(result("v", "np.timedelta64(-3, '25us')"), "REPLY 61456([-3, 25, 9])");
    same(result("v", "np.timedelta64(7)"), "REPLY 61456([7, 1, 0])");
    same(result("v", "np.datetime64('NaT')"), "REPLY 61455([-9223372036854775808, 1, 0])");
    same(CALL(c, "numpy:mean", "d", "[86(h'000000000000f03f0000000000000040')]"), "REPLY 1.5");
    same(run(c, 'g', "x:f.owndata", "", "b",
             format("[39(%lu)]", (run(c, 'g', "x:a.flags", "", "o", "[86(h'')]"), last_id(c)))),
         "REPLY true");
}

static void test_pandas(void **state)
{
    (void)state;
    if (!have_module("pandas")) {
        print_message("no pandas for %s\n", python_path());
        skip();
    }
    execute(c, "import pandas as pd, sys\nsys.modules['builtins'].pd = pd");
    static const struct {
        const char *declared, *expression, *reply;
    } rows[] = {
        { "w", "pd.Series([1, 2], dtype='int16')", "77(h'01000200')" },
        { "w", "pd.DataFrame({'a': [1.0], 'b': [2.0]})",
          "40([[1, 2], 86(h'000000000000f03f0000000000000040')])" },
        { "w", "pd.Series([True])", "61442(h'01')" },
        { "i", "pd.Series([1, 2]).sum()", "3" },
        { "d", "pd.Series([1, 2]).mean()", "1.5" },
        { "(i,i)", "pd.DataFrame({'a': [1]}).shape", "[1, 1]" },
        { "v", "pd.Series([1.5])[0]", "1.5" },
        { "o?{pandas:DataFrame}", "pd.DataFrame()", "true" },
        { "o?{pandas.core.frame:DataFrame}", "pd.DataFrame()", "true" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        same(result(rows[i].declared, rows[i].expression), format("REPLY %s", rows[i].reply));
    is_object(result("v", "pd.Timestamp('2020')"));
    is_object(result("V", "pd.Series([1])"));
    static const char *const refused[][3] = {
        /* where a class says it is depends on the version */
        { "w", "pd.Series(['a'], dtype=object)", "Series of dtype object" },
        { "d", "pd.NA", "declared float, got pandas." },
        { "o{pandas:DataFrame}", "pd.Series([1])", "DataFrame, got pandas." },
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const char *got = result(refused[i][0], refused[i][1]);
        assert_non_null(strstr(got, "ERROR 2 SB_E_TYPE: builtins.eval: declared "));
        assert_non_null(strstr(got, refused[i][2]));
        c->epoch++;
    }
    same(result("n", "pd.DataFrame({'a': [1]})['b']"), "ERROR 1 KeyError: 'b' (skipped 0)");
    c->epoch++;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_functions),
    cmocka_unit_test(test_kwargs),
    cmocka_unit_test(test_methods_and_attributes),
    cmocka_unit_test(test_special),
    cmocka_unit_test(test_casts),
    cmocka_unit_test(test_results),
    cmocka_unit_test(test_declared),
    cmocka_unit_test(test_more_declared),
    cmocka_unit_test(test_long_names),
    cmocka_unit_test(test_values_out),
    cmocka_unit_test(test_values_in),
    cmocka_unit_test(test_depth),
    cmocka_unit_test(test_epochs),
    cmocka_unit_test(test_error_frame),
    cmocka_unit_test(test_traceback_text),
    cmocka_unit_test(test_objects),
    cmocka_unit_test(test_open),
    cmocka_unit_test(test_output),
    cmocka_unit_test(test_lists_as_arrays),
    cmocka_unit_test(test_arrays_in),
    cmocka_unit_test(test_numpy),
    cmocka_unit_test(test_pandas),
};

int main(void)
{
    inprocess_open(c, 7);
    int failed = cmocka_run_group_tests_name("in-process", tests, NULL, NULL);
    client_close(c);
    struct worker *w = worker_start(NULL);
    worker_open(c, w, 3, 8);
    failed += cmocka_run_group_tests_name("worker", tests, NULL, NULL);
    client_close(c);
    worker_end(w);
    return failed;
}
