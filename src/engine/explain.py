# SPDX-License-Identifier: MIT
"""Run by the engine when a program first asks what is behind an error, in every CPython from 3.8 on.

`explain(error, what, index, call)` gives plain data: tuples, exact strings and integers, and exceptions as objects.
Whatever an exception or a value of a frame does when it is looked at, the rest is told all the same.
"""

import sys

ERRORS = 256  # of a chain or a tree of groups; src/runtime/detail.c refuses more
FRAMES = 200  # of one traceback: the first and the last hundred
NAMES = 200  # of one frame, of one signature
TEXT = 4000
TRACE = 1 << 16


def clean(text, most=TEXT):
    """An exact str that is UTF-8, clipped."""
    if not isinstance(text, str):
        return ""
    return str.encode(str.__getitem__(text, slice(0, most)), "utf-8", "backslashreplace").decode("utf-8")


def safely(f, *args):
    try:
        return f(*args)
    except Exception as error:
        return "<%s failed: %s>" % (getattr(f, "__name__", "?"), type(error).__name__)


def quietly(f, *args):
    """A tuple, empty if it cannot be had."""
    try:
        return f(*args)
    except Exception:
        return ()


def name_of(kind):
    module = kind.__module__
    name = kind.__qualname__
    return clean(name if module == "builtins" else "%s.%s" % (module, name))


def kept(error):
    """The entries of a traceback, outermost first; the middle of a very deep one is left out."""
    first, last, trace, count = [], [], error.__traceback__, 0
    while trace is not None and count < 1 << 20:
        count += 1
        if len(first) < FRAMES // 2:
            first.append(trace)
        else:
            last.append(trace)
            if len(last) > FRAMES // 2:
                del last[0]
        trace = trace.tb_next
    return first + last


def frame_of(trace):
    import linecache

    code = trace.tb_frame.f_code
    line = trace.tb_lineno or 0
    text = safely(linecache.getline, code.co_filename, line, trace.tb_frame.f_globals) if line else ""
    return clean(code.co_filename), line, clean(getattr(code, "co_qualname", code.co_name)), clean(text).strip()


def notes_of(error):
    notes = getattr(error, "__notes__", None)
    if not isinstance(notes, (list, tuple)):
        return ()
    return tuple(clean(n if isinstance(n, str) else safely(repr, n)) for n in notes[:NAMES])


def members_of(error):
    """Of an exception group, also of the exceptiongroup package's."""
    if not any(c.__name__ == "BaseExceptionGroup" for c in type(error).__mro__):
        return ()
    members = getattr(error, "exceptions", ())
    return tuple(members) if isinstance(members, (list, tuple)) else ()


def chain(error):
    """All exceptions that can be reached from this one, each once, with the places of those next to it."""
    import traceback

    found, places, nodes = [error], {id(error): 0}, []

    def place(other):
        if not isinstance(other, BaseException):
            return -1
        at = places.get(id(other), -1)
        if at < 0 and len(found) < ERRORS:
            at = places[id(other)] = len(found)
            found.append(other)
        return at

    for e in found:  # which grows
        kind = type(e)
        message = safely(str, e)
        if len(nodes):
            text = safely(
                "".join, safely(lambda e=e: traceback.format_exception(type(e), e, e.__traceback__, chain=False))
            )
        else:
            text = ""  # the program has it
        members = tuple(at for at in map(place, quietly(members_of, e)) if at >= 0)
        nodes.append(
            (
                name_of(kind),
                clean(message),
                clean(text, TRACE),
                tuple(clean("%s.%s" % (c.__module__, c.__qualname__)) for c in kind.__mro__[:NAMES]),
                e if nodes else None,  # the first is the program's already
                place(e.__cause__),
                place(e.__context__),
                members,
                quietly(notes_of, e),
                tuple(frame_of(t) for t in kept(e)),
            )
        )
    return tuple(nodes)


def shown(value):
    """repr(), with bounds on what it may cost where that is known."""
    import reprlib

    r = reprlib.Repr()
    r.maxstring = r.maxother = r.maxlong = 1000
    r.maxlevel = 4
    r.maxdict = r.maxlist = r.maxtuple = r.maxset = r.maxfrozenset = r.maxdeque = r.maxarray = 20
    return clean(safely(r.repr, value))


def locals_of(error, index):
    """Name, text, name, text, ... of one frame."""
    traces = kept(error)
    if not 0 <= index < len(traces):
        return ()
    out = []
    for name, value in list(traces[index].tb_frame.f_locals.items())[:NAMES]:
        out += [clean(name), shown(value)]
    return tuple(out)


def looks(value, name):
    """What decides whether operands fit: name, type, shape, dtype, device."""

    def ask(attribute):
        return getattr(value, attribute, None)

    shape, dtype, device = quietly(ask, "shape"), quietly(ask, "dtype"), quietly(ask, "device")
    shape = str(tuple(map(int, shape))) if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape) else ""
    return (
        clean(name),
        name_of(type(value)),
        clean(shape, 200),
        clean(safely(str, dtype), 100) if shape and dtype is not None else "",
        clean(safely(str, device), 100) if shape and device is not None else "",
    )


def arrays_near(error):
    """The arrays in the innermost frame of an error."""
    traces = kept(error)
    if not traces:
        return ()
    found = []
    for name, value in list(traces[-1].tb_frame.f_locals.items())[:NAMES]:
        one = looks(value, name)
        if one[2]:
            found.append(one)
    return tuple(found[:16])


def attribute_path(o, path):
    for part in path:
        o = getattr(o, part)
    return o


def speaks_of(error, call):
    """The callable that a TypeError about arguments means, or None."""
    import re

    op, function, member, arguments, _ = call or ("", None, None, (), ())
    said = re.match(r"([\w.<>]{1,200}?)(?:\.__init__)?\(\) ", str(error)[:300])
    path = [p for p in said.group(1).split(".") if p != "<locals>"] if said else []
    traces = kept(error)
    if traces:  # raised by code in that frame, which knows the name of what it called, if it is a plain one
        frame = traces[-1].tb_frame
        for scope in (frame.f_locals, frame.f_globals, frame.f_builtins):
            if path and path[0] in scope:
                try:
                    return attribute_path(scope[path[0]], path[1:])
                except AttributeError:
                    pass
    elif op == "f" or op == "E":
        if not path or getattr(function, "__name__", path[-1]) in (path[-1], path[0]):
            return function
    elif op == "m" and arguments:
        return getattr(arguments[0], member)
    if not path:
        return None
    for module in list(sys.modules.values())[:5000]:
        scope = getattr(module, "__dict__", None)
        if isinstance(scope, dict) and path[0] in scope:
            try:
                found = attribute_path(scope[path[0]], path[1:])
            except AttributeError:
                continue
            if callable(found) and (len(path) > 1 or getattr(found, "__module__", None) == module.__name__):
                return found
    return None


def parameters_of(function):
    """Names that may be given as keywords."""
    import inspect

    kinds = inspect.Parameter
    keyword = (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
    out = []
    for p in inspect.signature(function).parameters.values():
        if p.kind in keyword:
            out.append(clean(p.name))
    return tuple(out[:NAMES])


def texts(names):
    return tuple(clean(n) for n in list(names)[:1000] if isinstance(n, str))


def keys_of(error, call):
    """What a KeyError could have meant: the keys of the container that was asked, or the columns of a table."""
    near = [call[3][0]] if call and call[3] else []
    for trace in kept(error)[:20]:
        here = trace.tb_frame.f_locals
        near += [here["self"]] if "self" in here else list(here.values())[:NAMES]
    key = error.args[0] if error.args else None
    for one in near:
        columns = getattr(one, "columns", None)
        if columns is not None and not callable(columns):
            return texts(columns)
    for one in near:
        if isinstance(one, dict) and isinstance(key, str) and key not in one:
            return texts(one)
    return ()


def names_for(error, call):
    """The names that could have been meant."""
    if isinstance(error, KeyError):
        return keys_of(error, call)
    if isinstance(error, AttributeError):  # 3.10 keeps the object
        owner = getattr(error, "obj", call[3][0] if call and call[3] else None)
        return texts(n for n in dir(owner) if not n.startswith("_")) if owner is not None else ()
    function = speaks_of(error, call)
    return parameters_of(function) if function is not None else ()


def called(error, call):
    """Of the call that failed: the names that could have been meant, its arguments, the arrays near it."""
    try:
        names = names_for(error, call)
    except Exception:
        names = ()
    arguments = ()
    if call and not error.__traceback__:
        op, _, _, values, keywords = call
        plain = len(values) - len(keywords)
        arguments = tuple(looks(v, keywords[i - plain] if i >= plain else "") for i, v in enumerate(values[:16]))
    return names, arguments, quietly(arrays_near, error)


def explain(error, what, index, call):
    if not isinstance(error, BaseException):
        return ()
    if what == "chain":
        return chain(error)
    if what == "locals":
        return locals_of(error, index)
    return called(error, call)
