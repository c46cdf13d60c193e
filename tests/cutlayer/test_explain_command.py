"""The command explain, and the lines at the end of a run that name the bottlenecks."""

from __future__ import annotations

import math
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

import cutlayer
from cutlayer.analysis.explain import explanation
from tests.cutlayer.test_cli import SCENARIO, cli, refused


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of two schemes, and beside it what the command printed."""
    parent = tmp_path_factory.mktemp("explain")
    (parent / "two.yaml").write_text(SCENARIO, encoding="utf-8")
    result = cli("run", parent / "two.yaml", "--out", parent / "run", "--no-figures")
    (parent / "printed").write_text(result.stdout, encoding="utf-8")
    return parent / "run"


def test_a_run_ends_with_the_bottleneck_of_each_scheme(run_folder: Path) -> None:
    """The last lines name the node that held up most of each scheme's time, as the explanation does."""
    printed = (run_folder.parent / "printed").read_text(encoding="utf-8").splitlines()
    run = cutlayer.load(run_folder)
    assert run.explain().bottlenecks == printed[-2:]


def test_an_error_of_the_explanation_loses_no_run(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the bottlenecks cannot be named there is a warning, and the run has succeeded."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no graph")

    monkeypatch.setattr(explanation, "explain_run", fail)
    result = cli("run", run_folder.parent / "two.yaml", "--out", tmp_path / "run", "--no-figures")
    assert "warning: the bottlenecks could not be printed: no graph" in result.stderr
    assert "written to" in result.stdout
    assert (tmp_path / "run" / "rounds.csv").is_file()


def test_explain_prints_all_tables(run_folder: Path) -> None:
    """Round times, blame and slack of all schemes, and the bottlenecks."""
    shown = cli("explain", run_folder).stdout
    for text in ("round times", "blame, % of the time", "slack", "p95", "device-0", "SL: ", "EPSL (φ = 1): "):
        assert text in shown
    assert "critical path" not in shown


def test_a_round_has_its_path(run_folder: Path) -> None:
    """With --round, the path is printed, and as CSV it sums to the round's length."""
    assert "critical path of round 2" in cli("explain", run_folder, "--scheme", "sl", "--round", 2).stdout
    text = cli("explain", run_folder, "--scheme", "sl", "--round", 2, "--format", "csv").stdout
    path = pd.read_csv(StringIO(text))
    rounds = cutlayer.load(run_folder).rounds
    latency_s = rounds[(rounds["label"] == "sl") & (rounds["round"] == 2)]["latency_s"].iloc[0]
    assert math.isclose(latency_s, path["duration_s"].sum(), rel_tol=1e-9)


def test_blame_as_csv(run_folder: Path) -> None:
    """Without --round, CSV has the blame of every node and phase, whose shares sum to 1."""
    blame = pd.read_csv(StringIO(cli("explain", run_folder, "--format", "csv").stdout))
    assert [1.0, 1.0] == pytest.approx(blame.groupby("label")["share"].sum().tolist())


def test_what_if_prints_savings(run_folder: Path) -> None:
    """Each change has a row with its saving."""
    shown = cli("explain", run_folder, "--scheme", "epsl", "--what-if").stdout
    assert "21 subchannels instead of 20" in shown
    assert "saving" in shown


def test_wrong_input_is_refused(run_folder: Path, tmp_path: Path) -> None:
    """Unknown rounds, schemes and formats, sweep folders and other folders are refused with a message."""
    assert "rounds count from 1 to 3" in refused("explain", run_folder, "--round", 4)
    assert "--schemes: no scheme is named 'fl'" in refused("explain", run_folder, "--scheme", "fl")
    assert "known: table, csv" in refused("explain", run_folder, "--format", "html")
    assert "is not a run folder" in refused("explain", tmp_path)
    (tmp_path / "points.csv").write_text("point,status\n", encoding="utf-8")
    assert "is a sweep folder; explain one of its points" in refused("explain", tmp_path)
