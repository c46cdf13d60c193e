"""Run a loaded scenario and write its run folder: lock, check, prepare, run the schemes, save."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from ..analysis.results.atomic_files import RunFolderError, check_free, check_place, check_write_succeeds
from ..analysis.results.recorded_tables import RecordWriter, read_table
from ..analysis.results.run import Run
from ..analysis.results.run_folder import save_run
from ..analysis.results.table_formats import EVENTS, INTERVALS
from ..scenarios.loading.loader import LoadedScenario, scenario_yaml
from ..scenarios.text import one_line
from ..sim.schemes.round_loop import RoundResult
from .checkpoints import Checkpoints, checkpoint_folder
from .execution.callbacks import Callbacks
from .execution.joined_results import joined_run
from .execution.scheme_results import SchemeRun
from .execution.scheme_run import OnRound, run_scheme
from .execution.scheme_workers import SchemeWorkers, default_jobs
from .experiment import Experiment
from .preparation import prepare
from .processes.folder_locks import run_lock
from .processes.process_guards import deferred_interrupt, deliver_deferred_interrupt, interruptible

__all__ = ["UnsavedRunError", "WatchRounds", "run_experiment", "run_scenario"]

WatchRounds: TypeAlias = Callable[[], AbstractContextManager[OnRound]]
"""Opens a context around all rounds. Its value is called after each round."""


_DISPLAY_ERRORS = (Exception, SystemExit)  # a display may exit when its reader is gone
_MAX_PREFIX = 100  # characters of a folder's name, so that a longer name is valid too


class UnsavedRunError(RunFolderError):
    """Raised if the folder of a finished run cannot be written.

    Attributes
    ----------
    run : Run
        The run. Its tables are in another folder, which the message names, if one could be written.
    """

    def __init__(self, message: str, run: Run) -> None:
        super().__init__(message)
        self.run = run


def _ignore_round(label: str, result: object) -> None:
    """Show no progress."""


def run_scenario(
    loaded: LoadedScenario,
    folder: Path | None = None,
    *,
    allow_imports: bool = False,
    checkpoint_every: int | None = None,
    keep_checkpoints: bool = False,
    overwrite: bool = False,
    figures: bool = True,
    jobs: int | None = 1,
    watch_rounds: WatchRounds = lambda: nullcontext(_ignore_round),
    callbacks: Callbacks | None = None,
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
        Rounds between two checkpoints. If checkpoints of the same run, or of one with an earlier end, stand
        beside the folder, the run continues from the last one.
    keep_checkpoints : bool
        Keep the checkpoints after the end of the run, so that it can go on to a later end.
    overwrite : bool
        Replace a run in the folder.
    figures : bool
        Draw the figures, after all tables are written.
    jobs : int or None
        The number of schemes that run side by side, each in a worker process. None chooses the number of
        cores where schemes train. Results do not depend on it.
    watch_rounds : callable
        Shows the progress of the rounds.
    callbacks : Callbacks, optional
        Objects of the user that follow the run, and may end a scheme early.

    Raises
    ------
    ScenarioError
        With all issues that the preparation of the scenario finds.
    RunFolderError
        If the folder holds a run, is locked by another process, or has checkpoints of another run beside it.
    UnsavedRunError
        If the run has finished, but its folder cannot be written. Its tables are then in another folder.
    CheckpointError
        If the folder of the checkpoints cannot be written.
    KeyboardInterrupt
        If the run is interrupted before its first round is finished.
    """
    observer = callbacks or None
    if observer is not None:
        observer.begin(loaded.scenario.model_dump(mode="json", exclude_none=True))
    if folder is None:
        if checkpoint_every is not None:
            raise ValueError(
                f"checkpoint_every is {checkpoint_every}, and out is None: checkpoints need a folder"
            )
        with _workers(loaded, jobs, observer=observer, allow_imports=allow_imports) as workers:
            experiment = prepare(loaded, allow_imports=allow_imports)
            with _display(watch_rounds) as on_round:
                run = run_experiment(experiment, on_round, workers=workers, callbacks=observer)
            return _observed(run, observer)
    check_place(folder)
    with run_lock(folder):
        checkpoints = _checkpoints(folder, loaded, checkpoint_every, overwrite=overwrite)
        check_write_succeeds(folder, [scenario_yaml(loaded.scenario), *_user_texts(loaded)])
        with _workers(
            loaded, jobs, folder, checkpoints, observer=observer, allow_imports=allow_imports
        ) as workers:
            experiment = prepare(loaded, allow_imports=allow_imports)
            with deferred_interrupt():
                with _display(watch_rounds) as on_round:
                    run = run_experiment(
                        experiment,
                        on_round,
                        folder=folder,
                        checkpoints=checkpoints,
                        workers=workers,
                        callbacks=observer,
                    )
                run = _save(
                    run, folder, checkpoints, keep=keep_checkpoints, overwrite=overwrite, figures=figures
                )
                run = _observed(run, observer)
                with suppress(KeyboardInterrupt):  # an interrupt comes too late to stop anything
                    deliver_deferred_interrupt()
                return run


def _observed(run: Run, callbacks: Callbacks | None) -> Run:
    """Tell the callbacks about the end of a run, and return the run with their problems."""
    if callbacks is None:
        return run
    callbacks.on_end(run)
    return replace(run, problems=(*run.problems, *callbacks.problems))


@contextmanager
def _display(watch_rounds: WatchRounds) -> Iterator[OnRound]:
    """Open the display of the rounds. A display that fails ends without a message, and the run continues."""
    with ExitStack() as stack:
        display: AbstractContextManager[OnRound] = watch_rounds()
        show: OnRound = _ignore_round
        with suppress(*_DISPLAY_ERRORS):
            show = display.__enter__()
            stack.callback(_close, display)

        def on_round(label: str, result: RoundResult) -> None:
            nonlocal show
            try:
                show(label, result)
            except _DISPLAY_ERRORS:
                show = _ignore_round  # the display has failed

        yield on_round


def _close(display: AbstractContextManager[OnRound]) -> None:
    with suppress(*_DISPLAY_ERRORS):
        display.__exit__(None, None, None)


def run_experiment(
    experiment: Experiment,
    on_round: OnRound = _ignore_round,
    *,
    folder: Path | None = None,
    checkpoints: Checkpoints | None = None,
    workers: SchemeWorkers | None = None,
    callbacks: Callbacks | None = None,
) -> Run:
    """Run the schemes of a prepared scenario, one after the other or in parallel in workers.

    An interrupt ends the run; its finished rounds are kept. A scheme that raises an error ends alone, and its
    finished rounds are kept too.

    Parameters
    ----------
    experiment : Experiment
        The prepared scenario.
    on_round : callable
        Called after each round.
    folder : Path, optional
        The run folder. Intervals and events that do not fit into the memory go to files beside it.
    checkpoints : Checkpoints, optional
        Where the run is saved regularly. The run continues from the latest checkpoint in it.
    workers : SchemeWorkers, optional
        Processes that run the schemes; by default this process does.
    callbacks : Callbacks, optional
        Objects of the user that follow the rounds. Workers have them already.

    Raises
    ------
    KeyboardInterrupt
        If the run is interrupted before its first round is finished.
    RunFolderError
        If a checkpoint cannot be read.
    WorkersError
        If no worker starts.
    Exception
        The error of the first scheme that failed, if no round of any scheme is finished.
    """
    if checkpoints is not None:
        checkpoints.begin(experiment.data, has_callbacks=callbacks is not None)
        folder = checkpoints.folder / "intervals"
    writer = RecordWriter(folder)
    if workers is not None:
        return _run_side_by_side(experiment, on_round, writer, workers)
    scheme_runs: list[SchemeRun] = []
    interrupted = False
    with deferred_interrupt():
        for number, (scheme, plan) in enumerate(experiment.schemes):
            scheme_checkpoints = checkpoints.of_scheme(number) if checkpoints else None
            scheme_run = run_scheme(experiment, scheme, plan, on_round, writer, scheme_checkpoints, callbacks)
            if scheme_run is not None:
                scheme_runs.append(scheme_run)
            interrupted = scheme_run is None or scheme_run.interrupted
            if interrupted:
                break
        return joined_run(experiment, scheme_runs, writer.finish(), interrupted=interrupted)


def _workers(
    loaded: LoadedScenario,
    jobs: int | None,
    folder: Path | None = None,
    checkpoints: Checkpoints | None = None,
    *,
    observer: Callbacks | None,
    allow_imports: bool,
) -> AbstractContextManager[SchemeWorkers | None]:
    """Return a context with the workers of a run; without workers if one scheme at a time is to run."""
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be 1 or more; it is {jobs}")
    jobs = min(jobs or default_jobs(loaded.scenario), len(loaded.scenario.schemes))
    if jobs == 1:
        return nullcontext()
    return SchemeWorkers(
        loaded,
        jobs,
        allow_imports=allow_imports,
        folder=folder,
        checkpoints=checkpoints,
        observer=observer,
    )


def _run_side_by_side(
    experiment: Experiment,
    on_round: OnRound,
    writer: RecordWriter,
    workers: SchemeWorkers,
) -> Run:
    """Run the schemes in workers, and join their results in the scenario's order."""
    with deferred_interrupt():
        outcomes, interrupted = workers.run(len(experiment.schemes), on_round)
        scheme_runs: list[SchemeRun] = []
        for number, outcome in enumerate(outcomes):
            scheme_run = None if outcome is None else outcome.scheme_run(experiment, number)
            if outcome is not None and scheme_run is not None:
                scheme_runs.append(scheme_run)
                writer.add_all(outcome.recorded)
            interrupted = interrupted or scheme_run is None or scheme_run.interrupted
        return joined_run(experiment, scheme_runs, writer.finish(), interrupted=interrupted)


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
                f"{unfinished} has checkpoints of the run: continue it with --checkpoint-every N"
                " (from Python: checkpoint_every=N), or delete the folder"
            )
        check_free(folder, overwrite=overwrite)
        return None
    if checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be 1 or more; it is {checkpoint_every}")
    checkpoints = Checkpoints(folder, checkpoint_every, loaded)
    check_free(folder, overwrite=overwrite or checkpoints.exist)
    return checkpoints


def _save(
    run: Run,
    folder: Path,
    checkpoints: Checkpoints | None,
    *,
    keep: bool,
    overwrite: bool,
    figures: bool,
) -> Run:
    """Write the tables of a run, and then its figures. Return the run with the problems of its figures."""
    try:
        if checkpoints is None:
            save_run(run, folder, overwrite=overwrite)
        else:
            overwrite = overwrite or checkpoints.exist
            save_run(run, folder, overwrite=overwrite, drafts=checkpoints.folder)
    except Exception as error:  # of any kind, although the folder was writable when the run began
        raise _save_elsewhere(run, folder, error) from error
    problems = [*run.problems]
    if run.recorded.in_file:  # beside the folder, and among the checkpoints that are removed now
        run = replace(run, recorded=read_table(folder, INTERVALS))
    if run.recorded_events.in_file:
        run = replace(run, recorded_events=read_table(folder, EVENTS))
    if checkpoints is not None and not keep and not run.interrupted and not run.failed:
        try:
            checkpoints.remove()
        except OSError as error:
            problems.append(f"{checkpoints.folder} could not be removed: {error.strerror or error}")
    problems += _draw(run, folder) if figures else []
    return replace(run, problems=tuple(problems))


def _save_elsewhere(run: Run, folder: Path, error: Exception) -> UnsavedRunError:
    """Write the tables of a finished run to another folder, and return the error that names it."""
    reason = str(error) if isinstance(error, RunFolderError) else f"cannot write {folder}: {error!r}"
    for parent in (folder.absolute().parent, Path(tempfile.gettempdir())):
        with suppress(Exception):
            rescued = Path(tempfile.mkdtemp(prefix=f"{folder.name[:_MAX_PREFIX]}-unsaved-", dir=parent))
            save_run(run, rescued)
            return UnsavedRunError(f"{reason}; the tables of the run are in {rescued}", run)
    return UnsavedRunError(f"{reason}; the tables of the run are lost", run)


def _user_texts(loaded: LoadedScenario) -> list[str]:
    return [loaded.scenario.name, *(str(scheme.label) for scheme in loaded.scenario.schemes)]


def _draw(run: Run, folder: Path) -> list[str]:
    """Draw the figures of a run; return a line for each that failed. An interrupt leaves out the rest."""
    try:
        with interruptible():
            from ..analysis.figures.run import draw_figures  # takes 0.3 s, which the workers of a sweep save

            return draw_figures(run, folder)
    except KeyboardInterrupt:
        return ["interrupted: not all figures are drawn; cutlayer gantt DIR draws the Gantt chart"]
    except Exception as error:  # the drawing library cannot be imported, for example
        return [f"no figure could be drawn: {one_line(error)}"]
