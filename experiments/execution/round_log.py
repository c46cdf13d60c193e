"""The log of a scheme's rounds: their results besides intervals and events."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ...analysis.results.round_tables import ROUND_COLUMNS
from ...sim.schemes.round_loop import Accuracy, RoundResult
from ...sim.world.rounds.round_times import RoundTimes

__all__ = ["LoggedRounds", "RoundLog", "RoundLogSnapshot"]


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


_INTERNAL_COLUMNS = ("receive_energy_j", "idle_energy_j")
"""The columns of parts of the energy, which are of no use without the energy of the intervals."""


_TEXT_COLUMNS = ("cut", "left_out")
"""The columns of the log that hold texts."""


LoggedRounds: TypeAlias = "tuple[dict[str, array[Any]], dict[str, list[str]]]"
"""The numeric columns of some rounds, and the columns of texts, by name."""


@dataclass(frozen=True)
class RoundLogSnapshot:
    """The state of a :class:`RoundLog` besides its rounds. The attributes are explained there."""

    accuracy: Accuracy | None = None
    sampled_clients: tuple[int, ...] | None = None
    rounds_of_device: Counter[int] = field(default_factory=Counter)
    times_of_device: dict[int, list[float]] = field(default_factory=dict)
    observed_s_of_device: dict[int, float] = field(default_factory=dict)


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
    observed_s_of_device : dict of int to float
        For each device whose states are among the events, its time in rounds, [s].
    """

    def __init__(self, snapshot: RoundLogSnapshot | None = None) -> None:
        snapshot = snapshot or RoundLogSnapshot()
        self._columns: dict[str, array[Any]] = {name: array(code) for name, code in _COLUMN_TYPES.items()}
        self.accuracy = snapshot.accuracy
        self.sampled_clients = snapshot.sampled_clients
        self.rounds_of_device = snapshot.rounds_of_device.copy()
        self.times_of_device = {client: [*each] for client, each in snapshot.times_of_device.items()}
        self.observed_s_of_device = dict(snapshot.observed_s_of_device)
        self._texts: dict[str, list[str]] = {name: [] for name in _TEXT_COLUMNS}
        self._num_in_increments = 0

    def __len__(self) -> int:
        """Return the number of finished rounds."""
        return len(self._columns["end_s"])

    def add(self, result: RoundResult, cut: str, sampled_clients: tuple[int, ...] | None) -> None:
        """Add the next round, with its cuts as text and the clients that were sampled for it."""
        accuracy = self.accuracy = result.accuracy
        self.sampled_clients = sampled_clients
        self.rounds_of_device.update(result.outcome.participants)
        left_out = " ".join(f"{client}:{reason}" for client, reason in result.left_out.items())
        self._add_texts({"cut": cut, "left_out": left_out})
        times = result.times
        if times is not None:
            self._add_device_times(times)
        for device, observed_s in result.observed_s.items():
            self.observed_s_of_device[device] = self.observed_s_of_device.get(device, 0.0) + observed_s
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

    def last_row(self, scheme: str, identity: Mapping[str, Any]) -> dict[str, Any]:
        """Return the last round with the columns of ``rounds.csv`` that do not depend on intervals.

        A value that does not exist is None.

        Parameters
        ----------
        scheme : str
            The scheme's name.
        identity : mapping of str to Any
            The scheme's ``label`` and the scenario's ``seed``.
        """
        ends_s = self._columns["end_s"]
        start_s = ends_s[-2] if len(ends_s) > 1 else 0.0
        row: dict[str, Any] = {name: column[-1] for name, column in (self._columns | self._texts).items()}
        row |= {"scheme": scheme, **identity, "round": len(self)}
        row |= {"start_s": start_s, "latency_s": row["end_s"] - start_s, "diverged": bool(row["diverged"])}
        return {
            name: None if isinstance(row[name], float) and math.isnan(row[name]) else row[name]
            for name in ROUND_COLUMNS
            if name in row and name not in _INTERNAL_COLUMNS
        }

    def device_times(self) -> pd.DataFrame:
        """Return the time that each device received and was idle, and the energy of both, by device.

        Columns: ``receive_s, receive_energy_j, idle_s, idle_energy_j``; no rows if these energies are all 0.
        """
        columns = ["receive_s", "receive_energy_j", "idle_s", "idle_energy_j"]
        return pd.DataFrame.from_dict(self.times_of_device, orient="index", columns=columns, dtype=float)

    def _add_texts(self, texts: Mapping[str, str]) -> None:
        # equal texts of consecutive rounds are one object, which saves memory
        for name, column in self._texts.items():
            column.append(column[-1] if column and column[-1] == texts[name] else texts[name])

    def snapshot(self) -> RoundLogSnapshot:
        """Return the state from which another log continues, without the rounds."""
        times = {client: [*each] for client, each in self.times_of_device.items()}
        return RoundLogSnapshot(
            self.accuracy,
            self.sampled_clients,
            self.rounds_of_device.copy(),
            times,
            self.observed_s_of_device.copy(),
        )

    def increment(self) -> LoggedRounds:
        """Return the rounds since the last call."""
        first, self._num_in_increments = self._num_in_increments, len(self)
        texts = {name: column[first:] for name, column in self._texts.items()}
        return {name: column[first:] for name, column in self._columns.items()}, texts

    def apply(self, increment: LoggedRounds) -> None:
        """Add rounds of an earlier part of the run."""
        columns, texts = increment
        for name, column in self._columns.items():
            column.extend(columns[name])
        for row in zip(*(texts[name] for name in self._texts), strict=True):
            self._add_texts(dict(zip(self._texts, row, strict=True)))
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
        return pd.DataFrame({"scheme": scheme, **identity, "round": numbers, **self._texts, **columns})
