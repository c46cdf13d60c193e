"""Near-optimal plans over subchannels, power and cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...radio.resources import RadioResources
from ..cut_search import search_cuts
from ..planner import Plan
from ..power.methods import optimal
from ..problem import RoundWork, link_rates, round_time_s
from ..subchannels.greedy import marginal_greedy

__all__ = ["bcd"]


def bcd(problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> Plan:
    """Return a plan near the optimum over subchannels, power and cut.

    :func:`.cut_search.search_cuts` chooses cut and subchannels. At each cut the plan is no worse than
    ``greedy`` or ``marginal_greedy`` with any power, since it is compared with both wherever the lower bound
    of the cut allows a shorter round. It is not compared with the assignment of one cut at another.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work_by_cut : mapping of int to RoundWork
        The work of a round at each cut. A scheme without a cut has one entry.
    rng : numpy.random.Generator
        Unused; the signature is that of every plan method.

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """

    def starts_at(cut: int) -> Sequence[NDArray[np.intp]]:
        return marginal_greedy.candidates(problem, {cut: work_by_cut[cut]}, rng)[cut]

    best_at, history_s = search_cuts(problem, work_by_cut, starts_at)
    cut = min(best_at, key=lambda cut: best_at[cut].round_s)
    work, client_of = work_by_cut[cut], best_at[cut].client_of
    psd_w_per_hz = optimal(problem, work, client_of)
    rates = link_rates(problem, client_of, psd_w_per_hz)
    predicted_s = round_time_s(work, rates)
    return Plan(cut, client_of, psd_w_per_hz, rates, predicted_s, (*history_s[:-1], predicted_s))
