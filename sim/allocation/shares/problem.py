"""The problem of dividing one resource among devices and choosing a cut for each, and its solution.

Device i with cut j and share β_i takes ``T_i = c_ij + q_ij/β_i``, with ``β_i > 0`` and ``Σ β_i ≤ 1``. The
longest time, ``max_i T_i``, is to be minimised (docs/model.md section 6). EdgeSplit (arXiv 2403.15815)
divides the bandwidth and ESFL (arXiv 2402.15903) the server's processor. They differ only in which times are
fixed, c, and which depend on the share, q.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...planning_error import PlanningError

__all__ = ["SharePlan", "ShareProblem"]


@dataclass(frozen=True)
class ShareProblem:
    """The times of each device with each cut. Columns stand for cuts; the caller knows which.

    Attributes
    ----------
    fixed_s : ndarray, [num_devices, num_cuts]
        Time that does not depend on the share, c_ij, at least 0, [s].
    shared_s : ndarray, [num_devices, num_cuts]
        Time on the shared resource if the device had all of it, q_ij, at least 0, [s].
    allowed : ndarray of bool, [num_devices, num_cuts]
        Whether the device's memory permits the cut. Times of cuts that are not allowed are ignored.

    Raises
    ------
    PlanningError
        If the shapes differ, a time is out of range, or no cut is allowed for a device.
    """

    fixed_s: NDArray[np.float64]
    shared_s: NDArray[np.float64]
    allowed: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shapes = {name: getattr(self, name).shape for name in ("fixed_s", "shared_s", "allowed")}
        if len(set(shapes.values())) > 1 or self.allowed.ndim != 2 or not self.allowed.size:
            actual = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise PlanningError(f"a row for each device and a column for each cut are needed, not {actual}")
        for name, values in (("fixed_s", self.fixed_s), ("shared_s", self.shared_s)):
            for device, cut in np.argwhere(self.allowed & ~(np.isfinite(values) & (values >= 0))):
                raise PlanningError(
                    f"{name} of device {device} in column {cut} must be finite and at least 0,"
                    f" not {values[device, cut]:g}"
                )
        for device in np.flatnonzero(~self.allowed.any(axis=1)):
            raise PlanningError(
                f"device {device} may take none of the {self.num_cuts} cuts: its memory permits none"
            )

    @property
    def num_devices(self) -> int:
        """Return the number of devices, n."""
        return len(self.allowed)

    @property
    def num_cuts(self) -> int:
        """Return the number of cuts, the columns."""
        return int(self.allowed.shape[1])

    @cached_property
    def allowed_fixed_s(self) -> NDArray[np.float64]:
        """Return c_ij, or infinity where a cut is not allowed, [num_devices, num_cuts], [s]."""
        return np.where(self.allowed, self.fixed_s, np.inf)

    @cached_property
    def allowed_shared_s(self) -> NDArray[np.float64]:
        """Return q_ij, or infinity where a cut is not allowed, [num_devices, num_cuts], [s]."""
        return np.where(self.allowed, self.shared_s, np.inf)


@dataclass(frozen=True)
class SharePlan:
    """A cut and a share for each device.

    Attributes
    ----------
    cut_columns : ndarray of int, [num_devices]
        The column of each device's cut in the problem.
    shares : ndarray, [num_devices]
        Share β_i of the resource; 0 only where the cut uses none of it, [1].
    time_s : float
        The longest time of all devices, max_i T_i, [s].
    history_s : tuple of float
        The longest time after each step of the search; the last is ``time_s``, [s].
    """

    cut_columns: NDArray[np.intp]
    shares: NDArray[np.float64]
    time_s: float
    history_s: tuple[float, ...]
