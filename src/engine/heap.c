/* SPDX-License-Identifier: MIT
 *
 * The engine's heaps: see heap.h. NumPy's default allocator (NEP 49) is patched in place, which covers
 * all threads and contexts; blocks below the threshold, and all others when the heap is full, go on
 * to the allocator that was there. Nothing relies on it: an array that lies elsewhere is copied. */
#include "engine/heap.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct sb_heaps sb__heaps;

/* ---- mapping --------------------------------------------------------------------------------- */

/* Maps a heap, or as much of its beginning as can be. */
static void *map_heap(int fd, size_t *size)
{
    struct stat st;
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
    if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) || fstat(fd, &st) ||
        st.st_size < (off_t)SB_HEAP_LEAST || (fcntl(fd, F_GET_SEALS) & seals) != seals)
        return NULL;
    for (*size = (size_t)st.st_size; *size >= SB_HEAP_LEAST; *size = *size / 2 & ~(size_t)4095) {
        void *p = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (p != MAP_FAILED) {
            madvise(p, *size, MADV_DONTDUMP);
            return p;
        }
    }
    return NULL;
}

static void share(void *program, size_t size, _Atomic uint32_t *column)
{
    sb__heaps.program = program;
    sb__heaps.program_size = size;
    sb__heaps.blocks = program;
    sb__heaps.column = column;
}

uint64_t sb__heaps_attach(int program, int own)
{
    size_t size = 0, own_size = 0;
    void *heap = map_heap(program, &size), *mine = heap ? map_heap(own, &own_size) : NULL;
    if (program >= 0)
        close(program);
    if (!mine || sb__heap_init(&sb__heaps.own, mine, own_size, own)) {
        if (heap)
            munmap(heap, size);
        if (mine)
            munmap(mine, own_size);
        if (own >= 0)
            close(own);
        return 0;
    }
    share(heap, size, mine); /* the counters are the own heap's head */
    sb__heaps.has_own = true;
    return size;
}

void sb__heaps_share(void *program, size_t size, _Atomic uint32_t *column)
{
    share(program, size, column);
    sb__heaps.addresses = true;
}

bool sb__heaps_idle(void)
{
    return sb__heaps.has_own && sb__heap_purge(&sb__heaps.own, 0, (size_t)32 << 20);
}

/* ---- NumPy's allocator ----------------------------------------------------------------------- */

/* numpy/core/include/numpy/ndarraytypes.h, version 1 */
struct allocator {
    void *ctx;
    void *(*malloc)(void *ctx, size_t size);
    void *(*calloc)(void *ctx, size_t n, size_t size);
    void *(*realloc)(void *ctx, void *p, size_t size);
    void (*free)(void *ctx, void *p, size_t size);
};
struct handler {
    char name[127];
    uint8_t version;
    struct allocator allocator;
};
static struct allocator before;

static void *heap_malloc(void *ctx, size_t size)
{
    bool zero = false;
    void *p = size < SB_HEAP_THRESHOLD ? NULL : sb__heap_alloc(&sb__heaps.own, size, &zero);
    return p ? p : before.malloc(ctx, size);
}

static void *heap_calloc(void *ctx, size_t n, size_t size)
{
    size_t all;
    if (__builtin_mul_overflow(n, size, &all))
        return NULL;
    bool zero = all > (size_t)32 << 20; /* to clear less than that is faster than new pages are */
    void *p = all < SB_HEAP_THRESHOLD ? NULL : sb__heap_alloc(&sb__heaps.own, all, &zero);
    if (!p)
        return before.calloc(ctx, n, size);
    return zero ? p : memset(p, 0, all);
}

static void heap_free(void *ctx, void *p, size_t size)
{
    if (p && sb__heap_has(&sb__heaps.own, p))
        sb__heap_free(&sb__heaps.own, p);
    else
        before.free(ctx, p, size);
}

static void *heap_realloc(void *ctx, void *p, size_t size)
{
    if (!p)
        return heap_malloc(ctx, size);
    if (!sb__heap_has(&sb__heaps.own, p))
        return before.realloc(ctx, p, size);
    size_t have = sb__heap_size(&sb__heaps.own, p);
    if (size <= have && size >= have / 2)
        return p;
    void *q = heap_malloc(ctx, size);
    if (q) {
        memcpy(q, p, size < have ? size : have);
        sb__heap_free(&sb__heaps.own, p);
    }
    return q;
}

/* numpy/core/code_generators/numpy_api.py: places in the table, which are never given to others. */
enum { ABI_VERSION = 0, FEATURE_VERSION = 211, DEFAULT_HANDLER = 306 };
#define ABI_1 0x01000009u
#define ABI_2 0x02000000u
#define FEATURE_HANDLERS 0xfu /* 1.22: before it, the table ends sooner */

static unsigned ask(void *function)
{
    unsigned (*f)(void);
    memcpy(&f, &function, sizeof f);
    return f();
}

/* hook(module): the C core of NumPy is loaded. Where it is not as we know it, arrays are copied. */
static PyObject *hook(PyObject *self, PyObject *module)
{
    (void)self;
    PyObject *capsule = PyObject_GetAttrString(module, "_ARRAY_API");
    void **api = capsule ? PyCapsule_GetPointer(capsule, NULL) : NULL;
    if (api && !before.malloc && !sb__heaps.own.off) {
        unsigned abi = ask(api[ABI_VERSION]);
        PyObject **at =
            (abi == ABI_1 || abi == ABI_2) && ask(api[FEATURE_VERSION]) >= FEATURE_HANDLERS
                ? api[DEFAULT_HANDLER]
                : NULL;
        struct handler *h = at && *at ? PyCapsule_GetPointer(*at, "mem_handler") : NULL;
        if (h && h->version == 1 && strcmp(h->name, "default_allocator") == 0) {
            before = h->allocator;
            /* In this order: what is handed out can be taken back. */
            h->allocator.free = heap_free;
            h->allocator.realloc = heap_realloc;
            h->allocator.malloc = heap_malloc;
            h->allocator.calloc = heap_calloc;
        }
    }
    PyErr_Clear();
    Py_XDECREF(capsule);
    Py_RETURN_NONE;
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void fork_prepare(void)
{
    sb__heap_fork_prepare(&sb__heaps.own);
}
static void fork_parent(void)
{
    sb__heap_fork_parent(&sb__heaps.own);
}
static void fork_child(void)
{
    sb__heaps.forked = true;
    sb__heap_fork_child(&sb__heaps.own);
}

/* detach(): in a child of os.fork(), which shares nothing with its parent but what is shared on
 * purpose. */
static PyObject *detach(PyObject *self, PyObject *none)
{
    (void)self;
    (void)none;
    int e = sb__heap_detach(&sb__heaps.own);
    if (!e)
        e = sb__memory_detach();
    if (e) {
        errno = -e;
        return PyErr_SetFromErrno(PyExc_MemoryError);
    }
    Py_RETURN_NONE;
}

int sb__heaps_hook(void)
{
    static PyMethodDef methods[] = { { "hook", hook, METH_O, NULL },
                                     { "detach", detach, METH_NOARGS, NULL } };
    if (!sb__heaps.has_own)
        return 0;
    if (pthread_atfork(fork_prepare, fork_parent, fork_child)) {
        PyErr_NoMemory();
        return -1;
    }
    return sb__python_run("heap.py", methods, sizeof methods / sizeof *methods);
}
