"""Which code made a result: the versions of what computes it, and a fingerprint of this package's own."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
from pathlib import Path

__all__ = ["versions"]

_ROOT = Path(__file__).parent
_DECIDING = (
    "experiment.py",
    "staging.py",
    "preparation.py",
    "recording.py",
    "checkpoints.py",
    "analysis/tables.py",
    "scenarios",
    "sim",
    "models",
)
"""What results follow from: not the command line, nor what draws and compares finished runs."""


def versions(*, trained: bool) -> dict[str, str]:
    """Return the version of Python, of each package that results depend on, and of this package's code.

    Parameters
    ----------
    trained : whether torch is one of them
    """
    packages = ["cutlayer", "numpy", "simpy", *(["torch"] if trained else [])]
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "code": _fingerprint(),
    }


@functools.cache
def _fingerprint() -> str:
    """Return 16 hexadecimal digits that change with the code, between two releases too."""
    digest = hashlib.sha256()
    for name in _DECIDING:
        place = _ROOT / name
        files = sorted([*place.rglob("*.py"), *place.rglob("*.csv")]) if place.is_dir() else [place]
        for path in files:
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
