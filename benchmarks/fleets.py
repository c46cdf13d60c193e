"""The cost of a large population: its set-up, and a round that samples 100 clients from it.

A round that samples 100 of 100,000 devices is compared with a round that samples 100 of 1,000. The scheme is
parallel split learning without a learner, with the cheapest plan. Further work of a round would be the same
for both populations, and would hide the difference.
"""

from __future__ import annotations

import time
from functools import partial

from measuring import Figure, interleaved, ratios, show, timed

from cutlayer.experiments.execution.scheme_run import make_world
from cutlayer.experiments.experiment import Experiment
from cutlayer.experiments.preparation import prepare
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.schema.scenario import Stop
from cutlayer.sim.schemes.round_loop import run_rounds

__all__ = ["figures"]

PER_ROUND = 100
POPULATIONS = (1_000, 100_000)
ROUNDS = 10
REPEATS = 21
SET_UPS = 5


def sampling_experiment(population: int) -> Experiment:
    """Return a prepared scenario whose rounds sample their clients from this many devices."""
    overrides = (
        f"devices.count={population}",
        f"participation.per_round={PER_ROUND}",
        f"radio.subchannels={PER_ROUND}",
        "allocation={subchannels: round_robin, power: uniform, cut: 2}",
    )
    return prepare(load_scenario("timeline_only", overrides, schemes=["psl"]))


def set_up(population: int) -> None:
    """Run everything that precedes the first round."""
    experiment = sampling_experiment(population)
    ((scheme, plan),) = experiment.schemes
    make_world(experiment, scheme, plan)


def round_s(experiment: Experiment) -> float:
    """Return the processor time of a round in a new world, with sampling and planning, [s]."""
    ((scheme, plan),) = experiment.schemes
    world, planner = make_world(experiment, scheme, plan)
    start_s = time.process_time()
    for _ in run_rounds(scheme, world, None, planner, Stop(rounds=ROUNDS), 1):
        pass
    return (time.process_time() - start_s) / ROUNDS


def figures() -> list[Figure]:
    """Return the ratio of both rounds, the round of the larger population, and its set-up."""
    small, large = (sampling_experiment(population) for population in POPULATIONS)
    small_s, large_s = interleaved(REPEATS, partial(round_s, small), partial(round_s, large))
    set_up_s = tuple(timed(partial(set_up, POPULATIONS[-1])) for _ in range(SET_UPS))
    return [
        Figure("fleets: a round of 100 from 100,000 / from 1,000", ratios(large_s, small_s), "×", "≤ 1.2"),
        Figure("fleets: a round of 100 from 100,000", tuple(1e3 * s for s in large_s), "ms"),
        Figure("fleets: set-up of 100,000 devices", set_up_s, "s", "≤ 2 s"),
    ]


if __name__ == "__main__":
    show(figures())
