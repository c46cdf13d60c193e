"""A run that goes on to a later end, from the checkpoints of a shorter one, equals a fresh longer run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cutlayer
from cutlayer.analysis.figures import run as run_figures
from cutlayer.experiments import checkpoints
from cutlayer.scenarios.loading.continuation import may_continue
from tests.support.stopped_runs import contents, scenario, stopped

LEARNING = {"dataset": "digits", "evaluate_every": 3}


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_figures, "draw_figures", lambda run, folder: [])


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_finished_run_goes_on_to_more_rounds(jobs: int, tmp_path: Path) -> None:
    """Kept checkpoints of 5 rounds, with learning, go on to 9 rounds with the bytes of a fresh run."""
    path = scenario(tmp_path, schemes=["psl", "sfl"], learning=LEARNING)
    cutlayer.run(path, out=tmp_path / "run", checkpoint_every=2, keep_checkpoints=True)
    longer = ["stop.rounds=9"]
    cutlayer.run(path, out=tmp_path / "run", overrides=longer, checkpoint_every=2, jobs=jobs)
    cutlayer.run(path, out=tmp_path / "fresh", overrides=longer)
    assert contents(tmp_path / "fresh") == contents(tmp_path / "run")
    assert not (tmp_path / "run.checkpoint").exists()


def test_only_the_new_rounds_are_computed(tmp_path: Path) -> None:
    """A run goes on behind the last checkpoint before the earlier end."""
    path = scenario(tmp_path, schemes=["psl"], stop={"rounds": 6})
    cutlayer.run(path, out=tmp_path / "run", checkpoint_every=4, keep_checkpoints=True)
    rounds: list[int] = []
    cutlayer.run(
        path,
        out=tmp_path / "run",
        overrides=["stop.rounds=8"],
        checkpoint_every=4,
        callbacks=[lambda label, row: rounds.append(row["round"])],
    )
    assert [5, 6, 7, 8] == rounds


def test_a_killed_run_goes_on_to_more_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed in its first scheme goes on, also with slow-downs and batteries."""
    slow = {"slowdown": {"factor": 5, "mean_normal_s": 0.01, "mean_slow_s": 0.01}}
    devices = {"count": 3, "battery_j": [0.004, 0.02, 100.0]}
    path = scenario(tmp_path, schemes=["psl", "sl"], stragglers=slow, devices=devices)
    stopped(path, monkeypatch)
    longer = ["stop.rounds=12"]
    cutlayer.run(path, out=tmp_path / "out", overrides=longer, checkpoint_every=1)
    cutlayer.run(path, out=tmp_path / "fresh", overrides=longer)
    assert contents(tmp_path / "fresh") == contents(tmp_path / "out")


def test_a_new_target_accuracy_needs_no_new_rounds(tmp_path: Path) -> None:
    """With kept checkpoints, another target gives the bytes of a fresh run with this target."""
    path = scenario(tmp_path, schemes=["psl"], learning=LEARNING, target_accuracy=0.05)
    cutlayer.run(path, out=tmp_path / "run", checkpoint_every=2, keep_checkpoints=True)
    other = ["target_accuracy=0.2"]
    cutlayer.run(path, out=tmp_path / "run", overrides=other, checkpoint_every=2)
    cutlayer.run(path, out=tmp_path / "fresh", overrides=other)
    assert contents(tmp_path / "fresh") == contents(tmp_path / "run")


def test_a_kill_before_the_first_new_round_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed as soon as it goes on leaves checkpoints that go on once more."""
    path = scenario(tmp_path, schemes=["psl", "sfl"])
    cutlayer.run(path, out=tmp_path / "run", checkpoint_every=2, keep_checkpoints=True)
    options: dict[str, Any] = {"overrides": ["stop.rounds=8"], "checkpoint_every": 2}

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.SchemeCheckpoints, "save", killed)
        with pytest.raises(Killed):
            cutlayer.run(path, out=tmp_path / "run", **options)
    cutlayer.run(path, out=tmp_path / "run", **options)
    cutlayer.run(path, out=tmp_path / "fresh", overrides=["stop.rounds=8"])
    assert contents(tmp_path / "fresh") == contents(tmp_path / "run")


@pytest.mark.parametrize(
    ("stop", "earlier", "goes_on"),
    [
        ({"rounds": 9}, {"rounds": 5}, True),
        ({"rounds": 5}, {"rounds": 9}, False),
        ({"time_s": 2.0}, {"time_s": 1.0}, True),
        ({"time_s": 2.0}, {"rounds": 5}, False),
        ({"rounds": 5}, {"rounds": 5, "accuracy": 0.5}, True),
        ({"rounds": 9, "accuracy": 0.4}, {"rounds": 5, "accuracy": 0.5}, False),
    ],
)
def test_every_limit_must_be_as_late_as_before(
    stop: dict[str, float], earlier: dict[str, float], goes_on: bool
) -> None:
    """A run goes on if no limit is new or smaller; an absent limit is never reached."""
    now, before = (f"{{name: a, stop: {limits}}}".replace("'", "") for limits in (stop, earlier))
    assert goes_on == may_continue(now, before)
    assert not may_continue(now, before.replace("name: a", "name: b"))
