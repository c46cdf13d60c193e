"""What is wrong with the figures of a sweep, as far as it can be told before the sweep runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from .analysis.sweep_statistics import ambiguous, unknown_names
from .scenarios.faults import Fault
from .scenarios.sweeps import SweepFigure

__all__ = ["mixed_points", "names_of_nothing"]


def mixed_points(figures: Sequence[SweepFigure], points: pd.DataFrame) -> list[Fault]:
    """Return a fault for each figure in which points that differ would fall on one place."""
    faults = []
    for number, figure in enumerate(figures):
        if keys := ambiguous(points, figure):
            text = (
                f"points that differ in {', '.join(keys)} fall on one place;"
                " name a key as lines, panels or best_over"
            )
            faults.append(Fault(("sweep", "figure", number), text))
    return faults


def names_of_nothing(
    figures: Sequence[SweepFigure],
    points: pd.DataFrame,
    labels: Sequence[str],
    first_rows: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
) -> list[Fault]:
    """Return a fault for each column or label of a figure that no table of the sweep will have.

    Parameters
    ----------
    figures : what is to be drawn
    points : the points with their swept keys and seeds
    labels : of the schemes of all points
    first_rows : of points that have all schemes among them, rows of ``schemes.csv`` and ``rounds.parquet``
    """
    scheme_tables, round_tables = zip(*first_rows, strict=True)
    keys = points.drop(columns=["point", "overrides"])
    schemes = pd.concat([*scheme_tables, keys, pd.DataFrame({"label": labels})])
    rounds = pd.concat([*round_tables, keys])
    return [
        Fault(("sweep", "figure", number, *path), text)
        for number, figure in enumerate(figures)
        for path, text in unknown_names(figure, schemes, rounds)
    ]
