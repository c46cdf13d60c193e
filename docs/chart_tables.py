"""Charts of the language mermaid as tables. Code hosts draw the charts, and the site shows the tables."""

from __future__ import annotations

import re

__all__ = ["with_tables"]

_CHART = re.compile(r"^```mermaid\n(flowchart TD|sequenceDiagram)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NODE = re.compile(r'^\s*(\w+)\["(.*)<br>(.*)"\]$', re.MULTILINE)
_ARROW = re.compile(r"^\s*(\w+) --> (\w+)$", re.MULTILINE)
_PARTICIPANT = re.compile(r"^\s*participant (\w+) as (.*)$", re.MULTILINE)
_STEP = re.compile(r"^\s*(?:(\w+)--?>>(\w+)|Note over (\w+)): (.*)$", re.MULTILINE)


def with_tables(page: str) -> str:
    """Return a page with a table in the place of each chart.

    Raises
    ------
    ValueError
        If a chart has a line that no table would show.
    """
    return _CHART.sub(lambda match: _TABLES[match[1]](match[2]), page)


def _folders(chart: str) -> str:
    """Return the table of a flow chart: each folder, its content, and the folders that it imports from."""
    nodes = {name: (folder, text) for name, folder, text in _NODE.findall(chart)}
    arrows = _ARROW.findall(chart)
    _check(chart, len(nodes) + len(arrows))
    lines = ["| folder | content | imports from |", "| --- | --- | --- |"]
    for name, (folder, text) in nodes.items():
        targets = ", ".join(f"`{nodes[end][0]}`" for start, end in arrows if start == name)
        lines.append(f"| `{folder}` | {text} | {targets} |")
    return "\n".join(lines)


def _steps(chart: str) -> str:
    """Return the table of a sequence diagram: who calls whom in each step, and with which message."""
    names = {key: name.partition("<br>")[0] for key, name in _PARTICIPANT.findall(chart)}
    steps = _STEP.findall(chart)
    _check(chart, len(names) + len(steps))
    lines = ["| from | to | message |", "| --- | --- | --- |"]
    for start, end, alone, text in steps:
        message = text.replace("<br>", " ").replace("|", r"\|")
        lines.append(f"| {names[start or alone]} | {names.get(end, '')} | {message} |")
    return "\n".join(lines)


def _check(chart: str, shown: int) -> None:
    lines = [line for line in chart.splitlines() if line.strip()]
    if len(lines) != shown:
        raise ValueError(f"{len(lines) - shown} of {len(lines)} lines of a chart have no row in its table")


_TABLES = {"flowchart TD": _folders, "sequenceDiagram": _steps}
