"""The sampling of each round's clients from all devices (docs/model.md section 2.7)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from ....scenarios.random_streams import stream
from ....scenarios.schema.participation import Participation
from ...faults.availability import on_off_availability
from ...faults.effects import AvailabilityTrace

__all__ = ["ClientSampler", "random_order"]


class ClientSampler:
    """Samples each round's devices in a random order, which depends only on the seed and the round.

    A round takes the first eligible devices of its order, so that every scheme samples in the same order. The
    order is generated only as far as a round needs it, and a device's availability is generated when the
    device is first considered. So the cost of a round grows with its clients, and not with the population.

    Parameters
    ----------
    section : Participation
        The scenario's ``participation``: the number of devices in a round, and the rule of selection.
    population : int
        The number of all devices.
    seed : int
        The scenario's seed.
    on_time : ndarray of bool, [population], optional
        Whether each device is eligible under ``selection: deadline``; by default all devices are.
    excluded : collection of int, optional
        Devices that no round samples. They keep their places in the random order, which they do not change.
    availability : callable, optional
        Returns the times in which a device is online; None for a device that is always online. By default
        they follow from ``selection: available``, and without it all devices are online.

    Attributes
    ----------
    num_eligible : int
        The number of devices that a round can ever sample.
    """

    def __init__(
        self,
        section: Participation,
        population: int,
        seed: int,
        on_time: NDArray[np.bool_] | None = None,
        excluded: Collection[int] = (),
        availability: Callable[[int], AvailabilityTrace | None] | None = None,
    ) -> None:
        if section.mean_on_s is not None and section.mean_off_s is not None:
            availability = on_off_availability(section.mean_on_s, section.mean_off_s, seed)
        self._section = section
        self._population = population
        self._seed = seed
        self._on_time = on_time
        self._excluded = excluded
        self._availability = availability
        self._traces: dict[int, AvailabilityTrace | None] = {}
        self.num_eligible = population - len(excluded)
        if on_time is not None:
            self.num_eligible = int(on_time.sum()) - sum(bool(on_time[device]) for device in excluded)

    @property
    def selects_available(self) -> bool:
        """Return whether only the start of a round depends on the devices that are online."""
        return self._section.selection == "available"

    def first_in_order(self, number: int = 1) -> tuple[int, ...]:
        """Return the first devices of a round's order, sorted, whether they are available or not."""
        order = self._order(number)
        return tuple(sorted(next(order) for _ in range(self._section.per_round)))

    def sample(self, number: int, now_s: float, departed: Collection[int]) -> tuple[int, ...]:
        """Return the devices of a round that begins now, sorted; empty if no device is available.

        Parameters
        ----------
        number : int
            The round's number, from 1.
        departed : collection of int
            The devices that have left the run.
        """
        wanted = min(self._section.per_round, self.num_eligible - len(departed))
        sampled: list[int] = []
        for device in self._order(number):
            if len(sampled) == wanted:
                break
            if device not in departed and self._is_eligible(device, now_s):
                sampled.append(device)
        return tuple(sorted(sampled))

    def next_available_s(self, now_s: float, departed: Collection[int]) -> float:
        """Return the instant at which the first device becomes available, if none is available now, [s].

        It is infinite if no eligible device ever comes online, or all have left the run.
        """
        remaining = (
            device
            for device in range(self._population)
            if device not in departed
            and device not in self._excluded
            and (self._on_time is None or self._on_time[device])
        )
        traces = (self._trace(device) for device in remaining)
        return min(
            (now_s if trace is None else trace.next_change_s(now_s) for trace in traces), default=math.inf
        )

    def _is_eligible(self, device: int, now_s: float) -> bool:
        if self._on_time is not None and not self._on_time[device]:
            return False
        trace = self._trace(device)
        return trace is None or trace.is_online(now_s)

    def _trace(self, device: int) -> AvailabilityTrace | None:
        """Return the times in which a device is online; None if it is always online."""
        if self._availability is None:
            return None
        if device not in self._traces:
            self._traces[device] = self._availability(device)
        return self._traces[device]

    def _order(self, number: int) -> Iterator[int]:
        order = random_order(self._population, stream(self._seed, "participants", number))
        return (device for device in order if device not in self._excluded) if self._excluded else order


def random_order(count: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield 0 to ``count - 1`` in random order, at a constant cost for each number.

    It is a Fisher-Yates shuffle that stores only the numbers that it has moved.
    """
    moved: dict[int, int] = {}
    for position in range(count):
        other = int(rng.integers(position, count))
        value = moved.get(other, other)
        moved[other] = moved.pop(position, position)
        yield value
