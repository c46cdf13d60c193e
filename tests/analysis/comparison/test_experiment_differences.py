"""Comparison of run folders: names after folders, and differences of each scheme between experiments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cutlayer
from cutlayer.analysis.comparison.report import notes
from cutlayer.analysis.comparison.table import comparison
from cutlayer.analysis.results.run import Run

FACTORS = (2, 8)
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], Run]:
    """Return runs with two slow-down factors and three seeds, each in its folder."""
    parent = tmp_path_factory.mktemp("compared")
    for factor in FACTORS:
        for seed in SEEDS:
            cutlayer.run(
                "stragglers",
                out=parent / f"factor {factor}, seed {seed}",
                seed=seed,
                schemes=["sfl", "psl"],
                overrides=["learning=null", "stop={rounds: 8}", f"stragglers.slowdown.factor={factor}"],
                figures=False,
            )
    return {(f, s): cutlayer.load(parent / f"factor {f}, seed {s}") for f in FACTORS for s in SEEDS}


def _latency_s(run: Run, label: str) -> float:
    return float(run.summary["schemes"][label]["mean_latency_s"])


def test_experiments_of_one_name_are_named_after_their_folders(runs: dict[tuple[int, int], Run]) -> None:
    """Two folders of one scenario's name with different settings are told apart by the folders."""
    table = comparison([runs[2, 0], runs[8, 0]])
    assert ["factor 2, seed 0", "factor 8, seed 0"] == list(dict.fromkeys(table["experiment"]))
    assert "factor 8, seed 0: stragglers.slowdown.factor=8.0" in notes(table, [runs[2, 0], runs[8, 0]])


def test_equal_folder_names_get_their_parents(runs: dict[tuple[int, int], Run]) -> None:
    """As many parent folders as needed tell folders of one name apart."""
    pair = [replace(runs[2, 0], folder="/a/x/run"), replace(runs[8, 0], folder="/a/y/run")]
    assert ["x/run", "y/run"] == list(dict.fromkeys(comparison(pair)["experiment"]))


def test_experiments_of_several_folders_keep_their_settings_as_names(
    runs: dict[tuple[int, int], Run],
) -> None:
    """An experiment whose seeds are in several folders is named by the keys in which it differs."""
    names = list(dict.fromkeys(comparison(list(runs.values()))["experiment"]))
    assert [f"stragglers stragglers.slowdown.factor={factor}.0" for factor in FACTORS] == names


def test_one_pair_has_a_difference_without_interval(runs: dict[tuple[int, int], Run]) -> None:
    """With one seed, the change of each scheme's round time is that of this seed."""
    table = comparison([runs[2, 0], runs[8, 0]])
    first, row = table[table["label"] == "psl"].to_dict("records")
    change = 100 * (_latency_s(runs[8, 0], "psl") / _latency_s(runs[2, 0], "psl") - 1)
    assert np.isclose(change, row["experiment_latency_change_percent"], rtol=1e-12)
    assert np.isnan(row["experiment_latency_change_percent_low"])
    assert ("factor 2, seed 0", 1) == (row["reference_experiment"], row["experiment_pairs"])
    assert np.isnan(first["experiment_latency_change_percent"])


def test_several_seeds_are_paired(runs: dict[tuple[int, int], Run]) -> None:
    """Over several seeds the change is the mean of the ratios at each seed, with an interval around it."""
    table = comparison(list(runs.values()))
    row = table[(table["label"] == "psl") & (table["experiment_pairs"] > 0)].iloc[0]
    ratios = [_latency_s(runs[8, seed], "psl") / _latency_s(runs[2, seed], "psl") for seed in SEEDS]
    assert 3 == row["experiment_pairs"]
    change = row["experiment_latency_change_percent"]
    assert np.isclose(100 * (np.mean(ratios) - 1), change, rtol=1e-9)
    ends = [row[f"experiment_latency_change_percent_{end}"] for end in ("low", "high")]
    assert ends[0] < change < ends[1]


def test_runs_that_were_not_read_have_no_differences_between_experiments(
    runs: dict[tuple[int, int], Run],
) -> None:
    """Points of one sweep, or runs in memory, are compared as before."""
    for folder in ("", str(Path("/sweeps/one"))):
        table = comparison([replace(runs[factor, 0], folder=folder) for factor in FACTORS])
        assert table["reference_experiment"].isna().all()
        assert "stragglers stragglers.slowdown.factor=8.0" in set(table["experiment"])
