#!/usr/bin/env python3
"""Measure SnakeBridge: `bench/run.py BUILD [ROW...]`, all rows unless some are named (by a prefix).

BUILD is a build folder in which the CMake target `bench` was built; `make bench` does it all. Prints a table and writes
bench/results.json. Rows that stand against each
other are measured in turns within one process, or alternately, so that what else the machine does meets them alike. Of
the turns of a call's row that third counts in which its threads waited least for a CPU; a row's value is their median.
Where the system allows it, what is measured runs with a high priority.

Exits with 0 whatever the numbers are, 1 if a row could not be measured, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CALL_UNIT = "ns"
PROCESSES = 5  # that a call's row is measured in


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    unit: str
    against: str | None = None
    bound: float | None = None  # at most: of the ratio if there is `against`, else of the median
    of: str | None = None  # the measurement, if it has another name


ROWS = (
    Row("call.scalar.floor", CALL_UNIT),
    Row("call.scalar.inprocess", CALL_UNIT, "call.scalar.floor", 1.3),
    Row("call.scalar.socketpair", CALL_UNIT),
    Row("call.scalar.lane", CALL_UNIT),
    Row("call.scalar.worker", CALL_UNIT, None, 300),
    Row("call.scalar.worker.ratio", CALL_UNIT, "call.scalar.socketpair", 0.01, of="call.scalar.worker"),
    Row("call.keyword.head.floor", CALL_UNIT),
    Row("call.keyword.head", CALL_UNIT, "call.keyword.head.floor", 1.3),
    Row("call.keyword.mean.floor", CALL_UNIT),
    Row("call.keyword.mean", CALL_UNIT, "call.keyword.mean.floor", 1.3),
    Row("call.keyword.python.floor", CALL_UNIT),
    Row("call.keyword.python", CALL_UNIT, "call.keyword.python.floor", 1.3),
    Row("chain.ten.waiting", CALL_UNIT),
    Row("chain.ten", CALL_UNIT, "chain.ten.waiting", 0.5),
    Row("stream.int.floor", CALL_UNIT),
    Row("stream.int.inprocess", CALL_UNIT),
    Row("stream.int.worker", CALL_UNIT, None, 330),
    Row("callback.floor", CALL_UNIT),
    Row("callback.inprocess", CALL_UNIT, None, 150),
    Row("callback.worker", CALL_UNIT, None, 500),
    Row("list.floats.floor", CALL_UNIT),
    Row("list.floats.inprocess", CALL_UNIT, "list.floats.floor", 2),
    Row("list.floats.worker", CALL_UNIT, "list.floats.floor", 3),
    Row("json.document.floor", CALL_UNIT),
    Row("json.document.inprocess", CALL_UNIT, "json.document.floor", 2),
    Row("json.document.worker", CALL_UNIT, "json.document.floor", 2),
    Row("dict.fill.floor", CALL_UNIT),
    Row("dict.fill.inprocess", CALL_UNIT, "dict.fill.floor", 1.3),
    *(
        row
        for where in ("worker", "inprocess")
        for row in (
            Row(f"array.in.64k.{where}", CALL_UNIT),
            Row(f"array.in.{where}", CALL_UNIT, f"array.in.64k.{where}", 1.5),
            Row(f"array.out.64k.{where}", CALL_UNIT),
            Row(f"array.out.{where}", CALL_UNIT, f"array.out.64k.{where}", 1.5),
            Row(f"array.memcpy.{where}", CALL_UNIT),
            Row(f"array.borrowed.{where}", CALL_UNIT, f"array.memcpy.{where}", 1.1),
        )
    ),
    Row("generate.numpy.cold", "s CPU", None, 4),
    Row("generate.noop", "ms", None, 10),
    Row("compile.numpy_pandas.c", "s CPU", None, 0.6),
    Row("compile.numpy_pandas.cxx", "s CPU", None, 1.2),
    Row("memory.worker", "MB", None, 3),
    Row("memory.handle.program", "bytes", None, 100),
    Row("memory.handle.worker", "bytes", None, 100),
    Row("memory.growth.program", "KB", None, 64),
    Row("memory.growth.worker", "KB", None, 64),
    Row("start.first_result", "ms", None, 80),
)


class Failed(Exception):
    """A row cannot be measured; the text says why."""


@dataclass(frozen=True)
class Sample:
    """What was measured."""

    median: float
    p99: float | None = None


Samples = dict[str, Sample]


class Bench:
    """Where the programs are, and how they are run."""

    def __init__(self, build: Path) -> None:
        self.build = build
        self.bench = build / "bench"
        self.command = build / "bin" / "snakebridge"
        self.project = self.bench / "project"
        self.bindings = self.bench / "bindings"
        self.python = self.project / ".venv" / "bin" / "python"

    def output(self, *command: str | Path, env: dict[str, str] | None = None) -> str:
        """Run a command to its end and return what it prints; Failed if it fails."""
        done = subprocess.run(
            [str(c) for c in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=None if env is None else {**os.environ, **env},
        )
        if done.returncode:
            raise Failed("%s: exit code %d: %s" % (Path(command[0]).name, done.returncode, done.stderr.strip()[-300:]))
        return done.stdout

    def cpu_seconds(self, *command: str | Path) -> float:
        """Run a command to its end; return the user and system time of it and its children."""
        with tempfile.TemporaryFile() as said:
            child = subprocess.Popen(
                [str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
            )
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                said.seek(0)
                raise Failed("%s: %s" % (Path(command[0]).name, said.read().decode(errors="replace").strip()[-300:]))
        return usage.ru_utime + usage.ru_stime


def quietest(values: list[float], waited: list[float]) -> list[float]:
    """Return the third of the values whose turns waited least for a CPU."""
    order = sorted(range(len(values)), key=lambda i: waited[i])
    return [values[i] for i in order[: max(1, len(order) // 3)]]


def rounds(b: Bench, *command: str | Path) -> Samples:
    """Run a program of bench_rows (measure.c) some times and put together what it prints.

    Where its code and data come to lie differs from process to process, and makes some of them slower.
    """
    values: dict[str, list[float]] = {}
    waited: dict[str, list[float]] = {}
    tails: dict[str, list[float]] = {}
    for _ in range(PROCESSES):
        for line in b.output(*command).splitlines():
            row = json.loads(line)
            values.setdefault(row["name"], []).extend(row["rounds"])
            waited.setdefault(row["name"], []).extend(row["waited"])
            tails.setdefault(row["name"], []).append(row["single"]["p99"])
    return {n: Sample(statistics.median(quietest(values[n], waited[n])), statistics.median(tails[n])) for n in values}


# ---- the measurements: each gives the samples of some rows ----


def calls(group: str) -> Callable[[Bench], Samples]:
    """Return the measurement of a group of bench/calls.c."""

    def measure(b: Bench) -> Samples:
        return rounds(b, b.bench / "bench_calls", group, b.bench / "libbench_floor.so")

    return measure


def values(group: str) -> Callable[[Bench], Samples]:
    """Return the measurement of a group of bench/values.c."""

    def measure(b: Bench) -> Samples:
        return rounds(b, b.bench / "bench_values", group, b.bench / "libbench_values_floor.so")

    return measure


def arrays(group: str, transport: str) -> Callable[[Bench], Samples]:
    """Return the measurement of a group of bench/arrays.c."""

    def measure(b: Bench) -> Samples:
        return rounds(b, b.bench / "bench_arrays", group, transport)

    return measure


def lane(b: Bench) -> Samples:
    """Measure the lane without Python at its end."""
    return rounds(b, b.bench / "bench_lane")


def generate_cold(b: Bench) -> Samples:
    """Bind NumPy alone, with nothing there from an earlier run."""
    seconds = []
    for _ in range(3):
        with tempfile.TemporaryDirectory(prefix="snakebridge-bench-") as folder:
            text = (b.project / "pyproject.toml").read_text()
            text = re.sub(r"(?m)^dependencies = .*", 'dependencies = ["numpy"]', text)
            text = re.sub(r"(?ms)^\[tool\.snakebridge\].*", "", text)
            text += '[tool.snakebridge]\npython = "%s"\nsync = "never"\n' % b.python
            Path(folder, "pyproject.toml").write_text(text)
            seconds.append(b.cpu_seconds(b.command, "generate", "--project", folder))
            if not Path(folder, "build", "snakebridge", "py", "numpy.h").exists():
                raise Failed("generate wrote no py/numpy.h")
    return {"generate.numpy.cold": Sample(statistics.median(seconds))}


def generate_noop(b: Bench) -> Samples:
    """Run generate where nothing changed: how long, and that it starts no process."""
    command: list[str | Path] = [b.command, "generate", "--project", b.project, "--output", b.bindings]
    b.output(*command)
    started = b.output(b.bench / "bench_processes", *command).split()
    if started != ["0"]:
        raise Failed("a run with nothing to do started %s processes" % " ".join(started))
    times = []
    for _ in range(60):
        begin = time.monotonic()
        b.output(*command)
        times.append((time.monotonic() - begin) * 1e3)
    return {"generate.noop": Sample(statistics.median(times))}


def compile_headers(name: str, compiler: str, suffix: str, standard: str) -> Callable[[Bench], Samples]:
    """Return the measurement of a file that includes the headers of NumPy and pandas only."""

    def measure(b: Bench) -> Samples:
        with tempfile.TemporaryDirectory(prefix="snakebridge-bench-") as folder:
            source = Path(folder, "headers" + suffix)
            source.write_text('#include "py/numpy.h"\n#include "py/pandas.h"\n')
            include: list[str | Path] = ["-I", b.bindings, "-I", ROOT / "include"]
            output = Path(folder, "headers.o")
            seconds = [b.cpu_seconds(compiler, standard, "-O2", *include, "-c", source, "-o", output) for _ in range(7)]
        return {name: Sample(statistics.median(seconds))}

    return measure


def pss(pid: int) -> int:
    """Return the bytes of a process, what it shares divided by those who share it."""
    for line in Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise Failed("the kernel does not tell how much memory a process has")


def piped(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process that lives until its standard input is closed."""
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def memory(b: Bench) -> Samples:
    """Measure a worker that has given one result against an interpreter that runs nothing; both live at once."""
    more = []
    bare = [str(b.python), "-c", "import sys; print(flush=True); sys.stdin.read()"]
    holding = [str(b.bench / "bench_worker"), "hold"]
    for _ in range(5):
        with piped(bare) as python, piped(holding) as program:
            assert python.stdout and program.stdout
            python.stdout.readline()
            worker = program.stdout.readline()
            if worker:
                more.append((pss(int(worker)) - pss(python.pid)) / 1e6)
            python.communicate()
            program.communicate()
        if not worker:
            raise Failed("the worker did not start")
    return {"memory.worker": Sample(statistics.median(more))}


def figures(*command: str) -> Callable[[Bench], Samples]:
    """Return the measurement of a program that prints a name and a value a line."""

    def measure(b: Bench) -> Samples:
        rows = [json.loads(line) for line in b.output(b.bench / command[0], *command[1:]).splitlines()]
        return {row["name"]: Sample(row["value"]) for row in rows}

    return measure


def start(b: Bench) -> Samples:
    """Measure from sb_open to the first result, in a worker, in a new program each time."""
    times = [int(b.output(b.bench / "bench_worker", "start")) / 1e6 for _ in range(25)]
    return {"start.first_result": Sample(statistics.median(times))}


MEASUREMENTS: tuple[tuple[tuple[str, ...], Callable[[Bench], Samples]], ...] = (
    (("call.scalar.floor", "call.scalar.inprocess"), calls("scalar")),
    (("call.scalar.socketpair", "call.scalar.worker"), calls("worker")),
    (("call.scalar.lane",), lane),
    (
        tuple("call.keyword.%s%s" % (what, end) for what in ("head", "mean", "python") for end in (".floor", "")),
        calls("keyword"),
    ),
    (("chain.ten", "chain.ten.waiting"), calls("chain")),
    (("stream.int.floor", "stream.int.inprocess"), calls("stream")),
    (("stream.int.worker",), calls("stream.worker")),
    (("callback.floor", "callback.inprocess"), calls("callback")),
    (("callback.worker",), calls("callback.worker")),
    (
        tuple(
            "%s.%s" % (row, end)
            for row in ("list.floats", "json.document", "dict.fill")
            for end in ("floor", "inprocess")
        ),
        values("inprocess"),
    ),
    (("list.floats.worker", "json.document.worker"), values("worker")),
    *(
        (
            tuple("array.%s.%s" % (row, where) for row in rows),
            arrays(group, where),
        )
        for where in ("worker", "inprocess")
        for group, rows in (("calls", ("in.64k", "in", "out.64k", "out")), ("borrowed", ("memcpy", "borrowed")))
    ),
    (("generate.numpy.cold",), generate_cold),
    (("generate.noop",), generate_noop),
    (("compile.numpy_pandas.c",), compile_headers("compile.numpy_pandas.c", "gcc", ".c", "-std=c11")),
    (("compile.numpy_pandas.cxx",), compile_headers("compile.numpy_pandas.cxx", "g++", ".cc", "-std=c++20")),
    (("memory.worker",), memory),
    (("memory.handle.program", "memory.handle.worker"), figures("bench_memory", "handle")),
    (("memory.growth.program", "memory.growth.worker"), figures("bench_memory", "growth")),
    (("start.first_result",), start),
)


# ---- the harness ----


def first_line(*command: str) -> str | None:
    """Return the first line that a command prints, or None if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return (done.stdout.splitlines() or [""])[0]


def machine(b: Bench) -> dict[str, object]:
    """Describe what the numbers were measured on."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"(?m)^model name\s*: (.*)", info)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    versions = "import sys, numpy, pandas; print(sys.version.split()[0], numpy.__version__, pandas.__version__)"
    found = (first_line(str(b.python), "-c", versions) or "? ? ?").split()
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory": int(memory.group(1)) * 1024 if memory else None,
        "kernel": platform.release(),
        "system": platform.platform(),
        "gcc": first_line("gcc", "-dumpfullversion"),
        "g++": first_line("g++", "-dumpfullversion"),
        "python": found[0],
        "numpy": found[1],
        "pandas": found[2],
        "commit": first_line("git", "-C", str(ROOT), "rev-parse", "HEAD"),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def raise_priority() -> int:
    """Ask for the highest priority; return what was got."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except OSError:
        pass  # for root only: the numbers are noisier without
    return os.getpriority(os.PRIO_PROCESS, 0)


def number(x: float | None) -> str:
    """Return a number with three significant digits, or "-"."""
    if x is None:
        return "-"
    if abs(x) >= 100:
        return "%.0f" % x
    return "%.*f" % (1 if abs(x) >= 10 else 2 if abs(x) >= 1 else 4 if abs(x) < 0.1 else 3, x)


@dataclass(frozen=True)
class Result:
    """A row as results.json has it."""

    name: str
    unit: str
    median: float | None
    p99: float | None
    against: str | None
    ratio: float | None
    bound: float | None

    def verdict(self) -> str:
        """Say how the row stands to its bound."""
        measured = self.ratio if self.against else self.median
        if measured is None:
            return "not measured"
        return "" if self.bound is None else "ok" if measured <= self.bound else "OVER"


def judge(row: Row, samples: Samples) -> Result:
    """Put a row together."""
    sample = samples.get(row.of or row.name)
    other = samples.get(row.against) if row.against else None
    return Result(
        name=row.name,
        unit=row.unit,
        median=sample.median if sample else None,
        p99=sample.p99 if sample else None,
        against=row.against,
        ratio=sample.median / other.median if sample and other else None,
        bound=row.bound,
    )


def lines(results: list[Result]) -> Iterator[str]:
    """Yield the lines of the table."""
    cells = [("row", "median", "p99", "unit", "ratio", "against", "bound", "")]
    for r in results:
        median, p99, ratio, bound = (number(x) for x in (r.median, r.p99, r.ratio, r.bound))
        cells.append((r.name, median, p99, r.unit, ratio, r.against or "-", bound, r.verdict()))
    widths = [max(len(c[i]) for c in cells) for i in range(len(cells[0]))]
    left = (0, 3, 5, 7)
    for c in cells:
        yield "  ".join(c[i].ljust(w) if i in left else c[i].rjust(w) for i, w in enumerate(widths)).rstrip()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("build", type=Path, help="build folder")
    parser.add_argument("row", nargs="*", help="rows to measure, by a prefix of their names; default: all")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results.json", help="where the results go")
    options = parser.parse_args()
    wanted = [r for r in ROWS if not options.row or any(r.name.startswith(p) for p in options.row)]
    if not wanted:
        parser.error("no row begins so; there are: %s" % ", ".join(r.name for r in ROWS))
    needed = {n for r in wanted for n in (r.of or r.name, r.against) if n}

    b = Bench(options.build.resolve())
    if not (b.bench / "bench_calls").exists():
        parser.error("%s: the target `bench` was not built there; run: make bench" % options.build)
    about = machine(b)
    about["priority"] = raise_priority()
    load = [os.getloadavg()[0]]
    samples: Samples = {}
    failed = False
    for names, measure in MEASUREMENTS:
        if needed.isdisjoint(names):
            continue
        try:
            samples.update(measure(b))
        except Failed as why:
            failed = True
            print("bench: %s: %s" % (", ".join(names), why), file=sys.stderr)
    load.append(os.getloadavg()[0])
    about["load"] = load
    results = [judge(r, samples) for r in wanted]
    failed = failed or any(r.median is None for r in results)

    facts = "{cpu}, {cpus} CPUs, Linux {kernel}, Python {python}, NumPy {numpy}, pandas {pandas}, gcc {gcc}"
    print(facts.format_map(about) + "; load %.1f to %.1f" % (load[0], load[1]))
    for line in lines(results):
        print(line)
    part = options.output.with_name(options.output.name + ".part")
    part.write_text(json.dumps({"machine": about, "rows": [asdict(r) for r in results]}, indent=1) + "\n")
    shutil.move(part, options.output)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
