/* SPDX-License-Identifier: MIT
 *
 * pysig.h - Python signatures, as people write them, into the JSON of a manifest, for text cases.
 */
#ifndef TEST_PYSIG_H
#define TEST_PYSIG_H

#include "memory.h"

/* "(a: int, /, b: str | None = None, *args, c: m.Class, **kw) -> tuple[int, ~T]" as a SIG of docs/manifest.md. A name
 * with a dot is a class, @name an alias, ~name a type variable. Returns false where it cannot be read. */
bool pysig_sig(struct sbg_text *json, const char *text);
/* One type. */
bool pysig_type(struct sbg_text *json, const char *text);

#endif
