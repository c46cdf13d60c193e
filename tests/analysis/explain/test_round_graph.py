"""The dependencies of a round: contiguous paths, shared responsibility, and slack that is true."""

from __future__ import annotations

import math
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cutlayer.analysis.explain.activities import activities_of
from cutlayer.analysis.explain.causes import Cause, NodeEvents, PlannedSpeeds
from cutlayer.analysis.explain.round_graph import RoundGraph, Step
from cutlayer.analysis.explain.segments import Segment, Segments
from cutlayer.sim.links.schedulers import Tdma
from tests.support.explained_rounds import graphs, interval_table, simulated, with_clock
from tests.support.worlds import Setting, experiment, settings_of, trials

PARALLEL = ["sfl", "sfl_v2", "psl", "epsl", "fl"]
SIMPLE = [*PARALLEL, "sl", "centralised"]
NODES = {
    "batch_size": 4,
    "model": {"name": "lenet", "input_shape": [1, 28, 28], "classes": 10},
    "devices": {"count": 3, "clock_hz": [1e8, 2e8, 3e8]},
    "network": {"nodes": [{"name": "node", "count": 2}], "wire": {"rate_bps": 1e8, "delay_s": 1e-4}},
}


def _segments(graph: RoundGraph) -> list[Segment]:
    return Segments(PlannedSpeeds(), NodeEvents(pd.DataFrame())).of_path(graph)


def _shares(graph: RoundGraph) -> list[Segment]:
    return list(Segments(PlannedSpeeds(), NodeEvents(pd.DataFrame())).of_round(graph))


def _check_laws(graph: RoundGraph) -> None:
    """Check all laws that hold for every round of every scheme."""
    length_s = graph.end_s - graph.start_s
    segments = _segments(graph)
    tolerance_s = 1e-9 * length_s
    assert segments[0].start_s == graph.start_s
    assert all(one.end_s == other.start_s for one, other in pairwise(segments))
    assert abs(math.fsum(s.end_s - s.start_s for s in segments) - length_s) <= tolerance_s
    assert abs(math.fsum(math.fsum(s.causes_s.values()) for s in segments) - length_s) <= tolerance_s
    shares = _shares(graph)
    assert abs(math.fsum(s.weight * (s.end_s - s.start_s) for s in shares) - length_s) <= tolerance_s
    on_path = {s.row for s in segments} | {s.row for s in shares}
    for step in graph.steps:
        assert step.slack_s >= 0
        if step.activity is not None and step.activity.row in on_path:
            assert 0 == step.slack_s


def _blamed(graph: RoundGraph) -> set[int]:
    """Return the clients on the critical path, or tied with one on it."""
    return {step.activity.client for step in graph.steps if step.weight and step.activity is not None}


@given(settings_of(), st.sampled_from(SIMPLE), st.data())
def test_laws_hold_behind_a_barrier(setting: Setting, name: str, data: st.DataObject) -> None:
    """Segments follow each other and sum to the round, and only steps without slack are on the path."""
    cut = data.draw(st.integers(1, len(setting.units.units) - 1))
    for graph in simulated(setting, name, cut, count=3)[0]:
        _check_laws(graph)


@given(settings_of(service="arrival"), st.sampled_from(PARALLEL), st.data())
def test_laws_hold_with_service_on_arrival(setting: Setting, name: str, data: st.DataObject) -> None:
    """The same laws hold where the server has a queue."""
    cut = data.draw(st.integers(1, len(setting.units.units) - 1))
    for graph in simulated(setting, name, cut, count=2)[0]:
        _check_laws(graph)


@given(settings_of(service="arrival"), st.sampled_from(PARALLEL), st.data())
def test_laws_hold_with_time_slots(setting: Setting, name: str, data: st.DataObject) -> None:
    """The same laws hold where clients wait for slots of a shared band."""
    cut = data.draw(st.integers(1, len(setting.units.units) - 1))
    units, batch = setting.units, setting.batch_size
    most_bits = max(float(units.parameter_bits.sum()), batch * float(units.activation_bits.max()))
    slot_s = 0.1 * most_bits / float(min(setting.links.uplink_bps.min(), setting.links.downlink_bps.min()))
    sharing = (
        Tdma(setting.links, uplink=True, slot_s=slot_s),
        Tdma(setting.links, uplink=False, slot_s=slot_s),
    )
    for graph in simulated(setting, name, cut, sharing=sharing)[0]:
        _check_laws(graph)


@given(settings_of(), st.sampled_from(PARALLEL), st.floats(0.1, 0.9), st.data())
def test_laws_hold_with_a_deadline(setting: Setting, name: str, part: float, data: st.DataObject) -> None:
    """The same laws hold for rounds that go on without late clients."""
    cut = data.draw(st.integers(1, len(setting.units.units) - 1))
    _, (end_s,) = simulated(setting, name, cut)
    for graph in simulated(setting, name, cut, count=2, deadline_s=part * end_s)[0]:
        if graph.end_s > graph.start_s:
            _check_laws(graph)


@pytest.mark.parametrize("name", ["mpsl", "one_hop", "edgesplit", "esfl", "fedsl", "epsl_pt"])
def test_laws_hold_with_compute_nodes_and_shares(name: str) -> None:
    """The same laws hold over wires with delays, and on shares of the server and of the band."""
    sections = (
        dict(NODES) if name in ("mpsl", "one_hop") else {k: v for k, v in NODES.items() if k != "network"}
    )
    scheme = {"name": name, "batches": 2} if name in ("mpsl", "one_hop") else {"name": name}
    (trial,) = trials(experiment(**sections, schemes=[scheme])).values()
    for graph in graphs(trial.world.record.frame(), trial.ends_s):
        _check_laws(graph)


@given(settings_of(max_clients=4), st.sampled_from([*PARALLEL, "sl"]), st.data())
def test_a_faster_device_off_the_path_changes_nothing(
    setting: Setting, name: str, data: st.DataObject
) -> None:
    """Rounds end at the same instants if a device is faster that bears no part of the responsibility."""
    cut = data.draw(st.integers(1, len(setting.units.units) - 1))
    (graph,), ends_s = simulated(setting, name, cut)
    free = sorted(set(range(setting.clients)) - _blamed(graph))
    assume(free)
    device = data.draw(st.sampled_from(free))
    faster = with_clock(setting, device, data.draw(st.sampled_from([1.5, 2.0, 100.0])))
    assert ends_s == simulated(faster, name, cut)[1]


def _compute_s(graph: RoundGraph, client: int) -> float:
    steps = [step for step in graph.steps if step.activity is not None and step.activity.is_on_device]
    return sum(
        step.end_s - step.start_s
        for step in steps
        if step.activity is not None and (step.activity.client, step.activity.lane) == (client, "compute")
    )


@given(settings_of(max_clients=4), st.sampled_from(PARALLEL), st.floats(0.01, 0.99), st.data())
def test_a_device_can_be_later_by_its_slack(
    setting: Setting, name: str, part: float, data: st.DataObject
) -> None:
    """A device whose computations take longer by less than its slack does not change the round."""
    cut = data.draw(st.integers(1, len(setting.units.units) - 1))
    (graph,), ends_s = simulated(setting, name, cut)
    slack = {client: step.slack_s for client, step in graph.client_slack().items()}
    later = [c for c, slack_s in slack.items() if slack_s > 1e-6 * ends_s[0] and _compute_s(graph, c) > 0]
    assume(later)
    device = data.draw(st.sampled_from(later))
    compute_s = _compute_s(graph, device)
    slower = with_clock(setting, device, compute_s / (compute_s + part * slack[device]))
    assert ends_s == simulated(slower, name, cut)[1]


@given(settings_of(max_clients=4), st.floats(1.01, 3.0), st.data())
def test_a_device_that_is_later_than_its_slack_holds_up_the_round(
    setting: Setting, excess: float, data: st.DataObject
) -> None:
    """In FedAvg a device whose training takes longer by more than its slack ends the round later."""
    (graph,), ends_s = simulated(setting, "fl", 1)
    slack = {client: step.slack_s for client, step in graph.client_slack().items()}
    later = [c for c, slack_s in slack.items() if slack_s > 1e-6 * ends_s[0] and _compute_s(graph, c) > 0]
    assume(later)
    device = data.draw(st.sampled_from(later))
    compute_s = _compute_s(graph, device)
    slower = with_clock(setting, device, compute_s / (compute_s + excess * slack[device]))
    assert simulated(slower, "fl", 1)[1] > ends_s


def _steps(graph: RoundGraph) -> list[tuple[str, str, str]]:
    path: list[Step] = graph.path()
    return [(s.activity.node, s.activity.phase, s.begins) for s in path if s.activity is not None]


def test_a_queue_leads_to_the_client_before() -> None:
    """The path of a client that waited at the server goes through the work that it waited for."""
    table = interval_table(
        ("device-0", "uplink", "uplink", 0.0, 2.0, {"bits": 1.0}),
        ("device-1", "uplink", "uplink", 0.0, 3.0, {"bits": 1.0}),
        ("server", "compute", "server_forward", 2.0, 6.0, {"flops": 1.0, "client": 0}),
        ("server", "compute", "server_forward", 6.0, 9.0, {"flops": 1.0, "client": 1, "wait_s": 3.0}),
    )
    graph = RoundGraph(activities_of(table), 0.0, 9.0)
    expected = [
        ("device-0", "uplink", "start"),
        ("server", "server_forward", "previous"),
        ("server", "server_forward", "queue"),
    ]
    assert expected == _steps(graph)
    assert {0: 0.0, 1: 3.0} == {client: step.slack_s for client, step in graph.client_slack().items()}
    assert [0.0, 3.0, 0.0] == [segment.causes_s.get(Cause.QUEUE, 0.0) for segment in _segments(graph)]


def test_tied_clients_bear_equal_parts() -> None:
    """Of three clients that arrive together each bears a third, and the path takes the lowest number."""
    uploads = [(f"device-{n}", "uplink", "uplink", 0.0, 3.0, {"bits": 1.0}) for n in (2, 0, 1)]
    table = interval_table(*uploads, ("server", "compute", "server_forward", 3.0, 4.0, {"flops": 1.0}))
    graph = RoundGraph(activities_of(table), 0.0, 4.0)
    assert [("device-0", "uplink", "start"), ("server", "server_forward", "barrier")] == _steps(graph)
    shares = {s.node: s.weight for s in _shares(graph)}
    assert {"device-0": 1 / 3, "device-1": 1 / 3, "device-2": 1 / 3, "server": 1.0} == shares


def test_late_clients_are_those_that_a_round_waited_for() -> None:
    """At a deadline the path goes through the client that had got least far, and all late ones are tied."""
    table = interval_table(
        ("device-0", "compute", "client_forward", 0.0, 1.0, {"flops": 4.0}),
        ("device-1", "compute", "client_forward", 0.0, 3.0, {"flops": 4.0}),
        ("device-2", "compute", "client_forward", 0.0, 5.0, {"flops": 2.0}),
        ("device-0", "uplink", "uplink", 1.0, 2.0, {"bits": 4.0}),
        ("device-1", "uplink", "uplink", 3.0, 5.0, {"bits": 1.0}),
        ("server", "compute", "server_forward", 5.0, 6.0, {"flops": 1.0}),
    )
    graph = RoundGraph(activities_of(table), 0.0, 6.0)
    assert [("device-2", "client_forward", "start"), ("server", "server_forward", "barrier")] == _steps(graph)
    assert {-1, 1, 2} == _blamed(graph)
    assert {0: 3.0, 1: 0.0, 2: 0.0} == {c: step.slack_s for c, step in graph.client_slack().items()}


def test_a_round_that_waited_without_activity_names_the_client_it_left_out() -> None:
    """A wait up to a deadline belongs to the client that the events name, and otherwise to none."""
    table = interval_table(
        ("device-0", "uplink", "uplink", 0.0, 2.0, {"bits": 1.0}),
        ("device-1", "uplink", "uplink", 0.0, 1.0, {"bits": 1.0}),
        ("server", "compute", "server_forward", 5.0, 6.0, {"flops": 1.0}),
    )
    named = _segments(RoundGraph(activities_of(table), 0.0, 6.0, [(5.0, 1)]))
    assert [("device-1", 1.0), ("device-1", 4.0), ("server", 1.0)] == [
        (segment.node, segment.end_s - segment.start_s) for segment in named
    ]
    unnamed = _segments(RoundGraph(activities_of(table), 0.0, 6.0))
    assert [("device-0", 2.0), ("-", 3.0), ("server", 1.0)] == [
        (segment.node, segment.end_s - segment.start_s) for segment in unnamed
    ]
