"""The command line: help, exit codes, init, config, generate and call on projects of the standard library."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import stat
import subprocess
import time

import pytest
from conftest import COMMAND, SOURCE, Run, lines

SUBCOMMANDS = ["init", "setup", "generate", "call", "config", "doctor"]
PROJECT = '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.8"\n'


def project(folder: pathlib.Path, options: str = 'modules = ["math", "json"]') -> None:
    (folder / "pyproject.toml").write_text(f"{PROJECT}[tool.snakebridge]\n{options}\n")


def test_version(run: Run) -> None:
    assert run("snakebridge", "--version").stdout == "snakebridge 0.1.0\n"


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_has_an_example_and_exit_codes(run: Run, name: str) -> None:
    for argv in (["snakebridge", name, "--help"], ["snakebridge", "--help"]):
        done = run(*argv)
        assert "snakebridge" in done.stdout.split("Example:\n  ")[1]
        assert "Exit codes: 0 done; 1" in done.stdout
        assert done.stderr == ""
        assert max(map(len, lines(done.stdout))) <= 100


def test_wrong_command_lines(run: Run) -> None:
    done = run("snakebridge", "genrate", code=2)
    assert 'error: there is no command "genrate"' in done.stderr
    assert 'did you mean "generate"?' in done.stderr
    assert run("snakebridge", code=2).stdout == ""
    for argv in (
        ["init", "a", "b"],
        ["config"],
        ["config", "--cflags", "x"],
        ["generate", "x"],
        ["generate", "--nonsense"],
        ["setup", "x"],
        ["call"],
        ["call", "--timeout", "soon", "math.sqrt", "2"],
        ["call", "--timeout", "inf", "math.sqrt", "2"],
    ):
        done = run("snakebridge", *argv, code=2)
        assert f"Try: snakebridge {argv[0]} --help" in done.stderr
        assert done.stdout == ""


def test_no_colour_where_there_is_no_terminal(run: Run) -> None:
    assert "\033" not in run("snakebridge", "nonsense", code=2).stderr


def test_colour_on_a_terminal_unless_no_color(run: Run) -> None:
    for extra, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        done = run("script", "-qec", "snakebridge nonsense", "/dev/null", code=2, extra=extra)
        assert ("\033[1;31m" in done.stdout) == coloured


def test_init_writes_what_is_missing_and_overwrites_nothing(run: Run, work: pathlib.Path) -> None:
    target = work / "My App"
    target.mkdir()
    (target / "main.c").write_text("mine\n")
    done = run("snakebridge", "init", cwd=target)
    assert "kept    main.c" in done.stdout
    assert (target / "main.c").read_text() == "mine\n"
    assert sorted(p.name for p in target.iterdir()) == [
        ".gitignore",
        "CMakeLists.txt",
        "main.c",
        "pyproject.toml",
    ]
    assert 'name = "my-app"' in (target / "pyproject.toml").read_text()
    before = {p: p.read_text() for p in target.iterdir()}
    run("snakebridge", "init", cwd=target)
    assert before == {p: p.read_text() for p in target.iterdir()}


def test_init_make_in_a_new_folder(run: Run, work: pathlib.Path) -> None:
    run("snakebridge", "init", "--make", "9lives")
    assert (work / "9lives" / "Makefile").exists()
    assert not (work / "9lives" / "CMakeLists.txt").exists()
    assert 'name = "app"' in (work / "9lives" / "pyproject.toml").read_text()


def test_init_on_a_full_disk_leaves_no_half_file(run: Run, work: pathlib.Path) -> None:
    done = run("sh", "-c", "ulimit -f 0; trap '' XFSZ; exec snakebridge init", code=3)
    assert "error: pyproject.toml: File too large" in done.stderr
    assert list(work.iterdir()) == []


def test_config_names_what_is_there(run: Run) -> None:
    assert pathlib.Path(run("snakebridge", "config", "--cmakedir").stdout.strip(), "snakebridgeConfig.cmake").exists()
    assert pathlib.Path(run("snakebridge", "config", "--pkgconfigdir").stdout.strip(), "snakebridge.pc").exists()
    cflags, libs = run("snakebridge", "config", "--cflags", "--libs").stdout.split(" ", 1)
    assert pathlib.Path(cflags[2:], "snakebridge.h").exists()
    folder = libs.split()[0][2:]
    assert pathlib.Path(folder, "libsnakebridge.so").exists()
    assert f"-rpath,{folder}" in libs
    archive = run("snakebridge", "config", "--libs-static").stdout.split()[0]
    assert pathlib.Path(archive).exists()


def test_pkg_config(run: Run) -> None:
    folder = run("snakebridge", "config", "--pkgconfigdir").stdout.strip()
    done = run("pkg-config", "--cflags", "--libs", "snakebridge", extra={"PKG_CONFIG_PATH": folder})
    assert "-lsnakebridge" in done.stdout
    assert run("pkg-config", "--modversion", "snakebridge", extra={"PKG_CONFIG_PATH": folder}).stdout == "0.1.0\n"


def test_generate_without_a_project(run: Run) -> None:
    done = run("snakebridge", "generate", code=1)
    assert "error: there is no pyproject.toml in this folder or one above" in done.stderr
    assert "fix: snakebridge init" in done.stderr
    done = run("snakebridge", "generate", "--project", "nowhere", code=1)
    assert "nowhere: No such file or directory" in done.stderr


def test_generate_writes_headers_and_is_then_at_rest(run: Run, work: pathlib.Path) -> None:
    project(work)
    run("snakebridge", "setup", "--quiet")
    done = run("snakebridge", "generate")
    assert "headers in" in done.stdout
    headers = work / "build" / "snakebridge" / "py"
    assert (headers / "math.h").exists() and (headers / "json.h").exists() and (headers / "_project.h").exists()
    times = {p: p.stat().st_mtime_ns for p in headers.rglob("*.h")}

    # Nothing to do: no output, no child process, nothing written.
    trace = work / "trace"
    strace = shutil.which("strace")
    if strace:
        done = run(strace, "-f", "-o", trace, "-e", "trace=process", "snakebridge", "generate")
        calls = trace.read_text()
        assert "fork" not in calls and "clone" not in calls and calls.count("execve(") == 1
    done = run("snakebridge", "generate")
    assert done.stdout == done.stderr == ""
    assert times == {p: p.stat().st_mtime_ns for p in headers.rglob("*.h")}

    # From a folder below, the same project.
    (work / "sub").mkdir()
    assert run("snakebridge", "generate", cwd=work / "sub").stdout == ""

    # Another time on the same bytes is no change; other bytes are; headers that stay the same are not written.
    os.utime(work / "pyproject.toml", (1, 1))
    assert run("snakebridge", "generate").stdout == ""
    project(work, 'modules = ["math"]')
    assert "(" in run("snakebridge", "generate").stdout
    assert not (headers / "json.h").exists()
    assert (headers / "math.h").stat().st_mtime_ns == times[headers / "math.h"]

    # A header that was deleted comes back.
    (headers / "math.h").unlink()
    run("snakebridge", "generate")
    assert (headers / "math.h").exists()


def test_generate_says_nothing_when_quiet_and_lists_when_verbose(run: Run, work: pathlib.Path) -> None:
    project(work)
    run("snakebridge", "setup", "--quiet")
    done = run("snakebridge", "generate", "--quiet")
    assert done.stdout == done.stderr == ""
    done = run("snakebridge", "generate", "--verbose", "--output", "elsewhere")
    assert "headers (" in done.stdout and "untyped places (" in done.stdout
    assert (work / "elsewhere" / "py" / "math.h").exists()
    # Each output folder has a stamp of its own.
    assert run("snakebridge", "generate").stdout == ""
    assert run("snakebridge", "generate", "--output", "elsewhere").stdout == ""


def test_generate_writes_a_make_rule_of_what_it_read(run: Run, work: pathlib.Path) -> None:
    project(work)
    run("snakebridge", "setup", "--quiet")
    run("snakebridge", "generate")
    # Also where there is nothing to do, and its folder is not there.
    run("snakebridge", "generate", "--depfile", "a b/rule.d", "--touch", "stamp")
    rule = (work / "a b" / "rule.d").read_text()
    head, rest = rule.split(":", 1)
    assert head == "stamp" and (work / "stamp").exists()
    toml = str(work / "pyproject.toml")
    assert toml in rest.split("\n\n")[0].split() + rest.split()
    assert f"\n{toml}:\n" in rest
    assert "site-packages" not in rest.replace("site-packages/", "")
    (work / "Makefile").write_text("all: stamp\ninclude a\\ b/rule.d\n")
    assert "Nothing to be done" in run("make", "stamp").stdout


def test_an_input_that_changes_during_a_run_is_read_again(run: Run, work: pathlib.Path) -> None:
    (work / "own.py").write_text(
        "import os\nif not os.path.exists('seen'):\n    open('seen', 'w').close()\n"
        "    with open(__file__, 'a') as f:\n        f.write('def late(x: int) -> int: ...\\n')\n"
    )
    project(work, 'modules = ["own"]\npython-path = ["."]')
    run("snakebridge", "setup", "--quiet")
    run("snakebridge", "generate")
    header = work / "build" / "snakebridge" / "py" / "own.h"
    assert "own_late" not in header.read_text()
    assert run("snakebridge", "generate").stdout != ""
    assert "own_late" in header.read_text()
    assert run("snakebridge", "generate").stdout == ""


def test_a_make_rule_where_an_input_cannot_be_remembered(run: Run, work: pathlib.Path) -> None:
    """Then each run does its work, and writes a rule of the rest."""
    project(work)
    (work / "stubs").mkdir()
    (work / "stubs" / "a\nb.pyi").write_text("")
    run("snakebridge", "setup", "--quiet")
    for _ in range(2):
        assert run("snakebridge", "generate", "--depfile", "rule.d").stdout != ""
        assert str(work / "pyproject.toml") in (work / "rule.d").read_text()


def test_a_failing_library_is_one_diagnostic_and_the_others_bind(run: Run, work: pathlib.Path) -> None:
    (work / "broken.py").write_text("raise RuntimeError('at import')\n")
    project(work, 'modules = ["math", "broken"]\npython-path = ["."]')
    run("snakebridge", "setup", "--quiet")
    done = run("snakebridge", "generate", code=1)
    assert done.stderr.count("error:") == 1
    assert "broken" in done.stderr and "RuntimeError" in done.stderr and "at import" in done.stderr
    assert (work / "build" / "snakebridge" / "py" / "math.h").exists()
    # It is tried again, and works once it is mended.
    (work / "broken.py").write_text("def answer() -> int:\n    return 42\n")
    run("snakebridge", "generate")
    assert "broken_answer" in (work / "build" / "snakebridge" / "py" / "broken.h").read_text()
    assert run("snakebridge", "generate").stdout == ""
    # An own module is an input.
    (work / "broken.py").write_text("def other_answer() -> int:\n    return 43\n")
    run("snakebridge", "generate")
    assert "broken_other_answer" in (work / "build" / "snakebridge" / "py" / "broken.h").read_text()


def test_wrong_project_files_have_a_place(run: Run, work: pathlib.Path) -> None:
    (work / "pyproject.toml").write_text("[project\n")
    done = run("snakebridge", "generate", code=1)
    assert "pyproject.toml" in done.stderr and "line 1" in done.stderr.replace(":1", " line 1")
    project(work, 'module = ["math"]')
    done = run("snakebridge", "generate", code=1)
    assert "tool.snakebridge.module" in done.stderr and "modules" in done.stderr
    assert not (work / "build").exists()


def test_generate_into_what_is_no_folder(run: Run, work: pathlib.Path) -> None:
    project(work)
    run("snakebridge", "setup", "--quiet")
    (work / "out").write_text("a file, not a folder")
    done = run("snakebridge", "generate", "--output", "out", code=3)
    assert "out" in done.stderr and "Not a directory" in done.stderr
    assert (work / "out").read_text() == "a file, not a folder"


def test_generate_on_a_full_disk(run: Run, work: pathlib.Path) -> None:
    """A limit on the size of files stands for the disk; half-written files do not stay, and the next run works."""
    project(work)
    run("snakebridge", "setup", "--quiet")
    before = set(work.rglob("*"))
    limited = "ulimit -f 4; trap '' XFSZ; snakebridge generate; echo code $?"
    done = run("sh", "-c", limited)
    assert "code 1" in done.stdout or "code 3" in done.stdout
    assert "error:" in done.stderr and "File too large" in done.stderr
    assert not [p for p in set(work.rglob("*")) - before if p.suffix in (".tmp", ".h", ".json")]
    run("snakebridge", "generate")
    assert (work / "build" / "snakebridge" / "py" / "math.h").exists()


def test_progress_on_a_terminal_for_what_takes_over_a_second(run: Run, work: pathlib.Path) -> None:
    (work / "slow.py").write_text("import time\ntime.sleep(2.5)\n")
    project(work, 'modules = ["slow"]\npython-path = ["."]')
    run("snakebridge", "setup", "--quiet")
    done = run("script", "-qec", "snakebridge generate", "/dev/null", extra={"TERM": "xterm"})
    assert "\033[Kimporting" in done.stdout and " ... 1 s" in done.stdout
    (work / "slow.py").write_text("import time\ntime.sleep(1.5)\n")
    done = run("script", "-qec", "snakebridge generate --quiet", "/dev/null", extra={"TERM": "xterm"})
    assert done.stdout == ""


def test_two_generators_at_once(run: Run, work: pathlib.Path, env: dict[str, str]) -> None:
    project(work)
    run("snakebridge", "setup", "--quiet")
    both = [
        subprocess.Popen([COMMAND, "generate"], cwd=work, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    out = [p.communicate(timeout=120)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0]
    assert sorted(bool(text) for text in out) == [False, True]  # the second one found its work done
    assert not [p for p in work.rglob("*.tmp")]


def test_setup_check_changes_nothing(run: Run, work: pathlib.Path) -> None:
    project(work)
    done = run("snakebridge", "setup", "--check", code=1)
    assert ".venv" in done.stderr or "environment" in done.stderr
    assert not (work / ".venv").exists() and not (work / "uv.lock").exists()
    run("snakebridge", "setup")
    assert (work / ".venv" / "bin" / "python").exists()
    done = run("snakebridge", "setup", "--check")
    assert done.stdout == done.stderr == ""


@pytest.mark.parametrize(
    "argv, expected",
    [
        (["math.hypot", "3", "4"], 5.0),
        (["builtins.abs", "-3"], 3),
        (["builtins.pow", "2", "100"], 2**100),
        (["builtins.str", "1267650600228229401496703205376"], str(2**100)),
        (
            ["json.dumps", '{"a": [1, null, true]}', "--indent=2"],
            '{\n  "a": [\n    1,\n    null,\n    true\n  ]\n}',
        ),
        (["json.loads", '"{\\"x\\": [1.5, \\"ä\\"]}"'], {"x": [1.5, "ä"]}),
        (["builtins.str.upper", "plain text"], "PLAIN TEXT"),
        (["builtins.str.upper", "--", "--a=b"], "--A=B"),
        (["builtins.divmod", "7", "2"], [3, 1]),
        (["builtins.float", "nan"], "NaN"),
        (["builtins.float", "0.1"], 0.1),
        (["builtins.complex", "1", "2"], [1.0, 2.0]),
        (["pathlib.PurePosixPath", "/a", "b"], "/a/b"),
        (["builtins.print"], None),
        (["math.pi"], 3.141592653589793),
        (["sys.float_info.radix"], 2),
        (["string.digits"], "0123456789"),
    ],
)
def test_call(run: Run, argv: list[str], expected: object) -> None:
    out = run("snakebridge", "call", *argv).stdout
    assert json.loads(lines(out)[-1]) == expected


@pytest.mark.parametrize("transport", ["worker", "inprocess"])
def test_call_errors(run: Run, work: pathlib.Path, transport: str) -> None:
    extra = {"SNAKEBRIDGE_PYTHON": "/usr/bin/python3"}
    done = run("snakebridge", "call", "--transport", transport, "json.loads", "{", code=1, extra=extra)
    assert "JSONDecodeError" in done.stderr and done.stdout == ""
    done = run("snakebridge", "call", "--transport", transport, "math.nothing", code=1, extra=extra)
    assert "nothing" in done.stderr
    done = run("snakebridge", "call", "--python", "/no/python", "math.sqrt", "2", code=3)
    assert "/no/python" in done.stderr
    assert "Traceback" not in done.stderr
    # The machinery of import is not shown, the module's own code is.
    done = run("snakebridge", "call", "--transport", transport, "nowhere.f", code=1, extra=extra)
    assert lines(done.stderr) == ["error: nowhere.f: ModuleNotFoundError: No module named 'nowhere'"]
    (work / "half.py").write_text("import nowhere\n")
    half = {**extra, "PYTHONPATH": str(work)}
    done = run("snakebridge", "call", "--transport", transport, "half.f", code=1, extra=half)
    assert [line for line in lines(done.stderr) if "File" in line] == [f'  File "{work}/half.py", line 1, in <module>']
    done = run("snakebridge", "call", "--transport", transport, "math.pi", "1", code=1, extra=extra)
    assert "'float' object is not callable" in done.stderr
    begun = time.monotonic()
    done = (
        run(
            *[
                "snakebridge",
                "call",
                "--transport",
                transport,
                "--timeout",
                "0.5",
                "time.sleep",
                "60",
            ],
            code=1,
            extra=extra,
        )
        if transport == "worker"
        else None
    )
    assert time.monotonic() - begun < 20
    assert done is None or "SB_E_TIMEOUT" in done.stderr


def test_doctor(run: Run, work: pathlib.Path) -> None:
    done = run("snakebridge", "doctor", extra={"SNAKEBRIDGE_PYTHON": "/usr/bin/python3"})
    assert "WRONG" not in done.stdout
    assert len(lines(done.stdout)) <= 24
    for word in (
        "machine",
        "shared memory",
        "tools",
        "uv",
        "engine",
        "python",
        "worker",
        "inprocess",
    ):
        assert word in done.stdout
    done = run("snakebridge", "doctor", code=1, extra={"SNAKEBRIDGE_PYTHON": "/no/python"})
    assert "WRONG python" in done.stdout and "fix:" in done.stdout
    project(work)
    done = run("snakebridge", "doctor", code=1)
    assert "WRONG environment" in done.stdout and "snakebridge setup" in done.stdout


def test_a_tool_environment_without_mypy(run: Run, work: pathlib.Path) -> None:
    project(work)
    run("snakebridge", "setup", "--quiet")
    done = run("snakebridge", "generate", code=3, extra={"SNAKEBRIDGE_TOOL_PYTHON": "/no/python"})
    assert "/no/python: No such file or directory" in done.stderr
    done = run("snakebridge", "doctor", code=1, extra={"SNAKEBRIDGE_TOOL_PYTHON": "/no/python"})
    assert "WRONG tools" in done.stdout


def test_a_command_that_lost_its_parts(run: Run, work: pathlib.Path) -> None:
    lost = work / "snakebridge"
    shutil.copy(COMMAND, lost)
    lost.chmod(lost.stat().st_mode | stat.S_IXUSR)
    done = run(lost, "config", "--cflags", code=3)
    assert "lib/snakebridge/parts" in done.stderr and "install again" in done.stderr


def test_nothing_is_left_in_the_source_tree() -> None:
    assert not (SOURCE / ".snakebridge").exists()
