"""Differences between schemes and a reference scheme at the same seeds, with confidence intervals."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..results.confidence_intervals import CONFIDENCE, ConfidenceInterval, Range, centre_and_interval

__all__ = [
    "CHANGES",
    "PAIRED_COLUMNS",
    "REFERENCE_SCHEME",
    "UnknownReferenceError",
    "by_label_and_seed",
    "changes",
    "paired_differences",
]

REFERENCE_SCHEME = "sl"
"""The default reference of a comparison, after which the column ``speedup_over_sl`` is named."""
CHANGES = ("latency_change_percent", "accuracy_change", "time_to_target_change_s")
_SIGN_TEST_SEEDS = math.ceil(1 - math.log2(1 - CONFIDENCE))
"""Fewest seeds of a sign test: n seeds agree by chance with the probability 2·0.5^n."""
_COUNTS = ("pairs", "target_pairs", "target_seeds", "target_sooner", "target_later")
PAIRED_COLUMNS = (
    "reference",
    *_COUNTS,
    *(f"{change}{end}" for change in CHANGES for end in ("", "_low", "_high")),
    "order_undecided_with",
)
"""Columns of :func:`paired_differences` after ``experiment`` and ``label``."""
_FIGURES = [
    *("mean_latency_s", "final_accuracy", "time_below_target_s", "time_to_target_s"),
    "diverged_in_round",
]


class UnknownReferenceError(ValueError):
    """Raised if no experiment has the reference; the message lists the labels of the experiments."""


def paired_differences(figures: pd.DataFrame, reference: str | None = None) -> pd.DataFrame:
    """Return each scheme's mean difference to the reference of its experiment, paired by the seed.

    At one seed all schemes have the same devices, channel and data. An effect of the seed that is equal for
    two schemes therefore cancels in their difference. Columns:

    - ``experiment, label, reference, pairs``, where ``pairs`` is the number of seeds that both schemes have;
    - ``latency_change_percent``: mean round latency relative to the reference's at the same seed;
    - ``accuracy_change``: difference of the final accuracy, as a fraction of 1;
    - ``time_to_target_change_s``: difference of the time to the target over the ``target_pairs`` seeds in
      which both schemes reached it;
    - all three with ``_low`` and ``_high``, the ends of the 95 % confidence interval;
    - ``target_seeds``: the number of seeds in which both schemes were evaluated; ``target_sooner`` and
      ``target_later``: how many of them decide that the scheme reached the target before, or after, the
      reference. A seed decides if the brackets of the two schemes do not overlap;
    - ``order_undecided_with``: labels whose order in time to the target is undecided, joined by ``|``.

    A number is NaN if fewer than two seeds have both schemes, and for the reference itself. The change of the
    accuracy is also NaN if one of the runs diverged: the other seeds alone would favour the scheme.

    Parameters
    ----------
    figures : DataFrame
        One row an experiment, seed and label, with ``scheme, mean_latency_s, final_accuracy``, and with
        ``time_below_target_s, time_to_target_s`` of :func:`.target_bracket` where schemes have a target.
        ``diverged_in_round`` is needed if a run diverged.
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
        by_seed = by_label_and_seed(group)
        undecided = _undecided_orders(by_seed)
        for label in schemes.index:
            row = {"experiment": experiment, "label": label, "reference": chosen} | dict.fromkeys(_COUNTS, 0)
            if label != chosen and chosen in schemes.index:
                row |= changes(by_seed[label], by_seed[chosen])
            rows.append(row | {"order_undecided_with": "|".join(undecided[label])})
    table = pd.DataFrame(rows, columns=["experiment", "label", *PAIRED_COLUMNS])
    numbers = [f"{change}{end}" for change in CHANGES for end in ("", "_low", "_high")]
    return table.astype(dict.fromkeys(numbers, float))


def by_label_and_seed(figures: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the results of each label of one experiment, with a row for each seed of the experiment."""
    seeds = figures["seed"].unique()
    return {
        str(label): runs.set_index("seed").reindex(index=seeds, columns=_FIGURES).astype(float)
        for label, runs in figures.groupby("label", sort=False)
    }


def changes(scheme: pd.DataFrame, reference: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of one scheme from its results and the reference's, one row a seed."""
    ratio = (scheme["mean_latency_s"] / reference["mean_latency_s"]).dropna()
    accuracy = (scheme["final_accuracy"] - reference["final_accuracy"]).dropna()
    row: dict[str, Any] = {"pairs": len(ratio)}
    if len(ratio) > 1:  # a ratio is positive, so that no confidence interval reaches below -100 %
        factors = centre_and_interval(ratio, Range.POSITIVE)
        row |= _named("latency_change_percent", tuple(100 * (factor - 1) for factor in factors))
    if len(accuracy) > 1 and not _lost_accuracy(scheme) and not _lost_accuracy(reference):
        row |= _named("accuracy_change", centre_and_interval(accuracy, Range.REAL))
    return row | _TargetTimes.of(scheme, reference).columns()


def _lost_accuracy(figures: pd.DataFrame) -> bool:
    """Return whether a run diverged and has no final accuracy."""
    return bool((figures["diverged_in_round"].notna() & figures["final_accuracy"].isna()).any())


def _named(change: str, numbers: tuple[float, ...]) -> dict[str, float]:
    return dict(zip((change, f"{change}_low", f"{change}_high"), numbers, strict=True))


@dataclass(frozen=True)
class _TargetTimes:
    """The brackets of two schemes at the seeds in which both were evaluated, [s].

    Attributes
    ----------
    below, at : ndarray, [num_seeds, 2]
        Lower and upper end of each bracket; the upper end is infinite if the target was not reached.
    """

    below: NDArray[np.float64]
    at: NDArray[np.float64]

    @classmethod
    def of(cls, scheme: pd.DataFrame, reference: pd.DataFrame) -> _TargetTimes:
        """Return the brackets of two tables with a row for each seed of the experiment."""
        below, at = (
            np.column_stack([side[name].to_numpy() for side in (scheme, reference)])
            for name in ("time_below_target_s", "time_to_target_s")
        )
        evaluated = ~np.isnan(below).any(axis=1)
        return cls(below[evaluated], np.nan_to_num(at[evaluated], nan=np.inf))

    @property
    def reached(self) -> NDArray[np.bool_]:
        """Return the seeds in which both schemes reached the target."""
        return np.asarray((self.at < np.inf).all(axis=1))

    @property
    def sooner(self) -> int:
        """Return the number of seeds that decide that the first scheme reached the target earlier."""
        return int((self.at[:, 0] <= self.below[:, 1]).sum())

    @property
    def later(self) -> int:
        """Return the number of seeds that decide that the first scheme reached the target later."""
        return int((self.at[:, 1] <= self.below[:, 0]).sum())

    def change(self) -> ConfidenceInterval | None:
        """Return the mean difference and its confidence interval, [s]; None with fewer than two pairs.

        The difference of the true times lies between the differences of opposite ends of the brackets. So the
        confidence interval reaches from the lower end of the least difference's to the upper end of the
        greatest one's. A pair is a seed at which both schemes reached the target.
        """
        below, at = (ends[self.reached] for ends in (self.below, self.at))
        if len(at) < 2:
            return None
        least = centre_and_interval(below[:, 0] - at[:, 1], Range.REAL)
        greatest = centre_and_interval(at[:, 0] - below[:, 1], Range.REAL)
        return float((at[:, 0] - at[:, 1]).mean()), least[1], greatest[2]

    def undecided(self) -> bool:
        """Return whether the seeds do not decide which scheme reaches the target earlier.

        If both schemes reached the target in all of several seeds, the confidence interval of the difference
        decides. Otherwise every seed must decide for the same scheme, and there must be enough seeds for a
        sign test at the same level. Of one seed, the order is its own. Schemes that never reach the target
        have no order.
        """
        if not (self.at < np.inf).any():
            return False
        change = self.change() if self.reached.all() else None
        if change is not None:
            return change[1] <= 0 <= change[2]
        unanimous = len(self.at) in (self.sooner, self.later)
        return not unanimous or 1 < len(self.at) < _SIGN_TEST_SEEDS

    def columns(self) -> dict[str, Any]:
        """Return the columns of the comparison table."""
        change = self.change()
        return {
            "target_pairs": int(self.reached.sum()),
            "target_seeds": len(self.at),
            "target_sooner": self.sooner,
            "target_later": self.later,
        } | ({} if change is None else _named("time_to_target_change_s", change))


def _undecided_orders(by_seed: dict[str, pd.DataFrame]) -> dict[str, list[str]]:
    """Return, for each label, the labels whose order in time to the target is undecided."""
    undecided: dict[str, list[str]] = {label: [] for label in by_seed}
    for one, other in itertools.combinations(by_seed, 2):
        if _TargetTimes.of(by_seed[one], by_seed[other]).undecided():
            undecided[one].append(other)
            undecided[other].append(one)
    return undecided


def _default_reference(schemes: pd.Series[str]) -> str:
    """Return the only label of the reference scheme, or else the first label; ``schemes`` is by label."""
    labels = list(schemes.index[schemes == REFERENCE_SCHEME])
    return str((labels if len(labels) == 1 else schemes.index)[0])
