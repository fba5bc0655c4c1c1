/* SPDX-License-Identifier: MIT
 *
 * The session's error: set once, read, caught, cleared. Its texts live in the session until then. */
#include "runtime/detail.h"
#include "runtime/explain.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *sb_code_name(sb_code code)
{
    switch (code) {
#define CODE(name, number, text) \
    case SB_##name:              \
        return "SB_" #name;
        SB_CODES_(CODE)
#undef CODE
    default:
        return "SB_?";
    }
}

static const char *add_text(struct sb_buf *b, sb_str s)
{
    size_t at = b->len;
    sb__buf_put(b, s.ptr, s.len);
    sb__put_byte(b, 0);
    return (const char *)at; /* an offset until the buffer stands still */
}

void sb__error_print(sb_session *py, FILE *to)
{
    const sb_error *e = &py->error;
    if (*e->file)
        fprintf(to, "%s:%d: ", e->file, e->line);
    if (*e->function)
        fprintf(to, "%s: ", e->function);
    fprintf(to, "%s%s%s\n", e->type, *e->message ? ": " : "", e->message);
    if (e->skipped)
        fprintf(to, "  (%llu later call%s did nothing)\n", (unsigned long long)e->skipped,
                e->skipped == 1 ? "" : "s");
    if (*e->traceback) {
        fputs(e->traceback, to);
        if (e->traceback[strlen(e->traceback) - 1] != '\n')
            fputc('\n', to);
    }
    const sb_explanation *x = py->explained ? sb__explain(py) : NULL;
    if (x)
        fputs(x->text, to);
}

void sb__fail_with(sb_session *py, const struct sb_failure *f)
{
    if (py->failed) {
        py->error.skipped++;
        if (f->exception && f->exception != py->error.exception.id)
            sb__release(py, f->exception); /* nobody will learn of it */
        return;
    }
    struct sb_buf *b = &py->error_text;
    b->len = 0;
    b->failed = false;
    sb_str file = { f->file ? f->file : "", f->file ? strlen(f->file) : 0 };
    sb_str function = { f->function ? f->function : "", f->function ? strlen(f->function) : 0 };
    size_t type_at = (size_t)add_text(b, f->type), message_at = (size_t)add_text(b, f->message),
           traceback_at = (size_t)add_text(b, f->traceback), file_at = (size_t)add_text(b, file),
           function_at = (size_t)add_text(b, function);
    py->error_classes.len = 0;
    py->error_classes.failed = false;
    sb__buf_put(&py->error_classes, f->classes, f->classes_size);
    if (b->failed || py->error_classes.failed) {
        py->error = (sb_error) {
            .code = SB_E_MEMORY,
            .type = "SB_E_MEMORY",
            .message = "out of memory while an error was being reported",
            .traceback = "",
            .function = "",
            .file = "",
        };
        py->error_classes.len = 0;
    } else {
        const char *text = (const char *)b->ptr;
        py->error = (sb_error) {
            .code = f->code,
            .type = text + type_at,
            .message = text + message_at,
            .traceback = text + traceback_at,
            .function = text + function_at,
            .file = text + file_at,
            .line = f->line,
        };
    }
    py->error.skipped = f->skipped;
    py->error.exception.id = f->exception;
    py->failed = true;
    py->looked = false;
    py->exception_kept = false;
    if (SB_UNLIKELY(sb__events_on(SB_EVENT_CALL_EXCEPTION)))
        py->observed.pending |= SB_OBSERVED_ERROR;
    if ((!py->on_error && !py->exit_on_error) || py->serving) /* in a callback it goes to Python */
        return;
    atomic_store_explicit(&py->reporter, sb__self(), memory_order_relaxed);
    if (py->on_error)
        py->on_error(py, py->user);
    if (py->exit_on_error) {
        sb__observed_look(py);
        sb__error_print(py, stderr);
        exit(1); /* a handler of atexit is inside, too */
    }
    atomic_store_explicit(&py->reporter, NULL, memory_order_relaxed);
}

void sb__fail(sb_session *py, const sb_site *at, const char *function, sb_code code,
              const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    const char *type = sb_code_name(code);
    if (!py->failed)
        py->observed.error_seq = 0;
    struct sb_failure f = {
        .code = code,
        .type = { type, strlen(type) },
        .message = { text, n < 0                     ? 0
                           : (size_t)n < sizeof text ? (size_t)n
                                                     : sizeof text - 1 },
        .function = function,
        .file = at ? at->file : NULL,
        .line = at ? at->line : 0,
    };
    sb__fail_with(py, &f);
}

static const sb_error no_session = {
    .code = SB_E_MISUSE,
    .type = "SB_E_MISUSE",
    .message = "the session is NULL",
    .traceback = "",
    .function = "",
    .file = "",
};

bool sb_failed(sb_session *py)
{
    if (!sb__enter(py))
        return true; /* nothing that was called here has happened */
    bool failed = py->failed || !sb__settle(py);
    sb__leave(py);
    return failed;
}

const sb_error *sb_get_error(sb_session *py)
{
    if (!py)
        return &no_session;
    if (sb__reporting(py)) {
        py->looked = true;
        return &py->error;
    }
    if (!sb__enter(py))
        return sb__forked() && py->failed ? &py->error : NULL;
    const sb_error *e = NULL;
    if (py->failed || !sb__settle(py)) {
        py->looked = true;
        e = &py->error;
    }
    sb__leave(py);
    return e;
}

void sb_print_error(sb_session *py, FILE *to)
{
    if (!py) {
        fprintf(to, "%s: %s\n", no_session.type, no_session.message);
    } else if (sb__detail_enter(py)) {
        sb__error_print(py, to);
        sb__detail_leave(py);
    } else if (sb__forked() && py->failed) {
        sb__error_print(py, to);
    }
}

void sb__error_clear(sb_session *py)
{
    if (py->error.exception.id && !py->exception_kept)
        sb__release(py, py->error.exception.id);
    sb__detail_drop(py);
    py->failed = false;
    py->looked = false;
    py->error = (sb_error) { 0 };
    py->error_classes.len = 0;
    py->epoch++;
}

void sb_clear_error(sb_session *py)
{
    if (!sb__enter(py))
        return;
    if (py->failed || !sb__settle(py))
        sb__error_clear(py);
    sb__leave(py);
}

/* "KeyError" and "builtins.KeyError" name builtins.KeyError; "decoder.JSONDecodeError" does not name json's. */
static bool names_class(const char *class_name, const char *wanted)
{
    if (!strcmp(class_name, wanted))
        return true;
    const char *dot = strrchr(class_name, '.');
    return dot && !strcmp(dot + 1, wanted);
}

bool sb_catch(sb_session *py, const char *type)
{
    static const sb_site here = { "", "", 0 };
    if (!sb__enter(py))
        return false;
    bool caught = false;
    if (py->failed || !sb__settle(py)) {
        caught =
            !type || !strcmp(py->error.type, type) || !strcmp(sb_code_name(py->error.code), type);
        const char *c = (const char *)py->error_classes.ptr;
        for (size_t i = 0; !caught && i < py->error_classes.len; i += strlen(c + i) + 1)
            caught = names_class(c + i, type);
        if (!caught && py->error.exception.id && strchr(type, '.') && py->link) {
            /* A public name of the class, which the class itself does not know ("json.JSONDecodeError"). */
            sb_value exception = sb_of_kind_(SB_OBJECT_), is;
            exception.as.object = py->error.exception;
            uint64_t skipped = py->error.skipped;
            caught = sb__dynamic(py, &here, 'e', type, "b", &exception, (sb_args) { NULL, 0 },
                                 SB_FLAG_ALWAYS, &is) &&
                     is.kind == SB_BOOL_ && is.as.b;
            py->error.skipped = skipped; /* a name that names no class is no call */
        }
        py->looked = true;
        if (caught)
            sb__error_clear(py);
    }
    sb__leave(py);
    return caught;
}
