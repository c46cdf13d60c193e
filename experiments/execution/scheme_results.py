"""The results of one scheme, also of a scheme that failed before its first round was finished."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...analysis.results.round_tables import ROUND_COLUMNS, scheme_summary
from ...scenarios.loading.scheme_labels import paper_label
from ...scenarios.text import described_error
from ...sim.schemes.base import Scheme
from ...sim.schemes.planning.plan import SchemePlan
from ..experiment import Experiment

__all__ = ["Failure", "SchemeRun", "failure_of", "run_without_rounds"]


@dataclass(frozen=True)
class SchemeRun:
    """The results of one scheme: its rows of every table of the run folder except the intervals.

    Attributes
    ----------
    label : str
        The scheme's label.
    summary : dict
        The scheme's entry in ``summary.json``.
    rounds, devices, nodes, stages, memory : DataFrame
        The scheme's rows of these tables.
    interrupted : bool
        Whether an interrupt ended the scheme early.
    failure : Failure or None
        The error that ended the scheme early.
    """

    label: str
    summary: dict[str, Any]
    rounds: pd.DataFrame
    devices: pd.DataFrame
    nodes: pd.DataFrame
    stages: pd.DataFrame
    memory: pd.DataFrame
    interrupted: bool
    failure: Failure | None = None


@dataclass(frozen=True)
class Failure:
    """The error that ended a scheme.

    Attributes
    ----------
    error : Exception
        The error.
    text : str
        Its type, the round in which it occurred and its message, in one line.
    traceback : str
        Its traceback.
    """

    error: Exception
    text: str
    traceback: str


def failure_of(error: Exception, number: int) -> Failure:
    """Return an error that occurred in a round, with its text in one line."""
    text = described_error(error, f"in round {number}")
    failure = Failure(error, text, "".join(traceback.format_exception(error)))
    chain: BaseException | None = error
    while chain is not None:  # the frames would keep the learner and its tensors in memory
        traceback.clear_frames(chain.__traceback__)
        chain = chain.__cause__ or chain.__context__
    return failure


def run_without_rounds(
    experiment: Experiment, scheme: Scheme, plan: SchemePlan, failure: Failure
) -> SchemeRun:
    """Return the results of a scheme that failed without a finished round: no figure exists."""
    empty = pd.DataFrame(columns=[*ROUND_COLUMNS], dtype=float)
    summary = {
        "scheme": scheme.parameters.name,
        "paper_label": paper_label(scheme.parameters),
        "failed": failure.text,
        "stopped_by": None,
        "cut": None,
        "predicted_latency_s": plan.predicted_s,
        "planned_latency_s": plan.planned_round_s,
        "planned_is_bound": plan.planned_is_bound,
        "plan_for": plan.plan_for,
        **scheme_summary(empty, experiment.loaded.scenario.target_accuracy),
        "plans": 1,
        "left_at_s": {},
        "timeline_fingerprint": None,
        "weights_fingerprint": None,
        "clients_pass": {},
        "device_memory_bits": None,
        "node_memory_bits": None,
        "cost": None,
    }
    label = str(scheme.parameters.label)
    return SchemeRun(label, summary, empty, empty, empty, empty, empty, interrupted=False, failure=failure)
