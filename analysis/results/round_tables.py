"""Tables derived from the intervals of a run: rounds and the per-scheme summary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .target_brackets import target_bracket

__all__ = ["ROUND_COLUMNS", "RoundTotals", "StageTotals", "scheme_summary", "target_results"]

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
    "receive_energy_j",
    "idle_energy_j",
    "train_loss",
    "diverged",
    "test_accuracy",
    "test_accuracy_min",
    "test_accuracy_max",
    "test_accuracy_averaged",
    "validation_accuracy",
    "left_out",
)


class RoundTotals:
    """Sums over the intervals of each round of one scheme. The intervals come in parts, in their order.

    Rows are added one after the other, so that the sums do not depend on the boundaries of the parts.

    Attributes
    ----------
    last_end_s : float
        End of the last interval, [s].
    """

    def __init__(self) -> None:
        self.last_end_s = 0.0
        self._sums = np.zeros((0, len(_SUMS)))  # [num_rounds, num_sums]

    def add(self, intervals: pd.DataFrame) -> None:
        """Add the intervals of the next part."""
        if intervals.empty:
            return
        self.last_end_s = max(self.last_end_s, float(intervals["end_s"].max()))
        position = intervals["round"].to_numpy() - 1
        missing = int(position.max()) + 1 - len(self._sums)
        if missing > 0:  # at least double the rows, so that few copies are needed
            self._sums = np.pad(self._sums, ((0, max(missing, len(self._sums))), (0, 0)))
        at_device = _at_device(intervals["node"])
        lane = intervals["lane"]
        uplink, downlink = (lane == "uplink").to_numpy(), (lane == "downlink").to_numpy()
        everywhere = np.ones(len(intervals), dtype=bool)
        masks = (uplink, downlink, at_device, ~at_device, everywhere, at_device & ~downlink)
        for column, (name, mask) in enumerate(zip(_SUMS, masks, strict=True)):
            amounts = intervals[_SUMS[name]].to_numpy()
            np.add.at(self._sums[:, column], position[mask], amounts[mask])

    def table(self, rounds: pd.DataFrame) -> pd.DataFrame:
        """Return one row a round: times, bits, FLOPs, energy, and the results of the learning.

        Parameters
        ----------
        rounds : DataFrame
            One row a finished round, in order, with ``scheme, label, seed, round, end_s, cut, participants,
            updates, samples, receive_energy_j, idle_energy_j, train_loss, diverged``, the ``test_accuracy``
            columns, ``validation_accuracy`` and ``left_out``. A round may end before the compute nodes have
            finished its work.
        """
        sums = np.zeros((len(rounds), len(_SUMS)))
        recorded = self._sums[: len(rounds)]
        sums[: len(recorded)] = recorded
        end_s = rounds["end_s"].to_numpy()
        start_s = np.concatenate([[0.0], end_s[:-1]])
        table = rounds.assign(
            start_s=start_s, latency_s=end_s - start_s, **dict(zip(_SUMS, sums.T, strict=True))
        )
        # The intervals have no energy of receivers and of idle time.
        further_j = rounds["receive_energy_j"] + rounds["idle_energy_j"]
        for column in ("energy_j", "client_energy_j"):
            table[column] += further_j
        return table[list(ROUND_COLUMNS)]


_SUMS = {
    "uplink_bits": "bits",
    "downlink_bits": "bits",
    "client_flops": "flops",
    "server_flops": "flops",  # with the FLOPs of compute nodes
    "energy_j": "energy_j",
    "client_energy_j": "energy_j",  # without downlinks, which the access point's energy pays for
}
"""The column of the intervals that each column of the rounds sums, in the order of the masks in ``add``."""


def _at_device(nodes: pd.Series[str]) -> NDArray[np.bool_]:
    if isinstance(nodes.dtype, pd.CategoricalDtype):  # compare each name once, not each row
        return np.asarray(nodes.cat.categories.str.startswith("device-"))[nodes.cat.codes.to_numpy()]
    return nodes.str.startswith("device-").to_numpy(bool)


class StageTotals:
    """Sums of time, bits, FLOPs and energy for each node and phase. The intervals come in parts, in order."""

    def __init__(self) -> None:
        self._total: pd.DataFrame | None = None

    def add(self, intervals: pd.DataFrame) -> None:
        """Add the intervals of the next part."""
        busy = intervals.assign(intervals=1, busy_s=intervals["end_s"] - intervals["start_s"])
        part = busy.groupby(_STAGE, sort=False, observed=True)[_AMOUNTS].sum().reset_index()
        part = part.astype(dict.fromkeys(["label", "node", "phase"], "str"))
        if self._total is not None:
            both = pd.concat([self._total, part], ignore_index=True)
            part = both.groupby(_STAGE, sort=False)[_AMOUNTS].sum().reset_index()
        self._total = part

    def table(self) -> pd.DataFrame:
        """Return one row a label, seed, node and phase, in the order of their first interval.

        Columns: ``label, seed, node, phase, intervals, busy_s, wait_s, bits, flops, energy_j``.
        """
        if self._total is None:
            return pd.DataFrame(columns=[*_STAGE, *_AMOUNTS])
        return self._total


_STAGE = ["label", "seed", "node", "phase"]
_AMOUNTS = ["intervals", "busy_s", "wait_s", "bits", "flops", "energy_j"]


def target_results(rounds: pd.DataFrame, target_accuracy: float | None) -> dict[str, Any]:
    """Return the results of one scheme that depend on the target accuracy; one that does not exist is None.

    Parameters
    ----------
    rounds : DataFrame
        The scheme's rows of ``rounds.csv``.
    target_accuracy : float or None
        The test accuracy for the time, rounds and samples to the target, as a fraction of 1; None: no target.
    """
    bracket = target_bracket(rounds, target_accuracy)
    rounds_to_target = bracket["rounds_to_target"]
    return {
        "target_accuracy": target_accuracy,
        **{name: bracket[name] for name in ("time_below_target_s", "time_to_target_s")},
        **{name: bracket[name] for name in ("rounds_below_target", "rounds_to_target")},
        "samples_to_target": None
        if rounds_to_target is None
        else int(rounds["samples"].iloc[:rounds_to_target].sum()),
    }


def scheme_summary(rounds: pd.DataFrame, target_accuracy: float | None) -> dict[str, Any]:
    """Return the totals of one scheme's run; a value that does not exist is None.

    A scheme whose last evaluated round diverged has no final accuracy. The best accuracy, and the time,
    rounds and samples to the target, refer to the rounds in which its model had an accuracy.

    Parameters
    ----------
    rounds : DataFrame
        The scheme's rows of ``rounds.csv``.
    target_accuracy : float or None
        The test accuracy for the time, rounds and samples to the target, as a fraction of 1; None: no target.
    """
    accuracy = rounds["test_accuracy"]
    diverged = np.flatnonzero(rounds["diverged"])
    observed = rounds[rounds["diverged"] | accuracy.notna()]  # an accuracy, or the finding that there is none
    return {
        "rounds": len(rounds),
        "mean_latency_s": _or_none(rounds["latency_s"].mean()),
        "total_time_s": _or_none(rounds["end_s"].max()),
        "diverged_in_round": int(rounds["round"].iloc[diverged[0]]) if diverged.size else None,
        "final_accuracy": _or_none(_last(observed["test_accuracy"])),
        "best_accuracy": _or_none(accuracy.max()),
        "final_validation_accuracy": _or_none(_last(observed["validation_accuracy"])),
        **target_results(rounds, target_accuracy),
        "updates": int(rounds["updates"].sum()),
        "samples": int(rounds["samples"].sum()),
        "uplink_bits": float(rounds["uplink_bits"].sum()),
        "downlink_bits": float(rounds["downlink_bits"].sum()),
        "energy_j": float(rounds["energy_j"].sum()),
        "client_energy_j": float(rounds["client_energy_j"].sum()),
        "receive_energy_j": float(rounds["receive_energy_j"].sum()),
        "idle_energy_j": float(rounds["idle_energy_j"].sum()),
        "empty_rounds": int((rounds["participants"] == 0).sum()),
    }


def _last(values: pd.Series[float]) -> float:
    """Return the last value; NaN if there is none."""
    return float(values.iloc[-1]) if len(values) else math.nan


def _or_none(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
