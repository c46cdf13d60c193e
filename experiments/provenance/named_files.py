"""The files that a scenario names, as its run records them: digests in ``summary.json``, and small copies.

Paths in a scenario do not say which contents a run has used. With the digests, comparisons distinguish runs
of changed files. With the copies, a run can be repeated after a file was lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...scenarios.loading.referenced_files import files_by_key, files_in
from ...scenarios.plugins import source_files

if TYPE_CHECKING:
    from pathlib import Path

    from ...models.learning.client_data import ClientData
    from ...scenarios.schema.scenario import Scenario

__all__ = ["COPY_BYTES_MAX", "NO_FILES", "NamedFiles", "read_named_files"]

COPY_BYTES_MAX = 2**20
"""Size of the largest file that a run folder holds a copy of, [B]."""

_DATASET = "learning.dataset."


@dataclass(frozen=True)
class NamedFiles:
    """The files that a scenario names, as they were when the scenario was prepared.

    Attributes
    ----------
    copies : dict of str to bytes
        The contents of small files, by the path of their copy in the run folder.
    """

    copies: dict[str, bytes]
    _records: tuple[dict[str, Any], ...]

    def records(self, data: ClientData | None) -> list[dict[str, Any]]:
        """Return one entry a file: ``key, path, sha256, bytes, copy``.

        ``copy`` is a path in the run folder. A value is None if it does not exist.

        Parameters
        ----------
        data : ClientData or None
            The samples, which have a digest if the scenario names the files of a data set.
        """
        return [
            {**record, "sha256": data.fingerprint()}
            if data is not None and record["key"].startswith(_DATASET)
            else dict(record)
            for record in self._records
        ]


NO_FILES = NamedFiles({}, ())
"""The files of an experiment that is not prepared to its end."""


def read_named_files(scenario: Scenario) -> NamedFiles:
    """Read the files that a scenario names.

    - Unit tables, positions, gains, graphs and plug-ins' own files have the digest of the file.
    - A folder of layer profiles has one entry for each of its CSV files.
    - A data set on the disk has the digest of its samples, as they were loaded and scaled; the files may be
      gigabytes of images.
    - A model that is imported from the user's code has the digest of the Python files of its package.

    A file that cannot be read has no digest.
    """
    records: list[dict[str, Any]] = []
    copies: dict[str, bytes] = {}
    for key, path in files_by_key(scenario):
        for file in [path] if key.startswith(_DATASET) else files_in(path):
            content = None if key.startswith(_DATASET) else _content(file)
            if content is None:
                records.append(_record(key, str(file), None, None, None))
                continue
            copy = f"files/{key}/{file.name}" if len(content) <= COPY_BYTES_MAX else None
            if copy is not None:
                copies[copy] = content
            records.append(_record(key, str(file), hashlib.sha256(content).hexdigest(), len(content), copy))
    return NamedFiles(copies, (*records, *_imported_model(scenario)))


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:  # removed after it was used
        return None


def _imported_model(scenario: Scenario) -> Iterator[dict[str, Any]]:
    """Yield the record of the user's code that builds the model, if the scenario imports one."""
    factory = getattr(scenario.model, "factory", None)
    if not isinstance(factory, str):
        return
    module = factory.partition(":")[0]
    try:
        files = source_files(module)
    except (ImportError, OSError, ValueError):
        yield _record("model.factory", factory, None, None, None)
        return
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    size = sum(len(content) for _, content in files)
    yield _record("model.factory", factory, digest.hexdigest(), size, None)


def _record(key: str, path: str, sha256: str | None, size: int | None, copy: str | None) -> dict[str, Any]:
    return {"key": key, "path": path, "sha256": sha256, "bytes": size, "copy": copy}
