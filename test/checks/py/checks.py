"""What the checks call: things of every kind, and the counting of references."""

import gc
import sys


class Thing:
    """Something with every operator that the checks use."""

    def __call__(self, x):
        return x

    def __len__(self):
        return 2

    def __str__(self):
        return "a thing"


class Number(int):
    """A subclass: it stays an object."""


class Text(str):
    """The same."""


def number(n):
    return Number(n)


def text(s):
    return Text(s)


def count(*args):
    return len(args)


def things(n):
    return [Thing() for _ in range(n)]


def everything(inside):
    import collections

    return {
        "list": [1, 2.5, [inside]],
        "tuple": (None, True, (inside,)),
        "set": {1, "x"},
        "frozenset": frozenset((1, (2, 3))),
        "dict": {1: {2: {3: inside}}},
        "bytes": [b"x", bytearray(b"y"), memoryview(b"z")],
        "big": [2**70, -(2**70), 2**64 - 1],
        "subclasses": [Number(5), Text("x"), collections.OrderedDict(a=1), collections.Counter("aab")],
        5: [1j, -0.0, "\U0001f600"],
    }


def call(f, *args, **kwargs):
    return f(*args, **kwargs)


def call_and_catch(f):
    try:
        return f()
    except ValueError as e:
        return str(e)


ENDED = [False]


def generator(n):
    ENDED[0] = False
    try:
        for i in range(n):
            yield i
    finally:
        ENDED[0] = True
    return "returned"


def ended():
    return ENDED[0]


class Manager:
    """A context manager that may suppress what is raised in it."""

    def __init__(self, suppresses):
        self.suppresses = suppresses

    def __enter__(self):
        ENDED[0] = False
        return Thing()

    def __exit__(self, kind, error, traceback):
        ENDED[0] = True
        return self.suppresses


async def coroutine(x):
    import asyncio

    await asyncio.sleep(0)
    return x


def raising_generator(n):
    for i in range(n):
        yield i
    raise ValueError("after %d" % n)


def surrogates():
    return ["fine", {"key": "\udfff"}]


def raise_from():
    try:
        raise KeyError(Thing())
    except KeyError as e:
        raise RuntimeError("with a cause") from e


# ---- counting ----

SHARED = Thing()
WATCHED = {
    "None": None,
    "True": True,
    "()": (),
    "object": object,
    "type": type,
    "int": int,
    "str": str,
    "list": list,
    "dict": dict,
    "tuple": tuple,
    "ValueError": ValueError,
    "Thing": Thing,
    "Number": Number,
    "Text": Text,
    "a thing": SHARED,
    "number": number,
    "everything": everything,
    "this module": sys.modules[__name__],
    "sys": sys,
}


def counts():
    """Return what a process has: references and blocks of memory, and the references to what is watched."""
    for _ in range(3):
        gc.collect()
    total = getattr(sys, "gettotalrefcount", lambda: 0)()
    return total, sys.getallocatedblocks(), [sys.getrefcount(x) for x in WATCHED.values()]


BEFORE = []


def note():
    """Remember what there is."""
    del BEFORE[:]
    BEFORE.append(counts())
    BEFORE[0] = counts()


def grown(limit, blocks):
    """Return what has changed by more than `limit` since note(), or the blocks by more than `blocks`, as text."""
    now = counts()
    then = BEFORE[0]
    found = []
    if now[1] - then[1] > blocks:
        found.append("blocks %+d" % (now[1] - then[1]))
    for what, before, after in [("references", then[0], now[0])] + list(zip(WATCHED, then[2], now[2])):
        if abs(after - before) > limit:
            found.append("%s %+d" % (what, after - before))
    return ", ".join(found)


KEPT = []


def keep(x):
    """Keep a reference; None drops them all."""
    if x is None:
        del KEPT[:]
    else:
        KEPT.append(x)


def call_kept(x):
    return KEPT[-1](x)


def counted():
    """Tell whether this Python counts all references."""
    return hasattr(sys, "gettotalrefcount")
