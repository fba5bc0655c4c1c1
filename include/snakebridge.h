/* SPDX-License-Identifier: MIT
 *
 * snakebridge.h - call Python from C (C11) and C++ (C++20), through typed bindings or by name.
 *
 *   sb_session *py = sb_open();
 *   double x = py_math_sqrt(py, 2.0);                                  typed, from py/math.h
 *   double y = sb_as_double(py, sb_call(py, "math.hypot", 3, 4));      the same by name
 *   return sb_close(py);                                               prints an error nobody looked at
 *
 * Errors.   The first error sticks to the session; until it is cleared every call returns a zero of its type and does
 *           nothing. Only sb_close, the ends of scopes and of SB_WITH, sb_keep and sb_release still act. Test sb_failed() before a
 *           side effect of your own and in every loop whose end depends on a Python result.
 * Memory.   Arguments are borrowed for the call. Results (text, bytes, arrays, objects) belong to the innermost open
 *           SB_SCOPE, or to the session, and die with it; sb_keep moves one outwards, sb_release drops one early.
 * Threads.  A session, and what came out of it, is used by one thread at a time; a call from a second one meanwhile
 *           returns the zero of its type, leaves the first alone, and is reported. Different sessions are independent.
 */
#ifndef SNAKEBRIDGE_H
#define SNAKEBRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef SB_STRICT /* an int for a string, a wrong pointer: errors in this file, as gcc 14 and clang 16 have them */
#if defined __GNUC__ && !defined __cplusplus
#pragma GCC diagnostic error "-Wint-conversion"
#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#endif
#endif
#ifdef __clang__ /* not a system header to clang, which would then not check conversions in the macros' arguments */
#pragma clang diagnostic ignored "-Wgnu-empty-struct"
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#pragma clang diagnostic ignored "-Wgnu-empty-initializer"
#pragma clang diagnostic ignored "-Wgnu-statement-expression"
#pragma clang diagnostic ignored "-Wgnu-auto-type"
#pragma clang diagnostic ignored "-Woverlength-strings"
#elif defined __GNUC__
#pragma GCC system_header /* an empty "..." is standard only since C23 and C++20 */
#endif

#define SB_VERSION "0.1.0"
#define SB_ABI 1 /* changes when headers generated before would no longer work */
#ifndef SB_API
#define SB_API __attribute__((visibility("default")))
#endif
#define SB_PRINTF_(f, a) __attribute__((format(printf, f, a)))
#define SB_AUTO_(end) __attribute__((cleanup(end)))
#define SB_UNUSED_ __attribute__((unused))
/* Takes no room. The first value without a name would fill the first option, and in C `.axis = 0` the first member of an
 * sb_value (brace elision): this has none to fill. */
#ifdef __cplusplus
struct sb_guard_ {
};
#define SB_GUARD_(name) [[no_unique_address]] sb_guard_ name;
#else
#define SB_GUARD_(name)                                                                            \
    struct {                                                                                       \
    } name;
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- nouns ------------------------------------------------------------------------------------------------------ */

typedef struct sb_session sb_session; /* one user of Python: its objects, errors and scopes are its own */

/* A Python object that stays in Python. Generated classes are unions around it: `.object` is the untyped handle,
 * `.as_Base` a checked, free upcast. Id 0 means None only; whether a call failed, sb_failed tells. */
typedef struct sb_object {
    uint64_t id;
} sb_object;

/* Text and bytes: pointer and length. Text is UTF-8, may contain NULs, and always has one more NUL behind its end, so
 * that `.ptr` prints. After an error: {"", 0}. */
typedef struct sb_str {
    const char *ptr;
    size_t len;
} sb_str;
typedef struct sb_bytes {
    const unsigned char *ptr;
    size_t len;
} sb_bytes;

typedef enum sb_dtype {
    SB_DTYPE_NONE,
    SB_BOOL8,
    SB_INT8,
    SB_INT16,
    SB_INT32,
    SB_INT64,
    SB_UINT8,
    SB_UINT16,
    SB_UINT32,
    SB_UINT64,
    SB_FLOAT16,
    SB_FLOAT32,
    SB_FLOAT64,
    SB_COMPLEX64,
    SB_COMPLEX128
} sb_dtype;

/* An N-dimensional strided view. Strides are in bytes; all zero means C order. As an argument it is copied once, unless
 * its memory came from sb_array_new: that memory Python shares, changes in place, and may keep. As a result it is
 * `readonly`: memory of Python's, or a copy; who wants to change it takes sb_array_copy. */
#define SB_MAX_NDIM 8 /* what has more stays an object */
typedef struct sb_array {
    void *data;
    sb_dtype dtype;
    int32_t ndim;
    int64_t shape[SB_MAX_NDIM], strides[SB_MAX_NDIM];
    bool readonly;
} sb_array;

typedef enum sb_kind {
    SB_UNSET, /* zero: no value at all, which differs from None */
    SB_NONE_,
    SB_BOOL_,
    SB_INT_,
    SB_UINT_,   /* only beyond INT64_MAX */
    SB_BIGINT_, /* beyond 64 bits: decimal digits in `str` */
    SB_FLOAT_,
    SB_COMPLEX_,
    SB_STR_,
    SB_BYTES_,
    SB_LIST_,
    SB_TUPLE_,
    SB_SET_,
    SB_FROZENSET_,
    SB_DICT_,
    SB_ARRAY_,
    SB_OBJECT_,
    SB_KEYWORD_, /* only among arguments: SB_KW, sb_keyword */
    SB_FAILED_,  /* the result of a call that failed or was skipped */
    SB_DECIMAL_, /* in `str`, as Python's str() writes it: "1.50", "-0E+3", "NaN", "Infinity" */
    SB_FRACTION_, /* in `str`: "22/7", "3/1" */
    SB_DATETIME_,
    SB_DATE_,
    SB_TIME_,
    SB_TIMEDELTA_,
    SB_UUID_,
    SB_ENUM_,       /* `items`: the value, the member's name (None if it has none), the class "module:Class" */
    SB_NAMEDTUPLE_, /* `items`: `len` values; behind them `len` names, then the class "module:Class" */
    SB_RANGE_,      /* `items`: start, stop, step */
    SB_SLICE_,      /* the same */
    SB_ELLIPSIS_,
    SB_PATH_,       /* in `str`: what pathlib.Path() makes on the machine where Python runs */
    SB_DATETIME64_, /* of NumPy, in `ticks` */
    SB_TIMEDELTA64_
} sb_kind;

/* Points and spans of time as Python's datetime module has them: proleptic Gregorian calendar, years 1 to 9999. `offset` is in
 * seconds east of UTC; SB_NAIVE: without a time zone. `fold` is 1 for the second one of two equal wall times (PEP 495). */
#define SB_NAIVE INT32_MIN
typedef struct sb_datetime {
    int16_t year;
    uint8_t month, day, hour, minute, second, fold;
    uint32_t microsecond;
    int32_t offset;
} sb_datetime;
typedef struct sb_date {
    int16_t year;
    uint8_t month, day;
} sb_date;
typedef struct sb_time {
    uint8_t hour, minute, second, fold;
    uint32_t microsecond;
    int32_t offset;
} sb_time;
/* From Python: seconds 0 to 86399, microseconds 0 to 999999, and days of any sign. To Python: any. */
typedef struct sb_timedelta {
    int32_t days, seconds, microseconds;
} sb_timedelta;
typedef struct sb_uuid {
    uint8_t bytes[16]; /* most significant first */
} sb_uuid;
/* NumPy's datetime64 and timedelta64: `count` times `step` units, since 1970 or as a span. SB_NAT: not a time. */
#define SB_NAT INT64_MIN
typedef enum sb_unit {
    SB_UNIT_NONE, /* a timedelta64 or SB_NAT without a unit; `step` is 1 */
    SB_UNIT_YEAR,
    SB_UNIT_MONTH,
    SB_UNIT_WEEK,
    SB_UNIT_DAY,
    SB_UNIT_HOUR,
    SB_UNIT_MINUTE,
    SB_UNIT_SECOND,
    SB_UNIT_MS,
    SB_UNIT_US,
    SB_UNIT_NS,
    SB_UNIT_PS,
    SB_UNIT_FS,
    SB_UNIT_AS
} sb_unit;
typedef struct sb_ticks {
    int64_t count;
    int32_t step;
    sb_unit unit;
} sb_ticks;

/* A Python value held in C: 24 bytes, by value, copied freely; what it points to belongs to a scope (results) or to
 * the caller (arguments). */
typedef struct sb_value {
#ifndef __cplusplus /* there, no number becomes an sb_kind */
    SB_GUARD_(write_SB_around_it_)
#endif
    sb_kind kind;
    uint32_t reserved;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double f;
        double complex_[2];
        sb_str str;
        sb_bytes bytes;
        struct {
            const struct sb_value *ptr;
            size_t len; /* a dict: pairs; key, value, key, value lie behind `ptr`. SB_NAMEDTUPLE_: fields */
        } items;
        const sb_array *array;
        sb_object object;
        sb_datetime datetime;
        sb_date date;
        sb_time time;
        sb_timedelta timedelta;
        sb_uuid uuid;
        sb_ticks ticks;
    } as;
} sb_value;

/* Values with their count, as the macros make them. */
typedef struct sb_args {
    const sb_value *ptr;
    size_t len;
} sb_args;

/* The place of a call; filled in by the macros. */
typedef struct sb_site {
    const char *file;
    const char *given; /* the options as they were written, "" if there are none */
    int line;
} sb_site;

/* ---- sessions --------------------------------------------------------------------------------------------------- */

/* Written by `snakebridge generate` into py/_project.h: where a program finds its Python. Fields grow at the end. */
typedef struct sb_project {
    size_t size;
    const char *python;             /* interpreter of the environment, or NULL */
    const char *engine;             /* the engine's file, or NULL: beside the library */
    const char *transport;          /* "worker" or "inprocess", or NULL */
    const char *const *python_path; /* folders in front of sys.path; NULL-terminated, or NULL */
    const char *root;               /* the folder of pyproject.toml, or NULL */
    const char *libpython;          /* for "inprocess", or NULL: the interpreter is asked */
    const char *error_detail;       /* "plain" or "explained", or NULL */
} sb_project;
extern const sb_project sb_project_ __attribute__((weak, visibility("hidden")));

typedef struct sb_options {
    size_t size;               /* set by the macro */
    const sb_project *project; /* set by the macro */
    sb_site site;              /* set by the macro */
    const char *transport; /* "worker" or "inprocess"; NULL: $SNAKEBRIDGE_TRANSPORT, the project, "worker" */
    const char *python;    /* interpreter or environment; NULL: $SNAKEBRIDGE_PYTHON, the project, "python3" */
    double timeout;        /* seconds for every call; 0: none */
    bool exit_on_error;    /* for scripts: print the first error and exit(1) */
    bool quiet;            /* sb_close does not print an error that was never looked at */
    /* Called once for every first error, inside the call that fails. In it sb_failed, sb_get_error, sb_print_error and
     * sb_user tell about the error; everything else does nothing. */
    void (*on_error)(sb_session *py, void *user);
    void *user;
    /* What is printed of an error: "explained" adds what sb_explain has to say; "plain" does not. NULL:
     * $SNAKEBRIDGE_ERROR_DETAIL, the project, "plain" */
    const char *error_detail;
    /* A session that outlives sb_close, with its objects: opened again by this name, in the same pool and transport, it is
     * the same. One at a time has it open: who comes meanwhile waits, for at most `timeout` seconds (SB_E_TIMEOUT; 0: for
     * as long as it takes); the thread that has it open gets SB_E_BUSY. The settings are those of the last sb_open. */
    const char *name;
    sb_session *owner; /* when this session ends, the new one is released: see sb_session_release. NULL: none */
} sb_options;

/* Opens a session: sb_open(), sb_open(.timeout = 2, .quiet = true). Python starts on its first call. Never NULL but
 * for want of memory; what else fails is the session's first error. Ends with sb_close. */
SB_API sb_session *sb_open(const sb_options *options);
#define sb_open(...)                                                                               \
    (sb_open)(SB_STRUCT_(sb_options, .size = sizeof(sb_options), .project = &sb_project_,          \
                         .site = { __FILE__, "", __LINE__ }, __VA_ARGS__))

/* Releases everything the session holds and frees it. One with a name lives on, with the objects that are in no scope and its
 * submitted calls, until it is released; `py` is gone all the same. Returns 0, or 1 if an error was pending, which it prints on
 * stderr unless somebody looked at it or the session is quiet. NULL: returns 1. Scopes and SB_USING may
 * still be open in the block that closes: their ends do nothing then. */
SB_API int sb_close(sb_session *py);

/* The `user` of sb_open's options. */
SB_API void *sb_user(sb_session *py);

/* Which sessions: sb_session_release("cart-7", .pool = pool). */
typedef struct sb_session_filter {
    size_t size;          /* set by the macro */
    struct sb_pool *pool; /* those of this pool; NULL: of all */
} sb_session_filter;
/* Ends the sessions that have this name: sb_session_release("cart-7"). What they hold is dropped, and the name is free. One
 * that somebody has open fails from its next call on with SB_E_STALE, and ends when the call that is running, and blocks in
 * which C uses its objects (SB_WITH, SB_FOR, views of arrays), have ended. Returns how many there were. Any thread. */
SB_API size_t sb_session_release(const char *name, const sb_session_filter *filter);
#define sb_session_release(name, ...)                                                              \
    (sb_session_release)(name, SB_STRUCT_(sb_session_filter, .size = sizeof(sb_session_filter),    \
                                          __VA_ARGS__))
/* Calls `each` (NULL: none) for every session that has a name, in no order: as they were when this was called, so that `each`
 * may do anything, sb_session_release as well. `in_use`: somebody has it open. Returns how many; 0 for want of memory, too.
 * Any thread. */
SB_API size_t sb_session_names(void (*each)(const char *name, bool in_use, void *user), void *user,
                               const sb_session_filter *filter);
#define sb_session_names(each, user, ...)                                                          \
    (sb_session_names)(each, user,                                                                 \
                       SB_STRUCT_(sb_session_filter, .size = sizeof(sb_session_filter),            \
                                  __VA_ARGS__))

/* Settings for the calls in the rest of this block: SB_USING(py, .timeout = 0.5); */
typedef struct sb_using {
    size_t size;    /* set by the macro */
    sb_site site;   /* set by the macro */
    double timeout; /* seconds; 0: none */
} sb_using;

/* ---- errors ----------------------------------------------------------------------------------------------------- */

#define SB_CODES_(X)                                                                               \
    X(OK, 0, "no error")                                                                           \
    X(E_PYTHON, 1, "a Python exception")                                                           \
    X(E_TYPE, 2, "a value of another type than declared")                                          \
    X(E_RANGE, 3, "a value that does not fit")                                                     \
    X(E_TIMEOUT, 4, "the call's time ran out")                                                     \
    X(E_WORKER_DIED, 5, "the worker process ended")                                                \
    X(E_STALE, 6, "an object whose scope or worker is gone")                                       \
    X(E_SESSION, 7, "an object of another session")                                                \
    X(E_CONFIG, 8, "Python could not be started as configured")                                    \
    X(E_MEMORY, 9, "out of memory")                                                                \
    X(E_LIMIT, 10, "a documented limit was reached")                                               \
    X(E_PROTOCOL, 11, "the worker broke the protocol")                                             \
    X(E_MISUSE, 12, "a call that is not allowed here")                                             \
    X(E_SYSTEM, 13, "the operating system refused")                                                \
    X(E_BUSY, 14, "the worker is busy with the call whose callback this is")                         \
    X(E_CANCELLED, 15, "the call was cancelled")

typedef enum sb_code {
#define SB_CODE_(name, number, text) SB_##name = number,
    SB_CODES_(SB_CODE_)
#undef SB_CODE_
} sb_code;

typedef struct sb_error {
    sb_code code;
    const char *type;      /* "ValueError", "json.decoder.JSONDecodeError"; our own: "SB_E_TIMEOUT". Never NULL */
    const char *message;   /* never NULL */
    const char *traceback; /* the Python traceback or stack, or "" */
    const char *function;  /* "pandas.read_csv" */
    const char *file;      /* the C call */
    int line;
    uint64_t skipped;    /* calls that did nothing since */
    sb_object exception; /* id 0 if it did not come from Python; dies with the error unless sb_keep took it */
} sb_error;

/* True if an error is pending. Waits for the calls in flight. NULL, or another thread is inside: true. */
SB_API bool sb_failed(sb_session *py);
/* The pending error, or NULL; valid until it is cleared. Waits for the calls in flight. NULL session: SB_E_MISUSE. */
SB_API const sb_error *sb_get_error(sb_session *py);
/* Writes the pending error to `to`: "main.c:12: pandas.read_csv: FileNotFoundError: ...", then the traceback. */
SB_API void sb_print_error(sb_session *py, FILE *to);
SB_API void sb_clear_error(sb_session *py);
/* True, and the error is cleared, if the pending error is an instance of `type`: a Python exception class
 * ("KeyError", "json.JSONDecodeError"; subclasses match), a code ("SB_E_TIMEOUT"), or NULL for any. */
SB_API bool sb_catch(sb_session *py, const char *type);
/* "SB_E_TIMEOUT" for SB_E_TIMEOUT. */
SB_API const char *sb_code_name(sb_code code);

/* What is behind an error. These work while it is pending, and may ask Python; `e` is the pending error or one that they
 * gave, NULL: the pending one. What they give is valid until the error is cleared; an exception among it outlives that by
 * sb_keep, as the pending one does. Without an error, without an exception of Python's, or when Python cannot be asked any
 * more, there is nothing: NULL, 0, an empty list. A chain has 256 exceptions at most, each tells 200 frames: the first and
 * the last hundred. */
/* The exception behind it: __cause__ (raise ... from), and __context__ (the one that was being handled, also where `from`
 * hides it). Its `traceback` is its own part alone. */
SB_API const sb_error *sb_error_cause(sb_session *py, const sb_error *e);
SB_API const sb_error *sb_error_context(sb_session *py, const sb_error *e);
/* The exceptions in an exception group (3.11, or the package exceptiongroup): how many, and one by its place. */
SB_API size_t sb_error_count(sb_session *py, const sb_error *e);
SB_API const sb_error *sb_error_nth(sb_session *py, const sb_error *e, size_t i);
/* The texts added by add_note (3.11): a list. */
SB_API sb_value sb_error_notes(sb_session *py, const sb_error *e);

typedef struct sb_error_frame {
    const char *file, *function, *text; /* `text`: the source line, "" if it cannot be had */
    int line;
} sb_error_frame;
typedef struct sb_error_frames {
    const sb_error_frame *ptr; /* outermost first, as in a traceback */
    size_t len;
} sb_error_frames;
SB_API sb_error_frames sb_error_frames_of(sb_session *py, const sb_error *e);
/* The local variables of frame `i`: a dict of names and what repr() says of their values, clipped to about 1,000 characters;
 * 200 at most. */
SB_API sb_value sb_error_locals(sb_session *py, const sb_error *e, size_t i);

#define SB_WHYS_(X)                                                                                \
    X(SHAPE, 1, "shapes that do not fit")                                                          \
    X(DTYPE, 2, "dtypes that do not fit")                                                          \
    X(DEVICE, 3, "operands on different devices")                                                  \
    X(MEMORY, 4, "out of memory")                                                                  \
    X(INDEX, 5, "an index out of range")                                                           \
    X(KEY, 6, "a key that is not there")                                                           \
    X(DATA, 7, "data that cannot be used")                                                         \
    X(MODULE, 8, "a missing module")                                                               \
    X(KEYWORD, 9, "a wrong keyword")                                                               \
    X(ARGUMENTS, 10, "wrong arguments")                                                            \
    X(STATE, 11, "an object that is not ready")                                                    \
    X(VALUE, 12, "a value that cannot cross")                                                      \
    X(STALE, 13, "a stale handle")                                                                 \
    X(SESSION, 14, "an object of another session")                                                 \
    X(HANDLE, 15, "a handle whose call failed")                                                    \
    X(TIME, 16, "time that ran out")                                                               \
    X(WORKER, 17, "a worker that ended")                                                           \
    X(ATTRIBUTE, 18, "an attribute that is not there")

typedef enum sb_why {
#define SB_WHY_(name, number, text) SB_WHY_##name = number,
    SB_WHYS_(SB_WHY_)
#undef SB_WHY_
} sb_why;

typedef struct sb_error_field {
    const char *name, *text;
} sb_error_field;

/* What a person should know about an error; texts are never NULL. docs/errors.md lists the mistakes that are known, and
 * their fields. */
typedef struct sb_explanation {
    sb_why why;
    const char *kind;               /* of `why`: "shapes that do not fit" */
    const char *summary;            /* a sentence */
    const char *found, *expected;   /* "" if that is no question here */
    const char *const *suggestions; /* what to try, the likeliest first */
    size_t suggestion_count;
    const sb_error_field *fields; /* "operation", "left", "right", "asked", "free", ... */
    size_t field_count;
    const char *text; /* all of it as sb_print_error writes it */
    const sb_error *error; /* that it is about: the pending one, or what caused it */
} sb_explanation;

/* Explains the pending error; NULL if there is none, or nothing is known that its message does not say. Valid until the
 * error is cleared. Computed now, not when the error came; may ask Python for the failed call's signature and shapes. Works
 * in on_error, too. */
SB_API const sb_explanation *sb_explain(sb_session *py);
/* The text of a field of the explanation, or "". `x` may be NULL. */
SB_API const char *sb_explanation_field(const sb_explanation *x, const char *name);

/* ---- values ----------------------------------------------------------------------------------------------------- */

/* Each sets SB_E_TYPE or SB_E_RANGE and returns zero when `v` is something else. Numbers convert if exact; an object
 * (a NumPy scalar, a subclass of str, ...) is asked for its value. */
#define sb_as_bool(py, x) sb_as_bool_(py, SB_SITE_(""), SB(x))
#define sb_as_int(py, x) sb_as_int_(py, SB_SITE_(""), SB(x))
#define sb_as_double(py, x) sb_as_double_(py, SB_SITE_(""), SB(x))
#define sb_as_str(py, x) sb_as_str_(py, SB_SITE_(""), SB(x))
#define sb_as_bytes(py, x) sb_as_bytes_(py, SB_SITE_(""), SB(x))
/* A view of whatever has numbers in order (ndarray, buffer protocol, DLPack on the CPU, pandas column, list of numbers):
 * dtype and strides of the source, `readonly`, in the current scope, which keeps the Python object meanwhile. Large
 * arrays are not copied where it can be; small ones, and those of another byte order, are. SB_DATA wants C order:
 * sb_array_copy makes it. SB_E_TYPE says what has no view: objects, records, dates (datetime64: .view("int64")). */
#define sb_as_array(py, x) sb_as_array_(py, SB_SITE_(""), SB(x))
/* Whatever is such a thing for Python (a subclass as pandas.Timestamp, any time zone, NumPy's datetime64): its time zone
 * becomes its offset, which is all that C needs. What does not fit exactly (nanoseconds, a zone of half seconds) is SB_E_RANGE.
 * A date is no datetime. */
#define sb_as_datetime(py, x) sb_as_datetime_(py, SB_SITE_(""), SB(x))
#define sb_as_date(py, x) sb_as_date_(py, SB_SITE_(""), SB(x))
#define sb_as_time(py, x) sb_as_time_(py, SB_SITE_(""), SB(x))
#define sb_as_timedelta(py, x) sb_as_timedelta_(py, SB_SITE_(""), SB(x))
/* The Python object for `x`: made from it if it is plain data. */
#define sb_as_object(py, x) sb_as_object_(py, SB_SITE_(""), SB(x))
/* A deep copy as plain data: of list, dict, set, array and their subclasses, bytearray, memoryview, deque, views of a dict, and
 * dataclasses (a dict of the fields); what has no C form stays an object in it (docs/values.md). What contains itself is
 * SB_E_TYPE, what is nested more than 500 deep SB_E_LIMIT, both with the place. */
#define sb_fetch(py, x) sb_fetch_(py, SB_SITE_(""), SB(x))

static inline bool sb_is_none(sb_value v) { return v.kind == SB_NONE_; }
static inline bool sb_is_unset(sb_value v) { return v.kind == SB_UNSET; }

/* len(x), x[i] and x.get(key), of plain data or of an object. sb_get is unset if there is no such key. */
#define sb_count(py, x) sb_count_(py, SB_SITE_(""), SB(x))
#define sb_nth(py, x, i) sb_nth_(py, SB_SITE_(""), SB(x), i)
#define sb_get(py, x, key) sb_get_(py, SB_SITE_(""), SB(x), SB(key))

/* A value in one piece: fields that are written one by one and then copied stall a processor. */
#ifdef __cplusplus
#define SB_VALUE_(k, member, ...) (sb_value { .kind = (k), .reserved = 0, .as = { .member = __VA_ARGS__ } })
#else
#define SB_VALUE_(k, member, ...) ((sb_value) { .kind = (k), .reserved = 0, .as = { .member = __VA_ARGS__ } })
#endif
static inline sb_value sb_of_kind_(sb_kind k)
{
    return SB_VALUE_(k, complex_, { 0, 0 });
}
static inline sb_value sb_from_bool(bool x)
{
    return SB_VALUE_(SB_BOOL_, u, x);
}
static inline sb_value sb_from_int(int64_t x)
{
    return SB_VALUE_(SB_INT_, i, x);
}
static inline sb_value sb_from_uint(uint64_t x)
{
    return SB_VALUE_(x > INT64_MAX ? SB_UINT_ : SB_INT_, u, x);
}
static inline sb_value sb_from_double(double x)
{
    return SB_VALUE_(SB_FLOAT_, complex_, { x, 0 });
}
static inline sb_value sb_from_complex(double re, double im)
{
    return SB_VALUE_(SB_COMPLEX_, complex_, { re, im });
}
static inline sb_value sb_from_str(sb_str x)
{
    return SB_VALUE_(SB_STR_, str, x);
}
static inline sb_value sb_from_cstr(const char *x)
{
    return SB_VALUE_(x ? SB_STR_ : SB_NONE_, str, { x, x ? __builtin_strlen(x) : 0 });
}
static inline sb_value sb_from_bytes(sb_bytes x)
{
    return SB_VALUE_(SB_BYTES_, bytes, x);
}
static inline sb_value sb_from_object(sb_object x)
{
    return SB_VALUE_(x.id ? SB_OBJECT_ : SB_NONE_, object, x);
}
static inline sb_value sb_from_array(const sb_array *x)
{
    return SB_VALUE_(x ? SB_ARRAY_ : SB_NONE_, array, x);
}
/* An integer of any size by its decimal digits, with a sign or without. */
static inline sb_value sb_from_digits(const char *digits)
{
    sb_value v = sb_from_cstr(digits);
    v.kind = SB_BIGINT_;
    return v;
}

/* A decimal.Decimal by its digits ("1.50", "-1E+7", "Infinity", "NaN"), a fractions.Fraction ("22/7", "3"), a pathlib.Path. The
 * text is borrowed; NULL is None. What is none of these is SB_E_TYPE where it is used. */
static inline sb_value sb_text_of_kind_(sb_kind kind, const char *text)
{
    sb_value v = sb_from_cstr(text);
    if (text)
        v.kind = kind;
    return v;
}
static inline sb_value sb_from_decimal(const char *x) { return sb_text_of_kind_(SB_DECIMAL_, x); }
static inline sb_value sb_from_fraction(const char *x) { return sb_text_of_kind_(SB_FRACTION_, x); }
static inline sb_value sb_from_path(const char *x) { return sb_text_of_kind_(SB_PATH_, x); }
/* A date that does not exist (2023-02-30) is SB_E_RANGE where it is used. */
static inline sb_value sb_from_datetime(sb_datetime x)
{
    sb_value v = sb_of_kind_(SB_DATETIME_);
    v.as.datetime = x;
    return v;
}
static inline sb_value sb_from_date(sb_date x)
{
    sb_value v = sb_of_kind_(SB_DATE_);
    v.as.date = x;
    return v;
}
static inline sb_value sb_from_time(sb_time x)
{
    sb_value v = sb_of_kind_(SB_TIME_);
    v.as.time = x;
    return v;
}
static inline sb_value sb_from_timedelta(sb_timedelta x)
{
    sb_value v = sb_of_kind_(SB_TIMEDELTA_);
    v.as.timedelta = x;
    return v;
}
static inline sb_value sb_from_uuid(sb_uuid x)
{
    sb_value v = sb_of_kind_(SB_UUID_);
    v.as.uuid = x;
    return v;
}
static inline sb_value sb_from_datetime64(sb_ticks x)
{
    sb_value v = sb_of_kind_(SB_DATETIME64_);
    v.as.ticks = x;
    return v;
}
static inline sb_value sb_from_timedelta64(sb_ticks x)
{
    sb_value v = sb_of_kind_(SB_TIMEDELTA64_);
    v.as.ticks = x;
    return v;
}

#define SB_NONE (sb_of_kind_(SB_NONE_))
#define SB_ELLIPSIS (sb_of_kind_(SB_ELLIPSIS_)) /* ... */
#define SB_TRUE (sb_from_bool(true)) /* in C before C23, true and a == b are ints: SB_TRUE, (bool)(a == b) */
#define SB_FALSE (sb_from_bool(false))

/* Containers in the memory of the current scope: SB_LIST(py, 1, "two", df), SB_DICT(py, "key", 1, "other", 2.5).
 * Up to 64 places; more: sb_list_new with sb_push, or sb_put for a dict. */
#define SB_LIST(py, ...) sb_items_(py, SB_SITE_(""), SB_LIST_, SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__))
#define SB_TUPLE(py, ...) sb_items_(py, SB_SITE_(""), SB_TUPLE_, SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__))
#define SB_SET(py, ...) sb_items_(py, SB_SITE_(""), SB_SET_, SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__))
#define SB_FROZENSET(py, ...) sb_items_(py, SB_SITE_(""), SB_FROZENSET_, SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__))
#define SB_DICT(py, ...) sb_items_(py, SB_SITE_(""), SB_DICT_, SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__))
/* slice(start, stop, step) and range(...), as in sb_item(py, x, SB_SLICE(py, SB_NONE, 5, SB_NONE)). */
#define SB_SLICE(py, start, stop, step) sb_items_(py, SB_SITE_(""), SB_SLICE_, SB_ARGS_(0, start, stop, step))
#define SB_RANGE(py, start, stop, step) sb_items_(py, SB_SITE_(""), SB_RANGE_, SB_ARGS_(0, start, stop, step))
/* A member of an Enum by its name, SB_ENUM(py, "shop:Color", "RED"); a namedtuple, SB_NAMEDTUPLE(py, "shop:Point", "x", 1, "y", 2),
 * whose names must be those of the class. */
#define SB_ENUM(py, cls, name) sb_items_(py, SB_SITE_(""), SB_ENUM_, SB_ARGS_(0, SB_NONE, name, cls))
#define SB_NAMEDTUPLE(py, cls, ...) sb_items_(py, SB_SITE_(""), SB_NAMEDTUPLE_, SB_ARGS_(0, cls __VA_OPT__(, ) __VA_ARGS__))
SB_API sb_value sb_items_(sb_session *py, const sb_site *at, sb_kind kind, sb_args items);
/* An empty list, tuple, set or dict with room for `capacity` items or pairs. */
#define sb_list_new(py, kind, capacity) sb_list_new_(py, SB_SITE_(""), kind, capacity)
SB_API sb_value sb_list_new_(sb_session *py, const sb_site *at, sb_kind kind, size_t capacity);
#define sb_push(py, list, x) sb_push_(py, SB_SITE_(""), list, SB(x))
#define sb_put(py, dict, key, x) sb_put_(py, SB_SITE_(""), dict, SB(key), SB(x))

/* ---- arrays ----------------------------------------------------------------------------------------------------- */

/* Zeroed memory of the current scope: sb_array_new(py, dtype, ndim, shape), where `shape` has `ndim` (0 to 8) lengths >= 0.
 * Where shared memory is to be had, it is passed to Python without a copy: Python sees what C writes, and C what Python
 * writes; what Python keeps of it stays valid after the scope. It takes whole pages. SB_E_RANGE, SB_E_MEMORY. */
#define sb_array_new(py, dtype, ndim, ...) sb_array_new_(py, SB_SITE_(""), dtype, ndim, __VA_ARGS__)
SB_API sb_array sb_array_new_(sb_session *py, const sb_site *at, sb_dtype dtype, int ndim,
                              const int64_t *shape);
SB_API sb_array sb_array_view_(void *data, sb_dtype dtype, int ndim, const int64_t *shape);
/* The elements of `a` in C order, in memory as that of sb_array_new. SB_E_TYPE, SB_E_RANGE: `a` is no array. */
#define sb_array_copy(py, a) sb_array_copy_(py, SB_SITE_(""), a)
SB_API sb_array sb_array_copy_(sb_session *py, const sb_site *at, sb_array a);
/* The elements if `a` is C-ordered and of type T, and their count; NULL and SB_E_TYPE otherwise. */
#define SB_DATA(py, a, T, count) ((T *)sb_array_data_(py, SB_SITE_(""), a, SB_DTYPE_(T), count))

/* ---- calls by name ---------------------------------------------------------------------------------------------- */

/* sb_call(py, "numpy.mean", &a, SB_KW("axis", 0)). Immutable results come as values, others as objects in a value. */
#define sb_call(py, name, ...) sb_call_(py, SB_SITE_(""), name, SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__))
#define sb_method(py, x, name, ...) sb_method_(py, SB_SITE_(""), SB(x), name, SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__))
#define SB_KW(name, x) sb_keyword_(name), SB(x) /* a keyword argument of a dynamic call */
/* What `name` names: a module ("os.path") or what is in it ("math.pi", "pandas.DataFrame"). */
#define sb_import(py, name) sb_import_(py, SB_SITE_(""), name)
#define sb_attr(py, x, name) sb_attr_(py, SB_SITE_(""), SB(x), name)
#define sb_set_attr(py, x, name, v) sb_set_attr_(py, SB_SITE_(""), SB(x), name, SB(v))
#define sb_item(py, x, key) sb_item_(py, SB_SITE_(""), SB(x), SB(key))
#define sb_set_item(py, x, key, v) sb_set_item_(py, SB_SITE_(""), SB(x), SB(key), SB(v))
/* a op b: + - * / // % ** @ & | ^ << >> < <= == != > >= in is */
#define sb_op(py, a, op, b) sb_op_(py, SB_SITE_(""), SB(a), op, SB(b))
#define sb_is(py, a, b) sb_is_(py, SB_SITE_(""), SB(a), SB(b)) /* the same Python object? */
#define sb_del_attr(py, x, name) sb_del_attr_(py, SB_SITE_(""), SB(x), name)
#define sb_has_attr(py, x, name) sb_has_attr_(py, SB_SITE_(""), SB(x), name)
#define sb_del_item(py, x, key) sb_del_item_(py, SB_SITE_(""), SB(x), SB(key)) /* a slice, too: SB_SLICE */
#define sb_contains(py, x, item) sb_contains_(py, SB_SITE_(""), SB(x), SB(item)) /* item in x */
#define sb_truth(py, x) sb_truth_(py, SB_SITE_(""), SB(x)) /* bool(x): of a list, whether it has items */
#define sb_hash(py, x) sb_hash_(py, SB_SITE_(""), SB(x))
#define sb_repr(py, x) sb_repr_(py, SB_SITE_(""), SB(x))
#define sb_callable(py, x) sb_callable_(py, SB_SITE_(""), SB(x))
/* `type`: the name of a class ("int", "pandas.DataFrame"), or a class, or a tuple of classes. */
#define sb_isinstance(py, x, type) sb_isinstance_(py, SB_SITE_(""), SB(x), SB(type))
/* Calls an object: sb_apply(py, function, 1, SB_KW("key", 2)). */
#define sb_apply(py, f, ...) sb_apply_(py, SB_SITE_(""), SB(f), SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__))
/* A few lines of Python with variables: sb_eval(py, "a + b", SB_KW("a", 1), SB_KW("b", 2)) gives the value of an expression,
 * sb_exec(py, "c = a * 2", SB_KW("a", 1)) a dict of the variables at the end. Each call has a namespace of its own;
 * `await` may be used. Never with text from somebody else. */
#define sb_eval(py, source, ...) sb_eval_(py, SB_SITE_(""), source, SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__))
#define sb_exec(py, source, ...) sb_exec_(py, SB_SITE_(""), source, SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__))
/* importlib.reload: the module, whose functions later calls find anew. Older objects keep their classes. */
#define sb_reload(py, module) sb_reload_(py, SB_SITE_(""), SB(module))
#define sb_to_str(py, x) sb_to_str_(py, SB_SITE_(""), SB(x))   /* str(x) */
#define sb_print(py, x) sb_print_(py, SB_SITE_(""), SB(x))     /* print(x), on C's stdout */

SB_API sb_value sb_call_(sb_session *py, const sb_site *at, const char *name, sb_args args);
SB_API sb_value sb_method_(sb_session *py, const sb_site *at, sb_value x, const char *name,
                           sb_args args);
SB_API sb_value sb_import_(sb_session *py, const sb_site *at, const char *name);
SB_API sb_value sb_attr_(sb_session *py, const sb_site *at, sb_value x, const char *name);
SB_API void sb_set_attr_(sb_session *py, const sb_site *at, sb_value x, const char *name,
                         sb_value v);
SB_API sb_value sb_item_(sb_session *py, const sb_site *at, sb_value x, sb_value key);
SB_API void sb_set_item_(sb_session *py, const sb_site *at, sb_value x, sb_value key, sb_value v);
SB_API sb_value sb_op_(sb_session *py, const sb_site *at, sb_value a, const char *op, sb_value b);
SB_API bool sb_is_(sb_session *py, const sb_site *at, sb_value a, sb_value b);
SB_API void sb_del_attr_(sb_session *py, const sb_site *at, sb_value x, const char *name);
SB_API bool sb_has_attr_(sb_session *py, const sb_site *at, sb_value x, const char *name);
SB_API void sb_del_item_(sb_session *py, const sb_site *at, sb_value x, sb_value key);
SB_API bool sb_contains_(sb_session *py, const sb_site *at, sb_value x, sb_value item);
SB_API bool sb_truth_(sb_session *py, const sb_site *at, sb_value x);
SB_API int64_t sb_hash_(sb_session *py, const sb_site *at, sb_value x);
SB_API sb_str sb_repr_(sb_session *py, const sb_site *at, sb_value x);
SB_API bool sb_callable_(sb_session *py, const sb_site *at, sb_value x);
SB_API bool sb_isinstance_(sb_session *py, const sb_site *at, sb_value x, sb_value type);
SB_API sb_value sb_apply_(sb_session *py, const sb_site *at, sb_value f, sb_args args);
SB_API sb_value sb_eval_(sb_session *py, const sb_site *at, const char *source, sb_args variables);
SB_API sb_value sb_exec_(sb_session *py, const sb_site *at, const char *source, sb_args variables);
SB_API sb_value sb_reload_(sb_session *py, const sb_site *at, sb_value module);
SB_API sb_str sb_to_str_(sb_session *py, const sb_site *at, sb_value x);
SB_API void sb_print_(sb_session *py, const sb_site *at, sb_value x);

SB_API bool sb_as_bool_(sb_session *py, const sb_site *at, sb_value v);
SB_API int64_t sb_as_int_(sb_session *py, const sb_site *at, sb_value v);
SB_API double sb_as_double_(sb_session *py, const sb_site *at, sb_value v);
SB_API sb_str sb_as_str_(sb_session *py, const sb_site *at, sb_value v);
SB_API sb_bytes sb_as_bytes_(sb_session *py, const sb_site *at, sb_value v);
SB_API sb_array sb_as_array_(sb_session *py, const sb_site *at, sb_value v);
SB_API sb_datetime sb_as_datetime_(sb_session *py, const sb_site *at, sb_value v);
SB_API sb_date sb_as_date_(sb_session *py, const sb_site *at, sb_value v);
SB_API sb_time sb_as_time_(sb_session *py, const sb_site *at, sb_value v);
SB_API sb_timedelta sb_as_timedelta_(sb_session *py, const sb_site *at, sb_value v);
SB_API sb_object sb_as_object_(sb_session *py, const sb_site *at, sb_value v);
SB_API sb_value sb_fetch_(sb_session *py, const sb_site *at, sb_value v);
SB_API size_t sb_count_(sb_session *py, const sb_site *at, sb_value v);
SB_API sb_value sb_nth_(sb_session *py, const sb_site *at, sb_value v, size_t i);
SB_API sb_value sb_get_(sb_session *py, const sb_site *at, sb_value v, sb_value key);
SB_API void sb_push_(sb_session *py, const sb_site *at, sb_value *list, sb_value x);
SB_API void sb_put_(sb_session *py, const sb_site *at, sb_value *dict, sb_value key, sb_value x);
SB_API void *sb_array_data_(sb_session *py, const sb_site *at, sb_array a, sb_dtype dtype,
                            int64_t *count);

/* ---- C functions as Python callables ---------------------------------------------------------------------------- */

/* A C function for Python to call. It gets the positional arguments, then for each keyword argument its name (sb_keyword
 * finds one) and the value: immutable data by value, the rest as objects; they live until it returns. `py` starts without
 * an error and may be used for more calls; what error is left in it, or raised with sb_raise, is raised in Python instead
 * of the result. It runs on the thread that is inside a call of the session (in-process: on the thread of Python's that
 * has called it, while that one waits). It must return: no longjmp, no C++ exception. */
typedef sb_value (*sb_callback)(sb_session *py, const sb_value *args, size_t count, void *user);
#define SB_MAX_CALLBACKS 100 /* of a session, each inside a call of the one before; more is SB_E_LIMIT */
/* The Python callable for `call`, an object of the current scope: sb_function(py, compare, &state, NULL). `drop` (may be
 * NULL) is called with `user` once: when Python has let go of the callable and a call of the session returns, at the latest
 * in sb_close; at once, if the callable cannot be made. Calls of a session that has such functions wait for their results. */
#define sb_function(py, call, user, drop) sb_function_(py, SB_SITE_(#call), call, user, drop)
SB_API sb_object sb_function_(sb_session *py, const sb_site *at, sb_callback call, void *user,
                              void (*drop)(void *user));
/* Sets an error as if Python had raised it: sb_raise(py, "ValueError", "%d is odd", n). `type` names an exception class
 * that is made from a text, by its full name unless it is a builtin ("json.JSONDecodeError"). An error that is pending
 * stays. The text is cut after 1,023 bytes. */
#define sb_raise(py, type, ...) sb_raise_(py, SB_SITE_(""), type, __VA_ARGS__)
SB_API void sb_raise_(sb_session *py, const sb_site *at, const char *type, const char *format, ...)
    SB_PRINTF_(4, 5);
/* How many of a callback's arguments are positional: the first ones. */
static inline size_t sb_positional(const sb_value *args, size_t count)
{
    size_t n = 0;
    while (n < count && args[n].kind != SB_KEYWORD_)
        n++;
    return n;
}
/* A callback's argument with this keyword; unset if there is none. */
static inline sb_value sb_keyword(const sb_value *args, size_t count, const char *name)
{
    for (size_t i = sb_positional(args, count); i + 1 < count; i += 2)
        if (__builtin_strcmp(args[i].as.str.ptr, name) == 0)
            return args[i + 1];
    return sb_of_kind_(SB_UNSET);
}

/* ---- futures ---------------------------------------------------------------------------------------------------- */

/* sb_submit(py, "mod.f", 1, SB_KW("k", 2)): calls as sb_call does, but returns at once, with an object for the result,
 * whatever it is (sb_fetch makes a value of it). Any use of the object waits for it. Submitted calls of a session run in
 * order, one at a time, as all its calls do: what shall overlap goes to sessions of its own. The time limit counts from
 * here. An error is the session's as soon as something waits. When 250 calls are in flight, or arguments find no room
 * behind a call that runs, it waits for those before it. In-process, it runs on another thread. It cannot call C functions
 * (sb_function), and in one, nothing can be submitted. */
#define sb_submit(py, name, ...) sb_submit_(py, SB_SITE_(""), name, SB_ARGS_(0 __VA_OPT__(, ) __VA_ARGS__))
SB_API sb_object sb_submit_(sb_session *py, const sb_site *at, const char *name, sb_args args);
/* Whether the call that makes `o` has ended, well or not: what became of it, sb_failed tells. Waits for at most `seconds`
 * (0: only looks; < 0: for ever). True also if `o` needs no waiting or an error is pending. */
#define sb_wait(py, o, seconds) sb_wait_(py, SB_SITE_(""), o, seconds)
SB_API bool sb_wait_(sb_session *py, const sb_site *at, sb_object o, double seconds);
/* Cancels the submitted call that makes `o`; with id 0, what the session runs now, or, if others' calls are before it,
 * is about to. A call that has not begun never will; in one that runs, snakebridge.Cancelled is raised, once: code that
 * swallows it, and native code until it returns, go on. Then the error is SB_E_CANCELLED. A call that has ended is left
 * alone, and so is the next one. From any thread, while the session is open. */
SB_API void sb_cancel(sb_session *py, sb_object o);
/* A descriptor for poll, epoll and the like: readable when a submitted call has ended that nothing has waited for yet
 * (ask sb_wait(py, o, 0)), and when the worker is gone. The session's: not to be read, written or closed. -1: an error. */
SB_API int sb_fd(sb_session *py);

/* ---- scopes ----------------------------------------------------------------------------------------------------- */

/* Results made in the rest of this block die at its end, however it is left (break, return, goto): SB_SCOPE(py);
 * Never jump forward over one. longjmp, exit and pthread_exit run no cleanup. */
#define SB_SCOPE(py)                                                                               \
    sb_scope SB_CAT_(sb_scope_, __COUNTER__) SB_UNUSED_ SB_AUTO_(sb_scope_close) = sb_scope_open(py)
typedef struct sb_scope {
    sb_session *py;
    uint32_t depth;
} sb_scope;
SB_API sb_scope sb_scope_open(sb_session *py);
SB_API void sb_scope_close(sb_scope *scope); /* closes the scopes inside it too */

/* Move a result to the scope around the innermost one; they return it, text with its new place. The exception of the
 * pending error goes there, too, and outlives the error: then its attributes can be asked for. */
SB_API sb_object sb_keep(sb_session *py, sb_object o);
#define sb_keep_str(py, ...) sb_keep_str_(py, SB_SITE_(""), __VA_ARGS__)
#define sb_keep_value(py, ...) sb_keep_value_(py, SB_SITE_(""), __VA_ARGS__)
SB_API sb_str sb_keep_str_(sb_session *py, const sb_site *at, sb_str s);
SB_API sb_value sb_keep_value_(sb_session *py, const sb_site *at, sb_value v);
#define sb_keep_array(py, ...) sb_keep_array_(py, SB_SITE_(""), __VA_ARGS__) /* a view's owner moves with it */
SB_API sb_array sb_keep_array_(sb_session *py, const sb_site *at, sb_array a);
/* Drops an object before its scope ends. Id 0: nothing. */
SB_API void sb_release(sb_session *py, sb_object o);

typedef struct sb_used {
    sb_session *py;
    double timeout;
} sb_used;
SB_API sb_used sb_using_begin_(sb_session *py, const sb_using *u);
SB_API void sb_using_end_(sb_used *used);
#define SB_USING(py, ...)                                                                          \
    sb_used SB_CAT_(sb_using_, __COUNTER__) SB_UNUSED_ SB_AUTO_(sb_using_end_) = sb_using_begin_(  \
        py, SB_STRUCT_(sb_using, .size = sizeof(sb_using), .site = { __FILE__, "", __LINE__ },     \
                       __VA_ARGS__))

/* ---- iteration -------------------------------------------------------------------------------------------------- */

/* SB_FOR(py, T, item, iterable) ...: for item in iterable. T: double, int64_t, bool, sb_str, sb_bytes, sb_value, sb_object
 * or a generated class; an item of another type is SB_E_TYPE. `iterable` is an object or a value held in C (a dict gives
 * its keys). Each turn is a scope: sb_keep moves a result out of the loop. It ends at an error, too. break, continue,
 * return and goto work; leaving early closes a generator at once, so that its `finally` runs.
 *   SB_FOR(py, sb_str, line, sb_call(py, "builtins.open", "log.txt"))
 *       puts(line.ptr);
 * Items are fetched ahead: 1, 2, 4 ... 256 at once, up to about 16 KiB and 1 ms of Python. Options follow: `.lazy = true`
 * runs each step only when its item is due; `.of = "module:Class"` is the class that handles must have. */
#define SB_FOR(py, T, name, iterable, ...)                                                         \
    for (sb_iter name##_iter_ SB_AUTO_(sb_iter_end_) =                                             \
             sb_iter_begin_(py,                                                                    \
                            SB_STRUCT_(sb_for, .size = sizeof(sb_for),                             \
                                       .site = { __FILE__, "", __LINE__ }, __VA_ARGS__),           \
                            SB(iterable), SB_TYPE_(T));                                            \
         !name##_iter_.turn && sb_iter_next_(&name##_iter_);)                                      \
        for (T name SB_UNUSED_ = *(const T *)(const void *)&name##_iter_.item; name##_iter_.turn;  \
             name##_iter_.turn = false)
typedef struct sb_for {
    size_t size;    /* set by the macro */
    sb_site site;   /* set by the macro */
    bool lazy;      /* never fetch ahead */
    const char *of; /* class of the items, or NULL: any */
} sb_for;
typedef struct sb_iter {
    sb_session *py;
    struct sb_iteration_ *state; /* NULL: there is nothing to do */
    bool turn;                   /* still set in front of a turn: the last one was left by break */
    union {
        double d;
        int64_t i;
        bool b;
        sb_str s;
        sb_bytes y;
        sb_value v;
        sb_object o;
    } item;
} sb_iter;
SB_API sb_iter sb_iter_begin_(sb_session *py, const sb_for *options, sb_value iterable, char type);
SB_API bool sb_iter_next_(sb_iter *it);
SB_API void sb_iter_end_(sb_iter *it);

/* One step of an iterator or generator: true, and its item is in *item. False at its end; then *item is the generator's
 * return value (None for other iterators). False after an error, with SB_FAILED_. */
#define sb_next(py, iterator, item) sb_next_(py, SB_SITE_(""), SB(iterator), item)
SB_API bool sb_next_(sb_session *py, const sb_site *at, sb_value iterator, sb_value *item);

/* ---- with ------------------------------------------------------------------------------------------------------- */

/* Enters a context manager for the rest of this block; `name` is a handle of what it gave: SB_WITH(py, file, py_open(py,
 * "log.txt")); It is left when the block is, however that happens (break, return, goto), and after an error, too: the
 * manager is told of the pending error, may suppress it, or fail with one of its own instead. An error that is no Python
 * exception is a snakebridge.Error there, with its `code`. Asynchronous managers are awaited. */
#define SB_WITH(py, name, manager)                                                                 \
    sb_with name##_with_ SB_UNUSED_ SB_AUTO_(sb_with_end_) =                                       \
        sb_with_begin_(py, SB_SITE_(""), SB(manager));                                             \
    const sb_object name SB_UNUSED_ = name##_with_.entered
typedef struct sb_with {
    sb_session *py; /* NULL: it was not entered */
    sb_site site;
    sb_object manager, entered;
    uint32_t attached;
} sb_with;
SB_API sb_with sb_with_begin_(sb_session *py, const sb_site *at, sb_value manager);
SB_API void sb_with_end_(sb_with *with);

/* ---- events ----------------------------------------------------------------------------------------------------- */

#define SB_EVENTS_(X)                                                                              \
    X(CALL_START, 0, "call.start")                                                                 \
    X(CALL_STOP, 1, "call.stop")                                                                   \
    X(CALL_EXCEPTION, 2, "call.exception")                                                         \
    X(SESSION_OPEN, 3, "session.open")                                                             \
    X(SESSION_CLOSE, 4, "session.close")                                                           \
    X(WORKER_START, 5, "worker.start")                                                             \
    X(WORKER_EXIT, 6, "worker.exit")

typedef enum sb_event_kind { /* may be or-ed together: sb_observe_options.kinds */
#define SB_EVENT_(name, bit, text) SB_EVENT_##name = 1 << bit,
    SB_EVENTS_(SB_EVENT_)
#undef SB_EVENT_
} sb_event_kind;

/* What an observer is told. Valid while it runs. Texts are never NULL: "" where there is nothing to say, as numbers are 0. Which
 * fields an event has is told in docs/events.md. Fields grow at the end. */
typedef struct sb_event {
    size_t size;
    sb_event_kind kind;
    const char *name; /* of `kind`: "call.stop" */
    int64_t time;     /* when it happened: nanoseconds since 1970 */
    /* Who. */
    const char *library;      /* "numpy" */
    const char *function;     /* "numpy.mean" */
    const char *operation;    /* what was done with it: "call", "method", "get", ... */
    const char *pool;         /* its name */
    const char *session_name; /* if it has one */
    uint32_t session;         /* a number that no other open session has */
    int32_t worker;           /* process id; 0: none yet, or in-process */
    const char *file;         /* the place of the call in C */
    int line;
    /* How much. */
    int64_t duration; /* nanoseconds */
    uint64_t bytes_sent, bytes_received, count;
    /* What came of it. */
    sb_code code;
    const char *type, *message; /* of an error, as in sb_error */
    const char *reason;         /* "closed"; "the worker (python3, process 12) was killed by SIGKILL" */
    uint64_t dropped; /* events that were lost before this one: they found no room */
} sb_event;

typedef struct sb_observe_options {
    size_t size; /* set by the macro */
    void (*event)(const sb_event *event, void *user);
    void *user;
    uint32_t kinds; /* SB_EVENT_CALL_STOP | SB_EVENT_WORKER_EXIT; 0: all */
    double sample;  /* the part of the calls that is told of, above 0 to 1; 0: all */
} sb_observe_options;
typedef struct sb_observer sb_observer;
#define SB_MAX_OBSERVERS 16

/* Has a function told of what happens: sb_observe(.event = tell, .kinds = SB_EVENT_CALL_STOP). Events of calls and
 * sessions are told on the thread that uses the session, inside its call; all others on a thread of the library's, in
 * order. The function may take its time, which is its thread's alone. It may not use the session that it is told of: that
 * does nothing there, and is the session's error SB_E_MISUSE afterwards. What it does with other sessions is not told to
 * anybody. Whether a call is told of, is decided when it starts: its start, and its stop or exception, or neither. Ends with
 * sb_observe_end, or with the process. NULL: there is no function, `sample` is out of range, there are SB_MAX_OBSERVERS, or
 * no thread or memory; which one is told to the log (sb_set_log). Any thread. */
SB_API sb_observer *sb_observe(const sb_observe_options *options);
#define sb_observe(...) (sb_observe)(SB_STRUCT_(sb_observe_options, .size = sizeof(sb_observe_options), __VA_ARGS__))
/* Ends it: waits until its function has been told of what had happened before, and has returned; it is not called again.
 * In an observer's function: SB_E_MISUSE, and nothing is done. NULL: nothing. Any thread. */
SB_API sb_code sb_observe_end(sb_observer *observer);
/* How many events of workers have been lost since the observer began, if it is told of such. Any thread. */
SB_API uint64_t sb_observe_dropped(const sb_observer *observer);

/* ---- the process ------------------------------------------------------------------------------------------------ */

/* Where the library reports what belongs to no call (use by two threads, a worker that died idle). `level` as in
 * syslog(3): 3 error, 4 warning, 6 info. Default: stderr, for levels up to 4. NULL restores it. Any thread. */
SB_API void sb_set_log(void (*log)(int level, const char *text, void *user), void *user);
/* Memory for everything the library allocates in C: realloc's contract, and free when `size` is 0. Before the first
 * sb_open only; later SB_E_MISUSE is returned, else SB_OK. */
SB_API sb_code sb_set_allocator(void *(*resize)(void *ptr, size_t size, void *user), void *user);
/* SB_VERSION of the library that is linked. */
SB_API const char *sb_version(void);

#define SB_CAT_(a, b) SB_CAT2_(a, b)
#define SB_CAT2_(a, b) a##b

#ifdef __cplusplus
} /* extern "C" */
#include <initializer_list>
#include <type_traits>
/* ---- C++: the same names through overloads and temporaries ------------------------------------------------------ */
inline sb_value SB(bool x) { return sb_from_bool(x); }
inline sb_value SB(int x) { return sb_from_int(x); }
inline sb_value SB(long x) { return sb_from_int(x); }
inline sb_value SB(long long x) { return sb_from_int(x); }
inline sb_value SB(unsigned x) { return sb_from_uint(x); }
inline sb_value SB(unsigned long x) { return sb_from_uint(x); }
inline sb_value SB(unsigned long long x) { return sb_from_uint(x); }
inline sb_value SB(float x) { return sb_from_double(static_cast<double>(x)); }
inline sb_value SB(double x) { return sb_from_double(x); }
inline sb_value SB(const char *x) { return sb_from_cstr(x); }
inline sb_value SB(sb_str x) { return sb_from_str(x); }
inline sb_value SB(sb_bytes x) { return sb_from_bytes(x); }
inline sb_value SB(sb_object x) { return sb_from_object(x); }
inline sb_value SB(const sb_array *x) { return sb_from_array(x); }
inline sb_value SB(sb_value x) { return x; }
sb_value SB(char x) = delete;
sb_value SB(const void *) = delete; /* else any pointer becomes a bool */
template <class H> auto SB(H h) -> decltype(sb_from_object(h.object))
{
    static_assert(sizeof(H) == sizeof(sb_object), "not a handle");
    return sb_from_object(h.object);
}
namespace sb_
{
template <class T> const T *addr(const T &t) { return &t; } /* lives to the end of the full expression */
template <size_t N> struct argv {
    sb_value v[N + 1];
    size_t n;
    operator sb_args() const { return sb_args { v, n }; }
};
template <size_t N, class... R>
void fill(sb_value *v, size_t &n, const char (&x)[N], const R &...rest);
inline void fill(sb_value *, size_t &) {}
template <class T, class... R> void fill(sb_value *v, size_t &n, const T &x, const R &...rest)
{
    v[n++] = SB(x);
    fill(v, n, rest...);
}
template <size_t N, class... R>
void fill(sb_value *v, size_t &n, const char (&x)[N], const R &...rest)
{
    v[n++] = sb_from_cstr(x);
    fill(v, n, rest...);
}
template <class... A> argv<sizeof...(A)> args(int, const A &...a)
{
    argv<sizeof...(A)> r {};
    fill(r.v, r.n, a...);
    return r;
}
template <class T> constexpr sb_dtype dtype()
{
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, long double>,
                  "no dtype has elements of this type");
    if constexpr (std::is_same_v<T, bool>)
        return SB_BOOL8;
    else if constexpr (std::is_floating_point_v<T>)
        return sizeof(T) == 4 ? SB_FLOAT32 : SB_FLOAT64;
    else
        return static_cast<sb_dtype>((std::is_signed_v<T> ? SB_INT8 : SB_UINT8) +
                                     (sizeof(T) == 1   ? 0
                                      : sizeof(T) == 2 ? 1
                                      : sizeof(T) == 4 ? 2
                                                       : 3));
}
template <class T> constexpr char type()
{
    if constexpr (std::is_same_v<T, double>)
        return 'd';
    else if constexpr (std::is_same_v<T, bool>)
        return 'b';
    else if constexpr (std::is_integral_v<T> && std::is_signed_v<T> && sizeof(T) == 8)
        return 'i';
    else if constexpr (std::is_same_v<T, sb_str>)
        return 's';
    else if constexpr (std::is_same_v<T, sb_bytes>)
        return 'y';
    else if constexpr (std::is_same_v<T, sb_value>)
        return 'v';
    else {
        static_assert(sizeof(T) == sizeof(sb_object) &&
                          (std::is_same_v<T, sb_object> || std::is_union_v<T>),
                      "SB_FOR: there are no items of this type");
        return 'o';
    }
}
template <class T> sb_array view(T *p, std::initializer_list<int64_t> d)
{
    return sb_array_view_(const_cast<std::remove_const_t<T> *>(p), dtype<std::remove_const_t<T>>(),
                          static_cast<int>(d.size()), d.begin());
}
} // namespace sb_
#define SB_SITE_(text) (::sb_::addr(sb_site { __FILE__, text, __LINE__ }))
#define SB_OPTS_(T, text, ...)                                                                     \
    (::sb_::addr(T { .site = { __FILE__, text, __LINE__ }, __VA_ARGS__ }))
#define SB_ARGS_(...) (static_cast<sb_args>(::sb_::args(__VA_ARGS__)))
#define SB_STRUCT_(T, ...) (::sb_::addr(T { __VA_ARGS__ }))
#define SB_TYPE_(T) (::sb_::type<T>())
#define SB_DTYPE_(T) (::sb_::dtype<std::remove_cv_t<T>>())
#define SB_ARRAY(ptr, ...) (::sb_::view(ptr, { __VA_ARGS__ }))
#else
/* ---- C: _Generic, statement expressions ------------------------------------------------------------------------- */
/* Anything a C program holds as a Python value; `x` is evaluated once. A char is refused: 'a' is an int in C. */
#define SB(x) SB_WRAP_(SB_CAT_(sb_x_, __COUNTER__), x)
#define SB_WRAP_(v, x)                                                                             \
    (__extension__({                                                                               \
        __auto_type v = (x);                                                                       \
        _Static_assert(SB_TAG_(v), "SB(): no Python value can be made of this type");              \
        sb_wrap_(&v, SB_TAG_(v));                                                                  \
    }))
/* clang-format off */
#define SB_TAG_(v) _Generic((v), bool: 'b', char: 0, signed char: 'c', unsigned char: 'C', short: 'h',              \
    unsigned short: 'H', int: 'i', unsigned: 'I', long: 'l', unsigned long: 'L', long long: 'l',                    \
    unsigned long long: 'L', float: 'f', double: 'd', char *: 's', const char *: 's', sb_str: 'S', sb_bytes: 'B',   \
    sb_object: 'o', sb_array *: 'a', const sb_array *: 'a', sb_value: 'v',                                          \
    default: __builtin_classify_type(v) == 13 && sizeof(v) == sizeof(sb_object) ? 'o' : 0) /* 13: a union */
/* clang-format on */
static inline __attribute__((always_inline)) sb_value sb_wrap_(const void *p, int tag)
{
    switch (tag) {
    case 'b':
        return sb_from_bool(*(const bool *)p);
    case 'c':
        return sb_from_int(*(const signed char *)p);
    case 'C':
        return sb_from_int(*(const unsigned char *)p);
    case 'h':
        return sb_from_int(*(const short *)p);
    case 'H':
        return sb_from_int(*(const unsigned short *)p);
    case 'i':
        return sb_from_int(*(const int *)p);
    case 'I':
        return sb_from_int(*(const unsigned *)p);
    case 'l':
        return sb_from_int(*(const long *)p);
    case 'L':
        return sb_from_uint(*(const unsigned long *)p);
    case 'f':
        return sb_from_double((double)*(const float *)p);
    case 'd':
        return sb_from_double(*(const double *)p);
    case 's':
        return sb_from_cstr(*(const char *const *)p);
    case 'S':
        return sb_from_str(*(const sb_str *)p);
    case 'B':
        return sb_from_bytes(*(const sb_bytes *)p);
    case 'o':
        return sb_from_object(*(const sb_object *)p);
    case 'a':
        return sb_from_array(*(const sb_array *const *)p);
    default:
        return *(const sb_value *)p;
    }
}
#define SB_SITE_(text) (&(const sb_site) { __FILE__, text, __LINE__ })
#define SB_OPTS_(T, text, ...) (&(const T) { .site = { __FILE__, text, __LINE__ }, __VA_ARGS__ })
#define SB_STRUCT_(T, ...) (&(const T) { __VA_ARGS__ })
/* clang-format off */
#define SB_DTYPE_(T) _Generic((T *)0, bool *: SB_BOOL8, char *: SB_INT8, signed char *: SB_INT8,                     \
    unsigned char *: SB_UINT8, short *: SB_INT16, unsigned short *: SB_UINT16, int *: SB_INT32, unsigned *: SB_UINT32, \
    long *: SB_INT64, unsigned long *: SB_UINT64, long long *: SB_INT64, unsigned long long *: SB_UINT64,            \
    float *: SB_FLOAT32, double *: SB_FLOAT64, const bool *: SB_BOOL8, const char *: SB_INT8,                         \
    const signed char *: SB_INT8,                                                                                    \
    const unsigned char *: SB_UINT8, const short *: SB_INT16, const unsigned short *: SB_UINT16,                     \
    const int *: SB_INT32, const unsigned *: SB_UINT32, const long *: SB_INT64, const unsigned long *: SB_UINT64,    \
    const long long *: SB_INT64, const unsigned long long *: SB_UINT64, const float *: SB_FLOAT32,                   \
    const double *: SB_FLOAT64)
/* The type of SB_FOR's items. */
#define SB_TYPE_(T) (__extension__({                                                                                 \
    _Static_assert(SB_TYPE_CODE_(T), "SB_FOR: there are no items of this type"); SB_TYPE_CODE_(T); }))
#define SB_TYPE_CODE_(T) ((char)_Generic((T *)0, double *: 'd', long *: 'i', long long *: 'i', bool *: 'b', sb_str *: 's', \
    sb_bytes *: 'y', sb_value *: 'v', sb_object *: 'o',                                                              \
    default: __builtin_classify_type(*(T *)0) == 13 && sizeof(T) == sizeof(sb_object) ? 'o' : 0))
/* SB_ARRAY(buffer, rows, cols): a view of C memory, with the element type taken from the pointer. */
#define SB_ARRAY(ptr, ...) \
    sb_array_view_((void *)(ptr), SB_DTYPE_(__typeof__(*(ptr))), \
                   (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (const int64_t[]){ __VA_ARGS__ })
/* SB_ARGS_(0, 1, "a", SB_KW("k", x)): each through SB(), with their count. The leading 0 makes none legal. */
#define SB_ARGS_(...) \
    ((sb_args){ (const sb_value[]){ SB_NONE SB_EACH_(__VA_ARGS__) } + 1, SB_NARGS_(__VA_ARGS__) })
#define SB_NARGS_(...) SB_PICK_(__VA_ARGS__, 64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, \
    47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20,  \
    19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define SB_PICK_(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, \
    a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43,    \
    a44, a45, a46, a47, a48, a49, a50, a51, a52, a53, a54, a55, a56, a57, a58, a59, a60, a61, a62, a63, a64, n, ...) n
/* clang-format on */
#define SB_EACH_(...) SB_CAT_(SB_EACH_, SB_NARGS_(__VA_ARGS__))(__VA_ARGS__)
#define SB_EACH_0(z)
#define SB_EACH_1(z, x) , SB(x)
#define SB_EACH_2(z, x, ...) , SB(x) SB_EACH_1(z, __VA_ARGS__)
#define SB_EACH_3(z, x, ...) , SB(x) SB_EACH_2(z, __VA_ARGS__)
#define SB_EACH_4(z, x, ...) , SB(x) SB_EACH_3(z, __VA_ARGS__)
#define SB_EACH_5(z, x, ...) , SB(x) SB_EACH_4(z, __VA_ARGS__)
#define SB_EACH_6(z, x, ...) , SB(x) SB_EACH_5(z, __VA_ARGS__)
#define SB_EACH_7(z, x, ...) , SB(x) SB_EACH_6(z, __VA_ARGS__)
#define SB_EACH_8(z, x, ...) , SB(x) SB_EACH_7(z, __VA_ARGS__)
#define SB_EACH_9(z, x, ...) , SB(x) SB_EACH_8(z, __VA_ARGS__)
#define SB_EACH_10(z, x, ...) , SB(x) SB_EACH_9(z, __VA_ARGS__)
#define SB_EACH_11(z, x, ...) , SB(x) SB_EACH_10(z, __VA_ARGS__)
#define SB_EACH_12(z, x, ...) , SB(x) SB_EACH_11(z, __VA_ARGS__)
#define SB_EACH_13(z, x, ...) , SB(x) SB_EACH_12(z, __VA_ARGS__)
#define SB_EACH_14(z, x, ...) , SB(x) SB_EACH_13(z, __VA_ARGS__)
#define SB_EACH_15(z, x, ...) , SB(x) SB_EACH_14(z, __VA_ARGS__)
#define SB_EACH_16(z, x, ...) , SB(x) SB_EACH_15(z, __VA_ARGS__)
#define SB_EACH_17(z, x, ...) , SB(x) SB_EACH_16(z, __VA_ARGS__)
#define SB_EACH_18(z, x, ...) , SB(x) SB_EACH_17(z, __VA_ARGS__)
#define SB_EACH_19(z, x, ...) , SB(x) SB_EACH_18(z, __VA_ARGS__)
#define SB_EACH_20(z, x, ...) , SB(x) SB_EACH_19(z, __VA_ARGS__)
#define SB_EACH_21(z, x, ...) , SB(x) SB_EACH_20(z, __VA_ARGS__)
#define SB_EACH_22(z, x, ...) , SB(x) SB_EACH_21(z, __VA_ARGS__)
#define SB_EACH_23(z, x, ...) , SB(x) SB_EACH_22(z, __VA_ARGS__)
#define SB_EACH_24(z, x, ...) , SB(x) SB_EACH_23(z, __VA_ARGS__)
#define SB_EACH_25(z, x, ...) , SB(x) SB_EACH_24(z, __VA_ARGS__)
#define SB_EACH_26(z, x, ...) , SB(x) SB_EACH_25(z, __VA_ARGS__)
#define SB_EACH_27(z, x, ...) , SB(x) SB_EACH_26(z, __VA_ARGS__)
#define SB_EACH_28(z, x, ...) , SB(x) SB_EACH_27(z, __VA_ARGS__)
#define SB_EACH_29(z, x, ...) , SB(x) SB_EACH_28(z, __VA_ARGS__)
#define SB_EACH_30(z, x, ...) , SB(x) SB_EACH_29(z, __VA_ARGS__)
#define SB_EACH_31(z, x, ...) , SB(x) SB_EACH_30(z, __VA_ARGS__)
#define SB_EACH_32(z, x, ...) , SB(x) SB_EACH_31(z, __VA_ARGS__)
#define SB_EACH_33(z, x, ...) , SB(x) SB_EACH_32(z, __VA_ARGS__)
#define SB_EACH_34(z, x, ...) , SB(x) SB_EACH_33(z, __VA_ARGS__)
#define SB_EACH_35(z, x, ...) , SB(x) SB_EACH_34(z, __VA_ARGS__)
#define SB_EACH_36(z, x, ...) , SB(x) SB_EACH_35(z, __VA_ARGS__)
#define SB_EACH_37(z, x, ...) , SB(x) SB_EACH_36(z, __VA_ARGS__)
#define SB_EACH_38(z, x, ...) , SB(x) SB_EACH_37(z, __VA_ARGS__)
#define SB_EACH_39(z, x, ...) , SB(x) SB_EACH_38(z, __VA_ARGS__)
#define SB_EACH_40(z, x, ...) , SB(x) SB_EACH_39(z, __VA_ARGS__)
#define SB_EACH_41(z, x, ...) , SB(x) SB_EACH_40(z, __VA_ARGS__)
#define SB_EACH_42(z, x, ...) , SB(x) SB_EACH_41(z, __VA_ARGS__)
#define SB_EACH_43(z, x, ...) , SB(x) SB_EACH_42(z, __VA_ARGS__)
#define SB_EACH_44(z, x, ...) , SB(x) SB_EACH_43(z, __VA_ARGS__)
#define SB_EACH_45(z, x, ...) , SB(x) SB_EACH_44(z, __VA_ARGS__)
#define SB_EACH_46(z, x, ...) , SB(x) SB_EACH_45(z, __VA_ARGS__)
#define SB_EACH_47(z, x, ...) , SB(x) SB_EACH_46(z, __VA_ARGS__)
#define SB_EACH_48(z, x, ...) , SB(x) SB_EACH_47(z, __VA_ARGS__)
#define SB_EACH_49(z, x, ...) , SB(x) SB_EACH_48(z, __VA_ARGS__)
#define SB_EACH_50(z, x, ...) , SB(x) SB_EACH_49(z, __VA_ARGS__)
#define SB_EACH_51(z, x, ...) , SB(x) SB_EACH_50(z, __VA_ARGS__)
#define SB_EACH_52(z, x, ...) , SB(x) SB_EACH_51(z, __VA_ARGS__)
#define SB_EACH_53(z, x, ...) , SB(x) SB_EACH_52(z, __VA_ARGS__)
#define SB_EACH_54(z, x, ...) , SB(x) SB_EACH_53(z, __VA_ARGS__)
#define SB_EACH_55(z, x, ...) , SB(x) SB_EACH_54(z, __VA_ARGS__)
#define SB_EACH_56(z, x, ...) , SB(x) SB_EACH_55(z, __VA_ARGS__)
#define SB_EACH_57(z, x, ...) , SB(x) SB_EACH_56(z, __VA_ARGS__)
#define SB_EACH_58(z, x, ...) , SB(x) SB_EACH_57(z, __VA_ARGS__)
#define SB_EACH_59(z, x, ...) , SB(x) SB_EACH_58(z, __VA_ARGS__)
#define SB_EACH_60(z, x, ...) , SB(x) SB_EACH_59(z, __VA_ARGS__)
#define SB_EACH_61(z, x, ...) , SB(x) SB_EACH_60(z, __VA_ARGS__)
#define SB_EACH_62(z, x, ...) , SB(x) SB_EACH_61(z, __VA_ARGS__)
#define SB_EACH_63(z, x, ...) , SB(x) SB_EACH_62(z, __VA_ARGS__)
#define SB_EACH_64(z, x, ...) , SB(x) SB_EACH_63(z, __VA_ARGS__)
#endif
/* The name of a keyword argument of a dynamic call; the next value is the argument. */
static inline sb_value sb_keyword_(const char *name)
{
    sb_value v = sb_from_cstr(name);
    v.kind = SB_KEYWORD_;
    return v;
}
#endif
