"""From a module to its manifest: golden texts, the rules of merging, and that the same input gives the same bytes."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import HERE, Json, Tool, find_interpreter, show_manifest, show_type
from snakebridge import merge

KINDS = """
[tool.snakebridge]
python = "%s"
python-path = ["modules"]
modules = ["kinds", "math"]
"""


def python311() -> str:
    path = find_interpreter("3.11")
    if path is None:
        pytest.skip("there is no Python 3.11 on this machine")
    return path


def bind_kinds(tool: Tool, python: str, **env: str) -> None:
    tool.write(KINDS % python, kinds=(HERE / "data" / "kinds.py").read_text())
    tool.bind(**env)


def test_kinds(tool: Tool, golden: Callable[[str, str], None]) -> None:
    bind_kinds(tool, python311())
    golden("kinds.txt", show_manifest(tool.manifest("kinds")))


def test_stub_wins(tool: Tool, golden: Callable[[str, str], None]) -> None:
    """A stub of the user's own is believed for types, and not for what exists."""
    stubs = tool.folder / "stubs"
    stubs.mkdir()
    (stubs / "shop.pyi").write_text(
        "from collections.abc import Sequence\n"
        "from typing import overload\n"
        "import os\n"
        "from os import PathLike as PathLike\n"
        "VERSION: str\n"
        "def price(item: str, count: int = ..., *, currency: str = ...) -> float: ...\n"
        "def renamed(first: int, second: str) -> None: ...\n"
        "def swallowed(a: int, b: str = ..., *, c: bool = ...) -> None: ...\n"
        "def gone() -> None: ...\n"
        "@overload\n"
        "def read(path: str, *, chunk: None = ...) -> list[str]: ...\n"
        "@overload\n"
        "def read(path: str, *, chunk: int) -> Reader: ...\n"
        "class Reader:\n"
        "    rows: int\n"
        "    def next(self, n: int = ...) -> str: ...\n"
        "    def gone(self) -> None: ...\n"
        "class Ghost: ...\n"
        "class Slim:\n"
        "    x: int\n"
        "    y: int\n"
    )
    tool.write(
        '[tool.snakebridge]\npython = "%s"\npython-path = ["modules"]\nmodules = ["shop"]\n' % python311(),
        shop=(
            "from os import PathLike, sep\n"
            "VERSION = 3\n"
            "def price(item, count=1, extra=None, *, currency='EUR', **more): pass\n"
            "def renamed(a, b): pass\n"
            "def swallowed(*args, **kwargs): pass\n"
            "def unknown(a, /, b=2): pass\n"
            "def read(path, mode='r', *, chunk=None): pass\n"
            "class Reader:\n"
            "    def __init__(self): self.rows = 0\n"
            "    def next(self, n=5): pass\n"
            "    def more(self): pass\n"
            "class Slim:\n"
            "    __slots__ = ('x',)\n"
        ),
    )
    tool.bind()
    golden("shop.txt", show_manifest(tool.manifest("shop")))


def test_old_interpreters(tool: Tool, interpreter: str) -> None:
    """Each interpreter gives a manifest; where the checker has forgotten its version, names must agree."""
    bind_kinds(tool, interpreter)
    m = tool.manifest("kinds")
    names = m["modules"]["kinds"]["names"]
    assert names["kinds"]["sigs"][0]["returns"] == {"k": "none"}
    assert names["kinds"]["sigs"][0]["params"][0]["type"] == {"k": "inst", "n": "builtins.int"}
    assert len(names["pick"]["sigs"]) == 3
    assert names["untyped"]["source"]["types"] == "none"
    math = tool.manifest("stdlib")["modules"]["math"]["names"]
    assert math["floor"]["sigs"] and math["pi"]["literal"] == "3.141592653589793"
    old = m["target"]["python"].startswith("3.8.")
    assert ("lcm" in math) == (not old)


def test_same_bytes(tool: Tool, tmp_path: Path) -> None:
    """Neither the hash seed, the locale, the folder nor the time shows in a manifest."""
    python = python311()
    bind_kinds(tool, python, PYTHONHASHSEED="1", LC_ALL="C")
    first = {p.name: p.read_bytes() for p in tool.manifests.iterdir()}
    other = Tool(tmp_path / "elsewhere" / "deeper")
    other.folder.mkdir(parents=True)
    bind_kinds(other, python, PYTHONHASHSEED="4711", LC_ALL="C.UTF-8", TZ="Asia/Tokyo")
    assert {p.name: p.read_bytes() for p in other.manifests.iterdir()} == first
    assert set(first) == {"kinds.json", "stdlib.json"}
    for data in first.values():
        assert str(tmp_path).encode() not in data and os.path.dirname(python).encode() not in data


def test_nothing_is_rewritten(tool: Tool) -> None:
    python = python311()
    bind_kinds(tool, python)
    before = {p.name: p.stat().st_mtime_ns for p in tool.manifests.iterdir()}
    done = tool.bind()[-1]
    assert [x["changed"] for x in done["libraries"]] == [False, False]
    assert {p.name: p.stat().st_mtime_ns for p in tool.manifests.iterdir()} == before
    tool.write(KINDS % python, kinds="x = 1\n")
    done = tool.bind()[-1]
    assert {x["name"]: x["changed"] for x in done["libraries"]} == {"kinds": True, "stdlib": False}


def test_inputs(tool: Tool) -> None:
    (tool.folder / "stubs" / "deep").mkdir(parents=True)
    (tool.folder / "stubs" / "deep" / "x.pyi").write_text("")
    bind_kinds(tool, python311())
    inputs = tool.bind()[-1]["inputs"]
    folder = tool.folder
    for path in ("pyproject.toml", "uv.lock", "modules/kinds.py", "stubs", "stubs/deep", "stubs/deep/x.pyi"):
        assert str(folder / path) in inputs, path
    assert all(os.path.isabs(p) for p in inputs) and inputs == sorted(set(inputs))


def test_library_that_is_no_longer_named(tool: Tool) -> None:
    bind_kinds(tool, python311())
    tool.write('[tool.snakebridge]\npython = "%s"\nmodules = ["math"]\n' % python311())
    tool.bind()
    assert [p.name for p in tool.manifests.iterdir()] == ["stdlib.json"]


def test_include_and_exclude(tool: Tool) -> None:
    tool.write(
        (KINDS % python311())
        + "[tool.snakebridge.library.kinds]\nas = 'k'\n"
        + "include = ['kinds.B*', 'kinds.only']\nexclude = ['kinds.Bits']\n",
        kinds=(HERE / "data" / "kinds.py").read_text(),
    )
    tool.bind()
    m = tool.manifest("kinds")
    assert m["prefix"] == "k"
    assert m["options"] == {
        "as": "k",
        "exclude": ["kinds.Bits"],
        "include": ["kinds.B*", "kinds.only"],
        "submodules": [],
    }
    assert sorted(m["modules"]["kinds"]["names"]) == ["Base", "Box", "only"]
    # What a chosen function returns is described, though it has no public name.
    assert m["classes"]["kinds.Color"]["public"] is None


def test_package(tool: Tool) -> None:
    """Submodules: those that the package brings and means to be public, and those that are asked for."""
    tool.write(
        """
[tool.snakebridge]
python = "%s"
python-path = ["modules"]
modules = ["pack", "pack.asked"]
"""
        % python311(),
        **{
            "pack/__init__": (
                "__all__ = ['shown', 'lazy', 'again']\n"
                "from . import shown, _private, tests\n"
                "from . import unlisted\n"
                "from .shown import f as again\n"
                "def __getattr__(name):\n"
                "    if name == 'lazy':\n"
                "        import importlib\n"
                "        return importlib.import_module('pack.lazy')\n"
                "    raise AttributeError(name)\n"
            ),
            "pack/shown": "def f() -> int: ...\nclass K: ...\ndef make() -> K: ...\n",
            "pack/_private": "class Hidden:\n    def go(self) -> int: ...\n",
            "pack/tests": "x = 1\n",
            "pack/unlisted": "x = 1\n",
            "pack/lazy": "from pack._private import Hidden\n__all__ = ['get']\ndef get() -> Hidden: ...\n",
            "pack/asked": "y: int = 1\n",
            "pack/never": "z = 1\n",
        },
    )
    tool.bind()
    m = tool.manifest("pack")
    assert sorted(m["modules"]) == ["pack", "pack.asked", "pack.lazy", "pack.shown"]
    assert m["modules"]["pack"]["names"]["lazy"] == {"kind": "module", "module": "pack.lazy"}
    assert m["modules"]["pack"]["names"]["again"]["def"] == "pack.shown.f"
    assert m["classes"]["pack.shown.K"]["public"] == "pack.shown.K"
    assert m["classes"]["pack._private.Hidden"]["public"] is None
    assert "go" in m["classes"]["pack._private.Hidden"]["members"]


def test_stub_that_does_not_parse(tool: Tool) -> None:
    """It is one diagnostic; its library is bound without types, and the others with theirs."""
    stubs = tool.folder / "stubs"
    stubs.mkdir()
    (stubs / "broken.pyi").write_text("def f(x: int -> str: ...\n")
    tool.write(
        '[tool.snakebridge]\npython = "%s"\npython-path = ["modules"]\nmodules = ["math", "broken", "whole"]\n'
        % python311(),
        broken="def f(x, y=2): pass\n",
        whole="def g(x: int) -> str: return ''\n",
    )
    events = tool.bind()
    diagnostics = [e for e in events if e["event"] == "diagnostic"]
    assert [(d["level"], d["library"]) for d in diagnostics] == [("warning", "broken")]
    assert diagnostics[0]["where"] == "%s:1" % (stubs / "broken.pyi")
    assert diagnostics[0]["message"].startswith("broken has no types, its file does not parse: ")
    f = tool.manifest("broken")["modules"]["broken"]["names"]["f"]
    assert [p["name"] for p in f["sigs"][0]["params"]] == ["x", "y"]
    assert f["source"] == {"existence": "runtime", "names": "runtime", "types": "none"}
    g = tool.manifest("whole")["modules"]["whole"]["names"]["g"]
    assert g["sigs"][0]["returns"] == {"k": "inst", "n": "builtins.str"}
    assert tool.manifest("broken")["diagnostics"] == [
        {"fix": None, "kind": "stubs", "message": "its stub or source does not parse", "module": "broken"}
    ]


# -- the rules, without processes -------------------------------------------------------------------------------------


def param(name: str, kind: str = "positional_or_keyword", default: str | None = None, of: str = "int") -> Json:
    return {
        "name": name,
        "kind": kind,
        "required": default is None and not kind.startswith("var"),
        "default": default,
        "type": {"k": "inst", "n": of},
    }


def show(sig: Json) -> list[tuple[Any, ...]]:
    return [
        (p["name"], p["kind"], p.get("required", False), p.get("default"), p["type"].get("n")) for p in sig["params"]
    ]


NONE: Json = {"k": "none"}


def combine(seen: list[list[Any]], params: list[Json], somewhere: set[str] | None = None) -> list[tuple[Any, ...]]:
    sig = {"params": params, "returns": NONE}
    return show(merge.combine(seen, sig, somewhere or {p["name"] for p in params}, somewhere is not None))


POK, PO, KO = "positional_or_keyword", "positional_only", "keyword_only"
VP, VK = "var_positional", "var_keyword"


def test_names_then_position() -> None:
    assert combine([["x", POK, None], ["y", POK, "1"]], [param("y", of="str"), param("x")]) == [
        ("x", POK, True, None, "int"),
        ("y", POK, False, "1", "str"),
    ]
    assert combine([["a", POK, None], ["b", KO, "1"]], [param("first"), param("other", KO, "2")]) == [
        ("a", POK, True, None, "int"),
        ("b", KO, False, "1", None),
    ]
    # By position only where the stub's name means nothing at run time.
    assert combine([["a", POK, None], ["b", POK, None]], [param("b", of="str")]) == [
        ("a", POK, True, None, None),
        ("b", POK, True, None, "str"),
    ]


def test_run_time_decides_kind_and_default() -> None:
    assert combine([["x", PO, "5"]], [param("x", KO, "...")]) == [("x", PO, False, "5", "int")]
    assert combine([["x", POK, "..."]], [param("x", POK, "7")]) == [("x", POK, False, "7", "int")]
    assert combine([["x", POK, None]], [param("x", POK, "7")]) == [("x", POK, True, None, "int")]
    assert combine([], [param("x")]) == []


def test_stars_take_names() -> None:
    assert combine([["args", VP, None]], [param("a"), param("b", KO)]) == [("a", PO, True, None, "int")]
    assert combine([["args", VP, None], ["kwargs", VK, None]], [param("a"), param("b", KO, "1")]) == [
        ("a", POK, True, None, "int"),
        ("b", KO, False, "1", "int"),
    ]
    assert combine([["kwargs", VK, None]], [param("kw", VK, of="str")]) == [("kwargs", VK, False, None, "str")]
    assert combine([["a", POK, None], ["kwargs", VK, None]], [param("a")]) == [
        ("a", POK, True, None, "int"),
        ("kwargs", VK, False, None, None),
    ]


def test_overloads_say_what_must_be_given() -> None:
    seen = [["path", POK, None], ["chunk", POK, "None"], ["mode", POK, "'r'"], ["new", POK, "0"]]
    everywhere = {"path", "chunk", "mode"}
    assert combine(seen, [param("path"), param("chunk")], everywhere) == [
        ("path", POK, True, None, "int"),
        ("chunk", POK, True, "None", "int"),
        ("new", POK, False, "0", None),
    ]


def test_prune_keeps_what_is_named() -> None:
    def inst(name: str) -> Json:
        return {"k": "inst", "n": name}

    def klass(**more: Any) -> Json:
        return dict({"public": None, "mro": [], "members": {}, "tvars": [], "new": None, "fields": None}, **more)

    manifest: Json = {
        "modules": {"m": {"names": {"f": {"kind": "function", "sigs": [{"params": [], "returns": inst("m.A")}]}}}},
        "classes": {
            "m.A": klass(mro=["m.A", "m.B"]),
            "m.B": klass(members={"x": {"kind": "property", "type": {"k": "alias", "n": "m.Al"}}}),
            "m.C": klass(),
            "m.D": klass(public="m.D"),
            "m.E": klass(),
        },
        "aliases": {"m.Al": {"params": [], "target": inst("m.E")}, "m.Unused": {"params": [], "target": inst("m.C")}},
        "typevars": {"m.T": {"bound": inst("m.A"), "values": [], "default": None}},
    }
    merge.prune(manifest)
    assert set(manifest["classes"]) == {"m.A", "m.B", "m.D", "m.E"}
    assert set(manifest["aliases"]) == {"m.Al"} and manifest["typevars"] == {}


# -- writing ----------------------------------------------------------------------------------------------------------


def test_serialise() -> None:
    manifest = {"modules": {"é": {"names": {"b": {"z": 1, "a": [1, {}]}, "a": {}}, "doc": "x\n"}}, "classes": {}}
    text = merge.serialise(manifest).decode()
    assert json.loads(text) == manifest
    assert text == (
        '{\n  "classes": {},\n  "modules": {\n    "é": {\n      "doc": "x\\n",\n      "names": {\n'
        '        "a": {},\n        "b": {"a": [1, {}], "z": 1}\n      }\n    }\n  }\n}\n'
    )
    assert b"\xed" not in merge.serialise({"modules": {"m": {"doc": "\ud800"}}})


def test_write(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.json"
    assert merge.write_if_changed(str(path), b"one")
    assert not merge.write_if_changed(str(path), b"one")
    assert merge.write_if_changed(str(path), b"two" * 100000)
    assert path.read_bytes() == b"two" * 100000
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~merge.current_umask()
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """What was there stays, no half file does, and the error has the file's name."""
    path = tmp_path / "x.json"
    merge.write_if_changed(str(path), b"old")

    def fail(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(merge.os, call, fail)
    with pytest.raises(OSError) as caught:
        merge.write_if_changed(str(path), b"new")
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_full_disk_for_real(tool: Tool) -> None:
    """A file system of 16 KiB: the step says so, names the file and leaves nothing half written."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tool.folder / "small"
    folder.mkdir()
    if os.system("mount -t tmpfs -o size=16k tmpfs %s 2>/dev/null" % folder) != 0:
        pytest.skip("mount is not allowed here")
    try:
        tool.write('[tool.snakebridge]\npython = "%s"\nmodules = ["math"]\n' % python311())
        tool.manifests = folder / "manifests"
        events = tool.bind(code=1)
        assert events[-1]["level"] == "error"
        assert events[-1]["message"] == "No space left on device"
        assert events[-1]["where"] == str(tool.manifests / "stdlib.json")
        assert list(tool.manifests.iterdir()) == []
    finally:
        os.system("umount %s" % folder)


STREAMS = """
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Generic, TypeVar
T = TypeVar("T")
class Rows(Generic[T]):
    def __iter__(self) -> Iterator[T]: ...
class Cursor:
    def __iter__(self) -> "Cursor": ...
    def __next__(self) -> int: ...
class Table:
    def __iter__(self) -> Cursor: ...
    def scan(self, n: int = 0) -> list[str]: ...
class Later:
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def __anext__(self) -> bytes: ...
class Odd:
    def __iter__(self): ...
def read(path: str) -> Table: ...
again = read
LIMIT = 3
"""


def bind_streams(tool: Tool, names: str, code: int = 0) -> list[Json]:
    text = (
        '[tool.snakebridge]\npython = "%s"\npython-path = ["modules"]\nmodules = ["streams", "math"]\nstreaming = %s\n'
    )
    tool.write(text % (python311(), names), streams=STREAMS)
    return tool.bind(code=code)


def test_items(tool: Tool) -> None:
    """What iterating an object of a class gives."""
    bind_streams(tool, "[]")
    classes = tool.manifest("streams")["classes"]
    items = {k: (show_type(c["item"]), c.get("iterator", False)) for k, c in classes.items() if "item" in c}
    assert items == {
        "streams.Rows": ("~streams.T", False),
        "streams.Cursor": ("int", True),
        "streams.Table": ("int", False),
        "streams.Later": ("bytes", True),
        "streams.Odd": ("?unannotated", False),
    }
    assert "streaming" not in json.dumps(tool.manifest("streams")["modules"]["streams"]["names"])


def test_streaming(tool: Tool) -> None:
    """A function under all its names, a method, a constructor are marked."""
    bind_streams(tool, '["streams.again", "streams.Table.scan", "streams.Rows"]')
    manifest = tool.manifest("streams")
    names, classes = manifest["modules"]["streams"]["names"], manifest["classes"]
    assert [n for n, s in names.items() if s.get("streaming")] == ["again", "read"]
    assert classes["streams.Table"]["members"]["scan"]["streaming"] and classes["streams.Rows"]["streaming"]
    assert "streaming" not in classes["streams.Table"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("streams.raed", '; did you mean "streams.read"?'),
        ("streams.Table.scam", '; did you mean "streams.Table.scan"?'),
        ("streams.LIMIT", '; did you mean "streams.Table"?'),
        ("stream.read", '; did you mean "streams.read"?'),
        ("numpy.nothing.of.this", ""),
    ],
)
def test_streaming_unknown(tool: Tool, name: str, meant: str) -> None:
    (event,) = [e for e in bind_streams(tool, '["%s"]' % name, code=1) if e["event"] == "diagnostic"]
    assert event["level"] == "error" and event["where"] == "%s:5" % tool.file
    assert event["message"] == 'tool.snakebridge.streaming: no function that is bound is called "%s"%s' % (name, meant)
