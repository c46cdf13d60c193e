"""Tables in Markdown."""

from __future__ import annotations

import pandas as pd
from tabulate import tabulate

__all__ = ["markdown_table"]


def markdown_table(shown: pd.DataFrame, num_texts: int) -> str:
    """Return a table of texts in Markdown: names on the left, numbers on the right.

    Parameters
    ----------
    shown : DataFrame
        The table; every cell is a text.
    num_texts : int
        The number of columns, from the left, that hold names.
    """
    cells = shown.map(lambda cell: cell.replace("|", r"\|"))  # a bar would start another cell
    text: str = tabulate(
        cells.values.tolist(),
        headers=[str(name).replace("|", r"\|") for name in shown.columns],
        tablefmt="github",
        disable_numparse=True,
        colalign=["left"] * num_texts + ["right"] * (len(shown.columns) - num_texts),
    )
    return text
