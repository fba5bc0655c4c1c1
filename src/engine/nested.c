/* SPDX-License-Identifier: MIT
 *
 * A callback in a worker: sends it, and serves the lane until its result is there, on whatever thread
 * has called the function. */
#include "core/cbor.h"
#include "engine/call.h"
#include "engine/callback.h"
#include "engine/error.h"
#include "engine/guard.h"
#include "engine/serve.h"
#include "engine/served.h"
#include <stdio.h>

static int give_up(struct sb_engine_session *s, const char *broken)
{
    s->gone = true;
    s->broken = broken;
    PyErr_SetString(PyExc_RuntimeError,
                    broken ? broken : "the program has let go of the session in a callback");
    return -1;
}

static int lane_failed(struct sb_served *l, struct sb_engine_session *s)
{
    if (PyErr_Occurred()) /* of a signal's handler */
        return -1;
    l->failed = true;
    return give_up(s, NULL);
}

/* A request of the program's function. */
static int run_nested(struct sb_served *l, struct sb_engine_session *s, struct sb_level *v)
{
    sb_header *h = (sb_header *)v->in.buf.ptr;
    const bool deadline =
        (h->flags & SB_FLAG_DEADLINE) && (h->kind == SB_FRAME_CALL || h->kind == SB_FRAME_SYNC);
    const uint64_t key = (uint64_t)s->tag << SB_ID_TAG_SHIFT | (h->seq & SB_RUNNING_SEQ);
    sb__callback_nest(s, v);
    bool begun = sb__guard_begin(key, deadline, l->shared);
    int rc = begun ? sb__run(s, v->in.buf.ptr, v->in.buf.len)
                   : sb__run_withdrawn(s, v->in.buf.ptr, v->in.buf.len);
    if (SB_UNLIKELY(sb__guard_forked()))
        sb__guard_child();
    if (begun && SB_UNLIKELY(sb__guard_end(key, deadline)) && rc == 0)
        rc = sb__run_late(s, h);
    sb__callback_unnest(s, v);
    if (SB_UNLIKELY(s->gone)) /* in a callback of this one */
        return give_up(s, s->broken);
    if (SB_UNLIKELY(rc == -2)) {
        static char why[200]; /* with the GIL; what it says lives no longer than the session */
        snprintf(why, sizeof why, "%s", (const char *)s->answer.ptr);
        return give_up(s, why);
    }
    if (SB_UNLIKELY(rc < 0)) {
        sb__buf_reset(&s->answer);
        sb__buf_put(&s->answer, "", 0);
        return give_up(s, "out of memory for an answer");
    }
    if (SB_LIKELY(s->answer.len)) {
        if (sb__served_write(l, s->answer.ptr, s->answer.len) < 0)
            return lane_failed(l, s);
    } else {
        sb__served_tell(l, !sb__ring_ready(&l->requests));
    }
    return 0;
}

int sb__serve_callback(struct sb_engine_session *s, struct sb_level *v)
{
    struct sb_served *l = s->owner;
    if (SB_UNLIKELY(sb__served_write(l, v->frame.ptr, v->frame.len) < 0))
        return lane_failed(l, s);
    for (;;) {
        int rc = sb__ring_read(&l->requests, &v->in);
        if (rc == 0) {
            if (v->in.size)
                sb__served_tell(l, true); /* room for the frame's next part */
            if (sb__served_wait(l) < 0 || v->abandoned)
                return -1;
            continue;
        }
        if (SB_UNLIKELY(rc < 0))
            return lane_failed(l, s);
        sb_header *h = (sb_header *)v->in.buf.ptr;
        if (SB_UNLIKELY(h->session != s->tag || h->size != v->in.buf.len || h->segments))
            return give_up(s, "a frame whose header makes no sense");
        if (SB_LIKELY(h->kind == SB_FRAME_RETURN || h->kind == SB_FRAME_RAISE)) {
            sb__served_tell(l, false);
            if (SB_LIKELY(h->id == v->number && h->seq == v->request->seq && !h->flags))
                return 0;
            if (!h->id || h->id >= v->number)
                return give_up(s, "the result of a callback that never was");
        } else if (SB_UNLIKELY(h->kind == SB_FRAME_CLOSE && !(h->flags & SB_FLAG_WAIT))) {
            return give_up(s, NULL);
        } else if ((rc = run_nested(l, s, v)) < 0) {
            return rc;
        }
        sb__incoming_next(&v->in);
        if (SB_UNLIKELY(v->abandoned))
            return -1;
    }
}
