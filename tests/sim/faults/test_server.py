"""Slow-downs and failures of the server: what they do to its work, and how often they happen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.random_streams import stream
from cutlayer.sim.faults.load import LoadTrace
from cutlayer.sim.faults.server import FailureTrace
from cutlayer.sim.timeline.event_log import EventKind
from tests.sim.schemes.test_service import four_clients
from tests.support.worlds import experiment, run_timeline, trials

FAILING = {"mean_up_s": 0.02, "mean_down_s": 0.01}
SLOWING = {"slowdown": {"factor": 4, "mean_normal_s": 0.01, "mean_slow_s": 0.01}}
NODES = {"nodes": [{"name": f"node-{i}", "clock_hz": 1e9} for i in range(2)], "wire": {"rate_bps": 1e9}}


@pytest.mark.parametrize("server", [{"mean_up_s": float("inf"), "mean_down_s": 3},
                                    {"slowdown": {"factor": 1}},
                                    {"slowdown": {"mean_normal_s": float("inf")}}])  # fmt: skip
def test_a_server_that_never_fails_has_no_fault(server: dict[str, Any]) -> None:
    """A factor of 1 and infinite times between failures have no effect at all."""
    assert not experiment(faults={"server": server}).faults.faults


def test_work_goes_on_where_it_stopped() -> None:
    """The server is down from 11 to 14 s: of its 2 s of forward work from 10 s, 1 s is done before."""
    down = LoadTrace([11.0, 14.0], [0.0, 1.0], 0)
    world, _ = run_timeline(four_clients("barrier"), "psl", 1, server=down)
    table = world.record.frame()
    forward = table[table["phase"] == "server_forward"].iloc[0]
    assert [10.0, 21.0] == [forward["start_s"], forward["end_s"]]  # 8 s of work and 3 s without any
    backward = table[table["phase"] == "server_backward"].iloc[0]
    assert [21.0, 33.0] == [backward["start_s"], backward["end_s"]]


def test_a_queue_waits_for_the_server_too() -> None:
    """At half speed, each client takes 10 s in the queue, and the next one waits for it."""
    world, _ = run_timeline(four_clients("arrival"), "psl", 1, server=LoadTrace([0.0], [0.5], 0))
    table = world.record.frame()
    served = table[table["node"] == "server"]
    assert [2, 6, 12, 16, 22, 26, 32, 36] == served["start_s"].tolist()
    assert [6, 12, 16, 22, 26, 32, 36, 42] == served["end_s"].tolist()
    assert [0, 0, 9, 0, 15, 0, 22, 0] == served["wait_s"].tolist()


@pytest.mark.parametrize("name", ["edgesplit", "esfl", "sl", "sfl", "sfl_v2", "epsl", "fedsl", "centralised"])
@pytest.mark.parametrize("service", ["barrier", "arrival"])
def test_all_work_of_the_server_is_done_at_its_speed(name: str, service: str) -> None:
    """Whoever it works for and in whatever order, the work done in an interval is that of its FLOPs."""
    sections: dict[str, Any] = {"schemes": [name], "stop": {"rounds": 4}, "server": {"service": service}}
    ready = experiment(**sections, faults={"server": {**FAILING, **SLOWING}})
    (trial,) = trials(ready).values()
    table, capacity = trial.world.record.frame(), ready.faults.server_capacity
    assert capacity is not None
    rows = table[table["node"].astype(str).str.startswith("server") & (table["flops"] > 0)]
    assert len(rows)
    speeds = {node.name: node.seconds_per_flop for node in (trial.world.server, *trial.world.server_shares)}
    columns = (rows[column].tolist() for column in ("node", "flops", "start_s", "end_s"))
    for node, flops, start_s, end_s in zip(*columns, strict=True):
        done_s = capacity.done(start_s, end_s)
        assert flops * speeds[str(node)] == pytest.approx(done_s, rel=1e-6, abs=1e-15)
    (plain,) = trials(experiment(**sections)).values()
    assert plain.ends_s[-1] < trial.ends_s[-1]


def test_compute_nodes_do_not_fail_with_the_server() -> None:
    """Multi-hop schemes without work on the server run as without its faults, to the bit."""
    sections: dict[str, Any] = {"schemes": ["mpsl", "one_hop"], "network": NODES}
    plain = trials(experiment(**sections))
    failing = trials(experiment(**sections, faults={"server": FAILING}))
    for label, trial in plain.items():
        assert trial.world.record.fingerprint() == failing[label].world.record.fingerprint()


def test_every_scheme_meets_the_same_failures() -> None:
    """The failures are those of the scenario's seed alone."""
    faults = experiment(faults={"server": {**FAILING, **SLOWING}}).faults
    again = experiment(faults={"server": {**FAILING, **SLOWING}}, devices={"count": 7}, schemes=["sl"]).faults
    kinds = []
    for one, other in zip(faults.server_states, again.server_states, strict=True):
        states = list(one.states(0.0, 3.0))
        assert repr(states) == repr(list(other.states(0.0, 3.0)))
        kinds.append({state.kind for state in states})
    assert [{EventKind.SLOW}, {EventKind.DOWN}] == kinds


def test_share_of_time_in_failure() -> None:
    """Over a long time it is mean_down/(mean_up + mean_down), and over many servers at time 0 too."""
    trace = FailureTrace(3.0, 1.0, stream(1, "server failures"))
    down_s = sum(state.end_s - state.start_s for state in trace.states(0.0, 40_000.0))
    assert 0.25 == pytest.approx(down_s / 40_000.0, abs=0.01)
    down = [FailureTrace(3.0, 1.0, stream(seed, "server failures")).at(0.0)[0] == 0 for seed in range(2_000)]
    assert 0.25 == pytest.approx(np.mean(down), abs=0.03)


@given(st.integers(0, 50), st.floats(0, 20), st.floats(0, 20))
def test_states_and_work_agree(seed: int, start_s: float, long_s: float) -> None:
    """The time in failure and the work done add up to the time, whatever the two instants are."""
    trace = FailureTrace(3.0, 1.0, stream(seed, "server failures"))
    end_s = start_s + long_s
    states = list(trace.states(start_s, end_s))
    assert all(state.kind is EventKind.DOWN for state in states)
    instants = [start_s, *(at for state in states for at in (state.start_s, state.end_s)), end_s]
    assert instants == sorted(instants)
    down_s = sum(state.end_s - state.start_s for state in states)
    assert end_s - start_s == pytest.approx(down_s + trace.done(start_s, end_s), abs=1e-9)
