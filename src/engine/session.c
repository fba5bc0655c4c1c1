/* SPDX-License-Identifier: MIT
 *
 * Sessions and their table of objects: open addressing with linear probing and deletion by shifting
 * back (Knuth 6.4, algorithm R), so that it never fills with gravestones. Ids are counters, so the
 * hash is the counter itself; the caller's and the engine's are kept apart by the top bit. */
#include "engine/session.h"
#include "engine/async.h"
#include "engine/callback.h"
#include "engine/explain.h"
#include <stdarg.h>
#include <stdio.h>

int sb__fault(struct sb_engine_session *s, sb_code code, const char *format, ...)
{
    if (s->fault.code == SB_OK) {
        va_list args;
        va_start(args, format);
        s->fault.code = code;
        sb__print_args(s->fault.text, sizeof s->fault.text, format, args);
        va_end(args);
    }
    return -1;
}

struct sb_engine_session *sb__session_new(uint32_t tag)
{
    struct sb_engine_session *s = sb__calloc(sizeof *s);
    if (s) {
        s->tag = tag;
        s->counter = 1;
    }
    return s;
}

void sb__session_clear(struct sb_engine_session *s)
{
    sb__async_close(s);
    sb__callback_close(s); /* first: destructors may call them */
    while (s->used) { /* a destructor of an object runs Python code, but none that enters here */
        struct sb_entry *entries = s->entries;
        size_t n = s->mask + 1;
        s->entries = NULL;
        s->mask = s->used = 0;
        for (size_t i = 0; i < n; i++)
            if (entries[i].id)
                Py_DECREF(entries[i].object);
        sb__free(entries);
    }
    sb__free(s->entries);
    s->entries = NULL;
    s->mask = 0;
    sb__session_recover(s);
    sb__explain_forget(s);
    s->counter = 1;
}

void sb__session_free(struct sb_engine_session *s)
{
    sb__session_clear(s);
    sb__callback_free(s);
    sb__buf_reset(&s->error);
    sb__buf_reset(&s->answer);
    sb__buf_reset(&s->output);
    sb__free(s);
}

static size_t home(const struct sb_engine_session *s, uint64_t id)
{
    uint64_t spread = id & SB_ID_ENGINE ? UINT64_C(0x5555555555555555) : 0;
    return (size_t)(id ^ spread) & s->mask;
}

static int grow(struct sb_engine_session *s)
{
    size_t old_n = s->entries ? s->mask + 1 : 0, n = old_n ? old_n * 2 : 64;
    struct sb_entry *old = s->entries, *entries = sb__calloc(n * sizeof *entries);
    if (!entries) {
        PyErr_NoMemory();
        return -1;
    }
    s->entries = entries;
    s->mask = n - 1;
    for (size_t i = 0; i < old_n; i++) {
        if (!old[i].id)
            continue;
        size_t at = home(s, old[i].id);
        while (entries[at].id)
            at = (at + 1) & s->mask;
        entries[at] = old[i];
    }
    sb__free(old);
    return 0;
}

int sb__session_keep(struct sb_engine_session *s, uint64_t id, PyObject *o)
{
    if ((!s->entries || s->used >= (s->mask + 1) / 2) && grow(s) < 0)
        return -1;
    size_t at = home(s, id);
    while (s->entries[at].id)
        at = (at + 1) & s->mask;
    Py_INCREF(o);
    s->entries[at] = (struct sb_entry) { .id = id, .object = o };
    s->used++;
    return 0;
}

int sb__session_keep_new(struct sb_engine_session *s, PyObject *o, uint64_t *id)
{
    if (s->counter > SB_ID_COUNTER / 2) /* a hostile OPEN; 2^46 objects do not happen */
        return sb__fault(s, SB_E_LIMIT, "the session has used up its object ids");
    *id = (uint64_t)s->tag << SB_ID_TAG_SHIFT | SB_ID_ENGINE | s->counter;
    if (sb__session_keep(s, *id, o) < 0)
        return -1;
    s->counter++;
    return 0;
}

static bool find(const struct sb_engine_session *s, uint64_t id, size_t *at)
{
    if (!s->entries || !id)
        return false;
    for (*at = home(s, id); s->entries[*at].id; *at = (*at + 1) & s->mask)
        if (s->entries[*at].id == id)
            return true;
    return false;
}

PyObject *sb__session_find(const struct sb_engine_session *s, uint64_t id)
{
    size_t at;
    return find(s, id, &at) ? s->entries[at].object : NULL;
}

PyObject *sb__session_object(struct sb_engine_session *s, uint64_t id)
{
    if (!id)
        return Py_None;
    PyObject *o = sb__session_find(s, id);
    if (!o && id >> SB_ID_TAG_SHIFT != s->tag)
        sb__fault(s, SB_E_SESSION, "an object of another session");
    else if (!o)
        sb__fault(s, SB_E_STALE, "an object whose scope or worker is gone");
    return o;
}

void sb__session_drop(struct sb_engine_session *s, uint64_t id)
{
    size_t hole;
    if (!find(s, id, &hole))
        return;
    PyObject *o = s->entries[hole].object;
    for (size_t i = (hole + 1) & s->mask; s->entries[i].id; i = (i + 1) & s->mask) {
        size_t want = home(s, s->entries[i].id);
        if (((i - want) & s->mask) < ((i - hole) & s->mask))
            continue; /* its home lies behind the hole: it would be lost in front */
        s->entries[hole] = s->entries[i];
        hole = i;
    }
    s->entries[hole].id = 0;
    s->used--;
    Py_DECREF(o); /* last: it may run Python code */
}

void sb__session_recover(struct sb_engine_session *s)
{
    s->failed = false;
    s->skipped = 0;
    s->error.len = 0;
    if (s->error.cap > 1u << 16 || s->error.failed)
        sb__buf_reset(&s->error);
}
