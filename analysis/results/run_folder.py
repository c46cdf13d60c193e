"""A finished run as tables, and its run folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.csv

from .atomic_files import RunFolderError, write_folder
from .recorded_tables import RecordedTable, read_table
from .table_formats import EVENTS, INTERVALS

if TYPE_CHECKING:
    from ..explain.explanation import Explanation

__all__ = ["ERRORS", "FORMAT", "TABLES", "Run", "failed_schemes", "load_run", "read_csv", "save_run"]

FORMAT = 1
_TEXT_COLUMNS = (
    "scheme",
    "label",
    "cut",
    "left_out",
    "subchannels",
    "node",
    "units",
    "point",
    "status",
    "overrides",
    "error",
)
_MEMORY_COLUMNS = ["label", "seed", "node", "time_s", "held_bits"]
_FILES = (
    "scenario.yaml",
    "summary.json",
    "rounds.csv",
    "devices.csv",
    "nodes.csv",
    "stages.csv",
    "intervals.parquet",
)
ERRORS = "errors.txt"
"""The file of the tracebacks of schemes that failed."""
TABLES = ("rounds", "devices", "nodes", "stages", "memory")
"""The names of a run's tables, without the recorded ones."""


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

        return explain_run(self, schemes, number)

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

    @property
    def interrupted(self) -> bool:
        """Return whether the run was stopped before its end."""
        return bool(self.summary["interrupted"])

    @property
    def failed(self) -> dict[str, str]:
        """Return the error of each scheme that failed, by label. Its results are of its finished rounds."""
        return failed_schemes(self.summary)

    def with_failures(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table of this run in which the labels of failed schemes say so, for figures."""
        if not self.failed:
            return table
        return table.assign(label=table["label"].astype(str).map(self.shown_label))

    def shown_label(self, label: str) -> str:
        """Return the label of a scheme for figures: a failed scheme says so, and its finished rounds."""
        if label not in self.failed:
            return label
        return f"{label} (failed after round {self.summary['schemes'][label]['rounds']})"


def failed_schemes(summary: Mapping[str, Any]) -> dict[str, str]:
    """Return the error of each scheme that failed, by label, from the content of ``summary.json``."""
    schemes = summary["schemes"].items()
    return {label: figures["failed"] for label, figures in schemes if figures.get("failed")}


def save_run(
    run: Run,
    folder: Path,
    *,
    overwrite: bool = False,
    drafts: Path | None = None,
) -> None:
    """Write the tables of a run folder. If an error occurs, no folder appears.

    Parameters
    ----------
    run : Run
        The run to write.
    folder : Path
        The path of the run folder.
    overwrite : bool, optional
        Whether to replace a run in the folder.
    drafts : Path, optional
        Folder in which the draft is created, on the same disk; by default the parent of ``folder``.

    Raises
    ------
    RunFolderError
        If the folder exists, is not empty, and may not be replaced; or if it cannot be written.
    """
    write_folder(folder, lambda draft: _write_tables(run, draft), overwrite=overwrite, drafts=drafts)


def read_csv(path: Path) -> pd.DataFrame:
    """Return a table from a CSV file.

    Numbers keep every bit. The columns of text stay text, even if a value looks like a number.
    """
    texts = dict.fromkeys(_TEXT_COLUMNS, pyarrow.string())
    options = pyarrow.csv.ConvertOptions(column_types=texts)
    table = pyarrow.csv.read_csv(path, convert_options=options)
    schema = table.schema
    for number, column in enumerate(schema):
        if pyarrow.types.is_null(column.type):  # an empty column holds numbers
            schema = schema.set(number, column.with_type(pyarrow.float64()))
    frame: pd.DataFrame = table.cast(schema).to_pandas()
    return frame


def _write_tables(run: Run, folder: Path) -> None:
    (folder / "scenario.yaml").write_text(run.scenario, encoding="utf-8")
    (folder / "summary.json").write_text(
        json.dumps(_finite(run.summary), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        encoding="utf-8",
    )
    run.rounds.to_csv(folder / "rounds.csv", index=False)
    run.devices.to_csv(folder / "devices.csv", index=False)
    run.nodes.to_csv(folder / "nodes.csv", index=False)
    if len(run.memory):
        run.memory.to_parquet(folder / "memory.parquet", index=False)
    run.stages.to_csv(folder / "stages.csv", index=False)
    run.recorded.write(folder / INTERVALS.file_name)
    run.recorded_events.write(folder / EVENTS.file_name)
    if run.errors:
        (folder / ERRORS).write_text(run.errors, encoding="utf-8", errors="backslashreplace")
    for name, content in run.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _finite(value: Any) -> Any:
    """Return a value of the summary, with None in the place of numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load_run(folder: Path) -> Run:
    """Read a run folder. A folder of an earlier version has no file of events, and loads without events.

    Raises
    ------
    RunFolderError
        If a file is missing, is broken, or has another format.
    """
    memory, errors = folder / "memory.parquet", folder / ERRORS
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise RunFolderError(f"{folder} is no run folder: {', '.join(missing)} missing")
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        if summary.get("format") != FORMAT:
            raise RunFolderError(
                f"{folder} is of format {summary.get('format')}; this version reads format {FORMAT}"
            )
        return Run(
            (folder / "scenario.yaml").read_text(encoding="utf-8"),
            summary,
            read_csv(folder / "rounds.csv"),
            read_csv(folder / "devices.csv"),
            read_csv(folder / "nodes.csv"),
            read_csv(folder / "stages.csv"),
            pd.read_parquet(memory) if memory.is_file() else pd.DataFrame(columns=_MEMORY_COLUMNS),
            read_table(folder, INTERVALS),
            errors.read_text(encoding="utf-8") if errors.is_file() else "",
            recorded_events=_recorded_events(folder),
            folder=str(folder.absolute()),
        )
    except (OSError, ValueError) as error:  # these are base classes of pyarrow's errors
        raise RunFolderError(f"{folder} cannot be read: {error}") from None


def _recorded_events(folder: Path) -> RecordedTable:
    if not (folder / EVENTS.file_name).is_file():
        return RecordedTable(EVENTS)
    return read_table(folder, EVENTS)
