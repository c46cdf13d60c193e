"""Which layers of the middle part each node of a chain holds, as in MP-SL (arXiv 2402.00208), exactly.

Nodes take contiguous layers in the order of the chain, each one layer at least. What is minimised is the
longest of something over the nodes, so one dynamic program serves all objectives: over nodes, and over the
layers that the nodes up to this one hold. The paper's objective has two such maxima, forward and backward.
Its front of Pareto-optimal pairs is walked: the least backward time with the forward time below F, and F
falls to the next pair's until nothing fits. All pairs are seen, so the least sum is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..planning_error import PlanningError
from ..radio.units import BITS_PER_MIB

__all__ = ["Objective", "Placement", "PlacementProblem", "place"]

Objective: TypeAlias = Literal["stage_sum", "slowest"]

TIE = 1e-12  # relative; sums that differ by less differ by the order of their terms


@dataclass(frozen=True)
class PlacementProblem:
    """Layers to place on a chain of nodes.

    Attributes
    ----------
    forward_s : [num_nodes, num_layers], float
        Time of one batch's forward pass of a layer on a node, [s].
    backward_s : [num_nodes, num_layers], float
        Time of its backward pass and weight update, [s].
    memory_bits : [num_layers], float
        Activations and weights of one owner's copy, [bit].
    owners : int
        Data owners K, each with a copy of every layer.
    capacity_bits : [num_nodes], float
        Memory of each node, [bit]; infinite where there is no limit.

    Raises
    ------
    AllocationError
        If the shapes do not fit, a value is out of range, or there are more nodes than layers.
    """

    forward_s: NDArray[np.float64]
    backward_s: NDArray[np.float64]
    memory_bits: NDArray[np.float64]
    owners: int
    capacity_bits: NDArray[np.float64]

    def __post_init__(self) -> None:
        nodes, layers = len(self.capacity_bits), len(self.memory_bits)
        for name, times_s in (("forward_s", self.forward_s), ("backward_s", self.backward_s)):
            if times_s.shape != (nodes, layers):
                raise PlanningError(
                    f"{name} has the shape {times_s.shape}; {nodes} nodes have a capacity, and {layers}"
                    " layers need memory"
                )
            for node, layer in np.argwhere(~(np.isfinite(times_s) & (times_s >= 0))):
                raise PlanningError(
                    f"{name} of layer {layer} on node {node} must be finite and at least 0,"
                    f" not {times_s[node, layer]:g}"
                )
        for layer in np.flatnonzero(~(np.isfinite(self.memory_bits) & (self.memory_bits >= 0))):
            raise PlanningError(
                f"memory_bits of layer {layer} must be finite and at least 0, not {self.memory_bits[layer]:g}"
            )
        for node in np.flatnonzero(~(self.capacity_bits >= 0)):
            raise PlanningError(
                f"capacity_bits of node {node} must be at least 0, not {self.capacity_bits[node]:g}"
            )
        if self.owners < 1:
            raise PlanningError(f"owners must be at least 1, not {self.owners}")
        if not 1 <= nodes <= layers:
            raise PlanningError(
                f"each node needs a layer, and there must be one: {layers} layers, {nodes} nodes"
            )


@dataclass(frozen=True)
class Placement:
    """Which layers each node holds.

    Attributes
    ----------
    bounds : N + 1 layer numbers, from 0: node n holds layers ``bounds[n]`` to ``bounds[n + 1] - 1``
    forward_s : [num_nodes], float
        Each node's forward time of a batch, tf, [s].
    backward_s : [num_nodes], float
        Each node's backward and update time of a batch, tb, [s].
    """

    bounds: tuple[int, ...]
    forward_s: NDArray[np.float64]
    backward_s: NDArray[np.float64]

    @property
    def slowest_s(self) -> float:
        """Return the slowest node's time of a batch, max(tf + tb), [s]."""
        return float((self.forward_s + self.backward_s).max())

    @property
    def stage_sum_s(self) -> float:
        """Return the paper's L_fwd + L_back, max tf + max tb, [s]."""
        return float(self.forward_s.max() + self.backward_s.max())


def place(problem: PlacementProblem, objective: Objective) -> Placement:
    """Return the placement with the least objective of all that the nodes' memories permit.

    Among those that are alike to 1e-12 the other objective decides, and then the lowest bounds, the first
    node's first.

    Parameters
    ----------
    problem : the layers and the nodes
    objective : ``stage_sum``: max tf + max tb; ``slowest``: max(tf + tb)

    Raises
    ------
    AllocationError
        If no placement fits the memories.
    """
    fits = problem.owners * _segments(problem.memory_bits) <= problem.capacity_bits[:, np.newaxis, np.newaxis]
    forward_s = np.where(fits, _segments(problem.forward_s), np.inf)
    backward_s = np.where(fits, _segments(problem.backward_s), np.inf)
    both_s = forward_s + backward_s
    least_s = _least_longest(both_s)
    if not np.isfinite(least_s):
        raise _nothing_fits(problem)
    if objective == "slowest":
        good = both_s <= least_s * (1.0 + TIE)
        forward_s, backward_s = np.where(good, forward_s, np.inf), np.where(good, backward_s, np.inf)
    front = list(_front(forward_s, backward_s))
    sum_s = min(first_s + second_s for first_s, second_s in front)
    ties = []
    for first_s, second_s in front:
        if first_s + second_s <= sum_s * (1.0 + TIE):
            good = (forward_s <= first_s * (1.0 + TIE)) & (backward_s <= second_s * (1.0 + TIE))
            slowest_s = _least_longest(np.where(good, both_s, np.inf))
            ties.append((slowest_s, _lowest_bounds(good & (both_s <= slowest_s * (1.0 + TIE)))))
    _, bounds = min(ties)
    at = (np.arange(len(bounds) - 1), bounds[:-1], bounds[1:])
    return Placement(bounds, forward_s[at], backward_s[at])


def _segments(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of the layers from a to b − 1, [..., a, b]; infinity where there is none.

    Each sum goes from left to right, so that as many equal terms always have the same sum.
    """
    layers = values.shape[-1]
    sums = np.full((*values.shape[:-1], layers + 1, layers + 1), np.inf)
    for first in range(layers):
        sums[..., first, first + 1 :] = np.cumsum(values[..., first:], axis=-1)
    return sums


def _least_longest(cost: NDArray[np.float64]) -> float:
    """Return the least over all bounds of the greatest ``cost[node, from, to]``; infinity if all are."""
    least = cost[0, 0]  # [num_layers + 1], with the nodes so far on the layers before each
    for node in cost[1:]:
        least = np.maximum(least[:, np.newaxis], node).min(axis=0)
    return float(least[-1])


def _front(forward_s: NDArray[np.float64], backward_s: NDArray[np.float64]) -> Iterator[tuple[float, float]]:
    """Yield the Pareto-optimal pairs of longest forward and longest backward time, forward falling, [s]."""
    below_s = np.inf
    while np.isfinite(second_s := _least_longest(np.where(forward_s < below_s, backward_s, np.inf))):
        first_s = _least_longest(np.where(backward_s <= second_s * (1.0 + TIE), forward_s, np.inf))
        yield first_s, second_s
        below_s = first_s * (1.0 - TIE)


def _lowest_bounds(good: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the lowest bounds of which every ``good[node, from, to]`` holds; there must be some."""
    ends = np.zeros(good.shape[-1], dtype=np.bool_)
    ends[-1] = True
    reaches = [ends]  # from which layers the nodes from here on can hold all that are left
    for node in good[:0:-1]:
        reaches.insert(0, (node & reaches[0]).any(axis=1))
    bounds = [0]
    for node, reach in zip(good, reaches, strict=True):
        bounds.append(int(np.argmax(node[bounds[-1]] & reach)))
    return tuple(bounds)


def _nothing_fits(problem: PlacementProblem) -> PlanningError:
    """Return the error that says what is too large: one layer for every node, or the parts for the chain."""
    copies_mib = problem.owners * problem.memory_bits / BITS_PER_MIB
    capacity_mib = problem.capacity_bits / BITS_PER_MIB
    for layer in np.flatnonzero(copies_mib > capacity_mib.max()):
        return PlanningError(
            f"layer {layer} fits no node: the copies of {problem.owners} owners need"
            f" {copies_mib[layer]:.6g} MiB, and the largest node has {capacity_mib.max():.6g} MiB"
        )
    have = ", ".join(f"{each:.6g}" for each in capacity_mib)
    return PlanningError(
        f"no contiguous placement fits: the copies of {problem.owners} owners need {copies_mib.sum():.6g} MiB"
        f" in all, in layers of up to {copies_mib.max():.6g} MiB, and the nodes have {have} MiB"
    )
