"""Compute noise: the distributions of its draws, their numbers, and what a barrier makes of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.faults.compute_noise import BLOCK_DRAWS
from cutlayer.sim.nodes.capacity import ComputeNoise
from cutlayer.sim.timeline.phases import CLIENT_FORWARD
from cutlayer.sim.world.world import World
from tests.support.worlds import (
    Setting,
    experiment,
    faults,
    fleet,
    links,
    noises,
    run_timeline,
    settings_of,
    trials,
    unit_table,
)

NO_NOISE: list[dict[str, Any]] = [{"lognormal": {"sigma": 0}}, {"exponential": {"mean_s": 0}}]


def noise_of(section: dict[str, Any], device: int = 0, seed: int = 0) -> ComputeNoise | None:
    """Return the compute noise of a scenario's device."""
    ready = experiment(stragglers={"compute_noise": section}, seed=seed)
    return ready.faults.compute_noise(device)


def draws(section: dict[str, Any], count: int, duration_s: float = 1.0) -> np.ndarray[Any, Any]:
    """Return the times of a device's next computations."""
    noise = noise_of(section)
    assert noise is not None
    return np.array([noise.duration_s(duration_s) for _ in range(count)])


@pytest.mark.parametrize(
    ("section", "law"),
    [
        ({"lognormal": {"sigma": 0.3}}, stats.lognorm(0.3, scale=math.exp(-(0.3**2) / 2))),
        ({"lognormal": {"sigma": 1.0}}, stats.lognorm(1.0, scale=math.exp(-1 / 2))),
        ({"pareto": {"shape": 2.5}}, stats.pareto(2.5, scale=1.5 / 2.5)),
        ({"pareto": {"shape": 5.0}}, stats.pareto(5.0, scale=4.0 / 5.0)),
    ],
    ids=["lognormal 0.3", "lognormal 1", "pareto 2.5", "pareto 5"],
)
def test_factors_have_their_distribution_and_mean_one(section: dict[str, Any], law: Any) -> None:
    """A Kolmogorov-Smirnov test accepts the factors, and 1 lies in the confidence interval of the mean."""
    factors = draws(section, 20_000)
    assert law.mean() == pytest.approx(1.0)
    assert stats.kstest(factors, law.cdf).pvalue > 0.01
    assert abs(factors.mean() - 1.0) < 4 * factors.std() / math.sqrt(factors.size)
    np.testing.assert_array_equal(7.0 * factors, draws(section, 20_000, duration_s=7.0))


def test_delays_are_exponential_and_added() -> None:
    """A computation of 2 s takes 2 s and an exponential delay of the stated mean."""
    delays_s = draws({"exponential": {"mean_s": 0.05}}, 20_000, duration_s=2.0) - 2.0
    assert stats.kstest(delays_s, stats.expon(scale=0.05).cdf).pvalue > 0.01
    assert abs(delays_s.mean() - 0.05) < 4 * 0.05 / math.sqrt(delays_s.size)


@given(st.integers(0, 3 * BLOCK_DRAWS), st.integers(0, 5))
def test_the_number_of_draws_is_the_whole_state(first: int, seed: int) -> None:
    """Noise that continues after any number of draws gives what the first one gives."""
    one, other = noises(1, seed)[0], noises(1, seed)[0]
    for _ in range(first):
        one.duration_s(1.0)
    other.restore(one.state())
    assert first == other.state()
    times_s = [[noise.duration_s(1.0) for _ in range(BLOCK_DRAWS + 1)] for noise in (one, other)]
    assert times_s[0] == times_s[1]


def test_devices_have_draws_of_their_own() -> None:
    """Another device or seed has other factors; a further device changes none."""
    section = {"lognormal": {"sigma": 0.3}}
    values = {}
    for device, seed in ((0, 0), (1, 0), (0, 1)):
        noise = noise_of(section, device, seed)
        assert noise is not None
        values[device, seed] = noise.duration_s(1.0)
    assert 3 == len(set(values.values()))
    more = experiment(stragglers={"compute_noise": section}, devices={"count": 9}).faults.compute_noise(1)
    assert more is not None
    assert values[1, 0] == more.duration_s(1.0)


@pytest.mark.parametrize("section", NO_NOISE, ids=str)
def test_noise_without_variance_is_no_noise(section: dict[str, Any]) -> None:
    """It has no effect at all, and the timeline is that without it, to the bit."""
    assert noise_of(section) is None
    plain, silent = (
        trials(experiment(stragglers=stragglers))["psl"].world.record.fingerprint()
        for stragglers in (None, {"compute_noise": section})
    )
    assert plain == silent


@pytest.mark.parametrize("clients", [1, 2, 5, 12])
def test_the_barrier_waits_for_the_longest_of_the_delays(clients: int) -> None:
    """E[max of C exponential stages] = (1 + 1/2 + … + 1/C)·mean, in the mean over the rounds of PSL."""
    units = unit_table([(1.0, 0.0, 1e-9, 1e-9, 1.0), (1.0, 1.0, 1.0, 1.0, 1.0)])
    quick = [1e30] * clients
    server = Server(clock_hz=1e18, cycles_per_flop=1e-9)
    case = Setting(units, 1, fleet([1e18] * clients, [1e-9] * clients), server, links(quick, quick, quick))
    count, mean_s = 2_000, 0.25
    _, results = run_timeline(case, "psl", 1, count=count, noise=noises(clients, mean_s=mean_s))
    lengths_s = np.diff([0.0, *(result.end_s for result in results)])
    expected_s = mean_s * sum(1 / k for k in range(1, clients + 1))
    deviation_s = mean_s * math.sqrt(sum(1 / k**2 for k in range(1, clients + 1)) / count)
    assert abs(lengths_s.mean() - expected_s) < 3 * deviation_s


@given(settings_of(), st.data())
def test_energy_does_not_depend_on_the_noise(case: Setting, data: st.DataObject) -> None:
    """A computation costs its FLOPs, however long it takes; noise changes the times alone."""
    cut = data.draw(st.integers(1, len(case.units) - 1))
    plain, noisy = (
        run_timeline(case, "psl", cut, noise=noise)[0].record.frame() for noise in ([], noises(case.clients))
    )
    columns = ["node", "phase", "bits", "flops"]
    of_devices = plain["phase"].isin(["client_forward", "client_backward"])
    assert plain[columns].sort_values(columns).to_numpy().tolist() == (
        noisy[columns].sort_values(columns).to_numpy().tolist()
    )
    assert plain.loc[of_devices, "energy_j"].sum() == pytest.approx(
        noisy.loc[noisy["phase"].isin(["client_forward", "client_backward"]), "energy_j"].sum()
    )


def test_a_battery_ends_a_random_computation_at_its_share_of_the_time() -> None:
    """Half of the energy of a computation is spent after half of its time, whatever that time is."""
    noise = noises(1, seed=4)
    factor = noises(1, seed=4)[0].duration_s(1.0)
    one = fleet([1.0], [1.0])
    charged = type(one)(**{**one.__dict__, "battery_j": np.array([0.5e-28])})
    world = World(Server(), charged, links([1.0], [1.0], [1.0]), faults=faults(charged, noise=noise))
    world.start(((CLIENT_FORWARD, 1.0),), (0,))
    world.env.run(until=10.0 * factor)
    assert 0.5 * factor == pytest.approx(world.departed_at_s[0])
    assert 0.5 == pytest.approx(world.record.frame()["flops"].sum())
