/* SPDX-License-Identifier: MIT
 *
 * The worker's loop. */
#ifndef SB_ENGINE_SERVE_H
#define SB_ENGINE_SERVE_H

#include "engine/python.h"

/* serve(lanes, dump, lifeline, heap, own): makes this process a worker and answers requests until the program
 * ends it. Returns only with an exception: it could not begin, or a signal's handler wants to end
 * the process. */
PyObject *sb__serve(PyObject *module, PyObject *args);

/* fail(dump, why): tells the program why this worker does not start, and ends it. */
PyObject *sb__serve_fail(PyObject *module, PyObject *args);

/* For callbacks (engine/nested.c), on any thread, with the GIL. */
struct sb_engine_session;
struct sb_level;
/* Frames are half written, perhaps without the GIL: nobody else may write. */
extern bool sb__serve_writing;
/* Threads that wait for the bell look again. */
void sb__serve_wake(void);
/* converse of a worker's sessions. */
int sb__serve_callback(struct sb_engine_session *s, struct sb_level *level);

#endif
