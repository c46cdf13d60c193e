"""Runs with more intervals than fit into the memory: results do not depend on when rows leave it."""

from __future__ import annotations

import gc
import itertools
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

import cutlayer
from cutlayer.analysis.figures import run as run_figures
from cutlayer.analysis.figures.visible_rows import plotted_intervals, round_spans, rounds_that_fit
from cutlayer.analysis.results import recorded_tables
from cutlayer.analysis.results.round_tables import StageTotals
from cutlayer.analysis.results.table_formats import INTERVALS
from cutlayer.experiments.execution import record_streams
from cutlayer.experiments.execution import scheme_run as experiment

SCENARIO = """\
name: long
stop: {rounds: 16}
schemes: [psl, sl, mpsl]
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
devices: {count: 3}
network: {nodes: [{name: near}, {name: far, clock_hz: 1.0e8}], wire: {rate_bps: 1.0e9}}
stragglers: {slowdown: {factor: 5, mean_normal_s: 0.01, mean_slow_s: 0.01}}
round_policy: {deadline_s: 0.9}
"""
GROUP = 41  # rows of a row group, so that rounds and labels straddle them


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a scenario whose late updates outlast their rounds."""
    (tmp_path / "long.yaml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path / "long.yaml"


def run(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    out: str | None = None,
    spill: int = 2**17,
    kept: int = 2**18,
    group: int = GROUP,
) -> cutlayer.Run:
    """Run the scenario with these limits of rows: in the event loop's record, in memory, in a row group."""
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "SPILL_ROWS", spill)
        patch.setattr(experiment, "SPILL_EVENTS", spill)
        patch.setattr(recorded_tables, "KEPT_ROWS", kept)
        patch.setattr(record_streams, "GROUP_ROWS", group)
        patch.setattr(run_figures, "draw_figures", lambda run, folder: [])
        return cutlayer.run(path, out=None if out is None else path.parent / out)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of each file of a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_size_of_chunks_changes_no_byte(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is the same, whether rows leave event loop and memory early, late or never."""
    run(path, monkeypatch, out="reference", spill=10**6)
    expected = contents(path.parent / "reference")
    for spill, kept in ((1, 0), (7, 120), (10**6, 0)):
        out = f"{spill}-{kept}"
        run(path, monkeypatch, out=out, spill=spill, kept=kept)
        assert expected == contents(path.parent / out), out
    left = {path.name for path in path.parent.iterdir()}
    assert {"long.yaml", "reference", "1-0", "7-120", "1000000-0"} == left


def test_rounds_do_not_depend_on_row_groups(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums over a round are bit-identical whether its rows are in one row group or in many."""
    one, many = run(path, monkeypatch, group=10**6), run(path, monkeypatch, group=31)
    pd.testing.assert_frame_equal(one.rounds, many.rounds, check_exact=True)
    pd.testing.assert_frame_equal(one.intervals, many.intervals, check_exact=True)
    pd.testing.assert_frame_equal(one.stages, many.stages, rtol=1e-12)
    for label, figures in one.summary["schemes"].items():
        assert figures["timeline_fingerprint"] == many.summary["schemes"][label]["timeline_fingerprint"]


def test_row_groups_are_of_one_size_and_label(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row group but the last of its label is full, and all together are the table."""
    run(path, monkeypatch, out="out", kept=0)
    loaded = cutlayer.load(path.parent / "out")
    groups = list(loaded.recorded.groups())
    assert parquet.ParquetFile(path.parent / "out" / "intervals.parquet").num_row_groups == len(groups)
    for group, following in itertools.pairwise(groups):
        assert 1 == group["label"].nunique()
        assert GROUP == len(group) or following["label"].iloc[0] != group["label"].iloc[0]
    together = pd.concat([group.astype(dict.fromkeys(INTERVALS.texts, "str")) for group in groups])
    pd.testing.assert_frame_equal(loaded.intervals, together.reset_index(drop=True), check_exact=True)
    totals = StageTotals()
    for group in groups:
        totals.add(group)
    pd.testing.assert_frame_equal(loaded.stages, totals.table(), check_exact=True)


def test_a_run_without_a_folder_uses_a_temporary_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary file of a long run's intervals is removed together with the run."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    in_memory = run(path, monkeypatch)
    assert [] == list(place.iterdir())
    in_file = run(path, monkeypatch, kept=0)
    assert 1 == len(list(place.glob("*/intervals.parquet")))
    pd.testing.assert_frame_equal(in_memory.intervals, in_file.intervals, check_exact=True)
    del in_file
    gc.collect()
    assert [] == list(place.iterdir())


def test_a_chart_reads_a_part_of_the_intervals(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The part has every interval of the chart's rounds and the start of the next round, and no more."""
    found = run(path, monkeypatch, kept=0)
    whole = found.intervals
    for first, last in ((1, 1), (5, 9), (15, 60)):
        part = plotted_intervals(found, (first, last))
        rows = whole["round"].between(first, last)
        pd.testing.assert_frame_equal(
            whole[rows].reset_index(drop=True),
            part[part["round"].between(first, last)].reset_index(drop=True),
        )
        assert set(whole["label"]) == set(part["label"])
        assert len(part) < len(whole)
        for label, table in part.groupby("label"):
            expected = round_spans(whole[whole["label"] == label]).loc[first:last]
            pd.testing.assert_frame_equal(expected, round_spans(table).loc[first:last])
    with pytest.raises(ValueError, match="rounds 17 to 50: the table's rounds are 1 to 16"):
        plotted_intervals(found, (17, 50))


@pytest.mark.parametrize("enough", [1, 60, 120])
def test_a_chart_reads_as_few_first_rounds_as_it_needs(
    enough: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rounds that fit a chart are the same whether they are chosen from the first rounds or from all."""
    monkeypatch.setattr("cutlayer.analysis.figures.visible_rows.MAX_BARS", enough)
    found = run(path, monkeypatch, kept=0)
    part, whole = found.recorded.first_rounds(enough), found.intervals
    assert len(part) < len(whole)
    for label, table in whole.groupby("label"):
        begun = part[part["label"] == label]
        for horizon_s in (0.0, 1.0, np.inf):
            expected = rounds_that_fit(round_spans(table), table, horizon_s)
            pd.testing.assert_frame_equal(expected, rounds_that_fit(round_spans(begun), begun, horizon_s))
