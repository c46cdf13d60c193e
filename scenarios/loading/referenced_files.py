"""The files that a scenario names, and what they hold: a changed file makes another experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

__all__ = ["content_digest", "named_files"]


def named_files(value: Any) -> Iterator[Path]:
    """Yield the files and folders that a section names, but those of data sets, which are large."""
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
    """Return a digest of a file, or of the CSV files of a folder; of what can't be read, that it can't."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
        try:
            digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        except OSError:  # it is told as a fault of the scenario
            digest.update(file.name.encode() + b"\0")
    return digest.digest()
