"""Sortable tables: numbers are sorted as numbers, whatever stands around them."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from cutlayer.analysis.report.page import Section, render
from cutlayer.analysis.report.tables import sort_value, sortable_table
from tests.support.report_pages import columns_of, objects_of


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("12.5", 12.5),
        ("> 2.81", 2.81),
        ("1.5–2.5", 1.5),
        ("+3.0 (1 to 5)", 3.0),
        ("−4", -4.0),
        ("2e-3", 0.002),
    ],
)
def test_a_cell_is_sorted_by_its_first_number(cell: str, number: float) -> None:
    """Brackets, intervals and signs do not change the order."""
    assert number == sort_value(cell)


def test_a_cell_without_a_number_has_no_place() -> None:
    """A dash is no number."""
    assert math.isnan(sort_value("–"))


def test_columns_keep_their_texts() -> None:
    """The shown text is the cell; the sorted field of a text column is the text itself."""
    frame = pd.DataFrame({"scheme": ["psl", "<b>"], "round [s]": ["2.0", "> 10"]})
    page = render("t", [], [Section("P", [sortable_table(frame, ("scheme",))])])
    (columns,) = columns_of(page)
    assert ["psl", "<b>"] == columns["text0"] == columns["sort0"]
    assert (["2.0", "> 10"], [2.0, 10.0]) == (columns["text1"], columns["sort1"])
    templates = [item["template"] for item in objects_of(page, "HTMLTemplateFormatter")]
    assert all("<%- text" in template for template in templates)


def test_cells_link_where_there_is_an_address() -> None:
    """A cell without an address is plain text."""
    frame = pd.DataFrame({"point": ["a", "b"]})
    page = render(
        "t", [], [Section("P", [sortable_table(frame, ("point",), {"point": ["a/report.html", ""]})])]
    )
    (columns,) = columns_of(page)
    assert ["a/report.html", ""] == columns["link0"]
