"""A scheme's plan: its cut, its clients' subchannels and power, and the links that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ....scenarios.errors import ScenarioIssue
from ....scenarios.random_streams import stream
from ....scenarios.registry import lookup
from ....scenarios.schema.scenario import Allocation, ExplicitPower
from ...allocation.planner import PlanMethod, PowerMethod, SubchannelMethod, checked_plan, plan
from ...allocation.power.methods import explicit_power
from ...allocation.problem import Rates, link_rates
from ...allocation.subchannels.baselines import explicit_owner
from ...links.link_rates import LinkRates
from ...planning_error import PlanningError
from ...radio.rates import whole_band_rates
from ...radio.resources import RadioResources
from ...radio.units import mib_text
from ..base import ComputeTimes, Cut, Scheme
from ..deployment import Deployment

__all__ = [
    "SchemePlan",
    "allocation_faults",
    "fixed_cut",
    "fixed_links",
    "plan_scheme",
    "settled",
    "whole_band_links",
]

Owner: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True)
class SchemePlan:
    """What a scheme runs with.

    Attributes
    ----------
    cut : int, or one a device
        Units on the client; 0 where the model is not split.
    problem : RadioProblem
        The resources, with the gains that were planned on.
    owner : [num_subchannels], int, or None
        The client that each subchannel is dedicated to; None where the active client has the whole band.
    psd_w_per_hz : [num_subchannels], float, or None
        Uplink power densities on them, [W/Hz]; None with the whole band.
    predicted_s : float
        The closed form of a round's time, without stragglers, deadlines and fading, [s].
    shares : [num_devices], float, or None
        The share of the band that each client has; None where it is not shared so.
    own_links : Links or None
        Links of the devices' own, in place of the radio.
    """

    cut: Cut
    problem: RadioResources
    owner: Owner | None
    psd_w_per_hz: NDArray[np.float64] | None
    predicted_s: float
    shares: NDArray[np.float64] | None = None
    own_links: LinkRates | None = None

    @cached_property
    def links(self) -> LinkRates:
        """Return the links with the gains that were planned on."""
        return self.links_at(self.problem.gains)

    def links_at(self, gains: NDArray[np.float64]) -> LinkRates:
        """Return the links that the plan gives on a state of the channel.

        Parameters
        ----------
        gains : [num_devices, num_subchannels], float
            Channel power gains, linear, [1].
        """
        if self.own_links is not None:
            return self.own_links
        problem = replace(self.problem, gains=gains)
        band = problem.band
        whole = whole_band_links(problem)
        if self.shares is not None:
            return _shared(whole, self.shares)
        if self.owner is None or self.psd_w_per_hz is None:
            return whole
        rates = link_rates(problem, self.owner, self.psd_w_per_hz)
        watts = self.psd_w_per_hz * band.subchannel_hz
        return LinkRates(
            uplink_bps=rates.uplink_bps,
            downlink_bps=rates.downlink_bps,
            whole_band_bps=whole.whole_band_bps,
            uplink_w=self._per_client(watts),
            downlink_w=self._per_client(np.full_like(watts, band.subchannel_hz * band.downlink_w_per_hz)),
            broadcast_w=whole.broadcast_w,
        )

    @property
    def uplink_snr(self) -> NDArray[np.float64]:
        """Return the signal-to-noise ratio of each uplink, mean over its subchannels, [num_devices], [1]."""
        band, gains = self.problem.band, self.problem.gains
        if self.owner is None or self.psd_w_per_hz is None:
            flat_w_per_hz = whole_band_links(self.problem).uplink_w / (
                band.subchannel_hz * self.problem.num_subchannels
            )
            mean: NDArray[np.float64] = flat_w_per_hz * band.snr_per_w_per_hz(gains).mean(axis=1)
            return mean
        snr = self.psd_w_per_hz * band.snr_per_w_per_hz(gains)[self.owner, np.arange(len(self.owner))]
        return self._per_client(snr) / self._per_client(np.ones_like(snr))

    def _per_client(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums of values [num_subchannels] over each client's subchannels, [num_devices]."""
        assert self.owner is not None
        used = self.owner >= 0
        sums = np.bincount(self.owner[used], weights=values[used], minlength=self.problem.num_clients)
        return np.asarray(sums, dtype=np.float64)


def plan_scheme(
    scheme: Scheme,
    problem: RadioResources,
    speeds: ComputeTimes,
    allocation: Allocation,
    seed: int,
    *,
    sharing: str = "dedicated",
    number: int = 0,
    own_links: LinkRates | None = None,
) -> SchemePlan:
    """Return the plan that minimises the scheme's own round time, as far as the methods named allow.

    With ``tdma`` nothing but the cut is planned, on the rates that remain to each client if all send all
    the time; with ``work_conserving`` the plan is that of dedicated subchannels. Both are upper bounds.

    Parameters
    ----------
    scheme, problem, speeds, allocation, seed : what is planned for, with what
    sharing : ``radio.sharing``
    number : int
        The round that is planned anew for; methods that draw have a stream for each. 0: the first plan.
    own_links : links of the devices' own, in place of the radio: nothing but the cut is planned then

    Raises
    ------
    AllocationError
        If the resources can't be allocated as asked.
    """
    if scheme.own_plan is not None:
        cut_each, shares, predicted_s = scheme.own_plan
        return SchemePlan(cut_each, problem, None, None, predicted_s, shares, own_links)
    cut = fixed_cut(scheme, allocation, seed)
    if own_links is None and scheme.band == "dedicated" and sharing != "tdma":
        rng = stream(seed, "subchannels", *([number] if number else []))
        return _dedicated(scheme, problem, speeds, allocation, cut, rng)
    links = own_links or whole_band_links(problem)
    senders = problem.num_clients if own_links is None and scheme.band == "dedicated" else 1
    broadcast_bps = float(links.whole_band_bps.min())
    rates = Rates(links.uplink_bps / senders, links.downlink_bps / senders, broadcast_bps)
    cuts = scheme.cuts() if cut is None else (cut,)
    times_s = {j: scheme.round_time_s(j, speeds, rates) for j in cuts}
    best = min(times_s, key=lambda j: times_s[j])
    return SchemePlan(best, problem, None, None, times_s[best], own_links=own_links)


def settled(scheme: Scheme, plan: SchemePlan, site: Deployment) -> SchemePlan:
    """Return the plan after the scheme has decided what follows from its links.

    Raises
    ------
    AllocationError
        If it can't be had.
    """
    predicted_s = scheme.settle(plan.links, site)
    return plan if predicted_s is None else replace(plan, predicted_s=predicted_s)


def fixed_cut(scheme: Scheme, allocation: Allocation, seed: int) -> int | None:
    """Return the cut where it is given or drawn, None where it is to be chosen."""
    if not scheme.has_cut:
        scheme.cuts()  # which refuses a model that does not fit
        return 0
    if scheme.own_cut:
        return scheme.cuts()[0]
    if not isinstance(allocation.cut, str):
        if allocation.cut not in scheme.cuts():
            needed, had = scheme.device_bits(allocation.cut), scheme.job.device_memory_bits
            raise PlanningError(
                f"cut {allocation.cut} needs {mib_text(needed)} on every device with"
                f" {scheme.parameters.name}; the smallest has {mib_text(had)}",
                ("allocation", "cut"),
            )
        return allocation.cut
    chosen: int | None = lookup("cut", allocation.cut).load()(scheme.cuts(), stream(seed, "cut"))
    return chosen


def _dedicated(
    scheme: Scheme,
    problem: RadioResources,
    speeds: ComputeTimes,
    allocation: Allocation,
    cut: int | None,
    rng: np.random.Generator,
) -> SchemePlan:
    cuts = scheme.cuts() if cut is None else (cut,)
    works = {j: scheme.work(j, speeds) for j in cuts}
    if allocation.method is not None:
        method: PlanMethod = lookup("plan", allocation.method).load()
        found = checked_plan(allocation.method, method(problem, works, rng), problem, works)
    else:
        subchannels, power = _subchannel_method(allocation), _power_method(allocation)
        found = plan(problem, works, subchannels, power, cut=cut, rng=rng)
    return SchemePlan(found.cut, problem, found.owner, found.psd_w_per_hz, found.predicted_s)


def whole_band_links(problem: RadioResources) -> LinkRates:
    """Return each client's links when it has the band alone, with power min(p_i^max, p_th) spread flat."""
    power_w = np.minimum(problem.power_max_w, problem.total_power_max_w)
    uplink_bps, downlink_bps = whole_band_rates(problem.band, problem.gains, power_w)
    band_w = problem.band.downlink_w_per_hz * problem.band.subchannel_hz * problem.num_subchannels
    return LinkRates(
        uplink_bps=uplink_bps,
        downlink_bps=downlink_bps,
        whole_band_bps=downlink_bps,
        uplink_w=power_w,
        downlink_w=np.full(problem.num_clients, band_w),
        broadcast_w=band_w,
    )


def _shared(whole: LinkRates, shares: NDArray[np.float64]) -> LinkRates:
    """Return the links on shares of the band, at the power density that each client has on the whole."""
    return replace(
        whole,
        uplink_bps=shares * whole.uplink_bps,
        downlink_bps=shares * whole.downlink_bps,
        uplink_w=shares * whole.uplink_w,
        downlink_w=shares * whole.downlink_w,
    )


def fixed_links(uplink_bps: NDArray[np.float64], downlink_bps: NDArray[np.float64]) -> LinkRates:
    """Return links of the devices' own, which cost no radio energy; all are sent to at once.

    Parameters
    ----------
    uplink_bps, downlink_bps : [num_devices], float
        [bit/s].
    """
    nothing_w = np.zeros(len(uplink_bps))
    return LinkRates(uplink_bps, downlink_bps, downlink_bps, nothing_w, nothing_w, 0.0)


def _subchannel_method(allocation: Allocation) -> SubchannelMethod:
    """Return the method that is named, or one that gives the user's own assignment."""
    given = allocation.subchannels
    if isinstance(given, str):
        method: SubchannelMethod = lookup("subchannels", given).load()
        return method
    return lambda problem, work, rng: explicit_owner(given, problem.num_clients, problem.num_subchannels)


def _power_method(allocation: Allocation) -> PowerMethod:
    """Return the method that is named, or one that gives the user's own densities."""
    given = allocation.power
    if isinstance(given, ExplicitPower):
        return lambda problem, work, owner: explicit_power(given.dbm_per_hz, problem, owner)
    method: PowerMethod = lookup("power", given).load()
    return method


def allocation_faults(allocation: Allocation, units: int, model: str) -> list[ScenarioIssue]:
    """Return what is wrong with an explicit cut, before anything is planned."""
    cut = allocation.cut
    if isinstance(cut, str) or 1 <= cut < units:
        return []
    return [
        ScenarioIssue(
            ("allocation", "cut"),
            f"cut {cut} is outside the model: {model} has {units} units, so it is from 1 to {units - 1}",
        )
    ]
