"""How short a round can be at best: a lower bound for instances that are too large for brute force.

For one cut, the joint choice of subchannels and power is relaxed to a mixed-integer linear program, which
HiGHS solves. Rates are concave in the power and times convex in the rate, so tangents bound both from the
side that keeps the bound valid (outer approximation: Duran, Grossmann 1986). A tangent to a rate is scaled
by the share of the subchannel, and so stays tight for broken shares (perspective cuts: Frangioni, Gentile
2006). Tangents are added where a solution passes the curve that they stand for.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...radio.rates import broadcast_rate, spectral_efficiency
from ...radio.resources import RadioResources, uniform_power_w
from ..problem import RoundWork, transfer_s

__all__ = ["Rows", "lower_bound_s"]


Floats: TypeAlias = NDArray[np.float64]


class Rows:
    """The constraints of a linear program in the making: sums of terms, at most ``upper``."""

    def __init__(self) -> None:
        self._row: list[NDArray[np.intp]] = []
        self._column: list[NDArray[np.intp]] = []
        self._value: list[Floats] = []
        self._upper: list[Floats] = []
        self._count = 0

    def add(self, upper: Floats | float, *terms: tuple[NDArray[np.intp], Floats | float]) -> None:
        """Add rows; a term is its variables, [num_rows] or [num_rows, num_summed], and their coefficients."""
        rows = self._count + np.arange(len(terms[0][0]))
        for columns, values in terms:
            shape = columns.shape
            self._row.append(np.broadcast_to(rows.reshape(-1, *(1,) * (columns.ndim - 1)), shape).ravel())
            self._column.append(columns.ravel())
            self._value.append(np.broadcast_to(values, shape).ravel())
        self._upper.append(np.broadcast_to(upper, rows.shape))
        self._count += len(rows)

    def least_cost(
        self,
        cost: Floats,
        *,
        whole: NDArray[Any],
        most: ArrayLike,
        least: ArrayLike = 0.0,
        time_limit_s: float | None = None,
    ) -> Any:
        """Return what :func:`scipy.optimize.milp` finds: ``x``, ``status`` and ``mip_dual_bound`` among it.

        Parameters
        ----------
        cost : [num_variables], float
            Of a unit of each variable.
        whole : [num_variables], 0 or 1
            Which variables are whole numbers.
        most, least : [num_variables], float
            Bounds of the variables.
        time_limit_s : None for no limit
        """
        # half a second, which a run that solves no program need not wait for
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array

        cells = (np.concatenate(self._row), np.concatenate(self._column))
        matrix = coo_array((np.concatenate(self._value), cells), shape=(self._count, len(cost)))
        options: Any = {"presolve": False}  # scipy #24141: it may be wrong
        if time_limit_s is not None:
            options["time_limit"] = time_limit_s
        return milp(
            cost,
            integrality=whole,
            bounds=Bounds(least, most),
            constraints=LinearConstraint(matrix.tocsr(), -np.inf, np.concatenate(self._upper)),
            options=options,
        )


Step: TypeAlias = Literal["nothing", "counts", "shares"]

STEPS: tuple[Step, ...] = ("nothing", "counts", "shares")
"""What must be whole: nothing; how many subchannels each client has; each subchannel's shares."""

LN2 = math.log(2.0)
MARGIN = 1e-6  # relative; HiGHS meets a program of numbers of about 1 to 1e-7
CLOSE = 1e-5  # relative; tangents that are passed by less are not refined
ROUNDS_MAX = 12  # of refinement in a step


def lower_bound_s(
    problem: RadioResources, work_by_cut: Mapping[int, RoundWork], *, time_limit_s: float = 5.0
) -> float:
    """Return a time that no plan's round goes below, [s].

    The bound is the least of the cuts' bounds, so the cut with the least is improved, step by step, until
    that one has no step left or the time is over. It is valid whenever it ends; a longer time, and a faster
    machine, may raise it.

    Parameters
    ----------
    problem : the resources
    work_by_cut : what a round asks for at each cut
    time_limit_s : float
        Wall-clock time to spend, [s]; with 0 there is each cut's first, simple bound.

    Returns
    -------
    float
        The bound, [s]; inf if it is found that no plan exists, as with more clients than subchannels.
    """
    deadline_s = time.monotonic() + time_limit_s
    relaxations = [_Relaxation(problem, work) for work in work_by_cut.values()]
    while True:
        lowest = min(relaxations, key=lambda relaxation: relaxation.bound_s)
        left_s = deadline_s - time.monotonic()
        if not lowest.steps or left_s <= 0 or math.isinf(lowest.bound_s):
            return lowest.bound_s
        lowest.improve(left_s if len(relaxations) == 1 else left_s / 2)


class _Relaxation:
    """The program of one cut, and the bound that it has given so far.

    To be of about 1, as solvers like it, powers are in units of the client's limit, rates in units of what
    uniform power gives on one subchannel (downlinks: of the mean), and times in units of the first bound.

    Attributes
    ----------
    bound_s : float
        No round at this cut is shorter, [s].
    steps : list
        The steps that are left to raise it.
    """

    def __init__(self, problem: RadioResources, work: RoundWork) -> None:
        self.steps = list(STEPS)
        share = work.averaging_share
        clients, count = problem.gains.shape
        band, hz = problem.band, problem.band.subchannel_hz
        snr_per_w_per_hz = band.snr_per_w_per_hz(problem.gains)
        self._cap = band.efficiency_cap_bps_per_hz
        self._snr = snr_per_w_per_hz * (problem.power_max_w / hz)[:, np.newaxis]  # with all power on one
        self._upload_bits = work.model_upload_bits if share > 0 else 0.0
        self._sent_bits = work.uplink_bits + self._upload_bits
        downlink = spectral_efficiency(band.downlink_w_per_hz * snr_per_w_per_hz, self._cap)

        # The first bound: each client alone in the band, every subchannel as good as its best.
        most_bps = hz * count * spectral_efficiency(self._snr.max(axis=1) / count, self._cap)
        second_s = transfer_s(work.downlink_bits, hz * downlink.sum(axis=1)) + work.after_downlink_s
        ends_s = (
            work.before_uplink_s + transfer_s(work.uplink_bits, most_bps),
            second_s,
            second_s + transfer_s(self._upload_bits, most_bps),
        )
        broadcast_bits = work.broadcast_bits + share * work.model_broadcast_bits
        broadcast_bps = np.asarray(broadcast_rate(band, problem.gains))
        self._common_s = work.server_s + float(transfer_s(broadcast_bits, broadcast_bps))
        self._weights = np.array([1.0, 1.0 - share, share])  # of the ends
        self.bound_s = self._common_s + float(self._weights @ [end_s.max() for end_s in ends_s])
        self._time_unit_s = self.bound_s or 1.0

        flat = uniform_power_w(problem) / problem.power_max_w * min(1.0, clients / count)
        self._flat = np.repeat(flat[:, np.newaxis], count, axis=1)
        self._rate_unit = spectral_efficiency(flat[:, np.newaxis] * self._snr, self._cap).mean(axis=1)
        downlink_unit = downlink.mean(axis=1)
        # What a link gathers of its variables, and its time if it gathers 1; first uplinks, then downlinks.
        self._gathered = np.stack((np.ones_like(downlink), downlink / downlink_unit[:, np.newaxis]))
        self._link_times = (
            np.stack((self._sent_bits / (hz * self._rate_unit), work.downlink_bits / (hz * downlink_unit)))
            / self._time_unit_s
        )  # [num_links, num_clients]

        pairs = np.arange(3 * clients * count).reshape(3, clients, count)
        self._share, self._power, self._rate = pairs  # of each client on each subchannel
        singles = pairs.size + np.arange(3 * clients).reshape(3, clients)
        self._number, self._link = singles[0], singles[1:]  # subchannels of a client, times of its links
        self._ends = pairs.size + singles.size + np.arange(3)  # of the stages: first, second, with upload
        self._num_variables = pairs.size + singles.size + 3
        self._rows = Rows()
        self._limit(problem)
        self._end(work)
        every = np.arange(clients)
        for factor in (0.3, 1.0, 3.0):
            self._touch_rates(np.nonzero(self._flat), np.minimum(factor * self._flat, 1.0).ravel())
            for link in range(2):
                self._touch_times(link, every, np.full(clients, factor * count / clients))

    def improve(self, time_limit_s: float) -> None:
        """Take the next step: raise the bound, refining tangents until they hold or the time is over."""
        step = self.steps.pop(0)
        deadline_s = time.monotonic() + time_limit_s
        for _ in range(ROUNDS_MAX):
            left_s = deadline_s - time.monotonic()
            solution = self._solve(step, left_s) if left_s > 0 else None
            if solution is None or not self._refine(solution):
                return

    def _limit(self, problem: RadioResources) -> None:
        """Each subchannel is shared out once, and both limits hold for the power on them."""
        self._rows.add(1.0, (self._share.T, 1.0))
        self._rows.add(0.0, (self._share, 1.0), (self._number, -1.0))
        self._rows.add(0.0, (self._share, -1.0), (self._number, 1.0))
        self._rows.add(1.0, (self._power, 1.0))
        of_all = np.repeat(problem.power_max_w / problem.total_power_max_w, self._power.shape[1])
        self._rows.add(1.0, (self._power.reshape(1, -1), of_all))
        self._rows.add(0.0, (self._power.ravel(), 1.0), (self._share.ravel(), -1.0))
        if math.isfinite(self._cap):
            cap = np.repeat(self._cap / self._rate_unit, self._share.shape[1])
            self._rows.add(0.0, (self._rate.ravel(), 1.0), (self._share.ravel(), -cap))

    def _end(self, work: RoundWork) -> None:
        """A stage ends with its last client."""
        uplink, downlink = self._link
        first, second, with_upload = (np.full(len(uplink), end) for end in self._ends)
        before, after = -work.before_uplink_s / self._time_unit_s, -work.after_downlink_s / self._time_unit_s
        sent_bits = self._sent_bits or 1.0
        self._rows.add(before, (uplink, work.uplink_bits / sent_bits), (first, -1.0))
        self._rows.add(after, (downlink, 1.0), (second, -1.0))
        upload = (uplink, self._upload_bits / sent_bits)
        self._rows.add(after, (downlink, 1.0), upload, (with_upload, -1.0))

    def _touch_rates(self, at: tuple[NDArray[np.intp], ...], power: Floats) -> None:
        """Add tangents to the rates of (clients, subchannels), at powers per share."""
        snr, unit = self._snr[at], self._rate_unit[at[0]]
        slope = snr / ((1.0 + snr * power) * LN2 * unit)
        start = np.log1p(snr * power) / (LN2 * unit) - slope * power
        self._rows.add(0.0, (self._rate[at], 1.0), (self._power[at], -slope), (self._share[at], -start))

    def _touch_times(self, link: int, client: NDArray[np.intp], gathered: Floats) -> None:
        """Add tangents to the times of clients on a link, at what they gather."""
        variables = (self._rate, self._share)[link][client]
        slope = (self._link_times[link, client] / gathered**2)[:, np.newaxis]
        upper = -2.0 * self._link_times[link, client] / gathered
        self._rows.add(
            upper, (self._link[link, client], -1.0), (variables, -slope * self._gathered[link, client])
        )

    def _solve(self, step: Step, time_limit_s: float) -> Floats | None:
        """Solve the program as it stands, raise the bound, and return the solution if there is one."""
        whole = np.zeros(self._num_variables, dtype=np.intp)
        whole[self._number] = step == "counts"
        whole[self._share] = step == "shares"
        least, most = np.zeros(self._num_variables), np.full(self._num_variables, np.inf)
        least[self._number], most[self._share] = 1.0, 1.0
        cost = np.zeros(self._num_variables)
        cost[self._ends] = self._weights
        with _silence():
            found = self._rows.least_cost(
                cost, whole=whole, least=least, most=most, time_limit_s=time_limit_s
            )
        if found.status == 2:
            self.bound_s = math.inf
            return None
        # A linear program that is cut short has no dual bound; one that is solved is its own.
        dual = found.mip_dual_bound if whole.any() else found.fun if found.status == 0 else None
        if dual is not None:
            bound_s = self._common_s + float(dual) * self._time_unit_s * (1.0 - MARGIN)
            self.bound_s = max(self.bound_s, bound_s)
        return None if found.x is None else np.asarray(found.x)

    def _refine(self, solution: Floats) -> bool:
        """Add tangents where a solution passes a curve, and return whether it does anywhere."""
        share, power, rate = (solution[of] for of in (self._share, self._power, self._rate))
        per_share = np.clip(power / np.maximum(share, 1e-9), 1e-3 * self._flat, 1.0)
        curve = share * np.log1p(self._snr * per_share) / (LN2 * self._rate_unit[:, np.newaxis])
        passed = (share > 1e-6) & (rate > curve * (1.0 + CLOSE) + 1e-6)
        if passed.any():
            self._touch_rates(np.nonzero(passed), per_share[passed])
        found = bool(passed.any())
        for link, variables in enumerate((rate, share)):
            gathered = np.maximum((self._gathered[link] * variables).sum(axis=1), 1e-6)
            early = solution[self._link[link]] < self._link_times[link] / gathered * (1.0 - CLOSE)
            if early.any():
                self._touch_times(link, np.flatnonzero(early), gathered[early])
            found |= bool(early.any())
        return found


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what is written to standard output: HiGHS has a line that no option turns off (HiGHS.jl #312)."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
