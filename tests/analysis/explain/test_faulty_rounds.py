"""Explanations of rounds under every fault and every round policy: they account for all time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cutlayer.analysis.explain.causes import CAUSES
from cutlayer.analysis.results.run import Run
from cutlayer.experiments.preparation import prepare
from cutlayer.experiments.runner import run_experiment
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.loading.loader import RawScenario, check_scenario
from tests.support.fault_cases import (
    FAULTS,
    POLICIES,
    SHARINGS,
    Sections,
    scenario_data,
    write_files,
)

ROUND_S = 0.03
"""A typical round of the small scenario without faults, [s]."""
SCHEMES = ("sl", "sfl", "epsl", "fl", "edgesplit", "mpsl", "one_hop")
ARRIVAL: Sections = {"server": {"service": "arrival"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that faults name."""
    folder = tmp_path_factory.mktemp("faults")
    write_files(folder, ROUND_S)
    return folder


def _runs(folder: Path, *sections: Sections) -> Iterator[Run]:
    """Yield the run of each scheme that the sections do not exclude."""
    for scheme in SCHEMES:
        data = scenario_data(*sections, schemes=(scheme,))
        try:
            ready = prepare(check_scenario(RawScenario(data, folder, "faults.yaml", {}, {}, [])))
        except ScenarioError:
            continue  # a combination that is refused
        yield run_experiment(ready)


def _check(run: Run) -> None:
    """Check that paths, blame and causes sum to the rounds, and that the path has no slack."""
    explanation = run.explain()
    rounds = run.rounds.set_index("round")
    path = explanation.path.set_index("round")
    lasting = rounds.index[rounds["latency_s"] > 0]
    sums_s = path.groupby(level=0)["duration_s"].sum().reindex(lasting)
    assert np.allclose(rounds["latency_s"][lasting], sums_s, rtol=1e-9)
    assert np.allclose(path["duration_s"], path[list(CAUSES)].sum(axis=1), rtol=1e-9, atol=1e-15)
    assert (path["duration_s"] >= 0).all()
    blame = explanation.blame
    assert np.isclose(rounds["latency_s"].sum(), blame["time_s"].sum(), rtol=1e-9)
    assert np.allclose(blame["time_s"], blame[list(CAUSES)].sum(axis=1), rtol=1e-9, atol=1e-15)
    slack = explanation.slack
    assert (slack["slack_s"] >= 0).all()
    blamed = {
        (row.round, row.client) for row in explanation.path.itertuples() if row.node == f"device-{row.client}"
    }
    without = set(
        zip(*(slack[slack["slack_s"] > 0][name].tolist() for name in ("round", "device")), strict=True)
    )
    assert not {pair for pair in blamed if pair in without}


@pytest.mark.parametrize("fault", FAULTS)
def test_all_time_is_accounted_for_under_every_fault(folder: Path, fault: str) -> None:
    """With every scheme, the path, the blame and the causes sum to the rounds under a fault."""
    for run in _runs(folder, FAULTS[fault].sections(ROUND_S)):
        _check(run)


@pytest.mark.parametrize("policy", POLICIES)
def test_all_time_is_accounted_for_under_every_policy(folder: Path, policy: str) -> None:
    """The same holds for every round policy, with slow devices, queues and lost uploads."""
    slow, lost = FAULTS["slow-down"].sections(ROUND_S), FAULTS["lost update"].sections(ROUND_S)
    for run in _runs(folder, slow, lost, ARRIVAL, POLICIES[policy](ROUND_S)):
        _check(run)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_all_time_is_accounted_for_with_every_sharing(folder: Path, sharing: str) -> None:
    """The same holds for every way in which clients share the band, with outages."""
    for run in _runs(folder, FAULTS["outage"].sections(ROUND_S), ARRIVAL, SHARINGS[sharing]):
        _check(run)
