# SPDX-License-Identifier: MIT
"""Run by the engine in a worker that has a heap: tells NumPy of it when it is imported; gives fork()ed children copies.

`hook(module)` and `detach()` are the engine's.
"""

import os
import sys

CORE = ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath")


class Loader:
    """Loads NumPy's C core as its own loader does, and tells the engine before anybody has made an array."""

    def __init__(self, loader):
        self.loader = loader

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        hook(module)  # noqa: F821 (put here by the engine)
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Finder)]


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name not in CORE:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = Loader(spec.loader)
                return spec
        return None


class Fork:
    """The parent waits until the child has its copy: what it writes afterwards is not the child's to see."""

    def __init__(self):
        self.ends = []

    def before(self):
        try:
            self.ends.append(os.pipe())
        except OSError:
            self.ends.append(None)

    def in_child(self):
        ends = self.ends.pop() if self.ends else None
        try:
            detach()  # noqa: F821 (put here by the engine)
        except MemoryError as error:
            os.write(2, ("snakebridge: a child of fork() gets no copy of its arrays: %s\n" % error).encode())
            os._exit(70)
        if ends:
            os.close(ends[0])
            os.close(ends[1])  # which is what the parent waits for

    def in_parent(self):
        ends = self.ends.pop() if self.ends else None
        if ends:
            os.close(ends[1])
            try:
                os.read(ends[0], 1)
            finally:
                os.close(ends[0])


loaded = [sys.modules[name] for name in CORE if name in sys.modules]
if loaded:
    hook(loaded[0])  # noqa: F821
else:
    sys.meta_path.insert(0, Finder())
fork = Fork()
os.register_at_fork(before=fork.before, after_in_child=fork.in_child, after_in_parent=fork.in_parent)
