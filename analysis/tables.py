"""Tables derived from the intervals of a run: rounds and the per-scheme summary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["ROUND_COLUMNS", "round_table", "scheme_summary", "stage_table"]

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


def round_table(intervals: pd.DataFrame, learnt: pd.DataFrame) -> pd.DataFrame:
    """Return one row a round: times, bits, FLOPs and energy from the intervals, and what was learnt.

    Parameters
    ----------
    intervals : a single scheme's intervals; each belongs to a round
    learnt : one row a finished round, in order, with ``scheme, label, seed, round, end_s, cut, participants,
        updates, samples, train_loss``, the ``test_accuracy`` columns and ``validation_accuracy``; a round may
        end before what it has left a compute node to do
    """
    numbers = learnt["round"].to_numpy()
    position = np.searchsorted(numbers, intervals["round"].to_numpy())

    def total(column: str, mask: Any = True) -> Any:
        chosen = np.where(mask, intervals[column].to_numpy(), 0.0)
        return np.bincount(position, weights=chosen, minlength=len(numbers))

    at_device = intervals["node"].astype(str).str.startswith("device-").to_numpy()
    lane = intervals["lane"]
    end_s = learnt["end_s"].to_numpy()
    start_s = np.concatenate([[0.0], end_s[:-1]])
    table = learnt.assign(
        start_s=start_s,
        latency_s=end_s - start_s,
        uplink_bits=total("bits", (lane == "uplink").to_numpy()),
        downlink_bits=total("bits", (lane == "downlink").to_numpy()),
        client_flops=total("flops", at_device),
        server_flops=total("flops", ~at_device),  # and what compute nodes do
        energy_j=total("energy_j"),
        # what batteries pay for: a downlink is the access point's to send
        client_energy_j=total("energy_j", at_device & (lane != "downlink").to_numpy()),
    )
    return table[list(ROUND_COLUMNS)]


def stage_table(intervals: pd.DataFrame) -> pd.DataFrame:
    """Return one row a label, seed, node and phase: where time and energy went.

    Columns: ``label, seed, node, phase, intervals, busy_s, wait_s, bits, flops, energy_j``, in the order in
    which the phases were met.
    """
    keys = ["label", "seed", "node", "phase"]
    busy = intervals.assign(intervals=1, busy_s=intervals["end_s"] - intervals["start_s"])
    amounts = ["intervals", "busy_s", "wait_s", "bits", "flops", "energy_j"]
    return busy.groupby(keys, sort=False, observed=True)[amounts].sum().reset_index()


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
