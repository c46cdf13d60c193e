"""One resource in shares, and a cut for each device: the longest time of all devices is minimised.

For given cuts all devices end together, and T is the root of ``Σ q_i/(T − c_i) = 1``. For a given T a device
needs the share ``min_j q_ij/(T − c_ij)``, and T can be met if the needs sum to 1 at most. So descent over
cuts and shares in turn can't get stuck where every cut uses the resource: if no device has a better cut at
its share β_i, none needs less than β_i for T, and the needs sum to 1 already.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...planning_error import PlanningError
from .problem import SharePlan, ShareProblem

__all__ = [
    "COMBINATIONS_MAX",
    "DEVICES_MAX",
    "SharePlan",
    "ShareProblem",
    "alternating",
    "best_choice",
    "best_shares",
    "brute_force",
    "common_cut",
    "device_times_s",
    "equal_finish_shares",
    "equal_shares",
    "joint",
]


def equal_finish_shares(fixed_s: NDArray[np.float64], shared_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares ``β_i = q_i/(T − c_i)`` with T such that they sum to 1, exact to rounding.

    With x = T − max c, and d_i = max c − c_i, ``1/Σ q_i/(x + d_i)`` is concave in x: Newton's steps to 1
    never pass the root. Unlike T, x keeps full precision where the shared times are far below the fixed.

    Parameters
    ----------
    fixed_s : [..., num_devices], float
        c_i, [s].
    shared_s : [..., num_devices], float
        q_i, at least 0, [s].

    Returns
    -------
    shares : [..., num_devices], float
        β_i; 0 where q_i is, [1].
    """
    used = shared_s > 0
    latest_s = np.where(used, fixed_s, -np.inf).max(axis=-1, keepdims=True)
    ahead_s = np.where(used, latest_s - fixed_s, 0.0)  # d
    # Nobody is faster than with the whole resource. Rows that use none of it have any x: all shares are 0.
    beyond_s = np.where(used, shared_s - ahead_s, -np.inf).max(axis=-1, keepdims=True)
    beyond_s = np.where(np.isfinite(beyond_s), beyond_s, 1.0)  # x
    while True:
        shares: NDArray[np.float64] = shared_s / (beyond_s + ahead_s)
        total = shares.sum(axis=-1, keepdims=True)
        slope = (shares / (beyond_s + ahead_s)).sum(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore"):
            stepped_s = beyond_s + total * (total - 1.0) / slope
        rises = stepped_s > beyond_s
        if not rises.any():
            return shares / np.where(total > 0, total, 1.0)
        beyond_s = np.where(rises, stepped_s, beyond_s)


def device_times_s(
    fixed_s: NDArray[np.float64], shared_s: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``T_i = c_i + q_i/β_i``, [..., num_devices], [s]; with no shared part, no share is needed.

    Parameters
    ----------
    fixed_s, shared_s : [..., num_devices], float
        c_i and q_i, [s].
    shares : [..., num_devices], float
        β_i, [1].
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return fixed_s + np.where(shared_s > 0, shared_s / shares, 0.0)


DEVICES_MAX = 4  # of the brute force
COMBINATIONS_MAX = 1_000_000
BATCH = 1 << 16  # combinations at a time
GAIN_MIN = 1e-12  # relative; a step of the descent that gains less is rounding


def best_shares(
    fixed_s: NDArray[np.float64], shared_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the shares that minimise the longest time for given cuts, exact to rounding.

    All devices that use the resource end together: ``β_i = q_i/(T − c_i)``, ``Σ β_i = 1``.

    Parameters
    ----------
    fixed_s : [num_devices], float
        c_i, [s].
    shared_s : [num_devices], float
        q_i, at least 0, [s].

    Returns
    -------
    shares : [num_devices], float
        β_i; 0 where q_i is, [1].
    time_s : float
        max T_i, [s].
    """
    shares = equal_finish_shares(fixed_s, shared_s)
    return shares, float(device_times_s(fixed_s, shared_s, shares).max())


def best_choice(problem: ShareProblem, shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the cut of each device that is the shortest at its share, [num_devices].

    Ties go to the lowest column.

    Parameters
    ----------
    problem : the times
    shares : [num_devices], float
        β_i, [1].

    Raises
    ------
    AllocationError
        If a device has a share of 0 and no cut that needs none.
    """
    times_s = device_times_s(problem.open_fixed_s, problem.open_shared_s, shares[:, np.newaxis])
    choice: NDArray[np.intp] = times_s.argmin(axis=1)
    for device in np.flatnonzero(~np.isfinite(times_s[np.arange(problem.num_devices), choice])):
        raise PlanningError(
            f"device {device} has a share of {shares[device]:g}, and each cut that it may take needs more"
        )
    return choice


def equal_shares(problem: ShareProblem) -> SharePlan:
    """Return the plan in which each device has 1/n, and the best cut for that.

    Parameters
    ----------
    problem : the times
    """
    shares = np.full(problem.num_devices, 1.0 / problem.num_devices)
    return _plan(problem, best_choice(problem, shares), shares)


def common_cut(problem: ShareProblem, *, equal_shares: bool) -> SharePlan:
    """Return the best plan with one cut for all. Ties go to the lowest column.

    Parameters
    ----------
    problem : the times
    equal_shares : 1/n each; else the best shares

    Raises
    ------
    AllocationError
        If no cut is allowed for all devices.
    """
    columns = np.flatnonzero(problem.allowed.all(axis=0))
    if not columns.size:
        nearest = int(problem.allowed.sum(axis=0).argmax())
        lacking = np.flatnonzero(~problem.allowed[:, nearest])
        raise PlanningError(
            f"none of the {problem.num_cuts} cuts is allowed for all {problem.num_devices} devices: column"
            f" {nearest} comes nearest, and is not allowed for {len(lacking)} of them, the first device"
            f" {lacking[0]}"
        )
    fixed_s, shared_s = problem.fixed_s[:, columns].T, problem.shared_s[:, columns].T  # [columns, devices]
    even = np.full_like(fixed_s, 1.0 / problem.num_devices)
    shares = even if equal_shares else equal_finish_shares(fixed_s, shared_s)
    best = int(device_times_s(fixed_s, shared_s, shares).max(axis=1).argmin())
    return _plan(problem, np.full(problem.num_devices, columns[best]), shares[best])


def alternating(problem: ShareProblem, start: SharePlan | None = None) -> SharePlan:
    """Return the plan of EdgeSplit's and ESFL's descent: best cuts for the shares, best shares for the cuts.

    No step makes the longest time longer. Where every cut uses the resource it ends at the optimum. A device
    whose cut uses none gets no share, and so never leaves that cut: there it may end above ``joint``.

    Parameters
    ----------
    problem : the times
    start : the plan whose shares come first; absent: equal shares
    """
    shares = equal_shares(problem).shares if start is None else start.shares
    plan = _plan(problem, best_choice(problem, shares), shares)
    history_s = [plan.time_s]
    while True:
        balanced = _with_best_shares(problem, plan)
        if plan.time_s - balanced.time_s <= GAIN_MIN * plan.time_s:
            last = min(balanced, plan, key=lambda each: each.time_s)  # rounding may lengthen what is the best
            return replace(last, history_s=(*history_s, last.time_s))
        # A better cut may shorten the longest time no further by itself: the next shares do.
        plan = _plan(problem, best_choice(problem, balanced.shares), balanced.shares)
        history_s += [balanced.time_s, plan.time_s]


def joint(problem: ShareProblem) -> SharePlan:
    """Return the optimum of cuts and shares together, exact to rounding.

    At the time T of a plan, each device takes the cut that needs the least share for T. If those needs sum
    to less than 1, the best shares for these cuts end earlier; if not, no plan does. So T falls from plan to
    plan, and there are finitely many.

    Parameters
    ----------
    problem : the times
    """
    plan = equal_shares(problem)
    history_s = [plan.time_s]
    while True:
        choice = _least_needs(problem, plan.time_s)
        if choice is None:
            break
        better = _with_best_shares(problem, replace(plan, choice=choice))
        if better.time_s >= plan.time_s:
            break
        plan = better
        history_s.append(plan.time_s)
    return replace(plan, history_s=tuple(history_s))


def brute_force(problem: ShareProblem) -> SharePlan:
    """Return the best of all combinations of cuts, with the best shares for each.

    Ties go to the lowest columns, the first device's first.

    Parameters
    ----------
    problem : the times

    Raises
    ------
    AllocationError
        If there are more than 4 devices, or more than 1,000,000 combinations.
    """
    columns = [np.flatnonzero(row) for row in problem.allowed]
    sizes = [len(each) for each in columns]
    if problem.num_devices > DEVICES_MAX or math.prod(sizes) > COMBINATIONS_MAX:
        raise PlanningError(
            f"{problem.num_devices} devices have {math.prod(sizes):.6g} combinations of cuts; brute force"
            f" takes {DEVICES_MAX} devices and {COMBINATIONS_MAX:,} combinations at most"
        )
    devices = np.arange(problem.num_devices)
    best: SharePlan | None = None
    for first in range(0, math.prod(sizes), BATCH):
        digits = np.unravel_index(np.arange(first, min(first + BATCH, math.prod(sizes))), sizes)
        choices = np.stack([each[digit] for each, digit in zip(columns, digits, strict=True)], axis=1)
        fixed_s, shared_s = problem.fixed_s[devices, choices], problem.shared_s[devices, choices]
        shares = equal_finish_shares(fixed_s, shared_s)  # [combinations, num_devices]
        least = int(device_times_s(fixed_s, shared_s, shares).max(axis=1).argmin())
        plan = _plan(problem, choices[least], shares[least])
        best = plan if best is None or plan.time_s < best.time_s else best
    assert best is not None  # each device may take a cut
    return best


def _plan(problem: ShareProblem, choice: NDArray[np.intp], shares: NDArray[np.float64]) -> SharePlan:
    fixed_s, shared_s = _chosen(problem, choice)
    time_s = float(device_times_s(fixed_s, shared_s, shares).max())
    return SharePlan(choice, shares, time_s, (time_s,))


def _with_best_shares(problem: ShareProblem, plan: SharePlan) -> SharePlan:
    return _plan(problem, plan.choice, equal_finish_shares(*_chosen(problem, plan.choice)))


def _chosen(
    problem: ShareProblem, choice: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return c and q of the chosen cuts, each [num_devices], [s]."""
    devices = np.arange(problem.num_devices)
    return problem.fixed_s[devices, choice], problem.shared_s[devices, choice]


def _least_needs(problem: ShareProblem, time_s: float) -> NDArray[np.intp] | None:
    """Return each device's cut of the least need for ``time_s``; none if an earlier end is out of reach."""
    left_s = time_s - problem.open_fixed_s
    with np.errstate(divide="ignore", invalid="ignore"):
        needs = np.where(left_s > 0, problem.open_shared_s / left_s, np.inf)  # [num_devices, num_cuts]
    least = needs.min(axis=1, keepdims=True)
    if not least.sum() < 1:
        return None
    # Of cuts that need nothing, the earliest: the other devices may let the end come that far.
    choice: NDArray[np.intp] = np.where(needs == least, problem.open_fixed_s, np.inf).argmin(axis=1)
    return choice
