/* SPDX-License-Identifier: MIT
 *
 * What the process tests share: places of fake workers, requests over a bare link, and counting
 * what is left behind. */
#ifndef SB_TEST_SUPPORT_H
#define SB_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/frame.h"
#include "runtime/os_linux.h"
#include "runtime/worker.h"
#include "snakebridge.h"

/* A place whose "interpreter" is the fake worker, with these words (NULL-terminated). */
struct sb_place fake_place(const char *const *words);
#define FAKE(...) fake_place((const char *const[]) { __VA_ARGS__, NULL })
#define ECHO FAKE("echo")

struct sb_link *must_open(const struct sb_place *place, uint32_t tag);
/* Opens, and returns the code with the text in `text`. */
int try_open(const struct sb_place *place, uint32_t tag, struct sb_link **link, char *text,
             size_t cap);

/* Sends a request with this body, `wait` or not; the deadline is `ms` from now (0: none). */
int ask(struct sb_link *link, uint64_t seq, const char *body, int64_t ms);
int ask_bytes(struct sb_link *link, uint64_t seq, const void *body, size_t size, int64_t ms);
/* Waits for the answer that is no OUTPUT; *body is a view. */
int hear(struct sb_link *link, const uint8_t **body, size_t *size);
/* Both, and the answer is the body. */
void must_echo(struct sb_link *link, uint64_t seq, const char *body);
void close_politely(struct sb_link *link, uint64_t seq);

/* Descriptors, children and mappings of shared memory of this process. */
struct holdings {
    int fds, children, maps;
};
struct holdings holdings(void);
/* cmocka's set-up and tear-down: notes what there is; ends all workers and fails if there is more. */
int note_holdings(void **state);
int check_holdings(void **state);

/* Whether the process exists and is no zombie. */
bool alive(pid_t pid);
bool gone_within(pid_t pid, int64_t ms);
/* A number that the worker reports for the body. */
long ask_number(struct sb_link *link, uint64_t seq, const char *body);

#endif
