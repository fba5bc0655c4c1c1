"""What test_made.c asks of Python, besides the table."""

import datetime
import decimal
import typing

try:
    import zoneinfo
except ImportError:
    zoneinfo = None

import values_table


def equal(expression: str, x: object) -> str:
    """What is wrong with a value that C made, or nothing."""
    due = eval(expression, vars(values_table))
    return "" if values_table.alike(due, x) else "%s was made as %s %r" % (expression, type(x).__name__, x)


def evaluate(expression: str) -> object:
    return eval(expression, vars(values_table))


def berlin() -> object:
    return datetime.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")) if zoneinfo else None


class Stamp(datetime.datetime):
    """As pandas.Timestamp: with nanoseconds."""

    nanosecond = 7


def stamp() -> datetime.datetime:
    return Stamp(2024, 1, 1)


class HalfSecond(datetime.tzinfo):
    def utcoffset(self, when: object) -> datetime.timedelta:
        return datetime.timedelta(milliseconds=500)


def half_second() -> datetime.datetime:
    return datetime.datetime(2024, 1, 1, tzinfo=HalfSecond())


def cycle(kind: str) -> object:
    if kind == "dict":
        x: typing.Dict[str, object] = {"a": [1, 2, 3]}
        typing.cast(list, x["a"])[2] = {"b": x["a"]}
        return x
    if kind == "shop":
        shop = values_table.Shop("a", [])
        typing.cast(list, shop.stock).append((1, shop))
        return shop
    deque = values_table.collections.deque([1])
    deque.append([deque])
    return deque


def not_text() -> object:
    return {"a": [1, ("b", "\udcff")]}


def large() -> object:
    return {"a": [1 << 600000]}


class Liar:
    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")


def liars() -> object:
    return {Liar(): 1}


def keys() -> object:
    day = datetime.date(2024, 1, 1)
    return {decimal.Decimal("1"): "one", day: "day", values_table.Level.HIGH: "high", 2.5: "float", (1, day): "pair"}
