"""Open queues in front of the product's nodes and media: customers arrive as a Poisson process.

In a round the next work arrives because earlier work has ended, so no closed form of queueing theory applies.
With open arrivals the same nodes and media are the queues of the textbooks, and their means are known.
A second of work is one FLOP or one bit: processors do 1 FLOP a second, and media carry 1 bit a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from simpy import Environment, Event

from cutlayer.scenarios.random_streams import stream
from cutlayer.sim.links.grants import ConcurrentGrants, Grant
from cutlayer.sim.links.schedulers import Scheduler, Tdma, WorkConservingOfdma
from cutlayer.sim.links.shared_medium import SharedMedium
from cutlayer.sim.nodes.compute_node import ComputeNode
from cutlayer.sim.nodes.device import Device
from cutlayer.sim.nodes.node import Node
from cutlayer.sim.nodes.server import Server
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.timeline.interval_record import IntervalRecord
from cutlayer.sim.timeline.phases import NODE_FORWARD, SERVER_BACKWARD, SERVER_FORWARD, UPLINK
from tests.support.worlds import links

__all__ = [
    "MAX_SENDERS",
    "Nodes",
    "Observation",
    "SharedBand",
    "Station",
    "Work",
    "compute_nodes",
    "deterministic",
    "equal_rates",
    "exponential",
    "observe",
    "pareto",
    "single_server",
    "tdma",
    "work_conserving",
]

Array: TypeAlias = NDArray[np.float64]
Work: TypeAlias = Callable[[np.random.Generator], float]
"""Draws the work of one customer, [s]; its mean is 1 s."""

MAX_SENDERS = 500
"""The largest number of customers that send at the same time."""
PARETO_SHAPE = 2.5
_SUBCHANNELS = 4


def exponential(rng: np.random.Generator) -> float:
    """Draw exponential work."""
    return float(rng.exponential())


def deterministic(rng: np.random.Generator) -> float:
    """Return the mean work."""
    return 1.0


def pareto(rng: np.random.Generator) -> float:
    """Draw heavy-tailed work: Pareto of shape 2.5, whose third moment is infinite."""
    return float(1 + rng.pareto(PARETO_SHAPE)) * (PARETO_SHAPE - 1) / PARETO_SHAPE


class Station(Protocol):
    """The product's nodes or medium, to which customers bring work."""

    record: IntervalRecord

    def serve(self, number: int, work_s: float) -> Event:
        """Return the event at which this work of the customer with this number ends."""


class Nodes:
    """Processors behind one queue, first come first served.

    A customer joins the node that is free first. This is the rule of one queue that gives its head to the
    first free node, because the work that is in front of each node is known when a customer arrives.

    Parameters
    ----------
    make : callable
        Makes a node from the event loop, the record and its number.
    count : int
        The number of nodes.
    """

    def __init__(
        self, env: Environment, make: Callable[[Environment, IntervalRecord, int], Node], count: int
    ) -> None:
        self.record = IntervalRecord([f"node-{number}" for number in range(count)])
        self._nodes = [make(env, self.record, number) for number in range(count)]

    def serve(self, number: int, work_s: float) -> Event:
        """Return the event at which this work of the customer with this number ends."""
        node = min(self._nodes, key=lambda node: node.lanes["compute"].free_at_s)
        if isinstance(node, Server):  # it serves a client's stages one behind the other
            return node.serve([(SERVER_FORWARD, work_s / 3), (SERVER_BACKWARD, work_s * 2 / 3)], number)
        return node.compute(NODE_FORWARD, work_s, number)


def single_server(env: Environment) -> Nodes:
    """Return the server, which serves two stages of each customer."""
    return Nodes(env, lambda env, record, number: Server(env, record, number, **_PROCESSOR), 1)


def compute_nodes(count: int) -> Callable[[Environment], Nodes]:
    """Return a function that makes this number of compute nodes behind one queue."""

    def make(env: Environment, record: IntervalRecord, number: int) -> Node:
        return ComputeNode(env, record, number, **_PROCESSOR)

    return lambda env: Nodes(env, make, count)


_PROCESSOR: dict[str, Any] = {"clock_hz": 1.0, "cycles_per_flop": 1.0, "switched_capacitance": 0.0}


class SharedBand:
    """One direction of a band; each customer is a device that sends one message.

    Devices are used again after their messages, because a device sends one message at a time.

    Parameters
    ----------
    scheduler : Scheduler
        Grants the band to the devices that have bits to send.
    """

    def __init__(self, env: Environment, scheduler: Scheduler) -> None:
        self.record = IntervalRecord([f"device-{number}" for number in range(MAX_SENDERS)])
        self._medium = SharedMedium(env, self.record, scheduler, devices_pay=True)
        self._devices = [Device(env, self.record, number, **_PROCESSOR) for number in range(MAX_SENDERS)]
        for device in self._devices:
            device.row = device.index
        self._idle = list(range(MAX_SENDERS))  # a heap: the lowest number is used first

    def serve(self, number: int, work_s: float) -> Event:
        """Return the event at which this work of the customer with this number ends."""
        row = heappop(self._idle)
        ended = self._medium.transmit(self._devices[row], UPLINK, work_s)
        assert ended.callbacks is not None
        ended.callbacks.append(lambda _: heappush(self._idle, row))
        return ended


class _EqualRates:
    """Grants every sender the same part of the band: the limit of TDMA with infinitely short slots."""

    def grant(self, waiting: Sequence[int], remaining_bits: Sequence[float], now_s: float) -> Grant:
        """Return equal rates that sum to 1 bit/s."""
        senders = np.array(waiting, dtype=np.intp)
        rates = np.full(len(senders), 1 / len(senders))
        return ConcurrentGrants(senders, rates, np.zeros(len(senders)), math.inf)


def equal_rates(env: Environment) -> SharedBand:
    """Return a band that all senders share equally."""
    return SharedBand(env, _EqualRates())


def tdma(slot_s: float) -> Callable[[Environment], SharedBand]:
    """Return a function that makes a TDMA band with these slots."""
    ones = [1.0] * MAX_SENDERS
    return lambda env: SharedBand(env, Tdma(links(ones, ones, ones), uplink=True, slot_s=slot_s))


@dataclass(frozen=True)
class _FlatChannel:
    """A channel with the gain 1 on each subchannel."""

    gains: Array = field(default_factory=lambda: np.ones((MAX_SENDERS, _SUBCHANNELS)))

    def at(self, time_s: float) -> tuple[Array, float]:
        """Return the gains, which never change."""
        return self.gains, math.inf


def work_conserving(env: Environment) -> SharedBand:
    """Return a work-conserving band whose subchannels belong to nobody, so that all of them are lent."""
    band = Band(1 / _SUBCHANNELS, np.ones(_SUBCHANNELS), 1.0, 1.0, 1.0)
    clients = np.full(_SUBCHANNELS, -1, dtype=np.intp)
    limits_w = np.full(MAX_SENDERS, math.inf)
    return SharedBand(
        env, WorkConservingOfdma(band, _FlatChannel(), clients, np.ones(_SUBCHANNELS), limits_w)
    )


@dataclass(frozen=True)
class Observation:
    """One replication: the customers that arrived after the warm-up, and the queue's state over that time.

    Attributes
    ----------
    length_s : float
        The time after the warm-up over which the state was observed, [s].
    arrived_s, work_s, sojourn_s : ndarray, [num_customers]
        The arrival of each customer, its work, and the time from its arrival to its departure, [s].
    wait_s : ndarray, [num_customers]
        The waiting time that the record states for each customer, [s]; empty for media.
    mean_number : float
        The time average of the number of customers, [1].
    busy_share : float
        The share of the time in which there is a customer, [1].
    mean_busy_s : float
        The mean time from an arrival at an empty station until it is empty again, [s].
    """

    length_s: float
    arrived_s: Array
    work_s: Array
    sojourn_s: Array
    wait_s: Array
    mean_number: float
    busy_share: float
    mean_busy_s: float


class _Population:
    """Counts the customers in the station, and integrates the number over time."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.number = self.busy_periods = 0
        self.restart()

    def restart(self) -> None:
        """Forget the past, except for the customers that are in the station."""
        self.start_s = self._changed_s = float(self._env.now)
        self.customer_seconds = self.busy_s = 0.0
        self.busy_periods = int(self.number > 0)

    def change(self, by: int) -> None:
        """Add customers, or remove them if the change is negative; 0 brings the integrals up to date."""
        now_s = float(self._env.now)
        elapsed_s, self._changed_s = now_s - self._changed_s, now_s
        self.customer_seconds += self.number * elapsed_s
        self.busy_s += elapsed_s if self.number else 0.0
        self.busy_periods += int(by > 0 and self.number == 0)
        self.number += by


class _Customers:
    """The customers of one replication; each of them arrives, is served and departs."""

    def __init__(
        self, env: Environment, station: Station, rate_hz: float, work: Work, seed: int, replication: int
    ) -> None:
        self._env, self._station = env, station
        self._rate_hz, self._work = rate_hz, work
        self._arrivals = stream(seed, "queueing arrivals", replication)
        self._works = stream(seed, "queueing work", replication)
        self.population = _Population(env)
        self.is_closed = False
        self.arrived_s, self.work_s, self.sojourn_s = list[float](), list[float](), list[float]()

    def arrive(self) -> Generator[Event, None, None]:
        """Let customers arrive until the station is closed; this is a process."""
        while True:
            yield self._env.timeout(self._arrivals.exponential(1 / self._rate_hz))
            if self.is_closed:
                return
            number, work_s = len(self.arrived_s), self._work(self._works)
            self.arrived_s.append(float(self._env.now))
            self.work_s.append(work_s)
            self.sojourn_s.append(math.nan)
            self.population.change(+1)
            served = self._station.serve(number, work_s)
            assert served.callbacks is not None
            served.callbacks.append(self._departure(number))

    def _departure(self, number: int) -> Callable[[Event], None]:
        """Return the callback of the end of a customer's service."""
        return lambda _: self._depart(number)

    def _depart(self, number: int) -> None:
        self.sojourn_s[number] = float(self._env.now) - self.arrived_s[number]
        self.population.change(-1)


def observe(
    station_of: Callable[[Environment], Station],
    rate_hz: float,
    work: Work,
    *,
    warm_up_s: float,
    length_s: float,
    until_empty: bool = False,
    seed: int = 0,
    replication: int = 0,
) -> Observation:
    """Run one replication, and return the observation after its warm-up.

    Customers that arrive after the observed time are not counted, but those that are counted meet them.

    Parameters
    ----------
    rate_hz : float
        The arrival rate, [1/s].
    warm_up_s, length_s : float
        The time that is left out, and the time that is observed after it, [s].
    until_empty : bool
        Whether nobody arrives after that time, and the station is observed until it is empty.
    """
    env = Environment()
    station = station_of(env)
    customers = _Customers(env, station, rate_hz, work, seed, replication)
    population = customers.population
    env.process(customers.arrive())
    if warm_up_s:
        env.run(until=warm_up_s)
    first = len(customers.arrived_s)
    population.change(0)
    population.restart()
    env.run(until=warm_up_s + length_s)
    if until_empty:
        customers.is_closed = True
        env.run()
    last = len(customers.arrived_s)
    population.change(0)
    observed_s = float(env.now) - warm_up_s
    mean_number = population.customer_seconds / observed_s
    busy_s, busy_periods = population.busy_s, population.busy_periods
    while any(math.isnan(sojourn_s) for sojourn_s in customers.sojourn_s[first:last]):
        env.step()
    return Observation(
        observed_s,
        np.array(customers.arrived_s[first:last]),
        np.array(customers.work_s[first:last]),
        np.array(customers.sojourn_s[first:last]),
        _waits_s(station.record)[first:last],
        mean_number,
        busy_s / observed_s,
        busy_s / busy_periods,
    )


def _waits_s(record: IntervalRecord) -> Array:
    """Return the waiting time of each customer by its number, [s], summed over its stages."""
    rows = record.frame()
    rows = rows[rows["client"] >= 0]
    return rows.groupby("client", sort=True)["wait_s"].sum().to_numpy(dtype=np.float64)
