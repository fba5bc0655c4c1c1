/* SPDX-License-Identifier: MIT
 *
 * What the process tests share. See support.h. */
#include "support.h"
#include "runtime/heap.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sb_place fake_place(const char *const *words)
{
    /* Strings of a place live as long as the process: equal word lists share one copy. */
    static struct kept {
        struct kept *next;
        const char **words;
    } * all;
    struct kept *k = all;
    for (; k; k = k->next) {
        size_t i = 0;
        while (words[i] && k->words[i] && !strcmp(words[i], k->words[i]))
            i++;
        if (!words[i] && !k->words[i])
            break;
    }
    if (!k) {
        size_t n = 0;
        while (words[n])
            n++;
        k = calloc(1, sizeof *k);
        assert_non_null(k);
        k->words = calloc(n + 1, sizeof *k->words);
        assert_non_null(k->words);
        for (size_t i = 0; i < n; i++)
            k->words[i] = strdup(words[i]);
        k->next = all;
        all = k;
    }
    return (
        struct sb_place) { .python = FAKE_WORKER, .engine = FAKE_ENGINE, .python_path = k->words };
}

int try_open(const struct sb_place *place, uint32_t tag, struct sb_link **link, char *text,
             size_t cap)
{
    struct sb_buf why = { 0 };
    int rc = sb__transport_worker.open(place, tag, link, &why);
    snprintf(text, cap, "%.*s", (int)why.len, why.ptr ? (char *)why.ptr : "");
    assert_true(!why.len || why.ptr[why.len] == '\0');
    sb__buf_reset(&why);
    return rc;
}

struct sb_link *must_open(const struct sb_place *place, uint32_t tag)
{
    struct sb_link *link = NULL;
    char text[1000];
    int rc = try_open(place, tag, &link, text, sizeof text);
    if (rc)
        print_error("%s\n", text);
    assert_int_equal(rc, 0);
    struct sb_frame head = { .size = sizeof head, .kind = SB_FRAME_OPEN, .session = tag };
    assert_int_equal(sb__transport_worker.send(link, (const uint8_t *)&head, sizeof head), 0);
    return link;
}

int ask_bytes(struct sb_link *link, uint64_t seq, const void *body, size_t size, int64_t ms)
{
    struct sb_frame head = { .size = (uint32_t)(sizeof head + size),
                             .kind = SB_FRAME_CALL,
                             .flags = SB_FLAG_WAIT,
                             .session = link->session,
                             .seq = seq };
    if (ms)
        head.flags |= SB_FLAG_DEADLINE;
    link->deadline = ms ? sb__now() + ms * SB_MILLISECOND : 0;
    link->deadline_seq = seq;
    uint8_t *frame = malloc(head.size);
    assert_non_null(frame);
    memcpy(frame, &head, sizeof head);
    memcpy(frame + sizeof head, body, size);
    int rc = sb__transport_worker.send(link, frame, head.size);
    free(frame);
    return rc;
}

int ask(struct sb_link *link, uint64_t seq, const char *body, int64_t ms)
{
    return ask_bytes(link, seq, body, strlen(body), ms);
}

int hear(struct sb_link *link, const uint8_t **body, size_t *size)
{
    struct sb_frame head;
    const uint8_t *frame;
    do {
        int rc = sb__transport_worker.receive(link, &frame, size);
        if (rc)
            return rc;
        assert_true(*size >= sizeof head);
        memcpy(&head, frame, sizeof head);
        assert_int_equal(head.size, *size);
    } while (head.kind == SB_FRAME_OUTPUT);
    *body = frame + sizeof head;
    *size -= sizeof head;
    return 0;
}

void must_echo(struct sb_link *link, uint64_t seq, const char *body)
{
    const uint8_t *got;
    size_t size;
    assert_int_equal(ask(link, seq, body, 0), 0);
    assert_int_equal(hear(link, &got, &size), 0);
    assert_int_equal(size, strlen(body));
    assert_memory_equal(got, body, size);
}

long ask_number(struct sb_link *link, uint64_t seq, const char *body)
{
    const uint8_t *got;
    size_t size;
    char text[32];
    assert_int_equal(ask(link, seq, body, 0), 0);
    assert_int_equal(hear(link, &got, &size), 0);
    assert_true(size < sizeof text);
    memcpy(text, got, size);
    text[size] = '\0';
    return strtol(text, NULL, 10);
}

void close_politely(struct sb_link *link, uint64_t seq)
{
    struct sb_frame head = { .size = sizeof head,
                             .kind = SB_FRAME_CLOSE,
                             .flags = SB_FLAG_WAIT,
                             .session = link->session,
                             .seq = seq };
    const uint8_t *body;
    size_t size;
    link->deadline = 0;
    if (!sb__transport_worker.send(link, (const uint8_t *)&head, sizeof head))
        (void)!hear(link, &body, &size);
    sb__transport_worker.close(link);
}

/* ---- holdings ---- */

static int count_entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

struct holdings holdings(void)
{
    struct holdings h = { .fds = count_entries("/proc/self/fd") };
    char line[512], path[64];
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        h.maps += strstr(line, "snakebridge") != NULL;
    fclose(f);
    snprintf(path, sizeof path, "/proc/self/task");
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%.20s/children", e->d_name);
        f = fopen(path, "r");
        if (!f)
            continue;
        int pid;
        while (fscanf(f, "%d", &pid) == 1)
            h.children++;
        fclose(f);
    }
    closedir(d);
    return h;
}

static struct holdings before;

int note_holdings(void **state)
{
    (void)state;
    assert_int_equal(sb__monitor_start(), 0); /* it stays, with two descriptors */
    assert_true(sb__program_heap() >= 0);     /* and so does this */
    before = holdings();
    return 0;
}

int check_holdings(void **state)
{
    (void)state;
    sb__workers_end();
    struct holdings after = holdings();
    if (after.fds == before.fds && after.children == before.children && after.maps == before.maps)
        return 0;
    print_error("left behind: %d descriptors, %d children, %d mappings\n", after.fds - before.fds,
                after.children - before.children, after.maps - before.maps);
    return -1;
}

bool alive(pid_t pid)
{
    int status;
    char state = sb__os_process_state(pid, &status);
    return state != '?' && state != 'Z' && state != 'X';
}

bool gone_within(pid_t pid, int64_t ms)
{
    int64_t until = sb__now() + ms * SB_MILLISECOND;
    while (alive(pid)) {
        if (sb__now() > until)
            return false;
        usleep(2000);
    }
    return true;
}
