/* SPDX-License-Identifier: MIT
 *
 * Any class and any message, divided by a NUL: explained or not, within bounded time and memory, in whole texts. */
#include "runtime/explain.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
    void *blocks[4096];
    size_t len;
};

static void *take(void *ctx, size_t size)
{
    struct memory *m = ctx;
    if (m->len == sizeof m->blocks / sizeof *m->blocks)
        abort(); /* no row needs that many */
    return m->blocks[m->len++] = malloc(size ? size : 1);
}

static bool is_a(void *ctx, const char *name, size_t n)
{
    const char *class = ctx;
    return !*class || (strlen(class) == n && !memcmp(class, name, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    size_t class_len = strlen(text), at = class_len < size ? class_len + 1 : size;
    struct memory m = { .len = 0 };
    struct sb_explainer x = { .alloc = take, .ctx = &m, .message = { text + at, size - at } };
    const sb_explanation *e = sb__explain_error(&x, is_a, text);
    if (e) {
        if (!*e->kind || !strstr(e->text, e->kind) || !strstr(e->text, e->summary))
            abort();
        for (size_t i = 0; i < e->suggestion_count; i++)
            if (!strstr(e->text, e->suggestions[i]))
                abort();
        for (size_t i = 0; i < e->field_count; i++)
            if (strlen(e->fields[i].text) > 1024)
                abort();
    }
    while (m.len)
        free(m.blocks[--m.len]);
    free(text);
    return 0;
}
