/* SPDX-License-Identifier: MIT
 *
 * Answers, but for the parts that every call goes through: see answer.h. */
#include "engine/answer.h"
#include "engine/call.h"
#include "engine/error.h"
#include "engine/output.h"

int sb__answer_prepend(struct sb_engine_session *s, uint64_t id)
{
    struct sb_buf all = { 0 };
    sb__output_take(s, &all, id);
    sb__buf_put(&all, s->answer.ptr, s->answer.len);
    all.failed = all.failed || s->answer.failed;
    sb__buf_reset(&s->answer);
    if (all.failed) {
        sb__buf_reset(&all);
        return -1;
    }
    s->answer = all;
    return 0;
}

int sb__answer_null(struct sb_engine_session *s, sb_header *h)
{
    if (!(h->flags & SB_FLAG_WAIT))
        return 0;
    sb__answer_begin(s);
    sb__put_null(&s->answer);
    return sb__answer_end(s, h, SB_FRAME_REPLY, h->seq);
}

int sb__answer_error(struct sb_engine_session *s, sb_header *h, const struct sb_buf *array,
                     uint64_t seq)
{
    s->answer.len = 0;
    if (!(h->flags & SB_FLAG_WAIT))
        return array->failed ? -1 : 0;
    sb__answer_begin(s);
    sb__buf_put(&s->answer, array->ptr, array->len);
    sb__put_uint(&s->answer, s->skipped);
    s->answer.failed = s->answer.failed || array->failed;
    return sb__answer_end(s, h, SB_FRAME_ERROR, seq);
}

int sb__answer_malformed(struct sb_engine_session *s, const char *why)
{
    sb__fault_clear(s);
    PyErr_Clear();
    s->answer.len = 0;
    sb__buf_put(&s->answer, why, strlen(why) + 1);
    s->answer.len--;
    return -2;
}

int sb__answer_fail(struct sb_engine_session *s, sb_header *h)
{
    if (s->failed) {
        struct sb_buf error = { 0 };
        if (h->flags & SB_FLAG_WAIT) {
            sb__error_take(s, &error, &s->late);
        } else {
            sb__fault_clear(s);
            PyErr_Clear();
        }
        int rc = sb__answer_error(s, h, &error, h->seq);
        sb__buf_reset(&error);
        return rc;
    }
    s->error.len = 0;
    sb__error_take(s, &s->error, &s->late);
    s->failed = true;
    s->failed_epoch = h->epoch;
    s->failed_seq = h->seq;
    s->skipped = 0;
    return sb__answer_error(s, h, &s->error, h->seq);
}

void sb__answer_unregister(struct sb_engine_session *s, uint64_t id, uint64_t from)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    uint64_t to = s->counter;
    for (; from < to; from++)
        sb__session_drop(s, (uint64_t)s->tag << SB_ID_TAG_SHIFT | SB_ID_ENGINE | from);
    sb__session_drop(s, id);
    PyErr_Restore(type, value, trace);
}

/* Bytes of the OUTPUT frames that the answer begins with. */
static size_t spoken(const struct sb_buf *answer)
{
    size_t at = 0;
    struct sb_frame h;
    while (answer->len - at >= sizeof h) {
        memcpy(&h, answer->ptr + at, sizeof h);
        if (h.kind != SB_FRAME_OUTPUT)
            break;
        at += h.size;
    }
    return at;
}

int sb__run_late(struct sb_engine_session *s, sb_header *h)
{
    if (s->late)
        return 0;
    struct sb_buf error = { 0 }, before = s->answer;
    before.len = spoken(&before);
    s->answer = (struct sb_buf) { 0 };
    sb__error_put(&error, SB_E_TIMEOUT, "the call went on beyond its deadline");
    if (!s->failed || s->failed_seq == h->seq) {
        s->failed = true;
        s->failed_epoch = h->epoch;
        s->failed_seq = h->seq;
        s->error.len = 0;
        sb__buf_put(&s->error, error.ptr, error.len);
        s->error.failed = s->error.failed || error.failed;
    }
    sb__answer_unregister(s, h->id, s->first_new);
    int rc = sb__answer_error(s, h, &error, h->seq);
    if (rc == 0 && before.len && s->answer.len) {
        sb__buf_put(&before, s->answer.ptr, s->answer.len);
        sb__buf_reset(&s->answer);
        s->answer = before;
        before = (struct sb_buf) { 0 };
        rc = s->answer.failed ? -1 : 0;
    }
    sb__buf_reset(&before);
    sb__buf_reset(&error);
    return rc;
}
