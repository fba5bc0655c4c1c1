# SPDX-License-Identifier: MIT
"""Starts a worker: python worker.py ENGINE LANES DUMP LIFELINE HEAP OWN [PATH...]

Runs in the user's interpreter, CPython 3.8 or later, and imports nothing that `python` itself has not imported. LANES
to OWN are inherited descriptors (docs/wire.md), the last two -1 where there is no shared memory; PATH are folders to be
put in front of sys.path.
"""

import sys


def fail(dump, why):  # comments for types, since older Pythons shall read this far, too
    # type: (int, str) -> None
    """Leaves the reason where the program looks for it."""
    import os

    try:
        os.write(dump, why.encode("utf-8", "backslashreplace"))
    except OSError:
        sys.stderr.write(why + "\n")
    os._exit(1)


def main():
    # type: () -> None
    engine_path = sys.argv[1]
    lanes, dump, lifeline, heap, own = [int(a) for a in sys.argv[2:7]]
    sys.path[0:1] = sys.argv[7:]  # in place of this file's own folder
    sys.argv = [""]
    name = getattr(getattr(sys, "implementation", None), "name", "Python")  # 2.7 has none
    if name != "cpython" or sys.version_info < (3, 8):
        version = ".".join([str(n) for n in sys.version_info[:2]])
        fail(dump, "%s is %s %s: CPython 3.8 or later is needed" % (sys.executable, name, version))
    from importlib.machinery import ExtensionFileLoader, ModuleSpec

    try:
        loader = ExtensionFileLoader("engine", engine_path)
        engine = loader.create_module(ModuleSpec("engine", loader, origin=engine_path))
    except ImportError as error:
        fail(dump, "the engine cannot be loaded by %s: %s" % (sys.executable, error))
    # The user's __main__ is empty, and has no file: what starts processes of its own would run this one again.
    sys.modules["__main__"] = type(sys)("__main__")
    try:
        engine.serve(lanes, dump, lifeline, heap, own)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        engine.fail(dump, "%s: %s" % (type(error).__name__, error))


if __name__ == "__main__":
    main()
