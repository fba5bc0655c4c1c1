/* SPDX-License-Identifier: MIT
 *
 * The system calls of the run-time library: close-on-exec and repeated after EINTR, so that nobody
 * else has to think of either. Descriptors are never 0, 1 or 2, also if the program has closed
 * those. Functions return what they say, or -errno. Any thread may enter; the state here is the
 * fork guard alone. */
#ifndef SB_RUNTIME_OS_LINUX_H
#define SB_RUNTIME_OS_LINUX_H

#include "core/buf.h"
#include <stdatomic.h>
#include <sys/types.h>

#ifdef SB_OS_INJECT
/* Tests: the `fail_at`-th call from now on (1: the next) fails with `fail_errno`; 0: none. Each call
 * counts it down. */
extern _Atomic int sb__os_fail_at, sb__os_fail_errno;
#endif

#define SB_SECOND INT64_C(1000000000) /* ns */
#define SB_MILLISECOND INT64_C(1000000)

void sb__os_close(int *fd); /* closes unless -1, and sets -1 */

/* A memfd. `size`: sealed at that size; 0: grows with what is appended to it. */
SB_MUST_USE int sb__os_memfd(const char *name, size_t size);
/* Maps it shared, absent in children of fork(). */
SB_MUST_USE int sb__os_map(int fd, size_t size, void **map);
void sb__os_unmap(void *map, size_t size);
/* A sealed memfd of at most `most` bytes and its mapping, of which nothing takes memory until it is
 * used: as large as limits of the process allow, at least `least`. */
SB_MUST_USE int sb__os_reserve(const char *name, size_t most, size_t least, bool writable,
                               void **map, size_t *size);
/* Up to `cap` bytes of a file from its beginning; returns how many. */
SB_MUST_USE ssize_t sb__os_read_start(int fd, void *to, size_t cap);
void sb__os_empty(int fd); /* truncates a memfd to nothing */
SB_MUST_USE int sb__os_socketpair(int fds[2]);
SB_MUST_USE int sb__os_eventfd(void);
void sb__os_eventfd_add(int fd);
void sb__os_eventfd_drain(int fd);
SB_MUST_USE int sb__os_epoll(void);
SB_MUST_USE int sb__os_epoll_add(int epoll, int fd, void *data);
void sb__os_epoll_remove(int epoll, int fd);
/* Waits until `until` (CLOCK_MONOTONIC ns; INT64_MAX: for ever). Returns how many of `data` are
 * ready. */
SB_MUST_USE int sb__os_epoll_wait(int epoll, void **data, int cap, int64_t until);

/* Sleeps while *word is `value`, until woken, interrupted by a signal, or `until` (CLOCK_MONOTONIC
 * ns; INT64_MAX: for ever). May return early: the caller looks again. The words are shared between
 * processes. */
void sb__os_futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t until);
void sb__os_futex_wake(_Atomic uint32_t *word);

/* Finds the program `name`: a path if it has a "/", else on $PATH. 0; -ENOENT; -EACCES: it is not
 * an executable file. */
SB_MUST_USE int sb__os_find(const char *name, char *path, size_t cap);
SB_MUST_USE bool sb__os_readable(const char *path);

/* Starts argv[0] as leader of a session and of a process group, with default signals and
 * /dev/null as standard input; descriptors fds[0..n) become 3, 4, ...; all above are closed. */
SB_MUST_USE int sb__os_spawn(char *const argv[], const int *fds, int n, pid_t *pid);
SB_MUST_USE int sb__os_pidfd(pid_t pid);
void sb__os_signal(int pidfd, int signal);
void sb__os_kill_group(pid_t leader);

/* How a process ended, as waitpid(2) has it, or SB_UNKNOWN. */
#define SB_UNKNOWN (-1)
/* Reaps the child behind a pidfd, which is readable. SB_UNKNOWN if somebody else has reaped it. */
int sb__os_reap(int pidfd);
/* State of the main thread as ps shows it: R S D T Z, or '?'; *status, when the process is on its
 * way out: how it ends, else SB_UNKNOWN. */
char sb__os_process_state(pid_t pid, int *status);
/* Processes that the kernel has killed for want of memory, on this machine, as far as it tells. */
uint64_t sb__os_oom_kills(void);

/* CPUs that this thread may run on, at least 1. */
int sb__os_cpus(void);

#endif
