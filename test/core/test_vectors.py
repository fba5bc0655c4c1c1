"""vectors.txt against cbor2: bytes that only our codec reads would be no CBOR."""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
import uuid
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

import cbor2
import pytest

# Tag of the typed array and bytes an element, as docs/wire.md and RFC 8746 have them.
DTYPES = {
    "bool": (61442, 1),
    "int8": (72, 1),
    "int16": (77, 2),
    "int32": (78, 4),
    "int64": (79, 8),
    "uint8": (64, 1),
    "uint16": (69, 2),
    "uint32": (70, 4),
    "uint64": (71, 8),
    "float16": (84, 2),
    "float32": (85, 4),
    "float64": (86, 8),
    "complex64": (61443, 8),
    "complex128": (61444, 16),
}


class Tagged:
    """A value with a tag of ours, told apart from whatever cbor2 makes of it."""

    def __init__(self, tag: int, value: Any) -> None:
        self.tag, self.value = tag, value


def array(dtype: str, shape: Tuple[int, ...], data: str) -> Tagged:
    tag, size = DTYPES[dtype]
    elements = bytes.fromhex(data)
    assert len(elements) == size * math.prod(shape)
    typed = Tagged(tag, elements)
    return typed if len(shape) == 1 else Tagged(40, [list(shape), typed])


def strided(dtype: str, shape: Tuple[int, ...], strides: Tuple[int, ...], offset: int, data: str) -> Tagged:
    memory, size = bytes.fromhex(data), DTYPES[dtype][1]

    def elements(dim: int, at: int) -> bytes:
        if dim == len(shape):
            assert 0 <= at <= len(memory) - size
            return memory[at : at + size]
        return b"".join(elements(dim + 1, at + i * strides[dim]) for i in range(shape[dim]))

    return array(dtype, shape, elements(0, offset).hex())


def zone(offset: int) -> datetime.timezone:
    return datetime.timezone(datetime.timedelta(seconds=offset))


def decimal_number(text: str) -> Any:
    number = decimal.Decimal(text)
    sign, digits, exponent = number.as_tuple()
    in_64_bits = isinstance(exponent, int) and len(digits) <= 19 and (any(digits) or not sign)
    return number if in_64_bits else Tagged(61445, text)


def moment(*parts: Any) -> Any:
    *when, fold, offset = parts
    if offset is None or fold or offset % 60:
        return Tagged(61446, list(parts))
    return datetime.datetime(*when, tzinfo=zone(offset))


def ticks(tag: int) -> Any:
    units = ["generic", "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]
    return lambda count, step, unit: Tagged(tag, [count, step, units.index(unit)])


NAMES: Dict[str, object] = {
    "__builtins__": {},
    "inf": math.inf,
    "nan": math.nan,
    "complex": complex,
    "set": lambda items: Tagged(258, items),
    "frozenset": lambda items: Tagged(61441, items),
    "object": lambda number: Tagged(39, number),
    "decimal": decimal_number,
    "fraction": lambda text: Tagged(30, [int(part) for part in text.split("/")]),
    "datetime": moment,
    "date": lambda year, month, day: Tagged(1004, datetime.date(year, month, day).isoformat()),
    "time": lambda *parts: Tagged(61447, list(parts)),
    "timedelta": lambda *parts: Tagged(61448, list(parts)),
    "uuid": lambda digits: uuid.UUID(digits),
    "enum": lambda *parts: Tagged(61449, list(parts)),
    "namedtuple": lambda *parts: Tagged(61450, list(parts)),
    "range": lambda *parts: Tagged(61451, list(parts)),
    "slice": lambda *parts: Tagged(61452, list(parts)),
    "Ellipsis": Tagged(61453, None),
    "path": lambda text: Tagged(61454, text),
    "datetime64": ticks(61455),
    "timedelta64": ticks(61456),
    "array": array,
    "strided": strided,
}


def to_cbor2(x: Any) -> Any:
    """The value as cbor2 writes it."""
    if isinstance(x, tuple):
        return cbor2.CBORTag(61440, [to_cbor2(i) for i in x])
    if isinstance(x, Tagged):
        return cbor2.CBORTag(x.tag, to_cbor2(x.value))
    if isinstance(x, list):
        return [to_cbor2(i) for i in x]
    if isinstance(x, dict):
        return {key(k): to_cbor2(v) for k, v in x.items()}
    return x


def key(x: Any) -> Any:
    if isinstance(x, Tagged):
        return cbor2.CBORTag(x.tag, tuple(x.value) if isinstance(x.value, list) else x.value)
    return cbor2.CBORTag(61440, tuple(key(i) for i in x)) if isinstance(x, tuple) else to_cbor2(x)


def normal(x: Any, ours: bool) -> Any:
    """Nested tuples of types and contents, which compare exactly: of a value (ours), or of what cbor2 read, where a
    tuple is an array, inside a tag for instance."""
    if isinstance(x, tuple) and ours:
        x = Tagged(61440, list(x))
    if isinstance(x, Tagged) and x.tag == 258 or isinstance(x, (set, frozenset)):
        items = x.value if isinstance(x, Tagged) else x
        return ("set", frozenset(normal(i, ours) for i in items))
    if isinstance(x, Tagged) and x.tag == 30:
        x = fractions.Fraction(*x.value)
    if isinstance(x, Tagged) and x.tag == 1004:
        x = datetime.date.fromisoformat(x.value)
    if isinstance(x, (Tagged, cbor2.CBORTag)) and x.tag == 61445:
        x = decimal.Decimal(x.value)
    if isinstance(x, decimal.Decimal):
        return ("decimal", x.as_tuple())
    if isinstance(x, (Tagged, cbor2.CBORTag)) and x.tag == 61446:
        return ("datetime", *x.value)
    if isinstance(x, datetime.datetime):
        offset = x.utcoffset() or datetime.timedelta()
        return ("datetime", *x.timetuple()[:6], x.microsecond, x.fold, offset // datetime.timedelta(seconds=1))
    if isinstance(x, (Tagged, cbor2.CBORTag)):
        return ("tag", x.tag, normal(x.value, ours))
    if isinstance(x, (list, tuple)):
        return ("list", *(normal(i, ours) for i in x))
    if isinstance(x, Mapping):
        return ("dict", *((normal(k, ours), normal(v, ours)) for k, v in x.items()))
    if isinstance(x, complex):
        return ("complex", normal(x.real, ours), normal(x.imag, ours))
    if isinstance(x, float):
        return ("float", "nan" if math.isnan(x) else x.hex())
    return (type(x).__name__, x)


class Vector(NamedTuple):
    line: int
    mark: str
    data: bytes
    text: str


def vectors() -> List[Vector]:
    found = []
    path = Path(__file__).with_name("vectors.txt")
    for number, line in enumerate(path.read_text("ascii").splitlines(), 1):
        if line and not line.startswith("#"):
            mark, data, text = line.split(" ", 2)
            found.append(Vector(number, mark, bytes.fromhex(data), text))
    return found


ALL = [v for v in vectors() if v.mark != "!"]
named = pytest.mark.parametrize("vector", ALL, ids=[f"line{v.line}" for v in ALL])


@named
def test_cbor2_reads(vector: Vector) -> None:
    value = eval(vector.text, dict(NAMES))
    assert normal(cbor2.loads(vector.data), ours=False) == normal(value, ours=True)


@named
def test_cbor2_writes(vector: Vector) -> None:
    written = cbor2.dumps(to_cbor2(eval(vector.text, dict(NAMES))))
    if "inf" in vector.text or "nan" in vector.text:  # cbor2 writes these with 16 bits
        written = cbor2.dumps(cbor2.loads(written))
        assert written == cbor2.dumps(cbor2.loads(vector.data))
    elif vector.mark == "<":
        assert written != vector.data
    else:
        assert written == vector.data


def test_all_kinds_are_there() -> None:
    text = "".join(v.text for v in ALL)
    assert all(f'"{dtype}"' in text for dtype in DTYPES)
    assert {v.mark for v in vectors()} == set("=<>!")
