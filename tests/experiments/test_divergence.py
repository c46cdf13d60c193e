"""A model that is not finite has no accuracy, whatever scheme trains it, and no target is ever reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import cutlayer
from cutlayer.analysis.comparison.report import formatted, notes
from cutlayer.analysis.comparison.table import comparison
from cutlayer.analysis.results.run import Run
from cutlayer.experiments.runner import run_experiment
from cutlayer.scenarios.errors import ScenarioError
from tests.support.stopped_runs import EVERYBODY, NODES
from tests.support.worlds import experiment

OVERFLOWING = {"name": "sgd", "client_lr": 1e30, "server_lr": 1e30}
ACCURACIES = [
    *(f"test_accuracy{suffix}" for suffix in ("", "_min", "_max", "_averaged")),
    "validation_accuracy",
]
FIGURES_WITHOUT_VALUE = [
    "final_accuracy",
    "best_accuracy",
    "final_validation_accuracy",
    "time_to_target_s",
    "rounds_to_target",
    "samples_to_target",
]
COMPRESSION = {
    "quantisation": {"bits": 4, "tensors": ["activations", "gradients", "models"]},
    "pruning": {"share": 0.3, "renew_every": 2},
    "dropout": {"share": 0.2},
}


def diverging_run(*, on_divergence: str = "stop", learning: Any = None, **sections: Any) -> Run:
    """Run schemes on digits with learning rates at which the weights overflow in the first step.

    Any accuracy above 0 is at the target, also that of a model which always answers class 0.
    """
    given = {
        "stop": {"rounds": 3, "accuracy": 0.001},
        "target_accuracy": 0.001,
        "batch_size": 4,
        "model": {"name": "mlp", "input_shape": [1, 8, 8], "classes": 10, "hidden": [8, 8, 8]},
        "devices": {"count": 2},
        "allocation": {"cut": 1, "power": "uniform"},
        "network": {"nodes": NODES, "wire": {"rate_bps": 1e9}},
        "learning": {
            "dataset": "digits",
            "optimizer": OVERFLOWING,
            "on_divergence": on_divergence,
            "validation_share": 0.1,
            **(learning or {}),
        },
    }
    return run_experiment(experiment(**{**given, **sections}))


def assert_diverged(run: Run, *, in_round: int = 1, rounds: int = 1) -> None:
    """Assert that every scheme diverged in this round, ran these rounds, and shows no accuracy."""
    for label, figures in run.summary["schemes"].items():
        of_scheme = run.rounds[run.rounds["label"] == label]
        assert figures["failed"] is None, label
        assert (in_round, rounds) == (figures["diverged_in_round"], len(of_scheme)), label
        assert {None} == {figures[name] for name in FIGURES_WITHOUT_VALUE}, label
        assert of_scheme[ACCURACIES].isna().all(axis=None), label
        assert of_scheme["diverged"].all(), label


@pytest.fixture(scope="module")
def every_scheme() -> Run:
    """Every scheme's run, all of which diverge."""
    return diverging_run(schemes=EVERYBODY)


def test_every_scheme_ends_in_the_round_in_which_it_diverges(every_scheme: Run) -> None:
    """The learner of every scheme reports the overflow at once, and shows no accuracy and no target."""
    assert len(EVERYBODY) == len(every_scheme.summary["schemes"])
    assert_diverged(every_scheme)


def test_schemes_may_go_on_after_they_diverged() -> None:
    """With on_divergence: continue all rounds run, and the accuracy of the stop is never reached."""
    stop = {"rounds": 2, "accuracy": 0.001}
    assert_diverged(diverging_run(schemes=EVERYBODY, on_divergence="continue", stop=stop), rounds=2)


@pytest.mark.parametrize(
    ("schemes", "sections"),
    [
        (["psl", "fl", "mpsl"], {"learning": {"precision": "mixed"}}),
        (["psl", "sfl", "fl"], {"learning": {"clients_pass": "batched"}}),
        (["sl", "sfl", "epsl", "fl", "mpsl"], {"compression": COMPRESSION}),
    ],
    ids=["mixed precision", "batched passes", "compression"],
)
def test_divergence_is_found_in_every_kind_of_pass(schemes: list[str], sections: Any) -> None:
    """Casts, batched passes, quantisers and masks hide no value that is not finite, and do not fail."""
    if "compression" in sections:
        sections = {**sections, "model": {"name": "lenet", "input_shape": [1, 8, 8], "classes": 10}}
    run = diverging_run(schemes=schemes, on_divergence="continue", **sections)
    assert_diverged(run, rounds=3)


def test_a_class_0_classifier_of_nan_is_no_model(tmp_path: Path) -> None:
    """LeNet with NaN logits answers class 0, which 80 % of these samples have; the run shows no accuracy."""
    dataset = {
        "name": "synthetic", "class_weights": [80, 4, 4, 4, 3, 3, 2], "train_samples": 60,
        "test_samples": 30,
    }  # fmt: skip
    path = tmp_path / "nan.yaml"
    scenario = {
        "name": "nan",
        "stop": {"rounds": 5, "accuracy": 0.75},
        "schemes": ["psl"],
        "batch_size": 4,
        "model": {"name": "lenet", "input_shape": [1, 28, 28], "classes": 7},
        "devices": {"count": 3},
        "learning": {"dataset": dataset, "optimizer": OVERFLOWING},
    }
    path.write_text(json.dumps(scenario), encoding="utf-8")
    cutlayer.run(path, out=tmp_path / "out", figures=False)
    figures = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["schemes"]["psl"]
    assert (1, 1) == (figures["rounds"], figures["diverged_in_round"])
    assert {None} == {figures[name] for name in FIGURES_WITHOUT_VALUE}
    cells = pd.read_csv(tmp_path / "out" / "rounds.csv", keep_default_na=False)
    assert {""} == set(cells[ACCURACIES].to_numpy().ravel())
    assert cells["diverged"].all()


def test_a_model_that_diverges_later_keeps_its_earlier_accuracies() -> None:
    """The best accuracy and the target are those of the rounds before; there is no final accuracy."""
    linear = {
        "name": "mlp", "input_shape": [1, 8, 8], "classes": 10, "hidden": [8, 8, 8], "activation": "identity"
    }  # fmt: skip
    optimizer = {"name": "sgd", "client_lr": 30.0, "server_lr": 30.0}  # the weights grow until they overflow
    run = diverging_run(schemes=["psl"], stop={"rounds": 12}, model=linear, learning={"optimizer": optimizer})
    figures = run.summary["schemes"]["psl"]
    assert 1 < figures["diverged_in_round"] == len(run.rounds) < 12
    assert figures["best_accuracy"] == run.rounds["test_accuracy"].max() > 0
    assert figures["rounds_to_target"] is not None
    assert figures["final_accuracy"] is None


def test_the_terminal_and_the_comparison_name_the_round(every_scheme: Run) -> None:
    """Tables say "diverged" in the place of an accuracy, and a note names scheme, seed and round."""
    table = comparison([every_scheme])
    assert (table["diverged"] == 1).all()
    assert table[["final_accuracy", "time_to_target_s", "rounds_to_target"]].isna().all(axis=None)
    assert "diverged" in formatted(table, "markdown")
    lines = notes(table, [every_scheme])
    for label in every_scheme.summary["schemes"]:
        assert f"{every_scheme.paper_labels[label]}, seed 0: diverged in round 1" in lines


def test_going_on_needs_a_limit_that_a_diverged_model_reaches() -> None:
    """With stop.accuracy alone a diverged run would never end, so the scenario is refused."""
    with pytest.raises(ScenarioError, match=r"learning\.on_divergence: continue needs stop\.rounds or stop"):
        diverging_run(schemes=["psl"], on_divergence="continue", stop={"accuracy": 0.5})
