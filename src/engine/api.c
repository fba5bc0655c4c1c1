/* SPDX-License-Identifier: MIT
 *
 * The engine's two doors: sb_engine_api for a program that runs Python in its own process, and the
 * module that worker.py loads. In-process, requests run on the calling thread, whose Python thread
 * state is made by its first request and stays until the thread ends. */
#include "engine/engine.h"
#include "engine/async.h"
#include "engine/answer.h"
#include "engine/call.h"
#include "engine/callback.h"
#include "engine/heap.h"
#include "engine/output.h"
#include "engine/serve.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

/* ---- the calling thread ---------------------------------------------------------------------- */

/* Initial-exec: 16 bytes of the room that glibc keeps for libraries that are loaded later (its
 * manual, "rtld.optional_static_tls"); without it each access is a function call. */
static __thread __attribute__((tls_model("initial-exec"))) struct {
    PyThreadState *state;
    unsigned long ident;
} self;

static pthread_key_t leave_key;

static void leave(void *state)
{
    if (!Py_IsInitialized())
        return;
    PyEval_RestoreThread(state);
    PyGILState_Release(PyGILState_UNLOCKED); /* the last level: deletes the state */
    self.state = NULL;
}

/* Takes the GIL on a thread for the first time. */
static __attribute__((cold, noinline)) bool enter_first(void)
{
    PyGILState_STATE level = PyGILState_Ensure();
    (void)level; /* UNLOCKED: nobody calls in here with the GIL */
    PyThreadState *state = PyThreadState_Get();
    if (pthread_setspecific(leave_key, state) != 0) {
        PyGILState_Release(level);
        return false;
    }
    self.state = state;
    self.ident = PyThread_get_thread_ident();
    return true;
}

static inline bool enter(void)
{
    if (SB_UNLIKELY(!self.state))
        return enter_first();
    PyEval_RestoreThread(self.state);
    return true;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* What is seldom left to do after a request: -2, -1 and 0 as sb__run. */
static __attribute__((cold, noinline)) int finish(struct sb_engine_session *s, sb_header *h, int rc)
{
    if (s->gone)
        return s->broken ? sb__answer_malformed(s, s->broken) : rc;
    if (s->interrupted) {
        bool late = s->interrupted & SB_INTERRUPTED;
        s->interrupted = 0;
        PyThreadState_SetAsyncExc(s->thread,
                                  NULL); /* if it was not raised yet, it is not due now */
        if (rc == 0 && late)
            rc = sb__run_late(s, h);
    }
    if (rc == 0 && h->kind == SB_FRAME_CLOSE)
        sb__output_dump(s);
    return rc;
}

/* A request of the program's function, in a callback. */
static __attribute__((noinline)) int request_nested(struct sb_engine_session *s,
                                                    const uint8_t *frame, size_t frame_size)
{
    struct sb_level *v = s->level;
    sb__callback_nest(s, v);
    int rc = sb__run(s, frame, frame_size);
    if (SB_UNLIKELY(s->interrupted || s->output.len))
        rc = finish(s, (sb_header *)frame, rc);
    sb__callback_unnest(s, v);
    return rc;
}

static int api_request(struct sb_engine_session *s, const uint8_t *frame, size_t frame_size,
                       const uint8_t **answer, size_t *size)
{
    sb_header *h = (sb_header *)frame;
    if (SB_UNLIKELY(!enter())) {
        *size = 0;
        return -1;
    }
    if (SB_UNLIKELY(s->level != NULL)) {
        int nested = request_nested(s, frame, frame_size);
        *answer = s->answer.ptr;
        *size = nested != -1 ? s->answer.len : 0;
        PyEval_SaveThread();
        return nested;
    }
    s->thread = self.ident;
    int rc = sb__run(s, frame, frame_size);
    if (SB_UNLIKELY(sb__unusual(s) || s->output.len))
        rc = finish(s, h, rc);
    *answer = s->answer.ptr;
    *size = SB_LIKELY(rc != -1) ? s->answer.len : 0;
    PyEval_SaveThread();
    return rc;
}

static int api_refuse(struct sb_engine_session *s, const uint8_t *frame, size_t frame_size,
                      sb_code code)
{
    if (!enter())
        return -1;
    s->thread = self.ident;
    int rc = sb__run_refused(s, frame, frame_size, code);
    if (s->interrupted)
        rc = finish(s, (sb_header *)frame, rc);
    PyEval_SaveThread();
    return rc;
}

static void api_interrupt(struct sb_engine_session *s, uint64_t seq)
{
    PyGILState_STATE level = PyGILState_Ensure();
    if (s->request && s->request->seq == seq) {
        s->interrupted |= SB_INTERRUPTED;
        PyThreadState_SetAsyncExc(s->thread, sb__py.timeout);
        sb__async_stop(s, sb__py.timeout);
    }
    PyGILState_Release(level);
}

static void api_cancel(struct sb_engine_session *s, uint64_t seq)
{
    PyGILState_STATE level = PyGILState_Ensure();
    if (s->request && s->request->seq == seq && !s->interrupted) {
        s->interrupted |= SB_CANCELLED;
        PyThreadState_SetAsyncExc(s->thread, sb__py.cancelled);
        sb__async_stop(s, sb__py.cancelled);
    }
    PyGILState_Release(level);
}

/* On the thread that has called the function: any of Python's, whose state is lent to its requests. */
static int converse(struct sb_engine_session *s, struct sb_level *v)
{
    const uint8_t *answer = NULL;
    size_t n = 0;
    uint64_t request = v->request->seq;
    unsigned long ident = self.ident;
    PyThreadState *state = self.state, *mine = PyEval_SaveThread();
    if (SB_UNLIKELY(state != mine)) { /* a thread of Python's own */
        self.state = mine;
        self.ident = PyThread_get_thread_ident();
    }
    int rc = s->call(s->ctx, v->frame.ptr, v->frame.len, &answer, &n);
    if (SB_UNLIKELY(state != mine)) {
        self.state = state;
        self.ident = ident;
    }
    PyEval_RestoreThread(mine);
    if (SB_LIKELY(rc == 0)) {
        sb_header *h = (sb_header *)answer;
        v->in.buf.len = 0;
        sb__buf_put(&v->in.buf, answer, n);
        if (SB_UNLIKELY(v->in.buf.failed)) {
            PyErr_NoMemory();
            return -1;
        }
        if (SB_LIKELY(n >= sizeof *h && h->size == n && h->session == s->tag && !h->flags &&
                      !h->segments && h->seq == request && h->id == v->number &&
                      (h->kind == SB_FRAME_RETURN || h->kind == SB_FRAME_RAISE)))
            return 0;
        s->broken = "the result of a callback whose header makes no sense";
    }
    s->gone = true;
    PyErr_SetString(PyExc_RuntimeError,
                    s->broken ? s->broken : "the program has let go of the session in a callback");
    return -1;
}

static struct sb_engine_session *api_open(uint32_t tag, sb_engine_call *call, void *ctx)
{
    struct sb_engine_session *s =
        tag && tag >> (64 - SB_ID_TAG_SHIFT) == 0 ? sb__session_new(tag) : NULL;
    if (s && call) {
        s->converse = converse;
        s->call = call;
        s->ctx = ctx;
    }
    return s;
}

static void api_close(struct sb_engine_session *s)
{
    if (!s)
        return;
    if (!enter())
        return; /* for want of memory: leaked rather than touched without the GIL */
    sb__output_dump(s);
    sb__session_free(s);
    PyEval_SaveThread();
}

/* ---- starting Python ------------------------------------------------------------------------- */

static int explain(char *error, size_t cap, const char *what)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    PyObject *text = value ? PyObject_Str(value) : NULL;
    PyObject *bytes = text ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    snprintf(error, cap, "%s: %s", what, bytes ? PyBytes_AsString(bytes) : "no memory");
    PyErr_Clear();
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    Py_XDECREF(text);
    Py_XDECREF(bytes);
    return -1;
}

/* Python 3.14 and later: PEP 741. 0, or -1 with `error`. */
static int start_by_config(const char *program, char *error, size_t cap)
{
    void *(*create)(void);
    void (*destroy)(void *config);
    int (*set_text)(void *config, const char *name, const char *value);
    int (*initialize)(void *config);
    int (*get_error)(void *config, const char **text);
    const struct {
        const char *name;
        void *function;
    } symbols[] = { { "PyInitConfig_Create", &create },
                    { "PyInitConfig_Free", &destroy },
                    { "PyInitConfig_SetStr", &set_text },
                    { "Py_InitializeFromInitConfig", &initialize },
                    { "PyInitConfig_GetError", &get_error } };
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *symbol = dlsym(RTLD_DEFAULT, symbols[i].name);
        if (!symbol) {
            snprintf(error, cap, "libpython has neither Py_SetProgramName nor %s", symbols[i].name);
            return -1;
        }
        memcpy(symbols[i].function, &symbol, sizeof symbol);
    }
    void *config = create();
    if (!config) {
        snprintf(error, cap, "out of memory");
        return -1;
    }
    int rc = set_text(config, "program_name", program) < 0 || initialize(config) < 0 ? -1 : 0;
    if (rc < 0) {
        const char *text = NULL;
        get_error(config, &text);
        snprintf(error, cap, "Python does not start: %s", text ? text : "no reason given");
    }
    destroy(config);
    return rc;
}

static int initialize(const char *program, char *error, size_t cap)
{
    static wchar_t *name; /* Python keeps the pointer */
    void (*set_name)(const wchar_t *);
    void *symbol = dlsym(RTLD_DEFAULT, "Py_SetProgramName");
    if (!program) {
        Py_InitializeEx(0);
        return 0;
    }
    if (!symbol)
        return start_by_config(program, error, cap);
    memcpy(&set_name, &symbol, sizeof symbol);
    name = Py_DecodeLocale(program, NULL);
    if (!name) {
        snprintf(error, cap, "the interpreter's path cannot be decoded: %s", program);
        return -1;
    }
    set_name(name);
    Py_InitializeEx(0);
    return 0;
}

/* Importing signal (as subprocess does) makes Python take SIGINT, if it is nobody's: then Ctrl-C
 * would no longer end the program. So it is imported now, and SIGINT given back. */
static int keep_interrupt(void)
{
    struct sigaction old;
    sigaction(SIGINT, NULL, &old);
    PyObject *module = PyImport_ImportModule("_signal");
    sigaction(SIGINT, &old, NULL);
    Py_XDECREF(module);
    return module ? 0 : -1;
}

static int prepare(const struct sb_engine_start *how)
{
    if (keep_interrupt() < 0)
        return -1;
    PyObject *argv = PySys_GetObject("argv");
    if (!argv || !PyList_Check(argv) || PyList_Size(argv) == 0) {
        argv = Py_BuildValue("[s]", "");
        int rc = argv ? PySys_SetObject("argv", argv) : -1;
        Py_XDECREF(argv);
        if (rc < 0)
            return -1;
    }
    PyObject *path = PySys_GetObject("path");
    for (Py_ssize_t i = 0; path && how->python_path && how->python_path[i]; i++) {
        PyObject *entry = PyUnicode_DecodeFSDefault(how->python_path[i]);
        int rc = entry ? PyList_Insert(path, i, entry) : -1;
        Py_XDECREF(entry);
        if (rc < 0)
            return -1;
    }
    return sb__python_load();
}

static int api_start(const struct sb_engine_start *how, char *error, size_t cap)
{
    if (Py_IsInitialized()) {
        snprintf(error, cap, "this process already runs Python %s", Py_GetVersion());
        return -1;
    }
    if (pthread_key_create(&leave_key, leave) != 0) {
        snprintf(error, cap, "the process has no thread-specific key left");
        return -1;
    }
    if (initialize(how->program, error, cap) < 0)
        return -1;
    int rc = prepare(how) < 0 ? explain(error, cap, "Python does not start") : 0;
    if (rc == 0 && how->heap && how->column)
        sb__heaps_share(how->heap, how->heap_size, how->column);
    PyEval_SaveThread();
    return rc;
}

static const char *api_python_version(void)
{
    return sb__py.version_text;
}

__attribute__((visibility("default"))) const struct sb_engine_api *sb_engine_api(uint32_t abi)
{
    static const struct sb_engine_api api = {
        .abi = SB_ENGINE_ABI,
        .version = SB_PROTOCOL,
        .version_min = SB_PROTOCOL_MIN,
        .start = api_start,
        .open = api_open,
        .close = api_close,
        .request = api_request,
        .interrupt = api_interrupt,
        .cancel = api_cancel,
        .refuse = api_refuse,
        .python_version = api_python_version,
    };
    return abi == SB_ENGINE_ABI ? &api : NULL;
}

/* ---- the worker's module --------------------------------------------------------------------- */

PyMODINIT_FUNC PyInit_engine(void);
__attribute__((visibility("default"))) PyObject *PyInit_engine(void)
{
    static PyMethodDef methods[] = {
        { "serve", sb__serve, METH_VARARGS,
          "serve(lanes, dump, lifeline, heap, own): answers requests." },
        { "fail", sb__serve_fail, METH_VARARGS,
          "fail(dump, why): ends a worker that cannot serve." },
        { NULL, NULL, 0, NULL },
    };
    static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT,
                                             "engine",
                                             "The engine of a SnakeBridge worker.",
                                             -1,
                                             methods,
                                             NULL,
                                             NULL,
                                             NULL,
                                             NULL };
    return PyModule_Create(&definition);
}
