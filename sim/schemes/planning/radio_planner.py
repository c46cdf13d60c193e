"""The radio planner: it chooses a common cut, subchannels and powers for one scheme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from ....scenarios.errors import ScenarioIssue
from ....scenarios.random_streams import stream
from ....scenarios.registry import lookup
from ....scenarios.schema.registered import SchemeParameters
from ....scenarios.schema.scenario import Allocation, ExplicitPower, Radio
from ...allocation.planner import Plan, PlanMethod, PowerMethod, SubchannelMethod, checked_plan
from ...allocation.planner import plan as plan_by_methods
from ...allocation.power.methods import explicit_power, raised_to_limits
from ...allocation.problem import Rates, RoundWork
from ...allocation.subchannels.baselines import explicit_assignment
from ...planning_error import PlanningError
from ...radio.units import mib_text
from ..deployment import Deployment
from .medium_access import (
    DedicatedSubchannels,
    FixedLinks,
    MediumAccess,
    NoRadio,
    TimeSlots,
    WholeBand,
    WorkConservingSubchannels,
)
from .plan import RadioPlan
from .power_rule import PowerRule

__all__ = ["BandSharing", "PlannableScheme", "RadioPlanner", "band_sharing", "cut_issues"]


class PlannableScheme(Protocol):
    """The attributes and methods of a scheme that the planner uses."""

    has_cut: ClassVar[bool]
    chooses_cut: ClassVar[bool]
    parameters: SchemeParameters

    def cuts(self, least_memory_bits: float) -> Sequence[int]:
        """Return the cuts to choose from."""

    def work(self, cut: int, deployment: Deployment) -> RoundWork:
        """Return a round's work at a cut."""

    def round_time_s(self, cut: int, deployment: Deployment, rates: Rates) -> float:
        """Return the closed form of a round's time, [s]."""

    def device_bits(self, cut: int) -> float:
        """Return the memory that a device needs at a cut, [bit]."""


@dataclass(frozen=True)
class RadioPlanner:
    """Chooses the radio's resources by the scenario's methods, to make a scheme's predicted round time short.

    Attributes
    ----------
    allocation : Allocation
        The scenario's methods, or its explicit values.
    sharing : BandSharing
        The way in which parallel clients share the band.
    seed : int
        The scenario's seed.
    round_number : int
        The round that is planned for, or 0 for the first plan; random methods have one stream for each.
    coarse : bool
        Whether a search of subchannels is replaced by the faster rule that it begins with.
    """

    allocation: Allocation
    sharing: BandSharing
    seed: int
    round_number: int = 0
    coarse: bool = False

    @property
    def power_rule(self) -> PowerRule:
        """Return the rule by which the senders of every scheme choose their powers."""
        return PowerRule.of(self.allocation)

    def for_parallel_clients(self, scheme: PlannableScheme, deployment: Deployment) -> RadioPlan:
        """Return the plan of a scheme whose clients send at the same time.

        Raises
        ------
        PlanningError
            If the scenario's methods or values allow no plan.
        """
        cut = self.fixed_cut(scheme, deployment)
        if deployment.has_fixed_links:
            access = FixedLinks(deployment.links)
            return self._best_cut(scheme, deployment, cut, access)
        return self.sharing.plan(self, scheme, deployment, cut)

    def for_sequential_clients(self, scheme: PlannableScheme, deployment: Deployment) -> RadioPlan:
        """Return the plan of a scheme whose clients send one after the other on the whole band."""
        fixed, links = deployment.has_fixed_links, deployment.links
        power_w = self.power_rule.alone_w(deployment.resources)
        access = FixedLinks(links, sequential=True) if fixed else WholeBand(power_w)
        return self._plan_on_whole_band(scheme, deployment, access)

    def without_radio(self, scheme: PlannableScheme, deployment: Deployment) -> RadioPlan:
        """Return the plan of a scheme whose clients send nothing."""
        access = NoRadio(deployment.links if deployment.has_fixed_links else None)
        return self._plan_on_whole_band(scheme, deployment, access)

    def _plan_on_whole_band(
        self, scheme: PlannableScheme, deployment: Deployment, access: MediumAccess
    ) -> RadioPlan:
        return self._best_cut(scheme, deployment, self.fixed_cut(scheme, deployment), access)

    def fixed_cut(self, scheme: PlannableScheme, deployment: Deployment) -> int | None:
        """Return the cut that is not the planner's choice; None if the planner chooses the cut.

        It is 0 for a model that is not split, the scheme's cut, the scenario's value, or a random cut.

        Raises
        ------
        PlanningError
            If the cut does not fit into every device.
        """
        least_bits, allocation = deployment.least_memory_bits, self.allocation
        if not scheme.has_cut:
            scheme.cuts(least_bits)  # raises an error if the model does not fit
            return 0
        if scheme.chooses_cut:
            return scheme.cuts(least_bits)[0]
        if not isinstance(allocation.cut, str):
            if allocation.cut not in scheme.cuts(least_bits):
                raise PlanningError(
                    f"cut {allocation.cut} needs {mib_text(scheme.device_bits(allocation.cut))} on every"
                    f" device with {scheme.parameters.name}; the smallest has {mib_text(least_bits)}",
                    ("allocation", "cut"),
                )
            return allocation.cut
        method = lookup("cut", allocation.cut).load()
        chosen: int | None = method(scheme.cuts(least_bits), stream(self.seed, "cut"))
        return chosen

    def cuts_to_plan(self, scheme: PlannableScheme, deployment: Deployment) -> Sequence[int]:
        """Return the cuts that the planner chooses from: the fixed cut, or all cuts that fit."""
        cut = self.fixed_cut(scheme, deployment)
        return scheme.cuts(deployment.least_memory_bits) if cut is None else (cut,)

    def dedicated_subchannels(
        self, scheme: PlannableScheme, deployment: Deployment, cut: int | None
    ) -> tuple[int, DedicatedSubchannels, float]:
        """Return the cut, the subchannels with their powers, and the predicted time of a round, [s]."""
        allocation, resources = self.allocation, deployment.resources
        rng = stream(self.seed, "subchannels", *([self.round_number] if self.round_number else []))
        cuts = scheme.cuts(deployment.least_memory_bits) if cut is None else (cut,)
        work_by_cut = {j: scheme.work(j, deployment) for j in cuts}
        if allocation.method is not None:
            method: PlanMethod = lookup("plan", allocation.method).load()
            planned = method(resources, work_by_cut, rng)
            if self.power_rule.raises_power and isinstance(planned, Plan):
                psd_w_per_hz = raised_to_limits(resources, planned.client_of, planned.psd_w_per_hz)
                planned = replace(planned, psd_w_per_hz=psd_w_per_hz)
            plan = checked_plan(allocation.method, planned, resources, work_by_cut)
        else:
            subchannels, power = self._subchannel_method(), _power_method(allocation)
            plan = plan_by_methods(resources, work_by_cut, subchannels, power, cut=cut, rng=rng)
        return plan.cut, DedicatedSubchannels(plan.client_of, plan.psd_w_per_hz), plan.predicted_s

    def _subchannel_method(self) -> SubchannelMethod:
        """Return the named method, or a method that returns the user's own assignment."""
        subchannels: Any = self.allocation.subchannels
        if not isinstance(subchannels, str):
            return lambda resources, work, rng: explicit_assignment(
                subchannels, resources.num_clients, resources.num_subchannels
            )
        method: SubchannelMethod = lookup("subchannels", subchannels).load()
        return getattr(method, "coarse", method) if self.coarse else method

    def _best_cut(
        self, scheme: PlannableScheme, deployment: Deployment, cut: int | None, access: MediumAccess
    ) -> RadioPlan:
        """Return the plan with the cut of the shortest round."""
        rates = access.closed_form_rates(deployment.resources)
        cuts = scheme.cuts(deployment.least_memory_bits) if cut is None else (cut,)
        times_s = {j: scheme.round_time_s(j, deployment, rates) for j in cuts}
        best = min(times_s, key=lambda j: times_s[j])
        return RadioPlan(best, access, times_s[best])

    def time_slots(
        self, scheme: PlannableScheme, deployment: Deployment, cut: int | None, slot_s: float
    ) -> RadioPlan:
        """Return the plan for TDMA, which consists of a cut, with the rates if all clients always send.

        The predicted time is an upper bound.
        """
        access = TimeSlots(self.power_rule.alone_w(deployment.resources), slot_s=slot_s)
        return self._best_cut(scheme, deployment, cut, access)


class BandSharing(Protocol):
    """A way in which parallel clients share the band: the scenario's ``radio.sharing``."""

    allocates_subchannels: ClassVar[bool]

    def plan(
        self, planner: RadioPlanner, scheme: PlannableScheme, deployment: Deployment, cut: int | None
    ) -> RadioPlan:
        """Return the plan of a scheme, with the fixed cut unless ``cut`` is None."""


class _Dedicated:
    """Each client keeps its subchannels for the whole round."""

    allocates_subchannels: ClassVar[bool] = True

    def plan(
        self, planner: RadioPlanner, scheme: PlannableScheme, deployment: Deployment, cut: int | None
    ) -> RadioPlan:
        """Return the plan with dedicated subchannels."""
        return RadioPlan(*planner.dedicated_subchannels(scheme, deployment, cut))


class _WorkConserving:
    """Clients lend their subchannels while they have nothing to send.

    The plan is the same as for dedicated subchannels; its predicted time is an upper bound.
    """

    allocates_subchannels: ClassVar[bool] = True

    def plan(
        self, planner: RadioPlanner, scheme: PlannableScheme, deployment: Deployment, cut: int | None
    ) -> RadioPlan:
        """Return the plan with work-conserving subchannels."""
        chosen, access, predicted_s = planner.dedicated_subchannels(scheme, deployment, cut)
        shared = WorkConservingSubchannels(access.client_of, access.psd_w_per_hz)
        return RadioPlan(chosen, shared, predicted_s)


@dataclass(frozen=True)
class _Tdma:
    """Clients take turns on the whole band, for at most ``slot_s`` seconds each."""

    slot_s: float
    allocates_subchannels: ClassVar[bool] = False

    def plan(
        self, planner: RadioPlanner, scheme: PlannableScheme, deployment: Deployment, cut: int | None
    ) -> RadioPlan:
        """Return the plan with time slots."""
        return planner.time_slots(scheme, deployment, cut, self.slot_s)


def band_sharing(radio: Radio) -> BandSharing:
    """Return the way of sharing the band that the scenario's section ``radio`` names."""
    sharings: dict[str, BandSharing] = {
        "dedicated": _Dedicated(),
        "work_conserving": _WorkConserving(),
        "tdma": _Tdma(radio.tdma_slot_s),
    }
    return sharings[radio.sharing]


def _power_method(allocation: Allocation) -> PowerMethod:
    """Return the named method, or a method that returns the user's own densities."""
    power = allocation.power
    if isinstance(power, ExplicitPower):
        return lambda resources, work, client_of: explicit_power(power.dbm_per_hz, resources, client_of)
    method: PowerMethod = lookup("power", power).load()
    return method


def cut_issues(allocation: Allocation, units: int, model: str) -> list[ScenarioIssue]:
    """Return an issue if the scenario's explicit cut lies outside the model."""
    cut = allocation.cut
    if isinstance(cut, str) or 1 <= cut < units:
        return []
    text = f"cut {cut} is outside the model: {model} has {units} units, so it is from 1 to {units - 1}"
    return [ScenarioIssue(("allocation", "cut"), text)]
