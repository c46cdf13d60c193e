"""The command trace, and the options that the commands on results and on scenarios share."""

from __future__ import annotations

from pathlib import Path

import pytest

import cutlayer
from tests.cutlayer.test_cli import SCENARIO, cli, refused
from tests.support.traces import check_trace, trace_events


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of two schemes."""
    parent = tmp_path_factory.mktemp("trace")
    (parent / "two.yaml").write_text(SCENARIO, encoding="utf-8")
    cli("run", parent / "two.yaml", "--out", parent / "study", "--no-figures")
    return parent / "study"


def test_trace_writes_into_the_run_folder(run_folder: Path) -> None:
    """By default the file is trace.json.gz of the run folder, and the command names it."""
    printed = cli("trace", run_folder).stdout
    assert f"written to {run_folder / 'trace.json.gz'}; open it on https://ui.perfetto.dev\n" == printed
    check_trace(trace_events(run_folder / "trace.json.gz"))


@pytest.mark.parametrize("option", ["--schemes", "--scheme"])
def test_trace_takes_rounds_schemes_and_a_file(option: str, run_folder: Path, tmp_path: Path) -> None:
    """Only these rounds and schemes are in the file; a scheme is given by its label or its name."""
    path = tmp_path / "some.json"
    cli("trace", run_folder, "--rounds", "2", option, "epsl", "--output", path)
    events = trace_events(path)
    names = {e["args"]["name"].split(" · ")[0] for e in events if e["name"] == "process_name"}
    assert {"EPSL (φ = 1)"} == names
    assert {2} == {e["args"]["round"] for e in events if "round" in e.get("args", {})}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rounds", "x"), "--rounds: 'x' is no span of rounds such as 2 or 1-3"),
        (("--rounds", "7"), "the run has no rounds 7 to 7; rounds count from 1 to 3"),
        (("--output", "trace.txt"), "trace.txt must end in .json.gz or .json"),
        (
            ("--schemes", "epls"),
            "--schemes: no scheme is named 'epls'; there are: sl, epsl φ=1; did you mean 'epsl'?",
        ),
    ],
)
def test_wrong_options_of_trace_are_wrong_input(
    options: tuple[str, str], message: str, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what is wrong, the status is 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert f"{message}\n" == refused("trace", run_folder, *options)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["trace", "gantt", "explain", "compare"])
def test_a_mistyped_run_folder_gets_the_nearest_one(command: str, run_folder: Path) -> None:
    """A folder that does not exist is named with the most similar run folder, also in a wrong parent."""
    missing = run_folder.with_name("studdy")
    assert f"{missing} does not exist; did you mean '{run_folder}'?\n" == refused(command, missing)
    wrong_parent = run_folder.parent.with_name("tracee0") / "study"
    assert f"did you mean '{run_folder}'?" in refused(command, wrong_parent)


@pytest.mark.parametrize("command", ["trace", "gantt", "explain"])
def test_a_sweep_folder_is_named_as_such(command: str, tmp_path: Path) -> None:
    """A command on one run says how to name a point of a sweep."""
    (tmp_path / "points.csv").write_text("point\n")
    message = f"{tmp_path} is a sweep folder; {command} one of its points, for example {tmp_path}/POINT\n"
    assert message == refused(command, tmp_path)


def test_validate_takes_a_seed_and_schemes(tmp_path: Path) -> None:
    """Only the chosen scheme is checked and planned, and an unknown one is refused."""
    (tmp_path / "two.yaml").write_text(SCENARIO, encoding="utf-8")
    printed = cli("validate", tmp_path / "two.yaml", "--schemes", "epsl", "--seed", 3).stdout
    assert printed.startswith("epsl φ=1: ") and 2 == len(printed.splitlines())
    assert "no scheme is named 'pls'" in refused("validate", tmp_path / "two.yaml", "--schemes", "pls")


def test_sweep_takes_a_seed_and_schemes(tmp_path: Path) -> None:
    """All points have the chosen scheme alone, and their seeds count up from the given one."""
    (tmp_path / "two.yaml").write_text(f"{SCENARIO}\nsweep: {{seeds: 2}}\n", encoding="utf-8")
    options = ("--out", tmp_path / "out", "--jobs", 1, "--schemes", "sl", "--seed", 8)
    cli("sweep", tmp_path / "two.yaml", *options)
    table = cutlayer.compare(tmp_path / "out")
    assert ["sl"] == table["label"].tolist()
    assert {8, 9} == {
        cutlayer.load(path.parent).summary["seed"] for path in tmp_path.glob("out/*/summary.json")
    }


def test_kept_checkpoints_go_on_to_more_rounds(tmp_path: Path) -> None:
    """The options of the command do as those of Python."""
    (tmp_path / "two.yaml").write_text(SCENARIO, encoding="utf-8")
    command = (
        "run",
        tmp_path / "two.yaml",
        "--out",
        tmp_path / "run",
        "--no-figures",
        "--checkpoint-every",
        1,
    )
    cli(*command, "--keep-checkpoints")
    assert (tmp_path / "run.checkpoint").is_dir()
    cli(*command, "--set", "stop.rounds=4")
    assert not (tmp_path / "run.checkpoint").exists()
    assert {4} == set(cutlayer.load(tmp_path / "run").rounds.groupby("label").size())
