"""The site's tables say what the charts of the pages say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _docs() -> Iterator[None]:
    """Let the tests import the module that makes the tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        patch.delitem(sys.modules, "chart_tables", raising=False)
        yield


def test_a_flow_chart_becomes_a_table_of_folders() -> None:
    """A row is a folder with its content and the folders that its arrows lead to."""
    from chart_tables import with_tables

    chart = '```mermaid\nflowchart TD\n    a_b["a/b<br>tables"]\n    c["c<br>files"]\n    a_b --> c\n```'
    rows = ["| folder | content | imports from |", "| --- | --- | --- |"]
    rows += ["| `a/b` | tables | `c` |", "| `c` | files |  |"]
    assert f"Before\n{chr(10).join(rows)}\nAfter" == with_tables(f"Before\n{chart}\nAfter")


def test_a_sequence_becomes_a_table_of_messages() -> None:
    """A row is a message, or a note of one participant."""
    from chart_tables import with_tables

    lines = [
        "participant A as client<br>(a.py)",
        "participant B as server",
        "A->>B: send",
        "Note over B: work",
    ]
    chart = (
        "```mermaid\nsequenceDiagram\n"
        + "".join(f"    {line}\n" for line in lines)
        + "    B-->>A: answer\n```"
    )
    expected = ["| client | server | send |", "| server |  | work |", "| server | client | answer |"]
    assert expected == with_tables(chart).splitlines()[2:]


def test_no_line_of_a_chart_is_lost() -> None:
    """A line that has no row raises an error, so that the site cannot leave it out."""
    from chart_tables import with_tables

    with pytest.raises(ValueError, match="1 of 1 lines of a chart have no row"):
        with_tables("```mermaid\nflowchart TD\n    a -.-> b\n```")


def test_the_charts_of_the_pages_become_tables() -> None:
    """No page of the site shows the text of a chart."""
    from chart_tables import with_tables

    for page in (ROOT / "docs").rglob("*.md"):
        assert "```mermaid" not in with_tables(page.read_text(encoding="utf-8")), page.name
