"""Plan methods for comparison: functions ``(problem, work_by_cut, rng) -> Plan``, one for each name.

Baselines a to d are those of Lin et al. 2024 (docs/model.md, section 4). Each leaves out one or two parts of
the joint choice of subchannels, power and cut. A baseline with a random cut draws it from a copy of the
generator. So baselines with equal generators have the same cut.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np

from ...radio.resources import RadioResources
from ..planner import Plan, plan, random_cut
from ..power.methods import optimal, uniform
from ..problem import RoundWork
from ..subchannels.baselines import round_robin as round_robin_subchannels
from ..subchannels.baselines import strongest_signal
from ..subchannels.greedy import greedy

__all__ = ["baseline_a", "baseline_b", "baseline_c", "baseline_d", "round_robin"]


def baseline_a(
    problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator
) -> Plan:
    """Return the plan with subchannels by strongest signal, uniform power and a random cut.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work_by_cut : mapping of int to RoundWork
        The work of a round at each cut.
    rng : numpy.random.Generator
        Source of the random cut. It keeps its state, because the draw is from a copy.

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    return plan(problem, work_by_cut, strongest_signal, uniform, cut=_random_cut(work_by_cut, rng), rng=rng)


def baseline_b(
    problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator
) -> Plan:
    """Return the plan with greedy subchannels, optimal power and a random cut.

    Parameters and errors are those of :func:`baseline_a`.
    """
    return plan(problem, work_by_cut, greedy, optimal, cut=_random_cut(work_by_cut, rng), rng=rng)


def baseline_c(
    problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator
) -> Plan:
    """Return the plan with subchannels by strongest signal, optimal power and the optimal cut.

    Parameters and errors are those of :func:`baseline_a`.
    """
    return plan(problem, work_by_cut, strongest_signal, optimal, cut=None, rng=rng)


def baseline_d(
    problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator
) -> Plan:
    """Return the plan with greedy subchannels, uniform power and the optimal cut.

    Parameters and errors are those of :func:`baseline_a`.
    """
    return plan(problem, work_by_cut, greedy, uniform, cut=None, rng=rng)


def round_robin(
    problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator
) -> Plan:
    """Return the plan with subchannels in turn, uniform power and the optimal cut.

    Parameters and errors are those of :func:`baseline_a`.
    """
    return plan(problem, work_by_cut, round_robin_subchannels, uniform, cut=None, rng=rng)


def _random_cut(work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> int:
    return random_cut(sorted(work_by_cut), copy.deepcopy(rng))
