"""The critical path as a table: the quickstart's by hand, and the causes of its segments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

import cutlayer
from cutlayer.analysis.explain.causes import CAUSES, NodeEvents, PlannedSpeeds
from cutlayer.analysis.explain.critical_path import critical_path
from cutlayer.analysis.results.run import Run
from tests.support.explained_rounds import interval_table


@pytest.fixture(scope="module")
def quickstart() -> Run:
    """Return the timeline of the quickstart's first rounds."""
    return cutlayer.run("quickstart", overrides=["learning=null", "stop={rounds: 2}"])


_FIRST = [("device-0", "client_forward"), ("device-0", "uplink")]
_SERVER = [("server", "server_forward"), ("server", "server_backward")]


def _turn(device: int) -> list[tuple[str, str]]:
    """Return a turn of sequential split learning, up to the upload of the client's model."""
    node = f"device-{device}"
    own = [(node, phase) for phase in ("client_forward", "uplink")]
    return [*own, *_SERVER, *((node, phase) for phase in ("downlink", "client_backward", "model_upload"))]


BY_HAND: Mapping[str, list[tuple[str, str]]] = {
    # The planner lets all uploads arrive together, except for device 3 in SplitFed. Device 3 is the last one
    # to receive its gradients, because its link is weak, and device 0 has the slowest clock.
    "sl": [
        *_turn(0),
        *(
            step
            for device in (1, 2, 3, 4)
            for step in ((f"device-{device}", "model_download"), *_turn(device))
        ),
        ("device-0", "model_download"),
    ],
    "sfl": [
        *(*_FIRST, *_SERVER),
        *(("device-3", phase) for phase in ("downlink", "client_backward", "model_upload")),
        ("server", "model_download"),
    ],
    "psl": [*_FIRST, *_SERVER, ("device-3", "downlink"), ("device-3", "client_backward")],
    "epsl φ=0.5": [
        *(*_FIRST, *_SERVER, ("server", "broadcast")),
        *(("device-0", phase) for phase in ("downlink", "client_backward")),
    ],
    "epsl φ=1": [*_FIRST, *_SERVER, ("server", "broadcast"), ("device-0", "client_backward")],
}


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("label", BY_HAND)
def test_the_quickstarts_path_is_that_by_hand(quickstart: Run, label: str, number: int) -> None:
    """The critical path of the quickstart's first rounds equals one that was found by hand."""
    rows = quickstart.intervals
    path = critical_path(rows[(rows["label"] == label) & (rows["round"] == number)])
    assert BY_HAND[label] == list(zip(path["node"], path["phase"], strict=True))
    rounds = quickstart.rounds
    length_s = rounds[(rounds["label"] == label) & (rounds["round"] == number)]["latency_s"].iloc[0]
    assert math.isclose(length_s, path["duration_s"].sum(), rel_tol=1e-9)


SPEEDS = PlannedSpeeds({"device-0": 1.0, "server": 1.0}, {("device-0", "uplink"): 1.0})


def _causes(events: list[dict[str, Any]], *row: Any, speeds: PlannedSpeeds = SPEEDS) -> dict[str, float]:
    """Return the times by cause of a round of one activity."""
    columns = ["time_s", "end_s", "node", "kind", "value", "detail"]
    log = NodeEvents(pd.DataFrame(events, columns=columns)) if events else None
    path = critical_path(interval_table(row), 0.0, speeds=speeds, events=log)
    times_s = path[list(CAUSES)].sum()
    return {str(cause): time_s for cause, time_s in times_s.items() if time_s}


def _event(kind: str, time_s: float, end_s: float = math.nan, value: float = math.nan) -> dict[str, Any]:
    return {"time_s": time_s, "end_s": end_s, "node": "device-0", "kind": kind, "value": value, "detail": ""}


FORWARD = ("device-0", "compute", "client_forward", 0.0, 10.0, {"flops": 4.0})
UPLOAD = ("device-0", "uplink", "uplink", 0.0, 10.0, {"bits": 4.0})


def test_a_slow_state_costs_what_it_takes_from_the_speed() -> None:
    """Six seconds at a quarter of the speed cost 4.5 s; the rest above the planned time is noise."""
    expected = {"plain_s": 4.0, "slow_s": 4.5, "noise_s": 1.5}
    assert expected == _causes([_event("slow", 2.0, 8.0, 0.25)], *FORWARD)


def test_without_events_a_long_computation_is_slow() -> None:
    """A run folder without events attributes the time above the planned one to slow states, if it has any."""
    assert {"plain_s": 4.0, "slow_s": 6.0} == _causes([], *FORWARD)
    steady = PlannedSpeeds(SPEEDS.seconds_per_flop, slows_down=False)
    assert {"plain_s": 4.0, "noise_s": 6.0} == _causes([], *FORWARD, speeds=steady)


def test_a_long_transfer_fades() -> None:
    """The time above that at the planned rate is due to fading, or to the shared band."""
    assert {"plain_s": 4.0, "fade_s": 6.0} == _causes([], *UPLOAD)
    shared = PlannedSpeeds({}, SPEEDS.seconds_per_bit, shares_band=True)
    assert {"plain_s": 4.0, "sharing_s": 6.0} == _causes([], *UPLOAD, speeds=shared)


def test_outages_and_resent_packets_have_causes_of_their_own() -> None:
    """An outage takes its own time, and resent bits theirs at the planned rate."""
    events = [_event("outage", 1.0, 4.0), _event("resent", 10.0, value=1.0)]
    assert {"plain_s": 3.0, "outage_s": 3.0, "retry_s": 1.0, "fade_s": 3.0} == _causes(events, *UPLOAD)


def test_resent_bits_belong_to_the_transfer_that_ends_with_them() -> None:
    """Resent bits that are logged at the start of a transfer are those of the transfer before it."""
    events = [_event("resent", 0.0, value=1.0)]
    assert {"plain_s": 4.0, "fade_s": 6.0} == _causes(events, *UPLOAD)


def test_an_upload_that_is_sent_again_is_a_retry() -> None:
    """All time of a second attempt is due to the first one."""
    assert {"retry_s": 10.0} == _causes([_event("retry", 0.0, value=1.0)], *UPLOAD)


def test_a_wait_has_the_cause_of_its_event() -> None:
    """Time without activity is due to an offline device, a deadline, or a propagation delay."""
    late = ("device-0", "compute", "client_forward", 4.0, 10.0, {"flops": 6.0})
    assert {"plain_s": 6.0, "offline_s": 3.0, "other_s": 1.0} == _causes([_event("offline", 0.0, 3.0)], *late)
    assert {"plain_s": 6.0, "deadline_s": 4.0} == _causes([_event("deadline", 4.0)], *late)
    turns = interval_table(
        ("device-0", "uplink", "uplink", 0.0, 1.0, {"bits": 1.0}),
        ("device-1", "downlink", "model_download", 4.0, 10.0, {"bits": 6.0}),
    )
    left = NodeEvents(pd.DataFrame([{**_event("left out", 4.0), "detail": "offline"}]))
    assert [0.0, 3.0, 0.0] == critical_path(turns, events=left)["offline_s"].tolist()
    sent = ("device-0", "uplink", "uplink", 4.0, 10.0, {"bits": 6.0, "wait_s": 4.0})
    assert {"plain_s": 6.0, "outage_s": 3.0, "queue_s": 1.0} == _causes([_event("outage", 0.0, 3.0)], *sent)
    wire = ("access-point>node", "wire", "activation_hop", 0.0, 4.0, {"bits": 1.0, "client": 0})
    work = ("node", "compute", "node_forward", 5.0, 9.0, {"flops": 1.0, "client": 0})
    path = critical_path(interval_table(wire, work))
    assert [4.0, 1.0, 4.0] == path["duration_s"].tolist()
    assert [0.0, 1.0, 0.0] == path["delay_s"].tolist()
