"""The probe: every kind of thing on every interpreter, and modules that do their worst at import."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from conftest import HERE, Tool
from snakebridge import probes

HOSTILE = {
    "prints": "import os, sys\nprint('noise' * 1000)\nos.write(1, b'{\"modules\": {}}\\n')\nx = 1\n",
    "raises": "raise ValueError('not today')\n",
    "exits": "import sys\nsys.exit(3)\n",
    "leaves": "import os\nos._exit(0)\n",
    "dies": "import os, signal\nprint('last words', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)\n",
    "hangs": "import time\nwhile True:\n    time.sleep(1)\n",
    "spins": "import threading\nthreading.Thread(target=threading.Event().wait).start()\nx = 1\n",
    "forks": "import os, time\nif os.fork() == 0:\n    time.sleep(600)\n    os._exit(0)\nx = 1\n",
    "asks": "x = input()\n",
    "closes": "import os\nos.closerange(0, 3)\nx = 1\n",
    "lacks": "import not_there_at_all\n",
    "vanishes": "import sys\ndel sys.modules[__name__]\n",
    "replaces": "import sys\nclass M:\n    def __init__(self):\n        self.x = 2\nsys.modules[__name__] = M()\n",
    "slots": "import sys\nclass M:\n    __slots__ = ()\n    x = 1\nsys.modules[__name__] = M()\n",
    "interrupts": "raise KeyboardInterrupt\n",
    "syntax": "def f(:\n",
    "changes": "import os\nos.chdir('/')\nos.environ.clear()\nx = 1\n",
    "rewrites": "import builtins, json, os\nbuiltins.open = None\njson.dump = None\nos.replace = None\nx = 1\n",
}

SAYS = {
    "raises": "ValueError: not today",
    "exits": "SystemExit: 3",
    "leaves": "the process ended with exit status 0",
    "dies": "the process was killed by SIGSEGV; its last output: last words",
    "hangs": "no answer within 2 s (probe-timeout)",
    "asks": "EOFError: EOF when reading a line",
    "lacks": "ModuleNotFoundError: No module named 'not_there_at_all'",
    "vanishes": "KeyError: 'vanishes'",
    "interrupts": "KeyboardInterrupt",
}


os.environ["SB_TEST_RUN"] = str(os.getpid())  # marks what this run starts, whoever is its parent in the end


def children() -> set[str]:
    """Return the probes that this test run has started and that are there."""
    mark = b"SB_TEST_RUN=%d" % os.getpid()
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                status = Path("/proc", entry, "stat").read_text()
                command = Path("/proc", entry, "cmdline").read_text()
                variables = Path("/proc", entry, "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if "probe.py" in command and mark in variables and status.rpartition(")")[2].split()[0] != "Z":
                found.add(entry)
    return found


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile(tmp_path: Path, name: str) -> None:
    (tmp_path / (name + ".py")).write_text(HOSTILE[name])
    before = children()
    with probes.Probe(sys.executable, [name], own=[name], path=[str(tmp_path)], timeout=2) as probe:
        answer = probe.look()
        if name in SAYS:
            assert answer is None
            (failure,) = probe.failures
            assert failure.module == name
            assert failure.message == SAYS[name]
        elif name == "syntax":
            assert answer is None
            assert probe.failures[0].message.startswith("SyntaxError: ")
        elif name == "rewrites" and answer is None:
            assert "exit status 1" in probe.failures[0].message
        else:
            assert answer is not None and probe.failures == []
            assert "x" in answer["modules"][name]["names"]
    time.sleep(0.05)
    assert children() <= before


def test_others_still_bind(tool: Tool) -> None:
    names = sorted(HOSTILE)
    tool.write(
        '[tool.snakebridge]\npython = "%s"\nprobe-timeout = 3\npython-path = ["modules"]\nmodules = ["math", %s]\n'
        % (sys.executable, ", ".join('"%s"' % n for n in names)),
        **HOSTILE,
    )
    events = tool.bind(code=1)
    errors = [e for e in events if e["event"] == "diagnostic" and e["level"] == "error"]
    said = {e["library"]: e["message"] for e in errors}
    for name in ("raises", "exits", "leaves", "dies", "hangs", "lacks"):
        assert said[name].startswith("%s cannot be imported: " % name)
    assert all(list(e["library"] for e in errors).count(n) == 1 for n in said)
    assert "prints" not in said and "spins" not in said and "forks" not in said
    done = events[-1]
    assert done["event"] == "done"
    written = {x["name"] for x in done["libraries"]}
    assert {"stdlib", "prints", "spins", "forks"} <= written
    assert not written & {"raises", "exits", "leaves", "dies", "hangs", "lacks"}
    assert "sqrt" in tool.manifest("stdlib")["modules"]["math"]["names"]


def test_submodule_that_kills(tmp_path: Path) -> None:
    package = tmp_path / "good"
    package.mkdir()
    (package / "__init__.py").write_text("x = 1\n")
    (package / "bad.py").write_text("import os\nos.abort()\n")
    (package / "fine.py").write_text("y = 2\n")
    with probes.Probe(
        sys.executable, ["good"], optional=["good.bad", "good.fine"], own=["good"], path=[str(tmp_path)], timeout=5
    ) as probe:
        answer = probe.look()
    assert answer is not None
    assert sorted(answer["modules"]) == ["good", "good.fine"]
    assert [(f.module, f.message) for f in probe.failures] == [("good.bad", "the process was killed by SIGABRT")]


def test_properties_are_not_run(tmp_path: Path) -> None:
    (tmp_path / "trap.py").write_text(
        "import os\n"
        "class Meta(type):\n"
        "    @property\n"
        "    def boom(cls):\n"
        "        os._exit(9)\n"
        "class A(metaclass=Meta):\n"
        "    @property\n"
        "    def boom(self):\n"
        "        os._exit(9)\n"
        "class Lazy:\n"
        "    def __get__(self, obj, owner):\n"
        "        os._exit(9)\n"
        "class B:\n"
        "    lazy = Lazy()\n"
    )
    with probes.Probe(sys.executable, ["trap"], own=["trap"], path=[str(tmp_path)], timeout=5) as probe:
        answer = probe.look()
    assert answer is not None, probe.failures
    assert answer["classes"]["trap.A"]["members"]["boom"]["k"] == "property"
    assert answer["classes"]["trap.B"]["members"]["lazy"]["k"] == "property"


def test_kinds(interpreter: str) -> None:
    """What an old interpreter sees does not differ from what a new one does."""
    with probes.Probe(interpreter, ["kinds"], own=["kinds"], path=[str(HERE / "data")], timeout=20) as probe:
        answer = probe.look()
        assert answer is not None, probe.failures
        more = probe.ask({"resolve": {"kinds.Base": False, "json.JSONEncoder": True, "no.Such": True}, "describe": []})
    names = answer["modules"]["kinds"]["names"]
    kinds = {n: s["k"] for n, s in names.items()}
    for name in ("by_version", "pick", "kinds", "only", "untyped", "decorated", "cached", "context", "later", "bound"):
        assert kinds[name] == "function", name
    for name in ("Options", "Point", "Frozen", "Color", "Bits", "Sized", "Failure", "Base", "Derived", "IntBox"):
        assert kinds[name] == "class", name
    assert kinds["adder"] == "callable"
    assert kinds["LIMIT"] == kinds["RATIO"] == kinds["NAME"] == kinds["table"] == "value"
    for name in ("T", "C", "Json", "Pair", "Mode", "_hidden", "annotations", "Any", "enum", "overload", "by_platform"):
        assert name not in kinds or names[name].get("foreign"), name
    assert names["kinds"]["sig"] == [
        ["a", "positional_or_keyword", None],
        ["b", "positional_or_keyword", "'x'"],
        ["rest", "var_positional", None],
        ["c", "keyword_only", None],
        ["d", "keyword_only", "'r'"],
        ["more", "var_keyword", None],
    ]
    assert [p[2] for p in names["defaults"]["sig"]] == [
        "inf",
        "...",
        "Color.RED",
        "int",
        "(1, 'two', None)",
        "{'k': [1.5]}",
        "b'\\x00'",
        "-3",
    ]
    assert names["only"]["sig"][0] == ["a", "positional_only", None]
    assert names["later"]["async"] is True
    assert names["LIMIT"] == {"k": "value", "type": "builtins.int", "literal": "10"}
    classes = answer["classes"]
    assert classes["kinds.Point"]["fields"] == ["x", "y"]
    assert classes["kinds.Color"]["enum"] == [["RED", "1"], ["GREEN", "'g'"]]
    assert "enum" in classes["kinds.Bits"]["flags"] and "flag" in classes["kinds.Bits"]["flags"]
    assert "exception" in classes["kinds.Failure"]["flags"]
    assert "dataclass" in classes["kinds.Frozen"]["flags"]
    assert "protocol" in classes["kinds.Sized"]["flags"]
    assert "typeddict" in classes["kinds.Options"]["flags"]
    members = classes["kinds.Derived"]["members"]
    assert {n: m["k"] for n, m in members.items() if n[0] != "_"} == {
        "count": "attribute",
        "tag": "attribute",
        "fluent": "method",
        "create": "classmethod",
        "check": "staticmethod",
        "weight": "property",
        "fixed": "property",
        "slow": "property",
        "extra": "method",
    }
    assert members["weight"]["settable"] and not members["fixed"]["settable"]
    assert members["fluent"]["from"] == "kinds.Base" and members["extra"]["from"] == "kinds.Derived"
    assert members["fluent"]["sig"] == [["step", "positional_or_keyword", "1"]]
    assert "__add__" in members and "__radd__" not in members and "_private" not in members
    assert more["resolved"] == {
        "kinds.Base": "kinds.Base",
        "json.JSONEncoder": "json.encoder.JSONEncoder",
        "no.Such": None,
    }


def test_names_that_are_none(tmp_path: Path) -> None:
    """What Python lets in as a name though no source can hold it does not get out."""
    (tmp_path / "odd.py").write_text(
        "import enum, inspect\n"
        "E = enum.Enum('E', {'a-b': 1, 'ok': 2})\n"
        "globals()['no-name'] = 1\n"
        "globals()['class'] = 2\n"
        "class A:\n"
        "    fine = 1\n"
        "setattr(A, 'x y', 3)\n"
        "gen = (i for i in range(3))\n"
        "def f(a): pass\n"
        "f.__signature__ = 'nonsense'\n"
        "def g(a): pass\n"
        "g.__wrapped__ = g\n"
        "def local():\n"
        "    class Inner:\n"
        "        pass\n"
        "    return Inner\n"
        "Shown = local()\n"
    )
    with probes.Probe(sys.executable, ["odd"], own=["odd"], path=[str(tmp_path)], timeout=5) as probe:
        answer = probe.look()
    assert answer is not None, probe.failures
    names = answer["modules"]["odd"]["names"]
    assert sorted(n for n in names if n not in ("enum", "inspect")) == ["A", "E", "Shown", "f", "g", "gen", "local"]
    assert answer["classes"]["odd.E"]["enum"] == [["ok", "2"]]
    assert list(answer["classes"]["odd.A"]["members"]) == ["fine"]
    assert names["f"]["sig"] is None and names["g"]["sig"] is None
    assert names["Shown"]["class"] == "odd.Shown" and "odd.Shown" in answer["classes"]


def test_facts(interpreter: str) -> None:
    facts = probes.facts(interpreter)
    assert facts["implementation"] == "CPython"
    assert facts["python"] and facts["site"] and facts["path"]
    if facts["libpython"] is not None:
        assert os.path.isfile(facts["libpython"])


def test_facts_of_no_interpreter(tmp_path: Path) -> None:
    with pytest.raises(probes.ProbeError) as caught:
        probes.facts(str(tmp_path / "python"))
    assert caught.value.message == "cannot be run: No such file or directory"
    script = tmp_path / "fake"
    script.write_text("#!/bin/sh\necho no such thing >&2\nexit 4\n")
    script.chmod(0o755)
    with pytest.raises(probes.ProbeError) as caught:
        probes.facts(str(script))
    assert caught.value.message == "no such thing"
