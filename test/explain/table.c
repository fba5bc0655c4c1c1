/* SPDX-License-Identifier: MIT
 *
 * The table of mistakes as text, for docs/errors.md, and its cases: `table --rows` writes the rows in Markdown, `table --cases
 * FILE` checks each case and that every row has one (`--update FILE` writes what comes out), each with memory that runs out at
 * every place. A case: the class, the message (a "|" before each line), "=>", the explanation; then an empty line. */
#include "runtime/explain.h"
#include <stdio.h>
#include <stdlib.h>

struct memory {
    void *blocks[4096];
    size_t len, left; /* allocations that succeed */
};

static void *take(void *ctx, size_t size)
{
    struct memory *m = ctx;
    if (!m->left || m->len == sizeof m->blocks / sizeof *m->blocks)
        return NULL;
    m->left--;
    return m->blocks[m->len++] = malloc(size ? size : 1);
}

static void release(struct memory *m)
{
    while (m->len)
        free(m->blocks[--m->len]);
}

static bool is_a(void *ctx, const char *name, size_t n)
{
    for (const char *c = ctx; c; c = strchr(c, ' ')) {
        c += *c == ' ';
        if (strcspn(c, " ") == n && !memcmp(c, name, n))
            return true;
    }
    return false;
}

static const sb_explanation *explain(struct memory *m, size_t left, char *classes,
                                     const char *message, const struct sb_mistake **row)
{
    m->left = left;
    struct sb_explainer x = { .alloc = take, .ctx = m, .message = { message, strlen(message) } };
    const sb_explanation *e = sb__explain_error(&x, is_a, classes);
    *row = x.mistake;
    return e;
}

static int rows(void)
{
    static const char *const kinds[] = {
#define KIND(name, number, text) [number] = text,
        SB_WHYS_(KIND)
#undef KIND
    };
    puts("| kind | class | message |\n|---|---|---|");
    for (size_t i = 0; i < sb__mistakes_len; i++) {
        const struct sb_mistake *m = &sb__mistakes[i];
        printf("| %s | ", kinds[m->why]);
        for (const char *c = m->classes; *c; c++)
            if (*c == '|')
                fputs(", ", stdout);
            else
                putchar(*c);
        fputs(" | ", stdout);
        if (m->message) {
            const char *end = m->message + strlen(m->message);
            fputs("`` ", stdout);
            for (const char *c = m->message + (*m->message == '^'); *c; c++)
                if (!(*c == '$' && c + 1 == end))
                    fputs(*c == '|' ? "\\|" : (char[]) { *c, 0 }, stdout);
            fputs(" ``", stdout);
        } else {
            fputs("any", stdout);
        }
        puts(" |");
    }
    return 0;
}

/* Distributions are found by halves, so that they are in order; and each row has parts. */
static int check_tables(void)
{
    int bad = 0;
    for (size_t i = 1; i < sb__distributions_len; i++)
        if (strcmp(sb__distributions[i - 1].module, sb__distributions[i].module) >= 0)
            bad = !!printf("%s is out of order\n", sb__distributions[i].module);
    for (size_t i = 0; i < sb__distributions_len; i++) {
        const char *m = sb__distributions[i].module;
        if (sb__distribution_of(m, strlen(m)) != sb__distributions[i].distribution)
            bad = !!printf("%s is not found\n", m);
    }
    if (sb__distribution_of("numpy", 5) || sb__distribution_of("yam", 3) ||
        sb__distribution_of("yamlx", 5) || !sb__distribution_of("yaml.x", 4))
        bad = !!puts("a distribution of another module");
    for (size_t i = 0; i < sb__mistakes_len; i++) {
        const struct sb_mistake *m = &sb__mistakes[i];
        if (!m->why || !m->classes || (!m->summary && !m->work))
            bad = !!printf("row %zu has no kind, no class or no summary\n", i);
        const char *const texts[] = { m->summary,        m->found,          m->expected,
                                      m->suggestions[0], m->suggestions[1], m->suggestions[2],
                                      m->suggestions[3] };
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            for (const char *c = texts[k] ? strchr(texts[k], '{') : NULL; c;
                 c = strchr(c + 1, '{')) {
                char name[64], typed[64];
                int n = (int)strcspn(c + 1, "}");
                snprintf(name, sizeof name, "{%.*s}", n, c + 1);
                snprintf(typed, sizeof typed, "{%.*s:", n, c + 1);
                if ((!m->message || (!strstr(m->message, name) && !strstr(m->message, typed))) &&
                    !(m->operation && !strcmp(name, "{operation}")))
                    bad = !!printf("row %zu has no field %s\n", i, name);
            }
    }
    return bad;
}

struct text {
    char at[8192];
    size_t len;
};

static void add(struct text *t, const char *s)
{
    size_t n = strlen(s);
    if (t->len + n + 1 > sizeof t->at)
        exit(puts("a case that is too long"));
    memcpy(t->at + t->len, s, n + 1);
    t->len += n;
}

static int run(char *classes, struct text *message, const char *expected, FILE *out, bool *met)
{
    struct memory m = { .len = 0 };
    const struct sb_mistake *row;
    int bad = 0;
    classes[strcspn(classes, "\n")] = 0;
    if (message->len)
        message->at[--message->len] = 0; /* the last line's end */
    size_t taken = 0;
    for (size_t left = 0; left < 4000; left++) {
        const sb_explanation *e = explain(&m, left, classes, message->at, &row);
        bool ended = m.left > 0;
        release(&m);
        if (ended)
            break;
        taken = left;
        (void)e;
    }
    const sb_explanation *e = explain(&m, taken + 2, classes, message->at, &row);
    const char *text = e ? e->text : "nothing\n";
    if (e && (!e->summary[0] || !e->kind[0]))
        bad = !!printf("no summary: %s\n", message->at);
    if (row && e)
        met[row - sb__mistakes] = true;
    if (out) {
        fprintf(out, "%s\n", classes);
        for (const char *s = message->at; s; s = strchr(s, '\n') ? strchr(s, '\n') + 1 : NULL)
            fprintf(out, "|%.*s\n", (int)strcspn(s, "\n"), s);
        fprintf(out, "=>\n%s\n", text);
    } else if (strcmp(text, expected) != 0) {
        bad = !!printf("%s: %s\nexpected:\n%sgot:\n%s", classes, message->at, expected, text);
    }
    release(&m);
    return bad;
}

static int cases(const char *path, bool update)
{
    static struct text message, expected, head;
    bool *met = calloc(sb__mistakes_len, sizeof *met);
    char line[4096], classes[256] = "";
    FILE *in = fopen(path, "r"), *out = NULL;
    char *written = NULL;
    size_t written_len = 0;
    int bad = check_tables(), n = 0, part = 0;
    if (!in || !met)
        return perror(path), 1;
    if (update)
        out = open_memstream(&written, &written_len);
    for (bool more = true; more;) {
        more = fgets(line, sizeof line, in) != NULL;
        if (!more)
            strcpy(line, "\n");
        if (*line == '#' && !part) {
            add(&head, line);
            continue;
        }
        if (head.len && !part && *line == '\n' && !n) {
            add(&head, line);
            continue;
        }
        if (*line == '\n') {
            if (part == 2) {
                if (out && !n)
                    fputs(head.at, out);
                bad |= run(classes, &message, expected.at, out, met);
                n++;
            }
            part = 0;
            message.len = expected.len = 0;
            *message.at = *expected.at = 0;
        } else if (part == 0) {
            snprintf(classes, sizeof classes, "%.250s", line);
            part = 1;
        } else if (part == 1 && *line == '|') {
            add(&message, line + 1);
        } else if (part == 1 && !strcmp(line, "=>\n")) {
            part = 2;
        } else if (part == 2) {
            add(&expected, line);
        } else {
            bad = !!printf("not understood: %s", line);
        }
    }
    fclose(in);
    for (size_t i = 0; i < sb__mistakes_len; i++)
        if (!met[i])
            bad = !!printf("no case for: %s: %s\n", sb__mistakes[i].classes,
                           sb__mistakes[i].message ? sb__mistakes[i].message : "any");
    if (out) {
        fclose(out);
        in = fopen(path, "w");
        if (!in || fwrite(written, 1, written_len, in) != written_len || fclose(in))
            return perror(path), 1;
        free(written);
    }
    printf("%d cases, %zu rows\n", n, sb__mistakes_len);
    free(met);
    return bad || n < 100;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--rows"))
        return rows();
    if (argc == 3 && (!strcmp(argv[1], "--cases") || !strcmp(argv[1], "--update")))
        return cases(argv[2], argv[1][2] == 'u');
    fputs("usage: table --rows | --cases FILE | --update FILE\n", stderr);
    return 2;
}
