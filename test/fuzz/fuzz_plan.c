/* SPDX-License-Identifier: MIT
 *
 * Any signature and any text of a call, divided by a NUL: a plan that agrees with itself, or an error with a text. The
 * registry keeps plans for ever; here, reached by including its file, it is emptied after each. */
#include "runtime/plan.c"
#include "vectors.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void see_name(void *ctx, sb_str name)
{
    const char *text = ctx;
    must(name.len && name.ptr >= text && name.ptr + name.len <= text + strlen(text));
}

static void check(const struct sb_plan *p)
{
    struct sb_arena arena = { 0 };
    struct sb_chunk_cache cache = { 0 };
    sb_value v;
    must(!decode_bytes(&arena, &cache, p->definition.ptr, p->definition.len, &v) ||
         !sb__utf8_valid(p->sig, strlen(p->sig)));
    for (uint32_t i = 0; i < p->count; i++) {
        const struct sb_param *q = &p->params[i];
        must(q->name.len && q->size <= sizeof(sb_value) &&
             q->offset % (q->size > 8 ? 8
                          : q->size   ? q->size
                                      : 1) ==
                 0);
        for (uint32_t k = 0; k < q->literal_count; k++)
            must(!decode_bytes(&arena, &cache, q->literals[k].ptr, q->literals[k].len, &v));
    }
    for (uint32_t i = 0; i < p->result_count; i++)
        must(p->result[i].offset + p->result[i].size <= p->result_size);
    sb__arena_reset(&arena, &cache);
    sb__chunk_cache_reset(&cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sb_buf text = { 0 };
    sb__buf_put(&text, data, size);
    sb__buf_put(&text, "\0", 2);
    const char *sig = (const char *)text.ptr, *given = sig + strlen(sig) + 1;
    sb__read_given(given, see_name, (void *)(uintptr_t)given);
    sb_fn fn = { "numpy:f", sig };
    struct sb_plan_cache c = { 0 };
    struct sb_trouble t = { 0 };
    const struct sb_plan *p = sb__plan_site(&c, &fn, given, NULL, &t);
    must(p ? !t.code : t.code == SB_E_MISUSE && *t.text);
    if (p) {
        must(sb__plan_site(&c, &fn, given, NULL, &t) == p);
        check(p);
        registry.buckets[p->hash & registry.mask] = NULL;
        registry.count = 0;
        free_plan((struct sb_plan *)(uintptr_t)p);
    }
    sb__plan_cache_reset(&c);
    sb__buf_reset(&text);
    return 0;
}
