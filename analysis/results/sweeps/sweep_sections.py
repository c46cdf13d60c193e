"""The figures and the target accuracy of a sweep, as its folder records them in ``sweep.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....scenarios.schema.sweep import SweepFigure
from ....scenarios.yaml_lines import parse_yaml
from .sweep_folder import SweepResult

__all__ = ["SWEEP", "recorded_figures", "target_accuracy"]

SWEEP = "sweep.yaml"
"""The file of a sweep folder that holds the scenario with its sweep."""


def recorded_figures(folder: Path) -> dict[str, SweepFigure]:
    """Return the figures of a sweep folder by their names: the names of their files without the suffix."""
    sweep: dict[str, Any] = _scenario(folder).get("sweep") or {}
    figures = [SweepFigure.model_validate(section) for section in sweep.get("figure") or ()]
    return {figure.name: figure for figure in figures}


def target_accuracy(result: SweepResult) -> float | None:
    """Return the target accuracy of all points, as a fraction of 1; None if they differ or it is unknown."""
    if "target_accuracy" in result.keys:
        return None
    target = _scenario(result.folder).get("target_accuracy")
    return None if target is None else float(target)


def _scenario(folder: Path) -> dict[str, Any]:
    """Return the scenario of a sweep folder as plain data; empty if its file is not there yet."""
    try:
        text = (folder / SWEEP).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    scenario: dict[str, Any] = parse_yaml(text, SWEEP)[0]
    return scenario
