"""Measured rates of links: the two formats, and the transfers that they carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cutlayer.experiments.execution.scheme_run import make_world
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.sim.nodes.link_traces import read_delivery_trace, read_rates
from cutlayer.sim.timeline.phases import DOWNLINK, UPLINK
from tests.support.worlds import experiment

PACKET = 12_000.0


def written(path: Path, *lines: object) -> Path:
    """Write these lines to a file."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return path


def test_a_delivery_trace_by_hand(tmp_path: Path) -> None:
    """Two packets end at 1 ms, one at 3 ms and one at 5 ms; then the trace begins again."""
    trace = read_delivery_trace(written(tmp_path / "up", 1, 1, 3, 5))
    ends_ms = [1e3 * trace.duration_s(0.0, packets * PACKET) for packets in (1, 2, 3, 4, 5, 6, 8)]
    assert [0.5, 1.0, 3.0, 5.0, 5.5, 6.0, 10.0] == pytest.approx(ends_ms)
    assert 4 * PACKET / 5e-3 == pytest.approx(trace.mean)
    assert 1.5 * PACKET == pytest.approx(trace.done(0.5e-3, 2.5e-3))


def test_packets_of_time_zero_are_those_of_the_period_before(tmp_path: Path) -> None:
    """The stamps 0 and 4 are one instant of a repeated trace."""
    trace = read_delivery_trace(written(tmp_path / "up", 0, 2, 4))
    assert [2e-3, 3.5e-3, 4e-3, 6e-3] == pytest.approx(
        [trace.duration_s(0.0, n * PACKET) for n in (1, 2, 3, 4)]
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "must have a line with a time after 0 ms"),
        ([0, 0], "must have a line with a time after 0 ms"),
        ([3, 2], "line 2 is 2 ms, before the 3 ms of the line above"),
        ([1, "x"], "line 2 must be a time in milliseconds"),
        ([1, -3], "line 2 must be a time in milliseconds"),
        ([1, "9" * 40], "line 2 must be a time in milliseconds"),
    ],
)
def test_a_delivery_trace_that_breaks_a_rule_is_refused(
    tmp_path: Path, lines: list[Any], message: str
) -> None:
    """The message names the file and the line."""
    path = written(tmp_path / "up", *lines)
    with pytest.raises(ValueError, match=message) as refused:
        read_delivery_trace(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0,0,1,1"], "no rates are given for device 1 at time 0"),
        (["0,0,1,1", "1,5,1,1"], "no rates are given for device 1 at time 0"),
        (["0,0,1,1", "1,0,0,1"], "uplink_bps of device 1 is 0 at all times"),
        (["0,0,1,1", "2,0,1,1"], "line 3: device 2 is none of 0 to 1"),
        (["0,0,1,1", "1,0,-1,1"], "line 3: uplink_bps is -1; it must be from 0"),
        (["0,0,1,1", "0,0,1,1"], "line 3: given twice"),
        (["0,0,1,nan", "1,0,1,1"], "line 2 must hold finite numbers"),
        (["0,-1,1,1", "1,0,1,1"], "line 2 must hold finite numbers, and no time before 0"),
    ],
)
def test_a_table_of_rates_that_breaks_a_rule_is_refused(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    """The message names the line."""
    path = written(tmp_path / "rates.csv", "device,time_s,uplink_bps,downlink_bps", *lines)
    with pytest.raises(ValueError, match=message):
        read_rates(path, 2)


def test_transfers_and_broadcasts_follow_the_measured_rates(tmp_path: Path) -> None:
    """Device 0 sends 4 bits at 2 and then 1 bit/s; a broadcast ends with the slower device's copy."""
    path = written(
        tmp_path / "rates.csv",
        "device,time_s,uplink_bps,downlink_bps",
        "0,0,2,4", "0,1,1,4", "1,0,1,0", "1,3,1,2",
    )  # fmt: skip
    ready = experiment(devices={"count": 2, "link_trace": str(path)})
    assert ready.fleet.link_traces is not None
    assert [2.0, 1.0] == ready.fleet.link_traces.mean_uplink_bps.tolist()
    (scheme, plan), *_ = ready.schemes
    live, _ = make_world(ready, scheme, plan)
    live.device(0).uplink(UPLINK, 4.0)
    live.device(1).downlink(DOWNLINK, 2.0)
    assert [3.0, 4.0] == live.record.frame()["end_s"].tolist()
    live, _ = make_world(ready, scheme, plan)
    live.server.broadcast(DOWNLINK, 4.0, (0, 1))
    assert [(0.0, 5.0, 4.0)] == list(
        live.record.frame()[["start_s", "end_s", "bits"]].itertuples(index=False, name=None)
    )


def test_each_device_may_have_a_delivery_trace_of_its_own(tmp_path: Path) -> None:
    """A list has one file for each device; another number of files is refused."""
    fast, slow = written(tmp_path / "fast", 1), written(tmp_path / "slow", 2)
    files = {"uplink": [str(fast), str(slow)], "downlink": str(fast)}
    ready = experiment(devices={"count": 2, "link_trace": files})
    assert [12e6, 6e6] == pytest.approx(ready.fleet.uplink_bps)
    assert [12e6, 12e6] == pytest.approx(ready.fleet.downlink_bps)
    names = {record["key"] for record in ready.named_files.records(None)}
    assert {f"devices.link_trace.{key}" for key in ("uplink.0", "uplink.1", "downlink")} == names
    with pytest.raises(
        ScenarioError, match=r"devices\.link_trace\.uplink.*lists 2 values; devices\.count is 3"
    ):
        experiment(devices={"count": 3, "link_trace": files})


def test_measured_rates_exclude_the_radio(tmp_path: Path) -> None:
    """A sharing of the band, or a loss by signal-to-noise ratio, is refused with both keys."""
    path = str(written(tmp_path / "up", 1))
    devices = {"count": 2, "link_trace": {"uplink": path, "downlink": path}}
    with pytest.raises(ScenarioError, match=r"radio\.sharing.*devices\.link_trace"):
        experiment(devices=devices, radio={"sharing": "tdma"})
    curve = written(tmp_path / "bler.csv", "snr_db,bler", "0,1", "10,0")
    with pytest.raises(ScenarioError, match=r"faults\.packet_loss\.by.*devices\.link_trace"):
        experiment(devices=devices, faults={"packet_loss": {"by": "snr", "file": str(curve)}})
    with pytest.raises(ScenarioError, match="link_trace gives the rates already"):
        experiment(devices={**devices, "uplink_bps": 1e6, "downlink_bps": 1e6})
