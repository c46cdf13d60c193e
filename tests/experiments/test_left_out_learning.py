"""Learning under availability and round policies: only data and gradients that arrived in time train."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cutlayer.experiments.execution.scheme_run import make_world, scheme_learner
from cutlayer.scenarios.schema.scenario import Stop
from cutlayer.sim.schemes.round_loop import EMPTY_ROUNDS_MAX, EmptyRoundsError, RoundResult, run_rounds
from tests.support.learners import composites, state
from tests.support.worlds import experiment

SECTIONS: dict[str, Any] = {
    "model": {"name": "mlp", "input_shape": [1, 8, 8], "classes": 10, "hidden": [8]},
    "batch_size": 4,
    "learning": {"dataset": "digits", "optimizer": {"name": "sgd", "client_lr": 0.1, "server_lr": 0.1}},
    "allocation": {"cut": 1, "power": "uniform"},
    "devices": {"count": 5},
    "stragglers": {"slowdown": {"factor": 50, "mean_normal_s": 2e-4, "mean_slow_s": 1e-4}},
}
ROUNDS = 12
POLICIES: list[dict[str, Any]] = [
    {"round_policy": {"first": 3}},
    {"round_policy": {"deadline": "by scheme"}},
    {"round_policy": {"deadline": "by scheme", "quorum": 0.6, "max_wait_s": 5e-4}},
    {"faults": {"availability": {"mean_on_s": 4e-4, "mean_off_s": 2e-4}}},
    {
        "faults": {"availability": {"mean_on_s": 4e-4, "mean_off_s": 2e-4}},
        "round_policy": {"first": 2},
        "server": {"service": "arrival"},
    },
]


DEADLINES = {
    "sl": "0.05x", "sfl": "0.045x", "sfl_v2": "0.045x", "psl": "0.45x", "epsl": "0.55x", "fl": "0.6x",
    "edgesplit": "1.02x",
}  # fmt: skip
"""Deadlines that some clients meet and others miss; most count only up to the first uplink."""
LAST_PHASE = {
    "psl": "client_backward",
    "epsl": "client_backward",
    "sfl": "model_upload",
    "sfl_v2": "model_upload",
}


def finished(table: pd.DataFrame, name: str, result: RoundResult) -> tuple[int, ...]:
    """Return the participants whose last activity of the round was not cut off."""
    rows = table[table["phase"] == LAST_PHASE[name]]
    amount = rows["flops"] + rows["bits"]
    done = rows[(rows["round"] == result.number) & np.isclose(amount, amount.max(), rtol=1e-9)]
    return tuple(client for client in result.outcome.participants if f"device-{client}" in set(done["node"]))


def by_hand(learner: Any, name: str, result: RoundResult, table: pd.DataFrame) -> None:
    """Train a round with the clients that took part, of which some have not finished."""
    members, number = result.outcome.participants, result.number
    if not members:
        return
    if name == "sl":
        for client in members:
            learner.turn(client, number)
    elif name in ("fl", "edgesplit"):
        learner.local_steps(members, number)
        learner.average(members)
    else:
        learner.client_forward(members, number)
        learner.server_step(2 if name == "epsl" else 0, number)
        learner.client_step(finished(table, name, result))
        if name in ("sfl", "sfl_v2") and finished(table, name, result):
            learner.average(finished(table, name, result))


@pytest.mark.parametrize("clients_pass", ["looped", "batched"])
@pytest.mark.parametrize("sections", POLICIES, ids=["first", "deadline", "quorum", "offline", "both"])
@pytest.mark.parametrize("name", ["sl", "sfl", "sfl_v2", "psl", "epsl", "fl", "edgesplit"])
def test_weights_are_those_of_the_clients_in_time(
    name: str, sections: dict[str, Any], clients_pass: str
) -> None:
    """A learner that is driven by hand with the same clients has the same weights, to the bit."""
    learning = {**SECTIONS["learning"], "clients_pass": clients_pass}
    policy = dict(sections.get("round_policy", {"wait": "all"}))
    if "deadline" in policy:
        policy["deadline"] = DEADLINES[name]
    if name == "sl":
        policy.pop("quorum", None), policy.pop("max_wait_s", None)  # its clients take turns
    ready = experiment(
        schemes=[name], **{**SECTIONS, "learning": learning, **sections, "round_policy": policy}
    )
    ((scheme, plan),) = ready.schemes
    world, planner = make_world(ready, scheme, plan)
    learner, expected = (scheme_learner(ready, scheme, plan) for _ in range(2))
    results = list(run_rounds(scheme, world, learner, planner, Stop(rounds=ROUNDS), ROUNDS))
    assert any(result.left_out for result in results), "no client is left out"
    for result in results:
        by_hand(expected, name, result, world.record.frame())
    weights, others = (
        state(*(module for composite in composites(each) for module in composite))
        for each in (learner, expected)
    )
    assert all(map(torch.equal, weights, others))


def test_rounds_that_train_nothing_cannot_go_on_for_ever() -> None:
    """If nobody can meet the deadline, a run whose only limit is an accuracy ends with an error."""
    late = {**SECTIONS, "stragglers": None, "round_policy": {"deadline_s": 1e-9}}
    ready = experiment(schemes=["psl"], stop={"accuracy": 0.9}, **late)
    ((scheme, plan),) = ready.schemes
    world, planner = make_world(ready, scheme, plan)
    learner = scheme_learner(ready, scheme, plan)
    rounds = run_rounds(scheme, world, learner, planner, ready.loaded.scenario.stop, 10**6)
    numbers = []
    with pytest.raises(EmptyRoundsError, match=r"1000 rounds in a row have trained nothing.*5 late"):
        for result in rounds:
            numbers.append(result.number)
    assert EMPTY_ROUNDS_MAX == numbers[-1]


def test_a_number_of_rounds_ends_a_run_in_which_nobody_is_on_time() -> None:
    """Rounds in which nobody can finish are recorded up to stop.rounds, and train nothing."""
    ready = experiment(schemes=["psl"], round_policy={"deadline_s": 1e-9}, **{**SECTIONS, "stragglers": None})
    ((scheme, plan),) = ready.schemes
    world, planner = make_world(ready, scheme, plan)
    results = list(run_rounds(scheme, world, None, planner, Stop(rounds=2000), 1))
    assert 2000 == len(results)
    assert {()} == {result.outcome.participants for result in results}
