"""Data sets as NumPy arrays, and their partition over the clients; no module here imports torch.

Read ``dataset`` first, then ``digits`` for an example of a data set.
"""

from __future__ import annotations

from .dataset import Dataset, DatasetError, DatasetFileError
from .partition import split

__all__ = ["Dataset", "DatasetError", "DatasetFileError", "split"]
