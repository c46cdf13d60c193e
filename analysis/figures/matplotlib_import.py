"""The import of Matplotlib in a process whose MPLBACKEND may name a backend that is not installed."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

__all__ = ["import_matplotlib"]


def import_matplotlib() -> None:
    """Import Matplotlib, whatever MPLBACKEND names. Figures of this package use no interactive backend.

    A notebook sets MPLBACKEND for all processes that it starts, and Matplotlib refuses its own import if the
    backend is not installed. A valid backend stays in force for the user's own figures.
    """
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError, ImportError):
            matplotlib.rcParams["backend"] = backend
