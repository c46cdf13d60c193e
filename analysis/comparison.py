"""The comparison table: one row a scheme, over one run or several."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from ..scenarios.yaml_text import parse_yaml
from .paired import paired_differences
from .run import Run
from .style import time_unit

__all__ = ["FORMATS", "comparison", "formatted", "notes", "rich_table"]

FORMATS = ("table", "csv", "latex", "markdown")

BITS_PER_MIB = 8.0 * 2**20
_REFERENCE = "sl"
_LONGEST_NAME = 70
_MEANS = [
    "mean_latency_s",
    "total_time_s",
    "time_to_target_s",
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
_LATEX = {"|": r"\textbar{}", "φ": r"$\varphi$", "×": r"$\times$", "→": r"$\to$", "–": "--", "±": r"$\pm$"}


def comparison(runs: Sequence[Run], reference: str | None = None) -> pd.DataFrame:
    """Return one row an experiment and label, means over seeds; figures that do not exist are NaN.

    Runs are of one experiment if their scenarios differ in nothing but the seed and the list of schemes, and
    schemes of one label have the same parameters; an interrupted run is one of its own. Experiments of one
    name are told apart by the keys in which they differ. Columns: ``experiment, scheme, label, runs, cut,
    mean_latency_s, total_time_s, time_to_target_s, rounds_to_target, final_accuracy, samples,
    uplink_bits, downlink_bits, energy_j, device_memory_bits, node_memory_bits, cost, memory_counts,
    speedup_over_sl, empty_rounds, rounds``, and those of
    :func:`paired_differences` to the scheme labelled ``reference``. A time to the target is
    the mean only where every run reached it. ``speedup_over_sl`` is SL's mean round latency over this
    scheme's, in the same experiment; NaN for a scheme that trained nothing.
    """
    names = _experiments(runs)
    frame = pd.DataFrame(
        [
            {"experiment": name, "seed": run.summary["seed"], "label": label, **figures}
            for name, run in zip(names, runs, strict=True)
            for label, figures in run.summary["schemes"].items()
        ]
    )
    keys = ["experiment", "label"]
    numbers = frame[keys].join(frame[_MEANS].astype(float))
    table = numbers.groupby(keys, sort=False)[_MEANS].agg(_strict_mean)
    grouped = frame.groupby(keys, sort=False)
    table.insert(0, "scheme", grouped["scheme"].first())
    table.insert(1, "runs", grouped.size())
    table.insert(2, "cut", grouped["cut"].agg(_cuts))
    for column in ("empty_rounds", "rounds"):
        table[column] = grouped[column].sum()
    table = table.reset_index()
    table["memory_counts"] = table["experiment"].isin(
        {name for name, run in zip(names, runs, strict=True) if _memory_counts(run)}
    )
    sequential = table[table["scheme"] == _REFERENCE].drop_duplicates("experiment", keep=False)
    sl_s = table["experiment"].map(sequential.set_index("experiment")["mean_latency_s"])
    table["speedup_over_sl"] = (sl_s / table["mean_latency_s"]).where(table["samples"] > 0)
    paired = frame.astype({"mean_latency_s": float, "final_accuracy": float})
    return table.merge(paired_differences(paired, reference), on=keys)


def _experiments(runs: Sequence[Run]) -> list[str]:
    """Return a name for each run's experiment; those of one scenario name say in which keys they differ."""
    scenarios = [parse_yaml(run.scenario, "scenario.yaml")[0] for run in runs]
    rests = [
        {key: value for key, value in scenario.items() if key not in ("seed", "schemes")}
        for scenario in scenarios
    ]
    told_apart = _varied_schemes(rests, scenarios)
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    identities = []
    for run, rest, varied in zip(runs, rests, told_apart, strict=True):
        values = {**rest, "schemes": varied} if varied else rest
        identities.append(json.dumps([values, run.interrupted], sort_keys=True))
        found.setdefault(identities[-1], (run.summary["name"], dict(_flat(values))))
    names: dict[str, str] = {}
    for number, (identity, (name, values)) in enumerate(found.items()):
        alike = [other for same, other in found.values() if same == name]
        keys = [
            k
            for k in dict.fromkeys(k for v in alike for k in v)
            if any(v.get(k) != values.get(k) for v in alike)
        ]
        told = ", ".join(f"{key}={values.get(key, '–')}" for key in keys)
        if len(told) > _LONGEST_NAME:
            told = f"#{1 + sum(same == name for same, _ in list(found.values())[:number])}"
        names[identity] = f"{name} {told}".strip()
    return [
        names[identity] + (" (interrupted)" if run.interrupted else "")
        for identity, run in zip(identities, runs, strict=True)
    ]


def _varied_schemes(
    rests: Sequence[dict[str, Any]], scenarios: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return of each run the schemes, by label, that have other parameters in a run that is else alike."""
    schemes = [{scheme["label"]: scheme for scheme in scenario["schemes"]} for scenario in scenarios]
    forms: dict[tuple[str, str], set[str]] = defaultdict(set)
    texts = [json.dumps(rest, sort_keys=True) for rest in rests]
    for rest, of_run in zip(texts, schemes, strict=True):
        for label, scheme in of_run.items():
            forms[rest, label].add(json.dumps(scheme, sort_keys=True))
    return [
        {label: scheme for label, scheme in of_run.items() if len(forms[rest, label]) > 1}
        for rest, of_run in zip(texts, schemes, strict=True)
    ]


def _memory_counts(run: Run) -> bool:
    """Return whether the scenario speaks of memory: a limit somewhere, or compute nodes."""
    scenario, _ = parse_yaml(run.scenario, "scenario.yaml")
    limited = any((scenario.get(section) or {}).get("memory_mib") for section in ("devices", "server"))
    return limited or bool(scenario.get("network"))


def _flat(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys with their values, which are no mappings."""
    if not isinstance(values, dict):
        yield path, values
        return
    for key, inner in values.items():
        yield from _flat(inner, f"{path}.{key}" if path else str(key))


def _cuts(values: pd.Series[Any]) -> str:
    """Return the cuts of the runs; the least and the greatest where devices differ in it."""
    found = dict.fromkeys(
        str(int(cut)) if not isinstance(cut, list) else "–".join(str(c) for c in sorted({min(cut), max(cut)}))
        for cut in sorted(values.dropna(), key=lambda cut: min(cut) if isinstance(cut, list) else cut)
    )
    return "|".join(found)


def _strict_mean(values: pd.Series[float]) -> float:
    """Return the mean, NaN where one value is missing."""
    return float(values.mean(skipna=False))


def _text(value: float, digits: int = 4) -> str:
    """Return a number with so many significant digits, and no exponent below ten million."""
    if math.isnan(value):
        return "–"
    if abs(value) >= 10.0**digits:
        return f"{value:.0f}" if abs(value) < 1e7 else f"{value:.{digits - 1}e}"
    return f"{value:#.{digits}g}".rstrip(".")


def _display(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text for people: a fixed number of digits, units in the headings."""
    shown: dict[str, list[str]] = {}
    if table["experiment"].nunique() > 1 or table["experiment"].str.contains("interrupted").any():
        shown["experiment"] = table["experiment"].tolist()
    shown["scheme"] = table["label"].tolist()
    shown["cut"] = [cut or "–" for cut in table["cut"]]

    def show(heading: str, column: str, scale: float = 1.0) -> None:
        shown[heading] = [_text(x * scale) for x in table[column]]

    def show_time(heading: str, column: str) -> None:
        unit = time_unit(float(table[column].max()) if table[column].notna().any() else 1.0)
        show(f"{heading} [{unit.symbol}]", column, 1 / unit.seconds)

    show_time("round", "mean_latency_s")
    show_time("total", "total_time_s")
    if table["final_accuracy"].notna().any():
        show_time("to target", "time_to_target_s")
        shown["to target [rounds]"] = ["–" if pd.isna(x) else f"{x:.4g}" for x in table["rounds_to_target"]]
        shown["final acc. [%]"] = ["–" if pd.isna(x) else f"{100 * x:.1f}" for x in table["final_accuracy"]]
    shown["samples"] = [f"{x:.0f}" for x in table["samples"]]
    show("up [Mbit]", "uplink_bits", 1e-6)
    show("down [Mbit]", "downlink_bits", 1e-6)
    show("energy [J]", "energy_j")
    if table["memory_counts"].any():
        show("device [MiB]", "device_memory_bits", 1 / BITS_PER_MIB)
        show("node [MiB]", "node_memory_bits", 1 / BITS_PER_MIB)
    if (table["cost"] > 0).any():
        show("cost", "cost")
    if table["speedup_over_sl"].notna().any():
        shown["× SL"] = ["–" if pd.isna(x) else f"{x:.2f}" for x in table["speedup_over_sl"]]
    named = table["reference"].unique()
    reference = named[0] if len(named) == 1 else "reference"
    for heading, column, scale in (
        (f"round vs {reference} [%]", "latency_change_percent", 1.0),
        (f"acc. vs {reference} [points]", "accuracy_change", 100.0),
    ):
        if table[column].notna().any():
            halves = scale * (table[f"{column}_high"] - table[column])
            changes = zip(scale * table[column], halves, strict=True)
            shown[heading] = ["–" if pd.isna(x) else f"{x:+.1f} ± {half:.1f}" for x, half in changes]
    if (table["runs"] > 1).any():
        shown["runs"] = [str(x) for x in table["runs"]]
    return pd.DataFrame(shown)


def notes(table: pd.DataFrame, runs: Sequence[Run]) -> list[str]:
    """Return what a reader of the table must know beyond its headings."""
    found = []
    if table["final_accuracy"].notna().any():
        targets = sorted({run.summary["target_accuracy"] for run in runs})
        named = ", ".join(f"{100 * target:g} %" for target in targets)
        found.append(f"target: {named} test accuracy, seen in evaluated rounds only")
    if table["speedup_over_sl"].notna().any():
        found.append("× SL: SL's mean round time over the scheme's; a round of SL makes one update a client")
    if table["latency_change_percent"].notna().any():
        found.append(
            "vs: mean over seeds of the difference at the same seed ± its 95 % interval (Student's t)"
        )
    if table["memory_counts"].any():
        found.append(
            "memory: weights and activations, without gradients and optimiser states; the most on one device,"
            " and on the server or one node"
        )
    if (table["cost"] > 0).any():
        found.append("cost: of the server and the nodes that a scheme uses, for the whole run, idle or not")
    for row in table[table["empty_rounds"] > 0].to_dict("records"):
        found.append(
            f"{row['label']}: nobody took part in {row['empty_rounds']} of {row['rounds']} rounds,"
            " which trained nothing"
        )
    found += [note for run in runs for note in _departures(run)]
    if any(run.interrupted for run in runs):
        found.append("interrupted: figures are of the finished rounds")
    return found


def _departures(run: Run) -> Iterator[str]:
    """Say which devices left the run with an empty battery."""
    for label, figures in run.summary["schemes"].items():
        left_at_s = figures["left_at_s"]
        if left_at_s:
            who = ", ".join(f"device {number} at {left_s:.4g} s" for number, left_s in left_at_s.items())
            yield f"{label}, seed {run.summary['seed']}: battery empty, {who}"


def rich_table(table: pd.DataFrame, title: str) -> Table:
    """Return the comparison as a table for the terminal."""
    shown = _display(table)
    rich = Table(title=Text(title), box=SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for name in shown.columns:
        if name in ("experiment", "scheme"):
            rich.add_column(Text(name), no_wrap=True)
        else:
            rich.add_column(Text(name.replace(" ", "\n")), justify="right", no_wrap=True)
    for row in shown.itertuples(index=False):
        rich.add_row(*(Text(cell) for cell in row))
    return rich


def formatted(table: pd.DataFrame, form: str) -> str:
    """Return the comparison as CSV in full precision, or as LaTeX or Markdown for a paper.

    Raises
    ------
    ValueError
        If the format is none of these.
    """
    if form == "csv":
        return table.to_csv(index=False)
    styles = {"latex": "latex_booktabs", "markdown": "github"}
    if form not in styles:
        raise ValueError(f"format {form!r} is unknown; known: {', '.join(FORMATS)}")
    shown = _display(table)
    labelled = 1 + ("experiment" in shown.columns)
    if form == "markdown":  # a bar, as in lists of cuts, would begin another cell
        shown = shown.map(lambda cell: cell.replace("|", r"\|"))
    text: str = tabulate(
        shown.values.tolist(),
        headers=list(shown.columns),
        tablefmt=styles[form],
        disable_numparse=True,
        colalign=["left"] * labelled + ["right"] * (len(shown.columns) - labelled),
    )
    if form == "latex":
        for symbol, command in _LATEX.items():
            text = text.replace(symbol, command)
    return text + "\n"
