"""What the programs stream from, and pass functions to."""

from __future__ import annotations

import time
from typing import Callable, Iterator, List


def rows(n: int = 3) -> Iterator[List[str]]:
    """Rows of cells, and a word when nobody wants more of them."""
    try:
        for i in range(n):
            yield ["r%d" % i, "c%d" % i]
    finally:
        print("rows: closed")


def integrate(f: Callable[[float], float], a: float, b: float, *, steps: int = 1000) -> float:
    """The integral of f, by midpoints."""
    width = (b - a) / steps
    return width * sum(f(a + (i + 0.5) * width) for i in range(steps))


def longest(words: List[str], *, size: Callable[[str], int] | None = None) -> str:
    """The word of the greatest size; its length, unless something else is asked for."""
    return max(words, key=size or len)


def forever() -> None:
    """Ends when it is cancelled."""
    while True:
        time.sleep(0.01)
