"""What test_killed.c calls: a process that ends itself with SIGKILL in the middle of something."""

import os
import signal
import sys


def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def pid():
    return os.getpid()


SPECIAL = (
    "__index__ __int__ __float__ __bool__ __complex__ __str__ __repr__ __len__ __iter__ __next__ __contains__"
    " __getitem__ __setitem__ __delitem__ __getattr__ __setattr__ __delattr__ __call__ __eq__ __hash__ __lt__ __add__"
    " __radd__ __enter__ __exit__ __del__ __array__ __format__ __instancecheck__ __await__"
).split()


def deadly(where, base=object):
    """Return an object of a class whose method `where` is the end."""
    assert where in SPECIAL
    return type("Deadly", (base,), {where: die})()


class Init:
    def __init__(self):
        die()


class Property:
    @property
    def value(self):
        die()


class Items(list):
    """Plain data until its items are asked for."""

    def __iter__(self):
        die()


class Mapping(dict):
    def items(self):
        die()


class DeadlyError(Exception):
    def __str__(self):
        die()


def raise_deadly():
    raise DeadlyError()


class DeadlyType(type):
    def __instancecheck__(cls, other):
        die()

    def __getattribute__(cls, name):
        if name == "__name__":
            die()
        return type.__getattribute__(cls, name)


def say_and_die():
    print("said")
    sys.stdout.flush()
    die()


def print_deadly():
    print("before", deadly("__str__"))


def output(n):
    """Much output, then the end."""
    for _ in range(n):
        print("x" * 1000)
    die()


def numbers(n):
    """A generator that ends all after n items."""
    yield from range(n)
    die()


def with_finally():
    try:
        yield from range(1000)
    finally:
        die()


def call(f, *args):
    return f(*args)


def call_then_die(f, *args):
    f(*args)
    die()


def die_in_thread(seconds):
    """Die from another thread, some time later."""
    import threading
    import time

    def later():
        time.sleep(seconds)
        die()

    threading.Thread(target=later, daemon=True).start()


def echo(x):
    return x


def text(n):
    return "x" * n


def same(x):
    return x


class Plain:
    def method(self, x):
        return x


def deadly_module():
    """Make a module whose import is the end; return its name."""
    import importlib.abc
    import importlib.machinery

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name == "deadly_module_that_is_not_there":
                die()

    sys.meta_path.insert(0, Finder())
    return "deadly_module_that_is_not_there"


class Exit:
    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        die()


async def later():
    import asyncio

    await asyncio.sleep(0)
    die()


class Enter(Exit):
    def __enter__(self):
        die()
