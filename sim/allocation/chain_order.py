"""Search for the best order of the nodes of a chain, together with the placement of layers on them.

A mini-batch passes the nodes one after the other, so that the slowest stage decides the pace of a full chain.
A stage is a node's computation or the transfer of a tensor over the slowest wire between two nodes. The
dynamic program of ``placement.py`` adds node after node in one order. Here it has a state for each set of
nodes so far, the last of them, and the number of layers that they hold. So it is exact over all orders.
Interchangeable nodes count as one kind, whose nodes are only counted. With too many kinds for that, exchanges
of two nodes improve the listed order until none helps.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .placement import (
    TIE,
    Objective,
    PlacementProblem,
    memory_error,
    optimal_placement,
    segment_sums,
)

__all__ = ["MOST_STATES", "ChainPlacement", "ChainProblem", "best_chain"]

Array = NDArray[np.float64]

MOST_STATES = 1024
"""Sets of nodes up to which the search is exact: those of ten unlike nodes."""
MOST_EXCHANGE_ROUNDS = 3
"""Most rounds over all pairs of nodes from each starting order, which bound the time of the exchanges."""


@dataclass(frozen=True)
class ChainProblem:
    """Layers to place on nodes whose order is free.

    Attributes
    ----------
    placement : PlacementProblem
        The layers, and the nodes in the order in which they are listed.
    forward_s : ndarray, [num_nodes + 1, num_nodes + 1, num_layers + 1]
        Time for which the slowest wire from one node to another is busy with the activations that enter a
        layer, [s]. The last node is the access point; a message to the same node takes no time.
    backward_s : ndarray, [num_nodes + 1, num_nodes + 1, num_layers + 1]
        The same of the gradients that go back, from the second node to the first, [s].
    """

    placement: PlacementProblem
    forward_s: Array
    backward_s: Array


@dataclass(frozen=True)
class ChainPlacement:
    """Nodes in the order of the chain, and their layers.

    Attributes
    ----------
    order : tuple of int, [num_nodes]
        Numbers of the nodes in the list.
    bounds : tuple of int, [num_nodes + 1]
        The node at position p holds layers ``bounds[p]`` to ``bounds[p + 1] - 1``.
    objective_s, tie_s : float
        The value that is minimised, and the value that decides between equal ones, [s].
    """

    order: tuple[int, ...]
    bounds: tuple[int, ...]
    objective_s: float
    tie_s: float

    @property
    def values_s(self) -> tuple[float, float]:
        """Return both values, the more important one first."""
        return self.objective_s, self.tie_s

    def is_better_than(self, other: ChainPlacement) -> bool:
        """Return whether the objective is lower, or equal up to rounding and the other value lower."""
        if self.objective_s <= other.objective_s * (1.0 + TIE):
            lower = self.objective_s < other.objective_s * (1.0 - TIE)
            return lower or self.tie_s < other.tie_s * (1.0 - TIE)
        return False

    def is_as_good_as(self, other: ChainPlacement) -> bool:
        """Return whether neither value is above that of the other placement, up to rounding."""
        return all(
            mine <= theirs * (1.0 + TIE) for mine, theirs in zip(self.values_s, other.values_s, strict=True)
        )


@dataclass(frozen=True)
class _Stages:
    """The times of all possible stages of one kind.

    Attributes
    ----------
    nodes_s : ndarray, [num_nodes, num_layers + 1, num_layers + 1]
        Of layers a to b − 1 on a node; infinite where a node cannot hold them.
    wires_s : ndarray, [num_nodes + 1, num_nodes + 1, num_layers + 1]
        Of a transfer from one node to another.
    """

    nodes_s: Array
    wires_s: Array

    def restricted_to(self, other: _Stages, limit_s: float, *, strict: bool = False) -> _Stages:
        """Return these stages, infinite where the other kind's time is above the limit (or equal to it)."""
        compare = np.less if strict else np.less_equal
        return _Stages(
            np.where(compare(other.nodes_s, limit_s), self.nodes_s, np.inf),
            np.where(compare(other.wires_s, limit_s), self.wires_s, np.inf),
        )

    def longest_s(self, order: tuple[int, ...], bounds: tuple[int, ...]) -> float:
        """Return the time of the slowest stage of a chain, [s]."""
        access_point = len(self.nodes_s)
        nodes_s = [self.nodes_s[node, bounds[p], bounds[p + 1]] for p, node in enumerate(order)]
        stops = (access_point, *order, access_point)
        wires_s = [self.wires_s[stops[p], stops[p + 1], bound] for p, bound in enumerate(bounds)]
        return float(max(*nodes_s, *wires_s))


class _Orders(ABC):
    """A set of orders of the nodes."""

    @abstractmethod
    def minimal_maximum(self, stages: _Stages) -> float:
        """Return the smallest possible time of the slowest stage over the orders and all placements, [s]."""

    @abstractmethod
    def feasible_chain(self, stages: _Stages) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return an order and bounds all of whose stages are finite; there must be some."""


class _OneOrder(_Orders):
    """One order of the nodes."""

    def __init__(self, order: tuple[int, ...]) -> None:
        self._order = order

    def _tables(self, stages: _Stages) -> list[Array]:
        """Return the smallest possible time of the slowest stage up to each position, by number of layers."""
        access_point = len(stages.nodes_s)
        tables: list[Array] = []
        for position, node in enumerate(self._order):
            if position == 0:
                so_far = np.maximum(stages.wires_s[access_point, node, 0], stages.nodes_s[node, 0])
            else:
                before = np.maximum(tables[-1], stages.wires_s[self._order[position - 1], node])
                so_far = np.maximum(before[:, np.newaxis], stages.nodes_s[node]).min(axis=0)
            tables.append(so_far)
        return tables

    def minimal_maximum(self, stages: _Stages) -> float:
        """Return the smallest possible time of the slowest stage in this order."""
        last_s = stages.wires_s[self._order[-1], len(stages.nodes_s), -1]
        return float(max(self._tables(stages)[-1][-1], last_s))

    def feasible_chain(self, stages: _Stages) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the order, and bounds all of whose stages are finite."""
        tables = self._tables(stages)
        bounds = [len(tables[0]) - 1]
        for position in range(len(self._order) - 1, 0, -1):
            node, before = self._order[position], self._order[position - 1]
            possible = np.isfinite(tables[position - 1]) & np.isfinite(stages.wires_s[before, node])
            bounds.append(int(np.argmax(possible & np.isfinite(stages.nodes_s[node][:, bounds[-1]]))))
        return self._order, (0, *reversed(bounds))


class _AllOrders(_Orders):
    """All orders, up to the exchange of interchangeable nodes.

    A state is the number of nodes of each kind in the chain so far.
    """

    def __init__(self, kinds: list[list[int]]) -> None:
        self._kinds = kinds
        sizes = tuple(len(kind) + 1 for kind in kinds)
        self._counts = np.indices(sizes).reshape(len(kinds), -1).T  # [num_states, num_kinds]
        self._strides = [math.prod(sizes[kind + 1 :]) for kind in range(len(kinds))]
        self._num_nodes = sum(sizes) - len(kinds)

    def _wires_s(self, stages: _Stages) -> Array:
        """Return the transfers between kinds, [num_kinds + 1, num_kinds + 1, num_layers + 1]."""
        access_point = len(stages.nodes_s)
        firsts = [*(kind[0] for kind in self._kinds), access_point]
        wires_s = stages.wires_s[np.ix_(firsts, firsts)].copy()
        for number, kind in enumerate(self._kinds):
            if len(kind) > 1:
                wires_s[number, number] = stages.wires_s[kind[0], kind[1]]
        return wires_s

    def _table(self, stages: _Stages, wires_s: Array) -> Array:
        """Return the smallest possible time of the slowest stage.

        The table is indexed by the state, the kind of the last node, and the number of layers so far.
        """
        count, layers = len(self._kinds), stages.nodes_s.shape[-1]
        table = np.full((len(self._counts), count, layers), np.inf)
        levels = self._counts.sum(axis=1)
        for level in range(1, self._num_nodes + 1):
            for kind in range(count):
                states = np.flatnonzero((levels == level) & (self._counts[:, kind] > 0))
                nodes_s = stages.nodes_s[self._kinds[kind][0]]
                if level == 1:
                    table[states, kind] = np.maximum(wires_s[count, kind, 0], nodes_s[0])
                    continue
                before = np.maximum(table[states - self._strides[kind]], wires_s[:count, kind]).min(axis=1)
                table[states, kind] = np.maximum(before[:, :, np.newaxis], nodes_s).min(axis=1)
        return table

    def minimal_maximum(self, stages: _Stages) -> float:
        """Return the smallest possible time of the slowest stage over all orders and placements."""
        wires_s = self._wires_s(stages)
        last_s = self._table(stages, wires_s)[-1, :, -1]
        return float(np.maximum(last_s, wires_s[:-1, -1, -1]).min())

    def feasible_chain(self, stages: _Stages) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return an order and bounds all of whose stages are finite, found from the last node on."""
        wires_s = self._wires_s(stages)
        finite = np.isfinite(self._table(stages, wires_s))
        state, end, after = len(self._counts) - 1, stages.nodes_s.shape[-1] - 1, len(self._kinds)
        kinds, bounds = [], [end]
        while state:
            possible = np.flatnonzero(finite[state, :, end] & np.isfinite(wires_s[:-1, after, end]))
            kind = int(possible[-1])
            previous = state - self._strides[kind]
            kinds.append(kind)
            if previous:
                reached = (finite[previous] & np.isfinite(wires_s[:-1, kind])).any(axis=0)
                inside = np.isfinite(stages.nodes_s[self._kinds[kind][0]][:, end])
                end = int(np.argmax(reached & inside))
                bounds.append(end)
            state, after = previous, kind
        nodes = [iter(kind) for kind in self._kinds]
        return tuple(next(nodes[kind]) for kind in reversed(kinds)), (0, *reversed(bounds))


def best_chain(problem: ChainProblem, objective: Objective) -> ChainPlacement:
    """Return the order and the placement whose slowest stages take least time.

    The search is exact for up to ten unlike nodes, and for any number of equal ones. Otherwise the order is
    the best that exchanges of two nodes reach from the listed one. The listed order is kept where no other
    is better.

    Parameters
    ----------
    objective : {"stage_sum", "slowest"}
        ``stage_sum`` minimises the longest forward stage plus the longest backward stage, ``slowest`` the
        longest stage of both passes together. The other one decides between equal ones.

    Raises
    ------
    PlanningError
        If no placement fits into the memories in any order.
    """
    placement = problem.placement
    fits = placement.part_bits() <= placement.capacity_bits[:, np.newaxis, np.newaxis]
    forward = _Stages(np.where(fits, segment_sums(placement.forward_s), np.inf), problem.forward_s)
    backward = _Stages(np.where(fits, segment_sums(placement.backward_s), np.inf), problem.backward_s)
    listed = tuple(range(len(placement.capacity_bits)))
    kinds = _kinds(problem)
    if math.prod(len(kind) + 1 for kind in kinds) <= MOST_STATES:
        best = _optimum(_AllOrders(kinds), forward, backward, objective)
    else:
        best = _by_exchanges(_starts(placement), forward, backward, objective)
    if best is None:
        raise memory_error(placement)
    in_list = _optimum(_OneOrder(listed), forward, backward, objective)
    if in_list is None or not in_list.is_as_good_as(best):
        return best
    bounds = optimal_placement(placement, objective).bounds
    paper_placement = _with_values(listed, bounds, forward, backward, objective)
    return paper_placement if paper_placement.is_as_good_as(in_list) else in_list


def _kinds(problem: ChainProblem) -> list[list[int]]:
    """Return the nodes in groups; exchanging two nodes of a group changes no time."""
    kinds: list[list[int]] = []
    for node in range(len(problem.placement.capacity_bits)):
        for kind in kinds:
            if all(_interchangeable(problem, other, node) for other in kind):
                kind.append(node)
                break
        else:
            kinds.append([node])
    return kinds


def _interchangeable(problem: ChainProblem, one: int, other: int) -> bool:
    placement = problem.placement
    for values in (placement.forward_s, placement.backward_s, placement.capacity_bits):
        if not np.array_equal(values[one], values[other]):
            return False
    exchanged = np.arange(len(problem.forward_s))
    exchanged[[one, other]] = other, one
    return all(
        np.array_equal(values, values[np.ix_(exchanged, exchanged)])
        for values in (problem.forward_s, problem.backward_s)
    )


def _with_values(
    order: tuple[int, ...],
    bounds: tuple[int, ...],
    forward: _Stages,
    backward: _Stages,
    objective: Objective,
) -> ChainPlacement:
    """Return the placement with its values."""
    sum_s = forward.longest_s(order, bounds) + backward.longest_s(order, bounds)
    slowest_s = _both(forward, backward).longest_s(order, bounds)
    values_s = (sum_s, slowest_s) if objective == "stage_sum" else (slowest_s, sum_s)
    return ChainPlacement(order, bounds, *values_s)


def _both(forward: _Stages, backward: _Stages) -> _Stages:
    """Return the stages of both passes: a node does both; the directions of a wire work side by side."""
    return _Stages(forward.nodes_s + backward.nodes_s, np.maximum(forward.wires_s, backward.wires_s))


def _optimum(
    orders: _Orders, forward: _Stages, backward: _Stages, objective: Objective
) -> ChainPlacement | None:
    """Return the best chain among these orders, or None if no placement fits."""
    both = _both(forward, backward)
    least_s = orders.minimal_maximum(both)
    if not np.isfinite(least_s):
        return None
    if objective == "slowest":
        limit_s = least_s * (1.0 + TIE)
        forward, backward = forward.restricted_to(both, limit_s), backward.restricted_to(both, limit_s)
    pairs = list(_pareto_front(orders, forward, backward))
    sum_s = min(one_s + other_s for one_s, other_s in pairs)
    chains = []
    for forward_s, backward_s in pairs:
        if forward_s + backward_s <= sum_s * (1.0 + TIE):
            allowed = both.restricted_to(forward, forward_s * (1.0 + TIE)).restricted_to(
                backward, backward_s * (1.0 + TIE)
            )
            slowest_s = orders.minimal_maximum(allowed)
            order, bounds = orders.feasible_chain(allowed.restricted_to(allowed, slowest_s * (1.0 + TIE)))
            chains.append(_with_values(order, bounds, forward, backward, objective))
    return min(chains, key=lambda chain: (chain.values_s, chain.order))


def _pareto_front(orders: _Orders, forward: _Stages, backward: _Stages) -> Iterator[tuple[float, float]]:
    """Yield the Pareto-optimal pairs of longest forward and backward stage, by falling forward time, [s]."""
    limit_s = np.inf
    while np.isfinite(
        backward_s := orders.minimal_maximum(backward.restricted_to(forward, limit_s, strict=True))
    ):
        forward_s = orders.minimal_maximum(forward.restricted_to(backward, backward_s * (1.0 + TIE)))
        yield forward_s, backward_s
        limit_s = forward_s * (1.0 - TIE)


def _starts(placement: PlacementProblem) -> list[tuple[int, ...]]:
    """Return the listed order, and the orders of falling and of rising memory."""
    by_memory = np.argsort(-placement.capacity_bits, kind="stable").tolist()
    return [tuple(range(len(by_memory))), tuple(by_memory), tuple(reversed(by_memory))]


def _by_exchanges(
    starts: list[tuple[int, ...]], forward: _Stages, backward: _Stages, objective: Objective
) -> ChainPlacement | None:
    """Return the best chain that exchanges of two nodes reach from these orders; None if nothing fits."""
    reached = (_climb(start, forward, backward, objective) for start in starts)
    chains = [chain for chain in reached if chain is not None]
    return min(chains, key=lambda chain: chain.values_s) if chains else None


def _climb(
    start: tuple[int, ...], forward: _Stages, backward: _Stages, objective: Objective
) -> ChainPlacement | None:
    """Exchange two nodes, each time the first pair that helps, until none helps or the rounds are used up."""
    best = _optimum(_OneOrder(start), forward, backward, objective)
    improved, rounds_left = best is not None, MOST_EXCHANGE_ROUNDS
    while improved and best is not None and rounds_left:
        rounds_left -= 1
        improved = False
        for one, other in combinations(range(len(start)), 2):
            changed = list(best.order)
            changed[one], changed[other] = changed[other], changed[one]
            chain = _optimum(_OneOrder(tuple(changed)), forward, backward, objective)
            if chain is not None and chain.is_better_than(best):
                best, improved = chain, True
    return best
