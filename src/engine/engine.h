/* SPDX-License-Identifier: MIT
 *
 * What the engine offers to whoever drives it: the worker's loop (engine/serve.c) and the
 * in-process transport, which finds sb_engine_api with dlsym. Everything behind it is CPython;
 * nothing in front of it is. */
#ifndef SB_ENGINE_ENGINE_H
#define SB_ENGINE_ENGINE_H

#include <snakebridge.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SB_ENGINE_ABI 1

struct sb_engine_session;

/* How to start Python in this process. */
struct sb_engine_start {
    const char *program; /* the environment's interpreter (sys.executable); NULL: the library's own
                            prefix */
    const char *const *python_path; /* in front of sys.path; NULL-terminated, or NULL */
    /* The heap of the program (core/heap.h), its size, and the engine's counters of its blocks; with
     * them arrays go by reference, results by their addresses. NULL: arrays are copied. */
    void *heap;
    size_t heap_size;
    _Atomic uint32_t *column;
};

/* Runs a function of the program: the frame is a CALLBACK. On the thread that has called the function
 * in Python, without the GIL; the program may make requests meanwhile, on that thread. 0: *answer,
 * *n bytes, is RETURN or RAISE of this callback, and stays until the next one of this depth. Else
 * the program has let go of the session. */
typedef int sb_engine_call(void *ctx, const uint8_t *frame, size_t size, const uint8_t **answer,
                           size_t *n);

struct sb_engine_api {
    uint32_t abi, version, version_min;
    /* Starts CPython in this process, once (Py_IsInitialized must be false: another Python is
     * refused by name). Signal handlers stay as they are. The GIL is free afterwards. 0, or -1 with
     * `error` filled. */
    int (*start)(const struct sb_engine_start *how, char *error, size_t cap);
    /* A session for frames of `tag`, which has 16 bits and is not 0; `call`, with `ctx`, runs the
     * program's functions, NULL: there are none. NULL for want of memory. Both may be called from any
     * thread without the GIL. */
    struct sb_engine_session *(*open)(uint32_t tag, sb_engine_call *call, void *ctx);
    /* Drops it with all its objects. Not in a callback. */
    void (*close)(struct sb_engine_session *session);
    /* Runs one request frame (any bytes: they are checked) on the calling thread, taking the GIL.
     * For a request with WAIT the answer (OUTPUT frames, then one REPLY or ERROR) is at *answer,
     * *size bytes, until the session's next request; else *size is 0. 0; -1: memory ran out for the
     * answer, the session is unusable. -2: the frame is malformed
     * (*answer is text that says why). */
    int (*request)(struct sb_engine_session *session, const uint8_t *frame, size_t frame_size,
                   const uint8_t **answer, size_t *size);
    /* In-process deadline: raises the timeout exception in the thread that runs a request of
     * `session`, if it is still running `seq`. Takes the GIL: call it from a thread that may wait.
     */
    void (*interrupt)(struct sb_engine_session *session, uint64_t seq);
    /* sb_cancel, in-process: the same with the exception that says so, once, and not while the
     * request's failure is being described. Takes the GIL. */
    void (*cancel)(struct sb_engine_session *session, uint64_t seq);
    /* Instead of request, for one without WAIT: it is not run, but fails with `code`, unless the session
     * has failed already. As request. */
    int (*refuse)(struct sb_engine_session *session, const uint8_t *frame, size_t frame_size,
                  sb_code code);
    /* Python's version as text: "3.11.2". */
    const char *(*python_version)(void);
};

/* NULL if the engine does not have this ABI. Exported by engine.abi3.so. */
const struct sb_engine_api *sb_engine_api(uint32_t abi);

#endif
