"""Suggestions for misspelt names ("did you mean ...?")."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

__all__ = ["closest"]


def closest(name: str, allowed: Sequence[str]) -> str:
    """Return ``"; did you mean …?"`` with the most similar name, or an empty text if none is similar."""
    matches = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    return f"; did you mean {matches[0]!r}?" if matches else ""
