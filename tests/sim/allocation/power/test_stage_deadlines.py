"""Laws of the least stage ends: where the search begins does not matter, and the ends are feasible."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.power.stage_deadlines import StageDemand, minimal_stage_times

SEARCH_TOLERANCE = 1e-10


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    clients=st.integers(1, 8),
    averaging=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    spread_db=st.sampled_from([0.0, 35.0]),
    factors=st.tuples(st.floats(0.2, 5.0), st.floats(0.2, 5.0)),
)
def test_the_start_of_the_search_does_not_matter(
    instance: Callable[..., Any],
    seed: int,
    clients: int,
    averaging: float,
    spread_db: float,
    factors: tuple[float, float],
) -> None:
    """From any ends, near or far, the search reaches the minimum within its tolerance."""
    problem, work_by_cut = instance(seed, clients, 16, averaging_share=averaging, spread_db=spread_db)
    demand = StageDemand(problem, work_by_cut[1 + seed % 5], np.arange(16) % clients)
    exact_s = minimal_stage_times(demand, averaging)
    near_s = minimal_stage_times(demand, averaging, SEARCH_TOLERANCE, exact_s * np.array(factors))
    weights = np.array([1.0, averaging])[demand.bits > 0]
    expected_s, actual_s = (float(weights @ ends_s[demand.bits > 0]) for ends_s in (exact_s, near_s))
    assert pytest.approx(expected_s, rel=1e-8) == actual_s
    assert demand.power_demand(exact_s).power_w.sum() <= demand.limit_w * (1 + 1e-9)
