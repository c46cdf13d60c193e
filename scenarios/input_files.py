"""The rule for files that a scenario names: regular files of bounded size."""

from __future__ import annotations

from pathlib import Path

__all__ = ["check_input_file"]

BYTES_MAX = 32 * 2**20
"""Largest size of a file of a table or a graph, [byte]."""


def check_input_file(path: Path, bytes_max: int = BYTES_MAX) -> None:
    """Check that a path is a regular file of bounded size. A device or a pipe could be read without end.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is not a regular file, or it is too large.
    """
    size = path.stat().st_size
    if not path.is_file():
        raise ValueError("it is not a regular file")
    if size > bytes_max:
        raise ValueError(f"it has {size:,} bytes; at most {bytes_max:,} are read")
