/* SPDX-License-Identifier: MIT
 *
 * snakebridge_gen.h - what generated headers call. Not for users. Every conversion is behind these functions, so that
 * a fix there needs no regeneration; generated code holds only names, types and the signature text.
 *
 * A signature is read once per (function, set of given options) and turned into a plan. Its grammar:
 *
 *   sig     = op params [ "|" options ] ">" result
 *   op      = "f"  call what `name` names                                "numpy:mean"
 *             "m"  call a method of the first argument                   "numpy:ndarray.reshape"  -> .reshape
 *             "g"  read an attribute of the first argument               "pandas:DataFrame.shape" -> .shape
 *             "s"  set it to the second argument
 *             "c"  read what `name` names (module variable, class attribute)
 *             "x"  a special method of the first argument, as its operator or built-in function does it
 *                  ("__len__" is len(a), "__add__" is a + b, "__getitem__" is a[b], "__call__" is a(...))
 *   params  = [ param { "," param } ]                 the required ones, in C order: one sb_slot each
 *   options = [ option { "," option } ]               fields of the options struct, in order, after `site`
 *   param   = [ mark ] type ":" name
 *   option  = [ mark ] type ":" name [ "@" field ]   field: the C field's name where it is not Python's ("class@class_")
 *   mark    = "="   by keyword (a keyword-only parameter; every option is by keyword unless marked)
 *             "/"   an option that Python takes by position only
 *   type    = code [ "?" ] [ "{" detail "}" ]         "?": None may stand here
 *   result  = type | "(" type { "," type } ")"        a struct of these, in order
 *
 *   code  C parameter          C option field   C result     Python
 *   i     int64_t              int64_t          int64_t      int (or __index__)
 *   d     double               double           double       float (or an int that fits exactly)
 *   b     bool                 bool             bool         bool
 *   s     const char * .s      const char *     sb_str       str
 *   y     const sb_bytes *     sb_bytes         sb_bytes     bytes
 *   e     int (enum)           int (enum)       int (enum)   Literal: one of `detail`, counted from 1
 *   o     sb_object            sb_object        sb_object    an object; detail: its class, "pandas:DataFrame"
 *   v     const sb_value *     sb_value         sb_value     anything
 *   a     const sb_args *      -                -            *args
 *   k     -                    sb_value         -            **kwargs, a dict value
 *   n     -                    -                void         None, or nobody looks at it
 *
 * Enum results are int in the C ABI of sb_run_e and cast by generated code. "o?" as a result gives id 0 for None and
 * waits for the reply; "o" does not wait. detail of "e": literals divided by ";", each with a letter in front,
 * s (str), i (int), b (bool: 0, 1), n (None), the text percent-encoded (%XX) but for A-Z a-z 0-9 _ - . and bytes
 * over 0x7f: "e{sleft;sright;snull%3bvalue}". A name or class path is "module:qualname".
 */
#ifndef SNAKEBRIDGE_GEN_H
#define SNAKEBRIDGE_GEN_H

#include "snakebridge.h"

#if defined __GNUC__ && !defined __clang__
#pragma GCC system_header /* __VA_OPT__ is standard only since C23 and C++20 */
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_fn {
    const char *name, *sig;
} sb_fn;

/* In C, `x` as a value if its type is one of the associations, which give sb_wrap_'s tag; in C++ overloads do it. */
#define SB_TAKE_(x, ...) SB_TAKE_AS_(SB_CAT_(sb_x_, __COUNTER__), x, __VA_ARGS__)
#define SB_TAKE_AS_(v, x, ...)                                                                     \
    (__extension__({                                                                               \
        __auto_type v = (x);                                                                       \
        sb_wrap_(&v, _Generic((v), __VA_ARGS__));                                                  \
    }))

/* One required argument. */
typedef union sb_slot {
    int64_t i;
    double d;
    bool b;
    int e;
    const char *s;
    const sb_bytes *y;
    const sb_value *v;
    const sb_args *a;
    sb_object o;
} sb_slot;

/* Runs `fn`. `args` has a slot per required parameter (NULL if there is none); `site` is the call's place and, where
 * the function has options, the first member of its options struct: the fields that `site->given` names are passed, or,
 * where that is NULL (a struct filled by hand), those that are not zero. Each returns the zero of its type after an
 * error. */
SB_API void sb_run_n(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args);
SB_API int64_t sb_run_i(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args);
SB_API double sb_run_d(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args);
SB_API bool sb_run_b(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args);
SB_API sb_str sb_run_s(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args);
SB_API sb_bytes sb_run_y(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args);
SB_API int sb_run_e(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args);
SB_API sb_object sb_run_o(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args);
SB_API sb_value sb_run_v(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args);
/* `result` points to a struct with a member per type between the parentheses; it is zeroed after an error. */
SB_API void sb_run_t(sb_session *py, const sb_fn *fn, const sb_site *site, const sb_slot *args,
                     void *result);

/* Runs `fn` as sb_submit does: returns at once, with an object for its result, whatever that is ("o{class}" is checked as
 * by sb_run_o). */
SB_API sb_object sb_run_submit(sb_session *py, const sb_fn *fn, const sb_site *site,
                               const sb_slot *args);
/* ---- C functions that Python calls ---- */

/* One argument of such a call: i d b s y v o as the codes above. */
typedef union sb_taken {
    int64_t i;
    double d;
    bool b;
    sb_str s;
    sb_bytes y;
    sb_value v;
    sb_object o;
} sb_taken;
/* Takes the arguments of a call from Python as `types` ("d,s,o{demo:Point}") says, into `taken`, which has as many. False
 * after an error, which is TypeError in Python if their number or kind is another, OverflowError if one does not fit.
 * `name` is what such an error calls the function. */
SB_API bool sb_take_args(sb_session *py, const char *name, const char *types, const sb_value *args,
                         size_t count, sb_taken *taken);

/* Checked downcast: `v` as an object of the class "module:qualname"; SB_E_TYPE if it is not an instance. */
SB_API sb_object sb_cast(sb_session *py, const sb_site *site, const char *class_name, sb_value v);

/* A typed C function as a Python callable. `trampoline` gets Python's arguments (as an sb_callback does), and calls
 * `function` after a cast to its own type, for instance for `double (*)(sb_session *, double, double, void *)`:
 *
 *   static inline sb_value f_(sb_session *py, const sb_value *a, size_t n, void (*f)(void), void *user)
 *   {
 *       if (!sb_takes(py, a, n, 2))
 *           return SB_NONE;
 *       double x = sb_as_double(py, a[0]), y = sb_as_double(py, a[1]);
 *       if (sb_failed(py))
 *           return SB_NONE;
 *       return sb_from_double(((double (*)(sb_session *, double, double, void *))f)(py, x, y, user));
 *   }
 *
 * `name` is its __name__, a text that stays; `signature` what inspect.signature tells, "(x, y, /)", or NULL. The rest as
 * sb_function. */
typedef sb_value (*sb_trampoline)(sb_session *py, const sb_value *args, size_t count,
                                  void (*function)(void), void *user);
SB_API sb_object sb_typed_function(sb_session *py, const sb_site *site, const char *name,
                                   const char *signature, void (*function)(void),
                                   sb_trampoline trampoline, void *user, void (*drop)(void *user));
/* Whether a callback was given just `n` positional arguments; else raises TypeError. */
SB_API bool sb_takes(sb_session *py, const sb_value *args, size_t count, size_t n);

/* A macro X_submit passes the text of its options with this in front: the call does not wait. */
#define SB_LATER_ "\1"
/* The object of the call that `call`, whose result is none, has just submitted. */
#define SB_SUBMITTED_(py, call) ((void)(call), sb_submitted_(py))
SB_API sb_object sb_submitted_(sb_session *py);

#ifdef __cplusplus
}
namespace sb_
{
/* What a parameter that takes a C function of type F may be given, as a value; Make is the function that makes a callable
 * of one. */
template <class F, sb_object (*Make)(sb_session *, F, void *, void (*)(void *), const sb_site *)>
struct taker {
    sb_session *py;
    const sb_site *at;
    sb_value operator()(F f) const
    {
        return f ? sb_from_object(Make(py, f, nullptr, nullptr, at)) : SB_NONE;
    }
    sb_value operator()(sb_value v) const { return v; }
    sb_value operator()(sb_object o) const { return sb_from_object(o); }
    template <class H> auto operator()(H h) const -> decltype(sb_from_object(h.object))
    {
        return sb_from_object(h.object);
    }
};
} // namespace sb_
#define SB_TAKE_FN_(py, f, T, make) (::sb_::taker<T, make> { py, SB_SITE_("") }(f))
#else
/* In C: `f` as a value if it is a function of type T, of which `make` makes a callable, a Python object, or a value. */
#define SB_TAKE_FN_(py, f, T, make) SB_TAKE_FN_AS_(SB_CAT_(sb_x_, __COUNTER__), py, f, T, make)
#define SB_TAKE_FN_AS_(v, py, f, T, make)                                                          \
    (__extension__({                                                                               \
        __auto_type v = (f);                                                                       \
        _Static_assert(SB_FN_TAG_(v, T),                                                           \
                       "neither a C function of the type " #T " nor a Python object");             \
        SB_FN_TAG_(v, T) != 'f' ? sb_wrap_(&v, SB_FN_TAG_(v, T))                                   \
        : *(T *)(void *)&v                                                                         \
            ? sb_from_object((make)(py, *(T *)(void *)&v, NULL, NULL, SB_SITE_("")))               \
            : SB_NONE;                                                                             \
    }))
#define SB_FN_TAG_(v, T)                                                                           \
    _Generic((v), T: 'f', sb_value: 'v', sb_object: 'o',                                           \
        default: __builtin_classify_type(v) == 13 && sizeof(v) == sizeof(sb_object) ? 'o' : 0)
#endif
#endif
