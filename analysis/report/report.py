"""Writes the page of a run, or of a sweep with the pages of its points."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..results.atomic_files import RunFolderError, check_writable, write_whole
from ..results.run import Run
from ..results.run_folder import load_run
from ..results.sweeps.sweep_folder import SweepResult, load_sweep
from .run_report import run_page
from .sweep_report import sweep_page

__all__ = ["FILE_NAME", "MAX_POINT_PAGES", "report_folder", "write_run_report", "write_sweep_report"]

FILE_NAME = "report.html"
"""The name of the page in a run folder or a sweep folder."""
MAX_POINT_PAGES = 30
"""Up to this number of points, a sweep's report writes the pages of its points too, unless told otherwise."""


def report_folder(
    folder: Path,
    output: Path | None = None,
    *,
    rounds: tuple[int, int] | None = None,
    points: bool | None = None,
    on_point: Callable[[str], None] | None = None,
) -> Path:
    """Write the page of a run folder or a sweep folder.

    Parameters
    ----------
    folder : Path
        A run folder, or a sweep folder.
    output : Path, optional
        The file; ``report.html`` in the folder by default.
    rounds : (first, last), optional
        The rounds of the Gantt charts; by default the first three, or fewer if they have too many intervals.
    points : bool, optional
        Whether to write the page of each point of a sweep that has none. By default this is done for sweeps
        of at most 30 points.
    on_point : callable, optional
        Is called with the name of each point before its page is written.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    RunFolderError
        If the folder is neither, is broken, or cannot be written.
    ValueError
        If the run has none of the rounds.
    """
    path = output or folder / FILE_NAME
    if (folder / "points.csv").is_file():
        return write_sweep_report(load_sweep(folder), path, rounds=rounds, points=points, on_point=on_point)
    return write_run_report(load_run(folder), path, rounds=rounds)


def write_run_report(run: Run, path: Path, *, rounds: tuple[int, int] | None = None) -> Path:
    """Write the page of a run, with the parameters and errors of :func:`report_folder`."""
    page = run_page(run, rounds)
    _write(path, page)
    return path


def write_sweep_report(
    sweep: SweepResult,
    path: Path,
    *,
    rounds: tuple[int, int] | None = None,
    points: bool | None = None,
    on_point: Callable[[str], None] | None = None,
) -> Path:
    """Write the page of a sweep, with the parameters and errors of :func:`report_folder`."""
    finished = [
        str(point)
        for point in sweep.points["point"]
        if (sweep.folder / str(point) / "summary.json").is_file()
    ]
    if not finished:
        raise RunFolderError(f"{sweep.folder} is a sweep folder without a finished point")
    check_writable(path.absolute().parent, message_path=path)
    if points if points is not None else len(finished) <= MAX_POINT_PAGES:
        for point in finished:
            target = sweep.folder / point / FILE_NAME
            if not target.is_file():
                if on_point is not None:
                    on_point(point)
                write_run_report(load_run(sweep.folder / point), target, rounds=rounds)
    _write(path, sweep_page(sweep, path.absolute().parent, FILE_NAME))
    return path


def _write(path: Path, page: str) -> None:
    if not path.absolute().parent.is_dir():
        raise RunFolderError(f"cannot write {path}: there is no folder {path.parent}")
    try:
        write_whole(path, partial(_write_text, page=page))
    except OSError as error:
        raise RunFolderError(f"cannot write {path}: {error.strerror or error}") from None


def _write_text(path: Path, page: str) -> None:
    path.write_text(page, encoding="utf-8", errors="replace", newline="\n")
