"""What is refused before a sweep runs: points of other versions, and all faults of points and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from ...analysis.results.atomic_files import RunFolderError
from ...analysis.results.sweep_folder import SweepFolder
from ...analysis.results.sweep_statistics import overlapping_keys, unknown_names
from ...scenarios.errors import ScenarioIssue
from ...scenarios.loading.loader import LoadedScenario
from ...scenarios.loading.sweep_points import Point, error_of_points
from ...scenarios.schema.sweep import Sweep, SweepFigure, figure_key_issues
from ..provenance import version_differences, versions
from . import point_tasks as sweep_tasks
from .point_tasks import Task
from .worker_pool import Workers

__all__ = ["SweepChecks", "figure_issues", "wrong_keys"]


def wrong_keys(sweep: Sweep, points: pd.DataFrame) -> list[ScenarioIssue]:
    """Return faults of the keys that figures name, and of those without which points fall on one place."""
    faults = figure_key_issues(sweep)
    wrong = {fault.path[2] for fault in faults}
    for number, figure in enumerate(sweep.figure):
        if number not in wrong and (keys := overlapping_keys(points, figure)):
            text = (
                f"points that differ in {', '.join(keys)} fall on one place;"
                " name a key as lines, panels or best_over"
            )
            faults.append(ScenarioIssue(("sweep", "figure", number), text))
    return faults


def figure_issues(
    figures: Sequence[SweepFigure],
    points: pd.DataFrame,
    labels: Sequence[str],
    first_rows: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
) -> list[ScenarioIssue]:
    """Return a fault for each column or label of a figure that no table of the sweep will have.

    Parameters
    ----------
    figures : what is to be drawn
    points : the points with their swept keys and seeds
    labels : of the schemes of all points
    first_rows : of points that have all schemes among them, rows of ``schemes.csv`` and ``rounds.parquet``
    """
    scheme_tables, round_tables = zip(*first_rows, strict=True)
    keys = points.drop(columns=["point", "overrides"])
    schemes = pd.concat([*scheme_tables, keys, pd.DataFrame({"label": labels})])
    rounds = pd.concat([*round_tables, keys])
    return [
        ScenarioIssue(("sweep", "figure", number, *path), text)
        for number, figure in enumerate(figures)
        for path, text in unknown_names(figure, schemes, rounds)
    ]


class SweepChecks:
    """The checks of a sweep.

    Parameters
    ----------
    loaded : the scenario with its sweep
    points : by name
    folder : of the sweep
    allow_imports : let a model of your own be imported
    """

    def __init__(
        self, loaded: LoadedScenario, points: Mapping[str, Point], folder: SweepFolder, *, allow_imports: bool
    ) -> None:
        self._loaded = loaded
        self._points = points
        self._folder = folder
        self._allow_imports = allow_imports

    def refuse_other_versions(self) -> None:
        """Refuse to go on where finished points were made by other versions.

        Raises
        ------
        RunFolderError
        """
        current = versions(trained=self._loaded.scenario.learning is not None)
        for name in self._folder.with_status("finished"):
            differing = version_differences(self._folder.versions(name), current)
            if differing:
                raise RunFolderError(
                    f"{self._folder.path} holds points of other versions ({', '.join(differing)});"
                    " choose another place, or allow them with --mix-versions"
                )

    def refuse_faults(
        self, tasks: Sequence[Task], workers: Workers, on_checked: Callable[[int], None]
    ) -> None:
        """Check the points of these tasks, and all figures.

        Parameters
        ----------
        on_checked : called with the number of points that are checked

        Raises
        ------
        ScenarioError
            With all faults at once.
        """
        sweep = self._loaded.scenario.sweep
        figures = wrong_keys(sweep, self._folder.points) if sweep else []
        if tasks:
            figures += self._wrong_names(workers)
        found: dict[str, tuple[ScenarioIssue, ...]] = {}
        for task, future in workers.each(sweep_tasks.faults, tasks):
            # a worker that dies here will again when it runs the point, and it is recorded there
            found[task.point.name] = () if future.exception() else future.result()
            on_checked(len(found))
        faulty = [(p.description, found[p.name]) for p in self._points.values() if found.get(p.name)]
        if faulty or figures:
            placed = self._loaded.error(figures).located()
            raise error_of_points(faulty, len(self._points), self._loaded.source, placed)

    def _wrong_names(self, workers: Workers) -> list[ScenarioIssue]:
        """Return a fault for each figure's column and label that no table will have, as first rounds show."""
        sweep = self._loaded.scenario.sweep
        if sweep is None or not sweep.figure:
            return []
        # tables have the columns of all schemes; the labels, which follow from parameters, are read off
        kinds: dict[tuple[str, ...], Task] = {}
        labels = []
        for point in self._points.values():
            schemes = point.loaded.scenario.schemes
            labels += [str(scheme.label) for scheme in schemes]
            task = Task(point, self._folder.path / point.name, self._allow_imports)
            kinds.setdefault(tuple(scheme.name for scheme in schemes), task)
        found = [future for _, future in workers.each(sweep_tasks.first_rows, kinds.values())]
        if not found or any(future.exception() for future in found):
            return []  # what is wrong with a point is told with the others' faults
        rows = [future.result() for future in found]
        return figure_issues(sweep.figure, self._folder.points, labels, rows)
