"""What is wrong with the figures of a sweep, as far as it can be told before the sweep runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from .analysis.sweep_statistics import ambiguous, unknown_names
from .scenarios.faults import Fault
from .scenarios.sweeps import Sweep, SweepFigure, wrong_figures

__all__ = ["names_of_nothing", "wrong_keys"]


def wrong_keys(sweep: Sweep, points: pd.DataFrame) -> list[Fault]:
    """Return faults of the keys that figures name, and of those without which points fall on one place."""
    faults = wrong_figures(sweep)
    wrong = {fault.path[2] for fault in faults}
    for number, figure in enumerate(sweep.figure):
        if number not in wrong and (keys := ambiguous(points, figure)):
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
