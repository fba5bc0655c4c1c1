"""The table of docs/values.md: what each Python value is in C, and what comes back. Runs in every Python from 3.8 on.

test_table.c asks for each row's value, writes down what arrives, sends it back, and lets `sent_back` compare.
As a program, `values_table.py FILE` writes the page; with --check it only says whether it is as it would be written.
"""

# ruff: noqa: F401 (the modules are for the expressions)
import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import pathlib
import re
import sys
import types
import typing
import uuid

try:
    import numpy
except ImportError:
    numpy = None
try:
    import zoneinfo
except ImportError:
    zoneinfo = None


class Color(enum.Enum):
    RED = 1
    GREEN = "g"
    BLUE = (0, 0, 255)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Perm(enum.Flag):
    R = 4
    W = 2
    X = 1


Point = collections.namedtuple("Point", "x y")


class Pair(typing.NamedTuple):
    first: str
    second: object = None


class Marked(collections.namedtuple("Marked", "x")):
    """A namedtuple whose instances have attributes."""


@dataclasses.dataclass
class Shop:
    name: str
    stock: typing.List[int]


@dataclasses.dataclass(frozen=True)
class Coin:
    value: int


class Text(str):
    """A subclass of str."""


class Moment(datetime.datetime):
    """A subclass of datetime."""


class Later(datetime.tzinfo):
    def utcoffset(self, when: object) -> datetime.timedelta:
        return datetime.timedelta(hours=1)

    def dst(self, when: object) -> None:
        return None

    def tzname(self, when: object) -> str:
        return "later"

    def __repr__(self) -> str:
        return "Later()"


def hidden_enum() -> object:
    class Hidden(enum.Enum):
        A = 1

    return Hidden.A


def hidden_tuple() -> object:
    return collections.namedtuple("Hidden", "a")(1)


def marked() -> Marked:
    x = Marked(1)
    x.more = 2
    return x


class Row(typing.NamedTuple):
    expression: str
    value: str  # what a call's result is in C
    fetched: str = ""  # what sb_fetch makes of it; empty: the same
    back: str = ""  # what the fetched copy is in Python when it is passed; empty: the same as before
    note: str = ""
    needs: str = ""  # a module


OBJECT = "SB_OBJECT_"
TABLE = {
    "Numbers": [
        Row("None", "SB_NONE_"),
        Row("True", "SB_BOOL_ true"),
        Row("0", "SB_INT_ 0"),
        Row("2**63 - 1", "SB_INT_ 9223372036854775807"),
        Row("-2**63", "SB_INT_ -9223372036854775808"),
        Row("2**63", "SB_UINT_ 9223372036854775808"),
        Row("2**64 - 1", "SB_UINT_ 18446744073709551615"),
        Row("2**64", "SB_BIGINT_ 18446744073709551616"),
        Row("-2**63 - 1", "SB_BIGINT_ -9223372036854775809"),
        Row("10**40", "SB_BIGINT_ 1" + "0" * 40, note="up to 157,827 digits"),
        Row("1.5", "SB_FLOAT_ 1.5"),
        Row("-0.0", "SB_FLOAT_ -0"),
        Row("float('nan')", "SB_FLOAT_ nan"),
        Row("float('-inf')", "SB_FLOAT_ -inf"),
        Row("5e-324", "SB_FLOAT_ 4.94065645841247e-324"),
        Row("1.5-2j", "SB_COMPLEX_ 1.5 -2"),
        Row("decimal.Decimal('1.50')", 'SB_DECIMAL_ "1.50"', note="digits as Python's str()"),
        Row("decimal.Decimal('-0E+3')", 'SB_DECIMAL_ "-0E+3"'),
        Row("decimal.Decimal('1E-10')", 'SB_DECIMAL_ "1E-10"'),
        Row("decimal.Decimal('12345678901234567890.123')", 'SB_DECIMAL_ "12345678901234567890.123"'),
        Row("decimal.Decimal('-Infinity')", 'SB_DECIMAL_ "-Infinity"'),
        Row("decimal.Decimal('sNaN12')", 'SB_DECIMAL_ "sNaN12"'),
        Row("fractions.Fraction(22, 7)", 'SB_FRACTION_ "22/7"'),
        Row("fractions.Fraction(-3)", 'SB_FRACTION_ "-3/1"'),
        Row("fractions.Fraction(2**70, 3)", 'SB_FRACTION_ "1180591620717411303424/3"'),
    ],
    "Text and bytes": [
        Row("''", 'SB_STR_ ""'),
        Row("'a\\0b'", 'SB_STR_ "a\\x00b"', note="NULs are text"),
        Row("'\\u00e4\\u20ac\\U0001f40d'", 'SB_STR_ "\u00e4\u20ac\U0001f40d"', note="UTF-8"),
        Row("'\\U0010ffff\\uffff'", 'SB_STR_ "\U0010ffff\uffff"'),
        Row("b''", 'SB_BYTES_ ""'),
        Row("b'a\\0\\xff'", 'SB_BYTES_ "a\\x00\\xff"'),
        Row("bytearray(b'ab')", OBJECT, 'SB_BYTES_ "ab"', "b'ab'"),
        Row("memoryview(b'ab')", OBJECT, "SB_ARRAY_ uint8[2] 6162", "numbers([97, 98])"),
        Row("memoryview(b'abcd')[::2]", OBJECT, "SB_ARRAY_ uint8[2] 6163", "numbers([97, 99])"),
        Row("memoryview(b'ab').cast('c')", OBJECT, 'SB_BYTES_ "ab"', "b'ab'", note="a format that is no number"),
        Row("array.array('h', [1, -1])", OBJECT, "SB_ARRAY_ int16[2] 0100ffff", "numbers([1, -1])"),
        Row("Text('a')", OBJECT, 'SB_STR_ "a"', "'a'", note="subclasses stay objects until fetched"),
    ],
    "Containers": [
        Row("[]", OBJECT, "SB_LIST_ []"),
        Row("[1, 'a', [None]]", OBJECT, 'SB_LIST_ [SB_INT_ 1, SB_STR_ "a", SB_LIST_ [SB_NONE_]]'),
        Row("()", "SB_TUPLE_ []"),
        Row("(1, ('a', ()))", 'SB_TUPLE_ [SB_INT_ 1, SB_TUPLE_ [SB_STR_ "a", SB_TUPLE_ []]]'),
        Row(
            "(1, [2])",
            "SB_TUPLE_ [SB_INT_ 1, SB_OBJECT_]",
            "SB_TUPLE_ [SB_INT_ 1, SB_LIST_ [SB_INT_ 2]]",
            note="the rest of a container stays values",
        ),
        Row("{}", OBJECT, "SB_DICT_ []"),
        Row(
            "{'b': 1, 'a': [2]}",
            OBJECT,
            'SB_DICT_ [SB_STR_ "b": SB_INT_ 1, SB_STR_ "a": SB_LIST_ [SB_INT_ 2]]',
            note="in order",
        ),
        Row(
            "{None: 1, (1, 'a'): 2, 1.5: 3, b'k': 4, frozenset([5]): 6}",
            OBJECT,
            'SB_DICT_ [SB_NONE_: SB_INT_ 1, SB_TUPLE_ [SB_INT_ 1, SB_STR_ "a"]: SB_INT_ 2, SB_FLOAT_ 1.5: SB_INT_ 3, '
            'SB_BYTES_ "k": SB_INT_ 4, SB_FROZENSET_ [SB_INT_ 5]: SB_INT_ 6]',
            note="any hashable key",
        ),
        Row(
            "{datetime.date(2024, 1, 2): Color.RED}",
            OBJECT,
            'SB_DICT_ [SB_DATE_ 2024-01-02: SB_ENUM_ [SB_INT_ 1, SB_STR_ "RED", SB_STR_ "values_table:Color"]]',
        ),
        Row("{1, }", OBJECT, "SB_SET_ [SB_INT_ 1]"),
        Row("set()", OBJECT, "SB_SET_ []"),
        Row("frozenset(['a'])", 'SB_FROZENSET_ [SB_STR_ "a"]'),
        Row("[len, 1]", OBJECT, "SB_LIST_ [SB_OBJECT_, SB_INT_ 1]", note="what has no C form stays an object"),
        Row("{'a': object}", OBJECT, 'SB_DICT_ [SB_STR_ "a": SB_OBJECT_]'),
        Row("range(0, 10, 3)", "SB_RANGE_ [SB_INT_ 0, SB_INT_ 10, SB_INT_ 3]"),
        Row("range(2**64, 0, -1)", "SB_RANGE_ [SB_BIGINT_ 18446744073709551616, SB_INT_ 0, SB_INT_ -1]"),
        Row("slice(1, None, -1)", "SB_SLICE_ [SB_INT_ 1, SB_NONE_, SB_INT_ -1]"),
        Row("...", "SB_ELLIPSIS_"),
        Row(
            "collections.Counter('aab')",
            OBJECT,
            'SB_DICT_ [SB_STR_ "a": SB_INT_ 2, SB_STR_ "b": SB_INT_ 1]',
            "{'a': 2, 'b': 1}",
        ),
        Row("collections.OrderedDict(a=1)", OBJECT, 'SB_DICT_ [SB_STR_ "a": SB_INT_ 1]', "{'a': 1}"),
        Row("collections.defaultdict(list, a=1)", OBJECT, 'SB_DICT_ [SB_STR_ "a": SB_INT_ 1]', "{'a': 1}"),
        Row("collections.deque([1, 2])", OBJECT, "SB_LIST_ [SB_INT_ 1, SB_INT_ 2]", "[1, 2]"),
        Row("{'a': 1}.keys()", OBJECT, 'SB_LIST_ [SB_STR_ "a"]', "['a']"),
        Row("{'a': 1}.values()", OBJECT, "SB_LIST_ [SB_INT_ 1]", "[1]"),
        Row("{'a': 1}.items()", OBJECT, 'SB_LIST_ [SB_TUPLE_ [SB_STR_ "a", SB_INT_ 1]]', "[('a', 1)]"),
    ],
    "Classes": [
        Row(
            "Point(1, [2])",
            'SB_NAMEDTUPLE_ [SB_INT_ 1, SB_OBJECT_; SB_STR_ "x", SB_STR_ "y", SB_STR_ "values_table:Point"]',
            'SB_NAMEDTUPLE_ [SB_INT_ 1, SB_LIST_ [SB_INT_ 2]; SB_STR_ "x", SB_STR_ "y", SB_STR_ "values_table:Point"]',
            note="`sb_get` by the field's name, `sb_nth`, `sb_count`",
        ),
        Row(
            "Pair('a')",
            'SB_NAMEDTUPLE_ [SB_STR_ "a", SB_NONE_; SB_STR_ "first", SB_STR_ "second", SB_STR_ "values_table:Pair"]',
        ),
        Row(
            "hidden_tuple()",
            OBJECT,
            "SB_TUPLE_ [SB_INT_ 1]",
            "(1,)",
            note="a class that is not found again by its name",
        ),
        Row("marked()", OBJECT, "SB_TUPLE_ [SB_INT_ 1]", "(1,)", note="with attributes of its own"),
        Row(
            "Color.RED",
            'SB_ENUM_ [SB_INT_ 1, SB_STR_ "RED", SB_STR_ "values_table:Color"]',
            note="`sb_as_int` and the like give the value",
        ),
        Row("Color.GREEN", 'SB_ENUM_ [SB_STR_ "g", SB_STR_ "GREEN", SB_STR_ "values_table:Color"]'),
        Row(
            "Color.BLUE",
            'SB_ENUM_ [SB_TUPLE_ [SB_INT_ 0, SB_INT_ 0, SB_INT_ 255], SB_STR_ "BLUE", SB_STR_ "values_table:Color"]',
        ),
        Row("Level.HIGH", 'SB_ENUM_ [SB_INT_ 2, SB_STR_ "HIGH", SB_STR_ "values_table:Level"]'),
        Row("Perm.R", 'SB_ENUM_ [SB_INT_ 4, SB_STR_ "R", SB_STR_ "values_table:Perm"]'),
        Row(
            "Perm.R | Perm.X",
            'SB_ENUM_ [SB_INT_ 5, *, SB_STR_ "values_table:Perm"]',
            note="flags together: the name is Python's (None before 3.11)",
        ),
        Row("hidden_enum()", OBJECT),
        Row(
            "Shop('a', [1])",
            OBJECT,
            'SB_DICT_ [SB_STR_ "name": SB_STR_ "a", SB_STR_ "stock": SB_LIST_ [SB_INT_ 1]]',
            "{'name': 'a', 'stock': [1]}",
        ),
        Row("Coin(5)", OBJECT, 'SB_DICT_ [SB_STR_ "value": SB_INT_ 5]', "{'value': 5}"),
        Row("Coin", OBJECT, note="classes, functions, modules, and what else there is"),
        Row("types.SimpleNamespace(a=1)", OBJECT),
    ],
    "Dates and times": [
        Row("datetime.datetime(2024, 2, 29, 23, 59, 58, 1)", "SB_DATETIME_ 2024-02-29 23:59:58.000001 naive"),
        Row("datetime.datetime(2024, 10, 27, 2, 30, fold=1)", "SB_DATETIME_ 2024-10-27 02:30:00.000000 naive fold"),
        Row(
            "datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)", "SB_DATETIME_ 2024-01-01 00:00:00.000000 +0"
        ),
        Row(
            "datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)))",
            "SB_DATETIME_ 2024-01-01 00:00:00.000000 -12600",
        ),
        Row(
            "datetime.datetime(1900, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(seconds=1172)))",
            "SB_DATETIME_ 1900-01-01 00:00:00.000000 +1172",
        ),
        Row(
            "datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(0), 'GMT'))",
            OBJECT,
            note="a zone with a name; `sb_as_datetime` takes it",
        ),
        Row("datetime.datetime(2024, 1, 1, tzinfo=Later())", OBJECT),
        Row("datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))", OBJECT, needs="zoneinfo"),
        Row("Moment(2024, 1, 1)", OBJECT, note="subclasses, as pandas.Timestamp is"),
        Row("datetime.date(1, 1, 1)", "SB_DATE_ 0001-01-01"),
        Row("datetime.date(9999, 12, 31)", "SB_DATE_ 9999-12-31"),
        Row("datetime.time(23, 59, 59, 999999)", "SB_TIME_ 23:59:59.999999 naive"),
        Row("datetime.time(1, fold=1, tzinfo=datetime.timezone.utc)", "SB_TIME_ 01:00:00.000000 +0 fold"),
        Row("datetime.timedelta(microseconds=-1)", "SB_TIMEDELTA_ -1 86399 999999"),
        Row("datetime.timedelta.max", "SB_TIMEDELTA_ 999999999 86399 999999"),
        Row("datetime.timezone.utc", OBJECT),
    ],
    "UUIDs and paths": [
        Row(
            "uuid.UUID(int=2**127)",
            "SB_UUID_ 80000000000000000000000000000000",
            note="its 16 bytes: `is_safe` is not among them",
        ),
        Row("pathlib.Path('/tmp/\\u00e4')", 'SB_PATH_ "/tmp/\u00e4"'),
        Row("pathlib.Path()", 'SB_PATH_ "."'),
        Row("pathlib.PurePosixPath('a')", OBJECT, note="only what pathlib.Path() makes is a value"),
        Row("pathlib.Path('a\\udcff')", OBJECT, note="a name that is no UTF-8"),
        Row("re.compile('a')", OBJECT),
    ],
    "NumPy": [
        Row("numpy.float64(1.5)", "SB_FLOAT_ 1.5", "", "1.5", "scalars come as the value of their kind", "numpy"),
        Row("numpy.float32(0.1)", "SB_FLOAT_ 0.100000001490116", "", "0.10000000149011612", "exactly", "numpy"),
        Row("numpy.float16(1.5)", "SB_FLOAT_ 1.5", "", "1.5", "", "numpy"),
        Row("numpy.int8(-1)", "SB_INT_ -1", "", "-1", "", "numpy"),
        Row("numpy.uint64(2**64 - 1)", "SB_UINT_ 18446744073709551615", "", "2**64 - 1", "", "numpy"),
        Row("numpy.bool_(True)", "SB_BOOL_ true", "", "True", "", "numpy"),
        Row("numpy.complex64(1 + 2j)", "SB_COMPLEX_ 1 2", "", "1 + 2j", "", "numpy"),
        Row("numpy.str_('a')", 'SB_STR_ "a"', "", "'a'", "", "numpy"),
        Row("numpy.bytes_(b'a')", 'SB_BYTES_ "a"', "", "b'a'", "", "numpy"),
        Row("numpy.longdouble(1)", OBJECT, needs="numpy", note="more than a double"),
        Row("numpy.datetime64('2024-01-01')", "SB_DATETIME64_ 19723 1 D", needs="numpy"),
        Row(
            "numpy.datetime64('2024-01-01T00:00:00.5', 'ns')", "SB_DATETIME64_ 1704067200500000000 1 ns", needs="numpy"
        ),
        Row("numpy.datetime64(7, '25us')", "SB_DATETIME64_ 7 25 us", needs="numpy"),
        Row("numpy.datetime64('NaT')", "SB_DATETIME64_ NaT 1 generic", needs="numpy"),
        Row("numpy.datetime64('NaT', 's')", "SB_DATETIME64_ NaT 1 s", needs="numpy"),
        Row("numpy.timedelta64(-5, 'M')", "SB_TIMEDELTA64_ -5 1 M", needs="numpy"),
        Row("numpy.timedelta64(5)", "SB_TIMEDELTA64_ 5 1 generic", needs="numpy"),
        Row("numpy.array([1, 2], 'i2')", OBJECT, "SB_ARRAY_ int16[2] 01000200", "numbers([1, 2])", needs="numpy"),
        Row("numpy.array([None])", OBJECT, needs="numpy", note="of objects: no numbers"),
        Row("numpy.zeros(1, 'i4,f4')[0]", OBJECT, needs="numpy"),
    ],
}
ROWS = [row for rows in TABLE.values() for row in rows if not row.needs or globals()[row.needs] is not None]
made = {}


class numbers:
    """Equal to whatever has these numbers in order: an ndarray, or a memoryview where there is no NumPy."""

    def __init__(self, items: typing.List[object]) -> None:
        self.items = items


def count() -> int:
    return len(ROWS)


def expression(i: int) -> str:
    return ROWS[i].expression


def arrives(i: int) -> str:
    return ROWS[i].value


def is_fetched(i: int) -> str:
    return ROWS[i].fetched or ROWS[i].value


def make(i: int) -> object:
    made[i] = eval(ROWS[i].expression, globals())
    return made[i]


def alike(a: object, b: object) -> bool:
    """Whether they are of the same types, and of the same values down to signs of zeros."""
    if isinstance(a, numbers):
        return b.tolist() == a.items
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(map(alike, a, b)) and all(map(alike, a.values(), b.values()))
    if isinstance(a, (set, frozenset)):
        return sorted(map(repr, a)) == sorted(map(repr, b))
    return a is b or repr(a) == repr(b)


def sent_back(i: int, x: object, fetched: bool) -> str:
    """What is wrong with what came back, or nothing."""
    row, due = ROWS[i], made[i]
    if row.back and (fetched or row.value != OBJECT):
        due = eval(row.back, globals())
    elif (row.value if not fetched else row.fetched or row.value) == OBJECT and x is not due:
        return "another object"
    return "" if alike(due, x) else "%s came back as %s %r" % (row.expression, type(x).__name__, x)


def forget() -> None:
    made.clear()


HEAD = """# Values

What each Python value is in C, and what it is again when it is passed back: generated from the list that the tests use,
each cell of which is tested over both transports (test/values). `sb_fetch` makes of an object what its column says; an
empty cell is what the call's result is already. Passed back, a call's result is what it was, type and all; a fetched
copy is what the last column says, or, where it is empty, equal to what it was and of the same type.

- Immutable data is a value. Mutable and unknown things are objects (SB_OBJECT_), and so are values that their C form
  would not hold exactly.
- A str with a lone surrogate is no text in C: UnicodeEncodeError, with its place. An int of more than 157,827 digits,
  what is nested more than 500 deep, and what contains itself are refused with their place, too: `x['a'][3] is x['a']`.
- `sb_as_datetime`, `sb_as_date`, `sb_as_time` and `sb_as_timedelta` ask whatever is such a thing: subclasses, all time
  zones (they become their offset), NumPy's datetime64; what does not fit exactly is SB_E_RANGE.
"""


def page() -> str:
    lines = [HEAD]
    for title, rows in TABLE.items():
        lines += ["## " + title, "| Python | a call's result | `sb_fetch` | passed back | |", "|---|---|---|---|---|"]
        for row in rows:
            cells = ["`%s`" % row.expression, "`%s`" % row.value]
            cells += ["`%s`" % cell if cell else "" for cell in (row.fetched, row.back)] + [row.note]
            lines.append("| %s |" % " | ".join(cell.replace("|", "\\|") for cell in cells))
        lines.append("")
    return "\n".join(lines)


def main(arguments: typing.List[str]) -> int:
    path = pathlib.Path(arguments[-1])
    if arguments[:-1] == ["--check"]:
        return 0 if path.read_text("utf-8") == page() else 1
    path.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
