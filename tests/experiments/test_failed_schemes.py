"""A scheme that raises an error costs itself alone: its finished rounds and all other schemes are kept."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import cutlayer
from cutlayer.analysis.comparison.report import notes
from cutlayer.cli.main import app
from cutlayer.sim.schemes.base import RoundContext
from cutlayer.sim.schemes.epsl import EPSL
from cutlayer.sim.schemes.sl import SL
from tests.support.stopped_runs import contents
from tests.support.sweeps import in_threads, written

SCENARIO = """\
name: breaking
stop: {rounds: 5}
schemes: [psl, sl]
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
devices: {count: 2}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the scenario."""
    (tmp_path / "breaking.yaml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path / "breaking.yaml"


def breaking(monkeypatch: pytest.MonkeyPatch, number: int, scheme: type[Any] = EPSL) -> None:
    """Let a scheme raise an error in the middle of a round."""
    whole_round = scheme.round

    def broken_round(self: Any, context: RoundContext) -> Generator[Any, Any, Any]:
        events = whole_round(self, context)
        if context.number == number:
            yield next(events)
            raise RuntimeError("a model\n of the user's")
        return (yield from events)

    monkeypatch.setattr(scheme, "round", broken_round)


def run(path: Path, out: str, **options: Any) -> cutlayer.Run:
    """Run the scenario, of which a scheme must fail."""
    with pytest.warns(UserWarning, match="psl failed"):
        return cutlayer.run(path, out=path.parent / out, **options)


def test_the_finished_rounds_and_the_other_schemes_are_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables hold the rounds before the error, and the other scheme as if it had run alone."""
    alone = cutlayer.run(path, schemes=["sl"])
    whole = cutlayer.run(path, schemes=["psl"])
    breaking(monkeypatch, number=3)
    broken = run(path, "out")
    assert {"psl": "RuntimeError in round 3: a model of the user's"} == broken.failed
    assert alone.summary["schemes"]["sl"] == broken.summary["schemes"]["sl"]
    loaded = cutlayer.load(path.parent / "out")
    assert broken.failed == loaded.failed
    assert "broken_round" in loaded.errors
    psl = loaded.rounds[loaded.rounds["label"] == "psl"]
    pd.testing.assert_frame_equal(whole.rounds.iloc[:2], psl, check_exact=True)
    intervals = loaded.intervals[loaded.intervals["label"] == "psl"]
    assert {1, 2} == set(intervals["round"])


@pytest.mark.parametrize("number", [1, 3])
def test_a_failed_scheme_is_never_shown_as_complete(
    number: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comparison lists it in a row of its own and notes the error; equal results of one seed count once."""
    good = cutlayer.run(path)
    breaking(monkeypatch, number=number)
    broken = run(path, "out")
    table = cutlayer.compare(good, broken)
    rows = {(row.experiment, row.label): row.runs for row in table.itertuples()}
    assert {("breaking", "psl"): 1, ("breaking", "sl"): 1, ("breaking (failed)", "psl"): 1} == rows
    assert any("PSL, seed 0: failed: RuntimeError" in note for note in notes(table, [good, broken]))
    assert f"PSL (failed after round {number - 1})" == broken.shown_label("psl")


def test_the_command_reports_the_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ends with status 1, one line names the error, and Gantt charts can be drawn."""
    breaking(monkeypatch, number=3)
    out = path.parent / "out"
    result = CliRunner().invoke(app, ["run", str(path), "--out", str(out)])
    assert 1 == result.exit_code
    assert 1 == result.stderr.count("RuntimeError in round 3")
    assert 1 == len(result.stderr.splitlines())
    for scheme in ("psl", "sl"):
        chart = CliRunner().invoke(
            app, ["gantt", str(out), "--scheme", scheme, "--output", str(out / "a.png")]
        )
        assert 0 == chart.exit_code, chart.output


def test_an_error_before_any_finished_round_is_raised(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no scheme has finished a round, there is nothing to keep, and the error itself is raised."""
    breaking(monkeypatch, number=1)
    breaking(monkeypatch, number=1, scheme=SL)
    with pytest.raises(RuntimeError, match="of the user's"):
        cutlayer.run(path, out=path.parent / "out")
    assert [path] == list(path.parent.iterdir())


def test_the_same_command_repeats_the_failed_scheme_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With checkpoints the failed scheme goes on from its last one; the result is that of a whole run."""
    cutlayer.run(path, out=path.parent / "whole")
    with monkeypatch.context() as patch:
        breaking(patch, number=3)
        run(path, "parts", checkpoint_every=1)
    cutlayer.run(path, out=path.parent / "parts", checkpoint_every=1)
    assert contents(path.parent / "whole") == contents(path.parent / "parts")


def test_a_point_of_a_sweep_keeps_the_other_schemes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A point with a failed scheme is failed, its other schemes are in the tables, and it can be repeated."""
    path = written(tmp_path)
    with monkeypatch.context() as patch:
        breaking(patch, number=2)
        failed = in_threads(path, tmp_path / "out").run()
    assert {"failed"} == set(failed.points["status"])
    assert failed.points["error"].str.startswith("psl: RuntimeError in round 2").all()
    assert {"sl"} == set(failed.schemes["label"])
    assert {"sl"} == set(failed.rounds["label"])
    again = in_threads(path, tmp_path / "out").run(retry_failed=True)
    assert {"finished"} == set(again.points["status"])
    assert {"sl", "psl"} == set(again.schemes["label"])
