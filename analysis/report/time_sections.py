"""Where time and energy go: the latency of a round by phase, the time of each node, overlap, and energy."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from bokeh.models import UIElement

from ..explain.explanation import Explanation
from ..explain.text import text_tables
from ..figures.gantt_rows import WAITING
from ..figures.palette import WAITING_COLOUR, phase_colours
from ..figures.style import node_label, phase_label, time_unit
from ..results.run import Run
from ..timeline.breakdown import BUSY
from ..timeline.idle_causes import IdleCause
from ..timeline.overlap import ALL_NODES
from .bar_charts import stacked_bars
from .html import Html, folded, notes, paragraph, table
from .page import Part, Section

__all__ = ["bottleneck_section", "energy_section", "latency_section", "node_section"]

_MAX_NODES = 60
_MOST_OPEN_ROWS = 12
_MAX_INTERVALS = 400_000
"""Above this number of intervals, the time of nodes covers only the first rounds."""
_IDLE = "idle: "
_IDLE_COLOURS = {
    IdleCause.OFFLINE: "#555555",
    IdleCause.OUTAGE: "#B8A6D9",
    IdleCause.FAILURE: "#8C6D6D",
    IdleCause.QUEUE: "#C9B98F",
    IdleCause.SERVER: "#BFD3C1",
    IdleCause.CLIENTS: "#D3DCE6",
    IdleCause.NOTHING: "#F2F2F2",
}
_IDLE_NAMES = {
    IdleCause.OFFLINE: "Idle: offline",
    IdleCause.OUTAGE: "Idle: link outage",
    IdleCause.FAILURE: "Idle: server failed",
    IdleCause.QUEUE: "Idle: in a queue",
    IdleCause.SERVER: "Idle: server works",
    IdleCause.CLIENTS: "Idle: other clients",
    IdleCause.NOTHING: "Idle: nothing active",
}


def latency_section(run: Run, explanation: Explanation) -> Section:
    """Return the mean time of a round by phase, along the critical path, for each scheme."""
    explained = explanation.rounds.set_index("label")["explained"]
    times_s = explanation.blame.pivot_table(
        index="label", columns="phase", values="time_s", aggfunc="sum", fill_value=0.0, sort=False
    )
    per_round = times_s.div(explained.reindex(times_s.index), axis=0)
    text = (
        "A bar is the mean time of a round. Its parts are the phases on the critical path: the activities"
        " that decided when the round ended. A part that is waiting is time in which the round depended on no"
        " activity, for example on a deadline or an outage."
    )
    return Section("Latency by phase", [paragraph(text), _phases(_shown(run, per_round), "round")])


def node_section(run: Run) -> Section:
    """Return the time of each node in a round: busy by phase and idle by cause, for each scheme."""
    last, whole = _counted_rounds(run)
    times = run.breakdown((1, last))
    tables = {
        run.shown_label(str(label)): _node_bars(rows) for label, rows in times.groupby("label", sort=False)
    }
    overlap = _overlap_table(run.overlap((1, last)), run)
    counted = "all rounds" if last >= whole else f"rounds 1 to {last} of {whole}"
    text = (
        f"A bar is the mean time of a round for one node, over {counted}. Colours are phases, greys and pale"
        " colours are idle time by its cause. Where a node computes and communicates at once, its bar is"
        " longer than the round."
    )
    parts: list[Part] = [
        paragraph(text),
        _stacked_nodes(tables),
        Html("<h3>Overlap of computation and communication</h3>"),
    ]
    parts += [
        overlap,
        notes(
            [
                "any node counts: time for which some node computes, for which some node sends or receives,"
                " and for which both happen at once"
            ]
        ),
    ]
    return Section("Time by node", parts)


def energy_section(run: Run) -> Section | None:
    """Return the energy of a round by phase for each scheme; None if no energy is recorded."""
    stages = run.stages.assign(label=run.stages["label"].astype(str))
    energy_j = stages.pivot_table(
        index="label", columns="phase", values="energy_j", aggfunc="sum", fill_value=0.0, sort=False
    )
    rounds = {label: figures["rounds"] for label, figures in run.summary["schemes"].items()}
    per_round = energy_j.div(pd.Series(rounds).reindex(energy_j.index), axis=0)
    per_round = per_round.loc[:, (per_round > 0).any()]
    if per_round.empty:
        return None
    text = (
        "A bar is the mean energy of a round, of all nodes together: computation, transfers, and, where a"
        " device has a power for them, reception and idle time."
    )
    shown = _shown(run, per_round)
    chart = stacked_bars({"": shown}, _colours(shown), _names(shown), "Energy of a round [J]", "J")
    return Section("Energy", [paragraph(text), chart])


def bottleneck_section(explanation: Explanation) -> Section:
    """Return the lines that name the bottlenecks, and the tables of the explanation."""
    words = ("scheme", "node", "phase", "kind", "begins", "causes")
    parts: list[Part] = [notes(explanation.bottlenecks)]
    for title, shown in text_tables(explanation).items():
        heading = f"{title[:1].upper()}{title[1:]}"
        if len(shown) > _MOST_OPEN_ROWS:
            parts.append(folded(heading, table(shown, words)))
        else:
            parts += [Html(f"<h3>{heading}</h3>"), table(shown, words)]
    if (explanation.rounds["explained"] < explanation.rounds["rounds"]).any():
        parts.append(notes(["blame and slack are of evenly spaced rounds, percentiles of all rounds"]))
    return Section("Bottlenecks", parts)


def _phases(per_round_s: pd.DataFrame, what: str) -> UIElement:
    unit = time_unit(float(per_round_s.sum(axis=1).max()))
    label = f"Time of a {what} [{unit.symbol}]"
    groups = {"": per_round_s / unit.seconds}
    return stacked_bars(groups, _colours(per_round_s), _names(per_round_s), label, unit.symbol)


def _shown(run: Run, table_of_labels: pd.DataFrame) -> pd.DataFrame:
    """Return a table by label in the order of the schemes, with phases in the order of the palette."""
    phases = phase_colours(str(phase) for phase in table_of_labels.columns)
    ordered = table_of_labels.reindex(
        [label for label in run.summary["schemes"] if label in table_of_labels.index]
    )
    return ordered[list(phases)].rename(index=run.shown_label)


def _colours(columns: pd.DataFrame) -> Mapping[str, str]:
    colours = phase_colours(str(name) for name in columns.columns)
    special = {WAITING: WAITING_COLOUR, "idle": WAITING_COLOUR, "receive": "#9E9AC8"}
    return {**colours, **{name: colour for name, colour in special.items() if name in colours}}


def _names(columns: pd.DataFrame) -> Mapping[str, str]:
    return {str(name): phase_label(str(name)) for name in columns.columns}


def _counted_rounds(run: Run) -> tuple[int, int]:
    """Return the last round to count, and the last of all rounds."""
    whole = int(run.rounds["round"].max())
    active = float(run.stages["intervals"].sum())
    return max(1, min(whole, int(whole * _MAX_INTERVALS / max(1.0, active)))), whole


def _node_bars(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the mean times of a round, one row a node and one column a phase or a cause of idle time.

    A node counts as idle while its processor is idle and none of its other lanes is busy.
    """
    rows = rows[~rows["node"].str.contains(">")]
    computing = set(rows.loc[rows["lane"] == "compute", "node"])
    busy = rows[rows["state"] == BUSY]
    idle = rows[(rows["state"] != BUSY) & (rows["activity"] != IdleCause.OTHER_LANE)]
    idle = idle[(idle["lane"] == "compute") | ~idle["node"].isin(computing)]
    both = pd.concat([busy, idle.assign(activity=_IDLE + idle["activity"])])
    return both.pivot_table(
        index="node", columns="activity", values="time_per_round_s", aggfunc="sum", fill_value=0.0, sort=False
    )


def _stacked_nodes(tables: Mapping[str, pd.DataFrame]) -> UIElement:
    """Return the bars of the nodes of each scheme, of at most 60 nodes."""
    kept = {
        label: times_s.loc[sorted(times_s.index, key=_node_order)[:_MAX_NODES]]
        for label, times_s in tables.items()
    }
    columns = list(dict.fromkeys(name for times_s in kept.values() for name in times_s.columns))
    phases = phase_colours(name for name in columns if not name.startswith(_IDLE))
    causes = [cause for cause in _IDLE_COLOURS if _IDLE + cause in columns]
    colours = {**phases, **{_IDLE + cause: _IDLE_COLOURS[cause] for cause in causes}}
    names = {
        **{phase: phase_label(phase) for phase in phases},
        **{_IDLE + cause: _IDLE_NAMES[cause] for cause in causes},
    }
    unit = time_unit(max(float(times_s.sum(axis=1).max()) for times_s in kept.values()))
    shown = {label: times_s.rename(index=node_label) / unit.seconds for label, times_s in kept.items()}
    label = f"Time of a round [{unit.symbol}]"
    if any(len(kept[name]) < len(tables[name]) for name in tables):
        label += f"; the first {_MAX_NODES} nodes"
    return stacked_bars(shown, colours, names, label, unit.symbol)


def _node_order(node: str) -> tuple[bool, str, int]:
    stem, _, number = node.rpartition("-")
    return (node.startswith("device-"), stem or node, int(number) if number.isdigit() else -1)


def _overlap_table(overlap: pd.DataFrame, run: Run) -> Html:
    rows = overlap[overlap["node"] == ALL_NODES]
    unit = time_unit(float(rows[["compute_s", "communication_s"]].max().max()))
    shown = pd.DataFrame({"scheme": [run.shown_label(label) for label in rows["label"]]})
    for column, name in (
        ("compute_s", "computation"),
        ("communication_s", "communication"),
        ("overlap_s", "both at once"),
    ):
        shown[f"{name} [{unit.symbol}]"] = [f"{value / unit.seconds:.4g}" for value in rows[column]]
    shown["overlap of the shorter [%]"] = [
        "–" if pd.isna(share) else f"{100 * share:.1f}" for share in rows["share_of_shorter"]
    ]
    return table(shown, ("scheme",))
