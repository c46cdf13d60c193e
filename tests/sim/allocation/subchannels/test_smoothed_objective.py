"""Laws of the smoothed objective, as docs/model.md section 4.2 derives them: P15, P16, P18 and P19."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.subchannels.assignment import Assignment, LinkTables
from cutlayer.sim.allocation.subchannels.smoothed_objective import (
    ClientTerms,
    SmoothedRoundTime,
    sum_terms,
)

SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.3, 1.0])


def reference(instance: Callable[..., Any], seed: int, clients: int, averaging: float) -> Assignment:
    """Return the round-robin assignment of an instance on nine subchannels."""
    problem, work_by_cut = instance(seed, clients, 9, averaging_share=averaging, fading=bool(seed % 2))
    return Assignment(LinkTables.of(problem), work_by_cut[1 + seed % 5], np.arange(9) % clients)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 5), averaging=SHARES)
def test_the_soft_maximum_is_near_the_maximum(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float
) -> None:
    """Δ ≤ Φ ≤ Δ + τ (ln 2 + 2 ln C), for assignments whose ends are near enough (P12, P15)."""
    start = reference(instance, seed, clients, averaging)
    other = Assignment(start.tables, start.work, np.roll(start.client_of, 1))
    objective = SmoothedRoundTime(start, 0.1)
    terms = objective.terms(other)
    with np.errstate(divide="ignore"):  # an exponential may be rounded to 0
        exponents = np.log(np.array([term[1:] for term in terms])) * objective.tau_s
    problem = start.tables.problem
    common_s = (sum(term.power_w for term in terms) - problem.total_power_max_w) / start.total_saving_w_per_s
    first_s, upload_s, late_s = exponents.max(axis=0)
    delta_s = max(common_s, first_s + averaging * upload_s) + (1 - averaging) * late_s
    if max(common_s, *exponents.ravel()) > 50 * objective.tau_s:
        return  # there the exponentials go on as tangents
    margin_s = objective.tau_s * (np.log(2) + 2 * np.log(clients))
    value_s = objective.value_s(sum_terms(terms))
    assert delta_s - 1e-9 * start.time_s <= value_s <= delta_s + margin_s + 1e-9 * start.time_s


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 5), averaging=SHARES)
def test_gradients_are_difference_quotients(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float
) -> None:
    """The derivative by each of the four sums agrees with a central difference (P16)."""
    start = reference(instance, seed, clients, averaging)
    objective = SmoothedRoundTime(start, 0.1)
    total = sum_terms(objective.terms(start))
    for index, gradient in enumerate(objective.gradients(total)):
        step = 1e-5 * total[index]
        around_s = [
            objective.value_s(ClientTerms(*(x + sign * step * (i == index) for i, x in enumerate(total))))
            for sign in (-1, 1)
        ]
        quotient = (around_s[1] - around_s[0]) / (2 * step)
        assert pytest.approx(quotient, rel=1e-4, abs=1e-8 * start.time_s / total[index]) == gradient


@settings(max_examples=40, deadline=None)
@given(
    seed=SEEDS, clients=st.integers(1, 5), averaging=SHARES, temperature=st.sampled_from([1e-4, 1e-2, 1.0])
)
def test_shadow_prices_are_stationary(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float, temperature: float
) -> None:
    """V λ_0 + Σ v_i1 λ_i1 = 1 and a V λ_0 + Σ v_i2 λ_i2 = a, at every temperature (P18)."""
    start = reference(instance, seed, clients, averaging)
    objective = SmoothedRoundTime(start, temperature)
    total = sum_terms(objective.terms(start))
    gradients = objective.gradients(total)
    common = start.total_saving_w_per_s * gradients.power_w
    first = gradients.exp_first * total.exp_first / objective.tau_s
    upload = gradients.exp_upload * total.exp_upload / objective.tau_s
    assert pytest.approx(1.0) == common + first
    assert pytest.approx(averaging) == averaging * common + upload


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 5))
def test_a_later_backward_pass_has_its_price(instance: Callable[..., Any], seed: int, clients: int) -> None:
    """The derivative by the end of a client's backward pass agrees with a central difference (P19)."""
    start = reference(instance, seed, clients, 0.0)
    objective = SmoothedRoundTime(start, 0.1)
    terms, log_snr = objective.terms(start), start.tables.log_snr_lists
    _, backward_s_per_s = objective.shadow_prices(start)
    bits = start.work.downlink_bits
    for client, subchannels in enumerate(start.subchannels_by_client()):
        rate_bps = float(start.downlink_bps[client])
        step_bps = 1e-5 * rate_bps
        around_s = []
        for changed_bps in (rate_bps - step_bps, rate_bps + step_bps):
            term = objective.term(client, [log_snr[client][k] for k in subchannels], changed_bps)
            around_s.append(objective.value_s(sum_terms([*terms[:client], term, *terms[client + 1 :]])))
        quotient = (around_s[1] - around_s[0]) / (2 * step_bps)
        expected = -backward_s_per_s[client] * bits / rate_bps**2
        assert pytest.approx(expected, rel=1e-3, abs=1e-7 * start.time_s / rate_bps) == quotient
