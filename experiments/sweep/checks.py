"""The checks before a sweep runs: the versions of finished points, the issues of points and of figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from ...analysis.results.atomic_files import RunFolderError
from ...analysis.results.sweeps.sweep_folder import SweepFolder
from ...analysis.results.sweeps.sweep_statistics import overlapping_keys, unknown_names
from ...scenarios.errors import ScenarioIssue
from ...scenarios.loading.loader import LoadedScenario
from ...scenarios.loading.sweep_points import Point, error_of_points
from ...scenarios.schema.sweep import Sweep, SweepFigure, figure_key_issues
from ..provenance.versions import version_differences, versions
from .point_tasks import PointTask, first_round_tables, point_issues
from .worker_pool import WorkerPool

__all__ = ["SweepChecks", "column_issues", "key_issues"]


def key_issues(sweep: Sweep, points: pd.DataFrame) -> list[ScenarioIssue]:
    """Return the issues of the swept keys that figures name, or fail to name.

    A figure must distinguish all points, or it would draw several of them at the same position.

    Parameters
    ----------
    sweep : Sweep
        The scenario's section.
    points : DataFrame
        One row for each point, with the swept keys and the seed.
    """
    issues = figure_key_issues(sweep)
    reported = {issue.path[2] for issue in issues}
    for number, figure in enumerate(sweep.figure):
        if number not in reported and (keys := overlapping_keys(points, figure)):
            text = (
                f"points that differ in {', '.join(keys)} would be drawn at the same position;"
                " name a key as lines, panels or best_over"
            )
            issues.append(ScenarioIssue(("sweep", "figure", number), text))
    return issues


def column_issues(
    figures: Sequence[SweepFigure],
    points: pd.DataFrame,
    labels: Sequence[str],
    tables: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
) -> list[ScenarioIssue]:
    """Return an issue for each column or label of a figure that no table of the sweep will have.

    Parameters
    ----------
    figures : sequence of SweepFigure
        The figures of the sweep.
    points : DataFrame
        One row for each point, with the swept keys and the seed.
    labels : sequence of str
        The labels of the schemes of all points.
    tables : sequence of (DataFrame, DataFrame)
        Rows of ``schemes.csv`` and of ``rounds.parquet``, from points that have all schemes among them.
    """
    scheme_tables, round_tables = zip(*tables, strict=True)
    keys = points.drop(columns=["point", "overrides"])
    schemes = pd.concat([*scheme_tables, keys, pd.DataFrame({"label": labels})])
    rounds = pd.concat([*round_tables, keys])
    return [
        ScenarioIssue(("sweep", "figure", number, *path), text)
        for number, figure in enumerate(figures)
        for path, text in unknown_names(figure, schemes, rounds)
    ]


class SweepChecks:
    """The checks of one sweep.

    Parameters
    ----------
    loaded : LoadedScenario
        The scenario with its sweep.
    points : mapping of str to Point
        All points by name.
    folder : SweepFolder
        The folder of the sweep.
    allow_imports : bool
        Let ``model: {name: imported}`` import and run the user's code.
    """

    def __init__(
        self, loaded: LoadedScenario, points: Mapping[str, Point], folder: SweepFolder, *, allow_imports: bool
    ) -> None:
        self._loaded = loaded
        self._points = points
        self._folder = folder
        self._allow_imports = allow_imports

    def check_versions(self) -> None:
        """Check that the code that would run is the code that computed the finished points.

        Raises
        ------
        RunFolderError
            If the versions of a finished point differ from the current ones.
        """
        current = versions(trained=self._loaded.scenario.learning is not None)
        for name in self._folder.with_status("finished"):
            differing = version_differences(self._folder.versions(name), current)
            if differing:
                raise RunFolderError(
                    f"{self._folder.path} holds points of other versions ({', '.join(differing)});"
                    " choose another folder, or allow them with --mix-versions"
                )

    def check_same_versions(self) -> None:
        """Check that the same code computed all finished points.

        Raises
        ------
        RunFolderError
            If the versions of two finished points differ.
        """
        first: dict[str, str] | None = None
        for name in self._folder.with_status("finished"):
            recorded = self._folder.versions(name)
            first = first or recorded
            if differing := version_differences(recorded, first):
                raise RunFolderError(
                    f"{self._folder.path} holds points of different versions ({', '.join(differing)});"
                    " use --mix-versions to gather them anyway"
                )

    def check_points(
        self, tasks: Sequence[PointTask], workers: WorkerPool, on_checked: Callable[[int], None]
    ) -> None:
        """Check the points of these tasks, and all figures.

        Parameters
        ----------
        on_checked : callable
            Called with the number of points that are checked, after each.

        Raises
        ------
        ScenarioError
            With all issues at once.
        """
        sweep = self._loaded.scenario.sweep
        figure_issues = key_issues(sweep, self._folder.points) if sweep else []
        if tasks:
            figure_issues += self._column_issues(workers)
        issues: dict[str, tuple[ScenarioIssue, ...]] = {}
        total = len(self._folder.own_points)
        for task, future in workers.map_unordered(point_issues, tasks):
            # a worker that dies here dies again when it runs the point, which is then recorded as failed
            issues[task.point.name] = () if future.exception() else future.result()
            on_checked(len(issues))
        issues_by_point = [
            (p.description, issues[p.name]) for p in self._points.values() if issues.get(p.name)
        ]
        if issues_by_point or figure_issues:
            located = self._loaded.error(figure_issues).located()
            raise error_of_points(issues_by_point, total, self._loaded.source, located)

    def _column_issues(self, workers: WorkerPool) -> list[ScenarioIssue]:
        """Return the issues of the figures' columns and labels, after one round of a few points."""
        sweep = self._loaded.scenario.sweep
        if sweep is None or not sweep.figure:
            return []
        # columns depend on the schemes alone, so that one point for each combination of schemes is enough
        task_by_schemes: dict[tuple[str, ...], PointTask] = {}
        labels = []
        for point in self._points.values():
            schemes = point.loaded.scenario.schemes
            labels += [str(scheme.label) for scheme in schemes]
            task = PointTask(point, self._folder.path / point.name, self._allow_imports)
            task_by_schemes.setdefault(tuple(scheme.name for scheme in schemes), task)
        futures = [f for _, f in workers.map_unordered(first_round_tables, task_by_schemes.values())]
        if not futures or any(future.exception() for future in futures):
            return []  # the check of the points reports the issue
        tables = [future.result() for future in futures]
        return column_issues(sweep.figure, self._folder.points, labels, tables)
