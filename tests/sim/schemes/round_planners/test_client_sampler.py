"""Who is drawn: every device alike, those that are on, in an order that all schemes share."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cutlayer.scenarios.schema.participation import Participation
from cutlayer.sim.faults import availability
from cutlayer.sim.nodes.on_off_process import OnOffProcess
from cutlayer.sim.schemes.round_planners.client_sampler import ClientSampler, random_order

FALSE_ALARM = 1e-4
"""The probability with which a seed that is not fixed would fail a right implementation, in each test."""


@given(st.integers(0, 60), st.integers(0, 2**32))
def test_an_order_has_every_number_once(count: int, seed: int) -> None:
    """A random order of n numbers is a permutation of 0 to n−1."""
    assert list(range(count)) == sorted(random_order(count, np.random.default_rng(seed)))


def test_all_orders_are_equally_likely() -> None:
    """Each of the 4! orders of four numbers comes up equally often (chi-square, 23 degrees of freedom)."""
    rng = np.random.default_rng(1)
    found = [tuple(random_order(4, rng)) for _ in range(12_000)]
    _, counts = np.unique(found, axis=0, return_counts=True)
    assert 24 == len(counts)
    assert stats.chisquare(counts).pvalue > FALSE_ALARM


def test_every_device_is_drawn_equally_often() -> None:
    """Counts are those of draws without replacement: χ²·(N−1)/(N−n) has N−1 degrees of freedom."""
    population, per_round, rounds = 40, 7, 3_000
    draw = ClientSampler(Participation(per_round=per_round), population, seed=5)
    drawn = [draw.sample(number, 0.0, {}) for number in range(1, rounds + 1)]
    assert {per_round} == {len(set(members)) for members in drawn}
    counts = np.bincount(np.concatenate(drawn), minlength=population)
    expected = rounds * per_round / population
    statistic = ((counts - expected) ** 2).sum() / expected * (population - 1) / (population - per_round)
    assert stats.chi2.sf(statistic, population - 1) > FALSE_ALARM


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 5), st.integers(0, 2**16))
def test_a_larger_round_takes_the_smaller_ones_devices_too(
    first: int, second: int, number: int, seed: int
) -> None:
    """A round takes the front of one order, so the devices of a smaller round are among a larger one's."""
    small, large = (
        set(ClientSampler(Participation(per_round=size), 30, seed).sample(number, 0.0, {}))
        for size in sorted((first, second))
    )
    assert small <= large


def available(per_round: int, population: int, seed: int = 3) -> ClientSampler:
    """Return draws of devices that are on for a quarter of the time."""
    section = Participation(per_round=per_round, selection="available", mean_on_s=2.0, mean_off_s=6.0)
    return ClientSampler(section, population, seed)


@pytest.mark.parametrize("now_s", [0.0, 1.0, 50.0])
def test_the_share_of_available_devices_is_the_same_at_every_instant(now_s: float) -> None:
    """Of n devices, the number that is on is binomial with mean_on/(mean_on + mean_off), at any instant."""
    population = 4_000
    on = len(available(population, population).sample(1, now_s, {}))
    assert stats.binomtest(on, population, 0.25).pvalue > FALSE_ALARM


def test_availability_depends_on_the_device_alone() -> None:
    """Who is on at an instant is the same whether a device was looked at before, or is for the first time."""
    often, once = available(200, 200), available(200, 200)
    for number in range(1, 20):
        often.sample(number, float(number), {})
    assert often.sample(20, 20.0, {}) == once.sample(20, 20.0, {})


def test_only_devices_that_are_looked_at_have_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round of n looks at its order up to the n-th that is on, however large the population."""
    made: list[OnOffProcess] = []

    def noted(*arguments: float) -> OnOffProcess:
        made.append(OnOffProcess(*arguments))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(availability, "OnOffProcess", noted)
    found = available(10, 1_000_000).sample(1, 0.0, {})
    order = islice(available(1, 1_000_000)._order(1), len(made))
    assert set(found) <= set(order)
    assert [10, True] == [len(found), not made[-1].is_off(0)]


def test_the_next_to_be_available_is_the_first_that_turns_on() -> None:
    """When nobody is on, nobody is until the instant that is named, and somebody is then."""
    draw = available(5, 5)
    now_s = next(t for t in np.arange(0.0, 1e4, 0.1).tolist() if not draw.sample(1, t, {}))
    then_s = draw.next_available_s(now_s, {})
    assert () == draw.sample(1, float(np.nextafter(then_s, 0.0)), {})
    assert 1 == len(draw.sample(1, then_s, {}))


@given(st.sets(st.integers(0, 19)), st.integers(1, 20))
def test_who_has_left_is_not_drawn(left: set[int], per_round: int) -> None:
    """A round takes as many as it may of those that are still there, and nobody else."""
    draw = ClientSampler(Participation(per_round=per_round), 20, seed=1)
    members = draw.sample(4, 0.0, dict.fromkeys(left, 0.0))
    assert min(per_round, 20 - len(left)) == len(members)
    assert not left & set(members)
