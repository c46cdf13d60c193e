"""What MP-SL and its one-hop baselines arrange before they run: parts, sizes, memories, a round's bound."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from pydantic import Field

from ....scenarios.ordered_sum import ordered_sum
from ....scenarios.schema.fields import PositiveInt
from ....scenarios.schema.registered import SchemeParameters
from ...allocation.problem import RoundWork
from ...costs.layer_costs import LayerWork, PartWork
from ...links.link_rates import LinkRates
from ...links.wired_network import Network
from ...planning_error import PlanningError
from ...radio.units import mib_text
from ..base import ComputeTimes, Scheme, TrainingTask
from ..deployment import Deployment, MemoryDemand
from .costs import HopWork, OwnerWork, route_latency_s

__all__ = ["HopParameters", "MultiHopStructure"]


class HopParameters(SchemeParameters):
    """The owners' first and last units, and the mini-batches of an epoch, which is one round."""

    first_units: PositiveInt = Field(default=1, description="units of the owner's first part")
    last_units: PositiveInt = Field(
        default=1, description="units of the owner's last part, which has the labels"
    )
    batches: PositiveInt = Field(default=1, description="mini-batches of each owner in a round, B")
    repeats: PositiveInt = Field(default=1, description="how often each is used in the round, r")


class MultiHopStructure(Scheme):
    """Which units are where, what an epoch computes and sends, and how long it takes at the least.

    The round time that is predicted is a lower bound: no less than the busiest node is busy, nor than the
    slowest owner's mini-batches take one after the other.

    Attributes
    ----------
    steps : mini-batches of each owner in a round, rB
    paths : of each owner, the legs of a mini-batch, set by :meth:`arrange` or :meth:`settle`
    """

    learner = "cutlayer.models.learning.chain:ChainLearner"
    own_cut = True
    measurable = True
    predicts = "bound"
    compresses = frozenset({"pruning", "dropout", "activations", "gradients", "models"})

    def __init__(self, parameters: HopParameters, job: TrainingTask) -> None:
        super().__init__(parameters, job)
        self._first, self._head = parameters.first_units, len(job.units) - parameters.last_units
        self._batches, self._repeats = parameters.batches, parameters.repeats
        self.steps = parameters.batches * parameters.repeats
        self.paths: list[tuple[HopWork, ...]] = []
        self._devices: LayerWork | None = None
        self.trips = lru_cache(maxsize=None)(self._trips)
        self._stages = lru_cache(maxsize=None)(lambda pruned: job.stages(self._first, pruned=pruned))

    def cuts(self) -> Sequence[int]:
        """Return the one cut: the units of the owner's first part."""
        return (self._first,)

    def sampling_unsupported(self) -> str | None:
        """Return that owners stay: nodes have a copy for each of them, in memory planned for these."""
        return (
            f"{self.parameters.name} keeps a copy of its nodes' parts for every owner, so its owners are the"
            " same in every round; leave out participation"
        )

    def arrange(self, site: Deployment) -> None:
        """Place the middle of the model on the nodes.

        Raises
        ------
        AllocationError
            If there are no nodes, too few units, or too little memory.
        """
        name, count = self.parameters.name, len(self.job.units)
        if site.network is None or site.nodes is None:
            raise PlanningError(f"{name} trains on compute nodes: give network.nodes", ("network",))
        if self._head <= self._first:
            raise PlanningError(
                f"{name}: the model has {count} units; first_units {self._first} and last_units"
                f" {count - self._head} leave none for the nodes",
                ("schemes",),
            )
        self._check_device_memory(site)
        self._devices = site.devices
        self.place(site, site.network, site.nodes)

    @abstractmethod
    def place(self, site: Deployment, network: Network, nodes: LayerWork) -> None:
        """Choose where the middle units are trained, as far as that is decided before links are known."""

    def settle(self, links: LinkRates, site: Deployment) -> float:
        """Return the bound on a round's time, now that the links are known."""
        self.learner_options = {
            "bounds": [
                (0, self._first, *(leg.end for leg in path), len(self.job.units)) for path in self.paths
            ],
            "at_client": (True, *(False for _ in self.paths[0]), True),
            "batches": self._batches,
            "repeats": self._repeats,
        }
        return self.bound_s(links, site)

    def _check_device_memory(self, site: Deployment) -> None:
        short = np.flatnonzero(site.memory_bits < self._owner_bits)
        if short.size:
            raise PlanningError(
                f"{self.parameters.name}: first and last part need {mib_text(self._owner_bits)}"
                f" on a device; device {short[0]} has {mib_text(site.memory_bits[short[0]])}",
                ("devices", "memory_mib"),
            )

    @property
    def _owner_bits(self) -> float:
        units, size = self.job.units, self.job.batch_size
        return units.memory_bits(0, self._first, size) + units.memory_bits(self._head, len(units), size)

    @property
    def _head_model_bits(self) -> float:
        return float(self.job.units.parameter_bits[self._head :].sum())

    def leg(self, node: str, work: PartWork, s_per_flop: float, first: int, end: int) -> HopWork:
        """Return the leg of units ``first`` to ``end - 1`` on a node.

        Parameters
        ----------
        work : their FLOPs on it
        s_per_flop : float
            κ/f of the node, [s/FLOP].
        """
        units, size = self.job.units, self.job.batch_size
        return HopWork(
            node,
            first,
            end,
            work,
            s_per_flop,
            entering_bits=size * units.activation_bits_at(first),
            leaving_bits=size * units.activation_bits_at(end),
            entering_gradient_bits=size * units.gradient_bits_at(end),
            leaving_gradient_bits=size * units.gradient_bits_at(first),
            activation_bits=size * float(units.activation_bits[first:end].sum()),
        )

    def _trips(self, pruned: bool) -> list[OwnerWork]:
        """Return each owner's side of a mini-batch; only the first part and its link can be compressed."""
        assert self._devices is not None
        units, size, stages = self.job.units, self.job.batch_size, self._stages(pruned)
        forward, backward = (
            size * units.forward_flops_to(self._first),
            size * units.backward_flops_to(self._first),
        )
        forward_left = stages.client_forward_flops / forward if forward else 1.0
        backward_left = stages.client_backward_flops / backward if backward else 1.0
        trips = []
        for i in range(self.job.clients):
            first = self._devices.part(i, 0, self._first)
            head = self._devices.part(i, self._head, len(units))
            trips.append(
                OwnerWork(
                    forward_flops=forward_left * first.forward_flops,
                    smashed_bits=stages.uplink_bits,
                    head_input_bits=size * units.activation_bits_at(self._head),
                    head_forward_flops=head.forward_flops,
                    head_backward_flops=head.backward_flops + head.update_flops,
                    head_gradient_bits=size * units.gradient_bits_at(self._head),
                    gradient_bits=stages.downlink_bits,
                    backward_flops=backward_left * first.backward_flops + first.update_flops,
                )
            )
        return trips

    def upload_bits(self, *, pruned: bool) -> float:
        """Return the owner's first and last part on their way to be averaged, [bit]."""
        return self._stages(pruned).model_bits + self._head_model_bits

    def download_bits(self, *, pruned: bool) -> float:
        """Return their averages on the way back, [bit]."""
        return self._stages(pruned).model_download_bits + self._head_model_bits

    def work(self, cut: int, speeds: ComputeTimes) -> RoundWork:
        """Return an epoch's work for the radio's planner, as if all mini-batches went side by side."""
        trips = self.trips(True)
        first = np.array([trip.forward_flops for trip in trips])
        rest = np.array(
            [trip.head_forward_flops + trip.head_backward_flops + trip.backward_flops for trip in trips]
        )
        return RoundWork(
            before_uplink_s=self.steps * first * speeds.device_s_per_flop,
            uplink_bits=self.steps * (trips[0].smashed_bits + trips[0].head_gradient_bits),
            server_s=0.0,
            broadcast_bits=0.0,
            downlink_bits=self.steps * (trips[0].head_input_bits + trips[0].gradient_bits),
            after_downlink_s=self.steps * rest * speeds.device_s_per_flop,
            model_upload_bits=self.upload_bits(pruned=True),
            model_broadcast_bits=self.download_bits(pruned=True),
            averaging_share=1.0,
        )

    def owners_s(self, links: LinkRates, site: Deployment) -> list[tuple[float, float, float]]:
        """Return what each owner and its link take before the nodes, for the head, and after them, [s]."""
        rates = zip(
            site.devices.s_per_flop.tolist(),
            links.uplink_bps.tolist(),
            links.downlink_bps.tolist(),
            strict=True,
        )
        return [trip.stages_s(*of_owner) for trip, of_owner in zip(self.trips(True), rates, strict=True)]

    def busy_s(self) -> dict[str, float]:
        """Return how long each node is busy in a round, [s]."""
        busy: dict[str, float] = {}
        for path in self.paths:
            for leg in path:
                busy[leg.node] = busy.get(leg.node, 0.0) + self.steps * (leg.forward_s + leg.backward_s)
        return busy

    def bound_s(self, links: LinkRates, site: Deployment) -> float:
        """Return what no round is shorter than, where links stay as planned, [s]."""
        assert site.network is not None
        owners_s = self.owners_s(links, site)
        alone_s = np.array(
            [
                ordered_sum(of_owner) + route_latency_s(path, site.network)
                for of_owner, path in zip(owners_s, self.paths, strict=True)
            ]
        )
        slowest_s = float((self.steps * alone_s + self.upload_bits(pruned=True) / links.uplink_bps).max())
        averages_s = self.download_bits(pruned=True) / float(links.whole_band_bps.min())
        updates_s: dict[str, float] = {}  # a node's last update need not be over when the round is
        for path in self.paths:
            for leg in path:
                updates_s[leg.node] = max(updates_s.get(leg.node, 0.0), leg.backward_s - leg.gradient_s)
        awaited_s = [busy_s - updates_s[node] for node, busy_s in self.busy_s().items()]
        return max(slowest_s, *awaited_s) + averages_s

    def memory(self) -> MemoryDemand:
        """Return what parts and mini-batches need: every owner's copy and one of its batches on each node."""
        units, size = self.job.units, self.job.batch_size
        nodes: dict[str, float] = {}
        for path in self.paths:
            for leg in path:
                nodes[leg.node] = nodes.get(leg.node, 0.0) + units.memory_bits(leg.first, leg.end, size)
        average_bits = units.parameter_bits_to(self._first) + self._head_model_bits
        return MemoryDemand(np.full(self.job.clients, self._owner_bits), average_bits, nodes)

    def units_on_nodes(self) -> dict[str, str]:
        """Return the units of each node that an owner's mini-batches go through, from 1."""
        return {leg.node: f"{leg.first + 1}-{leg.end}" for path in self.paths for leg in path}
