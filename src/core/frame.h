/* SPDX-License-Identifier: MIT
 *
 * The frame: one message between a program and an engine, as docs/wire.md lays it down. Shared by
 * runtime and engine. */
#ifndef SB_CORE_FRAME_H
#define SB_CORE_FRAME_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define SB_PROTOCOL 1     /* version of this side */
#define SB_PROTOCOL_MIN 1 /* oldest version of a peer that it talks to */

#define SB_FRAME_KINDS(X) \
    X(OPEN, 1)            \
    X(CLOSE, 2)           \
    X(CALL, 3)            \
    X(RELEASE, 4)         \
    X(SYNC, 5)            \
    X(RETURN, 6)          \
    X(RAISE, 7)           \
    X(REPLY, 16)          \
    X(ERROR, 17)          \
    X(OUTPUT, 18)         \
    X(CALLBACK, 19)       \
    X(DROP, 20)

enum sb_frame_kind {
#define SB_FRAME_KIND(name, number) SB_FRAME_##name = number,
    SB_FRAME_KINDS(SB_FRAME_KIND)
#undef SB_FRAME_KIND
};

enum sb_frame_flag {
    SB_FLAG_WAIT = 1,     /* the caller waits for the answer */
    SB_FLAG_DEFINE = 2,   /* the plan's definition follows its number */
    SB_FLAG_ALWAYS = 4,   /* runs although the session has failed */
    SB_FLAG_DEADLINE = 8, /* ends by compare-and-swap: the call may be killed */
    SB_FLAG_NOTE = 16,    /* its end is noted in the lane; it may be revoked before it begins */
};

struct sb_frame {
    uint32_t size; /* header included */
    uint8_t kind, flags;
    uint16_t segments; /* must be 0 */
    uint32_t session;
    uint32_t epoch;
    uint64_t seq;
    uint64_t id;
};
static_assert(sizeof(struct sb_frame) == 32 && offsetof(struct sb_frame, segments) == 6 &&
                  offsetof(struct sb_frame, session) == 8 && offsetof(struct sb_frame, seq) == 16 &&
                  offsetof(struct sb_frame, id) == 24,
              "frame header");

#define SB_FRAME_MAX (1u << 30) /* bytes of one frame; what is larger is SB_E_LIMIT */
#define SB_MAX_DEPTH 500        /* of nested values */
#define SB_MAX_INT_BYTES \
    65536 /* of one integer: the time to make digits of it grows with the square */
#define SB_MAX_INT_DIGITS 157827

#define SB_CALLBACK_DEPTH 100 /* of a session's callbacks: SB_MAX_CALLBACKS */

#define SB_ID_ENGINE (UINT64_C(1) << 47) /* chosen by the engine */
#define SB_ID_COUNTER (SB_ID_ENGINE - 1)
#define SB_ID_TAG_SHIFT 48

/* CBOR tags: IANA's, then the private ones. */
enum sb_tag {
    SB_TAG_DATETIME_TEXT = 0,
    SB_TAG_BIGNUM = 2,
    SB_TAG_NEGATIVE_BIGNUM = 3,
    SB_TAG_DECIMAL = 4,
    SB_TAG_RATIONAL = 30,
    SB_TAG_UUID = 37,
    SB_TAG_IDENTIFIER = 39,
    SB_TAG_ARRAY = 40,
    SB_TAG_SET = 258,
    SB_TAG_DATE = 1004,
    SB_TAG_COMPLEX = 43000,
    SB_TAG_TUPLE = 61440,
    SB_TAG_FROZENSET = 61441,
    SB_TAG_BOOL8 = 61442,
    SB_TAG_COMPLEX64 = 61443,
    SB_TAG_COMPLEX128 = 61444,
    SB_TAG_DECIMAL_TEXT = 61445,
    SB_TAG_DATETIME = 61446,
    SB_TAG_TIME = 61447,
    SB_TAG_TIMEDELTA = 61448,
    SB_TAG_ENUM = 61449,
    SB_TAG_NAMEDTUPLE = 61450,
    SB_TAG_RANGE = 61451,
    SB_TAG_SLICE = 61452,
    SB_TAG_ELLIPSIS = 61453,
    SB_TAG_PATH = 61454,
    SB_TAG_DATETIME64 = 61455,
    SB_TAG_TIMEDELTA64 = 61456,
    SB_TAG_VIEW = 61461, /* an array by reference: core/view.h */
};

/* dtype, tag of its typed array, bytes an element, format of struct and memoryview, numpy's name */
#define SB_DTYPES(X)                                     \
    X(BOOL8, SB_TAG_BOOL8, 1, "?", "bool")               \
    X(INT8, 72, 1, "b", "int8")                          \
    X(INT16, 77, 2, "h", "int16")                        \
    X(INT32, 78, 4, "i", "int32")                        \
    X(INT64, 79, 8, "q", "int64")                        \
    X(UINT8, 64, 1, "B", "uint8")                        \
    X(UINT16, 69, 2, "H", "uint16")                      \
    X(UINT32, 70, 4, "I", "uint32")                      \
    X(UINT64, 71, 8, "Q", "uint64")                      \
    X(FLOAT16, 84, 2, "e", "float16")                    \
    X(FLOAT32, 85, 4, "f", "float32")                    \
    X(FLOAT64, 86, 8, "d", "float64")                    \
    X(COMPLEX64, SB_TAG_COMPLEX64, 8, "Zf", "complex64") \
    X(COMPLEX128, SB_TAG_COMPLEX128, 16, "Zd", "complex128")

#endif
