/* SPDX-License-Identifier: MIT
 *
 * Drives an engine with frames, in-process or in a worker. Values are written and read as CBOR's
 * diagnostic notation (RFC 8949, section 8), so that a test is a line of text. */
#ifndef SB_TEST_ENGINE_DRIVER_H
#define SB_TEST_ENGINE_DRIVER_H

#include "core/buf.h"
#include "core/cbor.h"
#include "core/frame.h"
#include "engine/engine.h"

struct client {
    uint32_t tag;
    uint64_t seq, counter; /* of the last request; of the last result's id */
    uint32_t epoch;
    struct sb_buf frame;   /* the last request */
    struct sb_buf answers; /* whole frames, one behind the other */
    bool defined[4096];    /* plans by number */
    int rc;                /* what the transport returned */
    /* Hands a frame over; waits for the answer if it has WAIT. 0, or negative. */
    int (*exchange)(struct client *c);
    struct sb_engine_session *session; /* in-process */
    struct worker *worker;             /* else */
    uint32_t lane;
    char text[1 << 16]; /* the answers as text */
};

/* The engine of this build in this process, with the Python of $SB_TEST_PYTHON; started once. */
const struct sb_engine_api *engine(void);
const char *python_path(void);
int python_minor(void);
bool have_module(const char *name);

void inprocess_open(struct client *c, uint32_t tag);
void client_close(struct client *c);

/* ---- a worker ---- */

struct worker;
struct worker *worker_start(const char *const *path);
void worker_end(struct worker *w); /* closes the lifeline, and checks that the process ends */
struct sb_control *worker_control(struct worker *w);
int worker_pid(const struct worker *w);
void worker_open(struct client *c, struct worker *w, uint32_t lane, uint32_t tag);
/* The halves of exchange. */
void lane_write(struct client *c, const void *frame, size_t size);
void lane_ring(struct client *c);
int lane_read(struct client *c, double seconds); /* up to the REPLY or ERROR; -1: time ran out */

/* ---- requests ---- */

void put_value(struct sb_buf *b, const char *notation);
void begin_frame(struct client *c, uint8_t kind, uint8_t flags, uint64_t id);
int send_frame(struct client *c); /* patches the size */

/* Runs a plan: op and name as in docs/wire.md; keywords "axis,keepdims" or "". The answers as text:
 * "REPLY 2.0", "ERROR 1 ValueError: math domain error (skipped 0)", preceded by "OUT 1 \"text\"; ".
 * "" if there is none; "MALFORMED why". */
const char *run(struct client *c, char op, const char *name, const char *keywords,
                const char *result, const char *arguments);
struct request {
    char op;
    const char *name, *keywords, *result, *arguments;
    bool kwargs;
    uint8_t flags; /* 0: WAIT; NO_WAIT */
    uint64_t id;   /* 0: a new one where the result is an object */
};
#define NO_WAIT 0x80
const char *request(struct client *c, struct request r);
/* The id of the last request's result. */
uint64_t last_id(const struct client *c);
/* An object made by evaluating `expression`. */
uint64_t make(struct client *c, const char *expression);
/* Runs statements. */
void execute(struct client *c, const char *statements);
/* repr() of an expression, as it stands in the notation. */
const char *evaluate(struct client *c, const char *expression);
const char *describe_answers(struct client *c);

#define CALL(c, name, result, args) run(c, 'f', name, "", result, args)
#define same(got, want) same_(got, want, __FILE__, __LINE__)
void same_(const char *got, const char *want, const char *file, int line);
const char *format(const char *f, ...) __attribute__((format(printf, 1, 2)));

#endif
