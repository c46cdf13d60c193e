"""MP-SL: multihop parallel split learning over a chain of compute nodes.

Tirana et al., "MP-SL: Multihop Parallel Split Learning" (arXiv 2402.00208). The estimate of an epoch's time
is from "Estimating the Training Time in Single- and Multi-Hop Split Federated Learning" (EdgeSys 2025). See
docs/model.md section 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, Tag

from ....scenarios.ordered_sum import ordered_sum
from ....scenarios.schema.fields import NAME_OR_LIST, PositiveInt
from ....scenarios.schema.network import ACCESS_POINT
from ...allocation.chain_order import ChainProblem, best_chain
from ...allocation.placement import PlacementProblem, optimal_placement
from ...costs.layer_costs import LayerWork
from ...links.link_rates import LinkRates
from ...planning_error import PlanningError
from ...radio.units import BITS_PER_MIB, mib_text
from ..base import TrainingTask
from ..deployment import Deployment
from .costs import HopWork
from .epoch import MultiHopScheme
from .structure import MultiHopParameters, MultiHopPlan

if TYPE_CHECKING:
    from ...links.wired_network import Network

__all__ = ["MPSL", "MpslParameters", "capacity_bits"]


class MpslParameters(MultiHopParameters):
    """The parameters of MP-SL: the order of the nodes in the chain, and the placement of units on them."""

    placement: Annotated[
        Annotated[Literal["stage_sum", "slowest"], Tag("name")]
        | Annotated[tuple[PositiveInt, ...], Field(min_length=1), Tag("list")],
        NAME_OR_LIST,
    ] = Field(
        default="stage_sum",
        description="stage_sum: minimises the longest forward pass plus the longest backward pass, as in the"
        " paper; slowest: minimises the time of the slowest node; or a list: for each node but the last, the"
        " number of units up to the end of its part",
    )

    order: Literal["best", "listed"] = Field(
        default="best",
        description="order of the nodes in the chain: best, for which the placement's objective is least, or"
        " listed, as in network.nodes; a list as placement belongs to the listed order",
    )

    def label_details(self) -> tuple[str, ...]:
        """Return placement and order, unless they are the default ones."""
        if not isinstance(self.placement, str):
            return ("|".join(str(end) for end in self.placement),)
        placement = () if self.placement == "stage_sum" else (self.placement,)
        return (*placement, *(("listed",) if self.order == "listed" else ()))


class MPSL(MultiHopScheme):
    """MP-SL: the mini-batches of every owner go through all nodes of the chain."""

    def __init__(self, parameters: MpslParameters, task: TrainingTask) -> None:
        super().__init__(parameters, task)
        self._placement, self._order = parameters.placement, parameters.order

    def place_hops(self, deployment: Deployment, network: Network, nodes: LayerWork) -> list[HopWork]:
        """Return one hop for each node, with the units of the best placement or of the user's placement."""
        middle, count = self._head - self._first, len(network.nodes)
        if middle < count:
            raise PlanningError(
                f"mpsl: {count} nodes need a unit each; the owners' parts leave {middle}",
                ("network", "nodes"),
            )
        units = slice(self._first, self._head)
        task = self.task
        begin_bits, end_bits = task.units.cut_memory_bits(task.batch_size)
        problem = PlacementProblem(
            nodes.forward_s[:, units],
            nodes.backward_s[:, units],
            task.units.unit_memory_bits(task.batch_size, task.optimizer_copies)[units],
            deployment.num_clients,
            capacity_bits(network),
            begin_bits[self._first : self._head + 1],
            end_bits[self._first : self._head + 1],
        )
        order = tuple(range(count))
        if isinstance(self._placement, str):
            try:
                if self._order == "best" and count > 1:
                    chain = best_chain(self._chain_problem(problem, network), self._placement)
                    order, inner = chain.order, chain.bounds
                else:
                    inner = optimal_placement(problem, self._placement).bounds
            except PlanningError as error:
                text = f"mpsl, whose layer 0 is unit {self._first + 1}: {error}"
                raise PlanningError(text, ("network", "nodes")) from None
            bounds = tuple(self._first + bound for bound in inner)
        else:
            bounds = self._explicit_bounds(network, deployment.num_clients)
        return [
            self.hop(
                network.nodes[number].name,
                nodes.part(number, first, end),
                float(nodes.s_per_flop[number]),
                first,
                end,
            )
            for number, (first, end) in zip(order, pairwise(bounds), strict=True)
        ]

    def _chain_problem(self, problem: PlacementProblem, network: Network) -> ChainProblem:
        """Return the problem with the times of the wires between all nodes and the access point."""
        stops = [*(node.name for node in network.nodes), ACCESS_POINT]
        cuts = range(self._first, self._head + 1)
        units, size = self.task.units, self.task.batch_size

        def busy_s(sizes_bits: list[float], *, back: bool) -> NDArray[np.float64]:
            times_s = np.zeros((len(stops), len(stops), len(sizes_bits)))
            for m, start in enumerate(stops):
                for n, end in enumerate(stops):
                    ends = (end, start) if back else (start, end)
                    times_s[m, n] = [network.busy_s(*ends, bits) for bits in sizes_bits]
            return times_s

        return ChainProblem(
            problem,
            busy_s([size * units.activation_bits_at(cut) for cut in cuts], back=False),
            busy_s([size * units.gradient_bits_at(cut) for cut in cuts], back=True),
        )

    def _explicit_bounds(self, network: Network, owners: int) -> tuple[int, ...]:
        """Check the user's placement, and return the first units of the nodes' parts and of the head."""
        assert not isinstance(self._placement, str)
        bounds = (self._first, *self._placement, self._head)
        count = len(network.nodes)
        if len(bounds) != count + 1 or any(first >= end for first, end in pairwise(bounds)):
            raise PlanningError(
                f"mpsl: placement must be {count - 1} rising numbers from {self._first + 1} to"
                f" {self._head - 1}, one between each two of the {count} nodes; it is"
                f" {list(self._placement)}",
                ("schemes",),
            )
        for node, (first, end) in zip(network.nodes, pairwise(bounds), strict=True):
            needed_bits = owners * self.task.part_memory(first, end).total_bits
            if node.memory_mib is not None and needed_bits > node.memory_mib * BITS_PER_MIB:
                has = mib_text(node.memory_mib * BITS_PER_MIB)
                raise PlanningError(
                    f"mpsl: units {first + 1} to {end} of {owners} owners need"
                    f" {mib_text(needed_bits)} on {node.name}, which has {has}",
                    ("network", "nodes"),
                )
        return bounds

    def assign_routes(self, hops: list[HopWork], links: LinkRates, deployment: Deployment) -> MultiHopPlan:
        """Return the plan with the same hops for every owner, and the authors' estimate in its notes."""
        path = tuple(hops)
        paths = (path,) * deployment.num_clients
        return MultiHopPlan(
            paths,
            self.owner_work(deployment, masks_on=True),
            self.owner_work(deployment, masks_on=False),
            notes={
                "placement": "|".join(str(end) for end in (self._first, *(hop.end for hop in path))),
                "order": "|".join(hop.node for hop in path),
                "pipe_full_s": max(self.node_busy_s(paths).values()),
                "formula_s": self.formula_s(path, links, deployment),
            },
        )

    def formula_s(self, path: Sequence[HopWork], links: LinkRates, deployment: Deployment) -> float:
        """Return the authors' estimate of an epoch's time, without the exchange of models, [s].

        ``T_all = start + Σ_p(tf_p + tb_p) + (rBK − 1)(L_fwd + L_back) + end`` (EdgeSys 2025). Start and end
        together are the time of a mini-batch on its owner and the owner's link, averaged over owners. They
        contain both passes of the first part and of the head, and four transfers. So the formula is exact for
        a single mini-batch on quick wires.
        """
        owners = deployment.num_clients
        ends_s = (
            ordered_sum(ordered_sum(of_owner) for of_owner in self.owner_stages_s(links, deployment)) / owners
        )
        one_s = ordered_sum(hop.forward_s + hop.backward_s for hop in path)
        stage_sum_s = max(hop.forward_s for hop in path) + max(hop.backward_s for hop in path)
        return ends_s + one_s + (self.steps * owners - 1) * stage_sum_s


def capacity_bits(network: Network) -> Any:
    """Return the nodes' memories, infinite without a limit, [num_nodes], [bit]."""
    return np.array(
        [np.inf if node.memory_mib is None else node.memory_mib * BITS_PER_MIB for node in network.nodes]
    )
