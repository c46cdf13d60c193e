"""Tests of chosen columns: every name has a column, unknown names are refused with the known ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import cutlayer
from cutlayer.analysis.comparison.columns import COLUMNS, UnknownColumnError
from cutlayer.analysis.comparison.display import text_table
from cutlayer.analysis.comparison.report import formatted, notes
from cutlayer.analysis.comparison.table import comparison
from cutlayer.analysis.results.run import Run


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """Return three runs of one scenario with other seeds, of which the last does not reach the target."""
    made = [
        cutlayer.run("timeline_only", seed=seed, overrides=["stop.rounds=2", "schemes=[sl, epsl]"])
        for seed in range(3)
    ]
    for seed, run in enumerate(made):
        for figures in run.summary["schemes"].values():
            figures |= {"final_accuracy": 0.96 + 0.01 * seed, "time_below_target_s": 2.0 + seed}
            figures |= {"rounds_below_target": 3, "rounds_to_target": 4, "time_to_target_s": 3.0 + seed}
    for key in ("time_to_target_s", "rounds_to_target"):
        made[2].summary["schemes"]["epsl φ=0.5"][key] = None
    return made


def test_each_name_has_a_column_with_a_heading_in_words(runs: list[Run]) -> None:
    """Any choice gives its columns in its order, with schemes as papers write them."""
    table = comparison(runs)
    shown = text_table(table, ["energy", "latency"])
    assert ["scheme", "Energy [J]"] == list(shown)[:2]
    assert str(list(shown)[2]).startswith("Round time [")
    assert ["SL", "EPSL (φ = 0.5)"] == shown["scheme"].tolist()
    for name in COLUMNS:
        for intervals in (False, True):
            assert len(text_table(table, [name], intervals=intervals).columns) >= 2


def test_every_mean_has_its_interval_in_bounds(runs: list[Run]) -> None:
    """With intervals each cell has brackets, no accuracy exceeds 100 %, and a note explains the brackets."""
    table = comparison(runs)
    shown = text_table(table, ["latency", "accuracy", "energy"], intervals=True)
    cells = shown.drop(columns="scheme").to_numpy().ravel()
    assert all("[" in cell for cell in cells)
    assert (table["final_accuracy_high"] < 1).all() and (table["energy_j_low"] > 0).all()
    remarks = notes(table, runs, ["latency", "accuracy"], intervals=True)
    assert "in square brackets: the 95 % confidence interval of the mean over seeds" in remarks
    assert any(remark.startswith("fewer than 5 seeds") for remark in remarks)
    assert not any("× SL" in remark or "target" in remark for remark in remarks[:2])


def test_runs_that_missed_the_target_are_counted(runs: list[Run]) -> None:
    """A scheme of which one of three seeds missed the target has a lower bound and ``2 of 3``."""
    shown = text_table(comparison(runs), ["target"], intervals=True).set_index("scheme")
    assert "2 of 3" == shown.loc["EPSL (φ = 0.5)", "At target"]
    assert str(shown.loc["EPSL (φ = 0.5)", "Time to target [s]"]).startswith("> ")
    assert "[" in str(shown.loc["SL", "Time to target [s]"])


def test_one_seed_has_no_interval_and_says_so(runs: list[Run]) -> None:
    """A table with intervals of one seed has plain numbers, and the note says why."""
    table = comparison(runs[:1])
    assert not any("[" in cell for cell in text_table(table, ["latency"], intervals=True).iloc[:, 1])
    assert "one seed: there are no confidence intervals; several seeds give them" in notes(
        table, runs[:1], ["latency"], intervals=True
    )


def test_the_python_table_has_the_chosen_columns(runs: list[Run]) -> None:
    """The DataFrame has identity and chosen columns, with the ends of intervals if they are wanted."""
    identity = ["experiment", "scheme", "label", "paper_label", "runs"]
    chosen = cutlayer.compare(*runs, columns=["latency", "energy"])
    assert [*identity, "mean_latency_s", "energy_j"] == list(chosen)
    ends = ["mean_latency_s", "mean_latency_s_low", "mean_latency_s_high"]
    assert [*identity, *ends] == list(cutlayer.compare(*runs, columns=["latency"], intervals=True))
    with pytest.raises(UnknownColumnError, match=r"'latncy'; known: cut, latency.*did you mean 'latency'"):
        cutlayer.compare(*runs, columns=["latncy"])


def test_the_csv_of_chosen_columns_is_the_python_table(runs: list[Run], tmp_path: Path) -> None:
    """The CSV has all digits of the chosen columns."""
    (tmp_path / "t.csv").write_text(
        formatted(comparison(runs), "csv", columns=["latency"], intervals=True), encoding="utf-8"
    )
    expected = cutlayer.compare(*runs, columns=["latency"], intervals=True)
    pd.testing.assert_frame_equal(expected, pd.read_csv(tmp_path / "t.csv"))
