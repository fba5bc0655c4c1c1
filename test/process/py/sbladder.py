# SPDX-License-Identifier: MIT
"""Calls that do not end by themselves, each in its own way."""

import collections
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time


def pid():
    return os.getpid()


def spin():
    x = 0
    while True:
        x += 1


def sleep():
    time.sleep(60)


def lock():
    a = threading.Lock()
    a.acquire()
    a.acquire()


def backtrack():
    re.match(r"(a+)+$", "a" * 40 + "b")


def child():
    subprocess.run(["sleep", "60"])


def join():
    t = threading.Thread(target=time.sleep, args=(60,), daemon=True)
    t.start()
    t.join()


def swallow_once():
    try:
        time.sleep(60)
    except BaseException:
        time.sleep(60)


def swallow_and_return():
    try:
        time.sleep(60)
    except BaseException:
        return 5


def swallow_always():
    while True:
        try:
            while True:
                time.sleep(0.01)
        except BaseException:
            pass


def native():
    collections.deque(itertools.count(), maxlen=0)


def blocked():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(60)


def stop():
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(60)


def stop_later(seconds):
    pid = os.getpid()
    subprocess.Popen(["sh", "-c", "sleep %g; kill -STOP %d" % (seconds, pid)])


def nap(seconds):
    time.sleep(seconds)
    return "rested"


def deaf_nap(seconds):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN + 3])
    time.sleep(seconds)
    return "rested"


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def abort():
    os.abort()


def leave(status):
    os._exit(status)


def become():
    os.execvp("sleep", ["sleep", "60"])


def eat(size):
    return len(bytearray(b"x") * size)


def fork_and_return():
    child = os.fork()
    if child == 0:
        return 0
    status = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(status)


def pool():
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as p:
        return sum(p.map(abs, [-1, -2, -3]))


def grandchild():
    return subprocess.Popen(["sleep", "600"]).pid


def stack_of(name):
    return name in "".join(str(f) for f in sys._current_frames().values())
