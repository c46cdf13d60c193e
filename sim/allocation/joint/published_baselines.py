"""The plans that others are compared with: functions ``(problem, work_by_cut, rng) -> Plan``, one a method.

Baselines a to d are those of Lin et al. 2024 (docs/model.md section 4). Each leaves out one part of the joint
choice of subchannels, power and cut. Where a baseline draws its cut, it draws from a copy of the generator:
so baselines that are given equal generators have the same cut.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np

from ...radio.resources import RadioResources
from ..planner import Plan, plan, random_cut
from ..power.methods import optimal, uniform
from ..problem import RoundWork
from ..subchannels.baselines import round_robin as in_turn
from ..subchannels.baselines import strongest_signal
from ..subchannels.greedy import greedy

__all__ = ["baseline_a", "baseline_b", "baseline_c", "baseline_d", "round_robin"]


def baseline_a(problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> Plan:
    """Return the plan of subchannels by strongest signal, uniform power and a random cut.

    Parameters
    ----------
    problem : the resources
    work_by_cut : what a round asks for at each cut
    rng : generator that is left as it is: it draws from a copy

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    return plan(problem, work_by_cut, strongest_signal, uniform, cut=_drawn(work_by_cut, rng), rng=rng)


def baseline_b(problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> Plan:
    """Return the plan of greedy subchannels, optimal power and a random cut.

    Parameters, errors : as for :func:`baseline_a`
    """
    return plan(problem, work_by_cut, greedy, optimal, cut=_drawn(work_by_cut, rng), rng=rng)


def baseline_c(problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> Plan:
    """Return the plan of subchannels by strongest signal, optimal power and the optimal cut.

    Parameters, errors : as for :func:`baseline_a`
    """
    return plan(problem, work_by_cut, strongest_signal, optimal, cut=None, rng=rng)


def baseline_d(problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> Plan:
    """Return the plan of greedy subchannels, uniform power and the optimal cut.

    Parameters, errors : as for :func:`baseline_a`
    """
    return plan(problem, work_by_cut, greedy, uniform, cut=None, rng=rng)


def round_robin(problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> Plan:
    """Return the plan of subchannels in turn, uniform power and the optimal cut.

    Parameters, errors : as for :func:`baseline_a`
    """
    return plan(problem, work_by_cut, in_turn, uniform, cut=None, rng=rng)


def _drawn(work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> int:
    return random_cut(sorted(work_by_cut), copy.deepcopy(rng))
