"""The code that computed a result: package versions, and a fingerprint of this package's source."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from ...scenarios.plugins import loaded_plugins
from ...scenarios.registry import load_registrations

__all__ = ["NOT_FINGERPRINTED", "code_fingerprint", "source_files", "version_differences", "versions"]

NOT_FINGERPRINTED = (
    "cli",
    "progress",
    "analysis/comparison",
    "analysis/explain",
    "analysis/figures",
    "analysis/redraw",
    "analysis/report",
    "analysis/timeline",
    "analysis/trace",
    "scenarios/library",
)
"""Folders of the package that no result depends on: the command line, the evaluation of runs, the library."""

_PLUGIN = "plug-in "
"""The prefix of the name of a plug-in among the versions."""

_SUB_PACKAGES = ("analysis", "api", "experiments", "models", "scenarios", "sim")


def versions(*, trained: bool) -> dict[str, str]:
    """Return the versions of Python, of the packages that affect results, of this package and of plug-ins.

    A plug-in's version is the digest of its source.

    Parameters
    ----------
    trained : bool
        Whether the result was trained, so that the version of torch counts.
    """
    load_registrations()  # imports the plug-ins of installed distributions
    packages = ["cutlayer", "numpy", "simpy", *(["torch"] if trained else [])]
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "code": code_fingerprint(),
        **_plugin_digests(),
    }


def version_differences(recorded: Mapping[str, str], current: Mapping[str, str]) -> list[str]:
    """Describe each version that differs between a recorded result and the current code.

    A package without a recorded version does not count, since a timeline records no version of torch. A
    plug-in counts on either side.
    """
    packages = [name for name in current if name in recorded and not name.startswith(_PLUGIN)]
    plugins = sorted(name for name in {*recorded, *current} if name.startswith(_PLUGIN))
    return [
        f"{name} {recorded.get(name, 'not imported')} instead of {current.get(name, 'not imported')}"
        for name in (*packages, *plugins)
        if recorded.get(name) != current.get(name)
    ]


def _plugin_digests() -> dict[str, str]:
    """Return the digest of each imported plug-in; two files of one name share an entry."""
    digests: dict[str, str] = {}
    for plugin in loaded_plugins():
        key = f"{_PLUGIN}{plugin.name}"
        digests[key] = f"{digests[key]}+{plugin.digest}" if key in digests else plugin.digest
    return digests


@functools.cache
def code_fingerprint() -> str:
    """Return a hash of every source file that can change a result, as 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, file in source_files():
        digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def source_files() -> Iterator[tuple[str, Traversable]]:
    """Yield the name and the file of every source file in the fingerprint, in a fixed order.

    All folders of the package count except :data:`NOT_FINGERPRINTED`, so that a new file is never forgotten.
    """
    package = resources.files("cutlayer")
    yield "__init__.py", package / "__init__.py"
    for sub_package in _SUB_PACKAGES:
        yield from _files(sub_package, resources.files(f"cutlayer.{sub_package}"))


def _files(folder_name: str, folder: Traversable) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{folder_name}/{entry.name}"
        if name in NOT_FINGERPRINTED or entry.name == "__pycache__":
            continue
        if entry.is_dir():
            yield from _files(name, entry)
        elif name.endswith((".py", ".csv")):
            yield name, entry
