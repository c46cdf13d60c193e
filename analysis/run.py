"""A finished run as tables, and the folder that holds it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.csv

from .curves import accuracy_figure
from .gantt import gantt_figure
from .gantt_panel import MAX_BARS
from .intervals import Intervals, read_intervals
from .memory_figure import memory_figure
from .style import save_figure

__all__ = [
    "FORMAT",
    "TABLES",
    "Run",
    "RunFolderError",
    "check_free",
    "check_writable",
    "load_run",
    "read_csv",
    "save_run",
    "write_whole",
]

FORMAT = 1
_TEXT_COLUMNS = (
    "scheme",
    "label",
    "cut",
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
TABLES = ("rounds", "devices", "nodes", "stages", "memory")
"""The tables of a run but its intervals."""


class RunFolderError(Exception):
    """A folder that can't be read as a run, or written; the message names it and the rule."""


@dataclass(frozen=True, repr=False)
class Run:
    """Everything that a run produced.

    Attributes
    ----------
    scenario : str
        The scenario as YAML, every default filled in.
    summary : dict
        What ``summary.json`` holds; ``summary["schemes"]`` by label.
    rounds, devices, nodes, stages, memory : DataFrame
        Tables of the run folder; ``memory`` has rows where compute nodes are in use.
    recorded : Intervals
        The intervals, which may be too many to be in memory at once.
    """

    scenario: str
    summary: dict[str, Any]
    rounds: pd.DataFrame
    devices: pd.DataFrame
    nodes: pd.DataFrame
    stages: pd.DataFrame
    memory: pd.DataFrame
    recorded: Intervals

    def __repr__(self) -> str:
        """Return one line: the scenario, its seed, and what was run."""
        done = ", ".join(f"{label}: {s['rounds']} rounds" for label, s in self.summary["schemes"].items())
        return f"<Run of {self.summary['name']!r}, seed {self.summary['seed']}: {done}>"

    @cached_property
    def intervals(self) -> pd.DataFrame:
        """Return the intervals as one table, read when it is first asked for."""
        return self.recorded.frame()

    def drawn_intervals(self, rounds: tuple[int, int] | None = None) -> pd.DataFrame:
        """Return the intervals for a Gantt chart of these rounds, by default of the first ones.

        Raises
        ------
        ValueError
            If the run has none of the rounds.
        """
        if rounds is None:
            return self.recorded.beginning(MAX_BARS)
        last = int(self.rounds["round"].max())
        if rounds[0] > last:
            raise ValueError(f"rounds {rounds[0]} to {rounds[1]}: the table's rounds are 1 to {last}")
        return self.recorded.of_rounds(*rounds)

    @property
    def interrupted(self) -> bool:
        """Return whether the run was stopped before its end."""
        return bool(self.summary["interrupted"])


def save_run(
    run: Run, folder: Path, *, overwrite: bool = False, figures: bool = True, drafts: Path | None = None
) -> None:
    """Write the run folder; it appears whole or not at all.

    Parameters
    ----------
    run : Run
    folder : Path
    overwrite : replace the run that is there
    figures : draw the charts too, which takes longer than all the rest
    drafts : where the folder is made ready, on the same disk; beside its place by default

    Raises
    ------
    RunFolderError
        If the folder exists and is not empty, and ``overwrite`` is not set; or if it can't be written.
    """
    check_free(folder, overwrite=overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=drafts or folder.parent))
    except OSError as error:
        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from None
    try:
        draft.chmod(0o755)
        _write_tables(run, draft)
        if figures:
            _draw_figures(run, draft)
        for path in draft.iterdir():
            _flush(path)
        _move_into_place(draft, folder, overwrite=overwrite)
    except OSError as error:
        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_free(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse a place that holds something, so that no result is lost.

    Raises
    ------
    RunFolderError
        If something is there and it may not be overwritten, or is no run folder; or if nothing can be
        written there.
    """
    try:
        free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    except OSError as error:
        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from None
    check_writable(folder.absolute().parent, told=folder)
    if free:
        return
    if not folder.is_dir() or not (folder / "summary.json").is_file():
        raise RunFolderError(f"{folder} exists and is no run folder; choose another place")
    if not overwrite:
        raise RunFolderError(f"{folder} holds a run already; choose another place, or --overwrite it")


def check_writable(folder: Path, *, told: Path | None = None) -> None:
    """Refuse a folder in which nothing can be written, or which can't be made.

    Parameters
    ----------
    folder : Path
    told : what the message names; the folder by default

    Raises
    ------
    RunFolderError
    """
    told = told or folder
    try:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise RunFolderError(f"cannot write {told}: {error.strerror or error}") from None
    if not there.is_dir():
        raise RunFolderError(f"cannot write {told}: {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise RunFolderError(f"cannot write {told}: no permission to write in {there}")


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Have a file written under another name, and renamed when it is all on the disk."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(draft)
        _flush(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the file's content on the disk before its name: a loss of power must not leave it empty."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def read_csv(path: Path) -> pd.DataFrame:
    """Return the table; numbers come back as the very same ones, texts that look like numbers as text."""
    texts = dict.fromkeys(_TEXT_COLUMNS, pyarrow.string())
    options = pyarrow.csv.ConvertOptions(column_types=texts)
    table = pyarrow.csv.read_csv(path, convert_options=options)
    schema = table.schema
    for number, column in enumerate(schema):
        if pyarrow.types.is_null(column.type):
            schema = schema.set(number, column.with_type(pyarrow.float64()))
    frame: pd.DataFrame = table.cast(schema).to_pandas()
    return frame


def _write_tables(run: Run, folder: Path) -> None:
    (folder / "scenario.yaml").write_text(run.scenario, encoding="utf-8")
    (folder / "summary.json").write_text(
        json.dumps(run.summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    run.rounds.to_csv(folder / "rounds.csv", index=False)
    run.devices.to_csv(folder / "devices.csv", index=False)
    run.nodes.to_csv(folder / "nodes.csv", index=False)
    if len(run.memory):
        run.memory.to_parquet(folder / "memory.parquet", index=False)
    run.stages.to_csv(folder / "stages.csv", index=False)
    run.recorded.write(folder / "intervals.parquet")


def _draw_figures(run: Run, folder: Path) -> None:
    drawn = run.drawn_intervals()
    if len(drawn):
        save_figure(gantt_figure(drawn), folder / "gantt.png")
    if len(run.memory):
        save_figure(memory_figure(run.memory, run.nodes, run.rounds), folder / "memory.png")
    if run.rounds["test_accuracy"].notna().any():
        target = run.summary["target_accuracy"]
        save_figure(accuracy_figure(run.rounds, target=target), folder / "accuracy.png")


def _move_into_place(draft: Path, folder: Path, *, overwrite: bool) -> None:
    if not overwrite or not folder.exists() or not any(folder.iterdir()):
        draft.replace(folder)  # which fails if another process has just put one there
        return
    replaced = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    os.replace(folder, replaced)  # noqa: PTH105 - onto an empty folder, in one step
    draft.replace(folder)
    shutil.rmtree(replaced)


def load_run(folder: Path) -> Run:
    """Read a run folder.

    Raises
    ------
    RunFolderError
        If a file is missing, broken, or of a later format.
    """
    memory = folder / "memory.parquet"
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
            read_intervals(folder / "intervals.parquet"),
        )
    except (OSError, ValueError) as error:  # pyarrow's errors are among them
        raise RunFolderError(f"{folder} cannot be read: {error}") from None
