"""Interrupts (Ctrl-C) that wait for the end of what must be done wholly or not at all."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["deferred_interrupt", "frozen_gc"]


@contextmanager
def frozen_gc() -> Iterator[None]:
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


@contextmanager
def deferred_interrupt() -> Iterator[None]:
    """Let an interrupt take effect when the block has ended."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is None or threading.current_thread() is not threading.main_thread():
        yield  # interrupts are not ours to hold
        return
    held: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)
