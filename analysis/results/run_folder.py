"""Run folders: writing the results of a run, and reading them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from ...scenarios.suggestions import closest
from .atomic_files import RunFolderError, write_folder
from .recorded_tables import RecordedTable, read_table
from .run import Run
from .run_files import ERRORS, SUMMARY, read_csv, summary_text
from .table_formats import EVENTS, INTERVALS

__all__ = ["FORMAT", "TABLES", "load_run", "save_run"]

FORMAT = 1
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
"""The names of a run's tables, without the recorded ones."""


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


def _write_tables(run: Run, folder: Path) -> None:
    (folder / "scenario.yaml").write_text(run.scenario, encoding="utf-8")
    (folder / SUMMARY).write_text(summary_text(run.summary), encoding="utf-8")
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


def load_run(folder: Path) -> Run:
    """Read a run folder. A folder of an earlier version has no file of events, and loads without events.

    Raises
    ------
    RunFolderError
        If a file is missing, is broken, or has another format.
    """
    memory, errors = folder / "memory.parquet", folder / ERRORS
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing and not folder.exists():
        raise RunFolderError(f"{folder} does not exist{_closest_folder(folder)}")
    if missing:
        raise RunFolderError(f"{folder} is not a run folder: {', '.join(missing)} missing")
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


def _closest_folder(folder: Path) -> str:
    """Return a suggestion of a run folder or sweep folder with a similar path; empty if there is none."""
    beside, depth = (folder.parent, "*") if folder.parent.is_dir() else (folder.parent.parent, "*/*")
    files = [file for name in ("summary.json", "points.csv") for file in beside.glob(f"{depth}/{name}")]
    return closest(str(folder), sorted(str(file.parent) for file in files))


def _recorded_events(folder: Path) -> RecordedTable:
    if not (folder / EVENTS.file_name).is_file():
        return RecordedTable(EVENTS)
    return read_table(folder, EVENTS)
