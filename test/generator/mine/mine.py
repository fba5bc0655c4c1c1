"""A module with one of everything."""

from __future__ import annotations

import enum
from typing import (
    Any,
    AsyncIterator,
    Callable,
    Generator,
    Iterator,
    Literal,
    NamedTuple,
    Optional,
    Protocol,
    Self,
    TypeVar,
    overload,
)

T = TypeVar("T")


class Flags(enum.IntFlag):
    A = 1
    B = 2


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Point(NamedTuple):
    x: float
    y: int


class Base:
    def __init__(self, name: str, *, size: int = 3) -> None:
        self.name = name
        self._size = size

    @property
    def size(self) -> int:
        return self._size

    @size.setter
    def size(self, v: int) -> None:
        self._size = v

    def me(self) -> Self:
        return self

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, k: str) -> str:
        return self.name + k

    def __setitem__(self, k: str, v: str) -> None:
        self.name = k + v

    def __contains__(self, k: str) -> bool:
        return k in self.name

    def __call__(self, a: int, *, b: int = 2) -> int:
        return a * b

    def __add__(self, o: Base) -> Base:
        return Base(self.name + o.name)

    def __eq__(self, o: object) -> bool:
        return isinstance(o, Base) and self.name == o.name

    def __bool__(self) -> bool:
        return bool(self._size)

    def __float__(self) -> float:
        return 1.5

    def __int__(self) -> int:
        return 7

    @classmethod
    def make(cls, name: str = "made") -> Self:
        return cls(name)

    @staticmethod
    def twice(x: float) -> float:
        return 2 * x

    label: Optional[str] = None


class Derived(Base):
    def only(self, mode: Literal["a", "b-c", ""] = "a") -> str:
        return mode


def required(a: int, b: float, c: bool, d: str, e: bytes, /) -> tuple[int, float, bool, str, bytes]:
    return a, b, c, d, e


def options(
    a: int = 1, *, b: float = 2.0, c: bool = True, d: str | None = None, e: bytes = b"", default: Any = None
) -> str:
    return repr((a, b, c, d, e, default))


def posopt(a: int, b: int = 5, c: int = 6, /) -> int:
    return a * 100 + b * 10 + c


def kwonly(a: int, *, class_: str, b: int) -> str:
    return f"{a}{class_}{b}"


def star(*args: int) -> int:
    return sum(args)


def starkw(*args: Any, **kw: Any) -> str:
    return repr((args, sorted(kw.items())))


def kwargs(a: int, **kw: Any) -> str:
    return repr((a, sorted(kw.items())))


def passon(f: str, *args: Any, engine: str = "x", **kw: Any) -> str:
    return repr((f, args, engine, sorted(kw.items())))


def operands(s: str, *operands: int, optimize: bool = False) -> str:
    return repr((s, operands, optimize))


def lit(how: Literal["left", "right; x", 3, True, None] = "left") -> str:
    return repr(how)


def color(c: Color, f: Flags = Flags.A) -> Color:
    return Color.GREEN if f & 2 else c


def point(p: Point | None = None) -> Point:
    return p or Point(1.5, 2)


def maybe(x: bool) -> Base | None:
    return Base("m") if x else None


def union(x: Base | Color) -> str:
    return type(x).__name__


def either(x: int | str) -> int | str:
    return x


@overload
def over(path: str, chunk: None = None) -> Base: ...
@overload
def over(path: str, chunk: int) -> Derived: ...
def over(path: str, chunk: int | None = None) -> Base:
    return Base(path) if chunk is None else Derived(path, size=chunk)


def gen() -> Iterator[int]:
    yield from range(3)


def nothing(x: Base) -> None:
    x.name = "touched"


async def coro() -> int:
    return 1


async def texts(n: int) -> AsyncIterator[str]:
    for i in range(n):
        yield "t" * i


def untyped(a, b=2, *args, **kw):
    return [a, b, args, kw]


CONST: int = 42
TEXT = "text"
UNIT = Base("unit")


def integrate(f: Callable[[float], float], a: float, b: float) -> float:
    return (f(a) + f(b)) / 2 * (b - a)


def visit(f: Callable[[Base, Optional[Base], int, str, bytes, bool, Any], str]) -> str:
    return f(Base("b"), None, 7, "t\0ext", b"\0y", True, [1, 2])


def each(n: int, f: Optional[Callable[[int], None]] = None) -> int:
    for i in range(n):
        if f is not None:
            f(i)
    return n


def wrong(f: Callable[[int], int], how: int) -> str:
    """How a C function answers to calls that its signature does not allow."""
    calls: list[Callable[[], Any]] = [
        lambda: f(),  # type: ignore[call-arg]
        lambda: f(1, 2),  # type: ignore[call-arg]
        lambda: f(x=1),  # type: ignore[call-arg]
        lambda: f("1"),  # type: ignore[arg-type]
        lambda: f(2**64),
    ]
    try:
        calls[how]()
    except (TypeError, OverflowError) as e:
        return f"{type(e).__name__}: {e}"
    return "nothing was raised"


class Scale(Protocol):
    def __call__(self, x: float) -> float: ...


def scaled(f: Scale, x: float) -> float:
    return f(x)


def either_or(f: str | Callable[[str], str]) -> str:
    return f("x") if callable(f) else f


def bases(n: int) -> Generator[Base, None, str]:
    for i in range(n):
        yield Base(f"b{i}", size=i)
    return "done"


def words() -> list[str]:
    return ["a", "b", "c"]


class Rows:
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[float]:
        return iter([0.5] * self.n)

    def pairs(self) -> Iterator[tuple[int, str]]:
        return iter([(1, "one"), (2, "two")])
