"""Gains and positions over time, as CSV tables give them: measured gains, or devices that move."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..csv_files import check_rows, read_rows

__all__ = ["GainTrace", "PositionTrace", "read_gains", "read_positions"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GainTrace:
    """Gains over time: each holds from its instant to the next, the last ones to the end of the run.

    Attributes
    ----------
    times_s : ndarray, [num_instants]
        Instants, rising from 0, [s].
    gains : ndarray, [num_instants, num_clients, num_subchannels]
        Channel power gains, linear, [1].
    in_sight : ndarray of bool, [num_instants, num_clients], or None
        Whether each client is in line of sight; None if the model has no such state.
    """

    times_s: Array
    gains: Array
    in_sight: NDArray[np.bool_] | None = None

    def select(self, clients: NDArray[np.intp]) -> GainTrace:
        """Return the gains of these clients alone, in this order."""
        in_sight = None if self.in_sight is None else self.in_sight[:, clients]
        return GainTrace(self.times_s, self.gains[:, clients], in_sight)

    def sight_shares(self, until_s: float) -> Array:
        """Return the share of the time from 0 to an instant in which each client is in line of sight.

        Parameters
        ----------
        until_s : float
            The instant, [s].

        Returns
        -------
        ndarray, [num_clients]
            From 0 to 1; NaN if the model has no such state.
        """
        if self.in_sight is None:
            return np.full(self.gains.shape[1], np.nan)
        last = max(1, int(np.searchsorted(self.times_s, until_s)))  # instants that lie before the end
        if last == 1:
            return np.asarray(self.in_sight[0], np.float64)
        durations_s = np.diff(np.append(self.times_s[:last], until_s))
        shares: Array = np.minimum(
            durations_s @ self.in_sight[:last] / until_s, 1.0
        )  # without rounding errors
        return shares


@dataclass(frozen=True)
class PositionTrace:
    """Positions over time: each holds from its instant to the next, the last ones to the end of the run.

    Attributes
    ----------
    times_s : ndarray, [num_instants]
        Instants, rising from 0, [s].
    xy_m : ndarray, [num_instants, num_clients, 2]
        Coordinates relative to the access point, [m].
    """

    times_s: Array
    xy_m: Array

    @property
    def distance_m(self) -> Array:
        """Return the distances to the access point, [num_instants, num_clients], [m]."""
        return np.hypot(self.xy_m[..., 0], self.xy_m[..., 1])

    @property
    def angle_rad(self) -> Array:
        """Return the directions from the access point, [num_instants, num_clients], [rad]."""
        return np.arctan2(self.xy_m[..., 1], self.xy_m[..., 0])


def read_positions(path: Path, num_clients: int) -> PositionTrace:
    """Return the positions in a CSV with the columns ``device,x_m,y_m``, and ``time_s`` where devices move.

    A device that has no row at an instant keeps its position.

    Raises
    ------
    ValueError
        If the file cannot be read, breaks a rule, or has no position of a device at time 0.
    """
    times_s, values = _read_values(path, read_rows(path), ("x_m", "y_m"), {"device": num_clients})
    return PositionTrace(times_s, np.moveaxis(values, 0, -1))


def read_gains(path: Path, num_clients: int, num_subchannels: int) -> tuple[Array, Array]:
    """Return the gains in a CSV with the columns ``device,gain_db`` and optional ``subchannel``, ``time_s``.

    Without ``subchannel`` a gain holds on all subchannels. A gain that has no row at an instant stays.

    Returns
    -------
    times_s : ndarray, [num_instants]
        Instants, rising from 0, [s].
    gain_db : ndarray, [num_instants, num_clients, num_subchannels]
        Gains, [dB].

    Raises
    ------
    ValueError
        If the file cannot be read, breaks a rule, or has no gain of a device at time 0.
    """
    rows = read_rows(path)
    per_subchannel = "subchannel" in rows
    index_sizes = {"device": num_clients, **({"subchannel": num_subchannels} if per_subchannel else {})}
    times_s, values = _read_values(path, rows, ("gain_db",), index_sizes)
    gain_db = values[0] if per_subchannel else np.repeat(values[0][:, :, np.newaxis], num_subchannels, axis=2)
    return times_s, gain_db


def _read_values(
    path: Path, rows: pd.DataFrame, columns: tuple[str, ...], index_sizes: dict[str, int]
) -> tuple[Array, Array]:
    """Return the instants and the values; a value without a row at an instant keeps its last one.

    Parameters
    ----------
    path : Path
        The file, for messages.
    rows : DataFrame
        Its rows, as :func:`~cutlayer.sim.csv_files.read_rows` returns them.
    columns : tuple of str
        Names of the columns that hold values.
    index_sizes : dict of str to int
        Names of the columns that index a value, and the number of indices of each.

    Returns
    -------
    times_s : ndarray, [num_instants]
        Instants, rising from 0, [s].
    values : ndarray, [num_columns, num_instants, *index_sizes]
        The values of each column.
    """
    allowed = ("time_s", *index_sizes, *columns)
    if set(rows.columns) | {"time_s"} != set(allowed):
        raise ValueError(f"{path} has the columns {', '.join(rows.columns)}; needed: {', '.join(allowed)},"
                         " of which time_s may be left out")  # fmt: skip
    rows = rows if "time_s" in rows else rows.assign(time_s=0.0)
    numbers = check_rows(path, rows, index_sizes)
    wide = numbers.pivot(index="time_s", columns=list(index_sizes), values=list(columns)).sort_index().ffill()
    full = pd.MultiIndex.from_product([columns, *(range(count) for count in index_sizes.values())])
    wide = wide.reindex(columns=full)
    missing = full[wide.loc[0].isna().to_numpy()] if 0 in wide.index else full
    if len(missing):
        where = ", ".join(
            f"{name} {number}" for name, number in zip(index_sizes, missing[0][1:], strict=True)
        )
        raise ValueError(f"{path}: no {missing[0][0]} is given for {where} at time 0")
    values = wide.to_numpy(dtype=np.float64).reshape(len(wide), len(columns), *index_sizes.values())
    return wide.index.to_numpy(dtype=np.float64), np.moveaxis(values, 1, 0)
