"""One resource in shares, and a cut for each device: the times that decide, and what is decided.

Device i with cut j and share β_i takes ``T_i = c_ij + q_ij/β_i``, with ``β_i > 0`` and ``Σ β_i ≤ 1``. In
EdgeSplit (arXiv 2403.15815) the shares are of the bandwidth, in ESFL (arXiv 2402.15903) of the server's
processor; what differs is only which times are fixed and which are shared.
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
    """The times that shares and cuts decide. A column is a cut; which one it is, is the caller's to know.

    Attributes
    ----------
    fixed_s : [num_devices, num_cuts], float
        What no share shortens, c, at least 0, [s].
    shared_s : [num_devices, num_cuts], float
        The shared part if the device had the whole resource, q, at least 0, [s].
    allowed : [num_devices, num_cuts], bool
        Whether the device's memory permits the cut; the times of one that it does not are not looked at.

    Raises
    ------
    AllocationError
        If the shapes differ, a time is out of range, or a device has no cut that it may take.
    """

    fixed_s: NDArray[np.float64]
    shared_s: NDArray[np.float64]
    allowed: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shapes = {name: getattr(self, name).shape for name in ("fixed_s", "shared_s", "allowed")}
        if len(set(shapes.values())) > 1 or self.allowed.ndim != 2 or not self.allowed.size:
            given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise PlanningError(f"a row for each device and a column for each cut are needed, not {given}")
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
        """Return n."""
        return len(self.allowed)

    @property
    def num_cuts(self) -> int:
        """Return the number of columns."""
        return int(self.allowed.shape[1])

    @cached_property
    def open_fixed_s(self) -> NDArray[np.float64]:
        """Return c, and infinity where a cut is not allowed, [num_devices, num_cuts], [s]."""
        return np.where(self.allowed, self.fixed_s, np.inf)

    @cached_property
    def open_shared_s(self) -> NDArray[np.float64]:
        """Return q, and infinity where a cut is not allowed, [num_devices, num_cuts], [s]."""
        return np.where(self.allowed, self.shared_s, np.inf)


@dataclass(frozen=True)
class SharePlan:
    """A cut and a share for each device.

    Attributes
    ----------
    choice : [num_devices], int
        The column of each device's cut.
    shares : [num_devices], float
        Share β_i of the resource; 0 only where the cut uses none of it, [1].
    time_s : float
        The longest time of all devices, max T_i, [s].
    history_s : the longest time after each step of the search, the plan's own last, [s]
    """

    choice: NDArray[np.intp]
    shares: NDArray[np.float64]
    time_s: float
    history_s: tuple[float, ...]
