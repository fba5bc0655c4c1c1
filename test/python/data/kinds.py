"""One of each kind of thing that a module can hold."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import sys
from typing import (
    Any,
    Awaitable,
    Callable,
    ClassVar,
    Dict,
    Final,
    Generic,
    Iterator,
    List,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
    Union,
    overload,
)

T = TypeVar("T")
C = TypeVar("C", bound="Base")
UserId = NewType("UserId", int)
Json = Union[None, int, str, List["Json"], Dict[str, "Json"]]
Pair = Dict[str, T]
Mode = Literal["r", "w"]

LIMIT: Final = 10
RATIO = 0.5
NAME: str = "kinds"
table: Dict[str, int] = {}
_hidden = 1

if sys.version_info >= (3, 0):

    def by_version() -> int:
        return 1

else:

    def by_version() -> str:
        return ""


if sys.platform == "win32":

    def by_platform() -> int: ...


class Options(TypedDict, total=False):
    """A TypedDict."""

    depth: int


class Point(NamedTuple):
    """A NamedTuple."""

    x: float
    y: float = 0.0


@dataclasses.dataclass(frozen=True)
class Frozen(Generic[T]):
    """A frozen dataclass."""

    value: T
    label: Optional[str] = None


class Color(enum.Enum):
    """An Enum, with a method."""

    RED = 1
    GREEN = "g"

    def mixed(self, other: Color) -> Color:
        return self


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Sized(Protocol):
    def size(self) -> int: ...


class Failure(ValueError):
    """An exception."""

    code: int

    def __init__(self, message: str, code: int = 3) -> None:
        super().__init__(message)
        self.code = code


class Base:
    """A class with one of each member."""

    count: ClassVar[int] = 0
    tag = "base"

    def __init__(self, name: str, *, weight: float = 1.0) -> None:
        self.name = name
        self._weight = weight

    def __len__(self) -> int:
        return 0

    def __getitem__(self, key: int) -> str:
        return ""

    def __add__(self, other: Base) -> Base:
        return self

    def __radd__(self, other: Base) -> Base:
        return self

    def fluent(self: C, step: int = 1) -> C:
        """Return itself."""
        return self

    @classmethod
    def create(cls: type[C], text: str) -> C:
        return cls(text)

    @staticmethod
    def check(text: str, /) -> bool:
        return bool(text)

    @property
    def weight(self) -> float:
        """What it weighs."""
        return self._weight

    @weight.setter
    def weight(self, value: float) -> None:
        self._weight = value

    @property
    def fixed(self) -> int:
        return 1

    @functools.cached_property
    def slow(self) -> List[int]:
        return []

    def _private(self) -> None: ...


class Derived(Base):
    def extra(self, *items: int, **named: str) -> None: ...


class Box(Generic[T]):
    def get(self) -> T: ...

    def put(self, item: T) -> None: ...


class IntBox(Box[int]):
    pass


class Adder:
    """An object that is called."""

    def __call__(self, a: int, b: int = 1) -> int:
        return a + b


adder = Adder()


@overload
def pick(key: int) -> int: ...
@overload
def pick(key: str, strict: Literal[True]) -> str: ...
@overload
def pick(key: str, strict: bool = ...) -> Optional[str]: ...
def pick(key: Any, strict: bool = False) -> Any:
    """Three overloads."""
    return key


def kinds(a: int, b: str = "x", *rest: float, c: bool, d: Mode = "r", **more: Any) -> None: ...


def only(a: int, /, b: Optional[Base] = None) -> Union[Base, Color]:
    return Base("")


def defaults(
    a: float = float("inf"),
    b: Any = object(),
    c: Color = Color.RED,
    d: type = int,
    e: tuple = (1, "two", None),
    f: dict = {"k": [1.5]},
    g: bytes = b"\x00",
    h: int = -3,
) -> None: ...


def untyped(a, b=1, *args, **kwargs):
    return a


def logged(f: Callable[..., T]) -> Callable[..., T]:
    @functools.wraps(f)
    def inner(*args: Any, **kwargs: Any) -> T:
        return f(*args, **kwargs)

    return inner


@logged
def decorated(a: int, b: str = "") -> Point:
    return Point(0)


@functools.lru_cache(maxsize=None)
def cached(a: int) -> str:
    return ""


@contextlib.contextmanager
def context(a: int) -> Iterator[str]:
    yield ""


async def later(a: int) -> str:
    return ""


def takes(f: Callable[[int, str], bool], o: Options, s: Sized, p: Pair[int], j: Json, u: UserId) -> Awaitable[int]: ...


bound = adder.__call__
