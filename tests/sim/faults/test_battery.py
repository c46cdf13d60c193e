"""Batteries: what a device spends, when it is empty, and how a run goes on without it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cutlayer
from cutlayer.scenarios.random_streams import stream
from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.faults.slowdown import SlowdownTrace
from cutlayer.sim.links.schedulers import Tdma
from cutlayer.sim.nodes.capacity import PiecewiseCapacity
from cutlayer.sim.timeline.phases import CLIENT_FORWARD
from cutlayer.sim.world.world import World
from tests.support.worlds import (
    Setting,
    Steps,
    faults,
    fleet,
    links,
    positive,
    run_timeline,
    settings_of,
    unit_table,
)

SPLIT = ["sl", "sfl", "sfl_v2", "psl", "epsl"]
PLENTY_J = 1e30


def setting(battery_j: list[float], *, service: str = "barrier") -> Setting:
    """Return clients whose every FLOP, bit and joule takes one second or one watt.

    With b = 1 and the cut at 1: forward 1 s, uplink 1 s, server 1 s a pass and client, downlink 1 s,
    backward 2 s, model upload 1 s. PSL costs a client 4 J a round, SplitFed 5 J.
    """
    units = unit_table([(1.0, 2.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0, 1.0)])
    ones = [1.0] * len(battery_j)
    devices = replace(
        fleet(ones, ones), switched_capacitance=np.array(ones), battery_j=np.array(battery_j, dtype=float)
    )
    server = Server(clock_hz=1.0, cycles_per_flop=1.0, service=service)
    return Setting(units, 1, devices, server, links(ones, ones, ones))


def spent(table: pd.DataFrame, client: int) -> float:
    """Return what a device has paid for: compute and uplinks."""
    rows = table[(table["node"] == f"device-{client}") & (table["lane"] != "downlink")]
    return float(rows["energy_j"].sum())


@pytest.mark.parametrize(
    ("name", "battery_j", "left_s", "participants"),
    [
        ("psl", 0.5, 0.5, [(1,), (1,)]),  # in its forward pass
        ("psl", 1.25, 1.25, [(1,), (1,)]),  # in its uplink
        ("psl", 3.0, 8.0, [(0, 1), (1,)]),  # in its backward pass, from 7 s on
        ("psl", 2.0, 7.0, [(0, 1), (1,)]),  # with its uplink: it has nothing for what comes next
        ("psl", 4.0, 9.0, [(0, 1), (1,)]),  # with the round: the next one begins without a charge
        ("psl", 4.5, 9.5, [(0, 1), (1,)]),  # in the next round
        ("sfl", 4.5, 9.5, [(0, 1), (1,)]),  # while it uploads its model
        ("fl", 6.0, 6.0, [(1,), (1,)]),  # 2 s forward, 3 s backward, 1 s of its upload
        ("sl", 0.5, 0.5, [(1,), (1,)]),
        ("sl", 3.0, 6.0, [(1,), (1,)]),  # 1 s forward, 1 s uplink, backward from 5 s on
        ("sl", 4.5, 7.5, [(1,), (1,)]),  # while its model goes up
    ],
)
def test_a_device_leaves_when_its_battery_is_empty(
    name: str, battery_j: float, left_s: float, participants: list[tuple[int, ...]]
) -> None:
    """By hand: it leaves at that very instant, has spent what it had, and is in no later round."""
    world, results = run_timeline(setting([battery_j, PLENTY_J]), name, 1, count=2)
    table = world.record.frame()
    assert {0: left_s} == pytest.approx(world.departed_at_s)
    assert participants == [result.outcome.participants for result in results]
    assert battery_j == pytest.approx(spent(table, 0), rel=1e-12)
    assert (table.loc[table["node"] == "device-0", "end_s"] <= left_s).all()
    assert (1,) == world.clients


def test_the_round_goes_on_without_it() -> None:
    """Client 0 leaves at 0.5 s; the server serves client 1 alone for 2 s, and the round takes 7 s."""
    _, results = run_timeline(setting([0.5, PLENTY_J]), "psl", 1, count=2)
    assert [7.0, 14.0] == [result.end_s for result in results]


def test_the_round_waits_for_it_no_longer() -> None:
    """All others have arrived when the slowest leaves: the server starts at that instant."""
    slow = setting([3.5, PLENTY_J])
    slow = replace(
        slow,
        fleet=replace(slow.fleet, clock_hz=np.array([0.1, 1.0]), switched_capacitance=np.array([100.0, 1.0])),
    )
    world, results = run_timeline(slow, "psl", 1)
    table = world.record.frame()
    # Its joule a FLOP lasts 10 s: ς f² κ = 1 J, and it would need 1 J forward, 1 J up, 2 J back.
    assert {0: pytest.approx(10 + 1 + 4 + 1 + 15)} == world.departed_at_s
    assert (0, 1) == results[0].outcome.participants
    assert 31.0 == pytest.approx(results[0].end_s)
    assert 11.0 == pytest.approx(table.loc[table["node"] == "server", "start_s"].min())


def test_the_model_goes_on_to_the_next_one() -> None:
    """In SL client 0 leaves at 0.5 s: client 1 gets the model by 1.5 s, and hands it on to itself."""
    world, _ = run_timeline(setting([0.5, PLENTY_J]), "sl", 1, count=1)
    table = world.record.frame()
    downloads = table[table["phase"] == "model_download"]
    assert ["device-1", "device-1"] == downloads["node"].tolist()
    assert [0.5, 9.5] == downloads["start_s"].tolist()


def test_what_is_averaged_without_it() -> None:
    """In SplitFed an upload that is not finished is not waited for: the average goes out after 1's."""
    world, _ = run_timeline(setting([4.5, PLENTY_J]), "sfl", 1, count=1)
    table = world.record.frame()
    uploads = table[table["phase"] == "model_upload"].set_index("node")["bits"]
    assert {"device-0": 0.5, "device-1": 1.0} == uploads.to_dict()
    assert 10.0 == table.loc[table["phase"] == "model_download", "start_s"].item()


@pytest.mark.parametrize("name", [*SPLIT, "fl"])
def test_a_run_without_clients_ends(name: str) -> None:
    """When the last battery is empty the run is over, whatever its stop says."""
    world, results = run_timeline(setting([5.5, 2.5, 0.25]), name, 1, count=50)
    assert () == world.clients
    assert {0, 1, 2} == set(world.departed_at_s)
    assert max(world.departed_at_s.values()) == results[-1].end_s
    assert len(results) < 5
    assert 8.25 == pytest.approx(sum(spent(world.record.frame(), i) for i in range(3)))


def test_training_on_the_server_alone_needs_no_battery() -> None:
    """Nobody spends anything, so nobody leaves."""
    world, results = run_timeline(setting([0.1, 0.1]), "centralised", 1, count=4)
    assert (4, {}) == (len(results), world.departed_at_s)


def test_a_battery_lasts_across_slow_downs() -> None:
    """0.75 J of a FLOP's 1 J: half a second at full speed, and 0.25 FLOPs at a tenth of it, up to 3 s."""

    class SlowFromHalf(PiecewiseCapacity):
        def at(self, time_s: float) -> tuple[float, float]:
            return (1.0, 0.5) if time_s < 0.5 else (0.1, np.inf)

    world, _ = run_timeline(setting([0.75, PLENTY_J]), "psl", 1, speeds=[SlowFromHalf(), None])
    (row,) = world.record.frame().query("node == 'device-0'").to_dict("records")
    assert {0: pytest.approx(3.0)} == world.departed_at_s
    assert (0.75, 0.75) == pytest.approx((row["flops"], row["energy_j"]))


def test_sending_costs_time_not_bits() -> None:
    """At 0.25 bit/s from 1.5 s on, 1.8 J are 0.8 s of uplink, which carry 0.5 + 0.3/4 bits."""
    still = setting([1.8, PLENTY_J])
    given_links: Any = Steps([0, 1.5], [links([r] * 2, [1.0] * 2, [1.0] * 2) for r in (1.0, 0.25)])
    world, _ = run_timeline(replace(still, links=given_links), "psl", 1)
    table = world.record.frame()
    assert {0: pytest.approx(1.8)} == world.departed_at_s
    assert 0.575 == pytest.approx(table.loc[table["node"] == "device-0", "bits"].sum())


def turns(of: Setting, slot_s: float) -> tuple[Tdma, Tdma]:
    """Return TDMA in both directions."""
    return Tdma(of.links, uplink=True, slot_s=slot_s), Tdma(of.links, uplink=False, slot_s=slot_s)


def test_a_battery_is_spent_in_turns() -> None:
    """Slots of half a second from 1 s on: 0.75 J end half-way through 0's second turn, and 1 takes over."""
    case = setting([1.75, PLENTY_J])
    world, results = run_timeline(case, "psl", 1, sharing=turns(case, 0.5))
    table = world.record.frame()
    assert {0: pytest.approx(2.25)} == world.departed_at_s
    uplinks = table[table["phase"] == "uplink"].set_index("node")
    assert {"device-0": 0.75, "device-1": 1.0} == pytest.approx(uplinks["bits"].to_dict())
    assert {"device-0": 2.25, "device-1": 2.75} == pytest.approx(uplinks["end_s"].to_dict())
    assert (1,) == results[0].outcome.participants


@pytest.mark.parametrize("shared", [False, True])
def test_what_a_deadline_stops_is_not_spent(shared: bool) -> None:
    """Half of a forward pass a round: 1.2 J last two rounds and 0.2 s, not one and a bit."""
    case = setting([1.2, PLENTY_J])
    world, _ = run_timeline(
        case, "psl", 1, count=4, deadline_s=0.5, sharing=turns(case, 0.5) if shared else None
    )
    assert {0: pytest.approx(1.2)} == world.departed_at_s
    assert [0.5, 0.5, 0.2] == pytest.approx(
        world.record.frame().query("node == 'device-0'")["energy_j"].tolist()
    )


@pytest.mark.parametrize("name", [*SPLIT, "fl"])
@pytest.mark.parametrize("service", ["barrier", "arrival"])
def test_empty_before_the_deadline(name: str, service: str) -> None:
    """Client 0 leaves at 0.25 s; the deadline at 0.5 s finds client 1 late, and 0 gone."""
    world, results = run_timeline(setting([0.25, PLENTY_J], service=service), name, 1, deadline_s=0.5)
    assert {0: 0.25} == world.departed_at_s
    assert () == results[0].outcome.participants


@pytest.mark.parametrize("name", [*SPLIT, "fl"])
def test_empty_at_the_very_deadline(name: str) -> None:
    """Both at 0.5 s: it has left, and the next rounds are the other's."""
    world, results = run_timeline(setting([0.5, PLENTY_J]), name, 1, count=3, deadline_s=0.5)
    assert {0: 0.5} == world.departed_at_s
    assert [()] * 3 == [result.outcome.participants for result in results]


@pytest.mark.parametrize("at_s", [0.0, 1.0, 1000.0, 1e6])
def test_a_charge_that_is_short_by_rounding_is_enough(at_s: float) -> None:
    """0.3 − 0.1 − 0.1 is less than 0.1 by one bit: the last job is done, to rounding, and nothing breaks."""
    case = setting([0.3, PLENTY_J])
    world = World(case.server, case.fleet, case.links, faults=faults(case.fleet))
    world.env.run(until=at_s + 1e-3)

    def three_jobs(device: Any) -> Generator[Any, Any, None]:
        for _ in range(3):
            yield device.compute(CLIENT_FORWARD, 0.1)

    world.env.run(until=world.start(three_jobs, (0,)).finished)
    world.env.run(until=at_s + 10.0)
    assert 0.3 == pytest.approx(spent(world.record.frame(), 0))
    assert all(at_s + 0.301 == pytest.approx(left_s) for left_s in world.departed_at_s.values())


@st.composite
def cases(draw: st.DrawFn, name: str) -> tuple[Setting, int, dict[str, Any]]:
    """Return a setting in which compute costs about as much as sending, a cut, and options of a run."""
    free = draw(settings_of(service=draw(st.sampled_from(["barrier", "arrival"])), max_clients=3))
    free = replace(
        free,
        fleet=replace(free.fleet, switched_capacitance=np.full(free.clients, draw(positive(1e-30, 1e-27)))),
    )
    cut = draw(st.integers(1, len(free.units) - 1))
    round_s = run_timeline(free, name, cut)[1][0].end_s or 1.0
    options: dict[str, Any] = {"count": 4}
    if draw(st.booleans()):
        options["deadline_s"] = round_s * draw(st.floats(0.05, 1))
    if draw(st.booleans()):
        seed = draw(st.integers(0, 99))
        options["speeds"] = [
            SlowdownTrace(5.0, round_s, round_s / 3, stream(seed, "slowdown", i)) for i in range(free.clients)
        ]
    if name != "sl" and draw(st.booleans()):
        options["sharing"] = turns(free, round_s * draw(st.floats(0.02, 0.5)))
    return free, cut, options


@pytest.mark.parametrize("name", [*SPLIT, "fl"])
@given(data=st.data())
def test_nobody_spends_what_it_does_not_have(name: str, data: st.DataObject) -> None:
    """Whatever happens, a device spends its battery at most; who left has spent all and did nothing since."""
    case, cut, options = data.draw(cases(name))
    need_j = spent(run_timeline(case, name, cut)[0].record.frame(), 0)
    battery_j = [need_j * data.draw(st.one_of(st.just(1.0), st.floats(0.01, 5))) for _ in range(case.clients)]
    with_batteries = replace(case, fleet=replace(case.fleet, battery_j=np.array(battery_j)))
    world, results = run_timeline(with_batteries, name, cut, **options)
    table = world.record.frame()
    for client, charge_j in enumerate(battery_j):
        rows = table[table["node"] == f"device-{client}"]
        left_s = world.departed_at_s.get(client, np.inf)
        power_w = max(1.0, case.fleet.switched_capacitance[client] * case.fleet.clock_hz[client] ** 3)
        rounding_j = 1e-9 * charge_j + 1e-15 * results[-1].end_s * power_w  # of sums, and of the clock
        assert spent(table, client) <= charge_j + rounding_j
        assert (rows["end_s"] <= left_s * (1 + 1e-12)).all()
        if client in world.departed_at_s:
            assert charge_j == pytest.approx(spent(table, client), abs=rounding_j)
        assert (client in world.clients) == (client not in world.departed_at_s)
        for result, start_s in zip(results, [0.0, *(r.end_s for r in results)], strict=False):
            assert client not in result.outcome.participants or start_s < left_s
    assert len(results) == 4 or not world.clients


def with_powers(case: Setting, idle_w: float, receive_w: float, circuit_w: float) -> Setting:
    """Return the setting with these powers of each device."""
    ones = np.ones(case.clients)
    powers: dict[str, Any] = {
        "power_idle_w": idle_w * ones,
        "power_receive_w": receive_w * ones,
        "power_circuit_w": circuit_w * ones,
    }
    return replace(case, fleet=replace(case.fleet, **powers))


@pytest.mark.parametrize(
    ("name", "powers", "battery_j", "left_s", "participants"),
    [
        ("psl", (0.5, 0.0, 0.0), 3.0, 4.0, [(0, 1), (1,)]),  # idle from 2 to 6 s
        ("psl", (0.5, 0.0, 0.0), 4.5, 7.5, [(0, 1), (1,)]),  # 4 J by 7 s, then backward
        ("psl", (0.0, 1.0, 0.0), 2.5, 6.5, [(0, 1), (1,)]),  # while it receives, from 6 to 7 s
        ("psl", (0.0, 0.0, 1.0), 2.5, 1.75, [(1,), (1,)]),  # its uplink costs 2 W, from 1 s on
        ("sl", (1.0, 0.0, 0.0), 3.5, 3.5, [(1,), (1,)]),  # while the server works for it, in its turn
        ("sl", (1.0, 0.0, 0.0), 10.0, 11.0, [(0, 1), (1,)]),  # idle from 8 s on, in the other's turn
        ("fl", (1.0, 0.0, 0.0), 7.5, 9.5, [(0, 1), (1,)]),  # from 7 to 9 s it receives: that is not idle
        ("fl", (0.0, 1.0, 0.0), 8.0, 8.0, [(0, 1), (1,)]),  # while it receives the average, from 7 s on
    ],
)
def test_a_battery_is_empty_while_idle_or_receiving(
    name: str,
    powers: tuple[float, float, float],
    battery_j: float,
    left_s: float,
    participants: list[tuple[int, ...]],
) -> None:
    """By hand: idle time, reception and circuits drain the battery, and the device leaves at that instant."""
    case = with_powers(setting([battery_j, PLENTY_J]), *powers)
    world, results = run_timeline(case, name, 1, count=2)
    assert {0: left_s} == pytest.approx(world.departed_at_s)
    assert participants == [result.outcome.participants for result in results]


def further_j(results: list[Any], client: int) -> float:
    """Return the energy of a device's receiver and of its idle time."""
    total = 0.0
    for result in results:
        if client in result.times.clients:
            row = result.times.clients.index(client)
            total += float(result.times.idle_j[row] + result.times.receive_j[row])
    return total


@pytest.mark.parametrize("name", [*SPLIT, "fl"])
@settings(max_examples=20)
@given(data=st.data())
def test_a_battery_supplies_all_that_its_device_spends(name: str, data: st.DataObject) -> None:
    """A device that left has spent its battery on compute, uplinks, receptions and idle time, to rounding."""
    free, cut, options = data.draw(cases(name))
    watts = st.one_of(st.just(0.0), st.floats(0.01, 2))
    case = with_powers(free, data.draw(watts), data.draw(watts), data.draw(st.floats(0.01, 2)))
    powers = case.fleet.powers(0)
    whole, ran = run_timeline(case, name, cut)
    need_j = spent(whole.record.frame(), 0) + further_j(ran, 0)
    battery_j = [need_j * data.draw(st.floats(0.01, 5)) for _ in range(case.clients)]
    case = replace(case, fleet=replace(case.fleet, battery_j=np.array(battery_j)))
    world, results = run_timeline(case, name, cut, **options)
    table = world.record.frame()
    for client, charge_j in enumerate(battery_j):
        total_j = spent(table, client) + further_j(results, client)
        power_w = (
            1.0 + sum(powers) + case.fleet.switched_capacitance[client] * case.fleet.clock_hz[client] ** 3
        )
        rounding_j = 1e-9 * charge_j + 1e-14 * results[-1].end_s * power_w
        assert total_j <= charge_j + rounding_j
        if client in world.departed_at_s:
            assert charge_j == pytest.approx(total_j, abs=rounding_j)
    assert len(results) == 4 or not world.clients


@pytest.mark.parametrize("name", [*SPLIT, "fl", "centralised"])
@given(data=st.data())
def test_a_battery_that_lasts_changes_nothing(name: str, data: st.DataObject) -> None:
    """With more than is needed the timeline is that of a run without batteries, to the last bit."""
    case, cut, options = data.draw(cases(name))
    seed = data.draw(st.integers(0, 99))
    prints = []
    for battery_j in (None, np.full(case.clients, PLENTY_J)):
        if "speeds" in options:
            options["speeds"] = [
                SlowdownTrace(5.0, 1.0, 1.0, stream(seed, "slowdown", i)) for i in range(case.clients)
            ]
        if "sharing" in options:
            options["sharing"] = turns(case, options["sharing"][0]._slot_s)
        charged = replace(case, fleet=replace(case.fleet, battery_j=battery_j))
        prints.append(run_timeline(charged, name, cut, **options)[0].record.fingerprint())
    assert prints[0] == prints[1]


SCENARIO = """\
name: batteries
stop: {rounds: 40}
schemes: [sl, sfl, psl, {name: epsl, phi: 0.5}, fl]
batch_size: 16
model: {name: lenet, input_shape: [1, 28, 28], classes: 10}
devices: {count: 3, battery_j: [0.05, 0.5, 1000]}
allocation: {cut: 2}
"""


@pytest.mark.parametrize("sharing", ["dedicated", "work_conserving", "tdma"])
def test_the_run_folder_tells_who_left(tmp_path: Path, sharing: str) -> None:
    """Who left and when stands with the devices; their energies sum up to their batteries."""
    (tmp_path / "batteries.yaml").write_text(SCENARIO + f"radio: {{sharing: {sharing}}}\n")
    run = cutlayer.run(tmp_path / "batteries.yaml", out=tmp_path / "run")
    for label, figures in run.summary["schemes"].items():
        devices = run.devices[run.devices["label"] == label].set_index("device")
        spent_j = devices["compute_energy_j"] + devices["uplink_energy_j"]
        gone = devices["left_at_s"].notna()
        assert gone[0], "0.05 J last no 40 rounds"
        assert not gone[2]
        assert devices.loc[gone, "left_at_s"].tolist() == list(figures["left_at_s"].values())
        assert [0.05, 0.5][: gone.sum()] == pytest.approx(spent_j[gone].tolist(), rel=1e-9)
