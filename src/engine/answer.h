/* SPDX-License-Identifier: MIT
 *
 * The answer to a request, in the session's buffer: REPLY, ERROR, and what was printed meanwhile in
 * front of them. With the GIL. Functions that make an answer return as sb__run. */
#ifndef SB_ENGINE_ANSWER_H
#define SB_ENGINE_ANSWER_H

#include "core/cbor.h"
#include "engine/session.h"

/* Puts what was printed meanwhile in front of the answer. */
SB_COLD int sb__answer_prepend(struct sb_engine_session *s, uint64_t id);

/* Starts the answer: room for its header. */
static inline void sb__answer_begin(struct sb_engine_session *s)
{
    s->answer.len = 0;
    if (sb__buf_room(&s->answer, 128))
        s->answer.len = sizeof(struct sb_frame);
}

/* Ends it: `seq` is the request that it is about. */
static inline int sb__answer_end(struct sb_engine_session *s, sb_header *h, uint8_t kind,
                                 uint64_t seq)
{
    if (SB_UNLIKELY(s->answer.failed)) {
        sb__buf_reset(&s->answer);
        return -1;
    }
    struct sb_frame *header = (struct sb_frame *)(void *)s->answer.ptr; /* malloc aligns it */
    header->size = (uint32_t)s->answer.len;
    header->kind = kind;
    header->flags = 0;
    header->segments = 0;
    header->session = s->tag;
    header->epoch = h->epoch;
    header->seq = seq;
    header->id = h->seq;
    return SB_UNLIKELY(s->output.len) ? sb__answer_prepend(s, h->seq) : 0;
}

/* REPLY null, if somebody waits. */
SB_COLD int sb__answer_null(struct sb_engine_session *s, sb_header *h);
/* An ERROR frame from an array without its last item; `seq` is the request that failed. */
SB_COLD int sb__answer_error(struct sb_engine_session *s, sb_header *h, const struct sb_buf *array,
                             uint64_t seq);
/* The frame makes no sense: the text why, and -2. */
SB_COLD int sb__answer_malformed(struct sb_engine_session *s, const char *why);
/* The request failed: by s->fault, or by the pending exception. The first failure stays the
 * session's until the epoch moves on; that of a request that runs after it is answered alone. */
SB_COLD int sb__answer_fail(struct sb_engine_session *s, sb_header *h);
/* Drops what a result registered before it failed (engine-chosen ids from `from` on, and `id`): the
 * caller never learns these ids. Keeps the pending exception. */
SB_COLD void sb__answer_unregister(struct sb_engine_session *s, uint64_t id, uint64_t from);

#endif
