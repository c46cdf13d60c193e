"""The search for garbage, spared what is there to stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["kept_objects"]


@contextmanager
def kept_objects() -> Iterator[None]:
    """Leave all objects that exist now out of the search for garbage while the block runs.

    A run's devices, links and data stay to its end, while events come and go by the thousand, which starts
    the search anew and anew.
    """
    if gc.get_freeze_count():  # somebody has done so already
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
