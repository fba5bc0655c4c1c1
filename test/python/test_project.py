"""The project file: what is refused, with which words and place; what is filled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import HERE, Tool
from snakebridge import project


def cases() -> list[tuple[str, str]]:
    text = (HERE / "cases" / "project.txt").read_text().split("\n\n", 1)[1]
    out = []
    for case in text.split("====\n"):
        source, expected = case.split("---\n")
        out.append((source, expected.strip()))
    return out


@pytest.mark.parametrize(("source", "expected"), cases())
def test_refused(tmp_path: Path, source: str, expected: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(source)
    with pytest.raises(project.ProjectError) as caught:
        project.read(str(path))
    assert str(caught.value).replace(str(path), "FILE").replace(str(tmp_path), "FOLDER") == expected


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(project.ProjectError) as caught:
        project.read(str(tmp_path / "pyproject.toml"))
    assert caught.value.message == "No such file or directory"
    assert caught.value.fix == "snakebridge init"


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(b'[project]\nname = "\xff"\n')
    with pytest.raises(project.ProjectError) as caught:
        project.read(str(path))
    assert str(caught.value) == "%s:2: this is not UTF-8" % path


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    path = tmp_path / "pyproject.toml"
    path.write_text("")
    read = project.read(str(path))
    assert read.modules == [] and read.dependencies == [] and read.python_path == []
    assert read.transport == "worker" and read.sync == "auto" and read.probe_timeout == 30.0
    assert read.output == str(tmp_path / "build/snakebridge")
    assert read.manifests == str(tmp_path / ".snakebridge/manifest")
    assert read.stubs == str(tmp_path / "stubs")
    monkeypatch.setenv("CI", "true")
    assert project.read(str(path)).sync == "never"


def test_all_options(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "typings").mkdir()
    path = tmp_path / "pyproject.toml"
    path.write_text(
        """
[project]
name = "weather"
dependencies = ["NumPy>=1.26", "Scikit_Learn[extra] == 1.4.*", 'colorama; sys_platform == "win32"', "x @ file:///x"]
[tool.snakebridge]
modules = ["math", "math", "shop.prices"]
python-path = ["src"]
stubs = "typings"
transport = "inprocess"
error-detail = "explained"
python = "3.11"
output = "gen"
probe-timeout = 5
sync = "never"
[tool.snakebridge.library.scikit-learn]
as = "sk"
include = ["sklearn.linear_model.*"]
exclude = ["*._*"]
submodules = ["linear_model"]
[tool.snakebridge.library.shop]
as = "s"
[tool.other]
anything = 1
"""
    )
    read = project.read(str(path))
    assert [(d.name, d.key, d.conditional) for d in read.dependencies] == [
        ("NumPy", "numpy", False),
        ("Scikit_Learn", "scikit-learn", False),
        ("colorama", "colorama", True),
        ("x", "x", False),
    ]
    assert read.modules == ["math", "shop.prices"]
    assert read.python_path == [str(tmp_path / "src")] and read.stubs == str(tmp_path / "typings")
    assert read.output == str(tmp_path / "gen")
    assert (read.transport, read.python, read.probe_timeout, read.sync) == ("inprocess", "3.11", 5.0, "never")
    assert read.error_detail == "explained"
    assert read.options("sklearn", "scikit-learn").prefix == "sk"
    assert read.options("scikit_learn").submodules == ["linear_model"]
    assert read.options("shop").prefix == "s"
    assert read.options("numpy").prefix is None


def test_step(tool: Tool) -> None:
    tool.write('[tool.snakebridge]\nmodules = ["math"]\n')
    (done,) = tool.run("project")
    assert done["event"] == "done" and done["modules"] == ["math"] and done["root"] == str(tool.folder)
    tool.write("[tool.snakebridge]\nmodule = []\n")
    (event,) = tool.run("project", code=1)
    assert event["level"] == "error"
    assert event["where"] == "%s:2" % tool.file
    assert event["message"].startswith('tool.snakebridge.module: unknown key; did you mean "modules"?')
