"""What compilers say to common mistakes: the cases of diagnostics.txt, against the headers of pandas and NumPy.

All mistakes are compiled in one run a compiler and set of flags; #line tells their messages apart.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import re
import sys

import pytest

from conftest import COMPILERS, HERE, SOURCE, Compiler

MANUAL = SOURCE / "docs" / "manual.md"
PREFACE = """#include <snakebridge.h>
#include "py/app.h"
#include "py/math.h"
#include "py/numpy/linalg.h"
#include "py/pandas.h"
#include "py/pathlib.h"
"""
FUNCTION = """
void f{n}(sb_session *, pandas_DataFrame, pandas_Series, numpy_ndarray, py_pathlib_Path, const char *);
void f{n}(sb_session *py, pandas_DataFrame df, pandas_Series series, numpy_ndarray array, py_pathlib_Path path,
          const char *text)
{{
    (void)py, (void)df, (void)series, (void)array, (void)path, (void)text;
#line {n} "mistake"
{code}
#line 1 "between"
}}
"""
FIRST = 1000  # the number of the first mistake, and its line


@dataclasses.dataclass(frozen=True)
class Expected:
    default: str
    init: str
    text: str


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    code: str
    expected: dict[str, Expected]


def read_cases(path: pathlib.Path = HERE / "diagnostics.txt") -> list[Case]:
    cases = []
    for block in path.read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if not lines:
            continue
        expected = {}
        for line in lines[2:]:
            compiler, rest = line.split(": ", 1)
            verdicts, _, text = rest.partition(": ")
            default, _, init = verdicts.partition(" -> ")
            expected[compiler] = Expected(default, init or default, text)
        cases.append(Case(lines[0], lines[1].strip(), expected))
    return cases


CASES = read_cases()


@functools.cache
def messages(
    compiler: Compiler, init: bool, folder: pathlib.Path, strict: bool = False
) -> dict[int, list[tuple[str, str]]]:
    """The messages of one run: (error or warning, text) by the number of the mistake."""
    source = folder / "mistakes.c"
    source.write_text(PREFACE + "".join(FUNCTION.format(n=FIRST + n, code=case.code) for n, case in enumerate(CASES)))
    limit = "-ferror-limit=0" if "clang" in compiler.name else "-fmax-errors=0"
    flags = (compiler.init if init else []) + (["-DSB_STRICT"] if strict else [])
    done = compiler.run(source, "-fsyntax-only", limit, "-fno-caret-diagnostics" if "clang" in limit else limit, *flags)
    found: dict[int, list[tuple[str, str]]] = {}
    for line in done.stderr.splitlines():
        message = re.match(r"mistake:(\d+):\d+: (?:fatal )?(error|warning): (.*)", line)
        if message:
            found.setdefault(int(message[1]) - FIRST, []).append((message[2], message[3]))
        else:
            # Elsewhere may be what follows from a mistake, in the expansion of a macro, but no mistake of its own.
            assert not re.match(r"between:.*(error|warning):", line), done.stderr
    return found


def verdict(found: list[tuple[str, str]], text: str) -> str:
    """What the compiler makes of a mistake: the severity of the message with the text."""
    for severity, message in found:
        if text and text in message:
            return severity
    return "silent" if not found else f"other messages: {found}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, bindings: pathlib.Path) -> pathlib.Path:
    return tmp_path_factory.mktemp("diagnostics")


@pytest.mark.parametrize("compiler", COMPILERS, ids=lambda c: c.name)
@pytest.mark.parametrize("n", range(len(CASES)), ids=[case.name for case in CASES])
def test_mistake(compiler: Compiler, n: int, folder: pathlib.Path) -> None:
    expected = CASES[n].expected[compiler.name]
    default = messages(compiler, False, folder).get(n, [])
    assert verdict(default, expected.text) == expected.default, default
    if not compiler.cxx:
        init = messages(compiler, True, folder).get(n, [])
        assert verdict(init, expected.text) == expected.init, init


@pytest.mark.parametrize("compiler", [c for c in COMPILERS if not c.cxx], ids=lambda c: c.name)
def test_strict(compiler: Compiler, folder: pathlib.Path) -> None:
    """SB_STRICT makes errors of what init's flags make errors of, and of nothing else."""
    found = messages(compiler, False, folder, strict=True)
    risen = 0
    for n, case in enumerate(CASES):
        expected = case.expected[compiler.name]
        rises = (expected.default, expected.init) == ("warning", "error")
        risen += rises
        assert verdict(found.get(n, []), expected.text) == ("error" if rises else expected.default), case.name
    assert risen >= 3


def table() -> str:
    """The cases as the manual has them."""
    rows = ["| mistake | gcc | clang | g++ | clang++ | gcc says |", "|---|---|---|---|---|---|"]
    for case in CASES:
        code = case.code if len(case.code) < 90 else case.code[:20] + " ..."
        cells = []
        for name in ("gcc", "clang", "g++", "clang++"):
            e = case.expected[name]
            cells.append(e.default if e.default == e.init else f"{e.default}, {e.init} with init's flags")
        said = case.expected["gcc"].text.replace("|", "\\|")
        rows.append(
            f"| {case.name}: `{code}` | ".replace(" | DataFrame", " \\| DataFrame") + " | ".join(cells) + f" | {said} |"
        )
    return "\n".join(rows) + "\n"


def test_manual() -> None:
    """docs/manual.md has this table; `python test/api/test_diagnostics.py --update` writes it anew."""
    assert table() in MANUAL.read_text()


if __name__ == "__main__" and "--update" in sys.argv:
    start, end = "| mistake |", "\n\n"
    manual = MANUAL.read_text()
    at = manual.index(start)
    stop = manual.index(end, at) + 1
    MANUAL.write_text(manual[:at] + table() + manual[stop:])
