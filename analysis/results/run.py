"""All results of a run: its tables, and the figures, texts and files that are made from them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ...scenarios.scheme_names import labels_of
from .atomic_files import RunFolderError, check_place
from .paper_labels import paper_labels
from .recorded_tables import RecordedTable
from .table_formats import EVENTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..explain.explanation import Explanation

__all__ = ["Run", "failed_schemes"]


@dataclass(frozen=True, repr=False)
class Run:
    """All results of a run.

    Attributes
    ----------
    scenario : str
        The scenario as YAML, with all defaults.
    summary : dict
        The content of ``summary.json``. ``summary["schemes"]`` has the results of each label.
    rounds, devices, nodes, stages, memory : DataFrame
        The tables of the run folder. ``memory`` is empty unless a scheme uses compute nodes.
    recorded : RecordedTable
        The intervals, which may be too many for the memory.
    errors : str
        The tracebacks of the schemes that failed; empty if none has failed.
    problems : tuple of str
        A line for each figure that could not be drawn, and for other problems after the last round.
    files : mapping of str to bytes
        Copies of small files that the scenario names, by their path in the run folder; empty if the run was
        read from its folder.
    recorded_events : RecordedTable
        The events, which may be too many for the memory too.
    folder : str
        The path of the run folder or sweep folder that the run was read from; empty if it was not read.
    """

    scenario: str
    summary: dict[str, Any]
    rounds: pd.DataFrame
    devices: pd.DataFrame
    nodes: pd.DataFrame
    stages: pd.DataFrame
    memory: pd.DataFrame
    recorded: RecordedTable
    errors: str = ""
    problems: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    recorded_events: RecordedTable = field(default_factory=lambda: RecordedTable(EVENTS))
    folder: str = ""

    def __repr__(self) -> str:
        """Return one line: the scenario, its seed, and the rounds of each scheme."""
        done = ", ".join(f"{label}: {s['rounds']} rounds" for label, s in self.summary["schemes"].items())
        return f"<Run of {self.summary['name']!r}, seed {self.summary['seed']}: {done}>"

    @cached_property
    def intervals(self) -> pd.DataFrame:
        """Return the intervals as one table, which is read at the first access."""
        return self.recorded.frame()

    @cached_property
    def events(self) -> pd.DataFrame:
        """Return the events as one table, which is read at the first access."""
        return self.recorded_events.frame()

    @property
    def is_record_lost(self) -> bool:
        """Return whether the intervals or the events are lost, because their file could not be written."""
        return bool(self.recorded.lost or self.recorded_events.lost)

    def explain(self, schemes: Sequence[str] = (), number: int | None = None) -> Explanation:
        """Explain who held up the rounds: critical paths, blame, slack, and percentiles of round times.

        Parameters
        ----------
        schemes : sequence of str, optional
            Labels of the schemes to explain; all by default.
        number : int, optional
            The only round to explain; by default all rounds, or evenly spaced ones of a long run.

        Raises
        ------
        UnknownRoundError
            If the run lacks a scheme or the round, or if its intervals are lost.
        """
        from ..explain.explanation import explain_run  # it needs this class

        return explain_run(self, self.known_labels(schemes), number)

    def breakdown(self, rounds: tuple[int, int] | None = None) -> pd.DataFrame:
        """Return the time of each lane of each node: busy by phase, and idle by cause.

        Parameters
        ----------
        rounds : (first, last), optional
            The rounds to count, from 1; all by default.

        Returns
        -------
        DataFrame
            One row a label, node, lane, state (``busy`` or ``idle``) and activity (a phase, or a cause of
            idle time): ``rounds``, ``time_s``, ``time_per_round_s``, ``share``. See
            :func:`.timeline.breakdown.breakdown`.

        Raises
        ------
        NoTimelineError
            If the run has none of the rounds, or if its intervals are lost.
        """
        from ..timeline.breakdown import breakdown  # it needs this class

        return breakdown(self, rounds)

    def breakdown_differences(self, other: Run, rounds: tuple[int, int] | None = None) -> pd.DataFrame:
        """Return the differences of the times of :meth:`breakdown` between this run and another one.

        Parameters
        ----------
        other : Run
            A run with the same labels and nodes, for example with a fault switched on.
        rounds : (first, last), optional
            The rounds to count, from 1; all by default.

        Returns
        -------
        DataFrame
            One row a label, node, lane, state and activity: ``first_s`` of this run and ``second_s`` of the
            other, the mean times per round, [s], and ``difference_s``, the second minus the first.

        Raises
        ------
        NoTimelineError
            If a run has none of the rounds, or if its intervals are lost.
        """
        from ..timeline.breakdown import breakdown_differences  # it needs this class

        return breakdown_differences(self, other, rounds)

    def overlap(self, rounds: tuple[int, int] | None = None) -> pd.DataFrame:
        """Return the time for which each node, and the whole system, computes and communicates at once.

        Parameters
        ----------
        rounds : (first, last), optional
            The rounds to count, from 1; all by default.

        Returns
        -------
        DataFrame
            One row a label and node, with a row for the node ``all``: ``compute_s``, ``communication_s``,
            ``overlap_s``, ``share_of_shorter``. See :func:`.timeline.overlap.overlap`.

        Raises
        ------
        NoTimelineError
            If the run has none of the rounds, or if its intervals are lost.
        """
        from ..timeline.overlap import overlap  # it needs this class

        return overlap(self, rounds)

    def report(self, path: str | Path | None = None, *, rounds: tuple[int, int] | None = None) -> Path:
        """Write the run as one HTML page, with charts to zoom, filter and point at.

        Parameters
        ----------
        path : str or Path, optional
            The file; by default ``report.html`` in the folder that the run was read from.
        rounds : (first, last), optional
            The rounds of the Gantt chart; by default the first three, or fewer if they have too many
            intervals.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        MissingPackageError
            If Bokeh is not installed.
        RunFolderError
            If the file cannot be written, or if no path is given for a run that was not read from a folder.
        ValueError
            If the run has none of the rounds.
        """
        from ..report.requirement import require_bokeh

        require_bokeh()
        from ..report.report import FILE_NAME, write_run_report  # it needs this class

        if path is None and not self.folder:
            raise RunFolderError("the run was not read from a folder; give the path of the page")
        return write_run_report(
            self, Path(self.folder, FILE_NAME) if path is None else Path(path), rounds=rounds
        )

    def gantt(
        self,
        rounds: tuple[int, int] | None = None,
        *,
        schemes: Sequence[str] = (),
        critical_path: bool = False,
    ) -> Figure:
        """Draw the latency Gantt charts of the schemes, stacked on one time axis.

        Parameters
        ----------
        rounds : (first, last), optional
            The rounds to show; by default as many of the first ones as fit.
        schemes : sequence of str, optional
            Labels to show; all by default.
        critical_path : bool
            Mark the activities that decided on each round's end.

        Raises
        ------
        ValueError
            If the run has no such label, or no such rounds.
        """
        from ..figures.run import run_gantt  # it needs this class

        return run_gantt(self, rounds, self.known_labels(schemes), critical_path=critical_path)

    def accuracy(self, *, schemes: Sequence[str] = ()) -> Figure:
        """Draw the test accuracy over simulated time and over rounds.

        Parameters
        ----------
        schemes : sequence of str, optional
            Labels to show; all by default.

        Raises
        ------
        ValueError
            If the run has no such label, or if none of its schemes was evaluated.
        """
        from ..figures.run import run_accuracy

        return run_accuracy(self, self.known_labels(schemes))

    def save(self, folder: str | Path, *, overwrite: bool = False, figures: bool = True) -> None:
        """Write the run folder: all tables, and then the figures.

        Parameters
        ----------
        folder : str or Path
            The path of the run folder.
        overwrite : bool
            Replace a run in the folder.
        figures : bool
            Draw the figures too. A figure that cannot be drawn gives a warning.

        Raises
        ------
        RunFolderError
            If the folder exists, is not empty, and may not be replaced; or if it cannot be written.
        """
        from .run_folder import save_run  # it needs this class

        path = Path(folder)
        check_place(path)
        save_run(self, path, overwrite=overwrite)
        if figures:
            from ..figures.run import draw_figures

            for problem in draw_figures(self, path):
                warnings.warn(problem, stacklevel=2)

    def trace(
        self, path: str | Path, *, rounds: tuple[int, int] | None = None, schemes: Sequence[str] = ()
    ) -> None:
        """Write the timeline for Perfetto, https://ui.perfetto.dev.

        Parameters
        ----------
        path : str or Path
            The file; its name ends in ``.json.gz`` or ``.json``.
        rounds : (first, last), optional
            The rounds to show; all by default.
        schemes : sequence of str, optional
            Labels to show; all by default.

        Raises
        ------
        ValueError
            If the run has no such label or no such rounds, if its intervals are lost, or if the name of the
            file has another ending.
        RunFolderError
            If the file cannot be written.
        """
        from ..trace.run_trace import write_trace

        write_trace(self, Path(path), labels=self.known_labels(schemes), rounds=rounds)

    def known_labels(self, schemes: str | Sequence[str]) -> list[str]:
        """Return the labels of these schemes, each given by its label or its name; all if none are given.

        Raises
        ------
        UnknownSchemeError
            If the run has no such scheme.
        """
        return labels_of([schemes] if isinstance(schemes, str) else schemes, self.scheme_names)

    @property
    def scheme_names(self) -> dict[str, tuple[str, str]]:
        """Return the name of the scheme of each label, and the label as papers write it."""
        schemes, paper = self.summary["schemes"], self.paper_labels
        return {label: (str(schemes[label]["scheme"]), paper[label]) for label in schemes}

    def _repr_html_(self) -> str:
        """Return the comparison table for a notebook."""
        from ..comparison.report import html_table

        return html_table(self)

    @property
    def interrupted(self) -> bool:
        """Return whether the run was stopped before its end."""
        return bool(self.summary["interrupted"])

    @property
    def failed(self) -> dict[str, str]:
        """Return the error of each scheme that failed, by label. Its results are of its finished rounds."""
        return failed_schemes(self.summary)

    def with_shown_labels(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table of this run with the labels that figures show."""
        labels = table["label"].astype(str)
        shown = {label: self.shown_label(label) for label in labels.unique()}
        return table.assign(label=labels.map(shown))

    def shown_label(self, label: str) -> str:
        """Return the label of a scheme for figures, as papers write it.

        A failed scheme says so, and how many rounds it finished.
        """
        text = self.paper_labels.get(label, label)
        if label not in self.failed:
            return text
        return f"{text} (failed after round {self.summary['schemes'][label]['rounds']})"

    @property
    def paper_labels(self) -> dict[str, str]:
        """Return each label as papers write it, for figures, tables and reports."""
        schemes = self.summary["schemes"].items()
        return paper_labels({label: figures.get("paper_label") for label, figures in schemes})


def failed_schemes(summary: Mapping[str, Any]) -> dict[str, str]:
    """Return the error of each scheme that failed, by label, from the content of ``summary.json``."""
    schemes = summary["schemes"].items()
    return {label: figures["failed"] for label, figures in schemes if figures.get("failed")}
