"""Methods that choose shares and cuts so that the longest time of all devices is shortest.

For fixed cuts the optimal shares let all devices end together, and T is the root of ``Σ q_i/(T − c_i) = 1``.
For a fixed T a device needs the share ``min_j q_ij/(T − c_ij)``, and T is feasible if these shares sum to at
most 1. Where every cut uses the resource, the alternating descent over cuts and shares therefore ends at the
optimum. If no device has a better cut at its share β_i, none needs less than β_i for T, and the needed shares
already sum to 1. Symbols are those of `problem.py`.
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
    "alternating",
    "best_cut_columns",
    "best_shares",
    "brute_force",
    "common_cut",
    "device_times_s",
    "equal_finish_shares",
    "equal_shares",
    "joint",
]


DEVICES_MAX = 4  # limits of the brute force
COMBINATIONS_MAX = 1_000_000
BATCH = 1 << 16  # combinations that are computed together
GAIN_MIN = 1e-12  # relative; a smaller gain of a descent step is rounding


def equal_finish_shares(fixed_s: NDArray[np.float64], shared_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares ``β_i = q_i/(T − c_i)`` for the T at which they sum to 1, exact to rounding.

    With x = T − max c and d_i = max c − c_i, ``1/Σ q_i/(x + d_i)`` is concave in x, so Newton's steps towards
    1 never pass the root. Unlike T, x keeps full precision where the shared times are far below the fixed.

    Parameters
    ----------
    fixed_s : ndarray, [..., num_devices]
        Fixed times c_i, [s].
    shared_s : ndarray, [..., num_devices]
        Shared times q_i, at least 0, [s].

    Returns
    -------
    shares : ndarray, [..., num_devices]
        Shares β_i; 0 where q_i is 0, [1].
    """
    used = shared_s > 0
    latest_s = np.where(used, fixed_s, -np.inf).max(axis=-1, keepdims=True)
    ahead_s = np.where(used, latest_s - fixed_s, 0.0)  # d
    # No device is faster than with the whole resource. Where no device uses it, any x gives shares of 0.
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
    """Return ``T_i = c_i + q_i/β_i``, [..., num_devices], [s]; where q_i is 0, ``T_i = c_i``.

    Parameters
    ----------
    fixed_s, shared_s : ndarray, [..., num_devices]
        Fixed and shared times c_i and q_i, [s].
    shares : ndarray, [..., num_devices]
        Shares β_i, [1].
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return fixed_s + np.where(shared_s > 0, shared_s / shares, 0.0)


def best_shares(
    fixed_s: NDArray[np.float64], shared_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the shares that minimise the longest time for fixed cuts, exact to rounding.

    All devices that use the resource end together: ``β_i = q_i/(T − c_i)`` with ``Σ β_i = 1``.

    Parameters
    ----------
    fixed_s : ndarray, [num_devices]
        Fixed times c_i, [s].
    shared_s : ndarray, [num_devices]
        Shared times q_i, at least 0, [s].

    Returns
    -------
    shares : ndarray, [num_devices]
        Shares β_i; 0 where q_i is 0, [1].
    time_s : float
        The longest time, max_i T_i, [s].
    """
    shares = equal_finish_shares(fixed_s, shared_s)
    return shares, float(device_times_s(fixed_s, shared_s, shares).max())


def best_cut_columns(problem: ShareProblem, shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the column of each device's fastest cut at its share, [num_devices]; ties go to the lowest.

    Parameters
    ----------
    problem : ShareProblem
        Times of each device with each cut.
    shares : ndarray, [num_devices]
        Shares β_i, [1].

    Raises
    ------
    PlanningError
        If a device has a share of 0 and every allowed cut of it needs a share.
    """
    times_s = device_times_s(problem.allowed_fixed_s, problem.allowed_shared_s, shares[:, np.newaxis])
    cut_columns: NDArray[np.intp] = times_s.argmin(axis=1)
    for device in np.flatnonzero(~np.isfinite(times_s[np.arange(problem.num_devices), cut_columns])):
        raise PlanningError(
            f"device {device} has a share of {shares[device]:g}, and each cut that it may take needs more"
        )
    return cut_columns


def equal_shares(problem: ShareProblem) -> SharePlan:
    """Return the plan in which each device has the share 1/n and its best cut for that share."""
    shares = np.full(problem.num_devices, 1.0 / problem.num_devices)
    return _plan(problem, best_cut_columns(problem, shares), shares)


def common_cut(problem: ShareProblem, *, equal_shares: bool) -> SharePlan:
    """Return the best plan with one cut for all devices; ties go to the lowest column.

    Parameters
    ----------
    problem : ShareProblem
        Times of each device with each cut.
    equal_shares : bool
        Whether each device has the share 1/n; otherwise the shares are optimal.

    Raises
    ------
    PlanningError
        If no cut is allowed for all devices.
    """
    columns = np.flatnonzero(problem.allowed.all(axis=0))
    if not columns.size:
        most_allowed = int(problem.allowed.sum(axis=0).argmax())
        excluded = np.flatnonzero(~problem.allowed[:, most_allowed])
        raise PlanningError(
            f"none of the {problem.num_cuts} cuts is allowed for all {problem.num_devices} devices: column"
            f" {most_allowed} comes nearest, and is not allowed for {len(excluded)} of them, the first device"
            f" {excluded[0]}"
        )
    fixed_s, shared_s = problem.fixed_s[:, columns].T, problem.shared_s[:, columns].T  # [columns, devices]
    even = np.full_like(fixed_s, 1.0 / problem.num_devices)
    shares = even if equal_shares else equal_finish_shares(fixed_s, shared_s)
    best = int(device_times_s(fixed_s, shared_s, shares).max(axis=1).argmin())
    return _plan(problem, np.full(problem.num_devices, columns[best]), shares[best])


def alternating(problem: ShareProblem, start: SharePlan | None = None) -> SharePlan:
    """Return the plan of the alternating descent of EdgeSplit and ESFL.

    It takes the best cuts for the shares, then the best shares for the cuts, until the longest time falls no
    further. No step makes it longer. Where every cut uses the resource, the descent ends at the optimum. A
    device whose cut uses none gets no share and never leaves that cut, so the plan may be worse than that of
    :func:`joint`.

    Parameters
    ----------
    problem : ShareProblem
        Times of each device with each cut.
    start : SharePlan, optional
        The plan whose shares are taken first; equal shares by default.
    """
    shares = equal_shares(problem).shares if start is None else start.shares
    plan = _plan(problem, best_cut_columns(problem, shares), shares)
    history_s = [plan.time_s]
    while True:
        reshared = _with_best_shares(problem, plan)
        if plan.time_s - reshared.time_s <= GAIN_MIN * plan.time_s:
            # At the optimum, rounding may make the plan with the best shares the longer one.
            last = min(reshared, plan, key=lambda each: each.time_s)
            return replace(last, history_s=(*history_s, last.time_s))
        # Better cuts alone may leave the longest time as it is; the next shares shorten it.
        plan = _plan(problem, best_cut_columns(problem, reshared.shares), reshared.shares)
        history_s += [reshared.time_s, plan.time_s]


def joint(problem: ShareProblem) -> SharePlan:
    """Return the optimum of cuts and shares together, exact to rounding.

    At the time T of a plan, each device takes the cut that needs the least share for T. If these shares sum
    to less than 1, the best shares for these cuts end earlier; otherwise no plan does. T falls with each of
    finitely many plans, so the search ends.
    """
    plan = equal_shares(problem)
    history_s = [plan.time_s]
    while True:
        cut_columns = _least_share_columns(problem, plan.time_s)
        if cut_columns is None:
            break
        better = _with_best_shares(problem, replace(plan, cut_columns=cut_columns))
        if better.time_s >= plan.time_s:
            break
        plan = better
        history_s.append(plan.time_s)
    return replace(plan, history_s=tuple(history_s))


def brute_force(problem: ShareProblem) -> SharePlan:
    """Return the best of all combinations of cuts, with the best shares for each.

    Ties go to the lowest columns; the first device's column counts first.

    Raises
    ------
    PlanningError
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
        combinations = np.stack([each[digit] for each, digit in zip(columns, digits, strict=True)], axis=1)
        fixed_s, shared_s = problem.fixed_s[devices, combinations], problem.shared_s[devices, combinations]
        shares = equal_finish_shares(fixed_s, shared_s)  # [num_combinations, num_devices]
        least = int(device_times_s(fixed_s, shared_s, shares).max(axis=1).argmin())
        plan = _plan(problem, combinations[least], shares[least])
        best = plan if best is None or plan.time_s < best.time_s else best
    assert best is not None  # the problem has an allowed cut for each device
    return best


def _plan(problem: ShareProblem, cut_columns: NDArray[np.intp], shares: NDArray[np.float64]) -> SharePlan:
    """Return the plan of these cuts and shares."""
    fixed_s, shared_s = _times_of_cuts(problem, cut_columns)
    time_s = float(device_times_s(fixed_s, shared_s, shares).max())
    return SharePlan(cut_columns, shares, time_s, (time_s,))


def _with_best_shares(problem: ShareProblem, plan: SharePlan) -> SharePlan:
    """Return the plan of the same cuts with their best shares."""
    shares = equal_finish_shares(*_times_of_cuts(problem, plan.cut_columns))
    return _plan(problem, plan.cut_columns, shares)


def _times_of_cuts(
    problem: ShareProblem, cut_columns: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return c_i and q_i of each device's cut, each [num_devices], [s]."""
    devices = np.arange(problem.num_devices)
    return problem.fixed_s[devices, cut_columns], problem.shared_s[devices, cut_columns]


def _least_share_columns(problem: ShareProblem, time_s: float) -> NDArray[np.intp] | None:
    """Return the column of each device's cut that needs the least share to end at ``time_s``.

    The result is None if these shares sum to 1 or more, so that no plan ends earlier.
    """
    remaining_s = time_s - problem.allowed_fixed_s
    with np.errstate(divide="ignore", invalid="ignore"):
        # [num_devices, num_cuts]
        needed = np.where(remaining_s > 0, problem.allowed_shared_s / remaining_s, np.inf)
    least = needed.min(axis=1, keepdims=True)
    if not least.sum() < 1:
        return None
    # Of cuts that need no share, take the earliest: the next plan may end as early as that.
    cut_columns: NDArray[np.intp] = np.where(needed == least, problem.allowed_fixed_s, np.inf).argmin(axis=1)
    return cut_columns
