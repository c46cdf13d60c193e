"""The structure of multi-hop schemes: the parts on owners and nodes, their costs, and the plan of a round."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from ....scenarios.model_costs.training_memory import NO_MEMORY, PartMemory
from ....scenarios.ordered_sum import ordered_sum
from ....scenarios.schema.fields import PositiveInt, Steps
from ....scenarios.schema.registered import SchemeParameters
from ...allocation.problem import RoundWork
from ...costs.layer_costs import LayerWork, PartWork
from ...links.link_rates import LinkRates
from ...planning_error import PlanningError
from ...radio.units import mib_text
from ..base import Scheme, TrainingTask
from ..deployment import Deployment, MemoryDemand
from ..planning.plan import Cuts, SchemePlan
from ..planning.radio_planner import RadioPlanner
from .costs import HopWork, OwnerWork, route_latency_s

if TYPE_CHECKING:
    from ...links.wired_network import Network

__all__ = ["MultiHopParameters", "MultiHopPlan", "MultiHopStructure"]


class MultiHopParameters(SchemeParameters):
    """The parameters of all multi-hop schemes: the owners' units, and the mini-batches of an epoch."""

    first_units: PositiveInt = Field(default=1, description="number of units in the owner's first part")
    last_units: PositiveInt = Field(
        default=1, description="number of units in the owner's last part, which uses the labels"
    )
    batches: Steps = Field(default=1, description="number of mini-batches of each owner in a round, B")
    repeats: Steps = Field(default=1, description="number of times that a round uses each mini-batch, r")

    @property
    def mini_batches_per_client(self) -> int:
        """Return rB."""
        return self.repeats * self.batches


@dataclass(frozen=True)
class MultiHopPlan:
    """The parts of the model on nodes and owners: the ``structure`` of a scheme's plan.

    Attributes
    ----------
    paths : tuple of tuple of HopWork
        For each owner, the hops of its mini-batches in the order of the forward pass.
    owner_work : tuple of OwnerWork
        For each owner, its part of a mini-batch.
    unmasked_work : tuple of OwnerWork
        The same for rounds in which pruned parts run without their masks.
    task_order : mapping of str to sequence, or None
        The order in which each node serves its tasks, (owner, whether it is a backward pass). None if nodes
        serve tasks in their order of arrival.
    notes : mapping
        Values for the summary of a run.
    """

    paths: tuple[tuple[HopWork, ...], ...]
    owner_work: tuple[OwnerWork, ...]
    unmasked_work: tuple[OwnerWork, ...]
    task_order: Mapping[str, Sequence[tuple[int, bool]]] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def units_on_nodes(self) -> dict[str, str]:
        """Return the units on each node that is part of a path, counted from 1: ``3-18``."""
        return {hop.node: f"{hop.first + 1}-{hop.end}" for path in self.paths for hop in path}


class MultiHopStructure(Scheme):
    """The part of a multi-hop scheme that plans: placement of units, costs of an epoch, and a lower bound.

    The predicted round time is a lower bound. A round takes at least the busy time of its busiest node, and
    at least the time of the slowest owner's mini-batches one after the other (docs/model.md section 7.2).

    Attributes
    ----------
    steps : int
        The number of mini-batches that each owner trains on in a round, rB.
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
        self.steps = parameters.mini_batches_per_client
        self._stages = lru_cache(maxsize=None)(lambda masks_on: task.stages(self._first, masks_on=masks_on))

    def cuts(self, least_memory_bits: float = np.inf) -> Sequence[int]:
        """Return the one cut: the units of the owner's first part."""
        return (self._first,)

    def sampling_unsupported(self) -> str | None:
        """Return the reason: nodes store a copy for each owner, in memory that is planned for them."""
        return (
            f"{self.parameters.name} keeps a copy of its nodes' parts for every owner, so its owners are the"
            " same in every round; leave out participation"
        )

    def plan(self, deployment: Deployment, planner: RadioPlanner) -> SchemePlan:
        """Return the plan: the hops on the nodes, the radio, and the path of each owner.

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
        hops = self.place_hops(deployment, deployment.network, deployment.node_work)
        radio = planner.for_parallel_clients(self, deployment)
        links = radio.access.links(deployment.resources)
        structure = self.assign_routes(hops, links, deployment)
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
                for owner, path in zip(deployment.clients, structure.paths, strict=True)
            },
            structure=structure,
            notes=structure.notes,
        )

    def learner_options(self, plan: SchemePlan) -> Mapping[str, Any]:
        """Return the cuts of the models, the side of each part, and the mini-batches of a round."""
        hops = plan.structure.paths[0]
        return {
            "bounds": plan.learner_bounds,
            "at_client": (True, *(False for _ in hops), True),
            "batches": self._batches,
            "repeats": self._repeats,
        }

    @abstractmethod
    def place_hops(self, deployment: Deployment, network: Network, nodes: LayerWork) -> list[HopWork]:
        """Return the hops on the nodes, which do not depend on the links."""

    @abstractmethod
    def assign_routes(self, hops: list[HopWork], links: LinkRates, deployment: Deployment) -> MultiHopPlan:
        """Return the plan with the path of each owner, which may depend on the links."""

    def _check_device_memory(self, deployment: Deployment) -> None:
        needed_bits = self._owner_memory.total_bits
        short = np.flatnonzero(deployment.memory_bits < needed_bits)
        if short.size:
            client, has = deployment.clients[short[0]], mib_text(deployment.memory_bits[short[0]])
            raise PlanningError(
                f"{self.parameters.name}: first and last part need {mib_text(needed_bits)}"
                f" on a device; device {client} has {has}",
                ("devices", "memory_mib"),
            )

    @property
    def _owner_memory(self) -> PartMemory:
        return self.task.part_memory(0, self._first) + self.task.part_memory(self._head, len(self.task.units))

    @property
    def _head_model_bits(self) -> float:
        return float(self.task.units.parameter_bits[self._head :].sum())

    def hop(self, node: str, work: PartWork, s_per_flop: float, first: int, end: int) -> HopWork:
        """Return the hop of units ``first`` to ``end - 1`` on a node.

        Parameters
        ----------
        work : PartWork
            The FLOPs of these units on the node.
        s_per_flop : float
            The node's compute time κ/f, [s/FLOP].
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
            memory=self.task.part_memory(first, end),
        )

    def owner_work(self, deployment: Deployment, *, masks_on: bool) -> tuple[OwnerWork, ...]:
        """Return each owner's part of a mini-batch; only the first part can be compressed."""
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
        """Return the size of an owner's first and last part in its upload, [bit]."""
        return self._stages(masks_on).model_bits + self._head_model_bits

    def download_bits(self, *, masks_on: bool) -> float:
        """Return the size of the averaged first and last part in the broadcast, [bit]."""
        return self._stages(masks_on).model_download_bits + self._head_model_bits

    def work(self, cut: int, deployment: Deployment) -> RoundWork:
        """Return an epoch's work for the radio's planner, as if its mini-batches were one large one."""
        owners = self.owner_work(deployment, masks_on=True)
        first = np.array([owner.forward_flops for owner in owners])
        rest = np.array(
            [owner.head_forward_flops + owner.head_backward_flops + owner.backward_flops for owner in owners]
        )
        return RoundWork(
            before_uplink_s=deployment.compute_s(self.steps * first, computations=self.steps),
            uplink_bits=self.steps * (owners[0].smashed_bits + owners[0].head_gradient_bits),
            server_s=0.0,
            broadcast_bits=0.0,
            downlink_bits=self.steps * (owners[0].head_input_bits + owners[0].gradient_bits),
            after_downlink_s=deployment.compute_s(self.steps * rest, computations=3 * self.steps),
            model_upload_bits=self.upload_bits(masks_on=True),
            model_broadcast_bits=self.download_bits(masks_on=True),
            averaging_share=1.0,
        )

    def owner_stages_s(self, links: LinkRates, deployment: Deployment) -> list[tuple[float, float, float]]:
        """Return each owner's times before the nodes' passes, between them, and after them, [s]."""
        rates = zip(
            deployment.device_work.s_per_flop.tolist(),
            links.uplink_bps.tolist(),
            links.downlink_bps.tolist(),
            strict=True,
        )
        owners = self.owner_work(deployment, masks_on=True)
        return [owner.stages_s(*of_owner) for owner, of_owner in zip(owners, rates, strict=True)]

    def node_busy_s(self, paths: Sequence[Sequence[HopWork]]) -> dict[str, float]:
        """Return the busy time of each node in a round, [s]."""
        busy: dict[str, float] = {}
        for path in paths:
            for hop in path:
                busy[hop.node] = busy.get(hop.node, 0.0) + self.steps * (hop.forward_s + hop.backward_s)
        return busy

    def bound_s(self, structure: MultiHopPlan, links: LinkRates, deployment: Deployment) -> float:
        """Return a lower bound of a round's time on the planned links, [s] (docs/model.md section 7.2)."""
        assert deployment.network is not None
        owners_s = self.owner_stages_s(links, deployment)
        alone_s = np.array(
            [
                ordered_sum(of_owner) + route_latency_s(path, deployment.network)
                for of_owner, path in zip(owners_s, structure.paths, strict=True)
            ]
        )
        upload_s = self.upload_bits(masks_on=True) / links.uplink_bps
        slowest_s = float((self.steps * alone_s + upload_s).max())
        averages_s = self.download_bits(masks_on=True) / float(links.whole_band_bps.min())
        updates_s: dict[str, float] = {}  # a node's last update may end after the round
        for path in structure.paths:
            for hop in path:
                updates_s[hop.node] = max(updates_s.get(hop.node, 0.0), hop.backward_s - hop.gradient_s)
        awaited_s = [busy_s - updates_s[node] for node, busy_s in self.node_busy_s(structure.paths).items()]
        return max(slowest_s, *awaited_s) + averages_s

    def _memory(self, structure: MultiHopPlan) -> MemoryDemand:
        """Return the memory: a node trains a copy of its part with one mini-batch for each owner."""
        nodes: dict[str, PartMemory] = {}
        for path in structure.paths:
            for hop in path:
                nodes[hop.node] = nodes.get(hop.node, NO_MEMORY) + hop.memory
        average = PartMemory(self.task.units.parameter_bits_to(self._first) + self._head_model_bits)
        return MemoryDemand((self._owner_memory,) * len(structure.paths), average, nodes)
