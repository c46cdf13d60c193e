"""Executes docs/tutorial.ipynb, whose cells are its source; ``python docs/refresh.py notebook`` does so."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

__all__ = ["NOTEBOOK", "executed", "refresh"]

NOTEBOOK = Path(__file__).parent / "tutorial.ipynb"


def executed(path: Path) -> nbformat.NotebookNode:
    """Return the notebook with the outputs of its cells, which are run in an empty folder.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises an error.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources=resources, record_timing=False
        )
        done: nbformat.NotebookNode = client.execute()
    done.metadata.pop("language_info", None)  # it has the version of the Python that ran
    return done


def refresh() -> None:
    """Execute the notebook in place."""
    nbformat.write(executed(NOTEBOOK), NOTEBOOK)
