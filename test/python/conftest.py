"""What the tests of the generator's Python side share: the package's place, interpreters, small projects."""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

HERE = Path(__file__).resolve().parent
Json = dict[str, Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="accept what golden tests give")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with a file of the folder golden."""

    def compare(name: str, text: str) -> None:
        path = HERE / "golden" / name
        if request.config.getoption("--update"):
            path.write_text(text)
        assert text == path.read_text(), "run pytest --update, then read git diff"

    return compare


VERSIONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]


def find_interpreter(version: str) -> str | None:
    """Return a CPython of this version on this machine."""
    candidates = [os.path.join(p, "python" + version) for p in os.environ.get("PATH", "").split(os.pathsep)]
    candidates += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/%s.*/bin/python" % version)))
    for path in candidates:
        if not os.access(path, os.X_OK):
            continue
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return path
    return None


@pytest.fixture(params=VERSIONS)
def interpreter(request: pytest.FixtureRequest) -> str:
    """Each interpreter that is found here."""
    path = find_interpreter(request.param)
    if path is None:
        pytest.skip("there is no Python %s on this machine" % request.param)
    return path


class Tool:
    """Runs steps of the tool on a project in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "pyproject.toml"
        self.manifests = folder / "manifests"

    def write(self, text: str, **files: str) -> None:
        """Write the project file, and modules by name into the folder `modules`."""
        self.file.write_text(text)
        for name, source in files.items():
            path = self.folder / "modules" / (name + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)

    def run(self, step: str, *arguments: str, code: int = 0, **env: str) -> list[Json]:
        done = subprocess.run(
            [sys.executable, "-B", "-P", "-m", "snakebridge.tool", step, str(self.file), *arguments],
            env=dict(os.environ, PYTHONPATH=str(ROOT / "python"), **env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout[-3000:] + done.stderr
        assert done.stderr == ""
        return [json.loads(line) for line in done.stdout.splitlines()]

    def bind(self, *arguments: str, code: int = 0, **env: str) -> list[Json]:
        return self.run("bind", "--manifests", str(self.manifests), *arguments, code=code, **env)

    def manifest(self, name: str) -> Json:
        loaded: Json = json.loads((self.manifests / (name + ".json")).read_text())
        return loaded


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


# -- manifests as text ------------------------------------------------------------------------------------------------

MARKS = {"positional_only": "/", "var_positional": "*", "keyword_only": "=", "var_keyword": "**"}


def show_type(t: Json) -> str:
    """Write a TYPE node on a line."""
    kind = t["k"]
    arguments = "[%s]" % ", ".join(show_type(a) for a in t["a"]) if "a" in t else ""
    if kind == "inst":
        return str(t["n"]).removeprefix("builtins.") + arguments
    if kind == "alias":
        return "@" + str(t["n"]) + arguments
    if kind == "union":
        return " | ".join(show_type(i) for i in t["i"])
    if kind == "lit":
        return repr(t["v"])
    if kind == "tuple":
        return "%s(%s)" % (t.get("n", ""), ", ".join(show_type(i) for i in t["i"]))
    if kind == "any":
        return "?" + t["why"]
    if kind == "type":
        return "type[%s]" % show_type(t["i"])
    if kind == "call":
        return "callable" + show_signature(t["s"])
    if kind == "tvar":
        return "~" + str(t["n"])
    if kind == "typeddict":
        fields = ["%s%s: %s" % (n, "" if n in t["req"] else "?", show_type(x)) for n, x in sorted(t["f"].items())]
        return "%s{%s}" % (t["n"], ", ".join(fields))
    return str(kind)


def show_signature(sig: Json) -> str:
    """Write a SIG node on a line."""
    params = []
    for p in sig["params"]:
        default = "" if p.get("default") is None else " = " + p["default"]
        must = "!" if p.get("required") else ""
        params.append("%s%s%s: %s%s" % (MARKS.get(p["kind"], ""), p["name"], must, show_type(p["type"]), default))
    return "(%s) -> %s" % (", ".join(params), show_type(sig["returns"]))


def show_entry(name: str, entry: Json) -> list[str]:
    """Write a symbol or member as lines."""
    source = entry.get("source", {})
    words = [entry["kind"], name]
    if entry.get("async"):
        words.insert(0, "async")
    if entry.get("streaming"):
        words.insert(0, "streaming")
    if "type" in entry:
        words.append(": " + show_type(entry["type"]))
    if entry.get("literal") is not None:
        words.append("= " + entry["literal"])
    if "class" in entry:
        words.append("-> " + entry["class"])
    if "module" in entry:
        words.append("-> " + entry["module"])
    if entry.get("settable"):
        words.append("settable")
    lines = [" ".join(words)]
    if source:
        lines[0] += "   <%s>" % " ".join("%s:%s" % (k[0], source[k]) for k in ("existence", "types", "names"))
    lines += ["    " + show_signature(s) for s in entry.get("sigs", [])]
    return lines


def show_manifest(manifest: Json) -> str:
    """Write all that a manifest says, without documentation, for golden files."""
    out: list[str] = []
    for module, m in manifest["modules"].items():
        out.append("module %s" % module)
        for name, symbol in m["names"].items():
            out += ["  " + line for line in show_entry(name, symbol)]
    for key, c in manifest["classes"].items():
        out.append("class %s (%s) public %s" % (key, ", ".join(c["bases"]), c["public"]))
        out.append("  mro %s" % ", ".join(c["mro"]))
        if c["flags"]:
            out.append("  flags %s" % ", ".join(c["flags"]))
        if "item" in c:
            out.append("  %s %s" % ("iterator of" if c.get("iterator") else "items", show_type(c["item"])))
        if c["fields"] is not None:
            out.append("  fields %s" % ", ".join("%s: %s" % (n, show_type(t)) for n, t in c["fields"]))
        if c["enum"] is not None:
            out.append("  enum %s" % ", ".join("%s = %s" % (n, v) for n, v in c["enum"]))
        out += ["  new " + show_signature(s) for s in c["new"] or []]
        for name, member in c["members"].items():
            lines = show_entry(name, member)
            if member["from"] != key:
                lines[0] += " from " + member["from"]
            out += ["  " + line for line in lines]
    for name, alias in manifest["aliases"].items():
        out.append("alias %s(%s) = %s" % (name, ", ".join(alias["params"]), show_type(alias["target"])))
    for name, v in manifest["typevars"].items():
        values = " in (%s)" % ", ".join(show_type(t) for t in v["values"]) if v["values"] else ""
        default = " = " + show_type(v["default"]) if v["default"] else ""
        out.append("typevar %s: %s%s%s" % (name, show_type(v["bound"]), values, default))
    for d in manifest["diagnostics"]:
        out.append("diagnostic %s %s: %s (%s)" % (d["module"], d["kind"], d["message"], d["fix"]))
    return "\n".join(out) + "\n"
