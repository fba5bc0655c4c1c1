"""The project file: pyproject.toml read, checked and completed. Nothing here touches the environment."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import tomllib

Json = dict[str, Any]

TRANSPORTS = ("worker", "inprocess")
SYNC = ("auto", "never")
ERROR_DETAIL = ("plain", "explained")
# Words that the C compiler keeps for itself make no prefix.
PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
REQUIREMENT = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*(.*)\Z", re.S)


class ProjectError(Exception):
    """What is wrong with a project file; `where` is its path, with line and column where they are known."""

    def __init__(self, where: str, message: str, fix: str | None = None) -> None:
        super().__init__("%s: %s" % (where, message))
        self.where = where
        self.message = message
        self.fix = fix


@dataclass
class Dependency:
    """One entry of [project] dependencies."""

    name: str  # as written
    key: str  # normalised, PEP 503
    requirement: str
    conditional: bool  # it has an environment marker, so that it may rightly be absent


@dataclass
class Options:
    """[tool.snakebridge.library.NAME]."""

    prefix: str | None = None
    include: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    submodules: list[str] = field(default_factory=list)

    def as_json(self) -> Json:
        """Return them as the manifest holds them."""
        return {
            "as": self.prefix,
            "include": self.include,
            "exclude": self.exclude,
            "submodules": self.submodules,
        }


@dataclass
class Project:
    """A checked project file, with defaults filled in and paths made absolute."""

    file: str
    root: str
    name: str | None
    dependencies: list[Dependency]
    modules: list[str]
    python_path: list[str]
    stubs: str
    transport: str
    error_detail: str
    python: str | None
    output: str
    manifests: str
    probe_timeout: float
    sync: str
    streaming: list[str]  # functions with an iterating form
    streaming_at: str  # the place of that key
    libraries: dict[str, Options]

    def options(self, *names: str) -> Options:
        """Return the options of a library that goes by one of these names."""
        for name in names:
            found = self.libraries.get(normalise(name))
            if found is not None:
                return found
        return Options()

    def as_json(self) -> Json:
        out = asdict(self)
        out["libraries"] = {n: o.as_json() for n, o in self.libraries.items()}
        return out


def normalise(name: str) -> str:
    """Return the name of a distribution as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def describe(value: Any) -> str:
    """Say of what TOML type a value is."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    return "a date or time"


def guess(word: str, allowed: Iterable[str]) -> str:
    """Return a clause that proposes what may have been meant, or ""."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return '; did you mean "%s"?' % close[0] if close else ""


class Checker:
    """Checks values of one file and knows where its keys stand."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = text.split("\n")

    def fail(self, key: tuple[str, ...], message: str, fix: str | None = None) -> ProjectError:
        return ProjectError(self.where(key), "%s: %s" % (show(key), message), fix)

    def where(self, key: tuple[str, ...]) -> str:
        """Return the place of a key."""
        line = self.line_of(key)
        return "%s:%d" % (self.path, line) if line else self.path

    def line_of(self, key: tuple[str, ...]) -> int:
        """Return the line of a key, or of the table that holds it, or 0. TOML's reader does not tell."""
        table: tuple[str, ...] = ()
        best, depth = 0, 0
        for number, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[\[?\s*(.*?)\s*\]\]?\s*(#.*)?$", line)
            if header and "=" not in header.group(1):
                table = split_key(header.group(1))
                full = table
            else:
                entry = re.match(r"\s*((?:[\w.-]|\s*\.\s*|\"[^\"]*\"|'[^']*')+?)\s*=", line)
                if not entry:
                    continue
                full = table + split_key(entry.group(1))
            if full[: len(key)] == key:
                return number
            if len(full) > depth and key[: len(full)] == full:
                best, depth = number, len(full)
        return best

    def keys(self, key: tuple[str, ...], table: Json, allowed: Iterable[str]) -> None:
        names = list(allowed)
        for name in table:
            if name not in names:
                message = "unknown key%s Allowed: %s" % (guess(name, names) or ".", ", ".join(names))
                raise self.fail((*key, name), message)

    def table(self, key: tuple[str, ...], value: Any) -> Json:
        if not isinstance(value, dict):
            raise self.fail(key, "expected a table, got %s" % describe(value))
        return value

    def text(self, key: tuple[str, ...], value: Any) -> str:
        if not isinstance(value, str):
            raise self.fail(key, "expected text, got %s" % describe(value))
        if not value or "\0" in value:
            raise self.fail(key, "expected text that is not empty")
        return value

    def choice(self, key: tuple[str, ...], value: Any, allowed: tuple[str, ...]) -> str:
        if not isinstance(value, str):
            raise self.fail(key, "expected text, got %s. Allowed: %s" % (describe(value), ", ".join(allowed)))
        if value not in allowed:
            raise self.fail(
                key, '"%s" is not allowed%s Allowed: %s' % (value, guess(value, allowed) or ".", ", ".join(allowed))
            )
        return value

    def texts(self, key: tuple[str, ...], value: Any, what: str = "text") -> list[str]:
        if not isinstance(value, list):
            raise self.fail(key, "expected a list of %s, got %s" % (what, describe(value)))
        for i, item in enumerate(value):
            if not isinstance(item, str):
                raise self.fail(key, "item %d: expected text, got %s" % (i + 1, describe(item)))
            if not item:
                raise self.fail(key, "item %d: expected text that is not empty" % (i + 1))
        return list(value)

    def functions(self, key: tuple[str, ...], value: Any) -> list[str]:
        names = self.texts(key, value, "names of functions")
        for name in names:
            if not MODULE.match(name):
                raise self.fail(key, '"%s" is not the name of a function' % name)
        return list(dict.fromkeys(names))

    def modules(self, key: tuple[str, ...], value: Any) -> list[str]:
        names = self.texts(key, value, "module names")
        for name in names:
            if not MODULE.match(name):
                raise self.fail(key, '"%s" is not the name of a module' % name)
        return list(dict.fromkeys(names))

    def seconds(self, key: tuple[str, ...], value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail(key, "expected a number of seconds, got %s" % describe(value))
        if not 0 < value <= 86400:
            raise self.fail(key, "expected more than 0 and at most 86400 seconds, got %s" % value)
        return float(value)


def split_key(text: str) -> tuple[str, ...]:
    """Split a dotted TOML key; quoted parts lose their quotes."""
    parts = re.findall(r"\"[^\"]*\"|'[^']*'|[\w-]+", text)
    return tuple(p[1:-1] if p[0] in "\"'" else p for p in parts)


def show(key: tuple[str, ...]) -> str:
    """Write a key path as TOML does."""
    return ".".join(p if re.match(r"[\w-]+\Z", p, re.A) else '"%s"' % p for p in key)


def read_dependencies(check: Checker, project: Json) -> list[Dependency]:
    key = ("project", "dependencies")
    out: list[Dependency] = []
    for text in check.texts(key, project.get("dependencies", []), "requirements"):
        match = REQUIREMENT.match(text)
        if match is None or (match.group(3) and match.group(3)[0] not in "<>=!~;@("):
            raise check.fail(key, '"%s" is not a requirement' % text)
        name = match.group(1)
        if any(d.key == normalise(name) for d in out):
            continue  # once a marker: the name counts
        out.append(Dependency(name, normalise(name), text.strip(), ";" in match.group(3)))
    return out


def read_libraries(check: Checker, value: Any, known: dict[str, str]) -> dict[str, Options]:
    key = ("tool", "snakebridge", "library")
    out: dict[str, Options] = {}
    for name, table in check.table(key, value).items():
        here = (*key, name)
        if normalise(name) not in known:
            names = sorted(set(known.values()))
            raise check.fail(
                here,
                "not a dependency, nor one of `modules`%s%s"
                % (guess(name, names) or ".", " There are: " + ", ".join(names) if names else " There are none."),
                "uv add %s" % name,
            )
        check.table(here, table)
        check.keys(here, table, ("as", "include", "exclude", "submodules"))
        options = Options()
        if "as" in table:
            options.prefix = check.text((*here, "as"), table["as"])
            if not PREFIX.match(options.prefix):
                raise check.fail((*here, "as"), '"%s" cannot begin a name in C' % options.prefix)
        if "include" in table:
            options.include = check.texts((*here, "include"), table["include"], "name patterns")
        if "exclude" in table:
            options.exclude = check.texts((*here, "exclude"), table["exclude"], "name patterns")
        if "submodules" in table:
            options.submodules = check.modules((*here, "submodules"), table["submodules"])
        out[normalise(name)] = options
    return out


ALLOWED = (
    "modules",
    "python-path",
    "stubs",
    "transport",
    "error-detail",
    "python",
    "output",
    "probe-timeout",
    "sync",
    "streaming",
    "library",
)


def read(path: str) -> Project:
    """Read and check a project file. Raises ProjectError."""
    try:
        with open(path, "rb") as f:
            data = f.read()
    except OSError as e:
        fix = "snakebridge init" if isinstance(e, FileNotFoundError) else None
        raise ProjectError(path, e.strerror or "cannot be read", fix) from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        line = data[: e.start].count(b"\n") + 1
        raise ProjectError("%s:%d" % (path, line), "this is not UTF-8") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        message = str(e)
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
        where = path
        if place:
            message = message[: place.start()]
            lines = text.split("\n")
            where = "%s:%s:%s" % (path, place.group(1) or len(lines), place.group(2) or len(lines[-1]) + 1)
        raise ProjectError(where, message) from None
    return check_document(path, text, document)


def check_document(path: str, text: str, document: Json) -> Project:
    check = Checker(path, text)
    root = os.path.dirname(os.path.abspath(path))
    project = check.table(("project",), document.get("project", {}))
    dependencies = read_dependencies(check, project)
    tool = check.table(("tool",), document.get("tool", {}))
    here = ("tool", "snakebridge")
    table = check.table(here, tool.get("snakebridge", {}))
    check.keys(here, table, ALLOWED)

    def take(name: str, reader: Callable[[tuple[str, ...], Any], Any], default: Any) -> Any:
        return reader((*here, name), table[name]) if name in table else default

    def absolute(p: str) -> str:
        return os.path.normpath(os.path.join(root, os.path.expanduser(p)))

    modules: list[str] = take("modules", check.modules, [])
    known = {d.key: d.name for d in dependencies}
    known.update((normalise(m.split(".")[0]), m.split(".")[0]) for m in modules)
    ci = os.environ.get("CI", "").lower() in ("true", "1", "yes")
    python_path = [absolute(p) for p in take("python-path", lambda k, v: check.texts(k, v, "folders"), [])]
    for folder in python_path:
        if not os.path.isdir(folder):
            raise check.fail((*here, "python-path"), "there is no folder %s" % folder)
    stubs = absolute(take("stubs", check.text, "stubs"))
    if "stubs" in table and not os.path.isdir(stubs):
        raise check.fail((*here, "stubs"), "there is no folder %s" % stubs)
    name = project.get("name")
    return Project(
        file=os.path.join(root, os.path.basename(path)),
        root=root,
        name=name if isinstance(name, str) else None,
        dependencies=dependencies,
        modules=modules,
        python_path=python_path,
        stubs=stubs,
        transport=take("transport", lambda k, v: check.choice(k, v, TRANSPORTS), "worker"),
        error_detail=take("error-detail", lambda k, v: check.choice(k, v, ERROR_DETAIL), "plain"),
        python=take("python", check.text, None),
        output=absolute(take("output", check.text, "build/snakebridge")),
        manifests=os.path.join(root, ".snakebridge", "manifest"),
        probe_timeout=take("probe-timeout", check.seconds, 30.0),
        sync=take("sync", lambda k, v: check.choice(k, v, SYNC), "never" if ci else "auto"),
        streaming=take("streaming", check.functions, []),
        streaming_at=check.where((*here, "streaming")),
        libraries=read_libraries(check, table.get("library", {}), known),
    )
