/* SPDX-License-Identifier: MIT
 *
 * What is behind the session's error: the exceptions that it came from, asked of the engine once and kept until the error is
 * cleared. */
#ifndef SB_RUNTIME_DETAIL_H
#define SB_RUNTIME_DETAIL_H

#include "runtime/session.h"

enum { SB_ERRORS = 256 }; /* of one chain, as in explain.py */

struct sb_node {
    sb_error error;         /* [0]: not filled in, that is py->error */
    int64_t cause, context; /* -1: none */
    sb_value members, notes, classes;
    sb_error_frames frames;
};

struct sb_detail {
    struct sb_arena arena;
    struct sb_node *nodes;
    size_t count; /* 0: not asked yet */
    struct {
        uint64_t id;
        bool kept;
    } exceptions[SB_ERRORS];
    size_t exceptions_len;
    const sb_explanation *explanation;
    bool explained; /* all was asked for it: it is final, NULL too */
};

/* Goes in to look at the pending error, which counts as looked at: as sb_get_error, in on_error, too. False: there is none, or
 * the session may not be used. */
bool sb__detail_enter(sb_session *py);
void sb__detail_leave(sb_session *py);
/* The same memory until the error is cleared; NULL for want of it. */
struct sb_detail *sb__detail(sb_session *py);
void *sb__detail_alloc(sb_session *py, size_t size, size_t align);
/* Asks the engine ("chain", "locals" or "call") about an exception. False: it cannot be had, and nothing has changed. */
bool sb__detail_ask(sb_session *py, sb_object exception, const char *what, int64_t index,
                    sb_value *v);
/* The exceptions behind the pending one, asked for if need be; NULL if they cannot be had. */
const struct sb_node *sb__detail_nodes(sb_session *py, size_t *count);
/* sb_keep of an exception of the chain. False: it is none. */
bool sb__detail_keep(sb_session *py, uint64_t id);
void sb__detail_drop(sb_session *py);

#endif
