"""Environments: found, made with uv, checked without a change, and read for what they hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Json, Tool
from snakebridge import environment
from snakebridge.environment import Distribution


def install(site: Path, name: str, version: str, files: list[str], **metadata: str) -> None:
    """Put the metadata of a distribution into a folder."""
    folder = site / ("%s-%s.dist-info" % (name, version))
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Name: %s\nVersion: %s\n" % (name, version))
    (folder / "RECORD").write_text("".join("%s,sha256=x,1\n" % f for f in files))
    for file, text in metadata.items():
        (folder / file).write_text(text)


@pytest.mark.parametrize(
    ("name", "files", "modules", "others"),
    [
        ("numpy", ["numpy/__init__.py", "numpy/linalg/__init__.py", "numpy.libs/x.so"], ["numpy"], []),
        ("scikit_learn", ["sklearn/__init__.py", "scikit_learn.libs/libgomp.so"], ["sklearn"], []),
        ("PyYAML", ["yaml/__init__.py", "_yaml/__init__.py"], ["yaml"], []),
        ("pytest", ["pytest/__init__.py", "_pytest/__init__.py", "py.py"], ["pytest"], ["py"]),
        ("attrs", ["attr/__init__.py", "attrs/__init__.py"], ["attrs"], ["attr"]),
        ("six", ["six.py", "six-1.dist-info/RECORD"], ["six"], []),
        ("orjson", ["orjson/__init__.py", "orjson/orjson.cpython-311-x86_64-linux-gnu.so"], ["orjson"], []),
        ("fast", ["fast.cpython-311-x86_64-linux-gnu.so", "../../../bin/fast"], ["fast"], []),
        ("old_thing", ["thing/__init__.py", "tests/__init__.py", "docs/conf.py"], ["thing"], ["tests"]),
        (
            "google_cloud_storage",
            ["google/cloud/storage/__init__.py", "google/cloud/storage/blob.py"],
            ["google.cloud.storage"],
            [],
        ),
        ("pandas_stubs", ["pandas-stubs/__init__.pyi", "pandas-stubs/core/frame.pyi"], [], []),
        ("ruff", ["../../../bin/ruff"], [], []),
        ("my_editable", ["__editable__.my_editable-1.pth"], ["my_editable"], []),
    ],
)
def test_import_names(tmp_path: Path, name: str, files: list[str], modules: list[str], others: list[str]) -> None:
    install(tmp_path, name, "1.0", files)
    (distribution,) = environment.installed([str(tmp_path), str(tmp_path / "nowhere")]).values()
    assert (distribution.name, distribution.version) == (name, "1.0")
    environment.find_modules(distribution)
    assert distribution.modules == modules and distribution.others == others


def test_egg_info(tmp_path: Path) -> None:
    folder = tmp_path / "Legacy-2.0.egg-info"
    folder.mkdir()
    (folder / "top_level.txt").write_text("legacy\n_legacy\n")
    distributions = environment.installed([str(tmp_path)])
    environment.find_modules(distributions["legacy"])
    assert distributions["legacy"].modules == ["legacy"] and distributions["legacy"].own == ["_legacy", "legacy"]


def test_first_of_a_name_counts(tmp_path: Path) -> None:
    install(tmp_path / "a", "x", "1", [])
    install(tmp_path / "b", "X", "2", [])
    found: dict[str, Distribution] = environment.installed([str(tmp_path / "a"), str(tmp_path / "b")])
    assert found["x"].version == "1"


def bad(events: list[Json]) -> list[tuple[str, str | None]]:
    return [(e["message"], e["fix"]) for e in events if e["event"] == "diagnostic" and e["level"] == "error"]


def tree(folder: Path) -> dict[str, int]:
    return {str(p): p.lstat().st_mtime_ns for p in folder.rglob("*")}


MATH = "[tool.snakebridge]\nmodules = ['math']\n"
PLAIN = '[project]\nname = "x"\nversion = "0"\nrequires-python = ">=3.8"\n'


def test_setup(tool: Tool) -> None:
    """check says what is missing and changes nothing; setup makes it; check agrees; generate makes it too."""
    tool.write(PLAIN + MATH)
    before = tree(tool.folder)
    message = "there is no Python environment at %s" % (tool.folder / ".venv")
    assert bad(tool.run("setup", "--check", code=1)) == [(message, "snakebridge setup")]
    assert bad(tool.run("environment", code=1)) == [(message, "snakebridge setup")]
    assert bad(tool.bind(code=1, CI="true")) == [(message, "snakebridge setup")]
    assert tree(tool.folder) == before
    done = tool.run("setup")[-1]
    assert done["event"] == "done" and done["python"] == str(tool.folder / ".venv/bin/python")
    before = tree(tool.folder)
    assert tool.run("setup", "--check")[-1] == {"event": "done", "changed": False}
    assert tree(tool.folder) == before
    facts = tool.run("environment")[-1]
    assert facts["managed"] and facts["prefix"] == str(tool.folder / ".venv")


def test_build_makes_the_environment(tool: Tool) -> None:
    tool.write(PLAIN + MATH)
    done = tool.bind(CI="")[-1]
    assert done["python"] == str(tool.folder / ".venv/bin/python")
    assert (tool.folder / ".snakebridge/synced").exists()
    # It is made anew only where it is older than what it was made from.
    stamp = (tool.folder / ".snakebridge/synced").stat().st_mtime_ns
    tool.bind(CI="")
    assert (tool.folder / ".snakebridge/synced").stat().st_mtime_ns == stamp
    later = os.stat(tool.folder / ".snakebridge/synced").st_mtime + 5
    os.utime(tool.file, (later, later))
    tool.bind(CI="")
    assert (tool.folder / ".snakebridge/synced").stat().st_mtime_ns != stamp


def test_uv_says_no(tool: Tool) -> None:
    tool.write(PLAIN + 'dependencies = ["nothing @ file:///no/such/wheel-1-py3-none-any.whl"]\n')
    ((message, _),) = bad(tool.run("setup", code=1))
    assert message.startswith("uv sync failed:\n") and "wheel-1-py3-none-any.whl" in message
    assert not (tool.folder / ".snakebridge/synced").exists()


def test_no_uv(tool: Tool, tmp_path: Path) -> None:
    tool.write(PLAIN)
    link = tmp_path / "bin" / "python"
    link.parent.mkdir()
    code = "import sys; sys.executable = %r; from snakebridge import environment; print(environment.find_uv())" % str(
        link
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": str(tmp_path),
            "PYTHONPATH": os.environ.get("PYTHONPATH", "") or str(Path(environment.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "None"


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    folder = tmp_path / "named"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


def test_named(tool: Tool, venv: Path) -> None:
    """A venv, an interpreter or a command is used as it is, and nothing is installed into it."""
    before = tree(venv)
    for named in (str(venv), "named", "named/bin/python"):
        tool.write('%s%spython = "%s"\n' % (PLAIN, MATH, named))
        assert tool.bind()[-1]["python"] == str(venv / "bin/python")
    assert tree(venv) == before and not (tool.folder / ".venv").exists()
    tool.write(PLAIN)
    assert tool.run("environment", SNAKEBRIDGE_PYTHON=str(venv))[-1]["prefix"] == str(venv)
    tool.write(MATH + 'python = "nowhere/python"\n')
    ((message, _),) = bad(tool.bind(code=1))
    assert message == "there is no interpreter, venv or conda environment nowhere/python"
    (venv / "bin" / "data").write_text("")
    tool.write(MATH + 'python = "named/bin/data"\n')
    ((message, _),) = bad(tool.bind(code=1))
    assert message == "%s is not executable" % (venv / "bin/data")
    tool.write(MATH + 'python = "named/bin"\n')
    ((message, _),) = bad(tool.bind(code=1))
    assert message == "there is no bin/python in %s" % (venv / "bin")


def test_not_a_python(tool: Tool) -> None:
    script = tool.folder / "python"
    script.write_text("#!/bin/sh\necho what is this >&2\nexit 1\n")
    script.chmod(0o755)
    tool.write(MATH + 'python = "python"\n')
    assert bad(tool.bind(code=1)) == [("%s: what is this" % script, None)]


def test_missing_dependency(tool: Tool, venv: Path) -> None:
    """What is not installed is an error with its fix; the rest is bound."""
    tool.write(
        PLAIN
        + 'dependencies = ["absent-thing>=1", "windows-only; sys_platform == \'win32\'"]\n'
        + '[tool.snakebridge]\npython = "named"\n'
    )
    fix = "%s -m pip install 'absent-thing>=1'" % (venv / "bin/python")
    events = tool.bind(code=1)
    assert bad(events) == [("absent-thing is not installed", fix)]
    assert [x["name"] for x in events[-1]["libraries"]] == ["stdlib"]
    assert bad(tool.run("setup", "--check", code=1)) == [("absent-thing is not installed", fix)]
    assert bad(tool.run("setup", code=1)) == [("absent-thing is not installed", fix)]


def test_missing_stubs(tool: Tool, venv: Path) -> None:
    site = next((venv / "lib").glob("python*")) / "site-packages"
    install(site, "requests", "2.0", ["requests/__init__.py"])
    (site / "requests").mkdir()
    (site / "requests" / "__init__.py").write_text("def get(url): ...\n")
    tool.write(PLAIN + 'dependencies = ["requests"]\n[tool.snakebridge]\npython = "named"\n')
    events = tool.bind()
    (warning,) = [e for e in events if e["event"] == "diagnostic"]
    assert warning["level"] == "warning"
    assert warning["message"] == "requests has no types of its own, but types-requests has them"
    manifest = tool.manifest("requests")
    assert manifest["diagnostics"][0]["fix"] == "uv add --dev types-requests"
    assert manifest["distribution"] == {"name": "requests", "version": "2.0"}
    (site / "requests" / "py.typed").write_text("")
    assert [e for e in tool.bind() if e["event"] == "diagnostic"] == []
