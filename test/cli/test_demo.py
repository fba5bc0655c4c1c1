"""`make demo` over both transports: the same table, and it comes last."""

from __future__ import annotations

import os
import subprocess

from conftest import SOURCE, lines


def demo(*argv: str) -> list[str]:
    done = subprocess.run(
        ["make", "--no-print-directory", "demo", *argv],
        cwd=SOURCE,
        env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    out = list(lines(done.stdout))
    last = max(i for i, line in enumerate(out) if line.startswith("-- running"))
    return out[last + 1 :]


def test_both_transports_print_the_same_table() -> None:
    worker = demo()
    assert worker == demo("TRANSPORT=inprocess")
    rows = [line.split() for line in worker[-12:]]
    assert len({len(row) for row in rows}) == 1
    assert {row[0] for row in rows} == set("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
    highs = [float(row[1]) for row in rows]
    assert highs == sorted(highs, reverse=True) and 20 < highs[0] < 30 and 0 < highs[-1] < 10
    assert all(abs(float(row[1]) - float(row[2])) < 3 for row in rows)  # the fit follows the data


def test_an_unknown_transport() -> None:
    done = subprocess.run(
        [SOURCE / "tools" / "demo", "pigeon"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and 'there is no transport "pigeon"' in done.stderr
