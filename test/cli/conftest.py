"""What the tests of the command share: where the build is, and how to run things in an empty home."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
from typing import Callable, Sequence

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["SB_BUILD"])
COMMAND = BUILD / "bin" / "snakebridge"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def system_python() -> str:
    """The interpreter that tools/setup prefers, or the first one in PATH."""
    return "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else shutil.which("python3") or ""


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def env(home: pathlib.Path) -> dict[str, str]:
    """A bare environment: the system's commands, the build's command, uv; downloads are cached outside of it."""
    tools = SOURCE / "build" / "tools" / "bin"
    links = home / "bin"
    links.mkdir()
    (links / "uv").symlink_to(tools / "uv")
    cache = os.environ.get("UV_CACHE_DIR") or os.path.expanduser("~/.cache/uv")
    bare = {
        "HOME": str(home),
        "PATH": f"{COMMAND.parent}:{links}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "UV_CACHE_DIR": cache,
        "UV_PYTHON": system_python(),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    for name, value in os.environ.items():  # how the registry is reached on this machine
        if name.startswith(("UV_", "PIP_", "SSL_", "ASAN_", "UBSAN_")) or name.lower().endswith("_proxy"):
            bare.setdefault(name, value)
    return bare


@pytest.fixture
def run(env: dict[str, str], tmp_path: pathlib.Path) -> Run:
    """Runs a command in a folder (default: an empty one) and checks its exit code."""
    work = tmp_path / "work"
    work.mkdir()

    def go(
        *argv: str | os.PathLike[str],
        code: int = 0,
        cwd: pathlib.Path = work,
        extra: dict[str, str] | None = None,
        timeout: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(a) for a in argv],
            cwd=cwd,
            env={**env, **(extra or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == code, f"{list(argv)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    return go


@pytest.fixture
def work(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "work"


def lines(text: str) -> Sequence[str]:
    return text.strip().splitlines()
