"""The files that a scenario names. A changed file makes another experiment, so their content is hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

__all__ = ["content_digest", "files_by_key", "files_in", "named_files"]


def files_by_key(value: Any, key: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the dotted key and the path of each file and folder that a section names, data sets included."""
    if isinstance(value, Path):
        yield key, value
    elif isinstance(value, BaseModel | Mapping):
        for name, inner in value if isinstance(value, BaseModel) else value.items():
            yield from files_by_key(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, tuple | list):
        for number, inner in enumerate(value):
            yield from files_by_key(inner, f"{key}.{number}")


def named_files(value: Any) -> Iterator[Path]:
    """Yield the files and folders that a section names, except those of data sets, which are large."""
    for key, path in files_by_key(value):
        if "dataset" not in key.split("."):
            yield path


def files_in(path: Path) -> list[Path]:
    """Return a file itself, or the CSV files of a folder, in the order of their names."""
    return sorted(path.glob("*.csv")) if path.is_dir() else [path]


def content_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file, or of a folder's CSV files. An unreadable file counts by its name."""
    digest = hashlib.sha256()
    for file in files_in(path):
        try:
            digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        except OSError:  # reading the scenario reports it as an issue
            digest.update(file.name.encode() + b"\0")
    return digest.digest()
