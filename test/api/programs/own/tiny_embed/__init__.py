"""Embeddings from a table of words that the package ships: the smallest model there is."""

from __future__ import annotations

import json
import os
from typing import List

import numpy as np
from numpy.typing import NDArray


class Encoder:
    """Sums the vectors of a text's words."""

    def __init__(self, name: str) -> None:
        folder = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(folder, name + ".json"), encoding="utf-8") as f:
            self.words = {w: np.array(v) for w, v in json.load(f).items()}

    def encode(self, texts: List[str], *, normalize: bool = False) -> NDArray[np.float64]:
        """Return a vector a text."""
        out = np.array([sum(self.words[w] for w in t.split()) for t in texts], dtype=np.float64)
        return out / np.linalg.norm(out, axis=1, keepdims=True) if normalize else out
