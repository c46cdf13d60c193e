"""The comparison table: one row a scheme, over one run or several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..results.confidence_intervals import ConfidenceInterval, centre_and_interval, range_of
from ..results.run import Run
from ..results.target_brackets import target_bracket
from .experiment_differences import EXPERIMENT_COLUMNS, experiment_differences
from .experiment_groups import GroupedRun, group_runs, in_folders_of_their_own, scenario_of
from .paired_differences import REFERENCE_SCHEME, paired_differences

if TYPE_CHECKING:
    from pandas.core.groupby import DataFrameGroupBy

__all__ = ["comparison"]

_MEANS = [
    "mean_latency_s",
    "planned_latency_s",
    "total_time_s",
    "time_below_target_s",
    "time_to_target_s",
    "rounds_below_target",
    "rounds_to_target",
    "final_accuracy",
    "samples",
    "uplink_bits",
    "downlink_bits",
    "energy_j",
    "device_memory_bits",
    "node_memory_bits",
    "cost",
]
_FAILED = " (failed)"
"""The end of the experiment's name in the rows of schemes that failed."""
_WITH_INTERVALS = [column for column in _MEANS if "below_target" not in column]


def comparison(runs: Sequence[Run], reference: str | None = None) -> pd.DataFrame:
    """Return one row an experiment and label, with means over the seeds.

    :func:`.group_runs` decides which runs are one experiment. A seed counts once, however often it is given.
    If several experiments have one name, the keys in which they differ follow the name, or a number if the
    keys are too long. ``settings`` has these keys in full.

    Columns: ``experiment, settings, scheme, runs, cut, label, paper_label``, the means ``mean_latency_s,
    planned_latency_s, total_time_s, time_below_target_s, time_to_target_s, rounds_below_target,
    rounds_to_target, final_accuracy, samples, uplink_bits, downlink_bits, energy_j, device_memory_bits,
    node_memory_bits, cost``, the 95 % confidence intervals ``_low`` and ``_high`` of all of them except the
    lower ends of brackets, ``runs_at_target, memory_counts, speedup_over_sl, empty_rounds,
    rounds, planned_is_bound, diverged``, and the columns of :func:`.paired_differences`, with ``reference``
    as the reference. Values that do not exist are NaN. If no two experiments were read from one folder, the
    columns of :func:`.experiment_differences` follow.

    - ``planned_latency_s`` is the planned mean round; ``planned_is_bound`` says whether it is
      a lower bound. Older run folders have neither.
    - ``empty_rounds`` and ``rounds`` are sums over all seeds.
    - ``diverged`` is the number of runs that diverged. Such a run has no final accuracy unless it recovered.
    - Schemes that failed are in rows of their own: their results are of the finished rounds.
    - ``time_below_target_s`` and ``time_to_target_s`` are means of the lower and the upper ends of the seeds'
      brackets (:func:`.target_bracket`). The second one exists only if every run reached the target; without
      it, the first one is a lower bound of the mean. ``runs_at_target`` counts the runs that reached it.
    - ``speedup_over_sl`` is SL's mean round latency divided by that of the scheme, in the same experiment. It
      is NaN for a scheme that trained nothing.

    Raises
    ------
    ContradictoryRunsError
        If two runs of one scenario, seed, software and machine have different results.
    UnknownReferenceError
        If no experiment has the reference.
    """
    if reference is not None:
        papers = {paper: label for run in runs for label, paper in run.paper_labels.items()}
        reference = papers.get(reference, reference)
    grouped_runs = group_runs(runs)
    frame = pd.DataFrame(
        [
            {
                "experiment": grouped_run.name + (_FAILED if figures.get("failed") else ""),
                "seed": grouped_run.run.summary["seed"],
                "label": label,
                **figures,
            }
            for grouped_run in grouped_runs
            for label, figures in _figures(grouped_run).items()
        ]
    )
    keys = ["experiment", "label"]
    numbers = frame[keys].join(frame.reindex(columns=_MEANS).astype(float))
    grouped = frame.groupby(keys, sort=False)
    table = numbers.groupby(keys, sort=False)[_MEANS].agg(_strict_mean)
    for column in _WITH_INTERVALS:
        intervals = numbers.groupby(keys, sort=False)[column].agg(partial(_interval, column=column))
        for position, end in ((1, "low"), (2, "high")):
            table[f"{column}_{end}"] = intervals.map(itemgetter(position)).astype(float)
    _widen_to_brackets(table, numbers.groupby(keys, sort=False))
    table.insert(0, "scheme", grouped["scheme"].first())
    table.insert(1, "paper_label", grouped["paper_label"].first())
    table.insert(2, "runs", grouped.size())
    table.insert(3, "cut", grouped["cut"].agg(_cuts))
    table["runs_at_target"] = grouped["time_to_target_s"].count()
    for column in ("empty_rounds", "rounds"):
        table[column] = grouped[column].sum()
    table["planned_is_bound"] = grouped["planned_is_bound"].any() if "planned_is_bound" in frame else False
    table["diverged"] = grouped["diverged_in_round"].count() if "diverged_in_round" in frame else 0
    table = table.reset_index()
    names = table["experiment"].str.removesuffix(_FAILED)
    settings = {grouped_run.name: grouped_run.settings for grouped_run in grouped_runs}
    table.insert(1, "settings", names.map(settings))
    table["memory_counts"] = names.isin(
        {grouped_run.name for grouped_run in grouped_runs if _memory_counts(grouped_run.run)}
    )
    reference_rows = table[table["scheme"] == REFERENCE_SCHEME].drop_duplicates("experiment", keep=False)
    sl_s = table["experiment"].map(reference_rows.set_index("experiment")["mean_latency_s"])
    table["speedup_over_sl"] = (sl_s / table["mean_latency_s"]).where(table["samples"] > 0)
    table = table.merge(paired_differences(frame, reference), on=keys)
    if in_folders_of_their_own(runs, [grouped_run.name for grouped_run in grouped_runs]):
        return table.merge(experiment_differences(frame), on=keys)
    return table.reindex(columns=[*table.columns, *EXPERIMENT_COLUMNS])


def _figures(grouped_run: GroupedRun) -> dict[str, dict[str, Any]]:
    """Return the results of each scheme that counts; those of older runs lack the lower end of a bracket."""
    run = grouped_run.run
    figures = {}
    for label in grouped_run.labels:
        summary = run.summary["schemes"][label]
        if "time_below_target_s" not in summary:
            rounds = run.rounds[run.rounds["label"] == label]
            bracket = target_bracket(rounds, run.summary["target_accuracy"])
            summary = {**bracket, **summary}
        figures[label] = {**summary, "paper_label": run.paper_labels[label]}
    return figures


def _interval(values: pd.Series[float], column: str) -> ConfidenceInterval:
    return centre_and_interval(values, range_of(column))


def _widen_to_brackets(table: pd.DataFrame, groups: DataFrameGroupBy[Any, Any]) -> None:
    """Let the confidence interval of the time to the target begin at that of the lower ends of the brackets.

    The true time of each seed lies between the ends of its bracket, and so does the mean.
    """
    lower = groups["time_below_target_s"].agg(partial(_interval, column="time_below_target_s"))
    reached = table["time_to_target_s_low"].notna()
    table.loc[reached, "time_to_target_s_low"] = lower.map(itemgetter(1)).astype(float)[reached]


def _memory_counts(run: Run) -> bool:
    """Return whether the scenario limits the memory of devices or server, or has compute nodes."""
    scenario = scenario_of(run)
    limited = any((scenario.get(section) or {}).get("memory_mib") for section in ("devices", "server"))
    return limited or bool(scenario.get("network"))


def _cuts(values: pd.Series[Any]) -> str:
    """Return the cuts of the runs as text; if the cuts of devices differ, the lowest and the highest."""
    texts = dict.fromkeys(
        str(int(cut)) if not isinstance(cut, list) else "–".join(str(c) for c in sorted({min(cut), max(cut)}))
        for cut in sorted(values.dropna(), key=lambda cut: min(cut) if isinstance(cut, list) else cut)
    )
    return "|".join(texts)


def _strict_mean(values: pd.Series[float]) -> float:
    """Return the mean, or NaN if a value is missing."""
    return float(values.mean(skipna=False))
