/* SPDX-License-Identifier: MIT
 *
 * The heap of arrays: blocks that do not overlap, stay what they are, are found from inside, and give their pages back;
 * several threads; a child of fork(). And arrays by reference that lie about where they are. */
#include "core/value.h"
#include "core/view.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { SIZE = 256 << 20, BLOCKS = 400, TURNS = 8000, THREADS = 4 };

static struct sb_heap heap;

static int set_up(void **state)
{
    (void)state;
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(sb__heap_init(&heap, p, SIZE, fd), 0);
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    sb__heap_end(&heap);
    munmap(heap.base, SIZE);
    close(heap.fd);
    return 0;
}
static size_t in_memory(void)
{
    struct stat st;
    assert_int_equal(fstat(heap.fd, &st), 0);
    return (size_t)st.st_blocks * 512;
}
static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

struct block {
    uint8_t *p;
    size_t size;
    uint8_t mark;
};

/* Allocates, fills, checks and frees at random. */
static void work(uint32_t seed, int turns, bool alone)
{
    static _Thread_local struct block all[BLOCKS];
    memset(all, 0, sizeof all);
    for (int i = 0; i < turns; i++) {
        struct block *b = &all[next(&seed) % BLOCKS];
        if (b->p) {
            size_t size = 0, at = next(&seed) % b->size;
            assert_true(b->p[0] == b->mark && b->p[b->size - 1] == b->mark && b->p[at] == b->mark);
            assert_true(sb__heap_find(&heap, b->p + at, &size) == b->p && size >= b->size);
            assert_true(sb__heap_size(&heap, b->p) == size &&
                        sb__heap_mark(&heap, b->p) == b->mark);
            sb__heap_free(&heap, b->p);
            if (alone)
                assert_null(sb__heap_find(&heap, b->p + at, &size));
            b->p = NULL;
            continue;
        }
        bool wanted = next(&seed) % 4 == 0, zero = wanted;
        b->size = 1 + next(&seed) % (next(&seed) % 50 ? 100000 : 6000000);
        b->mark = (uint8_t)(1 + next(&seed) % 255);
        b->p = sb__heap_alloc(&heap, b->size, &zero);
        if (!b->p)
            continue;
        assert_true(b->p >= heap.base + SB_HEAP_HEAD && b->p + b->size <= heap.base + SIZE);
        assert_int_equal((size_t)(b->p - heap.base) % SB_HEAP_PAGE, 0);
        for (size_t k = 0; zero && k < b->size; k += 511)
            assert_int_equal(b->p[k], 0);
        b->p[0] = b->p[b->size - 1] = b->mark;
        if (b->size < 20000)
            memset(b->p, b->mark, b->size);
        else
            for (size_t k = 0; k < b->size; k++)
                b->p[k] = b->mark;
        sb__heap_set_mark(&heap, b->p, b->mark);
        if (next(&seed) % 100 == 0)
            sb__heap_purge(&heap, next(&seed) % 2 ? 0 : 1 << 20, 4 << 20);
    }
    for (int i = 0; i < BLOCKS; i++)
        if (all[i].p)
            sb__heap_free(&heap, all[i].p);
}

static void random_blocks(void **state)
{
    (void)state;
    work(1, TURNS, true);
    assert_true(heap.live == 0);
    while (sb__heap_purge(&heap, 0, 1 << 20))
        ;
    assert_true(heap.dirty == 0 && in_memory() <= SB_HEAP_PAGE);
    bool zero = true; /* and all of it is there again */
    void *p = sb__heap_alloc(&heap, SIZE - SB_HEAP_HEAD, &zero);
    assert_true(p && zero);
    assert_null(sb__heap_alloc(&heap, 1, &zero));
    sb__heap_free(&heap, p);
}

static void *run(void *seed)
{
    work((uint32_t)(uintptr_t)seed, TURNS / THREADS, false);
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t t[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, run, (void *)(i + 7)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    assert_true(heap.live == 0);
}

/* The same pages again, last in, first out; and joined to larger ones when nothing else is left. */
static void reuse(void **state)
{
    (void)state;
    bool zero = false;
    uint8_t *a = sb__heap_alloc(&heap, 1 << 20, &zero), *b = sb__heap_alloc(&heap, 1 << 20, &zero);
    sb__heap_free(&heap, a);
    sb__heap_free(&heap, b);
    zero = false;
    assert_ptr_equal(sb__heap_alloc(&heap, 1 << 20, &zero), b);
    assert_ptr_equal(sb__heap_alloc(&heap, 1 << 20, &zero), a);
    sb__heap_free(&heap, a);
    sb__heap_free(&heap, b);
    void *all = sb__heap_alloc(&heap, SIZE - SB_HEAP_HEAD, &zero);
    assert_ptr_equal(all, heap.base + SB_HEAP_HEAD);
    sb__heap_free(&heap, all);
    assert_null(sb__heap_alloc(&heap, SIZE, &zero));
    assert_null(sb__heap_alloc(&heap, SIZE_MAX, &zero));
    size_t size;
    assert_null(sb__heap_find(&heap, &size, &size));
    assert_null(sb__heap_find(&heap, heap.base, &size));
    assert_null(sb__heap_find(&heap, heap.base + SIZE - 1, &size));
}

/* A child has the blocks as they were, and as its own; it allocates none and frees none. */
static void detached(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    bool zero = false;
    uint8_t *a = sb__heap_alloc(&heap, 100000, &zero), *b = sb__heap_alloc(&heap, 5000000, &zero);
    a[5] = 1, b[4999999] = 2;
    sb__heap_fork_prepare(&heap);
    pid_t pid = fork();
    if (pid == 0) {
        sb__heap_fork_child(&heap);
        char go;
        bool ok = sb__heap_detach(&heap) == 0;
        ok = ok && read(pipes[0], &go, 1) == 1 && a[5] == 1 && b[4999999] == 2 && b[7] == 0;
        a[5] = 77;
        ok = ok && !sb__heap_alloc(&heap, 1, &zero);
        sb__heap_free(&heap, a);
        _exit(ok && a[5] == 77 ? 0 : 1);
    }
    sb__heap_fork_parent(&heap);
    usleep(100000); /* it detaches meanwhile; the engine waits for that */
    a[5] = b[7] = 9;
    assert_int_equal(write(pipes[1], "x", 1), 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(a[5], 9);
    sb__heap_free(&heap, a);
    sb__heap_free(&heap, b);
    close(pipes[0]);
    close(pipes[1]);
}

/* ---- arrays by reference ---- */

static bool read_back(const struct sb_view *v, struct sb_view *to)
{
    struct sb_buf b = { 0 };
    sb__put_view(&b, v);
    assert_false(b.failed);
    bool ok = false;
    for (size_t cut = 0; cut <= b.len; cut++) { /* each piece of it is refused */
        uint8_t *exact = malloc(cut ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, b.ptr, cut);
        struct sb_reader r = { exact, exact + cut, NULL };
        struct sb_head h;
        ok = sb__read_head(&r, &h) && h.major == SB_MAJOR_TAG && h.n == SB_TAG_VIEW &&
             sb__read_view(&r, to) && r.p == r.end;
        assert_true(ok == (cut == b.len) || cut == b.len);
        assert_true(ok || r.error);
        free(exact);
    }
    sb__buf_reset(&b);
    return ok;
}

static void views(void **state)
{
    (void)state;
    static const struct {
        sb_array a;
        bool good;
        uint64_t below, above;
    } cases[] = {
        { { .dtype = SB_FLOAT64, .ndim = 1, .shape = { 3 } }, true, 0, 24 },
        { { .dtype = SB_FLOAT64, .ndim = 0 }, true, 0, 8 },
        { { .dtype = SB_INT16, .ndim = 1, .shape = { 3 }, .strides = { -2 } }, true, 4, 2 },
        { { .dtype = SB_INT8, .ndim = 2, .shape = { 3, 4 }, .strides = { -4, 1 } }, true, 8, 4 },
        { { .dtype = SB_INT32, .ndim = 2, .shape = { 2, 3 } }, true, 0, 24 },
        { { .dtype = SB_INT8, .ndim = 1, .shape = { 0 } }, false, 0, 0 },
        { { .dtype = SB_INT8, .ndim = 1, .shape = { -1 } }, false, 0, 0 },
        { { .dtype = SB_INT8, .ndim = 2, .shape = { INT64_MAX, 3 } }, false, 0, 0 },
        { { .dtype = SB_INT8, .ndim = 1, .shape = { 3 }, .strides = { INT64_MAX } }, false, 0, 0 },
        { { .dtype = SB_INT8, .ndim = 1, .shape = { 3 }, .strides = { INT64_MIN } }, false, 0, 0 },
        { { .dtype = SB_INT8, .ndim = 2, .shape = { 2, 2 }, .strides = { INT64_MAX, 9 } },
          false,
          0,
          0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sb_view v = { .heap = SB_HEAP_WORKER, .place = 9, .offset = 5000000 }, back;
        v.array = cases[i].a;
        assert_int_equal(read_back(&v, &back), cases[i].good);
        if (!cases[i].good)
            continue;
        assert_true(back.place == 9 && back.offset == 5000000 && back.heap == SB_HEAP_WORKER);
        assert_true(back.below == cases[i].below && back.above == cases[i].above);
        uint64_t begin = v.offset - back.below, end = v.offset + back.above;
        assert_true(sb__view_within(&back, begin, end));
        assert_false(sb__view_within(&back, begin + 1, end));
        assert_false(sb__view_within(&back, begin, end - 1));
        assert_false(sb__view_within(&back, 0, v.offset - 1));
        assert_false(sb__view_within(&back, v.offset + 1, UINT64_MAX));
    }
}

/* Bytes at random, and good ones with one changed: never more than a refusal. */
static void lies(void **state)
{
    (void)state;
    uint32_t seed = 3;
    struct sb_buf b = { 0 };
    struct sb_view v = { .heap = 1, .place = 1, .offset = 1 << 22 }, back;
    v.array = (sb_array) { .dtype = SB_FLOAT32, .ndim = 3, .shape = { 5, 6, 7 } };
    sb__put_view(&b, &v);
    int good = 0;
    for (int i = 0; i < 200000; i++) {
        uint8_t bytes[200];
        size_t n = b.len;
        memcpy(bytes, b.ptr, n);
        for (uint32_t k = next(&seed) % 4; k; k--)
            bytes[3 + next(&seed) % (n - 3)] = (uint8_t)next(&seed);
        struct sb_reader r = { bytes + 3, bytes + n, NULL };
        if (!sb__read_view(&r, &back))
            continue;
        good++;
        uint64_t below, above;
        assert_true(sb__array_span(&back.array, &below, &above));
        assert_true(below == back.below && above == back.above && above > 0);
        assert_true(back.array.ndim >= 0 && back.array.ndim <= SB_MAX_NDIM);
        assert_true(sb__array_count(&back.array) > 0);
    }
    assert_true(good > 1000);
    sb__buf_reset(&b);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(random_blocks),       T(threads), T(reuse), T(detached), cmocka_unit_test(views),
        cmocka_unit_test(lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
