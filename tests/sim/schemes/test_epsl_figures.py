"""The figures that a prototype gave with the defaults after Lin et al., and the laws stated with them.

Seconds a round, each scheme at its own best cut, medians over 40 placements, mean path loss.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cutlayer.experiments.preparation import prepare
from cutlayer.scenarios.loading.loader import load_scenario

pytestmark = pytest.mark.slow

PROTOTYPE_S = {
    5: {"epsl φ=1": 1.25, "epsl φ=0.5": 1.51, "psl": 1.67, "sfl": 2.26, "sl": 2.86},
    10: {"epsl φ=1": 1.58, "epsl φ=0.5": 1.69, "psl": 1.72, "sfl": 3.45, "sl": 5.90},
    15: {"epsl φ=1": 1.75, "epsl φ=0.5": 1.76, "psl": 1.78, "sfl": 5.36, "sl": 9.01},
}
PLACEMENTS = range(40)


@cache
def rounds_s(clients: int, cut: str = "optimal") -> dict[str, NDArray[np.float64]]:
    """Return each scheme's round times over the placements, [s]."""
    found: dict[str, list[float]] = {}
    rule = "allocation.subchannels=greedy"  # of the paper
    overrides = [f"devices.count={clients}", f"allocation.cut={cut}", rule]
    for seed in PLACEMENTS:
        experiment = prepare(load_scenario("timeline_only", overrides, seed=seed))
        for scheme, plan in experiment.schemes:
            found.setdefault(str(scheme.parameters.label), []).append(plan.predicted_s)
    return {label: np.array(times_s) for label, times_s in found.items()}


@pytest.mark.parametrize("clients", PROTOTYPE_S)
def test_the_prototypes_medians_lie_within_the_spread_of_placements(clients: int) -> None:
    """Every median of the prototype is between the 5th and the 95th percentile of single placements."""
    times_s = rounds_s(clients)
    outside = {}
    for label, median_s in PROTOTYPE_S[clients].items():
        low_s, high_s = np.percentile(times_s[label], [5, 95])
        if not low_s <= median_s <= high_s:
            outside[label] = (low_s, median_s, high_s)
    assert {} == outside


def test_the_order_of_the_medians_with_five_clients() -> None:
    """EPSL(1) ≤ EPSL(0.5) ≤ PSL < SFL < SL in the median; so it is in the prototype."""
    medians = {label: float(np.median(times_s)) for label, times_s in rounds_s(5).items()}
    order = ["epsl φ=1", "epsl φ=0.5", "psl", "sfl", "sl"]
    assert sorted(order, key=lambda label: medians[label]) == order


@pytest.mark.parametrize("clients", [5, 10])
def test_epsl_is_no_slower_than_psl_on_any_placement(clients: int) -> None:
    """Aggregation saves time; a broadcast that waits for the weakest client costs at most 1 % of it."""
    times_s = rounds_s(clients)
    for label in ("epsl φ=0.5", "epsl φ=1"):
        assert (times_s[label] <= 1.01 * times_s["psl"]).all()


def test_epsl_is_the_flattest_at_a_common_early_cut() -> None:
    """From 5 to 15 clients at cut 2 the median grows least for EPSL(1), and more for PSL and SL.

    The prototype: EPSL(1) 1.3 to 2.7 s, PSL 2.7 to 7.9 s, SL 3.0 to 9.3 s. Its allocation is not known in
    every detail: PSL with 5 clients comes out a fifth shorter here, all else within a tenth.
    """
    few, many = rounds_s(5, "2"), rounds_s(15, "2")
    growth_s = {label: np.median(many[label]) - np.median(few[label]) for label in few}
    assert growth_s["epsl φ=1"] < growth_s["epsl φ=0.5"] < growth_s["psl"] < growth_s["sl"]
    for label, ends_s in {"epsl φ=1": (1.3, 2.7), "psl": (2.7, 7.9), "sl": (3.0, 9.3)}.items():
        assert ends_s == pytest.approx((np.median(few[label]), np.median(many[label])), rel=0.25)
