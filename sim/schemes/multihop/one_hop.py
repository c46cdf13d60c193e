"""Split learning over one hop: every owner has one helper, which trains the whole middle of the model.

The horizontal baseline of MP-SL (arXiv 2402.00208), and the workflow optimisation of Tirana et al.,
"Workflow Optimization for Parallel Split Learning" (arXiv 2402.10092): which owner has which helper, and in
which order a helper takes its tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

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
from ...links.wired_network import Network
from ...planning_error import PlanningError
from ...world.ordered_queue import OrderedQueue
from ...world.world import World
from ..base import TrainingTask
from ..deployment import Deployment
from .costs import HopWork
from .epoch import Gates, MultiHopScheme
from .mpsl import capacity_bits, layer_memory_bits
from .structure import HopParameters

__all__ = ["OneHop", "OneHopParameters"]

Array = NDArray[np.float64]

OPTIMUM_S = 60.0  # wall clock; beyond it nothing is taken, so that no result depends on the machine's speed


class OneHopParameters(HopParameters):
    """Which helper each owner has, and in which order helpers take their tasks."""

    workflow: Annotated[
        Annotated[Literal["balanced_greedy", "random", "improved", "optimal"], Tag("name")]
        | Annotated[tuple[Index, ...], Field(min_length=1), Tag("list")],
        NAME_OR_LIST,
    ] = Field(
        default="balanced_greedy",
        description="who helps whom, tasks as they arrive: balanced_greedy, random, or each owner's helper"
        " from 0; or that and the order of tasks, planned for one mini-batch: improved, optimal",
    )

    @model_validator(mode="after")
    def _one_batch(self) -> OneHopParameters:
        if self.workflow in ("improved", "optimal") and self.batches * self.repeats > 1:
            raise ValueError(f"workflow {self.workflow} plans one mini-batch; batches and repeats must be 1")
        return self

    def default_label(self) -> str:
        """Return the name with the workflow."""
        given = self.workflow if isinstance(self.workflow, str) else "|".join(str(h) for h in self.workflow)
        return f"{self.name} {given.replace('_', ' ')}"


class OneHop(MultiHopScheme):
    """Every owner's mini-batches go to its one helper and back."""

    def __init__(self, parameters: OneHopParameters, job: TrainingTask) -> None:
        super().__init__(parameters, job)
        self._given = parameters
        self._workflow: Workflow | None = None

    def place(self, site: Deployment, network: Network, nodes: LayerWork) -> None:
        """Note what each helper would do; who has which is decided when the links are known."""
        self._legs = [
            self.leg(
                node.name,
                nodes.part(number, self._first, self._head),
                float(nodes.s_per_flop[number]),
                self._first,
                self._head,
            )
            for number, node in enumerate(network.nodes)
        ]
        self.paths = [(self._legs[0],)] * self.job.clients  # alike for the learner, whoever helps

    def settle(self, links: LinkRates, site: Deployment) -> float:
        """Choose the workflow now that the links are known, and return the bound on a round's time.

        Raises
        ------
        AllocationError
            If the helpers' memory does not hold all owners, or no optimum is proved.
        """
        problem = self.problem(links, site)
        try:
            self._workflow = self._chosen(problem, site.seed)
        except PlanningError as error:
            key = ("network", "nodes") if error.key == ("allocation",) else error.key
            raise PlanningError(f"one_hop: {error}", key) from None
        self.paths = [(self._legs[h],) for h in self._workflow.helper]
        self.details = {
            "workflow": "|".join(str(h) for h in self._workflow.helper),
            "makespan_s": self._workflow.makespan_s,
        }
        return super().settle(links, site)

    def problem(self, links: LinkRates, site: Deployment) -> WorkflowProblem:
        """Return what one mini-batch of each owner takes on each helper, and after it the model's upload."""
        assert site.network is not None
        legs, network = self._legs, site.network
        owners_s = self.owners_s(links, site)
        upload_s = (self.upload_bits(pruned=True) / links.uplink_bps).tolist()

        def each(value: Callable[[int, HopWork], float]) -> Array:
            return np.array([[value(i, leg) for leg in legs] for i in range(self.job.clients)])

        def there_s(leg: HopWork, bits: float) -> float:
            return network.route_s(ACCESS_POINT, leg.node, bits)

        def back_s(leg: HopWork, bits: float) -> float:
            return network.route_s(leg.node, ACCESS_POINT, bits)

        units = layer_memory_bits(self)
        return WorkflowProblem(
            ready_s=each(lambda i, leg: owners_s[i][0] + there_s(leg, leg.entering_bits)),
            forward_s=each(lambda i, leg: leg.forward_s),
            between_s=each(
                lambda i, leg: (
                    back_s(leg, leg.leaving_bits) + owners_s[i][1] + there_s(leg, leg.entering_gradient_bits)
                )
            ),
            backward_s=each(lambda i, leg: leg.gradient_s),
            update_s=each(lambda i, leg: leg.backward_s - leg.gradient_s),
            after_s=each(
                lambda i, leg: back_s(leg, leg.leaving_gradient_bits) + owners_s[i][2] + float(upload_s[i])
            ),
            memory_bits=np.full(self.job.clients, float(units[self._first : self._head].sum())),
            capacity_bits=capacity_bits(network),
        )

    def _chosen(self, problem: WorkflowProblem, seed: int) -> Workflow:
        given = self._given.workflow
        if not isinstance(given, str):
            if len(given) != self.job.clients:
                raise PlanningError(
                    f"workflow lists {len(given)} helpers; each of {self.job.clients} owners needs one",
                    ("schemes",),
                )
            if max(given) >= problem.num_helpers:
                raise PlanningError(
                    f"workflow names helper {max(given)}; there are {problem.num_helpers}, numbered from 0",
                    ("schemes",),
                )
            return first_come_first_served(problem, np.array(given, dtype=np.intp))
        if given == "random":
            return first_come_first_served(problem, random_assignment(problem, stream(seed, "workflow")))
        greedy = first_come_first_served(problem, balanced_greedy(problem))
        if given == "balanced_greedy":
            return greedy
        if given == "improved":
            return search(problem, greedy)
        found, bound_s = optimal(problem, time_limit_s=OPTIMUM_S)
        if found.makespan_s > bound_s * (1 + 1e-9):
            raise PlanningError(
                f"no workflow is proved optimal within {OPTIMUM_S:g} s for {problem.num_owners}"
                f" owners and {problem.num_helpers} helpers; take workflow: improved",
                ("schemes",),
            )
        return found

    def gates(self, world: World) -> Gates:
        """Return the planned order of each helper's tasks, where there is one."""
        if self._workflow is None or self._workflow.order is None:
            return {}
        return {
            leg.node: OrderedQueue(world.env, [task for task in tasks if task[0] not in world.departed_at_s])
            for leg, tasks in zip(self._legs, self._workflow.order, strict=True)
        }
