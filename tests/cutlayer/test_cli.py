"""The command line as users type it: the output and the exit status of each command."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import cutlayer
from cutlayer.cli.main import app
from cutlayer.scenarios.loading.library import description, library
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.model_costs.unit_table import read_unit_table
from tests.support.processes import python

SCENARIO = """\
name: two schemes
stop: {rounds: 3}
schemes: [sl, {name: epsl, phi: 1}]
batch_size: 8
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
devices: {count: 2}
"""


def cli(*arguments: object) -> Any:
    """Return the result of a command that must succeed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert 0 == result.exit_code, (result.output, result.exception)
    return result


def refused(*arguments: object) -> str:
    """Return the message of a command that must end with status 2."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert 2 == result.exit_code, (result.output, result.exception)
    return result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder that the command has written."""
    parent = tmp_path_factory.mktemp("cli")
    (parent / "two.yaml").write_text(SCENARIO, encoding="utf-8")
    cli("run", parent / "two.yaml", "--out", parent / "run")
    return parent / "run"


def test_run_writes_the_folder(folder: Path) -> None:
    """A run writes its scenario, summary, tables and chart; a timeline has no accuracy to draw."""
    tables = {"rounds.csv", "devices.csv", "nodes.csv", "stages.csv", "intervals.parquet", "events.parquet"}
    files = {"scenario.yaml", "summary.json", "gantt.png", *tables}
    assert files == {path.name for path in folder.iterdir()}
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert (1, False) == (summary["format"], summary["interrupted"])
    assert ["sl", "epsl φ=1"] == list(summary["schemes"])


def test_run_names_its_folder_after_the_scenario(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --out the folder is runs/NAME, numbered when that is taken."""
    monkeypatch.chdir(folder.parent)
    for _ in range(2):
        assert "written to runs/two-schemes" in cli("run", "two.yaml", "--schemes", "sl").stdout
    assert {"two-schemes", "two-schemes-2"} == {path.name for path in (folder.parent / "runs").iterdir()}


def test_overwriting_needs_an_option(folder: Path, tmp_path: Path) -> None:
    """A folder that holds a run is replaced only with --overwrite."""
    arguments = ("run", folder.parent / "two.yaml", "--out", tmp_path / "run")
    cli(*arguments)
    assert "holds a run already" in refused(*arguments)
    cli(*arguments, "--overwrite", "--seed", 5, "--set", "stop.rounds=1")
    run = cutlayer.load(tmp_path / "run")
    assert [5, 5] == run.rounds["seed"].tolist()
    assert [tmp_path / "run"] == list(tmp_path.iterdir())


def test_compare_in_every_format(folder: Path) -> None:
    """The table names every scheme in every format; the CSV is the table of the Python API."""
    for form in ("table", "latex", "markdown", "csv"):
        text = cli("compare", folder, "--format", form).stdout
        assert "SL" in text
        assert "EPSL (" in text
    texts = ("cut", "settings", "order_undecided_with")
    table = pd.read_csv(StringIO(text), dtype=dict.fromkeys(texts, str)).fillna(dict.fromkeys(texts[1:], ""))
    pd.testing.assert_frame_equal(cutlayer.compare(folder), table, check_dtype=False)
    assert "--format: 'html' is unknown" in refused("compare", folder, "--format", "html")


def test_compare_shows_chosen_columns(folder: Path) -> None:
    """Columns, intervals, caption and label reach the table; wrong ones are refused with what is allowed."""
    options = ("--columns", "latency,energy", "--intervals", "--format", "latex")
    text = cli("compare", folder, *options, "--caption", "50 % of it", "--label", "tab:a").stdout
    assert r"\caption{50 \% of it}" in text and r"\label{tab:a}" in text
    assert "Round time [" in text and "Energy [J]" in text and "Cut layer" not in text
    assert "one seed: there are no confidence intervals" in text
    assert "--columns: no column is named 'energie'" in refused("compare", folder, "--columns", "energie")
    assert "--caption: is for" in refused("compare", folder, "--caption", "x")
    assert "--label: is for" in refused("compare", folder, "--label", "x", "--format", "markdown")
    assert "--label: a label has letters" in refused("compare", folder, "--label", "x y", "--format", "latex")


def test_compare_takes_runs_only(tmp_path: Path) -> None:
    """The message about a folder without a run names the folder."""
    assert f"{tmp_path} is not a run folder" in refused("compare", tmp_path).replace("\n", " ")


def test_gantt_writes_each_format(folder: Path, tmp_path: Path) -> None:
    """The suffix decides on the format; rounds and schemes can be picked."""
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        output = tmp_path / f"chart{suffix}"
        cli("gantt", folder, "--rounds", "1-2", "--scheme", "epsl", "--output", output)
        assert output.read_bytes().startswith(start)
    assert "suffix" in refused("gantt", folder, "--output", tmp_path / "chart.doc")
    assert "--rounds" in refused("gantt", folder, "--rounds", "3-1")
    assert "no scheme is named 'psl'; there are: sl, epsl φ=1" in refused("gantt", folder, "--scheme", "psl")
    assert 3 == len(list(tmp_path.iterdir()))


def test_profile_prints_a_unit_table(tmp_path: Path) -> None:
    """The CSV of a profile is a unit table; the table for people has its units."""
    text = cli("profile", "lenet", "--input", "1x8x8", "--classes", "10", "--format", "csv").stdout
    (tmp_path / "units.csv").write_text(text, encoding="utf-8")
    units = read_unit_table(tmp_path / "units.csv").units
    table = cli("profile", "lenet", "--input", "1x8x8", "--classes", "10").stdout
    assert all(unit in table for unit in units)
    assert "did you mean 'lenet'" in refused("profile", "lenett")
    assert "--input" in refused("profile", "lenet", "--input", "8x8")


def test_validate_names_the_plan() -> None:
    """Validation prints each scheme's cut and predicted round time, and runs nothing."""
    *plans, verdict = cli("validate", "timeline_only").stdout.splitlines()
    assert "timeline_only.yaml: valid" == verdict
    assert ["sl", "sfl", "psl", "epsl φ=0.5", "epsl φ=1", "fl"] == [plan.split(":")[0] for plan in plans]
    assert all(plan.endswith("s a round") for plan in plans)


def test_scenarios_are_listed_with_their_questions() -> None:
    """Every scenario of the library has a first sentence that says what it shows."""
    assert "Five unequal devices train a small CNN on handwritten digits." == description(
        library()["quickstart"]
    )
    for name, path in library().items():
        assert description(path).endswith((".", "?")), name


def test_show_prints_a_scenario_to_start_from(tmp_path: Path) -> None:
    """The text is the scenario of the library wherever it is saved; an unknown name gets a suggestion."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(cli("show", "timeline-only").stdout, encoding="utf-8")
    assert load_scenario("timeline_only").scenario == load_scenario(mine).scenario
    assert "did you mean 'quickstart'?" in refused("show", "quikstart")


def test_a_mistyped_path_gets_the_nearest_file(tmp_path: Path) -> None:
    """The suggestion is a scenario's file in the same folder."""
    (tmp_path / "study.yaml").write_text("name: study\n", encoding="utf-8")
    (tmp_path / "stuyd.csv").write_text("", encoding="utf-8")
    assert f"did you mean '{tmp_path / 'study.yaml'}'?" in refused("validate", tmp_path / "stdy.yaml")


def test_list_names_everything() -> None:
    """Each kind of name is listed, alone and with all others."""
    everything = cli("list").stdout
    for kind, name in (
        ("schemes", "epsl_pt"),
        ("models", "resnet18"),
        ("datasets", "ham10000"),
        ("allocations", "marginal_greedy"),
        ("path-losses", "log_distance"),
        ("fadings", "rician"),
        ("scenarios", "quickstart"),
    ):
        assert name in cli("list", kind).stdout
        assert name in everything
    assert set(library()) <= set(everything.split())
    assert "did you mean 'models'" in refused("list", "model")


@pytest.mark.parametrize(
    "arguments", [["rum"], ["run"], ["run", "quickstart", "--colour"], ["run", "x", "--seed", "y"]]
)
def test_wrong_usage_is_wrong_input(arguments: list[str]) -> None:
    """Unknown commands and options, and missing arguments, end with status 2."""
    assert refused(*arguments)


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    """``--help`` imports neither torch nor pandas nor matplotlib."""
    script = (
        "import sys\nfrom typer.testing import CliRunner\nfrom cutlayer.cli.main import app\n"
        "assert 0 == CliRunner().invoke(app, ['--help']).exit_code\n"
        "print({'torch', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    assert "set()\n" == python(script, tmp_path)


@pytest.mark.parametrize(
    "name", ["run", "sweep", "compare", "figure", "gantt", "plan", "profile", "validate", "schema", "list"]
)
def test_h_is_help(name: str) -> None:
    """``-h`` prints the help of every command."""
    assert cli(name, "--help").stdout == cli(name, "-h").stdout


def test_the_package_is_a_command(tmp_path: Path) -> None:
    """``python -m cutlayer`` is the command; ``--version`` prints the version of the distribution."""
    command = [sys.executable, "-m", "cutlayer", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"cutlayer {version('cutlayer')}\n" == done.stdout
    assert version("cutlayer") == cutlayer.__version__


def test_the_shell_completes_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell's request for completion is answered with the commands that begin with the typed letters."""
    monkeypatch.setenv("COMP_WORDS", "cutlayer va")
    monkeypatch.setenv("COMP_CWORD", "1")
    result = CliRunner().invoke(app, env={"_CUTLAYER_COMPLETE": "complete_bash"}, prog_name="cutlayer")
    assert "validate" == result.stdout.strip()


def test_the_python_interface(folder: Path) -> None:
    """run, load and compare give the documented tables, and a run in memory writes nothing."""
    before = sorted(folder.parent.rglob("*"))
    result = cutlayer.run(folder.parent / "two.yaml", overrides=["stop.rounds=2"], schemes=["sl"])
    assert before == sorted(folder.parent.rglob("*"))
    assert [1, 2] == result.rounds["round"].tolist()
    assert {"label", "seed", "round", "node", "lane", "phase", "start_s", "end_s", "wait_s"} < set(
        result.intervals
    )
    loaded = cutlayer.load(folder)
    assert 6 == len(loaded.rounds)
    assert ["sl", "epsl φ=1"] == cutlayer.compare(loaded)["label"].tolist()
    with pytest.raises(cutlayer.ScenarioError, match="did you mean 'quickstart'"):
        cutlayer.run("quickstrt")
    with pytest.raises(cutlayer.RunFolderError, match="not a run folder"):
        cutlayer.load(folder.parent)


def test_imports_search_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --allow-imports, `imported` trains an nn.Sequential from a file in the working folder."""
    (tmp_path / "own_model_of_a_test.py").write_text(
        "from torch import nn\n\n\ndef build(width):\n"
        "    return nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(64, width)), nn.Linear(width, 10))\n"
    )
    (tmp_path / "own.yaml").write_text(
        "name: own\nstop: {rounds: 2}\nschemes: [psl]\nbatch_size: 8\nlearning: {dataset: digits}\n"
        "model: {name: imported, factory: 'own_model_of_a_test:build', input_shape: [1, 8, 8], classes: 10,"
        " arguments: {width: 12}}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    cli("run", "own.yaml", "--allow-imports", "--out", "run")
    # the smashed data of a round: 5 clients, 8 samples, 12 values of 32 bits
    assert [5 * 8 * 12 * 32] * 2 == cutlayer.load("run").rounds["uplink_bits"].tolist()
