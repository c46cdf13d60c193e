"""Gains that change with time as a table says: a user's measurement, or devices that move."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["GainTrace", "PositionTrace", "read_gains", "read_positions"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GainTrace:
    """Gains from one instant to the next; the last ones stay.

    Attributes
    ----------
    times_s : [num_instants], float
        Rising from 0, [s].
    gains : [num_instants, num_clients, num_subchannels], float
        Channel power gains, linear, [1].
    """

    times_s: Array
    gains: Array

    def of(self, clients: NDArray[np.intp]) -> GainTrace:
        """Return the gains of these clients alone, in this order."""
        return GainTrace(self.times_s, self.gains[:, clients])


@dataclass(frozen=True)
class PositionTrace:
    """Places from one instant to the next; the last ones stay.

    Attributes
    ----------
    times_s : [num_instants], float
        Rising from 0, [s].
    xy_m : [num_instants, num_clients, 2], float
        Coordinates from the access point, [m].
    """

    times_s: Array
    xy_m: Array

    @property
    def distance_m(self) -> Array:
        """Return the distances to the access point, [num_instants, num_clients], [m]."""
        return np.hypot(self.xy_m[..., 0], self.xy_m[..., 1])

    @property
    def angle_rad(self) -> Array:
        """Return the directions, [num_instants, num_clients], [rad]."""
        return np.arctan2(self.xy_m[..., 1], self.xy_m[..., 0])


def read_positions(path: Path, num_clients: int) -> PositionTrace:
    """Return the places that a CSV holds: ``device,x_m,y_m``, and ``time_s`` where devices move.

    A device that has no row at an instant stays where it was.

    Raises
    ------
    ValueError
        If the file can't be read, or a device has no place at time 0.
    """
    times_s, values = _values(path, _rows(path), ("x_m", "y_m"), {"device": num_clients})
    return PositionTrace(times_s, np.moveaxis(values, 0, -1))


def read_gains(path: Path, num_clients: int, num_subchannels: int) -> tuple[Array, Array]:
    """Return the gains that a CSV with a heading holds: ``device,gain_db``, and ``subchannel``, ``time_s``.

    Without ``subchannel`` a gain is that of all subchannels. What has no row at an instant stays as it was.

    Returns
    -------
    times_s : [num_instants], float
        Rising from 0, [s].
    gain_db : [num_instants, num_clients, num_subchannels], float
        Gains, [dB].

    Raises
    ------
    ValueError
        If the file can't be read, or a gain is missing at time 0.
    """
    rows = _rows(path)
    selective = "subchannel" in rows
    cells = {"device": num_clients, **({"subchannel": num_subchannels} if selective else {})}
    times_s, values = _values(path, rows, ("gain_db",), cells)
    gain_db = values[0] if selective else np.repeat(values[0][:, :, np.newaxis], num_subchannels, axis=2)
    return times_s, gain_db


def _rows(path: Path) -> pd.DataFrame:
    """Return the rows of a file, each indexed by its line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, index_col=False, skip_blank_lines=False)
    except pd.errors.ParserWarning:
        raise ValueError(f"cannot read {path}: its rows hold more values than its heading") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    return table.set_axis(table.index + 2).dropna(how="all")


def _values(
    path: Path, rows: pd.DataFrame, columns: tuple[str, ...], cells: dict[str, int]
) -> tuple[Array, Array]:
    """Return the instants, and the values [num_columns, num_instants, *cells], each kept until the next."""
    known = ("time_s", *cells, *columns)
    if set(rows.columns) | {"time_s"} != set(known):
        raise ValueError(f"{path} has the columns {', '.join(rows.columns)}; needed: {', '.join(known)},"
                         " of which time_s may be left out")  # fmt: skip
    rows = rows if "time_s" in rows else rows.assign(time_s=0.0)
    numbers = rows.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    _check(path, numbers, cells)
    wide = numbers.pivot(index="time_s", columns=list(cells), values=list(columns)).sort_index().ffill()
    full = pd.MultiIndex.from_product([columns, *(range(count) for count in cells.values())])
    wide = wide.reindex(columns=full)
    missing = full[wide.loc[0].isna().to_numpy()] if 0 in wide.index else full
    if len(missing):
        where = ", ".join(f"{name} {number}" for name, number in zip(cells, missing[0][1:], strict=True))
        raise ValueError(f"{path}: no {missing[0][0]} is given for {where} at time 0")
    values = wide.to_numpy(dtype=np.float64).reshape(len(wide), len(columns), *cells.values())
    return wide.index.to_numpy(dtype=np.float64), np.moveaxis(values, 1, 0)


def _check(path: Path, numbers: pd.DataFrame, cells: dict[str, int]) -> None:
    """Refuse the first row that breaks a rule."""
    wrong = numbers.index[~np.isfinite(numbers.to_numpy()).all(axis=1) | (numbers["time_s"] < 0).to_numpy()]
    if len(wrong):
        raise ValueError(f"{path}: line {wrong[0]} must hold finite numbers, and no time before 0")
    for cell, count in cells.items():
        outside = numbers.loc[~numbers[cell].isin(range(count)), cell]
        if len(outside):
            raise ValueError(
                f"{path}: line {outside.index[0]}: {cell} {outside.iloc[0]:g} is none of 0 to {count - 1}"
            )
    index = ["time_s", *cells]
    twice = numbers.loc[numbers.duplicated(index), index]
    if len(twice):
        given = ", ".join(f"{name} {value:g}" for name, value in twice.iloc[0].items())
        raise ValueError(f"{path}: line {twice.index[0]}: given twice: {given}")
