"""What is refused before a sweep runs: points of other versions, and all faults of points and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from . import sweep_tasks
from .analysis.folders import RunFolderError
from .analysis.sweep_folder import SweepFolder
from .code_version import versions
from .figure_faults import names_of_nothing, wrong_keys
from .scenarios.faults import Fault
from .scenarios.loading import Loaded
from .scenarios.points import Point, gathered
from .sweep_tasks import Task
from .workers import Workers

__all__ = ["SweepChecks"]


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
        self, loaded: Loaded, points: Mapping[str, Point], folder: SweepFolder, *, allow_imports: bool
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
            other = self._folder.versions(name)
            told = [
                f"{k} {other[k]} instead of {current[k]}"
                for k in current
                if other.get(k, current[k]) != current[k]
            ]
            if told:
                raise RunFolderError(
                    f"{self._folder.path} holds points of other versions ({', '.join(told)});"
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
        found: dict[str, tuple[Fault, ...]] = {}
        for task, future in workers.each(sweep_tasks.faults, tasks):
            # a worker that dies here will again when it runs the point, and it is recorded there
            found[task.point.name] = () if future.exception() else future.result()
            on_checked(len(found))
        faulty = [(p.told, found[p.name]) for p in self._points.values() if found.get(p.name)]
        if faulty or figures:
            placed = self._loaded.error(figures).placed()
            raise gathered(faulty, len(self._points), self._loaded.source, placed)

    def _wrong_names(self, workers: Workers) -> list[Fault]:
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
        return names_of_nothing(sweep.figure, self._folder.points, labels, rows)
