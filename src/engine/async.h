/* SPDX-License-Identifier: MIT
 *
 * Coroutines: a session has an event loop, made when the first one comes, on which they run. With the GIL. */
#ifndef SB_ENGINE_ASYNC_H
#define SB_ENGINE_ASYNC_H

#include "engine/session.h"

/* Whether a call has to await `o` instead of giving it. */
static inline bool sb__is_coroutine(PyObject *o)
{
    return (PyObject *)Py_TYPE(o) == sb__py.coroutine;
}
/* What the coroutine, which it takes, gives: a new reference, or NULL with an exception. */
PyObject *sb__await_take(struct sb_engine_session *s, PyObject *coroutine);
/* Awaits `method(iterator)`: "step" for the next item of an asynchronous iterator (StopAsyncIteration at its end), "run" of
 * an awaitable. */
PyObject *sb__await(struct sb_engine_session *s, const char *method, PyObject *o);
/* Another thread ends the call that runs on the loop, if one does, with the exception `why`. */
void sb__async_stop(struct sb_engine_session *s, PyObject *why);
/* Cancels what is left, and closes the loop. */
void sb__async_close(struct sb_engine_session *s);

#endif
