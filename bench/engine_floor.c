/* SPDX-License-Identifier: MIT
 *
 * What the engine adds to a call: sb_engine_api.request with a frame made beforehand, against the
 * same vectorcall by hand with the GIL taken and given back. Both on this thread, in turns, the best
 * of many rounds each: the floor below which no transport can go. */
#include "core/cbor.h"
#include "core/frame.h"
#include "engine/engine.h"
#include <Python.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 60
#define CALLS 20000

static const struct sb_engine_api *engine;
static struct sb_engine_session *session;
static PyThreadState *state;
static PyObject *sqrt_function, *mean_function, *mean_names;
static struct sb_buf sqrt_frame, mean_frame;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double sqrt_by_hand(double x)
{
    PyEval_RestoreThread(state);
    PyObject *args[2] = { NULL, PyFloat_FromDouble(x) };
    PyObject *r =
        PyObject_Vectorcall(sqrt_function, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    double d = PyFloat_AsDouble(r);
    Py_DECREF(r);
    Py_DECREF(args[1]);
    state = PyEval_SaveThread();
    return d;
}

/* Three by position, two by keyword. */
static double mean_by_hand(double x)
{
    PyEval_RestoreThread(state);
    PyObject *args[6] = { NULL,
                          PyFloat_FromDouble(x),
                          PyLong_FromLong(2),
                          PyLong_FromLong(3),
                          PyLong_FromLong(4),
                          PyFloat_FromDouble(0.5) };
    PyObject *r = PyObject_Vectorcall(mean_function, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                      mean_names);
    double d = PyFloat_AsDouble(r);
    Py_DECREF(r);
    for (int i = 1; i < 6; i++)
        Py_DECREF(args[i]);
    state = PyEval_SaveThread();
    return d;
}

static double by_frame(struct sb_buf *frame)
{
    const uint8_t *answer;
    size_t size;
    struct sb_frame *h = (struct sb_frame *)(void *)frame->ptr;
    h->seq++;
    if (engine->request(session, frame->ptr, frame->len, &answer, &size) != 0 ||
        size != sizeof *h + SB_CBOR_HEAD_MAX) {
        fprintf(stderr, "engine_floor: the call failed\n");
        exit(1);
    }
    uint64_t bits;
    memcpy(&bits, answer + sizeof *h + 1, sizeof bits);
    return sb__float_bits(__builtin_bswap64(bits));
}
static double sqrt_by_frame(double x)
{
    sb__cbor_float(sqrt_frame.ptr + sqrt_frame.len - SB_CBOR_HEAD_MAX, x);
    return by_frame(&sqrt_frame);
}
static double mean_by_frame(double x)
{
    (void)x;
    return by_frame(&mean_frame);
}

static void make_frame(struct sb_buf *b, uint64_t plan, const char *name, bool keywords,
                       bool define)
{
    struct sb_frame h = { .kind = SB_FRAME_CALL,
                          .flags = SB_FLAG_WAIT | (define ? SB_FLAG_DEFINE : 0),
                          .session = 1,
                          .seq = 1 };
    b->len = 0;
    sb__buf_put(b, &h, sizeof h);
    sb__put_uint(b, plan);
    if (define) {
        sb__put_head(b, SB_MAJOR_ARRAY, 5);
        sb__put_text(b, "f");
        sb__put_text(b, name);
        sb__put_head(b, SB_MAJOR_ARRAY, keywords ? 2 : 0);
        if (keywords) {
            sb__put_text(b, "d");
            sb__put_text(b, "e");
        }
        sb__put_text(b, "d");
        sb__put_bool(b, false);
    }
    sb__put_head(b, SB_MAJOR_ARRAY, keywords ? 5 : 1);
    sb__put_float(b, 1.5);
    if (keywords) {
        for (int i = 2; i < 5; i++)
            sb__put_int(b, i);
        sb__put_float(b, 0.5);
    }
    uint32_t size = (uint32_t)b->len;
    memcpy(b->ptr, &size, sizeof size);
}

static void race(const char *name, double (*hand)(double), double (*frame)(double))
{
    double best[2] = { 1e18, 1e18 };
    volatile double sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int which = 0; which < 2; which++) {
            double (*f)(double) = which ? frame : hand;
            double begin = now_ns();
            for (int i = 0; i < CALLS; i++)
                sum += f(i + 0.5);
            double each = (now_ns() - begin) / CALLS;
            if (each < best[which])
                best[which] = each;
        }
    }
    printf("%-10s by hand %6.1f ns   engine %6.1f ns   ratio %.2f\n", name, best[0], best[1],
           best[1] / best[0]);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: engine_floor ENGINE\n");
        return 2;
    }
    void *module = dlopen(argv[1], RTLD_NOW);
    void *symbol = module ? dlsym(module, "sb_engine_api") : NULL;
    if (!symbol) {
        fprintf(stderr, "engine_floor: %s\n", dlerror());
        return 1;
    }
    const struct sb_engine_api *(*find)(uint32_t);
    memcpy(&find, &symbol, sizeof symbol);
    engine = find(SB_ENGINE_ABI);
    char error[300];
    struct sb_engine_start how = { .program = NULL };
    if (!engine || engine->start(&how, error, sizeof error) != 0) {
        fprintf(stderr, "engine_floor: the engine does not start\n");
        return 1;
    }
    PyGILState_STATE level = PyGILState_Ensure();
    (void)level;
    PyObject *math = PyImport_ImportModule("math");
    PyObject *main_module = PyImport_AddModule("__main__");
    PyObject *scope = PyModule_GetDict(main_module);
    PyObject *done =
        PyRun_String("def mean(a, b, c, d=0, e=0.0):\n    return a\n", Py_file_input, scope, scope);
    sqrt_function = PyObject_GetAttrString(math, "sqrt");
    mean_function = PyDict_GetItemString(scope, "mean");
    mean_names = PyTuple_Pack(2, PyUnicode_InternFromString("d"), PyUnicode_InternFromString("e"));
    if (!done || !sqrt_function || !mean_function || !mean_names)
        return 1;
    state = PyEval_SaveThread();
    session = engine->open(1, NULL, NULL);
    make_frame(&sqrt_frame, 0, "math:sqrt", false, true);
    by_frame(&sqrt_frame);
    make_frame(&sqrt_frame, 0, NULL, false, false);
    make_frame(&mean_frame, 1, "__main__:mean", true, true);
    by_frame(&mean_frame);
    make_frame(&mean_frame, 1, NULL, true, false);
    race("scalar", sqrt_by_hand, sqrt_by_frame);
    race("keywords", mean_by_hand, mean_by_frame);
    return 0;
}
