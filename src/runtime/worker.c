/* SPDX-License-Identifier: MIT
 *
 * The transport "worker": frames through a lane of shared memory. A link is used by one thread; the
 * monitor decides about its deadline and its worker's end. Atomics: the reply word, the doorbell and
 * its bits (against engine/serve.c), the death word (against the kernel). What is read from the
 * lanes is hostile: cursors are checked in core/lane.h, frames are copied before they are looked
 * at. */
#include "runtime/worker.h"
#include "core/frame.h"
#include "runtime/heap.h"
#include "runtime/os_linux.h"
#include "snakebridge.h"
#include <linux/futex.h>
#include <sys/wait.h>

enum {
    GLANCES = 40,    /* turns of the first look, which needs no leave */
    SPIN_MAX = 4000, /* turns; some 50 to 100 us */
    SPIN_MIN = 64,
    TURNS_A_CHECK = 64,
};

__thread struct sb_lent *sb__lent __attribute__((tls_model("initial-exec")));

static _Atomic int cpus = 1;
static _Atomic int sleeping; /* threads of this process that sleep in a lane */
static _Atomic int spinning; /* that spin, and so take a CPU from their workers */

static inline void relax(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#else
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* ---- failures ---- */

/* The first failure of a link is its last. Its text is in the message, which has room from the start:
 * for want of more it is cut short. */
static int fail(struct sb_worker_link *l, int code)
{
    l->base.message.failed = false;
    l->base.message.ptr[l->base.message.len] = '\0';
    return l->failed = -code;
}

static bool is_dead(struct sb_worker_link *l)
{
    return atomic_load(&l->worker->state) == SB_WORKER_DEAD ||
           (atomic_load(&l->worker->control->death.futex) & FUTEX_OWNER_DIED);
}

/* The worker has ended, or is about to. */
static int died(struct sb_worker_link *l)
{
    struct sb_worker *w = l->worker;
    int status = SB_UNKNOWN;
    pthread_mutex_lock(&sb__monitor_lock);
    if (atomic_load(&w->state) != SB_WORKER_DEAD) {
        /* The kernel marks the death word before it tears the memory down, which may take long: how
         * it ends is known by now, or (exec, _exit) soon. */
        sb__os_process_state(w->pid, &status);
        bool crashed = atomic_load(&w->control->crashed);
        if (crashed)
            sb__worker_discard(w); /* it may be writing a core dump that somebody wants */
        else
            sb__worker_kill(w);
        if (!crashed && (status == SB_UNKNOWN || status == 0)) {
            int64_t until = sb__now() + 100 * SB_MILLISECOND;
            pthread_mutex_unlock(&sb__monitor_lock);
            for (uint32_t s; (s = atomic_load(&w->state)) != SB_WORKER_DEAD && sb__now() < until;)
                sb__os_futex_wait(&w->state, s, until);
            pthread_mutex_lock(&sb__monitor_lock);
        }
    }
    if (atomic_load(&w->state) == SB_WORKER_DEAD)
        status = w->status;
    uint32_t killed = atomic_load(&w->killed);
    l->base.about = atomic_load(&l->shared->noted) + 1;
    const struct sb_ladder *ladder = l->late_ladder.killed_at ? &l->late_ladder : &l->ladder;
    bool ours =
        killed == l->base.session && ladder->killed_at &&
        (ladder == &l->late_ladder || (l->base.deadline && ladder->seq == l->base.deadline_seq));
    struct sb_buf *text = &l->base.message;
    text->len = 0;
    if (ours) {
        sb__deadline_explain(ladder, text);
    } else if (killed) {
        sb__buf_print(text, "the worker was ended because another call did not end when its time "
                            "ran out");
    } else {
        sb__worker_obituary(w, status, text);
    }
    if (ours || atomic_load(&w->control->crashed))
        sb__worker_stack(w, &l->base.stack);
    pthread_mutex_unlock(&sb__monitor_lock);
    return fail(l, ours ? SB_E_TIMEOUT : SB_E_WORKER_DIED);
}

/* The monitor has decided about the request that is being waited for. */
static int judged(struct sb_worker_link *l, const struct sb_ladder *ladder, enum sb_verdict verdict)
{
    struct sb_buf *text = &l->base.message;
    text->len = 0;
    l->base.about = atomic_load(&l->shared->noted) + 1;
    pthread_mutex_lock(&sb__monitor_lock);
    if (verdict == SB_VERDICT_QUEUED) {
        sb__buf_print(text, "its time ran out while it was queued behind another call in the same "
                            "worker");
    } else {
        sb__deadline_explain(ladder, text);
        sb__buf_print(text, ", but has not ended yet");
        sb__worker_stack(l->worker, &l->base.stack);
    }
    pthread_mutex_unlock(&sb__monitor_lock);
    return fail(l, SB_E_TIMEOUT);
}

/* What the worker wrote makes no sense: it is not to be trusted any more. */
static void worker_reject(struct sb_link *link)
{
    struct sb_worker_link *l = (struct sb_worker_link *)link;
    if (sb__forked())
        return;
    pthread_mutex_lock(&sb__monitor_lock);
    if (atomic_load(&l->worker->state) != SB_WORKER_DEAD) {
        l->worker->rejected = true;
        sb__worker_kill(l->worker);
    }
    pthread_mutex_unlock(&sb__monitor_lock);
}

static int nonsense(struct sb_worker_link *l, const char *what)
{
    worker_reject(&l->base);
    l->base.message.len = 0;
    sb__buf_print(&l->base.message, "the worker broke the protocol: %s; it was ended", what);
    return fail(l, SB_E_PROTOCOL);
}

static int in_child(struct sb_worker_link *l)
{
    l->base.message.len = 0;
    sb__buf_print(&l->base.message, "a session cannot be used in a child of fork()");
    return fail(l, SB_E_MISUSE);
}

/* ---- waiting ---- */

void sb__lane_wake(struct sb_worker_link *l)
{
    atomic_store(&l->shared->word.futex, 0);
    sb__os_futex_wake(&l->shared->word.futex);
}

/* Whether there is something to do: a reply, or (room > 0) room for that many bytes of a request. */
static inline bool news(struct sb_worker_link *l, size_t room)
{
    if (!room)
        return atomic_load_explicit(l->rep.theirs, memory_order_acquire) != l->rep.seen;
    return sb__ring_room(&l->req, room) >= room || l->req.broken;
}

/* A bounded spin, which pays only if the worker runs meanwhile, on another CPU. It grows while
 * answers come during it, and shrinks when they do not. */
static bool spin(struct sb_worker_link *l, size_t room)
{
    const int n = atomic_load_explicit(&cpus, memory_order_relaxed);
    if (n == 1 || atomic_load_explicit(&sleeping, memory_order_relaxed) >= n)
        return false;
    for (int i = 0; i < GLANCES; i++) {
        if (news(l, room))
            return true;
        relax();
    }
    bool found = false;
    if (atomic_fetch_add_explicit(&spinning, 1, memory_order_relaxed) < n - 1)
        for (unsigned i = 0; i < l->spin && !found; i++) {
            found = news(l, room);
            relax();
        }
    atomic_fetch_sub_explicit(&spinning, 1, memory_order_relaxed);
    if (found)
        l->spin = l->spin * 2 < SPIN_MAX ? l->spin * 2 : SPIN_MAX;
    else
        l->spin = l->spin / 2 > SPIN_MIN ? l->spin / 2 : SPIN_MIN;
    return found;
}

static int trouble(struct sb_worker_link *l)
{
    uint64_t verdict = atomic_load(&l->verdict), late = atomic_load(&l->late);
    if (SB_UNLIKELY(verdict) && l->base.deadline && verdict >> 2 == l->base.deadline_seq)
        return judged(l, &l->ladder, (enum sb_verdict)(verdict & 3));
    if (SB_UNLIKELY(late) &&
        late >> 2 > atomic_load(&l->shared->noted)) /* it has not ended after all */
        return judged(l, &l->late_ladder, (enum sb_verdict)(late & 3));
    return SB_UNLIKELY(is_dead(l)) ? died(l) : 0;
}

static void arm(struct sb_worker_link *l, int64_t due, uint64_t seq, uint64_t floor)
{
    atomic_store(&l->floor, floor);
    sb__watch_arm(&l->watch, due, seq);
}

int sb__worker_trouble(struct sb_worker_link *l)
{
    return l->failed ? l->failed : trouble(l);
}

void sb__worker_sleeps(int change)
{
    atomic_fetch_add_explicit(&sleeping, change, memory_order_relaxed);
}

/* Sleeps until there are news. 0, or the failure. */
static int sleep_for(struct sb_worker_link *l, size_t room)
{
    _Atomic uint32_t *word = &l->shared->word.futex;
    const uint32_t asleep = l->tid | FUTEX_WAITERS;
    int rc = 0;
    atomic_fetch_add_explicit(&sleeping, 1, memory_order_relaxed);
    if (l->base.deadline)
        arm(l, l->base.deadline, l->base.deadline_seq, l->base.floor);
    for (;;) {
        /* The word, then everything that it stands for. The worker: news, then the word. The
         * monitor: state or verdict, then the word. The kernel, at the worker's death: the death
         * word, then the lane's. */
        atomic_store(word, asleep);
        atomic_thread_fence(memory_order_seq_cst);
        if (news(l, room) || (rc = trouble(l)))
            break;
        sb__os_futex_wait(word, asleep, INT64_MAX);
    }
    atomic_store_explicit(word, 0, memory_order_relaxed);
    if (l->base.deadline) {
        if (SB_UNLIKELY(l->lent_due))
            arm(l, l->lent_due, l->lent_seq, l->lent_floor);
        else
            sb__watch_disarm(&l->watch);
    }
    atomic_fetch_sub_explicit(&sleeping, 1, memory_order_relaxed);
    return rc;
}

static inline int wait_for(struct sb_worker_link *l, size_t room)
{
    return SB_LIKELY(spin(l, room)) ? 0 : sleep_for(l, room);
}

/* ---- frames ---- */

/* Rings only for bits that are not set yet. If one is, the worker has not taken it: then it will,
 * and look at the cursors after that. Order: the cursor's store, the fence, the bits' loads; the
 * worker takes a bit, then loads the cursor. It sleeps only while no bit is set. */
static inline void ring_bell(struct sb_worker_link *l)
{
    struct sb_control *c = l->worker->control;
    _Atomic uint64_t *ready = &c->ready[l->lane / 64];
    const uint64_t lane = UINT64_C(1) << l->lane % 64;
    const uint32_t group = 1u << l->lane / SB_LANE_GROUP;
    atomic_thread_fence(memory_order_seq_cst);
    if (!(atomic_load_explicit(ready, memory_order_relaxed) & lane))
        atomic_fetch_or(ready, lane);
    if (!(atomic_load(&c->doorbell) & group) &&
        SB_UNLIKELY(atomic_fetch_or(&c->doorbell, group) & SB_DOORBELL_SLEEPS))
        sb__os_futex_wake(&c->doorbell);
}

static void note_close(struct sb_worker_link *l, const uint8_t *frame)
{
    struct sb_frame head;
    memcpy(&head, frame, sizeof head);
    l->close_seq = head.seq;
    l->close_waits = head.flags & SB_FLAG_WAIT;
}

/* Whether the worker runs a call whose callback runs here, and this is another session: its request
 * would wait for the end of that call, which waits for it. What needs no answer may go, if there is
 * room. */
static bool is_busy(struct sb_worker_link *l, const uint8_t *frame, size_t size)
{
    for (struct sb_lent *i = sb__lent; i; i = i->around)
        if (i->link == &l->base)
            return false;
    for (struct sb_lent *i = sb__lent; i; i = i->around)
        if (i->link && i->link->transport == &sb__transport_worker &&
            ((struct sb_worker_link *)i->link)->worker == l->worker)
            return frame[offsetof(struct sb_frame, kind)] != SB_FRAME_RELEASE ||
                   sb__ring_room(&l->req, size + 7) < size + 7;
    return false;
}

static int busy(struct sb_worker_link *l)
{
    l->base.message.len = 0;
    sb__buf_print(&l->base.message,
                  "the worker is busy with the call whose callback this is; in it only the "
                  "callback's own session, or one of another worker, can be used");
    l->base.message.failed = false;
    l->base.message.ptr[l->base.message.len] = '\0';
    return -SB_E_BUSY;
}

static int worker_send(struct sb_link *link, const uint8_t *frame, size_t size)
{
    struct sb_worker_link *l = (struct sb_worker_link *)link;
    if (SB_UNLIKELY(sb__forked()))
        return in_child(l);
    if (SB_UNLIKELY(l->failed))
        return l->failed;
    if (SB_UNLIKELY(sb__lent != NULL && is_busy(l, frame, size)))
        return busy(l);
    if (SB_UNLIKELY(frame[offsetof(struct sb_frame, kind)] == SB_FRAME_CLOSE))
        note_close(l, frame);
    if (SB_UNLIKELY(frame[offsetof(struct sb_frame, flags)] & SB_FLAG_NOTE) && link->deadline) {
        int rc = sb__worker_due(l, link->deadline_seq, link->deadline);
        if (rc)
            return rc;
    }
    size_t done = sb__ring_write(&l->req, frame, size, true);
    while (SB_UNLIKELY(done < size)) { /* larger than the room that there is: in parts */
        if (l->req.broken)
            return nonsense(l, "it moved a cursor beyond the ring");
        l->partial = true;
        sb__ring_publish(&l->req);
        ring_bell(l);
        size_t rest = size - done;
        int rc = wait_for(l, rest + 7 < SB_RING_SIZE / 2 ? rest + 7 : SB_RING_SIZE / 2);
        if (rc)
            return rc;
        done += sb__ring_write(&l->req, frame + done, rest, true);
    }
    l->partial = false;
    sb__ring_publish(&l->req);
    ring_bell(l);
    return 0;
}

/* No memory for the frame that is arriving: it is dropped, so that the worker can go on. */
static int drop_frame(struct sb_worker_link *l)
{
    /* Nothing of it has been copied: its memory comes first. Its header is there; words do not wrap. */
    const size_t at = (size_t)l->rep.pos;
    uint32_t left;
    uint64_t id;
    memcpy(&left, l->rep.base + (at & (SB_RING_SIZE - 1)), sizeof left);
    memcpy(&id, l->rep.base + ((at + offsetof(struct sb_frame, id)) & (SB_RING_SIZE - 1)),
           sizeof id);
    if (left < sizeof(struct sb_frame) || left > SB_FRAME_MAX)
        return nonsense(l, "what it wrote is no frame");
    while (left) {
        size_t ready = sb__ring_ready(&l->rep);
        if (l->rep.broken)
            return nonsense(l, "it moved a cursor beyond the ring");
        uint32_t n = ready < left ? (uint32_t)ready : left;
        l->rep.pos += n;
        left -= n;
        if (!left)
            l->rep.pos = (l->rep.pos + 7) & ~UINT64_C(7);
        sb__ring_release(&l->rep);
        ring_bell(l);
        int rc = left ? wait_for(l, 0) : 0;
        if (rc)
            return rc;
    }
    sb__incoming_next(&l->in);
    l->let_go = l->close_seq && id == l->close_seq;
    l->base.message.len = 0;
    sb__buf_print(&l->base.message, "out of memory for the answer");
    return fail(l, SB_E_MEMORY);
}

static int worker_receive(struct sb_link *link, const uint8_t **frame, size_t *size)
{
    struct sb_worker_link *l = (struct sb_worker_link *)link;
    if (SB_UNLIKELY(sb__forked()))
        return in_child(l);
    if (SB_UNLIKELY(l->failed))
        return l->failed;
    if (l->taken) {
        sb__incoming_next(&l->in);
        l->taken = false;
    }
    for (;;) {
        size_t before = l->in.buf.len;
        int got = sb__ring_read(&l->rep, &l->in);
        if (SB_LIKELY(got > 0))
            break;
        if (got < 0)
            return l->in.buf.failed ? drop_frame(l) : nonsense(l, "what it wrote is no frame");
        if (l->in.buf.len != before) { /* a part: the worker may wait for room */
            sb__ring_release(&l->rep);
            ring_bell(l);
        }
        int rc = wait_for(l, 0);
        if (SB_UNLIKELY(rc))
            return rc;
    }
    sb__ring_release(&l->rep);
    l->taken = true;

    struct sb_frame head;
    memcpy(&head, l->in.buf.ptr, sizeof head);
    switch (head.kind) {
    case SB_FRAME_REPLY:
    case SB_FRAME_ERROR:
        if (SB_UNLIKELY(l->close_seq && head.id == l->close_seq))
            l->let_go = true;
        break;
    case SB_FRAME_CALLBACK:
        break;
    case SB_FRAME_DROP:
    case SB_FRAME_OUTPUT: /* more follows: the worker may wait for room */
        ring_bell(l);
        break;
    default:
        return nonsense(l, "a frame of a kind that only a program sends");
    }
    if (SB_UNLIKELY(head.session != l->base.session || head.segments))
        return nonsense(l, "a frame of another session");
    *frame = l->in.buf.ptr;
    *size = l->in.buf.len;
    return 0;
}

/* ---- links ---- */

/* With the lock. */
static void free_link(struct sb_worker_link *l)
{
    struct sb_worker *w = l->worker;
    sb__worker_give_lane(w, l->lane);
    if (l->prev)
        l->prev->next = l->next;
    else
        w->links = l->next;
    if (l->next)
        l->next->prev = l->prev;
    sb__mapping_drop(l->base.heap);
    sb__buf_reset(&l->in.buf);
    sb__buf_reset(&l->base.message);
    sb__buf_reset(&l->base.stack);
    sb__free(l->dues);
    sb__free(l);
    sb__worker_unref(w);
}

void sb__links_died(struct sb_worker *w)
{
    for (struct sb_worker_link *l = w->links, *next; l; l = next) {
        next = l->next;
        if (l->parked) {
            free_link(l);
        } else {
            sb__lane_wake(l);
            sb__worker_tell(l);
        }
    }
}

/* Whether the worker is through with a parked link: it has read all of the lane, and answered. */
static bool through(struct sb_worker_link *l)
{
    if (!l->close_seq || l->partial)
        return false;
    int got = 0;
    if (l->taken)
        sb__incoming_next(&l->in);
    l->taken = false;
    while (!l->let_go && (got = sb__ring_read(&l->rep, &l->in)) > 0) {
        struct sb_frame head;
        memcpy(&head, l->in.buf.ptr, sizeof head);
        l->let_go = head.id == l->close_seq;
        sb__incoming_next(&l->in);
    }
    if (got < 0 && l->in.buf.failed) /* for want of memory: there may be some the next time */
        sb__incoming_next(&l->in);
    sb__ring_release(&l->rep);
    return (l->let_go || !l->close_waits) &&
           atomic_load_explicit(l->req.theirs, memory_order_acquire) == l->req.pos;
}

/* Takes back the lanes that closed links have left. With the lock. */
static void reclaim(struct sb_worker *w)
{
    for (struct sb_worker_link *l = w->links, *next; l; l = next) {
        next = l->next;
        if (l->parked && through(l))
            free_link(l);
    }
}

static int worker_open(const struct sb_place *place, uint32_t tag, struct sb_link **link,
                       struct sb_buf *why)
{
    *link = NULL;
    if (sb__forked()) {
        sb__buf_print(why, "a session cannot be used in a child of fork()");
        return -SB_E_MISUSE;
    }
    struct sb_worker *w;
    int rc = sb__worker_acquire(place, &w, why);
    if (rc)
        return rc;

    struct sb_worker_link *l = sb__calloc(sizeof *l);
    pthread_mutex_lock(&sb__monitor_lock);
    reclaim(w);
    int lane = l && sb__buf_room(&l->base.message, 1000) ? sb__worker_take_lane(w) : -SB_E_MEMORY;
    if (lane < 0) {
        if (lane == -SB_E_LIMIT)
            sb__buf_print(why, "a worker serves %d sessions at a time", SB_LANES);
        if (l)
            sb__buf_reset(&l->base.message);
        sb__free(l);
        sb__worker_unref(w);
        pthread_mutex_unlock(&sb__monitor_lock);
        return lane;
    }
    atomic_store_explicit(&cpus, sb__os_cpus(), memory_order_relaxed);
    l->base.transport = &sb__transport_worker;
    l->base.session = tag;
    l->base.worker = w->pid;
    l->worker = w; /* takes the reference */
    l->lane = (uint32_t)lane;
    l->tid = w->tid;
    l->spin = SPIN_MAX;
    l->shared = sb__lane(w->control, l->lane);
    l->req = sb__ring(w->control, l->lane, false, true);
    l->rep = sb__ring(w->control, l->lane, true, false);
    atomic_store(&l->shared->withdrawn, 0);
    atomic_store(&l->shared->revoked, 0);
    atomic_store(&l->shared->notify, 0);
    atomic_store(&l->shared->noted, 0); /* of the session before: the worker is through with it */
    l->notify_fd = -1;
    l->base.heap = sb__mapping_hold(w->heap);
    l->base.reach = l->base.heap ? w->control->heap_reach : 0;
    l->watch.look = sb__deadline_look;
    l->next = w->links;
    if (w->links)
        w->links->prev = l;
    w->links = l;
    sb__monitor_add_watch(&l->watch);
    pthread_mutex_unlock(&sb__monitor_lock);
    *link = &l->base;
    return 0;
}

static void worker_lend(struct sb_link *link, uint64_t floor)
{
    struct sb_worker_link *l = (struct sb_worker_link *)link;
    l->lent_due = link->deadline;
    l->lent_seq = link->deadline_seq;
    l->lent_floor = floor;
    atomic_store(&l->lent, link->deadline != 0);
    if (link->deadline)
        arm(l, link->deadline, link->deadline_seq, floor);
    else
        sb__watch_disarm(&l->watch);
}

static bool worker_dead(struct sb_link *link)
{
    struct sb_worker_link *l = (struct sb_worker_link *)link;
    return sb__forked() || is_dead(l);
}

static void worker_close(struct sb_link *link)
{
    struct sb_worker_link *l = (struct sb_worker_link *)link;
    if (sb__forked())
        return; /* the parent's: the child leaves it alone */
    pthread_mutex_lock(&sb__monitor_lock);
    sb__monitor_remove_watch(&l->watch);
    sb__worker_forget(l);
    if (atomic_load(&l->worker->state) == SB_WORKER_DEAD || l->let_go || through(l)) {
        free_link(l);
    } else {
        if (!l->close_seq && !l->partial) { /* so that the worker drops the session's objects */
            struct sb_frame head = { .size = sizeof head,
                                     .kind = SB_FRAME_CLOSE,
                                     .session = l->base.session,
                                     .seq = SB_RUNNING_SEQ };
            if (sb__ring_room(&l->req, sizeof head + 7) >= sizeof head + 7) {
                sb__ring_write(&l->req, &head, sizeof head, true);
                sb__ring_publish(&l->req);
                note_close(l, (const uint8_t *)&head);
                ring_bell(l);
            }
        }
        l->parked = true;
    }
    pthread_mutex_unlock(&sb__monitor_lock);
}

const struct sb_transport sb__transport_worker = {
    .name = "worker",
    .open = worker_open,
    .send = worker_send,
    .receive = worker_receive,
    .dead = worker_dead,
    .reject = worker_reject,
    .close = worker_close,
    .lend = worker_lend,
    .await = sb__worker_await,
    .notify = sb__worker_notify,
    .cancel = sb__worker_cancel,
    .ended = sb__worker_ended,
    .running = sb__worker_running,
};
