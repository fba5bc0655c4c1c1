/* SPDX-License-Identifier: MIT
 *
 * The exceptions behind an error, their notes, groups, frames and locals: see detail.h. Requests are made while the error is
 * pending (ALWAYS); what fails in them leaves the error as it is. Everything that arrives is looked at before it is believed. */
#include "runtime/detail.h"
#include "runtime/request.h"

bool sb__detail_enter(sb_session *py)
{
    if (!py)
        return false;
    if (sb__reporting(py)) {
        py->looked = true;
        return true;
    }
    if (!sb__enter(py))
        return false;
    if (py->failed || !sb__settle(py)) {
        py->looked = true;
        return true;
    }
    sb__leave(py);
    return false;
}

void sb__detail_leave(sb_session *py)
{
    if (!sb__reporting(py))
        sb__leave(py);
}

struct sb_detail *sb__detail(sb_session *py)
{
    if (!py->detail)
        py->detail = sb__calloc(sizeof *py->detail);
    return py->detail;
}

void *sb__detail_alloc(sb_session *py, size_t size, size_t align)
{
    struct sb_detail *d = sb__detail(py);
    return d ? sb__arena_alloc(&d->arena, &py->chunks, size, align) : NULL;
}

void sb__detail_drop(sb_session *py)
{
    struct sb_detail *d = py->detail;
    if (!d)
        return;
    py->detail = NULL;
    for (size_t i = 0; i < d->exceptions_len; i++)
        if (!d->exceptions[i].kept)
            sb__release(py, d->exceptions[i].id);
    sb__arena_reset(&d->arena, &py->chunks);
    sb__free(d);
}

bool sb__detail_keep(sb_session *py, uint64_t id)
{
    struct sb_detail *d = py->detail;
    for (size_t i = 0; d && id && i < d->exceptions_len; i++)
        if (d->exceptions[i].id == id && !d->exceptions[i].kept)
            return d->exceptions[i].kept = true;
    return false;
}

/* ---- asking ---- */

static bool meet(void *ctx, uint64_t id)
{
    sb_session *py = ctx;
    struct sb_detail *d = py->detail;
    if (d->exceptions_len == SB_ERRORS || !sb__handle_meet_exception(py, id))
        return false;
    d->exceptions[d->exceptions_len].id = id;
    d->exceptions[d->exceptions_len++].kept = false;
    return true;
}

static bool ask(sb_session *py, sb_object exception, const char *what, int64_t index, sb_value *v)
{
    static const sb_site here = { "", "", 0 };
    const sb_value args[] = { sb_from_object(exception), sb_from_int(index) };
    struct sb_trouble t = { 0 };
    struct sb_reader answer;
    const struct sb_plan *plan =
        sb__plan_dynamic(&py->plans, '?', what, "v", (sb_args) { args, 2 }, &t);
    struct sb_request q = { .plan = plan, .at = &here, .flags = SB_FLAG_WAIT | SB_FLAG_ALWAYS };
    if (!plan || !sb__request_begin(py, &q))
        return false;
    sb__put_head(&py->out, SB_MAJOR_ARRAY, 2);
    for (size_t i = 0; i < 2; i++)
        if (!sb__value_encode(&py->out, &args[i], sb__handle_check, py, &t))
            return false;
    struct sb_detail *detail = py->detail;
    if (!sb__request_send(py, &q, &answer) || py->detail != detail)
        return false;
    struct sb_decoder d = {
        .in = answer,
        .arena = &py->detail->arena,
        .cache = &py->chunks,
        .meet = meet,
        .ctx = py,
    };
    if (sb__value_decode(&d, v) && d.in.p == d.in.end)
        return true;
    if (!d.no_memory && !py->no_memory)
        sb__fail_protocol(py, &here, what, d.in.error ? d.in.error : "bytes behind the answer");
    py->no_memory = false;
    return false;
}

bool sb__detail_ask(sb_session *py, sb_object exception, const char *what, int64_t index,
                    sb_value *v)
{
    bool reporting = atomic_load_explicit(&py->reporter, memory_order_relaxed) != NULL;
    if (!exception.id || !py->link || (reporting && !py->resting) || !sb__detail(py))
        return false;
    uint64_t skipped = py->error.skipped;
    bool resting = py->resting;
    py->resting = false;
    bool ok = ask(py, exception, what, index, v);
    py->resting = resting;
    py->error.skipped = skipped; /* no call of the program's */
    return ok;
}

/* ---- what arrives ---- */

static const sb_value *items(const sb_value *v, size_t *n)
{
    *n = v->kind == SB_TUPLE_ ? v->as.items.len : 0;
    return *n ? v->as.items.ptr : NULL;
}

static const char *text_of(const sb_value *v)
{
    return v->kind == SB_STR_ ? v->as.str.ptr : "";
}

static bool is_place(const sb_value *v, size_t count)
{
    return v->kind == SB_INT_ && v->as.i >= -1 && v->as.i < (int64_t)count;
}

static bool are_texts(const sb_value *v)
{
    size_t n;
    const sb_value *item = items(v, &n);
    for (size_t i = 0; i < n; i++)
        if (item[i].kind != SB_STR_)
            return false;
    return v->kind == SB_TUPLE_;
}

enum {
    TYPE,
    MESSAGE,
    TRACEBACK,
    CLASSES,
    EXCEPTION,
    CAUSE,
    CONTEXT,
    MEMBERS,
    NOTES,
    FRAMES,
    PARTS
};

static bool read_frames(sb_session *py, const sb_value *v, sb_error_frames *frames)
{
    size_t n, parts;
    const sb_value *each = items(v, &n);
    *frames = (sb_error_frames) { NULL, 0 };
    if (!n)
        return v->kind == SB_TUPLE_;
    sb_error_frame *f = sb__detail_alloc(py, n * sizeof *f, _Alignof(sb_error_frame));
    if (!f)
        return false;
    for (size_t i = 0; i < n; i++) {
        const sb_value *part = items(&each[i], &parts);
        if (parts != 4 || part[1].kind != SB_INT_ || part[1].as.i < 0 || part[1].as.i > INT32_MAX)
            return false;
        f[i] = (sb_error_frame) {
            .file = text_of(&part[0]),
            .function = text_of(&part[2]),
            .text = text_of(&part[3]),
            .line = (int)part[1].as.i,
        };
    }
    *frames = (sb_error_frames) { f, n };
    return true;
}

static bool read_node(sb_session *py, struct sb_node *node, const sb_value *v, size_t count)
{
    size_t n, members;
    const sb_value *part = items(v, &n);
    if (n != PARTS || !are_texts(&part[CLASSES]) || !are_texts(&part[NOTES]) ||
        !is_place(&part[CAUSE], count) || !is_place(&part[CONTEXT], count) ||
        part[MEMBERS].kind != SB_TUPLE_)
        return false;
    const sb_value *member = items(&part[MEMBERS], &members);
    for (size_t i = 0; i < members; i++)
        if (!is_place(&member[i], count) || member[i].as.i < 0)
            return false;
    node->error = (sb_error) {
        .code = SB_E_PYTHON,
        .type = text_of(&part[TYPE]),
        .message = text_of(&part[MESSAGE]),
        .traceback = text_of(&part[TRACEBACK]),
        .function = py->error.function,
        .file = py->error.file,
        .line = py->error.line,
    };
    if (part[EXCEPTION].kind == SB_OBJECT_)
        node->error.exception = part[EXCEPTION].as.object;
    node->cause = part[CAUSE].as.i;
    node->context = part[CONTEXT].as.i;
    node->members = part[MEMBERS];
    node->notes = part[NOTES];
    node->notes.kind = SB_LIST_;
    node->classes = part[CLASSES];
    return read_frames(py, &part[FRAMES], &node->frames);
}

const struct sb_node *sb__detail_nodes(sb_session *py, size_t *count)
{
    sb_value v;
    size_t n;
    *count = 0;
    if (py->detail && py->detail->count) {
        *count = py->detail->count;
        return py->detail->nodes;
    }
    if (!sb__detail_ask(py, py->error.exception, "chain", 0, &v))
        return NULL;
    const sb_value *each = items(&v, &n);
    struct sb_node *nodes = n && n <= SB_ERRORS
                                ? sb__detail_alloc(py, n * sizeof *nodes, _Alignof(struct sb_node))
                                : NULL;
    for (size_t i = 0; nodes && i < n; i++)
        if (!read_node(py, &nodes[i], &each[i], n))
            nodes = NULL;
    if (!nodes)
        return NULL;
    py->detail->nodes = nodes;
    py->detail->count = *count = n;
    return nodes;
}

/* ---- the interface ---- */

/* The node of `e`, or NULL. */
static const struct sb_node *node_of(sb_session *py, const sb_error *e)
{
    size_t n;
    const struct sb_node *nodes = sb__detail_nodes(py, &n);
    if (nodes && (!e || e == &py->error))
        return nodes;
    for (size_t i = 1; nodes && i < n; i++)
        if (e == &nodes[i].error)
            return &nodes[i];
    return NULL;
}

static const sb_error *error_at(const sb_session *py, int64_t at)
{
    return at < 0 ? NULL : at == 0 ? &py->error : &py->detail->nodes[at].error;
}

const sb_error *sb_error_cause(sb_session *py, const sb_error *e)
{
    if (!sb__detail_enter(py))
        return NULL;
    const struct sb_node *node = node_of(py, e);
    const sb_error *r = node ? error_at(py, node->cause) : NULL;
    sb__detail_leave(py);
    return r;
}

const sb_error *sb_error_context(sb_session *py, const sb_error *e)
{
    if (!sb__detail_enter(py))
        return NULL;
    const struct sb_node *node = node_of(py, e);
    const sb_error *r = node ? error_at(py, node->context) : NULL;
    sb__detail_leave(py);
    return r;
}

size_t sb_error_count(sb_session *py, const sb_error *e)
{
    if (!sb__detail_enter(py))
        return 0;
    const struct sb_node *node = node_of(py, e);
    size_t n = node ? node->members.as.items.len : 0;
    sb__detail_leave(py);
    return n;
}

const sb_error *sb_error_nth(sb_session *py, const sb_error *e, size_t i)
{
    if (!sb__detail_enter(py))
        return NULL;
    const struct sb_node *node = node_of(py, e);
    const sb_error *r = node && i < node->members.as.items.len
                            ? error_at(py, node->members.as.items.ptr[i].as.i)
                            : NULL;
    sb__detail_leave(py);
    return r;
}

sb_value sb_error_notes(sb_session *py, const sb_error *e)
{
    sb_value notes = sb_of_kind_(SB_LIST_);
    if (!sb__detail_enter(py))
        return notes;
    const struct sb_node *node = node_of(py, e);
    if (node)
        notes = node->notes;
    sb__detail_leave(py);
    return notes;
}

sb_error_frames sb_error_frames_of(sb_session *py, const sb_error *e)
{
    sb_error_frames frames = { NULL, 0 };
    if (!sb__detail_enter(py))
        return frames;
    const struct sb_node *node = node_of(py, e);
    if (node)
        frames = node->frames;
    sb__detail_leave(py);
    return frames;
}

sb_value sb_error_locals(sb_session *py, const sb_error *e, size_t i)
{
    sb_value locals = sb_of_kind_(SB_DICT_), v;
    if (!sb__detail_enter(py))
        return locals;
    const struct sb_node *node = node_of(py, e);
    if (node && i < node->frames.len) {
        sb_object exception =
            node == py->detail->nodes ? py->error.exception : node->error.exception;
        if (sb__detail_ask(py, exception, "locals", (int64_t)i, &v) && are_texts(&v) &&
            v.as.items.len % 2 == 0) {
            locals.as.items.ptr = v.as.items.ptr;
            locals.as.items.len = v.as.items.len / 2;
        }
    }
    sb__detail_leave(py);
    return locals;
}
