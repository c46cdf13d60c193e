"""CSV files of values that change with time, for each device on its own: ``device,time_s,VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..radio.gain_trace import check_rows, read_rows

__all__ = ["Steps", "read_steps"]


@dataclass(frozen=True)
class Steps:
    """The values of one device: each holds from its instant to the next, the last one to the end of the run.

    Attributes
    ----------
    times_s : tuple of float
        Rising instants, [s].
    values : tuple of float
        The value from each instant on.
    """

    times_s: tuple[float, ...]
    values: tuple[float, ...]


def read_steps(
    path: Path, column: str, num_devices: int, *, lowest: float = 0.0, largest: float = 1.0
) -> Mapping[int, Steps]:
    """Return the values in a CSV with the columns ``device``, ``time_s`` and one more, by device.

    Devices may lack rows, and rows may stand in any order.

    Parameters
    ----------
    column : str
        The name of the column of values.
    lowest, largest : float
        The range of the values.

    Raises
    ------
    ValueError
        If the file cannot be read or breaks a rule; it names the line.
    """
    rows = read_rows(path)
    names = ("device", "time_s", column)
    if set(rows.columns) != set(names) or len(rows.columns) != len(names):
        raise ValueError(f"{path} has the columns {', '.join(rows.columns)}; needed: {', '.join(names)}")
    numbers = rows.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    check_rows(path, numbers, {"device": num_devices})
    outside = numbers.loc[(numbers[column] < lowest) | (numbers[column] > largest), column]
    if len(outside):
        raise ValueError(
            f"{path}: line {outside.index[0]}: {column} {outside.iloc[0]:g} is outside of"
            f" {lowest:g} to {largest:g}"
        )
    groups = numbers.sort_values(["device", "time_s"]).groupby("device")
    return {
        int(device): Steps(tuple(group["time_s"].tolist()), tuple(group[column].tolist()))
        for device, group in groups
    }
