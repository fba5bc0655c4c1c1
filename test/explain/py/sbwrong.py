# SPDX-License-Identifier: MIT
"""Mistakes, made on purpose: chains, groups, notes, and what misbehaves when it is looked at."""


def chained():
    order = {"id": 7, "lines": [1, 2, 3]}
    try:
        try:
            {}["inner"]
        except KeyError as e:
            raise ValueError("middle") from e
    except ValueError:
        raise RuntimeError("outer %d" % order["id"])  # noqa: B904 (it has a context alone)


def hidden():
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        raise LookupError("shown") from None


def circle():
    a, b = ValueError("a"), ValueError("b")
    a.__context__ = b
    a.__cause__ = b
    b.__cause__ = a
    raise a


def noted():
    e = ValueError("with notes")
    e.__notes__ = ["first", "second \udc80", 3]
    raise e


def group():
    try:
        kind = ExceptionGroup
    except NameError:
        from exceptiongroup import ExceptionGroup as kind
    raise kind("many", [ValueError("one"), kind("inner", [KeyError("two"), TypeError("three")])])


class Hostile(Exception):
    def __str__(self):
        raise ValueError("no text")

    @property
    def __notes__(self):
        raise ValueError("no notes")


class Shy:
    def __repr__(self):
        raise OSError("no repr")


class Loud:
    def __repr__(self):
        return "x" * 1000000


def hostile(n):
    shy, loud, deep, surrogate, number = Shy(), Loud(), [], "\udcff", n
    for _ in range(100):
        deep = [deep]
    many = list(range(100000))
    raise Hostile(shy, loud, deep, surrogate, number, many)


def deep(n):
    if n:
        return deep(n - 1)
    raise ValueError("at the bottom")


def long_chain(n):
    last = ValueError("0")
    for i in range(1, n):
        e = ValueError(str(i))
        e.__cause__ = last
        last = e
    raise last


def wide_group(n):
    try:
        kind = ExceptionGroup
    except NameError:
        from exceptiongroup import ExceptionGroup as kind
    raise kind("wide", [ValueError(str(i)) for i in range(n)])


def takes(alpha, beta=1, *, ascending=True):
    return alpha


def inside():
    return takes(1, ascendign=False)


class Shop:
    def price(self, item, currency="EUR"):
        return item


def wrapped():
    try:
        import no_such_module_at_all  # noqa: F401
    except ImportError as e:
        raise RuntimeError("the plugin could not be loaded") from e


def slow():
    class Slow:
        def __repr__(self):
            while True:
                pass

    slow = Slow()  # noqa: F841 (somebody looks at the frame)
    raise ValueError("slow to look at")


def killer():
    class Killer:
        def __repr__(self):
            import os

            os._exit(3)

    killer = Killer()  # noqa: F841
    raise ValueError("do not look")


def watch():
    """An object whose references are counted."""
    import sys

    return sys.getrefcount(WATCHED)


class Watched:
    shape = (3, 4)

    def fail(self, other):
        raise ValueError("watched")


WATCHED = Watched()


def watched():
    return WATCHED
