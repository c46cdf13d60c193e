"""Data sets as NumPy arrays, and their partition over the clients.

A new data set is one module with its parameters and ``load(parameters, input_shape) -> Dataset``,
and one registration in ``catalogue``. Nothing here imports torch.
"""

from __future__ import annotations

from .dataset import Dataset, DatasetError, DatasetFileError
from .partition import split

__all__ = ["Dataset", "DatasetError", "DatasetFileError", "split"]
