/* SPDX-License-Identifier: MIT
 *
 * The sessions of the process, by pool, name and owner, and how one is ended that its thread does not close: released by its
 * name, with its owner, or because it was idle. Whoever ends a session takes it first: its word goes from "nobody is inside"
 * to SB_TAKEN, so that its thread, which may begin a call at that moment, waits until it is given back (sb__enter_slow).
 * One lock guards what is marked; it may be taken inside sb__monitor_lock, and nothing that waits is called under it. */
#ifndef SB_RUNTIME_SESSIONS_H
#define SB_RUNTIME_SESSIONS_H

#include <pthread.h>
#include <snakebridge.h>
#include <stdatomic.h>

/* What a pool allows its sessions. */
struct sb_limits {
    uint32_t sessions;                 /* of the pool */
    uint32_t objects;                  /* of a session */
    bool lru;                          /* beyond it, the longest unused goes */
    int64_t object_idle, session_idle; /* ns; 0: none */
    uint64_t bytes;                    /* held by a session */
    uint64_t message;                  /* bytes of a request or an answer */
};
/* Where nothing else is said. */
static inline struct sb_limits sb__limits(void)
{
    return (struct sb_limits) {
        .sessions = 10000, .objects = 10000, .bytes = UINT64_MAX, .message = 100000000
    };
}

/* Those of a pool. Lock. */
struct sb_sessions {
    const char *pool; /* its name, or NULL */
    struct sb_limits limits;
    uint32_t count, named;  /* that are open, or kept under their names */
    uint64_t opened, calls; /* so far; requests of those that have ended */
};

/* Why a session was ended that its thread has not closed. */
enum sb_ending { SB_LIVES, SB_RELEASED, SB_DISOWNED, SB_IDLE };

struct sb_opener;

/* A session's part in it. Lock, but for `ending`. */
struct sb_membership {
    struct sb_sessions *among;           /* NULL: none of a pool's */
    sb_session *prev, *next;             /* all of the process */
    sb_session *next_named, *next_owned; /* of the same bucket */
    char *name;                          /* or NULL */
    const void *holder; /* sb__self() of the thread that opened it; NULL: nobody has it open */
    struct sb_opener *openers; /* that wait until it is let go, in their order */
    sb_session *spare;         /* memory where it goes when it is let go */
    uint64_t serial, owner;    /* owner: the serial of another session, or 0 */
    uint64_t seen_seq;         /* its last request when the sweep last looked, */
    int64_t seen_at;           /* and when that was new */
    sb_session *next_taken;    /* of those that somebody has taken */
    bool cut;                  /* it has ended, though its holder has not closed it yet */
    _Atomic uint32_t ending;   /* enum sb_ending: its next request fails */
};

/* What sb_open says about it. */
struct sb_joining {
    const char *name; /* or NULL */
    sb_session *owner;
    const sb_site *at;
    bool fail_busy; /* do not wait for another holder */
};

/* Makes a configured session one of `among`. With a name: gives the session of that name instead, which is its opener's from
 * now on, if there is one; `py` is gone then. What fails is the error of the session that is returned. */
sb_session *sb__session_join(sb_session *py, struct sb_sessions *among,
                             const struct sb_joining *how);
/* Whether sb_close leaves it alive. */
static inline bool sb__member_stays(const struct sb_membership *m)
{
    return m->name && !atomic_load_explicit(&m->ending, memory_order_relaxed);
}
/* sb_close, when all is done and said: leaves a session that has a name alive, for its next opener. True: `py` is gone, or
 * left to the ends of its blocks. False: the session is to be ended. */
bool sb__session_let_go(sb_session *py);
/* It ends: nobody finds it any more, and those that it owns are released. */
void sb__session_part(sb_session *py);

/* What the session's next call says of its end. */
void sb__fail_ended(sb_session *py, const sb_site *at, const char *function);
struct sb_trouble;
void sb__trouble_ended(sb_session *py, struct sb_trouble *t);
/* The session is SB_TAKEN: waits until it is given back. */
void sb__session_await(sb_session *py);

/* Whether a member is in the pool that the filter names. With the lock. */
bool sb__member_fits(const struct sb_membership *m, const sb_session_filter *filter);

/* ---- for sweep.c: with the lock ---- */

extern pthread_mutex_t sb__sessions_lock;
extern sb_session *sb__sessions; /* by member.next */
/* Takes a session that nobody is inside of. */
bool sb__session_take(sb_session *py);
void sb__session_give_back(sb_session *py);
/* A session that is taken is to end for this reason; put into the list. False: not now, it is given back. */
bool sb__session_doom(sb_session *py, enum sb_ending why, sb_session **taken);
/* Without the lock: ends the sessions of the list, and those that they own. */
void sb__sessions_end(sb_session *taken);

/* ---- sweep.c ---- */

/* A member has limits of time, or is to end as soon as nobody is inside: without the lock. */
void sb__sweep_in(int64_t ns);

#endif
