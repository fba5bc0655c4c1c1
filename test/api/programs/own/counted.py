"""A module of the project's own, which macros.c calls."""

from __future__ import annotations


class Counted:
    """Objects that know how many they are."""

    count = 0

    def __init__(self) -> None:
        Counted.count += 1

    def __del__(self) -> None:
        Counted.count -= 1


def alive() -> int:
    return Counted.count


def show(text: str, sep: str = ",", n: int = 5, flag: bool = True, alpha: float = 0.5, other: object = None) -> str:
    """What arrived."""
    return f"{text} {sep} {n} {flag} {alpha} {other}"
