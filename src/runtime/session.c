/* SPDX-License-Identifier: MIT
 *
 * The life of a session: how it is entered, where its Python is, how it opens, attaches and closes. */
#include "runtime/callback.h"
#include "runtime/heap.h"
#include "runtime/detail.h"
#include "runtime/os_linux.h"
#include "runtime/pool.h"
#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
        sb__leave(py);
        return false;
    }
    if (atomic_load(&py->busy) == SB_TAKEN) {
        sb__session_await(py);
        return sb__enter(py);
    }
    uint32_t lent = SB_LENT;
    if (atomic_load_explicit(&py->lent_to, memory_order_relaxed) == sb__self() &&
        sb__enter_if(py, &lent))
        return true; /* in a callback */
    if (py->ends)
        return false;       /* closed, in a block whose scope is still open */
    if (sb__event_in(py)) { /* its error comes when the call is over that it is told of */
        py->observed.pending |= SB_OBSERVED_MISUSE;
        return false;
    }
    if (sb__reporting(py))
        return false; /* in on_error, the error is pending: calls do nothing, as always then */
    if (atomic_fetch_add(&py->misuse, 1) == 0)
        sb__log(3, "a second thread used a session while the first was inside a call; its calls do "
                   "nothing");
    return false;
}

/* ---- where Python is ---- */

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
    return sb__intern(python);
}

/* engine.abi3.so: beside the library (shared), or where the project says. */
static const char *find_engine(const sb_project *project)
{
    const char *named = environment("SNAKEBRIDGE_ENGINE");
    if (named)
        return sb__intern(named);
    char path[PATH_MAX];
    Dl_info info;
    if (dladdr((void *)(uintptr_t)&sb_version, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        if (slash &&
            snprintf(path, sizeof path, "%.*s/snakebridge/engine.abi3.so",
                     (int)(slash - info.dli_fname), info.dli_fname) < (int)sizeof path &&
            access(path, R_OK) == 0)
            return sb__intern(path);
    }
    return sb__intern(project && project->engine ? project->engine : "snakebridge/engine.abi3.so");
}

/* ---- life ---- */

/* Whether a struct of the program, which may be older than the library, has this field. */
#define HAS(o, field) ((o) && (o)->size >= offsetof(__typeof__(*(o)), field) + sizeof(o)->field)

/* Where sb_open was called; options filled by hand may not tell. */
static const sb_site *site_of(const sb_options *o)
{
    return HAS(o, site) && o->site.file ? &o->site : NULL;
}

static struct sb_answer send_and_receive(struct sb_link *link, const uint8_t *request, size_t size)
{
    struct sb_answer a;
    int rc = link->transport->send(link, request, size);
    if (SB_LIKELY(rc == 0))
        rc = link->transport->receive(link, &a.frame, &a.size);
    return SB_LIKELY(rc == 0) ? a : (struct sb_answer) { NULL, (size_t)-rc };
}

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
            py->exchange = all[i]->exchange ? all[i]->exchange : send_and_receive;
            return true;
        }
    sb__fail(py, site_of(o), "sb_open", SB_E_CONFIG,
             "there is no transport \"%s\"; there are \"worker\" and \"inprocess\"", name);
    return false;
}

/* What is printed of errors. */
static bool choose_detail(sb_session *py, const sb_options *o, const sb_project *project)
{
    const char *detail = HAS(o, error_detail) && o->error_detail
                             ? o->error_detail
                             : environment("SNAKEBRIDGE_ERROR_DETAIL");
    if (!detail && HAS(project, error_detail))
        detail = project->error_detail;
    py->explained = detail && !strcmp(detail, "explained");
    if (!detail || py->explained || !strcmp(detail, "plain"))
        return true;
    sb__fail(py, site_of(o), "sb_open", SB_E_CONFIG,
             "there is no error-detail \"%s\"; there are \"plain\" and \"explained\"", detail);
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
    };
    bool folders = project && project->python_path && *project->python_path;
    if (folders)
        py->place.python_path = sb__intern_list(project->python_path);
    if (!named &&
        HAS(project, libpython) && /* the project's library belongs to the project's interpreter */
        project->libpython)
        py->place.libpython = sb__intern(project->libpython);
    if (!found || !py->place.engine || (folders && !py->place.python_path)) {
        py->place.python = NULL; /* sb__attach will refuse */
        sb__fail(py, site_of(o), "sb_open", SB_E_MEMORY, "out of memory");
    }
}

/* All of sb_open that may fail with a session. */
static void configure(sb_session *py, const sb_options *options)
{
    if (sb__forked()) {
        sb__enter_slow(py);
        return;
    }
    sb_code code = SB_OK;
    py->tag = sb__tag_take(&py->counter, &code);
    if (!py->tag) {
        sb__fail(py, site_of(options), "sb_open", code,
                 code == SB_E_LIMIT ? "%d sessions are open" : "out of memory (%d tags)",
                 SB_TAGS - 1);
        return;
    }
    py->engine_counter = py->counter;
    if (options && !HAS(options, user)) {
        sb__fail(py, NULL, "sb_open", SB_E_MISUSE, "options of %zu bytes: use the macro sb_open()",
                 options->size);
        return;
    }
    if (!(py->timeout >= 0) || isinf(py->timeout)) {
        py->timeout = 0;
        sb__fail(py, site_of(options), "sb_open", SB_E_RANGE,
                 "a timeout is a number of seconds >= 0");
        return;
    }
    const sb_project *project = options ? options->project : NULL;
    size_t heap;
    if (!sb__heap_limit(&heap))
        sb__fail(py, site_of(options), "sb_open", SB_E_CONFIG,
                 "$SNAKEBRIDGE_HEAP is no number of bytes: %s (64M, 8G; 0: arrays are copied)",
                 getenv("SNAKEBRIDGE_HEAP"));
    else if (choose_detail(py, options, project) && choose_transport(py, options, project))
        choose_place(py, options, project);
}

/* It becomes one of its pool's. */
static sb_session *join(sb_session *py, const sb_options *o)
{
    struct sb_joining how = {
        .name = HAS(o, name) ? o->name : NULL,
        .owner = HAS(o, owner) ? o->owner : NULL,
        .at = site_of(o),
    };
    struct sb_pool *pool = sb__pool_of(&py->place);
    if (!pool) {
        sb__fail(py, how.at, "sb_open", SB_E_MEMORY, "out of memory");
        py->place.python = NULL;
    } else if (how.name && !*how.name) {
        sb__fail(py, how.at, "sb_open", SB_E_RANGE, "a session's name is empty");
        py->place.python = NULL;
    } else {
        py = sb__session_join(py, &pool->sessions, &how);
    }
    return py;
}

sb_session *(sb_open)(const sb_options *options)
{
    sb_session *py = sb__calloc(sizeof *py);
    if (!py)
        return NULL;
    atomic_init(&py->busy, SB_INSIDE); /* for on_error */
    py->scopes_cap = 8;
    py->scopes = sb__calloc(py->scopes_cap * sizeof *py->scopes);
    py->released = sb__calloc(SB_RELEASES_HELD * sizeof *py->released);
    if (!py->scopes || !py->released) {
        sb__free(py->scopes);
        sb__free(py->released);
        sb__free(py);
        return NULL;
    }
    py->released_cap = SB_RELEASES_HELD;
    py->engine_counter = 1;
    pthread_mutex_init(&py->futures.lock, NULL);
    py->futures.fd = -1;
    if (HAS(options, user)) {
        py->timeout = options->timeout;
        py->exit_on_error = options->exit_on_error;
        py->quiet = options->quiet;
        py->on_error = options->on_error;
        py->user = options->user;
    }
    configure(py, options);
    if (!py->failed)
        py = join(py, options);
    if (SB_UNLIKELY(sb__events_on(SB_EVENT_SESSION_OPEN | SB_EVENT_SESSION_CLOSE)))
        sb__observe_opened(py);
    sb__leave(py);
    return py;
}

void sb__session_settings(sb_session *to, const sb_session *from)
{
    to->timeout = from->timeout;
    to->exit_on_error = from->exit_on_error;
    to->quiet = from->quiet;
    to->explained = from->explained;
    to->on_error = from->on_error;
    to->user = from->user;
}

void sb__session_unmake(sb_session *py)
{
    sb__free(py->scopes);
    sb__free(py->released);
    sb__free(py->observed.calls);
    if (py->tag)
        sb__tag_give(py->tag, py->counter);
    sb__futures_free(py);
}

bool sb__attach(sb_session *py, const sb_site *at, const char *function)
{
    if (py->link)
        return true;
    if (atomic_load_explicit(&py->member.ending, memory_order_relaxed)) {
        sb__fail_ended(py, at, function);
        return false;
    }
    if (py->closing) {
        sb__fail(py, at, function, SB_E_MISUSE, "the session is being closed");
        return false;
    }
    if (!py->tag || !py->transport || !py->place.python || !py->place.engine) {
        sb__fail(py, at, function, SB_E_MISUSE, "the session could not be opened");
        return false;
    }
    struct sb_buf why = { 0 }, *b = &py->out;
    struct sb_frame head = {
        .kind = SB_FRAME_OPEN, .session = py->tag, .epoch = py->epoch, .seq = py->seq + 1
    };
    if (b->failed)
        sb__buf_reset(b);
    b->len = 0;
    sb__buf_put(b, &head, sizeof head);
    sb__put_uint(b, py->engine_counter);
    head.size = (uint32_t)b->len;
    int rc = b->failed ? -SB_E_MEMORY : py->transport->open(&py->place, py->tag, &py->link, &why);
    if (rc == 0) {
        py->link->owner = py;
        py->answered = sb__next_seq(py); /* nothing is in flight on a new link */
        memcpy(b->ptr, &head.size, sizeof head.size);
        rc = py->transport->send(py->link, b->ptr, b->len);
        if (rc == 0) {
            sb__futures_reach(py);
        } else {
            sb__buf_put(&why, py->link->message.ptr, py->link->message.len);
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
    py->attached++;
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
                             .seq = sb__next_seq(py) };
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
            struct sb_reader body = { frame + sizeof answer, frame + size, NULL };
            if (answer.kind == SB_FRAME_OUTPUT) /* of destructors */
                sb__take_output(&body);
            else if (answer.kind == SB_FRAME_DROP)
                sb__callback_take_drops(py, &body);
        }
    sb__futures_unreach(py);
    py->transport->close(py->link);
    py->link = NULL;
}

static void free_session(sb_session *py)
{
    sb__detail_drop(py);
    for (uint32_t i = 0; i <= py->depth; i++) {
        sb__holds_drop(&py->scopes[i].holds);
        sb__arena_reset(&py->scopes[i].arena, &py->chunks);
    }
    py->answered = py->seq;
    sb__lent_back(py);
    for (struct sb_link *link; (link = py->stale);) {
        py->stale = link->next;
        link->transport->close(link);
    }
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
    sb__futures_free(py);
    sb__free(py->observed.calls);
    sb__free(py->member.name);
    sb__free(py->member.spare);
    sb__closed(py, py->depth + py->usings);
}

void sb__closed(sb_session *py, uint32_t ends)
{
    py->ends = ends;
    if (ends)
        sb__closed_add(py);
    else
        sb__free(py);
}

bool sb__ended(sb_session *py)
{
    if (!py->ends)
        return false;
    if (--py->ends == 0 && !sb__forked()) { /* there, another thread may have held the lock */
        sb__closed_remove(py);
        sb__free(py);
    }
    return true;
}

/* What is left of a session that has no link any more. */
static void dispose(sb_session *py, const char *reason)
{
    py->closing = true;
    sb__callback_end(py);
    if (SB_UNLIKELY(py->observed.pending || sb__events_on(SB_EVENT_SESSION_CLOSE)))
        sb__observe_closed(py, reason);
    if (py->tag)
        sb__tag_give(py->tag, py->counter > py->engine_counter ? py->counter : py->engine_counter);
    free_session(py);
}

/* ---- ends that nobody waits for: see sessions.h ---- */

void sb__session_cut(sb_session *py)
{
    sb__futures_cancel(py);
    sb__cut(py);
    sb__futures_look(py);
}

void sb__session_finish(sb_session *py)
{
    atomic_store(&py->busy, SB_INSIDE); /* for a function's drop, which may ask for its session */
    sb__session_cut(py);
    sb__session_part(py);
    dispose(py, "released");
}

void sb__session_rest(sb_session *py)
{
    if (py->failed)
        sb__error_clear(py);
    sb__scopes_close(py, 0);
    py->usings = 0;
    sb__flush_releases(py);
    sb__futures_look(py);
    sb__drop_functions(py);
    if (py->futures.fd >= 0) {
        if (py->link)
            py->transport->notify(py->link, -1);
        sb__os_close(&py->futures.fd);
    }
    atomic_store(&py->misuse, 0);
}

int sb_close(sb_session *py)
{
    if (!py)
        return 1;
    if (!sb__enter(py)) {
        /* Another thread is inside: it goes on. Or this is a child of fork(), where that may have been so, too; but what
         * was opened in the child has no tag, and is its own. */
        if (sb__forked() && !py->tag)
            free_session(py);
        return 1;
    }
    if (py->serving) {
        sb__log(3, "sb_close was called in a callback of its session, which stays open");
        sb__fail(py, NULL, "sb_close", SB_E_MISUSE, "sb_close in a callback of the session");
        sb__leave(py);
        return 1;
    }
    /* Submitted calls of a session that stays go on. */
    bool was = py->failed, stays = sb__member_stays(&py->member);
    bool cancelled = !stays && sb__futures_end(py),
         failed = was || !((stays && py->futures.count) || sb__settle(py));
    if (cancelled && !was && failed && py->error.code == SB_E_CANCELLED)
        failed = false; /* by this */
    if (failed && !py->looked && !py->quiet)
        sb__error_print(py, stderr);
    uint32_t misuse = atomic_load(&py->misuse);
    if (misuse && !py->quiet)
        fprintf(stderr,
                "snakebridge: %u call%s of a second thread did nothing, because the session was in "
                "use\n",
                misuse, misuse == 1 ? "" : "s");
    if (!sb__session_let_go(py)) {
        sb__session_part(py);
        detach(py);
        dispose(py, "closed");
    }
    return failed || misuse ? 1 : 0;
}
