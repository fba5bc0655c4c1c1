/* SPDX-License-Identifier: MIT
 *
 * The transport "inprocess": the engine runs on the calling thread, over a libpython that is loaded on the first use. One
 * interpreter a process, never finalised; `once` guards its start, and its outcome stays. Requests are executed in send;
 * receive hands out the frames of the answer; submitted calls on the link's runner (runner.c). A deadline is an alarm of the
 * monitor, whose helper thread interrupts. */
#include "engine/engine.h"
#include "runtime/heap.h"
#include "runtime/monitor.h"
#include "runtime/os_linux.h"
#include "runtime/callback.h"
#include "runtime/runner.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct inprocess_link {
    struct sb_link link; /* first */
    const struct sb_engine_api *api;
    struct sb_engine_session *session;
    struct sb_runner runner; /* runs submitted calls, and what is sent behind them */
    const uint8_t *answer;   /* what is left of it */
    size_t left;
    struct sb_alarm alarm;
    bool alarmed;    /* the alarm was added */
    unsigned closed; /* in a callback: so many requests have yet to return, the last one frees it */
    int64_t due;     /* of the alarm while it is armed, or 0 */
    uint64_t due_seq;
};

static struct {
    pthread_mutex_t once;
    const struct sb_engine_api *api; /* NULL: not started */
    char *python;                    /* of this interpreter */
    uint64_t reach;                  /* bytes of the heap that the engine knows */
    bool failed;                     /* for good: libpython cannot be unloaded */
    char why[1024];
} process = { .once = PTHREAD_MUTEX_INITIALIZER };

static int give(struct sb_buf *why, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int give(struct sb_buf *why, int code, const char *format, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    why->len = 0;
    sb__buf_put(why, text, strlen(text) + 1);
    return -code;
}

/* ---- finding libpython ---- */

/* Writes the implementation, its version, and the first that exists of the places where a build may have put its library.
 * Any Python can read it. */
static const char question[] =
    "import os,sys,sysconfig as s\n"
    "v=s.get_config_var\n"
    "n=[x for x in (v('INSTSONAME'),v('LDLIBRARY')) if x and '.so' in x]\n"
    "n+=['libpython%d.%d.so.1.0'%tuple(sys.version_info[:2])]\n"
    "d=[x for x in (v('LIBDIR'),os.path.join(v('LIBDIR') or '',v('MULTIARCH') or ''),v('LIBPL'),"
    "os.path.join(getattr(sys,'base_prefix',sys.prefix),'lib')) if x]\n"
    "i=getattr(getattr(sys,'implementation',None),'name','Python')\n"
    "sys.stdout.write('snakebridge %s %d.%d '%((i,)+tuple(sys.version_info[:2])))\n"
    "sys.stdout.write(([p for a in d for b in n for p in [os.path.join(a,b)] if "
    "os.path.exists(p)]+[''])[0])\n";

/* What the interpreter wrote: the library's path comes to the start of `out`. */
static int read_answer(const char *path, char *out, int status, struct sb_buf *why)
{
    char name[32];
    int major, minor, at = 0;
    if (sscanf(out, "snakebridge %31s %d.%d %n", name, &major, &minor, &at) < 3 || !at) {
        if (WIFSIGNALED(status))
            return give(why, SB_E_CONFIG, "%s is no Python interpreter, or a broken one: signal %d",
                        path, WTERMSIG(status));
        return give(why, SB_E_CONFIG,
                    "%s is no Python interpreter, or a broken one: exit status %d", path,
                    WEXITSTATUS(status));
    }
    if (strcmp(name, "cpython") != 0 || major < 3 || (major == 3 && minor < 8))
        return give(why, SB_E_CONFIG, "%s is %s %d.%d: CPython 3.8 or later is needed", path, name,
                    major, minor);
    if (!out[at])
        return give(why, SB_E_CONFIG,
                    "%s has no shared libpython, which \"inprocess\" needs; the transport "
                    "\"worker\" does not (Debian: apt-get install libpython3-dev; other builds: "
                    "--enable-shared)",
                    path);
    memmove(out, out + at, strlen(out + at) + 1);
    return 0;
}

/* Runs the interpreter with the question. Fills `out` (NUL-terminated). 0, or a negative code. */
static int ask_python(const char *path, char *out, size_t cap, struct sb_buf *why)
{
    extern char **environ;
    int fds[2], rc, status = 0;
    size_t n = 0;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return give(why, SB_E_SYSTEM, "pipe: %s", strerror(errno));
    char *argv[] = { (char *)(uintptr_t)path, "-E", "-s", "-c", (char *)(uintptr_t)question, NULL };
    rc = posix_spawn_file_actions_init(&actions);
    if (!rc)
        rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    if (!rc)
        rc = posix_spawn(&pid, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (rc) {
        close(fds[0]);
        return give(why, SB_E_CONFIG, "%s cannot be started: %s", path, strerror(rc));
    }
    int64_t until = sb__now() + 30 * SB_SECOND;
    for (;;) {
        struct pollfd p = { .fd = fds[0], .events = POLLIN };
        int64_t left = (until - sb__now()) / SB_MILLISECOND;
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t got = ready > 0 ? read(fds[0], out + n, cap - 1 - n) : 0;
        if (got <= 0) {
            if (ready <= 0)
                kill(pid, SIGKILL);
            break;
        }
        n += (size_t)got;
    }
    out[n] = 0;
    close(fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return read_answer(path, out, status, why);
}

/* ---- starting ---- */

static int start(const struct sb_place *place, const char *python, struct sb_buf *why)
{
    char library[PATH_MAX] = "", error[512] = "";
    int rc = 0;
    if (dlsym(RTLD_DEFAULT, "Py_InitializeEx"))
        return give(why, SB_E_CONFIG,
                    "this program has a Python of its own; use the transport \"worker\"");
    if (place->libpython &&
        snprintf(library, sizeof library, "%s", place->libpython) >= (int)sizeof library)
        return give(why, SB_E_CONFIG, "the path of libpython is too long");
    if (!*library && (rc = ask_python(python, library, sizeof library, why)))
        return rc;
    if (!dlopen(library, RTLD_NOW | RTLD_GLOBAL))
        return give(why, SB_E_CONFIG, "libpython cannot be loaded: %s", dlerror());
    void *engine = dlopen(place->engine, RTLD_NOW | RTLD_LOCAL);
    if (!engine)
        return give(why, SB_E_CONFIG, "the engine cannot be loaded: %s", dlerror());
    const struct sb_engine_api *(*get)(uint32_t);
    *(void **)&get = dlsym(engine, "sb_engine_api");
    const struct sb_engine_api *api = get ? get(SB_ENGINE_ABI) : NULL;
    if (!api)
        return give(why, SB_E_CONFIG, "%s is not an engine of this library", place->engine);
    if (api->version < SB_PROTOCOL_MIN || SB_PROTOCOL < api->version_min)
        return give(why, SB_E_CONFIG,
                    "the library speaks protocol %d (at least %d), the engine %s %u (at least %u)",
                    SB_PROTOCOL, SB_PROTOCOL_MIN, place->engine, api->version, api->version_min);
    size_t size = 0;
    _Atomic uint32_t *column = sb__heap_column(&size);
    struct sb_engine_start how = { .program = python,
                                   .python_path = place->python_path,
                                   .heap = sb__program_base(),
                                   .heap_size = column ? size : 0,
                                   .column = column };
    if (api->start(&how, error, sizeof error))
        return give(why, SB_E_CONFIG, "%s", error);
    process.api = api;
    process.reach = how.heap_size;
    return 0;
}

static void interrupt(struct sb_alarm *alarm, uint64_t seq)
{
    struct inprocess_link *l =
        (struct inprocess_link *)((char *)alarm - offsetof(struct inprocess_link, alarm));
    l->api->interrupt(l->session, seq);
}

/* On whatever thread has called the function in Python. */
static int call_program(void *ctx, const uint8_t *frame, size_t size, const uint8_t **answer,
                        size_t *n)
{
    struct inprocess_link *l = ctx;
    sb_session *py = l->link.owner;
    const char *why = NULL;
    while (size >= sizeof(struct sb_frame)) { /* what was printed before comes in front */
        struct sb_frame head;
        memcpy(&head, frame, sizeof head);
        if (head.size < sizeof head || head.size > size)
            break;
        struct sb_reader r = { frame + sizeof head, frame + head.size, NULL };
        if (head.kind == SB_FRAME_CALLBACK) {
            if (l->closed || py->link != &l->link)
                return -1;
            int rc = sb__callback_serve(py, head.seq, frame, head.size, answer, n, &why);
            return why ? -1 : rc;
        }
        if (head.kind == SB_FRAME_OUTPUT)
            sb__take_output(&r);
        else if (head.kind == SB_FRAME_DROP)
            sb__callback_take_drops(py, &r);
        frame += head.size;
        size -= head.size;
    }
    return -1;
}

static int open_link(const struct sb_place *place, uint32_t tag, struct sb_link **link,
                     struct sb_buf *why)
{
    char python[PATH_MAX];
    int rc = sb__os_find(place->python, python, sizeof python);
    if (rc)
        return give(why, SB_E_CONFIG, "the interpreter %s: %s", place->python,
                    rc == -ENOENT ? "not found" : strerror(-rc));
    pthread_mutex_lock(&process.once);
    if (process.failed) {
        rc = give(why, SB_E_CONFIG, "%s", process.why);
    } else if (!process.api) {
        process.python = sb__strdup(python);
        rc = process.python ? start(place, python, why) : give(why, SB_E_MEMORY, "out of memory");
        if (rc) {
            sb__free(process.python);
            process.python = NULL;
        }
        if (rc && dlsym(RTLD_DEFAULT, "Py_InitializeEx")) {
            /* libpython is in the process now: a second attempt would not be the first one again. */
            process.failed = true;
            snprintf(process.why, sizeof process.why, "%s",
                     why->failed || !why->ptr ? "" : (char *)why->ptr);
        }
    } else if (strcmp(process.python, python)) {
        rc = give(why, SB_E_CONFIG,
                  "this process runs the Python of %s; there is one interpreter a process "
                  "in-process, %s cannot be a second",
                  process.python, python);
    }
    pthread_mutex_unlock(&process.once);
    if (rc)
        return rc;
    struct inprocess_link *l = sb__calloc(sizeof *l);
    if (l && !(l->session = process.api->open(tag, call_program, l))) {
        sb__free(l);
        l = NULL;
    }
    if (!l)
        return give(why, SB_E_MEMORY, "out of memory");
    l->link.transport = &sb__transport_inprocess;
    l->link.session = tag;
    l->link.reach = process.reach;
    l->link.addresses = process.reach != 0;
    l->api = process.api;
    l->alarm.interrupt = interrupt;
    sb__runner_init(&l->runner, l->api, l->session);
    *link = &l->link;
    return 0;
}

static int refused(struct inprocess_link *l, int rc)
{
    const char *text = rc == -2 && l->answer ? (const char *)l->answer : NULL;
    l->left = 0;
    return text ? give(&l->link.message, SB_E_PROTOCOL, "the engine refused a frame: %s", text)
                : give(&l->link.message, SB_E_MEMORY, "out of memory for the answer");
}

/* Its runner has ended. */
static void finish(struct sb_runner *runner)
{
    struct inprocess_link *l =
        (struct inprocess_link *)(void *)((char *)runner - offsetof(struct inprocess_link, runner));
    l->api->close(l->session);
    sb__runner_free(runner);
    sb__buf_reset(&l->link.message);
    sb__buf_reset(&l->link.stack);
    sb__free(l);
}

static void free_link(struct inprocess_link *l)
{
    if (l->alarmed)
        sb__alarm_remove(&l->alarm);
    sb__runner_end(&l->runner, finish);
}

/* One request has returned. The link may be gone then: a negative code. */
static inline int returned(struct inprocess_link *l, int rc)
{
    if (SB_UNLIKELY(l->closed)) {
        if (--l->closed == 0)
            free_link(l);
        return -SB_E_WORKER_DIED;
    }
    return SB_LIKELY(rc == 0) ? 0 : refused(l, rc);
}

static void arm(struct inprocess_link *l, int64_t due, uint64_t seq)
{
    l->due = due;
    l->due_seq = seq;
    if (due)
        sb__alarm_arm(&l->alarm, due, seq);
    else
        sb__alarm_disarm(&l->alarm);
}

static int send_frame(struct sb_link *link, const uint8_t *frame, size_t size)
{
    struct inprocess_link *l = (struct inprocess_link *)link;
    if (SB_UNLIKELY(sb__runner_wanted(&l->runner, frame))) {
        bool done;
        int rc = sb__runner_send(&l->runner, link, frame, size, &done);
        l->left = 0;
        if (rc || done)
            return rc;
    }
    /* A frame without the flag (RELEASE) runs under no deadline: the link's is an earlier call's. */
    bool deadline = SB_UNLIKELY(link->deadline != 0) &&
                    frame[offsetof(struct sb_frame, flags)] & SB_FLAG_DEADLINE;
    if (deadline && !l->alarmed) {
        int rc = sb__monitor_start();
        if (rc)
            return give(&link->message, SB_E_SYSTEM, "the monitor's thread cannot be started: %s",
                        strerror(-rc));
        sb__alarm_add(&l->alarm);
        l->alarmed = true;
    }
    const int64_t due = l->due; /* of the call whose callback this is */
    const uint64_t due_seq = l->due_seq;
    if (deadline)
        arm(l, link->deadline, link->deadline_seq);
    int rc = l->api->request(l->session, frame, size, &l->answer, &l->left);
    if (deadline)
        arm(l, due, due_seq);
    return returned(l, rc);
}

static int receive_frame(struct sb_link *link, const uint8_t **frame, size_t *size)
{
    struct inprocess_link *l = (struct inprocess_link *)link;
    uint32_t bytes = 0;
    if (SB_UNLIKELY(l->left < sizeof(struct sb_frame)))
        return give(&link->message, SB_E_PROTOCOL, "the engine gave no answer");
    memcpy(&bytes, l->answer, sizeof bytes);
    if (SB_UNLIKELY(bytes < sizeof(struct sb_frame) || bytes > l->left))
        return give(&link->message, SB_E_PROTOCOL, "the engine's answer is cut off");
    *frame = l->answer;
    *size = bytes;
    l->answer += bytes;
    l->left -= bytes;
    return 0;
}

static struct sb_answer exchange(struct sb_link *link, const uint8_t *request, size_t size)
{
    struct inprocess_link *l = (struct inprocess_link *)link;
    if (SB_UNLIKELY(sb__runner_busy(&l->runner))) {
        int failed = send_frame(link, request, size);
        return failed ? (struct sb_answer) { NULL, (size_t)-failed }
                      : (struct sb_answer) { l->answer, l->left };
    }
    int rc = l->api->request(l->session, request, size, &l->answer, &l->left);
    if (SB_UNLIKELY((rc = returned(l, rc)) != 0))
        return (struct sb_answer) { NULL, (size_t)-rc };
    return (struct sb_answer) { l->answer, l->left };
}

static bool dead(struct sb_link *link)
{
    (void)link;
    return false;
}

static void close_link(struct sb_link *link)
{
    struct inprocess_link *l = (struct inprocess_link *)link;
    const sb_session *py = link->owner;
    l->closed = 0;
    for (const struct sb_serving *v = py ? py->serving : NULL; v; v = v->outer)
        l->closed += v->waits && v->lent.link == link;
    if (!l->closed)
        free_link(l);
}

static int await_end(struct sb_link *link, uint64_t seq, int64_t until)
{
    return sb__runner_await(&((struct inprocess_link *)link)->runner, link, seq, until);
}

static void notify(struct sb_link *link, int fd)
{
    sb__runner_notify(&((struct inprocess_link *)link)->runner, fd);
}

static void cancel(struct sb_link *link, uint64_t seq, bool noted)
{
    (void)noted;
    sb__runner_cancel(&((struct inprocess_link *)link)->runner, seq);
}

static bool ended(struct sb_link *link, uint64_t seq)
{
    return sb__runner_ended(&((struct inprocess_link *)link)->runner, seq);
}

static uint64_t running(struct sb_link *link)
{
    return sb__runner_running(&((struct inprocess_link *)link)->runner);
}

const struct sb_transport sb__transport_inprocess = {
    .name = "inprocess",
    .open = open_link,
    .send = send_frame,
    .receive = receive_frame,
    .exchange = exchange,
    .dead = dead,
    .close = close_link,
    .await = await_end,
    .notify = notify,
    .cancel = cancel,
    .ended = ended,
    .running = running,
};
