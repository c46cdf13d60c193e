"""Writes the pages of docs/reference from the code, so that they cannot contradict it.

``python docs/refresh.py reference`` writes them, and ``tests/docs/test_reference.py`` fails if they are out
of date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from .command_line import command_page
from .library_names import library_page
from .python_names import python_page
from .result_columns import results_page
from .scenario_keys import scenario_page

__all__ = ["FOLDER", "PAGES", "write_pages"]

FOLDER = Path(__file__).parent.parent / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "scenario.md": scenario_page,
    "results.md": results_page,
    "library.md": library_page,
    "python.md": python_page,
    "commands.md": command_page,
}
"""The function that returns the text of each page."""


def write_pages() -> None:
    """Write every page of the reference."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
