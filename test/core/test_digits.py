"""Integers of any size as the C codec writes and reads them, compared with Python's int and cbor2."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import Iterator

import cbor2


def numbers() -> Iterator[int]:
    chance = random.Random(1)
    yield 0
    for bits in [*range(1, 300), 511, 512, 1023, 1024, 4095, 4096, 20000]:
        edge = 1 << bits
        for n in (edge - 2, edge - 1, edge, edge + 1, chance.getrandbits(bits) | edge):
            yield n
            yield -n
    for digits in [*range(1, 120), 999, 1000, 4300, 4301]:
        n = chance.randrange(10**digits)
        yield n
        yield -n
        yield n - n % 10 ** (digits // 2)  # many zeros


def test_integers() -> None:
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    given = list(numbers())
    signs = [("", "+")[i % 5 == 0 and n >= 0] + "0" * (i % 3) * (n >= 0) for i, n in enumerate(given)]
    text = "".join(f"{sign}{n}\n" for sign, n in zip(signs, given))
    done = subprocess.run([os.environ["SB_DIGITS"]], input=text, stdout=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == len(given) > 1500
    for n, line in zip(given, lines):
        data, kind, digits = line.split(" ")
        assert data == cbor2.dumps(n).hex()
        assert digits == str(n)
        assert kind == ("int" if -(2**63) <= n < 2**63 else "uint" if 0 <= n < 2**64 else "digits")
