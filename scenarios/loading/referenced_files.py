"""The files that a scenario names. A changed file makes another experiment, so their content is hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

__all__ = ["content_digest", "named_files"]


def named_files(value: Any) -> Iterator[Path]:
    """Yield the files and folders that a section names, except those of data sets, which are large."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel):
        for key, inner in value:
            if key != "dataset":
                yield from named_files(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from named_files(inner)
    elif isinstance(value, Mapping):
        yield from named_files(list(value.values()))


def content_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file, or of a folder's CSV files. An unreadable file counts by its name."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
        try:
            digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        except OSError:  # reading the scenario reports it as an issue
            digest.update(file.name.encode() + b"\0")
    return digest.digest()
