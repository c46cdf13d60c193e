"""Figures of finished runs and sweeps are drawn again by name, from the command line and from Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import cutlayer
from cutlayer.cli.main import app
from tests.support.sweeps import in_threads

SWEEP = """\
name: study
stop: {rounds: 2}
target_accuracy: 0.75
schemes: [sl, {name: epsl, phi: 1}]
batch_size: 8
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
radio: {subchannels: 8}
sweep:
  grid: {devices.count: [1, 3], allocation.cut: [1, 2]}
  seeds: 3
  figure:
    - {file: latency, x: devices.count, y: mean_latency_s, panels: allocation.cut}
    - {file: one_cut.svg, x: devices.count, y: mean_latency_s, where: {allocation.cut: 2}, schemes: [epsl]}
"""
SIGNATURES = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def cli(status: int, *arguments: object) -> Any:
    """Return the result of a command that must end with this status."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert status == result.exit_code, (result.output, result.exception)
    return result


def with_learning(run: Path) -> None:
    """Give a run folder accuracies, of which those of seed 0 do not reach the target."""
    rounds = pd.read_csv(run / "rounds.csv")
    seed = int(rounds["seed"].iloc[0])
    rounds["test_accuracy"] = 0.6 + 0.05 * rounds["round"] + 0.1 * seed
    rounds.to_csv(run / "rounds.csv", index=False)
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    for figures in summary["schemes"].values():
        reached = {"time_to_target_s": 1.0 + seed if seed else None, "time_below_target_s": 0.5}
        figures |= {"final_accuracy": 0.7 + 0.1 * seed, "rounds_below_target": 1, **reached}
    (run / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished sweep with two figures in its section."""
    place = tmp_path_factory.mktemp("redraw")
    (place / "study.yaml").write_text(SWEEP, encoding="utf-8")
    in_threads(place / "study.yaml", place / "out").run()
    return place / "out"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the folders of three runs that differ in their seeds alone."""
    place = tmp_path_factory.mktemp("runs")
    (place / "study.yaml").write_text(SWEEP, encoding="utf-8")
    for seed in range(3):
        cutlayer.run(place / "study.yaml", out=place / f"seed-{seed}", seed=seed, figures=False)
        with_learning(place / f"seed-{seed}")
    return [place / f"seed-{seed}" for seed in range(3)]


def listed(*arguments: object) -> list[str]:
    """Return the names that the command lists."""
    return [line.split()[0] for line in cli(0, "figure", *arguments).stdout.splitlines()]


def test_the_command_lists_the_figures_for_which_there_are_data(sweep: Path, runs: list[Path]) -> None:
    """A sweep has the figures of its section, a run its charts, several runs their means over seeds."""
    assert ["latency", "one_cut", "comparison"] == listed(sweep)
    curves = ["accuracy", "accuracy_time", "accuracy_rounds"]
    assert ["gantt", *curves, "comparison"] == listed(runs[0])
    assert [*curves, "comparison"] == listed(runs[0], "--also", runs[1])


@pytest.mark.parametrize("suffix", SIGNATURES)
def test_every_figure_of_a_run_is_drawn_in_every_format(
    runs: list[Path], tmp_path: Path, suffix: str
) -> None:
    """The suffix decides on the format; the same command writes the same bytes."""
    for name in listed(runs[0]):
        paths = [tmp_path / f"{name}-{n}{suffix}" for n in range(2)]
        for path in paths:
            cli(0, "figure", runs[0], name, "--width", "3.5in", "--font", "STIXGeneral", "--output", path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        assert paths[0].read_bytes().startswith(SIGNATURES[suffix])


def test_the_width_is_the_width_of_the_file(runs: list[Path], sweep: Path, tmp_path: Path) -> None:
    """A PDF of 3.5 inches is 252 points wide, and the letters are of the family."""
    for folder, name in ((runs[0], "gantt"), (runs[0], "comparison"), (sweep, "latency")):
        path = tmp_path / f"{name}.svg"
        cli(0, "figure", folder, name, "--width", "3.5in", "--font", "STIXGeneral", "--output", path)
        text = path.read_text(encoding="utf-8")
        assert 'width="252pt"' in text
        assert "STIXGeneral" in text
    chart = tmp_path / "g.svg"
    cli(0, "gantt", runs[0], "--width", "89mm", "--font-size", "9", "--output", chart)
    assert 'width="252.28' in chart.read_text(encoding="utf-8")


def test_the_default_file_is_a_pdf_in_the_folder(sweep: Path) -> None:
    """Without --output the figure is DIR/NAME.pdf, and the figures of the sweep itself stay."""
    result = cli(0, "figure", sweep, "latency")
    assert f"written to {sweep / 'latency.pdf'}" in result.stdout
    assert "fewer than 5 seeds" in result.stdout
    (sweep / "latency.pdf").unlink()


def test_filters_choose_points_and_schemes(sweep: Path, tmp_path: Path) -> None:
    """Labels, labels of papers and names of schemes choose schemes; --where chooses points."""
    for wanted in ("epsl", "epsl φ=1", "EPSL (φ = 1)"):
        path = tmp_path / "a.svg"
        cli(
            0,
            "figure",
            sweep,
            "latency",
            "--schemes",
            wanted,
            "--where",
            "allocation.cut=1",
            "--output",
            path,
        )
        text = path.read_text(encoding="utf-8")
        assert "EPSL (φ = 1)" in text and ">SL<" not in text
        assert "Cut layer: 1" in text and "Cut layer: 2" not in text
    cli(0, "figure", sweep, "comparison", "--where", "devices.count=[1, 3]", "--output", tmp_path / "b.svg")
    assert "Round time [" in (tmp_path / "b.svg").read_text(encoding="utf-8")


def test_the_numbers_of_a_figure_are_a_table(sweep: Path) -> None:
    """The table has a row for each point, and a column for each scheme; the CSV has all digits."""
    text = cli(0, "figure", sweep, "latency", "--table", "markdown").stdout
    assert "Round time [" in text and "mean over 3 seeds with its 95 % confidence interval" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert 2 + 4 == len(rows)
    assert "SL" in rows[0] and "EPSL (φ = 1)" in rows[0]
    assert r"\toprule" in cli(0, "figure", sweep, "latency", "--table", "latex").stdout
    assert "mean_latency_s_low" in cli(0, "figure", sweep, "latency", "--table", "csv").stdout


def test_wrong_input_names_the_fault_and_writes_nothing(
    sweep: Path, runs: list[Path], tmp_path: Path
) -> None:
    """Each message names the option or the names that exist; the status is 2."""
    before = sorted(sweep.iterdir())
    for expected, arguments in {
        "no figure 'latenci'; there are: latency, one_cut, comparison; did you mean 'latency'?": ("latenci",),
        "no scheme is named 'fl'; there are: sl, epsl φ=1": ("latency", "--schemes", "fl"),
        "no point has devices.count=2; values: 1, 3": ("latency", "--where", "devices.count=2"),
        "radio.subchannels is not swept": ("comparison", "--where", "radio.subchannels=4"),
        "'devices.count' is not of the form KEY=VALUE": ("latency", "--where", "devices.count"),
        "--width: '3.5' is no width": ("latency", "--width", "3.5"),
        "--font: no family": ("latency", "--font", "Qqqq"),
        "--font-size: the letters": ("latency", "--font-size", "5"),
        "the suffix must be one of": ("latency", "--output", tmp_path / "a.jpg"),
        "'html' is unknown; known: csv, latex, markdown": ("latency", "--table", "html"),
        "no column is named 'x'": ("comparison", "--columns", "x"),
        "there are no bars of it": ("comparison", "--columns", "cut"),
    }.items():
        assert expected in cli(2, "figure", sweep, *arguments).stderr
    assert "is not a run folder" in cli(2, "figure", tmp_path, "gantt").stderr.replace("\n", " ")
    assert "not of one sweep" in cli(2, "figure", runs[0], "comparison", "--where", "seed=1").stderr
    assert "cutlayer compare prints" in cli(2, "figure", runs[0], "gantt", "--table", "csv").stderr
    assert before == sorted(sweep.iterdir())
    assert [] == list(tmp_path.iterdir())


def test_a_comparison_says_how_many_seeds_reached_the_target(runs: list[Path], tmp_path: Path) -> None:
    """If a seed missed the target there is no bar, but a text with the number of those that did not."""
    also = [item for folder in runs[1:] for item in ("--also", folder)]
    path = tmp_path / "c.svg"
    columns = ("--columns", "target,accuracy,node_memory")
    result = cli(0, "figure", runs[0], "comparison", *also, *columns, "--output", path)
    text = path.read_text(encoding="utf-8")
    assert 2 == text.count("reached by 2 of 3 seeds")
    assert "Time to target" in text and "Final test accuracy [%]" in text
    assert "Memory of a node [MiB]" in text
    assert "fewer than 5 seeds" in result.stdout


def test_python_draws_the_same_figures(sweep: Path, runs: list[Path], tmp_path: Path) -> None:
    """The function writes the bytes of the command, and takes finished runs too."""
    cli(0, "figure", sweep, "latency", "--width", "3.5in", "--output", tmp_path / "a.svg")
    with pytest.warns(UserWarning, match="fewer than 5 seeds"):
        cutlayer.figure(sweep, name="latency", width="3.5in", output=tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    drawn = cutlayer.figure(cutlayer.load(runs[0]), name="accuracy_time", width="3.5in", schemes=["sl"])
    assert 3.5 == drawn.get_figwidth()
    with pytest.raises(ValueError, match="there is no figure 'x'"):
        cutlayer.figure(runs[0], name="x")


def test_a_figure_needs_no_simulator(runs: list[Path]) -> None:
    """Drawing a figure again loads neither SimPy nor torch."""
    script = "import sys, cutlayer.analysis.redraw.sweep_figures as redraw; from pathlib import Path;"
    script += "redraw.figures_of_folders([Path(sys.argv[1])]);"
    script += "assert not {'simpy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script, str(runs[0])], check=True)
