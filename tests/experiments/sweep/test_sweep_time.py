"""The wall time of a sweep: its estimate before the sweep, and the remaining time during the sweep."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cutlayer.experiments.sweep import point_tasks as sweep_tasks
from cutlayer.experiments.sweep.point_tasks import PointTask, estimate_wall_s
from cutlayer.experiments.sweep.sweep import time_left_s
from cutlayer.progress.bars import SweepBars
from cutlayer.scenarios.loading.sweep_points import load_points
from tests.support.sweeps import SWEEP, in_threads, written

durations_s = st.floats(1e-3, 1e3)


class Clock:
    """A clock that moves only when a test moves it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


def run_on(clock: Clock, start_s: float, round_s: float, evaluation_s: float) -> Any:
    """Return a ``run_experiment`` that trains nothing and moves the clock by these times."""

    def run_experiment(experiment: Any, on_round: Any = lambda label, result: None) -> None:
        scenario = experiment.loaded.scenario
        for scheme in scenario.schemes:
            clock.now_s += start_s
            for number in range(1, scenario.stop.rounds + 1):
                due = number % scenario.learning.evaluate_every == 0 or number == scenario.stop.rounds
                clock.now_s += round_s + due * evaluation_s
                on_round(scheme.label, None)

    return run_experiment


@given(st.integers(1, 500), st.integers(1, 50), durations_s, durations_s, durations_s)
def test_the_estimate_is_exact_for_equal_rounds(
    total: int, every: int, start_s: float, round_s: float, evaluation_s: float
) -> None:
    """The extrapolation of three rounds equals the time of all rounds and of the evaluations that are due."""
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        _, points = load_points(
            "epsl_phi", [f"stop.rounds={total}", f"learning.evaluate_every={every}", "sweep.seeds=1"]
        )
        run_experiment = run_on(clock, start_s, round_s, evaluation_s)
        run_experiment(SimpleNamespace(loaded=points[0].loaded))
        expected, clock.now_s = clock.now_s, 0.0
        patch.setattr(sweep_tasks, "time", SimpleNamespace(perf_counter=clock))
        patch.setattr(sweep_tasks, "prepare", lambda loaded, **options: SimpleNamespace(loaded=loaded))
        patch.setattr(sweep_tasks, "run_experiment", run_experiment)
        estimate = estimate_wall_s(PointTask(points[0], Path("out"), False))
        assert expected == pytest.approx(estimate, rel=1e-6)
        rounds = len(points[0].loaded.scenario.schemes) * min(total, sweep_tasks.ROUNDS_TIMED)
        assert clock.now_s <= rounds * (start_s + round_s + evaluation_s) * (1 + 1e-9)


@given(durations_s, st.integers(1, 50), st.integers(1, 16), st.integers(1, 20))
def test_the_remaining_time_of_equal_points(wall_s: float, turns: int, jobs: int, known: int) -> None:
    """It is the number of points for each job times the time of one point, but at least the time of one."""
    assert wall_s * turns == pytest.approx(time_left_s([wall_s] * known, turns * jobs, jobs))
    assert wall_s == pytest.approx(time_left_s([wall_s] * known, 1, jobs))
    assert time_left_s([], turns, jobs) is None
    assert time_left_s([], 0, jobs) == 0


def test_the_remaining_time_follows_from_finished_points(tmp_path: Path) -> None:
    """The estimate uses the times of skipped points, and then those of this sweep's own points."""
    scenario = written(tmp_path, SWEEP.replace("[1, 3]", "[2]"))
    in_threads(scenario, tmp_path / "out").run()
    times = pd.read_csv(tmp_path / "out" / "wall_times.csv")
    times.assign(wall_s=1000.0).to_csv(tmp_path / "out" / "wall_times.csv", index=False)
    message: list[tuple[Any, ...]] = []
    more = in_threads(scenario, tmp_path / "out", overrides=["sweep.seeds=5"])
    more.run(on_progress=lambda *progress: message.append(progress))
    running = [progress for progress in message if progress[0] == "running"]
    assert ("running", 3, 0, 5, 2000.0) == running[0]
    own_s = pd.read_csv(tmp_path / "out" / "wall_times.csv")["wall_s"][3]
    assert [("running", 4, 0, 5, own_s), ("running", 5, 0, 5, 0.0)] == running[1:]


def test_the_remaining_time_counts_down() -> None:
    """The terminal shows the last reported time, less the time that has passed since."""
    clock, shown = Clock(), io.StringIO()
    bars = SweepBars(Console(file=shown, width=120), clock)
    bars.start()
    bars.on_progress("running", 5, 1, 10, 3630.0)
    clock.now_s = 20.0
    bars.stop()
    assert "5/10 points, 1 failed" in shown.getvalue()
    assert "left 1:00:10" in shown.getvalue()
