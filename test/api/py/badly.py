"""What the tests of the C interface call: things that go wrong."""

import os
import signal
import time


def surrogate():
    return "a\ud800b"


def surrogates_inside():
    return ("fine", "\udfff")


def raise_surrogate():
    raise ValueError("bad: \ud800")


def deep_dict(depth):
    d = {}
    for _ in range(depth):
        d = {"k": d}
    return d


def wait(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return seconds


def nap(seconds):
    time.sleep(seconds)
    return seconds


def stubborn(seconds):
    """Swallows what interrupts it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                pass
        except BaseException:
            pass


def native(seconds):
    """Runs outside of the bytecode loop: re backtracks."""
    import re

    re.match(r"(a*)*(a*)*(a*)*b", "a" * int(seconds))


def pid():
    return os.getpid()


def leave(status):
    os._exit(status)


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def stop():
    os.kill(os.getpid(), signal.SIGSTOP)


def system_exit():
    raise SystemExit(3)


def deep_recursion():
    return deep_recursion()


class Mean:
    """Every way to ask it fails."""

    def __repr__(self):
        raise RuntimeError("no repr")

    def __str__(self):
        raise RuntimeError("no str")

    def __len__(self):
        return -1

    def __eq__(self, other):
        raise RuntimeError("no eq")

    __hash__ = None

    def __getattr__(self, name):
        raise RuntimeError("no attribute " + name)


def mean():
    return Mean()


def objects(n):
    return [Mean() for _ in range(n)]


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no str")


def raise_unprintable():
    raise Unprintable()
