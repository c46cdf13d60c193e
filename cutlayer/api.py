"""The Python API: run, load, sweep and compare."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cutlayer.analysis.comparison.sweep_report import draw_figures
from cutlayer.analysis.comparison.table import comparison
from cutlayer.analysis.results.run_folder import Run, load_run
from cutlayer.analysis.results.sweep_folder import SweepResult, load_runs
from cutlayer.experiments.folder_locks import run_lock
from cutlayer.experiments.preparation import prepare
from cutlayer.experiments.runner import checked_place, run_loaded, save_finished
from cutlayer.experiments.sweep.sweep import SweepRun
from cutlayer.scenarios.loading.loader import load_scenario

__all__ = ["compare", "load", "run", "sweep"]


def run(
    scenario: str | Path,
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    schemes: Sequence[str] | None = None,
    allow_imports: bool = False,
    checkpoint_every: int | None = None,
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
    checkpoint_every : rounds between two checkpoints beside ``out``; the same call goes on from the last

    Returns
    -------
    Run
        With ``rounds``, ``devices`` and ``intervals`` as DataFrames, and the ``summary``.

    Raises
    ------
    ScenarioError
        With all faults of the scenario at once.
    RunFolderError
        If ``out`` holds something, can't be written or is another process's, or if checkpoints of another
        run are beside it.
    """
    folder = None if out is None else Path(out)
    if folder is None and checkpoint_every is not None:
        raise ValueError(
            f"checkpoint_every is {checkpoint_every}, and out is None: checkpoints need a folder"
        )
    loaded = load_scenario(scenario, overrides, seed=seed, schemes=schemes)
    if folder is None:
        return run_loaded(prepare(loaded, allow_imports=allow_imports))
    with run_lock(folder):
        checkpoints = checked_place(folder, loaded, checkpoint_every)
        experiment = prepare(loaded, allow_imports=allow_imports)
        finished = run_loaded(experiment, folder=folder, checkpoints=checkpoints)
        save_finished(finished, folder, checkpoints)
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


def sweep(
    scenario: str | Path,
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    jobs: int | None = None,
    retry_failed: bool = False,
    mix_versions: bool = False,
    allow_imports: bool = False,
    scheduler: str | None = None,
) -> SweepResult:
    """Run every point of a scenario's sweep that is not finished, and return the tables of all.

    Workers are processes that import the calling script anew: call it under ``if __name__ ==
    "__main__":``, and register plug-ins outside of that.

    Parameters
    ----------
    scenario : path of a scenario file, or the name of one in the library
    out : folder of the sweep; ``sweeps/NAME`` by default
    overrides : ``"key.path=value"`` each, the value in YAML
    jobs : points that run at the same time; by default one a core, or a worker of the scheduler
    retry_failed : run points again that failed before
    mix_versions : go on although finished points were made by other versions
    allow_imports : let ``model: {name: imported}`` import and run your code
    scheduler : ``tcp://HOST:PORT`` of a dask.distributed scheduler: its workers run the points, and write
        them to the folder, which must be on a file system of theirs too

    Raises
    ------
    ScenarioError
        With all faults of all points at once.
    RunFolderError
        If the folder holds something else, or points of other versions, can't be written, or is another
        sweep's that is running.
    WorkersError
        If no scheduler answers, its workers are not fit, or no worker of this machine ever begins.
    SweepStoppedError
        If the folder can't be written any more, or all workers are lost; what is finished is kept.
    """
    sweeping = SweepRun(
        scenario, out=out, overrides=overrides, jobs=jobs, allow_imports=allow_imports, scheduler=scheduler
    )
    result = sweeping.run(retry_failed=retry_failed, mix_versions=mix_versions)
    for fault in draw_figures(result, sweeping.figures)[1]:
        warnings.warn(fault, stacklevel=2)
    return result
