"""EdgeSplit, ESFL, MP-SL and one hop with real training: equal weights, unmoved timelines."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from torch import Tensor

from cutlayer.experiments.execution.scheme_run import make_world, scheme_learner
from cutlayer.experiments.experiment import Experiment
from cutlayer.sim.schemes.round_loop import RoundResult, run_rounds
from tests.support.learners import gap, state
from tests.support.networks import own_links
from tests.support.worlds import experiment

TOLERANCE = 1e-12
SECTIONS: dict[str, Any] = {
    "stop": {"rounds": 3},
    "batch_size": 8,
    "model": {"name": "mlp", "input_shape": [1, 8, 8], "classes": 10, "hidden": [12, 11, 10]},
    "devices": {"count": 3, "clock_hz": [1e8, 1e9, 3e10], "distance_m": [20, 100, 190]},
    "network": {"nodes": [{"name": "n", "count": 2}]},
    "allocation": {},
}
NODES = [
    {"name": "mpsl", "batches": 2},
    {"name": "mpsl", "batches": 2, "placement": "slowest"},
    {"name": "one_hop", "batches": 2, "workflow": [1, 0, 1]},
]


def learning(**optimizer: Any) -> dict[str, Any]:
    """Return a section of real training on unequal shares of the digits, in double precision."""
    return {
        "dataset": {"name": "digits"},
        "partition": {"kind": "dirichlet", "alpha": 1.0},
        "optimizer": {"name": "sgd", "client_lr": 0.1, "server_lr": 0.1, **optimizer},
        "precision": "float64",
    }


def trained(ready: Experiment) -> dict[str, tuple[list[Tensor], list[RoundResult], pd.DataFrame]]:
    """Run every scheme; return its final model, its rounds and its timeline under its label."""
    found = {}
    for scheme, plan in ready.schemes:
        world, planner = make_world(ready, scheme, plan)
        learner = scheme_learner(ready, scheme, plan)
        stop = ready.loaded.scenario.stop
        results = list(run_rounds(scheme, world, learner, planner, stop, 1))
        model = state(*learner.composites_of(learner.everyone)[0]) if learner else []
        found[str(scheme.parameters.label)] = model, results, world.record.frame()
    return found


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_schemes_that_average_whole_models_learn_the_same(momentum: float) -> None:
    """edgesplit (any cuts) ≡ esfl ≡ mpsl ≡ one_hop ≡ fl, each with two steps, and with one step ≡ sfl."""
    two = [
        {"name": "fl", "local_steps": 2},
        {"name": "edgesplit", "local_steps": 2},
        {"name": "edgesplit", "local_steps": 2, "cuts": [3, 1, 2]},
        {"name": "esfl", "local_steps": 2, "cuts": "common"},
        *NODES,
    ]
    one = ["fl", "sfl", "edgesplit", "esfl", "mpsl", "one_hop"]
    for schemes in (two, one):
        ready = experiment(schemes=schemes, learning=learning(momentum=momentum), **SECTIONS)
        found = trained(ready)
        assert len(schemes) == len(found)
        reference, results, _ = next(iter(found.values()))
        for model, others, _ in found.values():
            assert gap(reference, model) <= TOLERANCE
            losses = [[result.train_loss for result in each] for each in (results, others)]
            assert pytest.approx(losses[0], abs=TOLERANCE) == losses[1]
            accuracies = [[r.accuracy.mean for r in each if r.accuracy] for each in (results, others)]
            assert accuracies[0] == accuracies[1]


@pytest.mark.parametrize(
    "scheme",
    [{"name": "edgesplit", "shares": "equal"}, "esfl", *NODES, {"name": "one_hop", "workflow": "improved"}],
    ids=str,
)
def test_timelines_do_not_know_of_training(scheme: Any) -> None:
    """With and without a learning section every interval is the same, also where the late are left out."""
    ((_, _, free),) = trained(experiment(schemes=[scheme], **SECTIONS)).values()
    uploads_s = free.query("round == 1 and phase == 'model_upload'")["end_s"]
    between_s = float(uploads_s.min() + uploads_s.max()) / 2
    for policy, all_in_time in (({"wait": "all"}, True), ({"deadline_s": between_s}, False)):
        both = [
            trained(experiment(schemes=[scheme], round_policy=policy, **SECTIONS, **more))
            for more in ({}, {"learning": learning()})
        ]
        (_, timed, timeline), (_, learnt, table) = (next(iter(each.values())) for each in both)
        pd.testing.assert_frame_equal(timeline, table)
        participants = [result.outcome.participants for result in timed]
        assert participants == [result.outcome.participants for result in learnt]
        assert all_in_time == (participants[0] == (0, 1, 2))


@pytest.mark.parametrize("scheme", ["edgesplit", "esfl", "mpsl", "one_hop"])
def test_updates_and_samples_of_a_round(scheme: str) -> None:
    """A round of E steps makes E updates, on E·b samples of each client."""
    key = "local_steps" if scheme in ("edgesplit", "esfl") else "batches"
    ready = experiment(schemes=[{"name": scheme, key: 3}], learning=learning(), **SECTIONS)
    ((_, results, _),) = trained(ready).values()
    assert [(3, 3 * 3 * 8)] * 3 == [(r.outcome.updates, r.outcome.samples) for r in results]


def test_the_learner_does_not_depend_on_the_links() -> None:
    """The same weights come out on the radio and on links of the devices' own."""
    schemes = ["esfl", "mpsl", "one_hop"]
    on_air = trained(experiment(schemes=schemes, learning=learning(), **SECTIONS))
    devices = {**SECTIONS["devices"], **own_links(1e6)}
    wired = trained(experiment(schemes=schemes, learning=learning(), **{**SECTIONS, "devices": devices}))
    for label, (model, _, _) in on_air.items():
        assert gap(model, wired[label][0]) <= TOLERANCE
