/* SPDX-License-Identifier: MIT
 *
 * Calls that are submitted: sb_submit, sb_wait, sb_cancel, sb_fd. A submitted call is a request with NOTE, whose end the
 * transport can tell without an answer; its object has an id of the caller's choice, as all pipelined results. Those that
 * nobody has waited for are listed in py->futures. The list and the link are the session's thread's; its lock lets
 * sb_cancel read them from other threads. Lock order: this one, then those of the transports. */
#include "runtime/os_linux.h"
#include "runtime/request.h"
#include <math.h>

enum {
    CLOSE_TIME = 5
}; /* seconds that sb_close waits for what it has cancelled, before it makes an end */

static struct sb_future *find(struct sb_futures *f, uint64_t id)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->places[i].id == id)
            return &f->places[i];
    return NULL;
}

static bool has_ended(sb_session *py, uint64_t seq)
{
    return seq <= py->answered || !py->link || py->transport->ended(py->link, seq) ||
           py->transport->dead(py->link);
}

/* The descriptor can be read if a call has ended that nobody has waited for. They end in order. A call that ends after the
 * descriptor was emptied makes it readable again. */
static void refresh(sb_session *py)
{
    struct sb_futures *f = &py->futures;
    if (f->fd < 0)
        return;
    if (py->link) /* of what has ended by now the transport tells no more: it may be late with it */
        py->transport->notify(py->link, f->fd);
    sb__os_eventfd_drain(f->fd);
    if (f->count && has_ended(py, f->places[0].seq))
        sb__os_eventfd_add(f->fd);
}

void sb__futures_look(sb_session *py)
{
    struct sb_futures *f = &py->futures;
    struct sb_trouble t;
    uint32_t n = 0;
    if (sb__forked())
        return;
    for (uint32_t i = 0; i < f->count; i++) {
        struct sb_future x = f->places[i];
        t.code = SB_OK;
        n += x.seq <= py->answered || (!sb__handle_check(py, (sb_object) { x.id }, &t) &&
                                       has_ended(py, x.seq)); /* released: nobody will ask */
    }
    if (!n)
        return;
    pthread_mutex_lock(&f->lock);
    uint32_t to = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        struct sb_future x = f->places[i];
        t.code = SB_OK;
        if (x.seq > py->answered &&
            (sb__handle_check(py, (sb_object) { x.id }, &t) || !has_ended(py, x.seq)))
            f->places[to++] = x;
    }
    f->count = to;
    pthread_mutex_unlock(&f->lock);
    refresh(py);
}

bool sb__futures_room(sb_session *py, const sb_site *at, const char *function)
{
    struct sb_futures *f = &py->futures;
    if (py->serving) {
        sb__fail(py, at, function, SB_E_MISUSE,
                 "in a callback nothing can be submitted: its session is inside a call");
        return false;
    }
    if (!f->places && !(f->places = sb__calloc(SB_IN_FLIGHT * sizeof *f->places))) {
        sb__fail(py, at, function, SB_E_MEMORY, "out of memory");
        return false;
    }
    return py->seq - py->answered < SB_IN_FLIGHT - 6 || sb__settle(py);
}

void sb__futures_add(sb_session *py, uint64_t id)
{
    struct sb_futures *f = &py->futures;
    if (f->count && f->places[0].seq <= py->answered) /* of before the last answer */
        sb__futures_look(py);
    pthread_mutex_lock(&f->lock);
    f->places[f->count++] = (struct sb_future) { id, py->seq };
    pthread_mutex_unlock(&f->lock);
}

void sb__futures_reach(sb_session *py)
{
    struct sb_futures *f = &py->futures;
    pthread_mutex_lock(&f->lock);
    f->reach = py->link;
    pthread_mutex_unlock(&f->lock);
    if (f->fd >= 0)
        py->transport->notify(py->link, f->fd);
}

void sb__futures_unreach(sb_session *py)
{
    struct sb_futures *f = &py->futures;
    pthread_mutex_lock(&f->lock);
    f->reach = NULL;
    pthread_mutex_unlock(&f->lock);
}

bool sb__futures_cancel(sb_session *py)
{
    struct sb_futures *f = &py->futures;
    bool any = false;
    for (uint32_t i = 0; i < f->count && py->link; i++)
        if (!has_ended(py, f->places[i].seq)) {
            py->transport->cancel(py->link, f->places[i].seq, true);
            any = true;
        }
    return any;
}

bool sb__futures_end(sb_session *py)
{
    const bool any = sb__futures_cancel(py);
    if (any) {
        py->exit_on_error = false; /* being cancelled is no error here */
        if (!(py->timeout > 0 && py->timeout < CLOSE_TIME))
            py->timeout = CLOSE_TIME;
    }
    return any;
}

void sb__futures_free(sb_session *py)
{
    sb__free(py->futures.places);
    sb__os_close(&py->futures.fd);
    pthread_mutex_destroy(&py->futures.lock);
}

/* ---- typed functions ---- */

/* A function as sb_run_submit runs it. */
struct form {
    struct form *next;
    sb_fn of, fn;
    char text[];
};
static struct {
    pthread_mutex_t lock;
    struct form *buckets[256];
} forms = { .lock = PTHREAD_MUTEX_INITIALIZER };

static unsigned bucket_of(const sb_fn *fn)
{
    unsigned h = 2166136261u;
    for (const char *p = fn->name; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    return (h ^ h >> 16) & 255;
}

/* The signature with the result "o", or, if it is an object, with its own. */
static struct form *make_form(const sb_fn *fn)
{
    size_t name = strlen(fn->name) + 1, sig = strlen(fn->sig) + 1;
    struct form *x = sb__calloc(sizeof *x + name + 2 * sig + 1);
    if (!x)
        return NULL;
    char *p = x->text;
    x->of = x->fn = (sb_fn) { p, p + name };
    memcpy(p, fn->name, name);
    memcpy(p + name, fn->sig, sig);
    const char *result = strrchr(fn->sig, '>');
    if (result && strncmp(result, ">o{", 3) != 0) {
        p += name + sig;
        x->fn.sig = p;
        memcpy(p, fn->sig, (size_t)(result - fn->sig));
        memcpy(p + (result - fn->sig), ">o", 3);
    }
    return x;
}

const sb_fn *sb__submit_form(sb_session *py, const sb_site *at, const sb_fn *fn)
{
    struct form **bucket = &forms.buckets[bucket_of(fn)];
    pthread_mutex_lock(&forms.lock);
    struct form *x = *bucket;
    while (x && (strcmp(x->of.name, fn->name) || strcmp(x->of.sig, fn->sig)))
        x = x->next;
    if (!x && (x = make_form(fn))) {
        x->next = *bucket;
        *bucket = x;
    }
    pthread_mutex_unlock(&forms.lock);
    if (!x) {
        sb__fail(py, at, fn->name, SB_E_MEMORY, "out of memory");
        return NULL;
    }
    return &x->fn;
}

/* ---- the public functions ---- */

sb_object sb_submit_(sb_session *py, const sb_site *at, const char *name, sb_args args)
{
    if (!py)
        return (sb_object) { 0 };
    sb_object o = sb__failed_object(py);
    sb_value v;
    if (!sb__enter(py))
        return o;
    name = name ? name : "";
    if (py->failed) {
        sb__skip(py);
    } else if (sb__futures_room(py, at, name) &&
               sb__dynamic(py, at, 'f', name, "o", NULL, args, SB_FLAG_NOTE, &v)) {
        o = v.as.object;
        sb__futures_add(py, o.id);
    }
    sb__leave(py);
    return o;
}

/* The request that makes the object, if it may still run; 0: there is nothing to wait for. */
static uint64_t request_of(sb_session *py, uint64_t id, bool *submitted)
{
    const struct sb_future *f = find(&py->futures, id);
    *submitted = f != NULL;
    if (f)
        return f->seq;
    for (uint64_t seq = py->answered + 1; seq <= py->seq; seq++)
        if (py->sent[seq % SB_IN_FLIGHT].id == id)
            return seq;
    return 0;
}

static void forget(sb_session *py, uint64_t seq)
{
    struct sb_futures *f = &py->futures;
    pthread_mutex_lock(&f->lock);
    for (uint32_t i = 0; i < f->count; i++)
        if (f->places[i].seq == seq) {
            memmove(&f->places[i], &f->places[i + 1], (--f->count - i) * sizeof *f->places);
            break;
        }
    pthread_mutex_unlock(&f->lock);
}

static bool wait_for(sb_session *py, const sb_site *at, sb_object o, double seconds)
{
    struct sb_trouble t = { 0 };
    bool submitted;
    if (!sb__handle_check(py, o, &t)) {
        sb__fail_trouble(py, at, "sb_wait", &t);
        return true;
    }
    uint64_t seq = o.id && py->link ? request_of(py, o.id, &submitted) : 0;
    if (!seq)
        return true;
    if (!submitted &&
        !py->transport->ended(
            py->link, seq)) { /* a call whose end nobody was to note: what comes behind it will */
        if (py->futures.synced < seq && !sb__sync_noted(py, at))
            return true;
        seq = py->futures.synced;
    }
    int64_t until = !(seconds > 0) ? 0 : INT64_MAX;
    if (seconds > 0 && seconds < 4e9)
        until = sb__now() + (int64_t)(seconds * 1e9);
    if (seconds < 0)
        until = INT64_MAX;
    int ended = py->transport->await(py->link, seq, until);
    if (ended == 0) {
        refresh(py);
        return false;
    }
    forget(py, seq);
    refresh(py);
    /* Whoever waits for as long as it takes gets what was printed, and the error, now. */
    if (ended < 0 || (seconds < 0 && seq == py->seq))
        sb__settle(py);
    return true;
}

bool sb_wait_(sb_session *py, const sb_site *at, sb_object o, double seconds)
{
    if (!sb__enter(py))
        return true; /* there is nothing that it could wait for */
    bool done = true;
    if (isnan(seconds))
        sb__fail_trouble(py, at, "sb_wait",
                         &(struct sb_trouble) { SB_E_RANGE, "a time that is no number" });
    else if (!py->failed)
        done = wait_for(py, at, o, seconds);
    sb__leave(py);
    return done;
}

void sb_cancel(sb_session *py, sb_object o)
{
    if (!py || sb__forked())
        return;
    struct sb_futures *f = &py->futures;
    pthread_mutex_lock(&f->lock);
    if (f->reach) {
        const struct sb_future *x = o.id ? find(f, o.id) : NULL;
        if (x)
            py->transport->cancel(f->reach, x->seq, true);
        else if (!o.id) {
            uint64_t running = py->transport->running(f->reach), seq = running;
            for (uint32_t i = 0; !seq && i < f->count; i++)
                if (!py->transport->ended(f->reach, f->places[i].seq))
                    seq = f->places[i].seq; /* the first that is to begin */
            bool noted = false;
            for (uint32_t i = 0; i < f->count; i++)
                noted |= f->places[i].seq == seq;
            if (!seq)
                seq = __atomic_load_n(&py->seq, __ATOMIC_RELAXED); /* what is being waited for */
            py->transport->cancel(f->reach, seq, noted);
        }
    }
    pthread_mutex_unlock(&f->lock);
}

int sb_fd(sb_session *py)
{
    static const sb_site nowhere = { "", "", 0 };
    if (!sb__enter(py))
        return -1;
    struct sb_futures *f = &py->futures;
    if (f->fd < 0) {
        f->fd = sb__os_eventfd();
        if (f->fd < 0) {
            sb__fail(py, &nowhere, "sb_fd", SB_E_SYSTEM, "no descriptor: %s", strerror(-f->fd));
            f->fd = -1;
        } else if (py->link) {
            py->transport->notify(py->link, f->fd);
        }
    }
    int fd = f->fd;
    refresh(py);
    sb__leave(py);
    return fd;
}
