"""What the tests of C functions as callables call."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

kept = None


def call(f, *args, **kwargs):
    return f(*args, **kwargs)


def keep(f):
    global kept
    kept = f


def call_kept(*args):
    return kept(*args)


def catch(f, *args):
    """The type and text of what `f` raises."""
    try:
        return f(*args)
    except BaseException as e:
        return "%s: %s" % (type(e).__name__, e)


def code_of(f):
    """What the library's own errors are in Python."""
    try:
        return f()
    except RuntimeError as e:
        return "%s %d %s: %s" % (type(e).__module__, e.code, e.name, e)


class Mark(Exception):
    """Raised with an object that can be told from others."""


mark = Mark("marked")


def raise_mark():
    raise mark


def same(f):
    """Whether the exception that came through `f` is the one that was raised."""
    try:
        f()
    except BaseException as e:
        mark.__traceback__ = None
        return e is mark
    return False


def raise_it(name):
    raise {"KeyboardInterrupt": KeyboardInterrupt, "SystemExit": SystemExit, "GeneratorExit": GeneratorExit}[name](name)


def names(f, *args):
    """The functions in the traceback of what `f` raises, with the lines of those in C."""
    import traceback

    try:
        f(*args)
    except BaseException as e:
        return [(t.name, t.filename.rsplit("/")[-1], t.lineno) for t in traceback.extract_tb(e.__traceback__)]
    return []


def in_thread(f, *args):
    result = []

    def run():
        try:
            result.append(f(*args))
        except BaseException as e:
            result.append("%s: %s" % (type(e).__name__, e))

    t = threading.Thread(target=run)
    t.start()
    t.join()
    return result[0]


def pool(f, threads, n):
    with ThreadPoolExecutor(threads) as executor:
        return sum(executor.map(f, range(n)))


def both(f, threads, n):
    """Called by several threads, and by this one meanwhile."""
    with ThreadPoolExecutor(threads) as executor:
        futures = [executor.submit(f, i) for i in range(n)]
        total = sum(f(i) for i in range(n))
        return total + sum(future.result() for future in futures)


def leave_running(f, seconds):
    """A thread that calls it when nobody is there any more."""

    def run():
        time.sleep(seconds)
        global late
        late = catch(f, 1)

    global runner
    runner = threading.Thread(target=run)
    runner.start()


def late_result():
    runner.join()
    return late


class Calls:
    """Calls it at its end."""

    def __init__(self, f):
        self.f = f

    def __del__(self):
        global at_end
        at_end = catch(self.f, 1)


def collect():
    gc.collect()


class Show:
    """Asks for its text by calling C."""

    def __init__(self, f):
        self.f = f

    def __str__(self):
        return self.f()


def swallow(f):
    while True:
        try:
            f()
        except BaseException:
            pass
