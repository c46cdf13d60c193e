"""Guards around a block of code: no garbage collection of long-lived objects, no interrupt in its middle.

An interrupt is Ctrl-C. Inside of :func:`catch_termination` it is also SIGTERM, which batch systems,
containers and ``timeout`` send before they end a process, and SIGHUP, which a closed terminal sends.
"""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeAlias

__all__ = [
    "INTERRUPTS",
    "InterruptCount",
    "StopSignal",
    "catch_termination",
    "count_interrupts",
    "deferred_interrupt",
    "deliver_deferred_interrupt",
    "end_process_after_block",
    "frozen_gc",
    "interruptible",
]

_Handler: TypeAlias = Callable[[int, FrameType | None], Any]

_TERMINATIONS = tuple(
    number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)
INTERRUPTS = (signal.SIGINT, *_TERMINATIONS)
"""The signals that interrupt a run, as far as the system has them."""


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


@dataclass
class StopSignal:
    """The signal that asked this process to end.

    Attributes
    ----------
    number : int or None
        The number of the signal; None as long as none has arrived.
    """

    number: int | None = None

    @property
    def exit_status(self) -> int:
        """Return the exit status of an interrupted process: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.number or signal.SIGINT)


@contextmanager
def catch_termination() -> Iterator[StopSignal]:
    """Let SIGTERM and SIGHUP raise ``KeyboardInterrupt`` while the block runs, as Ctrl-C does.

    A signal that the process ignores or handles already keeps its handler. Outside of the main thread, which
    alone receives signals, nothing changes.
    """
    stop = StopSignal()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.number = number
        raise KeyboardInterrupt

    caught: list[int] = []
    if threading.current_thread() is threading.main_thread():
        caught = [number for number in _TERMINATIONS if signal.getsignal(number) is signal.SIG_DFL]
    for number in caught:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def end_process_after_block() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt the block, and end this process by the same signal after the block."""
    with ExitStack() as stack:
        stop = stack.enter_context(catch_termination())
        try:
            yield
        finally:
            stack.close()  # the signal has its default action again
            if stop.number is not None:
                signal.raise_signal(stop.number)


class _Deferral:
    """The handler of the signals that are deferred at the moment.

    Attributes
    ----------
    lets_through : bool
        Whether the signals reach their previous handlers at once.
    previous : dict of int to callable
        The previous handler of each signal.
    """

    def __init__(self, previous: dict[int, _Handler]) -> None:
        self.lets_through = False
        self.previous = previous
        self._received: list[int] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Keep the signal for later, or hand it on."""
        if not self.lets_through:
            self._received.append(number)
            return
        self.lets_through = False  # the handler raises as a rule, and the block ends
        self.previous[number](number, frame)
        self.lets_through = True

    def with_outer(self) -> list[_Deferral]:
        """Return this deferral and those around it, the outermost first."""
        outer = next((h for h in self.previous.values() if isinstance(h, _Deferral)), None)
        return [*(outer.with_outer() if outer else ()), self]

    def deliver(self) -> None:
        """Hand on the latest of the signals that were kept."""
        if self._received:
            number = self._received[-1]
            self._received.clear()
            self.previous[number](number, None)

    def restore(self) -> None:
        """Give the signals their previous handlers again."""
        for number, handler in self.previous.items():
            signal.signal(number, handler)


@contextmanager
def deferred_interrupt() -> Iterator[None]:
    """Defer an interrupt until the end of the block, so that the block runs completely.

    Blocks may be nested. :func:`interruptible` lets interrupts through for a part of the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers interrupts to the main thread alone
        return
    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}
    deferral = _Deferral({number: handler for number, handler in handlers.items() if callable(handler)})
    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, deferral)
    try:
        yield
    finally:
        deferral.restore()
        deferral.deliver()


@contextmanager
def interruptible() -> Iterator[None]:
    """Let interrupts end this part of a block of :func:`deferred_interrupt`, and deliver earlier ones now."""
    handlers = [signal.getsignal(number) for number in INTERRUPTS]
    innermost = next((handler for handler in handlers if isinstance(handler, _Deferral)), None)
    if innermost is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    deferrals = innermost.with_outer()
    try:
        for deferral in deferrals:
            deferral.lets_through = True
        for deferral in deferrals:
            deferral.deliver()
        yield
    finally:
        for deferral in deferrals:
            deferral.lets_through = False


def deliver_deferred_interrupt() -> None:
    """Deliver an interrupt that was deferred before now.

    Raises
    ------
    KeyboardInterrupt
        If there is one, and its handler raises as that of Python does.
    """
    with interruptible():
        pass


@dataclass
class InterruptCount:
    """The number of interrupts that have arrived."""

    count: int = 0


@contextmanager
def count_interrupts() -> Iterator[InterruptCount]:
    """Count interrupts while the block runs, so that they do not end it, deferred or not.

    The handlers of the signals are called, and the ``KeyboardInterrupt`` that they raise is counted. Outside
    of the main thread, which alone receives signals, nothing changes.

    Raises
    ------
    KeyboardInterrupt
        If an interrupt was deferred before the block.
    """
    deliver_deferred_interrupt()
    interrupts = InterruptCount()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}

    def on_signal(number: int, frame: FrameType | None) -> None:
        handler: Any = handlers[signal.Signals(number)]
        while isinstance(handler, _Deferral):
            handler = handler.previous[number]
        try:
            handler(number, frame)
        except KeyboardInterrupt:
            interrupts.count += 1

    replaced = [number for number, handler in handlers.items() if callable(handler)]
    for number in replaced:
        signal.signal(number, on_signal)
    try:
        yield interrupts
    finally:
        for number in replaced:
            signal.signal(number, handlers[number])
