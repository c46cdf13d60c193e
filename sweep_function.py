"""``cutlayer.sweep``: a sweep from Python, with its figures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from .analysis.sweep_folder import SweepResult
from .analysis.sweep_report import draw_figures
from .sweeping import Sweeping

__all__ = ["sweep"]


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
    sweeping = Sweeping(
        scenario, out=out, overrides=overrides, jobs=jobs, allow_imports=allow_imports, scheduler=scheduler
    )
    result = sweeping.run(retry_failed=retry_failed, mix_versions=mix_versions)
    for fault in draw_figures(result, sweeping.figures)[1]:
        warnings.warn(fault, stacklevel=2)
    return result
