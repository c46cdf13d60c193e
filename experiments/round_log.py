"""The results that grow during a scheme's run: the stream of its intervals, and the log of its rounds."""

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
from ..sim.world.round_times import RoundTimes

__all__ = ["IntervalStream", "LoggedRounds", "RoundLog", "RoundLogSnapshot"]


class IntervalStream:
    """Passes the rows of finished rounds on to the file of intervals, the sums, and the timeline's hash.

    Rows are collected into row groups of one size, whatever the number of rows that are added at a time. So
    neither the sums nor the file depend on the instants at which rows leave the event loop.

    Parameters
    ----------
    record : IntervalRecord
        Knows the names that the rows' numbers stand for.
    identity : mapping of str to Any
        The scheme's ``label`` and the scenario's ``seed``.
    writer : IntervalWriter
        Receives the table of intervals.

    Attributes
    ----------
    rounds : RoundTotals
        Sums for each round.
    stages : StageTotals
        Sums for each node and phase.
    timeline : TimelineHash
        The hash of all rows.
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
        """Add further rows, which must not change any more."""
        self.timeline.add(rows)
        self._waiting.append(lasting(rows))
        self._num_waiting += len(self._waiting[-1])
        if self._num_waiting >= GROUP_ROWS:
            joined = np.concatenate(self._waiting)
            end = len(joined) // GROUP_ROWS * GROUP_ROWS  # of the last complete group
            for first in range(0, end, GROUP_ROWS):
                self._close_group(joined[first : first + GROUP_ROWS])
            self._waiting, self._num_waiting = [joined[end:].copy()], len(joined) - end

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


_COLUMN_TYPES = {
    "end_s": "d",
    "participants": "q",
    "updates": "q",
    "samples": "q",
    "receive_energy_j": "d",
    "idle_energy_j": "d",
    "train_loss": "d",
    "diverged": "b",
    "test_accuracy": "d",
    "test_accuracy_min": "d",
    "test_accuracy_max": "d",
    "test_accuracy_averaged": "d",
    "validation_accuracy": "d",
}
"""The numeric columns of the log, with their type codes for ``array``."""


LoggedRounds: TypeAlias = "tuple[dict[str, array[Any]], list[str]]"
"""The numeric columns of some rounds by name, and the cut of each round as text."""


@dataclass(frozen=True)
class RoundLogSnapshot:
    """The state of a :class:`RoundLog` besides its rounds. The attributes are explained there."""

    accuracy: Accuracy | None = None
    sampled_clients: tuple[int, ...] | None = None
    rounds_of_device: Counter[int] = field(default_factory=Counter)
    times_of_device: dict[int, list[float]] = field(default_factory=dict)


class RoundLog:
    """The results of each finished round besides its intervals: a few numbers for each round.

    Parameters
    ----------
    snapshot : RoundLogSnapshot, optional
        The state from which the log continues, once :meth:`apply` has added its rounds; empty by default.

    Attributes
    ----------
    accuracy : Accuracy or None
        The evaluation at the end of the last round; None if it had none.
    sampled_clients : tuple of int or None
        The clients of the last round; None if all devices take part in every round.
    rounds_of_device : Counter
        The number of rounds in which each device took part.
    times_of_device : dict of int to list of float
        For each device the sums of its times and energies, in the columns of :meth:`device_times`; empty if
        no device has power besides computing and sending.
    """

    def __init__(self, snapshot: RoundLogSnapshot | None = None) -> None:
        snapshot = snapshot or RoundLogSnapshot()
        self._columns: dict[str, array[Any]] = {name: array(code) for name, code in _COLUMN_TYPES.items()}
        self.accuracy = snapshot.accuracy
        self.sampled_clients = snapshot.sampled_clients
        self.rounds_of_device = snapshot.rounds_of_device.copy()
        self.times_of_device = {client: [*each] for client, each in snapshot.times_of_device.items()}
        self._cuts: list[str] = []
        self._num_in_increments = 0

    def __len__(self) -> int:
        """Return the number of finished rounds."""
        return len(self._columns["end_s"])

    def add(self, result: RoundResult, cut: str, sampled_clients: tuple[int, ...] | None) -> None:
        """Add the next round, with its cuts as text and the clients that were sampled for it."""
        accuracy = self.accuracy = result.accuracy
        self.sampled_clients = sampled_clients
        self.rounds_of_device.update(result.outcome.participants)
        self._add_cut(cut)
        times = result.times
        if times is not None:
            self._add_device_times(times)
        validation = accuracy.validation if accuracy else None
        values: tuple[float, ...] = (
            result.end_s,
            len(result.outcome.participants),
            result.outcome.updates,
            result.outcome.samples,
            float(times.receive_j.sum()) if times else 0.0,
            float(times.idle_j.sum()) if times else 0.0,
            result.train_loss,
            result.diverged,
            accuracy.mean if accuracy else math.nan,
            accuracy.lowest if accuracy else math.nan,
            accuracy.highest if accuracy else math.nan,
            accuracy.averaged if accuracy else math.nan,
            math.nan if validation is None else validation,
        )
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)

    def _add_device_times(self, times: RoundTimes) -> None:
        columns = (times.receive_s, times.receive_j, times.idle_s, times.idle_j)
        for client, *amounts in zip(times.clients, *(each.tolist() for each in columns), strict=True):
            total = self.times_of_device.setdefault(client, [0.0] * len(columns))
            total[:] = [before + amount for before, amount in zip(total, amounts, strict=True)]

    def device_times(self) -> pd.DataFrame:
        """Return the time that each device received and was idle, and the energy of both, by device.

        Columns: ``receive_s, receive_energy_j, idle_s, idle_energy_j``; no rows if these energies are all 0.
        """
        columns = ["receive_s", "receive_energy_j", "idle_s", "idle_energy_j"]
        return pd.DataFrame.from_dict(self.times_of_device, orient="index", columns=columns, dtype=float)

    def _add_cut(self, cut: str) -> None:
        # equal texts of consecutive rounds are one object, which saves memory
        self._cuts.append(self._cuts[-1] if self._cuts and self._cuts[-1] == cut else cut)

    def snapshot(self) -> RoundLogSnapshot:
        """Return the state from which another log continues, without the rounds."""
        times = {client: [*each] for client, each in self.times_of_device.items()}
        return RoundLogSnapshot(self.accuracy, self.sampled_clients, self.rounds_of_device.copy(), times)

    def increment(self) -> LoggedRounds:
        """Return the rounds since the last call."""
        first, self._num_in_increments = self._num_in_increments, len(self)
        return {name: column[first:] for name, column in self._columns.items()}, self._cuts[first:]

    def apply(self, increment: LoggedRounds) -> None:
        """Add rounds of an earlier part of the run."""
        columns, cuts = increment
        for name, column in self._columns.items():
            column.extend(columns[name])
        for cut in cuts:
            self._add_cut(cut)
        self._num_in_increments = len(self)

    def table(self, scheme: str, identity: Mapping[str, Any]) -> pd.DataFrame:
        """Return one row for each round, with the columns that :meth:`RoundTotals.table` needs.

        Parameters
        ----------
        scheme : str
            The scheme's name.
        identity : mapping of str to Any
            The scheme's ``label`` and the scenario's ``seed``.
        """
        columns = {name: np.array(values) for name, values in self._columns.items()}
        columns["diverged"] = columns["diverged"].astype(bool)
        numbers = np.arange(1, len(self) + 1)
        return pd.DataFrame({"scheme": scheme, **identity, "round": numbers, "cut": self._cuts, **columns})
