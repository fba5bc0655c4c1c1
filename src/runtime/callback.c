/* SPDX-License-Identifier: MIT
 *
 * Callbacks: see callback.h. */
#include "runtime/callback.h"
#include "runtime/detail.h"
#include "runtime/request.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

enum { PLACE_BITS = 20, FEW = 16 };
#define PLACES (1u << PLACE_BITS)

/* ---- the table ---- */

static struct sb_function *find(const struct sb_functions *t, uint64_t number)
{
    uint32_t place = (uint32_t)(number & (PLACES - 1));
    struct sb_function *f = place < t->cap ? t->at[place] : NULL;
    return SB_LIKELY(f && f->number == number) ? f : NULL;
}

static struct sb_function *add(struct sb_functions *t)
{
    if (t->free_count == 0) {
        uint32_t cap = t->cap ? t->cap * 2 : 16;
        if (cap > PLACES)
            return NULL;
        struct sb_function **at = sb__resize(t->at, cap * sizeof(struct sb_function *));
        if (!at)
            return NULL;
        t->at = at;
        uint32_t *free = sb__resize(t->free, cap * sizeof *free);
        if (!free)
            return NULL;
        t->free = free;
        for (uint32_t i = cap; i-- > t->cap;) {
            t->at[i] = NULL;
            t->free[t->free_count++] = i;
        }
        t->cap = cap;
    }
    struct sb_function *f = sb__calloc(sizeof *f);
    if (!f)
        return NULL;
    uint32_t place = t->free[--t->free_count];
    f->number = ++t->serial << PLACE_BITS | place;
    t->at[place] = f;
    t->alive++;
    return f;
}

/* Python has let go of it: its drop is due, once it does not run any more. */
static void let_go(sb_session *py, struct sb_function *f)
{
    struct sb_functions *t = &py->functions;
    uint32_t place = (uint32_t)(f->number & (PLACES - 1));
    if (t->at[place] == f) {
        t->at[place] = NULL;
        t->free[t->free_count++] = place;
        t->alive--;
    }
    f->dropped = true;
    if (f->running)
        return;
    f->next = NULL;
    *t->dropping_end = f;
    t->dropping_end = &f->next;
}

bool sb__callback_take_drops(sb_session *py, struct sb_reader *r)
{
    uint64_t n, number;
    if (!sb__read_count(r, SB_MAJOR_ARRAY, &n))
        return false;
    while (n--) {
        if (!sb__read_uint(r, &number))
            return false;
        struct sb_function *f = find(&py->functions, number);
        if (f)
            let_go(py, f);
    }
    return r->p == r->end || sb__read_fail(r, "bytes behind the numbers of functions");
}

static void let_go_of_all(sb_session *py)
{
    for (uint32_t i = 0; i < py->functions.cap; i++)
        if (py->functions.at[i])
            let_go(py, py->functions.at[i]);
}

/* ---- levels ---- */

/* What the next callback needs to say at least that there is no memory for it: a level and a scope.
 * False: there is none. */
static bool provide(sb_session *py)
{
    if (SB_UNLIKELY(py->depth + 2 >= py->scopes_cap)) {
        uint32_t cap = py->scopes_cap * 2;
        struct sb_scope_state *more = sb__resize(py->scopes, cap * sizeof *more);
        if (!more)
            return false;
        py->scopes = more;
        py->scopes_cap = cap;
    }
    if (SB_UNLIKELY(!py->spare))
        py->spare = sb__calloc(sizeof *py->spare);
    return py->spare;
}

/* The session's state as a function finds it; the call's is kept in the level. Something was provided
 * before; if nothing can be for the next one, this one has an error from the start. */
static struct sb_serving *begin(sb_session *py, uint64_t seq)
{
    struct sb_serving *v = py->spare;
    py->spare = v->outer;
    v->outer = py->serving;
    v->lent = (struct sb_lent) { sb__lent, py->link };
    v->seq = seq;
    v->waits = seq != 0;
    v->deadline = 0;
    v->answered = false;
    v->lost = SB_OK;
    if (py->link) {
        v->deadline = py->link->deadline;
        v->deadline_seq = py->link->deadline_seq;
        v->floor = py->link->floor;
    }
    if (!v->waits) /* a drop: between two requests */
        v->deadline = py->serving ? py->serving->deadline : 0;
    v->sent = py->sent[v->seq % SB_IN_FLIGHT];
    struct sb_buf b = v->out;
    v->out = py->out;
    py->out = b;
    v->failed = py->failed;
    if (SB_UNLIKELY(py->failed)) {
        v->looked = py->looked;
        v->exception_kept = py->exception_kept;
        v->error = py->error;
        b = v->text;
        v->text = py->error_text;
        py->error_text = b;
        b = v->classes;
        v->classes = py->error_classes;
        py->error_classes = b;
        v->detail = py->detail;
        py->detail = NULL;
        py->failed = py->looked = py->exception_kept = false;
        py->error = (sb_error) { 0 };
        py->error_classes.len = 0;
    }
    py->answered = v->begun = py->seq;
    v->depth = py->depth;
    py->scopes[++py->depth] = (struct sb_scope_state) { .owned = py->owned_len };
    v->thread = atomic_load_explicit(&py->lent_to, memory_order_relaxed);
    atomic_store_explicit(&py->lent_to, sb__self(), memory_order_relaxed);
    py->serving = v;
    py->servings++;
    sb__lent = &v->lent;
    if (SB_LIKELY(py->link && v->waits)) {
        py->link->floor = v->seq;
        if (SB_UNLIKELY(v->deadline) && py->transport->lend)
            py->transport->lend(py->link, v->floor);
    }
    if (SB_UNLIKELY(!provide(py)))
        sb__fail(py, NULL, "", SB_E_MEMORY, "out of memory for a callback");
    return v;
}

static void forget_error(sb_session *py)
{
    if (py->error.exception.id && !py->exception_kept)
        sb__release(py, py->error.exception.id);
    sb__detail_drop(py);
    py->failed = py->looked = false;
    py->error = (sb_error) { 0 };
    py->error_classes.len = 0;
}

/* Back to the call. What the function has released is told to the engine later: its result, which may
 * lie there, has not arrived yet. */
static void end(sb_session *py, struct sb_serving *v)
{
    py->holds = true;
    if (py->failed)
        forget_error(py);
    sb__scopes_close(py, v->depth);
    py->holds = false;
    if (SB_UNLIKELY(v->failed)) {
        struct sb_buf b = py->error_text;
        py->error_text = v->text;
        v->text = b;
        b = py->error_classes;
        py->error_classes = v->classes;
        v->classes = b;
        py->error = v->error;
        py->detail = v->detail;
        py->looked = v->looked;
        py->exception_kept = v->exception_kept;
        py->failed = true;
    }
    struct sb_buf b = py->out;
    py->out = v->out;
    v->out = b; /* with the answer */
    if (py->seq != v->begun)
        py->sent[v->seq % SB_IN_FLIGHT] = v->sent;
    py->answered = py->seq;
    if (SB_LIKELY(py->link && !v->lost && v->waits)) {
        py->link->floor = v->floor;
        if (SB_UNLIKELY(v->deadline) && py->transport->lend) {
            py->link->deadline = 0;
            py->transport->lend(py->link, 0);
        }
        py->link->deadline = v->deadline;
        py->link->deadline_seq = v->deadline_seq;
    }
    sb__lent = v->lent.around;
    atomic_store_explicit(&py->lent_to, v->thread, memory_order_relaxed);
    py->lost = v->lost;
    py->serving = v->outer;
    py->servings--;
    if (SB_UNLIKELY(v->answered)) { /* for the request that waits */
        py->stash.len = 0;
        sb__buf_put(&py->stash, v->answer.ptr, v->answer.len);
        py->stashed = true;
    }
    v->outer = py->spare;
    py->spare = v;
}

bool sb__callback_stash(sb_session *py, const uint8_t *frame, size_t size, uint64_t id)
{
    for (struct sb_serving *v = py->serving; v; v = v->outer)
        if (v->waits && v->seq == id && !v->answered) {
            v->answer.len = 0;
            v->answer.failed = false;
            sb__buf_put(&v->answer, frame, size);
            v->answered = true;
            return true;
        }
    return false;
}

void sb__callback_lost(sb_session *py)
{
    for (struct sb_serving *v = py->serving; v; v = v->outer) {
        v->lent.link = NULL;
        if (!v->lost)
            v->lost = v->deadline && sb__now() >= v->deadline ? SB_E_TIMEOUT : SB_E_WORKER_DIED;
    }
    let_go_of_all(py);
}

/* ---- dropping ---- */

static void run_drop(sb_session *py, struct sb_function *f)
{
    struct sb_serving *v = begin(py, 0);
    atomic_store_explicit(&py->busy, SB_LENT, memory_order_release);
    f->drop(f->user);
    atomic_store_explicit(&py->busy, SB_INSIDE, memory_order_relaxed);
    if (py->failed || !sb__settle(py))
        sb__log(3, "an error in the drop of the function %s: %s: %s", f->name, py->error.type,
                py->error.message);
    end(py, v);
    py->lost = SB_OK;
}

void sb__drop_functions(sb_session *py)
{
    struct sb_functions *t = &py->functions;
    if (t->drops)
        return; /* a drop's own calls end here: the loop around goes on */
    t->drops = true;
    while (t->dropping) {
        struct sb_function *f = t->dropping;
        t->dropping = f->next;
        if (!t->dropping)
            t->dropping_end = &t->dropping;
        if (f->drop)
            run_drop(py, f);
        sb__free(f);
    }
    t->drops = false;
}

void sb__callback_end(sb_session *py)
{
    let_go_of_all(py);
    sb__drop_functions(py);
    while (py->spare) {
        struct sb_serving *v = py->spare;
        py->spare = v->outer;
        sb__buf_reset(&v->out);
        sb__buf_reset(&v->text);
        sb__buf_reset(&v->classes);
        sb__buf_reset(&v->answer);
        sb__free(v);
    }
    sb__buf_reset(&py->stash);
    sb__free(py->functions.at);
    sb__free(py->functions.free);
}

/* ---- callbacks ---- */

/* A number as engines write it, which most arguments are. False: nothing was read. */
static inline bool read_number(struct sb_reader *r, sb_value *v)
{
    const uint8_t *p = r->p;
    size_t left = (size_t)(r->end - p);
    if (SB_LIKELY(left > 8 && *p == SB_CBOR_FLOAT64)) {
        uint64_t bits;
        memcpy(&bits, p + 1, sizeof bits);
        *v = sb_from_double(sb__float_bits(__builtin_bswap64(bits)));
        r->p = p + 9;
        return true;
    }
    if (left > 0 && *p < 24) {
        *v = sb_from_int(*p);
        r->p = p + 1;
        return true;
    }
    if (left > 2 && *p == 25) {
        *v = sb_from_int(p[1] << 8 | p[2]);
        r->p = p + 3;
        return true;
    }
    return false;
}

/* The arguments, in the callback's scope. NULL: malformed, or (d->no_memory) no memory. */
static const sb_value *read_arguments(sb_session *py, struct sb_decoder *d, sb_value *few,
                                      size_t *count)
{
    uint64_t n, pairs;
    const char *key;
    size_t len;
    if (!sb__read_count(&d->in, SB_MAJOR_ARRAY, &n))
        return NULL;
    sb_value *args = few;
    size_t room = FEW, at = 0;
    if (SB_UNLIKELY(n > FEW)) { /* an item takes a byte at least */
        room = (size_t)n;
        args = sb__alloc(py, room * sizeof *args, _Alignof(sb_value));
        if (!args)
            return d->no_memory = true, NULL;
    }
    for (; at < n; at++)
        if (!read_number(&d->in, &args[at]) && SB_UNLIKELY(!sb__value_decode(d, &args[at])))
            return NULL;
    if (!sb__read_count(&d->in, SB_MAJOR_MAP, &pairs))
        return NULL;
    if (SB_UNLIKELY(pairs && n + 2 * pairs > room)) {
        sb_value *more = sb__alloc(py, (size_t)(n + 2 * pairs) * sizeof *more, _Alignof(sb_value));
        if (!more)
            return d->no_memory = true, NULL;
        memcpy(more, args, at * sizeof *args);
        args = more;
    }
    for (; pairs; pairs--) {
        if (!sb__read_string(&d->in, SB_MAJOR_TEXT, &key, &len))
            return NULL;
        args[at] = sb_of_kind_(SB_KEYWORD_);
        if (!sb__decode_text(d, key, len, &args[at].as.str) || !sb__value_decode(d, &args[at + 1]))
            return NULL;
        at += 2;
    }
    *count = at;
    return d->in.p == d->in.end || sb__read_fail(&d->in, "bytes behind the arguments") ? args
                                                                                       : NULL;
}

static void start_answer(sb_session *py)
{
    struct sb_buf *b = &py->out;
    if (SB_UNLIKELY(b->failed || b->cap > SB_OUT_MOST))
        sb__buf_reset(b);
    b->len = 0;
    if (sb__buf_room(b, SB_OUT_LEAST))
        b->len = sizeof(struct sb_frame);
}

static void put_error(struct sb_buf *b, const sb_error *e, const char *name)
{
    sb__put_head(b, SB_MAJOR_ARRAY, 7);
    sb__put_uint(b, (uint64_t)e->code);
    sb__put_text(b, e->type);
    sb__put_text(b, e->message);
    sb__put_uint(b, e->exception.id);
    sb__put_text(b, e->file);
    sb__put_text(b, name);
    sb__put_uint(b, e->line > 0 ? (uint64_t)e->line : 0);
}

/* RAISE with the session's error. Returns the buffer: the level's own where there is no memory. */
static struct sb_buf put_raise(sb_session *py, const struct sb_function *f, struct sb_serving *v)
{
    static const sb_error no_memory = { .code = SB_E_MEMORY,
                                        .type = "SB_E_MEMORY",
                                        .message = "out of memory for an error",
                                        .file = "" };
    start_answer(py);
    put_error(&py->out, &py->error, f->name);
    if (SB_LIKELY(!py->out.failed && py->out.len <= SB_FRAME_MAX))
        return py->out;
    struct sb_buf least = { .ptr = v->least,
                            .len = sizeof(struct sb_frame),
                            .cap = sizeof v->least };
    put_error(&least, &no_memory, "");
    return least;
}

/* A result that is a number. False: nothing was written. */
static inline bool put_number(struct sb_buf *b, const sb_value *v)
{
    if (v->kind == SB_FLOAT_)
        sb__put_float(b, v->as.f);
    else if (v->kind == SB_INT_)
        sb__put_int(b, v->as.i);
    else
        return false;
    return true;
}

/* The result, or the error that was left, as a frame, at v->reply. */
static void put_answer(sb_session *py, const struct sb_function *f, const sb_value *result,
                       const struct sb_frame *asked, struct sb_serving *v)
{
    static const sb_site nowhere = { "", "", 0 };
    enum sb_frame_kind kind = SB_FRAME_RAISE;
    if (SB_LIKELY(result && !py->failed && sb__settle(py))) {
        struct sb_trouble t;
        t.code = SB_OK;
        start_answer(py);
        if (SB_LIKELY((put_number(&py->out, result) ||
                       sb__value_encode(&py->out, result, sb__handle_check, py, &t)) &&
                      !py->out.failed && py->out.len <= SB_FRAME_MAX))
            kind = SB_FRAME_RETURN;
        else if (py->out.failed)
            sb__fail(py, &nowhere, f->name, SB_E_MEMORY, "out of memory for the result");
        else if (t.code == SB_OK)
            sb__fail(py, &nowhere, f->name, SB_E_LIMIT, "the result takes more than %u bytes",
                     SB_FRAME_MAX);
        else
            sb__fail(py, &nowhere, f->name, t.code, "the result of %s: %s", f->name, t.text);
    }
    struct sb_buf frame = SB_LIKELY(kind == SB_FRAME_RETURN) ? py->out : put_raise(py, f, v);
    struct sb_frame *h = (struct sb_frame *)(void *)frame.ptr;
    *h = (struct sb_frame) { .size = (uint32_t)frame.len,
                             .kind = (uint8_t)kind,
                             .session = py->tag,
                             .epoch = py->epoch,
                             .seq = asked->seq,
                             .id = asked->id };
    v->reply = frame.ptr;
    v->reply_size = frame.len;
}

int sb__callback_serve(sb_session *py, uint64_t seq, const uint8_t *frame, size_t size,
                       const uint8_t **answer, size_t *n, const char **why)
{
    struct sb_frame asked;
    uint64_t number;
    sb_value few[FEW], result;
    *why = NULL;
    if (SB_UNLIKELY(size < sizeof asked))
        return *why = "a callback without a header", -1;
    memcpy(&asked, frame, sizeof asked);
    struct sb_decoder d = { .in = { frame + sizeof asked, frame + size, NULL },
                            .cache = &py->chunks,
                            .meet = sb__handle_meet,
                            .view = sb__meet_view,
                            .ctx = py };
    if (SB_UNLIKELY(asked.size != size || asked.session != py->tag || asked.segments ||
                    asked.seq != seq || !seq || !asked.id))
        return *why = "a callback that is for no call that waits", -1;
    struct sb_function *f = sb__read_uint(&d.in, &number) ? find(&py->functions, number) : NULL;
    if (SB_UNLIKELY(!f))
        return *why = d.in.error ? d.in.error : "a callback of a function that does not exist", -1;
    if (SB_UNLIKELY(py->servings >= 2 * SB_MAX_CALLBACKS)) /* drops count, too */
        return *why = "callbacks that are nested too deep", -1;
    struct sb_serving *v = begin(py, seq);
    d.arena = sb__arena(py);
    size_t count = 0;
    const sb_value *args = py->failed ? NULL : read_arguments(py, &d, few, &count);
    bool failed = !args && !py->failed && !d.no_memory && !py->no_memory;
    if (SB_LIKELY(args != NULL)) {
        f->running++;
        atomic_store_explicit(&py->busy, SB_LENT, memory_order_release);
        result = f->call(py, args, count, f->function, f->user);
        /* Lent, unless a call in it never came back: the function is the only one who may enter. */
        atomic_store_explicit(&py->busy, SB_INSIDE, memory_order_relaxed);
        if (py->functions.dropping)
            sb__drop_functions(py);
    } else if (!failed) { /* unless it has failed already */
        py->no_memory = false;
        sb__fail(py, NULL, f->name, SB_E_MEMORY, "out of memory for a callback's arguments");
    }
    if (SB_UNLIKELY(v->deadline) && sb__now() >= v->deadline && !py->failed)
        sb__fail(py, NULL, f->name, SB_E_TIMEOUT, "the call's time ran out in a callback");
    if (SB_UNLIKELY(failed))
        *why = d.in.error ? d.in.error : "a callback whose arguments make no sense";
    if (!failed)
        put_answer(py, f, args ? &result : NULL, &asked, v);
    bool ok = !failed && !v->lost;
    end(py, v);
    if (args && --f->running == 0 && f->dropped)
        let_go(py, f);
    *answer = v->reply;
    *n = v->reply_size;
    return ok ? 0 : -1;
}

/* ---- the public part ---- */

static sb_value call_plain(sb_session *py, const sb_value *args, size_t count,
                           void (*function)(void), void *user)
{
    return ((sb_callback)function)(py, args, count, user);
}

static bool is_identifier(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return !*s;
}

sb_object sb_typed_function(sb_session *py, const sb_site *site, const char *name,
                            const char *signature, void (*function)(void), sb_trampoline trampoline,
                            void *user, void (*drop)(void *user))
{
    static const sb_site nowhere = { "", "", 0 };
    sb_object o = py ? sb__failed_object(py) : (sb_object) { 0 };
    if (!sb__enter(py)) {
        if (drop)
            drop(user);
        return o;
    }
    if (!site)
        site = &nowhere;
    struct sb_functions *t = &py->functions;
    if (!t->dropping_end)
        t->dropping_end = &t->dropping;
    if (name && *name == '&')
        name++;
    if (!name || !is_identifier(name))
        name = "function";
    struct sb_function *f = provide(py) ? add(t) : NULL;
    if (!f) {
        struct sb_trouble trouble = { 0 };
        if (t->cap == PLACES)
            sb__trouble(&trouble, SB_E_LIMIT, "a session has at most %u functions", PLACES);
        else
            sb__trouble(&trouble, SB_E_MEMORY, "out of memory");
        sb__fail_trouble(py, site, "sb_function", &trouble);
        sb__leave(py);
        if (drop)
            drop(user);
        return o;
    }
    f->function = function;
    f->call = trampoline;
    f->user = user;
    f->drop = drop;
    f->name = name;
    sb_value first = sb_from_uint(f->number), v;
    sb_value rest[] = { sb_from_cstr(name), sb_from_cstr(signature ? signature : "") };
    bool ok = false;
    if (py->failed) {
        sb__skip(py);
    } else if (!function) {
        struct sb_trouble trouble = { 0 };
        sb__trouble(&trouble, SB_E_MISUSE, "a function is due, got NULL");
        sb__fail_trouble(py, site, "sb_function", &trouble);
    } else {
        ok = sb__dynamic(py, site, 'F', "sb_function", "o", &first, (sb_args) { rest, 2 }, 0, &v);
    }
    if (ok)
        o = v.as.object;
    else if ((f = find(t, first.as.u))) /* unless its failure took all functions along */
        let_go(py, f);
    sb__leave(py);
    return o;
}

sb_object sb_function_(sb_session *py, const sb_site *at, sb_callback call, void *user,
                       void (*drop)(void *user))
{
    return sb_typed_function(py, at, at ? at->given : NULL, "(*args, **kwargs)",
                             (void (*)(void))call, call_plain, user, drop);
}

void sb_raise_(sb_session *py, const sb_site *at, const char *type, const char *format, ...)
{
    if (!sb__enter(py))
        return;
    if (py->failed || !sb__settle(py)) {
        sb__skip(py);
        sb__leave(py);
        return;
    }
    char text[1024];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    while (len && !sb__utf8_valid(text, len)) /* cut within a character, or no text at all */
        len--;
    struct sb_failure f = {
        .code = SB_E_PYTHON,
        .type = { type ? type : "RuntimeError", type ? strlen(type) : 12 },
        .message = { text, len },
        .function = "",
        .file = at ? at->file : NULL,
        .line = at ? at->line : 0,
    };
    sb__fail_with(py, &f);
    sb__leave(py);
}

bool sb_takes(sb_session *py, const sb_value *args, size_t count, size_t n)
{
    size_t given = sb_positional(args, count);
    if (SB_LIKELY(given == n && given == count))
        return true;
    if (given != count)
        sb_raise_(py, NULL, "TypeError", "a C function takes no keyword arguments");
    else
        sb_raise_(py, NULL, "TypeError", "the C function takes %zu argument%s (%zu given)", n,
                  n == 1 ? "" : "s", given);
    return false;
}
