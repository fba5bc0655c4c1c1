/* SPDX-License-Identifier: MIT
 *
 * The session: all of its state, and what its files share. A session is entered through sb__enter, which admits one thread
 * at a time; everything below is that thread's alone. Files: session.c (life, entry), error.c, handle.c (objects and
 * scopes), call.c (requests and answers), typed.c (sb_run_*), dynamic.c (calls by name), convert.c (values), array.c. */
#ifndef SB_RUNTIME_SESSION_H
#define SB_RUNTIME_SESSION_H

#include "core/value.h"
#include "runtime/event.h"
#include "runtime/plan.h"
#include "runtime/sessions.h"
#include "runtime/transport.h"
#include <stdatomic.h>

enum {
    SB_IN_FLIGHT = 256,     /* calls that may be unanswered */
    SB_RELEASES_HELD = 256, /* released ids that wait for the next request */
    SB_OBJECTS_NOTE = 5000, /* objects outside of scopes: said once through the log */
};

/* One object that the session may use. */
struct sb_handle {
    uint64_t id;    /* 0: free place */
    uint32_t depth; /* of the scope that owns it; 0: the session */
    bool failed;    /* the call that should have made it failed */
    bool pinned;    /* see sb__pin */
};
struct sb_handles {
    struct sb_handle *places;
    uint32_t mask, used;
};

struct sb_hold;
struct sb_scope_state {
    struct sb_arena arena;
    struct sb_hold *holds; /* memory of arrays: see array.c */
    size_t owned;          /* where the scope's ids begin in session->owned */
};

/* A call that was sent: its place, for the error it may bring. */
struct sb_sent {
    uint64_t id;
    const char *file, *function;
    int line;
};

enum sb_busy {
    SB_CALM,    /* no thread is inside, and nothing special is the matter: see sb__leave */
    SB_UNUSUAL, /* no thread is inside */
    SB_INSIDE,
    SB_LENT,  /* inside a call, whose callback runs: the session is the callback's thread's */
    SB_TAKEN, /* the library is inside for a moment, to end it: see sessions.h */
};

enum { SB_OUT_LEAST = 256, SB_OUT_MOST = 1 << 20 }; /* room of sb_session.out between requests */

/* C functions that Python may call: runtime/callback.h. */
struct sb_function;
struct sb_serving;
struct sb_functions {
    struct sb_function **at; /* by place */
    uint32_t *free;          /* places */
    uint32_t cap, free_count, alive;
    uint64_t serial;
    struct sb_function *dropping, **dropping_end; /* to be dropped when the session is left */
    bool drops;                                   /* one of them is being dropped */
};

/* A submitted call that nobody has waited for. */
struct sb_future {
    uint64_t id, seq;
};
struct sb_futures {
    pthread_mutex_t lock;     /* for what sb_cancel reads: the next two, and what they hold */
    struct sb_link *reach;    /* the session's link, or NULL */
    struct sb_future *places; /* SB_IN_FLIGHT of them, or NULL; oldest first */
    uint32_t count;           /* changed with the lock */
    uint64_t synced;          /* the last SYNC with NOTE */
    int fd;                   /* of sb_fd, or -1 */
};

/* What observers are still to be told of the session: observe.c. */
enum {
    SB_OBSERVED_ERROR = 1,  /* the pending error */
    SB_OBSERVED_MISUSE = 2, /* an observer has used the session that it was told of */
    SB_OBSERVED_CALLS = 4,  /* `calls` is not empty */
};
struct sb_observed_call {
    const struct sb_plan *plan;
    const char *file;
    int line;
    uint32_t chosen; /* observers: a bit each */
    uint64_t chosen_at, seq, bytes;
    int64_t begun; /* CLOCK_MONOTONIC ns */
};
struct sb_observed {
    uint32_t pending;               /* SB_OBSERVED_... */
    struct sb_observed_call *calls; /* that were told of, and whose end is not: in order */
    uint32_t count, cap;
    uint64_t error_seq; /* the request that the pending error is about, or 0: none that was sent */
    uint64_t received;  /* bytes of the last answer */
    int64_t begun, opened;
};

struct sb_session {
    _Atomic uint32_t busy;        /* enum sb_busy */
    _Atomic uint32_t misuse;      /* calls of a second thread that were turned away */
    const void *_Atomic reporter; /* sb__self() of the thread that on_error runs on, or NULL */
    bool failed;                  /* an error is pending */
    bool looked;                  /* somebody saw it */
    bool exception_kept;          /* by sb_keep: it outlives the error */
    bool exit_on_error, quiet;
    uint32_t tag, epoch;
    double timeout; /* of calls, seconds; 0: none */

    struct sb_link *link; /* NULL: not attached yet, or lost */
    uint32_t attached;    /* how often a link was made */
    const struct sb_transport *transport;
    struct sb_answer (*exchange)(struct sb_link *link, const uint8_t *request, size_t size);
    struct sb_place place;
    uint64_t seq,
        answered; /* numbers of the last request and of the last that is known to be done */
    struct sb_sent sent[SB_IN_FLIGHT];
    uint64_t *defined; /* a bit a plan: its definition went over this link */
    uint32_t defined_words;
    struct sb_buf out; /* the request being built */

    uint64_t counter,
        engine_counter; /* next object id; first that the engine may choose on a new link */
    struct sb_handles handles;
    uint64_t *owned; /* ids in the order of their scopes */
    size_t owned_len, owned_cap;
    uint64_t *released;
    size_t released_len, released_cap;
    bool noted;     /* SB_OBJECTS_NOTE was said */
    bool no_memory; /* for an object that the engine named: its answer is no nonsense */

    struct sb_scope_state *scopes; /* [0] is the session's own */
    uint32_t depth, scopes_cap;
    uint32_t usings;  /* blocks of SB_USING that are open */
    uint32_t ends;    /* of scopes and SB_USING that come after sb_close: the last one frees this */
    sb_session *next; /* meanwhile: see sb__closed_add */
    struct sb_chunk_cache chunks;

    struct sb_plan_cache plans;

    struct sb_hold *lent; /* blocks that requests in flight name; see array.c */
    size_t lent_bytes;
    struct sb_link *stale; /* closed, but arrays of theirs are in use */

    sb_error error; /* its texts are in error_text, NUL-terminated one behind the other */
    struct sb_buf error_text;
    struct sb_buf error_classes; /* MRO names, each with its NUL */

    void (*on_error)(sb_session *py, void *user);
    void *user;

    struct sb_functions functions;
    struct sb_serving *serving,
        *spare; /* the callback that runs, innermost; levels to be used again */
    uint32_t servings;
    const void *_Atomic lent_to; /* sb__self() of the thread that runs the callback */
    bool holds;                  /* releases are kept back: see sb__callback_serve */
    sb_code lost; /* a callback has ended, whose call's link is gone meanwhile: the call's error */
    bool stashed; /* a callback has ended, whose call was answered meanwhile: in `stash` */
    struct sb_buf stash;
    bool closing; /* sb_close runs */

    struct sb_futures futures;
    struct sb_detail *detail; /* of the pending error, once somebody asked: see detail.h */
    bool explained;           /* what is printed contains the explanation */
    bool resting;             /* on_error runs, and requests may be made: nothing is half done */
    struct sb_observed observed;

    struct sb_membership member;
    uint32_t pinned; /* objects that C uses in ways that a handle does not show: see sb__pin */
};

/* Numbers a request. Another thread may look, in sb_cancel. */
static inline uint64_t sb__next_seq(sb_session *py)
{
    uint64_t seq = py->seq + 1;
    __atomic_store_n(&py->seq, seq, __ATOMIC_RELAXED);
    return seq;
}

/* ---- future.c ---- */

/* Before a call is submitted: there is room for it among those in flight. False: the session has failed. */
bool sb__futures_room(sb_session *py, const sb_site *at, const char *function);
/* `fn` with an object as its result, whatever it returns; lives as long as the process. NULL: the session has failed. */
const sb_fn *sb__submit_form(sb_session *py, const sb_site *at, const sb_fn *fn);
/* The last request was a submitted call, whose result is `id`. */
void sb__futures_add(sb_session *py, uint64_t id);
/* Forgets those that somebody has waited for, and says on the descriptor whether others have ended. */
void sb__futures_look(sb_session *py);
/* The session has got a link, or is about to lose it: sb_cancel may use it in between. */
void sb__futures_reach(sb_session *py);
void sb__futures_unreach(sb_session *py);
/* Cancels what has not ended. True if there was such a call. */
bool sb__futures_cancel(sb_session *py);
/* The same for sb_close: what there was is waited for, but not for ever. */
bool sb__futures_end(sb_session *py);
void sb__futures_free(sb_session *py);

/* ---- process.c ---- */

enum { SB_TAGS = 1 << 16 }; /* sessions that may be open, and one */

/* A free tag and where its ids go on; 0: none, or no memory (*code). From then on the allocator stays. */
uint32_t sb__tag_take(uint64_t *counter, sb_code *code);
void sb__tag_give(uint32_t tag, uint64_t counter);
/* Sessions that are closed, but in blocks whose ends are still to come. They are listed, since an end that never comes
 * (longjmp, a scope opened by hand) is no leak. */
void sb__closed_add(sb_session *py);
void sb__closed_remove(sb_session *py);
/* A copy that lives as long as the process: workers outlive the sessions that started them. NULL for want of memory. */
const char *sb__intern(const char *s);
/* The same of a NULL-terminated list; an empty one may be NULL. */
const char *const *sb__intern_list(const char *const *list);

/* ---- session.c ---- */

/* `to` gets what sb_open's options set in `from`. */
void sb__session_settings(sb_session *to, const sb_session *from);
/* Frees what a session has that was just made, but for its own memory. */
void sb__session_unmake(sb_session *py);
/* Nothing of the holder's is left: its error, its scopes, its descriptor. */
void sb__session_rest(sb_session *py);
/* Its memory goes, once `ends` ends of its blocks have come. */
void sb__closed(sb_session *py, uint32_t ends);
/* What it has in Python ends, without waiting for it; its next call attaches it anew. */
void sb__session_cut(sb_session *py);
/* It ends, and its memory goes: nobody has it open. */
void sb__session_finish(sb_session *py);

static inline bool sb__enter_calm(sb_session *py)
{
    uint32_t was = SB_CALM;
    atomic_compare_exchange_strong_explicit(&py->busy, &was, SB_INSIDE, memory_order_acquire,
                                            memory_order_relaxed);
    return SB_LIKELY(was == SB_CALM); /* which it still is if the word was exchanged */
}
/* Whether the caller may go on: the session exists, no other thread is inside, this is no child of fork(). Pairs with
 * sb__leave. */
bool sb__enter_slow(sb_session *py);
/* An address that no other thread has. */
static inline const void *sb__self(void)
{
    return &sb__lent;
}
/* Whether the session's on_error is running, and the caller is in it: then the error may be looked at, and no more. */
static inline bool sb__reporting(sb_session *py)
{
    return atomic_load_explicit(&py->reporter, memory_order_relaxed) == sb__self();
}
static inline bool sb__enter_if(sb_session *py, uint32_t *was)
{
    return atomic_compare_exchange_strong_explicit(&py->busy, was, SB_INSIDE, memory_order_acquire,
                                                   memory_order_relaxed);
}
static inline bool sb__enter(sb_session *py)
{
    uint32_t was = SB_CALM;
    if (SB_LIKELY(py && (sb__enter_if(py, &was) || (was == SB_UNUSUAL && sb__enter_if(py, &was)))))
        return SB_LIKELY(!sb__forked()) || sb__enter_slow(py);
    return sb__enter_slow(py);
}
/* All that a call would have to look at before it may go the short way (typed.c) is looked at when the session is left, and
 * told by the word that the next call must look at anyway. */
void sb__drop_functions(sb_session *py); /* callback.c */
void sb__futures_look(sb_session *py);   /* future.c */
void sb__observed_look(sb_session *py);  /* observe.c */
static inline void sb__leave(sb_session *py)
{
    if (SB_UNLIKELY(py->futures.count))
        sb__futures_look(py);
    if (SB_UNLIKELY(py->functions.dropping != NULL))
        sb__drop_functions(py);
    if (SB_UNLIKELY(py->observed.pending))
        sb__observed_look(py);
    bool calm = py->link && !py->serving && !py->failed && !py->released_len &&
                !(py->timeout > 0) && py->plans.sites && !py->futures.count && !py->out.failed &&
                !py->observed.pending && py->out.cap >= SB_OUT_LEAST && py->out.cap <= SB_OUT_MOST;
    atomic_store_explicit(&py->busy,
                          calm          ? SB_CALM
                          : py->serving ? SB_LENT
                                        : SB_UNUSUAL,
                          memory_order_release);
}
static inline void sb__leave_calm(sb_session *py) /* nothing of that has changed */
{
    atomic_store_explicit(&py->busy, SB_CALM, memory_order_release);
}

/* Whether the session is closed, and this was the end of a scope or of SB_USING that came after. */
bool sb__ended(sb_session *py);

/* Connects the session to an engine, if it is not. False: the session has failed. */
bool sb__attach(sb_session *py, const sb_site *at, const char *function);

/* ---- error.c ---- */

/* Makes `code` the session's error, if it has none. Calls on_error, or ends the program (exit_on_error). */
void sb__fail(sb_session *py, const sb_site *at, const char *function, sb_code code,
              const char *format, ...) __attribute__((format(printf, 5, 6)));
struct sb_failure {
    sb_code code;
    sb_str type, message, traceback;
    const char *function, *file;
    int line;
    uint64_t skipped;
    uint64_t exception;
    const char *classes; /* MRO names, each with its NUL */
    size_t classes_size;
};
void sb__fail_with(sb_session *py, const struct sb_failure *f);
static inline void sb__skip(sb_session *py)
{
    py->error.skipped++;
}
/* Enters for a call that does nothing after an error, which counts it; false: nothing is to be done. */
static inline bool sb__start(sb_session *py)
{
    if (!sb__enter(py))
        return false;
    if (!py->failed)
        return true;
    sb__skip(py);
    sb__leave(py);
    return false;
}
void sb__error_print(sb_session *py, FILE *to);

/* Forgets the pending error, with its exception. */
void sb__error_clear(sb_session *py);

/* ---- handle.c ---- */

/* A new id for the result of a call, owned by the innermost scope; 0 for want of memory. */
uint64_t sb__handle_new(sb_session *py);
/* The id of a handle whose call was skipped; every use is SB_E_MISUSE. */
static inline sb_object sb__failed_object(const sb_session *py)
{
    return (sb_object) { (uint64_t)py->tag << SB_ID_TAG_SHIFT };
}
/* sb_check_object and sb_meet_object of a session (ctx). */
bool sb__handle_check(void *session, sb_object o, struct sb_trouble *t);
bool sb__handle_meet(void *session, uint64_t id);
bool sb__handle_meet_exception(sb_session *py, uint64_t id);
void sb__handle_fail(sb_session *py, uint64_t id);
/* Nothing that the old link's worker held exists any more. */
void sb__handles_lost(sb_session *py);
/* Puts a RELEASE frame on its way if ids wait for one. */
void sb__flush_releases(sb_session *py);
void sb__release(sb_session *py, uint64_t id);
void sb__keep(sb_session *py, uint64_t id);
/* Closes the scopes that are deeper than `depth`. */
void sb__scopes_close(sb_session *py, uint32_t depth);
/* Ends what is in the scope at `depth` and deeper, and opens that one again, empty. */
void sb__scope_renew(sb_session *py, uint32_t depth);
void sb__scope_end(sb_session *py, uint32_t depth);
static inline struct sb_arena *sb__arena(sb_session *py)
{
    return &py->scopes[py->depth].arena;
}
static inline void *sb__alloc(sb_session *py, size_t size, size_t align)
{
    return sb__arena_alloc(sb__arena(py), &py->chunks, size, align);
}

/* C uses the object in a way that its handle does not show: until its scope ends, or its holder lets go, its session does
 * not end. */
void sb__pin(sb_session *py, uint64_t id);

/* ---- call.c ---- */

/* The link is of no use any more: what its worker held is gone. */
void sb__cut(sb_session *py);

/* Fails with what is wrong with an argument: after what is in flight, which comes first. */
void sb__fail_trouble(sb_session *py, const sb_site *at, const char *function,
                      const struct sb_trouble *t);
/* Waits for the calls in flight. False: the session has failed. */
bool sb__settle(sb_session *py);
/* Sends a SYNC whose end is noted (py->futures.synced). False: there was no room, and all is settled, or it failed. */
bool sb__sync_noted(sb_session *py, const sb_site *at);
/* An answer that makes no sense: SB_E_PROTOCOL, and the link is cut. */
void sb__fail_protocol(sb_session *py, const sb_site *at, const char *function, const char *what);
/* What Python printed, in the body of an OUTPUT frame, on C's streams. False: it makes no sense. */
bool sb__take_output(struct sb_reader *r);
/* The one value of an answer, in the current scope. */
bool sb__answer_value(sb_session *py, const sb_site *at, const char *function,
                      struct sb_reader *answer, sb_value *v);

/* ---- array.c ---- */

enum { SB_LENT_MOST = 64 << 20 }; /* bytes of copies for requests that nobody has waited for */

/* sb_meet_view of a session. */
bool sb__meet_view(struct sb_decoder *d, struct sb_view *view);
/* An answer to the last request has come: what it and those before it named was looked at. */
void sb__lent_back(sb_session *py);
void sb__holds_drop(struct sb_hold **list);
/* The memory of `a` goes to the scope around the innermost one. False: it is none of Python's and none of
 * sb_array_new's shared. */
bool sb__hold_keep(sb_session *py, const sb_array *a);
/* Closes the link, unless arrays lie in what it holds. */
void sb__link_close(sb_session *py, struct sb_link *link);

/* ---- observe.c ---- */

/* A request is about to be built: its time begins. */
void sb__observe_begin(sb_session *py);
/* The request with the number `seq` and so many bytes is about to be sent. */
void sb__observe_start(sb_session *py, const struct sb_plan *plan, const sb_site *at, uint64_t seq,
                       size_t bytes);
/* Tells of the calls that have ended, and of a new error. */
void sb__observed_look(sb_session *py);
void sb__observe_opened(sb_session *py);
/* sb_close: of what is left, and of the end. */
void sb__observe_closed(sb_session *py, const char *reason);

/* ---- dynamic.c ---- */

/* Calls by name; the result as `result` says ("v", "V", "w", "s", ...). Waits, unless `flags` has SB_FLAG_NOTE. */
bool sb__dynamic(sb_session *py, const sb_site *at, char op, const char *name, const char *result,
                 const sb_value *first, sb_args args, uint8_t flags, sb_value *v);
/* The plan of a call by name; NULL: the session has failed. */
const struct sb_plan *sb__dynamic_plan(sb_session *py, const sb_site *at, char op, const char *name,
                                       const char *result, sb_args args);
/* One request of a dynamic plan, with `id` for its object or 0. With SB_FLAG_WAIT *answer is at the reply. False: the
 * session has failed, and so has `id`. */
bool sb__dynamic_send(sb_session *py, const sb_site *at, const struct sb_plan *plan,
                      const sb_value *first, sb_args args, uint8_t flags, uint64_t id,
                      struct sb_reader *answer);

/* ---- typed.c ---- */

/* Reads one result of type `code` into *to, which is zero; text goes into the current scope. False: the session has failed. */
bool sb__result_read(sb_session *py, const sb_site *at, const struct sb_plan *plan, char code,
                     struct sb_reader *r, void *to);

#endif
