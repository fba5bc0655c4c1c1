# SPDX-License-Identifier: MIT
"""Functions that test_futures.c submits."""

import os
import signal
import sys
import time

log = []


def note(x):
    """Appends to the log, and returns what it got."""
    log.append(x)
    return x


def slow(seconds, x=None):
    time.sleep(seconds)
    log.append(x)
    return x


def busy(seconds):
    """Runs bytecode."""
    end = time.monotonic() + seconds
    n = 0
    while time.monotonic() < end:
        n += 1
    return n


def swallow(seconds):
    """Goes on, whatever is raised; how often that was."""
    end = time.monotonic() + seconds
    n = 0
    while time.monotonic() < end:
        try:
            time.sleep(0.01)
        except BaseException:
            n += 1
    return n


def apply(f):
    return f()


def boom(text):
    raise ValueError(text)


def say(text):
    print(text)
    sys.stdout.flush()


def die(seconds):
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def take_log():
    taken = list(log)
    del log[:]
    return taken


class Thing:
    def __init__(self, n):
        self.n = n
