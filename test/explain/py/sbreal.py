# SPDX-License-Identifier: MIT
"""Mistakes that libraries themselves complain about; names of functions are those of the table in test_raised.c."""

import numpy as np
import pandas as pd

A = np.ones((3, 4))
TABLE = pd.DataFrame({"amount": [1, 2, 3], "name": ["a", "b", "c"]})


def matmul():
    left, right = np.ones((3, 4)), np.ones((3, 4))
    return left @ right


def dot():
    return np.dot(A, A)


def broadcast():
    return A + np.ones(3)


def concatenate():
    return np.concatenate([A, np.ones((3, 5))])


def reshape():
    return A.reshape(5, 3)


def mask():
    return A[np.array([True, False])]


def index():
    return A[5]


def cast():
    x = np.arange(3)
    x += 0.5
    return x


def loop():
    return np.add(np.array(["a"]), 1)


def memory():
    return np.empty(1 << 50)


def ambiguous():
    return bool(A > 1)


def column():
    return TABLE["amout"]


def length():
    t = TABLE.copy()
    t["z"] = [1, 2]


def merge():
    return TABLE.merge(pd.DataFrame({"amount": ["1"]}), on="amount")


def keyword():
    return TABLE.sort_values("amount", ascendign=False)


def integer():
    return pd.Series([1, None]).astype(int)


def labels():
    return TABLE.amount == pd.Series([1, 2])
