/* SPDX-License-Identifier: MIT
 *
 * The system calls of the run-time library. See os_linux.h. */
#include "runtime/os_linux.h"
#include "runtime/transport.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

#ifdef SB_OS_INJECT
_Atomic int sb__os_fail_at, sb__os_fail_errno = EMFILE;
static bool fails(void)
{
    if (!atomic_load(&sb__os_fail_at) || atomic_fetch_sub(&sb__os_fail_at, 1) != 1)
        return false;
    errno = atomic_load(&sb__os_fail_errno);
    return true;
}
#define SYS(call) (fails() ? -1 : (call))
#else
#define SYS(call) (call)
#endif

int64_t sb__now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SB_SECOND + t.tv_nsec;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec) { .tv_sec = (time_t)(ns / SB_SECOND),
                               .tv_nsec = (long)(ns % SB_SECOND) };
}

/* ---- descriptors ---- */

void sb__os_close(int *fd)
{
    if (*fd >= 0)
        close(*fd); /* Linux: closed also when it says EINTR */
    *fd = -1;
}

/* Moves a new descriptor out of the way of 0, 1 and 2, and of the numbers that a worker's have. */
static int high(int fd)
{
    if (fd < 0)
        return -errno;
    if (fd >= 10)
        return fd;
    int moved = SYS(fcntl(fd, F_DUPFD_CLOEXEC, 10)), e = errno;
    close(fd);
    return moved < 0 ? -e : moved;
}

int sb__os_memfd(const char *name, size_t size)
{
    int fd = high(SYS(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)));
    if (fd < 0)
        return fd;
    if (size ? SYS(ftruncate(fd, (off_t)size)) ||
                   SYS(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
             : SYS(fcntl(fd, F_SETFL, O_APPEND))) {
        int e = errno;
        close(fd);
        return -e;
    }
    return fd;
}

int sb__os_map(int fd, size_t size, void **map)
{
    void *p = MAP_FAILED;
    if (SYS(0) == 0)
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    if (SYS(madvise(p, size, MADV_DONTFORK))) {
        int e = errno;
        munmap(p, size);
        return -e;
    }
    *map = p;
    return 0;
}

void sb__os_unmap(void *map, size_t size)
{
    munmap(map, size);
}

/* mlockall(MCL_FUTURE) would fill a mapping with pages. */
static bool is_locked(int fd)
{
    unsigned char there = 0;
    long page = sysconf(_SC_PAGESIZE);
    void *p =
        ftruncate(fd, page) ? MAP_FAILED : mmap(NULL, (size_t)page, PROT_READ, MAP_SHARED, fd, 0);
    bool locked = p == MAP_FAILED || mincore(p, (size_t)page, &there) || (there & 1);
    if (p != MAP_FAILED)
        munmap(p, (size_t)page);
    return locked;
}

/* A share of what a limit leaves, so that it is not used up. */
static size_t limited(size_t most, __rlimit_resource_t resource, unsigned share)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur / share > most)
        return most;
    return (size_t)(limit.rlim_cur / share) & ~(size_t)4095;
}

int sb__os_reserve(const char *name, size_t most, size_t least, bool writable, void **map,
                   size_t *size)
{
    most = limited(limited(most, RLIMIT_AS, 8), RLIMIT_FSIZE, 1) & ~(size_t)4095;
    int fd =
        most < least ? -ENOMEM : high(SYS(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)));
    if (fd < 0)
        return fd;
    int e = is_locked(fd) ? EAGAIN : 0;
    void *p = MAP_FAILED;
    for (; !e && most >= least; most = most / 2 & ~(size_t)4095) {
        if (SYS(ftruncate(fd, (off_t)most))) {
            e = errno;
            break;
        }
        p = mmap(NULL, most, writable ? PROT_READ | PROT_WRITE : PROT_READ,
                 MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (p != MAP_FAILED)
            break;
    }
    if (!e && p == MAP_FAILED)
        e = ENOMEM;
    if (!e && SYS(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)))
        e = errno;
    if (e) {
        if (p != MAP_FAILED)
            munmap(p, most);
        close(fd);
        return -e;
    }
    madvise(p, most, MADV_DONTDUMP);
    *map = p;
    *size = most;
    return fd;
}

ssize_t sb__os_read_start(int fd, void *to, size_t cap)
{
    size_t n = 0;
    while (n < cap) {
        ssize_t got = SYS(pread(fd, (char *)to + n, cap - n, (off_t)n));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (!got)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

void sb__os_empty(int fd)
{
    while (ftruncate(fd, 0) && errno == EINTR)
        ;
}

int sb__os_socketpair(int fds[2])
{
    if (SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)))
        return -errno;
    fds[0] = high(fds[0]);
    fds[1] = high(fds[1]);
    int e = fds[0] < 0 ? fds[0] : fds[1] < 0 ? fds[1] : 0;
    if (e) {
        sb__os_close(&fds[0]);
        sb__os_close(&fds[1]);
    }
    return e;
}

int sb__os_eventfd(void)
{
    return high(SYS(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
}

void sb__os_eventfd_add(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void sb__os_eventfd_drain(int fd)
{
    uint64_t n;
    while (read(fd, &n, sizeof n) < 0 && errno == EINTR)
        ;
}

int sb__os_epoll(void)
{
    return high(SYS(epoll_create1(EPOLL_CLOEXEC)));
}

int sb__os_epoll_add(int epoll, int fd, void *data)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = data };
    return SYS(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e)) ? -errno : 0;
}

void sb__os_epoll_remove(int epoll, int fd)
{
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
}

int sb__os_epoll_wait(int epoll, void **data, int cap, int64_t until)
{
    struct epoll_event events[16];
    int timeout = -1;
    if (until != INT64_MAX) { /* epoll_pwait2 is of Linux 5.11: milliseconds, rounded up */
        int64_t left = until - sb__now();
        left = left <= 0 ? 0 : (left + SB_MILLISECOND - 1) / SB_MILLISECOND;
        timeout = left > 3600 * 1000 ? 3600 * 1000 : (int)left;
    }
    int n = epoll_wait(epoll, events, cap < 16 ? cap : 16, timeout);
    for (int i = 0; i < n; i++)
        data[i] = events[i].data.ptr;
    return n < 0 ? 0 : n;
}

/* ---- futex ---- */

void sb__os_futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t until)
{
    struct timespec t = timespec_of(until < 0 ? 0 : until);
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, until == INT64_MAX ? NULL : &t, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

void sb__os_futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ---- programs and processes ---- */

static int executable(const char *path)
{
    struct stat s;
    if (stat(path, &s))
        return errno == EACCES ? -EACCES : -ENOENT;
    return S_ISREG(s.st_mode) && !access(path, X_OK) ? 0 : -EACCES;
}

int sb__os_find(const char *name, char *path, size_t cap)
{
    if (strchr(name, '/'))
        return (size_t)snprintf(path, cap, "%s", name) >= cap ? -ENOENT : executable(path);
    const char *dirs = getenv("PATH");
    if (!dirs)
        dirs = "/usr/local/bin:/usr/bin:/bin";
    int found = -ENOENT;
    for (;;) {
        size_t n = strcspn(dirs, ":");
        if (*name &&
            (size_t)snprintf(path, cap, "%.*s/%s", n ? (int)n : 1, n ? dirs : ".", name) < cap) {
            int e = executable(path);
            if (!e)
                return 0;
            if (e == -EACCES)
                found = e;
        }
        if (!dirs[n])
            return found;
        dirs += n + 1;
    }
}

bool sb__os_readable(const char *path)
{
    struct stat s;
    return !access(path, R_OK) && !stat(path, &s) && S_ISREG(s.st_mode);
}

int sb__os_spawn(char *const argv[], const int *fds, int n, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int e = SYS(0) ? errno : posix_spawn_file_actions_init(&actions);
    if (e)
        return -e;
    e = posix_spawnattr_init(&attr);
    if (e) {
        posix_spawn_file_actions_destroy(&actions);
        return -e;
    }
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    e = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    for (int fd = 1; !e && fd <= 2;
         fd++) /* what the program has closed shall not become a file's */
        if (fcntl(fd, F_GETFD) < 0)
            e = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
    for (int i = 0; !e && i < n; i++)
        e = posix_spawn_file_actions_adddup2(&actions, fds[i], 3 + i);
    if (!e)
        e = posix_spawn_file_actions_addclosefrom_np(&actions, 3 + n);
    if (!e)
        e = SYS(0) ? errno : posix_spawn(pid, argv[0], &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return -e;
}

int sb__os_pidfd(pid_t pid)
{
    return high((int)SYS(syscall(SYS_pidfd_open, pid, 0)));
}

void sb__os_signal(int pidfd, int signal)
{
    syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

void sb__os_kill_group(pid_t leader)
{
    if (leader > 1)
        kill(-leader, SIGKILL);
}

/* PIDFD_GET_INFO (Linux 6.15 for the exit code), from linux/pidfd.h, which may be older. */
struct pidfd_info {
    uint64_t mask, cgroupid;
    uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
};
#define PIDFD_GET_INFO _IOWR(0xFF, 11, struct pidfd_info)
#define PIDFD_INFO_EXIT (UINT64_C(1) << 3)

int sb__os_reap(int pidfd)
{
    siginfo_t info = { 0 };
    int e;
    do
        e = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED);
    while (e && errno == EINTR);
    if (!e)
        return info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
    /* SIGCHLD is ignored, or the program waits for any child. */
    struct pidfd_info exit = { .mask = PIDFD_INFO_EXIT };
    if (!ioctl(pidfd, PIDFD_GET_INFO, &exit) && (exit.mask & PIDFD_INFO_EXIT))
        return exit.exit_code;
    return SB_UNKNOWN;
}

char sb__os_process_state(pid_t pid, int *status)
{
    char path[40], text[1024];
    *status = SB_UNKNOWN;
    ssize_t self = readlink("/proc/self", text, sizeof text - 1);
    text[self < 0 ? 0 : self] = '\0';
    if (strtol(text, NULL, 10) != getpid())
        return '?'; /* no /proc, or that of another namespace: its numbers mean others */
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return '?';
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return '?';
    text[n] = '\0';
    const char *p = strrchr(text, ')'); /* the name may hold anything */
    if (!p || p[1] != ' ' || !p[2])
        return '?';
    char state = p[2];
    /* proc(5): exit_code is field 52, the state is field 3; known before memory is torn down */
    int field = 2;
    for (p++; *p && field < 52; p++)
        field += *p == ' ';
    long code = field == 52 ? strtol(p, NULL, 10) : 0;
    if (code > 0 && code < 65536)
        *status = (int)code & ~0x80; /* without the mark of a core dump */
    else if (state == 'Z' || state == 'X')
        *status = 0;
    return state;
}

uint64_t sb__os_oom_kills(void)
{
    char text[16384]; /* proc(5): /proc/vmstat, "oom_kill", counts cgroups' too */
    int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    size_t n = 0;
    for (ssize_t got; n < sizeof text - 1; n += (size_t)got)
        if ((got = read(fd, text + n, sizeof text - 1 - n)) <= 0)
            break;
    close(fd);
    text[n] = '\0';
    const char *p = strstr(text, "\noom_kill ");
    return p ? strtoull(p + strlen("\noom_kill "), NULL, 10) : 0;
}

int sb__os_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) {
        long n = sysconf(_SC_NPROCESSORS_ONLN); /* more than a cpu_set_t holds */
        return n < 1 ? 1 : (int)n;
    }
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n;
}

/* ---- fork ---- */

volatile unsigned char *sb__fork_page;
static pid_t guard_pid; /* without such a page */
static pthread_once_t guard_once = PTHREAD_ONCE_INIT;

static void guard_start(void)
{
    guard_pid = getpid();
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return;
    if (madvise(p, 4096, MADV_WIPEONFORK)) {
        munmap(p, 4096);
        return;
    }
    *(unsigned char *)p = 1;
    sb__fork_page = p;
}

bool sb__forked_slow(void)
{
    pthread_once(&guard_once, guard_start);
    return sb__fork_page ? !*sb__fork_page : getpid() != guard_pid;
}
