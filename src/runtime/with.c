/* SPDX-License-Identifier: MIT
 *
 * Context managers: SB_WITH. The end of its block tells Python of the pending error, which is set aside meanwhile: the
 * manager may suppress it, or replace it by an exception of its own. */
#include "runtime/request.h"

static const sb_args none = { NULL, 0 };

sb_with sb_with_begin_(sb_session *py, const sb_site *at, sb_value manager)
{
    sb_with w;
    memset(&w, 0, sizeof w);
    if (py)
        w.entered = sb__failed_object(py);
    if (!sb__start(py))
        return w;
    struct sb_reader answer;
    sb_object entered = { 0 };
    const struct sb_plan *plan = sb__dynamic_plan(py, at, 'w', "SB_WITH", "(o?)", none);
    uint64_t id = plan ? sb__handle_new(py) : 0;
    if (plan && !id)
        sb__fail(py, at, "SB_WITH", SB_E_MEMORY, "out of memory");
    if (id && sb__dynamic_send(py, at, plan, &manager, none, SB_FLAG_WAIT, id, &answer)) {
        /* From here on it has been entered, whatever becomes of what it gave. */
        w.py = py;
        w.site = *at;
        w.manager.id = id;
        w.attached = py->attached;
        sb__pin(py, id);
        py->usings++;
        if (sb__result_read(py, at, plan, 'o', &answer, &entered))
            w.entered = entered;
    } else if (id) {
        sb__release(py, id);
    }
    sb__leave(py);
    return w;
}

/* A session's error, set aside. */
struct aside {
    sb_error error;
    struct sb_buf text, classes;
    bool looked, kept;
};

static void set_aside(sb_session *py, struct aside *a)
{
    *a = (struct aside) { py->error, py->error_text, py->error_classes, py->looked,
                          py->exception_kept };
    py->error = (sb_error) { 0 };
    py->error_text = py->error_classes = (struct sb_buf) { 0 };
    py->failed = py->looked = py->exception_kept = false;
    py->epoch++;
}

static void put_back(sb_session *py, struct aside *a)
{
    sb__buf_reset(&py->error_text);
    sb__buf_reset(&py->error_classes);
    py->error = a->error;
    py->error_text = a->text;
    py->error_classes = a->classes;
    py->looked = a->looked;
    py->exception_kept = a->kept;
    py->failed = true;
}

static void forget(sb_session *py, struct aside *a)
{
    if (a->error.exception.id && !a->kept)
        sb__release(py, a->error.exception.id);
    sb__buf_reset(&a->text);
    sb__buf_reset(&a->classes);
}

/* Leaves with the error `e`, or NULL. True: the manager has suppressed it. False: it has not, or has failed. */
static bool leave(sb_session *py, const sb_with *w, const sb_error *e)
{
    const struct sb_plan *plan = sb__dynamic_plan(py, &w->site, 'z', "SB_WITH", "b", none);
    sb_value manager = sb_from_object(w->manager), args[3];
    struct sb_reader answer;
    bool suppressed = false;
    size_t n = 0;
    if (!plan)
        return false;
    if (e && e->exception.id) {
        args[n++] = sb_from_object(e->exception);
    } else if (e) {
        args[n++] = sb_from_int((int64_t)e->code);
        args[n++] = sb_from_cstr(e->type);
        args[n++] = sb_from_cstr(e->message);
    }
    return sb__dynamic_send(py, &w->site, plan, &manager, (sb_args) { args, n }, SB_FLAG_WAIT, 0,
                            &answer) &&
           sb__result_read(py, &w->site, plan, 'b', &answer, &suppressed) && suppressed;
}

void sb_with_end_(sb_with *w)
{
    sb_session *py = w->py;
    w->py = NULL;
    if (!py || sb__ended(py) || !sb__enter(py))
        return;
    py->usings--;
    bool failed = py->failed || !sb__settle(py);
    struct sb_trouble t = { 0 };
    if (py->link && py->attached == w->attached && sb__handle_check(py, w->manager, &t)) {
        struct aside was;
        if (failed)
            set_aside(py, &was);
        bool suppressed = leave(py, w, failed ? &was.error : NULL);
        if (failed && (suppressed || py->failed))
            forget(py, &was);
        else if (failed)
            put_back(py, &was);
        sb__release(py, w->manager.id);
    }
    sb__leave(py);
}
