/* SPDX-License-Identifier: MIT
 *
 * Submitted calls: used, waited for, cancelled, forgotten. */
#include "feature.h"

static bool used(sb_session *py)
{
    sb_object a = sb_submit(py, "sbtest.Box", 3), b = sb_submit(py, "sbtest.ints", 5);
    sb_value list = sb_fetch(py, b);
    bool right = RIGHT(py, list.kind == SB_LIST_ && sb_count(py, list) == 5);
    return right && RIGHT(py, sb_as_int(py, sb_attr(py, a, "value")) == 3);
}

static bool waited_for(sb_session *py)
{
    sb_object o = sb_submit(py, "checks.number", 7);
    bool right = sb_wait(py, o, -1) && sb_wait(py, o, 0);
    return right && RIGHT(py, sb_as_int(py, o) == 7);
}

static bool forgotten(sb_session *py)
{
    for (int i = 0; i < 5; i++)
        sb_submit(py, "sbtest.ints", 3);
    return RIGHT(py, py_math_sqrt(py, 4) == 2);
}

static bool fails(sb_session *py)
{
    sb_object o = sb_submit(py, "sbtest.boom", "submitted");
    sb_wait(py, o, -1);
    return due(py, SB_E_PYTHON, "ValueError");
}

static bool cancelled(sb_session *py)
{
    sb_object o = sb_submit(py, "sbtest.spin", 20);
    sb_cancel(py, o);
    sb_wait(py, o, -1);
    return due(py, SB_E_CANCELLED, NULL);
}

static bool described(sb_session *py)
{
    int fd = sb_fd(py);
    sb_object o = sb_submit(py, "checks.number", 1);
    sb_wait(py, o, -1);
    return RIGHT(py, fd >= 0);
}

const struct feature features_futures[] = {
    { "futures used", used, 0 },
    { "futures waited for", waited_for, 0 },
    { "futures forgotten", forgotten, 0 },
    { "futures that fail", fails, 0 },
    { "futures cancelled", cancelled, 60 },
    { "futures with a descriptor", described, 0 },
    { NULL, NULL, 0 },
};
