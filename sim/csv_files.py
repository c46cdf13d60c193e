"""CSV files that a scenario names: reading their rows, and checking the numbers in them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..scenarios.input_files import check_input_file

__all__ = ["BYTES_MAX", "VALUE_MAX", "check_rows", "read_rows", "read_steps"]

BYTES_MAX = 4 * 2**30
"""Largest size of a file of values over time, [byte]."""
VALUE_MAX = 1e12
"""Largest magnitude of a value, for example a time, [s], a coordinate, [m], or a gain, [dB]."""


def read_rows(path: Path) -> pd.DataFrame:
    """Return the rows of a file, each indexed by its line number.

    Raises
    ------
    ValueError
        If the file cannot be read.
    """
    try:
        check_input_file(path, BYTES_MAX)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, index_col=False, skip_blank_lines=False)
    except pd.errors.ParserWarning:
        raise ValueError(f"cannot read {path}: its rows hold more values than its heading") from None
    except (OSError, ValueError, OverflowError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    return table.set_axis(table.index + 2).dropna(how="all")


def check_rows(
    path: Path,
    rows: pd.DataFrame,
    index_sizes: Mapping[str, int],
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> pd.DataFrame:
    """Return the rows as numbers.

    Parameters
    ----------
    index_sizes : mapping of str to int
        Names of the columns that index a value, and the number of indices of each. If there are any, an
        instant has at most one row for each index.
    ranges : mapping of str to (float, float), optional
        The smallest and the largest value of further columns.

    Raises
    ------
    ValueError
        For the first row that breaks a rule.
    """
    numbers: pd.DataFrame = rows.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    usable = (np.abs(numbers.to_numpy()) <= VALUE_MAX).all(axis=1)
    if "time_s" in numbers:
        usable &= (numbers["time_s"] >= 0).to_numpy()
    wrong = numbers.index[~usable]
    if len(wrong):
        raise ValueError(f"{path}: line {wrong[0]} must hold finite numbers, and no time before 0")
    for column, count in index_sizes.items():
        outside = numbers.loc[~numbers[column].isin(range(count)), column]
        if len(outside):
            raise ValueError(
                f"{path}: line {outside.index[0]}: {column} {outside.iloc[0]:g} is none of 0 to {count - 1}"
            )
    for column, (smallest, largest) in (ranges or {}).items():
        outside = numbers.loc[~numbers[column].between(smallest, largest), column]
        if len(outside):
            raise ValueError(
                f"{path}: line {outside.index[0]}: {column} is {outside.iloc[0]:g}; it must be from"
                f" {smallest:g} to {largest:g}"
            )
    index = ["time_s", *index_sizes]
    duplicates = numbers.loc[numbers.duplicated(index), index] if index_sizes else numbers.iloc[:0]
    if len(duplicates):
        duplicate = ", ".join(f"{name} {value:g}" for name, value in duplicates.iloc[0].items())
        raise ValueError(f"{path}: line {duplicates.index[0]}: given twice: {duplicate}")
    return numbers


def read_steps(
    path: Path, num_devices: int, ranges: Mapping[str, tuple[float, float]]
) -> dict[int, pd.DataFrame]:
    """Return, for each device in a CSV, its rows in the order of their instants.

    The file has the columns ``device``, ``time_s`` and those of ``ranges``. A value stays until the device's
    next row.

    Parameters
    ----------
    ranges : mapping of str to (float, float)
        The columns of values, and the smallest and the largest value of each.

    Raises
    ------
    ValueError
        If the file cannot be read, or breaks a rule.
    """
    rows = read_rows(path)
    needed = ("device", "time_s", *ranges)
    if set(rows.columns) != set(needed):
        raise ValueError(f"{path} has the columns {', '.join(rows.columns)}; needed: {', '.join(needed)}")
    numbers = check_rows(path, rows, {"device": num_devices}, ranges).sort_values("time_s")
    return {int(steps["device"].iloc[0]): steps for _, steps in numbers.groupby("device")}
