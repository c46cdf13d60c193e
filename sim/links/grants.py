"""Grants: the rates and powers of all senders on a shared band, from one change to the next."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["ConcurrentGrants", "ExclusiveGrant", "Grant", "NoGrant"]

Array: TypeAlias = NDArray[np.float64]


class Grant(Protocol):
    """Rates and powers of the clients that send; they stay until a transfer begins or ends.

    Arrays by client hold one number for each row of the links, also for clients that do not send.

    Attributes
    ----------
    until_s : float
        The instant up to which the grant is valid if no transfer begins or ends, [s].
    """

    until_s: float

    def select(self, clients: Collection[int]) -> list[tuple[int, float, float]]:
        """Return client, rate, [bit/s], and power, [W], of those of these clients that send."""

    def add_power(self, power_w: Mapping[int, float]) -> None:
        """Add a power to that of some senders, for example the power of their circuits, [W]."""

    def advance(self, remaining_bits: array[float], energy_j: array[float], elapsed_s: float) -> None:
        """Update the remaining bits and the spent energy, [J], of all senders after this time, [s]."""

    def first_end_s(self, remaining_bits: array[float], now_s: float) -> float:
        """Compute the end of every transfer, and return the first of these instants, [s]."""

    def ended(self, now_s: float) -> list[int]:
        """Return the clients whose transfers have ended by then, in the clients' order."""

    def drop(self, client: int) -> None:
        """Forget the end of a client's transfer, which has been stopped."""


@dataclass
class NoGrant:
    """An empty grant of the band, while the links of all waiting clients are interrupted."""

    until_s: float = math.inf

    def select(self, clients: Collection[int]) -> list[tuple[int, float, float]]:
        """Return no client."""
        return []

    def add_power(self, power_w: Mapping[int, float]) -> None:
        """Do nothing: there is no sender."""

    def advance(self, remaining_bits: array[float], energy_j: array[float], elapsed_s: float) -> None:
        """Do nothing: no bit is sent."""

    def first_end_s(self, remaining_bits: array[float], now_s: float) -> float:
        """Return infinity: no transfer ends."""
        return math.inf

    def ended(self, now_s: float) -> list[int]:
        """Return no client."""
        return []

    def drop(self, client: int) -> None:
        """Do nothing: no end is known."""


@dataclass
class ExclusiveGrant:
    """A grant of the whole band to one client; its cost does not depend on the number of waiting clients."""

    client: int
    rate_bps: float
    power_w: float
    until_s: float
    _end_s: float = math.inf

    def select(self, clients: Collection[int]) -> list[tuple[int, float, float]]:
        """Return client, rate, [bit/s], and power, [W], if these clients include the sender."""
        return [(self.client, self.rate_bps, self.power_w)] if self.client in clients else []

    def add_power(self, power_w: Mapping[int, float]) -> None:
        """Add a power to that of the sender, [W]."""
        self.power_w += power_w.get(self.client, 0.0)

    def advance(self, remaining_bits: array[float], energy_j: array[float], elapsed_s: float) -> None:
        """Update the remaining bits and the spent energy, [J], after this time, [s]."""
        remaining_bits[self.client] -= self.rate_bps * elapsed_s
        energy_j[self.client] += self.power_w * elapsed_s

    def first_end_s(self, remaining_bits: array[float], now_s: float) -> float:
        """Return the instant at which the transfer ends, [s]."""
        self._end_s = now_s + remaining_bits[self.client] / self.rate_bps if self.rate_bps > 0 else math.inf
        return self._end_s

    def ended(self, now_s: float) -> list[int]:
        """Return the client if its transfer has ended by then."""
        return [self.client] if self._end_s <= now_s else []

    def drop(self, client: int) -> None:
        """Forget the end of the transfer, which has been stopped."""
        if client == self.client:
            self._end_s = math.inf


@dataclass
class ConcurrentGrants:
    """Grants to several clients that send at the same time.

    Parameters
    ----------
    clients : ndarray, [num_senders]
        The senders, in their order.
    rate_bps, power_w : ndarray, [num_senders]
        Their rates, [bit/s], and transmit powers, [W].
    """

    clients: NDArray[np.intp]
    rate_bps: Array
    power_w: Array
    until_s: float
    _ends_s: Array = field(default_factory=lambda: np.empty(0))

    def select(self, clients: Collection[int]) -> list[tuple[int, float, float]]:
        """Return client, rate, [bit/s], and power, [W], of those of these clients that send."""
        if not clients:
            return []
        (indices,) = np.nonzero(np.isin(self.clients, np.fromiter(clients, np.intp)))
        columns = (column[indices].tolist() for column in (self.clients, self.rate_bps, self.power_w))
        return list(zip(*columns, strict=True))

    def add_power(self, power_w: Mapping[int, float]) -> None:
        """Add a power to that of some senders, [W]."""
        self.power_w = self.power_w + [power_w.get(client, 0.0) for client in self.clients.tolist()]

    def advance(self, remaining_bits: array[float], energy_j: array[float], elapsed_s: float) -> None:
        """Update the remaining bits and the spent energy, [J], of all senders after this time, [s]."""
        np.frombuffer(remaining_bits)[self.clients] -= self.rate_bps * elapsed_s
        np.frombuffer(energy_j)[self.clients] += self.power_w * elapsed_s

    def first_end_s(self, remaining_bits: array[float], now_s: float) -> float:
        """Compute the end of every transfer, and return the first of these instants, [s]."""
        self._ends_s = np.full(self.clients.shape, math.inf)
        sends = self.rate_bps > 0
        bits = np.frombuffer(remaining_bits)[self.clients[sends]]
        self._ends_s[sends] = now_s + bits / self.rate_bps[sends]
        return float(self._ends_s.min())

    def ended(self, now_s: float) -> list[int]:
        """Return the clients whose transfers have ended by then."""
        ended: list[int] = self.clients[self._ends_s <= now_s].tolist()
        return ended

    def drop(self, client: int) -> None:
        """Forget the end of a client's transfer, which has been stopped."""
        self._ends_s[self.clients == client] = math.inf
