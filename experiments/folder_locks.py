"""One process at a time for a folder: who comes second is told who was first.

The lock is the system's, on a file that says whose it is: it ends with its process, however that ends. The
process of a run or a sweep takes it, no worker does. On a file system without locks there is none to take.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..analysis.results.atomic_files import RunFolderError, check_writable
from ..analysis.results.sweep_folder import LOCK

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

__all__ = ["run_in_use", "run_lock", "sweep_lock"]


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Have a run's folder for oneself; it is made whole at the end, so that the lock is beside it.

    Raises
    ------
    RunFolderError
        If another process has it, or it can't be written.
    """
    with _lock(_beside(folder), folder):
        yield


@contextmanager
def sweep_lock(folder: Path) -> Iterator[None]:
    """Have a sweep's folder for oneself.

    Raises
    ------
    RunFolderError
        If another process has it, or it can't be written.
    """
    with _lock(folder / LOCK, folder):
        yield


def run_in_use(folder: Path) -> bool:
    """Return whether a process has the run's folder for itself."""
    path = _beside(folder)
    if not path.is_file():
        return False
    try:
        with run_lock(folder):
            return False
    except RunFolderError:
        return True


def _beside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def _lock(path: Path, folder: Path) -> Iterator[None]:
    check_writable(path.parent, message_path=folder)
    missing = [parent for parent in path.absolute().parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _taken(path, folder)
    except OSError as error:
        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from None
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # while it is ours
        os.close(file)
        for parent in missing:
            with suppress(OSError):  # nothing was written
                parent.rmdir()


def _taken(path: Path, folder: Path) -> int:
    """Return the lock's open file, which is the lock until it is closed."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _is_ours(file, path):
                os.ftruncate(file, 0)
                os.write(file, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return file
        except BlockingIOError:
            owner = os.read(file, 1000).decode(errors="replace") or "another process"
            os.close(file)
            raise RunFolderError(
                f"{folder} is in use by {owner}; wait until that has ended, or choose another place"
            ) from None
        except OSError:
            os.close(file)
            raise
        os.close(file)


def _is_ours(file: int, path: Path) -> bool:
    """Lock the open file; return whether it still has its name, which who had it before may have removed.

    Raises
    ------
    BlockingIOError
        If another process has locked it.
    """
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # a file system without locks
            return True
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
