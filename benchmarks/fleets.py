"""What a population costs: its set-up, and a round that draws 100 of 100,000 devices instead of 1,000.

Parallel split learning without a learner, with the cheapest plan: whatever else a round did would be the same
for both populations, and hide what the larger one costs.
"""

from __future__ import annotations

import time
from functools import partial

from measuring import Figure, interleaved, ratios, show, timed

from cutlayer.experiments.preparation import Experiment, prepare
from cutlayer.experiments.scheme_run import make_world
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.schema.scenario import Stop
from cutlayer.sim.schemes.round_loop import rounds

__all__ = ["figures"]

PER_ROUND = 100
POPULATIONS = (1_000, 100_000)
ROUNDS = 10
REPEATS = 21
SET_UPS = 5


def experiment(population: int) -> Experiment:
    """Return a scenario whose rounds draw their clients, made ready."""
    overrides = (
        f"devices.count={population}",
        f"participation.per_round={PER_ROUND}",
        f"radio.subchannels={PER_ROUND}",
        "allocation={subchannels: round_robin, power: uniform, cut: 2}",
    )
    return prepare(load_scenario("timeline_only", overrides, schemes=["psl"]))


def set_up(population: int) -> None:
    """Do all that comes before the first round."""
    ready = experiment(population)
    ((scheme, plan),) = ready.schemes
    make_world(ready, scheme, plan)


def round_s(ready: Experiment) -> float:
    """Return the processor time of a round, drawing and planning with it, in a new world."""
    ((scheme, plan),) = ready.schemes
    world, drawing = make_world(ready, scheme, plan)
    start_s = time.process_time()
    for _ in rounds(scheme, world, None, Stop(rounds=ROUNDS), 1, drawing.before_round):
        pass
    return (time.process_time() - start_s) / ROUNDS


def figures() -> list[Figure]:
    """Return the ratio of the rounds, the rounds themselves, and the set-up of the larger population."""
    small, large = (experiment(population) for population in POPULATIONS)
    of_small, of_large = interleaved(REPEATS, partial(round_s, small), partial(round_s, large))
    set_ups = tuple(timed(partial(set_up, POPULATIONS[-1])) for _ in range(SET_UPS))
    return [
        Figure("fleets: a round of 100 from 100,000 / from 1,000", ratios(of_large, of_small), "×", "≤ 1.2"),
        Figure("fleets: a round of 100 from 100,000", tuple(1e3 * s for s in of_large), "ms"),
        Figure("fleets: set-up of 100,000 devices", set_ups, "s", "≤ 2 s"),
    ]


if __name__ == "__main__":
    show(figures())
