"""Clients that go offline: what they lose, when they come back, and rounds that wait for them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from cutlayer.scenarios.schema.scenario import Server, Stop
from cutlayer.sim.faults.availability import ListedAvailability
from cutlayer.sim.faults.effects import Fault, Faults
from cutlayer.sim.schemes.base import TrainingTask
from cutlayer.sim.schemes.round_loop import RoundResult, run_rounds
from cutlayer.sim.schemes.round_planners.fixed_plan import FixedPlan
from cutlayer.sim.timeline.phases import CLIENT_FORWARD, UPLINK
from cutlayer.sim.world.rounds.online_clients import NobodyOnlineError
from cutlayer.sim.world.world import World
from tests.support.worlds import fleet, links, make_scheme, plan_at, unit_table

SERVER = Server(clock_hz=1.0, cycles_per_flop=1.0)
WORK = ((CLIENT_FORWARD, 4.0), (UPLINK, 4.0))


def off(*changes_s: float, starts_online: bool = True) -> ListedAvailability:
    """Return a device that goes offline and online at these instants in turn."""
    return ListedAvailability(changes_s, starts_online=starts_online)


def world(traces: Mapping[int, ListedAvailability], clients: int = 2) -> World:
    """Return devices of 1 FLOP/s and 1 bit/s."""
    ones = [1.0] * clients
    faults = Faults((Fault(availability=traces.get),))
    w = World(SERVER, fleet(ones, ones), links(ones, ones, ones), faults=faults)
    w.env.run(until=w.env.timeout(0.0))  # the clients' processes wait for the first step
    return w


def run(
    name: str, traces: Mapping[int, ListedAvailability], stop: Stop, clients: int = 2
) -> tuple[World, list[RoundResult]]:
    """Run a scheme with one sample a client; a stage of one unit takes 1 s."""
    units = unit_table([(1.0, 1.0, 1.0, 1.0, 1.0)] * 2)
    w = world(traces, clients)
    scheme = make_scheme(name, TrainingTask(units, 1))
    planner = FixedPlan(plan_at(scheme, 1, clients), range(clients))
    return w, list(run_rounds(scheme, w, None, planner, stop, 1))


def test_a_device_that_goes_offline_loses_what_it_was_doing() -> None:
    """Offline from 6 s on, client 0 has sent 2 of 4 bits; back at 7 s, it is not in the rest of the round."""
    w = world({0: off(6.0, 7.0)})
    w.begin_round()
    step = w.start(WORK, w.clients)
    assert (1,) == w.env.run(until=step.finished)
    table = w.record.frame()
    row = table[(table["node"] == "device-0") & (table["phase"] == "uplink")].iloc[0]
    assert (4.0, 6.0, 2.0) == (row["start_s"], row["end_s"], row["bits"])
    assert ((1,), {0: "offline"}) == (w.clients, w.members.left_out)
    assert not w.is_present(0)
    w.begin_round()
    assert (0, 1) == w.clients


def test_data_that_arrive_at_the_very_instant_of_going_offline_have_arrived() -> None:
    """The upload ends at 8 s, at which the device goes offline: it was on time."""
    w = world({0: off(8.0)})
    w.begin_round()
    step = w.start(WORK, w.clients)
    assert (0, 1) == w.env.run(until=step.on_time)


def test_devices_that_are_offline_at_the_start_miss_the_round() -> None:
    """Client 1 is offline up to 1 s: it is left out of round 1, although it comes back, and is in round 2."""
    w, results = run("psl", {1: off(1.0, starts_online=False)}, Stop(rounds=2))
    assert [(0,), (0, 1)] == [result.outcome.participants for result in results]
    assert [{1: "offline"}, {}] == [dict(result.left_out) for result in results]
    table = w.record.frame()
    assert {2} == set(table.loc[table["node"] == "device-1", "round"])


def test_a_round_begins_when_the_first_device_comes_online() -> None:
    """Nobody is online up to 2.5 s; then client 1 is, and alone it needs as long as ever."""
    traces = {0: off(30.0, starts_online=False), 1: off(2.5, starts_online=False)}
    w, results = run("psl", traces, Stop(rounds=1))
    assert [(1,)] == [result.outcome.participants for result in results]
    assert 2.5 == w.record.frame()["start_s"].min()


def test_nobody_ever_online_again_ends_the_run_with_an_error() -> None:
    """From 1.5 s on both devices are offline: round 1 trains nothing, and round 2 cannot begin."""
    with pytest.raises(NobodyOnlineError, match=r"no device comes online after 1\.5 s"):
        run("psl", {0: off(1.5), 1: off(1.0)}, Stop(rounds=5))


def test_a_limit_of_time_ends_a_run_in_which_nobody_comes_back() -> None:
    """The round that nobody can begin lasts until stop.time_s, and trains nothing."""
    _, results = run("psl", {0: off(1.5), 1: off(1.0)}, Stop(time_s=20.0))
    assert [(1.5, ()), (20.0, ())] == [(result.end_s, result.outcome.participants) for result in results]
    assert results[-1].is_last


def test_data_that_arrived_train_the_server_although_the_client_has_left() -> None:
    """Offline while the server computes, client 0 gets no gradient: it took part, and is left out."""
    _, results = run("psl", {0: off(2.5)}, Stop(rounds=1))
    assert ((0, 1), {0: "offline"}) == (results[0].outcome.participants, dict(results[0].left_out))


def test_in_sl_a_turn_that_is_not_finished_trains_nothing_and_the_next_client_goes_on() -> None:
    """Client 1 of three goes offline in its turn; client 2 gets one download of the model, and trains."""
    whole, _ = run("sl", {}, Stop(rounds=1), clients=3)
    table = whole.record.frame()
    turn_s = table.loc[table["node"] == "device-1", "start_s"].min()
    w, results = run("sl", {1: off(turn_s + 2.5, 1000.0)}, Stop(rounds=1), clients=3)
    assert (0, 2) == results[0].outcome.participants
    downloads = w.record.frame().query("phase == 'model_download'")
    assert ["device-1", "device-2", "device-0"] == downloads["node"].tolist()


def test_in_sl_a_download_to_a_client_that_goes_offline_is_repeated_to_the_next() -> None:
    """Client 1 goes offline while it receives the model: its download is cut, and client 2 gets one."""
    whole, _ = run("sl", {}, Stop(rounds=1), clients=3)
    table = whole.record.frame()
    download_s = table.loc[table["node"] == "device-1", "start_s"].min()
    w, results = run("sl", {1: off(download_s + 0.25, 1000.0)}, Stop(rounds=1), clients=3)
    assert (0, 2) == results[0].outcome.participants
    downloads = w.record.frame().query("phase == 'model_download'")
    assert [0.25, 1.0, 1.0] == (downloads["end_s"] - downloads["start_s"]).tolist()


@pytest.mark.parametrize("name", ["psl", "epsl", "sfl", "sfl_v2", "fl", "sl"])
def test_always_online_is_no_availability(name: str) -> None:
    """Devices that never go offline leave the rows of a world without availability, to the bit."""
    units = unit_table([(3.0, 2.0, 1.0, 7.0, 1.0), (1.0, 4.0, 1.0, 1.0, 5.0)])
    prints = []
    for faults in (Faults(), Faults((Fault(availability=lambda device: off()),))):
        rates = links([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [1.0, 0.5, 1.0])
        w = World(SERVER, fleet([1.0, 2.0, 0.3], [1.0] * 3), rates, faults=faults)
        scheme = make_scheme(name, TrainingTask(units, 2))
        planner = FixedPlan(plan_at(scheme, 1, 3), range(3))
        list(run_rounds(scheme, w, None, planner, Stop(rounds=3), 1))
        prints.append(w.record.fingerprint())
    assert prints[0] == prints[1]


def test_a_listed_trace_says_when_it_changes() -> None:
    """Online up to 1 s, offline up to 3 s, online for ever; the states are cut at both ends."""
    trace = off(1.0, 3.0)
    assert [True, False, False, True] == [trace.is_online(t) for t in (0.0, 1.0, 2.0, 3.0)]
    assert [1.0, 3.0, math.inf] == [trace.next_change_s(t) for t in (0.5, 1.0, 3.0)]
    assert [(1.0, 2.5)] == [(s.start_s, s.end_s) for s in trace.states(0.0, 2.5)]
    assert [(2.0, 3.0)] == [(s.start_s, s.end_s) for s in trace.states(2.0, 9.0)]
