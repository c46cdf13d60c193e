"""The page of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ..comparison.display import text_table
from ..comparison.report import notes as comparison_notes
from ..comparison.table import comparison
from ..explain.explanation import Explanation
from ..explain.path_rows import path_rows
from ..figures.gantt_marks import panel_marks
from ..figures.gantt_rows import gantt_panels
from ..figures.visible_rows import MAX_BARS, plotted_events, plotted_intervals
from ..results.run import Run
from .charts import curve_styles
from .curves import BAND_OF_CLIENTS, accuracy_charts, curve_of_run
from .gantt_chart import gantt_chart
from .html import badge, joined, notes, notice, paragraph
from .page import Section, render
from .plan_sections import network_section, plan_section
from .scenario_sections import scenario_section, versions_section
from .tables import sortable_table
from .time_sections import bottleneck_section, energy_section, latency_section, node_section

__all__ = ["COMPARED_WORDS", "run_page", "states"]

COMPARED_WORDS = ("experiment", "scheme")
"""The columns of the comparison that are texts."""
_DEFAULT_ROUNDS = 3
_EXPLAINED_ACTIVITIES = 20_000


def run_page(run: Run, rounds: tuple[int, int] | None = None) -> str:
    """Return the page of a run as HTML.

    Parameters
    ----------
    run : Run
        A finished run.
    rounds : (first, last), optional
        The rounds of the Gantt chart. By default the first three, or fewer if they have too many intervals.

    Raises
    ------
    ValueError
        If the run has none of the rounds.
    """
    summary = run.summary
    introduction = [
        joined(
            badge(content)
            for content in (
                f"seed {summary['seed']}",
                f"{len(summary['schemes'])} schemes",
                f"{int(run.rounds['round'].max()) if len(run.rounds) else 0} rounds",
                "with learning" if _learns(run) else "timeline only, without learning",
            )
        ),
        *(notice(line) for line in states(run)),
    ]
    return render(str(summary["name"]), introduction, list(_sections(run, rounds)))


def states(run: Run) -> Iterator[str]:
    """Yield a line for each thing that a reader must know of the run: failures, divergence, an interrupt."""
    if run.interrupted:
        yield "The run was interrupted. Its results are of the finished rounds."
    for label, error in run.failed.items():
        finished = run.summary["schemes"][label]["rounds"]
        yield f"{run.paper_labels[label]} failed after round {finished}: {error}"
    for label, figures in run.summary["schemes"].items():
        number = figures.get("diverged_in_round")
        if number is not None:
            yield f"{run.paper_labels[label]} diverged in round {number}: its model is not finite."
    if run.is_record_lost:
        yield "The intervals of the run are lost: there is no Gantt chart and no breakdown of the time."


def _learns(run: Run) -> bool:
    return bool(run.rounds["train_loss"].notna().any() or run.rounds["diverged"].any())


def _sections(run: Run, rounds: tuple[int, int] | None) -> Iterator[Section]:
    table = comparison([run])
    yield Section(
        "Comparison",
        [
            sortable_table(text_table(table), COMPARED_WORDS),
            notes(
                [
                    "a click on a heading sorts the table; scroll sideways for more columns",
                    *comparison_notes(table, [run]),
                ]
            ),
        ],
    )
    yield _learning_section(run)
    if len(run.rounds) and not run.recorded.lost:
        explanation = run.explain() if _is_short(run) else _sampled_explanation(run)
        yield latency_section(run, explanation)
        yield _gantt_section(run, rounds)
        yield node_section(run)
        yield bottleneck_section(explanation)
    energy = energy_section(run)
    if energy is not None:
        yield energy
    yield plan_section(run)
    network = network_section(run)
    if network is not None:
        yield network
    yield scenario_section(run.scenario)
    yield versions_section(run.summary)


def _is_short(run: Run) -> bool:
    return float(run.stages["intervals"].sum()) <= _EXPLAINED_ACTIVITIES


def _sampled_explanation(run: Run) -> Explanation:
    """Return an explanation of evenly spaced rounds of a long run."""
    from ..explain.explanation import explain_run

    return explain_run(run, max_activities=_EXPLAINED_ACTIVITIES // max(1, len(run.summary["schemes"])))


def _learning_section(run: Run) -> Section:
    if not _learns(run):
        text = "The scenario has no section learning: it gives timelines alone, and no accuracy."
        return Section("Accuracy", [paragraph(text)])
    labels = {label: run.rounds[run.rounds["label"].astype(str) == label] for label in run.summary["schemes"]}
    curves = {run.shown_label(label): curve_of_run(rows) for label, rows in labels.items()}
    empty = [label for label, points in curves.items() if points.empty]
    curves = {label: points for label, points in curves.items() if len(points)}
    if not curves:
        return Section("Accuracy", [paragraph("No round was evaluated: no scheme has an accuracy.")])
    schemes = {
        run.shown_label(label): str(figures["scheme"]) for label, figures in run.summary["schemes"].items()
    }
    lines = [f"{label}: no round was evaluated" for label in empty]
    target = run.summary["target_accuracy"]
    if target is not None:
        lines.append(f"dashed line: target of {100 * target:g} %")
    lines.append("a click on the legend hides a curve")
    chart = accuracy_charts(curves, curve_styles(schemes), target)
    return Section("Accuracy", [paragraph(BAND_OF_CLIENTS), chart, notes(lines)])


def _gantt_section(run: Run, rounds: tuple[int, int] | None) -> Section:
    first_last = rounds or (1, _fitting_rounds(run))
    intervals = plotted_intervals(run, first_last)
    events = plotted_events(run, intervals)
    panels = gantt_panels(intervals, first_last, None)
    on_path = path_rows(run, intervals, events, first_last)
    shown = {
        run.shown_label(panel.label): (
            panel,
            panel_marks(panel, events[events["label"] == panel.label], on_path),
        )
        for panel in panels
        if len(panel.bars)
    }
    cuts = {run.shown_label(panel.label): _cuts(run, panel.label) for panel in panels}
    last = int(run.rounds["round"].max())
    window = (
        f"round {first_last[0]}"
        if first_last[0] == first_last[1]
        else f"rounds {first_last[0]} to {first_last[1]}"
    )
    text = (
        f"The chart shows {window} of {last}, at most about {MAX_BARS} activities a scheme; cutlayer report"
        " --rounds chooses others. Point at a bar for its values. Drag to move, hold Ctrl and turn the wheel"
        " to zoom, or draw a box with the second tool. A click on the legend hides a phase in all charts."
    )
    lines = ["black outlines: the critical path, the activities that decided when the round ended"]
    if not len(run.events):
        lines.append("no slow-down, outage or other event happened in this run")
    return Section("Gantt chart", [paragraph(text), gantt_chart(shown, intervals, cuts), notes(lines)])


def _fitting_rounds(run: Run) -> int:
    """Return the number of first rounds to show: at most three, if no panel then has too many intervals."""
    rounds = run.recorded.first_rounds(MAX_BARS)
    counts = rounds.groupby(["label", "round"]).size().groupby("label").cumsum()
    too_many = counts[counts > MAX_BARS].index.get_level_values("round")
    last = int(run.rounds["round"].max())
    return max(1, min([_DEFAULT_ROUNDS, last, *(int(number) - 1 for number in too_many)]))


def _cuts(run: Run, label: str) -> dict[str, str]:
    """Return the cut of each device, and that of the server if all devices have the same."""
    devices = run.devices[run.devices["label"].astype(str) == label]
    cuts = {
        f"device-{int(device)}": str(cut)
        for device, cut in zip(devices["device"], devices["cut"], strict=True)
        if not pd.isna(cut) and str(cut)
    }
    if len(set(cuts.values())) == 1:
        cuts["server"] = next(iter(cuts.values()))
    return cuts
