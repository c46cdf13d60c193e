"""Files and folders that appear whole or not at all, and places that hold something already."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["RunFolderError", "check_free", "check_writable", "write_folder", "write_whole"]


class RunFolderError(Exception):
    """A folder that can't be read as a run, or written; the message names it and the rule."""


def write_folder(
    folder: Path, write: Callable[[Path], None], *, overwrite: bool = False, drafts: Path | None = None
) -> None:
    """Have a run folder written under another name, and renamed when it is all on the disk.

    Parameters
    ----------
    folder : Path
    write : fills the folder that it is called with
    overwrite : replace the run that is there
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
        write(draft)
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


def _move_into_place(draft: Path, folder: Path, *, overwrite: bool) -> None:
    if not overwrite or not folder.exists() or not any(folder.iterdir()):
        draft.replace(folder)  # which fails if another process has just put one there
        return
    replaced = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    os.replace(folder, replaced)  # noqa: PTH105 - onto an empty folder, in one step
    draft.replace(folder)
    shutil.rmtree(replaced)
