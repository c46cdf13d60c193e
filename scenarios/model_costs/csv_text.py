"""Read the text of a small CSV file: a regular file of bounded size in UTF-8."""

from __future__ import annotations

from pathlib import Path

from ..input_files import check_input_file

__all__ = ["csv_text"]


def csv_text(path: Path) -> str:
    """Return the text of a file, without the byte order mark that spreadsheets write.

    Raises
    ------
    OSError, ValueError
        If the path is not a regular file, the file is too large, or it is not UTF-8 text.
    """
    check_input_file(path)
    return path.read_text(encoding="utf-8-sig")
