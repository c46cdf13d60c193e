"""The explanation of a run as text: rounded numbers, percentages, units in headings."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from ..figures.style import time_unit
from .causes import Cause
from .explanation import Explanation
from .segments import NO_NODE

__all__ = [
    "bottleneck",
    "notes",
    "report",
    "rich_tables",
    "savings_notes",
    "savings_table",
    "savings_text",
    "text_tables",
]

_NAMES = {
    Cause.PLANNED_SPEED: "planned speed",
    Cause.SLOW: "slow state",
    Cause.NOISE: "compute noise",
    Cause.FADE: "fade",
    Cause.SHARING: "shared band",
    Cause.QUEUE: "queue",
    Cause.RETRY: "retry",
    Cause.OUTAGE: "outage",
    Cause.OFFLINE: "offline",
    Cause.FAILURE: "server failure",
    Cause.DELAY: "delay of wires",
    Cause.DEADLINE: "deadline",
    Cause.OTHER: "other",
}
_MOST_ROWS = 8
"""Rows of a scheme in the table of blame."""
_MOST_DEVICES = 20
"""Devices of a scheme in the table of slack."""
_NAMED_CAUSE = 0.005
"""Share of the time from which on a bottleneck's cause is named."""


def bottleneck(explanation: Explanation, label: str) -> str:
    """Return a line that names the node that held up most of a scheme's time, with its phase and cause.

    Both percentages are shares of the time of all explained rounds.
    """
    blame = explanation.blame[explanation.blame["label"] == label]
    rounds = explanation.rounds.set_index("label").loc[label]
    total_s = float(blame["time_s"].sum())
    if not total_s:
        return f"{rounds.paper_label}: no round took any time"
    of_node = blame.groupby("node", sort=False)["time_s"].sum()
    node = str(of_node.idxmax())
    rows = blame[blame["node"] == node]
    reasons = [str(rows["phase"].iloc[0])]
    times_s = {cause: float(rows[f"{cause}_s"].sum()) for cause in Cause if cause is not Cause.PLANNED_SPEED}
    cause = max(times_s, key=lambda each: times_s[each])
    if times_s[cause] > _NAMED_CAUSE * total_s:
        reasons.append(f"{_NAMES[cause]} {_percent(times_s[cause] / total_s)} %")
    who = "waiting for no single node" if node == NO_NODE else node
    sampled = (
        ""
        if rounds.explained == rounds.rounds
        else f", judged by {rounds.explained:.0f} of {rounds.rounds:.0f} rounds"
    )
    share = _percent(float(of_node[node]) / total_s)
    return f"{rounds.paper_label}: {who} holds up {share} % of the time ({'; '.join(reasons)}){sampled}"


def report(explanation: Explanation) -> str:
    """Return all tables of an explanation as plain text, with its notes."""
    parts = [
        f"{title}\n{tabulate(table.values.tolist(), headers=list(table.columns), disable_numparse=True)}"
        for title, table in text_tables(explanation).items()
    ]
    return "\n\n".join([*parts, "\n".join(notes(explanation))])


def notes(explanation: Explanation) -> list[str]:
    """Return the bottlenecks, and notes on the tables."""
    lines = [*explanation.bottlenecks]
    if explanation.rounds["explained"].between(2, explanation.rounds["rounds"] - 1).any():
        lines.append("explained: evenly spaced rounds; percentiles are of all rounds")
    if (explanation.rounds["plan_for"] != "nominal").any():
        lines.append(
            "plans reckon with slow states, so blame shows less than their whole cost; --what-if shows it"
        )
    if len(explanation.path["round"].unique()) > 1:
        lengths_s = explanation.path.groupby(["label", "round"], sort=False)["duration_s"].sum().reset_index()
        longest = lengths_s.iloc[int(lengths_s["duration_s"].argmax())]
        scheme = _paper_labels(explanation)[longest["label"]]
        lines.append(f"--round {longest['round']} shows the path of the longest round, of {scheme}")
    return lines


def text_tables(explanation: Explanation) -> dict[str, pd.DataFrame]:
    """Return the tables of an explanation as text, by title; the path only of a single round."""
    tables = {"round times": _times(explanation.rounds), "blame, % of the time": _blame(explanation)}
    if len(explanation.path["round"].unique()) == 1:
        number = explanation.path["round"].iloc[0]
        tables[f"critical path of round {number}"] = _path(explanation.path)
    tables["slack"] = _slack(explanation)
    schemes = _paper_labels(explanation)
    return {
        title: table.assign(scheme=table["scheme"].map(schemes))
        for title, table in tables.items()
        if len(table)
    }


def _paper_labels(explanation: Explanation) -> dict[str, str]:
    return dict(zip(explanation.rounds["label"], explanation.rounds["paper_label"], strict=True))


def rich_tables(explanation: Explanation) -> list[Table]:
    """Return the tables of an explanation for the terminal."""
    return [_rich(title, shown) for title, shown in text_tables(explanation).items()]


def savings_table(savings: pd.DataFrame) -> Table:
    """Return the savings of changes for the terminal."""
    return _rich("what a change saves in a round", savings_text(savings))


def savings_text(savings: pd.DataFrame) -> pd.DataFrame:
    """Return the savings of changes as text; those that are not possible are in the notes."""
    possible = savings[savings["problem"] == ""]
    unit = time_unit(float(possible["mean_s"].max()) if len(possible) else 1.0)
    shown = possible[["paper_label", "change"]].rename(columns={"paper_label": "scheme"}).astype(str)
    shown["rounds"] = [f"{x:.0f}" for x in possible["rounds"]]
    shown[f"mean round [{unit.symbol}]"] = [_number(x / unit.seconds) for x in possible["mean_s"]]
    shown[f"saving [{unit.symbol}]"] = [_number(x / unit.seconds) for x in possible["saving_s"]]
    ends = zip(possible["saving_low_s"], possible["saving_high_s"], strict=True)
    shown[f"95 % [{unit.symbol}]"] = [
        "–" if pd.isna(low) else f"{_number(low / unit.seconds)} to {_number(high / unit.seconds)}"
        for low, high in ends
    ]
    shown["saving [%]"] = [f"{x:.1f}" for x in possible["saving_percent"]]
    if (possible["participants"] != possible["participants_before"]).any():
        counts = zip(possible["participants_before"], possible["participants"], strict=True)
        shown["clients"] = [f"{before:.3g} → {after:.3g}" for before, after in counts]
    return shown


def savings_notes(savings: pd.DataFrame) -> list[str]:
    """Return notes on the savings: their meaning, and changes that are not possible."""
    lines = [
        "all changes use the same random numbers and new plans;"
        " round k with a change is compared with round k without it",
        "95 %: confidence interval over batches of successive rounds; it holds for this seed only",
    ]
    if (savings["participants"] < savings["participants_before"]).any():
        lines.append("clients: mean number of clients in a round; a round with fewer clients trains less")
    for row in savings[savings["problem"] != ""].to_dict("records"):
        lines.append(f"{row['paper_label']}: {row['change']}: {row['problem']}")
    return lines


def _rich(title: str, shown: pd.DataFrame) -> Table:
    table = Table(title=Text(title), box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in shown.columns:
        is_text = name in ("scheme", "node", "phase", "kind", "begins", "causes", "change")
        table.add_column(Text(name), justify="left" if is_text else "right", no_wrap=True)
    for row in shown.itertuples(index=False):
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def _times(rounds: pd.DataFrame) -> pd.DataFrame:
    columns = {"planned_s": "planned", "mean_s": "mean", "p50_s": "p50", "p95_s": "p95", "p99_s": "p99"}
    unit = time_unit(float(rounds["p99_s"].max()))
    shown = pd.DataFrame({"scheme": rounds["label"].astype(str), "rounds": rounds["rounds"].astype(str)})
    if (rounds["explained"] < rounds["rounds"]).any():
        shown["explained"] = rounds["explained"].astype(str)
    for column, name in columns.items():
        shown[f"{name} [{unit.symbol}]"] = [_number(value / unit.seconds) for value in rounds[column]]
    shown["mean/planned"] = ["–" if pd.isna(x) else f"{x:.2f}" for x in rounds["measured_over_planned"]]
    return shown


def _blame(explanation: Explanation) -> pd.DataFrame:
    tables = []
    for label in explanation.rounds["label"]:
        blame = explanation.blame[explanation.blame["label"] == label]
        total_s = float(blame["time_s"].sum())
        if not total_s:
            continue
        top, rest = blame.iloc[:_MOST_ROWS], blame.iloc[_MOST_ROWS:]
        names = [
            ("-" if node == NO_NODE else node, phase)
            for node, phase in zip(top["node"], top["phase"], strict=True)
        ]
        numbers = top.drop(columns=["label", "node", "phase", "share"])
        if len(rest):
            numbers = pd.concat([numbers, rest[numbers.columns].sum().to_frame().T])
            names.append((f"{len(rest)} others", ""))
        shares = (numbers / total_s).reset_index(drop=True)
        shares.insert(0, "scheme", label)
        shares.insert(1, "node", [node for node, _ in names])
        shares.insert(2, "phase", [phase for _, phase in names])
        tables.append(shares)
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, ignore_index=True)
    shown: pd.DataFrame = table[["scheme", "node", "phase"]].copy()
    shown["all"] = [_percent(x) for x in table["time_s"]]
    for cause, name in _NAMES.items():
        column = table[f"{cause}_s"]
        if (column > _NAMED_CAUSE).any():
            shown[name] = ["" if x < _NAMED_CAUSE / 10 else _percent(x) for x in column]
    return shown


def _path(path: pd.DataFrame) -> pd.DataFrame:
    unit = time_unit(float((path["end_s"] - path["start_s"].min()).max()))
    first_s = path.groupby("label")["start_s"].transform("min")
    shown = pd.DataFrame({"scheme": path["label"].astype(str)})
    shown["kind"], shown["begins"] = path["kind"], path["begins"]
    shown["node"] = [
        node if client < 0 or node == f"device-{client}" else f"{node} for device-{client}"
        for node, client in zip(path["node"], path["client"], strict=True)
    ]
    shown["phase"] = path["phase"]
    shown[f"from [{unit.symbol}]"] = [_number(x / unit.seconds) for x in path["start_s"] - first_s]
    shown[f"to [{unit.symbol}]"] = [_number(x / unit.seconds) for x in path["end_s"] - first_s]
    shown[f"for [{unit.symbol}]"] = [_number(x / unit.seconds) for x in path["duration_s"]]
    shown["causes"] = [_causes(row) for row in path.to_dict("records")]
    return shown


def _causes(row: Mapping[Hashable, Any]) -> str:
    """Return the causes of a segment besides the planned speed, with their shares of its time."""
    times_s = {name: row[f"{cause}_s"] for cause, name in _NAMES.items() if cause is not Cause.PLANNED_SPEED}
    named = {name: time_s / row["duration_s"] for name, time_s in times_s.items() if time_s > 0}
    return ", ".join(f"{name} {_percent(share)} %" for name, share in named.items())


def _slack(explanation: Explanation) -> pd.DataFrame:
    """Return one row a scheme and device, those with most blame first."""
    slack = explanation.slack
    if not len(slack):
        return pd.DataFrame()
    unit = time_unit(float(explanation.rounds["p99_s"].max()))
    idle = explanation.idle.set_index(["label", "node"])["idle_share"]
    blame = explanation.blame.groupby(["label", "node"])["share"].sum()
    rows: list[dict[str, str]] = []
    for label, of_label in slack.groupby("label", sort=False):
        by_device = of_label.groupby("device")["slack_s"]
        table = pd.DataFrame({"mean_s": by_device.mean()})
        table["held"] = (of_label["slack_s"] == 0).groupby(of_label["device"]).mean()
        names = [f"device-{device}" for device in table.index]
        table["blame"] = blame.reindex([(label, name) for name in names]).fillna(0.0).to_numpy()
        table["idle"] = idle.reindex([(label, name) for name in names]).to_numpy()
        first = table.sort_values("blame", ascending=False, kind="stable").iloc[:_MOST_DEVICES]
        rows += [
            {
                "scheme": str(label),
                "node": f"device-{device}",
                "blame [%]": _percent(share),
                "rounds held up [%]": _percent(held),
                f"mean slack [{unit.symbol}]": _number(mean_s / unit.seconds),
                "idle [%]": _percent(idle_share),
            }
            for device, share, held, mean_s, idle_share in zip(
                first.index.tolist(),
                *(first[name].tolist() for name in ("blame", "held", "mean_s", "idle")),
                strict=True,
            )
        ]
        if len(table) > len(first):
            rows.append({"scheme": str(label), "node": f"{len(table) - len(first)} more"})
    return pd.DataFrame(rows).fillna("")


def _percent(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:.1f}" if share < 0.0995 else f"{100 * share:.0f}"


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.4g}"
