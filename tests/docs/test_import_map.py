"""The maps of the folders in docs/design.md show the imports of the code."""

from __future__ import annotations

import runpy
from pathlib import Path

IMPORT_MAP = Path(__file__).parents[2] / "docs" / "import_map.py"


def test_the_maps_are_those_of_the_import_statements() -> None:
    """Drawing the maps anew changes nothing; otherwise run ``python docs/refresh.py map``."""
    module = runpy.run_path(str(IMPORT_MAP))
    page = module["PAGE"].read_text(encoding="utf-8")
    assert page.count("```mermaid\nflowchart") == 2
    assert module["with_maps"](page) == page
