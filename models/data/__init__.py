"""Data sets as NumPy arrays, their partition over the clients, and the mini-batches of each round.

A new data set is one module with its parameters and ``load(parameters, input_shape) -> Dataset``,
and one registration in ``catalogue``. Nothing here imports torch.
"""

from __future__ import annotations

from .batches import BatchSampler
from .dataset import Dataset, DatasetError, DatasetFileError
from .partition import split

__all__ = ["BatchSampler", "Dataset", "DatasetError", "DatasetFileError", "split"]
