"""Packet loss: the number of times that packets are sent until they arrive (docs/model.md section 2.9)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...scenarios.schema.faults import PacketLoss
from ..csv_files import check_rows, read_rows
from ..radio.units import linear_to_db
from .effects import Sending

__all__ = ["BlockErrorRate", "PacketErrors", "packet_errors", "read_block_error_rate", "total_tries"]

Array = NDArray[np.float64]

PROBABILITY_MAX = 0.999
"""Largest probability that a packet is lost; a block error rate above it counts as this."""
PACKETS_MAX = 10**15
"""Largest number of packets of a message; a longer message has larger packets than the scenario says."""


def total_tries(rng: np.random.Generator, packets: int, survival: Callable[[int], float]) -> int:
    """Draw the total number of tries of some independent packets, exactly.

    Of the packets that were sent k − 1 times, those that are sent again are binomially distributed, with
    probability S(k) / S(k − 1).

    Parameters
    ----------
    packets : int
        The number of packets.
    survival : callable
        S(k), from a number of tries k to the probability that a packet needs more than k tries; S(0) = 1.
    """
    total, tries, needed_more = 0, 0, 1.0
    while packets:
        total, tries = total + packets, tries + 1
        need_more = survival(tries)
        packets = int(rng.binomial(packets, min(1.0, need_more / needed_more))) if need_more > 0 else 0
        needed_more = need_more
    return total


@dataclass(frozen=True, eq=False)
class BlockErrorRate:
    """A block error rate by signal-to-noise ratio: linear between its points, and constant outside of them.

    Attributes
    ----------
    snr_db : ndarray, [num_points]
        Signal-to-noise ratios, rising, [dB].
    rate : ndarray, [num_points]
        The probability that a packet is lost.
    """

    snr_db: Array
    rate: Array

    def at(self, snr: float) -> float:
        """Return the probability that a packet is lost at a linear signal-to-noise ratio."""
        snr_db = linear_to_db(snr) if snr > 0 else -math.inf
        return float(np.interp(snr_db, self.snr_db, self.rate))


@dataclass(frozen=True)
class PacketErrors:
    """The lost packets of messages.

    Attributes
    ----------
    packet_bits : float
        The size of a packet, of which the last one of a message may be smaller, [bit].
    rate : float or BlockErrorRate
        The probability that a packet is lost, or its dependence on the signal-to-noise ratio.
    max_tries : int or None
        The number of times that a packet is sent before its message is lost; None for no limit.
    """

    packet_bits: float
    rate: float | BlockErrorRate
    max_tries: int | None = None

    @property
    def never_lose(self) -> bool:
        """Return whether no packet is ever lost."""
        return not (self.rate.rate.any() if isinstance(self.rate, BlockErrorRate) else self.rate)

    @property
    def mean_delivered(self) -> float:
        """Return the mean share of new bits among those on the air; 1 if it depends on the link."""
        return 1.0 if isinstance(self.rate, BlockErrorRate) else 1.0 - self.rate

    def probability(self, snr: float) -> float:
        """Return the probability that a packet is lost on a link."""
        rate = self.rate.at(snr) if isinstance(self.rate, BlockErrorRate) else self.rate
        return min(rate, PROBABILITY_MAX)

    def sending(self, rng: np.random.Generator, bits: float, snr: float, *, must_arrive: bool) -> Sending:
        """Draw the transmissions of a message's packets, and return all bits sent and whether it arrives.

        With a limit of m tries, a packet is given up with probability p^m. The number of packets up to the
        first one that is given up is geometric, and the message ends with it.

        Parameters
        ----------
        bits : float
            The message's size, more than 0, [bit].
        snr : float
            The signal-to-noise ratio of the link, linear, [1].
        must_arrive : bool
            Whether packets are sent without a limit of tries.
        """
        lost = self.probability(snr)
        if not lost:
            return Sending(bits, True)
        if must_arrive or self.max_tries is None:
            return Sending(self._air_bits(rng, bits, lambda tries: lost**tries), True)
        limit, (packets, packet_bits, last_bits) = self.max_tries, self._packets(bits)
        given_up = lost**limit
        sent_before = int(rng.geometric(given_up)) - 1 if given_up > 0 else packets

        def survival(tries: int) -> float:
            return (lost**tries - given_up) / (1.0 - given_up)

        if sent_before >= packets:
            return Sending(self._air_bits(rng, bits, survival), True)
        whole_bits = packet_bits * total_tries(rng, sent_before, survival)
        given_up_bits = last_bits if sent_before == packets - 1 else packet_bits
        return Sending(whole_bits + limit * given_up_bits, False)

    def broadcast_bits(self, rng: np.random.Generator, bits: float, snr: Sequence[float]) -> float:
        """Draw the tries of a broadcast's packets until every listener has them; return the bits on the air.

        The number of tries of a packet is the largest of one geometric variable for each listener:
        P(T ≤ k) = Π_i (1 − p_i^k).
        """
        lost = np.array([self.probability(each) for each in snr])
        if not lost.any():
            return bits

        def survival(tries: int) -> float:
            return -math.expm1(float(np.log1p(-(lost**tries)).sum()))

        return self._air_bits(rng, bits, survival)

    def _packets(self, bits: float) -> tuple[int, float, float]:
        """Return the number of a message's packets, their size, and the size of the last one, [bit]."""
        packet_bits = max(self.packet_bits, bits / PACKETS_MAX)
        packets = max(1, math.ceil(bits / packet_bits))
        return packets, packet_bits, bits - (packets - 1) * packet_bits

    def _air_bits(self, rng: np.random.Generator, bits: float, survival: Callable[[int], float]) -> float:
        """Draw the bits on the air of a message that arrives, [bit]."""
        packets, packet_bits, last_bits = self._packets(bits)
        repeated_packets = total_tries(rng, packets - 1, survival) - (packets - 1)
        repeated_last = total_tries(rng, 1, survival) - 1
        return bits + packet_bits * repeated_packets + last_bits * repeated_last


def read_block_error_rate(path: Path) -> BlockErrorRate:
    """Return the curve in a CSV file with the columns ``snr_db,bler``.

    Raises
    ------
    ValueError
        If the file cannot be read, or breaks a rule.
    """
    rows = read_rows(path)
    columns = ("snr_db", "bler")
    if set(rows.columns) != set(columns) or rows.empty:
        raise ValueError(
            f"{path} has the columns {', '.join(rows.columns)} and {len(rows)} rows; needed: the columns"
            f" {', '.join(columns)}, and a row"
        )
    numbers = check_rows(path, rows, {}, {"bler": (0.0, 1.0)}).sort_values("snr_db")
    duplicates = numbers.index[numbers["snr_db"].duplicated()]
    if len(duplicates):
        raise ValueError(f"{path}: line {duplicates[0]} gives an snr_db again")
    return BlockErrorRate(numbers["snr_db"].to_numpy(), numbers["bler"].to_numpy())


def packet_errors(section: PacketLoss) -> PacketErrors:
    """Return the lost packets of a scenario's section.

    Raises
    ------
    ValueError
        If its file cannot be read.
    """
    rate: float | BlockErrorRate
    if section.file is not None:
        rate = read_block_error_rate(section.file)
    else:
        assert section.rate is not None
        rate = section.rate
    return PacketErrors(section.packet_bits, rate, section.max_tries)
