/* SPDX-License-Identifier: MIT
 *
 * The hot path of a request, inline: what a call does when nothing special is the matter. Everything else is in call.c. */
#ifndef SB_RUNTIME_REQUEST_H
#define SB_RUNTIME_REQUEST_H

#include "runtime/session.h"

/* A call in the making: begin, then the arguments are appended to py->out, then send. */
struct sb_request {
    const struct sb_plan *plan;
    const sb_site *at;
    uint8_t flags;
    uint64_t id; /* for the result */
};

bool sb__request_begin_slow(sb_session *py, struct sb_request *q);
bool sb__request_send_slow(sb_session *py, struct sb_request *q, struct sb_reader *answer);
/* Goes on waiting for the answer to `seq`: rc, frame and size are what receive gave. */
bool sb__request_wait(sb_session *py, uint64_t seq, const sb_site *at, const char *function,
                      struct sb_reader *answer, int rc, const uint8_t *frame, size_t size);

/* Writes the plan, after room for the header. False: the session has failed. */
static inline bool sb__request_begin(sb_session *py, struct sb_request *q)
{
    uint32_t number = q->plan->number;
    struct sb_buf *b = &py->out;
    if (SB_UNLIKELY(!py->link || py->released_len ||
                    atomic_load_explicit(&py->member.ending, memory_order_relaxed) ||
                    number / 64 >= py->defined_words ||
                    !(py->defined[number / 64] >> number % 64 & 1) || b->failed ||
                    b->cap < SB_OUT_LEAST || b->cap > SB_OUT_MOST ||
                    sb__events_on(SB_EVENTS_OF_CALLS)))
        return sb__request_begin_slow(py, q);
    memcpy(b->ptr + sizeof(struct sb_frame), q->plan->head, sizeof q->plan->head);
    b->len = sizeof(struct sb_frame) + q->plan->head_size;
    return true;
}

/* Writes the header of a CALL of `size` bytes. By words: the engine loads no more than 8 bytes at once, and a load across
 * two stores would wait. */
static inline void sb__frame_head(void *frame, size_t size, uint8_t flags, const sb_session *py,
                                  uint64_t seq, uint64_t id)
{
    uint64_t *words = frame;
    words[0] = (uint64_t)flags << 40 | (uint64_t)SB_FRAME_CALL << 32 | size;
    words[1] = (uint64_t)py->epoch << 32 | py->tag;
    words[2] = seq;
    words[3] = id;
}

/* Whether the frame, which may lie anywhere, is a reply to the request `seq` as engines write it: one with other flags is
 * looked at again by sb__request_wait. `size` may be anything, then `frame` too. */
static inline bool sb__is_reply(const sb_session *py, const uint8_t *frame, size_t size,
                                uint64_t seq)
{
    uint64_t word, id; /* size, kind, flags, segments */
    uint32_t session;
    if (SB_UNLIKELY(size < sizeof(struct sb_frame)))
        return false;
    memcpy(&word, frame, sizeof word);
    memcpy(&session, frame + offsetof(struct sb_frame, session), sizeof session);
    memcpy(&id, frame + offsetof(struct sb_frame, id), sizeof id);
    return SB_LIKELY(word == ((uint64_t)SB_FRAME_REPLY << 32 | size) && session == py->tag &&
                     id == seq);
}

/* Sends it. With WAIT: waits, and leaves *answer at the body of the REPLY (valid until the next request). False: the
 * session has failed. */
static inline bool sb__request_send(sb_session *py, struct sb_request *q, struct sb_reader *answer)
{
    struct sb_buf *b = &py->out;
    if (SB_UNLIKELY(b->failed || b->len > SB_FRAME_MAX || py->timeout > 0 ||
                    q->flags & SB_FLAG_DEFINE || py->serving ||
                    py->seq - py->answered >= SB_IN_FLIGHT - 2 ||
                    sb__events_on(SB_EVENTS_OF_CALLS)))
        return sb__request_send_slow(py, q, answer);
    uint64_t seq = sb__next_seq(py);
    sb__frame_head(b->ptr, b->len, q->flags, py, seq, q->id);
    struct sb_sent *sent = &py->sent[seq % SB_IN_FLIGHT];
    sent->id = q->id;
    sent->file = q->at->file;
    sent->function = q->plan->function;
    sent->line = q->at->line;
    struct sb_link *link = py->link;
    const struct sb_transport *transport = py->transport;
    const uint8_t *frame = NULL;
    size_t size = 0;
    link->deadline = 0;
    int rc = transport->send(link, b->ptr, b->len);
    if (SB_LIKELY(rc == 0)) {
        if (!(q->flags & SB_FLAG_WAIT))
            return true;
        rc = transport->receive(link, &frame, &size);
        if (SB_LIKELY(rc == 0 && sb__is_reply(py, frame, size, seq))) {
            py->answered = py->seq;
            answer->p = frame + sizeof(struct sb_frame);
            answer->end = frame + size;
            answer->error = NULL;
            return true;
        }
    }
    return sb__request_wait(py, seq, q->at, q->plan->function, answer, rc, frame, size);
}

#endif
