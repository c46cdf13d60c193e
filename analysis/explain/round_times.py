"""Round times as percentiles beside the plan, and the idle time of each node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..results.run import Run

__all__ = ["idle_shares", "round_times"]

_PERCENTILES = (50, 95, 99)
_NOT_ACTIVE = ("idle", "receive")
"""Phases of ``stages.csv`` that are no activities of their own."""


def round_times(run: Run, explained: Mapping[str, int]) -> pd.DataFrame:
    """Return one row a scheme: its planned round time, and mean and percentiles of all round times.

    Parameters
    ----------
    explained : mapping of str to int
        The number of explained rounds of each scheme, by label.
    """
    rows = []
    for label, count in explained.items():
        latency_s = run.rounds.loc[run.rounds["label"].astype(str) == label, "latency_s"].to_numpy(float)
        figures = run.summary["schemes"][label]
        # folders of earlier versions have only the closed form's prediction
        planned_s = figures.get("planned_latency_s", figures.get("predicted_latency_s"))
        planned_s = np.nan if planned_s is None else float(planned_s)
        percentiles = np.percentile(latency_s, _PERCENTILES)
        mean_s = float(latency_s.mean())
        rows.append(
            {
                "label": label,
                "paper_label": run.paper_labels[label],
                "rounds": len(latency_s),
                "explained": count,
                "plan_for": str(figures.get("plan_for", "nominal")),
                "planned_s": planned_s,
                "mean_s": mean_s,
                **{f"p{p}_s": float(value) for p, value in zip(_PERCENTILES, percentiles, strict=True)},
                "measured_over_planned": mean_s / planned_s if planned_s else np.nan,
            }
        )
    return pd.DataFrame(rows)


def idle_shares(run: Run, labels: Sequence[str]) -> pd.DataFrame:
    """Return one row a scheme and node: its busy time, and the idle share of the simulated time.

    A node is busy if it computes, sends or receives. A server that computes and sends at the same time counts
    both, at most as the whole time.
    """
    stages = run.stages[run.stages["label"].astype(str).isin(labels) & ~run.stages["phase"].isin(_NOT_ACTIVE)]
    busy = stages.groupby([stages["label"].astype(str), stages["node"].astype(str)], sort=False)["busy_s"]
    table = busy.sum().reset_index()
    total_s = table["label"].map({label: run.summary["schemes"][label]["total_time_s"] for label in labels})
    table["idle_share"] = (1.0 - table["busy_s"] / total_s.astype(float)).clip(lower=0.0)
    return table
