"""The steps as the command runs them: events, exit codes, one library alone, and an end from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from conftest import ROOT, Tool
from test_probe import children

ONE = '[tool.snakebridge]\npython = "%s"\npython-path = ["modules"]\nmodules = [%s]\n'


def test_events(tool: Tool) -> None:
    tool.write(ONE % (sys.executable, '"math", "a"'), a="x = 1\n")
    events = tool.bind()
    assert [e["event"] for e in events[:-1]] == ["progress"] * (len(events) - 1)
    assert [e["step"] for e in events[:-1]] == ["environment", "probe", "probe", "types", "merge", "merge"]
    done = events[-1]
    assert done["event"] == "done" and done["transport"] == "worker" and done["error_detail"] == "plain"
    assert done["python"] == sys.executable and done["python_path"] == [str(tool.folder / "modules")]
    assert done["output"] == str(tool.folder / "build/snakebridge")
    assert [(x["name"], x["changed"]) for x in done["libraries"]] == [("a", True), ("stdlib", True)]


def test_one_library(tool: Tool) -> None:
    tool.write(ONE % (sys.executable, '"a", "b"'), a="x = 1\n", b="y = 1\n")
    tool.bind("--library", "a")
    assert [p.name for p in tool.manifests.iterdir()] == ["a.json"]
    (event,) = [e for e in tool.bind("--library", "c", code=1) if e["event"] == "diagnostic"]
    assert event["message"] == "there is no library c. There are: a, b, stdlib"


def test_wrong_use(tool: Tool) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "snakebridge.tool", "bind"],
        env=dict(os.environ, PYTHONPATH=str(ROOT / "python")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "pyproject" in done.stderr and done.stdout == ""


def test_folder_that_cannot_be_written(tool: Tool) -> None:
    tool.write(ONE % (sys.executable, '"math"'), a="")
    tool.manifests = tool.file / "inside a file"
    (event,) = [e for e in tool.bind(code=1) if e["event"] == "diagnostic"]
    assert event["level"] == "error" and event["message"] == "Not a directory"
    assert event["where"] == str(tool.manifests / "stdlib.json")


def test_nothing_to_bind(tool: Tool) -> None:
    for text in ("", "[project]\nname = 'x'\nversion = '0'\ndependencies = []\n[tool.snakebridge]\nmodules = []\n"):
        tool.write(text)
        (event,) = tool.bind(code=1)
        assert event["message"].startswith("there is nothing to bind: ") and event["where"] == str(tool.file)
        assert not (tool.folder / ".venv").exists()


def test_same_prefix(tool: Tool) -> None:
    tool.write((ONE % (sys.executable, '"a", "b"')) + '[tool.snakebridge.library.b]\nas = "a"\n', a="", b="")
    (event,) = [e for e in tool.bind(code=1) if e["event"] == "diagnostic"]
    assert event["message"] == "a and b would both begin their names with a_"


def test_module_that_is_nowhere(tool: Tool) -> None:
    tool.write(ONE % (sys.executable, '"nowhere_at_all"'), a="")
    (event,) = [e for e in tool.bind(code=1) if e["event"] == "diagnostic"]
    assert event["message"] == (
        "nowhere_at_all cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'"
    )
    assert event["fix"] == "put its folder into python-path, or see that its name is right"


def test_own_module_shadows(tool: Tool) -> None:
    """A module of the user's own that bears a name of the standard library is the one that Python would import."""
    tool.write(ONE % (sys.executable, '"tokens"'), tokens="import types\nx: int = 1\n", types="raise SystemExit\n")
    events = tool.bind()
    (warning,) = [e for e in events if e["event"] == "diagnostic"]
    assert warning["where"] == str(tool.folder / "modules/types.py")
    assert warning["message"] == "nothing in this folder has types: types.py hides a module of Python"
    x = tool.manifest("tokens")["modules"]["tokens"]["names"]["x"]
    assert x["type"] == {"k": "inst", "n": "builtins.int"} and x["source"]["types"] == "runtime"
    assert tool.manifest("stdlib")["modules"]["builtins"]["names"]["len"]["source"]["types"] == "stub"


def test_terminated(tool: Tool) -> None:
    """Ended from outside, it takes its probes along."""
    tool.write(ONE % (sys.executable, '"hangs"'), hangs="import time\nwhile True:\n    time.sleep(1)\n")
    before = children()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "snakebridge.tool", "bind", str(tool.file), "--manifests", str(tool.manifests)],
        env=dict(os.environ, PYTHONPATH=str(ROOT / "python")),
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while children() <= before and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
    while children() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert children() <= before
