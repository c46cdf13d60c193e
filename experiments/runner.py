"""Run a loaded scenario and write its run folder: lock, check, prepare, run the schemes, save."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from ..analysis.results.atomic_files import RunFolderError, check_free
from ..analysis.results.interval_store import IntervalWriter
from ..analysis.results.run_folder import FORMAT, TABLES, Run, save_run
from ..scenarios.loading.loader import LoadedScenario, scenario_yaml
from .checkpoints import Checkpoints, checkpoint_folder
from .folder_locks import run_lock
from .preparation import Experiment, prepare
from .provenance import versions
from .scheme_run import OnRound, SchemeRun, run_scheme

__all__ = ["UnsavedRunError", "WatchRounds", "run_experiment", "run_scenario"]

WatchRounds: TypeAlias = Callable[[], AbstractContextManager[OnRound]]
"""Opens a context around all rounds. Its value is called after each round."""


class UnsavedRunError(RunFolderError):
    """Raised if the folder of a finished run cannot be written."""


def _ignore_round(label: str, result: object) -> None:
    """Show no progress."""


def run_scenario(
    loaded: LoadedScenario,
    folder: Path | None = None,
    *,
    allow_imports: bool = False,
    checkpoint_every: int | None = None,
    overwrite: bool = False,
    watch_rounds: WatchRounds = lambda: nullcontext(_ignore_round),
) -> Run:
    """Run a scenario and write its run folder.

    Parameters
    ----------
    loaded : LoadedScenario
        The scenario.
    folder : Path, optional
        The run folder; without it nothing is written.
    allow_imports : bool
        Let ``model: {name: imported}`` import and run the user's code.
    checkpoint_every : int, optional
        Rounds between two checkpoints. If checkpoints of the same run stand beside the folder, the run
        continues from the last one.
    overwrite : bool
        Replace a run in the folder.
    watch_rounds : callable
        Shows the progress of the rounds.

    Raises
    ------
    ScenarioError
        With all issues that the preparation of the scenario finds.
    RunFolderError
        If the folder holds a run, is locked by another process, or has checkpoints of another run beside it.
    UnsavedRunError
        If the run has finished, but its folder cannot be written.
    CheckpointError, SpillError
        If a checkpoint, or the file of the intervals, cannot be written.
    KeyboardInterrupt
        If the run is interrupted before its first round is finished.
    """
    if folder is None:
        if checkpoint_every is not None:
            raise ValueError(
                f"checkpoint_every is {checkpoint_every}, and out is None: checkpoints need a folder"
            )
        experiment = prepare(loaded, allow_imports=allow_imports)
        with watch_rounds() as on_round:
            return run_experiment(experiment, on_round)
    with run_lock(folder):
        checkpoints = _checkpoints(folder, loaded, checkpoint_every, overwrite=overwrite)
        experiment = prepare(loaded, allow_imports=allow_imports)
        with watch_rounds() as on_round:
            run = run_experiment(experiment, on_round, folder=folder, checkpoints=checkpoints)
        try:
            _save(run, folder, checkpoints, overwrite=overwrite)
        except RunFolderError as error:  # the folder was writable when the run began
            raise UnsavedRunError(str(error)) from None
    return run


def run_experiment(
    experiment: Experiment,
    on_round: OnRound = _ignore_round,
    *,
    folder: Path | None = None,
    checkpoints: Checkpoints | None = None,
) -> Run:
    """Run the schemes of a prepared scenario. An interrupt ends the run; its finished rounds are kept.

    Parameters
    ----------
    experiment : Experiment
        The prepared scenario.
    on_round : callable
        Called after each round.
    folder : Path, optional
        The run folder. Intervals that do not fit into the memory go to a file beside it.
    checkpoints : Checkpoints, optional
        Where the run is saved regularly. The run continues from the latest checkpoint in it.

    Raises
    ------
    KeyboardInterrupt
        If the run is interrupted before its first round is finished.
    """
    scheme_runs: list[SchemeRun] = []
    interrupted = False
    if checkpoints is not None:
        checkpoints.begin(experiment.data)
        folder = checkpoints.folder / "intervals"
    writer = IntervalWriter(folder)
    for number, (scheme, plan) in enumerate(experiment.schemes):
        scheme_checkpoints = checkpoints.of_scheme(number) if checkpoints else None
        scheme_run = run_scheme(experiment, scheme, plan, on_round, writer, scheme_checkpoints)
        if scheme_run is not None:
            scheme_runs.append(scheme_run)
        interrupted = scheme_run is None or scheme_run.interrupted
        if interrupted:
            break
    if not scheme_runs:
        raise KeyboardInterrupt
    return Run(
        scenario_yaml(experiment.loaded.scenario),
        _summary(experiment, scheme_runs, interrupted=interrupted),
        **{table: _joined([getattr(scheme_run, table) for scheme_run in scheme_runs]) for table in TABLES},
        recorded=writer.finish(),
        files=experiment.named_files.copies,
    )


def _checkpoints(
    folder: Path, loaded: LoadedScenario, checkpoint_every: int | None, *, overwrite: bool = False
) -> Checkpoints | None:
    """Check that the run folder is free, and return the run's checkpoints, or None if it takes none.

    Raises
    ------
    RunFolderError
        If the folder holds a run that must not be replaced, or has checkpoints of another run beside it.
    """
    if checkpoint_every is None:
        unfinished = checkpoint_folder(folder)
        if (unfinished / "run.json").is_file():
            raise RunFolderError(
                f"{unfinished} has checkpoints of an unfinished run: continue it with --checkpoint-every N"
                " (from Python: checkpoint_every=N), or delete the folder"
            )
        check_free(folder, overwrite=overwrite)
        return None
    if checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be 1 or more; it is {checkpoint_every}")
    checkpoints = Checkpoints(folder, checkpoint_every, loaded)
    check_free(folder, overwrite=overwrite or checkpoints.exist)
    return checkpoints


def _save(run: Run, folder: Path, checkpoints: Checkpoints | None, *, overwrite: bool) -> None:
    """Write the run folder; remove its checkpoints if the run was not interrupted."""
    from ..analysis.figures.run import draw_figures  # takes 0.3 s, which the workers of a sweep save

    if checkpoints is None:
        save_run(run, folder, draw=draw_figures, overwrite=overwrite)
        return
    overwrite = overwrite or checkpoints.exist
    save_run(run, folder, draw=draw_figures, overwrite=overwrite, drafts=checkpoints.folder)
    if not run.interrupted:
        checkpoints.remove()


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
        "schemes": {scheme_run.label: scheme_run.summary for scheme_run in scheme_runs},
    }
