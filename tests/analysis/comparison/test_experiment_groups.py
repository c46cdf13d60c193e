"""Tests of which runs are one experiment: those whose scenarios and files have equal contents."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import cutlayer
from cutlayer.analysis.comparison.experiment_groups import ContradictoryRunsError, group_runs
from cutlayer.analysis.comparison.report import formatted, notes
from cutlayer.analysis.comparison.table import comparison
from cutlayer.analysis.results.run import Run
from cutlayer.analysis.results.run_folder import save_run
from cutlayer.cli.main import app

UNITS = """\
unit,forward_flops,backward_flops,activation_bits,gradient_bits,parameter_bits
first,1000000,2000000,32000,32000,64000
second,3000000,6000000,3200,3200,640000
"""
SCENARIO = """\
name: tabled
stop: {rounds: 1}
schemes: [sl, psl]
model: {name: table, file: units.csv}
devices: {count: 2}
"""


def run_of(folder: Path, units: str = UNITS, seed: int = 0) -> Run:
    """Return a run of a scenario whose unit table has this content."""
    folder.mkdir(exist_ok=True)
    (folder / "units.csv").write_text(units, encoding="utf-8")
    (folder / "tabled.yaml").write_text(SCENARIO, encoding="utf-8")
    return cutlayer.run(folder / "tabled.yaml", seed=seed)


def names(*runs: Run) -> list[str]:
    """Return the name of each run's experiment."""
    return [grouped.name for grouped in group_runs(runs)]


def changed(run: Run, **keys: Any) -> Run:
    """Return the run with other keys of its summary."""
    return replace(run, summary={**copy.deepcopy(run.summary), **keys})


def with_latency(run: Run, latency_s: float) -> Run:
    """Return the run with another round time of PSL."""
    other = changed(run)
    other.summary["schemes"]["psl"]["mean_latency_s"] = latency_s
    return other


def test_runs_of_changed_files_are_not_two_seeds_of_one_experiment(tmp_path: Path) -> None:
    """If a named file has changed between two seeds, each run is an experiment, named by the digest."""
    one = run_of(tmp_path / "study")
    two = run_of(tmp_path / "study", UNITS.replace("1000000", "9000000"), seed=1)
    assert one.scenario.replace("seed: 0", "seed: 1") == two.scenario
    table = comparison([one, two])
    assert [1] * 4 == table["runs"].tolist()
    digests = [run.summary["files"][0]["sha256"][:12] for run in (one, two)]
    assert [f"tabled model.file=sha256 {digest}" for digest in digests] == names(one, two)


def test_runs_of_equal_files_are_one_experiment_wherever_the_files_are(tmp_path: Path) -> None:
    """Two seeds from two folders with equal files are one experiment, with means over both."""
    runs = [run_of(tmp_path / name, seed=seed) for seed, name in enumerate(("here", "there"))]
    table = comparison(runs)
    assert ["tabled", "tabled"] == table["experiment"].tolist()
    assert [2, 2] == table["runs"].tolist()


def test_older_runs_without_digests_are_told_apart(tmp_path: Path) -> None:
    """A run folder without digests is no seed of an experiment with digests, and a note says why."""
    new, other = run_of(tmp_path / "study"), run_of(tmp_path / "study", seed=1)
    old = changed(other)
    del old.summary["files"]
    assert 2 == len(set(names(new, old)))
    assert any(
        "older run folders do not record" in note for note in notes(comparison([new, old]), [new, old])
    )
    assert not any("older run" in note for note in notes(comparison([new, other]), [new, other]))


def test_a_seed_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    """A repeated seed changes neither means nor confidence intervals nor counts, and a note names it."""
    runs = [run_of(tmp_path / "study", seed=seed) for seed in (0, 1)]
    once, twice = comparison(runs), comparison([*runs, runs[0]])
    pd.testing.assert_frame_equal(once, twice)
    assert any("2 results were given twice" in note for note in notes(twice, [*runs, runs[0]]))


def test_schemes_of_one_seed_may_be_in_several_runs(tmp_path: Path) -> None:
    """Runs of different schemes at one seed are one experiment with all schemes."""
    run = run_of(tmp_path / "study")
    parts = []
    for label in ("sl", "psl"):
        part = changed(run)
        part.summary["schemes"] = {label: run.summary["schemes"][label]}
        parts.append(part)
    pd.testing.assert_frame_equal(comparison([run]), comparison(parts))


def test_different_results_of_one_seed_by_other_software_are_two_experiments(tmp_path: Path) -> None:
    """If versions or machines explain different results of a seed, they name the experiments."""
    run = run_of(tmp_path / "study")
    versions = {**run.summary["versions"], "numpy": "1.0"}
    other = changed(with_latency(run, 1.0), versions=versions)
    assert ["versions.numpy=1.0"] == [name.split()[-1] for name in names(run, other)][1:]
    elsewhere = changed(with_latency(run, 1.0), machine={"processor": "another"})
    assert "machine.processor=another" in names(run, elsewhere)[1]
    same_results = changed(run, versions=versions)
    assert 1 == len(set(names(run, same_results)))


def test_different_results_of_one_seed_without_a_reason_are_refused(tmp_path: Path) -> None:
    """The message names the scenario, the seed, the scheme and the value, and the exit status is 2."""
    run = run_of(tmp_path / "study", seed=3)
    other = with_latency(run, 1.0)
    with pytest.raises(ContradictoryRunsError, match="tabled with seed 3 differ in psl: mean_latency_s"):
        comparison([run, other])
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, saved in zip(folders, (run, other), strict=True):
        save_run(saved, folder)
    result = CliRunner().invoke(app, ["compare", *map(str, folders)])
    assert 2 == result.exit_code
    assert "compare only one of them" in result.stderr


def test_runs_that_were_interrupted_at_different_rounds_stand_in_rows_of_their_own(tmp_path: Path) -> None:
    """An interrupted run contradicts no other run, since the round at which it ended explains the results."""
    early = changed(run_of(tmp_path / "study"), interrupted=True)
    late = with_latency(early, 1.0)
    for figures in late.summary["schemes"].values():
        figures["rounds"] += 1
    assert ["tabled (interrupted)", "tabled (interrupted) #2"] == names(early, late)
    assert 4 == len(comparison([early, late]))


def test_a_run_and_a_point_of_a_sweep_are_one_experiment(tmp_path: Path) -> None:
    """The section sweep decides nothing in a run, so that it separates no experiments."""
    run = run_of(tmp_path / "study")
    with_sweep = replace(changed(run, seed=1), scenario=run.scenario + "sweep: {seeds: 2}\n")
    assert ["tabled", "tabled"] == names(run, with_sweep)


def test_software_that_differs_within_an_experiment_is_in_the_notes(tmp_path: Path) -> None:
    """Seeds by different versions are averaged, and a note lists the versions."""
    runs = [run_of(tmp_path / "study", seed=seed) for seed in (0, 1)]
    runs[1] = changed(runs[1], versions={**runs[1].summary["versions"], "numpy": "1.0"})
    table = comparison(runs)
    assert [2, 2] == table["runs"].tolist()
    assert any("different software or machines: versions.numpy 1.0, " in n for n in notes(table, runs))


def test_older_runs_have_brackets_too(tmp_path: Path) -> None:
    """The bracket of a run folder without one in its summary follows from its rounds."""
    run = run_of(tmp_path / "study")
    accuracy = pd.Series([0.5, 0.7])[run.rounds.index]
    old = replace(changed(run), rounds=run.rounds.assign(test_accuracy=accuracy))
    old.summary["target_accuracy"] = 0.755
    for figures in old.summary["schemes"].values():
        del figures["time_below_target_s"], figures["rounds_below_target"]
    table = comparison([old])
    assert run.rounds["end_s"].tolist() == table["time_below_target_s"].tolist()
    assert table["time_to_target_s"].isna().all()


def test_diverged_and_failed_runs_are_no_results(tmp_path: Path) -> None:
    """A diverged run has no mean accuracy, and a failed one is no seed of the others; notes say both."""
    runs = [changed(run_of(tmp_path / "study", seed=seed)) for seed in (0, 1)]
    for run in runs:
        for figures in run.summary["schemes"].values():
            figures |= {"final_accuracy": 0.9, "time_below_target_s": 1.0}
    runs[1].summary["schemes"]["psl"] |= {"final_accuracy": None, "diverged_in_round": 7}
    table = comparison(runs).set_index("label")
    assert (1, 2) == (table.loc["psl", "diverged"], table.loc["psl", "runs"])
    assert table.loc[["psl"], ["final_accuracy", "accuracy_change"]].isna().all(axis=None)
    assert "PSL, seed 1: diverged in round 7" in notes(table.reset_index(), runs)
    assert "diverged" in formatted(table.reset_index(), "markdown").splitlines()[3]

    runs[1].summary["schemes"]["psl"] |= {"diverged_in_round": None, "failed": "RuntimeError: out of memory"}
    table = comparison(runs)
    assert ["tabled", "tabled", "tabled (failed)"] == table["experiment"].tolist()
    assert [2, 1, 1] == table["runs"].tolist()
    assert "tabled: PSL, seed 1: failed: RuntimeError: out of memory" in notes(table, runs)


def test_tables_show_brackets_censored_runs_and_undecided_orders(tmp_path: Path) -> None:
    """Every format shows the bracket, or a lower bound with the number of runs that reached the target."""
    runs = [changed(run_of(tmp_path / "study", seed=seed)) for seed in range(3)]
    for seed, run in enumerate(runs):
        bracket: dict[str, float] = {"rounds_below_target": 9 + seed, "rounds_to_target": 10 + seed}
        bracket |= {"time_below_target_s": 0.9 + seed / 10, "time_to_target_s": 1.0 + seed / 10}
        for label, figures in run.summary["schemes"].items():
            figures |= {"final_accuracy": 0.9, **bracket}
            if label == "psl" and seed == 2:
                figures |= {"time_to_target_s": None, "rounds_to_target": None}
    single, several = comparison(runs[:1]), comparison(runs)
    for form in ("markdown", "latex"):
        text = formatted(single, form, notes(single, runs[:1])).replace("--", "–")
        assert "0.9000–1.000" in text and "9–10" in text
        assert "the order of the times to the target is undecided for: SL and PSL" in text
        text = (
            formatted(several, form, notes(several, runs)).replace("--", "–").replace(r"\ensuremath{>}", ">")
        )
        assert "1.000–1.100" in text and "> 1.000" in text
        assert "3 of 3" in text and "2 of 3" in text
        assert "PSL: over the 2 of 3 seeds in which both reached the target" in text
        assert "fewer than 5 seeds" in text
    assert [3, 2] == several["runs_at_target"].tolist()
    low, high = several[["time_to_target_s_low", "time_to_target_s_high"]].to_numpy(float)[0]
    assert low < 1.0 < 1.1 < high
