"""Read the text of a small CSV file: a regular file of bounded size in UTF-8."""

from __future__ import annotations

from pathlib import Path

__all__ = ["csv_text"]

BYTES_MAX = 32 * 2**20
"""Largest size of a file, [byte]."""


def csv_text(path: Path) -> str:
    """Return the text of a file, without the byte order mark that spreadsheets write.

    Raises
    ------
    OSError, ValueError
        If the path is no regular file, the file is too large, or it is no text in UTF-8. A device or a pipe
        could be read without end.
    """
    if path.exists() and not path.is_file():
        raise ValueError("it is no regular file")
    if (size := path.stat().st_size) > BYTES_MAX:
        raise ValueError(f"it has {size:,} bytes; at most {BYTES_MAX:,} are read")
    return path.read_text(encoding="utf-8-sig")
