"""The examples of the guides on callbacks, notebooks and traces run; other tools are small stand-ins."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import cutlayer

GUIDES = Path(__file__).parent.parent / "docs" / "guides"


def blocks(name: str) -> list[str]:
    """Return the Python blocks of a guide."""
    text = (GUIDES / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(r"^```py(?:thon)?\n(.*?)^```", text, re.M | re.S)


def run_block(text: str) -> dict[str, Any]:
    """Run a block as a script, and return its names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, "guide", "exec", dont_inherit=True), names)
    return names


class Calls:
    """A stand-in for a tool: it keeps the calls of its functions."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Any]] = []

    def function(self, name: str, answer: object = None) -> Callable[..., Any]:
        """Return a function that keeps its arguments."""

        def call(*arguments: Any, **options: Any) -> object:
            self.made.append((name, arguments or options))
            return answer

        return call

    def names(self) -> list[str]:
        """Return the names of the functions that were called, each once."""
        return list(dict.fromkeys(name for name, _ in self.made))


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[cutlayer.Run]:
    """Let examples run two rounds without learning, and return their runs."""
    monkeypatch.chdir(tmp_path)
    runs: list[cutlayer.Run] = []
    run = cutlayer.run

    def shortened(scenario: str, **options: Any) -> cutlayer.Run:
        overrides = [*options.pop("overrides", ()), "learning=null", "stop.rounds=2"]
        runs.append(run(scenario, overrides=overrides, **options))
        return runs[-1]

    monkeypatch.setattr(cutlayer, "run", shortened)
    return runs


def page_block(word: str) -> str:
    """Return the block of the page on callbacks that has a word."""
    (text,) = (text for text in blocks("callbacks") if word in text)
    return text


def test_the_printer_is_told_everything(
    short: list[cutlayer.Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """The first example prints a line for each call."""
    run_block(page_block("class Printer"))
    printed = capsys.readouterr().out.splitlines()
    schemes = len(short[0].summary["schemes"])
    assert schemes * 3 + 1 == len(printed)


def test_early_stopping_waits_for_progress(short: list[cutlayer.Run]) -> None:
    """The example ends a scheme after five evaluations without a better accuracy, and not before."""
    follower = run_block(page_block("class NoProgress"))["NoProgress"]()
    answers = [follower.on_round("psl", {"test_accuracy": value}) for value in (0.5, None, 0.6, *[0.6] * 5)]
    assert [None] * 7 + ["no progress in 5 evaluations"] == answers


def test_the_example_of_tensorboard(short: list[cutlayer.Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """The example opens a writer, adds scalars by round and closes the writer."""
    calls = Calls()
    module = ModuleType("torch.utils.tensorboard")
    writer = SimpleNamespace(add_scalar=calls.function("add_scalar"), close=calls.function("close"))
    vars(module)["SummaryWriter"] = calls.function("SummaryWriter", writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    run_block(page_block("SummaryWriter"))
    assert ["SummaryWriter", "add_scalar", "close"] == calls.names()
    latencies = {each for name, each in calls.made if name == "add_scalar"}
    expected = {(f"latency_s/{row.label}", row.latency_s, row.round) for row in short[0].rounds.itertuples()}
    assert expected == latencies
    assert () == short[0].problems


def test_the_example_of_weights_and_biases(
    short: list[cutlayer.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example begins a run for each scheme, logs each round, and finishes all runs."""
    calls = Calls()
    module = ModuleType("wandb")
    each = SimpleNamespace(log=calls.function("log"), finish=calls.function("finish"))
    vars(module)["init"] = calls.function("init", each)
    monkeypatch.setitem(sys.modules, "wandb", module)
    run_block(page_block("import wandb"))
    assert ["init", "log", "finish"] == calls.names()
    assert len(short[0].rounds) == sum(name == "log" for name, _ in calls.made)
    assert () == short[0].problems


def test_the_example_of_mlflow(short: list[cutlayer.Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """The example sets the experiment, logs metrics with their round, and stores the summary."""
    calls = Calls()
    module = ModuleType("mlflow")
    for name in ("set_experiment", "log_metric", "log_dict", "end_run"):
        vars(module)[name] = calls.function(name)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    run_block(page_block("import mlflow"))
    assert ["set_experiment", "log_metric", "log_dict", "end_run"] == calls.names()
    assert () == short[0].problems


@pytest.mark.parametrize("name", ["notebook", "trace"])
def test_the_examples_of_a_guide_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block of the page is a whole script."""
    monkeypatch.chdir(tmp_path)
    for text in blocks(name):
        run_block(text)


def test_the_errors_of_the_guide_are_public() -> None:
    """The table of errors in the guide names every error of the package."""
    text = (GUIDES / "notebook.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+Error)`", text))
    public = {name for name in vars(cutlayer)["__all__"] if name.endswith("Error")}
    assert public - {"SchemeContractError"} == named
