"""Differences of each scheme between experiments, at the same seeds, with confidence intervals."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from .paired_differences import CHANGES, by_label_and_seed, changes

__all__ = ["EXPERIMENT_COLUMNS", "INCOMPLETE", "experiment_differences"]

INCOMPLETE = re.compile(r"\((?:interrupted|failed)\)$")
"""The end of the name of an experiment whose runs did not finish."""
_CHANGE_COLUMNS = tuple(f"{change}{end}" for change in CHANGES for end in ("", "_low", "_high"))
EXPERIMENT_COLUMNS = (
    *("reference_experiment", "experiment_pairs"),
    *(f"experiment_{column}" for column in _CHANGE_COLUMNS),
)
"""Columns of :func:`experiment_differences` after ``experiment`` and ``label``."""


def experiment_differences(figures: pd.DataFrame) -> pd.DataFrame:
    """Return each scheme's mean difference to itself in the first experiment, paired by the seed.

    Columns:

    - ``experiment, label, reference_experiment``: the first experiment of complete runs;
    - ``experiment_pairs``: the number of seeds with which the scheme ran in both experiments;
    - ``experiment_latency_change_percent, experiment_accuracy_change, experiment_time_to_target_change_s``:
      as in :func:`.paired_differences`, with ``_low`` and ``_high``. With one pair, the change of the round
      time is that of the one seed, without an interval.

    Numbers are NaN for the first experiment itself, and for schemes that it lacks.

    Parameters
    ----------
    figures : DataFrame
        As for :func:`.paired_differences`.
    """
    names = list(dict.fromkeys(figures["experiment"]))
    first = next((name for name in names if not INCOMPLETE.search(name)), names[0])
    reference = by_label_and_seed(figures[figures["experiment"] == first])
    rows = []
    for experiment, group in figures.groupby("experiment", sort=False):
        for label, by_seed in by_label_and_seed(group).items():
            row: dict[str, Any] = {"experiment": experiment, "label": label, "reference_experiment": first}
            row["experiment_pairs"] = 0
            if experiment != first and label in reference:
                row |= _columns(by_seed, reference[label].reindex(by_seed.index))
            rows.append(row)
    table = pd.DataFrame(rows, columns=["experiment", "label", *EXPERIMENT_COLUMNS])
    return table.astype({f"experiment_{column}": float for column in _CHANGE_COLUMNS})


def _columns(by_seed: pd.DataFrame, reference: pd.DataFrame) -> dict[str, Any]:
    row = changes(by_seed, reference)
    ratios = (by_seed["mean_latency_s"] / reference["mean_latency_s"]).dropna()
    if len(ratios) == 1:
        row["latency_change_percent"] = 100 * (float(ratios.iloc[0]) - 1)
    columns = {f"experiment_{column}": row[column] for column in _CHANGE_COLUMNS if column in row}
    return {"experiment_pairs": row["pairs"], **columns}
