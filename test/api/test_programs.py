"""The programs of programs/: compiled as C and as C++, linked shared and static, run over both transports."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import BUILD, COMPILERS, HERE, LIBRARY, RUN, SANITIZE, Compiler

PROGRAMS = HERE / "programs"
NAMES = sorted(p.stem for p in PROGRAMS.glob("*.c"))
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LINKS = {
    "shared": [f"-L{LIBRARY}", f"-Wl,-rpath,{LIBRARY}", "-lsnakebridge"],
    "static": [str(LIBRARY / "libsnakebridge.a"), "-lpthread", "-ldl", "-lm"],
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, bindings: pathlib.Path) -> dict[tuple[str, str], pathlib.Path]:
    return {}


def build(
    compiler: Compiler, name: str, built: dict[tuple[str, str], pathlib.Path], folder: pathlib.Path
) -> pathlib.Path:
    key = (compiler.name, name)
    if key not in built:
        program = folder / name
        link = "static" if compiler.name == "clang" else "shared"
        more = [] if compiler.cxx else ["-Wconversion", "-Wshadow"]
        done = compiler.run(
            PROGRAMS / f"{name}.c", *STRICT, *more, *SANITIZE, "-g", "-o", str(program), libraries=LINKS[link]
        )
        assert done.returncode == 0 and not done.stderr, done.stderr
        built[key] = program
    return built[key]


@pytest.mark.parametrize("transport", ["worker", "inprocess"])
@pytest.mark.parametrize("compiler", COMPILERS, ids=lambda c: c.name)
@pytest.mark.parametrize("name", NAMES)
def test_program(
    name: str,
    compiler: Compiler,
    transport: str,
    built: dict[tuple[str, str], pathlib.Path],
    tmp_path: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    program = build(compiler, name, built, tmp_path_factory.mktemp("programs"))
    data = tmp_path / "data"
    shutil.copytree(PROGRAMS / "data", data)
    before = sorted(p.name for p in data.iterdir())
    expected = (PROGRAMS / f"{name}.out").read_text()
    env = {**os.environ, "SNAKEBRIDGE_TRANSPORT": transport, **RUN}
    done = subprocess.run(
        [str(BUILD / "test" / "api" / "left"), str(program)],
        cwd=data,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == expected, done.stderr
    if name == "p3_script":  # ends at its first error
        assert done.returncode == 1
        first = done.stderr.splitlines()[0]
        assert "p3_script.c:" in first and "json.loads: json.decoder.JSONDecodeError: Expecting property name" in first
        assert "Traceback (most recent call last):" in done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, "")
    assert sorted(p.name for p in data.iterdir()) == before
