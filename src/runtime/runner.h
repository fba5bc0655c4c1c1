/* SPDX-License-Identifier: MIT
 *
 * The thread that runs submitted calls of a session in-process, and whatever is sent behind them that nobody waits for. It
 * starts with the first submitted call. Functions are the session's thread's, but for those marked "any thread". */
#ifndef SB_RUNTIME_RUNNER_H
#define SB_RUNTIME_RUNNER_H

#include "core/frame.h"
#include "engine/engine.h"
#include "runtime/monitor.h"
#include "runtime/transport.h"

struct sb_queued;

struct sb_runner {
    const struct sb_engine_api *api;
    struct sb_engine_session *session;
    _Atomic bool
        busy; /* something is queued or runs: nobody else may run a request of the session */
    bool started;
    pthread_t thread;
    struct sb_alarm alarm; /* for deadlines of what it runs */
    void (*finish)(struct sb_runner *runner);

    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t changed;
    struct sb_queued *first, **last;
    uint64_t running; /* the request that it runs, 0: none */
    uint64_t noted;   /* the last one with NOTE that has ended */
    int fd;           /* to be told, or -1 */
    int failed;       /* a negative code: the session is of no use any more */
    char why[200];
    unsigned pokes; /* threads that are about to interrupt something */
    uint64_t poked; /* the request that the last one is about */
    bool poked_to_cancel;
    int64_t due; /* of the alarm, while something runs; 0: none */
    bool stop;   /* no more will come */
    bool alone;  /* the session has left it behind: it finishes by itself */
};

void sb__runner_init(struct sb_runner *runner, const struct sb_engine_api *api,
                     struct sb_engine_session *session);

static inline bool
sb__runner_busy(struct sb_runner *runner) /* pairs with the runner's last store */
{
    return atomic_load_explicit(&runner->busy, memory_order_acquire);
}
/* Whether the frame goes to sb__runner_send first. */
static inline bool sb__runner_wanted(struct sb_runner *runner, const uint8_t *frame)
{
    return sb__runner_busy(runner) || ((frame[offsetof(struct sb_frame, flags)] & SB_FLAG_NOTE) &&
                                       frame[offsetof(struct sb_frame, kind)] == SB_FRAME_CALL);
}
/* Takes a copy of a frame that nobody waits for: *done. For one that is waited for, waits until the runner has nothing left
 * to do; when the time of link->deadline runs out, interrupts what runs, and leaves it a second more. 0, or a negative code
 * with link->message. */
int sb__runner_send(struct sb_runner *runner, struct sb_link *link, const uint8_t *frame,
                    size_t size, bool *done);
/* sb_transport.await, .notify; any thread: .cancel, .ended, .running. */
int sb__runner_await(struct sb_runner *runner, struct sb_link *link, uint64_t seq, int64_t until);
void sb__runner_notify(struct sb_runner *runner, int fd);
void sb__runner_cancel(struct sb_runner *runner, uint64_t seq);
bool sb__runner_ended(struct sb_runner *runner, uint64_t seq);
uint64_t sb__runner_running(struct sb_runner *runner);

/* Ends the thread, then calls `finish`, which frees the runner; if a call is still running: when it has ended, on the
 * runner's thread. What is queued is dropped. */
void sb__runner_end(struct sb_runner *runner, void (*finish)(struct sb_runner *runner));
void sb__runner_free(struct sb_runner *runner);

#endif
