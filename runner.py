"""The Python API: run, load and compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .analysis.comparison import comparison
from .analysis.run import FORMAT, TABLES, Run, check_free, load_run, save_run
from .analysis.sweep_folder import load_runs
from .code_version import versions
from .experiment import OnRound, SchemeRun, run_scheme
from .preparation import Experiment, prepare
from .scenarios.loading import Loaded, load_scenario, scenario_yaml

__all__ = ["compare", "load", "run", "run_loaded"]


def run(
    scenario: str | Path,
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    schemes: Sequence[str] | None = None,
    allow_imports: bool = False,
) -> Run:
    """Run every scheme of a scenario on the same devices, channel, data order and initial weights.

    Parameters
    ----------
    scenario : path of a scenario file, or the name of one in the library
    out : folder to write the run to; nothing is written without it
    overrides : ``"key.path=value"`` each, the value in YAML
    seed : replaces the scenario's seed
    schemes : names or labels of the schemes to run; all by default
    allow_imports : let ``model: {name: imported}`` import and run your code

    Returns
    -------
    Run
        With ``rounds``, ``devices`` and ``intervals`` as DataFrames, and the ``summary``.

    Raises
    ------
    ScenarioError
        With all faults of the scenario at once.
    RunFolderError
        If ``out`` holds something or can't be written.
    """
    if out is not None:
        check_free(Path(out))
    loaded = load_scenario(scenario, overrides, seed=seed, schemes=schemes)
    finished = run_loaded(prepare(loaded, allow_imports=allow_imports))
    if out is not None:
        save_run(finished, Path(out))
    return finished


def load(folder: str | Path) -> Run:
    """Read a run folder.

    Raises
    ------
    RunFolderError
        If it is none, or is broken.
    """
    return load_run(Path(folder))


def compare(*runs: Run | str | Path, reference: str | None = None) -> pd.DataFrame:
    """Return the comparison table: a row an experiment and scheme, with paired differences over seeds.

    Parameters
    ----------
    runs : finished runs, their folders, or folders of sweeps
    reference : label of the scheme that others are compared with; SL by default, or the first
    """
    given: list[Run] = []
    for item in runs:
        given += [item] if isinstance(item, Run) else load_runs(Path(item))
    return comparison(given, reference)


def run_loaded(experiment: Experiment, on_round: OnRound = lambda label, result: None) -> Run:
    """Run a prepared scenario; an interrupt ends it, with the finished rounds kept.

    Raises
    ------
    KeyboardInterrupt
        If it is interrupted before the first round is finished.
    """
    done: list[SchemeRun] = []
    interrupted = False
    for scheme, plan in experiment.schemes:
        result = run_scheme(experiment, scheme, plan, on_round)
        if result is not None:
            done.append(result)
        interrupted = result is None or result.interrupted
        if interrupted:
            break
    if not done:
        raise KeyboardInterrupt
    return Run(
        scenario_yaml(experiment.loaded.scenario),
        _summary(experiment.loaded, done, interrupted=interrupted, trained=experiment.data is not None),
        *(_joined([getattr(part, table) for part in done]) for table in TABLES),
    )


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the schemes' rows as one table, its columns of the same types however many schemes there are."""
    table = pd.concat(parts, ignore_index=True)
    return table.astype(dict.fromkeys(table.select_dtypes("category"), "str"))


def _summary(
    loaded: Loaded, done: Sequence[SchemeRun], *, interrupted: bool, trained: bool
) -> dict[str, Any]:
    scenario = loaded.scenario
    return {
        "format": FORMAT,
        "name": scenario.name,
        "seed": scenario.seed,
        "interrupted": interrupted,
        "target_accuracy": scenario.target_accuracy,
        "versions": versions(trained=trained),
        "schemes": {part.label: part.summary for part in done},
    }
