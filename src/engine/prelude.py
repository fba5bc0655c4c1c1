# SPDX-License-Identifier: MIT
"""Run by the engine when it starts, in every CPython from 3.8 on: sys.stdout, sys.stderr, exceptions as text.

`write(number, text)` is the engine's: it hands text to the session whose call is running, or to the descriptor.
"""

import io
import sys
from types import FunctionType, TracebackType


class TimeoutExceeded(BaseException):
    """Raised in a call whose time has run out."""


TimeoutExceeded.__module__ = "snakebridge"


class Error(RuntimeError):
    """An error of the library in a C function that Python has called. Uncaught, it is that error again, in C."""

    def __init__(self, code, name, text):
        RuntimeError.__init__(self, code, name, text)
        self.code = code
        self.name = name
        self.text = text

    def __str__(self):
        return self.text


Error.__module__ = "snakebridge"


class Cancelled(BaseException):
    """Raised in a call that the program has cancelled."""


Cancelled.__module__ = "snakebridge"


class Bytes(io.BufferedIOBase):
    """What `sys.stdout.buffer` is: bytes that are text, in order with the rest."""

    def __init__(self, output):
        import codecs

        self.raw = output
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self):
        return True

    def fileno(self):
        return self.raw.fileno()

    def isatty(self):
        return self.raw.isatty()

    def write(self, data):
        view = memoryview(data).cast("B")
        self.raw.write(self.decoder.decode(view))
        return len(view)


class Output(io.TextIOBase):
    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    mode = "w"
    line_buffering = True
    write_through = True

    def __init__(self, number, name):
        self.number = number
        self.name = name
        self.bytes = None

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not " + type(text).__name__)
        return write(self.number, text)  # noqa: F821 (put here by the engine)

    @property
    def buffer(self):
        if self.bytes is None:
            self.bytes = Bytes(self)
        return self.bytes

    def writable(self):
        return True

    def fileno(self):
        return self.number

    def isatty(self):
        import os

        try:
            return os.isatty(self.number)
        except OSError:
            return False

    def reconfigure(self, **options):
        """There is nothing to configure: text goes on as it is."""

    def close(self):
        """Stays open: it belongs to all calls."""


def name_of(kind):
    module = kind.__module__
    name = kind.__qualname__
    return name if module == "builtins" else "%s.%s" % (module, name)


def without_ours(trace):
    """Cuts the frames of this file, which are the outermost and the innermost ones where there are any."""
    while trace is not None and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    frame = trace
    while frame is not None and frame.tb_next is not None:
        if frame.tb_next.tb_frame.f_globals is globals():
            frame.tb_next = None
        frame = frame.tb_next
    return trace


def describe(error):
    """Type, message, traceback and the names of all its classes."""
    kind = type(error)
    try:
        message = str(error)
    except Exception:
        message = "<exception str() failed>"
    names = ["%s.%s" % (c.__module__, c.__qualname__) for c in kind.__mro__]
    return name_of(kind), message, trace_of(kind, error, message), names


# What these print is more than their message.
TALKATIVE = (SyntaxError, AttributeError, NameError, ImportError)


def trace_of(kind, error, message):
    """What Python would print. KeyError, StopIteration and the like, raised by C code, come often and have no frame."""
    if (
        error.__traceback__ is None
        and error.__cause__ is None
        and error.__context__ is None
        and kind.__module__ == "builtins"
        and not isinstance(error, TALKATIVE)
        and not hasattr(error, "__notes__")
        and not hasattr(error, "exceptions")
    ):
        return "%s: %s\n" % (kind.__qualname__, message) if message else kind.__qualname__ + "\n"
    import traceback

    return "".join(traceback.format_exception(kind, error, without_ours(error.__traceback__)))


E_PYTHON = 1
places = {}


def placed(error, file, function, line):
    """With the place in C as the outermost entry of its traceback. A traceback has frames: that of a generator that has
    not begun has no caller, so that no caller's variables live as long as the error does."""
    if not file:
        return error
    key = (file, function, line)
    waiting = places.get(key)
    if waiting is None or waiting.gi_frame is None:
        code = compile("def place():\n    yield", file, "exec").co_consts[0]
        code = code.replace(co_name=function or "?", co_firstlineno=line)
        waiting = FunctionType(code, {})()
        if len(places) < 1000:
            places[key] = waiting
    return error.with_traceback(TracebackType(error.__traceback__, waiting.gi_frame, -1, line))


def from_c(code, name, text, file, function, line, cause, kind):
    """The exception for an error that a C function has left: `cause` is its exception, or None; `kind` is what `name`
    names."""
    if cause is not None and (code == E_PYTHON or getattr(cause, "code", None) == code and isinstance(cause, Error)):
        error = cause
    elif code != E_PYTHON:
        error = Error(code, name, text)
        error.__cause__ = cause
    elif not (isinstance(kind, type) and issubclass(kind, BaseException)):
        error = RuntimeError("%s, which is not the name of an exception class: %s" % (name, text))
    else:
        try:
            error = kind(text)
        except Exception as why:
            error = RuntimeError("%s, which is not made from a text alone (%s): %s" % (name, why, text))
    return placed(error, file, function, line)


sys.stdout = sys.__stdout__ = Output(1, "<stdout>")
sys.stderr = sys.__stderr__ = Output(2, "<stderr>")
