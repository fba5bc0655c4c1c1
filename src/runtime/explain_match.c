/* SPDX-License-Identifier: MIT
 *
 * Patterns of the table against messages: no regular expressions, so that hostile text costs a bounded time. A field without a
 * type ends where the literal behind it first occurs; nothing is tried twice but the place where the match begins. */
#include "runtime/explain.h"
#include <ctype.h>

/* Bytes of `s` that are an integer, a word, a shape. */
static size_t span(const char *type, const char *s, size_t n)
{
    size_t i = 0;
    if (*type == 'i') { /* int */
        while (i < n && i < 30 && isdigit((unsigned char)s[i]))
            i++;
        return i;
    }
    if (*type == 'w') { /* word */
        while (i < n && i < SB_EXPLAIN_CAPTURE &&
               (isalnum((unsigned char)s[i]) || (s[i] && strchr("_.:<>[]-+", s[i]))))
            i++;
        while (i && (s[i - 1] == '.' || s[i - 1] == ':')) /* the sentence's */
            i--;
        return i;
    }
    static const char torch[] = "torch.Size(";
    size_t from = n > sizeof torch && !memcmp(s, torch, sizeof torch - 1) ? sizeof torch - 1 : 0;
    i = from;
    if (i < n && (s[i] == '(' || s[i] == '[')) {
        char close = s[i] == '(' ? ')' : ']';
        for (i++; i < n && i < SB_EXPLAIN_CAPTURE && s[i] != close; i++)
            if (!isalnum((unsigned char)s[i]) && s[i] != ',' && s[i] != ' ')
                return 0;
        if (i == n || s[i] != close)
            return 0;
        i++;
        return from && i < n && s[i] == ')' ? i + 1 : i;
    }
    while (i < n && i < SB_EXPLAIN_CAPTURE &&
           (isdigit((unsigned char)s[i]) ||
            (i && s[i] == 'x' && i + 1 < n && isdigit((unsigned char)s[i + 1]))))
        i++;
    return i && memchr(s, 'x', i) ? i : 0;
}

/* Up to a whole character. */
static size_t clip(const char *s, size_t n, size_t most)
{
    if (n <= most)
        return n;
    n = most;
    while (n && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    return n;
}

struct part {
    const char *name;
    size_t name_len;
    const char *at;
    size_t len;
};

static bool match_at(const char *p, sb_str text, size_t i, struct part *parts, size_t *count)
{
    *count = 0;
    while (*p) {
        if (*p == '$' && !p[1])
            return i == text.len;
        if (*p != '{') {
            size_t n = strcspn(p, "{");
            if (n && !p[n] && p[n - 1] == '$')
                n--;
            if (text.len - i < n || memcmp(text.ptr + i, p, n))
                return false;
            i += n;
            p += n;
            continue;
        }
        size_t inner = strcspn(++p, "}"), name = strcspn(p, ":}");
        struct part part = { p, name, text.ptr + i, 0 };
        bool typed = name < inner;
        if (typed) {
            part.len = span(p + name + 1, text.ptr + i, text.len - i);
            if (!part.len)
                return false;
        }
        p += inner + 1;
        if (!typed) { /* up to the literal behind it, or the line's end */
            size_t n = strcspn(p, "{");
            bool last = !n || (n == 1 && *p == '$' && !p[1]);
            if (n && !p[n] && p[n - 1] == '$')
                n--;
            const char *end = last ? memchr(text.ptr + i, '\n', text.len - i)
                                   : memmem(text.ptr + i, text.len - i, p, n);
            if (last && !end)
                end = text.ptr + text.len;
            if (!end || end == text.ptr + i)
                return false;
            part.len = (size_t)(end - (text.ptr + i));
        }
        i += part.len;
        if (*count < SB_EXPLAIN_FIELDS && part.name_len)
            parts[(*count)++] = part;
    }
    return true;
}

enum { STARTS = 64 };

bool sb__explain_match(struct sb_explainer *x, const char *pattern)
{
    struct part parts[SB_EXPLAIN_FIELDS];
    size_t count = 0, from = 0;
    sb_str text = { x->message.ptr, clip(x->message.ptr, x->message.len, SB_EXPLAIN_TEXT) };
    bool anchored = *pattern == '^', found = false;
    pattern += anchored;
    size_t literal = strcspn(pattern, "{");
    if (literal && !pattern[literal] && pattern[literal - 1] == '$')
        literal--;
    if (!literal && !anchored) { /* a row that begins with a field: at a line's begin */
        anchored = true;
    }
    for (int starts = 0; !found && starts < STARTS; starts++) {
        if (!anchored) {
            const char *at = memmem(text.ptr + from, text.len - from, pattern, literal);
            if (!at)
                return false;
            from = (size_t)(at - text.ptr);
        }
        found = match_at(pattern, text, from, parts, &count);
        if (anchored || from == text.len)
            break;
        from++;
    }
    if (!found)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *name = sb__explain_copy(x, parts[i].name, parts[i].name_len);
        const char *value =
            sb__explain_copy(x, parts[i].at, clip(parts[i].at, parts[i].len, SB_EXPLAIN_CAPTURE));
        if (name && value)
            sb__explain_put(x, name, value);
    }
    return true;
}
