"""The Python API: run, load and compare."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .analysis.comparison import comparison
from .analysis.run import FORMAT, Run, check_free, load_run, save_run
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


def compare(*runs: Run | str | Path) -> pd.DataFrame:
    """Return the comparison table of finished runs, given as results or as folders: a row a scheme."""
    return comparison([item if isinstance(item, Run) else load(item) for item in runs])


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
        *(_joined([getattr(part, table) for part in done]) for table in ("rounds", "devices", "intervals")),
    )


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the schemes' rows as one table, its columns of the same types however many schemes there are."""
    table = pd.concat(parts, ignore_index=True)
    return table.astype(dict.fromkeys(table.select_dtypes("category"), "str"))


def _summary(
    loaded: Loaded, done: Sequence[SchemeRun], *, interrupted: bool, trained: bool
) -> dict[str, Any]:
    scenario = loaded.scenario
    packages = ["cutlayer", "numpy", "simpy", *(["torch"] if trained else [])]
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {
        "format": FORMAT,
        "name": scenario.name,
        "seed": scenario.seed,
        "interrupted": interrupted,
        "target_accuracy": scenario.target_accuracy,
        "versions": {"python": platform.python_version(), **versions},
        "schemes": {part.label: part.summary for part in done},
    }
