"""Transmissions over links that are interrupted at times: beginning, duration, bits, time on the air."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .capacity import CapacityTrace, PiecewiseCapacity

__all__ = ["RESTARTS_MAX", "AllWork", "Interruptions", "Transmission", "check_restarts", "transmission"]

RESTARTS_MAX = 100_000
"""Largest number of interruptions after which one transfer begins anew."""


class Interruptions(Protocol):
    """The times in which a link works, as a capacity of 1 or 0.

    Attributes
    ----------
    restarts : bool
        Whether a transfer begins anew after an interruption; otherwise it goes on where it stopped.
    """

    restarts: bool

    def at(self, time_s: float) -> tuple[float, float]:
        """Return 1.0 if the link works and 0.0 if not, and the instant of the next change, [s]."""

    def done(self, start_s: float, end_s: float) -> float:
        """Return the time between two instants in which the link works, [s]."""


class AllWork(PiecewiseCapacity):
    """The times in which several links all work."""

    def __init__(self, links: Sequence[Interruptions]) -> None:
        self._links = links
        self.restarts = any(link.restarts for link in links)

    def at(self, time_s: float) -> tuple[float, float]:
        """Return 1.0 if all links work and 0.0 if not, and the instant of the next change, [s]."""
        states, untils_s = zip(*(link.at(time_s) for link in self._links), strict=True)
        return min(states), min(untils_s)


@dataclass(frozen=True)
class Transmission:
    """A transfer over a link, from its first bit to its last one.

    Attributes
    ----------
    start_s : float
        The instant of the first bit, [s].
    duration_s : float
        The time from the first bit to the last one, with interruptions, [s].
    bits : float
        The bits on the air, also those that were repeated after an interruption, [bit].
    active_s : float
        The time on the air, [s].
    active : Interruptions or None
        The times in which the link works; None if it always does.
    """

    start_s: float
    duration_s: float
    bits: float
    active_s: float
    active: Interruptions | None = None


def transmission(
    rate: CapacityTrace, interruptions: Interruptions | None, ready_s: float, bits: float
) -> Transmission:
    """Return the transmission of a message, whose first bit is sent when the link works.

    Parameters
    ----------
    rate : CapacityTrace
        The rate while the link works, [bit/s].
    interruptions : Interruptions or None
        The times in which the link works; None for always.
    ready_s : float
        The instant from which the message can be sent, [s].
    bits : float
        The message's size, more than 0, [bit].

    Raises
    ------
    RuntimeError
        If the message begins anew so often that it would hardly ever end.
    """
    if math.isinf(ready_s):  # after an activity that never ends
        return Transmission(ready_s, math.inf, bits, 0.0)
    if interruptions is None:
        duration_s = rate.duration_s(ready_s, bits)
        return Transmission(ready_s, duration_s, bits, duration_s)
    now_s, begun_s, remaining = ready_s, math.inf, bits
    sent, active_s, restarts = 0.0, 0.0, 0
    while True:
        works, until_s = interruptions.at(now_s)
        if works:
            begun_s = min(begun_s, now_s)
            needed_s = rate.duration_s(now_s, remaining)
            if math.isinf(needed_s):  # whatever the interruptions
                return Transmission(begun_s, math.inf, bits, math.inf, interruptions)
            if now_s + needed_s <= until_s:
                air_bits = bits + sent if interruptions.restarts else bits
                return Transmission(
                    begun_s, now_s - begun_s + needed_s, air_bits, active_s + needed_s, interruptions
                )
            done, active_s = rate.done(now_s, until_s), active_s + (until_s - now_s)
            if interruptions.restarts:
                sent, restarts = sent + done, restarts + 1
                check_restarts(restarts)
            else:
                remaining -= done
                if remaining <= 0:  # by rounding: it ends with the working time
                    return Transmission(begun_s, until_s - begun_s, bits, active_s, interruptions)
        if math.isinf(until_s):
            return Transmission(begun_s, math.inf, bits + sent, active_s, interruptions)
        now_s = until_s


def check_restarts(restarts: int) -> None:
    """Check that a transfer has not begun anew too often.

    Raises
    ------
    RuntimeError
        If it has.
    """
    if restarts > RESTARTS_MAX:
        raise RuntimeError(
            f"a transfer has begun anew after {RESTARTS_MAX:,} outages, because it is longer than the times"
            " between them: give a longer faults.outage.mean_up_s, or restart: false"
        )
