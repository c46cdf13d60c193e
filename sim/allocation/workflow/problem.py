"""The problem of serving owners by helpers over one hop: times of one mini-batch, and memory.

The workflow is that of arXiv 2402.10092: each owner has one helper, which trains the middle of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ...planning_error import PlanningError
from ...radio.units import mib_text

__all__ = ["WorkflowProblem"]

ROUNDING = 1e-12  # relative


@dataclass(frozen=True)
class WorkflowProblem:
    """Times of each owner's mini-batch on each helper, at least 0, and memory.

    Attributes
    ----------
    ready_s : ndarray, [num_owners, num_helpers]
        Time at which the owner's smashed data are at the helper, [s].
    forward_s : ndarray, [num_owners, num_helpers]
        Duration of the helper's forward task, [s].
    between_s : ndarray, [num_owners, num_helpers]
        Time from the end of the forward task until the gradient of the owner's last part is at the helper,
        [s].
    backward_s : ndarray, [num_owners, num_helpers]
        Duration of the helper's backward task, at whose end the gradient leaves, [s].
    update_s : ndarray, [num_owners, num_helpers]
        Duration of the weight update, which occupies the helper right after the backward task, [s].
    after_s : ndarray, [num_owners, num_helpers]
        Time from the end of the backward task until the owner is done, [s].
    memory_bits : ndarray, [num_owners]
        Memory of an owner's copy of the model and its activations on a helper, [bit].
    capacity_bits : ndarray, [num_helpers]
        Memory of a helper, [bit]; infinite where there is no limit.

    Raises
    ------
    PlanningError
        If there is no owner or no helper, the shapes do not fit, or a value is out of range.
    """

    ready_s: NDArray[np.float64]
    forward_s: NDArray[np.float64]
    between_s: NDArray[np.float64]
    backward_s: NDArray[np.float64]
    update_s: NDArray[np.float64]
    after_s: NDArray[np.float64]
    memory_bits: NDArray[np.float64]
    capacity_bits: NDArray[np.float64]

    def __post_init__(self) -> None:
        owners, helpers = len(self.memory_bits), len(self.capacity_bits)
        if not (owners and helpers):
            raise PlanningError(
                f"a workflow needs at least one owner and one helper, not {owners} and {helpers}"
            )
        for field in fields(self):
            values = getattr(self, field.name)
            shape = {"memory_bits": (owners,), "capacity_bits": (helpers,)}.get(field.name, (owners, helpers))
            if values.shape != shape:
                raise PlanningError(
                    f"{field.name} has the shape {values.shape};"
                    f" {owners} owners and {helpers} helpers need {shape}"
                )
            valid = (values >= 0) & (np.isfinite(values) | (field.name == "capacity_bits"))
            if not valid.all():
                index = tuple(np.argwhere(~valid)[0].tolist())
                raise PlanningError(
                    f"{field.name}{list(index)} is {values[index]:g}; it must be a number of 0 or more"
                )

    @property
    def num_owners(self) -> int:
        """Return the number of owners."""
        return len(self.memory_bits)

    @property
    def num_helpers(self) -> int:
        """Return the number of helpers."""
        return len(self.capacity_bits)

    @property
    def limit_bits(self) -> NDArray[np.float64]:
        """Return the memory of each helper plus a margin for the rounding of sums, [num_helpers], [bit]."""
        return self.capacity_bits * (1.0 + ROUNDING)

    def alone_s(self) -> NDArray[np.float64]:
        """Return each owner's time if it is alone on a helper, [num_owners, num_helpers], [s]."""
        total_s: NDArray[np.float64] = (
            self.ready_s + self.forward_s + self.between_s + self.backward_s + self.after_s
        )
        return total_s

    def occupied_s(self) -> NDArray[np.float64]:
        """Return the time for which each owner occupies a helper, [num_owners, num_helpers], [s]."""
        total_s: NDArray[np.float64] = self.forward_s + self.backward_s + self.update_s
        return total_s

    def check_memory(self, helper: NDArray[np.intp]) -> None:
        """Check that every owner has a helper that exists and has the memory for all its owners.

        Parameters
        ----------
        helper : ndarray of int, [num_owners]
            The helper of each owner, from 0.

        Raises
        ------
        PlanningError
            If a helper does not exist or lacks the memory for its owners.
        """
        wrong = np.flatnonzero((helper < 0) | (helper >= self.num_helpers))
        if len(helper) != self.num_owners or wrong.size:
            raise PlanningError(
                f"{self.num_owners} owners need a helper from 0 to {self.num_helpers - 1} each, not {helper}"
            )
        needed_bits = np.bincount(helper, self.memory_bits, self.num_helpers)
        for h in np.flatnonzero(needed_bits > self.limit_bits):
            count = np.count_nonzero(helper == h)
            raise PlanningError(
                f"helper {h} has {mib_text(self.capacity_bits[h])};"
                f" its {count} owners need {mib_text(needed_bits[h])}"
            )

    def memory_error(self, finding: str) -> PlanningError:
        """Return the error for owners that do not fit into the helpers' memory, with needs and capacities.

        Parameters
        ----------
        finding : str
            The beginning of the message, such as "no assignment fits".
        """
        capacities = ", ".join(mib_text(bits) for bits in self.capacity_bits)
        return PlanningError(
            f"{finding} into the helpers' memory: {self.num_owners} owners need"
            f" {mib_text(self.memory_bits.sum())} in all, and"
            f" {mib_text(self.memory_bits.max())} at most each; the helpers have {capacities}"
        )
