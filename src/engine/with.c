/* SPDX-License-Identifier: MIT
 *
 * Context managers: enter and leave of language.py do the work. */
#include "engine/with.h"
#include "engine/async.h"
#include "engine/codec.h"

PyObject *sb__with_perform(struct sb_engine_session *s, struct sb_target *plan,
                           const struct sb_arguments *a)
{
    if (plan->op == 'z')
        return sb__py.vectorcall(sb__py.leave, a->at, a->n | SB_ARGUMENTS_OFFSET, NULL);
    PyObject *entered = sb__py.vectorcall(sb__py.enter, a->at, a->n | SB_ARGUMENTS_OFFSET, NULL);
    if (entered && sb__is_coroutine(entered))
        entered = sb__await_take(s, entered);
    return entered;
}

int sb__with_encode(struct sb_engine_session *s, struct sb_buf *b, struct sb_target *plan,
                    PyObject *entered, uint64_t id)
{
    if (!id)
        return sb__fault(s, SB_E_PROTOCOL, "a context manager without an id");
    if (sb__session_keep(s, id, entered) < 0)
        return -1;
    PyObject *o = PyObject_GetAttrString(entered, "entered");
    int rc = o ? sb__encode_item(s, b, plan, &plan->result.items[0], o) : -1;
    Py_XDECREF(o);
    return rc;
}
