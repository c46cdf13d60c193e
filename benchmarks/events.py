"""The rate of the timeline: recorded intervals a second against SimPy's own rate of time-outs.

Parallel split learning with 200 devices on dedicated subchannels, no learner; behind the barrier, where
what clients do is foreseen, and in a queue, where each takes an event for each thing that it does. The
reference is the least that an event loop can do: 200 SimPy processes that wait for one time-out after the
other. All leave what was there before out of the search for garbage, as a run does.
"""

from __future__ import annotations

import time
from collections.abc import Generator

import simpy
from measuring import Figure, interleaved, ratios, show

from cutlayer.experiments.preparation import Experiment, prepare
from cutlayer.experiments.process_guards import frozen_gc
from cutlayer.experiments.scheme_run import make_world
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.schema.scenario import Stop
from cutlayer.sim.schemes.round_loop import rounds

__all__ = ["figures"]

DEVICES = 200
ROUNDS = 200  # four intervals a device and round, two of the server: 160,400 intervals
QUEUED_ROUNDS = 15  # six a device
TIMEOUTS_EACH = 100
REPEATS = 41  # many short bursts, so that both of a pair meet the machine in the same state

# The plan is no part of the figure, so that the cheapest one will do.
OVERRIDES = (
    f"devices.count={DEVICES}",
    f"radio.subchannels={DEVICES}",
    "allocation={subchannels: round_robin, power: uniform, cut: 2}",
)


def timeline_rate(experiment: Experiment, count: int) -> float:
    """Return the recorded intervals a second of processor time, of the event loop alone."""
    ((scheme, plan),) = experiment.schemes
    world, _ = make_world(experiment, scheme, plan)
    with frozen_gc():
        start_s = time.process_time()
        for _ in rounds(scheme, world, None, Stop(rounds=count), 1):
            pass
        return len(world.record) / (time.process_time() - start_s)


def timeout_rate() -> float:
    """Return SimPy's time-outs a second of processor time, of as many processes as there are devices."""
    env = simpy.Environment()

    def wait(delay_s: float) -> Generator[simpy.Event, None, None]:
        for _ in range(TIMEOUTS_EACH):
            yield env.timeout(delay_s)

    for device in range(DEVICES):
        env.process(wait(1.0 + device / DEVICES))
    with frozen_gc():
        start_s = time.process_time()
        env.run()
        return DEVICES * TIMEOUTS_EACH / (time.process_time() - start_s)


def figures() -> list[Figure]:
    """Return the rates and their ratios."""
    barrier, queue = (
        prepare(load_scenario("timeline_only", (*OVERRIDES, f"server.service={service}"), schemes=["psl"]))
        for service in ("barrier", "arrival")
    )
    intervals, timeouts, queued = interleaved(
        REPEATS,
        lambda: timeline_rate(barrier, ROUNDS),
        timeout_rate,
        lambda: timeline_rate(queue, QUEUED_ROUNDS),
    )
    what = "intervals a second / SimPy time-outs a second"
    return [
        Figure(f"events: {what}", ratios(intervals, timeouts), "×", "≥ 0.4"),
        Figure(f"events: {what}, in a queue", ratios(queued, timeouts)),
        Figure("events: recorded intervals", tuple(rate / 1e3 for rate in intervals), "thousand/s"),
        Figure("events: SimPy time-outs", tuple(rate / 1e3 for rate in timeouts), "thousand/s"),
    ]


if __name__ == "__main__":
    show(figures())
