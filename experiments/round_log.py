"""A scheme's intervals on their way from the event loop to tables, sums and the file."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ..analysis.results.interval_store import GROUP_ROWS, IntervalWriter
from ..analysis.results.round_tables import RoundTotals, StageTotals
from ..sim.schemes.round_loop import Accuracy, RoundResult
from ..sim.timeline.interval_record import IntervalRecord, Rows, TimelineHash, lasting

__all__ = ["IntervalStream", "LearntRounds", "LearntState", "RoundLog"]


class IntervalStream:
    """Takes the rows of finished rounds, and has all that is derived from them when the last has come.

    Rows are gathered into row groups of one size, whatever number of them is added at a time: so neither a
    sum nor a file depends on when rows leave the event loop.

    Parameters
    ----------
    record : what gives rows their names
    identity : label and seed
    writer : where the table of intervals goes
    """

    def __init__(self, record: IntervalRecord, identity: Mapping[str, Any], writer: IntervalWriter) -> None:
        self._record = record
        self._identity = identity
        self._writer = writer
        self._waiting: list[Rows] = []
        self._num_waiting = 0
        self.rounds = RoundTotals()
        self.stages = StageTotals()
        self.timeline = TimelineHash()

    def add(self, rows: Rows) -> None:
        """Go on with further rows, which will not change any more."""
        self.timeline.add(rows)
        self._waiting.append(lasting(rows))
        self._num_waiting += len(self._waiting[-1])
        if self._num_waiting >= GROUP_ROWS:
            gathered = np.concatenate(self._waiting)
            whole = len(gathered) // GROUP_ROWS * GROUP_ROWS
            for first in range(0, whole, GROUP_ROWS):
                self._close_group(gathered[first : first + GROUP_ROWS])
            self._waiting, self._num_waiting = [gathered[whole:].copy()], len(gathered) - whole

    def finish(self) -> None:
        """Close the last row group."""
        if self._num_waiting:
            self._close_group(np.concatenate(self._waiting))
        self._waiting, self._num_waiting = [], 0

    def _close_group(self, rows: Rows) -> None:
        names = pd.Index([self._identity["label"]], dtype="str")
        label = pd.Categorical.from_codes(np.zeros(len(rows), np.int8), names)
        frame = self._record.table(rows).assign(label=label, seed=self._identity["seed"])
        self.rounds.add(frame)
        self.stages.add(frame)
        self._writer.add(frame)


_FIGURES = {
    "end_s": "d",
    "participants": "q",
    "updates": "q",
    "samples": "q",
    "train_loss": "d",
    "test_accuracy": "d",
    "test_accuracy_min": "d",
    "test_accuracy_max": "d",
    "test_accuracy_averaged": "d",
    "validation_accuracy": "d",
}


LearntRounds: TypeAlias = "tuple[dict[str, array[Any]], list[str]]"
"""Some rounds' figures by name, and their cuts as text."""


@dataclass(frozen=True)
class LearntState:
    """What :class:`RoundLog` knows besides its rounds; see there."""

    accuracy: Accuracy | None = None
    drawn: tuple[int, ...] | None = None
    took_part: Counter[int] = field(default_factory=Counter)


class RoundLog:
    """What each finished round came to, beside its intervals; a few numbers a round.

    Parameters
    ----------
    state : what to go on from, whose rounds are to be added; the beginning by default

    Attributes
    ----------
    accuracy : of the evaluation at the end of the last round, None where none was due
    drawn : the devices of the last round, which the accuracy is of; None where all take part in every round
    took_part : in how many rounds each device took part
    """

    def __init__(self, state: LearntState | None = None) -> None:
        state = state or LearntState()
        self._columns: dict[str, array[Any]] = {name: array(code) for name, code in _FIGURES.items()}
        self.accuracy = state.accuracy
        self.drawn = state.drawn
        self.took_part = state.took_part.copy()
        self._cuts: list[str] = []
        self._told = 0

    def __len__(self) -> int:
        """Return the number of finished rounds."""
        return len(self._columns["end_s"])

    def add(self, result: RoundResult, cut: str, drawn: tuple[int, ...] | None) -> None:
        """Add the next round, with its cuts as text and the devices that were drawn for it."""
        accuracy = self.accuracy = result.accuracy
        self.drawn = drawn
        self.took_part.update(result.outcome.participants)
        self._add_cut(cut)
        validation = accuracy.validation if accuracy else None
        figures = (
            result.end_s,
            len(result.outcome.participants),
            result.outcome.updates,
            result.outcome.samples,
            result.train_loss,
            accuracy.mean if accuracy else math.nan,
            min(accuracy.per_client) if accuracy else math.nan,
            max(accuracy.per_client) if accuracy else math.nan,
            accuracy.averaged if accuracy else math.nan,
            math.nan if validation is None else validation,
        )
        for column, figure in zip(self._columns.values(), figures, strict=True):
            column.append(figure)

    def _add_cut(self, cut: str) -> None:
        self._cuts.append(self._cuts[-1] if self._cuts and self._cuts[-1] == cut else cut)  # one text for all

    def state(self) -> LearntState:
        """Return what another must know to go on, besides the rounds."""
        return LearntState(self.accuracy, self.drawn, self.took_part.copy())

    def news(self) -> LearntRounds:
        """Return the rounds since this was asked before."""
        since, self._told = self._told, len(self)
        return {name: column[since:] for name, column in self._columns.items()}, self._cuts[since:]

    def apply_increment(self, rounds: LearntRounds) -> None:
        """Add rounds that another told."""
        columns, cuts = rounds
        for name, column in self._columns.items():
            column.extend(columns[name])
        for cut in cuts:
            self._add_cut(cut)
        self._told = len(self)

    def table(self, scheme: str, identity: Mapping[str, Any]) -> pd.DataFrame:
        """Return one row a round, as :meth:`RoundTotals.table` takes them.

        Parameters
        ----------
        scheme : its name
        identity : label and seed
        """
        columns = {name: np.array(values) for name, values in self._columns.items()}
        numbers = np.arange(1, len(self) + 1)
        return pd.DataFrame({"scheme": scheme, **identity, "round": numbers, "cut": self._cuts, **columns})
