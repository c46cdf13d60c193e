"""What owners ask of helpers: the times of one mini-batch an owner over one hop, and the memory it takes."""

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
    """What each owner's mini-batch takes on each helper. Times are 0 or more.

    Attributes
    ----------
    ready_s : [num_owners, num_helpers], float
        When the owner's smashed data are at the helper, [s].
    forward_s : [num_owners, num_helpers], float
        The helper's forward task, [s].
    between_s : [num_owners, num_helpers], float
        From the end of the forward task until the gradient of the owner's last part is at the helper, [s].
    backward_s : [num_owners, num_helpers], float
        The helper's backward task, at whose end the gradient leaves, [s].
    update_s : [num_owners, num_helpers], float
        The update of the weights, which occupies the helper right after the backward task, [s].
    after_s : [num_owners, num_helpers], float
        From the end of the backward task until the owner is done, [s].
    memory_bits : [num_owners], float
        What an owner's copy of the model and its activations take on a helper, [bit].
    capacity_bits : [num_helpers], float
        A helper's memory, [bit]; infinite where there is no limit.
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
            needed = {"memory_bits": (owners,), "capacity_bits": (helpers,)}.get(
                field.name, (owners, helpers)
            )
            if values.shape != needed:
                raise PlanningError(
                    f"{field.name} has the shape {values.shape};"
                    f" {owners} owners and {helpers} helpers need {needed}"
                )
            valid = (values >= 0) & (np.isfinite(values) | (field.name == "capacity_bits"))
            if not valid.all():
                place = tuple(np.argwhere(~valid)[0].tolist())
                raise PlanningError(
                    f"{field.name}{list(place)} is {values[place]:g}; it must be a number of 0 or more"
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
        """Return what each helper may be asked to hold: its memory, and what sums are rounded by, [bit]."""
        return self.capacity_bits * (1.0 + ROUNDING)

    def alone_s(self) -> NDArray[np.float64]:
        """Return how long each owner takes alone on each helper, [num_owners, num_helpers], [s]."""
        total_s: NDArray[np.float64] = (
            self.ready_s + self.forward_s + self.between_s + self.backward_s + self.after_s
        )
        return total_s

    def occupied_s(self) -> NDArray[np.float64]:
        """Return how long each owner occupies a helper, [num_owners, num_helpers], [s]."""
        total_s: NDArray[np.float64] = self.forward_s + self.backward_s + self.update_s
        return total_s

    def check_memory(self, helper: NDArray[np.intp]) -> None:
        """Raise an AllocationError if an owner's helper does not exist or lacks the memory for its owners."""
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
        """Return the error that owners don't fit into the helpers' memory, with all that matters."""
        have = ", ".join(mib_text(bits) for bits in self.capacity_bits)
        return PlanningError(
            f"{finding} into the helpers' memory: {self.num_owners} owners need"
            f" {mib_text(self.memory_bits.sum())} in all, and"
            f" {mib_text(self.memory_bits.max())} at most each; the helpers have {have}"
        )
