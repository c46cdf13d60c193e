"""The causes of time on the critical path: slow states, fading, queues, retries, outages, planned speed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .activities import Activity, device_of

__all__ = ["CAUSES", "Cause", "NodeEvents", "PlannedSpeeds"]


class Cause(StrEnum):
    """A cause of time on the path; the columns of tables are named after it, with ``_s``."""

    #: the speed of the processor or of the link as planned
    PLANNED_SPEED = "plain"
    #: a processor that was slowed down
    SLOW = "slow"
    #: the random time of a computation
    NOISE = "noise"
    #: a rate below the planned one
    FADE = "fade"
    #: a rate below the planned one because other transfers shared the band
    SHARING = "sharing"
    #: a queue at a processor, a wire or a shared band
    QUEUE = "queue"
    #: packets or messages that were sent again
    RETRY = "retry"
    #: an interrupted link
    OUTAGE = "outage"
    #: a device that was offline
    OFFLINE = "offline"
    #: a server that had failed
    FAILURE = "failure"
    #: the propagation delay of wires
    DELAY = "delay"
    #: a deadline that no activity ended at
    DEADLINE = "deadline"
    #: anything else
    OTHER = "other"


CAUSES = tuple(f"{cause}_s" for cause in Cause)
"""The columns of the causes, [s]."""

_SLOW, _OUTAGE, _DOWN = "slow", "outage", "down"
_RESENT, _RETRY = "resent", "retry"
_REASONS = {
    "late": Cause.DEADLINE,
    "offline": Cause.OFFLINE,
    "battery": Cause.OFFLINE,
    "lost": Cause.RETRY,
}
"""The cause of a wait by the reason why the round then left out the client."""
_NEGLIGIBLE = 1e-9
"""Times below this fraction of an activity's duration are rounding errors."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Events:
    """The events of one node and kind, sorted: their beginnings and ends, [s], and their values."""

    starts_s: Array
    ends_s: Array
    values: Array


class NodeEvents:
    """The events of one scheme's run, by node and kind.

    Parameters
    ----------
    events : DataFrame
        Rows of ``events.parquet`` of one scheme; it may be empty.
    """

    def __init__(self, events: pd.DataFrame) -> None:
        self.exist = bool(len(events))
        self._of: dict[tuple[str, str], _Events] = {}
        if not self.exist:
            return
        for (node, kind), rows in events.sort_values("time_s").groupby(["node", "kind"], observed=True):
            self._of[str(node), str(kind)] = _Events(
                rows["time_s"].to_numpy(float), rows["end_s"].to_numpy(float), rows["value"].to_numpy(float)
            )
        left = events[events["kind"].astype(str) == "left out"]
        self._left_s = left["time_s"].to_numpy(float)
        self._left_clients = np.array([device_of(str(node)) for node in left["node"]], dtype=np.int64)
        self._left_reasons = [str(detail) for detail in left["detail"]] if "detail" in left else []

    def left_out(self, start_s: float, end_s: float) -> list[tuple[float, int]]:
        """Return each client that a round left out between two instants: the instant, [s], and its number."""
        if not self.exist:
            return []
        chosen = (self._left_s >= start_s) & (self._left_s <= end_s)
        return list(zip(self._left_s[chosen].tolist(), self._left_clients[chosen].tolist(), strict=True))

    def reason_left_out(self, node: str, time_s: float, tolerance_s: float) -> Cause | None:
        """Return the cause for which a round left out a device at an instant; None if it did not."""
        if not self.exist:
            return None
        left = (self._left_clients == device_of(node)) & (np.abs(self._left_s - time_s) <= tolerance_s)
        reasons = [self._left_reasons[index] for index in np.flatnonzero(left)]
        return _REASONS.get(reasons[0]) if reasons else None

    def time_s(self, node: str | None, kind: str, start_s: float, end_s: float) -> float:
        """Return the time between two instants that a node was in a state, [s]; None: the longest of all."""
        each = [self._of[key] for key in self._keys(node, kind)]
        return max((float(_overlaps(states, start_s, end_s).sum()) for states in each), default=0.0)

    def lost_s(self, node: str, start_s: float, end_s: float) -> float:
        """Return the time between two instants that slow states cost a processor, [s]."""
        states = self._of.get((node, _SLOW))
        if states is None:
            return 0.0
        return float((_overlaps(states, start_s, end_s) * (1.0 - states.values)).sum())

    def resent_bits(self, node: str, start_s: float, end_s: float) -> float:
        """Return the bits that a node sent again in a transfer, by its start and end, [s].

        They are logged at the end of their transfer, which may be the start of the next one.
        """
        events = self._of.get((node, _RESENT))
        if events is None:
            return 0.0
        inside = (events.starts_s > start_s) & (events.starts_s <= end_s)
        return float(events.values[inside].sum())

    def has_one_at(self, node: str | None, kind: str, time_s: float, tolerance_s: float) -> bool:
        """Return whether a node, or any node for None, has an event of a kind at an instant."""
        return any(
            bool((np.abs(self._of[key].starts_s - time_s) <= tolerance_s).any())
            for key in self._keys(node, kind)
        )

    def _keys(self, node: str | None, kind: str) -> list[tuple[str, str]]:
        if node is not None:
            return [(node, kind)] if (node, kind) in self._of else []
        return [key for key in self._of if key[1] == kind]


def _overlaps(states: _Events, start_s: float, end_s: float) -> Array:
    lengths = np.minimum(states.ends_s, end_s) - np.maximum(states.starts_s, start_s)
    return np.asarray(np.maximum(lengths, 0.0))


@dataclass(frozen=True)
class PlannedSpeeds:
    """The planned speeds of processors and links in one scheme's run.

    Attributes
    ----------
    seconds_per_flop : mapping of str to float
        By node, [s/FLOP].
    seconds_per_bit : mapping of (str, str) to float
        By node and lane, [s/bit].
    share_of : mapping of int to float
        Each client's share of the server's processor, where clients have one.
    shares_band : bool
        Whether transfers share the band, so that a planned rate is one of the whole band.
    slows_down : bool
        Whether processors have slow states, which a run folder without events does not tell.
    """

    seconds_per_flop: Mapping[str, float] = field(default_factory=dict)
    seconds_per_bit: Mapping[tuple[str, str], float] = field(default_factory=dict)
    share_of: Mapping[int, float] = field(default_factory=dict)
    shares_band: bool = False
    slows_down: bool = True

    @classmethod
    def of(cls, devices: pd.DataFrame, scenario: Mapping[str, Any]) -> PlannedSpeeds:
        """Return the speeds by a scheme's rows of ``devices.csv``, and by the run's scenario."""
        server = scenario.get("server") or {}
        per_flop = {"server": server.get("cycles_per_flop", math.nan) / server.get("clock_hz", math.nan)}
        per_bit: dict[tuple[str, str], float] = {}
        shares: dict[int, float] = {}
        columns = ["device", "clock_hz", "cycles_per_flop", "uplink_bps", "downlink_bps", "server_share"]
        numbers = devices.reindex(columns=columns).to_numpy(dtype=float)
        for device, clock_hz, cycles, uplink_bps, downlink_bps, share in numbers.tolist():
            name = f"device-{device:.0f}"
            per_flop[name] = cycles / clock_hz
            for lane, rate_bps in (("uplink", uplink_bps), ("downlink", downlink_bps)):
                per_bit[name, lane] = 1.0 / rate_bps if rate_bps > 0 else math.nan
            if share > 0:
                shares[int(device)] = share
        sharing = (scenario.get("radio") or {}).get("sharing", "dedicated")
        stragglers = scenario.get("stragglers") or {}
        slows_down = any(stragglers.get(key) is not None for key in ("slowdown", "load"))
        return cls(per_flop, per_bit, shares, sharing != "dedicated", slows_down)

    def compute_s(self, activity: Activity) -> float:
        """Return the planned time of a computation, [s]; NaN if it is unknown."""
        node, share = activity.node, 1.0
        if node.startswith("server-"):  # a client's share of the server
            node, share = "server", self.share_of.get(activity.client, math.nan)
        return activity.flops * self.seconds_per_flop.get(node, math.nan) / share

    def transfer_s(self, node: str, lane: str, bits: float) -> float:
        """Return the time of a transfer at the planned rate, [s]; NaN if the rate is unknown."""
        return bits * self.seconds_per_bit.get((node, lane), math.nan)

    def causes(self, activity: Activity, events: NodeEvents) -> dict[Cause, float]:
        """Return the times by cause of an activity, [s]; they sum to its duration."""
        if activity.lane == "compute":
            return self._computation(activity, events)
        return self._transfer(activity, events)

    def _computation(self, activity: Activity, events: NodeEvents) -> dict[Cause, float]:
        node, (start_s, end_s) = activity.node, (activity.start_s, activity.end_s)
        duration_s = end_s - start_s
        if node.startswith("server-"):
            node = "server"
        parts = _Parts(duration_s)
        excess_s = duration_s - self.compute_s(activity)
        if excess_s > _NEGLIGIBLE * duration_s:  # false for NaN
            parts.limit_s = excess_s
            parts.take(Cause.FAILURE, events.time_s(node, _DOWN, start_s, end_s))
            parts.take(Cause.SLOW, events.lost_s(node, start_s, end_s))
            unrecorded = self.slows_down and not events.exist
            parts.take(Cause.SLOW if unrecorded else Cause.NOISE, excess_s)
        return parts.with_rest()

    def _transfer(self, activity: Activity, events: NodeEvents) -> dict[Cause, float]:
        node, (start_s, end_s) = activity.node, (activity.start_s, activity.end_s)
        duration_s = end_s - start_s
        parts = _Parts(duration_s)
        if events.has_one_at(node, _RETRY, start_s, _NEGLIGIBLE * duration_s):
            parts.take(Cause.RETRY, duration_s)
        parts.take(Cause.OUTAGE, events.time_s(node, _OUTAGE, start_s, end_s))
        resent_bits = events.resent_bits(node, start_s, end_s)
        if resent_bits:
            resent_s = self.transfer_s(node, activity.lane, resent_bits)
            parts.take(Cause.RETRY, 0.0 if math.isnan(resent_s) else resent_s)
        excess_s = duration_s - self.transfer_s(node, activity.lane, activity.bits)
        if excess_s > _NEGLIGIBLE * duration_s:
            excess_s -= parts.times_s[Cause.OUTAGE]
            parts.take(Cause.SHARING if self.shares_band else Cause.FADE, max(0.0, excess_s))
        return parts.with_rest()


class _Parts:
    """Divides a duration among causes; later causes get the rest of earlier ones."""

    def __init__(self, duration_s: float) -> None:
        self.duration_s = self.limit_s = duration_s
        self.times_s: dict[Cause, float] = defaultdict(float)

    def take(self, cause: Cause, time_s: float) -> None:
        """Assign up to this time to a cause, [s]."""
        part_s = min(time_s, self.limit_s)
        if part_s > _NEGLIGIBLE * self.duration_s:
            self.times_s[cause] += part_s
            self.limit_s -= part_s

    def with_rest(self) -> dict[Cause, float]:
        """Return the times, with the rest as planned speed."""
        rest_s = self.duration_s - math.fsum(self.times_s.values())
        return {**self.times_s, Cause.PLANNED_SPEED: max(0.0, rest_s)}
