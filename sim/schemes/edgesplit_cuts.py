"""The parameters of EdgeSplit and ESFL, and the choice of cuts and shares by these parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, Tag

from ...scenarios.schema.fields import NAME_OR_LIST, PositiveInt, Steps
from ...scenarios.schema.registered import SchemeParameters
from ..allocation.shares.problem import SharePlan, ShareProblem
from ..allocation.shares.solvers import alternating, best_shares, brute_force, common_cut, equal_shares, joint
from ..planning_error import PlanningError
from ..radio.units import mib_text

__all__ = ["SharesParameters", "check_device_memory", "plan_by_parameters"]

Array = NDArray[np.float64]

METHODS: dict[str, Callable[[ShareProblem], SharePlan]] = {
    "alternating": alternating,
    "joint": joint,
    "brute_force": brute_force,
}


class SharesParameters(SchemeParameters):
    """The parameters of EdgeSplit and ESFL: methods for the cuts and for the shares, or explicit cuts."""

    per_device: ClassVar[tuple[str, ...]] = ("cuts",)

    cuts: Annotated[
        Annotated[Literal["each", "common"], Tag("name")]
        | Annotated[tuple[PositiveInt, ...], Field(min_length=1), Tag("list")],
        NAME_OR_LIST,
    ] = Field(
        default="each",
        description="each: the best cut of each device; common: one cut for all; or a list of cuts",
    )
    shares: Literal["optimal", "equal"] = Field(
        default="optimal",
        description="shares of the bandwidth (edgesplit) or of the server's processor (esfl)",
    )
    method: Literal["alternating", "joint", "brute_force"] = Field(
        default="alternating",
        description="search for the best cuts and shares; alternating: the papers' descent; joint: exact;"
        " brute_force: all combinations",
    )
    local_steps: Steps = Field(default=1, description="number of mini-batches of each device in a round")

    def label_details(self) -> tuple[str, ...]:
        """Return all parameters that are not the default."""
        parts = []
        if self.cuts == "common":
            parts.append("common cut")
        elif self.cuts != "each":
            parts.append("cuts " + "|".join(str(cut) for cut in self.cuts))
        if self.shares == "equal":
            parts.append("equal shares")
        if self.method != "alternating":
            parts.append(self.method.replace("_", " "))
        if self.local_steps > 1:
            parts.append(f"E={self.local_steps}")
        return tuple(parts)

    @property
    def mini_batches_per_client(self) -> int:
        """Return E."""
        return self.local_steps


def check_device_memory(name: str, needed_bits: Array, memory_bits: Array) -> None:
    """Check that each device has a cut that fits into its memory.

    Parameters
    ----------
    name : str
        The scheme's name.
    needed_bits : ndarray, [num_cuts]
        Memory that a device's part needs, by cut, [bit].
    memory_bits : ndarray, [num_devices]
        Memory of each device, [bit].

    Raises
    ------
    PlanningError
        If a device has less memory than its smallest part needs.
    """
    short = np.flatnonzero(memory_bits < needed_bits.min())
    if short.size:
        raise PlanningError(
            f"{name} needs {mib_text(needed_bits.min())} on a device at the"
            f" least; device {short[0]} has {mib_text(memory_bits[short[0]])}",
            ("devices", "memory_mib"),
        )


def plan_by_parameters(
    parameters: SharesParameters, problem: ShareProblem, needed_bits: Array, memory_bits: Array
) -> SharePlan:
    """Return the cuts and shares that the parameters ask for.

    Parameters
    ----------
    parameters : SharesParameters
        The scheme's parameters.
    problem : ShareProblem
        Times by device and cut; the first column is the cut after the first unit.
    needed_bits : ndarray, [num_cuts]
        Memory that a device's part needs, by cut, [bit].
    memory_bits : ndarray, [num_devices]
        Memory of each device, [bit].

    Raises
    ------
    PlanningError
        If there is not one explicit cut for each device, if an explicit cut does not fit into its device's
        memory, or if the method finds no plan.
    """
    if parameters.cuts == "common":
        return common_cut(problem, equal_shares=parameters.shares == "equal")
    if parameters.cuts != "each":
        _check_cuts(parameters.name, parameters.cuts, problem, needed_bits, memory_bits)
        return _with_cuts(problem, parameters.cuts, equal=parameters.shares == "equal")
    if parameters.shares == "equal":
        return equal_shares(problem)
    return METHODS[parameters.method](problem)


def _check_cuts(
    name: str, cuts: tuple[int, ...], problem: ShareProblem, needed_bits: Array, memory_bits: Array
) -> None:
    if len(cuts) != problem.num_devices or max(cuts) > problem.num_cuts:
        raise PlanningError(
            f"{name}: cuts must be {problem.num_devices} numbers from 1 to {problem.num_cuts}, one a device;"
            f" they are {', '.join(str(cut) for cut in cuts)}",
            ("schemes",),
        )
    for i, cut in enumerate(cuts):
        if not problem.allowed[i, cut - 1]:
            needed, had = mib_text(needed_bits[cut - 1]), mib_text(memory_bits[i])
            raise PlanningError(
                f"{name}: cut {cut} needs {needed} on device {i}, which has {had}", ("schemes",)
            )


def _with_cuts(problem: ShareProblem, cuts: tuple[int, ...], *, equal: bool) -> SharePlan:
    choice, rows = np.array(cuts, dtype=np.intp) - 1, np.arange(problem.num_devices)
    fixed_s, shared_s = problem.fixed_s[rows, choice], problem.shared_s[rows, choice]
    if equal:
        shares = np.full(problem.num_devices, 1.0 / problem.num_devices)
        time_s = float((fixed_s + shared_s / shares).max())
    else:
        shares, time_s = best_shares(fixed_s, shared_s)
    return SharePlan(choice, shares, time_s, (time_s,))
