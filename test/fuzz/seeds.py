"""Writes the seeds of the fuzzers into a folder, a subfolder each: from the text cases and wire vectors of test/core,
and from found/, which holds the inputs that once went wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Iterator, List

HERE = Path(__file__).parent
CORE = HERE.parent / "core"


def cases(name: str) -> Iterator[List[str]]:
    for case in (CORE / name).read_text("utf-8").split("\n\n"):
        lines = [line for line in case.splitlines() if not line.startswith("#")]
        if lines:
            yield ["" if line == "-" else line for line in lines]


def values() -> Iterator[bytes]:
    for line in (CORE / "vectors.txt").read_text("ascii").splitlines():
        if line and line[0] in "=<>!":
            yield bytes.fromhex(line.split(" ")[1])


def plans() -> Iterator[bytes]:
    for signature, given, _ in cases("signatures.txt"):
        yield f"{signature}\0{given}".encode()
    for text in cases("given.txt"):
        yield f"f|i:n,i:m,s:sep,v:x>n\0{text[0]}".encode()


def rings() -> Iterator[bytes]:
    for begin in (0, 32760, 2**64 - 8):
        start = begin.to_bytes(8, "big")
        for size in (0, 32, 33, 40, 100, 32767, 40000):
            frame = b"\x02" + size.to_bytes(2, "big")
            yield start + frame + b"\x08" + size.to_bytes(2, "big") + b"\x03\x05\x03"
            yield start + frame + b"\x08\x00\x20\x03\x08\x00\x28\x03\x05"
            yield start + (b"\x0e" + size.to_bytes(2, "big") + b"\x0f\xff\xff\x03\x05") * 3
    yield bytes(8) + b"\x0a\x40\x00\x00\x00\x18" + bytes(8) + b"\x03"


def answers() -> Iterator[bytes]:
    """Frames as fuzz_answers.c has them: kind, length, body."""

    def frame(kind: int, body: bytes) -> bytes:
        return bytes([kind]) + len(body).to_bytes(2, "big") + body

    error = (
        bytes.fromhex("87 01 6a") + b"ValueError" + bytes.fromhex("61 6d 60 81 73") + b"builtins.ValueError" + b"\0\0"
    )
    owner = b"\x1b" + ((1 << 48) + (1 << 47) + 1).to_bytes(8, "big")
    for tail in ("008118648108", "0082030582181427", "00811910003800"):
        view = b"\xd9\xf0\x15\x87\x01" + owner + bytes.fromhex("1a002010001856" + tail)
        yield frame(0, b"\xf6") + frame(0, view) * 14
    for value in values():
        yield frame(0, value) * 12
        yield frame(2, b"\x01\x62hi") + frame(1, error) + frame(0, value) + frame(3, bytes(32) + value)
        # The first answer is to the making of a function, whose number is 1 << 20.
        call = frame(4, b"\x1a\x00\x10\x00\x00\x81" + value + b"\xa1\x61k" + value)
        drop = frame(5, b"\x81\x1a\x00\x10\x00\x00")
        yield frame(0, b"\xf6") + call + frame(0, value) + drop + frame(0, b"\xfb" + bytes(8)) + frame(0, value)
        yield frame(0, b"\xf6") + call + call + frame(6, value) + frame(0, value) * 3 + drop + frame(0, value) * 3


def engine() -> Iterator[bytes]:
    """Requests as fuzz_engine.c has them: control, length, body."""

    def frame(control: int, body: bytes) -> bytes:
        return bytes([control]) + len(body).to_bytes(2, "big") + body

    for value in values():
        for plan in (0, 1, 3, 4, 22):
            yield frame(96, bytes([plan]) + b"\x81" + value) + frame(96, bytes([plan]) + b"\x82" + value * 2)
    for block, offset, kind, tail in (
        (b"\x01", "1a00200000", b"\x18\x56", "008118648108"),
        (b"\x02", "1a00202008", b"\x18\x4d", "0182030582181423"),
        (b"\x04", "1a003ff000", b"\x18\x40", "00811910008101"),
    ):
        view = b"\xd9\xf0\x15\x87\x00" + block + bytes.fromhex(offset) + kind + bytes.fromhex(tail)
        for plan in (0, 1, 3, 22):
            yield frame(96, bytes([plan]) + b"\x81" + view)
    identifier = b"\xd8\x27\x1b" + ((7 << 48) + 1).to_bytes(8, "big")
    made = frame(96, b"\x02\x81\x82\x01\x02")
    yield made + frame(32, b"\x0d\x82" + identifier + b"\x05") + frame(32, b"\x11\x81" + identifier)
    yield (
        made
        + frame(96, b"\x16\x81" + identifier)
        + frame(4, b"\x81" + identifier[2:])
        + frame(32, b"\x11\x81" + identifier)
    )
    yield (
        frame(8, b"\x17\x81\x01")
        + frame(0, b"\x17\x80")
        + frame(5, b"")
        + frame(32, b"\x17\x81\x61a")
        + frame(7, b"\x01")
    )
    for items in (b"\x01\x02\x03", b"\x01\x61a\x80", b"\x80\x80\x01"):
        generator = frame(96, b"\x18\x1e\x83" + items)
        stream = frame(96, b"\x18\x18\x81" + identifier)
        second = b"\xd8\x27\x1b" + ((7 << 48) + 2).to_bytes(8, "big")
        for plan in (25, 26):
            batch = frame(32, b"\x18" + bytes([plan]) + b"\x82" + second + b"\x18\x20")
            step = frame(32, b"\x18" + bytes([plan]) + b"\x81" + identifier)
            yield generator + stream + batch * 3 + step + frame(32, b"\x18\x1b\x81" + second)
        yield generator + frame(96, b"\x18\x1c\x81" + identifier) + frame(32, b"\x18\x1d\x81" + second)
        yield frame(32, b"\x18\x1f\x83" + items)
    for operation in (b"\x61f\x68math:cos\x80\x61d\xf4", b"\x61m\x65a:b.c\x82\x61x\x61y\x6f(i,s?,o{a:b.c})\xf5"):
        yield frame(6, b"\x85" + operation + b"\x83\x01\x02\x03")


def explanations() -> Iterator[bytes]:
    """A class and a message of each case of the table of mistakes."""
    for case in (HERE.parent / "explain" / "cases.txt").read_text("utf-8").split("\n\n"):
        lines = [line for line in case.splitlines() if not line.startswith("#")]
        message = "\n".join(line[1:] for line in lines[1:] if line.startswith("|"))
        if lines:
            yield f"{lines[0].split()[0]}\0{message}".encode()
            yield f"\0{message * 20}".encode()


def main(to: Path) -> None:
    kinds = {
        "value": values(),
        "plan": plans(),
        "ring": rings(),
        "answers": answers(),
        "engine": engine(),
        "explain": explanations(),
    }
    for kind, seeds in kinds.items():
        folder = to / kind
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / f"{number:03}").write_bytes(seed)
        for found in sorted((HERE / "found" / kind).glob("*")):
            (folder / found.name).write_bytes(found.read_bytes())


main(Path(sys.argv[1]))
