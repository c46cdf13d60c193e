"""Records which code computed a result: package versions, and a fingerprint of this package's source."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

__all__ = ["NOT_FINGERPRINTED", "code_fingerprint", "source_files", "versions"]

NOT_FINGERPRINTED = (
    "cli",
    "analysis/comparison",
    "analysis/figures",
    "scenarios/library",
)
"""Folders of the package that no result depends on: the command line, and the reading of finished runs."""

_SUB_PACKAGES = ("analysis", "experiments", "models", "scenarios", "sim")


def versions(*, trained: bool) -> dict[str, str]:
    """Return the versions of Python, of the packages that decide results, and of this package's code.

    Parameters
    ----------
    trained : bool
        Whether torch is among these packages.
    """
    packages = ["cutlayer", "numpy", "simpy", *(["torch"] if trained else [])]
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "code": code_fingerprint(),
    }


@functools.cache
def code_fingerprint() -> str:
    """Return 16 hexadecimal digits that change with every source file that can change a result."""
    digest = hashlib.sha256()
    for name, file in source_files():
        digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def source_files() -> Iterator[tuple[str, Traversable]]:
    """Yield the name and the file of every source file in the fingerprint, in the order of their names.

    Everything in the package counts but :data:`NOT_FINGERPRINTED`, so that a new file is never forgotten.
    """
    package = resources.files("cutlayer")
    yield from (("api.py", package / "api.py"), ("__init__.py", package / "__init__.py"))
    for sub_package in _SUB_PACKAGES:
        yield from _files(sub_package, resources.files(f"cutlayer.{sub_package}"))


def _files(folder: str, where: Traversable) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(where.iterdir(), key=lambda entry: entry.name):
        name = f"{folder}/{entry.name}"
        if name in NOT_FINGERPRINTED or entry.name == "__pycache__":
            continue
        if entry.is_dir():
            yield from _files(name, entry)
        elif name.endswith((".py", ".csv")):
            yield name, entry
