"""The columns of the comparison table that a user can choose, by their names in options."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ...scenarios.suggestions import closest

__all__ = ["COLUMNS", "IDENTITY", "UnknownColumnError", "chosen_table", "column_names"]

COLUMNS: dict[str, tuple[str, ...]] = {
    "cut": ("cut",),
    "latency": ("mean_latency_s",),
    "planned": ("planned_latency_s", "planned_is_bound"),
    "total": ("total_time_s",),
    "target": ("time_below_target_s", "time_to_target_s", "runs_at_target"),
    "target_rounds": ("rounds_below_target", "rounds_to_target", "runs_at_target"),
    "accuracy": ("final_accuracy", "diverged"),
    "samples": ("samples",),
    "uplink": ("uplink_bits",),
    "downlink": ("downlink_bits",),
    "energy": ("energy_j",),
    "device_memory": ("device_memory_bits",),
    "node_memory": ("node_memory_bits",),
    "cost": ("cost",),
    "speedup": ("speedup_over_sl",),
    "latency_change": ("latency_change_percent",),
    "target_change": ("time_to_target_change_s",),
    "accuracy_change": ("accuracy_change",),
    "sooner": ("target_sooner", "target_later", "target_seeds"),
    "runs": ("runs",),
}
"""The columns of the comparison of each name."""
IDENTITY = ("experiment", "scheme", "label", "paper_label", "runs")
"""The columns that identify a row."""


class UnknownColumnError(ValueError):
    """Raised if a column is chosen that does not exist; the message lists those that do."""


def column_names(columns: Sequence[str]) -> list[str]:
    """Return the names of chosen columns, each once.

    Raises
    ------
    UnknownColumnError
        If a name is unknown.
    """
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        known = list(COLUMNS)
        raise UnknownColumnError(
            f"no column is named {', '.join(map(repr, unknown))}; known: {', '.join(known)}"
            f"{closest(unknown[0], known)}"
        )
    return list(dict.fromkeys(columns))


def chosen_table(
    table: pd.DataFrame, columns: Sequence[str] | None = None, *, intervals: bool = False
) -> pd.DataFrame:
    """Return the comparison with the chosen columns alone, in full precision.

    Parameters
    ----------
    table : DataFrame
        The comparison.
    columns : sequence of str, optional
        Names of ``COLUMNS``; by default the table is returned as it is.
    intervals : bool, optional
        Whether the confidence intervals of the chosen columns are kept: ``_low`` and ``_high``.

    Raises
    ------
    UnknownColumnError
        If a name is unknown.
    """
    if columns is None:
        return table
    chosen = [column for name in column_names(columns) for column in COLUMNS[name]]
    ends = ("", "_low", "_high") if intervals else ("",)
    wanted = [*IDENTITY, *(f"{column}{end}" for column in chosen for end in ends)]
    return table[[column for column in dict.fromkeys(wanted) if column in table]]
