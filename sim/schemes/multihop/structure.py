"""The structure of multi-hop schemes: parts on owners and compute nodes, sizes, memories, a round's bound."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

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
from ..base import Scheme, TrainingTask
from ..deployment import Deployment, MemoryDemand
from ..planning.plan import Cuts, SchemePlan
from ..planning.radio_planner import RadioPlanner
from .costs import HopWork, OwnerWork, route_latency_s

__all__ = ["MultiHopParameters", "MultiHopPlan", "MultiHopStructure"]


class MultiHopParameters(SchemeParameters):
    """The owners' first and last units, and the mini-batches of an epoch, which is one round."""

    first_units: PositiveInt = Field(default=1, description="units of the owner's first part")
    last_units: PositiveInt = Field(
        default=1, description="units of the owner's last part, which has the labels"
    )
    batches: PositiveInt = Field(default=1, description="mini-batches of each owner in a round, B")
    repeats: PositiveInt = Field(default=1, description="how often each is used in the round, r")


@dataclass(frozen=True)
class MultiHopPlan:
    """Which parts of the model run where, as a plan's ``structure``.

    Attributes
    ----------
    paths : tuple of tuple of HopWork
        For each owner, the hops that its mini-batches take, in their order.
    owner_work : tuple of OwnerWork
        For each owner, its side of a mini-batch.
    unmasked_work : tuple of OwnerWork
        The same in rounds in which pruned parts run without their masks.
    task_order : mapping of str to sequence, or None
        The order in which each node serves its tasks, (owner, is backward); None: as they arrive.
    notes : mapping
        Figures for the summary of a run.
    """

    paths: tuple[tuple[HopWork, ...], ...]
    owner_work: tuple[OwnerWork, ...]
    unmasked_work: tuple[OwnerWork, ...]
    task_order: Mapping[str, Sequence[tuple[int, bool]]] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def units_on_nodes(self) -> dict[str, str]:
        """Return the units of each node that an owner's mini-batches go through, from 1: ``3-18``."""
        return {hop.node: f"{hop.first + 1}-{hop.end}" for path in self.paths for hop in path}


class MultiHopStructure(Scheme):
    """Which units are where, what an epoch computes and sends, and how long it takes at least.

    The predicted round time is a lower bound: no less than the busiest node is busy, nor than the
    slowest owner's mini-batches take one after the other.

    Attributes
    ----------
    steps : int
        Mini-batches of each owner in a round, rB.
    """

    learner = "cutlayer.models.learning.chain:ChainLearner"
    chooses_cut = True
    measurable = True
    prediction_is_bound = True
    compresses = frozenset({"pruning", "dropout", "activations", "gradients", "models"})

    def __init__(self, parameters: MultiHopParameters, task: TrainingTask) -> None:
        super().__init__(parameters, task)
        self._first, self._head = parameters.first_units, len(task.units) - parameters.last_units
        self._batches, self._repeats = parameters.batches, parameters.repeats
        self.steps = parameters.batches * parameters.repeats
        self._stages = lru_cache(maxsize=None)(lambda masks_on: task.stages(self._first, masks_on=masks_on))

    def cuts(self, least_memory_bits: float = np.inf) -> Sequence[int]:
        """Return the one cut: the units of the owner's first part."""
        return (self._first,)

    def sampling_unsupported(self) -> str | None:
        """Return that owners stay: nodes have a copy for each of them, in memory planned for these."""
        return (
            f"{self.parameters.name} keeps a copy of its nodes' parts for every owner, so its owners are the"
            " same in every round; leave out participation"
        )

    def plan(self, deployment: Deployment, planner: RadioPlanner) -> SchemePlan:
        """Return the plan: the middle units placed on the nodes, the radio, and the route of each owner.

        Raises
        ------
        PlanningError
            If there are no nodes, too few units, or too little memory.
        """
        name, count = self.parameters.name, len(self.task.units)
        if deployment.network is None or deployment.node_work is None:
            raise PlanningError(f"{name} trains on compute nodes: give network.nodes", ("network",))
        if self._head <= self._first:
            raise PlanningError(
                f"{name}: the model has {count} units; first_units {self._first} and last_units"
                f" {count - self._head} leave none for the nodes",
                ("schemes",),
            )
        self._check_device_memory(deployment)
        hops = self.place(deployment, deployment.network, deployment.node_work)
        radio = planner.for_parallel_clients(self, deployment)
        links = radio.access.links(deployment.resources)
        structure = self.route(hops, links, deployment)
        return SchemePlan(
            cuts=Cuts((radio.cut,) * deployment.num_clients),
            resources=deployment.resources,
            access=radio.access,
            predicted_s=self.bound_s(structure, links, deployment),
            memory=self._memory(structure),
            prediction_is_bound=True,
            units_on_nodes=structure.units_on_nodes,
            learner_bounds={
                owner: (0, self._first, *(hop.end for hop in path), count)
                for owner, path in enumerate(structure.paths)
            },
            structure=structure,
            notes=structure.notes,
        )

    def learner_options(self, plan: SchemePlan) -> Mapping[str, Any]:
        """Return where the model is cut, which parts the owners train, and the mini-batches of a round."""
        hops = plan.structure.paths[0]
        return {
            "bounds": plan.learner_bounds,
            "at_client": (True, *(False for _ in hops), True),
            "batches": self._batches,
            "repeats": self._repeats,
        }

    @abstractmethod
    def place(self, deployment: Deployment, network: Network, nodes: LayerWork) -> list[HopWork]:
        """Return the hops on the nodes, as far as they are decided before the links are known."""

    @abstractmethod
    def route(self, hops: list[HopWork], links: LinkRates, deployment: Deployment) -> MultiHopPlan:
        """Return the hops of each owner, now that the links are known."""

    def _check_device_memory(self, deployment: Deployment) -> None:
        short = np.flatnonzero(deployment.memory_bits < self._owner_bits)
        if short.size:
            raise PlanningError(
                f"{self.parameters.name}: first and last part need {mib_text(self._owner_bits)}"
                f" on a device; device {short[0]} has {mib_text(deployment.memory_bits[short[0]])}",
                ("devices", "memory_mib"),
            )

    @property
    def _owner_bits(self) -> float:
        units, size = self.task.units, self.task.batch_size
        return units.memory_bits(0, self._first, size) + units.memory_bits(self._head, len(units), size)

    @property
    def _head_model_bits(self) -> float:
        return float(self.task.units.parameter_bits[self._head :].sum())

    def hop(self, node: str, work: PartWork, s_per_flop: float, first: int, end: int) -> HopWork:
        """Return the hop of units ``first`` to ``end - 1`` on a node.

        Parameters
        ----------
        work : PartWork
            FLOPs of these units on the node.
        s_per_flop : float
            κ/f of the node, [s/FLOP].
        """
        units, size = self.task.units, self.task.batch_size
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

    def owner_work(self, deployment: Deployment, *, masks_on: bool) -> tuple[OwnerWork, ...]:
        """Return each owner's side of a mini-batch; only the first part and its link can be compressed."""
        units, size, stages = self.task.units, self.task.batch_size, self._stages(masks_on)
        forward, backward = (
            size * units.forward_flops_to(self._first),
            size * units.backward_flops_to(self._first),
        )
        forward_kept = stages.client_forward_flops / forward if forward else 1.0
        backward_kept = stages.client_backward_flops / backward if backward else 1.0
        owners = []
        for i in range(deployment.num_clients):
            first = deployment.device_work.part(i, 0, self._first)
            head = deployment.device_work.part(i, self._head, len(units))
            owners.append(
                OwnerWork(
                    forward_flops=forward_kept * first.forward_flops,
                    smashed_bits=stages.uplink_bits,
                    head_input_bits=size * units.activation_bits_at(self._head),
                    head_forward_flops=head.forward_flops,
                    head_backward_flops=head.backward_flops + head.update_flops,
                    head_gradient_bits=size * units.gradient_bits_at(self._head),
                    gradient_bits=stages.downlink_bits,
                    backward_flops=backward_kept * first.backward_flops + first.update_flops,
                )
            )
        return tuple(owners)

    def upload_bits(self, *, masks_on: bool) -> float:
        """Return the size of the owner's first and last part on their way to be averaged, [bit]."""
        return self._stages(masks_on).model_bits + self._head_model_bits

    def download_bits(self, *, masks_on: bool) -> float:
        """Return the size of their averages on the way back, [bit]."""
        return self._stages(masks_on).model_download_bits + self._head_model_bits

    def work(self, cut: int, deployment: Deployment) -> RoundWork:
        """Return an epoch's work for the radio's planner, as if all mini-batches went in parallel."""
        owners = self.owner_work(deployment, masks_on=True)
        first = np.array([owner.forward_flops for owner in owners])
        rest = np.array(
            [owner.head_forward_flops + owner.head_backward_flops + owner.backward_flops for owner in owners]
        )
        return RoundWork(
            before_uplink_s=self.steps * first * deployment.device_s_per_flop,
            uplink_bits=self.steps * (owners[0].smashed_bits + owners[0].head_gradient_bits),
            server_s=0.0,
            broadcast_bits=0.0,
            downlink_bits=self.steps * (owners[0].head_input_bits + owners[0].gradient_bits),
            after_downlink_s=self.steps * rest * deployment.device_s_per_flop,
            model_upload_bits=self.upload_bits(masks_on=True),
            model_broadcast_bits=self.download_bits(masks_on=True),
            averaging_share=1.0,
        )

    def owners_s(self, links: LinkRates, deployment: Deployment) -> list[tuple[float, float, float]]:
        """Return the times of each owner and its link before the nodes, for the head, and after, [s]."""
        rates = zip(
            deployment.device_work.s_per_flop.tolist(),
            links.uplink_bps.tolist(),
            links.downlink_bps.tolist(),
            strict=True,
        )
        owners = self.owner_work(deployment, masks_on=True)
        return [owner.stages_s(*of_owner) for owner, of_owner in zip(owners, rates, strict=True)]

    def busy_s(self, paths: Sequence[Sequence[HopWork]]) -> dict[str, float]:
        """Return how long each node is busy in a round, [s]."""
        busy: dict[str, float] = {}
        for path in paths:
            for hop in path:
                busy[hop.node] = busy.get(hop.node, 0.0) + self.steps * (hop.forward_s + hop.backward_s)
        return busy

    def bound_s(self, structure: MultiHopPlan, links: LinkRates, deployment: Deployment) -> float:
        """Return a lower bound of a round's time, where links stay as planned, [s]."""
        assert deployment.network is not None
        owners_s = self.owners_s(links, deployment)
        alone_s = np.array(
            [
                ordered_sum(of_owner) + route_latency_s(path, deployment.network)
                for of_owner, path in zip(owners_s, structure.paths, strict=True)
            ]
        )
        upload_s = self.upload_bits(masks_on=True) / links.uplink_bps
        slowest_s = float((self.steps * alone_s + upload_s).max())
        averages_s = self.download_bits(masks_on=True) / float(links.whole_band_bps.min())
        updates_s: dict[str, float] = {}  # a node's last update need not be over when the round is
        for path in structure.paths:
            for hop in path:
                updates_s[hop.node] = max(updates_s.get(hop.node, 0.0), hop.backward_s - hop.gradient_s)
        awaited_s = [busy_s - updates_s[node] for node, busy_s in self.busy_s(structure.paths).items()]
        return max(slowest_s, *awaited_s) + averages_s

    def _memory(self, structure: MultiHopPlan) -> MemoryDemand:
        """Return the memory of parts and mini-batches: on a node, every owner's copy and one mini-batch."""
        units, size = self.task.units, self.task.batch_size
        nodes: dict[str, float] = {}
        for path in structure.paths:
            for hop in path:
                nodes[hop.node] = nodes.get(hop.node, 0.0) + units.memory_bits(hop.first, hop.end, size)
        average_bits = units.parameter_bits_to(self._first) + self._head_model_bits
        return MemoryDemand(np.full(len(structure.paths), self._owner_bits), average_bits, nodes)
