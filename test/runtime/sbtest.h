/* SPDX-License-Identifier: MIT
 *
 * Bindings of py/sbtest.py as a generator would write them, for tests that do not need the generator. */
#ifndef SBTEST_H
#define SBTEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <snakebridge.h>
#include <snakebridge_gen.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __clang__
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#else
#pragma GCC system_header /* as generated headers do: an empty "..." is standard only since C23 */
#endif

typedef union sbtest_Box {
    sb_object object;
} sbtest_Box;
typedef union sbtest_Crate {
    sb_object object;
    sbtest_Box as_Box;
} sbtest_Crate;

typedef struct sbtest_head_opts {
    sb_site site;
    SB_GUARD_(only_by_name_)
    int64_t n;
    bool ascending;
    double alpha;
    const char *name;
    sb_value of;
} sbtest_head_opts;
static inline sb_str sbtest_head(sb_session *py, double x, const sbtest_head_opts *o_)
{
    static const sb_fn fn_ = { "sbtest:head", "fd:x|i:n,b:ascending,d:alpha,s?:name,v:of>s" };
    const sb_slot a_[] = { { .d = x } };
    return sb_run_s(py, &fn_, (const sb_site *)o_, a_);
}
#define sbtest_head(py, x, ...) \
    (sbtest_head)(py, x, SB_OPTS_(sbtest_head_opts, "" #__VA_ARGS__, __VA_ARGS__))

typedef struct sbtest_place_opts {
    sb_site site;
    SB_GUARD_(only_by_name_)
    int64_t b;
    int64_t c;
} sbtest_place_opts;
static inline sb_str sbtest_place(sb_session *py, int64_t a, const sbtest_place_opts *o_)
{
    static const sb_fn fn_ = { "sbtest:place", "fi:a|/i:b,/i:c>s" };
    const sb_slot a_[] = { { .i = a } };
    return sb_run_s(py, &fn_, (const sb_site *)o_, a_);
}
#define sbtest_place(py, a, ...) \
    (sbtest_place)(py, a, SB_OPTS_(sbtest_place_opts, "" #__VA_ARGS__, __VA_ARGS__))

static inline sbtest_Box sbtest_Box_new(sb_session *py, int64_t value, const sb_site *site_)
{
    static const sb_fn fn_ = { "sbtest:Box", "fi:value>o{sbtest:Box}" };
    const sb_slot a_[] = { { .i = value } };
    return (sbtest_Box) { sb_run_o(py, &fn_, site_, a_) };
}
#define sbtest_Box_new(py, value) (sbtest_Box_new)(py, value, SB_SITE_(""))

static inline sbtest_Crate sbtest_Crate_new(sb_session *py, int64_t value, const sb_site *site_)
{
    static const sb_fn fn_ = { "sbtest:Crate", "fi:value>o{sbtest:Crate}" };
    const sb_slot a_[] = { { .i = value } };
    return (sbtest_Crate) { .object = sb_run_o(py, &fn_, site_, a_) };
}
#define sbtest_Crate_new(py, value) (sbtest_Crate_new)(py, value, SB_SITE_(""))

static inline sbtest_Box sbtest_Box_add(sb_session *py, sbtest_Box self, int64_t n,
                                        const sb_site *site_)
{
    static const sb_fn fn_ = { "sbtest:Box.add", "mo:self,i:n>o{sbtest:Box}" };
    const sb_slot a_[] = { { .o = self.object }, { .i = n } };
    return (sbtest_Box) { sb_run_o(py, &fn_, site_, a_) };
}
#define sbtest_Box_add(py, self, n) (sbtest_Box_add)(py, self, n, SB_SITE_(""))

static inline int64_t sbtest_Box_value(sb_session *py, sbtest_Box self, const sb_site *site_)
{
    static const sb_fn fn_ = { "sbtest:Box.value", "go:self>i" };
    const sb_slot a_[] = { { .o = self.object } };
    return sb_run_i(py, &fn_, site_, a_);
}
#define sbtest_Box_value(py, self) (sbtest_Box_value)(py, self, SB_SITE_(""))

static inline void sbtest_Box_value_set(sb_session *py, sbtest_Box self, int64_t v,
                                        const sb_site *site_)
{
    static const sb_fn fn_ = { "sbtest:Box.value", "so:self,i:value>n" };
    const sb_slot a_[] = { { .o = self.object }, { .i = v } };
    sb_run_n(py, &fn_, site_, a_);
}
#define sbtest_Box_value_set(py, self, v) (sbtest_Box_value_set)(py, self, v, SB_SITE_(""))

static inline sbtest_Box sbtest_none_or_box(sb_session *py, bool yes, const sb_site *site_)
{
    static const sb_fn fn_ = { "sbtest:none_or_box", "fb:yes>o?{sbtest:Box}" };
    const sb_slot a_[] = { { .b = yes } };
    return (sbtest_Box) { sb_run_o(py, &fn_, site_, a_) };
}
#define sbtest_none_or_box(py, yes) (sbtest_none_or_box)(py, yes, SB_SITE_(""))

/* A function that is declared to return a Box, and does not. */
static inline sbtest_Box sbtest_wrong(sb_session *py, const sb_site *site_)
{
    static const sb_fn fn_ = { "sbtest:wrong", "f>o{sbtest:Box}" };
    return (sbtest_Box) { sb_run_o(py, &fn_, site_, NULL) };
}
#define sbtest_wrong(py) (sbtest_wrong)(py, SB_SITE_(""))

static inline sbtest_Box sbtest_boom_box(sb_session *py, const sb_site *site_)
{
    static const sb_fn fn_ = { "sbtest:boom", "f>o{sbtest:Box}" };
    return (sbtest_Box) { sb_run_o(py, &fn_, site_, NULL) };
}
#define sbtest_boom_box(py) (sbtest_boom_box)(py, SB_SITE_(""))

static inline double sbtest_wrong_double(sb_session *py, const sb_site *site_)
{
    static const sb_fn fn_ = { "sbtest:wrong", "f>d" };
    return sb_run_d(py, &fn_, site_, NULL);
}
#define sbtest_wrong_double(py) (sbtest_wrong_double)(py, SB_SITE_(""))

typedef struct sbtest_pair_result {
    double item0;
    int64_t item1;
} sbtest_pair_result;
static inline sbtest_pair_result sbtest_pair(sb_session *py, const sb_site *site_)
{
    static const sb_fn fn_ = { "sbtest:pair", "f>(d,i)" };
    sbtest_pair_result r_;
    sb_run_t(py, &fn_, site_, NULL, &r_);
    return r_;
}
#define sbtest_pair(py) (sbtest_pair)(py, SB_SITE_(""))

typedef struct sbtest_mixed_result {
    sb_str item0;
    sbtest_Box item1;
    sb_value item2;
    sb_value item3;
} sbtest_mixed_result;
static inline sbtest_mixed_result sbtest_mixed(sb_session *py, const sb_site *site_)
{
    static const sb_fn fn_ = { "sbtest:mixed", "f>(s,o{sbtest:Box},v,v)" };
    sbtest_mixed_result r_;
    sb_run_t(py, &fn_, site_, NULL, &r_);
    return r_;
}
#define sbtest_mixed(py) (sbtest_mixed)(py, SB_SITE_(""))

static inline double py_math_sqrt(sb_session *py, double x, const sb_site *site_)
{
    static const sb_fn fn_ = { "math:sqrt", "fd:x>d" };
    const sb_slot a_[] = { { .d = x } };
    return sb_run_d(py, &fn_, site_, a_);
}
#define py_math_sqrt(py, x) (py_math_sqrt)(py, x, SB_SITE_(""))

/* The error of `py` has this code and contains `text`; cleared. */
static inline void expect_error(sb_session *py, sb_code code, const char *type, const char *text)
{
    const sb_error *e = sb_get_error(py);
    assert_non_null(e);
    if (e->code != code || (type && strcmp(e->type, type)) || (text && !strstr(e->message, text)))
        fail_msg("expected %s %s \"%s\", got %s %s \"%s\"\n%s", sb_code_name(code),
                 type ? type : "", text ? text : "", sb_code_name(e->code), e->type, e->message,
                 e->traceback);
    sb_clear_error(py);
    assert_false(sb_failed(py));
}

static inline void expect_fine(sb_session *py)
{
    if (sb_failed(py)) {
        sb_print_error(py, stderr);
        fail();
    }
}

static inline int64_t boxes_alive(sb_session *py)
{
    return sb_as_int(py, sb_call(py, "sbtest.alive"));
}

/* Seconds on a clock that only goes on. */
static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline int open_descriptors(void)
{
    int n = 0;
    DIR *all = opendir("/proc/self/fd");
    while (all && readdir(all))
        n++;
    if (all)
        closedir(all);
    return n;
}

#endif
