/* SPDX-License-Identifier: MIT
 *
 * Names that are wrong or missing: what was meant, which distribution brings a module. */
#include "runtime/explain.h"
#include <ctype.h>

const char *sb__distribution_of(const char *module, size_t n)
{
    size_t low = 0, high = sb__distributions_len;
    while (low < high) {
        size_t at = (low + high) / 2;
        int c = strncmp(sb__distributions[at].module, module, n);
        if (!c)
            c = sb__distributions[at].module[n] != 0;
        if (!c)
            return sb__distributions[at].distribution;
        if (c < 0)
            low = at + 1;
        else
            high = at;
    }
    return NULL;
}

void sb__work_module(struct sb_explainer *x)
{
    const char *name = sb__explain_get(x, "module");
    size_t top = strcspn(name, ".");
    for (size_t i = 0; name[i]; i++) /* it goes into a command */
        if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '.')
            return;
    const char *distribution = sb__distribution_of(name, top);
    if (distribution && !*distribution) {
        sb__explain_suggest(
            x,
            "%s is of the standard library, and this Python was built without it, or its "
            "version has removed it: use another Python",
            name);
        return;
    }
    if (distribution)
        sb__explain_set(x, "distribution", "%s", distribution);
    else
        sb__explain_set(x, "distribution", "%.*s", (int)top, name);
    const char *dist = sb__explain_get(x, "distribution");
    sb__explain_set(x, "command", "uv add %s", dist);
    if (distribution && strncmp(distribution, name, top))
        sb__explain_suggest(x, "uv add %s (the distribution that brings the module %.*s)", dist,
                            (int)top, name);
    else
        sb__explain_suggest(x, "uv add %s", dist);
    sb__explain_suggest(
        x,
        "if %.*s is your own: put its folder into python-path of [tool.snakebridge] in "
        "pyproject.toml, and generate again",
        (int)top, name);
}

enum { NAME_MOST = 48 };

/* The optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), rows[3][NAME_MOST + 1];
    if (n > NAME_MOST || m > NAME_MOST)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *one = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best =
                one[j - 1] + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            if (one[j] + 1 < best)
                best = one[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                two[j - 2] + 1 < best)
                best = two[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[n % 3][m];
}

/* Looks for what `name` may have been meant to be, among the names that the engine knows. */
static void guess(struct sb_explainer *x, const char *name, const char *list_name)
{
    const char *best = NULL;
    size_t least = strlen(name) / 3 + 1;
    if (!sb__explain_ask(x) || !x->parameters_len)
        return;
    struct sb_buf list = { 0 };
    for (size_t i = 0; i < x->parameters_len; i++) {
        const char *p = x->parameters[i];
        size_t d = distance(name, p);
        if (d <= least && (!best || d < least)) {
            best = p;
            least = d;
        }
        if (list.len < 400) {
            if (i)
                sb__buf_put(&list, ", ", 2);
            sb__buf_put(&list, p, strlen(p));
            if (list.len >= 400)
                sb__buf_put(&list, ", ...", 5);
        }
    }
    sb__put_byte(&list, 0);
    if (!list.failed) {
        sb__explain_set(x, list_name, "%s", (const char *)list.ptr);
        x->expected = sb__explain_print(x, "one of %s", (const char *)list.ptr);
    }
    sb__buf_reset(&list);
    if (best) {
        sb__explain_set(x, "meant", "%s", best);
        sb__explain_suggest(x, "did you mean %s?", best);
    }
}

void sb__work_keyword(struct sb_explainer *x)
{
    guess(x, sb__explain_get(x, "keyword"), "keywords");
}

void sb__work_key(struct sb_explainer *x)
{
    guess(x, sb__explain_get(x, "key"), "keys");
}

void sb__work_attribute(struct sb_explainer *x)
{
    guess(x, sb__explain_get(x, "attribute"), "attributes");
}
