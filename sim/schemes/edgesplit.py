"""EdgeSplit and ESFL: a cut for each device, and shares of the bandwidth or of the server's compute.

Zhang et al., "Resource-efficient Parallel Split Learning in Heterogeneous Edge Computing" (EdgeSplit, arXiv
2403.15815), and ESFL (arXiv 2402.15903), which differs in the shared resource. The formula of a round's time
is in docs/model.md section 6.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from ..allocation.power.methods import with_remaining_power
from ..allocation.shares.band import BandProblem, PowerLimits, ShareUplinks
from ..allocation.shares.problem import SharePlan, ShareProblem
from ..costs.layer_costs import LayerWork, PartWork
from ..costs.stages import Stages
from ..nodes.device import Device
from ..planning_error import PlanningError
from ..radio.resources import RadioResources
from ..timeline.phases import (
    CLIENT_BACKWARD,
    CLIENT_FORWARD,
    DOWNLINK,
    MODEL_DOWNLOAD,
    MODEL_UPLOAD,
    SERVER_BACKWARD,
    SERVER_FORWARD,
    UPLINK,
)
from .base import Round, RoundContext, RoundOutcome, Scheme, TrainingTask
from .deployment import Deployment, MemoryDemand
from .edgesplit_cuts import SharesParameters, check_device_memory, plan_by_parameters
from .fl import FedAvgLearner
from .planning.medium_access import BandShares, FixedLinks, MediumAccess
from .planning.plan import Cuts, SchemePlan
from .planning.power_rule import PowerRule
from .planning.radio_planner import RadioPlanner

__all__ = ["ESFL", "EdgeSplit", "SharesParameters"]

Array = NDArray[np.float64]


EARLY = 1e-9  # relative; devices that end together differ by less, for rounding


@dataclass(frozen=True)
class _RoundTimes:
    """The times and bits of each device's round by cut; columns stand for the cuts 1 to L−1.

    Attributes
    ----------
    compute_s : ndarray, [num_devices, num_cuts]
        Computations on the device, [s].
    server_s : ndarray, [num_devices, num_cuts]
        Computations on the whole server, [s].
    uplink_bits, downlink_bits : ndarray, [num_cuts]
        Bits that a device sends and receives, [bit].
    needed_bits : ndarray, [num_cuts]
        Memory that a device's part needs, [bit].
    memory_bits : ndarray, [num_devices]
        Memory of each device, [bit].
    """

    compute_s: Array
    server_s: Array
    uplink_bits: Array
    downlink_bits: Array
    needed_bits: Array
    memory_bits: Array

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """Return whether each cut fits into each device's memory, [num_devices, num_cuts]."""
        return self.needed_bits <= self.memory_bits[:, None]

    def with_air_times(self, air_s: Array) -> ShareProblem:
        """Return the problem of sharing the server, for these times of all transfers, [s]."""
        return ShareProblem(self.compute_s + air_s, self.server_s, self.allowed)

    def on_band(self, deployment: Deployment, limits: PowerLimits, fixed_s: Array) -> BandProblem:
        """Return the times by share of the band, with these times off the band, [s]."""
        uplinks = ShareUplinks.of(deployment.resources, limits)
        downlink_s = self.downlink_bits / deployment.links.downlink_bps[:, None]
        return BandProblem(fixed_s, self.uplink_bits, downlink_s, self.allowed, uplinks)


@dataclass(frozen=True)
class _DeviceWork:
    """The work of one client's model, on the device and on the server."""

    on_device: PartWork
    on_server: PartWork


class _SplitWithShares(Scheme):
    """Split learning in which each client has its own cut, and fixed shares of the band and of the server.

    In a round, each device downloads its part, trains it together with the server on its mini-batches, and
    uploads it. No client waits for another client before the round's end, so that a round takes as long as
    its slowest client (docs/model.md section 6).
    """

    uses_subchannels = False
    learner = "cutlayer.models.learning.chain:ChainLearner"
    chooses_cut = True
    measurable = True
    compresses = frozenset({"pruning", "dropout", "activations", "gradients", "models"})

    def __init__(self, parameters: SharesParameters, task: TrainingTask) -> None:
        super().__init__(parameters, task)
        self._shares = parameters
        self._steps = parameters.local_steps
        self._stages = lru_cache(maxsize=None)(lambda cut, masks_on: task.stages(cut, masks_on=masks_on))

    def sampling_unsupported(self) -> str | None:
        """Return a reason if the cuts are explicit: they belong to the same devices in every round."""
        if isinstance(self._shares.cuts, str):
            return None
        return (
            f"{self._shares.name}: cuts are given one a device, and participation changes who takes part;"
            " take cuts: each or common"
        )

    def plan(self, deployment: Deployment, planner: RadioPlanner) -> SchemePlan:
        """Return the plan with the cuts and shares of the shortest round, on the rates of the whole band.

        Raises
        ------
        PlanningError
            If a device has no cut that fits into its memory, or explicit cuts do not fit.
        """
        if deployment.server_work is None:
            raise PlanningError(
                f"{self._shares.name} trains with the server: name the profile whose times it has",
                ("server", "profile"),
            )
        needed_bits = np.array([self.device_bits(cut) for cut in range(1, len(self.task.units))])
        check_device_memory(self._shares.name, needed_bits, deployment.memory_bits)
        times = self._round_times(deployment, deployment.server_work, needed_bits)
        best, access, server_shares = self._best_plan(deployment, planner.power_rule, times)
        cuts = tuple(int(column) + 1 for column in best.cut_columns)
        self._check_pruning(cuts)
        count = len(self.task.units)
        return SchemePlan(
            cuts=Cuts(cuts, per_device=True),
            resources=deployment.resources,
            access=access,
            predicted_s=best.time_s,
            memory=self._memory(cuts),
            server_shares=server_shares,
            structure=tuple(
                _DeviceWork(
                    deployment.device_work.part(i, 0, cut), deployment.server_work.part(0, cut, count)
                )
                for i, cut in enumerate(cuts)
            ),
            learner_bounds={
                client: (0, cut, count) for client, cut in zip(deployment.clients, cuts, strict=True)
            },
        )

    def learner_options(self, plan: SchemePlan) -> Mapping[str, Any]:
        """Return the cut of each client's model, and the number of its mini-batches in a round."""
        return {"bounds": plan.learner_bounds, "at_client": (True, False), "batches": self._steps}

    def update_learner(self, learner: Any, plan: SchemePlan) -> None:
        """Cut the models of the round's clients by the plan."""
        learner.set_bounds(plan.learner_bounds)

    @abstractmethod
    def _best_plan(
        self, deployment: Deployment, rule: PowerRule, times: _RoundTimes
    ) -> tuple[SharePlan, MediumAccess, tuple[float, ...]]:
        """Return the best cuts and shares, the medium access, and each client's share of the server."""

    def _plan_shares(self, problem: ShareProblem, times: _RoundTimes) -> SharePlan:
        return plan_by_parameters(self._shares, problem, times.needed_bits, times.memory_bits)

    def _round_times(self, deployment: Deployment, server: LayerWork, needed_bits: Array) -> _RoundTimes:
        """Return the times and bits of each device's round for the cuts 1 to L−1."""
        steps, cuts, devices = self._steps, range(1, len(self.task.units)), deployment.device_work
        stages: list[Stages] = [self._stages(cut, True) for cut in cuts]  # plans are for rounds with masks
        # [num_cuts, 2], the fractions of forward and of backward FLOPs that remain
        kept = np.array([self._flops_kept(cut, True) for cut in cuts])
        forward_s = np.cumsum(devices.forward_s, axis=1)[:, :-1] * kept[:, 0]
        s_per_flop = devices.s_per_flop[:, None]
        back_s, update_s = devices.backward_flops * s_per_flop, devices.update_flops * s_per_flop
        backward_s = np.cumsum(back_s, axis=1)[:, :-1] * kept[:, 1] + np.cumsum(update_s, axis=1)[:, :-1]
        server_s = server.forward_s[0] + server.backward_s[0]
        # Summed from the last layer on: a difference of two sums could fall below 0 by rounding.
        from_cut_s = np.broadcast_to(np.cumsum(server_s[::-1])[::-1][1:], forward_s.shape)
        return _RoundTimes(
            compute_s=steps * (deployment.planned_s(forward_s) + deployment.planned_s(backward_s)),
            server_s=steps * from_cut_s,
            uplink_bits=np.array([steps * stage.uplink_bits + stage.model_bits for stage in stages]),
            downlink_bits=np.array(
                [steps * stage.downlink_bits + stage.model_download_bits for stage in stages]
            ),
            needed_bits=needed_bits,
            memory_bits=deployment.memory_bits,
        )

    def _flops_kept(self, cut: int, masks_on: bool) -> tuple[float, float]:
        """Return the fractions of a device's forward and backward FLOPs that remain after pruning."""
        units, size, stages = self.task.units, self.task.batch_size, self._stages(cut, masks_on)
        forward, backward = size * units.forward_flops_to(cut), size * units.backward_flops_to(cut)
        return (
            stages.client_forward_flops / forward if forward else 1.0,
            stages.client_backward_flops / backward if backward else 1.0,
        )

    def _check_pruning(self, cuts: tuple[int, ...]) -> None:
        compression = self.task.compression
        if compression is not None and compression.renew_every is not None and len(set(cuts)) > 1:
            raise PlanningError(
                f"{self._shares.name}: masks are common to all clients, so pruning needs a common cut; the"
                f" devices' cuts are {', '.join(str(cut) for cut in cuts)}: take cuts: common, or no pruning",
                ("schemes",),
            )

    def _memory(self, cuts: tuple[int, ...]) -> MemoryDemand:
        """Return the memory of all parts; the server has one for each client, and the average."""
        task, count = self.task, len(self.task.units)
        server = task.model_memory
        for cut in cuts:
            server += task.part_memory(cut, count)
        return MemoryDemand(tuple(self.device_memory(cut) for cut in cuts), server)

    def round(self, context: RoundContext) -> Round:
        """Run one round: the models that arrive on time are averaged on the server."""
        world, plan, masks_on = context.world, context.plan, context.masks_on
        learner: FedAvgLearner | None = context.learner

        def train(device: Device) -> Generator[Event, Any, None]:
            i, row = device.client, device.row
            cut, work = plan.cuts.of_clients[row], plan.structure[row]
            device_work, server_work = work.on_device, work.on_server
            stages = self._stages(cut, masks_on)
            forward_kept, backward_kept = self._flops_kept(cut, masks_on)
            share = world.server_shares[row]
            try:
                yield device.downlink(MODEL_DOWNLOAD, stages.model_download_bits)
                for _ in range(self._steps):
                    yield device.compute(CLIENT_FORWARD, forward_kept * device_work.forward_flops)
                    yield device.uplink(UPLINK, stages.uplink_bits)
                    yield share.compute(SERVER_FORWARD, server_work.forward_flops, i)
                    yield share.compute(
                        SERVER_BACKWARD, server_work.backward_flops + server_work.update_flops, i
                    )
                    yield device.downlink(DOWNLINK, stages.downlink_bits)
                    yield device.compute(
                        CLIENT_BACKWARD,
                        backward_kept * device_work.backward_flops + device_work.update_flops,
                    )
                yield device.uplink(MODEL_UPLOAD, stages.model_bits)
            finally:
                share.abort()  # if the device was stopped; otherwise its share is idle now

        on_time: tuple[int, ...] = yield world.start(train, world.clients).on_time
        if on_time and learner:
            learner.local_steps(on_time, context.number)
            learner.average(on_time)
        steps = self._steps if on_time else 0
        return RoundOutcome(on_time, steps, len(on_time) * self._steps * self.task.batch_size)


class EdgeSplit(_SplitWithShares):
    """EdgeSplit: optimised shares of the bandwidth, and equal shares of the server's processor."""

    def _best_plan(
        self, deployment: Deployment, rule: PowerRule, times: _RoundTimes
    ) -> tuple[SharePlan, MediumAccess, tuple[float, ...]]:
        if deployment.has_fixed_links:
            raise PlanningError(
                "edgesplit shares out the bandwidth; with devices.uplink_bps or link_trace there is none",
                ("devices", "uplink_bps"),
            )
        count, resources = deployment.num_clients, deployment.resources
        fixed_s = times.compute_s + count * times.server_s
        problems = [times.on_band(deployment, limits, fixed_s) for limits in rule.on_shares(resources)]
        planned = [(self._best_on_band(problem, times), problem) for problem in problems]
        best, problem = min(planned, key=lambda each: each[0].time_s)
        return *_with_powers(problem, best, best.shares, rule, resources), (1.0 / count,) * count

    def _best_on_band(self, problem: BandProblem, times: _RoundTimes) -> SharePlan:
        """Return the plan that the parameters ask for, with the densities that the shares allow."""
        even = np.full(len(problem.fixed_s), 1.0 / len(problem.fixed_s))
        # Densities as if every share was equal: the problem of the papers, in which a share scales the rate.
        linear = ShareProblem(problem.fixed_s, problem.whole_band_s(even), problem.allowed)
        start = self._plan_shares(linear, times)
        cuts_are_chosen = self._shares.cuts == "each"
        if self._shares.shares == "equal":
            return problem.at_shares(None if cuts_are_chosen else start.cut_columns, even)
        if cuts_are_chosen:
            return problem.descent(start)
        if self._shares.cuts == "common":
            columns = np.flatnonzero(problem.allowed.all(axis=0))
            plans = [problem.with_best_shares(np.full(len(even), each), start.shares) for each in columns]
            return min(plans, key=lambda plan: plan.time_s)
        return problem.with_best_shares(start.cut_columns, start.shares)


class ESFL(_SplitWithShares):
    """ESFL: optimised shares of the server's processor, and equal shares of the bandwidth."""

    def _best_plan(
        self, deployment: Deployment, rule: PowerRule, times: _RoundTimes
    ) -> tuple[SharePlan, MediumAccess, tuple[float, ...]]:
        if deployment.has_fixed_links:
            links = deployment.links
            uplink_s = times.uplink_bits / links.uplink_bps[:, None]
            air_s = uplink_s + times.downlink_bits / links.downlink_bps[:, None]
            best = self._plan_shares(times.with_air_times(air_s), times)
            return best, FixedLinks(links), tuple(best.shares.tolist())
        count, resources = deployment.num_clients, deployment.resources
        even, plans = np.full(count, 1.0 / count), []
        for limits in rule.on_shares(resources):
            problem = times.on_band(deployment, limits, times.compute_s)
            shared = times.with_air_times(count * problem.whole_band_s(even))
            plan = self._plan_shares(shared, times)
            rows = np.arange(count)
            server_s = times.server_s[rows, plan.cut_columns]
            with np.errstate(divide="ignore", invalid="ignore"):
                waits_s = np.where(server_s > 0, server_s / plan.shares, 0.0)
            fixed_s = times.compute_s.copy()
            fixed_s[rows, plan.cut_columns] += waits_s
            plans.append((plan, replace(problem, fixed_s=fixed_s)))
        best, problem = min(plans, key=lambda each: each[0].time_s)
        return *_with_powers(problem, best, even, rule, resources), tuple(best.shares.tolist())


def _with_powers(
    problem: BandProblem, plan: SharePlan, shares: Array, rule: PowerRule, resources: RadioResources
) -> tuple[SharePlan, BandShares]:
    """Return the plan with its longest time, and the shares of the band with the powers of the rule.

    A rule that saves power gives each device the least power with which it ends by the longest time. The rule
    ``full`` gives the devices all the power that the limits leave, so that the longest time may fall.

    Parameters
    ----------
    problem : BandProblem
        The times by share of the band.
    plan : SharePlan
        The chosen cuts.
    shares : ndarray, [num_devices]
        The shares of the band.
    """
    rows, uplinks = np.arange(len(shares)), problem.uplinks
    band_hz = resources.band.subchannel_hz * resources.num_subchannels
    ratios, bits = uplinks.ratios(shares), problem.uplink_bits[plan.cut_columns]
    times_s = problem.times_s(shares)[rows, plan.cut_columns]
    uplink_s = bits / uplinks.rates_bps(shares)
    if rule.saves_power:
        early_s = times_s.max() - times_s
        early = (early_s > EARLY * times_s.max()) & (bits > 0)
        needed_bps = bits / np.where(early, uplink_s + early_s, np.inf)
        ratios = np.where(early, np.minimum(ratios, uplinks.ratios_for(needed_bps / shares)), ratios)
    elif rule.raises_power:
        power_w = shares * ratios * uplinks.limits.power_w
        raised_w = with_remaining_power(resources, power_w)
        ratios = ratios * np.where(power_w > 0, raised_w / np.where(power_w > 0, power_w, 1.0), 1.0)
        faster_s = bits / (shares * uplinks.whole_band_bps(ratios))
        plan = replace(plan, time_s=float((times_s - uplink_s + faster_s).max()))
    return plan, BandShares(shares, ratios * uplinks.limits.power_w / band_hz)
