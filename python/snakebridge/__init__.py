"""The Python side of SnakeBridge: the generator up to the manifest, and the start of a worker."""

__version__ = "0.1.0"
