"""Import plug-ins: a Python file, a module, or an installed distribution with an entry point.

A plug-in is code outside this package that calls :func:`cutlayer.register` when it is imported. Its contents
decide results, so each plug-in has a digest, which runs record and checkpoints and sweeps compare.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .text import described_error

__all__ = [
    "ENTRY_POINT_GROUP",
    "Plugin",
    "PluginError",
    "load_entry_points",
    "load_plugins",
    "loaded_plugins",
    "require_plugins",
    "source_files",
]

ENTRY_POINT_GROUP = "cutlayer.plugins"
"""Group of the entry points that installed distributions declare for their plug-ins."""


class PluginError(Exception):
    """A plug-in cannot be imported; the message names it and says why."""


@dataclass(frozen=True)
class Plugin:
    """One imported plug-in.

    Attributes
    ----------
    source : str
        Absolute path of a file, or dotted name of a module.
    digest : str
        16 hexadecimal digits of its source. For a module in a package, all Python files of the top-level
        package count.
    """

    source: str
    digest: str

    @property
    def name(self) -> str:
        """Return the file's name, or the module's dotted name."""
        return Path(self.source).name


_loaded: dict[str, Plugin] = {}
"""The plug-ins that this process has imported, by source."""

_required: frozenset[str] | None = None
"""Sources of the plug-ins that another process requires of this worker; None outside of workers."""


def load_plugins(sources: Iterable[str | Path]) -> tuple[Plugin, ...]:
    """Import plug-ins, each once in a process, in the order given.

    Parameters
    ----------
    sources : Iterable[str | Path]
        Paths of Python files, or dotted names of modules. A text that ends in ``.py`` or contains a slash
        is a path.

    Raises
    ------
    PluginError
        If one does not exist or raises an exception, or if its contents have changed since this process
        imported it.
    """
    return tuple(_load(source) for source in sources)


def require_plugins(plugins: Sequence[Plugin]) -> None:
    """Import the plug-ins that another process has imported, to run a part of its work.

    From then on :func:`loaded_plugins` returns these alone: a worker of a cluster may have imported others
    for earlier work.

    Raises
    ------
    PluginError
        If one cannot be imported here, or has other contents here.
    """
    global _required
    for plugin, here in zip(plugins, load_plugins(plugin.source for plugin in plugins), strict=True):
        if plugin.digest != here.digest:
            raise PluginError(f"plug-in {plugin.source} has other contents here than where the sweep began")
    _required = frozenset(plugin.source for plugin in plugins)


def load_entry_points() -> None:
    """Import the plug-ins of installed distributions, in the order of their entry points' names.

    Raises
    ------
    PluginError
        If one raises an exception.
    """
    for entry_point in sorted(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)):
        distribution = f" of the distribution {entry_point.dist.name}" if entry_point.dist else ""
        _load_module(entry_point.module, f"entry point {entry_point.name!r}{distribution}")


def loaded_plugins() -> list[Plugin]:
    """Return the plug-ins that results of this process depend on, in the order of their names."""
    plugins = [plugin for plugin in _loaded.values() if _required is None or plugin.source in _required]
    return sorted(plugins, key=lambda plugin: (plugin.name, plugin.source))


def _load(source: str | Path) -> Plugin:
    text = str(source)
    if isinstance(source, Path) or text.endswith(".py") or "/" in text or "\\" in text:
        return _load_file(Path(source).expanduser().resolve())
    return _load_module(text, f"plug-in {text}")


def _load_file(path: Path) -> Plugin:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PluginError(f"plug-in {path}: {error.strerror or error}") from None
    plugin = Plugin(str(path), _digest([("", content)]))
    if _is_loaded(plugin):
        return plugin
    # Pickled objects name their module, so that the name must be the same in every process.
    name = f"cutlayer_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise PluginError(f"plug-in {path}: is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # The bytes in the digest are the ones that run; a cached .pyc might be older.
        exec(compile(content, str(path), "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginError(f"plug-in {path}: {_reason(error)}") from None
    _loaded[plugin.source] = plugin
    return plugin


def _load_module(name: str, description: str) -> Plugin:
    importlib.invalidate_caches()  # the file may be newer than Python's list of the folder
    try:
        plugin = Plugin(name, _digest(source_files(name)))
        if not _is_loaded(plugin):
            importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, PluginError):
            raise
        raise PluginError(f"{description}: {_reason(error)}") from None
    _loaded[name] = plugin
    return plugin


def _is_loaded(plugin: Plugin) -> bool:
    earlier = _loaded.get(plugin.source)
    if earlier is not None and earlier != plugin:
        raise PluginError(f"plug-in {plugin.source} has changed since it was imported; start Python anew")
    return earlier is not None


def source_files(name: str) -> list[tuple[str, bytes]]:
    """Return the names and contents of the Python files of a module's top-level package."""
    spec = importlib.util.find_spec(name.partition(".")[0])
    if spec is None:
        raise ModuleNotFoundError(f"no module named {name!r} on Python's path")
    if spec.submodule_search_locations is not None:
        folders = [Path(folder) for folder in spec.submodule_search_locations]
        files = [(str(p.relative_to(folder)), p) for folder in folders for p in sorted(folder.rglob("*.py"))]
        return [(relative, path.read_bytes()) for relative, path in files]
    return [("", Path(spec.origin).read_bytes())] if spec.has_location and spec.origin else []


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _reason(error: BaseException) -> str:
    """Return the exception in one line, with the line of the plug-in that raised it."""
    described = described_error(error)
    frames = traceback.extract_tb(error.__traceback__)[1:]
    outside = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    if isinstance(error, SyntaxError) or not outside:
        return described
    last = outside[-1]
    return f"{described} (line {last.lineno} of {last.filename})"
