"""The round planner that samples each round's clients from all devices, and plans for these clients only."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from ....scenarios.schema.participation import Participation
from ...allocation.problem import Rates, transfer_s
from ...faults.effects import AvailabilityTrace
from ...planning_error import PlanningError
from ...radio.rates import spectral_efficiency
from ...world.world import World
from ..base import Scheme
from ..deployment import Deployment
from ..planning.mean_conditions import plan_for_means
from ..planning.medium_access import DedicatedSubchannels
from ..planning.plan import SchemePlan
from ..planning.radio_planner import RadioPlanner
from .client_sampler import ClientSampler
from .fixed_plan import FixedPlan
from .planning_context import PlanningContext, links_and_schedulers, with_gains
from .round_planner import DevicePlan, PlannerSnapshot

__all__ = ["SampledClients", "client_sampler", "devices_on_time"]


class SampledClients(FixedPlan):
    """Samples each round's clients, and plans for them as if there were no other devices.

    A scheme that averages models every I rounds has the same clients in all rounds of a block of I rounds.
    Every step of a client then counts in the average at the end of the block. A client that leaves the run
    within a block is not replaced, unless no client of the block is left. All plans have the common cut of
    the first plan. A round with the same clients as the last round keeps its plan. A new plan uses the gains
    at time 0 without fading. With ``allocation.replan: {every_rounds: 1}``, every round has a new plan, which
    uses the estimated gains at the start of the round. If no device is available, the round begins when the
    first device becomes available (docs/model.md section 2.7).
    """

    def __init__(
        self,
        scheme: Scheme,
        plan: SchemePlan,
        sampler: ClientSampler,
        context: PlanningContext,
        snapshot: PlannerSnapshot | None = None,
    ) -> None:
        super().__init__(plan, sampler.first_in_order(), snapshot)
        self._scheme = scheme
        self._sampler = sampler
        self._context = context
        self._common_cut = plan.cuts.common if scheme.has_cut and not plan.cuts.per_device else None
        self._device_plans: dict[int, DevicePlan] = {}
        self._increment: dict[int, DevicePlan] = {}

    def increment(self) -> Mapping[int, DevicePlan]:
        """Return the device plans made since the last call."""
        increment, self._increment = self._increment, {}
        return increment

    def apply(self, increment: Mapping[int, DevicePlan]) -> None:
        """Take over the device plans of an earlier part of the run."""
        self._device_plans.update(increment)

    def device_plans(self) -> Mapping[int, DevicePlan]:
        """Return the last plan of each device that was sampled."""
        return self._device_plans

    def participants(self) -> list[int]:
        """Return the devices that any round has sampled so far."""
        return sorted(self._device_plans)

    def before_round(self, world: World, number: int) -> None:
        """Sample the round's clients, and connect them by a plan for these clients."""
        world.num_eligible = self._sampler.num_eligible
        members = self._members_of_block(world, number) or self._new_members(world, number)
        # as without sampling, only subchannels of clients' own are planned by an estimate of the channel
        replan = self._context.allocation.replan is not None and isinstance(
            self.plan.access, DedicatedSubchannels
        )
        if replan or members != self.members:
            self._plan_for(world, members, number, replan=replan)
        world.sampled_clients = members
        for row, client in enumerate(members):
            self._device_plans[client] = self._increment[client] = DevicePlan(self.plan, row)

    def _members_of_block(self, world: World, number: int) -> tuple[int, ...]:
        """Return the clients of the block that have not left; none if the round begins a block.

        If all of them are offline, the round waits for the first that comes back. If none ever does, there
        are none either.
        """
        if (number - 1) % self._scheme.sampling_period == 0:
            return ()
        members = tuple(client for client in self.members if client not in world.departed_at_s)
        online_s = world.online.next_online_s(members)
        if math.isinf(online_s):
            return ()
        world.wait_until(min(online_s, world.latest_start_s))
        return members

    def _new_members(self, world: World, number: int) -> tuple[int, ...]:
        """Sample clients for this round; wait for the first available device if there is none.

        If the run ends before, the clients of the last round stay, none of which is online.
        """
        members = self._sampler.sample(number, float(world.env.now), world.departed_at_s)
        if not members and not world.all_clients_left:
            available_s = self._sampler.next_available_s(float(world.env.now), world.departed_at_s)
            if not self._sampler.selects_available:  # whose round begins whenever a device is online
                available_s = min(available_s, world.latest_start_s)
            world.wait_until(available_s)
            members = self._sampler.sample(number, float(world.env.now), world.departed_at_s)
        return members or self.members

    def _plan_for(self, world: World, members: tuple[int, ...], number: int, *, replan: bool) -> None:
        context = self._context
        channel, deployment = context.channel.of(members), context.deployment.select(members)
        if replan:
            gains = context.estimated_gains(channel, float(world.env.now), number)
            deployment = with_gains(deployment, gains)
        planner = context.planner(number, cut=self._common_cut)
        self.plan = self._planned(deployment, planner, has_fading=replan)
        self.members = members
        self.num_replans += 1
        world.set_round_clients(members, *links_and_schedulers(self.plan, channel), self.plan.server_shares)

    def _planned(self, deployment: Deployment, planner: RadioPlanner, *, has_fading: bool) -> SchemePlan:
        """Return a plan for these devices, with means if the first plan includes them."""
        if not self._first_plan.uses_means:
            return self._scheme.plan(deployment, planner)
        means = self._context.means
        with_means = means.of_computations(deployment) if has_fading else means.of_all(deployment)
        return plan_for_means(self._scheme, deployment, planner, with_means)


def client_sampler(
    section: Participation,
    scheme: Scheme,
    plan: SchemePlan,
    deployment: Deployment,
    excluded: Collection[int] = (),
    availability: Callable[[int], AvailabilityTrace | None] | None = None,
) -> ClientSampler:
    """Return the sampler of a scheme's clients.

    Parameters
    ----------
    section : Participation
        The scenario's ``participation``.
    plan : SchemePlan
        The scheme's first plan; the prediction of a deadline uses its common cut.
    deployment : Deployment
        The deployment of all devices.
    excluded : collection of int, optional
        The devices that no round samples.
    availability : callable, optional
        Returns the times in which a device is online; see :class:`ClientSampler`.

    Raises
    ------
    PlanningError
        If no device can ever take part.
    """
    on_time = None
    if section.deadline_s is not None:
        on_time = devices_on_time(section.deadline_s, scheme, plan, deployment, excluded)
    return ClientSampler(section, deployment.num_clients, deployment.seed, on_time, excluded, availability)


def devices_on_time(
    deadline_s: float,
    scheme: Scheme,
    plan: SchemePlan,
    deployment: Deployment,
    excluded: Collection[int] = (),
) -> NDArray[np.bool_]:
    """Return whether each device is predicted to finish its part of a round by a deadline, [num_devices].

    The prediction is the sum of a device's computations and transfers. Transfers use the device's fixed link,
    or else its mean gain on an equal share of band and power. The prediction includes no queues and no
    slow-downs. After Nishio and Yonetani, "Client Selection for Federated Learning with Heterogeneous
    Resources in Mobile Edge", 2019 (FedCS).

    Raises
    ------
    PlanningError
        If the scheme's clients do not send in parallel on subchannels, or no device is on time.
    """
    name = scheme.parameters.name
    if not scheme.uses_subchannels:
        raise PlanningError(
            f"selection deadline predicts clients that send side by side on subchannels; {name} has none",
            ("participation", "selection"),
        )
    work = scheme.work(plan.cuts.common, deployment)
    rates = _equal_share_rates(len(plan.cuts.of_clients), deployment)
    up_bits = work.uplink_bits + work.averaging_share * work.model_upload_bits
    times_s = (
        work.before_uplink_s
        + transfer_s(up_bits, rates.uplink_bps)
        + transfer_s(work.downlink_bits, rates.downlink_bps)
        + work.after_downlink_s
    )
    times_s[list(excluded)] = np.inf
    on_time: NDArray[np.bool_] = times_s <= deadline_s
    if not on_time.any():
        raise PlanningError(
            f"no device is predicted to do its part of a round of {name} within {deadline_s:g} s; the fastest"
            f" takes {times_s.min():.4g} s",
            ("participation", "deadline_s"),
        )
    return on_time


def _equal_share_rates(clients: int, deployment: Deployment) -> Rates:
    """Return each device's rates on an equal share of band and power, for this number of clients."""
    if deployment.has_fixed_links:
        return Rates(deployment.links.uplink_bps, deployment.links.downlink_bps, float("nan"))
    resources = deployment.resources
    band = resources.band
    share_hz = band.subchannel_hz * resources.num_subchannels / clients
    snr_per_psd = band.snr_per_w_per_hz(resources.gains.mean(axis=1))
    up_w = np.minimum(resources.power_max_w, resources.total_power_max_w / clients)

    def rate(psd: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return share_hz * spectral_efficiency(psd * snr_per_psd, band.efficiency_cap_bps_per_hz)

    return Rates(rate(up_w / share_hz), rate(band.downlink_w_per_hz), float("nan"))
