"""The library of scenarios: their files, their texts, and the question that each one answers."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

from ..schema.fleets import FLEETS
from ..suggestions import closest

__all__ = ["description", "library", "missing_scenario", "named_scenario"]

LIBRARY = Path(__file__).parent.parent / "library"
_SUFFIXES = (".yaml", ".yml")


def library() -> dict[str, Path]:
    """Return the file of each scenario of the library, by name."""
    return {path.stem: path for path in sorted(LIBRARY.rglob("*.yaml")) if path.parent != FLEETS}


def named_scenario(name: str) -> Path | None:
    """Return the file of a scenario of the library, or None; hyphens in the name count as underscores."""
    return library().get(name.replace("-", "_"))


def missing_scenario(where: str) -> str:
    """Return the message for a text that is neither a file nor the name of a scenario of the library.

    It suggests the most similar name: of a file beside the missing one if the text looks like a path, and
    otherwise of the library.
    """
    files = library()
    hint = closest(where, list(files))
    path = Path(where)
    if path.suffix in _SUFFIXES or len(path.parts) > 1:
        hint = closest(where, _scenario_files(path.parent)) or hint
    return f"no such file, and no scenario of the library; it holds: {', '.join(files)}{hint}"


def _scenario_files(folder: Path) -> list[str]:
    """Return the YAML files of a folder; none if it cannot be read."""
    try:
        return [str(path) for path in sorted(folder.iterdir()) if path.suffix in _SUFFIXES]
    except OSError:
        return []


def description(path: Path) -> str:
    """Return the first sentence of the comment at the beginning of a scenario's file: its question."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = [line[1:].strip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    text = " ".join(line for line in comment if not line.startswith("yaml-language-server:"))
    return re.split(r"(?<=[.?]) ", text, maxsplit=1)[0]
