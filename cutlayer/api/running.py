"""Run, sweep, validate and profile."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from cutlayer.analysis.comparison.sweep_report import draw_figures
from cutlayer.analysis.results.run import Run
from cutlayer.analysis.results.sweeps.sweep_folder import SweepResult
from cutlayer.experiments.execution.callbacks import Callbacks
from cutlayer.experiments.execution.scheme_run import OnRound
from cutlayer.experiments.preparation import prepare
from cutlayer.experiments.processes.process_guards import end_process_after_block
from cutlayer.experiments.runner import run_scenario
from cutlayer.experiments.sweep.sweep import OnProgress, SweepRun
from cutlayer.models.unit_tables import named_unit_table
from cutlayer.progress.displays import RunProgress, SweepProgress
from cutlayer.progress.notebook import in_notebook
from cutlayer.scenarios.loading.loader import LoadedScenario, ScenarioSource, load_scenario
from cutlayer.scenarios.model_costs.unit_table import unit_table_csv
from cutlayer.scenarios.plugins import load_plugins

__all__ = ["profile", "run", "sweep", "validate"]


def run(
    scenario: ScenarioSource,
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    schemes: Sequence[str] | None = None,
    plugins: Sequence[str | Path] = (),
    allow_imports: bool = False,
    checkpoint_every: int | None = None,
    keep_checkpoints: bool = False,
    figures: bool = True,
    jobs: int | None = 1,
    overwrite: bool = False,
    callbacks: Sequence[object] = (),
    progress: bool | None = None,
) -> Run:
    """Run every scheme of a scenario on the same devices, channel, data order and initial weights.

    An interrupt (Ctrl-C) ends the run, and its finished rounds are kept. SIGTERM does so too, and then ends
    the process.

    Parameters
    ----------
    scenario : str, Path or mapping
        Path of a scenario file, the name of a scenario in the library, or the scenario itself as a dictionary
        with the keys of a file. Relative paths in a dictionary start at the working folder.
    out : str | Path | None
        Folder of the run. Without it nothing is written.
    overrides : Sequence[str]
        ``"key.path=value"`` each, with the value in YAML.
    seed : int | None
        Replaces the scenario's seed.
    schemes : Sequence[str] | None
        Names or labels of the schemes to run; all by default.
    plugins : Sequence[str | Path]
        Python files or modules to import first; see docs/extending.md.
    allow_imports : bool
        Let ``model: {name: imported}`` import and run your code.
    checkpoint_every : int | None
        Rounds between two checkpoints beside ``out``. The same call goes on from the last one, and so does a
        call whose only change is a later end, for example more ``stop.rounds``.
    keep_checkpoints : bool
        Keep the checkpoints after the end of the run, so that it can go on to a later end.
    figures : bool
        Draw the figures of the run into ``out``, after its tables.
    jobs : int | None
        Schemes that run side by side, each in a worker process that imports the calling script anew. Above 1,
        call this function under ``if __name__ == "__main__":``. None chooses the number of cores where
        schemes train. Results do not depend on it.
    overwrite : bool
        Replace a run in ``out``.
    callbacks : Sequence[object]
        Objects that follow the run and may end a scheme early; see docs/guides/callbacks.md.
    progress : bool | None
        Whether to show the progress; by default only in a notebook.

    Returns
    -------
    Run
        ``rounds``, ``devices`` and ``intervals`` as DataFrames, and the ``summary``. A scheme that raised an
        error is listed in ``failed``; its tables end with its last finished round.

    Raises
    ------
    ScenarioError
        With all faults of the scenario at once.
    PluginError
        If a plug-in cannot be imported.
    RunFolderError
        If ``out`` holds a run, cannot be written or is in use by another process, or if checkpoints of
        another run are beside it.
    UnsavedRunError
        If the run has finished, but its folder cannot be written. It has the run, whose tables are in another
        folder.
    CheckpointError
        If the folder of the checkpoints cannot be written.
    CallbackError
        If an object is no callback.
    WorkersError
        If no worker process starts.
    Exception
        The error of the first scheme that failed, if no scheme has finished a round.
    """
    observers = Callbacks(callbacks)
    load_plugins(plugins)
    loaded = load_scenario(scenario, overrides, seed=seed, schemes=schemes)
    with end_process_after_block():
        result = run_scenario(
            loaded,
            None if out is None else Path(out),
            allow_imports=allow_imports,
            checkpoint_every=checkpoint_every,
            keep_checkpoints=keep_checkpoints,
            overwrite=overwrite,
            figures=figures,
            jobs=jobs,
            watch_rounds=lambda: _run_progress(loaded, progress),
            callbacks=observers,
        )
    failures = [f"{label} failed: {error}" for label, error in result.failed.items()]
    for message in (*failures, *result.problems):
        warnings.warn(message, stacklevel=2)
    return result


@contextmanager
def _run_progress(loaded: LoadedScenario, wanted: bool | None) -> Iterator[OnRound]:
    """Show the progress of a run, if it is wanted."""
    if not (in_notebook() if wanted is None else wanted):
        yield lambda label, result: None
        return
    with RunProgress(loaded.scenario) as display:
        yield display.on_round


def sweep(
    scenario: ScenarioSource,
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    jobs: int | None = None,
    retry_failed: bool = False,
    mix_versions: bool = False,
    plugins: Sequence[str | Path] = (),
    allow_imports: bool = False,
    scheduler: str | None = None,
    shard: tuple[int, int] | None = None,
    tables: bool = False,
    time_limit_s: float | None = None,
    fail_fast: bool = False,
    seed: int | None = None,
    schemes: Sequence[str] | None = None,
    progress: bool | None = None,
) -> SweepResult:
    """Run every point of a scenario's sweep that is not finished, and return the tables of all points.

    Workers are processes that import the calling script again. Call this function under
    ``if __name__ == "__main__":``, and register your own code outside of it, or in ``plugins``.

    Parameters
    ----------
    scenario : str, Path or mapping
        Path of a scenario file, the name of a scenario in the library, or the scenario itself as a dictionary
        with the keys of a file. Relative paths in a dictionary start at the working folder.
    out : str | Path | None
        Folder of the sweep; ``sweeps/NAME`` by default.
    overrides : Sequence[str]
        ``"key.path=value"`` each, with the value in YAML.
    jobs : int | None
        Points that run at the same time; by default one for each core, or for each worker of the scheduler.
    retry_failed : bool
        Run the points again that failed before.
    mix_versions : bool
        Go on although other versions of the code computed the finished points.
    plugins : Sequence[str | Path]
        Python files or modules that this process and each worker import first.
    allow_imports : bool
        Let ``model: {name: imported}`` import and run your code.
    scheduler : str | None
        ``tcp://HOST:PORT`` of a dask.distributed scheduler. Its workers run the points and write them to
        the folder, which must be on a file system that they share.
    shard : tuple[int, int] | None
        Number K and count N: run every N-th point from the K-th on. Other shards may run in the same folder
        at the same time. The result has the states of the shard's points, and no other table.
    tables : bool
        Run no point, but gather the tables and figures of the points that are finished so far.
    time_limit_s : float | None
        Longest wall time of a point, [s]. A point that takes longer is ended, and has failed.
    fail_fast : bool
        Start no further point once one has failed. The running points finish.
    seed : int | None
        Replaces the scenario's seed: the only one, or the first of a count of ``sweep.seeds``.
    schemes : Sequence[str] | None
        Names or labels of the schemes to run; all by default.
    progress : bool | None
        Whether to show the progress; by default only in a notebook.

    Raises
    ------
    ScenarioError
        With all faults of all points at once.
    PluginError
        If a plug-in cannot be imported.
    RunFolderError
        If the folder holds something else or points of other versions, cannot be written, or is in use by
        another sweep.
    WorkersError
        If no scheduler answers, its workers do not meet the demands, or no worker process starts.
    SweepStoppedError
        If the folder can no longer be written, or all workers are lost. The finished points are kept.
    """
    sweep_run = SweepRun(
        scenario,
        out=out,
        overrides=overrides,
        jobs=jobs,
        plugins=plugins,
        allow_imports=allow_imports,
        scheduler=scheduler,
        shard=shard,
        seed=seed,
        schemes=schemes,
    )
    with end_process_after_block(), _sweep_progress(progress) as on_progress:
        if tables:
            result = sweep_run.gather(mix_versions=mix_versions)
        else:
            result = sweep_run.run(
                retry_failed=retry_failed,
                mix_versions=mix_versions,
                time_limit_s=time_limit_s,
                fail_fast=fail_fast,
                on_progress=on_progress,
            )
    for message in draw_figures(result, sweep_run.figures, partial=tables)[1]:
        warnings.warn(message, stacklevel=2)
    return result


@contextmanager
def _sweep_progress(wanted: bool | None) -> Iterator[OnProgress]:
    """Show the progress of a sweep, if it is wanted."""
    if not (in_notebook() if wanted is None else wanted):
        yield lambda *progress: None
        return
    with SweepProgress() as display:
        yield display.on_progress


def validate(
    scenario: ScenarioSource,
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    schemes: Sequence[str] | None = None,
    plugins: Sequence[str | Path] = (),
    allow_imports: bool = False,
) -> dict[str, Any]:
    """Check a scenario, its data and its plans without running it. Nothing is written.

    A value that looks like a number of another unit gives a warning.

    Parameters
    ----------
    scenario : str, Path or mapping
        As for :func:`run`, like all other arguments.

    Returns
    -------
    dict
        The scenario as plain data, with all defaults.

    Raises
    ------
    ScenarioError
        With all faults at once, as ``issues`` and as lines of its text.
    PluginError
        If a plug-in cannot be imported.
    """
    load_plugins(plugins)
    loaded = load_scenario(scenario, overrides, seed=seed, schemes=schemes)
    prepare(loaded, allow_imports=allow_imports, simulate_plans=False)
    for message in loaded.warnings():
        warnings.warn(message, stacklevel=2)
    return loaded.scenario.model_dump(mode="json", exclude_none=True)


def profile(
    model: str,
    *,
    input_shape: tuple[int, ...] | None = None,
    classes: int | None = None,
    plugins: Sequence[str | Path] = (),
) -> pd.DataFrame:
    """Return a model's units with their FLOPs, activations and parameters, as in a unit table.

    Parameters
    ----------
    model : str
        Name of a model.
    input_shape : tuple of int, optional
        Channels, height and width; by default those of the model.
    classes : int, optional
        Number of classes; by default that of the model.
    plugins : Sequence[str | Path]
        Python files or modules to import first.

    Returns
    -------
    DataFrame
        One row a unit: ``unit, forward_flops, backward_flops, activation_bits, gradient_bits,
        parameter_bits`` and the bits that training needs, for one sample. A multiply-accumulate counts as
        one FLOP.

    Raises
    ------
    ValueError
        If no model has the name, or an argument is wrong.
    PluginError
        If a plug-in cannot be imported.
    """
    load_plugins(plugins)
    units = named_unit_table(model, input_shape, classes)
    return pd.read_csv(StringIO(unit_table_csv(units)))
