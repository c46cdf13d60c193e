"""Layer profiles: the measured times of each layer of a model on real devices, and its memory.

A profile is a folder. It holds one CSV file for each device, named after the device, with the columns
``layer,forward_ms,backward_ms,update_ms``, and ``memory.csv`` with ``layer,activation_kib,weight_kib``. Rows
are layers in order, numbered from 0. Times and activations are those of one mini-batch of 128 samples.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..suggestions import closest
from ..text import control_character
from .csv_text import csv_text

__all__ = ["BATCH_SIZE", "LayerProfile", "LayerProfileError", "LayerTimes", "read_layer_profile"]

BATCH_SIZE = 128
LAYERS_MAX = 10_000
LINE_LENGTH_MAX = 10_000
VALUE_MAX = 1e15
"""Largest time, [ms], or size, [KiB], of a layer."""
TIME_COLUMNS = ("forward_ms", "backward_ms", "update_ms")
MEMORY_COLUMNS = ("activation_kib", "weight_kib")
MEMORY_FILE = "memory.csv"
S_PER_MS = 1e-3
BITS_PER_KIB = 1024 * 8


class LayerProfileError(ValueError):
    """A layer profile that cannot be used; the message names the file, the line and the rule."""


@dataclass(frozen=True)
class LayerTimes:
    """The times of each layer on one device, for one mini-batch of 128 samples.

    Attributes
    ----------
    forward_s, backward_s : [num_layers], float
        Times of the forward and the backward pass, [s].
    update_s : [num_layers], float
        Time of the update of the layer's weights, [s].
    """

    forward_s: NDArray[np.float64]
    backward_s: NDArray[np.float64]
    update_s: NDArray[np.float64]


@dataclass(frozen=True)
class LayerProfile:
    """The measured layers of a model.

    Attributes
    ----------
    devices : mapping of str to LayerTimes
        The times of each device, by name.
    activation_bits : [num_layers], float
        Output activations of the layer for one mini-batch of 128 samples, [bit].
    weight_bits : [num_layers], float
        Weights of the layer, [bit].
    """

    devices: Mapping[str, LayerTimes]
    activation_bits: NDArray[np.float64]
    weight_bits: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self.weight_bits)

    def times(self, device: str) -> LayerTimes:
        """Return the times of a device.

        Raises
        ------
        LayerProfileError
            If the profile has no device of this name.
        """
        if device not in self.devices:
            allowed = list(self.devices)
            raise LayerProfileError(
                f"no device {device!r} in the layer profile; measured: {', '.join(allowed)}"
                f"{closest(device, allowed)}"
            )
        return self.devices[device]


def read_layer_profile(folder: Path) -> LayerProfile:
    """Read the layer profile of a folder; the devices are sorted by name.

    Raises
    ------
    LayerProfileError
        If the folder, a file or a column is missing, the layers are not numbered from 0, a value is not a
        number of 0 or more, or a device and ``memory.csv`` have different numbers of layers.
    """
    if not folder.is_dir():
        raise LayerProfileError(f"the layer profile {folder} must be a folder of CSV files; there is none")
    if not (folder / MEMORY_FILE).is_file():
        raise LayerProfileError(f"the layer profile {folder} has no {MEMORY_FILE}")
    memory_kib = _read_columns(folder / MEMORY_FILE, MEMORY_COLUMNS)
    count = memory_kib.shape[1]
    devices = {}
    for path in sorted(folder.glob("*.csv")):
        if path.name == MEMORY_FILE:
            continue
        if (escape := control_character(path.stem)) is not None:
            raise LayerProfileError(f"the layer profile {folder} has a file with {escape} in its name")
        times_ms = _read_columns(path, TIME_COLUMNS)
        if times_ms.shape[1] != count:
            raise LayerProfileError(f"{path}: {times_ms.shape[1]} layers; {MEMORY_FILE} has {count}")
        devices[path.stem] = LayerTimes(*(times_ms * S_PER_MS))
    if not devices:
        raise LayerProfileError(f"the layer profile {folder} needs at least one device: a CSV named after it")
    return LayerProfile(devices, *(memory_kib * BITS_PER_KIB))


def _read_columns(path: Path, columns: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the values of the columns, [num_columns, num_layers]."""
    try:
        text = csv_text(path)
    except (OSError, ValueError) as error:
        raise LayerProfileError(f"cannot read {path}: {error}") from None
    lines = text.splitlines()
    if len(lines) > LAYERS_MAX or max(map(len, lines), default=0) > LINE_LENGTH_MAX:
        raise LayerProfileError(
            f"{path}: at most {LAYERS_MAX:,} lines of {LINE_LENGTH_MAX:,} characters are read"
        )
    rows = csv.DictReader(lines, restval="")
    missing = [column for column in ("layer", *columns) if column not in (rows.fieldnames or ())]
    if missing:
        raise LayerProfileError(
            f"{path}:1: no column {', '.join(missing)}; the header must be layer,{','.join(columns)}"
        )
    values: list[list[float]] = []
    for row in rows:
        where = f"{path}:{rows.line_num}"
        if row["layer"].strip() != str(len(values)):
            raise LayerProfileError(
                f"{where}: layer is {row['layer']!r}; layers are numbered in order from 0,"
                f" so it must be {len(values)}"
            )
        values.append([_number(where, column, row[column]) for column in columns])
    if not values:
        raise LayerProfileError(f"{path}: a model needs at least one layer")
    return np.array(values, dtype=np.float64).T


def _number(where: str, column: str, text: str) -> float:
    """Return the number in a cell, or raise if it is not a number of 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= VALUE_MAX:
        raise LayerProfileError(
            f"{where}: {column} is {text!r}; it must be a number of 0 or more, and at most {VALUE_MAX:g}"
        )
    return value
