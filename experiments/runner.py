"""Run a scenario from its loading to its folder: lock, check, prepare, run, save."""

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
from .checkpoints import Checkpoints, checkpoint_place
from .folder_locks import run_lock
from .preparation import Experiment, prepare
from .provenance import versions
from .scheme_run import OnRound, SchemeRun, run_scheme

__all__ = ["UnsavedRunError", "WatchRounds", "run_loaded", "run_scenario"]

WatchRounds: TypeAlias = Callable[[], AbstractContextManager[OnRound]]
"""Opens a context for the time of the rounds; its value is called after each round."""


class UnsavedRunError(RunFolderError):
    """A finished run cannot be written to its folder."""


def _ignore_round(label: str, result: object) -> None:
    """Do nothing."""


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
    folder : Path | None
        The run folder; without it nothing is written.
    allow_imports : bool
        Let ``model: {name: imported}`` import and run the user's code.
    checkpoint_every : int | None
        Rounds between two checkpoints. With checkpoints of the same run beside the folder, the run goes on
        from the last.
    overwrite : bool
        Replace a run in the folder.
    watch_rounds : WatchRounds
        Shows the progress of the rounds.

    Raises
    ------
    ScenarioError
        With all faults of the scenario that its preparation meets.
    RunFolderError
        If the folder holds a run, is locked by another process, or has checkpoints of another run beside it.
    UnsavedRunError
        If the run is finished and its folder cannot be written.
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
            return run_loaded(experiment, on_round)
    with run_lock(folder):
        checkpoints = _checkpoints(folder, loaded, checkpoint_every, overwrite=overwrite)
        experiment = prepare(loaded, allow_imports=allow_imports)
        with watch_rounds() as on_round:
            run = run_loaded(experiment, on_round, folder=folder, checkpoints=checkpoints)
        try:
            _save(run, folder, checkpoints, overwrite=overwrite)
        except RunFolderError as error:  # the folder was free when the run began
            raise UnsavedRunError(str(error)) from None
    return run


def run_loaded(
    experiment: Experiment,
    on_round: OnRound = _ignore_round,
    *,
    folder: Path | None = None,
    checkpoints: Checkpoints | None = None,
) -> Run:
    """Run a prepared scenario. An interrupt ends it, and its finished rounds are kept.

    Parameters
    ----------
    folder : Path | None
        The run folder. Intervals that do not fit into the memory go to a file beside it.
    checkpoints : Checkpoints | None
        The run is saved to them regularly, and goes on from the last.

    Raises
    ------
    KeyboardInterrupt
        If it is interrupted before the first round is finished.
    """
    done: list[SchemeRun] = []
    interrupted = False
    if checkpoints is not None:
        checkpoints.begin(experiment.data)
        folder = checkpoints.place / "intervals"
    writer = IntervalWriter(folder)
    for number, (scheme, plan) in enumerate(experiment.schemes):
        saved = checkpoints.of_scheme(number) if checkpoints else None
        result = run_scheme(experiment, scheme, plan, on_round, writer, saved)
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
        **{table: _joined([getattr(part, table) for part in done]) for table in TABLES},
        recorded=writer.finish(),
    )


def _checkpoints(
    folder: Path, loaded: LoadedScenario, checkpoint_every: int | None, *, overwrite: bool = False
) -> Checkpoints | None:
    """Check that the run folder is free, and return the run's checkpoints, or None without checkpoints.

    Raises
    ------
    RunFolderError
        If the folder holds a run that must not be replaced, or has checkpoints of another run beside it.
    """
    checkpoint_folder = checkpoint_place(folder)
    if checkpoint_every is None:
        if (checkpoint_folder / "run.json").is_file():
            raise RunFolderError(
                f"{checkpoint_folder} is of an unfinished run: go on with it by --checkpoint-every N"
                " (from Python: checkpoint_every=N), or delete it"
            )
        check_free(folder, overwrite=overwrite)
        return None
    if checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be 1 or more; it is {checkpoint_every}")
    checkpoints = Checkpoints(folder, checkpoint_every, loaded)
    check_free(folder, overwrite=overwrite or checkpoints.found)
    return checkpoints


def _save(run: Run, folder: Path, checkpoints: Checkpoints | None, *, overwrite: bool) -> None:
    """Write the run folder; remove its checkpoints if the run was not interrupted."""
    from ..analysis.figures.run import draw_figures  # 0.3 s, which the workers of a sweep need not wait for

    if checkpoints is None:
        save_run(run, folder, draw=draw_figures, overwrite=overwrite)
        return
    overwrite = overwrite or checkpoints.found
    save_run(run, folder, draw=draw_figures, overwrite=overwrite, drafts=checkpoints.place)
    if not run.interrupted:
        checkpoints.remove()


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the schemes' rows as one table."""
    return pd.concat(parts, ignore_index=True)


def _summary(
    loaded: LoadedScenario, done: Sequence[SchemeRun], *, interrupted: bool, trained: bool
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
