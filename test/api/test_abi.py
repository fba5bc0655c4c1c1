"""What is exported, and that C and C++ see the same layouts."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest

from conftest import BINDINGS, CLANG, CLANGXX, GCC, GXX, INCLUDE, LIBRARY, Compiler

ENGINE = LIBRARY / "snakebridge" / "engine.abi3.so"


def output(*command: str | pathlib.Path) -> str:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True).stdout


def exported(library: pathlib.Path) -> set[str]:
    return {line.split()[-1].split("@")[0] for line in output("nm", "-D", "--defined-only", library).splitlines()}


def declared() -> set[str]:
    text = output("gcc", "-E", "-P", "-DSB_API=PUBLIC_API", f"-I{INCLUDE}", INCLUDE / "snakebridge_gen.h")
    names = re.findall(r"\bPUBLIC_API\b[^;{]*?\b(\w+)\s*\(", text)
    assert len(names) == text.count("PUBLIC_API") and len(names) > 50
    return set(names)


def test_symbols() -> None:
    """Every function of the headers is in the library, and nothing else is."""
    assert exported(LIBRARY / "libsnakebridge.so") == declared()


def test_soname() -> None:
    dynamic = output("readelf", "-dW", LIBRARY / "libsnakebridge.so")
    assert re.findall(r"SONAME.*\[(.*)\]", dynamic) == ["libsnakebridge.so.1"]
    assert "TEXTREL" not in dynamic
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
    assert {n for n in needed if not n.startswith("ld-linux")} <= {"libc.so.6", "libm.so.6"}


def test_engine() -> None:
    names = exported(ENGINE)
    assert {n for n in names if not n.startswith("PyInit_")} == {"sb_engine_api"}
    assert len([n for n in names if n.startswith("PyInit_")]) == 1
    dynamic = output("readelf", "-dW", ENGINE)
    assert "libpython" not in dynamic and "TEXTREL" not in dynamic


def test_static_library() -> None:
    """Linked into a program, it takes no name that is not ours."""
    for line in output("nm", "-A", "--defined-only", "--extern-only", LIBRARY / "libsnakebridge.a").splitlines():
        name = line.split()[-1]
        assert name.startswith("sb_"), line


STRUCTS = {
    "sb_object": "id",
    "sb_str": "ptr len",
    "sb_bytes": "ptr len",
    "sb_array": "data dtype ndim shape strides",
    "sb_value": "kind reserved as as.b as.f as.complex_ as.str as.items.len as.array as.object",
    "sb_args": "ptr len",
    "sb_site": "file given line",
    "sb_project": "size python engine transport python_path root libpython error_detail",
    "sb_options": "size project site transport python timeout exit_on_error quiet on_error user error_detail",
    "sb_using": "size site timeout",
    "sb_error": "code type message traceback function file line skipped exception",
    "sb_error_frame": "file function text line",
    "sb_error_frames": "ptr len",
    "sb_error_field": "name text",
    "sb_explanation": "why kind summary found expected suggestions suggestion_count fields field_count text error",
    "sb_scope": "py depth",
    "sb_used": "py timeout",
    "sb_event": "size kind name time library function operation pool session_name session worker file line"
    " duration bytes_sent bytes_received count code type message reason dropped",
    "sb_observe_options": "size event user kinds sample",
    "sb_fn": "name sig",
    "sb_slot": "i d b e s y v a o",
    # generated
    "pandas_DataFrame": "object as_NDFrame",
    "pandas_DataFrame_head_opts": "site n",
    "pandas_read_csv_opts": "site sep header low_memory dtype_backend",
    "pandas_concat_opts": "site",
    "pandas_DataFrame_shape_result": "item0 item1",
    "numpy_EighResult": "eigenvalues eigenvectors",
    "numpy_linspace_opts": "site num endpoint dtype",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, bindings: pathlib.Path) -> pathlib.Path:
    lines = [
        "#include <stdio.h>\n#include <stddef.h>",
        '#include <snakebridge_gen.h>\n#include "py/numpy.h"\n#include "py/pandas.h"',
        "int main(void)\n{",
    ]
    for name, fields in STRUCTS.items():
        lines.append(f'    printf("{name} %zu\\n", sizeof({name}));')
        lines += [f'    printf("{name}.{f} %zu\\n", offsetof({name}, {f}));' for f in fields.split()]
    lines += ["    return 0;\n}\n"]
    path = tmp_path_factory.mktemp("layout") / "layout.c"
    path.write_text("\n".join(lines))
    return path


def layout(compiler: Compiler, source: pathlib.Path) -> str:
    program = source.with_suffix(f".{compiler.name}")
    libraries = [f"-L{LIBRARY}", f"-Wl,-rpath,{LIBRARY}", "-lsnakebridge"]
    done = compiler.run(source, "-Werror", "-o", str(program), libraries=libraries)
    assert done.returncode == 0, done.stderr
    return output(program)


def test_layout(source: pathlib.Path) -> None:
    """The same sizes and offsets in C and C++, by every compiler; the published ones."""
    assert BINDINGS.exists()
    here = layout(GCC, source)
    assert "sb_value 24\nsb_value.kind 0\nsb_value.reserved 4\nsb_value.as 8\n" in here
    assert "sb_object 8\n" in here and "pandas_DataFrame 8\n" in here
    assert "sb_array 152\n" in here
    for compiler in (CLANG, GXX, CLANGXX):
        assert layout(compiler, source) == here, compiler.name


def test_several_files(tmp_path: pathlib.Path, bindings: pathlib.Path) -> None:
    """Files in C and C++ that include the same headers make one program, whose project is one."""
    main = '#include "py/math.h"\ndouble b(sb_session *py);\n%s double c(sb_session *py);\nint main(void)\n{\n'
    main += '    sb_session *py = sb_open();\n    printf("%%g %%g %%g\\n", py_math_sqrt(py, 4), b(py), c(py));\n'
    main += '    printf("%%s\\n", sb_project_.root);\n    return sb_close(py);\n}\n'
    body = '#include "py/math.h"\n%s double %s(sb_session *py);\n'
    body += "%s double %s(sb_session *py) { return py_math_sqrt(py, %d); }\n"
    sources = {
        (GCC, "a.c"): main % "extern",
        (GCC, "b.c"): body % ("extern", "b", "", "b", 9),
        (GXX, "c.cpp"): body % ('extern "C"', "c", 'extern "C"', "c", 16),
    }
    objects = []
    for (compiler, name), text in sources.items():
        (tmp_path / name).write_text(text)
        objects.append(str(tmp_path / f"{name}.o"))
        done = compiler.run(tmp_path / name, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c", "-o", objects[-1])
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    program = tmp_path / "program"
    output("gcc", *objects, f"-L{LIBRARY}", f"-Wl,-rpath,{LIBRARY}", "-lsnakebridge", "-o", program)
    lines = output(program).splitlines()
    assert lines[0] == "2 3 4"
    assert (pathlib.Path(lines[1]) / "pyproject.toml").exists()


def test_no_bindings(tmp_path: pathlib.Path) -> None:
    """A program without generated headers has no project: Python is the python3 on $PATH."""
    source, program = tmp_path / "main.c", tmp_path / "main"
    source.write_text(
        "#include <snakebridge.h>\nint main(void)\n{\n    sb_session *py = sb_open();\n"
        '    printf("%g\\n", sb_as_double(py, sb_call(py, "math.hypot", 3, 4)));\n    return sb_close(py);\n}\n'
    )
    libraries = [f"-L{LIBRARY}", f"-Wl,-rpath,{LIBRARY}", "-lsnakebridge"]
    done = GCC.run(source, "-Wall", "-Wextra", "-Werror", "-o", str(program), libraries=libraries)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert output(program) == "5\n"
