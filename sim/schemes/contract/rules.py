"""The rules of the contract; each is a function that yields one message for each violation."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..planning.medium_access import NoRadio
from .recording_learner import RecordingLearner
from .trial import BATCH_SIZE, NUM_ROUNDS, Trial, TrialRun

__all__ = ["disturbed_violations", "undisturbed_violations"]


def undisturbed_violations(trial: Trial) -> Iterator[str]:
    """Yield the rules that a scheme breaks when nothing disturbs its rounds."""
    try:
        run = trial.run()
    except Exception as error:
        yield _failure(error)
        return
    if messages := list(_pickling(trial)):
        yield from messages
        return
    table = run.world.record.frame()
    yield from _outcomes(trial, run)
    yield from _intervals(run, table)
    yield from _medium_access(trial, table)
    if run.fingerprint != trial.run().fingerprint:
        yield "a second run differs: draw from a stream, never from a global random state"
    yield from _checkpoints(trial, run)
    yield from _learner(trial, run)
    if trial.conditions.service == "barrier":
        yield from _prediction(trial)
    yield from _everybody_late(trial)


def disturbed_violations(trial: Trial) -> Iterator[str]:
    """Yield the rules that a scheme breaks under sampling, a shared band, faults or a deadline."""
    try:
        run = trial.run()
    except Exception as error:
        yield _failure(error)
        return
    yield from _outcomes(trial, run)
    yield from _intervals(run, run.world.record.frame())
    yield from _checkpoints(trial, run)
    yield from _learner(trial, run)


def _failure(error: Exception) -> str:
    return f"a round fails: {type(error).__name__}: {error}"


def _pickling(trial: Trial) -> Iterator[str]:
    """A sweep's worker unpickles the parameters, and a checkpoint the plan."""
    plan = trial.scheme()[1]
    for reader, name, value in (
        ("a sweep's worker", "parameters", trial.parameters),
        ("a checkpoint", "plan", plan),
    ):
        try:
            pickle.loads(pickle.dumps(value))
        except Exception as error:
            yield f"{reader} cannot load the {name}, which cannot be pickled: {type(error).__name__}: {error}"


def _outcomes(trial: Trial, run: TrialRun) -> Iterator[str]:
    """Participants are clients of the round; each trains on a mini-batch at least."""
    conditions = trial.conditions
    all_take_part = (
        math.isinf(conditions.deadline_s) and not conditions.faults and not trial.selects_participants
    )
    for each in run.rounds:
        outcome = each.outcome
        if not set(outcome.participants) <= set(each.clients):
            yield (
                f"clients {outcome.participants} take part in round {each.number}, whose clients are"
                f" {each.clients}: use world.clients"
            )
        elif all_take_part and outcome.participants != each.clients:
            yield f"without a deadline all clients take part, not {outcome.participants} of {each.clients}"
        if list(outcome.participants) != sorted(set(outcome.participants)):
            yield f"participants must be sorted, each of them once: {outcome.participants}"
        count = len(outcome.participants)
        if outcome.samples < count * BATCH_SIZE or (outcome.updates < 1) != (count == 0):
            yield f"{count} clients train on {outcome.samples} samples in {outcome.updates} updates"


def _intervals(run: TrialRun, table: pd.DataFrame) -> Iterator[str]:
    """Intervals fill each round, do not overlap on a lane, and belong to clients of the round."""
    start_s = 0.0
    for each in run.rounds:
        rows = table[table["round"] == each.number]
        if rows.empty or rows["end_s"].max() != each.end_s or rows["start_s"].min() < start_s:
            yield "a round's intervals do not reach its end: record every activity that takes time"
            return
        start_s = each.end_s
        allowed = {f"device-{client}" for client in each.clients}
        active = {str(node) for node in rows["node"].unique() if str(node).startswith("device-")}
        if not active <= allowed:
            yield (
                f"{', '.join(sorted(active - allowed))} is active in round {each.number}, whose clients are"
                f" {each.clients}: use world.clients"
            )
    if _overlap(table, ["node", "lane"]):
        yield "intervals of a lane overlap"


def _medium_access(trial: Trial, table: pd.DataFrame) -> Iterator[str]:
    """Clients send as the plan says."""
    access = trial.scheme()[1].access
    transfers = table[table["lane"] != "compute"]
    if isinstance(access, NoRadio) and len(transfers):
        yield "the plan has no radio, yet something is sent"
    if access.one_at_a_time and _overlap(transfers, []):
        yield "clients have the whole band one at a time, yet two send at once"


def _overlap(table: pd.DataFrame, by: list[str]) -> bool:
    """Return whether two intervals overlap that have the same values in these columns."""
    groups = [table[column].cat.codes.to_numpy() for column in by]
    start_s, end_s = table["start_s"].to_numpy(), table["end_s"].to_numpy()
    order = np.lexsort((end_s, start_s, *groups))
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for codes in groups:
        same &= codes[order][1:] == codes[order][:-1]
    return bool((same & (start_s[order][1:] < end_s[order][:-1])).any())


def _checkpoints(trial: Trial, run: TrialRun) -> Iterator[str]:
    """A run that continues from a checkpoint is the same, if a checkpoint can be taken."""
    if trial.resumed_fingerprint() not in (None, run.fingerprint):
        yield "a run that continues from a checkpoint differs: store nothing in the scheme between two rounds"


def _learner(trial: Trial, run: TrialRun) -> Iterator[str]:
    """The learner changes no time, and trains the participants alone."""
    learner = RecordingLearner()
    trained = trial.run(learner)
    if trained.fingerprint != run.fingerprint:
        yield "the timeline depends on whether there is a learner"
    participants = any(each.outcome.participants for each in trained.rounds)
    if participants and not learner.steps:
        yield "no step of the learner is called"
    for each in trained.rounds:
        if others := sorted(each.trained - set(each.outcome.participants)):
            yield f"the learner's steps get clients {others}, which do not take part in round {each.number}"


def _prediction(trial: Trial) -> Iterator[str]:
    """Rounds take the predicted time, or at least a predicted lower bound."""
    predicted_s, simulated_s = NUM_ROUNDS * trial.predicted_s(), trial.planned_rounds_s()
    if trial.scheme()[1].prediction_is_bound:
        if simulated_s < predicted_s * (1 - 1e-9):
            yield f"{NUM_ROUNDS} rounds take {simulated_s:.9g} s; the plan's bound is {predicted_s:.9g} s"
    elif not np.isclose(simulated_s, predicted_s, rtol=1e-9):
        yield f"{NUM_ROUNDS} rounds take {simulated_s:.9g} s; round_time_s says {predicted_s:.9g} s"


def _everybody_late(trial: Trial) -> Iterator[str]:
    """If no client is on time, no client takes part and nothing is trained."""
    if isinstance(trial.scheme()[1].access, NoRadio):
        return
    learner = RecordingLearner()
    try:
        run = trial.with_conditions(deadline_s=1e-6).run(learner)
    except Exception as error:
        yield f"a round in which no client is on time fails: {type(error).__name__}: {error}"
        return
    outcomes = [each.outcome for each in run.rounds]
    if any(outcome.participants or outcome.samples or outcome.updates for outcome in outcomes):
        yield "clients that miss the deadline take part"
    if learner.steps:
        yield "the learner trains in a round in which no client is on time"
