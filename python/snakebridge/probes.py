"""The processes that import the user's libraries: one a library, bounded in time, expected to misbehave.

A probe answers once with all that it saw and then waits, with its library imported, for a second request, so that
nothing is imported twice. Each process leads a session of its own, which is killed as a whole at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

Json = dict[str, Any]

HERE = os.path.dirname(os.path.abspath(__file__))
PROBE = os.path.join(HERE, "probe.py")
FACTS = os.path.join(HERE, "facts.py")
TAIL = 4096


class ProbeError(Exception):
    """A library could not be looked at. `module` is the one that was being imported."""

    def __init__(self, module: str, message: str) -> None:
        super().__init__(message)
        self.module = module
        self.message = message


class Probe:
    """One process that imports `modules`, or as many of them as let it live."""

    def __init__(
        self,
        python: str,
        modules: list[str],
        *,
        optional: list[str] | None = None,
        own: list[str] | None = None,
        path: list[str] | None = None,
        skip: list[str] | None = None,
        sources: bool = False,
        timeout: float = 30.0,
        cwd: str | None = None,
    ) -> None:
        self.python = python
        self.modules = modules
        self.optional = optional or []
        self.own = own
        self.path = path or []
        self.skip = skip or []
        self.sources = sources
        self.timeout = timeout
        self.cwd = cwd
        self.failures: list[ProbeError] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.folder: tempfile.TemporaryDirectory[str] | None = None
        self.tail = b""
        self.reader: threading.Thread | None = None
        self.seconds = 0.0
        self.cancelled = False

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def look(self) -> Json | None:
        """Return what the libraries hold; None if nothing could be imported. What failed is in `failures`."""
        started = time.monotonic()
        without: list[str] = []
        try:
            while True:
                left = [m for m in self.modules if m not in without]
                if not left or self.cancelled:
                    return None
                try:
                    answer = self.attempt(without)
                except ProbeError as e:
                    self.close()
                    self.failures.append(e)
                    if e.module not in self.modules + self.optional or e.module in without:
                        return None
                    if self.own is not None and e.module in self.modules and len(self.modules) == 1:
                        return None
                    without.append(e.module)
                    continue
                for module, message in answer["failed"].items():
                    self.failures.append(ProbeError(module, message))
                return answer if answer["modules"] else None
        finally:
            self.seconds = time.monotonic() - started

    def attempt(self, without: list[str]) -> Json:
        self.folder = tempfile.TemporaryDirectory(prefix="snakebridge-probe-")
        folder = self.folder.name
        request: Json = {
            "modules": self.modules,
            "optional": self.optional,
            "own": self.own,
            "path": self.path,
            "skip": self.skip,
            "sources": self.sources,
            "without": without,
            "limit": self.timeout + 5,
            "names": os.path.join(folder, "names"),
            "progress": os.path.join(folder, "progress"),
        }
        request_path = os.path.join(folder, "request")
        with open(request_path, "w", encoding="utf-8") as f:
            json.dump(request, f)
        self.tail = b""
        self.process = subprocess.Popen(
            [self.python, PROBE, request_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=self.cwd,
            env=quiet_environment(self.sources),
        )
        assert self.process.stdout is not None
        self.reader = threading.Thread(target=self.drain, args=(self.process.stdout,), daemon=True)
        self.reader.start()
        return self.wait(request["names"])

    def drain(self, pipe: BinaryIO) -> None:
        """Keep the end of what the library prints."""
        with contextlib.suppress(OSError, ValueError):
            while True:
                chunk = os.read(pipe.fileno(), 65536)
                if not chunk:
                    return
                self.tail = (self.tail + chunk)[-TAIL:]

    def ask(self, request: Json) -> Json:
        """Send the second request and return its answer. Raises ProbeError."""
        assert self.process is not None and self.process.stdin is not None and self.folder is not None
        path = os.path.join(self.folder.name, "more")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(dict(request, out=path + ".out"), f)
        try:
            self.process.stdin.write(path.encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise ProbeError(self.modules[0], "the process ended after the import" + self.ending()) from None
        return self.wait(path + ".out")

    def wait(self, path: str) -> Json:
        assert self.process is not None
        deadline = time.monotonic() + self.timeout
        pause = 0.002
        while True:
            ended = self.process.poll() is not None
            if os.path.exists(path):
                break
            if ended:
                raise ProbeError(self.importing(), self.describe_end(self.process.returncode))
            if time.monotonic() > deadline:
                raise ProbeError(
                    self.importing(), "no answer within %g s (probe-timeout)%s" % (self.timeout, self.ending())
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.02)
        try:
            with open(path, encoding="utf-8") as f:
                answer = json.load(f)
        except ValueError:
            raise ProbeError(self.importing(), "the answer is damaged" + self.ending()) from None
        assert isinstance(answer, dict)
        return answer

    def importing(self) -> str:
        """Return the module whose import began last."""
        assert self.folder is not None
        with contextlib.suppress(OSError, ValueError), open(
            os.path.join(self.folder.name, "progress"), encoding="utf-8"
        ) as f:
            lines = f.read().split()
            if lines:
                return lines[-1]
        return self.modules[0]

    def describe_end(self, code: int) -> str:
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = "signal %d" % -code
            return "the process was killed by %s%s" % (name, self.ending())
        return "the process ended with exit status %d%s" % (code, self.ending())

    def ending(self) -> str:
        """Return the last line that the process printed, as a clause."""
        if self.reader is not None:
            self.reader.join(0.05)
        lines = [x.strip() for x in self.tail.decode("utf-8", "replace").splitlines() if x.strip()]
        return "; its last output: %s" % lines[-1][:200] if lines else ""

    def cancel(self) -> None:
        """End the process, from another thread than the one that looks."""
        self.cancelled = True
        process = self.process
        if process is not None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process, whatever it started, and remove its files."""
        process = self.process
        if process is not None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
            if self.reader is not None:
                self.reader.join(0.5)
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            self.process = None
        if self.folder is not None:
            self.folder.cleanup()
            self.folder = None


def quiet_environment(local: bool = False) -> dict[str, str]:
    """Return the environment of a probe: as the program's, without what makes imports differ between runs.

    Bytecode is left beside installed libraries, as any import does, but not in the user's own folders.
    """
    env = dict(os.environ)
    for name in ("PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT", "PYTHONPROFILEIMPORTTIME", "PYTHONHOME"):
        env.pop(name, None)
    env.update(PYTHONHASHSEED="0", PYTHONIOENCODING="utf-8", LC_ALL="C.UTF-8")
    env["MPLBACKEND"] = "agg"
    if local:
        env["PYTHONDONTWRITEBYTECODE"] = "1"
    return env


def facts(python: str, timeout: float = 30.0) -> Json:
    """Describe an interpreter. Raises ProbeError."""
    with tempfile.TemporaryDirectory(prefix="snakebridge-probe-") as folder:
        out = os.path.join(folder, "facts")
        try:
            done = subprocess.run(
                [python, FACTS, out],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                env=quiet_environment(),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ProbeError(python, "no answer within %g s" % timeout) from None
        except OSError as e:
            raise ProbeError(python, "cannot be run: %s" % e.strerror) from None
        try:
            with open(out, encoding="utf-8") as f:
                answer = json.load(f)
        except (OSError, ValueError):
            text = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = text[-1] if text else "exit status %d" % done.returncode
            raise ProbeError(python, reason) from None
    assert isinstance(answer, dict)
    return answer


@contextlib.contextmanager
def closing_all(probes: list[Probe]) -> Iterator[list[Probe]]:
    """Close every probe at the end."""
    try:
        yield probes
    finally:
        for probe in probes:
            probe.close()
