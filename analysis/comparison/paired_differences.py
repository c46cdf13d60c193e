"""Differences between schemes at the same seeds: what one gains over another, with confidence intervals."""

from __future__ import annotations

import pandas as pd

from ..results.sweep_statistics import centre_and_interval

__all__ = ["PAIRED_COLUMNS", "UnknownReferenceError", "paired_differences"]

_REFERENCE = "sl"
_CHANGES = ("latency_change_percent", "accuracy_change")
PAIRED_COLUMNS = (
    "reference",
    "pairs",
    *(f"{change}{end}" for change in _CHANGES for end in ("", "_low", "_high")),
)
"""Columns of :func:`paired_differences` behind ``experiment`` and ``label``."""


class UnknownReferenceError(ValueError):
    """No experiment has the reference; the message names the labels that there are."""


def paired_differences(figures: pd.DataFrame, reference: str | None = None) -> pd.DataFrame:
    """Return each scheme's mean difference to the reference of its experiment, paired by the seed.

    Schemes meet the same devices, channel and data at one seed, so what a seed is worth to all of them
    drops out of the difference. Columns: ``experiment, label, reference, pairs``;
    ``latency_change_percent``, of the mean round latency, relative to the reference's at that seed;
    ``accuracy_change``, of the final accuracy, a fraction; each with ``_low`` and ``_high``, Student's 95 %
    interval. NaN where fewer than two seeds have both, and for the reference itself.

    Parameters
    ----------
    figures : one row an experiment, seed and label, with ``scheme, mean_latency_s, final_accuracy``
    reference : a label; by default SL's where the experiment has one SL, else its first

    Raises
    ------
    UnknownReferenceError
        If no experiment has the reference.
    """
    labels = list(dict.fromkeys(figures["label"]))
    if reference is not None and reference not in labels:
        raise UnknownReferenceError(f"no scheme is labelled {reference!r}; labels: {', '.join(labels)}")
    rows = []
    for experiment, own in figures.groupby("experiment", sort=False):
        known = own.drop_duplicates("label").set_index("label")["scheme"]
        sequential = list(known.index[known == _REFERENCE])
        chosen = (
            reference if reference is not None else (sequential if len(sequential) == 1 else known.index)[0]
        )
        by_seed = own.groupby(["seed", "label"])[["mean_latency_s", "final_accuracy"]].mean().unstack("label")
        latency, accuracy = by_seed["mean_latency_s"], by_seed["final_accuracy"]
        for label in known.index:
            row = {"experiment": experiment, "label": label, "reference": chosen, "pairs": 0}
            if label != chosen and chosen in known.index:
                ratio = (100 * (latency[label] / latency[chosen] - 1)).dropna()
                row["pairs"] = len(ratio)
                for change, values in zip(
                    _CHANGES, (ratio, (accuracy[label] - accuracy[chosen]).dropna()), strict=True
                ):
                    found = centre_and_interval(values) if len(values) > 1 else ()
                    row |= dict(zip((change, f"{change}_low", f"{change}_high"), found, strict=False))
            rows.append(row)
    table = pd.DataFrame(rows, columns=["experiment", "label", *PAIRED_COLUMNS])
    numbers = [name for name in PAIRED_COLUMNS if name not in ("reference", "pairs")]
    return table.astype(dict.fromkeys(numbers, float))
