"""The Python API: run, load and compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .analysis.comparison import comparison
from .analysis.folders import RunFolderError, check_free
from .analysis.intervals import IntervalWriter
from .analysis.run import FORMAT, TABLES, Run, load_run, save_run
from .analysis.sweep_folder import load_runs
from .checkpoints import Checkpoints, checkpoint_place
from .code_version import versions
from .experiment import OnRound, SchemeRun, run_scheme
from .locks import run_lock
from .preparation import Experiment, prepare
from .scenarios.loading import Loaded, load_scenario, scenario_yaml

__all__ = ["checked_place", "compare", "load", "run", "run_loaded", "save_finished"]


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


def checked_place(
    folder: Path, loaded: Loaded, checkpoint_every: int | None, *, overwrite: bool = False
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
    from .analysis.run_figures import draw_figures  # 0.3 s, which the workers of a sweep need not wait for

    if checkpoints is None:
        save_run(run, folder, draw=draw_figures, overwrite=overwrite)
        return
    overwrite = overwrite or checkpoints.found
    save_run(run, folder, draw=draw_figures, overwrite=overwrite, drafts=checkpoints.place)
    if not run.interrupted:
        checkpoints.remove()


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
