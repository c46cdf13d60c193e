"""Differences between schemes and a reference scheme at the same seeds, with confidence intervals."""

from __future__ import annotations

import pandas as pd

from ..results.sweep_statistics import centre_and_interval

__all__ = ["PAIRED_COLUMNS", "REFERENCE_SCHEME", "UnknownReferenceError", "paired_differences"]

REFERENCE_SCHEME = "sl"
"""The default reference of a comparison, after which the column ``speedup_over_sl`` is named."""
_CHANGES = ("latency_change_percent", "accuracy_change")
PAIRED_COLUMNS = (
    "reference",
    "pairs",
    *(f"{change}{end}" for change in _CHANGES for end in ("", "_low", "_high")),
)
"""Columns of :func:`paired_differences` after ``experiment`` and ``label``."""


class UnknownReferenceError(ValueError):
    """Raised if no experiment has the reference; the message lists the labels of the experiments."""


def paired_differences(figures: pd.DataFrame, reference: str | None = None) -> pd.DataFrame:
    """Return each scheme's mean difference to the reference of its experiment, paired by the seed.

    At one seed all schemes have the same devices, channel and data. An effect of the seed that is equal for
    two schemes therefore cancels in their difference. Columns:

    - ``experiment, label, reference, pairs``, where ``pairs`` is the number of seeds that both schemes have;
    - ``latency_change_percent``: mean round latency relative to the reference's at the same seed;
    - ``accuracy_change``: difference of the final accuracy, as a fraction of 1;
    - both with ``_low`` and ``_high``, the ends of Student's 95 % interval.

    A number is NaN if fewer than two seeds have both schemes, and for the reference itself. The change of the
    accuracy is also NaN if one of the runs diverged: the other seeds alone would favour the scheme.

    Parameters
    ----------
    figures : DataFrame
        One row an experiment, seed and label, with ``scheme, mean_latency_s, final_accuracy`` and, if a run
        diverged, ``diverged_in_round``.
    reference : str, optional
        Label of the reference. The default is SL if the experiment has exactly one label of SL, and otherwise
        the first label of the experiment.

    Raises
    ------
    UnknownReferenceError
        If no experiment has the reference.
    """
    labels = list(dict.fromkeys(figures["label"]))
    if reference is not None and reference not in labels:
        raise UnknownReferenceError(f"no scheme is labelled {reference!r}; labels: {', '.join(labels)}")
    rows = []
    for experiment, group in figures.groupby("experiment", sort=False):
        schemes = group.drop_duplicates("label").set_index("label")["scheme"]
        chosen = _default_reference(schemes) if reference is None else reference
        by_seed = (
            group.groupby(["seed", "label"])[["mean_latency_s", "final_accuracy"]].mean().unstack("label")
        )
        latency, accuracy = by_seed["mean_latency_s"], by_seed["final_accuracy"]
        diverged = _diverged_labels(group)
        for label in schemes.index:
            row = {"experiment": experiment, "label": label, "reference": chosen, "pairs": 0}
            if label != chosen and chosen in schemes.index:
                ratio = (100 * (latency[label] / latency[chosen] - 1)).dropna()
                row["pairs"] = len(ratio)
                for change, values in zip(
                    _CHANGES, (ratio, (accuracy[label] - accuracy[chosen]).dropna()), strict=True
                ):
                    missing = change == "accuracy_change" and not diverged.isdisjoint((label, chosen))
                    numbers = centre_and_interval(values) if len(values) > 1 and not missing else ()
                    row |= dict(zip((change, f"{change}_low", f"{change}_high"), numbers, strict=False))
            rows.append(row)
    table = pd.DataFrame(rows, columns=["experiment", "label", *PAIRED_COLUMNS])
    number_columns = [name for name in PAIRED_COLUMNS if name not in ("reference", "pairs")]
    return table.astype(dict.fromkeys(number_columns, float))


def _diverged_labels(figures: pd.DataFrame) -> set[str]:
    """Return the labels with a run that diverged and has no final accuracy."""
    if "diverged_in_round" not in figures:
        return set()
    without = figures["diverged_in_round"].notna() & figures["final_accuracy"].isna()
    return set(figures.loc[without, "label"])


def _default_reference(schemes: pd.Series[str]) -> str:
    """Return the only label of the reference scheme, or else the first label; ``schemes`` is by label."""
    labels = list(schemes.index[schemes == REFERENCE_SCHEME])
    return str((labels if len(labels) == 1 else schemes.index)[0])
