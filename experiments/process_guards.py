"""Guards around a block of code: no garbage collection of long-lived objects, no interrupt in its middle."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["deferred_interrupt", "frozen_gc"]


@contextmanager
def frozen_gc() -> Iterator[None]:
    """Exclude all objects that exist now from garbage collection while the block runs.

    A run's devices, links and data live to its end. Its events come and go in thousands and start the garbage
    collector often, which would search all of these objects in vain each time.
    """
    if gc.get_freeze_count():  # a caller has frozen objects already, and unfreezes them itself
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def deferred_interrupt() -> Iterator[None]:
    """Defer an interrupt (Ctrl-C) until the end of the block, so that the block runs completely."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is None or threading.current_thread() is not threading.main_thread():
        yield  # Python delivers interrupts to the main thread alone
        return
    received: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if received:
            signal.raise_signal(signal.SIGINT)
