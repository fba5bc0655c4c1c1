"""Describes an interpreter. Runs in the user's own (CPython 3.8 or later), as a file, and imports next to nothing:

facts.py OUT        write a JSON object to the file OUT
"""

from __future__ import annotations

import sys

# The folder of this file must not shadow the standard library (it holds a types.py).
if not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

import json  # noqa: E402
import os  # noqa: E402
import sysconfig  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def find_libpython() -> str | None:
    """Return the path of the shared library of this interpreter, or None."""
    get: Any = sysconfig.get_config_var
    version = get("LDVERSION") or get("py_version_short") or "%d.%d" % sys.version_info[:2]
    names = [n for n in (get("INSTSONAME"), get("LDLIBRARY")) if n and ".so" in n]
    names += ["libpython%s.so.1.0" % version, "libpython%s.so" % version]
    folders = [get("LIBDIR"), os.path.join(sys.base_prefix, "lib"), get("LIBPL")]
    multiarch = get("MULTIARCH")
    if multiarch:
        folders += [os.path.join(f, multiarch) for f in folders[:2] if f]
    for name in names:
        for folder in folders:
            path = os.path.join(folder or "", str(name))
            if folder and os.path.isfile(path):
                return path
    return None


def main(out: str) -> None:
    paths = sysconfig.get_paths()
    version = "%d.%d.%d" % sys.version_info[:3]
    if sys.version_info[3] != "final":
        version += "%s%d" % ({"alpha": "a", "beta": "b"}.get(sys.version_info[3], "rc"), sys.version_info[4])
    names = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}
    answer = {
        "python": sys.executable,
        "version": version,
        "implementation": names.get(sys.implementation.name, sys.implementation.name),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "platform": sys.platform,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "site": [paths["purelib"], paths["platlib"]],
        "path": [p for p in sys.path if p],
        "libpython": find_libpython(),
        "stdlib": sorted(getattr(sys, "stdlib_module_names", ())),
    }
    with open(out + ".part", "w", encoding="utf-8", errors="replace") as f:
        f.write(json.dumps(answer))
    os.replace(out + ".part", out)


if __name__ == "__main__":
    main(sys.argv[1])
