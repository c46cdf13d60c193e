"""The same scenario gives the same rows in any process, with any other schemes, in any order."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import cutlayer
from tests.support.processes import COMMAND, python

SCENARIO = """\
name: same
seed: 7
stop: {rounds: 3}
schemes:
  - {name: epsl_pt, phases: [{rounds: 1, phi: 1}, {phi: 0}]}
  - sl
  - sfl
  - sfl_v2
  - psl
  - epsl
  - fl
  - centralised
batch_size: 8
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
learning:
  dataset: digits
  partition: {kind: dirichlet, alpha: 1}
  optimizer: {client_lr: 3.0e-3, server_lr: 3.0e-3}
devices: {count: 3}
radio: {path_loss: {model: samimi_28ghz, mode: sampled}}
allocation: {subchannels: random, cut: random}
stragglers: {slowdown: {factor: 5, mean_normal_s: 0.01, mean_slow_s: 0.01}}
"""
FINGERPRINTS = ("timeline_fingerprint", "weights_fingerprint")


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a scenario with every kind of random draw."""
    path = tmp_path_factory.mktemp("scenario") / "same.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def reference(scenario: Path) -> cutlayer.Run:
    """Return the reference run, whose folder is beside the scenario."""
    return cutlayer.run(scenario, out=scenario.parent / "reference")


def fingerprints(run: cutlayer.Run) -> dict[str, tuple[Any, ...]]:
    """Return the fingerprints of timeline and weights, by label."""
    return {
        label: tuple(figures[key] for key in FINGERPRINTS)
        for label, figures in run.summary["schemes"].items()
    }


def rows(run: cutlayer.Run, label: str) -> list[pd.DataFrame]:
    """Return one scheme's rows of each table."""
    tables = (run.rounds, run.devices, run.intervals)
    return [table[table["label"] == label].reset_index(drop=True) for table in tables]


def assert_same_schemes(reference: cutlayer.Run, run: cutlayer.Run) -> None:
    """Check that the schemes of the second run are bit-identical in the first."""
    expected = fingerprints(reference)
    for label, found in fingerprints(run).items():
        assert expected[label] == found
        for first, second in zip(rows(reference, label), rows(run, label), strict=True):
            pd.testing.assert_frame_equal(first, second, check_exact=True)


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(reference: cutlayer.Run, scenario: Path) -> None:
    """Two processes write the same bytes to all tables, and the same fingerprints."""
    subprocess.run([*COMMAND, "run", scenario.name, "--out", "again"], cwd=scenario.parent, check=True)
    for name in ("scenario.yaml", "rounds.csv", "devices.csv"):
        first, second = ((scenario.parent / folder / name).read_bytes() for folder in ("reference", "again"))
        assert first == second, name
    again = cutlayer.load(scenario.parent / "again")
    pd.testing.assert_frame_equal(reference.intervals, again.intervals, check_exact=True, check_dtype=False)
    assert fingerprints(reference) == fingerprints(again)


def test_the_order_of_schemes_changes_none(reference: cutlayer.Run, scenario: Path) -> None:
    """In reverse order, every scheme has the same rows and fingerprints."""
    backwards = "[fl, centralised, epsl, psl, sfl_v2, sfl, sl]"
    run = cutlayer.run(scenario, overrides=[f"schemes={backwards}"])
    assert ["fl", "centralised", "epsl φ=0.5", "psl", "sfl_v2", "sfl", "sl"] == list(run.summary["schemes"])
    assert_same_schemes(reference, run)


@pytest.mark.parametrize("alone", ["psl", "sfl_v2", "epsl φ=0.5"])
def test_a_scheme_alone_is_the_same(alone: str, reference: cutlayer.Run, scenario: Path) -> None:
    """A scheme that runs without the others has the same rows and fingerprints."""
    run = cutlayer.run(scenario, schemes=[alone])
    assert [alone] == list(run.summary["schemes"])
    assert_same_schemes(reference, run)


def test_the_resolved_scenario_gives_the_same(reference: cutlayer.Run, tmp_path: Path) -> None:
    """The scenario in a run folder gives the same rows again."""
    path = tmp_path / "resolved.yaml"
    path.write_text(reference.scenario, encoding="utf-8")
    again = cutlayer.run(path)
    assert reference.scenario == again.scenario
    assert fingerprints(reference) == fingerprints(again)
    assert_same_schemes(reference, again)


def test_another_seed_gives_other_results(reference: cutlayer.Run, scenario: Path) -> None:
    """With another seed every scheme has other weights, and another timeline if devices are in it."""
    other = fingerprints(cutlayer.run(scenario, seed=8))
    for label, (timeline, weights) in fingerprints(reference).items():
        assert weights != other[label][1], label
        assert (timeline == other[label][0]) == (label == "centralised"), label


def test_a_timeline_needs_no_torch(tmp_path: Path) -> None:
    """A run without learning imports no torch, even when it writes its files."""
    script = "import sys, cutlayer; cutlayer.run('timeline_only', out='out'); print('torch' in sys.modules)"
    assert "False\n" == python(script, tmp_path)
    assert (tmp_path / "out" / "gantt.png").is_file()
