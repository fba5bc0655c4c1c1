/* SPDX-License-Identifier: MIT
 *
 * A transport moves frames between a session and an engine: "worker" (runtime/worker.c),
 * "inprocess" (runtime/inprocess.c). A link is one session's connection, used by the session's
 * thread alone; the monitor looks at the deadline fields only. */
#ifndef SB_RUNTIME_TRANSPORT_H
#define SB_RUNTIME_TRANSPORT_H

#include "core/buf.h"
#include <stdatomic.h>

/* Where a session's Python is. Strings live as long as the process: they are interned by the
 * session code. */
struct sb_place {
    const char *python;             /* interpreter: a path, or a name to be found on PATH */
    const char *engine;             /* path of engine.abi3.so */
    const char *const *python_path; /* NULL-terminated, or NULL */
    const char *libpython; /* path of the shared library, or NULL: in-process asks python */
};

struct sb_mapping;

struct sb_link {
    const struct sb_transport *transport;
    uint32_t session; /* tag */
    /* The deadline of the request that is being waited for: set by the session before send, 0 if
     * there is none. CLOCK_MONOTONIC, ns. */
    int64_t deadline;
    uint64_t deadline_seq;
    uint64_t
        floor;   /* requests up to this one are not meant: they wait while a callback runs; or 0 */
    void *owner; /* the session */
    int worker;  /* process id, or 0: this process */
    uint64_t about; /* the request that a failure is about, as far as the transport knows; or 0 */
    /* What to tell the user when receive or send fails. Valid until the next call with this link.
     */
    struct sb_buf message; /* NUL-terminated text */
    struct sb_buf stack; /* NUL-terminated: Python and C frames where they could be had, or empty */
    /* Arrays by reference: how much of the program's heap the engine sees (0: none), the worker's heap
     * (or NULL), and whether addresses of this process make sense. */
    uint64_t reach;
    struct sb_mapping *heap;
    bool addresses;
    struct sb_link *next; /* of those that a session keeps for the arrays that they lent it */
};

/* A frame of the engine; or NULL, and SB_E_... as `size`. Small enough for two registers. */
struct sb_answer {
    const uint8_t *frame;
    size_t size;
};

struct sb_transport {
    const char *name;
    /* Connects session `tag` to an engine at `place`, starting Python if need be. 0 and *link, or
     * -SB_E_CONFIG, -SB_E_MEMORY, -SB_E_SYSTEM, -SB_E_LIMIT with the text in *why (NUL-terminated).
     */
    int (*open)(const struct sb_place *place, uint32_t tag, struct sb_link **link,
                struct sb_buf *why);
    /* Hands over one whole frame. May wait for room. 0, or as receive. */
    int (*send)(struct sb_link *link, const uint8_t *frame, size_t size);
    /* Waits for the next frame of the engine; *frame is valid until the next receive or send. 0;
     * -SB_E_WORKER_DIED; -SB_E_TIMEOUT (the deadline passed and the worker was ended);
     * -SB_E_PROTOCOL; -SB_E_MEMORY. After a failure the link can only be closed. */
    int (*receive)(struct sb_link *link, const uint8_t **frame, size_t *size);
    /* send and a look at what has come, for a request with WAIT and no deadline: all bytes that are
     * there. Unless they are the one frame of a reply, receive hands them out. NULL: there is no
     * faster way than send and receive. */
    struct sb_answer (*exchange)(struct sb_link *link, const uint8_t *request, size_t size);
    /* Whether the other end is gone: a cheap look, for an idle session. */
    bool (*dead)(struct sb_link *link);
    /* What the engine said makes no sense to the session (SB_E_PROTOCOL): ends the worker, so that it
     * does no harm to others. NULL where there is none. */
    void (*reject)(struct sb_link *link);
    void (*close)(struct sb_link *link);
    /* A callback runs while the request waits whose deadline the link has: it is watched over all the
     * same (`floor`: the link's for it), until the callback ends: then `deadline` is 0. NULL: nothing
     * to do. */
    void (*lend)(struct sb_link *link, uint64_t floor);

    /* ---- requests with SB_FLAG_NOTE (future.c) ---- */

    /* Waits until the request `seq`, sent with NOTE, has ended, or until `until` (CLOCK_MONOTONIC ns;
     * INT64_MAX: for ever; 0: only looks). 1: it has; 0: not yet; or as receive. */
    int (*await)(struct sb_link *link, uint64_t seq, int64_t until);
    /* From now on adds 1 to the eventfd `fd` whenever such a request ends, and when the other end is
     * gone; not for what has ended before, though it may not have told of it yet. */
    void (*notify)(struct sb_link *link, int fd);
    /* Cancels the request `seq`: raises in it if it runs. `noted`: it was sent with NOTE; if it has not
     * begun, it never will. Any thread, while the link is open. */
    void (*cancel)(struct sb_link *link, uint64_t seq, bool noted);
    /* Whether the request, sent with NOTE, has ended. Any thread, while the link is open. */
    bool (*ended)(struct sb_link *link, uint64_t seq);
    /* The request of the session that is running, or 0. Any thread, while the link is open. */
    uint64_t (*running)(struct sb_link *link);
};

/* The links whose callbacks this thread runs, innermost first. */
struct sb_lent {
    struct sb_lent *around;
    struct sb_link *link;
};
extern __thread struct sb_lent *sb__lent __attribute__((tls_model("initial-exec")));

extern const struct sb_transport sb__transport_worker, sb__transport_inprocess;

/* The log of sb_set_log, printf-like; level as in syslog(3). */
void sb__log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* True in a child of fork(): nothing of the library may be used there. */
bool sb__forked_slow(void);
extern volatile unsigned char *sb__fork_page; /* 1; fork() zeroes it. NULL until first asked */
static inline bool sb__forked(void)
{
    volatile unsigned char *page = sb__fork_page;
    return !(SB_LIKELY(page != NULL) && SB_LIKELY(*page)) && sb__forked_slow();
}
int64_t sb__now(void); /* CLOCK_MONOTONIC, ns */

#endif
