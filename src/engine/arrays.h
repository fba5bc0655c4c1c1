/* SPDX-License-Identifier: MIT
 *
 * What the files about arrays share: arrays.c, numbers.c. */
#ifndef SB_ENGINE_ARRAYS_H
#define SB_ENGINE_ARRAYS_H

#include "core/value.h"
#include "core/view.h"
#include "engine/codec.h"
#include "engine/heap.h"

struct dtype {
    sb_dtype id;
    uint64_t tag;
    size_t size;
    const char *format, *name; /* of struct and memoryview; of NumPy */
};
const struct dtype *sb__dtype_by_name(const char *name);

/* Where the elements of a result go that is copied. */
struct sb_room {
    char *to;
    PyObject *owner; /* of memory that the answer refers to; NULL: they are in the answer itself */
    sb_array shape;
};
/* Makes room for `bytes` in C order: large arrays get memory of their own, which the answer refers to,
 * where there is shared memory. 0, or -1 with a fault or an exception; room->to is NULL when b->failed. */
int sb__room_make(struct sb_engine_session *s, struct sb_buf *b, const struct dtype *t,
                  const Py_ssize_t *shape, int ndim, size_t bytes,
                  struct sb_room *room) SB_MUST_USE;
/* The elements are written (`ok`), or nothing becomes of it. 1, or -1. */
int sb__room_end(struct sb_engine_session *s, struct sb_buf *b, struct sb_room *room, size_t bytes,
                 bool ok) SB_MUST_USE;

/* A list (of lists) of numbers. 1; 0 if this is no array of numbers; -1. */
int sb__put_nested(struct sb_engine_session *s, struct sb_buf *b, PyObject *o) SB_MUST_USE;
Py_ssize_t sb__sequence_size(PyObject *o); /* of a list or tuple; -1: neither */

#endif
