"""What test_arrays.c calls. NumPy is used where it is to be had."""

import array
import os
import weakref

try:
    import numpy
except ImportError:
    numpy = None

kept = []


def have_numpy():
    return numpy is not None


def flat(n):
    """n doubles 0, 1, 2, ... in a buffer."""
    return numpy.arange(float(n)) if numpy else array.array("d", range(n))


def total(x):
    return float(x.sum()) if hasattr(x, "sum") else float(sum(x))


def describe(x):
    x = memoryview(x) if not hasattr(x, "dtype") else x
    kind = x.dtype.name if hasattr(x, "dtype") else x.format
    return "%s %s %s" % (kind, tuple(x.shape), tuple(x.strides))


def add_one(x):
    for i in range(0, len(x), 1000):
        x[i] += 1


def keep(x):
    kept.append(x[10:20])


def keep_all(x):
    kept.append(x)


def kept_values():
    return ",".join("%g" % v for x in kept for v in x[:10])


def drop():
    kept.clear()


class Source:
    """An array, and whether it is still there."""

    refs = []


def tracked(n):
    if numpy:
        x = numpy.arange(float(n))
        Source.refs.append(weakref.ref(x))
    else:
        x = array.array("d", range(n))
        Source.refs.append(weakref.ref(x))
    return x


def alive():
    return sum(1 for r in Source.refs if r() is not None)


def churn(n):
    """Makes and drops arrays that would take freed memory."""
    for _ in range(10):
        x = flat(n)
        if numpy:
            x[:] = -1
        else:
            for k in range(n):
                x[k] = -1


DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128".split()
LAYOUTS = "c fortran reversed gaps block broadcast readonly swapped empty scalar wide".split()


def make(dtype, layout, large):
    n = 40000 if large else 40
    values = numpy.arange(n) % (2 if dtype == "bool" else 100)
    x = values.astype(dtype)
    if layout == "fortran":
        return x.reshape(n // 4, 4).T
    if layout == "reversed":
        return x[::-1]
    if layout == "gaps":
        return numpy.repeat(x, 2)[::2]
    if layout == "block":
        return x.reshape(n // 20, 4, 5)[1:, 1:3, ::2]
    if layout == "broadcast":
        return numpy.broadcast_to(x[:1], (n,))
    if layout == "readonly":
        x.flags.writeable = False
    if layout == "swapped":
        return x.astype(x.dtype.newbyteorder())
    if layout == "empty":
        return x.reshape(n, 1)[:, :0]
    if layout == "scalar":
        return x[7:8].reshape(())
    if layout == "wide":
        return x.reshape((n // 4, 2, 2, 1, 1, 1, 1, 1))
    return x


def same(x, y):
    if x.shape != y.shape:
        return "shapes %r %r" % (x.shape, y.shape)
    if x.dtype != y.dtype.newbyteorder("="):
        return "dtypes %r %r" % (x.dtype, y.dtype)
    return "same" if x.tobytes() == y.astype(y.dtype.newbyteorder("=")).tobytes() else "other elements"


def forked(x):
    """A child of fork() and its parent write to the same arrays; each sees its own alone."""
    y = numpy.ones(100000)
    to_child, to_parent = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(to_child[0], 1)  # the parent has written by now
        seen = (x[0], y[0], y.sum())
        x[0] = y[0] = 7
        z = numpy.zeros(200000)
        z += 3
        w = x * 2
        os.write(to_parent[1], ("%r %r %r %r" % (*[float(s) for s in seen], float(w[1] + z[1]))).encode())
        os._exit(0)
    x[0] = y[0] = 5
    other = numpy.zeros(200000)
    os.write(to_child[1], b"x")
    told = os.read(to_parent[0], 1000).decode()
    status = os.waitpid(pid, 0)[1]
    for end in to_child + to_parent:
        os.close(end)
    return "child %s, exit %d, parent %r %r %r" % (told, status, float(x[0]), float(y[0]), float(other.sum()))


def square_sum(x):
    return float((x * x).sum())


def pool(n):
    import multiprocessing

    context = multiprocessing.get_context("fork")
    with context.Pool(2) as p:
        return sum(p.map(square_sum, [numpy.ones(n) * k for k in range(4)]))


def bypassing(n):
    """Memory that is not NumPy's."""
    return numpy.frombuffer(bytes(8 * n), dtype="float64")


class Dlpack:
    def __init__(self, n):
        self.x = numpy.arange(float(n))

    def __dlpack__(self, **how):
        return self.x.__dlpack__(**how)

    def __dlpack_device__(self):
        return self.x.__dlpack_device__()


class Holder:
    def __init__(self, x):
        self.x = x

    def total(self):
        return total(self.x)


def refused(what):
    return {
        "object": lambda: numpy.array([None, 1]),
        "record": lambda: numpy.zeros(3, dtype="i4,f8"),
        "date": lambda: numpy.array(["2020-01-01"], dtype="M8[D]"),
        "text": lambda: numpy.array(["a"]),
        "dimensions": lambda: numpy.zeros((1,) * 9),
    }[what]()


def die():
    import signal

    os.kill(os.getpid(), signal.SIGKILL)
