"""Optimal placement of the middle layers on a chain of nodes, as in MP-SL (arXiv 2402.00208).

Each node holds contiguous layers, at least one, in the order of the chain. All objectives are built from the
maximum of a time over the nodes, so one dynamic program minimises each of them. It adds node after node, and
has a state for each number of layers on the nodes so far. The paper's objective is the sum of two such
maxima, forward and backward. It is minimised over the Pareto front of their pairs. Each step finds the least
backward time with a forward time below F, and then lowers F to the forward time of the new pair. The search
ends when nothing fits. The front holds all optimal pairs, so the least sum is exact (docs/model.md section
7.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..planning_error import PlanningError
from ..radio.units import BITS_PER_MIB

__all__ = [
    "TIE",
    "Objective",
    "Placement",
    "PlacementProblem",
    "memory_error",
    "optimal_placement",
    "segment_sums",
]

Objective: TypeAlias = Literal["stage_sum", "slowest"]

TIE = 1e-12  # relative; sums that differ by less differ only in the order of their terms


@dataclass(frozen=True)
class PlacementProblem:
    """Layers to place on a chain of nodes.

    Attributes
    ----------
    forward_s : ndarray, [num_nodes, num_layers]
        Time of one mini-batch's forward pass through a layer on a node, [s].
    backward_s : ndarray, [num_nodes, num_layers]
        Time of its backward pass and weight update, [s].
    memory_bits : ndarray, [num_layers]
        Memory of one owner's copy of the layer, and of its mini-batch, [bit].
    num_owners : int
        Data owners, K; each has a copy of every layer.
    capacity_bits : ndarray, [num_nodes]
        Memory of each node, [bit]; infinite where there is no limit.
    begin_bits, end_bits : ndarray, [num_layers + 1], or None
        Memory that a node needs besides for one owner because its first layer is ``a``, and because layer
        ``b`` is the first that follows its layers, [bit]: the tensors at the cuts. None stands for zeros.

    Raises
    ------
    PlanningError
        If the shapes do not fit, a value is out of range, or there are more nodes than layers.
    """

    forward_s: NDArray[np.float64]
    backward_s: NDArray[np.float64]
    memory_bits: NDArray[np.float64]
    num_owners: int
    capacity_bits: NDArray[np.float64]
    begin_bits: NDArray[np.float64] | None = None
    end_bits: NDArray[np.float64] | None = None

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
        if self.num_owners < 1:
            raise PlanningError(f"num_owners must be at least 1, not {self.num_owners}")
        if not 1 <= nodes <= layers:
            raise PlanningError(
                f"each node needs a layer, and there must be one: {layers} layers, {nodes} nodes"
            )
        for name, bits in (("begin_bits", self.begin_bits), ("end_bits", self.end_bits)):
            if bits is not None and (bits.shape != (layers + 1,) or not (bits >= 0).all()):
                raise PlanningError(f"{name} must be {layers + 1} numbers of at least 0")

    def part_bits(self) -> NDArray[np.float64]:
        """Return the memory that all owners' copies of layers a to b − 1 need, [a, b], [bit]."""
        bits = segment_sums(self.memory_bits)
        if self.begin_bits is not None:
            bits = bits + self.begin_bits[:, np.newaxis]
        if self.end_bits is not None:
            bits = bits + self.end_bits
        return self.num_owners * bits


@dataclass(frozen=True)
class Placement:
    """The layers of each node, and the node's times.

    Attributes
    ----------
    bounds : tuple of int, [num_nodes + 1]
        Layer numbers from 0: node n holds layers ``bounds[n]`` to ``bounds[n + 1] - 1``.
    forward_s : ndarray, [num_nodes]
        Each node's forward time of a mini-batch, tf_p, [s].
    backward_s : ndarray, [num_nodes]
        Each node's backward and update time of a mini-batch, tb_p, [s].
    """

    bounds: tuple[int, ...]
    forward_s: NDArray[np.float64]
    backward_s: NDArray[np.float64]

    @property
    def slowest_s(self) -> float:
        """Return the slowest node's time of a mini-batch, ``max_p (tf_p + tb_p)``, [s]."""
        return float((self.forward_s + self.backward_s).max())

    @property
    def stage_sum_s(self) -> float:
        """Return the paper's L_fwd + L_back, ``max_p tf_p + max_p tb_p``, [s]."""
        return float(self.forward_s.max() + self.backward_s.max())


def optimal_placement(problem: PlacementProblem, objective: Objective) -> Placement:
    """Return the placement with the least objective among all that fit into the nodes' memories.

    Where several are equal to a relative 1e-12, the other objective decides, then the lowest bounds; those of
    the first node count first.

    Parameters
    ----------
    problem : PlacementProblem
        The layers and the nodes.
    objective : {"stage_sum", "slowest"}
        ``stage_sum`` minimises ``max_p tf_p + max_p tb_p``, ``slowest`` minimises ``max_p (tf_p + tb_p)``.

    Raises
    ------
    PlanningError
        If no placement fits into the memories.
    """
    fits = problem.part_bits() <= problem.capacity_bits[:, np.newaxis, np.newaxis]
    forward_s = np.where(fits, segment_sums(problem.forward_s), np.inf)
    backward_s = np.where(fits, segment_sums(problem.backward_s), np.inf)
    both_s = forward_s + backward_s
    least_s = _minimal_maximum(both_s)
    if not np.isfinite(least_s):
        raise memory_error(problem)
    if objective == "slowest":
        optimal = both_s <= least_s * (1.0 + TIE)
        forward_s, backward_s = np.where(optimal, forward_s, np.inf), np.where(optimal, backward_s, np.inf)
    pairs = list(_pareto_front(forward_s, backward_s))
    sum_s = min(longest_forward_s + longest_backward_s for longest_forward_s, longest_backward_s in pairs)
    ties = []
    for longest_forward_s, longest_backward_s in pairs:
        if longest_forward_s + longest_backward_s <= sum_s * (1.0 + TIE):
            allowed = (forward_s <= longest_forward_s * (1.0 + TIE)) & (
                backward_s <= longest_backward_s * (1.0 + TIE)
            )
            slowest_s = _minimal_maximum(np.where(allowed, both_s, np.inf))
            ties.append((slowest_s, _lowest_bounds(allowed & (both_s <= slowest_s * (1.0 + TIE)))))
    _, bounds = min(ties)
    segments = (np.arange(len(bounds) - 1), bounds[:-1], bounds[1:])
    return Placement(bounds, forward_s[segments], backward_s[segments])


def segment_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of layers a to b − 1, [..., a, b]; infinity for empty segments.

    Each sum adds from left to right, so that equal numbers of equal terms always have the same sum.

    Parameters
    ----------
    values : ndarray, [..., num_layers]
        One value for each layer.
    """
    layers = values.shape[-1]
    sums = np.full((*values.shape[:-1], layers + 1, layers + 1), np.inf)
    for first in range(layers):
        sums[..., first, first + 1 :] = np.cumsum(values[..., first:], axis=-1)
    return sums


def _minimal_maximum(cost: NDArray[np.float64]) -> float:
    """Return the minimum over all bounds of the maximum over the nodes of ``cost[node, from, to]``.

    It is infinity where no bounds have a finite maximum.
    """
    # [num_layers + 1], the minimum if the nodes so far hold this number of layers
    least = cost[0, 0]
    for node in cost[1:]:
        least = np.maximum(least[:, np.newaxis], node).min(axis=0)
    return float(least[-1])


def _pareto_front(
    forward_s: NDArray[np.float64], backward_s: NDArray[np.float64]
) -> Iterator[tuple[float, float]]:
    """Yield the Pareto-optimal pairs of longest forward and backward time, by falling forward time, [s]."""
    limit_s = np.inf
    while np.isfinite(
        longest_backward_s := _minimal_maximum(np.where(forward_s < limit_s, backward_s, np.inf))
    ):
        longest_forward_s = _minimal_maximum(
            np.where(backward_s <= longest_backward_s * (1.0 + TIE), forward_s, np.inf)
        )
        yield longest_forward_s, longest_backward_s
        limit_s = longest_forward_s * (1.0 - TIE)


def _lowest_bounds(allowed: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the lowest bounds for which every ``allowed[node, from, to]`` is true; there must be some."""
    all_layers = np.zeros(allowed.shape[-1], dtype=np.bool_)
    all_layers[-1] = True
    # For each node the layers at which it may end, so that the nodes after it can hold all that remain.
    feasible_ends = [all_layers]
    for node in allowed[:0:-1]:
        feasible_ends.insert(0, (node & feasible_ends[0]).any(axis=1))
    bounds = [0]
    for node, feasible in zip(allowed, feasible_ends, strict=True):
        bounds.append(int(np.argmax(node[bounds[-1]] & feasible)))
    return tuple(bounds)


def memory_error(problem: PlacementProblem) -> PlanningError:
    """Return the error for one layer that fits no node, or for layers that do not fit together."""
    part_mib = problem.part_bits() / BITS_PER_MIB
    copies_mib = np.diagonal(part_mib, offset=1)  # of each layer alone
    capacity_mib = problem.capacity_bits / BITS_PER_MIB
    for layer in np.flatnonzero(copies_mib > capacity_mib.max()):
        return PlanningError(
            f"layer {layer} fits no node: the copies of {problem.num_owners} owners need"
            f" {copies_mib[layer]:.6g} MiB, and the largest node has {capacity_mib.max():.6g} MiB"
        )
    capacities = ", ".join(f"{each:.6g}" for each in capacity_mib)
    return PlanningError(
        f"no contiguous placement fits: the copies of {problem.num_owners} owners need"
        f" {part_mib[0, -1]:.6g} MiB in all, in layers of up to {copies_mib.max():.6g} MiB,"
        f" and the nodes have {capacities} MiB"
    )
