/* SPDX-License-Identifier: MIT
 *
 * Context managers (operations w and z of docs/wire.md). With the GIL. */
#ifndef SB_ENGINE_WITH_H
#define SB_ENGINE_WITH_H

#include "engine/perform.h"

/* As sb__perform. The result of "w" is for sb__with_encode. */
PyObject *sb__with_perform(struct sb_engine_session *s, struct sb_target *plan,
                           const struct sb_arguments *a) SB_MUST_USE;
/* Registers what "w" gave under `id`, and appends what the manager gave. As sb__encode. */
int sb__with_encode(struct sb_engine_session *s, struct sb_buf *b, struct sb_target *plan,
                    PyObject *entered, uint64_t id) SB_MUST_USE;

#endif
