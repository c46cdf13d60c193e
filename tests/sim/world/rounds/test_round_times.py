"""Idle and receive times and energies of devices, against sums that are computed in another way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cutlayer
from cutlayer.sim.links.schedulers import Tdma
from cutlayer.sim.schemes.base import TrainingTask
from cutlayer.sim.timeline.interval_record import IntervalRecord
from cutlayer.sim.timeline.phases import CLIENT_FORWARD, DOWNLINK, UPLINK
from cutlayer.sim.world.rounds.round_times import RoundTimes, round_times
from cutlayer.sim.world.world import World
from tests.support.worlds import Setting, make_scheme, run_scheme_rounds, run_timeline, settings_of

SCHEMES = ["sl", "sfl", "sfl_v2", "psl", "epsl", "fl"]


@st.composite
def powered_settings(draw: st.DrawFn) -> Setting:
    """Return any setting whose devices have powers for idling, receiving and their circuits."""
    setting = draw(settings_of(service=draw(st.sampled_from(["barrier", "arrival"])), max_clients=3))
    powers: dict[str, Any] = {
        f"power_{name}_w": np.array([draw(st.floats(0.01, 10)) for _ in range(setting.clients)])
        for name in ("idle", "receive", "circuit")
    }
    return replace(setting, fleet=replace(setting.fleet, **powers))


def active_s(setting: Setting, table: pd.DataFrame, client: int, lane: str, number: int) -> float:
    """Return the time that a device spent on a lane in a round: bits over rate, or FLOPs over speed."""
    rows = table[(table["node"] == f"device-{client}") & (table["lane"] == lane) & (table["round"] == number)]
    if lane == "compute":
        return float(rows["flops"].sum() * setting.fleet.seconds_per_flop[client])
    rates_bps = setting.links.uplink_bps if lane == "uplink" else setting.links.downlink_bps
    broadcasts = rows[rows["bits"] == 0]  # their bits stand with the server
    listening_s = float((broadcasts["end_s"] - broadcasts["start_s"]).sum())
    return float(rows["bits"].sum() / rates_bps[client]) + listening_s


@settings(max_examples=15)
@given(powered_settings(), st.sampled_from(SCHEMES), st.floats(0.02, 0.5), st.booleans())
def test_busy_and_idle_time_are_the_whole_round(
    setting: Setting, name: str, slot: float, in_turns: bool
) -> None:
    """Each device is busy for as long as its FLOPs and bits take, and idle for the rest of the round.

    With TDMA a device is idle while another one has the band, although its own transfer goes on.
    """
    round_s = run_timeline(setting, name, 1)[1][0].end_s or 1.0
    sharing = None
    if in_turns and name != "sl":
        turns = (Tdma(setting.links, uplink=up, slot_s=slot * round_s) for up in (True, False))
        sharing = (next(turns), next(turns))
    world, results = run_timeline(setting, name, 1, count=2, sharing=sharing)
    table, start_s = world.record.frame(), 0.0
    for result in results:
        times = result.times
        assert times is not None
        in_round_s, start_s = result.end_s - start_s, result.end_s
        rounding_s = 1e-9 * result.end_s
        assert times.busy_s + times.idle_s == pytest.approx(np.full(setting.clients, in_round_s), rel=1e-9)
        for row, client in enumerate(times.clients):
            lanes = {
                lane: active_s(setting, table, client, lane, result.number)
                for lane in ("compute", "uplink", "downlink")
            }
            assert sum(lanes.values()) == pytest.approx(times.busy_s[row], rel=1e-9, abs=rounding_s)
            assert lanes["downlink"] == pytest.approx(times.receive_s[row], rel=1e-9, abs=rounding_s)
        idle_w, receive_w = setting.fleet.power_idle_w, setting.fleet.power_receive_w
        assert idle_w is not None
        assert receive_w is not None
        assert times.idle_s * idle_w == pytest.approx(times.idle_j)
        assert times.receive_s * receive_w == pytest.approx(times.receive_j)


@settings(max_examples=15)
@given(powered_settings(), st.sampled_from(SCHEMES), st.booleans())
def test_circuits_add_their_power_while_a_device_sends(setting: Setting, name: str, in_turns: bool) -> None:
    """An uplink costs radiated power and circuit power for bits over rate seconds; nothing else changes."""
    sharing = None
    if in_turns and name != "sl":
        sharing = (
            Tdma(setting.links, uplink=True, slot_s=1.0),
            Tdma(setting.links, uplink=False, slot_s=1.0),
        )
    table = run_timeline(setting, name, 1, sharing=sharing)[0].record.frame()
    circuit_w = setting.fleet.power_circuit_w
    assert circuit_w is not None
    for client in range(setting.clients):
        rows = table[(table["node"] == f"device-{client}") & (table["lane"] == "uplink")]
        air_s = rows["bits"].sum() / setting.links.uplink_bps[client]
        power_w = setting.links.uplink_w[client] + circuit_w[client]
        assert power_w * air_s == pytest.approx(rows["energy_j"].sum(), rel=1e-9)


@settings(max_examples=10)
@given(powered_settings(), st.sampled_from(SCHEMES))
def test_batches_have_the_same_times(setting: Setting, name: str) -> None:
    """Activities in batches and event by event have equal intervals, energies and idle times."""
    found: list[tuple[str, RoundTimes]] = []
    for batch in (True, False):
        world = World(setting.server, setting.fleet, setting.links, batch=batch)
        scheme = make_scheme(name, TrainingTask(setting.units, setting.batch_size))
        (result,) = run_scheme_rounds(scheme, world, 1)
        assert result.times is not None
        found.append((world.record.fingerprint(), result.times))
    (one, first), (other, second) = found
    assert one == other
    assert np.array_equal(first.idle_j, second.idle_j)
    assert np.array_equal(first.receive_j, second.receive_j)


def test_overlapping_activities_count_once() -> None:
    """A device computes from 0 to 4 s, and receives from 1 to 2 s and 3 to 6 s: it is idle for 4 of 10 s."""
    record = IntervalRecord(["server", "device-0", "device-1"])
    for phase, start_s, end_s in ((CLIENT_FORWARD, 0.0, 4.0), (DOWNLINK, 1.0, 2.0), (DOWNLINK, 3.0, 6.0)):
        record.append(1, phase, start_s, end_s, 0.0, 1.0, 0.0, 0.0, -1)
    record.append(2, UPLINK, 2.0, 3.0, 0.0, 1.0, 0.0, 0.0, -1)
    times = round_times(
        record.rows_from(0),
        [lane for _, lane in record.phases],
        (0, 1),
        np.array([10.0, 5.0]),
        ({}, {}),
        np.array([1.0, 2.0]),
        np.array([3.0, 4.0]),
    )
    assert [6.0, 1.0] == times.busy_s.tolist()
    assert [4.0, 4.0] == times.idle_s.tolist()
    assert [4.0, 8.0] == times.idle_j.tolist()
    assert [12.0, 0.0] == times.receive_j.tolist()


SCENARIO = """\
name: powers
stop: {rounds: 3}
schemes:
  - sl
  - sfl
  - psl
  - {name: epsl, phi: 0.5}
  - {name: fl, local_steps: 2}
  - edgesplit
  - esfl
  - {name: mpsl, first_units: 2}
  - {name: one_hop, first_units: 2, label: one_hop}
  - centralised
batch_size: 8
model: {name: lenet, input_shape: [1, 28, 28], classes: 10}
network: {nodes: [{name: node, count: 2}], wire: {rate_bps: 1.0e9}}
allocation: {cut: 2}
"""
DEVICES = "devices: {{count: 3, power_idle_w: {}, power_receive_w: [0.2, 0.3, 0.4], power_circuit_w: 0.5}}\n"


@pytest.mark.parametrize(
    "further",
    [
        "radio: {sharing: work_conserving, fading: {model: rayleigh, coherence_s: 0.01}}",
        "radio: {sharing: tdma}\nstragglers: {slowdown: {factor: 3, mean_normal_s: 0.1, mean_slow_s: 0.1}}",
        "round_policy: {deadline_s: 0.05}",
    ],
)
def test_energy_by_phase_and_by_device_sums_to_the_total(tmp_path: Path, further: str) -> None:
    """Rounds, stages and devices have one total energy; the devices' part is compute to idle, and no more."""
    path = tmp_path / "powers.yaml"
    path.write_text(SCENARIO + DEVICES.format("{uniform: [0.1, 0.2]}") + further + "\n", encoding="utf-8")
    run = cutlayer.run(path, out=tmp_path / "run", figures=False)
    for label, summary in run.summary["schemes"].items():
        rounds, stages, devices, intervals = (
            table[table["label"] == label] for table in (run.rounds, run.stages, run.devices, run.intervals)
        )
        own = ["compute_energy_j", "uplink_energy_j", "receive_energy_j", "idle_energy_j"]
        of_devices = devices[own].to_numpy().sum()
        further_j = devices[["receive_energy_j", "idle_energy_j"]].to_numpy().sum()
        total_j = intervals["energy_j"].sum() + further_j
        assert total_j == pytest.approx(rounds["energy_j"].sum(), rel=1e-12)
        assert total_j == pytest.approx(stages["energy_j"].sum(), rel=1e-12)
        assert total_j == pytest.approx(summary["energy_j"], rel=1e-12)
        assert of_devices == pytest.approx(summary["client_energy_j"], rel=1e-12)
        assert further_j == pytest.approx(summary["receive_energy_j"] + summary["idle_energy_j"], rel=1e-12)
        assert (further_j > 0) == (label != "centralised")
        server = intervals[~intervals["node"].str.startswith("device-")]["energy_j"].sum()
        assert total_j - of_devices == pytest.approx(server + devices["downlink_energy_j"].sum(), rel=1e-9)


def test_without_powers_nothing_changes(tmp_path: Path) -> None:
    """Powers change no instant; without them there are no rows of idle time, and both energies are 0."""
    runs = {}
    for name, devices in (("none", "devices: {count: 3}\n"), ("some", DEVICES.format(0.1))):
        path = tmp_path / f"{name}.yaml"
        path.write_text(SCENARIO + devices, encoding="utf-8")
        runs[name] = cutlayer.run(path, out=tmp_path / name, figures=False)
    none: Any = runs["none"]
    assert none.rounds["end_s"].tolist() == runs["some"].rounds["end_s"].tolist()
    assert not none.rounds[["receive_energy_j", "idle_energy_j"]].to_numpy().any()
    assert not {"receive", "idle"} & set(none.stages["phase"])
