/* SPDX-License-Identifier: MIT
 *
 * A worker without Python: the worker's half of docs/wire.md in 300 lines, which dies, stops or lies
 * where a test tells it to. See fake_worker.h. One thread. */
#include "core/lane.h"
#include "fake_worker.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct peer {
    struct sb_ring req, rep;
    struct sb_incoming in;
};
static struct sb_control *control;
static struct peer *peers[SB_LANES];
static enum step end_at = STEP_NONE;
static int end_how; /* signal, or -1: exit */
static volatile sig_atomic_t interrupted;
static bool deaf;

static void step(enum step at)
{
    if (at != end_at)
        return;
    if (end_how < 0)
        _exit(9);
    if (end_how == SIGSTOP)
        end_at = STEP_NONE;
    raise(end_how);
}

static void wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void on_cancel(int s)
{
    (void)s;
    uint64_t running = atomic_load(&control->running);
    if (!deaf && running && running == atomic_load(&control->cancel)) {
        atomic_fetch_add(&control->raised, 1);
        interrupted = 1;
    }
}

static void on_dump(int s)
{
    (void)s;
    static const char text[] = "Current thread (most recent call first):\n  File \"fake\"\n";
    if (write(4, text, sizeof text - 1) > 0)
        atomic_fetch_add(&control->dumped, 1);
}

/* ---- lanes ---- */

static void lane_moved(uint32_t lane)
{
    _Atomic uint32_t *word = &sb__lane(control, lane)->word.futex;
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(word)) {
        atomic_exchange(word, 0);
        step(STEP_WORD_TAKEN);
        wake(word);
    }
}

static void ring(uint32_t lane)
{
    uint64_t one = 1;
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&sb__lane(control, lane)->notify) &&
        write(control->bell, &one, sizeof one) != (ssize_t)sizeof one)
        abort();
}

static void note(uint32_t lane, uint64_t seq)
{
    atomic_store(&sb__lane(control, lane)->noted, seq);
    step(STEP_NOTE_STORED);
    lane_moved(lane);
    step(STEP_NOTE_WOKEN);
    ring(lane);
    step(STEP_NOTE_RUNG);
}

static void put(uint32_t lane, const void *data, size_t size)
{
    struct peer *p = peers[lane];
    for (size_t done = 0; done < size;) {
        size_t n = size - done;
        if (end_at == STEP_REPLY_PART || end_at == STEP_REPLY_WRITTEN) /* in two halves */
            n = done == 0 && n > 1 ? n / 2 : n;
        done += sb__ring_write(&p->rep, (const char *)data + done, n, done + n == size);
        step(done < size ? STEP_REPLY_PART : STEP_REPLY_WRITTEN);
        sb__ring_publish(&p->rep);
        if (done == size)
            step(STEP_REPLY_STORED);
        lane_moved(lane);
    }
    step(STEP_WOKEN);
}

static void answer(uint32_t lane, const struct sb_frame *to, uint8_t kind, const void *body,
                   size_t size)
{
    struct sb_frame head = { .size = (uint32_t)(sizeof head + size),
                             .kind = kind,
                             .session = to->session,
                             .seq = to->seq,
                             .id = kind == 18 ? 0 : to->seq };
    uint8_t *frame = malloc(sizeof head + size);
    if (!frame)
        abort();
    memcpy(frame, &head, sizeof head);
    if (size)
        memcpy(frame + sizeof head, body, size);
    put(lane, frame, head.size);
    free(frame);
}

static void lie(uint32_t lane, const struct sb_frame *to, const char *what)
{
    struct sb_lane *l = sb__lane(control, lane);
    struct sb_frame head = { .size = sizeof head,
                             .kind = SB_FRAME_REPLY,
                             .session = to->session,
                             .seq = to->seq,
                             .id = to->seq };
    if (!strcmp(what, "cursor")) {
        atomic_fetch_add(&l->rep_tail, SB_RING_SIZE + 8);
        lane_moved(lane);
        return;
    }
    if (!strcmp(what, "noted")) {
        for (int i = 0; i < 1000; i++) {
            atomic_store(&l->noted, UINT64_MAX - (uint64_t)i);
            ring(lane);
        }
        return;
    }
    if (!strcmp(what, "head")) {
        atomic_fetch_add(&l->req_head, 4096);
        answer(lane, to, SB_FRAME_REPLY, NULL, 0);
        return;
    }
    if (!strcmp(what, "size"))
        head.size = UINT32_MAX;
    else if (!strcmp(what, "short"))
        head.size = 8;
    else if (!strcmp(what, "kind"))
        head.kind = SB_FRAME_CALL;
    else if (!strcmp(what, "session"))
        head.session++;
    else if (!strcmp(what, "segments"))
        head.segments = 3;
    else if (!strcmp(what, "part"))
        head.size = 4096;
    else if (!strcmp(what, "word")) {
        atomic_store(&l->word.futex, 0x12345678);
        return;
    } else if (!strcmp(what, "running")) {
        atomic_store(&control->running, UINT64_C(0xfff) << 48 | 5);
        return;
    } else if (!strcmp(what, "dead")) {
        atomic_fetch_or(&control->death.futex, FUTEX_OWNER_DIED);
        wake(&l->word.futex);
        for (;;)
            pause();
    }
    put(lane, &head, sizeof head);
}

static void run(uint32_t lane, const struct sb_frame *head, char *body, size_t size)
{
    struct sb_lane *l = sb__lane(control, lane);
    uint64_t key = (uint64_t)head->session << 48 | head->seq;
    bool deadline = head->flags & SB_FLAG_DEADLINE;
    unsigned long n = 0, m = 0;
    interrupted = 0;
    atomic_exchange(&control->running, key);
    if (deadline && atomic_load(&l->withdrawn) >= head->seq) {
        atomic_store(&control->running, 0);
        return;
    }
    step(STEP_BEGUN);
    bool mute = false, big = false;
    if (!strcmp(body, "spin"))
        for (;;)
            ;
    if (!strcmp(body, "sleep") || !strcmp(body, "deaf"))
        for (deaf = *body == 'd'; !interrupted;)
            usleep(1000000);
    else if (sscanf(body, "nap %lu", &n) == 1)
        usleep((useconds_t)(n * 1000));
    else if (!strcmp(body, "kill"))
        raise(SIGKILL);
    else if (sscanf(body, "exit %lu", &n) == 1)
        _exit((int)n);
    else if (!strcmp(body, "stop"))
        raise(SIGSTOP);
    else if (!strcmp(body, "crash"))
        abort();
    else if (!strcmp(body, "exec"))
        execlp("sleep", "sleep", "1000", (char *)NULL);
    else if (!strcmp(body, "mute"))
        mute = true;
    else if (sscanf(body, "big %lu", &n) == 1)
        big = true;
    if (deadline) {
        if (!atomic_compare_exchange_strong(&control->running, &key, 0))
            for (;;)
                pause();
    } else {
        atomic_store(&control->running, 0);
    }
    step(STEP_ENDED);
    if (!strncmp(body, "lie ", 4)) {
        lie(lane, head, body + 4);
        return;
    }
    if (sscanf(body, "output %lu %lu", &n, &m) == 2) {
        char *text = calloc(1, m);
        while (text && n--)
            answer(lane, head, SB_FRAME_OUTPUT, text, m);
        free(text);
    }
    if (mute || !(head->flags & SB_FLAG_WAIT))
        return;
    char text[64];
    if (big) {
        char *data = malloc(n);
        if (!data)
            abort();
        for (size_t i = 0; i < n; i++)
            data[i] = (char)(i * 7 >> 3);
        answer(lane, head, SB_FRAME_REPLY, data, n);
        free(data);
        return;
    }
    if (interrupted)
        snprintf(text, sizeof text, "interrupted");
    else if (!strcmp(body, "pid"))
        snprintf(text, sizeof text, "%d", (int)getpid());
    else {
        answer(lane, head, SB_FRAME_REPLY, body, size);
        return;
    }
    answer(lane, head, SB_FRAME_REPLY, text, strlen(text));
}

static void serve_lane(uint32_t lane)
{
    if (!peers[lane]) {
        peers[lane] = calloc(1, sizeof **peers);
        if (!peers[lane])
            abort();
        peers[lane]->req = sb__ring(control, lane, false, false);
        peers[lane]->rep = sb__ring(control, lane, true, true);
    }
    struct peer *p = peers[lane];
    int got;
    for (;;) {
        uint64_t before = p->req.pos;
        if (sb__ring_ready(&p->req) > sizeof(struct sb_frame) && !p->in.size)
            step(STEP_REQUEST_SEEN);
        got = sb__ring_read(&p->req, &p->in);
        struct sb_frame head = { 0 };
        if (got > 0)
            memcpy(&head, p->in.buf.ptr, sizeof head);
        if (head.kind == SB_FRAME_CALL)
            step(STEP_REQUEST_READ);
        if (p->req.pos != before) {
            sb__ring_release(&p->req);
            if (head.kind == SB_FRAME_CALL)
                step(STEP_REQUEST_FREED);
            lane_moved(lane);
        }
        if (got <= 0)
            break;
        size_t size = p->in.buf.len - sizeof head;
        if (!sb__buf_room(&p->in.buf, 1))
            abort();
        p->in.buf.ptr[p->in.buf.len] = 0;
        if (head.kind == SB_FRAME_CALL && head.flags & SB_FLAG_NOTE) {
            run(lane, &head, (char *)p->in.buf.ptr + sizeof head, size);
            if (atomic_load(&sb__lane(control, lane)->noted) < head.seq) /* no lie */
                note(lane, head.seq);
        } else if (head.kind == SB_FRAME_CALL)
            run(lane, &head, (char *)p->in.buf.ptr + sizeof head, size);
        else if (head.flags & SB_FLAG_WAIT)
            answer(lane, &head, SB_FRAME_REPLY, NULL, 0);
        sb__incoming_next(&p->in);
    }
    if (got < 0)
        abort();
}

static void serve(void)
{
    for (;;) {
        uint32_t bell = atomic_exchange(&control->doorbell, 0) & ~SB_DOORBELL_SLEEPS;
        for (int i = 0; !bell && i < 2000; i++) {
            __asm__ volatile("" ::: "memory");
            if (atomic_load_explicit(&control->doorbell, memory_order_relaxed))
                bell = atomic_exchange(&control->doorbell, 0) & ~SB_DOORBELL_SLEEPS;
        }
        if (!bell) {
            if (atomic_compare_exchange_strong(&control->doorbell, &bell, SB_DOORBELL_SLEEPS))
                syscall(SYS_futex, &control->doorbell, FUTEX_WAIT, SB_DOORBELL_SLEEPS, NULL, NULL,
                        0);
            continue;
        }
        step(STEP_BELL_TAKEN);
        for (uint32_t g = 0; g < 31; g++)
            for (uint32_t i = g * 8; bell >> g & 1 && i < g * 8 + 8; i++) {
                uint64_t ready = atomic_exchange(&control->ready[i], 0);
                if (ready)
                    step(STEP_LANE_TAKEN);
                for (uint32_t b = 0; b < 64; b++)
                    if (ready >> b & 1)
                        serve_lane(i * 64 + b);
            }
    }
}

/* ---- start ---- */

static void hold(union sb_word *word)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&word->mutex, &attr);
    pthread_mutex_lock(&word->mutex);
}

static void say_hello(uint32_t hello, uint32_t version)
{
    control->worker_version = control->worker_version_min = version;
    control->worker_pid = getpid();
    control->worker_tid = (int32_t)syscall(SYS_gettid);
    atomic_store(&control->hello, hello);
    if (hello == SB_HELLO_READY)
        step(STEP_HELLO_STORED);
    wake(&control->hello);
}

/* Arguments: worker.py engine 3 4 5 7 8 words... */
int main(int argc, char **argv)
{
    static const char *const names[] = {
#define STEP(name) #name,
        STEPS(STEP) "NONE", NOTE_STEPS(STEP)
#undef STEP
    };
    bool words = true, fail = false, hang = false;
    unsigned version = SB_PROTOCOL;
    int early = -1;
    if (argc < 8 || strcmp(argv[3], "3"))
        return 64;
    for (int i = 8; i < argc; i++) {
        char *word = argv[i], *colon = strchr(word, ':');
        if (!strncmp(word, "kill:", 5) || !strncmp(word, "stop:", 5) ||
            (!strncmp(word, "exit:", 5) && (colon[1] < '0' || colon[1] > '9'))) {
            end_how = *word == 'k' ? SIGKILL : *word == 's' ? SIGSTOP : -1;
            for (int s = 0; s < STEP_END; s++)
                if (!strcmp(names[s], colon + 1))
                    end_at = (enum step)s;
        } else if (sscanf(word, "exit:%d", &early) == 1 ||
                   sscanf(word, "version:%u", &version) == 1) {
            continue;
        } else if (!strncmp(word, "say:", 4)) {
            if (write(4, word + 4, strlen(word + 4)) < 0)
                return 65;
        } else if (!strcmp(word, "child")) {
            if (fork() == 0)
                execlp("sleep", "sleep", "1000", (char *)NULL);
        }
        words &= strcmp(word, "nowords") != 0;
        fail |= !strcmp(word, "fail");
        hang |= !strcmp(word, "hang");
    }
    if (early >= 0)
        return early;
    fcntl(5, F_SETOWN, -getpid());
    fcntl(5, F_SETSIG, SIGKILL);
    fcntl(5, F_SETFL, O_ASYNC | O_NONBLOCK);
    while (hang)
        pause();
    step(STEP_STARTED);
    control = mmap(NULL, SB_LANES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0);
    if (control == MAP_FAILED || control->magic != SB_LANE_MAGIC)
        return 66;
    step(STEP_MAPPED);
    signal(SIGRTMIN + 3, on_cancel);
    signal(SIGRTMIN + 4, on_dump);
    for (uint32_t i = 0; words && i < SB_LANES_ROBUST; i++) {
        hold(&sb__lane(control, i)->word);
        atomic_store(&sb__lane(control, i)->word.futex, 0);
    }
    if (words)
        hold(&control->death);
    step(STEP_WORDS_HELD);
    say_hello(fail ? SB_HELLO_FAILED : SB_HELLO_READY, version);
    if (fail)
        return 67;
    step(STEP_READY);
    serve();
}
