"""The Python environment of a project: found, made with uv where it may be, and described.

Either the project names an interpreter, a venv or a conda environment, which is then used as it is, or it has uv's own
`.venv`, which is made and brought up to date from pyproject.toml. Interpreters are never downloaded.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from snakebridge import probes
from snakebridge.project import Dependency, Project, normalise

Json = dict[str, Any]

MINIMUM = (3, 8)
VERSION = re.compile(r"\d+(\.\d+){1,2}\Z")
# Folders of wheels that are no part of what one imports.
ASIDE = ("tests", "test", "docs", "doc", "examples", "benchmarks", "bin", "share")


class EnvironmentProblem(Exception):
    """The environment is not there, or cannot serve."""

    def __init__(self, message: str, fix: str | None = None, where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.where = where


@dataclass
class Distribution:
    """An installed distribution: what it is called and what one imports of it."""

    key: str
    name: str
    version: str
    folder: str  # of its metadata
    modules: list[str]  # its import packages
    others: list[str]  # that are bound only when they are asked for
    own: list[str]  # all of them, private ones too


@dataclass
class Environment:
    """A working interpreter and what is installed for it."""

    python: str
    facts: Json
    managed: bool
    distributions: dict[str, Distribution]

    @property
    def version(self) -> tuple[int, int]:
        major, minor = self.facts["version"].split(".")[:2]
        return int(major), int(minor)

    def is_stdlib(self, module: str) -> bool:
        """Tell whether the top-level module belongs to the standard library."""
        top = module.split(".")[0]
        names = self.facts["stdlib"]
        if names:
            return top in names
        # Before 3.10 Python has no list. What later versions have removed is in this one's list, or here.
        gone = ("asynchat", "asyncore", "binhex", "distutils", "formatter", "imp", "parser", "smtpd", "symbol")
        return top in sys.stdlib_module_names or top in gone

    def as_json(self) -> Json:
        return {
            "python": self.python,
            "version": self.facts["version"],
            "implementation": self.facts["implementation"],
            "libpython": self.facts["libpython"],
            "prefix": self.facts["prefix"],
            "base_prefix": self.facts["base_prefix"],
            "site": self.facts["site"],
            "platform": self.facts["platform"],
            "managed": self.managed,
            "distributions": {d.name: d.version for d in self.distributions.values()},
        }


# -- where it is ------------------------------------------------------------------------------------------------------


def managed_folder(project: Project) -> str:
    """Return the folder of uv's environment."""
    named = os.environ.get("UV_PROJECT_ENVIRONMENT")
    return os.path.join(project.root, named or ".venv")


def is_managed(project: Project) -> bool:
    """Tell whether the environment is uv's: no interpreter is named, or by its version only."""
    if os.environ.get("SNAKEBRIDGE_PYTHON"):
        return False
    return project.python is None or VERSION.match(project.python) is not None


def interpreter(project: Project) -> str:
    """Return the path of the interpreter, which need not be there in uv's environment. Raises EnvironmentProblem."""
    if is_managed(project):
        return os.path.join(managed_folder(project), "bin", "python")
    variable = os.environ.get("SNAKEBRIDGE_PYTHON")
    named = variable or project.python
    assert named is not None
    where = "$SNAKEBRIDGE_PYTHON" if variable else "%s: tool.snakebridge.python" % project.file
    path = os.path.join(project.root, os.path.expanduser(named))
    if os.path.isdir(path):
        for name in ("python", "python3"):
            inside = os.path.join(path, "bin", name)
            if os.access(inside, os.X_OK):
                return inside
        raise EnvironmentProblem("there is no bin/python in %s" % path, where=where)
    if os.access(path, os.X_OK):
        return os.path.abspath(path)
    if os.path.exists(path):
        raise EnvironmentProblem("%s is not executable" % path, where=where)
    if "/" not in named:
        found = shutil.which(named)
        if found is not None:
            return os.path.abspath(found)
    raise EnvironmentProblem("there is no interpreter, venv or conda environment %s" % named, where=where)


def find_uv() -> str | None:
    """Return uv: the one beside this Python, else the one on the path."""
    beside = os.path.join(os.path.dirname(sys.executable), "uv")
    if os.access(beside, os.X_OK):
        return beside
    return shutil.which("uv")


def uv_environment() -> dict[str, str]:
    env = dict(os.environ, UV_PYTHON_DOWNLOADS="never", UV_NO_PROGRESS="1", NO_COLOR="1")
    env.pop("VIRTUAL_ENV", None)  # another environment is no business of the project
    return env


def run_uv(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    uv = find_uv()
    if uv is None:
        raise EnvironmentProblem("uv is not installed", "uv comes with SnakeBridge: uv tool install snakebridge")
    try:
        return subprocess.run(
            [uv, *arguments],
            cwd=project.root,
            env=uv_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as e:
        raise EnvironmentProblem("%s: %s" % (uv, e.strerror)) from None


def sync_arguments(project: Project) -> list[str]:
    # What the user installed besides stays, and the project, a C program, is not built into it.
    arguments = ["sync", "--inexact", "--no-install-project"]
    if project.python is not None:
        arguments += ["--python", project.python]
    return arguments


def stamp(project: Project) -> str:
    return os.path.join(project.root, ".snakebridge", "synced")


def is_stale(project: Project) -> bool:
    """Tell whether uv's environment is missing, or older than pyproject.toml or uv.lock."""
    folder = managed_folder(project)
    if not os.access(os.path.join(folder, "bin", "python"), os.X_OK):
        return True
    made = 0.0
    for path in [os.path.join(folder, "pyvenv.cfg"), stamp(project), *site_folders(folder)]:
        made = max(made, modified(path))
    return made < max(modified(project.file), modified(os.path.join(project.root, "uv.lock")))


def site_folders(folder: str) -> list[str]:
    lib = os.path.join(folder, "lib")
    try:
        names = sorted(os.listdir(lib))
    except OSError:
        return []
    return [os.path.join(lib, n, "site-packages") for n in names if n.startswith("python")]


def modified(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def sync(project: Project) -> None:
    """Make uv's environment, or bring it up to date. Raises EnvironmentProblem with uv's own words."""
    done = run_uv(project, *sync_arguments(project))
    if done.returncode != 0:
        text = done.stderr.strip()
        raise EnvironmentProblem("uv sync failed:\n%s" % text, where=project.file)
    os.makedirs(os.path.dirname(stamp(project)), exist_ok=True)
    with open(stamp(project), "w", encoding="utf-8"):
        pass


# -- what is in it ----------------------------------------------------------------------------------------------------


def describe(project: Project) -> Environment:
    """Return the environment as it is. Raises EnvironmentProblem."""
    python = interpreter(project)
    managed = is_managed(project)
    if not os.path.exists(python):
        message = "there is no Python environment at %s" % os.path.dirname(os.path.dirname(python))
        raise EnvironmentProblem(message, "snakebridge setup", project.file)
    try:
        facts = probes.facts(python, project.probe_timeout)
    except probes.ProbeError as e:
        fix = "snakebridge setup" if managed else None
        raise EnvironmentProblem("%s: %s" % (python, e.message), fix) from None
    version = tuple(int(p) for p in re.findall(r"\d+", facts["version"])[:2])
    if facts["implementation"] != "CPython":
        raise EnvironmentProblem("%s is %s; CPython is needed" % (python, facts["implementation"]))
    if version < MINIMUM:
        raise EnvironmentProblem("%s is Python %s; %d.%d or later is needed" % (python, facts["version"], *MINIMUM))
    if facts["free_threaded"]:
        raise EnvironmentProblem("%s is a free-threaded build, which has no stable ABI" % python)
    return Environment(python, facts, managed, installed(facts["path"]))


def installed(path: list[str]) -> dict[str, Distribution]:
    """Return the distributions that these folders hold, the first of a name first."""
    out: dict[str, Distribution] = {}
    for folder in path:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            stem, dot, kind = name.rpartition(".")
            if kind not in ("dist-info", "egg-info") or not dot:
                continue
            parts = stem.split("-")
            key = normalise(parts[0])
            if key in out:
                continue
            version = parts[1] if len(parts) > 1 else ""
            out[key] = Distribution(key, parts[0], version, os.path.join(folder, name), [], [], [])
    return out


def find_modules(distribution: Distribution) -> None:
    """Fill in the import packages of a distribution from its own metadata.

    One that bears the distribution's name stands for all: pytest brings `py` too, matplotlib `pylab`. The others can
    be named in `modules`.
    """
    paths = [line.rsplit(",", 2)[0].strip('"') for line in read_lines(os.path.join(distribution.folder, "RECORD"))]
    if not paths:
        lines = read_lines(os.path.join(distribution.folder, "top_level.txt"))
        paths = [n + "/__init__.py" for n in lines]
    packages: set[str] = set()
    modules: set[str] = set()
    for path in paths:
        folder, _, file = path.rpartition("/")
        name, dot, rest = file.partition(".")
        if not dot or rest.rpartition(".")[2] not in ("py", "so", "pyi"):
            continue
        if folder and name == "__init__" and all(p.isidentifier() for p in folder.split("/")):
            packages.add(folder)
        elif not folder and name.isidentifier() and rest != "pyi":
            modules.add(name)
    # In a namespace package (google/cloud/storage) the folders above have no __init__.
    roots = {p for p in packages if "/" not in p or p.rpartition("/")[0] not in packages}
    roots = {p for p in roots if not any(p.startswith(other + "/") for other in roots)}
    found = sorted({p.replace("/", ".") for p in roots} | modules)
    if not found and not any(p.split("/")[0].endswith("-stubs") for p in paths):
        name = distribution.name.replace("-", "_")
        editable = any(p.endswith(".pth") or "__editable__" in p for p in paths)
        found = [name] if (editable or not paths) and name.isidentifier() else []
    public = [n for n in found if not any(p.startswith("_") for p in n.split("."))]
    main = [n for n in public if n not in ASIDE] or public
    named = [n for n in main if normalise(n) == distribution.key]
    distribution.own = found
    distribution.modules = named or main
    distribution.others = [n for n in public if n not in distribution.modules]


def read_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return [line.strip() for line in f if line.strip()]
    except OSError:
        return []


def missing(project: Project, environment: Environment) -> list[Dependency]:
    """Return the dependencies that are not installed and should be."""
    return [d for d in project.dependencies if d.key not in environment.distributions and not d.conditional]


def prepare(project: Project) -> tuple[Environment, bool]:
    """Return the environment, brought up to date first where that is allowed; tell whether that was needed."""
    synced = False
    if is_managed(project) and project.sync == "auto" and is_stale(project):
        sync(project)
        synced = True
    return describe(project), synced


def check(project: Project) -> list[EnvironmentProblem]:
    """Say what `setup` would have to do, without doing anything."""
    out: list[EnvironmentProblem] = []
    if is_managed(project) and find_uv() is None:
        out.append(EnvironmentProblem("uv is not installed", "uv tool install snakebridge brings it"))
    try:
        environment = describe(project)
    except EnvironmentProblem as e:
        return [*out, e]
    absent = missing(project, environment)
    for dependency in absent:
        fix = "snakebridge setup"
        if not environment.managed:
            fix = "%s -m pip install '%s'" % (environment.python, dependency.requirement)
        out.append(EnvironmentProblem("%s is not installed" % dependency.name, fix, project.file))
    wanted = project.python
    if environment.managed and wanted is not None:
        have = environment.facts["version"]
        if have != wanted and not have.startswith(wanted + "."):
            message = "the environment has Python %s, the project names %s" % (have, wanted)
            out.append(EnvironmentProblem(message, "snakebridge setup", project.file))
    if environment.managed and not out and find_uv() is not None:
        done = run_uv(project, *sync_arguments(project), "--check")
        if done.returncode != 0:
            lines = [x for x in done.stderr.splitlines() if x.strip()]
            reason = lines[-1].strip() if lines else "uv sync --check says so"
            out.append(EnvironmentProblem("the environment is out of date: %s" % reason, "snakebridge setup"))
    return out
