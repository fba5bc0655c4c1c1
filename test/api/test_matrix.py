"""The headers and macros.c in every language and at every optimisation, with all warnings; what deep nesting costs."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import pathlib
import subprocess

import pytest

from conftest import BUILD, CLANG, CLANGXX, GCC, GXX, HERE, LIBRARY, Compiler

LANGUAGES = [
    *[dataclasses.replace(GCC, std=std) for std in ("c11", "c17", "gnu2x")],
    *[dataclasses.replace(CLANG, std=std) for std in ("c11", "gnu2x")],
    GXX,
    CLANGXX,
]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
# -Wpedantic's limit for string literals is that of C99; the texts of macros.c's long calls are longer.
LONG = ["-Wno-overlength-strings"]

C_HEADERS = """assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg
stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype""".split()
POSIX_HEADERS = """aio arpa/inet cpio dirent dlfcn fcntl fmtmsg fnmatch ftw glob grp iconv langinfo libgen monetary
mqueue net/if netdb netinet/in netinet/tcp nl_types poll pthread pwd regex sched search semaphore
spawn strings sys/ipc sys/mman sys/msg sys/resource sys/select sys/sem sys/shm sys/socket sys/stat
sys/statvfs sys/time sys/times sys/types sys/uio sys/un sys/utsname sys/wait syslog tar termios
unistd utime wordexp""".split()
# Not for C++: its own are templates (complex, tgmath), or refuse (stdatomic) or lack C11's.
NOT_CXX = {"complex", "tgmath", "stdatomic", "threads", "stdnoreturn", "stdalign"}


def includes(names: list[str], cxx: bool = False) -> str:
    return "".join(f"#include <{n}.h>\n" for n in names if not (cxx and n in NOT_CXX))


def generated(bindings: pathlib.Path) -> list[str]:
    names = sorted(str(p.relative_to(bindings)) for p in (bindings / "py").rglob("*.h"))
    assert len(names) > 50
    return names


def bound(bindings: pathlib.Path) -> str:
    return "".join(f'#include "{n}"\n' for n in generated(bindings))


def compiles(compiler: Compiler, source: pathlib.Path, *flags: str) -> None:
    done = compiler.run(source, *WARNINGS, *flags)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[:4000]


MAIN = "int main(void);\nint main(void) { return 0; }\n"


@pytest.mark.parametrize("compiler", LANGUAGES, ids=lambda c: f"{c.name}-{c.std}")
def test_all_together(compiler: Compiler, tmp_path: pathlib.Path, bindings: pathlib.Path) -> None:
    """All generated headers, behind and in front of all headers of the C library and POSIX."""
    libc = includes(C_HEADERS + POSIX_HEADERS, compiler.cxx)
    ours = "#include <snakebridge.h>\n" + bound(bindings)
    source = tmp_path / "all.c"
    source.write_text(libc + ours + MAIN)
    compiles(compiler, source, "-D_GNU_SOURCE", "-fsyntax-only")
    source.write_text("#define SB_STRICT\n" + ours + libc + ours + MAIN)
    compiles(compiler, source, "-D_GNU_SOURCE", "-fsyntax-only")


@pytest.mark.parametrize("compiler", [GCC, CLANG, GXX, CLANGXX], ids=lambda c: c.name)
def test_each_alone(compiler: Compiler, tmp_path: pathlib.Path, bindings: pathlib.Path) -> None:
    """Each header needs no other in front of it, and may be included twice. The large ones are in all.c."""
    names = ["snakebridge.h", "snakebridge_gen.h", *generated(bindings)]

    def one(name: str) -> None:
        if (bindings / name).exists() and (bindings / name).stat().st_size > 500_000 and compiler is not GCC:
            return
        source = tmp_path / (name.replace("/", "_") + ".c")
        source.write_text(f'#include "{name}"\n#include "{name}"\n{MAIN}')
        compiles(compiler, source, "-fsyntax-only")

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(one, names))


@pytest.mark.parametrize(
    ("compiler", "optimise", "strict"),
    [(c, "-O2", False) for c in LANGUAGES]
    + [(c, "-O2", True) for c in (GCC, CLANG, GXX, CLANGXX)]
    + [(c, "-O0", False) for c in (GCC, CLANG, GXX, CLANGXX)],
    ids=lambda x: f"{x.name}-{x.std}" if isinstance(x, Compiler) else "strict" if x is True else str(x),
)
def test_macros(
    compiler: Compiler, optimise: str, strict: bool, tmp_path: pathlib.Path, bindings: pathlib.Path
) -> None:
    """Every macro in use, with all warnings; run where that makes a difference."""
    program = tmp_path / "macros"
    libraries = [f"-L{LIBRARY}", f"-Wl,-rpath,{LIBRARY}", "-lsnakebridge"]
    flags = [optimise, *LONG, *(["-DSB_STRICT"] if strict else []), "-o", str(program)]
    done = compiler.run(HERE / "macros.c", *WARNINGS, *flags, libraries=libraries)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[:4000]
    if strict:
        return
    for transport in ("worker", "inprocess"):
        env = {**os.environ, "SNAKEBRIDGE_TRANSPORT": transport}
        ran = subprocess.run(
            [str(BUILD / "test" / "api" / "left"), str(program)],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        closed = "rows: closed\n" * 2  # by the generator that a loop went through, and the one that it left
        assert ran.stdout == closed + ("ok 128\n" if compiler.cxx else "ok 126\n")


def preprocessed(compiler: Compiler, folder: pathlib.Path, depth: int) -> int:
    """Bytes of a call nested so deep, preprocessed."""
    source = folder / "deep.c"
    call = "1"
    for _ in range(depth):
        call = f'sb_call(py, "builtins.abs", {call})'
    source.write_text(
        f"#include <snakebridge.h>\nsb_value f(sb_session *py);\nsb_value f(sb_session *py) {{ return {call}; }}\n"
    )
    compiles(compiler, source, "-fsyntax-only")
    done = compiler.run(source, "-E", "-P")
    return len(done.stdout[done.stdout.rindex("sb_value f(") :])


@pytest.mark.parametrize("compiler", [GCC, CLANG, GXX, CLANGXX], ids=lambda c: c.name)
def test_nesting_is_linear(compiler: Compiler, tmp_path: pathlib.Path) -> None:
    """A call in a call in a call costs a level each, not a doubling."""
    four, eight, sixteen = (preprocessed(compiler, tmp_path, depth) for depth in (4, 8, 16))
    level = (eight - four) / 4
    assert level < 3000
    assert sixteen - eight <= 8 * level * 1.1
