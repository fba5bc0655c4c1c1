"""tools/setup on a machine that lacks packages, told by a dpkg-query and an id that say so."""

from __future__ import annotations

import os
import pathlib
import subprocess

from conftest import SOURCE


def script(path: pathlib.Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_without_root_it_prints_the_line_to_run(tmp_path: pathlib.Path) -> None:
    script(tmp_path / "dpkg-query", 'for last; do :; done; [ "$last" = cmake ] || [ "$last" = g++ ] || echo installed')
    script(tmp_path / "id", "echo 1000")
    done = subprocess.run(
        [SOURCE / "tools" / "setup"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "apt-get install -y --no-install-recommends g++ cmake\n" in done.stderr
    assert done.stdout == ""


def test_it_does_nothing_when_all_is_there() -> None:
    stamp = SOURCE / "build" / "tools" / "stamp"
    before = stamp.stat().st_mtime_ns
    done = subprocess.run([SOURCE / "tools" / "setup"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stamp.stat().st_mtime_ns == before
