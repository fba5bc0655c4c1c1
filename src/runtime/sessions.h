/* SPDX-License-Identifier: MIT
 *
 * The sessions of the process, by pool, name and owner, and how one is ended that its thread does not close: released by its
 * name, or with its owner. Whoever ends a session takes it first: its word goes from "nobody is inside"
 * to SB_TAKEN, so that its thread, which may begin a call at that moment, waits until it is given back (sb__enter_slow).
 * One lock guards what is marked; it may be taken inside sb__monitor_lock, and nothing that waits is called under it. */
#ifndef SB_RUNTIME_SESSIONS_H
#define SB_RUNTIME_SESSIONS_H

#include <pthread.h>
#include <snakebridge.h>
#include <stdatomic.h>

enum { SB_SESSIONS_MOST = 10000 }; /* of a pool */

/* Those of a pool. Lock. */
struct sb_sessions {
    uint32_t count; /* that are open, or kept under their names */
};

/* Why a session was ended that its thread has not closed. */
enum sb_ending { SB_LIVES, SB_RELEASED, SB_DISOWNED };

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
    sb_session *next_taken;    /* of those that somebody has taken */
    bool cut;                  /* it has ended, though its holder has not closed it yet */
    _Atomic uint32_t ending;   /* enum sb_ending: its next request fails */
};

/* What sb_open says about it. */
struct sb_joining {
    const char *name; /* or NULL */
    sb_session *owner;
    const sb_site *at;
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
void sb__trouble_ended(const sb_session *py, struct sb_trouble *t);
/* The session is SB_TAKEN: waits until it is given back. */
void sb__session_await(sb_session *py);

/* Whether a member is in the pool that the filter names. With the lock. */
bool sb__member_fits(const struct sb_membership *m, const sb_session_filter *filter);

/* ---- for sweep.c: with the lock ---- */

extern pthread_mutex_t sb__sessions_lock;
extern sb_session *sb__sessions; /* by member.next */
/* Takes a session that is to end, into the list. False: not now, somebody is inside, or C uses what would go. */
bool sb__session_doom(sb_session *py, sb_session **taken);
/* Without the lock: ends the sessions of the list, and those that they own. `later`: others are to end, but not now. */
void sb__sessions_end(sb_session *taken, bool later);

/* ---- sweep.c ---- */

/* A session is to end as soon as nobody is inside: without the lock. */
void sb__sweep_soon(void);

#endif
