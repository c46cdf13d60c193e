"""The tutorial's notebook runs, and is stored with its outputs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _docs() -> Iterator[None]:
    """Let the tests import the module that executes the notebook."""
    pytest.importorskip("nbclient")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        patch.delitem(sys.modules, "tutorial_notebook", raising=False)
        yield


@pytest.mark.slow
def test_the_notebook_runs() -> None:
    """No cell raises an error, and each has as many outputs as the stored notebook."""
    import nbformat
    from tutorial_notebook import NOTEBOOK, executed

    stored = nbformat.read(NOTEBOOK, as_version=4)
    kinds = [[output.output_type for output in cell.get("outputs", [])] for cell in stored.cells]
    done = executed(NOTEBOOK)
    assert kinds == [[output.output_type for output in cell.get("outputs", [])] for cell in done.cells]


def test_the_notebook_is_stored_after_a_run() -> None:
    """Its cells were run in their order, from the first to the last."""
    import nbformat
    from tutorial_notebook import NOTEBOOK

    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    counts = [cell.execution_count for cell in cells if cell.cell_type == "code"]
    assert list(range(1, len(counts) + 1)) == counts
