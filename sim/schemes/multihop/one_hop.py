"""Split learning over one hop: each owner has one helper, which trains the whole middle part of the model.

It is the horizontal baseline of MP-SL (arXiv 2402.00208). The assignment of owners to helpers, and the order
of each helper's tasks, are those of Tirana et al., "Workflow Optimization for Parallel Split Learning"
(arXiv 2402.10092); docs/model.md section 7.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, Tag, model_validator

from ....scenarios.random_streams import stream
from ....scenarios.schema.fields import NAME_OR_LIST, Index
from ....scenarios.schema.network import ACCESS_POINT
from ...allocation.workflow.assignment import balanced_greedy, random_assignment
from ...allocation.workflow.local_search import search
from ...allocation.workflow.optimum import optimal
from ...allocation.workflow.problem import WorkflowProblem
from ...allocation.workflow.schedule import Workflow, first_come_first_served
from ...costs.layer_costs import LayerWork
from ...links.link_rates import LinkRates
from ...planning_error import PlanningError
from ..base import TrainingTask
from ..deployment import Deployment
from .costs import HopWork
from .epoch import MultiHopScheme
from .mpsl import capacity_bits
from .structure import MultiHopParameters, MultiHopPlan

if TYPE_CHECKING:
    from ...links.wired_network import Network

__all__ = ["OneHop", "OneHopParameters"]

Array = NDArray[np.float64]

OPTIMUM_S = 60.0
"""Wall-clock limit of the search for an optimum, [s]. A search that it ends has no result, so that no result
depends on the speed of the machine.
"""


class OneHopParameters(MultiHopParameters):
    """The parameters of one hop: the assignment of owners to helpers, and the order of the helpers' tasks."""

    per_device: ClassVar[tuple[str, ...]] = ("workflow",)

    workflow: Annotated[
        Annotated[Literal["balanced_greedy", "random", "improved", "optimal"], Tag("name")]
        | Annotated[tuple[Index, ...], Field(min_length=1), Tag("list")],
        NAME_OR_LIST,
    ] = Field(
        default="balanced_greedy",
        description="assignment of owners to helpers: balanced_greedy, random, or a list of each owner's"
        " helper, from 0; improved and optimal also plan the order of tasks, for one mini-batch per owner",
    )

    @model_validator(mode="after")
    def _one_batch(self) -> OneHopParameters:
        if self.workflow in ("improved", "optimal") and self.batches * self.repeats > 1:
            raise ValueError(f"workflow {self.workflow} plans one mini-batch; batches and repeats must be 1")
        return self

    def label_details(self) -> tuple[str, ...]:
        """Return the workflow."""
        if isinstance(self.workflow, str):
            return (self.workflow.replace("_", " "),)
        return ("|".join(str(helper) for helper in self.workflow),)


class OneHop(MultiHopScheme):
    """One hop: the mini-batches of each owner go to its helper and back."""

    def __init__(self, parameters: OneHopParameters, task: TrainingTask) -> None:
        super().__init__(parameters, task)
        self._workflow = parameters.workflow

    def place_hops(self, deployment: Deployment, network: Network, nodes: LayerWork) -> list[HopWork]:
        """Return the hop on each helper; :meth:`assign_routes` chooses the owners' helpers."""
        return [
            self.hop(
                node.name,
                nodes.part(number, self._first, self._head),
                float(nodes.s_per_flop[number]),
                self._first,
                self._head,
            )
            for number, node in enumerate(network.nodes)
        ]

    def assign_routes(self, hops: list[HopWork], links: LinkRates, deployment: Deployment) -> MultiHopPlan:
        """Return the plan with each owner's helper, and with the order of tasks if the workflow plans it.

        Raises
        ------
        PlanningError
            If the helpers' memory is too small for all owners, or no optimum is proved in time.
        """
        problem = self.problem(hops, links, deployment)
        try:
            workflow = self._plan_workflow(problem, deployment.seed)
        except PlanningError as error:
            key = ("network", "nodes") if error.key == ("allocation",) else error.key
            raise PlanningError(f"one_hop: {error}", key) from None
        order = None
        if workflow.order is not None:
            clients = deployment.clients
            order = {
                hop.node: tuple((clients[owner], back) for owner, back in tasks)
                for hop, tasks in zip(hops, workflow.order, strict=True)
            }
        return MultiHopPlan(
            tuple((hops[h],) for h in workflow.helper),
            self.owner_work(deployment, masks_on=True),
            self.owner_work(deployment, masks_on=False),
            order,
            notes={
                "workflow": "|".join(str(h) for h in workflow.helper),
                "makespan_s": workflow.makespan_s,
            },
        )

    def problem(self, hops: list[HopWork], links: LinkRates, deployment: Deployment) -> WorkflowProblem:
        """Return the workflow problem: the times of one mini-batch of each owner on each helper."""
        assert deployment.network is not None
        network = deployment.network
        owners_s = self.owner_stages_s(links, deployment)
        upload_s = (self.upload_bits(masks_on=True) / links.uplink_bps).tolist()

        def table(value: Callable[[int, HopWork], float]) -> Array:
            return np.array([[value(i, hop) for hop in hops] for i in range(deployment.num_clients)])

        def to_node_s(hop: HopWork, bits: float) -> float:
            return network.route_s(ACCESS_POINT, hop.node, bits)

        def to_access_point_s(hop: HopWork, bits: float) -> float:
            return network.route_s(hop.node, ACCESS_POINT, bits)

        copy_bits = self.task.part_memory(self._first, self._head).total_bits
        return WorkflowProblem(
            ready_s=table(lambda i, hop: owners_s[i][0] + to_node_s(hop, hop.entering_bits)),
            forward_s=table(lambda i, hop: hop.forward_s),
            between_s=table(
                lambda i, hop: (
                    to_access_point_s(hop, hop.leaving_bits)
                    + owners_s[i][1]
                    + to_node_s(hop, hop.entering_gradient_bits)
                )
            ),
            backward_s=table(lambda i, hop: hop.gradient_s),
            update_s=table(lambda i, hop: hop.backward_s - hop.gradient_s),
            after_s=table(
                lambda i, hop: (
                    to_access_point_s(hop, hop.leaving_gradient_bits) + owners_s[i][2] + float(upload_s[i])
                )
            ),
            memory_bits=np.full(deployment.num_clients, copy_bits),
            capacity_bits=capacity_bits(network),
        )

    def _plan_workflow(self, problem: WorkflowProblem, seed: int) -> Workflow:
        workflow = self._workflow
        if not isinstance(workflow, str):
            if len(workflow) != problem.num_owners:
                raise PlanningError(
                    f"workflow lists {len(workflow)} helpers; each of {problem.num_owners} owners needs one",
                    ("schemes",),
                )
            if max(workflow) >= problem.num_helpers:
                raise PlanningError(
                    f"workflow names helper {max(workflow)}; there are {problem.num_helpers},"
                    " numbered from 0",
                    ("schemes",),
                )
            return first_come_first_served(problem, np.array(workflow, dtype=np.intp))
        if workflow == "random":
            return first_come_first_served(problem, random_assignment(problem, stream(seed, "workflow")))
        greedy = first_come_first_served(problem, balanced_greedy(problem))
        if workflow == "balanced_greedy":
            return greedy
        if workflow == "improved":
            return search(problem, greedy)
        best, bound_s = optimal(problem, time_limit_s=OPTIMUM_S)
        if best.makespan_s > bound_s * (1 + 1e-9):
            raise PlanningError(
                f"no workflow is proved optimal within {OPTIMUM_S:g} s for {problem.num_owners}"
                f" owners and {problem.num_helpers} helpers; take workflow: improved",
                ("schemes",),
            )
        return best
