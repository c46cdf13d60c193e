"""Round policies and availability for every scheme: the laws between policies, conservation, and no hang."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.registry import specs
from cutlayer.sim.faults.effects import AvailabilityTrace
from cutlayer.sim.world.world import World
from tests.support.worlds import Trial, experiment, trials

SCHEMES = [spec.name for spec in specs("scheme")]
SAMPLED = [name for name in SCHEMES if name not in ("mpsl", "one_hop")]
COUNT = 4
SLOW = {"slowdown": {"factor": 8.0, "mean_normal_s": 0.02, "mean_slow_s": 0.01}}
NETWORK = {"nodes": [{"name": "a", "clock_hz": 1e9}, {"name": "b", "clock_hz": 2e9}]}
ON_OFF = {"availability": {"mean_on_s": 0.08, "mean_off_s": 0.03}}
SHARING = ["dedicated", "work_conserving", "tdma"]
POLICIES: dict[str, dict[str, Any]] = {
    "wait": {"wait": "all"},
    "deadline": {"deadline_s": 0.02},
    "planned deadline": {"deadline": "1.2x"},
    "first": {"first": 2},
    "over-selection": {"over_select": 3, "first": 2},
    "quorum": {"deadline_s": 0.005, "quorum": 0.5},
    "quorum that gives up": {"deadline": "0.5x", "quorum": 1.0, "max_wait_s": 0.03},
}


def run(scheme: str, **sections: Any) -> Trial:
    """Run four rounds of a scheme with four devices that slow down."""
    small = {
        "schemes": [scheme],
        "devices": {"count": COUNT},
        "stop": {"rounds": 4},
        "stragglers": SLOW,
        "network": NETWORK,
        "radio": {"tdma_slot_s": 1e-3},
    }
    (trial,) = trials(experiment(**{**small, **sections})).values()
    return trial


def outcomes(trial: Trial) -> list[Any]:
    """Return all results of the rounds, and the hash of the timeline."""
    rounds = [(each.number, each.end_s, each.outcome, dict(each.left_out)) for each in trial.results]
    return [trial.world.record.fingerprint(), *rounds]


@pytest.mark.parametrize("service", ["barrier", "arrival"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_policies_without_effect_are_waiting_for_all(scheme: str, service: str) -> None:
    """The first C of C clients, a deadline of infinity, and all devices selected are no limit, to the bit."""
    given = {"server": {"service": service}}
    waiting = outcomes(run(scheme, **given))
    for policy in ({"first": COUNT}, {"deadline_s": math.inf}, {"over_select": COUNT, "first": COUNT}):
        assert waiting == outcomes(run(scheme, **given, round_policy=policy))
    always = {"availability": {"mean_on_s": math.inf, "mean_off_s": 1.0}}
    assert waiting == outcomes(run(scheme, **given, faults=always))


@pytest.mark.parametrize("scheme", SAMPLED)
def test_selecting_as_many_as_a_round_waits_for_is_sampling(scheme: str) -> None:
    """over_select: n with first: n equals participation of n devices, with and without that section."""
    sampled = outcomes(run(scheme, participation={"per_round": 3}))
    policy = {"over_select": 3, "first": 3}
    assert sampled == outcomes(run(scheme, round_policy=policy))
    assert sampled == outcomes(run(scheme, round_policy=policy, participation={"per_round": 1}))


def overlaps(table: pd.DataFrame) -> int:
    """Return how many intervals of a node's lane start before the one before has ended."""
    count = 0
    for _, lane in table.groupby(["node", "lane"], observed=True):
        ordered = lane.sort_values(["start_s", "end_s"])
        count += int((ordered["start_s"].to_numpy()[1:] < ordered["end_s"].to_numpy()[:-1]).sum())
    return count


def check_conservation(trial: Trial) -> None:
    """Check what no policy and no fault may break."""
    table, start_s = trial.world.record.frame(), 0.0
    assert 0 == overlaps(table)
    assert (table["wait_s"] >= 0).all()
    assert np.isfinite(table["end_s"]).all()
    assert (table["end_s"] > table["start_s"]).all()
    # compute nodes and wires may go on after a round
    in_round = table["node"].astype(str).str.startswith(("device-", "server"))
    for result in trial.results:
        rows = table[(table["round"] == result.number) & in_round]
        assert rows.empty or start_s <= rows["start_s"].min() <= rows["end_s"].max() <= result.end_s
        start_s = result.end_s
        participants, left_out = set(result.outcome.participants), dict(result.left_out)
        clients = set(trial.world.sampled_clients or range(COUNT))
        assert trial.world.sampled_clients or clients == participants | set(left_out)
        assert not participants & {client for client, reason in left_out.items() if reason == "late"}
        assert (result.outcome.updates == 0) == (not participants)


def check_uplinks(trial: Trial, phase: str) -> None:
    """Check that the uploads of clients that take part are whole, and that no client sends more."""
    table = trial.world.record.frame()
    rows = table[(table["phase"] == phase) & table["node"].astype(str).str.startswith("device-")]
    if rows.empty:
        return
    sizes = rows.groupby(["round", "node"], observed=True)["bits"].sum()
    whole = float(sizes.max())
    for result in trial.results:
        for client in result.outcome.participants:
            assert whole == pytest.approx(sizes[result.number, f"device-{client}"], rel=1e-9)
    assert (sizes <= whole * (1 + 1e-9)).all()


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_policy_with_every_scheme_conserves_or_is_refused(scheme: str, name: str) -> None:
    """With devices that go offline, rounds end and whole uploads count; or a message names both keys."""
    for number, sharing in enumerate(SHARING):
        sections = {
            "radio": {"sharing": sharing, "tdma_slot_s": 1e-3},
            "server": {"service": ["barrier", "arrival"][number % 2]},
            "round_policy": POLICIES[name],
            "faults": ON_OFF,
        }
        try:
            trial = run(scheme, **sections)
        except ScenarioError as error:
            key = "quorum" if scheme == "sl" else "over_select"
            assert key in str(error)
            assert scheme in str(error)
            assert key in POLICIES[name]
            return
        check_conservation(trial)
        if scheme in ("psl", "sfl", "epsl"):
            check_uplinks(trial, "uplink")
        if scheme == "fl":
            check_uplinks(trial, "model_upload")


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name != "centralised"])
def test_a_round_goes_on_with_the_first_clients(scheme: str) -> None:
    """Exactly two of four clients take part in every round, and the others are late."""
    trial = run(scheme, round_policy={"first": 2})
    for result in trial.results:
        assert 2 == len(result.outcome.participants)
        assert ["late"] * 2 == list(result.left_out.values())


def test_each_scheme_may_have_a_policy_of_its_own() -> None:
    """The policy of a scheme replaces the scenario's, and changes no other scheme."""
    schemes = ["psl", {"name": "psl", "label": "one", "round_policy": {"first": 1}}]
    given = {"devices": {"count": COUNT}, "stragglers": SLOW, "schemes": schemes}
    found = trials(experiment(**given, round_policy={"first": 3}))
    counts = {label: {len(r.outcome.participants) for r in each.results} for label, each in found.items()}
    assert {"psl": {3}, "one": {1}} == counts
    assert outcomes(run("psl", round_policy={"first": 3}))[1:4] == outcomes(found["psl"])[1:]


def test_over_selection_samples_more_clients_than_a_round_waits_for() -> None:
    """Of ten devices, four are sampled in each round, of which two take part and two are late."""
    trial = run("psl", devices={"count": 10}, round_policy={"over_select": 4, "first": 2})
    members = [(set(r.outcome.participants), set(r.left_out)) for r in trial.results]
    assert [(2, 2)] * 4 == [(len(participants), len(late)) for participants, late in members]
    assert len({frozenset(participants | late) for participants, late in members}) > 1


def test_a_planned_deadline_is_a_multiple_of_the_plan() -> None:
    """Without stragglers a deadline of the planned time leaves nobody out, and a tenth of it everybody."""
    calm = run("psl", stragglers=None)
    for multiple, participants in (("1.001x", (0, 1, 2, 3)), ("0.1x", ())):
        trial = run("psl", stragglers=None, round_policy={"deadline": multiple})
        assert {participants} == {result.outcome.participants for result in trial.results}
        if participants:
            assert calm.ends_s == trial.ends_s


def availabilities(world: World) -> list[AvailabilityTrace]:
    """Return the times online of each device."""
    traces = [world._faults.availability(device) for device in range(COUNT)]
    return [trace for trace in traces if trace is not None]


def test_every_scheme_meets_the_same_times_offline() -> None:
    """The states of devices at one instant are the same for each scheme, whatever its rounds are."""
    found = trials(
        experiment(schemes=["psl", "sl", "fl"], devices={"count": COUNT}, faults=ON_OFF, stop={"rounds": 6})
    )
    instants_s = np.linspace(0.0, 0.5, 101)
    states = {
        tuple(trace.is_online(t) for t in instants_s for trace in availabilities(trial.world))
        for trial in found.values()
    }
    assert 1 == len(states)
    for trial in found.values():
        assert any("offline" in result.left_out.values() for result in trial.results)


def test_sampled_clients_are_online_when_their_round_begins() -> None:
    """With participation, rounds select among the devices that are online at their start."""
    trial = run("psl", devices={"count": 30}, participation={"per_round": 3}, faults=ON_OFF)
    table = trial.world.record.frame()
    for result in trial.results:
        rows = table[table["round"] == result.number]
        start_s = rows["start_s"].min()
        members = set(result.outcome.participants) | set(result.left_out)
        assert 3 == len(members)
        for client in members:
            trace = trial.world._faults.availability(client)
            assert trace is not None
            assert trace.is_online(start_s)


@pytest.mark.parametrize("service", ["barrier", "arrival"])
def test_a_broadcast_does_not_wait_for_a_client_that_has_gone_offline(service: str, tmp_path: Path) -> None:
    """It ends as if the client, whose links stay interrupted from then on, did not exist."""
    sections: dict[str, Any] = {
        "schemes": [{"name": "epsl", "phi": 0.5}],
        "server": {"service": service, "clock_hz": 1e8},
        "stop": {"rounds": 1},
    }
    (plain,) = trials(experiment(**sections)).values()
    rows = plain.world.record.frame()
    at_server = rows[(rows["node"] == "server") & (rows["phase"] == "server_backward")]
    leaves_s = float(at_server["end_s"].max()) - 1e-6
    for name, column in (("online", "online"), ("up", "up")):
        (tmp_path / f"{name}.csv").write_text(f"device,time_s,{column}\n1,{leaves_s!r},0\n", encoding="utf-8")
    faults = {"availability": {"file": tmp_path / "online.csv"}, "outage": {"file": tmp_path / "up.csv"}}
    (trial,) = trials(experiment(**sections, faults=faults)).values()
    broadcast = trial.world.record.frame().query("phase == 'broadcast' and node == 'server'")
    assert 1 == len(broadcast)
    assert math.isfinite(broadcast["end_s"].item())
    assert {1: "offline"} == trial.results[0].left_out
