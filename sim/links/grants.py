"""What the senders have of a shared band from one change to the next, and what they send by then."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["ConcurrentGrants", "ExclusiveGrant", "Grant"]

Array: TypeAlias = NDArray[np.float64]


class Grant(Protocol):
    """Rates and powers of the clients that send, which stay until one begins or ends.

    Attributes
    ----------
    until_s : float
        The instant up to which they stay if nobody begins or ends, [s].
    """

    until_s: float

    def of(self, clients: Collection[int]) -> list[tuple[int, float, float]]:
        """Return client, rate, [bit/s], and power, [W], of those of the clients that send, in their order."""

    def count_off(self, left: array[float], energy_j: array[float], passed_s: float) -> None:
        """Count what is sent and spent in so many seconds, by client: bits left, and energy, [J]."""

    def first_end_s(self, left: array[float], now_s: float) -> float:
        """Work out when each would end that has so many bits left now; return the first of these instants."""

    def ended(self, now_s: float) -> list[int]:
        """Return the clients that have ended by then, in their order."""

    def drop(self, client: int) -> None:
        """Let a client not end: it has been stopped."""


@dataclass
class ExclusiveGrant:
    """One client has it all; that costs no more among many that wait."""

    client: int
    rate_bps: float
    power_w: float
    until_s: float
    _end_s: float = math.inf

    def of(self, clients: Collection[int]) -> list[tuple[int, float, float]]:
        """Return client, rate and power; see :class:`Grant` for this and the others."""
        return [(self.client, self.rate_bps, self.power_w)] if self.client in clients else []

    def count_off(self, left: array[float], energy_j: array[float], passed_s: float) -> None:
        """Count what is sent and spent in so many seconds."""
        left[self.client] -= self.rate_bps * passed_s
        energy_j[self.client] += self.power_w * passed_s

    def first_end_s(self, left: array[float], now_s: float) -> float:
        """Work out when it would end."""
        self._end_s = now_s + left[self.client] / self.rate_bps if self.rate_bps > 0 else math.inf
        return self._end_s

    def ended(self, now_s: float) -> list[int]:
        """Return it if it has ended."""
        return [self.client] if self._end_s <= now_s else []

    def drop(self, client: int) -> None:
        """Let it not end."""
        if client == self.client:
            self._end_s = math.inf


@dataclass
class ConcurrentGrants:
    """Many send side by side.

    Parameters
    ----------
    clients : [num_senders], int
        In their order.
    rate_bps, power_w : [num_senders], float
        [bit/s], [W].
    """

    clients: NDArray[np.intp]
    rate_bps: Array
    power_w: Array
    until_s: float
    _ends_s: Array = field(default_factory=lambda: np.empty(0))

    def of(self, clients: Collection[int]) -> list[tuple[int, float, float]]:
        """Return client, rate and power; see :class:`Grant` for this and the others."""
        if not clients:
            return []
        (places,) = np.nonzero(np.isin(self.clients, np.fromiter(clients, np.intp)))
        chosen = (each[places].tolist() for each in (self.clients, self.rate_bps, self.power_w))
        return list(zip(*chosen, strict=True))

    def count_off(self, left: array[float], energy_j: array[float], passed_s: float) -> None:
        """Count what is sent and spent in so many seconds."""
        np.frombuffer(left)[self.clients] -= self.rate_bps * passed_s
        np.frombuffer(energy_j)[self.clients] += self.power_w * passed_s

    def first_end_s(self, left: array[float], now_s: float) -> float:
        """Work out when each would end."""
        self._ends_s = np.full(self.clients.shape, math.inf)
        sends = self.rate_bps > 0
        self._ends_s[sends] = now_s + np.frombuffer(left)[self.clients[sends]] / self.rate_bps[sends]
        return float(self._ends_s.min())

    def ended(self, now_s: float) -> list[int]:
        """Return those that have ended."""
        ended: list[int] = self.clients[self._ends_s <= now_s].tolist()
        return ended

    def drop(self, client: int) -> None:
        """Let a client not end."""
        self._ends_s[self.clients == client] = math.inf
