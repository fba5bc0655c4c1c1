/* SPDX-License-Identifier: MIT
 *
 * Between CBOR and Python objects, without a tree between. decode.c, encode.c, walk.c, arrays.c. With
 * the GIL. */
#ifndef SB_ENGINE_CODEC_H
#define SB_ENGINE_CODEC_H

#include "core/cbor.h"
#include "engine/plan.h"

/* Reads one value: a new reference. NULL: r->error (malformed), or a fault, or an exception. */
PyObject *sb__decode(struct sb_engine_session *s, struct sb_reader *r, unsigned depth);

/* The same behind the tag of a value of the standard library. */
PyObject *sb__decode_known(struct sb_engine_session *s, struct sb_reader *r, uint64_t tag,
                           unsigned depth);

/* Appends `o` as the result type says. `id`: under which an object is registered; 0: the engine
 * chooses. 0; -1 with a fault or an exception. Want of memory shows in b->failed. */
int sb__encode_any(struct sb_engine_session *s, struct sb_buf *b, struct sb_target *plan,
                   PyObject *o, uint64_t id) SB_MUST_USE;

static inline int sb__encode(struct sb_engine_session *s, struct sb_buf *b, struct sb_target *plan,
                             PyObject *o, uint64_t id)
{
    if (SB_LIKELY(plan->result.code == 'd' && Py_TYPE(o) == &PyFloat_Type)) {
        sb__put_float(b, sb__float_value(o));
        return 0;
    }
    return sb__encode_any(s, b, plan, o, id);
}

/* The same with a type of its own, `spec`: one of several. The engine chooses the ids. */
int sb__encode_item(struct sb_engine_session *s, struct sb_buf *b, struct sb_target *plan,
                    struct sb_spec *spec, PyObject *o) SB_MUST_USE;

/* Appends an integer of any size. 0, or -1 with an exception. */
int sb__encode_int(struct sb_buf *b, PyObject *o) SB_MUST_USE;

static inline int sb__encode_str(struct sb_buf *b, PyObject *o)
{
    Py_ssize_t n;
    const char *p = sb__py.utf8(o, &n);
    if (!p)
        return -1;
    sb__put_string(b, SB_MAJOR_TEXT, p, (size_t)n);
    return 0;
}
int sb__encode_bytes(struct sb_buf *b, PyObject *o) SB_MUST_USE;
/* bytearray and memoryview as bytes: 1; 0 if it is neither; -1. */
int sb__encode_buffer(struct sb_buf *b, PyObject *o) SB_MUST_USE;
/* Keeps `o` under `id`, or under one that the engine chooses, and appends the id. */
int sb__encode_object(struct sb_engine_session *s, struct sb_buf *b, PyObject *o,
                      uint64_t id) SB_MUST_USE;

/* ---- arrays ---- */

/* The array of a typed array's tag behind which r stands: an ndarray where NumPy is to be had, else
 * a memoryview. `shape` has `ndim` lengths, or is NULL: one dimension. As sb__decode. */
PyObject *sb__decode_array(struct sb_engine_session *s, struct sb_reader *r, uint64_t tag,
                           const uint64_t *shape, size_t ndim);
bool sb__is_array_tag(uint64_t tag);
/* The array by reference behind whose tag r stands. As sb__decode. */
PyObject *sb__decode_view(struct sb_engine_session *s, struct sb_reader *r);

/* A list whose items are all floats, or all ints of 64 bits, as an array. 1; 0: it is something else. */
int sb__put_flat(struct sb_buf *b, PyObject *o) SB_MUST_USE;
/* Appends an array. 1; 0 if `o` is none that the wire can carry (then *why, where it is not NULL,
 * says what it is); -1: an exception. `convert`: takes what has numbers in order, too (lists,
 * __array__, __dlpack__), and refers to it where it can; else exporters of a buffer only, whose
 * elements are copied. */
int sb__encode_array(struct sb_engine_session *s, struct sb_buf *b, PyObject *o, bool convert,
                     char *why, size_t cap) SB_MUST_USE;

#endif
