"""The comparison table as text for the terminal, as CSV, LaTeX or Markdown, with notes that explain it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ..results.confidence_intervals import CONFIDENCE, FEW_SEEDS, FEW_SEEDS_NOTE
from ..results.run import Run
from .columns import chosen_table
from .display import text_table
from .experiment_groups import group_runs, provenance, records_contents
from .latex import latex_table
from .markdown import markdown_table
from .plan_gaps import plan_gap_notes
from .table import comparison

__all__ = ["FORMATS", "formatted", "html_table", "notes", "rich_table"]

FORMATS = ("table", "csv", "latex", "markdown")

_TARGET_COLUMNS = ("target", "target_rounds", "target_change", "sooner")
_CHANGE_COLUMNS = ("latency_change", "accuracy_change", "target_change")
_INTERVALS_NOTE = f"in square brackets: the {100 * CONFIDENCE:g} % confidence interval of the mean over seeds"
_NO_INTERVALS_NOTE = "one seed: there are no confidence intervals; several seeds give them"
_MAX_PAIRS = 6
"""The number of pairs with an undecided order that a note lists."""


def html_table(run: Run) -> str:
    """Return the comparison table of one run in HTML, below its name and its state."""
    table = comparison([run])
    shown = text_table(table).to_html(index=False, escape=True, border=0)
    state = " (interrupted)" if run.interrupted else ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in notes(table, [run]))
    name = f"{escape(str(run.summary['name']))}, seed {run.summary['seed']}{state}"
    return f"<p><b>{name}</b></p>{shown}<ul>{lines}</ul>"


def notes(
    table: pd.DataFrame,
    runs: Sequence[Run],
    columns: Sequence[str] | None = None,
    *,
    intervals: bool = False,
) -> list[str]:
    """Return notes on the table: settings of experiments, meanings of columns, and unusual events.

    Parameters
    ----------
    table : DataFrame
        The comparison.
    runs : sequence of Run
        The runs of the table.
    columns, intervals
        What the table shows, as for :func:`.text_table`; the notes are on it alone.
    """

    experiments = table.drop_duplicates("experiment")[["experiment", "settings"]].itertuples(index=False)
    lines = [f"{name}: {settings}" for name, settings in experiments if settings not in name]
    if intervals:
        lines.append(_INTERVALS_NOTE if (table["runs"] > 1).any() else _NO_INTERVALS_NOTE)
    lines += _column_notes(table, runs, columns)
    lines += _event_notes(table, runs)
    return lines


def _column_notes(table: pd.DataFrame, runs: Sequence[Run], columns: Sequence[str] | None) -> Iterator[str]:
    """Yield notes on the meaning of the columns that the table shows, and on its seeds."""

    def shows(*names: str) -> bool:
        return columns is None or any(name in columns for name in names)

    if shows(*_TARGET_COLUMNS) and table["time_below_target_s"].notna().any():
        yield from _target_notes(table, runs)
    if shows("speedup") and table["speedup_over_sl"].notna().any():
        yield "× SL: mean round time of SL over the scheme's; a round of SL makes an update for each client"
    if shows(*_CHANGE_COLUMNS) and table["latency_change_percent"].notna().any():
        yield "vs: mean over seeds of the difference at the same seed, and its 95 % confidence interval"
    experiments_compared = table.loc[table["experiment_pairs"] > 0, "reference_experiment"]
    if columns is None and len(experiments_compared):
        yield (
            f"vs {experiments_compared.iloc[0]}: difference of each scheme to the same scheme there, mean"
            " over the same seeds; from two seeds on with its 95 % confidence interval"
        )
    if shows("latency", "planned"):
        yield from _plan_notes(runs)
        yield from plan_gap_notes(table, runs)
    yield from _seed_notes(table, runs)
    if shows("device_memory", "node_memory") and table["memory_counts"].any():
        yield (
            "memory: parameters, gradients, optimiser states and activations (of measured layer profiles:"
            " weights and activations); the most on one device, and on the server or one node"
        )
    if shows("cost") and (table["cost"] > 0).any():
        yield "cost: of the server and the nodes that a scheme uses, for the whole run, idle or not"


def _event_notes(table: pd.DataFrame, runs: Sequence[Run]) -> Iterator[str]:
    """Yield notes on unusual events: empty rounds, divergence, empty batteries, failures, interrupts."""
    for row in table[table["empty_rounds"] > 0].to_dict("records"):
        yield (
            f"{row['paper_label']}: no client took part in {row['empty_rounds']} of {row['rounds']} rounds,"
            " which trained nothing"
        )
    several = table["experiment"].nunique() > 1
    for grouped in group_runs(runs):
        events = (
            *_divergences(grouped.run),
            *_empty_batteries(grouped.run),
            *_failures(grouped.run),
            *_stops(grouped.run),
        )
        yield from (f"{grouped.name}: {line}" if several else line for line in events)
    if (table["diverged"] > 0).any():
        yield "diverged: the training loss or the model is not finite; such a model has no accuracy"
    if any(True for run in runs for _ in _failures(run)):
        yield "failed: the results are those of the rounds before the error"
    if any(run.interrupted for run in runs):
        yield "interrupted: the results are those of the finished rounds"


def _plan_notes(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a note if plans reckon with rounds that vary."""
    kinds = {figures.get("plan_for") for run in runs for figures in run.summary["schemes"].values()}
    if "simulated" in kinds:
        yield "planned: plans were chosen by simulated rounds, with slow states, faults and fading"
    if "mean" in kinds:
        yield "planned: plans were made for the stationary means of slow states, faults and fading"


def _target_notes(table: pd.DataFrame, runs: Sequence[Run]) -> Iterator[str]:
    """Yield notes on the time to the target: its meaning, censored runs, and orders that are undecided."""
    labels = dict(zip(table["label"], table["paper_label"], strict=True))
    targets = sorted({run.summary["target_accuracy"] for run in runs} - {None})
    percentages = ", ".join(f"{100 * target:g} %" for target in targets)
    several = (table["runs"] > 1).any()
    yield (
        f"target: {percentages} test accuracy; to target: from the last evaluated round below it to the first"
        f" one at it{', means of both over the seeds' if several else ''}"
    )
    if ((table["runs_at_target"] < table["runs"]) & table["time_below_target_s"].notna()).any():
        yield "a time with > is a lower bound: some run did not reach the target"
    if (table["rounds_to_target"] - table["rounds_below_target"] > 1).any():
        yield (
            "not every round was evaluated: an earlier round may have reached the target;"
            " learning.evaluate_every: 1 excludes this"
        )
    partly = table[(table["target_pairs"] < table["target_seeds"]) & table["time_to_target_change_s"].notna()]
    for row in partly.to_dict("records"):
        yield (
            f"to target vs {labels.get(row['reference'], row['reference'])}: {row['paper_label']}: over the"
            f" {row['target_pairs']} of {row['target_seeds']} seeds in which both reached the target"
        )
    for experiment, rows in table.groupby("experiment", sort=False):
        place = {label: number for number, label in enumerate(rows["label"])}
        pairs = [
            f"{labels[label]} and {labels[other]}"
            for label, others in zip(rows["label"], rows["order_undecided_with"], strict=True)
            for other in others.split("|")
            if other and place[label] < place[other]
        ]
        if pairs:
            more = f"; and {len(pairs) - _MAX_PAIRS} more pairs" if len(pairs) > _MAX_PAIRS else ""
            where = f"{experiment}: " if table["experiment"].nunique() > 1 else ""
            yield (
                f"{where}the order of the times to the target is undecided for:"
                f" {'; '.join(pairs[:_MAX_PAIRS])}{more}"
            )


def _seed_notes(table: pd.DataFrame, runs: Sequence[Run]) -> Iterator[str]:
    """Yield notes on the seeds: too few of them, mixed software, and files of unknown contents."""
    if table["runs"].between(2, FEW_SEEDS - 1).any():
        yield FEW_SEEDS_NOTE
    if ((table["runs"] == 1) & table["final_accuracy"].notna()).any():
        yield (
            "one seed: accuracies and times to the target differ between seeds, and slightly between"
            " processors; several seeds give confidence intervals"
        )
    repeated = sum(len(run.summary["schemes"]) for run in runs) - int(table["runs"].sum())
    if repeated:
        yield f"{repeated} results were given twice, with equal seeds and values; each counts once"
    yield from _mixed_software(runs)
    unknown = sorted({run.summary["name"] for run in runs if not records_contents(run)})
    for name in unknown:
        yield (
            f"{name}: older run folders do not record the contents of the files that the scenario names;"
            " whether these are equal is unknown"
        )


def _mixed_software(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a note for each experiment whose runs were made by different software or machines."""
    values: dict[str, dict[str, set[str]]] = {}
    for grouped in group_runs(runs):
        of_experiment = values.setdefault(grouped.name, {})
        for key, value in provenance(grouped.run).items():
            of_experiment.setdefault(key, set()).add(str(value))
    for name, by_key in values.items():
        differences = [f"{key} {', '.join(sorted(texts))}" for key, texts in by_key.items() if len(texts) > 1]
        if differences:
            yield f"{name}: its runs come from different software or machines: {'; '.join(differences)}"


def _divergences(run: Run) -> Iterator[str]:
    """Yield a note for each scheme whose training loss or model was not finite."""
    for label, figures in run.summary["schemes"].items():
        number = figures.get("diverged_in_round")  # older run folders lack it
        if number is not None:
            yield f"{_run_name(run, label)}: diverged in round {number}"


def _failures(run: Run) -> Iterator[str]:
    """Yield a note for each scheme that failed."""
    for label, reason in run.failed.items():
        yield f"{_run_name(run, label)}: failed: {reason}"


def _stops(run: Run) -> Iterator[str]:
    """Yield a note for each scheme that a callback of the user has ended."""
    for label, figures in run.summary["schemes"].items():
        if reason := figures.get("stopped_by"):
            yield f"{_run_name(run, label)}: a callback ended it after round {figures['rounds']}: {reason}"


def _empty_batteries(run: Run) -> Iterator[str]:
    """Yield a note for each scheme that lost devices because their batteries were empty."""
    for label, figures in run.summary["schemes"].items():
        departed_at_s = figures["left_at_s"]
        if departed_at_s:
            devices = ", ".join(
                f"device {number} at {time_s:.4g} s" for number, time_s in departed_at_s.items()
            )
            yield f"{_run_name(run, label)}: battery empty, {devices}"


def _run_name(run: Run, label: str) -> str:
    """Return the scheme and the seed of one of a run's schemes, for a note."""
    return f"{run.paper_labels[label]}, seed {run.summary['seed']}"


def rich_table(
    table: pd.DataFrame, title: str, columns: Sequence[str] | None = None, *, intervals: bool = False
) -> Table:
    """Return the comparison as a table for the terminal, with the parameters of :func:`.text_table`."""
    shown = text_table(table, columns, intervals=intervals)
    rich = Table(title=Text(title), box=SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for name in shown.columns:
        if name in ("experiment", "scheme"):
            rich.add_column(Text(name), no_wrap=True)
        else:
            rich.add_column(Text(name.replace(" ", "\n")), justify="right", no_wrap=True)
    for row in shown.itertuples(index=False):
        rich.add_row(*(Text(cell) for cell in row))
    return rich


def formatted(
    table: pd.DataFrame,
    form: str,
    remarks: Sequence[str] = (),
    *,
    columns: Sequence[str] | None = None,
    intervals: bool = False,
    caption: str | None = None,
    label: str | None = None,
) -> str:
    """Return the comparison as CSV with all digits, or as LaTeX or Markdown for a paper.

    Parameters
    ----------
    table : DataFrame
        The comparison.
    form : {"csv", "latex", "markdown"}
        The format of the text.
    remarks : sequence of str, optional
        Lines below the table; they are comments in LaTeX, and CSV has none.
    columns, intervals
        The columns and their confidence intervals, as for :func:`.text_table` and, in CSV, for
        :func:`.chosen_table`.
    caption, label : str, optional
        Caption, and in LaTeX the name for references.

    Raises
    ------
    ValueError
        If the format is none of these, a column is unknown, or the label has other characters than letters,
        digits and ``: . _ / -``.
    """
    if form not in FORMATS[1:]:
        raise ValueError(f"format {form!r} is unknown; known: {', '.join(FORMATS)}")
    if form == "csv":
        return chosen_table(table, columns, intervals=intervals).to_csv(index=False)
    shown = text_table(table, columns, intervals=intervals)
    num_texts = 1 + ("experiment" in shown.columns)
    if columns is not None:
        shown = shown.rename(columns={"experiment": "Experiment", "scheme": "Scheme"})
    if form == "latex":
        return latex_table(shown, num_texts, caption=caption, label=label, remarks=remarks)
    text = markdown_table(shown, num_texts)
    above = [] if caption is None else [f"**{caption}**", ""]
    return (
        "\n".join([*above, text, *([""] if remarks else []), *(f"- {remark}" for remark in remarks)]) + "\n"
    )
