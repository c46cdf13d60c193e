"""CSV files of values that change with time, for each device on its own: ``device,time_s,VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..csv_files import read_steps as read_device_steps

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
    tables = read_device_steps(path, num_devices, {column: (lowest, largest)})
    return {
        device: Steps(tuple(table["time_s"].tolist()), tuple(table[column].tolist()))
        for device, table in tables.items()
    }
