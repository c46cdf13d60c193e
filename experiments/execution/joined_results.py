"""The results of all schemes as one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ...analysis.results.recorded_tables import RecordedTables
from ...analysis.results.run import Run
from ...analysis.results.run_folder import FORMAT, TABLES
from ...analysis.results.table_formats import EVENTS, INTERVALS
from ...scenarios.loading.loader import scenario_yaml
from ..experiment import Experiment
from ..provenance.machine import machine
from ..provenance.versions import versions
from .scheme_results import SchemeRun

__all__ = ["joined_run"]


def joined_run(
    experiment: Experiment,
    scheme_runs: Sequence[SchemeRun],
    recorded: RecordedTables,
    *,
    interrupted: bool,
) -> Run:
    """Return the results of all schemes as one run.

    Parameters
    ----------
    scheme_runs : sequence of SchemeRun
        The results of the schemes that have begun, in the scenario's order.
    recorded : RecordedTables
        The intervals and events of these schemes.
    interrupted : bool
        Whether an interrupt ended the run.

    Raises
    ------
    Exception
        The error of the first scheme that failed, if no round of any scheme is finished.
    KeyboardInterrupt
        If no round is finished, and no scheme has failed.
    """
    failures = [(run.label, run.failure) for run in scheme_runs if run.failure is not None]
    with_rounds = [run for run in scheme_runs if len(run.rounds)]
    if not with_rounds:
        raise failures[0][1].error if failures else KeyboardInterrupt
    tables = {table: _joined([getattr(run, table) for run in with_rounds]) for table in TABLES}
    return Run(
        scenario_yaml(experiment.loaded.scenario),
        _summary(experiment, scheme_runs, interrupted=interrupted),
        tables["rounds"],
        tables["devices"],
        tables["nodes"],
        tables["stages"],
        tables["memory"],
        recorded.intervals,
        errors="\n".join(f"{label}: {failure.text}\n\n{failure.traceback}" for label, failure in failures),
        problems=_lost_tables(recorded),
        files=experiment.named_files.copies,
        recorded_events=recorded.events,
    )


def _lost_tables(recorded: RecordedTables) -> tuple[str, ...]:
    """Return a line for each recorded table that could not be written."""
    lost = {INTERVALS.name: recorded.intervals.lost, EVENTS.name: recorded.events.lost}
    return tuple(f"all {name} are lost: {reason}" for name, reason in lost.items() if reason)


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all schemes as one table."""
    return pd.concat(tables, ignore_index=True)


def _summary(
    experiment: Experiment, scheme_runs: Sequence[SchemeRun], *, interrupted: bool
) -> dict[str, Any]:
    """Return the content of ``summary.json``."""
    scenario = experiment.loaded.scenario
    return {
        "format": FORMAT,
        "name": scenario.name,
        "seed": scenario.seed,
        "interrupted": interrupted,
        "target_accuracy": scenario.target_accuracy,
        "versions": versions(trained=experiment.data is not None),
        "files": experiment.named_files.records(experiment.data),
        "machine": machine(scenario.learning if experiment.data is not None else None),
        "schemes": {scheme_run.label: scheme_run.summary for scheme_run in scheme_runs},
    }
