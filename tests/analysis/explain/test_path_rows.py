"""The rows that a Gantt chart marks as its critical path are those of the explained rounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import cutlayer
from cutlayer.analysis.explain.critical_path import critical_path
from cutlayer.analysis.explain.path_rows import path_rows
from cutlayer.analysis.figures.visible_rows import plotted_events, plotted_intervals
from cutlayer.cli.main import app
from tests.support.stopped_runs import scenario

SLOW = {"slowdown": {"factor": 5, "mean_normal_s": 2e-3, "mean_slow_s": 1e-3}}


@pytest.mark.parametrize("rounds", [None, (2, 3)])
def test_the_marked_rows_are_those_of_the_critical_paths(
    rounds: tuple[int, int] | None, tmp_path: Path
) -> None:
    """Each round that a chart may show has the rows of its own critical path, and no others are marked."""
    path = scenario(tmp_path, schemes=["sl", "psl", "epsl"], stragglers=SLOW)
    run = cutlayer.run(path, out=tmp_path / "out", figures=False)
    intervals = plotted_intervals(run, rounds)
    marked = path_rows(run, intervals, plotted_events(run, intervals), rounds)
    expected: set[int] = set()
    for label, number, start_s, end_s in run.rounds[["label", "round", "start_s", "end_s"]].itertuples(
        index=False
    ):
        if rounds is None or rounds[0] <= number <= rounds[1]:
            own = intervals[(intervals["label"] == label) & (intervals["round"] == number)]
            expected |= set(critical_path(own, start_s, end_s)["row"]) - {-1}
    assert expected == marked
    assert marked


def test_the_command_marks_the_critical_path(tmp_path: Path) -> None:
    """With --critical-path the chart has another legend entry, and is otherwise as without."""
    cutlayer.run(scenario(tmp_path, schemes=["psl"]), out=tmp_path / "out", figures=False)
    texts = []
    for options in ([], ["--critical-path"]):
        output = tmp_path / f"{len(options)}.svg"
        result = CliRunner().invoke(app, ["gantt", str(tmp_path / "out"), "--output", str(output), *options])
        assert 0 == result.exit_code, result.output
        texts.append(output.read_text(encoding="utf-8"))
    assert ["Critical path" in text for text in texts] == [False, True]
