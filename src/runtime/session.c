/* SPDX-License-Identifier: MIT
 *
 * Life and errors of sessions, and what the process has once: the tags of sessions, the log, the allocator's switch. The
 * process lock guards tags and the list of sessions; it is held for nothing else and no other lock is taken under it. */
#include "runtime/session.h"
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAGS = 1 << 16 };

static struct {
    pthread_mutex_t lock;
    uint64_t *counters; /* a tag: where its ids go on, so that none is used again in the process */
    uint64_t *taken;    /* a bit a tag */
    uint32_t next_tag;
    bool opened; /* a session was opened: the allocator stays */
    void (*log)(int level, const char *text, void *user);
    void *log_user;
} process = { .lock = PTHREAD_MUTEX_INITIALIZER, .next_tag = 1 };

/* ---- log, allocator, version ---- */

void sb__log(int level, const char *format, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    pthread_mutex_lock(&process.lock);
    void (*log)(int, const char *, void *) = process.log;
    void *user = process.log_user;
    pthread_mutex_unlock(&process.lock);
    if (log)
        log(level, text, user);
    else if (level <= 4)
        fprintf(stderr, "snakebridge: %s\n", text);
}

void sb_set_log(void (*log)(int level, const char *text, void *user), void *user)
{
    pthread_mutex_lock(&process.lock);
    process.log = log;
    process.log_user = user;
    pthread_mutex_unlock(&process.lock);
}

sb_code sb_set_allocator(void *(*resize)(void *ptr, size_t size, void *user), void *user)
{
    pthread_mutex_lock(&process.lock);
    bool late = process.opened;
    if (!late)
        sb__set_resize(resize, user);
    pthread_mutex_unlock(&process.lock);
    return late ? SB_E_MISUSE : SB_OK;
}

const char *sb_version(void)
{
    return SB_VERSION;
}

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

/* ---- tags ---- */

/* A free tag and its counter; 0: none, or no memory (*code). Called with the process lock. */
static uint32_t take_tag(uint64_t *counter, sb_code *code)
{
    if (!process.counters) {
        process.counters = sb__calloc(TAGS * sizeof *process.counters);
        process.taken = sb__calloc(TAGS / 8);
        if (!process.counters || !process.taken) {
            sb__free(process.counters);
            sb__free(process.taken);
            process.counters = process.taken = NULL;
            *code = SB_E_MEMORY;
            return 0;
        }
    }
    for (uint32_t i = 0; i < TAGS; i++) {
        uint32_t tag = (process.next_tag + i) % TAGS;
        if (!tag || process.taken[tag / 64] >> (tag % 64) & 1)
            continue;
        process.taken[tag / 64] |= UINT64_C(1) << (tag % 64);
        process.next_tag = tag + 1;
        *counter = process.counters[tag] ? process.counters[tag] : 1;
        return tag;
    }
    *code = SB_E_LIMIT;
    return 0;
}

static void give_tag(uint32_t tag, uint64_t counter)
{
    pthread_mutex_lock(&process.lock);
    process.counters[tag] = counter;
    process.taken[tag / 64] &= ~(UINT64_C(1) << (tag % 64));
    pthread_mutex_unlock(&process.lock);
}

/* ---- entry ---- */

bool sb__enter_slow(sb_session *py)
{
    if (!py)
        return false;
    if (sb__forked()) {
        /* The child's own copy of the session: nobody else is there. */
        if (!py->failed) {
            py->failed = true;
            py->error = (sb_error) {
                .code = SB_E_MISUSE,
                .type = "SB_E_MISUSE",
                .message = "a session cannot be used in a child of fork()",
                .traceback = "",
                .function = "",
                .file = "",
            };
        }
        py->error.skipped++;
        atomic_store(&py->busy, 0);
        return false;
    }
    if (atomic_fetch_add(&py->misuse, 1) == 0)
        sb__log(3, "a second thread used a session while the first was inside a call; its calls do "
                   "nothing");
    return false;
}

/* ---- errors ---- */

static const char *add_text(struct sb_buf *b, sb_str s)
{
    size_t at = b->len;
    sb__buf_put(b, s.ptr, s.len);
    sb__put_byte(b, 0);
    return (const char *)at; /* an offset until the buffer stands still */
}

static void print_error(const sb_error *e, FILE *to)
{
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
}

void sb__fail_with(sb_session *py, const struct sb_failure *f)
{
    if (py->failed) {
        py->error.skipped++;
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
    if (py->on_error)
        py->on_error(py, py->user);
    if (py->exit_on_error) {
        print_error(&py->error, stderr);
        exit(1);
    }
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
        return !py || py->failed;
    bool failed = py->failed || !sb__settle(py);
    sb__leave(py);
    return failed;
}

const sb_error *sb_get_error(sb_session *py)
{
    if (!py)
        return &no_session;
    if (!sb__enter(py))
        return py->failed && sb__forked() ? &py->error : NULL;
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
    const sb_error *e = sb_get_error(py);
    if (e)
        print_error(e, to);
}

static void clear_error(sb_session *py)
{
    if (py->error.exception.id)
        sb__release(py, py->error.exception.id);
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
        clear_error(py);
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
            caught = sb__dynamic(py, &here, 'e', type, "b", &exception, (sb_args) { NULL, 0 },
                                 SB_FLAG_ALWAYS, &is) &&
                     is.kind == SB_BOOL_ && is.as.b;
        }
        py->looked = true;
        if (caught)
            clear_error(py);
    }
    sb__leave(py);
    return caught;
}

/* ---- where Python is ---- */

/* A copy that lives as long as the process: workers outlive the sessions that started them. */
static const char *intern(const char *s)
{
    static struct interned {
        struct interned *next;
        char text[];
    } * all;
    pthread_mutex_lock(&process.lock);
    struct interned *i = all;
    while (i && strcmp(i->text, s))
        i = i->next;
    if (!i && (i = sb__resize(NULL, sizeof *i + strlen(s) + 1))) {
        strcpy(i->text, s);
        i->next = all;
        all = i;
    }
    pthread_mutex_unlock(&process.lock);
    return i ? i->text : NULL;
}

static const char *environment(const char *name)
{
    const char *s = getenv(name);
    return s && *s ? s : NULL;
}

/* Folders are environments: their interpreter is bin/python. The result lives as long as the process. */
static const char *interpreter(const char *python)
{
    struct stat st;
    char path[PATH_MAX];
    if (stat(python, &st) == 0 && S_ISDIR(st.st_mode) &&
        snprintf(path, sizeof path, "%s/bin/python", python) < (int)sizeof path)
        python = path;
    return intern(python);
}

/* engine.abi3.so: beside the library (shared), or where the project says. */
static const char *find_engine(const sb_project *project)
{
    const char *named = environment("SNAKEBRIDGE_ENGINE");
    if (named)
        return intern(named);
    char path[PATH_MAX];
    Dl_info info;
    if (dladdr((void *)(uintptr_t)&sb_version, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        if (slash &&
            snprintf(path, sizeof path, "%.*s/snakebridge/engine.abi3.so",
                     (int)(slash - info.dli_fname), info.dli_fname) < (int)sizeof path &&
            access(path, R_OK) == 0)
            return intern(path);
    }
    return intern(project && project->engine ? project->engine : "snakebridge/engine.abi3.so");
}

/* ---- life ---- */

/* Whether a struct of the program, which may be older than the library, has this field. */
#define HAS(o, field) ((o) && (o)->size >= offsetof(__typeof__(*(o)), field) + sizeof(o)->field)

static bool choose_transport(sb_session *py, const sb_options *o, const sb_project *project)
{
    const char *name = o && o->transport ? o->transport : environment("SNAKEBRIDGE_TRANSPORT");
    if (!name && project)
        name = project->transport;
    static const struct sb_transport *const all[] = { &sb__transport_worker,
                                                      &sb__transport_inprocess };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!name || !strcmp(all[i]->name, name)) {
            py->transport = all[i];
            return true;
        }
    sb__fail(py, NULL, "sb_open", SB_E_CONFIG,
             "there is no transport \"%s\"; there are \"worker\" and \"inprocess\"", name);
    return false;
}

static void choose_place(sb_session *py, const sb_options *o, const sb_project *project)
{
    const char *named = o && o->python ? o->python : environment("SNAKEBRIDGE_PYTHON");
    const char *python = named ? named : project ? project->python : NULL;
    const char *found = interpreter(python ? python : "python3");
    py->place = (struct sb_place) {
        .python = found,
        .engine = find_engine(project),
        .python_path = project ? project->python_path : NULL,
    };
    if (!named &&
        HAS(project, libpython)) /* the project's library belongs to the project's interpreter */
        py->place.libpython = project->libpython;
    if (!found || !py->place.engine)
        sb__fail(py, NULL, "sb_open", SB_E_MEMORY, "out of memory");
}

#define HAS(o, field) ((o) && (o)->size >= offsetof(__typeof__(*(o)), field) + sizeof(o)->field)

sb_session *(sb_open)(const sb_options *options)
{
    sb_session *py = sb__calloc(sizeof *py);
    if (!py)
        return NULL;
    py->scopes_cap = 8;
    py->scopes = sb__calloc(py->scopes_cap * sizeof *py->scopes);
    py->released = sb__calloc(SB_RELEASES_HELD * sizeof *py->released);
    if (!py->scopes || !py->released) {
        sb__free(py->scopes);
        sb__free(py->released);
        sb__free(py);
        return NULL;
    }
    py->engine_counter = 1;
    if (HAS(options, user)) {
        py->timeout = options->timeout;
        py->exit_on_error = options->exit_on_error;
        py->quiet = options->quiet;
        py->on_error = options->on_error;
        py->user = options->user;
    }
    if (sb__forked()) {
        sb__enter_slow(py);
        return py;
    }
    sb_code code = SB_OK;
    pthread_mutex_lock(&process.lock);
    process.opened = true;
    py->tag = take_tag(&py->counter, &code);
    pthread_mutex_unlock(&process.lock);
    if (!py->tag) {
        sb__fail(py, NULL, "sb_open", code,
                 code == SB_E_LIMIT ? "%d sessions are open" : "out of memory (%d tags)", TAGS - 1);
        return py;
    }
    py->engine_counter = py->counter;
    if (options && !HAS(options, user)) {
        sb__fail(py, NULL, "sb_open", SB_E_MISUSE, "options of %zu bytes: use the macro sb_open()",
                 options->size);
        return py;
    }
    if (!(py->timeout >= 0) || isinf(py->timeout)) {
        py->timeout = 0;
        sb__fail(py, NULL, "sb_open", SB_E_RANGE, "a timeout is a number of seconds >= 0");
        return py;
    }
    const sb_project *project = options ? options->project : NULL;
    if (choose_transport(py, options, project))
        choose_place(py, options, project);
    return py;
}

bool sb__attach(sb_session *py, const sb_site *at, const char *function)
{
    if (py->link)
        return true;
    if (!py->tag || !py->transport || !py->place.engine) {
        sb__fail(py, at, function, SB_E_MISUSE, "the session could not be opened");
        return false;
    }
    struct sb_buf why = { 0 };
    int rc = py->transport->open(&py->place, py->tag, &py->link, &why);
    if (rc == 0) {
        struct sb_buf *b = &py->out;
        struct sb_frame head = {
            .kind = SB_FRAME_OPEN, .session = py->tag, .epoch = py->epoch, .seq = py->seq
        };
        b->len = 0;
        sb__buf_put(b, &head, sizeof head);
        sb__put_uint(b, py->engine_counter);
        head.size = (uint32_t)b->len;
        if (b->failed) {
            rc = -SB_E_MEMORY;
        } else {
            memcpy(b->ptr, &head.size, sizeof head.size);
            rc = py->transport->send(py->link, b->ptr, b->len);
            if (rc)
                sb__buf_put(&why, py->link->message.ptr, py->link->message.len);
        }
        if (rc) {
            py->transport->close(py->link);
            py->link = NULL;
        }
    }
    if (rc) {
        sb__put_byte(&why, 0);
        sb__fail(py, at, function, (sb_code)-rc, "%s",
                 why.failed || why.len < 2 ? "Python could not be started" : (const char *)why.ptr);
    }
    sb__buf_reset(&why);
    if (py->defined)
        memset(py->defined, 0, py->defined_words * sizeof *py->defined);
    return rc == 0;
}

void *sb_user(sb_session *py)
{
    return py ? py->user : NULL;
}

static void detach(sb_session *py)
{
    if (!py->link)
        return;
    struct sb_frame head = { .size = sizeof head,
                             .kind = SB_FRAME_CLOSE,
                             .flags = SB_FLAG_WAIT | SB_FLAG_DEADLINE,
                             .session = py->tag,
                             .epoch = py->epoch,
                             .seq = ++py->seq };
    const uint8_t *frame;
    size_t size;
    py->link->deadline =
        sb__now() + INT64_C(5000000000); /* a worker that is stuck is left behind */
    py->link->deadline_seq = py->seq;
    if (py->transport->send(py->link, (const uint8_t *)&head, sizeof head) == 0)
        while (py->transport->receive(py->link, &frame, &size) == 0 && size >= sizeof head) {
            struct sb_frame answer;
            memcpy(&answer, frame, sizeof answer);
            if (answer.kind == SB_FRAME_REPLY || answer.kind == SB_FRAME_ERROR)
                break;
        }
    py->transport->close(py->link);
    py->link = NULL;
}

int sb_close(sb_session *py)
{
    if (!py)
        return 1;
    if (!sb__enter(py))
        return 1; /* another thread is inside: it goes on */
    bool failed = py->failed || !sb__settle(py);
    if (failed && !py->looked && !py->quiet)
        print_error(&py->error, stderr);
    uint32_t misuse = atomic_load(&py->misuse);
    if (misuse && !py->quiet)
        fprintf(stderr,
                "snakebridge: %u call%s of a second thread did nothing, because the session was in "
                "use\n",
                misuse, misuse == 1 ? "" : "s");
    detach(py);
    if (py->tag)
        give_tag(py->tag, py->counter > py->engine_counter ? py->counter : py->engine_counter);
    for (uint32_t i = 0; i <= py->depth; i++)
        sb__arena_reset(&py->scopes[i].arena, &py->chunks);
    sb__chunk_cache_reset(&py->chunks);
    sb__plan_cache_reset(&py->plans);
    sb__buf_reset(&py->out);
    sb__buf_reset(&py->error_text);
    sb__buf_reset(&py->error_classes);
    sb__free(py->scopes);
    sb__free(py->owned);
    sb__free(py->released);
    sb__free(py->handles.places);
    sb__free(py->defined);
    sb__free(py);
    return failed || misuse ? 1 : 0;
}
