"""EdgeSplit and ESFL: a cut for each device, and shares of the bandwidth or of the server's compute.

Zhang et al., "Resource-efficient Parallel Split Learning in Heterogeneous Edge Computing" (EdgeSplit,
arXiv 2403.15815), and its twin ESFL (arXiv 2402.15903); docs/model.md has the times of a round.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from ...scenarios.ordered_sum import ordered_sum
from ..allocation.shares.problem import SharePlan, ShareProblem
from ..costs.layer_costs import LayerWork, PartWork
from ..costs.stages import Stages
from ..nodes.node import Device
from ..planning_error import PlanningError
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
from ..world.world import World
from .base import Round, RoundOutcome, Scheme, TrainingTask
from .deployment import Deployment, MemoryDemand
from .edgesplit_cuts import SharesParameters, check_device_memory, chosen_plan
from .fl import FedAvgLearner

__all__ = ["ESFL", "EdgeSplit", "SharesParameters"]

Array = NDArray[np.float64]


class _SharedSplit(Scheme):
    """A round: every device gets its part, trains it with the server on its mini-batches, sends it back.

    Each client has fixed shares of the band and of the server, so none waits for another before the
    round's end, and a round lasts as long as its slowest client.
    """

    learner = "cutlayer.models.learning.chain:ChainLearner"
    own_cut = True
    measurable = True
    compresses = frozenset({"pruning", "dropout", "activations", "gradients", "models"})

    def __init__(self, parameters: SharesParameters, job: TrainingTask) -> None:
        super().__init__(parameters, job)
        self._given = parameters
        self._steps = parameters.local_steps
        self.server_shares: Sequence[float] = (1.0 / job.clients,) * job.clients
        self._bounds: dict[int, tuple[int, int, int]] = {}  # by device; the learner looks them up as it goes
        self._device_work: list[PartWork] = []
        self._server_work: list[PartWork] = []
        self._stages = lru_cache(maxsize=None)(lambda cut, pruned: job.stages(cut, pruned=pruned))

    def sampling_unsupported(self) -> str | None:
        """Return that cuts given one by one are for the same devices in every round."""
        if isinstance(self._given.cuts, str):
            return None
        return (
            f"{self._given.name}: cuts are given one a device, and participation changes who takes part; take"
            " cuts: each or common"
        )

    def arrange(self, site: Deployment) -> None:
        """Choose the cuts and the shares, on the rates of the whole band.

        Raises
        ------
        AllocationError
            If a device has no cut that fits into its memory, or the given cuts don't.
        """
        if site.server is None:
            raise PlanningError(
                f"{self._given.name} trains with the server: name the profile whose times it has",
                ("server", "profile"),
            )
        needed_bits = np.array([self.device_bits(cut) for cut in range(1, len(self.job.units))])
        check_device_memory(self._given.name, needed_bits, site.memory_bits)
        problem = self._problem(site, site.server, needed_bits)
        found = chosen_plan(self._given, problem, needed_bits, site.memory_bits)
        cuts = tuple(int(column) + 1 for column in found.choice)
        self._check_pruning(cuts)
        self.own_plan = cuts, self._adopt(site, found), found.time_s
        count = len(self.job.units)
        self._device_work = [site.devices.part(i, 0, cut) for i, cut in enumerate(cuts)]
        self._server_work = [site.server.part(0, cut, count) for cut in cuts]
        self._bounds.update({i: (0, cut, count) for i, cut in zip(site.clients, cuts, strict=True)})
        self.learner_options = {
            "bounds": self._bounds,
            "at_client": (True, False),
            "batches": self._steps,
        }

    @abstractmethod
    def _times(
        self, site: Deployment, compute_s: Array, server_s: Array, air_s: Array
    ) -> tuple[Array, Array]:
        """Return what no share shortens, and what the whole shared resource would take, each by cut, [s]."""

    @abstractmethod
    def _adopt(self, site: Deployment, found: SharePlan) -> Array | None:
        """Take the shares, and return those of the band."""

    def _problem(self, site: Deployment, server: LayerWork, needed_bits: Array) -> ShareProblem:
        """Return each device's round by cut, 1 to L−1: [num_devices, num_cuts]."""
        steps, cuts = self._steps, range(1, len(self.job.units))
        stages: list[Stages] = [self._stages(cut, True) for cut in cuts]  # an ordinary round is planned for
        left = np.array(
            [self._left(cut, True) for cut in cuts]
        )  # [num_cuts, 2] of forward and backward FLOPs
        forward_s = np.cumsum(site.devices.forward_s, axis=1)[:, :-1] * left[:, 0]
        s_per_flop = site.devices.s_per_flop[:, None]
        back_s, update_s = site.devices.backward_flops * s_per_flop, site.devices.update_flops * s_per_flop
        backward_s = np.cumsum(back_s, axis=1)[:, :-1] * left[:, 1] + np.cumsum(update_s, axis=1)[:, :-1]
        server_s = server.forward_s[0] + server.backward_s[0]
        # summed from the end, where little is left: a difference of sums may fall below 0 by rounding
        from_cut_s = np.broadcast_to(np.cumsum(server_s[::-1])[::-1][1:], forward_s.shape)
        up_bits = np.array([steps * stage.uplink_bits + stage.model_bits for stage in stages])
        down_bits = np.array([steps * stage.downlink_bits + stage.model_download_bits for stage in stages])
        air_s = up_bits / site.links.uplink_bps[:, None] + down_bits / site.links.downlink_bps[:, None]
        fixed_s, shared_s = self._times(site, steps * (forward_s + backward_s), steps * from_cut_s, air_s)
        return ShareProblem(fixed_s, shared_s, needed_bits <= site.memory_bits[:, None])

    def _left(self, cut: int, pruned: bool) -> tuple[float, float]:
        """Return the shares of a device's forward and backward FLOPs that pruning leaves."""
        units, size, stages = self.job.units, self.job.batch_size, self._stages(cut, pruned)
        forward, backward = size * units.forward_flops_to(cut), size * units.backward_flops_to(cut)
        return (
            stages.client_forward_flops / forward if forward else 1.0,
            stages.client_backward_flops / backward if backward else 1.0,
        )

    def _check_pruning(self, cuts: tuple[int, ...]) -> None:
        compressor = self.job.compression
        if compressor is not None and compressor.renew_every is not None and len(set(cuts)) > 1:
            raise PlanningError(
                f"{self._given.name}: masks are common to all clients, so pruning needs a common cut; the"
                f" devices' cuts are {', '.join(str(cut) for cut in cuts)}: take cuts: common, or no pruning",
                ("schemes",),
            )

    def memory(self) -> MemoryDemand:
        """Return what the parts need: each device its own, the server a copy for each client."""
        assert isinstance(self.cut, tuple)
        units, size = self.job.units, self.job.batch_size
        devices = np.array([units.memory_bits(0, cut, size) for cut in self.cut])
        server = ordered_sum(units.memory_bits(cut, len(units), size) for cut in self.cut)
        return MemoryDemand(devices, server, {})

    def round(self, world: World, learner: FedAvgLearner | None, number: int) -> Round:
        """Run one round: the models of the clients in time are averaged on the server."""
        cuts, size, pruned = self.cut, self.job.batch_size, self.pruned
        assert isinstance(cuts, tuple)

        def train(device: Device) -> Generator[Event, Any, None]:
            i, row = device.client, device.row
            mine, servers = self._device_work[row], self._server_work[row]
            stages = self._stages(cuts[row], pruned)
            forward_left, backward_left = self._left(cuts[row], pruned)
            share = world.server_shares[row]
            try:
                yield device.downlink(MODEL_DOWNLOAD, stages.model_download_bits)
                for _ in range(self._steps):
                    yield device.compute(CLIENT_FORWARD, forward_left * mine.forward_flops)
                    yield device.uplink(UPLINK, stages.uplink_bits)
                    yield share.compute(SERVER_FORWARD, servers.forward_flops, i)
                    yield share.compute(SERVER_BACKWARD, servers.backward_flops + servers.update_flops, i)
                    yield device.downlink(DOWNLINK, stages.downlink_bits)
                    yield device.compute(
                        CLIENT_BACKWARD, backward_left * mine.backward_flops + mine.update_flops
                    )
                yield device.uplink(MODEL_UPLOAD, stages.model_bits)
            finally:
                share.abandon()  # of a device that is cut off; else its share is idle by now

        on_time: tuple[int, ...] = yield world.start(train, world.clients, self.job.deadline_s).on_time
        if on_time and learner:
            learner.local_steps(on_time, number)
            learner.average(on_time)
        steps = self._steps if on_time else 0
        return RoundOutcome(on_time, steps, len(on_time) * self._steps * size)


class EdgeSplit(_SharedSplit):
    """Shares of the bandwidth; the server's compute is shared out equally."""

    band: ClassVar[Literal["dedicated", "shares", "whole", "none"]] = "shares"

    def _times(
        self, site: Deployment, compute_s: Array, server_s: Array, air_s: Array
    ) -> tuple[Array, Array]:
        if site.own_links:
            raise PlanningError(
                "edgesplit shares out the bandwidth; with devices.uplink_bps there is none to share",
                ("devices", "uplink_bps"),
            )
        return compute_s + self.job.clients * server_s, air_s

    def _adopt(self, site: Deployment, found: SharePlan) -> Array | None:
        return found.shares


class ESFL(_SharedSplit):
    """Shares of the server's compute; the bandwidth is shared out equally."""

    band: ClassVar[Literal["dedicated", "shares", "whole", "none"]] = "shares"

    def _times(
        self, site: Deployment, compute_s: Array, server_s: Array, air_s: Array
    ) -> tuple[Array, Array]:
        return compute_s + air_s * (1 if site.own_links else self.job.clients), server_s

    def _adopt(self, site: Deployment, found: SharePlan) -> Array | None:
        self.server_shares = found.shares.tolist()
        return None if site.own_links else np.full(self.job.clients, 1.0 / self.job.clients)
