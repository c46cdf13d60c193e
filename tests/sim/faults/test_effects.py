"""Faults: one registration is enough for a new fault, and the world combines the effects of all faults."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from cutlayer.scenarios import registry
from cutlayer.scenarios.schema.scenario import Scenario, Server
from cutlayer.sim.faults.effects import Fault, Faults
from cutlayer.sim.nodes.capacity import PiecewiseCapacity
from cutlayer.sim.nodes.device import Device
from cutlayer.sim.nodes.fleet import Fleet
from cutlayer.sim.timeline.event_order import schedule_at
from cutlayer.sim.timeline.phases import CLIENT_FORWARD
from cutlayer.sim.world.world import World
from tests.support.worlds import experiment, fleet, links, trials


class ConstantSpeed(PiecewiseCapacity):
    """A relative speed that never changes."""

    def __init__(self, speed: float) -> None:
        self.speed = speed

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the speed for ever."""
        return self.speed, math.inf


class LeavesAt:
    """The departure of a client at a given instant."""

    def __init__(self, time_s: float) -> None:
        self.time_s = time_s

    def follow(self, device: Device, leave: Callable[[], None]) -> None:
        """Let the client leave at that instant."""
        schedule_at(device.env, self.time_s, leave)

    def state(self) -> None:
        """Return no state."""

    def restore(self, state: None) -> None:
        """Restore no state."""


def test_relative_speeds_of_several_faults_multiply() -> None:
    """At half and at a quarter of the speed, 1 s of work takes 8 s; one fault alone is its own trace."""
    half, quarter = ConstantSpeed(0.5), ConstantSpeed(0.25)
    devices = fleet([1.0], [1.0])
    both = Faults((Fault(compute_capacity=lambda _: half), Fault(compute_capacity=lambda _: quarter)))
    world = World(Server(), devices, links([1.0], [1.0], [1.0]), faults=both)
    world.device(0).compute(CLIENT_FORWARD, 1.0)
    assert [8.0] == world.record.frame()["end_s"].tolist()
    assert half is Faults((Fault(compute_capacity=lambda _: half), Fault())).compute_capacity(0)
    assert Faults().compute_capacity(0) is None


@pytest.mark.parametrize("schemes", ["sl", "sfl", "psl", "fl"])
def test_a_client_may_leave_without_a_battery(schemes: str) -> None:
    """A fault that removes client 1 at an instant ends its activities then; the run goes on without it."""
    ready = experiment(schemes=[schemes])
    half_s = 0.5 * next(iter(trials(ready).values())).ends_s[0]
    gone = Fault(departure=lambda device: LeavesAt(half_s) if device == 1 else None)
    with registered(lambda scenario, devices: gone):
        trial = next(iter(trials(experiment(schemes=[schemes])).values()))
    assert {1: half_s} == trial.world.departed_at_s
    table = trial.world.record.frame()
    assert (table.loc[table["node"] == "device-1", "end_s"] <= half_s).all()
    assert all(1 not in result.outcome.participants for result in trial.results[1:])


class registered:  # noqa: N801 - reads as a statement
    """Registers one more fault for the duration of a with statement."""

    def __init__(self, make: Callable[[Scenario, Fleet], Fault | None]) -> None:
        self._make = make

    def __enter__(self) -> None:
        registry.specs("fault")  # loads the built-in faults first
        registry.register("fault", "test_fault", self._make, summary="of a test")

    def __exit__(self, *_: object) -> None:
        del registry._specs["fault"]["test_fault"]
