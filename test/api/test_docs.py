"""The C of docs/: each block compiles without a warning, and runs."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import COMPILERS, HERE, LIBRARY, RUN, SANITIZE, SOURCE, Compiler

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
# A block that is no program is a part of one that has these.
AROUND = """#include <snakebridge.h>
#include "py/builtins.h"
#include "py/pandas.h"
int main(void)
{{
    sb_session *py = sb_open();
    const char *path = "missing.csv", *names[] = {{ "shops.csv", "shops.csv" }};
    const size_t n = 2;
    int64_t rows = 0;
    (void)path, (void)names, (void)n;
    {{
{block}
    }}
    printf("%lld\\n", (long long)rows);
    return sb_close(py);
}}
"""


def blocks() -> list[tuple[str, str]]:
    found = []
    for path in sorted((SOURCE / "docs").glob("*.md")):
        for n, block in enumerate(re.findall(r"^```c\n(.*?)^```$", path.read_text(), re.M | re.S)):
            found.append((f"{path.stem}-{n}", block if "int main" in block else AROUND.format(block=block)))
    return found


BLOCKS = blocks()
OUTPUT = {"manual-0": "2 things\n", "manual-1": "0\n", "manual-2": "6\n", "manual-3": "4\n"}  # of what prints


@pytest.mark.parametrize("compiler", COMPILERS, ids=lambda c: c.name)
@pytest.mark.parametrize("name", [name for name, _ in BLOCKS])
def test_block(name: str, compiler: Compiler, tmp_path: pathlib.Path, bindings: pathlib.Path) -> None:
    source, program = tmp_path / "main.c", tmp_path / "main"
    source.write_text(dict(BLOCKS)[name])
    libraries = [f"-L{LIBRARY}", f"-Wl,-rpath,{LIBRARY}", "-lsnakebridge"]
    done = compiler.run(source, *WARNINGS, *SANITIZE, "-o", str(program), libraries=libraries)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    for file in (HERE / "programs" / "data").iterdir():
        shutil.copy(file, tmp_path)
    env = {**os.environ, **RUN}
    ran = subprocess.run(
        [str(program)], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout and OUTPUT.get(name, ran.stdout) == ran.stdout


def test_there_are_some() -> None:
    assert len(BLOCKS) >= 3 and set(OUTPUT) <= {name for name, _ in BLOCKS}
