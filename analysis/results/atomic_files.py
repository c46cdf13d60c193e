"""Atomic writes: a file or a folder is complete or absent, and never replaces another one by accident."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "RunFolderError",
    "check_free",
    "check_place",
    "check_writable",
    "check_write_succeeds",
    "portable_name",
    "write_folder",
    "write_whole",
]

_MAX_FOLDER_BYTES = 200  # of a folder's name; drafts, locks and checkpoints beside it have longer names
_MAX_NAME_BYTES = 120
"""The length of a folder's name that is made from a scenario's name; file systems allow about 255 bytes."""


class RunFolderError(Exception):
    """Raised if a folder cannot be read as a run or a sweep, or cannot be written."""


def write_folder(
    folder: Path, write: Callable[[Path], None], *, overwrite: bool = False, drafts: Path | None = None
) -> None:
    """Write a run folder as a draft under another name, and rename it when it is complete on the disk.

    Parameters
    ----------
    folder : Path
        The final path of the run folder.
    write : callable
        Writes the files into the draft folder that it is called with.
    overwrite : bool, optional
        Whether to replace a run in the folder.
    drafts : Path, optional
        Folder in which the draft is created, on the same disk; by default the parent of ``folder``.

    Raises
    ------
    RunFolderError
        If the folder exists, is not empty, and may not be replaced; or if it cannot be written.
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
        for path in draft.rglob("*"):
            if path.is_file():
                _flush_to_disk(path)
        _move_into_place(draft, folder, overwrite=overwrite)
    except OSError as error:
        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_place(folder: Path) -> None:
    """Check that another folder can take the place of this path.

    Raises
    ------
    RunFolderError
        If the path is a symbolic link, a mount point or the working folder, or its name is no valid name.
    """
    if len(os.fsencode(folder.name)) > _MAX_FOLDER_BYTES:
        raise RunFolderError(
            f"cannot write {folder}: the folder's name is too long; {_MAX_FOLDER_BYTES} bytes are allowed"
        )
    if "\0" in str(folder):
        raise RunFolderError(f"cannot write {str(folder)!r}: a path has no NUL character")
    if not folder.name or (folder.is_dir() and folder.samefile(Path.cwd())):
        raise RunFolderError(f"cannot write {folder}: it is the working folder or the root; name another one")
    if folder.is_symlink():
        raise RunFolderError(
            f"cannot write {folder}: it is a symbolic link; name the folder that it leads to"
        )
    if folder.is_mount():
        raise RunFolderError(f"cannot write {folder}: it is a mount point; name a folder inside of it")


def check_write_succeeds(folder: Path, texts: Sequence[str] = ()) -> None:
    """Check that :func:`write_folder` will succeed, by writing a draft with these texts and removing it.

    The draft reveals problems that permissions do not show: disks that are full, names that a file system
    refuses, and characters that no file can hold.

    Parameters
    ----------
    folder : Path
        The final path of the run folder.
    texts : sequence of str, optional
        Texts that will be part of the files.

    Raises
    ------
    RunFolderError
        If the folder cannot be written.
    """
    draft: Path | None = None
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        file = draft / "draft"
        file.write_text("\n".join([*texts, " " * _DRAFT_BYTES]), encoding="utf-8")
        _flush_to_disk(file)
    except UnicodeEncodeError as error:
        character = error.object[error.start]
        raise RunFolderError(
            f"cannot write {folder}: the character {character!a} is not a Unicode character; remove it from"
            " the names and labels of the scenario"
        ) from None
    except OSError as error:
        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


_DRAFT_BYTES = 2**16  # as much as a small run folder


def portable_name(name: str) -> str:
    """Return a folder's name for the name of a scenario, with hyphens in the place of other characters.

    Letters and digits stay if the file system can encode them, and a long name is cut.
    """
    kept = "".join(c if (c.isalnum() or c in "-_.") and _is_encodable(c) else "-" for c in name)
    while len(os.fsencode(kept)) > _MAX_NAME_BYTES:
        kept = kept[:-1]
    return kept if kept.strip(".") else "run"


def _is_encodable(character: str) -> bool:
    try:
        os.fsencode(character)
    except UnicodeEncodeError:
        return False
    return True


def check_free(folder: Path, *, overwrite: bool = False) -> None:
    """Check that a run folder can be written at this path without the loss of other files.

    Raises
    ------
    RunFolderError
        If the path holds anything but a run folder, or a run that may not be overwritten; or if it is not
        writable.
    """
    try:
        free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    except OSError as error:
        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from None
    check_writable(folder.absolute().parent, message_path=folder)
    if free:
        return
    if not folder.is_dir() or not (folder / "summary.json").is_file():
        raise RunFolderError(f"{folder} exists and is not a run folder; choose another folder")
    if not overwrite:
        raise RunFolderError(f"{folder} holds a run already; choose another folder, or --overwrite it")


def check_writable(folder: Path, *, message_path: Path | None = None) -> None:
    """Check that the folder is writable, or can be created.

    Parameters
    ----------
    folder : Path
        The folder to check.
    message_path : Path, optional
        The path that an error message names; by default ``folder``.

    Raises
    ------
    RunFolderError
        If the nearest existing parent is not a folder, or if this process may not write in it.
    """
    named = message_path or folder
    try:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise RunFolderError(f"cannot write {named}: {error.strerror or error}") from None
    if not existing.is_dir():
        raise RunFolderError(f"cannot write {named}: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise RunFolderError(f"cannot write {named}: no permission to write in {existing}")


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file as a draft under another name, and rename it when it is complete on the disk.

    Parameters
    ----------
    path : Path
        The final path of the file.
    write : callable
        Writes the file at the path that it is called with.
    """
    # a random number, because processes of several machines may write the same file at the same time
    draft = path.with_name(f".{path.name}.{secrets.randbits(48)}")
    try:
        write(draft)
        _flush_to_disk(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    """Put the file's content on the disk before its rename, so that a power cut leaves no empty file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _move_into_place(draft: Path, folder: Path, *, overwrite: bool) -> None:
    if not overwrite or not folder.exists() or not any(folder.iterdir()):
        draft.replace(folder)  # raises OSError if another process has just created a folder there
        return
    replaced = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    os.replace(folder, replaced)  # noqa: PTH105 - one atomic step, onto an empty folder
    try:
        draft.replace(folder)
    except OSError:
        os.replace(replaced, folder)  # noqa: PTH105 - the earlier run stays
        raise
    shutil.rmtree(replaced, ignore_errors=True)
