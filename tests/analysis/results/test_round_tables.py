"""Tests of rounds, summaries, run folders and comparisons, from the intervals of real runs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

import cutlayer
from cutlayer.analysis.comparison.report import formatted, notes
from cutlayer.analysis.comparison.table import comparison
from cutlayer.analysis.results.atomic_files import RunFolderError
from cutlayer.analysis.results.round_tables import scheme_summary
from cutlayer.analysis.results.run import Run
from cutlayer.analysis.results.run_folder import load_run, save_run


@pytest.fixture(scope="module")
def timeline() -> Run:
    """Return a run of six schemes without learning."""
    schemes = "[sl, sfl, psl, {name: epsl, phi: 0.5}, fl, centralised]"
    return cutlayer.run("timeline_only", overrides=["stop.rounds=3", f"schemes={schemes}"])


def test_rounds_add_up_to_the_intervals(timeline: Run) -> None:
    """For each scheme, the bits, FLOPs and energy of the rounds are sums over the intervals."""
    for label, rows in timeline.intervals.groupby("label"):
        table = timeline.rounds[timeline.rounds["label"] == label]
        server = rows["node"] == "server"
        sums = {
            "uplink_bits": rows.loc[rows["lane"] == "uplink", "bits"],
            "downlink_bits": rows.loc[rows["lane"] == "downlink", "bits"],
            "client_flops": rows.loc[~server, "flops"],
            "server_flops": rows.loc[server, "flops"],
            "energy_j": rows["energy_j"],
            "client_energy_j": rows.loc[~server & (rows["lane"] != "downlink"), "energy_j"],
        }
        for column, values in sums.items():
            assert values.sum() == pytest.approx(table[column].sum(), rel=1e-12), (label, column)
        assert table["latency_s"].sum() == pytest.approx(rows["end_s"].max(), rel=1e-12)


def test_the_summary_finds_the_first_round_at_the_target() -> None:
    """The first round at the target counts, even if the accuracy falls later and some rounds lack one."""
    rounds = pd.DataFrame(
        {
            "latency_s": [2.0] * 5,
            "end_s": [2.0, 4.0, 6.0, 8.0, 10.0],
            "test_accuracy": [np.nan, 0.4, np.nan, 0.8, 0.6],
            "round": [1, 2, 3, 4, 5],
            "diverged": [False] * 5,
            "validation_accuracy": [np.nan, 0.7, np.nan, 0.5, 0.3],
            "samples": [10, 10, 0, 10, 10],
            "updates": [1] * 5,
            "participants": [1, 1, 0, 1, 1],
            **{c: [1.0] * 5 for c in ("uplink_bits", "downlink_bits", "energy_j", "client_energy_j")},
            **{c: [0.0] * 5 for c in ("receive_energy_j", "idle_energy_j")},
        }
    )
    summary = scheme_summary(rounds, 0.8)
    assert (8.0, 4, 30) == tuple(
        summary[k] for k in ("time_to_target_s", "rounds_to_target", "samples_to_target")
    )
    assert (4.0, 2) == (summary["time_below_target_s"], summary["rounds_below_target"])
    assert (0.6, 0.8, 1) == tuple(summary[k] for k in ("final_accuracy", "best_accuracy", "empty_rounds"))
    assert 0.3 == summary["final_validation_accuracy"]
    assert scheme_summary(rounds, 0.9)["time_to_target_s"] is None
    assert summary["diverged_in_round"] is None
    rounds["diverged"] = rounds["round"] == 5
    rounds.loc[4, ["test_accuracy", "validation_accuracy"]] = np.nan
    diverged = scheme_summary(rounds, 0.8)  # the last model is none, and earlier ones are not its accuracy
    assert (5, None, None) == tuple(
        diverged[k] for k in ("diverged_in_round", "final_accuracy", "final_validation_accuracy")
    )
    assert (0.8, 4) == (diverged["best_accuracy"], diverged["rounds_to_target"])


def test_a_saved_run_reads_back_equal(timeline: Run, tmp_path: Path) -> None:
    """Every number in the files keeps all its bits."""
    save_run(timeline, tmp_path / "run")
    read = load_run(tmp_path / "run")
    assert timeline.summary == read.summary
    assert timeline.scenario == read.scenario
    for name in ("rounds", "devices", "intervals"):
        written, back = getattr(timeline, name), getattr(read, name)
        for column in written.select_dtypes("number"):
            assert np.array_equal(written[column], back[column], equal_nan=True), (name, column)


def test_nothing_is_overwritten_unasked(timeline: Run, tmp_path: Path) -> None:
    """A run is replaced only on request, and a folder with other files never."""
    folder = tmp_path / "run"
    save_run(timeline, folder)
    (folder / "mark").write_text("")
    with pytest.raises(RunFolderError, match="holds a run already"):
        save_run(timeline, folder)
    save_run(timeline, folder, overwrite=True)
    assert not (folder / "mark").exists()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("")
    with pytest.raises(RunFolderError, match="not a run folder"):
        save_run(timeline, tmp_path / "thesis", overwrite=True)


def test_a_failed_write_leaves_nothing(
    timeline: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk is full during the writing, neither the folder nor a draft remains."""

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet.ParquetWriter, "write_table", full)
    with pytest.raises(RunFolderError, match="No space left"):
        save_run(timeline, tmp_path / "run")
    assert [] == list(tmp_path.iterdir())


def test_broken_run_folders_are_refused(timeline: Run, tmp_path: Path) -> None:
    """A missing file and an unknown format are errors that name them."""
    folder = tmp_path / "run"
    save_run(timeline, folder)
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, "format": 2}))
    with pytest.raises(RunFolderError, match="format 2; this version reads format 1"):
        load_run(folder)
    (folder / "rounds.csv").unlink()
    with pytest.raises(RunFolderError, match=r"rounds\.csv missing"):
        load_run(folder)


def test_the_comparison_is_the_summaries(timeline: Run) -> None:
    """The speed-up is SL's mean round time divided by the scheme's, and CSV keeps all digits."""
    table = comparison([timeline]).set_index("label")
    for label, summary in timeline.summary["schemes"].items():
        assert summary["mean_latency_s"] == table.loc[label, "mean_latency_s"]
        ratio = timeline.summary["schemes"]["sl"]["mean_latency_s"] / summary["mean_latency_s"]
        assert ratio == pytest.approx(table.loc[label, "speedup_over_sl"], rel=1e-12)
    read = pd.read_csv(io.StringIO(formatted(comparison([timeline]), "csv")))
    assert read["mean_latency_s"].tolist() == table["mean_latency_s"].tolist()


def test_a_time_to_target_needs_every_run() -> None:
    """A mean over several runs exists only if each run has the figure."""
    runs = [
        cutlayer.run("timeline_only", seed=s, overrides=["stop.rounds=1", "schemes=[psl]"]) for s in (0, 1)
    ]
    for run, time_s in zip(runs, (3.0, None), strict=True):
        run.summary["schemes"]["psl"]["time_to_target_s"] = time_s
    (row,) = comparison(runs).to_dict("records")
    assert 2 == row["runs"]
    assert np.isnan(row["time_to_target_s"])
    latencies = [run.summary["schemes"]["psl"]["mean_latency_s"] for run in runs]
    assert latencies[0] != latencies[1]
    assert sum(latencies) / 2 == pytest.approx(row["mean_latency_s"], rel=1e-12)


def test_a_label_with_other_parameters_is_another_experiment() -> None:
    """Runs with other parameters of one label are separate experiments, named after the parameter."""
    phis = (0.25, 0.75)
    runs = [
        cutlayer.run(
            "timeline_only",
            overrides=["stop.rounds=1", f"schemes=[psl, {{name: epsl, phi: {phi}, label: epsl}}]"],
        )
        for phi in phis
    ]
    table = comparison(runs)
    rows = table[table["label"] == "epsl"]
    assert [1, 1] == rows["runs"].tolist()
    assert all(f"schemes.epsl.phi={phi}" in name for phi, name in zip(phis, rows["experiment"], strict=True))
    latencies = [run.summary["schemes"]["epsl"]["mean_latency_s"] for run in runs]
    assert latencies == rows["mean_latency_s"].tolist()


def test_bars_in_labels_stay_in_their_cell(timeline: Run) -> None:
    """A label with a bar is one cell in Markdown, and the bar is a command in LaTeX."""
    table = comparison([timeline]).assign(paper_label="cuts 1|2")
    lines = formatted(table, "markdown").splitlines()
    assert 1 == len({line.replace(r"\|", "").count("|") for line in lines})
    assert r"cuts 1\textbar{}2" in formatted(table, "latex")


def test_experiments_with_many_differences_have_numbers() -> None:
    """If the keys are too long for a name, experiments have numbers, which notes and CSV explain."""
    common, more = ["stop.rounds=1", "schemes=[psl]"], ["radio.subchannels=30", "devices.memory_mib=900"]
    runs = [
        cutlayer.run(
            "timeline_only",
            overrides=[*common, *added, f"devices.cycles_per_flop={x}", f"batch_size={size}"],
        )
        for x, size in ((0.0625, 8), (0.125, 16))
        for added in ([], more)
    ]
    table = comparison(runs)
    assert [f"timeline-only #{n}" for n in (1, 2, 3, 4)] == table["experiment"].tolist()
    explanations = notes(table, runs)[:4]
    for name, settings, note in zip(table["experiment"], table["settings"], explanations, strict=True):
        assert f"{name}: {settings}" == note
    assert "batch_size=8" in explanations[0] and "devices.cycles_per_flop=0.125" in explanations[3]
    assert (
        table["settings"].tolist() == pd.read_csv(io.StringIO(formatted(table, "csv")))["settings"].tolist()
    )
    assert formatted(table, "markdown", explanations).endswith(
        "".join(f"- {note}\n" for note in explanations)
    )
    assert formatted(table, "latex", explanations).endswith("".join(f"% {note}\n" for note in explanations))


def test_a_negative_number_has_a_minus_in_latex(timeline: Run) -> None:
    """A minus sign and an exponent become mathematics; the hyphens of names stay."""
    table = comparison([timeline]).assign(
        latency_change_percent=-26.7, latency_change_percent_low=-29.1, latency_change_percent_high=-24.5
    )
    text = formatted(table.assign(paper_label="a-1", energy_j=1e-7), "latex")
    assert "$-$26.7 ($-$29.1 to $-$24.5)" in text
    assert "a-1" in text and r"$1.000\times 10^{-7}$" in text
