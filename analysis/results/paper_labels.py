"""The labels of schemes as papers write them, which the summaries of runs record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

__all__ = ["paper_labels", "paper_labels_of_table"]


def paper_labels(recorded: Mapping[str, str | None]) -> dict[str, str]:
    """Return the text that stands for each label in figures, tables and reports.

    Parameters
    ----------
    recorded : mapping of str to str or None
        The recorded ``paper_label`` of each label; None in a run folder of an earlier version. If two labels
        have the same one, or none is recorded, the label itself is returned.
    """
    shown = {label: label if text is None else text for label, text in recorded.items()}
    while True:
        counts = Counter(shown.values())
        doubled = {label: label for label, text in shown.items() if counts[text] > 1 and text != label}
        if not doubled:
            return shown
        shown |= doubled  # labels are unique


def paper_labels_of_table(table: pd.DataFrame) -> dict[str, str]:
    """Return the text for each label of a table with the column ``label``, and perhaps ``paper_label``."""
    rows = table.drop_duplicates("label").set_index("label")
    if "paper_label" not in rows:
        return {str(label): str(label) for label in rows.index}
    texts = rows["paper_label"].items()
    return paper_labels({str(label): None if pd.isna(text) else str(text) for label, text in texts})
