"""A scheme's plan: its cut, its clients' subchannels and power, and the links that follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...scenarios.faults import Fault
from ...scenarios.registry import find
from ...scenarios.schema import Allocation, ExplicitPower
from ...scenarios.streams import stream
from ..allocation.planner import PowerMethod, SubchannelMethod, plan
from ..allocation.power import explicit_power
from ..allocation.problem import RadioProblem, Rates
from ..allocation.subchannels import explicit_owner
from ..radio.rates import whole_band_rates
from ..world import Links
from .base import Scheme, Speeds

__all__ = ["SchemePlan", "allocation_faults", "plan_scheme"]

Owner: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True)
class SchemePlan:
    """What a scheme runs with.

    Attributes
    ----------
    cut : int
        Units on the client; 0 where the model is not split.
    owner : [num_subchannels], int, or None
        The client that each subchannel is dedicated to; None where the active client has the whole band.
    links : Links
    uplink_snr : [num_devices], float
        Signal-to-noise ratio of each device's uplink, mean over its subchannels, linear, [1].
    predicted_s : float
        The closed form of a round's time, without stragglers and deadlines, [s].
    """

    cut: int
    owner: Owner | None
    links: Links
    uplink_snr: NDArray[np.float64]
    predicted_s: float


def plan_scheme(
    scheme: Scheme, problem: RadioProblem, speeds: Speeds, allocation: Allocation, seed: int
) -> SchemePlan:
    """Return the plan that minimises the scheme's own round time, as far as the methods named allow.

    Raises
    ------
    AllocationError
        If the resources can't be allocated as asked.
    """
    cut = _fixed_cut(scheme, allocation, seed)
    if scheme.band == "dedicated":
        return _dedicated(scheme, problem, speeds, allocation, cut, seed)
    links, rates = _whole_band(problem)
    cuts = scheme.cuts() if cut is None else (cut,)
    times_s = {j: scheme.round_time_s(j, speeds, rates) for j in cuts}
    best = min(times_s, key=lambda j: times_s[j])
    flat_w_per_hz = links.uplink_w / (problem.band.subchannel_hz * problem.num_subchannels)
    snr = flat_w_per_hz * problem.band.snr_per_w_per_hz(problem.gains).mean(axis=1)
    return SchemePlan(best, None, links, snr, times_s[best])


def _fixed_cut(scheme: Scheme, allocation: Allocation, seed: int) -> int | None:
    """Return the cut where it is given or drawn, None where it is to be chosen."""
    if not scheme.has_cut:
        return 0
    if not isinstance(allocation.cut, str):
        return allocation.cut
    chosen: int | None = find("cut", allocation.cut).load()(scheme.cuts(), stream(seed, "cut"))
    return chosen


def _dedicated(
    scheme: Scheme,
    problem: RadioProblem,
    speeds: Speeds,
    allocation: Allocation,
    cut: int | None,
    seed: int,
) -> SchemePlan:
    works = {j: scheme.work(j, speeds) for j in scheme.cuts()}
    found = plan(
        problem,
        works,
        _subchannel_method(allocation),
        _power_method(allocation),
        cut=cut,
        rng=stream(seed, "subchannels"),
    )
    band = problem.band
    used = np.flatnonzero(found.owner >= 0)
    per_client = np.bincount(found.owner[used], minlength=problem.num_clients)
    uplink_w: NDArray[np.float64] = np.bincount(
        found.owner[used],
        weights=found.psd_w_per_hz[used] * band.subchannel_hz,
        minlength=problem.num_clients,
    ).astype(np.float64)
    snr = found.psd_w_per_hz[used] * band.snr_per_w_per_hz(problem.gains[found.owner[used], used])
    total_snr = np.bincount(found.owner[used], weights=snr, minlength=problem.num_clients)
    whole, _ = _whole_band(problem)
    links = Links(
        uplink_bps=found.rates.uplink_bps,
        downlink_bps=found.rates.downlink_bps,
        whole_band_bps=whole.whole_band_bps,
        uplink_w=uplink_w,
        downlink_w=np.asarray(per_client * band.subchannel_hz * band.downlink_w_per_hz, np.float64),
        broadcast_w=whole.broadcast_w,
    )
    return SchemePlan(found.cut, found.owner, links, total_snr / per_client, found.predicted_s)


def _whole_band(problem: RadioProblem) -> tuple[Links, Rates]:
    """Return each client's links when it has the band alone, with power min(p_i^max, p_th) spread flat."""
    power_w = np.minimum(problem.power_max_w, problem.total_power_max_w)
    uplink_bps, downlink_bps = whole_band_rates(problem.band, problem.gains, power_w)
    band_w = problem.band.downlink_w_per_hz * problem.band.subchannel_hz * problem.num_subchannels
    links = Links(
        uplink_bps=uplink_bps,
        downlink_bps=downlink_bps,
        whole_band_bps=downlink_bps,
        uplink_w=power_w,
        downlink_w=np.full(problem.num_clients, band_w),
        broadcast_w=band_w,
    )
    return links, Rates(uplink_bps, downlink_bps, float(downlink_bps.min()))


def _subchannel_method(allocation: Allocation) -> SubchannelMethod:
    """Return the method that is named, or one that gives the user's own assignment."""
    given = allocation.subchannels
    if isinstance(given, str):
        method: SubchannelMethod = find("subchannels", given).load()
        return method
    return lambda problem, work, rng: explicit_owner(given, problem.num_clients, problem.num_subchannels)


def _power_method(allocation: Allocation) -> PowerMethod:
    """Return the method that is named, or one that gives the user's own densities."""
    given = allocation.power
    if isinstance(given, ExplicitPower):
        return lambda problem, work, owner: explicit_power(given.dbm_per_hz, problem, owner)
    method: PowerMethod = find("power", given).load()
    return method


def allocation_faults(allocation: Allocation, units: int, model: str) -> list[Fault]:
    """Return what is wrong with an explicit cut, before anything is planned."""
    cut = allocation.cut
    if isinstance(cut, str) or 1 <= cut < units:
        return []
    return [
        Fault(
            ("allocation", "cut"),
            f"cut {cut} is outside the model: {model} has {units} units, so it is from 1 to {units - 1}",
        )
    ]
