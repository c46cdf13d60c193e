"""summary.json names the machine, and nothing that identifies a result depends on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import cutlayer
from cutlayer.experiments import runner
from cutlayer.experiments.execution import joined_results
from tests.support.stopped_runs import contents

SCENARIO = """\
name: recorded
stop: {rounds: 2}
schemes: [psl]
batch_size: 4
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
devices: {count: 2}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the scenario."""
    (tmp_path / "recorded.yaml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path / "recorded.yaml"


def test_a_training_names_its_vector_instructions_and_threads(path: Path) -> None:
    """A run with learning records what torch uses; a timeline alone has no threads of torch."""
    trained = cutlayer.run(path, overrides=["learning={dataset: digits, threads: 1}"]).summary["machine"]
    assert torch.backends.cpu.get_cpu_capability() == trained["instructions"]
    assert 1 == trained["threads"]
    timeline = cutlayer.run(path).summary["machine"]
    assert timeline["threads"] is None
    for recorded in (trained, timeline):
        assert ["processor", "instructions", "threads", "accelerator", "system"] == list(recorded)
        assert all(isinstance(recorded[name], str) and recorded[name] for name in ("processor", "system"))


def test_the_machine_changes_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs on one machine have the same bytes; on another machine only its record differs."""
    for name in ("first", "second", "elsewhere"):
        if name == "elsewhere":
            monkeypatch.setattr(joined_results, "machine", lambda learning: {"processor": "another one"})
        cutlayer.run(path, out=path.parent / name, figures=False)
    first, second, elsewhere = (contents(path.parent / n) for n in ("first", "second", "elsewhere"))
    assert first == second
    summary, other = json.loads(first.pop("summary.json")), json.loads(elsewhere.pop("summary.json"))
    assert first == elsewhere
    assert summary.pop("machine") != other.pop("machine")
    assert summary == other


def test_a_run_goes_on_on_another_machine(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is no version: a checkpoint of another machine is accepted."""

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runner, "save_run", interrupted)
        cutlayer.run(path, out=path.parent / "out", checkpoint_every=1)
    monkeypatch.setattr(joined_results, "machine", lambda learning: {"processor": "another one"})
    run = cutlayer.run(path, out=path.parent / "out", checkpoint_every=1, figures=False)
    assert 2 == len(run.rounds)
