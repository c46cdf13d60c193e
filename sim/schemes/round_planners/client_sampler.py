"""Who of a population takes part in each round (docs/model.md section 2.7)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from ....scenarios.random_streams import stream
from ....scenarios.schema.participation import Participation
from ...nodes.on_off_process import OnOffProcess

__all__ = ["ClientSampler", "random_order"]


class ClientSampler:
    """Draws each round's devices, in an order of seed and round alone: the same for every scheme.

    A round takes the first of its order that can be taken. The order is made as far as it is needed, and a
    device's states are drawn when it is first looked at: so a round costs what it draws, and not what there
    is to draw from.

    Parameters
    ----------
    section : how many, and which
    population : int
        Number of devices.
    seed : int
        Of the scenario.
    in_time : [population], bool, optional
        The devices that ``selection: deadline`` may take.

    Attributes
    ----------
    candidates : int
        How many devices can ever be taken.
    """

    def __init__(
        self, section: Participation, population: int, seed: int, on_time: NDArray[np.bool_] | None = None
    ) -> None:
        self._section = section
        self._population = population
        self._seed = seed
        self._in_time = on_time
        self._states: dict[int, OnOffProcess] = {}
        self.candidates = population if on_time is None else int(on_time.sum())

    def foremost(self, number: int = 1) -> tuple[int, ...]:
        """Return the devices at the front of a round's order, whatever their state, in rising order."""
        order = self._order(number)
        return tuple(sorted(next(order) for _ in range(self._section.per_round)))

    def members(self, number: int, now_s: float, left: Mapping[int, float]) -> tuple[int, ...]:
        """Return the devices of a round that begins now, in rising order; none where none is available.

        Parameters
        ----------
        number : int
            The round's number, from 1.
        now_s : float
            [s].
        left : the devices that have left the run
        """
        wanted = min(self._section.per_round, self.candidates - len(left))
        found: list[int] = []
        for device in self._order(number):
            if len(found) == wanted:
                break
            if device not in left and self._can(device, now_s):
                found.append(device)
        return tuple(sorted(found))

    def next_available_s(self, now_s: float, left: Mapping[int, float]) -> float:
        """Return when the next device is available, where none is now, [s]; infinity where none is left."""
        still = (device for device in range(self._population) if device not in left)
        return min(
            (state.switches_s[state.segment(now_s) + 1] for state in map(self._state, still)),
            default=math.inf,
        )

    def _can(self, device: int, now_s: float) -> bool:
        if self._in_time is not None:
            return bool(self._in_time[device])
        if self._section.selection == "available":
            state = self._state(device)
            return not state.is_off(state.segment(now_s))
        return True

    def _state(self, device: int) -> OnOffProcess:
        """Return when a device is on, which is its first state, and off."""
        if device not in self._states:
            on_s, off_s = self._section.mean_on_s, self._section.mean_off_s
            assert on_s is not None and off_s is not None  # the section asks for them
            self._states[device] = OnOffProcess(on_s, off_s, stream(self._seed, "availability", device))
        return self._states[device]

    def _order(self, number: int) -> Iterator[int]:
        return random_order(self._population, stream(self._seed, "participants", number))


def random_order(count: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield 0 to ``count - 1`` in random order, each at the same cost: a shuffle that keeps what it moved.

    Parameters
    ----------
    count : int
        How many numbers there are.
    rng : generator of the order's stream
    """
    moved: dict[int, int] = {}
    for place in range(count):
        other = int(rng.integers(place, count))
        value = moved.get(other, other)
        moved[other] = moved.pop(place, place)
        yield value
