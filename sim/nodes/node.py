"""Nodes: their computations and transfers, with durations and energies."""

from __future__ import annotations

import math
from array import array

import numpy as np
from simpy import Environment, Timeout

from ..timeline.interval_record import IntervalRecord
from ..timeline.lanes import LANES, ActiveTimes, Lane
from ..timeline.phases import LaneName, Phase
from .capacity import CapacityTrace, ComputeNoise, PiecewiseCapacity, completed_fraction, fractions_at
from .energy_account import EnergyAccount

__all__ = ["Node"]


class Node:
    """A node of the network, with lanes for compute, uplink and downlink.

    A computation takes FLOPs·κ/f seconds, and ς·f²·κ·FLOPs joules.

    Parameters
    ----------
    index : int
        The node's number in the record.
    clock_hz : float
        f, the clock frequency, [cycles/s].
    cycles_per_flop : float
        κ, [cycles/FLOP].
    switched_capacitance : float
        ς, the effective switched capacitance, [J·s²/cycle³].
    compute_capacity : PiecewiseCapacity, optional
        The relative speed of the processor over time; full speed by default.
    compute_noise : ComputeNoise, optional
        The random times of computations; none by default.
    ends_s : array, optional
        An array that holds the instants at which the node's lanes are free, [s], from ``first_lane`` on. By
        default the node has an array of its own.

    Attributes
    ----------
    full_speed_s : float
        The duration of the last computation at full speed, with its noise, [s].
    """

    # a thousand devices' attributes must fit into a processor's cache
    __slots__ = (
        "_compute_lane",
        "compute_capacity",
        "compute_noise",
        "energy_account",
        "env",
        "full_speed_s",
        "index",
        "joules_per_flop",
        "lanes",
        "name",
        "record",
        "seconds_per_flop",
    )

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        index: int,
        *,
        clock_hz: float,
        cycles_per_flop: float,
        switched_capacitance: float,
        compute_capacity: PiecewiseCapacity | None = None,
        compute_noise: ComputeNoise | None = None,
        ends_s: array[float] | None = None,
        first_lane: int = 0,
    ) -> None:
        self.env = env
        self.record = record
        self.index = index
        self.name = record.nodes[index]
        self.seconds_per_flop = cycles_per_flop / clock_hz
        self.joules_per_flop = switched_capacitance * clock_hz**2 * cycles_per_flop
        self.compute_capacity = compute_capacity
        self.compute_noise = compute_noise
        self.full_speed_s = 0.0
        self.energy_account: EnergyAccount | None = None
        ends_s = array("d", bytes(8 * len(LANES))) if ends_s is None else ends_s
        self.lanes: dict[LaneName, Lane] = {
            name: Lane(ends_s, first_lane + number) for number, name in enumerate(LANES)
        }
        self._compute_lane = self.lanes["compute"]

    def capacity_of(self, lane: LaneName) -> CapacityTrace | None:
        """Return the capacity of a lane over time; None where it is constant."""
        return self.compute_capacity if lane == "compute" else None

    def compute(self, phase: Phase, flops: float, client: int = -1) -> Timeout:
        """Return the event at which a computation ends; it waits for earlier computations.

        A computation of 0 FLOPs takes no time and leaves no interval, but it waits for earlier ones too.
        """
        duration_s = flops * self.seconds_per_flop
        if self.compute_noise is not None and flops:
            duration_s = self.compute_noise.duration_s(duration_s)
        if self.compute_capacity is not None and flops:
            duration_s = self._stretched_s(duration_s)
        return self.occupy(
            self._compute_lane, phase, duration_s, 0.0, flops, flops * self.joules_per_flop, client
        )

    def _stretched_s(self, duration_s: float) -> float:
        """Return the time of a computation behind the lane's earlier ones, by the speed over time, [s]."""
        assert self.compute_capacity is not None
        self.full_speed_s = duration_s
        start_s = max(float(self.env.now), self._compute_lane.free_at_s)
        return self.compute_capacity.duration_s(start_s, duration_s)

    def work_s(self, start_s: float, end_s: float) -> float:
        """Return the work of the last computation, from its start to its end: its time at full speed, [s].

        A computation that never ends has more work than the processor will ever do.
        """
        if self.compute_capacity is None:
            return end_s - start_s
        return self.full_speed_s if math.isinf(end_s) else self.compute_capacity.done(start_s, end_s)

    def occupy(
        self,
        lane: Lane,
        phase: Phase,
        duration_s: float,
        bits: float,
        flops: float,
        energy_j: float,
        client: int = -1,
        ready_s: float = -1.0,
        active: ActiveTimes | None = None,
    ) -> Timeout:
        """Record an activity behind the lane's earlier ones, and return the event at which it ends.

        Parameters
        ----------
        client : int
            The client that the server works for; -1 for none or for several.
        ready_s : float
            The instant from which the activity waits, [s]; by default now.
        active : ActiveTimes, optional
            The times in which the activity goes on and needs power; by default always.
        """
        env = self.env
        now_s = env._now  # faster than the property, by a tenth of an event
        ends_s, index = lane.ends_s, lane.index
        free_at_s = ends_s[index]
        if not (bits or flops):  # an empty activity waits for earlier ones
            return Timeout(env, max(0.0, free_at_s - now_s))
        if free_at_s <= now_s:
            start_s, delay_s = now_s, duration_s
        else:
            start_s, delay_s = free_at_s, free_at_s - now_s + duration_s
        end_s = now_s + delay_s  # the same sum as the event loop's, so the next start is never before it
        ends_s[index] = end_s
        lane.row = self.record.append(
            self.index,
            phase,
            start_s,
            end_s,
            start_s - (now_s if ready_s < 0 else ready_s),
            bits,
            flops,
            energy_j,
            client,
        )
        lane.active = active
        if active is not None:
            self.record.active_times[lane.row] = active.done
        end = Timeout(env, delay_s)
        if self.energy_account is not None:
            self.energy_account.book(lane, energy_j)
        return end

    def abort(self) -> None:
        """Stop the activities of all lanes now; the record keeps the part that is done."""
        now_s = self.env.now
        for name, lane in self.lanes.items():
            if lane.free_at_s > now_s:
                self._truncate(name, lane, now_s)
                lane.free_at_s = now_s

    def _truncate(self, name: LaneName, lane: Lane, now_s: float) -> None:
        start_s, end_s = self.record.span(lane.row)
        if now_s <= start_s:  # it had not begun
            self.record.truncate(lane.row, now_s, 0.0, 0.0)
            return
        capacity = self.capacity_of(name)
        if math.isinf(end_s) and capacity is not None and name != "compute":  # a rate that stays 0
            bits = capacity.done(start_s, now_s) if self.record.bits(lane.row) else 0.0
            self.record.close(lane.row, now_s, bits, lane.active_s(start_s, now_s) * lane.power_w)
            return
        full_speed_s = np.array([self.full_speed_s]) if name == "compute" else None
        work, energy = fractions_at(
            now_s, np.array([start_s]), np.array([end_s]), [capacity], name, full_speed_s
        )
        if lane.active is not None:
            energy[0] = completed_fraction(lane.active, start_s, now_s, end_s)
        self.record.truncate(lane.row, now_s, float(work[0]), float(energy[0]))
