"""Updates in U-shaped models: the owner's own, and those that occupy a helper after its gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.networks import FAST, own_links, run_one, write_profile

UNITS = 4


def measured(folder: Path, owner: Any, helper: Any) -> dict[str, Any]:
    """Return a section ``model`` of layers measured on an owner and on a helper, in ms."""
    profile = write_profile(folder, {"owner": owner, "helper": helper}, [1.0] * UNITS, [1.0] * UNITS)
    return {"name": "measured", "profile": str(profile)}


@pytest.mark.parametrize("scheme", ["mpsl", "one_hop"])
@pytest.mark.parametrize("batches", [1, 3])
def test_owners_update_both_of_their_parts(scheme: str, batches: int, tmp_path: Path) -> None:
    """Alone, a mini-batch takes both passes and the update of the first part, the head and the middle.

    In ms: first part 1 + 2 + 10, the middle 2 · (3 + 4), the head 5 + 6 + 20.
    """
    owner = [[1, 2, 10], [99, 99, 99], [99, 99, 99], [5, 6, 20]]
    helper = [[99, 99, 99], [3, 4, 0], [3, 4, 0], [99, 99, 99]]
    ran = run_one(
        {"name": scheme, "batches": batches},
        batch_size=128,
        model=measured(tmp_path, owner, helper),
        devices=own_links(1e18, count=1, profile="owner"),
        network={"nodes": [{"name": "h", "profile": "helper"}], "wire": FAST},
    )
    assert pytest.approx(batches * (13 + 14 + 31) * 1e-3, abs=1e-9) == ran.end_s
    assert pytest.approx(ran.plan.predicted_s, rel=1e-9) == ran.end_s


TIMES = st.floats(1, 100).map(lambda x: round(x, 3))


@settings(max_examples=12)
@given(
    st.lists(TIMES, min_size=3, max_size=3),
    st.lists(TIMES, min_size=2, max_size=4, unique=True),
    st.sampled_from(["balanced_greedy", "improved", "random"]),
)
def test_a_planned_workflow_knows_the_helpers_updates(
    tmp_path_factory: pytest.TempPathFactory, helper_ms: list[float], owners_ms: list[float], workflow: str
) -> None:
    """With measured updates a workflow's makespan is the simulated one: they delay the next task alone."""
    folder = tmp_path_factory.mktemp("times")
    nothing = [99.0, 99.0, 99.0]
    places = {
        f"owner{i}": [[ms, ms / 3, 0.5], nothing, nothing, [ms / 7, ms / 5, 0.25]]
        for i, ms in enumerate(owners_ms)
    }
    half = [ms / 2 for ms in helper_ms]
    profile = write_profile(
        folder, {**places, "helper": [nothing, half, half, nothing]}, [1.0] * UNITS, [1.0] * UNITS
    )
    ran = run_one(
        {"name": "one_hop", "workflow": workflow},
        batch_size=128,
        model={"name": "measured", "profile": str(profile)},
        devices=own_links(1e15, count=len(owners_ms), profile=list(places)),
        network={"nodes": [{"name": "h", "count": 2, "profile": "helper"}], "wire": FAST},
    )
    uploaded_s = float(ran.table.query("phase == 'model_upload'")["end_s"].max())
    assert pytest.approx(ran.plan.notes["makespan_s"], rel=1e-9) == uploaded_s


@pytest.mark.parametrize("scheme", ["mpsl", "one_hop", "fl"])
def test_averages_reach_those_that_were_late(scheme: str) -> None:
    """The averages go to all at the slowest downlink's rate, also where the slowest was left out."""
    ran = run_one(
        scheme,
        devices=own_links([1e9, 1e9, 1e5], [1e9, 1e9, 1e5], count=3),
        network={"nodes": [{"name": "n"}]},
        round_policy={"deadline_s": 1.0},
    )
    (result,) = ran.trial.results
    assert (0, 1) == result.outcome.participants
    (download,) = ran.table.query("phase == 'model_download'").to_dict("records")
    assert pytest.approx(1e5, rel=1e-6) == download["bits"] / (download["end_s"] - download["start_s"])
