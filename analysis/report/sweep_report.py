"""The page of a sweep: metrics over the swept keys, learning curves over seeds, links to the points."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..comparison.display import text_table
from ..comparison.experiment_groups import ContradictoryRunsError
from ..comparison.report import notes as comparison_notes
from ..comparison.table import comparison
from ..figures.axis_text import axis_label, labelled_value, value_text
from ..results.paper_labels import paper_labels_of_table
from ..results.run_folder import load_run
from ..results.sweeps.sweep_folder import SweepResult, load_runs
from ..results.sweeps.sweep_statistics import num_diverged
from .charts import curve_styles, tabs
from .curves import BAND_OF_SEEDS, accuracy_charts, curve_over_seeds
from .html import Html, badge, joined, notes, notice, paragraph
from .metric_charts import metric_notes, metric_panels
from .page import Part, Section, render
from .run_report import COMPARED_WORDS
from .scenario_sections import scenario_section, versions_section
from .tables import sortable_table

__all__ = ["sweep_page"]

METRICS = (
    *("mean_latency_s", "total_time_s", "time_to_target_s", "rounds_to_target", "final_accuracy"),
    *("best_accuracy", "energy_j", "uplink_bits", "cost"),
)
_MAX_CURVES = 12
"""Settings of a sweep with learning curves on the page."""
_MAX_COMPARED = 60
"""Finished points up to which the page has the comparison table."""


def sweep_page(sweep: SweepResult, base: Path, file_name: str) -> str:
    """Return the page of a sweep as HTML.

    Parameters
    ----------
    sweep : SweepResult
        The tables of the sweep.
    base : Path
        The folder that the page will be in, to which links are relative.
    file_name : str
        The name of the page of a point, in its run folder.
    """
    finished = [p for p in sweep.points["point"] if (sweep.folder / str(p) / "summary.json").is_file()]
    first = load_run(sweep.folder / str(finished[0]))
    counts = sweep.points["status"].value_counts()
    sweep = _with_paper_labels(sweep)
    introduction = [
        joined(
            [
                badge(f"{len(sweep.points)} points"),
                *(badge(f"{counts[state]} {state}") for state in counts.index),
                badge(f"{sweep.points['seed'].nunique()} seeds"),
            ]
        ),
        *(notice(line) for line in _states(sweep)),
    ]
    sections = list(_sections(sweep, base, file_name))
    sections += [scenario_section(first.scenario, title="Scenario of the first point")]
    sections.append(versions_section(first.summary, title="Versions of the first point"))
    return render(f"{first.summary['name']}: sweep", introduction, sections)


def _with_paper_labels(sweep: SweepResult) -> SweepResult:
    papers = paper_labels_of_table(sweep.schemes)
    schemes, rounds = (
        table.assign(label=table["label"].astype(str).map(papers)) if len(table) else table
        for table in (sweep.schemes, sweep.rounds)
    )
    return replace(sweep, schemes=schemes, rounds=rounds)


def _states(sweep: SweepResult) -> Iterator[str]:
    missing = sweep.points[sweep.points["status"] != "finished"]
    if len(missing):
        yield (
            f"{len(missing)} of {len(sweep.points)} points are missing from the charts: they are pending or"
            " have failed. The table of points lists them."
        )
    diverged = num_diverged(sweep)
    if diverged:
        yield f"{diverged} of {len(sweep.schemes)} results diverged: they have no final accuracy."


def _sections(sweep: SweepResult, base: Path, file_name: str) -> Iterator[Section]:
    shown = [name for name in METRICS if name in sweep.schemes and (sweep.schemes[name] > 0).any()]
    panels = {axis_label(metric): metric_panels(sweep, metric) for metric in shown}
    lines = [line for metric in shown for line in metric_notes(sweep, metric)]
    text = (
        "Points are means over the seeds, with 95 % confidence intervals where there are two seeds or more."
    )
    yield Section("Results", [paragraph(text), tabs(panels), notes(list(dict.fromkeys(lines)))])
    curves = _curves_section(sweep)
    if curves is not None:
        yield curves
    compared = _comparison_section(sweep)
    if compared is not None:
        yield compared
    yield _points_section(sweep, base, file_name)


def _curves_section(sweep: SweepResult) -> Section | None:
    """Return the learning curves of each setting, with bands over its seeds; None if nothing was learnt."""
    if "test_accuracy" not in sweep.rounds or not sweep.rounds["test_accuracy"].notna().any():
        return None
    settings = (
        list(sweep.rounds.groupby(sweep.keys, sort=False, dropna=False))
        if sweep.keys
        else [((), sweep.rounds)]
    )
    panels = {}
    for values, rounds in settings[:_MAX_CURVES]:
        title = ", ".join(labelled_value(key, value) for key, value in zip(sweep.keys, values, strict=True))
        points = {str(label): curve_over_seeds(rows) for label, rows in rounds.groupby("label", sort=False)}
        points = {label: curve for label, curve in points.items() if len(curve)}
        first = rounds.drop_duplicates("label").astype({"label": str, "scheme": str})
        schemes = dict(zip(first["label"], first["scheme"], strict=True))
        if points:
            panels[title or "all points"] = accuracy_charts(points, curve_styles(schemes), None)
    if not panels:
        return None
    parts: list[Part] = [paragraph(BAND_OF_SEEDS), tabs(panels)]
    if len(settings) > _MAX_CURVES:
        parts.append(
            notes([f"the first {_MAX_CURVES} of {len(settings)} settings; the points have the others"])
        )
    return Section("Accuracy", parts)


def _comparison_section(sweep: SweepResult) -> Section | None:
    finished = int((sweep.points["status"] == "finished").sum())
    if not 0 < finished <= _MAX_COMPARED:
        return None
    runs = load_runs(sweep.folder)
    try:
        table = comparison(runs)
    except ContradictoryRunsError as error:
        return Section("Comparison", [notice(str(error))])
    return Section(
        "Comparison",
        [sortable_table(text_table(table), COMPARED_WORDS), notes(comparison_notes(table, runs))],
    )


def _points_section(sweep: SweepResult, base: Path, file_name: str) -> Section:
    """Return the table of the points, with links to their pages, and the errors of those that failed."""
    points = sweep.points
    table = pd.DataFrame({"point": points["point"].astype(str), "state": points["status"].astype(str)})
    for key in sweep.keys:
        table[axis_label(key)] = [value_text(value) for value in points[key]]
    table["seed"] = points["seed"].astype(str)
    links = []
    for point in points["point"].astype(str):
        page = sweep.folder.absolute() / point / file_name
        links.append(os.path.relpath(page, base) if page.is_file() else "")
    words = ["point", "state", *(axis_label(key) for key in sweep.keys if _is_text(points[key]))]
    parts: list[Part] = [sortable_table(table, words, {"point": links})]
    lines = ["a click on a heading sorts the table, a click on a point opens its page"]
    if not all(links):
        lines.append(
            "points without a link have no page: cutlayer report DIR --points writes those of all points"
        )
    parts.append(notes(lines))
    errors = points[points["error"].fillna("").astype(str) != ""]
    if len(errors):
        parts.append(Html("<h3>Failed points</h3>"))
        parts.append(notes([f"{row['point']}: {row['error']}" for row in errors.to_dict("records")]))
    return Section("Points", parts)


def _is_text(values: pd.Series[Any]) -> bool:
    return not pd.api.types.is_numeric_dtype(values)
