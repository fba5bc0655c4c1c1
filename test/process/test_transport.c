/* SPDX-License-Identifier: MIT
 *
 * The worker transport against a worker that keeps to the protocol, or cannot start. */
#include "support.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sb_transport *const t = &sb__transport_worker;

static void echo(void **state)
{
    (void)state;
    struct sb_place place = ECHO;
    struct sb_link *link = must_open(&place, 1);
    must_echo(link, 1, "echo one");
    must_echo(link, 2, "echo two");
    usleep(20000); /* both sides sleep */
    must_echo(link, 3, "echo three");
    assert_false(t->dead(link));
    close_politely(link, 4);
}

static void sizes(void **state)
{
    (void)state;
    struct sb_place place = ECHO;
    struct sb_link *link = must_open(&place, 1);
    static const size_t all[] = { 1,     7,     8,     9,     4096,    32700,
                                  32736, 32768, 32769, 65536, 1000003, 20000000 };
    uint64_t seq = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char *data = malloc(all[i]);
        assert_non_null(data);
        memset(data, 'e', all[i]);
        for (size_t at = 0; at < all[i]; at += 1009)
            data[at] = (char)(at >> 3);
        data[0] = 'E'; /* no command */
        const uint8_t *got;
        size_t size;
        assert_int_equal(ask_bytes(link, ++seq, data, all[i], 0), 0);
        assert_int_equal(hear(link, &got, &size), 0);
        assert_int_equal(size, all[i]);
        assert_memory_equal(got, data, size);
        free(data);
    }
    close_politely(link, ++seq);
}

static void output_before_the_answer(void **state)
{
    (void)state;
    struct sb_place place = ECHO;
    struct sb_link *link = must_open(&place, 1);
    const uint8_t *frame;
    size_t size, n = 0;
    assert_int_equal(ask(link, 1, "output 50 20000", 0), 0);
    for (;;) {
        struct sb_frame head;
        assert_int_equal(t->receive(link, &frame, &size), 0);
        memcpy(&head, frame, sizeof head);
        if (head.kind != SB_FRAME_OUTPUT)
            break;
        assert_int_equal(size, sizeof head + 20000);
        n++;
    }
    assert_int_equal(n, 50);
    close_politely(link, 2);
}

static void lanes_are_used_again(void **state)
{
    (void)state;
    struct sb_place place = ECHO;
    struct sb_link *links[600]; /* beyond the robust list, and a second doorbell group */
    for (uint32_t i = 0; i < 600; i++) {
        links[i] = must_open(&place, i + 1);
        assert_int_equal(((struct sb_worker_link *)links[i])->lane, i);
    }
    for (uint32_t i = 0; i < 600; i += 37)
        must_echo(links[i], 1, "echo");
    must_echo(links[599], 1, "echo");
    for (uint32_t i = 0; i < 600; i++)
        close_politely(links[i], 2);
    struct sb_link *link = must_open(&place, 7);
    assert_int_equal(((struct sb_worker_link *)link)->lane, 0);
    must_echo(link, 1, "echo again");
    t->close(link); /* without CLOSE: the transport sends one, and takes the lane back later */
    link = must_open(&place, 8);
    must_echo(link, 1, "echo");
    struct sb_link *other = must_open(&place, 9);
    assert_in_range(((struct sb_worker_link *)other)->lane, 0, 1);
    close_politely(other, 1);
    close_politely(link, 2);
    assert_int_equal(sb__workers_alive(), 1);
}

static void *many_calls(void *arg)
{
    struct sb_place place = ECHO;
    struct sb_link *link = must_open(&place, (uint32_t)(uintptr_t)arg);
    char body[40];
    uint64_t seq = 0;
    for (int i = 0; i < 2000; i++) {
        snprintf(body, sizeof body, "echo %d of %d", i, (int)(uintptr_t)arg);
        must_echo(link, ++seq, body);
        if (i % 500 == 0)
            usleep(3000);
    }
    close_politely(link, ++seq);
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t all[6];
    for (uintptr_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&all[i], NULL, many_calls, (void *)(i + 1)), 0);
    for (int i = 0; i < 6; i++)
        pthread_join(all[i], NULL);
    assert_int_equal(sb__workers_alive(), 1);
}

/* ---- what cannot start ---- */

static void refused(const struct sb_place *place, int code, const char *part)
{
    struct sb_link *link;
    char text[2000];
    int rc = try_open(place, 1, &link, text, sizeof text);
    if (rc != -code || !strstr(text, part))
        print_error("%d: %s\n", rc, text);
    assert_int_equal(rc, -code);
    assert_null(link);
    assert_non_null(strstr(text, part));
}

static void no_interpreter(void **state)
{
    (void)state;
    struct sb_place place = ECHO;
    place.python = "/no/such/python";
    refused(&place, SB_E_CONFIG, "there is no Python interpreter /no/such/python");
    place.python = "no-such-python";
    refused(&place, SB_E_CONFIG, "there is no Python interpreter no-such-python on $PATH");
    place.python = "/etc/passwd";
    refused(&place, SB_E_CONFIG, "/etc/passwd is not an executable file");
    place.python = "/usr";
    refused(&place, SB_E_CONFIG, "/usr is not an executable file");
    place.python = "/bin/false";
    refused(&place, SB_E_CONFIG, "(/bin/false, process ");
    refused(&place, SB_E_CONFIG, "exited with status 1 before it began to serve");
    place = ECHO;
    place.engine = "/no/engine.abi3.so";
    refused(&place, SB_E_CONFIG, "there is no engine /no/engine.abi3.so");
}

static void fails_at_the_start(void **state)
{
    (void)state;
    struct sb_place place = FAKE("exit:3");
    refused(&place, SB_E_CONFIG, "exited with status 3 before it began to serve");
    place = FAKE("say:numpy is broken", "exit:70");
    refused(&place, SB_E_CONFIG, "numpy is broken");
    place = FAKE("say:I am too old", "fail");
    refused(&place, SB_E_CONFIG, "I am too old");
    place = FAKE("version:99");
    refused(&place, SB_E_CONFIG,
            "speaks protocol version 99 (oldest 99), this library 1 (oldest 1)");
    sb__worker_start_limit = 200 * SB_MILLISECOND;
    place = FAKE("hang");
    refused(&place, SB_E_CONFIG, "did not begin to serve within 0.2 s");
    sb__worker_start_limit = 60 * SB_SECOND;
}

/* ---- the program's surroundings ---- */

static void sigchld_ignored(void **state)
{
    (void)state;
    signal(SIGCHLD, SIG_IGN);
    struct sb_place place = FAKE("echo", "unwaited");
    struct sb_link *link = must_open(&place, 1);
    must_echo(link, 1, "echo");
    const uint8_t *body;
    size_t size;
    assert_int_equal(ask(link, 2, "exit 5", 0), 0);
    assert_int_equal(hear(link, &body, &size), -SB_E_WORKER_DIED);
    print_message("          said: %s\n", (char *)link->message.ptr);
    assert_non_null(strstr((char *)link->message.ptr, "the worker"));
    t->close(link);
    signal(SIGCHLD, SIG_DFL);
}

static void standard_descriptors_closed(void **state)
{
    (void)state;
    int kept[3];
    for (int i = 0; i < 3; i++)
        kept[i] = dup(i);
    for (int i = 0; i < 3; i++)
        close(i);
    struct sb_place place = FAKE("echo", "closed");
    struct sb_buf why = { 0 };
    struct sb_link *link = NULL;
    int rc = t->open(&place, 1, &link, &why);
    bool low = false;
    for (int i = 0; i < 3; i++)
        low |= fcntl(i, F_GETFD) >= 0;
    for (int i = 0; i < 3; i++) {
        dup2(kept[i], i);
        close(kept[i]);
    }
    sb__buf_reset(&why);
    assert_int_equal(rc, 0);
    assert_false(low); /* the library's descriptors are above */
    must_echo(link, 1, "echo");
    long pid = ask_number(link, 2, "pid");
    char path[64], to[64] = "";
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/proc/%ld/fd/%d", pid, i);
        ssize_t n = readlink(path, to, sizeof to - 1);
        assert_true(n > 0);
        to[n] = '\0';
        assert_string_equal(to, "/dev/null");
    }
    close_politely(link, 3);
}

static void the_worker_inherits_little(void **state)
{
    (void)state;
    int leak = dup(2); /* a descriptor of the program that is not close-on-exec */
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &block, &old);
    struct sb_place place = FAKE("echo", "little");
    struct sb_link *link = must_open(&place, 1);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pid_t pid = (pid_t)ask_number(link, 1, "pid");
    assert_int_equal(getsid(pid), pid);
    assert_int_equal(getpgid(pid), pid);
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, leak);
    assert_int_equal(access(path, F_OK), leak > 5 ? -1 : 0);
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int seen = 0;
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, "SigBlk:", 7)) {
            assert_int_equal(strtoull(line + 7, NULL, 16), 0);
            seen++;
        }
    fclose(f);
    assert_int_equal(seen, 1);
    close(leak);
    close_politely(link, 2);
}

static void fork_in_the_program(void **state)
{
    (void)state;
    struct sb_place place = ECHO;
    struct sb_link *link = must_open(&place, 1), *other;
    must_echo(link, 1, "echo");
    pid_t child = fork();
    if (child == 0) {
        struct sb_buf why = { 0 };
        const uint8_t *frame;
        size_t size;
        struct sb_frame head = { .size = sizeof head, .kind = SB_FRAME_SYNC };
        int wrong = 0;
        wrong |= sb__forked() ? 0 : 1;
        wrong |= t->send(link, (uint8_t *)&head, sizeof head) == -SB_E_MISUSE ? 0 : 2;
        wrong |= t->receive(link, &frame, &size) == -SB_E_MISUSE ? 0 : 4;
        wrong |= t->open(&place, 2, &other, &why) == -SB_E_MISUSE ? 0 : 8;
        wrong |= t->dead(link) ? 0 : 16;
        t->reject(link);
        t->close(link);
        _exit(wrong);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    must_echo(link, 2, "echo: the parent goes on");
    close_politely(link, 3);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, note_holdings, check_holdings)
    const struct CMUnitTest tests[] = {
        T(echo),
        T(sizes),
        T(output_before_the_answer),
        T(lanes_are_used_again),
        T(threads),
        T(no_interpreter),
        T(fails_at_the_start),
        T(sigchld_ignored),
        T(standard_descriptors_closed),
        T(the_worker_inherits_little),
        T(fork_in_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
