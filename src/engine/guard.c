/* SPDX-License-Identifier: MIT
 *
 * The worker process's side of process control. See guard.h. Handlers touch the control page,
 * descriptors and the fork guard only; each of them first looks whether it is in a child of fork(),
 * where the lanes are not mapped. */
#include "engine/python.h"
#include "engine/guard.h"
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Signals of the deadline ladder (runtime/deadline.c). */
#define SIGNAL_CANCEL (SIGRTMIN + 3)
#define SIGNAL_DUMP (SIGRTMIN + 4)
enum { FRAMES = 32 }; /* of C, in a dump */

struct sb_guard sb__guard = { .bell = -1 };
static int dump_fd = -1;
static PyObject *timeout_class;

static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

static void wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void say(int fd, const char *text)
{
    for (size_t n = strlen(text); n;) {
        ssize_t put = write(fd, text, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return;
        text += put;
        n -= (size_t)put;
    }
}

static void set_handler(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
}

/* ---- what happens at signals ---- */

/* What Python calls for SIGNAL_CANCEL, on the main thread, between bytecodes or out of a system
 * call. A signal that comes late, for a call that has ended, finds another `running`. */
static PyObject *on_cancel(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    struct sb_control *c = sb__guard.control;
    if (c && !sb__guard_forked() && !sb__guard.settling) {
        uint64_t running = atomic_load(&c->running), key = running;
        if (running && atomic_compare_exchange_strong(&c->revoke, &key, 0)) {
            if (sb__guard.thread) { /* as below */
                PyThreadState_SetAsyncExc(sb__guard.thread, sb__py.cancelled);
                Py_RETURN_NONE;
            }
            PyErr_SetString(sb__py.cancelled, "the call was cancelled");
            return NULL;
        }
        if (running && running == atomic_load(&c->cancel)) {
            atomic_fetch_add(&c->raised, 1);
            if (sb__guard.thread) { /* a nested request, on a thread of Python's */
                PyThreadState_SetAsyncExc(sb__guard.thread, timeout_class);
                Py_RETURN_NONE;
            }
            PyErr_SetString(timeout_class, "the call's time ran out");
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static void dump_c_frames(void)
{
    void *frames[FRAMES];
    int n = backtrace(frames, FRAMES);
    say(dump_fd, "C frames (most recent call first):\n");
    if (n > 2) /* this function and its caller say nothing */
        backtrace_symbols_fd(frames + 2, n - 2, dump_fd);
}

/* SIGNAL_DUMP, after faulthandler has written the Python stacks. */
static void on_dump(int signal)
{
    (void)signal;
    int e = errno;
    if (!sb__guard_forked()) {
        dump_c_frames();
        atomic_fetch_add(&sb__guard.control->dumped, 1);
        wake(&sb__guard.control->dumped);
    }
    errno = e;
}

/* A crash, after faulthandler has written the Python stacks: the program hears of it now, not when
 * the kernel is through with a core dump. */
static void on_crash(int number)
{
    struct sb_control *c = sb__guard.control;
    set_handler(number, SIG_DFL, 0);
    if (!sb__guard_forked() && !atomic_exchange(&c->crashed, (uint32_t)number)) {
        dump_c_frames();
        atomic_fetch_or(&c->death.futex, FUTEX_OWNER_DIED);
        for (uint32_t i = 0; i < SB_LANES; i++)
            if (atomic_load(&sb__lane(c, i)->word.futex) & FUTEX_WAITERS)
                wake(&sb__lane(c, i)->word.futex);
    }
    raise(number);
}

/* The second line behind the lifeline: the parent has died (PR_SET_PDEATHSIG). SIGCONT, since it
 * reaches a process that is stopped, too. */
static pid_t program;
static void on_continue(int signal)
{
    (void)signal;
    if (!sb__guard_forked() && getppid() != program)
        kill(0, SIGKILL);
}

/* ---- attaching ---- */

static bool refuse(const char *what)
{
    PyErr_Format(PyExc_RuntimeError, "%s", what);
    return false;
}
static bool refuse_errno(const char *what)
{
    PyErr_Format(PyExc_OSError, "%s: %s", what, strerror(errno));
    return false;
}

static bool map_lanes(int fd)
{
    struct stat st;
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
    if (fstat(fd, &st) || st.st_size != (off_t)SB_LANES_SIZE ||
        (fcntl(fd, F_GET_SEALS) & seals) != seals)
        return refuse("the lanes of the program are not those of this engine: another version?");
    struct sb_control *c =
        mmap(NULL, SB_LANES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (c == MAP_FAILED)
        return refuse_errno("the lanes cannot be mapped");
    if (c->magic != SB_LANE_MAGIC || c->lanes != SB_LANES || c->ring_size != SB_RING_SIZE ||
        c->version < SB_PROTOCOL_MIN || c->version_min > SB_PROTOCOL) {
        PyErr_Format(
            PyExc_RuntimeError,
            "the engine speaks protocol version %d (oldest %d), the program %u (oldest %u)",
            SB_PROTOCOL, SB_PROTOCOL_MIN, c->version, c->version_min);
        munmap(c, SB_LANES_SIZE);
        return false;
    }
    if (madvise(c, SB_LANES_SIZE, MADV_DONTFORK)) {
        munmap(c, SB_LANES_SIZE);
        return refuse_errno("the lanes cannot be kept from children of fork()");
    }
    sb__guard.control = c;
    return true;
}

static bool make_fork_guard(void)
{
    unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || madvise(p, 4096, MADV_WIPEONFORK))
        return refuse_errno("no page that fork() wipes");
    *p = 1;
    sb__guard.parent = p;
    return true;
}

/* The kernel kills the process group as soon as the program's end of the socket is closed: whatever
 * this process does then, stopped or with all signals blocked. */
static bool arm_lifeline(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getpgrp() != getpid())
        return refuse(
            "the worker does not lead its process group: is the interpreter a script that "
            "starts Python without exec?");
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) || fcntl(fd, F_SETOWN, -getpid()) ||
        fcntl(fd, F_SETSIG, SIGKILL) || fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK))
        return refuse_errno("the lifeline");
    program = peer.pid;
    set_handler(SIGCONT, on_continue, SA_RESTART);
    prctl(PR_SET_PDEATHSIG, SIGCONT);
    struct pollfd end = { .fd = fd, .events = POLLIN };
    if (getppid() != program || poll(&end, 1, 0) != 0)
        _exit(0); /* the program has ended meanwhile */
    return true;
}

/* module.name(*args), for its effect */
static bool call(const char *module, const char *name, PyObject *args, PyObject *kwargs)
{
    PyObject *m = PyImport_ImportModule(module);
    PyObject *f = m ? PyObject_GetAttrString(m, name) : NULL;
    PyObject *result = f && args ? PyObject_Call(f, args, kwargs) : NULL;
    Py_XDECREF(result);
    Py_XDECREF(f);
    Py_XDECREF(m);
    Py_XDECREF(args);
    return result != NULL;
}

static bool install_handlers(void)
{
    static PyMethodDef cancel = { "deadline", on_cancel, METH_VARARGS, NULL };
    void *frames[4];
    backtrace(frames, 4); /* the first one loads libgcc: not in a handler */

    set_handler(SIGNAL_DUMP, on_dump, SA_RESTART);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        set_handler(crashes[i], on_crash, SA_ONSTACK | SA_NODEFER);
    PyObject *handler = PyCFunction_NewEx(&cancel, NULL, NULL);
    if (!handler)
        return false;
    bool ok = call("_signal", "signal", Py_BuildValue("(iO)", SIGNAL_CANCEL, handler), NULL);
    Py_DECREF(handler);
    /* Over ours, which they call when they are done. (file, all_threads), (signum, file,
     * all_threads, chain) */
    return ok && call("faulthandler", "enable", Py_BuildValue("(ii)", dump_fd, 1), NULL) &&
           call("faulthandler", "register", Py_BuildValue("(iiii)", SIGNAL_DUMP, dump_fd, 1, 1),
                NULL);
}

static void open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGNAL_CANCEL);
    sigaddset(&set, SIGNAL_DUMP);
    sigaddset(&set, SIGCONT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Puts the words into this thread's robust list: glibc does for a mutex that is locked. The list is
 * walked from the one that was locked last; the kernel walks 2048 entries at most. */
static bool hold_words(void)
{
    struct sb_control *c = sb__guard.control;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    int e = 0;
    for (uint32_t i = 0; !e && i <= SB_LANES_ROBUST; i++) {
        union sb_word *word = i < SB_LANES_ROBUST ? &sb__lane(c, i)->word : &c->death;
        e = pthread_mutex_init(&word->mutex, &attr);
        if (!e)
            e = pthread_mutex_lock(&word->mutex);
        if (!e && (atomic_load(&word->futex) & FUTEX_TID_MASK) != (uint32_t)c->worker_tid)
            e = ENOTSUP; /* the lock word is elsewhere: not this C library */
        if (i < SB_LANES_ROBUST)
            atomic_store(&word->futex, 0); /* stays in the list */
    }
    pthread_mutexattr_destroy(&attr);
    errno = e;
    return !e || refuse_errno("the words of the robust list");
}

struct sb_control *sb__guard_attach(int lanes, int dump, int lifeline, PyObject *timeout)
{
    const int fds[] = { lanes, dump, lifeline };
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fcntl(fds[i], F_SETFD, FD_CLOEXEC)) {
            refuse_errno("the descriptors of a worker");
            return NULL;
        }
    dump_fd = dump;
    sb__guard.bell = -1;
    Py_INCREF(timeout);
    timeout_class = timeout;
    sb__guard.main = PyThread_get_thread_ident();
    struct rlimit core;
    if (!getrlimit(RLIMIT_CORE, &core)) { /* what a crash has to say is in the dump */
        core.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &core);
    }
    if (!make_fork_guard() || !arm_lifeline(lifeline) || !map_lanes(lanes))
        return NULL;
    close(lanes);
    if (sb__guard.control->bell > 0) {
        sb__guard.bell = sb__guard.control->bell;
        if (fcntl(sb__guard.bell, F_SETFD, FD_CLOEXEC)) {
            refuse_errno("the descriptors of a worker");
            return NULL;
        }
    }
    sb__guard.control->worker_pid = getpid();
    sb__guard.control->worker_tid = (int32_t)syscall(SYS_gettid);
    if (!install_handlers() || !hold_words())
        return NULL;
    open_signals();
    return sb__guard.control;
}

void sb__guard_ready(void)
{
    struct sb_control *c = sb__guard.control;
    c->worker_version = SB_PROTOCOL;
    c->worker_version_min = SB_PROTOCOL_MIN;
    atomic_store_explicit(&c->hello, SB_HELLO_READY, memory_order_release);
    wake(&c->hello);
}

void sb__guard_ring(void)
{
    uint64_t one = 1;
    while (sb__guard.bell >= 0 && write(sb__guard.bell, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void sb__guard_fail(int dump, const char *why)
{
    say(dump, why);
    say(dump, "\n");
    if (sb__guard.control) {
        atomic_store(&sb__guard.control->hello, SB_HELLO_FAILED);
        wake(&sb__guard.control->hello);
    }
    _exit(70);
}

void sb__guard_await_kill(void)
{
    for (;;)
        pause();
}

void sb__guard_child(void)
{
    say(2, "snakebridge: a child of fork() returned into the worker's engine; the child ends\n");
    _exit(70);
}

void sb__guard_idle(void)
{
    open_signals();
}
