/* SPDX-License-Identifier: MIT
 *
 * Objects that own memory of arrays: a use of a block of the program's, a block of the worker's heap,
 * memory of malloc, or a buffer that another object exports. They export their memory in turn. */
#include "engine/heap.h"
#include <dlfcn.h>

enum kind { BLOCK, OWN, PLAIN, EXPORT };

struct memory {
    PyObject head;
    enum kind kind;
    bool readonly;
    uint32_t slot;
    void *p;
    size_t size;
    struct sb_buffer view;
    struct memory *prev, *next; /* of the blocks in use */
};

static PyTypeObject *type;
static struct memory *blocks; /* in use: for fork */
static int (*fill_info)(struct sb_buffer *view, PyObject *exporter, void *p, Py_ssize_t size,
                        int readonly, int flags);

static void destroy(PyObject *o)
{
    struct memory *m = (struct memory *)o;
    switch (m->kind) {
    case BLOCK:
        if (m->prev)
            m->prev->next = m->next;
        else
            blocks = m->next;
        if (m->next)
            m->next->prev = m->prev;
        if (!sb__heaps.forked) /* pairs with the program's look at it */
            atomic_fetch_sub_explicit(&sb__heaps.column[m->slot], 1, memory_order_release);
        break;
    case OWN:
        sb__heap_free(&sb__heaps.own, m->p);
        break;
    case PLAIN:
        sb__free(m->p);
        break;
    case EXPORT:
        sb__py.release_buffer(&m->view);
        break;
    }
    freefunc release;
    void *slot = PyType_GetSlot(type, Py_tp_free);
    memcpy(&release, &slot, sizeof release); /* POSIX: dlsym, application usage */
    release(o);
    Py_DECREF(type);
}

static PyObject *refuse(PyTypeObject *subtype, PyObject *args, PyObject *kwargs)
{
    (void)subtype;
    (void)args;
    (void)kwargs;
    PyErr_SetString(PyExc_TypeError, "memory of arrays is made by the engine alone");
    return NULL;
}

static int get_buffer(PyObject *o, struct sb_buffer *view, int flags)
{
    struct memory *m = (struct memory *)o;
    return fill_info(view, o, m->p, (Py_ssize_t)m->size, m->readonly, flags);
}

/* Slots of the buffer protocol are in the stable ABI since 3.11, and their numbers are the same since
 * 3.9 (Include/typeslots.h). 3.8 takes no such slot: PyType_FromSpec would write the function over the
 * type's head. There it goes where tp_as_buffer points (Include/cpython/object.h). */
#define SLOT_GET_BUFFER 1
#define AS_BUFFER_AT 160

static bool make_type(void)
{
    void *symbol = dlsym(RTLD_DEFAULT, "PyBuffer_FillInfo");
    memcpy(&fill_info, &symbol, sizeof fill_info);
    if (!symbol) {
        PyErr_SetString(PyExc_SystemError, "Python exports no PyBuffer_FillInfo");
        return false;
    }
    PyType_Slot slots[] = { { Py_tp_dealloc, 0 }, { Py_tp_new, 0 }, { 0, 0 }, { 0, 0 } };
    void (*destructor)(PyObject *) = destroy;
    PyObject *(*creator)(PyTypeObject *, PyObject *, PyObject *) = refuse;
    int (*exporter)(PyObject *, struct sb_buffer *, int) = get_buffer;
    memcpy(&slots[0].pfunc, &destructor, sizeof destructor);
    memcpy(&slots[1].pfunc, &creator, sizeof creator);
    if (sb__py.version >= 0x0309) {
        slots[2].slot = SLOT_GET_BUFFER;
        memcpy(&slots[2].pfunc, &exporter, sizeof exporter);
    }
    PyType_Spec spec = { .name = "snakebridge.Memory",
                         .basicsize = sizeof(struct memory),
                         .flags = Py_TPFLAGS_DEFAULT,
                         .slots = slots };
    PyObject *made = PyType_FromSpec(&spec);
    if (made && sb__py.version < 0x0309) {
        void **as_buffer;
        memcpy(&as_buffer, (char *)made + AS_BUFFER_AT, sizeof as_buffer);
        memcpy(&as_buffer[0], &exporter, sizeof exporter);
    }
    type = (PyTypeObject *)made;
    return made;
}

static struct memory *new_memory(enum kind kind, void *p, size_t size)
{
    if (!type && !make_type())
        return NULL;
    allocfunc allocate;
    void *slot = PyType_GetSlot(type, Py_tp_alloc);
    memcpy(&allocate, &slot, sizeof allocate);
    PyObject *o = allocate(type, 0);
    struct memory *m = (struct memory *)o;
    if (m) {
        m->kind = kind;
        m->p = p;
        m->size = size;
    }
    return m;
}

PyObject *sb__memory_of_block(void *p, size_t size, uint32_t slot, bool readonly)
{
    struct memory *m = new_memory(BLOCK, p, size);
    if (!m)
        return NULL;
    m->slot = slot;
    m->readonly = readonly;
    m->next = blocks;
    if (blocks)
        blocks->prev = m;
    blocks = m;
    if (!sb__heaps.forked)
        atomic_fetch_add_explicit(&sb__heaps.column[slot], 1, memory_order_relaxed);
    return &m->head;
}

PyObject *sb__memory_new(size_t size, void **p)
{
    bool zero = false;
    *p = sb__heaps.has_own ? sb__heap_alloc(&sb__heaps.own, size, &zero) : NULL;
    enum kind kind = *p ? OWN : PLAIN;
    if (!*p)
        *p = sb__resize(NULL, size ? size : 1);
    if (!*p)
        return PyErr_NoMemory();
    struct memory *m = new_memory(kind, *p, size);
    if (m)
        return &m->head;
    if (kind == OWN)
        sb__heap_free(&sb__heaps.own, *p);
    else
        sb__free(*p);
    return NULL;
}

PyObject *sb__memory_of_buffer(struct sb_buffer *view)
{
    struct memory *m = new_memory(EXPORT, view->buf, (size_t)view->len);
    if (!m) {
        sb__py.release_buffer(view);
        return NULL;
    }
    m->view = *view;
    m->readonly = true;
    return &m->head;
}

int sb__memory_detach(void)
{
    int rc = 0;
    for (struct memory *m = blocks; m && rc == 0; m = m->next) {
        bool met = false;
        for (struct memory *before = blocks; before != m && !met; before = before->next)
            met = before->slot == m->slot;
        if (!met)
            rc = sb__heap_detach_run(m->p, m->size);
    }
    return rc;
}
