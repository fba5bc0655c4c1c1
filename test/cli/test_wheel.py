"""A new user's way: the wheel, `uv tool install` into an empty home, init, uv add, build with CMake and with make."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import zipfile

import pytest
from conftest import SOURCE, Run, lines


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        + ["--no-build-isolation", "--no-deps", "--wheel-dir", str(folder), str(SOURCE)],
        check=True,
        timeout=600,
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture
def tool(wheel: pathlib.Path, home: pathlib.Path, run: Run, env: dict[str, str]) -> pathlib.Path:
    """Installs the wheel; its command comes first in PATH, and the build's is not in it."""
    env["PATH"] = f"{home}/.local/bin:{home}/bin:/usr/bin:/bin"
    run("uv", "tool", "install", "--quiet", wheel)
    command = home / ".local" / "bin" / "snakebridge"
    assert command.exists()
    return command


def test_what_is_in_the_wheel(wheel: pathlib.Path) -> None:
    assert wheel.name == "snakebridge-0.1.0-py3-none-linux_x86_64.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read("snakebridge-0.1.0.dist-info/METADATA").decode()
    prefix = "snakebridge/prefix/"
    for name in (
        "snakebridge-0.1.0.data/scripts/snakebridge",
        "snakebridge/probe.py",
        "snakebridge/tool.py",
        prefix + "include/snakebridge.h",
        prefix + "include/snakebridge_gen.h",
        prefix + "lib/libsnakebridge.a",
        prefix + "lib/libsnakebridge.so",
        prefix + "lib/snakebridge/engine.abi3.so",
        prefix + "lib/cmake/snakebridge/snakebridgeConfig.cmake",
        prefix + "lib/pkgconfig/snakebridge.pc",
    ):
        assert name in names
    assert not [n for n in names if "__pycache__" in n or n.endswith((".o", ".pyc"))]
    for line in (
        "License-Expression: MIT",
        "Requires-Python: >=3.11",
        "Requires-Dist: uv",
        "Requires-Dist: mypy==2.4.1",
    ):
        assert line in metadata.splitlines()


def expected(text: str) -> None:
    assert '"root": 1.414213562373095' in text and '"pi": 3.14159' in text


def test_new_user_with_cmake(tool: pathlib.Path, run: Run, work: pathlib.Path) -> None:
    assert run("snakebridge", "--version").stdout == "snakebridge 0.1.0\n"
    run("snakebridge", "init")
    run("uv", "add", "--quiet", "numpy", "pandas")
    run("cmake", "-B", "build")
    run("cmake", "--build", "build")
    expected(run("build/main").stdout)
    assert "WRONG" not in run("snakebridge", "doctor").stdout
    # The same program over the other transport.
    expected(run("build/main", extra={"SNAKEBRIDGE_TRANSPORT": "inprocess"}).stdout)

    # At rest: nothing is generated and nothing compiled.
    done = run(
        "cmake",
        "--build",
        "build",
        "--",
        "--quiet" if (work / "build/build.ninja").exists() else "-s",
    )
    assert "Binding" not in done.stdout and "main.c" not in done.stdout
    # main.c alone: compiled, not generated.
    source = work / "main.c"
    source.write_text(source.read_text() + "\n")
    done = run("cmake", "--build", "build")
    assert "Binding" not in done.stdout and "main.c" in done.stdout
    # pyproject.toml: generated; a header that main.c does not include changes nothing for it.
    toml = work / "pyproject.toml"
    toml.write_text(toml.read_text().replace('"math"]', '"math", "re"]'))
    done = run("cmake", "--build", "build")
    assert "Binding" in done.stdout
    assert (work / "build/snakebridge/py/re.h").exists()
    # The libraries of uv add are typed, and used from C.
    source.write_text(
        """#include <snakebridge.h>
#include "py/numpy.h"
#include "py/pandas.h"
int main(void)
{
    sb_session *py = sb_open();
    double m[3] = { 1, 2, 6 };
    sb_array a = SB_ARRAY(m, 3);
    printf("%g\\n", sb_as_double(py, numpy_mean(py, &a)));
    puts(sb_to_str(py, pandas_DataFrame_new(py, .data = SB_DICT(py, "a", SB_LIST(py, 1, 2)))).ptr);
    return sb_close(py);
}
"""
    )
    run("cmake", "--build", "build")
    assert lines(run("build/main").stdout) == ["3", "   a", "0  1", "1  2"]
    # A wrong type does not compile.
    source.write_text(
        '#include <snakebridge.h>\n#include "py/math.h"\n'
        'int main(void) { sb_session *py = sb_open(); py_math_sqrt(py, "2"); return sb_close(py); }\n'
    )
    done = run("cmake", "--build", "build", code=2 if (work / "build/Makefile").exists() else 1)
    assert re.search(r"incompatible type for argument 2 of .py_math_sqrt", done.stdout + done.stderr)


def test_new_user_with_make(tool: pathlib.Path, run: Run, work: pathlib.Path) -> None:
    run("snakebridge", "init", "--make")
    run("uv", "add", "--quiet", "numpy", "pandas")
    run("make")
    expected(run("build/main").stdout)
    done = run("make")
    assert "snakebridge generate" not in done.stdout and "-o build/main" not in done.stdout
    source = work / "main.c"
    source.write_text(source.read_text().replace("2.0", "4.0"))
    done = run("make")
    assert "snakebridge generate" not in done.stdout and "-o build/main" in done.stdout
    assert '"root": 2.0' in run("build/main").stdout
    toml = work / "pyproject.toml"
    toml.write_text(toml.read_text().replace('"math"]', '"math", "re"]'))
    done = run("make")
    assert "snakebridge generate" in done.stdout and "-o build/main" not in done.stdout
    run("make", "clean")
    assert not (work / "build").exists()


def test_the_static_library_and_ninja(tool: pathlib.Path, run: Run, work: pathlib.Path) -> None:
    run("snakebridge", "init")
    lists = work / "CMakeLists.txt"
    text = lists.read_text()
    assert "snakebridge_add_bindings(main)" in text
    lists.write_text(text.replace("snakebridge_add_bindings(main)", "snakebridge_add_bindings(main STATIC)"))
    run("cmake", "-B", "build", "-G", "Ninja")
    run("cmake", "--build", "build")
    assert "libsnakebridge" not in run("ldd", "build/main").stdout
    expected(run("build/main").stdout)
    found = run("snakebridge", "config", "--pkgconfigdir").stdout.strip()
    flags = "$(pkg-config --cflags --libs snakebridge)"
    run("sh", "-c", f"cc main.c -Ibuild/snakebridge {flags} -o other", extra={"PKG_CONFIG_PATH": found})
    expected(run("./other").stdout)
    assert "no work to do" in run("cmake", "--build", "build").stdout
    toml = work / "pyproject.toml"
    toml.write_text(toml.read_text().replace('"math"]', '"math", "re"]'))
    done = run("cmake", "--build", "build")
    assert "Binding" in done.stdout and "main.c" in done.stdout  # a header that main.c includes changed
    assert "no work to do" in run("cmake", "--build", "build").stdout
    (work / "stubs").mkdir()
    toml.write_text(toml.read_text() + "\n")
    done = run("cmake", "--build", "build")
    assert "Binding" in done.stdout and "main.c" not in done.stdout  # no header changed
    assert "no work to do" in run("cmake", "--build", "build").stdout
