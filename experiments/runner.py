"""The Python API: run, load and compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..analysis.results.atomic_files import RunFolderError, check_free
from ..analysis.results.interval_store import IntervalWriter
from ..analysis.results.run_folder import FORMAT, TABLES, Run, save_run
from ..scenarios.loading.loader import LoadedScenario, scenario_yaml
from .checkpoints import Checkpoints, checkpoint_place
from .preparation import Experiment
from .provenance import versions
from .scheme_run import OnRound, SchemeRun, run_scheme

__all__ = ["checked_place", "run_loaded", "save_finished"]


def checked_place(
    folder: Path, loaded: LoadedScenario, checkpoint_every: int | None, *, overwrite: bool = False
) -> Checkpoints | None:
    """Return the checkpoints of a run that is to be written to a folder, None where none are to be made.

    Raises
    ------
    RunFolderError
        If the place holds something that is not to be replaced, or checkpoints of another run.
    """
    place = checkpoint_place(folder)
    if checkpoint_every is None:
        if (place / "run.json").is_file():
            raise RunFolderError(
                f"{place} is of an unfinished run: go on with it by --checkpoint-every N"
                " (from Python: checkpoint_every=N), or delete it"
            )
        check_free(folder, overwrite=overwrite)
        return None
    if checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be 1 or more; it is {checkpoint_every}")
    checkpoints = Checkpoints(folder, checkpoint_every, loaded)
    check_free(folder, overwrite=overwrite or checkpoints.found)
    return checkpoints


def save_finished(
    run: Run, folder: Path, checkpoints: Checkpoints | None, *, overwrite: bool = False
) -> None:
    """Write the run folder; remove its checkpoints if the run was not interrupted.

    Raises
    ------
    RunFolderError
        If it can't be written.
    """
    from ..analysis.figures.run import draw_figures  # 0.3 s, which the workers of a sweep need not wait for

    if checkpoints is None:
        save_run(run, folder, draw=draw_figures, overwrite=overwrite)
        return
    overwrite = overwrite or checkpoints.found
    save_run(run, folder, draw=draw_figures, overwrite=overwrite, drafts=checkpoints.place)
    if not run.interrupted:
        checkpoints.remove()


def run_loaded(
    experiment: Experiment,
    on_round: OnRound = lambda label, result: None,
    *,
    folder: Path | None = None,
    checkpoints: Checkpoints | None = None,
) -> Run:
    """Run a prepared scenario; an interrupt ends it, with the finished rounds kept.

    Parameters
    ----------
    folder : where the run will be written, if it will: intervals that are too many for the memory go to a
        file beside it
    checkpoints : where it is saved at times, and what it goes on from

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
