"""The type checker as the oracle: what it is asked, and the places where it would mislead."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conftest import Json, show_signature, show_type
from snakebridge import types


def oracle(folder: Path) -> types.Oracle:
    return types.Oracle(sys.executable, (3, 11), "linux", [str(folder)])


def read(folder: Path, stub: str) -> types.Reader:
    """Analyse a stub as the module `probed`."""
    (folder / "probed.pyi").write_text(stub)
    checker = oracle(folder)
    return checker.read(checker.build(["probed"])[0])


def sigs(found: Json | None) -> list[str]:
    assert found is not None
    return [show_signature(s) for s in found["sigs"]]


def test_ufunc(tmp_path: Path) -> None:
    """An object is called by its class's __call__, with the type arguments of the object."""
    reader = read(
        tmp_path,
        """
from typing import Generic, TypedDict, TypeVar, Unpack, overload
T = TypeVar("T")
class _Keywords(TypedDict, total=False):
    where: bool
    order: str
class _Binary(Generic[T]):
    @overload
    def __call__(self, x: float, y: float, /, out: None = None, **kw: Unpack[_Keywords]) -> T: ...
    @overload
    def __call__(self, x: list[float], y: float, /, *, dtype: type = ...) -> list[T]: ...
add: _Binary[int]
""",
    )
    assert sigs(reader.symbol("probed", "add")) == [
        "(/x!: float, /y!: float, out: none = None, =where: bool = ..., =order: str = ...) -> int",
        "(/x!: list[float], /y!: float, =dtype: type = ...) -> list[int]",
    ]


def test_self(tmp_path: Path) -> None:
    """self is bound and gone, however it is written; what is inherited speaks of the class it is seen through."""
    reader = read(
        tmp_path,
        """
from typing import Generic, Protocol, Self, TypeVar
T = TypeVar("T")
S = TypeVar("S", bound="A")
class Sizer(Protocol):
    def size(self) -> int: ...
class A:
    here: Self
    def modern(self) -> Self: ...
    def old(self: S, other: S) -> S: ...
    def wide(self: Sizer) -> int: ...
    @classmethod
    def make(cls) -> Self: ...
    @classmethod
    def made(cls: type[S]) -> S: ...
    @property
    def parent(self) -> Self: ...
    def __getitem__(self, key: str) -> list[Self]: ...
class B(A): ...
class Box(Generic[T]):
    def get(self, default: T) -> T: ...
class Ints(Box[list[int]]): ...
""",
    )
    reader.find_class("probed.B")
    reader.find_class("probed.Ints")

    def member(name: str) -> Json:
        found = reader.member("probed.B", name)
        assert found is not None
        return found

    assert sigs(member("modern")) == ["() -> probed.B"]
    assert sigs(member("old")) == ["(other!: probed.B) -> probed.B"]
    assert sigs(member("wide")) == ["() -> int"]
    assert sigs(member("make")) == ["() -> probed.B"] and member("make")["kind"] == "classmethod"
    assert sigs(member("made")) == ["() -> probed.B"]
    assert sigs(member("__getitem__")) == ["(/key!: str) -> list[probed.B]"]
    assert show_type(member("parent")["type"]) == "probed.B" and not member("parent")["settable"]
    assert show_type(member("here")["type"]) == "probed.B" and member("here")["settable"]
    assert sigs(reader.member("probed.Ints", "get")) == ["(default!: list[int]) -> list[int]"]


def test_decorators(tmp_path: Path) -> None:
    (tmp_path / "probed.py").write_text(
        """
import functools, contextlib
from typing import Callable, Iterator, ParamSpec, TypeVar
P = ParamSpec("P")
R = TypeVar("R")
def untyped(f): return f
def typed(f: Callable[P, R]) -> Callable[P, list[R]]: ...
@untyped
def a(x: int, y: str = "s") -> bool: ...
@typed
def b(x: int, *, y: str = "s") -> bool: ...
@functools.lru_cache(maxsize=3)
def c(x: int) -> bool: ...
@functools.cache
def d(x: int) -> bool: ...
@contextlib.contextmanager
def e(x: int) -> Iterator[str]: ...
@functools.singledispatch
def f(x: object) -> bool: ...
@functools.wraps(a)
def g(*args: object, **kwargs: object) -> bool: ...
async def h(x: int) -> bool: ...
class K:
    @functools.cached_property
    def p(self) -> int: ...
    @functools.lru_cache
    def m(self, x: int) -> bool: ...
"""
    )
    checker = oracle(tmp_path)
    reader = checker.read(checker.build(["probed"])[0])

    def of(name: str) -> list[str]:
        return sigs(reader.symbol("probed", name))

    assert of("a") == ["(x!: int, y: str = 's') -> bool"]
    assert of("b") == ["(x!: int, =y: str = 's') -> list[bool]"]
    assert of("c") == of("d") == ["(x!: int) -> bool"]
    assert of("e") == ["(x!: int) -> contextlib._GeneratorContextManager[str, none, none]"]
    assert of("f") == ["(x!: object) -> bool"]
    assert of("g")[0].endswith("-> bool")
    h = reader.symbol("probed", "h")
    assert h is not None and h["async"]
    reader.find_class("probed.K")
    p = reader.member("probed.K", "p")
    assert p is not None and show_type(p["type"]) == "int"
    assert sigs(reader.member("probed.K", "m")) == ["(x!: int) -> bool"]


def test_shapes(tmp_path: Path) -> None:
    """TypedDict, NamedTuple, Enum, NewType, Literal and recursive aliases do not come as mypy has them inside."""
    reader = read(
        tmp_path,
        """
import enum
from typing import Literal, NamedTuple, NewType, Required, TypedDict, Union
class Options(TypedDict, total=False):
    a: Required[int]
    b: str
class Pair(NamedTuple):
    x: int
    y: str = ...
class Color(enum.Enum):
    RED = 1
Odd = TypedDict("Odd", {"a-b": int, "c": int})
Id = NewType("Id", int)
Deep = NewType("Deep", Id)
Tree = Union[int, list["Tree"]]
def f(a: Literal["x", 3, True, b"y", Color.RED], b: Id, c: Deep, d: Tree, e: Pair, g: Options) -> None: ...
def nothing(a, b): ...
def explicit(a: object, b: "Missing") -> None: ...
""",
    )
    assert sigs(reader.symbol("probed", "f")) == [
        "(a!: 'x' | 3 | True | bytes | probed.Color, b!: int, c!: int, d!: @probed.Tree, e!: @probed.Pair, "
        "g!: @probed.Options) -> none"
    ]
    assert show_type(reader.aliases["probed.Tree"]["target"]) == "int | list[@probed.Tree]"
    assert show_type(reader.aliases["probed.Pair"]["target"]) == "probed.Pair(int, str)"
    assert show_type(reader.aliases["probed.Options"]["target"]) == "probed.Options{a: int, b?: str}"
    assert sigs(reader.symbol("probed", "nothing")) == ["(a!: ?unannotated, b!: ?unannotated) -> ?unannotated"]
    assert sigs(reader.symbol("probed", "explicit")) == ["(a!: object, b!: ?special) -> none"]

    def new(name: str) -> list[str]:
        reader.find_class("probed." + name)
        facts = reader.facts("probed." + name)
        assert facts is not None
        return [show_signature(s) for s in facts["new"]]

    assert new("Options") == ["(=a!: int, =b: str = ...) -> probed.Options{a: int, b?: str}"]
    assert new("Odd") == ["(=c!: int) -> probed.Odd{a-b: int, c: int}"]
    assert new("Pair") == ["(x!: int, y: str = ...) -> probed.Pair(int, str)"]
    assert new("Color") == ["(value!: ?special) -> probed.Color"]


def test_bodies_are_dropped(tmp_path: Path) -> None:
    """What functions do is not read: an error there is no error here."""
    (tmp_path / "probed.py").write_text("def f(x: int) -> str:\n    return undefined(\n        nothing) + 3\n")
    checker = oracle(tmp_path)
    assert sigs(checker.read(checker.build(["probed"])[0]).symbol("probed", "f")) == ["(x!: int) -> str"]


def test_modules_that_are_not_there(tmp_path: Path) -> None:
    reader = read(tmp_path, "def f() -> None: ...\n")
    checker = oracle(tmp_path)
    files, broken = checker.build(["probed", "no_such_module"])
    assert broken == []
    assert "probed" in files and "no_such_module" not in files
    assert reader.symbol("no_such_module", "x") is None
    assert reader.symbol("probed", "x") is None
    assert checker.find("no_such_module") is None


def test_files_that_do_not_parse(tmp_path: Path) -> None:
    """Each is left out and said; what imports it keeps the rest of its types."""
    (tmp_path / "probed.pyi").write_text("from bad import X\nimport worse\ndef f(a: X, b: worse.Y) -> int: ...\n")
    (tmp_path / "bad.pyi").write_text("x: int\ndef f(:\n")
    (tmp_path / "worse.py").write_text("print 'two'\n")
    checker = oracle(tmp_path)
    files, broken = checker.build(["probed", "bad", "math"])
    found = {b.module: b.where for b in broken}
    assert found == {"bad": "%s:2" % (tmp_path / "bad.pyi"), "worse": "%s:1" % (tmp_path / "worse.py")}
    assert all(b.message for b in broken)
    reader = checker.read(files)
    assert sigs(reader.symbol("probed", "f"))[0].endswith(" -> int")
    assert sigs(reader.symbol("math", "sqrt")) and reader.symbol("bad", "x") is None


def test_checker_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("inside")

    checker = oracle(tmp_path)
    monkeypatch.setattr(types.build, "build", fail)
    with pytest.raises(types.StubError, match="mypy failed: AssertionError: inside"):
        checker.build(["math"])


def test_stub_of_the_standard_library(tmp_path: Path) -> None:
    """The checker prefers its own stubs for these; what does not exist there does not appear."""
    checker = oracle(tmp_path)
    reader = checker.read(checker.build(["math", "json", "os.path"])[0])
    assert sigs(reader.symbol("math", "sqrt")) == ["(/x!: @math._SupportsFloatOrIndex) -> float"]
    assert reader.is_stdlib("math.sqrt") and not reader.is_stdlib("numpy.mean")
    assert reader.symbol("os.path", "join") is not None
    assert reader.source("math.sqrt") == "stub"
