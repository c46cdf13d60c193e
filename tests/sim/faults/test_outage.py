"""Outages: the times in which links work, drawn or from a file."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.random_streams import stream
from cutlayer.scenarios.schema.scenario import Scenario
from cutlayer.sim.faults.outage import DrawnOutages, OutageTrace, RecordedOutages, outage_fault
from cutlayer.sim.nodes.on_off_process import OnOffProcess
from cutlayer.sim.nodes.step_trace import StepTrace
from cutlayer.sim.timeline.event_log import EventKind
from tests.support.worlds import experiment, fleet, trials


def drawn(seed: int) -> DrawnOutages:
    """Return outages of 1 s in the mean, after 3 s in the mean."""
    return DrawnOutages(OnOffProcess(3.0, 1.0, stream(seed, "outage", 0)), restarts=False)


@given(st.integers(0, 50), st.floats(0, 40), st.floats(0, 20))
def test_states_are_the_times_in_which_the_links_do_not_work(
    seed: int, start_s: float, long_s: float
) -> None:
    """States lie in order between the two instants, and with the working time they fill it."""
    trace, end_s = drawn(seed), start_s + long_s
    states = list(trace.states(start_s, end_s))
    assert all(EventKind.OUTAGE == state.kind for state in states)
    assert all(start_s <= state.start_s < state.end_s <= end_s for state in states)
    assert all(before.end_s < after.start_s for before, after in pairwise(states))
    down_s = sum(state.end_s - state.start_s for state in states)
    assert end_s - start_s - down_s == pytest.approx(trace.done(start_s, end_s), abs=1e-9)
    assert all(0.0 == trace.at(state.start_s)[0] for state in states)


def test_equal_rows_of_a_file_are_one_outage() -> None:
    """A row that repeats the state of the row before does not end the outage."""
    trace = RecordedOutages(StepTrace([0.0, 1.0, 2.0, 4.0], [1.0, 0.0, 0.0, 1.0]), restarts=False)
    assert [(1.0, 4.0)] == [(state.start_s, state.end_s) for state in trace.states(0.0, 9.0)]
    assert [(1.5, 3.0)] == [(state.start_s, state.end_s) for state in trace.states(1.5, 3.0)]


def test_the_share_of_outages() -> None:
    """Links work for 3/(3+1) of the time: over a long time, and at time 0 over many seeds."""
    assert 0.75 == pytest.approx(drawn(1).done(0.0, 40_000.0) / 40_000.0, abs=0.01)
    assert 0.75 == pytest.approx(sum(drawn(seed).at(0.0)[0] for seed in range(2_000)) / 2_000, abs=0.03)


def outages_of(section: dict[str, Any], device: int) -> OutageTrace | None:
    """Return the outages of one of three devices."""
    scenario = Scenario.model_validate(
        {
            "name": "outages",
            "stop": {"rounds": 1},
            "schemes": ["psl"],
            "model": {"name": "lenet"},
            "faults": {"outage": section},
        }
    )
    fault = outage_fault(scenario, fleet([1.0] * 3, [1.0] * 3))
    if fault is None or fault.interruptions is None:
        return None
    trace = fault.interruptions(device)
    assert trace is None or isinstance(trace, OutageTrace)
    return trace


def test_a_file_by_hand(tmp_path: Path) -> None:
    """Device 1 is interrupted from 2 s to 5 s; before its first row and in other devices all works."""
    path = tmp_path / "outages.csv"
    path.write_text("device,time_s,up\n1,5,1\n1,2,0\n2,0,1\n", encoding="ascii")
    one = outages_of({"file": str(path)}, 1)
    assert one is not None
    assert [(1.0, 2.0), (0.0, 5.0), (1.0, math.inf)] == [one.at(time_s) for time_s in (0.0, 2.0, 5.0)]
    assert outages_of({"file": str(path)}, 0) is None
    assert outages_of({"file": str(path)}, 2) is None


def test_outages_that_never_begin_are_no_fault(tmp_path: Path) -> None:
    """An infinite mean time, or a file without an outage, costs nothing."""
    path = tmp_path / "outages.csv"
    path.write_text("device,time_s,up\n1,5,1\n", encoding="ascii")
    assert outages_of({"file": str(path)}, 1) is None
    assert outages_of({"mean_up_s": math.inf, "mean_down_s": 1.0}, 0) is None
    never = trials(experiment(faults={"outage": {"mean_up_s": math.inf, "mean_down_s": 1.0}}))["psl"]
    assert trials(experiment())["psl"].world.record.fingerprint() == never.world.record.fingerprint()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0,0,0.5\n", "line 2: up must be 0 or 1"),
        ("0,0,2\n", "line 2: up is 2; it must be from 0 to 1"),
        ("7,0,1\n", "line 2: device 7 is none of 0 to 2"),
        ("0,-1,1\n", "line 2 must hold finite numbers, and no time before 0"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(tmp_path: Path, rows: str, message: str) -> None:
    """The message names the key, the file and the line, before anything is run."""
    path = tmp_path / "outages.csv"
    path.write_text(f"device,time_s,up\n{rows}", encoding="ascii")
    with pytest.raises(ScenarioError, match=f"faults.outage.file: .*{message}"):
        experiment(faults={"outage": {"file": str(path)}})


def test_an_outage_that_never_ends_is_refused() -> None:
    """No transfer would end; the message says so."""
    with pytest.raises(ScenarioError, match="mean_down_s must be finite"):
        experiment(faults={"outage": {"mean_up_s": 1.0, "mean_down_s": math.inf}})
