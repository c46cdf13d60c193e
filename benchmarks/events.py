"""The speed of the timeline: recorded intervals per second, against SimPy's time-outs per second.

The scheme is parallel split learning with 200 devices on dedicated subchannels, without a learner. It is
measured with two services of the server. With ``barrier`` the clients' activities are batched. With
``arrival`` each client waits in the server's queue, so each of its activities takes an event. The reference
is the least work of an event loop: 200 SimPy processes that wait for one time-out after another. As in a run,
older objects are excluded from Python's garbage collection.
"""

from __future__ import annotations

import time
from collections.abc import Generator

import simpy
from measuring import Figure, interleaved, ratios, show

from cutlayer.experiments.execution.scheme_run import make_world
from cutlayer.experiments.experiment import Experiment
from cutlayer.experiments.preparation import prepare
from cutlayer.experiments.processes.process_guards import frozen_gc
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.schema.scenario import Stop
from cutlayer.sim.schemes.round_loop import run_rounds

__all__ = ["figures"]

DEVICES = 200
ROUNDS = 200  # 160,400 intervals: each round has four of every device and two of the server
QUEUED_ROUNDS = 15  # with six intervals of every device
TIMEOUTS_PER_PROCESS = 100
REPEATS = 41  # many short repeats, so that the machine is in the same state for both values of a ratio

# Planning is not measured, so the cheapest plan is enough.
OVERRIDES = (
    f"devices.count={DEVICES}",
    f"radio.subchannels={DEVICES}",
    "allocation={subchannels: round_robin, power: uniform, cut: 2}",
)


def timeline_rate(experiment: Experiment, count: int) -> float:
    """Return the recorded intervals per second of processor time in the event loop."""
    ((scheme, plan),) = experiment.schemes
    world, planner = make_world(experiment, scheme, plan)
    with frozen_gc():
        start_s = time.process_time()
        for _ in run_rounds(scheme, world, None, planner, Stop(rounds=count), 1):
            pass
        return len(world.record) / (time.process_time() - start_s)


def timeout_rate() -> float:
    """Return SimPy's time-outs per second of processor time, with one process for each device."""
    env = simpy.Environment()

    def wait(delay_s: float) -> Generator[simpy.Event, None, None]:
        for _ in range(TIMEOUTS_PER_PROCESS):
            yield env.timeout(delay_s)

    for device in range(DEVICES):
        env.process(wait(1.0 + device / DEVICES))
    with frozen_gc():
        start_s = time.process_time()
        env.run()
        return DEVICES * TIMEOUTS_PER_PROCESS / (time.process_time() - start_s)


def figures() -> list[Figure]:
    """Return the rates of intervals and time-outs, and their ratios."""
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
    name = "events: intervals a second / SimPy time-outs a second"
    return [
        Figure(name, ratios(intervals, timeouts), "×", "≥ 0.4"),
        Figure(f"{name}, in a queue", ratios(queued, timeouts)),
        Figure("events: recorded intervals", tuple(rate / 1e3 for rate in intervals), "thousand/s"),
        Figure("events: SimPy time-outs", tuple(rate / 1e3 for rate in timeouts), "thousand/s"),
    ]


if __name__ == "__main__":
    show(figures())
