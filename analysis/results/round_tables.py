"""Tables derived from the intervals of a run: rounds and the per-scheme summary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["ROUND_COLUMNS", "RoundTotals", "StageTotals", "scheme_summary"]

ROUND_COLUMNS = (
    "scheme",
    "label",
    "seed",
    "round",
    "start_s",
    "end_s",
    "latency_s",
    "cut",
    "participants",
    "updates",
    "samples",
    "uplink_bits",
    "downlink_bits",
    "client_flops",
    "server_flops",
    "energy_j",
    "client_energy_j",
    "train_loss",
    "test_accuracy",
    "test_accuracy_min",
    "test_accuracy_max",
    "test_accuracy_averaged",
    "validation_accuracy",
)


class RoundTotals:
    """Sums over the intervals of each round of one scheme, which come in parts, in order.

    Each sum is over the rows one after the other, so that it does not depend on how they are parted.

    Attributes
    ----------
    last_end_s : float
        When all had ended, [s].
    """

    def __init__(self) -> None:
        self.last_end_s = 0.0
        self._sums = np.zeros((0, len(_SUMS)))  # [num_rounds, num_sums]

    def add(self, intervals: pd.DataFrame) -> None:
        """Go on with further intervals."""
        if intervals.empty:
            return
        self.last_end_s = max(self.last_end_s, float(intervals["end_s"].max()))
        position = intervals["round"].to_numpy() - 1
        missing = int(position.max()) + 1 - len(self._sums)
        if missing > 0:  # twice as many, so that rounds are not copied again and again
            self._sums = np.pad(self._sums, ((0, max(missing, len(self._sums))), (0, 0)))
        at_device = _at_device(intervals["node"])
        lane = intervals["lane"]
        uplink, downlink = (lane == "uplink").to_numpy(), (lane == "downlink").to_numpy()
        everywhere = np.ones(len(intervals), dtype=bool)
        masks = (uplink, downlink, at_device, ~at_device, everywhere, at_device & ~downlink)
        for column, (name, mask) in enumerate(zip(_SUMS, masks, strict=True)):
            amounts = intervals[_SUMS[name]].to_numpy()
            np.add.at(self._sums[:, column], position[mask], amounts[mask])

    def table(self, learnt: pd.DataFrame) -> pd.DataFrame:
        """Return one row a round: times, bits, FLOPs and energy, and what was learnt.

        Parameters
        ----------
        learnt : one row a finished round, in order, with ``scheme, label, seed, round, end_s, cut,
            participants, updates, samples, train_loss``, the ``test_accuracy`` columns and
            ``validation_accuracy``; a round may end before what it has left a compute node to do
        """
        sums = np.zeros((len(learnt), len(_SUMS)))
        known = self._sums[: len(learnt)]
        sums[: len(known)] = known
        end_s = learnt["end_s"].to_numpy()
        start_s = np.concatenate([[0.0], end_s[:-1]])
        table = learnt.assign(
            start_s=start_s, latency_s=end_s - start_s, **dict(zip(_SUMS, sums.T, strict=True))
        )
        return table[list(ROUND_COLUMNS)]


_SUMS = {
    "uplink_bits": "bits",
    "downlink_bits": "bits",
    "client_flops": "flops",
    "server_flops": "flops",  # and what compute nodes do
    "energy_j": "energy_j",
    "client_energy_j": "energy_j",  # what batteries pay for: a downlink is the access point's to send
}


def _at_device(nodes: pd.Series[str]) -> NDArray[np.bool_]:
    if isinstance(nodes.dtype, pd.CategoricalDtype):  # each name once, not each row
        return np.asarray(nodes.cat.categories.str.startswith("device-"))[nodes.cat.codes.to_numpy()]
    return nodes.str.startswith("device-").to_numpy(bool)


class StageTotals:
    """Where time and energy went: sums over intervals that come in parts, in order."""

    def __init__(self) -> None:
        self._total: pd.DataFrame | None = None

    def add(self, intervals: pd.DataFrame) -> None:
        """Go on with further intervals."""
        busy = intervals.assign(intervals=1, busy_s=intervals["end_s"] - intervals["start_s"])
        part = busy.groupby(_STAGE, sort=False, observed=True)[_AMOUNTS].sum().reset_index()
        part = part.astype(dict.fromkeys(["label", "node", "phase"], "str"))
        if self._total is not None:
            both = pd.concat([self._total, part], ignore_index=True)
            part = both.groupby(_STAGE, sort=False)[_AMOUNTS].sum().reset_index()
        self._total = part

    def table(self) -> pd.DataFrame:
        """Return one row a label, seed, node and phase, in the order in which the phases were met.

        Columns: ``label, seed, node, phase, intervals, busy_s, wait_s, bits, flops, energy_j``.
        """
        if self._total is None:
            return pd.DataFrame(columns=[*_STAGE, *_AMOUNTS])
        return self._total


_STAGE = ["label", "seed", "node", "phase"]
_AMOUNTS = ["intervals", "busy_s", "wait_s", "bits", "flops", "energy_j"]


def scheme_summary(rounds: pd.DataFrame, target_accuracy: float) -> dict[str, Any]:
    """Return the totals of one scheme's run; None where a figure does not exist.

    Parameters
    ----------
    rounds : one scheme's round table
    target_accuracy : float
        For time, rounds and samples to the target.
    """
    accuracy = rounds["test_accuracy"]
    reached = np.flatnonzero(accuracy >= target_accuracy)
    until = rounds.iloc[: reached[0] + 1] if reached.size else None
    return {
        "rounds": len(rounds),
        "mean_latency_s": _or_none(rounds["latency_s"].mean()),
        "total_time_s": _or_none(rounds["end_s"].max()),
        "final_accuracy": _or_none(_last(accuracy)),
        "best_accuracy": _or_none(accuracy.max()),
        "final_validation_accuracy": _or_none(_last(rounds["validation_accuracy"])),
        "target_accuracy": target_accuracy,
        "time_to_target_s": None if until is None else float(until["end_s"].iloc[-1]),
        "rounds_to_target": None if until is None else len(until),
        "samples_to_target": None if until is None else int(until["samples"].sum()),
        "updates": int(rounds["updates"].sum()),
        "samples": int(rounds["samples"].sum()),
        "uplink_bits": float(rounds["uplink_bits"].sum()),
        "downlink_bits": float(rounds["downlink_bits"].sum()),
        "energy_j": float(rounds["energy_j"].sum()),
        "client_energy_j": float(rounds["client_energy_j"].sum()),
        "empty_rounds": int((rounds["participants"] == 0).sum()),
    }


def _last(values: pd.Series[float]) -> float:
    """Return the last value that is there; NaN if none is."""
    there = values.dropna()
    return float(there.iloc[-1]) if len(there) else math.nan


def _or_none(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
