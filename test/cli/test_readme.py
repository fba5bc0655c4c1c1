"""README's commands and programs, extracted and run: what builds SnakeBridge in a clean copy of the source, what uses
it in an empty home. `make test` and what runs it again are checked for their targets only."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess

from conftest import SOURCE, Run, lines

README = (SOURCE / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


def test_it_opens_with_the_two_commands() -> None:
    assert README.startswith("# SnakeBridge\n\n```sh\nmake demo\nmake test\n```\n")


def test_every_make_target_is_there() -> None:
    targets = set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE))
    assert targets >= {"demo", "test", "wheel", "bench", "nightly", "format", "lint"}
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=SOURCE, check=True, capture_output=True, timeout=60)


def test_every_subcommand_is_there(run: Run) -> None:
    named = set(re.findall(r"`snakebridge ([a-z]+)", README))
    assert named == {"init", "setup", "generate", "call", "config", "doctor"}
    for name in named:
        run("snakebridge", name, "--help")


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (SOURCE / target).exists(), target


def test_the_way_from_nothing(run: Run, env: dict[str, str], work: pathlib.Path, home: pathlib.Path) -> None:
    """All shell blocks in their order, in one shell, after the opening one; the C program where README says so."""
    copy = work / "snakebridge"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=SOURCE,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (SOURCE / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(SOURCE / name, copy / name)

    (opening, wheel, start, again, with_make, command) = blocks("sh")
    (program,) = blocks("c")
    (home / "program.c").write_text(program)
    script = "\n".join(
        [
            "set -e",
            wheel,
            start,
            "echo == again",
            'cp "$HOME/program.c" main.c',
            again,
            "echo == make",
            with_make,
            "echo == command",
            command,
        ]
    )
    env["PATH"] = "/usr/bin:/bin"
    done = run("bash", "-c", script, cwd=copy)
    first, rest = done.stdout.split("== again\n")
    second, rest = rest.split("== make\n")
    third, fourth = rest.split("== command\n")
    assert '"root": 1.414213562373095' in first
    assert "mean 1.723" in second
    assert [line.split()[1] for line in lines(second)[-3:]] == ["Bob", "Cleo", "Ada"]
    assert '"root": 1.414213562373095' in third
    assert lines(fourth)[0] == "5.0"
    assert "WRONG" not in fourth
    # Nothing but what was asked for: the project, the tool, uv's own folders.
    assert sorted(p.name for p in (work / "hello").iterdir() if not p.name.startswith(".")) == [
        "CMakeLists.txt",
        "build",
        "main.c",
        "pyproject.toml",
        "uv.lock",
    ]
    assert opening
