"""Locks on run and sweep folders, so that one process at a time writes to a folder.

The operating system locks a file for a process, so the lock ends with the process, however that ends. Its
file names the process for the messages of others. The process of a run or of a sweep takes the lock, and the
workers of a sweep take none. On systems and file systems without such locks, nothing is locked.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...analysis.results.atomic_files import RunFolderError, check_writable
from ...analysis.results.sweeps.sweep_folder import LOCK

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

__all__ = ["run_in_use", "run_lock", "sweep_lock"]


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Lock a run folder. The lock file stands beside the folder, which appears only at the end of the run.

    Raises
    ------
    RunFolderError
        If another process has locked the folder, or it cannot be written.
    """
    with _lock(_run_lock_file(folder), folder):
        yield


@contextmanager
def sweep_lock(folder: Path, *, shared: bool = False, part: str = "") -> Iterator[None]:
    """Lock a sweep folder. The lock files are in the folder.

    Parameters
    ----------
    folder : Path
        The sweep folder.
    shared : bool
        Allow other processes that share the folder, but none that needs it alone.
    part : str, optional
        Name of a part of the folder that this process needs alone, for example of a shard.

    Raises
    ------
    RunFolderError
        If another process has locked the folder, or it cannot be written.
    """
    with _lock(folder / LOCK, folder, shared=shared):
        if not part:
            yield
            return
        with _lock(folder / f"{LOCK}.{part}", folder):
            yield


def run_in_use(folder: Path) -> bool:
    """Return whether a process has locked the run folder."""
    if not _run_lock_file(folder).is_file():
        return False
    try:
        with run_lock(folder):
            return False
    except RunFolderError:
        return True


def _run_lock_file(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def _lock(lock_file: Path, folder: Path, *, shared: bool = False) -> Iterator[None]:
    check_writable(lock_file.parent, message_path=folder)
    missing = [parent for parent in lock_file.absolute().parents if not parent.exists()]
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(lock_file, folder, shared=shared)
    except OSError as error:
        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from None
    try:
        yield
    finally:
        with suppress(OSError):  # a shared lock may have other holders, whose file must stay
            if not shared or _try_lock(descriptor, lock_file):
                lock_file.unlink()  # before the lock is released, or it could be another process's file
        os.close(descriptor)
        for parent in missing:
            with suppress(OSError):  # a folder that is not empty stays
                parent.rmdir()


def _acquire(lock_file: Path, folder: Path, *, shared: bool = False) -> int:
    """Return the descriptor of the locked file. The lock ends when it is closed.

    Raises
    ------
    RunFolderError
        If another process has locked the file.
    """
    while True:
        descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _try_lock(descriptor, lock_file, shared=shared):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor
        except BlockingIOError:
            holder = os.read(descriptor, 1000).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise RunFolderError(
                f"{folder} is in use by {holder}; wait until that has ended, or choose another folder"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _try_lock(descriptor: int, lock_file: Path, *, shared: bool = False) -> bool:
    """Lock an open file, and return whether its path still leads to it.

    The process that held the lock before may have removed the file between its opening and its locking.

    Raises
    ------
    BlockingIOError
        If another process has locked the file.
    """
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # a file system without locks
            return True
    try:
        return os.path.samestat(os.fstat(descriptor), lock_file.stat())
    except FileNotFoundError:
        return False
