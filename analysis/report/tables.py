"""Tables that can be sorted by a click on the heading of a column."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd
from bokeh.models import (
    CDSView,
    ColumnDataSource,
    DataTable,
    HTMLTemplateFormatter,
    InlineStyleSheet,
    TableColumn,
)

from .bar_charts import GROUP, group_view

__all__ = ["sort_value", "sortable_table"]

_NUMBER = re.compile(r"[-+−]?\d+(?:\.\d*)?(?:e[-+]?\d+)?", re.IGNORECASE)
_ROW_PX, _HEADER_PX, _MAX_ROWS = 26, 30, 20
_CHARACTER_PX, _HEADING_PX, _PADDING_PX = 7.0, 7.0, 20


def sort_value(cell: str) -> float:
    """Return the number by which a cell is sorted: the first number in it, or NaN without one."""
    match = _NUMBER.search(cell)
    return float(match[0].replace("−", "-")) if match else float("nan")


def sortable_table(
    table: pd.DataFrame,
    text_columns: Sequence[str] = (),
    links: Mapping[str, Sequence[str]] | None = None,
    groups: Sequence[str] = (),
) -> DataTable:
    """Return a table of texts. A column of numbers is sorted by them, although its cells are texts.

    Parameters
    ----------
    table : DataFrame
        The cells, as texts.
    text_columns : sequence of str, optional
        The columns that are sorted as texts.
    links : mapping of str to sequence of str, optional
        For a column, the relative address that each of its cells links to; empty for no link.
    groups : sequence of str, optional
        The scheme of each row, if the table shows one scheme at a time.
    """
    data: dict[str, list[object]] = {GROUP: list(groups)} if groups else {}
    num_rows = max(Counter(groups).values()) if groups else len(table)
    columns = []
    for number, name in enumerate(table.columns):
        cells = [str(cell) for cell in table[name]]
        data[f"text{number}"] = list(cells)
        is_text = name in text_columns
        data[f"sort{number}"] = list(cells) if is_text else [sort_value(cell) for cell in cells]
        template = f"<%- text{number} %>"
        if links and name in links:
            data[f"link{number}"] = list(links[name])
            anchor = f'<a href="<%- link{number} %>">{template}</a>'
            template = f"<% if (link{number}) {{ %>{anchor}<% }} else {{ %>{template}<% }} %>"
        align = "left" if is_text else "right"
        longest_px = max([_HEADING_PX * len(name), *(_CHARACTER_PX * len(cell) for cell in cells)])
        columns.append(
            TableColumn(
                field=f"sort{number}",
                title=html.escape(name),
                width=round(_PADDING_PX + longest_px),
                formatter=HTMLTemplateFormatter(
                    template=f'<div style="text-align: {align}">{template}</div>'
                ),
            )
        )
    return DataTable(
        source=ColumnDataSource(data),
        columns=columns,
        view=group_view(groups[0]) if groups else CDSView(),
        index_position=None,
        selectable=False,
        reorderable=False,
        autosize_mode="none",
        row_height=_ROW_PX,
        height=_HEADER_PX + _ROW_PX * min(num_rows, _MAX_ROWS) + 18,
        sizing_mode="stretch_width",
        stylesheets=[InlineStyleSheet(css=_STYLE + _left_headings(table, text_columns))],
    )


_STYLE = """
.slick-cell, .slick-header-column { font-size: 12px !important; font-family: system-ui, Arial, sans-serif; }
.slick-header-column { font-weight: 600; text-align: right; }
"""


def _left_headings(table: pd.DataFrame, text_columns: Sequence[str]) -> str:
    """Return the style of the headings above columns of texts."""
    numbers = [number for number, name in enumerate(table.columns, 1) if name in text_columns]
    return "".join(f".slick-header-column:nth-child({number}) {{ text-align: left; }}" for number in numbers)
