"""Rounds whose clients are drawn from a population: who they are, and what is planned for them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....scenarios.random_streams import stream
from ....scenarios.schema.participation import Participation
from ....scenarios.schema.scenario import Allocation, Radio
from ...allocation.problem import Rates, transfer_s
from ...links.channel import Channel
from ...planning_error import PlanningError
from ...radio.rates import spectral_efficiency
from ...radio.resources import RadioResources
from ...radio.units import db_to_linear
from ...world.world import World
from ..base import ComputeTimes, Scheme
from ..deployment import Deployment
from .client_sampler import ClientSampler
from .plan import SchemePlan, plan_scheme, settled
from .plan_links import PlannedLinks, sharing_rules

__all__ = ["DevicePlan", "SampledClients", "SampledClientsState", "client_sampler", "devices_in_time"]


@dataclass(frozen=True)
class DevicePlan:
    """What a device was given in the last round that drew it: a row of a plan, and of the server's shares."""

    plan: SchemePlan
    row: int
    server_share: float | None


@dataclass(frozen=True)
class SampledClientsState:
    """What a drawing of clients goes on from; who is drawn, and when they are on, depends on the seed alone.

    Attributes
    ----------
    plan, members : the plan at hand, and the devices that it is for
    plans : as of :class:`SampledClients`, whose ``given`` is told round by round
    """

    plan: SchemePlan
    members: tuple[int, ...]
    plans: int


class SampledClients:
    """Draws each round's clients, and plans for them as if there were no others; the common cut stays.

    A round with the clients of the last keeps its plan. A new plan reckons with the gains that the first
    would reckon with; with ``allocation.replan: {every_rounds: 1}``, with those that are known as the round
    begins, and then every round has a plan of its own. If nobody is available, the round begins when the
    first device is.

    Parameters
    ----------
    scheme, plan : what runs, and the plan for the clients at the front of round 1's order
    draw : who takes part
    channel, speeds, site : of all devices
    allocation, radio, seed : as the first plan was made with
    since : what to go on from; the beginning by default

    Attributes
    ----------
    plan : SchemePlan
        The one at hand.
    plans : int
        How many plans were made after the first.
    given : dict of int to Given
        By device that was drawn.
    """

    def __init__(
        self,
        scheme: Scheme,
        plan: SchemePlan,
        draw: ClientSampler,
        channel: Channel,
        speeds: ComputeTimes,
        site: Deployment,
        allocation: Allocation,
        radio: Radio,
        seed: int,
        since: SampledClientsState | None = None,
    ) -> None:
        self._scheme = scheme
        self.plan = plan if since is None else since.plan
        self._draw = draw
        self._channel = channel
        self._speeds = speeds
        self._site = site
        fixed = {"cut": plan.cut} if scheme.has_cut and isinstance(plan.cut, int) else {}
        self._allocation = allocation.model_copy(update=fixed)
        self._radio = radio
        self._seed = seed
        self._members = draw.foremost() if since is None else since.members
        self.plans = 0 if since is None else since.plans
        self.given: dict[int, DevicePlan] = {}
        self._news: dict[int, DevicePlan] = {}
        arranged = self._arrange(self._members)  # an earlier run of the scheme left it as its last round was
        if since is not None:
            settled(scheme, self.plan, arranged)

    @property
    def members(self) -> tuple[int, ...]:
        """Return the devices that the plan at hand is for."""
        return self._members

    def state(self) -> SampledClientsState:
        """Return what another drawing of the same clients must know to go on."""
        return SampledClientsState(self.plan, self._members, self.plans)

    def news(self) -> dict[int, DevicePlan]:
        """Return what was given since this was asked before."""
        news, self._news = self._news, {}
        return news

    def add_news(self, given: dict[int, DevicePlan]) -> None:
        """Take over what another drawing told."""
        self.given.update(given)

    def before_round(self, world: World, number: int) -> None:
        """Draw the round's clients, and connect them by a plan of their own."""
        world.num_eligible = self._draw.candidates
        members = self._draw.members(number, float(world.env.now), world.departed_at_s)
        if not members and not world.all_clients_left:
            world.env.run(until=self._draw.next_available_s(float(world.env.now), world.departed_at_s))
            members = self._draw.members(number, float(world.env.now), world.departed_at_s)
        replan = self._allocation.replan is not None
        if replan or members != self._members:
            self._take(world, members, number, replan=replan)
        world.sampled_clients = members
        shares = self._scheme.server_shares
        for row, client in enumerate(members):
            self.given[client] = self._news[client] = DevicePlan(
                self.plan, row, shares[row] if shares else None
            )

    def _take(self, world: World, members: tuple[int, ...], number: int, *, replan: bool) -> None:
        rows = np.asarray(members, dtype=np.intp)
        channel = self._channel.of(members)
        problem = channel.problem
        if replan:
            problem = replace(problem, gains=self._known(channel, float(world.env.now), number))
        scheme, site = self._scheme, self._arrange(members)
        plan = plan_scheme(
            scheme,
            problem,
            self._speeds.of(rows),
            self._allocation,
            self._seed,
            sharing=self._radio.sharing,
            number=number,
            own_links=site.links if site.own_links else None,
        )
        scheme.cut = plan.cut
        self.plan = settled(scheme, plan, site)
        self._members = members
        self.plans += 1
        links = PlannedLinks(self.plan, channel)
        sharing = sharing_rules(scheme, self.plan, channel, links, self._radio)
        world.set_round_clients(members, links, sharing, scheme.server_shares)

    def _arrange(self, members: tuple[int, ...]) -> Deployment:
        site = self._site.of(members)
        self._scheme.job = replace(self._scheme.job, clients=len(members))
        self._scheme.arrange(site)
        self._scheme.cut = self.plan.cut
        return site

    def _known(self, channel: Channel, now_s: float, number: int) -> NDArray[np.float64]:
        """Return the gains as they are known at an instant, [num_members, num_subchannels]."""
        knowledge = self._allocation.knowledge
        gains, _ = channel.at(max(0.0, now_s - knowledge.age_s))
        errors_db = stream(self._seed, "channel estimate", number).normal(
            scale=knowledge.error_db, size=gains.shape
        )
        return gains * db_to_linear(errors_db)


def client_sampler(
    section: Participation,
    scheme: Scheme,
    problem: RadioResources,
    speeds: ComputeTimes,
    site: Deployment,
    seed: int,
) -> ClientSampler:
    """Return who takes part in a scheme's rounds.

    Parameters
    ----------
    section : of the scenario
    scheme : with its cut
    problem, speeds, site : of all devices

    Raises
    ------
    AllocationError
        If no device can ever take part.
    """
    on_time = None
    if section.deadline_s is not None:
        on_time = devices_in_time(section.deadline_s, scheme, problem, speeds, site)
    return ClientSampler(section, len(speeds.device_s_per_flop), seed, on_time)


def devices_in_time(
    deadline_s: float, scheme: Scheme, problem: RadioResources, speeds: ComputeTimes, site: Deployment
) -> NDArray[np.bool_]:
    """Return which devices are predicted to do their part of a round within a deadline, [num_devices].

    The prediction is a device's own compute and transfers, on its mean gain and an equal share of band and
    power, or on a link of its own; neither waiting nor slow-downs are foreseen. After Nishio and Yonetani,
    "Client Selection for Federated Learning with Heterogeneous Resources in Mobile Edge", 2019 (FedCS).

    Raises
    ------
    AllocationError
        If the scheme's clients don't send side by side, or no device is in time.
    """
    name, key = scheme.parameters.name, ("participation", "selection")
    if scheme.band != "dedicated" or not isinstance(scheme.cut, int):
        raise PlanningError(
            f"selection deadline predicts clients that send side by side on subchannels; {name} has none",
            key,
        )
    work, rates = scheme.work(scheme.cut, speeds), _equal_rates(scheme.job.clients, problem, site)
    up_bits = work.uplink_bits + work.averaging_share * work.model_upload_bits
    times_s = (
        work.before_uplink_s
        + transfer_s(up_bits, rates.uplink_bps)
        + transfer_s(work.downlink_bits, rates.downlink_bps)
        + work.after_downlink_s
    )
    on_time: NDArray[np.bool_] = times_s <= deadline_s
    if not on_time.any():
        raise PlanningError(
            f"no device is predicted to do its part of a round of {name} within {deadline_s:g} s; the fastest"
            f" takes {times_s.min():.4g} s",
            ("participation", "deadline_s"),
        )
    return on_time


def _equal_rates(clients: int, problem: RadioResources, site: Deployment) -> Rates:
    """Return each device's rates on its share of the band, where so many have equal shares of it."""
    if site.own_links:
        return Rates(site.links.uplink_bps, site.links.downlink_bps, float("nan"))
    band = problem.band
    share_hz = band.subchannel_hz * problem.num_subchannels / clients
    snr_per_psd = band.snr_per_w_per_hz(problem.gains.mean(axis=1))
    up_w = np.minimum(problem.power_max_w, problem.total_power_max_w / clients)

    def rate(psd: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return share_hz * spectral_efficiency(psd * snr_per_psd, band.efficiency_cap_bps_per_hz)

    return Rates(rate(up_w / share_hz), rate(band.downlink_w_per_hz), float("nan"))
