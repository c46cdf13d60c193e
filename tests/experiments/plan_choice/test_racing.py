"""Races and objectives: long-run averages, participation, significance, and candidates that fail."""

from __future__ import annotations

import numpy as np
import pytest

from cutlayer.experiments.plan_choice.objectives import MeanRound, QuantileRound, mean_latency_s
from cutlayer.experiments.plan_choice.racing import Race, RaceRules, resamples
from cutlayer.experiments.plan_choice.replications import SimulatedRounds

ONCE = np.ones((1, 4))


def rounds(*latencies_s: tuple[float, float], share: float = 1.0) -> SimulatedRounds:
    """Return replications with these times of their two rounds."""
    return SimulatedRounds(np.array(latencies_s), np.full((len(latencies_s), 2), share))


def lognormal_rounds(centre_s: float, first: int, end: int) -> SimulatedRounds:
    """Return rounds whose random part is the same for every candidate."""
    noise = np.random.default_rng(0).lognormal(sigma=0.5, size=(1000, 2))[first:end]
    return SimulatedRounds(centre_s * noise, np.ones_like(noise))


def test_states_longer_than_rounds_count_by_the_rate_of_rounds() -> None:
    """If half of the time has rounds of 1 s and half has rounds of 3 s, a round takes 1.5 s on average."""
    half = rounds((1.0, 1.0), (1.0, 1.0), (3.0, 3.0), (3.0, 3.0))
    assert 1.5 == pytest.approx(mean_latency_s(half, ONCE)[0])


def test_independent_rounds_count_equally() -> None:
    """If every pair of times is as frequent as any other, a round takes the plain mean."""
    independent = rounds((1.0, 1.0), (1.0, 3.0), (3.0, 1.0), (3.0, 3.0))
    assert 2.0 == pytest.approx(mean_latency_s(independent, ONCE)[0])


def test_rounds_without_half_of_the_clients_count_twice() -> None:
    """A round that leaves out half of its clients is as good as one of twice its length with all of them."""
    one, half = rounds(*[(1.0, 1.0)] * 4), rounds(*[(1.0, 1.0)] * 4, share=0.5)
    for objective in (MeanRound(), QuantileRound(0.9)):
        assert 2 * objective.values_s(one, ONCE)[0] == pytest.approx(objective.values_s(half, ONCE)[0])
    assert np.isinf(MeanRound().values_s(rounds(*[(1.0, 1.0)] * 4, share=0.0), ONCE)[0])


@pytest.mark.parametrize(("share", "expected_s"), [(0.2, 1.0), (0.7, 3.0), (0.95, 4.0)])
def test_a_quantile_is_exceeded_by_the_rest_of_the_rounds(share: float, expected_s: float) -> None:
    """The quantile is the shortest time within which this share of the rounds of a long run ends."""
    # weights 1/1, 1/3 and 1/4, twice each: 63 %, 84 % and 100 % of the rounds
    times = rounds((1.0, 1.0), (3.0, 3.0), (4.0, 4.0))
    assert expected_s == QuantileRound(share).values_s(times, np.ones((1, 3)))[0]


def test_the_best_candidate_wins_by_paired_draws() -> None:
    """Candidates that differ by 2 % are told apart although rounds vary by 50 %: they have the same draws."""
    centres_s = (1.02, 1.0, 1.05, 4.0)
    race = Race(4, lambda n, first, end: lognormal_rounds(centres_s[n], first, end), MeanRound(), 0)
    assert [1] == race.run(RaceRules(first=16, most=64))
    assert dict.fromkeys(range(4), 16) == {n: len(known) for n, known in race.rounds.items()}


def test_a_margin_keeps_candidates_that_are_little_worse() -> None:
    """With a margin of 5 %, candidates remain that are up to 5 % worse, in their order."""
    centres_s = (1.02, 1.0, 1.2)
    race = Race(3, lambda n, first, end: lognormal_rounds(centres_s[n], first, end), MeanRound(), 0)
    assert [1, 0] == race.run(RaceRules(first=16, most=32, margin=0.05))


def test_a_candidate_whose_rounds_fail_drops_out() -> None:
    """A candidate that cannot be simulated is left out; if all fail, none is left."""

    def simulate(number: int, first: int, end: int) -> SimulatedRounds | None:
        return None if number == 0 else lognormal_rounds(number, first, end)

    assert [1] == Race(3, simulate, MeanRound(), 0).run(RaceRules())
    assert [] == Race(1, simulate, MeanRound(), 0).run(RaceRules())


def test_resamples_have_as_many_replications() -> None:
    """Each resample has as many replications as there are, and the first has each once."""
    counts = resamples(24, 0)
    assert (counts.sum(axis=1) == 24).all()
    assert (counts[0] == 1).all()
    assert (counts[1:] != 1).any(axis=1).all()
