"""What the run-time tests call."""

import sys
import threading
import time


def echo(x):
    return x


def show(x):
    return "%s %r" % (type(x).__name__, x)


def keywords(*args, **kwargs):
    return "%r %r" % (args, sorted(kwargs.items()))


def head(x, n=5, *, ascending=True, alpha=1.5, name="none", of=None):
    return "%r n=%r ascending=%r alpha=%r name=%r of=%r" % (x, n, ascending, alpha, name, of)


def place(a, b=1, c=2, /):
    return "%r %r %r" % (a, b, c)


def boom(text="boom"):
    raise ValueError(text)


def boom_key():
    return {}["missing"]


class Special(KeyError):
    """A subclass that tests catch by its base."""


def boom_special():
    raise Special("special")


class Box:
    """Something that stays in Python."""

    alive = 0

    def __init__(self, value=0):
        self.value = value
        Box.alive += 1

    def __del__(self):
        Box.alive -= 1

    def add(self, n=1):
        return Box(self.value + n)

    def get(self):
        return self.value

    def __len__(self):
        return 3

    def __eq__(self, other):
        return isinstance(other, Box) and other.value == self.value

    def __hash__(self):
        return hash(self.value)


class Crate(Box):
    """A derived class."""


def alive():
    import gc

    gc.collect()
    return Box.alive


def wrong():
    return "not a number"


def none_or_box(yes):
    return Box(1) if yes else None


def pair():
    return 1.5, 7


def mixed():
    return "text", Box(9), [1, 2], None


def say(text, error=False):
    print(text, file=sys.stderr if error else sys.stdout)


def say_and_count(text):
    print(text)
    return len(text)


def sleep(seconds):
    time.sleep(seconds)


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def nested(depth):
    x = []
    for _ in range(depth):
        x = [x]
    return x


def cycle():
    x = []
    x.append(x)
    return x


def text(n):
    return "x" * n


def ints(n):
    return list(range(n))


def exit_process():
    import os

    os._exit(3)


def thread_name():
    return threading.current_thread().name


def big(bits):
    return 2**bits


def count(n, closed=None):
    """A generator that notes in `closed` how it ended."""
    try:
        for i in range(n):
            yield i
    except GeneratorExit:
        if closed is not None:
            closed.append("closed")
        raise
    finally:
        if closed is not None:
            closed.append("finally")
    return "done"


def fails_after(n):
    yield from range(n)
    raise ValueError("after %d" % n)


def odd_one(n):
    yield from range(n)
    yield "odd"
    yield n


def slowly(n, seconds):
    for i in range(n):
        if i:
            time.sleep(seconds)
        yield i


def grows(items):
    for i in items:
        if len(items) < 5:
            items.append(i + 1)
        yield i


def echoing():
    got = None
    while got != "stop":
        try:
            got = yield got
        except KeyError as e:
            got = "caught %s" % e
    return "returned"


def closes_badly():
    try:
        yield 1
        yield 2
    finally:
        raise RuntimeError("in finally")


def boxes(n):
    return (Box(i) for i in range(n))


def box_or_none(n):
    return [Box(i) if i % 2 else None for i in range(n)]


class LyingIter:
    def __iter__(self):
        return 5


class LyingNext:
    def __iter__(self):
        return self

    def __next__(self):
        return None.nothing


class Countdown:
    """An iterator with a close() that is not a generator's."""

    def __init__(self, n):
        self.n = n
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        if not self.n:
            raise StopIteration
        self.n -= 1
        return self.n

    def close(self):
        self.closed += 1


def dies_at(n):
    import os

    for i in range(n):
        yield i
    os._exit(3)


class Steps:
    """How far it was run."""

    def __init__(self, n):
        self.taken = 0
        self.n = n

    def __iter__(self):
        for i in range(self.n):
            self.taken += 1
            yield i


class Manager:
    """A context manager that notes what it is told."""

    def __init__(self, log, suppress=False, fail=None, fail_enter=False):
        self.log = log
        self.suppress = suppress
        self.fail = fail
        self.fail_enter = fail_enter

    def __enter__(self):
        self.log.append("enter")
        if self.fail_enter:
            raise ValueError("not entered")
        return Box(5)

    def __exit__(self, kind, error, trace):
        code = getattr(error, "code", None)
        self.log.append("exit %s %s %s" % (kind and kind.__name__, error, code))
        assert trace is None or error.__traceback__ is trace
        if self.fail:
            raise RuntimeError(self.fail)
        return self.suppress


class Awaited:
    """The same, with await."""

    def __init__(self, inner):
        self.inner = inner

    async def __aenter__(self):
        return self.inner.__enter__()

    async def __aexit__(self, kind, error, trace):
        return self.inner.__exit__(kind, error, trace)


async def add_later(a, b, seconds=0.0):
    import asyncio

    await asyncio.sleep(seconds)
    return a + b


async def fail_later():
    import asyncio

    await asyncio.sleep(0)
    raise ValueError("later")


async def ticks(log, n, seconds=0.01):
    """A task that goes on while calls run on the loop."""
    import asyncio

    async def work():
        try:
            for i in range(n):
                log.append(i)
                await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    return asyncio.ensure_future(work())


async def async_count(n, log=None):
    import asyncio

    try:
        for i in range(n):
            await asyncio.sleep(0)
            yield i
    finally:
        if log is not None:
            log.append("finally")


async def async_fails(n):
    for i in range(n):
        yield i
    raise ValueError("async after %d" % n)


async def call_back(f):
    return f()


async def nothing_to_cancel():
    import asyncio

    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        await asyncio.sleep(100)


def asyncio_is_loaded():
    return "asyncio" in sys.modules


def apply(f, *args):
    return f(*args)


class Counted:
    """A context manager that counts how often it was left."""

    left = 0

    def __enter__(self):
        return self

    def __exit__(self, *args):
        Counted.left += 1
        return False
