/* SPDX-License-Identifier: MIT
 *
 * Iteration: SB_FOR and sb_next. What is held in C is walked here. An object's iterator is a stream in the engine, which
 * gives a window of items at a time; their bytes are kept, and decoded one a turn into the turn's scope. The stream belongs
 * to the scope around the loop, so that it goes even if the loop's end never comes. */
#include "runtime/request.h"
#include <stdio.h>

enum { WINDOW_MOST = 256 };

struct sb_iteration_ {
    sb_site at;
    uint32_t depth;    /* of the turn's scope; 0: there is none */
    uint32_t attached; /* sb_session.attached, when the stream was made */
    char type;
    bool lazy, ended; /* the engine has said that there is no more */
    sb_value held;    /* a value that is held in C; or SB_UNSET */
    size_t place;     /* in it; or the next of `items` */
    sb_value stream;
    size_t asked, got;   /* items of the last batch */
    struct sb_buf items; /* as they came */
    const struct sb_plan *next;
};

static const sb_args none = { NULL, 0 };

/* ---- what is held in C ---- */

static bool is_held(sb_kind kind)
{
    return (kind >= SB_LIST_ && kind <= SB_DICT_) || kind == SB_STR_ || kind == SB_BYTES_ ||
           kind == SB_NAMEDTUPLE_;
}

/* The next item; false at the end, or the session has failed. */
static bool next_held(sb_session *py, struct sb_iteration_ *s, sb_value *item)
{
    const sb_value *v = &s->held;
    if (v->kind == SB_BYTES_) {
        if (s->place == v->as.bytes.len)
            return false;
        *item = sb_from_int(v->as.bytes.ptr[s->place++]);
    } else if (v->kind == SB_STR_) {
        sb_str text = v->as.str;
        if (s->place == text.len)
            return false;
        size_t n = 1; /* of the code point, which lies behind its first byte */
        while (s->place + n < text.len && ((unsigned char)text.ptr[s->place + n] & 0xc0) == 0x80)
            n++;
        char *copy = sb__alloc(py, n + 1, 1);
        if (!copy) {
            sb__fail(py, &s->at, "SB_FOR", SB_E_MEMORY, "out of memory");
            return false;
        }
        memcpy(copy, text.ptr + s->place, n);
        copy[n] = 0;
        s->place += n;
        *item = sb_from_str((sb_str) { copy, n });
    } else {
        if (s->place == v->as.items.len)
            return false;
        *item = v->as.items.ptr[s->place++ * (v->kind == SB_DICT_ ? 2 : 1)];
    }
    return true;
}

/* Outside of the session: each of these enters it. */
static bool convert(sb_iter *it, sb_value v)
{
    sb_session *py = it->py;
    const sb_site *at = &it->state->at;
    switch (it->state->type) {
    case 'd':
        it->item.d = sb_as_double_(py, at, v);
        break;
    case 'i':
        it->item.i = sb_as_int_(py, at, v);
        break;
    case 'b':
        it->item.b = sb_as_bool_(py, at, v);
        break;
    case 's':
        it->item.s = sb_as_str_(py, at, v);
        break;
    case 'y':
        it->item.y = sb_as_bytes_(py, at, v);
        break;
    case 'o':
        it->item.o = sb_as_object_(py, at, v);
        break;
    default:
        it->item.v = v;
        return true;
    }
    return !sb_failed(py);
}

/* ---- streams ---- */

/* Asks for a batch. False: the session has failed. */
static bool fetch(sb_session *py, struct sb_iteration_ *s)
{
    struct sb_reader answer;
    uint64_t state;
    if (s->lazy || !s->asked)
        s->asked = 1;
    else if (s->got < s->asked) /* bytes or time have ended it */
        s->asked = s->got ? s->got : 1;
    else
        s->asked = s->asked < WINDOW_MOST / 2 ? s->asked * 2 : WINDOW_MOST;
    s->got = 0;
    sb_value window = sb_from_uint(s->asked);
    s->items.len = s->place = 0;
    if (!sb__dynamic_send(py, &s->at, s->next, &s->stream, (sb_args) { &window, 1 }, SB_FLAG_WAIT,
                          0, &answer))
        return false;
    if (!sb__read_uint(&answer, &state) || state > 1 || (!state && answer.p == answer.end)) {
        sb__fail_protocol(py, &s->at, "SB_FOR", "a batch without a state, or without items");
        return false;
    }
    s->ended = state;
    sb__buf_put(&s->items, answer.p,
                sb__left(&answer)); /* they would be gone with the next request */
    if (s->items.failed) {
        sb__buf_reset(&s->items);
        sb__fail(py, &s->at, "SB_FOR", SB_E_MEMORY, "out of memory for the items");
        return false;
    }
    return true;
}

/* The next item. False at the end, or the session has failed. */
static bool next_item(sb_session *py, sb_iter *it)
{
    struct sb_iteration_ *s = it->state;
    if (s->attached != py->attached || !py->link) {
        sb__fail_trouble(py, &s->at, "SB_FOR",
                         &(struct sb_trouble) { SB_E_STALE, "the worker of the iterator is gone" });
        return false;
    }
    if (s->place == s->items.len && (s->ended || !fetch(py, s) || !s->items.len))
        return false;
    struct sb_reader r = { s->items.ptr + s->place, s->items.ptr + s->items.len, NULL };
    memset(&it->item, 0, sizeof it->item);
    if (!sb__result_read(py, &s->at, s->next, s->type, &r, &it->item))
        return false;
    s->place = (size_t)(r.p - s->items.ptr);
    s->got++;
    return true;
}

/* Objects of items that nobody will look at. */
static void drop_rest(sb_session *py, struct sb_iteration_ *s)
{
    if (py->depth >= s->depth)
        return; /* there never was a scope for them */
    uint32_t depth = py->depth + 1;
    sb__scope_renew(py, depth);
    struct sb_decoder d = { .in = { s->items.ptr + s->place, s->items.ptr + s->items.len, NULL },
                            .arena = sb__arena(py),
                            .cache = &py->chunks,
                            .meet = sb__handle_meet,
                            .view = sb__meet_view,
                            .ctx = py };
    sb_value v;
    while (d.in.p < d.in.end && sb__value_decode(&d, &v))
        ;
    py->no_memory = false;
    sb__scope_end(py, depth);
}

/* Ends the stream in the engine: a generator that is not at its end is closed, and waited for. */
static void end_stream(sb_session *py, struct sb_iteration_ *s)
{
    struct sb_trouble t = { 0 };
    if (s->attached != py->attached || !py->link || !sb__handle_check(py, s->stream.as.object, &t))
        return; /* it is gone, or never was */
    if ((s->type == 'v' || s->type == 'o') && s->place < s->items.len)
        drop_rest(py, s);
    if (!s->ended) {
        const struct sb_plan *plan = sb__dynamic_plan(py, &s->at, 'q', "SB_FOR", "n", none);
        struct sb_reader answer;
        uint64_t skipped = py->error.skipped;
        bool was = py->failed;
        if (plan)
            sb__dynamic_send(py, &s->at, plan, &s->stream, none, SB_FLAG_WAIT | SB_FLAG_ALWAYS, 0,
                             &answer);
        if (was) /* the first error stays, and this was no call of the program's */
            py->error.skipped = skipped;
    }
    sb__release(py, s->stream.as.object.id);
}

/* Makes the stream of an object, in the current scope. */
static bool begin_stream(sb_session *py, struct sb_iteration_ *s, const sb_for *options,
                         const sb_value *iterable)
{
    char type[256] = "(v)";
    if (s->type == 'o')
        snprintf(type, sizeof type, options->of ? "(o?{%s})" : "(o?)", options->of);
    else
        type[1] = s->type;
    if (options->of &&
        (s->type != 'o' || strlen(options->of) > sizeof type - 8 || strchr(options->of, '}'))) {
        sb__fail_trouble(
            py, &s->at, "SB_FOR",
            &(struct sb_trouble) { SB_E_MISUSE, ".of is the class of handles: \"module:Class\"" });
        return false;
    }
    const struct sb_plan *plan = sb__dynamic_plan(py, &s->at, 'i', "SB_FOR", "o", none);
    if (!plan || !(s->next = sb__dynamic_plan(py, &s->at, 'n', "SB_FOR", type, none)))
        return false;
    uint64_t id = sb__handle_new(py);
    struct sb_reader answer;
    if (!id) {
        sb__fail(py, &s->at, "SB_FOR", SB_E_MEMORY, "out of memory");
        return false;
    }
    s->stream = sb_from_object((sb_object) { id });
    if (!sb__dynamic_send(py, &s->at, plan, iterable, none, 0, id, &answer)) {
        sb__release(py, id);
        return false;
    }
    s->attached = py->attached;
    sb__pin(py, id);
    return true;
}

/* ---- the loop ---- */

static void free_state(struct sb_iteration_ *s)
{
    sb__buf_reset(&s->items);
    sb__free(s);
}

sb_iter sb_iter_begin_(sb_session *py, const sb_for *options, sb_value iterable, char type)
{
    sb_iter it;
    memset(&it, 0, sizeof it);
    if (!sb__start(py))
        return it;
    struct sb_iteration_ *s = sb__calloc(sizeof *s);
    if (!s)
        sb__fail(py, &options->site, "SB_FOR", SB_E_MEMORY, "out of memory");
    if (s) {
        s->at = options->site;
        s->type = type;
        s->lazy = options->lazy;
        if (is_held(iterable.kind))
            s->held = iterable;
        else if (!begin_stream(py, s, options, &iterable)) {
            free_state(s);
            s = NULL;
        }
    }
    sb__leave(py);
    if (s) {
        sb_scope scope = sb_scope_open(py);
        s->depth = scope.depth;
        it.py = py;
        it.state = s;
    }
    return it;
}

bool sb_iter_next_(sb_iter *it)
{
    struct sb_iteration_ *s = it->state;
    sb_session *py = it->py;
    sb_value item;
    if (!s || !sb__enter(py))
        return false;
    if (s->depth)
        sb__scope_renew(py, s->depth);
    bool held = s->held.kind != SB_UNSET, ok = !py->failed;
    if (ok && (held || s->place < s->items.len)) /* else the next request will tell */
        ok = sb__settle(py);
    if (ok)
        ok = held ? next_held(py, s, &item) : next_item(py, it);
    sb__leave(py);
    it->turn = ok && (!held || convert(it, item));
    return it->turn;
}

void sb_iter_end_(sb_iter *it)
{
    struct sb_iteration_ *s = it->state;
    sb_session *py = it->py;
    if (!s)
        return;
    it->state = NULL;
    if ((!s->depth || !sb__ended(py)) && sb__enter(py)) {
        if (s->depth)
            sb__scope_end(py, s->depth);
        if (s->held.kind == SB_UNSET)
            end_stream(py, s);
        if (py->depth == 0)
            sb__flush_releases(py);
        sb__leave(py);
    }
    free_state(s);
}

bool sb_next_(sb_session *py, const sb_site *at, sb_value iterator, sb_value *item)
{
    uint64_t state = 1;
    *item = sb_of_kind_(SB_FAILED_);
    if (!sb__start(py))
        return false;
    const struct sb_plan *plan = sb__dynamic_plan(py, at, 'n', "sb_next", "(v)", none);
    struct sb_reader answer;
    if (plan && sb__dynamic_send(py, at, plan, &iterator, none, SB_FLAG_WAIT, 0, &answer)) {
        if (!sb__read_uint(&answer, &state) || state > 1) {
            sb__fail_protocol(py, at, "sb_next", "a step without a state");
            state = 1;
        } else if (!sb__answer_value(py, at, "sb_next", &answer, item)) {
            state = 1;
        }
    }
    sb__leave(py);
    return !state;
}
