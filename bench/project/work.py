"""What the benchmarks call."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    import numpy
    import pandas


class Thing:
    """An object that stays in Python."""


def thing() -> Thing:
    return Thing()


def same(x: Thing) -> Thing:
    return x


def same_or_none(x: Thing) -> Thing | None:
    return x


def place(a: float, b: float, c: int, *, scale: float = 1.0, offset: int = 0) -> float:
    return a


def ignore(x: object) -> None:
    """Take an array, and leave it alone."""


def floats() -> list[float]:
    return [i / 7 for i in range(1_000_000)]


_text = ""


def document() -> object:
    """Load the JSON document of megabytes that altair ships."""
    import json

    global _text
    if not _text:
        import importlib.util
        from pathlib import Path

        where = importlib.util.find_spec("altair")
        assert where is not None and where.origin is not None
        (path,) = Path(where.origin).parent.glob("vegalite/*/schema/vega-lite-schema.json")
        _text = path.read_text("utf-8")
    return json.loads(_text)


def frame() -> pandas.DataFrame:
    import pandas

    return pandas.DataFrame({"a": range(100), "b": [i / 7 for i in range(100)]})


def array() -> numpy.ndarray:
    import numpy

    return numpy.arange(20.0).reshape(4, 5)
