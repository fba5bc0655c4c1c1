/* SPDX-License-Identifier: MIT
 *
 * Arrays. In: an ndarray (or, without NumPy, a memoryview) over the program's block, or one that owns
 * a copy. Out: by the buffer protocol, so that NumPy is never imported for it: whatever exports
 * numbers is told by reference where it lies in shared memory (or, in-process, anywhere), else walked
 * by its strides into C order and this machine's byte order, which is the wire's. */
#include "engine/arrays.h"
#include <stdio.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "typed arrays are little-endian");

static const struct dtype dtypes[] = {
#define SB_DTYPE_ROW(id, tag, size, format, name) { SB_##id, tag, size, format, name },
    SB_DTYPES(SB_DTYPE_ROW)
#undef SB_DTYPE_ROW
};
#define DTYPES (sizeof dtypes / sizeof *dtypes)

static const struct dtype *by_tag(uint64_t tag)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (dtypes[i].tag == tag)
            return &dtypes[i];
    return NULL;
}
const struct dtype *sb__dtype_by_name(const char *name)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    return NULL;
}

bool sb__is_array_tag(uint64_t tag)
{
    return by_tag(tag);
}

/* ---- in -------------------------------------------------------------------------------------- */

static PyObject *numpy_empty, *numpy_ndarray, *numpy_dtypes[DTYPES];

/* 1: NumPy is there; 0: it is not; -1: it is, but broken. */
static int have_numpy(void)
{
    static bool missing;
    if (numpy_empty)
        return 1;
    if (missing)
        return 0;
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (!numpy) {
        if (!PyErr_ExceptionMatches(PyExc_ModuleNotFoundError))
            return -1;
        PyErr_Clear();
        missing = true;
        return 0;
    }
    PyObject *empty = PyObject_GetAttrString(numpy, "empty"), *all[DTYPES] = { NULL };
    PyObject *ndarray = PyObject_GetAttrString(numpy, "ndarray");
    bool ok = empty && ndarray;
    for (size_t i = 0; ok && i < DTYPES; i++)
        ok = (all[i] = PyObject_CallMethod(numpy, "dtype", "s", dtypes[i].name));
    for (size_t i = 0; i < DTYPES; i++) {
        if (ok && !numpy_dtypes[i])
            numpy_dtypes[i] = all[i];
        else
            Py_XDECREF(all[i]);
    }
    if (ok && !numpy_empty) {
        numpy_ndarray = ndarray;
        numpy_empty = empty;
    } else {
        Py_XDECREF(ndarray);
        Py_XDECREF(empty);
    }
    Py_DECREF(numpy);
    return ok ? 1 : -1;
}

static PyObject *shape_tuple(const uint64_t *shape, size_t ndim)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)ndim);
    for (size_t i = 0; tuple && i < ndim; i++) {
        PyObject *n = PyLong_FromUnsignedLongLong(shape[i]);
        if (!n) {
            Py_DECREF(tuple);
            return NULL;
        }
        PyTuple_SetItem(tuple, (Py_ssize_t)i, n);
    }
    return tuple;
}

static void fill(char *to, const char *from, size_t n, const struct dtype *t)
{
    if (t->tag != SB_TAG_BOOL8) {
        memcpy(to, from, n);
        return;
    }
    for (size_t i = 0; i < n; i++) /* any other byte in a bool is undefined behaviour in NumPy */
        to[i] = from[i] != 0;
}

static PyObject *make_ndarray(PyObject *shape, const struct dtype *t, const char *p, size_t n)
{
    struct sb_buffer view;
    PyObject *args[2] = { shape, numpy_dtypes[t - dtypes] };
    PyObject *array = sb__py.vectorcall(numpy_empty, args, 2, NULL);
    if (!array || sb__py.get_buffer(array, &view, SB_BUFFER_RECORDS_RO) < 0)
        goto fail;
    if ((size_t)view.len == n)
        fill(view.buf, p, n, t);
    else
        PyErr_SetString(PyExc_SystemError, "numpy.empty made an array of another size");
    sb__py.release_buffer(&view);
    if (!PyErr_Occurred())
        return array;
fail:
    Py_XDECREF(array);
    return NULL;
}

/* A memoryview of some bytes as numbers. The reference to `flat`, which may be NULL, is taken. */
static PyObject *cast(PyObject *flat, PyObject *shape, const struct dtype *t)
{
    PyObject *view = NULL;
    PyObject *format = flat ? PyUnicode_FromString(t->format) : NULL;
    if (format) {
        PyObject *args[3] = { flat, format, shape };
        view =
            sb__py.vectorcall_method(sb__py.str.cast, args, PyTuple_Size(shape) == 1 ? 2 : 3, NULL);
    }
    if (!view && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear(); /* complex numbers; halves, before 3.12 */
        PyErr_Format(PyExc_TypeError,
                     "an array of %s needs NumPy, which this Python does not have; pass a list",
                     t->name);
    }
    Py_XDECREF(format);
    Py_XDECREF(flat);
    return view;
}

static PyObject *make_memoryview(PyObject *shape, const struct dtype *t, const char *p, size_t n)
{
    PyObject *bytes = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)n);
    if (!bytes)
        return NULL;
    fill(PyByteArray_AsString(bytes), p, n, t);
    PyObject *flat = PyMemoryView_FromObject(bytes);
    Py_DECREF(bytes);
    return cast(flat, shape, t);
}

PyObject *sb__decode_array(struct sb_engine_session *s, struct sb_reader *r, uint64_t tag,
                           const uint64_t *shape, size_t ndim)
{
    const struct dtype *t = by_tag(tag);
    const char *p;
    size_t n;
    (void)s;
    if (!sb__read_string(r, SB_MAJOR_BYTES, &p, &n))
        return NULL;
    uint64_t flat = n / t->size, count = 1;
    if (!shape)
        shape = &flat;
    bool fits = n % t->size == 0, empty = false;
    for (size_t i = 0; i < ndim; i++) {
        empty = empty || shape[i] == 0;
        fits = fits && shape[i] <= INT64_MAX;
    }
    for (size_t i = 0; fits && !empty && i < ndim; i++)
        fits = !__builtin_mul_overflow(count, shape[i], &count) && count <= flat;
    if (!fits || (empty ? 0 : count) != flat) {
        sb__read_fail(r, "an array whose elements do not fill its shape");
        return NULL;
    }
    int numpy = have_numpy();
    PyObject *lengths = numpy < 0 ? NULL : shape_tuple(shape, ndim);
    PyObject *array = !lengths ? NULL
                      : numpy  ? make_ndarray(lengths, t, p, n)
                               : make_memoryview(lengths, t, p, n);
    Py_XDECREF(lengths);
    return array;
}

/* ---- in: by reference ------------------------------------------------------------------------ */

/* ndarray(shape, dtype, buffer, offset, strides) */
static PyObject *ndarray_over(PyObject *memory, PyObject *shape, const struct dtype *t,
                              size_t offset, const sb_array *a)
{
    PyObject *strides = PyTuple_New(a->ndim), *array = NULL;
    for (int i = 0; strides && i < a->ndim; i++) {
        PyObject *n = PyLong_FromLongLong(a->strides[i]);
        if (n)
            PyTuple_SetItem(strides, i, n);
        else
            Py_CLEAR(strides);
    }
    PyObject *place = strides ? PyLong_FromSize_t(offset) : NULL;
    if (place) {
        PyObject *args[5] = { shape, numpy_dtypes[t - dtypes], memory, place, strides };
        array = sb__py.vectorcall(numpy_ndarray, args, 5, NULL);
    }
    Py_XDECREF(place);
    Py_XDECREF(strides);
    return array;
}

/* Without NumPy there are no strides: what is not in C order is copied. */
static PyObject *memoryview_over(PyObject *memory, PyObject *shape, const struct dtype *t,
                                 const uint8_t *first, size_t offset, const sb_array *a)
{
    sb_array from = *a;
    size_t n = (size_t)sb__array_count(a) * t->size;
    from.data = (void *)(uintptr_t)first;
    if (!sb__array_is_c(a)) {
        char *copy = sb__resize(NULL, n);
        if (!copy)
            return PyErr_NoMemory();
        sb__array_copy(&from, copy);
        PyObject *view = make_memoryview(shape, t, copy, n);
        sb__free(copy);
        return view;
    }
    PyObject *all = PyMemoryView_FromObject(memory);
    PyObject *flat =
        all ? PySequence_GetSlice(all, (Py_ssize_t)offset, (Py_ssize_t)(offset + n)) : NULL;
    Py_XDECREF(all);
    return cast(flat, shape, t);
}

PyObject *sb__decode_view(struct sb_engine_session *s, struct sb_reader *r)
{
    struct sb_view v;
    (void)s;
    if (!sb__read_view(r, &v))
        return NULL;
    uint64_t offset = 0, size = 0;
    if (sb__heaps.program && v.heap == SB_HEAP_PROGRAM && v.place < SB_HEAP_SLOTS) {
        const struct sb_block *block = &sb__heaps.blocks[v.place];
        offset = atomic_load_explicit(&block->offset, memory_order_relaxed);
        size = atomic_load_explicit(&block->size, memory_order_relaxed);
    }
    if (!size || offset < SB_HEAP_HEAD || offset > sb__heaps.program_size ||
        size > sb__heaps.program_size - offset || !sb__view_within(&v, offset, offset + size)) {
        sb__read_fail(r, "an array by reference that lies in no block");
        return NULL;
    }
    const struct dtype *t = by_tag(sb__dtype_tag(v.array.dtype));
    uint64_t lengths[SB_MAX_NDIM];
    for (int i = 0; i < v.array.ndim; i++)
        lengths[i] = (uint64_t)v.array.shape[i];
    int numpy = have_numpy();
    PyObject *shape = numpy < 0 ? NULL : shape_tuple(lengths, (size_t)v.array.ndim), *array = NULL;
    PyObject *memory =
        shape ? sb__memory_of_block(sb__heaps.program + offset, size, (uint32_t)v.place, v.readonly)
              : NULL;
    if (memory)
        array = numpy ? ndarray_over(memory, shape, t, v.offset - offset, &v.array)
                      : memoryview_over(memory, shape, t, sb__heaps.program + v.offset,
                                        v.offset - offset, &v.array);
    Py_XDECREF(memory);
    Py_XDECREF(shape);
    return array;
}

/* ---- out: buffers ---------------------------------------------------------------------------- */

/* The type of a buffer's elements (PEP 3118, struct's notation), or NULL for records, objects, and
 * what else the wire cannot carry. */
static const struct dtype *by_format(const char *format, Py_ssize_t size, bool *swapped)
{
    const char *f = format ? format : "B";
    *swapped = (*f == '>' || *f == '!') && size > 1;
    if (*f && strchr("@=<>!", *f))
        f++;
    char kind = strlen(f) == 1 && strchr("bhilqn", *f)                ? 'i'
                : strlen(f) == 1 && strchr("BHILQN", *f)              ? 'u'
                : strlen(f) == 1 && strchr("efd", *f)                 ? 'f'
                : *f == 'Z' && (!strcmp(f, "Zf") || !strcmp(f, "Zd")) ? 'c'
                : !strcmp(f, "?")                                     ? '?'
                                                                      : 0;
    for (size_t i = 0; kind && i < DTYPES; i++) {
        const struct dtype *t = &dtypes[i];
        char its = *t->format == 'Z'            ? 'c'
                   : strchr("efd", *t->format)  ? 'f'
                   : strchr("bhiq", *t->format) ? 'i'
                   : strchr("BHIQ", *t->format) ? 'u'
                                                : '?';
        if (its == kind && (Py_ssize_t)t->size == size)
            return t;
    }
    return NULL;
}

static char *copy_swapped(char *to, const char *from, size_t size, size_t unit)
{
    for (size_t part = 0; part < size; part += unit)
        for (size_t i = 0; i < unit; i++)
            to[part + i] = from[part + unit - 1 - i];
    return to + size;
}

/* C order from any strides; ndim is bounded by the caller. Returns the end of what it wrote. */
static char *copy_strided(char *to, const char *from, const struct sb_buffer *v, int dim,
                          size_t unit)
{
    size_t size = (size_t)v->itemsize;
    if (dim == v->ndim) {
        if (unit)
            return copy_swapped(to, from, size, unit);
        memcpy(to, from, size);
        return to + size;
    }
    if (dim == v->ndim - 1 && v->strides[dim] == v->itemsize && !unit) {
        size_t n = (size_t)v->shape[dim] * size;
        memcpy(to, from, n);
        return to + n;
    }
    for (Py_ssize_t i = 0; i < v->shape[dim]; i++)
        to = copy_strided(to, from + i * v->strides[dim], v, dim + 1, unit);
    return to;
}

/* Heads of an array: its shape unless it has one dimension, its type, the size of its elements. */
static void put_heads(struct sb_buf *b, const struct dtype *t, const Py_ssize_t *shape, int ndim,
                      size_t bytes)
{
    if (ndim != 1) {
        sb__put_head(b, SB_MAJOR_TAG, SB_TAG_ARRAY);
        sb__put_head(b, SB_MAJOR_ARRAY, 2);
        sb__put_head(b, SB_MAJOR_ARRAY, (uint64_t)ndim);
        for (int i = 0; i < ndim; i++)
            sb__put_uint(b, (uint64_t)shape[i]);
    }
    sb__put_head(b, SB_MAJOR_TAG, t->tag);
    sb__put_head(b, SB_MAJOR_BYTES, bytes);
}

/* ---- out: by reference ----------------------------------------------------------------------- */

/* Says where elements lie that `owner` keeps, a reference that is taken and may be NULL: then an
 * exception is set. */
static int put_reference(struct sb_engine_session *s, struct sb_buf *b, const sb_array *a,
                         uint64_t heap, uint64_t offset, PyObject *owner)
{
    struct sb_view v = { .heap = heap, .offset = offset, .readonly = true, .array = *a };
    int rc = owner ? sb__session_keep_new(s, owner, &v.place) : -1;
    Py_XDECREF(owner);
    if (rc < 0)
        return -1;
    sb__put_view(b, &v);
    return 1;
}

/* In which heap the bytes lie that are around `p`: false: in none. */
static bool locate(const char *p, uint64_t below, uint64_t above, uint64_t *heap, uint64_t *offset)
{
    const struct {
        enum sb_view_heap heap;
        const uint8_t *base;
        size_t size;
    } heaps[] = { { SB_HEAP_WORKER, sb__heaps.own.base, sb__heaps.own.size },
                  { SB_HEAP_PROGRAM, sb__heaps.program, sb__heaps.program_size },
                  { SB_HEAP_PROCESS, NULL, sb__heaps.addresses ? SIZE_MAX : 0 } };
    for (size_t i = 0; i < sizeof heaps / sizeof *heaps; i++) {
        size_t at = (size_t)((uintptr_t)p - (uintptr_t)heaps[i].base);
        size_t first = heaps[i].heap == SB_HEAP_PROCESS ? 1 : SB_HEAP_HEAD;
        if (at < heaps[i].size && at >= first && below <= at - first &&
            above <= heaps[i].size - at) {
            *heap = (uint64_t)heaps[i].heap;
            *offset = at;
            return true;
        }
    }
    return false;
}

int sb__room_make(struct sb_engine_session *s, struct sb_buf *b, const struct dtype *t,
                  const Py_ssize_t *shape, int ndim, size_t bytes, struct sb_room *room)
{
    *room = (struct sb_room) { .shape = { .dtype = t->id, .ndim = ndim } };
    for (int i = 0; i < ndim; i++)
        room->shape.shape[i] = shape[i];
    if (sb__heaps.program && bytes >= SB_HEAP_THRESHOLD) {
        void *p;
        room->owner = sb__memory_new(bytes, &p);
        room->to = p;
        if (!room->owner || locate(p, 0, bytes, &(uint64_t) { 0 }, &(uint64_t) { 0 }))
            return room->owner ? 0 : -1;
        Py_CLEAR(room->owner); /* the heap is full */
    }
    if (bytes > SB_FRAME_MAX)
        return sb__fault(s, SB_E_LIMIT, "an array of more than %u bytes", SB_FRAME_MAX);
    put_heads(b, t, shape, ndim, bytes);
    room->to = sb__buf_room(b, bytes) ? (char *)b->ptr + b->len : NULL;
    return 0;
}

int sb__room_end(struct sb_engine_session *s, struct sb_buf *b, struct sb_room *room, size_t bytes,
                 bool ok)
{
    uint64_t heap, offset;
    if (!ok) {
        Py_XDECREF(room->owner);
        return -1;
    }
    if (room->owner && locate(room->to, 0, bytes, &heap, &offset))
        return put_reference(s, b, &room->shape, heap, offset, room->owner);
    if (room->to)
        b->len += bytes;
    return 1; /* b->failed tells */
}

/* A C array as the view describes it; false: its strides would mean something else there. */
static bool describe(const struct sb_buffer *v, const struct dtype *t, sb_array *a)
{
    bool any = !v->strides, several = false;
    *a = (sb_array) { .dtype = t->id, .ndim = v->ndim };
    for (int i = 0; i < v->ndim; i++) {
        a->shape[i] = v->shape[i];
        a->strides[i] = v->strides ? v->strides[i] : 0;
        any = any || a->strides[i];
        several = several || a->shape[i] > 1;
    }
    return any || !several;
}

/* `keep`: by reference, if it can be, and the view goes to who keeps it; else a copy. The view is
 * released or kept. */
static int put_view(struct sb_engine_session *s, struct sb_buf *b, struct sb_buffer *v, bool keep)
{
    bool swapped;
    const struct dtype *t = by_format(v->format, v->itemsize, &swapped);
    sb_array a;
    uint64_t below, above, heap, offset;
    int rc = 0;
    if (!t || v->ndim < 0 || v->ndim > SB_MAX_NDIM || v->suboffsets)
        goto done;
    size_t bytes = (size_t)v->len;
    if (keep && sb__heaps.program && bytes >= SB_HEAP_THRESHOLD && !swapped && describe(v, t, &a) &&
        sb__array_span(&a, &below, &above) && locate(v->buf, below, above, &heap, &offset))
        return put_reference(s, b, &a, heap, offset, sb__memory_of_buffer(v));
    struct sb_room room;
    rc = sb__room_make(s, b, t, v->shape, v->ndim, bytes, &room);
    if (rc < 0)
        goto done;
    size_t unit = !swapped ? 0 : *t->format == 'Z' ? t->size / 2 : t->size;
    if (room.to && bytes && !v->strides && !unit)
        memcpy(room.to, v->buf, bytes);
    else if (room.to && bytes)
        copy_strided(room.to, v->buf, v, 0, unit);
    rc = sb__room_end(s, b, &room, bytes, true);
done:
    sb__py.release_buffer(v);
    return rc;
}

/* 1, 0 if it exports none that the wire carries, -1. */
static int put_exporter(struct sb_engine_session *s, struct sb_buf *b, PyObject *o, bool keep)
{
    struct sb_buffer view;
    if (sb__py.get_buffer(o, &view, SB_BUFFER_RECORDS_RO) < 0) {
        if (PyErr_ExceptionMatches(PyExc_MemoryError) || !PyErr_ExceptionMatches(PyExc_Exception))
            return -1;
        PyErr_Clear(); /* TypeError, BufferError; ValueError from NumPy for dates */
        return 0;
    }
    return put_view(s, b, &view, keep);
}

/* ---- out ------------------------------------------------------------------------------------- */

static void tell(PyObject *o, char *why, size_t cap)
{
    char name[200];
    sb__type_name((PyObject *)Py_TYPE(o), name, sizeof name);
    PyObject *dtype = PyObject_GetAttr(o, sb__py.str.dtype);
    PyObject *text = dtype ? PyObject_Str(dtype) : NULL;
    Py_ssize_t n;
    const char *p = text ? sb__py.utf8(text, &n) : NULL;
    const char *way = !p ? NULL
                      : strncmp(p, "datetime64", 10) == 0 || strncmp(p, "timedelta64", 11) == 0
                          ? "; .view(\"int64\") has the numbers"
                      : strcmp(p, "object") == 0
                          ? "; .astype(\"float64\"), or another dtype, makes numbers of it"
                      : *p == '[' || *p == '{' ? "; its fields are arrays, each by its name"
                                               : "";
    if (p)
        sb__print(why, cap, "%s of dtype %s%s", name, p, way);
    else if (sb__sequence_size(o) >= 0)
        sb__print(why, cap, "%s that is no array of numbers of 64 bits at most", name);
    else
        sb__print(why, cap, "%s", name);
    PyErr_Clear();
    Py_XDECREF(dtype);
    Py_XDECREF(text);
}

/* What has an __array__ method, or a list that holds arrays, by numpy.asarray; what has __dlpack__, by
 * numpy.from_dlpack. 1, 0, -1. */
static int put_as_array(struct sb_engine_session *s, struct sb_buf *b, PyObject *o,
                        const char *function, bool import)
{
    PyObject *asarray = sb__module_attribute("numpy", function, import);
    if (!asarray)
        return 0;
    PyObject *args[1] = { o };
    PyObject *array = sb__py.vectorcall(asarray, args, 1, NULL);
    Py_DECREF(asarray);
    if (!array) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) /* unequal lengths */
            return -1;
        PyErr_Clear();
        return 0;
    }
    int rc = put_exporter(s, b, array, true);
    Py_DECREF(array);
    return rc;
}

int sb__encode_array(struct sb_engine_session *s, struct sb_buf *b, PyObject *o, bool convert,
                     char *why, size_t cap)
{
    const bool by_reference = convert; /* else a copy that stays as it is is wanted */
    size_t len = b->len;
    PyObject *plain = NULL;
    int rc = sb__numpy_scalar(o, &plain); /* a date exports its bytes: no array */
    Py_XDECREF(plain);
    if (rc < 0)
        return -1;
    convert = convert && rc != 2;
    rc = rc == 2 ? 0 : put_exporter(s, b, o, by_reference);
    if (rc == 0 && convert) {
        b->len = len;
        PyObject *list = NULL;
        if (PyObject_TypeCheck(o, &PyRange_Type)) {
            list = PySequence_List(o);
            if (!list)
                return -1;
        }
        PyObject *sequence = list ? list : o;
        if (sb__sequence_size(sequence) >= 0)
            rc = sb__put_flat(b, sequence) ? 1 : sb__put_nested(s, b, sequence);
        Py_XDECREF(list);
    }
    if (rc == 0 && convert) {
        b->len = len;
        PyObject *type = (PyObject *)Py_TYPE(o);
        bool own = PyObject_HasAttr(type, sb__py.str.__array__);
        if (own || sb__sequence_size(o) >= 0)
            rc = put_as_array(s, b, o, "asarray", own);
        else if (PyObject_HasAttr(type, sb__py.str.__dlpack__))
            rc = put_as_array(s, b, o, "from_dlpack", true);
    }
    if (rc == 0) {
        b->len = len;
        if (why)
            tell(o, why, cap);
    }
    return rc;
}
