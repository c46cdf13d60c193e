"""Suggestions for misspelt names ("did you mean ...?")."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

__all__ = ["closest"]


def closest(name: str, known: Sequence[str]) -> str:
    """Return ``"; did you mean …?"`` with the nearest known name, or nothing when none is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
