"""The steps that the command runs: python -m snakebridge.tool STEP PYPROJECT ...

Standard output is a stream of events, one JSON object a line: progress, diagnostic, and done at the end. Exit codes: 0,
1 for what the user can mend (a diagnostic says what), 2 for a fault of the tool itself (a traceback on standard error).
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import gc
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from snakebridge import environment, merge, probes
from snakebridge import project as projects
from snakebridge.environment import Distribution, Environment, EnvironmentProblem
from snakebridge.project import Project, ProjectError

if TYPE_CHECKING:
    from snakebridge import types

Json = dict[str, Any]

STDLIB = "stdlib"


# Where events go: standard output, that main takes out of the reach of what else may print.
STREAM: list[TextIO] = [sys.stdout]


class Failed(Exception):
    """The step is over: its diagnostics said why."""


def emit(event: str, **fields: Any) -> None:
    """Write one event."""
    line = json.dumps(dict(fields, event=event), ensure_ascii=True)
    events = STREAM[-1]
    events.write(line + "\n")
    events.flush()


class Diagnostics:
    """Reports what is wrong, once each, and remembers whether anything was an error."""

    def __init__(self) -> None:
        self.failed = False
        self.seen: set[tuple[str, str]] = set()

    def report(
        self,
        level: str,
        message: str,
        *,
        where: str | None = None,
        fix: str | None = None,
        library: str | None = None,
    ) -> None:
        if (level, message) in self.seen:
            return
        self.seen.add((level, message))
        self.failed = self.failed or level == "error"
        emit("diagnostic", level=level, where=where, message=message, fix=fix, library=library)


def load(path: str, diagnostics: Diagnostics) -> Project:
    try:
        return projects.read(path)
    except ProjectError as e:
        diagnostics.report("error", e.message, where=e.where, fix=e.fix)
        raise Failed from None


def report_problem(problem: EnvironmentProblem, diagnostics: Diagnostics) -> None:
    diagnostics.report("error", problem.message, where=problem.where, fix=problem.fix)


# -- bind -------------------------------------------------------------------------------------------------------------


@dataclass
class Task:
    """One library on its way to a manifest."""

    library: merge.Library
    probe: probes.Probe
    answer: Json | None = None
    failures: int = 0


def plan(project: Project, env: Environment, diagnostics: Diagnostics) -> list[merge.Library]:
    """Return the libraries that the project binds. Reports what is not installed."""
    out: dict[str, merge.Library] = {}
    others: dict[str, tuple[str, Distribution]] = {}
    for dependency in project.dependencies:
        distribution = env.distributions.get(dependency.key)
        if distribution is None:
            if not dependency.conditional:
                fix = (
                    "snakebridge setup"
                    if env.managed
                    else "%s -m pip install '%s'"
                    % (
                        env.python,
                        dependency.requirement,
                    )
                )
                diagnostics.report(
                    "error",
                    "%s is not installed" % dependency.name,
                    where=project.file,
                    fix=fix,
                    library=dependency.name,
                )
            continue
        environment.find_modules(distribution)
        for name in distribution.modules:
            out[name] = of_distribution(project, dependency.name, distribution, name)
        others.update((name, (dependency.name, distribution)) for name in distribution.others)
    standard: list[str] = []
    local: dict[str, list[str]] = {}
    for module in project.modules:
        top = module.split(".")[0]
        if not is_local(project, top) and env.is_stdlib(module):
            standard.append(module)
        elif top in others and top not in out:
            out[top] = of_distribution(project, *others[top], top)
            out[top].submodules.append(module)
        elif top in out:
            out[top].submodules.append(module)
        else:
            local.setdefault(top, []).append(module)
    for top, modules in local.items():
        options = project.options(top)
        library = merge.Library(
            name=top,
            prefix=options.prefix or top,
            modules=[top],
            submodules=sorted({m for m in modules if m != top} | absolute(top, options.submodules)),
            own=[top],
            options=options.as_json(),
            local=True,
        )
        out[top] = library
    options = project.options(STDLIB)
    out[STDLIB] = merge.Library(
        name=STDLIB,
        prefix=options.prefix or "py",
        modules=sorted({"builtins", *standard}),
        own=None,
        options=options.as_json(),
    )
    prefixes: dict[str, str] = {}
    for library in out.values():
        other = prefixes.setdefault(library.prefix, library.name)
        if other != library.name:
            message = "%s and %s would both begin their names with %s_" % (other, library.name, library.prefix)
            diagnostics.report("error", message, where=project.file, fix="give one of them `as`")
    return sorted(out.values(), key=lambda x: x.name)


def of_distribution(project: Project, written: str, distribution: Distribution, name: str) -> merge.Library:
    options = project.options(name, written)
    prefix = options.prefix if len(distribution.modules) == 1 or project.libraries.get(name) else None
    return merge.Library(
        name=name,
        prefix=prefix or name.replace(".", "_"),
        modules=[name],
        submodules=sorted(absolute(name, options.submodules)),
        own=distribution.own,
        distribution={"name": distribution.name, "version": distribution.version},
        options=options.as_json(),
    )


def absolute(top: str, submodules: list[str]) -> set[str]:
    return {s if s == top or s.startswith(top + ".") else top + "." + s for s in submodules}


def is_local(project: Project, top: str) -> bool:
    """Tell whether a folder of python-path holds the module."""
    return any(
        os.path.isfile(os.path.join(p, top + ".py")) or os.path.isdir(os.path.join(p, top)) for p in project.python_path
    )


def look(task: Task) -> Task:
    task.answer = task.probe.look()
    return task


def probe_all(project: Project, env: Environment, libraries: list[merge.Library]) -> list[Task]:
    tasks = []
    for library in libraries:
        probe = probes.Probe(
            env.python,
            library.modules,
            optional=library.submodules,
            own=library.own,
            path=project.python_path,
            skip=library.options["exclude"],
            sources=library.local,
            timeout=project.probe_timeout,
            cwd=project.root,
        )
        tasks.append(Task(library, probe))
    return tasks


def report_failures(task: Task, project: Project, env: Environment, diagnostics: Diagnostics) -> list[Json]:
    """Report what could not be imported; return it as the manifest holds it."""
    out = []
    for failure in task.probe.failures[task.failures :]:
        message = "%s cannot be imported: %s" % (failure.module, failure.message)
        fix = None
        if failure.message.startswith("ModuleNotFoundError: No module named '"):
            absent = failure.message.split("'")[1].split(".")[0]
            if absent == failure.module.split(".")[0]:
                fix = "put its folder into python-path, or see that its name is right"
            else:
                fix = ("uv add %s" if env.managed else env.python + " -m pip install %s") % absent
        diagnostics.report("error", message, where=project.file, fix=fix, library=task.library.name)
        plain = message
        for prefix in sorted({project.root, env.facts["prefix"], env.facts["base_prefix"]}, key=len, reverse=True):
            plain = plain.replace(prefix, "...")  # a manifest is the same on every machine
        out.append({"module": failure.module, "kind": "import", "message": plain, "fix": fix})
    task.failures = len(task.probe.failures)
    return out


class Typing:
    """The type checker, for all libraries of a run."""

    def __init__(self, project: Project, env: Environment, diagnostics: Diagnostics) -> None:
        from snakebridge import types  # mypy: slow to import, so while the probes run

        self.types = types
        self.project = project
        self.diagnostics = diagnostics
        path = []
        for folder in [project.stubs, *project.python_path]:
            hidden = types.shadows(folder)
            if hidden is not None:
                message = "nothing in this folder has types: %s hides a module of Python" % os.path.basename(hidden)
                diagnostics.report("warning", message, where=hidden)
            elif os.path.isdir(folder):
                path.append(folder)
        self.oracle = types.Oracle(env.python, env.version, env.facts["platform"], path)
        self.readers: dict[str, types.Reader] = {}
        self.notes: dict[str, list[Json]] = {}

    def build(self, tasks: list[Task]) -> None:
        """Analyse all libraries at once, or, where the checker fails, each by itself."""
        names = {t.library.name: sorted(t.answer["modules"]) for t in tasks if t.answer is not None}
        if not names:
            return
        try:
            self.build_some(names)
        except self.types.StubError:
            for name, modules in names.items():
                try:
                    self.build_some({name: modules})
                except self.types.StubError as e:
                    message = "%s is bound without types: %s" % (name, e)
                    self.diagnostics.report("warning", message, library=name)
                    self.note(name, name, "the type checker failed")

    def build_some(self, names: dict[str, list[str]]) -> None:
        files, broken = self.oracle.build(sorted({m for modules in names.values() for m in modules}))
        gc.disable()  # mypy has enabled it
        for b in broken:
            owners = [n for n, modules in names.items() if b.module in modules or b.module.startswith(n + ".")]
            message = "%s has no types, its file does not parse: %s" % (b.module, b.message)
            self.diagnostics.report("warning", message, where=b.where, library=owners[0] if owners else None)
            for name in owners:
                # Neither the place nor the checker's words about the file belong to every machine.
                self.note(name, b.module, "its stub or source does not parse")
        for name in names:
            self.readers[name] = self.oracle.read(files)

    def note(self, name: str, module: str, message: str) -> None:
        entry = {"module": module, "kind": "stubs", "message": message, "fix": None}
        self.notes.setdefault(name, []).append(entry)

    def look_for_stubs(self, library: merge.Library, env: Environment) -> None:
        """Say which stub package would give types to a library that has none."""
        if library.own is None or library.local:
            return
        path = self.oracle.find(library.name)
        if path is not None and path.endswith(".pyi"):
            return
        if path is not None and os.path.exists(os.path.join(os.path.dirname(path), "py.typed")):
            return
        name = self.types.stub_distribution_name(library.name)
        if name is None or projects.normalise(name) in env.distributions:
            return
        message = "%s has no types of its own, but %s has them" % (library.name, name)
        fix = ("uv add --dev %s" if env.managed else env.python + " -m pip install %s") % name
        self.diagnostics.report("warning", message, where=self.project.file, fix=fix, library=library.name)
        self.notes.setdefault(library.name, []).append(
            {"module": library.name, "kind": "missing-stubs", "message": message, "fix": "uv add --dev %s" % name}
        )


def inputs(project: Project, env: Environment, tasks: list[Task]) -> list[str]:
    """Return the files and folders whose change asks for a new run."""
    out = {project.file, os.path.join(project.root, "uv.lock"), os.path.join(env.facts["prefix"], "pyvenv.cfg")}
    out.update(env.facts["site"])  # its names: what is installed, in which versions
    out.add(project.stubs)
    for folder, folders, files in os.walk(project.stubs):
        folders.sort()
        out.add(folder)
        out.update(os.path.join(folder, f) for f in files if f.endswith(".pyi"))
    for task in tasks:
        if task.library.local and task.answer is not None:
            out.update(task.answer["files"])
    if project.libraries or project.modules:
        for path in project.python_path:
            for task in tasks:
                if task.library.local:
                    top = task.library.name.split(".")[0]
                    stub = os.path.join(path, top + ".pyi")
                    if os.path.exists(stub):
                        out.add(stub)
    return sorted(out)


class Streaming:
    """The functions that `streaming` lists, looked for in each library's manifest."""

    def __init__(self, names: list[str]) -> None:
        self.missing = list(names)
        self.candidates: list[str] = []

    def mark(self, manifest: Json) -> None:
        if self.missing:
            found = merge.mark_streaming(manifest, self.missing)
            self.missing = [n for n in self.missing if n not in found]
            self.candidates += merge.callables(manifest)

    def report(self, where: str, diagnostics: Diagnostics) -> None:
        """Say which of them are no functions of any library."""
        for name in self.missing:
            top = name.split(".")[0]
            near = [c for c in self.candidates if c.split(".")[0] == top] or self.candidates
            message = 'tool.snakebridge.streaming: no function that is bound is called "%s"' % name
            diagnostics.report("error", message + projects.guess(name, near), where=where)


def clock() -> int:
    """Return the time that a file would have which is written now, in nanoseconds."""
    coarse = 5  # CLOCK_REALTIME_COARSE of Linux, for which the module has no name
    return time.clock_gettime_ns(coarse)


def bind(path: str, folder: str, only: list[str], diagnostics: Diagnostics) -> None:
    started = time.monotonic()
    project = load(path, diagnostics)
    if not project.dependencies and not project.modules:
        diagnostics.report(
            "error",
            "there is nothing to bind: neither project.dependencies nor tool.snakebridge.modules names anything",
            where=project.file,
            fix='uv add numpy, or modules = ["math"] in [tool.snakebridge]',
        )
        raise Failed
    emit("progress", step="environment", message="preparing the Python environment")
    try:
        env, _ = environment.prepare(project)
    except EnvironmentProblem as e:
        report_problem(e, diagnostics)
        raise Failed from None
    since = clock()
    libraries = plan(project, env, diagnostics)
    if only:
        unknown = [n for n in only if n not in {x.name for x in libraries}]
        if unknown:
            names = ", ".join(x.name for x in libraries)
            diagnostics.report("error", "there is no library %s. There are: %s" % (unknown[0], names))
            raise Failed
        libraries = [x for x in libraries if x.name in only]
    tasks = probe_all(project, env, libraries)
    written: list[Json] = []
    streaming = Streaming(project.streaming)
    with probes.closing_all([t.probe for t in tasks]):
        workers = max(1, min(len(tasks), os.cpu_count() or 1))
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            running = [pool.submit(look, t) for t in tasks]
            try:
                typing = Typing(project, env, diagnostics)
                for done in concurrent.futures.as_completed(running):
                    task = done.result()
                    emit(
                        "progress",
                        step="probe",
                        library=task.library.name,
                        message="importing %s" % task.library.name,
                        seconds=round(task.probe.seconds, 3),
                    )
            except BaseException:
                for task in tasks:  # else the pool would wait for them
                    task.probe.cancel()
                raise
        notes = {t.library.name: report_failures(t, project, env, diagnostics) for t in tasks}
        bound = [t for t in tasks if t.answer is not None]
        emit("progress", step="types", message="reading types")
        typing.build(bound)
        for task in bound:
            typing.look_for_stubs(task.library, env)
        for task in bound:
            name = task.library.name
            emit("progress", step="merge", library=name, message="writing what %s holds" % name)
            assert task.answer is not None
            reader = typing.readers.get(name)
            target = {"python": env.facts["version"], "platform": env.facts["platform"]}
            merger = merge.Merger(task.library, task.answer, reader, target)
            merger.diagnostics += notes[name] + typing.notes.get(name, [])
            manifest = merger.run(asker(task, diagnostics))
            streaming.mark(manifest)
            task.probe.close()
            file = os.path.join(folder, name + ".json")
            try:
                changed = merge.write_if_changed(file, merge.serialise(manifest))
            except OSError as e:
                diagnostics.report("error", e.strerror or "cannot be written", where=file)
                raise Failed from None
            written.append({"name": name, "manifest": os.path.abspath(file), "changed": changed})
        files = inputs(project, env, tasks)
    if len(bound) == len(tasks) and not only:
        streaming.report(project.streaming_at, diagnostics)
    if not only:
        remove_others(folder, {x.name for x in libraries})
    emit(
        "done",
        python=env.python,
        python_version=env.facts["version"],
        libpython=env.facts["libpython"],
        python_path=project.python_path,
        transport=project.transport,
        error_detail=project.error_detail,
        output=project.output,
        libraries=written,
        inputs=files,
        since=since,
        seconds=round(time.monotonic() - started, 3),
    )


def asker(task: Task, diagnostics: Diagnostics) -> Any:
    def ask(request: Json) -> Json | None:
        try:
            return task.probe.ask(request)
        except probes.ProbeError as e:
            message = "%s: classes that are named by types alone are left out: %s" % (task.library.name, e.message)
            diagnostics.report("warning", message, library=task.library.name)
            return None

    return ask


def remove_others(folder: str, names: set[str]) -> None:
    """Remove the manifests of libraries that the project no longer names."""
    try:
        files = os.listdir(folder)
    except OSError:
        return
    for file in files:
        stem, kind = os.path.splitext(file)
        if kind == ".json" and stem not in names:
            try:
                os.unlink(os.path.join(folder, file))
            except OSError:
                pass


# -- the other steps --------------------------------------------------------------------------------------------------


def setup(path: str, check_only: bool, diagnostics: Diagnostics) -> None:
    project = load(path, diagnostics)
    if check_only:
        for problem in environment.check(project):
            report_problem(problem, diagnostics)
        if diagnostics.failed:
            raise Failed
        emit("done", changed=False)
        return
    try:
        if environment.is_managed(project):
            emit("progress", step="environment", message="uv sync")
            environment.sync(project)
        env = environment.describe(project)
    except EnvironmentProblem as e:
        report_problem(e, diagnostics)
        raise Failed from None
    for dependency in environment.missing(project, env):
        fix = "%s -m pip install '%s'" % (env.python, dependency.requirement)
        diagnostics.report("error", "%s is not installed" % dependency.name, where=project.file, fix=fix)
    if diagnostics.failed:
        raise Failed
    emit("done", changed=True, **env.as_json())


def describe_environment(path: str, diagnostics: Diagnostics) -> None:
    project = load(path, diagnostics)
    try:
        env = environment.describe(project)
    except EnvironmentProblem as e:
        report_problem(e, diagnostics)
        raise Failed from None
    emit("done", **env.as_json())


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m snakebridge.tool", description=__doc__.split("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    for name, text in (
        ("project", "check a project file and print it completed"),
        ("setup", "make the environment of a project"),
        ("environment", "describe the environment of a project"),
        ("bind", "write the manifests of a project's libraries"),
    ):
        step = steps.add_parser(name, help=text, description=text)
        step.add_argument("pyproject")
        if name == "setup":
            step.add_argument("--check", action="store_true", help="change nothing, say what is missing")
        if name == "bind":
            step.add_argument("--manifests", required=True, help="folder that the manifests go to")
            step.add_argument("--library", action="append", default=[], help="this one only")
    args = parser.parse_args(argv)
    diagnostics = Diagnostics()
    try:
        if args.step == "project":
            emit("done", **load(args.pyproject, diagnostics).as_json())
        elif args.step == "setup":
            setup(args.pyproject, args.check, diagnostics)
        elif args.step == "environment":
            describe_environment(args.pyproject, diagnostics)
        else:
            bind(args.pyproject, args.manifests, args.library, diagnostics)
    except Failed:
        return 1
    return 1 if diagnostics.failed else 0


def leave(code: int) -> NoReturn:
    """End without taking the type checker's graph down, which would take longer than making it."""
    for stream in (*STREAM, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # so that the probes are ended


def main() -> NoReturn:
    STREAM.append(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    gc.disable()  # the type checker makes a graph of a million objects, none of which is garbage
    signal.signal(signal.SIGTERM, terminated)
    code = 2
    try:
        code = run(sys.argv[1:])
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 2
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 1
    except BaseException:
        import traceback

        traceback.print_exc()
    leave(code)


if __name__ == "__main__":
    main()
