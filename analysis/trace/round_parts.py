"""The intervals of a run in parts that hold whole rounds, so that a long run needs little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

__all__ = ["PIECE_ROWS", "Part", "whole_rounds"]

PIECE_ROWS = 2**13
"""Number of rows of the interval table that are read at once."""


@dataclass(frozen=True)
class Part:
    """Some rounds of a scheme.

    Attributes
    ----------
    label : str
        The scheme's label.
    rows : DataFrame
        All intervals of these rounds, with a unique index. An interval that appears after the end of its
        round's part comes with a later part.
    before : DataFrame
        The intervals of the round before them, which are in the previous part too.
    is_last : bool
        Whether the scheme has no further part.
    """

    label: str
    rows: pd.DataFrame
    before: pd.DataFrame
    is_last: bool


def whole_rounds(groups: Iterable[pd.DataFrame]) -> Iterator[Part]:
    """Yield the parts of each scheme, one for each piece of a row group that ends a round.

    A scheme's rows are in the order of their starts, so that the last round of a piece may go on in the next
    one. Compute nodes may finish a round's work in the next round, so that the one before may go on too.

    Parameters
    ----------
    groups : iterable of DataFrame
        The row groups of the table of intervals, those of a scheme one after the other.
    """
    label, kept, before, index = "", pd.DataFrame(), pd.DataFrame(), 0
    for piece in _pieces(groups):
        for name, rows in piece.groupby("label", sort=False, observed=True):
            if str(name) != label:
                if label:
                    yield Part(label, kept, before, is_last=True)
                label, kept, before = str(name), pd.DataFrame(), pd.DataFrame()
            rows = rows.astype(dict.fromkeys(("label", "node", "lane", "phase"), "str"))
            rows = rows.set_axis(pd.RangeIndex(index, index + len(rows)), axis=0)
            index += len(rows)
            kept = pd.concat([kept, rows]) if len(kept) else rows
            last = int(kept["round"].max())
            whole = kept["round"] < last - 1
            if whole.any():
                done = kept[whole]
                yield Part(label, done, before, is_last=False)
                before, kept = done[done["round"] == done["round"].max()], kept[~whole]
    if label:
        yield Part(label, kept, before, is_last=True)


def _pieces(groups: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for group in groups:
        for first in range(0, len(group), PIECE_ROWS):
            yield group.iloc[first : first + PIECE_ROWS]
