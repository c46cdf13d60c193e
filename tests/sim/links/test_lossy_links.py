"""Lost packets and messages in rounds: conservation, retries, clients that are left out, and resumed runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cutlayer.experiments.execution.scheme_run import make_world
from cutlayer.experiments.experiment import Experiment
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.faults.effects import Fault, Faults, Sending
from cutlayer.sim.links.lossy_link import Retries
from cutlayer.sim.nodes.device import Device
from cutlayer.sim.schemes.round_loop import RoundCursor, run_rounds
from cutlayer.sim.timeline.event_log import EventKind, LoggedEvent
from cutlayer.sim.timeline.phases import CLIENT_FORWARD, DOWNLINK, UPLINK, Phase
from cutlayer.sim.world.snapshots import take_snapshot
from cutlayer.sim.world.world import World
from tests.sim.schemes.test_conservation import overlaps
from tests.support.worlds import experiment, fleet, links, trials

PARALLEL = ["sfl", "psl", {"name": "epsl", "phi": 0.5}, "fl"]
FAULTS: dict[str, dict[str, Any]] = {
    "outage": {"outage": {"mean_up_s": 0.02, "mean_down_s": 0.01}},
    "restart": {"outage": {"mean_up_s": 0.05, "mean_down_s": 0.01, "restart": True}},
    "packets": {"packet_loss": {"rate": 0.2}},
    "tries": {"packet_loss": {"rate": 0.1, "max_tries": 3}},
    "uploads": {"lost_update": 0.3},
    "all": {
        "outage": {"mean_up_s": 0.05, "mean_down_s": 0.01},
        "packet_loss": {"rate": 0.1, "max_tries": 4},
        "lost_update": 0.1,
    },
}


class Script:
    """Message losses that follow a list: one entry for each message, whether it arrives."""

    def __init__(self, arrivals: list[bool], repeated_bits: float = 0.0) -> None:
        self._arrivals, self._repeated_bits = arrivals, repeated_bits

    def sending(self, phase: Phase, bits: float, snr: float, *, must_arrive: bool = False) -> Sending:
        """Return the fate of the next message."""
        arrives = self._arrivals.pop(0) if self._arrivals else True
        return Sending(bits + self._repeated_bits, arrives or must_arrive)

    def state(self) -> tuple[int, int]:
        """Return no state."""
        return 0, 0

    def restore(self, state: tuple[int, int]) -> None:
        """Restore no state."""


def scripted(arrivals: list[bool], retries: Retries = Retries(), repeated_bits: float = 0.0) -> World:  # noqa: B008
    """Return a world of two devices at 1 bit/s and 1 FLOP/s, of which device 0 loses messages by a script."""
    losses = {0: Script(arrivals, repeated_bits)}
    world = World(
        Server(),
        fleet([1.0] * 2, [1.0] * 2),
        links([1.0] * 2, [1.0] * 2, [1.0] * 2),
        faults=Faults((Fault(losses=losses.get),)),
        retries=retries,
    )
    world.env.run()  # starts the processes of the clients
    return world


def logged(world: World) -> list[tuple[EventKind, float, float]]:
    """Return kind, instant and value of the events."""
    return [(event.kind, event.time_s, event.value) for event in world.record.events.take()]


UPLOAD = ((CLIENT_FORWARD, 1.0), (UPLINK, 3.0))


def test_a_client_whose_upload_is_lost_is_left_out() -> None:
    """The upload is sent in full; the step goes on with the other client at that instant."""
    world = scripted([False])
    step = world.start(UPLOAD, (0, 1))
    assert (1,) == world.env.run(until=step.on_time)
    assert 4.0 == world.env.now
    assert {0: "lost"} == world.members.absent
    assert [4.0, 4.0] == world.record.frame().query("phase == 'uplink'")["end_s"].tolist()
    first, second, *_ = logged(world)
    assert (EventKind.LOST, 4.0, 3.0) == first
    assert EventKind.LEFT_OUT is second[0]
    assert [1] == list(world.clients)
    world.begin_round()
    assert [0, 1] == list(world.clients)
    assert (0, 1) == world.env.run(until=world.start(UPLOAD, (0, 1)).on_time)


def test_a_lost_upload_is_sent_again_after_the_timeout() -> None:
    """Lost at 4 s and at 9 s, with a timeout of 2 s, it arrives at 14 s; both retries are logged."""
    world = scripted([False, False], Retries(2, 2.0))
    assert (0, 1) == world.env.run(until=world.start(UPLOAD, (0, 1)).on_time)
    assert 14.0 == world.env.now
    kinds = [(kind, time_s, value) for kind, time_s, value in logged(world)]
    assert [
        (EventKind.LOST, 4.0, 3.0),
        (EventKind.RETRY, 6.0, 1.0),
        (EventKind.LOST, 9.0, 3.0),
        (EventKind.RETRY, 11.0, 2.0),
    ] == kinds
    uploads = world.record.frame().query("node == 'device-0' and phase == 'uplink'")
    assert [3.0] * 3 == uploads["bits"].tolist()


def test_after_its_retries_a_client_is_left_out() -> None:
    """One retry that is lost too ends the client's part at 9 s."""
    world = scripted([False, False], Retries(1, 2.0))
    assert (1,) == world.env.run(until=world.start(UPLOAD, (0, 1)).on_time)
    assert 9.0 == world.env.now
    assert [EventKind.LOST, EventKind.RETRY, EventKind.LOST, EventKind.LEFT_OUT] == [
        kind for kind, *_ in logged(world)
    ]


def test_a_lost_downlink_is_not_sent_again() -> None:
    """Retries are for uploads: a downlink that is given up ends the client's part."""
    world = scripted([False], Retries(5, 2.0))
    assert (1,) == world.env.run(until=world.start(((DOWNLINK, 3.0),), (0, 1)).on_time)
    assert 3.0 == world.env.now


def test_a_client_alone_may_be_lost() -> None:
    """In a turn of its own, as in SL, the client is not on time."""
    world = scripted([False])
    turn = world.env.process(world.run_alone(UPLOAD, 0))
    assert not world.env.run(until=turn)
    assert world.env.run(until=world.env.process(world.run_alone(UPLOAD, 1)))


def test_a_message_outside_of_a_clients_program_always_arrives() -> None:
    """The model that SL hands on is never given up."""
    world = scripted([False])
    world.env.run(until=world.device(0).downlink(DOWNLINK, 3.0))
    assert 3.0 == world.env.now
    assert not logged(world)


@pytest.mark.parametrize("stop_s", [2.0, 5.0])
def test_a_client_that_stops_sends_nothing_again(stop_s: float) -> None:
    """Stopped during the upload, or while it waits for the timeout, it logs nothing more."""
    world = scripted([False], Retries(3, 2.0))
    world.start(UPLOAD, (0, 1))
    world.env.run(until=stop_s)
    world.leave_round(0, "offline")
    world.env.run()
    sent = world.record.frame().query("node == 'device-0' and phase == 'uplink'")
    assert [min(stop_s, 4.0) - 1.0] == sent["bits"].tolist()
    lost = [EventKind.LOST] if stop_s > 4.0 else []
    assert [*lost, EventKind.LEFT_OUT] == [kind for kind, *_ in logged(world)]


def test_waiting_for_downlinks_survives_a_lost_one() -> None:
    """The event of all downlinks happens also if one of them is given up."""
    world = scripted([False])

    def receive(device: Device) -> Any:
        yield device.downlink(DOWNLINK, 3.0)

    world.start(receive, (0, 1))
    world.env.run(until=2.0)
    world.env.run(until=world.received((0, 1)))
    assert 3.0 == world.env.now


def message_bits(events: list[LoggedEvent]) -> float:
    """Return the bits that were repeated."""
    return sum(event.value for event in events if event.kind is EventKind.RESENT)


@pytest.mark.parametrize("sharing", ["dedicated", "tdma", "work_conserving"])
@pytest.mark.parametrize("fault", FAULTS)
def test_bits_are_conserved_under_every_fault(fault: str, sharing: str) -> None:
    """Bits on the air without those repeated are the undisturbed round's bits, if no message was lost."""
    schemes = ["sl", *PARALLEL, *(["edgesplit"] if sharing == "dedicated" else [])]
    conditions: dict[str, Any] = {"schemes": schemes, "radio": {"sharing": sharing}, "stop": {"rounds": 2}}
    undisturbed = trials(experiment(**conditions))
    for label, trial in trials(experiment(**conditions, faults=FAULTS[fault])).items():
        table, events = trial.world.record.frame(), trial.world.record.events.take()
        assert 0 == overlaps(table)
        assert (table["wait_s"] >= 0).all()
        assert np.isfinite(table[["start_s", "end_s", "bits", "energy_j"]].to_numpy()).all()
        assert (np.diff([0.0, *trial.ends_s]) > 0).all()
        assert table["end_s"].max() <= trial.ends_s[-1]
        expected = undisturbed[label].world.record.frame()["bits"].sum()
        kinds = Counter(event.kind for event in events)
        if EventKind.LOST not in kinds:
            assert expected == pytest.approx(table["bits"].sum() - message_bits(events))
        assert kinds[EventKind.LEFT_OUT] == kinds[EventKind.LOST]
        members = [result.outcome.participants for result in trial.results]
        assert all(set(each) <= {0, 1, 2} for each in members)


@pytest.mark.parametrize("service", ["barrier", "arrival"])
def test_every_scheme_goes_on_without_lost_clients(service: str) -> None:
    """With half of all uploads lost, rounds end, some without participants, and the clients come back."""
    ready = experiment(
        schemes=["sl", *PARALLEL],
        server={"service": service},
        faults={"lost_update": 0.5},
        stop={"rounds": 20},
    )
    for trial in trials(ready).values():
        sizes = [len(result.outcome.participants) for result in trial.results]
        assert 20 == len(sizes)
        assert len(set(sizes)) > 1


def test_faults_that_never_happen_change_nothing(tmp_path: Path) -> None:
    """A rate of 0, a curve of zeros and a lost share of 0 give the run without the block, to the bit."""
    curve = tmp_path / "bler.csv"
    curve.write_text("snr_db,bler\n0,0\n", encoding="ascii")
    plain = trials(experiment(schemes=["sl", "psl"]))
    for faults in (
        {"packet_loss": {"rate": 0.0, "max_tries": 1}, "lost_update": 0.0},
        {"packet_loss": {"by": "snr", "file": str(curve)}},
        {},
    ):
        for label, trial in trials(experiment(schemes=["sl", "psl"], faults=faults)).items():
            assert plain[label].world.record.fingerprint() == trial.world.record.fingerprint()


def test_losses_of_a_device_do_not_depend_on_the_other_devices() -> None:
    """A message's draws follow from seed, device, direction and number."""
    first = []
    for count in (2, 4):
        ready = experiment(devices={"count": count, "distance_m": 100}, faults={"packet_loss": {"rate": 0.3}})
        events = trials(ready)["psl"].world.record.events.take()
        uplinks = [event for event in events if event.detail == "uplink"]
        first.append([event.value for event in uplinks if event.node == 1])
        assert first[-1] != [event.value for event in uplinks if event.node == 2]
    assert first[0] == first[1]


def test_losses_by_snr_follow_the_plan(tmp_path: Path) -> None:
    """A device whose planned uplink lies above the curve's step loses nothing; the other ones repeat."""
    ready = experiment(devices={"count": 2, "distance_m": [20, 200]})
    (_, plan), *_ = ready.schemes
    snr = plan.access.link_snr(plan.resources)
    assert snr is not None
    near_db, far_db = 10 * np.log10(snr.uplink)
    middle_db = (near_db + far_db) / 2
    curve = tmp_path / "bler.csv"
    curve.write_text(f"snr_db,bler\n{middle_db},0.5\n{middle_db + 1e-6},0\n", encoding="ascii")
    assert near_db > middle_db + 1 > far_db
    lossy = experiment(
        devices={"count": 2, "distance_m": [20, 200]},
        faults={"packet_loss": {"by": "snr", "file": str(curve)}},
    )
    events = trials(lossy)["psl"].world.record.events.take()
    assert {2} == {event.node for event in events if event.detail == "uplink"}
    with pytest.raises(ScenarioError, match=r"faults\.packet_loss\.by.*devices\.uplink_bps"):
        experiment(
            devices={"count": 2, "uplink_bps": 1e6, "downlink_bps": 1e6},
            faults={"packet_loss": {"by": "snr", "file": str(curve)}},
        )


def resumed_after(ready: Experiment, rounds: int) -> Callable[[], tuple[list[float], list[LoggedEvent]]]:
    """Return a function that continues the first scheme in a new world after some of its rounds."""
    scheme, plan = ready.schemes[0]
    stop = ready.loaded.scenario.stop
    world, planner = make_world(ready, scheme, plan)
    cursor = RoundCursor()
    for _, _ in zip(range(rounds), run_rounds(scheme, world, None, planner, stop, 1, cursor), strict=False):
        pass

    def go_on() -> tuple[list[float], list[LoggedEvent]]:
        from types import SimpleNamespace

        checkpoint: Any = SimpleNamespace(world=take_snapshot(world), planner=planner.snapshot())
        again, again_planner = make_world(ready, scheme, plan, checkpoint)
        results = list(run_rounds(scheme, again, None, again_planner, stop, 1, cursor))
        return [result.end_s for result in results], again.record.events.take()

    return go_on


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scheme", ["sfl", "sl"])
def test_a_resumed_run_meets_the_same_losses(scheme: str, fault: str) -> None:
    """After round 2, a new world from the snapshot has the same rounds and events."""
    ready = experiment(schemes=[scheme], faults=FAULTS[fault], stop={"rounds": 5})
    whole = next(iter(trials(ready).values()))
    ends_s, events = resumed_after(ready, 2)()
    assert whole.ends_s[2:] == ends_s
    assert [event for event in whole.world.record.events.take() if event.round > 2] == events
